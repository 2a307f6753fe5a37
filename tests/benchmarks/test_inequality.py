"""Dagum's decomposition against the pairwise numpy decomposition, in one run (``make bench``)."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.measure.inequality import dagum

COUNTIES, PREFECTURES, YEARS = 2_850, 274, 20


def pairwise_decomposition(y: np.ndarray, group: np.ndarray) -> dict[str, np.ndarray | float]:
    """Equations (3) to (11) from the n x n matrix of differences, summed by blocks of groups."""
    order = np.argsort(group, kind="stable")
    y, group = y[order], group[order]
    starts = np.flatnonzero(np.r_[True, np.diff(group) > 0])
    n_j = np.diff(np.r_[starts, y.size])
    mean = np.add.reduceat(y, starts) / n_j
    p, s = n_j / y.size, n_j * mean / y.sum()

    def by_pair(matrix: np.ndarray) -> np.ndarray:
        rows = np.add.reduceat(matrix, starts, axis=0)
        return np.add.reduceat(rows, starts, axis=1) / np.outer(n_j, n_j)

    difference = y[:, None] - y
    absolute = by_pair(np.abs(difference))
    gain = by_pair(np.clip(difference, 0, None))
    d, transvariation = np.maximum(gain, gain.T), np.minimum(gain, gain.T)
    g = absolute / np.add.outer(mean, mean)
    affluence = (d - transvariation) / np.where(absolute > 0, absolute, 1)
    share = np.outer(p, s) + np.outer(s, p)
    lower = np.tril(np.ones_like(g, dtype=bool), -1)
    return {
        "gini": (absolute * np.outer(n_j, n_j)).sum() / (2 * y.size**2 * y.mean()),
        "within": float((np.diag(g) * p * s).sum()),
        "between_net": float((g * share * affluence)[lower].sum()),
        "overlap": float((g * share * (1 - affluence))[lower].sum()),
        "pairs": g[lower],
    }


@pytest.fixture(scope="module")
def counties() -> pd.DataFrame:
    rng = np.random.default_rng(20)
    prefecture = np.r_[np.arange(PREFECTURES), rng.integers(PREFECTURES, size=COUNTIES - PREFECTURES)]
    light = rng.lognormal(size=(YEARS, COUNTIES)) * np.exp(rng.normal(size=PREFECTURES))[prefecture]
    return pd.DataFrame(
        {
            "year": np.repeat(np.arange(YEARS), COUNTIES),
            "prefecture": np.tile(prefecture, YEARS),
            "light": light.ravel(),
        }
    )


KEYS = {"value": "light", "group": "prefecture"}


@pytest.mark.benchmark(group="dagum, 2,850 values in 274 groups, 20 years")
def test_parts(benchmark, counties):
    result = benchmark(dagum, counties, **KEYS, time="year", pairwise=False)
    assert len(result.to_frame()) == YEARS


@pytest.mark.benchmark(group="dagum, 2,850 values in 274 groups, 20 years")
def test_parts_and_pairs(benchmark, counties):
    result = benchmark.pedantic(dagum, (counties,), {**KEYS, "time": "year"}, rounds=3)
    assert len(result.pairs) == YEARS * PREFECTURES * (PREFECTURES - 1) // 2


@pytest.mark.benchmark(group="dagum, 2,850 values in 274 groups, 20 years")
def test_peer_pairwise_numpy(benchmark, versus, counties):
    def every_year():
        return [
            pairwise_decomposition(year["light"].to_numpy(), year["prefecture"].to_numpy())
            for _, year in counties.groupby("year")
        ]

    peer = benchmark.pedantic(every_year, rounds=2)
    size = f"{COUNTIES:,} values in {PREFECTURES} groups, {YEARS} years"
    job = {
        "job": "Dagum decomposition with all pairs of groups",
        "size": size,
        "package": "numpy",
        "way": "n x n",
    }
    fast = versus(lambda: dagum(counties, **KEYS, time="year"), **job, rounds=3)
    for t, slow in enumerate(peer):
        row = fast.to_frame().iloc[t]
        for part in ("gini", "within", "between_net", "overlap"):
            assert row[part] == pytest.approx(slow[part], abs=1e-12)
        pairs = fast.pairs.loc[fast.pairs["time"] == t, "gini"]
        np.testing.assert_allclose(pairs, slow["pairs"], rtol=0, atol=1e-11)


@pytest.mark.benchmark(group="dagum, one million values in 300 groups")
def test_one_million_values(benchmark):
    rng = np.random.default_rng(1)
    df = pd.DataFrame({"light": rng.lognormal(size=1_000_000), "prefecture": rng.integers(300, size=1_000_000)})
    result = benchmark.pedantic(dagum, (df,), {**KEYS, "pairwise": False}, rounds=3)
    assert result.to_frame()["gini"].iloc[0] == pytest.approx(0.5205, abs=0.002)
