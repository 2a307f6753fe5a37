"""Runs of a sweep without a kernel against notebook runs by papermill, and two workers against one (``make bench``).

A notebook run is what ``papermill`` does with the same cells: a kernel starts, imports and runs all of them. Processes
of a cluster are started, and have imported the library, before any time is taken.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import nbformat
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from regiometrics.data.files import notebooks_folder
from regiometrics.sweep import Grid, read_grid, run

GRIDS = {path.stem[:2]: read_grid(path) for path in sorted((notebooks_folder() / "sweeps").glob("*.yml"))}
VARIED = {
    "p1": {"first_year": [2000, 2006]},
    "p2": {"first_year": [2008, 2010]},
    "p3": {"first_year": [2004, 2006]},
    "p4": {"shown_year": [2006, 2014]},
    "p5": {"first_year": [2003, 2006]},
}
WANTED = {"all results of its grid": None, "the mean Gini coefficient": ["gini_mean"]}
TIMES_FASTER = 10

N_RUNS = 24
RECORD = "from regiometrics.report.record import record"
EMPTY = ["1"]
IMPORTING = [RECORD, "import regiometrics.chapters"]
SHORT = [
    RECORD,
    "from regiometrics import chapters\nfrom regiometrics.measure.inequality import dagum",
    "cities = chapters.load('p3').tables['coagglomeration']",
    "gini = dagum(cities, value='coagglomeration', group='cluster', time='year').to_frame()['gini']",
    "record(mean=gini.mean(), n=n)",
]

pytestmark = pytest.mark.benchmark(group="sweeps")


def swept(grid: Grid, **options: object) -> pd.DataFrame:
    """The table of a grid that is run from nothing."""
    with tempfile.TemporaryDirectory() as out:
        table = run(grid, out=out, progress=False, **options)
    assert (table["error"] == "").all()
    return table


def numbers(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds", "engine"])


@pytest.fixture
def small(tmp_path: Path) -> Callable[[list[str]], Path]:
    """Makes a notebook with one parameter from the source of its code cells."""

    def made(code: list[str]) -> Path:
        tagged = nbformat.v4.new_code_cell("n: int = 0  # any number", metadata={"tags": ["parameters"]})
        cells = [tagged, *(nbformat.v4.new_code_cell(source) for source in code)]
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        path = tmp_path / "small.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
        return path

    return made


@pytest.fixture
def scheduler() -> Iterator[Callable[[int], str]]:
    """Starts a cluster of this machine with some workers, warm, and says its address."""
    import distributed

    with ExitStack() as stack:

        def started(n_workers: int) -> str:
            options = {"n_workers": n_workers, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
            cluster = stack.enter_context(distributed.LocalCluster(**options))
            with distributed.Client(cluster) as client:
                client.run(__import__, "regiometrics.sweep")
            return cluster.scheduler_address

        yield started


@pytest.mark.parametrize(
    ("chapter", "wanted"),
    [*((chapter, "all results of its grid") for chapter in VARIED), ("p3", "the mean Gini coefficient")],
)
def test_two_specifications_of_a_chapter(benchmark, versus, chapter, wanted):
    shipped = GRIDS[chapter]
    grid = replace(shipped, grid=VARIED[chapter], specifications=(), results=WANTED[wanted] or shipped.results)
    executed = benchmark.pedantic(swept, (grid,), {"workers": 0}, rounds=1)
    swept(grid, workers=0, in_process=True)
    warm = versus(
        lambda: swept(grid, workers=0, in_process=True),
        job="Two specifications of a chapter without a kernel",
        size=f"chapter {chapter}, {wanted}",
        package="papermill",
        way="notebook runs",
        at_least=TIMES_FASTER,
        rounds=3,
    )
    assert_frame_equal(numbers(executed), numbers(warm), check_exact=True)


@pytest.mark.parametrize(("size", "code"), [("empty", EMPTY), ("imports the library", IMPORTING)])
def test_what_a_notebook_run_costs_beside_its_code(benchmark, versus, small, size, code):
    grid = Grid("small", notebook=small(code))
    benchmark.pedantic(swept, (grid,), {"workers": 0}, rounds=3, warmup_rounds=1)
    versus(
        lambda: swept(grid, workers=0, in_process=True),
        job="One run of a short notebook without a kernel",
        size=size,
        package="papermill",
        way="notebook run",
    )


def test_two_workers(benchmark, versus, small, scheduler):
    grid = Grid("small", grid={"n": list(range(N_RUNS))}, notebook=small(SHORT))
    one, two = scheduler(1), scheduler(2)
    alone = benchmark.pedantic(swept, (grid,), {"scheduler": one}, rounds=3)
    both = versus(
        lambda: swept(grid, scheduler=two),
        job="Notebook runs on two workers",
        size=f"{N_RUNS} runs of a short notebook",
        package="distributed",
        way="one worker",
        rounds=3,
    )
    assert_frame_equal(numbers(alone), numbers(both), check_exact=True)
