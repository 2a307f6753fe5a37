"""Least squares over the simplex, and the search for the predictor weights of a synthetic control.

Inner problem, given predictor weights v: donor weights w that bring the donors' predictors nearest to the treated
unit's. It is solved by an active-set method on the few donors with positive weight and certified by its
Karush-Kuhn-Tucker conditions. Outer problem: the v whose w predicts the outcome best before treatment. On a fixed set
of donors w is a smooth function of v, so that one small linear system gives the gradient of the outer loss.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from scipy.optimize import linprog

from regiometrics.errors import ConvergenceError, DomainError, GroupSizeError

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.intp]
Function = TypeVar("Function", bound=Callable[..., object])

OPTIMAL = 1e-13  # reduced gradient, relative to the largest entry of the problem, that counts as zero
DEPENDENT = 1e-11  # share of a column's square that must lie outside the span of the support
EXACT = 1e-8  # distance from the donors' hull, in standard deviations of the predictors, that counts as none
HEAVY, ROUNDS, MISSED = 30.0, 100, 1e-11  # weight of rows that must be met, rounds to meet them, what they may miss
TIED = 1e-7  # reduced gradient below which a donor could take part in a solution
SMALLEST = 1e-7  # floor of the predictor weights in the search, where none is asked for
SHORT, LONG, FINALISTS, KICKS = 40, 200, 5, 20  # evaluations of a first and of a last descent; descents after the first
REACH = 4.0  # longest first step of a line search, in logarithms of predictor weights
CERTIFIED = 1e-8  # largest Karush-Kuhn-Tucker residual of a solution that is handed out


def _compiled(function: Function) -> Function:
    """The function as machine code where numba is installed, and as it is where not."""
    try:
        numba = import_module("numba")
    except ImportError:
        return function
    return numba.njit(cache=True, nogil=True)(function)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class SimplexFit:
    """A minimiser over the simplex and its certificate.

    Attributes
    ----------
    weights : ndarray, shape (n,)
        Non-negative, adding up to one.
    objective : float
        The least value, in squared units of ``b``.
    kkt : float
        Largest violation of the optimality conditions: the gradient on the support above its least entry, relative to
        the largest squared distance between a column and ``b``; the sum less one; a negative weight.
    """

    weights: Floats = field(repr=False)
    objective: float
    kkt: float


def simplex_least_squares(a: Floats, b: Floats) -> SimplexFit:
    r"""Weights ``w >= 0`` that add up to one and minimise ``||a w - b||²``.

    Parameters
    ----------
    a : ndarray, shape (m, n)
        One column per donor.
    b : ndarray, shape (m,)
        Target, in the units of ``a``.

    Raises
    ------
    DomainError
        Shapes that do not fit, or values that are not finite.
    GroupSizeError
        No column.
    ConvergenceError
        No certificate of the solution.

    Notes
    -----
    Wolfe (1976), "Finding the nearest point in a polytope", Mathematical Programming 11. Where several weights give the
    least value, the one found has at most ``m + 1`` positive entries.

    Examples
    --------
    >>> fit = simplex_least_squares(np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), np.array([0.25, -1.0]))
    >>> fit.weights.round(12).tolist(), round(fit.objective, 12)
    ([0.75, 0.25, 0.0], 1.0)
    """
    return penalised(a, b, np.zeros(np.shape(a)[-1]))


def penalised(a: Floats, b: Floats, linear: Floats) -> SimplexFit:
    r"""Weights ``w >= 0`` that add up to one and minimise ``||a w - b||² + linear' w``.

    Parameters
    ----------
    a : ndarray, shape (m, n)
        One column per donor.
    b : ndarray, shape (m,)
        Target, in the units of ``a``.
    linear : ndarray, shape (n,)
        Price of one unit of weight on each donor, in squared units of ``a``.

    Raises
    ------
    DomainError
        Shapes that do not fit, or values that are not finite.
    GroupSizeError
        No column.
    ConvergenceError
        No certificate of the solution.

    Notes
    -----
    With ``linear = penalty * ||a_j - b||²`` this is the penalised synthetic control of Abadie and L'Hour (2021, JASA
    116), eq (5), whose solution is unique for almost all data and has at most ``m + 1`` positive entries.

    Examples
    --------
    >>> a, b = np.array([[0.0, 1.0, 5.0]]), np.array([0.25])
    >>> penalised(a, b, 0.5 * (a[0] - b) ** 2).weights.round(12).tolist()
    [0.875, 0.125, 0.0]
    """
    a, b, linear = _checked(a, b, linear)
    points = np.ascontiguousarray((a - b[:, None]).T)
    weights = nearest_vertex(points, linear)
    active_set(points, linear, weights)
    kkt = kkt_residual(points, linear, weights)
    _require_certified(kkt)
    objective = float(((weights @ points) ** 2).sum() + linear @ weights)
    return SimplexFit(weights, objective, kkt)


def penalised_by_target(points: Floats, linear: Floats) -> Floats:
    """The weights of `penalised` for many targets, (targets, donors).

    Parameters
    ----------
    points : ndarray, shape (targets, donors, rows)
        Donors less target, contiguous and finite.
    linear : ndarray, shape (targets, donors)
        Price of one unit of weight.

    Raises
    ------
    ConvergenceError
        No certificate of a solution.
    """
    squares = (points**2).sum(axis=2)
    weights = np.zeros(linear.shape)
    weights[np.arange(len(weights)), np.argmin(squares + linear, axis=1)] = 1.0
    _active_sets(points, linear, weights)
    gradient = 2 * (points @ (weights[:, None, :] @ points).transpose(0, 2, 1))[:, :, 0] + linear
    scale = np.maximum(squares.max(axis=1), np.abs(linear).max(axis=1))
    spread = np.where(weights > 0, gradient, -np.inf).max(axis=1) - gradient.min(axis=1)
    relative = np.divide(spread, scale, out=np.zeros_like(spread), where=scale > 0)
    off = np.maximum(np.abs(weights.sum(axis=1) - 1), -weights.min(axis=1))
    _require_certified(float(np.maximum(relative, off).max()))
    return weights


def _require_certified(kkt: float) -> None:
    """Raise `ConvergenceError` unless the residual is small; one that is not a number is not."""
    if not kkt < CERTIFIED:
        raise ConvergenceError(
            f"least squares over the simplex stopped with an optimality residual of {kkt:.2g}",
            remedy="bring the rows to comparable units, and leave out rows that nearly repeat others",
        )


def _checked(a: Floats, b: Floats, linear: Floats) -> tuple[Floats, Floats, Floats]:
    """The arguments as float arrays of shapes that fit."""
    a, b, linear = (np.asarray(values, dtype=float) for values in (a, b, linear))
    if a.ndim != 2 or b.shape != a.shape[:1] or linear.shape != a.shape[1:]:
        raise DomainError(
            f"shapes do not fit: a {a.shape}, b {b.shape}, linear {linear.shape}",
            remedy="pass a as rows x donors, b with one entry per row and linear with one per donor",
        )
    if not a.shape[1]:
        raise GroupSizeError("there is no donor to weight", remedy="pass at least one column")
    if not all(np.isfinite(values).all() for values in (a, b, linear)):
        raise DomainError("values must be finite", remedy="leave out rows and donors with missing values")
    return a, b, linear


def kkt_residual(points: Floats, linear: Floats, weights: Floats) -> float:
    """Largest violation of optimality in ``||w'points||² + linear'w`` over the simplex, as in `SimplexFit`."""
    gradient = 2 * points @ (weights @ points) + linear
    scale = max(float((points**2).sum(axis=1).max()), float(np.abs(linear).max()))
    spread = float(gradient[weights > 0].max() - gradient.min())
    return max(spread / scale if scale > 0 else 0.0, abs(float(weights.sum()) - 1), -float(weights.min()))


def nearest_vertex(points: Floats, linear: Floats) -> Floats:
    """All weight on the one donor that is best alone."""
    weights = np.zeros(len(points))
    weights[np.argmin((points**2).sum(axis=1) + linear)] = 1.0
    return weights


@_compiled
def _factor(held: Floats) -> tuple[Floats, float]:
    """Cholesky factor of ``held held' + tau 11'``; on the simplex tau changes nothing but the conditioning."""
    size = len(held)
    low = np.dot(held, held.T)
    tau = np.trace(low) / size
    if tau == 0.0:
        tau = 1.0
    for i in range(size):
        for j in range(i + 1):
            total = low[i, j] + tau
            for m in range(j):
                total -= low[i, m] * low[j, m]
            low[i, j] = np.sqrt(max(total, 1e-300)) if i == j else total / low[j, j]
    return low, tau


@_compiled
def _solve(low: Floats, right: Floats) -> Floats:
    """Solve ``low low' x = right``."""
    x = right.copy()
    size = len(x)
    for i in range(size):
        for m in range(i):
            x[i] -= low[i, m] * x[m]
        x[i] /= low[i, i]
    for i in range(size - 1, -1, -1):
        for m in range(i + 1, size):
            x[i] -= low[m, i] * x[m]
        x[i] /= low[i, i]
    return x


