"""Synthetic controls beside the standard one: ridge-augmented, penalised for many treated units, conformal inference.

All three read the panel as `regiometrics.estimate.synthetic_control.synthetic_control` does and need no search for
predictor weights: every fit is one least squares over the simplex.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    RankError,
)
from regiometrics.estimate.comparative_study import CONSTANT, ComparativeStudy, Predictors, comparative_study
from regiometrics.estimate.resampling import Seed
from regiometrics.estimate.simplex import penalised_by_target, simplex_least_squares
from regiometrics.estimate.synthetic_placebo import TIE, group_members
from regiometrics.result import Estimate, frozen_options, readonly

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Penalty = Literal["cv"] | float

RIDGES = np.geomspace(10**0.4, 1e-8 * 10**0.4, 21)  # times the largest squared singular value of the donors' features
PENALTIES = np.geomspace(1e-4, 10, 11)  # of the distance to each donor, relative to the distance to their mean
REACH = np.geomspace(1e-4, 1, 60)  # trial effects of a band, as parts of the largest one that needs a trial
HALVINGS = 30  # of the step between the last effect that is kept and the next that is not


def _require_penalty(penalty: Penalty) -> None:
    """Raise `DomainError` unless the penalty is "cv" or a positive number."""
    if penalty != "cv" and not (isinstance(penalty, int | float) and 0 < penalty < np.inf):
        raise DomainError(f"penalty={penalty!r} is not known", remedy="pass 'cv' or a positive number")


# --- augmented -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class AugmentedResult(Estimate):
    """A synthetic control whose remaining mismatch before treatment is corrected by ridge regression.

    Attributes
    ----------
    weights, simplex_weights : Series
        By donor: after the correction, adding up to one with negative ones allowed, and before it.
    effect, actual, synthetic : Series
        By time, all periods, in units of the outcome.
    att : float
        Mean effect from the start on.
    correction : Series
        By time: what the ridge regression adds to the synthetic outcome of the simplex weights.
    loss, simplex_loss : float
        Mean squared prediction error over the fitted periods, after and before the correction.
    penalty : float
        The ridge, in squared units of the outcome.
    cross_validation : DataFrame
        Squared error of predicting a left-out period, penalties x periods; empty where the penalty was given.
    treated : tuple
        Treated units; the effect is that on their mean.
    start : hashable
        First treated period.
    sample, options
        See `Estimate`.
    """

    weights: pd.Series = field(repr=False)
    simplex_weights: pd.Series = field(repr=False)
    effect: pd.Series = field(repr=False)
    actual: pd.Series = field(repr=False)
    synthetic: pd.Series = field(repr=False)
    att: float
    correction: pd.Series = field(repr=False)
    loss: float
    simplex_loss: float
    penalty: float
    cross_validation: pd.DataFrame = field(repr=False)
    treated: tuple[Hashable, ...]
    start: Hashable

    def to_frame(self) -> pd.DataFrame:
        """One row per period: ``time, actual, synthetic, effect``."""
        columns = {"actual": self.actual, "synthetic": self.synthetic, "effect": self.effect}
        return pd.DataFrame(columns).rename_axis("time").reset_index()


def augmented(
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
    penalty: Penalty = "cv",
) -> AugmentedResult:
    r"""Ridge-augmented synthetic control.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    unit, time, outcome : str
        Columns.
    treated : hashable or sequence
        Treated unit, or units whose mean is studied.
    start : hashable
        First treated period.
    predictors : mapping or sequence of str
        Columns to balance beside the outcome, each averaged over its periods (mapping) or over the fitted ones.
    lags : sequence
        Periods whose outcome is balanced; all fitted periods where none is named.
    donors : sequence, optional
        Donor pool; every other unit where absent.
    fit_periods : sequence, optional
        Periods before the start to fit on; all of them where absent.
    penalty : "cv" or float
        Ridge in squared units of the outcome, or the largest within one standard error of the least squared error of
        predicting one left-out period.

    Raises
    ------
    RegionError
        As `synthetic_control`: `UnbalancedPanelError`, `TreatmentPathError`, `NoDonorsError`, `RankError`,
        `GroupSizeError`, `MissingValueError`, and `DomainError` for a penalty that is not positive.

    Notes
    -----
    Ben-Michael, Feller and Rothstein (2021, JASA 116), section 3. With features centred at the donors' means, ``x`` of
    the treated and ``X`` (features x donors), and ``w`` least squares over the simplex, the weights are
    ``w + X'(XX' + penalty I)⁻¹ (x - X w)``. Predictors are scaled to the standard deviation of all lags together.
    Where the treated unit lies inside the donors' hull, ``w`` fits exactly and nothing is left to correct.

    Examples
    --------
    >>> cells = [(u, t, t * u if u < 4 else 5 * t + (t == 4)) for u in range(5) for t in range(1, 5)]
    >>> df = pd.DataFrame(cells, columns=["unit", "time", "y"])
    >>> fit = augmented(df, unit="unit", time="time", outcome="y", treated=4, start=4, penalty=1e-6)
    >>> round(fit.att, 3), fit.simplex_weights.round(3).tolist()
    (1.0, [0.0, 0.0, 0.0, 1.0])
    """
    _require_penalty(penalty)
    options = frozen_options(
        unit=unit, time=time, outcome=outcome, treated=treated, start=start, predictors=predictors, lags=lags,
        donors=donors, fit_periods=fit_periods, penalty=penalty,
    )  # fmt: skip
    study = comparative_study(
        df, unit=unit, time=time, outcome=outcome, treated=treated, start=start, donors=donors,
        fit_periods=fit_periods, predictors=predictors, lags=lags,
    ).aggregated()  # fmt: skip
    lagged = study.lags if len(study.lags) else study.fitted
    x, donor_x = _centred_features(study, lagged)
    cv = pd.DataFrame(dtype=float)
    if penalty == "cv":
        if len(lagged) < 2:
            raise GroupSizeError(
                "cross-validation needs two lags or more", remedy="name more lags, or pass the penalty"
            )
        ridges = np.linalg.norm(donor_x, 2) ** 2 * RIDGES
        cv = pd.DataFrame(_left_out_errors(x, donor_x, len(lagged), ridges), ridges, study.times[lagged])
    ridge = _largest_within_one_error(cv) if penalty == "cv" else float(penalty)
    w = simplex_least_squares(donor_x, x).weights
    weights = w + _ridge_weights(donor_x, x - donor_x @ w, ridge)
    actual, synthetic = study.y[:, 0], study.y0 @ weights
    effect = actual - synthetic
    return AugmentedResult(
        weights=pd.Series(readonly(weights), study.donors, name="weight"),
        simplex_weights=pd.Series(readonly(w), study.donors, name="weight"),
        effect=study.path(effect, "effect"),
        actual=study.path(actual, "actual"),
        synthetic=study.path(synthetic, "synthetic"),
        att=float(effect[study.post].mean()),
        correction=study.path(study.y0 @ (weights - w), "correction"),
        loss=float((effect[study.fitted] ** 2).mean()),
        simplex_loss=float(((actual - study.y0 @ w)[study.fitted] ** 2).mean()),
        penalty=ridge,
        cross_validation=cv,
        treated=tuple(study.treated),
        start=start,
        sample=study.sample,
        options=options,
    )


def _centred_features(study: ComparativeStudy, lagged: Positions) -> tuple[Floats, Floats]:
    """Lags and scaled predictors less the donors' means, of the treated unit and features x donors."""
    y0, z0 = study.y0[lagged], study.z0
    mean_y, mean_z = y0.mean(axis=1, keepdims=True), z0.mean(axis=1, keepdims=True)
    spread = z0.std(axis=1, ddof=1, keepdims=True)
    for column, within, size in zip(study.predictors, spread[:, 0], np.abs(z0).max(axis=1, initial=0), strict=True):
        if within <= CONSTANT * size:
            raise RankError("the predictor is the same in all donors", column=column, remedy="leave it out")
    scale = (y0 - mean_y).std(ddof=1) / spread
    x = np.vstack([study.y[lagged] - mean_y, (study.z - mean_z) * scale])
    return x[:, 0], np.vstack([y0 - mean_y, (z0 - mean_z) * scale])


