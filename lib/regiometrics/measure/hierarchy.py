"""The hierarchy of a city cluster: rank-size rule, number of centres, distance of cities to their centres."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import DomainError, GroupSizeError, InfeasibleError, NoDonorsError, require_choice
from regiometrics.panel import Sample, complete, named, refuse, require_keys
from regiometrics.result import Estimate, frozen_options

Method = Literal["fixed", "ols", "gabaix_ibragimov", "meijers_burger"]
Form = Literal["log_ratio", "difference", "log_difference"]
Unfinished = Literal["missing", "raise"]
Floats = npt.NDArray[np.float64]

FEWEST: Mapping[Method, int] = MappingProxyType({"fixed": 2, "ols": 2, "gabaix_ibragimov": 2, "meijers_burger": 4})
"""Cities that a method needs."""


@dataclass(frozen=True, kw_only=True)
class RankSizeResult(Estimate):
    """Rank-size rule of each cluster (and time).

    Attributes
    ----------
    estimates : DataFrame
        As `to_frame`.
    ranks : DataFrame
        One row per city: ``cluster, time, unit, population, rank, tied``; ``tied`` marks cities as large as another of
        their cluster, whose ranks follow the order of the table.
    sample, options
        See `Estimate`.
    """

    estimates: pd.DataFrame = field(repr=False)
    ranks: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per cluster: ``cluster, time, n, q, intercept, largest, ties``.

        ``largest`` is the key of the first city, ``ties`` the number of cities that are as large as another one;
        ``time`` is left out where none was named.
        """
        return self.estimates.copy()


@dataclass(frozen=True, kw_only=True)
class CentreResult(Estimate):
    """Number of centres of each cluster (and time) by the removal rule.

    Attributes
    ----------
    counts : DataFrame
        As `to_frame`.
    path : DataFrame
        One row per cluster and number of removals, as far as the method can go: ``cluster, time, removed, removed_unit,
        n, q``. ``removed_unit`` is the city that went last, missing in the first row; ``n`` counts those that are left.
    sample, options
        See `Estimate`.
    """

    counts: pd.DataFrame = field(repr=False)
    path: pd.DataFrame = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """One row per cluster: ``cluster, time, n, q, polycentric, n_centres``.

        ``q`` is that of the whole cluster and ``polycentric`` whether it is at or below the threshold; ``n_centres``
        (Int64) is missing where the rule does not end.
        """
        return self.counts.copy()


def rank_size(
    df: pd.DataFrame,
    *,
    unit: str,
    cluster: str,
    population: str,
    time: str | None = None,
    method: Method = "fixed",
) -> RankSizeResult:
    r"""Rank-size rule :math:`\ln p_i = C - q \ln R_i` of each cluster; a large :math:`q` is a dominant first city.

    Parameters
    ----------
    df : DataFrame
        One row per city (and time).
    unit, cluster, population : str
        Columns of the city, its cluster, and its population in any unit of measure.
    time : str, optional
        Column of the periods.
    method : {"fixed", "ols", "gabaix_ibragimov", "meijers_burger"}
        ``"fixed"``: :math:`C = \ln p_1`, as Song and Li say, so that
        :math:`q = \sum \ln R_i (\ln p_1 - \ln p_i) / \sum (\ln R_i)^2`.
        ``"ols"``: the intercept is estimated.
        ``"gabaix_ibragimov"``: the inverse regression :math:`\ln(R_i - 1/2) = a - b \ln p_i` of rank on population,
        which is nearly unbiased for the exponent :math:`b` of a power law; :math:`q = 1/b` and :math:`C = a/b`.
        ``"meijers_burger"``: mean of the least-squares slopes, and of the intercepts, over the 2, 3 and 4 largest.

    Returns
    -------
    RankSizeResult
        Clusters in the order of the table; cities of equal size are ranked in the order of the table.

    Raises
    ------
    KeyColumnError
        A column is absent, a key null, or (unit, time) does not identify each row.
    MissingValueError
        A missing population.
    DomainError
        A population that is not positive.
    GroupSizeError
        Fewer than two cities in a cluster, or four for ``"meijers_burger"``.

    Notes
    -----
    Meijers and Burger (2010) average over the largest cities, Gabaix and Ibragimov (2011) move the rank by one half.
    When all cities are equal :math:`q = 0`, for the inverse regression as a limit.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcd"), "cluster": "x", "pop": [12.0, 6.0, 4.0, 3.0]})
    >>> rank_size(df, unit="city", cluster="cluster", population="pop").to_frame()["q"].round(6).tolist()
    [1.0]
    """
    require_choice("method", method, Method)
    ranks, sample = _ranked(df, unit=unit, cluster=cluster, population=population, time=time, method=method)
    fits = np.array([FITS[method](log_size) for log_size in _log_sizes(ranks)])
    first, ties = ranks["rank"] == 1, ranks["tied"].groupby((ranks["rank"] == 1).cumsum()).sum()
    estimates = _keys(ranks)[first].assign(
        n=ranks["n"],
        q=fits[:, 0],
        intercept=fits[:, 1],
        largest=ranks["unit"],
        ties=ties.to_numpy(),
    )
    options = frozen_options(unit=unit, cluster=cluster, population=population, time=time, method=method)
    return RankSizeResult(
        sample=sample,
        options=options,
        estimates=estimates.reset_index(drop=True),
        ranks=ranks.drop(columns="n"),
    )


