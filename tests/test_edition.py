"""A folder is examined whole, and an edition takes own data where they are and marks every chapter."""

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from regiometrics import chapters, edition
from regiometrics.data.files import data_folder
from regiometrics.data.schemas import tables_of
from regiometrics.data.template import write_template
from regiometrics.edition import MARK, Built, build, build_on, chapter_id, examine, examples, own_folders, prepare
from regiometrics.errors import RegionError
from regiometrics.report import ledger

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
    assert "1. table employment, column A: missing values\n   rows: 2 (110000 2005 to 2006)\n   remedy: " in text
    assert "column C: negative employment\n   rows: 1 (110000 2004)" in text
    assert "table cities: table 'cities' is not in the folder" in text


def test_dropping_turns_gaps_into_notes(own):
    table = pd.read_csv(own / "employment.csv", dtype={"city": str})
    table.loc[1, "A"] = None
    table.drop(index=5).to_csv(own / "employment.csv", index=False)
    strict, dropped = examine("p3", own), examine("p3", own, missing="drop")
    assert not strict.passed and strict.report().count("--missing drop") == 2 and "'drop'" not in strict.report()
    assert dropped.passed and len(dropped.notes) == 2
    assert (
        "\nnote: left out: column 'A': missing values (table 'employment') (1 row: 110000 2005).\n" in dropped.report()
    )
    assert "Remedy" not in dropped.report()


def test_years_that_follow_each_other_are_one_entry_of_a_report(own):
    table = pd.read_csv(own / "employment.csv", dtype={"city": str})
    gone = table["city"].eq("130100") & table["year"].isin([2006, 2007, 2008, 2011])
    left = table["year"].eq(2015) & table["city"].isin(table["city"].unique()[10:40])
    table[~(gone | left)].to_csv(own / "employment.csv", index=False)
    report = examine("p3", own).report()
    assert "rows: 34 (130100 2006 to 2008; 130100 2011; " in report and " 2015; and 12 more)\n" in report


def test_codes_that_follow_each_other_are_no_years():
    keys = [("156", "010121"), ("156", "010122"), ("a", 2004.0), ("a", 2005.0), ("b", 2006), (2007,), 2008]
    assert list(edition._spans(keys)) == ["156 010121", "156 010122", "a 2004 to 2005", "b 2006", "2007 to 2008"]


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
            assert mark.group(3).startswith(
                "This page computes tables and figures on the folder `p3`. What else it shows stands on"
            )
            assert f"\nsource: str = {str(own)!r}  # of this edition\n" in text
            assert "\nmissing: str = 'drop'  # of this edition\n" in text
            assert sum(a != b for a, b in zip(code_cells(text), code_cells(shipped), strict=True)) == 1
        elif page.stem == "p4_specialization":
            assert "on the specialisation of cities, on the folder `p3`. What else it shows" in mark.group(3)
            assert f"\ncities: str = {str(own)!r}  # of this edition\n" in text
            assert '\nsource: str = "simulated"' in text
            assert sum(a != b for a, b in zip(code_cells(text), code_cells(shipped), strict=True)) == 1
        else:
            assert mark.groups()[0] == "As shipped" and code_cells(text) == code_cells(shipped)
            assert text.replace(mark.group(), mark.group().split("\n")[0] + "\n") == shipped
    assert "Own data: p3, p4 in part. All other" in (tmp_path / "out" / "book" / "start.md").read_text("utf-8")
    assert "stderr_output: show" in (tmp_path / "out" / "_config.yml").read_text("utf-8")
    marked = json.loads((tmp_path / "out" / MARK).read_text("utf-8"))
    assert marked == {"p3_coagglomeration": ["p3"], "p4_specialization": ["p3"]}
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
        assert values.get("cities") == (str(folders["p3"]) if chapter == "p4" else None)
        assert f"{{download}}`{page.stem}.ipynb <../_build/own/{page.stem}.ipynb>`" in page.read_text("utf-8")


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
    assert build(tmp_path) == Built(1, "failed\n", {})
    assert (tmp_path / "built").is_file()
    (tmp_path / "_build").mkdir()
    errors = {"notebooks/p3_coagglomeration.md": "ValueError: \x1b[31mno\x1b[0m", "book/start.md": "OSError: gone"}
    (tmp_path / "_build" / "raised.json").write_text(json.dumps(errors), "utf-8")
    assert build(tmp_path).raised == {"p3": "ValueError: no", "book/start.md": "OSError: gone"}


@pytest.fixture
def builds(monkeypatch):
    """Each build's pages that raise, in turn; the chapters' first line of marks is what each build sees."""
    raised, seen = [], []

    def build(out):
        marks = {page.stem[:2]: page.read_text("utf-8") for page in (out / "notebooks").glob("p*.md")}
        seen.append({chapter: re.search(r"\{admonition\} (.*)", text).group(1) for chapter, text in marks.items()})
        errors = raised.pop(0)
        return Built(int(bool(errors)), "", errors)

    monkeypatch.setattr(edition, "build", build)
    return raised, seen


