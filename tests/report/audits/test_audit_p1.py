from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.facts import delta_cities, delta_counties
from regiometrics.data.published import numbers, table
from regiometrics.report import consistency, ledger
from regiometrics.report.audits import p1
from regiometrics.report.audits.rounded import Check, Finding


@pytest.fixture(scope="module")
def printed() -> p1.PrintedTables:
    return p1.PrintedTables.read()


@pytest.fixture(scope="module")
def audit(printed) -> dict[str, Check]:
    return checks(printed)


def checks(printed: p1.PrintedTables) -> dict[str, Check]:
    return {f.id.removeprefix("p1.audit."): f.check for f in p1.findings(printed)}


def proven(printed: p1.PrintedTables) -> list[str]:
    return [number for f in p1.findings(printed) for number in f.proven_wrong]


def verdicts(audit: dict[str, Check], prefix: str) -> dict[str, str]:
    return {key.removeprefix(prefix): c.verdict for key, c in audit.items() if key.startswith(prefix)}


def with_cell(printed: p1.PrintedTables, place: p1.Place, **changes: Decimal | str) -> p1.PrintedTables:
    return replace(printed, cells={**printed.cells, place: printed.cells[place]._replace(**changes)})


def with_text(printed: p1.PrintedTables, **items: str) -> p1.PrintedTables:
    return replace(printed, text={**printed.text, **{item: Decimal(value) for item, value in items.items()}})


def with_balance(printed: p1.PrintedTables, predictor: str, group: str, **changes: str) -> p1.PrintedTables:
    row = {**printed.balance[predictor, group], **{column: Decimal(value) for column, value in changes.items()}}
    return replace(printed, balance={**printed.balance, (predictor, group): row})


def test_tables_are_whole(printed):
    """Every printed number of p1 is read."""
    read = (
        sum(1 + (cell.t is not None) for cell in printed.cells.values())
        + sum(len(row) for part in (printed.described, printed.balance, printed.shares) for row in part.values())
        + len(printed.text)
    )
    assert read == len(numbers("p1"))
    assert (printed.years, printed.years_before, printed.unit_years) == (14, 10, 2744)
    assert set(printed.shares) < set(printed.mediators)
    assert len(printed.mediators) == 9


def test_audit_is_a_tidy_frame():
    frame = consistency.check("p1")
    assert frame["id"].is_unique
    assert frame["id"].str.startswith("p1.audit.").all()
    assert (frame != "").all(axis=None)


def test_what_is_inconsistent(audit):
    samples = {"t5a.n_obs.c1", "t5a.n_obs.c4", "t5a.n_obs.c5", "t6a.n_obs.c1", "t6a.n_obs.c4", "t6a.n_obs.c5"}
    totals = {
        *(f"t5b.indirect.{name}" for name in ("employee_growth", "firm_growth", "market_activity")),
        *(f"t6b.indirect.{name}" for name in ("tax_burden", "subsidy", "science_expenditure", "patent_growth")),
    }
    assert {key for key, check in audit.items() if check.verdict == "inconsistent"} == {
        "text.n_cities_1997",
        "text.new_in_anhui",
        "text.n_units",
        "t1.moments.szong",
        "t2.range.human.all.synthetic",
        "t2.deviation.human",
        "t3.sign",
        *samples,
        *totals,
        *(f"t7.product.{name}" for name in table("p1", 7)["mediator"]),
        "t5b.stars.c4.did",
        "t6b.stars.c3.did",
        "text.significance.t5b.3.mediator",
    }


def test_three_numbers_are_proven_wrong(printed):
    assert proven(printed) == ["p1.t1.szong.std_dev", "p1.t2.human.all.synthetic", "p1.t3.new.did.t_value"]
    found = consistency.misprints("p1")
    assert "7.8495" in found["p1.t1.szong.std_dev"]
    assert "0.023 to 0.113" in found["p1.t2.human.all.synthetic"]
    assert "urban" in found["p1.t2.human.all.synthetic"]
    assert set(found) <= set(numbers("p1")["id"])


# The sample


def test_one_of_99_98_and_196_is_off(audit):
    assert (audit["text.n_units"].expected, audit["text.n_units"].printed) == ("197", "196")
    assert audit["t2.units"].verdict == audit["text.placebo_mean_weight"].verdict == "consistent"
    assert set(verdicts(audit, "t1.n_obs.").values()) == {"consistent"}
    assert audit["text.placebo_mean_weight.other"].verdict == "not determined"  # 1/97 rounds to 0.0103