def _ridge_weights(donor_x: Floats, mismatch: Floats, penalty: float) -> Floats:
    """What the ridge regression adds to the weights of a mismatch."""
    gram = donor_x @ donor_x.T
    added: Floats = donor_x.T @ np.linalg.solve(gram + penalty * np.eye(len(gram)), mismatch)
    return added


def _left_out_errors(x: Floats, donor_x: Floats, n_lags: int, ridges: Floats) -> Floats:
    """Squared error in each lag of the weights fitted on all other features, ridges x lags."""
    errors = np.empty((len(ridges), n_lags))
    for t in range(n_lags):
        kept, kept0 = np.delete(x, t), np.delete(donor_x, t, axis=0)
        w = simplex_least_squares(kept0, kept).weights
        added = np.array([_ridge_weights(kept0, kept - kept0 @ w, ridge) for ridge in ridges])
        errors[:, t] = (x[t] - (w + added) @ donor_x[t]) ** 2
    return errors


def _largest_within_one_error(errors: pd.DataFrame) -> float:
    """The largest penalty whose mean error is within one standard error of the least."""
    mean = errors.mean(axis=1)
    spread = errors.to_numpy()[mean.argmin()].std(ddof=1) / np.sqrt(errors.shape[1])
    return float(mean.index[mean <= mean.min() + spread].max())


