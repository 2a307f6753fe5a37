import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from inequality.gini import Gini as PysalGini

from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, MissingValueError, RegionError
from regiometrics.measure.inequality import DagumResult, coefficient_of_variation, dagum, gini

PARTS = ["within", "between_net", "overlap"]
# ties are the hard case, so half of the draws come from a handful of integers
VALUES = st.one_of(st.integers(0, 4).map(float), st.floats(1e-3, 1e3))


@st.composite
def grouped_values(draw):
    values = draw(st.lists(VALUES, min_size=1, max_size=60))
    groups = draw(st.lists(st.integers(0, 12), min_size=len(values), max_size=len(values)))
    df = pd.DataFrame({"y": values, "g": groups})
    assume((df.groupby("g")["y"].sum() > 0).all())
    return df


def parts_of(df, **options):
    return dagum(df, value="y", group="g", **options).to_frame()


# hand arithmetic: differences of the pooled values, of each group, and of the group means
HAND = [
    ([[1, 2], [3, 5]], (13 / 44, 3 / 44, 10 / 44, 0.0)),
    ([[1, 4], [2, 3]], (0.25, 0.10, 0.0, 0.15)),
    ([[1, 5], [2, 3, 7]], (1 / 3, 7 / 45, 1 / 15, 1 / 9)),
]


@pytest.mark.parametrize(("groups", "expected"), HAND)
def test_parts_equal_hand_arithmetic(groups, expected):
    df = pd.DataFrame([(g, y) for g, ys in enumerate(groups) for y in ys], columns=["g", "y"])
    assert parts_of(df)[["gini", *PARTS]].iloc[0].tolist() == pytest.approx(expected, abs=1e-12)


@given(grouped_values())
def test_parts_and_pairs_equal_the_pairwise_definition(definition, df):
    result = dagum(df, value="y", group="g")
    slow = definition(df["y"].to_numpy(), df["g"].to_numpy())
    fast = result.to_frame().iloc[0]
    assert fast[["gini", *PARTS]].tolist() == pytest.approx([slow[p] for p in ["gini", *PARTS]], abs=1e-12)
    for row in result.pairs.itertuples():
        assert (row.gini, row.distance) == pytest.approx(slow["pairs"][row.group_a, row.group_b], abs=1e-9)
        both = df.loc[df["g"].isin([row.group_a, row.group_b]), "y"]
        assert row.gini_pooled == pytest.approx(gini(both), abs=1e-12)
        a, b = (df.loc[df["g"] == g, "y"].mean() for g in (row.group_a, row.group_b))
        assert row.gini >= abs(a - b) / (a + b) - 1e-12


@pytest.mark.parametrize("k", [1, 7, 300])
def test_many_groups_with_ties_and_singletons_equal_the_definition(definition, k):
    rng = np.random.default_rng(k)
    n = 2 * k + 40
    df = pd.DataFrame(
        {"y": np.round(rng.lognormal(size=n), 1) + 0.1, "g": np.r_[np.arange(k), rng.integers(k, size=n - k)]}
    )
    result = dagum(df, value="y", group="g")
    slow = definition(df["y"].to_numpy(), df["g"].to_numpy())
    assert result.to_frame()[["gini", *PARTS]].iloc[0].tolist() == pytest.approx(
        [slow[p] for p in ["gini", *PARTS]], abs=1e-12
    )
    assert len(result.pairs) == k * (k - 1) // 2
    expected = [slow["pairs"][pair] for pair in zip(result.pairs["group_a"], result.pairs["group_b"], strict=True)]
    np.testing.assert_allclose(result.pairs[["gini", "distance"]], np.reshape(expected, (-1, 2)), rtol=0, atol=1e-10)
    assert set(result.singletons["group"]) == {g for g, n in df["g"].value_counts().items() if n == 1}


@given(grouped_values(), st.floats(0.01, 100), st.floats(0.1, 100))
def test_scale_leaves_and_translation_shrinks_the_gini(df, scale, shift):
    whole = parts_of(df).iloc[0]
    scaled = parts_of(df.assign(y=df["y"] * scale)).iloc[0]
    assert scaled["gini"] == pytest.approx(whole["gini"], abs=1e-10)
    assert scaled[PARTS].tolist() == pytest.approx(whole[PARTS].tolist(), abs=1e-10)
    moved = gini(df["y"] + shift)
    assert moved == pytest.approx(whole["gini"] * df["y"].mean() / (df["y"].mean() + shift), abs=1e-10)


