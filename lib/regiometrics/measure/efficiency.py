r"""Slacks-based efficiency with bad outputs, its change over time, and the capital stock that enters it.

The score of unit o with m inputs x, :math:`s_1` good outputs y and :math:`s_2` bad outputs b is

.. math::

   \rho_o = \min \frac{1 - \frac1m \sum_i s^-_i/x_{io}}
            {1 + \frac1{s_1+s_2}\left(\sum_r s^g_r/y_{ro} + \sum_l s^b_l/b_{lo}\right)}

over :math:`x_o = X\lambda + s^-`, :math:`y_o = Y\lambda - s^g`, :math:`b_o = B\lambda + s^b`, all unknowns non-negative
(Tone 2001, European Journal of Operational Research 130, 498-509; with bad outputs Cooper, Seiford and Tone 2007, Data
Envelopment Analysis, 2nd ed., section 13).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    RegionError,
    require_choice,
)
from regiometrics.measure.frontier import Codes, Flags, Floats, Frontier, Optima
from regiometrics.panel import Sample, complete, named, refuse, require_balanced, wide
from regiometrics.result import Estimate, frozen_options

Orientation = Literal["none", "input", "output"]
Returns = Literal["crs", "vrs"]
ReferenceRule = Literal["global", "contemporaneous", "sequential", "window"]
ZeroBad = Literal["raise", "drop_term"]
BaseRule = Literal["shan", "hall_jones", "zhang", "original_value"]

EFFICIENT = 1e-8  # distance from 1 that counts as rounding
IDENTITY = 1e-7  # score against the ratio of its slacks
CHAIN = 1e-10  # index against the product of its parts, relative
UNITS_PER_MEASURE = 3  # a frontier of fewer units calls most of them efficient
ZHANG_SHARE = 0.10  # first investment over first capital stock


@dataclass(frozen=True, kw_only=True)
class EfficiencyResult(Estimate):
    r"""Slacks-based scores with their slacks, peers and targets.

    Attributes
    ----------
    scores : DataFrame
        One row per row of the input, in its order: ``unit, time, efficiency`` and ``slack_<column>`` in units of the
        column: how much less input, more good or less bad output the target has. With super-efficiency the slacks of a
        score above 1 are negative: reserves up to the frontier of the others.
    peers : DataFrame
        ``unit, time, peer_unit, peer_time, weight``: the intensities :math:`\lambda`.
    targets : DataFrame
        ``unit, time`` and the columns at the projection.
    inputs, good, bad : tuple of str
        Columns.
    notes : tuple of str
        What the reader has to know.
    sample, options
        See `Estimate`.

    Where ``time`` was not given there is no such column. Several optima may exist; then the score is unique, while
    slacks, peers and targets are those of one of them.
    """

    scores: pd.DataFrame = field(repr=False)
    peers: pd.DataFrame = field(repr=False)
    targets: pd.DataFrame = field(repr=False)
    inputs: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse scores that are not the ratio of their slacks."""
        orientation = self.options["orientation"]
        ratio = np.ones(len(self.scores))
        if orientation != "output":
            ratio -= self._relative_slacks(self.inputs, 1).mean(axis=1)
        if orientation != "input":
            growth = np.hstack([self._relative_slacks(self.good, -1), self._relative_slacks(self.bad, 1)])
            ratio /= 1 + np.nanmean(growth, axis=1)
        gap = np.abs(ratio - self.scores["efficiency"].to_numpy()).max(initial=0.0)
        if not gap <= IDENTITY:
            raise RegionError(f"efficiency is not the ratio of its slacks (gap {gap:.3g})")

    def _relative_slacks(self, columns: Sequence[str], sign: int) -> Floats:
        """Slacks over observed values; NaN where a bad output is zero and its term dropped."""
        slack = self.scores[[f"slack_{c}" for c in columns]].to_numpy(dtype=float)
        observed = self.targets[list(columns)].to_numpy(dtype=float) + sign * slack
        relative: Floats = np.divide(slack, observed, out=np.full_like(slack, np.nan), where=observed > 0)
        return relative

    def to_frame(self) -> pd.DataFrame:
        """The scores with slacks, one row per row of the input (see ``scores``)."""
        return self.scores.copy()


