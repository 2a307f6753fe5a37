"""sigma, beta and club convergence: slow definitions, independent libraries, planted truth, published answers."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from linearmodels.panel import PanelOLS
from scipy import stats
from statsmodels.tsa.filters.hp_filter import hpfilter

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    RankError,
    RegionError,
    UnbalancedPanelError,
)
from regiometrics.estimate.convergence import (
    beta_convergence,
    carree_klomp,
    convergence_clubs,
    log_t_test,
    newey_west_lags,
    sigma_convergence,
)

KEYS = {"unit": "city", "time": "year", "value": "y"}
seeds = st.integers(0, 2**32 - 1)


def long(values: np.ndarray, first_year: int = 2004) -> pd.DataFrame:
    """Units x times as a long table."""
    n, t = values.shape
    return pd.DataFrame(
        {"city": np.repeat(np.arange(n), t), "year": np.tile(first_year + np.arange(t), n), "y": values.ravel()}
    )


def shuffled_and_renamed(df: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The same table with other names, in another order, under an index that means nothing."""
    names = rng.permutation(1000)[: df["city"].nunique()]
    return (
        df.assign(city=names[df["city"]]).sample(frac=1, random_state=int(rng.integers(2**31))).set_axis([0] * len(df))
    )


# ---------------------------------------------------------------------------------------------------------------------
# sigma


@pytest.fixture
def clusters() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    df = long(np.exp(rng.normal(1, 0.2, (24, 10))))
    return df.assign(cluster=np.where(df["city"] % 3 == 0, "a", "b")).iloc[1:]  # one city-year is absent


@pytest.mark.parametrize("ddof", [0, 1])
def test_dispersion_is_equation_12_by_cluster_and_overall(clusters, ddof):
    result = sigma_convergence(clusters, **KEYS, group="cluster", ddof=ddof)
    assert list(result.dispersion) == ["time", "group", "n", "mean", "coefficient_of_variation"]
    for row in result.dispersion.itertuples():
        rows = clusters[clusters["year"] == row.time]
        y = rows["y"] if row.group == "overall" else rows.loc[rows["cluster"] == row.group, "y"]
        assert row.n == len(y)
        by_hand = np.sqrt(((y - y.mean()) ** 2).sum() / (len(y) - ddof)) / y.mean()
        assert row.coefficient_of_variation == pytest.approx(by_hand, rel=1e-12)
    assert len(result.dispersion) == 3 * 10
    frame = result.to_frame()
    assert frame["group"].tolist() == ["a", "b", "overall"]
    assert np.allclose(frame["change"], frame["last"] - frame["first"])


def test_hac_errors_equal_newey_and_west_by_hand(clusters):
    result = sigma_convergence(clusters, **KEYS)
    row, sigma = result.to_frame().iloc[0], result.dispersion["coefficient_of_variation"].to_numpy()
    n = len(sigma)
    x = np.column_stack([np.ones(n), np.arange(n)])
    b = np.linalg.solve(x.T @ x, x.T @ sigma)
    scores = x * (sigma - x @ b)[:, None]
    meat, lags = scores.T @ scores, newey_west_lags(n)
    assert lags == 2
    for lag in range(1, lags + 1):
        gamma = scores[lag:].T @ scores[:-lag]
        meat += (1 - lag / (lags + 1)) * (gamma + gamma.T)
    bread = np.linalg.inv(x.T @ x)
    se = np.sqrt((bread @ meat @ bread)[1, 1] * n / (n - 2))
    assert row["slope"] == pytest.approx(b[1], rel=1e-9)
    assert row["std_error"] == pytest.approx(se, rel=1e-9)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(b[1] / se), n - 2), rel=1e-9)
    assert (row["low"], row["high"]) == pytest.approx(b[1] + stats.t.ppf([0.025, 0.975], n - 2) * se)


def test_ols_errors_equal_the_textbook(clusters):
    result = sigma_convergence(clusters, **KEYS, trend="ols")
    fit = stats.linregress(np.arange(10), result.dispersion["coefficient_of_variation"])
    assert result.to_frame()["std_error"][0] == pytest.approx(fit.stderr, rel=1e-9)
    assert result.to_frame()["p_value"][0] == pytest.approx(fit.pvalue, rel=1e-9)


def test_exponential_decay_of_dispersion_is_a_straight_line_in_logs():
    gap = np.array([-2.0, -1, 0, 1, 2])[:, None]
    row = sigma_convergence(long(10 + gap * np.exp(-0.07 * np.arange(12))), **KEYS, log=True).to_frame().iloc[0]
    assert row["slope"] == pytest.approx(-0.07, abs=1e-12)
    assert row["change"] == pytest.approx(-0.07 * 11)


@given(seeds, st.floats(1e-3, 1e3))
@settings(max_examples=10)
def test_sigma_ignores_the_unit_of_measure_names_and_row_order(seed, scale):
    rng = np.random.default_rng(seed)
    df = long(np.exp(rng.normal(0, 0.3, (8, 6))))
    base = sigma_convergence(df, **KEYS)
    other = sigma_convergence(shuffled_and_renamed(df.assign(y=df["y"] * scale), rng), **KEYS)
    pd.testing.assert_frame_equal(base.to_frame(), other.to_frame(), rtol=1e-8)
    pd.testing.assert_frame_equal(base.endpoints, other.endpoints, rtol=1e-8)


