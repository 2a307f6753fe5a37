"""Industries of the Yangtze delta's counties with a planted effect of the cluster's enlargement of 2010.

A path of sophistication is drawn for every county first: its level, two common factors, nine mediators, noise, and the
effect. The output of its industries is then tilted along their complexity until equation (4) of Deng, Pan and Li
returns that path; the complexity follows by equation (3) from drawn exports. The units are those of the divisions of
2010, every number about them is invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.data.facts import delta_cities, delta_counties
from regiometrics.data.load import Bundle
from regiometrics.data.published import in_text, table
from regiometrics.errors import ConvergenceError, DomainError, require_choice

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Effects = Literal["by_group", "by_type", "none"]

UNITS = {"incumbent": 67, "new": 32, "donor": 98}
"""Counties by group; the paper's base sample, 196, has one unit less than its groups."""

YEARS = np.arange(2000, 2014)
START = 2010

NOT_PRINTED = {("incumbent", "county_city"): 0.40}
"""The effect that the paper shows in a figure alone; the value is a choice."""

COVARIATES = {
    "ln_pergdp": (0.97, 0.13, 0.62),
    "urban": (0.30, 0.06, 1.0),
    "infra": (-0.55, 0.03, 1.0),
    "gov": (-0.90, 0.03, 0.70),
    "finan": (0.45, 0.03, 1.0),
    "human": (-0.35, 0.03, 1.0),
    "ln_density": (-0.30, 0.0, 1.0),
}
"""Correlation with the development of the county, trend a year (latent scale), and part of the printed gap of table 2.

Income and the size of government as printed leave so little variance within the groups (table 1) that no treated unit
would have a comparable donor.
"""


class Mediator(NamedTuple):
    """A mediator: its column in tables 5 and 6, and how it varies without enlargement."""

    label: str
    mean: float
    between: float
    trend: float
    within: float
    bounded: bool = False


MEDIATORS: Mapping[str, Mediator] = {
    "staff_growth": Mediator("employee_growth", mean=0.08, between=0.10, trend=0.0, within=0.50),
    "firm_growth": Mediator("firm_growth", mean=0.06, between=0.10, trend=0.0, within=0.30),
    "participation": Mediator("labour_participation", 0.35, between=0.06, trend=0.002, within=0.04, bounded=True),
    "ln_retail_per_head": Mediator("market_activity", mean=8.80, between=0.50, trend=0.11, within=0.20),
    "tax_burden": Mediator("tax_burden", mean=0.30, between=0.04, trend=0.0, within=0.10, bounded=True),
    "subsidy": Mediator("subsidy", mean=0.008, between=0.0015, trend=0.0, within=0.0015, bounded=True),
    "ln_science_spending": Mediator("science_expenditure", mean=7.50, between=0.90, trend=0.20, within=0.50),
    "patent_growth": Mediator("patent_growth", mean=0.20, between=0.05, trend=0.0, within=0.38),
    "patent_grant_rate": Mediator("patent_success", mean=0.45, between=0.08, trend=0.0, within=0.13, bounded=True),
}
"""Mean, deviations between counties and within them, trend a year; no level is printed, those here are choices."""

LOGS = {"ln_retail_per_head": "retail_per_head", "ln_science_spending": "science_spending"}
"""Mediators that enter as logs, and their levels in the table."""

COUNTRIES, PRODUCTS, INDUSTRIES = 120, 400, 150
SCALE = (3.5, 22.0)  # of the industries' complexity, thousand dollars: the printed range of the outcome and some room
ROOM = 0.3  # distance from a path's range at which an industry anchors the scale
NOISE = 0.3  # standard deviation of the path from year to year; at 0.8 an effect of 0.31 cannot be seen
WALK, DRIFT, LOADING = 0.12, (0.03, 0.0), (1.0, 0.7)  # factors: step, yearly drift, loadings' mean and deviation
TAILS, OF_DEVELOPMENT = 5, 0.3  # levels: degrees of freedom, correlation with development
ENDS = 4  # lowest, and highest, levels that are donors': at the ends of the range clipping would cut the effect
WITHIN = 0.25  # noise of a covariate from year to year, relative to its spread between counties
CONCENTRATION, LEAST_SHARE = 0.2, 1e-3  # base shares: Dirichlet parameter, smaller shares are absent
TURNOVER, SHARE_STEP = 0.12, 0.1  # industries that enter, and that leave; yearly step of log shares
GROWTH, GROWTH_SPREAD = 0.15, 0.12
OUTPUT = {"county": 5e6, "county_city": 2e7, "district": 3e7}  # median output in the first year, thousand yuan
EXACT, STEPS = 1e-13, 100  # of the tilting: relative error, most steps


