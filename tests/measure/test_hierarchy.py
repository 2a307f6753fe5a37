import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    InfeasibleError,
    KeyColumnError,
    MissingValueError,
    NoDonorsError,
)
from regiometrics.measure.hierarchy import centre_count, disparity, flag, rank_size

KEYS = {"unit": "city", "cluster": "cluster", "population": "pop"}
METHODS = ["fixed", "ols", "gabaix_ibragimov", "meijers_burger"]
MONOTONE = ["fixed", "meijers_burger"]  # the others can fall when a city is removed
FALLS = [38.0, 37, 22, 19, 19, 17]  # with an estimated intercept q falls at the first removal and crosses 0.5 twice


def system(populations, cluster="x"):
    cities = [f"{cluster}{i}" for i in range(len(populations))]
    return pd.DataFrame({"city": cities, "cluster": cluster, "pop": np.asarray(populations, dtype=float)})


def exponent(populations, method="fixed"):
    return rank_size(system(populations), **KEYS, method=method).to_frame()["q"].item()


def path(populations, method="fixed", **options):
    return centre_count(system(populations), **KEYS, method=method, **options).path["q"].to_numpy()


# ties are the hard case, so half of the draws come from a handful of integers
POPULATIONS = st.lists(st.one_of(st.integers(1, 6).map(float), st.floats(0.1, 1e4)), min_size=4, max_size=40)


# rank-size ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("q", [0.0, 0.3, 1.0, 1.7])
@pytest.mark.parametrize("method", METHODS)
def test_exact_power_law_returns_its_exponent_and_intercept(method, q):
    shift = 0.5 if method == "gabaix_ibragimov" else 0.0
    populations = 800 * (np.arange(1, 13) - shift) ** -q
    row = rank_size(system(populations[::-1]), **KEYS, method=method).to_frame().iloc[0]
    assert row["q"] == pytest.approx(q, abs=1e-12)
    assert row["intercept"] == pytest.approx(np.log(800), abs=1e-12)


@given(POPULATIONS)
@settings(max_examples=15)
def test_exponents_equal_regressions_written_out(populations):
    assume(np.ptp(populations) > 1e-3)
    size = np.sort(np.log(populations))[::-1]
    rank = np.arange(1.0, len(size) + 1)
    through_first = np.linalg.lstsq(np.log(rank)[:, None], size[0] - size, rcond=None)[0][0]
    assert exponent(populations) == pytest.approx(through_first, abs=1e-9)
    slope, intercept = np.polyfit(np.log(rank), size, 1)
    free = rank_size(system(populations), **KEYS, method="ols").to_frame().iloc[0]
    assert (free["q"], free["intercept"]) == pytest.approx((-slope, intercept), abs=1e-9)
    inverse, constant = np.polyfit(size, np.log(rank - 0.5), 1)
    moved = rank_size(system(populations), **KEYS, method="gabaix_ibragimov").to_frame().iloc[0]
    assert (moved["q"], moved["intercept"]) == pytest.approx((-1 / inverse, -constant / inverse), rel=1e-6)
    top = [-np.polyfit(np.log(rank[:k]), size[:k], 1)[0] for k in (2, 3, 4)]
    assert exponent(populations, "meijers_burger") == pytest.approx(np.mean(top), abs=1e-9)


