"""Rebuild the Monte Carlo of slacks-based efficiency: scores against the frontier of a sample and the true one.

The true technology is smooth: output is at most a product of powers of labour, capital and pollution that sum to one.
Points all over its surface stand for it, so that the true score is the measure against these points.

    python data/results/make_frontier_bias.py            # rebuild, about six minutes on two cores
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from blocks import together

from regiometrics.measure.efficiency import sbm

FOLDER = Path(__file__).parent
SIZES = (40, 80, 156, 400, 1560)
"""Cities in the sample: a small cluster or two, the paper's cross-section, the paper's panel as one."""
BLOCKS, PER_BLOCK = 20, 5  # a twentieth of the replications is one block
POWERS = {"labour": 0.4, "capital": 0.4, "so2": 0.2}
SPREAD = 0.5  # of the logs of capital and pollution per person
SLOPE = 0.15  # of log waste on a standard normal variable z
SURFACE = 15  # points of the surface in each of two directions
MEASURES = {"inputs": ["labour", "capital"], "good": "gdp", "bad": "so2"}


def surface() -> pd.DataFrame:
    """Efficient points of the technology with one unit of labour, for all mixes that occur."""
    ratios = np.exp(3.5 * SPREAD * np.linspace(-1, 1, SURFACE))
    capital, so2 = (grid.ravel() for grid in np.meshgrid(ratios, ratios))
    return _made(np.ones_like(capital), capital, so2)


def sample(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Cities off the frontier: each wastes inputs, more so where z is high, and pollutes too much."""
    z, scale = rng.standard_normal(n), np.exp(rng.standard_normal(n))
    capital, so2 = np.exp(np.clip(rng.standard_normal((2, n)), -3, 3) * SPREAD)
    efficient = _made(scale, scale * capital, scale * so2)
    waste = np.exp(np.abs(0.2 * rng.standard_normal((3, n))) + np.maximum(0.4 + SLOPE * z, 0))
    return efficient.assign(**{name: efficient[name] * factor for name, factor in zip(POWERS, waste, strict=True)}, z=z)


def _made(labour: np.ndarray, capital: np.ndarray, so2: np.ndarray) -> pd.DataFrame:
    quantities = {"labour": labour, "capital": capital, "so2": so2}
    gdp = np.prod([quantities[name] ** power for name, power in POWERS.items()], axis=0)
    return pd.DataFrame({**quantities, "gdp": gdp})


def scores(table: pd.DataFrame) -> np.ndarray:
    """Efficiency of each row among all."""
    named = table.reset_index(drop=True).rename_axis("city").reset_index()
    return sbm(named, unit="city", **MEASURES).to_frame()["efficiency"].to_numpy()


def block(n: int, number: int) -> pd.DataFrame:
    """One block: ``n, block, replication, mean_true, mean_found, share_one, correlation, slope_true, slope_found``.

    Slopes are of the log score on z, of the true and of the found score.
    """
    rng, rows = np.random.default_rng([n, number]), []
    for replication in range(PER_BLOCK):
        cities = sample(rng, n)
        found, true = np.log(scores(cities)), np.log(scores(pd.concat([surface(), cities]))[SURFACE**2 :])
        slopes = [np.polyfit(cities["z"], score, 1)[0] for score in (true, found)]
        means = np.exp(true).mean(), np.exp(found).mean()
        rest = (found > -1e-8).mean(), np.corrcoef(true, found)[0, 1], *slopes
        rows.append((n, number, replication, *means, *rest))
    columns = ["n", "block", "replication", "mean_true", "mean_found", "share_one", "correlation"]
    return pd.DataFrame(rows, columns=[*columns, "slope_true", "slope_found"])


def main() -> int:
    """Rebuild the file."""
    table = together(block, [(n, number) for n in SIZES for number in range(BLOCKS)])
    table.to_csv(FOLDER / "frontier_bias.csv", index=False, lineterminator="\n", float_format="%.6g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
