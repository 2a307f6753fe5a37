r"""The table nearest to a prior under linear bounds: cross-entropy estimation from incomplete information.

Margins, sums, caps and known cells are linear in the table. Among all tables that obey them the one nearest to the
prior in Kullback-Leibler distance adds nothing that neither the prior nor the bounds say (Golan, Judge and Miller
1996). Where the bounds are row and column sums it is the table of RAS, iterative proportional fitting.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.lapack import dgelsd, dgelsd_lwork, dpotrf, dpotrs

from regiometrics.errors import ConvergenceError, DomainError, InfeasibleError

Floats = npt.NDArray[np.float64]

PATIENCE = 40  # steps with the corrector, which may go round in circles; then steady centring, which takes longer
STALLED, VANISHED = 1e-5, 1e-100  # step, and cell over its prior, that only contradicting bounds lead to


@dataclass(frozen=True)
class Constraints:
    """Linear bounds on a table of n cells: ``low <= rows @ table.ravel() <= high``.

    Attributes
    ----------
    names : tuple of str, length m
        What each row says; errors name it.
    rows : ndarray, shape (m, n)
        Coefficients of the cells.
    low, high : ndarray, shape (m,)
        Bounds, infinite where a row is open on one side; a row is an equation where they agree.

    Raises
    ------
    DomainError
        Parts of different length, or a bound that is not a number.
    """

    names: tuple[str, ...]
    rows: Floats
    low: Floats
    high: Floats

    def __post_init__(self) -> None:
        sizes = [len(part) for part in (self.names, self.rows, self.low, self.high)]
        if len(set(sizes)) > 1:
            raise DomainError(f"names, rows and bounds number {sizes}", remedy="give each row a name and two bounds")
        unknown = np.flatnonzero(np.isnan(self.low) | np.isnan(self.high))
        if unknown.size:
            keys = [self.names[i] for i in unknown]
            raise DomainError("a bound is not a number", keys=keys, remedy="write an infinite one where a row is open")


def nearest_table(prior: Floats, constraints: Constraints, *, tol: float = 1e-11, max_iter: int = 200) -> Floats:
    r"""The table nearest to a prior in Kullback-Leibler distance among all that obey linear bounds.

    Minimises :math:`D(x \| p) = \sum_c x_c \ln(x_c/p_c) - x_c + p_c` over the cells :math:`c`, subject to
    :math:`l \le A x \le h`. The solution is :math:`x_c = p_c \exp(\sum_r \lambda_r a_{rc})` with one multiplier per
    row: any sign for an equation, positive only where the lower bound binds, negative only where the upper one does.

    Parameters
    ----------
    prior : array
        Positive, of any shape. Scale prior and bounds to fractions of the total, or to cells of about one.
    constraints : Constraints
        Rows over the raveled table; equations may repeat each other.
    tol : float
        Largest residual of the first-order conditions, of the bounds and of the complementarity. It is not relative:
        cells above some thousands cannot reach it, and tiny ones reach it too early.
    max_iter : int
        Newton steps; ten to forty are usual.

    Returns
    -------
    array
        Positive, of the shape of the prior.

    Raises
    ------
    DomainError
        The prior has a cell that is not positive and finite, or another number of cells than the rows.
    InfeasibleError
        No table obeys all bounds; the message names the fewest found that stand in the way.
    ConvergenceError
        Tables exist, but the steps ended above the tolerance.

    Notes
    -----
    Golan, Judge and Miller (1996), Maximum Entropy Econometrics. A primal-dual interior-point method with Mehrotra's
    corrector, which is left out after 40 steps: it goes round in circles in some small problems. For n cells and m rows
    a step takes :math:`O(n^3 + m n^2 + m^3)` operations and :math:`O(n^2 + mn)` memory. Multiplied by a number, prior
    and bounds give the table multiplied by it.

    Examples
    --------
    RAS: a prior of ones with given margins becomes the table of independence.

    >>> rows = np.vstack([np.kron(np.eye(2), np.ones(2)), np.kron(np.ones(2), np.eye(2))[:1]])
    >>> margins = np.array([0.6, 0.4, 0.3])
    >>> nearest_table(np.ones((2, 2)), Constraints(("a", "b", "c"), rows, margins, margins)).round(6)
    array([[0.18, 0.42],
           [0.12, 0.28]])
    """
    p = np.asarray(prior, dtype=float).ravel()
    if not (np.isfinite(p).all() and (p > 0).all()):
        raise DomainError("the prior must be positive and finite", remedy="give every cell a positive prior")
    if constraints.rows.shape[1:] != p.shape:
        problem = f"the prior has {len(p)} cells, the rows are of shape {constraints.rows.shape}"
        raise DomainError(problem, remedy="give each row a coefficient per cell")
    equal = constraints.low == constraints.high
    below, above = np.isfinite(constraints.low) & ~equal, np.isfinite(constraints.high) & ~equal
    a, b = constraints.rows[equal], constraints.low[equal]
    g = np.vstack([constraints.rows[below], -constraints.rows[above]])
    h = np.concatenate([constraints.low[below], -constraints.high[above]])

    x = p.copy()
    y = np.zeros(len(a))
    slack = np.maximum(g @ x - h, 0.01)
    z = np.full(len(g), 0.01)
    worst = np.inf
    for step in range(max_iter):
        dual = np.log(x / p) - a.T @ y - g.T @ z
        primal, surplus = a @ x - b, g @ x - slack - h
        product = slack * z
        worst = max(np.abs(part).max(initial=0.0) for part in (dual, primal, surplus, product))
        if worst < tol:
            return np.asarray(x.reshape(np.shape(prior)))
        try:
            newton = _Newton.at(x, slack, z, a, g, dual, primal, surplus)
        except np.linalg.LinAlgError:  # multipliers without bound: the bounds contradict each other
            break
        dx, dy, ds, dz = newton.direction(product)
        length = _longest((x, dx), (slack, ds), (z, dz))
        if len(g):
            mean = slack @ z / len(g)
            after = (slack + length * ds) @ (z + length * dz) / len(g)
            if step < PATIENCE:
                centred = product + length * ds * dz - max(mean * (after / mean) ** 3, tol / 10)
            else:
                centred = product - max(mean / 10, tol / 10)
            dx, dy, ds, dz = newton.direction(centred)
            length = _longest((x, dx), (slack, ds), (z, dz))
        x, y, slack, z = x + length * dx, y + length * dy, slack + length * ds, z + length * dz
        if length < STALLED or (x / p).min() < VANISHED:
            break
    raise _no_table(constraints, len(p), worst)


@dataclass(frozen=True)
class _Newton:
    """One linearisation of the first-order conditions, factored once for the predictor and the corrector."""

    root: Floats
    slack: Floats
    z: Floats
    a: Floats
    g: Floats
    dual: Floats
    primal: Floats
    surplus: Floats
    factor: Floats
    reduced: Floats

    @classmethod
    def at(
        cls, x: Floats, slack: Floats, z: Floats, a: Floats, g: Floats, dual: Floats, primal: Floats, surplus: Floats
    ) -> _Newton:
        """Factor the Hessian, scaled by the root of the table so that its smallest eigenvalue is one."""
        root = np.sqrt(x)
        scaled, a = g * root, a * root
        hessian = scaled.T @ (scaled * (z / slack)[:, None])
        hessian.flat[:: len(x) + 1] += 1.0
        factor, failed = dpotrf(hessian.T, clean=False, overwrite_a=True)  # symmetric: turned, it needs no copy
        if failed:
            raise np.linalg.LinAlgError("the Hessian is not positive definite")
        return cls(root, slack, z, a, g, dual, primal, surplus, factor, dpotrs(factor, a.T)[0])

    def direction(self, product: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Changes of table, both kinds of multiplier and slack that take slack times multiplier down by a product."""
        right = -self.dual - self.g.T @ ((product + self.z * self.surplus) / self.slack)
        free = dpotrs(self.factor, self.root * right)[0]
        dy = _least_squares(self.a @ self.reduced, -self.primal - self.a @ free)
        dx = self.root * (free + self.reduced @ dy)
        ds = self.g @ dx + self.surplus
        return dx, dy, ds, -(product + self.z * ds) / self.slack


