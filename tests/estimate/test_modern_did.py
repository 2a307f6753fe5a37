"""Estimators of staggered treatment against published values, each other and the two-way regression; bounds."""

from __future__ import annotations

import hashlib
import re
import runpy
import tarfile
import warnings
from collections.abc import Callable
from functools import cache
from typing import get_args

import diff_diff
import numpy as np
import pandas as pd
import pyfixest
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from regiometrics.data.files import data_file
from regiometrics.errors import (
    DomainError,
    KeyColumnError,
    MissingValueError,
    NoControlsError,
    RankError,
    RegionError,
    TreatmentPathError,
    UnbalancedPanelError,
)
from regiometrics.estimate.modern_did import (
    Estimator,
    EventStudyResult,
    _Frontier,
    _lasso_path,
    _noting,
    honest_bounds,
    modern_did,
)
from regiometrics.panel import Sample
from regiometrics.result import EffectResult, frozen_options

ALL = get_args(Estimator)
COLUMNS = {"unit": "city", "time": "year", "outcome": "y", "adoption": "start"}
COUNTIES = {"unit": "countyreal", "time": "year", "outcome": "lemp", "adoption": "first_treat"}
STATES = {"unit": "sid", "time": "year", "outcome": "l_homicide", "adoption": "effyear"}
PATH = ["period", "estimate", "std_error", "p_value", "low", "high", "n_units", "is_base"]


@pytest.fixture(scope="module")
def mpdta() -> pd.DataFrame:
    return pd.read_csv(data_file("reference", "mpdta.csv"))


@pytest.fixture(scope="module")
def castle() -> pd.DataFrame:
    return pd.read_csv(data_file("reference", "castle.csv"))


def panel(
    seed: int = 0,
    *,
    cohorts: dict[int, int] | None = None,
    never: int = 24,
    years: int = 9,
    effect: Callable[[np.ndarray, np.ndarray], np.ndarray] = lambda start, since: np.full(since.shape, 1.5),
    noise: float = 0.3,
) -> pd.DataFrame:
    """Cities 0, 1, ... over years 1, 2, ...; ``cohorts`` gives the number of cities by first treated year."""
    rng = np.random.default_rng(seed)
    sizes = {4: 7, 6: 5, 7: 4} if cohorts is None else cohorts
    start = np.concatenate([np.repeat(list(sizes), list(sizes.values())).astype(float), np.full(never, np.nan)])
    year = np.arange(1, years + 1)
    shock = rng.normal(0, noise, (len(start), years))
    for t in range(1, years):
        shock[:, t] += 0.5 * shock[:, t - 1]
    since = year - start[:, None]
    tau = np.where(since >= 0, effect(start[:, None], since), 0.0)
    y = rng.normal(0, 1, (len(start), 1)) + rng.normal(0, 1, years) + shock + tau
    return pd.DataFrame(
        {
            "city": np.repeat(np.arange(len(start)), years),
            "year": np.tile(year, len(start)),
            "start": np.repeat(start, years),
            "y": y.ravel(),
            "tau": tau.ravel(),
            "x": rng.normal(size=y.size),
            "z": np.repeat(rng.normal(size=len(start)), years),
        }
    )


def did(df: pd.DataFrame, estimator: str, **options) -> EffectResult:
    return modern_did(df, **{**COLUMNS, **options}, estimator=estimator)


@cache
def standard(estimator: str) -> EffectResult:
    """The estimate on the simulated panel."""
    return did(panel(), estimator)


def two_way(df: pd.DataFrame, outcome: str, unit: str, time: str, first: str) -> float:
    df = df.assign(treated=(df[time] >= df[first]).astype(int))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The inplace keyword")  # pandas on a call inside pyfixest
        return float(pyfixest.feols(f"{outcome} ~ treated | {unit} + {time}", df).coef()["treated"])


# ---------------------------------------------------------------------------------------------------------------------
# published values


def test_callaway_santanna_gives_the_published_effects_of_minimum_wages(mpdta):
    found = modern_did(mpdta, **COUNTIES, estimator="callaway_santanna")
    effects = found.weights.set_index(["cohort", "time"])["estimate"]
    # vignette of R's did
    published = {
        2004: [-0.0105, -0.0704, -0.1373, -0.1008],
        2006: [-0.0046, -0.0412],
        2007: [-0.0261],
    }
    for cohort, values in published.items():
        assert effects[cohort].to_numpy() == pytest.approx(values, abs=5e-5)
    assert found.estimate == pytest.approx(-0.0399513, abs=5e-8)  # R did
    assert found.std_error == pytest.approx(0.0120340, abs=5e-8)
    assert (found.n_obs, found.n_units, found.n_clusters) == (2500, 500, 500)


def test_callaway_santanna_with_a_control_is_doubly_robust_and_gives_the_published_effect(mpdta):
    found = modern_did(mpdta, **COUNTIES, controls=["lpop"], estimator="callaway_santanna")
    assert found.estimate == pytest.approx(-0.04175, abs=5e-6)  # R did
    assert found.std_error == pytest.approx(0.01150, abs=5e-6)
    assert any("doubly robust" in note for note in found.notes)


def test_imputation_gives_its_known_effect_and_the_two_way_regression_another(mpdta):
    found = modern_did(mpdta, **COUNTIES, estimator="imputation")
    assert found.estimate == pytest.approx(-0.04771, abs=5e-6)
    assert found.std_error == pytest.approx(0.0132225, rel=0.03)  # R didimputation, which does not leave out
    assert found.std_error > 0.0132225
    assert two_way(mpdta, "lemp", "countyreal", "year", "first_treat") == pytest.approx(-0.036549, abs=5e-7)


