from __future__ import annotations

from dataclasses import replace

import pytest

from regiometrics.data.published import numbers
from regiometrics.report.audits import p3
from regiometrics.report.audits.rounded import Check, Rounded


@pytest.fixture(scope="module")
def printed() -> p3.PrintedTables:
    return p3.PrintedTables.read()


@pytest.fixture(scope="module")
def audit(printed) -> dict[str, Check]:
    return checks(printed)


def checks(printed: p3.PrintedTables) -> dict[str, Check]:
    return {f.id.removeprefix("p3.audit."): f.check for f in p3.findings(printed)}


def wrong(printed: p3.PrintedTables) -> list[str]:
    return [number for f in p3.findings(printed) for number in f.proven_wrong]


def verdicts(audit: dict[str, Check], prefix: str) -> dict[str, str]:
    return {key.removeprefix(prefix): c.verdict for key, c in audit.items() if key.startswith(prefix)}


def test_tables_are_whole(printed):
    assert len(printed.years) == 15
    assert len(printed.clusters) == 8
    assert len(printed.pair_mean) == 28
    assert sum(printed.cities.values()) == 138
    assert set(printed.cities) == set(printed.level) == set(printed.clusters)


def test_means_of_table_2(audit):
    found = verdicts(audit, "t2.mean.")
    assert len(found) == 10
    assert {key for key, verdict in found.items() if verdict != "consistent"} == {"overall", "overall.by_parts"}
    assert audit["t2.mean.overall"].expected == "0.1179 (0.1174 to 0.1184)"
    assert audit["t2.mean.overall"].printed == "0.111"


def test_text_copies_table_2(audit):
    found = verdicts(audit, "text.")
    off = {"mean_overall_gini", "mean_overall_gini.by_parts"}
    assert {key for key, verdict in found.items() if verdict != "consistent"} == off
    assert len(found) == 18


def test_g_peaks_in_2010(audit):
    assert audit["t2.peak"].verdict == "inconsistent"
    assert (audit["t2.peak"].expected, audit["t2.peak"].printed) == ("0.128 in 2010", "0.127 in 2012")
    assert audit["t2.trough"].verdict == "consistent"


def test_directions_of_the_within_ginis(audit):
    found = verdicts(audit, "t2.trend.")
    assert [c for c, verdict in found.items() if verdict != "consistent"] == [p3.HARBIN]
    assert audit[f"t2.trend.{p3.HARBIN}"].expected.startswith("end to end +0.0140, slope -0.002")


def test_levels_as_the_text_tells_them(audit):
    found = verdicts(audit, "t1.")
    assert len(found) == 8
    assert {key: v for key, v in found.items() if v != "consistent"} == {f"trend.{p3.PRD}": "not determined"}


def test_pairs_that_the_text_names(audit):
    keys = ["t3.largest", "t3.smallest", "t3.growth.others", f"t3.growth.{p3.CENTRAL}"]
    keys += [f"t3.growth.{a}.{b}" for a, b in p3.PAIRS_NAMED]
    assert {audit[key].verdict for key in keys} == {"consistent"}
    assert audit["t3.growth.others"].printed == "30"
    assert [key for key in audit if key.startswith("t3.repeated")] == [f"t3.repeated.{p3.BTH}.{p3.HARBIN}"]
    assert audit[f"t3.repeated.{p3.BTH}.{p3.HARBIN}"].verdict == "not determined"


def test_table_3_falls_below_the_bounds_of_g_jh(audit):
    below = {
        name: {key for key, v in verdicts(audit, f"t3.bound_{name}.").items() if v == "inconsistent"}
        for name in ("means", "ginis")
    }
    sound = [key for key in below["means"] if "rests on no column" in audit[f"t3.bound_means.{key}"].meaning]
    assert len(below["means"]) == 6
    assert {key.removeprefix(f"{p3.PRD}.") for key in sound} == {p3.MIDDLE, p3.GUANZHONG, p3.HARBIN, p3.CENTRAL}
    assert len(below["ginis"]) == 5
    assert not below["means"] & below["ginis"]


def test_table_4_is_exact(audit):
    for prefix, rows in (("t4.sum.", 15), ("t4.share.", 45), ("t4.shares.", 15)):
        found = verdicts(audit, prefix)
        assert len(found) == rows
        assert set(found.values()) <= {"consistent", "rounding"}
    assert set(verdicts(audit, "text.share_").values()) == {"consistent"}
    assert audit["t4.largest_share"].verdict == "consistent"


