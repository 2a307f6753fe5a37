"""Slacks-based efficiency with a bad output against one scipy program per unit, in one run (``make bench``).

The scipy loop is timed on one of ten years, and on 60 of the 1,560 programs of the pooled frontier, and scaled.
"""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from regiometrics.measure.efficiency import gml_index, sbm

CITIES, YEARS = 156, range(2008, 2018)
OPTIONS = {"unit": "city", "time": "year", "inputs": ["labour", "capital"], "good": "gdp", "bad": "so2"}
COLUMNS = ["labour", "capital", "gdp", "so2"]
SIZE = f"{CITIES} cities, {len(YEARS)} years, 2 inputs, 1 good, 1 bad"
PIECE = 60
TIMES_FASTER = {"crs": {"own": 25, "pooled": 50}, "vrs": {"own": 15, "pooled": 30}}

pytestmark = pytest.mark.benchmark(group=f"slacks-based efficiency, {SIZE}")


@pytest.fixture(scope="module")
def cities() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size, mix = np.exp(rng.normal(0, 0.8, CITIES)), rng.normal(0, 0.35, CITIES)
    skill, dirt = rng.normal(0, 0.25, CITIES), rng.normal(0, 0.6, CITIES)
    tables = []
    for t, year in enumerate(YEARS):
        labour = 100 * size * np.exp(0.01 * t + rng.normal(0, 0.02, CITIES))
        capital = 2000 * size * np.exp(mix + 0.1 * t + rng.normal(0, 0.05, CITIES))
        gdp = 6 * labour**0.45 * capital**0.55 * np.exp(skill + 0.02 * t + rng.normal(0, 0.08, CITIES))
        so2 = gdp**0.8 * np.exp(dirt - 0.1 * t + rng.normal(0, 0.2, CITIES))
        table = {"city": range(CITIES), "year": year, "labour": labour, "capital": capital, "gdp": gdp, "so2": so2}
        tables.append(pd.DataFrame(table))
    return pd.concat(tables, ignore_index=True)


def linear_programs(values: np.ndarray, units: int, returns: str) -> np.ndarray:
    """Scores of the first units against all rows: matrices made once, then the unit's own numbers put in."""
    z = values / values.mean(axis=0)
    n, k = z.shape
    sign = np.array([1.0, 1.0, -1.0, 1.0])
    matrix = np.zeros((1 + k + (returns == "vrs"), 1 + k + n))
    matrix[0, 0] = 1.0
    matrix[1 : 1 + k, 1 : 1 + k] = -np.eye(k)
    matrix[1 : 1 + k, 1 + k :] = -(sign * z).T
    if returns == "vrs":
        matrix[-1, 0], matrix[-1, 1 + k :] = 1.0, -1.0
    level, cost = np.eye(len(matrix))[0], np.zeros(1 + k + n)
    cost[0] = 1.0
    scores = []
    for row in z[:units]:
        matrix[1 : 1 + k, 0] = sign * row
        matrix[0, 3:5] = 0.5 / row[2:]
        cost[1:3] = -0.5 / row[:2]
        scores.append(linprog(cost, A_eq=matrix, b_eq=level, method="highs").fun)
    return np.array(scores)


@pytest.mark.parametrize("returns", TIMES_FASTER)
def test_own_year_frontiers(benchmark, versus, cities, returns):
    year = cities.loc[cities["year"] == YEARS[0], COLUMNS].to_numpy()
    peer = benchmark.pedantic(linear_programs, (year, CITIES, returns), rounds=2)
    ours = versus(
        lambda: sbm(cities, **OPTIONS, returns=returns, frontier="contemporaneous"),
        job=f"Efficiency with a bad output, own-year frontiers, {returns.upper()}",
        size=SIZE,
        package="scipy",
        way="linprog, one program per unit",
        scale=len(YEARS),
        at_least=TIMES_FASTER[returns]["own"],
    )
    assert ours.to_frame()["efficiency"].to_numpy()[:CITIES] == pytest.approx(peer, abs=1e-7)


@pytest.mark.parametrize("returns", TIMES_FASTER)
def test_pooled_frontier(benchmark, versus, cities, returns):
    peer = benchmark.pedantic(linear_programs, (cities[COLUMNS].to_numpy(), PIECE, returns), rounds=2)
    ours = versus(
        lambda: sbm(cities, **OPTIONS, returns=returns),
        job=f"Efficiency with a bad output, pooled frontier, {returns.upper()}",
        size=SIZE,
        package="scipy",
        way="linprog, one program per unit",
        scale=len(cities) / PIECE,
        at_least=TIMES_FASTER[returns]["pooled"],
    )
    assert ours.to_frame()["efficiency"].to_numpy()[:PIECE] == pytest.approx(peer, abs=1e-7)


def test_productivity_index(benchmark, cities):
    result = benchmark.pedantic(gml_index, (cities,), OPTIONS, rounds=3)
    assert len(result.to_frame()) == len(cities)
