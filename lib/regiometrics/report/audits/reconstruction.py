"""What a text leaves of its lost tables: the binary tables that its statements allow, and bounds of its indices.

`reconstruct` counts every table of zeros and ones that agrees with a list of statements, `falsify` drops or alters one
statement at a time, `specialization_bounds` says how far printed indices bind the ones that are lost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, product
from typing import Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from regiometrics.errors import DomainError, GroupSizeError, InfeasibleError, KeyColumnError, require_choice
from regiometrics.panel import require_columns

Kind = Literal["has", "sole", "shared", "only", "overlap", "either", "provinces", "count", "some"]
Reference = Literal["cluster", "national", "none"]
Index = tuple[str, ...]  # one region: against the rest; two: between them

STATEMENT_COLUMNS = ("id", "kind", "province", "other_province", "sectors", "count")
CELL_COLUMNS = ["row", "column", "value", "share"]
TABLES_LISTED = 32
SEPARATOR = ";"
TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """All tables of zeros and ones that agree with a list of statements.

    Attributes
    ----------
    n_tables : int
        How many agree.
    cells : DataFrame
        One row per cell: ``row``, ``column``, ``value`` ("1", "0" or "open"), ``share`` of the agreeing tables that
        have a one there; empty where no table agrees.
    tables : tuple of DataFrame
        The tables, rows by columns, where they are at most 32; else empty.
    conflict : tuple of str
        Where no table agrees: ids of statements that contradict each other, none of which can be spared.
    """

    n_tables: int
    cells: pd.DataFrame
    tables: tuple[pd.DataFrame, ...] = ()
    conflict: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Claim:
    """A statement with columns as bits and rows as names."""

    id: str
    kind: Kind
    own: int
    others: int
    rows: frozenset[str]
    count: int
    width: int

    @cached_property
    def patterns(self) -> tuple[int, int]:
        """Patterns left to a row that the statement does not name, and to one that it names: a bit for each."""
        other, named = (
            sum(1 << pattern for pattern in range(1 << self.width) if self.allows(named, pattern))
            for named in (False, True)
        )
        return other, named

    def allows(self, named: bool, pattern: int) -> bool:
        """Whether a row is left this pattern, if the statement names it; counts over rows are judged elsewhere."""
        both = self.own | self.others
        match self.kind:
            case "has":
                return not named or bool(pattern & self.own)
            case "sole":
                return not named or pattern == self.own
            case "shared":
                return not named or pattern & both == both
            case "only":
                return named == (pattern & both == both)
            case "overlap":
                return pattern & both == both if named else pattern.bit_count() <= 1
            case "either":
                return not named or bool(pattern & self.own and pattern & self.others)
            case "provinces":
                return not named or pattern.bit_count() == self.count
            case "count" | "some":
                return True


class _Move(NamedTuple):
    """A row's pattern, and what it does to the state."""

    pattern: int
    add: int
    mark: int


@dataclass(frozen=True)
class _Count:
    """Ways to fill the rows one by one, by state before each row and on from it.

    A state is one integer: a field for each pair that is counted and a bit for each demand on a column. A field starts
    so high that it is full at the count and runs over into a guard bit beyond it; at the end all must be full.
    """

    moves: Mapping[str, Sequence[_Move]]
    start: int
    full: int
    guards: int

    def following(self, row: str, state: int) -> Iterator[tuple[int, int]]:
        for pattern, add, mark in self.moves[row]:
            state_after = state + add | mark
            if not state_after & self.guards:
                yield pattern, state_after

    @cached_property
    def before(self) -> list[Counter[int]]:
        before = [Counter({self.start: 1})]
        for row in self.moves:
            reached: Counter[int] = Counter()
            for state, ways in before[-1].items():
                for _, state_after in self.following(row, state):
                    reached[state_after] += ways
            before.append(reached)
        return before

    @cached_property
    def after(self) -> list[Counter[int]]:
        after = [Counter({self.full: 1})]
        for row, states in zip(reversed(list(self.moves)), reversed(self.before[:-1]), strict=True):
            ways = {state: sum(after[-1][later] for _, later in self.following(row, state)) for state in states}
            after.append(Counter({state: n for state, n in ways.items() if n}))
        return after[::-1]

    @property
    def total(self) -> int:
        return self.before[-1][self.full]

    def ways(self, position: int, row: str) -> Counter[int]:
        """Agreeing tables by the pattern of one row."""
        found: Counter[int] = Counter()
        for state in self.after[position]:
            for pattern, later in self.following(row, state):
                found[pattern] += self.before[position][state] * self.after[position + 1][later]
        return found

    def tables(self, rows: Sequence[str], position: int = 0, state: int | None = None) -> Iterator[tuple[int, ...]]:
        """Agreeing tables from a row on, as patterns."""
        if position == len(rows):
            yield ()
            return
        for pattern, later in self.following(rows[position], self.start if state is None else state):
            if self.after[position + 1][later]:
                for rest in self.tables(rows, position + 1, later):
                    yield (pattern, *rest)