def centre_count(
    df: pd.DataFrame,
    *,
    unit: str,
    cluster: str,
    population: str,
    time: str | None = None,
    threshold: float = 0.5,
    method: Method = "fixed",
    unfinished: Unfinished = "missing",
) -> CentreResult:
    r"""Number of centres of each cluster: the second-largest city is removed until :math:`q` exceeds the threshold.

    Parameters
    ----------
    df, unit, cluster, population, time
        As in `rank_size`.
    threshold : float
        A cluster with :math:`q` above it has one centre; exactly at it, it counts as polycentric.
    method : {"fixed", "ols", "gabaix_ibragimov", "meijers_burger"}
        How :math:`q` is estimated. ``"ols"`` and ``"gabaix_ibragimov"`` warn: their :math:`q` can fall when a city is
        removed, and cross the threshold more than once; the first crossing counts.
    unfinished : {"missing", "raise"}
        What to do with a cluster in which no removal brings :math:`q` above the threshold: a missing count or an error.

    Returns
    -------
    CentreResult
        The centres are the largest city and those removed; their number is 1 plus the number of removals.

    Raises
    ------
    InfeasibleError
        ``unfinished="raise"`` and the rule does not end in some cluster.
    KeyColumnError, MissingValueError, DomainError, GroupSizeError
        As in `rank_size`.

    Warns
    -----
    UserWarning
        A method whose :math:`q` can fall.

    Notes
    -----
    *With the fixed intercept the rule is well defined.* Write :math:`w_j=\ln j`, :math:`g_j=\ln p_1-\ln p_j` and
    :math:`Q_n=\sum_{j\le n} w_j^2`, so that :math:`q=\sum_j w_j g_j/Q_n`. A removal moves each of the cities
    :math:`3,\dots,n` up by one rank. The change of :math:`q` is linear in :math:`g`, and
    :math:`0\le g_2\le\dots\le g_n` is a sum of steps :math:`g_j=1\{j\ge k\}`, :math:`k=2,\dots,n`, with non-negative
    weights: it is enough to look at the steps. There the change is :math:`D_k w_n^2/(Q_n Q_{n-1})` with

    .. math:: D_k = \sum_{j=k}^{n} w_j - (w_n - w_{k-1})\,Q_n/w_n^2 .

    :math:`D_{k+1}-D_k = -w_k + (w_k-w_{k-1})\,Q_n/w_n^2` changes sign at most once in :math:`k`, from plus to minus,
    since :math:`(w_k-w_{k-1})/w_k` falls in :math:`k`. So :math:`D_k` rises and then falls, between
    :math:`D_2=\sum_j w_j(1-w_j/w_n)>0` and :math:`D_{n+1}=0`, and is positive for :math:`2\le k\le n`, :math:`n\ge 3`.
    Hence every removal raises :math:`q`, unless all cities are equal and it stays 0: there is one crossing at most.

    *With the mean of the top slopes too.* There :math:`q=a_2g_2+a_3g_3+a_4g_4` with :math:`a=(0.502, 0.364, 0.182)`,
    and a removal puts the next gap, which is no smaller, into each place.

    *It need not end.* With the fixed intercept two cities are left in the end, the largest and the smallest, with
    :math:`q=\ln(p_1/p_n)/\ln 2`. There is no crossing when :math:`p_1\le 2^{t} p_n`, at the threshold
    :math:`t=0.5` when the largest city is at most :math:`\sqrt 2` times the smallest.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcd"), "cluster": "x", "pop": [10.0, 9.5, 9.0, 5.0]})
    >>> result = centre_count(df, unit="city", cluster="cluster", population="pop")
    >>> int(result.to_frame()["n_centres"].item()), result.path["q"].round(2).tolist()
    (3, [0.31, 0.49, 1.0])
    """
    require_choice("method", method, Method)
    require_choice("unfinished", unfinished, Unfinished)
    if method in ("ols", "gabaix_ibragimov"):
        problem = f"the removal rule is not well defined with method={method!r}: q can fall when a city is removed"
        warnings.warn(f"{problem}; method='fixed' is", UserWarning, stacklevel=2)
    ranks, sample = _ranked(df, unit=unit, cluster=cluster, population=population, time=time, method=method)
    path = ranks[ranks["rank"] <= ranks["n"] - FEWEST[method] + 1]
    removed = path["rank"] - 1
    path = _keys(path).assign(
        removed=removed,
        removed_unit=path["unit"].astype(object).where(removed > 0, None),
        n=path["n"] - removed,
        q=np.concatenate([_path(log_size, method) for log_size in _log_sizes(ranks)]),
    )
    whole = path["removed"] == 0
    above = path["removed"].where(path["q"] > threshold).groupby(whole.cumsum()).min()  # missing where none is above
    counts = path[whole].drop(columns=["removed", "removed_unit"])
    counts = counts.assign(polycentric=counts["q"] <= threshold, n_centres=1 + above.to_numpy())
    endless = counts["n_centres"].isna()
    if unfinished == "raise":
        refuse(
            InfeasibleError,
            f"no removal brings q above {threshold:g}",
            rows=endless,
            of=counts,
            keys=_keys(counts).columns.tolist(),
            column=population,
            remedy="their cities are too alike to tell centres; leave these clusters out or pass unfinished='missing'",
        )
    options = frozen_options(
        unit=unit,
        cluster=cluster,
        population=population,
        time=time,
        threshold=threshold,
        method=method,
        unfinished=unfinished,
    )
    return CentreResult(
        sample=sample,
        options=options,
        counts=counts.astype({"n_centres": "Int64"}).reset_index(drop=True),
        path=path.reset_index(drop=True),
    )


