"""Location quotients, the co-agglomeration index of Chen and Wang, the division index of Song and Li."""

from __future__ import annotations

from typing import Literal, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import DomainError, KeyColumnError, MissingValueError, require_choice
from regiometrics.measure.hierarchy import flag
from regiometrics.panel import complete, keys_of, named, refuse, require_keys

Form = Literal["quality_depth", "quality"]
Vector = TypeVar("Vector", pd.Series, npt.NDArray[np.float64])


def location_quotient(
    df: pd.DataFrame,
    *,
    unit: str,
    industry: str,
    value: str,
    time: str | None = None,
    totals: pd.Series | None = None,
) -> pd.Series:
    r"""Location quotient :math:`LQ_{cm} = (q_{cm}/q_c) / (q_m/q)`, equation (1) of Chen and Wang.

    Parameters
    ----------
    df : DataFrame
        One row per unit, industry (and time); all industries of a unit, since :math:`q_c` is their sum.
    unit, industry, value : str
        Key columns and the column of employment or output, in any unit of measure.
    time : str, optional
        Column of the periods.
    totals : Series, optional
        National total :math:`q_m` by industry, or by (time, industry) when ``time`` is given.
        Left out, the base is the total of ``df``, and the share-weighted mean of the quotient over units is 1.

    Returns
    -------
    Series
        The quotient of each row of ``df``, on its index; 1 is the national share, 0 is absence.

    Raises
    ------
    KeyColumnError
        A column is absent, (unit, industry, time) does not identify each row, or ``totals`` lacks an industry.
    MissingValueError
        A missing value.
    DomainError
        Negative values, a unit without any employment, an industry whose national total is zero,
        or units that together exceed the national total.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a", "a", "b", "b"], "sector": ["m", "s", "m", "s"], "jobs": [30, 70, 50, 50]})
    >>> location_quotient(df, unit="city", industry="sector", value="jobs").round(3).tolist()
    [0.75, 1.167, 1.25, 0.833]
    """
    keys = named(time, unit, industry)
    used, _ = complete(df, [value], keys=keys)
    remedy = "correct these cells: employment and output cannot be negative"
    refuse(DomainError, "negative values", rows=used[value] < 0, of=used, keys=keys, column=value, remedy=remedy)
    by_industry, by_period = named(time, industry), named(time)
    in_unit = used.groupby(named(time, unit), observed=True)[value].transform("sum")
    _require_positive(used, in_unit, value, named(time, unit), "no employment in any industry")
    own_total = used.groupby(by_industry, observed=True)[value].transform("sum")
    if totals is None:
        in_industry = own_total
        everything = used.groupby(by_period)[value].transform("sum") if by_period else used[value].sum()
    else:
        national = _national(totals, used, by_industry, value)
        in_industry = _at(national, used, by_industry)
        refuse(
            DomainError,
            "the units together exceed the national total",
            rows=own_total > in_industry * (1 + 1e-9),
            of=used,
            keys=by_industry,
            column=value,
            remedy="use totals in the same unit of measure and of the same or a wider area",
        )
        everything = used[time].map(national.groupby(level=0).sum()) if time is not None else national.sum()
    _require_positive(used, in_industry, value, by_industry, "the national total of an industry is zero")
    quotient = (used[value] / in_unit) / (in_industry / everything)
    return quotient.rename("location_quotient")


def coagglomeration(lq_a: Vector, lq_b: Vector, *, form: Form = "quality_depth") -> Vector:
    r"""Co-agglomeration of two industries in a city from their location quotients, equation (2) of Chen and Wang.

    .. math:: y = \Bigl[1 - \frac{|LQ_a - LQ_b|}{LQ_a + LQ_b}\Bigr] + (LQ_a + LQ_b)

    The bracket is the quality of co-agglomeration, between 0 and 1; the sum is its depth, unbounded above.

    Parameters
    ----------
    lq_a, lq_b : Series or array of shape (n,)
        Location quotients; Series must share one index.
    form : {"quality_depth", "quality"}
        The sum of both, as here, or the bracket alone.

    Returns
    -------
    Series or array of shape (n,)
        Same kind as the input.

    Raises
    ------
    KeyColumnError
        Two Series on different indices.
    MissingValueError
        A missing quotient.
    DomainError
        A negative quotient, or both zero: the city has neither industry and the quality is not defined.

    Examples
    --------
    >>> coagglomeration(np.array([1.0, 0.5]), np.array([1.0, 1.5])).tolist()
    [3.0, 2.5]
    """
    require_choice("form", form, Form)
    if isinstance(lq_a, pd.Series) and isinstance(lq_b, pd.Series) and not lq_a.index.equals(lq_b.index):
        raise KeyColumnError("the two location quotients stand on different indices", remedy="align them first")
    a, b = np.asarray(lq_a, dtype=float), np.asarray(lq_b, dtype=float)
    index = lq_a.index if isinstance(lq_a, pd.Series) else np.arange(a.size)
    both = a + b
    for bad, error, problem, remedy in (
        (~np.isfinite(both), MissingValueError, "a location quotient is missing", "fill it in or leave the row out"),
        ((a < 0) | (b < 0), DomainError, "a location quotient is negative", "check the employment it stands on"),
        (both == 0, DomainError, "both location quotients are zero", "leave out units that have neither industry"),
    ):
        if bad.any():
            raise error(problem, n_rows=int(bad.sum()), keys=list(index[bad]), remedy=remedy)
    quality = 1 - np.abs(a - b) / both
    value: npt.NDArray[np.float64] = quality if form == "quality" else quality + both
    return pd.Series(value, index=lq_a.index, name="coagglomeration") if isinstance(lq_a, pd.Series) else value