@given(POPULATIONS, st.floats(1e-3, 1e3), st.sampled_from(METHODS))
@settings(max_examples=15)
def test_unit_of_measure_and_order_of_rows_do_not_matter(populations, scale, method):
    assert exponent(np.array(populations) * scale, method) == pytest.approx(exponent(populations, method), abs=1e-7)
    assert exponent(populations[::-1], method) == pytest.approx(exponent(populations, method), abs=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_equal_cities_have_no_hierarchy(method):
    assert exponent([7.3] * 9, method) == 0
    assert exponent([7.3 * (1 + 1e-9)] + [7.3] * 8, method) == pytest.approx(0, abs=1e-6)


def test_two_cities_give_the_log_ratio_over_log_two():
    for method in ("fixed", "ols"):
        assert exponent([3.0, 1.0], method) == pytest.approx(np.log2(3), abs=1e-14)


def test_moving_the_rank_by_one_half_removes_most_of_the_bias():
    """1,000 samples of 50 from Zipf's law; the standard error of the mean is 0.006."""
    rng = np.random.default_rng(20)
    samples = np.exp(rng.exponential(1.0, (1000, 50)))
    rows = {"city": np.tile(np.arange(50), 1000), "cluster": "x", "year": np.repeat(np.arange(1000), 50)}
    long = pd.DataFrame({**rows, "pop": samples.ravel()})
    estimates = rank_size(long, **KEYS, time="year", method="gabaix_ibragimov").to_frame()
    size = np.sort(np.log(samples), axis=1)[:, ::-1]
    rank = np.log(np.arange(1, 51))
    plain = ((rank.mean() - rank) @ size.T) / 50 / size.var(axis=1)
    assert abs((1 / estimates["q"]).mean() - 1) < 0.03
    assert plain.mean() < 0.95


def test_rows_by_cluster_and_time_with_the_largest_city_and_ties():
    df = pd.concat(
        [
            system([5, 9, 9, 2], "b").assign(year=2008),
            system([4, 1], "a").assign(year=2008),
            system([5, 9, 10, 2], "b").assign(year=2009),
        ]
    )
    before = df.copy()
    result = rank_size(df, **KEYS, time="year")
    rows = result.to_frame()
    assert rows.columns.tolist() == ["cluster", "time", "n", "q", "intercept", "largest", "ties"]
    assert rows[["cluster", "time", "n", "largest", "ties"]].to_numpy().tolist() == [
        ["b", 2008, 4, "b1", 2],
        ["a", 2008, 2, "a0", 0],
        ["b", 2009, 4, "b2", 0],
    ]
    first = result.ranks.query("cluster == 'b' and time == 2008")
    assert first["unit"].tolist() == ["b1", "b2", "b0", "b3"] and first["rank"].tolist() == [1, 2, 3, 4]
    assert first["tied"].tolist() == [True, True, False, False]
    assert result.sample.rows_used == 10 and result.options["method"] == "fixed"
    pd.testing.assert_frame_equal(df, before)


def test_time_is_left_out_where_none_is_named():
    result = centre_count(system([4, 2, 1]), **KEYS)
    assert "time" not in result.to_frame() and "time" not in result.path
    assert "time" not in rank_size(system([4, 2, 1]), **KEYS).to_frame()


# number of centres ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", MONOTONE)
@given(populations=POPULATIONS)
@settings(max_examples=15)
def test_no_removal_lowers_the_exponent(method, populations):
    q = path(populations, method)
    assert (np.diff(q) >= -1e-12).all()
    assert ((q[1:] > 0.5) >= (q[:-1] > 0.5)).all() or np.abs(q - 0.5).min() < 1e-12


@pytest.mark.parametrize("n", [*range(3, 25), 32, 45, 60])
def test_on_the_extreme_rays_the_first_removal_raises_the_exponent_by_the_closed_form(n):
    weight = np.log(np.arange(1, n + 1))
    square, before = weight @ weight, weight[:-1] @ weight[:-1]
    steps = np.arange(2, n + 1)
    gap = (np.arange(1, n + 1) >= steps[:, None]).astype(float)  # one ray a row
    rays = {"city": np.arange(n * (n - 1)), "cluster": np.repeat(steps, n), "pop": np.exp(-gap).ravel()}
    path = centre_count(pd.DataFrame(rays), **KEYS).path
    q = [path.loc[path["removed"] == m, "q"].to_numpy() for m in (0, 1)]
    change = np.delete(gap, 1, axis=1) @ weight[:-1] / before - gap @ weight / square
    from_rank = weight[::-1].cumsum()[::-1]
    margin = from_rank[1:] - (weight[-1] - weight[:-1]) * square / weight[-1] ** 2
    np.testing.assert_allclose(q[1] - q[0], change, rtol=0, atol=2e-15)
    np.testing.assert_allclose(change, margin * weight[-1] ** 2 / (square * before), rtol=0, atol=2e-15)
    assert change.min() > 1.4e-4


@pytest.mark.parametrize("n", [3, 10, 60, 1000])
def test_margin_of_the_proof_rises_then_falls_to_zero(n):
    weight = np.log(np.arange(1, n + 1))
    ratio = weight @ weight / weight[-1] ** 2
    margin = np.array([weight[k - 1 :].sum() - (weight[-1] - weight[k - 2]) * ratio for k in range(2, n + 2)])
    assert margin[0] == pytest.approx((weight * (1 - weight / weight[-1])).sum(), rel=1e-10)
    assert margin[0] > 0 and margin[-1] == pytest.approx(0, abs=1e-10)
    signs = np.sign(np.diff(margin))
    assert (np.diff(signs) <= 0).all() and signs[-1] < 0


def test_mean_of_the_top_slopes_weighs_every_gap_positively():
    """A step of one log point at rank 2, 3 and 4 gives the sums of the weights from there on."""
    from_rank = [exponent(np.exp(-(np.arange(1.0, 6) >= k).astype(float)), "meijers_burger") for k in (2, 3, 4, 5)]
    assert -np.diff(from_rank) == pytest.approx([0.50151798, 0.36423437, 0.18193962], abs=1e-8)
    assert from_rank[-1] == 0


@given(POPULATIONS)
@settings(max_examples=15)
def test_count_is_one_plus_the_removals_until_the_first_crossing(populations):
    row = centre_count(system(populations), **KEYS).to_frame().iloc[0]
    size = sorted(np.log(populations), reverse=True)
    exponents = []
    while len(size) >= 2:
        log_rank = np.log(np.arange(1, len(size) + 1))
        exponents.append(sum(log_rank * (size[0] - np.array(size))) / sum(log_rank**2))
        del size[1]
    assume(min(abs(q - 0.5) for q in exponents) > 1e-12)
    above = [m for m, q in enumerate(exponents) if q > 0.5]
    assert row["n_centres"] == 1 + above[0] if above else pd.isna(row["n_centres"])
    assert row["polycentric"] == (exponents[0] <= 0.5)


@given(POPULATIONS)
@settings(max_examples=15)
def test_rule_never_ends_when_the_largest_is_at_most_root_two_of_the_smallest(populations):
    ratio = max(populations) / min(populations)
    assume(abs(ratio - np.sqrt(2)) > 1e-9)
    count = centre_count(system(populations), **KEYS).to_frame()["n_centres"]
    assert count.isna().item() == (ratio < np.sqrt(2)) and count.dtype == "Int64"


def test_endless_rule_is_an_error_on_demand():
    df = pd.concat([system([140, 120, 100], "flat"), system([300, 120, 100], "steep")])
    assert centre_count(df, **KEYS).to_frame()["n_centres"].isna().tolist() == [True, False]
    with pytest.raises(InfeasibleError, match=r"no removal brings q above 0\.5 \(1 row: flat\)"):
        centre_count(df, **KEYS, unfinished="raise")


def test_exponent_exactly_at_the_threshold_counts_as_polycentric():
    row = centre_count(system([4, 1]), **KEYS, threshold=2.0).to_frame().iloc[0]
    assert row["q"] == 2 and row["polycentric"] and pd.isna(row["n_centres"])
    assert centre_count(system([4, 1]), **KEYS, threshold=1.999).to_frame()["n_centres"].item() == 1


def test_path_names_the_cities_that_go_and_ends_with_largest_and_smallest():
    df = system([5.0, 10, 9, 9.5]).assign(year=2010, city=[11, 12, 13, 14])
    result = centre_count(df, **KEYS, time="year")
    assert result.path.columns.tolist() == ["cluster", "time", "removed", "removed_unit", "n", "q"]
    assert result.path["removed"].tolist() == [0, 1, 2] and result.path["n"].tolist() == [4, 3, 2]
    assert result.path["removed_unit"].tolist() == [None, 14, 13]
    assert result.path["q"].iloc[-1] == pytest.approx(1)
    assert result.to_frame().columns.tolist() == ["cluster", "time", "n", "q", "polycentric", "n_centres"]
    assert result.to_frame()["n_centres"].tolist() == [3]


@pytest.mark.parametrize("method", ["ols", "gabaix_ibragimov"])
def test_an_estimated_intercept_is_warned_of(method):
    with pytest.warns(UserWarning, match=f"not well defined with method='{method}'"):
        path(FALLS, method)


def test_with_an_estimated_intercept_the_exponent_falls_and_crosses_back():
    with pytest.warns(UserWarning, match="q can fall"):
        q = path(FALLS, "ols")
    assert q[0] > 0.5 > q[1] and q[2] > 0.5
    assert q[:3] == pytest.approx([0.50373515, 0.47970273, 0.56865127], abs=1e-8)
    assert (np.diff(path(FALLS)) > 0).all()


BASE = system([4, 2, 1])


@pytest.mark.parametrize("measure", [rank_size, centre_count])
@pytest.mark.parametrize(
    ("df", "options", "error", "message"),
    [
        (BASE.assign(pop=[4, 0, 1]), {}, DomainError, "population must be positive.*x1"),
        (BASE.assign(pop=[4, np.nan, 1]), {}, MissingValueError, "x1"),
        (BASE.assign(city=["x0", "x0", "x1"]), {}, KeyColumnError, "identify each row"),
        (BASE.assign(cluster=["x", None, "x"]), {}, KeyColumnError, "a key may not be missing"),
        (BASE.assign(cluster=["x", "x", "y"]), {}, GroupSizeError, "at least 2 cities in a cluster.*y"),
        (BASE, {"method": "meijers_burger"}, GroupSizeError, "at least 4 cities in a cluster.*x"),
        (BASE.iloc[:0], {}, GroupSizeError, "no city"),
        (BASE, {"method": "zipf"}, DomainError, "choose one of 'fixed'"),
    ],
)
def test_bad_populations_are_named(measure, df, options, error, message):
    with pytest.raises(error, match=message):
        measure(df, **KEYS, **options)


def test_unknown_treatment_of_endless_rules():
    with pytest.raises(DomainError, match="unfinished='skip' is not known"):
        centre_count(BASE, **KEYS, unfinished="skip")


# disparity ------------------------------------------------------------------------------------------------------------

GAPS = {"unit": "city", "time": "year", "cluster": "cluster", "value": "h", "central": "centre"}
CITIES = pd.DataFrame(
    {
        "city": list("abcdef"),
        "year": 2008,
        "cluster": list("xxxyyy"),
        "h": [0.5, 0.9, 0.2, 0.4, 1.0, 0.8],
        "centre": [True, True, False, False, True, False],
    },
    index=[3, 1, 4, 15, 9, 2],
)


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("log_ratio", [np.log(0.7 / 0.2), np.log(1 / 0.4), np.log(1 / 0.8)]),
        ("difference", [0.5, 0.6, 0.2]),
        ("log_difference", [np.log(0.5), np.log(0.6), np.log(0.2)]),
    ],
)
def test_distance_to_the_mean_of_the_centres_and_none_for_centres(form, expected):
    gap = disparity(CITIES, **GAPS, form=form)
    assert gap.index.equals(CITIES.index) and gap.isna().equals(CITIES["centre"].rename("disparity"))
    assert gap.dropna().tolist() == pytest.approx(expected, abs=1e-14)