# --- many treated units ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class GroupPlaceboResult(Estimate):
    """The mean effect beside the mean effects of random groups of donors, each treated as if it were treated.

    Attributes
    ----------
    observed : float
        Mean effect on the treated units, in units of the outcome.
    draws : ndarray, shape (n_draws,)
        Mean effect of each group; read-only.
    pre_rmspe, post_rmspe : ndarray, shape (n_draws,)
        Root mean squared mean effect of each group in the fitted periods and from the start on; read-only.
    group_size : int
        Donors in a group.
    sample, options
        See `Estimate`.
    """

    observed: float
    draws: Floats = field(repr=False)
    pre_rmspe: Floats = field(repr=False)
    post_rmspe: Floats = field(repr=False)
    group_size: int

    @property
    def p_value(self) -> float:
        """Two-sided, (1 + groups with an effect at least as far from zero) / (1 + groups)."""
        extreme = np.abs(self.draws) >= (1 - TIE) * abs(self.observed)
        return float((1 + extreme.sum()) / (1 + len(self.draws)))

    @property
    def smallest_p(self) -> float:
        """The least p-value that this number of groups can give."""
        return 1 / (1 + len(self.draws))

    def to_frame(self) -> pd.DataFrame:
        """One row per group: ``placebo, pre_rmspe, post_rmspe, ratio, att``."""
        return pd.DataFrame(
            {
                "placebo": np.arange(len(self.draws)),
                "pre_rmspe": self.pre_rmspe,
                "post_rmspe": self.post_rmspe,
                "ratio": self.post_rmspe / self.pre_rmspe,
                "att": self.draws,
            }
        )


