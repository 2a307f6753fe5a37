"""Rebuild the files of ``specialization/``: how the sections of employment differ between provinces and cities.

The manufacturing output by province and industry behind the tables of p4 cannot be had. Employment in urban units by
the 19 sections of GB/T 4754 is another partition, of the whole economy; it can speak of the direction of the paper's
claims, not of its numbers. The workbook is that of ``make_coagglomeration.py`` and may not be shipped.

    python data/derived/make_specialization.py            # compare with the files in the repository
    python data/derived/make_specialization.py FOLDER     # write them there
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import combinations, product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from make_city_coagglomeration import PROVINCE_ROW
from make_coagglomeration import MISMATCH, WORKBOOK, read_workbook
from rebuild import rebuild

from regiometrics.data.facts import MANUFACTURING, SECTIONS, clusters, producer_services
from regiometrics.measure.specialization import (
    advantage_sectors,
    interregional_specialization,
    relative_specialization,
)

Floats = npt.NDArray[np.float64]

YEARS = (2004, 2018)
READ = (2003, 2019)  # a year more on both sides, to tell misplaced columns
NORTH, DELTA = "beijing_tianjin_hebei", "yangtze_river_delta"
PROVINCES = pd.DataFrame(
    [
        (NORTH, "110000", "Beijing"),
        (NORTH, "120000", "Tianjin"),
        (NORTH, "130000", "Hebei"),
        (DELTA, "310000", "Shanghai"),
        (DELTA, "320000", "Jiangsu"),
        (DELTA, "330000", "Zhejiang"),
        (DELTA, "340000", "Anhui"),
    ],
    columns=["cluster", "province", "name"],
)
CODES = PROVINCES["province"].tolist()
ANHUI = "340000"
CORES = {NORTH: "110000", DELTA: "310000"}
ELSEWHERE = "elsewhere"

STRUCTURES = {
    "sections": tuple(SECTIONS),
    "market": tuple(x for x in SECTIONS if x not in "PQS"),
    "market_no_construction": tuple(x for x in SECTIONS if x not in "EPQS"),
}
"""All sections; less education, health and public administration; less construction too, whose scope moves in 2013."""

GROUPS = {x: "manufacturing" if x == MANUFACTURING else "others" for x in SECTIONS} | dict.fromkeys(
    producer_services("p3_recovered"), "producer_services"
)

DOUBTED = [
    ("110000", (2004, 2005), "farmers are twenty times those of 2006, so it seems to count all who work"),
    (
        "310000",
        (2005, 2005),
        "trade and resident services are three times those of 2004 and 2006, so it seems to count more than units",
    ),
    ("330900", (2014, 2016), "more than twice the persons of the years around"),
    ("341300", (2015, 2016), "more than twice the persons of the years around"),
    ("341500", (2011, 2013), "three times the persons of the years before"),
    ("341500", (2015, 2016), "more than twice the persons of the years around"),
    ("341800", (2011, 2013), "more than three times the persons of the years around"),
]
"""Of the seven provinces: city, first and last year, why its cells are not taken."""
SWITCH = 0.03  # least gain in shares, and half of the distance, for columns to count as misplaced
MISPLACED = {"F": "G", "G": "I", "H": "F", "I": "H"}
"""Sections in the order of GB/T 4754-2011 under headings in the order of 2002: section to the column that holds it."""

WINDOWS = {  # the paper's years; less a year of another scope; before and after private units enter in 2013
    "2005-2014": (2005, 2014),
    "2006-2014": (2006, 2014),
    "2006-2012": (2006, 2012),
    "2013-2018": (2013, 2018),
}
PERIODS = {"2014": (2014, 2014), "2013-2014": (2013, 2014)}
DRAWS = 999
SEED = 2016
TAILS = (0.025, 0.975)
DELTAS = {"four provinces": CODES, "without Anhui": [code for code in CODES if code != ANHUI]}
JOINT = "2006-2014"  # window of the joint test
TIE = 1e-12  # gap below which two values of a statistic count as equal
MEASURED = {"industry": "section", "value": "persons", "time": "year"}


def mismatched(employment: pd.DataFrame) -> pd.Series:
    """Whether the printed total of a city-year is off the sum of its sections."""
    total = employment[list(SECTIONS)].sum(axis=1)
    return (total - employment["printed_total"]).abs() > MISMATCH * employment["printed_total"]


def put_in_place(employment: pd.DataFrame) -> pd.DataFrame:
    """The table with trade, transport, catering and information read from the columns of `MISPLACED`."""
    return employment.assign(**{section: employment[column] for section, column in MISPLACED.items()})


def misplaced(employment: pd.DataFrame) -> pd.Series:
    """Whether four sections of a city-year fit the mean of the years around far better in each other's places."""
    total = employment[list(SECTIONS)].sum(axis=1)
    printed, moved = (table[list(MISPLACED)].div(total, axis=0) for table in (employment, put_in_place(employment)))
    keys = employment[["city", "year"]]
    by_year = printed.set_axis(pd.MultiIndex.from_frame(keys))
    before, after = (
        by_year.reindex(pd.MultiIndex.from_frame(keys.assign(year=keys["year"] + step))).to_numpy() for step in (-1, 1)
    )
    apart, apart_moved = ((x - (before + after) / 2).abs().sum(axis=1, skipna=False) for x in (printed, moved))
    return (apart - apart_moved > SWITCH) & (apart_moved < apart / 2)


