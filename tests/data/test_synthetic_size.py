"""Stored sizes of placebo tests: a block is drawn again, and what the numbers must show of the paper's design."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file
from regiometrics.estimate.synthetic_control import synthetic_control

KEYS = ["design", "effect", "fit", "statistic", "placebo", "block"]


@pytest.fixture(scope="module")
def script(root):
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "results" / "make_synthetic_size.py")))


@pytest.fixture(scope="module")
def stored():
    return pd.read_csv(data_file("results", "synthetic_size.csv"))


@pytest.fixture(scope="module")
def rates(stored):
    """Share of rejections by fit, placebo, statistic, design and effect."""
    sums = stored.groupby(["fit", "placebo", "statistic", "design", "effect"])[["rejections", "replications"]].sum()
    return sums["rejections"] / sums["replications"]


def test_a_block_of_outcome_fits_is_drawn_again(script, stored):
    drawn = script.outcome_fits(7)
    both = drawn.merge(stored, on=KEYS, suffixes=("", "_stored"), validate="one_to_one")
    assert len(both) == len(drawn) == 3 * 4 * 3 * 3
    assert both["rejections"].tolist() == both["rejections_stored"].tolist()


def test_group_placebos_of_a_nested_fit_are_drawn_again(script, stored):
    drawn = script.nested_fits(3, ("group",))
    both = drawn.merge(stored, on=KEYS, suffixes=("", "_stored"), validate="one_to_one")
    assert len(both) == 3
    assert both["rejections"].tolist() == both["rejections_stored"].tolist()


def test_the_direct_fits_are_those_of_the_library(script):
    y = script.outcomes(np.random.default_rng(3))
    keys = {"county": np.tile(np.arange(196), 14), "year": np.repeat(script.YEARS, 196)}
    panel = pd.DataFrame({**keys, "soph": y.ravel()})
    fit = synthetic_control(panel, unit="county", time="year", outcome="soph", treated=range(99), start=2010)
    donors, actual = y[:, 99:], y[:, :99].mean(axis=1)
    # fits without error are those of the nearest donors up to the vanishing penalty that finds them
    np.testing.assert_allclose(fit.effect, actual - donors @ script.weights(actual, donors), atol=2e-3)
    single = fit.placebo_in_space(kind="single", statistic="att")
    np.testing.assert_allclose(single.gaps.iloc[:, 1:], script.single_placebos(donors), atol=2e-3)
    group = fit.placebo_in_space(kind="group", statistic="att", n_draws=5)
    for draw, members in group.groups.items():
        inside = np.isin(np.arange(99, 196), members)
        mean, rest = donors[:, inside].mean(axis=1), donors[:, ~inside]
        np.testing.assert_allclose(group.gaps[draw], mean - rest @ script.weights(mean, rest), atol=2e-3)
    table = group.to_frame()
    expected = script.statistics(group.gaps.to_numpy())
    np.testing.assert_allclose(table["att"].abs(), expected[2], atol=1e-12)
    np.testing.assert_allclose(table["post_rmspe"], expected[1], atol=1e-12)
    assert group.p_value == script.p_values(expected[:, 0], expected[:, 1:])[2]


def test_all_blocks_are_stored(script, stored):
    outcomes, nested = stored.query("fit == 'outcomes'"), stored.query("fit == 'nested'")
    assert len(outcomes) == script.BLOCKS * 3 * 4 * 3 * 3 and (outcomes["replications"] == script.PER_BLOCK).all()
    assert len(nested) == script.BLOCKS * 3 * 3 and (nested["replications"] == 1).all()
    assert script.BLOCKS * script.PER_BLOCK == 500


@pytest.mark.parametrize("statistic", ["att", "post_rmspe"])
def test_group_placebos_keep_their_size(rates, statistic):
    size = rates["outcomes", "group", statistic].xs(0.0, level="effect")
    assert size.between(0.02, 0.08).all()


def test_single_counties_mislead_about_a_mean(rates):
    size = rates["outcomes"].xs(0.0, level="effect")
    assert (size["single, all", "rmspe_ratio"] > 0.9).all()  # the mean is fitted without error, a county is not
    for statistic in ("att", "post_rmspe"):
        assert (size["single, all", statistic] < 0.01).all()  # one county is noisier than the mean of many


def test_the_rule_of_the_paper_never_rejects(rates):
    assert (rates["outcomes", "single, above mean weight"] == 0).all()  # too few donors for five per cent


def test_group_placebos_see_the_effects_that_single_counties_miss(rates):
    power = rates["outcomes"].unstack("effect")
    assert (power.loc["group", "att"][0.31] > 0.7).all()
    assert (power.loc["group", "att"][0.54] > 0.95).all()
    assert (power.loc["single, all", "att"][0.31] < 0.1).all()


def test_nested_fits_agree(rates):
    size = rates["nested"].droplevel(["design", "effect"])
    for statistic in ("att", "post_rmspe"):
        assert size["group", statistic] <= 0.2  # at most four of twenty panels
        assert size["single, all", statistic] == 0
    assert size["single, all", "rmspe_ratio"] > 0.5
