"""Rebuild the files of ``delta/``: what the enlargement of 2010 did to the Yangtze delta's cities, on real series.

Sophistication needs a census of firms that nobody can ship. The design of p1 can be put to real data one level up: the
delta's 41 cities, of which 22 are members after 2010 and 19 are donors. GDP, its sectors, population, investment and
spending come from compilations of the China City Statistical Yearbook, employment by section from another. Rows of
these files are not kept, only what is estimated from them.

    python data/derived/make_delta_estimates.py            # compare with the files in the repository
    python data/derived/make_delta_estimates.py FOLDER     # write them there
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from make_coagglomeration import WORKBOOK, read_workbook
from make_zone_estimates import read
from rebuild import rebuild

from regiometrics.data.facts import MANUFACTURING, delta_cities, producer_services, transfer_zones
from regiometrics.estimate.modern_did import modern_did
from regiometrics.estimate.synthetic_control import SyntheticControlResult, synthetic_control
from regiometrics.estimate.synthetic_variants import ManySyntheticControlResult, conformal, synthetic_control_many

YEARS, START = (2000, 2013), 2010
FALSE_START = 2008  # two years before the enlargement
SDID = "synthetic difference-in-differences"
EMPLOYMENT_YEARS = (2003, 2012)  # in 2013 the yearbook begins to count private units, in some cities and not in others
CHAOHU = ("340100", "340200", "340500")  # Hefei, Wuhu and Ma'anshan took over its counties in 2011
DRAWS, SEED, BAND = 499, 1, 0.85  # with seven years before 2010 no band above 0.875 exists
EXACT = 1e-10  # squared error before 2010 that counts as none
KEYS = {"unit": "city", "time": "year", "start": START}
OUTCOMES = {
    "gdp_per_head": "ln GDP per head",
    "services_to_industry": "services to industry, value added",
    "producer_services": "ln producer services to manufacturing, persons",
    "coagglomeration": "co-agglomeration, quality and depth",
}
PREDICTORS = ("infra", "gov", "ln_density")


def economy(sources: Path) -> pd.DataFrame:
    """``city, year`` and what the yearbook's accounts give: log GDP per registered person, structure, predictors.

    GDP is at current prices: a price level common to all cities falls out of every effect, since weights sum to one.
    """
    table = read("panel", sources).rename(columns={"city": "name"})
    table = table[table["year"].between(*YEARS)].assign(city=table["city_code"].astype(str))
    gdp, population = table["gdp_100m"], table["hukou_pop_10k"]
    return table.assign(
        gdp_per_head=np.log(10_000 * gdp / population),  # yuan
        services_to_industry=table["gdp_tertiary_100m"] / table["gdp_secondary_100m"],
        infra=table["fai_100m"] / gdp,
        gov=table["fiscal_expenditure_100m"] / gdp,
        ln_density=np.log(table["land_area_km2"] / population),  # square kilometres for 10,000 persons, as p1 has it
    )[["city", "year", "gdp_per_head", "services_to_industry", *PREDICTORS]]


def employment(sources: Path) -> pd.DataFrame:
    """``city, year`` and the log of persons in producer services over those in manufacturing."""
    table = read_workbook(sources.joinpath(*WORKBOOK), EMPLOYMENT_YEARS)
    services = table[list(producer_services("p3_recovered"))].sum(axis=1)
    return table[["city", "year"]].assign(producer_services=np.log(services / table[MANUFACTURING]))


def panel(sources: Path) -> pd.DataFrame:
    """The 41 cities and all outcomes; ``group`` is incumbent, new or donor."""
    index = pd.read_csv(Path(__file__).with_name("city_coagglomeration_2003_2019.csv"), dtype={"adcode": str})
    index = index.rename(columns={"adcode": "city", "quality_depth_four": "coagglomeration"})
    index = index[index["year"].between(*EMPLOYMENT_YEARS)][["city", "year", "coagglomeration"]]
    table = economy(sources)
    for other in (employment(sources), index):
        table = table.merge(other, on=["city", "year"], how="left", validate="one_to_one")
    cities = delta_cities().set_index("adcode")[["group", "joined"]]
    return table.join(cities, on="city", how="inner").sort_values(["city", "year"], ignore_index=True)


def treated(table: pd.DataFrame) -> dict[str, list[str]]:
    """The cities of the three aggregates."""
    inside = table[table["group"] != "donor"].groupby("group")["city"].unique()
    members = {name: inside[name].tolist() for name in ("incumbent", "new")}
    return {"all": members["incumbent"] + members["new"], **members}


def of_outcome(table: pd.DataFrame, outcome: str, members: list[str]) -> pd.DataFrame:
    """The rows that one fit stands on: the aggregate's cities and the donors, in the years of the outcome."""
    rows = table[table["city"].isin(members) | (table["group"] == "donor")]
    return rows.dropna(subset=[outcome])


