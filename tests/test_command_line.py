"""What the commands print, keep and end with."""

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from types import SimpleNamespace

import pandas as pd
import pytest

import regiometrics
from regiometrics import __main__ as command_line
from regiometrics import chapters, edition
from regiometrics.__main__ import assignments
from regiometrics.errors import RegionError
from regiometrics.report import ledger


@dataclass(frozen=True)
class Parameter:
    name: str
    kind: str
    default: object
    help: str = ""


@dataclass(frozen=True)
class Grid:
    chapter: str
    base: dict
    grid: dict
    specifications: tuple = ()
    results: tuple = ()


KNOWN = (
    Parameter("source", "str", "shipped"),
    Parameter("first_year", "int", 2004),
    Parameter("level", "float", 0.95),
    Parameter("flagged_rows", "bool", True),
    Parameter("clusters", "list", []),
    Parameter("lags", "list", [2000, 2003]),
    Parameter("missing", "str", "raise"),
    Parameter("cities", "str", "stored"),
)


@dataclass
class Engine:
    """Stands for the sweep's engine: notes how it is called and leaves the files that it promises."""

    fail: tuple = ()
    leaves_notebooks: bool = True
    calls: list = field(default_factory=list)
    Grid = Grid

    def parameters(self, chapter):
        return KNOWN

    def read_grid(self, path):
        return Grid("p3", {}, {"first_year": [2004, 2005, 2006]})

    def specifications(self, grid):
        years = grid.grid.get("first_year", [2004])
        return pd.DataFrame({"run": [f"r{year}" for year in years], "first_year": years})

    def finished(self, grid, out, *, in_process=False):
        return ["r2004"]

    def run(self, grid, *, out, **options):
        self.calls.append((grid, options))
        table = self.specifications(grid)
        table["error"] = ["cell 4: ValueError: no year" if run in self.fail else "" for run in table["run"]]
        outputs = [{"metadata": {"regiometrics": {"verdict": "2 of 3", **{f"v{i}": i for i in range(14)}}}}]
        for run in table["run"] if self.leaves_notebooks else []:
            notebook = {"cells": [{"cell_type": "code", "outputs": outputs}]}
            (out / f"{run}.ipynb").write_text(json.dumps(notebook), "utf-8")
        return table.assign(seconds=61.5, engine="papermill")


@pytest.fixture
def engine(monkeypatch):
    made = Engine()
    monkeypatch.setitem(sys.modules, "regiometrics.sweep", made)
    monkeypatch.setattr(regiometrics, "sweep", made, raising=False)
    return made


