"""Mediation and moderation: the regressions they are, refits for the draws, planted paths, bad input."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    RankError,
    SampleMismatchError,
)
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.mediation import MediationResult, mediation, moderation
from regiometrics.estimate.resampling import bootstrap, jackknife

KEYS = {"unit": "city", "time": "year"}

# ---------------------------------------------------------------------------------------------------------------------
# moderation

MODEL = {"outcome": "indg", "treatment": "policy", "moderator": "innoap", "controls": ["ln_gdp"], **KEYS}
TERMS = ["policy", "innoap", "policy x innoap", "ln_gdp"]


def panel(seed: int = 0, cities: int = 24, years: int = 8) -> pd.DataFrame:
    """A policy that lowers a gap the more, the higher the moderator; the policy moves the moderator too."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(itertools.product(range(cities), range(2003, 2003 + years)), columns=["city", "year"])
    df["policy"] = ((df["city"] % 3 == 0) & (df["year"] > 2005 + df["city"] % 4)).astype(int)
    df["ln_gdp"] = 16 + rng.normal(size=len(df))
    df["innoap"] = 4 + 0.7 * df["policy"] + rng.normal(size=cities)[df["city"]] + rng.normal(size=len(df))
    df["indg"] = 0.5 - 0.02 * df["policy"] * df["innoap"] + 0.01 * df["innoap"] + 0.02 * rng.normal(size=len(df))
    df["region"] = df["city"] // 2
    return df.sample(frac=1, random_state=2).set_axis([5] * len(df))


@pytest.mark.parametrize("center", [True, False])
def test_equations_are_the_two_regressions(center):
    df = panel()
    result = moderation(df, **MODEL, center=center)
    mean = df["innoap"].mean() if center else 0
    df["product"] = df["policy"] * (df["innoap"] - mean)
    first = twfe(df, outcome="innoap", regressors=["policy", "ln_gdp"], **KEYS)
    second = twfe(df, outcome="indg", regressors=["policy", "innoap", "product", "ln_gdp"], **KEYS)
    assert result.centre == pytest.approx(mean)
    frame = result.to_frame()
    assert frame["equation"].tolist() == [1, 1, 2, 2, 2, 2]
    assert frame["outcome"].tolist() == ["innoap"] * 2 + ["indg"] * 4
    assert frame["term"].tolist() == ["policy", "ln_gdp", *TERMS]
    for number, slow in ((1, first), (2, second)):
        part = frame.loc[frame["equation"] == number].reset_index(drop=True)
        pd.testing.assert_frame_equal(part.drop(columns=["equation", "outcome", "term"]), slow.to_frame().iloc[:, 1:])


def test_centring_moves_the_treatment_to_its_effect_at_the_mean_and_nothing_else():
    df = panel(1)
    centred, plain = (moderation(df, **MODEL, center=c) for c in (True, False))
    others = ["innoap", "policy x innoap", "ln_gdp"]
    np.testing.assert_allclose(centred.second.estimate[others], plain.second.estimate[others], rtol=1e-8)
    np.testing.assert_allclose(centred.second.std_error[others], plain.second.std_error[others], rtol=1e-8)
    row, mean = centred.second.to_frame().iloc[0], df["innoap"].mean()
    at_mean = plain.effect_at(mean).iloc[0]
    assert at_mean["moderator"] == mean
    for column, name in (("effect", "estimate"), ("std_error", "std_error"), ("low", "low"), ("high", "high")):
        assert at_mean[column] == pytest.approx(row[name], rel=1e-8)
    at_zero = centred.effect_at(0).iloc[0]
    assert at_zero["effect"] == pytest.approx(plain.second.estimate["policy"], rel=1e-8)
    assert at_zero["std_error"] == pytest.approx(plain.second.std_error["policy"], rel=1e-8)


