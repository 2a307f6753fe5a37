"""Rebuild the Monte Carlo of relative specialisation: its level by number and size of regions drawn alike.

All regions draw their structure from one distribution, so that none is more specialised than another but by chance.
An industry of the coarse lists is the sum of neighbours in the fine one.

    python data/results/make_specialization_size.py      # rebuild, about 20 seconds on one core
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import norm

FOLDER = Path(__file__).parent
BLOCKS, PER_BLOCK = 20, 1000  # a twentieth of the replications is one block
FINE, MIDDLE = 56, 28
DELTA = {"shanghai": 0.118, "jiangsu": 0.520, "zhejiang": 0.234, "anhui": 0.128}
NORTH = {"beijing": 0.17, "tianjin": 0.31, "hebei": 0.52}
"""Output shares: those of the delta are printed for 2014, those of the north are assumed as in `simulate.p4`."""
EQUAL = (2, 3, 4, 5, 8)
PARAMETERS = {
    ("dirichlet", "low"): 57.0,
    ("dirichlet", "high"): 21.0,
    ("logistic_normal", "low"): 0.85,
    ("logistic_normal", "high"): 1.3,
}
"""Concentration, or standard deviation of the logs. With 28 industries Shanghai's mean index is near its printed value
at low dispersion and Beijing's near its own at high."""
INDUSTRIES = {"dirichlet": (14, MIDDLE, FINE), "logistic_normal": (MIDDLE,)}
PRINTED_RATIO = 0.893 / 0.577  # Beijing's index over Shanghai's, 2014
KEYS = ["law", "dispersion", "industries", "design", "region", "share", "approximation"]
COLUMNS = [*KEYS, "block", "mean", "sd", "p5", "p50", "p95", "mean_cluster", "reached"]


def composition() -> np.ndarray:
    """Common shares of the fine industries: 28 lognormal sizes, 0.6 to 13 per cent, each in two halves."""
    sizes = np.exp(0.75 * norm.ppf((np.arange(MIDDLE) + 0.5) / MIDDLE))
    return np.repeat(sizes / sizes.sum() / 2, 2)


def structures(rng: np.random.Generator, law: str, dispersion: str, n: int, regions: int) -> np.ndarray:
    """Shares of the fine industries, shape (n, regions, 56)."""
    size, parameter = (n, regions, FINE), PARAMETERS[law, dispersion]
    if law == "dirichlet":
        drawn = rng.standard_gamma(parameter * composition(), size)
    else:
        drawn = composition() * np.exp(parameter * rng.standard_normal(size))
    return drawn / drawn.sum(-1, keepdims=True)


def merged(shares: np.ndarray, industries: int) -> np.ndarray:
    """Shares by a coarser list."""
    return shares.reshape(*shares.shape[:-1], industries, -1).sum(-1)


def specialization(shares: np.ndarray, outputs: np.ndarray) -> np.ndarray:
    """Index of each region against the rest, shape (n, regions), from structures and the regions' output shares.

    A region differs from the whole by ``1 - share`` of what it differs from the rest.
    """
    whole = np.einsum("nrk,r->nk", shares, outputs)[:, None]
    return np.abs(shares - whole).sum(-1) / (1 - outputs)


def pair_ratio(outputs: np.ndarray) -> np.ndarray:
    """Index of each region over that of a pair, were deviations independent and normal with one variance.

    The rest deviates with the sum of its squared weights, a single region with one.
    """
    concentration = ((outputs**2).sum() - outputs**2) / (1 - outputs) ** 2
    return np.sqrt((1 + concentration) / 2)


def block(law: str, dispersion: str, number: int) -> pd.DataFrame:
    """One block: rows as ``COLUMNS``. Equal regions are pooled as ``each``.

    The mean over the regions of a design and Beijing's index over Shanghai's are rows of their own. ``mean_cluster`` is
    the mean against the whole cluster, ``reached`` the share of ratios that are not below the printed one.
    """
    rng = np.random.default_rng([list(PARAMETERS).index((law, dispersion)), number])
    fine, rows = structures(rng, law, dispersion, PER_BLOCK, max(EQUAL) + len(NORTH)), []
    for industries in INDUSTRIES[law]:
        drawn, core = merged(fine, industries), {}
        clusters = {f"equal_{n}": (["each"], np.full(n, 1 / n), drawn[:, :n]) for n in EQUAL}
        clusters["delta"] = list(DELTA), np.array(list(DELTA.values())), drawn[:, : len(DELTA)]
        clusters["north_assumed"] = list(NORTH), np.array(list(NORTH.values())), drawn[:, -len(NORTH) :]
        for design, (names, outputs, shares) in clusters.items():
            key, index, expected = (
                (law, dispersion, industries, design),
                specialization(shares, outputs),
                pair_ratio(outputs),
            )
            core[design] = index[:, 0], expected[0]
            for i, name in enumerate(names):
                of = index if name == "each" else index[:, i]
                same = *key, name, outputs[i], expected[i], number
                rows.append((*same, *_summary(of), (1 - outputs[i]) * of.mean(), np.nan))
            same = *key, "mean", np.nan, expected.mean(), number
            rows.append((*same, *_summary(index.mean(1)), (index * (1 - outputs)).mean(), np.nan))
        (beijing, above), (shanghai, below) = core["north_assumed"], core["delta"]
        same = law, dispersion, industries, "beijing_over_shanghai", "ratio", np.nan, above / below, number
        ratio = beijing / shanghai
        rows.append((*same, *_summary(ratio), np.nan, (ratio >= PRINTED_RATIO).mean()))
    return pd.DataFrame(rows, columns=COLUMNS)


def _summary(drawn: np.ndarray) -> tuple[float, ...]:
    return (float(drawn.mean()), float(drawn.std(ddof=1)), *map(float, np.percentile(drawn, [5, 50, 95])))


def main() -> int:
    """Rebuild the file."""
    table = pd.concat([block(*design, number) for design in PARAMETERS for number in range(BLOCKS)])
    table.to_csv(FOLDER / "specialization_size.csv", index=False, lineterminator="\n", float_format="%.4g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
