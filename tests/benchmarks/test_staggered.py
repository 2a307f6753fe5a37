"""Goodman-Bacon's decomposition and the event study on a panel of the paper's size, in one run (``make bench``)."""

import diff_diff
import numpy as np
import pandas as pd
import pytest

from regiometrics.estimate.staggered import StaggeredDesign

CITIES, YEARS = 274, np.arange(2003, 2023)
COHORTS = {2010: 13, 2011: 5, 2012: 4, 2013: 4, 2014: 2}
CONTROLS = [f"x{j}" for j in range(5)]
KEYS = {"unit": "city", "time": "year", "outcome": "indg", "adoption": "start"}


@pytest.fixture(scope="module")
def cities() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    start = np.full(CITIES, np.nan)
    start[: sum(COHORTS.values())] = np.repeat(list(COHORTS), list(COHORTS.values()))
    df = pd.DataFrame({"city": np.repeat(np.arange(CITIES), len(YEARS)), "year": np.tile(YEARS, CITIES)})
    df["start"] = start[df["city"]]
    df["indg"] = rng.normal(size=len(df)) - 0.1 * (df["year"] >= df["start"])
    return df.assign(**{x: rng.normal(size=len(df)) for x in CONTROLS})


@pytest.fixture(scope="module")
def design(cities) -> StaggeredDesign:
    return StaggeredDesign(cities, **KEYS, controls=CONTROLS)


GROUP = "decomposition, 274 cities, 20 years, 5 cohorts"


@pytest.mark.benchmark(group=GROUP)
def test_without_controls(benchmark, design):
    result = benchmark(design.bacon, controls=False)
    assert len(result.to_frame()) == 25


@pytest.mark.benchmark(group=GROUP)
def test_without_controls_checks_included(benchmark, cities):
    result = benchmark(lambda: StaggeredDesign(cities, **KEYS).bacon())
    assert len(result.to_frame()) == 25


@pytest.mark.benchmark(group=GROUP)
def test_with_five_controls(benchmark, design):
    result = benchmark(design.bacon)
    assert len(result.to_frame()) == 16


@pytest.mark.benchmark(group=GROUP)
def test_peer_diff_diff_without_controls(benchmark, versus, cities, design):
    table = cities.assign(first=cities["start"].fillna(0).astype(int))
    columns = {"outcome": "indg", "unit": "city", "time": "year", "first_treat": "first"}
    peer = benchmark.pedantic(lambda: diff_diff.BaconDecomposition(weights="exact").fit(table, **columns), rounds=3)
    size = f"{CITIES} cities, {len(YEARS)} years, {len(COHORTS)} cohorts"
    job = {"job": "Goodman-Bacon decomposition, checks included", "size": size, "package": "diff-diff"}
    ours = versus(lambda: StaggeredDesign(cities, **KEYS).bacon(), **job, rounds=20)
    assert ours.estimate == pytest.approx(peer.twfe_estimate, abs=1e-10)
    theirs = sorted((c.estimate, c.weight) for c in peer.comparisons)
    frame = ours.to_frame()
    np.testing.assert_allclose(sorted(zip(frame["estimate"], frame["weight"], strict=True)), theirs, rtol=0, atol=1e-10)


@pytest.mark.benchmark(group="event study, 274 cities, 20 years, 5 controls")
def test_event_study(benchmark, design):
    result = benchmark(design.event_study)
    assert len(result.path) == 11
