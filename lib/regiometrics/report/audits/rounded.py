"""A printed number as what it is: a value, the interval that rounds to it, and the verdict on two of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from numbers import Integral
from typing import Literal

from regiometrics.errors import DomainError

Printed = Decimal | int | str
Verdict = Literal["consistent", "rounding", "inconsistent", "not determined"]

VERDICTS: tuple[Verdict, ...] = ("consistent", "rounding", "inconsistent", "not determined")
MEANINGS: dict[Verdict, str] = {
    "consistent": "the printed numbers agree",
    "rounding": "the printed numbers agree once their rounding is allowed for",
    "inconsistent": "the printed numbers disagree, whatever their rounding",
    "not determined": "the printed numbers do not decide",
}
DECIMALS_SHOWN = 6


@dataclass(frozen=True, slots=True)
class Rounded:
    """A value and the closed interval of numbers that it may stand for.

    Sums, differences, products, quotients, absolute values, roots, powers of e and logarithms carry the interval along.
    A number that enters a formula twice counts as two, so an interval is at times too wide and never too narrow:
    the verdict "inconsistent" is safe.

    Attributes
    ----------
    value : Decimal
        The printed number, or what the formula makes of the printed numbers.
    low, high : Decimal
        Ends of the interval.

    Examples
    --------
    >>> share = 100 * Rounded.of("0.013") / Rounded.of("0.114")
    >>> f"{share.value:.2f} ({share.low:.2f} to {share.high:.2f})"
    '11.40 (10.92 to 11.89)'
    """

    value: Decimal
    low: Decimal
    high: Decimal

    @classmethod
    def of(cls, number: Printed | Rounded) -> Rounded:
        """The printed number with half a unit of its last decimal on either side."""
        if isinstance(number, Rounded):
            return number
        value = _decimal(number)
        half = Decimal(5).scaleb(-_decimals(value) - 1)
        return cls(value, value - half, value + half)

    @classmethod
    def exact(cls, number: Printed) -> Rounded:
        """A number that no rounding has touched, such as a count."""
        value = _decimal(number)
        return cls(value, value, value)

    @property
    def is_exact(self) -> bool:
        """Whether the interval is a point."""
        return self.low == self.high

    def __add__(self, other: Rounded | Decimal | int) -> Rounded:
        b = _operand(other)
        return Rounded(self.value + b.value, self.low + b.low, self.high + b.high)

    def __neg__(self) -> Rounded:
        return Rounded(-self.value, -self.high, -self.low)

    def __sub__(self, other: Rounded | Decimal | int) -> Rounded:
        return self + -_operand(other)

    def __rsub__(self, other: Decimal | int) -> Rounded:
        return -self + other

    def __mul__(self, other: Rounded | Decimal | int) -> Rounded:
        b = _operand(other)
        ends = [x * y for x in (self.low, self.high) for y in (b.low, b.high)]
        return Rounded(self.value * b.value, min(ends), max(ends))

    def __truediv__(self, other: Rounded | Decimal | int) -> Rounded:
        b = _operand(other)
        if b.low <= 0 <= b.high:
            raise DomainError(f"the divisor {b.value} may be zero", remedy="such a quotient is not determined")
        return self * Rounded(1 / b.value, 1 / b.high, 1 / b.low)

    def __rtruediv__(self, other: Decimal | int) -> Rounded:
        return _operand(other) / self

    __radd__ = __add__
    __rmul__ = __mul__

    def __abs__(self) -> Rounded:
        low, high = sorted((abs(self.low), abs(self.high)))
        return Rounded(abs(self.value), Decimal(0) if self.low <= 0 <= self.high else low, high)

    def sqrt(self) -> Rounded:
        """The root of the part of the interval that is not negative."""
        low, value, high = (max(x, Decimal(0)).sqrt() for x in (self.low, self.value, self.high))
        return Rounded(value, low, high)

    def exp(self) -> Rounded:
        """The number of which this is the natural logarithm."""
        return Rounded(self.value.exp(), self.low.exp(), self.high.exp())

    def ln(self) -> Rounded:
        """The natural logarithm of a number that is positive within its rounding."""
        if self.low <= 0:
            raise DomainError(f"{self.value} may be zero or less", remedy="such a logarithm is not determined")
        return Rounded(self.value.ln(), self.low.ln(), self.high.ln())

    def show(self, decimals: int) -> str:
        """The value with its interval, or the value alone where it is exact."""
        decimals = min(decimals, DECIMALS_SHOWN)
        if self.is_exact:
            return f"{self.value:.{decimals}f}"
        return f"{self.value:.{decimals}f} ({self.low:.{decimals}f} to {self.high:.{decimals}f})"


@dataclass(frozen=True, slots=True)
class Check:
    """What other printed numbers ask for, what is printed, and the verdict.

    Attributes
    ----------
    expected, printed : str
        As a reader would write them; ``expected`` shows the interval that rounding leaves open.
    verdict : {"consistent", "rounding", "inconsistent", "not determined"}
        "consistent": equal at the printed precision (or the bound holds for the numbers as printed).
        "rounding": equal for some numbers that round to the printed inputs.
        "inconsistent": for none.
        "not determined": the printed numbers do not decide.
    meaning : str
        One sentence for the reader.
    """

    expected: str
    printed: str
    verdict: Verdict
    meaning: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "meaning", self.meaning or MEANINGS[self.verdict])


@dataclass(frozen=True, slots=True)
class Finding:
    """A check in the audit of a paper.

    Attributes
    ----------
    id, item : str
        Its name, ``p3.audit.t2.mean.overall``, and what is compared.
    check : Check
        The outcome.
    proven_wrong : tuple of str
        Ids of the printed numbers that cannot be right, because other printed numbers that agree among themselves
        contradict them; empty where the fault could lie on either side.
    """

    id: str
    item: str
    check: Check
    proven_wrong: tuple[str, ...] = ()


def equal(expected: Rounded, printed: Printed | Rounded, meaning: str = "") -> Check:
    """The printed number against what it should be; ``meaning`` is said where they disagree.

    Examples
    --------
    >>> equal(Rounded.of("0.064") + Rounded.of("0.037"), "0.102").verdict
    'rounding'
    """
    number = Rounded.of(printed)
    if number.low <= expected.value <= number.high:
        verdict: Verdict = "consistent"
    else:
        verdict = "rounding" if expected.low <= number.high and number.low <= expected.high else "inconsistent"
    return _check("", expected, number, verdict, meaning)


def at_most(printed: Printed | Rounded, bound: Rounded, meaning: str = "") -> Check:
    """The printed number against an upper bound; ``meaning`` is said where the bound is broken.

    Examples
    --------
    >>> check = at_most("0.12", Rounded.of("0.119"))
    >>> check.expected, check.verdict
    ('≤ 0.119 (0.118 to 0.120)', 'rounding')
    """
    number = Rounded.of(printed)
    return _bounded("≤ ", bound, number, bound - number, meaning)


def at_least(printed: Printed | Rounded, bound: Rounded, meaning: str = "") -> Check:
    """The printed number against a lower bound; ``meaning`` is said where the bound is broken."""
    number = Rounded.of(printed)
    return _bounded("≥ ", bound, number, number - bound, meaning)


def within(printed: Printed | Rounded, low: Rounded, high: Rounded, meaning: str = "") -> Check:
    """The printed number against a range; ``meaning`` is said where it lies outside.

    Examples
    --------
    >>> check = within("0.357", Rounded.of("0.023"), Rounded.of("0.113"))
    >>> check.expected, check.verdict
    ('0.023 to 0.113', 'inconsistent')
    """
    verdict = worst([at_least(printed, low), at_most(printed, high)])
    number = Rounded.of(printed).value
    shown = f"{low.value:f} to {high.value:f}"
    return Check(shown, f"{number:f}", verdict, meaning if verdict == "inconsistent" else "")


def worst(checks: Iterable[Check]) -> Verdict:
    """The gravest verdict among checks that are all determined."""
    return max((check.verdict for check in checks), key=VERDICTS.index)


def _bounded(sign: str, bound: Rounded, number: Rounded, slack: Rounded, meaning: str) -> Check:
    verdict: Verdict = "consistent" if slack.value >= 0 else "rounding" if slack.high >= 0 else "inconsistent"
    return _check(sign, bound, number, verdict, meaning)


def _check(sign: str, expected: Rounded, number: Rounded, verdict: Verdict, meaning: str) -> Check:
    """One decimal more than printed, so that the reader sees where rounding would go; exact numbers as they are."""
    exact = expected.is_exact or number.is_exact
    shown = expected.show(_decimals(expected.value) if exact else _decimals(number.value) + 1)
    return Check(f"{sign}{shown}", f"{number.value:f}", verdict, meaning if verdict == "inconsistent" else "")


def _operand(number: Rounded | Decimal | int) -> Rounded:
    return number if isinstance(number, Rounded) else Rounded.exact(number)


def _decimal(number: Printed) -> Decimal:
    if isinstance(number, Decimal | str | Integral):
        try:
            value = Decimal(number if isinstance(number, Decimal | str) else int(number))
        except InvalidOperation:
            value = Decimal("NaN")
        if value.is_finite():
            return value
    raise DomainError(
        f"{number!r} is no printed number",
        remedy="pass it as printed, a text such as '0.090' or a Decimal: a float has lost its printed decimals",
    )


def _decimals(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)  # finite
    return max(0, -exponent)