def sbm(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str | None = None,
    inputs: Sequence[str],
    good: str | Sequence[str],
    bad: str | Sequence[str] = (),
    orientation: Orientation = "none",
    returns: Returns = "crs",
    frontier: ReferenceRule = "global",
    window: int = 3,
    super_efficiency: bool = False,
    zero_bad: ZeroBad = "raise",
) -> EfficiencyResult:
    r"""Slacks-based measure of efficiency.

    Parameters
    ----------
    df : DataFrame
        One row per unit (and time). Balance is not needed.
    unit, time : str
        Key columns.
    inputs, good, bad : str or sequence of str
        Columns: positive quantities in any unit.
    orientation : {"none", "input", "output"}
        Which slacks enter the score: all, those of inputs (numerator), or those of outputs (denominator).
    returns : {"crs", "vrs"}
        Constant or variable returns to scale; the latter adds :math:`\sum_j\lambda_j = 1`.
    frontier : {"global", "contemporaneous", "sequential", "window"}
        Reference set of a row: all rows; those of its period; those up to its period; those of the ``window`` periods
        that end with its own (early periods have fewer). The last differs from window analysis, which scores a row in
        every window that holds it.
    window : int
        Periods of a window.
    super_efficiency : bool
        Rank the efficient: a row with score 1 is scored against the reference set without itself (Tone 2002, European
        Journal of Operational Research 143, 32-41), so that scores may exceed 1.
    zero_bad : {"raise", "drop_term"}
        What to do with a bad output of zero, whose relative slack does not exist: raise, or leave the term and its
        count out of the unit's denominator.

    Returns
    -------
    EfficiencyResult

    Raises
    ------
    DomainError
        Values that are not positive, or an unknown option.
    InfeasibleError
        A row has no optimum (super-efficiency only): no mixture of the others reaches an efficient row under variable
        returns, or with bad outputs and input orientation.
    KeyColumnError, MissingValueError
        See `regiometrics.panel.complete`.

    Warns
    -----
    UserWarning
        A reference set has fewer than three rows per measure.

    Notes
    -----
    *Super-efficiency with bad outputs.* The score is :math:`\min (1 + \frac1m\sum_i s^-_i/x_{io}) / (1 -
    \frac1{s_1+s_2}(\sum_r s^g_r/y_{ro} + \sum_l s^b_l/b_{lo}))` over :math:`x_o + s^- \ge X\lambda`,
    :math:`y_o - s^g \le Y\lambda`, :math:`b_o + s^b \ge B\lambda`: the mirror image of the score above, and Tone's
    (2002) without bad outputs. Doing nothing (:math:`\lambda = 0`) is feasible under constant returns, so that with bad
    outputs it never exceeds :math:`(s_1+s_2)/s_2` there, unless the term of a zero bad output was dropped. Measures
    whose slacks are not in the score may not get worse.

    *Reduction.* With several periods, rows that are inefficient within their own period leave the reference sets of
    longer frontiers, which changes no score. Let j be inefficient: its own optimum has slacks, so that some combination
    :math:`\lambda_{jj} z_j + \sum_{i\ne j}\lambda_i z_i` dominates :math:`z_j`. Then :math:`\lambda_{jj} < 1`
    (otherwise the others would have to supply negative inputs, or nothing and no slack), so that the other rows over
    :math:`1-\lambda_{jj}` dominate :math:`z_j`, with weights that sum to one if all did. In any feasible point of any
    program j can be replaced by them without making a slack smaller, and the same is true for the next j of those left.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcdef"), "labour": [2, 4, 4, 5, 8, 6], "gdp": [1, 3, 2, 4, 4, 3]})
    >>> sbm(df, unit="city", inputs=["labour"], good="gdp").to_frame()["efficiency"].round(4).tolist()
    [0.625, 0.9375, 0.625, 1.0, 0.625, 0.625]
    """
    require_choice("frontier", frontier, ReferenceRule)
    if window < 1:
        raise DomainError(f"window={window} holds no period", remedy="pass a window of one period or more")
    if frontier in ("sequential", "window") and time is None:
        raise DomainError(f"frontier={frontier!r} needs periods", remedy="name the time column with time=")
    programs, sample = _Programs.of(
        df, unit, time, _Measures.of(inputs, good, bad), orientation=orientation, returns=returns, zero_bad=zero_bad
    )
    within = _references(int(programs.period.max()) + 1, frontier, window)
    programs.warn_if_few(within)
    solution = programs.solve(within)
    notes = programs.notes()
    if super_efficiency:
        notes += programs.exceed(solution, within)
    return EfficiencyResult(
        **programs.frames(solution),
        inputs=programs.measures.inputs,
        good=programs.measures.good,
        bad=programs.measures.bad,
        notes=notes,
        sample=sample,
        options=frozen_options(
            **programs.options,
            orientation=orientation,
            returns=returns,
            frontier=frontier,
            window=window,
            super_efficiency=super_efficiency,
            zero_bad=zero_bad,
        ),
    )


