"""Runs on Dask: processes of this machine or a scheduler elsewhere, and what is done when a worker dies."""

from __future__ import annotations

import logging
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from regiometrics.errors import RegionError
from regiometrics.sweep.engines import run_task
from regiometrics.sweep.identity import OtherFiles
from regiometrics.sweep.tasks import Folder, Outcome, Task

_SECONDS_FOR_A_SCHEDULER = 10
_SECONDS_FOR_A_WORKER = 60


def outcomes_on_dask(
    tasks: Sequence[Task], folders: Mapping[str, Folder], workers: int, scheduler: str | None
) -> Iterator[tuple[Task, Outcome]]:
    """Each task with its outcome, as they come; raise `OtherFiles` where a worker has other files."""
    with _client(workers, scheduler) as client:
        if scheduler is not None:
            folders = {path: replace(folder, files=_contents(Path(folder.path))) for path, folder in folders.items()}
        sent = {path: client.scatter(folder, broadcast=True) for path, folder in folders.items()}
        suspects = yield from _submitted(client, tasks, sent, None)
        # a run whose worker died may only have been queued behind the guilty one: each gets one more try, alone
        yield from _submitted(client, suspects, sent, 1)


def _submitted(
    client: Any, tasks: Sequence[Task], folders: Mapping[str, Any], at_once: int | None
) -> Generator[tuple[Task, Outcome], None, list[Task]]:
    """Run tasks on a cluster, no more at once than it has threads; return those whose worker died."""
    import distributed
    from distributed.scheduler import KilledWorker

    waiting = list(reversed(tasks))
    running: dict[Any, Task] = {}
    died: list[Task] = []
    done: Any = distributed.as_completed()  # type: ignore[no-untyped-call]

    def fill() -> None:
        room = at_once or max(1, sum(client.nthreads().values()))
        while waiting and len(running) < room:
            task = waiting.pop()
            own = {path: folders[path] for path in task.folders.values()}
            future = client.submit(run_task, task, own, pure=False, retries=0)
            running[future] = task
            done.add(future)

    fill()
    while running:
        future = next(done)
        task = running.pop(future)
        error = future.exception() if future.status == "error" else None
        if isinstance(error, OtherFiles):
            raise error
        fill()
        if error is None and future.status == "finished":
            yield task, future.result()
        elif isinstance(error, KilledWorker) and at_once is None:
            died.append(task)
        elif isinstance(error, KilledWorker):
            yield task, Outcome({}, math.nan, "the worker process died while it ran this")
        else:
            yield task, Outcome({}, math.nan, f"the worker failed: {type(error).__name__}: {error}")
    return died


def _client(workers: int, scheduler: str | None) -> AbstractContextManager[Any]:
    """A Dask client: of the scheduler named, or of processes of this machine that end with it."""
    return _processes(workers) if scheduler is None else _connection(scheduler)


@contextmanager
def _processes(workers: int) -> Iterator[Any]:
    import dask
    import distributed

    start_client: Any = distributed.Client
    start_workers: Any = distributed.LocalCluster
    options: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "processes": True}
    options["silence_logs"] = logging.ERROR  # a worker that closes slowly is no news; one that dies has its row
    options |= dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 0}),
        start_workers(**options) as cluster,
        start_client(cluster) as client,
    ):
        yield client


@contextmanager
def _connection(scheduler: str) -> Iterator[Any]:
    import distributed

    start_client: Any = distributed.Client
    with ExitStack() as stack:
        try:
            client = stack.enter_context(start_client(scheduler, timeout=_SECONDS_FOR_A_SCHEDULER))
            client.wait_for_workers(1, timeout=_SECONDS_FOR_A_WORKER)
        except (OSError, TimeoutError, ValueError) as error:
            raise RegionError(
                f"no scheduler with workers at {scheduler}: {error}",
                remedy="start `dask scheduler` and `dask worker` and name the address that the scheduler prints",
            ) from None
        yield client


def _contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}
