"""The stored sweeps: every specification of every grid is there, and what is stored is what the chapters find today."""

from __future__ import annotations

import json
import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.chapters import stored_sweep
from regiometrics.data.files import notebooks_folder
from regiometrics.errors import RegionError
from regiometrics.report.record import collect
from regiometrics.sweep import labelled, parameters, read_grid, specifications

CHAPTERS = ["p1", "p2", "p3", "p4", "p5"]
SAMPLE = {
    "p1": (19, ["did_all", "did_new", "did_new_error"]),
    "p2": (25, ["coef_all", "coef_non_central_error", "gmm_difference_lag"]),
    "p3": (19, ["gini_first", "sigma_slope", "most_unequal"]),
    "p4": (5, ["real_difference", "real_low", "index_yangtze_river_delta", "n_advantages"]),
    "p5": (30, ["policy", "policy_alone_p", "imputation"]),
}
"""One specification of each grid that is not the paper's, and results that need no draws and little time."""


@pytest.fixture(scope="module")
def script(root):
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "results" / "make_sweeps.py")))


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_all_specifications_of_the_grid_are_stored(script, chapter):
    grid, stored = read_grid(script.GRIDS[chapter]), stored_sweep(chapter)
    planned = labelled(grid, specifications(grid)).drop(columns="run").reset_index(drop=True)
    pd.testing.assert_frame_equal(stored[planned.columns.tolist()], planned, check_dtype=False)
    assert list(stored.columns) == ["paper", *planned.columns, *grid.results]
    assert stored["paper"].sum() == 1
    assert stored[list(grid.results)].notna().all(axis=None)


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_paper_s_specification_is_that_of_the_executed_chapter(script, chapter):
    """What does not hang on the number of draws, which a sweep has less of, agrees to the digits that are recorded."""
    notebook = json.loads(next(notebooks_folder().glob(f"{chapter}_*.ipynb")).read_text("utf-8"))
    recorded = collect(notebook)
    row = stored_sweep(chapter).query("paper").iloc[0]
    drawn = ("draws", "p_group", "p_single", "placebo", "low", "high", "_p_years", "corrected")
    same = [name for name in read_grid(script.GRIDS[chapter]).results if not any(word in name for word in drawn)]
    assert len(same) >= 9
    for name in same:
        expected = recorded[name]
        number = isinstance(expected, float)
        assert row[name] == (pytest.approx(expected, rel=1e-5) if number else type(row[name])(expected)), name


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_specification_is_found_again(script, chapter, tmp_path):
    row, results = SAMPLE[chapter]
    same(script.again(chapter, row, results, tmp_path), stored_sweep(chapter).loc[row])


@pytest.mark.slow
@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_specification_is_found_again_with_its_draws(script, chapter, tmp_path):
    row = SAMPLE[chapter][0] - 1
    results = list(read_grid(script.GRIDS[chapter]).results)
    same(script.again(chapter, row, results, tmp_path), stored_sweep(chapter).loc[row])


def same(found, stored):
    for name, value in found.items():
        if isinstance(stored[name], np.ndarray):
            np.testing.assert_allclose(json.loads(value), stored[name], rtol=1e-4, atol=1e-7)
        elif isinstance(stored[name], str):
            assert value == stored[name]
        else:  # a number that a chapter records as text, for its zeros, is stored as a number
            assert float(value) == pytest.approx(stored[name], rel=1e-5, abs=1e-9), name


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_the_row_marked_as_the_papers_has_its_choices(script, chapter):
    grid, stored = read_grid(script.GRIDS[chapter]), stored_sweep(chapter)
    row = int(np.flatnonzero(stored["paper"])[0])
    own = {parameter.name: parameter.default for parameter in parameters(chapter)}
    chosen = script.setting(grid, row)
    assert all(own[name] == value for name, value in chosen.items() if name not in grid.base)


def test_permutations_are_the_same_where_the_cities_are():
    """The joint tests of the chapters rest on it."""
    for chapter, draws, whole in (
        ("p1", "draws_all", lambda t: t["left_out"] == "nobody"),
        ("p3", "share_draws", lambda t: (t["clusters"] == "all eight") & (t["left_out"] == "nobody")),
        ("p5", "placebo_draws", lambda t: t["left_out"] == "nobody"),
    ):
        stored = stored_sweep(chapter)
        correlation = np.corrcoef(np.stack(stored.loc[whole(stored), draws]))
        assert correlation.min() > 0.3, chapter


def test_an_unknown_chapter_is_refused():
    with pytest.raises(RegionError, match="no chapter 'p6'"):
        stored_sweep("p6")
