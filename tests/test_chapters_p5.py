"""Every source of p5 that has lights and controls ends in the same panel, and its outcome is the planted index."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.chapters import CHAPTERS, light_gini_panel, load, transfer_zone_panel
from regiometrics.data.files import data_file
from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    RegionError,
    UnbalancedPanelError,
)
from regiometrics.measure.inequality import gini
from regiometrics.simulate import p5

NEEDED = ["city", "year", "adoption", "policy", "indg", "ln_trans", "ln_gdp", "saver", "edu", "country", "population"]
MECHANISMS = ["innoap", "isa", "emp"]
FLAGS = ["municipality", "resource_city", "cluster5", "old_base"]


@pytest.fixture(scope="module")
def simulated():
    return p5.panel(seed=5)


@pytest.fixture(scope="module")
def few(simulated) -> dict[str, pd.DataFrame]:
    """Tables of the first forty cities, as a reader's own."""
    cities = simulated.tables["cities"].iloc[:40]
    kept = {name: table[table["city"].isin(cities["city"])] for name, table in simulated.tables.items()}
    return {name: table.reset_index(drop=True) for name, table in kept.items()}


@pytest.fixture
def folder(tmp_path, few):
    def write(**changed: pd.DataFrame):
        for name, table in {**few, **changed}.items():
            table.to_parquet(tmp_path / f"{name}.parquet")
        return tmp_path

    return write


def gini_by_definition(values: pd.Series) -> float:
    """Equation (3) literally, from all pairs of counties."""
    y = values.to_numpy()
    return np.abs(y[:, None] - y).sum() / (2 * len(y) ** 2 * y.mean())


def test_the_chapter_names_its_tables_and_sources():
    chapter = CHAPTERS["p5"]
    assert chapter.sources == ("shipped", "simulated", "folder")
    assert set(chapter.tables) == {"panel", *load("p5").tables}


def test_the_simulated_panel_has_the_planted_index_and_policy(simulated):
    bundle = load("p5", "simulated", seed=5)
    table = bundle.tables["panel"]
    assert table.columns.tolist() == [*NEEDED, *MECHANISMS, *FLAGS, "lat", "lon"]
    assert (bundle.source, table.attrs["source"]) == ("simulated", "simulated")
    assert bundle.notes == ("SIMULATED DATA (seed 5)",) and set(simulated.tables) < set(bundle.tables)
    merged = table.merge(bundle.truth["cells"], on=["city", "year"], suffixes=("", "_planted"))
    assert len(merged) == len(table) == 5480
    np.testing.assert_allclose(merged["indg"], merged["indg_planted"], rtol=0, atol=1e-10)
    pd.testing.assert_series_equal(merged["adoption"], merged["cohort"], check_names=False)
    assert merged["policy"].eq(merged["period"].ge(0).fillna(False)).all()
    assert table["adoption"].dtype == "Int64" and table[FLAGS].dtypes.eq(bool).all()
    assert (
        not table.duplicated(["city", "year"]).any()
        and table[["city", "year"]].apply(tuple, axis=1).is_monotonic_increasing
    )


def test_controls_are_logs_of_levels_and_fractions(simulated):
    table = load("p5", "simulated", seed=5).tables["panel"].set_index(["city", "year"])
    levels = simulated.tables["city_year"].set_index(["city", "year"]).reindex(table.index)
    for control, level in (("ln_trans", "passengers"), ("ln_gdp", "gdp")):
        np.testing.assert_allclose(np.exp(table[control]), levels[level], rtol=1e-12)
    same = {
        "saver": "deposits_ratio",
        "edu": "education_ratio",
        "country": "urbanisation",
        "innoap": "patents_per_head",
    }
    for control, level in {**same, "population": "population", "isa": "isa", "emp": "emp"}.items():
        np.testing.assert_array_equal(table[control], levels[level])