def test_castle_table_is_the_one_with_the_known_two_way_coefficient(castle):
    assert two_way(castle, "l_homicide", "sid", "year", "effyear") == pytest.approx(0.0693984, abs=5e-8)
    assert (castle["post"] == (castle["year"] >= castle["effyear"])).all()
    assert castle["effyear"].notna().groupby(castle["sid"]).first().sum() == 21


def test_stored_tables_are_those_of_their_readme():
    text = data_file("reference", "README.md").read_text("utf-8")
    for name in ("castle.csv", "mpdta.csv", "prop99.csv"):
        content = data_file("reference", name).read_bytes()
        assert f"| `{name}` | {len(content)} | `{hashlib.sha256(content).hexdigest()}` |" in text


def test_reference_script_refuses_other_versions_of_a_package(tmp_path):
    script = runpy.run_path(str(data_file("reference", "make_reference.py")))
    other = tmp_path / "castle.dta"
    other.write_bytes(b"another table")
    with tarfile.open(tmp_path / "package.tar.gz", "w:gz") as archive:
        archive.add(other, script["CASTLE"][0])
    with pytest.raises(SystemExit, match="another version"):
        script["castle"](tmp_path / "package.tar.gz")


# ---------------------------------------------------------------------------------------------------------------------
# identities


@pytest.mark.parametrize("group", ["never_treated", "not_yet_treated"])
def test_callaway_santanna_is_a_difference_of_mean_changes(castle, group):
    found = modern_did(castle, **STATES, estimator="callaway_santanna", control_group=group)
    wide = castle.pivot(index="sid", columns="year", values="l_homicide")
    first = castle.groupby("sid")["effyear"].first()
    for cell in found.weights.itertuples():
        change = wide[cell.time] - wide[cell.cohort - 1]
        compared = first.isna() if group == "never_treated" else first.isna() | (first > cell.time)
        assert cell.estimate == pytest.approx(change[first == cell.cohort].mean() - change[compared].mean(), abs=1e-12)
        years = castle.loc[castle["effyear"].notna(), "post"].sum()
        assert cell.weight == pytest.approx((first == cell.cohort).sum() / years)


@settings(max_examples=3)
@given(st.integers(0, 2**32 - 1))
def test_with_one_cohort_two_pairs_of_estimators_coincide(seed):
    df = panel(seed, cohorts={5: 6}, never=9)
    found = {name: did(df, name).estimate for name in ("callaway_santanna", "sun_abraham", "imputation", "dcdh")}
    assert found["callaway_santanna"] == pytest.approx(found["sun_abraham"], abs=1e-10)
    assert found["callaway_santanna"] == pytest.approx(found["dcdh"], abs=1e-10)
    assert found["imputation"] == pytest.approx(two_way(df, "y", "city", "year", "start"), abs=1e-9)
    assert abs(found["imputation"] - found["sun_abraham"]) > 1e-6  # one uses all earlier years, the other the last


def test_with_one_year_before_adoption_all_four_coincide():
    df = panel(3, cohorts={2: 6}, never=9, years=4)
    found = [did(df, name).estimate for name in ("callaway_santanna", "sun_abraham", "imputation", "dcdh")]
    assert found == pytest.approx([two_way(df, "y", "city", "year", "start")] * 4, abs=1e-9)


@pytest.mark.parametrize("table", ["mpdta", "castle", "simulated"])
def test_sun_abraham_has_the_effects_of_callaway_santanna(table, request):
    df = panel() if table == "simulated" else request.getfixturevalue(table)
    columns = {"mpdta": COUNTIES, "castle": STATES, "simulated": COLUMNS}[table]
    first, second = (modern_did(df, **columns, estimator=name) for name in ("callaway_santanna", "sun_abraham"))
    assert first.estimate == pytest.approx(second.estimate, abs=1e-10)
    assert first.path["estimate"].to_numpy() == pytest.approx(second.path["estimate"].to_numpy(), abs=1e-10)
    assert first.weights[["cohort", "time", "weight"]].equals(second.weights[["cohort", "time", "weight"]])


@pytest.mark.parametrize("table", ["mpdta", "castle", "simulated"])
def test_dcdh_has_the_effects_of_callaway_santanna_against_the_not_yet_treated(table, request):
    df = panel() if table == "simulated" else request.getfixturevalue(table)
    columns = {"mpdta": COUNTIES, "castle": STATES, "simulated": COLUMNS}[table]
    first = modern_did(df, **columns, estimator="dcdh")
    second = modern_did(df, **columns, estimator="callaway_santanna", control_group="not_yet_treated")
    effects = [found.path.query("period >= 0")["estimate"].to_numpy() for found in (first, second)]
    assert effects[0] == pytest.approx(effects[1], abs=1e-10)
    assert first.estimate == pytest.approx(second.estimate, abs=1e-10)
    # the other error also counts cohort sizes as drawn, which matters among 50 states
    assert first.std_error == pytest.approx(second.std_error, rel=0.15)


@pytest.mark.parametrize("estimator", ["callaway_santanna", "sun_abraham", "imputation"])
def test_estimate_is_the_mean_over_treated_city_years(estimator):
    found = standard(estimator)
    effects = found.path.query("period >= 0")
    assert np.average(effects["estimate"], weights=effects["n_units"]) == pytest.approx(found.estimate, abs=1e-10)
    if len(found.weights):
        assert found.weights["weight"].sum() == pytest.approx(1)
        assert found.weights["weight"] @ found.weights["estimate"] == pytest.approx(found.estimate, abs=1e-12)
        assert (found.weights["weight"] * 16 * 9 > 0).all()
        assert list(found.weights) == ["cohort", "time", "estimate", "std_error", "weight"]