@given(grouped_values(), st.randoms(use_true_random=False))
def test_copies_labels_and_order_do_not_matter(df, random):
    whole = parts_of(df).iloc[0]
    labels = list(range(13))
    random.shuffle(labels)
    other = df.assign(g=[f"group {labels[g]}" for g in df["g"]]).sample(frac=1, random_state=1)
    for variant in (pd.concat([df, df]), other):
        again = parts_of(variant).iloc[0]
        assert again[["gini", *PARTS]].tolist() == pytest.approx(whole[["gini", *PARTS]].tolist(), abs=1e-10)


def test_groups_of_equal_values_are_no_distance_apart_whatever_their_weights():
    y = [102.7802317, 102.7802317, 0.0, 102.7802317, 102.7802317, 0.0, 1.0]
    df = pd.DataFrame({"y": y, "g": [0, 2, 1, 0, 0, 1, 1], "w": [1, 2, 3, 4, 1, 2, 3]})
    pairs = dagum(df, value="y", group="g", weights="w").pairs.set_index(["group_a", "group_b"])
    assert pairs.loc[(0, 2), "distance"] == 0
    assert pairs["distance"].drop((0, 2)).min() > 0.9


@given(grouped_values(), st.integers(1, 4))
def test_integer_weights_equal_repeated_units(df, top):
    weights = np.arange(len(df)) % top + 1
    weighted = dagum(df.assign(w=weights), value="y", group="g", weights="w")
    repeated = dagum(df.loc[df.index.repeat(weights)], value="y", group="g")
    assert weighted.to_frame()[["gini", *PARTS]].iloc[0].tolist() == pytest.approx(
        repeated.to_frame()[["gini", *PARTS]].iloc[0].tolist(), abs=1e-10
    )
    for column in ("gini", "gini_pooled", "distance"):
        assert weighted.pairs[column].tolist() == pytest.approx(repeated.pairs[column].tolist(), abs=1e-8)


@given(st.lists(st.floats(0.1, 1e6), min_size=2, max_size=80))
def test_gini_equals_pysal(values):
    assert gini(values) == pytest.approx(PysalGini(np.array(values)).g, abs=1e-12)
    assert 0 <= gini(values) <= (len(values) - 1) / len(values)


@given(st.lists(st.floats(0.1, 1e3), min_size=2, max_size=80))
def test_gini_never_exceeds_the_coefficient_of_variation_over_root_three(values):
    cv = coefficient_of_variation(pd.DataFrame({"y": values}), value="y")["coefficient_of_variation"].iloc[0]
    assert gini(values) <= cv / np.sqrt(3) + 1e-12


def test_limiting_cases():
    one_group = pd.DataFrame({"g": 1, "y": [1.0, 2.0, 4.0]})
    assert parts_of(one_group)["within"].iloc[0] == pytest.approx(gini([1, 2, 4]), abs=1e-15)
    apart = pd.DataFrame({"g": [1, 1, 2, 2], "y": [1.0, 2.0, 3.0, 4.0]})
    assert parts_of(apart)["overlap"].iloc[0] == 0
    assert dagum(apart, value="y", group="g").pairs["distance"].iloc[0] == pytest.approx(1)
    same = pd.DataFrame({"g": [1, 1, 2, 2], "y": [1.0, 2.0, 1.0, 2.0]})
    assert parts_of(same)["between_net"].iloc[0] == pytest.approx(0, abs=1e-15)
    equal = parts_of(pd.DataFrame({"g": [1, 2], "y": [3.0, 3.0]}))
    assert equal[["gini", *PARTS]].iloc[0].tolist() == [0, 0, 0, 0]
    assert equal[[f"share_{p}" for p in PARTS]].isna().all(axis=None)
    assert gini([0, 0, 0, 1]) == 0.75


def test_each_period_is_decomposed_on_its_own(shipped):
    result = dagum(shipped, value="coagglomeration", group="cluster", time="year", unit="adcode")
    for year in (2004, 2017):
        alone = dagum(shipped[shipped["year"] == year], value="coagglomeration", group="cluster")
        here = result.to_frame().query("time == @year")
        assert here.drop(columns="time").iloc[0].tolist() == pytest.approx(alone.to_frame().iloc[0].tolist(), abs=1e-14)
        pairs = result.pairs.query("time == @year")["gini"]
        assert pairs.tolist() == pytest.approx(alone.pairs["gini"].tolist(), abs=1e-14)
    assert result.sample.rows_used == 2069
    assert list(result.to_frame().columns) == [
        *["time", "gini", "within", "between_net", "overlap"],
        *["share_within", "share_between_net", "share_overlap"],
    ]
    assert list(result.groups.columns) == ["time", "group", "n", "mean", "gini"]
    assert list(result.pairs.columns) == ["time", "group_a", "group_b", "gini", "gini_pooled", "distance"]