def panel(seed: int | np.random.Generator = 0, *, effects: Effects = "by_group") -> Bundle:
    r"""Own-data tables of p1 with planted truth.

    Parameters
    ----------
    seed : int or Generator
        The same seed gives the same tables.
    effects : {"by_group", "by_type", "none"}
        The effects of section 4.1 on incumbent and new units (0.31, 0.54 thousand dollars), those of section 4.4 by
        type of county (which the paper does not print for incumbent county-level cities), or no effect of any kind.

    Returns
    -------
    Bundle
        ``tables``: ``trade, countries, concordance, county_industry, counties, county_year, mediators``, see
        `regiometrics.data.schemas`. Counties have their real codes and names of 2010; those of products, industries
        and countries are invented. Employment and capital follow output with noise, so that the sophistication that
        they weigh is similar to the planted one.
        ``truth["cells"]``: as `paths`.
        ``truth["effects"]``: ``group, type, counties, effect, direct``, averages over treated county-years; ``"all"``
        stands for every group or type, ``direct`` is the part that goes through no mediator.
        ``truth["mediation"]``: ``mediator, a, b, indirect``.
        ``truth["complexity"]``: ``industry, complexity``, thousand dollars.
        ``calibration``: each target moment as published and as simulated.

    Raises
    ------
    DomainError
        An unknown ``effects``.

    Notes
    -----
    :math:`S_{ct} = a_c + \lambda_c' F_t + \sum_m b_m (M^0_{mct} - \bar M^0_{mt}) + e_{ct} + \tau_c D_{ct}`, clipped to
    the printed range, with random walks :math:`F`, and mediators :math:`M_m = M^0_m + a_m D`; the direct effect is
    :math:`\tau_c - \sum_m a_m b_m`, so that the total stays :math:`\tau_c`.
    :math:`a_m` and :math:`b_m` are those of tables 5 and 6. The spread of :math:`a_c` gives the outcome the deviation
    2.017. Output shares are :math:`s_i \propto s^0_i e^{\kappa_{ct} P_i}` with the :math:`\kappa_{ct}` at which
    :math:`\sum_i s_i P_i = S_{ct}`; industries enter and leave before the tilting.
    The divisions of 2010 have 75 incumbent units and 100 donors. The eight and the two that were first made districts
    later on are pooled with the districts of their city: for incumbents, all that were districts by 2014.

    Examples
    --------
    >>> bundle = panel(seed=1)
    >>> bundle.truth["effects"].query("type == 'all'")[["group", "effect"]].round(3).values.tolist()
    [['all', 0.384], ['incumbent', 0.31], ['new', 0.54]]
    """
    drawn = _draw(seed, effects)
    covariates = _covariates(drawn.streams[0], drawn)
    trade, countries, concordance, complexity = _trade(drawn.streams[1])
    county_industry = _county_industry(drawn.streams[2], drawn, complexity)
    keys = drawn.cells[["county", "year"]]
    mediators = {name: values.ravel() for name, values in drawn.mediators.items()}
    levels = {LOGS.get(name, name): np.exp(v) if name in LOGS else v for name, v in mediators.items()}
    by_group = _effects(drawn)
    return Bundle(
        tables={
            "trade": trade,
            "countries": countries,
            "concordance": concordance,
            "county_industry": county_industry,
            "counties": drawn.units,
            "county_year": _county_year(keys, covariates),
            "mediators": keys.assign(**levels),
        },
        source="simulated",
        truth={
            "cells": drawn.cells,
            "effects": by_group,
            "mediation": _mediation(drawn.responses),
            "complexity": complexity.reset_index(),
        },
        calibration=_calibration(drawn, covariates, by_group),
        notes=(
            f"SIMULATED DATA (seed {seed})",
            "codes and names of the counties are those of 2010, every number about them is invented",
        ),
    )


