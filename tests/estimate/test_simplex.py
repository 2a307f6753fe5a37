"""Least squares over the simplex: certificates, general solvers, ties, the gradient of the outer loss, bad input."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, nnls

from regiometrics.errors import ConvergenceError, DomainError, GroupSizeError
from regiometrics.estimate.simplex import (
    certificate,
    donor_weights,
    hull_distance,
    nested_weights,
    outer_loss,
    penalised,
    penalised_by_target,
    predictor_weights,
    search,
    simplex_least_squares,
    unique_weights,
)

seeds = st.integers(0, 2**32 - 1)


def problem(seed: int, *, rows: int, donors: int) -> tuple[np.ndarray, np.ndarray]:
    """Normal columns and a target inside or outside their hull; every fifth time with a donor twice."""
    rng = np.random.default_rng(seed)
    m, n = rng.integers(1, rows + 1), rng.integers(2, donors + 1)
    a = rng.normal(size=(m, n))
    if seed % 5 == 0:
        a[:, -1] = a[:, 0]
    return a, a @ rng.dirichlet(np.full(n, 0.3)) + rng.choice([0, 0.5, 3]) * rng.normal(size=m)


def by_general_solver(a: np.ndarray, b: np.ndarray, linear: np.ndarray) -> float:
    """The least value that scipy's SLSQP finds, at a point of the simplex."""
    n = a.shape[1]
    found = minimize(
        lambda w: ((a @ w - b) ** 2).sum() + linear @ w,
        np.full(n, 1 / n),
        jac=lambda w: 2 * a.T @ (a @ w - b) + linear,
        bounds=[(0, 1)] * n,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones(n)},
        method="SLSQP",
        options={"ftol": 1e-15, "maxiter": 500},
    )
    w = np.clip(found.x, 0, None)
    w /= w.sum()
    return float(((a @ w - b) ** 2).sum() + linear @ w)


def worst_slope(a: np.ndarray, b: np.ndarray, w: np.ndarray, linear: np.ndarray | float = 0.0) -> float:
    """Gradient on the support above the least entry of the gradient, in the units of the objective."""
    gradient = 2 * a.T @ (a @ w - b) + linear
    return float(gradient[w > 0].max() - gradient.min())


def test_a_thousand_problems_are_solved_to_1e_8_and_no_worse_than_by_a_general_solver():
    for seed in range(1000):
        a, b = problem(seed, rows=5, donors=9)
        fit = simplex_least_squares(a, b)
        assert fit.weights.min() >= 0 and abs(fit.weights.sum() - 1) < 1e-14
        assert max(fit.kkt, worst_slope(a, b, fit.weights)) < 1e-8
        assert fit.objective <= by_general_solver(a, b, np.zeros(a.shape[1])) + 1e-10


def test_a_thousand_larger_problems_are_solved_to_1e_8_and_no_worse_than_by_nnls():
    for seed in range(1000):
        a, b = problem(seed, rows=20, donors=100)
        fit = simplex_least_squares(a, b)
        heavy = 1e3 * np.abs(a).max()
        w = nnls(np.vstack([a, np.full(a.shape[1], heavy)]), np.append(b, heavy))[0]
        w /= w.sum()
        assert max(fit.kkt, worst_slope(a, b, fit.weights)) < 1e-8
        assert fit.objective <= ((a @ w - b) ** 2).sum() + 1e-12
        assert (fit.weights > 0).sum() <= len(b) + 1


def test_the_penalised_form_is_no_worse_than_by_a_general_solver_and_uses_few_donors():
    for seed in range(200):
        a, b = problem(seed, rows=5, donors=10)
        rng = np.random.default_rng(seed)
        distance = ((a - b[:, None]) ** 2).sum(axis=0)
        linear = rng.choice([1e-4, 0.1, 1]) * distance if seed % 3 else rng.uniform(size=a.shape[1])
        fit = penalised(a, b, linear)
        assert fit.objective <= by_general_solver(a, b, linear) + 1e-10
        assert worst_slope(a, b, fit.weights, linear) < 1e-8
        assert (fit.weights > 0).sum() <= len(b) + 1


