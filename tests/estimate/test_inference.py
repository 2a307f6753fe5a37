"""Wild cluster bootstrap against refits, Conley errors against double sums and another implementation."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from diff_diff.linalg import compute_robust_vcov
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, MissingValueError, RankError
from regiometrics.estimate.fixed_effects import twfe, within_regression
from regiometrics.estimate.inference import conley, great_circle_km, wild_cluster_bootstrap

MODEL = {"outcome": "y", "regressors": ["policy", "gdp"], "unit": "city", "time": "year"}
WILD = {**MODEL, "term": "policy"}
PLACE = {"lat": "lat", "lon": "lon"}


def panel(seed: int = 0, cities: int = 16, years: int = 6, holes: float = 0.0) -> pd.DataFrame:
    """Cities in the Yangtze delta, some treated; rows shuffled, an index without meaning."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(itertools.product(range(cities), range(2003, 2003 + years)), columns=["city", "year"])
    df["policy"] = ((df["city"] % 3 == 0) & (df["year"] > 2003 + df["city"] % 4)).astype(float)
    df["gdp"] = rng.normal(size=len(df)) + rng.normal(size=cities)[df["city"]]
    shock = rng.normal(size=(cities, years)).cumsum(axis=1).ravel()
    df["y"] = 0.6 * df["policy"] + 0.5 * df["gdp"] + shock
    df["region"] = df["city"] // 4
    df["lat"], df["lon"] = rng.uniform(28, 33, cities)[df["city"]], rng.uniform(116, 122, cities)[df["city"]]
    kept = df.loc[rng.random(len(df)) >= holes]
    return kept.sample(frac=1, random_state=1).set_axis([3] * len(kept))


PANELS = {"balanced": panel(1), "unbalanced": panel(2, holes=0.25)}


# ---------------------------------------------------------------------------------------------------------------------
# wild cluster bootstrap


def t_by_refit(df: pd.DataFrame, null: float, factors: np.ndarray, cluster: str) -> float:
    """One draw literally: the null imposed, the outcome made anew, coefficient and CRV1 error estimated anew."""
    used = df.assign(moved=df["y"] - null * df["policy"])
    restricted = twfe(used, **{**MODEL, "outcome": "moved", "regressors": ["gdp"]})
    codes = pd.factorize(used[cluster], sort=True)[0]
    residual = restricted.residuals.to_numpy()
    used["star"] = used["y"] - residual + factors[codes] * residual
    row = twfe(used, **{**MODEL, "outcome": "star"}, cluster=cluster).to_frame().iloc[0]
    return (row["estimate"] - null) / row["std_error"]


