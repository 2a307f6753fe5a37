"""Placebo policies: what a staggered difference-in-differences finds when chance hands out the start dates.

Every draw gives each unit a start date, and the two-way fixed-effects regression is run again.
By the theorem of Frisch, Waugh and Lovell the coefficient of a draw follows from sums, over its treated units, of
numbers that depend on unit and start alone: they are computed once and a draw is a look-up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import sparse

from regiometrics.errors import (
    DomainError,
    KeyColumnError,
    NoControlsError,
    RankError,
    TreatmentPathError,
    require_choice,
)
from regiometrics.estimate.fixed_effects import estimation_sample
from regiometrics.estimate.resampling import Seed
from regiometrics.panel import Missing, TwoWayEffects, numeric, refuse, require_columns, require_keys
from regiometrics.result import Estimate, frozen_options, readonly, t_inference

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Scheme = Literal["permute_cohorts", "random_start", "within_strata"]
Statistic = Literal["beta", "t"]
AlwaysTreated = Literal["raise", "keep"]

CHUNK = 100  # draws that share one random stream; draws do not depend on how many are asked for
TIE = 1e-10  # relative gap below which two values of the statistic count as equal
COLLINEAR = 1e-10  # share of a policy's variance within units below which effects and controls explain it
ABSORBED = 1e-9  # part of a column's largest value below which effects and other columns explain it
INSIGNIFICANT = 0.1  # p-value of one draw above which the paper calls it insignificant


@dataclass(frozen=True, kw_only=True)
class PlaceboResult(Estimate):
    """The estimate on the actual adoption beside its estimates under placebo adoptions.

    Attributes
    ----------
    observed, observed_std_error : float
        Coefficient of the policy on the actual adoption and its error clustered by unit, in units of the outcome.
    observed_statistic : float
        What the draws are compared with: ``observed``, or its t.
    draws : ndarray, shape (n,)
        The statistic of each draw; read-only.
    betas : ndarray, shape (n,)
        The coefficient of each draw; read-only.
    std_errors : ndarray, shape (n,), or None
        Its clustered error, where the statistic is t; read-only.
    units, times : Index
        Units and periods of the sample, sorted.
    starts : ndarray, shape (units,)
        Position in ``times`` of each unit's first treated period, ``len(times)`` for units that are never treated;
        what `draw_adoptions` takes.
    sample, options
        See `Estimate`.
    """

    observed: float
    observed_std_error: float
    observed_statistic: float
    draws: Floats = field(repr=False)
    betas: Floats = field(repr=False)
    std_errors: Floats | None = field(repr=False)
    units: pd.Index = field(repr=False)
    times: pd.Index = field(repr=False)
    starts: Positions = field(repr=False)

    @property
    def p_value(self) -> float:
        """Two-sided randomisation p-value, (1 + draws at least as far from zero) / (1 + draws)."""
        extreme = np.abs(self.draws) >= (1 - TIE) * abs(self.observed_statistic)
        return float((1 + extreme.sum()) / (1 + len(self.draws)))

    @property
    def smallest_p(self) -> float:
        """The least p-value that this number of draws can give."""
        return 1 / (1 + len(self.draws))

    @property
    def share_insignificant(self) -> float:
        """Share of draws whose own p-value, from t with units - 1 degrees, exceeds 0.1; NaN without errors."""
        if self.std_errors is None:
            return np.nan
        p_value, _, _ = t_inference(self.betas, self.std_errors, df=len(self.units) - 1)
        return float((p_value > INSIGNIFICANT).mean())

    def to_frame(self) -> pd.DataFrame:
        """One row: ``statistic, observed, p_value, smallest_p, mean, sd, low, high, share_insignificant``.

        ``observed`` is the statistic on the actual adoption; ``mean, sd, low, high`` are moments and quantiles of the
        draws, whose central part of size ``level`` lies between ``low`` and ``high``.
        """
        level = cast("float", self.options["level"])
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        row = {
            "statistic": self.options["statistic"],
            "observed": self.observed_statistic,
            "p_value": self.p_value,
            "smallest_p": self.smallest_p,
            "mean": self.draws.mean(),
            "sd": self.draws.std(ddof=1) if len(self.draws) > 1 else np.nan,
            "low": low,
            "high": high,
            "share_insignificant": self.share_insignificant,
        }
        return pd.DataFrame([row])


def placebo(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    adoption: str,
    controls: Sequence[str] = (),
    n: int = 500,
    scheme: Scheme = "permute_cohorts",
    strata: str | None = None,
    statistic: Statistic = "beta",
    level: float = 0.95,
    missing: Missing = "raise",
    always_treated: AlwaysTreated = "raise",
    seed: Seed = 0,
) -> PlaceboResult:
    r"""Re-estimate a staggered difference-in-differences under start dates drawn by chance.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time); the panel may have gaps.
    unit, time, outcome : str
        Unit, period (numbers) and outcome.
    adoption : str
        First treated period of the unit, constant within it, missing for units that are never treated.
        A unit whose first treated period lies after the sample counts as never treated.
    controls : sequence of str
        Controls, which a draw leaves as they are.
    n : int
        Number of draws.
    scheme : {"permute_cohorts", "random_start", "within_strata"}
        How start dates are drawn, see `draw_adoptions`.
    strata : str, optional
        Column of the strata, constant within units; for ``scheme="within_strata"``.
    statistic : {"beta", "t"}
        The coefficient, or its ratio to the error clustered by unit.
    level : float
        Size of the central part of the draws in ``.to_frame()``.
    missing : {"raise", "drop"}
        What to do with missing values of outcome and controls.
    always_treated : {"raise", "keep"}
        Refuse units treated in all of their periods, or keep them, as a panel needs that starts after the first
        adoptions: their dates are permuted with the others.
    seed : int or Generator
        Every hundred draws come from a stream of their own, spawned from the seed.

    Returns
    -------
    PlaceboResult

    Raises
    ------
    KeyColumnError
        A column is absent, a key null or duplicated, the stratum null or not constant within a unit.
    MissingValueError, DomainError
        Missing or infinite values; text in a number column, an unknown option, strata without their scheme.
    GroupSizeError
        Every row is the only one of its unit or period.
    TreatmentPathError
        First treated period not constant within a unit, units treated in all of their periods, or no unit treated
        inside the sample.
    NoControlsError
        Treated and untreated units are never seen in the same period.
    RankError
        The outcome, a control, or the policy of the actual adoption or of a draw is explained by the effects and the
        other columns.

    Notes
    -----
    The regression is that of equation (1), :math:`y_{it}=\beta D_{it}+X_{it}'\gamma+\mu_i+\lambda_t+\varepsilon_{it}`.
    With :math:`\tilde y` the residual of y, and Z an orthonormal basis of period effects and controls off the unit
    means, :math:`\hat\beta=D'\tilde y\big/\bigl(\lVert\dot D\rVert^2-\lVert Z'D\rVert^2\bigr)`, where
    :math:`\lVert\dot D\rVert^2` is the sum of squares within units: all three are sums over the treated units.
    The error is clustered by unit with the small-sample factor of reghdfe and fixest, G/(G - 1) (rows - 1)/(rows - k),
    k counting policy, controls and periods but not the unit effects, which are nested in the clusters.
    Rows that are the only one of their unit or period are left out and listed in ``.sample``.

    Under the paper's placebo (scheme "random_start", statistic "beta") the draws show the spread of the coefficient
    were the policy given to other cities. If outcomes of the treated vary more or less than those of others, that is
    not the spread of the actual estimate: the test on "beta" then rejects too often or too rarely, and the test on "t"
    keeps its size far better (MacKinnon and Webb 2020, Journal of Econometrics 218, 435-450).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> df = pd.DataFrame([(c, t) for c in range(40) for t in range(2003, 2015)], columns=["city", "year"])
    >>> df["approved"] = df["city"].map({0: 2008, 1: 2008, 2: 2009, 3: 2010, 4: 2010})
    >>> df["gini"] = 0.1 * rng.normal(size=len(df)) - 0.2 * (df["year"] >= df["approved"])
    >>> result = placebo(df, unit="city", time="year", outcome="gini", adoption="approved", n=199)
    >>> round(result.observed, 2), result.p_value
    (-0.16, 0.005)
    """
    require_choice("statistic", statistic, Statistic)
    require_choice("always_treated", always_treated, AlwaysTreated)
    require_columns(df, [outcome, *controls, adoption])
    df = df.reset_index(drop=True)
    used, sample = estimation_sample(df, [outcome, *controls], unit=unit, time=time, missing=missing)
    effects = TwoWayEffects.of(used, unit=unit, time=time)
    engine = _Engine.of(used, effects, outcome=outcome, controls=controls)
    rows = df if len(used) == len(df) else df.loc[used.index]
    starts = _starts(rows, effects, unit=unit, adoption=adoption)
    _require_paths(rows, effects, starts, unit=unit, adoption=adoption, always_treated=always_treated)
    strata_of_units = None if strata is None else _strata(rows, effects, unit=unit, strata=strata)
    observed, observed_error = engine.estimates(starts[None], errors=True)
    _require_identified(observed, f"the policy that {adoption!r} describes", keys=())
    drawn = _draws(starts, len(effects.times), n, scheme, strata_of_units, seed)
    betas, errors = map(
        np.concatenate, zip(*(engine.estimates(s, errors=statistic == "t") for s in drawn), strict=True)
    )
    _require_identified(betas, "the policy of a draw", keys=np.flatnonzero(np.isnan(betas)).tolist())
    return PlaceboResult(
        sample=sample,
        options=frozen_options(
            unit=unit,
            time=time,
            outcome=outcome,
            adoption=adoption,
            controls=tuple(controls),
            n=n,
            scheme=scheme,
            strata=strata,
            statistic=statistic,
            level=level,
            missing=missing,
            always_treated=always_treated,
            seed=seed,
        ),
        observed=float(observed[0]),
        observed_std_error=float(observed_error[0]),
        observed_statistic=float((observed / observed_error if statistic == "t" else observed)[0]),
        draws=readonly(betas / errors if statistic == "t" else betas),
        betas=readonly(betas),
        std_errors=readonly(errors) if statistic == "t" else None,
        units=effects.units,
        times=effects.times,
        starts=readonly(starts),
    )


def draw_adoptions(
    starts: npt.ArrayLike,
    *,
    n_periods: int,
    n: int = 500,
    scheme: Scheme = "permute_cohorts",
    strata: npt.ArrayLike | None = None,
    seed: Seed = 0,
) -> Positions:
    """The adoption patterns that `placebo` estimates, so that a draw can be refitted by any other means.

    Parameters
    ----------
    starts : array of int, shape (units,)
        Position of each unit's first treated period, counted from 0; ``n_periods`` for units that are never treated,
        0 for units that always are.
    n_periods : int
        Number of periods.
    n, seed
        As in `placebo`.
    scheme : {"permute_cohorts", "random_start", "within_strata"}
        "permute_cohorts": the observed start dates, never included, are permuted over the units, which is exact if
        dates were assigned at random.
        "random_start": as many units as started inside the sample are drawn, and each gets a start drawn uniformly from
        the periods other than the first. The paper says only that years are given at random; a unit treated from the
        first period on would drop out of the comparison, so that period is left out.
        "within_strata": permuted inside each stratum, exact if dates were assigned at random inside strata.
    strata : array, shape (units,), optional
        Stratum of each unit, for "within_strata".

    Returns
    -------
    ndarray of int, shape (n, units)
        Start positions, ``n_periods`` for never; the first draws do not depend on ``n``.

    Raises
    ------
    DomainError
        An unknown scheme, fewer than one draw, starts outside 0 ... ``n_periods``, strata of another length.

    Examples
    --------
    >>> years = np.array([2003, 2004, 2005, 2006, np.nan])  # the last: never
    >>> years[draw_adoptions([2, 4, 4, 3], n_periods=4, n=3)]
    array([[  nan, 2005., 2006.,   nan],
           [2005., 2006.,   nan,   nan],
           [2006.,   nan,   nan, 2005.]])
    """
    positions = np.asarray(starts)
    outside = ~np.isin(positions, np.arange(n_periods + 1))
    if outside.any():
        raise DomainError(
            f"starts must be positions from 0 to {n_periods}",
            keys=np.unique(positions[outside]).tolist(),
            remedy=f"count periods from 0 and write {n_periods} for units that are never treated",
        )
    groups = None if strata is None else np.asarray(strata)
    return np.concatenate([*_draws(positions.astype(np.intp), n_periods, n, scheme, groups, seed)])


def _draws(
    starts: Positions, n_periods: int, n: int, scheme: Scheme, strata: np.ndarray | None, seed: Seed
) -> Iterator[Positions]:
    """Start positions by draw and unit, a chunk at a time."""
    require_choice("scheme", scheme, Scheme)
    if n < 1:
        raise DomainError(f"n={n} draws", remedy="ask for at least one draw")
    if (strata is None) == (scheme == "within_strata") or (strata is not None and len(strata) != len(starts)):
        raise DomainError(
            f"scheme={scheme!r} does not fit the strata",
            remedy="give each unit a stratum for scheme='within_strata', and only for it",
        )
    groups = [slice(None)] if strata is None else [strata == s for s in np.unique(strata)]
    for chunk, stream in enumerate(np.random.default_rng(seed).spawn(-(-n // CHUNK))):
        drawn = np.tile(starts, (CHUNK, 1))
        for members in groups:
            drawn[:, members] = stream.permuted(drawn[:, members], axis=1)
        if scheme == "random_start":
            inside = (drawn > 0) & (drawn < n_periods)
            drawn[inside] = stream.integers(1, n_periods, size=inside.sum())
        yield drawn[: n - chunk * CHUNK]


@dataclass(frozen=True, slots=True)
class _Engine:
    """The two-way regression of one panel for any adoption pattern.

    With Z (rows, p) an orthonormal basis of the period effects and controls off the unit means, and y the residual:

    effects
        Units and periods.
    by_start : (units x (periods + 1), 2 + p)
        Of a unit's policy from each start on: its sum of squares within the unit, its products with y and with Z.
        Zero in the last start, which is never.
    products : (units, (1 + p)(1 + p))
        Products of y and the columns of Z with each other, summed within units.
    factor : float
        Small-sample factor of the clustered variance.
    """

    effects: TwoWayEffects
    by_start: Floats
    products: Floats
    factor: float

    @classmethod
    def of(cls, used: pd.DataFrame, effects: TwoWayEffects, *, outcome: str, controls: Sequence[str]) -> _Engine:
        n_units, n_periods = len(effects.units), len(effects.times)
        observed = np.zeros((n_units, n_periods))
        observed[effects.unit, effects.time] = 1
        levels = _period_levels(observed)
        y, off_effects = _residual(used, effects, observed, levels, outcome=outcome, controls=controls)
        table = np.zeros((n_units, n_periods + 1, 2 + levels.shape[1] + len(controls)))
        cells = table[:, :-1]
        cells[:, :, 0], cells[:, :, 1], cells[:, :, 2 + levels.shape[1] :] = observed, y, off_effects
        _spread(levels, observed, out=cells[:, :, 2 : 2 + levels.shape[1]])
        products = cells[:, :, 1:].swapaxes(1, 2) @ cells[:, :, 1:]
        for t in reversed(range(n_periods)):
            table[:, t] += table[:, t + 1]
        rows_treated = table[:, :, 0]
        table[:, :, 0] = rows_treated - rows_treated**2 / rows_treated[:, :1]
        n_coefficients = 1 + len(controls) + n_periods
        return cls(
            effects,
            table.reshape(n_units * (n_periods + 1), -1),
            products.reshape(n_units, -1),
            n_units / (n_units - 1) * (len(used) - 1) / (len(used) - n_coefficients),
        )

    def estimates(self, starts: Positions, *, errors: bool) -> tuple[Floats, Floats]:
        """Coefficient and clustered error (NaN if not asked for) of each pattern of ``starts``, (patterns, units).

        Both are NaN where effects and controls explain the policy.
        """
        n_starts = len(self.effects.times) + 1
        pattern, unit = np.nonzero(starts < n_starts - 1)
        at = unit * n_starts + starts[pattern, unit]
        ends = np.concatenate([[0], np.bincount(pattern, minlength=len(starts)).cumsum()])
        chosen = sparse.csr_array((np.ones(len(at)), at, ends), shape=(len(starts), len(self.by_start)))
        sums = chosen @ self.by_start
        slope = sums[:, 2:]
        variance = sums[:, 0] - np.einsum("bp,bp->b", slope, slope)
        variance[variance <= COLLINEAR * sums[:, 0]] = np.nan
        beta = sums[:, 1] / variance
        if not errors:
            return beta, np.full(len(beta), np.nan)
        # with D off its unit means and f = Z slope, the policy off effects and controls is D - f; its score in a unit
        # is (D - f)'(y - beta (D - f)) = D'y - beta (D'D - 2 D'f) - (y + beta f)'f, whose last part all units have
        y_and_f = np.insert(beta[:, None] * slope, 0, 1, axis=1)
        f = np.insert(slope, 0, 0, axis=1)
        score = -(y_and_f[:, :, None] * f[:, None]).reshape(len(beta), -1) @ self.products.T
        own = self.by_start[at]
        cross = np.einsum("mp,mp->m", own[:, 2:], slope[pattern])
        score[pattern, unit] += own[:, 1] - beta[pattern] * (own[:, 0] - 2 * cross)
        return beta, np.sqrt(self.factor * np.einsum("bu,bu->b", score, score)) / variance


def _period_levels(observed: Floats) -> Floats:
    """Levels by period, (periods, rank), whose `_spread` is an orthonormal basis of the period effects."""
    share = observed / observed.sum(axis=1, keepdims=True)
    size, direction = np.linalg.eigh(np.diag(observed.sum(axis=0)) - share.T @ observed)
    kept = size > ABSORBED * size[-1]
    return np.asarray(direction[:, kept] / np.sqrt(size[kept]))


def _spread(levels: Floats, observed: Floats, out: Floats | None = None) -> Floats:
    """Levels by period, (periods, k), in each cell of the panel off the unit means, zero in gaps."""
    mean = (observed / observed.sum(axis=1, keepdims=True)) @ levels
    cells: Floats = np.subtract(levels, mean[:, None], out=out)
    cells *= observed[:, :, None]
    return cells


def _residual(
    used: pd.DataFrame,
    effects: TwoWayEffects,
    observed: Floats,
    levels: Floats,
    *,
    outcome: str,
    controls: Sequence[str],
) -> tuple[Floats, Floats]:
    """Outcome off effects and controls, and an orthonormal basis of the controls off the effects, zero in gaps.

    Shapes (units, periods) and (units, periods, controls).
    """
    names = [*controls, outcome]
    cells = np.zeros((*observed.shape, len(names)))
    for k, name in enumerate(names):
        cells[effects.unit, effects.time, k] = used[name]
    size = np.abs(cells).max(axis=(0, 1))
    cells /= np.where(size > 0, size, 1)
    cells -= cells.sum(axis=1, keepdims=True) / observed.sum(axis=1)[:, None, None]
    cells *= observed[:, :, None]
    cells -= _spread(levels @ (levels.T @ cells.sum(axis=0)), observed)
    basis, triangle = np.linalg.qr(cells.reshape(-1, len(names)))
    for column, left in zip(names, np.abs(np.diagonal(triangle)), strict=True):
        if left <= ABSORBED:
            raise RankError(
                "unit effects, period effects and the controls before it explain the column",
                column=column,
                remedy="leave the control out" if column in controls else "give an outcome that varies beyond them",
            )
    basis = basis.reshape(cells.shape)
    return basis[:, :, -1] * (triangle[-1, -1] * size[-1]), basis[:, :, :-1]


def _starts(rows: pd.DataFrame, effects: TwoWayEffects, *, unit: str, adoption: str) -> Positions:
    """Position of each unit's first treated period; the number of periods for never."""
    period = numeric(rows, adoption, [unit])
    period = np.where(np.isnan(period), np.inf, period)
    first_row = np.unique(effects.unit, return_index=True)[1]
    refuse(
        TreatmentPathError,
        "the first treated period must be the same in all rows of a unit",
        rows=period != period[first_row][effects.unit],
        of=rows,
        keys=[unit],
        column=adoption,
        remedy="give the period in which treatment starts, or leave all the unit's cells empty",
    )
    return np.searchsorted(effects.times.to_numpy(dtype=float), period[first_row]).astype(np.intp)


