"""The five chapters: what each is called, which tables it needs, and how they are loaded from any source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import pandas as pd

from regiometrics.data.facts import MANUFACTURING, SECTIONS, producer_services
from regiometrics.data.facts import clusters as cluster_members
from regiometrics.data.files import data_file
from regiometrics.data.load import Bundle
from regiometrics.data.schemas import read_tables
from regiometrics.errors import DomainError, GroupSizeError, RegionError
from regiometrics.measure.quotient import coagglomeration, location_quotient
from regiometrics.panel import Missing, keys_of
from regiometrics.simulate import p3

PLACE = ["cluster", "cluster_zh", "city", "city_zh", "adcode"]


@dataclass(frozen=True)
class Chapter:
    """A chapter of the book and the paper that it recomputes.

    Attributes
    ----------
    id, name : str
        ``"p3"`` and the name of its notebook, ``"p3_coagglomeration"``.
    title, title_zh : str
        Of the paper; in English as printed (p1, p2) or translated.
    authors, authors_zh : tuple of str
        Of the paper, family name first.
    tables : tuple of str
        Tables that `load` returns.
    sources : tuple of str
        What `load` accepts; ``"folder"`` stands for a path.
    status : {"written", "to come"}
    """

    id: str
    name: str
    title: str
    title_zh: str
    authors: tuple[str, ...]
    authors_zh: tuple[str, ...]
    tables: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    status: Literal["written", "to come"] = "to come"


CHAPTERS: Mapping[str, Chapter] = MappingProxyType(
    {
        chapter.id: chapter
        for chapter in (
            Chapter(
                "p1",
                "p1_enlargement",
                "Will the enlargement of city clusters boost industrial upgrading? "
                "Empirical evidence from counties in the Yangtze River Delta",
                "城市群扩容是否有利于产业升级——来自长三角县域的经验证据",
                ("Deng Huihui", "Pan Xueting", "Li Huirong"),
                ("邓慧慧", "潘雪婷", "李慧榕"),
            ),
            Chapter(
                "p2",
                "p2_balanced_growth",
                "A study on high-quality balanced growth of national urban agglomerations: "
                "Based on the perspective of industrial division of labor",
                "国家级城市群高质量平衡增长研究——基于产业分工的视角",
                ("Song Deyong", "Li Dongfang"),
                ("宋德勇", "李东方"),
            ),
            Chapter(
                "p3",
                "p3_coagglomeration",
                "Spatial differences and convergence of the co-agglomeration of producer services and manufacturing "
                "in China's city clusters",
                "中国城市群生产性服务业与制造业协同集聚的空间差异及收敛性研究",
                ("Chen Xiuying", "Wang Mengcui"),
                ("陈秀英", "王梦翠"),
                tables=("coagglomeration",),
                sources=("shipped", "simulated", "folder"),
                status="written",
            ),
            Chapter(
                "p4",
                "p4_specialization",
                "Transformation and upgrading of manufacturing, regional specialisation and coordinated development "
                "in the Yangtze River Delta: an empirical comparison with Beijing-Tianjin-Hebei",
                "长三角地区制造业的转型升级以及地区专业化与协同发展研究——基于长三角与京津冀比较的实证分析",
                ("Li Lei",),
                ("李蕾",),
            ),
            Chapter(
                "p5",
                "p5_transfer_zones",
                "The effect of the policy of national demonstration zones for industrial transfer on gaps in "
                "regional development",
                "国家级承接产业转移示范区政策对区域发展差距的影响",
                ("Yang Renfa", "Bai Minghui"),
                ("杨仁发", "柏明慧"),
            ),
        )
    }
)
"""The five chapters by id."""


def load(
    chapter: str,
    source: str | Path = "shipped",
    *,
    seed: int = 0,
    clusters: str | Sequence[str] | None = None,
    services: str | Sequence[str] = "p3_recovered",
    members: str = "sample",
    missing: Missing = "raise",
) -> Bundle:
    """The tables of a chapter.

    Parameters
    ----------
    chapter : str
        ``"p3"``; the other chapters are to come.
    source : str or path
        ``"shipped"``, ``"simulated"``, or a folder with the reader's own files (`regiometrics.data.schemas`).
    seed : int
        Of the simulation.
    clusters : str or sequence of str, optional
        Keep these clusters; the country, and so every quotient, stays that of all cities.
    services : str or sequence of str
        Producer services: a rule of `producer_services` or section letters of GB/T 4754-2011.
        The shipped series stands on the four recovered ones alone.
    members : str
        Membership of the shipped series, see `regiometrics.data.facts.clusters`; a folder has a table ``cities``.
    missing : {"raise", "drop"}
        Of a folder: whether missing values and absent city-years are an error, or are left out and noted.

    Returns
    -------
    Bundle
        For p3 every source ends in the table ``coagglomeration``: ``cluster, cluster_zh, city, city_zh, adcode, year,
        lq_manufacturing, lq_producer_services, coagglomeration``, one row per cluster, city and year.
        The shipped one adds ``total_mismatch``: the yearbook's printed total is off its sections by more than 5 %.
        A folder and a simulation also return their own tables.

    Raises
    ------
    RegionError
        An unknown chapter, source or rule, or an option that the source does not have.
    GroupSizeError
        A cluster that has no member.
    DataProblems
        All problems of a folder at once.

    Examples
    --------
    >>> bundle = load("p3", clusters=["pearl_river_delta", "guanzhong_plain"])
    >>> bundle.source, bundle.tables["coagglomeration"].shape
    ('shipped', (300, 10))
    """
    described = CHAPTERS.get(chapter)
    if described is None or described.status != "written":
        written = ", ".join(c.id for c in CHAPTERS.values() if c.status == "written")
        raise RegionError(f"chapter {chapter!r} is not written yet", remedy=f"written chapters: {written}")
    sections = _sections(services)
    if members != "sample" and source != "shipped":
        raise RegionError("members is an option of the shipped series", remedy="name the members in the table `cities`")
    if source == "shipped":
        if set(sections) != set(producer_services("p3_recovered")):
            raise RegionError(
                "the shipped series stands on the sections I, J, L and M",
                remedy="load a folder with employment by section to choose others",
            )
        bundle = _shipped_p3(members)
    elif source == "simulated":
        drawn = p3.panel(seed, services=sections)
        table = coagglomeration_series(drawn.tables["employment"], drawn.tables["cities"], services=sections)
        tables = {**drawn.tables, "coagglomeration": table}
        bundle = Bundle(tables, drawn.source, drawn.truth, drawn.calibration, drawn.notes)
    else:
        if not Path(source).is_dir():
            raise RegionError(
                f"source {str(source)!r} is neither 'shipped' nor 'simulated' nor a folder", remedy="correct the path"
            )
        own, notes = read_tables(chapter, source, missing=missing)
        table = coagglomeration_series(
            own["employment"], own["cities"], services=sections, national=own.get("national")
        )
        bundle = Bundle({**own, "coagglomeration": table}, "user", notes=notes)
    return _only(bundle, clusters)


def coagglomeration_series(
    employment: pd.DataFrame, cities: pd.DataFrame, *, services: Sequence[str], national: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Location quotients and co-agglomeration index of p3 from employment by section, equations (1) and (2).

    Parameters
    ----------
    employment : DataFrame
        ``city, year`` and the sections A to S in persons; every city of the country.
    cities : DataFrame
        ``city, cluster`` and optionally ``cluster_zh, name, name_zh``; the cities that are studied.
    services : sequence of str
        Sections that count as producer services.
    national : DataFrame, optional
        ``year`` and the sections; the sum over ``employment`` when left out.

    Returns
    -------
    DataFrame
        The table ``coagglomeration`` of `load`, in the order of ``cities``, then by year.

    Raises
    ------
    DomainError
        A city that is studied has neither manufacturing nor producer services in a year.
    """
    long = _three_industries(employment, ["city", "year"], services)
    totals = None
    if national is not None:
        totals = _three_industries(national, ["year"], services).set_index(["year", "industry"])["persons"]
    long["lq"] = location_quotient(long, unit="city", industry="industry", time="year", value="persons", totals=totals)
    quotients = long.pivot(index=["city", "year"], columns="industry", values="lq").reset_index()
    named = cities.rename(columns={"city": "adcode", "name": "city", "name_zh": "city_zh"})
    table = _with_names(named).merge(quotients.rename(columns={"city": "adcode"}), on="adcode")
    neither = (table["lq_manufacturing"] == 0) & (table["lq_producer_services"] == 0)
    if neither.any():
        raise DomainError(
            "neither manufacturing nor producer services: the index is not defined",
            column=", ".join([MANUFACTURING, *services]),
            n_rows=int(neither.sum()),
            keys=keys_of(table, neither, ["adcode", "year"]),
            remedy="correct these cells or leave the city-years out",
        )
    table["coagglomeration"] = coagglomeration(table["lq_manufacturing"], table["lq_producer_services"])
    return table[[*PLACE, "year", "lq_manufacturing", "lq_producer_services", "coagglomeration"]]


