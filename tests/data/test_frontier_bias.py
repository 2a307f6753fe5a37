"""The stored Monte Carlo of efficiency: a block is drawn again, and what the book says of it holds."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file


@pytest.fixture(scope="module")
def script(root):
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "results" / "make_frontier_bias.py")))


@pytest.fixture(scope="module")
def stored():
    return pd.read_csv(data_file("results", "frontier_bias.csv"))


def test_a_block_is_drawn_again(script, stored):
    drawn = script.block(80, 3)
    same = stored.query("n == 80 and block == 3").reset_index(drop=True)
    pd.testing.assert_frame_equal(drawn, same, rtol=1e-5)


def test_all_blocks_are_stored(script, stored):
    counts = stored.groupby("n").size()
    assert counts.to_dict() == dict.fromkeys(script.SIZES, script.BLOCKS * script.PER_BLOCK)


def test_points_of_the_surface_are_efficient_and_the_true_score_does_not_depend_on_the_sample(script):
    surface = script.surface()
    assert script.scores(surface) == pytest.approx(np.ones(len(surface)), abs=1e-8)
    cities = script.sample(np.random.default_rng(5), 30)
    together = script.scores(pd.concat([surface, cities]))[len(surface) :]
    alone = [script.scores(pd.concat([surface, cities.iloc[[i]]]))[-1] for i in range(3)]
    assert together[:3] == pytest.approx(alone, abs=1e-9)


def test_a_samples_frontier_flatters_and_less_so_the_larger_it_is(stored):
    assert (stored["mean_found"] > stored["mean_true"]).all()
    gap = (stored["mean_found"] - stored["mean_true"]).groupby(stored["n"]).mean()
    assert gap.is_monotonic_decreasing
    means = stored.groupby("n").mean()
    assert means["share_one"].is_monotonic_decreasing and means["correlation"].is_monotonic_increasing
