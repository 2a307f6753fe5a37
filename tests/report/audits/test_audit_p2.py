from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regiometrics.data.facts import eleven_clusters
from regiometrics.data.published import numbers, table
from regiometrics.report.audits import p2
from regiometrics.report.audits.rounded import VERDICTS, Check, Rounded

TOO_HIGH = {
    (1, 2, "ln_div"): ("**", "***"),
    (1, 4, "ln_div"): ("**", "***"),
    (4, 2, "ln_fdi"): ("none", "*"),
    (4, 3, "ln_edu"): ("none", "**"),
    (4, 4, "ln_div"): ("none", "*"),
    (4, 4, "hgdp_lag1"): ("none", "*"),
}
TOO_LOW = {
    (2, 2, "ln_fdi"): ("*", "none"),
    (4, 1, "constant"): ("*", "none"),
    (5, 1, "ln_trans"): ("***", "**"),
    (5, 3, "ln_trans"): ("***", "**"),
}


@pytest.fixture(scope="module")
def printed() -> p2.PrintedTables:
    return p2.PrintedTables.read()


@pytest.fixture(scope="module")
def audit(printed) -> dict[str, Check]:
    return checks(printed)


def checks(printed: p2.PrintedTables) -> dict[str, Check]:
    return {f.id.removeprefix("p2.audit."): f.check for f in p2.findings(printed)}


def verdicts(audit: dict[str, Check], prefix: str) -> dict[str, str]:
    return {key.removeprefix(prefix): c.verdict for key, c in audit.items() if key.startswith(prefix)}


def with_cell(printed: p2.PrintedTables, place: p2.Place, **changes: Decimal | str) -> p2.PrintedTables:
    return replace(printed, cells={**printed.cells, place: printed.cells[place]._replace(**changes)})


def with_estimates(printed: p2.PrintedTables, values: dict[p2.Place, tuple[str, str]]) -> p2.PrintedTables:
    for place, (value, spread) in values.items():
        printed = with_cell(printed, place, value=Decimal(value), spread=Decimal(spread))
    return printed


def with_q(printed: p2.PrintedTables, cluster: str, year: int, value: str) -> p2.PrintedTables:
    return replace(printed, q={**printed.q, cluster: {**printed.q[cluster], year: Decimal(value)}})


def test_tables_are_whole(printed):
    """Every printed number of p2 is read."""
    read = (
        sum(1 + (cell.spread is not None) for cell in printed.cells.values())
        + sum(len(row) for row in printed.q.values())
        + len(printed.text)
    )
    assert read == len(numbers("p2"))
    assert printed.years == 10
    assert list(printed.q) == list(printed.structure) == list(printed.members) == list(p2.NAMES)
    assert printed.controls == {1: True, 2: True, 3: True}


def test_findings_are_well_formed():
    found = p2.findings()
    ids = [f.id for f in found]
    assert len(ids) == len(set(ids))
    assert all(name.startswith("p2.audit.") for name in ids)
    assert all(text for f in found for text in (f.item, f.check.expected, f.check.printed, f.check.meaning))
    assert {f.check.verdict for f in found} <= set(VERDICTS)


def test_no_printed_number_is_proven_wrong(printed):
    """Wherever two printed numbers disagree the fault could lie on either side, or in what the text leaves out."""
    assert [f for f in p2.findings(printed) if f.proven_wrong] == []


def test_what_is_inconsistent(audit):
    assert {key for key, check in audit.items() if check.verdict == "inconsistent"} == {
        "text.gap",
        "text.gmm_equation",
        "t5.indirect",
        "t5.direct",
        "t5.share",
        "t5.controls.c2",
        *(f"t{number}.stars.c{column}.{term}" for number, column, term in (*TOO_HIGH, *TOO_LOW)),
    }


# The sample


