"""Cities of eleven clusters with planted division of labour, green efficiency, capital and rank-size.

The processes behind the regressors are drawn first, then efficiency by the equation that shall hold. Employment by
section is what gives the planted division index, output and sulphur dioxide are what gives the planted efficiency: one
city outside the clusters spans the frontier of all years. Codes and names are real, every number about them invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.data.facts import SECTIONS, eleven_clusters, producer_services, secondary_sector
from regiometrics.data.load import Bundle
from regiometrics.data.published import in_text, table
from regiometrics.errors import DomainError, require_choice
from regiometrics.measure.efficiency import capital_stock
from regiometrics.measure.hierarchy import rank_size

Floats = npt.NDArray[np.float64]
Equation = Literal["static", "dynamic", "mediated"]

REFERENCE_CITY = "990000"
"""Code of the city whose last year spans the frontier; it belongs to no cluster."""

ORDINARY, LEFT_OUT = ("330200", "440300"), ("460100",)
"""Ningbo and Shenzhen, here no centres, and Haikou: without them the 24 centres by the paper's rule are its 21."""

YEARS = np.arange(2008, 2018)
PRINTED_YEARS = (2008, 2013, 2017)  # of table 3
CONTROLS = ("ln_fdi", "ln_gov", "ln_inv", "ln_edu")
LEVELS: Mapping[str, tuple[float, float, float]] = MappingProxyType(
    {
        "ln_fdi": (4.6, 0.80, 0.25),
        "ln_gov": (8.3, 0.35, 0.15),
        "ln_inv": (0.9, 0.25, 0.15),
        "ln_edu": (4.9, 0.70, 0.15),
    }
)
"""Log of a control per 10,000 persons: mean in the first year, deviation between cities, and within them."""

GROWTH = {"ln_fdi": 0.05, "ln_gov": 0.12, "ln_inv": 0.08, "ln_edu": 0.02, "ln_trans": 0.06}
"""Yearly growth of the logs; that of investment is at constant prices."""

PERSISTENCE = 0.5  # of every regressor's deviation from the level of its city
BURN_IN = 30  # years before the first, so that the dynamic equation starts from its stationary distribution
FREIGHT, FREIGHT_SPREAD, FREIGHT_WITHIN = 2.7, 0.5, 0.30  # log of 10,000 t per 10,000 persons
DISTANCE = (40.0, 300.0)  # km to the nearest centre
DIVISION = {True: (0.4, 1.1), False: (0.1, 0.8)}  # range of the cities' levels of ln div, by being a centre
DIVISION_WITHIN, LEAST_DIVISION = 0.17, 0.02
OWN_LEVEL = 0.25  # half the range of the city levels of ln h that no regressor explains
PASSED_ON = 0.3  # part of the regressors' differences between cities of a kind that ln h shows; city effects offset it
NOISE = 0.10  # standard deviation of the error of ln h
TREND, SHOCK = 0.015, 0.02  # of ln h, common to all cities
SLACK_ROOM = 0.05  # distance of ln h from the largest value that the inputs allow
DEPRECIATION = 0.1096
OUTPUT_PER_HEAD, LEAST_REFERENCE = 12.0, 0.8  # reference city: 10,000 yuan in the last year, efficiency in the first
SULPHUR, CLEANLINESS, CLEANLINESS_WITHIN = 8.0, 1.0, 0.3  # t per 10^8 yuan at the frontier; logits of distance from it
MEAN_POPULATION, POPULATION_GROWTH = 450.0, 0.005  # 10,000 persons, of a cluster's cities
MANUFACTURING_SHARE, SERVICES_RATIO = 0.10, 0.35  # manufacturing over population, services over manufacturing
INFLATION, INVESTMENT_INFLATION = 0.03, 0.025


