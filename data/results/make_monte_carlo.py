"""Rebuild the Monte Carlo results of chapter p5: size and power of tests, and coverage under dynamic effects.

Every block of replications has a seed of its own, so that a test can recompute one block and compare.

    python data/results/make_monte_carlo.py            # rebuild both files, about ten minutes on two cores
"""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from blocks import together

from regiometrics.data.files import data_file
from regiometrics.estimate.staggered import StaggeredDesign

FOLDER = Path(__file__).parent
YEARS = np.arange(2003, 2023)
CITIES = 274
COHORTS = {28: {2010: 13, 2011: 5, 2012: 4, 2013: 4, 2014: 2}, 6: {2010: 3, 2012: 2, 2014: 1}}
PERSISTENCE = 0.7  # of a city's error from one year to the next
BLOCKS, PER_BLOCK, DRAWS = 20, 25, 399  # a twentieth of the replications is one block
LEVEL = 0.05
KEYS = {"unit": "city", "time": "year", "outcome": "y", "adoption": "adoption"}
EFFECTS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
MANY_TREATED = {2006: 15, 2010: 15, 2014: 10}  # of 60 cities, so that comparisons between cohorts weigh much
STRENGTH = {2006: 1.6, 2010: 1.0, 2014: 0.4}
ESTIMATORS = ("callaway_santanna", "sun_abraham", "imputation", "dcdh")


def adoptions(cohorts: dict[int, int], n: int) -> np.ndarray:
    """First treated year of each of n cities; missing for the cities that never adopt, which come last."""
    dates = np.repeat(list(cohorts), list(cohorts.values())).astype(float)
    return np.concatenate([dates, np.full(n - len(dates), np.nan)])


def errors(rng: np.random.Generator, n: int) -> np.ndarray:
    """Stationary autoregressions with standard deviation one, n x years."""
    e = rng.standard_normal((n, len(YEARS)))
    for t in range(1, len(YEARS)):
        e[:, t] = PERSISTENCE * e[:, t - 1] + np.sqrt(1 - PERSISTENCE**2) * e[:, t]
    return e


def panel(adoption: np.ndarray, y: np.ndarray) -> pd.DataFrame:
    """The long table."""
    n = len(adoption)
    keys = {"city": np.repeat(np.arange(n), len(YEARS)), "year": np.tile(YEARS, n)}
    return pd.DataFrame({**keys, "adoption": np.repeat(adoption, len(YEARS)), "y": y.ravel()})


def p_values(design: StaggeredDesign, seed: int) -> dict[str, float]:
    """The p-value of each test of no effect."""
    tests = {vcov: design.twfe(vcov=vcov).p_value for vcov in ("iid", "robust", "cluster")}
    tests["wild bootstrap"] = design.wild_bootstrap(n_boot=DRAWS, seed=seed).p_value
    t = design.placebo(n=DRAWS, statistic="t", seed=seed)
    betas = np.abs(t.betas) >= abs(t.observed)
    return {**tests, "chance on beta": (1 + betas.sum()) / (1 + DRAWS), "chance on t": t.p_value}


def rejections(n_treated: int, sd_ratio: float, effect: float, block: int) -> pd.DataFrame:
    """Rejections of one block: ``n_treated, sd_ratio, effect, block, test, rejections, replications``.

    The errors are scaled so that the clustered error is that of the real panel.
    """
    adoption = adoptions(COHORTS[n_treated], CITIES)
    treated = ~np.isnan(adoption)
    policy = np.where(treated, adoption, np.inf)[:, None] <= YEARS
    spread = scale() * np.where(treated, sd_ratio, 1.0)[:, None]
    rng = np.random.default_rng([n_treated, int(10 * sd_ratio), round(1000 * abs(effect)), block])
    counts: dict[str, int] = {}
    for replication in range(PER_BLOCK):
        y = spread * errors(rng, CITIES) + effect * policy
        for test, p in p_values(StaggeredDesign(panel(adoption, y), **KEYS), replication).items():
            counts[test] = counts.get(test, 0) + (p <= LEVEL)
    keys = {"n_treated": n_treated, "sd_ratio": sd_ratio, "effect": effect, "block": block}
    rows = [{**keys, "test": test, "rejections": int(n), "replications": PER_BLOCK} for test, n in counts.items()]
    return pd.DataFrame(rows)


@cache
def scale() -> float:
    """Standard deviation of the errors at which the clustered error is, on average, the one on the real panel."""
    real = pd.read_csv(data_file("derived", "zones", "estimates.csv"))
    real = real.query("exhibit == 'table 3' and specification == 'none' and method == 'cluster' and term == 'policy'")
    adoption, rng = adoptions(COHORTS[28], CITIES), np.random.default_rng(0)
    designs = (StaggeredDesign(panel(adoption, errors(rng, CITIES)), **KEYS) for _ in range(100))
    return float(real["std_error"].item() / np.mean([design.twfe().std_error for design in designs]))


def dynamic(block: int) -> pd.DataFrame:
    """One block of estimates when effects grow and differ by cohort.

    Columns ``block, replication, estimator, estimate, low, high``, the planted average ``truth``, and what
    Goodman-Bacon's decomposition of the panel without noise ``predicted`` for the two-way coefficient.
    """
    adoption = adoptions(MANY_TREATED, 60)
    since = YEARS - np.where(np.isnan(adoption), np.inf, adoption)[:, None] + 1
    strength = np.array([STRENGTH.get(date, 0.0) for date in adoption])[:, None]
    effect = -0.025 * strength * np.clip(since, 0, 6) / 6
    parts = StaggeredDesign(panel(adoption, effect), **KEYS).bacon(controls=False).to_frame()
    known = {"truth": effect[since > 0].mean(), "predicted": float(parts["weight"] @ parts["estimate"])}
    rng = np.random.default_rng([60, block])
    rows = []
    for replication in range(PER_BLOCK // 5):
        design = StaggeredDesign(panel(adoption, effect + 0.03 * errors(rng, 60)), **KEYS)
        for found in (design.twfe(), *(design.modern(name) for name in ESTIMATORS)):
            numbers = {"estimate": found.estimate, "low": found.low, "high": found.high}
            rows.append({"block": block, "replication": replication, "estimator": found.estimator, **numbers, **known})
    return pd.DataFrame(rows)


def designs() -> list[tuple[int, float, float]]:
    """Treated cities, ratio of standard deviations, and effect: sizes, then power with 28 treated."""
    sizes = [(n, ratio, 0.0) for n in (28, 6) for ratio in (1.0, 2.0)]
    return sizes + [(28, 1.0, -effect) for effect in EFFECTS[1:]]


def main() -> int:
    """Rebuild the files."""
    blocks = range(BLOCKS)
    tests = together(rejections, [(*design, block) for design in designs() for block in blocks])
    tests.to_csv(FOLDER / "tests_of_the_policy.csv", index=False, lineterminator="\n")
    coverage = together(dynamic, [(block,) for block in blocks])
    coverage.to_csv(FOLDER / "dynamic_effects.csv", index=False, lineterminator="\n", float_format="%.6g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
