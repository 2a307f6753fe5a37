from __future__ import annotations

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regiometrics.data.published import table, tables
from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, RegionError
from regiometrics.measure.inequality import gini
from regiometrics.report.consistency import (
    check,
    counts,
    gini_cv,
    indirect,
    match_headers,
    misprints,
    moments,
    stars,
    summary,
    trend,
)

samples = st.lists(st.integers(0, 1000), min_size=2, max_size=40).filter(lambda sample: sum(sample) > 0)


def as_printed(value: float, places: int) -> str:
    return f"{value:.{places}f}"


# Stars


@pytest.mark.parametrize(
    ("coef", "se", "earned"),
    [
        ("1.64", "1.00", ""),
        ("1.66", "1.00", "*"),
        ("-1.98", "1.00", "**"),
        ("2.60", "1.00", "***"),
        ("0.00", "1.00", ""),
    ],
)
def test_stars_follow_the_normal_distribution(coef, se, earned):
    assert stars(coef, se, earned).expected == earned
    assert stars(coef, se, earned).verdict == "consistent"


def test_stars_edges():
    assert stars("0.33", "0.20", "").verdict == "rounding"  # t between 1.585 and 1.718
    assert stars("0.33", "0.20", "**").verdict == "inconsistent"
    assert stars(None, "1.70", "*", spread_kind="t_value").verdict == "consistent"
    assert stars(None, "-1.70", "*", spread_kind="t_value", df=10).expected == ""
    assert stars("0.001", "0.000", "***").verdict == "not determined"
    for bad in ({"printed": "****"}, {"coef": None}, {"spread": 0.1}, {"spread_kind": "p_value"}):
        with pytest.raises(DomainError):
            stars(**({"coef": "1.0", "spread": "0.1", "printed": "***"} | bad))


def test_star_labels_of_the_papers():
    """p1 and p2 print labels that their own errors contradict, p5 none among 60."""
    wrong, judged = {}, {}
    for paper in ("p1", "p2", "p5"):
        rows = [row for no in tables(paper) for row in table(paper, no).to_dict("records") if row.get("spread")]
        rows = [row for row in rows if row["row_kind"] == "coefficient"]
        results = [stars(r["value"], r["spread"], r["stars"], spread_kind=r["spread_kind"]) for r in rows]
        judged[paper] = len(results)
        off = [len(c.printed) - len(c.expected) for c in results if c.verdict == "inconsistent"]
        wrong[paper] = sum(x > 0 for x in off), sum(x < 0 for x in off)
    assert judged["p5"] == 60
    assert wrong == {"p1": (1, 1), "p2": (6, 4), "p5": (0, 0)}  # (too many stars, too few)


# Mean, deviation and range


@given(samples, st.sampled_from([0, 1]), st.integers(1, 6))
def test_bhatia_davis_holds_for_any_sample(sample, ddof, places):
    numbers = (np.mean(sample), np.std(sample, ddof=ddof), min(sample), max(sample))
    result = moments(*(as_printed(x, places) for x in numbers), ddof=ddof, n=len(sample))
    assert result.verdict in ("consistent", "rounding")


def test_bhatia_davis_is_met_by_two_ends():
    assert moments("0.25", "0.4330", "0", "1").expected.startswith("≤ 0.43301")
    assert moments("0.2500", "0.4340", "0.0000", "1.0000").verdict == "inconsistent"
    sample = [0, 0, 0, 1]
    sd = as_printed(np.std(sample, ddof=1), 4)
    assert moments("0.2500", sd, "0.0000", "1.0000").verdict == "inconsistent"
    assert moments("0.2500", sd, "0.0000", "1.0000", ddof=1, n=4).verdict == "rounding"


def test_mean_outside_its_range():
    assert moments("3.0", "0.1", "4.0", "5.0").verdict == "inconsistent"
    assert moments("4.5", "0.1", "5.0", "4.0").verdict == "inconsistent"
    assert moments("4.0", "0.0", "4.0", "4.0").verdict == "consistent"


