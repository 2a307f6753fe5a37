"""Placebo adoptions: refits by pyfixest, exactness under random assignment, schemes, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pyfixest
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoControlsError,
    RankError,
    RegionError,
    TreatmentPathError,
)
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.placebo import CHUNK, draw_adoptions, placebo

KEYS = {"unit": "city", "time": "year", "outcome": "y", "adoption": "approved"}
SCHEMES = ["permute_cohorts", "random_start", "within_strata"]
seeds = st.integers(0, 2**32 - 1)

# pyfixest 0.60.0 resets an index in place, which pandas 3.1 announces to drop
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:pandas.errors.Pandas4Warning")


def staggered(
    seed: int, *, n_units: int = 40, n_periods: int = 12, cohorts: tuple[int, ...] = (4, 2, 1), effect: float = 0.0
) -> pd.DataFrame:
    """Cities over years from 2003, the cohorts starting in successive years from the middle on, two controls."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(itertools.product(range(n_units), range(2003, 2003 + n_periods)), columns=["city", "year"])
    starts = np.repeat(2003.0 + n_periods // 2 + np.arange(len(cohorts)), cohorts)
    df["approved"] = df["city"].map(dict(enumerate(rng.permutation(np.r_[starts, [np.nan] * (n_units - len(starts))]))))
    df["region"] = np.where(df["city"] % 3 == 0, "west", "east")
    policy = df["year"] >= df["approved"]
    df["gdp"] = 16 + rng.normal(size=len(df)) + 0.1 * df["year"] + 0.5 * policy
    df["edu"] = 0.03 + 0.01 * rng.normal(size=len(df)) + 0.01 * (df["city"] % 5)
    df["y"] = rng.normal(size=len(df)) + 0.2 * df["gdp"] + 0.1 * df["city"] + effect * policy
    return df


def with_gaps(df: pd.DataFrame) -> pd.DataFrame:
    """A tenth of the rows and the first years of some cities absent, rows in no order, an index without meaning."""
    kept = df[(df["city"] % 7 != 1) | (df["year"] > 2004)].sample(frac=0.9, random_state=5)
    return kept.set_axis([0] * len(kept))


PANELS = {"balanced": lambda: staggered(1), "with gaps": lambda: with_gaps(staggered(2))}


def refit(df: pd.DataFrame, controls: tuple[str, ...]) -> tuple[float, float]:
    """Coefficient and clustered error by pyfixest.

    The order in which pyfixest 0.60.0 stores the fixed effects changes with the hash seed of the process, and with it
    whether the periods are counted as coefficients; so the count of reghdfe and fixest is put in here: policy, controls
    and periods, but not the unit effects, which are nested in the clusters.
    """
    table = df.assign(policy=(df["year"] >= df["approved"]).astype(float)).reset_index(drop=True)
    model = pyfixest.feols(
        " + ".join(["y ~ policy", *controls]) + " | city + year",
        table,
        vcov={"CRV1": "city"},
        ssc=pyfixest.ssc(k_adj=False, G_adj=True),
        demeaner=pyfixest.MapDemeaner(fixef_tol=1e-13),
    )
    counted = 1 + len(controls) + df["year"].nunique()
    n_rows = len(df)
    return float(model.coef()["policy"]), float(model.se()["policy"]) * np.sqrt((n_rows - 1) / (n_rows - counted))


def adopted(df: pd.DataFrame, units: pd.Index, times: pd.Index, starts: np.ndarray) -> pd.DataFrame:
    """The table with the start dates of a draw."""
    periods = np.append(times, np.nan)
    return df.assign(approved=df["city"].map(dict(zip(units, periods[starts], strict=True))))


# ---------------------------------------------------------------------------------------------------------------------
# the regression


@pytest.mark.parametrize("controls", [(), ("gdp", "edu")], ids=["without controls", "with controls"])
@pytest.mark.parametrize("panel", PANELS)
def test_actual_adoption_gives_the_regression(panel, controls):
    df = PANELS[panel]()
    result = placebo(df, **KEYS, controls=controls, n=1)
    beta, error = refit(df, controls)
    assert result.observed == pytest.approx(beta, abs=1e-12)
    assert result.observed_std_error == pytest.approx(error, abs=1e-12)
    assert result.observed_statistic == result.observed
    t = placebo(df, **KEYS, controls=controls, n=1, statistic="t").observed_statistic
    assert t == pytest.approx(beta / error, abs=1e-10)


@pytest.mark.parametrize(
    ("panel", "controls", "scheme"),
    [
        ("balanced", (), "permute_cohorts"),
        ("balanced", ("gdp", "edu"), "permute_cohorts"),
        ("balanced", ("gdp", "edu"), "within_strata"),
        ("with gaps", (), "permute_cohorts"),
        ("with gaps", ("gdp", "edu"), "permute_cohorts"),
        ("with gaps", ("gdp", "edu"), "random_start"),
    ],
)
def test_draws_equal_refits(panel, controls, scheme):
    df = PANELS[panel]()
    strata = "region" if scheme == "within_strata" else None
    result = placebo(df, **KEYS, controls=controls, n=20, scheme=scheme, strata=strata, statistic="t", seed=3)
    regions = df.groupby("city")["region"].first()[result.units] if strata else None
    drawn = draw_adoptions(result.starts, n_periods=len(result.times), n=20, scheme=scheme, strata=regions, seed=3)
    expected = np.array([refit(adopted(df, result.units, result.times, starts), controls) for starts in drawn])
    assert result.betas == pytest.approx(expected[:, 0], abs=1e-9)
    assert result.std_errors == pytest.approx(expected[:, 1], abs=1e-9)
    assert result.draws == pytest.approx(expected[:, 0] / expected[:, 1], abs=1e-7)


def test_regression_by_dummies():
    """Least squares on all dummies and the sandwich of cluster sums, on a panel small enough for it."""
    df = with_gaps(staggered(4, n_units=14, n_periods=7))
    result = placebo(df, **KEYS, controls=["gdp"], n=1)
    policy = (df["year"] >= df["approved"]).to_numpy(dtype=float)
    dummies = pd.get_dummies(df[["city", "year"]].astype(str), dtype=float, drop_first=True)
    design = np.column_stack([policy, df["gdp"], dummies, np.ones(len(df))])
    coefficients, *_ = np.linalg.lstsq(design, df["y"], rcond=None)
    scores = design * (df["y"].to_numpy() - design @ coefficients)[:, None]
    summed = pd.DataFrame(scores).groupby(df["city"].to_numpy()).sum().to_numpy()
    bread = np.linalg.inv(design.T @ design)
    n, k, g = len(df), 2 + df["year"].nunique(), df["city"].nunique()
    variance = (bread @ summed.T @ summed @ bread)[0, 0] * g / (g - 1) * (n - 1) / (n - k)
    assert result.observed == pytest.approx(coefficients[0], abs=1e-10)
    assert result.observed_std_error == pytest.approx(np.sqrt(variance), abs=1e-10)


@pytest.mark.parametrize("panel", [*PANELS, "in two parts"])
def test_actual_adoption_gives_the_two_way_estimator(panel):
    """In two parts: no unit is seen both early and late, so period effects have a level of their own in each part."""
    df = {**PANELS, "in two parts": in_two_parts}[panel]()
    result = placebo(df, **KEYS, controls=["gdp"], n=1)
    table = df.assign(policy=df["year"] >= df["approved"])
    row = twfe(table, outcome="y", regressors=["policy", "gdp"], unit="city", time="year").to_frame().iloc[0]
    assert result.observed == pytest.approx(row["estimate"], abs=1e-11)
    assert result.observed_std_error == pytest.approx(row["std_error"], abs=1e-11)


def in_two_parts() -> pd.DataFrame:
    df = staggered(5, n_units=30)
    df = df[(df["city"] < 15) == (df["year"] < 2009)]
    return df.assign(approved=df["city"].map({0: 2005, 1: 2006, 20: 2011, 21: 2012}))


def test_units_that_are_always_treated_are_kept_on_request():
    df = staggered(22)
    early = df["approved"] == df["approved"].min()
    df = df.assign(approved=df["approved"].mask(early, 1990))
    result = placebo(df, **KEYS, controls=["gdp"], n=20, always_treated="keep", seed=2)
    assert result.observed == pytest.approx(refit(df, ("gdp",))[0], abs=1e-12)
    assert (result.starts == 0).sum() == 4
    drawn = draw_adoptions(result.starts, n_periods=12, n=20, seed=2)
    assert ((drawn == 0).sum(axis=1) == 4).all()
    last = adopted(df, result.units, result.times, drawn[19])
    assert result.draws[19] == pytest.approx(refit(last, ("gdp",))[0], abs=1e-9)
    random = draw_adoptions(result.starts, n_periods=12, n=20, scheme="random_start")
    assert ((random == 0).sum(axis=1) == 4).all()
    assert ((random < 12).sum(axis=1) == 7).all()


@settings(max_examples=15)
@given(seeds, st.floats(0.01, 100), st.floats(-5, 5))
def test_effects_units_of_measure_and_names_do_not_matter(seed, scale, shift):
    df = with_gaps(staggered(seed, n_units=15, n_periods=6, cohorts=(2, 2)))
    rng = np.random.default_rng(seed)
    to_city, to_year = rng.normal(size=15), rng.normal(size=3000)
    policy = df["year"] >= df["approved"]
    moved = df.assign(
        y=scale * (df["y"] + to_city[df["city"]] + to_year[df["year"]] + shift * policy + 3 * df["gdp"]),
        year=df["year"] * 2 + 7,
        approved=df["approved"] * 2 + 7,
        city=df["city"].map("C{:02d}".format),
    )
    options = {**KEYS, "controls": ["gdp"], "always_treated": "keep"}
    base, again = (placebo(d, **options, n=1, statistic="t") for d in (df, moved))
    assert again.observed == pytest.approx(scale * (base.observed + shift), rel=1e-7, abs=1e-9 * scale)
    assert again.observed_std_error == pytest.approx(scale * base.observed_std_error, rel=1e-7)
    unshifted = placebo(moved.assign(y=moved["y"] - scale * shift * policy), **options, n=30)
    straight = placebo(df, **options, n=30)
    assert unshifted.draws == pytest.approx(scale * straight.draws, rel=1e-6, abs=1e-9 * scale)


def test_unit_whose_dates_lie_after_the_sample_is_never_treated():
    df = staggered(6)
    last = df["approved"] == df["approved"].max()
    later = df.assign(approved=df["approved"].mask(last, 2040))
    never = df.assign(approved=df["approved"].mask(last))
    results = [placebo(d, **KEYS, n=40) for d in (later, never)]
    assert results[0].observed == results[1].observed
    assert (results[0].draws == results[1].draws).all()


def test_adoption_between_two_periods_starts_with_the_next():
    df = staggered(7)
    df = df[df["year"] != 2009]
    between = df.assign(approved=df["approved"].replace(2010, 2009))
    assert (placebo(between, **KEYS, n=30).draws == placebo(df, **KEYS, n=30).draws).all()


def test_staggered_panel_without_never_treated_units_is_estimated():
    df = staggered(8, n_units=12, cohorts=(6, 6))
    result = placebo(df, **KEYS, n=20)
    assert result.observed == pytest.approx(refit(df, ())[0], abs=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# the draws


@pytest.fixture
def starts() -> np.ndarray:
    """Nine treated of thirty units over ten periods."""
    return np.random.default_rng(9).permutation(np.repeat([4, 5, 7, 10], [4, 3, 2, 21]))


def test_permuted_cohorts_keep_their_sizes(starts):
    drawn = draw_adoptions(starts, n_periods=10, n=250)
    assert drawn.shape == (250, 30)
    assert (np.sort(drawn, axis=1) == np.sort(starts)).all()
    often = (drawn == 4).mean(axis=0)
    assert np.abs(often - 4 / 30).max() < 5 * np.sqrt(4 / 30 / 250)
    assert len(np.unique(drawn, axis=0)) > 240


def test_random_starts_keep_the_number_of_treated_and_are_uniform(starts):
    drawn = draw_adoptions(starts, n_periods=10, n=2000, scheme="random_start")
    treated = drawn < 10
    assert (treated.sum(axis=1) == 9).all()
    counts = np.bincount(drawn[treated], minlength=10)
    assert counts[0] == 0
    assert stats.chisquare(counts[1:]).pvalue > 0.001
    assert stats.chisquare(treated.sum(axis=0)).pvalue > 0.001


def test_permutation_within_strata_keeps_their_cohorts(starts):
    strata = np.array(list("abc"))[np.arange(30) % 3]
    drawn = draw_adoptions(starts, n_periods=10, n=250, scheme="within_strata", strata=strata)
    for stratum in "abc":
        inside = strata == stratum
        assert (np.sort(drawn[:, inside], axis=1) == np.sort(starts[inside])).all()
    assert (drawn != starts).any(axis=1).all()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_draws_depend_on_the_seed_alone(starts, scheme):
    strata = np.arange(30) % 2 if scheme == "within_strata" else None
    arguments = {"n_periods": 10, "scheme": scheme, "strata": strata}
    many = draw_adoptions(starts, n=3 * CHUNK, **arguments)
    for n in (1, CHUNK // 2, CHUNK, CHUNK + 20):
        assert (draw_adoptions(starts, n=n, **arguments) == many[:n]).all()
    assert (draw_adoptions(starts, n=50, seed=np.random.default_rng(0), **arguments) == many[:50]).all()
    assert (draw_adoptions(starts, n=50, seed=1, **arguments) != many[:50]).any(axis=1).all()


def test_patterns_and_estimates_do_not_depend_on_the_size_of_a_chunk():
    df = with_gaps(staggered(10))
    few, many = (placebo(df, **KEYS, controls=["gdp"], n=n, statistic="t") for n in (CHUNK + 7, 4 * CHUNK))
    assert few.betas == pytest.approx(many.betas[: CHUNK + 7], abs=1e-13)
    assert few.std_errors == pytest.approx(many.std_errors[: CHUNK + 7], abs=1e-13)
    coefficients = placebo(df, **KEYS, controls=["gdp"], n=4 * CHUNK)
    assert (coefficients.draws == many.betas).all()
    assert not (placebo(df, **KEYS, n=20, seed=1).draws == placebo(df, **KEYS, n=20).draws).any()


def test_input_is_not_changed_and_draws_are_read_only():
    df = staggered(11)
    before = df.copy()
    result = placebo(df, **KEYS, n=20, statistic="t")
    pd.testing.assert_frame_equal(df, before)
    for values in (result.draws, result.betas, result.std_errors, result.starts):
        assert not values.flags.writeable


# ---------------------------------------------------------------------------------------------------------------------
# the test


def test_p_value_agrees_with_all_assignments():
    """One of nine units starts in the fourth of six periods and another in the fifth: 72 equally likely assignments."""
    df = staggered(12, n_units=9, n_periods=6, cohorts=(1, 1), effect=1.0)
    periods = {0: 2006, 1: 2007}
    every = []
    for pair in itertools.permutations(range(9), 2):
        dates = {city: periods[rank] for rank, city in enumerate(pair)}
        every.append(placebo(df.assign(approved=df["city"].map(dates)), **KEYS, n=1).observed)
    result = placebo(df, **KEYS, n=4000)
    exact = (np.abs(every) >= abs(result.observed) - 1e-12).mean()
    assert result.p_value == pytest.approx(exact, abs=0.025)
    assert np.isin(np.round(result.draws, 9), np.round(every, 9)).all()
    assert len(np.unique(np.round(result.draws, 9))) == 72


def test_frame_by_definition():
    df = staggered(13)
    result = placebo(df, **KEYS, controls=["gdp"], n=199, statistic="t", level=0.9)
    row = result.to_frame().iloc[0]
    assert list(result.to_frame()) == (
        ["statistic", "observed", "p_value", "smallest_p", "mean", "sd", "low", "high", "share_insignificant"]
    )
    extreme = (np.abs(result.draws) >= abs(result.observed_statistic)).sum()
    assert 0 < extreme < 100
    assert row["p_value"] == (1 + extreme) / 200
    assert row["smallest_p"] == 1 / 200
    assert row["observed"] == pytest.approx(result.observed / result.observed_std_error)
    assert result.draws == pytest.approx(result.betas / result.std_errors)
    assert (row["mean"], row["sd"]) == pytest.approx((result.draws.mean(), result.draws.std(ddof=1)))
    assert ((result.draws < row["low"]).sum(), (result.draws > row["high"]).sum()) == (10, 10)
    own_p = 2 * stats.t.sf(np.abs(result.draws), 39)
    assert row["share_insignificant"] == (own_p > 0.1).mean()
    assert 0.7 < row["share_insignificant"] < 1
    plain = placebo(df, **KEYS, n=20)
    assert plain.std_errors is None
    assert np.isnan(plain.to_frame()["share_insignificant"][0])
    assert plain.options["scheme"] == "permute_cohorts"
    assert "PlaceboResult: 480 rows used, 0 dropped" in plain.summary()


def test_draws_that_only_rounding_parts_from_the_estimate_count_as_extreme():
    """With half of the units treated at once, swapping the halves gives the same estimate with its sign changed."""
    df = staggered(14, n_units=4, n_periods=5, cohorts=(2,))
    result = placebo(df, **KEYS, n=600)
    magnitudes = np.abs(result.draws) / abs(result.observed)
    assert len(np.unique(np.round(magnitudes, 8))) == 3
    assert result.p_value == (1 + (magnitudes > 1 - 1e-8).sum()) / 601
    assert (np.isclose(magnitudes, 1)).mean() == pytest.approx(1 / 3, abs=0.07)


def test_planted_effect_is_found():
    result = placebo(staggered(15, effect=2.0), **KEYS, controls=["edu"], n=199, statistic="t")
    assert result.p_value == result.smallest_p == 1 / 200


def autoregressive(
    rng: np.random.Generator,
    *,
    n_units: int,
    n_periods: int,
    cohorts: tuple[int, ...],
    ratio: float = 1.0,
    memory: float = 0.7,
) -> pd.DataFrame:
    """No effect; errors of the treated have ``ratio`` times the spread of the others'; one cohort a year."""
    noise = rng.normal(size=(n_units, n_periods))
    noise[:, 1:] *= np.sqrt(1 - memory**2)
    for t in range(1, n_periods):
        noise[:, t] += memory * noise[:, t - 1]
    starts = np.repeat(n_periods // 3 + 1 + np.arange(len(cohorts)), cohorts).astype(float)
    noise[: len(starts)] *= ratio
    df = pd.DataFrame(itertools.product(range(n_units), range(n_periods)), columns=["city", "year"])
    df["approved"] = np.r_[starts, [np.nan] * (n_units - len(starts))][df["city"]]
    return df.assign(y=noise.ravel())


def null_p_values(replications: int, *, n: int, seed: int, **design: object) -> dict[str, np.ndarray]:
    """Randomisation p-values, on beta and on t, of panels without an effect."""
    found: dict[str, list[float]] = {"beta": [], "t": []}
    for stream in np.random.default_rng(seed).spawn(replications):
        result = placebo(autoregressive(stream, **design), **KEYS, n=n, statistic="t", seed=stream)
        found["beta"].append((1 + (np.abs(result.betas) >= abs(result.observed)).sum()) / (n + 1))
        found["t"].append(result.p_value)
    return {statistic: np.array(p) for statistic, p in found.items()}


def test_p_values_are_uniform_without_an_effect():
    for p in null_p_values(200, n=99, seed=16, n_units=20, n_periods=8, cohorts=(3, 2)).values():
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert p.min() >= 0.01


@pytest.mark.slow
def test_p_values_are_uniform_without_an_effect_in_many_panels():
    for p in null_p_values(4000, n=999, seed=17, n_units=40, n_periods=10, cohorts=(4, 2, 1)).values():
        assert stats.kstest(p, "uniform").pvalue > 0.01
        assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.012)


def sizes(cohorts: tuple[int, ...], ratio: float, *, replications: int = 1000) -> dict[str, float]:
    """Share of panels without an effect in which the tests on beta and t reject at 5 %: 274 cities, 20 years."""
    p_values = null_p_values(
        replications, n=199, seed=18, n_units=274, n_periods=20, cohorts=cohorts, ratio=ratio, memory=0.7
    )
    return {statistic: float((p <= 0.05).mean()) for statistic, p in p_values.items()}


@pytest.mark.slow
@pytest.mark.parametrize("cohorts", [(13, 5, 4, 4, 2), (3, 1, 1, 1)], ids=["28 treated", "6 treated"])
def test_both_tests_keep_their_size_where_all_vary_alike(cohorts):
    assert sizes(cohorts, 1) == pytest.approx({"beta": 0.05, "t": 0.05}, abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("cohorts", [(13, 5, 4, 4, 2), (3, 1, 1, 1)], ids=["28 treated", "6 treated"])
def test_only_the_test_on_t_keeps_its_size_where_the_treated_vary_twice_as_much(cohorts):
    rejected = sizes(cohorts, 2)
    assert rejected["beta"] > 0.2
    assert rejected["t"] == pytest.approx(0.05, abs=0.025)


# ---------------------------------------------------------------------------------------------------------------------
# bad input


def spoil(change: str) -> tuple[pd.DataFrame, dict[str, object]]:
    df = staggered(19)
    treated = int(df.loc[df["approved"].notna(), "city"].iloc[0])
    first_year = df["year"] == 2003
    return {
        "absent adoption": (df, {"adoption": "start"}),
        "absent control": (df, {"controls": ["gpd"]}),
        "null unit": (df.assign(city=df["city"].where(df["city"] > 0)), {}),
        "repeated key": (pd.concat([df, df.iloc[[5]]]), {}),
        "moving stratum": (df.assign(region=df["region"].where(~first_year, "x")), {"strata": "region"}),
        "null stratum": (df.assign(region=df["region"].where(df["city"] > 1)), {"strata": "region"}),
        "text in a control": (df.assign(gdp=df["gdp"].astype(str).where(~first_year, "n.a.")), {"controls": ["gdp"]}),
        "missing outcome": (df.assign(y=df["y"].where(~first_year)), {}),
        "moving adoption": (df.assign(approved=df["approved"].where(~first_year)), {}),
        "always treated": (df.assign(approved=df["approved"].mask(df["city"] == treated, 2003)), {}),
        "zero for never": (df.assign(approved=df["approved"].fillna(0)), {}),
        "none treated": (df.assign(approved=np.nan), {}),
        "treated after the sample": (df.assign(approved=df["approved"] + 50), {}),
        "all treated at once": (df.assign(approved=2008), {}),
        "treated from entry": (df[(df["city"] != treated) | (df["year"] >= df["approved"])], {}),
        "constant control": (df.assign(edu=1.0), {"controls": ["gdp", "edu"]}),
        "control of the effects": (df.assign(edu=df["city"] + 0.1 * df["year"]), {"controls": ["gdp", "edu"]}),
        "control twice": (df.assign(edu=2 * df["gdp"] + 1), {"controls": ["gdp", "edu"]}),
        "outcome of the effects": (df.assign(y=0.1 * df["city"] + df["year"]), {}),
        "control is the policy": (df.assign(edu=1.0 * (df["year"] >= df["approved"])), {"controls": ["edu"]}),
        "one period": (df[first_year], {}),
        "no draws": (df, {"n": 0}),
        "unknown scheme": (df, {"scheme": "permute"}),
        "unknown statistic": (df, {"statistic": "T"}),
        "strata without their scheme": (df, {"strata": "region", "scheme": "random_start"}),
        "scheme without strata": (df, {"scheme": "within_strata"}),
    }[change]


ERRORS = {
    "absent adoption": (KeyColumnError, "'start' is not in the table"),
    "absent control": (KeyColumnError, "'gpd' is not in the table"),
    "null unit": (KeyColumnError, "may not be missing"),
    "repeated key": (KeyColumnError, r"must identify each row \(2 rows: 0 2008\)"),
    "moving stratum": (KeyColumnError, "column 'region': the stratum must be the same"),
    "null stratum": (KeyColumnError, "column 'region': a key may not be missing"),
    "text in a control": (DomainError, "column 'gdp': text where a number is needed"),
    "missing outcome": (MissingValueError, r"column 'y': missing or infinite values \(40 rows: 0 2003; 1 2003"),
    "moving adoption": (TreatmentPathError, "column 'approved': the first treated period must be the same"),
    "always treated": (TreatmentPathError, r"treated in all of its periods, .* \(12 rows: \d+\)"),
    "treated from entry": (TreatmentPathError, "treated in all of its periods"),
    "zero for never": (TreatmentPathError, "an empty cell, not 0"),
    "none treated": (TreatmentPathError, "no unit is treated inside the sample"),
    "treated after the sample": (TreatmentPathError, "between 2004 and 2014"),
    "all treated at once": (NoControlsError, "never seen in the same period"),
    "constant control": (RankError, "column 'edu': unit effects"),
    "control of the effects": (RankError, "column 'edu': unit effects"),
    "control twice": (RankError, "column 'edu': unit effects"),
    "outcome of the effects": (RankError, "column 'y': unit effects"),
    "control is the policy": (RankError, "explain the policy that 'approved' describes"),
    "one period": (GroupSizeError, "no row shares its unit and its period"),
    "no draws": (DomainError, "at least one draw"),
    "unknown scheme": (DomainError, "choose one of"),
    "unknown statistic": (DomainError, "choose one of"),
    "strata without their scheme": (DomainError, "only for it"),
    "scheme without strata": (DomainError, "'within_strata' does not fit the strata"),
}


@pytest.mark.parametrize("change", ERRORS)
def test_bad_input_is_refused(change):
    error, message = ERRORS[change]
    df, arguments = spoil(change)
    if "strata" in arguments:
        arguments = {"scheme": "within_strata", **arguments}
    with pytest.raises(error, match=message) as caught:
        placebo(df, **{**KEYS, "n": 20, **arguments})
    assert isinstance(caught.value, RegionError)


def test_draw_whose_policy_the_effects_explain_is_named():
    """A unit seen only after the only start date: a draw that treats it alone has a policy constant in every unit."""
    df = staggered(20, n_units=8, cohorts=(1,))
    treated = int(df.loc[df["approved"].notna(), "city"].iloc[0])
    late = (treated + 1) % 8
    df = df[(df["city"] != late) | (df["year"] >= df["approved"].max())]
    drawn = draw_adoptions(np.where(np.arange(8) == treated, 6, 12), n_periods=12, n=30)
    at_fault = [f"draw {b}" for b in np.flatnonzero(drawn[:, late] == 6)]
    assert 0 < len(at_fault) < 30
    with pytest.raises(RankError, match="explain the policy of a draw") as caught:
        placebo(df, **KEYS, n=30)
    assert list(caught.value.keys) == at_fault


def test_missing_values_and_lonely_rows_are_listed():
    df = staggered(21)
    df = df.assign(y=df["y"].where((df["city"] != 3) | (df["year"] != 2005)))
    extra = df[df["city"] == 4].assign(city=99, approved=np.nan).iloc[[2]]
    result = placebo(pd.concat([df, extra]), **KEYS, n=20, missing="drop")
    assert result.sample.rows_in == 481
    assert result.sample.rows_used == 479
    assert result.sample.dropped == (
        ("missing 'y'", ((3, 2005),)),
        ("only row of its 'city'", ((99, 2005),)),
    )
    straight = placebo(df.dropna(subset="y"), **KEYS, n=20)
    assert (result.draws == straight.draws).all()
    assert 99 not in result.units


def test_draws_of_adoptions_refuse(starts):
    with pytest.raises(DomainError, match="positions from 0 to 10") as caught:
        draw_adoptions(np.where(starts == 4, 11, starts), n_periods=10)
    assert caught.value.keys == (11,)
    for arguments in ({"scheme": "permute"}, {"n": 0}, {"scheme": "within_strata"}, {"strata": np.zeros(30)}):
        with pytest.raises(DomainError):
            draw_adoptions(starts, n_periods=10, **arguments)
    with pytest.raises(DomainError, match="does not fit the strata"):
        draw_adoptions(starts, n_periods=10, scheme="within_strata", strata=np.zeros(29))
