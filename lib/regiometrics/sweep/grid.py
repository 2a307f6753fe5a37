"""A grid of parameters, and the settings of its runs once it is checked against the chapter."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path
from typing import Any

from regiometrics.errors import DataProblems, DomainError, RegionError
from regiometrics.in_process import recorded
from regiometrics.sweep.notebook import KINDS, Kind, Notebook, Parameter, closest, names_folder, read_notebook

COLUMNS = ("run", "seconds", "error", "engine")  # of the tidy table, beside parameters and results
_WORDS: Mapping[Kind, str] = {
    "str": "text, in quotes where it looks like a number, a date or yes and no",
    "float": "a finite number",
    "int": "a whole number",
    "bool": "true or false",
    "list": "a list of numbers, texts or truth values",
}


@dataclass(frozen=True, slots=True)
class Grid:
    """What a sweep runs.

    Attributes
    ----------
    chapter : str
        Name of a notebook, ``"p3"`` for short.
    base : mapping
        Parameters that every run has; those not named keep the chapter's default.
    grid : mapping of str to sequence
        Values of the parameters that vary; every combination is run.
    specifications : sequence of mapping
        Further runs, each by the parameters in which it differs from the base.
    results : sequence of str
        Recorded values that are wanted; empty: all.
    notebook : path, optional
        A notebook file in place of the chapter's.
    labels : mapping of str to mapping
        Of a parameter, words for its values, for `labelled`.
    """

    chapter: str
    base: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    specifications: Sequence[Mapping[str, Any]] = ()
    results: Sequence[str] = ()
    notebook: Path | None = None
    labels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class GridProblems(DataProblems):
    """Several problems of one grid; each line has its own remedy."""

    def _message(self) -> str:
        return self.problem.strip()


@dataclass(frozen=True, slots=True)
class CheckedGrid:
    """A grid without problems: the notebook, its parameters, and the values of all of them for every run."""

    notebook: Notebook
    parameters: tuple[Parameter, ...]
    settings: list[dict[str, Any]]


def checked(grid: Grid) -> CheckedGrid:
    """Check a grid against its chapter; raise all its problems at once."""
    notebook = read_notebook(grid.notebook or grid.chapter)
    known = notebook.parameters()
    reading = _Reading(known)
    base = reading.values(grid.base, "base")
    axes = reading.axes(grid.grid)
    further = reading.specifications(grid.specifications)
    reading.labels(grid.labels)
    unknown = reading.unknown(grid.chapter)
    raise_all([*_called_like_columns(known), *reading.problems, *unknown, *_unrecorded(grid, notebook)])
    defaults = {parameter.name: parameter.default for parameter in known}
    combined = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    chosen = [*(combined if axes or not further else []), *further]
    return CheckedGrid(notebook, known, [defaults | base | setting for setting in chosen])


def raise_all(problems: Sequence[RegionError]) -> None:
    """Raise nothing, the only problem, or all of them in one report."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise GridProblems(problems, remedy="")


class _Reading:
    """Reads the values of a grid one after the other, and gathers what is wrong with them."""

    def __init__(self, known: Sequence[Parameter]) -> None:
        self.problems: list[RegionError] = []
        self._known = {parameter.name: parameter for parameter in known}
        self._unknown: dict[str, str] = {}

    def value(self, name: object, value: object, place: str) -> Any:
        """A value as its parameter takes it; None where it will not do."""
        if str(name) not in self._known:
            self._unknown.setdefault(str(name), place)
            return None
        try:
            return _plain_value(self._known[str(name)], value, place)
        except RegionError as problem:
            self.problems.append(problem)
            return None

    def values(self, given: Mapping[str, Any], place: str) -> dict[str, Any]:
        return {name: self.value(name, value, place) for name, value in given.items()}

    def axes(self, given: Mapping[str, Any], place: str = "grid") -> dict[str, list[Any]]:
        axes: dict[str, list[Any]] = {}
        for name, values in given.items():
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                problem = DomainError(f"{place}: {name} has {values!r} for values", remedy="write a list of values")
                self.problems.append(problem)
            else:
                axes[name] = [self.value(name, value, place) for value in values]
        return axes

    def specifications(self, given: Sequence[Any]) -> list[dict[str, Any]]:
        settings = []
        for number, setting in enumerate(given, start=1):
            if isinstance(setting, Mapping):
                settings.append(self.values(setting, f"specification {number}"))
            else:
                problem = DomainError(f"specification {number} is {setting!r}", remedy="write a mapping")
                self.problems.append(problem)
        return settings

    def labels(self, given: Mapping[str, Any]) -> None:
        for name, words in given.items():
            if isinstance(words, Mapping):
                self.axes({name: list(words.values())}, f"labels, {name}")
            else:
                remedy = "write words and the value that each stands for"
                self.problems.append(DomainError(f"labels: {name} has {words!r}", remedy=remedy))

    def unknown(self, chapter: str) -> list[RegionError]:
        """A problem for each name that is no parameter, at the first place that has it."""
        return [
            DomainError(
                f"{place} names {name!r}, which is no parameter of {chapter}", remedy=closest(name, self._known)
            )
            for name, place in self._unknown.items()
        ]


def _plain_value(parameter: Parameter, value: Any, place: str) -> Any:
    """The value as a literal of the parameter's kind; an int will do for a float."""
    kind = KINDS[parameter.kind]
    if kind is float and type(value) is int:
        value = float(value)
    if kind is list and isinstance(value, tuple):
        value = list(value)
    fits = type(value) is kind
    if not fits or not all(_is_literal(item) for item in (value if kind is list else [value])):
        raise DomainError(
            f"{place}: {parameter.name} = {value!r} is no {parameter.kind}", remedy=f"write {_WORDS[parameter.kind]}"
        )
    if names_folder(parameter, value) and not Path(value).is_dir():
        raise RegionError(
            f"{place}: {parameter.name} = {value!r} is no folder", remedy=f"name one, or {parameter.help}"
        )
    return list(value) if kind is list else value


def _is_literal(item: object) -> bool:
    return type(item) in (str, int, bool) or (type(item) is float and math.isfinite(item))


def _called_like_columns(known: Sequence[Parameter]) -> list[RegionError]:
    return [
        DomainError(f"parameter {p.name!r} has the name of a column of the table", remedy="rename it in the notebook")
        for p in known
        if p.name in COLUMNS
    ]


def _unrecorded(grid: Grid, notebook: Notebook) -> list[RegionError]:
    """Wanted results that no cell can record, as far as the code tells."""
    try:
        names = set().union(*(recorded(ast.parse(cell)) for cell in notebook.cells))
    except SyntaxError:  # magics: what is recorded shows when it has run
        return []
    return [
        DomainError(f"no cell of {grid.chapter} records {wanted!r}", remedy=closest(str(wanted), sorted(names)))
        for wanted in dict.fromkeys(grid.results)
        if not any(fnmatchcase(str(wanted), name) for name in names)
    ]