@_compiled
def _solve_within(low: Floats, right: Floats) -> Floats:
    """``P right``, P the leading block of the inverse of ``[[G, 1], [1', 0]]``; the result adds up to zero."""
    x = _solve(low, right)
    ones = _solve(low, np.ones(len(right)))
    result: Floats = x - ones * (x.sum() / ones.sum())
    return result


@_compiled
def _step(weights: Floats, support: Positions, move: Floats) -> float:
    """Go along ``move`` on the support, no further than 1 and until a weight is used up; how far that was."""
    share = 1.0
    last = -1
    for i in range(len(support)):
        if move[i] < 0.0 and weights[support[i]] + share * move[i] <= 0.0:
            share = weights[support[i]] / -move[i]
            last = support[i]
    for i in range(len(support)):
        weights[support[i]] = max(weights[support[i]] + share * move[i], 0.0)
    if last >= 0:
        weights[last] = 0.0
    return share


@_compiled
def _solve_in_place(low: Floats, x: Floats) -> None:
    """`_solve`, the right-hand side overwritten by the solution."""
    size = len(x)
    for i in range(size):
        total = x[i]
        for m in range(i):
            total -= low[i, m] * x[m]
        x[i] = total / low[i, i]
    for i in range(size - 1, -1, -1):
        total = x[i]
        for m in range(i + 1, size):
            total -= low[m, i] * x[m]
        x[i] = total / low[i, i]


