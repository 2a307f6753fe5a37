"""Treatment that units adopt at different times: the design checked once, and what is estimated on it.

`StaggeredDesign` holds the panel; two-way regression, event study, Goodman-Bacon's decomposition, anticipation, other
policies and split samples are functions of a design and methods of the same names.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.errors import (
    DomainError,
    KeyColumnError,
    MissingValueError,
    NoControlsError,
    RankError,
    RegionError,
    TreatmentPathError,
    require_choice,
)
from regiometrics.estimate.fixed_effects import FixedEffectsResult, Vcov, twfe, within_regression
from regiometrics.estimate.inference import WildBootstrapResult, conley, wild_cluster_bootstrap
from regiometrics.estimate.modern_did import Estimator, EventStudyResult, HonestBounds, honest_bounds, modern_did
from regiometrics.estimate.placebo import PlaceboResult, placebo
from regiometrics.panel import (
    Missing,
    Sample,
    complete,
    keys_of,
    named,
    numeric,
    refuse,
    require_balanced,
    require_columns,
)
from regiometrics.result import EffectResult, Estimate, frozen_options, t_inference

Floats = npt.NDArray[np.float64]
AlwaysTreated = Literal["raise", "drop", "keep"]
PathEstimator = Literal["twfe", "callaway_santanna", "sun_abraham", "imputation", "dcdh", "synthetic_did"]
Scope = Literal["pooled", "by_time"]
Quantile = Literal["type2", "linear"]
Result = TypeVar("Result", bound=Estimate)

POLICY = "policy"
ADOPTION = "adoption"
GROUP = "group of the split"
SAME_TIME = 1e-9  # part of a period by which two times may differ from rounding
IDENTITY = 1e-9  # gap allowed between the decomposition and the coefficient, in standard deviations of outcome / policy
ROUNDING = 1e-26  # a variance share below the square of rounding errors
JUMP = 1e-9  # distance from a whole rank at which an empirical distribution counts as jumping there


# ---------------------------------------------------------------------------------------------------------------------
# the design


@dataclass(frozen=True, eq=False)
class StaggeredDesign:
    """A long panel in which units adopt a policy at different times and keep it.

    Parameters
    ----------
    df : DataFrame
        One row per (unit, time).
    unit, time, outcome : str
        Columns of the unit, the period (a number) and the outcome.
    adoption : str
        Column of the first treated period: the same in all rows of a unit; missing, or after the unit's last period,
        means not treated.
    controls : sequence of str
        Columns of control variables.
    cluster : str, optional
        Column that standard errors are clustered by; the unit where not given.
    missing : {"raise", "drop"}
        What to do with missing values of outcome and controls.
    always_treated : {"raise", "drop", "keep"}
        What to do with units treated in all of their periods: refuse, leave out and list in ``sample``, or keep as
        treated throughout, as a panel that starts after the first adoptions needs (the two-way estimates take them in
        as a comparison; `placebo` and the modern estimators refuse them).

    Attributes
    ----------
    panel : DataFrame
        A copy of the used rows with the column ``policy``, 1 from adoption on and 0 before.
    sample : Sample
        Rows read, used and dropped, with reasons.
    notes : tuple of str
        What the reader has to know of the design; the two-way effects estimated on it repeat them.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError
        As in `regiometrics.panel.complete`; or a column ``policy`` that contradicts the adoption dates.
    TreatmentPathError
        Two adoption dates in one unit; a unit treated in all of its periods; nobody treated.
    NoControlsError
        In no period are treated and untreated units seen side by side.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a"] * 3 + ["b"] * 3, "year": [1, 2, 3] * 2, "y": [1.0, 2, 5, 1, 2, 3]})
    >>> df["start"] = df["city"].map({"a": 3})
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> design.policy.tolist(), design.n_treated
    ([0.0, 0.0, 1.0, 0.0, 0.0, 0.0], 1)
    """

    df: InitVar[pd.DataFrame]
    _: KW_ONLY
    unit: str
    time: str
    outcome: str
    adoption: str
    controls: Sequence[str] = ()
    cluster: str | None = None
    missing: Missing = "raise"
    always_treated: AlwaysTreated = "raise"
    panel: pd.DataFrame = field(init=False, repr=False)
    sample: Sample = field(init=False, repr=False)
    notes: tuple[str, ...] = field(init=False)

    def __post_init__(self, df: pd.DataFrame) -> None:
        """Check the treatment paths and keep the panel."""
        require_choice("always_treated", self.always_treated, AlwaysTreated)
        keys = [self.unit, self.time]
        require_columns(df, named(self.outcome, *self.controls, self.adoption, self.cluster))
        rows = df.reset_index(drop=True)
        numeric(rows, self.time, keys)
        used, sample = complete(rows, named(self.outcome, *self.controls), keys=keys, missing=self.missing)
        panel = (rows if len(used) == len(rows) else rows.loc[used.index]).assign(
            **{c: used[c] for c in named(self.outcome, *self.controls)}
        )
        time, adoption = numeric(panel, self.time, keys), numeric(panel, self.adoption, keys)
        member, units = pd.factorize(panel[self.unit])
        policy = time >= adoption
        self._refuse_two_dates(panel, member, adoption)
        self._refuse_contradiction(panel, policy)

        always = np.ones(len(units), dtype=bool)
        np.logical_and.at(always, member, policy)
        if self.always_treated == "raise":
            refuse(
                TreatmentPathError,
                "treated in all of its periods, so nothing before adoption is seen",
                rows=always[member],
                of=panel,
                keys=[self.unit],
                column=self.adoption,
                remedy="pass always_treated='drop' or 'keep'; write a missing date, not 0, for units never treated",
            )
        elif self.always_treated == "drop" and always.any():
            out = always[member]
            reason = ("treated in all of its periods", tuple(keys_of(panel, out, keys)))
            sample = replace(sample, rows_used=int((~out).sum()), dropped=(*sample.dropped, reason))
            panel, policy, time, adoption = panel[~out], policy[~out], time[~out], adoption[~out]
            member = member[~out]
        panel = panel.assign(**{POLICY: policy.astype(float)}).reset_index(drop=True)
        self._refuse_one_path(time, policy)

        object.__setattr__(self, "controls", tuple(self.controls))
        object.__setattr__(self, "panel", panel)
        object.__setattr__(self, "sample", sample)
        object.__setattr__(self, "notes", tuple(_notes(member, adoption, policy)))

    @classmethod
    def from_policy(
        cls,
        df: pd.DataFrame,
        *,
        unit: str,
        time: str,
        outcome: str,
        policy: str,
        controls: Sequence[str] = (),
        cluster: str | None = None,
        missing: Missing = "raise",
        always_treated: AlwaysTreated = "raise",
    ) -> StaggeredDesign:
        """A design from a 0/1 column of treatment, whose first 1 in a unit dates adoption (column ``adoption``).

        Parameters
        ----------
        policy : str
            Column of 0 and 1; once 1 it stays 1.
        df, unit, time, outcome, controls, cluster, missing, always_treated
            As in `StaggeredDesign`.

        Raises
        ------
        KeyColumnError, MissingValueError, DomainError, TreatmentPathError, NoControlsError
            As in `StaggeredDesign`; also a treatment that is neither 0 nor 1, or that switches off.

        Examples
        --------
        >>> df = pd.DataFrame({"city": ["a"] * 3 + ["b"] * 3, "year": [1, 2, 3] * 2, "y": [1.0, 2, 5, 1, 2, 3]})
        >>> df["zone"] = [0, 0, 1, 0, 0, 0]
        >>> design = StaggeredDesign.from_policy(df, unit="city", time="year", outcome="y", policy="zone")
        >>> design.cohorts["adoption"].tolist()
        [3]
        """
        keys = [unit, time]
        if ADOPTION in df.columns:
            raise KeyColumnError(
                "the table already has a column 'adoption'",
                column=ADOPTION,
                remedy="rename it, or build the design from it: StaggeredDesign(df, adoption='adoption', ...)",
            )
        rows = complete(df.reset_index(drop=True), [policy], keys=keys)[0]
        refuse(
            DomainError,
            "treatment must be 0 or 1",
            rows=~rows[policy].isin([0, 1]),
            of=rows,
            keys=keys,
            column=policy,
            remedy="code treated periods 1 and others 0",
        )
        ordered = rows.sort_values(keys)
        off = ordered.groupby(unit)[policy].diff() < 0
        refuse(
            TreatmentPathError,
            "treatment switches off",
            rows=off,
            of=ordered,
            keys=keys,
            column=policy,
            remedy="keep 1 after adoption, or leave these units out: the design is for treatment that stays",
        )
        first = rows[rows[policy] == 1].groupby(unit)[time].min()
        return cls(
            df.assign(**{ADOPTION: df[unit].map(first)}),
            unit=unit,
            time=time,
            outcome=outcome,
            adoption=ADOPTION,
            controls=controls,
            cluster=cluster,
            missing=missing,
            always_treated=always_treated,
        )

    # what the design holds

    @property
    def policy(self) -> pd.Series:
        """1 from adoption on, 0 before, for each row of ``panel``."""
        return self.panel[POLICY]

    @property
    def n_treated(self) -> int:
        """Number of units that are ever treated in the panel."""
        return int(self.panel.loc[self.policy == 1, self.unit].nunique())

    @property
    def cohorts(self) -> pd.DataFrame:
        """One row per adoption date: ``adoption, units, treated``, the last the number of treated unit-periods."""
        treated = self.panel[self.policy == 1]
        by_date = treated.groupby(pd.Series(numeric(treated, self.adoption, []), index=treated.index).convert_dtypes())
        sizes = {"units": by_date[self.unit].nunique(), "treated": by_date.size()}
        return pd.DataFrame(sizes).rename_axis(index="adoption").reset_index()

    @property
    def event_time(self) -> pd.Series:
        """Periods since adoption, for each row of ``panel``: 0 in the first treated one; NaN in units never treated.

        A period is the smallest gap between two times of the panel, so that event time does not depend on the origin
        and the unit in which time is counted.
        """
        time = numeric(self.panel, self.time, [])
        period = np.diff(np.unique(time)).min()
        treated = self.panel[self.unit].isin(self.panel.loc[self.policy == 1, self.unit])
        since = np.floor((time - numeric(self.panel, self.adoption, [])) / period + SAME_TIME)
        return pd.Series(since, index=self.panel.index).where(treated)

    # what is estimated on it

    def regression(self, *, vcov: Vcov = "cluster", level: float = 0.95) -> FixedEffectsResult:
        """The two-way regression on policy and controls, equation (1), with all its coefficients."""
        return self._on_design(self._fit(self.panel, [POLICY, *self.controls], vcov=vcov, level=level))

    def twfe(self, *, vcov: Vcov = "cluster", level: float = 0.95) -> EffectResult:
        """The policy's coefficient of `regression`."""
        return self._noted(self.regression(vcov=vcov, level=level).effect(POLICY))

    def event_study(
        self,
        *,
        window: tuple[int, int] = (-5, 5),
        base: int = -1,
        estimator: PathEstimator = "twfe",
        **options: Any,
    ) -> EffectResult:
        """The effect by time since adoption, by `event_study` ("twfe") or by `modern_did`.

        A modern estimator pools nothing at the ends of the window and averages over all treated unit-periods.
        """
        require_choice("estimator", estimator, PathEstimator)
        if estimator == "twfe":
            return event_study(self, window=window, base=base, **options)
        return self.modern(estimator, window=window, base=base, **options)

    def modern(self, estimator: Estimator, **options: Any) -> EffectResult:
        """The effect by an estimator made for staggered adoption, see `modern_did`."""
        found = modern_did(
            self.panel,
            unit=self.unit,
            time=self.time,
            outcome=self.outcome,
            adoption=self.adoption,
            controls=self.controls,
            estimator=estimator,
            **options,
        )
        return self._on_design(found)

    def honest(
        self, *, window: tuple[int, int] = (-5, 5), estimator: PathEstimator = "twfe", **options: Any
    ) -> HonestBounds:
        """Bounds on the mean effect of `event_study` when trends may differ, see `honest_bounds`.

        Bounds are about steps between periods: take a window whose ends pool nothing, or a modern estimator.
        """
        study = self.event_study(window=window, estimator=estimator)
        return honest_bounds(cast("EventStudyResult", study), **options)  # which refuses a path without covariance

    def bacon(self, *, controls: bool = True) -> BaconResult:
        """The decomposition of the two-way coefficient, see `bacon`."""
        return bacon(self, controls=controls)

    def placebo(self, **options: Any) -> PlaceboResult:
        """The policy's coefficient when chance hands out the adoption dates, see `placebo`."""
        found = placebo(
            self.panel,
            unit=self.unit,
            time=self.time,
            outcome=self.outcome,
            adoption=self.adoption,
            controls=self.controls,
            always_treated="keep" if self.always_treated == "keep" else "raise",
            **options,
        )
        return self._on_design(found)

    def wild_bootstrap(self, **options: Any) -> WildBootstrapResult:
        """The wild cluster bootstrap of the policy's coefficient, see `wild_cluster_bootstrap`."""
        found = wild_cluster_bootstrap(
            self.panel,
            outcome=self.outcome,
            regressors=[POLICY, *self.controls],
            unit=self.unit,
            time=self.time,
            term=POLICY,
            cluster=self.cluster,
            **options,
        )
        return self._on_design(found)

    def conley(self, lat: str, lon: str, *, cutoff_km: float, **options: Any) -> EffectResult:
        """The policy's coefficient with errors that correlate between near units, see `conley`."""
        found = conley(
            self.panel,
            outcome=self.outcome,
            regressors=[POLICY, *self.controls],
            unit=self.unit,
            time=self.time,
            lat=lat,
            lon=lon,
            cutoff_km=cutoff_km,
            **options,
        )
        return self._noted(self._on_design(found.effect(POLICY)))

    def anticipation(self, *, periods: int = 1, level: float = 0.95) -> EffectResult:
        """The effect with leads of adoption in the regression, see `anticipation`."""
        return anticipation(self, periods=periods, level=level)

    def with_policies(self, policies: pd.DataFrame, *, policy: str = "policy", start: str = "start") -> StaggeredDesign:
        """The design with dummies of other policies among its controls, see `with_policies`."""
        return with_policies(self, policies, policy=policy, start=start)

    def split(self, by: str, *, base_year: float | None = None, level: float = 0.95) -> SplitResult:
        """The effect in two groups and their difference, see `split_test`."""
        return split_test(self, by, base_year=base_year, level=level)

    # the checks

    def _refuse_two_dates(self, panel: pd.DataFrame, member: npt.NDArray[np.intp], adoption: Floats) -> None:
        first = np.empty(member.max(initial=-1) + 1)
        first[member[::-1]] = adoption[::-1]
        refuse(
            TreatmentPathError,
            "the adoption date must be the same in all rows of a unit",
            rows=~((adoption == first[member]) | (np.isnan(adoption) & np.isnan(first[member]))),
            of=panel,
            keys=[self.unit],
            column=self.adoption,
            remedy="write the unit's first treated period in each of its rows, or none",
        )

    def _refuse_contradiction(self, panel: pd.DataFrame, policy: npt.NDArray[np.bool_]) -> None:
        if POLICY in panel.columns:
            refuse(
                DomainError,
                f"contradicts the adoption dates in {self.adoption!r}",
                rows=numeric(panel, POLICY, [self.unit, self.time]) != policy,
                of=panel,
                keys=[self.unit, self.time],
                column=POLICY,
                remedy="correct the dates, or rename the column if it is another treatment",
            )

    def _refuse_one_path(self, time: Floats, policy: npt.NDArray[np.bool_]) -> None:
        if not policy.any():
            raise TreatmentPathError(
                "no unit is treated in the panel",
                column=self.adoption,
                remedy="give first treated periods that lie inside the panel, in the units of its time column",
            )
        if not np.isin(time[policy], time[~policy]).any():
            raise NoControlsError(
                "treated and untreated units are never seen in the same period",
                column=self.adoption,
                remedy="add units that adopt never or later",
            )

    # what the estimators are called with

    def _fit(
        self, panel: pd.DataFrame, regressors: Sequence[str], *, vcov: Vcov = "cluster", level: float
    ) -> FixedEffectsResult:
        return twfe(
            panel,
            outcome=self.outcome,
            regressors=regressors,
            unit=self.unit,
            time=self.time,
            vcov=vcov,
            cluster=self.cluster if vcov in ("cluster", "cr3") else None,
            level=level,
        )

    def _on_design(self, found: Result) -> Result:
        """The result with the rows that the design left out in its account."""
        return replace(found, sample=_chained(self.sample, found.sample))

    def _noted(self, effect: EffectResult) -> EffectResult:
        return replace(effect, notes=(*effect.notes, *self.notes))


