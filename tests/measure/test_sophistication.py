import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    UnbalancedPanelError,
)
from regiometrics.measure.sophistication import (
    decompose_between_units,
    decompose_sophistication,
    expy,
    industry_sophistication,
    prody,
    sophistication,
)

TRADE = {"country": "m", "product": "k", "exports": "usd"}
OUTPUT = {"unit": "county", "time": "year", "industry": "gb", "value": "x"}
COUNTIES = {"unit": "county", "time": "year", "value": "x", "sophistication": "soph"}
PARTS = {
    "centred": ["continuing", "entry", "exit"],
    "printed": ["between_counties", "within_county", "entry_exit"],
}
positive = st.floats(1e-3, 1e3)


def cells(draw, *sizes: int) -> np.ndarray:
    """Amounts, some zero."""
    amount = st.one_of(positive, st.just(0.0))
    n = int(np.prod(sizes))
    return np.array(draw(st.lists(amount, min_size=n, max_size=n))).reshape(sizes)


def long(values: np.ndarray, names: list[str], value: str) -> pd.DataFrame:
    table = pd.DataFrame(itertools.product(*map(range, values.shape)), columns=names)
    return table.assign(**{value: values.ravel()})


@st.composite
def world(draw):
    """Exports (each country and product with some) and GDP per head."""
    exports = cells(draw, draw(st.integers(1, 5)), draw(st.integers(1, 6)))
    exports[exports.sum(axis=1) == 0, 0] = 1
    exports[0, exports.sum(axis=0) == 0] = 1
    income = draw(st.lists(positive, min_size=len(exports), max_size=len(exports)))
    return long(exports, ["m", "k"], "usd"), pd.Series(income)


@st.composite
def panel(draw):
    """Output of counties by industry with entry and exit of industries, and complexity by industry."""
    n, t, i = draw(st.integers(1, 3)), draw(st.integers(2, 4)), draw(st.integers(1, 5))
    output = cells(draw, n, t, i)
    output[output.sum(axis=2) == 0, 0] = 1
    table = long(output, ["county", "year", "gb"], "x")
    complexity = pd.Series(draw(st.lists(positive, min_size=i, max_size=i)))
    return table, complexity


def prody_by_definition(trade: pd.DataFrame, income: pd.Series) -> dict[int, float]:
    """Equation (3), country by country and product by product."""
    x = trade.set_index(["m", "k"])["usd"]
    countries, products = trade["m"].unique(), trade["k"].unique()
    total = {m: sum(x[m, k] for k in products) for m in countries}
    found = {}
    for k in products:
        mass = sum(x[m, k] / total[m] for m in countries)
        found[k] = sum(x[m, k] / total[m] / mass * income[m] for m in countries)
    return found


def level_by_definition(x: dict[int, float], p: pd.Series) -> float:
    return sum(p[i] * x[i] for i in x) / sum(x.values())


def parts_by_definition(now: dict[int, float], before: dict[int, float], p: pd.Series, method: str) -> list[float]:
    """Equation (5) as printed, or its centred form, industry by industry."""
    total, total_before = sum(now.values()), sum(before.values())
    stay, enter, leave = now.keys() & before.keys(), now.keys() - before.keys(), before.keys() - now.keys()
    if method == "printed":
        return [
            sum(p[i] * now[i] * (1 / total - 1 / total_before) for i in stay),
            sum(p[i] * (now[i] - before[i]) / total_before for i in stay),
            sum(p[i] * now[i] / total for i in enter) - sum(p[i] * before[i] / total_before for i in leave),
        ]
    centre = (level_by_definition(now, p) + level_by_definition(before, p)) / 2
    return [
        sum((p[i] - centre) * (now[i] / total - before[i] / total_before) for i in stay),
        sum((p[i] - centre) * now[i] / total for i in enter),
        -sum((p[i] - centre) * before[i] / total_before for i in leave),
    ]


def outputs(table: pd.DataFrame) -> dict[tuple[int, int], dict[int, float]]:
    """Positive output by industry of each county and year."""
    positive_rows = table[table["x"] > 0]
    return {
        key: dict(zip(rows["gb"], rows["x"], strict=True)) for key, rows in positive_rows.groupby(["county", "year"])
    }