def fit(table: pd.DataFrame, outcome: str, members: list[str], **options: object) -> SyntheticControlResult:
    """A synthetic control of one aggregate."""
    rows = of_outcome(table, outcome, members)
    return synthetic_control(rows, **{**KEYS, **options}, outcome=outcome, treated=members, seed=SEED)


def city_by_city(table: pd.DataFrame, outcome: str, members: list[str]) -> ManySyntheticControlResult:
    """A penalised synthetic control of each city, in deviations from own means: no donor is as rich as the richest."""
    rows = of_outcome(table, outcome, members)
    before = rows[rows["year"] < START].groupby("city")[outcome].mean()
    rows = rows.assign(**{outcome: rows[outcome] - rows["city"].map(before)})
    return synthetic_control_many(rows, **KEYS, outcome=outcome, treated=members)


def row(outcome: str, group: str, method: str, specification: str = "main", **numbers: object) -> dict[str, object]:
    """One row of ``estimates.csv``."""
    return {"outcome": outcome, "group": group, "method": method, "specification": specification, **numbers}


def synthetic(result: SyntheticControlResult) -> dict[str, object]:
    """What is kept of a synthetic control."""
    effect, start = result.effect, result.start
    placed = result.placebo_in_space(kind="group", n_draws=DRAWS, statistic="att", placebo_v="fixed", seed=SEED)
    return {
        "estimate": result.att,
        "p_value": placed.p_value,
        "pre_rmspe": np.sqrt((effect[effect.index < start] ** 2).mean()),
        "n_donors": int((result.weights > 1e-6).sum()),
    }


def main_estimates(table: pd.DataFrame, outcome: str, group: str, members: list[str]) -> Iterator[dict[str, object]]:
    """Every estimator on one outcome and one aggregate."""
    rows = of_outcome(table, outcome, members)
    years = sorted(rows["year"].unique())
    lags = [year for year in (2000, 2003, 2006, 2009) if year in years]
    fits = {
        "levels": fit(table, outcome, members),
        "demeaned": fit(table, outcome, members, demean=True),
        "predictors": fit(table, outcome, members, predictors=PREDICTORS, lags=lags),
    }
    for name, result in fits.items():
        yield row(outcome, group, f"synthetic control, {name}", **synthetic(result))
    for statistic in ("rmspe_ratio", "att"):
        for donors in ("all", "above_mean_weight"):
            if statistic == "rmspe_ratio" and fits["demeaned"].loss < EXACT:
                continue  # fitted without error, so that no ratio exists
            single = fits["demeaned"].placebo_in_space(kind="single", donors=donors, statistic=statistic)
            method = f"single cities, {donors.replace('_', ' ')}, {statistic.replace('_', ' ')}"
            yield row(outcome, group, method, "placebo", p_value=single.p_value, smallest_p=single.smallest_p)
    many = city_by_city(table, outcome, members)
    chance = many.placebo(n_draws=DRAWS, seed=SEED)
    yield row(outcome, group, "city by city, penalised", estimate=many.att, p_value=chance.p_value)
    yield row(outcome, group, SDID, **synthetic_did(table, outcome, members))