@_compiled
def active_set(points: Floats, linear: Floats, weights: Floats) -> int:
    """Bring feasible weights, in place, to the minimum of ``||w'points||² + linear'w``; the number of steps taken.

    ``points`` has one row per donor: its distance from the target. The support stays affinely independent: a donor that
    would make it dependent enters along the direction that leaves the fit unchanged, until another's weight is used up.
    """
    squares = (points**2).sum(axis=1)
    scale = max(squares.max(), np.abs(linear).max())
    fitted, gradient = np.empty(points.shape[1]), np.empty(len(points))
    entered = -1
    support = np.flatnonzero(weights > 0.0)
    steps = 0
    while steps < 100 + 20 * len(points):
        steps += 1
        # to the least point of the support's affine hull; the second round mends the rounding of the first
        size = len(support)
        held, chosen, move, ones = points[support], np.empty(size), np.empty(size), np.ones(size)
        low, tau = _factor(held)
        _solve_in_place(low, ones)
        total = ones.sum()
        share = 1.0
        for _ in range(2):
            for i in range(size):
                chosen[i] = weights[support[i]]
            np.dot(chosen, held, fitted)
            np.dot(held, fitted, move)
            for i in range(size):
                move[i] = -(move[i] + 0.5 * linear[support[i]])
            _solve_in_place(low, move)
            level = move.sum() / total
            for i in range(size):
                move[i] -= ones[i] * level
            share = _step(weights, support, move)
            if share < 1.0:
                break
        if share < 1.0:
            support = support[weights[support] > 0.0]
            if entered >= 0 and weights[entered] == 0.0:
                break
            continue
        weights /= weights.sum()
        for i in range(size):
            chosen[i] = weights[support[i]]
        np.dot(chosen, held, fitted)
        np.dot(points, fitted, gradient)
        gradient *= 2.0
        gradient += linear
        entered = int(np.argmin(gradient))
        if weights[entered] > 0.0 or gradient[entered] >= np.dot(gradient, weights) - OPTIMAL * scale:
            break
        # the part of the entering donor's point that lies outside the affine hull of the support
        cross = np.dot(held, points[entered]) + tau
        inside = _solve(low, cross)
        if squares[entered] + tau - np.dot(inside, cross) <= DEPENDENT * (squares[entered] + tau):
            _exchange(weights, support, inside, entered)
            support = support[weights[support] > 0.0]
        support = np.append(support, entered)
    return steps