# --- PRODY and EXPY ---


@given(world())
def test_prody_is_its_definition_and_lies_between_the_incomes(data):
    trade, income = data
    table = prody(trade, **TRADE, gdp_per_head=income)
    assert table["k"].tolist() == sorted(trade["k"].unique())
    np.testing.assert_allclose(table["prody"], list(prody_by_definition(trade, income).values()), rtol=1e-12)
    assert table["prody"].between(income.min() * (1 - 1e-12), income.max() * (1 + 1e-12)).all()


@given(world(), positive)
def test_prody_scales_with_income_and_not_with_the_size_of_a_country(data, factor):
    trade, income = data
    base = prody(trade, **TRADE, gdp_per_head=income)["prody"]
    np.testing.assert_allclose(prody(trade, **TRADE, gdp_per_head=income * factor)["prody"], factor * base, rtol=1e-12)
    larger = trade.assign(usd=trade["usd"].where(trade["m"] > 0, trade["usd"] * factor))
    np.testing.assert_allclose(prody(larger, **TRADE, gdp_per_head=income)["prody"], base, rtol=1e-9)


@given(world())
def test_a_product_of_one_country_has_its_income_and_equal_shares_have_the_mean_income(data):
    trade, income = data
    alone = pd.concat([trade, pd.DataFrame({"m": [0], "k": [99], "usd": [5.0]})])
    last = prody(alone, **TRADE, gdp_per_head=income).iloc[-1]
    assert last["prody"] == pytest.approx(income[0], rel=1e-12)
    assert last["exporters"] == 1
    assert last["effective_exporters"] == pytest.approx(1, rel=1e-12)
    size = trade["m"].map({m: 10.0**m for m in range(5)})
    equal = prody(trade.assign(usd=size * (1 + trade["k"])), **TRADE, gdp_per_head=income)
    np.testing.assert_allclose(equal["prody"], income.mean(), rtol=1e-12)
    np.testing.assert_allclose(equal["effective_exporters"], len(income), rtol=1e-12)


@given(world())
def test_rows_may_come_in_any_order_and_zero_trade_may_be_left_out(data):
    trade, income = data
    base = prody(trade, **TRADE, gdp_per_head=income)
    shuffled = prody(trade.sample(frac=1, random_state=0), **TRADE, gdp_per_head=income.iloc[::-1])
    pd.testing.assert_frame_equal(shuffled, base, rtol=1e-12)
    sparse = prody(trade[trade["usd"] > 0], **TRADE, gdp_per_head=income)
    pd.testing.assert_frame_equal(sparse, base, rtol=1e-12)
    assert (base["effective_exporters"] <= base["exporters"] * (1 + 1e-12)).all()
    np.testing.assert_allclose(base["exports"], trade.groupby("k")["usd"].sum(), rtol=1e-12)


@settings(max_examples=20)
@given(world())
def test_expy_is_the_sophistication_of_a_country_in_its_products(data):
    trade, income = data
    values = prody(trade, **TRADE, gdp_per_head=income).set_index("k")["prody"]
    table = expy(trade, **TRADE, prody=values)
    same = sophistication(trade.assign(year=1), unit="m", time="year", industry="k", value="usd", complexity=values)
    np.testing.assert_allclose(table["expy"], same["sophistication"], rtol=1e-12)
    share = trade["usd"] / trade.groupby("m")["usd"].transform("sum")
    by_hand = (share * trade["k"].map(values)).groupby(trade["m"]).sum()
    np.testing.assert_allclose(table["expy"], by_hand, rtol=1e-12)


# --- industries and places ---

VALUES = pd.DataFrame({"k": ["a", "b", "c", "d"], "prody": [2.0, 4.0, 9.0, 1.0], "exports": [5.0, 1.0, 3.0, 1.0]})
CODES = pd.DataFrame({"k": ["a", "b", "c", "d", "d"], "gb": [13, 13, 40, 40, 13], "w": [1.0, 3.0, 1.0, 0.0, 0.0]})


