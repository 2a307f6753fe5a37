"""Nested synthetic control against peers that search the predictor weights, at the size of paper p1 (``make bench``).

97 donors, 14 years, 8 predictors from three factors. The peers search V without a floor, where V may end in a corner at
which the predictors hardly determine the donor weights; their loss is therefore compared with ``v_min=0``. Each peer is
fitted once: it takes seconds to minutes, and the ratio is far from its bound.
"""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd
import pysyncon
import pytest
from diff_diff import SyntheticControl

from regiometrics.estimate.synthetic_control import synthetic_control, synthetic_controls

DONORS, YEARS, START = 97, range(2000, 2014), 2010
COVARIATES, LAGS = list("abcde"), [2000, 2005, 2009]
GROUPS = {"whole": range(97, 196), "incumbent": range(97, 163), "new": range(163, 196)}
KEYS = {"unit": "county", "time": "year", "outcome": "y", "start": START, "predictors": COVARIATES, "lags": LAGS}
TIMES_FASTER, SECONDS_A_FIT, SECONDS_OF_PLACEBOS = 20, 1, 60

pytestmark = pytest.mark.benchmark(group=f"synthetic control, {DONORS} donors, {len(YEARS)} years, 8 predictors")


def counties(n_treated: int, seed: int = 0) -> pd.DataFrame:
    """Counties after the donors are treated: their first covariate is larger, by 1.5 standard deviations of noise."""
    rng = np.random.default_rng(seed)
    n = DONORS + n_treated
    treated = np.arange(n) >= DONORS
    loadings = rng.normal(size=(n, 3)) + 0.3 * treated[:, None]
    factors = 0.3 * rng.normal(size=(len(YEARS), 3)).cumsum(axis=0)
    y = 12 + (loadings @ [1, 0.5, 0.3])[:, None] + loadings @ factors.T + 0.3 * rng.normal(size=(n, len(YEARS)))
    x = loadings @ rng.normal(size=(3, 5)) + rng.normal(size=(n, 5))
    x[:, 0] += 1.5 * treated
    rows = [(u, year, y[u, t], *x[u]) for u, (t, year) in itertools.product(range(n), enumerate(YEARS))]
    return pd.DataFrame(rows, columns=["county", "year", "y", *COVARIATES])


@pytest.fixture(scope="module")
def one() -> pd.DataFrame:
    return counties(1)


@pytest.fixture(scope="module")
def many() -> pd.DataFrame:
    return counties(99)


def ours(df: pd.DataFrame, **options) -> float:
    return synthetic_control(df, treated=DONORS, **KEYS, **options).loss


def by_diff_diff(df: pd.DataFrame) -> float:
    table = df.assign(treated=((df["county"] == DONORS) & (df["year"] >= START)).astype(int))
    fit = SyntheticControl(seed=0).fit(
        table,
        "y",
        "treated",
        "county",
        "year",
        post_periods=[year for year in YEARS if year >= START],
        predictors=COVARIATES,
        predictor_window=[year for year in YEARS if year < START],
        special_predictors=[("y", [year], "mean") for year in LAGS],
    )
    return fit.pre_rmspe**2


def by_pysyncon(df: pd.DataFrame) -> float:
    before = range(YEARS[0], START)
    data = pysyncon.Dataprep(
        df,
        COVARIATES,
        "mean",
        "y",
        "county",
        "year",
        DONORS,
        list(range(DONORS)),
        before,
        before,
        [("y", [year], "mean") for year in LAGS],
    )
    model = pysyncon.Synth()
    model.fit(data)
    return model.loss_V


@pytest.mark.parametrize("v_min", [1e-4, 0])
def test_nested_fit(benchmark, one, v_min):
    benchmark(ours, one, v_min=v_min)
    assert benchmark.stats["min"] < SECONDS_A_FIT


def test_three_aggregates_with_all_placebos(benchmark, many):
    def study() -> int:
        found = synthetic_controls(many, groups={name: list(units) for name, units in GROUPS.items()}, **KEYS)
        placebos = found.placebo_in_space(kind="single", statistic="post_rmspe", n_jobs=2)
        return sum(placebo.gaps.shape[1] for placebo in placebos.values())

    assert benchmark.pedantic(study) == 3 * (1 + DONORS)
    assert benchmark.stats["min"] < SECONDS_OF_PLACEBOS


def test_group_placebos_of_an_aggregate(benchmark, many):
    result = synthetic_control(many, treated=list(GROUPS["new"]), donors=list(range(DONORS)), **KEYS)
    placebos = benchmark.pedantic(result.placebo_in_space, kwargs={"statistic": "post_rmspe", "n_jobs": 2})
    assert placebos.gaps.shape[1] == 200


@pytest.mark.parametrize(("package", "peer"), [("diff-diff", by_diff_diff), ("pysyncon", by_pysyncon)])
def test_peer_that_searches_v(benchmark, versus, one, package, peer):
    ours(one)  # machine code is compiled once
    with warnings.catch_warnings():
        for category in (UserWarning, RuntimeWarning, FutureWarning, DeprecationWarning):
            warnings.simplefilter("ignore", category)  # the peers' remarks on their own fits
        its_loss = benchmark.pedantic(peer, (one,), rounds=1)
    size = f"{DONORS} donors, {len(YEARS)} years, 8 predictors"
    job = {"job": "Synthetic control, predictor weights searched", "size": size}
    loss = versus(lambda: ours(one, v_min=0), **job, package=package, way="no floor under V", at_least=TIMES_FASTER)
    versus(lambda: ours(one), **job, package=package, way="our V in the interior", at_least=TIMES_FASTER)
    assert loss <= its_loss


def test_peer_mlsynth_at_paper_size(benchmark, versus, mlsynth, one):
    window = [YEARS[0], START - 1]
    lags = {f"y_{year}": [year, year] for year in LAGS}
    means = {name: window for name in COVARIATES}
    named = "c" + one["county"].astype(str)  # the peer turns names into text
    table = one.assign(**{f"y_{year}": one["y"] for year in LAGS}, county=named)
    columns = {"unit": "county", "time": "year", "outcome": "y", "treated": f"c{DONORS}", "start": START}
    peer = mlsynth({**columns, "predictors": means | lags}, table)
    benchmark.pedantic(ours, (one,), rounds=1)
    size = f"{DONORS} donors, {len(YEARS)} years, 8 predictors"
    job = {"job": "Synthetic control, predictor weights searched", "size": size, "package": "mlsynth"}
    timed = (peer["version"], peer["seconds"])
    loss = versus(lambda: ours(one, v_min=0), **job, way="no floor under V", timed=timed, at_least=TIMES_FASTER)
    versus(lambda: ours(one), **job, way="our V in the interior", timed=timed, at_least=TIMES_FASTER)
    assert loss <= peer["loss"]