def disparity(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    cluster: str,
    value: str,
    central: str,
    form: Form = "log_ratio",
) -> pd.Series:
    r"""Distance of a non-central city to the centres of its cluster, the outcome of Song and Li's equation (10).

    Parameters
    ----------
    df : DataFrame
        One row per city and time.
    unit, time, cluster, value, central : str
        Columns of the city, the period, the cluster, the measure :math:`h`, and whether the city is a centre.
    form : {"log_ratio", "difference", "log_difference"}
        :math:`\ln \bar h_c - \ln h_p`, :math:`\bar h_c - h_p` or :math:`\ln(\bar h_c - h_p)`, with the mean
        :math:`\bar h_c` of the cluster's centres in that period. The last is the paper's; it exists only while every
        city lies below its centres.

    Returns
    -------
    Series
        On the index of ``df``; NaN in the rows of centres, which have no distance to themselves.

    Raises
    ------
    KeyColumnError, MissingValueError
        A column is absent, a key null or repeated, a value missing.
    DomainError
        ``central`` is neither 0 nor 1, or the logarithm of a number that is not positive.
    NoDonorsError
        A cluster has no centre in some period.
    GroupSizeError
        All cities of a cluster are centres in some period.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a", "b"], "year": 2008, "cluster": "x", "h": [1.0, 0.5], "centre": [True, False]})
    >>> disparity(df, unit="city", time="year", cluster="cluster", value="h", central="centre").round(3).tolist()
    [nan, 0.693]
    """
    require_choice("form", form, Form)
    by, keys = [cluster, time], [unit, time]
    require_keys(df, [cluster], unique=False)
    used = complete(df, [value, central], keys=keys)[0].assign(**{cluster: df[cluster]})
    is_centre = flag(used, central, keys)
    groups = is_centre.groupby([used[column] for column in by], observed=True)
    refuse(
        NoDonorsError,
        "a cluster without a centre",
        rows=~groups.transform("any"),
        of=used,
        keys=by,
        column=central,
        remedy="name its centre or leave the cluster out",
    )
    refuse(
        GroupSizeError,
        "all cities of a cluster are centres",
        rows=groups.transform("all"),
        of=used,
        keys=by,
        column=central,
        remedy="leave the cluster out: no city has a distance to a centre",
    )
    if form == "log_ratio":
        remedy = "use form='difference'"
        _require_positive(used, used[value], value, keys, "the logarithm needs positive values", remedy)
    in_cluster = used[value].where(is_centre).groupby([used[column] for column in by], observed=True)
    centre = in_cluster.transform("mean")
    gap = (centre / used[value] if form == "log_ratio" else centre - used[value]).mask(is_centre)
    if form == "log_difference":
        problem, remedy = "the city is not below its centres", "use form='log_ratio', which is defined there too"
        _require_positive(used, gap, value, keys, problem, remedy)
    distance = gap if form == "difference" else pd.Series(np.log(gap), index=df.index)
    return distance.rename("disparity")