def test_industry_values_are_simple_means_or_weighted_ones_when_asked():
    simple = industry_sophistication(VALUES, CODES, product="k", industry="gb")
    assert simple.to_dict() == pytest.approx({13: 7 / 3, 40: 5.0})
    weighted = industry_sophistication(VALUES, CODES, product="k", industry="gb", weight="w")
    assert weighted.to_dict() == pytest.approx({13: 3.5, 40: 9.0})
    even = industry_sophistication(VALUES, CODES.assign(w=7.0), product="k", industry="gb", weight="w")
    np.testing.assert_allclose(even, simple, rtol=1e-15)


@settings(max_examples=20)
@given(panel(), positive, positive)
def test_sophistication_is_a_mean_of_complexity_without_a_unit_of_output(data, factor, shift):
    table, complexity = data
    level = sophistication(table, **OUTPUT, complexity=complexity)
    by_hand = [level_by_definition(x, complexity) for x in outputs(table).values()]
    np.testing.assert_allclose(level["sophistication"], by_hand, rtol=1e-12)
    assert level[["county", "year"]].to_numpy().tolist() == [list(key) for key in outputs(table)]
    low, high = complexity.min() * (1 - 1e-12), complexity.max() * (1 + 1e-12)
    assert level["sophistication"].between(low, high).all()
    dearer = sophistication(table.assign(x=table["x"] * factor), **OUTPUT, complexity=complexity)
    np.testing.assert_allclose(dearer["sophistication"], level["sophistication"], rtol=1e-12)
    raised = sophistication(table, **OUTPUT, complexity=complexity + shift)
    np.testing.assert_allclose(raised["sophistication"], level["sophistication"] + shift, rtol=1e-12)


# --- decomposition within a place ---


@pytest.mark.parametrize("method", PARTS)
@given(panel())
def test_parts_add_up_to_the_change_and_are_their_definition(method, data):
    table, complexity = data
    parts = decompose_sophistication(table, **OUTPUT, complexity=complexity, method=method)
    x = outputs(table)
    assert len(parts) == sum((county, year - 1) in x for county, year in x)
    level = sophistication(table, **OUTPUT, complexity=complexity).set_index(["county", "year"])["sophistication"]
    for row in parts.to_dict("records"):
        county, year = row["county"], row["year"]
        found = [row[name] for name in PARTS[method]]
        # Printed parts grow with output, so their own size bounds the rounding.
        scale = max(level[county, year], level[county, year - 1], *np.abs(found))
        assert row["change"] == pytest.approx(level[county, year] - level[county, year - 1], abs=1e-12 * scale)
        assert sum(found) == pytest.approx(row["change"], abs=1e-12 * scale)
        slow = parts_by_definition(x[county, year], x[county, year - 1], complexity, method)
        assert found == pytest.approx(slow, abs=1e-12 * scale)


@given(panel())
def test_the_printed_first_term_is_minus_growth_times_the_level_of_the_survivors(data):
    table, complexity = data
    parts = decompose_sophistication(table, **OUTPUT, complexity=complexity, method="printed")
    x = outputs(table)
    for row in parts.to_dict("records"):
        now, before = x[row["county"], row["year"]], x[row["county"], row["year"] - 1]
        growth = sum(now.values()) / sum(before.values()) - 1
        survivors = sum(complexity[i] * now[i] for i in now.keys() & before.keys()) / sum(now.values())
        printed = parts_by_definition(now, before, complexity, "printed")[0]
        size = (1 + abs(growth)) * max(complexity)
        assert row["growth"] == pytest.approx(growth, rel=1e-12, abs=1e-12)
        assert row["survivors"] == pytest.approx(survivors, rel=1e-12)
        assert row["between_counties"] == pytest.approx(-growth * survivors, abs=1e-12 * size)
        assert printed == pytest.approx(-growth * survivors, abs=1e-12 * size)


