from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.data.published import rebuilt, statements
from regiometrics.errors import DomainError, GroupSizeError, InfeasibleError, KeyColumnError, RegionError
from regiometrics.report.audits import p4
from regiometrics.report.audits.reconstruction import (
    STATEMENT_COLUMNS,
    TABLES_LISTED,
    falsify,
    reconstruct,
    specialization_bounds,
)

SECTORS = [str(code) for code in range(13, 41)]
DELTA = list(p4.PROVINCES[p4.DELTA])
WHOLE = p4.undone(statements("p4", 4))
ROWS, COLUMNS = ["x", "y", "z"], ["a", "b", "c"]


def said(*claims: tuple[str, ...]) -> pd.DataFrame:
    """Claims as (kind, province, other_province, sectors, count)."""
    return pd.DataFrame([(f"s{i}", *claim) for i, claim in enumerate(claims)], columns=STATEMENT_COLUMNS)


# The slow definition: every table of zeros and ones, every statement read on the whole table


Table = dict[str, frozenset[str]]  # rows with a one, by column


def columns_of(table: Table) -> dict[str, int]:
    return {row: sum(row in ones for ones in table.values()) for row in ROWS}


def holds(table: Table, kind: str, own: str, others: str, sectors: str, count: str) -> bool:
    named = {x for x in sectors.split(";") if x}
    of_row = columns_of(table) if kind in ("provinces", "sole", "overlap") else {}
    if kind == "provinces":
        return all(of_row[row] == int(count) for row in named or ROWS)
    if kind == "some":
        return all(table[column] for column in ([own] if own else COLUMNS))
    if kind == "has":
        return named <= table[own]
    if kind == "sole":
        return named <= table[own] and all(of_row[row] == 1 for row in named)
    if kind == "either":
        return all(row in table[own] and any(row in table[x] for x in others.split(";")) for row in named)
    common = table[own] & table[others]
    if kind == "shared":
        return named <= common
    if kind == "only":
        return named == common
    if kind == "overlap":
        return named <= common and all(of_row[row] <= 1 for row in set(ROWS) - named)
    return len(common) == int(count)


def fits(table: Table, reference: str) -> bool:
    columns = all(0 < len(ones) < len(ROWS) for ones in table.values())
    rows = all(0 < n < len(COLUMNS) for n in columns_of(table).values())
    return reference == "none" or (columns and (rows or reference == "national"))


def as_array(table: Table) -> np.ndarray:
    return np.array([[row in table[column] for column in COLUMNS] for row in ROWS], dtype=int)


SUBSETS = [frozenset(some) for size in range(4) for some in combinations(ROWS, size)]
TABLES = [dict(zip(COLUMNS, columns, strict=True)) for columns in product(SUBSETS, repeat=3)]
FITTING = {reference: [t for t in TABLES if fits(t, reference)] for reference in ("none", "national", "cluster")}

names = st.lists(st.sampled_from(ROWS), min_size=1, max_size=2, unique=True).map(";".join)
pairs = st.sampled_from([("a", "b"), ("b", "c"), ("c", "a")])
claims = st.one_of(
    st.tuples(st.sampled_from(["has", "sole"]), st.sampled_from(COLUMNS), st.just(""), names, st.just("")),
    st.builds(
        lambda kind, pair, rows: (kind, *pair, rows, ""),
        st.sampled_from(["shared", "only", "overlap"]),
        pairs,
        names,
    ),
    st.builds(lambda rows: ("either", "a", "b;c", rows, ""), names),
    st.builds(lambda pair, n: ("count", *pair, "", str(n)), pairs, st.integers(0, 3)),
    st.builds(lambda rows, n: ("provinces", "", "", rows, str(n)), st.one_of(names, st.just("")), st.integers(0, 2)),
    st.tuples(st.just("some"), st.sampled_from(["", *COLUMNS]), st.just(""), st.just(""), st.just("1")),
)


