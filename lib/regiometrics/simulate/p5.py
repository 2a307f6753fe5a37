"""Counties' night lights of 274 cities with a planted policy effect, made by inverting the Gini coefficient.

The index of a city and year is built first, as equation (1) of Yang and Bai says: city and year effects, the policy,
the controls with the coefficients of table 3, the four other policies of table 5, and noise that persists. The lights
of its counties are then exp(kappa z) with fixed normal scores z and the kappa at which their Gini is that index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.data.load import Bundle
from regiometrics.data.published import in_text, table
from regiometrics.errors import DomainError, require_choice

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Effects = Literal["constant", "by_group"]

CITIES = 274
YEARS = np.arange(2003, 2023)
COHORTS = {2010: 13, 2011: 5, 2012: 4, 2013: 4, 2014: 2}
"""Cities by year of adoption: 331 treated city-years, the printed mean of the policy."""

CONTROLS = {"ln_trans": (0.75, 0.10), "ln_gdp": (0.63, 0.35), "saver": (0.70, 0.10), "edu": (0.56, 0.30)}
CONTROLS |= {"country": (0.54, 0.35)}
"""Shares of a control's variance between cities and along the common trend; the rest moves within cities."""

GROUPS = {
    "large": ("large_city", "small_medium_city"),
    "resource_city": ("resource_based", "not_resource_based"),
    "cluster5": ("in_five_clusters", "outside_five_clusters"),
    "old_base": ("in_five_old_revolutionary_areas", "outside_five_old_revolutionary_areas"),
}
"""Columns of table 6 by classification: members and others."""

OTHER_POLICIES = {
    "central_china": ("policy1_central_china", 2004, 80),
    "beijing_tianjin_hebei": ("policy2_jjj", 2014, 13),
    "yangtze_belt": ("policy3_yangtze_belt", 2014, 110),
    "greater_bay_area": ("policy4_gba", 2019, 9),
}
"""Term of table 5, start, and number of cities, of which the treated have their proportional part."""

MECHANISMS = {"innoap": (40.0, 5.8, 4.3), "isa": (2.5, 0.255, 0.263), "emp": (0.45, 0.033, 0.075)}
"""Mean, standard deviation between cities, and within them, so that the fit of table 7 results; no mean is printed."""

PHASE_IN = 4  # years until a dynamic effect is complete
COHORT_STRENGTH = {2010: 1.8, 2011: 1.4, 2012: 1.0, 2013: 0.6, 2014: 0.2}  # of a dynamic effect, before scaling
PERSISTENCE = 0.7  # of the index's noise from one year to the next
MEAN_SHAPE, MEAN_RANGE = (1.5, 1.0), (0.08, 0.78)  # beta distribution of the city means: shape, least value and width
STRONG = 0.05  # coefficient of another policy that counts as strong
MIDDLING, OFF_THE_ENDS = (0.15, 0.75), (0.1, 0.85)  # ranks of the means: under a strong policy, other adopters
NOISE = 0.11  # standard deviation of the index's noise in the middle of the printed range; none at its ends
COUNTIES = (5, 12)  # of a city whose index needs no more
ROOM = 0.97  # a city has so many counties that its largest index stays below this part of the possible (n - 1)/n
LARGE = 500  # 10,000 persons, the paper's border between large and other cities
SIZE_SPREAD, GROWTH_SPREAD = 0.65, 0.004  # standard deviation of log population, and of its yearly growth
MUNICIPALITIES = 3
STEEPEST, HALVINGS = 100.0, 64  # bracket of kappa, and steps that bring it to rounding


