"""The runs of a grid: what each needs to be run elsewhere, and what it hands back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from regiometrics.report.record import Plain
from regiometrics.sweep.grid import Grid, checked
from regiometrics.sweep.identity import Inputs, inputs, run_id
from regiometrics.sweep.notebook import Notebook, Parameter, names_folder


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the reader's that a parameter names; ``files`` travel where the worker may not see its disk."""

    path: str
    files: Mapping[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """All that a worker needs for one run; ``folders`` are paths of the reader's, by the parameters that name them."""

    run: str
    notebook: Notebook
    parameters: Mapping[str, Any]
    results: tuple[str, ...]
    folders: Mapping[str, str]
    inputs: Inputs
    in_process: bool

    @property
    def engine(self) -> str:
        """Name of the engine in the table."""
        return "in-process" if self.in_process else "notebook"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a worker hands back; ``executed`` is the text of the executed notebook, as far as it came."""

    results: Mapping[str, Plain]
    seconds: float
    error: str
    executed: str = ""


@dataclass(frozen=True, slots=True)
class Sweep:
    """The runs of a checked grid, each once.

    Attributes
    ----------
    tasks : list of Task
        At least one.
    parameters : tuple of Parameter
        Of the chapter.
    folders : mapping of str to Folder
        The reader's folders by their paths as the grid has them.
    """

    tasks: list[Task]
    parameters: tuple[Parameter, ...]
    folders: Mapping[str, Folder]

    @property
    def places(self) -> dict[str, Path]:
        """Where this machine has the reader's folders."""
        return {path: Path(folder.path) for path, folder in self.folders.items()}

    @property
    def varied(self) -> list[str]:
        """Names of the parameters that differ between runs."""
        names = [parameter.name for parameter in self.parameters]
        return [name for name in names if len({json.dumps(task.parameters[name]) for task in self.tasks}) > 1]


def sweep_of(grid: Grid, *, in_process: bool) -> Sweep:
    """The runs of a grid; raise all problems of the grid at once."""
    ready = checked(grid)
    named = [
        {p.name: str(setting[p.name]) for p in ready.parameters if names_folder(p, setting[p.name])}
        for setting in ready.settings
    ]
    places = {path: Path(path).resolve() for paths in named for path in paths.values()}
    read = inputs(places)
    results = tuple(dict.fromkeys(grid.results))
    tasks: dict[str, Task] = {}
    for setting, paths in zip(ready.settings, named, strict=True):
        name = run_id(ready.notebook, setting, read, paths)
        tasks[name] = Task(name, ready.notebook, setting, results, paths, read, in_process)
    folders = {path: Folder(str(place)) for path, place in places.items()}
    return Sweep(list(tasks.values()), ready.parameters, folders)
