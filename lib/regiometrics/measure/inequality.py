"""Inequality of a measure over units: Gini, Dagum's decomposition by groups, coefficient of variation.

Every sum of absolute differences is taken from sorted values: O(n log n) where the definition costs O(n^2).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import DomainError, GroupSizeError, MissingValueError, RegionError
from regiometrics.panel import Missing, Sample, complete, keys_of, named
from regiometrics.result import Estimate, frozen_options

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]

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
    cell = np.zeros(y.size, dtype=np.intp)
    sums = _CellSums.of(y, w, cell, 1)
    if sums.total[0] <= 0:
        raise DomainError("the mean must be positive", remedy="the Gini coefficient is not defined for a mean of zero")
    return float(sums.gini()[0])


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
        parts = self.decomposition[["within", "between_net", "overlap"]].to_numpy()
        gap = np.abs(parts.sum(axis=1) - self.decomposition["gini"].to_numpy()).max()
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

    by_value = np.argsort(y)
    cell, cells = _cells(period, member, len(names))
    within_cells = _CellSums.of(y, w, cell, len(cells), by_value)
    _require_positive_means(used, within_cells.total[cell] <= 0, value, keys)
    cell_period = cells // len(names)
    cell_mean = within_cells.mean()

    whole = _CellSums.of(y, w, period, len(periods), by_value)
    between = _CellSums.of(cell_mean, within_cells.weight, cell_period, len(periods)).gini()
    shares = within_cells.weight * within_cells.total / (whole.weight * whole.total)[cell_period]
    within = _sum_by(cell_period, shares * within_cells.gini(), len(periods))
    decomposition = _decomposition(periods, whole.gini(), within, between)
    groups = pd.DataFrame(
        {
            "time": periods[cell_period],
            "group": names[cells % len(names)],
            "n": np.bincount(cell, minlength=len(cells)),
            "mean": cell_mean,
            "gini": within_cells.gini(),
        }
    )
    pairs = _pair_table(y, w, period, member, periods, names) if pairwise else None
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
    def of(cls, y: Floats, w: Floats, cell: Codes, n_cells: int, by_value: Codes | None = None) -> _CellSums:
        order = _by_cell(np.argsort(y) if by_value is None else by_value, cell, n_cells)
        size = np.bincount(cell, minlength=n_cells)  # every cell holds a unit
        start = np.cumsum(size) - size
        y, w = y[order], w[order]
        cumulated = np.cumsum(w)
        weight = np.add.reduceat(w, start)
        # weight below minus weight above, inside the cell: 2 C_i - w_i - W with C_i counted from the cell's start
        balance = 2 * cumulated
        balance -= w
        balance -= np.repeat(2 * (cumulated[start] - w[start]) + weight, size)
        y *= w
        total = np.add.reduceat(y, start)
        y *= balance
        return cls(weight, total, 2 * np.add.reduceat(y, start))

    def mean(self) -> Floats:
        return self.total / self.weight

    def gini(self) -> Floats:
        return np.maximum(self.differences / (2 * self.weight * self.total), 0.0)


def _decomposition(periods: pd.Index, total: Floats, within: Floats, between: Floats) -> pd.DataFrame:
    overlap = total - within - between
    overlap = np.where((overlap < 0) & (overlap > -PARTS_TOLERANCE), 0.0, overlap)
    parts = {"within": within, "between_net": between, "overlap": overlap}
    with np.errstate(invalid="ignore"):  # all units equal: no inequality to share out
        shares = {f"share_{name}": part / total for name, part in parts.items()}
    return pd.DataFrame({"time": periods, "gini": total, **parts, **shares})


def _pair_table(y: Floats, w: Floats, period: Codes, member: Codes, periods: pd.Index, names: pd.Index) -> pd.DataFrame:
    """Pairs of groups of every period, from the double sums of absolute differences between groups."""
    frames = []
    for t, label in enumerate(periods):
        here = period == t
        present, code = np.unique(member[here], return_inverse=True)
        sums = _between_sums(y[here], w[here], code.astype(np.intp), len(present))
        weight = _sum_by(code, w[here], len(present))
        total = _sum_by(code, w[here] * y[here], len(present))
        b, a = np.tril_indices(len(present), -1)
        mean_a, mean_b = total[a] / weight[a], total[b] / weight[b]
        cross = weight[a] * weight[b] * (mean_a + mean_b)
        pooled = (sums[a, a] + 2 * sums[a, b] + sums[b, b]) / (2 * (weight[a] + weight[b]) * (total[a] + total[b]))
        spread = sums[a, b] / (weight[a] * weight[b])
        distance = np.divide(np.abs(mean_a - mean_b), spread, out=np.zeros_like(spread), where=spread > 0)
        frames.append(
            pd.DataFrame(
                {
                    "time": label,
                    "group_a": names[present[a]],
                    "group_b": names[present[b]],
                    "gini": sums[a, b] / cross,
                    "gini_pooled": pooled,
                    "distance": np.minimum(distance, 1.0),
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _between_sums(y: Floats, w: Floats, member: Codes, k: int) -> Floats:
    """Sums over i in a, r in b of w_i w_r |y_i - y_r| for all k x k pairs of groups.

    At unit i in sorted order let C_b be the weight and P_b the weighted sum of group b up to there.
    Then the sum over r in b is y_i (2 C_b - W_b) - 2 P_b + T_b; ties count zero on either side.
    """
    order = _by_cell(np.argsort(y), member, k)
    by_value = np.argsort(y[order], kind="stable")
    place = np.empty_like(by_value)
    place[by_value] = np.arange(y.size)
    y_group, w_group, group = y[order], w[order], member[order]
    starts = np.searchsorted(group, np.arange(k))
    sums = np.empty((k, k))
    block = max(1, PAIR_BLOCK // y.size)
    for first in range(0, k, block):
        columns = np.arange(first, min(first + block, k))
        inside = (group[by_value][:, None] == columns) * w_group[by_value][:, None]
        weight_below = np.cumsum(inside, axis=0)
        inside *= y_group[by_value][:, None]
        total_below = np.cumsum(inside, axis=0)
        row = y_group[by_value][:, None] * (2 * weight_below - weight_below[-1]) - 2 * total_below + total_below[-1]
        sums[:, columns] = np.add.reduceat(w_group[:, None] * row[place], starts, axis=0)
    return np.maximum((sums + sums.T) / 2, 0.0)


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
    checks = [(value, used[value].to_numpy() < 0, "negative values")]
    if weights is not None:
        checks.append((weights, used[weights].to_numpy() <= 0, "weights must be positive"))
    for column, bad, problem in checks:
        if bad.any():
            raise DomainError(
                problem,
                column=column,
                n_rows=int(bad.sum()),
                keys=keys_of(used, bad, keys),
                remedy="the decomposition needs a non-negative measure and positive weights",
            )
    return used, sample


def _require_positive_means(df: pd.DataFrame, bad: npt.NDArray[np.bool_], value: str, keys: list[str]) -> None:
    if bad.any():
        raise DomainError(
            "the mean of a group is zero",
            column=value,
            n_rows=int(bad.sum()),
            keys=keys_of(df, bad, keys),
            remedy="leave these groups out: their Gini coefficient is not defined",
        )


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


def _cells(period: Codes, member: Codes, n_groups: int) -> tuple[Codes, Codes]:
    """Dense codes of the (period, group) cells that hold units, and period * n_groups + group of each."""
    cell = period * n_groups + member
    present = np.bincount(cell) > 0
    return (np.cumsum(present) - 1)[cell], np.flatnonzero(present)


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