def panel(
    seed: int | np.random.Generator = 0,
    *,
    effect: float = -0.0253,
    effects: Effects = "constant",
    dynamic: bool = False,
) -> Bundle:
    r"""Own-data tables of p5 with planted truth.

    Parameters
    ----------
    seed : int or Generator
        The same seed gives the same tables.
    effect : float
        Effect on the index with the controls held, averaged over treated city-years; the default is column (6) of
        table 3. The controls respond in proportion to it, so that 0 plants no effect of any kind.
    effects : {"constant", "by_group"}
        One effect for all cities, or effects that differ by size, resources, cluster and revolutionary base as the
        pairs of table 6 do, around the same average.
    dynamic : bool
        The effect grows over four years and is stronger in early cohorts, around the same average.

    Returns
    -------
    Bundle
        ``tables``: ``county_light``, ``city_year``, ``cities``, ``policies``, see `regiometrics.data.schemas`. Codes
        and names are invented.
        ``truth["cells"]``: ``city, year, cohort, period, indg, direct, total`` with the index that the lights return,
        the effect in this cell with the controls held, and with the controls' response; both after clipping.
        ``truth["effects"]``: ``group, cells, direct, total``, averages over treated city-years, all and by group;
        ``truth["cohorts"]`` and ``truth["path"]``: the same by ``cohort`` and by ``period`` since adoption.
        ``truth["coefficients"]``: ``outcome, term, coefficient``.
        ``truth["specifications"]``: ``table, specification, policy``, the two-way coefficient of the policy in each
        column of table 3 and with each other policy of table 5, in the index without noise and clipping.
        ``calibration``: each target moment as published and as simulated.

    Raises
    ------
    DomainError
        An unknown ``effects``, or an ``effect`` outside (-0.2, 0.2), where clipping would rule.

    Notes
    -----
    :math:`G_{it} = m_i + \lambda_t + \tau_{it} + \ddot X_{it}'\gamma + \sum_p \theta_p P_{pit} + \sigma_i e_{it}`,
    clipped to the printed range: :math:`m_i` are quantiles of a beta distribution, :math:`e` is an autoregression of
    0.7, and :math:`\sigma_i` vanishes as :math:`m_i` nears the ends of that range.
    Adoption moves the controls by the shifts at which the successive columns of table 3 result: the coefficient
    without controls is the total effect (-0.0373), with all of them the direct one (-0.0253).
    Within cities the controls are otherwise uncorrelated with the policy and with each other.
    As 246 of 274 cities never adopt, a dynamic effect moves the two-way coefficient by less than a tenth.
    The mechanism variables respond to the policy with the coefficients of table 7 and do not enter the index.

    Examples
    --------
    >>> bundle = panel(seed=1)
    >>> bundle.tables["city_year"].shape, bundle.truth["effects"]["direct"].round(4).tolist()[0]
    ((5480, 11), -0.0253)
    """
    require_choice("effects", effects, Effects)
    if not abs(effect) < 0.2:
        raise DomainError(f"effect={effect} leaves no room in the index", remedy="plant one between -0.2 and 0.2")
    design, controls, index, county, mechanism = np.random.default_rng(seed).spawn(5)
    cities, population = _cities(design)
    other = _other_policies(design, cities["adoption_year"].notna().to_numpy())
    treated = _since(cities["adoption_year"])
    direct = treated * _effect_by_city(cities, treated, effect, effects)[:, None]
    if dynamic:
        direct *= _phase(cities["adoption_year"], treated)

    untreated, observed = _controls(controls, treated, population, effect / _coefficients(3, "spec_6")["policy"])
    gamma = np.array([_coefficients(3, "spec_6")[name] for name in CONTROLS])
    response = np.tensordot(gamma, observed - untreated, 1)
    theta = _other_coefficients()
    systematic = np.tensordot(gamma, _two_way(untreated), 1) + sum(theta[name] * other[name] for name in theta)
    strong = np.array([other[name] for name in theta if abs(theta[name]) > STRONG])
    without = _untreated_index(index, systematic, _ever(treated), _ever(strong.any(axis=0)))
    steps = [np.clip(without + move, *_range("indg")) for move in (0.0, response, response + direct)]
    cells = _cells(cities, *steps)
    expected = _specifications(treated, observed, other, systematic + response + direct)
    mechanisms = _mechanisms(mechanism, treated)
    return Bundle(
        tables={
            "county_light": _county_light(county, cities["city"], steps[-1], observed[list(CONTROLS).index("ln_gdp")]),
            "city_year": _levels(cells[["city", "year"]], observed, population, mechanisms),
            "cities": cities.drop(columns="large"),
            "policies": _policy_table(cities["city"], other),
        },
        source="simulated",
        truth={
            "cells": cells,
            "effects": _by_group(cells, cities),
            "cohorts": _averages(cells, "cohort"),
            "path": _averages(cells, "period"),
            "coefficients": _planted_coefficients(effect),
            "specifications": expected,
        },
        calibration=_calibration(cities, population, treated, observed, mechanisms, steps[-1], expected),
        notes=(f"SIMULATED DATA (seed {seed})",),
    )