def panel(
    seed: int | np.random.Generator = 0,
    *,
    equation: Equation = "static",
    interaction: float = 0.0,
    population_noise: float = 0.0,
) -> Bundle:
    r"""Own-data tables of p2 with planted truth.

    Parameters
    ----------
    seed : int or Generator
        The same seed gives the same tables.
    equation : {"static", "dynamic", "mediated"}
        What generates efficiency; the tables of the paper cannot hold all at once. ``"static"``: columns (2) and (3)
        of table 1. ``"dynamic"``: column (1) of table 2 for all cities. ``"mediated"``: non-central cities as in
        column (3) of table 5, where transport also acts directly; centres, and the controls, as in table 1.
    interaction : float
        Added to the coefficient of ln div in the non-central cities of the north.
    population_noise : float
        Standard deviation of log population around the rank-size rule.

    Returns
    -------
    Bundle
        ``tables``: ``city_year, employment, cities``, see `regiometrics.data.schemas`. ``city_year`` also holds
        `REFERENCE_CITY`, whose efficiency of 2017 is 1 and without which the efficiencies are not the planted ones.
        ``truth["cells"]``: ``city, year, central, hgdp, ln_hgdp, capital, div, ln_div``; the capital is that of the
        base rule "shan".
        ``truth["coefficients"]``: ``outcome, group, term, coefficient``, the group being ``central`` or
        ``non_central``. The outcome ``disparity`` (log ratio) is implied: the coefficients of the non-central cities'
        efficiency with the other sign. ``region`` and ``core`` are level shifts, which city effects absorb.
        ``truth["rank_size"]``: ``cluster, year, q``, exact without ``population_noise``.
        ``calibration``: each target as published and as simulated.

    Raises
    ------
    DomainError
        An unknown ``equation``, an ``interaction`` outside (-0.5, 0.5), a negative ``population_noise``.

    Notes
    -----
    :math:`\ln h_{it} = \rho \ln h_{i,t-1} + \mu_i + \lambda_t + \alpha \ln div_{it} + X_{it}'\gamma +
    \delta_1 region_i + \delta_2 core_i + \varepsilon_{it}`, and :math:`\ln div_{it} = m_i + 0.379 \ln trans_{it} +
    u_{it}` in non-central cities. Deviations from the city levels are stationary and independent of :math:`\mu_i`,
    which goes with the levels of the regressors, not with region and core. So the level equations of system GMM may
    take differences of the regressors, and region and core, as instruments; the regressors themselves are none.
    With one reference :math:`(x^*, y^*, b^*)` the best multiple of it for a city of output :math:`y` gives no more than
    :math:`y`, and equation (1) of Tone (2003) becomes
    :math:`h = (a_1 + a_2)/(2 + c)` with :math:`a_j = (x_j^*/y^*)(y/x_j)` and :math:`c = 1 - (b^*/y^*)(y/b)`. Given
    population, capital, :math:`h` and :math:`c` this yields :math:`y` and :math:`b`; :math:`a_j \le 1` bounds
    :math:`h`, and sets its level.
    The manufacturing of a cluster is split between its centres and the others so that the quotients' weighted mean,
    which is 1 by definition, is 1.

    Examples
    --------
    >>> bundle = panel(seed=1)
    >>> bundle.tables["city_year"].shape, bundle.tables["cities"]["central"].sum().item()
    ((1570, 12), 21)
    >>> bundle.truth["coefficients"].query("outcome == 'ln_hgdp' and term == 'ln_div'")["coefficient"].tolist()
    [0.194, 0.102]
    """
    require_choice("equation", equation, Equation)
    if not abs(interaction) < 0.5:
        raise DomainError(f"interaction={interaction} leaves no room", remedy="plant one between -0.5 and 0.5")
    if not population_noise >= 0:
        raise DomainError(f"population_noise={population_noise}", remedy="give a standard deviation")
    streams = np.random.default_rng(seed).spawn(6)
    cities = _cities(streams[0])
    population = _population(streams[1], cities, population_noise)
    drawn = _regressors(streams[2], cities, population[:, 0])
    coefficients = _coefficients(equation, interaction)
    path = _efficiency_path(streams[3], cities, drawn, coefficients)
    city_year, cells = _economy(streams[4], cities, population, drawn, path)
    cells["ln_div"] = drawn.of("ln_div").ravel()
    cells.insert(6, "div", np.exp(cells["ln_div"]))
    planted_q = _q_by_year().reset_index().melt("cluster", var_name="year", value_name="q")
    columns = ["city", "cluster", "central", "north", "distance_to_centre", "cluster_zh", "name", "name_zh"]
    return Bundle(
        tables={
            "city_year": city_year,
            "employment": _employment(streams[5], cities, population, drawn.of("ln_div")),
            "cities": cities[columns],
        },
        source="simulated",
        truth={"cells": cells, "coefficients": coefficients, "rank_size": planted_q},
        calibration=_calibration(city_year, cities),
        notes=(
            f"SIMULATED DATA (seed {seed})",
            "codes and names of the cities are real, every number about them is invented",
            f"one more city, {REFERENCE_CITY}, spans the frontier and belongs to no cluster",
        ),
    )


