"""Institutional facts: cities by cluster, zone and kind, counties of the Yangtze delta, services and industries."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from regiometrics.data.files import data_file
from regiometrics.errors import RegionError

SECTIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "A": ("agriculture, forestry, animal husbandry, fishery", "农、林、牧、渔业"),
        "B": ("mining", "采矿业"),
        "C": ("manufacturing", "制造业"),
        "D": ("electricity, heat, gas and water", "电力、热力、燃气及水生产和供应业"),
        "E": ("construction", "建筑业"),
        "F": ("wholesale and retail", "批发和零售业"),
        "G": ("transport, storage and post", "交通运输、仓储和邮政业"),
        "H": ("accommodation and catering", "住宿和餐饮业"),
        "I": ("information transmission, software and information technology", "信息传输、软件和信息技术服务业"),
        "J": ("finance", "金融业"),
        "K": ("real estate", "房地产业"),
        "L": ("leasing and business services", "租赁和商务服务业"),
        "M": ("scientific research and technical services", "科学研究和技术服务业"),
        "N": ("water, environment and public facilities", "水利、环境和公共设施管理业"),
        "O": ("resident services and repair", "居民服务、修理和其他服务业"),
        "P": ("education", "教育"),
        "Q": ("health and social work", "卫生和社会工作"),
        "R": ("culture, sports and entertainment", "文化、体育和娱乐业"),
        "S": ("public administration and social organisations", "公共管理、社会保障和社会组织"),
    }
)
"""The 19 sections of GB/T 4754-2011 with employment, letter to (English, Chinese) name."""

MANUFACTURING = "C"

HIGH_TECH: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "pharmaceuticals": ("pharmaceuticals", "医药制造业"),
        "aerospace": ("aircraft and spacecraft", "航空、航天器及设备制造业"),
        "electronics_telecom": ("electronic and telecommunication equipment", "电子及通信设备制造业"),
        "computers_office": ("computers and office equipment", "计算机及办公设备制造业"),
        "medical_instruments": ("medical equipment and instruments", "医疗仪器设备及仪器仪表制造业"),
    }
)
"""The five high-tech industries (高技术产业) that p4 names, id to (English, Chinese) name."""

INTENSITIES = ("labour", "capital", "technology")
"""Classes of industries by the factor that they use most."""

_CLUSTER_NAMES = {
    "beijing_tianjin_hebei": "Beijing-Tianjin-Hebei",
    "yangtze_river_delta": "Yangtze River Delta",
    "pearl_river_delta": "Pearl River Delta",
    "middle_yangtze": "Middle Yangtze",
    "chengdu_chongqing": "Chengdu-Chongqing",
    "guanzhong_plain": "Guanzhong Plain",
    "harbin_changchun": "Harbin-Changchun",
    "central_plains": "Central Plains",
    "hohhot_baotou_ordos_yulin": "Hohhot-Baotou-Ordos-Yulin",
    "lanzhou_xining": "Lanzhou-Xining",
    "guangdong_hongkong_macao": "Guangdong-Hong Kong-Macao",
    "beibu_gulf": "Beibu Gulf",
}
_SECTOR_NAMES = {
    "leather_footwear": "leather and footwear",
    "culture_sport_goods": "culture and sport goods",
    "petroleum_coking": "petroleum processing and coking",
    "rubber_plastics": "rubber and plastics",
    "non_metallic_minerals": "non-metallic minerals",
    "ferrous_metals": "ferrous metals",
    "non_ferrous_metals": "non-ferrous metals",
    "computers_communication": "computers, communication and electronics",
    "repair": "repair of metal products and machinery",
}
_PLANS = "prefecture_level == '1'"
_DISJOINT = f"{_PLANS} and already_in_an_earlier_cluster == '0'"
MEMBERS: Mapping[str, str] = MappingProxyType(
    {
        "sample": "cluster == p3_sample_cluster",
        "plans": _PLANS,
        "plans_disjoint": _DISJOINT,
        "plans_whole": f"{_DISJOINT} and part_of_city_or_not_prefecture_city == '0'",
        "plans_core": f"{_DISJOINT} and central_plains_core14 != '0'",
    }
)
"""Memberships that the paper leaves open, name to selection of rows; `clusters` says what each means."""


CODES_OF_2010: Mapping[str, str] = MappingProxyType(
    {
        "崇明县": "310230",
        "溧水县": "320124",
        "高淳县": "320125",
        "金坛市": "320482",
        "吴江市": "320584",
        "赣榆县": "320721",
        "洪泽县": "320829",
        "大丰市": "320982",
        "江都市": "321088",
        "姜堰市": "321284",
        "富阳市": "330183",
        "洞头县": "330322",
        "绍兴县": "330621",
        "上虞市": "330682",
        "铜陵县": "340721",
        "枞阳县": "340823",
        "寿县": "341521",
    }
)
"""Codes of GB/T 2260, revision of 2010, of units of the Yangtze delta that have another code today."""


def clusters(chapter: str = "p3", *, members: str = "sample") -> pd.DataFrame:
    """Cities of the eight clusters (城市群) of Chen and Wang, who print no list of members.

    Parameters
    ----------
    chapter : str
        ``"p3"``.
    members : str
        ``"sample"``: 138 cities in disjoint clusters, the membership under which the paper's tables are recomputed.
        ``"plans"``: prefecture-level cities of the approved plans (13, 26, 9, 28, 16, 11, 10 and 29 in the order of the
        rows); Xingtai, Handan and Yuncheng stand in two clusters.
        ``"plans_disjoint"``: the same, Xingtai and Handan in Beijing-Tianjin-Hebei alone, Yuncheng in Guanzhong alone.
        ``"plans_whole"``: of these, only cities that a plan takes in whole.
        ``"plans_core"``: of ``"plans_disjoint"``, the Central Plains reduced to the core cities that their plan names.

    Returns
    -------
    DataFrame
        One row per cluster and city: ``cluster, cluster_en, cluster_zh, city, city_zh, adcode, province, province_zh``.
        ``adcode`` is the code of GB/T 2260 as six characters.
        ``city`` is the name in pinyin, with the province where two cities share it.

    Raises
    ------
    RegionError
        Another chapter or an unknown membership.

    Examples
    --------
    >>> clusters().groupby("cluster", sort=False).size().tolist()
    [10, 26, 9, 28, 16, 11, 10, 28]
    """
    _require_p3(chapter)
    if members not in MEMBERS:
        raise RegionError(f"no membership is called {members!r}", remedy=f"choose one of {', '.join(MEMBERS)}")
    facts = _cities("clusters_p3_eight.csv")
    tidy = facts.assign(cluster_en=facts["cluster"].map(_CLUSTER_NAMES), cluster_zh=facts["label_zh"]).query(
        MEMBERS[members]
    )
    columns = ["cluster", "cluster_en", "cluster_zh", "city", "city_zh", "adcode", "province", "province_zh"]
    return tidy[columns].reset_index(drop=True)


def cluster_names(chapter: str = "p3") -> pd.DataFrame:
    """Names of the clusters, ``cluster, cluster_en, cluster_zh``, in the order of the paper's tables.

    Parameters
    ----------
    chapter : str
        ``"p3"``: the eight of Chen and Wang (table 2). ``"p2"``: the eleven of Song and Li (table 3).

    Raises
    ------
    RegionError
        Another chapter.

    Examples
    --------
    >>> cluster_names().iloc[0].tolist()
    ['beijing_tianjin_hebei', 'Beijing-Tianjin-Hebei', '京津冀']
    """
    cities = eleven_clusters() if chapter == "p2" else clusters(chapter)
    names = cities[["cluster", "cluster_en", "cluster_zh"]]
    return names.drop_duplicates(ignore_index=True)


def eleven_clusters() -> pd.DataFrame:
    """Cities of the eleven national clusters of Song and Li, who print no list of members.

    Returns
    -------
    DataFrame
        158 rows, clusters in the order of the paper's table 3: ``adcode, city, city_zh, cluster, cluster_en,
        cluster_zh, province, central, north, north_seat, candidate, confidence``.
        ``central`` (bool) follows the rule that the paper states: municipalities, provincial capitals and separately
        planned cities, 24 where its tables have 21 and 17.
        ``north`` (bool) is the side of the Qinling and the Huai on which table 3 puts the cluster, ``north_seat`` that
        of the city's own seat; they differ for Shangluo, Nanyang, Xinyang and Bengbu.
        ``candidate`` (bool) is false for Haidong, a city since 2013; p2 has 156, so that one more must lack data there.

    Notes
    -----
    Municipalities and prefecture-level cities of the plans, without Danzhou, a city since 2015. Three cities stand in
    two plans. Each counts to the cluster of its provincial capital: Xingtai and Handan to Beijing-Tianjin-Hebei, not to
    the Central Plains as in `clusters`. The capital of Yuncheng's province is in no cluster; Yuncheng counts to the
    Guanzhong Plain, as in `clusters`: from seat to seat Xi'an is 205 km away, Zhengzhou 240.

    Examples
    --------
    >>> eleven_clusters().groupby("cluster", sort=False)["central"].agg(["size", "sum"]).T.to_numpy().tolist()
    [[13, 4, 5, 10, 11, 26, 9, 26, 28, 16, 10], [3, 1, 2, 2, 1, 1, 2, 5, 3, 2, 2]]
    """
    facts = _cities("clusters_p2_eleven.csv").query("in_156_guess in ['likely', 'unlikely']")
    tidy = facts.assign(
        cluster_en=facts["cluster"].map(_CLUSTER_NAMES),
        cluster_zh=facts["label_zh"],
        central=facts["central_by_rule"] == "1",
        north=facts["north_by_cluster_table3"] == "1",
        north_seat=facts["north_by_city_seat"] == "1",
        candidate=facts["in_156_guess"] == "likely",
    )
    names = ["adcode", "city", "city_zh", "cluster", "cluster_en", "cluster_zh", "province"]
    columns = [*names, "central", "north", "north_seat", "candidate", "confidence"]
    return tidy[columns].reset_index(drop=True)


def transfer_zones(*, treated_only: bool = False) -> pd.DataFrame:
    """Cities of the national demonstration zones for industrial transfer (国家级承接产业转移示范区), the policy of p5.

    Parameters
    ----------
    treated_only : bool
        Only the 28 cities that p5 treats; it leaves out the others as too recent, for want of data, or, in Chongqing,
        because the zone is one of counties.

    Returns
    -------
    DataFrame
        One row per city, zones by date: ``adcode, city, city_zh, zone, zone_zh, adoption`` (year of the approval, int),
        ``treated`` (bool, in p5), ``confidence`` (``"high"``, ``"medium"``, ``"low"``).

    Notes
    -----
    The paper names the zones, and no list of its 28 cities. The list was compiled without the documents at hand. It
    agrees with the printed moments of the policy dummy, as another list with the same cohort sizes would.

    Examples
    --------
    >>> transfer_zones(treated_only=True).groupby("adoption").size().to_dict()
    {2010: 13, 2011: 5, 2012: 4, 2013: 4, 2014: 2}
    """
    facts = _cities("transfer_zones.csv")
    tidy = facts.assign(
        zone_zh=facts["zone_label_zh"],
        adoption=facts["approval_year"].astype(int),
        treated=facts["treated_in_p5"] == "1",
    )[["adcode", "city", "city_zh", "zone", "zone_zh", "adoption", "treated", "confidence"]]
    return tidy[tidy["treated"]].reset_index(drop=True) if treated_only else tidy


def five_clusters() -> pd.DataFrame:
    """Cities of the five clusters (五大城市群) by which p5 divides its sample; the paper prints no list.

    Returns
    -------
    DataFrame
        One row per city: ``adcode, city, city_zh, cluster, cluster_en, cluster_zh, candidate, confidence``.
        ``candidate`` (bool) marks the 112 cities that p5 can have, as many as it has (2,240 observations in 20 years).
        The six of low confidence, around the Pearl delta, are there because without them the count is 106.

    Examples
    --------
    >>> five_clusters().query("candidate").groupby("cluster_en", sort=False).size().tolist()
    [13, 41, 15, 28, 15]
    """
    facts = _cities("clusters_p5_five.csv")
    tidy = facts.assign(
        cluster_en=facts["cluster"].map(_CLUSTER_NAMES),
        cluster_zh=facts["label_zh"],
        candidate=facts["in_sample_candidate"] == "1",
    )
    return tidy[["adcode", "city", "city_zh", "cluster", "cluster_en", "cluster_zh", "candidate", "confidence"]]


def resource_cities() -> pd.DataFrame:
    """Resource-based prefectures (资源型城市) of the national plan of 2013, by which p5 divides its sample.

    Returns
    -------
    DataFrame
        126 rows: ``adcode, city, city_zh, stage, stage_zh, candidate, confidence``.
        ``stage`` is growing, mature, declining or regenerating.
        ``candidate`` (bool) marks 114 prefecture-level cities; p5 has 108 (2,160 observations in 20 years), so that six
        more must lack data there.

    Examples
    --------
    >>> resource_cities()["stage"].value_counts().to_dict()
    {'mature': 66, 'declining': 24, 'growing': 20, 'regenerating': 16}
    """
    facts = _cities("resource_based_cities.csv")
    tidy = facts.assign(stage=facts["type"], stage_zh=facts["type_zh"], candidate=facts["eligible_for_p5"] == "1")
    return tidy[["adcode", "city", "city_zh", "stage", "stage_zh", "candidate", "confidence"]]


def old_base_areas() -> pd.DataFrame:
    """Prefectures of five old revolutionary base areas (革命老区), by which p5 divides its sample.

    Returns
    -------
    DataFrame
        57 rows: ``adcode, city, city_zh, area, area_zh, candidate, confidence``.
        ``candidate`` (bool) marks the 32 cities that a plan takes in whole; p5 has 30 (600 observations in 20 years).
        Of the two that are too many, Mianyang, Shangluo and Nanping are the likeliest.

    Examples
    --------
    >>> areas = old_base_areas()
    >>> areas[areas["candidate"]].groupby("area", sort=False).size().to_dict()
    {'gan_min_yue': 7, 'shaan_gan_ning': 8, 'zuoyoujiang': 3, 'dabieshan': 6, 'chuan_shaan': 8}
    """
    facts = _cities("old_revolutionary_base_areas.csv")
    tidy = facts.assign(area_zh=facts["area_label_zh"], candidate=facts["in_sample_candidate"] == "1")
    return tidy[["adcode", "city", "city_zh", "area", "area_zh", "candidate", "confidence"]]


def delta_cities() -> pd.DataFrame:
    """The 41 cities of the Yangtze delta's four provinces by entry into the cluster, the policy of p1.

    Returns
    -------
    DataFrame
        One row per city: ``adcode, city, city_zh, province, joined`` (year of entry, int), ``group`` (``"incumbent"``
        until 2003, ``"new"`` in 2010, ``"donor"`` later), ``second_wave`` (bool: entered in 2013), ``confidence``.

    Notes
    -----
    p1 prints the lists. Its counts of members, 14, 15, 16, 22, 30 and 41, agree with them.

    Examples
    --------
    >>> delta_cities().groupby("group").size().to_dict()
    {'donor': 19, 'incumbent': 16, 'new': 6}
    """
    facts = _cities("yrd_cities.csv")
    joined = facts["join_year"].astype(int)
    tidy = facts.assign(
        joined=joined, group=facts["group_2010"].replace("control", "donor"), second_wave=joined == 2013
    )
    return tidy[["adcode", "city", "city_zh", "province", "joined", "group", "second_wave", "confidence"]]


def delta_counties() -> pd.DataFrame:
    """Counties, county-level cities and pooled districts of the delta's 41 cities at the divisions of 2010.

    Returns
    -------
    DataFrame
        One row per unit: ``county`` (code of GB/T 2260 in 2010; that of 市辖区 for the districts of a city), ``name``
        (in pinyin), ``name_zh``, ``type`` (``"county"``, ``"county_city"``, ``"district"``), ``city`` (code),
        ``province``, ``group`` and ``second_wave`` of the city as in `delta_cities`, ``district_since`` (year in which
        a county became a district, Int64, missing for all others), ``confidence``.

    Notes
    -----
    207 units: 75 in incumbent cities, 32 in new ones, 100 elsewhere. p1 has 67, 32 and 98 (or 97) and does not name
    them; eight incumbent units had become districts by 2014. Chaohu, dissolved in 2011, is left out.

    Examples
    --------
    >>> delta_counties().groupby("type").size().to_dict()
    {'county': 113, 'county_city': 53, 'district': 41}
    """
    facts = pd.read_csv(data_file("facts", "yrd_county_units_2010.csv"), dtype=str, keep_default_na=False)
    cities = delta_cities().set_index("adcode").loc[facts["city_adcode"]].reset_index()
    shared = facts["unit_pinyin"].duplicated(keep=False)
    pool = facts["unit_type"] == "district_pool"
    urban = facts["city_adcode"].str[:4].add("01").replace("310001", "310100")
    since = facts["changed_after_2010"].str.extract(r"^district.*?(\d{4})", expand=False)
    return pd.DataFrame(
        {
            "county": facts["unit_zh"].map(CODES_OF_2010).fillna(facts["adcode_2018_if_unchanged"]).mask(pool, urban),
            "name": facts["unit_pinyin"].mask(shared, facts["unit_pinyin"] + " (" + facts["province"] + ")"),
            "name_zh": facts["unit_zh"],
            "type": facts["unit_type"].replace({"county_level_city": "county_city", "district_pool": "district"}),
            "city": facts["city_adcode"],
            "province": facts["province"],
            "group": cities["group"],
            "second_wave": cities["second_wave"],
            "district_since": pd.to_numeric(since).astype("Int64"),
            "confidence": facts["confidence"],
        }
    )


def regional_policies() -> pd.DataFrame:
    """Regional policies of the same years whose dummies p5 adds to its regression (table 5, columns 5 to 8).

    Returns
    -------
    DataFrame
        One row per policy: ``policy, label, label_zh, start`` (int), ``prefixes`` (tuple of text: a unit is in the
        policy where its code of GB/T 2260 begins with one of them), ``confidence``. The years are printed in p5, the
        places are not.

    Examples
    --------
    >>> regional_policies().set_index("policy").loc["central_china", "prefixes"]
    ('14', '34', '36', '41', '42', '43')
    """
    facts = pd.read_csv(data_file("facts", "regional_policies.csv"), dtype=str)
    tidy = facts.assign(
        label=facts["label_en"],
        start=facts["start_year"].astype(int),
        prefixes=facts["code_prefixes"].str.split().map(tuple),
    )
    return tidy[["policy", "label", "label_zh", "start", "prefixes", "confidence"]]


def producer_services(rule: str = "p3_recovered") -> tuple[str, ...]:
    """Sections of GB/T 4754-2011 that a rule counts as producer services (生产性服务业), as letters of `SECTIONS`.

    Parameters
    ----------
    rule : str
        ``"p3_recovered"``: the four under which the tables of Chen and Wang are recomputed; they print no list,
        and the four were found by search on cells of their table 1.
        ``"p3_usual"`` and ``"p5_usual"``: the usual five of this literature. ``"p2"``: the six that Song and Li print.

    Raises
    ------
    RegionError
        An unknown rule.

    Examples
    --------
    >>> producer_services("p3_recovered"), producer_services("p3_usual")
    (('I', 'J', 'L', 'M'), ('G', 'I', 'J', 'L', 'M'))
    """
    facts = pd.read_csv(data_file("facts", "producer_services.csv"), dtype=str, keep_default_na=False)
    rules = service_rules()
    if rule not in rules:
        raise RegionError(
            f"no rule of producer services is called {rule!r}", remedy=f"choose one of {', '.join(rules)}"
        )
    return tuple(sorted(facts.loc[facts[rule] == "1", "gbt4754_2011_section"]))


def secondary_sector() -> tuple[str, ...]:
    """Sections that Song and Li count as manufacturing, with mining and utilities, as letters of `SECTIONS`.

    Their producer services are ``producer_services("p2")``; for Chen and Wang manufacturing is `MANUFACTURING` alone.

    Examples
    --------
    >>> secondary_sector()
    ('B', 'C', 'D')
    """
    facts = pd.read_csv(data_file("facts", "secondary_sector_p2.csv"), dtype=str, keep_default_na=False)
    return tuple(sorted(facts["gbt4754_2011_section"]))


def manufacturing_sectors() -> pd.DataFrame:
    """Two-digit industries of manufacturing in GB/T 4754-2011, with two groupings by factor intensity.

    Returns
    -------
    DataFrame
        31 rows: ``industry`` (code as text), ``sector`` (id), ``name``, ``name_zh``, ``codes_2002`` (tuple of the
        industries of the edition of 2002 that it is made of, empty for the one that is new), ``intensity_a,
        intensity_b`` (one of `INTENSITIES`, missing for industries outside p4), ``in_p4`` (bool: 28).

    Notes
    -----
    ``in_p4`` are the industries of p4's table 4, as rebuilt from its text. Its grouping stood in a note to a table that
    is lost: ``intensity_a`` agrees with every hint of the text, ``intensity_b`` is an alternative that is often used.

    Examples
    --------
    >>> manufacturing_sectors().query("in_p4").groupby("intensity_a").size().to_dict()
    {'capital': 6, 'labour': 14, 'technology': 8}
    """
    facts = pd.read_csv(data_file("facts", "manufacturing_sectors.csv"), dtype=str, keep_default_na=False)
    return pd.DataFrame(
        {
            "industry": facts["gbt4754_2011"],
            "sector": facts["sector"],
            "name": facts["sector"].map(_SECTOR_NAMES).fillna(facts["sector"].str.replace("_", " ")),
            "name_zh": facts["label_zh"],
            "codes_2002": facts["gbt4754_2002"].str.findall(r"\d{2}").map(tuple),
            "intensity_a": facts["intensity_a"].replace("", None),
            "intensity_b": facts["intensity_b"].replace("", None),
            "in_p4": facts["in_p4_28"] == "1",
        }
    )


def high_tech_industries() -> pd.DataFrame:
    """High-tech industries (高技术产业) that p4 names, ``industry`` (id), ``name``, ``name_zh``.

    Examples
    --------
    >>> high_tech_industries()["industry"].tolist()
    ['pharmaceuticals', 'aerospace', 'electronics_telecom', 'computers_office', 'medical_instruments']
    """
    return pd.DataFrame(
        [(industry, *names) for industry, names in HIGH_TECH.items()], columns=["industry", "name", "name_zh"]
    )


def service_rules() -> tuple[str, ...]:
    """Names of the rules that `producer_services` knows.

    Examples
    --------
    >>> service_rules()
    ('p2', 'p3_usual', 'p3_recovered', 'p5_usual')
    """
    facts = pd.read_csv(data_file("facts", "producer_services.csv"), dtype=str, nrows=0)
    return tuple(facts.columns[facts.columns.str.startswith("p")])


def _cities(file: str) -> pd.DataFrame:
    """A list of cities as text, ``city`` in pinyin, with the province where two cities of the list share it."""
    facts = pd.read_csv(data_file("facts", file), dtype=str, keep_default_na=False)
    shared = facts.groupby("city_pinyin")["adcode"].transform("nunique") > 1
    return facts.assign(
        city=facts["city_pinyin"].mask(shared, facts["city_pinyin"] + " (" + facts["province"] + ")"),
        city_zh=facts["city_zh"].str.removesuffix("市"),
    )


def _require_p3(chapter: str) -> None:
    if chapter != "p3":
        raise RegionError(
            f"no clusters of chapter {chapter!r} are held here",
            remedy="ask for 'p3', or use `eleven_clusters` (p2) or `five_clusters` (p5)",
        )