def lights(index: Floats, n: int) -> Floats:
    r"""Lights of n counties, with mean 1, that have a given Gini coefficient: :math:`e^{\kappa z_r}`.

    Parameters
    ----------
    index : array, shape (...)
        Gini coefficients, from 0 to below (n - 1)/n.
    n : int
        Number of counties, at least 2.

    Returns
    -------
    array, shape (..., n)
        In rising order; :math:`z_r = \Phi^{-1}((r - 1/2)/n)`, and :math:`\kappa` by bisection, all cells at once.

    Raises
    ------
    DomainError
        A coefficient that n counties cannot have.

    Examples
    --------
    >>> lights(np.array([0.0, 0.3]), 2).round(3).tolist()
    [[1.0, 1.0], [0.4, 1.6]]
    """
    index = np.asarray(index, dtype=float)
    score = _normal_scores(n)
    score -= score[-1]
    weight = (2 * np.arange(n) + 1 - n) / n

    def drawn(kappa: Floats) -> Floats:
        values = np.exp(kappa[..., None] * score)
        shares: Floats = values / values.sum(axis=-1, keepdims=True)
        return shares

    least, most = np.zeros_like(index), np.full_like(index, STEEPEST)
    impossible = ~((index >= 0) & (index < (n - 1) / n))
    if impossible.any():
        raise DomainError(
            f"{n} counties cannot have this Gini coefficient", keys=index[impossible], remedy="take more counties"
        )
    for _ in range(HALVINGS):
        middle = (least + most) / 2
        below = drawn(middle) @ weight < index
        least, most = np.where(below, middle, least), np.where(below, most, middle)
    return n * drawn(least)


def _cities(rng: np.random.Generator) -> tuple[pd.DataFrame, Floats]:
    """Cities with their adoption, groups and coordinates, and their population by year in 10,000 persons."""
    adopters = rng.choice(CITIES, sum(COHORTS.values()), replace=False)
    treated = np.isin(np.arange(CITIES), adopters)
    first = np.repeat(list(COHORTS), list(COHORTS.values()))
    groups = {name: _members(rng, treated, *sizes) for name, sizes in _group_sizes().items()}
    crowded = np.flatnonzero(groups["large"] & groups["cluster5"] & ~treated)
    municipality = np.isin(np.arange(CITIES), rng.choice(crowded, MUNICIPALITIES, replace=False))
    cities = pd.DataFrame(
        {
            "city": [f"9{i:05d}" for i in range(1, CITIES + 1)],
            "name": [f"City {i:03d}" for i in range(1, CITIES + 1)],
            "adoption_year": pd.Series(first, index=adopters, dtype="Int64").reindex(range(CITIES)),
            "municipality": municipality,
            **groups,
            "lat": rng.uniform(22, 42, CITIES),
            "lon": rng.uniform(100, 122, CITIES),
        }
    )
    return cities, _population(rng, groups["large"])


def _members(rng: np.random.Generator, treated: Bools, n: int, n_treated: int) -> Bools:
    """A random group of n cities, n_treated of them treated."""
    chosen = np.zeros(len(treated), dtype=bool)
    for among, size in ((treated, n_treated), (~treated, n - n_treated)):
        chosen[rng.choice(np.flatnonzero(among), size, replace=False)] = True
    return chosen


def _group_sizes() -> dict[str, tuple[int, int]]:
    """Cities of each group, and the treated among them: as many as let the two effects average to the overall one."""
    effect, overall = _group_effects(), _coefficients(3, "spec_6")["policy"]
    rows = _printed(6, "n_obs", "column_label")
    sizes = {}
    for name, (members, others) in GROUPS.items():
        share = (overall - effect[others]) / (effect[members] - effect[others])
        sizes[name] = (round(rows[members] / len(YEARS)), round(share * sum(COHORTS.values())))
    return sizes


def _population(rng: np.random.Generator, large: Bools) -> Floats:
    """Log-normal population; the large cities of the first year are those above the paper's border."""
    score = _normal_scores(CITIES)
    size = LARGE * np.exp(SIZE_SPREAD * (score - special.ndtri(1 - large.sum() / CITIES)))
    population = np.empty(CITIES)
    population[large] = rng.permutation(size[-large.sum() :])
    population[~large] = rng.permutation(size[: -large.sum()])
    growth = GROWTH_SPREAD * rng.standard_normal(CITIES)
    return np.asarray(population[:, None] * np.exp(np.outer(growth, YEARS - YEARS[0])))


