"""Augmented, penalised and conformal synthetic controls: peers, definitions, identities, coverage, bad input."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysyncon import AugSynth, Dataprep
from pysyncon.penalized import PenalizedOptimMixin

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoDonorsError,
    RankError,
    TreatmentPathError,
    UnbalancedPanelError,
)
from regiometrics.estimate.simplex import simplex_least_squares
from regiometrics.estimate.synthetic_placebo import group_members
from regiometrics.estimate.synthetic_variants import PENALTIES, augmented, conformal, synthetic_control_many

KEYS = {"unit": "county", "time": "year", "outcome": "soph"}
START = 2010
seeds = st.integers(0, 2**32 - 1)


def outcomes(
    seed: int, *, n: int = 12, n_treated: int = 1, periods: int = 14, noise: float = 0.3, shift: float = 0.0
) -> np.ndarray:
    """Units x periods with two common factors; the first units are treated and lie ``shift`` above the others."""
    rng = np.random.default_rng(seed)
    levels = 12.6 + 2 * rng.standard_normal(n) + shift * (np.arange(n) < n_treated)
    factors = rng.standard_normal((2, periods)).cumsum(axis=1)
    return levels[:, None] + 0.3 * rng.standard_normal((n, 2)) @ factors + noise * rng.standard_normal((n, periods))


def long(y: np.ndarray, *, before: int = 10, predictors: bool = False, seed: int = 0) -> pd.DataFrame:
    """The panel as a long table whose treatment begins after ``before`` periods, with two predictors if wanted."""
    n, periods = y.shape
    years = START - before + np.arange(periods)
    df = pd.DataFrame({"county": np.repeat(np.arange(n), periods), "year": np.tile(years, n), "soph": y.ravel()})
    if predictors:
        rng = np.random.default_rng(seed)
        df["urban"] = rng.uniform(0.2, 0.6, len(df)) + np.repeat(rng.uniform(0, 0.3, n), periods)
        df["ln_pergdp"] = 9 + np.repeat(rng.standard_normal(n), periods) + 0.1 * rng.standard_normal(len(df))
    return df


def peer(df: pd.DataFrame, predictors: list[str], ridge: float | None) -> AugSynth:
    """Pysyncon's fit for treated unit 0."""
    before = list(range(df["year"].min(), START))
    prep = Dataprep(
        foo=df,
        predictors=predictors,
        predictors_op="mean",
        dependent="soph",
        unit_variable="county",
        time_variable="year",
        treatment_identifier=0,
        controls_identifier=list(range(1, df["county"].nunique())),
        time_predictors_prior=before,
        time_optimize_ssr=before,
    )
    fit = AugSynth()
    fit.fit(prep, lambda_=ridge, use_covariates=bool(predictors))
    return fit


# --- augmented -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("predictors", [[], ["urban", "ln_pergdp"]])
@pytest.mark.parametrize("ridge", [0.1, 10.0])
def test_augmented_weights_are_those_of_pysyncon(predictors, ridge):
    df = long(outcomes(0, n=8, shift=3.0), predictors=True)
    fit = augmented(df, **KEYS, treated=0, start=START, predictors=predictors, penalty=ridge)
    expected = peer(df, predictors, ridge)
    np.testing.assert_allclose(fit.simplex_weights, expected.synw, atol=1e-5)  # SLSQP's accuracy
    np.testing.assert_allclose(fit.weights, expected.W, atol=1e-5)
    assert fit.loss == pytest.approx(expected.l2_imbalance**2 / 10, rel=1e-4)


def test_errors_of_left_out_periods_are_those_of_pysyncon():
    df = long(outcomes(1, n=8, shift=3.0))
    errors = augmented(df, **KEYS, treated=0, start=START).cross_validation
    expected = peer(df, [], None).cv_result
    np.testing.assert_allclose(errors.index, expected.lambdas, rtol=1e-10)
    # pysyncon, as the package augsynth, never leaves out the last period
    np.testing.assert_allclose(errors.iloc[:, :-1].mean(axis=1), expected.errors_mean, rtol=1e-3)


