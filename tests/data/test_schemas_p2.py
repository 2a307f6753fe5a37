"""Own data of p2: every bad cell, key and table is answered with its own error, all in one report."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.facts import SECTIONS
from regiometrics.data.schemas import GROWTH, SCHEMAS, check_table, problems, read_tables, tables_of
from regiometrics.errors import (
    DataProblems,
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoDonorsError,
    UnbalancedPanelError,
)
from regiometrics.simulate import p2

CODES = ["610100", "610300", "450100", "450500"]
OUTSIDE = "650100"
YEARS = [2008, 2009]
WORDS = {"city", "cluster", "cluster_zh", "name", "name_zh"}
DEFLATORS = ["gdp_deflator", "investment_deflator"]


def keys(codes: list[str]) -> pd.DataFrame:
    return pd.MultiIndex.from_product([codes, YEARS], names=["city", "year"]).to_frame(index=False)


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    rows = keys([*CODES, OUTSIDE])
    levels = {"population": 450.0, "gdp": 2_000.0, "investment": 1_100.0, "so2": 30_000.0, "fdi": 40_000.0}
    levels |= {"students": 60_000.0, "spending": 2.5e6, "freight": 9_000.0}
    rising = 1 + 0.03 * (rows["year"] - 2008)
    jobs = np.random.default_rng(1).lognormal(9, 1, (len(CODES) * len(YEARS), len(SECTIONS)))
    cities = pd.DataFrame(
        {
            "city": CODES,
            "cluster": ["guanzhong_plain"] * 2 + ["beibu_gulf"] * 2,
            "central": [1, 0, 1, 0],
            "north": [True, True, False, False],
            "distance_to_centre": [0.0, 170.0, 0.0, 210.0],
        }
    )
    return {
        "city_year": rows.assign(**levels, **dict.fromkeys(DEFLATORS, rising)),
        "employment": pd.concat([keys(CODES), pd.DataFrame(jobs.round(), columns=list(SECTIONS))], axis=1),
        "cities": cities,
    }


def test_a_good_folder_is_read_with_types(folder, tables):
    read, notes = read_tables("p2", folder(city_year=tables["city_year"].assign(note="seen")))
    assert notes == () and list(read) == ["city_year", "employment", "cities"]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read[name], table, check_dtype=False, check_like=True)
    assert read["city_year"]["year"].dtype == int and read["city_year"]["gdp"].dtype == float
    assert read["cities"]["city"].iloc[0] == "610100"


@pytest.fixture(scope="module")
def simulated():
    return p2.panel(seed=2).tables


def test_the_simulated_tables_are_a_good_folder(tmp_path, simulated):
    for name, table in simulated.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    assert problems("p2", tmp_path).empty


def test_every_number_column_has_a_unit():
    for table in SCHEMAS["p2"]:
        assert set(table.units()) == set(table.schema.columns) - WORDS
    units = {(t.name, name): unit for t in tables_of("p2") for name, unit in t.units().items()}
    assert units["city_year", "gdp"] == "10^8 yuan" and units["city_year", "spending"] == "10,000 yuan"
    assert units["city_year", "gdp_deflator"] == "index, 2008 = 1" and units["city_year", "so2"] == "t"


@pytest.mark.parametrize("table", ["city_year", "employment", "cities"])
def test_needed_columns_are_named_where_they_are_absent(folder, tables, table):
    column = {"city_year": "so2", "employment": "C", "cities": "north"}[table]
    with pytest.raises(KeyColumnError, match=f"'{column}' is not in the table"):
        read_tables("p2", folder(**{table: tables[table].drop(columns=column)}))


BAD_CELLS = [
    ("city_year", "population", 4.5e6, DomainError, "another unit"),
    ("city_year", "population", 0, DomainError, "zero or negative"),
    ("city_year", "gdp", 2e7, DomainError, "another unit"),
    ("city_year", "gdp", -1, DomainError, "zero or negative"),
    ("city_year", "gdp", np.inf, MissingValueError, "missing or infinite"),
    ("city_year", "gdp_deflator", 103.1, DomainError, "too large for an index"),
    ("city_year", "gdp_deflator", 0, DomainError, "zero or negative"),
    ("city_year", "gdp_deflator", None, MissingValueError, "missing values"),
    ("city_year", "investment", 1.1e7, DomainError, "another unit"),
    ("city_year", "investment", 0, DomainError, "zero or negative"),
    ("city_year", "investment_deflator", 100, DomainError, "too large for an index"),
    ("city_year", "so2", 0.3, DomainError, "another unit"),
    ("city_year", "so2", 0, DomainError, "zero or negative"),
    ("city_year", "so2", "many", DomainError, "text where a number is needed"),
    ("city_year", "fdi", 4e8, DomainError, "another unit"),
    ("city_year", "fdi", 0, DomainError, "zero or negative"),
    ("city_year", "students", 6, DomainError, "another unit"),
    ("city_year", "spending", 250, DomainError, "another unit"),
    ("city_year", "spending", 2.5e10, DomainError, "another unit"),
    ("city_year", "freight", 9e7, DomainError, "another unit"),
    ("city_year", "freight", None, MissingValueError, "missing values"),
    ("employment", "C", -5, DomainError, "negative employment"),
    ("employment", "J", None, MissingValueError, "missing values"),
    ("cities", "central", 2, DomainError, "neither 0 nor 1"),
    ("cities", "north", 3, DomainError, "neither 0 nor 1"),
    ("cities", "north", None, MissingValueError, "missing values"),
    ("cities", "cluster", None, MissingValueError, "missing values"),
    ("cities", "distance_to_centre", -4, DomainError, "negative values"),
    ("cities", "distance_to_centre", 170_000, DomainError, "another unit"),
]


@pytest.mark.parametrize("turn", range(3))
def test_bad_cells(reported, turn):
    """One bad cell in each column at a time: the first of the list, then the second, then the third."""
    turns = pd.DataFrame(BAD_CELLS).groupby([0, 1]).cumcount()
    cases = [case for case, of_case in zip(BAD_CELLS, turns, strict=True) if of_case == turn]
    assert cases and turns.max() == 2
    reported("p2", cases)


SLIPS = [("gdp", 1e4), ("gdp", 1e8), ("investment", 1e4), ("spending", 1e-4), ("spending", 1e4), ("population", 1e4)]
SLIPS += [("students", 1e-4), ("fdi", 1e4), ("so2", 1e-4), ("freight", 1e4)]


@pytest.mark.parametrize(("column", "factor"), SLIPS)
def test_a_column_in_another_unit_is_recognised(simulated, column, factor):
    levels = simulated["city_year"]
    _, (problem,) = check_table(GROWTH, levels.assign(**{column: levels[column] * factor}))
    assert (
        isinstance(problem, DomainError) and "another unit" in str(problem) and GROWTH.units()[column] in str(problem)
    )
    assert problem.column == column and problem.n_rows > 0.7 * len(levels)


@pytest.mark.parametrize("column", DEFLATORS)
def test_a_deflator_with_another_base(folder, tables, column):
    levels = tables["city_year"]
    with pytest.raises(DomainError, match=f"{column} is not 1 in 2008") as caught:
        read_tables("p2", folder(city_year=levels.assign(**{column: levels[column] / 1.03})))
    assert caught.value.n_rows == 5
    in_percent = levels.assign(**{column: 100 * levels[column]})
    with pytest.raises(DomainError, match="too large for an index that is 1 in 2008") as caught:
        read_tables("p2", folder(city_year=in_percent))
    assert (caught.value.column, caught.value.n_rows) == (column, 10)


@pytest.mark.parametrize("name", [table.name for table in SCHEMAS["p2"]])
def test_a_duplicate_key(folder, tables, name):
    twice = pd.concat([tables[name], tables[name].iloc[[1]]])
    with pytest.raises(KeyColumnError, match="must identify each row") as caught:
        read_tables("p2", folder(**{name: twice}))
    assert caught.value.n_rows == 2 and len(caught.value.keys) == 1


@pytest.mark.parametrize("name", [table.name for table in SCHEMAS["p2"]])
def test_a_name_instead_of_a_code(folder, tables, name, with_cell):
    found = problems("p2", folder(**{name: with_cell(tables[name], 1, "city", "宝鸡")}))
    assert found["problem"].str.contains("no six-digit code").sum() == 1


@pytest.mark.parametrize("name", ["city_year", "employment"])
def test_a_city_without_rows(folder, tables, name):
    table = tables[name][tables[name]["city"] != "610300"]
    with pytest.raises(KeyColumnError, match=f"cities without any row of `{name}`") as caught:
        read_tables("p2", folder(**{name: table}))
    assert caught.value.keys == ("610300",)


def test_a_city_outside_the_clusters_needs_no_employment(folder, tables):
    read, notes = read_tables("p2", folder())
    assert notes == () and OUTSIDE in set(read["city_year"]["city"]) - set(read["employment"]["city"])


@pytest.mark.parametrize("code", ["610300", OUTSIDE])
def test_an_absent_city_year_is_an_error_or_a_note(folder, tables, code):
    levels = tables["city_year"]
    place = folder(city_year=levels[(levels["city"] != code) | (levels["year"] != 2009)])
    with pytest.raises(UnbalancedPanelError, match="every") as caught:
        read_tables("p2", place)
    assert caught.value.keys == ((code, 2009),)
    _, (note,) = read_tables("p2", place, missing="drop")
    assert f"{code} 2009" in note


def test_a_city_year_without_employment_is_an_error_or_a_note(folder, tables):
    jobs = tables["employment"]
    place = folder(employment=jobs[(jobs["city"] != "610300") | (jobs["year"] != 2009)])
    with pytest.raises(UnbalancedPanelError, match="city-years without employment") as caught:
        read_tables("p2", place)
    assert caught.value.keys == (("610300", 2009),)
    _, (note,) = read_tables("p2", place, missing="drop")
    assert "610300 2009" in note


def test_a_cluster_without_a_centre(folder, tables):
    with pytest.raises(NoDonorsError, match="a cluster without a centre") as caught:
        read_tables("p2", folder(cities=tables["cities"].assign(central=[0, 0, 1, 0], distance_to_centre=90.0)))
    assert caught.value.keys == ("guanzhong_plain",)


def test_a_cluster_of_centres_alone(folder, tables):
    with pytest.raises(GroupSizeError, match="all cities of a cluster are centres") as caught:
        read_tables("p2", folder(cities=tables["cities"].assign(central=[1, 1, 1, 0])))
    assert caught.value.keys == ("guanzhong_plain",)


def test_a_city_at_no_distance_from_its_centre(folder, tables, with_cell):
    with pytest.raises(DomainError, match="a city that is no centre is 0 km from its centre") as caught:
        read_tables("p2", folder(cities=with_cell(tables["cities"], 3, "distance_to_centre", 0)))
    assert caught.value.keys == ("450500",)


def test_persons_in_ten_thousands(folder, tables):
    jobs = tables["employment"]
    in_ten_thousands = jobs.assign(**{letter: jobs[letter] / 1e4 for letter in SECTIONS})
    with pytest.raises(DomainError, match="10,000 persons") as caught:
        read_tables("p2", folder(employment=in_ten_thousands))
    assert caught.value.n_rows == len(jobs)


def test_all_problems_come_in_one_report(folder, tables, with_cell):
    place = folder(
        city_year=with_cell(with_cell(tables["city_year"], 0, "gdp", 2e7), 1, "fdi", "x").drop(index=9),
        employment=with_cell(tables["employment"], 0, "C", -1),
        cities=with_cell(tables["cities"], 0, "central", 0),
    )
    with pytest.raises(DataProblems) as caught:
        read_tables("p2", place)
    found = problems("p2", place)
    assert len(caught.value.problems) == len(found) == 6
    assert sorted(found["table"]) == ["cities", "cities", "city_year", "city_year", "city_year", "employment"]
    assert found["remedy"].ne("").all()


def test_an_empty_folder_names_the_tables_that_are_needed(tmp_path):
    assert problems("p2", tmp_path)["table"].tolist() == ["city_year", "employment", "cities"]