def test_a_column_of_shape_n_by_1_is_a_vector_and_a_table_is_refused():
    assert gini(np.array([[1.0], [3.0]])) == gini([1, 3])
    with pytest.raises(DomainError, match="one-dimensional"):
        gini(np.ones((2, 2)))


def test_inputs_are_left_as_they_were():
    df = pd.DataFrame({"g": ["b", "a"], "y": ["1", "2"]})
    before = df.copy()
    dagum(df, value="y", group="g")
    pd.testing.assert_frame_equal(df, before)


def test_coefficient_of_variation_divides_by_n_or_n_minus_1():
    df = pd.DataFrame({"t": [1, 1, 1, 2, 2, 2], "y": [1.0, 2.0, 3.0, 2.0, 4.0, 6.0]})
    population = coefficient_of_variation(df, value="y", time="t")
    sample = coefficient_of_variation(df, value="y", time="t", ddof=1)
    assert population["coefficient_of_variation"].tolist() == pytest.approx([np.sqrt(2 / 3) / 2] * 2)
    assert sample["coefficient_of_variation"].tolist() == pytest.approx([0.5, 0.5])
    assert list(sample.columns) == ["time", "n", "mean", "coefficient_of_variation"]


def test_parts_that_do_not_add_up_are_refused():
    good = dagum(pd.DataFrame({"g": [1, 2], "y": [1.0, 2.0]}), value="y", group="g")
    with pytest.raises(RegionError, match="do not add up"):
        DagumResult(
            sample=good.sample,
            options=good.options,
            decomposition=good.decomposition.assign(within=0.2),
            groups=good.groups,
        )


BASE = pd.DataFrame({"g": ["a", "a", "b"], "t": [1, 1, 1], "u": ["x", "y", "z"], "y": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    ("df", "error", "message"),
    [
        (BASE.drop(columns="g"), KeyColumnError, "'g' is not in the table"),
        (BASE.assign(g=["a", None, "b"]), KeyColumnError, "may not be missing"),
        (BASE.assign(u=["x", "x", "z"]), KeyColumnError, "must identify each row.*2 rows: x 1"),
        (BASE.assign(y=[1.0, np.nan, 3.0]), MissingValueError, "1 row: y 1 a"),
        (BASE.assign(y=[1.0, np.inf, 3.0]), MissingValueError, "missing or infinite"),
        (BASE.assign(y=[1.0, -2.0, 3.0]), DomainError, "negative values"),
        (BASE.assign(y=[0.0, 0.0, 3.0]), DomainError, "mean of a group is zero"),
        (BASE.assign(y=["1", "two", "3"]), DomainError, "text where a number is needed"),
        (BASE.iloc[:0], GroupSizeError, "no row is left"),
    ],
)
def test_bad_input_is_named(df, error, message):
    with pytest.raises(error, match=message):
        dagum(df, value="y", group="g", time="t", unit="u")


def test_missing_values_are_dropped_only_when_asked_and_listed():
    result = dagum(BASE.assign(y=[1.0, np.nan, 3.0]), value="y", group="g", unit="u", missing="drop")
    assert result.sample.rows_used == 2
    assert result.sample.dropped == (("missing 'y'", (("y", "a"),)),)
    with pytest.raises(RegionError, match="pairwise=True"):
        _ = dagum(BASE, value="y", group="g", pairwise=False).pairs


def test_gini_and_variation_refuse_what_has_no_meaning():
    with pytest.raises(GroupSizeError):
        gini([])
    with pytest.raises(DomainError, match="negative"):
        gini([-1, 2])
    assert gini([-1, 3], allow_negative=True) == pytest.approx(1.0)
    with pytest.raises(DomainError, match="mean must be positive"):
        gini([0, 0])
    with pytest.raises(DomainError, match="weights"):
        gini([1, 2], [1, 0])
    with pytest.raises(GroupSizeError, match="needs more members"):
        coefficient_of_variation(BASE, value="y", group="g", ddof=1)
    with pytest.raises(DomainError, match="mean of a group is zero"):
        coefficient_of_variation(BASE.assign(y=[1.0, -1.0, 3.0]), value="y", group="g")