@given(st.lists(st.floats(0.01, 2), min_size=12, max_size=12), st.floats(1e-3, 1e3))
@settings(max_examples=15)
def test_log_ratio_is_free_of_the_unit_and_periods_do_not_mix(values, scale):
    panel = pd.concat([CITIES, CITIES.assign(year=2009)], ignore_index=True).assign(h=values)
    gap = disparity(panel, **GAPS)
    np.testing.assert_allclose(disparity(panel.assign(h=panel["h"] * scale), **GAPS), gap, atol=1e-12)
    np.testing.assert_allclose(disparity(panel[panel["year"] == 2009], **GAPS), gap[6:], atol=1e-14)
    np.testing.assert_allclose(disparity(panel.assign(centre=panel["centre"].astype(int)), **GAPS), gap, atol=0)


def test_a_city_above_its_centres_has_a_ratio_and_no_log_of_the_difference():
    ahead = CITIES.assign(h=[0.5, 0.9, 0.7, 0.4, 1.0, 1.25])
    assert disparity(ahead, **GAPS).dropna().tolist() == pytest.approx([0, np.log(2.5), -np.log(1.25)])
    with pytest.raises(DomainError, match="not below its centres.*c 2008; f 2008.*log_ratio"):
        disparity(ahead, **GAPS, form="log_difference")


