"""Placebos in space: the synthetic control of donors that were not treated, one by one or as means of several."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from regiometrics.errors import DomainError, GroupSizeError, NoDonorsError, require_choice
from regiometrics.estimate.resampling import Seed
from regiometrics.panel import Sample
from regiometrics.result import Estimate, frozen_options, readonly

if TYPE_CHECKING:
    from regiometrics.estimate.synthetic_control import Design, Fit

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Kind = Literal["auto", "single", "group"]
Donors = Literal["all", "above_mean_weight"]
Statistic = Literal["rmspe_ratio", "post_rmspe", "att"]
PlaceboV = Literal["refit", "fixed"]

CHUNK = 100  # group draws that share one random stream; draws do not depend on how many are asked for
TIE = 1e-9  # relative gap below which two values of the statistic count as equal
EXACT = 1e-8  # error before the treatment, relative to the spread of the outcome, that counts as none


@dataclass(frozen=True, kw_only=True)
class PlaceboResult(Estimate):
    """The treated unit's gap beside the gaps of donors that were not treated.

    Attributes
    ----------
    kind : str
        ``"single"``: each placebo is one donor; ``"group"``: the mean of several.
    observed : float
        The statistic of the treated unit.
    pre_fit_exact : bool
        Whether the treated unit is fitted without error before the treatment.
    gaps : DataFrame
        Actual less synthetic outcome by time; the first column, ``"treated"``, is the treated unit, the others are the
        placebos.
    groups : mapping of placebo to donors
        Who is in each placebo.
    sample, options
        See `Estimate`.
    """

    kind: str
    observed: float
    pre_fit_exact: bool
    gaps: pd.DataFrame = field(repr=False)
    groups: dict[Hashable, tuple[Hashable, ...]] = field(repr=False)
    _table: pd.DataFrame = field(repr=False)

    @property
    def p_value(self) -> float:
        """Randomisation p-value, (1 + placebos at least as large in absolute value) / (1 + placebos)."""
        drawn = np.abs(self._table["statistic"].to_numpy()[1:])
        extreme = drawn >= (1 - TIE) * abs(self.observed)
        return float((1 + extreme.sum()) / (1 + len(drawn)))

    @property
    def smallest_p(self) -> float:
        """The least p-value that this number of placebos can give."""
        return 1 / len(self._table)

    @property
    def rank(self) -> int:
        """Rank of the treated unit among itself and the placebos, from the largest statistic."""
        return round(self.p_value * len(self._table))

    def by_statistic(self, statistic: Statistic) -> PlaceboResult:
        """The same placebos judged by another statistic, without fitting them again.

        Parameters
        ----------
        statistic : {"rmspe_ratio", "post_rmspe", "att"}
            As in `placebo_in_space`.

        Returns
        -------
        PlaceboResult

        Raises
        ------
        DomainError
            An unknown statistic, or a ratio whose denominator is zero for the treated unit.
        """
        require_choice("statistic", statistic, Statistic)
        table = _judged(self._table, statistic)
        options = frozen_options(**{**self.options, "statistic": statistic})
        return replace(self, observed=float(table["statistic"].iloc[0]), _table=table, options=options)

    def to_frame(self) -> pd.DataFrame:
        """The treated unit, then the placebos: ``placebo, pre_rmspe, post_rmspe, ratio, att, statistic``.

        The errors are root mean squared gaps over the fitted periods and from the start on; the ratio is infinite where
        the fit is exact.
        """
        return self._table.copy()


def placebo_in_space(
    design: Design,
    fit: Fit,
    *,
    sample: Sample,
    kind: Kind,
    donors: Donors,
    n_draws: int,
    statistic: Statistic,
    placebo_v: PlaceboV,
    treated_in_pool: bool,
    n_jobs: int,
    seed: Seed,
    singles: Mapping[int, Fit] | None = None,
) -> PlaceboResult:
    """As the method of the result; ``singles`` are fits of single donors, by position, that were already made."""
    for name, value, choices in (
        ("kind", kind, Kind),
        ("donors", donors, Donors),
        ("statistic", statistic, Statistic),
        ("placebo_v", placebo_v, PlaceboV),
    ):
        require_choice(name, value, choices)
    options = frozen_options(
        kind=kind, donors=donors, n_draws=n_draws, statistic=statistic, placebo_v=placebo_v,
        treated_in_pool=treated_in_pool, n_jobs=n_jobs, seed=seed,
    )  # fmt: skip
    n_treated = len(design.treated.paths)
    chosen = kind_of(kind, donors, n_treated)
    names: list[Hashable]
    if chosen == "single":
        members = single_members(design, fit.weights, donors)
        names = [design.donors.names[m[0]] for m in members]
    else:
        members = group_members(len(design.donors.paths), n_treated, n_draws, seed)
        names = list(range(1, n_draws + 1))
    if singles and chosen == "single":
        fits = tuple(singles[int(m[0])] for m in members)
    else:
        v = fit.v if placebo_v == "fixed" else None
        fits = placebo_fits(design, members, v=v, treated_in_pool=treated_in_pool, n_jobs=n_jobs)
    gaps = np.vstack([fit.effect, *(f.effect for f in fits)])
    table = _judged(_statistics(design, gaps, ["treated", *names]), statistic)
    return PlaceboResult(
        kind=chosen,
        observed=float(table["statistic"].iloc[0]),
        pre_fit_exact=bool(np.isinf(table["ratio"].iloc[0])),
        gaps=pd.DataFrame(readonly(gaps.T), index=design.times, columns=pd.Index(["treated", *names], name="placebo")),
        groups={
            name: tuple(design.donors.names[j] for j in member) for name, member in zip(names, members, strict=True)
        },
        _table=table,
        sample=sample,
        options=options,
    )


def kind_of(kind: Kind, donors: Donors, n_treated: int) -> str:
    """Single or group: by itself a group for an aggregate, single donors where the paper's rule picks them."""
    if kind == "group" and donors != "all":
        raise DomainError("a rule that picks single donors does not pick groups", remedy="pass kind='single'")
    if kind == "group" and n_treated < 2:
        raise DomainError("one treated unit is no group", remedy="pass kind='single'")
    if kind != "auto":
        return kind
    return "group" if n_treated > 1 and donors == "all" else "single"


