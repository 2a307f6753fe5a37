"""Rebuild the Monte Carlo results of chapter p1: size and power of placebo tests for the mean of many counties.

Every block of replications has a seed of its own, so that a test can recompute one block and compare.

    python data/results/make_synthetic_size.py         # rebuild the file, about three minutes on two cores
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from blocks import together

from regiometrics.errors import ConvergenceError
from regiometrics.estimate.simplex import donor_weights, penalised, simplex_least_squares
from regiometrics.estimate.synthetic_control import synthetic_control

FOLDER = Path(__file__).parent
YEARS = np.arange(2000, 2014)
BEFORE = 10  # years before the enlargement of 2010
COUNTIES, TREATED = 196, 99
DESIGNS = {"whole": slice(0, 99), "incumbent": slice(0, 67), "new": slice(67, 99)}
EFFECTS = (0.0, 0.31, 0.45, 0.54)  # none, and what the paper prints for the three aggregates
LEVEL, SPREAD, NOISE = 12.607, 2.0, 0.3  # outcome in thousand US dollars: mean, spread between counties, yearly noise
FACTORS, STEP, LOADING = 3, 0.12, (1.0, 0.7)  # random walks; mean and deviation of the loadings
BLOCKS, PER_BLOCK, DRAWS = 20, 25, 99  # a twentieth of the replications is one block
COVARIATES = ("ln_pergdp", "urban", "infra", "gov", "finan", "human", "ln_density")
LAGS, NESTED_STARTS = (2001, 2005, 2009), 3
REJECT = 0.05
STATISTICS = ("rmspe_ratio", "post_rmspe", "att")
EXACT = 1e-5  # thousand US dollars: a smaller pre-treatment error is rounding, and the ratio infinite
NEAREST = 1e-6  # penalty on the distance to each donor that decides between fits without error


def outcomes(rng: np.random.Generator) -> np.ndarray:
    """Years x counties without any effect, the treated first: levels, three factors and noise."""
    levels = LEVEL + SPREAD * rng.standard_normal(COUNTIES)
    loadings = LOADING[0] + LOADING[1] * rng.standard_normal((FACTORS, COUNTIES))
    factors = STEP * rng.standard_normal((len(YEARS), FACTORS)).cumsum(axis=0)
    return levels + factors @ loadings + NOISE * rng.standard_normal((len(YEARS), COUNTIES))


def weights(actual: np.ndarray, donors: np.ndarray) -> np.ndarray:
    """Simplex weights on all outcomes before treatment; of several without error those of the nearest donors."""
    a, b = donors[:BEFORE], actual[:BEFORE]
    fit = simplex_least_squares(a, b)
    if fit.objective > BEFORE * EXACT**2:
        return fit.weights
    points = np.ascontiguousarray((a - b[:, None]).T)
    try:
        return penalised(a, b, NEAREST * (points**2).sum(axis=1)).weights
    except ConvergenceError:  # a vanishing penalty is at the edge of rounding: the library's linear programme decides
        return donor_weights(np.full(BEFORE, 1 / BEFORE), points, points).weights


def statistics(gaps: np.ndarray) -> np.ndarray:
    """RMSPE ratio, RMSPE after treatment and absolute mean effect of gaps, years x fits."""
    before, after = (np.sqrt((part**2).mean(axis=0)) for part in (gaps[:BEFORE], gaps[BEFORE:]))
    ratio = np.where(before > EXACT, after / np.maximum(before, EXACT), np.inf)
    return np.stack([ratio, after, np.abs(gaps[BEFORE:].mean(axis=0))])


def single_placebos(donors: np.ndarray) -> np.ndarray:
    """Gaps of each donor against all others, years x donors."""
    rest = ~np.eye(donors.shape[1], dtype=bool)
    return np.column_stack([y - donors[:, rest[j]] @ weights(y, donors[:, rest[j]]) for j, y in enumerate(donors.T)])


def group_placebos(donors: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Gaps of means of random groups of donors against the donors left, years x draws."""
    gaps = np.empty((len(donors), DRAWS))
    for draw in range(DRAWS):
        group = rng.permutation(donors.shape[1]) < size
        actual, rest = donors[:, group].mean(axis=1), donors[:, ~group]
        gaps[:, draw] = actual - rest @ weights(actual, rest)
    return gaps