@settings(max_examples=20)
@given(panel(), st.floats(1.1, 1e3))
def test_a_price_level_moves_the_printed_parts_and_not_the_centred_ones(data, price):
    table, complexity = data
    dearer = table.assign(x=table["x"].where(table["year"] != 1, table["x"] * price))
    results = {
        method: [decompose_sophistication(t, **OUTPUT, complexity=complexity, method=method) for t in (table, dearer)]
        for method in PARTS
    }
    before, after = results["centred"]
    np.testing.assert_allclose(after[PARTS["centred"]], before[PARTS["centred"]], atol=1e-12 * max(complexity))
    before, after = (frame.query("year == 1") for frame in results["printed"])
    # Output of year 1 times price: growth g becomes (1 + g) price - 1, and both parts move by the same amount.
    moved = (price - 1) * (1 + before["growth"]) * before["survivors"]
    scale = float((price * (1 + before["growth"])).max()) * max(complexity)
    np.testing.assert_allclose(after["between_counties"] - before["between_counties"], -moved, atol=1e-11 * scale)
    np.testing.assert_allclose(after["within_county"] - before["within_county"], moved, atol=1e-11 * scale)
    np.testing.assert_allclose(after["entry_exit"], before["entry_exit"], atol=1e-12 * max(complexity))
    assume((before["survivors"] > 0).any())
    assert (moved > 0).any()


def test_doubling_all_prices_by_hand():
    df = pd.DataFrame({"county": 0, "year": [1, 1, 2, 2], "gb": [0, 1] * 2, "x": [3.0, 1.0, 2.0, 2.0]})
    complexity = pd.Series([3.0, 9.0])
    printed = {"between_counties": [0.0, -6.0], "within_county": [1.5, 7.5], "entry_exit": [0.0, 0.0]}
    for i, price in enumerate([1, 2]):
        dearer = df.assign(x=df["x"].where(df["year"] < 2, df["x"] * price))
        row = decompose_sophistication(dearer, **OUTPUT, complexity=complexity, method="printed").iloc[0]
        assert {name: row[name] for name in printed} == {name: values[i] for name, values in printed.items()}
        assert row["change"] == 1.5
        centred = decompose_sophistication(dearer, **OUTPUT, complexity=complexity).iloc[0]
        assert centred[PARTS["centred"]].tolist() == [1.5, 0.0, 0.0]


@pytest.mark.parametrize("method", PARTS)
def test_coefficients_on_the_parts_add_up_to_the_coefficient_on_the_change(method):
    rng = np.random.default_rng(7)
    table = long(rng.lognormal(size=(30, 8, 12)) * (rng.random((30, 8, 12)) < 0.8), ["county", "year", "gb"], "x")
    complexity = pd.Series(rng.uniform(3, 20, 12))
    parts = decompose_sophistication(table, **OUTPUT, complexity=complexity, method=method)
    x = np.column_stack([np.ones(len(parts)), rng.normal(size=(len(parts), 3))])
    coefficients = np.linalg.lstsq(x, parts[["change", *PARTS[method]]].to_numpy(), rcond=None)[0]
    np.testing.assert_allclose(coefficients[:, 1:].sum(axis=1), coefficients[:, 0], atol=1e-12 * 20)
    assert np.abs(coefficients[1:]).min() > 1e-6


def test_a_county_that_starts_late_or_ends_early_has_its_own_steps_and_a_zero_is_an_absent_industry():
    x = np.array([[[1.0, 2], [0, 2], [1, 1]], [[0, 0], [1, 1], [3, 1]], [[1, 1], [1, 3], [0, 0]]])
    table = long(x, ["county", "year", "gb"], "x")
    table = table[table.groupby(["county", "year"])["x"].transform("sum") > 0]
    complexity = pd.Series([2.0, 8.0])
    parts = decompose_sophistication(table, **OUTPUT, complexity=complexity)
    assert parts[["county", "year"]].to_numpy().tolist() == [[0, 1], [0, 2], [1, 2], [2, 1]]
    assert parts["exit"].ne(0).tolist() == [True, False, False, False]
    assert parts["entry"].ne(0).tolist() == [False, True, False, False]
    without_zeros = decompose_sophistication(table[table["x"] > 0], **OUTPUT, complexity=complexity)
    pd.testing.assert_frame_equal(without_zeros, parts)


