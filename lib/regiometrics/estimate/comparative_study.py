"""The panel of a comparative case study, checked: treated units, donors, the periods and predictors of a fit."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import (
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoDonorsError,
    RankError,
    TreatmentPathError,
)
from regiometrics.panel import (
    Sample,
    complete,
    keys_of,
    named,
    numeric,
    refuse,
    require_balanced,
    require_columns,
    require_keys,
)
from regiometrics.result import readonly

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Predictors = Mapping[str, Sequence[Hashable]] | Sequence[str]
"""Column -> periods to average over, or columns that are averaged over the fitted periods."""

CONSTANT = 1e-12  # range of a predictor, relative to its size, that counts as none


@dataclass(frozen=True, slots=True)
class ComparativeStudy:
    """A checked panel as arrays: outcomes by period, and what weights may be fitted on."""

    times: pd.Index
    treated: list[Hashable]
    donors: list[Hashable]
    y: Floats  # times x treated units
    y0: Floats  # times x donors
    post: Flags  # periods from the start on
    fitted: Positions  # periods before it that the fit may use
    lags: Positions  # periods whose outcome was named as a feature
    predictors: list[str]
    z: Floats  # predictors x treated units, means over their periods
    z0: Floats  # predictors x donors
    sample: Sample

    def aggregated(self) -> ComparativeStudy:
        """The treated units as one: means of their outcomes and predictors."""
        return replace(self, y=self.y.mean(axis=1, keepdims=True), z=self.z.mean(axis=1, keepdims=True))

    def path(self, values: Floats, name: str) -> pd.Series:
        """Values of all periods as a series by time."""
        return pd.Series(readonly(values), index=self.times, name=name)


def comparative_study(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    treated: Hashable | Sequence[Hashable],
    start: Hashable,
    donors: Sequence[Hashable] | None,
    fit_periods: Sequence[Hashable] | None,
    predictors: Predictors = (),
    lags: Sequence[Hashable] = (),
) -> ComparativeStudy:
    """The panel of treated units and donors, or the error that says what is wrong with it."""
    require_keys(df, [unit, time])
    units = _listed(treated)
    at_unit, known = pd.factorize(df[unit])
    names = known.tolist()
    pool = _pool(names, units, donors, unit)
    wanted = {u: i for i, u in enumerate([*units, *pool])}
    place = np.array([wanted.get(u, -1) for u in names])  # among treated units and donors
    taking_part = place[at_unit] >= 0
    at_unit = at_unit[taking_part]
    require_columns(df, [outcome])
    used = df.loc[taking_part, named(unit, time, outcome, *(column for column in predictors if column in df))]
    values = complete(used, [outcome], keys=[unit, time], unique=False)[0][outcome].to_numpy()
    require_balanced(used, unit=unit, time=time)
    times = pd.Index(used[time].drop_duplicates().sort_values(), name=time)
    paths = np.empty((len(wanted), len(times)))
    paths[place[at_unit], times.get_indexer(used[time])] = values
    post = np.asarray(times >= start)
    if not post.any():
        raise TreatmentPathError(
            f"no period from {start} on", column=time, remedy="let start be the first treated period of the panel"
        )
    before = times[~post].tolist()
    fitted = _positions(times, before if fit_periods is None else fit_periods, before, "fit_periods")
    if len(fitted) < 2:
        raise GroupSizeError(
            f"{len(fitted)} period before the treatment", remedy="a synthetic control needs two periods or more to fit"
        )
    other = tuple(keys_of(df, ~taking_part, [unit, time]))
    require_columns(df, predictors)
    rank = np.argsort(known.argsort())  # the last digit of pandas' means depends on whether labels rise from row to row
    means = np.empty((len(dict.fromkeys(predictors)), len(wanted)))
    for i, mean in enumerate(_predictor_means(used, rank[at_unit], unit, time, predictors, times[fitted].tolist())):
        means[i, place[np.argsort(rank)[mean.index]]] = mean
    return ComparativeStudy(
        times=times,
        treated=units,
        donors=pool,
        y=paths[: len(units)].T,
        y0=paths[len(units) :].T,
        post=post,
        fitted=fitted,
        lags=_positions(times, lags, before, "lags"),
        predictors=list(dict.fromkeys(predictors)),
        z=np.ascontiguousarray(means[:, : len(units)]),
        z0=np.ascontiguousarray(means[:, len(units) :]),
        sample=Sample(len(df), len(used), (("neither treated nor donor", other),) if other else ()),
    )


def _listed(treated: Hashable | Sequence[Hashable]) -> list[Hashable]:
    """The treated units, each once, whether one was named or several."""
    if isinstance(treated, Iterable) and not isinstance(treated, str | tuple):
        return list(dict.fromkeys(treated))
    return [treated]


def _pool(
    units: Sequence[Hashable], treated: Sequence[Hashable], donors: Sequence[Hashable] | None, unit: str
) -> list[Hashable]:
    """The donors: those named, or every unit that is not treated."""
    unknown = [u for u in treated if u not in units]
    if unknown or not treated:
        raise KeyColumnError(
            "treated units are not in the data", column=unit, keys=unknown, remedy="name units of the panel"
        )
    pool = [u for u in units if u not in treated] if donors is None else list(dict.fromkeys(donors))
    absent = [u for u in pool if u not in units]
    if absent:
        raise NoDonorsError("donors are not in the data", column=unit, keys=absent, remedy="name units of the panel")
    both = [u for u in pool if u in treated]
    if both:
        raise TreatmentPathError("a donor is treated", column=unit, keys=both, remedy="take it out of one of the lists")
    if len(pool) < 2:
        raise NoDonorsError(
            f"{len(pool)} donor, and two or more are needed", column=unit, remedy="leave untreated units in the panel"
        )
    return pool


def _positions(times: pd.Index, periods: Sequence[Hashable], before: Sequence[Hashable], what: str) -> Positions:
    """Positions of the periods, in order, all of them before the treatment."""
    wrong = [t for t in periods if t not in before]
    if wrong:
        raise TreatmentPathError(
            f"{what} must lie before the start and in the panel", keys=wrong, remedy="leave these periods out"
        )
    return np.flatnonzero(times.isin(list(periods)))


def _predictor_means(
    df: pd.DataFrame, codes: Positions, unit: str, time: str, predictors: Predictors, fitted: Sequence[Hashable]
) -> Iterator[pd.Series]:
    """Mean of each predictor over its periods by code of the unit; missing values count only inside them."""
    periods = predictors if isinstance(predictors, Mapping) else dict.fromkeys(predictors, fitted)
    parts: dict[tuple[Hashable, ...], tuple[pd.DataFrame, Positions]] = {}
    for column, wanted in periods.items():
        key = tuple(wanted)
        if key not in parts:
            inside = df[time].isin(list(key)).to_numpy()
            parts[key] = df[inside], codes[inside]
        part, at_part = parts[key]
        values = numeric(part, column, [unit, time])
        refuse(
            MissingValueError,
            "missing or infinite values in the predictor's periods",
            rows=~np.isfinite(values),
            of=part,
            keys=[unit, time],
            column=column,
            remedy="fill them in, or average the predictor over other periods",
        )
        if part.empty:
            raise GroupSizeError("no period to average over", column=column, remedy="name periods of the panel")
        mean = pd.Series(values).groupby(at_part).mean()
        if np.ptp(mean) <= CONSTANT * np.abs(mean).max():
            raise RankError("the predictor is the same in all units", column=column, remedy="leave it out")
        yield mean
