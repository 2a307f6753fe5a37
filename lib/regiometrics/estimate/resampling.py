"""Intervals and tests for any measure by resampling whole units: bootstrap, jackknife, permutation.

A unit (a city) keeps all its years, so that whatever ties its years together is carried into the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, RegionError, require_choice
from regiometrics.measure.inequality import dagum
from regiometrics.panel import Missing, Sample, complete, named, require_columns, require_keys
from regiometrics.result import Estimate, frozen_options, readonly

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Statistic = Callable[[pd.DataFrame], "pd.Series | float"]
Seed = int | np.random.Generator
Method = Literal["bootstrap", "jackknife"]
Interval = Literal["percentile", "basic", "bca"]
Alternative = Literal["two-sided", "greater", "less"]

CHUNK = 100  # draws that share one random stream; draws do not depend on how many are asked for
TIE = 1e-12  # relative gap below which two values of a statistic count as equal
PARTS = ["gini", "within", "between_net", "overlap", "share_within", "share_between_net", "share_overlap"]


@dataclass(frozen=True, kw_only=True)
class ResampleResult(Estimate):
    """A statistic with its standard error, bias and interval by bootstrap or jackknife.

    Attributes
    ----------
    estimate : Series
        The statistic of the table as it is; its index names the numbers.
    draws : ndarray, shape (n_boot, names) or (units, names)
        The statistic of each bootstrap draw, or with each unit left out; read-only.
    left_out : ndarray, shape (units, names), or None
        The statistic with each unit left out, where the interval needs it; read-only.
    strata : ndarray, shape (units,)
        Stratum of each unit, as a number.
    sample, options
        See `Estimate`.
    """

    estimate: pd.Series
    draws: Floats = field(repr=False)
    left_out: Floats | None = field(repr=False)
    strata: Positions = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse draws on which the statistic is not defined."""
        for what, values in (
            ("the table", self.estimate.to_numpy(dtype=float)),
            ("a draw", self.draws),
            ("the table with a unit left out", self.left_out),
        ):
            if values is not None and not np.isfinite(values).all():
                bad = np.flatnonzero(~np.isfinite(values.reshape(-1, len(self.estimate))).all(axis=0))
                raise DomainError(
                    f"the statistic is not a finite number on {what}",
                    keys=self.estimate.index[bad],
                    remedy="leave out groups too small to be resampled, or define the statistic on them",
                )

    def to_frame(self) -> pd.DataFrame:
        """One row per number: ``name`` (or the levels of the index), ``estimate, std_error, bias, low, high``."""
        theta, level = self.estimate.to_numpy(dtype=float), cast("float", self.options["level"])
        if self.options["method"] == "jackknife":
            error, bias = _jackknife_error(theta, self.draws, self.strata)
            reach = special.stdtrit(len(self.strata) - len(np.unique(self.strata)), (1 + level) / 2) * error
            low, high = theta - reach, theta + reach
        else:
            error, bias = self.draws.std(axis=0, ddof=1), self.draws.mean(axis=0) - theta
            tails = np.tile([[(1 - level) / 2], [(1 + level) / 2]], len(theta))
            if self.left_out is not None:
                tails = _bca_tails(tails, theta, self.draws, self.left_out, self.strata, self.estimate.index)
            # "weibull": the (n_boot + 1) p-th ordered draw
            low, high = np.array(
                [np.quantile(draws, p, method="weibull") for draws, p in zip(self.draws.T, tails.T, strict=True)]
            ).T
            if self.options["interval"] == "basic":
                low, high = 2 * theta - high, 2 * theta - low
        columns = {"estimate": theta, "std_error": error, "bias": bias, "low": low, "high": high}
        return pd.DataFrame(columns, index=self.estimate.index).reset_index()

    def derive(self, function: Callable[[pd.Series], pd.Series | float]) -> ResampleResult:
        """The same draws for a function of the numbers: a mean over years, a change, a ratio.

        Parameters
        ----------
        function : callable
            Takes a Series like ``estimate`` and returns a number or a Series of named numbers.
        """
        index = self.estimate.index

        def apply(values: Floats) -> Floats:
            return readonly(np.array([_numbers(function(pd.Series(row, index=index))) for row in values]))

        return replace(
            self,
            estimate=_numbers(function(self.estimate)),
            draws=apply(self.draws),
            left_out=None if self.left_out is None else apply(self.left_out),
        )


