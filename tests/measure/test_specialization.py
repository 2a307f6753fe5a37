import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    UnbalancedPanelError,
)
from regiometrics.measure.quotient import location_quotient
from regiometrics.measure.specialization import (
    advantage_sectors,
    intensity_shares,
    interregional_specialization,
    relative_specialization,
)

KEYS = {"region": "province", "industry": "code", "value": "output"}
YEARLY = KEYS | {"time": "year"}
EVERY = YEARLY | {"cluster": "area"}
MEASURES = [relative_specialization, interregional_specialization, advantage_sectors]


few = settings(max_examples=12)  # an example calls the measures several times


def long(output: np.ndarray) -> pd.DataFrame:
    """Regions x industries as a long table."""
    r, k = np.indices(output.shape).reshape(2, -1)
    return pd.DataFrame({"province": r, "code": k, "output": output.ravel()})


def relative(output, **options):
    return relative_specialization(long(output), **KEYS, **options)["specialization"].to_numpy()


def by_pair(output) -> np.ndarray:
    """The matrix of K_ij."""
    matrix = np.zeros((len(output), len(output)))
    matrix[np.triu_indices(len(output), 1)] = interregional_specialization(long(output), **KEYS)["specialization"]
    return matrix + matrix.T


@st.composite
def outputs(draw, least=2, most=4, positive=False):
    """Output by region and industry; zeros, but no region without output (and no industry, where ``positive``)."""
    n, m = draw(st.integers(least, most)), draw(st.integers(1, 4))
    some = st.floats(1e-2, 1e6)
    x = draw(arrays(float, (n, m), elements=some if positive else st.one_of(st.just(0.0), some)))
    assume((x.sum(axis=1) > 0).all())
    return x


@pytest.fixture
def panel() -> pd.DataFrame:
    """Two clusters whose rows interleave, three years, industries that some regions lack, rows in no order."""
    rng = np.random.default_rng(7)
    area = {"p": "south", "x": "north", "q": "south", "y": "north", "r": "south", "z": "north", "s": "south"}
    df = pd.DataFrame(itertools.product(area, "abcde", [2005, 2006, 2007]), columns=["province", "code", "year"])
    df["area"] = df["province"].map(area)
    df["output"] = rng.lognormal(sigma=1.5, size=len(df)) * (rng.random(len(df)) < 0.8)
    df.loc[df["code"] == "a", "output"] += 0.1
    return df


def structure(df: pd.DataFrame) -> dict[str, float]:
    """Shares of the industries in a table."""
    output = dict.fromkeys(df["code"], 0.0)
    for k, x in zip(df["code"], df["output"], strict=True):
        output[k] += x
    return {k: x / sum(output.values()) for k, x in output.items()}


def gap(a: dict[str, float], b: dict[str, float]) -> float:
    return sum(abs(a[k] - b[k]) for k in a)


@pytest.mark.parametrize("reference", ["rest", "cluster", "national"])
def test_relative_index_is_its_definition_by_loops(panel, reference):
    found = relative_specialization(panel.sample(frac=1, random_state=1), **EVERY, reference=reference)
    assert list(found.columns) == ["time", "group", "unit", "share", "specialization"]
    assert len(found) == 3 * 7
    for row in found.itertuples():
        year = panel[panel["year"] == row.time]
        own, area = year[year["province"] == row.unit], year[year["area"] == row.group]
        base = {"rest": area[area["province"] != row.unit], "cluster": area, "national": year}[reference]
        assert (own["area"] == row.group).all()
        assert row.share == pytest.approx(own["output"].sum() / area["output"].sum(), rel=1e-12)
        assert row.specialization == pytest.approx(gap(structure(own), structure(base)), abs=1e-12)


def test_pair_index_is_its_definition_by_loops(panel):
    found = interregional_specialization(panel, **EVERY)
    assert list(found.columns) == ["time", "group", "unit_a", "unit_b", "specialization"]
    pairs = [("south", *pair) for pair in itertools.combinations("pqrs", 2)]
    pairs += [("north", *pair) for pair in itertools.combinations("xyz", 2)]
    wanted = [(year, *pair) for year in (2005, 2006, 2007) for pair in pairs]
    assert list(found.iloc[:, :4].itertuples(index=False, name=None)) == wanted
    for row in found.itertuples():
        year = panel[panel["year"] == row.time]
        a, b = (structure(year[year["province"] == unit]) for unit in (row.unit_a, row.unit_b))
        assert row.specialization == pytest.approx(gap(a, b), abs=1e-12)