def test_the_ridge_is_the_largest_within_one_standard_error():
    fit = augmented(long(outcomes(2, n=8, shift=2.0)), **KEYS, treated=0, start=START)
    mean = fit.cross_validation.mean(axis=1)
    best = fit.cross_validation.loc[mean.idxmin()]
    allowed = mean[mean <= mean.min() + best.sem()]
    assert fit.penalty == allowed.index.max()
    assert len(fit.cross_validation.columns) == 10


@given(seeds, st.sampled_from([1e-3, 1.0, 50.0]))
def test_augmenting_takes_off_the_ridge_regression_at_the_mismatch(seed, ridge):
    y = outcomes(seed, shift=3.0)
    fit = augmented(long(y), **KEYS, treated=0, start=START, penalty=ridge)
    x, x0, after = y[0, :10], y[1:, :10].T, y[1:, 10:]
    centre = x0.mean(axis=1)
    design = (x0 - centre[:, None]).T
    eta = np.linalg.solve(design.T @ design + ridge * np.eye(10), design.T @ (after - after.mean(axis=0)))
    plain = simplex_least_squares(x0, x).weights
    expected = y[0, 10:] - plain @ after - (x - x0 @ plain) @ eta
    np.testing.assert_allclose(fit.effect[fit.effect.index >= START], expected, atol=1e-8)
    assert fit.weights.sum() == pytest.approx(1, abs=1e-9)


@given(seeds)
def test_the_correction_improves_the_fit_and_fades_with_the_ridge(seed):
    df = long(outcomes(seed, shift=6.0))
    small, large = (augmented(df, **KEYS, treated=0, start=START, penalty=ridge) for ridge in (0.1, 1e9))
    assert small.loss <= small.simplex_loss + 1e-12
    np.testing.assert_allclose(large.weights, large.simplex_weights, atol=1e-5)
    np.testing.assert_allclose(small.synthetic + small.effect, small.actual, atol=1e-12)


def test_nothing_is_corrected_inside_the_donors_hull():
    y = outcomes(3, n=60, n_treated=20)
    fit = augmented(long(y), **KEYS, treated=range(20), start=START)
    assert fit.simplex_loss < 1e-20
    assert fit.correction.abs().max() < 1e-10
    assert fit.treated == tuple(range(20))


def test_the_lags_of_the_fit_are_those_named():
    df = long(outcomes(4, n=8, shift=3.0))
    named = augmented(df, **KEYS, treated=0, start=START, lags=[2001, 2005, 2009], penalty=1.0)
    only = augmented(df, **KEYS, treated=0, start=START, fit_periods=[2009, 2001, 2005], penalty=1.0)
    np.testing.assert_allclose(named.weights, only.weights, atol=1e-12)
    assert named.loss != only.loss  # judged on all ten periods and on three


# --- many treated units ----------------------------------------------------------------------------------------------


@given(seeds, st.integers(1, 12), st.integers(2, 60), st.floats(1e-4, 10))
def test_penalised_weights_are_no_worse_than_a_general_solver_and_sparse(seed, before, n_donors, penalty):
    y = outcomes(seed, n=n_donors + 1, periods=before + 2)
    df = long(y, before=before + 1)
    weights = synthetic_control_many(df, **KEYS, treated=[0], start=START, penalty=penalty).weights[0].to_numpy()
    x, x0 = y[0, : before + 1], y[1:, : before + 1].T
    distance = ((x0 - x[:, None]) ** 2).sum(axis=0)

    def objective(w: np.ndarray) -> float:
        return float(((x - x0 @ w) ** 2).sum() + penalty * distance @ w)

    solved, _ = PenalizedOptimMixin.w_optimize(np.eye(before + 1), x0, x, penalty, qp_options={"maxiter": 1000})
    solved = np.clip(solved, 0, None) / np.clip(solved, 0, None).sum()
    assert objective(weights) <= objective(solved) + 1e-10
    assert weights.min() >= 0 and weights.sum() == pytest.approx(1, abs=1e-12)
    assert (weights > 0).sum() <= before + 2