def factors_of(draws: int, n_clusters: int, weights: str, seed: int) -> np.ndarray:
    """The factors that the bootstrap draws, shape (draws, clusters): a stream for every hundred."""
    values = {"rademacher": [-1, 1], "webb": [-(0.5**0.5), -1, -(1.5**0.5), 0.5**0.5, 1, 1.5**0.5]}[weights]
    streams = np.random.default_rng(seed).spawn(-(-draws // 100))
    return np.vstack([stream.choice(values, size=(100, n_clusters)) for stream in streams])[:draws]


@pytest.mark.parametrize("null", [0.0, 0.8])
@pytest.mark.parametrize("weights", ["rademacher", "webb"])
@pytest.mark.parametrize("cluster", ["city", "region", "year"])
@pytest.mark.parametrize("name", PANELS)
def test_draws_equal_refits(name, cluster, weights, null):
    df = PANELS[name]
    result = wild_cluster_bootstrap(df, **WILD, cluster=cluster, weights=weights, null=null, n_boot=104, seed=5)
    factors = factors_of(104, df[cluster].nunique(), weights, 5)
    for draw in (0, 1, 2, 101, 103):
        slow = t_by_refit(df, null, factors[draw], cluster)
        assert result.draws[draw] == pytest.approx(slow, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("cluster", ["city", "region", "year"])
def test_statistic_is_that_of_the_clustered_regression(cluster):
    df = PANELS["unbalanced"]
    result = wild_cluster_bootstrap(df, **WILD, cluster=cluster, null=0.3, n_boot=19)
    row = twfe(df, **MODEL, cluster=cluster).to_frame().iloc[0]
    assert result.estimate == pytest.approx(row["estimate"], rel=1e-12)
    assert result.std_error == pytest.approx(row["std_error"], rel=1e-10)
    assert result.statistic == pytest.approx((row["estimate"] - 0.3) / row["std_error"], rel=1e-10)


def test_p_value_counts_the_draws_at_least_as_far_from_zero():
    result = wild_cluster_bootstrap(PANELS["balanced"], **WILD, n_boot=299)
    far = (np.abs(result.draws) >= abs(result.statistic) * (1 - 1e-10)).sum()
    assert result.p_value == (1 + far) / 300
    assert result.smallest_p == 1 / 300
    assert np.isnan([result.low, result.high]).all()


def test_draws_are_symmetric_in_the_signs_of_all_clusters():
    """With four clusters there are eight different |t|, and one of them is the sample's own."""
    df = PANELS["balanced"]
    result = wild_cluster_bootstrap(df, **WILD, cluster="region", n_boot=999)
    different = np.unique(np.abs(result.draws).round(9))
    assert len(different) == 8
    assert np.abs(different - abs(result.statistic)).min() < 1e-8
    assert result.p_value == pytest.approx(
        np.mean(
            [
                abs(t_by_refit(df, 0, np.array(v), "region")) >= abs(result.statistic) - 1e-9
                for v in itertools.product([-1, 1], repeat=4)
            ]
        ),
        abs=0.04,
    )
    assert result.smallest_p == pytest.approx(1 / 8, abs=0.04)
    assert result.smallest_p == (1 + (np.abs(np.abs(result.draws) - abs(result.statistic)) < 1e-9).sum()) / 1000
    assert any('only 8 different t under "rademacher"' in note for note in result.notes)
    assert wild_cluster_bootstrap(df, **WILD, cluster="region", weights="webb", n_boot=9).notes == ()


@pytest.mark.parametrize("cluster", ["city", "year"])
def test_interval_holds_the_nulls_that_are_not_rejected(cluster):
    df = PANELS["unbalanced"]
    options = {"cluster": cluster, "n_boot": 199, "level": 0.9, "weights": "webb"}
    result = wild_cluster_bootstrap(df, **WILD, **options, interval=True)
    assert result.low < result.estimate < result.high
    width = result.high - result.low
    for limit, outwards in ((result.low, -1), (result.high, 1)):
        inside, outside = (
            wild_cluster_bootstrap(df, **WILD, **options, null=limit + outwards * step * width).p_value
            for step in (-1e-6, 1e-6)
        )
        assert inside > 0.1 >= outside


def test_interval_is_infinite_where_no_null_can_be_rejected():
    result = wild_cluster_bootstrap(PANELS["balanced"], **WILD, cluster="region", n_boot=99, interval=True)
    assert (result.low, result.high) == (-np.inf, np.inf)


def test_draws_depend_on_the_seed_alone():
    few, many = (wild_cluster_bootstrap(PANELS["balanced"], **WILD, n_boot=n).draws for n in (120, 250))
    np.testing.assert_allclose(few, many[:120], rtol=1e-12)
    other = wild_cluster_bootstrap(PANELS["balanced"], **WILD, n_boot=120, seed=1).draws
    assert (np.abs(other - few) > 1e-6).mean() > 0.5


def test_single_regressor_needs_no_others():
    df = PANELS["unbalanced"]
    result = wild_cluster_bootstrap(df, **{**WILD, "regressors": ["policy"]}, n_boot=9)
    row = twfe(df, **{**MODEL, "regressors": ["policy"]}).to_frame().iloc[0]
    assert result.statistic == pytest.approx(row["statistic"], rel=1e-10)


def test_result_of_the_bootstrap_is_one_row():
    df = PANELS["balanced"]
    before = df.copy()
    result = wild_cluster_bootstrap(df, **WILD, n_boot=49, seed=3)
    frame = result.to_frame()
    assert frame.loc[0, ["term", "n_boot", "n_clusters", "null"]].tolist() == ["policy", 49, 16, 0.0]
    assert (result.options["seed"], result.options["cluster"]) == (3, "city")
    assert (result.n_obs, result.n_units) == (96, 16)
    pd.testing.assert_frame_equal(df, before)
    with pytest.raises(ValueError, match="read-only"):
        result.draws[0] = 0


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"term": "trade"}, KeyColumnError, "'trade' is not among the regressors"),
        ({"weights": "normal"}, DomainError, "choose one of 'rademacher'"),
        ({"n_boot": 0}, DomainError, "n_boot=0"),
        ({"cluster": "province"}, KeyColumnError, "'province' is not in the table"),
        ({"cluster": "country"}, GroupSizeError, "two clusters"),
        ({"regressors": ["policy", "country"]}, RankError, "'country'"),
    ],
)
def test_bootstrap_refuses(options, error, message):
    with pytest.raises(error, match=message):
        wild_cluster_bootstrap(panel(1).assign(country=1), **{**WILD, **options})