def test_labels_of_any_kind_and_order_of_rows_do_not_matter():
    rng = np.random.default_rng(1)
    table = long(rng.lognormal(size=(3, 4, 5)), ["county", "year", "gb"], "x")
    complexity = pd.Series(rng.uniform(3, 20, 5))
    base = decompose_sophistication(table, **OUTPUT, complexity=complexity)
    named = table.assign(county=table["county"].map(str).astype("category"), gb=table["gb"].map("i{}".format))
    other = decompose_sophistication(
        named.sample(frac=1, random_state=0), **OUTPUT, complexity=complexity.rename("i{}".format).iloc[::-1]
    )
    np.testing.assert_allclose(other[PARTS["centred"]], base[PARTS["centred"]], rtol=1e-10, atol=1e-13)
    assert other["county"].astype(int).tolist() == base["county"].tolist()


# --- decomposition between places ---


@st.composite
def counties(draw):
    """Counties in groups with output and level; county 0 of each group stays, others come and go."""
    n, t = draw(st.integers(1, 6)), draw(st.integers(2, 4))
    table = long(np.array(draw(st.lists(positive, min_size=n * t, max_size=n * t))).reshape(n, t), ["c", "year"], "x")
    table["soph"] = draw(st.lists(positive, min_size=n * t, max_size=n * t))
    table["group"] = table["c"] % 2
    there = np.array(draw(st.lists(st.booleans(), min_size=n * t, max_size=n * t)))
    return table.rename(columns={"c": "county"})[there | (table["c"] < 2)]


def between_by_definition(now: pd.DataFrame, before: pd.DataFrame) -> list[float]:
    """Griliches and Regev for counties that stay, Melitz and Polanec for the others, county by county."""
    now, before = now.set_index("county"), before.set_index("county")
    stay = [c for c in now.index if c in before.index]
    x, x0 = sum(now.loc[c, "x"] for c in stay), sum(before.loc[c, "x"] for c in stay)
    level = sum(now.loc[c, "x"] / x * now.loc[c, "soph"] for c in stay)
    level0 = sum(before.loc[c, "x"] / x0 * before.loc[c, "soph"] for c in stay)
    within = between = entry = leave = 0.0
    for c in stay:
        w, w0 = now.loc[c, "x"] / x, before.loc[c, "x"] / x0
        within += (w + w0) / 2 * (now.loc[c, "soph"] - before.loc[c, "soph"])
        between += (w - w0) * ((now.loc[c, "soph"] + before.loc[c, "soph"]) / 2 - (level + level0) / 2)
    for c in now.index.difference(stay):
        entry += now.loc[c, "x"] / now["x"].sum() * (now.loc[c, "soph"] - level)
    for c in before.index.difference(stay):
        leave += before.loc[c, "x"] / before["x"].sum() * (level0 - before.loc[c, "soph"])
    return [within, between, entry, leave]


BETWEEN = ["within", "between", "entry", "exit"]


@given(counties())
def test_between_counties_proper_adds_up_and_is_its_definition(table):
    parts = decompose_between_units(table, **COUNTIES, group="group")
    weighted = table.assign(v=table["x"] * table["soph"]).groupby(["group", "year"])[["v", "x"]].sum()
    level = weighted["v"] / weighted["x"]
    by_cell = {key: rows for key, rows in table.groupby(["group", "year"])}
    assert len(parts) == table["group"].nunique() * (table["year"].nunique() - 1)
    for row in parts.to_dict("records"):
        key, last = (row["group"], row["year"]), (row["group"], row["year"] - 1)
        scale = max(by_cell[key]["soph"].max(), by_cell[last]["soph"].max())
        found = [row[name] for name in BETWEEN]
        assert row["change"] == pytest.approx(level[key] - level[last], abs=1e-12 * scale)
        assert sum(found) == pytest.approx(row["change"], abs=1e-12 * scale)
        assert found == pytest.approx(between_by_definition(by_cell[key], by_cell[last]), abs=1e-12 * scale)