def test_penalised_weights_do_not_depend_on_the_order_of_donors():
    y = outcomes(5, n=60, n_treated=1, noise=0.5)
    y[0] = y[1:].mean(axis=0)  # in the middle of the donors, where the unpenalised problem has many solutions
    order = np.append(0, np.random.default_rng(0).permutation(np.arange(1, 60)))
    df = long(y)
    first, second = (
        synthetic_control_many(df, **KEYS, treated=[0], start=START, donors=donors, penalty=1e-3).weights[0]
        for donors in (list(range(1, 60)), order[1:].tolist())
    )
    np.testing.assert_allclose(first, second[first.index], atol=1e-8)


def test_effects_average_over_units_groups_and_periods():
    fit = synthetic_control_many(
        long(outcomes(6, n=30, n_treated=6)), **KEYS, treated=range(6), start=START, penalty=0.1
    )
    labels = {0: "county", 1: "county", 2: "county", 3: "district", 4: "district", 5: "county_city"}
    after = fit.effects[fit.effects.index >= START]
    assert fit.att == pytest.approx(after.to_numpy().mean(), abs=1e-12)
    assert fit.att == pytest.approx(fit.by_unit["att"].mean(), abs=1e-12)
    groups = fit.by_group(labels)
    assert len(groups) == 3 * 14
    one = groups.drop_duplicates("group").set_index("group")
    assert (one["att"] * one["n_units"]).sum() / 6 == pytest.approx(fit.att, abs=1e-12)
    district = groups.query("group == 'district'").set_index("time")["effect"]
    np.testing.assert_allclose(district, fit.effects[[3, 4]].mean(axis=1), atol=1e-12)
    with pytest.raises(KeyColumnError, match=r"have no group \(1 row: 5\)"):
        fit.by_group({unit: label for unit, label in labels.items() if unit != 5})


def test_a_large_penalty_takes_the_nearest_donor_and_a_twin_takes_all():
    y = outcomes(7, n=20, n_treated=2)
    y[1, :10] = y[15, :10]
    fit = synthetic_control_many(long(y), **KEYS, treated=[0, 1], start=START, penalty=1e6)
    nearest = 2 + np.argmin(((y[2:, :10] - y[0, :10]) ** 2).sum(axis=1))
    assert fit.weights.loc[nearest, 0] == 1 and fit.weights.loc[15, 1] == 1
    assert fit.by_unit["loss"][1] == 0 and fit.by_unit["distance"][1] == 0
    np.testing.assert_allclose(fit.effects[1].iloc[10:], y[1, 10:] - y[15, 10:])


def test_the_penalty_predicts_left_out_periods_best():
    y = outcomes(8, n=25, n_treated=3)
    fit = synthetic_control_many(long(y), **KEYS, treated=range(3), start=START)
    for t, penalty in [(0, PENALTIES[3]), (9, PENALTIES[8])]:
        rest = np.delete(y, t, axis=1)  # before the treatment: the first nine
        cut = long(rest, before=9)
        weights = synthetic_control_many(cut, **KEYS, treated=range(3), start=START, penalty=penalty).weights
        error = ((y[:3, t] - y[3:, t] @ weights.to_numpy()) ** 2).mean()
        assert fit.cross_validation.loc[penalty, 2000 + t] == pytest.approx(error, rel=1e-10)
    assert fit.penalty == fit.cross_validation.mean(axis=1).idxmin()


def test_units_of_a_predictor_do_not_matter():
    df = long(outcomes(9, n=25, n_treated=3), predictors=True)
    options = {"treated": range(3), "start": START, "lags": [2003, 2009], "penalty": 0.05}
    fit = synthetic_control_many(
        df, **KEYS, **options, predictors={"urban": [2008, 2009], "ln_pergdp": range(2000, 2010)}
    )
    scaled = df.assign(urban=100 * df["urban"])
    again = synthetic_control_many(
        scaled, **KEYS, **options, predictors={"urban": [2008, 2009], "ln_pergdp": range(2000, 2010)}
    )
    np.testing.assert_allclose(fit.weights, again.weights, atol=1e-9)
    assert (fit.by_unit["n_weights"] <= 5).all()