def p_values(observed: np.ndarray, placebos: np.ndarray) -> np.ndarray:
    """Share of placebos, the treated included, whose statistics are at least those observed; one per statistic."""
    return (1 + (placebos >= observed[:, None]).sum(axis=1)) / (1 + placebos.shape[1])


def tests(rng: np.random.Generator) -> pd.DataFrame:
    """P-values on one panel: ``design, effect, statistic, placebo, p_value``.

    The weights rest on the years before, so that an effect moves the gap after and nothing else.
    """
    y = outcomes(rng)
    donors = y[:, TREATED:]
    single = statistics(single_placebos(donors))
    rows = []
    for design, members in DESIGNS.items():
        actual = y[:, members].mean(axis=1)
        w = weights(actual, donors)
        size = min(members.stop - members.start, donors.shape[1] // 2)
        sets = {
            "single, all": single,
            "single, above mean weight": single[:, w > w.mean()],
            "group": statistics(group_placebos(donors, size, rng)),
        }
        for effect in EFFECTS:
            gap = actual - donors @ w + effect * (np.arange(len(YEARS)) >= BEFORE)
            observed = statistics(gap[:, None])[:, 0]
            for placebo, drawn in sets.items():
                for statistic, p in zip(STATISTICS, p_values(observed, drawn), strict=True):
                    rows.append((design, effect, statistic, placebo, p))
    return pd.DataFrame(rows, columns=["design", "effect", "statistic", "placebo", "p_value"])


def nested_tests(rng: np.random.Generator, kinds: Sequence[str]) -> pd.DataFrame:
    """As `tests`, without effects, for the mean of all treated and the nested search with covariates and three lags."""
    y = outcomes(rng)
    level = (y.mean(axis=0) - LEVEL) / SPREAD
    keys = {"county": np.tile(np.arange(COUNTIES), len(YEARS)), "year": np.repeat(YEARS, COUNTIES)}
    panel = pd.DataFrame({**keys, "soph": y.ravel()})
    for name in COVARIATES:
        own = rng.standard_normal(COUNTIES) + 0.2 * rng.standard_normal(y.shape)
        panel[name] = (rng.uniform(-1, 1) * level + own).ravel()
    fit = synthetic_control(
        panel, unit="county", time="year", outcome="soph", treated=range(TREATED), start=YEARS[BEFORE],
        predictors=COVARIATES, lags=LAGS, n_starts=NESTED_STARTS,
    )  # fmt: skip
    rows = []
    for kind in kinds:
        found = fit.placebo_in_space(kind=kind, n_draws=DRAWS, statistic="att", seed=rng)
        drawn = statistics(found.gaps.to_numpy())
        sets = {"group": slice(1, None)}
        if kind == "single":
            above = fit.weights.to_numpy() > fit.weights.mean()
            sets = {"single, all": slice(1, None), "single, above mean weight": 1 + np.flatnonzero(above)}
        for placebo, chosen in sets.items():
            for statistic, p in zip(STATISTICS, p_values(drawn[:, 0], drawn[:, chosen]), strict=True):
                rows.append(("whole", 0.0, statistic, placebo, p))
    return pd.DataFrame(rows, columns=["design", "effect", "statistic", "placebo", "p_value"])


def outcome_fits(block: int) -> pd.DataFrame:
    """Rejections of one block: ``design, effect, fit, statistic, placebo, block, rejections, replications``."""
    rng = np.random.default_rng([COUNTIES, block])
    p = pd.concat([tests(rng) for _ in range(PER_BLOCK)])
    return counts(p, "outcomes", block)


def nested_fits(block: int, kinds: Sequence[str] = ("group", "single")) -> pd.DataFrame:
    """Rejections on one panel, with the columns of `outcome_fits`."""
    return counts(nested_tests(np.random.default_rng([COUNTIES, 1, block]), kinds), "nested", block)


def counts(p: pd.DataFrame, fit: str, block: int) -> pd.DataFrame:
    """Rejections at five per cent among p-values."""
    keys = ["design", "effect", "fit", "statistic", "placebo", "block"]
    p = p.assign(fit=fit, block=block, rejections=p["p_value"] <= REJECT, replications=1)
    return p.groupby(keys, sort=False)[["rejections", "replications"]].sum().reset_index()


def main() -> int:
    """Rebuild the file."""
    blocks = [(block,) for block in range(BLOCKS)]
    found = pd.concat([together(fits, blocks) for fits in (outcome_fits, nested_fits)], ignore_index=True)
    found.to_csv(FOLDER / "synthetic_size.csv", index=False, lineterminator="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