def synthetic_did(table: pd.DataFrame, outcome: str, members: list[str], start: int = START) -> dict[str, object]:
    """Synthetic difference-in-differences with its jackknife error."""
    rows = of_outcome(table, outcome, members)
    rows = rows.assign(adoption=rows["city"].isin(members).map({True: float(start), False: np.nan}))
    columns = {"unit": "city", "time": "year", "outcome": outcome, "adoption": "adoption"}
    effect = modern_did(rows, **columns, estimator="synthetic_did")
    return {name: getattr(effect, name) for name in ("estimate", "std_error", "p_value", "low", "high")}


def variations(table: pd.DataFrame, outcome: str, group: str, members: list[str]) -> Iterator[dict[str, object]]:
    """Two estimators on other samples, and at a date before there was a treatment."""
    zones = transfer_zones()
    zone = zones.loc[zones["adoption"] == START, "adcode"]  # another policy of the same year, in Anhui
    samples = {
        "from 2006": table[table["year"] >= 2006],
        "without the entrants of 2013": table[table["joined"] != 2013],
        "without the heirs of Chaohu": table[~table["city"].isin(CHAOHU)],
        "without the zone of 2010": table[~table["city"].isin(zone)],
    }
    for name, sample in samples.items():
        kept = [city for city in members if city in set(sample["city"])]
        result = fit(sample, outcome, kept, demean=True)
        yield row(outcome, group, "synthetic control, demeaned", name, **synthetic(result))
        yield row(outcome, group, SDID, name, **synthetic_did(sample, outcome, kept))
    whole = fit(table, outcome, members, demean=True)
    earlier = whole.placebo_in_time(FALSE_START)
    yield row(outcome, group, "synthetic control, demeaned", "placebo date", **synthetic(earlier))
    before = table[table["year"] < START]
    yield row(outcome, group, SDID, "placebo date", **synthetic_did(before, outcome, members, FALSE_START))
    left_out = whole.leave_one_out()["att"]
    ends = {"low": left_out.min(), "high": left_out.max()}
    yield row(outcome, group, "synthetic control, demeaned", "one donor left out", estimate=whole.att, **ends)


def path(table: pd.DataFrame, outcome: str, group: str, members: list[str]) -> pd.DataFrame:
    """Means of the aggregate, of its synthetic control (demeaned), the effect and its conformal band."""
    result = fit(table, outcome, members, demean=True)
    frame = pd.DataFrame({"actual": result.actual, "synthetic": result.synthetic, "effect": result.effect})
    options = {"outcome": outcome, "treated": members, "demean": True}
    band = conformal(of_outcome(table, outcome, members), **KEYS, **options, level=BAND).to_frame().set_index("time")
    frame = frame.join(band[["low", "high"]]).rename_axis("year").reset_index()
    return frame.assign(outcome=outcome, group=group)[["outcome", "group", *frame.columns]]


def by_city(table: pd.DataFrame, outcome: str) -> pd.DataFrame:
    """The effect in each member city."""
    found = city_by_city(table, outcome, treated(table)["all"]).by_unit.rename(columns={"unit": "city"})[
        ["city", "att"]
    ]
    return found.assign(outcome=outcome)[["outcome", "city", "att"]]


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """The files of ``delta/``."""
    table = panel(sources)
    groups = treated(table)
    pairs = [(outcome, group, members) for outcome in OUTCOMES for group, members in groups.items()]
    estimates = [found for pair in pairs for work in (main_estimates, variations) for found in work(table, *pair)]
    return {
        "estimates.csv": pd.DataFrame(estimates),
        "paths.csv": pd.concat([path(table, *pair) for pair in pairs]),
        "cities.csv": pd.concat([by_city(table, outcome) for outcome in OUTCOMES]),
    }


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).parent / "delta", digits="%.8g"))
