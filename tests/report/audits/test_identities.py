from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regiometrics.errors import DomainError, GroupSizeError
from regiometrics.report.audits.identities import (
    added_regressor,
    contrast,
    indicator,
    intercept,
    mixing_share,
    sobel,
    whole_numbers,
)
from regiometrics.report.audits.rounded import Rounded

AGREE = ("consistent", "rounding")


def as_printed(value: float, places: int) -> str:
    return f"{value:.{places}f}"


def least_squares(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Coefficients, classical standard errors and R squared; the constant comes first."""
    design = np.column_stack([np.ones(len(y)), x])
    coef = np.linalg.solve(design.T @ design, design.T @ y)
    residual = y - design @ coef
    variance = residual @ residual / (len(y) - design.shape[1]) * np.linalg.inv(design.T @ design)
    return coef, np.sqrt(np.diag(variance)), 1 - residual.var() / y.var()


def sample(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal([1.0, 5.0, -2.0], 1.0, (80, 3))
    return x, x @ [0.5, 0.2, 0.4] + rng.normal(0, 1, 80)


# A variable with the values 0 and 1


@given(st.integers(2, 6000), st.floats(0, 1), st.integers(2, 6))
def test_any_indicator_passes(n, share, places):
    values = np.arange(n) < share * n
    assert indicator(as_printed(values.mean(), places), as_printed(values.std(ddof=1), places), n).verdict in AGREE


def test_an_indicator_has_no_other_deviation():
    assert indicator("0.0604", "0.2383", 5480).verdict == "rounding"
    assert indicator("0.0604", "0.2385", 5480).verdict == "inconsistent"
    with pytest.raises(GroupSizeError):
        indicator("0.5", "0.5", n=1)


# The constant


@given(st.integers(0, 10**6), st.integers(2, 6))
def test_constant_of_least_squares_passes(seed, places):
    x, y = sample(seed)
    coef, _, _ = least_squares(x, y)
    slopes = [(as_printed(b, places), as_printed(m, places)) for b, m in zip(coef[1:], x.mean(axis=0), strict=True)]
    assert intercept(as_printed(y.mean(), places), slopes, as_printed(coef[0], places)).verdict in AGREE
    wrong = as_printed(coef[0] + 0.2, places)
    if places > 3:
        assert intercept(as_printed(y.mean(), places), slopes, wrong).verdict == "inconsistent"


def test_constant_with_added_back_means_is_the_constant_of_absorbed_effects():
    """With effects that sum to zero over the observations, least squares has this constant."""
    rng = np.random.default_rng(1)
    d, y = rng.normal(0.3, 1, (6, 4)), rng.normal(2, 1, (6, 4))
    d_, y_ = (v - v.mean(1, keepdims=True) - v.mean(0) + 2 * v.mean() for v in (d, y))
    coef, _, _ = least_squares(d_.ravel(), y_.ravel())
    check = intercept(as_printed(y.mean(), 6), [(as_printed(coef[1], 6), as_printed(d.mean(), 6))], f"{coef[0]:.5f}")
    assert check.verdict in AGREE


def test_a_constant_alone_is_the_mean():
    assert intercept("0.5431", [], "0.543").verdict == "consistent"


# The classical t value of an added regressor


@given(st.integers(0, 10**6), st.integers(3, 7))
def test_classical_error_obeys_the_rise_of_r_squared(seed, places):
    x, y = sample(seed)
    _, _, without = least_squares(x[:, :2], y)
    coef, error, r2 = least_squares(x, y)
    numbers = (as_printed(v, places) for v in (without, r2, coef[3], error[3]))
    assert added_regressor(*numbers, df=76).verdict in AGREE


@given(st.integers(0, 10**6), st.floats(1.05, 3))
def test_another_error_does_not(seed, inflation):
    x, y = sample(seed)
    _, _, without = least_squares(x[:, :2], y)
    coef, error, r2 = least_squares(x, y)
    assume(abs(coef[3]) > 0.05)
    numbers = (as_printed(v, 7) for v in (without, r2, coef[3], inflation * error[3]))
    assert added_regressor(*numbers, df=76).verdict == "inconsistent"


def test_equal_r_squared_leaves_room_for_a_small_t():
    assert added_regressor("0.892", "0.892", "0.0335", "0.0170", df=5182).verdict == "rounding"
    assert added_regressor("0.8920", "0.8920", "0.0335", "0.0100", df=5182).verdict == "inconsistent"
    assert added_regressor("0.89", "1.00", "0.0335", "0.0170", df=100).verdict == "not determined"
    assert added_regressor("0.89", "0.90", "0.0335", "0.000", df=100).verdict == "not determined"


# Two estimates


def test_contrast_verdicts():
    assert contrast("1.000", "0.100", "0.000", "0.100").verdict == "consistent"
    assert contrast("0.100", "0.100", "0.000", "0.100").verdict == "not determined"
    assert contrast("0.9", "0.4", "0.0", "0.3").verdict == "rounding"  # z is 1.80, and up to 2.34
    assert contrast("0.9", "0.0", "0.0", "0.3").verdict == "not determined"


def test_contrast_has_no_direction_and_no_use_for_stars():
    forth, back = contrast("0.25", "0.10", "0.12", "0.10"), contrast("0.12", "0.10", "0.25", "0.10")
    assert forth.verdict == back.verdict == "not determined"  # the first has two stars, the second none
    assert forth.printed == back.printed == "|z| = 0.92"
    assert "leave open whether the two differ" in forth.meaning


def test_contrast_of_the_printed_values_decides_and_rounding_only_helps():
    check = contrast("0.9", "0.4", "0.0", "0.2")
    assert check.verdict == "consistent"
    assert check.meaning.endswith("|z| is 2.01 (1.55 to 2.63)")


# Shares of groups, from their means


@given(st.integers(1, 200), st.integers(1, 200), st.integers(0, 10**6), st.integers(1, 5))
def test_share_of_two_groups_is_recovered(first, second, seed, places):
    rng = np.random.default_rng(seed)
    values = np.r_[rng.uniform(4, 6, first), rng.uniform(0, 2, second)]
    means = (values.mean(), values[:first].mean(), values[first:].mean())
    share = mixing_share(*(as_printed(x, places) for x in means))
    assert share.low <= share.value <= share.high
    assert first in whole_numbers((first + second) * share)


def test_interval_of_a_share_is_exact():
    """Its ends are attained by numbers that round to the printed ones, and no such number goes beyond."""
    share = mixing_share("0.281", "0.259", "0.326")
    grid = [np.linspace(x - 0.0005, x + 0.0005, 21) for x in (0.281, 0.259, 0.326)]
    whole, first, second = np.meshgrid(*grid)
    found = (whole - second) / (first - second)
    assert (float(share.low), float(share.high)) == pytest.approx((found.min(), found.max()), rel=1e-12)


def test_groups_that_may_have_one_mean_have_no_share():
    with pytest.raises(DomainError, match="may be equal"):
        mixing_share("0.50", "0.50", "0.51")
    assert mixing_share("0.50", "0.50", "0.52").high > 1  # within rounding the whole may be the first group


def test_whole_numbers_in_an_interval():
    assert whole_numbers(Rounded.of("3")) == [3]
    assert whole_numbers(Rounded.of("-0.5") * 4) == [-2]
    assert whole_numbers(Rounded.exact("2.5")) == []
    assert whole_numbers(Rounded.exact("0.3") * Rounded.of("10")) == [3]


# An indirect effect


@given(st.floats(0.3, 20), st.floats(0.3, 20), st.sampled_from([-1, 1]))
def test_z_of_a_product_is_that_of_the_delta_method(t_a, t_b, sign):
    """With errors of one, a = t_a and b = t_b: z = ab / sqrt(a^2 + b^2)."""
    a, b = float(as_printed(t_a, 2)), float(as_printed(t_b, 2))
    z = sobel(as_printed(sign * t_a, 2), as_printed(t_b, 2))
    assert float(z.value) == pytest.approx(a * b / np.hypot(a, b), rel=1e-12)
    assert z.low < z.value < z.high
    assert z.value <= min(Rounded.of(as_printed(t, 2)).value for t in (t_a, t_b))


def test_z_of_a_product_needs_two_t_values_apart_from_zero():
    with pytest.raises(DomainError, match="zero"):
        sobel("0.00", "2.00")
