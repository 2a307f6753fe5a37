"""Two-way fixed effects: dummies, other implementations, published values, arithmetic by hand, bad input."""

from __future__ import annotations

import warnings
from itertools import product

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from linearmodels.panel import PanelOLS
from scipy import stats
from statsmodels.datasets import grunfeld

from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, MissingValueError, RankError
from regiometrics.estimate.fixed_effects import estimation_sample, twfe, within_regression
from regiometrics.panel import TwoWayEffects

TERMS = ["policy", "gdp", "edu"]
MODEL = {"outcome": "y", "regressors": TERMS, "unit": "city", "time": "year"}
seeds = st.integers(0, 2**32 - 1)


def panel(seed: int = 0, cities: int = 18, years: int = 7, holes: float = 0.0) -> pd.DataFrame:
    """Cities in five regions, correlated errors of unequal variance, weights; rows shuffled, index without meaning."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(product(range(cities), range(2003, 2003 + years)), columns=["city", "year"])
    start = rng.integers(2005, 2011, size=cities)
    df["policy"] = (df["year"] >= start[df["city"]]).astype(int)
    df["gdp"] = 9 + rng.normal(size=cities)[df["city"]] + 0.1 * (df["year"] - 2003) + rng.normal(size=len(df))
    df["edu"] = rng.gamma(2, size=len(df)) + 0.3 * df["gdp"]
    shock = rng.normal(size=cities)[df["city"]] * (df["year"] - 2006) + rng.normal(size=len(df)) * (1 + df["policy"])
    df["y"] = df[TERMS] @ [-0.5, 1.0, 0.2] + rng.normal(size=cities)[df["city"]] + df["year"] % 3 + 0.3 * shock
    df["region"] = (df["city"] % 5).map(dict(enumerate("vwxyz")))
    df["mass"] = rng.uniform(0.5, 3, size=len(df))
    kept = df.loc[rng.random(len(df)) >= holes]
    return kept.sample(frac=1, random_state=seed % 1000).set_axis([7] * len(kept))


def with_singletons(df: pd.DataFrame) -> pd.DataFrame:
    """A city seen once; a year seen in one city, whose only other row is then alone."""
    extra = [(900, 2004, "w"), (901, 2050, "v"), (901, 2005, "v")]
    rows = df.iloc[[0] * len(extra)].assign(
        city=[e[0] for e in extra], year=[e[1] for e in extra], region=[e[2] for e in extra], gdp=[1.0, 2.0, 5.0]
    )
    return pd.concat([df, rows])


PANELS = {
    "balanced": panel(1),
    "unbalanced": panel(2, holes=0.3),
    "with singletons": with_singletons(panel(3, holes=0.1)),
}


def by_dummies(df: pd.DataFrame, weights: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients and residuals of least squares on regressors and all dummies."""
    dummies = [pd.get_dummies(df[key], dtype=float) for key in ("city", "year")]
    design = np.column_stack([df[TERMS].to_numpy(dtype=float), *dummies])
    root = np.ones(len(df)) if weights is None else np.sqrt(df[weights].to_numpy())
    slopes = np.linalg.lstsq(design * root[:, None], df["y"].to_numpy() * root, rcond=1e-12)[0]
    return slopes[: len(TERMS)], df["y"].to_numpy() - design @ slopes


