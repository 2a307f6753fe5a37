r"""Output of 28 industries in 7 provinces, fitted to every number and statement that survives of Li Lei's lost tables.

Nothing here is data. Among all tables that agree with the text the one nearest to a prior in Kullback-Leibler distance
is taken (Golan, Judge and Miller 1996), which is RAS where the statements are margins. Each seed draws another prior
and so gives another table that agrees as well; their spread shows what the print leaves open.

Every statement is linear in output once the totals of the provinces are fixed and the signs of the differences are
known. A location quotient above one with the cluster as base has the sign of :math:`s_{ik} - s_{(-i)k}`, so table 4,
rebuilt from the text, gives the signs of relative specialisation. The order of the provinces within an industry, where
table 4 leaves it open, and the pattern of Beijing-Tianjin-Hebei come from the prior.
Table 4 bears no year in the text: it is read as 2014, and its pattern is assumed for the other years. The fit runs
backwards, the prior of a year being the structure of the next.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import combinations, pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.data.facts import manufacturing_sectors
from regiometrics.data.load import Bundle
from regiometrics.data.published import in_text, rebuilt
from regiometrics.errors import DomainError
from regiometrics.estimate.maximum_entropy import Constraints, nearest_table

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Source = Literal["printed", "wording", "assumed"]
Tables = Mapping[str, Mapping[int, Floats]]  # by cluster and year, provinces x industries
Row = tuple[str, str, str, str, float, float, Source]

YEARS = tuple(range(2005, 2015))
LAST = YEARS[-1]
DELTA, CAPITAL = "yangtze_river_delta", "beijing_tianjin_hebei"
PROVINCES: Mapping[str, Mapping[str, str]] = {
    DELTA: {"shanghai": "310000", "jiangsu": "320000", "zhejiang": "330000", "anhui": "340000"},
    CAPITAL: {"beijing": "110000", "tianjin": "120000", "hebei": "130000"},
}
"""Provinces of each cluster and their codes, in the order of the tables."""

HIGHTECH = ("pharmaceuticals", "aerospace", "electronics_telecom", "computers_office", "medical_instruments")

_CHINESE = {
    **{"shanghai": "上海", "jiangsu": "江苏", "zhejiang": "浙江", "anhui": "安徽"},
    **{"beijing": "北京", "tianjin": "天津", "hebei": "河北"},
}

LQ_MARGIN = 0.03  # a location quotient is kept at least so far from one
BOUND_MARGIN = 0.005  # a printed strict bound is kept at least so far away
ORDER_MARGIN = 1e-6  # of the cluster's output of an industry, between two provinces' shares of it
WEAK_LQ = 1.15  # at most, where the text calls an advantage weak
EXACT = 1e-6  # of a target, for the calibration
DRAFT = 1e-5  # tolerance of a fit that serves only to read signs
TILT, SPREAD, DRIFT = 0.35, 0.3, 0.02  # of the prior's logs: lift of an advantage, draws by cell, draws by year

# Assumed: rough shares of Chinese manufacturing output, per cent, in the order of the codes 13 to 40.
_BASE = np.array(
    [
        *(6.4, 2.0, 1.7, 0.9, 3.9, 2.1, 1.4, 1.3, 0.8, 1.4, 0.7, 1.5, 4.2, 8.4),
        *(2.4, 0.8, 3.0, 5.8, 7.6, 5.2, 3.7, 4.8, 3.6, 6.9, 1.9, 6.8, 8.7, 0.9),
    ]
)
# Assumed: lifts of the prior's logs in Beijing-Tianjin-Hebei, by industry.
_LIFTS = {
    "beijing": {"14": 0.5, "15": 0.6, "23": 0.8, "25": 0.5, "27": 0.5, "31": -2.0, "34": -0.5, "36": 0.7, "39": 0.8},
    "tianjin": {"14": 0.7, "20": -0.5, "31": 0.4, "37": 0.9, "39": 0.3},
    "hebei": {"19": 0.6, "31": 1.3, "33": 0.4, "36": -0.6, "39": -1.5},
}
# Assumed: output of the northern provinces, 10^8 yuan; the text prints none.
_NORTH = {2005: (6300.0, 6500.0, 8700.0), 2014: (13500.0, 24500.0, 41000.0)}
# Assumed: growth of the delta, per cent, in the years that the text bounds only; 2013 follows from the rest.
_GROWTH = {2006: 26.0, 2007: 26.5, 2008: 25.2, 2011: 17.0, 2012: 11.5}
_NEARLY_TEN = 9.8  # percentage points, for "nearly 10"

# Assumed: high-tech revenue, 10^8 yuan: prior of the delta's other provinces, northern totals, northern shares (%).
_HIGHTECH_PRIOR = {"shanghai": 7000.0, "zhejiang": 4700.0, "anhui": 2500.0}
_HIGHTECH_NORTH = {2005: (2100.0, 1800.0, 300.0), 2014: (4150.0, 4280.0, 1510.0)}
_HIGHTECH_NORTH_SHARES = (20.0, 3.5, 46.0, 17.0, 13.5)
_HIGHTECH_NORTH_LEADERS = {
    "pharmaceuticals": ("hebei",),
    "aerospace": ("tianjin",),
    "electronics_telecom": ("tianjin",),
    "computers_office": ("beijing",),
}  # the text names the leaders of medical instruments only, and says that no other industry has two


@dataclass(frozen=True)
class Statement:
    """A bound on one index or share of the fitted table, or on its change from a year to the next.

    Attributes
    ----------
    item : str
        Id in ``in_text.csv``, or a name where the statement is in words.
    quantity : str
        ``relative``, ``pair``, ``labour``, ``capital`` or ``technology``; ``lq_13`` to ``lq_40`` for the location
        quotient of an industry.
    unit, other : str
        Province; the second of a pair, or the province that is subtracted.
    low, high : float
        Bounds; an equation where they agree.
    source : str
        ``printed``; ``wording`` where the text says it without a number and the bounds are ours; ``assumed``.
    years : tuple of int
        First and last year it holds for.
    yearly : bool
        Whether it bounds the change to the year from the year before, of all years after the first.
    """

    item: str
    quantity: str
    unit: str
    other: str = ""
    low: float = -np.inf
    high: float = np.inf
    source: Source = "wording"
    years: tuple[int, int] = (YEARS[0], LAST)
    yearly: bool = False


@cache
def statements() -> tuple[Statement, ...]:
    """The statements about structure, printed numbers read from ``data/published``.

    The bounds of what the text says in words are ours. Changes are bounded in every year, which is more than the text
    says; yearly ones of 0.003 to 0.012 add up to 0.03 to 0.11 over the nine years. The course of the technology shares
    of Shanghai and Beijing, which meets four printed numbers, is added by the fit.

    Examples
    --------
    >>> [(s.item, s.low) for s in statements() if s.source == "printed" and s.low == s.high][:2]
    [('relative_specialization_2014_shanghai', 0.577), ('relative_specialization_2014_beijing', 0.893)]
    """
    value = _printed()
    last = (LAST, LAST)
    slight = value["pair_specialization_2014_shanghai_jiangsu"]  # the text calls it weak: a strong division is above

    def equals(item: str, quantity: str, unit: str, other: str = "") -> Statement:
        return Statement(item, quantity, unit, other, value[item], value[item], "printed", last)

    def change(
        quantity: str, unit: str, other: str = "", *, low: float = -np.inf, high: float = np.inf, since: int = YEARS[0]
    ) -> Statement:
        item = "_".join(filter(None, ("change", quantity, unit, other)))
        return Statement(item, quantity, unit, other, low, high, "wording", (since, LAST), yearly=True)

    cap, floor = "relative_specialization_cap_jiangsu_zhejiang", "pair_specialization_floor_beijing_hebei"
    pair_cap = "pair_specialization_cap_shanghai_zhejiang"
    return (
        equals("relative_specialization_2014_shanghai", "relative", "shanghai"),
        equals("relative_specialization_2014_beijing", "relative", "beijing"),
        equals("pair_specialization_2014_beijing_hebei", "pair", "beijing", "hebei"),
        equals("pair_specialization_2014_shanghai_jiangsu", "pair", "shanghai", "jiangsu"),
        *(Statement(cap, "relative", i, high=value[cap], source="printed") for i in ("jiangsu", "zhejiang")),
        Statement(pair_cap, "pair", "shanghai", "zhejiang", high=value[pair_cap], source="printed"),
        Statement(floor, "pair", "beijing", "hebei", low=value[floor], source="printed"),
        # section 3.1.1
        change("relative", "shanghai", low=0.004),
        change("relative", "jiangsu", low=0.002, since=2010),
        change("relative", "zhejiang", low=-0.003, high=0.001),
        change("relative", "anhui", high=-0.005),
        change("relative", "beijing", low=0.008),
        change("relative", "hebei", high=-0.004),
        Statement("tianjin_least", "relative", "tianjin", "beijing", high=-0.02),
        Statement("tianjin_least", "relative", "tianjin", "hebei", high=-0.02),
        # section 3.1.2
        change("pair", "beijing", "hebei", low=0.003, high=0.0135),
        change("pair", "tianjin", "hebei", high=-0.006),
        change("pair", "beijing", "tianjin", low=0.012),
        Statement("tianjin_hebei_differ_much", "pair", "tianjin", "hebei", low=slight),
        change("pair", "zhejiang", "anhui", high=-0.003),
        change("pair", "jiangsu", "anhui", high=-0.003),
        change("pair", "shanghai", "anhui", low=0.003),
        change("pair", "shanghai", "zhejiang", low=-0.003, high=0.003),
        change("pair", "shanghai", "jiangsu", low=0.003),
        Statement("shanghai_zhejiang_differ_much", "pair", "shanghai", "zhejiang", low=slight),
        Statement("jiangsu_zhejiang_differ_little", "pair", "jiangsu", "zhejiang", high=slight),
        *(Statement("anhui_differs_much", "pair", i, "anhui", low=slight) for i in ("shanghai", "jiangsu", "zhejiang")),
        # section 2.2, levels
        *(
            Statement(f"{core}_{word}", kind, core, other, low=low, high=high)
            for core, cluster in (("shanghai", DELTA), ("beijing", CAPITAL))
            for kind, word, low, high in (("labour", "least", -np.inf, -0.02), ("technology", "most", 0.05, np.inf))
            for other in PROVINCES[cluster]
            if other != core
        ),
        *(
            Statement("jiangsu_like_tianjin", kind, i, low=low, high=high, source="assumed", years=last)
            for i in ("jiangsu", "tianjin")
            for kind, low, high in (("technology", 0.36, 0.48), ("labour", 0.22, 0.32))
        ),
        *(
            Statement("zhejiang_like_anhui", kind, "zhejiang", "anhui", low=-0.05, high=0.05, years=last)
            for kind in ("technology", "labour")
        ),
        Statement("hebei_high", "capital", "hebei", "tianjin", low=0.05),
        Statement("hebei_low", "technology", "hebei", "tianjin", high=-0.1),
        # section 2.2, changes
        *(change(kind, "zhejiang", low=-0.002, high=0.002) for kind in ("labour", "capital", "technology")),
        *(change("technology", i, low=0.001, high=0.004) for i in ("jiangsu", "anhui")),
        change("capital", "jiangsu", high=-0.002),
        change("capital", "anhui", high=-0.009),
        *(change(kind, "tianjin", low=0.002) for kind in ("labour", "capital")),
        *(change(kind, "hebei", low=0.002) for kind in ("labour", "technology")),
        change("capital", "hebei", high=-0.008),
        # section 3.2
        Statement("shanghai_automobiles_second_to_tobacco", "lq_16", "shanghai", low=2.25, years=last),
        Statement("shanghai_automobiles_second_to_tobacco", "lq_36", "shanghai", low=1.8, high=2.2, years=last),
        *(
            Statement("shanghai_automobiles_second_to_tobacco", f"lq_{k}", "shanghai", high=1.75, years=last)
            for k in (14, 21, 25, 34, 37, 39)
        ),
        *(Statement("zhejiang_very_high", f"lq_{k}", "zhejiang", low=1.6, years=last) for k in (19, 21, 28)),
        *(Statement("anhui_very_high", f"lq_{k}", "anhui", low=1.8, years=last) for k in (13, 15)),
    )


@dataclass(frozen=True)
class _Frame:
    """What makes the statements linear: weights of the provinces, and signs of differences between their shares.

    ``above`` says where a location quotient is above one, ``order`` ranks the provinces within each industry by the
    industry's share in their output; each is None while it is open.
    """

    provinces: tuple[str, ...]
    weights: Floats
    above: Bools | None = None
    order: npt.NDArray[np.intp] | None = None

    def knows(self, quantity: str) -> bool:
        """Whether the signs that a quantity needs are known."""
        return {"pair": self.order is not None, "relative": self.above is not None}.get(quantity, True)

    def row(self, quantity: str, unit: str, other: str = "") -> Floats:
        """Coefficients of an index or a share on the table of fractions of the cluster's output."""
        i, row = self.provinces.index(unit), np.zeros((len(self.provinces), len(_BASE)))
        if quantity == "pair" and self.order is not None:
            j = self.provinces.index(other)
            sign = np.sign(self.order[i] - self.order[j])
            row[i], row[j] = sign / self.weights[i], -sign / self.weights[j]
            return row
        if quantity == "relative" and self.above is not None:
            sign = np.where(self.above[i], 1.0, -1.0)
            row[:] = -sign / (1 - self.weights[i])
            row[i] = sign / self.weights[i]
        else:
            row[i] = (_classes() == quantity) / self.weights[i]
        return row - self.row(quantity, other) if other else row

    def quotient(self, i: int, k: int, level: float) -> Floats:
        """Coefficients of the industry's share in a province less ``level`` times its share in the cluster."""
        return _quotient(self.weights, len(_BASE), i, k, level)


