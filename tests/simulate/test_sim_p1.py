"""The simulation of p1 holds what it plants."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.chapters import load
from regiometrics.data.facts import delta_counties
from regiometrics.data.published import in_text, table
from regiometrics.errors import DomainError
from regiometrics.estimate.matching import propensity
from regiometrics.estimate.mediation import mediation
from regiometrics.estimate.simplex import simplex_least_squares
from regiometrics.estimate.synthetic_control import synthetic_control
from regiometrics.panel import TwoWayEffects
from regiometrics.simulate.p1 import COVARIATES, LOGS, MEDIATORS, NOT_PRINTED, START, UNITS, panel, paths, tilt

LOW, HIGH = 4.543, 20.245
CONTROLS = list(COVARIATES)


@pytest.fixture(scope="module")
def bundle():
    return panel(seed=0)


@pytest.fixture(scope="module")
def without_effects():
    return panel(seed=0, effects="none")


@pytest.fixture(scope="module")
def chapter():
    return load("p1", "simulated", seed=0).tables["panel"]


def complexity_by_definition(tables) -> pd.Series:
    """Equation (3) and the simple mean over products, literally, on tables of countries by products."""
    exports = tables["trade"].pivot(index="country", columns="hs6", values="exports").fillna(0.0)
    share = exports.div(exports.sum(axis=1), axis=0)
    income = tables["countries"].set_index("country")["gdp_per_head"]
    of_product = share.mul(income, axis=0).sum() / share.sum()
    return of_product.loc[tables["concordance"]["hs6"]].groupby(tables["concordance"]["industry"].to_numpy()).mean()


def sophistication_by_definition(made: pd.DataFrame, weight: str, complexity: pd.Series) -> pd.Series:
    """Equation (4) literally."""
    value = made[weight] * made["industry"].map(complexity)
    keys = [made["county"], made["year"]]
    return value.groupby(keys).sum() / made[weight].groupby(keys).sum()


def wide(cells: pd.DataFrame, value: str = "soph") -> pd.DataFrame:
    return cells.pivot(index="year", columns="county", values=value)


def synthetic_effect(treated: np.ndarray, donors: np.ndarray, n_before: int = 10) -> float:
    """Mean gap after the first years to the mean-squared-error-best weighted mean of the donors in those years."""
    weights = simplex_least_squares(donors[:n_before], treated[:n_before]).weights
    return float((treated - donors @ weights)[n_before:].mean())


def group_placebos(donors: np.ndarray, n_draws: int, seed: int) -> np.ndarray:
    """Effects on means of random halves of the donors, fitted by the other half."""
    rng = np.random.default_rng(seed)
    halves = [np.array_split(rng.permutation(donors.shape[1]), 2) for _ in range(n_draws)]
    return np.array([synthetic_effect(donors[:, a].mean(axis=1), donors[:, b]) for a, b in halves])


# tilting --------------------------------------------------------------------------------------------------------------


@given(st.integers(2, 12), st.integers(1, 5), st.floats(0.02, 0.98), st.integers(0, 1000))
def test_tilted_shares_have_the_wanted_mean_and_keep_their_zeros(k, n, part, seed):
    rng = np.random.default_rng(seed)
    shares, values = rng.dirichlet(np.full(k, 0.3), n) + 1e-6, np.sort(rng.uniform(3, 22, k)) + 0.1 * np.arange(k)
    if k > 2:
        shares[:, 1] = 0
    means = np.full(n, values[0] + part * (values[-1] - values[0]))
    tilted = tilt(shares, values, means)
    np.testing.assert_allclose(tilted @ values, means, rtol=0, atol=1e-10)
    np.testing.assert_allclose(tilted.sum(axis=1), 1, rtol=1e-12)
    assert ((tilted == 0) == (shares == 0)).all()
    present = shares[0] > 0
    slope = np.diff(np.log(tilted[0, present] / shares[0, present])) / np.diff(values[present])
    np.testing.assert_allclose(slope, slope[0], rtol=1e-6, atol=1e-8)


def test_shares_that_have_the_mean_already_stay():
    shares = np.array([[0.2, 0.3, 0.5]])
    np.testing.assert_allclose(tilt(shares, np.array([1.0, 2.0, 4.0]), np.array([2.8])), shares, rtol=1e-12)


@pytest.mark.parametrize("mean", [1.0, 4.0, 0.5, 9.0, np.nan, 3.0])
def test_a_mean_outside_the_values_that_are_there_is_refused(mean):
    shares = np.array([[0.5, 0.5, 0.0], [0.2, 0.3, 0.5]])
    with pytest.raises(DomainError, match="outside the range of the values") as caught:
        tilt(shares, np.array([1.0, 3.0, 4.0]), np.array([mean, 2.0]))
    assert caught.value.keys == (0,)


# what is planted ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("effects", ["by_group", "by_type", "none"])
def test_output_returns_the_planted_path(bundle, without_effects, effects):
    drawn = {"by_group": bundle, "none": without_effects}.get(effects) or panel(seed=7, effects=effects)
    complexity = complexity_by_definition(drawn.tables)
    soph = sophistication_by_definition(drawn.tables["county_industry"], "output", complexity)
    planted = drawn.truth["cells"].set_index(["county", "year"])["soph"]
    assert len(soph) == len(planted) == 197 * 14
    np.testing.assert_allclose(soph, planted.reindex(soph.index), rtol=0, atol=1e-10)


def test_the_planted_complexity_is_that_of_the_exports(bundle):
    planted = bundle.truth["complexity"].set_index("industry")["complexity"]
    computed = complexity_by_definition(bundle.tables)
    np.testing.assert_allclose(planted, computed.reindex(planted.index), rtol=1e-12)
    assert planted.min() == pytest.approx(3.5) and planted.max() == pytest.approx(22.0)
    income = bundle.tables["countries"]["gdp_per_head"]
    assert (income > 0).all() and income.min() < planted.min() and income.max() > planted.max()


def test_employment_and_capital_give_similar_sophistication_and_not_the_same(bundle):
    made, complexity = bundle.tables["county_industry"], complexity_by_definition(bundle.tables)
    soph = {w: sophistication_by_definition(made, w, complexity) for w in ("output", "employment", "capital")}
    for weight in ("employment", "capital"):
        assert 0.95 < np.corrcoef(soph["output"], soph[weight])[0, 1] < 0.995
        assert 0.1 < (soph["output"] - soph[weight]).std() < 0.6
    assert (made["employment"] % 1 == 0).all() and (made[["output", "employment", "capital"]] > 0).all(axis=None)


def test_industries_enter_and_leave_and_output_grows(bundle):
    made = bundle.tables["county_industry"]
    years = made.groupby(["county", "industry"])["year"].agg(["min", "max", "size"])
    assert ((years["max"] - years["min"] + 1) == years["size"]).all()
    assert 0.05 < (years["min"] > 2000).mean() < 0.2 and 0.05 < (years["max"] < 2013).mean() < 0.2
    assert made.groupby("county")["industry"].nunique().between(20, 130).all()
    total = np.log(made.groupby(["county", "year"])["output"].sum().unstack())
    growth = total.diff(axis=1).to_numpy()[:, 1:]
    assert growth.mean() == pytest.approx(0.15, abs=0.01) and growth.std() == pytest.approx(0.12, abs=0.01)


@pytest.mark.parametrize("effects", ["by_group", "by_type"])
def test_the_effect_in_every_treated_cell_is_the_printed_one(effects):
    cells, text = paths(3, effects=effects), in_text("p1").set_index("item")["value"].astype(float)
    treated = cells[(cells["group"] != "donor") & (cells["year"] >= START)]
    assert cells.drop(treated.index)["effect"].eq(0).all() and treated["did"].eq(1).all()
    assert cells["did"].sum() == len(treated) == 99 * 4
    names = {"county": "county", "county_city": "county_level_city", "district": "district"}
    for (group, kind), rows in treated.groupby(["group", "type"]):
        item = f"scm_effect_{group}" if effects == "by_group" else f"scm_effect_{group}_{names[kind]}"
        expected = text.get(item, NOT_PRINTED.get((group, kind)))
        np.testing.assert_allclose(rows["effect"], expected, rtol=0, atol=1e-12)


def test_the_one_effect_that_is_not_printed():
    items = set(in_text("p1")["item"])
    printed = [f"scm_effect_{g}_{t}" for g in ("incumbent", "new") for t in ("county", "county_level_city", "district")]
    assert [item for item in printed if item not in items] == ["scm_effect_incumbent_county_level_city"]
    assert list(NOT_PRINTED) == [("incumbent", "county_city")]


def test_averages_of_the_effects_add_up(bundle):
    effects = bundle.truth["effects"].set_index(["group", "type"])
    assert effects.loc[("all", "all"), "counties"] == 99
    for group, n in (("incumbent", 67), ("new", 32)):
        parts = effects.loc[group].drop("all")
        assert parts["counties"].sum() == n == effects.loc[(group, "all"), "counties"]
        assert (parts["counties"] * parts["effect"]).sum() / n == pytest.approx(effects.loc[(group, "all"), "effect"])
    whole = (67 * 0.31 + 32 * 0.54) / 99
    assert effects.loc[("all", "all"), "effect"] == pytest.approx(whole, rel=1e-12)
    indirect = bundle.truth["mediation"]["indirect"].sum()
    np.testing.assert_allclose(effects["effect"] - effects["direct"], indirect, rtol=1e-12)


def test_no_effect_of_any_kind_is_planted_where_none_is_asked_for(bundle, without_effects):
    null, cells = without_effects, bundle.truth["cells"]
    assert null.truth["cells"]["effect"].eq(0).all() and null.truth["mediation"]["a"].eq(0).all()
    # the level's spread is chosen for the whole outcome, so that the paths differ a little by the absent effect
    np.testing.assert_allclose(null.truth["cells"]["soph"], cells["untreated"], atol=0.25)
    donors = (null.tables["mediators"]["year"] < START) | ~cells["did"].astype(bool)
    for name in null.tables["mediators"].columns.drop(["county", "year"]):
        same = null.tables["mediators"][name] == bundle.tables["mediators"][name]
        assert same[donors].all() and not same[~donors].any()


def test_paths_are_those_of_the_panel(bundle):
    pd.testing.assert_frame_equal(paths(0), bundle.truth["cells"])


def test_the_second_wave_has_no_effect(bundle):
    cells = bundle.truth["cells"]
    assert cells.loc[cells["second_wave"], "effect"].eq(0).all()
    counties = bundle.tables["counties"]
    assert counties.loc[counties["second_wave"], "city"].nunique() == 8
    assert counties.loc[counties["second_wave"], "group"].eq("donor").all()


# units and moments ----------------------------------------------------------------------------------------------------


def test_units_are_the_divisions_of_2010_less_the_first_that_became_districts(bundle):
    counties, divisions = bundle.tables["counties"], delta_counties()
    assert counties["group"].value_counts().to_dict() == UNITS
    assert counties["county"].isin(divisions["county"]).all() and counties["county"].is_unique
    pooled = divisions[~divisions["county"].isin(counties["county"])]
    incumbent = divisions[divisions["group"] == "incumbent"]
    by_2014 = incumbent[incumbent["district_since"].le(2014).fillna(False)]
    assert set(pooled.loc[pooled["group"] == "incumbent", "county"]) == set(by_2014["county"]) and len(by_2014) == 8
    assert pooled.loc[pooled["group"] == "donor", "name"].tolist() == ["Ganyu", "Dongtou"]
    assert (counties["type"] == "district").sum() == counties["city"].nunique() == 41
    assert counties.groupby(["group", "type"]).size().loc["new"].to_dict() == {
        "county": 19,
        "county_city": 7,
        "district": 6,
    }


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1))
def test_calibration_meets_its_tolerances_for_every_seed(seed):
    gap = panel(seed).calibration.set_index(["moment", "group"])["gap"].abs()
    assert gap["mean"].max() < 1e-3 and gap["std_dev"].drop("szong").max() < 1e-6
    assert gap["std_dev"]["szong"] < 0.02  # clipping
    means = gap[["mean_incumbent", "mean_new"]].unstack(0)
    of_income_and_government = ["ln_pergdp", "gov"]  # their printed gaps leave no comparable donors
    assert means.drop(index=of_income_and_government).max(axis=None) < 0.08
    assert means.loc["ln_pergdp"].max() < 0.06 and means.loc["gov"].max() < 0.27
    assert gap["count"].drop("n_county_units").eq(0).all()
    assert gap["effect"][["incumbent", "new"]].max() < 1e-9


def test_the_printed_gap_of_income_nearly_exhausts_its_printed_variance():
    moments = table("p1", 1).set_index("variable").loc["ln_pergdp", ["mean", "std_dev"]].astype(float)
    means = table("p1", 2).query("predictor == 'ln_pergdp'").set_index("group")["real"].astype(float)
    donor = moments["mean"] + 99 / 98 * (moments["mean"] - means["all"])
    groups = {**means[["incumbent", "new"]].to_dict(), "donor": donor}
    between = sum(UNITS[g] * (mean - moments["mean"]) ** 2 for g, mean in groups.items()) / 197
    assert 0.9 < between / moments["std_dev"] ** 2 < 1


@pytest.mark.parametrize("seed", [0, 1])
def test_controls_stay_in_the_printed_range(chapter, seed):
    drawn = load("p1", "simulated", seed=seed).tables["panel"] if seed else chapter
    moments = table("p1", 1).set_index("variable").loc[CONTROLS, ["min", "max"]].astype(float)
    assert (drawn[CONTROLS].min() >= moments["min"]).all() and (drawn[CONTROLS].max() <= moments["max"]).all()
    assert drawn["soph"].between(LOW - 1e-9, HIGH + 1e-9).all()
    assert ((drawn["soph"] < LOW + 1e-9) | (drawn["soph"] > HIGH - 1e-9)).mean() < 0.01


def test_comparable_donors_exist_for_about_three_quarters_of_the_treated(bundle):
    parts = []
    for seed in range(4):
        tables = panel(seed).tables if seed else bundle.tables
        levels = (
            tables["county_year"]
            .query("year < @START")
            .assign(
                ln_pergdp=lambda rows: np.log(rows["pergdp"]),
                finan=lambda rows: rows["finance"],
                ln_density=lambda rows: np.log(1e4 / rows["density"]),
            )
        )
        means = levels.groupby("county")[CONTROLS].mean().join(tables["counties"].set_index("county")["group"])
        score = propensity(means.assign(treated=means["group"] != "donor"), treat="treated", covariates=CONTROLS).score
        treated = (means["group"] != "donor").to_numpy()
        parts.append(np.mean(np.asarray(score)[treated] <= np.asarray(score)[~treated].max()))
    assert 0.65 < np.mean(parts) < 0.85 and min(parts) > 0.5


def test_mediators_have_plausible_values(bundle):
    drawn = bundle.tables["mediators"]
    fractions = ["participation", "tax_burden", "subsidy", "patent_grant_rate"]
    assert drawn[fractions].gt(0).all(axis=None) and drawn[fractions].lt(1).all(axis=None)
    assert drawn["retail_per_head"].between(500, 100_000).all() and drawn["science_spending"].gt(0).all()
    names = {LOGS.get(name, name) for name in MEDIATORS}
    assert set(drawn) - {"county", "year"} == names and len(names) == 9


# what estimators return -----------------------------------------------------------------------------------------------


def two_way(rows: pd.DataFrame, outcome: str, regressors: list[str]) -> pd.DataFrame:
    """Coefficients with county and year effects, and their errors clustered by county, by regressor."""
    within = TwoWayEffects.of(rows, unit="county", time="year").demean(rows[[*regressors, outcome]].to_numpy(float))
    x, y = within[:, :-1], within[:, -1]
    bread = np.linalg.inv(x.T @ x)
    coefficient = bread @ x.T @ y
    scores = pd.DataFrame(x * (y - x @ coefficient)[:, None]).groupby(rows["county"].to_numpy()).sum().to_numpy()
    error = np.sqrt(np.diag(bread @ scores.T @ scores @ bread))
    return pd.DataFrame({"coefficient": coefficient, "error": error}, index=regressors)


@pytest.mark.parametrize("mediator", MEDIATORS)
def test_mediation_regressions_recover_a_b_and_the_total_effect(bundle, chapter, mediator):
    truth = bundle.truth["mediation"].set_index("mediator").loc[mediator]
    total = bundle.truth["effects"]["effect"].iloc[0]
    first = two_way(chapter, mediator, ["did"]).loc["did"]
    second = two_way(chapter, "soph", ["did", mediator])
    whole = two_way(chapter, "soph", ["did"]).loc["did"]
    planted = [(first, truth["a"]), (second.loc[mediator], truth["b"]), (whole, total)]
    planted.append((second.loc["did"], total - truth["indirect"]))
    for fit, expected in planted:
        assert abs(fit["coefficient"] - expected) < 2.5 * fit["error"]


def test_the_mediation_of_staff_growth_covers_its_planted_indirect_effect(chapter):
    result = mediation(
        chapter,
        outcome="soph",
        treatment="did",
        mediator="staff_growth",
        controls=CONTROLS,
        unit="county",
        time="year",
        n_boot=199,
        seed=1,
    )
    low, high = result.interval
    assert low < 0.228 * 0.180 < high
    assert result.b == pytest.approx(0.180, abs=0.05)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_outcome_only_synthetic_controls_recover_the_effects_within_two_placebo_deviations(seed):
    cells = paths(seed)
    outcome, group = wide(cells), cells.groupby("county")["group"].first()
    donors = outcome.loc[:, group == "donor"].to_numpy()
    spread = group_placebos(donors, 60, seed).std()
    assert spread < 0.2  # an effect of 0.54 can be seen
    for label, planted in (("incumbent", 0.31), ("new", 0.54)):
        treated = outcome.loc[:, group == label].mean(axis=1).to_numpy()
        assert abs(synthetic_effect(treated, donors) - planted) < 2 * spread


def placebo_distance(cells: pd.DataFrame, group: str, planted: float, **predictors: object) -> float:
    """Distance of the estimated effect on a group from the planted one, in deviations of 99 group placebos."""
    units = cells.groupby("group")["county"].unique()
    keys = {"unit": "county", "time": "year", "outcome": "soph", "start": START}
    of_group = {"treated": units[group].tolist(), "donors": units["donor"].tolist()}
    result = synthetic_control(cells, **keys, **of_group, **predictors)
    placebos = result.placebo_in_space(kind="group", n_draws=99, statistic="att", placebo_v="fixed", seed=0)
    return abs(result.att - planted) / placebos.to_frame()["att"].std()


@pytest.mark.parametrize(("group", "planted"), [("incumbent", 0.31), ("new", 0.54)])
def test_synthetic_control_on_outcomes_recovers_the_effect_of_each_group(group, planted):
    assert placebo_distance(paths(0), group, planted) < 2


@pytest.mark.slow
@pytest.mark.parametrize(("group", "planted"), [("incumbent", 0.31), ("new", 0.54)])
def test_synthetic_control_on_predictors_recovers_the_effect_of_each_group(chapter, group, planted):
    assert placebo_distance(chapter, group, planted, predictors=CONTROLS, lags=[2000, 2003, 2006, 2009]) < 2


@pytest.mark.slow
def test_group_effects_lie_within_two_placebo_deviations_in_most_panels():
    inside, size = [], []
    for seed in range(100):
        for effects, planted in (("by_group", {"incumbent": 0.31, "new": 0.54}), ("none", {"incumbent": 0.0})):
            cells = paths(seed, effects=effects)
            outcome, group = wide(cells), cells.groupby("county")["group"].first()
            donors = outcome.loc[:, group == "donor"].to_numpy()
            spread = group_placebos(donors, 40, seed).std()
            for label, effect in planted.items():
                gap = synthetic_effect(outcome.loc[:, group == label].mean(axis=1).to_numpy(), donors) - effect
                (inside if effects == "by_group" else size).append(abs(gap) < 2 * spread)
    assert np.mean(inside) > 0.87 and np.mean(size) > 0.87


# options --------------------------------------------------------------------------------------------------------------


def test_the_seed_decides(bundle):
    again, other = panel(np.random.default_rng(0)), paths(4)
    for name, drawn in bundle.tables.items():
        pd.testing.assert_frame_equal(drawn, again.tables[name])
    assert not np.allclose(bundle.truth["cells"]["soph"], other["soph"])


def test_tables_say_that_they_are_simulated(bundle):
    assert bundle.source == "simulated" and bundle.notes[0] == "SIMULATED DATA (seed 0)"
    assert "invented" in bundle.notes[1]
    assert all(drawn.attrs["source"] == "simulated" for drawn in bundle.tables.values())


@pytest.mark.parametrize("make", [panel, paths])
def test_options_are_checked(make):
    with pytest.raises(DomainError, match="effects='by_size' is not known"):
        make(effects="by_size")