def test_history_of_the_cluster(audit):
    members = {key: check.expected for key, check in audit.items() if key.startswith("text.members.")}
    assert list(members.values()) == ["14", "15", "16", "22", "30"]
    assert set(verdicts(audit, "text.members.").values()) == {"consistent"}
    assert audit["text.n_cities_delta"].expected == "41"
    assert audit["text.n_cities_1997"].expected == "1"
    assert audit["text.new_in_anhui"].printed == "2 of 6"


def test_lists_are_those_of_the_loaders(printed):
    cities, units = delta_cities(), delta_counties()
    assert sum(sum(part.values()) for part in printed.joined.values()) == len(cities) == 41
    assert sum(printed.units.values()) == len(units) == 207


# Tables 1 and 2


def test_impossible_deviation(audit, printed):
    row = {**printed.described["szong"], "std_dev": Decimal("2.017")}
    cured = replace(printed, described={**printed.described, "szong": row})
    assert audit["t1.moments.szong"].meaning.endswith("2.017 would be possible")
    assert checks(cured)["t1.moments.szong"].verdict == "consistent"
    assert "p1.t1.szong.std_dev" not in proven(cured)


def test_synthetic_human_capital_needs_a_donor_that_the_deviation_forbids(audit, printed):
    assert audit["t2.deviation.human"].expected.startswith("≤ 0.2919 ")
    cured = with_balance(printed, "human", "all", synthetic="0.062")
    assert checks(cured)["t2.deviation.human"].verdict == "consistent"
    assert proven(cured) == ["p1.t1.szong.std_dev", "p1.t3.new.did.t_value"]


def test_bound_by_the_deviation_holds_for_any_sample():
    """k observations that average m keep the deviation of all n above |m - mean| sqrt(k / (n - 1))."""
    rng = np.random.default_rng(0)
    for _ in range(200):
        values, k = rng.normal(size=60) ** 2, int(rng.integers(1, 60))
        largest = values.mean() + values.std(ddof=1) * np.sqrt(59 / k)
        assert np.sort(values)[-k:].mean() <= largest + 1e-12


def test_treated_are_67_and_32_units(audit, printed):
    assert printed.treated == (67, 32)
    assert audit["t2.mixture"].expected == "0.6750 to 0.6773"
    assert "97: none; 98: none; 99: 67; 100: none; 101: none" in audit["t2.units"].meaning
    found = verdicts(audit, "t2.mixture.")
    assert {found[name] for name in p1.LOGS} == {"consistent", "rounding"}
    assert found["logs.ln_pergdp"] == found["logs.ln_density"] == "not determined"
    assert audit["text.units.new"].verdict == "consistent"
    assert (audit["text.units.incumbent"].expected, audit["text.units.donor"].expected) == ("75", "100")


def test_logarithms_of_table_2_are_taken_of_means():
    """Of means of levels the share is recovered, of means of logarithms it is not."""
    rng = np.random.default_rng(3)
    first, second = rng.lognormal(10, 0.5, 67), rng.lognormal(9.4, 0.5, 32)
    groups = (np.r_[first, second], first, second)
    of_means = [f"{np.log(x.mean()):.6f}" for x in groups]
    means_of = [f"{np.log(x).mean():.6f}" for x in groups]
    read = p1.PrintedTables.read()
    for rows, levels in ((of_means, True), (means_of, False)):
        changed = read
        for group, value in zip(p1.GROUPS, rows, strict=True):
            changed = with_balance(changed, "ln_pergdp", group, real=value)
        assert float(changed.mixing_share("ln_pergdp", levels=levels).value) == pytest.approx(67 / 99, abs=1e-4)
        assert abs(float(changed.mixing_share("ln_pergdp", levels=not levels).value) - 67 / 99) > 1e-3


def test_units_of_table_1(audit):
    assert set(verdicts(audit, "t1.unit.").values()) == {"not determined"}
    assert "11,181 a head" in audit["t1.unit.ln_pergdp"].meaning
    assert "130 persons per km2" in audit["t1.unit.ln_density"].meaning


# Synthetic controls and table 3


