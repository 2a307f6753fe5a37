"""Inequality of a measure over units: Gini, Dagum's decomposition by groups, coefficient of variation.

Every sum of absolute differences is taken from sorted values: O(n log n) where the definition costs O(n^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import DomainError, GroupSizeError, MissingValueError, RegionError
from regiometrics.panel import Missing, Sample, complete, named, refuse
from regiometrics.result import Estimate, frozen_options

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

ROUNDING = 1e-12  # mean absolute difference, relative to the sum of the means, that counts as none
PARTS_TOLERANCE = 1e-10  # the parts of the decomposition sum to G up to rounding of the sums
PAIR_BLOCK = 4_000_000  # largest units x groups block held in memory for the pair table, in numbers


def gini(values: npt.ArrayLike, weights: npt.ArrayLike | None = None, *, allow_negative: bool = False) -> float:
    r"""Gini coefficient of the population, :math:`\sum_i\sum_r |y_i-y_r| / (2 n^2 \mu)`.

    Parameters
    ----------
    values : array_like, shape (n,)
        Non-negative numbers with a positive mean; a single column (n, 1) counts as (n,).
    weights : array_like, shape (n,), optional
        Positive weights, for instance population; equal weights when left out.
    allow_negative : bool
        Accept negative values as long as the mean is positive; the coefficient may then exceed 1.

    Returns
    -------
    float
        Between 0 (all equal) and (n - 1)/n (one unit holds all); no correction for small n.

    Raises
    ------
    GroupSizeError
        No value.
    MissingValueError
        NaN or infinity.
    DomainError
        Negative values, a mean that is not positive, weights that are not positive, or an array of more dimensions.

    Notes
    -----
    Equation (3) of Chen and Wang with a single group. The sum is :math:`\sum_i (2i-n-1)\,y_{(i)}/(n^2\mu)`.

    Examples
    --------
    >>> gini([1, 2, 3, 5])
    0.29545454545454547
    """
    y = _vector(values, "values")
    w = np.ones_like(y) if weights is None else _vector(weights, "weights")
    if y.size == 0:
        raise GroupSizeError("the Gini coefficient needs at least one value", remedy="check the selection of rows")
    if w.shape != y.shape:
        raise DomainError(f"{w.size} weights for {y.size} values", remedy="pass one weight per value")
    if not allow_negative and (y < 0).any():
        raise DomainError(
            "negative values", n_rows=int((y < 0).sum()), remedy="use a non-negative measure, or allow_negative=True"
        )
    if (w <= 0).any():
        raise DomainError("weights must be positive", n_rows=int((w <= 0).sum()), remedy="leave these units out")
    if w @ y <= 0:
        raise DomainError("the mean must be positive", remedy="the Gini coefficient is not defined for a mean of zero")
    order = np.argsort(y)
    return _sorted_gini(y[order], w[order])


def coefficient_of_variation(
    df: pd.DataFrame,
    *,
    value: str,
    group: str | None = None,
    time: str | None = None,
    ddof: int = 0,
    missing: Missing = "raise",
) -> pd.DataFrame:
    r"""Standard deviation over mean by group and time, the :math:`\sigma_j` of Chen and Wang's equation (12).

    Parameters
    ----------
    df : DataFrame
        One row per unit (and time).
    value : str
        Column of the measure.
    group, time : str, optional
        Key columns; without them all rows form one cell.
    ddof : int
        0 divides by n as equation (12) does, 1 by n - 1 as the paper's table 5 does.
    missing : {"raise", "drop"}
        What to do with missing values.

    Returns
    -------
    DataFrame
        ``time``, ``group`` (those that were given), ``n``, ``mean``, ``coefficient_of_variation``.

    Raises
    ------
    GroupSizeError
        A cell has no more than ``ddof`` members.
    DomainError
        The mean of a cell is zero.

    Examples
    --------
    >>> df = pd.DataFrame({"cluster": ["a", "a", "b", "b"], "y": [1.0, 3.0, 2.0, 2.0]})
    >>> coefficient_of_variation(df, value="y", group="cluster")["coefficient_of_variation"].tolist()
    [0.5, 0.0]
    """
    by = named(time, group)
    used, _ = complete(df, [value], keys=by, missing=missing, unique=False)
    grouped = used.groupby(by or np.zeros(len(used)), observed=True)[value]
    cells = pd.DataFrame({"n": grouped.size(), "mean": grouped.mean()})
    small = cells["n"] <= ddof
    if small.any():
        raise GroupSizeError(
            f"a standard deviation with {ddof} degree(s) of freedom lost needs more members",
            column=value,
            keys=cells.index[small],
            remedy="use ddof=0 or leave these groups out",
        )
    if (cells["mean"] == 0).any():
        raise DomainError(
            "the mean of a group is zero",
            column=value,
            keys=cells.index[cells["mean"] == 0],
            remedy="the coefficient of variation is not defined there",
        )
    cells["coefficient_of_variation"] = grouped.std(ddof=ddof) / cells["mean"]
    names = {c: k for c, k in ((time, "time"), (group, "group")) if c is not None}
    return cells.reset_index(drop=not by).rename(columns=names)


@dataclass(frozen=True, kw_only=True)
class DagumResult(Estimate):
    """Dagum's decomposition of the Gini coefficient into within, net between and overlap parts.

    Attributes
    ----------
    decomposition : DataFrame
        One row per time: ``time, gini, within, between_net, overlap, share_within, share_between_net, share_overlap``;
        shares are fractions.
    groups : DataFrame
        ``time, group, n, mean, gini``: size, mean and Gini :math:`G_{jj}` of each group.
    sample, options
        See `Estimate`.
    """

    decomposition: pd.DataFrame = field(repr=False)
    groups: pd.DataFrame = field(repr=False)
    pair_table: pd.DataFrame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        """Refuse parts that are negative or do not sum to the whole."""
        parts = np.array([self.decomposition[part].to_numpy() for part in ("within", "between_net", "overlap")])
        gap = np.abs(parts.sum(axis=0) - self.decomposition["gini"].to_numpy()).max()
        if not (gap <= PARTS_TOLERANCE and (parts >= 0).all()):
            raise RegionError(f"the parts of the Gini coefficient do not add up (gap {gap:.3g})")

    @property
    def pairs(self) -> pd.DataFrame:
        """One row per time and pair of groups: ``time, group_a, group_b, gini, gini_pooled, distance``.

        ``gini`` is :math:`G_{jh}` of equation (6); ``gini_pooled`` the plain Gini of the two groups taken as one;
        ``distance`` the relative affluence :math:`D_{jh}` of equation (8), in [0, 1].
        """
        if self.pair_table is None:
            raise RegionError("the pair table was not computed", remedy="call dagum(..., pairwise=True)")
        return self.pair_table

    @property
    def singletons(self) -> pd.DataFrame:
        """Groups of one unit, whose Gini is zero by definition: the rows of ``groups`` with n = 1."""
        return self.groups[self.groups["n"] == 1].reset_index(drop=True)

    def to_frame(self) -> pd.DataFrame:
        """The decomposition, one row per time (see ``decomposition``)."""
        return self.decomposition.copy()


def dagum(
    df: pd.DataFrame,
    *,
    value: str,
    group: str,
    time: str | None = None,
    unit: str | None = None,
    weights: str | None = None,
    pairwise: bool = True,
    missing: Missing = "raise",
) -> DagumResult:
    r"""Decompose the Gini coefficient by groups after Dagum (1997), equations (3) to (11) of Chen and Wang.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per unit (and time).
    value : str
        Non-negative measure.
    group : str
        Column of the groups (clusters).
    time : str, optional
        Column of the periods; each is decomposed on its own.
    unit : str, optional
        Column of the units; given, (unit, time) must identify each row and errors name the units.
    weights : str, optional
        Positive weights, for instance population; equal weights when left out.
    pairwise : bool
        Also tabulate every pair of groups; the parts do not need it.
    missing : {"raise", "drop"}
        What to do with missing values; what goes is listed in ``.sample``.

    Returns
    -------
    DagumResult

    Raises
    ------
    KeyColumnError
        A column is absent, a key null or (unit, time) duplicated.
    MissingValueError
        NaN or infinity and ``missing="raise"``.
    DomainError
        Negative values, text, a group whose mean is zero, weights that are not positive.
    GroupSizeError
        No row is left.

    Notes
    -----
    With :math:`p_j=n_j/n`, :math:`s_j=n_j\mu_j/(n\mu)` and :math:`d_{jh}+p_{jh}=G_{jh}(\mu_j+\mu_h)`,
    :math:`d_{jh}-p_{jh}=|\mu_j-\mu_h|` the net between part of equation (7) is the Gini of the group means,
    :math:`G_{nb}=\sum_{h<j} p_j p_h|\mu_j-\mu_h|/\mu`, and the overlap part of (11) is what is left.
    The printed (6) has two slips: the first sum runs to :math:`n_j`, and the second value is :math:`y_{hr}`.

    Examples
    --------
    >>> df = pd.DataFrame({"cluster": ["a", "a", "b", "b"], "y": [1, 2, 3, 5]})
    >>> parts = dagum(df, value="y", group="cluster").to_frame()
    >>> parts[["gini", "within", "between_net", "overlap"]].round(4).iloc[0].tolist()
    [0.2955, 0.0682, 0.2273, 0.0]
    """
    keys = named(unit, time, group)
    used, sample = _checked(df, value=value, weights=weights, time=time, group=group, unit=unit, missing=missing)
    y = used[value].to_numpy(dtype=float)
    w = np.ones_like(y) if weights is None else used[weights].to_numpy(dtype=float)
    period, periods = _codes(used[time]) if time is not None else (np.zeros(len(y), dtype=np.intp), pd.Index([0]))
    member, names = _codes(used[group])
    rows_of = np.split(_by_cell(np.arange(len(y)), period, len(periods)), np.cumsum(np.bincount(period))[:-1])
    splits = [_Split.of(y[rows], w[rows], member[rows]) for rows in rows_of]
    _require_positive_means(used, splits, rows_of, member, value, keys)

    label = np.repeat(np.arange(len(periods)), [len(split.present) for split in splits])
    decomposition = _decomposition(periods, *np.array([split.parts() for split in splits]).T)
    parts_of = [split.columns() for split in splits]
    columns = {name: np.concatenate([part[name] for part in parts_of]) for name in ("group", "n", "mean", "gini")}
    groups = pd.DataFrame({"time": periods[label], **columns, "group": names[columns["group"]]})
    pairs = None
    if pairwise:
        tables = [_pair_table(y[rows], w[rows], member[rows], names) for rows in rows_of]
        pairs = pd.concat(tables, ignore_index=True)
        pairs.insert(0, "time", np.repeat(periods, [len(table) for table in tables]))
    if time is None:
        decomposition, groups = decomposition.drop(columns="time"), groups.drop(columns="time")
        pairs = None if pairs is None else pairs.drop(columns="time")
    options = frozen_options(
        value=value, group=group, time=time, unit=unit, weights=weights, pairwise=pairwise, missing=missing
    )
    return DagumResult(sample=sample, options=options, decomposition=decomposition, groups=groups, pair_table=pairs)


@dataclass(frozen=True, slots=True)
class _CellSums:
    """Per cell: sum of weights, weighted sum of values, and the double sum of weighted absolute differences."""

    weight: Floats
    total: Floats
    differences: Floats

    @classmethod
    def of(cls, y: Floats, w: Floats, size: Codes) -> _CellSums:
        """From units sorted by cell and value; ``size`` counts the units of each cell, none of them empty."""
        start = np.cumsum(size) - size
        cumulated = np.cumsum(w)
        weight = np.add.reduceat(w, start)
        # weight below minus weight above, inside the cell: 2 C_i - w_i - W with C_i counted from the cell's start
        balance = 2 * cumulated
        balance -= w
        balance -= np.repeat(2 * (cumulated[start] - w[start]) + weight, size)
        wy = w * y
        return cls(weight, np.add.reduceat(wy, start), 2 * np.add.reduceat(wy * balance, start))

    def mean(self) -> Floats:
        return self.total / self.weight

    def gini(self) -> Floats:
        return np.maximum(self.differences / (2 * self.weight * self.total), 0.0)


def _sorted_gini(y: Floats, w: Floats) -> float:
    """Gini coefficient of values in rising order: sum of w_i y_i (2 C_i - w_i - W) over W times the total."""
    cumulated = np.cumsum(w)
    wy = w * y
    return max(float(wy @ (2 * cumulated - w - cumulated[-1]) / (cumulated[-1] * wy.sum())), 0.0)


@dataclass(frozen=True, slots=True)
class _Split:
    """One period: the sums of the groups that are present, and the Gini coefficient of all units together."""

    present: Codes
    size: Codes
    groups: _CellSums
    gini: float

    @classmethod
    def of(cls, y: Floats, w: Floats, member: Codes) -> _Split:
        by_value = np.argsort(y)
        by_group = _by_cell(by_value, member, int(member.max()) + 1)
        size = np.bincount(member)
        present = np.flatnonzero(size)
        size = size[present]
        groups = _CellSums.of(y[by_group], w[by_group], size)
        return cls(present, size, groups, _sorted_gini(y[by_value], w[by_value]))

    def parts(self) -> tuple[float, float, float]:
        """Gini, within part and net between part, the Gini of the group means."""
        groups, mean = self.groups, self.groups.mean()
        order = np.argsort(mean)
        within = (groups.weight * groups.total) @ groups.gini() / (groups.weight.sum() * groups.total.sum())
        return self.gini, float(within), _sorted_gini(mean[order], groups.weight[order])

    def columns(self) -> dict[str, npt.NDArray[np.generic]]:
        """The columns of the table of groups, groups by code."""
        return {"group": self.present, "n": self.size, "mean": self.groups.mean(), "gini": self.groups.gini()}


def _decomposition(periods: pd.Index, total: Floats, within: Floats, between: Floats) -> pd.DataFrame:
    overlap = total - within - between
    overlap = np.where((overlap < 0) & (overlap > -PARTS_TOLERANCE), 0.0, overlap)
    parts = {"within": within, "between_net": between, "overlap": overlap}
    with np.errstate(invalid="ignore"):  # all units equal: no inequality to share out
        shares = {f"share_{name}": part / total for name, part in parts.items()}
    return pd.DataFrame({"time": periods, "gini": total, **parts, **shares})


def _pair_table(y: Floats, w: Floats, member: Codes, names: pd.Index) -> pd.DataFrame:
    """Pairs of groups of one period, from the double sums of absolute differences between groups."""
    present, code = np.unique(member, return_inverse=True)
    sums = _between_sums(y, w, code.astype(np.intp), len(present))
    weight, total = _sum_by(code, w, len(present)), _sum_by(code, w * y, len(present))
    b, a = np.tril_indices(len(present), -1)
    mean_a, mean_b = total[a] / weight[a], total[b] / weight[b]
    spread = sums[a, b] / (weight[a] * weight[b])
    pooled = (sums[a, a] + 2 * sums[a, b] + sums[b, b]) / (2 * (weight[a] + weight[b]) * (total[a] + total[b]))
    apart = spread > ROUNDING * (mean_a + mean_b)  # else all units of both are equal, and the quotient one of roundings
    distance = np.divide(np.abs(mean_a - mean_b), spread, out=np.zeros_like(spread), where=apart)
    return pd.DataFrame(
        {
            "group_a": names[present[a]],
            "group_b": names[present[b]],
            "gini": spread / (mean_a + mean_b),
            "gini_pooled": pooled,
            "distance": np.minimum(distance, 1.0),
        }
    )


def _between_sums(y: Floats, w: Floats, member: Codes, k: int) -> Floats:
    r"""Sums over i in a, r in b of w_i w_r |y_i - y_r| for all k x k pairs of groups, shape (k, k).

    With C_b(i) the weight of group b up to unit i in the order of values, and W, T the sums of w and of w y,
    A_ab = sum over i in a of w_i y_i C_b(i) gives 2 (A_ab + A_ba) - W_b T_a - W_a T_b.
    On the diagonal C counts the unit itself, 2 sum w_i^2 y_i too much. Ties count zero on either side.
    """
    by_value = np.argsort(y)
    y, w, member = y[by_value], w[by_value], member[by_value]
    by_group = np.argsort(member, kind="stable")
    start = np.searchsorted(member[by_group], np.arange(k))
    weighted = (w * y)[by_group, None]
    a = np.empty((k, k))
    block = max(1, PAIR_BLOCK // y.size)
    for first in range(0, k, block):
        last = min(first + block, k)
        below = np.zeros((y.size, last - first))
        rows = np.flatnonzero((member >= first) & (member < last))
        below[rows, member[rows] - first] = w[rows]
        np.cumsum(below, axis=0, out=below)
        below = below[by_group]
        below *= weighted
        np.add.reduceat(below, start, axis=0, out=a[:, first:last])
    weight, total = _sum_by(member, w, k), _sum_by(member, w * y, k)
    crossed = np.outer(weight, total)
    sums = 2 * (a + a.T) - crossed - crossed.T
    sums[np.diag_indices(k)] -= 2 * _sum_by(member, w * w * y, k)
    return np.maximum(sums, 0.0)


def _checked(
    df: pd.DataFrame,
    *,
    value: str,
    weights: str | None,
    time: str | None,
    group: str,
    unit: str | None,
    missing: Missing,
) -> tuple[pd.DataFrame, Sample]:
    keys = named(unit, time, group)
    if unit is not None:
        complete(df, [], keys=named(unit, time))
    used, sample = complete(df, named(value, weights), keys=keys, missing=missing, unique=False)
    if used.empty:
        raise GroupSizeError("no row is left", column=value, remedy="check the selection of rows and missing values")
    remedy = "the decomposition needs a non-negative measure and positive weights"
    negative = used[value] < 0
    refuse(DomainError, "negative values", rows=negative, of=used, keys=keys, column=value, remedy=remedy)
    if weights is not None:
        idle = used[weights] <= 0
        refuse(DomainError, "weights must be positive", rows=idle, of=used, keys=keys, column=weights, remedy=remedy)
    return used, sample


def _require_positive_means(
    df: pd.DataFrame,
    splits: Sequence[_Split],
    rows_of: Sequence[Codes],
    member: Codes,
    value: str,
    keys: list[str],
) -> None:
    zero = [split.present[split.groups.total <= 0] for split in splits]
    bad = np.zeros(len(df), dtype=bool)
    for rows, groups in zip(rows_of, zero, strict=True):
        if groups.size:
            bad[rows] = np.isin(member[rows], groups)
    remedy = "leave these groups out: their Gini coefficient is not defined"
    refuse(DomainError, "the mean of a group is zero", rows=bad, of=df, keys=keys, column=value, remedy=remedy)


def _by_cell(by_value: Codes, cell: Codes, n_cells: int) -> Codes:
    """Order by cell, and by value inside a cell; codes of 16 bits are sorted by radix."""
    small = cell[by_value].astype(np.min_scalar_type(n_cells))
    order: Codes = by_value[np.argsort(small, kind="stable")]
    return order


def _sum_by(code: Codes, values: Floats, n: int) -> Floats:
    return np.bincount(code, values, n).astype(np.float64, copy=False)


def _codes(column: pd.Series) -> tuple[Codes, pd.Index]:
    """Integer codes and sorted labels; the order of a categorical is kept."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.cat.remove_unused_categories()
        return np.asarray(column.cat.codes, dtype=np.intp), pd.Index(column.cat.categories)
    codes, labels = pd.factorize(column, sort=True)
    return np.asarray(codes, dtype=np.intp), pd.Index(labels)


def _vector(values: npt.ArrayLike, name: str) -> Floats:
    array = np.asarray(values, dtype=float)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DomainError(f"{name} must be one-dimensional, not of shape {array.shape}", remedy="pass one column")
    if not np.isfinite(array).all():
        raise MissingValueError(
            f"{name} hold NaN or infinity", n_rows=int((~np.isfinite(array)).sum()), remedy="leave these units out"
        )
    return array
