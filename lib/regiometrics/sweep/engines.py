"""One run, by papermill and a kernel of its own or in this process, and how what goes wrong in it is told."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

from regiometrics.in_process import Plan, execute, plan
from regiometrics.report.record import Plain, collect
from regiometrics.sweep.identity import require_same
from regiometrics.sweep.tasks import Folder, Outcome, Task

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def run_task(task: Task, folders: Mapping[str, Folder]) -> Outcome:
    """One run, on the worker, in a temporary folder; whatever goes wrong in its code comes back as its error.

    Raises `OtherFiles` where what it reads is not what its id stands for, before or after.
    """
    start = perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        places = {path: _placed(folders[path], scratch / name) for name, path in task.folders.items()}
        require_same(task.inputs, places, in_memory=task.in_process)
        values = dict(task.parameters) | {name: str(places[path]) for name, path in task.folders.items()}
        engine = _by_plan if task.in_process else _by_papermill
        results, error, executed = engine(task, values, scratch)
        require_same(task.inputs, places, in_memory=task.in_process)
    lacking = [wanted for wanted in task.results if wanted not in results]
    if not error and lacking:
        error = f"no cell recorded {', '.join(lacking)}"
    return Outcome(results, perf_counter() - start, error, executed)


def plan_of(task: Task) -> Plan:
    """What runs of a notebook in this process; raise where it cannot run there."""
    return plan(task.notebook.cells, task.notebook.tagged, results=task.results)


def _placed(folder: Folder, there: Path) -> Path:
    """Where this worker reads a folder: its own place, or a copy of what travelled."""
    if folder.files is None:
        return Path(folder.path)
    copy = there / Path(folder.path).name
    for name, content in folder.files.items():
        path = copy / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return copy


def _by_plan(task: Task, values: Mapping[str, Any], scratch: Path) -> tuple[dict[str, Plain], str, str]:
    results, error = execute(plan_of(task), values, folder=scratch)
    return results, error, ""


def _by_papermill(task: Task, values: Mapping[str, Any], scratch: Path) -> tuple[dict[str, Plain], str, str]:
    import nbformat
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    target, error = scratch / "run.ipynb", ""
    read: Any = nbformat.reads
    with _one_thread():
        try:
            execute_notebook(
                read(task.notebook.text, as_version=4),
                str(target),
                parameters=dict(values),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                extra_arguments=["--log-level=ERROR"],
                resources={"metadata": {"path": str(scratch)}},
            )
        except PapermillExecutionError as failure:
            error = f"{failure.ename}: {failure.evalue}"
        except Exception as failure:  # a kernel that died, or that never started
            error = f"the kernel failed: {type(failure).__name__}: {failure}"
    text = target.read_text("utf-8") if target.is_file() else ""
    executed = json.loads(text) if text else {"cells": []}
    number = _failed_cell(executed)
    return collect(executed), f"cell {number}: {error}" if error and number else error, text


def _failed_cell(executed: Mapping[str, Any]) -> int:
    """Number of the code cell that raised, as the notebook counts them before parameters are put in; 0 of none."""
    code = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    own = [cell for cell in code if "injected-parameters" not in cell["metadata"].get("tags", [])]
    raised = (i for i, cell in enumerate(own, start=1) if any(o["output_type"] == "error" for o in cell["outputs"]))
    return next(raised, 0)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Kernels that are started inside use one thread for linear algebra."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
