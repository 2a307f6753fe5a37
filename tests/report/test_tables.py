import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regiometrics.errors import KeyColumnError
from regiometrics.report import ledger, tables
from regiometrics.report.audits.rounded import VERDICTS as AUDIT_VERDICTS
from regiometrics.report.tables import (
    audit_table,
    format_number,
    ledger_table,
    plain,
    readable,
    regression_table,
    side_by_side,
)

STATIC = Path(__file__).parents[2] / "book" / "_static"
CSS = (STATIC / "tables.css").read_text(encoding="utf-8")
SCRIPT = (STATIC / "ledger.js").read_text(encoding="utf-8")


class Reader(HTMLParser):
    """Rows of cell texts, classes, row attributes; fails on a tag closed out of turn."""

    VOID = ("br", "wbr")

    def __init__(self, html):
        super().__init__()
        self.open, self.rows, self.classes, self.row_data, self.attributes = [], [], set(), [], set()
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.attributes |= set(given)
        self.classes |= set((given.get("class") or "").split())
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
            self.row_data.append({k[5:]: v for k, v in given.items() if k.startswith("data-")})
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag == "br":
            self.rows[-1][-1] += "/"

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += data


@pytest.fixture
def printed():
    return pd.DataFrame(
        {
            "id": ["a", "b", "c", "d"],
            "year": ["2004", "2004", "mean", "mean"],
            "cluster": ["pearl_river_delta", "overall"] * 2,
        }
    )


@pytest.fixture
def judged():
    return pd.DataFrame(
        {
            "id": list("dcba"),
            "printed": [Decimal("0.111"), Decimal("0.056"), Decimal("0.114"), Decimal("0.050")],
            "computed": [0.11790, 0.05601, np.nan, 0.0503],
            "gap": [0.0069, 0.00001, np.nan, 0.0003],
            "tolerance": [np.nan, 0.001, 0.001, 0.001],
            "verdict": ["misprint", "reproduced", "not attempted", "close"],
            "reason": ["the 15 values average 0.1179", "", "no number", "one unit"],
            "basis": "real",
        }
    )


@pytest.mark.parametrize(
    ("x", "digits", "text"),
    [
        (0.07249, 3, "0.072"),
        (-0.0006, 4, "-0.0006"),
        (Decimal("0.140"), None, "0.140"),
        (Decimal("264428"), None, "264,428"),
        (2004, None, "2004"),
        (Decimal("2004"), 0, "2004"),
        (np.int64(264428), None, "264,428"),
        (0.123456, None, "0.1235"),
        (np.float64(12345.678), 1, "12,345.7"),
        (None, 3, "–"),
        (np.nan, None, "–"),
        (pd.NA, None, "–"),
    ],
)
def test_numbers_are_rounded_to_what_is_read(x, digits, text):
    assert format_number(x, digits) == text


def test_side_by_side_puts_the_computed_number_under_the_printed_one(printed, judged):
    table = side_by_side(printed, judged, rows="year", columns="cluster", caption="Table 2, real data")
    assert table.header == ("Year", "Pearl River Delta", "All cities")
    assert [row[0].lines for row in table.rows] == [("2004",), ("Mean",)]
    assert [[(cell.lines, cell.verdict) for cell in row[1:]] for row in table.rows] == [
        [(("0.050", "0.050"), "close"), (("0.114", "–"), "not attempted")],
        [(("0.056", "0.056"), "reproduced"), (("0.111", "0.118"), "misprint")],
    ]
    assert dict(table.tally) == {"reproduced": 1, "close": 1, "misprint": 1, "not attempted": 1}
    assert table.rows[1][2].hint == "misprint: the 15 values average 0.1179"


def test_side_by_side_as_html_and_as_text(printed, judged):
    table = side_by_side(printed, judged, rows="year", columns="cluster", caption="Table 2, real data")
    assert Reader(table._repr_html_()).rows == [
        ["Year", "Pearl River Delta", "All cities"],
        ["2004", "0.050/0.050≈", "0.114/–·"],
        ["Mean", "0.056/0.056✓", "0.111/0.118!"],
    ]
    assert repr(table).splitlines() == [
        "Table 2, real data",
        "Year  Pearl River  All cities",
        "            Delta",
        "----  -----------  ----------",
        "2004      0.050       0.114",
        "          0.050 ≈         – ·",
        "Mean      0.056       0.111",
        "          0.056 ✓     0.118 !",
        "Printed above, computed below.  ✓ reproduced 1  ≈ close 1  ! misprint 1  · not attempted 1",
    ]


def test_several_keys_are_joined_and_a_hole_stays_empty(printed, judged):
    terms = printed.head(3).assign(term=["share_percent", "b", "b"])
    table = side_by_side(terms, judged, rows=["year", "cluster"], columns="term", labels={})
    assert table.header == ("Year, Cluster", "Share, %", "B")
    assert [row[0].lines[0] for row in table.rows] == [
        "2004 – Pearl river delta",
        "2004 – Overall",
        "Mean – Pearl river delta",
    ]
    assert table.rows[0][2].lines == ("",)