def paths(seed: int | np.random.Generator = 0, *, effects: Effects = "by_group") -> pd.DataFrame:
    """Planted sophistication of every county and year, the ``truth["cells"]`` of `panel`, without the other tables.

    Returns
    -------
    DataFrame
        ``county, year, group, type, second_wave, did, soph, untreated, effect``: the path that the output returns, the
        one without enlargement, and their difference, in thousand dollars.

    Raises
    ------
    DomainError
        An unknown ``effects``.

    Examples
    --------
    >>> cells = paths(seed=1, effects="none")
    >>> len(cells), float(cells["effect"].abs().max())
    (2758, 0.0)
    """
    return _draw(seed, effects).cells


def tilt(shares: Floats, values: Floats, means: Floats) -> Floats:
    r"""Shares nearest to the given ones, in relative entropy, with a given mean value: :math:`s_i e^{\kappa v_i}`.

    Parameters
    ----------
    shares : array, shape (n, k)
        Not negative; a share of zero stays zero. Rows need not add up to 1.
    values : array, shape (k,)
        Value of each column.
    means : array, shape (n,)
        Mean that each row shall have, inside the range of its values.

    Returns
    -------
    array, shape (n, k)
        Rows add up to 1.

    Raises
    ------
    DomainError
        A mean outside the range of the values with a positive share.
    ConvergenceError
        A mean that cannot be met within rounding.

    Notes
    -----
    Newton's method on :math:`\kappa`, all rows at once, with bisection where a step leaves the bracket.

    Examples
    --------
    >>> tilt(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0.0, 1.0]), np.array([0.5, 0.75])).round(3).tolist()
    [[0.5, 0.5], [0.25, 0.75]]
    """
    there = shares > 0
    low = np.where(there, values, np.inf).min(axis=1)
    high = np.where(there, values, -np.inf).max(axis=1)
    impossible = ~((means > low) & (means < high))
    if impossible.any():
        raise DomainError(
            "a mean outside the range of the values", keys=np.flatnonzero(impossible), remedy="choose one inside it"
        )
    log_shares = np.log(shares, out=np.full(shares.shape, -np.inf), where=there)
    kappa, least, most = np.zeros(len(means)), np.full(len(means), -np.inf), np.full(len(means), np.inf)
    tolerance = EXACT * (np.abs(values).max() + 1)
    for _ in range(STEPS):
        tilted = special.softmax(log_shares + kappa[:, None] * values, axis=1)
        mean = tilted @ values
        gap = means - mean
        if np.abs(gap).max() < tolerance:
            return np.asarray(tilted)
        variance = tilted @ values**2 - mean**2
        least, most = np.where(gap > 0, kappa, least), np.where(gap < 0, kappa, most)
        step = np.clip(gap / np.maximum(variance, np.finfo(float).tiny), -1, 1)
        newton = kappa + step
        middle = (np.nan_to_num(least, neginf=0) + np.nan_to_num(most, posinf=0)) / 2
        kappa = np.where((newton > least) & (newton < most), newton, middle)
    raise ConvergenceError(
        "shares with these means were not found",
        keys=np.flatnonzero(np.abs(gap) >= tolerance),
        remedy="choose means further inside the range of the values",
    )


@dataclass(frozen=True)
class _Drawn:
    """Counties with their paths, and streams for the tables that are drawn around them."""

    units: pd.DataFrame
    development: Floats
    effect: Floats
    responses: Mapping[str, tuple[float, float]]
    mediators: Mapping[str, Floats]
    cells: pd.DataFrame
    streams: list[np.random.Generator]

    @property
    def soph(self) -> Floats:
        return self.cells["soph"].to_numpy().reshape(-1, len(YEARS))