def test_sample_deviation_needs_n():
    with pytest.raises(DomainError, match="depends on n"):
        moments("0.5", "0.5", "0", "1", ddof=1)
    with pytest.raises(GroupSizeError):
        moments("0.5", "0.5", "0", "1", ddof=1, n=1)


def test_impossible_deviation_in_p1():
    rows = table("p1", 1).to_dict("records")
    verdicts = {r["variable"]: moments(r["mean"], r["std_dev"], r["min"], r["max"]).verdict for r in rows}
    assert [name for name, verdict in verdicts.items() if verdict == "inconsistent"] == ["szong"]
    szong = rows[0]
    assert moments(szong["mean"], "2.017", szong["min"], szong["max"]).verdict == "consistent"


# Gini and coefficient of variation


@given(samples, st.sampled_from([0, 1]), st.booleans(), st.integers(2, 6))
def test_gini_bound_holds_for_any_sample(sample, ddof, sharp, places):
    g, cv = gini(sample), np.std(sample, ddof=ddof) / np.mean(sample)
    result = gini_cv(as_printed(g, places), as_printed(cv, places), ddof=ddof, n=len(sample) if sharp else None)
    assert result.verdict in ("consistent", "rounding")


@given(st.integers(2, 60), st.integers(0, 100), st.sampled_from([0, 1]))
def test_equal_steps_meet_the_sharp_bound(n, start, ddof):
    sample = start + np.arange(n)
    assume(sample.sum() > 0)
    g, cv = gini(sample), np.std(sample, ddof=ddof) / sample.mean()
    assert gini_cv(as_printed(g, 9), as_printed(cv, 9), ddof=ddof, n=n).verdict in ("consistent", "rounding")
    assert gini_cv(as_printed(g * 1.001 + 1e-6, 9), as_printed(cv, 9), ddof=ddof, n=n).verdict == "inconsistent"


def test_bound_for_large_n_is_that_of_the_uniform_distribution():
    cv = "0.577350"  # uniform on (0, 1): Gini 1/3, CV 1/sqrt(3)
    assert gini_cv("0.333333", cv).verdict != "inconsistent"
    assert gini_cv("0.333340", cv).verdict == "inconsistent"
    wide, narrow = gini_cv("0.28", "0.50", ddof=1), gini_cv("0.28", "0.50", ddof=1, n=5)
    assert (wide.verdict, narrow.verdict) == ("consistent", "inconsistent")
    with pytest.raises(GroupSizeError):
        gini_cv("0.1", "0.2", n=1)


# Total, direct and indirect effects; sums


@given(*[st.decimals(-2, 2, places=5, allow_nan=False) for _ in range(3)], st.integers(1, 4))
def test_effects_of_one_sample_pass(a, b, direct, places):
    a_, b_, c_, d_ = (as_printed(x, places) for x in (a, b, direct + a * b, direct))
    assert indirect(a_, b_, c_, d_).verdict in ("consistent", "rounding")


def test_mediation_of_p2():
    c, a, b, c_prime = "0.186", "0.379", "0.291", "0.218"
    cells = [row["value"] for row in table("p2", 5).to_dict("records")]
    assert {Decimal(x) for x in (c, a, b, c_prime)} <= set(cells)
    assert indirect(a, b, c, c_prime).verdict == "inconsistent"
    assert indirect(a, c_prime, c, b).verdict == "inconsistent"  # the two coefficients of column 3 in either place


def test_counts():
    assert counts([31221, 137383, 61964, 33860], 264428).verdict == "consistent"
    assert counts([99, 98], 196).verdict == "inconsistent"
    assert counts([Decimal(99), "97"], Decimal(196)).verdict == "consistent"
    assert counts(["33.3", "33.3", "33.3"], 100).verdict == "rounding"
    assert counts(["33.3", "33.3", "33.0"], 100).verdict == "inconsistent"
    assert counts([], 0).verdict == "consistent"


# Trends


