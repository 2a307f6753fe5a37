"""Sweeps without a cluster: grids, ids, resuming, errors, and the two engines against each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from regiometrics import in_process, sweep
from regiometrics.data.files import notebooks_folder
from regiometrics.errors import DataProblems, DomainError, RegionError
from regiometrics.sweep import Grid, engines, identity, labelled, parameters, read_grid, run, specifications
from regiometrics.sweep.tasks import sweep_of

OWN = ["seconds", "engine"]
RECORD = "from regiometrics.report.record import record"
PARAMETERS = """source: str = "shipped"  # shipped, or the path of a folder with your own tables
n: int = 3  # draws
share: float = 0.5  # from 0 to 1
word: str = "a"  # any text
flag: bool = True  # yes or no
years: list = [1, 2]  # years"""
CODE = [
    RECORD,
    "import numpy as np\nimport pandas as pd",
    "def scaled(frame, by):\n    return frame.assign(x=frame['x'] * by * share)",
    "table = pd.DataFrame({'x': np.sin(np.arange(50.0))})\nalias = table",
    "alias['x'] += 1",
    "print('so', 'far')\nif n < 0:\n    raise ValueError(f'n is {n}')",
    "unused = sum(i * i for i in range(1000))\nrecord(unused=unused)",
    "record(total=scaled(table, n)['x'].sum(), n_years=len(years), told=word, both=flag and n > 2)",
]


def notebook(folder: Path, code: list[str], cell: str = PARAMETERS, name: str = "small.ipynb") -> Path:
    cells = [nbformat.v4.new_code_cell(source) for source in code]
    tagged = nbformat.v4.new_code_cell(cell, metadata={"tags": ["parameters"]})
    path = folder / name
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=[cells[0], tagged, *cells[1:]], metadata=kernel), path)
    return path


@pytest.fixture
def small(tmp_path):
    return notebook(tmp_path, CODE)


def in_this_process(grid, out, **options):
    return run(grid, out=out, workers=0, in_process=True, progress=False, **options)


def by_notebook(grid, out):
    return run(grid, out=out, workers=0, progress=False)


@pytest.mark.parametrize("chapter", sorted(path.stem for path in notebooks_folder().glob("*.ipynb")))
def test_parameters_are_those_that_papermill_infers(chapter):
    from papermill import inspect_notebook

    inferred = inspect_notebook(str(notebooks_folder() / f"{chapter}.ipynb"))
    found = parameters(chapter)
    assert [p.name for p in found] == list(inferred)
    for p in found:
        assert (p.kind, p.help) == (inferred[p.name]["inferred_type_name"], inferred[p.name]["help"])
    assert parameters(chapter.split("_")[0]) == found


def test_the_product_comes_first_and_a_run_that_comes_twice_is_listed_once(small):
    grid = Grid(
        "small", {"word": "b"}, {"n": [1, 2], "share": [0, 1.0]}, [{"n": 2, "share": 1}, {"n": 5}], notebook=small
    )
    table = specifications(grid)
    assert table.columns.tolist() == ["run", "n", "share"]
    assert table[["n", "share"]].values.tolist() == [[1, 0], [1, 1], [2, 0], [2, 1], [5, 0.5]]
    assert table["run"].is_unique


def test_a_grid_without_anything_is_the_papers_own_run(small):
    assert len(specifications(Grid("small", notebook=small))) == 1


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ({"shar": 1}, "perhaps 'share' is meant"),
        ({"n": True}, "n = True is no int"),
        ({"n": 1.0}, "n = 1.0 is no int"),
        ({"share": "0.5"}, "no float"),
        ({"share": float("nan")}, "finite"),
        ({"flag": 1}, "no bool"),
        ({"word": False}, "in quotes"),
        ({"years": "2004"}, "no list"),
        ({"years": [[1]]}, "no list"),
        ({"source": "no/such/folder"}, "is no folder"),
    ],
)
def test_a_bad_value_is_refused_before_the_first_run(small, tmp_path, base, words):
    with pytest.raises(RegionError, match=words):
        run(Grid("small", base, notebook=small), out=tmp_path / "out", progress=False)
    assert not (tmp_path / "out").exists()