def reconstruct(
    statements: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], *, reference: Reference = "none"
) -> Reconstruction:
    """Every table of zeros and ones that agrees with statements on who has an advantage where.

    The count is exact: rows are added one by one, and what the statements count over rows is the state that is carried.

    Parameters
    ----------
    statements : DataFrame
        ``id, kind, province, other_province, sectors, count``, all text, empty or missing where a kind does not need
        them; other columns are left aside. Several sectors or provinces in a cell are joined by a semicolon. Kinds:
        ``has`` (the named sectors are advantages of the province), ``sole`` (of no other), ``shared`` (of both
        provinces), ``only`` (of both, and no other sector is), ``overlap`` (of both, and no other sector is an
        advantage of two provinces at all), ``either`` (of the province and at least one of the others),
        ``provinces`` (each named sector, or each where none is named, belongs to exactly ``count`` provinces),
        ``count`` (the two provinces have exactly ``count`` sectors in common), ``some`` (the province, or each where
        none is named, has at least one).
    rows, columns : sequence of str
        Sectors and provinces of the table.
    reference : {"none", "cluster", "national"}, default "none"
        Whose structure the location quotient is taken against. A province's quotients, weighted by the shares of the
        sectors in the reference, average one; with ``"national"`` or ``"cluster"`` every column therefore has a one and
        a zero. A sector's quotients, weighted by the provinces' shares, average one where the reference is the sum of
        the columns; with ``"cluster"`` so does every row. It presumes that no row or column is one throughout, and
        that the rows make up the total.

    Returns
    -------
    Reconstruction

    Raises
    ------
    KeyColumnError
        A statement on a sector or province that the table lacks, or an id twice.
    DomainError
        An unknown kind or reference, or a statement without the province, sectors or count that its kind needs.

    Examples
    --------
    >>> said = pd.DataFrame(
    ...     [("a", "has", "p", "", "x", ""), ("b", "count", "p", "q", "", "1")], columns=STATEMENT_COLUMNS
    ... )
    >>> reconstruct(said, ["x", "y"], ["p", "q"]).n_tables
    4
    >>> reconstruct(said, ["x", "y"], ["p", "q"], reference="cluster").conflict
    ('b',)
    """
    require_choice("reference", reference, Reference)
    claims = _claims(statements, rows, columns)
    count = _count(claims, rows, len(columns), reference)
    if not count.total:
        cells = pd.DataFrame(columns=CELL_COLUMNS)
        return Reconstruction(0, cells, conflict=_conflict(claims, rows, len(columns), reference))
    listed = count.tables(list(rows)) if count.total <= TABLES_LISTED else ()
    tables = tuple(
        pd.DataFrame([_bits(pattern, len(columns)) for pattern in table], index=list(rows), columns=list(columns))
        for table in listed
    )
    return Reconstruction(count.total, _cells(count, columns), tables)


def falsify(
    statements: pd.DataFrame, rows: Sequence[str], columns: Sequence[str], *, reference: Reference = "none"
) -> pd.DataFrame:
    """What each statement adds: the number of agreeing tables with one statement dropped or altered.

    Parameters
    ----------
    statements, rows, columns, reference
        As in `reconstruct`.

    Returns
    -------
    DataFrame
        ``id``, ``kind``, ``change``, ``n_tables``. Changes: ``dropped``; one sector left out (``without 37``); a count
        one lower or higher (``count 3``); ``has`` or ``sole`` said of another province (``of anhui``).

    Examples
    --------
    >>> said = pd.DataFrame(
    ...     [("a", "has", "p", "", "x", ""), ("b", "count", "p", "q", "", "1")], columns=STATEMENT_COLUMNS
    ... )
    >>> falsify(said, ["x", "y"], ["p", "q"])[["id", "change", "n_tables"]].values.tolist()[:2]
    [['a', 'dropped', 6], ['a', 'of q', 4]]
    """
    require_choice("reference", reference, Reference)
    claims = _claims(statements, rows, columns)
    found = []
    for position, claim in enumerate(claims):
        rest = [*claims[:position], *claims[position + 1 :]]
        for change, altered in _alterations(claim, rows, columns):
            n_tables = _count([*rest, *altered], rows, len(columns), reference).total
            found.append((claim.id, claim.kind, change, n_tables))
    return pd.DataFrame(found, columns=["id", "kind", "change", "n_tables"])


