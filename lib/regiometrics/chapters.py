"""The five chapters: what each is called, which tables it needs, and how they are loaded from any source."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import pandas as pd

from regiometrics.data.facts import (
    MANUFACTURING,
    SECTIONS,
    eleven_clusters,
    manufacturing_sectors,
    producer_services,
    secondary_sector,
)
from regiometrics.data.facts import clusters as cluster_members
from regiometrics.data.files import data_file
from regiometrics.data.load import Bundle
from regiometrics.errors import DomainError, GroupSizeError, RegionError, UnbalancedPanelError, require_choice
from regiometrics.measure.efficiency import BaseRule, Orientation, ReferenceRule, Returns, capital_stock, sbm
from regiometrics.measure.hierarchy import disparity, rank_size
from regiometrics.measure.inequality import dagum
from regiometrics.measure.quotient import coagglomeration, division_index, location_quotient
from regiometrics.measure.sophistication import industry_sophistication, prody, sophistication
from regiometrics.panel import Missing, keys_of, refuse, require_columns
from regiometrics.simulate import p1, p2, p3, p4, p5

PLACE = ["cluster", "cluster_zh", "city", "city_zh", "adcode"]
FLAGS = ["municipality", "resource_city", "cluster5", "old_base"]
SHIPPED_P1: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "prop99": ("reference", "prop99.csv"),
        "prody": ("derived", "prody_1998_2000.csv"),
        "expy": ("derived", "expy_1998_2000.csv"),
        **{f"delta_{name}": ("derived", "delta", f"{name}.csv") for name in ("estimates", "paths", "cities")},
        "synthetic_size": ("results", "synthetic_size.csv"),
    }
)
"""Tables of p1 that come with the project: a published example of synthetic control, PRODY of real trade."""

SHIPPED_P2: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        name: ("derived", "growth", f"{name}.csv")
        for name in (
            *("efficiency", "division", "productivity", "rank_size", "centre_shares", "moments"),
            *("estimates", "dynamics", "mediation", "curve", "joint"),
            *("coverage", "flags", "substitutions"),
        )
    }
)
"""Tables of p2 that come with the project: real series, estimates on sources that may not be shipped, and notes."""

SHIPPED_P4: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        **{
            name: ("derived", "specialization", f"{name}.csv")
            for name in (
                *("provinces", "pairs", "levels", "changes", "advantages"),
                *("cities", "cluster_pairs", "national_shares", "flags", "joint"),
            )
        },
        **{name: ("results", f"{name}.csv") for name in ("specialization_size", "fitted_structure", "fitted_hightech")},
    }
)
"""Tables of p4 that come with the project: indices on real series, tables fitted to the text, Monte Carlo."""

CODES_P4 = ["adcode", "city_a", "city_b", "province", "province_a", "province_b", "industry"]
"""Columns of the shipped tables of p4 that hold codes."""

SHIPPED_P5: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "county_lights": ("derived", "lights", "county_lights.csv"),
        "city_light_gini": ("derived", "city_light_gini_2013_2020.csv"),
        "city_coagglomeration": ("derived", "city_coagglomeration_2003_2019.csv"),
        **{
            name: ("derived", "zones", f"{name}.csv")
            for name in ("estimates", "paths", "placebo", "bacon", "bounds", "curve", "joint", "moments")
        },
        "tests": ("results", "tests_of_the_policy.csv"),
        "dynamic_effects": ("results", "dynamic_effects.csv"),
    }
)
"""Tables of p5 that come with the project: real series, estimates on sources that may not be shipped, Monte Carlo."""

ENLARGEMENT = 2010
"""First year of the enlarged Yangtze-delta cluster, the policy of p1."""

WEIGHTS = {"soph": "output", "soph_employment": "employment", "soph_capital": "capital"}
"""Sophistication in the panel of p1, and the column whose shares weigh the industries."""

MEDIATORS = ["staff_growth", "firm_growth", "participation", "retail_per_head", "tax_burden", "subsidy"]
MEDIATORS += ["science_spending", "patent_growth", "patent_grant_rate"]
LOGGED = {"retail_per_head": "ln_retail_per_head", "science_spending": "ln_science_spending"}
"""Mediators of p1 that enter the panel as logs."""

CONTROLS_P2 = {"ln_fdi": "fdi", "ln_gov": "spending", "ln_inv": "investment", "ln_edu": "students"}
"""Controls of p2, logs of these columns of `city_year` as they stand, at current prices."""

Core = Literal["centres", "rank_size"]

OPTIONS: Mapping[str, Mapping[str, str | None]] = MappingProxyType(
    {
        "p2": {"efficiency": "global_crs_none", "division": "six"},
        "p3": {"clusters": None, "services": "p3_recovered", "members": "sample"},
    }
)
"""Options of `load` that one chapter alone has, and what they are when left out."""


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
        What `load` accepts, ``"folder"`` standing for a path.
    """

    id: str
    name: str
    title: str
    title_zh: str
    authors: tuple[str, ...]
    authors_zh: tuple[str, ...]
    tables: tuple[str, ...]
    sources: tuple[str, ...]


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
                tables=("panel", "complexity", *SHIPPED_P1),
                sources=("shipped", "simulated", "folder"),
            ),
            Chapter(
                "p2",
                "p2_balanced_growth",
                "A study on high-quality balanced growth of national urban agglomerations: "
                "Based on the perspective of industrial division of labor",
                "国家级城市群高质量平衡增长研究——基于产业分工的视角",
                ("Song Deyong", "Li Dongfang"),
                ("宋德勇", "李东方"),
                tables=("panel", *SHIPPED_P2),
                sources=("shipped", "simulated", "folder"),
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
            ),
            Chapter(
                "p4",
                "p4_specialization",
                "Transformation and upgrading of manufacturing, regional specialisation and coordinated development "
                "in the Yangtze River Delta: an empirical comparison with Beijing-Tianjin-Hebei",
                "长三角地区制造业的转型升级以及地区专业化与协同发展研究——基于长三角与京津冀比较的实证分析",
                ("Li Lei",),
                ("李蕾",),
                tables=("province_industry", "hightech", "regions", "intensity", *SHIPPED_P4),
                sources=("shipped", "simulated", "folder"),
            ),
            Chapter(
                "p5",
                "p5_transfer_zones",
                "The effect of the policy of national demonstration zones for industrial transfer on gaps in "
                "regional development",
                "国家级承接产业转移示范区政策对区域发展差距的影响",
                ("Yang Renfa", "Bai Minghui"),
                ("杨仁发", "柏明慧"),
                tables=("panel", *SHIPPED_P5),
                sources=("shipped", "simulated", "folder"),
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
    efficiency: str = "global_crs_none",
    division: str = "six",
    missing: Missing = "raise",
) -> Bundle:
    """The tables of a chapter.

    Parameters
    ----------
    chapter : str
        ``"p1"`` to ``"p5"``.
    source : str or path
        ``"shipped"``, ``"simulated"``, or a folder with the reader's own files (`regiometrics.data.schemas`).
    seed : int
        Of the simulation.
    clusters : str or sequence of str, optional
        p3: keep these clusters; the country, and so every quotient, stays that of all cities.
    services : str or sequence of str
        p3: producer services, a rule of `producer_services` or section letters of GB/T 4754-2011.
        The shipped series stands on the four recovered ones alone.
    members : str
        p3: membership of the shipped series, see `regiometrics.data.facts.clusters`; a folder has a table ``cities``.
    efficiency, division : str
        p2: which columns of the shipped tables ``efficiency`` and ``division`` enter the panel, see
        ``data/derived/README.md``.
    missing : {"raise", "drop"}
        Of a folder: whether missing values and absent city-years are an error, or are left out and noted. In p4 whole
        industries and whole years are left out, so that every province has the same industries in every year.

    Returns
    -------
    Bundle
        For p3 every source ends in the table ``coagglomeration``: ``cluster, cluster_zh, city, city_zh, adcode, year,
        lq_manufacturing, lq_producer_services, coagglomeration``, one row per cluster, city and year.
        The shipped one adds ``total_mismatch``: the yearbook's printed total is off its sections by more than 5 %.
        For p1 a simulation and a folder end in the table ``panel`` of `enlargement_panel` and in ``complexity``
        (``industry, complexity``, thousand dollars); what is shipped are the tables of `SHIPPED_P1`.
        For p2 a simulation and a folder end in the table ``panel`` of `growth_panel`, with its defaults. The shipped
        ``panel`` has what can be had without the sources: ``city`` (code), ``city_en, city_zh, cluster, central, north,
        year, hgdp, ln_hgdp, div, ln_div, disparity`` (log ratio; missing for centres), one row per city and year with a
        score; beside it are the tables of `SHIPPED_P2`.
        For p4 a simulation and a folder end in ``province_industry`` (``province, industry, year, output``, 10^8 yuan),
        ``regions`` (``province, cluster`` and names), ``intensity`` (``industry, class``; grouping a of
        `regiometrics.data.facts.manufacturing_sectors` where the folder has none) and, where it is there, ``hightech``
        (``province, industry, year, revenue``, 10^8 yuan); what is shipped are the tables of `SHIPPED_P4`. The two
        tables rebuilt from the text come from `regiometrics.data.published.rebuilt`.
        For p5 a simulation and a folder end in the table ``panel`` of `transfer_zone_panel`; what is shipped are the
        tables of `SHIPPED_P5`, whose columns the READMEs of ``data/`` describe.
        A folder and a simulation also return their own tables.

    Raises
    ------
    RegionError
        An unknown chapter, source or rule, or an option that the chapter or the source does not have.
    GroupSizeError
        A cluster that has no member, or a city with a single county.
    DataProblems
        All problems of a folder at once.

    Examples
    --------
    >>> bundle = load("p3", clusters=["pearl_river_delta", "guanzhong_plain"])
    >>> bundle.source, bundle.tables["coagglomeration"].shape
    ('shipped', (300, 10))
    >>> load("p5", "simulated", seed=1).tables["panel"].shape
    (5480, 20)
    """
    if chapter not in CHAPTERS:
        raise RegionError(f"there is no chapter {chapter!r}", remedy=f"chapters: {', '.join(CHAPTERS)}")
    given: dict[str, str | Sequence[str] | None]
    given = {"clusters": clusters, "services": services, "members": members}
    given |= {"efficiency": efficiency, "division": division}
    for owner, options in OPTIONS.items():
        foreign = [name for name, value in options.items() if owner != chapter and given[name] != value]
        if foreign:
            problem = f"{chapter} has no option {', '.join(foreign)}"
            raise RegionError(problem, remedy=f"leave it out; it belongs to {owner}")
    own = {name: _hashable(given[name]) for name in OPTIONS.get(chapter, ())}
    if source == "simulated":
        if not isinstance(seed, int | np.integer):
            raise RegionError(f"seed is {seed!r}", remedy="write a whole number")
        return deepcopy(_simulated(chapter, seed=seed, missing=missing, **own))
    return _LOADERS[chapter](source, seed=seed, missing=missing, **own)