def test_side_by_side_refuses_numbers_without_a_ledger_and_two_in_one_cell(printed, judged):
    with pytest.raises(KeyColumnError, match=r"without a row in the ledger \(1 row: d\)"):
        side_by_side(printed, judged.tail(3), rows="year", columns="cluster")
    with pytest.raises(KeyColumnError, match="must identify each row"):
        side_by_side(printed.assign(year="2004"), judged, rows="year", columns="cluster")
    with pytest.raises(KeyColumnError, match="'kluster'"):
        side_by_side(printed, judged, rows="year", columns="kluster")


def test_plain_rounds_floats_only_and_leaves_the_frame_alone():
    frame = pd.DataFrame(
        {
            "time": [2004, 2005],
            "group": ["guanzhong_plain", None],
            "gini": [0.17949, np.nan],
            "n": [11, 10],
            "share_within": [0.11483, 1234.5],
            "printed": [Decimal("0.180"), None],
            "balanced": [True, False],
        },
        index=["x", "y"],
    )
    before = frame.copy(deep=True)
    table = plain(frame, digits={"gini": 2}, headers={"n": "Cities"})
    assert table.header == ("Time", "Group", "Gini", "Cities", "Share within", "Printed", "Balanced")
    assert [[cell.lines[0] for cell in row] for row in table.rows] == [
        ["2004", "Guanzhong Plain", "0.18", "11", "0.1148", "0.180", "yes"],
        ["2005", "–", "–", "10", "1234", "–", "no"],
    ]
    pd.testing.assert_frame_equal(frame, before)
    assert [cell.lines[0] for cell in plain(frame, digits=1, labels={}).rows[0]][1:3] == ["guanzhong_plain", "0.2"]


def test_a_verdict_column_shows_its_mark_and_any_other_word_as_it_is():
    table = plain(pd.DataFrame({"verdict": ["close", "close", "rounding", "open"], "numbers": [1, 2, 3, 4]}))
    assert [row[0] for row in Reader(table._repr_html_()).rows[1:]] == ["close", "close", "rounding", "open"]
    marked = plain(pd.DataFrame({"numbers": [1, 2], "verdict": ["not reproduced", "open"]}))
    assert Reader(marked._repr_html_()).rows[1:] == [["1", "✗ not reproduced"], ["2", "open"]]
    assert table.tally == {}


def test_text_is_aligned_where_characters_are_wide():
    lines = repr(plain(pd.DataFrame({"city_zh": ["北京", "呼和浩特"], "n": [1, 20]}))).splitlines()
    assert lines[2:] == ["北京       1", "呼和浩特  20"]


def test_a_long_table_is_cut_in_the_terminal_and_whole_on_the_page():
    table = plain(pd.DataFrame({"n": range(75)}))
    assert repr(table).splitlines()[-1] == "... 15 more rows" and len(repr(table).splitlines()) == 63
    assert len(Reader(table._repr_html_()).rows) == 76


def test_an_empty_frame_is_an_empty_table():
    assert repr(plain(pd.DataFrame({"n": [], "gini": []}))) == "n  Gini\n-  ----"


def test_the_ledger_carries_what_the_filter_reads(judged):
    ids = ["p3.t2.mean.overall.gini", "p3.t2.mean.pearl_river_delta.gini", "p4.text.x", "p5.t3.c6.policy.value"]
    read = Reader(ledger_table(judged.assign(id=ids))._repr_html_())
    assert read.row_data[1:] == [
        {"paper": "p3", "verdict": "misprint"},
        {"paper": "p3", "verdict": "reproduced"},
        {"paper": "p4", "verdict": "not attempted"},
        {"paper": "p5", "verdict": "close"},
    ]
    assert read.rows[1] == [
        ids[0],
        "! misprint",
        "0.111",
        "0.1179",
        "+0.0069",
        "–",
        "the 15 values average 0.1179",
    ]
    for name in ("dataset.value", "dataset[key]", '"paper"', '"verdict"', ".rm-ledger", '"rm-number"'):
        assert name in SCRIPT
    assert {"rm-ledger", "rm-number"} <= read.classes and "data-value" in read.attributes


def test_a_fraction_without_end_is_shown_short(judged):
    judged["printed"] = [Decimal(1) / Decimal(22), Decimal("8"), Decimal("2.50"), Decimal("1E+1")]
    rows = Reader(ledger_table(judged)._repr_html_()).rows[1:]
    assert [row[2] for row in rows] == ["0.045", "8", "2.50", "10"]