def test_effects_need_not_add_up(audit):
    assert audit["text.scm.additive"].expected.startswith("0.384 ")
    assert audit["text.scm.additive"].verdict == "not determined"
    assert audit["text.scm.types.new"].expected.startswith("0.609 ")
    assert audit["text.scm.between"].verdict == audit["text.scm.order"].verdict == "consistent"


def test_placebos_of_two_groups_cannot_reach_5_percent(audit):
    least = [audit[f"text.placebo.{group}"].expected for group in p1.GROUPS]
    assert least == ["p ≥ 0.0455", "p ≥ 0.0588", "p ≥ 0.0556"]
    assert ["no ranking" in audit[f"text.placebo.{group}"].meaning for group in p1.GROUPS] == [False, True, True]


def test_table_3_adds_up_with_independent_errors(audit):
    assert set(verdicts(audit, "t3.difference.").values()) == {"consistent", "rounding"}
    assert set(verdicts(audit, "t3.did.").values()) == {"consistent"}
    assert {audit[f"t3.error.{group}"].verdict for group in p1.GROUPS} == {"consistent", "rounding"}
    ratios = verdicts(audit, "t3.error.ratio.")
    assert ratios == {"all": "consistent", "incumbent": "not determined", "new": "not determined"}


def test_error_of_a_difference_of_independent_years():
    """Least squares on pooled years: squares of errors add up, and the errors stand as the roots of the years."""
    rng = np.random.default_rng(5)
    treated, after = np.repeat([0, 1], 1400), np.tile(np.arange(14) >= 10, 200)
    y = rng.normal(13, 2, 2800) + 0.4 * treated * after

    def error(frame: np.ndarray, outcome: np.ndarray, variance: float) -> float:
        return float(np.sqrt(variance * np.linalg.inv(frame.T @ frame)[-1, -1]))

    full = np.column_stack([np.ones(2800), treated, after, treated * after])
    residual = y - full @ np.linalg.lstsq(full, y, rcond=None)[0]
    variance = residual @ residual / 2796
    halves = [full[after == when][:, :2] for when in (False, True)]
    first, second = (error(half, y, variance) for half in halves)
    assert error(full, y, variance) == pytest.approx(np.hypot(first, second), rel=1e-12)
    assert second / first == pytest.approx(np.sqrt(10 / 4), rel=1e-12)


def test_missing_sign_is_proven_by_the_row(audit, printed):
    assert audit["t3.sign"].printed == "-0.269 (1.29) in new, did"
    cured = with_cell(printed, ("3", "new", "did"), t=Decimal("-1.29"))
    assert checks(cured)["t3.sign"].verdict == "consistent"
    unsure = with_cell(printed, ("3", "new", "did"), value=Decimal("-0.369"))
    assert checks(unsure)["t3.sign"].verdict == "inconsistent"
    assert "p1.t3.new.did.t_value" not in proven(unsure)  # the row no longer gives the sign


def test_two_methods_part_on_the_new_units(audit):
    assert verdicts(audit, "t3.scm.") == {"all": "consistent", "incumbent": "consistent", "new": "not determined"}
    assert audit["t3.scm.new"].meaning.startswith("3.9 printed standard errors apart, with opposite signs")


# Tables 4 to 7


def test_reallocation(audit):
    assert audit["t4.sum"].expected == "0.900 (0.898 to 0.902)"
    assert audit["t4.cancel"].expected == "0.014 (0.013 to 0.015)"
    assert audit["t4.growth"].expected.startswith("-114 ")
    assert "136 differences are missing" in audit["t4.n_obs.c1"].meaning


def test_first_part_of_the_decomposition_is_minus_growth_times_level():
    rng = np.random.default_rng(1)
    sophistication, before = rng.uniform(4, 20, 30), rng.uniform(1, 5, 30)
    now = before * rng.uniform(0.5, 2, 30)
    inter = sophistication @ (now / now.sum() - now / before.sum())
    level = sophistication @ now / now.sum()
    assert inter == pytest.approx(-(now.sum() / before.sum() - 1) * level, rel=1e-12)


def test_samples_exceed_the_panel(audit):
    above = {key for key, v in audit.items() if ".n_obs.c" in key and v.verdict == "inconsistent"}
    assert len(above) == 6
    assert audit["t5a.n_obs.c1"].expected == "≤ 2744"
    own = {key for key in audit if key.startswith(("t5b.n_obs.", "t6b.n_obs."))}
    assert len(own) == 9
    assert {audit[key].verdict for key in own} == {"consistent"}