def peer(df: pd.DataFrame, vcov: object, *, counted: int, weights: str | None = None):
    """Pyfixest, with its covariance scaled to ``counted`` effects.

    Pyfixest 0.60 pairs effects and names in the order of a set, so that its own count of nested effects depends on the
    hash seed: it is told to count none, and the factor is put in here.
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):  # negative variances, which it does not mend
        warnings.filterwarnings("ignore", message=".*singleton", category=UserWarning)
        warnings.filterwarnings("ignore", message="The inplace keyword", category=pd.errors.Pandas4Warning)
        fit = pf.feols(
            f"y ~ {' + '.join(TERMS)} | city + year",
            df,
            vcov=vcov,
            weights=weights,
            ssc=pf.ssc(k_fixef="none"),
            demeaner=pf.MapDemeaner(fixef_tol=1e-12),
        )
    free = fit._N - len(TERMS)
    fit._vcov = fit._vcov * free / (free - counted)
    return fit


# ---------------------------------------------------------------------------------------------------------------------
# coefficients


@pytest.mark.parametrize("weights", [None, "mass"])
@pytest.mark.parametrize("holes", [0.0, 0.3])
@settings(max_examples=12)
@given(seed=seeds)
def test_coefficients_and_residuals_are_those_of_dummies(seed, holes, weights):
    df = panel(seed, cities=9, years=5, holes=holes)
    try:
        used, _ = estimation_sample(df, ["y", *TERMS], unit="city", time="year", clusters=["mass"])
        result = twfe(df, **MODEL, weights=weights)
    except RankError:  # all treated at once, or never
        return
    slopes, residuals = by_dummies(used, weights)
    np.testing.assert_allclose(result.estimate, slopes, rtol=0, atol=1e-8)
    np.testing.assert_allclose(result.residuals, residuals, rtol=0, atol=1e-8)
    assert (result.residuals.index == 7).all()


def test_grunfeld_two_way_within_estimates():
    """Baltagi (2013), table 3.1, prints 0.118 (0.014) and 0.358 (0.023); six digits as R's plm gives them."""
    df = grunfeld.load_pandas().data.query("firm != 'American Steel'")
    result = twfe(df, outcome="invest", regressors=["value", "capital"], unit="firm", time="year", vcov="iid")
    np.testing.assert_allclose(result.estimate, [0.117716, 0.357916], rtol=0, atol=5e-7)
    np.testing.assert_allclose(result.std_error, [0.013751, 0.022719], rtol=0, atol=5e-7)
    assert result.df_residual == 200 - 2 - 29


@settings(max_examples=12)
@given(seed=seeds)
def test_constants_of_units_and_periods_change_nothing(seed):
    df = PANELS["unbalanced"]
    rng = np.random.default_rng(seed)
    moved = df.copy()
    for column in ("y", "gdp"):
        moved[column] += rng.normal(size=18)[df["city"]] + 5 * rng.normal(size=7)[df["year"] - 2003]
    pd.testing.assert_frame_equal(twfe(moved, **MODEL).to_frame(), twfe(df, **MODEL).to_frame(), rtol=1e-8)


@settings(max_examples=12)
@given(a=st.floats(0.01, 100), b=st.floats(0.01, 100), unit=st.sampled_from(["iid", "robust", "cluster", "cr3"]))
def test_estimates_and_errors_scale_with_the_units_of_measurement(a, b, unit):
    df = PANELS["unbalanced"]
    scaled = twfe(df.assign(y=a * df["y"], gdp=b * df["gdp"]), **MODEL, vcov=unit)
    result = twfe(df, **MODEL, vcov=unit)
    factor = a / np.array([1, b, 1])
    np.testing.assert_allclose(scaled.estimate, factor * result.estimate, rtol=1e-8)
    np.testing.assert_allclose(scaled.std_error, factor * result.std_error, rtol=1e-8)
    assert scaled.r2 == pytest.approx(result.r2)


def test_order_of_rows_and_scale_of_weights_do_not_matter():
    df = PANELS["unbalanced"]
    for vcov in ("iid", "robust", "cluster", "cr3"):
        result = twfe(df, **MODEL, weights="mass", vcov=vcov).to_frame()
        turned = twfe(df[::-1].assign(mass=7 * df["mass"].to_numpy()[::-1]), **MODEL, weights="mass", vcov=vcov)
        pd.testing.assert_frame_equal(turned.to_frame(), result, rtol=1e-9)


