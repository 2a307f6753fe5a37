"""Real structures of provinces and cities for p4: identities on the files, and that they still come out the same."""

from __future__ import annotations

import runpy
import subprocess
import sys
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.facts import SECTIONS, clusters
from regiometrics.data.files import data_file
from regiometrics.measure.specialization import interregional_specialization, relative_specialization

NORTH, DELTA = "beijing_tianjin_hebei", "yangtze_river_delta"
FILES = {
    "provinces": [
        *("structure", "cells", "year", "cluster", "province", "name", "share", "against_rest", "low", "high"),
        *("against_cluster", "against_nation", "dealt_mean", "p_dealt"),
    ],
    "pairs": [
        *("structure", "cells", "year", "cluster", "province_a", "province_b", "specialization", "low", "high"),
    ],
    "levels": ["structure", "cells", "year", "delta", "statistic", NORTH, DELTA, "difference", "low", "high"],
    "changes": [
        *("structure", "cells", "cluster", "province_a", "province_b", "window", "first", "last", "change"),
        *("low", "high", "slope"),
    ],
    "advantages": [
        *("period", "reference", "cluster", "province", "section", "location_quotient", "advantage", "sole"),
        "n_provinces",
    ],
    "cities": ["cluster", "adcode", "year", "share", "specialization"],
    "cluster_pairs": ["cluster", "partition", "year", "n_pairs", "mean", "largest", "city_a", "city_b"],
    "national_shares": ["year", "manufacturing", "producer_services"],
    "flags": ["adcode", "year", "flag", "reason"],
    "joint": [
        *("years", "delta", "statistic", "observed", "p_value", "smallest_p", "p_with_beijing", "divisions_median"),
        *("n_specifications", "n_divisions"),
    ],
}
CODED = ("province", "province_a", "province_b", "adcode", "city_a", "city_b")
CELL = ["structure", "cells", "cluster", "year"]
HALF = 0.5e-6  # of the last digit kept


def kept(name: str) -> pd.DataFrame:
    table = pd.read_csv(data_file("derived", "specialization", f"{name}.csv"), dtype=dict.fromkeys(CODED, str))
    return table.fillna({"province_b": ""}) if name == "changes" else table


@pytest.fixture(scope="module")
def script(root):
    folder = root / "data" / "derived"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # scripts of this folder import each other
        return SimpleNamespace(**runpy.run_path(str(folder / "make_specialization.py")))


@pytest.fixture(scope="module")
def three_groups() -> pd.DataFrame:
    """Shares of manufacturing, producer services and the rest, from shipped files alone."""
    quotients = pd.read_csv(data_file("derived", "coagglomeration_138_cities_2004_2018.csv"), dtype={"adcode": str})
    table = quotients.merge(kept("national_shares"), on="year", validate="many_to_one")
    for group in ("manufacturing", "producer_services"):
        table[f"error_{group}"] = HALF * (table[f"lq_{group}"] + table[group]) + HALF**2
        table[group] *= table[f"lq_{group}"]
    table["others"] = 1 - table["manufacturing"] - table["producer_services"]
    table["error"] = 2 * (table["error_manufacturing"] + table["error_producer_services"])
    return table


@pytest.mark.sources
def test_the_script_makes_the_same_bytes(root, sources):
    script = root / "data" / "derived" / "make_specialization.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same bytes" in run.stdout


@pytest.mark.sources
def test_a_city_year_in_the_order_of_the_new_classification_is_found_among_those_of_the_old(script, sources):
    employment = script.read_workbook(sources.joinpath(*script.WORKBOOK), script.READ)
    found = script.flags(employment[employment["city"] != script.PROVINCE_ROW].reset_index(drop=True))
    pd.testing.assert_frame_equal(found, kept("flags"), check_dtype=False)
    shanghai = employment.query("city == '310000'").set_index("year")[["F", "G", "H", "I"]]
    step = (np.log(shanghai).diff().abs()).loc[2013]
    assert step["I"] > 1.5  # more than fourfold in a year
    assert step["F"] > 1


def test_the_files_have_their_columns_and_stay_small():
    folder = data_file("derived", "specialization", "provinces.csv").parent
    assert {path.stem for path in folder.glob("*.csv")} == set(FILES)
    assert sum(path.stat().st_size for path in folder.glob("*.csv")) < 500_000
    for name, columns in FILES.items():
        assert kept(name).columns.tolist() == columns


