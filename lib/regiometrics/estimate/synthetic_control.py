"""Synthetic control: donors weighted so that together they look like the treated unit before the treatment.

Abadie and Gardeazabal (2003, AER 93); Abadie, Diamond and Hainmueller (2010, JASA 105; 2015, AJPS 59); Abadie (2021,
JEL 59). The numerical work is in `simplex`, the placebos in space in `synthetic_placebo`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from threadpoolctl import threadpool_limits

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    NoDonorsError,
    RankError,
    TreatmentPathError,
)
from regiometrics.estimate.comparative_study import Predictors, comparative_study
from regiometrics.estimate.resampling import Seed
from regiometrics.estimate.simplex import (
    InnerFit,
    certificate,
    donor_weights,
    hull_distance,
    nested_weights,
    tied_range,
    unique_weights,
)
from regiometrics.estimate.synthetic_placebo import (
    Donors,
    Kind,
    PlaceboResult,
    PlaceboV,
    Statistic,
    kind_of,
    placebo_fits,
    placebo_in_space,
    single_members,
)
from regiometrics.estimate.synthetic_variants import ConformalResult, conformal
from regiometrics.panel import Sample, require_columns, require_keys
from regiometrics.result import Estimate, frozen_options, readonly

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
V = Literal["nested", "equal"] | Mapping[str, float]

USED = 1e-6  # weight above which a donor counts as used
CONSTANT = 1e-12  # standard deviation of a predictor, relative to its size, that counts as none
NEAR_BEST = 0.05  # relative excess of a loss over the best that still counts as a rival solution
SAME = 5e-3  # largest difference of weights between two solutions that count as one
ATTAINED = 1e-6  # relative excess of a loss over its lower bound that counts as none
KICKS, KICK_SIZES = 20, (0.3, 1.0, 2.0)  # disturbances of the best solution, in logarithms of predictor weights
RIDGES = np.geomspace(1e-4, 1e4, 25)  # of the bias correction, times the mean square of the predictors


@dataclass(frozen=True, slots=True)
class Units:
    """Outcome paths and predictors of some units."""

    names: tuple[Hashable, ...]
    paths: Floats = field(repr=False)  # units x times; deviations from the mean over the fitted periods where demeaned
    features: Floats = field(repr=False)  # units x predictors

    def mean(self) -> Units:
        """The units as one: means of their paths and predictors."""
        return Units(("mean",), self.paths.mean(axis=0, keepdims=True), self.features.mean(axis=0, keepdims=True))

    def taken(self, at: Positions) -> Units:
        """The units at these positions."""
        return Units(tuple(self.names[j] for j in at), self.paths[at], self.features[at])

    def without(self, at: Positions) -> Units:
        """The units at all other positions."""
        return self.taken(np.delete(np.arange(len(self.names)), at))

    def with_row(self, other: Units) -> Units:
        """These units and the others."""
        return Units(
            self.names + other.names,
            np.vstack([self.paths, other.paths]),
            np.vstack([self.features, other.features]),
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """One target fitted on one pool: weights, predictor weights and gap by time."""

    v: Floats
    inner: InnerFit
    effect: Floats
    optima: tuple[tuple[Floats, InnerFit, float], ...] = ()  # v, donor weights and mean effect of each solution found
    bound: tuple[float, Floats] | None = None  # `certificate`, where the search asked for it

    @property
    def weights(self) -> Floats:
        """Weights of the pool."""
        return self.inner.weights


@dataclass(frozen=True, slots=True)
class Design:
    """A checked panel as arrays, and how to fit a target on a pool in it."""

    times: pd.Index
    post: Flags
    fitted: Positions
    names: tuple[str, ...]  # of the predictors
    outcome_only: bool
    treated: Units
    donors: Units
    v: Floats | None  # given predictor weights
    v_min: float
    bias_correct: bool
    starts: Floats = field(repr=False)
    kicks: Floats = field(repr=False)

    def distances(self, target: Units, pool: Units) -> tuple[Floats, Floats]:
        """Predictors (in standard deviations over target and pool) and fitted outcomes, as distances from the target.

        Without predictors the fitted outcomes stand in for them, in their own units.
        """
        outcomes = np.ascontiguousarray((pool.paths - target.paths)[:, self.fitted])
        if self.outcome_only:
            return outcomes, outcomes
        everyone = np.vstack([target.features, pool.features])
        scale = everyone.std(axis=0)
        constant = scale <= CONSTANT * np.abs(everyone).max(axis=0)
        if constant.any():
            raise RankError(
                "the predictor is the same in the treated unit and all donors",
                column=self.names[int(np.argmax(constant))],
                remedy="leave it out",
            )
        predictors: Floats = np.ascontiguousarray((pool.features - target.features) / scale)
        return predictors, outcomes

    def fit(self, target: Units, pool: Units, v: Floats | None = None) -> Fit:
        """Weights of the pool for the target; ``v`` comes before the design's own rule."""
        predictors, outcomes = self.distances(target, pool)
        given = self.v if v is None else v
        if given is not None:
            inner = donor_weights(given, predictors, outcomes)
            effect = self._effect(target, pool, predictors, inner.weights)
            return Fit(given, inner, effect, ((given, inner, float(effect[self.post].mean())),))
        bound = certificate(predictors, outcomes, self.v_min)
        starts = np.vstack([self.starts, self._regression_start(target, pool)])
        found = nested_weights(
            predictors, outcomes, v_min=self.v_min, starts=starts, kicks=self.kicks, nearest_v=bound[1]
        )
        optima = tuple(
            (v, inner, float(self._effect(target, pool, predictors, inner.weights)[self.post].mean()))
            for v, inner in found.optima
        )
        return Fit(found.v, found.inner, self._effect(target, pool, predictors, found.inner.weights), optima, bound)

    def _effect(self, target: Units, pool: Units, predictors: Floats, weights: Floats) -> Floats:
        """Actual less synthetic path, its bias taken off from the start on where that is asked for."""
        effect: Floats = target.paths[0] - weights @ pool.paths
        if self.bias_correct:
            slopes = _ridge_slopes(predictors, pool.paths[:, self.post])
            effect[self.post] += (weights @ predictors) @ slopes
        return effect

    def _regression_start(self, target: Units, pool: Units) -> Floats:
        """Predictors by the squares of their coefficients in regressions of the fitted outcomes, as logarithms."""
        features = np.vstack([target.features, pool.features])
        paths = np.vstack([target.paths, pool.paths])[:, self.fitted]
        features = (features - features.mean(axis=0)) / features.std(axis=0)
        slopes = np.linalg.lstsq(features, paths - paths.mean(axis=0), rcond=None)[0]
        importance = (slopes**2).sum(axis=1)
        result: Floats = np.log(np.maximum(importance / max(importance.sum(), 1e-300), 1e-6))
        return result


