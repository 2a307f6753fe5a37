from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from regiometrics.data.published import numbers
from regiometrics.report.audits import p4
from regiometrics.report.audits.rounded import Check, Finding, Rounded
from regiometrics.report.consistency import AUDITS, check, misprints


@pytest.fixture(scope="module")
def printed() -> p4.PrintedTables:
    return p4.PrintedTables.read()


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    return p4.findings()


@pytest.fixture(scope="module")
def audit(findings) -> dict[str, Check]:
    return {f.id.removeprefix("p4.audit."): f.check for f in findings}


def planted(printed: p4.PrintedTables, **numbers: str) -> p4.PrintedTables:
    assert set(numbers) <= set(printed.text)
    return replace(printed, text={**printed.text, **{item: Rounded.of(x) for item, x in numbers.items()}})


def verdicts(found) -> dict[str, str]:
    return {f.id.removeprefix("p4.audit."): f.check.verdict for f in found}


def test_the_52_numbers_are_read(printed):
    assert len(printed.text) == len(numbers("p4")) == 52
    assert len(printed.sectors) == 28 and len(printed.industries) == 5


def test_findings_by_verdict(findings, audit, monkeypatch):
    assert AUDITS["p4"] is p4.findings
    monkeypatch.setitem(AUDITS, "p4", lambda: findings)
    frame = check("p4")
    assert frame["id"].is_unique and len(frame) == len(audit) == 75
    tally = Counter(c.verdict for c in audit.values())
    assert tally == {"consistent": 60, "rounding": 1, "inconsistent": 1, "not determined": 13}
    assert [key for key, c in audit.items() if c.verdict == "inconsistent"] == ["crisis.words"]
    assert misprints("p4") == {}


def test_output_adds_up(audit):
    assert audit["output.sum"].expected == audit["output.sum"].printed == "264428"
    assert all(c.verdict == "consistent" for key, c in audit.items() if key.startswith("output."))


def test_jiangsus_high_tech_share_is_a_matter_of_rounding(audit):
    found = audit["hightech.share.jiangsu"]
    assert (found.expected, found.printed) == ("64.485 (64.483 to 64.487)", "64.48")
    assert found.verdict == "rounding"


def test_growth_of_the_delta_and_of_the_years_without_a_rate(audit):
    assert audit["growth.mean"].printed == "17.1 (16.8 to 17.4) % a year from 2005"
    paths = {key: float(c.printed.split()[0]) for key, c in audit.items() if key.startswith("growth.path")}
    assert list(paths.values()) == [14.4, 16.4, 11.9, 13.6]
    factors = 264428 / (31221 / 1.10**9 + 137383 / 1.195**9 + 61964 / 1.14**9 + 33860 / 1.276**9)
    assert 100 * ((factors / (1.25**3 * 1.27 * 1.068**2)) ** (1 / 3) - 1) == pytest.approx(13.6, abs=0.05)


def test_shares_that_growth_implies(audit):
    """Compound from 2005: with the printed three they sum to 100 in 2014 and in 2005."""
    assert audit["hightech.industries.compound_2005_2014"].printed == (
        "pharmaceuticals 10.6 (10.5 to 10.7), computers_office 24.6 (24.5 to 24.8)"
    )
    share = {"e": (50.92, 16.85), "a": (1.08, 37.35), "m": (12.78, 26.18), "p": (10.56, 19.69), "c": (24.66, 7.93)}
    assert sum(now for now, _ in share.values()) == pytest.approx(100)
    assert sum(now * (1.1489 / (1 + g / 100)) ** 9 for now, g in share.values()) == pytest.approx(100, abs=0.05)
    assert audit["hightech.industries.one_year"].printed.startswith("pharmaceuticals 0.9")
    assert {c.verdict for key, c in audit.items() if key.startswith("hightech.industries")} == {"consistent"}


def test_revenues_that_growth_leaves_to_three_provinces(printed):
    ranges = p4._missing_provinces(printed, 9)
    rates = {"shanghai": 1.0668, "zhejiang": 1.1376, "anhui": 1.3474}
    assert {x: tuple(round(end) for end in ends) for x, ends in ranges.items()} == {
        "shanghai": (5711, 10044),
        "zhejiang": (0, 8671),
        "anhui": (0, 4338),
    }
    # one end: no revenue in Anhui
    ends = {"shanghai": float(ranges["shanghai"][0]), "zhejiang": float(ranges["zhejiang"][1]), "anhui": 0.0}
    assert sum(ends.values()) + 26114 == pytest.approx(40496)
    then = sum(x / rates[name] ** 9 for name, x in ends.items()) + 26114 / 1.1842**9
    assert then == pytest.approx(40496 / 1.1489**9)


def test_the_region_reading_of_the_technology_share_is_excluded_and_the_other_is_not(audit):
    assert audit["technology.of_region"].verdict == "not determined"
    assert audit["technology.of_region"].expected.startswith("≤ 22057")
    assert audit["technology.of_province"].verdict == "consistent"


def test_the_patterns_are_those_rebuilt_by_hand(audit):
    for key in ("t1.delta", "t4.undone", "t4.lists_open"):
        assert audit[key].expected == "1 table, the one rebuilt by hand"
    assert audit["t4.extracted"].verdict == "not determined"
    assert "anhui_zhejiang_inside" in audit["t4.extracted"].meaning
    shared = [c.printed for key, c in audit.items() if key.startswith("t4.shared")]
    assert shared == ["2", "3", "1", "3", "4", "4"]
    assert audit["t1.north"].printed == "579 tables agree"
    assert [audit[f"t4.labour.{x}"].expected for x in "ab"] == ["9 of 14", "7 of 14"]


def test_the_index_of_the_whole_sum_is_printed(audit):
    assert audit["index.halved"].verdict == "not determined"
    assert "at most one" in audit["index.halved"].meaning