def _draw(seed: int | np.random.Generator, effects: Effects) -> _Drawn:
    require_choice("effects", effects, Effects)
    design, path, mediation, *streams = np.random.default_rng(seed).spawn(6)
    units = _units()
    group = units["group"].to_numpy()
    development = np.empty(len(units))
    for name, size in UNITS.items():
        development[group == name] = design.permutation(_scores(size))
    effect = _effect_by_county(units, effects)
    responses = _responses(effects)
    treated = (group != "donor")[:, None] & (YEARS >= START)
    untreated_mediators = {name: _mediator(mediation, kind, len(units)) for name, kind in MEDIATORS.items()}
    mediators = {name: m + responses[name][0] * treated for name, m in untreated_mediators.items()}
    mediated = np.zeros(treated.shape)
    for name, m in untreated_mediators.items():
        mediated += responses[name][1] * (m - m.mean(axis=0))
    untreated = _untreated(path, group != "donor", development, mediated, effect[:, None] * treated)
    low, high = _printed_range("szong")
    without, soph = np.clip(untreated, low, high), np.clip(untreated + effect[:, None] * treated, low, high)
    n_years = len(YEARS)
    cells = pd.DataFrame(
        {
            "county": units["county"].repeat(n_years).to_numpy(),
            "year": np.tile(YEARS, len(units)),
            **{name: units[name].repeat(n_years).to_numpy() for name in ("group", "type", "second_wave")},
            "did": treated.ravel().astype(int),
            "soph": soph.ravel(),
            "untreated": without.ravel(),
            "effect": (soph - without).ravel(),
        }
    )
    return _Drawn(units, development, effect, responses, mediators, cells, streams)


def _units() -> pd.DataFrame:
    """As many units of each group as in the paper; those first made districts are pooled with their city's."""
    return _kept_divisions().copy()


@cache
def _kept_divisions() -> pd.DataFrame:
    divisions = delta_counties()
    order = divisions.sort_values("district_since", kind="stable").groupby("group").cumcount()
    surplus = divisions.groupby("group")["group"].transform("size") - divisions["group"].map(UNITS)
    kept = divisions[order.reindex(divisions.index) >= surplus].reset_index(drop=True)
    cities = delta_cities().set_index("adcode")
    kept["city_name"] = kept["city"].map(cities["city"])
    columns = ["county", "city", "province", "type", "group", "second_wave", "name", "name_zh", "city_name"]
    return kept[columns]


def _effect_by_county(units: pd.DataFrame, effects: Effects) -> Floats:
    """The planted effect of each county, zero for donors."""
    kinds = {"county": "county", "county_city": "county_level_city", "district": "district"}
    effect = np.zeros(len(units))
    if effects == "none":
        return effect
    for i, (group, kind) in enumerate(zip(units["group"], units["type"], strict=True)):
        if group == "donor":
            continue
        if effects == "by_group":
            effect[i] = _in_text()[f"scm_effect_{group}"]
        elif (group, kind) in NOT_PRINTED:
            effect[i] = NOT_PRINTED[group, kind]
        else:
            effect[i] = _in_text()[f"scm_effect_{group}_{kinds[kind]}"]
    return effect


def _responses(effects: Effects) -> dict[str, tuple[float, float]]:
    """Coefficients a (mediator on enlargement) and b (outcome on mediator) by mediator, as printed."""
    a, b = ({**_coefficients(f"5{panel}"), **_coefficients(f"6{panel}")} for panel in "ab")
    return {name: (a[m.label] * (effects != "none"), b[m.label]) for name, m in MEDIATORS.items()}


def _mediator(rng: np.random.Generator, kind: Mediator, n: int) -> Floats:
    """A mediator without enlargement, counties x years: level, trend, shock of each year, noise."""
    shape = n, len(YEARS)
    level = np.sqrt(12) * (_ranks(n) - 0.5) if kind.bounded else _scores(n)
    noise = np.sqrt(3) * rng.uniform(-1, 1, shape) if kind.bounded else rng.standard_normal(shape)
    year = kind.trend * (YEARS - YEARS.mean()) + 0.1 * kind.within * rng.standard_normal(len(YEARS))
    return np.asarray(kind.mean + kind.between * rng.permutation(level)[:, None] + year + kind.within * noise)


def _untreated(
    rng: np.random.Generator, treated: Bools, development: Floats, mediated: Floats, effect: Floats
) -> Floats:
    """Paths without enlargement; the levels are spread so that the outcome has the printed moments."""
    n = len(development)
    mixed = OF_DEVELOPMENT * development + np.sqrt(1 - OF_DEVELOPMENT**2) * rng.standard_normal(n)
    order = mixed.argsort()
    others = order[~treated[order]]
    order = np.concatenate([others[:ENDS], order[~np.isin(order, [*others[:ENDS], *others[-ENDS:]])], others[-ENDS:]])
    level = special.stdtrit(TAILS, _ranks(n))[order.argsort()][:, None]
    mean, spread = LOADING
    loadings = mean + spread * rng.standard_normal((n, len(DRIFT)))
    factors = np.cumsum(np.array(DRIFT) + WALK * rng.standard_normal((len(YEARS), len(DRIFT))), axis=0)
    around = loadings @ factors.T + mediated + NOISE * rng.standard_normal((n, len(YEARS)))
    level = np.broadcast_to(level, around.shape)
    moments = _moments()["szong"]
    covariance = np.cov(level.ravel(), (around + effect).ravel(), ddof=1)
    (a, b), c = covariance[0], covariance[1, 1] - moments["std_dev"] ** 2
    scaled = around + (np.sqrt(b**2 - a * c) - b) / a * level
    return np.asarray(scaled + moments["mean"] - (scaled + effect).mean())