def test_samples(audit):
    cities = {key: audit[key].meaning for key in ("t1.cities.c2", "t1.cities.c3", "t4.cities.c1", "t4.cities.c2")}
    assert list(cities.values()) == ["21 cities", "135 cities", "17 cities", "139 cities"]
    assert (audit["t1.n_obs"].expected, audit["t4.n_obs"].expected) == ("1560", "1560")
    for key in ("text.n_cities", "text.n_clusters", "text.n_approved_plans", "t1.n_obs", "t4.n_obs"):
        assert audit[key].verdict == "consistent"


def test_each_column_with_a_lag_lacks_40_observations(audit):
    found = {key: (audit[key].expected, audit[key].printed) for key in ("t2.n_obs.c1", "t4.n_obs.c4")}
    assert found == {"t2.n_obs.c1": ("1,215", "1,175"), "t4.n_obs.c4": ("1,251", "1,211")}
    assert audit["t2.n_obs.c1"].verdict == "not determined"
    assert audit["t2.n_obs.c1"].meaning.startswith("40 fewer than 135 cities have in 9 years")
    assert audit["n_obs.missing"].printed == "40, 40, 40, 40"


# Tables 1, 2 and 4


def test_ten_labels_disagree_with_their_errors(audit):
    """Six carry too many stars, four too few; the rest of the 78 agree."""
    starred = {key: check for key, check in audit.items() if ".stars." in key}
    wrong = {key: (c.expected, c.printed) for key, c in starred.items() if c.verdict == "inconsistent"}
    listed = {f"t{n}.stars.c{c}.{term}": labels for (n, c, term), labels in (TOO_HIGH | TOO_LOW).items()}
    assert wrong == listed
    assert Counter(c.verdict for c in starred.values()) == {"consistent": len(starred) - 10, "inconsistent": 10}
    rows = [row for number in (1, 2, 4, 5) for row in table("p2", number).to_dict("records")]
    assert len(starred) == sum(row["spread"] is not None for row in rows) == 78


def test_pooled_estimate_lies_between_the_groups_for_div_alone(audit):
    found = verdicts(audit, "t1.pooled.")
    assert [term for term, verdict in found.items() if verdict == "consistent"] == ["ln_div"]
    assert set(found.values()) == {"consistent", "not determined"}


def test_error_of_fdi_stands_apart(audit):
    check = audit["t1.error.ln_fdi"]
    assert (check.expected, check.printed, check.verdict) == ("0.010 to 0.140", "0.800", "not determined")
    assert audit["t1.stars.c3.ln_fdi"].verdict == "consistent"


def test_repeated_numbers(audit, printed):
    assert audit["t2.rows"].printed == "hgdp_lag1 and ln_gov"
    assert audit["t2.rows"].meaning.startswith("4 printed numbers")
    assert audit["repeats"].printed == "0.184 (0.028) for ln_edu in table 2, column 2 and ln_edu in table 4, column 5"
    pairs = Counter(printed.estimates().values())
    twice = {(f"{value}", f"{error}") for (value, error), n in pairs.items() if n > 1}
    assert twice == {("0.235", "0.008"), ("0.167", "0.015"), ("0.184", "0.028")}


def test_the_dummies_of_equation_11_shift_the_level(audit, printed):
    found = {key: check for key, check in audit.items() if ".interaction." in key}
    assert len(found) == 4
    assert {check.verdict for check in found.values()} == {"not determined"}
    product = printed.cells[2, 1, "ln_div"]
    changed = replace(printed, cells={**printed.cells, (2, 1, "region_x_ln_div"): product})
    assert checks(changed)["t2.interaction.region"].verdict == "consistent"


def test_table_4_beside_the_columns_that_it_repeats(audit):
    found = {key: check.printed for key, check in audit.items() if key.startswith("t4.same.")}
    assert list(found.values()) == [
        "sign: none; stars gained or lost: constant",
        "sign: none; stars gained or lost: ln_fdi, ln_edu, constant",
        "sign: none; stars gained or lost: none",
        "sign: none; stars gained or lost: ln_edu",
        "sign: ln_fdi; stars gained or lost: none",
    ]
    assert audit["t4.core"].meaning.startswith("2.55 times as large")


# Table 3


