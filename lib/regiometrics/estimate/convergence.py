"""Convergence of regions: the trend of their dispersion (sigma), the pull of the level on growth (beta), and clubs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, RankError, require_choice
from regiometrics.measure.inequality import coefficient_of_variation
from regiometrics.panel import Missing, Sample, complete, keys_of, named, numeric, require_keys, wide
from regiometrics.result import Estimate, frozen_options

Floats = npt.NDArray[np.float64]
Trend = Literal["hac", "ols"]
Effects = Literal["two-way", "time", "none"]
Correction = Literal["none", "hpj"]
LongRun = Literal["andrews", "newey-west"]

OVERALL = "overall"  # name of the group that holds all units
MIN_TREND_TIMES = 4
MIN_LOG_T_TIMES = 5
ABSORBED = 1e-9  # share of a regressor's spread that must survive the fixed effects


# ---------------------------------------------------------------------------------------------------------------------
# sigma


@dataclass(frozen=True, slots=True)
class CarreeKlomp:
    """Tests of equal dispersion in two years of the same units (Carree and Klomp 1997).

    Attributes
    ----------
    n : int
        Units seen in both years.
    correlation : float
        Between the two years.
    ratio : float
        T1, the variance of the first year over that of the last, against F(n-2, n-2).
        It ignores the correlation and is kept for comparison: with persistent regions it rejects far too seldom.
    likelihood_ratio : float
        T2, likelihood ratio of equal variances under correlation, against chi-squared(1).
    corrected : float
        T3, the ratio less one over its standard error under correlation, against the standard normal.
    p_ratio, p_likelihood_ratio, p_corrected : float
        p-values; T1 and T3 are one-sided (the dispersion fell), T2 is two-sided.
    """

    n: int
    correlation: float
    ratio: float
    p_ratio: float
    likelihood_ratio: float
    p_likelihood_ratio: float
    corrected: float
    p_corrected: float

    def to_frame(self) -> pd.DataFrame:
        """One row per test: ``test, n, correlation, statistic, p_value, alternative``."""
        rows = [
            ("T1", self.ratio, self.p_ratio, "fell"),
            ("T2", self.likelihood_ratio, self.p_likelihood_ratio, "changed"),
            ("T3", self.corrected, self.p_corrected, "fell"),
        ]
        frame = pd.DataFrame(rows, columns=["test", "statistic", "p_value", "alternative"])
        frame.insert(1, "n", self.n)
        frame.insert(2, "correlation", self.correlation)
        return frame


def carree_klomp(first: npt.ArrayLike, last: npt.ArrayLike) -> CarreeKlomp:
    r"""Test whether the same units are less dispersed in the last year than in the first.

    Parameters
    ----------
    first, last : array_like, shape (n,)
        The measure of the same units, in the same order, in the two years.
        The tests compare variances, so pass logarithms or values relative to the mean of the year.

    Returns
    -------
    CarreeKlomp

    Raises
    ------
    GroupSizeError
        Fewer than four units, or years of unequal length.
    DomainError
        A year without dispersion, or years in exact linear relation.

    Notes
    -----
    With maximum-likelihood moments :math:`s_1^2, s_T^2, s_{1T}` and correlation :math:`r`, and the normal distribution,

    .. math:: T_1 = s_1^2/s_T^2, \quad
        T_2 = (n-2.5)\,\ln\Bigl[1+\frac{(s_1^2-s_T^2)^2}{4\,(s_1^2s_T^2-s_{1T}^2)}\Bigr], \quad
        T_3 = \frac{\sqrt n\,(s_1^2/s_T^2-1)}{2\sqrt{1-r^2}}.

    T2 is a function of Pitman and Morgan's exact test, the correlation of sum and difference of the two years.
    T3 stands with the correlation in place of the regression slope of the last year on the first:
    under equal variances the two agree, and a slope above one would leave no standard error.
    T2 keeps its size in samples of nine; T3 rejects at a nominal 5 % in 6 to 8 % of samples of 138 and 13 to 17 % of
    samples of nine. All three lean on normality: with heavy tails bootstrap the change of the dispersion instead
    (`regiometrics.estimate.resampling.bootstrap`).

    Examples
    --------
    >>> test = carree_klomp([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2.6, 2.4, 3.5, 3.6, 4.5, 4.3])
    >>> round(test.ratio, 2), round(test.p_likelihood_ratio, 4)
    (4.77, 0.0105)
    """
    y1, yt = np.asarray(first, dtype=float), np.asarray(last, dtype=float)
    n = y1.size
    if n < 4 or y1.shape != yt.shape or y1.ndim != 1:
        raise GroupSizeError(
            f"the comparison of two years needs the same four or more units in both, not {y1.shape} and {yt.shape}",
            remedy="keep the units seen in both years",
        )
    moments = np.cov(y1, yt, ddof=0)
    v1, vt, cov = moments[0, 0], moments[1, 1], moments[0, 1]
    determinant = v1 * vt - cov**2
    if not determinant > 1e-12 * v1 * vt:
        raise DomainError(
            "a year has no dispersion, or one year is an exact linear function of the other",
            remedy="compare the two dispersions as they are: there is no sampling variation to test against",
        )
    r = cov / np.sqrt(v1 * vt)
    t1 = v1 / vt
    t2 = (n - 2.5) * np.log1p((v1 - vt) ** 2 / (4 * determinant))
    t3 = np.sqrt(n) * (t1 - 1) / (2 * np.sqrt(1 - r**2))
    p1, p2, p3 = special.fdtrc(n - 2, n - 2, t1), special.chdtrc(1, t2), special.ndtr(-t3)
    return CarreeKlomp(n, *(float(x) for x in (r, t1, p1, t2, p2, t3, p3)))


@dataclass(frozen=True, kw_only=True)
class SigmaResult(Estimate):
    """Dispersion by group and time, and its trend.

    Attributes
    ----------
    dispersion : DataFrame
        ``time, group, n, mean, coefficient_of_variation``; all units together stand under the group "overall".
    trends : DataFrame
        One row per group, see `to_frame`.
    first_last : DataFrame
        ``group, unit, first, last``: values relative to the mean of the group, in its first and last period,
        of the units seen in both.
    sample, options
        See `Estimate`.
    """

    dispersion: pd.DataFrame = field(repr=False)
    trends: pd.DataFrame = field(repr=False)
    first_last: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per group: ``group, slope, std_error, statistic, p_value, low, high, first, last, change, n_times``.

        ``slope`` is per unit of time; ``first``, ``last`` and ``change`` are the dispersion in the first and the last
        period and the difference (of logarithms under ``log=True``).
        """
        return self.trends.copy()

    @property
    def endpoints(self) -> pd.DataFrame:
        """First against last period by group: ``group, test, n, correlation, statistic, p_value, alternative``.

        See `carree_klomp`. The tests take values relative to the mean, whose variance is the squared coefficient of
        variation, and treat the means as known: under normality T2 then rejects 5.5 % instead of 5 % at a coefficient
        of 0.2, and 6.5 % at 0.35.
        """
        tests = [
            carree_klomp(rows["first"], rows["last"]).to_frame().assign(group=name)
            for name, rows in self.first_last.groupby("group", sort=False)
        ]
        frame = pd.concat(tests, ignore_index=True)
        return frame[["group", *frame.columns.drop("group")]]


