"""Synthetic control: identities, Proposition 99, search, ties, placebos, variants, several aggregates, bad input."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file
from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoDonorsError,
    RankError,
    RegionError,
    TreatmentPathError,
    UnbalancedPanelError,
)
from regiometrics.estimate.synthetic_control import (
    SyntheticControlResult,
    synthetic_control,
    synthetic_controls,
)

KEYS = {"unit": "county", "time": "year", "outcome": "soph", "start": 2010}
PREDICTORS = {"predictors": ["income", "urban", "human"], "lags": [2002, 2009]}
FEW = {"n_starts": 4}
# The search stops where the loss changes by less than 1e-8 of itself, near the bottom of a flat valley: rounding moves
# its end by this much. At given predictor weights the same identities hold to 1e-8.
SEARCH = {"rtol": 1e-3, "atol": 2e-4}
EXACT = {"rtol": 1e-8, "atol": 1e-8}
BOTH = pytest.mark.parametrize(("v", "close"), [("nested", SEARCH), ("equal", EXACT)])


def counties(
    seed: int = 0, *, donors: int = 14, treated: int = 1, shift: float = 1.0, effect: float = 0.0, noise: float = 0.2
) -> pd.DataFrame:
    """Counties over 2002-2013 with two factors; the treated ones are richer by ``shift`` and gain from 2010 on."""
    rng = np.random.default_rng(seed)
    n, years = donors + treated, np.arange(2002, 2014)
    names = [f"d{i}" for i in range(donors)] + [f"t{i}" for i in range(treated)]
    is_treated = np.arange(n) >= donors
    loadings = rng.normal(size=(n, 2)) * 0.5
    factors = rng.normal(size=(2, len(years))).cumsum(axis=1)
    soph = 12 + loadings.sum(axis=1)[:, None] + loadings @ factors + noise * rng.normal(size=(n, len(years)))
    soph += effect * np.outer(is_treated, years >= 2010)
    fixed = loadings @ rng.normal(size=(2, 3)) + 0.5 * rng.normal(size=(n, 3))
    fixed[:, 0] += shift * is_treated
    rows = [
        (names[u], year, soph[u, t], *(fixed[u] + 0.01 * rng.normal(size=3)))
        for (u, (t, year)) in itertools.product(range(n), enumerate(years))
    ]
    return pd.DataFrame(rows, columns=["county", "year", "soph", "income", "urban", "human"])


def fitted(df: pd.DataFrame, **options) -> SyntheticControlResult:
    return synthetic_control(df, **{**KEYS, **PREDICTORS, **FEW, "treated": "t0", **options})


@pytest.fixture(scope="module")
def smoking() -> pd.DataFrame:
    return pd.read_csv(data_file("reference", "prop99.csv"))


def california(df: pd.DataFrame, **options) -> SyntheticControlResult:
    """The study of Abadie, Diamond and Hainmueller (2010) with their seven predictors."""
    late = range(1980, 1989)
    seven = {
        "predictors": {"lnincome": late, "age15to24": late, "retprice": late, "beer": range(1984, 1989)},
        "lags": [1975, 1980, 1988],
    }
    return synthetic_control(
        df, unit="state", time="year", outcome="cigsale", treated="California", start=1989, **{**seven, **options}
    )


# --- Proposition 99 --------------------------------------------------------------------------------------------------

# references.md: three peers agree; Abadie, Diamond and Hainmueller (2010) table 2 within .005
PUBLISHED = {"Utah": 0.3351, "Nevada": 0.2356, "Montana": 0.2019, "Colorado": 0.1595, "Connecticut": 0.0679}


def test_proposition_99_has_the_published_weights_and_effect(smoking):
    result = california(smoking)
    assert result.loss <= 3.09
    assert np.allclose(result.weights.reindex(list(PUBLISHED)), list(PUBLISHED.values()), atol=0.01)
    assert result.weights.drop(list(PUBLISHED)).max() < 1e-6
    assert result.att == pytest.approx(-18.98, abs=0.15)
    assert result.effect[2000] == pytest.approx(-25.73, abs=0.15)
    assert result.unique and not result.attainable and result.kkt < 1e-8
    assert result.loss_lower_bound == pytest.approx(2.7437, abs=1e-3)
    assert result.v.min() >= 1e-4 - 1e-12
    assert result.effect_range[0] <= result.att <= result.effect_range[1]


def test_proposition_99_without_a_floor_of_v_is_an_ill_determined_corner(smoking):
    result = california(smoking, v_min=0)
    assert result.loss <= 2.745
    # one lag carries all weight, so that a continuum of donor weights fits the predictors: not the published point
    assert result.v["cigsale 1980"] == 1 and not result.unique
    assert abs(result.weights["Connecticut"] - PUBLISHED["Connecticut"]) > 0.01


def test_proposition_99_without_predictors_is_the_convex_problem(smoking):
    result = california(smoking, predictors=(), lags=())
    assert result.loss == pytest.approx(2.7437, abs=1e-3)  # references.md: scpi
    assert result.loss == pytest.approx(result.loss_lower_bound, rel=1e-12)
    assert result.attainable
    assert result.weights["Utah"] == pytest.approx(0.394, abs=0.01)


@pytest.mark.parametrize(("treated_in_pool", "placebo_v"), [(True, "refit"), (False, "fixed")])
def test_california_ranks_first_of_39(smoking, treated_in_pool, placebo_v):
    # Abadie, Diamond and Hainmueller keep California in the placebos' pool
    placebos = california(smoking, n_starts=0).placebo_in_space(treated_in_pool=treated_in_pool, placebo_v=placebo_v)
    assert placebos.kind == "single" and placebos.rank == 1
    assert placebos.p_value == placebos.smallest_p == pytest.approx(1 / 39)


# --- identities ------------------------------------------------------------------------------------------------------


def test_weights_lie_on_the_simplex_and_the_paths_add_up():
    df = counties()
    result = fitted(df)
    donors = df.pivot(index="county", columns="year", values="soph").loc[result.weights.index]
    assert result.weights.min() >= 0 and result.weights.sum() == pytest.approx(1, abs=1e-12)
    assert result.v.sum() == pytest.approx(1) and result.v.min() >= 1e-4 - 1e-12
    assert np.allclose(result.synthetic, result.weights @ donors)
    assert np.allclose(result.actual - result.synthetic, result.effect)
    assert result.att == pytest.approx(result.effect.loc[2010:].mean())
    assert result.loss == pytest.approx((result.effect.loc[:2009] ** 2).mean())
    assert result.loss_lower_bound <= result.loss
    assert result.to_frame().columns.tolist() == ["time", "actual", "synthetic", "effect"]


def test_the_balance_shows_predictors_in_their_own_units():
    df = counties()
    result = fitted(df)
    table = result.balance.set_index("predictor")
    early = df[df["year"] < 2010].groupby("county")["income"].mean()
    assert table.index.tolist() == ["income", "urban", "human", "soph 2002", "soph 2009"]
    assert table.loc["income", "actual"] == pytest.approx(early["t0"])
    assert table.loc["income", "synthetic"] == pytest.approx(result.weights @ early[result.weights.index])
    assert table.loc["income", "donor_max"] == pytest.approx(early.drop("t0").max())
    assert np.allclose(table["v"], result.v)


@pytest.mark.parametrize("options", [PREDICTORS, {"predictors": (), "lags": ()}])
def test_a_treated_unit_that_repeats_a_donor_gets_that_donor_and_no_gap(options):
    df = counties()
    twin = df[df["county"] == "d3"].assign(county="t0")
    result = fitted(pd.concat([df[df["county"] != "t0"], twin]), **options)
    assert result.weights["d3"] == pytest.approx(1, abs=1e-6)
    assert np.abs(result.effect).max() < 1e-5


@BOTH
def test_a_constant_added_to_all_outcomes_changes_nothing(v, close):
    df = counties()
    one, other = fitted(df, v=v), fitted(df.assign(soph=df["soph"] + 100), v=v)
    assert np.allclose(one.weights, other.weights, **close)
    assert np.allclose(one.effect, other.effect, **close)


@BOTH
def test_the_unit_of_a_predictor_does_not_matter(v, close):
    df = counties()
    one, other = fitted(df, v=v), fitted(df.assign(income=df["income"] * 1000), v=v)
    assert np.allclose(one.weights, other.weights, **close)


@BOTH
def test_the_unit_of_the_outcome_scales_the_effect_alone(v, close):
    df = counties()
    one, other = fitted(df, v=v), fitted(df.assign(soph=df["soph"] * 1000), v=v)
    assert np.allclose(one.weights, other.weights, **close)
    assert np.allclose(other.effect / 1000, one.effect, **close)


@BOTH
def test_the_order_of_rows_and_donors_does_not_matter(v, close):
    df = counties()
    one, other = fitted(df, v=v), fitted(df.sample(frac=1, random_state=3), v=v)
    assert np.allclose(one.weights, other.weights[one.weights.index], **close)
    named = fitted(df, v=v, donors=one.weights.index[::-1].tolist())
    assert np.allclose(one.weights, named.weights[one.weights.index], **close)


def test_a_donor_twice_leaves_the_synthetic_predictors_unchanged_at_equal_v():
    # the predictors' scale changes with the donors, so the comparison gives weights that undo it
    df = counties()
    one = fitted(df, v="equal")
    largest = one.weights.idxmax()
    double = pd.concat([df, df[df["county"] == largest].assign(county="double")])

    def spread(table: pd.DataFrame) -> pd.Series:
        means = table[table["year"] < 2010].groupby("county")[["income", "urban", "human"]].mean()
        lags = table.pivot(index="county", columns="year", values="soph")[[2002, 2009]]
        return pd.Series(np.append(means.std(ddof=0), lags.std(ddof=0)), index=one.v.index)

    other = fitted(double, v=(one.v * (spread(double) / spread(df)) ** 2).to_dict())
    assert np.allclose(one.balance["synthetic"], other.balance["synthetic"], atol=1e-8)
    assert one.weights[largest] == pytest.approx(other.weights[largest] + other.weights["double"], abs=1e-8)


@BOTH
def test_an_aggregate_equals_a_unit_that_is_its_mean(v, close):
    df = counties(treated=3)
    is_treated = df["county"].str.startswith("t")
    mean = df[is_treated].groupby("year", as_index=False).mean(numeric_only=True).assign(county="t0")
    one = fitted(df, v=v, treated=["t0", "t1", "t2"])
    other = fitted(pd.concat([df[~is_treated], mean]), v=v)
    assert one.treated == ("t0", "t1", "t2")
    assert np.allclose(one.weights, other.weights, **close)
    assert np.allclose(one.effect, other.effect, **close)


def test_the_input_is_not_changed_and_the_seed_decides():
    df = counties()
    before = df.copy()
    one, other = fitted(df, seed=1), fitted(df, seed=1)
    pd.testing.assert_frame_equal(df, before)
    pd.testing.assert_series_equal(one.weights, other.weights)
    assert not one.weights.to_numpy().flags.writeable


def test_rows_of_other_units_are_listed():
    result = fitted(counties(), donors=["d0", "d1", "d2", "d3"])
    assert result.sample.rows_used == 5 * 12
    ((reason, keys),) = result.sample.dropped
    assert reason == "neither treated nor donor" and len(keys) == 10 * 12


# --- search ----------------------------------------------------------------------------------------------------------


def test_more_starts_find_no_worse_fit_and_given_v_reproduces_the_search():
    df = counties(4)
    few, many = fitted(df, n_starts=0), fitted(df, n_starts=60)
    assert many.loss <= few.loss * (1 + 1e-6)
    again = fitted(df, v=many.v.to_dict())
    assert again.loss == pytest.approx(many.loss, rel=1e-8)
    assert np.allclose(again.weights, many.weights, atol=1e-7)


def test_the_search_beats_equal_weights_and_lists_where_it_ended():
    df = counties(2)
    nested, equal = fitted(df), fitted(df, v="equal")
    assert nested.loss <= equal.loss
    assert nested.local_optima["loss"].is_monotonic_increasing
    assert nested.local_optima["loss"].iloc[0] == pytest.approx(nested.loss)
    assert nested.local_optima.columns.tolist() == ["loss", "att", "ends", *nested.v.index]
    near = nested.local_optima.query("loss <= 1.05 * loss.min()")["att"]
    assert nested.effect_range[0] <= near.min() and near.max() <= nested.effect_range[1]


def test_a_treated_unit_inside_the_hull_gets_the_exact_fit_of_least_loss():
    df = counties(1, shift=0.0, donors=30, treated=8)
    names = [f"t{i}" for i in range(8)]
    result = fitted(df, treated=names, predictors=["income", "urban"], lags=[])
    assert result.hull_distance < 1e-8 and not result.unique
    assert np.allclose(result.balance["actual"], result.balance["synthetic"], atol=1e-8)
    assert result.loss_lower_bound - 1e-12 <= result.loss
    assert fitted(df, treated=names, predictors=["income", "urban"], lags=[], v={"income": 0.9, "urban": 0.1}).loss == (
        pytest.approx(result.loss, rel=1e-6)
    )


def test_the_distance_from_the_hull_by_hand():
    df = counties(shift=6.0)
    income = df[df["year"] < 2010].groupby("county")["income"].mean()
    beyond = (income["t0"] - income.drop("t0").max()) / income.std(ddof=0)  # deviations of donors and treated unit
    result = fitted(df, predictors=["income"], lags=[])
    assert beyond > 1 and result.hull_distance == pytest.approx(beyond, rel=1e-9)


def test_a_predictor_that_the_hull_excludes_shows_in_the_distance():
    near, far = fitted(counties(shift=0.0)), fitted(counties(shift=6.0))
    assert far.hull_distance > near.hull_distance + 0.5
    table = far.balance.set_index("predictor")
    assert table.loc["income", "actual"] > table.loc["income", "donor_max"]


def test_a_zero_weight_frees_a_predictor():
    df = counties()
    v = {"income": 0.0, "urban": 1.0, "human": 0.0, "soph 2002": 1.0, "soph 2009": 2.0}
    result = fitted(df, v=v)
    scaled = fitted(df.assign(income=np.where(df["county"] == "t0", 50.0, df["income"])), v=v)
    assert result.v.tolist() == [0, 0.25, 0, 0.25, 0.5]
    assert np.allclose(result.weights, scaled.weights, atol=1e-6)


def test_fit_periods_restrict_the_loss_and_the_error_of_placebos():
    result = fitted(counties(), fit_periods=[2006, 2007, 2008, 2009], lags=[2009])
    assert result.loss == pytest.approx((result.effect.loc[2006:2009] ** 2).mean())
    placebos = result.placebo_in_space(placebo_v="fixed")
    expected = np.sqrt((placebos.gaps.loc[2006:2009] ** 2).mean())
    np.testing.assert_allclose(placebos.to_frame()["pre_rmspe"], expected, rtol=1e-12)


# --- demeaned and bias-corrected -------------------------------------------------------------------------------------


def test_a_level_of_the_treated_unit_alone_does_not_matter_after_demeaning():
    df = counties()
    raised = df.assign(soph=df["soph"] + 10 * (df["county"] == "t0"))
    one, other = fitted(df, demean=True), fitted(raised, demean=True)
    assert np.allclose(one.weights, other.weights, **SEARCH)
    assert np.allclose(one.effect, other.effect, **SEARCH)
    assert one.effect.loc[:2009].mean() == pytest.approx(0, abs=1e-10)
    assert np.allclose(other.actual - other.synthetic, other.effect)
    assert abs(fitted(raised).att - fitted(df).att) > 1


def test_bias_correction_takes_off_what_a_linear_outcome_says_about_the_mismatch():
    df = counties(shift=6.0, noise=0.0)
    df["soph"] = 12 + (1 + (df["year"] - 2002)) * df.groupby("county")["income"].transform("mean")
    plain, corrected = (fitted(df, predictors=["income"], lags=[], bias_correct=flag) for flag in (False, True))
    assert abs(plain.att) > 5
    assert abs(corrected.att) < 0.01 * abs(plain.att)
    assert np.allclose(plain.effect.loc[:2009], corrected.effect.loc[:2009])


# --- placebos --------------------------------------------------------------------------------------------------------


def test_a_placebo_in_space_is_the_fit_of_that_donor_on_the_others():
    df = counties(effect=3.0)
    result = fitted(df)
    placebos = result.placebo_in_space()
    table = placebos.to_frame()
    alone = fitted(df[df["county"] != "t0"], treated="d4")
    row = table[table["placebo"] == "d4"].iloc[0]
    assert np.allclose(placebos.gaps["d4"], alone.effect, **SEARCH)
    assert row["att"] == pytest.approx(alone.att, rel=1e-3)
    assert row["pre_rmspe"] == pytest.approx(np.sqrt(alone.loss), rel=1e-5)
    assert np.allclose(table["ratio"], table["post_rmspe"] / table["pre_rmspe"])
    assert placebos.gaps.shape == (12, 15) and np.allclose(placebos.gaps["treated"], result.effect)
    larger = (table["statistic"].iloc[1:] >= table["statistic"].iloc[0]).sum()
    assert placebos.p_value == (1 + larger) / 15
    assert placebos.smallest_p == 1 / 15


def test_the_treated_unit_joins_the_pool_on_request():
    df = counties(donors=8)
    placebos = fitted(df).placebo_in_space(treated_in_pool=True)
    assert np.allclose(placebos.gaps["d2"], fitted(df, treated="d2").effect, **SEARCH)


def test_the_papers_rule_tries_donors_above_the_mean_weight_with_its_coarse_p_value():
    result = fitted(counties())
    placebos = result.placebo_in_space(donors="above_mean_weight")
    above = result.weights.index[result.weights > 1 / 14].tolist()
    assert placebos.to_frame()["placebo"].tolist() == ["treated", *above]
    assert placebos.smallest_p == 1 / (1 + len(above))


def test_fixed_predictor_weights_are_kept():
    df = counties()
    result = fitted(df)
    placebos = result.placebo_in_space(placebo_v="fixed")
    alone = fitted(df[df["county"] != "t0"], treated="d0", v=result.v.to_dict())
    assert np.allclose(placebos.gaps["d0"], alone.effect, atol=1e-8)


def test_an_aggregate_is_compared_with_means_of_donors():
    df = counties(treated=4, effect=2.0)
    names = [f"t{i}" for i in range(4)]
    result = fitted(df, treated=names, v="equal")
    placebos = result.placebo_in_space(n_draws=49, statistic="post_rmspe")
    assert placebos.kind == "group" and placebos.smallest_p == 1 / 50
    members = list(placebos.groups[7])
    assert len(members) == 4
    alone = fitted(df[~df["county"].isin(names)], treated=members, v="equal")
    assert np.allclose(placebos.gaps[7], alone.effect, atol=1e-8)
    again = result.placebo_in_space(n_draws=20, statistic="post_rmspe")
    assert again.groups[7] == placebos.groups[7]
    assert placebos.p_value <= 0.1


def test_groups_take_at_most_half_of_the_donors():
    result = fitted(counties(treated=20), treated=[f"t{i}" for i in range(20)], v="equal")
    placebos = result.placebo_in_space(n_draws=5, statistic="att")
    assert {len(group) for group in placebos.groups.values()} == {7}
    assert result.placebo_in_space(kind="single", statistic="att").kind == "single"


def test_threads_do_not_change_the_placebos():
    result = fitted(counties(donors=8))
    one, two = result.placebo_in_space(), result.placebo_in_space(n_jobs=2)
    pd.testing.assert_frame_equal(one.gaps, two.gaps)


@pytest.mark.parametrize("kind", ["single", "group"])
def test_another_statistic_of_the_same_placebos_needs_no_new_fit(kind):
    result = fitted(counties(treated=2), treated=["t0", "t1"], v="equal")
    first = result.placebo_in_space(kind=kind, n_draws=19, statistic="att")
    for statistic in ("rmspe_ratio", "post_rmspe", "att"):
        again = first.by_statistic(statistic)
        direct = result.placebo_in_space(kind=kind, n_draws=19, statistic=statistic)
        pd.testing.assert_frame_equal(again.to_frame(), direct.to_frame(), check_exact=True)
        assert (again.p_value, again.rank, again.observed) == (direct.p_value, direct.rank, direct.observed)
        assert again.options == direct.options
    with pytest.raises(DomainError, match="statistic='t' is not known"):
        first.by_statistic("t")


def test_an_exact_fit_refuses_the_ratio():
    df = counties()
    twin = df[df["county"] == "d3"].assign(county="t0")
    twin.loc[twin["year"] >= 2010, "soph"] += 1
    result = fitted(pd.concat([df[df["county"] != "t0"], twin]), predictors=(), lags=())
    with pytest.raises(DomainError, match="pre_fit_exact"):
        result.placebo_in_space()
    placebos = result.placebo_in_space(statistic="post_rmspe")
    assert placebos.pre_fit_exact and np.isinf(placebos.to_frame()["ratio"].iloc[0])
    with pytest.raises(DomainError, match="pre_fit_exact"):
        placebos.by_statistic("rmspe_ratio")
    assert placebos.p_value < 1


def test_a_planted_effect_is_added_to_the_gap_and_found():
    found, none = (fitted(counties(3, donors=30, effect=effect)) for effect in (4.0, 0.0))
    assert found.att - none.att == pytest.approx(4, abs=1e-9)
    p_found, p_none = (result.placebo_in_space(placebo_v="fixed", statistic="att").p_value for result in (found, none))
    assert p_found <= 0.1 and p_found < p_none


def test_placebo_effects_of_either_sign_and_ties_count():
    placebos = fitted(counties(), v="equal").placebo_in_space(statistic="att")
    drawn = placebos.to_frame()["statistic"].iloc[1:]
    for observed in (drawn.max(), drawn.min(), drawn.abs().median()):  # each donor as if it had been the treated unit
        larger = (drawn.abs() >= abs(observed)).sum()
        for sign in (1, -1):
            assert replace(placebos, observed=sign * observed).p_value == (1 + larger) / 15
    assert (drawn < 0).any() and (drawn > 0).any()


def test_leaving_a_donor_out_is_the_fit_without_it():
    df = counties()
    result = fitted(df)
    table = result.leave_one_out()
    used = result.weights.index[result.weights > 1e-6].tolist()
    assert table["left_out"].iloc[1:].tolist() == used and table["att"].iloc[0] == result.att
    row = table[table["left_out"] == used[0]].iloc[0]
    alone = fitted(df[df["county"] != used[0]])
    assert (row["att"], row["loss"]) == pytest.approx((alone.att, alone.loss), rel=1e-3)
    assert (table["loss"].iloc[1:] >= result.loss_lower_bound - 1e-12).all()


def test_a_placebo_in_time_sees_no_treated_period():
    df = counties(effect=5.0)
    result = fitted(df)
    earlier = result.placebo_in_time(2007)
    direct = fitted(df[df["year"] < 2010], start=2007, lags=[2002])
    assert earlier.start == 2007 and earlier.effect.index.max() == 2009
    assert np.allclose(earlier.effect, direct.effect, atol=1e-8)
    assert abs(earlier.att) < 1 < result.att
    windows = fitted(df, predictors={"income": [2003, 2008]}).placebo_in_time(2006)
    assert windows.options["predictors"] == {"income": [2003]}


def test_a_placebo_in_time_needs_periods():
    result = fitted(counties(), predictors={"income": [2008, 2009]}, lags=[2009])
    with pytest.raises(TreatmentPathError, match="not before the real one"):
        result.placebo_in_time(2010)
    with pytest.raises(DomainError, match="no period before 2007"):
        result.placebo_in_time(2007)
    with pytest.raises(DomainError, match="no lag lies before"):
        fitted(counties(), predictors=(), lags=[2009]).placebo_in_time(2007)


def test_conformal_bands_are_of_the_same_study():
    result = fitted(counties(effect=5.0), donors=["d0", "d1", "d2"])
    bands = result.conformal(level=0.8)
    assert bands.effect.index.tolist() == [2010, 2011, 2012, 2013]
    assert bands.p_value <= 0.2


# --- several aggregates ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three():
    df = counties(donors=9, treated=6, effect=1.0)
    old, new = [f"t{i}" for i in range(4)], ["t4", "t5"]
    groups = {"whole": old + new, "incumbent": old, "new": new}
    return df, groups, synthetic_controls(df, groups=groups, **KEYS, **PREDICTORS, **FEW)


def test_each_aggregate_equals_its_own_study(three):
    df, groups, found = three
    pool = [f"d{i}" for i in range(9)]
    for name, members in groups.items():
        alone = fitted(df, treated=members, donors=pool)
        assert np.allclose(found.results[name].effect, alone.effect, atol=1e-10)
    assert found.to_frame()["group"].tolist() == ["whole", "incumbent", "new"]
    assert found.sample.rows_used == len(df)


def test_the_gap_to_additivity_compares_the_whole_with_its_parts(three):
    _, _, found = three
    att = {name: result.att for name, result in found.results.items()}
    assert found.additivity_gap == pytest.approx(att["whole"] - (4 * att["incumbent"] + 2 * att["new"]) / 6)


def test_without_a_whole_there_is_no_gap_to_additivity(three):
    df, groups, _ = three
    found = synthetic_controls(df, groups={"new": groups["new"]}, **KEYS, v="equal", **PREDICTORS)
    assert np.isnan(found.additivity_gap)


def test_single_placebos_are_shared_and_equal_those_of_each_aggregate(three):
    _, _, found = three
    together = found.placebo_in_space(kind="single")
    alone = found.results["new"].placebo_in_space(kind="single")
    assert together["whole"].gaps["d5"].equals(together["new"].gaps["d5"])
    pd.testing.assert_frame_equal(together["new"].gaps, alone.gaps)
    assert together["new"].p_value == alone.p_value
    ruled = found.placebo_in_space(donors="above_mean_weight")
    direct = found.results["incumbent"].placebo_in_space(donors="above_mean_weight")
    pd.testing.assert_frame_equal(ruled["incumbent"].to_frame(), direct.to_frame())


def test_groups_are_the_default_for_aggregates(three):
    _, _, found = three
    placebos = found.placebo_in_space(n_draws=9, placebo_v="fixed")
    assert {p.kind for p in placebos.values()} == {"group"}
    assert {len(g) for g in placebos["new"].groups.values()} == {2}


# --- bad input -------------------------------------------------------------------------------------------------------


def without_cell(df: pd.DataFrame) -> pd.DataFrame:
    return df[~((df["county"] == "d1") & (df["year"] == 2005))]


def with_hole(df: pd.DataFrame, column: str) -> pd.DataFrame:
    return df.assign(**{column: df[column].mask((df["county"] == "d1") & (df["year"] == 2005))})


@pytest.mark.parametrize(
    ("change", "options", "error", "message"),
    [
        (without_cell, {}, UnbalancedPanelError, "d1 2005"),
        (lambda df: with_hole(df, "soph"), {}, MissingValueError, "soph.*d1 2005"),
        (lambda df: with_hole(df, "income"), {}, MissingValueError, "income.*d1 2005"),
        (lambda df: df.assign(income="rich"), {}, DomainError, "income"),
        (lambda df: df.drop(columns="urban"), {}, KeyColumnError, "urban"),
        (lambda df: pd.concat([df, df.head(1)]), {}, KeyColumnError, "identify each row"),
        (lambda df: df.assign(income=1.0), {}, RankError, "income"),
        (None, {"treated": "nowhere"}, KeyColumnError, "nowhere"),
        (None, {"donors": ["d0", "t0"]}, TreatmentPathError, "t0"),
        (None, {"donors": ["d0", "d1", "lost"]}, NoDonorsError, "lost"),
        (None, {"donors": ["d0"]}, NoDonorsError, "1 donor"),
        (None, {"donors": []}, NoDonorsError, "0 donor"),
        (None, {"start": 2002}, TreatmentPathError, "no period before 2002"),
        (None, {"start": 2014}, TreatmentPathError, "no period from 2014"),
        (None, {"start": 2003, "lags": [2002]}, GroupSizeError, "1 period"),
        (None, {"lags": [2011]}, TreatmentPathError, "2011"),
        (None, {"predictors": {"income": [2009, 2010]}}, TreatmentPathError, "2010"),
        (None, {"fit_periods": [2008, 2012]}, TreatmentPathError, "2012"),
        (None, {"v": "best"}, DomainError, "'best' is not known"),
        (None, {"v": {"income": 1.0}}, KeyColumnError, "soph 2002"),
        (None, {"v_min": 0.5}, DomainError, "v_min=0.5"),
        (None, {"v_min": -1e-3}, DomainError, "v_min"),
        (None, {"n_starts": -1}, DomainError, "n_starts"),
    ],
)
def test_bad_input_is_named(change, options, error, message):
    df = counties()
    with pytest.raises(error, match=message):
        fitted(df if change is None else change(df), **options)


def test_given_weights_must_be_weights():
    names = ["income", "urban", "human", "soph 2002", "soph 2009"]
    with pytest.raises(DomainError, match="zero or more.*urban"):
        fitted(counties(), v=dict.fromkeys(names, 1.0) | {"urban": -1.0})
    with pytest.raises(RankError, match="weight zero"):
        fitted(counties(), v=dict.fromkeys(names, 0.0))


def test_placebos_name_what_they_cannot_do():
    small = fitted(counties(donors=2), v="equal")
    with pytest.raises(NoDonorsError, match="fewer than two"):
        small.placebo_in_space()
    with pytest.raises(NoDonorsError, match="fewer than two"):
        small.leave_one_out()
    result = fitted(counties(), v="equal")
    for options, message in (
        ({"kind": "group"}, "no group"),
        ({"statistic": "t"}, "'t' is not known"),
        ({"donors": "best"}, "'best' is not known"),
        ({"kind": "group", "donors": "above_mean_weight"}, "kind='single'"),
    ):
        with pytest.raises(DomainError, match=message):
            result.placebo_in_space(**options)
    df = counties(treated=2)
    with pytest.raises(DomainError, match="n_draws=0"):
        fitted(df, treated=["t0", "t1"], v="equal").placebo_in_space(n_draws=0)


def test_aggregates_need_members_and_untreated_donors():
    df = counties(treated=2)
    with pytest.raises(GroupSizeError, match="no treated aggregate"):
        synthetic_controls(df, groups={}, **KEYS)
    with pytest.raises(TreatmentPathError, match="t1"):
        synthetic_controls(df, groups={"a": ["t0"], "b": ["t1"]}, donors=["d0", "d1", "t1"], **KEYS)
    with pytest.raises(RegionError):
        synthetic_controls(df, groups={"a": []}, **KEYS)


def test_ties_leave_the_mean_effect_open_between_the_ends_that_explicit_weights_reach():
    paths = {"t": [2, 2, 5], "a": [1, 1, 1], "b": [3, 3, 3], "c": [0, 0, 4], "d": [4, 4, 0]}
    cells = [(u, time, float(y)) for u, path in paths.items() for time, y in enumerate(path)]
    df = pd.DataFrame(cells, columns=["county", "year", "y"])
    result = synthetic_control(df, unit="county", time="year", outcome="y", treated="t", start=2)
    # (a + b) / 2 and (c + d) / 2 fit exactly with 2 afterwards; a, d at 2/3, 1/3 leave 2/3; b, c at 2/3, 1/3 leave 10/3
    assert not result.unique
    assert result.att_of_ties() == pytest.approx((5 - 10 / 3, 5 - 2 / 3))
    low, high = result.att_of_ties()
    assert low <= result.att <= high


def test_unique_weights_leave_one_effect():
    cells = [(u, time, float(y)) for u, path in {"t": [2, 2, 5], "a": [1, 1, 1], "b": [3, 3, 3]}.items()
             for time, y in enumerate(path)]  # fmt: skip
    df = pd.DataFrame(cells, columns=["county", "year", "y"])
    result = synthetic_control(df, unit="county", time="year", outcome="y", treated="t", start=2)
    assert result.unique
    assert result.att_of_ties() == (result.att, result.att) == pytest.approx((3, 3))