def single_members(design: Design, weights: Floats, donors: Donors) -> list[Positions]:
    """Each donor, or each with a weight above the mean weight, as a group of one."""
    at = np.arange(len(weights))
    if donors == "above_mean_weight":
        at = at[weights > weights.mean() * (1 + TIE)]
        if not len(at):
            raise GroupSizeError("no donor has a weight above the mean", remedy="pass donors='all'")
    if len(weights) < 3:
        raise NoDonorsError(
            f"{len(weights)} donors leave a placebo with fewer than two", remedy="take a larger donor pool"
        )
    return [np.array([j]) for j in at]


def group_members(n_donors: int, n_treated: int, n_draws: int, seed: Seed) -> list[Positions]:
    """Random groups as large as the treated one, at most half of the donors, so that the other half can fit them."""
    size = min(n_treated, n_donors // 2)
    if n_donors - size < 2:
        raise NoDonorsError(
            f"{n_donors} donors cannot be split into a placebo and two others", remedy="take a larger donor pool"
        )
    if n_draws < 1:
        raise DomainError(f"n_draws={n_draws}", remedy="draw one group or more")
    n_chunks = -(-n_draws // CHUNK)
    sources = (
        seed.spawn(n_chunks)
        if isinstance(seed, np.random.Generator)
        else [np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(n_chunks)]
    )
    drawn = [np.sort(source.permutation(n_donors)[:size]) for source in sources for _ in range(CHUNK)]
    return drawn[:n_draws]


def placebo_fits(
    design: Design, members: Sequence[Positions], *, v: Floats | None, treated_in_pool: bool, n_jobs: int = 1
) -> tuple[Fit, ...]:
    """The fit of each group's mean on the donors outside it; with its own predictor weights unless v is given."""

    def fitted(member: Positions) -> Fit:
        target = design.donors.taken(member).mean()
        pool = design.donors.without(member)
        return design.fit(target, pool.with_row(design.treated.mean()) if treated_in_pool else pool, v)

    with threadpool_limits(1):
        if n_jobs == 1:
            return tuple(map(fitted, members))
        with ThreadPoolExecutor(n_jobs) as threads:
            return tuple(threads.map(fitted, members))


def _statistics(design: Design, gaps: Floats, names: Iterable[Hashable]) -> pd.DataFrame:
    """Errors before and after the start, their ratio and the mean effect of every row of gaps."""
    before, after = gaps[:, design.fitted], gaps[:, design.post]
    table = pd.DataFrame({"placebo": pd.Series(list(names), dtype=object)})
    table["pre_rmspe"] = np.sqrt((before**2).mean(axis=1))
    table["post_rmspe"] = np.sqrt((after**2).mean(axis=1))
    exact = table["pre_rmspe"] <= EXACT * design.donors.paths[:, design.fitted].std()
    table["ratio"] = (table["post_rmspe"] / table["pre_rmspe"].mask(exact)).mask(exact, np.inf)
    table["att"] = after.mean(axis=1)
    return table


def _judged(table: pd.DataFrame, statistic: Statistic) -> pd.DataFrame:
    """The table with the statistic that the placebos are judged by."""
    if statistic == "rmspe_ratio" and np.isinf(table["ratio"].iloc[0]):
        raise DomainError(
            "the treated unit is fitted without error before the treatment (pre_fit_exact), so the ratio of errors is "
            "infinite",
            remedy="pass statistic='post_rmspe'",
        )
    return table.assign(statistic=table["ratio" if statistic == "rmspe_ratio" else statistic])