def _other_policies(rng: np.random.Generator, treated: Bools) -> dict[str, Bools]:
    """Dummies of the other policies; each covers treated and other cities in the same proportion."""
    dummies = {}
    for name, (_, start, n) in OTHER_POLICIES.items():
        covered = _members(rng, treated, n, round(n * treated.mean()))
        dummies[name] = covered[:, None] & (start <= YEARS)
    return dummies


def _since(adoption: pd.Series) -> Bools:
    """True from the year of adoption on, cities x years."""
    first = adoption.to_numpy(dtype=float, na_value=np.inf)
    return np.asarray(first[:, None] <= YEARS)


def _ever(dummy: npt.ArrayLike) -> Bools:
    """Cities in which a dummy, cities x years, is not always zero."""
    return np.asarray(np.any(dummy, axis=1))


def _effect_by_city(cities: pd.DataFrame, treated: Bools, effect: float, effects: Effects) -> Floats:
    """The direct effect of each city, with the given average over treated city-years.

    By group it is the vector nearest to a constant whose differences between members and others are those of table 6.
    """
    weight = treated.sum(axis=1) / treated.sum()
    deviation = np.zeros(CITIES)
    if effects == "by_group":
        printed = _group_effects()
        rows, gaps = [weight], [0.0]
        for name, (members, others) in GROUPS.items():
            belongs = cities[name].to_numpy()
            rows.append(_normed(weight * belongs) - _normed(weight * ~belongs))
            gaps.append(printed[members] - printed[others])
        deviation = np.linalg.lstsq(np.array(rows), np.array(gaps))[0]
    return effect + deviation


def _normed(weight: Floats) -> Floats:
    normed: Floats = weight / weight.sum()
    return normed


def _phase(adoption: pd.Series, treated: Bools) -> Floats:
    """Factors of a dynamic effect, cities x years, with average 1 over treated city-years."""
    strength = adoption.map(COHORT_STRENGTH).to_numpy(dtype=float, na_value=0.0)
    years = np.cumsum(treated, axis=1)
    factor = strength[:, None] * np.minimum(years / PHASE_IN, 1)
    return np.asarray(factor / factor[treated].mean())


def _controls(rng: np.random.Generator, treated: Bools, population: Floats, scale: float) -> tuple[Floats, Floats]:
    """Controls without and with the response to the policy, controls x cities x years, in the printed range.

    Each is drawn with the printed mean and standard deviation from its pooled ranks; its movement within cities is
    then freed of the policy and of the controls before it.
    """
    moments = _moments()
    size = _standardised(np.log(population[:, 0]))
    trend = _standardised(YEARS)
    drawn = []
    for name, (between, common) in CONTROLS.items():
        city = rng.standard_normal(CITIES)
        if name == "ln_gdp":
            city = 0.7 * size + np.sqrt(1 - 0.7**2) * city
        within = np.sqrt(1 - between - common) * _autoregression(rng, CITIES)
        score = np.sqrt(between) * city[:, None] + np.sqrt(common) * trend + within
        rank = (score.ravel().argsort().argsort().reshape(score.shape) + 0.5) / score.size
        drawn.append(_quantiles(name, moments.loc[[name]].iloc[0], rank))
    fixed = [_two_way(treated)]
    for i, control in enumerate(drawn):
        known = np.array([column.ravel() for column in fixed]).T
        moving = _two_way(control)
        chance = (known @ np.linalg.lstsq(known, moving.ravel())[0]).reshape(moving.shape)
        drawn[i] = control - chance
        fixed.append(moving - chance)
    low, high = (moments.loc[list(CONTROLS), end].to_numpy()[:, None, None] for end in ("min", "max"))
    shift = scale * np.array(_shifts())[:, None, None]
    return np.clip(np.array(drawn), low, high), np.clip(np.array(drawn) + shift * treated, low, high)


def _standardised(values: npt.ArrayLike) -> Floats:
    values = np.asarray(values, dtype=float)
    return np.asarray((values - values.mean()) / values.std())


