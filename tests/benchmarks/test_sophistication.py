"""PRODY and the decomposition of county sophistication against loops over groups, in one run (``make bench``).

The loop over county-years is timed on five counties and scaled to 200. Limits in seconds are of
processor time, so that they hold beside other work too.
"""

import itertools
from time import process_time

import numpy as np
import pandas as pd
import pytest

from regiometrics.measure.sophistication import decompose_sophistication, prody, sophistication

COUNTRIES, PRODUCTS = 150, 5_000
COUNTIES, INDUSTRIES, YEARS, LOOPED = 200, 150, range(2000, 2014), 5
TRADE = {"country": "country", "product": "hs6", "exports": "usd"}
OUTPUT = {"unit": "county", "time": "year", "industry": "gb", "value": "output"}
PARTS = {"centred": ["continuing", "entry", "exit"], "printed": ["between_counties", "within_county", "entry_exit"]}
SECONDS = {"prody": 0.1, "sophistication": 0.2}
TIMES_FASTER = {"prody": 20, "centred": 20, "printed": 20}

GROUP = (
    f"sophistication, {PRODUCTS} products x {COUNTRIES} countries, "
    f"{COUNTIES} counties x {INDUSTRIES} industries x {len(YEARS)} years"
)

pytestmark = pytest.mark.benchmark(group=GROUP)
processor_time = pytest.mark.benchmark(group=GROUP, timer=process_time)


@pytest.fixture(scope="module")
def trade() -> tuple[pd.DataFrame, pd.Series]:
    """All cells of a trade table with text codes, and GDP per head."""
    rng = np.random.default_rng(3)
    codes = [f"c{i:03}" for i in range(COUNTRIES)]
    df = pd.DataFrame(itertools.product(codes, [f"{i:06}" for i in range(PRODUCTS)]), columns=["country", "hs6"])
    df["usd"] = rng.lognormal(sigma=2, size=len(df))
    return df, pd.Series(rng.lognormal(2, 1, COUNTRIES), index=codes)


@pytest.fixture(scope="module")
def counties() -> tuple[pd.DataFrame, pd.Series]:
    """Output of counties by industry, a fifth of the cells empty, and complexity by industry."""
    rng = np.random.default_rng(4)
    industries = [f"i{i:03}" for i in range(INDUSTRIES)]
    places = [f"county {i:03}" for i in range(COUNTIES)]
    df = pd.DataFrame(itertools.product(places, YEARS, industries), columns=["county", "year", "gb"])
    df["output"] = rng.lognormal(sigma=1.5, size=len(df))
    keep = rng.random(len(df)) < 0.8
    return df[keep].reset_index(drop=True), pd.Series(rng.uniform(3, 20, INDUSTRIES), index=industries)


def loop_over_products(df: pd.DataFrame, income: pd.Series) -> np.ndarray:
    """Equation (3), one product after the other."""
    share = df["usd"] / df.groupby("country")["usd"].transform("sum")
    found = []
    for _, rows in df.assign(share=share).groupby("hs6"):
        weight = rows["share"] / rows["share"].sum()
        found.append(weight @ income[rows["country"]].to_numpy())
    return np.array(found)


def loop_over_counties(df: pd.DataFrame, complexity: pd.Series, method: str) -> pd.DataFrame:
    """The decomposition, one county and year after the other, each year matched with the one before by index."""
    found = []
    for _, rows in df.groupby("county"):
        years = {year: part.set_index("gb")["output"] for year, part in rows.groupby("year")}
        for year in YEARS[1:]:
            now, before = years[year], years[year - 1]
            p, p_before = complexity[now.index], complexity[before.index]
            share, share_before = now / now.sum(), before / before.sum()
            stay = now.index.intersection(before.index)
            enter, leave = now.index.difference(stay), before.index.difference(stay)
            if method == "centred":
                centre = (p @ share + p_before @ share_before) / 2
                continuing = ((p - centre)[stay] * (share[stay] - share_before[stay])).sum()
                entry = ((p - centre)[enter] * share[enter]).sum()
                found.append((continuing, entry, -((p_before - centre)[leave] * share_before[leave]).sum()))
            else:
                between = (p[stay] * now[stay]).sum() * (1 / now.sum() - 1 / before.sum())
                within = (p[stay] * (now[stay] - before[stay])).sum() / before.sum()
                gone = (p_before[leave] * share_before[leave]).sum()
                found.append((between, within, (p[enter] * share[enter]).sum() - gone))
    return pd.DataFrame(found, columns=PARTS[method])


@processor_time
def test_prody_of_5000_products(benchmark, trade):
    df, income = trade
    assert len(benchmark(prody, df, **TRADE, gdp_per_head=income)) == PRODUCTS
    assert benchmark.stats.stats.min < SECONDS["prody"]


@processor_time
def test_sophistication_of_200_counties(benchmark, counties):
    df, complexity = counties
    assert len(benchmark(sophistication, df, **OUTPUT, complexity=complexity)) == COUNTIES * len(YEARS)
    assert benchmark.stats.stats.min < SECONDS["sophistication"]


@processor_time
@pytest.mark.parametrize("method", PARTS)
def test_decomposition_of_200_counties(benchmark, counties, method):
    df, complexity = counties
    parts = benchmark(decompose_sophistication, df, **OUTPUT, complexity=complexity, method=method)
    assert len(parts) == COUNTIES * (len(YEARS) - 1)
    assert benchmark.stats.stats.min < SECONDS["sophistication"]


def test_peer_loop_over_products(benchmark, versus, trade):
    df, income = trade
    peer = benchmark.pedantic(loop_over_products, (df, income), rounds=2)
    ours = versus(
        lambda: prody(df, **TRADE, gdp_per_head=income),
        job="PRODY",
        size=f"{PRODUCTS:,} products, {COUNTRIES} countries",
        package="pandas",
        way="loop",
        at_least=TIMES_FASTER["prody"],
        rounds=10,
    )
    np.testing.assert_allclose(ours["prody"], peer, rtol=1e-12)


@pytest.mark.parametrize("method", PARTS)
def test_peer_loop_over_five_counties(benchmark, versus, counties, method):
    df, complexity = counties
    few = df[df["county"].isin(df["county"].unique()[:LOOPED])]
    peer = benchmark.pedantic(loop_over_counties, (few, complexity, method), rounds=3, warmup_rounds=1)
    ours = versus(
        lambda: decompose_sophistication(df, **OUTPUT, complexity=complexity, method=method),
        job=f"Decomposition of sophistication, {method}",
        size=f"{COUNTIES} counties, {INDUSTRIES} industries, {len(YEARS)} years",
        package="pandas",
        way="loop",
        scale=COUNTIES / LOOPED,
        at_least=TIMES_FASTER[method],
        rounds=10,
    )
    np.testing.assert_allclose(ours[PARTS[method]].iloc[: len(peer)], peer, atol=1e-11)