def _quotients(weights: Floats, levels: Floats) -> Floats:
    """The rows of `_quotient` for all provinces and industries, by two more axes in front; levels by province and k."""
    i, k = np.indices(levels.shape)
    rows = np.zeros(levels.shape * 2)
    rows[i, k, :, k] = -levels[..., None]
    rows[i, k, i, k] += 1 / weights[:, None]
    return rows


def _quotient(weights: Floats, n_industries: int, i: int, k: int, level: float) -> Floats:
    """Coefficients of an industry's share in a province less ``level`` times its share in the cluster."""
    row = np.zeros((len(weights), n_industries))
    row[:, k] = -level
    row[i, k] += 1 / weights[i]
    return row


@cache
def _sectors() -> pd.DataFrame:
    """The 28 industries of p4."""
    return manufacturing_sectors().query("in_p4").reset_index(drop=True)


@cache
def _classes() -> npt.NDArray[np.str_]:
    """Intensity class of each industry."""
    return np.asarray(_sectors()["intensity_a"], dtype=str)


@cache
def _industries() -> tuple[str, ...]:
    """Codes of the industries."""
    return tuple(_sectors()["industry"])


@cache
def _printed() -> dict[str, float]:
    """Numbers of the text by id."""
    return {item: float(value) for item, value in _decimals().items()}