@pytest.mark.parametrize("controls", [(), ("x",)])
def test_dcdh_covariance_has_the_package_s_errors_on_its_diagonal_and_what_it_leaves_out_beside(controls):
    df = panel()
    found = did(df, "dcdh", controls=controls)
    assert isinstance(found, EventStudyResult)
    errors = found.path.query("not is_base").set_index("period")["std_error"]
    assert np.sqrt(np.diag(found.path_covariance)) == pytest.approx(errors.to_numpy(), abs=1e-12)
    effects = found.path.query("period >= 0").set_index("period")
    weight = (effects["n_units"] / effects["n_units"].sum()).to_numpy()
    independent = float(np.sqrt((weight**2 * effects["std_error"].to_numpy() ** 2).sum()))
    fit = diff_diff.ChaisemartinDHaultfoeuille(twfe_diagnostic=False)
    fit = fit.fit(
        df.assign(d=(df["year"] >= df["start"]).astype(int)),
        outcome="y",
        unit="city",
        time="year",
        treatment="d",
        L_max=3,
        covariates=list(controls) or None,
    )
    assert fit.event_study_effects[1]["effect"] == pytest.approx(effects.loc[0, "estimate"], abs=1e-12)
    assert fit.overall_att == pytest.approx(weight[:3] @ effects["estimate"][:3] / weight[:3].sum(), abs=1e-12)
    assert found.std_error > 1.4 * independent  # years of a city go together


@pytest.mark.slow
def test_dcdh_error_is_the_spread_over_samples():
    found = [did(panel(seed, cohorts={4: 14, 6: 10, 7: 8}, never=60), "dcdh") for seed in range(200)]
    spread = np.std([effect.estimate for effect in found])
    assert np.mean([effect.std_error for effect in found]) == pytest.approx(spread, rel=0.12)


@pytest.mark.parametrize("estimator", ["sun_abraham", "imputation", "dcdh", "synthetic_did"])
def test_controls_enter_linearly(estimator):
    df = panel()
    plain = did(df, estimator, controls=["x"])
    shifted = did(df.assign(y=df["y"] + 3 * df["x"]), estimator, controls=["x"])
    assert shifted.estimate == pytest.approx(plain.estimate, abs=1e-9)
    assert shifted.std_error == pytest.approx(plain.std_error, abs=1e-9)
    assert plain.estimate != pytest.approx(standard(estimator).estimate, abs=1e-6)
    assert any("linearly" in note for note in plain.notes)


def test_callaway_santanna_adjusts_for_the_base_year_s_controls():
    df = panel()
    trending = df.assign(y=df["y"] + 3 * df["z"] * df["year"])
    adjusted = did(trending, "callaway_santanna", controls=["z"])
    assert adjusted.estimate == pytest.approx(did(df, "callaway_santanna", controls=["z"]).estimate, abs=1e-9)
    assert any("outcome regression" in note for note in adjusted.notes)  # seven cities are too few for a logit


def test_synthetic_did_of_one_cohort_is_the_package_s():
    df = panel(cohorts={6: 5})
    found = did(df, "synthetic_did")
    fit = diff_diff.SyntheticDiD(variance_method="jackknife", n_bootstrap=0).fit(
        df.assign(treated=df["start"].notna().astype(int)),
        outcome="y",
        treatment="treated",
        unit="city",
        time="year",
        post_periods=[6, 7, 8, 9],
    )
    assert (found.estimate, found.std_error) == pytest.approx((fit.att, fit.se), abs=1e-12)
    assert found.path.query("period >= 0")["estimate"].mean() == pytest.approx(fit.att, abs=1e-12)
    before = found.path.query("period < 0")["estimate"].to_numpy()
    assert before @ np.array(list(fit.time_weights.values())) == pytest.approx(0, abs=1e-12)
    assert not found.path["is_base"].any()


def test_synthetic_did_averages_its_cohorts_by_treated_city_years():
    df = panel()
    parts = {4: (7, 6), 6: (5, 4), 7: (4, 3)}  # cities and treated years
    alone = [did(df[df["start"].isna() | (df["start"] == g)], "synthetic_did").estimate for g in parts]
    expected = np.average(alone, weights=[cities * years for cities, years in parts.values()])
    assert standard("synthetic_did").estimate == pytest.approx(expected, abs=1e-12)


def test_synthetic_did_jackknife_leaves_out_each_city_in_turn():
    df = panel(cohorts={4: 3, 6: 2}, never=7)
    found = did(df, "synthetic_did")
    fits, parts = {}, df.groupby("city")["start"].first()
    for g in (4, 6):
        part = df[df["start"].isna() | (df["start"] == g)].assign(treated=lambda d: d["start"].notna().astype(int))
        fits[g] = diff_diff.SyntheticDiD(variance_method="jackknife", n_bootstrap=0).fit(
            part, outcome="y", treatment="treated", unit="city", time="year", post_periods=list(range(g, 10))
        )
    wide, total = df.pivot(index="city", columns="year", values="y"), 3 * 6 + 2 * 4

    def without(city: int) -> float:
        sums = 0.0
        for g, fit in fits.items():
            omega = pd.Series(fit.unit_weights).drop(city, errors="ignore")
            members = parts.index[(parts == g) & (parts.index != city)]
            gap = wide.loc[members].mean() - (omega / omega.sum()) @ wide.loc[omega.index]
            before = pd.Series(fit.time_weights)
            sums += (parts == g).sum() * (gap.loc[g:] - before @ gap[before.index]).sum()
        return sums / total

    left_out = np.array([without(city) for city in parts.index])
    n = len(left_out)
    expected = np.sqrt((n - 1) / n * ((left_out - left_out.mean()) ** 2).sum())
    assert found.std_error == pytest.approx(expected, rel=1e-10)


def test_placebo_draws_depend_on_the_seed_alone():
    df = panel(cohorts={4: 2, 6: 2}, never=8)
    draws = [did(df, "synthetic_did", n_boot=6, seed=seed) for seed in (1, 1, 2)]
    assert draws[0].path.equals(draws[1].path)
    assert draws[0].std_error == draws[1].std_error != draws[2].std_error
    jackknife = did(df, "synthetic_did")
    assert draws[0].estimate == jackknife.estimate


