"""The errors of the library: what is wrong, in which column, in how many rows, for which keys, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import get_args

KEYS_SHOWN = 5


class RegionError(ValueError):
    """Base of every error that the library raises about its input.

    Parameters
    ----------
    problem : str
        What is wrong, without a final full stop.
    column : str, optional
        The column it is wrong in.
    n_rows : int, optional
        Number of offending rows.
    keys : iterable, optional
        Keys of offending rows; the message shows at most five.
    remedy : str, optional
        One thing the caller can do.

    Attributes
    ----------
    problem, column, n_rows, keys, remedy
        As passed; ``keys`` is a tuple holding all of them.

    Examples
    --------
    >>> print(DomainError("employment must be positive", column="C", n_rows=1, keys=[("Suzhou", 2017)],
    ...                   remedy="correct the cell or leave the city-year out"))
    column 'C': employment must be positive (1 row: Suzhou 2017). Remedy: correct the cell or leave the city-year out.
    """

    def __init__(
        self,
        problem: str,
        *,
        column: str | None = None,
        n_rows: int | None = None,
        keys: Iterable[object] = (),
        remedy: str = "",
    ) -> None:
        self.problem = problem
        self.column = column
        self.keys = tuple(keys)
        self.n_rows = len(self.keys) if n_rows is None and self.keys else n_rows
        self.remedy = remedy
        super().__init__(self._message())

    def _message(self) -> str:
        where = f"column {self.column!r}: " if self.column is not None else ""
        which = ""
        if self.n_rows is not None:
            shown = "; ".join(_show_key(key) for key in self.keys[:KEYS_SHOWN])
            more = "; ..." if len(self.keys) > KEYS_SHOWN else ""
            rows = f"{self.n_rows} row{'' if self.n_rows == 1 else 's'}"
            which = f" ({rows}: {shown}{more})" if shown else f" ({rows})"
        remedy = f" Remedy: {self.remedy.rstrip('.')}." if self.remedy else ""
        return f"{where}{self.problem.rstrip('.')}{which}.{remedy}"


def _show_key(key: object) -> str:
    return " ".join(str(part) for part in key) if isinstance(key, tuple) else str(key)


class KeyColumnError(RegionError):
    """A column is absent, a key is null, duplicated, or unknown to the table it should point to."""


class UnbalancedPanelError(RegionError):
    """Balance is required and a (unit, time) cell is missing."""


class MissingValueError(RegionError):
    """A used column holds NaN or infinity and ``missing="raise"``."""


class DomainError(RegionError):
    """A value lies outside what the formula or the unit allows: negative, zero denominator, text, wrong unit."""


class GroupSizeError(RegionError):
    """A group has fewer members than the statistic needs."""


class RankError(RegionError):
    """Collinear regressors, or a singular matrix that the method may not repair."""


class NoControlsError(RegionError):
    """Nothing to compare the treated with: no never- or not-yet-treated unit, no control on the common support."""


class NoDonorsError(RegionError):
    """No donor to build a synthetic control from, fewer than two, or a donor that the data do not hold."""


class TreatmentPathError(RegionError):
    """Treatment switches off, holds from the first period on, or reaches no unit."""


class SeparationError(RegionError):
    """The covariates predict treatment perfectly, so the propensity score does not exist."""


class SampleMismatchError(RegionError):
    """Equations that must share a sample do not."""


class ConvergenceError(RegionError):
    """An optimiser stopped without a certificate of its solution."""


class InfeasibleError(RegionError):
    """A linear program has no optimum, or a rule never comes to its end; the unit is named."""


class DataProblems(RegionError):
    """Several problems found in one reading of the reader's files; ``problems`` holds each as its own error."""

    def __init__(self, problems: Sequence[RegionError], *, remedy: str = "mend the files and load them again") -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {i}. {problem}" for i, problem in enumerate(self.problems, start=1))
        super().__init__(f"{len(self.problems)} problems found:{lines}", remedy=remedy)

    def _message(self) -> str:
        return f"{self.problem}\nRemedy: {self.remedy.rstrip('.')}."


def raise_problems(problems: Sequence[RegionError]) -> None:
    """Raise nothing, the only problem, or all of them as one `DataProblems`."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise DataProblems(problems)


def require_choice(option: str, value: object, choices: object) -> None:
    """Raise `DomainError` unless the value is one of a Literal's.

    Examples
    --------
    >>> from typing import Literal
    >>> require_choice("trend", "hac", Literal["hac", "ols"])
    """
    if value not in get_args(choices):
        raise DomainError(
            f"{option}={value!r} is not known", remedy=f"choose one of {', '.join(map(repr, get_args(choices)))}"
        )