def _hashable(option: str | Sequence[str] | None) -> str | tuple[str, ...] | None:
    return option if option is None or isinstance(option, str) else tuple(option)


@lru_cache(maxsize=4)
def _simulated(chapter: str, **options: Any) -> Bundle:
    """What `load` returns of a simulation, drawn once in a process, since the runs of a sweep share their seed."""
    return _LOADERS[chapter]("simulated", **options)


def stored_sweep(chapter: str) -> pd.DataFrame:
    """What the book's own sweep of a chapter found: a row per specification of its grid in ``notebooks/sweeps``.

    Parameters
    ----------
    chapter : str
        ``"p1"`` to ``"p5"``.

    Returns
    -------
    DataFrame
        ``paper`` (bool, the paper's own choices), the parameters that vary (lists in the words of the grid), and the
        recorded results. A result that is a list, such as the draws of a test, is an array.

    Raises
    ------
    RegionError
        An unknown chapter.

    Examples
    --------
    >>> swept = stored_sweep("p3")
    >>> int(swept["paper"].sum()), len(swept) >= 24
    (1, True)
    """
    if chapter not in CHAPTERS:
        raise RegionError(f"there is no chapter {chapter!r}", remedy=f"chapters: {', '.join(CHAPTERS)}")
    table = pd.read_csv(data_file("results", "sweeps", f"{chapter}.csv"))
    for column in [name for name in table if str(table[name].iloc[0]).startswith("[")]:
        table[column] = table[column].map(json.loads).map(np.array)
    return table