def test_effects_go_exactly_from_a_panel_of_the_papers_size():
    """Two-way means in closed form; the singular system of the periods must not leave rounding behind."""
    rng = np.random.default_rng(4)
    df = pd.DataFrame(product(range(274), range(2003, 2023)), columns=["city", "year"])
    df["gdp"] = 16 + rng.normal(size=274)[df["city"]] + rng.normal(size=len(df))
    df["y"] = rng.normal(size=len(df))
    fit = within_regression(df, outcome="y", regressors=["gdp"], unit="city", time="year")
    by_city, by_year = (df.groupby(key)["gdp"].transform("mean") for key in ("city", "year"))
    np.testing.assert_allclose(fit.x[:, 0], df["gdp"] - by_city - by_year + df["gdp"].mean(), rtol=0, atol=1e-12)
    assert fit.df_residual == 5480 - 1 - 293


def test_panel_in_two_parts_loses_two_effects():
    """Cities of the two parts share no year; each part has a year effect too many."""
    early, late = panel(5, cities=6, years=4), panel(6, cities=6, years=4)
    df = pd.concat([early, late.assign(city=late["city"] + 100, year=late["year"] + 50)])
    result = twfe(df, **MODEL, vcov="iid")
    slopes, residuals = by_dummies(df)
    np.testing.assert_allclose(result.estimate, slopes, rtol=0, atol=1e-9)
    assert result.df_residual == 48 - 3 - (12 + 8 - 2)
    assert result.r2 == pytest.approx(1 - residuals @ residuals / ((df["y"] - df["y"].mean()) ** 2).sum())


def floored(covariance: np.ndarray) -> np.ndarray:
    """Negative eigenvalues set to zero (Cameron, Gelbach and Miller 2011)."""
    values, vectors = np.linalg.eigh(covariance)
    return vectors * np.clip(values, 0, None) @ vectors.T


# ---------------------------------------------------------------------------------------------------------------------
# standard errors

# name: options, the same for pyfixest, effects in its small-sample factor by numbers of units and periods
ERRORS = {
    "iid": ({"vcov": "iid"}, "iid", lambda n, t: n + t - 1),
    "robust": ({"vcov": "robust"}, "HC1", lambda n, t: n + t - 1),
    "by city": ({"vcov": "cluster"}, {"CRV1": "city"}, lambda n, t: t),
    "by region": ({"vcov": "cluster", "cluster": "region"}, {"CRV1": "region"}, lambda n, t: t),
    "by year": ({"vcov": "cluster", "cluster": "year"}, {"CRV1": "year"}, lambda n, t: n),
    "by city and year": ({"vcov": "cluster", "cluster": ("city", "year")}, {"CRV1": "city+year"}, lambda n, t: 1),
}