@_compiled
def _active_sets(points: Floats, linear: Floats, weights: Floats) -> None:
    """`active_set` for each target."""
    for i in range(len(points)):
        active_set(points[i], linear[i], weights[i])


@_compiled
def _exchange(weights: Floats, support: Positions, inside: Floats, entered: int) -> None:
    """Replace weights on the support by the donor that their combination ``inside`` equals, until one is used up."""
    share = np.inf
    last = -1
    for i in range(len(support)):
        if inside[i] > 0.0 and weights[support[i]] < share * inside[i]:
            share = weights[support[i]] / inside[i]
            last = support[i]
    for i in range(len(support)):
        weights[support[i]] = max(weights[support[i]] - share * inside[i], 0.0)
    weights[last] = 0.0
    weights[entered] = share


@_compiled
def outer_loss(v: Floats, predictors: Floats, outcomes: Floats, weights: Floats) -> tuple[float, Floats]:
    """Mean squared prediction error at predictor weights v, and its gradient in v; ``weights`` are brought to w(v).

    ``predictors`` (donors x k) and ``outcomes`` (donors x periods) are distances from the treated unit. On the support
    S, with K the Gram matrix there, ``dw = -P dK w`` and so ``dL/dv_m = -(c_m'P g)(c_m'w)``, g the slope of L in w.
    """
    points = predictors * np.sqrt(v)
    active_set(points, np.zeros(len(points)), weights)
    support = np.flatnonzero(weights > 0.0)
    held, paths, chosen = predictors[support], outcomes[support], weights[support]
    gap = np.dot(chosen, paths)
    low, _ = _factor(points[support])
    response = _solve_within(low, 2.0 / len(gap) * np.dot(paths, gap))
    return np.dot(gap, gap) / len(gap), -np.dot(response, held) * np.dot(chosen, held)


@_compiled
def predictor_weights(theta: Floats, floor: float) -> Floats:
    """Weights on the simplex, each at least ``floor``, from free parameters."""
    share = np.exp(theta - theta.max())
    v: Floats = floor + (1.0 - len(theta) * floor) * share / share.sum()
    return v


@_compiled
def _loss_at(
    theta: Floats, floor: float, predictors: Floats, outcomes: Floats, weights: Floats
) -> tuple[float, Floats]:
    """Outer loss and its gradient in the free parameters."""
    v = predictor_weights(theta, floor)
    loss, slope = outer_loss(v, predictors, outcomes, weights)
    return loss, (v - floor) * (slope - np.dot(v - floor, slope) / (v - floor).sum())