@pytest.mark.slow
def test_bootstrap_keeps_its_size_where_few_are_treated():
    """Six treated of sixty, errors that remember: the clustered test rejects too often, the bootstrap does not."""
    p_wild, p_usual = [], []
    for stream in np.random.default_rng(7).spawn(300):
        df = pd.DataFrame(itertools.product(range(60), range(8)), columns=["city", "year"])
        df["policy"] = ((df["city"] < 6) & (df["year"] >= 4)).astype(float)
        shocks = stream.normal(size=(60, 8))
        for t in range(1, 8):
            shocks[:, t] += 0.7 * shocks[:, t - 1]
        df["y"] = shocks.ravel()
        model = {**WILD, "regressors": ["policy"]}
        p_wild.append(wild_cluster_bootstrap(df, **model, n_boot=199, seed=stream).p_value)
        model.pop("term")
        p_usual.append(twfe(df, **model).to_frame()["p_value"][0])
    assert np.mean(np.array(p_usual) < 0.05) > 0.08
    assert np.mean(np.array(p_wild) <= 0.05) < 0.08


# ---------------------------------------------------------------------------------------------------------------------
# Conley


def variance_by_pairs(df: pd.DataFrame, cutoff: float, lags: int, kernel: str) -> np.ndarray:
    """The definition: a double sum over rows, near places in one period, near periods in one place."""
    fit = within_regression(df, **MODEL)
    score = fit.x * fit.residuals[:, None]
    lat, lon, year, city = (df[c].to_numpy() for c in ("lat", "lon", "year", "city"))
    phi, theta = np.radians(lat), np.radians(lon)
    points = np.column_stack([np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)])
    distance = 2 * 6371.01 * np.arcsin(np.linalg.norm(points[:, None] - points, axis=2) / 2)  # by the chord
    lag = np.abs(year[:, None] - year)
    space, past = np.minimum(distance / cutoff, 1), np.minimum(lag / (lags + 1), 1)
    if kernel == "uniform":
        space, past = (np.where(share < 1, 0, 1) for share in (space, past))
    weight = np.where(lag == 0, 1 - space, np.where(city[:, None] == city, 1 - past, 0))
    return fit.bread @ score.T @ weight @ score @ fit.bread


@pytest.mark.parametrize("kernel", ["bartlett", "uniform"])
@pytest.mark.parametrize(("cutoff", "lags"), [(200, 0), (350, 3)])
def test_conley_equals_the_double_sum(kernel, cutoff, lags):
    df = panel(3, cities=9, years=5, holes=0.2)
    result = conley(df, **MODEL, **PLACE, cutoff_km=cutoff, lags=lags, kernel=kernel)
    expected = variance_by_pairs(df, cutoff, lags, kernel)
    assert np.linalg.eigvalsh(expected).min() > 0
    np.testing.assert_allclose(result.covariance, expected, rtol=1e-9)


@pytest.mark.parametrize("name", PANELS)
@pytest.mark.parametrize(("kernel", "lags"), [("bartlett", 0), ("bartlett", 4), ("uniform", 0)])
def test_conley_equals_diff_diff(name, kernel, lags):
    """Its kernel over time is Bartlett's whatever the kernel over space."""
    df = PANELS[name]
    result = conley(df, **MODEL, **PLACE, cutoff_km=250, lags=lags, kernel=kernel)
    fit = within_regression(df, **MODEL)
    peer = compute_robust_vcov(
        fit.x,
        fit.residuals,
        vcov_type="conley",
        conley_coords=df[["lat", "lon"]].to_numpy(),
        conley_cutoff_km=250.0,
        conley_kernel=kernel,
        conley_time=df["year"].to_numpy(),
        conley_unit=df["city"].to_numpy(),
        conley_lag_cutoff=lags,
    )
    np.testing.assert_allclose(result.covariance, peer, rtol=1e-9)


@pytest.mark.parametrize("name", PANELS)
def test_conley_at_cutoff_zero_is_robust_or_clustered(name):
    df = PANELS[name]
    fit = within_regression(df, **MODEL)
    robust = fit.influence.T @ fit.influence
    alone = conley(df, **MODEL, **PLACE, cutoff_km=0)
    np.testing.assert_allclose(alone.covariance, robust[1:, 1:], rtol=1e-12)
    assert alone.constant["std_error"] == pytest.approx(np.sqrt(robust[0, 0]), rel=1e-12)
    years = conley(df, **MODEL, **PLACE, cutoff_km=0, lags=99, kernel="uniform")
    usual = twfe(df, **MODEL)
    factor = 16 / 15 * (len(df) - 1) / (len(df) - 2 - 6)
    np.testing.assert_allclose(years.covariance, usual.covariance / factor, rtol=1e-12)