def _notes(member: npt.NDArray[np.intp], adoption: Floats, policy: npt.NDArray[np.bool_]) -> Iterator[str]:
    """What the reader has to know of a design, from the unit, adoption date and treatment of each row."""
    present, member = np.unique(member, return_inverse=True)
    rows, treated = np.bincount(member), np.bincount(member, policy)
    date = np.empty(len(present))
    date[member] = adoption
    if (treated > 0).all():
        yield "every unit is treated in the end: later adopters are compared with earlier ones alone"
    if (kept := int((treated == rows).sum())) > 0:
        yield f"{kept} units are treated in all of their periods and serve as comparison"
    if (n_late := int((~np.isnan(date) & (treated == 0)).sum())) > 0:
        yield f"{n_late} units adopt after their last period and count as not treated"
    dates, units = np.unique(date[treated > 0], return_counts=True)
    if (alone := pd.Series(dates).convert_dtypes()[units == 1].tolist()) != []:
        yield f"cohorts of one unit, whose own effect has no usable standard error: {_listed(alone)}"


# ---------------------------------------------------------------------------------------------------------------------
# event study


@dataclass(frozen=True, slots=True)
class PreTrendTest:
    """Joint test that the leads of an event study are zero.

    Attributes
    ----------
    periods : tuple of int
        The leads tested.
    statistic : float
        Wald statistic over the number of leads.
    df : tuple of int
        Degrees of freedom of the F distribution: leads, and clusters less one.
    p_value : float
    """

    periods: tuple[int, ...]
    statistic: float
    df: tuple[int, int]
    p_value: float


