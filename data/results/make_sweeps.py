"""Rebuild the stored sweeps: each chapter over its grid of notebooks/sweeps, in process, without notebooks.

    python data/results/make_sweeps.py          # all five, under three minutes on two cores
    python data/results/make_sweeps.py p3 p4    # some

A second call goes on after a stop.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from regiometrics.sweep import Grid, labelled, parameters, read_grid, run, specifications

FOLDER = Path(__file__).parent / "sweeps"
ROOT = Path(__file__).parents[2]
RUNS = ROOT / "_build" / "sweeps"
GRIDS = {path.stem.split("_")[0]: path for path in sorted((ROOT / "notebooks" / "sweeps").glob("*.yml"))}


def as_stored(grid: Grid, table: pd.DataFrame) -> pd.DataFrame:
    """What is kept of a sweep: whether all choices are the paper's, the choices in words, and results; counts whole."""
    if table["error"].any():
        raise SystemExit("\n".join(table.loc[table["error"] != "", "error"].unique()))
    choices = specifications(grid).columns.drop("run")
    of_paper = pd.DataFrame({name: table[name] == value for name, value in defaults(grid).items() if name in choices})
    kept = labelled(grid, table)[[*choices, *grid.results]]
    kept.insert(0, "paper", of_paper.all(axis=1))
    return kept.convert_dtypes()


def defaults(grid: Grid) -> dict[str, object]:
    """The paper's value of each parameter, as a table of runs has it."""
    own = {parameter.name: parameter.default for parameter in parameters(grid.chapter)}
    return {name: json.dumps(value) if isinstance(value, list) else value for name, value in own.items()}


def setting(grid: Grid, row: int) -> dict[str, object]:
    """The parameters of one specification, as a grid has them."""
    lists = {parameter.name for parameter in parameters(grid.chapter) if parameter.kind == "list"}
    chosen = specifications(grid).drop(columns="run").to_dict("records")[row]
    return {**grid.base, **{name: json.loads(value) if name in lists else value for name, value in chosen.items()}}


def again(chapter: str, row: int, results: list[str], out: Path) -> pd.Series:
    """One specification run again, for some results."""
    grid = read_grid(GRIDS[chapter])
    one = Grid(grid.chapter, base=setting(grid, row), results=results)
    table = run(one, out=out, workers=0, in_process=True, progress=False)
    if table.loc[0, "error"]:
        raise RuntimeError(table.loc[0, "error"])
    return table.loc[0, results]


if __name__ == "__main__":
    for chapter in sys.argv[1:] or GRIDS:
        grid = read_grid(GRIDS[chapter])
        found = run(grid, out=RUNS / GRIDS[chapter].stem, workers=2, in_process=True)
        as_stored(grid, found).to_csv(FOLDER / f"{chapter}.csv", index=False, lineterminator="\n")