def _quantiles(name: str, moments: pd.Series, rank: Floats) -> Floats:
    """Quantiles of a control: normal logs, log-normal ratios, a beta between the printed limits."""
    mean, spread, low, high = moments[["mean", "std_dev", "min", "max"]].to_numpy(dtype=float)
    width = high - low
    if name.startswith("ln_"):
        return np.asarray(mean + spread * special.ndtri(rank))
    if name == "country":
        centre = (mean - low) / width
        total = centre * (1 - centre) / (spread / width) ** 2 - 1
        return np.asarray(low + width * special.betaincinv(centre * total, (1 - centre) * total, rank))
    variance = np.log1p((spread / mean) ** 2)
    return np.asarray(mean * np.exp(-variance / 2) * np.exp(np.sqrt(variance) * special.ndtri(rank)))


def _shifts() -> list[float]:
    """How far adoption moves each control: the next column's change of the policy coefficient over its own one."""
    final = _coefficients(3, "spec_6")
    policy = [_coefficients(3, f"spec_{i}")["policy"] for i in range(1, len(CONTROLS) + 2)]
    return [(before - after) / final[name] for name, before, after in zip(CONTROLS, policy, policy[1:], strict=False)]


def _untreated_index(rng: np.random.Generator, systematic: Floats, treated: Bools, strong: Bools) -> Floats:
    """City means, year effects, systematic movement and noise.

    Cities that the policy or a strong other one moves have means with room for it: clipping would cut the effect.
    """
    share = np.empty(CITIES)
    free = (rng.permutation(CITIES) + 0.5) / CITIES
    for cities, (low, high) in ((strong, MIDDLING), (treated & ~strong, OFF_THE_ENDS), (~treated & ~strong, (0, 1))):
        taken = np.flatnonzero((free > low) & (free < high))[: cities.sum()]
        share[cities], free = free[taken], np.delete(free, taken)
    least, width = MEAN_RANGE
    mean = least + width * special.betaincinv(*MEAN_SHAPE, share)[:, None]
    low, high = _range("indg")
    noise = NOISE * 4 * (mean - low) * (high - mean) / (high - low) ** 2 * _autoregression(rng, CITIES)
    year = 0.01 * rng.standard_normal(len(YEARS))
    around = systematic + noise + year
    return np.asarray(mean + around - around.mean())


def _autoregression(rng: np.random.Generator, n_units: int) -> Floats:
    """Noise with variance 1 that persists, units x years."""
    draws = rng.standard_normal((n_units, len(YEARS)))
    for t in range(1, len(YEARS)):
        draws[:, t] = PERSISTENCE * draws[:, t - 1] + np.sqrt(1 - PERSISTENCE**2) * draws[:, t]
    return draws


def _normal_scores(n: int) -> Floats:
    """Normal quantiles of n ranks, in rising order."""
    return np.asarray(special.ndtri((np.arange(n) + 0.5) / n))


def _cells(cities: pd.DataFrame, without: Floats, responded: Floats, indg: Floats) -> pd.DataFrame:
    """The index and the effects in it by city and year."""
    cells = pd.DataFrame(
        {
            "city": cities["city"].repeat(len(YEARS)).to_numpy(),
            "year": np.tile(YEARS, CITIES),
            "cohort": cities["adoption_year"].repeat(len(YEARS)).array,
            "indg": indg.ravel(),
            "direct": (indg - responded).ravel(),
            "total": (indg - without).ravel(),
        }
    )
    cells.insert(3, "period", cells["year"] - cells["cohort"])
    return cells


def _two_way(values: npt.NDArray[np.generic]) -> Floats:
    """Deviations from city and year means, (..., cities, years)."""
    numbers = np.asarray(values, dtype=float)
    unit, time = numbers.mean(axis=-1, keepdims=True), numbers.mean(axis=-2, keepdims=True)
    return np.asarray(numbers - unit - time + numbers.mean(axis=(-2, -1), keepdims=True))


def _mechanisms(rng: np.random.Generator, treated: Bools) -> dict[str, Floats]:
    """Mechanism variables: city level, noise of each year, and the response to the policy of table 7."""
    drawn = {}
    for name, (mean, between, within) in MECHANISMS.items():
        level = mean + between * rng.permutation(_normal_scores(CITIES))[:, None]
        noise = within * rng.standard_normal((CITIES, len(YEARS)))
        drawn[name] = level + noise + _coefficients(7, name)["policy"] * treated
    return drawn


