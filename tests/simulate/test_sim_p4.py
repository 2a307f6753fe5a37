"""The fitted tables of p4 agree with every statement of the text."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from itertools import combinations, pairwise

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file
from regiometrics.data.published import in_text, rebuilt
from regiometrics.errors import DomainError, InfeasibleError
from regiometrics.measure.specialization import (
    advantage_sectors,
    intensity_shares,
    interregional_specialization,
    relative_specialization,
)
from regiometrics.simulate import p4
from regiometrics.simulate.p4 import (
    DELTA,
    PROVINCES,
    YEARS,
    fitted_tables,
    panel,
    statements,
)

CODES = {name: code for provinces in PROVINCES.values() for name, code in provinces.items()}
LABELS = {"region": "province", "industry": "industry", "time": "year"}


fitted = cache(panel)


@pytest.fixture(scope="module")
def bundle():
    return fitted(0)


@pytest.fixture(scope="module")
def value():
    return in_text("p4").set_index("item")["value"].astype(float)


@pytest.fixture(scope="module")
def by_province(bundle):
    """Output by year and province name, from the table alone."""
    names = {code: name for name, code in CODES.items()}
    output = bundle.tables["province_industry"].pivot_table(
        index="year", columns="province", values="output", aggfunc="sum"
    )
    return output.rename(columns=names)


def with_cluster(bundle, table):
    return bundle.tables[table].merge(bundle.tables["regions"][["province", "cluster"]], on="province")


# statements that contradict each other


@pytest.mark.parametrize("target", [2.05, 5.0])
def test_an_index_beyond_its_range_is_refused_and_named(target):
    said = [
        replace(s, low=target, high=target) if s.item == "relative_specialization_2014_beijing" else s
        for s in statements()
    ]
    with pytest.raises(InfeasibleError, match="contradict|no table agrees") as caught:
        fitted_tables(1, said=said)
    assert "relative_specialization_2014_beijing" in str(caught.value)


def test_two_statements_that_contradict_each_other_are_refused():
    cap = replace(statements()[0], low=-np.inf, high=0.4)
    with pytest.raises(InfeasibleError, match="relative_specialization_2014_shanghai"):
        fitted_tables(1, said=[*statements(), cap])


# rows of the constraints


def test_rows_of_pattern_and_order_are_quotients_and_differences_of_shares():
    rng = np.random.default_rng(3)
    weights = rng.dirichlet(np.ones(4))
    shares = rng.dirichlet(np.ones(28), 4)
    table, base, above = shares * weights[:, None], rng.uniform(0.1, 1.0, 28), rng.random((4, 28)) < 0.5
    order, provinces = np.argsort(np.argsort(shares, axis=0), axis=0), tuple(PROVINCES[DELTA])
    rows = p4._Rows()
    rows.add_pattern(above, weights, base)
    rows.add_order(p4._Frame(provinces, weights), order, base)
    built = rows.built()
    in_cluster = table.sum(axis=0)
    slow = {}
    for i, k in np.ndindex(4, 28):
        sign = 1 if above[i, k] else -1
        slow[f"pattern {i} {k}"] = sign * (shares[i, k] - (1 + sign * p4.LQ_MARGIN) * in_cluster[k]) / base[k]
    for k in range(28):
        ladder = sorted(range(4), key=lambda i: shares[i, k])
        for low, high in pairwise(ladder):
            slow[f"order {provinces[low]} {provinces[high]} {k}"] = (shares[high, k] - shares[low, k]) / base[k]
    assert built.names == tuple(slow)
    np.testing.assert_allclose(built.rows @ table.ravel(), list(slow.values()), atol=1e-12)
    assert set(built.low[:112]) == {0.0} and set(built.low[112:]) == {p4.ORDER_MARGIN} and np.isinf(built.high).all()


# every seed agrees with the text


@pytest.mark.parametrize("seed", [0, 1])
def test_every_statement_holds_and_every_printed_target_is_met(seed, value):
    found = fitted(seed).calibration
    assert found["holds"].all()
    printed = found.query("source == 'printed'")
    assert set(printed["statement"]) <= set(value.index)
    np.testing.assert_array_equal(printed["target"], value[printed["statement"]])
    exact = printed.query("relation == 'eq'")
    assert (exact["gap"].abs() / exact["target"].clip(lower=1)).max() < 1e-9
    strict = printed.query("relation in ('gt', 'lt')")
    assert (strict["gap"] * strict["relation"].map({"gt": 1, "lt": -1}) > 0.004).all()


def test_calibration_holds_every_number_about_the_tables(bundle, value):
    elsewhere = {"hightech_national_share_2014", "hightech_firms_2014", "hightech_employees_2014", "lq_threshold"}
    elsewhere |= {
        f"hightech_{name}" for name in ("profit_2014", "profit_tax_2014", "profit_growth", "profit_tax_growth")
    }
    printed = set(bundle.calibration.query("source == 'printed'")["statement"])
    assert printed == set(value.index) - elsewhere
    assert set(bundle.calibration["source"]) == {"printed", "wording", "assumed"}


def test_output_of_2014_and_its_shares_are_printed(by_province, value):
    delta = by_province.loc[2014, list(PROVINCES[DELTA])]
    np.testing.assert_allclose(delta, [31221, 137383, 61964, 33860], rtol=1e-12)
    assert delta.sum() == pytest.approx(264428, rel=1e-12)
    assert (100 * delta / delta.sum()).round().tolist() == [12, 52, 23, 13]


def test_growth_of_output_is_printed(by_province, value):
    delta = by_province[list(PROVINCES[DELTA])]
    average = 100 * ((delta.loc[2014] / delta.loc[2005]) ** (1 / 9) - 1)
    np.testing.assert_allclose(average, [10, 19.5, 14, 27.6], atol=1e-9)
    growth = 100 * delta.sum(axis=1).pct_change()
    assert growth[[2010, 2014]].tolist() == pytest.approx([27, 6.8], abs=1e-9)
    assert (growth.loc[2006:2008] > 25).all()
    assert (growth[[2009, 2011, 2012, 2013, 2014]] < 20).all()


def test_hightech_totals_shares_and_growth_are_printed(bundle, value):
    table = with_cluster(bundle, "hightech").query("cluster == @DELTA")
    provinces = table.pivot_table(index="year", columns="province", values="revenue", aggfunc="sum")
    industries = table.pivot_table(index="year", columns="industry", values="revenue", aggfunc="sum")
    assert provinces.loc[2014].sum() == pytest.approx(40496, rel=1e-12)
    assert provinces.loc[2014, CODES["jiangsu"]] == pytest.approx(26114, rel=1e-12)
    assert 100 * provinces.loc[2014, CODES["jiangsu"]] / 40496 == pytest.approx(64.485, abs=5e-4)
    for frame, names in (
        (provinces.rename(columns={c: n for n, c in CODES.items()}), PROVINCES[DELTA]),
        (industries, industries),
    ):
        average = 100 * ((frame.loc[2014] / frame.loc[2005]) ** (1 / 9) - 1)
        for name in names:
            assert average[name] == pytest.approx(value[f"hightech_growth_{name}"], abs=1e-8)
    share = 100 * industries.loc[2014] / 40496
    assert share["pharmaceuticals"] == pytest.approx(10.6, abs=0.05)  # implied by the growth rates
    assert share["computers_office"] == pytest.approx(24.6, abs=0.05)


@pytest.mark.parametrize(
    ("number", "table", "key"), [(1, "hightech", "sector"), (4, "province_industry", "sector_code")]
)
@pytest.mark.parametrize("seed", [0, 1])
def test_location_quotients_above_one_are_the_rebuilt_tables(number, table, key, seed):
    made = fitted(seed)
    column = "output" if table == "province_industry" else "revenue"
    last = with_cluster(made, table).query("year == 2014 and cluster == @DELTA")
    wide = last.pivot(index="industry", columns="province", values=column)
    quotient = (wide / wide.sum()).div(wide.sum(axis=1) / wide.to_numpy().sum(), axis=0)
    pattern = (
        rebuilt("p4", number).query("province in @PROVINCES[@DELTA]").assign(code=lambda d: d["province"].map(CODES))
    )
    expected = pattern.pivot(index=key, columns="code", values="lq_above_one").loc[quotient.index, quotient.columns]
    assert ((quotient > 1) == (expected == 1)).to_numpy().all()
    assert (np.abs(quotient - 1) > 0.0299).to_numpy().all()


def test_table_4_holds_in_every_year_as_assumed(bundle):
    advantage = bundle.truth["advantage"].query("group == @DELTA")
    counts = advantage.groupby(["unit", "industry"])["advantage"].nunique()
    assert (counts == 1).all()
    per_province = advantage.query("time == 2014").groupby("unit")["advantage"].sum()
    assert per_province.loc[list(PROVINCES[DELTA].values())].tolist() == [8, 10, 12, 14]


def test_only_medical_instruments_lead_in_two_northern_provinces(bundle):
    last = bundle.truth["hightech_advantage"].query("time == 2014 and group != @DELTA and advantage")
    leaders = last.groupby("industry")["unit"].apply(sorted)
    assert leaders["medical_instruments"] == [CODES["beijing"], CODES["hebei"]]
    assert leaders.drop("medical_instruments").str.len().tolist() == [1, 1, 1, 1]


# the truth is what the measures return


def test_measures_return_the_planted_indices(bundle):
    output = with_cluster(bundle, "province_industry")
    relative = relative_specialization(output, **LABELS, value="output", cluster="cluster")
    pairs = interregional_specialization(output, **LABELS, value="output", cluster="cluster")
    for found, name, keys, columns in (
        (relative, "relative", ["unit"], ["share", "specialization"]),
        (pairs, "pairs", ["unit_a", "unit_b"], ["specialization"]),
    ):
        keys = ["time", "group", *keys]
        both = found.rename(columns={"year": "time"}).merge(bundle.truth[name], on=keys, suffixes=("", "_planted"))
        assert len(both) == len(bundle.truth[name])
        for column in columns:
            np.testing.assert_allclose(both[column], both[f"{column}_planted"], rtol=1e-10)


def test_measures_return_the_planted_advantages_and_class_shares(bundle):
    output = with_cluster(bundle, "province_industry")
    found = advantage_sectors(output, **LABELS, value="output", cluster="cluster").rename(columns={"year": "time"})
    both = found.merge(bundle.truth["advantage"], on=["time", "group", "unit", "industry"], suffixes=("", "_planted"))
    assert len(both) == 7 * 28 * 10
    np.testing.assert_allclose(both["location_quotient"], both["location_quotient_planted"], rtol=1e-10)
    assert (both["advantage"] == both["advantage_planted"]).all()
    classes = bundle.tables["intensity"].set_index("industry")["class"].to_dict()
    shares = intensity_shares(output, **LABELS, value="output", classes=classes).rename(columns={"year": "time"})
    both = shares.merge(bundle.truth["class_shares"], on=["time", "unit", "class"], suffixes=("", "_planted"))
    assert len(both) == 7 * 3 * 10
    np.testing.assert_allclose(both["share"], both["share_planted"], rtol=1e-10)


def test_planted_indices_follow_their_definition(bundle):
    last = (
        bundle.tables["province_industry"]
        .query("year == 2007")
        .pivot(index="industry", columns="province", values="output")
    )
    shares = last / last.sum()
    for provinces in PROVINCES.values():
        codes = list(provinces.values())
        for a, b in combinations(codes, 2):
            planted = bundle.truth["pairs"].query("time == 2007 and unit_a == @a and unit_b == @b")["specialization"]
            assert planted.item() == pytest.approx(sum(abs(shares.loc[k, a] - shares.loc[k, b]) for k in shares.index))
        for code in codes:
            rest = last[[c for c in codes if c != code]].sum(axis=1)
            planted = bundle.truth["relative"].query("time == 2007 and unit == @code")["specialization"].item()
            assert planted == pytest.approx(np.abs(shares[code] - rest / rest.sum()).sum())


def test_trends_in_words_hold_over_the_whole_period(bundle):
    relative = bundle.truth["relative"].pivot(index="time", columns="unit", values="specialization")
    change = relative.loc[2014] - relative.loc[2005]
    assert (change[[CODES["shanghai"], CODES["beijing"]]] > 0.03).all()
    assert (change[[CODES["anhui"], CODES["hebei"]]] < -0.03).all()
    assert abs(change[CODES["zhejiang"]]) < 0.03
    assert relative.loc[2014, CODES["jiangsu"]] > relative.loc[2010, CODES["jiangsu"]]
    classes = (
        bundle.truth["class_shares"].query("`class` == 'capital'").pivot(index="time", columns="unit", values="share")
    )
    fall = classes.loc[2005] - classes.loc[2014]
    assert (fall[[CODES["anhui"], CODES["hebei"]]] > 0.07).all()
    assert 0 < fall[CODES["jiangsu"]] < fall[CODES["anhui"]]


# seeds, tables and the stored file


def test_tables_have_their_shape_and_another_seed_gives_others(bundle):
    output = bundle.tables["province_industry"]
    assert output.shape == (7 * 28 * 10, 4)
    assert not output.duplicated(["province", "industry", "year"]).any()
    assert bundle.tables["hightech"].shape == (7 * 5 * 10, 4)
    assert bundle.tables["regions"]["province"].tolist() == list(CODES.values())
    assert set(bundle.tables["intensity"]["class"]) == {"labour", "capital", "technology"}
    assert (output["output"] > 0).all() and set(output["year"]) == set(YEARS)
    assert "FITTED" in bundle.notes[0] and bundle.source == "simulated"
    other = fitted(1)
    assert np.abs(np.log(other.tables["province_industry"]["output"] / output["output"])).mean() > 0.05


def test_the_stored_tables_are_those_of_seed_0(bundle):
    for name, file, column in (
        ("province_industry", "fitted_structure.csv", "output"),
        ("hightech", "fitted_hightech.csv", "revenue"),
    ):
        stored = pd.read_csv(data_file("results", file), dtype={"province": str, "industry": str})
        assert stored.drop(columns=column).equals(bundle.tables[name].drop(columns=column))
        np.testing.assert_allclose(stored[column], bundle.tables[name][column], rtol=1e-6)


def test_draws_of_2014_agree_with_the_text_and_differ_where_it_is_silent():
    draws = fitted_tables(4, seed=2)
    cube = draws.pivot(index=["draw", "industry"], columns="province", values="output")
    shares = cube / cube.groupby("draw").sum()
    pair = (shares[CODES["shanghai"]] - shares[CODES["jiangsu"]]).abs().groupby("draw").sum()
    silent = (shares[CODES["shanghai"]] - shares[CODES["anhui"]]).abs().groupby("draw").sum()
    np.testing.assert_allclose(pair, 0.562, atol=1e-9)
    assert silent.std() > 0.005
    pd.testing.assert_frame_equal(draws.query("draw < 2"), fitted_tables(2, seed=2))
    with pytest.raises(DomainError, match="cannot be drawn"):
        fitted_tables(0)


@pytest.mark.slow
def test_two_hundred_draws_take_less_than_a_minute_and_all_agree():
    start = time.perf_counter()
    draws = fitted_tables(200, seed=0)
    assert time.perf_counter() - start < 60
    assert draws["draw"].nunique() == 200
    for seed in range(10, 30):
        assert panel(seed).calibration["holds"].all()