def test_many_targets_have_the_weights_of_each_to_the_last_digit():
    rng = np.random.default_rng(3)
    for rows, donors in ((1, 2), (3, 40), (9, 98), (21, 30)):
        a, targets = rng.normal(size=(rows, donors)) + 0.5, rng.normal(size=(12, rows))
        targets[0] = a[:, 0]
        away = a[:, None, :] - targets.T[:, :, None]
        linear = 0.1 * (away**2).sum(axis=0)
        found = penalised_by_target(np.ascontiguousarray(away.transpose(1, 2, 0)), linear)
        for weights, target, prices in zip(found, targets, linear, strict=True):
            assert (weights == penalised(a, target, prices).weights).all()


def test_many_targets_are_refused_without_a_certificate():
    with pytest.raises(ConvergenceError, match="residual of nan"):
        penalised_by_target(np.array([[[np.nan], [1.0]]]), np.zeros((1, 2)))


@given(seeds)
@settings(max_examples=50, deadline=None)
def test_a_small_penalty_on_distance_picks_the_nearest_of_all_exact_fits(seed):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(2, 12))
    b = a @ rng.dirichlet(np.ones(12))
    distance = ((a - b[:, None]) ** 2).sum(axis=0)
    near, anywhere = penalised(a, b, 1e-7 * distance).weights, simplex_least_squares(a, b).weights
    assert np.allclose(a @ near, b, atol=1e-5)
    assert distance @ near <= distance @ anywhere + 1e-6


@given(seeds, st.floats(1e-3, 1e3))
@settings(max_examples=50, deadline=None)
def test_weights_do_not_depend_on_units_origin_or_order(seed, scale):
    rng = np.random.default_rng(seed)
    a, b, shift = rng.normal(size=(6, 9)), rng.normal(size=6) * 2, rng.normal(size=6)
    order = rng.permutation(9)
    w = simplex_least_squares(a, b).weights
    assert np.allclose(simplex_least_squares(scale * a, scale * b).weights, w, atol=1e-9)
    assert np.allclose(simplex_least_squares(a + shift[:, None], b + shift).weights, w, atol=1e-9)
    assert np.allclose(simplex_least_squares(a[:, order], b).weights, w[order], atol=1e-9)


def test_a_donor_that_equals_the_target_gets_all_weight():
    a = np.random.default_rng(0).normal(size=(5, 7))
    fit = simplex_least_squares(a, a[:, 3])
    assert fit.weights[3] == pytest.approx(1, abs=1e-12)
    assert fit.objective < 1e-24


def test_one_donor_and_no_row_have_their_only_answers():
    assert simplex_least_squares(np.ones((3, 1)), np.zeros(3)).weights.tolist() == [1.0]
    assert simplex_least_squares(np.empty((0, 2)), np.empty(0)).objective == 0
    assert penalised(np.zeros((1, 3)), np.zeros(1), np.array([2.0, 1.0, 3.0])).weights.tolist() == [0, 1, 0]


def test_nearly_collinear_rows_of_unlike_size_keep_their_certificate():
    rng = np.random.default_rng(1)
    for _ in range(50):
        base = rng.normal(size=(3, 40))
        a = np.vstack([base, base + 1e-6 * rng.normal(size=(3, 40)), 1e4 * rng.normal(size=(2, 40))])
        assert simplex_least_squares(a, a.mean(axis=1) + rng.normal(size=8)).kkt < 1e-8


# --- outer problem ---------------------------------------------------------------------------------------------------