def sigma_convergence(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    value: str,
    group: str | None = None,
    ddof: int = 0,
    trend: Trend = "hac",
    log: bool = False,
    level: float = 0.95,
    missing: Missing = "raise",
) -> SigmaResult:
    r"""Coefficient of variation over time, by group and overall, with a test of its trend.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time); units may come and go (``n`` counts them).
    unit, time, value : str
        Key columns and the measure; ``time`` must be a number.
    group : str, optional
        Column of the groups (clusters); all units together are added as the group "overall".
    ddof : int
        0 divides by n as equation (12) does, 1 by n - 1 as the paper's table 5 does.
    trend : {"hac", "ols"}
        Standard error of the slope: Newey and West (1987), or ordinary least squares.
    log : bool
        Regress the logarithm of the dispersion, so that the slope is a relative change.
    level : float
        Confidence level of ``low`` and ``high``.
    missing : {"raise", "drop"}
        What to do with missing values.

    Returns
    -------
    SigmaResult

    Raises
    ------
    KeyColumnError
        (unit, time) does not identify the rows, or a group is called "overall".
    GroupSizeError
        A group has fewer than four periods, or a cell no more than ``ddof`` units.
    DomainError
        The mean of a cell is zero; no dispersion in a cell under ``log=True``.

    Notes
    -----
    Equation (12) of Chen and Wang, with the square that the printed sum lacks:
    :math:`\sigma_{jt}=\sqrt{\sum_i(y_{jit}-\mu_{jt})^2/n_{jt}}/\mu_{jt}`.
    The trend is :math:`\sigma_{jt}=a+bt+e_t`, with Bartlett weights over
    :math:`\lfloor 4(T/100)^{2/9}\rfloor` lags, the variance scaled by T/(T-2), and Student's t with T-2 degrees
    of freedom (statsmodels ``cov_type="HAC", use_correction=True, use_t=True``).
    Without autocorrelation this rejects a true null at a nominal 5 % in 12 % of samples of 15 periods and 7 % of
    samples of 100; ``trend="ols"`` is exact there, and wrong under autocorrelation.

    Examples
    --------
    >>> df = pd.DataFrame([(c, t, 10 + d / t) for t in range(1, 7) for c, d in zip("abcd", (-3, -1, 1, 3))],
    ...                   columns=["city", "year", "y"])
    >>> result = sigma_convergence(df, unit="city", time="year", value="y")
    >>> result.to_frame()[["group", "first", "last", "change"]].round(3).values.tolist()
    [['overall', 0.224, 0.037, -0.186]]
    """
    require_choice("trend", trend, Trend)
    keys = named(unit, time)
    require_keys(df, keys)
    used, sample = complete(df, [value], keys=named(unit, time, group), missing=missing, unique=False)
    used = used.reset_index(drop=True)
    numeric(used, time, keys)
    if group is not None and used[group].astype(str).eq(OVERALL).any():
        raise KeyColumnError(
            f"a group is called {OVERALL!r}, the name kept for all units together", column=group, remedy="rename it"
        )
    cells = [
        coefficient_of_variation(used, value=value, group=by, time=time, ddof=ddof)
        for by in ((group, None) if group is not None else (None,))
    ]
    cells[-1].insert(1, "group", OVERALL)
    dispersion = pd.concat(cells, ignore_index=True)
    trends = [
        {"group": name, **_trend(rows, trend=trend, log=log, level=level, name=name)}
        for name, rows in dispersion.groupby("group", sort=False)
    ]
    options = frozen_options(
        unit=unit, time=time, value=value, group=group, ddof=ddof, trend=trend, log=log, level=level, missing=missing
    )
    return SigmaResult(
        sample=sample,
        options=options,
        dispersion=dispersion,
        trends=pd.DataFrame(trends),
        first_last=_first_last(used, unit=unit, time=time, value=value, group=group),
    )


def newey_west_lags(n_times: int) -> int:
    r"""Lags of the Newey-West estimator, :math:`\lfloor 4(T/100)^{2/9}\rfloor`.

    Examples
    --------
    >>> newey_west_lags(15), newey_west_lags(100)
    (2, 4)
    """
    return int(4 * (n_times / 100) ** (2 / 9))