def _levels(keys: pd.DataFrame, controls: Floats, population: Floats, mechanisms: Mapping[str, Floats]) -> pd.DataFrame:
    """The table `city_year` in the units of the schema: logs are undone."""
    logs = dict(zip(CONTROLS, controls, strict=True))
    columns = {
        "passengers": np.exp(logs["ln_trans"]),
        "gdp": np.exp(logs["ln_gdp"]),
        "deposits_ratio": logs["saver"],
        "education_ratio": logs["edu"],
        "urbanisation": logs["country"],
        "population": population,
        "patents_per_head": mechanisms["innoap"],
        "isa": mechanisms["isa"],
        "emp": mechanisms["emp"],
    }
    return keys.assign(**{name: values.ravel() for name, values in columns.items()})


def _county_light(rng: np.random.Generator, codes: pd.Series, indg: Floats, ln_gdp: Floats) -> pd.DataFrame:
    """Lights of all counties: the index of their city, a fixed order of brightness, a mean that follows the GDP."""
    least = np.ceil(1 / (1 - indg.max(axis=1) / ROOM)).astype(int)
    size = np.maximum(least, rng.integers(*COUNTIES, CITIES, endpoint=True))
    county = np.split(np.arange(1, size.sum() + 1), np.cumsum(size)[:-1])
    level = 8 * np.exp(0.6 * (ln_gdp - ln_gdp.mean()))
    frames = []
    for n in np.unique(size):
        members = np.flatnonzero(size == n)
        light = level[members, :, None] * lights(indg[members], n)
        for i, values in zip(members, light, strict=True):
            order = rng.permutation(n)
            frames.append((i, order, values))
    frames.sort(key=lambda frame: frame[0])
    area = rng.lognormal(np.log(1500), 0.6, size.sum())
    return pd.DataFrame(
        {
            "county": np.concatenate([np.repeat([f"8{c:05d}" for c in county[i]], len(YEARS)) for i, _, _ in frames]),
            "year": np.tile(YEARS, size.sum()),
            "light": np.concatenate([values[:, order].T.ravel() for _, order, values in frames]),
            "city": np.repeat(codes.to_numpy(), size * len(YEARS)),
            "area": np.repeat(area, len(YEARS)),
        }
    )


def _policy_table(codes: pd.Series, other: Mapping[str, Bools]) -> pd.DataFrame:
    covered = [
        pd.DataFrame({"city": codes[dummy[:, -1]], "policy": name, "start_year": OTHER_POLICIES[name][1]})
        for name, dummy in other.items()
    ]
    return pd.concat(covered, ignore_index=True)


def _specifications(treated: Bools, controls: Floats, other: Mapping[str, Bools], mean: Floats) -> pd.DataFrame:
    """Least-squares coefficient of the policy on the index without noise, by set of regressors."""
    rows = [(3, f"spec_{k + 1}", _least_squares([treated, *controls[:k]], mean)[0]) for k in range(len(CONTROLS) + 1)]
    rows += [(5, name, _least_squares([treated, *controls, dummy], mean)[0]) for name, dummy in other.items()]
    return pd.DataFrame(rows, columns=["table", "specification", "policy"])


def _least_squares(columns: Sequence[npt.NDArray[np.generic]], outcome: Floats) -> Floats:
    """Coefficients of a regression with city and year effects."""
    regressors = np.array([_two_way(column).ravel() for column in columns]).T
    return np.asarray(np.linalg.lstsq(regressors, _two_way(outcome).ravel())[0])


def _averages(cells: pd.DataFrame, by: str) -> pd.DataFrame:
    """Effects over treated city-years: ``by, cells, direct, total``."""
    grouped = cells[cells["period"] >= 0].groupby(by)
    return grouped.agg(cells=("direct", "size"), direct=("direct", "mean"), total=("total", "mean")).reset_index()


def _by_group(cells: pd.DataFrame, cities: pd.DataFrame) -> pd.DataFrame:
    parts = [_averages(cells.assign(group="all"), "group")]
    for name, (members, others) in GROUPS.items():
        label = cells["city"].map(cities.set_index("city")[name]).map({True: members, False: others})
        parts.append(_averages(cells.assign(group=label), "group"))
    return pd.concat(parts, ignore_index=True)


def _planted_coefficients(effect: float) -> pd.DataFrame:
    """Every planted coefficient, by outcome."""
    final = _coefficients(3, "spec_6")
    scale = effect / final["policy"]
    rows: list[tuple[str, str, float]] = [("indg", "policy", effect)]
    rows += [("indg", name, final[name]) for name in CONTROLS]
    rows += [("indg", name, coefficient) for name, coefficient in _other_coefficients().items()]
    rows += [(name, "policy", scale * shift) for name, shift in zip(CONTROLS, _shifts(), strict=True)]
    rows += [(name, "policy", _coefficients(7, name)["policy"]) for name in MECHANISMS]
    return pd.DataFrame(rows, columns=["outcome", "term", "coefficient"])