@pytest.fixture
def call(capsys, tmp_path, monkeypatch):
    """A command run in an empty folder: exit code, what it printed, what it complained of."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        with pytest.raises(SystemExit) as end:
            command_line.main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        assert "\x1b[" not in printed.out + printed.err and "Traceback" not in printed.err
        return end.value.code or 0, printed.out, printed.err

    return run


@pytest.mark.parametrize("command", ["run", "sweep", "template", "check", "ledger", "edition"])
def test_help_is_short_and_has_an_example(call, command):
    code, out, _ = call(command, "--help")
    assert code == 0 and f"Example: regiometrics {command} " in out and len(out.splitlines()) < 32
    assert f"\n  {command} " in call("--help")[1]


def test_command_line_starts_without_the_heavy_libraries():
    program = (
        "import sys\nfrom regiometrics import __main__ as m\ntry:\n    m.main(['--help'])\n"
        "except SystemExit as end:\n    assert not end.code\n"
        "print([name for name in ('pandas', 'numpy', 'dask', 'distributed', 'papermill') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("[]\n"), done.stdout


def test_values_are_literals_of_the_kind_of_their_parameter():
    texts = ["source=a=b", "first_year=2010", "level=.9", "flagged_rows=False", "clusters=a, b", "lags=2001,2002"]
    assert assignments(texts, KNOWN) == {
        **{"source": "a=b", "first_year": 2010, "level": 0.9, "flagged_rows": False},
        **{"clusters": ["a", "b"], "lags": [2001, 2002]},
    }
    assert assignments(["clusters=['110000']", "lags=[]"], KNOWN) == {"clusters": ["110000"], "lags": []}
    assert assignments(["clusters="], KNOWN) == {"clusters": []}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["first_year"], "has no '='"),
        (["frist_year=2010"], "did you mean first_year"),
        (["xyz=1"], "parameters: source, first_year"),
        (["level=1", "level=2"], "given twice"),
        (["first_year=2010.5"], "of kind int, and '2010.5' is not"),
        (["first_year=__import__('os')"], "of kind int"),
        (["level=high"], "of kind float"),
        (["flagged_rows=1"], "write it as true or false"),
        (["lags=a,b"], "of kind list"),
        (["clusters=[print(1)]"], "of kind list"),
        (["clusters=[1"], "of kind list"),
    ],
)
def test_wrong_parameter_says_what_is_right(texts, message):
    with pytest.raises(RegionError, match=re.escape(message)):
        assignments(texts, KNOWN)


def test_run_keeps_the_notebook_and_shows_values(call, engine, tmp_path):
    (tmp_path / "own").mkdir()
    code, out, err = call("run", "p3_coagglomeration", "-p", "first_year=2010", "--data", "own", "--out", "x.ipynb")
    assert (code, err) == (0, "")
    ((grid, options),) = engine.calls
    assert grid == Grid("p3", {"first_year": 2010, "source": str((tmp_path / "own").resolve())}, {})
    assert not options["progress"]
    assert (tmp_path / "x.ipynb").is_file()
    lines = out.splitlines()
    assert lines[:2] == ["p3: 62 s, x.ipynb", "verdict: 2 of 3"] and lines[-1] == "and 2 more values in the notebook"


def test_run_finds_folders_from_here_and_leaves_words_alone(call, engine, tmp_path):
    (tmp_path / "own").mkdir()
    assert call("run", "p4", "--missing", "drop", "-p", "source=simulated", "-p", "cities=own")[0] == 0
    own = str((tmp_path / "own").resolve())
    assert engine.calls[0][0].base == {"source": "simulated", "cities": own, "missing": "drop"}
    assert call("run", "p4", "-p", "cities=stored")[0] == 0 and engine.calls[1][0].base == {"cities": "stored"}


def test_run_that_fails_names_the_cell_and_keeps_the_notebook(call, engine, tmp_path):
    engine.fail = ("r2004",)
    code, out, err = call("run", "p3")
    assert code == 1 and out == ""
    assert "cell 4: ValueError: no year" in err and "p3_coagglomeration_run.ipynb" in err
    assert [path.name for path in tmp_path.iterdir()] == ["p3_coagglomeration_run.ipynb"]


def test_remedy_is_told_in_words_of_the_command_line(call, engine, monkeypatch):
    error = RegionError("a gap", remedy="add the rows, or pass missing='drop' to go on without them")
    table = pd.DataFrame({"run": ["r"], "error": [f"cell 3: RegionError: {error}"]})
    monkeypatch.setattr(engine, "run", lambda grid, **options: table)
    said = "p3 failed: cell 3: RegionError: a gap. Remedy: add the rows, or say --missing drop to go on without them.\n"
    assert call("run", "p3") == (1, "", said)


def test_run_whose_worker_died_says_so(call, engine, tmp_path):
    engine.fail, engine.leaves_notebooks = ("r2004",), False
    code, _, err = call("run", "p3", "-p", "source=simulated")
    assert code == 1 and err == "p3 failed: cell 4: ValueError: no year\n" and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["p7"], "there is no chapter 'p7'"),
        (["p3", "-p", "frist_year=1"], "did you mean first_year"),
        (["p3", "--data", "absent"], "there is no folder absent"),
        (["p3", "-p", "source=absent"], "there is no folder absent"),
        (["p3", "--data", ".", "-p", "source=simulated"], "name the data twice"),
        (["p3", "--missing", "drop", "-p", "missing=raise"], "say it twice"),
        (["p3", "-p", "cities=absent"], "there is no folder absent"),
        (["p3", "--out", "x.txt"], "end it in .ipynb"),
        (["p3", "--out", "absent/x.ipynb"], "there is no folder absent"),
        ([], "Missing argument"),
        (["p3", "--bogus"], "No such option"),
    ],
)
def test_run_that_is_badly_used_runs_nothing(call, engine, tmp_path, arguments, message):
    code, out, err = call("run", *arguments)
    assert (code, out) == (2, "") and message in err
    assert engine.calls == [] and list(tmp_path.iterdir()) == []


def test_sweep_says_what_is_new_and_what_is_kept(call, engine, tmp_path):
    (tmp_path / "s").mkdir()
    code, printed, err = call("sweep", "g.yml", "--out", "s", "--workers", "1", "--in-process")
    assert (code, err) == (0, "")
    assert "p3: 3 runs, 2 new, 1 kept\n" in printed and "3 done, 0 failed: s/results.parquet" in printed
    assert engine.calls[0][1] == {"workers": 1, "scheduler": None, "in_process": True, "progress": True}


def test_sweep_with_failures_names_each(call, engine, tmp_path):
    (tmp_path / "s").mkdir()
    engine.fail = ("r2005",)
    code, printed, err = call("sweep", "g.yml", "--out", "s", "--scheduler", "tcp://127.0.0.1:8786")
    assert code == 1 and "2 done, 1 failed" in printed
    assert err == "r2005: cell 4: ValueError: no year\n"
    assert engine.calls[0][1]["scheduler"] == "tcp://127.0.0.1:8786"


@pytest.mark.parametrize("arguments", [["g.yml"], ["g.yml", "--out", "s", "--workers", "two"]])
def test_sweep_that_is_badly_used_runs_nothing(call, engine, arguments):
    assert call("sweep", *arguments)[0] == 2 and engine.calls == []


def test_template_then_check(call):
    code, out, _ = call("template", "p3", "own/p3")
    files = ["employment.csv", "national.csv", "cities.csv", "COLUMNS.md"]
    assert code == 0 and out.splitlines()[:4] == [f"own/p3/{name}" for name in files]
    named = dict(line.split(maxsplit=1) for line in out.splitlines()[5:])
    assert "matched by name" in out.splitlines()[4] and "".join(named) == "ABCDEFGHIJKLMNOPQRS"
    assert named["I"] == "information transmission, software and information technology 信息传输、软件和信息技术服务业"
    assert call("template", "p4", "own/p4")[1].splitlines()[-1] == "own/p4/COLUMNS.md"
    code, out, err = call("template", "p3_coagglomeration", "own/p3")
    assert (code, out) == (2, "") and "overwrites nothing" in err
    code, out, err = call("check", "p3", "own/p3")
    assert (code, err) == (1, "") and out.startswith("p3, ") and "problems\n\n1. table " in out and "remedy: " in out


def test_check_of_a_folder_that_is_well(call, tmp_path):
    for name, table in edition.examples("p3").items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    code, out, err = call("check", "p3", ".")
    assert (code, err) == (0, "") and "all is well\nread: employment (" in out
    rows = pd.read_csv(tmp_path / "employment.csv", dtype=str)
    rows.drop(index=1).to_csv(tmp_path / "employment.csv", index=False)
    assert call("check", "p3", ".")[0] == 1
    code, out, _ = call("check", "p3", ".", "--missing", "drop")
    assert code == 0 and "\nnote: " in out and "110000 2005" in out


def test_check_that_is_badly_used(call, tmp_path):
    for arguments in (["p3", "absent"], ["p8", "."], ["p3", ".", "--missing", "guess"], ["p3"]):
        code, out, err = call("check", *arguments)
        assert code == 2 and out == "" and err


def test_ledger_counts_and_writes(call, tmp_path):
    frame = ledger.collect()
    code, out, _ = call("ledger")
    counted = {line[:16].strip(): int(line[16:]) for line in out.splitlines()}
    assert code == 0 and counted == {**ledger.counts(frame).set_index("verdict")["numbers"], "all": len(frame)}
    code, out, _ = call("ledger", "--paper", "p3", "--out", "p3.csv")
    written = pd.read_csv(tmp_path / "p3.csv")
    assert code == 0 and set(written["paper"]) == {"p3"} and len(written) == (frame["paper"] == "p3").sum()
    assert call("ledger", "--paper", "p6")[0] == 2 and call("ledger", "--out", "absent/x.csv")[0] == 2


@pytest.fixture
def builder(monkeypatch):
    """The edition's steps: examination by a file's presence, the build only noted."""
    made = SimpleNamespace(built=[], code=0, page=True, raised={})

    def examine(chapter, folder, *, missing):
        errors = [("cities", RegionError("a gap"))] if (folder / "bad").exists() else []
        return edition.Examination(chapter, folder, edition._frame(errors), {"cities": 2}, ())

    def build_on(own, out, *, missing, keep_going):
        made.built.append((list(own), missing, keep_going))
        if made.page:
            (out / "_build" / "html").mkdir(parents=True)
            (out / "_build" / "html" / "index.html").write_text("", "utf-8")
        return edition.Built(made.code, "what went wrong", made.raised)

    for name, step in {"examine": examine, "build_on": build_on}.items():
        monkeypatch.setattr(edition, name, step)
    return made


@pytest.fixture
def own(tmp_path):
    for name in ("p3", "p5_transfer_zones", "raw"):
        (tmp_path / "own" / name).mkdir(parents=True)
    return tmp_path / "own"


def test_edition_of_all_folders_that_are_well(call, builder, own):
    code, out, err = call("edition", "--data", "own", "--out", "book", "--missing", "drop")
    assert (code, err) == (0, "") and builder.built == [(["p3", "p5"], "drop", False)]
    assert "subfolder raw is no chapter" in out and out.endswith("book/_build/html/index.html, own data: p3, p5\n")


def test_edition_with_a_problem_builds_nothing_unless_told(call, builder, own, tmp_path):
    (own / "p3" / "bad").touch()
    code, out, err = call("edition", "--data", "own", "--out", "book")
    assert code == 1 and "1. table cities: a gap" in out and "--keep-going" in err
    assert builder.built == [] and not (tmp_path / "book").exists()
    code, out, _ = call("edition", "--data", "own", "--out", "book", "--keep-going")
    assert code == 1 and builder.built == [(["p5"], "raise", True)] and out.endswith("own data: p5\n")
    (own / "p5_transfer_zones" / "bad").touch()
    assert call("edition", "--data", "own", "--out", "again", "--keep-going")[0] == 1 and len(builder.built) == 1


@pytest.mark.parametrize(("page", "message"), [(True, "built with warnings"), (False, "no page was built")])
def test_edition_whose_build_complains(call, builder, own, page, message):
    builder.code, builder.page = 1, page
    code, out, err = call("edition", "--data", "own", "--out", "book")
    assert code == 1 and "what went wrong" in err and message in out + err


def test_edition_with_a_chapter_whose_code_raises(call, builder, own):
    builder.raised = {"p3": "ValueError: no year"}
    code, out, err = call("edition", "--data", "own", "--out", "book", "--keep-going")
    assert code == 1 and err == "p3 could not be computed: ValueError: no year\n" and out.endswith("own data: p5\n")
    builder.code, builder.page = 1, False
    code, out, err = call("edition", "--data", "own", "--out", "again")
    assert code == 1 and "regiometrics run p3 --data" in err and "--keep-going builds the others" in err
    assert "what went wrong" not in err


def test_edition_that_is_badly_used(call, builder, tmp_path):
    assert call("edition", "--data", "absent", "--out", "book")[0] == 2
    assert call("edition", "--data", tmp_path, "--out", "book")[0] == 2
    assert call("edition", "--out", "book")[0] == 2 and builder.built == []


def test_chapters_of_the_help_are_those_of_the_library(call):
    assert list(chapters.CHAPTERS) == ["p1", "p2", "p3", "p4", "p5"] and "p1 to p5" in call("--help")[1]