def test_a_missing_predictor_counts_only_in_its_periods():
    df = long(outcomes(10, n=25, n_treated=3), predictors=True)
    df.loc[(df["county"] == 4) & (df["year"] == 2002), "urban"] = np.nan
    options = {"treated": range(3), "start": START, "penalty": 0.05}
    synthetic_control_many(df, **KEYS, **options, predictors={"urban": [2008, 2009]})
    with pytest.raises(MissingValueError, match=r"column 'urban': missing or infinite .* \(1 row: 4 2002\)"):
        synthetic_control_many(df, **KEYS, **options, predictors=["urban"])


def test_planted_effects_of_two_groups_are_found():
    y = outcomes(11, n=120, n_treated=40)
    y[:25, 10:] += 0.31
    y[25:40, 10:] += 0.54
    fit = synthetic_control_many(long(y), **KEYS, treated=range(40), start=START)
    att = (
        fit.by_group({unit: "new" if unit >= 25 else "incumbent" for unit in range(40)}).groupby("group")["att"].first()
    )
    assert att["incumbent"] == pytest.approx(0.31, abs=0.15)
    assert att["new"] == pytest.approx(0.54, abs=0.15)
    placebo = fit.placebo(n_draws=99)
    assert placebo.smallest_p == 0.01
    assert placebo.p_value <= 0.05


def test_a_placebo_group_is_fitted_like_the_treated_from_the_other_donors():
    y = outcomes(12, n=30, n_treated=5)
    fit = synthetic_control_many(long(y), **KEYS, treated=range(5), start=START, penalty=0.1)
    placebo = fit.placebo(n_draws=150, seed=4)
    assert placebo.group_size == 5
    np.testing.assert_array_equal(placebo.draws[:7], fit.placebo(n_draws=7, seed=4).draws)
    assert len(set(placebo.draws)) > 140
    donors = long(y[5:])
    group = group_members(25, 5, 150, 4)[149]
    refit = synthetic_control_many(donors, **KEYS, treated=group.tolist(), start=START, penalty=0.1)
    assert placebo.draws[149] == pytest.approx(refit.att, abs=1e-12)
    pre = np.sqrt((refit.effect[refit.effect.index < START] ** 2).mean())
    assert placebo.to_frame()["pre_rmspe"][149] == pytest.approx(pre, abs=1e-12)
    extreme = (np.abs(placebo.draws) >= abs(fit.att)).sum()
    assert placebo.p_value == (1 + extreme) / 151


def test_placebo_groups_hold_half_of_a_small_pool():
    fit = synthetic_control_many(
        long(outcomes(13, n=20, n_treated=13)), **KEYS, treated=range(13), start=START, penalty=1.0
    )
    assert fit.placebo(n_draws=9).group_size == 3
    with pytest.raises(DomainError, match="n_draws=0"):
        fit.placebo(n_draws=0)


# --- conformal inference ---------------------------------------------------------------------------------------------


def shift_p(y: np.ndarray, null: float, before: int, *, demean: bool) -> float:
    """The definition: residuals of the fit under the hypothesis, and their cyclic shifts one by one."""
    y = y.copy()
    y[0, before:] -= null
    if demean:
        y -= y.mean(axis=1, keepdims=True)
    residuals = y[0] - y[1:].T @ simplex_least_squares(y[1:].T, y[0]).weights
    n, count = len(residuals), 0
    for k in range(n):
        shifted = [residuals[(t + k) % n] for t in range(before, n)]
        count += np.sum(np.abs(shifted)) >= np.sum(np.abs(residuals[before:])) - 1e-9
    return count / n


@settings(max_examples=10)
@given(seeds, st.booleans(), st.sampled_from([0.0, 0.5, -2.0]))
def test_the_p_value_is_that_of_its_definition(seed, demean, null):
    y = outcomes(seed, n=6)
    result = conformal(long(y), **KEYS, treated=0, start=START, demean=demean, null=null, level=0.9)
    assert result.p_value == pytest.approx(shift_p(y, null, 10, demean=demean), abs=1e-12)
    assert result.smallest_p == 1 / 14 and result.smallest_p_of_a_period == 1 / 11