@settings(max_examples=50)
@given(st.lists(claims, min_size=1, max_size=4), st.sampled_from(["none", "national", "cluster"]))
def test_count_is_that_of_all_tables_tried_one_by_one(given_claims, reference):
    agreeing = [t for t in FITTING[reference] if all(holds(t, *claim) for claim in given_claims)]
    found = reconstruct(said(*given_claims), ROWS, COLUMNS, reference=reference)
    assert found.n_tables == len(agreeing)
    if not agreeing:
        return
    arrays = [as_array(table) for table in agreeing]
    cells = found.cells.pivot(index="row", columns="column", values="share").loc[ROWS, COLUMNS].to_numpy()
    np.testing.assert_allclose(cells, np.mean(arrays, axis=0), atol=1e-12)
    known = {"0": found.cells["share"] == 0, "1": found.cells["share"] == 1}
    for value, shares in known.items():
        assert ((found.cells["value"] == value) == shares).all()
    listed = {table.to_numpy().tobytes() for table in found.tables}
    assert listed == ({array.tobytes() for array in arrays} if len(arrays) <= TABLES_LISTED else set())


def test_no_statement_leaves_every_table():
    empty = statements("p4", 4).iloc[:0]
    assert reconstruct(empty, SECTORS, DELTA).n_tables == 2 ** (28 * 4)
    assert reconstruct(empty, ROWS, COLUMNS, reference="cluster").n_tables == len(FITTING["cluster"])


def test_a_conflict_is_one_and_none_of_it_can_be_spared():
    found = reconstruct(statements("p4", 4), SECTORS, DELTA, reference="cluster")
    assert found.n_tables == 0 and found.cells.empty and found.tables == ()
    assert found.conflict == ("anhui_zhejiang", "anhui_zhejiang_inside", "anhui_zhejiang_count")
    part = statements("p4", 4).query("id in @found.conflict")
    assert reconstruct(part, SECTORS, DELTA).n_tables == 0
    for name in found.conflict:
        assert reconstruct(part[part["id"] != name], SECTORS, DELTA).n_tables > 0


# Tables 4 and 1 of p4


def test_tables_that_agree_with_p4_by_reading():
    found = p4.tables_by_reading().set_index(["table", "reading"])
    wanted = {
        (4, "as extracted"): [0, 0, 0],
        (4, "two lists pooled"): [15, 15, 15],
        (4, "two lists pooled, Jiangsu's names stay"): [6, 6, 6],
        (4, "sentence undone"): [1, 1, 1],
        (4, "undone, lists open"): [1, 1, 1],
        (4, "undone, no counts"): [8, 8, 8],
        (4, "undone, lists closed, no counts"): [1, 1, 1],
        (4, "sentence undone, 31 sectors"): [5**3, 5**3, 4**3],  # of no province, or of one: no new pair
        (1, "delta"): [1, 1, 1],
        (1, "delta, without two provinces each"): [1024, 441, 173],
        (1, "north, one industry of Beijing and Hebei"): [2511, 2370, 579],
        (1, "north, one industry of any two provinces"): [431, 428, 65],
    }
    assert {key: found.loc[key].tolist() for key in wanted} == wanted
    assert found.loc[(4, "undone, lists open, no counts"), "none"] == 2**68


def test_open_cells_are_counted_by_hand():
    """14 sectors of two named provinces have 3 ways each against the cluster, 4 without; one of three has 1 and 2."""
    no_counts = WHOLE[WHOLE["kind"] != "count"].replace({"kind": {"only": "shared"}})
    assert reconstruct(no_counts, SECTORS, DELTA, reference="cluster").n_tables == 3**14
    assert reconstruct(no_counts, SECTORS, DELTA).n_tables == 4**14 * 2