def _ranks(n: int) -> Floats:
    return np.asarray((np.arange(n) + 0.5) / n)


def _scores(n: int) -> Floats:
    """Normal quantiles of n ranks, in rising order."""
    return np.asarray(special.ndtri(_ranks(n)))


def _covariates(rng: np.random.Generator, drawn: _Drawn) -> dict[str, Floats]:
    """Controls, counties x years: inside their printed range, with the printed moments and means by group."""
    n, n_years = len(drawn.units), len(YEARS)
    group = drawn.units["group"].to_numpy()
    covariates = {}
    for name, (of_development, trend, part) in COVARIATES.items():
        own = np.sqrt(1 - of_development**2) * rng.standard_normal(n)
        between = of_development * drawn.development + own
        for label in UNITS:
            between[group == label] -= between[group == label].mean()
        latent = between[:, None] + trend * (YEARS - YEARS.mean()) + WITHIN * rng.standard_normal((n, n_years))
        covariates[name] = _inside(name, latent, group, _group_means(name, part))
    return covariates


def _group_means(name: str, part: float) -> dict[str, float]:
    """Mean of a control by group: a part of the printed distance of the treated; the donors balance it."""
    overall = _moments()[name]["mean"]
    printed = _printed_means(name)
    means = {group: overall + part * (printed[group] - overall) for group in ("incumbent", "new")}
    treated = sum(UNITS[group] * (means[group] - overall) for group in means)
    return {**means, "donor": overall - treated / UNITS["donor"]}


def _inside(name: str, latent: Floats, group: npt.NDArray[np.object_], means: Mapping[str, float]) -> Floats:
    """A logistic curve of the latent variable between the printed ends, with these means and the printed deviation."""
    from scipy.optimize import root  # long to import, and needed here alone

    low, high = _printed_range(name)
    rows = {label: group == label for label in means}

    def curve(unknown: Floats) -> Floats:
        values = np.exp(unknown[-1]) * latent
        for row, shift in zip(rows.values(), unknown, strict=False):
            values[row] += shift
        return np.asarray(low + (high - low) * special.expit(values))

    def gaps(unknown: Floats) -> list[float]:
        drawn = curve(unknown)
        by_group = [drawn[rows[label]].mean() - mean for label, mean in means.items()]
        return [gap / (high - low) for gap in (*by_group, drawn.std(ddof=1) - _moments()[name]["std_dev"])]

    start = [*(special.logit((mean - low) / (high - low)) for mean in means.values()), -0.5]
    found = root(gaps, start)
    if not found.success:
        raise ConvergenceError(f"no curve gives {name} its printed moments", remedy="report the seed")
    return curve(found.x)


def _county_year(keys: pd.DataFrame, covariates: Mapping[str, Floats]) -> pd.DataFrame:
    """The table in the units of the schema."""
    values = {name: v.ravel() for name, v in covariates.items()}
    return keys.assign(
        pergdp=np.exp(values["ln_pergdp"]),
        urban=values["urban"],
        infra=values["infra"],
        gov=values["gov"],
        finance=values["finan"],
        human=values["human"],
        density=1e4 * np.exp(-values["ln_density"]),
    )