def bilevel(seed: int, donors: int = 25, k: int = 5, periods: int = 8, shift: float = 1.0):
    """Distances of donors from a treated unit outside their hull: predictors and outcomes."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(donors + 1, 2))
    x = loadings @ rng.normal(size=(2, k)) + rng.normal(size=(donors + 1, k))
    x[0] += shift
    z = loadings @ rng.normal(size=(2, periods)) + 0.3 * rng.normal(size=(donors + 1, periods))
    return np.ascontiguousarray(x[1:] - x[0]), np.ascontiguousarray(z[1:] - z[0])


def loss_at(v: np.ndarray, x: np.ndarray, z: np.ndarray) -> float:
    w = simplex_least_squares((x * np.sqrt(v)).T, np.zeros(len(v))).weights
    return float(((w @ z) ** 2).mean())


def vertex(n: int) -> np.ndarray:
    return np.eye(n)[0].copy()


def test_the_gradient_of_the_outer_loss_equals_central_differences():
    checked = 0
    for seed in range(40):
        x, z = bilevel(seed, shift=2.0)
        assert hull_distance(x) > 0.1
        v = np.random.default_rng(seed).dirichlet(np.full(5, 2.0)) + 0.02
        weights = vertex(len(x))
        loss, gradient = outer_loss(v, x, z, weights)
        step = 1e-6
        ends = [(v + step * e, v - step * e) for e in np.eye(5)]
        supports = [
            tuple(np.flatnonzero(simplex_least_squares((x * np.sqrt(u)).T, np.zeros(5)).weights))
            for u in [v, *(u for pair in ends for u in pair)]
        ]
        if len(set(supports)) > 1:
            continue  # the loss has a kink where a donor enters
        slopes = [(loss_at(up, x, z) - loss_at(down, x, z)) / (2 * step) for up, down in ends]
        assert loss == pytest.approx(loss_at(v, x, z), rel=1e-10)
        assert np.allclose(gradient, slopes, rtol=1e-5, atol=1e-7 * np.abs(slopes).max() + 1e-9)
        checked += 1
    assert checked >= 30


def test_a_warm_and_a_cold_start_of_the_inner_problem_agree():
    x, z = bilevel(3)
    rng = np.random.default_rng(0)
    warm = vertex(len(x))
    for _ in range(50):
        v = rng.dirichlet(np.ones(5)) + 1e-4
        cold = vertex(len(x))
        assert outer_loss(v, x, z, warm)[0] == pytest.approx(outer_loss(v, x, z, cold)[0], rel=1e-9)
        assert np.allclose(warm, cold, atol=1e-9)


@given(seeds, st.floats(0, 0.1))
@settings(max_examples=30, deadline=None)
def test_predictor_weights_lie_on_the_simplex_above_their_floor(seed, floor):
    v = predictor_weights(np.random.default_rng(seed).normal(size=6) * 20, floor)
    assert v.sum() == pytest.approx(1) and v.min() >= floor


def test_the_search_is_no_worse_than_300_random_predictor_weights():
    rng = np.random.default_rng(5)
    for seed in range(3):
        x, z = bilevel(seed)
        _, near = certificate(x, z, 1e-4)
        starts, kicks = rng.normal(size=(12, 5)) * 2, rng.normal(size=(10, 5))
        found = nested_weights(x, z, v_min=1e-4, starts=starts, kicks=kicks, nearest_v=near)
        drawn = min(loss_at(rng.dirichlet(np.full(5, 0.5)) * (1 - 5e-4) + 1e-4, x, z) for _ in range(300))
        assert found.inner.loss <= drawn
        assert found.v.min() >= 1e-4 - 1e-12
        assert found.inner.loss == pytest.approx(loss_at(found.v, x, z), rel=1e-9)


def test_the_certificate_says_when_the_least_loss_can_be_reached():
    x, z = bilevel(0)
    bound, v = certificate(z, z, 0.0)  # outcomes as predictors: equal weights reach it
    assert donor_weights(v, z, z).loss == pytest.approx(bound, rel=1e-6)
    bound, v = certificate(x, z, 1e-4)
    assert bound <= min(loss_at(u, x, z) for u in np.random.default_rng(0).dirichlet(np.ones(5), 200))
    assert v.sum() == pytest.approx(1) and v.min() >= 1e-4 - 1e-9


# --- ties ------------------------------------------------------------------------------------------------------------


def test_tied_donor_weights_are_those_of_least_loss():
    for seed in range(8):
        x, z = bilevel(seed, donors=14, k=2, shift=0.0)
        if hull_distance(x) > 1e-9:
            continue
        fit = donor_weights(np.full(2, 0.5), x, z)
        n = len(x)
        other = minimize(
            lambda w, z=z: ((w @ z) ** 2).mean(),
            simplex_least_squares(x.T, np.zeros(2)).weights,
            jac=lambda w, z=z: 2 * z @ (w @ z) / z.shape[1],
            bounds=[(0, 1)] * n,
            constraints={"type": "eq", "fun": lambda w, x=x: np.append(w @ x, w.sum() - 1)},
            method="SLSQP",
            options={"ftol": 1e-14, "maxiter": 500},
        )
        assert fit.tied and np.abs(fit.weights @ x).max() < 1e-9 and fit.kkt < 1e-8
        assert fit.loss <= other.fun + 1e-9
        assert not unique_weights(np.full(2, 0.5), x, fit)


def test_ties_that_the_outcome_leaves_go_to_the_nearest_donors():
    x = np.array([[-1.0], [1.0], [-3.0], [3.0]])
    fit = donor_weights(np.ones(1), x, np.zeros((4, 2)))
    assert fit.weights == pytest.approx([0.5, 0.5, 0, 0], abs=1e-9)


def test_a_target_at_a_corner_of_the_hull_has_unique_weights():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(30, 2))
    x -= x[np.argmax(x[:, 0])]
    fit = donor_weights(np.full(2, 0.5), x, rng.normal(size=(30, 4)))
    assert fit.weights.max() == pytest.approx(1, abs=1e-9)
    assert unique_weights(np.full(2, 0.5), x, fit)


def test_a_predictor_without_weight_leaves_ties_to_the_others():
    x, z = bilevel(1, k=3, shift=0.0)
    fit = donor_weights(np.array([1.0, 0.0, 0.0]), x, z)
    assert fit.tied and abs(fit.weights @ x[:, 0]) < 1e-9
    assert fit.loss <= donor_weights(np.array([0.5, 0.5, 0.0]), x, z).loss + 1e-12


def test_without_numba_the_numbers_are_the_same():
    script = """
