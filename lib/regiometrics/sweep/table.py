"""The tidy table of a sweep, whose types hang on the chapter and not on which runs failed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from regiometrics.errors import DomainError
from regiometrics.sweep.grid import COLUMNS, Grid
from regiometrics.sweep.notebook import Kind, Parameter
from regiometrics.sweep.store import kept_of
from regiometrics.sweep.tasks import Task

_TYPES: Mapping[Kind, Any] = {"str": "str", "int": "int64", "float": "float64", "bool": "bool", "list": "str"}


def table_of(out: Path, tasks: Sequence[Task], known: Sequence[Parameter]) -> pd.DataFrame:
    """One row for each run that is kept: its id, all parameters, the results, and how it went."""
    kept = [found for task in tasks if (found := kept_of(out, task)) is not None]
    wanted = tasks[0].results or sorted({name for found in kept for name in found["results"]})
    rows = []
    for found in kept:
        results = {} if found["error"] else found["results"]
        row = {"run": found["run"]} | found["parameters"] | {_column(name, known): results.get(name) for name in wanted}
        rows.append(row | {name: found[name] for name in ("seconds", "error", "engine")})
    columns = ["run", *(p.name for p in known), *(_column(name, known) for name in wanted), *COLUMNS[1:]]
    return typed(rows, known).reindex(columns=columns)


def typed(rows: Sequence[Mapping[str, Any]], known: Sequence[Parameter]) -> pd.DataFrame:
    """Rows as a table whose types follow from the parameters and from what kind of values a result has."""
    types = {parameter.name: _TYPES[parameter.kind] for parameter in known} | dict.fromkeys(COLUMNS, "str")
    types["seconds"] = "float64"
    columns: dict[str, pd.Series[Any]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        in_words = any(isinstance(value, str | list) for value in values)
        dtype = types.get(name, "str" if in_words else "float64")
        columns[name] = pd.Series([_text(v) for v in values] if dtype == "str" else values, dtype=dtype)
    return pd.DataFrame(columns)


def labelled(grid: Grid, table: pd.DataFrame) -> pd.DataFrame:
    """The table of a sweep with the words of its grid in place of values, as a reader wants them under a figure.

    Parameters
    ----------
    grid : Grid
    table : DataFrame
        From `regiometrics.sweep.run` or `regiometrics.sweep.specifications`.

    Raises
    ------
    DomainError
        A parameter that has words has a value without one.

    Examples
    --------
    >>> grid = Grid("p3", grid={"ddof": [0, 1]}, labels={"ddof": {"n": 0, "n - 1": 1}})
    >>> labelled(grid, pd.DataFrame({"ddof": [0, 1], "log_t": [-6.9, -6.8]}))["ddof"].tolist()
    ['n', 'n - 1']
    """
    words = {name: {_as_written(value): word for word, value in of.items()} for name, of in grid.labels.items()}
    changed = {}
    for name in table.columns.intersection(list(words)):
        changed[name] = table[name].map(words[name])
        if changed[name].isna().any():
            value = table.loc[changed[name].isna(), name].iloc[0]
            raise DomainError(f"{name} = {value} has no label in the grid", remedy=f"add it under labels: {name}")
    return table.assign(**changed)


def _as_written(value: Any) -> Any:
    """A value as the tidy table has it."""
    return _text(value) if isinstance(value, list) else value


def _text(value: Any) -> str | None:
    """A value as a text; a list as JSON."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list) else str(value)


def _column(result: str, known: Sequence[Parameter]) -> str:
    """Column of a recorded value; one that has the name of another column is set apart."""
    taken = {parameter.name for parameter in known} | set(COLUMNS)
    return f"{result}_recorded" if result in taken else result