def test_total_effect_adds_up_in_the_two_largest_samples_only(audit):
    found = {**verdicts(audit, "t5b.indirect."), **verdicts(audit, "t6b.indirect.")}
    assert {name for name, verdict in found.items() if verdict != "inconsistent"} == {
        "labour_participation",
        "patent_success",
    }
    assert "2 observations fewer" in audit["t5b.indirect.labour_participation"].meaning


def test_no_channel_is_a_times_b(audit):
    assert set(verdicts(audit, "t7.product.").values()) == {"inconsistent"}
    assert audit["t7.product.firm_growth"].meaning.startswith("the product has the other sign")
    close = {key for key, check in audit.items() if key.startswith("t7.rest.") and "close" in check.meaning}
    assert close == {"t7.rest.employee_growth", "t7.rest.science_expenditure"}
    assert audit["t7.shares"].printed == "183.06 %"
    assert set(verdicts(audit, "t7.share.").values()) == {"consistent", "rounding"}


def test_four_channels_are_said_to_be_significant(audit):
    assert {key: check.printed for key, check in audit.items() if key.startswith("t7.bootstrap.")} == {
        "t7.bootstrap.employee_growth": "|z| = 1.10",
        "t7.bootstrap.firm_growth": "|z| = 0.24",
        "t7.bootstrap.market_activity": "|z| = 1.07",
        "t7.bootstrap.patent_success": "|z| = 0.35",
    }
    assert set(verdicts(audit, "t7.bootstrap.").values()) == {"not determined"}


def test_stars(audit):
    starred = [check.verdict for key, check in audit.items() if ".stars." in key]
    assert Counter(starred) == {"consistent": 38, "inconsistent": 2}
    assert (audit["t5b.stars.c4.did"].expected, audit["t6b.stars.c3.did"].expected) == ("***", "**")


# Planted defects and planted cures


@pytest.mark.parametrize(
    ("place", "changes", "key", "verdict"),
    [
        (("3", "all", "pre_difference"), {"value": Decimal("-0.203")}, "t3.difference.all.pre", "inconsistent"),
        (("3", "new", "did"), {"value": Decimal("-0.259")}, "t3.did.new", "inconsistent"),
        (("3", "all", "did"), {"t": Decimal("3.13")}, "t3.error.all", "not determined"),
        (("3", "new", "post_control"), {"value": Decimal("23.640")}, "t3.range", "inconsistent"),
        (("3", "incumbent", "post_difference"), {"t": Decimal("0.27")}, "t3.error.ratio.incumbent", "consistent"),
        (("3", "incumbent", "did"), {"stars": "**"}, "text.psm_incumbent_sig_level", "consistent"),
        (("3", "new", "did"), {"value": Decimal("0.469")}, "t3.scm.new", "consistent"),
        (("4", "2", "n_obs"), {"value": Decimal("2549")}, "t4.n_obs.c2", "inconsistent"),
        (("4", "1", "delta_did"), {"stars": "**"}, "t4.stars.c1.delta_did", "inconsistent"),
        (("4", "2", "delta_did"), {"t": Decimal("1.78")}, "t4.sign", "inconsistent"),
        (("5a", "1", "n_obs"), {"value": Decimal("2744")}, "t5a.n_obs.c1", "consistent"),
        (("5b", "2", "n_obs"), {"value": Decimal("2681")}, "t5b.n_obs.c2", "inconsistent"),
        (("5b", "4", "r2"), {"value": Decimal("0.179")}, "t5b.r2.c4", "consistent"),
        (("5b", "4", "did"), {"stars": "***"}, "t5b.stars.c4.did", "consistent"),
        (("5b", "5", "did"), {"value": Decimal("0.222")}, "t5b.indirect.market_activity", "consistent"),
        (("5b", "3", "mediator"), {"stars": ""}, "text.significance.t5b.3.mediator", "consistent"),
        (("5a", "4", "n_obs"), {"value": Decimal("3072")}, "t5b.sample.c4", "consistent"),
        (("5b", "2", "did"), {"value": Decimal("0.152")}, "t7.rest.employee_growth", "consistent"),
        (("5a", "1", "did"), {"value": Decimal("0.241")}, "t7.total.firm_growth", "inconsistent"),
        (("5a", "1", "did"), {"value": Decimal("0.241")}, "text.mediation_total_effect", "inconsistent"),
        (("5a", "3", "did"), {"value": Decimal("0.012"), "stars": "*"}, "text.mobility", "consistent"),
        (("6a", "4", "did"), {"value": Decimal("0.694")}, "t7.product.patent_growth", "consistent"),
        (("6b", "3", "mediator"), {"stars": ""}, "text.significance.t6b.3.mediator", "inconsistent"),
        (("6b", "5", "mediator"), {"t": Decimal("3.50")}, "t7.bootstrap.patent_success", "consistent"),
    ],
)
def test_a_changed_cell_flips_its_check(printed, audit, place, changes, key, verdict):
    assert audit[key].verdict != verdict
    assert checks(with_cell(printed, place, **changes))[key].verdict == verdict