def event_study(
    design: StaggeredDesign,
    *,
    window: tuple[int, int] = (-5, 5),
    base: int = -1,
    level: float = 0.95,
) -> EventStudyResult:
    r"""The effect by time since adoption in one two-way regression, with pooled ends.

    Parameters
    ----------
    design : StaggeredDesign
    window : tuple of int
        First and last period since adoption; each pools what lies beyond it.
    base : int
        The lead that the others are measured against.
    level : float
        Confidence level.

    Returns
    -------
    EventStudyResult
        ``estimate`` is the mean of the coefficients from adoption on, each period counting once; a period of ``path``
        in which no treated unit is seen has no estimate. Errors are clustered as the design says. ``notes`` name
        pooled periods and periods of the window in which no treated unit is seen.

    Raises
    ------
    DomainError
        A base outside the leads of the window, or one in which no treated unit is seen; no period from adoption on.
    RankError
        Leads and lags are collinear, as they can be where every unit is treated.

    Notes
    -----
    Equation (4) of the paper on transfer zones,
    :math:`y_{it}=\sum_{k\ne-1}\beta_k1\{t-g_i=k\}+X_{it}'\gamma+\mu_i+\lambda_t+\varepsilon_{it}`, with the period
    before adoption as base (the text once names the first year of the sample instead). Where effects differ between
    cohorts, :math:`\beta_k` also carries other periods' effects (Sun and Abraham 2021): compare `modern_did`.

    Examples
    --------
    >>> cells = [(city, year) for city in range(12) for year in range(2003, 2011)]
    >>> df = pd.DataFrame(cells, columns=["city", "year"])
    >>> df["start"] = df["city"].map({0: 2006, 1: 2006, 2: 2008})
    >>> df["y"] = df["city"] + 0.1 * df["year"] - 2.0 * (df["year"] >= df["start"]) + np.sin(df.index)
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> event_study(design, window=(-2, 2)).path[["period", "n_units", "is_base"]].values.tolist()
    [[-2, 3, False], [-1, 3, True], [0, 3, False], [1, 3, False], [2, 3, False]]
    """
    first, last = window
    if not first <= base < 0 <= last:
        raise DomainError(
            f"base {base} and window {first} to {last} do not fit together",
            remedy="let the window reach from a lead to 0 or beyond, with the base among its leads",
        )
    since = design.event_time
    pooled = since.clip(first, last)
    path = pd.DataFrame({"period": range(first, last + 1)})
    seen = design.panel[design.unit].groupby(pooled).nunique()
    path["n_units"] = path["period"].map(seen).fillna(0).astype(int)
    path["is_base"] = path["period"] == base
    if not path.loc[path["is_base"], "n_units"].item():
        raise DomainError(f"no treated unit is seen in the base period {base}", remedy="choose another base")
    terms = {k: f"period {k}" for k in path.loc[(path["n_units"] > 0) & ~path["is_base"], "period"]}
    dummies = {term: (pooled == k).astype(float) for k, term in terms.items()}
    fit = design._fit(design.panel.assign(**dummies), [*terms.values(), *design.controls], level=level)

    found = fit.to_frame().set_index("term").loc[list(terms.values())].set_axis(pd.Index(list(terms)))
    for column in ("estimate", "std_error", "p_value", "low", "high"):
        path[column] = path["period"].map(found[column])
    path.loc[path["is_base"], "estimate"] = 0.0
    covariance = (
        fit.covariance.loc[list(terms.values()), list(terms.values())]
        .set_axis(list(terms))
        .set_axis(list(terms), axis=1)
    )
    lags = [k for k in terms if k >= 0]
    overall = float(found.loc[lags, "estimate"].mean())
    error = float(np.sqrt(covariance.loc[lags, lags].to_numpy().mean()))
    p_value, low, high = t_inference(np.array(overall), np.array(error), df=fit.df_t, level=level)
    notes = []
    for end, beyond in ((first, since < first), (last, since > last)):
        if beyond.any():
            notes.append(f"period {end} pools {'earlier' if end < 0 else 'later'} periods")
    if (unseen := path.loc[path["n_units"] == 0, "period"].tolist()) != []:
        notes.append(f"no treated unit is seen in period {_listed(unseen)}")
    return EventStudyResult(
        sample=_chained(design.sample, fit.sample),
        options=frozen_options(window=window, base=base, level=level),
        estimator="TWFE event study",
        estimate=overall,
        std_error=error,
        p_value=float(p_value),
        low=float(low),
        high=float(high),
        level=level,
        n_obs=fit.n_obs,
        n_units=fit.n_units,
        n_clusters=fit.n_clusters,
        path=path[["period", "estimate", "std_error", "p_value", "low", "high", "n_units", "is_base"]],
        notes=(*fit.notes, *notes, *design.notes),
        path_covariance=covariance,
    )


