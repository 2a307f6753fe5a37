"""What replaces the usual standard error: the wild cluster bootstrap and errors that correlate over space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import DomainError, KeyColumnError, MissingValueError, require_choice
from regiometrics.estimate.fixed_effects import (
    FixedEffectsResult,
    WithinRegression,
    cell_weights,
    cluster_codes,
    cluster_factor,
    cluster_sums,
    within_regression,
)
from regiometrics.panel import Missing, numeric, refuse, require_keys
from regiometrics.result import Estimate, frozen_options, readonly

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Seed = int | np.random.Generator
WildWeights = Literal["rademacher", "webb"]
Kernel = Literal["bartlett", "uniform"]

CHUNK = 100  # draws that share one random stream; draws do not depend on how many are asked for
TIE = 1e-10  # relative gap below which two t statistics count as equal
ROUNDING = 1e-9  # of a p-value at the level itself
WEBB = np.sqrt([0.5, 1.0, 1.5])
WEBB_BELOW = 12  # clusters
EARTH_RADIUS_KM = 6371.01


# ---------------------------------------------------------------------------------------------------------------------
# wild cluster bootstrap


@dataclass(frozen=True, kw_only=True)
class WildBootstrapResult(Estimate):
    """A coefficient tested by the wild cluster bootstrap.

    Attributes
    ----------
    term : str
        The regressor.
    estimate, std_error : float
        Coefficient and clustered error (CRV1), as `regiometrics.estimate.fixed_effects.twfe` gives them.
    null : float
        Coefficient under the null hypothesis.
    statistic : float
        t of the estimate against the null.
    p_value, smallest_p : float
        Two-sided, (1 + draws at least as far from zero)/(1 + draws), and the least that it can be with these draws:
        a draw that treats all clusters alike has the t of the sample.
    low, high : float
        Nulls that are not rejected, where asked for; infinite where no null is rejected, NaN where not asked for.
    level : float
        Confidence level of ``low`` and ``high``.
    draws : ndarray, shape (n_boot,)
        t of each draw; read-only.
    n_obs, n_units, n_clusters : int
        Of the used rows.
    notes : tuple of str
        What the reader has to know.
    sample, options
        See `Estimate`.
    """

    term: str
    estimate: float
    std_error: float
    null: float
    statistic: float
    p_value: float
    smallest_p: float
    low: float
    high: float
    level: float
    draws: Floats = field(repr=False)
    n_obs: int
    n_units: int
    n_clusters: int
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """One row.

        Columns ``term, estimate, std_error, statistic, p_value, low, high, null, smallest_p, n_boot, n_clusters``.
        """
        names = ["term", "estimate", "std_error", "statistic", "p_value", "low", "high", "null", "smallest_p"]
        row = {name: getattr(self, name) for name in names}
        return pd.DataFrame([{**row, "n_boot": len(self.draws), "n_clusters": self.n_clusters}])


def wild_cluster_bootstrap(
    df: pd.DataFrame,
    *,
    outcome: str,
    regressors: Sequence[str],
    unit: str,
    time: str,
    term: str,
    cluster: str | None = None,
    n_boot: int = 999,
    weights: WildWeights = "rademacher",
    null: float = 0.0,
    level: float = 0.95,
    interval: bool = False,
    seed: Seed = 0,
    missing: Missing = "raise",
) -> WildBootstrapResult:
    r"""Test one coefficient of a regression with unit and time effects by the wild cluster bootstrap, null imposed.

    Parameters
    ----------
    df, outcome, regressors, unit, time, missing
        As in `regiometrics.estimate.fixed_effects.twfe`.
    term : str
        The regressor to test.
    cluster : str, optional
        Column of the clusters, by default the units.
    n_boot : int
        Number of draws.
    weights : {"rademacher", "webb"}
        What a cluster's residuals are multiplied with: 1 or -1; or one of six values (Webb 2023), for fewer than twelve
        clusters, where signs repeat themselves.
    null : float
        Coefficient under the null hypothesis.
    level : float
        Confidence level.
    interval : bool
        Find the nulls that are not rejected at 1 - ``level``.
    seed : int or Generator
        Every hundred draws come from a stream of their own, spawned from the seed.

    Returns
    -------
    WildBootstrapResult

    Raises
    ------
    KeyColumnError
        As in `twfe`, or ``term`` is not a regressor.
    MissingValueError, DomainError, RankError, GroupSizeError
        As in `twfe`.

    Notes
    -----
    This is the restricted wild cluster bootstrap of Cameron, Gelbach and Miller (2008), WCR with CRV1 errors, exactly:
    of the regression with the null imposed it takes fitted values :math:`\tilde y` and residuals :math:`\tilde u`,
    forms :math:`y^*=\tilde y+v_g\tilde u`, and estimates coefficient and clustered error anew.
    No regression is run in a draw.
    With :math:`\ddot x` the regressor less its projection on effects and other regressors and M the projection off
    all of them, draw v has :math:`\hat\beta^*-\beta_0=\sum_gv_g\ddot x_g'\tilde u_g/\ddot x'\ddot x`, and the scores
    of its residuals are Av, where :math:`A_{gh}=\ddot x_g'M_{gh}\tilde u_h`: one product of A with the matrix of draws
    (Roodman, MacKinnon, Nielsen and Webb 2019 use the same algebra).
    A is linear in the null, so that each draw's :math:`t^{*2}` is a ratio of quadratics in it, and an interval needs no
    further draw.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> df = pd.DataFrame({"city": np.repeat(range(24), 5), "year": list(range(5)) * 24, "y": rng.normal(size=120)})
    >>> df["policy"] = ((df["city"] < 6) & (df["year"] > 2)).astype(float)
    >>> test = wild_cluster_bootstrap(df, outcome="y", regressors=["policy"], unit="city", time="year", term="policy")
    >>> test.smallest_p, bool(test.p_value > 0.05)
    (0.001, True)
    """
    require_choice("weights", weights, WildWeights)
    if n_boot < 1:
        raise DomainError(f"n_boot={n_boot}", remedy="ask for at least one draw")
    if term not in regressors:
        raise KeyColumnError(f"term {term!r} is not among the regressors", remedy="add it to regressors")
    column = cluster or unit
    fit = within_regression(
        df, outcome=outcome, regressors=regressors, unit=unit, time=time, clusters=(column,), missing=missing
    )
    codes = cluster_codes(fit.table, column)
    n_clusters = int(codes.max()) + 1
    at = fit.regressors.index(term)
    estimate = float(fit.coefficients[at])
    multipliers = _multipliers(n_clusters, n_boot, weights, seed)
    wild = _WildDraws.of(fit, codes, at, multipliers)
    error = float(np.sqrt(wild.variance(null)[0]))
    statistics = wild.statistics(null)
    low = high = np.nan
    if interval:
        low, high = (_last_not_rejected(wild, estimate, side * error, 1 - level + ROUNDING) for side in (-1, 1))
    return WildBootstrapResult(
        sample=fit.sample,
        options=frozen_options(
            outcome=outcome,
            regressors=tuple(regressors),
            unit=unit,
            time=time,
            term=term,
            cluster=column,
            n_boot=n_boot,
            weights=weights,
            null=null,
            level=level,
            interval=interval,
            seed=seed,
            missing=missing,
        ),
        term=term,
        estimate=estimate,
        std_error=error,
        null=null,
        statistic=float(statistics[0]),
        p_value=wild.p_value(null),
        smallest_p=float((multipliers == multipliers[0]).all(axis=0).mean()),
        low=low,
        high=high,
        level=level,
        draws=readonly(statistics[1:]),
        n_obs=len(fit.y),
        n_units=len(fit.effects.units),
        n_clusters=n_clusters,
        notes=_repeated_signs(n_clusters, weights),
    )


@dataclass(frozen=True, slots=True)
class _WildDraws:
    """Coefficient and variance of every draw as functions of the null; the first draw is the sample itself.

    Attributes
    ----------
    shift : ndarray, shape (draws, 2)
        Estimate less null: ``shift[:, 0] - null * shift[:, 1]``.
    spread : ndarray, shape (draws, 3)
        Variance: ``spread[:, 0] - 2 * null * spread[:, 1] + null**2 * spread[:, 2]``.
    """

    shift: Floats
    spread: Floats

    @classmethod
    def of(cls, fit: WithinRegression, codes: Codes, at: int, multipliers: Floats) -> _WildDraws:
        """The draws of one coefficient; ``multipliers`` has shape (clusters, draws)."""
        others = np.delete(fit.x, at, axis=1)
        pair = np.column_stack([fit.y, fit.x[:, at]])
        pair -= others @ np.linalg.lstsq(others, pair, rcond=None)[0]
        regressor = pair[:, 1]
        own = cluster_sums(pair * regressor[:, None], codes)  # by cluster, with the outcome and with itself
        scores = [_score_matrix(fit, codes, regressor, pair[:, j]) @ multipliers for j in (0, 1)]
        total = float(own[:, 1].sum())
        factor = cluster_factor(fit, [codes]) / total**2
        spread = [
            (a * b).sum(axis=0) for a, b in ((scores[0], scores[0]), (scores[0], scores[1]), (scores[1], scores[1]))
        ]
        return cls(multipliers.T @ own / total, factor * np.column_stack(spread))

    def variance(self, null: float) -> Floats:
        """Squared clustered error of each draw."""
        return np.clip(self.spread @ [1.0, -2 * null, null**2], 0, None)

    def statistics(self, null: float) -> Floats:
        """Student's t of each draw."""
        with np.errstate(divide="ignore", invalid="ignore"):  # a draw that fits perfectly
            t: Floats = self.shift @ [1.0, -null] / np.sqrt(self.variance(null))
        return np.where(np.isnan(t), 0, t)

    def p_value(self, null: float) -> float:
        """Two-sided p-value of the null."""
        t = np.abs(self.statistics(null))
        return float((1 + (t[1:] >= t[0] * (1 - TIE)).sum()) / len(t))