@pytest.mark.parametrize(
    ("df", "error", "message"),
    [
        (CITIES.assign(centre=[True, False, False] + [False] * 3), NoDonorsError, "without a centre.*y 2008"),
        (CITIES.assign(centre=[True] * 3 + [True, False, False]), GroupSizeError, "all cities.*x 2008"),
        (CITIES.assign(centre=[2, 0, 0, 1, 0, 0]), DomainError, "neither 0 nor 1.*a 2008"),
        (CITIES.assign(h=[0.5, 0.9, 0.0, 0.4, 1.0, 0.8]), DomainError, "needs positive values.*c 2008"),
        (CITIES.assign(h=[0.5, np.nan, 0.1, 0.4, 1.0, 0.8]), MissingValueError, "b 2008"),
        (CITIES.assign(city=list("aacdef")), KeyColumnError, "identify each row"),
        (CITIES.assign(cluster=[None, *"xxyyy"]), KeyColumnError, "a key may not be missing"),
        (CITIES.drop(columns="centre"), KeyColumnError, "'centre' is not in the table"),
    ],
)
def test_bad_clusters_are_named(df, error, message):
    with pytest.raises(error, match=message):
        disparity(df, **GAPS)


def test_difference_takes_any_number():
    shifted = disparity(CITIES.assign(h=CITIES["h"] - 5), **GAPS, form="difference")
    np.testing.assert_allclose(shifted, disparity(CITIES, **GAPS, form="difference"), atol=1e-14)
    with pytest.raises(DomainError, match="form='ratio' is not known"):
        disparity(CITIES, **GAPS, form="ratio")


def test_flags_keep_the_index():
    assert flag(CITIES.assign(centre=CITIES["centre"].astype(float)), "centre", ["city"]).equals(CITIES["centre"])
