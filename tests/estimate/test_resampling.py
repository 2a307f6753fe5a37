"""Bootstrap, jackknife and permutation: identities, slow definitions, coverage and size."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, MissingValueError, RegionError
from regiometrics.estimate.resampling import (
    bootstrap,
    dagum_intervals,
    dagum_permutation,
    jackknife,
    joint_permutation,
    permutation,
)
from regiometrics.measure.inequality import dagum, gini

PARTS = ["gini", "within", "between_net", "overlap", "share_within", "share_between_net", "share_overlap"]
DAGUM = {"value": "y", "group": "cluster", "unit": "city"}
seeds = st.integers(0, 2**32 - 1)


def mean(df: pd.DataFrame) -> float:
    return float(df["y"].mean())


@pytest.fixture
def panel() -> pd.DataFrame:
    """Sixteen cities in three clusters over four years, one city-year absent, some values tied."""
    rng = np.random.default_rng(1)
    df = pd.DataFrame(itertools.product("abcdefghijklmnop", range(2004, 2008)), columns=["city", "year"])
    level = dict(zip(df["city"].unique(), np.exp(rng.normal(1, 0.4, 16)), strict=True))
    df["y"] = (df["city"].map(level) * np.exp(rng.normal(0, 0.1, len(df)))).round(1)
    df["cluster"] = np.where(df["city"] < "f", "x", np.where(df["city"] < "k", "y", "z"))
    return df.drop(index=13).sample(frac=1, random_state=3).set_axis([0] * 63)  # an index without meaning


def by_year(df: pd.DataFrame) -> pd.Series:
    frame = dagum(df, value="y", group="cluster", time="year", pairwise=False).to_frame()
    return frame.set_index("time")[PARTS].rename_axis(columns="name").stack()  # noqa: PD013


# ---------------------------------------------------------------------------------------------------------------------
# jackknife


def test_jackknife_of_a_mean_is_the_textbook_error():
    y = np.random.default_rng(2).gamma(2, size=17)
    frame = jackknife(pd.DataFrame({"city": range(17), "y": y}), mean, unit="city").to_frame()
    row = frame.iloc[0]
    assert row["std_error"] == pytest.approx(y.std(ddof=1) / np.sqrt(17), rel=1e-10)
    assert row["bias"] == pytest.approx(0, abs=1e-12)
    assert (row["low"], row["high"]) == pytest.approx(stats.ttest_1samp(y, 0).confidence_interval(), rel=1e-10)


def test_jackknife_in_strata_adds_up_their_variances():
    rng = np.random.default_rng(3)
    df = pd.DataFrame({"city": range(20), "y": rng.normal(size=20), "cluster": np.repeat(["a", "b"], [8, 12])})

    def sum_of_means(d: pd.DataFrame) -> float:
        return float(d.groupby("cluster")["y"].mean().sum())

    row = jackknife(df, sum_of_means, unit="city", strata="cluster").to_frame().iloc[0]
    by_hand = np.sqrt(sum(y.var(ddof=1) / len(y) for _, y in df.groupby("cluster")["y"]))
    assert row["std_error"] == pytest.approx(by_hand, rel=1e-10)


def test_jackknife_bias_of_the_plug_in_variance_is_exact():
    y = np.random.default_rng(4).normal(size=11)
    df = pd.DataFrame({"city": range(11), "y": y})
    row = jackknife(df, lambda d: d["y"].var(ddof=0), unit="city").to_frame().iloc[0]
    assert row["estimate"] - row["bias"] == pytest.approx(y.var(ddof=1), rel=1e-10)


# ---------------------------------------------------------------------------------------------------------------------
# bootstrap


def test_bootstrap_error_of_a_mean():
    y = np.random.default_rng(5).normal(size=40)
    result = bootstrap(pd.DataFrame({"city": range(40), "y": y}), mean, unit="city", n_boot=999)
    assert result.to_frame()["std_error"][0] == pytest.approx(y.std(ddof=0) / np.sqrt(40), rel=0.07)
    assert not result.draws.flags.writeable


def test_units_keep_their_rows_and_strata_their_size(panel):
    rows_of = panel.groupby("city").size()

    def account(d: pd.DataFrame) -> pd.Series:
        whole = d.groupby("city")
        assert whole["cluster"].nunique().eq(1).all()
        assert sorted(whole.size().unique()) in ([4], [3, 4])
        assert set(d["y"]) <= set(panel["y"])
        return whole["cluster"].first().value_counts().sort_index()

    result = bootstrap(panel, account, unit="city", strata="cluster", n_boot=50)
    assert rows_of.sum() == len(panel)
    assert (result.draws == result.estimate.to_numpy()).all()
    assert result.estimate.to_dict() == {"x": 5, "y": 5, "z": 6}


def test_without_strata_their_sizes_vary(panel):
    result = bootstrap(panel, lambda d: (d["cluster"] == "x").mean(), unit="city", n_boot=50)
    assert result.to_frame()["std_error"][0] > 0.05


def test_draws_depend_on_the_seed_alone(panel):
    few, many = (bootstrap(panel, mean, unit="city", strata="cluster", n_boot=n).draws for n in (130, 260))
    assert (few == many[:130]).all()
    assert not (few == bootstrap(panel, mean, unit="city", strata="cluster", n_boot=130, seed=1).draws).any()
    generator = bootstrap(panel, mean, unit="city", strata="cluster", n_boot=130, seed=np.random.default_rng(0))
    assert (generator.draws == few).all()


def test_intervals_by_definition():
    y = np.random.default_rng(6).gamma(1, size=25)
    df = pd.DataFrame({"city": range(25), "y": y})
    results = {
        kind: bootstrap(df, mean, unit="city", n_boot=199, interval=kind, level=0.9)
        for kind in ("percentile", "basic", "bca")
    }
    frames = {kind: result.to_frame().iloc[0] for kind, result in results.items()}
    draws = np.sort(results["percentile"].draws[:, 0])
    low, high = draws[9], draws[189]  # the 10th and 190th of 199
    assert frames["percentile"][["low", "high"]].tolist() == pytest.approx([low, high])
    assert frames["basic"][["low", "high"]].tolist() == pytest.approx([2 * y.mean() - high, 2 * y.mean() - low])
    z0 = stats.norm.ppf((draws < y.mean()).mean())
    influence = y - y.mean()
    a = (influence**3).sum() / (6 * (influence**2).sum() ** 1.5)
    z = z0 + stats.norm.ppf([0.05, 0.95])
    ranks = 200 * stats.norm.cdf(z0 + z / (1 - a * z))
    expected = np.interp(ranks, np.arange(1, 200), draws)
    assert frames["bca"][["low", "high"]].tolist() == pytest.approx(expected.tolist(), rel=1e-9)
    assert frames["bca"]["low"] > frames["percentile"]["low"]  # skewed to the right: moved upwards


def test_derived_numbers_use_the_same_draws(panel):
    result = bootstrap(panel, by_year, unit="city", strata="cluster", n_boot=60, interval="bca")
    averages = result.derive(lambda numbers: numbers.groupby("name").mean())

    def directly(d: pd.DataFrame) -> pd.Series:
        return by_year(d).groupby("name").mean()

    direct = bootstrap(panel, directly, unit="city", strata="cluster", n_boot=60, interval="bca")
    pd.testing.assert_frame_equal(averages.to_frame(), direct.to_frame())
    change = result.derive(lambda numbers: numbers[2007, "gini"] - numbers[2004, "gini"]).to_frame()
    assert change["name"].tolist() == ["statistic"]
    assert change["estimate"][0] == result.estimate[2007, "gini"] - result.estimate[2004, "gini"]


# ---------------------------------------------------------------------------------------------------------------------
# Dagum's decomposition


def test_fast_draws_equal_the_slow_bootstrap(panel):
    slow = bootstrap(panel, by_year, unit="city", strata="cluster", n_boot=120, interval="bca")
    fast = dagum_intervals(panel, **DAGUM, time="year", n_boot=120, interval="bca")
    assert fast.draws == pytest.approx(slow.draws, abs=1e-12)
    pd.testing.assert_frame_equal(fast.to_frame(), slow.to_frame(), atol=1e-9)
    assert list(fast.to_frame())[:3] == ["time", "name", "estimate"]


def test_fast_jackknife_equals_the_slow_one(panel):
    slow = jackknife(panel, by_year, unit="city", strata="cluster")
    fast = dagum_intervals(panel, **DAGUM, time="year", method="jackknife")
    assert fast.draws == pytest.approx(slow.draws, abs=1e-12)
    pd.testing.assert_frame_equal(fast.to_frame(), slow.to_frame(), atol=1e-9)


def test_fast_draws_equal_the_slow_ones_on_the_shipped_series(shipped):
    df = shipped.rename(columns={"adcode": "city", "coagglomeration": "y"})
    slow = bootstrap(df, by_year, unit="city", strata="cluster", n_boot=6)
    fast = dagum_intervals(df, **DAGUM, time="year", n_boot=6)
    assert fast.draws == pytest.approx(slow.draws, abs=1e-12)
    assert fast.to_frame()["name"].tolist()[:7] == PARTS
    draws = fast.draws.reshape(6, 15, 7)
    assert draws[:, :, 1:4].sum(axis=2) == pytest.approx(draws[:, :, 0])
    assert draws[:, :, 4:].sum(axis=2) == pytest.approx(1)
    assert (draws >= 0).all()


def test_group_absent_from_a_year_in_a_draw_is_left_out():
    """Cluster y has one city in 2005; draws without that city have no cluster y in that year."""
    df = pd.DataFrame(itertools.product("abcdefgh", [2004, 2005]), columns=["city", "year"])
    df["cluster"] = np.where(df["city"] < "g", "x", "y")
    df["y"] = np.random.default_rng(7).gamma(3, size=len(df))
    df = df[(df["year"] == 2004) | (df["city"] < "h")]
    slow = bootstrap(df, by_year, unit="city", strata="cluster", n_boot=60)
    fast = dagum_intervals(df, **DAGUM, time="year", n_boot=60)
    assert fast.draws == pytest.approx(slow.draws, abs=1e-12)
    assert (fast.draws[:, 9] == 0).any()  # nothing between in 2005 where cluster y is absent


def test_without_time_there_is_no_time_column(panel):
    year = panel[panel["year"] == 2006]
    frame = dagum_intervals(year, **DAGUM, n_boot=50).to_frame()
    assert list(frame) == ["name", "estimate", "std_error", "bias", "low", "high"]
    assert frame["estimate"][0] == pytest.approx(gini(year["y"]))


def test_whole_units_tie_the_years_together(panel):
    tied, free = (
        dagum_intervals(panel, **DAGUM, time="year", n_boot=600, clustered=clustered) for clustered in (True, False)
    )
    first, last = 0, 21  # gini of the first and of the last year
    assert np.corrcoef(tied.draws[:, [first, last]].T)[0, 1] > 0.5
    assert abs(np.corrcoef(free.draws[:, [first, last]].T)[0, 1]) < 0.15
    errors = tied.to_frame()["std_error"] / free.to_frame()["std_error"]
    assert errors.between(0.85, 1.15).mean() > 0.9


def test_gini_is_biased_downwards_by_one_in_n():
    n = 30
    y = np.random.default_rng(8).lognormal(0, 0.4, n)
    df = pd.DataFrame({"city": range(n), "y": y, "cluster": "all"})
    frame = dagum_intervals(df, **DAGUM, n_boot=4000).to_frame()
    assert frame["bias"][0] == pytest.approx(-gini(y) / n, rel=0.35)
    assert frame[frame["name"] == "within"]["bias"].iloc[0] < 0


@settings(max_examples=15)
@given(seeds, st.floats(1e-3, 1e3))
def test_intervals_ignore_the_unit_of_measure_and_the_names(seed, scale):
    rng = np.random.default_rng(seed)
    df = pd.DataFrame({"city": range(12), "cluster": np.repeat(list("abc"), 4), "y": rng.gamma(2, size=12)})
    other = df.assign(y=df["y"] * scale, city=rng.permutation(100)[df["city"]], cluster="C" + df["cluster"])
    base, again = (dagum_intervals(d, **DAGUM, n_boot=40, seed=seed).draws for d in (df, other))
    assert base == pytest.approx(again, abs=1e-9)


def population_parts(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Two log-normal clusters with different means."""
    cluster = np.repeat(["x", "y"], [n // 2, n - n // 2])
    return pd.DataFrame(
        {"city": np.arange(n), "cluster": cluster, "y": rng.lognormal(np.where(cluster == "x", 0.0, 0.3), 0.35)}
    )


def coverage(interval: str, n: int, replications: int) -> pd.Series:
    truth = dagum(population_parts(np.random.default_rng(0), 400_000), value="y", group="cluster", pairwise=False)
    truth_parts = truth.to_frame()[PARTS].iloc[0]
    inside = []
    for stream in np.random.default_rng(9).spawn(replications):
        sample = population_parts(stream, n)
        frame = dagum_intervals(sample, **DAGUM, n_boot=399, interval=interval, seed=stream).to_frame()
        inside.append(frame.set_index("name")["low"].le(truth_parts) & frame.set_index("name")["high"].ge(truth_parts))
    return pd.concat(inside, axis=1).mean(axis=1)


def test_intervals_cover_the_population():
    covered = coverage("bca", 80, 80)
    assert covered["gini"] > 0.86
    assert covered["between_net"] > 0.86
    assert covered.min() < 1


@pytest.mark.slow
def test_bias_corrected_intervals_cover_better_in_small_samples():
    percentile, corrected = (coverage(interval, 30, 1000)["gini"] for interval in ("percentile", "bca"))
    assert percentile < corrected
    assert 0.88 < corrected < 0.97


# ---------------------------------------------------------------------------------------------------------------------
# permutation


@pytest.fixture
def two_clusters() -> pd.DataFrame:
    y = [3.1, 0.2, 4.4, 2.9, 1.7, 5.0, 6.1, 2.2]
    return pd.DataFrame({"city": list("abcdefgh"), "cluster": list("xxxyyyyy"), "y": y})


def gap(df: pd.DataFrame) -> float:
    y, in_y = df["y"].to_numpy(), (df["cluster"] == "y").to_numpy()
    return float(y[in_y].mean() - y[~in_y].mean())


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
def test_permutation_p_value_agrees_with_all_permutations(two_clusters, alternative):
    y = two_clusters["y"].to_numpy()
    every = np.array(
        [y[[i for i in range(8) if i not in x]].mean() - y[list(x)].mean() for x in itertools.combinations(range(8), 3)]
    )
    fold = {"greater": lambda v: v, "less": lambda v: -v, "two-sided": np.abs}[alternative]
    exact = (fold(every) >= fold(gap(two_clusters)) - 1e-12).mean()
    test = permutation(two_clusters, gap, shuffle="cluster", n_perm=499, alternative=alternative)
    row = test.to_frame().iloc[0]
    assert row["p_value"] == pytest.approx(exact, abs=0.06)
    assert row["null_mean"] == pytest.approx(every.mean(), abs=0.15)
    assert row["null_sd"] == pytest.approx(every.std(), rel=0.1)
    assert row["smallest_p"] == 1 / 500
    extreme = (fold(test.draws[:, 0]) >= fold(gap(two_clusters)) - 1e-12).sum()
    assert row["p_value"] == (1 + extreme) / 500


def test_shuffling_stays_within_years_and_keeps_the_values(panel):
    totals = panel.groupby("year")["y"].sum()

    def account(d: pd.DataFrame) -> pd.Series:
        assert d.index.equals(panel.index)
        assert d.groupby("year")["y"].sum().to_numpy() == pytest.approx(totals.to_numpy())
        return d.groupby("cluster")["y"].mean()

    test = permutation(panel, account, shuffle="y", within="year", n_perm=50)
    assert test.draws.std(axis=0).min() > 0
    assert not test.draws.flags.writeable


def test_shuffling_units_keeps_their_years_together(panel):
    sizes = panel.groupby("city")["cluster"].first().value_counts()

    def account(d: pd.DataFrame) -> float:
        by_city = d.groupby("city")["cluster"]
        assert by_city.nunique().eq(1).all()
        assert by_city.first().value_counts().to_dict() == sizes.to_dict()
        assert d["y"].equals(panel["y"])
        return float(d.loc[d["cluster"] == "x", "y"].mean())

    test = permutation(panel, account, shuffle="cluster", unit="city", n_perm=50)
    assert test.to_frame()["null_sd"][0] > 0


@pytest.mark.parametrize("time", ["year", None])
@pytest.mark.parametrize("kept", [1.0, 0.7])
def test_dagums_parts_of_shuffled_groups_are_those_of_shuffled_tables(panel, kept, time):
    table = panel.sample(frac=kept, random_state=3) if time else panel.drop_duplicates("city")

    def at_once(d: pd.DataFrame) -> pd.Series:
        return dagum(d, value="y", group="cluster").to_frame()[PARTS].iloc[0]

    fast = dagum_permutation(table, **DAGUM, time=time, n_perm=120, seed=5)
    slow = by_year if time else at_once
    wanted = permutation(table, slow, shuffle="cluster", unit="city", n_perm=120, alternative="greater", seed=5)
    np.testing.assert_allclose(fast.draws, wanted.draws, rtol=0, atol=1e-13)
    assert fast.to_frame()["p_value"].tolist() == wanted.to_frame()["p_value"].tolist()


def test_shuffled_groups_leave_the_inequality_of_all_units_alone(panel):
    parts = dagum_permutation(panel, **DAGUM, time="year", n_perm=50)
    gini = parts.draws[:, ::7]
    np.testing.assert_allclose(gini, np.broadcast_to(gini[0], gini.shape), rtol=1e-12)
    mean = parts.derive(lambda p: p.xs("gini", level="name").mean())
    assert mean.estimate.item() == pytest.approx(gini[0].mean())


def test_permutation_draws_depend_on_the_seed_alone(two_clusters):
    few, many = (permutation(two_clusters, gap, shuffle="cluster", n_perm=n).draws for n in (120, 240))
    assert (few == many[:120]).all()


def test_permutation_test_has_its_size_and_power():
    p_null, p_apart = [], []
    for stream in np.random.default_rng(10).spawn(40):
        df = pd.DataFrame({"cluster": np.repeat(list("xy"), 10), "y": stream.normal(size=20)})
        p_null.append(permutation(df, gap, shuffle="cluster", n_perm=19, seed=stream).to_frame()["p_value"][0])
        apart = df.assign(y=df["y"] + 2.5 * (df["cluster"] == "y"))
        p_apart.append(permutation(apart, gap, shuffle="cluster", n_perm=19, seed=stream).to_frame()["p_value"][0])
    assert (np.array(p_null) <= 0.1).mean() < 0.25
    assert (np.array(p_apart) <= 0.1).mean() > 0.95


def test_statistic_that_ignores_the_shuffled_column_is_never_significant(two_clusters):
    test = permutation(two_clusters, lambda d: d["y"].mean(), shuffle="cluster", n_perm=19)
    assert test.to_frame()["p_value"][0] == 1


# ---------------------------------------------------------------------------------------------------------------------
# bad input


def test_results_carry_their_options(panel):
    result = dagum_intervals(panel, **DAGUM, time="year", n_boot=20, seed=5)
    assert result.options["seed"] == 5
    assert result.options["n_boot"] == 20
    assert "gini" in result.summary()
    assert (result.sample.rows_in, result.sample.rows_used) == (63, 63)


def test_missing_values_are_refused_or_listed(panel):
    holes = panel.assign(y=panel["y"].where((panel["city"] != "a") | (panel["year"] != 2005)))
    with pytest.raises(MissingValueError):
        dagum_intervals(holes, **DAGUM, time="year")
    result = dagum_intervals(holes, **DAGUM, time="year", n_boot=20, missing="drop")
    assert result.sample.dropped == (("missing 'y'", (("a", 2005, "x"),)),)


ERRORS = {
    "absent unit": (lambda d: d, {"unit": "town"}, KeyColumnError),
    "null unit": (lambda d: d.assign(city=d["city"].where(d["city"] > "a")), {}, KeyColumnError),
    "moving unit": (lambda d: d.assign(cluster=d["cluster"].where(d["year"] > 2004, "x")), {}, KeyColumnError),
    "lonely unit": (lambda d: d.assign(cluster=d["cluster"].where(d["city"] > "a", "w")), {}, GroupSizeError),
}


@pytest.mark.parametrize("case", ERRORS)
@pytest.mark.parametrize("function", ["bootstrap", "jackknife", "dagum"])
def test_resampling_refuses(panel, function, case):
    spoil, options, error = ERRORS[case]
    df = spoil(panel)
    unit = options.get("unit", "city")
    with pytest.raises(error) as caught:
        if function == "dagum":
            dagum_intervals(df, value="y", group="cluster", unit=unit, time="year", n_boot=20)
        else:
            {"bootstrap": bootstrap, "jackknife": jackknife}[function](df, mean, unit=unit, strata="cluster")
    assert isinstance(caught.value, RegionError)


def test_dagum_intervals_refuse_repeated_rows_and_negative_values(panel):
    with pytest.raises(KeyColumnError, match="identify"):
        dagum_intervals(panel, **DAGUM)
    with pytest.raises(DomainError, match="negative"):
        dagum_intervals(panel.assign(y=-panel["y"]), **DAGUM, time="year")


def test_shares_of_no_inequality_are_refused(panel):
    for resampled, size in ((dagum_intervals, "n_boot"), (dagum_permutation, "n_perm")):
        with pytest.raises(DomainError, match="finite"):
            resampled(panel.assign(y=1.0), **DAGUM, time="year", **{size: 20})


def test_statistics_must_be_finite_and_keep_their_names(panel):
    with pytest.raises(DomainError, match="a draw"):
        bootstrap(panel, lambda d: 1.0 if d["city"].dtype == panel["city"].dtype else np.nan, unit="city", n_boot=5)
    with pytest.raises(RegionError, match="names other numbers"):
        bootstrap(panel, lambda d: d.groupby("cluster")["y"].mean().rename("y"), unit="city", n_boot=999)
    with pytest.raises(DomainError, match="finite"):
        permutation(panel, lambda d: np.nan, shuffle="cluster", n_perm=5)


def test_bias_corrected_interval_needs_draws_on_both_sides(panel):
    def original(d: pd.DataFrame) -> float:
        return float(d["city"].dtype == panel["city"].dtype)

    with pytest.raises(DomainError, match="one side"):
        bootstrap(panel, original, unit="city", n_boot=20, interval="bca").to_frame()


def test_unknown_options_are_refused(panel):
    for call in (
        lambda: bootstrap(panel, mean, unit="city", interval="BCa"),
        lambda: dagum_intervals(panel, **DAGUM, time="year", method="bootstrp"),
        lambda: permutation(panel, mean, shuffle="y", alternative="larger"),
        lambda: dagum_permutation(panel, **DAGUM, alternative="larger"),
    ):
        with pytest.raises(DomainError, match="choose one of"):
            call()


def test_permutation_refuses(panel):
    with pytest.raises(KeyColumnError, match="not in the table"):
        permutation(panel, mean, shuffle="province")
    with pytest.raises(KeyColumnError, match="same in all rows"):
        permutation(panel, mean, shuffle="y", unit="city")
    moved = panel.assign(cluster=np.where(panel["year"] > 2004, "x", panel["cluster"]))
    with pytest.raises(KeyColumnError, match="same in all rows"):
        dagum_permutation(moved, **DAGUM, time="year")
    with pytest.raises(KeyColumnError, match="may not be missing"):
        permutation(panel.assign(year=panel["year"].where(panel["year"] > 2004)), mean, shuffle="y", within="year")


def test_joint_p_values_count_the_draws_that_reach_the_curve():
    estimates, draws = [3.0, 1.0, 2.0], [[2.0, 2.0, 2.0], [1.0, 1.0, 5.0], [-9.0, 4.0, 4.0], [-1.0, -1.0, 9.0]]
    test = joint_permutation(estimates, draws).set_index("statistic")
    middle, share = test.loc["median estimate"], test.loc["share of that sign"]
    assert middle["observed"] == 2 and middle["p_value"] == 3 / 5  # medians 2, 1, 4, -1: two reach it
    assert share["observed"] == 1 and share["p_value"] == 3 / 5  # shares 1, 1, 2/3, 1/3
    assert middle["smallest_p"] == 1 / 5 and middle["n_specifications"] == 3 and middle["n_draws"] == 4


def test_the_other_direction_is_the_mirrored_test():
    rng = np.random.default_rng(3)
    estimates, draws = rng.normal(-0.3, 1, 7), rng.normal(size=(50, 7))
    less = joint_permutation(estimates, draws, alternative="less")
    greater = joint_permutation(-estimates, -draws)
    assert less["p_value"].tolist() == greater["p_value"].tolist()
    assert less["observed"].tolist() == [-greater["observed"][0], greater["observed"][1]]
    assert less["draws_low"][0] == pytest.approx(-greater["draws_high"][0], abs=1e-12)


def test_the_joint_test_keeps_its_size_where_specifications_share_their_data():
    """A count of specifications would reject far too often: here all but repeat the first."""
    rng = np.random.default_rng(1)
    p_values = []
    for _ in range(400):
        drawn = rng.normal(size=(40, 1)) + 0.2 * rng.normal(size=(40, 12))
        p_values.append(joint_permutation(drawn[0], drawn[1:])["p_value"][0])
    rejected = np.mean(np.array(p_values) <= 0.05)
    assert 0.02 < rejected < 0.09  # 0.05, two and a half standard errors of 400 trials


def test_the_joint_test_refuses():
    for estimates, draws in (([1.0, 2.0], [[1.0]]), ([1.0], []), (1.0, [[1.0]])):
        with pytest.raises(DomainError, match="shape"):
            joint_permutation(estimates, draws)
    with pytest.raises(DomainError, match="not finite"):
        joint_permutation([1.0], [[np.nan]])
    with pytest.raises(DomainError, match="choose one of"):
        joint_permutation([1.0], [[1.0]], alternative="two-sided")
