"""Own data of p4: every bad cell, key and table is answered with its own error, all in one report."""

import re

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.facts import manufacturing_sectors
from regiometrics.data.schemas import PROVINCE_INDUSTRY, SCHEMAS, check_table, problems, read_tables, tables_of
from regiometrics.errors import (
    DataProblems,
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    UnbalancedPanelError,
)

CLUSTERS = {"310000": "delta", "320000": "delta", "110000": "capital", "120000": "capital", "130000": "capital"}
DELTA = ["310000", "320000"]
INDUSTRIES = ["13", "25", "29", "30", "36", "37", "38", "39", "40"]
YEARS = [2010, 2011, 2012]
WORDS = {"province", "industry", "cluster", "name", "name_zh", "class"}
KEYS = ["province", "industry", "year"]


def grid(provinces: list[str], industries: list[str]) -> pd.DataFrame:
    return pd.MultiIndex.from_product([provinces, industries, YEARS], names=KEYS).to_frame(index=False)


@pytest.fixture
def tables() -> dict[str, pd.DataFrame]:
    made, sold = grid(list(CLUSTERS), INDUSTRIES), grid(DELTA, ["aerospace", "pharmaceuticals"])
    draws = np.random.default_rng(4).lognormal(5.5, 1, len(made)).round(2)
    classes = manufacturing_sectors().query("industry in @INDUSTRIES")
    return {
        "province_industry": made.assign(output=draws),
        "hightech": sold.assign(revenue=draws[: len(sold)]),
        "regions": pd.DataFrame({"province": CLUSTERS.keys(), "cluster": CLUSTERS.values()}),
        "intensity": classes[["industry", "intensity_b"]].set_axis(["industry", "class"], axis=1),
    }


@pytest.fixture
def folder(tmp_path, tables):
    """Writes the tables, changed, as CSV; None leaves a table out."""

    def write(**changed: pd.DataFrame | None):
        for name, table in {**tables, **changed}.items():
            if table is None:
                (tmp_path / f"{name}.csv").unlink(missing_ok=True)
            else:
                table.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