def _trend(rows: pd.DataFrame, *, trend: Trend, log: bool, level: float, name: object) -> dict[str, float]:
    """Slope of the dispersion of one group on time."""
    rows = rows.sort_values("time")
    t = rows["time"].to_numpy(dtype=float)
    sigma = rows["coefficient_of_variation"].to_numpy(dtype=float)
    n = len(t)
    if n < MIN_TREND_TIMES:
        raise GroupSizeError(
            f"a trend needs {MIN_TREND_TIMES} periods and group {name!r} has {n}",
            remedy="add periods or leave the group out",
        )
    if log:
        if (sigma <= 0).any():
            raise DomainError(
                f"group {name!r} has no dispersion, whose logarithm is not defined",
                n_rows=int((sigma <= 0).sum()),
                keys=rows.loc[sigma <= 0, "time"],
                remedy="use log=False",
            )
        sigma = np.log(sigma)
    x = t - t.mean()
    slope = float(x @ sigma / (x @ x))
    residual = sigma - sigma.mean() - slope * x
    if trend == "hac":
        score_variance = _bartlett_sum((residual * x)[None])[0] * n / (n - 2)
    else:
        score_variance = residual @ residual * (x @ x) / (n - 2)
    row = _inference(slope, float(np.sqrt(max(score_variance, 0.0)) / (x @ x)), df=n - 2, level=level)
    trend_of = {"slope" if key == "estimate" else key: number for key, number in row.items()}
    return trend_of | {"first": sigma[0], "last": sigma[-1], "change": sigma[-1] - sigma[0], "n_times": n}


def _first_last(df: pd.DataFrame, *, unit: str, time: str, value: str, group: str | None) -> pd.DataFrame:
    """Values relative to the mean in the first and the last period of each group, units seen in both."""
    everyone = pd.Series(OVERALL, index=df.index)
    frames: list[pd.DataFrame] = []
    for label in (everyone,) if group is None else (df[group], everyone):
        rows = pd.DataFrame({"group": label, "unit": df[unit], "time": df[time]})
        rows["level"] = df[value] / df.groupby([label, time], observed=True)[value].transform("mean")
        times = rows.groupby("group", observed=True)["time"]
        first = rows[rows["time"] == times.transform("min")].drop(columns="time").rename(columns={"level": "first"})
        last = rows[rows["time"] == times.transform("max")].drop(columns="time").rename(columns={"level": "last"})
        frames.append(first.merge(last, on=["group", "unit"]).sort_values("group", kind="stable"))
    return pd.concat(frames, ignore_index=True)


def _inference(estimate: float, std_error: float, *, df: float, level: float) -> dict[str, float]:
    """Statistic, two-sided p and interval by Student's t; no statistic where the fit is exact."""
    statistic = estimate / std_error if std_error > 0 else np.nan
    reach = special.stdtrit(df, (1 + level) / 2) * std_error
    return {
        "estimate": estimate,
        "std_error": std_error,
        "statistic": statistic,
        "p_value": float(2 * special.stdtr(df, -abs(statistic))),
        "low": float(estimate - reach),
        "high": float(estimate + reach),
    }


# ---------------------------------------------------------------------------------------------------------------------
# beta


@dataclass(frozen=True, kw_only=True)
class BetaResult(Estimate):
    r"""Regression of growth on the level at the start of the period.

    Attributes
    ----------
    coefficients : DataFrame
        ``term, estimate, std_error, statistic, p_value, low, high``; the term "ln <value>" is beta.
    beta : float
        Change of the growth rate per log point of the level; negative means convergence.
    speed : float
        :math:`-\ln(1+\beta)`, the rate at which the gap closes per period; NaN for beta <= -1.
    speed_interval : (float, float)
        The interval of beta carried over to the speed.
    half_life : float
        ln 2 / speed in periods, infinite where the gap does not close.
    n_obs, n_units, n_clusters : int
        Growth rates, units and clusters used.
    r2 : float
        Share of the variance of growth explained by the regressors after the effects are taken out.
    sample, options
        See `Estimate`.
    """

    coefficients: pd.DataFrame = field(repr=False)
    beta: float
    speed: float
    speed_interval: tuple[float, float]
    half_life: float
    n_obs: int
    n_units: int
    n_clusters: int
    r2: float

    def to_frame(self) -> pd.DataFrame:
        """The coefficients: ``term, estimate, std_error, statistic, p_value, low, high``."""
        return self.coefficients.copy()