@cache
def _decimals() -> dict[str, Decimal]:
    """Numbers of the text by id, with their decimals as printed."""
    printed = in_text("p4")
    return dict(zip(printed["item"], printed["value"], strict=True))


def _values(quantity: str, unit: str, other: str, provinces: Sequence[str], output: Floats) -> float:
    """An index or a share by its formula, from a table of provinces x industries."""
    i = provinces.index(unit)
    shares = output / output.sum(axis=1, keepdims=True)
    if quantity == "pair":
        return float(np.abs(shares[i] - shares[provinces.index(other)]).sum())
    if quantity == "relative":
        rest = np.delete(output, i, axis=0).sum(axis=0)
        value = np.abs(shares[i] - rest / rest.sum()).sum()
    elif quantity.startswith("lq_"):
        k = _industries().index(quantity.removeprefix("lq_"))
        value = shares[i, k] / (output[:, k].sum() / output.sum())
    else:
        value = shares[i, _classes() == quantity].sum()
    return float(value) - (_values(quantity, other, "", provinces, output) if other else 0.0)


def _bounds(
    said: Iterable[Statement], year: int, provinces: Sequence[str], following: Floats | None
) -> list[tuple[Statement, float, float]]:
    """Statements that bind a year, with the bounds on their quantity in that year."""
    bounds = []
    for s in said:
        first, last = s.years
        if s.unit not in provinces or not first <= year <= last:
            continue
        low, high = s.low, s.high
        if s.yearly:
            if following is None:
                continue
            value = _values(s.quantity, s.unit, s.other, provinces, following)
            low, high = value - high, value - low
        elif s.source == "printed" and low < high:
            low, high = low + BOUND_MARGIN, high - BOUND_MARGIN
        bounds.append((s, low, high))
    return bounds