@settings(max_examples=8)
@given(seeds, st.booleans())
def test_effects_inside_a_band_are_kept_and_those_beyond_its_ends_rejected(seed, demean):
    y = outcomes(seed, n=6)
    result = conformal(long(y), **KEYS, treated=0, start=START, demean=demean, level=0.9)
    for row in result.to_frame().itertuples():
        one = np.column_stack([y[:, :10], y[:, row.time - 2000]])
        assert shift_p(one, row.effect, 10, demean=demean) == 1  # the gap of the fit before it leaves no residual
        for end, out in ((row.low, -1), (row.high, 1)):
            assert shift_p(one, end - out * 1e-6, 10, demean=demean) > 0.1
            for beyond in (1e-6, 0.1, 1.0, 20.0):
                assert shift_p(one, end + out * beyond, 10, demean=demean) <= 0.1


def test_bands_move_with_the_effect_and_not_with_the_level_of_a_demeaned_unit():
    y = outcomes(14, n=8)
    moved, raised = y.copy(), y.copy()
    moved[0, 10:] += 1.5
    raised[0] += 30
    options = {"treated": 0, "start": START, "level": 0.9, "demean": True}
    plain, later, higher = (conformal(long(panel), **KEYS, **options).to_frame() for panel in (y, moved, raised))
    ends = ["effect", "low", "high"]
    np.testing.assert_allclose(later[ends], plain[ends] + 1.5, atol=1e-6)
    np.testing.assert_allclose(higher[ends], plain[ends], atol=1e-6)


def test_bands_and_p_values_are_those_of_diff_diff():
    from diff_diff import SyntheticControl

    y = outcomes(15, n=8)
    df = long(y).assign(treated=lambda d: ((d["county"] == 0) & (d["year"] >= START)).astype(int))
    mine = conformal(long(y), **KEYS, treated=0, start=START, level=0.9)
    theirs = SyntheticControl(seed=0).fit(
        df, outcome="soph", treatment="treated", unit="county", time="year", post_periods=list(range(2010, 2014))
    )
    assert mine.p_value == pytest.approx(theirs.conformal_test(0.0)["p_value"])
    table = theirs.conformal_confidence_intervals(alpha=0.1, bounds=(-4, 4), n_grid=161)
    step = 8 / 160  # theirs are points of a grid
    low, high = mine.to_frame()["low"].to_numpy(), mine.to_frame()["high"].to_numpy()
    assert ((low <= table["lower"]) & (low > table["lower"] - step)).all()
    assert ((high >= table["upper"]) & (high < table["upper"] + step)).all()


def test_a_level_beyond_the_number_of_periods_is_refused():
    df = long(outcomes(16, n=8))
    with pytest.raises(GroupSizeError, match=r"level=0.95: with 10 periods .* below 0.0909.*level between 0 and 0.909"):
        conformal(df, **KEYS, treated=0, start=START)
    conformal(df, **KEYS, treated=0, start=START, level=10 / 11)


def test_inside_the_hull_no_hypothesis_can_be_rejected():
    y = outcomes(17, n=99, n_treated=40)
    result = conformal(long(y), **KEYS, treated=range(40), start=START, level=0.9)
    assert result.p_value == 1
    assert ((result.high - result.low) > 0.8).all()


@pytest.mark.slow
@pytest.mark.parametrize(("before", "level"), [(10, 10 / 11), (19, 0.95)])
@pytest.mark.parametrize("demean", [False, True])
def test_bands_cover_the_effect(before, level, demean):
    covered = []
    for seed in range(250):
        rng = np.random.default_rng([before, seed])
        factors, loads = rng.standard_normal((2, before + 2)), 1 + 0.5 * rng.standard_normal((9, 2))
        y = loads @ factors + 0.5 * rng.standard_normal((9, before + 2))
        y[0, before:] += 0.45
        frame = conformal(long(y, before=before), **KEYS, treated=0, start=START, level=level, demean=demean).to_frame()
        covered.append(((frame["low"] <= 0.45) & (frame["high"] >= 0.45)).mean())
    assert np.mean(covered) >= 0.9
    assert np.mean(covered) <= 0.99  # not by being too wide


# --- bad input -------------------------------------------------------------------------------------------------------