def test_without_cluster_all_regions_pair_and_without_time_one_table_is_read(panel):
    year = panel[panel["year"] == 2006]
    found = interregional_specialization(year, **KEYS)
    assert list(found.columns) == ["unit_a", "unit_b", "specialization"]
    assert list(zip(found["unit_a"], found["unit_b"], strict=True)) == list(itertools.combinations("pxqyrzs", 2))
    yearly = interregional_specialization(panel, **YEARLY)
    same = yearly[yearly["time"] == 2006].drop(columns="time").reset_index(drop=True)
    pd.testing.assert_frame_equal(found, same, rtol=1e-12)
    alone = relative_specialization(year, **KEYS)
    assert list(alone.columns) == ["unit", "share", "specialization"]
    assert alone["share"].sum() == pytest.approx(1)


@few
@given(outputs(), st.integers(0, 5))
def test_identical_structures_have_index_zero_and_no_advantage(x, which):
    same = np.outer(np.arange(1, 4), x[which % len(x)] + 1e-2)
    np.testing.assert_allclose(relative(same), 0, atol=1e-14)
    np.testing.assert_allclose(by_pair(same), 0, atol=1e-14)
    assert not advantage_sectors(long(same), **KEYS)["advantage"].any()


@few
@given(outputs())
def test_structures_without_a_common_industry_have_index_two(x):
    apart = np.kron(np.eye(len(x)), np.ones(x.shape[1])) * np.tile(x, len(x))
    np.testing.assert_allclose(relative(apart), 2, rtol=1e-12)
    np.testing.assert_allclose(by_pair(apart) + 2 * np.eye(len(x)), 2, rtol=1e-12)


@few
@given(outputs(least=3), st.randoms())
def test_pair_index_is_a_distance(x, random):
    k = by_pair(x)
    assert (k >= 0).all() and (k <= 2 + 1e-12).all()
    assert (k[:, None, :] <= k[:, :, None] + k[None, :, :] + 1e-12).all()
    order = random.sample(range(len(x)), len(x))
    np.testing.assert_allclose(by_pair(x[order]), k[np.ix_(order, order)], atol=1e-14)


@few
@given(outputs())
def test_relative_index_does_not_exceed_the_mean_of_the_pairs_weighted_by_output(x):
    k, pairs = relative(x), by_pair(x)
    for i in range(len(x)):
        others = np.arange(len(x)) != i
        mean = np.average(pairs[i, others], weights=x[others].sum(axis=1))
        assert k[i] <= mean + 1e-12
        assert mean <= pairs[i].max() + 1e-12


@few
@given(outputs(), st.lists(st.floats(0.01, 1), min_size=2, max_size=4))
def test_splitting_an_industry_in_proportion_changes_nothing(x, parts):
    split = np.hstack([x[:, 1:], np.outer(x[:, 0], parts) / np.sum(parts)])
    np.testing.assert_allclose(relative(split), relative(x), atol=1e-12)
    np.testing.assert_allclose(by_pair(split), by_pair(x), atol=1e-12)


@few
@given(outputs())
def test_merging_industries_cannot_raise_an_index(x):
    assume(x.shape[1] > 1)
    merged = np.hstack([x[:, :1] + x[:, 1:2], x[:, 2:]])
    assert (relative(merged) <= relative(x) + 1e-12).all()
    assert (by_pair(merged) <= by_pair(x) + 1e-12).all()