@dataclass(frozen=True, kw_only=True)
class ManySyntheticControlResult(Estimate):
    """One penalised synthetic control per treated unit, and their mean.

    Attributes
    ----------
    att : float
        Mean effect over treated units and periods from the start on, in units of the outcome.
    effect : Series
        By time, all periods: mean effect over treated units.
    effects : DataFrame
        Effect by time and treated unit.
    by_unit : DataFrame
        One row per treated unit: ``unit, att, loss`` (mean squared prediction error over the fitted periods),
        ``n_weights`` (donors with positive weight), ``distance`` (weighted mean distance to them, in units of the
        features).
    weights : DataFrame
        Donors x treated units; each column adds up to one.
    penalty : float
        Penalty of the distance to each donor, relative to that of the distance to their mean; no unit.
    cross_validation : DataFrame
        Mean squared error of predicting a left-out period, penalties x periods; empty where the penalty was given.
    start : hashable
        First treated period.
    fitted : tuple
        Periods before it that the fit may use.
    donor_features, donor_outcomes : ndarray
        What placebo groups are fitted on and judged by, features x donors and times x donors; read-only.
    sample, options
        See `Estimate`.
    """

    att: float
    effect: pd.Series = field(repr=False)
    effects: pd.DataFrame = field(repr=False)
    by_unit: pd.DataFrame = field(repr=False)
    weights: pd.DataFrame = field(repr=False)
    penalty: float
    cross_validation: pd.DataFrame = field(repr=False)
    start: Hashable
    fitted: tuple[Hashable, ...]
    donor_features: Floats = field(repr=False)
    donor_outcomes: Floats = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per period: ``time, effect``."""
        return self.effect.rename_axis("time").reset_index()

    def by_group(self, labels: Mapping[Hashable, Hashable]) -> pd.DataFrame:
        """Mean effect on groups of treated units, one row per group and period: ``group, n_units, time, effect, att``.

        Parameters
        ----------
        labels : mapping
            Group of each treated unit; ``att``, the mean from the start on, is repeated over the group's periods.

        Raises
        ------
        KeyColumnError
            A treated unit has no group.
        """
        absent = [u for u in self.effects if u not in labels]
        if absent:
            raise KeyColumnError("treated units have no group", keys=absent, remedy="give each of them a label")
        group = pd.Series({u: labels[u] for u in self.effects})
        paths = self.effects.T.groupby(group).mean()
        long = (
            paths.rename_axis(index="group", columns="time").melt(ignore_index=False, value_name="effect").reset_index()
        )
        long = long.sort_values(["group", "time"], ignore_index=True)
        att = long[long["time"] >= self.start].groupby("group")["effect"].mean()
        long["n_units"], long["att"] = long["group"].map(group.value_counts()), long["group"].map(att)
        return long[["group", "n_units", "time", "effect", "att"]]

    def placebo(self, n_draws: int = 199, seed: Seed = 0) -> GroupPlaceboResult:
        """Treat random groups of donors as if they were treated, with the other donors as their pool.

        Parameters
        ----------
        n_draws : int
            Number of groups, each of as many donors as there are treated units, and of half the pool at most.
        seed : int or Generator
            Source of the groups.

        Raises
        ------
        NoDonorsError
            Too few donors to split.
        DomainError
            ``n_draws`` below one.

        Notes
        -----
        The penalty is held at that of the treated units. A group that is smaller than the treated one, and fitted from
        the donors left, has a noisier mean, so that the test errs on the side of not rejecting.
        """
        y, x = self.donor_outcomes, self.donor_features
        groups = group_members(y.shape[1], self.effects.shape[1], n_draws, seed)
        gaps = np.empty((n_draws, len(y)))
        for i, group in enumerate(groups):
            rest = np.delete(np.arange(y.shape[1]), group)
            weights = _penalised_weights(x[:, rest], x[:, group], self.penalty)
            gaps[i] = (y[:, group] - y[:, rest] @ weights).mean(axis=1)
        after = np.asarray(self.effect.index >= self.start)
        fitted = np.asarray(self.effect.index.isin(list(self.fitted)))
        return GroupPlaceboResult(
            observed=self.att,
            draws=readonly(gaps[:, after].mean(axis=1)),
            pre_rmspe=readonly(np.sqrt((gaps[:, fitted] ** 2).mean(axis=1))),
            post_rmspe=readonly(np.sqrt((gaps[:, after] ** 2).mean(axis=1))),
            group_size=len(groups[0]),
            sample=self.sample,
            options=frozen_options(n_draws=n_draws, seed=seed, **self.options),
        )


def synthetic_control_many(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    treated: Sequence[Hashable],
    start: Hashable,
    predictors: Predictors = (),
    lags: Sequence[Hashable] = (),
    donors: Sequence[Hashable] | None = None,
    fit_periods: Sequence[Hashable] | None = None,
    penalty: Penalty = "cv",
) -> ManySyntheticControlResult:
    r"""Penalised synthetic control: one fit per treated unit, averaged.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    unit, time, outcome : str
        Columns.
    treated : sequence
        Treated units.
    start : hashable
        First treated period of all of them.
    predictors : mapping or sequence of str
        Columns to fit on, each averaged over its periods (mapping) or over the fitted ones. With predictors every
        feature is divided by its standard deviation over all units.
    lags : sequence
        Periods whose outcome is fitted on; all fitted periods where neither predictors nor lags are named.
    donors : sequence, optional
        Donor pool; every other unit where absent.
    fit_periods : sequence, optional
        Periods before the start to fit on; all of them where absent.
    penalty : "cv" or float
        Penalty, or that of `PENALTIES` which predicts the treated units best, over the fitted periods, when the
        period to be predicted is left out of the features.

    Raises
    ------
    RegionError
        As `synthetic_control`: `UnbalancedPanelError`, `TreatmentPathError`, `NoDonorsError`, `RankError`,
        `GroupSizeError`, `MissingValueError`, and `DomainError` for a penalty that is not positive.

    Notes
    -----
    Abadie and L'Hour (2021, JASA 116), eq (5): ``min ||x_i - X w||² + penalty sum_j w_j ||x_i - x_j||²`` over the
    simplex. With a positive penalty the solution is unique for almost all data and has at most one positive weight more
    than there are features. A large penalty leads to the nearest donor.

    Examples
    --------
    >>> cells = [(u, t, u + 0.1 * t + 2.0 * (u > 7 and t == 4)) for u in range(10) for t in range(1, 5)]
    >>> df = pd.DataFrame(cells, columns=["unit", "time", "y"])
    >>> fit = synthetic_control_many(df, unit="unit", time="time", outcome="y", treated=[8, 9], start=4, penalty=0.1)
    >>> round(fit.att, 3)  # donor 7 lies one and two below
    3.5
    """
    _require_penalty(penalty)
    options = frozen_options(
        unit=unit, time=time, outcome=outcome, treated=treated, start=start, predictors=predictors, lags=lags,
        donors=donors, fit_periods=fit_periods, penalty=penalty,
    )  # fmt: skip
    study = comparative_study(
        df, unit=unit, time=time, outcome=outcome, treated=treated, start=start, donors=donors,
        fit_periods=fit_periods, predictors=predictors, lags=lags,
    )  # fmt: skip
    x, donor_x, periods = _features(study)
    cv = pd.DataFrame(dtype=float)
    if penalty == "cv":
        cv = pd.DataFrame(_many_errors(study, x, donor_x, periods), PENALTIES, study.times[study.fitted])
    chosen = float(PENALTIES[cv.mean(axis=1).argmin()]) if penalty == "cv" else float(penalty)
    weights = _penalised_weights(donor_x, x, chosen)
    effects = study.y - study.y0 @ weights
    distances = np.sqrt(((x[:, None, :] - donor_x[:, :, None]) ** 2).sum(axis=0))
    by_unit = {
        "unit": study.treated,
        "att": effects[study.post].mean(axis=0),
        "loss": (effects[study.fitted] ** 2).mean(axis=0),
        "n_weights": (weights > 0).sum(axis=0),
        "distance": (weights * distances).sum(axis=0),
    }
    return ManySyntheticControlResult(
        att=float(effects[study.post].mean()),
        effect=study.path(effects.mean(axis=1), "effect"),
        effects=pd.DataFrame(effects, study.times, study.treated),
        by_unit=pd.DataFrame(by_unit),
        weights=pd.DataFrame(weights, study.donors, study.treated),
        penalty=chosen,
        cross_validation=cv,
        start=start,
        fitted=tuple(study.times[study.fitted]),
        donor_features=readonly(donor_x),
        donor_outcomes=readonly(study.y0),
        sample=study.sample,
        options=options,
    )


def _features(study: ComparativeStudy) -> tuple[Floats, Floats, Positions]:
    """What the fit balances, features x treated units and features x donors, and the period of each lag.

    Lags come first and, alone, keep their units; with predictors every row is divided by its standard deviation.
    """
    lagged = study.lags if len(study.lags) or study.predictors else study.fitted
    x, donor_x = np.vstack([study.y[lagged], study.z]), np.vstack([study.y0[lagged], study.z0])
    scale = np.hstack([x, donor_x]).std(axis=1, ddof=1, keepdims=True) if study.predictors else 1.0
    return x / scale, donor_x / scale, lagged


def _penalised_weights(donor_x: Floats, x: Floats, penalty: float) -> Floats:
    """Donors x treated: eq (5) for each treated column of ``x``."""
    return next(_weights_by_penalty(donor_x, x, (penalty,)))


def _weights_by_penalty(donor_x: Floats, x: Floats, penalties: Iterable[float]) -> Iterator[Floats]:
    """The same for one penalty after the other."""
    away = donor_x[:, None, :] - x[:, :, None]
    points, distances = np.ascontiguousarray(away.transpose(1, 2, 0)), (away**2).sum(axis=0)
    for penalty in penalties:
        yield np.ascontiguousarray(penalised_by_target(points, penalty * distances).T)


def _many_errors(study: ComparativeStudy, x: Floats, donor_x: Floats, lagged: Positions) -> Floats:
    """Mean squared error over treated units in each fitted period left out of the features, penalties x periods."""
    errors = np.empty((len(PENALTIES), len(study.fitted)))
    for i, t in enumerate(study.fitted):
        left_out = np.flatnonzero(lagged == t)
        kept, kept0 = np.delete(x, left_out, axis=0), np.delete(donor_x, left_out, axis=0)
        if not len(kept):
            raise GroupSizeError(
                "cross-validation leaves no feature to fit on", remedy="add predictors or lags, or pass the penalty"
            )
        for j, weights in enumerate(_weights_by_penalty(kept0, kept, PENALTIES)):
            errors[j, i] = ((study.y[t] - study.y0[t] @ weights) ** 2).mean()
    return errors


# --- conformal inference ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ConformalResult(Estimate):
    """A test of a constant effect and bands for the effect of each period, by shifting residuals over time.

    Attributes
    ----------
    p_value : float
        Of the hypothesis that the effect is ``null`` in every period from the start on.
    smallest_p : float
        The least value it can take, one over the number of periods.
    smallest_p_of_a_period : float
        The least p-value behind the band of one period, one over one more than the number of fitted periods.
    null, level : float
        Hypothesis, in units of the outcome, and level of the bands.
    effect, low, high : Series
        By time, from the start on: the gap of the fit on the periods before, and the ends of its band.
    sample, options
        See `Estimate`.
    """

    p_value: float
    smallest_p: float
    smallest_p_of_a_period: float
    null: float
    level: float
    effect: pd.Series = field(repr=False)
    low: pd.Series = field(repr=False)
    high: pd.Series = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per period from the start on: ``time, effect, low, high``."""
        columns = {"effect": self.effect, "low": self.low, "high": self.high}
        return pd.DataFrame(columns).rename_axis("time").reset_index()


