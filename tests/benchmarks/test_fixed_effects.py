"""Two-way regressions and the wild cluster bootstrap against pyfixest and refits, in one run (``make bench``)."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest

from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.inference import conley, wild_cluster_bootstrap

CITIES, YEARS, DRAWS, REFITS = 274, 20, 999, 5
TERMS = ["policy", "ln_trans", "ln_gdp", "saver", "edu", "country"]
SIZE = f"{CITIES} cities, {YEARS} years, {len(TERMS)} regressors"
MODEL = {"outcome": "indg", "regressors": TERMS, "unit": "city", "time": "year"}


@pytest.fixture(scope="module")
def cities() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    df = pd.DataFrame(itertools.product(range(CITIES), range(2003, 2003 + YEARS)), columns=["city", "year"])
    df["policy"] = ((df["city"] < 28) & (df["year"] >= 2010 + df["city"] % 5)).astype(float)
    for term in TERMS[1:]:
        df[term] = rng.normal(size=CITIES)[df["city"]] + rng.normal(size=len(df))
    df["indg"] = df[TERMS] @ np.full(len(TERMS), 0.1) + rng.normal(size=(CITIES, YEARS)).cumsum(axis=1).ravel()
    df["lat"], df["lon"] = rng.uniform(22, 45, CITIES)[df["city"]], rng.uniform(100, 125, CITIES)[df["city"]]
    return df


def peer(df: pd.DataFrame):
    """Pyfixest; no effect counted, because its 0.60 counts nested effects by an order that hangs on the hash seed."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The inplace keyword", category=pd.errors.Pandas4Warning)
        formula = f"indg ~ {' + '.join(TERMS)} | city + year"
        return pf.feols(formula, df, vcov={"CRV1": "city"}, ssc=pf.ssc(k_fixef="none"))


@pytest.mark.benchmark(group="two-way regression, 274 cities, 20 years, six regressors")
def test_regression(benchmark, cities):
    result = benchmark(twfe, cities, **MODEL)
    assert result.n_obs == CITIES * YEARS


@pytest.mark.benchmark(group="two-way regression, 274 cities, 20 years, six regressors")
def test_peer_pyfixest(benchmark, versus, cities):
    fit = benchmark(peer, cities)
    job = {"job": "Two-way regression, clustered errors", "size": SIZE, "package": "pyfixest"}
    result = versus(lambda: twfe(cities, **MODEL), **job, rounds=30)
    free = CITIES * YEARS - len(TERMS)
    np.testing.assert_allclose(result.estimate, fit.coef(), rtol=0, atol=1e-10)
    np.testing.assert_allclose(result.std_error, fit.se() * np.sqrt(free / (free - YEARS)), rtol=1e-8)


@pytest.mark.benchmark(group="two-way regression, 274 cities, 20 years, six regressors")
def test_jackknife_errors(benchmark, cities):
    result = benchmark(twfe, cities, **MODEL, vcov="cr3")
    assert (result.std_error > twfe(cities, **MODEL).std_error).all()


@pytest.mark.benchmark(group="two-way regression, 274 cities, 20 years, six regressors")
def test_conley_errors(benchmark, cities):
    result = benchmark(conley, cities, **MODEL, lat="lat", lon="lon", cutoff_km=300, lags=5)
    assert result.notes == ()


@pytest.mark.benchmark(group=f"wild cluster bootstrap: {DRAWS} draws, and a peer's {REFITS} refits")
def test_wild_bootstrap(benchmark, cities):
    result = benchmark(wild_cluster_bootstrap, cities, **MODEL, term="policy", n_boot=DRAWS, interval=True)
    assert len(result.draws) == DRAWS


@pytest.mark.benchmark(group=f"wild cluster bootstrap: {DRAWS} draws, and a peer's {REFITS} refits")
def test_peer_refits(benchmark, versus, cities):
    restricted = twfe(cities, **{**MODEL, "regressors": TERMS[1:]})
    residual = restricted.residuals.to_numpy()
    signs = np.random.default_rng(0).spawn(1)[0].choice([-1.0, 1.0], size=(100, CITIES))

    def refits() -> list[float]:
        flipped = (signs[draw][cities["city"]] * residual for draw in range(REFITS))
        tables = (cities.assign(indg=cities["indg"] - residual + new) for new in flipped)
        return [float(peer(table).tstat().iloc[0]) for table in tables]

    slow = benchmark.pedantic(refits, rounds=2)
    free = CITIES * YEARS - len(TERMS)
    fast = wild_cluster_bootstrap(cities, **MODEL, term="policy", n_boot=REFITS)
    np.testing.assert_allclose(fast.draws, np.array(slow) / np.sqrt(free / (free - YEARS)), rtol=1e-7)
    job = {
        "job": f"Wild cluster bootstrap, {DRAWS} draws",
        "size": SIZE,
        "package": "pyfixest",
        "way": "refits",
    }
    versus(lambda: wild_cluster_bootstrap(cities, **MODEL, term="policy", n_boot=DRAWS), **job, scale=DRAWS / REFITS)
