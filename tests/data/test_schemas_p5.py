"""Own data of p5: every bad cell, key and table is answered with its own error, all in one report."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.schemas import COUNTY_LIGHT, SCHEMAS, check_table, problems, read_tables, tables_of
from regiometrics.errors import (
    DataProblems,
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    RegionError,
    UnbalancedPanelError,
)
from regiometrics.simulate import p5

CODES = ["340100", "430100", "510100"]
COUNTIES = [f"{city[:4]}{i:02d}" for city in CODES for i in (1, 2, 3)]
YEARS = [2009, 2010, 2011]
OPTIONAL = ["patents_per_head", "isa", "emp"]


def keys(name: str, codes: list[str]) -> pd.DataFrame:
    return pd.MultiIndex.from_product([codes, YEARS], names=[name, "year"]).to_frame(index=False)


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    light = keys("county", COUNTIES)
    light["light"] = np.random.default_rng(1).lognormal(1, 1, len(light))
    light["city"] = light["county"].str[:4] + "00"
    levels = keys("city", CODES).assign(
        passengers=6_000.0,
        gdp=1.2e7,
        deposits_ratio=0.8,
        education_ratio=0.03,
        urbanisation=0.5,
        population=450.0,
        patents_per_head=3.0,
        isa=2.5,
        emp=0.6,
    )
    cities = pd.DataFrame(
        {
            "city": CODES,
            "adoption_year": pd.array([2010, None, None], dtype="Int64"),
            "municipality": [0, 0, 0],
            "resource_city": [1, 0, 0],
            "cluster5": [True, False, True],
            "old_base": [0, 1, 0],
            "lat": [31.8, 28.2, 30.7],
            "lon": [117.2, 113.0, 104.1],
        }
    )
    policies = pd.DataFrame({"city": CODES[:2], "policy": ["belt", "belt"], "start_year": [2014, 2014]})
    return {"county_light": light, "city_year": levels, "cities": cities, "policies": policies}


def test_a_good_folder_is_read_with_types(folder, tables):
    read, notes = read_tables("p5", folder(city_year=tables["city_year"].assign(note="seen")))
    assert notes == () and list(read) == ["county_light", "city_year", "cities", "policies"]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read[name], table, check_dtype=False, check_like=True)
    assert read["county_light"]["year"].dtype == int and read["city_year"]["gdp"].dtype == float
    assert read["county_light"]["county"].iloc[0] == "340101"


def test_the_simulated_tables_are_a_good_folder(tmp_path):
    for name, table in p5.panel(seed=2).tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    assert problems("p5", tmp_path).empty


def test_what_is_optional_may_be_absent(folder, tables):
    place = folder(
        city_year=tables["city_year"].drop(columns=OPTIONAL),
        cities=tables["cities"][["city", "adoption_year"]],
        policies=None,
    )
    read, notes = read_tables("p5", place)
    assert list(read) == ["county_light", "city_year", "cities"] and notes == ()
    assert read["cities"].columns.tolist() == ["city", "adoption_year"]


@pytest.mark.parametrize("column", OPTIONAL)
def test_an_optional_column_may_have_empty_cells(folder, tables, column, with_cell):
    levels = with_cell(tables["city_year"], 4, column, None)
    read, notes = read_tables("p5", folder(city_year=levels))
    assert len(read["city_year"]) == 9 and read["city_year"][column].isna().sum() == 1 and notes == ()


@pytest.mark.parametrize(
    ("table", "column"),
    [("county_light", "light"), ("city_year", "gdp"), ("city_year", "population"), ("cities", "adoption_year")],
)
def test_needed_columns_are_named_where_they_are_absent(folder, tables, table, column):
    with pytest.raises(KeyColumnError, match=f"'{column}' is not in the table"):
        read_tables("p5", folder(**{table: tables[table].drop(columns=column)}))


def test_every_number_column_has_a_unit():
    words = {"city", "county", "name", "policy"}
    for table in SCHEMAS["p5"]:
        assert set(table.units()) == set(table.schema.columns) - words
    units = {name: unit for table in tables_of("p5") for name, unit in table.units().items()}
    assert [units[name] for name in ("gdp", "passengers", "emp")] == ["10,000 yuan", "10,000 persons", "fraction"]


@pytest.mark.parametrize(
    ("table", "column", "value", "error", "problem"),
    [
        ("county_light", "light", -0.1, DomainError, "negative values"),
        ("county_light", "light", "bright", DomainError, "text where a number is needed"),
        ("county_light", "light", None, MissingValueError, "missing values"),
        ("county_light", "light", np.inf, MissingValueError, "missing or infinite"),
        ("county_light", "city", None, MissingValueError, "missing values"),
        ("county_light", "city", "合肥", KeyColumnError, "no six-digit code"),
        ("county_light", "county", "3401", KeyColumnError, "no six-digit code"),
        ("city_year", "passengers", 0, DomainError, "zero or negative"),
        ("city_year", "gdp", -5, DomainError, "zero or negative"),
        ("city_year", "gdp", np.inf, MissingValueError, "missing or infinite"),
        ("city_year", "gdp", None, MissingValueError, "missing values"),
        ("city_year", "urbanisation", -0.2, DomainError, "negative values"),
        ("city_year", "urbanisation", 50, DomainError, "hints at percent"),
        ("city_year", "education_ratio", 3.0, DomainError, "hints at percent"),
        ("city_year", "deposits_ratio", 78.0, DomainError, "hints at percent"),
        ("city_year", "emp", 61, DomainError, "hints at percent"),
        ("city_year", "population", 4_500_000, DomainError, "another unit"),
        ("city_year", "patents_per_head", -1, DomainError, "negative values"),
        ("cities", "municipality", 2, DomainError, "neither 0 nor 1"),
        ("cities", "old_base", None, MissingValueError, "missing values"),
        ("cities", "lat", 117.2, DomainError, "outside China"),
        ("cities", "lon", 31.8, DomainError, "outside China"),
        ("cities", "adoption_year", 10, DomainError, "no year between"),
        ("cities", "adoption_year", 2010.5, DomainError, "no year between"),
        ("cities", "adoption_year", "2010/11", DomainError, "text where a number is needed"),
        ("policies", "start_year", None, MissingValueError, "missing values"),
        ("policies", "start_year", 14, DomainError, "no year between"),
    ],
)
def test_a_bad_cell(reported, tables, table, column, value, error, problem):
    found = reported("p5", [(table, column, value, error, problem)])
    of_cell = found[(found["table"] == table) & (found["column"] == column)]
    assert len(of_cell) == 1
    (names,) = (described.keys for described in tables_of("p5") if described.name == table)
    if column not in names:
        key = tuple(tables[table].loc[1, names])
        assert of_cell["keys"].iloc[0] == (key if len(key) == 1 else (key,))


@pytest.mark.parametrize(
    ("column", "scale", "unit"),
    [
        ("gdp", 1e4, "10,000 yuan"),  # yuan
        ("gdp", 1e-4, "10,000 yuan"),  # 100 million yuan (亿元)
        ("passengers", 1e4, "10,000 persons"),
        ("population", 1e4, "10,000 persons"),
        ("population", 1e-2, "10,000 persons"),  # millions
    ],
)
def test_another_unit_is_reported_with_the_right_one(folder, tables, column, scale, unit):
    levels = tables["city_year"].assign(**{column: tables["city_year"][column] * scale})
    with pytest.raises(DomainError, match=rf"another unit.*give the column in {unit}") as caught:
        read_tables("p5", folder(city_year=levels))
    assert (caught.value.column, caught.value.n_rows) == (column, 9)


def test_the_printed_extremes_are_plausible(folder, tables, with_cell):
    extremes = dict(passengers=[31.0, 286_500.0], gdp=[317_700.0, 4.465e8], deposits_ratio=[0.0826, 7.7511])
    extremes |= dict(education_ratio=[0.0012, 0.1478], urbanisation=[0.1586, 0.9487])
    levels = tables["city_year"]
    for column, (low, high) in extremes.items():
        levels = with_cell(with_cell(levels, 0, column, low), 1, column, high)
    assert problems("p5", folder(city_year=levels)).empty


@pytest.mark.parametrize("name", ["county_light", "city_year", "cities", "policies"])
def test_a_duplicate_key(folder, tables, name):
    twice = pd.concat([tables[name], tables[name].iloc[[1]]])
    with pytest.raises(KeyColumnError, match="must identify each row") as caught:
        read_tables("p5", folder(**{name: twice}))
    assert caught.value.n_rows == 2 and len(caught.value.keys) == 1


def test_a_county_of_two_cities(folder, tables, with_cell):
    light = with_cell(tables["county_light"], 2, "city", "430100")
    with pytest.raises(KeyColumnError, match="a county belongs to two cities") as caught:
        read_tables("p5", folder(county_light=light))
    assert caught.value.keys == (("340101", 2009), ("340101", 2010), ("340101", 2011))


def test_a_county_table_without_its_cities(folder, tables):
    with pytest.raises(KeyColumnError, match="'city' is not in the table"):
        read_tables("p5", folder(county_light=tables["county_light"].drop(columns="city")))


def test_adoption_outside_the_years(folder, tables):
    cities = tables["cities"].assign(adoption_year=[2010, 2018, 2001])
    with pytest.raises(DomainError, match="adoption outside the years of `city_year`, 2009 to 2011") as caught:
        read_tables("p5", folder(cities=cities))
    assert caught.value.keys == ("430100", "510100")


@pytest.mark.parametrize("name", ["county_light", "city_year"])
def test_a_city_without_rows(folder, tables, name):
    table = tables[name][tables[name]["city"] != "430100"]
    with pytest.raises(KeyColumnError, match=f"cities without any row of `{name}`") as caught:
        read_tables("p5", folder(**{name: table}))
    assert caught.value.keys == ("430100",)


def test_cities_that_are_not_studied_may_have_rows(folder, tables):
    read, notes = read_tables("p5", folder(cities=tables["cities"].iloc[:2], policies=None))
    assert notes == () and set(read["county_light"]["city"]) == set(CODES)


def test_a_policy_of_an_unknown_city(folder, tables, with_cell):
    policies = with_cell(tables["policies"], 1, "city", "999999")
    with pytest.raises(KeyColumnError, match="cities outside `cities`") as caught:
        read_tables("p5", folder(policies=policies))
    assert caught.value.keys == ("999999",)


@pytest.mark.parametrize(("name", "problem"), [("city_year", "every"), ("county_light", "without the light")])
def test_an_absent_city_year_is_an_error_or_a_note(folder, tables, name, problem):
    table = tables[name]
    place = folder(**{name: table[(table["city"] != "430100") | (table["year"] != 2010)]})
    with pytest.raises(UnbalancedPanelError, match=problem) as caught:
        read_tables("p5", place)
    assert caught.value.keys == (("430100", 2010),)
    _, (note,) = read_tables("p5", place, missing="drop")
    assert "430100 2010" in note


def test_rows_with_missing_values_are_left_out_and_listed_on_request(folder, tables, with_cell):
    place = folder(
        city_year=with_cell(tables["city_year"], 4, "gdp", None),
        county_light=with_cell(tables["county_light"], 0, "city", None),
    )
    read, notes = read_tables("p5", place, missing="drop")
    assert len(read["city_year"]) == 8 and len(read["county_light"]) == 26
    assert any("430100 2010" in note for note in notes) and any("340101 2009" in note for note in notes)


def test_cities_that_never_adopt_are_not_dropped(folder):
    read, _ = read_tables("p5", folder(), missing="drop")
    assert read["cities"]["city"].tolist() == CODES
    assert read["cities"]["adoption_year"].isna().tolist() == [False, True, True]


def test_all_problems_come_in_one_report(folder, tables, with_cell):
    place = folder(
        county_light=with_cell(tables["county_light"], 0, "light", -1),
        city_year=with_cell(with_cell(tables["city_year"], 0, "gdp", "x"), 1, "urbanisation", 48).drop(index=8),
        cities=with_cell(with_cell(tables["cities"], 0, "lat", 117.2), 2, "adoption_year", 2030),
        policies=with_cell(tables["policies"], 0, "city", "350100"),
    )
    with pytest.raises(DataProblems) as caught:
        read_tables("p5", place)
    found = problems("p5", place)
    assert len(caught.value.problems) == len(found) == 7
    assert sorted(found["table"]) == ["cities"] * 2 + ["city_year"] * 3 + ["county_light", "policies"]
    assert found["remedy"].ne("").all()


def test_absent_and_empty_tables(folder, tables, tmp_path):
    assert problems("p5", tmp_path)["table"].tolist() == ["county_light", "city_year", "cities"]
    found = problems("p5", folder(city_year=tables["city_year"].iloc[:0]))
    assert "the table has no rows (table 'city_year')" in found["problem"].tolist()
    with pytest.raises(RegionError, match="no schema yet"):
        tables_of("p6")


def test_the_table_that_is_checked_is_not_changed(tables, with_cell):
    bad = with_cell(tables["county_light"], 0, "light", "x")
    before = bad.copy(deep=True)
    check_table(COUNTY_LIGHT, bad)
    pd.testing.assert_frame_equal(bad, before)


def test_cities_without_a_gini_are_reported_with_the_rest(folder, tables):
    light = tables["county_light"]
    light = light[(light["city"] != "510100") | light["county"].str.endswith("01")]
    dark = light.assign(light=light["light"].mask((light["city"] == "430100") & (light["year"] == 2010), 0.0))
    found = problems("p5", folder(county_light=dark))
    assert len(found) == 2
    with pytest.raises(DataProblems) as caught:
        read_tables("p5", folder(county_light=dark))
    single, lightless = caught.value.problems
    assert isinstance(single, GroupSizeError) and single.keys == tuple(("510100", year) for year in YEARS)
    assert isinstance(lightless, DomainError) and lightless.keys == (("430100", 2010),)
