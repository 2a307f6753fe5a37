"""The simulation of p5 holds what it plants."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.chapters import transfer_zone_panel
from regiometrics.data.facts import clusters
from regiometrics.data.published import table
from regiometrics.errors import DomainError
from regiometrics.measure.inequality import gini
from regiometrics.panel import TwoWayEffects
from regiometrics.simulate.p5 import CONTROLS, GROUPS, MECHANISMS, OTHER_POLICIES, lights, panel

ALL = ["policy", *CONTROLS]


@pytest.fixture(scope="module")
def bundle():
    return panel(seed=0)


@pytest.fixture(scope="module")
def dynamic_bundle():
    return panel(seed=0, dynamic=True)


@pytest.fixture(scope="module")
def chapter(bundle):
    """The panel of the chapter with dummies of the other policies."""
    tables = bundle.tables
    rows = transfer_zone_panel(tables["county_light"], tables["city_year"], tables["cities"])
    for policy, start in tables["policies"].groupby("policy"):
        first = rows["city"].map(start.set_index("city")["start_year"])
        rows[policy] = (rows["year"] >= first).astype(int)
    return rows


def printed(number: int, term: str, kind: str = "coefficient") -> pd.Series:
    rows = table("p5", number).query("term == @term and row_kind == @kind")
    return rows.set_index("column_label")["value"].astype(float)


def planted(bundle, outcome: str) -> pd.Series:
    return bundle.truth["coefficients"].query("outcome == @outcome").set_index("term")["coefficient"]


def two_way(rows: pd.DataFrame, outcome: str, regressors: list[str]) -> pd.DataFrame:
    """Coefficients with city and year effects, and their errors clustered by city, by regressor."""
    within = TwoWayEffects.of(rows, unit="city", time="year").demean(rows[[*regressors, outcome]].to_numpy(float))
    x, y = within[:, :-1], within[:, -1]
    bread = np.linalg.inv(x.T @ x)
    coefficient = bread @ x.T @ y
    scores = pd.DataFrame(x * (y - x @ coefficient)[:, None]).groupby(rows["city"].to_numpy()).sum().to_numpy()
    error = np.sqrt(np.diag(bread @ scores.T @ scores @ bread))
    return pd.DataFrame({"coefficient": coefficient, "error": error}, index=regressors)


def distance(fit: pd.DataFrame, truth: pd.Series) -> pd.Series:
    """Distance from the truth in standard errors."""
    return ((fit["coefficient"] - truth.reindex(fit.index)) / fit["error"]).abs()


@given(st.integers(2, 30), st.floats(0, 0.97), st.integers(1, 4))
def test_lights_invert_the_gini_coefficient(n, share, cells):
    index = np.full(cells, share * (n - 1) / n)
    drawn = lights(index, n)
    assert drawn.shape == (cells, n) and (drawn > 0).all() and (np.diff(drawn) >= 0).all()
    np.testing.assert_allclose(drawn.mean(axis=1), 1, rtol=1e-12)
    assert gini(drawn[0]) == pytest.approx(index[0], abs=1e-12)


@pytest.mark.parametrize("index", [0.75, 0.9, -0.1, np.nan])
def test_lights_cannot_be_more_unequal_than_their_number_allows(index):
    with pytest.raises(DomainError, match="4 counties cannot have"):
        lights(np.array([0.2, index]), 4)


def test_every_city_year_has_the_planted_gini(bundle):
    light = bundle.tables["county_light"]
    index = bundle.truth["cells"].set_index(["city", "year"])["indg"]
    drawn = light.groupby(["city", "year"])["light"].agg(lambda values: gini(values.to_numpy()))
    assert len(drawn) == 5480
    np.testing.assert_allclose(drawn, index.reindex(drawn.index), rtol=0, atol=1e-10)


def test_counties_keep_their_city_and_their_order_of_brightness(bundle):
    light = bundle.tables["county_light"]
    assert light.groupby("county")["city"].nunique().eq(1).all()
    assert light.groupby("county")["area"].nunique().eq(1).all()
    assert 2_400 < light["county"].nunique() < 2_900
    assert light.groupby("city")["county"].nunique().between(4, 25).all()
    rank = light.groupby(["city", "year"])["light"].rank()
    assert rank.groupby(light["county"]).nunique().eq(1).all()


def test_mean_light_follows_the_gdp(bundle):
    mean = bundle.tables["county_light"].groupby(["city", "year"])["light"].mean()
    gdp = bundle.tables["city_year"].set_index(["city", "year"])["gdp"].reindex(mean.index)
    slope, level = np.polyfit(np.log(gdp), np.log(mean), 1)
    assert slope == pytest.approx(0.6) and np.exp(level) > 0


def test_the_design_has_the_printed_counts(bundle):
    cities = bundle.tables["cities"]
    assert cities["adoption_year"].value_counts().sort_index().to_dict() == {
        2010: 13,
        2011: 5,
        2012: 4,
        2013: 4,
        2014: 2,
    }
    moments = table("p5", 2).set_index("variable").loc["policy"]
    policy = bundle.truth["cells"]["period"].ge(0).fillna(False)
    assert f"{policy.mean():.4f}" == str(moments["mean"]) and f"{policy.std():.4f}" == str(moments["std_dev"])
    counts = bundle.calibration.query("moment in ['count', 'n_obs']")
    assert len(counts) == 12 and counts["gap"].eq(0).all()
    assert cities["municipality"].sum() == 3 and cities.loc[cities["municipality"], "adoption_year"].isna().all()


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1))
def test_calibration_meets_its_tolerances_for_every_seed(seed):
    gap = panel(seed).calibration.set_index(["moment", "group"])["gap"].abs()
    assert gap["mean"].max() < 0.03 and gap["std_dev"].max() < 0.10
    assert gap["count"].eq(0).all() and gap["n_obs"].eq(0).all()
    of_size = ["large_city", "small_medium_city"]  # size moves with the population, the other groups stand still
    assert gap["group_size"].drop(of_size).eq(0).all() and gap["group_size"][of_size].max() < 0.1
    assert gap["policy"].max() < 0.1
    assert gap["r2"].drop("emp").max() < 0.15
    assert gap["r2"]["emp"] < 0.25  # the smallest swings most: over 40 seeds a mean gap of 0.05, deviation 0.03


def test_values_stay_in_the_printed_range_and_the_index_reaches_its_ends(bundle, chapter):
    moments = table("p5", 2).set_index("variable")[["min", "max"]].astype(float)
    drawn = chapter[moments.index].agg(["min", "max"]).T
    assert (drawn["min"] > moments["min"] - 1e-9).all() and (drawn["max"] < moments["max"] + 1e-9).all()
    np.testing.assert_allclose(drawn.loc["indg"], moments.loc["indg"], atol=1e-10)
    at_an_end = bundle.truth["cells"]["indg"].isin(moments.loc["indg"])
    assert at_an_end.mean() < 0.02


def test_the_effect_is_the_planted_one_wherever_the_index_is_inside_its_range(bundle):
    cells = bundle.truth["cells"]
    treated = cells["period"].ge(0).fillna(False)
    assert cells.loc[~treated, ["direct", "total"]].eq(0).all(axis=None)
    shared = cells.loc[treated, "direct"]
    assert np.isclose(shared, -0.0253, atol=1e-12).mean() > 0.95 and shared.between(-0.0253 - 1e-12, 0).all()
    overall = bundle.truth["effects"].set_index("group").loc["all"]
    assert overall["cells"] == 331 and overall["direct"] == pytest.approx(shared.mean(), rel=1e-12)
    assert overall["direct"] == pytest.approx(-0.0253, rel=0.04)
    assert overall["total"] == pytest.approx(printed(3, "policy")["spec_1"], rel=0.04)


@pytest.mark.parametrize("table_name", ["cohorts", "path", "effects"])
def test_averages_by_cohort_period_and_group_add_up_to_the_overall_effect(bundle, table_name):
    overall = bundle.truth["effects"].set_index("group").loc["all"]
    parts = bundle.truth[table_name]
    if table_name == "effects":
        parts = parts[parts["group"].isin(GROUPS["old_base"])]
    assert parts["cells"].sum() == 331
    for kind in ("direct", "total"):
        assert (parts["cells"] * parts[kind]).sum() / 331 == pytest.approx(overall[kind], rel=1e-12)


def test_adding_the_controls_moves_the_coefficient_as_in_table_3(bundle):
    expected = bundle.truth["specifications"].query("table == 3").set_index("specification")["policy"]
    np.testing.assert_allclose(expected, printed(3, "policy").reindex(expected.index), rtol=0, atol=0.0015)


def test_the_policy_moves_each_control_by_the_planted_shift_and_nothing_else_does(bundle, chapter):
    for name in CONTROLS:
        shift = two_way(chapter, name, ["policy"])["coefficient"]["policy"]
        # where the shifted control leaves the printed range it is clipped: up to 7 % of the shift in this draw
        assert shift == pytest.approx(planted(bundle, name)["policy"], rel=0.1)
    within = TwoWayEffects.of(chapter, unit="city", time="year").demean(chapter[ALL].to_numpy(float))
    free = within[:, 1:] - within[:, :1] @ np.linalg.lstsq(within[:, :1], within[:, 1:])[0]
    assert np.abs(np.corrcoef(free.T) - np.eye(len(CONTROLS))).max() < 0.03


def test_two_way_regressions_recover_what_was_planted(bundle, chapter):
    overall = bundle.truth["effects"].set_index("group").loc["all"]
    indg = planted(bundle, "indg")
    total = two_way(chapter, "indg", ["policy"])
    assert (distance(total, pd.Series({"policy": overall["total"]})) < 2).all()
    assert (distance(two_way(chapter, "indg", ALL), indg) < 2.5).all()
    with_others = two_way(chapter, "indg", [*ALL, *OTHER_POLICIES])
    assert (distance(with_others, indg) < 2.5).all()
    assert (with_others["coefficient"][["beijing_tianjin_hebei", "greater_bay_area"]] > 0.03).all()


@pytest.mark.parametrize("name", MECHANISMS)
def test_mechanism_variables_respond_as_in_table_7(bundle, chapter, name):
    coefficient = printed(7, "policy")[name]
    assert planted(bundle, name)["policy"] == coefficient
    assert (distance(two_way(chapter, name, ["policy"]), pd.Series({"policy": coefficient})) < 2).all()
    assert chapter[name].gt(0).all() and (name != "emp" or chapter[name].lt(1).all())


def test_there_is_no_trend_before_adoption(bundle):
    cells = bundle.truth["cells"]
    leads = {f"lead{k}": cells["period"].eq(-k).fillna(False) for k in range(2, 6)}
    rows = cells.assign(policy=cells["period"].ge(0).fillna(False), **leads)
    assert sum(lead.sum() for lead in leads.values()) == 28 * 4
    fit = two_way(rows, "indg", ["policy", *leads])
    assert (fit["coefficient"] / fit["error"]).drop("policy").abs().max() < 2.5


def test_other_policies_cover_treated_and_other_cities_alike(bundle):
    policies = bundle.tables["policies"]
    treated = set(bundle.tables["cities"].dropna(subset=["adoption_year"])["city"])
    for policy, (_, start, n) in OTHER_POLICIES.items():
        covered = policies[policies["policy"] == policy]
        assert len(covered) == n and covered["start_year"].eq(start).all()
        assert covered["city"].isin(treated).sum() == round(n * 28 / 274)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_effects_by_group_differ_as_in_table_6_around_the_same_average(seed):
    bundle = panel(seed, effects="by_group")
    effect = printed(6, "policy")
    cells = bundle.truth["cells"].merge(bundle.tables["cities"], on="city").merge(bundle.tables["city_year"])
    treated = cells[cells["period"].ge(0).fillna(False)]
    by_city = treated.groupby("city")["direct"].transform("median")  # clipping touches few years of a city
    first = cells.groupby("city")["population"].transform("first").reindex(treated.index)
    assert by_city.mean() == pytest.approx(-0.0253, abs=1e-9)
    for name, (members, others) in GROUPS.items():
        belongs = first >= 500 if name == "large" else treated[name].astype(bool)
        gap = by_city[belongs].mean() - by_city[~belongs].mean()
        assert gap == pytest.approx(effect[members] - effect[others], abs=1e-9)
        assert by_city[belongs].mean() == pytest.approx(effect[members], abs=0.001)
    truth = bundle.truth["effects"].set_index("group")["direct"]
    np.testing.assert_allclose(truth[effect.index], effect, rtol=0, atol=0.008)


def test_a_dynamic_effect_grows_differs_by_cohort_and_keeps_the_average(dynamic_bundle):
    truth = dynamic_bundle.truth
    assert truth["effects"]["direct"].iloc[0] == pytest.approx(-0.0253, rel=0.04)
    path = truth["path"].set_index("period")["direct"]
    assert (np.diff(path.loc[:3]) < 0).all() and path[3] == pytest.approx(4 * path[0], rel=0.06)
    assert (np.diff(truth["cohorts"]["direct"]) > 0).all()


def test_two_way_effects_miss_the_average_of_a_dynamic_effect_but_not_of_a_constant_one(bundle, dynamic_bundle):
    gaps = {}
    for dynamic in (False, True):
        truth = (dynamic_bundle if dynamic else bundle).truth
        cells = truth["cells"].assign(policy=lambda rows: rows["period"].ge(0).fillna(False).astype(int))
        adopters = cells[cells["cohort"].notna()]
        for name, rows in (("all", cells), ("adopters", adopters)):
            coefficient = two_way(rows, "direct", ["policy"])["coefficient"]["policy"]
            gaps[name, dynamic] = coefficient / truth["effects"]["direct"].iloc[0] - 1
    assert abs(gaps["all", False]) < 0.02 and abs(gaps["adopters", False]) < 0.05
    assert gaps["all", True] < -0.05  # nearer to zero than the average, though nine in ten cities never adopt
    assert gaps["adopters", True] < -0.25


def test_no_effect_is_planted_where_none_is_asked_for(bundle):
    null = panel(0, effect=0.0)
    cells = null.truth["cells"]
    assert cells[["direct", "total"]].eq(0).all(axis=None)
    assert planted(null, "indg")["policy"] == 0 and planted(null, "ln_gdp")["policy"] == 0
    same = bundle.truth["cells"]
    untreated = same["period"].lt(0).fillna(True)
    np.testing.assert_allclose(cells.loc[untreated, "indg"], same.loc[untreated, "indg"], atol=1e-12)
    np.testing.assert_allclose(cells["indg"], same["indg"] - same["total"], atol=1e-12)


def test_codes_and_names_are_invented(bundle):
    cities, light = bundle.tables["cities"], bundle.tables["county_light"]
    assert cities["city"].str.fullmatch(r"90\d{4}").all() and light["county"].str.fullmatch(r"80\d{4}").all()
    assert not set(cities["city"]) & set(clusters()["adcode"])
    assert cities["name"].iloc[[0, -1]].tolist() == ["City 001", "City 274"]
    assert cities["lat"].between(22, 42).all() and cities["lon"].between(100, 122).all()
    assert all(table.attrs["source"] == "simulated" for table in bundle.tables.values())
    assert bundle.source == "simulated" and "SIMULATED DATA (seed 0)" in bundle.notes


def test_the_seed_decides():
    first, again, other = (panel(seed) for seed in (3, np.random.default_rng(3), 4))
    for name, drawn in first.tables.items():
        pd.testing.assert_frame_equal(drawn, again.tables[name])
    assert not np.allclose(first.truth["cells"]["indg"], other.truth["cells"]["indg"])


def test_options_are_checked():
    with pytest.raises(DomainError, match="effects='size' is not known"):
        panel(effects="size")
    with pytest.raises(DomainError, match="leaves no room"):
        panel(effect=-0.3)


@pytest.mark.slow
def test_intervals_cover_the_planted_effects():
    inside = []
    for seed in range(100):
        bundle = panel(seed)
        tables = bundle.tables
        rows = transfer_zone_panel(tables["county_light"], tables["city_year"], tables["cities"])
        effects = bundle.truth["effects"].set_index("group").loc["all"]
        for regressors, kind in ((["policy"], "total"), (ALL, "direct")):
            fit = two_way(rows, "indg", regressors).loc[["policy"]]
            inside.append((distance(fit, pd.Series({"policy": effects[kind]})) < 1.96).all())
    assert np.mean(inside) > 0.88  # three standard errors of 100 draws below 0.95
