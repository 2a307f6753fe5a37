"""What a reader may turn: the parameters of the chapters, what switches off with them, and the grids of the sweeps."""

from __future__ import annotations

import ast
import contextlib
import io
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path

import jupytext
import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
import yaml

from regiometrics import chapters
from regiometrics.data import facts
from regiometrics.report import ledger, record

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = {path.stem[:2]: path for path in sorted(FOLDER.glob("p?_*.md"))}
GRIDS = {path.stem[:2]: path for path in sorted((FOLDER / "sweeps").glob("*.yml"))}
YOURS = "YOUR RUN"
LEAST_SPECIFICATIONS = 24

# draws, errors and sources: they cannot touch a number that is judged on real data or on print
INERT = {"source", "missing", "n_placebo", "n_boot", "n_tables", "level", "seed"}

# one other value for each parameter that can
TURNED = {
    "p1": {
        "outcome": "soph_capital",
        "first_year": 2006,
        "predictors": ["ln_pergdp", "urban"],
        "lags": [2009],
        "left_out": ["310000"],
        "matching": "nearest",
    },
    "p2": {
        "efficiency": "global_vrs_none",
        "division": "five",
        "first_year": 2010,
        "last_year": 2015,
        "left_out": ["yangtze_river_delta"],
        "controls": ["ln_gov"],
        "gmm_lags": [2, 3],
    },
    "p3": {
        "first_year": 2006,
        "last_year": 2016,
        "clusters": ["pearl_river_delta", "guanzhong_plain", "central_plains"],
        "left_out": ["441900"],
        "flagged_rows": False,
        "ddof": 0,
    },
    "p4": {
        "shown_year": 2010,
        "reference": "cluster",
        "threshold": 1.1,
        "classification": "intensity_b",
        "structure": "market",
    },
    "p5": {
        "first_year": 2005,
        "last_year": 2019,
        "left_out": ["900074"],
        "controls": ["ln_gdp"],
        "first_period": -4,
        "last_period": 6,
        "tail": 0.05,
    },
}
FEW_DRAWS = {
    "p1": {"n_placebo": 9, "n_boot": 99},
    "p2": {"n_boot": 99},
    "p3": {"n_boot": 9},
    "p4": {"n_tables": 3},
    "p5": {"n_placebo": 19},
}
ONE_EACH = [(chapter, {name: value}) for chapter, values in TURNED.items() for name, value in values.items()]


@cache
def code(chapter: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in jupytext.read(SOURCES[chapter]).cells if cell.cell_type == "code"]


def is_tagged(cell: nbformat.NotebookNode) -> bool:
    return "parameters" in cell.metadata.get("tags", [])


def parameters(chapter: str) -> dict[str, tuple[str, object]]:
    """Kind and default of each parameter."""
    [tagged] = [cell for cell in code(chapter) if is_tagged(cell)]
    lines = ast.parse(tagged.source).body
    return {line.target.id: (line.annotation.id, ast.literal_eval(line.value)) for line in lines}


def defaults(chapter: str) -> dict[str, object]:
    return {name: default for name, (_, default) in parameters(chapter).items()}


def execute(chapter: str, values: Mapping[str, object], until: str = "") -> tuple[dict[str, object], str]:
    """The names and the printed words of a chapter's cells, executed in this process up to the one that sets a name."""
    names: dict[str, object] = {}
    with mpl.rc_context({"backend": "agg"}), contextlib.redirect_stdout(io.StringIO()) as printed:
        for cell in code(chapter):
            exec(compile(cell.source, SOURCES[chapter].name, "exec"), names)
            if is_tagged(cell):
                names |= values
            plt.close("all")
            if until in names:
                break
    return names, printed.getvalue()


def said_of_itself(chapter: str, values: Mapping[str, object]) -> tuple[bool, str, str]:
    """Whether a chapter takes a run for the paper's, on what basis, and in which words."""
    [cell] = [cell for cell in code(chapter) if "as_the_paper = " in cell.source]
    lines = ast.parse(cell.source).body
    first = next(i for i, line in enumerate(lines) if "turned" in set_at_top([line]))
    names = {
        "simulated": True,
        "fitted": True,
        "n_dropped": 0,
        "cities": pd.DataFrame({"adcode": []}),
        **defaults(chapter),
        **values,
    }
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(lines[first:], []), SOURCES[chapter].name, "exec"), names)
    return names["as_the_paper"], names["basis"], printed.getvalue()