def test_the_audit_shows_item_expectation_and_meaning():
    frame = pd.DataFrame(
        {
            "id": ["p3.audit.t2.mean.overall"],
            "item": ["Table 2, mean of G"],
            "expected": ["0.1179 (0.1174 to 0.1184)"],
            "printed": ["0.111"],
            "verdict": ["inconsistent"],
            "meaning": ["disagree & differ"],
        }
    )
    html = audit_table(frame)._repr_html_()
    assert Reader(html).rows[1] == [
        "Table 2, mean of G",
        "0.1179 (0.1174 to 0.1184)",
        "0.111",
        "✗ inconsistent",
        "disagree & differ",
    ]
    assert 'title="p3.audit.t2.mean.overall"' in html


def test_html_is_the_same_each_time_and_carries_no_ids(printed, judged):
    def build():
        return [
            side_by_side(printed, judged, rows="year", columns="cluster")._repr_html_(),
            ledger_table(judged)._repr_html_(),
            plain(judged)._repr_html_(),
        ]

    assert build() == build()
    for html in build():
        assert "id" not in Reader(html).attributes and not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}|http", html)


def test_what_the_reader_writes_is_escaped():
    frame = pd.DataFrame({"group": ["<b>&"], "note": ['"quoted"']})
    html = plain(frame, caption='a "table" <i>')._repr_html_()
    assert Reader(html).rows[1] == ["<b>&", '"quoted"'] and "<b>" not in html and "<i>" not in html


def test_every_verdict_has_a_mark_and_a_colour_of_its_own_in_both_themes():
    assert tuple(tables.VERDICT_MARKS) == ledger.VERDICTS and tuple(tables.AUDIT_MARKS) == AUDIT_VERDICTS
    assert len({mark.symbol for mark in tables.VERDICT_MARKS.values()}) == len(ledger.VERDICTS)
    light, dark = (css_colours(block) for block in re.findall(r"^html[^{]*\{([^}]*--rm-[^}]*)\}", CSS, re.MULTILINE))
    assert set(light) == set(dark) == {verdict.replace(" ", "-") for verdict in ledger.VERDICTS}
    for verdict in light:
        assert contrast(light[verdict], "#ffffff") >= 4.5, verdict
        assert contrast(dark[verdict], "#14181e") >= 4.5, verdict
    for verdict in (*ledger.VERDICTS, *AUDIT_VERDICTS):
        assert f".rm-{verdict.replace(' ', '-')}" in CSS


def test_every_class_on_the_page_is_styled(printed, judged):
    audit = pd.DataFrame(
        [["i", "x", "1", "2", "rounding", "m"]], columns=["id", "item", "expected", "printed", "verdict", "meaning"]
    )
    shown = [
        side_by_side(printed, judged, rows="year", columns="cluster"),
        ledger_table(judged),
        audit_table(audit),
        plain(judged),
    ]
    used = set().union(*(Reader(table._repr_html_()).classes for table in shown))
    used |= set(re.findall(r'className = "([\w-]+)"', SCRIPT))
    assert used - {"rm-plain"} == {name for name in used if re.search(rf"\.{name}\b(?!-)", CSS)}


def test_headings_are_words():
    assert [readable(c) for c in ("std_error", "overlap", "gini")] == ["Std. error", "Overlap", "Gini"]


def css_colours(block):
    return dict(re.findall(r"--rm-([\w-]+): (#[0-9a-f]{6});", block))


def contrast(one, other):
    def luminance(colour):
        rgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


MODELS = pd.DataFrame(
    {
        "model": ["(1)", "(2)", "(2)"],
        "term": ["policy", "policy", "ln_gdp"],
        "estimate": [-0.0373, -0.0253, -0.104],
        "std_error": [0.0064, 0.0065, 0.0155],
        "n_obs": [5480, 5480, 5480],
        "r2": [0.887, 0.892, 0.892],
    }
)


def test_a_regression_table_has_errors_in_brackets_and_statistics_once_a_model():
    table = regression_table(MODELS, labels={"policy": "Policy"})
    read = Reader(table._repr_html_())
    assert read.rows[0] == ["Term", "(1)", "(2)"]
    assert read.rows[1:] == [
        ["Policy", "-0.0373/(0.0064)", "-0.0253/(0.0065)"],
        ["ln_gdp", "", "-0.1040/(0.0155)"],
        ["n", "5480", "5480"],
        ["R²", "0.8870", "0.8920"],
    ]
    assert "rm-error" in read.classes and ".rm-error" in CSS
    assert "(0.0155)" in repr(table)


def test_a_regression_table_shows_only_the_statistics_that_are_there():
    assert len(regression_table(MODELS.drop(columns=["n_obs", "r2"])).rows) == 2


def test_a_term_twice_in_a_model_is_refused():
    with pytest.raises(KeyColumnError, match="must identify each row"):
        regression_table(MODELS.assign(model="(1)", term="policy"))