def test_all_indices_lie_in_their_ranges():
    provinces, pairs, cities = kept("provinces"), kept("pairs"), kept("cities")
    for values in (
        provinces[["against_rest", "against_cluster", "against_nation", "dealt_mean"]].melt()["value"].dropna(),
        pairs["specialization"],
        cities["specialization"],
    ):
        assert values.between(0, 2).all()
    assert provinces["p_dealt"].dropna().between(0.001, 1).all()
    for table in (provinces, pairs, kept("levels"), kept("changes")):
        known = table.dropna(subset=["low", "high"])
        assert (known["low"] < known["high"]).all()
        assert len(known) > len(table) / 2


def test_each_structure_and_kind_of_cells_has_all_years_but_those_of_another_scope():
    provinces = kept("provinces")
    years = provinces.groupby(["structure", "cells", "cluster"])["year"].unique().map(set)
    everything = set(range(2004, 2019))
    assert len(years) == 3 * 2 * 2
    for (_, cells, cluster), found in years.items():
        absent = {NORTH: {2004, 2005}, DELTA: {2005}}[cluster] if cells == "mended" else set()
        assert found == everything - absent


def test_shares_of_a_cluster_sum_to_one_and_scale_the_index_against_the_cluster():
    provinces = kept("provinces")
    assert provinces.groupby(CELL)["share"].sum().to_numpy() == pytest.approx(1, abs=4 * HALF)
    scaled = (1 - provinces["share"]) * provinces["against_rest"]
    assert provinces["against_cluster"].to_numpy() == pytest.approx(scaled.to_numpy(), abs=4 * HALF)


def test_no_province_stands_further_from_the_rest_than_from_the_furthest_of_them():
    pairs = kept("pairs")
    both = pd.concat([pairs, pairs.rename(columns={"province_a": "province_b", "province_b": "province_a"})])
    furthest = both.groupby([*CELL, "province_a"])["specialization"].max()
    own = kept("provinces").set_index([*CELL, "province"])["against_rest"]
    assert len(own) == len(furthest)
    assert (own.to_numpy() <= furthest.loc[own.index].to_numpy() + 2 * HALF).all()


def test_the_way_over_a_third_province_is_never_shorter():
    for _, rows in kept("pairs").groupby(CELL):
        between = {
            frozenset(pair): k
            for *pair, k in rows[["province_a", "province_b", "specialization"]].itertuples(index=False)
        }
        names = sorted(set().union(*between))
        assert len(between) == len(names) * (len(names) - 1) / 2
        for triple in combinations(names, 3):
            sides = sorted(between[frozenset(pair)] for pair in combinations(triple, 2))
            assert sides[2] <= sides[0] + sides[1] + 4 * HALF


def test_levels_are_means_and_extremes_of_the_indices_beside_them():
    levels = kept("levels").query("delta == 'four provinces'")
    provinces, pairs = kept("provinces"), kept("pairs")
    weighted = provinces["share"] * provinces["against_rest"]
    expected = {
        "rest_mean": provinces.groupby(CELL)["against_rest"].mean(),
        "rest_weighted": weighted.groupby([provinces[c] for c in CELL]).sum(),
        "cluster_mean": provinces.groupby(CELL)["against_cluster"].mean(),
        "national_mean": provinces.groupby(CELL)["against_nation"].mean(),
        "pair_mean": pairs.groupby(CELL)["specialization"].mean(),
        "pair_max": pairs.groupby(CELL)["specialization"].max(),
    }
    cores = provinces[provinces["province"].isin(["110000", "310000"])].set_index(CELL)
    expected |= {"rest_core": cores["against_rest"], "national_core": cores["against_nation"]}
    for statistic, values in expected.items():
        rows = levels[levels["statistic"] == statistic]
        for cluster in (NORTH, DELTA):
            at = pd.MultiIndex.from_frame(rows.assign(cluster=cluster)[CELL])
            assert rows[cluster].to_numpy() == pytest.approx(values.loc[at].to_numpy(), abs=6 * HALF)
    difference = levels[NORTH] - levels[DELTA]
    assert levels["difference"].to_numpy() == pytest.approx(difference.to_numpy(), abs=3 * HALF)