def test_own_data_end_in_the_same_panel(folder, few, simulated):
    bundle = load("p5", folder())
    own, whole = bundle.tables["panel"], load("p5", "simulated", seed=5).tables["panel"]
    assert (bundle.source, own.attrs["source"], bundle.truth) == ("user", "user", None)
    expected = whole[whole["city"].isin(few["cities"]["city"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected)
    assert set(bundle.tables) == {"county_light", "city_year", "cities", "policies", "panel"}


def test_cities_outside_the_table_of_cities_stay_out(folder, few):
    kept = few["cities"].iloc[:7]
    policies = few["policies"][few["policies"]["city"].isin(kept["city"])]
    table = load("p5", folder(cities=kept, policies=policies)).tables["panel"]
    assert set(table["city"]) == set(kept["city"]) and len(table) == 7 * 20


def test_optional_columns_may_be_absent(folder, few):
    place = folder(
        city_year=few["city_year"].drop(columns=["patents_per_head", "emp"]),
        cities=few["cities"][["city", "adoption_year", "cluster5"]],
    )
    assert load("p5", place).tables["panel"].columns.tolist() == [*NEEDED, "isa", "cluster5"]


def test_the_index_is_the_gini_coefficient_of_equation_3(few):
    light = few["county_light"]
    table = light_gini_panel(light).set_index(["city", "year"])
    cells = light.groupby(["city", "year"])["light"]
    np.testing.assert_allclose(table["indg"], cells.agg(gini_by_definition).reindex(table.index), atol=1e-12)
    np.testing.assert_allclose(table["indg"], cells.agg(lambda y: gini(y.to_numpy())).reindex(table.index), atol=1e-12)
    assert table["counties"].eq(cells.size().reindex(table.index)).all()


def test_the_index_ignores_the_scale_of_light_and_the_order_of_rows(few):
    light = few["county_light"]
    shuffled = light.sample(frac=1, random_state=1).assign(light=lambda rows: 7 * rows["light"])
    pd.testing.assert_frame_equal(light_gini_panel(shuffled), light_gini_panel(light), rtol=1e-12)


def test_equal_lights_have_no_inequality():
    light = pd.DataFrame({"county": list("abc"), "year": 2010, "light": 2.0, "city": "x"})
    assert light_gini_panel(light)["indg"].tolist() == [0.0]


def test_a_city_with_a_single_county_is_refused(folder, few):
    light = few["county_light"]
    city = few["cities"]["city"].iloc[3]
    members = light.loc[light["city"] == city, "county"].unique()
    lonely = light[~light["county"].isin(members[1:]) | (light["year"] > 2004)]
    with pytest.raises(GroupSizeError, match="a single county") as caught:
        load("p5", folder(county_light=lonely))
    assert caught.value.keys == ((city, 2003), (city, 2004)) and caught.value.column == "county"


def test_a_single_county_outside_the_studied_cities_does_no_harm(folder, few):
    extra = pd.DataFrame({"county": ["700001"], "year": [2003], "light": [1.0], "city": ["700000"], "area": [9.0]})
    light = pd.concat([few["county_light"], extra], ignore_index=True)
    assert len(load("p5", folder(county_light=light)).tables["panel"]) == 40 * 20


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (lambda light: light.assign(light=light["light"] - 5), DomainError, "negative"),
        (
            lambda light: light.assign(light=light["light"].where(light["city"] != "900002", 0)),
            DomainError,
            "mean of a group",
        ),
        (lambda light: light.assign(light=light["light"].where(light.index != 3)), MissingValueError, "missing"),
        (lambda light: pd.concat([light, light.iloc[[0]]]), KeyColumnError, "must identify each row"),
        (lambda light: light.drop(columns="city"), KeyColumnError, "'city' is not in the table"),
    ],
)
def test_lights_without_a_gini_coefficient(few, change, error, problem):
    with pytest.raises(error, match=problem):
        light_gini_panel(change(few["county_light"]))


def test_an_absent_city_year_is_an_error_or_a_note(folder, few):
    place = folder(city_year=few["city_year"].iloc[1:])
    with pytest.raises(UnbalancedPanelError, match="900001 2003"):
        load("p5", place)
    bundle = load("p5", place, missing="drop")
    assert len(bundle.tables["panel"]) == 40 * 20 - 1 and any("900001 2003" in note for note in bundle.notes)


def test_shipped_are_the_county_lights():
    bundle = load("p5")
    table = bundle.tables["county_lights"]
    assert (bundle.source, table.attrs["source"], bundle.truth) == ("shipped", "shipped", None)
    columns = ["adcode", "name_zh", "prefecture", "area_km2", "light_1994", "light_2012"]
    assert table.columns.tolist() == columns
    file = data_file("derived", "lights", "county_lights.csv").read_text("utf-8").splitlines()
    assert len(table) == len(file) - 1
    assert table[["adcode", "prefecture"]].apply(lambda codes: codes.str.fullmatch(r"\d{6}")).all(axis=None)
    assert table[["light_1994", "light_2012"]].min(axis=None) >= 0 and table["adcode"].is_unique


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"clusters": "yangtze_river_delta"}, "p5 has no option clusters"),
        ({"services": "p3_usual"}, "p5 has no option services"),
        ({"services": ["J"], "members": "plans"}, "p5 has no option services, members"),
        ({"source": "nowhere"}, "neither 'shipped' nor 'simulated' nor a folder"),
    ],
)
def test_options_that_the_chapter_does_not_have(options, answer):
    with pytest.raises(RegionError, match=answer):
        load("p5", **options)


def test_a_chapter_that_cannot_be_loaded_names_those_that_can():
    with pytest.raises(RegionError, match="p3, p4, p5"):
        load("p6")


def test_the_tables_that_go_in_are_not_changed(few):
    before = {name: table.copy(deep=True) for name, table in few.items()}
    transfer_zone_panel(few["county_light"], few["city_year"], few["cities"])
    for name, table in few.items():
        pd.testing.assert_frame_equal(table, before[name])
