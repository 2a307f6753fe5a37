r"""Slacks-based linear programs against one set of reference units.

Every measure is oriented so that less is better (good outputs enter with a minus sign). With :math:`g_o` the measures
of unit o and G those of the reference units, the program is

.. math:: \rho_o = \min \frac{1 - \sum_i c_i s_i}{1 + \sum_i a_i s_i},\qquad g_o = G\lambda + s,\ \lambda, s \ge 0,

and :math:`\sum_j \lambda_j = 1` under variable returns. Charnes and Cooper's change of variables makes it linear. One
HiGHS model holds the reference set. From unit to unit only the unit's own column, the costs of the slacks and their
coefficients in the normalising row change, and the last basis is kept.

Units whose optimum lies on the same facet share an optimal basis. In terms of :math:`(\lambda, s)` the matrix of a
basis is the same for all units, so one product tells for which units it is optimal, and these need no run of their own.
A basis counts as optimal for a unit only if its primal levels and all its reduced costs have the right sign, so that
every answer carries its certificate, whoever found it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt

from regiometrics.errors import ConvergenceError, InfeasibleError

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Flags = npt.NDArray[np.bool_]

TOLERANCE = 1e-9  # sign of a level or reduced cost, relative to the terms that it is summed from
ROUNDING = 1e-13  # the same, relative to the largest of a unit's: zeros of an inverse are not exact
HIGHS_TOLERANCE = 1e-10  # the least that HiGHS takes
STARTS = (None, HIGHS_TOLERANCE, 1e-7)  # from the last basis, then afresh; the certificate is the same for all
SINGULAR = 1e12  # condition of a basis whose inverse says nothing
PIVOTS = 100  # steps beyond the solver's last basis
ITERATIONS = 10_000  # the program has a handful of rows
NO_OPTIMUM = {"kInfeasible", "kUnbounded", "kUnboundedOrInfeasible"}


@dataclass(frozen=True, slots=True)
class Optima:
    """Solutions by unit.

    Attributes
    ----------
    score : ndarray, shape (units,)
        Value of the ratio.
    slack : ndarray, shape (units, measures)
        In units of the measures: positive is saving or growth, negative (super-efficiency) is reserve.
    peer : ndarray of int, shape (units, rows)
        Positions in the reference set; -1 where there are fewer peers.
    weight : ndarray, shape (units, rows)
        Their intensities.
    runs : int
        How many units were given to the solver.
    """

    score: Floats
    slack: Floats
    peer: Codes
    weight: Floats
    runs: int


@dataclass(frozen=True, slots=True)
class _Vertex:
    """Positions of the units with one optimal basis, their scores, slacks and basic levels."""

    units: Codes
    score: Floats
    slack: Floats
    level: Floats


class Frontier:
    """The programs of any number of units against one reference set.

    Parameters
    ----------
    reference : ndarray, shape (n, measures)
        Oriented measures, less is better, each scaled to a mean of order one.
    variable_returns : bool
        Intensities sum to one.
    reserve : ndarray of bool, shape (measures,), optional
        Ask how far a unit lies beyond the frontier: these measures may get worse, the others may not.
    """

    def __init__(self, reference: Floats, *, variable_returns: bool, reserve: Flags | None = None) -> None:
        n, k = reference.shape
        self.measures, self.variable_returns = k, variable_returns
        rows, self.size = self._homogeneous(reference)
        r = rows.shape[1]
        # slacks, reference units, logicals of the balances
        self.columns = np.hstack([np.eye(r, k), rows.T, -np.eye(r)])
        self.reserve = reserve is not None
        self.lower, self.upper = np.zeros(k + n + r), np.r_[np.full(k + n, np.inf), np.zeros(r)]
        if reserve is not None:
            self.lower[:k], self.upper[:k] = np.where(reserve, -np.inf, 0.0), 0.0
            self.lower[k + n : 2 * k + n] = -np.inf  # the others' mixture may be better than needed
        self.model = self._model(k + n)

    def solve(
        self, units: Floats, saving: Floats, growth: Floats, *, keys: Sequence[object], remedy: str = ""
    ) -> Optima:
        """The optimum of every unit.

        Parameters
        ----------
        units : ndarray, shape (units, measures)
            Measures, oriented and scaled as the reference.
        saving, growth : ndarray, shape (units, measures)
            Weights of relative slacks in numerator and denominator; 0 where the measure is 0.
        keys : sequence
            Names of the units, for errors.
        remedy : str
            What to do about a unit without an optimum.

        Raises
        ------
        InfeasibleError
            A unit's program has no optimum.
        ConvergenceError
            HiGHS stopped at a basis that is not optimal.
        """
        rows, size = self._homogeneous(units)
        measured = np.abs(rows[:, : self.measures])
        own = np.divide(1.0, measured, out=np.zeros_like(measured), where=measured > 0)
        saving, growth = saving * own, growth * own
        score, slack = np.empty(len(units)), np.empty_like(units)
        peer, weight = np.full(rows.shape, -1, dtype=np.intp), np.zeros_like(rows)
        weighted = np.flatnonzero(growth.any(axis=0)).tolist()
        pending, runs = np.arange(len(units)), 0
        while pending.size:
            o = pending[0]
            self._pose(rows[o], saving[o], growth[o], weighted)
            for tolerance in STARTS:
                runs += 1
                basis = self._optimal_basis(tolerance, keys[o], remedy)
                vertex = self._at_basis(basis, rows[pending], saving[pending], growth[pending])
                if 0 not in vertex.units[:1] and tolerance is not None:
                    basis = self._pivoted(basis, rows[[o]], saving[[o]], growth[[o]])
                    vertex = self._at_basis(basis, rows[pending], saving[pending], growth[pending])
                if 0 in vertex.units[:1]:
                    break
            else:
                raise ConvergenceError(
                    "the solver found no basis that is optimal",
                    keys=[keys[o]],
                    remedy="look for measures many times the others'",
                )
            done = pending[vertex.units]
            score[done] = vertex.score
            slack[done] = np.where(np.abs(vertex.slack) > ROUNDING, vertex.slack, 0.0) * size[done, None]
            is_peer = (basis >= self.measures) & (basis < self.measures + len(self.size))
            which = basis[is_peer] - self.measures
            intensity = vertex.level[:, is_peer] * size[done, None] / self.size[which]
            counts = vertex.level[:, is_peer] > ROUNDING
            peer[done, : len(which)] = np.where(counts, which, -1)
            weight[done, : len(which)] = np.where(counts, intensity, 0.0)
            pending = np.delete(pending, vertex.units)
        return Optima(score, slack, peer, weight, runs)

    def _homogeneous(self, measures: Floats) -> tuple[Floats, Floats]:
        """Measures (and the one of variable returns) over the size of each unit, and that size.

        Program and score are unchanged: intensities and slacks absorb the size.
        """
        size = np.abs(measures).mean(axis=1)
        rows = np.column_stack([measures, np.ones(len(measures))]) if self.variable_returns else measures
        return rows / size[:, None], size

    def _model(self, structural: int) -> Any:
        r, k = len(self.columns), self.measures
        matrix = np.zeros((1 + r, 1 + structural))
        matrix[:, 0] = 1.0
        matrix[1:, 1:] = self.columns[:, :structural]
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = matrix.shape
        lp.col_cost_ = np.r_[1.0, np.zeros(structural)]
        lp.col_lower_, lp.col_upper_ = np.r_[0.0, self.lower[:structural]], np.r_[np.inf, self.upper[:structural]]
        lp.row_lower_ = np.r_[1.0, self.lower[structural:]]
        lp.row_upper_ = np.r_[1.0, self.upper[structural:]]
        at = matrix.T != 0
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = np.r_[0, at.sum(axis=1).cumsum()].astype(np.int32)
        lp.a_matrix_.index_ = np.nonzero(at)[1].astype(np.int32)
        lp.a_matrix_.value_ = matrix.T[at]
        model: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        model.silent()
        options: dict[str, object] = {
            "presolve": "off",
            "solver": "simplex",
            "threads": 1,
            "simplex_iteration_limit": ITERATIONS,
            "simplex_scale_strategy": 0,  # the measures are scaled already
            "primal_feasibility_tolerance": HIGHS_TOLERANCE,
            "dual_feasibility_tolerance": HIGHS_TOLERANCE,
        }
        for option, value in options.items():
            model.setOptionValue(option, value)
        model.passModel(lp)
        self._slacks = np.arange(1, 1 + k, dtype=np.int32)
        return model

    def _pose(self, row: Floats, saving: Floats, growth: Floats, weighted: list[int]) -> None:
        """Write one unit into the model."""
        change = self.model.changeCoeff
        for i, value in enumerate((-row).tolist(), start=1):
            change(i, 0, value)
        for i in weighted:
            change(0, 1 + i, float(growth[i]))
        self.model.changeColsCost(self.measures, self._slacks, -saving)

    def _optimal_basis(self, tolerance: float | None, key: object, remedy: str) -> Codes:
        """Basic columns other than the normalising one, which is basic in every optimum; none where HiGHS gives up."""
        if tolerance is not None:
            self.model.clearSolver()
            self._tolerate(tolerance)
        self.model.run()
        status = self.model.getModelStatus()
        if tolerance is not None:
            self._tolerate(HIGHS_TOLERANCE)
        if status != highspy.HighsModelStatus.kOptimal:
            if (
                status.name in NO_OPTIMUM and tolerance is not None and self.reserve
            ):  # a unit is its own rival otherwise
                raise InfeasibleError("the linear program has no optimum", keys=[key], remedy=remedy)
            return np.empty(0, dtype=np.intp)
        basic = np.asarray(self.model.getBasicVariables()[1], dtype=np.intp)
        logical = self.columns.shape[1] - len(self.columns) - 2 - basic  # HiGHS counts logicals from -1, row 0 included
        columns: Codes = np.where(basic < 0, logical, basic - 1)[basic != 0]
        return columns if len(columns) == len(self.columns) and (basic != -1).all() else columns[:0]

    def _tolerate(self, tolerance: float) -> None:
        for side in ("primal", "dual"):
            self.model.setOptionValue(f"{side}_feasibility_tolerance", tolerance)

    def _at_basis(self, basis: Codes, rows: Floats, saving: Floats, growth: Floats) -> _Vertex:
        """Units for which the basis is optimal, and their solutions."""
        if not len(basis) or np.linalg.cond(self.columns[:, basis]) > SINGULAR:
            return _Vertex(np.empty(0, dtype=np.intp), np.empty(0), np.empty((0, 0)), np.empty((0, 0)))
        inverse = np.linalg.inv(self.columns[:, basis])
        level = rows @ inverse.T
        terms = np.abs(rows) @ np.abs(inverse.T)
        spread = TOLERANCE * terms + ROUNDING * terms.max(axis=1, keepdims=True)
        lower, upper = self.lower[basis], self.upper[basis]
        at = np.flatnonzero(((level >= lower - spread) & (level <= upper + spread)).all(axis=1))
        level = np.clip(level[at], lower, upper)
        score, slack, worth = self._worth(basis, inverse, level, saving[at], growth[at])
        optimal = (worth <= 0).all(axis=1)
        return _Vertex(at[optimal], score[optimal], slack[optimal], level[optimal])

    def _worth(
        self, basis: Codes, inverse: Floats, level: Floats, saving: Floats, growth: Floats
    ) -> tuple[Floats, Floats, Floats]:
        """Scores and slacks at a basis, and by how much each column's reduced cost is of the wrong sign."""
        is_slack = basis < self.measures
        slack = np.zeros_like(saving)
        slack[:, basis[is_slack]] = level[:, is_slack]
        score = (1 - (saving * slack).sum(axis=1)) / (1 + (growth * slack).sum(axis=1))
        gain = -saving - score[:, None] * growth
        basic_gain = np.where(is_slack, gain[:, np.where(is_slack, basis, 0)], 0.0)
        reduced = -(basic_gain @ inverse) @ self.columns
        terms = np.abs(basic_gain) @ np.abs(inverse) @ np.abs(self.columns)
        reduced[:, : self.measures] += gain
        terms[:, : self.measures] -= gain
        reduced[:, basis] = 0.0
        spread = TOLERANCE * terms + ROUNDING * terms.max(axis=1, keepdims=True)
        rising = np.where(self.upper > 0, -reduced, -np.inf)
        falling = np.where(self.lower < 0, reduced, -np.inf)
        return score, slack, np.maximum(rising, falling) - spread

    def _pivoted(self, basis: Codes, row: Floats, saving: Floats, growth: Floats) -> Codes:
        """The basis after more steps of the simplex method, where HiGHS gave up or takes a violation for zero."""
        if not len(basis):  # all slacks, and the logical of the convexity row
            convexity = self.columns.shape[1] - len(self.columns) + self.measures
            basis = np.r_[: self.measures, convexity : self.columns.shape[1]]
        for _ in range(PIVOTS):
            inverse = np.linalg.inv(self.columns[:, basis])
            lower, upper = self.lower[basis], self.upper[basis]
            level = (row @ inverse.T)[0]
            worth = self._worth(basis, inverse, np.clip(level, lower, upper)[None], saving, growth)[2][0]
            outside = np.maximum(lower - level, level - upper)
            if outside.max() > ROUNDING * np.abs(level).max():
                leaves = int(outside.argmax())
                enters = self._entering(inverse[leaves] @ self.columns, level[leaves] < lower[leaves], worth, basis)
            elif (worth > 0).any():
                enters = int(np.flatnonzero(worth > 0)[0])  # the first, so that degenerate steps end (Bland)
                leaves = self._leaving(inverse @ self.columns[:, enters], enters, level, basis)
            else:
                break
            if min(enters, leaves) < 0:
                break
            basis = basis.copy()
            basis[leaves] = enters
        return basis

    def _entering(self, along: Floats, below: bool, worth: Floats, basis: Codes) -> int:
        """Dual step: the column that takes a level back to its bound at the least cost; -1 for none."""
        toward = along if below else -along
        helps = (toward < -ROUNDING) & (self.upper > 0) | (toward > ROUNDING) & (self.lower < 0)
        helps[basis] = False
        cost = np.divide(np.maximum(-worth, 0), np.abs(along), out=np.full(len(along), np.inf), where=helps)
        return int(cost.argmin()) if helps.any() else -1

    def _leaving(self, along: Floats, enters: int, level: Floats, basis: Codes) -> int:
        """Primal step: the level that first meets a bound; -1 for none."""
        along = along if self.upper[enters] > 0 else -along
        room = np.where(along > 0, level - self.lower[basis], self.upper[basis] - level)
        moves = np.abs(along) > ROUNDING * np.abs(along).max()
        step = np.divide(np.maximum(room, 0), np.abs(along), out=np.full(len(basis), np.inf), where=moves)
        ties = np.flatnonzero(step <= step.min())
        return int(ties[np.argmin(basis[ties])]) if np.isfinite(step.min()) else -1
