"""Stored Monte Carlo of dynamic panels: a block is drawn again, and what the numbers must show of the instruments."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file

KEYS = ["rho", "estimator", "coefficient", "block"]
COLLAPSED = "system GMM, lags 2 to 4 collapsed"
DIFFERENCE = "difference GMM, lags 2 to 4 collapsed"


@pytest.fixture(scope="module")
def script(root):
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "results" / "make_dynamic_panel_size.py")))


@pytest.fixture(scope="module")
def stored():
    return pd.read_csv(data_file("results", "dynamic_panel_size.csv"))


@pytest.fixture(scope="module")
def design(stored):
    """Means over all replications by rho, coefficient and estimator; counts as shares."""
    by = stored.groupby(["rho", "coefficient", "estimator"])
    means = by.mean(numeric_only=True)
    counts = [column for column in means if "rejections" in column or column == "hansen_near_one"]
    return means.assign(**{column: means[column] / means["replications"] for column in counts})


@pytest.mark.parametrize(("rho", "number", "name"), [(0.235, 7, COLLAPSED), (0.8, 3, DIFFERENCE)])
def test_a_block_is_drawn_again(script, stored, rho, number, name):
    drawn = script.block(rho, number, [name])
    both = drawn.merge(stored, on=KEYS, suffixes=("", "_stored"), validate="one_to_one")
    assert len(both) == len(drawn) == 6
    for column in drawn.columns.drop(KEYS):
        np.testing.assert_allclose(both[column], both[f"{column}_stored"], rtol=6e-6, err_msg=column)


def test_all_blocks_are_stored(script, stored):
    assert script.BLOCKS * script.PER_BLOCK == 1000 and (stored["replications"] == script.PER_BLOCK).all()
    estimators = sum(len(names) + 2 for names in script.DESIGNS.values())
    assert len(stored) == script.BLOCKS * 2 * estimators and not stored.duplicated(KEYS).any()


def test_the_panels_are_those_of_the_design(script):
    df = script.panel(np.random.default_rng(1), 0.235)
    assert (df["city"].nunique(), df["year"].nunique(), len(df)) == (135, 10, 1350)
    wide = {name: df.pivot(index="year", columns="city", values=name).to_numpy() for name in "yx"}
    rest = wide["y"][1:] - 0.235 * wide["y"][:-1] - script.BETA * wide["x"][1:]
    within = rest - rest.mean(axis=0) - rest.mean(axis=1, keepdims=True) + rest.mean()
    assert within.std() == pytest.approx(0.2, rel=0.1)  # the shock
    news = wide["x"][1:] - 0.6 * wide["x"][:-1]
    news -= news.mean(axis=0)
    assert (news * within).mean() / (within**2).mean() == pytest.approx(0.5, abs=0.1)


def test_few_collapsed_lags_leave_no_bias_and_keep_the_size_of_tests(design):
    for coefficient in ("rho", "beta"):
        found = design.loc[(0.235, coefficient, COLLAPSED)]
        assert found["n_instruments"] == 17
        assert abs(found["mean"] - found["truth"]) < 0.01
        assert 0.035 < found["rejections"] < 0.075
        assert found["std_error"] == pytest.approx(found["sd"], rel=0.05)
        assert 0.03 < found["hansen_rejections"] < 0.07 and 0.03 < found["ar2_rejections"] < 0.07


def test_more_instruments_mean_more_bias_towards_least_squares(design):
    found = design.loc[0.235, "rho"].sort_values("n_instruments").filter(like="system GMM", axis=0)
    assert found["n_instruments"].tolist() == [17, 27, 55, 97]
    distance = (found["mean"] - found["truth"]).abs()
    assert (distance.iloc[:2] < 0.01).all() and 0.04 < distance.iloc[2] < distance.iloc[3] / 2
    assert found["rejections"].iloc[2] > 0.12 and found["rejections"].iloc[3] > 0.4
    assert found["hansen_rejections"].iloc[3] < 0.03  # valid instruments, but the test no longer rejects at its level


def test_errors_without_the_correction_are_too_small(design):
    found = design.filter(like="system GMM", axis=0)
    assert (found["std_error_uncorrected"] < found["std_error"]).all()
    assert (found["rejections_uncorrected"] > found["rejections"]).all()
    by_count = found.loc[0.235, "rho"].sort_values("n_instruments")
    share = by_count["std_error_uncorrected"] / by_count["sd"]
    assert share.is_monotonic_decreasing and share.iloc[0] > 0.9 and share.iloc[-1] < 0.4


def test_least_squares_brackets_the_lag_and_misses_it(design):
    for rho in (0.235, 0.8):
        lag = design.loc[rho, "rho"]
        assert lag.loc["within", "high"] < rho < lag.loc["pooled least squares", "low"]
        assert (lag.loc[["within", "pooled least squares"], "rejections"] > 0.99).all()


def test_persistence_weakens_the_difference_more_than_the_system(design):
    low, high = (design.loc[rho, "rho"] for rho in (0.235, 0.8))
    assert low.loc[DIFFERENCE, "sd"] < 1.5 * low.loc[COLLAPSED, "sd"]
    assert high.loc[DIFFERENCE, "sd"] > 2 * high.loc[COLLAPSED, "sd"]
    assert high.loc[DIFFERENCE, "mean"] < 0.75 < high.loc[COLLAPSED, "mean"]


def test_percentiles_by_block_average_to_those_of_all_replications():
    draws = np.random.default_rng(2).normal(size=(4000, 50))
    found = np.quantile(draws, [0.05, 0.5, 0.95], axis=1, method="normal_unbiased").mean(axis=1)
    np.testing.assert_allclose(found, [-1.645, 0, 1.645], atol=0.02)