@dataclass(frozen=True)
class _Drawn:
    """Regressors as level of the city and deviation from it, which starts `BURN_IN` years early."""

    level: Mapping[str, Floats]
    deviation: Mapping[str, Floats]

    def of(self, name: str) -> Floats:
        """Cities x `YEARS`, with the growth that all cities share."""
        growth = GROWTH.get(name, 0.0) * np.arange(len(YEARS))
        return np.asarray(self.level[name][:, None] + growth + self.deviation[name][:, BURN_IN:])


def _cities(rng: np.random.Generator) -> pd.DataFrame:
    """The 156 cities, centres first within each cluster, with invented distances."""
    listed = eleven_clusters()
    listed = listed[listed["candidate"] & ~listed["adcode"].isin(LEFT_OUT)]
    cities = listed.assign(
        cluster=pd.Categorical(listed["cluster"], listed["cluster"].unique()),
        central=listed["central"] & ~listed["adcode"].isin(ORDINARY),
    ).sort_values(["cluster", "central"], ascending=[True, False], kind="stable")
    names = {"adcode": "city", "city": "name", "city_zh": "name_zh"}
    cities = cities.rename(columns=names).astype({"cluster": str})
    distance = rng.uniform(*DISTANCE, len(cities)).round()
    return cities.assign(distance_to_centre=np.where(cities["central"], 0.0, distance)).reset_index(drop=True)


def _population(rng: np.random.Generator, cities: pd.DataFrame, noise: float) -> Floats:
    """Cities x years, 10,000 persons: a power of the rank with the exponent of table 3; centres are the largest."""
    q = _q_by_year()
    population = np.empty((len(cities), len(YEARS)))
    growth = np.exp(POPULATION_GROWTH * np.arange(len(YEARS)))
    for name, exponent in zip(q.index, q.to_numpy(), strict=True):
        rows = np.flatnonzero(cities["cluster"] == name)
        n_centres = int(cities["central"].to_numpy()[rows].sum())
        rank = 1.0 + np.concatenate([np.arange(n_centres), n_centres + rng.permutation(len(rows) - n_centres)])
        law = rank[:, None] ** -exponent
        population[rows] = MEAN_POPULATION * growth * law / law[:, :1].mean()
    return np.asarray(population * np.exp(noise * rng.standard_normal(len(cities)))[:, None])


def _regressors(rng: np.random.Generator, cities: pd.DataFrame, population: Floats) -> _Drawn:
    """Controls, freight and the division index; the latter follows transport in the non-central cities."""
    n, central = len(cities), cities["central"].to_numpy()
    level, deviation = {}, {}
    for name, (mean, between, within) in LEVELS.items():
        level[name] = mean + np.log(population) + between * _bounded(rng, n)
        deviation[name] = within * _autoregression(rng, n)
    freight = FREIGHT + np.log(population) + FREIGHT_SPREAD * _bounded(rng, n)
    level["ln_trans"] = freight + np.log(cities["distance_to_centre"].where(~central, 1.0).to_numpy())
    deviation["ln_trans"] = FREIGHT_WITHIN * _autoregression(rng, n)
    through = np.where(central, 0.0, _printed(5, "mediator_equation")["ln_trans"])[:, None]
    deviation["ln_div"] = through * deviation["ln_trans"] + DIVISION_WITHIN * _autoregression(rng, n)
    low, high = np.where(central, *(np.array(DIVISION[kind])[:, None] for kind in (True, False)))
    least = LEAST_DIVISION - deviation["ln_div"][:, BURN_IN:].min(axis=1)
    level["ln_div"] = np.maximum(rng.uniform(low, high), least)
    return _Drawn(level, deviation)


def _bounded(rng: np.random.Generator, n: int) -> Floats:
    """Uniform draws of variance 1."""
    return np.asarray(np.sqrt(3) * rng.uniform(-1, 1, n))