@settings(max_examples=10)
@given(value=st.floats(-10, 20), vcov=st.sampled_from(["iid", "robust", "cluster"]))
def test_effect_at_a_value_is_the_treatment_of_a_regression_centred_there(value, vcov):
    df = panel(2)
    df["product"] = df["policy"] * (df["innoap"] - value)
    slow = twfe(df, outcome="indg", regressors=["policy", "innoap", "product", "ln_gdp"], **KEYS, vcov=vcov, level=0.9)
    row = slow.to_frame().iloc[0]
    at = moderation(df, **MODEL, vcov=vcov, level=0.9).effect_at([value, 1]).iloc[0]
    for column, name in (("effect", "estimate"), ("std_error", "std_error"), ("low", "low"), ("high", "high")):
        assert at[column] == pytest.approx(row[name], rel=1e-6, abs=1e-12)


def test_planted_moderation_is_found():
    found = [moderation(panel(seed), **MODEL) for seed in range(20)]
    slopes = np.array([r.second.estimate["policy x innoap"] for r in found])
    errors = np.array([r.second.std_error["policy x innoap"] for r in found])
    assert slopes.mean() == pytest.approx(-0.02, abs=4 * slopes.std(ddof=1) / 20**0.5)
    reach = stats.t.ppf(0.975, 23)
    assert (np.abs(slopes + 0.02) < reach * errors).mean() >= 0.8
    moved = np.array([r.first.estimate["policy"] for r in found])
    assert moved.mean() == pytest.approx(0.7, abs=4 * moved.std(ddof=1) / 20**0.5)


def test_effect_at_shrinks_towards_the_middle_and_grows_outwards():
    at = moderation(panel(3), **MODEL).effect_at(np.linspace(-20, 30, 51))
    widths = (at["high"] - at["low"]).to_numpy()
    lowest = widths.argmin()
    assert (np.diff(widths[: lowest + 1]) < 0).all()
    assert (np.diff(widths[lowest:]) > 0).all()
    assert list(at.columns) == ["moderator", "effect", "std_error", "low", "high"]


def test_both_equations_stand_on_the_same_rows():
    """A city without outcome is lost to the first equation too, and the mean is that of the rows left."""
    df = panel(4)
    df["indg"] = df["indg"].where((df["city"] != 3) | (df["year"] == 2003))
    df = pd.concat([df, df.iloc[:1].assign(city=77)])
    with pytest.raises(MissingValueError, match="'indg'"):
        moderation(df, **MODEL)
    before = df.copy()
    result = moderation(df, **MODEL, missing="drop")
    pd.testing.assert_frame_equal(df, before)
    assert result.first.n_obs == result.second.n_obs == 23 * 8
    assert result.sample == result.first.sample == result.second.sample
    reasons = {reason: len(keys) for reason, keys in result.sample.dropped}
    assert reasons == {"missing 'indg'": 7, "only row of its 'city'": 2}
    assert result.centre == pytest.approx(df.loc[~df["city"].isin([3, 77]), "innoap"].mean())


def test_clusters_reach_both_equations():
    result = moderation(panel(5), **MODEL, cluster="region")
    assert (result.first.n_clusters, result.second.n_clusters) == (12, 12)
    assert result.options["cluster"] == ("region",)
    assert "policy x innoap" in result.summary()


@pytest.mark.parametrize(
    ("columns", "options", "error", "message"),
    [
        ({"policy": 1}, {}, RankError, "'policy'.*no variation"),
        ({"innoap": lambda d: d["city"] * 1.0}, {}, RankError, "'innoap'.*no variation"),
        ({"innoap": lambda d: 3.0 * d["policy"]}, {}, RankError, "'innoap'.*collinear"),
        ({"innoap": lambda d: d["innoap"] * (1 - d["policy"])}, {}, RankError, "'policy x innoap'.*collinear"),
        (
            {"innoap": lambda d: d["innoap"] * (1 - d["policy"])},
            {"center": False},
            RankError,
            "'policy x innoap'.*no var",
        ),
        ({}, {"moderator": "isa"}, KeyColumnError, "'isa' is not in the table"),
        ({}, {"vcov": "hc2"}, DomainError, "choose one of"),
    ],
)
def test_moderation_refuses(columns, options, error, message):
    with pytest.raises(error, match=message):
        moderation(panel(6).assign(**columns), **{**MODEL, **options})


# ---------------------------------------------------------------------------------------------------------------------
# mediation