def bootstrap(
    df: pd.DataFrame,
    statistic: Statistic,
    *,
    unit: str,
    strata: str | None = None,
    n_boot: int = 999,
    interval: Interval = "percentile",
    level: float = 0.95,
    seed: Seed = 0,
) -> ResampleResult:
    r"""Draw units with replacement, inside strata, and recompute a statistic.

    Parameters
    ----------
    df : DataFrame
        Long table; all rows of a unit are drawn together.
    statistic : callable
        Takes a table like ``df`` and returns a number or a Series of named numbers.
        In a draw the column ``unit`` holds 0, 1, ...: a unit drawn twice stands there as two.
    unit : str
        Column of the units.
    strata : str, optional
        Column of the strata (clusters), constant within units; each keeps its number of units.
    n_boot : int
        Number of draws.
    interval : {"percentile", "basic", "bca"}
        Quantiles of the draws; quantiles reflected at the estimate; or bias-corrected and accelerated (Efron 1987),
        which also leaves out each unit once.
    level : float
        Confidence level.
    seed : int or Generator
        Every hundred draws come from a stream of their own, spawned from the seed.

    Returns
    -------
    ResampleResult

    Raises
    ------
    KeyColumnError
        A column is absent or null, or a unit lies in two strata.
    GroupSizeError
        A stratum with a single unit, which cannot vary.
    DomainError
        The statistic is not finite on the table or on a draw; "bca" with all draws on one side of the estimate.

    Notes
    -----
    The bias-corrected and accelerated interval takes the quantiles
    :math:`\Phi\bigl(z_0+\frac{z_0+z_p}{1-a(z_0+z_p)}\bigr)`, with :math:`\Phi(z_0)` the share of draws below the
    estimate and, with :math:`l_{si}=(n_s-1)(\bar\theta_s-\theta_{s(-i)})` for unit i of stratum s,
    :math:`a=\frac16\sum l_{si}^3n_s^{-3}\big/\bigl(\sum l_{si}^2n_s^{-2}\bigr)^{3/2}`.
    Inequality measures are biased downwards in draws, by the factor (n - 1)/n for a Gini coefficient, because
    units are drawn twice: where groups are small prefer "basic" or "bca" to "percentile".

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcdefgh"), "y": [3.0, 5, 6, 7, 8, 9, 11, 15]})
    >>> result = bootstrap(df, lambda d: d["y"].mean(), unit="city", n_boot=499)
    >>> result.to_frame()[["name", "estimate", "std_error"]].round(1).values.tolist()
    [['statistic', 8.0, 1.2]]
    """
    require_choice("interval", interval, Interval)
    units = _Units.of(df, unit, strata)
    estimate = _numbers(statistic(df))
    drawn = list(_resampled_units(units.strata, n_boot, seed))
    left_out = units.recompute(statistic, df, units.leave_one_out(), estimate) if interval == "bca" else None
    return ResampleResult(
        sample=Sample(len(df), len(df)),
        options=frozen_options(
            method="bootstrap", unit=unit, strata=strata, n_boot=n_boot, interval=interval, level=level, seed=seed
        ),
        estimate=estimate,
        draws=units.recompute(statistic, df, drawn, estimate),
        left_out=left_out,
        strata=units.strata,
    )