def sizes_of_the_trend_test(trend: str, n_times: int, replications: int) -> float:
    """Share of rejections at 5 % where dispersion is constant; each replication is a group of one call."""
    rng = np.random.default_rng(20)
    df = long(1 + 0.2 * rng.normal(size=(6 * replications, n_times))).assign(group=lambda d: d["city"] // 6)
    frame = sigma_convergence(df, **KEYS, group="group", trend=trend).to_frame()
    return float((frame.loc[frame["group"] != "overall", "p_value"] < 0.05).mean())


def test_constant_dispersion_has_no_trend():
    assert 0.03 < sizes_of_the_trend_test("ols", 15, 600) < 0.07
    assert 0.09 < sizes_of_the_trend_test("hac", 15, 600) < 0.16  # as the documentation says: 12 %


@pytest.mark.slow
def test_hac_size_improves_with_the_length_of_the_series():
    assert 0.055 < sizes_of_the_trend_test("hac", 100, 2000) < 0.09


def test_shipped_series_gives_the_known_trends(shipped, root):
    result = sigma_convergence(
        shipped, unit="adcode", time="year", value="coagglomeration", group="cluster", ddof=1, trend="hac"
    )
    frame = result.to_frame().set_index("group")
    assert frame.loc["overall", "slope"] == pytest.approx(-0.00068293, abs=5e-9)
    assert frame.loc["overall", "p_value"] == pytest.approx(0.427, abs=5e-4)
    rising = {"beijing_tianjin_hebei", "guanzhong_plain", "pearl_river_delta", "yangtze_river_delta"}
    assert set(frame.index[frame["slope"] > 0]) == rising
    printed = pd.read_csv(root / "data/published/p3_coagglomeration/table_5_sigma_convergence.csv")
    printed = printed[(printed["year"] != "mean") & (printed["cluster_corrected"] != "overall")]
    both = result.dispersion.merge(
        printed.assign(time=printed["year"].astype(int), group=printed["cluster_corrected"]),
        on=["time", "group"],
        suffixes=("", "_printed"),
    )
    gap = (both["coefficient_of_variation"] - both["coefficient_of_variation_printed"]).abs()
    assert len(both) == 120
    assert (gap <= 0.001).sum() >= 96


def test_comparison_of_two_years_is_pitman_and_morgans():
    rng = np.random.default_rng(3)
    first = rng.normal(size=25)
    last = 0.6 * first + 0.5 * rng.normal(size=25)
    test = carree_klomp(first, last)
    r = np.corrcoef(first + last, first - last)[0, 1]
    assert test.likelihood_ratio == pytest.approx(-(25 - 2.5) * np.log(1 - r**2), rel=1e-10)
    assert test.ratio == pytest.approx(first.var() / last.var(), rel=1e-12)
    slope_free_error = 2 * np.sqrt(1 - np.corrcoef(first, last)[0, 1] ** 2) / 5
    assert test.corrected == pytest.approx((test.ratio - 1) / slope_free_error, rel=1e-10)
    back = carree_klomp(last, first)
    assert back.likelihood_ratio == pytest.approx(test.likelihood_ratio, rel=1e-10)
    assert back.ratio == pytest.approx(1 / test.ratio, rel=1e-12)
    assert test.p_corrected < 0.05 < back.p_corrected
    assert test.to_frame()["p_value"].tolist() == [test.p_ratio, test.p_likelihood_ratio, test.p_corrected]


def test_likelihood_ratio_is_the_ratio_of_likelihoods():
    rng = np.random.default_rng(4)
    pair = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 0.7]], size=30)
    s = np.cov(pair.T, ddof=0)
    common = np.array([[np.trace(s) / 2, s[0, 1]], [s[0, 1], np.trace(s) / 2]])
    means = pair.mean(axis=0)
    ratio = 2 * sum(
        stats.multivariate_normal(means, cov).logpdf(pair).sum() * sign for cov, sign in ((s, 1), (common, -1))
    )
    assert carree_klomp(*pair.T).likelihood_ratio == pytest.approx(ratio * (30 - 2.5) / 30, rel=1e-9)


def test_sizes_of_the_comparison_of_two_years():
    rng = np.random.default_rng(5)
    p = []
    for _ in range(800):
        first = rng.normal(size=15)
        test = carree_klomp(first, 0.9 * first + np.sqrt(1 - 0.81) * rng.normal(size=15))
        p.append((test.p_ratio, test.p_likelihood_ratio, test.p_corrected))
    naive, likelihood, corrected = (np.array(p) < 0.05).mean(axis=0)
    assert naive < 0.01
    assert 0.03 < likelihood < 0.07
    assert 0.07 < corrected < 0.17


