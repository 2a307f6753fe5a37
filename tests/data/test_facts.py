"""Memberships and producer services against the counts that can be checked."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.boundaries import counties, prefectures
from regiometrics.data.facts import (
    CODES_OF_2010,
    HIGH_TECH,
    INTENSITIES,
    MEMBERS,
    SECTIONS,
    cluster_names,
    clusters,
    delta_cities,
    delta_counties,
    eleven_clusters,
    five_clusters,
    high_tech_industries,
    manufacturing_sectors,
    old_base_areas,
    producer_services,
    regional_policies,
    resource_cities,
    secondary_sector,
    service_rules,
    transfer_zones,
)
from regiometrics.data.files import data_file
from regiometrics.data.published import in_text, rebuilt, table
from regiometrics.errors import RegionError


@pytest.mark.parametrize(
    ("members", "counts"),
    [
        ("sample", [10, 26, 9, 28, 16, 11, 10, 28]),
        ("plans", [13, 26, 9, 28, 16, 11, 10, 29]),
        ("plans_disjoint", [13, 26, 9, 28, 16, 11, 10, 26]),
        ("plans_whole", [13, 26, 9, 26, 12, 6, 10, 26]),
        ("plans_core", [13, 26, 9, 28, 16, 11, 10, 13]),
    ],
)
def test_counts_of_each_membership(members, counts):
    assert clusters(members=members).groupby("cluster", sort=False).size().tolist() == counts


def test_every_membership_is_tested_and_only_plans_overlap():
    overlapping = {m for m in MEMBERS if not clusters(members=m)["adcode"].is_unique}
    assert overlapping == {"plans"}
    plans = clusters(members="plans")
    assert sorted(plans.loc[plans["adcode"].duplicated(), "city"]) == ["Handan", "Xingtai", "Yuncheng"]


@pytest.mark.parametrize("members", MEMBERS)
def test_rows_are_tidy(members):
    tidy = clusters(members=members)
    assert not tidy.isna().to_numpy().any() and not (tidy == "").to_numpy().any()
    assert tidy["adcode"].str.fullmatch(r"\d{6}").all()
    assert tidy.drop_duplicates("adcode")["city"].is_unique
    assert tidy.groupby("cluster")[["cluster_en", "cluster_zh"]].nunique().eq(1).to_numpy().all()
    assert set(tidy["cluster"]) == set(table("p3", 1)["cluster"])


def test_sample_is_the_membership_of_the_shipped_series():
    series = pd.read_csv(data_file("derived", "coagglomeration_138_cities_2004_2018.csv"), dtype={"adcode": str})
    names = ["cluster", "cluster_zh", "city_zh", "adcode"]
    shipped = series[names].drop_duplicates().sort_values("adcode", ignore_index=True)
    pd.testing.assert_frame_equal(shipped, clusters()[names].sort_values("adcode", ignore_index=True))


def test_cities_of_one_name_are_told_apart():
    names = clusters().set_index("city_zh")["city"]
    assert [names[c] for c in ("苏州", "宿州", "泰州", "台州")] == [
        "Suzhou (Jiangsu)",
        "Suzhou (Anhui)",
        "Taizhou (Jiangsu)",
        "Taizhou (Zhejiang)",
    ]
    assert names["西安"] == "Xi'an"


def test_cluster_names_follow_table_2():
    columns = table("p3", 2).query("year == '2004' and cluster != 'overall'")
    assert cluster_names()["cluster"].tolist() == columns["cluster"].tolist()
    assert cluster_names()["cluster_zh"].tolist() == columns["label_zh"].tolist()


def test_rules_of_producer_services():
    rules = {rule: "".join(producer_services(rule)) for rule in service_rules()}
    assert rules == {"p2": "GIJKLM", "p3_usual": "GIJLM", "p3_recovered": "IJLM", "p5_usual": "GIJLM"}


def test_letters_and_names_of_the_sections_agree_with_the_facts():
    facts = pd.read_csv(data_file("facts", "producer_services.csv"))
    assert list(SECTIONS) == list("ABCDEFGHIJKLMNOPQRS")
    for letter, name in zip(facts["gbt4754_2011_section"], facts["label_zh"], strict=True):
        assert SECTIONS[letter][1][:2] == name[:2]


@pytest.mark.parametrize(
    ("ask", "known"),
    [
        (lambda: clusters(members="all"), "plans_disjoint"),
        (lambda: clusters("p5"), "p3"),
        (lambda: clusters("p2"), "eleven_clusters"),
        (lambda: cluster_names("p4"), "p3"),
        (lambda: producer_services("usual"), "p3_usual"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(ask, known):
    with pytest.raises(RegionError, match=known):
        ask()


# cities of p2 ---------------------------------------------------------------------------------------------------------


def plan_entries():
    facts = pd.read_csv(data_file("facts", "clusters_p2_eleven.csv"), dtype=str, keep_default_na=False)
    return facts[facts["level"].isin(["municipality", "prefecture_level_city"])]


def test_the_eleven_clusters_have_158_cities_once_duplicates_and_danzhou_are_out():
    entries, cities = plan_entries(), eleven_clusters()
    assert (len(entries), entries["adcode"].nunique(), len(cities)) == (162, 159, 158)
    assert set(entries["adcode"]) - set(cities["adcode"]) == {"460400"}
    assert cities.groupby("cluster", sort=False).size().tolist() == [13, 4, 5, 10, 11, 26, 9, 26, 28, 16, 10]
    assert cities.loc[~cities["candidate"], "city"].tolist() == ["Haidong"]
    printed = in_text("p2").set_index("item")["value"]
    assert int(printed["n_cities"]) == len(cities) - 2


def test_a_city_in_two_plans_counts_to_its_capital_or_to_the_nearer_centre():
    entries, cities = plan_entries(), eleven_clusters().set_index("adcode")
    twice = entries.loc[entries["adcode"].duplicated(), "adcode"]
    assert sorted(twice) == ["130400", "130500", "140800"]
    assert cities.loc[["130400", "130500"], "cluster"].eq(cities.loc["130100", "cluster"]).all()
    assert "140100" not in cities.index
    seats = {"140800": (35.03, 111.00), "610100": (34.27, 108.95), "410100": (34.75, 113.63)}  # degrees north and east
    yuncheng, xian, zhengzhou = np.radians(list(seats.values()))
    km = [6371 * np.hypot((yuncheng[1] - x) * np.cos(yuncheng[0]), yuncheng[0] - y) for y, x in (xian, zhengzhou)]
    assert km == pytest.approx([205, 242], abs=3)
    assert cities.loc["140800", "cluster"] == cities.loc["610100", "cluster"] == "guanzhong_plain"
    assert clusters().set_index("adcode").loc["140800", "cluster"] == "guanzhong_plain"


def test_centres_of_the_eleven_clusters_are_24_by_the_stated_rule():
    cities = eleven_clusters()
    separately_planned = cities["city"].isin(["Shenzhen", "Ningbo"])
    assert cities["central"].equals(cities["adcode"].str.fullmatch(r"\d\d0[01]00") | separately_planned)
    assert cities["central"].sum() == 24
    assert cities.groupby("cluster", sort=False)["central"].sum().tolist() == [3, 1, 2, 2, 1, 1, 2, 5, 3, 2, 2]


def test_north_and_order_of_the_eleven_clusters_follow_table_3():
    printed, cities = table("p2", 3), eleven_clusters()
    assert cluster_names("p2")["cluster"].tolist() == printed["cluster"].tolist()
    assert (cluster_names("p2")["cluster_zh"] + "城市群").tolist() == printed["label_zh"].tolist()
    assert cities.groupby("cluster")["north"].nunique().eq(1).all()
    sides = cities.groupby("cluster", sort=False)["north"].first()
    assert sides.tolist() == printed["region"].eq("north").tolist()
    astride = cities[cities["north"] != cities["north_seat"]]
    assert set(astride["city"]) == {"Shangluo", "Nanyang", "Xinyang", "Bengbu"}
    assert cities[["central", "north", "north_seat", "candidate"]].dtypes.eq(bool).all()


def test_clusters_shared_by_two_papers_keep_id_and_name():
    both = cluster_names("p2").merge(cluster_names("p3"), on="cluster", suffixes=("_p2", "_p3"))
    assert len(both) == 7
    assert both["cluster_en_p2"].equals(both["cluster_en_p3"]) and both["cluster_zh_p2"].equals(both["cluster_zh_p3"])


def test_manufacturing_of_p2_has_mining_and_utilities_and_no_service():
    assert secondary_sector() == ("B", "C", "D")
    assert not set(secondary_sector()) & set(producer_services("p2"))
    facts = pd.read_csv(data_file("facts", "secondary_sector_p2.csv"))
    for letter, name in zip(facts["gbt4754_2011_section"], facts["label_zh"], strict=True):
        assert SECTIONS[letter][1][0] == name[0]


# cities of p5 ---------------------------------------------------------------------------------------------------------


def test_the_treated_cities_give_the_printed_moments_of_the_policy():
    cities = transfer_zones(treated_only=True)
    assert len(cities) == 28 and cities["treated"].all() and cities["adcode"].is_unique
    assert cities.groupby("adoption").size().to_dict() == {2010: 13, 2011: 5, 2012: 4, 2013: 4, 2014: 2}
    treated_years = (2022 - cities["adoption"] + 1).sum()
    policy = pd.Series([1] * treated_years + [0] * (274 * 20 - treated_years))
    printed = table("p5", 2).set_index("variable").loc["policy"]
    assert treated_years == 331 and len(policy) == int(printed["n_obs"])
    assert (f"{policy.mean():.4f}", f"{policy.std():.4f}") == (str(printed["mean"]), str(printed["std_dev"]))


def test_the_zones_by_date_and_the_cities_that_p5_leaves_out():
    zones = transfer_zones()
    assert zones["zone"].nunique() == 12 and zones["adoption"].is_monotonic_increasing
    assert zones["adoption"].dtype == int and zones["treated"].dtype == bool
    left_out = zones[~zones["treated"]]
    assert set(left_out.loc[left_out["adoption"] < 2018, "city"]) == {"Chongqing", "Xiantao", "Qianjiang", "Tianmen"}
    assert (zones.loc[zones["treated"], "adoption"] < 2018).all()
    assert zones.loc[zones["confidence"] == "low", "city"].tolist() == ["Siping", "Liaoyuan"]
    hefei = zones.set_index("adcode").loc["340100"]
    assert hefei[["city", "city_zh", "zone_zh", "adoption"]].tolist() == ["Hefei", "合肥", "皖江城市带", 2010]


def test_the_groups_of_table_6_have_the_printed_size_or_the_stated_gap():
    columns = table("p5", 6).query("term == 'n_obs'").set_index("column_label")["value"].astype(int) / 20
    candidates = {
        "in_five_clusters": five_clusters()["candidate"].sum(),
        "resource_based": resource_cities()["candidate"].sum(),
        "in_five_old_revolutionary_areas": old_base_areas()["candidate"].sum(),
    }
    assert {name: n - columns[name] for name, n in candidates.items()} == {
        "in_five_clusters": 0,
        "resource_based": 6,
        "in_five_old_revolutionary_areas": 2,
    }


def test_counts_of_the_plans():
    clusters_ = five_clusters()
    assert clusters_.groupby("cluster_zh").size().to_dict() == {
        "京津冀": 13,
        "长三角": 41,
        "珠三角": 15,
        "长江中游": 28,
        "成渝": 16,
    }
    assert clusters_.loc[~clusters_["candidate"], "city"].tolist() == ["Chongqing"]
    assert (clusters_["candidate"] & (clusters_["confidence"] != "low")).sum() == 106
    stages = resource_cities().groupby("stage_zh").size()
    assert stages.to_dict() == {"成长型": 20, "成熟型": 66, "衰退型": 24, "再生型": 16}


@pytest.mark.parametrize("cities", [eleven_clusters, transfer_zones, five_clusters, resource_cities, old_base_areas])
def test_each_city_stands_once_with_code_and_name(cities):
    tidy, outlined = cities(), prefectures().set_index("adcode")["name_zh"].str.removesuffix("市")
    assert tidy.columns[:3].tolist() == ["adcode", "city", "city_zh"]
    assert tidy["adcode"].is_unique and tidy["city"].is_unique
    assert not tidy.isna().to_numpy().any() and not (tidy == "").to_numpy().any()
    assert set(tidy["confidence"]) <= {"high", "medium", "low"}
    held = tidy[tidy["adcode"] != "371200"]  # Laiwu, dissolved in 2019, has no outline
    assert outlined.reindex(held["adcode"]).tolist() == held["city_zh"].tolist()


def test_the_regional_policies_of_table_5_reach_their_provinces():
    policies = regional_policies().set_index("policy")
    assert policies["start"].tolist() == [2004, 2014, 2014, 2019]
    belt = policies.loc["yangtze_belt", "prefixes"]
    assert "340100".startswith(belt) and not "440100".startswith(belt)
    assert len(policies.loc["greater_bay_area", "prefixes"]) == 9


# cities and counties of p1 --------------------------------------------------------------------------------------------


def test_members_of_the_delta_by_year_agree_with_the_counts_of_the_paper():
    cities = delta_cities()
    members = {year: int((cities["joined"] <= year).sum()) for year in (1992, 1997, 2003, 2010, 2013, 2019)}
    assert members == {1992: 14, 1997: 15, 2003: 16, 2010: 22, 2013: 30, 2019: 41}
    text = in_text("p1").set_index("item")["value"].astype(int)
    assert [len(cities), members[2010], members[2003], members[2010] - members[2003]] == text[
        ["n_cities_delta", "n_cities_2010", "n_incumbent_cities", "n_new_cities"]
    ].tolist()
    second = cities[cities["second_wave"]]
    names = {"Wuhu", "Lianyungang", "Xuzhou", "Chuzhou", "Huainan", "Lishui", "Suqian", "Wenzhou"}
    assert set(second["city"]) == names and len(names) == text["n_cities_2013"]
    assert second["group"].eq("donor").all() and second["joined"].eq(2013).all()


def test_cities_of_the_delta_have_their_code_and_name():
    cities, outlined = delta_cities(), prefectures().set_index("adcode")["name_zh"].str.removesuffix("市")
    assert cities["adcode"].is_unique and cities["city"].is_unique
    assert outlined.reindex(cities["adcode"]).tolist() == cities["city_zh"].tolist()
    assert cities["group"].eq("new").equals(cities["joined"].eq(2010))


def test_counties_of_the_delta_have_the_counts_of_2010():
    units, cities = delta_counties(), delta_cities().set_index("adcode")
    assert units["county"].is_unique and units["name"].is_unique and units["county"].str.fullmatch(r"\d{6}").all()
    assert units.groupby("group").size().to_dict() == {"donor": 100, "incumbent": 75, "new": 32}
    by_province = units[units["type"] != "district"].groupby(["province", "type"]).size().to_dict()
    assert by_province["Jiangsu", "county_city"] == 26 and by_province["Jiangsu", "county"] == 24
    assert by_province["Zhejiang", "county_city"] == 22 and by_province["Zhejiang", "county"] == 36
    assert by_province["Anhui", "county_city"] == 5 and by_province["Anhui", "county"] == 52
    pools = units[units["type"] == "district"]
    assert sorted(pools["city"]) == sorted(cities.index) and pools["district_since"].isna().all()
    for column in ("group", "second_wave", "province"):
        assert (units["city"].map(cities[column]) == units[column]).all()


def test_codes_of_counties_are_those_of_their_city_and_the_outlines():
    units, outlined = delta_counties(), counties().set_index("adcode")["name_zh"]
    abroad = units.loc[units["county"].str[:4] != units["city"].str[:4], "name_zh"]
    assert set(abroad) == {"上海市辖区", "崇明县"}  # a municipality's counties have prefixes of their own
    held = units[units["county"].isin(outlined.index) & (units["type"] != "district")]
    unchanged = held[held["name_zh"].str[:-1] == outlined.reindex(held["county"]).str[:-1].to_numpy()]
    assert len(unchanged) == len(held) and len(held) > 120
    gone = units[~units["county"].isin(outlined.index) & (units["type"] != "district")]
    assert set(CODES_OF_2010) <= set(gone["name_zh"])


def test_eight_incumbent_units_had_become_districts_by_2014():
    units = delta_counties()
    early = units[units["district_since"].le(2014).fillna(False)]
    assert early.groupby("group").size().to_dict() == {"donor": 1, "incumbent": 8}
    assert units["district_since"].min() == 2011 and units["district_since"].dtype == "Int64"


# industries of p4 -----------------------------------------------------------------------------------------------------


def test_the_industries_of_manufacturing_stand_once_with_code_id_and_names():
    sectors = manufacturing_sectors()
    assert sectors["industry"].tolist() == [str(code) for code in range(13, 44)]
    for column in ("sector", "name", "name_zh"):
        assert sectors[column].is_unique and sectors[column].str.len().gt(0).all()
    assert sectors["sector"].str.fullmatch("[a-z_]+").all() and not sectors["name"].str.contains("_").any()
    assert sectors["in_p4"].dtype == bool
    assert sectors.set_index("industry")["name_zh"]["36"] == "汽车制造业"


def test_the_industries_of_p4_are_those_of_the_rebuilt_table_4():
    sectors, pattern = manufacturing_sectors().query("in_p4"), rebuilt("p4", 4)
    names = pattern.drop_duplicates("sector_code").set_index("sector_code")["label_zh"]
    assert sectors.set_index("industry")["name_zh"].to_dict() == names.to_dict() and len(names) == 28


def test_two_groupings_class_the_industries_of_p4_and_differ_in_five():
    sectors = manufacturing_sectors()
    for grouping in ("intensity_a", "intensity_b"):
        assert set(sectors[grouping].dropna()) == set(INTENSITIES)
        assert sectors[grouping].notna().equals(sectors["in_p4"])
    of_p4 = sectors[sectors["in_p4"]]
    moved = of_p4.loc[of_p4["intensity_a"] != of_p4["intensity_b"], "industry"]
    assert moved.tolist() == ["15", "22", "26", "30", "33"]


def test_the_edition_of_2002_has_no_38_and_two_industries_that_were_merged_or_split():
    codes = manufacturing_sectors().set_index("industry")["codes_2002"]
    old = {code for of_one in codes for code in of_one}
    assert old == {str(code) for code in range(13, 44)} - {"38"}
    assert codes["29"] == ("29", "30") and codes["36"] == codes["37"] == ("37",) and codes["43"] == ()


def test_the_high_tech_industries_are_those_of_the_rebuilt_table_1():
    industries, pattern = high_tech_industries(), rebuilt("p4", 1)
    names = pattern.drop_duplicates("sector").set_index("sector")["label_zh"]
    assert industries.set_index("industry")["name_zh"].to_dict() == names.to_dict()
    assert industries["industry"].tolist() == list(HIGH_TECH) and industries["name"].is_unique
