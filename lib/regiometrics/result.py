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