def pre_trend_test(study: EventStudyResult, *, periods: Sequence[int] | None = None) -> PreTrendTest:
    """Joint test that leads are zero: no difference in trends before adoption.

    Parameters
    ----------
    study : EventStudyResult
        From `event_study`, or from a modern estimator whose path comes with a covariance.
    periods : sequence of int, optional
        The leads to test; all that were estimated where not given.

    Raises
    ------
    DomainError
        No lead besides the base.
    RankError
        More leads than the clusters can tell apart.

    Examples
    --------
    >>> cells = [(city, year) for city in range(12) for year in range(2003, 2011)]
    >>> df = pd.DataFrame(cells, columns=["city", "year"])
    >>> df["start"] = df["city"].map({0: 2006, 1: 2006, 2: 2008})
    >>> df["y"] = df["city"] + 0.1 * df["year"] - 2.0 * (df["year"] >= df["start"]) + np.sin(df.index)
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> pre_trend_test(event_study(design, window=(-3, 2))).periods
    (-3, -2)
    """
    leads = [k for k in (study.path_covariance.index if periods is None else periods) if k < 0]
    absent = [k for k in leads if k not in study.path_covariance.index]
    if absent or not leads:
        raise DomainError(
            f"leads {_listed(absent)} were not estimated" if absent else "there is no lead besides the base",
            remedy=f"widen the window, or test others: estimated were {_listed(study.path_covariance.index)}",
        )
    effect = study.path.set_index("period").loc[leads, "estimate"].to_numpy(dtype=float)
    covariance = study.path_covariance.loc[leads, leads].to_numpy()
    if np.linalg.matrix_rank(covariance, hermitian=True) < len(leads):
        raise RankError(
            f"the covariance of {len(leads)} leads is singular", remedy="test fewer leads: there are too few clusters"
        )
    statistic = float(effect @ np.linalg.solve(covariance, effect)) / len(leads)
    df = (len(leads), study.n_clusters - 1)
    return PreTrendTest(tuple(int(k) for k in leads), statistic, df, float(special.fdtrc(*df, statistic)))