def test_trend_verdicts():
    up, down = ["1.0", "1.2", "1.4"], ["1.4", "1.2", "1.0"]
    assert trend(up, "rises").verdict == trend(down, "falls").verdict == "consistent"
    assert trend(up, "falls").verdict == trend(down, "rises").verdict == "inconsistent"
    assert trend(["1.0", "3.0", "0.5", "0.4", "1.1"], "falls").verdict == "not determined"  # ends up, slope down
    assert trend(["1.0", "1.0", "1.1"], "rises").verdict == "not determined"  # within rounding
    with pytest.raises(GroupSizeError):
        trend(["1.0"], "rises")


@given(st.lists(st.integers(-1000, 1000), min_size=3, max_size=20))
def test_slope_is_least_squares(series):
    slope = np.polyfit(np.arange(len(series)), series, 1)[0]
    shown = float(trend([Decimal(x) for x in series], "rises").expected.split()[-1])
    assert shown == pytest.approx(slope, abs=5.1e-5)


# Headers


def reference(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(rng.normal([1, 2, 3, 4], 0.3, (15, 4)), index=range(2004, 2019), columns=list("abcd"))


@pytest.mark.parametrize("by", ["level", "correlation"])
@pytest.mark.parametrize("headers", [list("abcd"), list("badc"), list("bcda"), list("dbca")])
def test_planted_header_permutation_is_found(headers, by):
    true = reference()
    printed = true.set_axis(headers, axis=1).round(2).sample(frac=1, random_state=1)  # rows in any order
    found = match_headers(printed, true, by=by)
    assert found["column"].tolist() == headers
    assert found["assigned"].tolist() == list("abcd")
    as_headed = found["column"] == found["assigned"]
    assert (found["distance_as_headed"][as_headed] == found["distance"][as_headed]).all()
    assert (found["distance_as_headed"][~as_headed] > found["distance"][~as_headed]).all()


def test_no_reference_column_is_given_twice():
    true = reference()
    printed = pd.DataFrame({"x": true["a"], "y": true["a"] + 0.4})  # both nearest to a
    found = match_headers(printed, true)
    assert found["assigned"].tolist() == ["a", "b"]
    assert found["distance_as_headed"].isna().all()


def test_scale_does_not_matter_to_correlation():
    true = reference()
    found = match_headers(100 * true.set_axis(list("badc"), axis=1), true, by="correlation")
    assert found["assigned"].tolist() == list("abcd")


def test_tables_that_do_not_fit():
    true = reference()
    with pytest.raises(DomainError, match="same rows"):
        match_headers(true.iloc[1:], true)
    with pytest.raises(DomainError, match="too few columns"):
        match_headers(true, true[["a"]])
    with pytest.raises(DomainError, match="missing"):
        match_headers(true.where(true < 4), true)
    with pytest.raises(DomainError, match="constant"):
        match_headers(true.assign(a=1.0), true, by="correlation")


# The audit of a paper


def test_audit_is_a_tidy_frame():
    frame = check("p3")
    assert list(frame) == ["id", "item", "expected", "printed", "verdict", "meaning"]
    assert frame["id"].is_unique
    assert frame["id"].str.startswith("p3.audit.").all()
    assert (frame[["item", "printed", "meaning"]] != "").all(axis=None)


def test_summary_keeps_the_order_and_the_zeros():
    frame = check("p3")
    counted = summary(frame)
    assert counted["verdict"].tolist() == ["consistent", "rounding", "inconsistent", "not determined"]
    assert counted["checks"].sum() == len(frame)
    assert summary(frame[frame["verdict"] == "rounding"])["checks"].tolist()[::2] == [0, 0]
    with pytest.raises(KeyColumnError):
        summary(frame.drop(columns="verdict"))


def test_only_the_mean_of_g_is_a_misprint():
    found = misprints("p3")
    assert list(found) == ["p3.t2.mean.overall.gini", "p3.text.mean_overall_gini"]
    assert all("0.111" in sentence and "0.1179" in sentence for sentence in found.values())


@pytest.mark.parametrize("call", [check, misprints])
def test_unknown_paper(call):
    with pytest.raises(RegionError, match="no audit for 'p9'.*'p3'"):
        call("p9")