def test_cutoff_beyond_the_farthest_pair_is_noted():
    df = PANELS["balanced"]
    farthest = great_circle_km(*df.drop_duplicates("city")[["lat", "lon"]].to_numpy().T).max()
    assert any("every pair" in n for n in conley(df, **MODEL, **PLACE, cutoff_km=np.inf).notes)
    assert any("every pair" in n for n in conley(df, **MODEL, **PLACE, cutoff_km=farthest).notes)
    assert conley(df, **MODEL, **PLACE, cutoff_km=0.99 * farthest).notes == ()


def test_widest_cutoff_clusters_by_year():
    df = PANELS["balanced"]
    result = conley(df, **MODEL, **PLACE, cutoff_km=np.inf)
    usual = twfe(df, **MODEL, cluster="year")
    factor = 6 / 5 * (96 - 1) / (96 - 2 - 16)
    np.testing.assert_allclose(result.covariance, usual.covariance / factor, rtol=1e-10)


def test_negative_eigenvalues_are_floored_and_noted():
    """A uniform kernel is no covariance function, so that some draws have a negative eigenvalue."""
    below = 0
    for seed in range(30):
        df = panel(seed, cities=9, years=2)
        result = conley(df, **MODEL, **PLACE, cutoff_km=250, kernel="uniform")
        values, vectors = np.linalg.eigh(variance_by_pairs(df, 250, 0, "uniform"))
        below += int(values.min() < 0)
        assert any("negative eigenvalue" in note for note in result.notes) == (values.min() < 0)
        floored = vectors * np.clip(values, 0, None) @ vectors.T
        np.testing.assert_allclose(result.covariance, floored, rtol=0, atol=1e-10 * values.max())
    assert 0 < below < 30


def test_conley_gives_normal_p_values_and_the_coefficients_of_the_regression():
    df = PANELS["unbalanced"]
    result = conley(df, **MODEL, **PLACE, cutoff_km=150, lags=2, level=0.9)
    usual = twfe(df, **MODEL)
    pd.testing.assert_series_equal(result.estimate, usual.estimate)
    row = result.to_frame().iloc[0]
    assert (row["high"] - row["estimate"]) / row["std_error"] == pytest.approx(1.6448536, abs=1e-6)
    assert (result.options["vcov"], result.options["lags"], result.n_clusters) == ("conley", 2, 0)
    assert result.effect("policy").std_error == row["std_error"]


@settings(max_examples=15)
@given(
    lat=st.lists(st.floats(-90, 90), min_size=3, max_size=6),
    lon=st.lists(st.floats(-180, 180), min_size=6, max_size=6),
)
def test_distances_are_a_metric_on_the_sphere(lat, lon):
    distance = great_circle_km(np.array(lat), np.array(lon[: len(lat)]))
    np.testing.assert_allclose(distance, distance.T, atol=1e-6)
    assert (np.diag(distance) == 0).all()
    assert distance.max() <= np.pi * 6371.01 + 1e-6
    for i, j, k in itertools.permutations(range(len(lat)), 3):
        assert distance[i, j] <= distance[i, k] + distance[k, j] + 1e-3


def test_distance_of_two_known_cities():
    """Beijing (39.9042 N, 116.4074 E) and Shanghai (31.2304 N, 121.4737 E) are 1,067 km apart."""
    assert great_circle_km(np.array([39.9042, 31.2304]), np.array([116.4074, 121.4737]))[0, 1] == pytest.approx(
        1067, abs=1
    )


def first_city(df: pd.DataFrame, column: str, value: float) -> pd.DataFrame:
    return df.assign(**{column: df[column].where((df["city"] != 0) | (df["year"] != 2004), value)})


@pytest.mark.parametrize(
    ("spoil", "options", "error", "message"),
    [
        (lambda d: first_city(d, "lat", np.nan), {}, MissingValueError, r"'lat'.*missing coordinates \(1 row: 0\)"),
        (lambda d: first_city(d, "lon", np.nan), {"missing": "drop"}, MissingValueError, "'lon'"),
        (lambda d: first_city(d, "lat", 29.123), {}, DomainError, "'lat'.*stay in its place"),
        (lambda d: d.rename(columns={"lat": "lon", "lon": "lat"}), {}, DomainError, "'lat'.*between -90 and 90"),
        (lambda d: d, {"cutoff_km": -1}, DomainError, "cutoff_km=-1"),
        (lambda d: d, {"lags": -1}, DomainError, "lags=-1"),
        (lambda d: d, {"kernel": "gauss"}, DomainError, "choose one of 'bartlett'"),
        (lambda d: d, {"lat": "latitude"}, KeyColumnError, "'latitude' is not in the table"),
    ],
)
def test_conley_refuses(spoil, options, error, message):
    with pytest.raises(error, match=message):
        conley(spoil(panel(1)), **{**MODEL, **PLACE, "cutoff_km": 100, **options})
