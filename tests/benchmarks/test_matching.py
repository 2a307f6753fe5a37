"""Matching of 50,000 rows, and against the brute-force matcher at 10,000 rows, in one run (``make bench``)."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.estimate.matching import match

LARGE = "matching, 50,000 rows, a tenth treated"
SMALL = "matching, 10,000 rows, a tenth treated"
WAYS = {
    "nearest, k=1": {"k": 1},
    "nearest, k=2": {"k": 2},
    "nearest, k=3": {"k": 3},
    "nearest, k=4": {"k": 4},
    "epanechnikov": {"method": "kernel"},
    "radius": {"method": "radius", "caliper": 0.01},
    "nearest, without replacement": {"replace": False},
}
ON = {"treat": "treated", "score": "p", "support": "none"}


def rows(n: int) -> pd.DataFrame:
    rng = np.random.default_rng(20)
    p = 1 / (1 + np.exp(2.6 - rng.normal(size=n)))
    return pd.DataFrame({"p": p, "treated": rng.random(n) < p})


def brute_weights(df: pd.DataFrame, method: str = "nearest", k: int = 1) -> np.ndarray:
    """Weights of the controls from the matrix of all distances."""
    p, treated = df["p"].to_numpy(), df["treated"].to_numpy()
    distance = np.abs(p[treated][:, None] - p[~treated])
    if method == "kernel":
        mass = np.clip(1 - (distance / 0.06) ** 2, 0, None)
    else:
        mass = (distance <= np.partition(distance, k - 1, axis=1)[:, [k - 1]]).astype(float)
    total = mass.sum(axis=1, keepdims=True)
    return (mass / np.where(total > 0, total, 1)).sum(axis=0)


@pytest.mark.benchmark(group=LARGE)
@pytest.mark.parametrize("way", WAYS)
def test_fifty_thousand_rows(benchmark, way):
    df = rows(50_000)
    assert 0.09 < df["treated"].mean() < 0.11
    weights = benchmark(match, df, **ON, **WAYS[way]).weights
    assert weights[~df["treated"]].sum() == pytest.approx(weights[df["treated"]].sum(), abs=1e-8)


@pytest.mark.benchmark(group=SMALL)
@pytest.mark.parametrize("way", ["nearest, k=1", "nearest, k=4", "epanechnikov"])
def test_ten_thousand_rows(benchmark, way):
    df = rows(10_000)
    benchmark(match, df, **ON, **WAYS[way])


@pytest.mark.benchmark(group=SMALL)
@pytest.mark.parametrize("way", ["nearest, k=1", "nearest, k=4", "epanechnikov"])
def test_peer_brute_force(benchmark, versus, way):
    df = rows(10_000)
    peer = benchmark.pedantic(brute_weights, (df,), WAYS[way], rounds=5)
    job = {"job": f"Matching, {way}", "size": "10,000 rows, a tenth treated", "package": "numpy", "way": "n x n"}
    fast = versus(lambda: match(df, **ON, **WAYS[way]), **job, rounds=20).weights[~df["treated"]]
    np.testing.assert_allclose(fast, peer, rtol=0, atol=1e-9)