@given(counties(), positive)
def test_between_counties_proper_has_no_price_level_and_without_entry_only_two_parts(table, price):
    dearer = table.assign(x=table["x"].where(table["year"] != 1, table["x"] * price))
    base = decompose_between_units(table, **COUNTIES, group="group")
    other = decompose_between_units(dearer, **COUNTIES, group="group")
    np.testing.assert_allclose(other[BETWEEN], base[BETWEEN], atol=1e-12 * table["soph"].max())
    stay = table[table["county"] < 2]
    two = decompose_between_units(stay, **COUNTIES)
    assert two.columns.tolist() == ["year", "change", *BETWEEN]
    assert (two[["entry", "exit"]] == 0).all(axis=None)
    constant = decompose_between_units(stay.assign(soph=stay["county"] + 1.0), **COUNTIES)
    assert (constant["within"] == 0).all()


def test_shares_alone_move_the_aggregate_by_hand():
    df = pd.DataFrame({"county": ["a", "b", "a", "b", "c"], "year": [1, 1, 2, 2, 2], "x": [1.0, 1, 3, 1, 4]})
    df["soph"] = [4.0, 2.0, 4.0, 2.0, 5.5]
    row = decompose_between_units(df, **COUNTIES).iloc[0]
    assert row[["change", *BETWEEN]].tolist() == [1.5, 0.0, 0.5, 1.0, 0.0]


# --- bad input ---

EXPORTS = pd.DataFrame({"m": ["a", "a", "b", "b"], "k": ["x", "y", "x", "y"], "usd": [1.0, 2.0, 3.0, 4.0]})
INCOME = pd.Series({"a": 1.0, "b": 2.0})


@pytest.mark.parametrize(
    ("trade", "income", "error", "message"),
    [
        (EXPORTS.assign(usd=[1, -2, 3, 4]), INCOME, DomainError, "'usd': negative values.*a y"),
        (EXPORTS.assign(usd=[0, 0, 3, 4]), INCOME, DomainError, "country without exports.*2 rows: a"),
        (EXPORTS.assign(usd=[1, 0, 3, 0]), INCOME, DomainError, "product that nobody exports.*2 rows: y"),
        (EXPORTS.assign(usd=[1, np.nan, 3, 4]), INCOME, MissingValueError, "a y"),
        (EXPORTS.assign(usd=["1", "n.a.", "3", "4"]), INCOME, DomainError, "text where a number"),
        (EXPORTS.assign(k=["x", "x", "x", "y"]), INCOME, KeyColumnError, "identify each row.*a x"),
        (EXPORTS, INCOME[["a"]], MissingValueError, "GDP per head of an exporter is missing.*1 row: b"),
        (EXPORTS, INCOME.replace(2.0, np.nan), MissingValueError, "GDP per head of an exporter is missing.*b"),
        (EXPORTS, INCOME.replace(2.0, 0.0), DomainError, "GDP per head must be positive.*b"),
        (EXPORTS, INCOME.map({1.0: "1", 2.0: "two"}), DomainError, "'gdp_per_head': text where a number.*b"),
        (EXPORTS, pd.concat([INCOME, INCOME]), KeyColumnError, "holds a label twice.*a; b"),
    ],
)
def test_bad_trade_is_named(trade, income, error, message):
    with pytest.raises(error, match=message):
        prody(trade, **TRADE, gdp_per_head=income)


def test_a_product_without_prody_is_named_with_its_share_of_trade():
    with pytest.raises(KeyColumnError, match=r"'k': no prody for 1 of 2 labels, 0\.6 of all 'usd' \(1 row: y\)"):
        expy(EXPORTS, **TRADE, prody=pd.Series({"x": 3.0}))
    with pytest.raises(DomainError, match="country without exports"):
        expy(EXPORTS.assign(usd=[0, 0, 3, 4]), **TRADE, prody=pd.Series({"x": 3.0}))