def specialization_bounds(
    regions: Sequence[str],
    printed: Mapping[Index, tuple[float, float]],
    *,
    shares: Mapping[str, float] | None = None,
) -> pd.DataFrame:
    """How far the indices of a cluster that are known, or known to an interval, bind the others.

    K_ij is the sum over sectors of :math:`|s_i - s_j|`, K_i the same against the rest of the cluster.
    A sector adds to every index what its shares (s_1, ..., s_n) ask for, in pieces that are linear where the order of
    these shares and of their rests is fixed; so all combinations of indices are sums over the edges of those pieces,
    and the extremes are linear programmes over the edges.

    Parameters
    ----------
    regions : sequence of str
        All regions of the cluster, two or more.
    printed : mapping index -> (low, high)
        Intervals that are known: ``("a",)`` for the index of a against the rest, ``("a", "b")`` for that of a pair.
    shares : mapping region -> float, optional
        Weights of the regions in the cluster's total; they are scaled to sum to one. Without them, the rest of a region
        may lie anywhere between the other regions, sector by sector.

    Returns
    -------
    DataFrame
        One row per index: ``quantity``, ``low``, ``high``, ``printed_low``, ``printed_high`` (missing where nothing is
        printed). With ``shares`` the bounds are reached by some table of n + n(n+1)/2 sectors (14 for four regions)
        or more, for nothing else but the printed indices is imposed. Without, they are outer bounds: true ones may be
        narrower.

    Raises
    ------
    GroupSizeError
        Fewer than two regions.
    KeyColumnError
        An index, or a share, of a region that is not in the list.
    DomainError
        A share that is not positive, or an interval that ends below its start.
    InfeasibleError
        No sectors give indices inside the intervals.

    Examples
    --------
    >>> found = specialization_bounds(["a", "b", "c"], {("a", "b"): (0.2, 0.2), ("b", "c"): (0.5, 0.5)})
    >>> found.set_index("quantity").loc["K(a, c)", ["low", "high"]].round(9).tolist()
    [0.3, 0.7]
    """
    known = _known(regions, printed)
    weights = None if shares is None else _weights(regions, shares)
    edges = _free_edges(len(regions)) if weights is None else _edges(weights)
    names: list[Index] = [(region,) for region in regions] + list(combinations(regions, 2))
    own = edges[:, : len(regions)]
    rests = edges[:, len(regions) :] if weights is None else own @ weights.T
    pairs = [np.abs(own[:, i] - own[:, j]) for i, j in combinations(range(len(regions)), 2)]
    indices = np.column_stack([np.abs(own - rests), *pairs])
    bound = [names.index(name) for name in known]
    limits = np.vstack([indices.T[bound], -indices.T[bound]])
    ends = np.array([*(high for _, high in known.values()), *(-low for low, _ in known.values())])
    found = []
    for name, index in zip(names, indices.T, strict=True):
        low, high = (_extreme(sign * index, limits, ends, edges) for sign in (1, -1))
        found.append((f"K({', '.join(name)})", low, -high, *known.get(name, (np.nan, np.nan))))
    return pd.DataFrame(found, columns=["quantity", "low", "high", "printed_low", "printed_high"])


def _claims(statements: pd.DataFrame, rows: Sequence[str], columns: Sequence[str]) -> list[_Claim]:
    require_columns(statements, STATEMENT_COLUMNS)
    for axis, names in (("rows", rows), ("columns", columns)):
        if not names or len(set(names)) < len(names):
            raise KeyColumnError(f"{axis} of the table are none, or come twice", remedy="name each of them once")
    twice = statements.loc[statements["id"].duplicated(), "id"].tolist()
    if twice:
        raise KeyColumnError("ids come twice", column="id", keys=twice, remedy="give each statement an id of its own")
    records = statements[list(STATEMENT_COLUMNS)].fillna("").to_dict("records")
    return [_claim(record, rows, columns) for record in records]