@dataclass(frozen=True, kw_only=True)
class ProductivityResult(Estimate):
    """The global Malmquist-Luenberger index of slacks-based scores.

    Attributes
    ----------
    indices : DataFrame
        ``unit, time, gml, efficiency_change, best_practice_change, cumulative``; the three changes are from the period
        before (missing in the first), ``cumulative`` is 1 in the first period.
    sample, options
        See `Estimate`.
    """

    indices: pd.DataFrame = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse an index that is not the product of its parts, or does not chain."""
        later = self.indices.dropna()
        gap = (later["gml"] / (later["efficiency_change"] * later["best_practice_change"]) - 1).abs()
        chained = self.indices["gml"].fillna(1.0).groupby(self.indices["unit"]).cumprod()
        drift = (chained / self.indices["cumulative"] - 1).abs()
        if not max(gap.max() if len(gap) else 0.0, drift.max()) <= CHAIN:
            raise RegionError("the index is not the product of its parts")

    def to_frame(self) -> pd.DataFrame:
        """The indices, one row per unit and period (see ``indices``)."""
        return self.indices.copy()


def gml_index(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    inputs: Sequence[str],
    good: str | Sequence[str],
    bad: str | Sequence[str] = (),
    returns: Returns = "crs",
) -> ProductivityResult:
    r"""Change of non-oriented slacks-based efficiency against the global frontier, in two parts.

    Parameters
    ----------
    df : DataFrame
        A balanced panel.
    unit, time : str
        Key columns.
    inputs, good, bad, returns
        See `sbm`.

    Returns
    -------
    ProductivityResult
        :math:`GML_{t,t+1} = \rho^G_{t+1}/\rho^G_t = EC \cdot BPC`, with the efficiency change
        :math:`EC = \rho^{t+1}_{t+1}/\rho^t_t` against own-period frontiers and the best-practice change, that of the
        gap :math:`\rho^G/\rho^t`. The index is circular: changes over several periods are products of the yearly ones.

    Raises
    ------
    UnbalancedPanelError
        A (unit, time) cell is missing.
    DomainError, KeyColumnError, MissingValueError
        See `sbm`.

    Notes
    -----
    Pastor and Lovell (2005, Economics Letters 88, 266-271); Oh (2010, Journal of Productivity Analysis 34, 183-197)
    with directional distances in place of the slacks-based score. "Green TFP" in the literature means this index; a
    score by itself is a level of efficiency.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("abcdef") * 2, "year": [1] * 6 + [2] * 6, "labour": [2, 4, 4, 5, 8, 6] * 2,
    ...                    "gdp": [1, 3, 2, 4, 4, 3, 1, 3, 3, 5, 4, 3]})
    >>> index = gml_index(df, unit="city", time="year", inputs=["labour"], good="gdp").to_frame()
    >>> index.loc[index["unit"] == "c", ["gml", "efficiency_change", "best_practice_change"]].round(3).values.tolist()
    [[nan, nan, nan], [1.5, 1.2, 1.25]]
    """
    programs, sample = _Programs.of(
        df, unit, time, _Measures.of(inputs, good, bad), orientation="none", returns=returns, zero_bad="raise"
    )
    require_balanced(df, unit=unit, time=time)
    periods = int(programs.period.max()) + 1
    own_period = _references(periods, "contemporaneous", 1)
    programs.warn_if_few(own_period)
    own = programs.solve(own_period)
    pooled = programs.solve(_references(periods, "global", 1), own=own)
    levels = programs.keys.assign(level=pooled.score, own=own.score, gap=pooled.score / own.score)
    levels = levels.sort_values([unit, time], ignore_index=True)
    before = levels.groupby(unit, sort=False)[["level", "own", "gap"]].shift()
    indices = (
        levels[[unit, time]]
        .set_axis(["unit", "time"], axis=1)
        .assign(
            gml=levels["level"] / before["level"],
            efficiency_change=levels["own"] / before["own"],
            best_practice_change=levels["gap"] / before["gap"],
            cumulative=levels["level"] / levels.groupby(unit, sort=False)["level"].transform("first"),
        )
    )
    return ProductivityResult(
        indices=indices, sample=sample, options=frozen_options(**programs.options, returns=returns)
    )


@dataclass(frozen=True, slots=True)
class _Measures:
    """Columns by role."""

    inputs: tuple[str, ...]
    good: tuple[str, ...]
    bad: tuple[str, ...]

    @classmethod
    def of(cls, inputs: str | Sequence[str], good: str | Sequence[str], bad: str | Sequence[str]) -> _Measures:
        measures = cls(*((c,) if isinstance(c, str) else tuple(c) for c in (inputs, good, bad)))
        if not (measures.inputs and measures.good):
            raise DomainError("a score needs an input and a good output", remedy="name them in inputs= and good=")
        twice = [c for c in dict.fromkeys(measures.columns) if measures.columns.count(c) > 1]
        if twice:
            raise KeyColumnError(f"measures named twice: {', '.join(twice)}", remedy="give each column one role")
        keys = [c for c in measures.columns if c in ("unit", "time")]
        if keys:
            raise KeyColumnError(f"a measure is called {keys[0]!r}, as a key of the result", remedy="rename the column")
        return measures

    @property
    def columns(self) -> tuple[str, ...]:
        return self.inputs + self.good + self.bad

    @property
    def signs(self) -> Floats:
        """-1 for good outputs, of which more is better."""
        return np.repeat([1.0, -1.0, 1.0], [len(self.inputs), len(self.good), len(self.bad)])

    def weights(self, values: Floats, orientation: Orientation) -> tuple[Floats, Floats]:
        """Weights of the relative slacks in numerator and denominator; a bad output of zero has none."""
        saving, growth = np.zeros_like(values), np.zeros_like(values)
        m = len(self.inputs)
        if orientation != "output":
            saving[:, :m] = 1 / m
        if orientation != "input":
            counted = values[:, m:] > 0
            growth[:, m:] = counted / counted.sum(axis=1, keepdims=True)
        return saving, growth

    def require_quantities(self, used: pd.DataFrame, keys: Sequence[str], zero_bad: ZeroBad) -> None:
        """Raise `DomainError` for values that are not positive."""
        for column in self.columns:
            dropped = column in self.bad and zero_bad == "drop_term"
            remedy = "correct the cell or leave the row out; a negative quantity has no relative slack"
            if column in self.bad and not dropped:
                remedy = "correct the cell or leave the row out; sbm takes zero_bad='drop_term' for true zeros"
            refuse(
                DomainError,
                "inputs and outputs must be positive" if not dropped else "a bad output may not be negative",
                rows=used[column] < 0 if dropped else used[column] <= 0,
                of=used,
                keys=keys,
                column=column,
                remedy=remedy,
            )


def _references(periods: int, frontier: ReferenceRule, window: int) -> Flags:
    """Periods x periods: whose rows a row of the first is compared with."""
    lag = np.subtract.outer(np.arange(periods), np.arange(periods))
    rules: dict[str, Flags] = {
        "contemporaneous": lag == 0,
        "sequential": lag >= 0,
        "window": (lag >= 0) & (lag < window),
    }
    return rules.get(frontier, np.ones_like(lag, dtype=bool))


@dataclass(frozen=True, slots=True)
class _Solution:
    """Scores, slacks in units of the columns, peers as row positions (-1: none), intensities; filled set by set."""

    score: Floats
    slack: Floats
    peer: Codes
    weight: Floats

    @classmethod
    def empty(cls, n: int, measures: int, rows: int) -> _Solution:
        return cls(np.empty(n), np.empty((n, measures)), np.full((n, rows), -1, dtype=np.intp), np.zeros((n, rows)))


@dataclass(frozen=True, slots=True)
class _Programs:
    """The linear programs of a table: oriented and scaled measures, weights, periods and keys of its rows."""

    measures: _Measures
    values: Floats
    saving: Floats
    growth: Floats
    scale: Floats
    variable_returns: bool
    keys: pd.DataFrame
    period: Codes
    unit: str
    time: str | None

    @classmethod
    def of(
        cls,
        df: pd.DataFrame,
        unit: str,
        time: str | None,
        measures: _Measures,
        *,
        orientation: Orientation,
        returns: Returns,
        zero_bad: ZeroBad,
    ) -> tuple[_Programs, Sample]:
        require_choice("orientation", orientation, Orientation)
        require_choice("returns", returns, Returns)
        require_choice("zero_bad", zero_bad, ZeroBad)
        keys = named(unit, time)
        used, sample = complete(df, measures.columns, keys=keys)
        if used.empty:
            raise GroupSizeError("no row to compare", remedy="check the selection of rows")
        measures.require_quantities(used, keys, zero_bad)
        values = used[list(measures.columns)].to_numpy(dtype=float)
        saving, growth = measures.weights(values, orientation)
        mean = values.mean(axis=0)
        scale = np.where(mean > 0, mean, 1.0)
        period = np.zeros(len(used), dtype=np.intp) if time is None else pd.factorize(used[time], sort=True)[0]
        names = used[keys].reset_index(drop=True)
        return cls(measures, values, saving, growth, scale, returns == "vrs", names, period, unit, time), sample

    @property
    def options(self) -> dict[str, object]:
        """Arguments that every measure of these programs shares."""
        m = self.measures
        return {"unit": self.unit, "time": self.time, "inputs": m.inputs, "good": m.good, "bad": m.bad}

    @property
    def oriented(self) -> Floats:
        """Measures in units of their means, less is better."""
        return self.values / self.scale * self.measures.signs

    def notes(self) -> tuple[str, ...]:
        """What the reader has to know of the data."""
        zeros = int((self.values == 0).sum())
        return (f"{zeros} terms of bad outputs that are zero are left out of the denominator",) if zeros else ()

    def warn_if_few(self, within: Flags) -> None:
        """Warn of reference sets too small for the number of measures."""
        smallest, k = int((within @ np.bincount(self.period)).min()), len(self.measures.columns)
        if smallest < UNITS_PER_MEASURE * k:
            warnings.warn(
                f"{smallest} rows on a frontier of {k} measures: most of them will count as efficient; "
                f"pool periods or use fewer measures",
                UserWarning,
                stacklevel=3,
            )

    def solve(self, within: Flags, own: _Solution | None = None) -> _Solution:
        """Every row against the rows of the periods within its reach; ``own`` is the solution of own periods."""
        own_period = np.eye(len(within), dtype=bool)
        if np.array_equal(within, own_period):
            return self._against(within, np.ones(len(self.period), dtype=bool))
        own = own or self.solve(own_period)
        return self._against(within, own.score >= 1 - EFFICIENT)

    def _against(self, within: Flags, eligible: Flags) -> _Solution:
        """Every row against the eligible rows of the periods within its reach."""
        n, k = self.values.shape
        solution = _Solution.empty(n, k, k + self.variable_returns)
        oriented = self.oriented
        for reach in np.unique(within, axis=0):
            rows = np.flatnonzero((within == reach).all(axis=1)[self.period])
            reference = np.flatnonzero(reach[self.period] & eligible)
            program = Frontier(oriented[reference], variable_returns=self.variable_returns)
            self._fill(solution, rows, reference, self._optima(program, oriented, rows, "check the measures"))
        return solution

    def exceed(self, solution: _Solution, within: Flags) -> tuple[str, ...]:
        """Score the efficient rows against all others within reach, and say how many they are."""
        oriented = self.oriented
        efficient = np.flatnonzero(solution.score >= 1 - EFFICIENT)
        remedy = "use returns='crs' with orientation='none' or 'output', or leave super_efficiency=False"
        for row in efficient:
            reference = np.flatnonzero(within[self.period[row]][self.period])
            reference = reference[reference != row]
            if not len(reference):
                raise GroupSizeError("super-efficiency needs another row on the frontier", remedy="pool periods")
            scored = (self.saving[row] > 0) | (self.growth[row] > 0)
            program = Frontier(oriented[reference], variable_returns=self.variable_returns, reserve=scored)
            rows = np.array([row])
            self._fill(solution, rows, reference, self._optima(program, oriented, rows, remedy))
        return (f"{len(efficient)} efficient rows scored against the others",)

    def _optima(self, program: Frontier, oriented: Floats, rows: Codes, remedy: str) -> Optima:
        keys = list(self.keys.iloc[rows].itertuples(index=False, name=None))
        return program.solve(oriented[rows], self.saving[rows], self.growth[rows], keys=keys, remedy=remedy)

    def _fill(self, solution: _Solution, rows: Codes, reference: Codes, found: Optima) -> None:
        solution.score[rows] = found.score
        solution.slack[rows] = found.slack * self.scale
        solution.peer[rows] = np.where(found.peer >= 0, reference[found.peer], -1)
        solution.weight[rows] = found.weight

    def frames(self, solution: _Solution) -> dict[str, pd.DataFrame]:
        """Scores, peers and targets with the keys of their rows."""
        keys = self.keys.set_axis(["unit", "time"][: self.keys.shape[1]], axis=1)
        columns = list(self.measures.columns)
        slack = pd.DataFrame(solution.slack, columns=[f"slack_{c}" for c in columns])
        target = pd.DataFrame(self.values - self.measures.signs * solution.slack, columns=columns)
        row, place = np.nonzero(solution.peer >= 0)
        peers = keys.iloc[solution.peer[row, place]].add_prefix("peer_").reset_index(drop=True)
        weight = pd.DataFrame({"weight": solution.weight[row, place]})
        return {
            "scores": pd.concat([keys, pd.DataFrame({"efficiency": solution.score}), slack], axis=1),
            "peers": pd.concat([keys.iloc[row].reset_index(drop=True), peers, weight], axis=1),
            "targets": pd.concat([keys, target], axis=1),
        }


@dataclass(frozen=True, kw_only=True)
class CapitalResult(Estimate):
    r"""Capital stocks at the end of each period, and how much the rule for the first stock matters.

    Attributes
    ----------
    stocks : DataFrame
        ``unit, time, investment, capital``: investment deflated.
    sensitivity : DataFrame
        One row per base rule and time: ``base, time, capital`` (sum over units), ``ratio`` (to that of the rule
        chosen), ``surviving`` (share of the first stock that is left, :math:`\prod(1-\delta)`, averaged over units) and
        ``share_of_base`` (what is left of the first stocks in the capital of all units). Missing where a rule does not
        apply: a growth rate of -delta or less, or too short a panel.
    base : str
        The rule chosen.
    sample, options
        See `Estimate`.
    """

    stocks: pd.DataFrame = field(repr=False)
    sensitivity: pd.DataFrame = field(repr=False)
    base: str

    def __post_init__(self) -> None:
        """Refuse a stock that is negative or not finite."""
        capital = self.stocks["capital"].to_numpy()
        if not (np.isfinite(capital) & (capital >= 0)).all():
            raise RegionError("a capital stock may not be negative")

    def to_frame(self) -> pd.DataFrame:
        """The stocks, one row per unit and period (see ``stocks``)."""
        return self.stocks.copy()


def capital_stock(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    investment: str,
    deflator: str | None = None,
    delta: float | pd.Series = 0.1096,
    base: BaseRule = "shan",
    original_value: str | None = None,
    growth_years: int = 5,
) -> CapitalResult:
    r"""Capital by perpetual inventory, :math:`K_t = (1-\delta_t) K_{t-1} + I_t/p_t`.

    Parameters
    ----------
    df : DataFrame
        A balanced panel whose periods follow one another.
    unit, time : str
        Key columns.
    investment : str
        Gross fixed investment, current prices if a deflator is given.
    deflator : str, optional
        Price index of investment, 1 in the base year of the prices.
    delta : float or Series
        Depreciation rate in [0, 1]: one number, or by unit or by time (index). 10.96% is Shan's (2008), 9.6% that of
        Zhang, Wu and Zhang (2004).
    base : {"shan", "hall_jones", "zhang", "original_value"}
        First stock: :math:`I_{b+1}/(\delta+g)` (Shan 2008); :math:`I_b/(\delta+g)` (Hall and Jones 1999, Quarterly
        Journal of Economics 114, 83-116); :math:`I_b/0.10` (Zhang, Wu and Zhang 2004); or a stock that is given. g is
        the yearly growth of real investment over the first ``growth_years`` years (compound), :math:`\delta` the rate
        of the first period. Along a steady path only the first gives a stock that grows at g from the start.
    original_value : str, optional
        Column with the first stock in the prices of the deflator's base year; read in the first period.
    growth_years : int
        Years that g is taken over.

    Returns
    -------
    CapitalResult

    Raises
    ------
    DomainError
        Negative investment, a deflator that is not positive, delta outside [0, 1], a base rule without a positive stock
        (for instance :math:`\delta + g \le 0`), or periods with a gap.
    GroupSizeError
        Fewer than ``growth_years`` + 1 periods.
    KeyColumnError, MissingValueError, UnbalancedPanelError
        Columns, cells, keys of ``delta``.

    Notes
    -----
    Shan, H. (2008), Journal of Quantitative and Technical Economics 25(10), 17-31; Zhang, J., Wu, G. and Zhang, J.
    (2004), Economic Research Journal (10), 35-44; both as usually cited.

    Examples
    --------
    >>> df = pd.DataFrame({"city": "a", "year": range(2000, 2006), "investment": 100 * 1.1 ** np.arange(6)})
    >>> stock = capital_stock(df, unit="city", time="year", investment="investment", delta=0.1).to_frame()
    >>> (stock["capital"] / stock["investment"]).round(9).unique().tolist()  # a steady path: (1 + g)/(delta + g)
    [5.5]
    """
    require_choice("base", base, BaseRule)
    if growth_years < 1:
        raise DomainError(f"growth_years={growth_years} is no period", remedy="pass one year or more")
    if (base == "original_value") != (original_value is not None):
        raise DomainError(
            f"base={base!r} and original_value={original_value!r} do not go together",
            remedy="name the column of the first stock in original_value= for base='original_value', and only then",
        )
    keys = [unit, time]
    used, sample = complete(df, named(investment, deflator), keys=keys)
    if used.empty:
        raise GroupSizeError("no row to accumulate", remedy="check the selection of rows")
    _refuse_where(used, keys, investment, used[investment] < 0, "investment may not be negative")
    if deflator is not None:
        _refuse_where(used, keys, deflator, used[deflator] <= 0, "a price index must be positive")
    prices = used[deflator] if deflator is not None else 1.0
    real = wide(used.assign(**{investment: used[investment] / prices}), unit=unit, time=time, value=investment)
    _require_consecutive(real.columns, time)
    flow = real.to_numpy(dtype=float)
    rates = _depreciation(delta, real)
    given = None if original_value is None else _first_stock(df, real, unit=unit, time=time, column=original_value)
    firsts = _first_stocks(flow, rates[:, 0], given, growth_years)
    _require_first_stock(firsts[base], base, real.index, flow.shape[1], growth_years)
    surviving = np.cumprod(np.column_stack([np.ones(len(flow)), 1 - rates[:, 1:]]), axis=1)
    stocks = {rule: _accumulate(first, flow, rates) for rule, first in firsts.items()}
    chosen = pd.DataFrame(stocks[base], real.index, real.columns)
    at = real.index.get_indexer(pd.Index(used[unit])), real.columns.get_indexer(pd.Index(used[time]))
    frame = pd.DataFrame(
        {
            "unit": used[unit].to_numpy(),
            "time": used[time].to_numpy(),
            "investment": flow[at],
            "capital": chosen.to_numpy()[at],
        }
    )
    tables = []
    for rule, stock in stocks.items():
        total = stock.sum(axis=0)
        tables.append(
            pd.DataFrame(
                {
                    "base": rule,
                    "time": real.columns,
                    "capital": total,
                    "ratio": total / stocks[base].sum(axis=0),
                    "surviving": surviving.mean(axis=0),
                    "share_of_base": (surviving * stock[:, :1]).sum(axis=0) / total,
                }
            )
        )
    return CapitalResult(
        stocks=frame,
        sensitivity=pd.concat(tables, ignore_index=True),
        base=base,
        sample=sample,
        options=frozen_options(
            unit=unit,
            time=time,
            investment=investment,
            deflator=deflator,
            delta=delta,
            base=base,
            original_value=original_value,
            growth_years=growth_years,
        ),
    )


def _refuse_where(used: pd.DataFrame, keys: list[str], column: str, rows: pd.Series, problem: str) -> None:
    refuse(DomainError, problem, rows=rows, of=used, keys=keys, column=column, remedy="correct the cell")


def _require_consecutive(times: pd.Index, time: str) -> None:
    """Raise `DomainError` unless numbered periods follow one another."""
    if pd.api.types.is_numeric_dtype(times):
        steps = np.diff(times.to_numpy(dtype=float))
        gaps = times[1:][steps != 1]
        if len(gaps):
            raise DomainError(
                "no period may be left out before these", column=time, keys=list(gaps), remedy="add the missing years"
            )


def _depreciation(delta: float | pd.Series, real: pd.DataFrame) -> Floats:
    """Rates, units x times."""
    if isinstance(delta, pd.Series):
        by_unit, by_time = real.index.isin(delta.index).all(), real.columns.isin(delta.index).all()
        if by_unit == by_time or not delta.index.is_unique:
            raise KeyColumnError(
                "the index of delta must hold all units or all periods, each once",
                remedy="pass a Series indexed by unit or by time, or one number",
            )
        along = delta.reindex(real.index if by_unit else real.columns).to_numpy(dtype=float)
        rates = np.broadcast_to(along[:, None] if by_unit else along, real.shape)
    else:
        rates = np.full(real.shape, float(delta))
    if not ((rates >= 0) & (rates <= 1)).all():
        raise DomainError("delta must lie in [0, 1]", remedy="pass a rate, such as 0.1096, not a percentage")
    return np.asarray(rates, dtype=float)


def _first_stock(df: pd.DataFrame, real: pd.DataFrame, *, unit: str, time: str, column: str) -> Floats:
    """The given stocks of the first period, by unit."""
    first, _ = complete(df[df[time] == real.columns[0]], [column], keys=[unit, time])
    _refuse_where(first, [unit, time], column, first[column] <= 0, "a first stock must be positive")
    return first.set_index(unit)[column].reindex(real.index).to_numpy(dtype=float)


def _first_stocks(flow: Floats, rate: Floats, given: Floats | None, years: int) -> dict[str, Floats]:
    """First stocks by rule; NaN where a rule gives none."""
    missing = np.full(len(flow), np.nan)
    firsts = {
        "shan": missing,
        "hall_jones": missing,
        "zhang": np.where(flow[:, 0] > 0, flow[:, 0] / ZHANG_SHARE, np.nan),
    }
    if flow.shape[1] > years:
        growth = np.full(len(flow), np.nan)
        grown = (flow[:, 0] > 0) & (flow[:, years] > 0)
        growth[grown] = (flow[grown, years] / flow[grown, 0]) ** (1 / years) - 1
        divisor = np.where(rate + growth > 0, rate + growth, np.nan)
        next_flow = np.where(flow[:, 1] > 0, flow[:, 1], np.nan)
        firsts |= {"shan": next_flow / divisor, "hall_jones": flow[:, 0] / divisor}
    return firsts if given is None else firsts | {"original_value": given}


def _require_first_stock(first: Floats, base: str, units: pd.Index, periods: int, years: int) -> None:
    """Raise unless the rule gives every unit a positive stock."""
    grown = base in ("shan", "hall_jones")
    if grown and periods <= years:
        raise GroupSizeError(
            f"growth over {years} years needs {years + 1} periods, not {periods}",
            remedy="lower growth_years, or use base='zhang'",
        )
    without = ~(first > 0)
    if without.any():
        raise DomainError(
            f"base={base!r} gives no positive first stock",
            keys=units[without],
            remedy="delta plus the growth of investment must be positive and first investments too; "
            "leave these units out or give their stocks in original_value="
            if grown
            else "leave these units out, or give their stocks in original_value=",
        )


def _accumulate(first: Floats, flow: Floats, rates: Floats) -> Floats:
    """Stocks, units x times, from the first one on."""
    stock = np.empty_like(flow)
    stock[:, 0] = first
    for t in range(1, flow.shape[1]):
        stock[:, t] = (1 - rates[:, t]) * stock[:, t - 1] + flow[:, t]
    return stock