def flags(employment: pd.DataFrame) -> pd.DataFrame:
    """``adcode, year, flag, reason`` of city-years that are mended or left out."""
    keys = employment[["city", "year"]].rename(columns={"city": "adcode"})
    rows = [
        (city, year, "left out", reason) for city, (first, last), reason in DOUBTED for year in range(first, last + 1)
    ]
    found = [
        keys[mismatched(employment)].assign(flag="left out", reason="the sections do not add up to the printed total"),
        keys[misplaced(employment)].assign(flag="mended", reason="sections F, G, H, I stand under headings G, I, F, H"),
    ]
    table = pd.concat([pd.DataFrame(rows, columns=["adcode", "year", "flag", "reason"]), *found])
    return table[table["year"].between(*YEARS)].sort_values(["adcode", "year", "flag"], ignore_index=True)


def mended(employment: pd.DataFrame) -> pd.DataFrame:
    """The table with misplaced columns put back, without the city-years left out."""
    marked = flags(employment).set_index(["adcode", "year"])["flag"]
    at = employment.set_index(["city", "year"]).index
    move, leave = (at.isin(marked.index[marked == flag]) for flag in ("mended", "left out"))
    table = employment.where(~pd.Series(move, index=employment.index), put_in_place(employment))
    return table[~leave].astype(employment.dtypes.to_dict())