def test_the_factor_of_size_follows_from_the_shares():
    provinces = kept("provinces")
    of_rest = provinces.groupby(CELL)["share"].transform(lambda w: (w**2).sum()) - provinces["share"] ** 2
    factor = np.sqrt(1 + of_rest / (1 - provinces["share"]) ** 2).groupby([provinces[c] for c in CELL]).mean()
    rows = kept("levels").query("delta == 'four provinces' and statistic == 'size_factor'")
    for cluster in (NORTH, DELTA):
        at = pd.MultiIndex.from_frame(rows.assign(cluster=cluster)[CELL])
        assert rows[cluster].to_numpy() == pytest.approx(factor.loc[at].to_numpy(), abs=2e-5)  # shares have six digits


def test_the_joint_test_observes_the_levels():
    levels = kept("levels").query("2006 <= year <= 2014")
    levels = levels[levels["statistic"].isin(["rest_mean", "cluster_mean", "national_mean", "pair_mean"])]
    specifications = levels.pivot(index=["delta", "structure", "cells", "statistic"], columns="year")["difference"]
    specifications["2006-2014"] = specifications.mean(axis=1)
    joint = kept("joint").set_index(["years", "delta", "statistic"])
    assert joint.index.is_unique
    assert len(joint) == 10 * 3 * 2
    for years, differences in specifications.rename(columns=str).items():
        for delta in ("four provinces", "without Anhui", "both"):
            of = differences if delta == "both" else differences.loc[delta]
            median, share = (joint.loc[(years, delta, name)] for name in ("median difference", "share above zero"))
            assert len(of) == median["n_specifications"] == share["n_specifications"]
            assert median["observed"] == pytest.approx(of.median(), abs=2 * HALF)
            assert share["observed"] == pytest.approx((of > 0).mean(), abs=HALF)


def test_exact_p_values_are_shares_of_the_divisions():
    joint = kept("joint")
    assert joint.groupby("delta")["n_divisions"].unique().map(list).to_dict() == {
        "both": [20],
        "four provinces": [35],
        "without Anhui": [20],
    }
    for column, n in {
        "p_value": joint["n_divisions"],
        "smallest_p": joint["n_divisions"],
        "p_with_beijing": joint["n_divisions"].map({35: 15, 20: 10}),
    }.items():
        counts = joint[column] * n
        assert (counts - counts.round()).abs().max() < 40 * HALF
        assert counts.round().between(1, n).all()
    assert (joint["p_value"] >= joint["smallest_p"]).all()
    medians = joint[joint["statistic"] == "median difference"]
    assert medians["smallest_p"].to_numpy() == pytest.approx(1 / medians["n_divisions"], abs=HALF)
    of_six = medians.loc[medians["delta"] == "without Anhui", "divisions_median"]
    assert (of_six == 0).all()  # three against three: each division has its opposite


def test_changes_are_differences_of_the_indices_beside_them():
    provinces = kept("provinces").rename(columns={"province": "province_a", "against_rest": "specialization"})
    both = pd.concat([provinces.assign(province_b=""), kept("pairs")])
    keys = ["structure", "cells", "province_a", "province_b"]
    at = both.set_index([*keys, "year"])["specialization"]
    changes = kept("changes")
    for column, position in {"first": 0, "last": 1}.items():
        year = changes["window"].str.split("-").str[position].astype(int)
        found = at.loc[pd.MultiIndex.from_frame(changes[keys].assign(year=year))]
        assert changes[column].to_numpy() == pytest.approx(found.to_numpy(), abs=2 * HALF)
    assert changes["change"].to_numpy() == pytest.approx((changes["last"] - changes["first"]).to_numpy(), abs=4 * HALF)
    assert changes.query("cells == 'mended'")["window"].unique().tolist() == ["2006-2014", "2006-2012", "2013-2018"]


def test_only_provinces_with_cities_to_exchange_are_tested():
    tested = kept("provinces").dropna(subset="p_dealt")
    assert set(tested["name"]) == {"Jiangsu", "Zhejiang", "Anhui"}