def jackknife(
    df: pd.DataFrame, statistic: Statistic, *, unit: str, strata: str | None = None, level: float = 0.95
) -> ResampleResult:
    r"""Leave out each unit in turn and recompute a statistic.

    Parameters
    ----------
    df, statistic, unit, strata, level
        As in `bootstrap`.

    Returns
    -------
    ResampleResult
        ``draws`` has one row per unit, in the order of their first rows; the interval is Student's t around the
        estimate, not shifted by the bias.

    Raises
    ------
    KeyColumnError, GroupSizeError, DomainError
        As in `bootstrap`.

    Notes
    -----
    Variance :math:`\sum_s\frac{n_s-1}{n_s}\sum_i(\theta_{s(-i)}-\bar\theta_s)^2`,
    bias :math:`\sum_s(n_s-1)(\bar\theta_s-\theta)`.
    For a mean they are :math:`s^2/n` and 0.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcd"), "y": [1.0, 2, 3, 6]})
    >>> result = jackknife(df, lambda d: d["y"].mean(), unit="city")
    >>> bool(np.isclose(result.to_frame()["std_error"][0], df["y"].std() / 2))
    True
    """
    units = _Units.of(df, unit, strata)
    estimate = _numbers(statistic(df))
    left_out = units.recompute(statistic, df, units.leave_one_out(), estimate)
    return ResampleResult(
        sample=Sample(len(df), len(df)),
        options=frozen_options(method="jackknife", unit=unit, strata=strata, level=level),
        estimate=estimate,
        draws=left_out,
        left_out=left_out,
        strata=units.strata,
    )


def dagum_intervals(
    df: pd.DataFrame,
    *,
    value: str,
    group: str,
    unit: str,
    time: str | None = None,
    method: Method = "bootstrap",
    n_boot: int = 999,
    interval: Interval = "percentile",
    level: float = 0.95,
    clustered: bool = True,
    seed: Seed = 0,
    missing: Missing = "raise",
) -> ResampleResult:
    """Intervals of Dagum's decomposition, units resampled inside their groups.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    value, group, unit, time : str
        Measure, group (cluster), unit and, if any, time; a unit must stay in its group.
    method : {"bootstrap", "jackknife"}
        See `bootstrap` and `jackknife`.
    n_boot, interval, level, seed
        As in `bootstrap`.
    clustered : bool
        Draw a unit with all its years, or draw anew in every year. Each year's own interval is the same up to chance;
        intervals of means and changes over years (`ResampleResult.derive`) need the whole units.
    missing : {"raise", "drop"}
        What to do with missing values.

    Returns
    -------
    ResampleResult
        Rows ``time, name``, where name is gini, within, between_net, overlap or one of the three shares.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError, GroupSizeError
        As in `regiometrics.measure.inequality.dagum` and `bootstrap`.

    Notes
    -----
    In draws the Gini and within parts are biased downwards, and the net between part upwards, because the means of
    small groups drift apart by chance: read ``bias``, and prefer "bca" or "basic" to "percentile".
    Drawing a unit k times is giving it weight k, so a draw needs no table: with the values sorted once, all draws of
    a year follow from cumulative sums of the weights. The draws equal those of `bootstrap` with `dagum`.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcdef"), "cluster": list("xxxyyy"), "y": [1.0, 2, 4, 3, 5, 9]})
    >>> result = dagum_intervals(df, value="y", group="cluster", unit="city", n_boot=199)
    >>> frame = result.to_frame()
    >>> frame["name"].tolist()[:4], round(float(frame["estimate"][0]), 3)
    (['gini', 'within', 'between_net', 'overlap'], 0.347)
    """
    require_choice("method", method, Method)
    require_choice("interval", interval, Interval)
    keys = named(unit, time)
    require_keys(df, keys)
    used, sample = complete(df, [value], keys=named(unit, time, group), missing=missing, unique=False)
    decomposition = dagum(used, value=value, group=group, time=time, unit=unit, pairwise=False).to_frame()
    units = _Units.of(used, unit, group)
    y, member = used[value].to_numpy(dtype=float), units.strata[units.code]
    years, index = _years(used, time, decomposition)

    def parts(weights: Floats) -> Floats:
        """Weights (draws, units) to the parts of all years (draws, years x parts)."""
        return np.hstack([_weighted_parts(y[rows], member[rows], weights[:, units.code[rows]]) for rows in years])

    left_out = parts(1.0 - np.eye(len(units.strata))) if method == "jackknife" or interval == "bca" else None
    if method == "jackknife" and left_out is not None:
        draws = left_out
    elif clustered:
        draws = parts(_counts(_resampled_units(units.strata, n_boot, seed), len(units.strata)))
    else:
        streams = np.random.default_rng(seed).spawn(len(years))
        drawn = [_resampled_units(member[rows], n_boot, stream) for rows, stream in zip(years, streams, strict=True)]
        draws = np.hstack(
            [
                _weighted_parts(y[rows], member[rows], _counts(picks, len(rows)))
                for rows, picks in zip(years, drawn, strict=True)
            ]
        )
    options = frozen_options(
        value=value,
        group=group,
        unit=unit,
        time=time,
        method=method,
        n_boot=n_boot,
        interval=interval,
        level=level,
        clustered=clustered,
        seed=seed,
        missing=missing,
    )
    return ResampleResult(
        sample=sample,
        options=options,
        estimate=pd.Series(decomposition[PARTS].to_numpy().ravel(), index=index),
        draws=readonly(draws),
        left_out=None if left_out is None else readonly(left_out),
        strata=units.strata,
    )