def _autoregression(rng: np.random.Generator, n: int) -> Floats:
    """Stationary draws of variance 1, cities x years, burn-in included."""
    draws = rng.standard_normal((n, BURN_IN + len(YEARS)))
    for t in range(1, draws.shape[1]):
        draws[:, t] = PERSISTENCE * draws[:, t - 1] + np.sqrt(1 - PERSISTENCE**2) * draws[:, t]
    return draws


def _efficiency_path(
    rng: np.random.Generator, cities: pd.DataFrame, drawn: _Drawn, coefficients: pd.DataFrame
) -> Floats:
    """Log efficiency up to a constant, cities x years, by the equation that shall hold."""
    slopes = _by_city(cities, coefficients)
    rho = slopes["L1.ln_hgdp"]
    level, deviation = np.zeros(len(cities)), np.zeros((len(cities), BURN_IN + len(YEARS)))
    for name in drawn.level:
        level += slopes[name] * drawn.level[name]
        deviation += slopes[name][:, None] * drawn.deviation[name]
    deviation += NOISE * rng.standard_normal(deviation.shape)
    for t in range(1, deviation.shape[1]):
        deviation[:, t] += rho * deviation[:, t - 1]
    several = cities.groupby("cluster")["central"].transform("sum") > 1
    # the city effect may go with the regressors, not with region and core: what they mean by kind is not offset
    kinds = [cities["central"], cities["north"], several]
    of_kind, of_role = (pd.Series(level).groupby(kinds[:n]).transform("mean").to_numpy() for n in (3, 1))
    shift = (slopes["region"] * cities["north"] + slopes["core"] * several).to_numpy()
    explained = of_kind - of_role + PASSED_ON * (level - of_kind) + shift
    own = rng.uniform(-OWN_LEVEL, OWN_LEVEL, len(cities)) + explained / (1 - rho)
    common = TREND * np.arange(len(YEARS)) + SHOCK * rng.standard_normal(len(YEARS))
    return np.asarray(own[:, None] + common + deviation[:, BURN_IN:])


def _by_city(cities: pd.DataFrame, coefficients: pd.DataFrame) -> dict[str, Floats]:
    """Coefficients of the equation of efficiency, term to one value per city, zero where a term is not in it."""
    planted = coefficients[coefficients["outcome"] == "ln_hgdp"].pivot(
        index="group", columns="term", values="coefficient"
    )
    groups = np.where(cities["central"], "central", "non_central")
    terms = ["L1.ln_hgdp", "ln_div", "ln_trans", *CONTROLS, "region", "core", "region_x_ln_div"]
    slopes = planted.reindex(columns=terms).fillna(0.0).loc[groups]
    by_term = {term: slopes[term].to_numpy() for term in terms}
    return by_term | {"ln_div": by_term["ln_div"] + by_term["region_x_ln_div"] * cities["north"].to_numpy()}