class _Rows:
    """Constraints under construction."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.rows: list[Floats] = []
        self.bounds: list[tuple[float, float]] = []

    def add(self, name: str, row: Floats, low: float = 0.0, high: float = np.inf) -> None:
        """One row over a table, non-negative unless bounds are given."""
        self.add_all([name], row, low, high)

    def add_all(self, names: Sequence[str], rows: Floats, low: float = 0.0, high: float = np.inf) -> None:
        """Rows over a table, one per name, that share their bounds."""
        self.names.extend(names)
        self.rows.append(rows.reshape(len(names), -1))
        self.bounds.extend([(low, high)] * len(names))

    def add_totals(self, provinces: Sequence[str], weights: Floats, n_industries: int) -> None:
        """The provinces' shares in the cluster, each in units of itself."""
        for province, unit, weight in zip(provinces, np.eye(len(weights)), weights, strict=True):
            self.add(f"total {province}", np.outer(unit / weight, np.ones(n_industries)), 1.0, 1.0)

    def add_pattern(self, above: Bools, weights: Floats, base: Floats) -> None:
        """Location quotients above and below one, in units of the industry's share."""
        sign = np.where(above, 1.0, -1.0)
        rows = sign[..., None, None] * _quotients(weights, 1 + sign * LQ_MARGIN) / base[:, None, None]
        self.add_all([f"pattern {i} {k}" for i, k in np.ndindex(above.shape)], rows)

    def add_order(self, frame: _Frame, order: npt.NDArray[np.intp], base: Floats) -> None:
        """Provinces next to each other in an industry, in units of the industry's share."""
        ladder = np.argsort(order, axis=0).T
        lower, upper = ladder[:, :-1], ladder[:, 1:]
        k, step = np.indices(lower.shape)
        rows = np.zeros((*lower.shape, len(frame.provinces), len(base)))
        rows[k, step, upper, k] = 1 / frame.weights[upper] / base[:, None]
        rows[k, step, lower, k] = -1 / frame.weights[lower] / base[:, None]
        names = [
            f"order {frame.provinces[below]} {frame.provinces[above]} {industry}"
            for industry, steps in enumerate(ladder.tolist())
            for below, above in pairwise(steps)
        ]
        self.add_all(names, rows, ORDER_MARGIN)

    def built(self) -> Constraints:
        """All rows as arrays."""
        low, high = np.array(self.bounds).T
        return Constraints(tuple(self.names), np.concatenate(self.rows), low, high)


def _constraints(frame: _Frame, bounds: Iterable[tuple[Statement, float, float]], base: Floats) -> Constraints:
    """Rows for the totals, the pattern and the order where they are known, and the statements."""
    rows = _Rows()
    rows.add_totals(frame.provinces, frame.weights, len(base))
    if frame.above is not None:
        rows.add_pattern(frame.above, frame.weights, base)
    if frame.order is not None:
        rows.add_order(frame, frame.order, base)
    for s, low, high in bounds:
        name = " ".join(filter(None, (s.item, s.unit, s.other)))
        if s.quantity.startswith("lq_"):
            i, k = frame.provinces.index(s.unit), _industries().index(s.quantity.removeprefix("lq_"))
            for sign, level in ((1, low), (-1, high)):
                if np.isfinite(level):
                    rows.add(f"{name} {s.quantity}", sign * frame.quotient(i, k, level) / base[k])
        elif frame.knows(s.quantity):
            rows.add(name, frame.row(s.quantity, s.unit, s.other), low, high)
    return rows.built()


def _technology_paths(year: int) -> list[Statement]:
    """The cores' technology shares on a straight line with the printed mean of 2013-2014 and gain over 2005-2008."""
    value = _printed()
    gains = {"shanghai": value["tech_intensive_gain_shanghai"], "beijing": _NEARLY_TEN}
    paths = []
    for core, gain in gains.items():
        mean = value[f"tech_intensive_share_{core}_2013_2014"]
        share = mean + gain / 100 * (year - 2013.5) / (2013.5 - 2006.5)
        paths.append(Statement(f"technology path {core}", "technology", core, low=share, high=share, source="assumed"))
    return paths


def _pattern() -> Bools:
    """Table 4 as rebuilt: provinces of the delta x industries."""
    table = rebuilt("p4", 4)
    cells = zip(table["province"], table["sector_code"], table["lq_above_one"], strict=True)
    above = {(province, sector): one == 1 for province, sector, one in cells}
    return np.array([[above[i, k] for k in _industries()] for i in PROVINCES[DELTA]])


def _hightech_pattern(cluster: str, table: pd.DataFrame) -> tuple[Bools, Bools]:
    """Table 1 as rebuilt, provinces x industries, and where its advantage is weak; in the north mostly assumed."""
    cells = zip(table["province"], table["sector"], table["lq_above_one"], table["note"], strict=True)
    known = {(province, sector): (one == 1, note == "weak") for province, sector, one, note in cells}
    found = np.array([[known.get((i, k), (False, False)) for k in HIGHTECH] for i in PROVINCES[cluster]])
    above, weak = found[..., 0], found[..., 1]
    if cluster == CAPITAL:
        for industry, leaders in _HIGHTECH_NORTH_LEADERS.items():
            for leader in leaders:
                above[list(PROVINCES[CAPITAL]).index(leader), HIGHTECH.index(industry)] = True
    return above, weak


def _prior(cluster: str, weights: Floats, pattern: Bools | None, rng: np.random.Generator) -> Floats:
    """Fractions of the cluster's output: base, lifts and draws, with the totals of the provinces."""
    lifts = np.zeros((len(weights), len(_BASE)))
    if pattern is not None:
        lifts = TILT * np.where(pattern, 1.0, -1.0)
    else:
        for i, province in enumerate(PROVINCES[cluster]):
            for key, lift in _LIFTS[province].items():
                lifts[i] += lift * (np.array(_industries()) == key)
    prior = _BASE * np.exp(lifts + SPREAD * rng.standard_normal(lifts.shape))
    return np.asarray(prior * (weights / prior.sum(axis=1))[:, None])


def _last_year(
    cluster: str, weights: Floats, said: Sequence[Statement], pattern: Bools | None, rng: np.random.Generator
) -> tuple[_Frame, Floats]:
    """The fit of 2014: once with what needs no unknown sign, which settles the signs, and once with all."""
    provinces = tuple(PROVINCES[cluster])
    prior = _prior(cluster, weights, pattern, rng)
    base = prior.sum(axis=0)
    bounds = _bounds([*said, *_technology_paths(LAST)], LAST, provinces, None)
    known = _Frame(provinces, weights, pattern)
    draft = nearest_table(prior, _constraints(known, bounds, base), tol=DRAFT)
    shares = draft / weights[:, None]
    above = shares > draft.sum(axis=0) if known.above is None else known.above
    frame = _Frame(provinces, weights, above, np.argsort(np.argsort(shares, axis=0), axis=0))
    return frame, nearest_table(prior, _constraints(frame, bounds, base))