def test_all_problems_of_a_grid_come_at_once(small):
    wrong = {"n": ["x", 2], "years": 3, "flags": [True, False]}
    grid = Grid("small", {"m": 1}, wrong, [{"flags": True}], ["totl", "totl"], small)
    with pytest.raises(DataProblems) as raised:
        specifications(grid)
    assert len(raised.value.problems) == 5
    lines = str(raised.value).splitlines()
    assert lines[0] == "5 problems found:" and len(lines) == 6
    assert lines[4] == ("  4. grid names 'flags', which is no parameter of small. Remedy: perhaps 'flag' is meant.")
    assert "perhaps 'total' is meant" in lines[5]


def test_a_yaml_grid_is_read_safely(tmp_path):
    path = tmp_path / "grid.yml"
    path.write_text("chapter: p3\nbase: {level: 1}\ngrid: {ddof: [0, 1]}\nresults: [log_t]\n", "utf-8")
    assert read_grid(path) == Grid("p3", {"level": 1}, {"ddof": [0, 1]}, results=["log_t"])
    for text, words in [
        ("chapter: p3\ngrids: {}\n", "perhaps 'grid' is meant"),
        ("chapter: p3\ngrid: [1]\n", "mapping of names to lists"),
        ("grid: {}\n", "names no chapter"),
        ("chapter: p3\ngrid:\n  ddof: [0]\n  level: [0.9]\n  ddof: [1]\n", "line 5 of grid.yml repeats the key 'ddof'"),
        ("chapter: p3\nspecifications:\n  - {ddof: 0, ddof: 1}\n", "line 3 of grid.yml repeats"),
        ("chapter: p9\n", "no chapter 'p9'"),
        ("chapter: !!python/object/apply:os.getcwd []\n", "cannot be read as YAML"),
        ("chapter: [\n", "cannot be read as YAML"),
    ]:
        path.write_text(text, "utf-8")
        with pytest.raises(RegionError, match=words):
            read_grid(path)
    with pytest.raises(RegionError, match="no grid"):
        read_grid(tmp_path / "none.yml")


def test_a_missing_notebook_or_one_without_parameters_is_named(tmp_path):
    with pytest.raises(RegionError, match="no notebook"):
        parameters(tmp_path / "none.ipynb")
    (tmp_path / "text.ipynb").write_text("# text", "utf-8")
    with pytest.raises(RegionError, match="is no notebook"):
        parameters(tmp_path / "text.ipynb")
    with pytest.raises(RegionError, match="line 1 of the cell tagged parameters"):
        parameters(notebook(tmp_path, [RECORD], "n = 1"))


NASTY = ["'\"", "a\nimport os; os.abort()", '"""); __import__("os").abort() #', "\\", "中文\u2028", "{n}", "%cd /"]


def test_parameters_carry_no_code(tmp_path):
    path = notebook(tmp_path, [RECORD, "record(told=word, first=years[0])"])
    grid = Grid("small", grid={"word": NASTY}, notebook=path)
    warm = in_this_process(grid, tmp_path / "warm")
    assert warm["told"].tolist() == NASTY
    one = Grid("small", {"word": "|".join(NASTY), "years": ["\n".join(NASTY)]}, notebook=path)
    executed = by_notebook(one, tmp_path / "out")
    assert executed.loc[0, ["error", "told", "first"]].tolist() == ["", "|".join(NASTY), "\n".join(NASTY)]