# ---------------------------------------------------------------------------------------------------------------------
# Goodman-Bacon's decomposition


@dataclass(frozen=True, kw_only=True)
class BaconResult(Estimate):
    """The two-way coefficient as a weighted mean of comparisons between cohorts.

    Attributes
    ----------
    estimate : float
        The two-way coefficient; weights sum to one and weights times estimates to it.
    scale : float
        Spread of the outcome net of effects over that of the policy, by which gaps are judged.
    components : DataFrame
        One row per comparison, see `to_frame`.
    notes : tuple of str
        What the reader has to know of the design.
    """

    estimate: float
    scale: float
    components: pd.DataFrame = field(repr=False)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse parts that do not make up the whole."""
        weight, part = self.components["weight"].to_numpy(), self.components["estimate"].to_numpy()
        gap = max(abs(weight.sum() - 1), abs(weight @ part - self.estimate) / self.scale)
        if not gap <= IDENTITY:
            raise RegionError(f"the decomposition does not add up to the two-way coefficient (gap {gap:.3g})")

    def to_frame(self) -> pd.DataFrame:
        """One row per comparison: ``type, treated, control, weight, estimate``.

        ``treated`` and ``control`` are the first treated periods of the two cohorts inside the panel, missing for
        units never treated.
        """
        return self.components.copy()

    def by_type(self) -> pd.DataFrame:
        """One row per type: ``type, weight, estimate``, the estimate being the weighted mean of the type."""
        parts = self.components.assign(product=self.components["weight"] * self.components["estimate"])
        sums = parts.groupby("type", sort=False)[["weight", "product"]].sum()
        return pd.DataFrame({"weight": sums["weight"], "estimate": sums["product"] / sums["weight"]}).reset_index()


def bacon(design: StaggeredDesign, *, controls: bool = True) -> BaconResult:
    r"""Decompose the two-way coefficient into comparisons of cohorts.

    Parameters
    ----------
    design : StaggeredDesign
        Its panel must be balanced.
    controls : bool
        Decompose the coefficient with the design's controls, or the one without.

    Returns
    -------
    BaconResult
        Types without controls: "never treated" (a cohort against units never treated), "earlier vs later" (against
        units not yet treated), "later vs earlier" (against units already treated), "always treated" (against units
        treated in all periods). With controls: "never treated" and "always treated"; "timing groups", the two
        comparisons of a pair of cohorts in one; "always vs never", which controls bring in; and one row "within",
        the comparison of units of the same cohort, whose treatment differs only in what controls predict of it.
        Table 4 of the paper on transfer zones is ``by_type()`` of the latter.

    Raises
    ------
    UnbalancedPanelError
        A (unit, time) cell is missing.
    RankError
        Effects and controls leave nothing of the policy, or effects nothing of a control.

    Notes
    -----
    Goodman-Bacon (2021), theorem 1 and section 5.2. With :math:`n_k` the share of units in cohort k,
    :math:`\bar D_k` its share of treated periods and V the variance of the policy net of effects, an earlier cohort k
    and a later one l have the weights :math:`n_kn_l(\bar D_k-\bar D_l)(1-\bar D_k)/V` (k treated) and
    :math:`n_kn_l(\bar D_k-\bar D_l)\bar D_l/V` (l treated). With controls, let :math:`\tilde d` be the policy net of
    effects and controls and :math:`\tilde d_{kt}` its cohort means; a pair has the weight
    :math:`n_kn_l\overline{(\tilde d_{kt}-\tilde d_{lt})^2}/V` and the coefficient of :math:`y_{kt}-y_{lt}` on
    :math:`\tilde d_{kt}-\tilde d_{lt}`; "within" is the coefficient of y on :math:`\tilde d_{it}-\tilde d_{kt}`.
    The pairs equal those of the R package bacondecomp.

    Examples
    --------
    >>> df = pd.DataFrame({"city": np.repeat(list("abc"), 4), "year": list(range(4)) * 3})
    >>> df["start"] = df["city"].map({"a": 1, "b": 3})
    >>> df["y"] = [1.0, 3, 4, 5, 1, 1, 1, 2, 0, 0, 0, 0]
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> design.bacon().by_type().round(3).values.tolist()
    [['earlier vs later', 0.2, 2.5], ['later vs earlier', 0.2, -0.5], ['never treated', 0.6, 2.0]]
    """
    panel, used = design.panel, design.controls if controls else ()
    require_balanced(panel, unit=design.unit, time=design.time)
    fit = within_regression(
        panel, outcome=design.outcome, regressors=[POLICY, *used], unit=design.unit, time=design.time
    )
    effects, policy, others = fit.effects, fit.x[:, 0], fit.x[:, 1:]
    residual = policy - others @ np.linalg.lstsq(others, policy)[0]

    at = (effects.unit, effects.time)
    shape = (len(effects.units), len(effects.times))
    treated, d, y = np.empty(shape), np.empty(shape), np.empty(shape)
    treated[at], d[at], y[at] = design.policy, residual, fit.y
    total = float((d**2).sum())
    start, member, size = np.unique(shape[1] - treated.sum(axis=1).astype(int), return_inverse=True, return_counts=True)
    cohorts = _Cohorts(start, size / shape[0], shape[1], total / d.size)
    y_mean = _means(y, member, size)
    if used:
        d_mean = _means(d, member, size)
        rows = [*cohorts.pairs_with_controls(d_mean, y_mean), _within(d - d_mean[member], y, total)]
    else:
        rows = list(cohorts.pairs(y_mean))
    frame = pd.DataFrame(rows, columns=["type", "treated", "control", "weight", "estimate"])
    frame = frame[frame["weight"] > ROUNDING].reset_index(drop=True)
    dates = pd.Series(effects.times)
    for column in ("treated", "control"):
        frame[column] = frame[column].map(dates).convert_dtypes()
    return BaconResult(
        sample=design.sample,
        options=frozen_options(controls=used),
        estimate=float(fit.coefficients[0]),
        scale=float(np.sqrt((y**2).sum() / total)) or 1.0,
        components=frame,
        notes=design.notes,
    )


@dataclass(frozen=True, slots=True)
class _Cohorts:
    """Cohorts in order of adoption: first treated period as a position, share of units; the variance to divide by."""

    start: npt.NDArray[np.int_]
    share: Floats
    n_times: int
    variance: float

    def pairs(self, y: Floats) -> Iterator[tuple[str, float, float, float, float]]:
        """Type, treated and control cohort, weight and estimate of each comparison, from cohort means of y."""
        periods = self.n_times
        for k, m in combinations(range(len(self.start)), 2):
            early, late = int(self.start[k]), int(self.start[m])
            gap, mass = y[k] - y[m], self.share[k] * self.share[m] * (late - early) / periods / self.variance
            between = gap[early:late].mean()
            if early > 0:
                kind = "never treated" if late == periods else "earlier vs later"
                yield kind, early, late, mass * early / periods, between - gap[:early].mean()
            if late < periods:
                kind = "always treated" if early == 0 else "later vs earlier"
                yield kind, late, early, mass * (periods - late) / periods, between - gap[late:].mean()

    def pairs_with_controls(self, d: Floats, y: Floats) -> Iterator[tuple[str, float, float, float, float]]:
        """The same from cohort means of the policy net of effects and controls, one row per pair."""
        for k, m in combinations(range(len(self.start)), 2):
            early, late = int(self.start[k]), int(self.start[m])
            always, never = early == 0, late == self.n_times
            kind = {
                (True, True): "always vs never",
                (True, False): "always treated",
                (False, True): "never treated",
                (False, False): "timing groups",
            }[always, never]
            gap = d[k] - d[m]
            weight = self.share[k] * self.share[m] * float(gap @ gap) / self.n_times / self.variance
            estimate = float(gap @ (y[k] - y[m])) / float(gap @ gap) if weight > ROUNDING else np.nan
            yield kind, *((late, early) if always and not never else (early, late)), weight, estimate


def _within(deviation: Floats, y: Floats, total: float) -> tuple[str, float, float, float, float]:
    """The row of units compared inside their cohorts."""
    own = float((deviation**2).sum())
    return "within", np.nan, np.nan, own / total, float((deviation * y).sum()) / own if own > 0 else np.nan


def _means(values: Floats, member: npt.NDArray[np.intp], size: npt.NDArray[np.int_]) -> Floats:
    """Mean of the rows of each cohort, shape (cohorts, periods)."""
    belongs = (member == np.arange(len(size))[:, None]).astype(float)
    mean: Floats = belongs @ values / size[:, None]
    return mean


# ---------------------------------------------------------------------------------------------------------------------
# anticipation, other policies, two groups


def pre_adoption(design: StaggeredDesign, k: int = 1) -> pd.Series:
    """1 in the k-th period before a unit adopts and 0 elsewhere, for each row of ``design.panel``.

    Times the policy it is zero in every row: the product "Policy x pre1" that the paper's table names cannot be
    estimated, and the dummy itself must be meant.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a"] * 3 + ["b"] * 3, "year": [1, 2, 3] * 2, "y": [1.0, 2, 5, 1, 2, 3]})
    >>> df["start"] = df["city"].map({"a": 3})
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> before = pre_adoption(design)
    >>> before.tolist(), float((design.policy * before).abs().max())
    ([0.0, 1.0, 0.0, 0.0, 0.0, 0.0], 0.0)
    """
    return (design.event_time == -k).astype(float)


def anticipation(design: StaggeredDesign, *, periods: int = 1, level: float = 0.95) -> EffectResult:
    """The policy's effect with dummies of the last periods before adoption in the regression.

    Parameters
    ----------
    design : StaggeredDesign
    periods : int
        Number of leads.
    level : float
        Confidence level.

    Returns
    -------
    EffectResult
        ``estimate`` is the policy's coefficient, ``path`` has one row per lead (`pre_adoption`).

    Raises
    ------
    DomainError
        Fewer than one lead, or one in which no treated unit is seen.

    Examples
    --------
    >>> cells = [(city, year) for city in range(12) for year in range(2003, 2011)]
    >>> df = pd.DataFrame(cells, columns=["city", "year"])
    >>> df["start"] = df["city"].map({0: 2006, 1: 2006, 2: 2008})
    >>> df["y"] = df["city"] + 0.1 * df["year"] - 2.0 * (df["year"] >= df["start"]) + np.sin(df.index)
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> anticipation(design).path["period"].tolist()
    [-1]
    """
    leads = {-k: pre_adoption(design, k) for k in range(periods, 0, -1)}
    unseen = [k for k, lead in leads.items() if not lead.any()]
    if unseen or not leads:
        raise DomainError(
            f"no treated unit is seen in period {_listed(unseen)}" if unseen else f"periods={periods} leaves no lead",
            remedy="choose a number of leads between 1 and the periods seen before adoption",
        )
    terms = {k: f"pre{-k}" for k in leads}
    panel = design.panel.assign(**{terms[k]: lead for k, lead in leads.items()})
    fit = design._on_design(design._fit(panel, [POLICY, *terms.values(), *design.controls], level=level))
    path = fit.to_frame().set_index("term").loc[list(terms.values())]
    path = path.assign(
        period=list(terms),
        n_units=[panel.loc[lead == 1, design.unit].nunique() for lead in leads.values()],
        is_base=False,
    )
    effect = replace(
        fit.effect(POLICY),
        estimator="TWFE with leads",
        path=path[["period", "estimate", "std_error", "p_value", "low", "high", "n_units", "is_base"]].reset_index(
            drop=True
        ),
    )
    return design._noted(effect)


def with_policies(
    design: StaggeredDesign, policies: pd.DataFrame, *, policy: str = "policy", start: str = "start"
) -> StaggeredDesign:
    """The design with a dummy for each other policy among its controls.

    Parameters
    ----------
    design : StaggeredDesign
    policies : DataFrame
        One row per unit and policy: the design's unit column, the policy's name, its first period there.
    policy, start : str
        Columns of the policy's name and first period.

    Returns
    -------
    StaggeredDesign
        With one more control per policy, 1 in a unit from the policy's start on, named as the policy.
        `StaggeredDesign.regression` shows their coefficients.

    Raises
    ------
    KeyColumnError
        A column is absent, a key null or doubled; a policy named as a column of the panel, or that reaches none of
        its units.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a"] * 3 + ["b"] * 3, "year": [1, 2, 3] * 2, "y": [1.0, 2, 5, 1, 2, 3]})
    >>> df["start"] = df["city"].map({"a": 3})
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> belt = pd.DataFrame({"city": ["b"], "policy": ["belt"], "start": [2]})
    >>> with_policies(design, belt).panel["belt"].tolist()
    [0.0, 0.0, 0.0, 0.0, 1.0, 1.0]
    """
    starts = complete(policies, [start], keys=[design.unit, policy])[0]
    panel, names = design.panel, list(dict.fromkeys(policies[policy]))
    if (taken := [name for name in names if name in panel.columns]) != []:
        raise KeyColumnError(f"policy {_listed(taken)} is named as a column of the panel", remedy="rename the policy")
    time, dummies = numeric(panel, design.time, []), {}
    for name in names:
        begins = panel[design.unit].map(starts[starts[policy] == name].set_index(design.unit)[start])
        dummies[name] = (time >= begins.to_numpy(dtype=float, na_value=np.nan)).astype(float)
        if not dummies[name].any():
            raise KeyColumnError(
                f"policy {name!r} reaches no row of the panel",
                column=design.unit,
                remedy="write units and periods as the panel does, or leave the policy out",
            )
    wider = copy(design)  # rows and treatment stay, and with them what was checked
    object.__setattr__(wider, "panel", panel.assign(**dummies))
    object.__setattr__(wider, "controls", (*design.controls, *names))
    return wider


@dataclass(frozen=True, kw_only=True)
class SplitResult(Estimate):
    """The effect in two groups of units and the difference between them.

    Attributes
    ----------
    groups : DataFrame
        One row per group: ``group, estimate, std_error, statistic, p_value, low, high, n_obs, n_units, n_treated``.
    difference, std_error, statistic, p_value, low, high : float
        The second group's effect minus the first's.
    notes : tuple of str
        What the reader has to know: units that change group, and the design's notes.
    """

    groups: pd.DataFrame = field(repr=False)
    difference: float
    std_error: float
    statistic: float
    p_value: float
    low: float
    high: float
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """The rows of ``groups`` and one named "difference"."""
        last = {
            "group": "difference",
            "estimate": self.difference,
            "std_error": self.std_error,
            "statistic": self.statistic,
            "p_value": self.p_value,
            "low": self.low,
            "high": self.high,
        }
        return pd.concat([self.groups.astype({"group": object}), pd.DataFrame([last])], ignore_index=True)


def split_test(design: StaggeredDesign, by: str, *, base_year: float | None = None, level: float = 0.95) -> SplitResult:
    """The policy's effect in two groups, each with its own controls' slopes and period effects, and their difference.

    Parameters
    ----------
    design : StaggeredDesign
    by : str
        Column of the design's panel with two values.
    base_year : number, optional
        Period whose value of ``by`` a unit keeps. Without it rows are grouped by their own value, and a unit that
        changes group counts as a new unit there, as in separate regressions on the two halves of the table.
    level : float
        Confidence level.

    Returns
    -------
    SplitResult
        From one interacted regression clustered by unit: the estimates equal those of separate regressions, and the
        error of the difference takes in that a unit may be in both groups. A unit seen once in a group, or a group's
        period with one unit, carries nothing and is listed in ``sample``.

    Raises
    ------
    KeyColumnError, MissingValueError
        The column is absent or has missing values.
    DomainError
        Not two groups.
    TreatmentPathError
        A group without treated units.

    Examples
    --------
    >>> cells = [(city, year) for city in range(12) for year in range(2003, 2011)]
    >>> df = pd.DataFrame(cells, columns=["city", "year"])
    >>> df["start"] = df["city"].map({0: 2006, 1: 2006, 2: 2008})
    >>> df["kind"] = np.where(df["city"] % 2, "odd", "even")
    >>> effect = np.where(df["kind"] == "odd", 3.0, 1.0) * (df["year"] >= df["start"])
    >>> df["y"] = df["city"] + 0.1 * df["year"] + effect + np.sin(df.index) / 1000
    >>> design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start")
    >>> round(split_test(design, "kind").difference, 2)
    2.0
    """
    require_columns(design.panel, [by])
    panel, sample, notes = _grouped(design, by, base_year)
    labels = sorted(panel[GROUP].unique())
    if len(labels) != 2:
        raise DomainError(
            f"{len(labels)} groups ({_listed(labels[:5])}) where two are needed",
            column=by,
            remedy="recode the column to two values",
        )
    treated = panel.loc[panel[POLICY] == 1, [GROUP, design.unit]].drop_duplicates()[GROUP].value_counts()
    for label in labels:
        if label not in treated.index:
            raise TreatmentPathError(
                f"no unit of group {label!r} is treated", column=by, remedy="choose groups that both hold treated units"
            )
    unit, time = f"{design.unit} in {by}", f"{design.time} in {by}"
    own = {unit: panel.groupby([design.unit, GROUP]).ngroup(), time: panel.groupby([design.time, GROUP]).ngroup()}
    terms = {
        f"{column} [{label}]": panel[column] * (panel[GROUP] == label)
        for label in labels
        for column in (POLICY, *design.controls)
    }
    fit = twfe(
        panel.assign(**own, **terms),
        outcome=design.outcome,
        regressors=list(terms),
        unit=unit,
        time=time,
        cluster=design.cluster or design.unit,
        level=level,
    )
    of_policy = [f"{POLICY} [{label}]" for label in labels]
    groups = fit.to_frame().set_index("term").loc[of_policy].reset_index(drop=True)
    groups.insert(0, "group", labels)
    by_group = panel.groupby(GROUP)
    groups["n_obs"] = by_group.size().loc[labels].to_numpy()
    groups["n_units"] = by_group[design.unit].nunique().loc[labels].to_numpy()
    groups["n_treated"] = treated.loc[labels].to_numpy()

    contrast = np.array([-1.0, 1.0])
    difference = float(contrast @ groups["estimate"].to_numpy())
    error = float(np.sqrt(contrast @ fit.covariance.loc[of_policy, of_policy].to_numpy() @ contrast))
    p_value, low, high = t_inference(np.array(difference), np.array(error), df=fit.df_t, level=level)
    return SplitResult(
        sample=_chained(design.sample, sample),
        options=frozen_options(by=by, base_year=base_year, level=level),
        groups=groups,
        difference=difference,
        std_error=error,
        statistic=difference / error,
        p_value=float(p_value),
        low=float(low),
        high=float(high),
        notes=(*fit.notes, *notes, *design.notes),
    )


def _grouped(design: StaggeredDesign, by: str, base_year: float | None) -> tuple[pd.DataFrame, Sample, tuple[str, ...]]:
    """The panel with its column of groups, without rows that carry nothing; the account of it; notes."""
    keys, panel = [design.unit, design.time], design.panel
    group, dropped = panel[by], []
    if base_year is not None:
        at_base = panel[panel[design.time] == base_year].set_index(design.unit)[by]
        group = panel[design.unit].map(at_base)
        unseen = ~panel[design.unit].isin(at_base.index)
        if unseen.any():
            dropped.append((f"unit not seen in {base_year}", tuple(keys_of(panel, unseen, keys))))
        panel, group = panel[~unseen], group[~unseen]
    refuse(
        MissingValueError,
        "missing values",
        rows=group.isna(),
        of=panel,
        keys=keys,
        column=by,
        remedy="fill them in or leave these rows out before the design is built",
    )
    panel = panel.assign(**{GROUP: group})
    stays = panel.groupby(design.unit)[GROUP].agg(["min", "max"])
    moving = int((stays["min"] != stays["max"]).sum())
    notes = (f"{moving} units change group and count as a unit in each",) if moving else ()
    while True:
        alone = np.zeros(len(panel), dtype=bool)
        for key in keys:
            alone |= (panel.groupby([key, GROUP])[POLICY].transform("size") == 1).to_numpy()
        if not alone.any():
            break
        dropped.append(("alone in its unit or period of the group", tuple(keys_of(panel, alone, keys))))
        panel = panel[~alone]
    return panel, Sample(len(design.panel), len(panel), tuple(dropped)), notes


# ---------------------------------------------------------------------------------------------------------------------
# winsorising


def winsorize(
    df: pd.DataFrame,
    columns: Sequence[str],
    *,
    limits: tuple[float, float] = (0.01, 0.01),
    scope: Scope = "pooled",
    time: str | None = None,
    quantile: Quantile = "type2",
) -> pd.DataFrame:
    """A copy in which values beyond the quantiles of a column are set to these quantiles.

    Parameters
    ----------
    df : DataFrame
        Long table.
    columns : sequence of str
        Columns of numbers.
    limits : tuple of float
        Share of values beyond the lower and the upper bound.
    scope : {"pooled", "by_time"}
        Quantiles of the whole column or of each period.
    time : str, optional
        Column of the period, for "by_time".
    quantile : {"type2", "linear"}
        The inverse of the empirical distribution with the mean of the two values where it jumps, as Stata's
        ``_pctile`` and ``winsor2``; or linear interpolation.

    Returns
    -------
    DataFrame
        Doing it again changes nothing as long as the bounds are values of the column: with "type2" wherever
        ``limit`` times the number of values is not whole.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError
        As in `regiometrics.panel.complete`; shares that are negative or leave no value; "by_time" without ``time``.

    Examples
    --------
    >>> df = pd.DataFrame({"y": [1.0, 2, 3, 4, 100]})
    >>> winsorize(df, ["y"], limits=(0.1, 0.3))["y"].tolist()
    [1.0, 2.0, 3.0, 4.0, 4.0]
    """
    require_choice("scope", scope, Scope)
    require_choice("quantile", quantile, Quantile)
    if min(limits) < 0 or sum(limits) >= 1:
        raise DomainError(f"limits {limits} leave no value", remedy="give shares of at least 0 that sum to below 1")
    if (scope == "by_time") != (time is not None):
        raise DomainError(
            f"scope={scope!r} and time={time!r} do not fit together",
            remedy="name the column of the period with scope='by_time', and only then",
        )
    require_columns(df, columns)
    complete(df, columns, keys=named(time), unique=False)
    bound = _type2 if quantile == "type2" else np.quantile
    period = np.zeros(len(df), dtype=int) if time is None else pd.factorize(df[time])[0]
    result = df.copy()
    for column in columns:
        values = numeric(df, column, named(time)).copy()
        for t in range(period.max(initial=-1) + 1):
            rows = period == t
            low, high = bound(values[rows], limits[0]), -bound(-values[rows], limits[1])
            values[rows] = np.clip(values[rows], low, high)
        result[column] = values
    return result


def _type2(values: Floats, p: float) -> float:
    """Inverse of the empirical distribution, the mean of both values at a jump."""
    ordered, rank = np.sort(values), len(values) * p
    whole = round(rank)
    if abs(rank - whole) < JUMP:
        return float(ordered[max(whole - 1, 0)] + ordered[min(whole, len(values) - 1)]) / 2
    return float(ordered[int(rank)])


def _chained(first: Sample, then: Sample) -> Sample:
    """The account of two steps as one."""
    return Sample(first.rows_in, then.rows_used, (*first.dropped, *then.dropped))


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))
