"""Stored Monte Carlo results: a block of replications, a twentieth of a design, is drawn again and compared."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file

KEYS = ["n_treated", "sd_ratio", "effect", "block", "test"]


@pytest.fixture(scope="module")
def script(root):
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "results" / "make_monte_carlo.py")))


@pytest.mark.parametrize(("n_treated", "sd_ratio", "effect", "block"), [(6, 2.0, 0.0, 3), (28, 1.0, -0.03, 0)])
def test_a_block_of_tests_is_drawn_again(script, n_treated, sd_ratio, effect, block):
    stored = pd.read_csv(data_file("results", "tests_of_the_policy.csv"))
    drawn = script.rejections(n_treated, sd_ratio, effect, block)
    both = drawn.merge(stored, on=KEYS, suffixes=("", "_stored"), validate="one_to_one")
    assert len(both) == len(drawn) == 6
    assert both["rejections"].tolist() == both["rejections_stored"].tolist()


def test_a_block_of_dynamic_effects_is_drawn_again(script):
    stored = pd.read_csv(data_file("results", "dynamic_effects.csv")).query("block == 7").reset_index(drop=True)
    drawn = script.dynamic(7)
    assert drawn["estimator"].tolist() == stored["estimator"].tolist()
    numbers = ["estimate", "low", "high", "truth", "predicted"]
    np.testing.assert_allclose(drawn[numbers], stored[numbers], rtol=1e-5)


def test_all_blocks_are_stored(script):
    tests = pd.read_csv(data_file("results", "tests_of_the_policy.csv"))
    assert len(tests) == len(script.designs()) * script.BLOCKS * 6
    assert (tests["replications"] == script.PER_BLOCK).all()


def test_only_the_tests_that_allow_for_persistence_keep_their_size():
    tests = pd.read_csv(data_file("results", "tests_of_the_policy.csv")).query("effect == 0")
    counts = tests.groupby(["n_treated", "sd_ratio", "test"])[["rejections", "replications"]].sum()
    size = counts["rejections"] / counts["replications"]
    assert (size.xs("iid", level="test") > 0.25).all() and (size.xs("robust", level="test") > 0.25).all()
    assert size[28, 1.0, "cluster"] < 0.08 < size[6, 1.0, "cluster"]
    for test in ("wild bootstrap", "chance on t"):
        assert size.xs(test, level="test").between(0.02, 0.08).all()
    assert size[28, 2.0, "chance on beta"] > 0.15


def test_the_two_way_regression_lies_where_the_decomposition_predicts():
    draws = pd.read_csv(data_file("results", "dynamic_effects.csv"))
    by = draws.groupby("estimator")["estimate"]
    mean, error = by.mean(), by.std() / np.sqrt(by.size())
    assert abs(mean["TWFE"] - draws["predicted"].iloc[0]) < 3 * error["TWFE"]
    others = mean.index.drop("TWFE")
    assert ((mean[others] - draws["truth"].iloc[0]).abs() < 3 * error[others]).all()
    assert (mean["TWFE"] - draws["truth"].iloc[0]) > 5 * error["TWFE"]
