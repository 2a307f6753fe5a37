"""Rebuild the Monte Carlo of dynamic panels: bias, size and tests of system GMM by its set of instruments.

Panels have the size of paper p2, its estimates as the truth, and an endogenous regressor; a second design has more
persistence. Least squares and all GMM estimators see the same panels.

    python data/results/make_dynamic_panel_size.py      # rebuild, about three minutes on two cores
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from blocks import together
from scipy.stats import norm

from regiometrics.estimate.dynamic_panel import DynamicPanelResult, GmmSpec, dynamic_panel

FOLDER = Path(__file__).parent
CITIES, YEARS, BURN_IN = 135, 10, 30
BLOCKS, PER_BLOCK = 20, 50  # a twentieth of the replications is one block
BETA = 0.158
LEVEL, TOO_GOOD = 0.05, 0.9
TERMS = {"rho": "L1.y", "beta": "x"}
GMM = {
    "system GMM, all lags": (True, GmmSpec(lags=(2, None), collapse=False)),
    "system GMM, lags 2 to 3": (True, GmmSpec(lags=(2, 3), collapse=False)),
    "system GMM, all lags collapsed": (True, GmmSpec(lags=(2, None))),
    "system GMM, lags 2 to 4 collapsed": (True, GmmSpec(lags=(2, 4))),
    "difference GMM, lags 2 to 4 collapsed": (False, GmmSpec(lags=(2, 4))),
}
DESIGNS = {0.235: tuple(GMM), 0.8: tuple(GMM)[-2:]}
"""Estimators of each persistence rho."""


def panel(rng: np.random.Generator, rho: float) -> pd.DataFrame:
    """A stationary panel with city and year effects; x moves with both the city effect and the shock to y."""
    effect, shock = rng.normal(scale=0.3, size=CITIES), rng.normal(scale=0.2, size=(BURN_IN + YEARS, CITIES))
    own, year = rng.normal(scale=0.3, size=shock.shape), rng.normal(scale=0.1, size=len(shock))
    y, x = np.zeros_like(shock), np.zeros_like(shock)
    for t in range(1, len(shock)):
        x[t] = 0.6 * x[t - 1] + 0.3 * effect + 0.5 * shock[t] + own[t]
        y[t] = rho * y[t - 1] + BETA * x[t] + effect + year[t] + shock[t]
    keys = {"city": np.tile(np.arange(CITIES), YEARS), "year": np.repeat(np.arange(2008, 2008 + YEARS), CITIES)}
    return pd.DataFrame({**keys, "y": y[BURN_IN:].ravel(), "x": x[BURN_IN:].ravel()})


def fit(df: pd.DataFrame, name: str, *, windmeijer: bool = True) -> DynamicPanelResult:
    """Two-step GMM with year effects; lags of y and of x are instruments."""
    system, spec = GMM[name]
    settings = {"system": system, "windmeijer": windmeijer, "regressors": ["x"], "gmm": {"y": spec, "x": spec}}
    return dynamic_panel(df, unit="city", time="year", outcome="y", **settings)


def replication(df: pd.DataFrame, names: Sequence[str]) -> list[dict[str, object]]:
    """``estimator, coefficient, n_instruments, estimate, std_error, uncorrected, hansen, ar2`` on one panel."""
    rows, found = [], [fit(df, name) for name in names]
    squares = found[0].bounds().set_index("term")
    for name, column in (("pooled least squares", "ols"), ("within", "within")):
        for coefficient, term in TERMS.items():
            numbers = {"estimate": squares.loc[term, column], "std_error": squares.loc[term, f"{column}_error"]}
            rows.append({"estimator": name, "coefficient": coefficient, **numbers})
    for name, result in zip(names, found, strict=True):
        plain = fit(df, name, windmeijer=False)
        tests = {"hansen": result.hansen.p_value, "ar2": result.ar2.p_value, "n_instruments": result.n_instruments}
        for coefficient, term in TERMS.items():
            errors = {"std_error": result.std_error[term], "uncorrected": plain.std_error[term]}
            own = {"estimator": name, "coefficient": coefficient, "estimate": result.estimate[term]}
            rows.append(own | errors | tests)
    return rows


def block(rho: float, number: int, names: Sequence[str] | None = None) -> pd.DataFrame:
    """One block, a row per estimator and coefficient; all estimators of the design unless named.

    Columns ``rho, estimator, coefficient, block, replications, n_instruments, truth``; ``mean, sd`` of the estimates
    and their 5th, 50th and 95th percentile ``low, median, high``; means of the standard errors ``std_error,
    std_error_uncorrected`` with and without Windmeijer's correction (least squares: clustered by city); rejections
    of the truth at five per cent under either, ``rejections, rejections_uncorrected``; rejections by the Hansen test
    and the second-order Arellano-Bond test, ``hansen_rejections, ar2_rejections``, and Hansen p-values above 0.9,
    ``hansen_near_one``, which are the same in both rows of an estimator.

    Percentiles are unbiased for normal estimates, so that their mean over blocks is that of all replications.
    """
    rng = np.random.default_rng([round(1000 * rho), number])
    draws = [row for _ in range(PER_BLOCK) for row in replication(panel(rng, rho), names or DESIGNS[rho])]
    table, truth = pd.DataFrame(draws), {"rho": rho, "beta": BETA}
    rows = []
    for (estimator, coefficient), own in table.groupby(["estimator", "coefficient"], sort=False):
        low, median, high = np.quantile(own["estimate"], [0.05, 0.5, 0.95], method="normal_unbiased")
        distance = (own["estimate"] - truth[coefficient]).abs() / norm.isf(LEVEL / 2)
        row = {"rho": rho, "estimator": estimator, "coefficient": coefficient, "block": number}
        row |= {"replications": len(own), "n_instruments": own["n_instruments"].max(), "truth": truth[coefficient]}
        row |= {"mean": own["estimate"].mean(), "sd": own["estimate"].std(), "low": low, "median": median, "high": high}
        row |= {"std_error": own["std_error"].mean(), "rejections": (distance > own["std_error"]).sum()}
        if own["hansen"].notna().all():
            row |= {
                "std_error_uncorrected": own["uncorrected"].mean(),
                "rejections_uncorrected": (distance > own["uncorrected"]).sum(),
                "hansen_rejections": (own["hansen"] < LEVEL).sum(),
                "hansen_near_one": (own["hansen"] > TOO_GOOD).sum(),
                "ar2_rejections": (own["ar2"] < LEVEL).sum(),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> int:
    """Rebuild the file."""
    table = together(block, [(rho, number) for rho in DESIGNS for number in range(BLOCKS)])
    table.to_csv(FOLDER / "dynamic_panel_size.csv", index=False, lineterminator="\n", float_format="%.6g")
    return 0


if __name__ == "__main__":
    sys.exit(main())