def _all_years(
    cluster: str, totals: pd.DataFrame, said: Sequence[Statement], pattern: Bools | None, rng: np.random.Generator
) -> dict[int, Floats]:
    """Output by year, provinces x industries, fitted backwards from 2014."""
    shares = totals.div(totals.sum(axis=1), axis=0)
    frame, table = _last_year(cluster, shares.loc[LAST].to_numpy(), said, pattern, rng)
    tables = {LAST: table}
    for year in reversed(YEARS[:-1]):
        weights = shares.loc[year].to_numpy()
        structure = table / table.sum(axis=1, keepdims=True) * np.exp(DRIFT * rng.standard_normal(table.shape))
        prior = structure * (weights / structure.sum(axis=1))[:, None]
        bounds = _bounds([*said, *_technology_paths(year)], year, frame.provinces, table)
        frame = _Frame(frame.provinces, weights, frame.above, frame.order)
        table = nearest_table(prior, _constraints(frame, bounds, prior.sum(axis=0)))
        tables[year] = table
    return {year: tables[year] * totals.loc[year].to_numpy().sum() for year in YEARS}


def _totals() -> dict[str, pd.DataFrame]:
    """Output of the provinces by year, 10^8 yuan.

    The delta's total follows printed and assumed growth; a province's share in it goes from its value of 2005, which
    follows from 2014 and the printed average growth, to that of 2014, geometrically in the growth of the total.
    """
    value = _printed()
    delta = PROVINCES[DELTA]
    end = np.array([value[f"output_2014_{i}"] for i in delta])
    growth = np.array([value[f"growth_2005_2014_{i}"] for i in delta]) / 100
    start = end / (1 + growth) ** (LAST - YEARS[0])
    yearly = {**_GROWTH, 2009: value["growth_2014"], 2010: value["growth_2010"], LAST: value["growth_2014"]}
    log_growth = {year: np.log1p(rate / 100) for year, rate in yearly.items()}
    log_growth[2013] = np.log(end.sum() / start.sum()) - sum(log_growth.values())
    time = np.cumsum([0.0, *(log_growth[year] for year in YEARS[1:])])
    north = {year: np.array(output) for year, output in _NORTH.items()}
    return {
        DELTA: _between(start, end, time, list(delta), np.exp(time) * start.sum()),
        CAPITAL: _between(north[2005], north[2014], time, list(PROVINCES[CAPITAL])),
    }


def _between(
    start: Floats, end: Floats, time: Floats, columns: Sequence[str], sums: Floats | None = None
) -> pd.DataFrame:
    """Geometric paths from start to end along a clock, scaled to given sums."""
    paths = start * (end / start) ** (time / time[-1])[:, None]
    if sums is not None:
        paths *= (sums / paths.sum(axis=1))[:, None]
    return pd.DataFrame(paths, index=YEARS, columns=list(columns))


def _hightech_shares() -> tuple[Floats, Floats]:
    """Industries' shares in the delta's high-tech revenue of 2014 and of 2005.

    Three are printed for 2014; the sums of both years and the growth rates leave one solution for the other two.
    """
    value = _printed()
    span = LAST - YEARS[0]
    growth = np.array([(1 + value[f"hightech_growth_{k}"] / 100) ** span for k in HIGHTECH])
    total = (1 + value["hightech_growth_yrd"] / 100) ** span
    last = np.array([value.get(f"hightech_share_2014_{k}", np.nan) / 100 for k in HIGHTECH])
    open_ = np.isnan(last)
    sums = [1 - last[~open_].sum(), 1 - (last / growth)[~open_].sum() * total]
    last[open_] = np.linalg.solve([np.ones(2), total / growth[open_]], sums)
    return last, last * total / growth


def _hightech_delta(above: Bools, weak: Bools, rng: np.random.Generator) -> dict[int, Floats]:
    """Revenue by year, provinces x industries: fitted in 2014, then its structure brought to each year's margins."""
    value = _printed()
    provinces, span = tuple(PROVINCES[DELTA]), LAST - YEARS[0]
    sum_last = value["hightech_revenue_2014_yrd"]
    sum_first = sum_last / (1 + value["hightech_growth_yrd"] / 100) ** span
    growth = np.array([(1 + value[f"hightech_growth_{i}"] / 100) ** span for i in provinces])

    totals = _Rows()
    jiangsu = value["hightech_revenue_2014_jiangsu"] / sum_last
    totals.add("revenue of 2014", np.ones(len(provinces)), 1.0, 1.0)
    totals.add("revenue of jiangsu", np.eye(len(provinces))[1], jiangsu, jiangsu)
    totals.add("revenue of 2005", 1 / growth, *[sum_first / sum_last] * 2)
    prior = np.array([_HIGHTECH_PRIOR.get(i, jiangsu * sum_last) for i in provinces]) / sum_last
    weights = nearest_table(prior * np.exp(0.1 * rng.standard_normal(len(prior))), totals.built())

    shares, first_shares = _hightech_shares()
    rows = _Rows()
    rows.add_totals(provinces, weights, len(shares))
    rows.add_pattern(above, weights, shares)
    for i, k in np.argwhere(weak):
        rows.add(f"weak {i} {k}", -_quotient(weights, len(shares), i, k, WEAK_LQ) / shares[k])
    for k, share in enumerate(shares[:-1]):
        rows.add(f"share {HIGHTECH[k]}", np.outer(np.ones(len(weights)), np.eye(len(shares))[k]), share, share)
    prior = np.outer(weights, shares) * np.exp(
        TILT * np.where(above, 1, -1) + SPREAD * rng.standard_normal(above.shape)
    )
    table = nearest_table(prior, rows.built())

    time = np.arange(len(YEARS), dtype=float)
    sums = sum_first * (sum_last / sum_first) ** (time / span)
    by_province = _between(weights * sum_last / growth, weights * sum_last, time, provinces, sums)
    by_industry = _between(first_shares * sum_first, shares * sum_last, time, HIGHTECH, sums)
    tables = {}
    for year, total in zip(YEARS, sums, strict=True):
        margins = _Rows()
        margins.add_totals(provinces, by_province.loc[year].to_numpy() / total, len(shares))
        for k, share in enumerate(by_industry.loc[year].to_numpy()[:-1] / total):
            margins.add(f"share {HIGHTECH[k]}", np.outer(np.ones(len(weights)), np.eye(len(shares))[k]), share, share)
        tables[year] = nearest_table(table, margins.built()) * total
    return tables