@dataclass(frozen=True, kw_only=True)
class PermutationResult(Estimate):
    """A randomisation test.

    Attributes
    ----------
    estimate : Series
        The statistic of the table as it is.
    draws : ndarray, shape (n_perm, names)
        The statistic of each shuffled table; read-only.
    sample, options
        See `Estimate`.
    """

    estimate: pd.Series
    draws: Floats = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per number: ``name, estimate, p_value, smallest_p, null_mean, null_sd``."""
        theta, draws = self.estimate.to_numpy(dtype=float), self.draws
        if self.options["alternative"] == "two-sided":
            theta, draws = np.abs(theta), np.abs(draws)
        elif self.options["alternative"] == "less":
            theta, draws = -theta, -draws
        extreme = (draws >= theta - TIE * np.abs(theta)).sum(axis=0)
        columns = {
            "estimate": self.estimate.to_numpy(dtype=float),
            "p_value": (1 + extreme) / (1 + len(draws)),
            "smallest_p": 1 / (1 + len(draws)),
            "null_mean": self.draws.mean(axis=0),
            "null_sd": self.draws.std(axis=0, ddof=1),
        }
        return pd.DataFrame(columns, index=self.estimate.index).reset_index()

    def derive(self, function: Callable[[pd.Series], pd.Series | float]) -> PermutationResult:
        """The same shuffles for a function of the numbers, as `ResampleResult.derive`."""
        index = self.estimate.index
        draws = np.array([_numbers(function(pd.Series(row, index=index))) for row in self.draws])
        return replace(self, estimate=_numbers(function(self.estimate)), draws=readonly(draws))


def permutation(
    df: pd.DataFrame,
    statistic: Statistic,
    *,
    shuffle: str | Sequence[str],
    within: str | None = None,
    unit: str | None = None,
    n_perm: int = 999,
    alternative: Alternative = "two-sided",
    seed: Seed = 0,
) -> PermutationResult:
    """Shuffle a column and recompute a statistic, to see how often chance does as much.

    Parameters
    ----------
    df : DataFrame
        Long table.
    statistic : callable
        Takes a table like ``df`` and returns a number or a Series of named numbers.
    shuffle : str or sequence of str
        Column to shuffle (several move together): the measure, or the group that each unit belongs to.
    within : str, optional
        Shuffle only among rows, or units, that agree in this column, for instance inside a year.
    unit : str, optional
        Shuffle among units instead of rows: each unit gives all its rows the value of another unit.
        ``shuffle`` and ``within`` must then be constant within units.
    n_perm : int
        Number of shuffles.
    alternative : {"two-sided", "greater", "less"}
        Which draws count as extreme: at least as far from zero, at least as large, at most as large.
        A statistic that cannot be negative, such as a Gini coefficient, needs one of the last two.
    seed : int or Generator
        As in `bootstrap`.

    Returns
    -------
    PermutationResult
        The p-value counts the table itself, (1 + extreme)/(1 + n_perm); ``smallest_p`` is the least it can be.

    Raises
    ------
    KeyColumnError
        A column is absent, changes within a unit, or is null where it says who is shuffled with whom.
    DomainError
        The statistic is not finite.

    Examples
    --------
    >>> df = pd.DataFrame({"cluster": list("xxxxyyyy"), "y": [1.0, 2, 3, 4, 11, 12, 13, 14]})
    >>> gap = lambda d: d.groupby("cluster")["y"].mean().diff().iloc[-1]
    >>> test = permutation(df, gap, shuffle="cluster", n_perm=199).to_frame()
    >>> float(test["estimate"][0]), bool(test["p_value"][0] < 0.1)
    (10.0, True)
    """
    require_choice("alternative", alternative, Alternative)
    moved = [shuffle] if isinstance(shuffle, str) else list(shuffle)
    require_columns(df, moved)
    require_keys(df, named(within, unit), unique=False)
    first = code = np.arange(len(df))
    if unit is not None:
        for column in named(*moved, within):
            _require_constant(df, column, unit)
        code, _ = pd.factorize(df[unit])
        first = np.unique(code, return_index=True)[1]
    strata = np.zeros(len(first), dtype=np.intp) if within is None else pd.factorize(df[within].iloc[first])[0]
    estimate = _numbers(statistic(df))
    draws = np.empty((n_perm, len(estimate)))
    for draw, order in enumerate(_orders(strata, n_perm, seed)):
        rows = first[order][code]
        draws[draw] = _aligned(statistic(df.assign(**{c: df[c].array[rows] for c in moved})), estimate)
    _require_finite(estimate, draws)
    options = frozen_options(
        shuffle=tuple(moved), within=within, unit=unit, n_perm=n_perm, alternative=alternative, seed=seed
    )
    return PermutationResult(sample=Sample(len(df), len(df)), options=options, estimate=estimate, draws=readonly(draws))


def dagum_permutation(
    df: pd.DataFrame,
    *,
    value: str,
    group: str,
    unit: str,
    time: str | None = None,
    n_perm: int = 999,
    alternative: Alternative = "greater",
    seed: Seed = 0,
    missing: Missing = "raise",
) -> PermutationResult:
    """Dagum's parts and shares when units trade their groups, as `permutation` of `dagum` draws them, but faster.

    Parameters
    ----------
    df, value, group, unit, time, missing
        As in `dagum_intervals`; a unit is in one group at all times.
    n_perm, alternative, seed
        As in `permutation`, for the same shuffles.

    Returns
    -------
    PermutationResult
        Named by ``(time, name)`` as in `dagum_intervals`; what is about several years, such as a mean share, is tested
        by ``.derive``.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError, GroupSizeError
        As in `dagum`, and where a unit changes its group.

    Examples
    --------
    >>> df = pd.DataFrame({"city": range(8), "cluster": list("xxxxyyyy"), "y": [1.0, 2, 3, 4, 11, 12, 13, 14]})
    >>> test = dagum_permutation(df, value="y", group="cluster", unit="city", n_perm=199).to_frame()
    >>> bool(test.set_index("name").loc["share_between_net", "p_value"] < 0.1)
    True
    """
    require_choice("alternative", alternative, Alternative)
    used, sample = complete(df, [value], keys=named(unit, time, group), missing=missing, unique=False)
    decomposition = dagum(used, value=value, group=group, time=time, unit=unit, pairwise=False).to_frame()
    _require_constant(used, group, unit)
    y, code = used[value].to_numpy(dtype=float), pd.factorize(used[unit])[0]
    member, groups = pd.factorize(used[group].iloc[np.unique(code, return_index=True)[1]])
    strata = np.zeros(len(member), dtype=np.intp)
    shuffled = member[np.array(list(_orders(strata, n_perm, seed)))][:, code]
    years, index = _years(used, time, decomposition)
    draws = np.hstack([_parts_by_label(y[rows], shuffled[:, rows], len(groups)) for rows in years])
    options = frozen_options(
        value=value, group=group, unit=unit, time=time, n_perm=n_perm, alternative=alternative, seed=seed,
        missing=missing,
    )  # fmt: skip
    estimate = pd.Series(decomposition[PARTS].to_numpy().ravel(), index=index)
    _require_finite(estimate, draws)
    return PermutationResult(sample=sample, options=options, estimate=estimate, draws=readonly(draws))


def joint_permutation(
    estimates: npt.ArrayLike, draws: npt.ArrayLike, *, alternative: Literal["greater", "less"] = "greater"
) -> pd.DataFrame:
    """Whether the estimates of many specifications, taken together, differ from what chance gives.

    Specifications share their data, so that a count of significant ones is no test. The same permutations, made in all
    specifications at once, say how far their median and their signs go when nothing is there.

    Parameters
    ----------
    estimates : array_like, shape (specifications,)
    draws : array_like, shape (draws, specifications)
        Of each permutation the estimates of all specifications.
    alternative : {"greater", "less"}
        Direction that is asked for.

    Returns
    -------
    DataFrame
        ``statistic`` ("median estimate", "share of that sign"), ``observed``, ``p_value``, which is (1 + draws that
        reach it) / (1 + draws), ``smallest_p``, ``draws_median``, ``draws_low`` and ``draws_high`` (2.5 and 97.5 per
        cent), ``n_specifications``, ``n_draws``.

    Raises
    ------
    DomainError
        The shapes do not fit, or a number is not finite.

    Notes
    -----
    Simonsohn, Simmons and Nelson (2020), Nature Human Behaviour 4, 1208-1214, tests of the whole curve.

    Examples
    --------
    >>> test = joint_permutation([0.3, 0.2], [[0.1, -0.1], [-0.2, 0.0], [0.0, 0.1]])
    >>> test[["statistic", "observed", "p_value"]].to_numpy().tolist()
    [['median estimate', 0.25, 0.25], ['share of that sign', 1.0, 0.25]]
    """
    require_choice("alternative", alternative, Literal["greater", "less"])
    found, drawn = np.asarray(estimates, dtype=float), np.asarray(draws, dtype=float)
    if found.ndim != 1 or drawn.ndim != 2 or drawn.shape[1] != len(found) or not drawn.size:
        raise DomainError(
            f"estimates of shape {found.shape} and draws of shape {drawn.shape}",
            remedy="give (specifications,) and (draws, specifications)",
        )
    if not (np.isfinite(found).all() and np.isfinite(drawn).all()):
        raise DomainError("an estimate or a draw is not finite", remedy="leave out specifications without estimate")
    towards = np.vstack([found, drawn]) * (1 if alternative == "greater" else -1)
    rows = []
    for name, values in {
        "median estimate": np.median(towards, axis=1),
        "share of that sign": (towards > 0).mean(axis=1),
    }.items():
        reached = values[1:] >= values[0] - TIE * abs(values[0])
        shown = -values if name == "median estimate" and alternative == "less" else values
        low, middle, high = np.quantile(shown[1:], [0.025, 0.5, 0.975])
        row = {"statistic": name, "observed": shown[0], "p_value": (1 + reached.sum()) / (1 + len(drawn))}
        row |= {"smallest_p": 1 / (1 + len(drawn)), "draws_median": middle, "draws_low": low, "draws_high": high}
        rows.append(row | {"n_specifications": len(found), "n_draws": len(drawn)})
    return pd.DataFrame(rows)


@dataclass(frozen=True, slots=True)
class _Units:
    """Units of a table in the order of their first rows: name of their column, code of each row, rows, strata."""

    column: str
    code: Positions
    rows: list[Positions]
    strata: Positions

    @classmethod
    def of(cls, df: pd.DataFrame, unit: str, strata: str | None) -> _Units:
        require_keys(df, named(unit, strata), unique=False)
        code, labels = pd.factorize(df[unit])
        if strata is None:
            stratum = np.zeros(len(labels), dtype=np.intp)
        else:
            _require_constant(df, strata, unit)
            stratum = pd.factorize(df[strata])[0][np.unique(code, return_index=True)[1]]
        size = np.bincount(stratum)
        if len(labels) == 0 or (size < 2).any():
            alone = labels[size[stratum] < 2]
            raise GroupSizeError(
                "a stratum needs two units to be resampled",
                column=strata or unit,
                n_rows=len(alone),
                keys=list(alone),
                remedy="join it with another stratum or leave it out",
            )
        order = np.argsort(code, kind="stable")
        rows = np.split(order, np.cumsum(np.bincount(code))[:-1])
        return cls(unit, code.astype(np.intp), rows, stratum.astype(np.intp))

    def leave_one_out(self) -> list[Positions]:
        everyone = np.arange(len(self.rows))
        return [np.delete(everyone, i) for i in everyone]

    def recompute(
        self, statistic: Statistic, df: pd.DataFrame, chosen: Sequence[Positions], expected: pd.Series
    ) -> Floats:
        """The statistic of each table made of the chosen units."""
        values = np.empty((len(chosen), len(expected)))
        length = np.array([len(rows) for rows in self.rows])
        for draw, units in enumerate(chosen):
            table = df.iloc[np.concatenate([self.rows[u] for u in units])].reset_index(drop=True)
            table[self.column] = np.repeat(np.arange(len(units)), length[units])
            values[draw] = _aligned(statistic(table), expected)
        return readonly(values)


def _require_constant(df: pd.DataFrame, column: str, unit: str) -> None:
    moves = df.groupby(unit, observed=True)[column].nunique(dropna=False).gt(1)
    if moves.any():
        raise KeyColumnError(
            "must be the same in all rows of a unit",
            column=column,
            keys=moves.index[moves],
            remedy="assign each unit to one value",
        )


def _numbers(value: pd.Series | float) -> pd.Series:
    """A statistic's answer as a Series of floats whose index is named."""
    if not isinstance(value, pd.Series):
        return pd.Series([float(value)], index=pd.Index(["statistic"], name="name"))
    if value.index.nlevels == 1 and value.index.name is None:
        value = value.rename_axis("name")
    return value.astype(float)