def _trade(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.Series]:
    """Exports on a ladder of products, incomes, the concordance, and the complexity of the industries by equation (3).

    Complexity is linear in the incomes, so that they can be put on the scale that gives it the wanted range.
    """
    place = _ranks(COUNTRIES)
    rung = np.sort(rng.uniform(0, 1, PRODUCTS))
    distance = (place[:, None] - rung) / 0.18
    size = rng.lognormal(22, 1.2, COUNTRIES)[:, None]
    exports = size * np.exp(-(distance**2) / 2 + 0.6 * rng.standard_normal(distance.shape))
    exports *= rng.uniform(size=exports.shape) > 0.25
    industry = rng.permutation(INDUSTRIES)[np.arange(PRODUCTS) * INDUSTRIES // PRODUCTS]
    share = exports / exports.sum(axis=1, keepdims=True)
    weight = share / share.sum(axis=0)
    income = 1 + 34 * place**1.3 * rng.uniform(0.9, 1.1, COUNTRIES)
    product = income @ weight
    raw = np.bincount(industry, product) / np.bincount(industry)
    slope = (SCALE[1] - SCALE[0]) / (raw.max() - raw.min())
    shift = SCALE[0] - slope * raw.min()
    countries = [f"C{i:03d}" for i in range(1, COUNTRIES + 1)]
    products = np.array([f"99{i:04d}" for i in range(1, PRODUCTS + 1)])
    industries = np.array([f"9{i:03d}" for i in range(1, INDUSTRIES + 1)])
    at = np.nonzero(exports)
    trade = pd.DataFrame({"country": np.array(countries)[at[0]], "hs6": products[at[1]], "exports": exports[at]})
    gdp = pd.DataFrame({"country": countries, "gdp_per_head": shift + slope * income})
    concordance = pd.DataFrame({"hs6": products, "industry": industries[industry]})
    index = pd.Index(industries, name="industry")
    return trade, gdp, concordance, pd.Series(shift + slope * raw, index, name="complexity")


def _county_industry(rng: np.random.Generator, drawn: _Drawn, complexity: pd.Series) -> pd.DataFrame:
    """Output tilted to the path, and employment and capital that follow it, where an industry is present."""
    n, n_years, value = len(drawn.units), len(YEARS), complexity.to_numpy()
    share = tilt(_base_shares(rng, n, value).reshape(-1, INDUSTRIES), value, drawn.soph.ravel())
    first = np.log(drawn.units["type"].map(OUTPUT).to_numpy(float)) + 0.6 * rng.standard_normal(n)
    growth = GROWTH + GROWTH_SPREAD * rng.standard_normal((n, n_years))
    total = np.exp(first[:, None] + np.cumsum(growth, axis=1) - growth[:, :1])
    cell, industry = np.nonzero(share)
    output = total.ravel()[cell] * share[cell, industry]
    deviation = value - value.mean()
    labour = np.exp(-0.02 * deviation + 0.3 * rng.standard_normal(INDUSTRIES)) / 300
    capital = np.exp(0.02 * deviation + 0.3 * rng.standard_normal(INDUSTRIES)) / 4
    productivity = np.exp(-0.08 * np.arange(n_years))
    year = cell % n_years
    noise = np.exp(0.15 * rng.standard_normal((2, len(cell))))
    return pd.DataFrame(
        {
            "county": drawn.cells["county"].to_numpy()[cell],
            "industry": complexity.index.to_numpy()[industry],
            "year": YEARS[year],
            "output": output,
            "employment": np.ceil(output * labour[industry] * productivity[year] * noise[0]),
            "capital": output * capital[industry] * noise[1],
        }
    )


def _base_shares(rng: np.random.Generator, n: int, value: Floats) -> Floats:
    """Shares before tilting, counties x years x industries, zero where an industry is absent.

    An industry near each end of the scale is always there, so that every path can be met.
    """
    base = rng.dirichlet(np.full(INDUSTRIES, CONCENTRATION), n)
    present = base > LEAST_SHARE
    low, high = _printed_range("szong")
    anchor = np.zeros_like(present)
    for ends in (value < low - ROOM, value > high + ROOM):
        anchor[np.arange(n), rng.choice(np.flatnonzero(ends), n)] = True
    kind = rng.choice(3, (n, INDUSTRIES), p=[1 - 2 * TURNOVER, TURNOVER, TURNOVER])
    moment = rng.integers(YEARS[0] + 1, YEARS[-1], (n, INDUSTRIES), endpoint=True)[:, None, :]
    later = YEARS[:, None] >= moment
    active = np.choose(kind[:, None, :], [np.ones_like(later), later, ~later])
    walk = np.cumsum(SHARE_STEP * rng.standard_normal((n, len(YEARS), INDUSTRIES)), axis=1)
    there = anchor[:, None, :] | (present[:, None, :] & active)
    return np.asarray(np.maximum(base, LEAST_SHARE)[:, None, :] * np.exp(walk) * there)


def _effects(drawn: _Drawn) -> pd.DataFrame:
    """Realised effects by group and type, and the part that no mediator carries."""
    through = sum(a * b for a, b in drawn.responses.values())
    treated = drawn.cells[drawn.cells["did"] == 1]
    rows = []
    for group in ("all", "incumbent", "new"):
        for kind in ("all", *OUTPUT):
            of_group = treated["group"].eq(group) | (group == "all")
            part = treated[of_group & (treated["type"].eq(kind) | (kind == "all"))]
            rows.append((group, kind, part["county"].nunique(), part["effect"].mean(), part["effect"].mean() - through))
    return pd.DataFrame(rows, columns=["group", "type", "counties", "effect", "direct"])


def _mediation(responses: Mapping[str, tuple[float, float]]) -> pd.DataFrame:
    rows = [(name, a, b, a * b) for name, (a, b) in responses.items()]
    return pd.DataFrame(rows, columns=["mediator", "a", "b", "indirect"])


def _calibration(drawn: _Drawn, covariates: Mapping[str, Floats], effects: pd.DataFrame) -> pd.DataFrame:
    """Published against simulated: moments of table 1, means of the treated in table 2, counts, effects."""
    values = {"szong": drawn.soph, **covariates}
    printed = _moments()
    rows: list[tuple[str, str, float, float]] = []
    for name, drawn_values in values.items():
        simulated = (drawn_values.mean(), drawn_values.std(ddof=1), drawn_values.min(), drawn_values.max())
        moments = ("mean", "std_dev", "min", "max")
        rows += [(m, name, printed[name][m], float(value)) for m, value in zip(moments, simulated, strict=True)]
    before = YEARS < START
    group = drawn.units["group"].to_numpy()
    for name, drawn_values in covariates.items():
        means = _printed_means(name)
        rows += [(f"mean_{g}", name, means[g], drawn_values[group == g][:, before].mean()) for g in means]
    text = _in_text()
    counts = {
        "n_county_units": len(group),
        "n_treated_units": (group != "donor").sum(),
        "n_control_units": (group == "donor").sum(),
        "n_cities_delta": drawn.units["city"].nunique(),
        "n_cities_2013": drawn.units.loc[drawn.units["second_wave"], "city"].nunique(),
    }
    rows += [("count", item, text[item], float(count)) for item, count in counts.items()]
    effect = effects.query("type == 'all'")
    for label, value in zip(effect["group"], effect["effect"], strict=True):
        rows.append(("effect", label, text[f"scm_effect_{label}"], value))
    frame = pd.DataFrame(rows, columns=["moment", "group", "published", "simulated"])
    return frame.assign(gap=frame["simulated"] / frame["published"] - 1)


@cache
def _moments() -> dict[str, dict[str, float]]:
    """Table 1 by variable. The printed deviation of the outcome, 20.170, exceeds what its range allows: 2.017."""
    rows = table("p1", 1).set_index("variable")[["mean", "std_dev", "min", "max"]].astype(float)
    moments = {name: dict(zip(rows.columns, values, strict=True)) for name, *values in rows.itertuples(name=None)}
    moments["szong"]["std_dev"] /= 10
    return moments


def _printed_range(variable: str) -> tuple[float, float]:
    moments = _moments()[variable]
    return moments["min"], moments["max"]


@cache
def _in_text() -> dict[str, float]:
    text = in_text("p1")
    return dict(zip(text["item"], text["value"].astype(float), strict=True))


@cache
def _printed_means(predictor: str) -> dict[str, float]:
    """Real means of table 2 by group."""
    rows = table("p1", 2)
    rows = rows[(rows["predictor"] == predictor) & (rows["group"] != "all")]
    return dict(zip(rows["group"], rows["real"].astype(float), strict=True))


@cache
def _coefficients(panel: str) -> dict[str, float]:
    """The tested coefficient of each column of a panel of tables 5 and 6: enlargement in a, the mediator in b."""
    rows = table("p1", panel)
    term = "did" if panel.endswith("a") else "mediator"
    rows = rows[(rows["row_kind"] == "coefficient") & (rows["term"] == term)]
    return dict(zip(rows["column_label"], rows["value"].astype(float), strict=True))