def test_the_text_leaves_the_table_rebuilt_by_hand():
    found = reconstruct(WHOLE, SECTORS, DELTA, reference="cluster")
    by_hand = rebuilt("p4", 4).pivot(index="sector_code", columns="province", values="lq_above_one")
    pd.testing.assert_frame_equal(found.tables[0], by_hand.loc[SECTORS, DELTA], check_names=False)
    assert found.tables[0].sum().to_dict() == {"shanghai": 8, "jiangsu": 10, "zhejiang": 12, "anhui": 14}
    common = {(a, b): int((by_hand[a] * by_hand[b]).sum()) for a, b in combinations(DELTA, 2)}
    assert list(common.values()) == [2, 3, 3, 1, 4, 4]
    assert (by_hand.sum(axis=1) >= 1).all()
    assert set(found.cells["value"]) == {"0", "1"}


def test_what_each_statement_adds():
    found = falsify(WHOLE, SECTORS, DELTA, reference="cluster")
    dropped = found[found["change"] == "dropped"].set_index("id")["n_tables"]
    assert dropped[dropped > 1].to_dict() == {
        "shanghai_automobiles": 4,
        "jiangsu_sole": 64,
        "zhejiang_sole": 256,
        "anhui_sole": 256,
    }
    counts = found[(found["kind"] == "count") & (found["change"] != "dropped")]
    assert len(counts) == 12 and (counts["n_tables"] == 0).all()
    assert (found.query("id == 'zhejiang_sole' and change == 'of anhui'")["n_tables"] == 0).all()


@pytest.mark.parametrize(
    ("claim", "error", "message"),
    [
        (("have", "a", "", "x", ""), DomainError, "no kind of statement.*s0.*has, sole"),
        (("has", "a", "", "q", ""), KeyColumnError, "'sectors'.*no such name.*s0 q"),
        (("has", "d", "", "x", ""), KeyColumnError, "'province'"),
        (("shared", "a", "", "x", ""), DomainError, "'other_province'.*'shared' needs it"),
        (("has", "a", "", "", ""), DomainError, "'sectors'.*needs it"),
        (("count", "a", "b", "", "two"), DomainError, "'count'.*whole number"),
        (("some", "a", "", "", "2"), DomainError, "at least one"),
    ],
)
def test_statements_that_cannot_be_read(claim, error, message):
    with pytest.raises(error, match=message):
        reconstruct(said(claim), ROWS, COLUMNS)


def test_other_bad_input_of_a_reconstruction():
    good = said(("has", "a", "", "x", ""))
    for bad, message in (
        (lambda: reconstruct(pd.concat([good, good]), ROWS, COLUMNS), "ids come twice"),
        (lambda: reconstruct(good, ["x", "x"], COLUMNS), "rows of the table"),
        (lambda: reconstruct(good, ROWS, []), "columns of the table"),
        (lambda: reconstruct(good, ROWS, COLUMNS, reference="rest"), "reference='rest'"),
        (lambda: reconstruct(good.drop(columns="count"), ROWS, COLUMNS), "count"),
    ):
        with pytest.raises(RegionError, match=message):
            bad()


# Bounds


def indices(shares: np.ndarray, size: np.ndarray) -> dict[tuple[str, ...], float]:
    """K of a table of shares, regions by sectors, by the definition."""
    found = {}
    for i, own in enumerate(shares):
        rest = np.delete(size, i) @ np.delete(shares, i, axis=0) / np.delete(size, i).sum()
        found[(f"r{i}",)] = float(np.abs(own - rest).sum())
    for i, j in combinations(range(len(shares)), 2):
        found[f"r{i}", f"r{j}"] = float(np.abs(shares[i] - shares[j]).sum())
    return found