def test_both_engines_give_the_same_table(small, tmp_path):
    grid = Grid("small", {}, {}, [{"n": -1}, {"years": []}], ["total", "both", "n_years", "told"], small)
    executed, warm = by_notebook(grid, tmp_path / "a"), in_this_process(grid, tmp_path / "b")
    assert executed["error"].tolist() == ["cell 7: ValueError: n is -1", ""]
    assert executed["total"].isna().tolist() == [True, False]
    assert_frame_equal(executed.drop(columns=OWN), warm.drop(columns=OWN), check_exact=True)
    assert set(executed["engine"]) == {"notebook"} and set(warm["engine"]) == {"in-process"}
    assert sorted(p.suffix for p in (tmp_path / "a").glob("*.ipynb")) == [".ipynb"] * 2
    assert list((tmp_path / "b").glob("*.ipynb")) == []
    failed = nbformat.read(tmp_path / "a" / f"{executed['run'][0]}.ipynb", as_version=4)
    raised, *after = failed["cells"][-3:]
    assert raised["outputs"][0]["text"] == "so far\n" and not any(cell["outputs"] for cell in after)


def test_types_of_the_table_hang_on_the_parameters_alone(small, tmp_path):
    several = in_this_process(Grid("s", grid={"n": [-1, 3]}, notebook=small), tmp_path / "a")
    one = in_this_process(Grid("s", grid={"years": [[2], []]}, notebook=small), tmp_path / "b")
    assert several.dtypes.to_dict() == one.dtypes.to_dict()
    stored = pd.read_parquet(tmp_path / "b" / "results.parquet")
    assert_frame_equal(stored, one, check_exact=True)
    assert stored["years"].tolist() == ["[2]", "[]"]
    assert pd.read_csv(tmp_path / "b" / "results.csv").columns.tolist() == one.columns.tolist()


def test_a_recorded_list_stands_in_the_table_as_json(tmp_path):
    path = notebook(tmp_path, [RECORD, "record(draws=[4 / i for i in range(n, 4)])"], "n: int = 1  # first")
    grid = Grid("s", grid={"n": [1, 4, 0]}, notebook=path)
    executed, warm = by_notebook(grid, tmp_path / "a"), in_this_process(grid, tmp_path / "b")
    assert warm["draws"].tolist()[:2] == ["[4.0, 2.0, 1.33333]", "[]"]
    assert pd.isna(warm["draws"][2]) and "ZeroDivisionError" in warm["error"][2]
    assert_frame_equal(executed.drop(columns=OWN), warm.drop(columns=OWN), check_exact=True)
    assert_frame_equal(pd.read_parquet(tmp_path / "b" / "results.parquet"), warm, check_exact=True)
    alone = in_this_process(replace(grid, grid={"n": [4]}), tmp_path / "c")  # no list with anything in it
    assert alone["draws"].dtype == warm["draws"].dtype == "str"


def test_finished_runs_are_not_run_again_and_broken_files_are(small, tmp_path, monkeypatch):
    grid = Grid("s", grid={"n": [1, 2, 3]}, notebook=small)
    first = in_this_process(grid, tmp_path / "out")
    jsons = [tmp_path / "out" / f"{name}.json" for name in first["run"]]
    jsons[0].write_text(jsons[0].read_text("utf-8")[:40], "utf-8")
    kept = json.loads(jsons[1].read_text("utf-8"))
    jsons[1].write_text(json.dumps(kept | {"error": "cell 1: Error"}), "utf-8")
    (tmp_path / "out" / ".sweep-x.part").write_text("{", "utf-8")
    calls, one = [], sweep.run_task
    monkeypatch.setattr(sweep, "run_task", lambda task, folders: calls.append(task.run) or one(task, folders))
    again = in_this_process(grid, tmp_path / "out")
    assert calls == first["run"].tolist()[:2]
    assert_frame_equal(first.drop(columns="seconds"), again.drop(columns="seconds"))
    assert list((tmp_path / "out").glob(".*")) == []


def test_a_sliced_run_does_not_stand_for_other_results(small, tmp_path):
    in_this_process(Grid("s", results=["told"], notebook=small), tmp_path / "out")
    more = in_this_process(Grid("s", results=["total"], notebook=small), tmp_path / "out")
    assert more["total"].notna().all()
    assert "unused" in in_this_process(Grid("s", notebook=small), tmp_path / "out")