def _least_squares(square: Floats, right: Floats) -> Floats:
    """The shortest of the nearest solutions, as by ``np.linalg.lstsq``, which takes three times as long here."""
    n = len(square)
    if not n:
        return right
    rank_tol = n * np.finfo(float).eps
    work, integers, _ = dgelsd_lwork(n, n, 1, rank_tol)
    solution, _, _, failed = dgelsd(square, right, int(work), integers, rank_tol)
    if failed:
        raise np.linalg.LinAlgError("the singular values were not found")
    return np.asarray(solution).ravel()


def _longest(*pairs: tuple[Floats, Floats]) -> float:
    """The step, at most one, that keeps every part positive."""
    ratios = [float((-direction / at).max(initial=0.0)) for at, direction in pairs]
    return min(1.0, 0.995 / max(*ratios, 1e-12))


def _no_table(constraints: Constraints, n_cells: int, worst: float) -> ConvergenceError | InfeasibleError:
    """Why the steps ended: bounds that contradict each other, found by the least sum of violations, or neither."""
    from scipy.optimize import linprog  # long to import, and needed here alone

    m = len(constraints.names)
    finite = [
        (1.0, np.isfinite(constraints.high), constraints.high),
        (-1.0, np.isfinite(constraints.low), -constraints.low),
    ]
    rows = np.vstack([sign * constraints.rows[kept] for sign, kept, _ in finite])
    violations = np.vstack([-np.eye(m)[kept] for _, kept, _ in finite])
    bounds = np.concatenate([bound[kept] for _, kept, bound in finite])
    cost = np.concatenate([np.zeros(n_cells), np.ones(m)])
    found = linprog(cost, A_ub=np.hstack([rows, violations]), b_ub=bounds)
    broken = np.flatnonzero(found.x[n_cells:] > 1e-8) if found.success else np.array([], dtype=int)
    if len(broken):
        return InfeasibleError(
            "no table agrees with all statements; violated even by the table that comes nearest",
            keys=[f"{constraints.names[i]} by {found.x[n_cells + i]:.3g}" for i in broken],
            remedy="correct a target or leave a statement out",
        )
    return ConvergenceError(
        f"the fit ended with a residual of {worst:.1e}",
        remedy="move the prior nearer to the targets, or scale cells and rows to one",
    )