def _shipped_p3(members: str) -> Bundle:
    series = pd.read_csv(data_file("derived", "coagglomeration_138_cities_2004_2018.csv"), dtype={"adcode": str})
    named = cluster_members("p3", members=members)[PLACE]
    values = ["adcode", "year", "lq_manufacturing", "lq_producer_services", "coagglomeration", "total_mismatch"]
    table = named.merge(series[values], on="adcode").astype({"total_mismatch": bool})
    years = sorted(series["year"].unique())
    seen = table.groupby("adcode")["year"].agg(set)
    notes = []
    for code, city, city_zh in named[["adcode", "city", "city_zh"]].drop_duplicates().itertuples(index=False):
        gaps = [str(year) for year in years if year not in seen.get(code, set())]
        if gaps:
            when = ", ".join(gaps) if len(gaps) < len(years) else "any year"
            notes.append(f"no value for {city} ({city_zh}) in {when}")
    return Bundle({"coagglomeration": table}, "shipped", notes=tuple(notes))


def _sections(services: str | Sequence[str]) -> tuple[str, ...]:
    """Section letters of a rule, or the letters that were given, in order."""
    letters = producer_services(services) if isinstance(services, str) else tuple(sorted(set(services)))
    wrong = [letter for letter in letters if letter not in SECTIONS or letter == MANUFACTURING]
    if wrong or not letters:
        raise RegionError(
            f"no section of services: {', '.join(map(repr, wrong)) or 'none given'}",
            remedy=f"choose among {', '.join(letter for letter in SECTIONS if letter != MANUFACTURING)}",
        )
    return letters