def _score_matrix(fit: WithinRegression, codes: Codes, regressor: Floats, residual: Floats) -> Floats:
    """Scores of each cluster (rows) per residuals of each cluster (columns), once the regression is run anew."""
    n_clusters, effects = int(codes.max()) + 1, fit.effects
    table = cell_weights(effects)
    mass = table.sum(axis=1)

    def sums_by(level: Codes, values: Floats, n_levels: int) -> Floats:
        """Sums by cluster and level."""
        return cluster_sums(values[:, None], codes * n_levels + level, n_clusters * n_levels).reshape(n_clusters, -1)

    by_unit = [sums_by(effects.unit, values, len(table)) for values in (regressor, residual)]
    by_time = [
        sums_by(effects.time, values, len(table.T)) - sums / mass @ table
        for values, sums in zip((regressor, residual), by_unit, strict=True)
    ]
    own, held = (cluster_sums(fit.x * values[:, None], codes) for values in (regressor, residual))
    gram = np.diag(table.sum(axis=0)) - (table / mass[:, None]).T @ table
    fitted = (by_unit[0] / mass) @ by_unit[1].T + own @ fit.bread @ held.T
    fitted += by_time[0] @ np.linalg.pinv(gram, rcond=1e-11, hermitian=True) @ by_time[1].T
    scores: Floats = np.diag(np.bincount(codes, regressor * residual)) - fitted
    return scores