CALLS = [
    lambda df, **kw: augmented(df, **{**KEYS, "treated": [0], "start": START, "penalty": 1.0, **kw}),
    lambda df, **kw: synthetic_control_many(df, **{**KEYS, "treated": [0], "start": START, "penalty": 1.0, **kw}),
    lambda df, **kw: conformal(df, **{**KEYS, "treated": [0], "start": START, "level": 0.5, **kw}),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"treated": [77]}, KeyColumnError, r"treated units are not in the data \(1 row: 77\)"),
        ({"treated": []}, KeyColumnError, "treated units are not in the data"),
        ({"donors": [1, 2, 88]}, NoDonorsError, r"donors are not in the data \(1 row: 88\)"),
        ({"donors": [3]}, NoDonorsError, "1 donor"),
        ({"donors": [0, 1, 2]}, TreatmentPathError, "a donor is treated"),
        ({"start": 2020}, TreatmentPathError, "no period from 2020 on"),
        ({"start": 2001}, GroupSizeError, "1 period before"),
        ({"fit_periods": [2008, 2009, 2010]}, TreatmentPathError, r"fit_periods must lie before .*2010"),
        ({"outcome": "output"}, KeyColumnError, "'output' is not in the table"),
    ],
)
def test_bad_arguments_are_refused(call, options, error, match):
    with pytest.raises(error, match=match):
        call(long(outcomes(0, n=6)), **options)


@pytest.mark.parametrize("call", CALLS)
def test_bad_panels_are_refused(call):
    df = long(outcomes(0, n=6))
    with pytest.raises(UnbalancedPanelError, match="3 2004"):
        call(df.query("not (county == 3 and year == 2004)"))
    with pytest.raises(KeyColumnError, match="must identify each row"):
        call(pd.concat([df, df.head(1)], ignore_index=True))
    with pytest.raises(MissingValueError, match="'soph'"):
        call(df.assign(soph=df["soph"].where(df.index != 40)))


@pytest.mark.parametrize("call", CALLS)
def test_units_outside_the_comparison_may_have_gaps_and_are_listed(call):
    df = long(outcomes(0, n=6))
    result = call(df.query("not (county == 5 and year == 2004)"), donors=[1, 2, 3])
    assert result.sample.rows_in == 83 and result.sample.rows_used == 56
    ((reason, keys),) = result.sample.dropped
    assert reason == "neither treated nor donor" and len(keys) == 27 and keys[0] == (4, 2000)
    assert result.options["treated"] == [0] and result.options["start"] == START and result.options["version"]
    assert result.summary()


@pytest.mark.parametrize("call", CALLS[:2])
def test_bad_penalties_and_predictors_are_refused(call):
    df = long(outcomes(0, n=6), predictors=True).assign(same=1.0)
    for penalty in (0.0, -1.0, np.inf, "loo"):
        with pytest.raises(DomainError, match=r"penalty=.* is not known"):
            call(df, penalty=penalty)
    with pytest.raises(RankError, match="column 'same': the predictor is the same in all units"):
        call(df, predictors=["urban", "same"])
    with pytest.raises(GroupSizeError, match="column 'urban': no period to average over"):
        call(df, predictors={"urban": [1990]})
    with pytest.raises(TreatmentPathError, match="lags must lie before"):
        call(df, lags=[2012])
    with pytest.raises(KeyColumnError, match="'wage'"):
        call(df, predictors=["wage"])


def test_a_predictor_without_spread_among_donors_cannot_be_scaled():
    df = long(outcomes(0, n=6)).assign(capital=lambda d: (d["county"] == 0).astype(float))
    with pytest.raises(RankError, match="column 'capital': the predictor is the same in all donors"):
        augmented(df, **KEYS, treated=0, start=START, predictors=["capital"])


def test_cross_validation_needs_something_to_fit_on_and_to_predict():
    df = long(outcomes(0, n=6))
    with pytest.raises(GroupSizeError, match="leaves no feature"):
        synthetic_control_many(df, **KEYS, treated=[0], start=START, lags=[2009])
    with pytest.raises(GroupSizeError, match="two lags or more"):
        augmented(df, **KEYS, treated=[0], start=START, lags=[2009])


def test_input_is_not_changed():
    df = long(outcomes(0, n=6), predictors=True)
    before = df.copy()
    for call in CALLS:
        call(df)
    synthetic_control_many(df, **KEYS, treated=[0], start=START, predictors=["urban"])
    pd.testing.assert_frame_equal(df, before)