def _claim(record: Mapping[object, str], rows: Sequence[str], columns: Sequence[str]) -> _Claim:
    name = record["id"]
    kinds: dict[str, Kind] = {kind: kind for kind in get_args(Kind)}
    if record["kind"] not in kinds:
        raise DomainError(
            f"{record['kind']!r} is no kind of statement",
            column="kind",
            keys=[name],
            remedy=f"choose one of {', '.join(kinds)}",
        )
    kind = kinds[record["kind"]]
    own = _listed(record, "province", columns)
    others = _listed(record, "other_province", columns)
    sectors = _listed(record, "sectors", rows)
    everywhere = kind in ("provinces", "some")
    needs = {
        "province": 0 if everywhere else 1,
        "other_province": 1 if kind in ("shared", "only", "overlap", "either", "count") else 0,
        "sectors": 0 if everywhere or kind == "count" else 1,
    }
    given = {"province": len(own), "other_province": len(others), "sectors": len(sectors)}
    for column, least in needs.items():
        if given[column] < least:
            raise DomainError(f"a statement of kind {kind!r} needs it", column=column, keys=[name], remedy="name it")
    counted = record["count"]
    if kind in ("count", "provinces") and not (isinstance(counted, str) and counted.isdigit()):
        raise DomainError("a count is a whole number as text", column="count", keys=[name], remedy="write its digits")
    if kind == "some" and counted not in ("", "1"):
        raise DomainError("'some' means at least one", column="count", keys=[name], remedy="leave the count empty or 1")
    return _Claim(
        id=name,
        kind=kind,
        own=_mask(own, columns),
        others=_mask(others, columns),
        rows=frozenset(rows if kind == "provinces" and not sectors else sectors),
        count=int(counted or 0),
        width=len(columns),
    )


def _listed(record: Mapping[object, str], column: str, known: Sequence[str]) -> list[str]:
    names = [name for name in record[column].split(SEPARATOR) if name]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise KeyColumnError(
            "the table has no such name", column=column, keys=[(record["id"], *unknown)], remedy="correct the statement"
        )
    return names


def _mask(names: Sequence[str], columns: Sequence[str]) -> int:
    return sum(1 << columns.index(name) for name in set(names))


def _bits(pattern: int, width: int) -> list[int]:
    return [pattern >> position & 1 for position in range(width)]


def _count(claims: Sequence[_Claim], rows: Sequence[str], width: int, reference: Reference) -> _Count:
    """Low bits: columns that have shown a one, then columns that have shown a zero; above them the pairs counted."""
    everywhere = (1 << width) - 1
    with_zero = 0 if reference == "none" else everywhere
    with_one = with_zero
    for claim in claims:
        with_one |= (claim.own or everywhere) if claim.kind == "some" else 0
    start, full, guards, place = 0, with_one | with_zero << width, 0, 2 * width
    steps: list[tuple[int, int]] = []  # pair, one in its field
    for claim in claims:
        if claim.kind == "count":
            size = claim.count.bit_length()
            steps.append((claim.own | claim.others, 1 << place))
            start |= ((1 << size) - 1 - claim.count) << place
            full |= ((1 << size) - 1) << place
            guards |= 1 << place + size
            place += size + 1
    possible = [
        _Move(
            pattern,
            sum(one for pair, one in steps if pattern & pair == pair),
            pattern & with_one | (~pattern & with_zero) << width,
        )
        for pattern in range(everywhere + 1)
        if not (reference == "cluster" and pattern in (0, everywhere))
    ]
    moves = {}
    for row in rows:
        left = -1
        for claim in claims:
            left &= claim.patterns[row in claim.rows]
        moves[row] = [move for move in possible if left >> move.pattern & 1]
    return _Count(moves, start, full, guards)


def _cells(count: _Count, columns: Sequence[str]) -> pd.DataFrame:
    found = []
    for position, row in enumerate(count.moves):
        ways = count.ways(position, row)
        for bit, column in enumerate(columns):
            ones = sum(n for pattern, n in ways.items() if pattern >> bit & 1)
            value = {0: "0", count.total: "1"}.get(ones, "open")
            found.append((row, column, value, ones / count.total))
    return pd.DataFrame(found, columns=CELL_COLUMNS)


def _conflict(claims: Sequence[_Claim], rows: Sequence[str], width: int, reference: Reference) -> tuple[str, ...]:
    """Statements left when each has been tried without, from either end; the shorter of the two lists."""

    def thinned(order: Sequence[_Claim]) -> list[_Claim]:
        kept = list(claims)
        for claim in order:
            without = [other for other in kept if other is not claim]
            if not _count(without, rows, width, reference).total:
                kept = without
        return kept

    return tuple(claim.id for claim in min(thinned(claims), thinned(claims[::-1]), key=len))


