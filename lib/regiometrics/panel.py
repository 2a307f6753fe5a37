"""Keys, balance and sample bookkeeping of long tables: one row per key, key columns named by keyword."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from regiometrics.errors import (
    DomainError,
    KeyColumnError,
    MissingValueError,
    RegionError,
    UnbalancedPanelError,
    require_choice,
)

Missing = Literal["raise", "drop"]


@dataclass(frozen=True, slots=True)
class Sample:
    """What happened to the rows of an input: read, used, dropped and why.

    Attributes
    ----------
    rows_in, rows_used : int
        Rows of the input and rows that entered the estimate.
    dropped : tuple of (reason, keys)
        One entry per reason, with the keys of the rows that went.
    """

    rows_in: int
    rows_used: int
    dropped: tuple[tuple[str, tuple[object, ...]], ...] = field(default=())

    def to_frame(self) -> pd.DataFrame:
        """One row per reason: ``reason, rows, keys``."""
        rows = [(reason, len(keys), "; ".join(map(str, keys))) for reason, keys in self.dropped]
        return pd.DataFrame(rows, columns=["reason", "rows", "keys"])


def named(*columns: str | None) -> list[str]:
    """The columns that were given, in order, without repeats."""
    return list(dict.fromkeys(c for c in columns if c is not None))


def keys_of(df: pd.DataFrame, mask: np.ndarray | pd.Series, keys: Sequence[str]) -> list[object]:
    """Keys of the rows where ``mask`` holds: tuples, scalars for one key column, index labels for none."""
    if not keys:
        return list(df.index[np.asarray(mask, dtype=bool)])
    rows = df.loc[np.asarray(mask, dtype=bool), list(keys)]
    if len(keys) == 1:
        return list(rows.iloc[:, 0])
    return list(rows.itertuples(index=False, name=None))


def refuse(
    error: type[RegionError],
    problem: str,
    *,
    rows: np.ndarray | pd.Series,
    of: pd.DataFrame,
    keys: Sequence[str],
    column: str,
    remedy: str,
) -> None:
    """Raise ``error`` with the keys of the rows where ``rows`` holds, each named once; nothing where none does."""
    bad = np.asarray(rows, dtype=bool)
    if bad.any():
        offending = dict.fromkeys(keys_of(of, bad, keys))
        raise error(problem, column=column, n_rows=int(bad.sum()), keys=offending, remedy=remedy)


def require_columns(df: pd.DataFrame, columns: Iterable[str]) -> None:
    """Raise `KeyColumnError` unless every column is there."""
    absent = [c for c in columns if c not in df.columns]
    if absent:
        raise KeyColumnError(
            f"column {', '.join(map(repr, absent))} is not in the table",
            remedy=f"the table has {', '.join(map(repr, df.columns[:12]))}; name one of these or add the column",
        )


def require_keys(df: pd.DataFrame, keys: Sequence[str], *, unique: bool = True) -> None:
    """Raise `KeyColumnError` unless the key columns exist, hold no null and (``unique``) identify each row."""
    require_columns(df, keys)
    for key in keys:
        null = df[key].isna()
        if null.any():
            raise KeyColumnError(
                "a key may not be missing",
                column=key,
                n_rows=int(null.sum()),
                keys=df.index[null],
                remedy="fill it in or leave the row out",
            )
    twice = df.duplicated(list(keys), keep=False) if unique and keys else np.zeros(len(df), dtype=bool)
    if twice.any():
        raise KeyColumnError(
            f"key ({', '.join(keys)}) must identify each row",
            n_rows=int(twice.sum()),
            keys=dict.fromkeys(keys_of(df, twice, keys)),
            remedy="keep one row per key or aggregate first",
        )


def numeric(df: pd.DataFrame, column: str, keys: Sequence[str]) -> np.ndarray:
    """The column as float array; text that is no number is a `DomainError`, never a silent NaN."""
    require_columns(df, [column])
    values = df[column]
    if not (pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values)):
        numbers = pd.to_numeric(values, errors="coerce")
        text = numbers.isna() & values.notna()
        shown = ", ".join(repr(v) for v in values[text].unique()[:3])
        refuse(
            DomainError,
            f"text where a number is needed ({shown})",
            rows=text,
            of=df,
            keys=keys,
            column=column,
            remedy="write numbers without units or separators, or leave the cell empty",
        )
        values = numbers
    return np.asarray(values, dtype=float)


def complete(
    df: pd.DataFrame, values: Sequence[str], *, keys: Sequence[str], missing: Missing = "raise", unique: bool = True
) -> tuple[pd.DataFrame, Sample]:
    """A copy with the used columns, the values as finite floats, and the account of dropped rows.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per key.
    values : sequence of str
        Columns that must be numbers.
    keys : sequence of str
        Key columns, without nulls.
    missing : {"raise", "drop"}
        What to do with NaN or infinity in ``values``.
    unique : bool
        Whether the keys must identify each row.

    Raises
    ------
    KeyColumnError
        A column is absent, a key null or duplicated.
    DomainError
        Text in a number column.
    MissingValueError
        NaN or infinity and ``missing="raise"``.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a", "b"], "year": [1, 1], "y": [2.0, np.nan]})
    >>> used, sample = complete(df, ["y"], keys=["city", "year"], missing="drop")
    >>> len(used), sample.dropped
    (1, (("missing 'y'", (('b', 1),)),))
    """
    require_choice("missing", missing, Missing)
    require_keys(df, keys, unique=unique)
    require_columns(df, values)
    used = df[named(*keys, *values)]  # a copy: what is written to it never reaches df
    dropped: list[tuple[str, tuple[object, ...]]] = []
    keep = np.ones(len(df), dtype=bool)
    for column in dict.fromkeys(values):
        numbers = numeric(df, column, keys)
        if column not in keys and df[column].dtype != float:
            used[column] = numbers
        bad = ~np.isfinite(numbers)
        if missing == "raise":
            refuse(
                MissingValueError,
                "missing or infinite values",
                rows=bad,
                of=df,
                keys=keys,
                column=column,
                remedy="fill them in, or pass missing='drop' to leave these rows out and list them in .sample",
            )
        new = bad & keep
        if new.any():
            dropped.append((f"missing {column!r}", tuple(keys_of(df, new, keys))))
        keep &= ~bad
    return used if keep.all() else used[keep], Sample(len(df), int(keep.sum()), tuple(dropped))


def require_balanced(df: pd.DataFrame, *, unit: str, time: str) -> None:
    """Raise `UnbalancedPanelError` listing the (unit, time) cells that are missing."""
    units, times = df[unit].unique(), np.sort(df[time].unique())
    if len(df) == len(units) * len(times):
        return
    wanted = pd.MultiIndex.from_product([units, times])
    absent = wanted.difference(pd.MultiIndex.from_frame(df[[unit, time]]), sort=False)
    raise UnbalancedPanelError(
        f"the panel needs every ({unit}, {time}) cell",
        n_rows=len(absent),
        keys=list(absent),
        remedy=f"add the cells, or leave out their units or periods (a full panel is {len(units)} x {len(times)})",
    )


def wide(df: pd.DataFrame, *, unit: str, time: str, value: str) -> pd.DataFrame:
    """A balanced panel as a units x times frame, times sorted."""
    require_keys(df, [unit, time])
    require_balanced(df, unit=unit, time=time)
    return df.pivot(index=unit, columns=time, values=value).sort_index(axis=1)


@dataclass(frozen=True, slots=True)
class TwoWayEffects:
    """Unit and time effects of a panel, and the exact projection off them, balanced or not.

    Attributes
    ----------
    unit, time : ndarray of int, shape (rows,)
        Positions of each row in ``units`` and ``times``.
    units, times : Index
        Distinct keys, sorted.
    weights : ndarray, shape (rows,)
        Positive weights; ones when none were given.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a", "a", "b", "b"], "year": [1, 2, 1, 2], "y": [1.0, 2.0, 3.0, 8.0]})
    >>> effects = TwoWayEffects.of(df, unit="city", time="year")
    >>> effects.demean(df["y"].to_numpy()).round(9).tolist(), effects.rank
    ([1.0, -1.0, -1.0, 1.0], 3)
    """

    unit: np.ndarray
    time: np.ndarray
    units: pd.Index
    times: pd.Index
    weights: np.ndarray

    @classmethod
    def of(cls, df: pd.DataFrame, *, unit: str, time: str, weights: np.ndarray | None = None) -> TwoWayEffects:
        """The effects of a table with one row per (unit, time)."""
        at_unit, units = pd.factorize(df[unit], sort=True)
        at_time, times = pd.factorize(df[time], sort=True)
        mass = np.ones(len(df)) if weights is None else np.asarray(weights, dtype=float)
        return cls(at_unit, at_time, pd.Index(units), pd.Index(times), mass)

    @property
    def rank(self) -> int:
        """Number of independent effects: units plus times minus the connected parts of the panel."""
        return len(self.units) + len(self.times) - len(self._anchors(self._table()))

    def demean(self, columns: np.ndarray) -> np.ndarray:
        """Residuals of each column, shape (rows, k), after weighted regression on all unit and time effects.

        Unit means go first; the time effects then solve a system of the size of the number of periods, so the answer is
        exact for unbalanced panels too and no iteration is needed.
        """
        columns = np.asarray(columns, dtype=float)
        flat = columns.reshape(len(columns), -1)
        table = self._table()
        mass = table.sum(axis=1)
        within = flat - (self._sums(flat * self.weights[:, None], self.unit, len(mass)) / mass[:, None])[self.unit]
        totals = self._sums(within * self.weights[:, None], self.time, len(self.times))
        gram = np.diag(table.sum(axis=0)) - (table / mass[:, None]).T @ table
        free = np.delete(np.arange(len(gram)), self._anchors(table))
        shift = np.zeros_like(totals)
        shift[free] = np.linalg.solve(gram[np.ix_(free, free)], totals[free])
        result: np.ndarray = within - shift[self.time] + (table @ shift / mass[:, None])[self.unit]
        return result.reshape(columns.shape)

    def _table(self) -> np.ndarray:
        """Weight by unit and time."""
        shape = len(self.units), len(self.times)
        at = self.unit * shape[1] + self.time
        return np.asarray(np.bincount(at, self.weights, shape[0] * shape[1]), dtype=float).reshape(shape)

    @staticmethod
    def _anchors(table: np.ndarray) -> np.ndarray:
        """First period of each connected part of the panel; its effect is held at 0 while the others are solved for."""
        linked = table.T @ table > 0
        while not np.array_equal(linked @ linked, linked):
            linked = linked @ linked
        return np.unique(linked.argmax(axis=1))

    @staticmethod
    def _sums(columns: np.ndarray, at: np.ndarray, n: int) -> np.ndarray:
        return np.column_stack([np.bincount(at, column, n) for column in columns.T])
