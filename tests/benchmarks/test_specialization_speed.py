"""Specialisation of all pairs of regions against loops over the pairs, in one run (``make bench``).

Peers start from shares that are already in place; the library starts from the long table, with all its checks, and
ends with the tidy one. The pandas loop is timed on a tenth of the pairs, the numpy loop on one of the ten years.
"""

import itertools

import numpy as np
import pandas as pd
import pytest

from regiometrics.measure.specialization import interregional_specialization

REGIONS, INDUSTRIES, YEARS, PART = 300, 500, range(2005, 2015), 10
PAIRS = list(itertools.combinations(range(REGIONS), 2))
KEYS = {"region": "region", "industry": "industry", "value": "output", "time": "year"}
SIZE = f"{REGIONS} regions, {INDUSTRIES} industries, {len(YEARS)} years"
TIMES_FASTER = {"pandas": 50, "numpy": 3}

pytestmark = pytest.mark.benchmark(group=f"specialisation of all pairs, {SIZE}")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """All cells with text codes, a fifth of them zero."""
    rng = np.random.default_rng(10)
    names = [YEARS, [f"region {i:03}" for i in range(REGIONS)], [f"i{i:03}" for i in range(INDUSTRIES)]]
    df = pd.DataFrame(itertools.product(*names), columns=["year", "region", "industry"])
    df["output"] = rng.lognormal(sigma=1.5, size=len(df)) * (rng.random(len(df)) < 0.8)
    return df


@pytest.fixture(scope="module")
def shares(table: pd.DataFrame) -> dict[int, pd.DataFrame]:
    """Regions x industries of each year."""
    by_year = {
        year: rows.pivot(index="region", columns="industry", values="output") for year, rows in table.groupby("year")
    }
    return {year: x.div(x.sum(axis=1), axis=0) for year, x in by_year.items()}


def loop_over_labels(shares: dict[int, pd.DataFrame], pairs: list[tuple[str, str]]) -> np.ndarray:
    """The definition, one year and pair after the other, regions found by their names."""
    return np.array([[(s.loc[a] - s.loc[b]).abs().sum() for a, b in pairs] for s in shares.values()])


def loop_over_rows(shares: np.ndarray) -> np.ndarray:
    """The definition on the rows of one year's array."""
    return np.array([np.abs(shares[i] - shares[j]).sum() for i, j in PAIRS])


def pairs_of(table: pd.DataFrame) -> np.ndarray:
    return interregional_specialization(table, **KEYS)["specialization"].to_numpy().reshape(len(YEARS), -1)


def test_all_pairs(benchmark, table):
    found = benchmark(interregional_specialization, table, **KEYS)
    assert len(found) == len(YEARS) * len(PAIRS)


def test_peer_loop_over_a_tenth_of_the_pairs_in_pandas(benchmark, versus, table, shares):
    names = shares[YEARS[0]].index
    some = [(names[i], names[j]) for i, j in PAIRS[::PART]]
    peer = benchmark.pedantic(loop_over_labels, (shares, some), rounds=1)
    ours = versus(
        lambda: pairs_of(table),
        job="Specialisation of all pairs of regions",
        size=SIZE,
        package="pandas",
        way="loop over pairs",
        scale=len(PAIRS) / len(some),
        at_least=TIMES_FASTER["pandas"],
        rounds=5,
    )
    np.testing.assert_allclose(ours[:, ::PART], peer, atol=1e-12)


def test_peer_loop_over_the_pairs_of_a_year_in_numpy(benchmark, versus, table, shares):
    peer = benchmark.pedantic(loop_over_rows, (shares[YEARS[0]].to_numpy(),), rounds=3)
    ours = versus(
        lambda: pairs_of(table),
        job="Specialisation of all pairs of regions",
        size=SIZE,
        package="numpy",
        way="loop over pairs",
        scale=len(YEARS),
        at_least=TIMES_FASTER["numpy"],
        rounds=5,
    )
    np.testing.assert_allclose(ours[0], peer, atol=1e-12)