def _aligned(value: pd.Series | float, expected: pd.Series) -> Floats:
    numbers = _numbers(value)
    if not numbers.index.equals(expected.index):
        raise RegionError(
            "the statistic names other numbers on a draw than on the table",
            keys=numbers.index.symmetric_difference(expected.index),
            remedy="return the same names for every table, for instance by reindexing",
        )
    return numbers.to_numpy()


def _resampled_units(strata: Positions, n_boot: int, seed: Seed) -> Positions:
    """Positions of the units of each draw, (n_boot, units), drawn with replacement inside each stratum."""
    drawn = np.empty((n_boot, len(strata)), dtype=np.intp)
    for chunk, stream in enumerate(np.random.default_rng(seed).spawn(-(-n_boot // CHUNK))):
        block = drawn[chunk * CHUNK : (chunk + 1) * CHUNK]
        for s in np.unique(strata):
            members = np.flatnonzero(strata == s)
            picks = stream.integers(len(members), size=(CHUNK, len(members)))
            block[:, members] = members[picks[: len(block)]]
    return drawn


def _counts(drawn: Positions, n_units: int) -> Floats:
    """How often each unit stands in each draw, (draws, units)."""
    flat = drawn + n_units * np.arange(len(drawn))[:, None]
    return np.bincount(flat.ravel(), minlength=len(drawn) * n_units).reshape(len(drawn), n_units).astype(float)


def _require_finite(estimate: pd.Series, draws: Floats) -> None:
    if not (np.isfinite(draws).all() and np.isfinite(estimate.to_numpy(dtype=float)).all()):
        raise DomainError(
            "the statistic is not a finite number on the table or on a shuffled one",
            remedy="leave out rows or units on which it is not defined",
        )


def _orders(strata: Positions, n_perm: int, seed: Seed) -> Iterator[Positions]:
    """Shuffles of positions inside strata; those of a chunk come from a stream of its own."""
    members = [np.flatnonzero(strata == s) for s in range(strata.max() + 1)]
    for chunk, stream in enumerate(np.random.default_rng(seed).spawn(-(-n_perm // CHUNK))):
        for _ in range(chunk * CHUNK, min((chunk + 1) * CHUNK, n_perm)):
            order = np.arange(len(strata))
            for positions in members:
                order[positions] = stream.permutation(positions)
            yield order


def _years(df: pd.DataFrame, time: str | None, decomposition: pd.DataFrame) -> tuple[list[Positions], pd.Index]:
    """Rows of each year of a decomposition, and the names of its numbers."""
    if time is None:
        return [np.arange(len(df))], pd.Index(PARTS, name="name")
    index = pd.MultiIndex.from_product([decomposition["time"], PARTS], names=["time", "name"])
    return [np.flatnonzero(df[time] == t) for t in decomposition["time"]], index


def _parts_by_label(y: Floats, member: Positions, n_groups: int) -> Floats:
    """Dagum's parts and shares (draws, 7) of values y (units,) whose groups differ by draw (draws, units).

    A unit counts once in each group, with weight one in its own and zero in the others.
    """
    groups = np.arange(n_groups)
    weights = (member[:, :, None] == groups).reshape(len(member), -1).astype(float)
    return _weighted_parts(np.repeat(y, n_groups), np.tile(groups, len(y)), weights)


def _weighted_parts(y: Floats, member: Positions, weights: Floats) -> Floats:
    """Dagum's parts and shares (draws, 7) of values y (units,) in groups, under frequency weights (draws, units)."""
    order = np.argsort(y, kind="stable")
    y, member, w = y[order], member[order], weights[:, order]
    n, total = w.sum(axis=1), w @ y
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw of zeros alone is refused by the result
        gini = _sorted_differences(w, w * y) / (n * total)
        within = np.zeros(len(w))
        sizes, sums = [], []
        for g in np.unique(member):
            w_g = w[:, member == g]
            wy_g = w_g * y[member == g]
            within += _sorted_differences(w_g, wy_g)
            sizes.append(w_g.sum(axis=1))
            sums.append(wy_g.sum(axis=1))
        size, summed = np.array(sizes).T, np.array(sums).T
        by_mean = np.argsort(np.where(size > 0, summed / size, 0.0), axis=1, kind="stable")
        size, summed = np.take_along_axis(size, by_mean, 1), np.take_along_axis(summed, by_mean, 1)
        within, between = within / (n * total), _sorted_differences(size, summed) / (n * total)
        overlap = gini - within - between
        overlap = np.where(np.abs(overlap) < TIE, 0.0, overlap)
        parts = np.column_stack([gini, within, between, overlap])
        return np.hstack([parts, parts[:, 1:] / gini[:, None]])


def _sorted_differences(weight: Floats, weighted: Floats) -> Floats:
    """Half the sum of weighted absolute differences of sorted values; ``weighted`` is weight times value."""
    below_minus_above = 2 * np.cumsum(weight, axis=1) - weight - weight.sum(axis=1, keepdims=True)
    return np.asarray((weighted * below_minus_above).sum(axis=1))


def _jackknife_error(theta: Floats, left_out: Floats, strata: Positions) -> tuple[Floats, Floats]:
    """Standard error and bias."""
    variance, bias = np.zeros_like(theta), np.zeros_like(theta)
    for s in np.unique(strata):
        values = left_out[strata == s]
        n = len(values)
        variance += (n - 1) / n * ((values - values.mean(axis=0)) ** 2).sum(axis=0)
        bias += (n - 1) * (values.mean(axis=0) - theta)
    return np.sqrt(variance), bias


def _bca_tails(
    tails: Floats, theta: Floats, draws: Floats, left_out: Floats, strata: Positions, names: pd.Index
) -> Floats:
    """Tail probabilities (2, names) moved by the bias correction and the acceleration."""
    gap = TIE * np.abs(theta)
    below = ((draws < theta - gap).mean(axis=0) + (draws <= theta + gap).mean(axis=0)) / 2
    one_sided = (below == 0) | (below == 1)
    if one_sided.any():
        raise DomainError(
            "all draws lie on one side of the estimate, and the bias-corrected interval is not defined",
            keys=names[one_sided],
            remedy="use interval='basic', or more draws",
        )
    second, third = np.zeros_like(theta), np.zeros_like(theta)
    for s in np.unique(strata):
        values = left_out[strata == s]
        n = len(values)
        influence = (n - 1) / n * (values.mean(axis=0) - values)
        second += (influence**2).sum(axis=0)
        third += (influence**3).sum(axis=0)
    acceleration = np.divide(third, 6 * second**1.5, out=np.zeros_like(theta), where=second > 0)
    shifted = special.ndtri(below) + special.ndtri(tails)
    return np.asarray(special.ndtr(special.ndtri(below) + shifted / (1 - acceleration * shifted)))