def _load_p3(
    source: str | Path,
    *,
    seed: int,
    clusters: str | Sequence[str] | None,
    services: str | Sequence[str],
    members: str,
    missing: Missing,
) -> Bundle:
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
        bundle = _with_table(drawn, coagglomeration=table)
    else:
        own = _own_tables("p3", source, missing)
        table = coagglomeration_series(
            own.tables["employment"],
            own.tables["cities"],
            services=sections,
            national=own.tables.get("national"),
        )
        bundle = _with_table(own, coagglomeration=table)
    return _only(bundle, clusters)


def _load_p1(source: str | Path, *, seed: int, missing: Missing) -> Bundle:
    if source == "shipped":
        codes = {"sitc": str}
        return Bundle(
            {name: pd.read_csv(data_file(*path), dtype=codes) for name, path in SHIPPED_P1.items()}, "shipped"
        )
    bundle = p1.panel(seed) if source == "simulated" else _own_tables("p1", source, missing)
    complexity, notes = _complexity(*(bundle.tables[name] for name in ("trade", "countries", "concordance")))
    made, levels, counties = (bundle.tables[name] for name in ("county_industry", "county_year", "counties"))
    panel = enlargement_panel(made, levels, counties, complexity=complexity, mediators=bundle.tables.get("mediators"))
    bundle = replace(bundle, notes=(*bundle.notes, *notes))
    return _with_table(bundle, panel=panel, complexity=complexity.reset_index())


