from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from regiometrics.errors import GroupSizeError
from regiometrics.report.audits.identities import added_regressor, contrast, indicator, intercept

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
