"""Files as yearbooks and spreadsheets leave them: read right and told, or refused with table, column, rows and remedy.

Every defect is tried on tables of several chapters. What has one reading is read so, with a note; all else is
an error of the library. Nothing ends in another exception.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from regiometrics.chapters import load
from regiometrics.data.facts import SECTIONS
from regiometrics.data.load import read_table
from regiometrics.data.schemas import check_table, problems, read_tables, tables_of
from regiometrics.errors import DomainError, KeyColumnError, MissingValueError, RegionError
from regiometrics.panel import require_columns

CITIES = ["110000", "120000", "130100", "130200"]
YEARS = [2007, 2008, 2009]
WIDE = str.maketrans("0123456789.,-%", "０１２３４５６７８９．，－％")


class Case(NamedTuple):
    """A table of a chapter, its code and a column of large numbers."""

    chapter: str
    table: str
    code: str
    value: str


CASES = [
    Case("p3", "employment", "city", "C"),
    Case("p2", "city_year", "city", "gdp"),
    Case("p4", "province_industry", "province", "output"),
]


def _clean() -> dict[str, dict[str, pd.DataFrame]]:
    """Good folders of three chapters, in numbers of few digits."""
    rng = np.random.default_rng(8)
    keys = pd.MultiIndex.from_product([CITIES, YEARS], names=["city", "year"]).to_frame(index=False)
    employment = keys.assign(**{letter: rng.integers(1_000, 90_000, len(keys)) for letter in SECTIONS})
    cities = pd.DataFrame({"city": CITIES, "cluster": "capital"})
    ranges = {"population": (300, 900), "gdp": (1_000, 9_000), "investment": (1_000, 5_000), "so2": (1_000, 90_000)}
    ranges |= {"fdi": (1_000, 90_000), "students": (1_000, 90_000), "spending": (20_000, 90_000), "freight": (100, 900)}
    growth = keys.assign(
        gdp_deflator=1.0,
        investment_deflator=1.0,
        **{name: rng.integers(low, high, len(keys)) for name, (low, high) in ranges.items()},
    )
    centres = cities.assign(central=[1, 1, 0, 0], north=1, distance_to_centre=[0, 0, 270, 180])
    provinces = pd.MultiIndex.from_product([["310000", "320000"], ["13", "14", "17"], YEARS])
    made = provinces.set_names(["province", "industry", "year"]).to_frame(index=False)
    made["output"] = rng.integers(1_000, 9_000, len(made))
    regions = pd.DataFrame({"province": ["310000", "320000"], "cluster": "delta"})
    return {
        "p3": {"employment": employment, "cities": cities},
        "p2": {"city_year": growth, "employment": employment, "cities": centres},
        "p4": {"province_industry": made, "regions": regions},
    }


TABLES = _clean()


def write(folder: Path, case: Case) -> pd.DataFrame:
    """Writes the good folder without the file of the case, and returns its table as text."""
    for name, table in TABLES[case.chapter].items():
        if name != case.table:
            table.to_csv(folder / f"{name}.csv", index=False)
    return TABLES[case.chapter][case.table].astype(str)


def examined(case: Case, folder: Path) -> tuple[pd.DataFrame, list[RegionError], tuple[str, ...]]:
    """The table of the case, its problems, and notes on its reading."""
    table = next(table for table in tables_of(case.chapter) if table.name == case.table)
    read = read_table(folder, table.name, codes=table.codes, units=table.units(), words=table.words)
    require_columns(read, table.keys)
    typed, found = check_table(table, read)
    return typed, found, read.attrs["notes"]


of_chapters = pytest.mark.parametrize("case", CASES, ids=lambda case: case.chapter)


@of_chapters
def test_the_folders_are_good(tmp_path, case):
    write(tmp_path, case).to_csv(tmp_path / f"{case.table}.csv", index=False)
    read, notes = read_tables(case.chapter, tmp_path)
    assert notes == ()
    good = TABLES[case.chapter][case.table]
    pd.testing.assert_frame_equal(read[case.table][list(good)], good, check_dtype=False)


Writer = Callable[[pd.DataFrame, Path, Case], None]


def csv(change: Callable[[pd.DataFrame, Case], pd.DataFrame], **options: object) -> Writer:
    return lambda df, folder, case: change(df, case).to_csv(folder / f"{case.table}.csv", index=False, **options)


def mapped(part: str, change: Callable[[str], object]) -> Callable[[pd.DataFrame, Case], pd.DataFrame]:
    """A change of every cell of one column: that of codes, years or values."""

    def apply(df: pd.DataFrame, case: Case) -> pd.DataFrame:
        column = {"code": case.code, "value": case.value}.get(part, part)
        return df.assign(**{column: df[column].map(change).astype(object)})

    return apply


def same(df: pd.DataFrame, case: Case) -> pd.DataFrame:
    return df


def lines(change: Callable[[list[str]], list[str]]) -> Writer:
    """A change of the lines of the CSV file."""

    def apply(df: pd.DataFrame, folder: Path, case: Case) -> None:
        text = "\n".join(change(df.to_csv(index=False).splitlines()))
        (folder / f"{case.table}.csv").write_text(text, encoding="utf-8")

    return apply


def sheets(change: Callable[[pd.DataFrame, Case], dict[str, list[list[object]]]]) -> Writer:
    """A workbook of the given sheets."""

    def apply(df: pd.DataFrame, folder: Path, case: Case) -> None:
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in change(df, case).items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(folder / f"{case.table}.xlsx")

    return apply


def rows_of(df: pd.DataFrame) -> list[list[object]]:
    return [list(df.columns), *df.to_numpy().tolist()]


def two_lines(df: pd.DataFrame, case: Case) -> dict[str, list[list[object]]]:
    """A header whose keys stand in the first line, above a merged cell, and whose values in the second."""
    keys = [column for column in df if column in (case.code, "industry", "year")]
    above = [column if column in keys else None for column in df]
    above[len(keys)] = "指标"
    below = [None if column in keys else column for column in df]
    return {"表": [above, below, *rows_of(df)[1:]]}


def dates(df: pd.DataFrame, case: Case) -> pd.DataFrame:
    return df.assign(year=[datetime.datetime(int(year), 1, 1) for year in df["year"]])


def named(suffix: str) -> Writer:
    """The CSV file under another name."""

    def apply(df: pd.DataFrame, folder: Path, case: Case) -> None:
        df.to_csv(folder / suffix.format(case.table, case.table.upper()), index=False)

    return apply


def days_of_1904(text: str) -> str:
    return str((datetime.datetime(int(text), 1, 1) - datetime.datetime(1904, 1, 1)).days)


def days(text: str) -> str:
    return str((datetime.datetime(int(text), 1, 1) - datetime.datetime(1899, 12, 30)).days)


READ_RIGHT: dict[str, tuple[Writer, str]] = {
    "gb18030": (csv(lambda df, case: df.assign(备注="甲"), encoding="gb18030"), "read as GB 18030"),
    "gbk_header": (csv(lambda df, case: df.assign(备注="甲"), encoding="gbk"), "read as GB 18030"),
    "utf16": (csv(same, encoding="utf-16"), ""),
    "utf16_tabs": (csv(same, encoding="utf-16", sep="\t"), ""),
    "bom": (csv(same, encoding="utf-8-sig"), ""),
    "semicolons": (csv(same, sep=";"), ""),
    "tabs": (csv(same, sep="\t"), ""),
    "old_mac_lines": (csv(same, lineterminator="\r"), ""),
    "thousands": (csv(mapped("value", lambda cell: f"{int(cell):,}")), "thousands separators left out in"),
    "spaces_between_thousands": (csv(mapped("value", lambda cell: f"{int(cell):,}".replace(",", " "))), "thousands"),
    "full_width_values": (csv(mapped("value", lambda cell: cell.translate(WIDE))), "full-width .* usual ones in"),
    "full_width_thousands": (csv(mapped("value", lambda cell: f"{int(cell):,}".translate(WIDE))), "full-width"),
    "full_width_codes": (csv(mapped("code", lambda cell: cell.translate(WIDE))), "codes freed of .* in"),
    "full_width_years": (csv(mapped("year", lambda cell: cell.translate(WIDE))), "full-width .* in year"),
    "wide_spaces": (csv(mapped("value", lambda cell: f"\u3000{cell}\u00a0")), ""),
    "spaces_in_codes": (csv(mapped("code", lambda cell: f"\u00a0{cell}\u3000")), ""),
    "quoted_codes": (csv(mapped("code", lambda cell: f'="{cell}"')), "codes freed of quotes"),
    "apostrophe": (csv(mapped("code", lambda cell: f"'{cell}")), "codes freed of quotes"),
    "commas_in_codes": (csv(mapped("code", lambda cell: f"{int(cell):,}")), "codes freed of quotes, separators"),
    "twelve_digits": (csv(mapped("code", lambda cell: f"{cell}000000")), "codes freed of .* trailing zeros"),
    "codes_as_floats": (csv(mapped("code", lambda cell: f"{cell}.0")), ""),
    "wide_header": (csv(lambda df, case: df.rename(columns=lambda name: f"\ufeff{name}\u3000")), ""),
    "capital_header": (csv(lambda df, case: df.rename(columns=lambda name: name.title())), ""),
    "year_word": (csv(mapped("year", lambda cell: f"{cell}年")), "dates or '年' read as years in year"),
    "year_end": (csv(mapped("year", lambda cell: f"{cell} 年末")), "dates or '年' read as years in year"),
    "year_float": (csv(mapped("year", lambda cell: f"{cell}.0")), ""),
    "year_date": (csv(mapped("year", lambda cell: f"{cell}-01-01")), "dates or '年' read as years in year"),
    "year_slashes": (csv(mapped("year", lambda cell: f"{cell}/12/31")), "dates or '年' read as years in year"),
    "excel_dates": (sheets(lambda df, case: {"表": rows_of(dates(df, case))}), "dates or '年' read as years in year"),
    "excel_days": (csv(mapped("year", days)), "days of Excel's calendar read as years in year"),
    "text_in_excel": (sheets(lambda df, case: {"表": rows_of(df)}), ""),
    "title": (lines(lambda rows: ["表1 各城市情况（2009年）", "", *rows]), "left out above the header: '表1 各城市"),
    "two_headers": (sheets(two_lines), "2 lines read as one header"),
    "repeated_header": (lines(lambda rows: [*rows[:4], rows[0], *rows[4:]]), "header repeated in line 5: left out"),
    "notes_below": (
        lines(lambda rows: [*rows, "", "注：本表不含市辖县。", "资料来源：年鉴"]),
        "below the table: '注：本表",
    ),
    "blank_rows": (lines(lambda rows: [*rows[:3], "", rows[3], "," * rows[0].count(","), *rows[4:], "", ""]), ""),
    "blank_columns": (lines(lambda rows: [f",{row},," for row in rows]), ""),
    "index_column": (lambda df, folder, case: df.to_csv(folder / f"{case.table}.csv"), ""),
    "other_sheets": (
        sheets(lambda df, case: {"说明": [["统计口径见年鉴"]], "数据": rows_of(df), "空": []}),
        "read from sheet '数据'; not read: '说明'",
    ),
    "capital_file": (named("{1}.CSV"), ""),
    "parquet_index": (
        lambda df, folder, case: df.set_index([case.code, "year"]).to_parquet(folder / f"{case.table}.parquet"),
        "",
    ),
}


@of_chapters
@pytest.mark.parametrize("defect", READ_RIGHT)
def test_what_has_one_reading_is_read_and_told(tmp_path, case, defect):
    spoil, note = READ_RIGHT[defect]
    good = TABLES[case.chapter][case.table]
    spoil(good.astype(str), tmp_path, case)
    read, found, notes = examined(case, tmp_path)
    assert found == []
    pd.testing.assert_frame_equal(read[list(good)], good, check_dtype=False)
    if note:
        assert pd.Series(notes).str.contains(note).any(), notes
    else:
        assert notes == ()


@of_chapters
def test_what_was_told_reaches_the_notes_of_the_chapter(tmp_path, case):
    READ_RIGHT["full_width_thousands"][0](write(tmp_path, case), tmp_path, case)
    found = problems(case.chapter, tmp_path)
    _, notes = read_tables(case.chapter, tmp_path)
    assert found.empty and found.attrs["notes"] == notes
    cells = len(TABLES[case.chapter][case.table])
    assert f"table {case.table!r}: thousands separators left out in {case.value} ({cells} cells)" in notes


def cell(text: str) -> Callable[[pd.DataFrame, Case], pd.DataFrame]:
    """One value replaced, in the second row."""

    def apply(df: pd.DataFrame, case: Case) -> pd.DataFrame:
        changed = df.copy()
        changed.loc[1, case.value] = text
        return changed

    return apply


def in_bytes(suffix: str, data: bytes) -> Writer:
    def apply(df: pd.DataFrame, folder: Path, case: Case) -> None:
        (folder / f"{case.table}{suffix}").write_bytes(data)

    return apply


def workbook_as(suffix: str) -> Writer:
    def apply(df: pd.DataFrame, folder: Path, case: Case) -> None:
        df.to_excel(folder / "book.xlsx", index=False)
        (folder / "book.xlsx").rename(folder / f"{case.table}{suffix}")

    return apply


def torn(df: pd.DataFrame, folder: Path, case: Case) -> None:
    """The first half of a workbook, as a broken download leaves it."""
    buffer = io.BytesIO()
    df.to_excel(buffer, index=False)
    (folder / f"{case.table}.xlsx").write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])


OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(64)
REFUSED: dict[str, tuple[Writer, type[RegionError], str]] = {
    **{
        f"missing_{mark}": (csv(cell(mark)), MissingValueError, r"missing values \(1 row.*fill the cells in")
        for mark in ("-", "—", "——", "…", "……", "N.A.", "#N/A", "不详", "－", "\u3000")
    },
    "percent": (csv(cell("45%")), DomainError, "text where a number is needed .'45%'.*without units or separators"),
    "unit_in_cell": (csv(cell("12万人")), DomainError, "text where a number is needed .'12万人'"),
    "circled_mark": (csv(cell("1234①")), DomainError, "text where a number is needed .'1234①'"),
    "square": (csv(cell("10²")), DomainError, "text where a number is needed .'10²'"),
    "division": (csv(cell("#DIV/0!")), DomainError, "text where a number is needed .'#DIV/0!'"),
    "fours": (csv(cell("1,2345")), DomainError, "text where a number is needed .'1,2345'"),
    "decimal_commas": (csv(cell("1234,5"), sep=";"), DomainError, "text where a number is needed .'1234,5'"),
    "thousands_or_decimals": (csv(cell("1,234"), sep=";"), DomainError, "text where a number is needed .'1,234'"),
    "date_for_value": (csv(cell("2010-01-01")), DomainError, "text where a number is needed .'2010-01-01'"),
    "school_years": (csv(mapped("year", lambda y: f"{y}/08")), DomainError, "text where a number is needed .'2007/08'"),
    "two_digit_years": (csv(mapped("year", lambda y: y[2:])), DomainError, "no year between 1949 and 2100"),
    "days_of_1904": (csv(mapped("year", days_of_1904)), DomainError, "no year between 1949 and 2100"),
    "names": (csv(mapped("code", lambda code: "石家庄市")), KeyColumnError, "no six-digit code of GB/T 2260.*石家庄市"),
    "four_digits": (csv(mapped("code", lambda c: c[:4])), KeyColumnError, "no six-digit code .*write all six digits"),
    "scientific": (csv(mapped("code", lambda c: f"{int(c):.1E}")), KeyColumnError, r"no six-digit code .*E\+05"),
    "totals": (
        lines(lambda rows: [*rows, rows[1].replace("110000", "全国").replace("310000", "全国")]),
        KeyColumnError,
        "no six-digit code .*全国.*leave rows of totals out",
    ),
    "merged_rows": (
        csv(lambda df, case: df.assign(**{case.code: df[case.code].where(df["year"] == "2007", "")})),
        KeyColumnError,
        "a key may not be missing.*row 2; row 3.*fill it in",
    ),
    "duplicates": (lines(lambda rows: [*rows, rows[-1]]), KeyColumnError, "must identify each row.*2009.*keep one row"),
    "column_twice": (
        lambda df, folder, case: pd.concat([df, df[[case.value]]], axis=1).to_csv(
            folder / f"{case.table}.csv", index=False
        ),
        KeyColumnError,
        "column stands twice in .*keep one of them",
    ),
    "chinese_header": (
        csv(lambda df, case: df.rename(columns={"year": "年份"})),
        KeyColumnError,
        "'year' is not in the table.*'年份'.*name one of these",
    ),
    "unit_in_header": (
        csv(lambda df, case: df.rename(columns={case.value: f"{case.value}(万)"})),
        KeyColumnError,
        r"is not in the table.*\(万\)",
    ),
    "unit_row": (
        lines(lambda rows: [rows[0], ",,," + ",".join(["万"] * (rows[0].count(",") - 2)), *rows[1:]]),
        RegionError,
        r"first line below .* words \('万'\).*unit of the template",
    ),
    "unquoted_commas": (
        lines(lambda rows: [rows[0], f"{rows[1]},500", *rows[2:]]),
        RegionError,
        "more cells than the header .*line 2.*commas stand in quotes",
    ),
    "open_quote": (lines(lambda rows: [*rows[:3], f'"{rows[3]}', *rows[4:]]), RegionError, "cannot be read"),
    "empty": (in_bytes(".csv", b""), RegionError, "cannot be read: it is empty"),
    "empty_lines": (in_bytes(".csv", b"\n\n ,\n"), RegionError, "cannot be read: it is empty"),
    "header_alone": (lines(lambda rows: rows[:1]), KeyColumnError, "has no rows.*check the file"),
    "empty_workbook": (sheets(lambda df, case: {"Sheet1": []}), RegionError, "cannot be read: it is empty"),
    "two_sheets": (
        sheets(lambda df, case: {"2008": rows_of(df), "2009": rows_of(df)}),
        RegionError,
        "sheets '2008', '2009' have the same columns.*into one sheet",
    ),
    "workbook_named_csv": (workbook_as(".csv"), RegionError, r"file of the format \.xlsx.*name it \w+\.xlsx"),
    "csv_named_xlsx": (named("{0}.xlsx"), RegionError, "cannot be read.*a file of text is named .csv"),
    "csv_named_txt": (named("{0}.csv.txt"), RegionError, r"\.csv\.txt, a format that is not read.*save it as"),
    "csv_named_xls": (named("{0}.xls"), RegionError, r"\.xls, a format that is not read.*save it as"),
    "html": (in_bytes(".xlsx", b"<html><table></table></html>"), RegionError, "is a web page.*save it as"),
    "old_workbook": (in_bytes(".xlsx", OLE), RegionError, r"old format \.xls.*save it as"),
    "password": (in_bytes(".xlsx", OLE + "EncryptedPackage".encode("utf-16-le")), RegionError, "password.*take it off"),
    "torn": (torn, RegionError, "cannot be read.*save it again"),
    "no_text": (in_bytes(".csv", bytes(range(256))), RegionError, "cannot be read: it holds bytes of no text"),
}


@pytest.mark.parametrize("case", CASES[1:], ids=lambda case: case.chapter)
@pytest.mark.parametrize("defect", REFUSED)
def test_what_has_several_readings_is_refused_with_a_remedy(tmp_path, case, defect):
    spoil, error, message = REFUSED[defect]
    spoil(TABLES[case.chapter][case.table].astype(str), tmp_path, case)
    try:
        _, found, _ = examined(case, tmp_path)
    except RegionError as refused:
        found = [refused]
    assert all(one.remedy for one in found)
    texts = [str(one) for one in found if isinstance(one, error)]
    assert pd.Series(texts, dtype="str").str.contains(message).any(), list(map(str, found))


@of_chapters
def test_what_is_refused_names_its_table_beside_the_problems_of_the_others(tmp_path, case):
    REFUSED["torn"][0](write(tmp_path, case), tmp_path, case)
    found = problems(case.chapter, tmp_path)
    of_table = found[found["table"] == case.table]
    assert of_table["problem"].str.contains(rf"cannot be read.*\(table '{case.table}'\)").tolist() == [True]
    with pytest.raises(RegionError, match="cannot be read"):
        read_tables(case.chapter, tmp_path)


@of_chapters
def test_a_gap_names_its_cell(tmp_path, case):
    lines(lambda rows: [*rows[:3], *rows[4:]])(write(tmp_path, case), tmp_path, case)
    found = problems(case.chapter, tmp_path)
    assert found["error"].tolist() == ["UnbalancedPanelError"] and found["keys"].iloc[0][0][-1] == 2009
    assert "missing='drop'" in found["remedy"].iloc[0]


@of_chapters
def test_a_missing_mark_is_dropped_only_on_demand(tmp_path, case):
    csv(cell("—"))(write(tmp_path, case), tmp_path, case)
    read, notes = read_tables(case.chapter, tmp_path, missing="drop")
    assert len(read[case.table]) == len(TABLES[case.chapter][case.table]) - 1
    assert f"table {case.table!r}: dashes and the like read as missing in {case.value} (1 cell)" in notes
    assert "missing values" in notes[-1]


@pytest.fixture(scope="module")
def zones() -> dict[str, pd.DataFrame]:
    """The tables of p5, which has fractions and columns that may be absent or empty."""
    tables = load("p5", "simulated", seed=1).tables
    cities = tables["cities"].head(3)
    names = [table.name for table in tables_of("p5")]
    return {name: tables[name][tables[name]["city"].isin(cities["city"])].reset_index(drop=True) for name in names}


def p5_folder(folder: Path, zones: dict[str, pd.DataFrame], **changed: pd.DataFrame) -> Path:
    for name, table in {**zones, **changed}.items():
        table.to_csv(folder / f"{name}.csv", index=False)
    return folder


def test_a_percent_sign_is_a_hundredth_of_a_fraction_and_a_bare_percentage_is_refused(tmp_path, zones):
    given = zones["city_year"].assign(urbanisation=zones["city_year"]["urbanisation"].round(3))
    signs = given.assign(urbanisation=[f"{100 * share:.1f}%" for share in given["urbanisation"]])
    read, notes = read_tables("p5", p5_folder(tmp_path, zones, city_year=signs))
    assert read["city_year"]["urbanisation"].tolist() == given["urbanisation"].tolist()
    assert any("percent signs read as hundredths in urbanisation" in note for note in notes)
    bare = given.assign(urbanisation=100 * given["urbanisation"])
    with pytest.raises(DomainError, match=r"'urbanisation'.*hints at percent.*divide the column by 100"):
        read_tables("p5", p5_folder(tmp_path, zones, city_year=bare))


def test_an_optional_column_with_a_slip_of_the_pen_is_told(tmp_path, zones):
    slip = zones["city_year"].rename(columns={"patents_per_head": "patent_per_head"})
    _, notes = read_tables("p5", p5_folder(tmp_path, zones, city_year=slip))
    assert "table 'city_year': column 'patent_per_head' was not read; 'patents_per_head' is absent" in notes


def test_a_table_of_another_name_is_told(tmp_path, zones):
    place = p5_folder(tmp_path, zones)
    (place / "policies.csv").rename(place / "policys.csv")
    _, notes = read_tables("p5", place)
    assert any("policys.csv" in note and "not read" in note for note in notes)


def test_persons_in_ten_thousands_are_refused(tmp_path):
    employment = TABLES["p3"]["employment"]
    write(tmp_path, CASES[0])
    small = employment.assign(**{letter: employment[letter] / 1e4 for letter in SECTIONS})
    small.to_csv(tmp_path / "employment.csv", index=False)
    with pytest.raises(DomainError, match=r"fewer than 1,000 persons.*multiply .* by 10,000"):
        read_tables("p3", tmp_path)


def test_stata_words_come_by_their_labels(tmp_path):
    cities = pd.DataFrame({"city": [110000, 130100], "cluster": pd.Categorical(["京津冀", "长三角"])})
    cities.to_stata(tmp_path / "cities.dta", write_index=False, version=118)
    read = read_table(tmp_path, "cities", words=["cluster"])
    assert read["cluster"].tolist() == ["京津冀", "长三角"] and read["city"].tolist() == ["110000", "130100"]
    assert read.attrs["notes"] == ("words of cluster are the value labels",)


def test_a_country_may_be_called_na(tmp_path):
    (tmp_path / "countries.csv").write_text("country,gdp_per_head\nNA,2.5\nCN,—\n", encoding="utf-8")
    read = read_table(tmp_path, "countries", codes=(), units={"gdp_per_head": "x"}, words=["country"])
    assert read["country"].tolist() == ["NA", "CN"] and read["gdp_per_head"].isna().tolist() == [False, True]


COSMETICS: list[Callable[[str], str]] = [
    lambda text: text,
    lambda text: text.translate(WIDE),
    lambda text: f"\u3000{text} ",
    lambda text: f"{text}\u00a0\u200b",
]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_cosmetic_defects_change_nothing(tmp_path_factory, data):
    case = data.draw(st.sampled_from(CASES))
    folder = tmp_path_factory.mktemp("cosmetic")
    messy = TABLES[case.chapter][case.table].astype(str)
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    for column in messy:
        grouped = column not in (case.code, "industry", "year") and rng.random() < 0.5
        texts = [f"{float(text):,g}" if grouped and float(text) < 1e5 else text for text in messy[column]]
        messy[column] = [COSMETICS[rng.integers(len(COSMETICS))](text) for text in texts]
    encoding = data.draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "gb18030"]))
    messy.to_csv(folder / f"{case.table}.csv", index=False, encoding=encoding)
    read, _, _ = examined(case, folder)
    good = TABLES[case.chapter][case.table]
    pd.testing.assert_frame_equal(read[list(good)], good, check_dtype=False)
    shutil.rmtree(folder)


def never_crashes(chapter: str, folder: Path) -> None:
    """Every problem has a remedy, and reading succeeds exactly where none was found."""
    found = problems(chapter, folder)
    assert (found["remedy"] != "").all()
    if found.empty:
        read_tables(chapter, folder)
    else:
        with pytest.raises(RegionError):
            read_tables(chapter, folder)


JUNK = [
    "",
    "abc",
    "-1",
    "1e400",
    "-inf",
    "nan",
    "1e300",
    "2007",
    "0",
    "999999999999999999999",
    "=1+1",
    '"',
    "１２",
    "十",
]
JUNK += ["1,2", "\x00", "\ud7ff", "True", "2007年", "110000", "1.5", "NaT", "1e-320", "０．５", "40179", "city", "year"]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_junk_in_cells_ends_in_an_error_of_the_library(tmp_path_factory, data):
    case = data.draw(st.sampled_from(CASES[::2]))
    folder = tmp_path_factory.mktemp("junk")
    messy = write(folder, case)
    for _ in range(data.draw(st.integers(1, 6))):
        row, column = data.draw(st.integers(0, len(messy) - 1)), data.draw(st.integers(0, messy.shape[1] - 1))
        messy.iloc[row, column] = data.draw(st.sampled_from(JUNK) | st.text(max_size=8).filter(str.isprintable))
    messy.to_csv(folder / f"{case.table}.csv", index=False)
    never_crashes(case.chapter, folder)
    shutil.rmtree(folder)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.binary(max_size=300), headed=st.booleans(), suffix=st.sampled_from([".csv", ".xlsx", ".parquet", ".dta"])
)
def test_random_bytes_end_in_an_error_of_the_library(tmp_path_factory, data, headed, suffix):
    folder = tmp_path_factory.mktemp("bytes")
    start = b"province,industry,year,output\n" if headed else b""
    (folder / f"province_industry{suffix}").write_bytes(start + data)
    with contextlib.suppress(RegionError):
        examined(CASES[2], folder)
    shutil.rmtree(folder)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=4),
    ending=st.sampled_from([".xlsx", ".parquet", ".dta"]),
)
@example(at=[(0.0078125, 128)], ending=".parquet")  # a text that is no UTF-8 inside a file that opens
def test_damaged_files_end_in_an_error_of_the_library_or_are_read(tmp_path_factory, at, ending):
    folder = tmp_path_factory.mktemp("damaged")
    table, path = TABLES["p4"]["province_industry"], folder / f"province_industry{ending}"
    match ending:
        case ".xlsx":
            table.to_excel(path, index=False)
        case ".parquet":
            table.to_parquet(path)
        case _:
            table.to_stata(path, write_index=False, version=118)
    data = bytearray(path.read_bytes())
    for share, value in at:
        data[int(share * len(data))] = value
    path.write_bytes(bytes(data))
    with contextlib.suppress(RegionError):
        examined(CASES[2], folder)
    shutil.rmtree(folder)