def _three_industries(df: pd.DataFrame, keys: Sequence[str], services: Sequence[str]) -> pd.DataFrame:
    """Long table of manufacturing, producer services and all other sections; their sum is the denominator."""
    wide = df[list(keys)].assign(
        lq_manufacturing=df[MANUFACTURING],
        lq_producer_services=df[list(services)].sum(axis=1),
        others=df[[letter for letter in SECTIONS if letter not in {MANUFACTURING, *services}]].sum(axis=1),
    )
    return wide.melt(id_vars=list(keys), var_name="industry", value_name="persons")


def _with_names(cities: pd.DataFrame) -> pd.DataFrame:
    """The studied cities with the names that the reader gave, else the known ones, else the code."""
    known = cluster_members("p3", members="plans").drop_duplicates("adcode").set_index("adcode")
    known_clusters = known.drop_duplicates("cluster").set_index("cluster")["cluster_zh"]
    fallback = {
        "city": cities["adcode"].map(known["city"]).fillna(cities["adcode"]),
        "city_zh": cities["adcode"].map(known["city_zh"]).fillna(""),
        "cluster_zh": cities["cluster"].map(known_clusters).fillna(""),
    }
    return cities.assign(**{name: cities[name].fillna(f) if name in cities else f for name, f in fallback.items()})


def _only(bundle: Bundle, clusters: str | Sequence[str] | None) -> Bundle:
    """The bundle with the named clusters in its table ``coagglomeration``."""
    if clusters is None:
        return bundle
    wanted = [clusters] if isinstance(clusters, str) else list(clusters)
    table = bundle.tables["coagglomeration"]
    known = list(dict.fromkeys(table["cluster"]))
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        raise GroupSizeError(
            "a cluster has no member" if unknown else "no cluster is named",
            column="cluster",
            keys=unknown,
            remedy=f"choose among {', '.join(known)}",
        )
    kept = table[table["cluster"].isin(wanted)].reset_index(drop=True)
    tables = {**bundle.tables, "coagglomeration": kept}
    return Bundle(tables, bundle.source, bundle.truth, bundle.calibration, bundle.notes)
