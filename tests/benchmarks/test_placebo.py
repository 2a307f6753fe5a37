"""Placebo adoptions against refits by pyfixest, in one run (``make bench``).

A refit loop is timed on ten refits and scaled to 500, which at some 20 s would slow the suite.
"""

import itertools

import numpy as np
import pandas as pd
import pyfixest
import pytest

from regiometrics.estimate.placebo import draw_adoptions, placebo

CITIES, YEARS = 274, range(2003, 2023)
COHORTS = {2010: 13, 2011: 5, 2012: 4, 2013: 4, 2014: 2}
CONTROLS = ["trans", "gdp", "saver", "edu", "country"]
OPTIONS = {"unit": "city", "time": "year", "outcome": "y", "adoption": "approved", "controls": CONTROLS}
DRAWS, REFITS = 500, 10
STATISTICS = {"beta": "coefficients", "t": "clustered errors"}
TIMES_FASTER = {"beta": 1000, "t": 60}

pytestmark = [
    pytest.mark.benchmark(group=f"placebo, {CITIES} cities, {len(YEARS)} years, 28 treated, 5 controls"),
    # pyfixest 0.60.0 resets an index in place, which pandas 3.1 announces to drop
    pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:pandas.errors.Pandas4Warning"),
]


@pytest.fixture(scope="module")
def cities() -> pd.DataFrame:
    rng = np.random.default_rng(5)
    df = pd.DataFrame(itertools.product(range(CITIES), YEARS), columns=["city", "year"])
    starts = np.repeat([float(year) for year in COHORTS], list(COHORTS.values()))
    df["approved"] = rng.permutation(np.r_[starts, [np.nan] * (CITIES - len(starts))])[df["city"]]
    df[CONTROLS] = rng.normal(size=(len(df), len(CONTROLS)))
    df["y"] = rng.normal(size=len(df)) + df[CONTROLS].sum(axis=1) - 0.0253 * (df["year"] >= df["approved"])
    return df


def refits(df: pd.DataFrame) -> np.ndarray:
    """Coefficients and clustered errors of the first draws, one pyfixest regression each."""
    result = placebo(df, **OPTIONS, n=1)
    dates = np.append(result.times, np.nan)[draw_adoptions(result.starts, n_periods=len(result.times), n=REFITS)]
    found = []
    for approved in dates:
        table = df.assign(policy=(df["year"] >= approved[df["city"]]).astype(float))
        model = pyfixest.feols(
            f"y ~ policy + {' + '.join(CONTROLS)} | city + year",
            table,
            vcov={"CRV1": "city"},
            ssc=pyfixest.ssc(k_adj=False, G_adj=True),
        )
        found.append((model.coef()["policy"], model.se()["policy"]))
    return np.array(found)


def test_500_coefficients(benchmark, cities):
    assert len(benchmark(placebo, cities, **OPTIONS, n=DRAWS).draws) == DRAWS


def test_500_coefficients_with_gaps(benchmark, cities):
    gaps = cities.sample(frac=0.95, random_state=1)
    assert len(benchmark(placebo, gaps, **OPTIONS, n=DRAWS).draws) == DRAWS


def test_500_coefficients_with_clustered_errors(benchmark, cities):
    assert len(benchmark(placebo, cities, **OPTIONS, n=DRAWS, statistic="t").std_errors) == DRAWS


def test_100_000_coefficients(benchmark, cities):
    benchmark.pedantic(placebo, (cities,), {**OPTIONS, "n": 100_000}, rounds=3)
    assert benchmark.stats.stats.min < 5


@pytest.mark.parametrize("statistic", TIMES_FASTER)
def test_peer_ten_pyfixest_refits(benchmark, versus, cities, statistic):
    peer = benchmark.pedantic(refits, (cities,), rounds=3, warmup_rounds=1)
    ours = versus(
        lambda: placebo(cities, **OPTIONS, n=DRAWS, statistic=statistic),
        job=f"Placebo adoptions, {DRAWS} draws, {STATISTICS[statistic]}",
        size=f"{CITIES} cities, {len(YEARS)} years, {len(CONTROLS)} controls",
        package="pyfixest",
        way="refits",
        scale=DRAWS / REFITS,
        at_least=TIMES_FASTER[statistic],
        rounds=30,
    )
    assert ours.betas[:REFITS] == pytest.approx(peer[:, 0], abs=1e-9)
    if ours.std_errors is not None:
        counted = 1 + len(CONTROLS) + len(YEARS)
        errors = peer[:, 1] * np.sqrt((len(cities) - 1) / (len(cities) - counted))
        assert ours.std_errors[:REFITS] == pytest.approx(errors, abs=1e-9)