def cells(employment: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Employment of 2004-2018 as printed, and mended."""
    tables = {"raw": employment, "mended": mended(employment)}
    return {name: table[table["year"].between(*YEARS)].reset_index(drop=True) for name, table in tables.items()}


def in_long(table: pd.DataFrame, keys: Sequence[str], sections: Sequence[str]) -> pd.DataFrame:
    """Persons by the keys and section."""
    return table.melt(id_vars=list(keys), value_vars=list(sections), var_name="section", value_name="persons")


def by_province(employment: pd.DataFrame) -> pd.DataFrame:
    """Persons by province and year, all cities outside the seven provinces as ``elsewhere``.

    A cluster counts as elsewhere in years in which a municipality has no row; years without any cluster are left out.
    """
    province = employment["city"].str[:2] + "0000"
    cluster = province.map(PROVINCES.set_index("province")["cluster"])
    present = province.groupby([employment["year"], cluster]).transform("nunique")
    whole = present == cluster.map(PROVINCES["cluster"].value_counts())
    table = employment.assign(province=province.where(whole, ELSEWHERE), cluster=cluster.where(whole, ELSEWHERE))
    seen = whole.groupby(employment["year"]).transform("any")
    return table[seen].groupby(["cluster", "province", "year"], as_index=False)[list(SECTIONS)].sum()


def relative(totals: pd.DataFrame, sections: Sequence[str]) -> pd.DataFrame:
    """Indices of the provinces against the rest of the cluster, the cluster and all cities."""
    table = in_long(totals, ["province", "cluster", "year"], sections)
    inside = table[table["cluster"] != ELSEWHERE]
    where = {"region": "province", "cluster": "cluster", **MEASURED}
    rest = relative_specialization(inside, reference="rest", **where)
    found = rest.rename(columns={"time": "year", "specialization": "rest"})
    for name, rows in {"cluster": inside, "national": table}.items():
        other = relative_specialization(rows, reference=name, **where).rename(columns={"specialization": name})
        other = other.rename(columns={"time": "year"})[["year", "unit", name]]
        found = found.merge(other, on=["year", "unit"], validate="one_to_one", suffixes=("_of", ""))
    return found


def city_tensor(employment: pd.DataFrame, sections: Sequence[str]) -> tuple[Floats, list[str]]:
    """Persons (cities, years, sections) of the cities of the seven provinces, and the province of each city.

    All are zero in years in which the cluster lacks a municipality.
    """
    inside = employment[(employment["city"].str[:2] + "0000").isin(CODES)]
    years = range(YEARS[0], YEARS[1] + 1)
    cities = sorted(inside["city"].unique())
    grid = pd.MultiIndex.from_product([cities, years], names=["city", "year"])
    filled = inside.set_index(["city", "year"])[list(sections)].reindex(grid, fill_value=0.0)
    persons = filled.to_numpy(dtype=float).reshape(len(cities), len(years), -1)
    province = [city[:2] + "0000" for city in cities]
    cluster = PROVINCES.set_index("province")["cluster"].loc[province].to_numpy()
    for name in (NORTH, DELTA):
        provinces = np.stack([persons[np.array(province) == p].sum(axis=(0, 2)) for p in members_of(name)])
        persons[np.ix_(cluster == name, (provinces == 0).any(axis=0))] = 0
    return persons, province


def province_totals(persons: Floats, province: Sequence[str]) -> Floats:
    """Persons (provinces, years, sections) of the seven provinces."""
    return np.stack([persons[np.array(province) == p].sum(axis=0) for p in CODES])


def national_totals(employment: pd.DataFrame, sections: Sequence[str]) -> Floats:
    """Persons (years, sections) of all cities."""
    return employment.groupby("year")[list(sections)].sum().to_numpy(dtype=float)


def resampled(persons: Floats, province: Sequence[str]) -> Floats:
    """Persons (provinces, draws, years, sections) where each province draws as many of its cities, with replacement."""
    streams = np.random.default_rng(SEED).spawn(len(CODES))
    return np.stack([_drawn(persons[np.array(province) == p], s) for p, s in zip(CODES, streams, strict=True)])


def _drawn(persons: Floats, stream: np.random.Generator) -> Floats:
    """Persons (draws, years, sections) of a province whose cities are drawn."""
    n = len(persons)
    return np.tensordot(stream.multinomial(n, np.full(n, 1 / n), size=DRAWS).astype(float), persons, axes=1)


def dealt(persons: Floats, province: Sequence[str]) -> Floats:
    """The same where the cities of the delta's provinces are dealt out again, as many to each; others stay."""
    stream = np.random.default_rng(SEED)
    own = np.array(province)
    moving = np.isin(own, [c for c in PROVINCES.query("cluster == @DELTA")["province"] if c != CORES[DELTA]])
    labels = np.tile(own, (DRAWS, 1))
    labels[:, moving] = stream.permuted(np.tile(own[moving], (DRAWS, 1)), axis=1)
    return np.stack([np.tensordot((labels == p).astype(float), persons, axes=1) for p in CODES])


def distance(a: Floats, b: Floats) -> Floats:
    """Krugman's index between persons by section, on the last axis; missing where one is empty."""
    with np.errstate(invalid="ignore"):
        return np.abs(a / a.sum(axis=-1, keepdims=True) - b / b.sum(axis=-1, keepdims=True)).sum(axis=-1)


def against_rest(totals: Floats, members: Sequence[str]) -> Floats:
    """The index of each of some provinces against the others, (members, ...), from persons by province."""
    own = totals[[CODES.index(m) for m in members]]
    return distance(own, own.sum(axis=0) - own)


def paired(totals: Floats, members: Sequence[str]) -> dict[tuple[str, str], Floats]:
    """The index of each pair of some provinces."""
    return {(a, b): distance(totals[CODES.index(a)], totals[CODES.index(b)]) for a, b in combinations(members, 2)}


def members_of(cluster: str, *, anhui: bool = True) -> list[str]:
    """Provinces of a cluster."""
    return [c for c in PROVINCES.query("cluster == @cluster")["province"] if anhui or c != ANHUI]


def size_factor(totals: Floats, members: Sequence[str]) -> Floats:
    r"""Mean over provinces of :math:`\sqrt{1 + \sum_j w_j^2}`, the weights being those of the rest.

    Where structures are independent draws of equal dispersion, the index against the rest is proportional to it.
    """
    size = totals[[CODES.index(m) for m in members]].sum(axis=-1)
    with np.errstate(invalid="ignore"):
        rest = ((size**2).sum(axis=0) - size**2) / (size.sum(axis=0) - size) ** 2
    return np.sqrt(1 + rest).mean(axis=0)


def share_of(totals: Floats, members: Sequence[str]) -> Floats:
    """Share of each of some provinces in their sum."""
    size = totals[[CODES.index(m) for m in members]].sum(axis=-1)
    with np.errstate(invalid="ignore"):
        return np.asarray(size / size.sum(axis=0))


def against_nation(totals: Floats, nation: Floats, members: Sequence[str]) -> Floats:
    """The index of each of some provinces against all cities."""
    own = totals[[CODES.index(m) for m in members]]
    return distance(own, np.broadcast_to(nation, own.shape))


def means_of(totals: Floats, nation: Floats, members: Sequence[str]) -> dict[str, Floats]:
    """Means of the indices of some provinces taken as a cluster."""
    rest, share = against_rest(totals, members), share_of(totals, members)
    return {
        "rest_mean": rest.mean(axis=0),
        "cluster_mean": ((1 - share) * rest).mean(axis=0),
        "national_mean": against_nation(totals, nation, members).mean(axis=0),
        "pair_mean": np.stack(list(paired(totals, members).values())).mean(axis=0),
    }


def levels_of(totals: Floats, nation: Floats, cluster: str, *, anhui: bool) -> dict[str, Floats]:
    """What one cluster is compared by: means and extremes of its indices."""
    members = members_of(cluster, anhui=anhui)
    means, rest = means_of(totals, nation, members), against_rest(totals, members)
    core = members.index(CORES[cluster])
    return {
        "rest_mean": means["rest_mean"],
        "rest_weighted": (share_of(totals, members) * rest).sum(axis=0),
        "rest_core": rest[core],
        "cluster_mean": means["cluster_mean"],
        "national_mean": means["national_mean"],
        "national_core": against_nation(totals, nation, members)[core],
        "pair_mean": means["pair_mean"],
        "pair_max": np.stack(list(paired(totals, members).values())).max(axis=0),
        "size_factor": size_factor(totals, members),
    }


def limits(draws: Floats) -> tuple[Floats, Floats]:
    """Percentile limits over the first axis; missing where a year is, and where no draw differs."""
    low, high = np.quantile(draws, TAILS, axis=0)
    varies = high - low > 1e-9
    return np.where(varies, low, np.nan), np.where(varies, high, np.nan)


def levels(totals: Floats, draws: Floats, nation: Floats) -> Iterator[pd.DataFrame]:
    """Both clusters and their difference by year, with all provinces of the delta and without Anhui."""
    for delta, anhui in {"four provinces": True, "without Anhui": False}.items():
        at, drawn = ({c: levels_of(x, nation, c, anhui=anhui) for c in (NORTH, DELTA)} for x in (totals, draws))
        for statistic in at[NORTH]:
            low, high = limits(drawn[NORTH][statistic] - drawn[DELTA][statistic])
            yield pd.DataFrame(
                {
                    "year": range(YEARS[0], YEARS[1] + 1),
                    "delta": delta,
                    "statistic": statistic,
                    **{c: at[c][statistic] for c in (NORTH, DELTA)},
                    "difference": at[NORTH][statistic] - at[DELTA][statistic],
                    "low": low,
                    "high": high,
                }
            )


def divisions(members: Sequence[str]) -> list[tuple[list[str], list[str]]]:
    """All ways to divide provinces into three and the others; of those in the order of `CODES` the first is true."""
    return [([*three], [m for m in members if m not in three]) for three in combinations(members, 3)]


def divided(totals: Floats, nation: Floats, members: Sequence[str]) -> Floats:
    """What the means of three provinces are above those of the others, (divisions, means, years)."""
    of = [
        [np.stack([*means_of(totals, nation, part).values()]) for part in division] for division in divisions(members)
    ]
    return np.stack([three - others for three, others in of])


def divided_blocks(tables: dict[str, pd.DataFrame]) -> dict[str, tuple[Floats, list[str]]]:
    """Differences (divisions, specifications, years) of `divided`, and the provinces that are divided.

    ``both`` never has Anhui in the three, so that each division can be seen with and without it.
    """
    found: dict[str, list[Floats]] = {delta: [] for delta in DELTAS}
    for sections, employment in product(STRUCTURES.values(), tables.values()):
        totals = province_totals(*city_tensor(employment, sections))
        for delta, members in DELTAS.items():
            found[delta].append(divided(totals, national_totals(employment, sections), members))
    blocks = {delta: (np.concatenate(found[delta], axis=1), members) for delta, members in DELTAS.items()}
    (four, _), (without, members) = blocks.values()
    apart = [ANHUI in others for _, others in divisions(CODES)]
    return blocks | {"both": (np.concatenate([four[apart], without], axis=1), members)}


def joint(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Whether the specifications of the level taken together differ from what other divisions of the provinces give.

    After Simonsohn, Simmons and Nelson (2020, Nature Human Behaviour 4, 1208-1214), over all divisions: the p-value is
    exact and one-sided, towards a higher index of the three; beside it stands the share among the divisions that have
    Beijing in the three. The index of the core city is left out, since a cluster made by division has none.
    """
    first, last = WINDOWS[JOINT]
    rows = []
    for delta, (of_years, members) in divided_blocks(tables).items():
        with_beijing = np.array([CORES[NORTH] in three for three, _ in divisions(members)])
        window = of_years[..., first - YEARS[0] : last - YEARS[0] + 1]
        by_years = {str(first + i): window[..., i] for i in range(last - first + 1)} | {JOINT: window.mean(axis=-1)}
        for years, differences in by_years.items():
            counts = {"n_specifications": differences.shape[1], "n_divisions": len(differences)}
            statistics = {
                "median difference": np.median(differences, axis=1),
                "share above zero": (differences > 0).mean(axis=1),
            }
            for statistic, values in statistics.items():
                of = {"years": years, "delta": delta, "statistic": statistic}
                rows.append(of | exact(values, with_beijing) | counts)
    return pd.DataFrame(rows).round(6)


def exact(values: Floats, some: npt.NDArray[np.bool_]) -> dict[str, float]:
    """The first value beside all: the share as large, among all and among some; the least such share; the median."""
    reached = values >= values[0] - TIE
    return {
        "observed": float(values[0]),
        "p_value": float(reached.mean()),
        "smallest_p": float((values >= values.max() - TIE).mean()),
        "p_with_beijing": float(reached[some].mean()),
        "divisions_median": float(np.median(values)),
    }


def indices(totals: Floats) -> dict[tuple[str, str, str], Floats]:
    """All indices of both clusters by cluster and the two provinces; against the rest the second is empty."""
    found = {}
    for cluster in (NORTH, DELTA):
        members = members_of(cluster)
        found |= {(cluster, m, ""): k for m, k in zip(members, against_rest(totals, members), strict=True)}
        found |= {(cluster, *pair): k for pair, k in paired(totals, members).items()}
    return found


def changes(totals: Floats, draws: Floats) -> pd.DataFrame:
    """Change and slope of all indices over the windows."""
    rows = []
    at, drawn = indices(totals), indices(draws)
    for (key, path), (window, (first, last)) in ((x, y) for x in at.items() for y in WINDOWS.items()):
        span = slice(first - YEARS[0], last - YEARS[0] + 1)
        change = path[span][-1] - path[span][0]
        low, high = limits(drawn[key][:, span][:, -1] - drawn[key][:, span][:, 0])
        centred = np.arange(last - first + 1) - (last - first) / 2
        slope = centred @ path[span] / (centred @ centred)
        rows.append((*key, window, path[span][0], path[span][-1], change, float(low), float(high), slope))
    columns = ["cluster", "province_a", "province_b", "window", "first", "last", "change", "low", "high", "slope"]
    return pd.DataFrame(rows, columns=columns).dropna(subset=["change", "slope"])


LAYOUT = {
    "provinces": {
        "group": "cluster",
        "unit": "province",
        "name": "name",
        "share": "share",
        "rest": "against_rest",
        "low": "low",
        "high": "high",
        "cluster": "against_cluster",
        "national": "against_nation",
        "dealt_mean": "dealt_mean",
        "p_dealt": "p_dealt",
    },
    "pairs": {
        "group": "cluster",
        "unit_a": "province_a",
        "unit_b": "province_b",
        "specialization": "specialization",
        "low": "low",
        "high": "high",
    },
}
"""Columns of the computation to columns of the files."""


def province_files(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """``provinces``, ``pairs``, ``levels`` and ``changes`` for every structure and both kinds of cells."""
    parts: dict[str, list[pd.DataFrame]] = {"provinces": [], "pairs": [], "levels": [], "changes": []}
    for structure, sections in STRUCTURES.items():
        for kind, employment in tables.items():
            totals = by_province(employment)
            persons, province = city_tensor(employment, sections)
            own = province_totals(persons, province)
            draws, deals = resampled(persons, province), dealt(persons, province)
            nation = national_totals(employment, sections)
            found = {
                "provinces": relative(totals, sections).merge(
                    province_tests(own, draws, deals), on=["unit", "year"], validate="one_to_one"
                ),
                "pairs": pairs(totals, sections, draws),
                "levels": pd.concat(levels(own, draws, nation)).dropna(subset="difference"),
                "changes": changes(own, draws),
            }
            for name, table in found.items():
                columns = ["year", *LAYOUT[name]] if name in LAYOUT else table.columns
                arranged = table[columns].rename(columns=LAYOUT.get(name, {}))
                arranged.insert(0, "structure", structure)
                arranged.insert(1, "cells", kind)
                parts[name].append(arranged)
    rounding = {"low": 4, "high": 4, "dealt_mean": 4, "p_dealt": 3}
    return {name: pd.concat(found, ignore_index=True).round(6).round(rounding) for name, found in parts.items()}


def province_tests(totals: Floats, draws: Floats, deals: Floats) -> pd.DataFrame:
    """Limits and the test by province and year; the test for the provinces whose cities can be dealt out."""
    parts = []
    for cluster in (NORTH, DELTA):
        members = members_of(cluster)
        path, drawn, deal = (against_rest(x, members) for x in (totals, draws, deals))
        for i, member in enumerate(members):
            low, high = limits(drawn[i])
            tested = cluster == DELTA and member != CORES[DELTA]
            chance = (1 + (deal[i] >= path[i] - 1e-12).sum(axis=0)) / (1 + DRAWS)
            parts.append(
                pd.DataFrame(
                    {
                        "year": range(YEARS[0], YEARS[1] + 1),
                        "unit": member,
                        "low": low,
                        "high": high,
                        "dealt_mean": deal[i].mean(axis=0) if tested else np.nan,
                        "p_dealt": chance if tested else np.nan,
                    }
                )
            )
    return pd.concat(parts).merge(PROVINCES.rename(columns={"province": "unit"})[["unit", "name"]])


def pairs(totals: pd.DataFrame, sections: Sequence[str], draws: Floats) -> pd.DataFrame:
    """Indices of all pairs of a cluster by year, with limits."""
    inside = in_long(totals[totals["cluster"] != ELSEWHERE], ["province", "cluster", "year"], sections)
    inside = inside.sort_values(["province", "year"], kind="stable")
    found = interregional_specialization(inside, region="province", cluster="cluster", **MEASURED)
    years = range(YEARS[0], YEARS[1] + 1)
    parts = [
        pd.DataFrame({"time": years, "unit_a": a, "unit_b": b} | dict(zip(("low", "high"), limits(k), strict=True)))
        for cluster in (NORTH, DELTA)
        for (a, b), k in paired(draws, members_of(cluster)).items()
    ]
    keys = ["time", "unit_a", "unit_b"]
    return found.merge(pd.concat(parts), on=keys, validate="one_to_one").rename(columns={"time": "year"})


def advantages(employment: pd.DataFrame) -> pd.DataFrame:
    """Location quotients against the cluster and against all cities, and the advantages they show."""
    table = in_long(by_province(employment), ["province", "cluster", "year"], tuple(SECTIONS))
    nation = table.groupby(["year", "section"])["persons"].sum()
    inside = table[table["cluster"] != ELSEWHERE]
    quotients = []
    for reference, base in {"cluster": "cluster", "nation": nation}.items():
        found = advantage_sectors(inside, region="province", cluster="cluster", reference=base, **MEASURED)
        for period, (first, last) in PERIODS.items():
            keys = ["group", "unit", "industry"]
            within = found[found["time"].between(first, last)]
            mean = within.groupby(keys, as_index=False, sort=False)["location_quotient"].mean()
            quotients.append(mean.assign(period=period, reference=reference))
    long = pd.concat(quotients).rename(columns={"group": "cluster", "unit": "province", "industry": "section"})
    long["advantage"] = (long["location_quotient"] > 1).astype(int)
    of_section = long.groupby(["reference", "period", "cluster", "section"])["advantage"]
    long["n_provinces"] = of_section.transform("sum")
    long["sole"] = ((long["advantage"] == 1) & (long["n_provinces"] == 1)).astype(int)
    columns = ["period", "reference", "cluster", "province", "section", "location_quotient"]
    order = ["period", "reference", "province", "section"]
    return long[[*columns, "advantage", "sole", "n_provinces"]].sort_values(order, ignore_index=True).round(6)


def of_members(employment: pd.DataFrame) -> pd.DataFrame:
    """Employment of the 138 cities of p3, with their cluster."""
    members = clusters("p3")[["cluster", "adcode"]].rename(columns={"adcode": "city"})
    return members.merge(employment, on="city").sort_values(["cluster", "city", "year"], ignore_index=True)


def cities(members: pd.DataFrame) -> pd.DataFrame:
    """Index of each city against the rest of its cluster, and its share of the cluster."""
    table = in_long(members, ["cluster", "city", "year"], tuple(SECTIONS))
    found = relative_specialization(table, region="city", cluster="cluster", **MEASURED)
    named = found.rename(columns={"time": "year", "group": "cluster", "unit": "adcode"})
    order = ["cluster", "adcode", "year"]
    return named[[*order, "share", "specialization"]].sort_values(order, ignore_index=True).round(6)


def cluster_pairs(members: pd.DataFrame) -> pd.DataFrame:
    """Mean and largest index of the pairs of cities by cluster and year, over all sections and over three groups."""
    table = in_long(members, ["cluster", "city", "year"], tuple(SECTIONS))
    merged = table.assign(section=table["section"].map(GROUPS)).groupby(
        ["cluster", "city", "year", "section"], as_index=False, sort=False
    )["persons"]
    parts = []
    for partition, rows in {"sections": table, "three_groups": merged.sum()}.items():
        found = interregional_specialization(rows, region="city", cluster="cluster", **MEASURED)
        by = found.groupby(["group", "time"])["specialization"]
        top = found.loc[by.idxmax(), ["group", "time", "unit_a", "unit_b"]].set_index(["group", "time"])
        summary = by.agg(["size", "mean", "max"]).join(top).rename(columns={"size": "n_pairs", "max": "largest"})
        parts.append(summary.reset_index().assign(partition=partition))
    long = pd.concat(parts).rename(columns={"group": "cluster", "time": "year", "unit_a": "city_a", "unit_b": "city_b"})
    order = ["cluster", "partition", "year"]
    columns = [*order, "n_pairs", "mean", "largest", "city_a", "city_b"]
    return long[columns].sort_values(order, ignore_index=True).round(6)


def national_shares(employment: pd.DataFrame) -> pd.DataFrame:
    """Shares of manufacturing and producer services in all rows of the workbook, the base of p3's quotients."""
    totals = employment.groupby("year")[list(SECTIONS)].sum().T.groupby(GROUPS).sum().T
    shares = totals.div(totals.sum(axis=1), axis=0)
    return shares[["manufacturing", "producer_services"]].reset_index().round(6)


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """The files of this script."""
    everything = read_workbook(sources.joinpath(*WORKBOOK), READ)
    employment = everything[everything["city"] != PROVINCE_ROW].reset_index(drop=True)
    tables = cells(employment)
    members = of_members(tables["raw"])
    files = {
        **province_files(tables),
        "joint": joint(tables),
        "advantages": advantages(tables["mended"]),
        "cities": cities(members),
        "cluster_pairs": cluster_pairs(members),
        "national_shares": national_shares(everything[everything["year"].between(*YEARS)]),
        "flags": flags(employment),
    }
    return {f"{name}.csv": table for name, table in files.items()}


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).parent / "specialization"))