@settings(max_examples=8)
@given(st.integers(0, 10**6), st.integers(2, 4))
def test_bounds_hold_for_any_table_and_imply_the_triangle_inequalities(seed, n):
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(6, 0.4), size=n)
    size = rng.uniform(0.1, 3.0, n)
    truth = indices(shares, size)
    names = [f"r{i}" for i in range(n)]
    known = {name: (k - 1e-7, k + 1e-7) for name, k in truth.items() if rng.random() < 0.5}
    sizes = dict(zip(names, size, strict=True))
    sharp, outer = (specialization_bounds(names, known, shares=w).set_index("quantity") for w in (sizes, None))
    for found in (sharp, outer):
        for name, k in truth.items():
            low, high = found.loc[f"K({', '.join(name)})", ["low", "high"]]
            assert low - 1e-7 <= k <= high + 1e-7
    for i in range(n):
        others = [j for j in range(n) if j != i]
        weight = size / size[others].sum()
        ceiling = sum(weight[j] * known.get(tuple(sorted((f"r{i}", f"r{j}"))), (0, 2))[1] for j in others)
        assert sharp.loc[f"K(r{i})", "high"] <= ceiling + 1e-7
    for i, j, via in ((i, j, k) for i, j in combinations(range(n), 2) for k in range(n) if k not in (i, j)):
        ends = [known.get(tuple(sorted((f"r{x}", f"r{via}"))), (0, 2))[1] for x in (i, j)]
        assert sharp.loc[f"K(r{i}, r{j})", "high"] <= sum(ends) + 1e-7


def test_bounds_are_narrower_with_weights_and_do_not_depend_on_their_scale():
    known = {("a", "b"): (0.5, 0.6), ("b",): (0.2, 0.3)}
    size = {"a": 3.0, "b": 1.0, "c": 2.0}
    narrow = specialization_bounds(list(size), known, shares=size)
    wide = specialization_bounds(list(size), known)
    assert (narrow["low"] >= wide["low"] - 1e-9).all() and (narrow["high"] <= wide["high"] + 1e-9).all()
    assert (narrow["high"] < wide["high"] - 1e-3).any()
    scaled = specialization_bounds(list(size), known, shares={x: 7 * n for x, n in size.items()})
    np.testing.assert_allclose(scaled[["low", "high"]], narrow[["low", "high"]], atol=1e-9)


def test_two_regions_have_one_index():
    for shares in ({"a": 1.0, "b": 5.0}, None):
        found = specialization_bounds(["a", "b"], {("b", "a"): (0.4, 0.7)}, shares=shares)
        np.testing.assert_allclose(found[["low", "high"]], [[0.4, 0.7]] * 3, atol=1e-9)
        assert found["printed_low"].notna().tolist() == [False, False, True]


def test_the_ceiling_of_an_index_is_the_weighted_mean_of_its_pairs():
    """Reached where the three regions stand on one side in every sector: a convex combination is no nearer."""
    known = {("a", "b"): (0.5, 0.5), ("a", "c"): (0.8, 0.8)}
    found = specialization_bounds(["a", "b", "c"], known, shares={"a": 9.0, "b": 3.0, "c": 1.0}).set_index("quantity")
    assert found.loc["K(a)", "high"] == pytest.approx(0.75 * 0.5 + 0.25 * 0.8)
    assert found.loc["K(a)", "low"] == pytest.approx(0.75 * 0.5 - 0.25 * 0.8)
    assert found.loc["K(b, c)", ["low", "high"]].tolist() == pytest.approx([0.3, 1.3])


def test_bad_input_of_bounds():
    pair = {("a", "b"): (0.1, 0.2)}
    for bad, error, message in (
        (lambda: specialization_bounds(["a"], {}), GroupSizeError, "two regions"),
        (lambda: specialization_bounds(["a", "b"], {("a", "d"): (0, 1)}), KeyColumnError, "no index of these.*a d"),
        (lambda: specialization_bounds(["a", "b"], {("a", "b"): (0.3, 0.2)}), DomainError, "0.3 to 0.2 is empty"),
        (lambda: specialization_bounds(["a", "b"], pair, shares={"a": 1.0}), KeyColumnError, "differ.*b"),
        (lambda: specialization_bounds(["a", "b"], pair, shares={"a": 1.0, "b": 0.0}), DomainError, "positive.*b"),
        (lambda: specialization_bounds(["a", "b"], {**pair, ("a",): (0.5, 0.6)}), InfeasibleError, "no sectors give"),
        (lambda: specialization_bounds(["a", "b"], {("a", "b"): (2.1, 2.2)}), InfeasibleError, "no sectors give"),
    ):
        with pytest.raises(error, match=message):
            bad()