PATHS = {"outcome": "soph", "treatment": "did", "mediator": "staff", "unit": "county", "time": "year"}
CONTROLS = ["urban", "infra"]


def counties(
    seed: int = 0,
    *,
    a: float = 0.5,
    b: float = 0.8,
    direct: float = 0.6,
    n: int = 24,
    years: int = 8,
    noise: float = 0.3,
    rho: float = 0.0,
    holes: int = 0,
) -> pd.DataFrame:
    """Counties treated from the sixth year on; errors correlated by ``rho`` and, a little, over the years."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(itertools.product(range(n), range(2005, 2005 + years)), columns=["county", "year"])
    unit, time = df["county"].to_numpy(), df["year"].to_numpy() - 2005
    df["did"] = ((unit % 2 == 0) & (time >= 5)).astype(float)
    for control in CONTROLS:
        df[control] = rng.normal(size=n)[unit] + rng.normal(size=len(df)) + 0.5 * df["did"]
    common, own = rng.normal(size=(2, len(df))) + 0.3 * rng.normal(size=(2, n * 2))[:, unit * 2 + (time >= 5)]
    df["staff"] = a * df["did"] + 0.2 * df["urban"] + rng.normal(size=n)[unit] + rng.normal(size=years)[time]
    df["staff"] += noise * common
    df["soph"] = direct * df["did"] + b * df["staff"] - 0.3 * df["infra"] + rng.normal(size=n)[unit]
    df["soph"] += rng.normal(size=years)[time] + noise * (rho * common + np.sqrt(1 - rho**2) * own)
    df["city"] = df["county"] // 2
    return df.drop(index=rng.choice(len(df), holes, replace=False)).sample(frac=1, random_state=3)


def by_dummies(df: pd.DataFrame, unit: str = "county", effects: tuple[str, ...] = ("unit", "time")) -> pd.Series:
    """The three regressions on a dummy for each unit and period, solved by singular values."""
    keys = [df[key] for key, name in ((unit, "unit"), ("year", "time")) if name in effects]
    dummies = [pd.get_dummies(key).to_numpy(dtype=float) for key in keys] or [np.ones((len(df), 1))]

    def slopes(left: str, right: list[str]) -> np.ndarray:
        x = np.column_stack([df[[*right, *CONTROLS]], *dummies])
        return np.linalg.lstsq(x, df[left].to_numpy(), rcond=1e-12)[0]

    (c, *_), (a, *_), (c_prime, b, *_) = (
        slopes("soph", ["did"]),
        slopes("staff", ["did"]),
        slopes("soph", ["did", "staff"]),
    )
    return pd.Series({"a": a, "b": b, "c": c, "c_prime": c_prime, "indirect": a * b, "share": a * b / c})


NUMBERS = ["a", "b", "c", "c_prime", "indirect", "share"]


def numbers(result: MediationResult) -> pd.Series:
    return pd.Series({name: getattr(result, name) for name in NUMBERS})


@pytest.mark.parametrize("cluster", [None, "city"])
@pytest.mark.parametrize("holes", [0, 30])
def test_equations_are_the_three_regressions(cluster, holes):
    df = counties(holes=holes)
    result = mediation(df, **PATHS, controls=CONTROLS, cluster=cluster, level=0.9)
    for equation, outcome, terms in (
        (result.total, "soph", ["did"]),
        (result.first, "staff", ["did"]),
        (result.second, "soph", ["did", "staff"]),
    ):
        slow = twfe(
            df,
            outcome=outcome,
            regressors=[*terms, *CONTROLS],
            unit="county",
            time="year",
            cluster=cluster,
            level=0.9,
        )
        pd.testing.assert_frame_equal(equation.to_frame(), slow.to_frame(), rtol=1e-9)
        np.testing.assert_allclose(equation.covariance, slow.covariance, rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(equation.constant, slow.constant, rtol=1e-9)
        np.testing.assert_allclose(equation.residuals, slow.residuals, rtol=0, atol=1e-10)
        for name in ("r2", "r2_within", "n_obs", "n_units", "n_periods", "n_clusters", "df_residual", "df_t", "level"):
            assert getattr(equation, name) == pytest.approx(getattr(slow, name), rel=1e-10), name
    assert len(result.left_out) == (24 if cluster is None else 12)


@pytest.mark.parametrize("effects", [(), ("unit",), ("time",)])
def test_other_effects_are_regressions_on_their_dummies(effects):
    df = counties(1, holes=9)
    result = mediation(df, **PATHS, controls=CONTROLS, effects=effects)
    pd.testing.assert_series_equal(numbers(result), by_dummies(df, effects=effects), rtol=1e-9)
    if "unit" not in effects:  # statsmodels counts the dummies of the units, which are nested in the clusters
        formula = "soph ~ did + staff + urban + infra" + (" + C(year)" if effects else "")
        slow = smf.ols(formula, df).fit(cov_type="cluster", cov_kwds={"groups": df["county"]})
        terms = ["did", "staff", *CONTROLS]
        np.testing.assert_allclose(result.second.std_error[terms], slow.bse[terms], rtol=1e-9)
    assert (result.second.n_units, result.second.n_periods, result.second.n_obs) == (24, 8, len(df))


@settings(max_examples=15)
@given(
    seed=st.integers(0, 10**6),
    scales=st.tuples(*[st.sampled_from([1e-6, 1e-3, 1, 1e4, 1e8])] * 3),
    holes=st.integers(0, 60),
    effects=st.sampled_from([("unit", "time"), ("unit",), ("time",), ()]),
)
def test_total_effect_is_direct_plus_indirect(seed, scales, holes, effects):
    df = counties(seed, holes=holes)
    columns = ["soph", "staff", "did"]
    df[columns] *= np.array(scales)
    result = mediation(df, **PATHS, controls=CONTROLS, effects=effects, n_boot=40, ci="percentile")
    size = max(abs(result.c), abs(result.c_prime), abs(result.indirect))
    assert abs(result.c - (result.c_prime + result.indirect)) < 1e-10 * size
    draws = result.draws
    np.testing.assert_allclose(draws["c"], draws["c_prime"] + draws["a"] * draws["b"], atol=1e-10 * size)


@pytest.mark.parametrize(
    ("holes", "effects"), [(0, ("unit", "time")), (40, ("unit", "time")), (40, ("unit",)), (40, ("time",)), (0, ())]
)
def test_draws_are_refits_on_resampled_panels_with_each_county_drawn_a_new_one(holes, effects):
    df = counties(2, n=16, holes=holes)
    result = mediation(df, **PATHS, controls=CONTROLS, effects=effects, n_boot=110, seed=9)

    def refit(panel: pd.DataFrame) -> pd.Series:
        return by_dummies(panel, effects=effects)

    slow = bootstrap(df, refit, unit="county", n_boot=110, seed=9)
    np.testing.assert_allclose(result.draws[NUMBERS], slow.draws, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(
        result.left_out[NUMBERS], jackknife(df, refit, unit="county").draws, rtol=1e-9, atol=1e-9
    )


def test_draws_of_clusters_keep_their_units_apart():
    df = counties(3, n=30, holes=25)
    result = mediation(df, **PATHS, controls=CONTROLS, cluster="city", n_boot=40, seed=4)

    def refit(panel: pd.DataFrame) -> pd.Series:
        return by_dummies(panel.assign(drawn=panel["city"] * 1000 + panel["county"]), "drawn")

    slow = bootstrap(df, refit, unit="city", n_boot=40, seed=4)
    np.testing.assert_allclose(result.draws[NUMBERS], slow.draws, rtol=1e-9, atol=1e-9)


def test_draws_do_not_lose_digits_on_controls_that_hardly_differ():
    df = counties(4).assign(infra=lambda d: 50 + 1e-4 * d["infra"] + d["urban"])
    result = mediation(df, **PATHS, controls=CONTROLS, n_boot=40)
    slow = bootstrap(df, by_dummies, unit="county", n_boot=40)
    np.testing.assert_allclose(result.draws[NUMBERS], slow.draws, rtol=1e-8)


def test_a_period_that_a_draw_lacks_costs_nothing():
    """Two counties alone have the first year, so that draws without them have one period fewer."""
    df = counties(5, n=14).query("year > 2005 or county < 2")
    result = mediation(df, **PATHS, controls=CONTROLS, n_boot=60)
    slow = bootstrap(df, by_dummies, unit="county", n_boot=60)
    np.testing.assert_allclose(result.draws[NUMBERS], slow.draws, rtol=1e-9, atol=1e-9)


def test_intervals_by_hand():
    df = counties(6)
    result = mediation(df, **PATHS, controls=CONTROLS, n_boot=999, level=0.9)
    plain = mediation(df, **PATHS, controls=CONTROLS, n_boot=999, level=0.9, ci="percentile")
    pd.testing.assert_frame_equal(result.draws, plain.draws)
    ordered = np.sort(result.draws["indirect"])
    assert plain.interval == pytest.approx((ordered[49], ordered[949]))
    z = stats.norm.ppf((ordered < result.indirect).mean())
    left = result.left_out["indirect"]
    pull = left.mean() - left
    acceleration = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    tails = z + stats.norm.ppf([0.05, 0.95])
    at = stats.norm.cdf(z + tails / (1 - acceleration * tails)) * 1000 - 1
    assert result.interval == pytest.approx(np.interp(at, np.arange(999), ordered))
    frame = result.to_frame().set_index(["effect", "method"])
    error = np.sqrt(23 / 24 * ((left - left.mean()) ** 2).sum())
    assert frame.loc[("indirect", "jackknife"), "std_error"] == pytest.approx(error)
    assert frame.loc[("indirect", "jackknife"), "high"] == pytest.approx(
        result.indirect + stats.t.ppf(0.95, 23) * error
    )
    a, b = result.first.std_error["did"], result.second.std_error["staff"]
    error = np.sqrt(result.a**2 * b**2 + result.b**2 * a**2)
    sobel = frame.loc[("indirect", "Sobel")]
    assert sobel["std_error"] == pytest.approx(error)
    assert sobel["low"] == pytest.approx(result.indirect - stats.norm.ppf(0.95) * error)
    assert frame.loc[("indirect", "bca bootstrap"), "std_error"] == pytest.approx(ordered.std(ddof=1))
    assert frame.loc[("c", "clustered t"), "low"] == pytest.approx(result.total.to_frame()["low"][0])
    share = frame.loc[("share", "bca bootstrap")]
    assert share["estimate"] == pytest.approx(result.indirect / result.c)
    assert share["low"] < share["estimate"] < share["high"]
    assert frame.dtypes.eq(float).all()


@pytest.mark.parametrize(
    ("paths", "verdict", "reading"),
    [
        ({"a": 0.5, "b": 0.8, "direct": 0.6}, "partial", "mediation"),
        ({"a": -0.5, "b": 0.8, "direct": -0.6}, "partial", "mediation"),
        ({"a": 0.5, "b": 0.8, "direct": 0.0}, "full", "mediation"),
        ({"a": 0.5, "b": -0.8, "direct": 1.2}, "suppression", "mediation"),
        ({"a": 0.5, "b": -0.8, "direct": 0.4}, "suppression", "suppression"),
        ({"a": 0.0, "b": 0.8, "direct": 0.6}, "no_indirect", "mediation"),
        ({"a": 0.5, "b": 0.0, "direct": 0.6}, "no_indirect", "mediation"),
        ({"a": 0.0, "b": 0.0, "direct": 0.0}, "no_indirect", "suppression"),
    ],
)
def test_flow_finds_the_planted_paths(paths, verdict, reading):
    """Each test of the flow errs in one panel of twenty: of twelve panels three may."""
    results = [mediation(counties(s, **paths, n=60), **PATHS, controls=CONTROLS, n_boot=99) for s in range(12)]
    assert sum((r.verdict, r.reading) == (verdict, reading) for r in results) >= 9
    for name, true in (("a", paths["a"]), ("b", paths["b"]), ("c_prime", paths["direct"])):
        found = np.array([getattr(r, name) for r in results])
        assert found.mean() == pytest.approx(true, abs=4 * found.std(ddof=1) / 12**0.5)


def test_steps_say_how_far_the_flow_goes():
    steps = mediation(counties(7), **PATHS, controls=CONTROLS).steps
    assert steps["tests"].tolist() == ["c", "a", "b", "ab", "c'"]
    assert steps["step"].tolist() == [1, 2, 2, 3, 4]
    assert steps["significant"].all()
    assert steps["reached"].tolist() == [True, True, True, False, True]
    steps = mediation(counties(7, a=0), **PATHS, controls=CONTROLS).steps
    assert steps["significant"].tolist() == [True, False, True, False, True]
    assert steps["reached"].tolist() == [True, True, True, True, False]


def test_bootstrap_decides_where_only_one_of_two_paths_is_significant():
    """Of ab alone: an interval that leaves out zero makes an indirect effect although a is not significant."""
    result = mediation(counties(8, a=0), **PATHS, controls=CONTROLS)
    assert result.verdict == "no_indirect"
    moved = replace(result, draws=result.draws.assign(indirect=result.indirect + np.linspace(-1e-3, 1e-3, 1000)))
    assert abs(result.indirect) > 2e-3
    assert moved.verdict in ("partial", "suppression")
    assert moved.steps["reached"].tolist() == [True] * 5


def test_units_of_the_mediator_constant_shifts_and_row_labels_change_nothing():
    df = counties(9)
    base = mediation(df, **PATHS, controls=CONTROLS)
    scaled = mediation(df.assign(staff=df["staff"] * -250), **PATHS, controls=CONTROLS)
    assert scaled.b == pytest.approx(base.b / -250)
    assert scaled.indirect == pytest.approx(base.indirect, rel=1e-10)
    assert scaled.interval == pytest.approx(base.interval, rel=1e-9)
    assert scaled.verdict == base.verdict
    unlabelled = mediation(df.set_axis([5] * len(df)), **PATHS, controls=CONTROLS)
    pd.testing.assert_series_equal(numbers(unlabelled), numbers(base), check_exact=True)
    shift = 3.0 * df["county"] - 7.0 * df["year"]
    shifted = mediation(df.assign(staff=df["staff"] + shift, soph=df["soph"] - shift), **PATHS, controls=CONTROLS)
    pd.testing.assert_series_equal(numbers(shifted), numbers(base), rtol=1e-8)
    np.testing.assert_allclose(shifted.draws, base.draws, rtol=1e-7, atol=1e-9)


def test_seeds_give_the_same_draws_and_more_draws_begin_with_the_fewer():
    df = counties(10)
    few, many, other, generator = (
        mediation(df, **PATHS, n_boot=n, seed=seed)
        for n, seed in ((150, 5), (620, 5), (150, 6), (150, np.random.default_rng(5)))
    )
    pd.testing.assert_frame_equal(many.draws.iloc[:150], few.draws, rtol=1e-12)
    pd.testing.assert_frame_equal(generator.draws, few.draws)
    pd.testing.assert_frame_equal(mediation(df, **PATHS, n_boot=150, seed=5).draws, few.draws)
    assert not np.allclose(other.draws, few.draws)
    assert few.options["seed"] == 5


def test_sensitivity_solves_the_model_with_correlated_errors():
    """From the spreads and the correlation that are seen, b solves the equation of the errors for each correlation."""
    result = mediation(counties(11), **PATHS, controls=CONTROLS)
    e_m, e_y = result.first.residuals, result.total.residuals
    s_m, s_y, seen = e_m.std(), e_y.std(), np.corrcoef(e_m, e_y)[0, 1]
    frame = result.sensitivity([-0.95, -0.3, 0, 0.4, 0.99])
    for rho, effect in zip(frame["rho"], frame["indirect"], strict=True):

        def gap(b, rho=rho):
            spread = np.sqrt(s_y**2 - 2 * b * seen * s_m * s_y + b**2 * s_m**2)  # of the outcome's error given M
            return (seen * s_m * s_y - b * s_m**2) - rho * s_m * spread

        assert effect == pytest.approx(result.a * optimize.brentq(gap, -1e4, 1e4, xtol=1e-13), rel=1e-8)
    assert frame["indirect"][2] == pytest.approx(result.indirect)
    assert tuple(frame.loc[2, ["low", "high"]]) == pytest.approx(result.interval)
    assert result.rho == pytest.approx(seen)
    default = result.sensitivity()
    assert len(default) == 20
    assert default["indirect"].is_monotonic_decreasing
    assert default.loc[default["rho"] == result.rho, "indirect"].tolist() == pytest.approx([0], abs=1e-14)


def test_sensitivity_recovers_the_indirect_effect_at_the_planted_correlation():
    results = [mediation(counties(s, rho=0.5, n=60), **PATHS, controls=CONTROLS, n_boot=99) for s in range(12)]
    naive, corrected = np.array([(r.indirect, r.sensitivity(0.5)["indirect"][0]) for r in results]).T
    assert naive.mean() > 0.5
    assert corrected.mean() == pytest.approx(0.4, abs=4 * corrected.std(ddof=1) / 12**0.5)


def test_mediators_taken_jointly_add_up():
    df = counties(12).assign(firms=lambda d: 0.5 * d["staff"] + np.sin(d["urban"] * 9))
    mediators = ["staff", "firms"]
    single = {m: mediation(df, **{**PATHS, "mediator": m}, controls=CONTROLS) for m in mediators}
    joint = twfe(df, outcome="soph", regressors=["did", *mediators, *CONTROLS], unit="county", time="year").estimate
    indirect = sum(single[m].a * joint[m] for m in mediators)
    assert abs(single["staff"].c - (joint["did"] + indirect)) < 1e-10
    assert abs(single["staff"].indirect + single["firms"].indirect - indirect) > 1e-3


def test_one_sample_for_all_equations():
    df = counties(13, n=26)
    df["soph"] = df["soph"].where((df["county"] != 3) | (df["year"] != 2006))
    df["staff"] = df["staff"].where((df["county"] != 4) | (df["year"] > 2006))
    with pytest.raises(
        SampleMismatchError, match=r"'soph' and 'staff'.*207 rows, equation 7 206 and equation 8 205"
    ) as e:
        mediation(df, **PATHS, controls=CONTROLS)
    assert sorted(e.value.keys) == [(3, 2006), (4, 2005), (4, 2006)]
    before = df.copy()
    result = mediation(df, **PATHS, controls=CONTROLS, missing="drop")
    pd.testing.assert_frame_equal(df, before)
    assert [r.n_obs for r in (result.total, result.first, result.second)] == [205] * 3
    dropped = {reason: sorted(keys) for reason, keys in result.sample.dropped}
    assert dropped == {"missing 'soph'": [(3, 2006)], "missing 'staff'": [(4, 2005), (4, 2006)]}
    pd.testing.assert_series_equal(
        numbers(result), numbers(mediation(df.dropna(), **PATHS, controls=CONTROLS)), check_exact=True
    )


@pytest.mark.parametrize("lacking", [["soph", "staff"], ["urban"], ["did"]])
def test_values_that_all_equations_lack_are_missing_values(lacking):
    df = counties(14)
    df.loc[df.index[:2], lacking] = np.inf
    with pytest.raises(MissingValueError, match=f"'{lacking[0]}'.*2 rows"):
        mediation(df, **PATHS, controls=CONTROLS)


def test_a_result_that_does_not_add_up_cannot_be_made():
    df = counties(15)
    result = mediation(df, **PATHS, controls=CONTROLS)
    fewer = mediation(df.iloc[:-1], **PATHS, controls=CONTROLS)
    other = mediation(df, **PATHS)
    for part in ({"total": other.total}, {"second": other.second}, {"first": fewer.first}):
        with pytest.raises(SampleMismatchError, match="total effect .* is not the sum of the direct .* 192"):
            replace(result, **part)
    bent = result.total.estimate + np.array([1e-9, 0, 0])
    with pytest.raises(SampleMismatchError):
        replace(result, total=replace(result.total, estimate=bent))


def test_summary_and_options():
    result = mediation(counties(16), **PATHS, controls=CONTROLS)
    assert "verdict: partial (c: mediation)" in result.summary()
    assert "Sobel" in result.summary()
    assert result.options["controls"] == ("urban", "infra")
    assert result.options["effects"] == ("unit", "time")
    with pytest.raises(ValueError, match="read-only"):
        result.draws.to_numpy()[0, 0] = 1


@pytest.mark.parametrize(
    ("columns", "options", "error", "message"),
    [
        ({"staff": lambda d: 2.5 * d["did"]}, {}, RankError, "'staff'.*collinear"),
        ({"staff": lambda d: 2.5 * d["did"] + d["county"]}, {}, RankError, "'staff'.*collinear"),
        ({"staff": lambda d: 2.0 * d["county"]}, {}, RankError, "'staff'.*no variation"),
        ({"did": lambda d: d["year"] > 2008}, {}, RankError, "'did'.*no variation"),
        ({"soph": 1.0}, {}, RankError, "'soph'.*no variation"),
        ({"infra": lambda d: d["urban"] + d["year"]}, {}, RankError, "'infra'.*collinear"),
        ({"did": lambda d: d["did"] * (d["county"] == 4)}, {}, RankError, r"in \d+ of 1000 bootstrap draws"),
        ({"staff": lambda d: d["staff"] * (d["county"] == 4)}, {}, RankError, r"in \d+ of 1000 bootstrap draws"),
        ({"region": lambda d: d["county"] % 9}, {"cluster": "region"}, GroupSizeError, "needs 10 of them, there are 9"),
        (
            {"region": lambda d: d["year"]},
            {"cluster": "region"},
            KeyColumnError,
            "'region'.*same in all rows of a unit",
        ),
        ({}, {"mediator": "isa"}, KeyColumnError, "'isa' is not in the table"),
        ({}, {"mediator": "soph"}, DomainError, "different columns.*soph"),
        ({}, {"controls": ["did"]}, DomainError, "different columns.*did"),
        ({"staff": "many"}, {}, DomainError, "'staff'.*text"),
        ({"year": 2005}, {}, KeyColumnError, "must identify each row"),
        ({}, {"ci": "basic"}, DomainError, "choose one of"),
        ({}, {"effects": ("unit", "city")}, DomainError, "choose one of 'unit', 'time'"),
        ({}, {"n_boot": 38}, DomainError, "38 draws give no interval of level 0.95"),
        ({}, {"level": 95}, DomainError, "level 95"),
    ],
)
def test_mediation_refuses(columns, options, error, message):
    df = counties(17).assign(**columns)
    with pytest.raises(error, match=message):
        mediation(df, **{**PATHS, "controls": CONTROLS, **options})


def test_fewer_rows_than_coefficients_are_refused():
    df = counties(18, n=10, years=8).query("year in (2009, 2010)")
    many = {f"x{i}": np.random.default_rng(i).normal(size=20) for i in range(8)}
    with pytest.raises(GroupSizeError, match="no degree of freedom"):
        mediation(df.assign(**many), **PATHS, controls=list(many))


@pytest.mark.parametrize("rho", [1, -1.2, [0, np.nan]])
def test_sensitivity_refuses_what_is_no_correlation(rho):
    with pytest.raises(DomainError, match="between -1 and 1"):
        mediation(counties(19), **PATHS).sensitivity(rho)


def covered(n_panels: int, **paths: float) -> dict[str, float]:
    """Share of panels whose interval of the indirect effect holds the planted one."""
    hits = {"bca": 0, "percentile": 0}
    for seed in range(n_panels):
        result = mediation(counties(1000 + seed, n=40, **paths), **PATHS, controls=CONTROLS, n_boot=499, seed=seed)
        for ci in hits:
            low, high = replace(result, options={**result.options, "ci": ci}).interval
            hits[ci] += low <= paths["a"] * paths["b"] <= high
    return {ci: hit / n_panels for ci, hit in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("a", "b"), [(0.5, 0.8), (0.5, 0.0), (0.0, 0.8), (0.0, 0.0)], ids=["both", "b = 0", "a = 0", "neither"]
)
def test_coverage_and_size_over_four_hundred_panels(a, b):
    """At 95 % with 40 clusters: 0.91 or more; with both paths absent the interval holds zero nearly always."""
    for share in covered(400, a=a, b=b).values():
        assert 0.91 <= share <= (1 if a == b == 0 else 0.98)
