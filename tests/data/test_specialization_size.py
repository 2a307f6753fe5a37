"""The stored Monte Carlo of specialisation: a block is drawn again, and what the book says of it holds."""

from __future__ import annotations

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file
from regiometrics.measure.specialization import relative_specialization

KEYS = ["law", "dispersion", "industries", "design", "region"]


@pytest.fixture(scope="module")
def script(root):
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "results" / "make_specialization_size.py")))


@pytest.fixture(scope="module")
def stored():
    return pd.read_csv(data_file("results", "specialization_size.csv"))


@pytest.fixture(scope="module")
def means(stored):
    return stored.groupby(KEYS).mean(numeric_only=True).sort_index()


def test_a_block_is_drawn_again(script, stored):
    drawn = script.block("dirichlet", "high", 3)
    same = stored.query("law == 'dirichlet' and dispersion == 'high' and block == 3").reset_index(drop=True)
    pd.testing.assert_frame_equal(drawn, same, rtol=1e-3)  # four digits are stored


def test_all_blocks_are_stored(script, stored):
    blocks = stored.groupby(KEYS)["block"].agg(list)
    assert all(own == list(range(script.BLOCKS)) for own in blocks)
    lists = stored.drop_duplicates(["law", "dispersion", "industries"])
    assert len(lists) == sum(len(script.INDUSTRIES[law]) for law, _ in script.PARAMETERS) == 8


def test_the_index_of_a_draw_is_that_of_the_library(script):
    outputs = np.array(list(script.DELTA.values()))
    shares = script.structures(np.random.default_rng(5), "dirichlet", "low", 2, len(outputs))
    long = pd.Series(
        (outputs[:, None] * shares[1]).ravel(),
        index=pd.MultiIndex.from_product([script.DELTA, range(script.FINE)], names=["province", "industry"]),
        name="output",
    ).reset_index()
    for reference, factor in (("rest", 1), ("cluster", 1 - outputs)):
        table = relative_specialization(
            long, region="province", industry="industry", value="output", reference=reference
        )
        expected = table.set_index("unit").loc[list(script.DELTA), "specialization"]
        assert script.specialization(shares, outputs)[1] * factor == pytest.approx(expected.to_numpy(), abs=1e-12)


def test_structures_keep_the_common_composition_and_a_coarser_list_cannot_raise_the_index(script):
    shares = script.structures(np.random.default_rng(6), "dirichlet", "high", 4000, 2)
    assert shares.sum(-1) == pytest.approx(1)
    assert np.abs(shares.mean((0, 1)) / script.composition() - 1).max() < 0.1
    halves = np.array([0.5, 0.5])
    fine, middle, coarse = (script.specialization(script.merged(shares, n), halves) for n in (56, 28, 14))
    assert (fine - middle > -1e-12).all() and (middle - coarse > -1e-12).all()


def test_pair_ratio_is_that_of_normal_deviations(script):
    outputs = np.array([0.118, 0.520, 0.234, 0.128])
    noise = np.random.default_rng(7).standard_normal((100_000, 4, 1))
    pair = np.abs(noise[:, 0] - noise[:, 1]).mean()
    assert script.specialization(noise, outputs).mean(0) / pair == pytest.approx(script.pair_ratio(outputs), rel=0.01)
    assert script.pair_ratio(np.full(2, 0.5)) == pytest.approx([1, 1])
    third, quarter = (script.pair_ratio(np.full(n, 1 / n))[0] for n in (3, 4))
    assert third / quarter == pytest.approx(1.5 / np.sqrt(2))


def test_fewer_regions_raise_the_index_by_as_much_as_the_approximation_says(means):
    near = {"low": 0.05, "high": 0.1}  # the more dispersed, the more skewed are shares
    each = means.xs("each", level="region").reset_index()
    for (_, dispersion, _), own in each.groupby(["law", "dispersion", "industries"]):
        own = own.set_index("design")
        assert own["mean"].is_monotonic_decreasing and own["mean_cluster"].is_monotonic_increasing
        found = own["mean"] / own.loc["equal_2", "mean"]
        assert found.to_numpy() == pytest.approx(own["approximation"].to_numpy(), rel=near[dispersion])
        assert 1.03 < own.loc["equal_3", "mean"] / own.loc["equal_4", "mean"] < 1.07


def test_shares_hardly_matter_against_the_rest_and_much_against_the_cluster(means):
    delta = means.xs("delta", level="design").query("region != 'mean'")
    north = means.xs("north_assumed", level="design").query("region != 'mean'")
    for column, low, high in (("mean", 1.02, 1.06), ("mean_cluster", 1.7, 2.0)):
        levels = delta[column].unstack("region")
        assert (levels.max(axis=1) / levels.min(axis=1)).between(low, high).all()
    core = north["mean"].unstack("region")["beijing"] / delta["mean"].unstack("region")["shanghai"]
    assert core.between(1.01, 1.05).all()  # printed: 1.55


def test_the_printed_ratio_is_rare_among_provinces_drawn_alike(means):
    ratio = means.xs("ratio", level="region").reset_index()
    reached = ratio.set_index(["law", "industries", "dispersion"])["reached"].sort_index()
    assert reached["dirichlet", 28].between(0.025, 0.045).all()
    assert reached["logistic_normal", 28].between(0.05, 0.075).all()
    assert (reached["dirichlet", 14] > 0.09).all() and (reached["dirichlet", 56] < 0.01).all()


def test_levels_are_near_the_printed_ones(means):
    level = means["mean"].xs(28, level="industries")
    for law in ("dirichlet", "logistic_normal"):
        assert level[law, "low", "delta", "shanghai"] == pytest.approx(0.577, abs=0.01)
        assert level[law, "high", "north_assumed", "beijing"] == pytest.approx(0.893, abs=0.03)