def _hightech_north(above: Bools, rng: np.random.Generator) -> dict[int, Floats]:
    """Assumed revenue by year, provinces x industries, with the pattern that the text describes; shares stay."""
    first, last = (np.array(_HIGHTECH_NORTH[year]) for year in (YEARS[0], LAST))
    shares, weights = np.array(_HIGHTECH_NORTH_SHARES) / sum(_HIGHTECH_NORTH_SHARES), last / last.sum()
    rows = _Rows()
    rows.add_totals(tuple(PROVINCES[CAPITAL]), weights, len(shares))
    rows.add_pattern(above, weights, shares)
    prior = np.outer(weights, shares) * np.exp(
        TILT * np.where(above, 1, -1) + SPREAD * rng.standard_normal(above.shape)
    )
    table = nearest_table(prior, rows.built())
    totals = _between(first, last, np.arange(len(YEARS), dtype=float), list(PROVINCES[CAPITAL]))
    return {year: table / weights[:, None] * totals.loc[year].to_numpy()[:, None] for year in YEARS}


def _long(tables: Mapping[str, Mapping[int, Floats]], industries: Sequence[str], value: str) -> pd.DataFrame:
    """Tables by cluster and year as one row per province, industry and year."""
    parts = []
    for cluster, by_year in tables.items():
        cube = np.stack([by_year[year] for year in by_year], axis=-1)
        index = pd.MultiIndex.from_product(
            [list(PROVINCES[cluster].values()), industries, list(by_year)], names=["province", "industry", "year"]
        )
        parts.append(pd.DataFrame({value: cube.ravel()}, index=index).reset_index())
    return pd.concat(parts, ignore_index=True)


def _regions() -> pd.DataFrame:
    """Provinces with their cluster and names."""
    rows = [
        (code, cluster, name.capitalize(), _CHINESE[name])
        for cluster, provinces in PROVINCES.items()
        for name, code in provinces.items()
    ]
    return pd.DataFrame(rows, columns=["province", "cluster", "name", "name_zh"])


def fitted_tables(
    n: int, seed: int | np.random.Generator = 0, *, said: Sequence[Statement] | None = None
) -> pd.DataFrame:
    """Tables of 2014 that all agree with the text: their spread is what the print leaves open, given the prior.

    Parameters
    ----------
    n : int
        Number of tables.
    seed : int or Generator
        The same seed gives the same tables.
    said : sequence of Statement, optional
        Instead of `statements`, say with one of them changed or left out.

    Returns
    -------
    DataFrame
        ``draw`` (0 to n - 1), ``province``, ``industry``, ``output`` (10^8 yuan).

    Raises
    ------
    DomainError
        ``n`` is below one.
    InfeasibleError
        The statements contradict each other.

    Examples
    --------
    >>> fitted_tables(2, seed=1).groupby("draw")["output"].sum().round(6).to_dict()
    {0: 343428.0, 1: 343428.0}
    """
    if n < 1:
        raise DomainError(f"{n} tables cannot be drawn", remedy="ask for one at least")
    said = statements() if said is None else said
    totals = {cluster: by_year.loc[LAST].to_numpy() for cluster, by_year in _totals().items()}
    patterns = {DELTA: _pattern(), CAPITAL: None}
    fitted: dict[str, dict[int, Floats]] = {cluster: {} for cluster in totals}
    for draw, rng in enumerate(np.random.default_rng(seed).spawn(n)):
        for (cluster, total), random in zip(totals.items(), rng.spawn(len(totals)), strict=True):
            table = _last_year(cluster, total / total.sum(), said, patterns[cluster], random)[1]
            fitted[cluster][draw] = table * total.sum()
    tables = _long(fitted, _industries(), "output").rename(columns={"year": "draw"})
    tables = tables.sort_values("draw", kind="stable", ignore_index=True)
    return tables[["draw", "province", "industry", "output"]]


def panel(seed: int | np.random.Generator = 0) -> Bundle:
    """Own-data tables of p4, fitted to the text.

    Parameters
    ----------
    seed : int or Generator
        The same seed gives the same tables; every seed agrees with the text. Seed 0 is stored in ``data/results``.

    Returns
    -------
    Bundle
        ``tables``: ``province_industry`` (output, 10^8 yuan), ``hightech`` (revenue, 10^8 yuan), ``regions`` and
        ``intensity``.
        ``truth``, by plain formulas: ``relative`` (``time, group, unit, share, specialization``), ``pairs`` (``time,
        group, unit_a, unit_b, specialization``), ``advantage`` and ``hightech_advantage`` (``time, group, unit,
        industry, location_quotient, advantage``) and ``class_shares`` (``time, unit, class, share``).
        ``calibration``: one row per statement and bound with ``statement`` (id in ``in_text.csv`` where there is one),
        ``province, year, relation`` (``eq``, ``gt``, ``lt``, ``about``), ``target, fitted, gap, source`` (``printed``,
        ``wording``, ``assumed``) and ``holds``. Of a statement about several years ``fitted`` is the value nearest to
        breaking it, of one about changes (``change_``) that of the yearly changes.

    Notes
    -----
    Average growth is read as compound from 2005 to 2014. The growth of 2009 is that of 2014, as the text has it; of
    2006 to 2008, 2011 and 2012 it is assumed within the bounds of the text, and 2013 follows. "Nearly 10" points are
    9.8. Northern output, northern high-tech revenue, the course between years and the size of changes that the text
    gives in words are assumed.

    Examples
    --------
    >>> bundle = panel(seed=1)
    >>> bundle.tables["province_industry"].shape, bool(bundle.calibration["holds"].all())
    ((1960, 4), True)
    """
    random_delta, random_north, random_hightech, random_hightech_north = np.random.default_rng(seed).spawn(4)
    totals = _totals()
    pattern, table_1 = _pattern(), rebuilt("p4", 1)
    hightech, hightech_north = (_hightech_pattern(cluster, table_1) for cluster in (DELTA, CAPITAL))
    output = {
        DELTA: _all_years(DELTA, totals[DELTA], statements(), pattern, random_delta),
        CAPITAL: _all_years(CAPITAL, totals[CAPITAL], statements(), None, random_north),
    }
    revenue = {
        DELTA: _hightech_delta(*hightech, random_hightech),
        CAPITAL: _hightech_north(hightech_north[0], random_hightech_north),
    }
    relative, pairs = _relative_truth(output), _pair_truth(output)
    return Bundle(
        tables={
            "province_industry": _long(output, _industries(), "output"),
            "hightech": _long(revenue, HIGHTECH, "revenue"),
            "regions": _regions(),
            "intensity": _sectors()[["industry", "intensity_a"]].rename(columns={"intensity_a": "class"}),
        },
        source="simulated",
        truth={
            "relative": relative,
            "pairs": pairs,
            "advantage": _advantage_truth(output, _industries()),
            "class_shares": _class_truth(output),
            "hightech_advantage": _advantage_truth(revenue, HIGHTECH),
        },
        calibration=_calibration(
            [
                *_structure_rows(output),
                *_technology_rows(output),
                *_output_rows(output),
                *_hightech_rows(revenue),
                *_pattern_rows(output, revenue, pattern, hightech[0]),
                *_difference_rows(relative, pairs),
            ]
        ),
        notes=(f"FITTED, NOT DATA (seed {seed}): agrees with every number and statement that survives in the text",),
    )