def _calibration(
    cities: pd.DataFrame,
    population: Floats,
    treated: Bools,
    controls: Floats,
    mechanisms: Mapping[str, Floats],
    indg: Floats,
    expected: pd.DataFrame,
) -> pd.DataFrame:
    """Published against simulated: moments of table 2, counts, coefficients of table 3, fit of tables 3 and 7."""
    drawn = {"indg": indg, "policy": treated.astype(float), **dict(zip(CONTROLS, controls, strict=True))}
    summaries: dict[str, Callable[[Floats], float]] = {
        "mean": lambda values: float(values.mean()),
        "std_dev": lambda values: float(values.std(ddof=1)),
        "min": lambda values: float(values.min()),
        "max": lambda values: float(values.max()),
        "n_obs": lambda values: float(values.size),
    }
    printed = _moments()
    rows = [
        (moment, name, printed.loc[name, moment], summary(values))
        for moment, summary in summaries.items()
        for name, values in drawn.items()
    ]
    text = in_text("p5").set_index("item")["value"].astype(float)
    counts = {
        "n_cities": len(cities),
        "n_treated_cities": cities["adoption_year"].count(),
        "n_control_cities": cities["adoption_year"].isna().sum(),
        "first_year": YEARS[0],
        "last_year": YEARS[-1],
    }
    rows += [("count", item, text[item], float(count)) for item, count in counts.items()]
    sizes = _printed(6, "n_obs", "column_label")
    for name, labels in GROUPS.items():
        member = population >= LARGE if name == "large" else np.repeat(cities[name].to_numpy(), len(YEARS))
        for label, count in zip(labels, (member.sum(), (~member).sum()), strict=True):
            rows.append(("group_size", label, sizes[label], float(count)))
    for name, policy in expected.loc[expected["table"] == 3, ["specification", "policy"]].to_numpy():
        rows.append(("policy", name, _coefficients(3, name)["policy"], policy))
    outcomes = {"spec_6": (3, indg), **{name: (7, values) for name, values in mechanisms.items()}}
    for name, (number, outcome) in outcomes.items():
        rows.append(("r2", name, _printed(number, "r2", "column_label")[name], _fit([treated, *controls], outcome)))
    frame = pd.DataFrame(rows, columns=["moment", "group", "published", "simulated"])
    published = frame["published"].where(frame["published"] != 0)
    return frame.assign(gap=(frame["simulated"] - frame["published"]) / published)


def _fit(columns: Sequence[npt.NDArray[np.generic]], outcome: Floats) -> float:
    """Share of the outcome's variance that the regressors explain together with the effects."""
    fitted = np.tensordot(_least_squares(columns, outcome), _two_way(np.array(columns, dtype=float)), 1)
    return float(1 - np.var(_two_way(outcome) - fitted) / np.var(outcome))


@cache
def _table(number: int) -> pd.DataFrame:
    return table("p5", number)


def _moments() -> pd.DataFrame:
    """Table 2 by variable."""
    return _table(2).set_index("variable")[["n_obs", "mean", "std_dev", "min", "max"]].astype(float)


def _range(variable: str) -> tuple[float, float]:
    moments = _moments()
    return float(moments["min"][variable]), float(moments["max"][variable])


def _printed(number: int, term: str, by: str) -> dict[str, float]:
    """The printed values of one term, such as a sample size, by column of the table."""
    rows = _table(number)
    rows = rows[rows["term"] == term]
    return dict(zip(rows[by], rows["value"].astype(float), strict=True))


def _coefficients(number: int, column_label: str) -> dict[str, float]:
    """The printed coefficients of one column of a table, by term."""
    rows = _table(number)
    rows = rows[(rows["column_label"] == column_label) & (rows["row_kind"] == "coefficient")]
    return dict(zip(rows["term"], rows["value"].astype(float), strict=True))


def _group_effects() -> dict[str, float]:
    return _printed(6, "policy", "column_label")


def _other_coefficients() -> dict[str, float]:
    """Coefficient of each other policy in table 5."""
    return {name: _printed(5, term, "term")[term] for name, (term, _, _) in OTHER_POLICIES.items()}