def test_endpoints_compare_units_seen_in_both_years(clusters):
    result = sigma_convergence(clusters, **KEYS, group="cluster")
    endpoints = result.endpoints
    assert endpoints.groupby("group", sort=False)["n"].first().to_dict() == {"a": 7, "b": 16, "overall": 23}
    wide = clusters.pivot(index="city", columns="year", values="y")
    relative = (wide / wide.mean()).dropna()
    by_hand = carree_klomp(relative[2004], relative[2013])
    overall = endpoints[(endpoints["group"] == "overall") & (endpoints["test"] == "T2")].iloc[0]
    assert overall["statistic"] == pytest.approx(by_hand.likelihood_ratio, rel=1e-10)


SIGMA_ERRORS = {
    "text for time": (lambda d: d.assign(year="year " + d["year"].astype(str)), {}, DomainError, "number"),
    "duplicate": (lambda d: pd.concat([d, d.iloc[:1]]), {}, KeyColumnError, "identify"),
    "absent column": (lambda d: d.drop(columns="year"), {}, KeyColumnError, "year"),
    "reserved name": (lambda d: d.assign(g="overall"), {"group": "g"}, KeyColumnError, "overall"),
    "missing value": (lambda d: d.assign(y=d["y"].where(d["city"] > 0)), {}, MissingValueError, "missing"),
    "few years": (lambda d: d[d["year"] < 2007], {}, GroupSizeError, "4 periods"),
    "singleton": (lambda d: d.assign(g=d["city"] == 0), {"group": "g", "ddof": 1}, GroupSizeError, "members"),
    "no dispersion": (lambda d: d.assign(y=1.0), {"log": True}, DomainError, "logarithm"),
    "zero mean": (lambda d: d.assign(y=0.0), {}, DomainError, "zero"),
    "unknown option": (lambda d: d, {"trend": "HAC"}, DomainError, "choose one of 'hac', 'ols'"),
}


@pytest.mark.parametrize("case", SIGMA_ERRORS)
def test_sigma_refuses(case):
    spoil, options, error, words = SIGMA_ERRORS[case]
    df = long(np.exp(np.random.default_rng(0).normal(0, 0.3, (6, 6))))
    with pytest.raises(error, match=words):
        sigma_convergence(spoil(df), **KEYS, **options)


def test_sigma_lists_what_it_drops():
    df = long(np.exp(np.random.default_rng(0).normal(0, 0.3, (6, 6)))).astype({"y": float})
    df.loc[4, "y"] = np.nan
    result = sigma_convergence(df, **KEYS, missing="drop")
    assert result.sample.dropped == (("missing 'y'", ((0, 2008),)),)
    assert result.dispersion["n"].tolist() == [6, 6, 6, 6, 5, 6]


@pytest.mark.parametrize(
    ("first", "last", "error"),
    [
        ([1, 2, 3], [1, 2, 4], GroupSizeError),
        ([1, 2, 3, 4], [1, 2, 4], GroupSizeError),
        ([1, 2, 3, 4], [5, 5, 5, 5], DomainError),
        ([1, 2, 3, 4], [2, 4, 6, 8], DomainError),
    ],
)
def test_comparison_of_two_years_refuses(first, last, error):
    with pytest.raises(error):
        carree_klomp(first, last)


# ---------------------------------------------------------------------------------------------------------------------
# beta


def decaying(rate: float, n_times: int = 10, own_limits: bool = False) -> pd.DataFrame:
    """ln y closes the gap to its limit at the rate; one limit for all, or each its own."""
    rng = np.random.default_rng(11)
    limit = 1 + own_limits * rng.normal(size=(9, 1))
    return long(np.exp(limit + rng.normal(size=(9, 1)) * np.exp(-rate * np.arange(n_times))))


@pytest.mark.parametrize(
    ("effects", "own_limits", "correct"),
    [("none", False, "none"), ("time", False, "none"), ("two-way", True, "none"), ("two-way", True, "hpj")],
)
def test_common_exponential_decay_is_recovered(effects, own_limits, correct):
    result = beta_convergence(decaying(0.08, own_limits=own_limits), **KEYS, effects=effects, correct=correct)
    assert result.beta == pytest.approx(np.exp(-0.08) - 1, abs=1e-10)
    assert result.speed == pytest.approx(0.08, abs=1e-10)
    assert result.half_life == pytest.approx(np.log(2) / 0.08, abs=1e-7)
    assert result.n_obs == 81


def test_common_exponential_decay_is_one_club():
    clubs = convergence_clubs(decaying(0.08, n_times=20), **KEYS)
    assert clubs.to_frame()["n"].tolist() == [9]
    assert clubs.clubs["club"].eq(1).all()


def test_own_limits_look_like_divergence_only_without_unit_effects():
    df = decaying(0.08, own_limits=True)
    assert beta_convergence(df, **KEYS, effects="time").beta > -0.05 > beta_convergence(df, **KEYS).beta