def test_threshold_gives_the_printed_classes(audit):
    assert verdicts(audit, "t3.rule.") == dict.fromkeys(p2.NAMES, "consistent")
    assert audit["text.q_threshold"].expected == "0.36 to 0.55"
    assert (audit["t3.threshold"].expected, audit["t3.threshold"].printed) == ("2", "5")


def test_six_clusters_change_class_between_the_two_rules(audit):
    check = audit["t3.structure"]
    assert check.printed == "6 of 11"
    for name in ("Hohhot", "Central Plains", "Guangdong", "Yangtze River Delta", "Chengdu", "Beibu"):
        assert name in check.meaning
    assert "Middle" not in check.meaning


def test_four_cities_lie_on_the_other_side_than_their_cluster(audit):
    assert audit["t3.north"].printed == "4"
    assert audit["t3.north"].meaning.startswith("Guanzhong Plain (1), Central Plains (3)")


def test_members_are_those_of_the_list(printed):
    listed = eleven_clusters()
    assert sum(part.cities for part in printed.members.values()) == len(listed) == 158
    assert {cluster: part.centres for cluster, part in printed.members.items() if part.centres == 1} == dict.fromkeys(
        ("hohhot_baotou_ordos_yulin", "guanzhong_plain", "central_plains"), 1
    )


def test_number_of_centres(audit):
    assert (audit["t1.centres"].expected, audit["t1.centres"].printed) == ("24", "21")
    assert (audit["t4.centres"].expected, audit["t4.centres"].printed) == ("≥ 17", "17")
    assert audit["t4.centres.any"].expected == "at least 21 in 2008, 24 in 2013, 22 in 2017"
    assert audit["t4.centres.listed"].expected == "at least 49 in 2008, 53 in 2013, 51 in 2017"
    assert audit["t4.centres.any"].verdict == audit["t4.centres.listed"].verdict == "not determined"


def slope_with_fixed_intercept(gaps: np.ndarray) -> float:
    """Least squares of ln p_1 - ln p_i on ln R_i through the origin; the first gap is that of the first city, 0."""
    log = np.log(np.arange(1, len(gaps) + 1))
    return float(np.linalg.lstsq(log[:, None], gaps, rcond=None)[0][0])


@given(st.lists(st.floats(0, 3), min_size=2, max_size=30), st.integers(1, 28))
def test_no_removal_raises_q_by_more_than_the_bound(steps, removed):
    gaps = np.concatenate([[0], np.cumsum(steps)])
    removed = min(removed, len(gaps) - 2)
    before = slope_with_fixed_intercept(gaps)
    after = slope_with_fixed_intercept(np.delete(gaps, range(1, 1 + removed))) if removed else before
    if removed:
        assert after <= p2.largest_rise(removed, len(gaps)) * before + 1e-9


@pytest.mark.parametrize(("removed", "cities"), [(1, 3), (1, 12), (2, 4), (3, 28)])
def test_one_step_meets_the_bound(removed, cities):
    ratios = []
    for first in range(1, cities):
        gaps = (np.arange(cities) >= first).astype(float)
        after = np.delete(gaps, range(1, 1 + removed))
        ratios.append(slope_with_fixed_intercept(after) / slope_with_fixed_intercept(gaps))
    assert max(ratios) == pytest.approx(p2.largest_rise(removed, cities), rel=1e-12)


def test_fewest_centres():
    half = Decimal("0.5")
    assert [p2.fewest_centres(Rounded.of(q), half, range(3, 157)) for q in ("0.55", "0.36", "0.15", "0.10")] == [
        1,
        2,
        3,
        4,
    ]
    assert p2.fewest_centres(Rounded.of("0.10"), half, range(4, 5)) == 3  # two of four are left and do not reach it
    assert 0.245 * p2.largest_rise(1, 3) > 0.5 > 0.245 * p2.largest_rise(1, 4)
    assert p2.fewest_centres(Rounded.of("0.24"), half, range(3, 157)) == 2  # a cluster may have three cities alone


# Table 5