@pytest.mark.parametrize("weights", [None, "mass"])
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", PANELS)
def test_equal_to_pyfixest(name, error, weights):
    options, vcov, counted = ERRORS[error]
    df = PANELS[name]
    result = twfe(df, **MODEL, **options, weights=weights)
    fit = peer(df, vcov, counted=counted(result.n_units, result.n_periods), weights=weights)
    assert (result.n_obs, result.df_t) == (fit._N, fit._df_t if "CRV1" in vcov else result.df_residual)
    np.testing.assert_allclose(result.estimate, fit.coef(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.covariance, floored(fit._vcov), rtol=1e-8)
    assert result.r2 == pytest.approx(fit._r2, abs=1e-12)
    assert result.r2_within == pytest.approx(fit._r2_within, abs=1e-12)


@pytest.mark.parametrize("weights", [None, "mass"])
@pytest.mark.parametrize("name", ["balanced", "unbalanced"])
def test_small_sample_factor_is_pyfixests_own_with_years_as_regressors(name, weights):
    df = PANELS[name]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The inplace keyword", category=pd.errors.Pandas4Warning)
        fit = pf.feols(f"y ~ {' + '.join(TERMS)} + C(year) | city", df, vcov={"CRV1": "city"}, weights=weights)
    table = twfe(df, **MODEL, weights=weights).to_frame().set_index("term")
    peers = fit.tidy().loc[TERMS]
    columns = {"estimate": "Estimate", "std_error": "Std. Error", "statistic": "t value", "p_value": "Pr(>|t|)"}
    for ours, theirs in {**columns, "low": "2.5%", "high": "97.5%"}.items():
        np.testing.assert_allclose(table[ours], peers[theirs], rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("cluster", ["city", "region", "year"])
@pytest.mark.parametrize("weights", [None, "mass"])
def test_jackknife_errors_equal_pyfixest_up_to_its_factor(cluster, weights):
    """Pyfixest multiplies the sum of squares by G/(G - 1) (n - 1)/(n - k), CR3 by (G - 1)/G."""
    df = PANELS["unbalanced"]
    result = twfe(df, **MODEL, vcov="cr3", cluster=cluster, weights=weights)
    n, g = result.n_obs, result.n_clusters
    fit = peer(df, {"CRV3": cluster}, counted=0, weights=weights)
    factor = (g - 1) / g / (g / (g - 1) * (n - 1) / (n - len(TERMS)))
    np.testing.assert_allclose(result.covariance, factor * fit._vcov, rtol=1e-6)  # it demeans each fit to 1e-6 only


@pytest.mark.parametrize("cluster", ["city", "region", "year"])
@pytest.mark.parametrize("weights", [None, "mass"])
def test_jackknife_errors_are_the_spread_of_estimates_without_each_cluster(cluster, weights):
    df = PANELS["unbalanced"]
    result = twfe(df, **MODEL, vcov="cr3", cluster=cluster, weights=weights)
    draws = []
    for name in df[cluster].unique():
        rest = df[df[cluster] != name]
        slopes, _ = by_dummies(rest, weights)
        means = np.average(rest[["y", *TERMS]], axis=0, weights=None if weights is None else rest[weights])
        draws.append([*(slopes - result.estimate), means[0] - means[1:] @ slopes - result.constant["estimate"]])
    spread = (1 - 1 / len(draws)) * np.transpose(draws) @ np.array(draws)
    np.testing.assert_allclose(result.covariance, spread[:3, :3], rtol=1e-8)
    assert result.constant["std_error"] == pytest.approx(np.sqrt(spread[3, 3]), rel=1e-8)
    assert result.df_t == len(draws) - 1


@pytest.mark.parametrize("name", ["balanced", "unbalanced"])
def test_equal_to_linearmodels(name):
    df = PANELS[name]
    indexed = df.set_index(["city", "year"])
    model = PanelOLS(indexed["y"], indexed[TERMS], entity_effects=True, time_effects=True)
    options = {"count_effects": False, "auto_df": False, "group_debias": True}
    fit = model.fit(cov_type="clustered", cluster_entity=True, **options)
    result = twfe(df, **MODEL)
    n, k, t = len(df), len(TERMS), df["year"].nunique()
    np.testing.assert_allclose(result.estimate, fit.params, rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.std_error, fit.std_errors * np.sqrt((n - k) / (n - k - t)), rtol=1e-10)


def test_clustered_error_by_hand():
    """Five cities, four years, one regressor: sums over cities of demeaned regressor times residual."""
    df = panel(8, cities=5, years=4)
    x, y = (
        df[c] - df.groupby("city")[c].transform("mean") - df.groupby("year")[c].transform("mean") + df[c].mean()
        for c in ("gdp", "y")
    )
    x, y, city = x.to_numpy(), y.to_numpy(), df["city"].to_numpy()
    slope = sum(x[i] * y[i] for i in range(20)) / sum(x[i] ** 2 for i in range(20))
    meat = sum(sum(x[i] * (y[i] - slope * x[i]) for i in range(20) if city[i] == c) ** 2 for c in range(5))
    variance = 5 / 4 * 19 / (20 - 1 - 4) * meat / sum(x[i] ** 2 for i in range(20)) ** 2
    row = twfe(df, outcome="y", regressors=["gdp"], unit="city", time="year").to_frame().iloc[0]
    assert row["estimate"] == pytest.approx(slope, rel=1e-12)
    assert row["std_error"] == pytest.approx(np.sqrt(variance), rel=1e-12)
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(slope) / np.sqrt(variance), 4), rel=1e-10)
    assert row["high"] - slope == pytest.approx(stats.t.ppf(0.975, 4) * np.sqrt(variance), rel=1e-10)