def _complexity(
    trade: pd.DataFrame, countries: pd.DataFrame, concordance: pd.DataFrame
) -> tuple[pd.Series, tuple[str, ...]]:
    """Complexity by industry, and a note on products without an industry, which count in export totals alone."""
    income = countries.set_index("country")["gdp_per_head"]
    of_product = prody(trade, country="country", product="hs6", exports="exports", gdp_per_head=income)
    mapped = of_product["hs6"].isin(concordance["hs6"])
    weight = "weight" if "weight" in concordance else None
    complexity = industry_sophistication(
        of_product[mapped], concordance, product="hs6", industry="industry", weight=weight
    )
    if mapped.all():
        return complexity, ()
    lost = of_product.loc[~mapped, "exports"].sum() / of_product["exports"].sum()
    return complexity, (f"{(~mapped).sum()} products without an industry, {lost:.1%} of all exports",)


def _load_p2(source: str | Path, *, seed: int, efficiency: str, division: str, missing: Missing) -> Bundle:
    if source == "shipped":
        return _shipped_p2(efficiency, division)
    if {"efficiency": efficiency, "division": division} != OPTIONS["p2"]:
        raise RegionError(
            "efficiency and division are options of the shipped series",
            remedy="call `growth_panel` on the tables with the frontier and the returns that are wanted",
        )
    bundle = p2.panel(seed) if source == "simulated" else _own_tables("p2", source, missing)
    if missing == "drop":
        bundle = _cities_of_every_year(bundle)
    return _with_table(bundle, panel=growth_panel(bundle.tables))


def _cities_of_every_year(bundle: Bundle) -> Bundle:
    """The tables without the cities that lack a year of inputs, since capital is added up from the first."""
    counts = bundle.tables["city_year"].groupby("city")["year"].nunique()
    short = counts.index[counts < counts.max()]
    if not len(short):
        return bundle
    tables = {name: table[~table["city"].isin(short)].reset_index(drop=True) for name, table in bundle.tables.items()}
    note = f"left out for want of a year in 'city_year', which capital needs: {', '.join(short)}"
    return replace(bundle, tables=tables, notes=(*bundle.notes, note))


