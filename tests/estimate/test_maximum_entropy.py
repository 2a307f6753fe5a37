"""The nearest table meets the first-order conditions, and what follows from them; bad bounds are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, minimize

from regiometrics.errors import ConvergenceError, DomainError, InfeasibleError
from regiometrics.estimate.maximum_entropy import Constraints, _least_squares, nearest_table

CELL = np.eye(2)
SUM = np.ones((1, 2))


def bounds(rows, low, high=None):
    """Rows with names; equations unless an upper bound is given."""
    low = np.asarray(low, dtype=float)
    high = low if high is None else np.asarray(high, dtype=float)
    return Constraints(tuple(f"row {i}" for i in range(len(rows))), np.asarray(rows, dtype=float), low, high)


def around(rng, shape, n_equal, n_below):
    """A random table, and rows that hold there, those of inequalities with room."""
    inside = rng.uniform(0.5, 2.0, shape)
    rows = rng.standard_normal((n_equal + n_below, inside.size))
    at = rows @ inside.ravel()
    low = at - np.r_[np.zeros(n_equal), rng.uniform(0.0, 0.5, n_below)]
    return inside, bounds(rows, low, np.r_[at[:n_equal], np.full(n_below, np.inf)])


def distance(x, prior):
    return (x * np.log(x / prior) - x + prior).sum()


def margins(shape):
    """Sums by row and by column, all but the last, which follows."""
    n, m = shape
    return np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))[:-1]])


# the solution


def planted(seed):
    """A table, a prior and bounds of every kind whose solution it is, by the first-order conditions."""
    rng = np.random.default_rng(seed)
    table, rows = rng.uniform(0.5, 2.0, (3, 6)), rng.standard_normal((11, 18)) / 3
    multipliers = np.r_[rng.standard_normal(3), rng.uniform(0.1, 1.0, 2), -rng.uniform(0.1, 1.0, 2), np.zeros(4)]
    at, room = rows @ table.ravel(), rng.uniform(0.1, 0.5, (2, 11))
    equal, below, above, open_ = [0, 1, 2], [3, 4], [5, 6], np.inf
    room[0, equal + below] = room[1, equal + above] = 0.0
    low, high = at - room[0], at + room[1]
    low[6], high[4], low[8], high[9] = -open_, open_, -open_, open_  # some of each kind with one bound only
    low[10], high[10] = -open_, open_
    prior = table * np.exp(-(multipliers @ rows).reshape(table.shape))
    return table, prior, bounds(rows, low, high), rows, multipliers


@example(4)  # the corrector alone goes round in circles
@settings(max_examples=20)
@given(st.integers(0, 10_000))
def test_a_table_that_meets_the_first_order_conditions_is_returned(seed):
    table, prior, said, rows, multipliers = planted(seed)
    found = nearest_table(prior, said)
    np.testing.assert_allclose(found, table, rtol=1e-7)
    back = np.linalg.lstsq(rows[:7].T, np.log(found / prior).ravel())[0]
    np.testing.assert_allclose(back, multipliers[:7], atol=1e-6)


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_any_other_table_inside_the_bounds_is_as_far_as_by_way_of_the_nearest(seed):
    """Csiszar's inequality for projections, an equality where all rows are equations."""
    rng = np.random.default_rng(seed)
    inside, said = around(rng, (3, 6), 3, 5)
    prior = rng.uniform(0.2, 3.0, (3, 6))
    x = nearest_table(prior, said)
    reached = said.rows @ x.ravel()
    assert (x > 0).all() and (reached >= said.low - 1e-9).all() and (reached <= said.high + 1e-9).all()
    assert distance(inside, prior) >= distance(inside, x) + distance(x, prior) - 1e-9
    equations = bounds(said.rows[:3], said.low[:3])
    x = nearest_table(prior, equations)
    assert distance(inside, prior) == pytest.approx(distance(inside, x) + distance(x, prior), abs=1e-8)


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
def test_nearest_table_is_that_of_a_general_optimiser(method):
    rng = np.random.default_rng(3)
    _, said = around(rng, (2, 4), 2, 3)
    prior = rng.uniform(0.5, 2.0, 8)
    options = {
        "SLSQP": {"ftol": 1e-14, "maxiter": 500},
        "trust-constr": {"gtol": 1e-13, "xtol": 1e-16, "barrier_tol": 1e-12},
    }
    slow = minimize(
        lambda x: distance(x, prior),
        prior,
        jac=lambda x: np.log(x / prior),
        hess=(lambda x: np.diag(1 / x)) if method == "trust-constr" else None,
        bounds=Bounds(1e-9, np.inf),
        constraints=[LinearConstraint(said.rows[k], said.low[k], said.high[k]) for k in (slice(2), slice(2, 5))],
        method=method,
        options=options[method],
    )
    assert slow.success
    found = nearest_table(prior, said)
    np.testing.assert_allclose(found, slow.x, atol=2e-6)
    assert (said.rows @ found - said.low)[2:].min() < 1e-9  # a bound of an inequality binds


@pytest.mark.parametrize("repeated", [False, True])
def test_margins_alone_give_the_table_of_iterative_proportional_fitting(repeated):
    rng = np.random.default_rng(0)
    prior, target = rng.uniform(0.1, 2.0, (4, 5)), rng.uniform(0.1, 2.0, (4, 5))
    rows = margins((4, 5))
    if repeated:  # the last column, which follows from the others, and a sum twice
        rows = np.vstack([rows, np.kron(np.ones(4), np.eye(5))[-1:], 2 * rows[:1]])
    ras = prior.copy()
    for _ in range(500):
        ras *= (target.sum(axis=1) / ras.sum(axis=1))[:, None]
        ras *= target.sum(axis=0) / ras.sum(axis=0)
    found = nearest_table(prior, bounds(rows, rows @ target.ravel()))
    np.testing.assert_allclose(found, ras, rtol=1e-9)


