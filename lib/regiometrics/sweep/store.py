"""The folder of a sweep: a file or two for each run, written whole or not at all, and which runs are finished."""

from __future__ import annotations

import json
import math
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from regiometrics.data.files import data_folder
from regiometrics.errors import RegionError
from regiometrics.sweep.identity import stored_sweeps
from regiometrics.sweep.tasks import Outcome, Task


def prepare(out: Path, read: Iterable[Path]) -> None:
    """Make the folder, without what a stopped write left; raise where it lies in one of those that the runs read."""
    there = out.resolve()
    for folder in (data_folder().resolve(), *read):  # what is written there would change the id of every run
        if there.is_relative_to(folder) and not there.is_relative_to(stored_sweeps().resolve()):
            raise RegionError(f"{out} lies in {folder}, which the runs read", remedy="name a folder outside it")
    out.mkdir(parents=True, exist_ok=True)
    for leftover in out.glob(".sweep-*.part"):
        leftover.unlink(missing_ok=True)


def keep(out: Path, task: Task, outcome: Outcome) -> None:
    """Keep a run: the notebook first, so that the json stands for both."""
    if outcome.executed:
        write(out / f"{task.run}.ipynb", outcome.executed.encode())
    kept = {
        "run": task.run,
        "parameters": dict(task.parameters),
        "results": dict(outcome.results),
        "whole": not task.in_process or not task.results,
        "seconds": None if math.isnan(outcome.seconds) else round(outcome.seconds, 3),
        "error": outcome.error,
        "engine": task.engine,
    }
    write(out / f"{task.run}.json", json.dumps(kept, ensure_ascii=False, indent=1).encode())


def kept_of(out: Path, task: Task) -> dict[str, Any] | None:
    """What is kept of a run; None where nothing readable is."""
    try:
        kept = json.loads((out / f"{task.run}.json").read_text("utf-8"))
        return kept if isinstance(kept, dict) and kept["run"] == task.run else None
    except (OSError, ValueError, KeyError):
        return None


def is_finished(out: Path, task: Task) -> bool:
    """Whether a run is kept without an error, with all wanted results and what its engine leaves."""
    kept = kept_of(out, task)
    if kept is None or kept["error"] or not set(task.results) <= kept["results"].keys():
        return False
    if not task.results and not kept["whole"]:
        return False
    return task.in_process or (out / f"{task.run}.ipynb").is_file()


def write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".sweep-", suffix=".part", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)