@pytest.mark.slow
def test_placebo_errors_agree_with_the_jackknife():
    df = panel(cohorts={4: 14, 6: 10, 7: 8}, never=90)
    errors = [did(df, "synthetic_did", n_boot=n).std_error for n in (0, 200)]
    assert errors[0] == pytest.approx(errors[1], rel=0.25)


# ---------------------------------------------------------------------------------------------------------------------
# planted effects


def test_all_find_a_constant_effect():
    df = panel(6)
    for estimator in ALL:
        found = did(df, estimator)
        assert abs(found.estimate - 1.5) < 2 * found.std_error
        assert found.std_error < 0.25


def test_effects_that_grow_and_differ_are_covered_where_the_two_way_regression_is_wrong():
    def growing(start: np.ndarray, since: np.ndarray) -> np.ndarray:
        return (9.0 - start) * (1 + since) / 4

    df = panel(6, cohorts={3: 8, 5: 8, 7: 8}, effect=growing, never=20)
    truth = df.loc[df["year"] >= df["start"], "tau"].mean()
    for estimator in ALL[:4]:
        found = did(df, estimator)
        assert found.low < truth < found.high
    assert abs(two_way(df, "y", "city", "year", "start") - truth) > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ALL)
def test_intervals_cover_the_planted_effect(estimator):
    def growing(start: np.ndarray, since: np.ndarray) -> np.ndarray:
        return (9.0 - start) * (1 + since) / 4

    inside = []
    for seed in range(100):
        df = panel(seed, cohorts={4: 14, 6: 10, 7: 8}, never=60, effect=growing)
        found = did(df, estimator)
        inside.append(found.low < df.loc[df["year"] >= df["start"], "tau"].mean() < found.high)
    assert 0.88 < np.mean(inside) <= 1


# ---------------------------------------------------------------------------------------------------------------------
# what the result says


@pytest.mark.parametrize("estimator", ALL)
def test_result_is_of_one_kind(estimator):
    found = standard(estimator)
    assert isinstance(found, EffectResult)
    assert list(found.path) == PATH
    assert found.path["period"].is_monotonic_increasing
    assert found.path.loc[found.path["is_base"], "period"].tolist() == ([] if estimator == "synthetic_did" else [-1])
    assert (found.path["low"].isna() == found.path["std_error"].isna()).all()
    assert (found.low + found.high) / 2 == pytest.approx(found.estimate)
    assert found.high - found.low == pytest.approx(2 * stats.norm.ppf(0.975) * found.std_error)
    assert found.p_value == pytest.approx(2 * stats.norm.sf(abs(found.estimate / found.std_error)))
    assert "treated unit-periods" in found.notes[0]
    assert found.options["estimator"] == estimator


def test_estimators_have_their_names():
    assert [standard(estimator).estimator for estimator in ALL] == [
        "Callaway-Sant'Anna",
        "Sun-Abraham",
        "Imputation (Borusyak-Jaravel-Spiess)",
        "de Chaisemartin-D'Haultfœuille",
        "Synthetic DID",
    ]


@pytest.mark.parametrize("estimator", ALL)
def test_window_cuts_the_path_and_level_the_intervals(estimator):
    whole, cut = standard(estimator), did(panel(), estimator, window=(-2, 1), level=0.5)
    assert cut.path["period"].tolist() == [-2, -1, 0, 1]
    assert (cut.estimate, cut.std_error) == (whole.estimate, whole.std_error)
    assert cut.high - cut.low < whole.high - whole.low
    same = ["period", "estimate", "std_error", "p_value", "n_units", "is_base"]
    inside = whole.path[whole.path["period"].between(-2, 1)].reset_index(drop=True)
    pd.testing.assert_frame_equal(cut.path[same], inside[same])
    if isinstance(cut, EventStudyResult):
        assert cut.path_covariance.index.tolist() == [-2, 0, 1]


@pytest.mark.parametrize("estimator", ALL)
@pytest.mark.parametrize("shift", [-4, -5, -9])
def test_a_year_zero_or_before_is_a_year_like_any_other(estimator, shift):
    df = panel(0, cohorts={4: 4, 5: 3}, never=8, years=6)
    first = did(df, estimator)
    second = did(df.assign(year=df["year"] + shift, start=(df["start"] + shift).astype("Int64")), estimator)
    assert second.estimate == pytest.approx(first.estimate, rel=1e-9)
    assert second.std_error == pytest.approx(first.std_error, rel=1e-6)
    if "cohort" in first.weights:
        assert (second.weights["cohort"] - first.weights["cohort"]).eq(shift).all()


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.sampled_from(ALL), st.floats(0.01, 100), st.integers(-5, 2000))
def test_order_of_rows_names_of_cities_unit_of_measure_and_calendar_do_not_matter(seed, estimator, scale, shift):
    df = panel(seed, cohorts={4: 4, 5: 3}, never=8, years=6)
    other = df.sample(frac=1, random_state=seed % 1000).assign(
        city=lambda d: "city " + d["city"].astype(str),
        y=lambda d: scale * d["y"],
        year=lambda d: d["year"] + shift,
        start=lambda d: (d["start"] + shift).astype("Int64"),
    )
    first, second = did(df, estimator), did(other, estimator)
    assert second.estimate == pytest.approx(scale * first.estimate, rel=1e-6, abs=1e-9 * scale)
    assert second.std_error == pytest.approx(scale * first.std_error, rel=1e-5)
    assert second.path["period"].tolist() == first.path["period"].tolist()


def test_input_is_not_changed():
    df = panel()
    before = df.copy()
    for estimator in ("callaway_santanna", "dcdh", "synthetic_did"):
        did(df, estimator, controls=["x"])
    pd.testing.assert_frame_equal(df, before)


