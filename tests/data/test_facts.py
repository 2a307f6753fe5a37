"""Memberships and producer services against the counts that can be checked."""

import pandas as pd
import pytest

from regiometrics.data.facts import (
    MEMBERS,
    SECTIONS,
    cluster_names,
    clusters,
    producer_services,
    service_rules,
)
from regiometrics.data.files import data_file
from regiometrics.data.published import table
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
        (lambda: producer_services("usual"), "p3_usual"),
    ],
)
def test_unknown_names_are_answered_with_the_known_ones(ask, known):
    with pytest.raises(RegionError, match=known):
        ask()