def set_at_top(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements set outside functions and comprehensions."""
    for node in body:
        todo: list[ast.AST] = [node]
        while todo:
            part = todo.pop()
            if isinstance(part, ast.FunctionDef):
                yield part.name
            elif isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
                yield part.id
            elif not isinstance(part, ast.Lambda | ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
                todo.extend(ast.iter_child_nodes(part))


@pytest.mark.parametrize("chapter", SOURCES)
def test_a_parameter_is_set_once(chapter):
    """A loop variable of the same name would leave later cells with another value than the reader's."""
    later = [name for cell in code(chapter) if not is_tagged(cell) for name in set_at_top(ast.parse(cell.source).body)]
    assert set(parameters(chapter)) & set(later) == set()


@pytest.mark.parametrize("chapter", SOURCES)
def test_every_chapter_has_source_seed_and_missing(chapter):
    assert {"source", "seed", "missing"} <= set(parameters(chapter))


@pytest.mark.parametrize("chapter", TURNED)
def test_every_parameter_is_turned_or_inert(chapter):
    fixed = {"p3": {"services"}, "p4": {"cities"}}.get(chapter, set())  # another value needs tables of the reader's own
    assert set(parameters(chapter)) - INERT - fixed == set(TURNED[chapter])


@pytest.mark.parametrize("chapter", TURNED)
def test_with_its_defaults_a_chapter_is_the_papers(chapter):
    as_the_paper, basis, printed = said_of_itself(chapter, {})
    assert as_the_paper
    assert basis in ("real", "simulated")
    assert YOURS not in printed


@pytest.mark.parametrize(("chapter", "values"), [*ONE_EACH, ("p3", {"services": "six"})], ids=str)
def test_one_other_value_makes_it_your_run(chapter, values):
    as_the_paper, basis, printed = said_of_itself(chapter, values)
    assert not as_the_paper
    assert basis == "none"
    assert YOURS in printed


@pytest.mark.parametrize("chapter", TURNED)
def test_your_own_data_make_it_your_run(chapter):
    _, basis, printed = said_of_itself(chapter, {"source": "a folder", "simulated": False, "fitted": False})
    assert basis == "none"
    assert YOURS in printed


def test_no_table_of_your_run_is_judged():
    names, printed = execute("p3", {"n_boot": 9, "ddof": 0}, until="table_5")
    assert YOURS in printed
    for number in range(1, 6):
        found = names[f"table_{number}"]
        assert found[["verdict", "reason"]].drop_duplicates().to_numpy().tolist() == [["not attempted", "your run"]]


@pytest.mark.slow
@pytest.mark.parametrize(("chapter", "values"), ONE_EACH, ids=str)
def test_a_number_that_your_run_judges_is_the_books(chapter, values):
    """What stands on print or on stored series alone may stay; nothing else is set against a printed number."""
    names, printed = execute(chapter, FEW_DRAWS[chapter] | values)
    stored = nbformat.read(SOURCES[chapter].with_suffix(".ipynb"), 4)
    book = pd.DataFrame([row for kept in record.kept_under(ledger.KEY, stored) for row in kept["rows"]])
    of_book = book.set_index("id")[["computed", "verdict"]]
    found = names["verdicts"].set_index("id")
    judged = found[~found["verdict"].isin(["not attempted", "method only"])]
    assert YOURS in printed
    assert not (found["verdict"] == "method only").any()
    assert judged["verdict"].equals(of_book.loc[judged.index, "verdict"])
    assert judged["computed"].tolist() == pytest.approx(of_book.loc[judged.index, "computed"].tolist(), rel=1e-5)


def grid_of(chapter: str) -> dict[str, object]:
    return yaml.safe_load(GRIDS[chapter].read_text("utf-8"))


def runs_of(grid: Mapping[str, object]) -> list[dict[str, object]]:
    """The parameters of each run: those of the product, and the single ones, over the common base."""
    axes = grid["grid"]
    crossed = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    return [{**grid["base"], **run} for run in [*crossed, *grid["specifications"]]]


def test_every_chapter_has_its_grid():
    assert {path.stem for path in GRIDS.values()} == {path.stem for path in SOURCES.values()}


@pytest.mark.parametrize("chapter", GRIDS)
def test_grid_names_its_chapter_and_known_keys(chapter):
    grid = grid_of(chapter)
    assert grid["chapter"] == chapter
    assert set(grid) == {"chapter", "labels", "base", "grid", "specifications", "results"}


@pytest.mark.parametrize("chapter", GRIDS)
def test_grid_has_enough_specifications_and_none_twice(chapter):
    of_paper = defaults(chapter)
    runs = [str({**of_paper, **run}) for run in runs_of(grid_of(chapter))]
    assert len(runs) >= LEAST_SPECIFICATIONS
    assert len(set(runs)) == len(runs)


@pytest.mark.parametrize("chapter", GRIDS)
def test_grid_holds_the_papers_specification(chapter):
    grid, of_paper = grid_of(chapter), defaults(chapter)
    assert [run for run in runs_of(grid) if {**of_paper, **grid["base"]} == {**of_paper, **run}]


@pytest.mark.parametrize("chapter", GRIDS)
def test_grid_asks_for_each_result_once_and_for_no_parameter(chapter):
    wanted = grid_of(chapter)["results"]
    assert wanted and len(set(wanted)) == len(wanted)
    assert set(wanted) & set(parameters(chapter)) == set()


def places(chapter: str) -> set[str]:
    """What may be left out: codes of cities, and in p2 names of clusters."""
    match chapter:
        case "p1":
            return set(facts.delta_cities()["adcode"])
        case "p2":
            return set(facts.eleven_clusters()["cluster"]) | set(facts.eleven_clusters()["adcode"])
        case "p3":
            return set(facts.clusters()["adcode"])
    return set(chapters.load(chapter, "simulated").tables["panel"]["city"])


@pytest.mark.parametrize("chapter", [chapter for chapter in GRIDS if "left_out" in parameters(chapter)])
def test_grid_leaves_out_what_is_there(chapter):
    asked = {place for run in runs_of(grid_of(chapter)) for place in run.get("left_out", [])}
    assert asked
    assert asked <= places(chapter)


def test_p3_keeps_clusters_that_are_there():
    asked = {name for run in runs_of(grid_of("p3")) for name in run.get("clusters", [])}
    assert asked == set(facts.clusters()["cluster"])
