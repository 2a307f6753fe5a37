"""A folder is examined whole, and an edition takes own data where they are and marks every chapter."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from regiometrics import chapters, edition
from regiometrics.data.files import data_folder
from regiometrics.data.schemas import tables_of
from regiometrics.data.template import write_template
from regiometrics.edition import MARK, build, chapter_id, examine, examples, own_folders, prepare
from regiometrics.errors import RegionError

ROOT = Path(__file__).parents[1]


def save(tables, folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        flags = dict.fromkeys(table.select_dtypes(bool), int)
        table.astype(flags).to_csv(folder / f"{name}.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def simulated():
    bundle = chapters.load("p3", "simulated")
    return {name: bundle.tables[name] for name in ("employment", "cities")}


@pytest.fixture
def own(simulated, tmp_path):
    return save(simulated, tmp_path / "own" / "p3")


@pytest.fixture
def checkout(tmp_path):
    """A checkout in small: the true chapters and settings, and next to nothing else."""
    home = tmp_path / "checkout"
    for name in ("book", "data", "lib/regiometrics/__pycache__", "notebooks"):
        (home / name).mkdir(parents=True)
    (home / "lib" / "regiometrics" / "__pycache__" / "x.pyc").write_bytes(b"")
    for name in ("_config.yml", "_toc.yml", "requirements.lock", "book/make.py", "book/start.md"):
        (home / name).write_bytes((ROOT / name).read_bytes())
    for path in (ROOT / "notebooks").glob("p*.md"):
        (home / "notebooks" / path.name).write_bytes(path.read_bytes())
    return home


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def code_cells(text):
    return re.findall(r"^```\{code-cell\}.*?^```", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "chapter", [pytest.param(c, marks=[pytest.mark.slow] * (c not in {"p2", "p3"})) for c in chapters.CHAPTERS]
)
def test_simulated_tables_pass_in_every_chapter(tmp_path, chapter):
    found = examine(chapter, save(examples(chapter), tmp_path / "own"))
    assert found.passed and set(found.rows) == {table.name for table in tables_of(chapter)}
    assert found.report().startswith(f"{chapter}, {tmp_path / 'own'}: all is well\nread: ")


def test_all_problems_are_in_one_report(own):
    table = pd.read_csv(own / "employment.csv", dtype={"city": str})
    table.loc[0, "C"] = -1
    table.loc[[1, 2], "A"] = None
    table.to_csv(own / "employment.csv", index=False)
    (own / "cities.csv").unlink()
    found = examine("p3", own)
    assert not found.passed and found.rows == {}
    text = found.report()
    assert f"p3, {own}: 3 problems" in text
    assert "1. table employment, column A: missing values\n   rows: 2 (110000 2005; 110000 2006)\n   remedy: " in text
    assert "column C: negative employment\n   rows: 1 (110000 2004)" in text
    assert "table cities: table 'cities' is not in the folder" in text


def test_dropping_turns_gaps_into_notes(own):
    table = pd.read_csv(own / "employment.csv", dtype={"city": str})
    table.loc[1, "A"] = None
    table.drop(index=5).to_csv(own / "employment.csv", index=False)
    strict, dropped = examine("p3", own), examine("p3", own, missing="drop")
    assert not strict.passed and "say --missing drop" in strict.report()
    assert dropped.passed and len(dropped.notes) == 2
    assert (
        "\nnote: left out: column 'A': missing values (table 'employment') (1 row: 110000 2005).\n" in dropped.report()
    )
    assert "Remedy" not in dropped.report()


def test_dropping_tolerates_nothing_else(own):
    table = pd.read_csv(own / "employment.csv", dtype={"city": str})
    table.loc[1, "A"] = None
    table.loc[0, "C"] = -1
    table.to_csv(own / "employment.csv", index=False)
    assert examine("p3", own, missing="drop").problems["column"].tolist() == ["C"]


def test_what_only_shows_in_the_panel_is_a_problem(own, simulated):
    table = pd.read_csv(own / "employment.csv", dtype={"city": str})
    table.loc[0, ["C", "I", "J", "L", "M"]] = 0
    table.to_csv(own / "employment.csv", index=False)
    found = examine("p3", own)
    assert "1. the tables together, column C, I, J, L, M: neither manufacturing nor producer services" in found.report()
    assert found.problems["error"].tolist() == ["DomainError"]


def test_files_and_columns_that_are_not_used_are_named(own):
    cities = pd.read_csv(own / "cities.csv", dtype={"city": str})
    cities.rename(columns={"name_zh": "name_zhs"}).to_csv(own / "cities.csv", index=False)
    (own / "Nationals.csv").write_text("year\n2004\n", "utf-8")
    found = examine("p3", own)
    assert found.passed
    assert len(found.notes) == 2 and "not read: Nationals.csv" in found.notes[0] and "name_zhs" in found.notes[1]
    (own / "employment.csv").unlink()
    assert f"note: {found.notes[0]}" in examine("p3", own).report()


def test_example_rows_that_were_left_in_are_a_problem(tmp_path, simulated):
    write_template("p3", tmp_path, {**simulated, "national": simulated["employment"]})
    (tmp_path / "national.csv").unlink()
    save({"cities": simulated["cities"]}, tmp_path)
    left = pd.read_csv(tmp_path / "employment.csv", dtype={"city": str})
    pd.concat([left, simulated["employment"].iloc[2:]]).to_csv(tmp_path / "employment.csv", index=False)
    found = examine("p3", tmp_path)
    assert "1. table employment: the example rows of the template are still there\n   rows: 2 (110000" in found.report()


def test_name_of_a_chapter():
    assert [chapter_id(name) for name in ("p5", "p5_transfer_zones")] == ["p5", "p5"]
    with pytest.raises(RegionError, match="did you mean p3_coagglomeration"):
        chapter_id("p3_coaglomeration")
    with pytest.raises(RegionError, match="no folder"):
        examine("p3", "no such folder")


def test_subfolders_are_named_after_chapters(tmp_path):
    for name in ("p3", "p1_enlargement", "raw", ".hidden"):
        (tmp_path / name).mkdir()
    assert own_folders(tmp_path) == (
        {"p1": (tmp_path / "p1_enlargement").resolve(), "p3": (tmp_path / "p3").resolve()},
        ("raw",),
    )
    (tmp_path / "p3_coagglomeration").mkdir()
    with pytest.raises(RegionError, match="p3 has two folders, p3 and p3_coagglomeration"):
        own_folders(tmp_path)
    with pytest.raises(RegionError, match="no subfolder of a chapter"):
        own_folders(tmp_path / "raw")
    with pytest.raises(RegionError, match="there is no folder"):
        own_folders(tmp_path / "absent")


def test_chapter_with_own_data_has_its_folder_among_the_parameters(tmp_path, own, checkout):
    before = contents(checkout)
    pages = prepare({"p3": own}, tmp_path / "out", checkout=checkout, missing="drop")
    assert contents(checkout) == before
    assert [page.stem for page in pages] == [chapter.name for chapter in chapters.CHAPTERS.values()]
    for page in pages:
        text, shipped = page.read_text("utf-8"), (checkout / "notebooks" / page.name).read_text("utf-8")
        mark = re.search(r"^# .*\n\n```\{admonition\} (.*)\n:class: (\w+)\n(.*)\n```\n", text, flags=re.MULTILINE)
        if page.stem == "p3_coagglomeration":
            assert mark.groups()[:2] == ("Your edition: own data", "tip")
            assert mark.group(3).startswith("Tables and figures stand on the folder `p3`. The text was written about")
            assert f"\nsource: str = {str(own)!r}  # of this edition\n" in text
            assert "\nmissing: str = 'drop'  # of this edition\n" in text
            assert sum(a != b for a, b in zip(code_cells(text), code_cells(shipped), strict=True)) == 1
        else:
            assert mark.groups()[0] == "As shipped" and code_cells(text) == code_cells(shipped)
            assert text.replace(mark.group(), mark.group().split("\n")[0] + "\n") == shipped
    assert "Own data: p3." in (tmp_path / "out" / "book" / "start.md").read_text("utf-8")
    assert "stderr_output: show" in (tmp_path / "out" / "_config.yml").read_text("utf-8")
    assert json.loads((tmp_path / "out" / MARK).read_text("utf-8")) == {"p3": "p3"}
    assert not list((tmp_path / "out").rglob("*.pyc"))


def test_every_chapter_can_take_own_data(tmp_path, checkout):
    folders = {chapter: tmp_path / f"a\\1 'b' {chapter}" for chapter in chapters.CHAPTERS}
    for folder in folders.values():
        folder.mkdir()
    for chapter, page in zip(folders, prepare(folders, tmp_path / "out", checkout=checkout), strict=True):
        cell = next(cell for cell in code_cells(page.read_text("utf-8")) if ":tags: [parameters]" in cell)
        values = {}
        exec("\n".join(cell.split("\n")[2:-1]), values)
        assert values["source"] == str(folders[chapter]) and values["missing"] == "raise"


def test_changed_data_change_the_cell_that_is_the_key_of_what_is_kept(tmp_path, own, checkout):
    page = tmp_path / "out" / "notebooks" / "p3_coagglomeration.md"
    cells = []
    for more in ("", "\n", ""):
        with (own / "cities.csv").open("a", encoding="utf-8") as file:
            file.write(more)
        prepare({"p3": own}, tmp_path / "out", checkout=checkout)
        cells.append(code_cells(page.read_text("utf-8")))
    assert cells[0] != cells[1] == cells[2]


def test_what_a_finished_build_keeps_is_taken_along(tmp_path, own, checkout):
    cache = checkout / "_build" / ".jupyter_cache"
    cache.mkdir(parents=True)
    (cache / "global.db").write_bytes(b"db")
    (checkout / "_build" / "numbers.sha256").write_text("a", "utf-8")
    prepare({"p3": own}, tmp_path / "out", checkout=checkout)
    assert not (tmp_path / "out" / "_build").exists()
    (checkout / "_build" / "book.sha256").write_text("b", "utf-8")
    prepare({"p3": own}, tmp_path / "out", checkout=checkout)
    kept = {path.as_posix() for path in contents(tmp_path / "out" / "_build")}
    assert kept == {".jupyter_cache/global.db", "numbers.sha256"}


def test_only_an_earlier_edition_is_replaced(tmp_path, own, checkout):
    out = tmp_path / "out"
    prepare({"p3": own}, out, checkout=checkout)
    (out / "book" / "old.md").write_text("", "utf-8")
    (out / "mine.txt").write_text("", "utf-8")
    prepare({"p3": own}, out, checkout=checkout)
    assert not (out / "book" / "old.md").exists() and (out / "mine.txt").exists()
    (out / MARK).unlink()
    with pytest.raises(RegionError, match="no earlier edition"):
        prepare({"p3": own}, out, checkout=checkout)
    for read in (checkout, tmp_path, own):
        before = contents(tmp_path)
        with pytest.raises(RegionError, match="which it reads"):
            prepare({"p3": own}, read, checkout=checkout)
        assert contents(tmp_path) == before


def test_edition_needs_a_checkout(tmp_path, own):
    with pytest.raises(RegionError, match="built from a checkout"):
        prepare({"p3": own}, tmp_path / "out", checkout=data_folder())
    assert not (tmp_path / "out").exists()
    assert (edition.CHECKOUT / "book" / "make.py").is_file()


def test_build_runs_the_copy_and_returns_what_it_says(tmp_path, monkeypatch):
    monkeypatch.setenv("REGIOMETRICS_DATA", "elsewhere")
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "make.py").write_text(
        "import os, sys\n"
        "assert sys.argv[1:] == ['book'] and 'REGIOMETRICS_DATA' not in os.environ\n"
        "open('built', 'w').close()\n"
        "sys.exit('\\x1b[31mfailed\\x1b[0m')\n",
        "utf-8",
    )
    assert build(tmp_path) == (1, "failed\n")
    assert (tmp_path / "built").is_file()


@pytest.mark.slow
def test_whole_edition(tmp_path, own):
    prepare({"p3": own}, tmp_path / "out", checkout=ROOT)
    code, messages = build(tmp_path / "out")
    assert code == 0, messages
    html = tmp_path / "out" / "_build" / "html" / "notebooks"
    assert "Your edition: own data" in (html / "p3_coagglomeration.html").read_text("utf-8")
    assert "As shipped" in (html / "p2_balanced_growth.html").read_text("utf-8")