@pytest.mark.parametrize(
    ("items", "key", "verdict"),
    [
        ({"n_control_units": "97"}, "text.n_units", "consistent"),
        ({"n_control_units": "97"}, "text.placebo_mean_weight", "inconsistent"),
        ({"n_county_units": "197"}, "text.n_units", "consistent"),
        ({"n_county_units": "197"}, "t1.n_obs.gov", "inconsistent"),
        ({"n_treated_units": "98"}, "text.n_units", "consistent"),
        ({"n_treated_units": "98"}, "t2.units", "inconsistent"),
        ({"n_cities_1997_text": "1"}, "text.n_cities_1997", "consistent"),
        ({"n_new_cities": "7"}, "text.n_cities_2010", "inconsistent"),
        ({"n_cities_2010": "23"}, "text.n_cities_2010.list", "inconsistent"),
        ({"n_cities_2013": "9"}, "text.n_cities_2013", "inconsistent"),
        ({"n_cities_delta": "40"}, "text.n_cities_delta", "inconsistent"),
        ({"pre_period_last_year": "2010"}, "text.pre_period", "inconsistent"),
        ({"robust_n_years": "9"}, "text.robust_n_years", "inconsistent"),
        ({"scm_effect_all": "0.38"}, "text.scm.additive", "consistent"),
        ({"scm_effect_all": "0.58"}, "text.scm.between", "not determined"),
        ({"scm_effect_new": "0.29"}, "text.scm.order", "inconsistent"),
        ({"scm_effect_new": "0.61"}, "text.scm.types.new", "consistent"),
        ({"scm_effect_new_district": "0.77"}, "text.scm.districts.new", "consistent"),
        ({"scm_effect_new_district": "0.77"}, "text.scm.counties.new", "rounding"),
        ({"scm_effect_incumbent_district": "0.14"}, "text.scm.districts.incumbent", "inconsistent"),
        ({"mediation_total_effect": "0.2325"}, "text.mediation_total_effect", "inconsistent"),
    ],
)
def test_a_changed_statement_flips_its_check(printed, audit, items, key, verdict):
    assert audit[key].verdict != verdict
    assert checks(with_text(printed, **items))[key].verdict == verdict


@pytest.mark.parametrize(
    ("predictor", "group", "changes", "key", "verdict"),
    [
        ("infra", "all", {"real": "0.291"}, "t2.mixture", "inconsistent"),
        ("infra", "all", {"real": "0.291"}, "t2.mixture.infra", "inconsistent"),
        ("gov", "new", {"synthetic": "0.524"}, "t2.range.gov.new.synthetic", "inconsistent"),
        ("ln_pergdp", "incumbent", {"real": "7.343"}, "t2.range.ln_pergdp.incumbent.real", "inconsistent"),
    ],
)
def test_a_changed_balance_flips_its_check(printed, audit, predictor, group, changes, key, verdict):
    assert audit[key].verdict != verdict
    assert checks(with_balance(printed, predictor, group, **changes))[key].verdict == verdict


@pytest.mark.parametrize(
    ("mediator", "column", "value", "key"),
    [
        ("science_expenditure", "share_ab_over_c_percent", "41.53", "t7.share.science_expenditure"),
        ("patent_growth", "total_effect_c", "0.241", "t7.total.patent_growth"),
        ("patent_growth", "indirect_effect_ab", "0.085", "t7.order"),
    ],
)
def test_a_changed_share_is_found(printed, audit, mediator, column, value, key):
    row = {**printed.shares[mediator], column: Decimal(value)}
    changed = replace(printed, shares={**printed.shares, mediator: row})
    assert audit[key].verdict in ("consistent", "rounding")
    assert checks(changed)[key].verdict == "inconsistent"