@_compiled
def descend(
    theta: Floats, floor: float, predictors: Floats, outcomes: Floats, weights: Floats, limit: int
) -> tuple[Floats, float, int]:
    """A local minimum of the outer loss from ``theta``: BFGS with a weak-Wolfe line search; evaluations made.

    The loss has kinks where a donor enters or leaves; Lewis and Overton (2013, Mathematical Programming 141) show that
    this line search copes with them.
    """
    k = len(theta)
    inverse = np.eye(k)
    loss, slope = _loss_at(theta, floor, predictors, outcomes, weights)
    calls = 1
    idle = 0
    fresh = True
    while calls < limit and idle < 3:
        way = -np.dot(inverse, slope)
        descent = np.dot(way, slope)
        if descent >= 0.0 and not fresh:
            inverse, fresh = np.eye(k), True
            continue
        if descent >= -1e-14 * loss:  # also where slope and loss are zero
            break
        largest = np.abs(way).max()
        step = min(1.0, REACH / largest)
        if fresh:
            step = REACH / 4 / largest
        short, long = 0.0, np.inf
        while calls < limit:
            calls += 1
            new = theta + step * way
            new_loss, new_slope = _loss_at(new, floor, predictors, outcomes, weights)
            if new_loss > loss + 1e-4 * step * descent:
                long = step
            elif np.dot(new_slope, way) < 0.5 * descent and step * largest < 2 * REACH:
                short = step
            else:
                break
            if long - short <= 1e-10 * long:
                break
            step = (short + long) / 2 if long < np.inf else 2 * step
        if new_loss >= loss:
            if fresh:
                break
            inverse, fresh = np.eye(k), True
            continue
        moved, turned = step * way, new_slope - slope
        curve = np.dot(moved, turned)
        if curve > 1e-12 * np.sqrt(np.dot(moved, moved) * np.dot(turned, turned)):
            if fresh:
                inverse = np.eye(k) * (curve / np.dot(turned, turned))
                fresh = False
            side = np.dot(inverse, turned)
            factor = (1.0 + np.dot(turned, side) / curve) / curve
            for i in range(k):
                for j in range(k):
                    inverse[i, j] += factor * moved[i] * moved[j] - (moved[i] * side[j] + side[i] * moved[j]) / curve
        idle = idle + 1 if loss - new_loss <= 1e-8 * loss else 0
        theta, loss, slope = new, new_loss, new_slope
    return theta, loss, calls


@_compiled
def search(
    starts: Floats, kicks: Floats, floor: float, predictors: Floats, outcomes: Floats, first: Floats
) -> tuple[Floats, Floats]:
    """Free parameters and losses at the ends of the last descents.

    A short descent from every start, a long one from the best of them, then one from each kick of the best so far.
    """
    n = len(starts)
    thetas, losses = np.empty(starts.shape), np.empty(n)
    for i in range(n):
        thetas[i], losses[i], _ = descend(starts[i], floor, predictors, outcomes, first.copy(), SHORT)
    kept = min(n, FINALISTS)
    order = np.argsort(losses)[:kept]
    ends, values = np.empty((kept + len(kicks), starts.shape[1])), np.empty(kept + len(kicks))
    for i in range(kept):
        ends[i], values[i], _ = descend(thetas[order[i]], floor, predictors, outcomes, first.copy(), LONG)
    for i in range(len(kicks)):
        so_far = kept + i
        best = ends[np.argmin(values[:so_far])]
        ends[so_far], values[so_far], _ = descend(best + kicks[i], floor, predictors, outcomes, first.copy(), LONG)
    return ends, values


@dataclass(frozen=True, slots=True)
class InnerFit:
    """Donor weights at given predictor weights, ties resolved.

    Attributes
    ----------
    weights : ndarray, shape (donors,)
    loss : float
        Mean squared prediction error of the outcome.
    kkt : float
        Certificate of the inner problem, as in `SimplexFit`.
    tied : bool
        Whether the predictors alone may leave the weights open.
    """

    weights: Floats = field(repr=False)
    loss: float
    kkt: float
    tied: bool


def donor_weights(v: Floats, predictors: Floats, outcomes: Floats) -> InnerFit:
    """Solution of the inner problem at v; of several, the one with the least loss, then of the nearest donors.

    ``predictors`` (donors x k) and ``outcomes`` (donors x periods) are distances from the treated unit.
    """
    points = np.ascontiguousarray(predictors * np.sqrt(v))
    fit = simplex_least_squares(points.T, np.zeros(points.shape[1]))
    open_to = _tied_donors(points, fit.weights)
    weights, kkt = fit.weights, fit.kkt
    tied = _dependent(points[open_to])
    if tied:
        weights = _least_loss(predictors[:, v > 0], outcomes, weights, open_to)
        kkt = kkt_residual(points, np.zeros(len(points)), weights)
    return InnerFit(weights, float(((weights @ outcomes) ** 2).mean()), kkt, tied)