@pytest.fixture
def unbalanced() -> pd.DataFrame:
    """A noisy panel with a control, provinces and gaps."""
    rng = np.random.default_rng(12)
    df = long(np.exp(rng.normal(size=(30, 1)) + 0.3 * rng.normal(size=(30, 9)).cumsum(axis=1)))
    df = df.assign(x=rng.normal(size=len(df)), province=df["city"] // 4)
    return df.drop(index=[3, 40, 41, 77, 269])


def growth_by_hand(df: pd.DataFrame) -> pd.DataFrame:
    after = df[["city", "year", "y"]].assign(year=df["year"] - 1)
    both = df.merge(after, on=["city", "year"], suffixes=("", "_next"))
    return both.assign(growth=np.log(both["y_next"] / both["y"]), level=np.log(both["y"]))


@pytest.mark.parametrize("effects", ["two-way", "time", "none"])
def test_equals_panel_ols_with_the_documented_factor(unbalanced, effects):
    result = beta_convergence(unbalanced, **KEYS, controls=["x"], effects=effects)
    rows = growth_by_hand(unbalanced).set_index(["city", "year"])
    columns = ["level", "x"] if effects == "two-way" else ["const", "level", "x"]
    fit = PanelOLS(
        rows["growth"],
        rows.assign(const=1.0)[columns],
        entity_effects=effects == "two-way",
        time_effects=effects != "none",
    ).fit(cov_type="clustered", cluster_entity=True, count_effects=False, auto_df=False, group_debias=True)
    n, spent = len(rows), 2 + (1 if effects == "none" else rows.index.get_level_values("year").nunique())
    factor = np.sqrt((n - len(columns)) / (n - spent))
    frame = result.to_frame()
    assert frame["term"].tolist() == ["ln y", "x"]
    assert np.allclose(frame["estimate"], fit.params[["level", "x"]], rtol=1e-9)
    assert np.allclose(frame["std_error"], fit.std_errors[["level", "x"]] * factor, rtol=1e-9)
    assert np.allclose(frame["p_value"], 2 * stats.t.sf(abs(frame["statistic"]), 29))
    assert result.n_obs == n


def with_dummies(rows: pd.DataFrame) -> pd.DataFrame:
    dummies = [pd.get_dummies(rows[key], prefix=key, drop_first=key == "year", dtype=float) for key in ("city", "year")]
    return pd.concat([rows[["level"]], *dummies], axis=1)


def test_clusters_wider_than_units_equal_least_squares_with_dummies(unbalanced):
    result = beta_convergence(unbalanced, **KEYS, cluster="province")
    rows = growth_by_hand(unbalanced)
    x = with_dummies(rows)
    groups = {"groups": rows["province"]}
    fit = sm.OLS(rows["growth"], x).fit(cov_type="cluster", cov_kwds=groups)
    n, nested = len(rows), 1 + rows["year"].nunique()  # unit effects are nested in the clusters and do not count
    se = fit.bse["level"] * np.sqrt((n - x.shape[1]) / (n - nested))
    assert result.to_frame()["std_error"][0] == pytest.approx(se, rel=1e-8)
    assert result.n_clusters == rows["province"].nunique()
    assert result.n_units == rows["city"].nunique()


@pytest.mark.parametrize("years", [9, 10])
def test_half_panel_jackknife_by_hand(unbalanced, years):
    df = unbalanced[unbalanced["year"] < 2004 + years - 1]
    rows = growth_by_hand(df)

    def slope(part: pd.DataFrame) -> float:
        return float(np.linalg.lstsq(with_dummies(part).to_numpy(), part["growth"].to_numpy(), rcond=None)[0][0])

    times = np.sort(rows["year"].unique())
    cuts = {len(times) // 2, (len(times) + 1) // 2}
    halves = [np.mean([slope(rows[rows["year"] < times[c]]), slope(rows[rows["year"] >= times[c]])]) for c in cuts]
    assert len(cuts) == 1 + len(times) % 2
    by_hand = 2 * slope(rows) - np.mean(halves)
    assert beta_convergence(df, **KEYS, correct="hpj").beta == pytest.approx(by_hand, rel=1e-9)


def autoregressive(rng: np.random.Generator, n: int, n_times: int, rho: float) -> pd.DataFrame:
    """ln y with unit effects and common shocks, from its stationary start."""
    mean, shocks = rng.normal(size=n), rng.normal(0, 0.1, 30 + n_times)
    paths = [mean]
    for shock in shocks:
        paths.append(mean + rho * (paths[-1] - mean) + shock + 0.2 * rng.normal(size=n))
    return long(np.exp(np.array(paths[-n_times:]).T))


def test_jackknife_errors_agree_with_leaving_out_units():
    df = autoregressive(np.random.default_rng(13), 16, 13, 0.6)
    result = beta_convergence(df, **KEYS, correct="hpj")
    left_out = np.array([beta_convergence(df[df["city"] != c], **KEYS, correct="hpj").beta for c in range(16)])
    by_units = np.sqrt(15 / 16 * ((left_out - left_out.mean()) ** 2).sum())
    assert result.to_frame()["std_error"][0] == pytest.approx(by_units, rel=0.12)


def nickell(n: int, n_times: int, rho: float, replications: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean error and coverage of the plain and of the corrected estimate."""
    rng = np.random.default_rng(14)
    errors, covered = [], []
    for _ in range(replications):
        df = autoregressive(rng, n, n_times, rho)
        fits = [beta_convergence(df, **KEYS, correct=correct) for correct in ("none", "hpj")]
        rows = [fit.to_frame().iloc[0] for fit in fits]
        errors.append([fit.beta - (rho - 1) for fit in fits])
        covered.append([row["low"] <= rho - 1 <= row["high"] for row in rows])
    return np.mean(errors, axis=0), np.mean(covered, axis=0)


def test_jackknife_removes_most_of_the_nickell_bias():
    (plain, corrected), _ = nickell(120, 15, 0.6, 8)
    assert plain < -0.1
    assert abs(corrected) < 0.04


@pytest.mark.slow
def test_jackknife_intervals_cover():
    (_, corrected), (plain_cover, cover) = nickell(100, 20, 0.6, 300)
    assert abs(corrected) < 0.015
    assert plain_cover < 0.2
    assert 0.9 < cover < 0.98


def test_gaps_are_listed_and_never_bridged():
    df = decaying(0.08, own_limits=True)
    gap = df[~((df["city"] == 2) & (df["year"] == 2008))]
    result = beta_convergence(gap, **KEYS)
    assert result.beta == pytest.approx(np.exp(-0.08) - 1, abs=1e-10)
    dropped = dict(result.sample.dropped)
    assert dropped["no value one period later"] == ((2, 2007),)
    assert len(dropped["last row of its unit"]) == 9
    assert result.n_obs == result.sample.rows_used == 79


def test_five_yearly_panels_have_periods_of_five_years():
    df = decaying(0.08)
    result = beta_convergence(df.assign(year=2000 + 5 * (df["year"] - 2004)), **KEYS, effects="time")
    assert result.n_obs == 81
    assert result.speed == pytest.approx(0.08)


def test_observations_that_effects_fit_exactly_are_listed():
    df = decaying(0.08, own_limits=True)
    short = df[(df["city"] != 5) | (df["year"] < 2006)]
    result = beta_convergence(short, **KEYS)
    assert dict(result.sample.dropped)["alone in its unit or period"] == ((5, 2004),)
    assert (result.n_obs, result.n_units) == (72, 8)


@given(seeds, st.floats(1e-2, 1e2))
@settings(max_examples=6)
def test_beta_ignores_the_unit_of_measure_names_and_row_order(seed, scale):
    rng = np.random.default_rng(seed)
    df = long(np.exp(rng.normal(0, 0.5, (7, 6))))
    other = shuffled_and_renamed(df.assign(y=df["y"] * scale), rng)
    for options in ({}, {"effects": "none"}, {"correct": "hpj"}):
        base, again = (beta_convergence(d, **KEYS, **options).to_frame() for d in (df, other))
        pd.testing.assert_frame_equal(base, again, rtol=1e-6)


def test_no_closing_gap_has_no_half_life():
    diverging = beta_convergence(decaying(-0.05), **KEYS, effects="time")
    assert diverging.speed == pytest.approx(-0.05)
    assert diverging.half_life == np.inf
    low, high = diverging.speed_interval
    assert low <= diverging.speed <= high
    overshooting = long(np.exp(np.random.default_rng(1).normal(size=(5, 1)) * (-1.2) ** np.arange(6)))
    result = beta_convergence(overshooting, **KEYS, effects="none")
    assert result.beta == pytest.approx(-2.2)
    assert np.isnan(result.speed)
    assert np.isnan(result.half_life)


BETA_ERRORS = {
    "zero": (lambda d: d.assign(y=d["y"].where(d["city"] > 0, 0.0)), {}, DomainError, "positive"),
    "constant control": (lambda d: d.assign(x=d["city"] * 1.0), {"controls": ["x"]}, RankError, "x has no variation"),
    "twin controls": (lambda d: d.assign(x=d["y"], z=2 * d["y"]), {"controls": ["x", "z"]}, RankError, "collinear"),
    "no unit effects": (lambda d: d, {"correct": "hpj", "effects": "time"}, DomainError, "unit effects"),
    "few halves": (lambda d: d[d["year"] < 2008], {"correct": "hpj"}, GroupSizeError, "four growth periods"),
    "moving cluster": (lambda d: d.assign(p=d["year"] % 2), {"cluster": "p"}, KeyColumnError, "one cluster"),
    "one cluster": (lambda d: d.assign(p=1), {"cluster": "p"}, GroupSizeError, "1 clusters"),
    "one year": (lambda d: d[d["year"] == 2004], {}, GroupSizeError, "two periods"),
    "two years": (lambda d: d[d["year"] < 2006], {}, GroupSizeError, "beside"),
    "missing": (lambda d: d.assign(y=d["y"].where(d["city"] > 0)), {}, MissingValueError, "missing"),
    "text for time": (lambda d: d.assign(year="y" + d["year"].astype(str)), {}, DomainError, "number"),
    "unknown effects": (lambda d: d, {"effects": "twoway"}, DomainError, "choose one of"),
    "unknown correction": (lambda d: d, {"correct": "HPJ"}, DomainError, "choose one of"),
}


@pytest.mark.parametrize("case", BETA_ERRORS)
def test_beta_refuses(case):
    spoil, options, error, words = BETA_ERRORS[case]
    df = long(np.exp(np.random.default_rng(2).normal(0, 0.3, (8, 7))))
    with pytest.raises(error, match=words):
        beta_convergence(spoil(df), **KEYS, **options)


# ---------------------------------------------------------------------------------------------------------------------
# clubs: the slow definition


def dispersion_by_definition(y: np.ndarray) -> np.ndarray:
    h = y / y.mean(axis=0)
    return ((h - 1) ** 2).mean(axis=0)


def log_t_by_definition(y: np.ndarray, trim: float) -> tuple[float, float, float]:
    """One log t regression by statsmodels, with the long-run variance written out lag by lag."""
    big_h, n_times = dispersion_by_definition(y), y.shape[1]
    t = np.arange(int(trim * n_times + 1e-9) + 1, n_times + 1)
    left = np.log(big_h[0] / big_h[t - 1]) - 2 * np.log(np.log(t))
    fit = sm.OLS(left, sm.add_constant(np.log(t))).fit()
    u, n = fit.resid, len(t)
    rho = (u[1:] @ u[:-1]) / (u[:-1] @ u[:-1])
    bandwidth = 1.3221 * (4 * rho**2 / (1 - rho) ** 4 * n) ** 0.2
    variance = u @ u / (n - 1)
    for lag in range(1, n - 1):
        z = 6 * np.pi * lag / bandwidth / 5
        kernel = 3 / z**2 * (np.sin(z) / z - np.cos(z))
        variance += 2 * kernel * sum(u[s] * u[s + lag] for s in range(n - 1 - lag)) / (n - 1)
    se = np.sqrt(fit.normalized_cov_params[1, 1] * variance)
    return fit.params[1], se, fit.params[1] / se


def clubs_by_definition(y: np.ndarray, trim: float, crit: float = -1.65) -> tuple[list[list[int]], list[int], bool]:
    """The clustering step by step, each group tested on its own, c* rising by 0.001; and whether c* had to rise."""

    def t(members: list[int]) -> float:
        return log_t_by_definition(y[members], trim)[2]

    rest, clubs, raised = list(np.argsort(-y[:, -1], kind="stable")), [], False
    while len(rest) > 1:
        if t(rest) > crit:
            return [*clubs, rest], [], raised
        start = next((i for i in range(len(rest) - 1) if t(rest[i : i + 2]) > crit), None)
        if start is None:
            break
        runs = []
        for stop in range(start + 2, len(rest) + 1):
            if t(rest[start:stop]) <= crit:
                break
            runs.append((t(rest[start:stop]), stop))
        core = rest[start : max(runs)[1]]
        with_core = {unit: t([*core, unit]) for unit in rest if unit not in core}
        threshold = 0.0
        while True:
            club = [*core, *(unit for unit, value in with_core.items() if value > threshold)]
            if club == core or t(club) > crit:
                break
            threshold, raised = threshold + 0.001, True
        clubs.append([unit for unit in rest if unit in club])
        rest = [unit for unit in rest if unit not in club]
    return clubs, rest, raised


def merged_by_definition(y: np.ndarray, clubs: list[list[int]], trim: float, crit: float = -1.65) -> list[list[int]]:
    merged, current = [], clubs[0]
    for club in clubs[1:]:
        if log_t_by_definition(y[[*current, *club]], trim)[2] > crit:
            current = [*current, *club]
        else:
            merged.append(current)
            current = club
    return [*merged, current]


def random_walks(seed: int, n: int = 14, n_times: int = 25) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 10 + 2 * rng.normal(size=(n, 1)) + 0.3 * rng.normal(size=(n, n_times)).cumsum(axis=1)


PANELS = [0, 1, 2, 3, 4, 5, 6, 7, 11, 81, 88, 90]  # the last four need a higher c*


@pytest.mark.parametrize("seed", PANELS)
def test_fast_clustering_equals_the_definition(seed):
    y = random_walks(seed)
    result = convergence_clubs(long(y), **KEYS)
    clubs, alone, _ = clubs_by_definition(y, 0.3)
    before = result.before_merging
    assert before.loc[before["club"] > 0, "n"].tolist() == [len(club) for club in clubs]
    assert before.loc[before["club"] == 0, "n"].sum() == len(alone)
    merged = merged_by_definition(y, clubs, 0.3)
    found = result.clubs.groupby("club")["unit"].apply(set).to_dict()
    assert {k: v for k, v in found.items() if k > 0} == {k: set(v) for k, v in enumerate(merged, start=1)}
    assert found.get(0, set()) == set(alone)
    table = result.to_frame().set_index("club")
    for number, club in enumerate(merged, start=1):
        assert table.loc[number, ["b", "std_error", "t"]].tolist() == pytest.approx(
            log_t_by_definition(y[club], 0.3), rel=1e-7
        )
    assert (table.loc[table.index > 0, "t"] > -1.65).all()


def test_the_panels_above_reach_every_step():
    """Between them they raise c*, merge clubs and leave units without a club."""
    results = [convergence_clubs(long(random_walks(seed)), **KEYS) for seed in PANELS]
    assert any((r.to_frame()["club"] == 0).any() for r in results)
    assert any(len(r.to_frame()) < len(r.before_merging) for r in results)
    assert any(len(r.to_frame()) == len(r.before_merging) > 1 for r in results)
    assert any(clubs_by_definition(random_walks(seed), 0.3)[2] for seed in PANELS)


@given(seeds, st.sampled_from([0.2, 0.3, 1 / 3]))
def test_log_t_equals_the_definition(seed, trim):
    y = random_walks(seed, n=6, n_times=20)
    test = log_t_test(long(y), **KEYS, trim=trim)
    assert (test.b, test.std_error, test.t) == pytest.approx(log_t_by_definition(y, trim), rel=1e-7)
    assert test.p_value == pytest.approx(stats.norm.cdf(test.t))
    assert test.n_times == 20 - int(trim * 20)


def test_newey_west_choice_equals_statsmodels():
    y = random_walks(3, n=8, n_times=30)
    test = log_t_test(long(y), **KEYS, hac="newey-west")
    big_h, t = dispersion_by_definition(y), np.arange(10, 31)
    left = np.log(big_h[0] / big_h[t - 1]) - 2 * np.log(np.log(t))
    lags = {"maxlags": newey_west_lags(21), "use_correction": True}
    fit = sm.OLS(left, sm.add_constant(np.log(t))).fit(cov_type="HAC", cov_kwds=lags)
    assert (test.b, test.std_error) == pytest.approx((fit.params[1], fit.bse[1]), rel=1e-9)


@given(seeds, st.floats(1e-3, 1e3))
@settings(max_examples=10)
def test_clubs_ignore_the_unit_of_measure_names_and_row_order(seed, scale):
    rng = np.random.default_rng(seed)
    df = long(random_walks(seed, n=9, n_times=16))
    names = rng.permutation(100)[:9]
    other = df.assign(city=names[df["city"]], y=df["y"] * scale).sample(frac=1, random_state=seed % 1000)
    base, again = convergence_clubs(df, **KEYS), convergence_clubs(other, **KEYS)
    numbers = ["club", "n", "b", "std_error", "t"]
    pd.testing.assert_frame_equal(base.to_frame()[numbers], again.to_frame()[numbers], rtol=1e-5)
    assert names[base.clubs["unit"]].tolist() == again.clubs["unit"].tolist()
    assert base.clubs["club"].tolist() == again.clubs["club"].tolist()


# ---------------------------------------------------------------------------------------------------------------------
# clubs: planted truth and published answers


def planted(rng: np.random.Generator, limits: np.ndarray, n_times: int = 40) -> pd.DataFrame:
    """Paths that approach their limits like t to the power -1/2, with noise that dies out alike."""
    t = np.arange(1.0, n_times + 1)
    gaps = rng.normal(size=(len(limits), 1)) + 0.2 * rng.normal(size=(len(limits), n_times))
    return long(limits[:, None] + gaps / np.sqrt(t))


def share_of_right_answers(replications: int) -> float:
    limits = np.repeat([10.0, 6.0], 15)
    right = 0
    for stream in np.random.default_rng(15).spawn(replications):
        result = convergence_clubs(planted(stream, limits), **KEYS)
        clubs = result.clubs.sort_values("unit")["club"]
        right += bool((clubs.to_numpy() == np.repeat([1, 2], 15)).all())
    return right / replications


def test_two_planted_limits_are_two_clubs():
    assert share_of_right_answers(40) >= 0.95


@pytest.mark.slow
def test_two_planted_limits_are_two_clubs_in_many_draws():
    assert share_of_right_answers(500) >= 0.95


def test_one_planted_limit_is_one_club():
    for stream in np.random.default_rng(16).spawn(20):
        assert convergence_clubs(planted(stream, np.full(20, 8.0)), **KEYS).to_frame()["n"].tolist() == [20]


def test_units_that_part_have_no_club():
    t = np.arange(1.0, 31)
    result = convergence_clubs(long(10 + np.arange(5)[:, None] * np.sqrt(t) / 5 + 0.1), **KEYS)
    assert result.to_frame()[["club", "n"]].to_numpy().tolist() == [[0, 5]]
    assert result.to_frame()["t"][0] < -1.65
    assert result.clubs["club"].eq(0).all()
    leaving = planted(np.random.default_rng(1), np.append(np.full(8, 8.0), 30))
    assert convergence_clubs(leaving, **KEYS).to_frame()[["club", "n"]].to_numpy().tolist() == [[1, 8], [0, 1]]


def test_shipped_series_gives_the_answers_of_the_packages(shipped):
    """Stored answers of an independent implementation (package convergence-clubs 0.1.2, Stata's rules)."""
    complete = shipped[shipped.groupby("adcode")["year"].transform("size") == 15]
    result = convergence_clubs(complete, unit="adcode", time="year", value="coagglomeration")
    assert result.whole[["n", "n_times"]].to_numpy().tolist() == [[137, 11]]
    assert result.whole[["b", "std_error", "t"]].to_numpy()[0] == pytest.approx(
        [-0.7391342201651273, 0.10778346594756304, -6.857584451076367], rel=1e-9
    )
    before = result.before_merging
    assert before["n"].tolist() == [8, 13, 5, 13, 51, 40, 5, 2]
    assert before["t"].tolist() == pytest.approx(
        [1.287736, 0.892750, 0.532894, 0.251047, 0.575336, 0.174069, 1.820535, 0.722316], abs=1e-6
    )
    assert result.to_frame()["n"].tolist() == [90, 45, 2]
    assert result.to_frame()["b"].tolist() == pytest.approx([-0.149874, -0.312490, 0.625137], abs=1e-6)


def test_published_clubs_of_152_countries():
    """Phillips and Sul (2009), income per head 1970-2003: the clubs before and after merging."""
    package = pytest.importorskip("convergence_clubs", reason="carries the data of Phillips and Sul (2009)")
    income = np.log(package.load_gdp()).rename_axis(index="city", columns="year").stack().rename("y").reset_index()  # noqa: PD013
    result = convergence_clubs(income, **KEYS, trim=1 / 3, filter=400)
    assert result.before_merging[["n", "b", "std_error", "t"]].round(3).to_numpy().tolist() == [
        [50, 0.382, 0.041, 9.282],
        [30, 0.240, 0.035, 6.904],
        [21, 0.110, 0.032, 3.402],
        [24, 0.131, 0.064, 2.055],
        [14, 0.190, 0.111, 1.701],
        [11, 1.003, 0.166, 6.024],
        [2, -0.470, 0.842, -0.559],
    ]
    assert result.to_frame()["n"].tolist() == [50, 30, 21, 38, 11, 2]
    assert result.whole["t"][0] == pytest.approx(-159.55, abs=0.01)


def test_filter_is_hodrick_and_prescotts():
    y = random_walks(5)
    smooth = np.array([hpfilter(row, lamb=100)[1] for row in y])
    assert log_t_test(long(y), **KEYS, filter=100).t == pytest.approx(log_t_test(long(smooth), **KEYS).t, rel=1e-9)
    assert log_t_test(long(y), **KEYS, filter=100).t != pytest.approx(log_t_test(long(y), **KEYS).t, rel=1e-3)


def test_units_are_ordered_by_the_share_asked_for():
    y = 10 + np.random.default_rng(6).normal(size=(14, 25))
    for share, columns in ((0.0, slice(-1, None)), (0.2, slice(-5, None)), (1.0, slice(None))):
        result = convergence_clubs(long(y), **KEYS, last_share=share)
        assert result.clubs["unit"].tolist() == np.argsort(-y[:, columns].mean(axis=1)).tolist()


def test_paths_are_relative_to_the_mean_of_all():
    y = random_walks(7)
    result = convergence_clubs(long(y), **KEYS)
    assert list(result.paths) == ["time", "unit", "club", "h"]
    assert result.paths.groupby("time")["h"].mean().to_numpy() == pytest.approx(np.ones(25))
    h = result.paths.pivot(index="unit", columns="time", values="h").to_numpy()
    assert h == pytest.approx(y / y.mean(axis=0))
    assert result.paths.groupby("unit")["club"].first().to_dict() == result.clubs.set_index("unit")["club"].to_dict()


def test_unmerged_clubs_are_those_before_merging(shipped):
    df = shipped[shipped.groupby("adcode")["year"].transform("size") == 15]
    result = convergence_clubs(df, unit="adcode", time="year", value="coagglomeration", merge=False)
    pd.testing.assert_frame_equal(result.to_frame(), result.before_merging)
    assert result.clubs["club"].max() == 8


CLUB_ERRORS = {
    "gap": (lambda d: d.iloc[1:], {}, UnbalancedPanelError, "full panel"),
    "missing": (lambda d: d.assign(y=d["y"].where(d["year"] > 2004)), {}, MissingValueError, "missing"),
    "negative": (lambda d: d.assign(y=-d["y"]), {}, DomainError, "positive"),
    "filtered": (lambda d: d.assign(y=d["y"].where(d["year"] < 2008, 1e-3)), {"filter": 1.0}, DomainError, "after"),
    "coinciding": (lambda d: d.assign(y=d.groupby("year")["y"].transform("first")), {}, DomainError, "coincide"),
    "few years": (lambda d: d[d["year"] < 2009], {}, GroupSizeError, "5 periods"),
    "trimmed": (lambda d: d, {"trim": 0.8}, GroupSizeError, "5 periods"),
    "one unit": (lambda d: d[d["city"] == 0], {}, GroupSizeError, "two units"),
    "trim": (lambda d: d, {"trim": 1.5}, DomainError, "trim"),
    "unknown option": (lambda d: d, {"hac": "neweywest"}, DomainError, "choose one of"),
}


@pytest.mark.parametrize("case", CLUB_ERRORS)
@pytest.mark.parametrize("function", [log_t_test, convergence_clubs])
def test_clubs_refuse(function, case):
    spoil, options, error, words = CLUB_ERRORS[case]
    with pytest.raises(error, match=words) as caught:
        function(spoil(long(random_walks(8, n=5, n_times=12))), **KEYS, **options)
    assert isinstance(caught.value, RegionError)


def test_share_of_last_periods_must_be_a_share():
    with pytest.raises(DomainError, match="last_share"):
        convergence_clubs(long(random_walks(8)), **KEYS, last_share=3)