@pytest.mark.parametrize("vcov", ["iid", "robust", "cluster"])
@pytest.mark.parametrize("name", PANELS)
def test_constant_is_that_of_the_regression_through_the_means(name, vcov):
    """Reghdfe's definition: effects taken out, means put back, a column of ones; its factors put in by hand."""
    df = PANELS[name]
    result = twfe(df, **MODEL, vcov=vcov)
    fit = within_regression(df, **MODEL)
    design = np.column_stack([np.ones(len(fit.y)), fit.x + fit.table[TERMS].to_numpy().mean(axis=0)])
    n, k, g = len(fit.y), len(TERMS), fit.table["city"].nunique()
    model = sm.OLS(fit.y + fit.table["y"].mean(), design)
    if vcov == "cluster":
        slow = model.fit(cov_type="cluster", cov_kwds={"groups": fit.table["city"], "use_correction": False})
        factor = g / (g - 1) * (n - 1) / (n - k - result.n_periods)
    else:
        slow = model.fit(cov_type={"iid": "nonrobust", "robust": "HC0"}[vcov])
        factor = (n - k - 1 if vcov == "iid" else n) / result.df_residual
    assert result.constant["estimate"] == pytest.approx(slow.params[0], rel=1e-10)
    assert result.constant["std_error"] == pytest.approx(slow.bse[0] * np.sqrt(factor), rel=1e-9)
    np.testing.assert_allclose(result.std_error, slow.bse[1:] * np.sqrt(factor), rtol=1e-9)


def test_error_of_the_constant_has_its_closed_forms():
    """Residuals sum to zero within cities: clustered, all uncertainty of the constant is that of the slope."""
    df = PANELS["unbalanced"]
    model = {**MODEL, "regressors": ["gdp"]}
    clustered, iid = twfe(df, **model), twfe(df, **model, vcov="iid")
    mean = df["gdp"].mean()
    assert clustered.constant["std_error"] == pytest.approx(mean * clustered.std_error["gdp"], rel=1e-10)
    variance = iid.residuals @ iid.residuals / iid.df_residual
    expected = np.sqrt(variance / len(df) + mean**2 * iid.covariance.loc["gdp", "gdp"])
    assert iid.constant["std_error"] == pytest.approx(expected, rel=1e-10)


def test_negative_eigenvalues_of_two_way_covariances_are_set_to_zero_and_noted():
    df = panel(3, cities=20, years=5)
    result = twfe(df, **MODEL, cluster=("region", "year"))
    expected = peer(df, {"CRV1": "region+year"}, counted=1)._vcov
    assert (np.linalg.eigvalsh(expected) < 0).sum() == 1
    assert "1 negative eigenvalue of the covariance set to zero" in result.notes
    np.testing.assert_allclose(result.covariance, floored(expected), rtol=0, atol=1e-12)
    assert not any("eigenvalue" in note for note in twfe(df, **MODEL, cluster=("city", "year")).notes)


@pytest.mark.slow
def test_clustered_test_has_its_size_with_sixty_clusters():
    rejected = []
    for stream in np.random.default_rng(11).spawn(400):
        df = pd.DataFrame(product(range(60), range(8)), columns=["city", "year"])
        df["policy"] = ((df["city"] < 25) & (df["year"] >= 3 + df["city"] % 4)).astype(float)
        errors = stream.normal(size=(60, 8))
        for t in range(1, 8):
            errors[:, t] += 0.7 * errors[:, t - 1]
        result = twfe(df.assign(y=errors.ravel()), **{**MODEL, "regressors": ["policy"]})
        rejected.append(result.to_frame()["p_value"][0] < 0.05)
    assert 0.03 <= np.mean(rejected) <= 0.08