def _relative_truth(tables: Tables) -> pd.DataFrame:
    """Relative specialisation of each province, and its share in the cluster."""
    rows = [
        (
            year,
            cluster,
            code,
            table[i].sum() / table.sum(),
            _values("relative", name, "", list(PROVINCES[cluster]), table),
        )
        for cluster, by_year in tables.items()
        for year, table in by_year.items()
        for i, (name, code) in enumerate(PROVINCES[cluster].items())
    ]
    return pd.DataFrame(rows, columns=["time", "group", "unit", "share", "specialization"])


def _pair_truth(tables: Tables) -> pd.DataFrame:
    """Specialisation of each pair of a cluster."""
    rows = [
        (year, cluster, codes[a], codes[b], _values("pair", a, b, list(codes), table))
        for cluster, by_year in tables.items()
        for codes in [PROVINCES[cluster]]
        for year, table in by_year.items()
        for a, b in combinations(codes, 2)
    ]
    return pd.DataFrame(rows, columns=["time", "group", "unit_a", "unit_b", "specialization"])


def _advantage_truth(tables: Tables, industries: Sequence[str]) -> pd.DataFrame:
    """Location quotients with the cluster as base."""
    rows = [
        (year, cluster, code, industry, quotient)
        for cluster, by_year in tables.items()
        for year, table in by_year.items()
        for code, quotients in zip(
            PROVINCES[cluster].values(),
            table / table.sum(axis=1, keepdims=True) / (table.sum(axis=0) / table.sum()),
            strict=True,
        )
        for industry, quotient in zip(industries, quotients.tolist(), strict=True)
    ]
    frame = pd.DataFrame(rows, columns=["time", "group", "unit", "industry", "location_quotient"])
    return frame.assign(advantage=frame["location_quotient"] > 1)


def _class_truth(tables: Tables) -> pd.DataFrame:
    """Shares of the intensity classes in each province's output."""
    rows = [
        (year, code, kind, table[i, _classes() == kind].sum() / table[i].sum())
        for cluster, by_year in tables.items()
        for year, table in by_year.items()
        for i, code in enumerate(PROVINCES[cluster].values())
        for kind in ("labour", "capital", "technology")
    ]
    return pd.DataFrame(rows, columns=["time", "unit", "class", "share"])


def _calibration(rows: Sequence[Row]) -> pd.DataFrame:
    """Each statement against the fitted tables, and whether it holds."""
    frame = pd.DataFrame(rows, columns=["statement", "province", "year", "relation", "target", "fitted", "source"])
    gap = frame["fitted"] - frame["target"]
    within = {
        "eq": gap.abs() <= EXACT * frame["target"].abs().clip(lower=1),
        "gt": gap >= -EXACT,
        "lt": gap <= EXACT,
        "about": gap.abs() <= frame["statement"].map(_last_digits()),
    }
    holds = np.select([frame["relation"] == relation for relation in within], list(within.values()))
    columns = ["statement", "province", "year", "relation", "target", "fitted", "gap", "source", "holds"]
    return frame.assign(gap=gap, holds=holds.astype(bool))[columns]


def _structure_rows(output: Tables) -> Iterator[Row]:
    """Statements on indices and shares, each bound in the year that is nearest to breaking it."""
    for s in statements():
        cluster = next(name for name, provinces in PROVINCES.items() if s.unit in provinces)
        provinces, (first, last) = list(PROVINCES[cluster]), s.years
        years = range(first, last + 1)
        values = np.array([_values(s.quantity, s.unit, s.other, provinces, output[cluster][year]) for year in years])
        if s.yearly:
            values = np.diff(values)
        period = f"{first}-{last}" if first < last else str(first)
        place = "-".join(filter(None, (s.unit, s.other)))
        if s.low == s.high:
            yield s.item, place, period, "eq", s.low, float(values[0]), s.source
            continue
        item = s.item if s.yearly or s.source == "printed" else f"{s.item}_{s.quantity}"
        if np.isfinite(s.low):
            yield item, place, period, "gt", s.low, float(values.min()), s.source
        if np.isfinite(s.high):
            yield item, place, period, "lt", s.high, float(values.max()), s.source


