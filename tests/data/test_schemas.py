"""Own data of p3: what is accepted, and each kind of bad input with its column, rows, keys and class."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.data.schemas import (
    CITIES,
    EMPLOYMENT,
    LETTERS,
    SCHEMAS,
    check_table,
    problems,
    read_tables,
    tables_of,
)
from regiometrics.errors import (
    DataProblems,
    DomainError,
    KeyColumnError,
    MissingValueError,
    RegionError,
    UnbalancedPanelError,
)

CODES = ["110000", "120000", "130100", "650100"]
YEARS = [2004, 2005, 2006]


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    keys = pd.MultiIndex.from_product([CODES, YEARS], names=["city", "year"]).to_frame(index=False)
    persons = np.random.default_rng(1).integers(1_000, 90_000, (len(keys), len(LETTERS)))
    employment = keys.join(pd.DataFrame(persons, columns=LETTERS))
    cities = pd.DataFrame({"city": CODES[:3], "cluster": ["capital", "capital", "hebei"]})
    return {"employment": employment, "cities": cities}


@pytest.fixture
def folder(tmp_path, tables):
    """Writes the tables, changed, as CSV; the original tables must survive."""

    def write(**changed: pd.DataFrame):
        for name, table in {**tables, **changed}.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


def with_cell(table: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    changed = table.astype({column: object})
    changed.loc[row, column] = value
    return changed


def test_a_good_folder_is_read_with_types(folder, tables):
    employment = tables["employment"]
    read, notes = read_tables("p3", folder(employment=employment.assign(note="seen")))
    assert notes == () and list(read) == ["employment", "cities"]
    pd.testing.assert_frame_equal(read["employment"], employment, check_dtype=False)
    assert read["employment"][LETTERS].dtypes.eq(float).all()
    assert problems("p3", folder()).empty


def test_code_of_a_province_is_no_city(folder, tables):
    totals = tables["employment"].query("city == '110000'").assign(city="330000")
    country = totals.assign(city="000000")
    found = problems("p3", folder(employment=pd.concat([tables["employment"], totals, country])))
    (problem,) = found.to_dict("records")
    assert problem["problem"] == "the code of a province or of the country (table 'employment')"
    assert (problem["column"], problem["rows"], problem["error"]) == ("city", 6, "KeyColumnError")
    assert problem["keys"][0] == ("330000", 2004) and "leave rows of totals out" in problem["remedy"]


@pytest.mark.parametrize("code", ["310000", "500000", "820000", "990000"])
def test_municipalities_and_the_rest_of_the_country_are_no_totals(folder, tables, code):
    more = tables["employment"].query("city == '110000'").assign(city=code)
    assert problems("p3", folder(employment=pd.concat([tables["employment"], more]))).empty


def test_every_number_column_has_a_unit():
    for table in SCHEMAS["p3"]:
        units = table.units()
        assert set(units) == set(table.schema.columns) - {"city", "cluster", "cluster_zh", "name", "name_zh"}
        assert set(units.values()) <= {"persons", "year"}
    assert EMPLOYMENT.units()["C"] == "persons" and EMPLOYMENT.schema.columns["C"].title == "manufacturing (制造业)"


@pytest.mark.parametrize(
    ("row", "column", "value", "error", "problem"),
    [
        (4, "C", "many", DomainError, "text where a number is needed"),
        (4, "C", "1,2345", DomainError, "text where a number is needed"),
        (4, "I", -1, DomainError, "negative employment"),
        (4, "S", np.nan, MissingValueError, "missing values"),
        (4, "S", np.inf, MissingValueError, "missing or infinite"),
    ],
)
def test_a_bad_cell_of_employment(folder, tables, row, column, value, error, problem):
    with pytest.raises(error, match=problem) as caught:
        read_tables("p3", folder(employment=with_cell(tables["employment"], row, column, value)))
    assert type(caught.value) is error
    assert (caught.value.column, caught.value.n_rows, caught.value.keys) == (column, 1, (("120000", 2005),))
    assert caught.value.remedy and "employment" in str(caught.value)


def test_text_does_not_hide_other_problems_of_its_column(folder, tables):
    employment = with_cell(with_cell(tables["employment"], 0, "C", "x"), 1, "C", -5)
    employment.loc[2, "C"] = None
    found = problems("p3", folder(employment=employment))
    assert found[["column", "rows", "error"]].to_numpy().tolist() == [
        ["C", 1, "DomainError"],
        ["C", 1, "MissingValueError"],
        ["C", 1, "DomainError"],
    ]
    assert found["keys"].tolist() == [(("110000", 2004),), (("110000", 2006),), (("110000", 2005),)]


@pytest.mark.parametrize(("scale", "hint"), [(1e-4, r"10,000 persons \(万人\)"), (1e4, "multiplied with")])
def test_another_unit(folder, tables, scale, hint):
    employment = tables["employment"]
    employment = employment.assign(**(employment[LETTERS] * scale))
    with pytest.raises(DomainError, match=hint) as caught:
        read_tables("p3", folder(employment=employment))
    assert caught.value.n_rows == 12 and "another unit" in str(caught.value)


def test_a_city_without_any_employment(folder, tables):
    employment = tables["employment"].copy()
    employment.loc[7, LETTERS] = 0
    with pytest.raises(DomainError, match="no employment in all 19 sections") as caught:
        read_tables("p3", folder(employment=employment))
    assert caught.value.keys == (("130100", 2005),)


def test_a_section_may_be_empty(folder, tables):
    employment = tables["employment"].assign(B=0)
    assert read_tables("p3", folder(employment=employment))[0]["employment"]["B"].eq(0).all()


def test_an_absent_city_year(folder, tables):
    place = folder(employment=tables["employment"].drop(index=[4, 11]))
    with pytest.raises(UnbalancedPanelError) as caught:
        read_tables("p3", place)
    assert set(caught.value.keys) == {("120000", 2005), ("650100", 2006)} and caught.value.n_rows == 2
    read, (note,) = read_tables("p3", place, missing="drop")
    assert len(read["employment"]) == 10 and "120000 2005" in note


def test_missing_values_are_left_out_and_listed_on_request(folder, tables):
    read, (note,) = read_tables(
        "p3", folder(employment=with_cell(tables["employment"], 4, "S", np.nan)), missing="drop"
    )
    assert len(read["employment"]) == 11 and "120000 2005" in note and "'S'" in note


def test_a_duplicate_key(folder, tables):
    employment = pd.concat([tables["employment"], tables["employment"].iloc[[3]]])
    with pytest.raises(KeyColumnError, match="must identify each row") as caught:
        read_tables("p3", folder(employment=employment))
    assert caught.value.keys == (("120000", 2004),) and caught.value.n_rows == 2


@pytest.mark.parametrize(
    ("column", "value", "error", "problem"),
    [
        ("city", "北京", KeyColumnError, "no six-digit code"),
        ("city", "1101", KeyColumnError, "no six-digit code"),
        ("city", None, KeyColumnError, "a key may not be missing"),
        ("year", None, KeyColumnError, "a key may not be missing"),
        ("year", "2004/05", DomainError, "text where a number"),
        ("year", 4, DomainError, "no year between"),
        ("year", 2004.5, DomainError, "no year between"),
        ("year", np.inf, DomainError, "no year between"),
    ],
)
def test_a_bad_key(folder, tables, column, value, error, problem):
    found = problems("p3", folder(employment=with_cell(tables["employment"], 0, column, value)))
    of_key = found[found["column"] == column]
    assert of_key["error"].tolist() == [error.__name__]
    assert problem in of_key["problem"].iloc[0] and of_key["rows"].tolist() == [1]


def test_a_missing_key_is_named_by_its_row(folder, tables):
    found = problems("p3", folder(employment=with_cell(tables["employment"], 6, "city", None)))
    assert ("row 7",) in found["keys"].tolist()


def test_absent_columns_are_named_together(folder, tables):
    with pytest.raises(KeyColumnError, match="'C', 'I' is not in the table"):
        read_tables("p3", folder(employment=tables["employment"].drop(columns=["C", "I"])))
    with pytest.raises(KeyColumnError, match="'city' is not in the table"):
        read_tables("p3", folder(employment=tables["employment"].rename(columns={"city": "城市"})))


def test_an_empty_table(folder, tables):
    found = problems("p3", folder(cities=tables["cities"].iloc[:0]))
    assert found[["table", "problem"]].to_numpy().tolist() == [["cities", "the table has no rows (table 'cities')"]]


def test_a_city_of_no_cluster_belongs_to_the_country_and_a_city_without_employment_is_an_error(folder, tables):
    assert CODES[3] not in set(tables["cities"]["city"])
    assert problems("p3", folder()).empty
    cities = pd.concat([tables["cities"], pd.DataFrame({"city": ["440300"], "cluster": ["pearl"]})])
    with pytest.raises(KeyColumnError, match="without any row of employment") as caught:
        read_tables("p3", folder(cities=cities))
    assert caught.value.keys == ("440300",)


def test_a_city_in_two_clusters(folder, tables):
    cities = pd.concat([tables["cities"], tables["cities"].iloc[[0]].assign(cluster="hebei")])
    with pytest.raises(KeyColumnError, match=r"key \(city\)"):
        read_tables("p3", folder(cities=cities))


def test_the_country(folder, tables):
    employment = tables["employment"]
    national = employment.groupby("year", as_index=False)[LETTERS].sum()
    assert read_tables("p3", folder(national=national))[0]["national"]["year"].tolist() == YEARS
    with pytest.raises(KeyColumnError, match="without a national row") as caught:
        read_tables("p3", folder(national=national.iloc[:2]))
    assert caught.value.keys == (2006,)
    with pytest.raises(DomainError, match="less than half"):
        read_tables("p3", folder(national=national.assign(**(national[LETTERS] / 10))))


def test_all_problems_come_in_one_report(folder, tables):
    employment = with_cell(with_cell(tables["employment"], 0, "C", "x"), 1, "D", -5).drop(index=5)
    cities = with_cell(tables["cities"], 0, "cluster", None)
    place = folder(employment=employment, cities=cities)
    with pytest.raises(DataProblems) as caught:
        read_tables("p3", place)
    assert [type(e) for e in caught.value.problems] == [
        DomainError,
        DomainError,
        MissingValueError,
        UnbalancedPanelError,
    ]
    found = problems("p3", place)
    assert found["table"].tolist() == ["employment", "employment", "cities", "employment"]
    assert found.columns.tolist() == ["table", "column", "rows", "keys", "problem", "remedy", "error"]
    assert found["remedy"].ne("").all()


def test_absent_tables_and_chapters(tmp_path, folder):
    found = problems("p3", tmp_path)
    assert found["table"].tolist() == ["employment", "cities"]
    with pytest.raises(RegionError, match="no schema yet"):
        tables_of("p6")
    with pytest.raises(RegionError, match="there is no folder"):
        problems("p3", tmp_path / "nowhere")


def test_the_table_that_is_checked_is_not_changed(tables):
    bad = with_cell(tables["employment"], 0, "C", "x")
    before = bad.copy(deep=True)
    check_table(EMPLOYMENT, bad)
    pd.testing.assert_frame_equal(bad, before)
    check_table(CITIES, tables["cities"])
    assert tables["cities"].columns.tolist() == ["city", "cluster"]


@settings(max_examples=25)
@given(
    cells=st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from(LETTERS), st.sampled_from(["text", None, -3.0, np.inf])),
        min_size=1,
        max_size=6,
        unique_by=lambda cell: cell[:2],
    )
)
def test_every_bad_cell_is_reported_once(cells):
    keys = pd.MultiIndex.from_product([CODES, YEARS], names=["city", "year"]).to_frame(index=False)
    table = keys.assign(**dict.fromkeys(LETTERS, 5_000.0)).astype(dict.fromkeys(LETTERS, object))
    for row, column, value in cells:
        table.loc[row, column] = value
    reported = [(e.column, key) for e in check_table(EMPLOYMENT, table)[1] for key in e.keys]
    expected = [(column, tuple(keys.loc[row])) for row, column, _ in cells]
    assert sorted(reported) == sorted(expected)