def beta_convergence(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    value: str,
    controls: Sequence[str] = (),
    effects: Effects = "two-way",
    correct: Correction = "none",
    cluster: str | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> BetaResult:
    r"""Does a region grow faster the lower its level? Growth regressed on the level, with fixed effects.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    unit, time, value : str
        Key columns and the measure, which must be positive; ``time`` must be a number.
    controls : sequence of str
        Further regressors, taken at the start of the period.
    effects : {"two-way", "time", "none"}
        Unit and time effects (each region has its own steady state), time effects only (one steady state), or none.
    correct : {"none", "hpj"}
        "hpj" takes the half-panel jackknife of Dhaene and Jochmans (2015), which removes the leading term of the
        Nickell bias; only with ``effects="two-way"``.
    cluster : str, optional
        Column by which errors may be correlated; the unit when left out. A unit must stay in one cluster.
    level : float
        Confidence level of ``low`` and ``high``.
    missing : {"raise", "drop"}
        What to do with missing values.

    Returns
    -------
    BetaResult

    Raises
    ------
    KeyColumnError
        (unit, time) does not identify the rows, or a unit changes its cluster.
    DomainError
        Values that are not positive; "hpj" without unit effects.
    GroupSizeError
        Too few growth rates, periods or clusters.
    RankError
        A regressor is absorbed by the effects, or collinear.

    Notes
    -----
    :math:`\ln(y_{i,t+1}/y_{it})=\alpha+\beta\ln y_{it}+x_{it}'\gamma+\mu_i+\lambda_t+\varepsilon_{it}`.
    Only steps of one period count: the period is the smallest step between the times of the table, and a row whose
    next period is missing is listed in ``.sample``, as are each unit's last row and observations alone in their unit
    or period, which fixed effects fit exactly.

    Errors are clustered, with the factor :math:`\frac{G}{G-1}\frac{n-1}{n-k-a}`, where a counts the time effects and
    the constant but no unit effects, which are nested in the clusters; t has G - 1 degrees of freedom.
    So do reghdfe and pyfixest. These are the clustered errors of ``linearmodels.PanelOLS`` (``count_effects=False,
    auto_df=False, group_debias=True``) times :math:`\sqrt{(n-k)/(n-k-a)}`.

    With unit effects :math:`\hat\beta` is biased downwards by about :math:`(2+\beta)/T` (Nickell 1981): even without
    any convergence it turns out negative. The jackknife is :math:`2\hat\beta-(\hat\beta_1+\hat\beta_2)/2` with the
    estimates of the first and second half of the periods; an odd number of periods is cut both ways and averaged.
    Its errors come from the same combination of the three estimates' scores by cluster: the errors of the plain fit,
    equal in the limit, are too small by a third at fifteen years and cover 75 to 85 % instead of 95 %.
    The jackknife supposes that both halves follow the same process.

    Examples
    --------
    >>> df = pd.DataFrame([(c, t, np.exp(1 + d * 0.9**t)) for t in range(6) for c, d in zip("abc", (-1, 0.2, 1))],
    ...                   columns=["city", "year", "y"])
    >>> result = beta_convergence(df, unit="city", time="year", value="y", effects="time")
    >>> round(result.beta, 3), round(result.half_life, 2)
    (-0.1, 6.58)
    """
    require_choice("effects", effects, Effects)
    require_choice("correct", correct, Correction)
    if correct == "hpj" and effects != "two-way":
        raise DomainError(
            "the half-panel jackknife corrects for unit effects, and there are none", remedy="use effects='two-way'"
        )
    growth, sample = _growth(df, unit=unit, time=time, value=value, controls=controls, cluster=cluster, missing=missing)
    growth, sample = _without_singletons(growth, sample, effects)
    terms = [f"ln {value}", *controls]
    fit = _absorb_and_fit(growth, effects, terms)
    estimate, scores = fit.estimate, fit.scores
    if correct == "hpj":
        halves = [_absorb_and_fit(half, effects, terms) for half in _halves(growth)]
        estimate = 2 * estimate - np.mean([half.estimate for half in halves], axis=0)
        scores = 2 * scores - np.mean([half.scores.reindex(scores.index, fill_value=0.0) for half in halves], axis=0)
    n, n_clusters = len(growth), len(scores)
    spent = len(terms) + (1 if effects == "none" else growth["time"].nunique())
    if n_clusters < 2 or n <= spent:
        raise GroupSizeError(
            f"{n} growth rates in {n_clusters} clusters cannot carry {spent} parameters", remedy="add units or periods"
        )
    factor = n_clusters / (n_clusters - 1) * (n - 1) / (n - spent)
    errors = np.sqrt(factor * (scores.to_numpy() ** 2).sum(axis=0))
    rows = [
        _inference(float(b), float(s), df=n_clusters - 1, level=level) for b, s in zip(estimate, errors, strict=True)
    ]
    coefficients = pd.DataFrame(rows)
    coefficients.insert(0, "term", terms)
    beta, speed = rows[0]["estimate"], _speed(rows[0]["estimate"])
    options = frozen_options(
        unit=unit,
        time=time,
        value=value,
        controls=tuple(controls),
        effects=effects,
        correct=correct,
        cluster=cluster or unit,
        level=level,
        missing=missing,
    )
    return BetaResult(
        sample=sample,
        options=options,
        coefficients=coefficients,
        beta=beta,
        speed=speed,
        speed_interval=(_speed(rows[0]["high"]), _speed(rows[0]["low"])),
        half_life=np.inf if speed <= 0 else float(np.log(2) / speed),
        n_obs=n,
        n_units=growth["unit"].nunique(),
        n_clusters=n_clusters,
        r2=fit.r2,
    )


def _speed(beta: float) -> float:
    return float(-np.log1p(beta)) if beta > -1 else np.nan


def _growth(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    value: str,
    controls: Sequence[str],
    cluster: str | None,
    missing: Missing,
) -> tuple[pd.DataFrame, Sample]:
    """One row per growth rate: ``unit, time, cluster, growth, ln <value>``, controls; and where the rows went."""
    keys = named(unit, time)
    require_keys(df, keys)
    used, read = complete(df, [value, *controls], keys=named(unit, time, cluster), missing=missing, unique=False)
    used = used.reset_index(drop=True)
    times = numeric(used, time, keys)
    if (used[value] <= 0).any():
        raise DomainError(
            "growth rates need positive values",
            column=value,
            keys=keys_of(used, used[value] <= 0, keys),
            remedy="correct these rows or leave them out",
        )
    if cluster is not None and (moves := used.groupby(unit)[cluster].transform("nunique") > 1).any():
        raise KeyColumnError(
            "a unit must stay in one cluster",
            column=cluster,
            keys=used.loc[moves, unit].unique(),
            remedy="cluster by the unit, or by a column that is constant within units",
        )
    panel = pd.DataFrame({"unit": used[unit], "time": times, "cluster": used[cluster or unit]}, index=used.index)
    panel[f"ln {value}"] = np.log(used[value])
    panel[list(controls)] = used[list(controls)]
    panel = panel.sort_values(["unit", "time"])
    after = panel.groupby("unit")[["time", f"ln {value}"]].shift(-1)
    panel.insert(3, "growth", after[f"ln {value}"] - panel[f"ln {value}"])
    steps = np.diff(np.unique(times))
    if steps.size == 0:
        raise GroupSizeError("growth needs two periods", column=time, remedy="add periods")
    follows = np.isclose(after["time"] - panel["time"], steps.min())
    last = after["time"].isna().to_numpy()
    labels = used.loc[panel.index, keys]
    dropped = [
        (reason, tuple(keys_of(labels, rows, keys)))
        for reason, rows in (("last row of its unit", last), ("no value one period later", ~follows & ~last))
        if rows.any()
    ]
    return panel[follows], Sample(read.rows_in, int(follows.sum()), (*read.dropped, *dropped))


def _without_singletons(growth: pd.DataFrame, sample: Sample, effects: Effects) -> tuple[pd.DataFrame, Sample]:
    """Without the observations that are alone in their unit or period, and the account of them."""
    absorbed = {"two-way": ["unit", "time"], "time": ["time"], "none": []}[effects]
    kept = growth
    while absorbed and len(kept):
        alone = np.any([kept.groupby(key)[key].transform("size") == 1 for key in absorbed], axis=0)
        if not alone.any():
            break
        kept = kept[~alone]
    if len(kept) == 0:
        raise GroupSizeError("no growth rate is left beside those that the effects fit exactly", remedy="add periods")
    if len(kept) == len(growth):
        return growth, sample
    gone = tuple(keys_of(growth, ~growth.index.isin(kept.index), ["unit", "time"]))
    return kept, Sample(sample.rows_in, len(kept), (*sample.dropped, ("alone in its unit or period", gone)))


def _halves(growth: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """First and second half of the periods; an odd number is cut both below and above the middle one."""
    times = np.unique(growth["time"])
    if len(times) < 4:
        raise GroupSizeError(
            f"the half-panel jackknife needs four growth periods, not {len(times)}", remedy="use correct='none'"
        )
    for cut in {len(times) // 2, (len(times) + 1) // 2}:
        yield growth[growth["time"] < times[cut]]
        yield growth[growth["time"] >= times[cut]]


def _without_effects(z: Floats, growth: pd.DataFrame, effects: Effects) -> Floats:
    """Columns less what dummies of the periods, and of the units, explain; exact for unbalanced panels."""
    if effects == "none":
        return z
    dummies = np.equal.outer(growth["time"].to_numpy(), growth["time"].unique()).astype(float)
    if effects == "two-way":
        unit, _ = growth["unit"].factorize()
        both = np.hstack([z, dummies])
        sums = np.zeros((unit.max() + 1, both.shape[1]))
        np.add.at(sums, unit, both)
        z, dummies = np.hsplit(both - (sums / np.bincount(unit)[:, None])[unit], [z.shape[1]])
    return np.asarray(z - dummies @ np.linalg.lstsq(dummies.T @ dummies, dummies.T @ z, rcond=None)[0])


@dataclass(frozen=True, slots=True)
class _Fit:
    estimate: Floats
    scores: pd.DataFrame  # clusters x terms: each cluster's first-order contribution to the estimation error
    r2: float


def _absorb_and_fit(growth: pd.DataFrame, effects: Effects, terms: list[str]) -> _Fit:
    """Least squares after the effects are taken out of growth and regressors."""
    columns = growth[["growth", *terms]].to_numpy()
    centred = columns - columns.mean(axis=0)
    moved = _without_effects(centred, growth, effects)
    y, x = moved[:, 0], moved[:, 1:]
    spread, whole = np.linalg.norm(x, axis=0), np.linalg.norm(centred[:, 1:], axis=0)
    absorbed = [term for term, left, all_ in zip(terms, spread, whole, strict=True) if not left > ABSORBED * all_]
    if absorbed or np.linalg.matrix_rank(x / spread) < len(terms):
        what = f"{', '.join(absorbed)} has no variation left after the effects" if absorbed else "collinear regressors"
        raise RankError(what, remedy="leave it out, or use fewer effects")
    inverse = np.linalg.inv(x.T @ x)
    estimate = inverse @ (x.T @ y)
    residual = y - x @ estimate
    scores = pd.DataFrame((x * residual[:, None]) @ inverse, columns=terms, index=growth.index)
    scores = scores.groupby(growth["cluster"], observed=True).sum()
    total = float(y @ y)
    return _Fit(estimate, scores, 1 - float(residual @ residual) / total if total > 0 else np.nan)


# ---------------------------------------------------------------------------------------------------------------------
# clubs


@dataclass(frozen=True, kw_only=True)
class LogTResult(Estimate):
    """The log t test of Phillips and Sul.

    Attributes
    ----------
    b, std_error, t, p_value : float
        Slope on ln t (twice the speed of convergence), its long-run standard error, their ratio, and the probability
        of a smaller t under convergence; t < -1.65 rejects convergence at 5 %.
    n_units, n_times : int
        Units, and periods that entered the regression.
    sample, options
        See `Estimate`.
    """

    b: float
    std_error: float
    t: float
    p_value: float
    n_units: int
    n_times: int

    def to_frame(self) -> pd.DataFrame:
        """One row: ``n, n_times, b, std_error, t, p_value``."""
        row = (self.n_units, self.n_times, self.b, self.std_error, self.t, self.p_value)
        return pd.DataFrame([row], columns=["n", "n_times", "b", "std_error", "t", "p_value"])


@dataclass(frozen=True, kw_only=True)
class ClubResult(Estimate):
    """Convergence clubs.

    Attributes
    ----------
    clubs : DataFrame
        ``unit, club``, in the order of the final levels; club 0 holds the units that converge with nobody.
    table : DataFrame
        The clubs, see `to_frame`.
    before_merging : DataFrame
        The same columns for the clubs that the clustering found, before adjacent ones were merged.
    whole : DataFrame
        The log t test of all units: ``n, n_times, b, std_error, t, p_value``.
    paths : DataFrame
        ``time, unit, club, h``: the relative transition paths, values over the mean of all units.
    sample, options
        See `Estimate`.
    """

    clubs: pd.DataFrame = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    before_merging: pd.DataFrame = field(repr=False)
    whole: pd.DataFrame = field(repr=False)
    paths: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per club, highest first, units without a club last as club 0: ``club, n, b, std_error, t, members``.

        ``members`` names the first five.
        """
        return self.table.copy()


def log_t_test(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    value: str,
    trim: float = 0.3,
    filter: float | None = None,
    hac: LongRun = "andrews",
    missing: Missing = "raise",
) -> LogTResult:
    r"""Test whether all units converge to one path (Phillips and Sul 2007).

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time), balanced.
    unit, time, value : str
        Key columns and the measure. Phillips and Sul take the logarithm of income; pass it as a column.
    trim : float
        Share r of the first periods that the regression leaves out: t = [rT] + 1, ..., T.
        Phillips and Sul advise 0.3, and 1/3 in their study of 2009.
    filter : float, optional
        Smoothing parameter of the Hodrick-Prescott filter that is run over each unit first
        (400 in Phillips and Sul's study of yearly data); no filter when left out.
    hac : {"andrews", "newey-west"}
        Long-run variance. "andrews": the scalar long-run variance of the residuals over the sum of squares of ln t,
        quadratic spectral kernel, bandwidth from a first-order autoregression (Andrews 1991), as in the test's
        definition. "newey-west": sandwich with Bartlett weights over [4 (n/100)^(2/9)] lags, scaled by n/(n-2).
    missing : {"raise", "drop"}
        What to do with missing values; what is dropped leaves the panel unbalanced.

    Returns
    -------
    LogTResult

    Raises
    ------
    UnbalancedPanelError
        A (unit, time) cell is missing.
    DomainError
        Values that are not positive (after filtering), units that coincide in a period, ``trim`` outside [0, 1).
    GroupSizeError
        Fewer than two units, or than five periods in the regression.

    Notes
    -----
    :math:`h_{it}=y_{it}/\bar y_t`, :math:`H_t=N^{-1}\sum_i(h_{it}-1)^2`,

    .. math:: \ln(H_1/H_t)-2\ln\ln t=a+b\ln t+u_t.

    The variance of b is :math:`\widehat{\mathrm{lvar}}(u)/\sum(\ln t-\overline{\ln t})^2`. The long-run variance
    follows the authors' program, which the packages in R and Stata keep: products of residuals over the first n - 1
    of them, all terms over n - 1. This reproduces the published tables to the last digit.
    With a dozen periods the statistic is far from normal: read it with care.

    Examples
    --------
    >>> df = pd.DataFrame([(c, t, 5 + d / t) for t in range(1, 31) for c, d in zip("abcd", (-3, -1, 1, 4))],
    ...                   columns=["city", "year", "y"])
    >>> test = log_t_test(df, unit="city", time="year", value="y")
    >>> bool(test.t > -1.65), round(test.b, 2)
    (True, 1.29)
    """
    panel, regression, sample = _transition_panel(
        df, unit=unit, time=time, value=value, trim=trim, filter=filter, hac=hac, missing=missing
    )
    b, se, t = regression.fit_one(panel.to_numpy())
    options = frozen_options(unit=unit, time=time, value=value, trim=trim, filter=filter, hac=hac, missing=missing)
    return LogTResult(
        sample=sample,
        options=options,
        b=b,
        std_error=se,
        t=t,
        p_value=float(special.ndtr(t)),
        n_units=len(panel),
        n_times=len(regression.log_t),
    )


def convergence_clubs(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    value: str,
    trim: float = 0.3,
    crit: float = -1.65,
    merge: bool = True,
    filter: float | None = None,
    hac: LongRun = "andrews",
    last_share: float = 0.0,
    missing: Missing = "raise",
) -> ClubResult:
    r"""Sort units into clubs that converge among themselves (Phillips and Sul 2007, 2009).

    Parameters
    ----------
    df, unit, time, value, trim, filter, hac, missing
        As in `log_t_test`.
    crit : float
        A group converges if its t exceeds this; -1.65 is the one-sided 5 % point.
    merge : bool
        Merge adjacent clubs that converge together.
    last_share : float
        Units are ordered by their mean over this share of the last periods; 0 takes the last period alone.

    Returns
    -------
    ClubResult

    Raises
    ------
    UnbalancedPanelError, DomainError, GroupSizeError
        As in `log_t_test`.

    Notes
    -----
    1. If all units converge, they are one club. Otherwise order them by their final level, highest first.
    2. Core: go down to the first adjacent pair with t > ``crit``, add the next unit as long as t > ``crit``,
       and keep the group with the largest t. Without such a pair, nobody converges.
    3. Sieve: add to the core every unit whose t together with the core exceeds c* = 0. Should the club then fail,
       raise c* just until it passes, which drops the weakest additions one by one.
    4. Repeat with the units left over; what fails to form a pair is club 0.
    5. Merge: join the first club with the next while t > ``crit``; start again from the one that failed.

    The dispersion of each group costs O(T), whatever its size: a unit enters the mean and the sum of squares of a
    group by one update. All groups of a step are fitted together.

    Examples
    --------
    >>> df = pd.DataFrame([(c, t, level + d / t) for t in range(1, 31)
    ...                    for c, level, d in zip("abcdef", (9, 9, 9, 4, 4, 4), (2, -1, 1.5, -2, 1, 1.4))],
    ...                   columns=["city", "year", "y"])
    >>> result = convergence_clubs(df, unit="city", time="year", value="y")
    >>> result.to_frame()[["club", "n", "members"]].values.tolist()
    [[1, 3, 'a, c, b'], [2, 3, 'f, e, d']]
    """
    panel, regression, sample = _transition_panel(
        df, unit=unit, time=time, value=value, trim=trim, filter=filter, hac=hac, missing=missing
    )
    if not 0 <= last_share <= 1:
        raise DomainError(f"last_share is a share of the periods, not {last_share}", remedy="pass a number in [0, 1]")
    n_times = panel.shape[1]
    n_last = max(1, n_times - int((1 - last_share) * n_times + 1e-9))
    final = panel.iloc[:, -n_last:].mean(axis=1)
    panel = panel.iloc[np.argsort(-final.to_numpy(), kind="stable")]
    y = panel.to_numpy()

    found, alone = _cluster(y, regression, crit)
    clubs = _merge_adjacent(y, found, regression, crit) if merge else found
    tables = [_club_table(panel, groups, alone, regression) for groups in (clubs, found)]
    club = np.zeros(len(panel), dtype=int)
    for number, members in enumerate(clubs, start=1):
        club[members] = number
    b, se, t = regression.fit_one(y)
    whole = [(len(y), len(regression.log_t), b, se, t, float(special.ndtr(t)))]
    units, times = panel.index.to_numpy(), panel.columns
    paths = pd.DataFrame({"time": times.repeat(len(units)), "unit": np.tile(units, len(times))})
    paths = paths.assign(club=np.tile(club, len(times)), h=(y / y.mean(axis=0)).T.ravel())
    options = frozen_options(
        unit=unit,
        time=time,
        value=value,
        trim=trim,
        crit=crit,
        merge=merge,
        filter=filter,
        hac=hac,
        last_share=last_share,
        missing=missing,
    )
    return ClubResult(
        sample=sample,
        options=options,
        clubs=pd.DataFrame({"unit": units, "club": club}),
        table=tables[0],
        before_merging=tables[1],
        whole=pd.DataFrame(whole, columns=["n", "n_times", "b", "std_error", "t", "p_value"]),
        paths=paths,
    )


@dataclass(frozen=True, slots=True)
class _LogT:
    """The log t regression of many groups at once: its periods (from 0), ln t, and the long-run variance."""

    used: npt.NDArray[np.intp]
    log_t: Floats
    hac: LongRun
    times: pd.Index

    def fit(self, dispersion: Floats) -> tuple[Floats, Floats, Floats]:
        """b, its standard error and t for dispersions H of shape (groups, T)."""
        zero = (dispersion[:, [0, *self.used]] <= 0).any(axis=0)
        if zero.any():
            raise DomainError(
                "units coincide in a period, and the logarithm of their dispersion is not defined",
                keys=[self.times[t] for t in np.array([0, *self.used])[zero]],
                remedy="leave one of the equal units out, or give the values with more digits",
            )
        left = np.log(dispersion[:, :1] / dispersion[:, self.used]) - 2 * np.log(self.log_t)
        x = self.log_t - self.log_t.mean()
        b = left @ x / (x @ x)
        residual = left - left.mean(axis=1, keepdims=True) - b[:, None] * x
        if self.hac == "andrews":
            variance = _andrews_variance(residual) / (x @ x)
        else:
            variance = _bartlett_sum(residual * x) * len(x) / (len(x) - 2) / (x @ x) ** 2
        se = np.sqrt(variance)
        # an exact fit has no error: convergence or divergence is then certain
        t = np.divide(b, se, out=np.where(b < 0, -np.inf, np.inf), where=se > 0)
        return b, se, t

    def fit_one(self, y: Floats) -> tuple[float, float, float]:
        """The same of one group, from the paths y (units, T) of its members."""
        b, se, t = self.fit(_prefix_dispersion(y)[-1:])
        return float(b[0]), float(se[0]), float(t[0])


def _andrews_variance(residual: Floats) -> Floats:
    """Long-run variance by the quadratic spectral kernel and Andrews' AR(1) bandwidth, one row per series."""
    n = residual.shape[1]
    head, tail = residual[:, :-1], residual[:, 1:]
    squares = (head**2).sum(axis=1)
    rho = np.divide((head * tail).sum(axis=1), squares, out=np.zeros_like(squares), where=squares > 0)
    alpha = 4 * rho**2 / np.maximum((1 - rho) ** 4, np.finfo(float).tiny)
    bandwidth = np.maximum(1.3221 * (alpha * n) ** 0.2, np.finfo(float).tiny)
    total: Floats = (residual**2).sum(axis=1)
    for lag in range(1, n - 1):
        weight = _quadratic_spectral(lag / bandwidth)
        total += 2 * weight * (head[:, :-lag] * head[:, lag:]).sum(axis=1)
    return np.asarray(np.maximum(total, 0.0) / (n - 1))


def _quadratic_spectral(x: Floats) -> Floats:
    z = np.minimum(1.2 * np.pi * x, 1e150)
    small = z < 1e-2
    safe = np.where(small, 1.0, z)
    return np.where(small, 1 - z**2 / 10, 3 / safe**2 * (np.sin(safe) / safe - np.cos(safe)))


def _bartlett_sum(scores: Floats) -> Floats:
    """Newey and West's weighted sum of products of scores, one row per series."""
    lags = newey_west_lags(scores.shape[1])
    total: Floats = (scores**2).sum(axis=1)
    for lag in range(1, lags + 1):
        total += 2 * (1 - lag / (lags + 1)) * (scores[:, :-lag] * scores[:, lag:]).sum(axis=1)
    return total


def _smoothed(y: Floats, penalty: float) -> Floats:
    """Hodrick and Prescott's trend of each row of y."""
    second = np.diff(np.eye(y.shape[1]), n=2, axis=0)
    return np.asarray(np.linalg.solve(np.eye(y.shape[1]) + penalty * second.T @ second, y.T).T)


def _prefix_dispersion(y: Floats) -> Floats:
    """H_t of the first 2, 3, ..., n rows of y, by updating mean and sum of squares row by row."""
    count = np.arange(1, len(y) + 1)[:, None]
    mean = np.cumsum(y, axis=0) / count
    squares: Floats = np.cumsum((y[1:] - mean[:-1]) * (y[1:] - mean[1:]), axis=0)
    return squares / count[1:] / mean[1:] ** 2


def _joined_dispersion(core: Floats, others: Floats) -> Floats:
    """H_t of the core with each of the other rows alone."""
    n, mean = len(core) + 1, core.mean(axis=0)
    joined = mean + (others - mean) / n
    squares = ((core - mean) ** 2).sum(axis=0) + (others - mean) * (others - joined)
    return np.asarray(squares / n / joined**2)


def _cluster(y: Floats, regression: _LogT, crit: float) -> tuple[list[npt.NDArray[np.intp]], npt.NDArray[np.intp]]:
    """Clubs as positions in y (ordered by final level), and the positions that converge with nobody."""
    clubs: list[npt.NDArray[np.intp]] = []
    rest = np.arange(len(y))
    while len(rest) > 1:
        if regression.fit_one(y[rest])[2] > crit:
            return [*clubs, rest], rest[:0]
        core = _core(y[rest], regression, crit)
        if core is None:
            break
        members = np.sort(rest[_sieve(y[rest], core, regression, crit)])
        clubs.append(members)
        rest = np.setdiff1d(rest, members)
    return clubs, rest


def _core(y: Floats, regression: _LogT, crit: float) -> npt.NDArray[np.intp] | None:
    """Positions of the core: from the first pair that passes, the group with the largest t while groups pass."""
    pairs = ((y[1:] - y[:-1]) / (y[1:] + y[:-1])) ** 2
    passing = np.flatnonzero(regression.fit(pairs)[2] > crit)
    if len(passing) == 0:
        return None
    start = int(passing[0])
    t = regression.fit(_prefix_dispersion(y[start:]))[2]
    run = len(t) if (t > crit).all() else int(np.argmin(t > crit))
    run = max(run, 1)  # the pair passed above, whatever the last digit of this second computation
    return np.arange(start, start + int(np.argmax(t[:run])) + 2)


def _sieve(y: Floats, core: npt.NDArray[np.intp], regression: _LogT, crit: float) -> npt.NDArray[np.intp]:
    """Positions of the club: the core and the units that pass with it, the weakest dropped until the club passes."""
    others = np.setdiff1d(np.arange(len(y)), core)
    t = regression.fit(_joined_dispersion(y[core], y[others]))[2]
    added = others[t > 0][np.argsort(-t[t > 0], kind="stable")]
    if len(added) == 0:
        return core
    joined = np.concatenate([core, added])
    t_joined = regression.fit(_prefix_dispersion(y[joined])[len(core) - 1 :])[2]
    passing = np.flatnonzero(t_joined > crit)
    return joined[: len(core) + 1 + int(passing[-1])] if len(passing) else core


def _merge_adjacent(
    y: Floats, clubs: list[npt.NDArray[np.intp]], regression: _LogT, crit: float
) -> list[npt.NDArray[np.intp]]:
    merged = clubs[:1]
    for club in clubs[1:]:
        both = np.concatenate([merged[-1], club])
        together = regression.fit_one(y[both])[2] > crit
        merged = [*merged[:-1], np.sort(both)] if together else [*merged, club]
    return merged


def _club_table(
    panel: pd.DataFrame, clubs: list[npt.NDArray[np.intp]], alone: npt.NDArray[np.intp], regression: _LogT
) -> pd.DataFrame:
    rows = []
    for number, members in [*enumerate(clubs, start=1), *([(0, alone)] if len(alone) else [])]:
        b = se = t = np.nan
        if len(members) > 1:
            b, se, t = regression.fit_one(panel.to_numpy()[members])
        names = [str(name) for name in panel.index[members]]
        rows.append((number, len(members), b, se, t, ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")))
    return pd.DataFrame(rows, columns=["club", "n", "b", "std_error", "t", "members"])


def _transition_panel(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    value: str,
    trim: float,
    filter: float | None,
    hac: LongRun,
    missing: Missing,
) -> tuple[pd.DataFrame, _LogT, Sample]:
    """The balanced panel as units x times, smoothed if wanted, and the regression on its periods."""
    require_choice("hac", hac, LongRun)
    keys = named(unit, time)
    used, sample = complete(df, [value], keys=keys, missing=missing)
    panel = wide(used, unit=unit, time=time, value=value)
    n_units, n_times = panel.shape
    if not 0 <= trim < 1:
        raise DomainError(f"trim is a share of the periods, not {trim}", remedy="pass a number in [0, 1)")
    periods = np.arange(max(int(trim * n_times + 1e-9), 1), n_times)  # from 0; ln ln t needs t >= 2
    if n_units < 2 or len(periods) < MIN_LOG_T_TIMES:
        raise GroupSizeError(
            f"the log t test needs two units and {MIN_LOG_T_TIMES} periods after trimming, "
            f"not {n_units} and {len(periods)}",
            remedy="add periods or trim fewer",
        )
    if filter is not None:
        panel = pd.DataFrame(_smoothed(panel.to_numpy(), filter), index=panel.index, columns=panel.columns)
    low = panel.to_numpy() <= 0
    if low.any():
        raise DomainError(
            "relative transition paths need positive values" + ("" if filter is None else " after filtering"),
            column=value,
            keys=[(panel.index[i], panel.columns[j]) for i, j in np.argwhere(low)],
            remedy="rescale the measure (logarithms of numbers below one are negative) or leave these units out",
        )
    return panel, _LogT(periods, np.log(periods + 1.0), hac, panel.columns), sample