def test_total_effect_fails_in_either_order(audit):
    assert audit["t5.indirect"].expected.startswith("0.3283 ")
    assert audit["t5.indirect.exchanged"].expected.startswith("0.3736 ")
    assert {audit[key].printed for key in ("t5.indirect", "t5.indirect.exchanged")} == {"0.186"}


def test_the_share_is_the_product_with_the_direct_effect(audit):
    assert audit["t5.share"].expected == "59.295 (58.957 to 59.636)"
    assert "33.6 %" in audit["t5.share"].meaning
    assert audit["t5.share.direct"].verdict == "consistent"
    assert round(100 * 0.379 * 0.218 / 0.186, 2) == 44.42
    assert audit["text.mediated_share"].verdict == "consistent"


def test_with_the_coefficients_exchanged_the_share_is_right_and_the_sum_is_not(printed):
    b, direct = printed.cells[p2.FROM_MEDIATOR], printed.cells[p2.DIRECT]
    cells = {**printed.cells, p2.FROM_MEDIATOR: direct, p2.DIRECT: b}
    audit = checks(replace(printed, cells=cells))
    assert audit["t5.share"].verdict == "consistent"
    assert audit["t5.indirect"].verdict == audit["t5.direct"].verdict == "inconsistent"


def test_indirect_effect_is_significant(audit):
    assert audit["t5.sobel"].printed == "2.36"


# The text


def test_signs_and_stars_are_those_of_the_text(audit):
    told = verdicts(audit, "text.significance.")
    assert len(told) == len(p2.SIGNIFICANCE) == 14
    assert set(told.values()) == {"consistent"}


def test_one_statement_instead_of_two_leaves_nothing_to_find(printed):
    said = {subject: (first, first) for subject, (first, _) in printed.stated_twice.items()}
    audit = checks(replace(printed, stated_twice=said))
    assert audit["text.gap"].verdict == audit["text.gmm_equation"].verdict == "consistent"


# Planted defects and planted cures


@pytest.mark.parametrize(
    ("place", "changes", "key", "verdict"),
    [
        ((1, 2, "n_obs"), {"value": Decimal("220")}, "t1.n_obs", "inconsistent"),
        ((1, 3, "n_obs"), {"value": Decimal("1355")}, "t1.cities.c3", "not determined"),
        ((1, 4, "n_obs"), {"value": Decimal("1312")}, "t1.n_obs.c4", "inconsistent"),
        ((4, 1, "n_obs"), {"value": Decimal("160")}, "t4.n_obs", "inconsistent"),
        ((4, 1, "n_obs"), {"value": Decimal("160")}, "t4.centres", "inconsistent"),
        ((4, 1, "n_obs"), {"value": Decimal("210")}, "t4.centres.any", "consistent"),
        ((1, 2, "n_obs"), {"value": Decimal("240")}, "t1.centres", "consistent"),
        ((2, 1, "n_obs"), {"value": Decimal("1215")}, "t2.n_obs.c1", "consistent"),
        ((2, 1, "n_obs"), {"value": Decimal("1215")}, "n_obs.missing", "not determined"),
        ((2, 2, "ar2"), {"value": Decimal("0.074")}, "t2.ar2.c2", "not determined"),
        ((1, 1, "ln_div"), {"value": Decimal("0.099")}, "t1.pooled.ln_div", "not determined"),
        ((1, 1, "ln_fdi"), {"value": Decimal("0.175")}, "t1.pooled.ln_fdi", "consistent"),
        ((1, 2, "ln_div"), {"value": Decimal("0.394")}, "t1.contrast", "consistent"),
        ((1, 3, "ln_fdi"), {"spread": Decimal("0.080")}, "t1.error.ln_fdi", "consistent"),
        ((1, 2, "ln_div"), {"stars": "**"}, "t1.stars.c2.ln_div", "consistent"),
        ((1, 3, "ln_div"), {"stars": ""}, "t1.stars.c3.ln_div", "inconsistent"),
        ((1, 3, "ln_div"), {"stars": ""}, "text.significance.t1.c3.ln_div", "inconsistent"),
        ((1, 1, "ln_edu"), {"value": Decimal("-0.164")}, "text.significance.t1.c1.ln_edu", "inconsistent"),
        ((2, 1, "ln_gov"), {"spread": Decimal("0.009")}, "t2.rows", "consistent"),
        ((4, 5, "ln_edu"), {"value": Decimal("0.185")}, "repeats", "consistent"),
        ((4, 3, "ln_inv"), {"value": Decimal("0.075")}, "t4.same.c3", "not determined"),
        ((4, 5, "ln_fdi"), {"value": Decimal("-0.159")}, "t4.same.c5", "consistent"),
        ((5, 1, "ln_trans"), {"value": Decimal("0.328")}, "t5.indirect", "consistent"),
        ((5, 1, "ln_trans"), {"value": Decimal("0.328")}, "t5.direct", "consistent"),
        ((5, 1, "ln_trans"), {"value": Decimal("0.328")}, "t5.share.direct", "not determined"),
        ((5, 2, "ln_trans"), {"spread": Decimal("0.460")}, "t5.sobel", "not determined"),
        (p2.SHARE, {"value": Decimal("59.3")}, "t5.share", "consistent"),
        (p2.SHARE, {"value": Decimal("59.3")}, "text.mediated_share", "inconsistent"),
    ],
)
def test_a_changed_cell_flips_its_check(printed, audit, place, changes, key, verdict):
    assert audit[key].verdict != verdict
    assert checks(with_cell(printed, place, **changes))[key].verdict == verdict