@pytest.mark.parametrize("estimator", ALL)
def test_adopting_after_the_last_year_counts_as_never(estimator):
    df = panel()
    late = df.assign(start=df["start"].mask(df["city"] == 39, 12))
    found = did(late, estimator)
    assert found.estimate == standard(estimator).estimate
    assert any("39" in note and "never treated" in note for note in found.notes)


def test_cohort_of_one_has_no_error_of_its_own(castle):
    found = modern_did(castle, **STATES, estimator="callaway_santanna")
    alone = found.weights["cohort"].isin([2006, 2010])
    assert (found.weights["std_error"].isna() == alone).all()
    assert any("2006, 2010" in note for note in found.notes)
    path = found.path.set_index("period")
    assert path.loc[-10, "n_units"] == 1
    assert np.isnan(path.loc[-10, "std_error"])
    assert path.loc[0, "std_error"] > 0
    assert -10 not in found.path_covariance.index
    lone = panel(cohorts={5: 1})
    for estimator in ALL:
        assert np.isnan(did(lone, estimator).std_error)
    assert did(lone, "synthetic_did", n_boot=10).std_error > 0


@pytest.mark.parametrize("estimator", ["callaway_santanna", "imputation", "dcdh"])
def test_later_cohorts_stand_in_for_the_never_treated(estimator):
    df = panel(never=0)
    found = did(df, estimator, control_group="not_yet_treated")
    assert found.path["period"].max() == 2  # nobody is untreated from year 7 on
    assert any("nobody to be compared with" in note for note in found.notes) or estimator == "dcdh"
    assert abs(found.estimate - 1.5) < 3 * found.std_error


def test_unbalanced_panels_are_estimated_or_refused():
    df = panel().drop(index=[3, 40, 200])
    for estimator in ("callaway_santanna", "sun_abraham", "imputation"):
        assert abs(did(df, estimator).estimate - standard(estimator).estimate) < 0.1
    assert any("unbalanced" in note for note in did(df, "callaway_santanna").notes)
    for estimator in ("dcdh", "synthetic_did"):
        with pytest.raises(UnbalancedPanelError, match="0 4"):
            did(df, estimator)


def test_missing_values_are_refused_or_listed():
    df = panel()
    df.loc[5, "y"] = np.nan
    with pytest.raises(MissingValueError, match="0 6"):
        did(df, "callaway_santanna")
    found = did(df, "callaway_santanna", missing="drop")
    assert found.sample.dropped == (("missing 'y'", ((0, 6),)),)
    assert found.n_obs == len(df) - 1
    assert found.estimate == did(df.drop(index=5), "callaway_santanna").estimate


def test_known_warnings_become_notes_and_others_pass():
    with pytest.warns(RuntimeWarning, match="unheard of"), _noting({"seen": "noted", "quiet": ""}) as notes:
        for text in ("seen once", "seen twice", "quiet"):
            warnings.warn(text, stacklevel=1)
        warnings.warn("unheard of", RuntimeWarning, stacklevel=1)
    assert notes == ["noted"]


# ---------------------------------------------------------------------------------------------------------------------
# bad input

CITY_0, CITY_1 = slice(0, 9), slice(9, 18)


def at(df: pd.DataFrame, rows: slice | int, value: object, column: str = "start") -> pd.DataFrame:
    df = df.astype({column: object})
    df.iloc[rows, df.columns.get_loc(column)] = value
    return df