def conformal(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    treated: Hashable | Sequence[Hashable],
    start: Hashable,
    donors: Sequence[Hashable] | None = None,
    fit_periods: Sequence[Hashable] | None = None,
    demean: bool = False,
    null: float = 0.0,
    level: float = 0.95,
) -> ConformalResult:
    r"""Conformal test and bands of an outcome-only synthetic control.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    unit, time, outcome : str
        Columns.
    treated : hashable or sequence
        Treated unit, or units whose mean is studied.
    start : hashable
        First treated period.
    donors : sequence, optional
        Donor pool; every other unit where absent.
    fit_periods : sequence, optional
        Periods before the start to use; all of them where absent.
    demean : bool
        Fit deviations from each unit's mean over the periods in use.
    null : float
        Effect in every treated period under the tested hypothesis, in units of the outcome.
    level : float
        Level of the bands.

    Raises
    ------
    RegionError
        As `synthetic_control`: `UnbalancedPanelError`, `TreatmentPathError`, `NoDonorsError`, `MissingValueError`, and
        `GroupSizeError` where the level asks for a smaller p-value than the periods can give.

    Notes
    -----
    Chernozhukov, Wuethrich and Zhu (2021, JASA 116), section 2.2. Under a hypothesis the effect is taken off the
    treated outcomes, the weights are fitted on *all* periods, and the mean absolute residual of the treated ones is
    compared with that of every cyclic shift. A band holds the effects of its period that are not rejected when it
    follows the fitted periods alone; where these are not connected, it runs from the least to the largest.
    With T0 fitted periods a band of level above ``1 - 1/(T0 + 1)`` would be the whole line and is refused. With more
    donors than periods and a treated unit among them, many effects can be fitted without residual, none of which is
    rejected: the bands are then as wide as the donors are apart.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> cells = [(u, t, rng.normal() + 5 * (u == 0 and t > 20)) for u in range(4) for t in range(1, 23)]
    >>> df = pd.DataFrame(cells, columns=["unit", "time", "y"])
    >>> result = conformal(df, unit="unit", time="time", outcome="y", treated=0, start=21)
    >>> round(result.p_value, 4), round(result.smallest_p, 4), bool((result.low > 0).all())
    (0.0455, 0.0455, True)
    """
    options = frozen_options(
        unit=unit, time=time, outcome=outcome, treated=treated, start=start, donors=donors,
        fit_periods=fit_periods, demean=demean, null=null, level=level,
    )  # fmt: skip
    study = comparative_study(
        df, unit=unit, time=time, outcome=outcome, treated=treated, start=start, donors=donors, fit_periods=fit_periods
    ).aggregated()
    smallest = 1 / (len(study.fitted) + 1)
    if not 0 < level <= 1 - smallest + TIE:
        raise GroupSizeError(
            f"level={level}: with {len(study.fitted)} periods before the treatment no effect of one period has a "
            f"p-value below {smallest:.3g}, so that a band of this level would be the whole line",
            remedy=f"ask for a level between 0 and {np.floor(1e4 * (1 - smallest)) / 1e4}, or add periods",
        )
    after = np.flatnonzero(study.post)
    joint = np.append(study.fitted, after)
    y, y0 = study.y[:, 0], study.y0
    residuals = _residuals(y0[joint], (y - null * study.post)[joint], demean)
    rows = [np.append(study.fitted, t) for t in after]
    effect, low, high = np.array([_band(y0[row], y[row], demean, level) for row in rows]).T
    return ConformalResult(
        p_value=_shift_p(residuals, len(after), float(np.ptp(y0[joint]))),
        smallest_p=1 / len(joint),
        smallest_p_of_a_period=smallest,
        null=null,
        level=level,
        effect=pd.Series(readonly(effect), study.times[after], name="effect"),
        low=pd.Series(readonly(low), study.times[after], name="low"),
        high=pd.Series(readonly(high), study.times[after], name="high"),
        sample=study.sample,
        options=options,
    )


