"""Specialisation of regions by industry: Krugman's index to a reference and by pair, advantage sectors, class shares.

All functions read one row per region and industry (and time), with a zero where a region lacks an industry.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    UnbalancedPanelError,
    require_choice,
)
from regiometrics.measure.quotient import location_quotient
from regiometrics.panel import named, numeric, refuse, require_keys

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]
Reference = Literal["rest", "cluster", "national"]
Base = Literal["cluster", "national"]

ROUNDING = 1e-12  # a quotient above the threshold by less than this part of it is not an advantage


def relative_specialization(
    df: pd.DataFrame,
    *,
    region: str,
    industry: str,
    value: str,
    time: str | None = None,
    cluster: str | None = None,
    reference: Reference = "rest",
    scale: float = 1.0,
) -> pd.DataFrame:
    r"""Krugman's index of a region against a reference, :math:`K_i = \sum_k |s_{ik} - \bar s_k|`.

    :math:`s_{ik}` is the share of industry k in the output of region i, :math:`\bar s_k` its share in the reference.

    Parameters
    ----------
    df : DataFrame
        One row per region and industry (and time), zeros written; all regions of a cluster.
    region, industry, value : str
        Key columns and the column of output or employment, in any unit of measure.
    time, cluster : str, optional
        Columns of the periods and of the groups of regions; without ``cluster`` all regions form one.
    reference : {"rest", "cluster", "national"}
        The other regions of the same cluster pooled, the whole cluster, or all regions of ``df``.
    scale : float
        Factor of the sum; 0.5 gives the halved form.

    Returns
    -------
    DataFrame
        ``time`` and ``group`` where given, ``unit``, ``share`` (of the region in the total of its cluster),
        ``specialization`` (0 for the structure of the reference, 2 for none in common, times ``scale``).

    Raises
    ------
    KeyColumnError
        A column is absent, the keys do not identify each row, or a region lies in two clusters.
    UnbalancedPanelError
        Within a period a region lacks the row of an industry.
    MissingValueError, DomainError
        A missing value; a negative one, or a region whose total is zero.
    GroupSizeError
        A reference with a single region.

    Notes
    -----
    Krugman (1991), Geography and Trade. The index against the whole cluster is (1 - share) times the one against the
    rest. Li Lei (2016) prints no formula, but a pair index of 1.03: more than the halved form can reach, so the sum
    is not halved there.

    Examples
    --------
    >>> df = pd.DataFrame({"place": ["a", "a", "b", "b"], "sector": ["m", "s", "m", "s"], "output": [30, 70, 50, 50]})
    >>> keys = {"region": "place", "industry": "sector", "value": "output"}
    >>> relative_specialization(df, **keys)["specialization"].round(9).tolist()
    [0.4, 0.4]
    """
    require_choice("reference", reference, Reference)
    _require_positive("scale", scale)
    grid = _Grid.of(df, region=region, industry=industry, value=value, time=time, cluster=cluster)
    grid.require_pairs(within=reference != "national")
    t, i = np.nonzero(grid.seen)
    gap = np.abs(grid.shares - _shares(grid.reference(reference))).sum(axis=2)[t, i]
    own, all_own = grid.output.sum(axis=2), grid.reference("cluster").sum(axis=2)
    share = own[t, i] / all_own[t, i]
    return pd.DataFrame(
        {**grid.keys(t, i), "unit": grid.regions.take(i), "share": share, "specialization": scale * gap}
    )


def interregional_specialization(
    df: pd.DataFrame,
    *,
    region: str,
    industry: str,
    value: str,
    time: str | None = None,
    cluster: str | None = None,
    scale: float = 1.0,
) -> pd.DataFrame:
    r"""Krugman's index of all pairs of regions, :math:`K_{ij} = \sum_k |s_{ik} - s_{jk}|`.

    Parameters
    ----------
    df, region, industry, value, time, scale
        As for `relative_specialization`.
    cluster : str, optional
        Pairs are formed inside these groups; left out, all regions of a period are paired.

    Returns
    -------
    DataFrame
        ``time`` and ``group`` where given, ``unit_a``, ``unit_b``, ``specialization``. Each pair stands once, regions
        in the order of their first row, cluster by cluster.

    Raises
    ------
    KeyColumnError, UnbalancedPanelError, MissingValueError, DomainError
        As for `relative_specialization`.
    GroupSizeError
        A single region, in a cluster or in ``df``.

    Notes
    -----
    Krugman (1991), Geography and Trade. The index is a distance: symmetric, zero for equal structures, and no longer
    than the way over a third region. For the form that the printed 1.03 needs see `relative_specialization`.

    Examples
    --------
    >>> df = pd.DataFrame({"place": ["a", "a", "b", "b"], "sector": ["m", "s", "m", "s"], "output": [30, 70, 50, 50]})
    >>> interregional_specialization(df, region="place", industry="sector", value="output").round(9).to_dict("records")
    [{'unit_a': 'a', 'unit_b': 'b', 'specialization': 0.4}]
    """
    from scipy.spatial.distance import pdist  # long to import, and needed here alone

    _require_positive("scale", scale)
    grid = _Grid.of(df, region=region, industry=industry, value=value, time=time, cluster=cluster)
    grid.require_pairs()
    blocks = grid.blocks()
    i, j = np.hstack([b.start + np.array(np.triu_indices(b.stop - b.start, 1)) for b in blocks])
    gap = np.stack([np.concatenate([pdist(shares[b], "cityblock") for b in blocks]) for shares in grid.shares])
    t, p = np.nonzero(grid.seen[:, i] & grid.seen[:, j])
    return pd.DataFrame(
        {
            **grid.keys(t, i[p]),
            "unit_a": grid.regions.take(i[p]),
            "unit_b": grid.regions.take(j[p]),
            "specialization": scale * gap[t, p],
        }
    )


def advantage_sectors(
    df: pd.DataFrame,
    *,
    region: str,
    industry: str,
    value: str,
    time: str | None = None,
    cluster: str | None = None,
    reference: Base | pd.Series = "cluster",
    threshold: float = 1.0,
) -> pd.DataFrame:
    """Industries whose location quotient in a region exceeds a threshold, and those that no neighbour shares.

    Parameters
    ----------
    df, region, industry, value, time, cluster
        As for `relative_specialization`.
    reference : {"cluster", "national"} or Series
        Base of the quotient: the cluster, all regions of ``df``, or totals by industry, by (time, industry) when
        ``time`` is given.
    threshold : float
        The quotient that an advantage must exceed.

    Returns
    -------
    DataFrame
        ``time`` and ``group`` where given, ``unit``, ``industry``, ``location_quotient``, ``advantage``, ``sole``
        (no other region of the cluster has the advantage), ``n_regions`` (regions of the cluster that have it).

    Raises
    ------
    KeyColumnError, UnbalancedPanelError, MissingValueError
        As for `relative_specialization`; totals that lack an industry.
    DomainError
        Also an industry whose total in the reference is zero, and totals that the regions together exceed.
    GroupSizeError
        A cluster with a single region.

    Notes
    -----
    Against the cluster the mean of the quotient weighted by ``share`` is 1, so no industry is an advantage of all
    regions, and an advantage at 1 is the same as a share above that of the rest of the cluster.

    Examples
    --------
    >>> df = pd.DataFrame({"place": ["a", "a", "b", "b"], "sector": ["m", "s", "m", "s"], "output": [30, 70, 50, 50]})
    >>> found = advantage_sectors(df, region="place", industry="sector", value="output")
    >>> found.loc[found["sole"], ["unit", "industry"]].to_dict("records")
    [{'unit': 'a', 'industry': 's'}, {'unit': 'b', 'industry': 'm'}]
    """
    if not isinstance(reference, pd.Series):
        require_choice("reference", reference, Base)
    _require_positive("threshold", threshold)
    grid = _Grid.of(df, region=region, industry=industry, value=value, time=time, cluster=cluster)
    grid.require_pairs()
    order = np.argsort(grid.cell)
    t, i, k = np.unravel_index(grid.cell[order], grid.output.shape)
    if isinstance(reference, pd.Series):
        by_row = location_quotient(df, unit=region, industry=industry, value=value, time=time, totals=reference)
        quotient = by_row.to_numpy()[order]
    else:
        base = np.broadcast_to(grid.reference(reference), grid.output.shape)
        refuse(
            DomainError,
            "no region of the reference has the industry",
            rows=base[t, i, k] == 0,
            of=df.iloc[order],
            keys=named(time, cluster if reference == "cluster" else None, industry),
            column=value,
            remedy="leave the industry out everywhere, or compare with a wider reference",
        )
        quotient = grid.shares[t, i, k] / _shares(base)[t, i, k]
    has = quotient > threshold * (1 + ROUNDING)
    market = np.ravel_multi_index((t, grid.cluster[i], k), grid.output.shape)  # clusters never outnumber regions
    n_regions = np.bincount(market, has)[market].astype(int)
    return pd.DataFrame(
        {
            **grid.keys(t, i),
            "unit": grid.regions.take(i),
            "industry": grid.industries.take(k),
            "location_quotient": quotient,
            "advantage": has,
            "sole": has & (n_regions == 1),
            "n_regions": n_regions,
        }
    )


def intensity_shares(
    df: pd.DataFrame,
    *,
    region: str,
    industry: str,
    value: str,
    classes: Mapping[str, str],
    time: str | None = None,
    periods: Mapping[str, tuple[int, int]] | None = None,
) -> pd.DataFrame:
    """Shares of classes of industries, for instance labour-, capital- and technology-intensive, in each region.

    Parameters
    ----------
    df, region, industry, value, time
        As for `relative_specialization`.
    classes : Mapping
        Industry to class; industries that ``df`` does not hold are passed over.
    periods : Mapping, optional
        Name to first and last year, both included; the share of a period is the mean of its yearly shares.

    Returns
    -------
    DataFrame
        ``time`` (or ``period``) where given, ``unit``, ``class``, ``share``; the shares of a region sum to 1.

    Raises
    ------
    KeyColumnError
        Also an industry without a class, a year of a period that ``df`` does not hold, periods without ``time``.
    UnbalancedPanelError
        Also a region that is absent from a year of a period.
    MissingValueError, GroupSizeError
        A missing value; a table without rows.
    DomainError
        Also no period at all, or one that ends before it starts.

    Examples
    --------
    >>> df = pd.DataFrame({"place": "a", "code": ["13", "27", "39"], "output": [20, 30, 50]})
    >>> classes = {"13": "labour", "27": "technology", "39": "technology"}
    >>> intensity_shares(df, region="place", industry="code", value="output", classes=classes)["share"].tolist()
    [0.2, 0.8]
    """
    grid = _Grid.of(df, region=region, industry=industry, value=value, time=time, cluster=None)
    of_industry = [classes.get(k) for k in grid.industries]
    without = [k for k, c in zip(grid.industries, of_industry, strict=True) if pd.isna(c)]
    if without:
        remedy = "add them to the classes, or leave them out of the table"
        raise KeyColumnError("industries without a class", column=industry, keys=without, remedy=remedy)
    names = [c for c in dict.fromkeys(classes.values()) if c in of_industry]
    belongs = np.array([[c == name for name in names] for c in of_industry], dtype=float)
    shares, seen = grid.shares @ belongs, grid.seen
    label, labels = "time", grid.times
    if periods is not None:
        spans = _spans(periods, grid, time)
        shares = np.stack([shares[span].mean(axis=0) for span in spans])
        seen = np.stack([seen[span].any(axis=0) for span in spans])
        label, labels = "period", pd.Index(list(periods))
    t, i = (np.repeat(code, len(names)) for code in np.nonzero(seen))
    key = {} if labels is None else {label: labels.take(t)}
    at_class = np.tile(np.arange(len(names)), int(seen.sum()))
    return pd.DataFrame(
        {**key, "unit": grid.regions.take(i), "class": pd.Index(names).take(at_class), "share": shares[t, i, at_class]}
    )


@dataclass(frozen=True, slots=True)
class _Grid:
    """Output by period, region and industry; regions of a cluster stand together.

    Attributes
    ----------
    output : ndarray, shape (periods, regions, industries)
        Zero where a region or an industry is absent from a whole period.
    seen : ndarray of bool, shape (periods, regions)
        Whether the region has rows in the period.
    cell : ndarray of int, shape (rows,)
        Position of each row in the flattened output.
    times, regions, industries, clusters : Index
        Labels; None for a key that was not given.
    cluster : ndarray of int, shape (regions,)
        Cluster of each region, ascending.
    """

    output: Floats
    seen: Flags
    cell: Codes
    times: pd.Index | None
    regions: pd.Index
    industries: pd.Index
    clusters: pd.Index | None
    cluster: Codes

    @classmethod
    def of(
        cls, df: pd.DataFrame, *, region: str, industry: str, value: str, time: str | None, cluster: str | None
    ) -> _Grid:
        """The grid of a table, which must hold every region x industry cell of each period."""
        keys = named(time, region, industry)
        require_keys(df, named(cluster, *keys), unique=False)
        output = _output(df, value, keys)
        none = np.zeros(len(df), dtype=np.intp), None
        t, times = none if time is None else pd.factorize(df[time], sort=True)
        c, clusters = none if cluster is None else pd.factorize(df[cluster])
        k, industries = pd.factorize(df[industry])
        r, regions = pd.factorize(df[region])
        member = np.zeros(len(regions), dtype=np.intp)
        member[r] = c
        refuse(
            KeyColumnError,
            "a region in two clusters",
            rows=member[r] != c,
            of=df,
            keys=[region],
            column=cluster or "",
            remedy="give each region one cluster, the same in all its rows",
        )
        order = np.argsort(member, kind="stable")
        i = np.argsort(order)[r]
        shape = int(t.max()) + 1, len(regions), len(industries)
        cell = (t * shape[1] + i) * shape[2] + k
        rows = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape)
        if rows.max() > 1:
            require_keys(df, keys)  # names the rows
        filled = np.zeros(shape)
        filled.ravel()[cell] = output
        seen: Flags = np.any(rows, axis=2)
        grid = cls(filled, seen, cell, times, regions.take(order), industries, clusters, member[order])
        grid._require_cells(rows > 0)
        grid._require_totals(value)
        return grid

    @property
    def shares(self) -> Floats:
        """Share of each industry in the output of each region, by period."""
        return _shares(self.output)

    def reference(self, kind: Reference) -> Floats:
        """Output of the reference of each region, shape (periods, regions or 1, industries)."""
        if kind == "national":
            return np.asarray(self.output.sum(axis=1, keepdims=True))
        pooled = np.empty_like(self.output)
        for block in self.blocks():
            own = self.output[:, block]
            pooled[:, block] = _others(own) if kind == "rest" else own.sum(axis=1, keepdims=True)
        return pooled

    def blocks(self) -> list[slice]:
        """The regions of each cluster."""
        cuts = np.flatnonzero(np.diff(self.cluster, prepend=-1, append=len(self.cluster)))
        return [slice(a, b) for a, b in pairwise(cuts.tolist())]

    def keys(self, t: Codes, i: Codes) -> dict[str, pd.Index]:
        """The columns ``time`` and ``group`` of rows of period t and region i, where they were given."""
        columns = {}
        if self.times is not None:
            columns["time"] = self.times.take(t)
        if self.clusters is not None:
            columns["group"] = self.clusters.take(self.cluster[i])
        return columns

    def require_pairs(self, *, within: bool = True) -> None:
        """Raise `GroupSizeError` where a cluster (or all regions together) counts one region in a period."""
        for block in self.blocks() if within else [slice(0, len(self.regions))]:
            t = np.flatnonzero(self.seen[:, block].sum(axis=1) == 1)
            if t.size:
                raise GroupSizeError(
                    "a region without another one to compare it with",
                    keys=self._cells(t, self.regions.take(block.start + self.seen[t, block].argmax(axis=1))),
                    remedy="add the other regions of its cluster, or leave it out",
                )

    def _require_cells(self, filled: Flags) -> None:
        """Raise `UnbalancedPanelError` where a region lacks an industry that others have in the period."""
        wanted = np.any(filled, axis=2, keepdims=True) & np.any(filled, axis=1, keepdims=True)
        t, i, k = np.nonzero(wanted & ~filled)
        if t.size:
            raise UnbalancedPanelError(
                "every region needs a row of every industry of the period",
                keys=self._cells(t, self.regions.take(i), self.industries.take(k)),
                remedy="write a zero where the industry is absent",
            )

    def _require_totals(self, value: str) -> None:
        """Raise `DomainError` for a region without any output."""
        t, i = np.nonzero(self.seen & (self.output.sum(axis=2) == 0))
        if t.size:
            raise DomainError(
                "the total of a region is zero",
                column=value,
                keys=self._cells(t, self.regions.take(i)),
                remedy="leave the region out of the period: its structure is not defined",
            )

    def _cells(self, t: Codes, *labels: pd.Index) -> list[object]:
        """Keys of cells, with the period where there is one."""
        columns = labels if self.times is None else (self.times.take(t), *labels)
        return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def _output(df: pd.DataFrame, value: str, keys: list[str]) -> Floats:
    """The column of output: present, finite, not negative."""
    if df.empty:
        raise GroupSizeError("the table has no rows", remedy="check the selection of rows")
    output = numeric(df, value, keys)
    for error, problem, rows, remedy in (
        (
            MissingValueError,
            "missing or infinite values",
            ~np.isfinite(output),
            "fill them in, with 0 only for absence",
        ),
        (DomainError, "negative values", output < 0, "correct these cells: output cannot be negative"),
    ):
        refuse(error, problem, rows=rows, of=df, keys=keys, column=value, remedy=remedy)
    return output


def _others(own: Floats) -> Floats:
    """Sum of the other regions by period and industry, without the cancellation of total minus own."""
    others = np.zeros_like(own)
    others[:, 1:] = own[:, :-1].cumsum(axis=1)
    others[:, :-1] += own[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return others


def _shares(output: Floats) -> Floats:
    """Output over its sum along the last axis; zero where there is none."""
    total = output.sum(axis=-1, keepdims=True)
    return np.asarray(np.divide(output, total, out=np.zeros_like(output), where=total > 0))


def _spans(periods: Mapping[str, tuple[int, int]], grid: _Grid, time: str | None) -> list[Codes]:
    """Positions of the years of each period."""
    if grid.times is None:
        raise KeyColumnError("periods need the column of the years", remedy="pass time=")
    if not periods:
        raise DomainError("no period is named", remedy="name at least one, or leave periods out")
    spans = []
    for name, (first, last) in periods.items():
        if last < first:
            raise DomainError(f"period {name!r} ends before it starts", remedy="give its first year, then its last")
        years = np.arange(first, last + 1)
        span = grid.times.get_indexer(pd.Index(years))
        if (span < 0).any():
            problem, remedy = f"years of period {name!r} that the table lacks", "shorten the period or add the years"
            raise KeyColumnError(problem, column=time, keys=years[span < 0].tolist(), remedy=remedy)
        seen = grid.seen[span]
        partly = np.flatnonzero(seen.any(axis=0) & ~seen.all(axis=0))
        if partly.size:
            problem, remedy = f"regions absent from a year of period {name!r}", "add the years or leave the regions out"
            raise UnbalancedPanelError(problem, keys=grid.regions.take(partly), remedy=remedy)
        spans.append(span)
    return spans


def _require_positive(option: str, value: float) -> None:
    if not value > 0:
        raise DomainError(f"{option}={value!r} is not positive", remedy="pass a positive number")