REFUSED = {
    "no such column": (lambda d: d, {"outcome": "light"}, KeyColumnError, "light"),
    "repeated row": (lambda d: pd.concat([d, d.iloc[[0]]]), {}, KeyColumnError, "0 1"),
    "half years": (lambda d: d.assign(year=d["year"] / 2), {}, DomainError, "whole numbers"),
    "gap": (lambda d: d[d["year"] != 5], {}, DomainError, "without a gap .*5"),
    "two dates": (lambda d: at(d, 0, 5), {}, TreatmentPathError, "same in all rows .*0"),
    "date and none": (lambda d: at(d, 0, None), {}, TreatmentPathError, "same in all rows .*0"),
    "text": (lambda d: at(d, CITY_0, "2010?"), {}, DomainError, "text where a number"),
    "half date": (lambda d: at(d, CITY_0, 4.5), {}, DomainError, "whole number or missing .*0"),
    "infinite date": (lambda d: at(d, CITY_0, np.inf), {}, DomainError, "whole number or missing .*0"),
    "first year": (lambda d: at(at(d, CITY_0, 1), CITY_1, 0), {}, TreatmentPathError, r"first period on.*: 0; 1\)"),
    "nobody treated": (lambda d: d.assign(start=np.nan), {}, TreatmentPathError, "no unit is treated"),
    "nobody else": (lambda d: d[d["start"].notna()], {}, NoControlsError, "not_yet_treated"),
    "base": (lambda d: d, {"base": -2}, DomainError, "base=-2"),
    "window": (lambda d: d, {"window": (0, 3)}, DomainError, "window"),
    "draws": (lambda d: d, {"n_boot": -1}, DomainError, "negative"),
    "control group": (lambda d: d, {"control_group": "later"}, DomainError, "choose one of"),
    "collinear controls": (lambda d: d.assign(w=2 * d["x"]), {"controls": ["x", "w"]}, RankError, "combinations"),
    "text control": (lambda d: at(d, 0, "n/a", "x"), {"controls": ["x"]}, DomainError, "text where a number"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("estimator", ALL)
def test_every_estimator_refuses(estimator, case):
    spoil, options, error, message = REFUSED[case]
    with pytest.raises(error, match=message) as caught:
        did(spoil(panel()), estimator, **options)
    assert isinstance(caught.value, RegionError)
    assert caught.value.remedy


@pytest.mark.parametrize("estimator", ["sun_abraham", "imputation", "dcdh", "synthetic_did"])
def test_controls_without_variation_inside_cities_are_refused(estimator):
    with pytest.raises(RankError, match="'z': the unit and time effects absorb it"):
        did(panel(), estimator, controls=["x", "z"])


def test_what_an_estimator_does_not_have_is_refused():
    df = panel()
    with pytest.raises(DomainError, match="choose one of"):
        did(df, "two_stage")
    for estimator in ("sun_abraham", "synthetic_did"):
        with pytest.raises(DomainError, match="never treated alone"):
            did(df, estimator, control_group="not_yet_treated")
    with pytest.raises(DomainError, match="analytic errors"):
        did(df, "imputation", n_boot=99)
    with pytest.raises(NoControlsError, match="every unit is treated"):
        did(panel(never=0, cohorts={5: 6}), "callaway_santanna", control_group="not_yet_treated")
    with pytest.raises(NoControlsError, match="16 of 16"):
        did(panel(never=16), "synthetic_did", n_boot=5)
    with pytest.raises(TreatmentPathError, match="two periods before adoption"):
        did(panel(cohorts={2: 3, 5: 3}), "synthetic_did")


# ---------------------------------------------------------------------------------------------------------------------
# bounds

# Medicaid and health insurance (Rambachan and Roth's example): two-way event study of states first treated in 2014,
# 2008-2015, base 2013, clustered by state; rows of the covariance are 2008, ..., 2012, 2014
MEDICAID = [-0.005285354533, -0.011297324648, -0.002675991812, -0.001419312252, 0.000339663519, 0.04644685416]
MEDICAID_COVARIANCE = 1e-5 * np.array(
    [
        [7.488483635898, 6.039874095644, 4.444619818461, 3.385764706089, 4.328011254743, 4.765880478778],
        [6.039874095644, 7.266500616997, 3.789330221288, 2.866578025148, 4.543320628404, 4.428850119318],
        [4.444619818461, 3.789330221288, 5.052051940163, 2.673679432484, 2.778193567674, 3.060644108905],
        [3.385764706089, 2.866578025148, 2.673679432484, 4.003222026338, 2.412859975716, 2.380868209073],
        [4.328011254743, 4.543320628404, 2.778193567674, 2.412859975716, 5.462662207054, 3.682531051743],
        [4.765880478778, 4.428850119318, 3.060644108905, 2.380868209073, 3.682531051743, 8.375668824677],
    ]
)


def study(
    leads: list[float] | np.ndarray,
    effects: list[float] | np.ndarray,
    covariance: np.ndarray,
    treated: list[int] | None = None,
    base: int = -1,
) -> EventStudyResult:
    """A path with leads up to -2, the base and effects from 0 on, relative to the base -1 or, if said, to another."""
    periods = [*range(-1 - len(leads), -1), *range(len(effects))]
    beta = pd.Series([*leads, 0.0, *effects], index=range(periods[0], len(effects)))
    spread = pd.DataFrame(covariance, index=periods, columns=periods).reindex(beta.index, fill_value=0.0)
    spread = spread.reindex(columns=beta.index, fill_value=0.0)
    shift = np.eye(len(beta)) - np.outer(np.ones(len(beta)), beta.index == base)
    spread = pd.DataFrame(shift @ spread.to_numpy() @ shift.T, index=beta.index, columns=beta.index)
    path = pd.DataFrame(
        {
            "period": beta.index,
            "estimate": shift @ beta.to_numpy(),
            "std_error": np.sqrt(np.diag(spread)),
            "n_units": [*[9] * (len(leads) + 1), *(treated or [9] * len(effects))],
            "is_base": beta.index == base,
        }
    )
    path.loc[path["is_base"], "std_error"] = np.nan
    others = [k for k in beta.index if k != base]
    numbers = {"estimate": 0.0, "std_error": 1.0, "p_value": 1.0, "low": 0.0, "high": 0.0, "level": 0.95}
    return EventStudyResult(
        sample=Sample(1, 1),
        options=frozen_options(),
        estimator="made up",
        **numbers,
        n_obs=1,
        n_units=1,
        n_clusters=1,
        path=path,
        path_covariance=spread.loc[others, others],
    )


def random_study(seed: int, leads: int, effects: int, base: int = -1) -> EventStudyResult:
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(leads + effects, leads + effects + 3))
    return study(
        rng.normal(size=leads),
        rng.normal(size=effects),
        root @ root.T / 20,
        rng.integers(1, 9, effects).tolist(),
        base,
    )


def pieces(found: EventStudyResult) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Leads, effects, covariance and weights of a made-up study with base -1."""
    path = found.path.set_index("period")
    effects = path[path.index >= 0]
    return (
        path.loc[path.index < -1, "estimate"].to_numpy(),
        effects["estimate"].to_numpy(),
        found.path_covariance.to_numpy(),
        (effects["n_units"] / effects["n_units"].sum()).to_numpy(),
    )


def trend_differences(leads: int, effects: int, order: int) -> np.ndarray:
    """Matrix of the differences of a trend that is zero in period -1, by lead and effect."""
    levels = np.insert(np.eye(leads + effects), leads, 0.0, axis=0)
    return np.diff(levels, n=order, axis=0)


def test_smoothness_gives_the_published_intervals_for_medicaid():
    found = honest_bounds(study(MEDICAID[:5], MEDICAID[5:], MEDICAID_COVARIANCE), m=[0, 0.01, 0.02, 0.03, 0.04, 0.05])
    # README of R HonestDiD 0.2; its covariance has another small-sample factor
    published = [
        (0.0259, 0.0607),
        (0.0132, 0.0787),
        (0.00286, 0.0907),
        (-0.00714, 0.101),
        (-0.0171, 0.111),
        (-0.0271, 0.121),
    ]
    frame = found.to_frame()
    assert frame[["low", "high"]].to_numpy() == pytest.approx(np.array(published), abs=3e-4)
    assert frame["excludes_zero"].tolist() == [True] * 3 + [False] * 3
    assert 0.02 < found.breakdown < 0.03
    assert set(frame["method"]) == {"fixed-length confidence interval"}


def test_smoothness_gives_the_package_s_intervals(mpdta):
    found = modern_did(mpdta, **COUNTIES, estimator="callaway_santanna", window=(-4, 2))
    grid = [0.0, 0.01]
    frame = honest_bounds(found, m=grid, level=0.9).to_frame()
    leads, effects, covariance, weights = pieces(found)
    for m, low, high in zip(grid, frame["low"], frame["high"], strict=True):
        slow = diff_diff.honest_did._compute_optimal_flci(
            leads, effects, covariance, weights, len(leads), len(effects), m, 0.1
        )
        assert (low, high) == pytest.approx(slow, abs=1e-5)  # the package searches a grid
        assert high - low <= slow[1] - slow[0] + 1e-9


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_at_zero_smoothness_takes_off_the_best_fitting_line(seed, n_leads, n_effects):
    found = random_study(seed, n_leads, n_effects)
    leads, effects, covariance, weights = pieces(found)
    line = np.array([*range(-n_leads, 0), *range(1, n_effects + 1)], dtype=float)
    design = np.column_stack([line, np.vstack([np.zeros((n_leads, n_effects)), np.eye(n_effects)])])
    bread = np.linalg.inv(design.T @ np.linalg.solve(covariance, design))
    fit = bread @ design.T @ np.linalg.solve(covariance, np.append(leads, effects))
    reach = stats.norm.ppf(0.975) * np.sqrt(weights @ bread[1:, 1:] @ weights)
    bounds = honest_bounds(found, m=[0])
    centre = weights @ fit[1:]
    expected = (centre - reach, centre + reach)
    assert bounds.to_frame().loc[0, ["low", "high"]].tolist() == pytest.approx(expected, rel=1e-6, abs=1e-8)
    if n_leads == 1:
        assert centre == pytest.approx(weights @ (effects + leads[0] * np.arange(1, n_effects + 1)))


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4))
def test_worst_bias_is_that_of_the_linear_program(seed, n_leads, n_effects):
    leads, effects, covariance, weights = pieces(random_study(seed, n_leads, n_effects))
    frontier = _Frontier.of(leads, effects, covariance, weights)
    u = np.random.default_rng(seed).normal(size=n_leads - 1)
    slopes = trend_differences(n_leads, n_effects, 1)
    contrast = np.append(np.zeros(n_leads), weights) - weights @ np.arange(1, n_effects + 1) * slopes[n_leads - 1]
    contrast = contrast + u @ trend_differences(n_leads, n_effects, 2)[: n_leads - 1]
    bends = trend_differences(n_leads, n_effects, 2)
    worst = optimize.linprog(
        -contrast, A_ub=np.vstack([bends, -bends]), b_ub=np.ones(2 * len(bends)), bounds=(None, None)
    )
    assert -worst.fun == pytest.approx(frontier.constant + np.abs(u).sum(), abs=1e-7)
    assert frontier.start + u @ frontier.changes == pytest.approx(contrast @ np.append(leads, effects))


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1), st.floats(0.01, 3))
def test_no_estimator_has_a_shorter_interval(seed, m):
    leads, effects, covariance, weights = pieces(random_study(seed, 3, 2))
    frontier = _Frontier.of(leads, effects, covariance, weights)
    low, high = frontier.interval(m, 0.95)

    reach = np.linspace(-1, 1, 81) * (np.abs(frontier.corners).max() + 0.1)
    u = np.stack(np.meshgrid(reach, reach), axis=-1).reshape(-1, 2)
    full = np.column_stack([np.ones(len(u)), u])
    error = np.sqrt(np.einsum("ij,jk,ik->i", full, frontier.variance, full))
    bias = m * (frontier.constant + np.abs(u).sum(axis=1))
    half = error * np.sqrt(stats.ncx2.ppf(0.95, 1, (bias / error) ** 2))
    assert (high - low) / 2 <= half.min() * (1 + 1e-9)
    assert (high - low) / 2 == pytest.approx(half.min(), rel=5e-3)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_lasso_path_meets_its_conditions_at_every_corner(seed, n):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, n + 1))
    gram, score = root @ root.T, rng.normal(size=n)
    corners = _lasso_path(gram, score)
    assert (corners[0] == 0).all()
    assert corners[-1] == pytest.approx(-np.linalg.solve(gram, score), rel=1e-6, abs=1e-8)
    for u in [*corners, *((corners[1:] + corners[:-1]) / 2)]:
        gradient = gram @ u + score
        penalty = np.abs(gradient).max()
        active = np.abs(u) > 1e-9
        assert gradient[active] == pytest.approx(-penalty * np.sign(u[active]), abs=1e-7)


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 4), st.floats(0, 3))
def test_identified_set_is_that_of_the_linear_program(seed, n_leads, n_effects, m):
    found = random_study(seed, n_leads, n_effects)
    leads, effects, _, weights = pieces(found)
    steps = trend_differences(n_leads, n_effects, 1)
    largest = np.abs(np.diff(np.append(leads, 0.0))).max()
    after = steps[n_leads:]
    ends = []
    for sign in (1, -1):
        worst = optimize.linprog(
            sign * np.append(np.zeros(n_leads), weights),
            A_ub=np.vstack([after, -after]),
            b_ub=np.full(2 * n_effects, m * largest),
            A_eq=np.eye(n_leads, n_leads + n_effects),
            b_eq=leads,
            bounds=(None, None),
        )
        ends.append(weights @ effects - sign * worst.fun)
    frame = honest_bounds(found, restriction="relative_magnitude", m=[m]).to_frame()
    assert frame.loc[0, ["high", "low"]].tolist() == pytest.approx(ends, abs=1e-7)
    assert frame.loc[0, "method"] == "identified set"


def test_relative_magnitude_at_zero_is_the_estimate_and_breaks_down_where_zero_enters():
    found = study([0.1, -0.1], [1.0, 2.0], np.eye(4), treated=[3, 1])
    bounds = honest_bounds(found, restriction="relative_magnitude", m=[0, 1, 6, 7])
    assert bounds.estimate == pytest.approx(1.25)
    assert bounds.weights.tolist() == [0.75, 0.25]
    frame = bounds.to_frame()
    assert frame.loc[0, ["low", "high"]].tolist() == [1.25, 1.25]
    # steps of 0.2 a year: 0.75 x 0.2 + 0.25 x 0.4 for each m
    assert frame.loc[1, ["low", "high"]].tolist() == pytest.approx([1.0, 1.5])
    assert frame["excludes_zero"].tolist() == [True, True, False, False]
    assert bounds.breakdown == pytest.approx(5.0)


@settings(max_examples=5)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["smoothness", "relative_magnitude"]))
def test_bounds_widen_with_m(seed, restriction):
    found = random_study(seed, 3, 3)
    frame = honest_bounds(found, restriction=restriction, m=np.linspace(0, 4, 9)).to_frame()
    assert (np.diff(frame["high"] - frame["low"]) > 0).all()
    if restriction == "relative_magnitude":
        assert (np.diff(frame["low"]) < 0).all()


@settings(max_examples=6)
@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_zero_enters_at_the_breakdown_value(seed, n_leads):
    found = random_study(seed, n_leads, 2)
    bounds = honest_bounds(found)
    if np.isnan(bounds.breakdown):
        assert not honest_bounds(found, m=[0]).to_frame().loc[0, "excludes_zero"]
    else:
        edge = honest_bounds(found, m=[bounds.breakdown]).to_frame().loc[0]
        assert min(abs(edge["low"]), abs(edge["high"])) < 1e-5 * (edge["high"] - edge["low"])


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["smoothness", "relative_magnitude"]))
def test_bounds_do_not_depend_on_the_base_of_the_path(seed, restriction):
    first, second = (random_study(seed, 3, 2, base) for base in (-1, -3))
    grid = [0.0, 0.3, 1.0]
    frames = [honest_bounds(found, restriction=restriction, m=grid).to_frame() for found in (first, second)]
    ends = [frame[["low", "high"]].to_numpy() for frame in frames]
    assert ends[0] == pytest.approx(ends[1], abs=1e-6)


def test_intervals_without_bias_are_conventional_in_length():
    found = study([0.0], [2.0], np.eye(2))
    frame = honest_bounds(found, m=[0.0], level=0.9).to_frame()
    reach = stats.norm.ppf(0.95) * np.sqrt(2)  # the effect less the one slope, both with variance one
    assert frame.loc[0, ["low", "high"]].tolist() == pytest.approx([2 - reach, 2 + reach])
    assert honest_bounds(found, m=[0.0]).std_error == 1.0


def test_default_grid_is_a_multiple_of_what_the_leads_show():
    found = study([0.4, 0.0, 0.1], [1.0], np.eye(4) / 100)
    assert honest_bounds(found).to_frame()["m"].tolist() == pytest.approx([0, 0.125, 0.25, 0.375, 0.5])
    assert honest_bounds(found, restriction="relative_magnitude").to_frame()["m"].max() == 1
    assert honest_bounds(study([0.2], [1.0], np.eye(2))).to_frame()["m"].max() == pytest.approx(0.2)


def test_bounds_of_every_path_with_a_covariance(mpdta):
    for estimator in ("sun_abraham", "dcdh"):
        bounds = honest_bounds(modern_did(mpdta, **COUNTIES, estimator=estimator, window=(-3, 1)))
        assert bounds.to_frame()["low"].notna().all()
        assert bounds.sample.rows_used == 2500
        assert "m" in bounds.summary()
    for estimator in ("callaway_santanna", "sun_abraham"):
        whole = modern_did(mpdta, **COUNTIES, estimator=estimator)
        bounds = honest_bounds(whole)
        assert bounds.estimate == pytest.approx(whole.estimate, abs=1e-12)
        # cohort sizes count as drawn in the one's error of the mean and as given in the bounds
        assert bounds.std_error == pytest.approx(whole.std_error, rel=0.03)


def test_periods_without_an_error_are_left_out_and_named(castle):
    bounds = honest_bounds(modern_did(castle, **STATES, estimator="callaway_santanna"))
    assert any("-10" in note for note in bounds.notes)


def test_bounds_refuse():
    whole = random_study(0, 2, 2)
    with pytest.raises(DomainError, match="has no covariance"):
        honest_bounds(standard("imputation"))
    with pytest.raises(DomainError, match="choose one of"):
        honest_bounds(whole, restriction="combined")
    with pytest.raises(DomainError, match="must not be negative"):
        honest_bounds(whole, m=[0, -1])
    with pytest.raises(DomainError, match="need a lead"):
        honest_bounds(did(panel(), "sun_abraham", window=(-1, 2)))
    gap = random_study(0, 3, 2)
    gap.path.loc[gap.path["period"] == -3, "std_error"] = np.nan
    with pytest.raises(DomainError, match=r"gap.*-3"):
        honest_bounds(gap)
    with pytest.raises(RankError, match="singular"):
        honest_bounds(study([0.1, 0.2, 0.3], [1.0], np.ones((4, 4))))


def test_error_messages_name_one_remedy():
    with pytest.raises(NoControlsError) as caught:
        did(panel(never=0), "sun_abraham")
    assert len(re.findall("Remedy", str(caught.value))) == 1