def division_index(
    df: pd.DataFrame, *, unit: str, time: str, cluster: str, services: str, manufacturing: str, central: str
) -> pd.Series:
    r"""Functional specialisation of a city within its cluster, the variable `div` of Song and Li.

    .. math:: div_k = \frac{L_{ks}/L_{km}}{L_{Ns}/L_{Nm}}, \qquad div_p = \frac{L_{pm}/L_{ps}}{L_{Nm}/L_{Ns}}

    The left one holds for a central city :math:`k`, the right one for a non-central city :math:`p`, with employment in
    producer services :math:`s` and in manufacturing :math:`m`.

    Parameters
    ----------
    df : DataFrame
        One row per city and time, all cities of a cluster: its totals :math:`L_N` are their sum, the city included.
    unit, time, cluster : str
        Key columns.
    services, manufacturing : str
        Columns of employment, both in the same unit of measure or each in its own.
    central : str
        Column that is 1 for central cities and 0 for others.

    Returns
    -------
    Series
        On the index of ``df``; 1 is the structure of the cluster, more is a city on its side of the division.

    Raises
    ------
    KeyColumnError, MissingValueError
        A column is absent, a key null or repeated, a value missing.
    DomainError
        Employment that is not positive, or ``central`` is neither 0 nor 1.

    Notes
    -----
    The two kinds of city have opposite directions: turned round, the index of a city is the reciprocal of itself. A
    regression that pools both kinds therefore mixes two variables.

    Examples
    --------
    >>> df = pd.DataFrame({"city": ["a", "b"], "year": 2008, "cluster": "x", "s": [6, 2], "m": 2, "centre": [1, 0]})
    >>> keys = {"unit": "city", "time": "year", "cluster": "cluster", "central": "centre"}
    >>> division_index(df, **keys, services="s", manufacturing="m").tolist()
    [1.5, 2.0]
    """
    keys = [unit, time]
    require_keys(df, [cluster], unique=False)
    used, _ = complete(df, [services, manufacturing, central], keys=keys)
    for column in (services, manufacturing):
        remedy = "correct the cell or leave the city-year out: the index is not defined there"
        problem = "employment must be positive"
        refuse(DomainError, problem, rows=used[column] <= 0, of=used, keys=keys, column=column, remedy=remedy)
    is_centre = flag(used, central, keys)
    total = used.groupby([df[cluster], used[time]], observed=True)[[services, manufacturing]].transform("sum")
    ratio = (used[services] / used[manufacturing]) / (total[services] / total[manufacturing])
    return ratio.where(is_centre, 1 / ratio).rename("division_index")


def _require_positive(df: pd.DataFrame, total: pd.Series, value: str, keys: list[str], problem: str) -> None:
    remedy = "leave these out: the quotient is not defined there"
    refuse(DomainError, problem, rows=total <= 0, of=df, keys=keys, column=value, remedy=remedy)


def _national(totals: pd.Series, df: pd.DataFrame, keys: list[str], value: str) -> pd.Series:
    """The national totals as floats, with every (time, industry) that occurs."""
    wanted = set(keys_of(df, np.ones(len(df), dtype=bool), keys))
    absent = sorted(wanted - set(totals.index), key=str)
    if len(absent):
        raise KeyColumnError(
            "no national total",
            column=value,
            keys=absent,
            remedy=f"totals must be indexed by ({', '.join(keys)})",
        )
    return totals.astype(float)


def _at(national: pd.Series, df: pd.DataFrame, keys: list[str]) -> pd.Series:
    at = pd.MultiIndex.from_frame(df[keys]) if len(keys) > 1 else pd.Index(df[keys[0]])
    return pd.Series(national.reindex(at).to_numpy(), index=df.index)