def with_cell(table: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
    changed = table.reset_index(drop=True).astype({column: object})
    changed.loc[row, column] = value
    return changed


def test_a_good_folder_is_read_with_types(folder, tables):
    read, notes = read_tables("p4", folder(province_industry=tables["province_industry"].assign(note="seen")))
    assert notes == () and list(read) == ["province_industry", "hightech", "regions", "intensity"]
    for name, table in tables.items():
        pd.testing.assert_frame_equal(read[name], table.reset_index(drop=True), check_dtype=False)
    made = read["province_industry"]
    assert made["year"].dtype == int and made["output"].dtype == float
    assert made["industry"].iloc[0] == "13" and made["province"].iloc[0] == "310000"


def test_high_tech_industries_and_classes_may_be_left_out(folder):
    read, notes = read_tables("p4", folder(hightech=None, intensity=None))
    assert notes == () and list(read) == ["province_industry", "regions"]


def test_an_industry_without_output_is_zero(folder, tables):
    made = tables["province_industry"]
    none = (made["industry"] == "25") & made["province"].isin(DELTA)
    assert problems("p4", folder(province_industry=made.assign(output=made["output"].mask(none, 0.0)))).empty


def test_every_number_column_has_a_unit():
    for table in SCHEMAS["p4"]:
        assert set(table.units()) == set(table.schema.columns) - WORDS
    units = {(t.name, name): unit for t in tables_of("p4") for name, unit in t.units().items() if name != "year"}
    assert units == {("province_industry", "output"): "10^8 yuan", ("hightech", "revenue"): "10^8 yuan"}


@pytest.mark.parametrize(
    ("table", "column"),
    [("province_industry", "output"), ("hightech", "revenue"), ("regions", "cluster"), ("intensity", "class")],
)
def test_needed_columns_are_named_where_they_are_absent(folder, tables, table, column):
    found = problems("p4", folder(**{table: tables[table].drop(columns=column)}))
    assert found["problem"].str.contains(f"'{column}' is not in the table").sum() == 1


@pytest.mark.parametrize(
    ("table", "column", "value", "error", "problem"),
    [
        ("province_industry", "output", -1, DomainError, "negative values"),
        ("province_industry", "output", 2e6, DomainError, "implausible.*another unit.*10\\^8 yuan"),
        ("province_industry", "output", np.inf, MissingValueError, "missing or infinite"),
        ("province_industry", "output", None, MissingValueError, "missing values"),
        ("province_industry", "output", "much", DomainError, "text where a number is needed"),
        ("hightech", "revenue", -1, DomainError, "negative values"),
        ("hightech", "revenue", 2e9, DomainError, "implausible.*another unit.*10\\^8 yuan"),
        ("hightech", "revenue", None, MissingValueError, "missing values"),
        ("regions", "cluster", None, MissingValueError, "missing values"),
        ("intensity", "class", "land", DomainError, "no class of factor intensity.*labour, capital, technology"),
        ("intensity", "class", None, MissingValueError, "missing values"),
    ],
)
def test_a_bad_cell(folder, tables, table, column, value, error, problem):
    with pytest.raises(error, match=problem) as caught:
        read_tables("p4", folder(**{table: with_cell(tables[table], 3, column, value)}))
    assert (caught.value.column, caught.value.n_rows) == (column, 1) and caught.value.remedy


@pytest.mark.parametrize(
    ("table", "column", "value", "problem"),
    [
        ("province_industry", "province", "上海", "no six-digit code"),
        ("province_industry", "industry", "131", "no two-digit industry of manufacturing"),
        ("province_industry", "industry", "12", "no two-digit industry of manufacturing"),
        ("province_industry", "industry", "44", "no two-digit industry of manufacturing"),
        ("province_industry", "industry", "tobacco", "no two-digit industry of manufacturing"),
        ("province_industry", "year", 20110, "no year between 1949 and 2100"),
        ("hightech", "industry", None, "a key may not be missing"),
        ("regions", "province", "31", "no six-digit code"),
        ("intensity", "industry", "C13", "no two-digit industry of manufacturing"),
    ],
)
def test_a_bad_key(folder, tables, table, column, value, problem):
    found = problems("p4", folder(**{table: with_cell(tables[table], 1, column, value)}))
    assert (found["problem"].str.contains(problem) & (found["table"] == table)).sum() == 1


@pytest.mark.parametrize("name", [table.name for table in SCHEMAS["p4"]])
def test_a_duplicate_key(folder, tables, name):
    twice = pd.concat([tables[name], tables[name].iloc[[1]]])
    with pytest.raises(KeyColumnError, match="must identify each row") as caught:
        read_tables("p4", folder(**{name: twice}))
    assert caught.value.n_rows == 2 and len(caught.value.keys) == 1


@pytest.mark.parametrize(("table", "column"), [("province_industry", "output"), ("hightech", "revenue")])
@pytest.mark.parametrize("factor", [1e4, 1e8, 1e-4])
def test_a_column_in_another_unit_is_recognised(folder, tables, table, column, factor):
    scaled = tables[table].assign(**{column: tables[table][column] * factor})
    with pytest.raises(DomainError, match="another unit") as caught:
        read_tables("p4", folder(**{table: scaled}))
    assert caught.value.column == column and "10^8 yuan" in caught.value.remedy
    assert caught.value.n_rows > 0.8 * len(scaled) or factor < 1


def test_shares_instead_of_output_are_recognised(folder, tables):
    made = tables["province_industry"]
    shares = made["output"] / made.groupby(["province", "year"])["output"].transform("sum")
    for scale in (1, 100):
        with pytest.raises(DomainError, match="no province-year has 200 x 10\\^8 yuan"):
            read_tables("p4", folder(province_industry=made.assign(output=scale * shares)))


def test_a_province_without_a_region(folder, tables):
    regions = tables["regions"][tables["regions"]["province"] != "130000"]
    with pytest.raises(KeyColumnError, match="provinces that `regions` does not have") as caught:
        read_tables("p4", folder(regions=regions))
    assert caught.value.keys == ("130000",) and "province_industry" in str(caught.value)


def test_a_region_without_a_province(folder, tables):
    made = tables["province_industry"][tables["province_industry"]["province"] != "130000"]
    with pytest.raises(KeyColumnError, match="provinces without any row of `province_industry`") as caught:
        read_tables("p4", folder(province_industry=made))
    assert caught.value.keys == ("130000",)


def test_high_tech_needs_every_province_of_the_clusters_that_it_has(folder, tables):
    sold = tables["hightech"]
    with pytest.raises(KeyColumnError, match="provinces without any row of `hightech`") as caught:
        read_tables("p4", folder(hightech=sold[sold["province"] != "310000"]))
    assert caught.value.keys == ("310000",)
    beside = sold[sold["province"] == "310000"].assign(province="340000")
    with pytest.raises(KeyColumnError, match=r"does not have \(table 'hightech'\)") as caught:
        read_tables("p4", folder(hightech=pd.concat([sold, beside])))
    assert caught.value.keys == ("340000",)


def test_a_province_in_two_clusters(folder, tables):
    other = pd.DataFrame({"province": ["320000"], "cluster": ["capital"]})
    found = problems("p4", folder(regions=pd.concat([tables["regions"], other])))
    assert sorted(found["problem"]) == [
        "a province belongs to two clusters (table 'regions')",
        "key (province) must identify each row (table 'regions')",
    ]
    assert found["keys"].tolist() == [("320000",)] * 2 and found["error"].eq("KeyColumnError").all()


def test_a_cluster_of_one_province(folder, tables):
    regions = tables["regions"].assign(cluster=["delta", "other", *["capital"] * 3])
    with pytest.raises(GroupSizeError, match="a cluster of one province") as caught:
        read_tables("p4", folder(regions=regions))
    assert caught.value.keys == ("delta", "other")


@pytest.mark.parametrize("table", ["province_industry", "hightech"])
def test_an_absent_cell_is_an_error_or_a_note(folder, tables, table):
    place = folder(**{table: tables[table].drop(index=4)})
    key = tuple(tables[table].loc[4, KEYS])
    with pytest.raises(UnbalancedPanelError, match="a province has no row of an industry.*write 0") as caught:
        read_tables("p4", place)
    assert caught.value.keys == (key,)
    read, (note,) = read_tables("p4", place, missing="drop")
    assert " ".join(map(str, key)) in note and len(read[table]) == len(tables[table]) - 1


def test_an_absent_province_year(folder, tables):
    made = tables["province_industry"]
    with pytest.raises(UnbalancedPanelError) as caught:
        read_tables("p4", folder(province_industry=made[(made["province"] != "110000") | (made["year"] != 2011)]))
    assert caught.value.keys == tuple(("110000", industry, 2011) for industry in INDUSTRIES)


@pytest.mark.parametrize("missing", ["raise", "drop"])
def test_an_industry_that_some_years_lack_is_never_left_out(folder, tables, missing):
    made = tables["province_industry"]
    merged = made[(made["industry"] != "36") | (made["year"] > 2011)]
    with pytest.raises(KeyColumnError, match="industries without a row in some of the years") as caught:
        read_tables("p4", folder(province_industry=merged), missing=missing)
    assert caught.value.keys == ("36",) and "merge rubber and plastics, and transport equipment" in caught.value.remedy
    assert problems("p4", folder(province_industry=made[made["industry"] != "36"])).empty


@pytest.mark.parametrize("missing", ["raise", "drop"])
@pytest.mark.parametrize("old_years", [[2010, 2011], YEARS])
def test_codes_of_2002_are_recognised_by_the_number_they_skip(folder, tables, old_years, missing):
    made = tables["province_industry"]
    old = made["year"].isin(old_years)
    place = folder(province_industry=made[~old | (made["industry"] != "38")])
    with pytest.raises(KeyColumnError, match="no industry 38.*GB/T 4754-2002") as caught:
        read_tables("p4", place, missing=missing)
    assert list(caught.value.keys) == old_years and "restrict the years" in caught.value.remedy


@pytest.mark.parametrize("own", [True, False])
def test_an_industry_without_a_class(folder, tables, own):
    made = tables["province_industry"].replace({"industry": {"40": "42"}})
    remedy = "add them to `intensity`" if own else "give the table `intensity`"
    with pytest.raises(KeyColumnError, match=f"industries without a class.*{remedy}") as caught:
        read_tables("p4", folder(province_industry=made, intensity=tables["intensity"] if own else None))
    assert caught.value.keys == ("42",)


@pytest.mark.parametrize(("table", "column"), [("province_industry", "output"), ("hightech", "revenue")])
def test_a_province_year_of_nothing(folder, tables, table, column):
    none = (tables[table]["province"] == "310000") & (tables[table]["year"] == 2012)
    with pytest.raises(DomainError, match="nothing in any industry") as caught:
        read_tables("p4", folder(**{table: tables[table].assign(**{column: tables[table][column].mask(none, 0)})}))
    assert caught.value.keys == (("310000", 2012),)


def test_a_row_with_a_missing_value_is_left_out_and_noted(folder, tables):
    place = folder(province_industry=with_cell(tables["province_industry"], 1, "output", None))
    read, (note,) = read_tables("p4", place, missing="drop")
    assert len(read["province_industry"]) == len(tables["province_industry"]) - 1
    assert re.search("missing values.*310000 13 2011", note)


def test_all_problems_come_in_one_report(folder, tables):
    made = tables["province_industry"]
    bad = with_cell(with_cell(made, 0, "output", -1), 1, "output", "x").drop(index=8)
    place = folder(
        province_industry=bad[(bad["industry"] != "40") | (bad["year"] != 2010)],
        hightech=with_cell(tables["hightech"], 0, "revenue", 1e7),
        regions=tables["regions"].assign(cluster=["delta", "delta", "north", "capital", "capital"]),
        intensity=with_cell(tables["intensity"], 0, "class", "land"),
    )
    with pytest.raises(DataProblems) as caught:
        read_tables("p4", place)
    found = problems("p4", place)
    assert len(caught.value.problems) == len(found) == 7
    assert sorted(found["table"]) == ["hightech", "intensity", *["province_industry"] * 4, "regions"]
    assert found["remedy"].ne("").all()


def test_an_empty_folder_names_the_tables_that_are_needed(tmp_path):
    assert problems("p4", tmp_path)["table"].tolist() == ["province_industry", "regions"]


def test_the_table_that_is_checked_is_not_changed(tables):
    bad = with_cell(tables["province_industry"], 0, "output", "x")
    before = bad.copy(deep=True)
    assert check_table(PROVINCE_INDUSTRY, bad)[1]
    pd.testing.assert_frame_equal(bad, before)