def test_table_1_contradicts_table_4(audit, printed):
    within = [v for key, v in verdicts(audit, "t4.recomputed.").items() if key.endswith("within")]
    between = {key[:4]: v for key, v in verdicts(audit, "t4.recomputed.").items() if key.endswith("between_net")}
    assert len(within) == 15
    assert "inconsistent" not in within  # the cities by cluster are right
    assert [year for year, v in between.items() if v != "inconsistent"] == ["2011", "2012"]
    gap = {
        year: p3._parts_from_means(printed, year)["between_net"].value / printed.contribution["between_net"][year].value
        for year in printed.years
    }
    assert float(min(gap.values())) == pytest.approx(0.7695, abs=1e-3)
    assert float(max(gap.values())) == pytest.approx(1.1451, abs=1e-3)


def test_headers_of_table_5(audit, printed):
    assert audit["t5.gini_cv.as_headed"].printed == "44"
    assert audit["t5.gini_cv.by_position"].printed == "0"
    by_column = {key: audit[f"t5.gini_cv.as_headed.{key}"].printed for key in printed.clusters}
    assert {c: n for c, n in by_column.items() if n != "0"} == {
        p3.YRD: "15",
        p3.MIDDLE: "1",
        p3.GUANZHONG: "15",
        p3.CENTRAL: "13",
    }
    assert set(verdicts(audit, "t5.mean.").values()) == {"consistent"}
    headers = verdicts(audit, "t5.header.")
    assert [c for c, v in headers.items() if v == "consistent"] == [p3.BTH, p3.CHENGDU, "order"]
    matched = p3.match_sigma(printed)
    assert matched["assigned"].tolist() == list(printed.clusters)
    sigma, gini = p3._floats(printed.sigma), p3._floats(printed.gini)
    by_correlation = p3.match_headers(sigma, gini, by="correlation")
    assert by_correlation["assigned"].tolist() == list(printed.gini)
    r = 1 - by_correlation["distance"]
    assert (round(r.min(), 2), round(r.max(), 2)) == (0.88, 1.0)


def test_sigma_and_what_the_text_says_of_it(audit):
    overall = audit["t5.trend.overall"]
    assert overall.verdict == "not determined"
    assert overall.expected == "end to end +0.0200, slope -0.0006"
    assert "+0.021 of it in the last year" in overall.meaning
    assert set(verdicts(audit, "t5.trend.as_headed.").values()) == {"consistent"}
    matched = verdicts(audit, "t5.trend.as_matched.")
    assert {c: v for c, v in matched.items() if v != "consistent"} == {
        p3.PRD: "inconsistent",
        p3.MIDDLE: "inconsistent",
        p3.HARBIN: "not determined",
    }


def test_misprints_are_ids_of_printed_numbers(printed):
    assert set(wrong(printed)) <= set(numbers("p3")["id"])


# Planted defects and planted cures


def test_a_right_mean_is_no_misprint(printed):
    mended = replace(
        printed,
        mean_gini={**printed.mean_gini, p3.OVERALL: Rounded.of("0.118")},
        text={**printed.text, "mean_overall_gini": Rounded.of("0.118")},
    )
    assert checks(mended)["t2.mean.overall"].verdict == "consistent"
    assert wrong(mended) == []


def test_a_mean_is_not_blamed_where_the_years_are_in_doubt_too(printed):
    g = {**printed.gini[p3.OVERALL], "2010": Rounded.of("0.228")}
    doubtful = replace(printed, gini={**printed.gini, p3.OVERALL: g})
    assert checks(doubtful)["t4.sum.2010"].verdict == "inconsistent"
    assert checks(doubtful)["t2.mean.overall"].verdict == "inconsistent"
    assert wrong(doubtful) == []


def test_right_headers_leave_nothing_to_find(printed):
    mended = replace(printed, sigma=dict(zip(printed.gini, printed.sigma.values(), strict=True)))
    audit = checks(mended)
    assert audit["t5.gini_cv.as_headed"].printed == "0"
    assert set(verdicts(audit, "t5.header.").values()) == {"consistent"}


def test_two_columns_exchanged_in_table_2_are_found(printed):
    headers = [{p3.GUANZHONG: p3.PRD, p3.PRD: p3.GUANZHONG}.get(c, c) for c in printed.gini]
    swapped = replace(printed, gini=dict(zip(headers, printed.gini.values(), strict=True)))
    means = verdicts(checks(swapped), "t2.mean.")
    assert {c for c, v in means.items() if v != "consistent"} >= {p3.GUANZHONG, p3.PRD}


def test_a_changed_share_is_found(printed):
    changed = {**printed.share["within"], "2007": Rounded.of("12.244")}
    audit = checks(replace(printed, share={**printed.share, "within": changed}))
    assert audit["t4.shares.2007"].verdict == "inconsistent"
    assert audit["t4.share.2007.within"].verdict == "inconsistent"
    assert audit["text.share_within_mean"].verdict == "inconsistent"