def test_bounds_by_hand():
    """A sum scales the prior, a floor of a cell takes from the others in proportion, a cap gives to them."""
    prior = np.array([1.0, 2.0, 3.0])
    rows = np.vstack([np.ones(3), np.eye(3)[0]])
    np.testing.assert_allclose(nearest_table(prior, bounds(rows[:1], [3.0])), prior / 2, rtol=1e-9)
    floor = nearest_table(prior, bounds(rows, [3.0, 1.0], [3.0, np.inf]))
    np.testing.assert_allclose(floor, [1.0, 0.8, 1.2], rtol=1e-9)
    cap = nearest_table(prior, bounds(rows, [3.0, -np.inf], [3.0, 0.25]))
    np.testing.assert_allclose(cap, [0.25, 1.1, 1.65], rtol=1e-9)


def test_a_prior_that_agrees_is_returned():
    prior = np.random.default_rng(1).uniform(0.5, 2.0, (3, 4))
    rows = np.vstack([np.ones(12), np.eye(12)[0]])
    low = np.array([prior.sum(), prior.ravel()[0] - 0.1])
    found = nearest_table(prior, bounds(rows, low, [prior.sum(), np.inf]))
    np.testing.assert_allclose(found, prior, rtol=1e-8)
    np.testing.assert_array_equal(nearest_table(prior, bounds(np.empty((0, 12)), [])), prior)


@pytest.mark.parametrize("scale", [0.01, 100.0])
def test_scale_of_prior_and_bounds_is_that_of_the_table(scale):
    rng = np.random.default_rng(2)
    _, said = around(rng, (3, 6), 3, 5)
    prior = rng.uniform(0.2, 3.0, (3, 6))
    scaled = replace(said, low=scale * said.low, high=scale * said.high)
    np.testing.assert_allclose(nearest_table(scale * prior, scaled), scale * nearest_table(prior, said), rtol=1e-8)


def test_scale_and_order_of_the_rows_do_not_matter():
    rng = np.random.default_rng(4)
    _, said = around(rng, (3, 6), 3, 5)
    prior, order = rng.uniform(0.2, 3.0, (3, 6)), rng.permutation(8)
    size = rng.uniform(0.2, 5.0, 8)
    turned = bounds((size[:, None] * said.rows)[order], (size * said.low)[order], (size * said.high)[order])
    np.testing.assert_allclose(nearest_table(prior, turned), nearest_table(prior, said), rtol=1e-8)


@settings(max_examples=30)
@given(st.integers(0, 10_000), st.integers(0, 8), st.integers(0, 3))
def test_multipliers_of_equations_that_repeat_each_other_are_the_shortest(seed, n, missing):
    rng = np.random.default_rng(seed)
    half = rng.standard_normal((n, max(n - missing, 0)))
    square, right = half @ half.T, rng.standard_normal(n)
    slow = np.linalg.lstsq(square, right)[0]
    np.testing.assert_allclose(_least_squares(square, right), slow, rtol=1e-9, atol=1e-12)


def test_bounds_without_an_equation():
    rows = np.vstack([np.ones(3), np.eye(3)[0]])
    found = nearest_table(np.array([1.0, 2.0, 3.0]), bounds(rows, [12.0, -np.inf], [np.inf, 1.5]))
    np.testing.assert_allclose(found, [1.5, 4.2, 6.3], rtol=1e-9)


# what cannot be solved


@pytest.mark.parametrize("wrong", [0.0, -1.0, np.nan, np.inf])
def test_a_prior_that_is_not_positive_and_finite_is_refused(wrong):
    with pytest.raises(DomainError, match="positive and finite.*Remedy: give every cell"):
        nearest_table(np.array([1.0, wrong]), bounds(SUM, [1.0]))


@pytest.mark.parametrize(
    ("rows", "low", "high", "named"),
    [
        (np.vstack([SUM, CELL[:1]]), [1.0, 2.0], [1.0, np.inf], "row [01] by 1"),  # a part above its sum
        (np.vstack([SUM, SUM]), [1.0, 2.0], [1.0, 2.0], "row [01] by 1"),  # equations
        (SUM, [-1.0], [-1.0], "row 0 by 1"),  # no table is negative
        (SUM, [2.0], [1.0], "row 0 by 0.5"),  # no number is above 2 and below 1
        (np.vstack([SUM, CELL]), [1.0, 0.2, -np.inf], [np.inf, np.inf, -0.3], "row 2 by 0.3"),
    ],
)
def test_bounds_that_contradict_each_other_are_named(rows, low, high, named):
    with pytest.raises(InfeasibleError, match=f"no table agrees.*{named}.*Remedy: correct a target") as caught:
        nearest_table(np.array([1.0, 2.0]), bounds(rows, low, high))
    assert len(caught.value.keys) == 1


def test_too_few_steps_are_no_contradiction():
    with pytest.raises(ConvergenceError, match="residual"):
        nearest_table(np.array([1.0, 2.0]), bounds(SUM, [1.0]), max_iter=1)


def test_bounds_that_cannot_be_read_are_refused():
    with pytest.raises(DomainError, match=r"not a number \(1 row: row 1\)"):
        bounds(CELL, [0.0, np.nan], [1.0, 1.0])
    with pytest.raises(DomainError, match=r"number \[1, 2, 2, 2\]"):
        Constraints(("a",), CELL, np.zeros(2), np.ones(2))
    with pytest.raises(DomainError, match=r"3 cells, the rows are of shape \(1, 2\)"):
        nearest_table(np.ones(3), bounds(SUM, [1.0]))