def _keys(cities: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame({"city": cities["city"].repeat(len(YEARS)).to_numpy(), "year": np.tile(YEARS, len(cities))})


def _capital(cities: pd.DataFrame, investment: Floats) -> Floats:
    """Cities x years, from real investment."""
    flow = _keys(cities).assign(investment=investment.ravel())
    result = capital_stock(flow, unit="city", time="year", investment="investment", delta=DEPRECIATION)
    return result.to_frame().pivot(index="unit", columns="time", values="capital").loc[cities["city"]].to_numpy()


def _economy(
    rng: np.random.Generator, cities: pd.DataFrame, population: Floats, drawn: _Drawn, path: Floats
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The table ``city_year`` and the planted efficiency and capital, given population and investment."""
    years = np.arange(len(YEARS))
    investment = np.exp(drawn.of("ln_inv"))
    capital = _capital(cities, investment)
    usual = np.exp(np.log(capital / population).mean())
    ln_h, output, so2 = _outputs(rng, path, population, capital / usual)
    prices = INFLATION * years + 0.01 * np.cumsum(rng.standard_normal(output.shape) * (years > 0), axis=1)
    rising = np.exp(INVESTMENT_INFLATION * years)
    distance = cities["distance_to_centre"].where(~cities["central"], 1.0).to_numpy()[:, None]
    steady = np.full(len(years), MEAN_POPULATION)  # reference city: its stock of capital stands still too
    reference = OUTPUT_PER_HEAD * steady * np.linspace(LEAST_REFERENCE, 1, len(years))
    columns = {
        "population": (population, steady),
        "gdp": (output * np.exp(prices), reference * np.exp(INFLATION * years)),
        "gdp_deflator": (np.exp(prices), np.exp(INFLATION * years)),
        "investment": (investment * rising, DEPRECIATION * usual * steady * rising),
        "investment_deflator": (np.broadcast_to(rising, output.shape), rising),
        "so2": (so2, SULPHUR * reference),
        "fdi": (np.exp(drawn.of("ln_fdi")), steady * np.exp(LEVELS["ln_fdi"][0])),
        "students": (np.exp(drawn.of("ln_edu")), steady * np.exp(LEVELS["ln_edu"][0])),
        "spending": (np.exp(drawn.of("ln_gov")), steady * np.exp(LEVELS["ln_gov"][0])),
        "freight": (np.exp(drawn.of("ln_trans")) / distance, steady * np.exp(FREIGHT)),
    }
    keys = _keys(cities)
    city_year = pd.concat([keys, pd.DataFrame({"city": REFERENCE_CITY, "year": YEARS})], ignore_index=True)
    values = {name: np.concatenate([of_cities.ravel(), last]) for name, (of_cities, last) in columns.items()}
    cells = keys.assign(
        central=cities["central"].repeat(len(years)).to_numpy(),
        hgdp=np.exp(ln_h).ravel(),
        ln_hgdp=ln_h.ravel(),
        capital=capital.ravel(),
    )
    return city_year.assign(**values), cells


def _outputs(
    rng: np.random.Generator, path: Floats, population: Floats, equipped: Floats
) -> tuple[Floats, Floats, Floats]:
    """Log efficiency, output and sulphur dioxide; ``equipped`` is the population that the reference gives the capital.

    The larger of the two inputs' ratios is 1 at most, which bounds efficiency; the path is shifted below the bound.
    """
    relative = equipped / population
    limit = (1 + np.minimum(relative, 1 / relative)) / 2
    ln_h = path - (path - np.log(limit)).max() - SLACK_ROOM
    h = np.exp(ln_h)
    logit = rng.uniform(-CLEANLINESS, CLEANLINESS, (len(h), 1)) + CLEANLINESS_WITHIN * rng.standard_normal(h.shape)
    excess = np.minimum(1, 2 * limit / h - 2) / (1 + np.exp(logit))
    output = OUTPUT_PER_HEAD * h * (2 + excess) / (1 / population + 1 / equipped)
    return ln_h, output, SULPHUR * output / (1 - excess)


def _employment(rng: np.random.Generator, cities: pd.DataFrame, population: Floats, ln_div: Floats) -> pd.DataFrame:
    """Persons by section that return the division index: manufacturing by city, services in proportion to it.

    Manufacturing is split between centres and others so that services add up to their part of the cluster.
    """
    n, n_years, central = len(cities), len(YEARS), cities["central"].to_numpy()[:, None]
    relative = np.exp(np.where(central, ln_div, -ln_div))
    weight = population * np.exp(0.3 * rng.standard_normal((n, 1)))
    manufacturing, services = np.empty_like(weight), np.empty_like(weight)
    for rows in cities.groupby("cluster").indices.values():
        ratio = SERVICES_RATIO * np.exp(0.02 * np.cumsum(rng.standard_normal(n_years)))
        parts = [np.where(kind, weight[rows], 0.0) for kind in (central[rows], ~central[rows])]
        parts = [part / part.sum(axis=0) for part in parts]
        above, below = ((part * relative[rows]).sum(axis=0) for part in parts)
        of_centres = (1 - below) / (above - below)
        share = of_centres * parts[0] + (1 - of_centres) * parts[1]
        manufacturing[rows] = 1e4 * MANUFACTURING_SHARE * population[rows].sum(axis=0) * share
        services[rows] = relative[rows] * ratio * manufacturing[rows]
    others = (manufacturing + services) * rng.uniform(0.6, 1.2, (n, 1))
    frame = _keys(cities)
    secondary, producer = list(secondary_sector()), list(producer_services("p2"))
    rest = [letter for letter in SECTIONS if letter not in {*secondary, *producer}]
    for persons, letters in ((manufacturing, secondary), (services, producer), (others, rest)):
        split = np.repeat(rng.dirichlet(np.full(len(letters), 10.0), n), n_years, axis=0)
        frame[letters] = persons.reshape(-1, 1) * split
    return frame[["city", "year", *SECTIONS]]


def _coefficients(equation: Equation, interaction: float) -> pd.DataFrame:
    """The truth of that name: the printed coefficients of the tables that the equation stands on."""
    efficiency = {"central": _printed(1, "central_cities"), "non_central": _printed(1, "non_central_cities")}
    shifts = {"region": _printed(2, "regional_heterogeneity")["region"]}
    shifts["core"] = _printed(2, "structural_heterogeneity")["core"]
    if equation == "dynamic":
        efficiency = dict.fromkeys(efficiency, _printed(2, "regional_heterogeneity"))
    if equation == "mediated":
        efficiency["non_central"] = efficiency["non_central"] | _printed(5, "mediation_effect")
    if interaction:
        efficiency["non_central"] = efficiency["non_central"] | {"region_x_ln_div": interaction}
    rows: list[tuple[str, str, str, float]] = []
    for group, terms in efficiency.items():
        named = {"L1.ln_hgdp" if term == "hgdp_lag1" else term: value for term, value in (terms | shifts).items()}
        named.pop("constant", None)
        rows += [("ln_hgdp", group, term, value) for term, value in named.items()]
        if equation != "dynamic" and group == "non_central":
            varying = {term: value for term, value in named.items() if term not in shifts}
            rows += [("disparity", group, term, -value) for term, value in varying.items()]
    rows.append(("ln_div", "non_central", "ln_trans", _printed(5, "mediator_equation")["ln_trans"]))
    return pd.DataFrame(rows, columns=["outcome", "group", "term", "coefficient"])


def _calibration(city_year: pd.DataFrame, cities: pd.DataFrame) -> pd.DataFrame:
    """Published against simulated: numbers of cities and observations, and table 3 from the populations."""
    text = in_text("p2").set_index("item")["value"]
    counted = table("p2", 1).query("term == 'n_obs'").set_index("column_label")["value"].astype(float)
    n, n_centres, n_years = len(cities), int(cities["central"].sum()), city_year["year"].nunique()
    rows: list[tuple[str, str, float, float]] = [
        ("count", "n_cities", float(text["n_cities"]), n),
        ("count", "n_clusters", float(text["n_clusters"]), cities["cluster"].nunique()),
        ("n_obs", "cluster_all_cities", counted["cluster_all_cities"], n * n_years),
        ("n_obs", "central_cities", counted["central_cities"], n_centres * n_years),
        ("n_obs", "non_central_cities", counted["non_central_cities"], (n - n_centres) * n_years),
    ]
    in_print = city_year[city_year["year"].isin(PRINTED_YEARS)].merge(cities, on="city")
    ranked = rank_size(in_print, unit="city", cluster="cluster", population="population", time="year")
    drawn = ranked.to_frame().pivot(index="cluster", columns="time", values="q")
    printed = _q_by_year()
    for year in PRINTED_YEARS:
        both = zip(printed.index, printed[year], drawn.loc[printed.index, year], strict=True)
        rows += [(f"q_{year}", name, published, simulated) for name, published, simulated in both]
    frame = pd.DataFrame(rows, columns=["moment", "group", "published", "simulated"])
    return frame.assign(gap=frame["simulated"] / frame["published"] - 1)


@cache
def _q_by_year() -> pd.DataFrame:
    """Exponent of rank-size, clusters x years: table 3, and straight lines between its years."""
    printed = table("p2", 3).set_index("cluster")[[f"q_{year}" for year in PRINTED_YEARS]].astype(float)
    lines = [np.interp(YEARS, PRINTED_YEARS, row) for row in printed.to_numpy()]
    return pd.DataFrame(lines, index=printed.index, columns=YEARS)


@cache
def _printed(number: int, column: str) -> dict[str, float]:
    """Coefficients of a column of a printed table by term."""
    rows = table("p2", number).query("column_label == @column and row_kind == 'coefficient'")
    return dict(zip(rows["term"], rows["value"].astype(float), strict=True))