def _shipped_p2(efficiency: str, division: str) -> Bundle:
    """The shipped tables, and the panel joined from the series of efficiency and division."""
    shipped = {name: pd.read_csv(data_file(*path), dtype={"adcode": str}) for name, path in SHIPPED_P2.items()}
    keys, place = ["adcode", "year"], ["adcode", "city", "cluster", "year", "central", "north"]
    chosen = {"efficiency": (efficiency, keys), "division": (division, place)}
    for table, (name, labels) in chosen.items():
        known = [str(column) for column in shipped[table] if column not in labels]
        if name not in known:
            raise RegionError(f"the shipped {table} has no column {name!r}", remedy=f"choose among {', '.join(known)}")
    scores = shipped["efficiency"][[*keys, efficiency]].rename(columns={efficiency: "hgdp"})
    rows = shipped["division"][[*place, division]].rename(columns={"city": "city_en", division: "div"})
    rows = rows.merge(scores, on=keys, validate="one_to_one")
    without = rows.loc[rows["hgdp"].isna(), "city_en"].unique()
    notes = tuple(shipped["flags"].query("flag == 'left out'")["reason"])
    if len(without):
        notes += (f"no score {efficiency} for {', '.join(without)}",)
    rows = rows.dropna(subset=["hgdp"]).sort_values(keys, ignore_index=True)
    panel = rows[["adcode", "city_en"]].assign(
        city_zh=rows["adcode"].map(eleven_clusters().set_index("adcode")["city_zh"]),
        **{name: rows[name] for name in ("cluster", "central", "north", "year", "hgdp")},
        ln_hgdp=np.log(rows["hgdp"]),
        div=rows["div"],
        ln_div=np.log(rows["div"]),
        disparity=disparity(rows, unit="adcode", time="year", cluster="cluster", value="hgdp", central="central"),
    )
    return Bundle({"panel": panel.rename(columns={"adcode": "city"}), **shipped}, "shipped", notes=notes)


def _load_p4(source: str | Path, *, seed: int, missing: Missing) -> Bundle:
    if source == "shipped":
        codes = dict.fromkeys(CODES_P4, str)
        shipped = {name: pd.read_csv(data_file(*path), dtype=codes) for name, path in SHIPPED_P4.items()}
        return Bundle(shipped, "shipped")
    if source == "simulated":
        return p4.panel(seed)
    bundle = _own_tables("p4", source, missing)
    if "intensity" not in bundle.tables:
        classes = manufacturing_sectors().dropna(subset=["intensity_a"]).rename(columns={"intensity_a": "class"})
        bundle = _with_table(bundle, intensity=classes[["industry", "class"]].reset_index(drop=True))
    return _same_industries(bundle) if missing == "drop" else bundle


def _same_industries(bundle: Bundle) -> Bundle:
    """The tables with the same industries in every province and year, since only then their shares are comparable."""
    tables, notes = dict(bundle.tables), list(bundle.notes)
    for name in ("province_industry", "hightech"):
        if name not in tables:
            continue
        studied = tables[name]["province"].isin(tables["regions"]["province"])
        if not studied.all():
            unknown = ", ".join(tables[name].loc[~studied, "province"].unique())
            notes.append(f"left out of {name!r}, for `regions` has no cluster of them: {unknown}")
        tables[name], gone = _full_grid(tables[name][studied].reset_index(drop=True))
        if gone:
            notes.append(f"left out of {name!r}, so that each year has the same industries: {', '.join(gone)}")
    return Bundle(tables, bundle.source, notes=tuple(notes))