def _ridge_slopes(x: Floats, y: Floats) -> Floats:
    """Ridge coefficients, predictors x periods, with the penalty that predicts left-out donors best."""
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    best = (np.inf, np.zeros((x.shape[1], y.shape[1])))
    for penalty in RIDGES * (x**2).sum() / x.shape[1]:
        shrunk = sizes**2 / (sizes**2 + penalty)
        leverage = (left**2) @ shrunk + 1 / len(x)
        error = (y - left @ (shrunk[:, None] * (left.T @ y))) / np.maximum(1 - leverage, 1e-12)[:, None]
        slopes = right.T @ ((sizes / (sizes**2 + penalty))[:, None] * (left.T @ y))
        best = min(best, (float((error**2).sum()), slopes), key=lambda pair: pair[0])
    return best[1]


@dataclass(frozen=True, kw_only=True)
class SyntheticControlResult(Estimate):
    """A treated unit, or the mean of several, beside its synthetic control.

    Attributes
    ----------
    treated : tuple
        The treated units.
    start : hashable
        First treated period.
    weights : Series
        Weight of each donor; non-negative, adding up to one.
    v : Series
        Weight of each predictor; on the fitted outcomes, equal ones, where no predictor was given.
    actual, synthetic, effect : Series
        By time, in units of the outcome; ``effect`` is actual less synthetic.
    att : float
        Mean effect from the start on.
    loss : float
        Mean squared gap over the fitted periods, in squared units of the outcome.
    loss_lower_bound : float
        The least loss of any weights on these donors.
    attainable : bool
        Whether some predictor weights, each at least ``v_min``, bring the loss down to the bound. False means that the
        linear programme found none for the weights at the bound.
    kkt : float
        Certificate of the donor weights at ``v``; see `simplex.SimplexFit`.
    hull_distance : float
        Distance of the treated unit's predictors from the donors' convex hull, in standard deviations.
    unique : bool
        Whether the predictors at ``v`` determine the donor weights. Where not, those of least loss are taken, then
        those on the donors nearest to the treated unit.
    balance : DataFrame
        One row per predictor: ``predictor, actual, synthetic, donor_mean, donor_min, donor_max, v``.
    local_optima : DataFrame
        Solutions in which the search for v ended: ``loss, att, ends`` (how often), then the v of each predictor.
    effect_range : tuple of float
        Least and largest ``att`` among the solutions whose loss is within 5 % of the best.
    sample, options
        See `Estimate`.
    """

    treated: tuple[Hashable, ...]
    start: Hashable
    weights: pd.Series = field(repr=False)
    v: pd.Series = field(repr=False)
    actual: pd.Series = field(repr=False)
    synthetic: pd.Series = field(repr=False)
    effect: pd.Series = field(repr=False)
    att: float
    loss: float
    loss_lower_bound: float
    attainable: bool
    kkt: float
    hull_distance: float
    unique: bool
    balance: pd.DataFrame = field(repr=False)
    local_optima: pd.DataFrame = field(repr=False)
    effect_range: tuple[float, float]
    _design: Design = field(repr=False)
    _fit: Fit = field(repr=False)
    _data: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per period: ``time, actual, synthetic, effect``."""
        columns = {"actual": self.actual, "synthetic": self.synthetic, "effect": self.effect}
        return pd.DataFrame(columns).rename_axis("time").reset_index()

    def placebo_in_space(
        self,
        kind: Kind = "auto",
        donors: Donors = "all",
        n_draws: int = 199,
        statistic: Statistic = "rmspe_ratio",
        placebo_v: PlaceboV = "refit",
        treated_in_pool: bool = False,
        n_jobs: int = 1,
        seed: Seed = 0,
    ) -> PlaceboResult:
        """Fit donors as if they had been treated.

        Parameters
        ----------
        kind : {"auto", "single", "group"}
            Donors one by one, or means of ``min(treated, donors // 2)`` of them drawn by chance, each fitted on the
            donors outside it. By itself groups for an aggregate: a mean of many units is fitted more closely, and moves
            less, than any single one, so that single donors are no measure for it.
        donors : {"all", "above_mean_weight"}
            Which donors are tried one by one; the second is the rule of Deng, Pan and Li.
        n_draws : int
            Number of groups.
        statistic : {"rmspe_ratio", "post_rmspe", "att"}
            Root mean squared gap from the start on over that before it, the numerator alone, or the mean gap.
        placebo_v : {"refit", "fixed"}
            Search predictor weights for each placebo, from the same starts, or keep those of the treated unit.
        treated_in_pool : bool
            Whether the treated unit is a donor of the placebos, as in Abadie, Diamond and Hainmueller (2010).
        n_jobs : int
            Threads; the numbers do not depend on it.
        seed : int or Generator
            Of the groups.

        Raises
        ------
        DomainError
            An unknown option, or a ratio whose denominator is zero for the treated unit.
        NoDonorsError
            A placebo would be left with fewer than two donors.
        """
        return placebo_in_space(
            self._design, self._fit, sample=self.sample, kind=kind, donors=donors, n_draws=n_draws, statistic=statistic,
            placebo_v=placebo_v, treated_in_pool=treated_in_pool, n_jobs=n_jobs, seed=seed,
        )  # fmt: skip

    def att_of_ties(self) -> tuple[float, float]:
        """Least and largest mean effect over all donor weights that fit the predictors, at v, as well as these.

        Both are ``att`` where the weights are unique. How far they lie apart says what the predictors leave open.

        Raises
        ------
        DomainError
            Effects with a bias correction, which depends on the weights in another way.
        """
        design, target = self._design, self._design.treated.mean()
        if design.bias_correct:
            raise DomainError("ties have no range with a bias correction", remedy="fit with bias_correct=False")
        if self.unique:
            return self.att, self.att
        predictors, _ = design.distances(target, design.donors)
        after = design.donors.paths[:, design.post].mean(axis=1)
        low, high = tied_range(self._fit.v, predictors, self._fit.inner, after)
        actual = float(target.paths[0, design.post].mean())
        return actual - high, actual - low

    def leave_one_out(self) -> pd.DataFrame:
        """Fits without each donor in use: ``left_out, weight, loss, att``; the first row leaves nobody out.

        Raises
        ------
        NoDonorsError
            Fewer than three donors.
        """
        if len(self.weights) < 3:
            raise NoDonorsError(
                f"leaving one of {len(self.weights)} donors out leaves fewer than two", remedy="take a larger pool"
            )
        rows: list[tuple[object, float, float, float]] = [(None, np.nan, self.loss, self.att)]
        design, target = self._design, self._design.treated.mean()
        with threadpool_limits(1):
            for j in np.flatnonzero(self._fit.weights > USED):
                fit = design.fit(target, design.donors.without(np.array([j])))
                att = float(fit.effect[design.post].mean())
                rows.append((design.donors.names[j], float(self._fit.weights[j]), fit.inner.loss, att))
        return pd.DataFrame(rows, columns=["left_out", "weight", "loss", "att"])

    def placebo_in_time(self, start: Hashable) -> SyntheticControlResult:
        """The same study on the periods before the real start, as if the treatment had begun at ``start``.

        Predictors, lags and fitted periods keep the periods that lie before ``start``; what has none left is an error
        for a predictor and left out for a lag.

        Raises
        ------
        TreatmentPathError
            ``start`` is not before the real start, or has no period before it.
        DomainError
            A predictor has no period before ``start``, or no lag is left.
        """
        options = self.options
        time = cast("str", options["time"])
        earlier = self._data[self._data[time] < self.start]
        if not start < self.start:  # type: ignore[operator]
            raise TreatmentPathError(
                f"the placebo's start {start} is not before the real one, {self.start}", column=time,
                remedy="choose a period before the treatment",
            )  # fmt: skip

        def before(periods: Sequence[Hashable]) -> list[Hashable]:
            return [t for t in periods if t < start]  # type: ignore[operator]

        predictors = cast("Predictors", options["predictors"])
        if isinstance(predictors, Mapping):
            predictors = {column: before(periods) for column, periods in predictors.items()}
            for column, periods in predictors.items():
                if not periods:
                    raise DomainError(
                        f"the predictor has no period before {start}", column=column, remedy="choose a later start"
                    )
        lags = cast("Sequence[Hashable]", options["lags"])
        if lags and not predictors and not before(lags):
            raise DomainError(f"no lag lies before {start}", remedy="choose a later start")
        fit_periods = cast("Sequence[Hashable] | None", options["fit_periods"])
        v = cast("V", options["v"])
        if isinstance(v, Mapping):
            v = {name: v[name] for name in self._design.names if name not in _labels(options["outcome"], lags)} | {
                name: v[name] for name in _labels(options["outcome"], before(lags))
            }
        return synthetic_control(
            earlier,
            unit=cast("str", options["unit"]),
            time=time,
            outcome=cast("str", options["outcome"]),
            treated=list(self.treated),
            start=start,
            predictors=predictors,
            lags=before(lags),
            donors=list(self._design.donors.names),
            fit_periods=None if fit_periods is None else before(fit_periods),
            v=v,
            v_min=cast("float", options["v_min"]),
            n_starts=cast("int", options["n_starts"]),
            demean=cast("bool", options["demean"]),
            bias_correct=cast("bool", options["bias_correct"]),
            seed=cast("Seed", options["seed"]),
        )

    def conformal(self, *, null: float = 0.0, level: float = 0.95) -> ConformalResult:
        """Conformal test and bands of the outcome-only fit on the same units and periods; see `conformal`."""
        options = self.options
        return conformal(
            self._data,
            unit=cast("str", options["unit"]),
            time=cast("str", options["time"]),
            outcome=cast("str", options["outcome"]),
            treated=list(self.treated),
            start=self.start,
            donors=list(self._design.donors.names),
            fit_periods=cast("Sequence[Hashable] | None", options["fit_periods"]),
            demean=cast("bool", options["demean"]),
            null=null,
            level=level,
        )


def synthetic_control(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    treated: Hashable | Sequence[Hashable],
    start: Hashable,
    predictors: Predictors = (),
    lags: Sequence[Hashable] = (),
    donors: Sequence[Hashable] | None = None,
    fit_periods: Sequence[Hashable] | None = None,
    v: V = "nested",
    v_min: float = 1e-4,
    n_starts: int = 30,
    demean: bool = False,
    bias_correct: bool = False,
    seed: Seed = 0,
) -> SyntheticControlResult:
    r"""Synthetic control of one treated unit, or of the mean of several.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    unit, time, outcome : str
        Columns; the panel of treated units and donors must be balanced.
    treated : hashable or sequence
        The treated unit, or units whose unweighted mean is studied.
    start : hashable
        First treated period.
    predictors : mapping or sequence of str
        Columns and the periods that each is averaged over; a plain list averages over the fitted periods. A missing
        value counts only inside these periods.
    lags : sequence
        Periods whose outcome is a predictor; named ``"outcome period"``. Without predictors and lags the weights fit
        the outcome of all fitted periods, a convex problem.
    donors : sequence, optional
        Donor pool; every other unit where absent.
    fit_periods : sequence, optional
        Periods before the start over which the loss is taken; all of them where absent.
    v : {"nested", "equal"} or mapping
        Predictor weights: those that predict the outcome best, equal ones, or given ones by predictor; given ones are
        scaled to add up to one and may be zero.
    v_min : float
        Least weight of a predictor in the nested search. Zero lets single predictors carry all weight: the donor
        weights are then hardly determined by the predictors, and of the tied ones those of least loss are chosen, so
        that the fit comes close to the one without predictors.
    n_starts : int
        Random starts of the search, beside equal weights, a regression, one start near each corner and a linear
        programme.
    demean : bool
        Fit deviations from each unit's mean over the fitted periods (Ferman and Pinto 2021).
    bias_correct : bool
        From the start on, take off what a ridge regression of the donors' outcomes on the predictors says about the
        remaining mismatch (Abadie and L'Hour 2021).
    seed : int or Generator
        Of the random starts.

    Raises
    ------
    KeyColumnError
        A column is absent, a key null or duplicated, or a treated unit unknown.
    UnbalancedPanelError
        A (unit, time) cell is missing.
    MissingValueError
        NaN or infinity in the outcome, or in a predictor in its periods.
    TreatmentPathError
        A donor is treated, no period lies before or from the start on, or a period of a predictor, lag or fit does not.
    NoDonorsError
        Fewer than two donors, or a donor that is not in the data.
    GroupSizeError
        Fewer than two fitted periods.
    RankError
        A predictor is the same in all units, or all given weights are zero.
    DomainError
        Text in a number column, negative given weights, or an option out of range.

    Notes
    -----
    With predictors in standard deviations over treated unit and donors, the donor weights minimise
    ``sum_m v_m (x_1m - sum_j w_j x_jm)²`` over the simplex, and v minimises the mean squared gap of the outcome over
    the fitted periods (Abadie and Gardeazabal 2003, appendix B). The search descends by exact gradients from many
    starts; it is no proof of a global minimum, hence ``local_optima``, ``effect_range`` and ``loss_lower_bound``.

    Examples
    --------
    >>> paths = {"a": [1, 2, 3, 9], "b": [0, 2, 2, 4], "c": [2, 2, 4, 6], "d": [9, 1, 5, 2]}
    >>> df = pd.DataFrame([(u, t, float(y)) for u, path in paths.items() for t, y in enumerate(path)],
    ...                   columns=["county", "year", "y"])
    >>> result = synthetic_control(df, unit="county", time="year", outcome="y", treated="a", start=3)
    >>> result.weights.round(6).to_dict(), round(result.att, 6)
    ({'b': 0.5, 'c': 0.5, 'd': 0.0}, 4.0)
    """
    options = frozen_options(
        unit=unit, time=time, outcome=outcome, treated=treated, start=start, predictors=predictors, lags=tuple(lags),
        donors=donors, fit_periods=fit_periods, v=v, v_min=v_min, n_starts=n_starts, demean=demean,
        bias_correct=bias_correct, seed=seed,
    )  # fmt: skip
    require_keys(df, [unit, time])
    require_columns(df, [outcome])
    if not (df[time] < start).any():
        raise TreatmentPathError(
            f"no period before {start}", column=time, remedy="let start be the first treated period of the panel"
        )
    _require_periods_before(df[time], predictors, start)
    study = comparative_study(
        df, unit=unit, time=time, outcome=outcome, treated=treated, start=start, donors=donors, fit_periods=fit_periods,
        predictors=predictors, lags=lags,
    )  # fmt: skip
    outcome_only = not (study.predictors or len(study.lags))
    lag_times = study.times[study.lags] if not outcome_only else study.times[study.fitted]
    names = (*study.predictors, *_labels(outcome, lag_times))
    lagged = study.fitted if outcome_only else study.lags

    def units(unit_names: Sequence[Hashable], y: Floats, z: Floats) -> Units:
        paths = y.T - (y[study.fitted].mean(axis=0)[:, None] if demean else 0.0)
        return Units(tuple(unit_names), paths, np.column_stack([z.T, paths[:, lagged]]))

    given = np.full(len(names), 1 / len(names)) if outcome_only or v == "equal" else _given_weights(v, names)
    if given is None and not 0 <= v_min < 1 / len(names):
        raise DomainError(
            f"v_min={v_min} leaves no choice among {len(names)} predictors",
            remedy=f"choose a number from 0 to below {1 / len(names):.3g}",
        )
    starts, kicks = _starts(len(names), n_starts, seed)
    design = Design(
        times=study.times,
        post=study.post,
        fitted=study.fitted,
        names=names,
        outcome_only=outcome_only,
        treated=units(study.treated, study.y, study.z),
        donors=units(study.donors, study.y0, study.z0),
        v=given,
        v_min=v_min,
        bias_correct=bias_correct,
        starts=starts,
        kicks=kicks,
    )
    target = design.treated.mean()
    with threadpool_limits(1):
        fit = design.fit(target, design.donors)
        predictors_away, outcomes_away = design.distances(target, design.donors)
        bound, near = fit.bound or certificate(predictors_away, outcomes_away, 0.0)
        lowest = min(fit.inner.loss, donor_weights(near, predictors_away, outcomes_away).loss)
        unique = unique_weights(fit.v, predictors_away, fit.inner)
        distance = hull_distance(predictors_away)
    effect = study.path(fit.effect, "effect")
    actual = study.path(study.y.mean(axis=1), "actual")
    near_best = [att for _, inner, att in fit.optima if inner.loss <= (1 + NEAR_BEST) * fit.inner.loss]
    return SyntheticControlResult(
        treated=tuple(study.treated),
        start=start,
        weights=pd.Series(readonly(fit.weights), index=pd.Index(study.donors, name=unit), name="weight"),
        v=pd.Series(readonly(fit.v), index=pd.Index(names, name="predictor"), name="v"),
        actual=actual,
        synthetic=(actual - effect).rename("synthetic"),
        effect=effect,
        att=float(fit.effect[study.post].mean()),
        loss=fit.inner.loss,
        loss_lower_bound=bound,
        attainable=bool(lowest <= bound * (1 + ATTAINED) + 1e-14 * float((outcomes_away**2).mean())),
        kkt=fit.inner.kkt,
        hull_distance=distance,
        unique=unique,
        balance=_balance(design, fit),
        local_optima=_local_optima(fit, names),
        effect_range=(min(near_best), max(near_best)),
        _design=design,
        _fit=fit,
        _data=df[df[unit].isin([*study.treated, *study.donors])],
        sample=study.sample,
        options=options,
    )


def _labels(outcome: object, periods: Sequence[Hashable] | pd.Index) -> list[str]:
    """Names of lagged outcomes as predictors."""
    return [f"{outcome} {period}" for period in periods]


def _require_periods_before(times: pd.Series, predictors: Predictors, start: Hashable) -> None:
    """Raise `TreatmentPathError` unless the predictors are averaged over periods of the panel before the start."""
    known = set(times[times < start])
    for column, periods in predictors.items() if isinstance(predictors, Mapping) else ():
        wrong = [t for t in periods if t not in known]
        if wrong:
            raise TreatmentPathError(
                "the predictor's periods must lie before the start and in the panel",
                column=column,
                keys=wrong,
                remedy="leave these periods out",
            )


def _given_weights(v: object, names: Sequence[str]) -> Floats | None:
    """Predictor weights that were passed, adding up to one; None for the nested search."""
    if v == "nested":
        return None
    if not isinstance(v, Mapping):
        raise DomainError(f"v={v!r} is not known", remedy="pass 'nested', 'equal' or a weight for each predictor")
    if set(v) != set(names):
        raise KeyColumnError(
            "v must name every predictor and nothing else",
            keys=sorted(map(str, set(v) ^ set(names))),
            remedy=f"the predictors are {', '.join(names)}",
        )
    values = np.array([v[name] for name in names], dtype=float)
    if not np.isfinite(values).all() or (values < 0).any():
        wrong = [name for name, value in zip(names, values, strict=True) if not (np.isfinite(value) and value >= 0)]
        raise DomainError("weights of predictors must be zero or more", keys=wrong, remedy="correct v")
    if not values.any():
        raise RankError("all predictors have weight zero", remedy="give one of them a positive weight")
    scaled: Floats = values / values.sum()
    return scaled


def _starts(k: int, n_starts: int, seed: Seed) -> tuple[Floats, Floats]:
    """Starts of the search and disturbances of its best end, in logarithms of predictor weights.

    Equal weights, one start near each corner, and random ones in which a random part of the predictors hardly counts.
    """
    if n_starts < 0:
        raise DomainError(f"n_starts={n_starts}", remedy="pass 0 or more")
    rng = np.random.default_rng(seed)
    random = rng.uniform(-4, 0, (n_starts, k))
    random[rng.random((n_starts, k)) < rng.random((n_starts, 1))] = -8.0
    sizes = np.resize(KICK_SIZES, KICKS)
    starts = np.vstack([np.zeros((1, k)), np.log(9.0 * k) * np.eye(k), random])
    return starts, rng.normal(size=(KICKS, k)) * sizes[:, None]


def _balance(design: Design, fit: Fit) -> pd.DataFrame:
    """Predictors of the treated unit, its synthetic control and the donors, in their own units."""
    actual, donors = design.treated.features.mean(axis=0), design.donors.features
    return pd.DataFrame(
        {
            "predictor": list(design.names),
            "actual": actual,
            "synthetic": fit.weights @ donors,
            "donor_mean": donors.mean(axis=0),
            "donor_min": donors.min(axis=0),
            "donor_max": donors.max(axis=0),
            "v": fit.v,
        }
    )


def _local_optima(fit: Fit, names: Sequence[str]) -> pd.DataFrame:
    """Distinct solutions of the search, best first; solutions with nearly the same donor weights count as one."""
    rows: list[dict[str, object]] = []
    seen: list[Floats] = []
    for v, inner, att in fit.optima:
        same = [i for i, weights in enumerate(seen) if np.abs(weights - inner.weights).max() <= SAME]
        if same:
            rows[same[0]]["ends"] = cast("int", rows[same[0]]["ends"]) + 1
            continue
        seen.append(inner.weights)
        rows.append({"loss": inner.loss, "att": att, "ends": 1} | dict(zip(names, v, strict=True)))
    return pd.DataFrame(rows)


@dataclass(frozen=True, kw_only=True)
class SyntheticControls(Estimate):
    """Several treated aggregates on one donor pool.

    Attributes
    ----------
    results : mapping of str to SyntheticControlResult
        By name of the aggregate.
    sample, options
        See `Estimate`; rows used are those of any aggregate or donor.
    """

    results: Mapping[str, SyntheticControlResult]

    def to_frame(self) -> pd.DataFrame:
        """One row per aggregate: ``group, units, att, loss, loss_lower_bound, hull_distance, unique``."""
        rows = [
            (name, len(r.treated), r.att, r.loss, r.loss_lower_bound, r.hull_distance, r.unique)
            for name, r in self.results.items()
        ]
        columns = ["group", "units", "att", "loss", "loss_lower_bound", "hull_distance", "unique"]
        return pd.DataFrame(rows, columns=columns)

    @property
    def additivity_gap(self) -> float:
        """Effect of the whole less the mean effect of its parts, weighted by their units.

        The whole is an aggregate whose units are those of all others together; NaN where there is none or the parts
        overlap. Separate fits need not add up.
        """
        members = {name: set(r.treated) for name, r in self.results.items()}
        for name, whole in members.items():
            parts = [other for other in members if other != name]
            union = set().union(*(members[part] for part in parts))
            if parts and union == whole and sum(len(members[part]) for part in parts) == len(whole):
                shares = [(len(members[part]) / len(whole), self.results[part].att) for part in parts]
                return self.results[name].att - sum(share * att for share, att in shares)
        return np.nan

    def placebo_in_space(
        self,
        kind: Kind = "auto",
        donors: Donors = "all",
        n_draws: int = 199,
        statistic: Statistic = "rmspe_ratio",
        placebo_v: PlaceboV = "refit",
        treated_in_pool: bool = False,
        n_jobs: int = 1,
        seed: Seed = 0,
    ) -> dict[str, PlaceboResult]:
        """Placebos of each aggregate, as `SyntheticControlResult.placebo_in_space`.

        Refitted single donors do not depend on the aggregate and are fitted once for all of them.
        """
        shared: dict[int, Fit] = {}
        if placebo_v == "refit" and not treated_in_pool:
            wanted: set[int] = set()
            for result in self.results.values():
                if kind_of(kind, donors, len(result.treated)) == "single":
                    members = single_members(result._design, result._fit.weights, donors)
                    wanted.update(int(member[0]) for member in members)
            order = sorted(wanted)
            design = next(iter(self.results.values()))._design
            fits = placebo_fits(design, [np.array([j]) for j in order], v=None, treated_in_pool=False, n_jobs=n_jobs)
            shared = dict(zip(order, fits, strict=True))
        return {
            name: placebo_in_space(
                result._design, result._fit, sample=result.sample, kind=kind, donors=donors, n_draws=n_draws,
                statistic=statistic, placebo_v=placebo_v, treated_in_pool=treated_in_pool, n_jobs=n_jobs, seed=seed,
                singles=shared,
            )
            for name, result in self.results.items()
        }  # fmt: skip


def synthetic_controls(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    groups: Mapping[str, Sequence[Hashable]],
    start: Hashable,
    predictors: Predictors = (),
    lags: Sequence[Hashable] = (),
    donors: Sequence[Hashable] | None = None,
    fit_periods: Sequence[Hashable] | None = None,
    v: V = "nested",
    v_min: float = 1e-4,
    n_starts: int = 30,
    demean: bool = False,
    bias_correct: bool = False,
    seed: Seed = 0,
) -> SyntheticControls:
    """Synthetic controls of several treated aggregates on one donor pool.

    Parameters
    ----------
    groups : mapping of str to sequence
        Treated units of each aggregate; an aggregate may contain others.
    donors : sequence, optional
        Donor pool; every unit in no aggregate where absent.
    df, unit, time, outcome, start, predictors, lags, fit_periods, v, v_min, n_starts, demean, bias_correct, seed
        See `synthetic_control`.

    Raises
    ------
    GroupSizeError
        No aggregate.
    RegionError
        As `synthetic_control`.

    Examples
    --------
    >>> paths = {"a": [1, 2, 3, 9], "b": [0, 2, 2, 4], "c": [2, 2, 4, 6], "d": [9, 1, 5, 2], "e": [3, 2, 5, 9]}
    >>> df = pd.DataFrame([(u, t, float(y)) for u, path in paths.items() for t, y in enumerate(path)],
    ...                   columns=["county", "year", "y"])
    >>> found = synthetic_controls(df, unit="county", time="year", outcome="y", start=3,
    ...                            groups={"whole": ["a", "e"], "old": ["a"], "new": ["e"]})
    >>> found.results["old"].treated, round(found.results["old"].att, 6)
    (('a',), 4.0)
    """
    if not groups:
        raise GroupSizeError("no treated aggregate", remedy="name the treated units of each aggregate in groups")
    require_keys(df, [unit, time])
    anywhere = {u for members in groups.values() for u in members}
    pool = df.loc[~df[unit].isin(anywhere), unit].unique().tolist() if donors is None else list(donors)
    both = [u for u in pool if u in anywhere]
    if both:
        raise TreatmentPathError("a donor is treated", column=unit, keys=both, remedy="take it out of one of the lists")
    seed = int(seed.integers(2**32)) if isinstance(seed, np.random.Generator) else seed
    results = {
        name: synthetic_control(
            df, unit=unit, time=time, outcome=outcome, treated=list(members), start=start, predictors=predictors,
            lags=lags, donors=pool, fit_periods=fit_periods, v=v, v_min=v_min, n_starts=n_starts, demean=demean,
            bias_correct=bias_correct, seed=seed,
        )
        for name, members in groups.items()
    }  # fmt: skip
    rest = df.loc[~df[unit].isin(anywhere | set(pool)), unit].unique().tolist()
    dropped = (("neither treated nor donor", tuple(rest)),) if rest else ()
    used = int(df[unit].isin(anywhere | set(pool)).sum())
    return SyntheticControls(
        results=results,
        sample=Sample(len(df), used, dropped),
        options=frozen_options(
            unit=unit, time=time, outcome=outcome, groups=groups, start=start, predictors=predictors, lags=tuple(lags),
            donors=donors, fit_periods=fit_periods, v=v, v_min=v_min, n_starts=n_starts, demean=demean,
            bias_correct=bias_correct, seed=seed,
        ),
    )  # fmt: skip