def _tied_donors(points: Floats, weights: Floats) -> Positions:
    """Donors that some solution with the same fit could use."""
    gradient = 2 * points @ (weights @ points)
    slack = gradient - gradient @ weights
    return np.flatnonzero((slack <= TIED * (points**2).sum(axis=1).max()) | (weights > 0))


def _dependent(points: Floats) -> bool:
    """Whether the points are affinely dependent, so that weights on them are not determined by their mean."""
    if len(points) > points.shape[1] + 1:
        return True
    return bool(
        np.linalg.matrix_rank(points[1:] - points[0], tol=1e-9 * max(np.abs(points).max(), 1e-300)) < len(points) - 1
    )


def _least_loss(predictors: Floats, outcomes: Floats, weights: Floats, open_to: Positions) -> Floats:
    """Of all weights on these donors with the same predictor fit, those of least outcome loss, then of nearest donors.

    Method of multipliers: what the predictor rows miss is added to their target until nothing is missed.
    """
    x, z = predictors[open_to], outcomes[open_to]
    x, z = (x - weights @ predictors) * (HEAVY / _size(x)), z / _size(z)
    stacked = np.ascontiguousarray(np.column_stack([x, z]))
    chosen, none = weights[open_to].copy(), np.zeros(len(open_to))
    for _ in range(ROUNDS):
        active_set(stacked, none, chosen)
        missed = chosen @ x
        if np.abs(missed).max() <= MISSED:
            break
        stacked[:, : x.shape[1]] += missed
    still = _tied_donors(stacked, chosen)
    if _dependent(stacked[still]):
        rows = np.column_stack([x[still], z[still]])
        chosen[still] = _nearest(rows, chosen[still], (predictors[open_to][still] ** 2).sum(axis=1))
    full = np.zeros(len(weights))
    full[open_to] = chosen
    return full


