from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regiometrics.errors import DomainError
from regiometrics.report.audits.rounded import VERDICTS, Check, Rounded, at_least, at_most, equal, within, worst

DIGITS = Decimal("1E-20")  # quotients and roots are cut at 28 digits
values = st.decimals(min_value=-50, max_value=50, places=6, allow_nan=False)


def test_printed_decimals_set_the_interval():
    assert Rounded.of("0.090") == Rounded(Decimal("0.090"), Decimal("0.0895"), Decimal("0.0905"))
    assert Rounded.of("0.09").low == Decimal("0.085")
    assert Rounded.of(30).low == Decimal("29.5")
    assert Rounded.exact(30).is_exact
    assert Rounded.of("0.12345678").high - Decimal("0.12345678") == Decimal("5E-9")


@pytest.mark.parametrize("number", [0.09, None, "", "n.a.", Decimal("NaN"), "inf"])
def test_what_is_no_printed_number_is_refused(number):
    with pytest.raises(DomainError, match="no printed number"):
        Rounded.of(number)


@given(values, values, st.integers(0, 4))
def test_intervals_hold_what_the_true_numbers_give(x, y, places):
    a, b = (Rounded.of(f"{value:.{places}f}") for value in (x, y))
    results = [(a + b, x + y), (a - b, x - y), (a * b, x * y), (abs(a), abs(x)), (3 - a, 3 - x)]
    if not b.low <= 0 <= b.high:
        results.append((a / b, x / y))
    if x >= 0:
        results.append((a.sqrt(), x.sqrt()))
    results.append((a.exp(), x.exp()))
    if a.low > 0:
        results.append((a.ln(), x.ln()))
    for interval, truth in results:
        assert interval.low - DIGITS <= truth <= interval.high + DIGITS
        assert interval.low <= interval.value <= interval.high


def test_division_by_what_may_be_zero():
    with pytest.raises(DomainError, match="may be zero"):
        1 / Rounded.of("0.000")
    with pytest.raises(DomainError, match="may be zero or less"):
        Rounded.of("0.000").ln()


def test_verdicts_of_equality():
    third = 1 / Rounded.exact(3)
    assert equal(third, "0.333").verdict == "consistent"
    assert equal(third, "0.334").verdict == "inconsistent"
    total = Rounded.of("0.4") + Rounded.of("0.4")
    assert [equal(total, printed).verdict for printed in ("0.8", "0.9", "1.0")] == [
        "consistent",
        "rounding",
        "inconsistent",
    ]
    assert equal(total, "1.0", "why").meaning == "why"
    assert equal(total, "0.9", "why").meaning != "why"


def test_verdicts_of_bounds():
    bound = Rounded.of("0.50")
    assert [at_most(x, bound).verdict for x in ("0.50", "0.51", "0.52")] == ["consistent", "rounding", "inconsistent"]
    assert [at_least(x, bound).verdict for x in ("0.50", "0.49", "0.48")] == ["consistent", "rounding", "inconsistent"]
    assert at_least(3, Rounded.exact(2)).expected == "≥ 2"


def test_verdicts_of_a_range():
    ends = Rounded.of("0.50"), Rounded.of("0.60")
    printed = ("0.50", "0.55", "0.49", "0.61", "0.48", "0.62")
    assert [within(x, *ends).verdict for x in printed] == [
        *["consistent"] * 2,
        *["rounding"] * 2,
        *["inconsistent"] * 2,
    ]
    assert within("0.62", *ends, "why").meaning == "why"
    assert within("0.61", *ends, "why").meaning != "why"


def test_worst_follows_the_fixed_order():
    checks = [Check("", "", verdict) for verdict in VERDICTS[:3]]
    assert worst(checks) == "inconsistent"
    assert worst(checks[:2]) == "rounding"