def test_weighted_by_size_the_quotients_against_the_cluster_have_mean_one():
    shares = kept("provinces").query("structure == 'sections' and cells == 'mended' and year == 2014")
    quotients = kept("advantages").query("reference == 'cluster' and period == '2014'")
    quotients = quotients.merge(shares[["province", "share"]], on="province", validate="many_to_one")
    mean = (
        (quotients["share"] * quotients["location_quotient"])
        .groupby([quotients["cluster"], quotients["section"]])
        .sum()
    )
    assert len(mean) == 2 * 19
    assert mean.to_numpy() == pytest.approx(1, abs=2e-5)


def test_advantages_are_quotients_above_one_and_sole_where_no_neighbour_has_them():
    table = kept("advantages")
    assert len(table) == 2 * 2 * 7 * 19
    assert (table["advantage"] == (table["location_quotient"] > 1)).all()
    of_section = table.groupby(["period", "reference", "cluster", "section"])["advantage"].transform("sum")
    assert (table["n_provinces"] == of_section).all()
    assert (table["sole"] == table["advantage"] * (of_section == 1)).all()


def test_cities_are_those_of_p3_and_their_shares_sum_to_one():
    cities = kept("cities")
    assert set(cities["adcode"]) == set(clusters("p3")["adcode"])
    assert len(cities) == 138 * 15 - 1  # Suzhou in Anhui lacks 2017
    assert cities.groupby(["cluster", "year"])["share"].sum().to_numpy() == pytest.approx(1, abs=28 * HALF)


def test_no_city_stands_further_from_the_rest_than_the_furthest_pair_of_its_cluster():
    pairs = kept("cluster_pairs").query("partition == 'sections'")
    cities = kept("cities").merge(pairs, on=["cluster", "year"], validate="many_to_one")
    assert (cities["specialization"] <= cities["largest"] + 2 * HALF).all()


def test_shipped_quotients_and_national_shares_give_the_pairs_of_three_groups(three_groups):
    structure = ["manufacturing", "producer_services", "others"]
    pairs = kept("cluster_pairs").query("partition == 'three_groups'").set_index(["cluster", "year"])
    assert len(pairs) == 8 * 15
    for key, rows in three_groups.groupby(["cluster", "year"]):
        i, j = np.triu_indices(len(rows), 1)
        shares, error = rows[structure].to_numpy(), rows["error"].to_numpy()
        index, bound = np.abs(shares[i] - shares[j]).sum(axis=1), error[i] + error[j] + HALF
        found = pairs.loc[key]
        assert len(index) == found["n_pairs"]
        assert abs(index.mean() - found["mean"]) <= bound.mean()
        assert abs(index.max() - found["largest"]) <= bound.max()
        assert bound.max() < 3e-5
        names = rows["adcode"].to_numpy()
        top = index[(names[i] == found["city_a"]) & (names[j] == found["city_b"])]
        assert abs(top[0] - index.max()) <= 2 * bound.max()


def test_merging_sections_into_three_groups_never_raises_the_index(three_groups):
    by = kept("cluster_pairs").pivot(index=["cluster", "year"], columns="partition", values=["mean", "largest"])
    for statistic in ("mean", "largest"):
        assert (by[statistic, "sections"] >= by[statistic, "three_groups"]).all()
    cities = kept("cities").merge(three_groups, on=["cluster", "adcode", "year"], validate="one_to_one")
    assert len(cities) == len(kept("cities"))
    apart = pd.Series(0.0, index=cities.index)
    for group in ("manufacturing", "producer_services", "others"):
        whole = (cities["share"] * cities[group]).groupby([cities["cluster"], cities["year"]]).transform("sum")
        apart += (cities[group] - whole).abs() / (1 - cities["share"])
    assert (cities["specialization"] >= apart - 1e-4).all()  # rounding of shares over that of the rest


def test_city_years_are_mended_or_left_out_with_a_reason():
    table = kept("flags")
    assert not table.duplicated().any()
    assert set(table["flag"]) == {"mended", "left out"}
    assert table["reason"].str.len().gt(20).all()
    mended = table[table["flag"] == "mended"]
    assert ("310000", 2013) in set(zip(mended["adcode"], mended["year"], strict=True))
    assert mended["year"].isin([2012, 2013, 2014, 2015]).all()  # the yearbooks around the change of classification