def _residuals(donors: Floats, actual: Floats, demean: bool) -> Floats:
    """Residuals in every period of the simplex fit on all of them."""
    if demean:
        donors, actual = donors - donors.mean(axis=0), actual - actual.mean()
    residuals: Floats = actual - donors @ simplex_least_squares(donors, actual).weights
    return residuals


def _shift_p(residuals: Floats, n_post: int, scale: float) -> float:
    """Share of cyclic shifts whose last residuals are, in the mean, as far from zero as those of the series as it is.

    Differences below rounding, relative to the scale of the outcomes, are ties.
    """
    sizes = np.abs(residuals)
    ends = np.array([np.roll(sizes, shift)[-n_post:].mean() for shift in range(len(sizes))])
    return float((ends >= ends[0] - TIE * scale).mean())


def _band(donors: Floats, actual: Floats, demean: bool, level: float) -> tuple[float, float, float]:
    """Effect in the last period and the ends of its band."""
    scale = float(np.ptp(donors))
    last = np.zeros(len(actual))
    last[-1] = 1.0

    def kept(effect: float) -> bool:
        return _shift_p(_residuals(donors, actual - effect * last, demean), 1, scale) > 1 - level + TIE

    effect = _gap_of_the_last(donors, actual, demean)
    reach = np.abs(donors - (actual - effect * last)[:, None]).max()
    # beyond this trial effect the residual of the last period exceeds all others, so that it is rejected
    bound = 4 * float(reach) / (1 - 2 / len(actual))
    ends = []
    for side in (-1.0, 1.0):
        trials = effect + side * bound * REACH
        inside = next((i for i in range(len(trials) - 1, -1, -1) if kept(trials[i])), -1)
        near = trials[inside] if inside >= 0 else effect
        far = trials[min(inside + 1, len(trials) - 1)]
        for _ in range(HALVINGS):
            middle = (near + far) / 2
            near, far = (middle, far) if kept(middle) else (near, middle)
        ends.append(near)
    return effect, ends[0], ends[1]


def _gap_of_the_last(donors: Floats, actual: Floats, demean: bool) -> float:
    """Gap in the last period of the fit on the periods before."""
    before, target = donors[:-1], actual[:-1]
    shift = np.zeros(donors.shape[1]), 0.0
    if demean:
        shift = before.mean(axis=0), float(target.mean())
    weights = simplex_least_squares(before - shift[0], target - shift[1]).weights
    return float(actual[-1] - shift[1] - (donors[-1] - shift[0]) @ weights)