def _alterations(claim: _Claim, rows: Sequence[str], columns: Sequence[str]) -> Iterator[tuple[str, list[_Claim]]]:
    yield "dropped", []
    if claim.kind in ("count", "provinces"):
        yield from ((f"count {n}", [replace(claim, count=n)]) for n in (claim.count - 1, claim.count + 1) if n >= 0)
    elif len(claim.rows) > 1:
        left_out = [row for row in rows if row in claim.rows]
        yield from ((f"without {row}", [replace(claim, rows=claim.rows - {row})]) for row in left_out)
    if claim.kind in ("has", "sole"):
        others = [(column, 1 << position) for position, column in enumerate(columns) if 1 << position != claim.own]
        yield from ((f"of {column}", [replace(claim, own=mask)]) for column, mask in others)


def _known(regions: Sequence[str], printed: Mapping[Index, tuple[float, float]]) -> dict[Index, tuple[float, float]]:
    """The intervals, pairs in the order of the regions."""
    if len(regions) < 2:
        raise GroupSizeError("a cluster needs two regions", n_rows=len(regions), remedy="pass all its regions")
    known = {}
    for name, (low, high) in printed.items():
        if not set(name) <= set(regions) or len(set(name)) not in (1, 2):
            raise KeyColumnError("no index of these regions", keys=[name], remedy="name one region or two")
        if not low <= high:
            raise DomainError(
                f"the interval from {low} to {high} is empty", keys=[name], remedy="put the low end first"
            )
        known[tuple(sorted(set(name), key=list(regions).index))] = (low, high)
    return known


def _weights(regions: Sequence[str], shares: Mapping[str, float]) -> NDArray[np.float64]:
    """Row i: the weights of the other regions in the rest of i."""
    if set(shares) != set(regions):
        keys = sorted(set(shares) ^ set(regions))
        raise KeyColumnError("shares and regions differ", keys=keys, remedy="give each region one share")
    size = np.array([shares[region] for region in regions], dtype=float)
    if not (size > 0).all():
        keys = [region for region in regions if not shares[region] > 0]
        raise DomainError("shares must be positive", keys=keys, remedy="leave a region without output out")
    others = np.tile(size, (len(size), 1))
    np.fill_diagonal(others, 0.0)
    weights: NDArray[np.float64] = others / others.sum(axis=1, keepdims=True)
    return weights


def _edges(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of the cones in which no |s_i - s_j| and no |s_i - rest| changes its sign.

    An edge lies in n - 1 independent planes of s_i = 0, s_i = s_j and s_i = rest of i.
    """
    n = len(weights)
    unit = np.eye(n)
    pairs = [unit[i] - unit[j] for i, j in combinations(range(n), 2)]
    planes = np.vstack([unit, *pairs, unit - weights])
    meeting = np.stack([planes[list(chosen)] for chosen in combinations(range(len(planes)), n - 1)])
    _, sizes, directions = np.linalg.svd(meeting)
    line = directions[sizes[:, -1] > TOLERANCE, -1, :]
    line = line * np.where(line.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    edges = line[(line > -TOLERANCE).all(axis=1)].clip(min=0.0)
    edges = edges / edges.sum(axis=1, keepdims=True)
    return np.unique(edges.round(12), axis=0)


def _free_edges(n: int) -> NDArray[np.float64]:
    """Edges where the rests, n more coordinates, only lie between the others: all are zeros and ones."""
    corners = np.array(list(product([0.0, 1.0], repeat=2 * n)))[1:]
    own, rests = corners[:, :n], corners[:, n:]
    others = np.stack([np.delete(own, i, axis=1) for i in range(n)], axis=1)
    between = (others.min(axis=2) <= rests) & (rests <= others.max(axis=2))
    edges: NDArray[np.float64] = corners[between.all(axis=1)]
    return edges


def _extreme(
    objective: NDArray[np.float64], limits: NDArray[np.float64], ends: NDArray[np.float64], edges: NDArray[np.float64]
) -> float:
    from scipy.optimize import linprog  # long to import, and needed here alone

    answer = linprog(objective, A_ub=limits, b_ub=ends, A_eq=edges.T, b_eq=np.ones(edges.shape[1]), method="highs")
    if answer.status != 0:
        raise InfeasibleError(
            f"no sectors give these indices: {answer.message}", remedy="check the intervals, one may exclude another"
        )
    return float(answer.fun)