def printed(**sections: list[float]) -> pd.DataFrame:
    """A city in three years, ten persons in each section that is not named."""
    table = pd.DataFrame({"city": "310000", "year": [2012, 2013, 2014], **{x: [10.0] * 3 for x in SECTIONS}})
    table = table.assign(**sections)
    return table.assign(printed_total=table[list(SECTIONS)].sum(axis=1))


def test_misplaced_columns_are_told_from_a_true_change_and_put_back(script):
    true = printed(F=[90.0] * 3, G=[60.0] * 3, H=[20.0] * 3, I=[30.0] * 3)
    assert not script.misplaced(true).any()
    wrong = true.copy()
    wrong.loc[1, ["G", "I", "F", "H"]] = true.loc[1, ["F", "G", "H", "I"]].to_numpy()
    assert script.misplaced(wrong).tolist() == [False, True, False]
    sections = list(SECTIONS)
    pd.testing.assert_frame_equal(script.mended(wrong)[sections], true[sections])
    other = printed(F=[90.0, 50.0, 90.0], G=[60.0] * 3, H=[20.0] * 3, I=[30.0, 70.0, 30.0])
    assert not script.misplaced(other).any()


def test_a_total_that_does_not_add_up_is_left_out(script):
    table = printed()
    table.loc[2, "printed_total"] *= 0.9
    assert script.mended(table)["year"].tolist() == [2012, 2013]


@pytest.fixture(scope="module")
def persons(script) -> np.ndarray:
    return np.random.default_rng(7).uniform(1, 9, size=(len(script.CODES), 15, 19))


def test_the_path_of_the_draws_agrees_with_the_library(script, persons):
    grid = pd.MultiIndex.from_product([script.CODES, range(15), range(19)], names=["province", "year", "section"])
    long = pd.Series(persons.ravel(), grid, name="persons").reset_index()
    where = {"region": "province", "industry": "section", "value": "persons", "time": "year", "cluster": "cluster"}
    long["cluster"] = long["province"].map(script.PROVINCES.set_index("province")["cluster"])
    rest = relative_specialization(long, **where).set_index(["unit", "time"])["specialization"]
    pairs = interregional_specialization(long, **where).set_index(["group", "unit_a", "unit_b", "time"]).sort_index()
    for (cluster, a, b), path in script.indices(persons).items():
        slow = pairs["specialization"].loc[cluster, a, b] if b else rest.loc[a]
        assert path == pytest.approx(slow.to_numpy(), abs=1e-12)


def test_provinces_draw_as_many_cities_as_they_have_and_municipalities_stay(script):
    province = ["110000"] + ["130000"] * 5 + ["310000"] + ["320000"] * 4 + ["330000"] * 3 + ["340000"] * 2
    province.insert(1, "120000")
    cities = np.ones((len(province), 2, 1))
    cities[:, :, 0] += np.arange(len(province))[:, None]
    ones = np.ones_like(cities)
    for scheme in (script.resampled, script.dealt):
        counts = scheme(ones, province)[:, :, 0, 0]
        assert (counts == [[province.count(p)] for p in script.CODES]).all()
        totals = scheme(cities, province)[:, :, 0, 0]
        fixed = [p in ("110000", "120000", "310000") for p in script.CODES]
        varies = np.ptp(totals, axis=1) > 0
        assert not varies[fixed].any()
        assert varies[script.CODES.index("340000")]
    assert np.ptp(script.dealt(cities, province).sum(axis=0)) == 0  # every city is dealt to one province
    assert np.ptp(script.dealt(cities, province)[script.CODES.index("130000")]) == 0


def test_equal_independent_dispersion_gives_indices_in_proportion_to_the_factor_of_size(script):
    noise = np.random.default_rng(3).normal(size=(2, 4000, 19))
    size = {"110000": 1.0, "120000": 6.0, "130000": 2.0}
    structures = 1 / 19 + 1e-4 * (noise[0] - noise[0].mean(axis=1, keepdims=True))
    totals = np.zeros((len(script.CODES), 4000, 19))
    for code, weight in size.items():
        structures = np.roll(structures, 1, axis=0)
        totals[script.CODES.index(code)] = weight * structures
    index = script.against_rest(totals, list(size)).mean(axis=1)
    weights = np.array(list(size.values()))
    expected = [np.sqrt(1 + (np.delete(weights, i) ** 2).sum() / np.delete(weights, i).sum() ** 2) for i in range(3)]
    assert index / index[0] == pytest.approx(np.array(expected) / expected[0], rel=0.02)  # 4000 draws
    factor = script.size_factor(totals, list(size))
    assert factor == pytest.approx(np.mean(expected), rel=1e-9)