def _require_paths(
    rows: pd.DataFrame,
    effects: TwoWayEffects,
    starts: Positions,
    *,
    unit: str,
    adoption: str,
    always_treated: AlwaysTreated,
) -> None:
    """Refuse a panel without treated rows, without untreated ones beside them, or with units always treated."""
    policy = effects.time >= starts[effects.unit]
    always = np.bincount(effects.unit, policy) == np.bincount(effects.unit)
    if always_treated == "raise":
        refuse(
            TreatmentPathError,
            "treated in all of its periods, so nothing before adoption is seen",
            rows=always[effects.unit],
            of=rows,
            keys=[unit],
            column=adoption,
            remedy="leave these units out or pass always_treated='keep'; units never treated have an empty cell, not 0",
        )
    if not policy.any():
        raise TreatmentPathError(
            "no unit is treated inside the sample",
            column=adoption,
            remedy=f"give first treated periods between {effects.times[1]} and {effects.times[-1]} to some units",
        )
    share = np.bincount(effects.time, policy) / np.bincount(effects.time)
    if not ((share > 0) & (share < 1)).any():
        raise NoControlsError(
            "treated and untreated units are never seen in the same period",
            column=adoption,
            remedy="add units that adopt never or later",
        )


def _strata(rows: pd.DataFrame, effects: TwoWayEffects, *, unit: str, strata: str) -> Positions:
    """Stratum of each unit, as a number."""
    require_keys(rows, [strata], unique=False)
    code = pd.factorize(rows[strata], sort=True)[0]
    stratum = code[np.unique(effects.unit, return_index=True)[1]]
    refuse(
        KeyColumnError,
        "the stratum must be the same in all rows of a unit",
        rows=code != stratum[effects.unit],
        of=rows,
        keys=[unit],
        column=strata,
        remedy="assign each unit to one stratum",
    )
    return stratum.astype(np.intp)


def _require_identified(betas: Floats, what: str, *, keys: Sequence[int]) -> None:
    """Refuse patterns whose policy the effects and controls explain; ``keys`` are the numbers of the draws."""
    if np.isnan(betas).any():
        raise RankError(
            f"unit effects, period effects and controls explain {what}",
            keys=[f"draw {key}" for key in keys],
            remedy="leave out controls that move with the policy, and units seen only after the dates that are drawn",
        )