def test_the_id_covers_code_data_library_and_the_readers_folder(small, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.csv").write_text("1", "utf-8")
    grid = Grid("s", {"source": str(own)}, notebook=small)

    def name():
        return specifications(grid)["run"][0]

    names = [name(), name()]
    (own / "a.csv").write_text("2", "utf-8")
    names.append(name())
    (own / "a.csv").rename(own / "b.csv")
    names.append(name())
    notebook(tmp_path, [*CODE, "1"])
    names.append(name())
    monkeypatch.setattr(identity, "_sources_hash", lambda: "other")
    names.append(name())
    monkeypatch.setattr(identity, "_data_hash", lambda: "other")
    names.append(name())
    assert names[0] == names[1]
    assert len(set(names)) == len(names) - 1


@pytest.mark.parametrize("what", ["the library", "its data", "folder"])
def test_files_that_change_meanwhile_stop_the_sweep_once(what, small, tmp_path, monkeypatch):
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.csv").write_text("1", "utf-8")
    grid = Grid("s", {"source": str(own)}, {"n": [1, 2, 3, 4]}, notebook=small)
    by_plan, calls = engines._by_plan, []

    def edited(task, *further):
        calls.append(task.run)
        if len(calls) == 3 and what == "folder":
            (own / "a.csv").write_text("another", "utf-8")
        elif len(calls) == 3:
            patched.setattr(identity, "_sources_hash" if what == "the library" else "_data_hash", lambda: "other")
        return by_plan(task, *further)

    with monkeypatch.context() as patched:
        patched.setattr(engines, "_by_plan", edited)
        words = f"{own if what == 'folder' else what} changed while it ran"
        with pytest.raises(RegionError, match=words):
            in_this_process(grid, tmp_path / "out")
    assert len(calls) == 3
    assert pd.read_parquet(tmp_path / "out" / "results.parquet")["run"].tolist() == calls[:2]
    (own / "a.csv").write_text("1", "utf-8")
    assert sweep.finished(grid, tmp_path / "out", in_process=True) == calls[:2]


def test_code_that_is_no_longer_in_memory_is_not_run_warm(small, tmp_path, monkeypatch):
    monkeypatch.setattr(identity, "_LOADED", "older")
    with pytest.raises(RegionError, match="the library changed"):
        in_this_process(Grid("s", notebook=small), tmp_path / "out")


def test_runs_are_not_written_among_the_files_that_they_read(small, tmp_path):
    (tmp_path / "own").mkdir()
    grid = Grid("s", {"source": str(tmp_path / "own")}, notebook=small)
    with pytest.raises(RegionError, match="which the runs read"):
        in_this_process(grid, tmp_path / "own" / "sweep")
    assert list((tmp_path / "own").iterdir()) == []


def test_finished_runs_can_be_asked_for(small, tmp_path):
    grid = Grid("s", grid={"n": [-1, 3, 4]}, notebook=small)
    assert sweep.finished(grid, tmp_path / "out") == []
    table = in_this_process(grid, tmp_path / "out")
    assert sweep.finished(grid, tmp_path / "out", in_process=True) == table["run"].tolist()[1:]
    assert sweep.finished(grid, tmp_path / "out") == []  # no executed notebooks


def test_ctrl_c_keeps_what_is_finished(small, tmp_path, monkeypatch):
    grid, one, calls = Grid("s", grid={"n": [1, 2, 3]}, notebook=small), sweep.run_task, []

    def stopped(task, folders):
        calls.append(task)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return one(task, folders)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(sweep, "run_task", stopped)
        in_this_process(grid, tmp_path / "out")
    assert len(pd.read_parquet(tmp_path / "out" / "results.parquet")) == 2
    assert in_this_process(grid, tmp_path / "out")["error"].tolist() == [""] * 3


def test_a_kernel_that_dies_is_an_error_of_its_run(tmp_path):
    path = notebook(tmp_path, [RECORD, "import os\nos._exit(1)", "record(x=n)"])
    table = by_notebook(Grid("s", notebook=path), tmp_path / "out")
    assert "kernel failed: DeadKernelError" in table["error"][0]


def test_magics_and_settings_are_refused_by_the_warm_engine_alone(tmp_path):
    for code, words in [("%time 1", "not plain Python"), ("import pandas as pd\npd.set_option('a', 1)", "leak")]:
        path = notebook(tmp_path, [RECORD, code, "record(x=1)"])
        with pytest.raises(RegionError, match=words):
            in_this_process(Grid("s", notebook=path), tmp_path / "out")


def test_a_wanted_result_that_is_not_recorded_is_an_error(tmp_path):
    path = notebook(tmp_path, [RECORD, "if n > 3:\n    record(x=1)"])
    table = in_this_process(Grid("s", grid={"n": [1, 4]}, results=["x"], notebook=path), tmp_path / "out")
    assert table["error"].tolist() == ["no cell recorded x", ""]


def test_the_slice_leaves_out_what_the_value_does_not_need(small):
    code = json.loads(small.read_text("utf-8"))["cells"]
    cells = ["".join(cell["source"]) for cell in code]
    needed = in_process.plan(cells, 1, results=["total"])
    assert needed.n_run == needed.n_statements - 3  # what only `unused` needs, and what is printed


@pytest.mark.slow
def test_both_engines_agree_on_a_chapter(tmp_path):
    grid = Grid("p3", {"n_boot": 19}, {}, [{"ddof": 0, "last_year": 2017}, {"ddof": 1}])
    executed = by_notebook(grid, tmp_path / "a")
    assert (executed["error"] == "").all()
    for results in ([], ["change_bth_harbin", "log_t"], ["violations_as_headed", "n_specifications"]):
        warm = in_this_process(replace(grid, results=results), tmp_path / "b")
        assert_frame_equal(executed[warm.columns].drop(columns=OWN), warm.drop(columns=OWN), check_exact=True)


def test_a_parameter_may_not_be_called_like_a_column(tmp_path):
    with pytest.raises(DomainError, match="'seconds' has the name of a column"):
        specifications(Grid("s", notebook=notebook(tmp_path, [RECORD], "seconds: int = 1  # to wait")))


def test_int_for_float_is_the_same_run(small):
    grid = Grid("s", {"share": 1}, notebook=small)
    assert specifications(grid)["run"][0] == specifications(replace(grid, base={"share": 1.0}))["run"][0]
    assert np.isscalar(sweep_of(grid, in_process=False).tasks[0].parameters["share"])
    with pytest.raises(DomainError):
        specifications(replace(grid, base={"n": 1.5}))


LABELS = """
chapter: p3
labels:
  clusters:
    all: []
    one: &one [pearl_river_delta]
  flagged_rows: {kept: true, left out: false}
base: {clusters: *one}
grid: {flagged_rows: [true, false], ddof: [0, 1]}
specifications:
  - clusters: []
"""


def test_labels_stand_for_values_and_change_no_run(tmp_path):
    (tmp_path / "grid.yml").write_text(LABELS, "utf-8")
    grid = read_grid(tmp_path / "grid.yml")
    plain = specifications(grid)
    shown = labelled(grid, plain)
    assert shown["flagged_rows"].tolist() == ["kept", "kept", "left out", "left out", "kept"]
    assert shown["clusters"].tolist() == ["one"] * 4 + ["all"]
    assert shown["ddof"].tolist() == plain["ddof"].tolist()  # has no labels
    assert plain["run"].tolist() == specifications(replace(grid, labels={}))["run"].tolist()


def test_a_value_without_a_label_is_refused():
    grid = Grid("p3", grid={"ddof": [0, 1]}, labels={"ddof": {"n": 0}})
    with pytest.raises(DomainError, match="ddof = 1 has no label"):
        labelled(grid, specifications(grid))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({"dofd": {"n": 0}}, "labels, dofd names 'dofd', which is no parameter"),
        ({"ddof": {"n": "none"}}, "labels, ddof: ddof = 'none' is no int"),
        ({"ddof": [0, 1]}, "labels: ddof has"),
    ],
)
def test_wrong_labels_are_refused_before_the_first_run(labels, message):
    with pytest.raises(DomainError, match=message):
        specifications(Grid("p3", grid={"ddof": [0, 1]}, labels=labels))