def test_chapters_that_raise_are_left_as_shipped_and_built_again(tmp_path, own, checkout, builds):
    raised, seen = builds
    folders = {"p2": save({}, tmp_path / "own" / "p2"), "p3": own}
    raised += [{"p3": "ValueError: ```no`\nrow"}, {}]
    built = build_on(folders, tmp_path / "out", checkout=checkout, keep_going=True)
    assert (built.code, built.raised) == (0, {"p3": "ValueError: ```no`\nrow"}) and raised == []
    assert {chapter for chapter, mark in seen[0].items() if mark == "Your edition: own data"} == {"p2", "p3", "p4"}
    assert {chapter for chapter, mark in seen[1].items() if mark == "Your edition: own data"} == {"p2"}
    page = (tmp_path / "out" / "notebooks" / "p3_coagglomeration.md").read_text("utf-8")
    assert "The error was:\n\n    ValueError: '''no'\n    row\n```\n" in page and code_cells(page) == code_cells(
        (checkout / "notebooks" / "p3_coagglomeration.md").read_text("utf-8")
    )
    start = (tmp_path / "out" / "book" / "start.md").read_text("utf-8")
    assert "Own data: p2. Own data that could not be computed: p3. All other pages" in start
    assert json.loads((tmp_path / "out" / MARK).read_text("utf-8")) == {"p2_balanced_growth": ["p2"]}


def test_nothing_is_built_again_without_leave_or_without_own_data(tmp_path, own, checkout, builds):
    raised, seen = builds
    folders = {"p2": save({}, tmp_path / "own" / "p2"), "p3": own}
    for keep_going, errors in [(False, {"p3": "a"}), (True, {"p2": "a", "p3": "b"}), (True, {"p5": "a"})]:
        raised.append(errors)
        built = build_on(folders, tmp_path / "out", checkout=checkout, keep_going=keep_going)
        assert built == Built(1, "", errors) and raised == []
    assert len(seen) == 3


def test_a_chapter_that_only_borrows_own_data_is_left_as_shipped_alone(tmp_path, own, checkout, builds):
    raised, seen = builds
    raised += [{"p4": "no such year"}, {}]
    assert build_on({"p3": own}, tmp_path / "out", checkout=checkout, keep_going=True).raised == {"p4": "no such year"}
    assert seen[1]["p3"] == "Your edition: own data" and seen[1]["p4"] == "As shipped"


def test_verdict_of_own_data_is_no_grade():
    own = ledger.compare_text("p2", None, basis="none", reason=ledger.OWN_RUN)
    assert ledger.verdict_box(own) == "Your run: no printed number is compared."
    some = ledger.compare_text("p2", {"model_u1": 41 / 64}, basis="printed", reason=ledger.OWN_RUN)
    assert ledger.verdict_box(ledger.first_judged(some, own)) == (
        "Your run: no printed number is compared with it; 1 of 13 are judged without it (printed numbers), of which "
        "1 (100.0%) is reproduced to the last printed digit."
    )


PAGE = """---
file_format: mystnb
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

# Chapter {name}

```{{code-cell}} ipython3
:tags: [parameters]

source: str = "shipped"  # where the table is
cities: str = "stored"  # of cities
missing: str = "raise"  # or drop
```

```{{code-cell}} ipython3
from pathlib import Path

if source != "shipped":
    print("own rows:", len(Path(source, "rows.csv").read_text().splitlines()))
```

The notebook: {{download}}`{name}.ipynb <{name}.ipynb>`.
"""


@pytest.fixture
def small(tmp_path):
    """A checkout whose chapters count the lines of a file."""
    home = tmp_path / "small"
    shutil.copytree(ROOT / "book", home / "book", ignore=shutil.ignore_patterns("*.md", "*.bib", "__pycache__"))
    for name in ("data", "lib", "notebooks"):
        (home / name).mkdir()
    for name in ("requirements.lock", "book/references.bib"):
        (home / name).touch()
    shutil.copy(ROOT / "_config.yml", home)
    names = [chapter.name for chapter in chapters.CHAPTERS.values()]
    for name in names:
        (home / "notebooks" / f"{name}.md").write_text(PAGE.format(name=name), "utf-8")
        (home / "notebooks" / f"{name}.ipynb").write_text("as shipped", "utf-8")
    (home / "book" / "start.md").write_text("# Start\n", "utf-8")
    files = "".join(f"  - file: notebooks/{name}\n" for name in names)
    (home / "_toc.yml").write_text(f"format: jb-book\nroot: book/start\nchapters:\n{files}", "utf-8")
    return home


@pytest.mark.slow
def test_edition_offers_own_notebooks_and_shows_what_failed(tmp_path, small):
    folders = {chapter: tmp_path / "own" / chapter for chapter in ("p1", "p5")}
    for folder in folders.values():
        folder.mkdir(parents=True)
    (folders["p1"] / "rows.csv").write_text("a\nb\n", "utf-8")
    out = tmp_path / "out"
    built = build_on(folders, out, checkout=small)
    assert built.code and list(built.raised) == ["p5"] and not (out / "_build" / "html").exists()
    built = build_on(folders, out, checkout=small, keep_going=True)
    assert built.code == 0, built.messages
    assert built.raised["p5"].startswith("FileNotFoundError: [Errno 2] No such file")
    html = out / "_build" / "html"
    own, failed = ((html / "notebooks" / f"{chapters.CHAPTERS[c].name}.html").read_text("utf-8") for c in folders)
    assert "own rows: 2" in own and not re.search(r"own rows: \d", failed)
    assert "FileNotFoundError" in failed and "could not be computed on own data" in failed
    offered = {path.name: path.read_text("utf-8") for path in (html / "_downloads").rglob("*.ipynb")}
    assert "own rows: 2" in offered.pop("p1_enlargement.ipynb")
    assert set(offered.values()) == {"as shipped"} and len(offered) == 4


@pytest.mark.slow
def test_whole_edition(tmp_path, own):
    prepare({"p3": own}, tmp_path / "out", checkout=ROOT)
    built = build(tmp_path / "out")
    assert built.code == 0, built.messages
    html = tmp_path / "out" / "_build" / "html" / "notebooks"
    assert "Your edition: own data" in (html / "p3_coagglomeration.html").read_text("utf-8")
    assert "As shipped" in (html / "p2_balanced_growth.html").read_text("utf-8")
