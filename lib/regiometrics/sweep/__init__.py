"""Sweeps: run a chapter over a grid of parameters, by papermill on Dask processes or in warm processes.

A grid is checked as a whole before its first run. Every finished run is one file under the run's id, which is a hash of
all that the run may depend on, so that a sweep that was stopped goes on where it stood.
"""

# In the order of a sweep: `notebook` reads a chapter's parameters, `grid_file` a grid, `grid` checks it, `tasks` makes
# the runs of it, `identity` their ids; `engines` does one run, `cluster` many; `store` keeps them, `table` tells them.

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from regiometrics.errors import RegionError
from regiometrics.sweep.cluster import outcomes_on_dask
from regiometrics.sweep.engines import plan_of, run_task
from regiometrics.sweep.grid import Grid, GridProblems
from regiometrics.sweep.grid_file import read_grid
from regiometrics.sweep.identity import OtherFiles, require_same
from regiometrics.sweep.notebook import RESERVED, Parameter, parameters
from regiometrics.sweep.store import is_finished, keep, prepare, write
from regiometrics.sweep.table import labelled, table_of, typed
from regiometrics.sweep.tasks import Outcome, Sweep, Task, sweep_of

__all__ = [
    "RESERVED",
    "Grid",
    "GridProblems",
    "Parameter",
    "finished",
    "labelled",
    "parameters",
    "read_grid",
    "run",
    "specifications",
]


def specifications(grid: Grid) -> pd.DataFrame:
    """The runs of a grid: one row each, its id and the parameters that vary, lists as text.

    Parameters
    ----------
    grid : Grid
        Combinations of ``grid`` first, then ``specifications``; a run that comes twice is listed once.

    Raises
    ------
    RegionError
        All problems at once: unknown names with the closest known one, wrong types, folders that do not exist, wanted
        results that no cell records.

    Examples
    --------
    >>> specifications(Grid("p3", grid={"ddof": [0, 1], "level": [0.9, 0.95]}))[["ddof", "level"]].values.tolist()
    [[0.0, 0.9], [0.0, 0.95], [1.0, 0.9], [1.0, 0.95]]
    """
    sweep = sweep_of(grid, in_process=False)
    rows = [{"run": task.run} | dict(task.parameters) for task in sweep.tasks]
    return typed(rows, sweep.parameters)[["run", *sweep.varied]]


def finished(grid: Grid, out: str | Path, *, in_process: bool = False) -> list[str]:
    """Ids of the runs of a grid that `run` would not run again for this folder.

    Parameters
    ----------
    grid : Grid
        From `read_grid`, or made here.
    out : str or path
        Folder of an earlier `run`; none is finished where it does not exist.
    in_process : bool
        As in `run`: without it a run is finished only with its executed notebook.

    Raises
    ------
    RegionError
        As in `specifications`.

    Examples
    --------
    >>> finished(Grid("p3", grid={"ddof": [0, 1]}), "no/such/folder")
    []
    """
    return [task.run for task in sweep_of(grid, in_process=in_process).tasks if is_finished(Path(out), task)]


def run(
    grid: Grid,
    *,
    out: str | Path,
    workers: int = 2,
    scheduler: str | None = None,
    in_process: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Run a grid, keep every finished run in ``out``, and return the tidy table of all.

    A run is finished once ``<out>/<run>.json`` stands without an error; finished runs are not run again, so the same
    call after a stop, however hard, goes on. Where another parameter, another file of data or another version of the
    library is used, the id is another one.

    Parameters
    ----------
    grid : Grid
        From `read_grid`, or made here.
    out : str or path
        Folder for ``<run>.ipynb`` (executed notebooks), ``<run>.json``, ``results.parquet`` and ``results.csv``.
    workers : int
        Dask processes on this machine, each with one thread; 0 runs without Dask, here.
    scheduler : str, optional
        Address of a running Dask scheduler, ``"tcp://host:8786"``, whose workers have this library; no disk is shared.
    in_process : bool
        The same cells in warm processes without kernel: no executed notebooks, and only those statements run on which
        the wanted results may depend.
    progress : bool
        Show a progress bar.

    Returns
    -------
    DataFrame
        One row per run: ``run``, all parameters, the recorded results, ``seconds``, ``error`` (empty where there is
        none; ``cell 3: ValueError: ...`` names the third code cell), ``engine``. Lists are JSON text. Results of a
        failed run are missing. Numbers are float64, so that the types do not hang on which runs failed.

    Raises
    ------
    RegionError
        As in `specifications`, before the first run; a scheduler that cannot be reached; or files that a run reads
        changed meanwhile, or differ on a worker: the sweep stops, and what is finished is kept.

    Notes
    -----
    Scripts that call this with ``workers`` need ``if __name__ == "__main__":``, since processes are spawned.
    Ctrl-C stops the sweep, keeps what is finished and writes the table of it.
    """
    sweep = sweep_of(grid, in_process=in_process)
    if in_process:
        plan_of(sweep.tasks[0])
    out = Path(out)
    prepare(out, sweep.places.values())
    still = [task for task in sweep.tasks if not is_finished(out, task)]
    try:
        outcomes = _outcomes(still, sweep, workers, scheduler)
        for task, outcome in _bar(outcomes, len(sweep.tasks), len(still), progress):
            keep(out, task, outcome)
    except OtherFiles as other:
        raise _stopped(str(other), sweep) from None
    finally:
        table = table_of(out, sweep.tasks, sweep.parameters)
        write(out / "results.parquet", table.to_parquet(index=False))
        write(out / "results.csv", table.to_csv(index=False).encode())
    return table


def _outcomes(tasks: list[Task], sweep: Sweep, workers: int, scheduler: str | None) -> Iterator[tuple[Task, Outcome]]:
    """Each task with its outcome, as they come; no cluster is started for none."""
    if tasks and scheduler is None and workers == 0:
        for task in tasks:
            yield task, run_task(task, sweep.folders)
    elif tasks:
        yield from outcomes_on_dask(tasks, sweep.folders, workers, scheduler)


def _bar(
    outcomes: Iterator[tuple[Task, Outcome]], n: int, n_open: int, progress: bool
) -> Iterator[tuple[Task, Outcome]]:
    from tqdm import tqdm

    with tqdm(total=n, initial=n - n_open, unit="run", disable=not progress) as bar:
        failed = 0
        for task, outcome in outcomes:
            yield task, outcome
            failed += bool(outcome.error)
            bar.update()
            if failed:
                bar.set_postfix(failed=failed)


def _stopped(other: str, sweep: Sweep) -> RegionError:
    """Why a sweep cannot go on: files changed here, or a worker has others."""
    task = sweep.tasks[0]
    try:
        require_same(task.inputs, sweep.places, in_memory=task.in_process)
    except OtherFiles:
        return RegionError(
            f"the sweep stopped because {other} changed while it ran; finished runs are kept",
            remedy="restore the files to go on where it stood, or start again with the new ones in a new Python",
        )
    return RegionError(
        f"the sweep stopped because a worker has another version of {other}; finished runs are kept",
        remedy="install the version of this machine on every worker and restart them",
    )