def _technology_rows(output: Tables) -> Iterator[Row]:
    """Mean technology shares of the cores and their gain."""
    for core, cluster in (("shanghai", DELTA), ("beijing", CAPITAL)):
        shares = pd.Series(
            {year: _values("technology", core, "", list(PROVINCES[cluster]), output[cluster][year]) for year in YEARS}
        )
        mean = float(shares.loc[2013:2014].mean())
        gain = 100 * (mean - float(shares.loc[2005:2008].mean()))
        item, gained = f"tech_intensive_share_{core}_2013_2014", f"tech_intensive_gain_{core}"
        yield item, core, "2013-2014", "eq", _printed()[item], mean, "printed"
        relation = "eq" if core == "shanghai" else "about"
        yield gained, core, "2005-2014", relation, _printed()[gained], gain, "printed"


def _output_rows(output: Tables) -> Iterator[Row]:
    """Totals, shares and growth of output."""
    value, span = _printed(), LAST - YEARS[0]
    delta, north = (np.array([output[cluster][year].sum(axis=1) for year in YEARS]) for cluster in (DELTA, CAPITAL))
    whole = delta.sum(axis=1)
    growth = dict(zip(YEARS[1:], 100 * (whole[1:] / whole[:-1] - 1), strict=True))

    def printed(item: str, place: str, year: str, relation: str, fitted: float) -> Row:
        return item, place, year, relation, value[item], float(fitted), "printed"

    for i, name in enumerate(PROVINCES[DELTA]):
        average = 100 * ((delta[-1, i] / delta[0, i]) ** (1 / span) - 1)
        yield printed(f"output_2014_{name}", name, "2014", "eq", delta[-1, i])
        yield printed(f"share_2014_{name}", name, "2014", "about", 100 * delta[-1, i] / whole[-1])
        yield printed(f"growth_2005_2014_{name}", name, "2005-2014", "eq", average)
    yield printed("output_2014_yrd", DELTA, "2014", "eq", whole[-1])
    yield printed("growth_2010", DELTA, "2010", "eq", growth[2010])
    yield printed("growth_2014", DELTA, "2014", "eq", growth[LAST])
    yield "growth_2009_as_2014", DELTA, "2009", "eq", value["growth_2014"], float(growth[2009]), "wording"
    before, others = ([growth[y] for y in years] for years in ((2006, 2007, 2008), (2009, 2011, 2012, 2013, LAST)))
    yield printed("annual_growth_pre_crisis", DELTA, "2006-2008", "gt", min(before))
    yield printed("growth_other_years_cap", DELTA, "2009-2014", "lt", max(others))
    for year, assumed in _NORTH.items():
        for i, (name, total) in enumerate(zip(PROVINCES[CAPITAL], assumed, strict=True)):
            yield f"output_{year}_{name}", name, str(year), "eq", total, float(north[YEARS.index(year), i]), "assumed"


def _hightech_rows(revenue: Tables) -> Iterator[Row]:
    """Totals, shares and growth of high-tech revenue in the delta."""
    value, span = _printed(), LAST - YEARS[0]
    first, last = revenue[DELTA][YEARS[0]], revenue[DELTA][LAST]

    def average(start: float, end: float) -> float:
        return 100 * float((end / start) ** (1 / span) - 1)

    def printed(item: str, place: str, year: str, fitted: float, relation: str = "eq") -> Row:
        return item, place, year, relation, value[item], float(fitted), "printed"

    yield printed("hightech_revenue_2014_yrd", DELTA, "2014", last.sum())
    yield printed("hightech_revenue_2014_jiangsu", "jiangsu", "2014", last[1].sum())
    yield printed("hightech_share_2014_jiangsu", "jiangsu", "2014", 100 * last[1].sum() / last.sum(), "about")
    yield printed("hightech_growth_yrd", DELTA, "2005-2014", average(first.sum(), last.sum()))
    for i, name in enumerate(PROVINCES[DELTA]):
        yield printed(f"hightech_growth_{name}", name, "2005-2014", average(first[i].sum(), last[i].sum()))
    for k, name in enumerate(HIGHTECH):
        yield printed(f"hightech_growth_{name}", DELTA, "2005-2014", average(first[:, k].sum(), last[:, k].sum()))
        if f"hightech_share_2014_{name}" in value:
            share = 100 * last[:, k].sum() / last.sum()
            yield printed(f"hightech_share_2014_{name}", DELTA, "2014", share)


def _pattern_rows(output: Tables, revenue: Tables, pattern: Bools, hightech: Bools) -> Iterator[Row]:
    """Cells of the rebuilt tables, and shared leaders in the north."""

    def above(tables: Tables, cluster: str) -> Bools:
        table = tables[cluster][LAST]
        return np.asarray(table / table.sum(axis=1, keepdims=True) > table.sum(axis=0) / table.sum())

    yield "rebuilt_table_4", DELTA, "2014", "eq", 112.0, float((above(output, DELTA) == pattern).sum()), "wording"
    agree = float((above(revenue, DELTA) == hightech).sum())
    yield "rebuilt_table_1", DELTA, "2014", "eq", 20.0, agree, "wording"
    leaders = above(revenue, CAPITAL)
    instruments = HIGHTECH.index("medical_instruments")
    shared = float(leaders[[0, 2], instruments].sum())
    yield "medical_instruments_of_beijing_and_hebei", CAPITAL, "2014", "eq", 2.0, shared, "wording"
    yield "industries_with_two_leaders", CAPITAL, "2014", "eq", 1.0, float((leaders.sum(axis=0) > 1).sum()), "wording"


def _difference_rows(relative: pd.DataFrame, pairs: pd.DataFrame) -> Iterator[Row]:
    """The delta against the north."""
    for name, truth in (("relative", relative), ("pair", pairs)):
        mean = truth.groupby(["time", "group"])["specialization"].mean().unstack()
        excess = float((mean[DELTA] - mean[CAPITAL]).to_numpy().max())
        yield f"{name}_specialization_delta_less_than_north", "both", "2005-2014", "lt", 0.0, excess, "wording"


def _last_digits() -> dict[str, float]:
    """A unit of each statement's last printed digit: the text cuts off at least once instead of rounding."""
    return {item: 10.0 ** int(value.as_tuple().exponent) for item, value in _decimals().items()}