@pytest.mark.parametrize(
    ("item", "value", "key"),
    [
        ("n_cities", "157", "text.n_cities"),
        ("last_year", "2018", "text.n_cities"),
        ("n_clusters", "12", "text.n_clusters"),
        ("n_approved_plans", "11", "text.n_approved_plans"),
        ("mediated_share", "44.52", "text.mediated_share"),
        ("q_threshold", "1", "text.q_threshold"),
        ("q_threshold", "1", "t3.rule.chengdu_chongqing"),
    ],
)
def test_a_changed_statement_is_found(printed, audit, item, value, key):
    assert audit[key].verdict == "consistent"
    changed = replace(printed, text={**printed.text, item: Decimal(value)})
    assert checks(changed)[key].verdict == "inconsistent"


def test_a_changed_class_or_q_is_found(printed):
    q = with_q(printed, "harbin_changchun", 2013, "0.56")
    assert checks(q)["t3.rule.harbin_changchun"].expected == "it depends on the year"
    assert checks(q)["text.q_threshold"].verdict == "inconsistent"
    said = replace(printed, structure={**printed.structure, "beibu_gulf": "polycentric"})
    assert checks(said)["t3.rule.beibu_gulf"].verdict == "inconsistent"


def test_the_same_classes_by_both_rules_leave_nothing_to_find(printed):
    members = {
        cluster: part._replace(centres=2 if printed.structure[cluster] == "polycentric" else 1)
        for cluster, part in printed.members.items()
    }
    audit = checks(replace(printed, members=members))
    assert audit["t3.structure"].verdict == "consistent"
    assert audit["t1.centres"].expected == "17"


def test_cities_on_the_side_of_their_cluster_leave_nothing_to_find(printed):
    members = {
        cluster: part._replace(north=part.cities * printed.north[cluster]) for cluster, part in printed.members.items()
    }
    assert checks(replace(printed, members=members))["t3.north"].verdict == "consistent"


def test_controls_are_those_of_the_equations(printed, audit):
    assert audit["t5.controls.c2"].verdict == "inconsistent"
    changed = replace(printed, controls={**printed.controls, 2: False})
    assert checks(changed)["t5.controls.c2"].verdict == "consistent"


def test_a_row_copied_into_table_1_is_found(printed):
    copied = {(1, c, "ln_inv"): tuple(map(str, printed.estimates()[1, c, "ln_gov"])) for c in (1, 2, 3, 4)}
    assert checks(with_estimates(printed, copied))["t1.rows"].printed == "ln_gov and ln_inv"