# ---------------------------------------------------------------------------------------------------------------------
# results


def test_singletons_are_dropped_repeatedly_and_listed():
    df = PANELS["with singletons"]
    result = twfe(df, **MODEL)
    assert result.sample.rows_in - result.sample.rows_used == 3
    listed = dict(result.sample.dropped)
    assert set(listed["only row of its 'city'"]) == {(900, 2004), (901, 2005)}
    assert listed["only row of its 'year'"] == ((901, 2050),)
    pd.testing.assert_frame_equal(result.to_frame(), twfe(df[df["city"] < 900], **MODEL).to_frame())


def test_result_holds_sizes_options_and_residuals_that_cannot_be_written():
    df = PANELS["unbalanced"]
    before = df.copy()
    result = twfe(df, **MODEL, cluster="region", level=0.9)
    pd.testing.assert_frame_equal(df, before)
    assert (result.n_obs, result.n_units, result.n_periods, result.n_clusters) == (len(df), 18, 7, 5)
    assert result.options["cluster"] == ("region",)
    assert list(result.to_frame().columns) == ["term", "estimate", "std_error", "statistic", "p_value", "low", "high"]
    assert twfe(df, **MODEL, vcov="iid").n_clusters == 0
    with pytest.raises(ValueError, match="read-only"):
        result.residuals.to_numpy()[0] = 1


def test_few_clusters_are_noted_and_not_warned_of():
    df = PANELS["balanced"]
    (note,) = twfe(df, **MODEL, cluster="region").notes
    assert "5 clusters are few" in note
    assert "wild_cluster_bootstrap" in note
    assert twfe(df, **MODEL).notes == ()


def test_effect_of_a_term_is_its_row():
    result = twfe(PANELS["balanced"], **MODEL, level=0.9)
    effect, row = result.effect("policy"), result.to_frame().iloc[0]
    assert effect.estimator == "TWFE"
    for column in ("estimate", "std_error", "p_value", "low", "high"):
        assert getattr(effect, column) == row[column]
    assert (effect.level, effect.n_units, effect.n_clusters, effect.n_obs) == (0.9, 18, 18, 126)
    with pytest.raises(KeyColumnError, match="no regressor 'trade'.*'policy'"):
        result.effect("trade")


# ---------------------------------------------------------------------------------------------------------------------
# bad input

BAD = {
    "absorbed by units": ({"age": lambda d: d["city"] * 1.0}, ["policy", "age"], {}, RankError, "'age'.*no variation"),
    "absorbed by years": ({"year2": lambda d: d["year"] ** 2}, ["year2"], {}, RankError, "'year2'.*no variation"),
    "constant": ({"one": 1.0}, ["one", "gdp"], {}, RankError, "'one'.*no variation"),
    "outcome absorbed": ({"y": lambda d: d["city"] - d["year"]}, ["gdp"], {}, RankError, "'y'.*no variation"),
    "collinear": (
        {"sum": lambda d: 3 * d["gdp"] - d["edu"] + d["year"]},
        ["gdp", "edu", "sum"],
        {},
        RankError,
        "'sum'.*collinear",
    ),
    "absent": ({}, ["trade"], {}, KeyColumnError, "'trade' is not in the table"),
    "no regressor": ({}, [], {}, DomainError, "no regressor"),
    "null cluster": ({"region": None}, ["gdp"], {"cluster": "region"}, KeyColumnError, "'region'.*missing"),
    "one cluster": ({"region": "a"}, ["gdp"], {"cluster": "region"}, GroupSizeError, "two clusters"),
    "three cluster columns": ({}, ["gdp"], {"cluster": ["city", "year", "region"]}, DomainError, "3 cluster columns"),
    "two columns to leave out": (
        {},
        ["gdp"],
        {"cluster": ["city", "year"], "vcov": "cr3"},
        DomainError,
        "2 cluster columns",
    ),
    "cluster without use": ({}, ["gdp"], {"vcov": "iid", "cluster": "city"}, DomainError, "no use for cluster"),
    "unknown errors": ({}, ["gdp"], {"vcov": "hc3"}, DomainError, "choose one of 'iid'"),
    "negative weights": ({"mass": -1.0}, ["gdp"], {"weights": "mass"}, DomainError, "'mass'.*must be positive"),
    "text": ({"gdp": "much"}, ["gdp"], {}, DomainError, "text where a number"),
    "missing": ({"gdp": np.nan}, ["gdp"], {}, MissingValueError, "'gdp'"),
}


