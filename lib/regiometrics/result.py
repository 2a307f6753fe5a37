"""The small base of every estimate: a frozen record of numbers, sample and options."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from types import MappingProxyType

import numpy as np
import pandas as pd
from scipy import special

from regiometrics.panel import Sample


@cache
def library_version() -> str:
    """Version of the installed library, or "unknown" in a bare checkout."""
    try:
        return version("regiometrics")
    except PackageNotFoundError:
        return "unknown"


def frozen_options(**options: object) -> Mapping[str, object]:
    """Every argument after defaults are filled in, with the library's version, read-only."""
    return MappingProxyType({**options, "version": library_version()})


def readonly(values: np.ndarray) -> np.ndarray:
    """A copy that cannot be written to."""
    array = np.array(values)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, kw_only=True)
class Estimate(ABC):
    """Base of results: what was estimated, on which sample, with which options.

    Attributes
    ----------
    sample : Sample
        Rows read, used and dropped, with reasons.
    options : mapping
        Every argument after defaults, the seed where one was used, and the library's version.
    """

    sample: Sample
    options: Mapping[str, object] = field(repr=False)

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """The estimates as a tidy frame; each result class documents its columns."""

    def summary(self) -> str:
        """A short text: the class, the sample and the frame at four significant digits."""
        dropped = self.sample.rows_in - self.sample.rows_used
        head = f"{type(self).__name__}: {self.sample.rows_used} rows used, {dropped} dropped"
        table = self.to_frame().to_string(index=False, float_format=lambda x: f"{x:.4g}")
        return f"{head}\n{table}"


@dataclass(frozen=True, kw_only=True)
class EffectResult(Estimate):
    """One effect of a treatment, whatever the estimator, so that all of them stand on one axis.

    Attributes
    ----------
    estimator : str
        The estimator's name as the book prints it, such as ``"Callaway-Sant'Anna"``.
    estimate, std_error, p_value, low, high : float
        In units of the outcome; NaN where the method gives none.
    level : float
        Confidence level of ``low`` and ``high``.
    n_obs, n_units, n_clusters : int
        Observations, units, and clusters of the standard error.
    path : DataFrame
        The effect by time since adoption: ``period, estimate, std_error, p_value, low, high, n_units, is_base``; empty
        where the method gives a single number. ``n_units`` counts the treated units seen in that period. A period that
        pools an end of the window is named in ``notes``.
    weights : DataFrame
        What the estimate averages over, with the method's own columns; empty where there is nothing to show.
    notes : tuple of str
        What the reader has to know: binned periods, cohorts of one, the convention of the standard error.
    """

    estimator: str
    estimate: float
    std_error: float
    p_value: float
    low: float
    high: float
    level: float
    n_obs: int
    n_units: int
    n_clusters: int
    path: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    weights: pd.DataFrame = field(default_factory=pd.DataFrame, repr=False)
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row: ``estimator, estimate, std_error, statistic, p_value, low, high, n_obs, n_units, n_clusters``."""
        statistic = self.estimate / self.std_error if self.std_error else np.nan
        row = {
            "estimator": self.estimator,
            "estimate": self.estimate,
            "std_error": self.std_error,
            "statistic": statistic,
            "p_value": self.p_value,
            "low": self.low,
            "high": self.high,
            "n_obs": self.n_obs,
            "n_units": self.n_units,
            "n_clusters": self.n_clusters,
        }
        return pd.DataFrame([row])


def coefficient_frame(
    estimate: pd.Series, std_error: pd.Series, *, df: float = np.inf, level: float = 0.95
) -> pd.DataFrame:
    """One row per term of a regression: ``term, estimate, std_error, statistic, p_value, low, high``.

    Parameters
    ----------
    estimate, std_error : Series, by term
        Coefficients and their standard errors; without a positive error what rests on it is NaN.
    df : float
        Degrees of freedom of the t statistics; normal where infinite.
    level : float
        Confidence level of ``low`` and ``high``.

    Examples
    --------
    >>> terms = pd.Index(["policy"], name="term")
    >>> frame = coefficient_frame(pd.Series([1.96], terms), pd.Series([1.0], terms))
    >>> frame.columns.tolist(), round(float(frame.loc[0, "p_value"]), 3)
    (['term', 'estimate', 'std_error', 'statistic', 'p_value', 'low', 'high'], 0.05)
    """
    values, errors = estimate.to_numpy(), std_error.to_numpy()
    p_value, low, high = t_inference(values, errors, df=df, level=level)
    columns = {
        "term": estimate.index,
        "estimate": values,
        "std_error": errors,
        "statistic": values / np.where(errors > 0, errors, np.nan),
        "p_value": p_value,
        "low": low,
        "high": high,
    }
    return pd.DataFrame(columns)


def t_inference(
    estimate: np.ndarray, std_error: np.ndarray, *, df: float = np.inf, level: float = 0.95
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two-sided p-values and confidence limits from Student's t with ``df`` degrees of freedom (normal when infinite).

    Examples
    --------
    >>> p, low, high = t_inference(np.array([1.96]), np.array([1.0]))
    >>> round(float(p[0]), 3), round(float(low[0]), 3)
    (0.05, 0.0)
    """
    estimate, std_error = np.asarray(estimate, dtype=float), np.asarray(std_error, dtype=float)
    spread = np.where(std_error > 0, std_error, np.nan)
    p_value = 2 * special.stdtr(df, -np.abs(estimate / spread))
    reach = special.stdtrit(df, (1 + level) / 2) * spread
    return p_value, estimate - reach, estimate + reach