@pytest.mark.parametrize(
    ("codes", "options", "error", "message"),
    [
        (CODES[CODES["k"] != "c"], {}, KeyColumnError, r"without an industry in the concordance, 0\.3 of all trade.*c"),
        (pd.concat([CODES, CODES.tail(1).assign(k="e")]), {}, KeyColumnError, "concordance without PRODY.*e"),
        (CODES.assign(gb=13), {}, KeyColumnError, "identify each row.*d 13"),
        (CODES.assign(w=-1.0), {"weight": "w"}, DomainError, "'w': negative values"),
        (CODES.assign(w=(CODES["gb"] == 13) * 1.0), {"weight": "w"}, DomainError, "weights are all zero.*40"),
        (CODES.drop(columns="gb"), {}, KeyColumnError, "'gb' is not in the table"),
    ],
)
def test_a_bad_concordance_is_named(codes, options, error, message):
    with pytest.raises(error, match=message):
        industry_sophistication(VALUES, codes, product="k", industry="gb", **options)


FIRMS = pd.DataFrame({"county": 0, "year": [1, 1, 2, 2], "gb": [0, 1] * 2, "x": [3.0, 1.0, 2.0, 2.0]})
COMPLEXITY = pd.Series([3.0, 9.0])


@pytest.mark.parametrize("measure", [sophistication, decompose_sophistication])
@pytest.mark.parametrize(
    ("df", "complexity", "error", "message"),
    [
        (FIRMS.assign(x=[3, 1, 0, 0]), COMPLEXITY, DomainError, "no output in any industry.*0 2"),
        (FIRMS.assign(x=[3, 1, -1, 2]), COMPLEXITY, DomainError, "negative values.*0 2 0"),
        (FIRMS.assign(x=[3, 1, np.nan, 2]), COMPLEXITY, MissingValueError, "0 2 0"),
        (FIRMS.assign(gb=0), COMPLEXITY, KeyColumnError, "identify each row"),
        (FIRMS, COMPLEXITY[:1], KeyColumnError, r"'gb': no complexity for 1 of 2 labels, 0\.375 of all 'x'.*1"),
        (FIRMS, COMPLEXITY.replace(9.0, np.inf), MissingValueError, "complexity is missing.*1"),
    ],
)
def test_bad_output_is_named(measure, df, complexity, error, message):
    with pytest.raises(error, match=message):
        measure(df, **OUTPUT, complexity=complexity)


def test_steps_that_are_not_there_are_named():
    with pytest.raises(DomainError, match="method='foster' is not known"):
        decompose_sophistication(FIRMS, **OUTPUT, complexity=COMPLEXITY, method="foster")
    with pytest.raises(GroupSizeError, match="two neighbouring periods"):
        decompose_sophistication(FIRMS[FIRMS["year"] == 1], **OUTPUT, complexity=COMPLEXITY)
    hole = pd.concat([FIRMS, FIRMS.assign(county=1, year=[1, 1, 3, 3])])
    with pytest.raises(UnbalancedPanelError, match="county absent between two periods.*1 row: 1 2"):
        decompose_sophistication(hole, **OUTPUT, complexity=COMPLEXITY)
    firm = pd.DataFrame({"county": ["a", "b"], "year": [1, 2], "x": 1.0, "soph": 3.0})
    with pytest.raises(GroupSizeError, match=r"no unit is present in this and the preceding period.*1 row: 2"):
        decompose_between_units(firm, **COUNTIES)
    with pytest.raises(GroupSizeError, match="1 row: g 2"):
        decompose_between_units(firm.assign(group="g"), **COUNTIES, group="group")
    with pytest.raises(DomainError, match="output must be positive.*b 2"):
        decompose_between_units(firm.assign(x=[1.0, 0.0]), **COUNTIES)
    with pytest.raises(KeyColumnError, match="a key may not be missing"):
        decompose_between_units(firm.assign(group=["g", None]), **COUNTIES, group="group")
    with pytest.raises(KeyColumnError, match="identify each row"):
        decompose_between_units(firm.assign(county="a", year=1), **COUNTIES)


def test_inputs_are_left_as_they_were():
    trade, firms = EXPORTS.copy(), FIRMS.copy()
    prody(trade, **TRADE, gdp_per_head=INCOME)
    decompose_sophistication(firms, **OUTPUT, complexity=COMPLEXITY)
    pd.testing.assert_frame_equal(trade, EXPORTS)
    pd.testing.assert_frame_equal(firms, FIRMS)
