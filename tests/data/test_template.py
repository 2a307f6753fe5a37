"""A template's rows are valid, its guide names every column, and it overwrites nothing."""

import pandas as pd
import pytest

from regiometrics import chapters
from regiometrics.data.load import read_table
from regiometrics.data.schemas import check_table, tables_of
from regiometrics.data.template import GUIDE, example_rows, guide, kept_examples, section_names, write_template
from regiometrics.edition import examples
from regiometrics.errors import RegionError


@pytest.fixture(scope="module")
def simulated():
    return {chapter: examples(chapter) for chapter in chapters.CHAPTERS}


@pytest.mark.parametrize("chapter", chapters.CHAPTERS)
def test_two_rows_of_every_table_pass_its_column_checks(tmp_path, simulated, chapter):
    written = write_template(chapter, tmp_path / "deep" / "own", simulated[chapter])
    tables = tables_of(chapter)
    assert [path.name for path in written] == [*(f"{table.name}.csv" for table in tables), GUIDE]
    for table in tables:
        read = read_table(tmp_path / "deep" / "own", table.name, codes=table.codes)
        assert list(read) == list(table.schema.columns) and len(read) == 2
        assert not read.iloc[0].drop("weight", errors="ignore").isna().any()
        assert check_table(table, read)[1] == []


@pytest.mark.parametrize("chapter", chapters.CHAPTERS)
def test_guide_names_every_table_column_key_and_unit(chapter):
    text = guide(chapter)
    for table in tables_of(chapter):
        section = text.split(f"\n## {table.name} (")[1].split("\n## ")[0]
        assert section.startswith("required" if table.required else "optional")
        assert ", ".join(f"`{key}`" for key in table.keys) in section
        lines = {line.split("`")[1]: line for line in section.splitlines() if line.startswith("| `")}
        assert list(lines) == list(table.schema.columns)
        for name, unit in table.units().items():
            assert unit in lines[name] or unit == "year"
        for name, column in table.schema.columns.items():
            assert lines[name].endswith("required |") == (column.required and not column.nullable)
    assert "Delete them" in text and f"regiometrics check {chapter}" in text


@pytest.mark.parametrize("chapter", chapters.CHAPTERS)
def test_sections_are_to_be_matched_by_name_where_a_table_has_them(chapter):
    assert ("Match sections by name" in guide(chapter)) == bool(section_names(chapter)) == (chapter in {"p2", "p3"})
    for letter, (english, chinese) in section_names(chapter).items():
        assert f"| `{letter}` | {english} ({chinese}) |" in guide(chapter)


@pytest.mark.parametrize("name", ["employment.csv", "employment.xlsx", "COLUMNS.md"])
def test_template_overwrites_nothing(tmp_path, simulated, name):
    (tmp_path / name).write_text("mine", "utf-8")
    with pytest.raises(RegionError, match=name):
        write_template("p3", tmp_path, simulated["p3"])
    assert [path.name for path in tmp_path.iterdir()] == [name] and (tmp_path / name).read_text("utf-8") == "mine"


def test_template_needs_a_folder(tmp_path, simulated):
    (tmp_path / "own").write_text("mine", "utf-8")
    with pytest.raises(RegionError, match="is a file"):
        write_template("p3", tmp_path / "own", simulated["p3"])
    with pytest.raises(RegionError, match="no schema"):
        write_template("p6", tmp_path, {})


def test_first_row_has_no_gap_and_truth_values_are_numbers():
    zones = tables_of("p5")[2]
    rows = pd.DataFrame(
        {"city": ["110000", "120000"], "adoption_year": [None, 2010.0], "cluster5": [False, True], "lat": [1 / 3, 40]}
    )
    made = example_rows(zones, rows)
    assert made["city"].tolist() == ["120000", "110000"]
    assert made["cluster5"].tolist() == [1, 0] and made["lat"].tolist() == [40, 0.333333]
    assert made["adoption_year"].isna().tolist() == [False, True]
    assert made["municipality"].tolist() == [1, 1] and made["name"].isna().all()


def test_example_rows_that_are_left_in_a_table_by_year_are_found(tmp_path, simulated):
    write_template("p3", tmp_path, simulated["p3"])
    employment, _, cities = tables_of("p3")
    source = simulated["p3"]["employment"]
    assert kept_examples(employment, tmp_path, source) == [("110000", 2004), ("110000", 2005)]
    assert kept_examples(cities, tmp_path, simulated["p3"]["cities"]) == []
    file = tmp_path / "employment.csv"
    text = file.read_text("utf-8-sig").replace("110000,2004", "110000,2006")
    file.write_text(text, "utf-8")
    assert kept_examples(employment, tmp_path, source) == [("110000", 2005)]