def _nearest(rows: Floats, weights: Floats, distance: Floats) -> Floats:
    """Weights with the same ``rows' w`` and the least mean distance: the limit of a vanishing penalty on distance."""
    fitted = weights @ rows
    programme = linprog(
        distance,
        A_eq=np.vstack([rows.T, np.ones(len(rows))]),
        b_eq=np.append(fitted, 1.0),
        method="highs",
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    if programme.x is None:  # the equalities hold at ``weights``, yet not within the solver's tolerance
        return weights
    found = np.maximum(programme.x, 0.0)
    found /= found.sum()
    return found if np.abs(found @ rows - fitted).max() <= EXACT and distance @ found < distance @ weights else weights


def unique_weights(v: Floats, predictors: Floats, fit: InnerFit) -> bool:
    """Whether no other weights solve the inner problem at v: a linear programme looks for some off the support."""
    if not fit.tied:
        return True
    points = predictors * np.sqrt(v)
    open_to = _tied_donors(points, fit.weights)
    rows, held = points[open_to], fit.weights[open_to]
    support = held > TIED
    if _dependent(rows[support]):
        return False
    programme = linprog(
        -(~support).astype(float),
        A_eq=np.vstack([rows.T, np.ones(len(rows))]),
        b_eq=np.append(held @ rows, 1.0),
        method="highs",
    )
    return programme.x is None or bool(-programme.fun <= 1e-6)


def tied_range(v: Floats, predictors: Floats, fit: InnerFit, values: Floats) -> tuple[float, float]:
    """Least and largest weighted mean of ``values`` over all weights that solve the inner problem at v."""
    points = predictors * np.sqrt(v)
    open_to = _tied_donors(points, fit.weights)
    rows, held = points[open_to], fit.weights[open_to]
    ends = [float(fit.weights @ values)]
    for sign in (1.0, -1.0):
        programme = linprog(
            sign * values[open_to],
            A_eq=np.vstack([rows.T, np.ones(len(rows))]),
            b_eq=np.append(held @ rows, 1.0),
            method="highs",
        )
        if programme.x is not None:
            ends.append(float(programme.x @ values[open_to]))
    return min(ends), max(ends)


@dataclass(frozen=True, slots=True)
class NestedFit:
    """Predictor and donor weights that solve the bilevel problem of a synthetic control, as far as the search went.

    Attributes
    ----------
    v : ndarray, shape (k,)
    inner : InnerFit
        Donor weights at v.
    optima : tuple of (v, InnerFit)
        Every end of a long descent and every other candidate, best first.
    """

    v: Floats = field(repr=False)
    inner: InnerFit
    optima: tuple[tuple[Floats, InnerFit], ...] = field(repr=False)


def certificate(predictors: Floats, outcomes: Floats, v_min: float) -> tuple[float, Floats]:
    """Least loss over all donor weights, and the v under which those weights come nearest to solving the inner problem.

    A linear programme in v, as in Malo, Eskelinen, Zhou and Kuosmanen (2024, Computational Economics): the inner
    objective falls short of its least value by at most ``max_j (w - e_j)' gradient``, which is linear in v.
    """
    k = predictors.shape[1]
    best = simplex_least_squares(outcomes.T, np.zeros(outcomes.shape[1])).weights
    gradient = 2 * predictors * (best @ predictors)
    excess = best @ gradient - gradient
    programme = linprog(
        np.append(np.zeros(k), 1.0),
        A_ub=np.column_stack([excess, -np.ones(len(excess))]),
        b_ub=np.zeros(len(excess)),
        A_eq=np.append(np.ones(k), 0.0)[None],
        b_eq=[1.0],
        bounds=[(v_min, 1.0)] * k + [(None, None)],
        method="highs",
    )
    v = np.full(k, 1 / k) if programme.x is None else np.maximum(programme.x[:k], v_min)
    return float(((best @ outcomes) ** 2).mean()), v / v.sum()


def nested_weights(
    predictors: Floats, outcomes: Floats, *, v_min: float, starts: Floats, kicks: Floats, nearest_v: Floats
) -> NestedFit:
    """The v in the simplex, each at least ``v_min``, whose donor weights predict the outcome best.

    ``predictors`` (donors x k, standardised) and ``outcomes`` (donors x periods) are distances from the treated unit,
    ``starts`` and ``kicks`` free parameters of `predictor_weights`, ``nearest_v`` the second result of `certificate`.
    Where the treated unit lies in the donors' hull every positive v fits the predictors exactly and has the same
    solutions, so that no search is needed.
    """
    predictors, outcomes = np.ascontiguousarray(predictors), np.ascontiguousarray(outcomes)
    k = predictors.shape[1]
    equal = np.full(k, 1 / k)
    candidates = []
    inside = hull_distance(predictors) < EXACT
    if inside or k == 1:
        candidates.append(equal)
    else:
        floor = max(v_min, SMALLEST)
        first = nearest_vertex(predictors, np.zeros(len(predictors)))
        begin = np.vstack([starts, np.log(np.maximum(nearest_v - v_min, SMALLEST))])
        ends, _ = search(np.ascontiguousarray(begin), kicks, floor, predictors, outcomes / _size(outcomes), first)
        candidates += [predictor_weights(end, floor) for end in ends]
    if v_min == 0:
        candidates += [nearest_v, *np.eye(k)]
    fits = [(v, donor_weights(v, predictors, outcomes)) for v in candidates]
    fits.sort(key=lambda pair: pair[1].loss)
    return NestedFit(*fits[0], tuple(fits))


def _size(outcomes: Floats) -> float:
    """Root mean square, or 1 where all distances vanish."""
    return float(np.sqrt((outcomes**2).mean())) or 1.0


def hull_distance(predictors: Floats) -> float:
    """Distance of the treated unit from the donors' convex hull, given the donors' distances from it."""
    return float(np.sqrt(simplex_least_squares(predictors.T, np.zeros(predictors.shape[1])).objective))