def _full_grid(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """The rows without the industries and years that lack a cell, and the names of these.

    In turn the industry or the year goes of whose cells the largest share is absent, so that few cells go with it.
    """
    keys = ["province", "industry", "year"]
    wanted = pd.MultiIndex.from_product([rows[key].unique() for key in keys], names=keys)
    absent = pd.Series(~wanted.isin(pd.MultiIndex.from_frame(rows[keys])), index=wanted)
    gone = []
    while absent.any():
        share = {(key, label): value for key in keys[1:] for label, value in absent.groupby(level=key).mean().items()}
        key, label = max(share, key=lambda of: share[of])
        absent = absent[absent.index.get_level_values(key) != label]
        rows = rows[rows[key] != label]
        gone.append(f"{key} {label}")
    if rows.empty:
        problem = "no industry and no year is there in all provinces"
        raise UnbalancedPanelError(problem, remedy="write 0 where a province has none of an industry")
    return rows.reset_index(drop=True), gone


def _load_p5(source: str | Path, *, seed: int, missing: Missing) -> Bundle:
    if source == "shipped":
        codes = {"adcode": str, "prefecture": str}
        shipped = {name: pd.read_csv(data_file(*path), dtype=codes) for name, path in SHIPPED_P5.items()}
        return Bundle(shipped, "shipped")
    bundle = p5.panel(seed) if source == "simulated" else _own_tables("p5", source, missing)
    panel = transfer_zone_panel(*(bundle.tables[name] for name in ("county_light", "city_year", "cities")))
    return _with_table(bundle, panel=panel)


def _own_tables(chapter: str, folder: str | Path, missing: Missing) -> Bundle:
    """The reader's own tables."""
    if not Path(folder).is_dir():
        raise RegionError(
            f"source {str(folder)!r} is neither 'shipped' nor 'simulated' nor a folder", remedy="correct the path"
        )
    from regiometrics.data.schemas import read_tables  # its schemas take long to import, and own data alone need them

    tables, notes = read_tables(chapter, folder, missing=missing)
    return Bundle(tables, "user", notes=notes)


def _with_table(bundle: Bundle, **table: pd.DataFrame) -> Bundle:
    return replace(bundle, tables={**bundle.tables, **table})


def enlargement_panel(
    county_industry: pd.DataFrame,
    county_year: pd.DataFrame,
    counties: pd.DataFrame,
    *,
    complexity: pd.Series,
    mediators: pd.DataFrame | None = None,
) -> pd.DataFrame:
    r"""The panel of p1: enlargement, sophistication, predictors and mediators by county and year.

    Parameters
    ----------
    county_industry, county_year, counties, mediators : DataFrame
        As in `regiometrics.data.schemas`; counties that are not in ``counties`` stay out.
    complexity : Series
        Complexity by industry, thousand dollars.

    Returns
    -------
    DataFrame
        ``county, city, province, type, group, second_wave, year``; ``soph`` (thousand dollars, industries weighed by
        output) and, where the tables have them, ``soph_employment, soph_capital``; the predictors ``ln_pergdp`` (log of
        yuan), ``urban, infra, gov, finan, human`` (fractions) and ``ln_density``, the log of the inverse density, km²
        per 10,000 persons, as the values of the paper's table 1 have it; the mediators, of which ``ln_retail_per_head``
        and ``ln_science_spending`` are logs; ``did``, 1 from 2010 on in incumbent and new counties.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError
        See `regiometrics.measure.sophistication.sophistication`.

    Examples
    --------
    >>> made = pd.DataFrame({"county": "k", "year": [2009, 2010], "industry": "13", "output": 5.0})
    >>> counties = pd.DataFrame({"county": ["k"], "city": "c", "province": "p", "type": "county", "group": "new"})
    >>> levels = ["pergdp", "urban", "infra", "gov", "finance", "human", "density"]
    >>> county_year = made[["county", "year"]].assign(**dict.fromkeys(levels, 1.0))
    >>> panel = enlargement_panel(made, county_year, counties, complexity=pd.Series({"13": 9.0}))
    >>> panel[["soph", "did"]].values.tolist()
    [[9.0, 0.0], [9.0, 1.0]]
    """
    rows = county_year.merge(counties, on="county")
    made = county_industry.merge(rows[["county", "year"]], on=["county", "year"])
    for name, weight in WEIGHTS.items():
        if weight in made:
            of_weight = sophistication(
                made, unit="county", time="year", industry="industry", value=weight, complexity=complexity
            )
            rows = rows.merge(of_weight.rename(columns={"sophistication": name}), on=["county", "year"])
    if mediators is not None:
        rows = rows.merge(mediators, on=["county", "year"], how="left")
    there = [name for name in MEDIATORS if name in rows]
    optional = ["second_wave"] if "second_wave" in rows else []
    panel = rows[["county", "city", "province", "type", "group", *optional, "year"]].assign(
        **{name: rows[name] for name in WEIGHTS if name in rows},
        ln_pergdp=np.log(rows["pergdp"]),
        **{name: rows[name] for name in ("urban", "infra", "gov")},
        finan=rows["finance"],
        human=rows["human"],
        ln_density=np.log(1e4 / rows["density"]),
        **{LOGGED.get(name, name): np.log(rows[name]) if name in LOGGED else rows[name] for name in there},
        did=(rows["group"].ne("donor") & (rows["year"] >= ENLARGEMENT)).astype(int),
    )
    return panel.astype(dict.fromkeys(optional, bool)).sort_values(["county", "year"], ignore_index=True)


def growth_panel(
    tables: Mapping[str, pd.DataFrame],
    *,
    frontier: ReferenceRule = "global",
    returns: Returns = "crs",
    orientation: Orientation = "none",
    base: BaseRule = "shan",
    core: Core = "centres",
) -> pd.DataFrame:
    r"""The panel of p2: green efficiency, division of labour, disparity, controls and transport by city and year.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        ``city_year, employment, cities`` as in `regiometrics.data.schemas`. Cities of ``city_year`` that are not in
        ``cities`` count to the frontier and stay out of the panel.
    frontier, returns, orientation
        See `regiometrics.measure.efficiency.sbm`.
    base : {"shan", "hall_jones", "zhang"}
        First capital stock, see `regiometrics.measure.efficiency.capital_stock`.
    core : {"centres", "rank_size"}
        Which clusters are polycentric: those with more than one centre in ``cities``, or those whose rank-size exponent
        of the first year is at most 0.5.

    Returns
    -------
    DataFrame
        ``city, cluster, central, north, core`` (bool), ``year``, ``population`` (10,000 persons), ``gdp_real`` and
        ``capital`` (10^8 yuan at constant prices), ``so2`` (t), ``hgdp`` (efficiency, at most 1), ``ln_hgdp``,
        ``services, manufacturing`` (persons), ``div, ln_div``, ``disparity`` (log ratio; missing for centres),
        ``ln_fdi, ln_gov, ln_inv, ln_edu`` (logs of the columns as they stand), ``trans`` (distance times freight;
        missing where the distance is 0) and ``ln_trans``. One row per city and year of ``cities`` with employment.

    Raises
    ------
    DomainError, UnbalancedPanelError, GroupSizeError, NoDonorsError
        See the measures: `regiometrics.measure.efficiency`, `regiometrics.measure.hierarchy`, `division_index`.

    Notes
    -----
    Inputs are population and capital, the good output real GDP, the bad one sulphur dioxide. Producer services and
    manufacturing are the sections of ``producer_services("p2")`` and ``secondary_sector()``.

    Examples
    --------
    >>> panel = growth_panel(p2.panel(seed=1).tables)
    >>> panel.shape, panel["disparity"].notna().sum().item()
    ((1560, 23), 1350)
    """
    require_choice("core", core, Core)
    levels, cities, jobs = (tables[name] for name in ("city_year", "cities", "employment"))
    stock = capital_stock(
        levels, unit="city", time="year", investment="investment", deflator="investment_deflator", base=base
    ).to_frame()
    levels = levels.assign(gdp_real=levels["gdp"] / levels["gdp_deflator"], capital=stock["capital"].to_numpy())
    green = sbm(
        levels,
        unit="city",
        time="year",
        inputs=["population", "capital"],
        good="gdp_real",
        bad="so2",
        orientation=orientation,
        returns=returns,
        frontier=frontier,
    ).to_frame()
    sectors = jobs[["city", "year"]].assign(
        services=jobs[list(producer_services("p2"))].sum(axis=1, skipna=False),
        manufacturing=jobs[list(secondary_sector())].sum(axis=1, skipna=False),
    )
    rows = levels.assign(hgdp=green["efficiency"].to_numpy())
    rows = rows.merge(cities.astype({"central": bool, "north": bool}), on="city").merge(sectors, on=["city", "year"])
    several = cities.groupby("cluster")["central"].sum() > 1
    distance = rows["distance_to_centre"]
    trans = (distance * rows["freight"]).where(distance > 0)
    panel = rows[["city", "cluster", "central", "north"]].assign(
        core=_polycentric(rows) if core == "rank_size" else rows["cluster"].map(several),
        year=rows["year"],
        **{name: rows[name] for name in ("population", "gdp_real", "so2", "capital", "hgdp")},
        ln_hgdp=np.log(rows["hgdp"]),
        services=rows["services"],
        manufacturing=rows["manufacturing"],
        div=division_index(
            rows,
            unit="city",
            time="year",
            cluster="cluster",
            services="services",
            manufacturing="manufacturing",
            central="central",
        ),
        ln_div=lambda df: np.log(df["div"]),
        disparity=disparity(rows, unit="city", time="year", cluster="cluster", value="hgdp", central="central"),
        **{name: np.log(rows[column]) for name, column in CONTROLS_P2.items()},
        trans=trans,
        ln_trans=np.log(trans),
    )
    return panel.sort_values(["city", "year"], ignore_index=True)


def _polycentric(rows: pd.DataFrame) -> pd.Series:
    """Whether the cluster of each row has a rank-size exponent of at most 0.5 in its first year."""
    first = rows[rows["year"] == rows["year"].min()]
    estimates = rank_size(first, unit="city", cluster="cluster", population="population").to_frame()
    return rows["cluster"].map(estimates.set_index("cluster")["q"]) <= 0.5


def light_gini_panel(county_light: pd.DataFrame) -> pd.DataFrame:
    r"""Gini coefficient of county lights by city and year, the outcome of p5, equation (3) of Yang and Bai.

    Parameters
    ----------
    county_light : DataFrame
        ``county, year, light, city``: mean light of each county, not negative.

    Returns
    -------
    DataFrame
        ``city, year, counties, indg``, sorted by city and year.

    Raises
    ------
    GroupSizeError
        A city has a single county in a year: its Gini coefficient would be zero whatever the light.
    DomainError
        Negative light, or a city that is dark in a year.
    KeyColumnError, MissingValueError
        A (county, year) that is not unique, or a missing light.

    Notes
    -----
    :math:`G_{jj} = \sum_i\sum_r |Y_{ji}-Y_{jr}| / (2 n_j^2 \bar Y_j)`, the group Gini of Dagum's decomposition; it is
    the plain Gini coefficient, without weights and without a correction for few counties.

    Examples
    --------
    >>> lights = pd.DataFrame({"county": ["a", "b"], "year": 2012, "light": [1.0, 3.0], "city": "c"})
    >>> light_gini_panel(lights)["indg"].tolist()
    [0.25]
    """
    require_columns(county_light, ["county", "year", "light", "city"])
    single = county_light.groupby(["city", "year"])["county"].transform("size") == 1
    refuse(
        GroupSizeError,
        "a single county in a city: its Gini coefficient is not defined",
        rows=single,
        of=county_light,
        keys=["city", "year"],
        column="county",
        remedy="leave these cities out of `cities`, or give their counties one by one",
    )
    groups = dagum(county_light, value="light", group="city", time="year", unit="county", pairwise=False).groups
    table = groups.rename(columns={"group": "city", "time": "year", "n": "counties", "gini": "indg"})
    return table.sort_values(["city", "year"], ignore_index=True)[["city", "year", "counties", "indg"]]


def transfer_zone_panel(county_light: pd.DataFrame, city_year: pd.DataFrame, cities: pd.DataFrame) -> pd.DataFrame:
    """The panel of p5: policy, outcome, controls and mechanism variables by city and year.

    Parameters
    ----------
    county_light, city_year, cities : DataFrame
        As in `regiometrics.data.schemas`; cities that are not in ``cities``, and lights of other city-years, stay out.

    Returns
    -------
    DataFrame
        ``city, year, adoption`` (first year of the policy, missing where there is none), ``policy`` (0 or 1), ``indg``,
        the controls ``ln_trans, ln_gdp, saver, edu, country`` (logs of 10,000 persons and of 10,000 yuan; fractions),
        ``population`` (10,000 persons) and, where the tables have them, ``innoap, isa, emp, municipality,
        resource_city, cluster5, old_base, lat, lon``.

    Raises
    ------
    GroupSizeError, DomainError
        See `light_gini_panel`.
    """
    rows = city_year.merge(cities, on="city", sort=True)
    lights = county_light.merge(rows[["city", "year"]], on=["city", "year"])
    rows = rows.merge(light_gini_panel(lights), on=["city", "year"])
    adoption = rows["adoption_year"].astype("Int64")
    optional = {"innoap": "patents_per_head"} | {name: name for name in ("isa", "emp", *FLAGS, "lat", "lon")}
    panel = pd.DataFrame(
        {
            "city": rows["city"],
            "year": rows["year"],
            "adoption": adoption,
            "policy": (rows["year"] >= adoption).fillna(False).astype(int),
            "indg": rows["indg"],
            "ln_trans": np.log(rows["passengers"]),
            "ln_gdp": np.log(rows["gdp"]),
            "saver": rows["deposits_ratio"],
            "edu": rows["education_ratio"],
            "country": rows["urbanisation"],
            "population": rows["population"],
            **{name: rows[column] for name, column in optional.items() if column in rows},
        }
    )
    return panel.astype({name: bool for name in FLAGS if name in panel}).sort_values(
        ["city", "year"], ignore_index=True
    )


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


_LOADERS: Mapping[str, Callable[..., Bundle]] = MappingProxyType(
    {"p1": _load_p1, "p2": _load_p2, "p3": _load_p3, "p4": _load_p4, "p5": _load_p5}
)