def test_other_lists_are_found(printed):
    moved = {**printed.joined, 2010: {"Anhui": 4, "Jiangsu": 2}}
    assert checks(replace(printed, joined=moved))["text.new_in_anhui"].verdict == "consistent"
    fewer = {**printed.joined, 2003: {}}
    audit = checks(replace(printed, joined=fewer))
    assert set(verdicts(audit, "text.members.").values()) == {"consistent", "inconsistent"}
    units = {**printed.units, ("incumbent", "county"): 15}
    assert checks(replace(printed, units=units))["text.units.incumbent"].verdict == "consistent"


def test_findings_name_each_check_once(printed):
    found: list[Finding] = p1.findings(printed)
    assert len({f.id for f in found}) == len(found)


# The ledger


def differences(p: p1.PrintedTables) -> pd.DataFrame:
    """Table 3 from its own numbers: differences, and the t value of the last with the sign of its difference."""
    rows = []
    for group in p1.GROUPS:
        parts = {}
        for period in ("pre", "post"):
            treated, control = (p.number(("3", group, f"{period}_{what}")).value for what in ("treated", "control"))
            parts[period] = treated - control
            rows.append((group, f"{period}_difference", parts[period], None))
        errors = [float(p.error(("3", group, f"{period}_difference")).value) for period in parts]
        did = float(p.number(("3", group, "did")).value)
        rows.append((group, "did", parts["post"] - parts["pre"], did / np.hypot(*errors)))
    frame = pd.DataFrame(rows, columns=["group", "quantity", "value", "t_value"])
    return frame.astype({"value": float, "t_value": float})


def test_ledger_of_table_3_on_printed_numbers(printed):
    judged = ledger.compare("p1", 3, differences(printed), basis="printed").set_index("id")["verdict"]
    assert judged["p1.t3.new.did.t_value"] == "misprint"
    assert judged["p1.t3.all.pre_difference.value"] == judged["p1.t3.all.did.t_value"] == "close"
    assert judged.value_counts().to_dict() == {
        "reproduced": 7,
        "close": 4,
        "misprint": 1,
        "not attempted": 18,
    }


def test_ledger_of_table_2_on_printed_numbers(printed):
    mixed = {name: float(p1._mixed(printed, name).value) for name, _ in printed.balance}
    highest = float(printed.described["human"]["max"])
    frame = pd.DataFrame({"predictor": list(mixed), "group": "all", "real": list(mixed.values())})
    frame["synthetic"] = frame["predictor"].map({"human": highest})
    judged = ledger.compare("p1", 2, frame, basis="printed").set_index("id")
    assert judged.loc["p1.t2.human.all.synthetic", "verdict"] == "misprint"
    real = judged[judged.index.str.endswith("all.real")]["verdict"]
    assert real.value_counts().to_dict() == {"reproduced": 5, "close": 2}


def test_ledger_of_table_7_on_printed_numbers(printed):
    rows = table("p1", 7)
    a, b = ([float(printed.number(printed.coefficients(m)[i]).value) for m in rows["mediator"]] for i in (0, 1))
    frame = pd.DataFrame(
        {
            "mediator": rows["mediator"],
            "total_effect_c": float(printed.cells[p1.TOTAL].value),
            "indirect_effect_ab": np.multiply(a, b),
            "share_ab_over_c_percent": (100 * rows["indirect_effect_ab"] / rows["total_effect_c"]).astype(float),
        }
    )
    judged = ledger.compare("p1", 7, frame, basis="printed").set_index("id")
    verdict = judged.groupby(judged.index.str.split(".").str[-1])["verdict"].agg(lambda x: set(x))
    assert verdict["total_effect_c"] == {"reproduced"}
    assert verdict["indirect_effect_ab"] == {"not reproduced"}
    assert verdict["share_ab_over_c_percent"] <= {"reproduced", "close"}
    assert "close to c - c'" in judged.loc["p1.t7.firm_growth.indirect_effect_ab", "reason"]