@pytest.mark.parametrize("case", BAD)
def test_refuses(case):
    columns, regressors, options, error, message = BAD[case]
    with pytest.raises(error, match=message):
        twfe(panel(0).assign(**columns), **{**MODEL, "regressors": regressors}, **options)


def test_large_offset_is_not_mistaken_for_a_constant():
    df = PANELS["balanced"]
    moved = df.assign(gdp=df["gdp"] + 1e7)
    np.testing.assert_allclose(twfe(moved, **MODEL).estimate, twfe(df, **MODEL).estimate, rtol=1e-6)


def test_repeated_keys_are_refused_whatever_the_clusters():
    df = pd.concat([panel(0), panel(0).iloc[:1].assign(region="q")])
    with pytest.raises(KeyColumnError, match="must identify each row"):
        twfe(df, **MODEL, cluster="region")


def test_nothing_but_singletons_is_refused():
    df = pd.DataFrame({"city": [1, 2, 3], "year": [4, 5, 6], "y": [1.0, 2, 4], "gdp": [2.0, 1, 1]})
    with pytest.raises(GroupSizeError, match=r"3 rows: .*3 6"):
        twfe(df, **{**MODEL, "regressors": ["gdp"]})


def test_too_few_rows_for_the_effects_are_refused():
    df = panel(1, cities=2, years=4).assign(policy=[0, 1, 0, 0, 1, 1, 0, 1])
    with pytest.raises(GroupSizeError, match="8 rows for 5 effects and 3 regressors"):
        twfe(df, **MODEL)


@pytest.mark.parametrize("cluster", ["city", "group"])
def test_regressor_that_one_cluster_alone_identifies_cannot_be_left_out(cluster):
    """The only treated city; and a cluster of that city's treated years, which holds no whole city."""
    df = panel(1).assign(policy=lambda d: ((d["city"] == 3) & (d["year"] > 2006)).astype(int))
    df["group"] = np.where(df["policy"] == 1, "zone", df["year"].astype(str))
    with pytest.raises(
        RankError, match=rf"'{cluster}'.*not identified.*\(\d+ rows: {'3' if cluster == 'city' else 'zone'}\)"
    ):
        twfe(df, **MODEL, vcov="cr3", cluster=cluster)


def test_missing_values_are_listed_when_dropped():
    df = panel(1)
    df["gdp"] = df["gdp"].where((df["city"] != 2) | (df["year"] != 2005))
    result = twfe(df, **MODEL, missing="drop")
    assert result.sample.dropped == (("missing 'gdp'", ((2, 2005),)),)


def test_effects_agree_with_the_projection_of_the_ground_floor():
    df = PANELS["unbalanced"]
    fit = within_regression(df, **MODEL, weights="mass")
    effects = TwoWayEffects.of(df, unit="city", time="year", weights=df["mass"].to_numpy())
    np.testing.assert_allclose(fit.x, effects.demean(df[TERMS].to_numpy(dtype=float)), rtol=0, atol=1e-8)