def test_the_true_division_comes_first_and_gives_the_levels(script, persons):
    nation = persons.sum(axis=0)
    for anhui, members in zip((True, False), script.DELTAS.values(), strict=True):
        assert script.divisions(members)[0] == tuple(
            script.members_of(cluster, anhui=anhui) for cluster in (NORTH, DELTA)
        )
        north, delta = (script.levels_of(persons, nation, cluster, anhui=anhui) for cluster in (NORTH, DELTA))
        names = list(script.means_of(persons, nation, members))
        expected = np.stack([north[name] - delta[name] for name in names])
        assert script.divided(persons, nation, members)[0] == pytest.approx(expected, abs=1e-12)


def test_a_division_is_measured_as_clusters_of_that_membership(script, persons):
    """Against the library, which is told that the provinces of the division are the clusters."""
    grid = pd.MultiIndex.from_product([script.CODES, range(15), range(19)], names=["province", "year", "section"])
    long = pd.Series(persons.ravel(), grid, name="persons").reset_index()
    where = {"region": "province", "industry": "section", "value": "persons", "time": "year", "cluster": "cluster"}
    found = script.divided(persons, persons.sum(axis=0), script.CODES)
    assert len(found) == 35
    for k in (0, 11, 34):
        three, others = script.divisions(script.CODES)[k]
        assert sorted([*three, *others]) == sorted(script.CODES)
        long["cluster"] = long["province"].map(dict.fromkeys(three, "three") | dict.fromkeys(others, "others"))
        slow = [
            relative_specialization(long, reference=reference, **where).groupby(["time", "group"])["specialization"]
            for reference in ("rest", "cluster")
        ]
        whole = relative_specialization(long, reference="national", **where)
        whole["group"] = whole["unit"].map(long.drop_duplicates("province").set_index("province")["cluster"])
        slow.append(whole.groupby(["time", "group"])["specialization"])
        slow.append(interregional_specialization(long, **where).groupby(["time", "group"])["specialization"])
        for mean, values in zip(found[k], slow, strict=True):
            by_group = values.mean().unstack("group")
            assert mean == pytest.approx((by_group["three"] - by_group["others"]).to_numpy(), abs=1e-12)


def test_a_division_of_six_has_the_opposite_sign_of_its_complement(script, persons):
    members = script.DELTAS["without Anhui"]
    found, places = script.divided(persons, persons.sum(axis=0), members), script.divisions(members)
    for k, (_, others) in enumerate(places):
        opposite = next(i for i, (three, _) in enumerate(places) if three == others)
        assert (found[k] == -found[opposite]).all()


def test_an_exact_p_value_counts_the_true_division_and_ties(script):
    values, some = np.array([2.0, 1.0, 2.0, 3.0, -4.0]), np.array([True, False, False, True, True])
    found = script.exact(values, some)
    assert found["p_value"] == pytest.approx(3 / 5)
    assert found["p_with_beijing"] == pytest.approx(2 / 3)
    assert found["smallest_p"] == pytest.approx(1 / 5)
    assert (found["observed"], found["divisions_median"]) == (2, 2)
    assert script.exact(np.zeros(4), np.ones(4, dtype=bool))["smallest_p"] == 1


def test_a_planted_difference_has_the_smallest_p_value(script):
    common = np.full((len(script.CODES), 15, 19), 100.0)
    for k, code in enumerate(script.members_of(NORTH)):
        common[script.CODES.index(code), :, 3 * k : 3 * k + 3] += 500  # each of its own kind
    for members in script.DELTAS.values():
        rest, _, _, pairs = np.moveaxis(script.divided(common, common.sum(axis=0), members), 1, 0)
        for values in (rest[:, 0], pairs[:, 0]):
            assert script.exact(values, np.ones(len(values), dtype=bool))["p_value"] == 1 / len(values)