def test_bounds_of_what_is_lost(printed):
    found = p4.bounds(printed).set_index("quantity")
    assert found.index.is_unique
    ends = {
        "K(shanghai, anhui)": (0.4073, 2),
        "K(jiangsu, zhejiang)": (0, 0.6231),
        "K(jiangsu)": (0.1086, 0.5),
        "K(shanghai, zhejiang)": (0.1256, 0.7),
        "K(tianjin, hebei)": (0.1315, 2),  # 1.025 - 0.8935
        "K(hebei)": (0.1315, 2),
        "K(beijing, tianjin)": (0, 1.8685),
        "technology share, yangtze_river_delta without Shanghai": (0.2968, 0.5865),
        "Jiangsu's share in the delta's pharmaceuticals": (137383 / 264428, 26114 / 40496),
        "Anhui's share in the delta's high-tech revenue": (0, 33860 / 264428),
    }
    for name, wanted in ends.items():
        assert tuple(found.loc[name, ["low", "high"]]) == pytest.approx(wanted, abs=1e-4)
    assert found.loc["K(jiangsu)", "printed"] == "< 0.5" and found.loc["K(beijing)", "printed"] == "0.893"
    assert found.loc["K(tianjin)", "printed"] == ""


@pytest.mark.parametrize(
    ("change", "key", "verdict"),
    [
        ({"output_2014_yrd": "264429"}, "output.sum", "inconsistent"),
        ({"share_2014_anhui": "14"}, "output.share.anhui", "inconsistent"),
        ({"share_2014_anhui": "14"}, "output.shares", "inconsistent"),
        ({"hightech_share_2014_jiangsu": "64.49"}, "hightech.share.jiangsu", "consistent"),
        ({"hightech_share_2014_jiangsu": "64.84"}, "hightech.share.jiangsu", "inconsistent"),
        ({"growth_2005_2014_zhejiang": "24"}, "output.growth.order", "inconsistent"),
        ({"growth_2005_2014_shanghai": "30"}, "output.share_moves.shanghai", "inconsistent"),
        ({"annual_growth_pre_crisis": "5"}, "growth.path.2007", "inconsistent"),
        ({"growth_2014": "30"}, "crisis.growth", "consistent"),
        ({"hightech_profit_2014": "3800"}, "hightech.profit", "inconsistent"),
        ({"hightech_growth_anhui": "13.80"}, "hightech.order.provinces", "inconsistent"),
        ({"hightech_growth_yrd": "38"}, "hightech.total.industries", "inconsistent"),
        ({"hightech_growth_pharmaceuticals": "8.50"}, "hightech.industries.compound_2005_2014", "not determined"),
        ({"hightech_growth_jiangsu": "30"}, "hightech.provinces.compound_2005_2014", "not determined"),
        ({"hightech_share_2014_electronics_telecom": "48"}, "hightech.half", "inconsistent"),
        ({"tech_intensive_share_shanghai_2013_2014": "0.500"}, "technology.of_region", "consistent"),
        ({"tech_intensive_share_shanghai_2013_2014": "0.150"}, "technology.of_province", "inconsistent"),
        ({"tech_intensive_gain_shanghai": "12.0"}, "technology.gain", "inconsistent"),
        ({"pair_specialization_2014_beijing_hebei": "0.98"}, "index.halved", "consistent"),
        ({"pair_specialization_2014_beijing_hebei": "2.10"}, "index.range", "inconsistent"),
        ({"pair_specialization_2014_beijing_hebei": "0.85"}, "index.floor", "inconsistent"),
        ({"relative_specialization_2014_shanghai": "0.900"}, "index.order", "inconsistent"),
        ({"relative_specialization_2014_shanghai": "0.900"}, "index.bounds.shanghai", "inconsistent"),
        ({"pair_specialization_2014_shanghai_jiangsu": "0.800"}, "index.bounds.shanghai.jiangsu", "inconsistent"),
        ({"hightech_revenue_2014_jiangsu": "20000"}, "patterns.pharmaceuticals.jiangsu", "inconsistent"),
    ],
)
def test_a_planted_number_flips_the_verdict(printed, audit, change, key, verdict):
    assert audit[key].verdict != verdict
    part = {
        "output": p4._output,
        "growth": p4._growth,
        "crisis": p4._crisis,
        "technology": p4._technology,
        "index": p4._indices,
        "patterns": p4._two_patterns,
    }
    changed = planted(printed, **change)
    parts = [part[name]] if (name := key.split(".")[0]) in part else [p4._high_tech, p4._high_tech_growth]
    made = (f for checks in parts for f in checks(changed))
    assert next(f.check.verdict for f in made if f.id == f"p4.audit.{key}") == verdict


def test_a_planted_statement_or_cell_flips_the_verdict(printed):
    wrong = printed.advantages.copy()
    wrong.loc[wrong["id"] == "zhejiang_jiangsu_count", "count"] = "2"
    found = verdicts(p4._pattern_of_sectors(replace(printed, advantages=wrong)))
    assert found["t4.undone"] == found["t4.shared.zhejiang.jiangsu"] == "inconsistent"
    cells = printed.rebuilt_advantages.copy()
    cells.loc["26", "jiangsu"] = 0
    found = verdicts(p4._pattern_of_sectors(replace(printed, rebuilt_advantages=cells)))
    assert found["t4.undone"] == found["t4.every_sector"] == "inconsistent"
    cells = printed.rebuilt_high_tech.copy()
    cells.loc["aerospace", "anhui"] = 1
    found = verdicts(p4._pattern_of_high_tech(replace(printed, rebuilt_high_tech=cells)))
    assert found["t1.delta"] == found["t1.provinces.aerospace"] == "inconsistent"