def flag(df: pd.DataFrame, column: str, keys: list[str]) -> pd.Series:
    """The column as booleans; anything but 0 and 1 is a `DomainError`.

    Examples
    --------
    >>> flag(pd.DataFrame({"city": ["a", "b"], "centre": [1, 0]}), "centre", ["city"]).tolist()
    [True, False]
    """
    refuse(
        DomainError,
        "neither 0 nor 1",
        rows=~df[column].isin([0, 1]),
        of=df,
        keys=keys,
        column=column,
        remedy="write 1 for a city of this kind and 0 for the others",
    )
    return df[column].astype(bool)


def _ranked(
    df: pd.DataFrame, *, unit: str, cluster: str, population: str, time: str | None, method: Method
) -> tuple[pd.DataFrame, Sample]:
    """``cluster, time, unit, population, rank, tied, n``: clusters in the order of the table, their cities by size."""
    keys, by = named(time, unit), named(cluster, time)
    require_keys(df, [cluster], unique=False)
    used, sample = complete(df, [population], keys=keys)
    if used.empty:
        raise GroupSizeError("no city", remedy="check the selection of rows")
    used = used.assign(**{cluster: df[cluster]})
    _require_positive(used, used[population], population, keys, "population must be positive", "correct these cells")
    groups = used.groupby(by, sort=False, observed=True)
    fewest, n = FEWEST[method], groups[population].transform("size")
    refuse(
        GroupSizeError,
        f"method={method!r} needs at least {fewest} cities in a cluster",
        rows=n < fewest,
        of=used,
        keys=by,
        column=cluster,
        remedy="leave these clusters out",
    )
    rank = groups[population].rank(method="first", ascending=False).astype(int)  # ties in the order of the table
    columns = {"cluster": used[cluster], **({} if time is None else {"time": used[time]}), "unit": used[unit]}
    tied = used.duplicated([*by, population], keep=False)
    ranks = pd.DataFrame({**columns, "population": used[population], "rank": rank, "tied": tied, "n": n})
    order = np.lexsort((rank, groups.ngroup()))
    return ranks.iloc[order].reset_index(drop=True), sample


def _keys(ranks: pd.DataFrame) -> pd.DataFrame:
    """The columns ``cluster`` and, where there is one, ``time``."""
    return ranks[[column for column in ("cluster", "time") if column in ranks]]


def _log_sizes(ranks: pd.DataFrame) -> list[Floats]:
    """Log populations by rank, one array for each cluster (and time)."""
    starts = np.flatnonzero(ranks["rank"] == 1)
    return np.split(np.log(ranks["population"].to_numpy()), starts[1:])


def _path(log_size: Floats, method: Method) -> Floats:
    """The exponent after 0, 1, ... removals of the second-largest city."""
    removals = range(len(log_size) - FEWEST[method] + 1)
    return np.array([FITS[method](np.delete(log_size, slice(1, 1 + m)))[0] for m in removals])


def _fixed(log_size: Floats) -> tuple[float, float]:
    """Exponent through the largest city, and its log population."""
    log_rank = np.log(np.arange(1, len(log_size) + 1))
    return float(log_rank @ (log_size[0] - log_size) / (log_rank @ log_rank)), float(log_size[0])


def _least_squares(log_size: Floats) -> tuple[float, float]:
    """Exponent and intercept of the regression of log population on log rank."""
    log_rank = np.log(np.arange(1, len(log_size) + 1))
    centred = log_rank - log_rank.mean()
    q = centred @ (log_size[0] - log_size) / (centred @ centred)  # gaps, so that equal cities give exactly 0
    return float(q), float(log_size.mean() + q * log_rank.mean())


def _inverse_regression(log_size: Floats) -> tuple[float, float]:
    """Exponent and intercept implied by the regression of the log of rank - 1/2 on log population."""
    log_rank = np.log(np.arange(1, len(log_size) + 1) - 0.5)
    gap = log_size[0] - log_size
    spread = gap - gap.mean()
    q = spread @ spread / (spread @ log_rank) if gap[-1] > 0 else 0.0
    return float(q), float(log_size.mean() + q * log_rank.mean())


def _mean_of_top_slopes(log_size: Floats) -> tuple[float, float]:
    """Mean exponent and intercept over the 2, 3 and 4 largest cities."""
    q, intercept = np.mean([_least_squares(log_size[:top]) for top in (2, 3, 4)], axis=0)
    return float(q), float(intercept)


FITS: Mapping[Method, Callable[[Floats], tuple[float, float]]] = MappingProxyType(
    {
        "fixed": _fixed,
        "ols": _least_squares,
        "gabaix_ibragimov": _inverse_regression,
        "meijers_burger": _mean_of_top_slopes,
    }
)
"""Exponent and intercept from the log populations by rank, by method."""


def _require_positive(
    df: pd.DataFrame, values: pd.Series, column: str, keys: list[str], problem: str, remedy: str
) -> None:
    refuse(DomainError, problem, rows=values <= 0, of=df, keys=keys, column=column, remedy=remedy)