def _multipliers(n_clusters: int, n_boot: int, weights: WildWeights, seed: Seed) -> Floats:
    """Random factor of each cluster's residuals by draw, shape (clusters, 1 + n_boot); the first column is ones."""
    values = np.array([1.0]) if weights == "rademacher" else WEBB
    values = np.concatenate([-values, values])
    streams = np.random.default_rng(seed).spawn(-(-n_boot // CHUNK))
    drawn = np.vstack([stream.choice(values, size=(CHUNK, n_clusters)) for stream in streams])[:n_boot]
    return np.column_stack([np.ones(n_clusters), drawn.T])


def _last_not_rejected(wild: _WildDraws, estimate: float, step: float, alpha: float) -> float:
    """The null at which rejection begins on one side of the estimate, infinite where it never does."""
    inside = estimate
    for _ in range(40):
        outside = inside + step
        if wild.p_value(outside) <= alpha:
            break
        inside, step = outside, 2 * step
    else:
        return float(np.copysign(np.inf, step))
    for _ in range(50):
        middle = (inside + outside) / 2
        if wild.p_value(middle) <= alpha:
            outside = middle
        else:
            inside = middle
    return inside


def _repeated_signs(n_clusters: int, weights: WildWeights) -> tuple[str, ...]:
    """A note where draws repeat themselves because clusters are few."""
    if weights == "webb" or n_clusters >= WEBB_BELOW:
        return ()
    return (f'{n_clusters} clusters have only {2 ** (n_clusters - 1)} different t under "rademacher": see "webb"',)


# ---------------------------------------------------------------------------------------------------------------------
# errors that correlate over space


def conley(
    df: pd.DataFrame,
    *,
    outcome: str,
    regressors: Sequence[str],
    unit: str,
    time: str,
    lat: str,
    lon: str,
    cutoff_km: float,
    lags: int = 0,
    kernel: Kernel = "bartlett",
    level: float = 0.95,
    missing: Missing = "raise",
) -> FixedEffectsResult:
    r"""A regression with unit and time effects whose errors correlate between near units and near periods.

    Parameters
    ----------
    df, outcome, regressors, unit, time, level, missing
        As in `regiometrics.estimate.fixed_effects.twfe`.
    lat, lon : str
        Coordinates in degrees, constant within units and never missing.
    cutoff_km : float
        Great-circle distance at which the weight of a pair of units reaches zero ("bartlett"), or beyond which it is
        zero ("uniform").
    lags : int
        Periods of the panel over which a unit's own errors correlate.
    kernel : {"bartlett", "uniform"}
        Weights that fall to zero with distance and lag, or equal weights up to the cutoff.

    Returns
    -------
    FixedEffectsResult
        With normal p-values and without a small-sample factor.

    Raises
    ------
    MissingValueError
        A missing coordinate.
    DomainError
        Coordinates that are none or that move, a negative cutoff or lag.
    KeyColumnError, RankError, GroupSizeError
        As in `twfe`.

    Notes
    -----
    With scores :math:`s_{it}=\ddot x_{it}\hat\varepsilon_{it}` and B the inverse of :math:`\ddot X'\ddot X`,
    :math:`V=B\Bigl(\sum_t\sum_{ij}k(d_{ij})s_{it}s_{jt}'+\sum_i\sum_{t\neq u}k(|t-u|)s_{it}s_{iu}'\Bigr)B`
    (Conley 1999; Hsiang 2010). "bartlett" is :math:`1-d/\text{cutoff}` over space and
    :math:`1-l/(\text{lags}+1)` over time. Over the plane it can give negative variances of combinations: negative
    eigenvalues are set to zero, which ``notes`` tell.
    At cutoff 0 without lags V is HC0; at cutoff 0 with all lags at equal weights it is clustered by unit.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> df = pd.DataFrame({"city": np.repeat(range(12), 5), "year": list(range(5)) * 12, "y": rng.normal(size=60)})
    >>> df = df.assign(x=rng.normal(size=60), lat=30 + df["city"] / 9, lon=110.0)
    >>> result = conley(df, outcome="y", regressors=["x"], unit="city", time="year", lat="lat", lon="lon", cutoff_km=50)
    >>> result.to_frame()["term"].tolist(), result.options["vcov"]
    (['x'], 'conley')
    """
    require_choice("kernel", kernel, Kernel)
    if not (cutoff_km >= 0 and lags >= 0):
        raise DomainError(
            f"cutoff_km={cutoff_km} and lags={lags} must not be negative", remedy="0 stands for no correlation"
        )
    places = _places(df, unit, time, lat, lon)
    fit = within_regression(df, outcome=outcome, regressors=regressors, unit=unit, time=time, missing=missing)
    distance = great_circle_km(*places.loc[fit.effects.units].to_numpy().T)
    cells = np.zeros((len(fit.effects.units), len(fit.effects.times), len(fit.regressors) + 1))
    cells[fit.effects.unit, fit.effects.time] = fit.influence
    near = _kernel_weights(distance, cutoff_km, kernel)
    covariance = np.einsum("itk,itl->kl", np.tensordot(near, cells, 1), cells)
    for lag in range(1, min(lags, cells.shape[1] - 1) + 1):
        products = np.einsum("itk,itl->kl", cells[:, lag:], cells[:, :-lag])
        weight = 1 - lag / (lags + 1) if kernel == "bartlett" else 1.0
        covariance += weight * (products + products.T)
    notes: tuple[str, ...] = ()
    if cutoff_km >= distance.max():
        notes = (
            f"the cutoff covers every pair of units (farthest {distance.max():.0f} km): none is taken as independent",
        )
    options = frozen_options(
        outcome=outcome,
        regressors=tuple(regressors),
        unit=unit,
        time=time,
        vcov="conley",
        lat=lat,
        lon=lon,
        cutoff_km=cutoff_km,
        lags=lags,
        kernel=kernel,
        level=level,
        missing=missing,
    )
    return fit.result(covariance, df_t=np.inf, level=level, options=options, notes=notes)


def great_circle_km(lat: Floats, lon: Floats) -> Floats:
    """Distances between all points on a sphere of the Earth's mean radius, in km (haversine).

    Parameters
    ----------
    lat, lon : ndarray, shape (n,)
        In degrees.

    Returns
    -------
    ndarray, shape (n, n)

    Examples
    --------
    >>> great_circle_km(np.array([0.0, 0.0]), np.array([0.0, 180.0])).round().tolist()
    [[0.0, 20015.0], [20015.0, 0.0]]
    """
    phi, theta = np.radians(lat), np.radians(lon)
    half = np.sin(np.subtract.outer(phi, phi) / 2) ** 2
    half += np.outer(np.cos(phi), np.cos(phi)) * np.sin(np.subtract.outer(theta, theta) / 2) ** 2
    distance: Floats = 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return distance


def _kernel_weights(distance: Floats, cutoff: float, kernel: Kernel) -> Floats:
    if kernel == "uniform" or cutoff == 0:
        return (distance <= cutoff).astype(float)
    return np.clip(1 - distance / cutoff, 0, None)


def _places(df: pd.DataFrame, unit: str, time: str, lat: str, lon: str) -> pd.DataFrame:
    """Latitude and longitude by unit."""
    require_keys(df, [unit, time])
    places = pd.DataFrame({lat: numeric(df, lat, [unit]), lon: numeric(df, lon, [unit])})
    for column, limit in ((lat, 90), (lon, 180)):
        values = places[column]
        refuse(
            MissingValueError,
            "missing coordinates",
            rows=~np.isfinite(values),
            of=df,
            keys=[unit],
            column=column,
            remedy="fill them in or leave the units out",
        )
        refuse(
            DomainError,
            f"coordinates must lie between -{limit} and {limit} degrees",
            rows=values.abs() > limit,
            of=df,
            keys=[unit],
            column=column,
            remedy="give degrees, latitude and longitude not exchanged",
        )
        refuse(
            DomainError,
            "a unit must stay in its place",
            rows=values.groupby(df[unit].to_numpy()).transform("nunique") > 1,
            of=df,
            keys=[unit],
            column=column,
            remedy="give each unit one pair of coordinates",
        )
    return places.groupby(df[unit].to_numpy()).first()
