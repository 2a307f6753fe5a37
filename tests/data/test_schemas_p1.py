"""Own data of p1: every bad cell, key and table is answered with its own error, all in one report."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.schemas import MEDIATORS, SCHEMAS, problems, read_tables, tables_of
from regiometrics.errors import (
    DataProblems,
    DomainError,
    KeyColumnError,
    MissingValueError,
    UnbalancedPanelError,
)
from regiometrics.simulate import p1

COUNTIES = ["320581", "330901", "340881"]
YEARS = [2009, 2010]
INDUSTRIES = ["1310", "0610", "4011"]
PRODUCTS = ["010121", "170111", "270112", "854231"]
WORDS = {"country", "hs6", "industry", "county", "city", "province", "type", "group", "name", "name_zh", "city_name"}


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    rng = np.random.default_rng(1)
    trade = pd.MultiIndex.from_product([["CHN", "USA"], PRODUCTS], names=["country", "hs6"]).to_frame(index=False)
    made = pd.MultiIndex.from_product([COUNTIES, INDUSTRIES, YEARS], names=["county", "industry", "year"])
    cells = pd.MultiIndex.from_product([COUNTIES, YEARS], names=["county", "year"]).to_frame(index=False)
    levels = {"pergdp": 11_000.0, "urban": 0.35, "infra": 0.42, "gov": 0.14, "finance": 0.67, "human": 0.06}
    rates = {"staff_growth": -0.1, "firm_growth": 0.2, "participation": 0.3, "retail_per_head": 6_000.0}
    rates |= {"tax_burden": -0.2, "subsidy": 0.004, "science_spending": 1_800.0, "patent_growth": 0.1}
    return {
        "trade": trade.assign(exports=rng.lognormal(15, 1, len(trade))),
        "countries": pd.DataFrame({"country": ["CHN", "USA"], "gdp_per_head": [0.78, 31.5]}),
        "concordance": pd.DataFrame({"hs6": PRODUCTS[1:], "industry": INDUSTRIES, "weight": [1.0, 2.0, 1.0]}),
        "county_industry": made.to_frame(index=False).assign(output=5e4, employment=300.0, capital=9e3),
        "counties": pd.DataFrame(
            {
                "county": COUNTIES,
                "city": ["320500", "330900", "340800"],
                "province": ["Jiangsu", "Zhejiang", "Anhui"],
                "type": ["county_city", "district", "county"],
                "group": ["incumbent", "new", "donor"],
                "second_wave": [0, 0, 1],
            }
        ),
        "county_year": cells.assign(**levels, density=430.0),
        "mediators": cells.assign(**rates, patent_grant_rate=0.5),
    }


def test_a_good_folder_is_read_with_types(folder, tables):
    read, notes = read_tables("p1", folder())
    assert notes == () and list(read) == list(tables)
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read[name], table, check_dtype=False, check_like=True)
    assert read["trade"]["hs6"].iloc[0] == "010121" and read["county_industry"]["industry"].iloc[2] == "0610"
    assert read["county_year"]["year"].dtype == int and read["county_industry"]["output"].dtype == float


def test_the_simulated_tables_are_a_good_folder(tmp_path):
    for name, table in p1.panel(seed=2).tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    assert problems("p1", tmp_path).empty


def test_what_is_optional_may_be_absent(folder, tables):
    place = folder(
        concordance=tables["concordance"].drop(columns="weight"),
        county_industry=tables["county_industry"].drop(columns=["employment", "capital"]),
        counties=tables["counties"].drop(columns="second_wave"),
        mediators=None,
    )
    read, notes = read_tables("p1", place)
    assert "mediators" not in read and notes == ()
    assert read["county_industry"].columns.tolist() == ["county", "industry", "year", "output"]


def test_a_mediator_may_be_absent_or_have_empty_cells(folder, tables, with_cell):
    mediators, names = tables["mediators"], MEDIATORS.schema.columns.keys() - {"county", "year"}
    assert names == set(mediators) - {"county", "year"} and len(names) == 9
    for i, column in enumerate(sorted(names)):
        mediators = with_cell(mediators, i % 6, column, None)
    read, notes = read_tables("p1", folder(mediators=mediators))
    assert len(read["mediators"]) == 6 and read["mediators"][list(names)].isna().sum().eq(1).all() and notes == ()
    for absent in (sorted(names)[::2], sorted(names)[1::2]):
        read, notes = read_tables("p1", folder(mediators=tables["mediators"].drop(columns=absent)))
        assert names - set(read["mediators"]) == set(absent) and notes == ()


def test_every_number_column_has_a_unit():
    for table in SCHEMAS["p1"]:
        assert set(table.units()) == set(table.schema.columns) - WORDS
    units = {(t.name, name): unit for t in tables_of("p1") for name, unit in t.units().items()}
    assert units["trade", "exports"] == "US dollars" and units["countries", "gdp_per_head"] == "thousand US dollars"
    assert units["county_industry", "output"] == "1,000 yuan" and units["county_year", "density"] == "persons per km²"


BAD_CELLS = [
    ("trade", "exports", -1, DomainError, "negative values"),
    ("trade", "exports", "many", DomainError, "text where a number is needed"),
    ("trade", "exports", None, MissingValueError, "missing values"),
    ("trade", "hs6", "10121", KeyColumnError, "no six-digit code of the Harmonised System"),
    ("countries", "gdp_per_head", 31_500, DomainError, "another unit"),
    ("countries", "gdp_per_head", 0, DomainError, "zero or negative"),
    ("concordance", "industry", "C13", KeyColumnError, "no code of GB/T 4754"),
    ("concordance", "weight", None, MissingValueError, "missing values"),
    ("concordance", "weight", -1, DomainError, "negative values"),
    ("county_industry", "county", "常熟", KeyColumnError, "no six-digit code of GB/T 2260"),
    ("county_industry", "output", -5, DomainError, "negative values"),
    ("county_industry", "output", np.inf, MissingValueError, "missing or infinite"),
    ("county_industry", "employment", None, MissingValueError, "missing values"),
    ("county_industry", "capital", -1, DomainError, "negative values"),
    ("counties", "type", "town", DomainError, "no type of county"),
    ("counties", "group", "control", DomainError, "no group of counties"),
    ("counties", "second_wave", 2, DomainError, "neither 0 nor 1"),
    ("counties", "province", None, MissingValueError, "missing values"),
    ("county_year", "pergdp", 1.1, DomainError, "another unit"),
    ("county_year", "pergdp", 0, DomainError, "zero or negative"),
    ("county_year", "urban", 35, DomainError, "hints at percent"),
    ("county_year", "finance", 67, DomainError, "hints at percent"),
    ("county_year", "human", -0.1, DomainError, "negative values"),
    ("county_year", "density", 0, DomainError, "zero or negative"),
    ("county_year", "density", None, MissingValueError, "missing values"),
    ("mediators", "participation", 30, DomainError, "hints at percent"),
    ("mediators", "retail_per_head", 0, DomainError, "zero or negative"),
    ("mediators", "science_spending", -4, DomainError, "zero or negative"),
]


@pytest.mark.parametrize("turn", range(3))
def test_bad_cells(reported, turn):
    """One bad cell in each column at a time: the first of the list, then the second, then the third."""
    turns = pd.DataFrame(BAD_CELLS).groupby([0, 1]).cumcount()
    cases = [case for case, of_case in zip(BAD_CELLS, turns, strict=True) if of_case == turn]
    assert cases and turns.max() == 2
    reported("p1", cases)


def test_the_printed_extremes_are_plausible(folder, tables, with_cell):
    extremes = {"urban": (0.182, 0.577), "infra": (0.005, 1.027), "gov": (0.036, 0.522), "finance": (0.167, 1.643)}
    extremes |= {"human": (0.023, 0.113), "pergdp": tuple(np.exp([7.415, 11.716]))}
    extremes |= {"density": tuple(1e4 * np.exp([-4.865, -1.151]))}
    levels = tables["county_year"]
    for column, (low, high) in extremes.items():
        levels = with_cell(with_cell(levels, 0, column, low), 1, column, high)
    assert problems("p1", folder(county_year=levels)).empty


@pytest.mark.parametrize("name", [table.name for table in SCHEMAS["p1"]])
def test_a_duplicate_key(folder, tables, name):
    twice = pd.concat([tables[name], tables[name].iloc[[1]]])
    with pytest.raises(KeyColumnError, match="must identify each row") as caught:
        read_tables("p1", folder(**{name: twice}))
    assert caught.value.n_rows == 2 and len(caught.value.keys) == 1


def test_an_exporter_without_income(folder, tables):
    with pytest.raises(KeyColumnError, match="values that `countries` does not have.*USA") as caught:
        read_tables("p1", folder(countries=tables["countries"].iloc[:1]))
    assert caught.value.keys == ("USA",)


@pytest.mark.parametrize(
    ("column", "key", "problem"),
    [("country", "USA", "a country without exports"), ("hs6", "270112", "a product that nobody exports")],
)
def test_exports_that_are_all_zero(folder, tables, column, key, problem):
    trade = tables["trade"]
    with pytest.raises(DomainError, match=problem) as caught:
        read_tables("p1", folder(trade=trade.assign(exports=trade["exports"].mask(trade[column] == key, 0))))
    assert caught.value.keys == (key,)


def test_a_mapped_product_that_is_not_traded(folder, tables):
    trade = tables["trade"][tables["trade"]["hs6"] != "270112"]
    with pytest.raises(KeyColumnError, match="values that `trade` does not have.*270112"):
        read_tables("p1", folder(trade=trade))


def test_an_industry_without_products(folder, tables):
    with pytest.raises(KeyColumnError, match="values that `concordance` does not have.*4011"):
        read_tables("p1", folder(concordance=tables["concordance"].iloc[:2]))


@pytest.mark.parametrize("name", ["county_year", "county_industry"])
def test_a_county_without_rows(folder, tables, name):
    table = tables[name][tables[name]["county"] != "330901"]
    with pytest.raises(KeyColumnError, match=f"counties without any row of `{name}`") as caught:
        read_tables("p1", folder(**{name: table}))
    assert caught.value.keys == ("330901",)


def test_counties_that_are_not_studied_may_have_rows(folder, tables):
    read, notes = read_tables("p1", folder(counties=tables["counties"].iloc[:2]))
    assert notes == () and set(read["county_year"]["county"]) == set(COUNTIES)


@pytest.mark.parametrize(
    ("name", "problem"), [("county_year", "every"), ("county_industry", "county-years without any industry")]
)
def test_an_absent_county_year_is_an_error_or_a_note(folder, tables, name, problem):
    table = tables[name]
    place = folder(**{name: table[(table["county"] != "330901") | (table["year"] != 2010)]})
    with pytest.raises(UnbalancedPanelError, match=problem) as caught:
        read_tables("p1", place)
    assert caught.value.keys == (("330901", 2010),)
    _, (note,) = read_tables("p1", place, missing="drop")
    assert "330901 2010" in note


def test_a_county_year_without_output(folder, tables):
    made = tables["county_industry"]
    idle = (made["county"] == "330901") & (made["year"] == 2010)
    with pytest.raises(DomainError, match="county-years without output") as caught:
        read_tables("p1", folder(county_industry=made.assign(output=made["output"].mask(idle, 0))))
    assert caught.value.keys == (("330901", 2010),)


def test_all_problems_come_in_one_report(folder, tables, with_cell):
    place = folder(
        trade=with_cell(tables["trade"], 0, "exports", -1),
        countries=with_cell(tables["countries"], 0, "gdp_per_head", 780),
        county_industry=with_cell(tables["county_industry"], 0, "output", "x"),
        counties=with_cell(tables["counties"], 0, "type", "town"),
        county_year=with_cell(tables["county_year"], 1, "urban", 48).drop(index=5),
    )
    with pytest.raises(DataProblems) as caught:
        read_tables("p1", place)
    found = problems("p1", place)
    assert len(caught.value.problems) == len(found) == 6
    assert found["table"].tolist() == ["trade", "countries", "county_industry", "counties", *["county_year"] * 2]
    assert found["remedy"].ne("").all()


def test_an_empty_folder_names_the_tables_that_are_needed(tmp_path):
    needed = ["trade", "countries", "concordance", "county_industry", "counties", "county_year"]
    assert problems("p1", tmp_path)["table"].tolist() == needed
