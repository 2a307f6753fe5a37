"""Estimators of staggered treatment that never compare with the already treated, and bounds when trends may differ.

The only module that imports diff-diff. Every estimator returns the same result with the same average: the mean effect
over the treated unit-periods.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import diff_diff  # type: ignore[import-untyped]
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import optimize, special

from regiometrics.errors import (
    DomainError,
    NoControlsError,
    RankError,
    RegionError,
    TreatmentPathError,
    require_choice,
)
from regiometrics.panel import (
    Missing,
    Sample,
    TwoWayEffects,
    complete,
    numeric,
    refuse,
    require_balanced,
    require_columns,
)
from regiometrics.result import EffectResult, Estimate, frozen_options, t_inference

Floats = npt.NDArray[np.float64]
Seed = int | np.random.Generator
Estimator = Literal["callaway_santanna", "sun_abraham", "imputation", "dcdh", "synthetic_did"]
ControlGroup = Literal["never_treated", "not_yet_treated"]
Restriction = Literal["smoothness", "relative_magnitude"]

NAMES = {
    "callaway_santanna": "Callaway-Sant'Anna",
    "sun_abraham": "Sun-Abraham",
    "imputation": "Imputation (Borusyak-Jaravel-Spiess)",
    "dcdh": "de Chaisemartin-D'Haultfœuille",
    "synthetic_did": "Synthetic DID",
}
BASE = -1  # the last period before adoption, which all five compare with
EVENTS_PER_CONTROL = 10  # units that a cohort needs for each variable of its propensity score (Peduzzi et al. 1996)
IDENTITY = 1e-9  # gap allowed between the cohorts' effects and their mean, as a share of the largest
ABSORBED = 1e-9  # share of a column's spread that must survive what it is projected off
STEPS = 64  # points on each straight piece of the bias-variance frontier, before the best one is refined
MULTIPLES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True)
class EventStudyResult(EffectResult):
    """An effect whose path comes with its covariance, so that joint tests and bounds can be had from it.

    Attributes
    ----------
    path_covariance : DataFrame, shape (periods, periods)
        Covariance of the path's estimates; index and columns are the periods with a standard error, without the base.
    estimator, estimate, path, ...
        See `EffectResult`.
    """

    path_covariance: pd.DataFrame = field(repr=False)


# ---------------------------------------------------------------------------------------------------------------------
# effects


def modern_did(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    adoption: str,
    controls: Sequence[str] = (),
    estimator: Estimator,
    window: tuple[int, int] | None = None,
    base: int = BASE,
    control_group: ControlGroup = "never_treated",
    level: float = 0.95,
    n_boot: int = 0,
    seed: Seed = 0,
    missing: Missing = "raise",
) -> EffectResult:
    r"""The effect of a treatment that starts at different times, by an estimator made for it.

    Parameters
    ----------
    df : DataFrame
        One row per (unit, time).
    unit, time, outcome : str
        Columns of the unit, the period (whole numbers without a gap) and the outcome.
    adoption : str
        Column of the first treated period, the same in all rows of a unit; missing means never treated. A unit that
        adopts after the last period of the table counts as never treated.
    controls : sequence of str
        Columns of control variables; see Notes for how each estimator uses them.
    estimator : {"callaway_santanna", "sun_abraham", "imputation", "dcdh", "synthetic_did"}
        See Notes.
    window : (int, int), optional
        First and last period since adoption that ``path`` shows. All periods are estimated, none is pooled, and the
        estimate averages over all of them. Without it the whole path is shown.
    base : int
        The period before adoption that effects are compared with; -1 is the only one that these estimators have.
    control_group : {"never_treated", "not_yet_treated"}
        Whom "callaway_santanna" compares with. "imputation" and "dcdh" always use the not yet treated too,
        "sun_abraham" and "synthetic_did" the never treated alone. A table without never treated units needs
        "not_yet_treated".
    level : float
        Confidence level.
    n_boot : int
        Placebo draws for the standard errors of "synthetic_did", each as costly as the estimate; 0 is the jackknife.
        The other estimators have analytic errors.
    seed : int or Generator
        For the placebo draws.
    missing : {"raise", "drop"}
        What to do with missing values of outcome and controls.

    Returns
    -------
    EventStudyResult
        With the covariance of the path; its class is plain `EffectResult` for "imputation" and "synthetic_did", whose
        paths do not lend themselves to joint statements. ``weights`` holds, for "callaway_santanna" and "sun_abraham",
        the effects that the estimate averages: ``cohort, time, estimate, std_error, weight``.

    Raises
    ------
    KeyColumnError, MissingValueError
        As in `regiometrics.panel.complete`.
    DomainError
        Periods that are not whole numbers or have a gap; an option that the estimator does not have.
    TreatmentPathError
        Two adoption dates in a unit; a unit treated from its first period on; nobody treated; for "synthetic_did", one
        period only before adoption.
    NoControlsError
        Nobody to compare with.
    RankError
        A control that the effects absorb, or controls that are linear combinations of each other.
    UnbalancedPanelError
        "dcdh" and "synthetic_did" need every (unit, time) cell.

    Notes
    -----
    All average over the treated unit-periods that have a comparison, so that their estimates share one axis:
    :math:`\sum_{i,t\ge g_i}\tau_{it}\big/\sum_{i,t\ge g_i}1`. Standard errors are clustered by unit, p-values and
    intervals are of the normal distribution.

    - "callaway_santanna" (Callaway and Sant'Anna 2021, theorem 1, with the simple weights of section 3): each cohort
      against the comparison group, from the period before adoption to each other period. Controls are taken at the
      period compared with; doubly robust, or by outcome regression where a cohort has fewer than ten units for each
      control, too few for a propensity score. Its errors take cohort sizes as drawn at random, the others' as given.
    - "sun_abraham" (Sun and Abraham 2021, section 4): a two-way regression with an effect for each cohort and period.
      Controls enter linearly.
    - "imputation" (Borusyak, Jaravel and Spiess 2024, theorems 1-3): untreated outcomes are a unit and a time effect,
      fitted to all untreated unit-periods. Controls enter that fit linearly. Errors have the leave-one-out correction
      of their appendix A.9, without which those of small cohorts are too small. Leads come from a second fit and are
      relative to the last period before adoption, the effects relative to all periods before it: they must not be
      read as one line (Roth 2024).
    - "dcdh" (de Chaisemartin and D'Haultfoeuille 2024, eq. 3): effects as "callaway_santanna" has them with the not yet
      treated. Controls enter linearly, with coefficients from first differences of the not yet treated. The covariance
      of the path is that of its cohort-recentred influence functions; the package's own error of the average treats
      the periods as independent and is not used.
    - "synthetic_did" (Arkhangelsky et al. 2021, algorithms 1, 3 and 4): one fit per cohort against the never treated,
      averaged. Controls enter linearly, with coefficients from untreated unit-periods. The path is relative to the
      weighted mean of the periods before adoption, so that none of them is a base.

    Effects of a cohort of one have no standard error; ``notes`` name such cohorts.

    Examples
    --------
    >>> df = pd.DataFrame([(i, t) for i in range(8) for t in range(1, 5)], columns=["city", "year"])
    >>> df["start"] = df["city"].map({0: 3, 1: 3, 2: 4, 3: 4})
    >>> df["y"] = df["city"] + df["year"] ** 2 + 2.0 * (df["year"] >= df["start"]) + 0.1 * (df["city"] * df["year"] % 3)
    >>> effect = modern_did(
    ...     df, unit="city", time="year", outcome="y", adoption="start", estimator="callaway_santanna"
    ... )
    >>> effect.estimator, round(effect.estimate, 2)
    ("Callaway-Sant'Anna", 2.0)
    """
    require_choice("estimator", estimator, Estimator)
    require_choice("control_group", control_group, ControlGroup)
    _refuse_options(estimator, base, window, control_group, n_boot)
    balanced = estimator in ("dcdh", "synthetic_did")
    panel = _Panel.of(df, unit, time, outcome, adoption, tuple(controls), missing, balanced)
    panel.require_comparison(estimator, control_group, adoption)
    if controls:
        panel.refuse_absorbed(two_way=estimator != "callaway_santanna")
    if estimator == "callaway_santanna":
        found = _callaway_santanna(panel, control_group)
    elif estimator == "sun_abraham":
        found = _sun_abraham(panel)
    elif estimator == "imputation":
        found = _imputation(panel)
    elif estimator == "dcdh":
        found = _dcdh(panel)
    else:
        found = _synthetic_did(panel, n_boot, seed)
    options = frozen_options(
        unit=unit,
        time=time,
        outcome=outcome,
        adoption=adoption,
        controls=tuple(controls),
        estimator=estimator,
        window=window,
        base=base,
        control_group=control_group,
        level=level,
        n_boot=n_boot,
        seed=seed,
        missing=missing,
    )
    return found.result(panel, NAMES[estimator], window, level, options)


@dataclass(frozen=True)
class _Panel:
    """The used rows under plain names: ``unit, time, outcome, first`` (0 for never treated), ``x0, x1, ...``.

    Periods are counted from 1, as 0 stands for never treated in diff-diff; ``origin`` added gives the table's own.
    """

    rows: pd.DataFrame
    origin: int
    sample: Sample
    labels: pd.Index
    controls: dict[str, str]
    late: tuple[object, ...]

    @classmethod
    def of(
        cls,
        df: pd.DataFrame,
        unit: str,
        time: str,
        outcome: str,
        adoption: str,
        controls: tuple[str, ...],
        missing: Missing,
        balanced: bool,
    ) -> _Panel:
        """Check periods and adoption dates and keep what the estimators need."""
        keys = [unit, time]
        require_columns(df, [*keys, outcome, adoption, *controls])
        source = df.reset_index(drop=True)
        adopted = pd.Series(numeric(source, adoption, keys))
        used, sample = complete(source, [outcome, *controls], keys=keys, missing=missing)
        period = pd.Series(numeric(used, time, keys), index=used.index)
        refuse(
            DomainError,
            "periods must be whole numbers",
            rows=period != period.round(),
            of=used,
            keys=keys,
            column=time,
            remedy="number the periods 1, 2, 3, ...",
        )
        seen = period.unique()
        if len(seen) and len(seen) != seen.max() - seen.min() + 1:
            absent = sorted(set(range(int(seen.min()), int(seen.max()) + 1)) - set(seen.astype(int)))
            raise DomainError(
                "periods must follow one another without a gap",
                column=time,
                keys=absent,
                remedy="number the periods 1, 2, 3, ..., adoption likewise",
            )
        if balanced:
            require_balanced(used, unit=unit, time=time)
        first = adopted[used.index]
        code, labels = pd.factorize(used[unit])
        rows = pd.DataFrame({"unit": code, "time": period.astype(int), "outcome": used[outcome], "first": first})
        names = {f"x{k}": control for k, control in enumerate(dict.fromkeys(controls))}
        rows = rows.assign(**{x: used[control] for x, control in names.items()})
        refuse(
            TreatmentPathError,
            "the first treated period must be the same in all rows of a unit",
            rows=rows.groupby("unit")["first"].transform("nunique", dropna=False) > 1,
            of=used,
            keys=[unit],
            column=adoption,
            remedy="write the unit's first treated period in each of its rows, or none",
        )
        refuse(
            DomainError,
            "the first treated period must be a whole number or missing",
            rows=first.notna() & ((first != first.round()) | np.isinf(first)),
            of=used,
            keys=[unit],
            column=adoption,
            remedy="write the first period in which the unit is treated, or leave it empty",
        )
        refuse(
            TreatmentPathError,
            "treated from its first period on, so that nothing before adoption is seen",
            rows=first <= rows.groupby("unit")["time"].transform("min"),
            of=used,
            keys=[unit],
            column=adoption,
            remedy="leave these units out; a unit that is never treated has no adoption date, not 0",
        )
        after = (first > period.max()).to_numpy()
        late = tuple(labels[np.unique(code[after])])
        origin = int(period.min()) - 1
        rows["time"] -= origin
        rows["first"] = (first - origin).mask(after).fillna(0).astype(int)
        if not rows["first"].any():
            raise TreatmentPathError(
                "no unit is treated inside the table",
                column=adoption,
                remedy="give the first treated periods of the treated units, in the numbers of the time column",
            )
        return cls(rows.reset_index(drop=True), origin, sample, pd.Index(labels), names, late)

    @cached_property
    def units(self) -> pd.Series:
        """First treated period by unit, 0 for never."""
        return self.rows.groupby("unit")["first"].first()

    @cached_property
    def cohorts(self) -> pd.Series:
        """Number of units by first treated period."""
        return self.units[self.units > 0].value_counts().sort_index()

    @property
    def treated(self) -> pd.DataFrame:
        """Rows of units that are ever treated, with the period since adoption."""
        rows = self.rows[self.rows["first"] > 0]
        return rows.assign(period=rows["time"] - rows["first"])

    @property
    def untreated(self) -> pd.Series:
        """Whether a row is of a unit that is not treated, or not yet."""
        return (self.rows["first"] == 0) | (self.rows["time"] < self.rows["first"])

    @property
    def alone(self) -> list[int]:
        """Cohorts of one unit."""
        return [int(g) for g in self.cohorts.index[self.cohorts == 1]]

    @property
    def columns(self) -> dict[str, Any]:
        """The arguments by which diff-diff finds the columns."""
        return {
            "outcome": "outcome",
            "unit": "unit",
            "time": "time",
            "first_treat": "first",
            "covariates": list(self.controls) or None,
        }

    def of_controls(self, note: str) -> tuple[str, ...]:
        """A note on controls, if there are any."""
        return (note,) if self.controls else ()

    def require_comparison(self, estimator: str, control_group: str, adoption: str) -> None:
        """Raise `NoControlsError` without never treated units, unless later cohorts may stand in for them."""
        if (self.units == 0).any():
            return
        later = control_group == "not_yet_treated" and len(self.cohorts) > 1
        if not later or estimator not in ("callaway_santanna", "imputation", "dcdh"):
            raise NoControlsError(
                "every unit is treated in the end",
                column=adoption,
                remedy="add units that are never treated"
                if len(self.cohorts) == 1
                else "add units that are never treated, or compare with later cohorts: control_group='not_yet_treated' "
                "with 'callaway_santanna', 'imputation' or 'dcdh'",
            )

    def refuse_absorbed(self, *, two_way: bool) -> None:
        """Raise `RankError` for controls that unit and time effects, or a constant, leave without variation."""
        values = self.rows[list(self.controls)].to_numpy()
        effects = TwoWayEffects.of(self.rows, unit="unit", time="time")
        net = effects.demean(values) if two_way else values - values.mean(axis=0)
        absorbed = net.std(axis=0) <= ABSORBED * np.maximum(values.std(axis=0), np.finfo(float).tiny)
        if absorbed.any():
            raise RankError(
                "the unit and time effects absorb it" if two_way else "the same in all rows",
                column=next(c for c, out in zip(self.controls.values(), absorbed, strict=True) if out),
                remedy="interact it with time, or take 'callaway_santanna'" if two_way else "leave it out",
            )
        if np.linalg.matrix_rank(net / net.std(axis=0)) < len(self.controls):
            raise RankError(
                f"controls {', '.join(map(repr, self.controls.values()))} are linear combinations of each other",
                remedy="leave one of them out",
            )


@dataclass(frozen=True)
class _Found:
    """What an estimator found, before inference and presentation.

    ``path`` has ``period, estimate, std_error, n_units`` without the base; ``rests_on_cohorts`` says that its errors
    come from the spread inside cohorts, so that a cohort of one has none.
    """

    estimate: float
    std_error: float
    path: pd.DataFrame
    covariance: pd.DataFrame | None = None
    weights: pd.DataFrame = field(default_factory=pd.DataFrame)
    notes: tuple[str, ...] = ()
    rests_on_cohorts: bool = True
    has_base: bool = True

    def __post_init__(self) -> None:
        """Refuse weights that do not make up the estimate."""
        if len(self.weights):
            weight, part = self.weights["weight"].to_numpy(), self.weights["estimate"].to_numpy()
            gap = max(abs(weight.sum() - 1), abs(weight @ part - self.estimate) / np.abs(part).max())
            if not gap <= IDENTITY:
                raise RegionError(f"the cohorts' effects do not add up to the estimate (gap {gap:.3g})")

    def result(
        self, panel: _Panel, name: str, window: tuple[int, int] | None, level: float, options: Mapping[str, object]
    ) -> EffectResult:
        """The effect with p-values and intervals, its path cut to the window."""
        path, error, weights = self.path, self.std_error, self.weights
        if self.rests_on_cohorts:
            treated = panel.treated
            spread = treated.loc[~treated["first"].isin(panel.alone), "period"]
            path = path.assign(std_error=path["std_error"].where(path["period"].isin(spread)))
            error = error if len(panel.alone) < len(panel.cohorts) else np.nan
            if len(weights):
                weights = weights.assign(std_error=weights["std_error"].mask(weights["cohort"].isin(panel.alone)))
        dates = [name for name in ("cohort", "time") if name in weights]
        weights = weights.assign(**{name: weights[name] + panel.origin for name in dates})
        path = path.assign(is_base=False)
        if self.has_base:
            n_units = int(panel.treated["period"].eq(BASE).sum())
            row = {"period": BASE, "estimate": 0.0, "std_error": np.nan, "n_units": n_units, "is_base": True}
            path = pd.concat([path, pd.DataFrame([row])], ignore_index=True)
        path = path.sort_values("period", ignore_index=True)
        if window is not None:
            path = path[path["period"].between(*window)].reset_index(drop=True)
        path["p_value"], path["low"], path["high"] = t_inference(
            path["estimate"].to_numpy(), path["std_error"].to_numpy(), level=level
        )
        p_value, low, high = t_inference(np.array(self.estimate), np.array(error), level=level)
        fields: dict[str, Any] = {
            "sample": panel.sample,
            "options": options,
            "estimator": name,
            "estimate": self.estimate,
            "std_error": error,
            "p_value": float(p_value),
            "low": float(low),
            "high": float(high),
            "level": level,
            "n_obs": len(panel.rows),
            "n_units": len(panel.units),
            "n_clusters": len(panel.units),
            "path": path[["period", "estimate", "std_error", "p_value", "low", "high", "n_units", "is_base"]],
            "weights": weights,
            "notes": (*self.notes, *self._about(panel)),
        }
        if self.covariance is None:
            return EffectResult(**fields)
        shown = path.loc[path["std_error"].notna(), "period"]
        return EventStudyResult(**fields, path_covariance=self.covariance.loc[shown, shown])

    def _about(self, panel: _Panel) -> Iterator[str]:
        """What is worth knowing whatever the estimator."""
        if panel.late:
            yield f"adopt after the last period and count as never treated: {_listed(panel.late)}"
        if panel.alone and self.rests_on_cohorts:
            alone = _listed([cohort + panel.origin for cohort in panel.alone])
            yield f"cohorts of one unit, whose own effect has no standard error: {alone}"


def _refuse_options(estimator: str, base: int, window: tuple[int, int] | None, control_group: str, n_boot: int) -> None:
    """Raise `DomainError` for options that the estimator does not have."""
    if base != BASE:
        raise DomainError(
            f"base={base}: these estimators compare with the last period before adoption",
            remedy="leave base=-1; the two-way event study takes other bases",
        )
    if window is not None and not window[0] <= BASE < window[1]:
        raise DomainError(f"window {window} must reach from -1 or earlier to 0 or later", remedy="such as (-5, 5)")
    if control_group == "not_yet_treated" and estimator in ("sun_abraham", "synthetic_did"):
        raise DomainError(
            f"{NAMES[estimator]} compares with the never treated alone",
            remedy="leave control_group='never_treated', or take another estimator",
        )
    if n_boot < 0:
        raise DomainError(f"n_boot={n_boot} must not be negative", remedy="0 stands for no draws")
    if n_boot and estimator != "synthetic_did":
        raise DomainError(f"{NAMES[estimator]} has analytic errors and no draws", remedy="leave n_boot=0")


@contextmanager
def _noting(known: Mapping[str, str]) -> Iterator[list[str]]:
    """Turn the warnings of diff-diff that match a pattern into notes, each once; let all others through.

    A pattern whose note is empty is left out of the notes; the caller says why.
    """
    notes: list[str] = []
    with warnings.catch_warnings(record=True, action="always") as caught:
        yield notes
    for warning in caught:
        text = next((note for pattern, note in known.items() if re.search(pattern, str(warning.message))), None)
        if text is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif text and text not in notes:
            notes.append(text)


UNBALANCED = {"Unbalanced panel detected": "unbalanced panel: each comparison uses units seen in both of its periods"}
UNCOMPARED = "some cohort-periods have nobody to be compared with and are left out"


def _callaway_santanna(panel: _Panel, control_group: str) -> _Found:
    """Cohort by cohort against the comparison group, from the period before adoption."""
    fewest = min(panel.cohorts.min(), (panel.units == 0).sum() or np.inf)
    doubly = bool(panel.controls) and fewest >= EVENTS_PER_CONTROL * len(panel.controls)
    model = diff_diff.CallawaySantAnna(
        control_group=control_group, base_period="universal", estimation_method="dr" if doubly else "reg"
    )
    known = {
        **UNBALANCED,
        r"\(group, time\) cell\(s\) could not be estimated": UNCOMPARED,
        "Propensity scores for .* will be trimmed": "propensity scores outside 0.01 to 0.99 are moved to these limits",
    }
    with _noting(known) as notes:
        fit = model.fit(panel.rows, **panel.columns)
        study = fit.aggregate("event_study")
    cells = pd.DataFrame(
        [(g, t, c["effect"], c["se"], c["n_treated"]) for (g, t), c in fit.group_time_effects.items()],
        columns=["cohort", "time", "estimate", "std_error", "weight"],
    )
    cells = cells[np.isfinite(cells["estimate"]) & np.isfinite(cells["std_error"])]
    seen = cells.groupby(cells["time"] - cells["cohort"])["weight"].sum()
    path = pd.DataFrame({"period": study.event_time, "estimate": study.att, "std_error": study.se})
    path = path[~study.is_reference & np.isfinite(study.se)]
    way = "doubly robust" if doubly else "by outcome regression, as a cohort is too small for a propensity score"
    return _Found(
        estimate=float(fit.overall_att),
        std_error=float(fit.overall_se),
        path=path.assign(n_units=path["period"].map(seen).astype(int)),
        covariance=_by_period(study.vcov, study.vcov_index),
        weights=_shares(cells[cells["time"] >= cells["cohort"]]),
        notes=(
            "mean over treated unit-periods of the cohorts' effects against "
            + ("the never treated" if control_group == "never_treated" else "those not yet treated"),
            "errors take cohort sizes as drawn at random, not as given",
            *panel.of_controls(f"controls enter at the period compared with, {way}"),
            *notes,
        ),
    )


def _sun_abraham(panel: _Panel) -> _Found:
    """A two-way regression with one effect for each cohort and period."""
    fit = diff_diff.SunAbraham().fit(panel.rows, **panel.columns)
    seen = panel.treated.groupby("period").size()
    path = pd.DataFrame(
        [(k, effect["effect"], effect["se"], seen[k]) for k, effect in sorted(fit.event_study_effects.items())],
        columns=["period", "estimate", "std_error", "n_units"],
    )
    counts = panel.treated.groupby(["first", "period"]).size()
    cells = pd.DataFrame(
        [(g, g + k, c["effect"], c["se"], counts[g, k]) for (g, k), c in fit.cohort_effects.items() if k >= 0],
        columns=["cohort", "time", "estimate", "std_error", "weight"],
    )
    return _Found(
        estimate=float(fit.overall_att),
        std_error=float(fit.overall_se),
        path=path,
        covariance=_by_period(fit.event_study_vcov, fit.event_study_vcov_index),
        weights=_shares(cells.sort_values(["cohort", "time"], ignore_index=True)),
        notes=(
            "mean over treated unit-periods of the cohorts' effects against the never treated",
            *panel.of_controls("controls enter the regression linearly"),
        ),
    )


def _imputation(panel: _Panel) -> _Found:
    """Untreated outcomes from unit and time effects of all untreated unit-periods."""
    rows = panel.rows[panel.rows["time"].isin(panel.rows.loc[panel.untreated, "time"])]  # others have no time effect
    known = {
        # pandas on a call inside diff-diff, without bearing on the numbers
        "inplace keyword in DataFrame.drop": "",
        "Rank-deficient design matrix: dropping .*'_lead_": "leads that unit and time effects absorb are left out",
        # cohorts of one, which the result names
        "leave-one-out variance is undefined": "",
    }
    with _noting(known) as notes:
        fit = diff_diff.ImputationDiD(pretrends=True, leave_one_out=True).fit(rows, **panel.columns)
        study = fit.aggregate("event_study")
    if len(rows) < len(panel.rows):
        notes.append(UNCOMPARED)
    path = pd.DataFrame({"period": study.event_time, "estimate": study.att, "std_error": study.se, "n_units": study.n})
    path = path[~study.is_reference & np.isfinite(study.se)]
    return _Found(
        estimate=float(fit.overall_att),
        std_error=float(fit.overall_se),
        path=path.astype({"n_units": int}),
        notes=(
            "mean over treated unit-periods against outcomes imputed from all untreated unit-periods",
            "leads are relative to the last period before adoption, effects to all periods before it",
            "errors leave each unit out of the mean that its residual is taken from",
            *panel.of_controls("controls enter the imputation linearly"),
            *notes,
        ),
    )


def _dcdh(panel: _Panel) -> _Found:
    """Long differences of switchers against the not yet treated, averaged by the periods that they are treated."""
    horizons = int(panel.rows["time"].max() - panel.cohorts.index.min()) + 1
    known = {
        "Fewer than 50% of l=1 switchers": "the latest periods rest on fewer than half of the treated units",
        "Multi-horizon control-availability violations": UNCOMPARED,
        # leads with nobody to be compared with, which are not shown
        "Multi-horizon placebo control-availability violations": "",
        # on the effect and the placebo of the first period alone, which are not used
        r"Placebo \(?DID_M\^pl|Assumption 11 \(existence of stable controls\)": "",
        # with one unit per cohort the package has no error; the result says so itself
        "Cohort-recentered analytical variance is unidentified": "",
    }
    rows = panel.rows.assign(treated=(~panel.untreated).astype(int))
    with _noting(known) as notes:
        fit = diff_diff.ChaisemartinDHaultfoeuille(twfe_diagnostic=False).fit(
            rows,
            outcome="outcome",
            unit="unit",
            time="time",
            treatment="treated",
            covariates=list(panel.controls) or None,
            L_max=horizons,
        )
    effects = {k - 1: effect for k, effect in fit.event_study_effects.items()}
    leads = {k - 1: effect for k, effect in (fit.placebo_event_study or {}).items()}
    path = pd.DataFrame(
        [(k, e["effect"], e["se"], e["n_obs"]) for k, e in sorted((leads | effects).items()) if e["n_obs"] > 0],
        columns=["period", "estimate", "std_error", "n_units"],
    )
    slopes = fit.covariate_residuals["theta_hat"].to_numpy() if panel.controls else np.zeros(0)
    covariance = _covariance_of_switchers(panel, slopes, path["period"].tolist())
    after = path[path["period"] >= 0].set_index("period")["n_units"]
    weight = (after / after.sum()).to_numpy()
    return _Found(
        estimate=float(weight @ path.loc[path["period"] >= 0, "estimate"]),
        std_error=float(np.sqrt(weight @ covariance.loc[after.index, after.index].to_numpy() @ weight)),
        path=path,
        covariance=covariance,
        notes=(
            "mean over treated unit-periods of effects against those not yet treated; the package's aggregate over all "
            "periods, not its effect of the first one",
            *panel.of_controls("controls enter linearly, with coefficients from first differences before adoption"),
            *notes,
        ),
    )


def _covariance_of_switchers(panel: _Panel, slopes: Floats, periods: list[int]) -> pd.DataFrame:
    """Covariance of the path from each unit's part in it, recentred inside cohorts (web appendix 3.7.3 of dCDH).

    A unit takes part as a switcher and as a comparison for those who switch before it.
    """
    outcome = panel.rows["outcome"] - panel.rows[list(panel.controls)].to_numpy() @ slopes
    y = panel.rows.assign(outcome=outcome).pivot(index="unit", columns="time", values="outcome")
    start = panel.units.map({t: i for i, t in enumerate(y.columns)}).fillna(np.inf).to_numpy()
    values, parts = y.to_numpy(), np.zeros((len(y), len(periods)))
    for column, k in enumerate(periods):
        n_switchers = 0
        for s in np.unique(start[np.isfinite(start)]).astype(int):
            now, last = s + k, s + max(k, -2 - k)  # a lead is compared with the units of the effect as far ahead
            compared = start > last
            if now < 0 or last >= values.shape[1] or not compared.any():
                continue
            change, switch = values[:, now] - values[:, s + BASE], start == s
            parts[switch, column] += change[switch]
            parts[compared, column] -= change[compared] * switch.sum() / compared.sum()
            n_switchers += switch.sum()
        parts[:, column] /= n_switchers
    for s in np.unique(start):
        parts[start == s] -= parts[start == s].mean(axis=0)
    return _by_period(parts.T @ parts, periods)


def _synthetic_did(panel: _Panel, n_boot: int, seed: Seed) -> _Found:
    """One fit per cohort against the never treated, averaged by treated unit-periods."""
    short = [g for g in panel.cohorts.index if g - panel.rows["time"].min() < 2]
    if short:
        raise TreatmentPathError(
            "synthetic DID needs two periods before adoption",
            keys=panel.labels[panel.units.isin(short)],
            remedy="leave these units out, or take another estimator",
        )
    y, start, times = _without_controls(panel), panel.units.to_numpy(), np.sort(panel.rows["time"].unique())
    means, counts = _synthetic_averages(y, start, times, _synthetic_weights(y, start, times))
    averages, left_out, never, n = means[-1], means[:-1], np.flatnonzero(start == 0), len(start)
    if n_boot:
        treated = start[start > 0]
        if len(never) <= len(treated):
            raise NoControlsError(
                f"placebo draws take {len(treated)} of {len(never)} never treated units and leave none to compare with",
                remedy="leave n_boot=0 for the jackknife",
            )
        rng = np.random.default_rng(seed)
        draws = np.empty((n_boot, len(averages)))
        for draw in draws:
            placebo = np.zeros(len(never), dtype=int)
            placebo[rng.permutation(len(never))[: len(treated)]] = treated
            found = _synthetic_weights(y[never], placebo, times)
            draw[:] = _synthetic_averages(y[never], placebo, times, found)[0][-1]
        error = draws.std(axis=0)
        how = f"standard errors from {n_boot} placebo adoptions among the never treated"
    else:
        error = np.sqrt((n - 1) / n * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
        how = "standard errors by jackknife over units, with all weights held fixed"
    path = pd.DataFrame(
        {
            "period": np.arange(len(counts)) - (len(times) - 1),
            "estimate": averages[:-1],
            "std_error": error[:-1],
            "n_units": counts,
        }
    )
    return _Found(
        estimate=float(averages[-1]),
        std_error=float(error[-1]),
        path=path[path["n_units"] > 0],
        notes=(
            "mean over treated unit-periods of one synthetic DID per cohort against the never treated",
            "the path is relative to the weighted mean of the periods before adoption",
            how,
            *panel.of_controls("controls enter linearly, with coefficients from untreated unit-periods"),
        ),
        rests_on_cohorts=n_boot == 0,
        has_base=False,
    )


def _without_controls(panel: _Panel) -> Floats:
    """Outcomes of a balanced panel, units in rows, less the controls' part as fitted to untreated unit-periods."""
    rows = panel.rows
    if not panel.controls:
        return rows.pivot(index="unit", columns="time", values="outcome").to_numpy()
    names = list(panel.controls)
    untreated = rows[panel.untreated]
    net = TwoWayEffects.of(untreated, unit="unit", time="time").demean(untreated[["outcome", *names]].to_numpy())
    slopes = np.linalg.lstsq(net[:, 1:], net[:, 0])[0]
    adjusted = rows.assign(outcome=rows["outcome"] - rows[names].to_numpy() @ slopes)
    return adjusted.pivot(index="unit", columns="time", values="outcome").to_numpy()


Weights = dict[int, tuple[Floats, Floats]]


def _synthetic_weights(y: Floats, start: npt.NDArray[np.int_], times: npt.NDArray[np.int_]) -> Weights:
    """Weights of the units and of the periods, zero where unused, by cohort."""
    found: Weights = {}
    for g in np.unique(start[start > 0]):
        used = np.flatnonzero((start == 0) | (start == g))
        rows = pd.DataFrame(
            {
                "unit": np.repeat(used, len(times)),
                "time": np.tile(times, len(used)),
                "outcome": y[used].ravel(),
                "treated": np.repeat((start[used] == g).astype(int), len(times)),
            }
        )
        # the error of a single cohort is not used: a lone treated unit has none
        with _noting({"Jackknife variance requires more than 1": ""}):
            fit = diff_diff.SyntheticDiD(variance_method="jackknife", n_bootstrap=0).fit(
                rows,
                outcome="outcome",
                treatment="treated",
                unit="unit",
                time="time",
                post_periods=list(times[times >= g]),
            )
        units, periods = pd.Series(fit.unit_weights), pd.Series(fit.time_weights)
        found[int(g)] = (
            units.reindex(range(len(start)), fill_value=0.0).to_numpy(),
            periods.reindex(times, fill_value=0.0).to_numpy(),
        )
    return found


def _synthetic_averages(
    y: Floats, start: npt.NDArray[np.int_], times: npt.NDArray[np.int_], weights: Weights
) -> tuple[Floats, npt.NDArray[np.int_]]:
    """Mean gap of the treated to their synthetic outcomes, and the number of treated, by period since adoption.

    The last column averages over all treated unit-periods. Row i leaves out unit i, with the weights of units, periods
    and cohorts held fixed; the last row leaves out nobody.
    """
    n, width = y.shape
    totals, counts = np.zeros((n + 1, 2 * width - 1)), np.zeros(2 * width - 1, dtype=int)
    left_out, nobody = np.vstack([y, np.zeros(width)]), np.zeros(1)
    for g, (omega, spread) in weights.items():
        treated, at = start == g, times - g + width - 1
        size = int(treated.sum())
        gone = np.append(treated & (size > 1), nobody)[:, None]  # the only unit of a cohort stays
        lost = np.append(omega, nobody)[:, None]
        rest = np.where(lost < 1, 1 - lost, np.nan)  # without the only unit of weight there is nothing left
        gap = (y[treated].sum(axis=0) - gone * left_out) / (size - gone) - (omega @ y - lost * left_out) / rest
        totals[:, at] += size * (gap - (gap @ spread)[:, None])
        counts[at] += size
    after = slice(width - 1, None)
    overall = totals[:, after].sum(axis=1) / counts[after].sum()
    return np.column_stack([totals / np.maximum(counts, 1), overall]), counts


def _shares(cells: pd.DataFrame) -> pd.DataFrame:
    """The cohorts' effects with the share of treated unit-periods that each stands for."""
    return cells.assign(weight=cells["weight"] / cells["weight"].sum()).reset_index(drop=True)


def _by_period(covariance: Floats, periods: Iterable[int]) -> pd.DataFrame:
    index = pd.Index([int(k) for k in periods], name="period")
    return pd.DataFrame(np.asarray(covariance), index=index, columns=index)


def _listed(items: Iterable[object]) -> str:
    return ", ".join(map(str, items))


# ---------------------------------------------------------------------------------------------------------------------
# bounds


@dataclass(frozen=True, kw_only=True)
class HonestBounds(Estimate):
    """What can be said of an effect when trends may differ by so much.

    Attributes
    ----------
    restriction : {"smoothness", "relative_magnitude"}
        What is restricted, see `honest_bounds`.
    estimate, std_error : float
        The bounded effect as estimated under parallel trends: the mean of the path from adoption on, weighted by its
        treated units.
    breakdown : float
        The first ``m`` at which zero is not excluded any more; NaN where it is not excluded even at ``m`` = 0.
    level : float
        Confidence level of the intervals; of no meaning for identified sets.
    bounds : DataFrame
        See `to_frame`.
    weights : Series
        Weight of each period from adoption on in ``estimate``.
    notes : tuple of str
        Periods left out.
    """

    restriction: Restriction
    estimate: float
    std_error: float
    breakdown: float
    level: float
    bounds: pd.DataFrame = field(repr=False)
    weights: pd.Series = field(repr=False)
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row per ``m``: ``m, low, high, excludes_zero, method``.

        ``method`` says what ``low`` and ``high`` are: a confidence interval of fixed length, or an identified set,
        which leaves out sampling error.
        """
        return self.bounds.copy()


def honest_bounds(
    event_study: EventStudyResult,
    *,
    restriction: Restriction = "smoothness",
    m: Sequence[float] | None = None,
    level: float = 0.95,
) -> HonestBounds:
    r"""Bounds on the mean effect when the treated would not have moved in parallel with the others.

    Parameters
    ----------
    event_study : EventStudyResult
        A path with its covariance. Its window decides which periods are averaged and which leads are used.
    restriction : {"smoothness", "relative_magnitude"}
        What is known of :math:`\delta`, the difference in trends, with :math:`\delta_{-1}=0`:
        its slope changes by at most ``m`` from period to period,
        :math:`|(\delta_{k+1}-\delta_k)-(\delta_k-\delta_{k-1})|\le m`; or its steps from adoption on are at most ``m``
        times the largest one before, :math:`|\delta_{k+1}-\delta_k|\le m\max_{j<-1}|\delta_{j+1}-\delta_j|`.
    m : sequence of float, optional
        In units of the outcome for "smoothness", as a multiple for "relative_magnitude". Without it 0, 1/4, 1/2, 3/4
        and 1, for "smoothness" times the largest change of slope among the leads, the base included.
    level : float
        Confidence level.

    Returns
    -------
    HonestBounds
        Intervals for "smoothness". For "relative_magnitude" the identified set at the estimated path: intervals of
        fixed length are not consistent for it, and the conditional ones are not computed here.

    Raises
    ------
    DomainError
        A result without covariance; a negative ``m``; no lead besides the base; a gap in the path.
    RankError
        A covariance of the leads that is singular.

    Notes
    -----
    Rambachan and Roth (2023), sections 2.4 and 4.1. The interval of fixed length for smoothness is
    :math:`\hat a(m)\pm cv(m\,b/s)\,s`, around the affine estimator that makes it shortest, with worst bias
    :math:`m\,b`, standard error :math:`s` and :math:`cv(t)` the quantile of :math:`|N(t,1)|`. Estimators that linear
    differences in trend leave unbiased have the form: mean effect, less the extrapolation of the last slope before
    adoption, plus :math:`\sum_iu_i` times the changes of slope among the leads; then :math:`b` is a constant plus
    :math:`\sum|u_i|`, and the best :math:`u` for each :math:`s` lie on a lasso path, which is followed exactly.
    At ``m`` = 0 this is the extrapolation of the best-fitting straight line.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> df = pd.DataFrame([(i, t) for i in range(40) for t in range(6)], columns=["city", "year"])
    >>> df["start"] = df["city"].map({i: 3 for i in range(15)})
    >>> df["y"] = 2.0 * (df["year"] >= df["start"]) + rng.normal(0, 0.5, len(df))
    >>> study = modern_did(df, unit="city", time="year", outcome="y", adoption="start", estimator="sun_abraham")
    >>> bounds = honest_bounds(study, m=[0, 0.1, 2.0])
    >>> bounds.to_frame()["excludes_zero"].tolist(), bool(0.1 < bounds.breakdown < 2)
    ([True, True, False], True)
    """
    require_choice("restriction", restriction, Restriction)
    leads, effects, covariance, weights, notes = _aligned(event_study)
    if m is not None and not (np.asarray(m, dtype=float) >= 0).all():
        raise DomainError("m must not be negative", remedy="0 stands for no difference, or for a linear one")
    slopes = np.diff(np.append(leads, 0.0))
    estimate = float(weights @ effects)
    after = covariance[len(leads) :, len(leads) :]
    if restriction == "smoothness":
        bends = np.diff(slopes) if len(slopes) > 1 else slopes  # a single lead shows a slope and no change of it
        grid = np.asarray(m if m is not None else np.multiply(MULTIPLES, np.abs(bends).max()), dtype=float)
        frontier = _Frontier.of(leads, effects, covariance, weights)
        rows = [(float(k), *frontier.interval(k, level)) for k in grid]
        breakdown, method = _breakdown(frontier, level), "fixed-length confidence interval"
    else:
        grid = np.asarray(m if m is not None else MULTIPLES, dtype=float)
        reach = float(np.abs(slopes).max() * (weights @ np.arange(1, len(weights) + 1)))
        rows = [(float(k), estimate - k * reach, estimate + k * reach) for k in grid]
        breakdown, method = abs(estimate) / reach if reach else np.inf, "identified set"
    bounds = pd.DataFrame(rows, columns=["m", "low", "high"])
    bounds["excludes_zero"] = (bounds["low"] > 0) | (bounds["high"] < 0)
    return HonestBounds(
        sample=event_study.sample,
        options=frozen_options(restriction=restriction, m=tuple(grid), level=level),
        restriction=restriction,
        estimate=estimate,
        std_error=float(np.sqrt(weights @ after @ weights)),
        breakdown=breakdown,
        level=level,
        bounds=bounds.assign(method=method),
        weights=pd.Series(weights, index=pd.RangeIndex(len(weights), name="period"), name="weight"),
        notes=notes,
    )


def _aligned(study: EventStudyResult) -> tuple[Floats, Floats, Floats, Floats, tuple[str, ...]]:
    """Leads and effects relative to the period before adoption, their covariance, weights of the effects, notes."""
    if not isinstance(study, EventStudyResult):
        raise DomainError(
            f"{study.estimator} has no covariance of its path",
            remedy="take the two-way event study, 'callaway_santanna', 'sun_abraham' or 'dcdh'",
        )
    path = study.path.set_index("period").sort_index()
    base = path.index[path["is_base"]]
    known = path.index[path["is_base"] | path["std_error"].gt(0)]
    lost = path.index.difference(known)
    if len(base) != 1 or BASE not in known or list(known) != list(range(known.min(), known.max() + 1)):
        raise DomainError(
            "the path has no single base, or a gap between the periods with a standard error",
            keys=lost,
            remedy="narrow the window to periods that have a standard error",
        )
    if known.min() == BASE or known.max() < 0:
        raise DomainError(
            "bounds need a lead besides the period before adoption, and an effect",
            remedy="widen the window to -2 or earlier and to 0 or later",
        )
    others = known.drop([BASE])
    shift = np.eye(len(known))[known != BASE] - np.eye(len(known))[known == BASE]
    spread = study.path_covariance.reindex(index=known, columns=known, fill_value=0.0).to_numpy()
    estimates = shift @ path.loc[known, "estimate"].to_numpy()
    treated = path.loc[others[others >= 0], "n_units"].to_numpy(dtype=float)
    leads = int((others < 0).sum())
    notes = (f"periods without a standard error are left out: {_listed(lost)}",) if len(lost) else ()
    return estimates[:leads], estimates[leads:], shift @ spread @ shift.T, treated / treated.sum(), notes


@dataclass(frozen=True)
class _Frontier:
    """Affine estimators that no other beats in both worst bias and standard error, as corners of a broken line.

    ``corners`` are weights of the changes of slope among the leads, from least bias to least error; the estimate is
    ``start`` plus the weighted ``changes``.
    """

    corners: Floats
    start: float
    changes: Floats
    variance: Floats
    constant: float

    @classmethod
    def of(cls, leads: Floats, effects: Floats, covariance: Floats, weights: Floats) -> _Frontier:
        """The frontier for the weighted mean of the effects."""
        n, total = len(leads), len(leads) + len(effects)
        slopes = np.diff(np.vstack([np.eye(n, total), np.zeros(total)]), axis=0)
        tail = weights[::-1].cumsum()[::-1].cumsum()  # the mean's exposure to a slope that changes in each period
        extrapolated = np.append(np.zeros(n), weights) - tail[-1] * slopes[-1]
        rows = np.vstack([extrapolated, np.diff(slopes, axis=0)])
        variance, values = rows @ covariance @ rows.T, rows @ np.append(leads, effects)
        if np.linalg.matrix_rank(variance[1:, 1:], hermitian=True) < n - 1:
            raise RankError(f"the covariance of {n} leads is singular", remedy="narrow the window to fewer leads")
        constant = float(np.abs(tail[-1] - np.append(0.0, tail[:-1])).sum())
        return cls(_lasso_path(variance[1:, 1:], variance[1:, 0]), values[0], values[1:], variance, constant)

    def interval(self, m: float, level: float) -> tuple[float, float]:
        """The shortest interval of fixed length when slopes change by at most ``m``."""

        def half(at: Floats) -> Floats:
            weights = self._weights(at)
            error = self._error(weights)
            bias = m * (self.constant + np.abs(weights).sum(axis=1))
            result: Floats = _folded_normal_quantile(bias / error, level) * error
            return result

        last = len(self.corners) - 1
        best = float(last)
        if m > 0 and last:
            grid = np.linspace(0, last, last * STEPS + 1)
            near = grid[np.argmin(half(grid))] + np.array([-1, 1]) / STEPS
            found = optimize.minimize_scalar(
                lambda at: half(np.array([at]))[0],
                bounds=np.clip(near, 0, last),
                method="bounded",
                options={"xatol": 1e-9},
            )
            best = float(found.x)
        at = np.array([best])
        centre = self.start + float(self._weights(at)[0] @ self.changes)
        reach = float(half(at)[0])
        return centre - reach, centre + reach

    def _weights(self, at: Floats) -> Floats:
        """Weights at positions along the line, corners lying at whole numbers."""
        below = np.minimum(np.floor(at).astype(int), max(len(self.corners) - 2, 0))
        above, share = np.minimum(below + 1, len(self.corners) - 1), (at - below)[:, None]
        result: Floats = (1 - share) * self.corners[below] + share * self.corners[above]
        return result

    def _error(self, weights: Floats) -> Floats:
        full = np.column_stack([np.ones(len(weights)), weights])
        error: Floats = np.sqrt(np.einsum("ij,jk,ik->i", full, self.variance, full))
        return error


def _lasso_path(gram: Floats, score: Floats) -> Floats:
    r"""Corners of :math:`u(\lambda)=rg\min u'Gu/2+c'u+\lambda\sum|u_i|` as :math:`\lambda` falls to zero.

    Variables enter when their gradient reaches the penalty and leave when their coefficient reaches zero
    (Osborne, Presnell and Turlach 2000).
    """
    u, gradient = np.zeros(len(score)), score.astype(float)
    corners, active = [u], np.zeros(len(score), dtype=bool)
    penalty = float(np.abs(score).max(initial=0.0))
    tiny = 1e-12 * penalty
    if penalty > 0:
        active[np.argmax(np.abs(score))] = True
    while penalty > tiny:
        sign, step = -np.sign(gradient), np.zeros(len(u))
        step[active] = np.linalg.solve(gram[np.ix_(active, active)], sign[active])
        drift = gram @ step
        with np.errstate(divide="ignore", invalid="ignore"):
            enters = np.stack([(penalty - gradient) / (1 + drift), (penalty + gradient) / (1 - drift)])
            leaves = -u / step
        enters[:, active], leaves[~active] = np.inf, np.inf
        ahead = np.where(np.vstack([enters, leaves]) > tiny, np.vstack([enters, leaves]), np.inf)
        length = min(penalty, float(ahead.min()))
        u, gradient, penalty = u + length * step, gradient + length * drift, penalty - length
        if penalty > tiny:
            kind, which = np.unravel_index(np.argmin(ahead), ahead.shape)
            active[which] = kind < 2
            if kind == 2:
                u[which] = 0.0
        corners.append(u)
    return np.array(corners)


def _folded_normal_quantile(shift: Floats, level: float) -> Floats:
    """Quantile of :math:`|N(t,1)|`, by Newton's method from above."""
    quantile: Floats = shift + special.ndtri((1 + level) / 2)
    for _ in range(12):
        below = special.ndtr(quantile - shift) - special.ndtr(-quantile - shift) - level
        density = np.exp(-((quantile - shift) ** 2) / 2) + np.exp(-((quantile + shift) ** 2) / 2)
        quantile = quantile - below * np.sqrt(2 * np.pi) / density
    return quantile


def _breakdown(frontier: _Frontier, level: float) -> float:
    """First change of slope at which the interval holds zero."""

    def clearance(m: float) -> float:
        low, high = frontier.interval(m, level)
        return max(low, -high)

    if clearance(0.0) <= 0:
        return np.nan
    low, high = frontier.interval(0.0, level)
    above = abs(low + high) / frontier.constant
    while clearance(above) > 0:
        above *= 2
    return float(optimize.brentq(clearance, 0.0, above, xtol=1e-9 * above))