@few
@given(outputs(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_scale_of_regions_leaves_pairs_and_that_of_a_region_and_of_its_rest_their_index(x, of_first, of_last):
    size = np.full((len(x), 1), of_last)
    size[0] = of_first
    np.testing.assert_allclose(by_pair(x * size), by_pair(x), atol=1e-12)
    assert relative(x * size)[0] == pytest.approx(relative(x)[0], abs=1e-12)


@few
@given(outputs(most=2))
def test_two_regions_have_one_index(x):
    first, second = relative(x)
    pair = by_pair(x)[0, 1]
    assert first == pytest.approx(second, abs=1e-14)
    assert first == pytest.approx(pair, abs=1e-14)


@few
@given(outputs())
def test_index_to_the_cluster_is_the_one_to_the_rest_times_one_minus_the_share(x):
    rest = relative_specialization(long(x), **KEYS)
    against_all = relative(x, reference="cluster")
    np.testing.assert_allclose(against_all, (1 - rest["share"]) * rest["specialization"], atol=1e-12)
    np.testing.assert_allclose(relative(x, reference="national"), against_all, atol=1e-14)  # one cluster is the nation


def test_a_region_that_dwarfs_the_rest_keeps_its_digits():
    rest = np.array([[1.0, 2.0, 3.0], [2.0, 2.0, 2.0]])
    shares, of_rest = np.array([0.3, 0.3, 0.4]), np.array([3, 4, 5]) / 12
    found = relative(np.vstack([1e14 * shares, rest]))
    assert found[0] == pytest.approx(np.abs(shares - of_rest).sum(), rel=1e-12)


@few
@given(outputs(positive=True))
def test_index_to_the_rest_is_twice_the_lead_in_the_advantage_sectors(x):
    found = advantage_sectors(long(x), **KEYS)
    own = x / x.sum(axis=1, keepdims=True)
    rest = x.sum(axis=0) - x
    lead = own - rest / rest.sum(axis=1, keepdims=True)
    has = found["advantage"].to_numpy().reshape(x.shape)
    np.testing.assert_allclose(relative(x), 2 * np.where(has, lead, 0).sum(axis=1), atol=1e-9)
    clear = np.abs(lead) > 1e-9 * own  # not equal up to rounding
    assert ((lead > 0) == has)[clear].all()


@few
@given(outputs(positive=True))
def test_quotients_weighted_by_share_average_to_one_so_no_industry_is_an_advantage_of_all(x):
    found = advantage_sectors(long(x), **KEYS)
    share = relative_specialization(long(x), **KEYS).set_index("unit")["share"]
    mean = (found["location_quotient"] * found["unit"].map(share)).groupby(found["industry"]).sum()
    np.testing.assert_allclose(mean, 1, rtol=1e-12)
    assert (found["n_regions"] < len(x)).all()


def test_advantages_are_counted_within_the_cluster_by_loops(panel):
    panel = panel.assign(output=panel["output"] + 0.1)
    for reference in ("cluster", "national"):
        found = advantage_sectors(panel, **EVERY, reference=reference, threshold=1.1)
        keys = ["time", "group", "unit", "industry"]
        assert list(found.columns) == [*keys, "location_quotient", "advantage", "sole", "n_regions"]
        cells = [found["time"], found["unit"], found["industry"]]
        assert list(zip(*cells, strict=True)) == list(itertools.product((2005, 2006, 2007), "pqrsxyz", "abcde"))
        for (year, name), rows in found.groupby(["time", "group"]):
            nation = panel[panel["year"] == year]
            area = nation[nation["area"] == name]
            base = structure(area if reference == "cluster" else nation)
            own = {p: structure(area[area["province"] == p]) for p in area["province"].unique()}
            for row in rows.itertuples():
                quotient = {p: own[p][row.industry] / base[row.industry] for p in own}
                assert row.location_quotient == pytest.approx(quotient[row.unit], rel=1e-12)
                assert row.advantage == (quotient[row.unit] > 1.1)
                assert row.n_regions == sum(q > 1.1 for q in quotient.values())
                assert row.sole == (row.advantage and row.n_regions == 1)
    assert found["sole"].any() and (found["n_regions"] > 1).any()


def test_given_totals_are_the_base_of_the_quotient(panel):
    totals = panel.groupby(["year", "code"])["output"].sum()
    against_df = advantage_sectors(panel, **EVERY, reference="national")
    pd.testing.assert_frame_equal(advantage_sectors(panel, **EVERY, reference=totals), against_df, rtol=1e-12)
    wider = totals + np.arange(1, len(totals) + 1)
    found = advantage_sectors(panel, **EVERY, reference=wider)
    keys = {"unit": "province", "industry": "code", "value": "output", "time": "year"}
    wanted = panel.assign(lq=location_quotient(panel, **keys, totals=wider)).set_index(["year", "province", "code"])[
        "lq"
    ]
    at = pd.MultiIndex.from_frame(found[["time", "unit", "industry"]])
    np.testing.assert_allclose(found["location_quotient"], wanted.loc[at], rtol=1e-12)
    with pytest.raises(KeyColumnError, match="no national total.*2005 b"):
        advantage_sectors(panel, **EVERY, reference=totals.drop((2005, "b")))


@pytest.mark.parametrize("measure", [relative_specialization, interregional_specialization])
def test_scale_of_one_half_halves(panel, measure):
    whole, half = measure(panel, **EVERY), measure(panel, **EVERY, scale=0.5)
    np.testing.assert_allclose(half["specialization"], whole["specialization"] / 2, rtol=1e-15)


CLASSES = {"a": "labour", "b": "capital", "c": "technology", "d": "labour", "e": "technology", "f": "elsewhere"}


def test_class_shares_are_sums_over_the_industries_of_the_class(panel):
    found = intensity_shares(panel, **YEARLY, classes=CLASSES)
    assert list(found.columns) == ["time", "unit", "class", "share"]
    assert found["class"].unique().tolist() == ["labour", "capital", "technology"]
    assert len(found) == 3 * 7 * 3
    for row in found.itertuples():
        own = structure(panel[(panel["province"] == row.unit) & (panel["year"] == row.time)])
        assert row.share == pytest.approx(sum(own[k] for k in own if CLASSES[k] == row[3]), abs=1e-12)
    np.testing.assert_allclose(found.groupby(["time", "unit"])["share"].sum(), 1, rtol=1e-12)


def test_share_of_a_period_is_the_mean_of_its_years(panel):
    periods = {"early": (2005, 2006), "late": (2006, 2007), "last": (2007, 2007)}
    found = intensity_shares(panel, **YEARLY, classes=CLASSES, periods=periods)
    assert list(found.columns) == ["period", "unit", "class", "share"]
    yearly = intensity_shares(panel, **YEARLY, classes=CLASSES)
    for name, (first, last) in periods.items():
        mean = yearly[yearly["time"].between(first, last)].groupby(["unit", "class"])["share"].mean()
        rows = found[found["period"] == name].set_index(["unit", "class"])["share"]
        pd.testing.assert_series_equal(rows.sort_index(), mean, rtol=1e-12)
    assert found["period"].unique().tolist() == list(periods)


@few
@given(outputs(), st.lists(st.sampled_from(["labour", "capital", "technology"]), min_size=6, max_size=6))
def test_gaps_of_class_shares_do_not_exceed_the_gaps_of_industries(x, names):
    classes = dict(enumerate(names))
    found = intensity_shares(long(x), **KEYS, classes=classes)
    shares = found.pivot(index="unit", columns="class", values="share").to_numpy()
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    assert (np.abs(shares[:, None] - shares).sum(axis=2) <= by_pair(x) + 1e-12).all()


def test_regions_and_industries_may_be_absent_from_a_whole_period(panel):
    entering = panel[~((panel["province"] == "s") & (panel["year"] == 2005))]
    fewer = entering[~((entering["code"] == "e") & (entering["year"] == 2006))]
    for measure in (relative_specialization, interregional_specialization):
        found = measure(fewer, **EVERY)
        for year in (2005, 2006, 2007):
            alone = measure(fewer[fewer["year"] == year], **EVERY)
            same = found[found["time"] == year].reset_index(drop=True)
            pd.testing.assert_frame_equal(same, alone, rtol=1e-12)
    assert "s" not in set(relative_specialization(fewer, **EVERY).query("time == 2005")["unit"])
    with pytest.raises(UnbalancedPanelError, match="absent from a year of period 'early'.*s.*Remedy: add the years"):
        intensity_shares(fewer, **YEARLY, classes=CLASSES, periods={"early": (2005, 2006)})


def test_the_table_is_not_changed_and_its_order_is_not_read(panel):
    before = panel.copy()
    turned = panel.sort_values(["code", "year"], kind="stable")
    for measure in MEASURES:
        found, again = measure(panel, **YEARLY), measure(turned, **YEARLY)
        keys = [c for c in found.columns if c in ("time", "unit", "unit_a", "unit_b", "industry")]
        pd.testing.assert_frame_equal(
            found.sort_values(keys, ignore_index=True), again.sort_values(keys, ignore_index=True), rtol=1e-12
        )
    pd.testing.assert_frame_equal(panel, before)


BASE = pd.DataFrame(
    {
        "province": ["p", "p", "q", "q"],
        "code": ["a", "b", "a", "b"],
        "year": 2005,
        "area": "south",
        "output": [1.0, 2.0, 3.0, 0.0],
    }
)
BAD_TABLES = [
    (BASE.assign(output=[0, 0, 3, 4]), DomainError, "total of a region is zero.*2005 p"),
    (BASE.assign(output=[1, -2, 3, 4]), DomainError, "negative values.*2005 p b"),
    (BASE.assign(output=[1, np.nan, 3, 4]), MissingValueError, "missing.*2005 p b.*0 only for absence"),
    (BASE.assign(output=[1, np.inf, 3, 4]), MissingValueError, "infinite.*2005 p b"),
    (BASE.assign(output=["1", "n.a.", "3", "4"]), DomainError, "text where a number is needed"),
    (BASE.drop(3), UnbalancedPanelError, "1 row: 2005 q b.*write a zero where the industry is absent"),
    (BASE.assign(code=["a", "a", "a", "b"]), KeyColumnError, "must identify each row.*2005 p a"),
    (BASE.assign(province=["p", None, "q", "q"]), KeyColumnError, "'province': a key may not be missing"),
    (BASE.drop(columns="code"), KeyColumnError, "'code' is not in the table"),
    (BASE.iloc[:0], GroupSizeError, "no rows"),
]
BAD_CLUSTERS = [
    (BASE.iloc[:2], GroupSizeError, "without another one.*2005 p"),
    (BASE.assign(area=["south", "south", "north", "north"]), GroupSizeError, "without another one.*2005 p"),
    (BASE.assign(area=["south", "south", "south", "north"]), KeyColumnError, "'area': a region in two clusters.*: q"),
    (BASE.assign(area=[None, None, "north", "north"]), KeyColumnError, "'area': a key may not be missing"),
]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("df", "error", "message"), BAD_TABLES + BAD_CLUSTERS)
def test_bad_tables_are_named(measure, df, error, message):
    with pytest.raises(error, match=message):
        measure(df, **EVERY)


@pytest.mark.parametrize(("df", "error", "message"), BAD_TABLES)
def test_bad_tables_of_class_shares_are_named(df, error, message):
    with pytest.raises(error, match=message):
        intensity_shares(df, **YEARLY, classes=CLASSES)


def test_a_region_in_two_clusters_over_time_is_named(panel):
    moved = panel.assign(area=panel["area"].where(panel["year"] < 2007, "north"))
    with pytest.raises(KeyColumnError, match=r"a region in two clusters \(\d+ rows: p; q; r; s\)"):
        relative_specialization(moved, **EVERY)


def test_a_single_region_of_a_cluster_has_the_nation_as_reference(panel):
    alone = panel.assign(area=panel["area"].where(panel["province"] != "s", "own"))
    found = relative_specialization(alone, **EVERY, reference="national").set_index(["time", "unit"])
    whole = relative_specialization(panel, **EVERY, reference="national").set_index(["time", "unit"])
    np.testing.assert_allclose(found["specialization"], whole["specialization"].loc[found.index], rtol=1e-12)
    assert found.loc[(2005, "s"), "share"] == 1
    with pytest.raises(GroupSizeError, match="2005 p"):
        relative_specialization(BASE.iloc[:2], **EVERY, reference="national")


@pytest.mark.parametrize(
    ("measure", "options", "error", "message"),
    [
        (relative_specialization, {"reference": "world"}, DomainError, "reference='world' is not known.*'national'"),
        (advantage_sectors, {"reference": "rest"}, DomainError, "reference='rest' is not known.*'cluster'"),
        (relative_specialization, {"scale": 0}, DomainError, "scale=0 is not positive"),
        (interregional_specialization, {"scale": -1}, DomainError, "scale=-1 is not positive"),
        (advantage_sectors, {"threshold": np.nan}, DomainError, "threshold=nan is not positive"),
    ],
)
def test_options_without_a_meaning_are_refused(measure, options, error, message):
    with pytest.raises(error, match=message):
        measure(BASE, **EVERY, **options)


def test_an_industry_that_the_reference_lacks_is_named():
    df = BASE.assign(output=[1.0, 0.0, 3.0, 0.0])
    other = df.assign(province=df["province"] + "'", area="north", output=[1.0, 2.0, 3.0, 4.0])
    both = pd.concat([df, other])
    with pytest.raises(DomainError, match="no region of the reference has the industry.*2005 south b.*Remedy: leave"):
        advantage_sectors(both, **EVERY)
    assert len(advantage_sectors(both, **EVERY, reference="national")) == 8
    with pytest.raises(DomainError, match="no region of the reference has the industry.*: 2005 b"):
        advantage_sectors(df, **EVERY, reference="national")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"classes": {"b": "capital"}}, KeyColumnError, "'code': industries without a class.*: a.*add them"),
        ({"classes": {"a": None, "b": "capital"}}, KeyColumnError, "industries without a class.*: a"),
        ({"periods": {"x": (2004, 2005)}}, KeyColumnError, "'year': years of period 'x'.*: 2004"),
        ({"periods": {"x": (2005, 2008)}}, KeyColumnError, "years of period 'x'.*3 rows: 2006; 2007; 2008"),
        ({"periods": {"x": (2006, 2005)}}, DomainError, "period 'x' ends before it starts"),
        ({"periods": {}}, DomainError, "no period is named"),
        ({"periods": {"x": (2005, 2005)}, "time": None}, KeyColumnError, "need the column of the years.*time="),
    ],
)
def test_bad_classes_and_periods_are_named(options, error, message):
    with pytest.raises(error, match=message):
        intensity_shares(BASE, **{**YEARLY, "classes": CLASSES, **options})