import sys
{block}
import numpy as np
from regiometrics.estimate.simplex import certificate, nested_weights, outer_loss, simplex_least_squares
rng = np.random.default_rng(4)
x, z = rng.normal(size=(15, 3)) + 1, rng.normal(size=(15, 6))
x[:, 0] += 2
loss, gradient = outer_loss(np.full(3, 1 / 3), x, z, np.eye(15)[0].copy())
near = certificate(x, z, 1e-4)[1]
found = nested_weights(x, z, v_min=1e-4, starts=np.zeros((1, 3)), kicks=np.eye(3)[:1], nearest_v=near)
print(loss, *gradient, *simplex_least_squares(x.T, np.zeros(3)).weights, found.inner.loss)
"""
    compiled, plain = (
        np.array(
            subprocess.run(
                [sys.executable, "-c", script.format(block=block)], capture_output=True, text=True, check=True
            ).stdout.split(),
            dtype=float,
        )
        for block in ("", "sys.modules['numba'] = None")
    )
    assert len(plain) == 20
    assert np.allclose(compiled[:-1], plain[:-1], atol=1e-11)
    # rounding steers the descent along a flat valley to another of its ends
    assert compiled[-1] == pytest.approx(plain[-1], rel=1e-6)


# --- bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.ones((2, 3)), np.ones(3), np.zeros(3)), DomainError, "shapes do not fit"),
        ((np.ones((2, 3)), np.ones(2), np.zeros(2)), DomainError, "shapes do not fit"),
        ((np.ones((2, 0)), np.ones(2), np.zeros(0)), GroupSizeError, "no donor"),
        ((np.full((2, 3), np.nan), np.ones(2), np.zeros(3)), DomainError, "finite"),
        ((np.ones((2, 3)), np.ones(2), np.array([0, np.inf, 0])), DomainError, "finite"),
    ],
)
def test_bad_input_is_named(arguments, error, message):
    with pytest.raises(error, match=message):
        penalised(*arguments)


def test_a_search_that_starts_at_an_exact_fit_ends_there():
    predictors = np.array([[0.0, 0.0], [1.0, 2.0], [-2.0, 1.0]])  # the first donor is the target
    outcomes = np.array([[0.0, 0.0, 0.0], [1.0, -1.0, 2.0], [0.5, 1.0, -1.0]])
    ends, losses = search(np.zeros((1, 2)), np.empty((0, 2)), 1e-4, predictors, outcomes, np.array([1.0, 0.0, 0.0]))
    assert losses.tolist() == [0.0]
    assert ends.tolist() == [[0.0, 0.0]]
