"""Dynamic panels: difference and system GMM with Windmeijer's standard errors and the tests that go with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg, special
from scipy.sparse import csgraph
from threadpoolctl import ThreadpoolController

from regiometrics.errors import DomainError, GroupSizeError, RankError, UnbalancedPanelError, require_choice
from regiometrics.panel import Missing, Sample, complete, named, require_columns
from regiometrics.result import Estimate, coefficient_frame, frozen_options

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Equations = Literal["both", "difference", "level"]
Transform = Literal["fd", "fod"]
TimeEffects = Literal[True, False, "level", "both"]
Gaps = Literal["raise", "allow"]

BLAS = ThreadpoolController()  # the matrices are small: several threads take many times as long as one
COLLINEAR = 1e-11  # share of a column's squares that must survive the columns before it
MANY = 0.5  # instruments per unit beyond which a note warns
TOO_GOOD = 0.9  # Hansen p-value beyond which a note warns where instruments are many
CONSTANT = "constant"
WHOLE = (int, np.integer)
LAGGED = re.compile(r"L(\d+)\.(.+)")


@dataclass(frozen=True, slots=True)
class GmmSpec:
    """Which lags of a variable are instruments, and where.

    Attributes
    ----------
    lags : (int, int or None)
        First and last lag in the differenced equation, counted from the named variable: (2, None) of an endogenous
        variable, (1, None) of a predetermined one. None, or a lag beyond the panel, means all.
    collapse : bool
        One column per lag instead of one per lag and period (Roodman 2009).
    equations : {"both", "difference", "level"}
        Levels instrument the differenced equation; in the level equation stands the difference lagged by one period
        less than the first lag, or not lagged where that is 0.

    Examples
    --------
    >>> GmmSpec(lags=(2, None), collapse=False).equations
    'both'
    """

    lags: tuple[int, int | None] = (2, 4)
    collapse: bool = True
    equations: Equations = "both"

    def __post_init__(self) -> None:
        require_choice("equations", self.equations, Equations)
        if not _is_range(self.lags):
            raise DomainError(
                f"lags={self.lags!r} are no range",
                remedy="write (first, last), whole numbers with 0 <= first <= last; None for last means all",
            )


class OveridentificationTest(NamedTuple):
    """A chi-squared test of instruments; the p-value is NaN where nothing is left to test."""

    statistic: float
    p_value: float
    df: int


class SerialCorrelationTest(NamedTuple):
    """A standard normal test of the differenced errors; NaN where the panel is too short."""

    statistic: float
    p_value: float


@dataclass(frozen=True, kw_only=True)
class DynamicPanelResult(Estimate):
    """Coefficients of a dynamic panel equation, and the tests of its instruments.

    Attributes
    ----------
    outcome : str
        The outcome.
    estimate : Series, by term
        Lags of the outcome, regressors, periods such as ``year=2009``, and ``constant``.
    covariance : DataFrame, terms x terms
        Robust to any correlation within units.
    hansen : OveridentificationTest
        Of the two-step moments, whatever ``steps`` is.
    sargan : OveridentificationTest
        Of the one-step moments; valid under independent errors of one variance alone.
    diff_hansen : OveridentificationTest
        Of the lagged differences in the level equation, the extra moments of system GMM.
    ar1, ar2 : SerialCorrelationTest
        Arellano and Bond's (1991) tests of the differenced errors.
    n_instruments, n_groups, n_obs : int
        Independent instruments; units with a row; rows of the level equation (of the transformed one in difference
        GMM).
    df_t : float
        Degrees of freedom of the t statistics; infinite unless ``small``.
    notes : tuple of str
        What speaks against the numbers: many instruments, a Hansen test that cannot reject, dropped columns.
    sample, options
        See `Estimate`.
    """

    outcome: str
    estimate: pd.Series
    covariance: pd.DataFrame = field(repr=False)
    hansen: OveridentificationTest
    sargan: OveridentificationTest
    diff_hansen: OveridentificationTest
    ar1: SerialCorrelationTest
    ar2: SerialCorrelationTest
    n_instruments: int
    n_groups: int
    n_obs: int
    df_t: float
    notes: tuple[str, ...] = ()
    _levels: _Levels = field(repr=False)

    @property
    def std_error(self) -> pd.Series:
        """Standard errors, by term; NaN where a pseudo-inverse left no positive variance."""
        variance = np.diag(self.covariance)
        return pd.Series(np.sqrt(np.where(variance > 0, variance, np.nan)), index=self.estimate.index)

    def to_frame(self) -> pd.DataFrame:
        """One row per term: ``term, estimate, std_error, statistic, p_value, low, high``; limits at 95 percent."""
        return coefficient_frame(self.estimate, self.std_error, df=self.df_t)

    def bounds(self) -> pd.DataFrame:
        """Within, GMM and pooled least-squares estimates of the same level equation, a row per term.

        Columns ``term, within, within_error, gmm, gmm_error, ols, ols_error, between``. The within estimate of the lag
        is biased down, the pooled one up, so that ``between`` should hold for ``L1.<outcome>`` (Bond 2002). Errors are
        clustered by unit; what is constant within units has no within estimate. Without a constant in the GMM equation
        (difference GMM) the pooled regression has one all the same.
        """
        terms = [term for term in self.estimate.index if term != CONSTANT]
        ols, ols_error = self._levels.pooled()
        within, within_error = self._levels.within()
        gmm = self.estimate[terms].to_numpy()
        between = (np.fmin(ols, within) <= gmm) & (gmm <= np.fmax(ols, within)) & np.isfinite(ols + within)
        columns = {
            "term": terms,
            "within": within,
            "within_error": within_error,
            "gmm": gmm,
            "gmm_error": self.std_error[terms].to_numpy(),
            "ols": ols,
            "ols_error": ols_error,
            "between": between,
        }
        return pd.DataFrame(columns)


def dynamic_panel(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    lags: int = 1,
    regressors: str | Sequence[str] = (),
    gmm: Mapping[str, GmmSpec] = MappingProxyType({}),
    iv: str | Sequence[str] = (),
    system: bool = True,
    steps: Literal[1, 2] = 2,
    transform: Transform = "fd",
    windmeijer: bool = True,
    time_effects: TimeEffects = True,
    small: bool = False,
    allow_many: bool = False,
    gaps: Gaps = "raise",
    missing: Missing = "raise",
) -> DynamicPanelResult:
    r"""Difference or system GMM of :math:`y_{it}=\sum_l\rho_l y_{i,t-l}+x_{it}'\beta+\mu_i+\lambda_t+\varepsilon_{it}`.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time). Units may begin and end when they like.
    unit, time : str
        Key columns. Periods must be equally spaced where they can be counted: numbers, numbers as text, ``Period``, and
        dates of one day of the month or of ends of months. Other labels count in their order, so that a period which
        no unit has is no gap.
    outcome : str
        Left-hand side.
    lags : int
        Number of its lags on the right-hand side, ``L1.<outcome>`` and on.
    regressors : str or sequence of str
        Further columns of the right-hand side. Here and in ``gmm`` and ``iv`` a name such as ``L2.k`` means the second
        lag of column ``k`` within the unit, unless the table has a column of that name.
    gmm : mapping of str to GmmSpec
        Variables whose lags are instruments. Empty: the outcome, with ``GmmSpec()``.
    iv : str or sequence of str
        Strictly exogenous variables, each one column of instruments: transformed in the transformed equation and in
        levels in the level equation. A regressor is its own instrument only if it is named here.
    system : bool
        Whether the level equation is added (Blundell and Bond 1998); False is difference GMM (Arellano and Bond 1991).
    steps : {2, 1}
        Two steps, or one with robust errors.
    transform : {"fd", "fod"}
        First differences, or forward orthogonal deviations (Arellano and Bover 1995): the deviation of period t from
        the mean of the later ones belongs to t + 1, so that the same lags are valid under both.
    windmeijer : bool
        Whether two-step errors get Windmeijer's (2005) correction; without it they are far too small.
    time_effects : {True, False, "both", "level"}
        Dummies of all periods but the first of the level equation. "both" or True: their own instruments in both
        equations, as ``iv(i.year)`` of Stata's xtabond2; "level": in the level equation alone, as
        ``iv(i.year, equation(level))``, which on balanced data is the same. False: none. System GMM has a constant in
        the level equation in all cases.
    small : bool
        Covariance times (n - 1)/(n - K) G/(G - 1), and t statistics with G - 1 degrees of freedom.
    allow_many : bool
        Whether there may be more instruments than units; their two-step weights are then a pseudo-inverse.
    gaps : {"raise", "allow"}
        What to do with periods that are missing inside a unit's span.
    missing : {"raise", "drop"}
        What to do with missing values of the columns named; a row that is dropped may leave a gap.

    Returns
    -------
    DynamicPanelResult

    Raises
    ------
    KeyColumnError
        A column is absent, a key null or duplicated.
    MissingValueError
        NaN or infinity and ``missing="raise"``.
    DomainError
        Text in a number column, a number or range of lags that is none, a ``gmm`` without `GmmSpec`, or an option that
        does not exist or has no use.
    GroupSizeError
        Fewer than three periods, or no unit long enough for a transformed row.
    UnbalancedPanelError
        Gaps, or periods that are not equally spaced.
    RankError
        Coefficients without instruments, collinear regressors, regressors constant within units in difference GMM, or
        more instruments than units or rows.

    Notes
    -----
    Errors and tests follow Stata's xtabond2 (Roodman 2009), with which they agree to the digits that it prints. The
    one-step weight of a unit is :math:`H=MM'`, M taking its level rows to the stacked rows (h(3)). The Sargan statistic
    divides by :math:`\hat e'\hat e/2n` of the n differenced one-step residuals (by :math:`\hat e'\hat e/n` under
    orthogonal deviations). ``diff_hansen`` refits without the instruments in question, under the matching block of the
    two-step weights' inverse. Lags that a unit does not have are zeros among the instruments. All estimates come from
    the products :math:`Z_i'X_i` of each unit, so that the correction is a matrix product and no loop; the tests hold
    coefficients, errors and time against statspai.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> df = pd.DataFrame({"city": np.repeat(range(60), 8), "year": list(range(2008, 2016)) * 60,
    ...                    "h": rng.normal(size=480)})
    >>> result = dynamic_panel(df, unit="city", time="year", outcome="h", time_effects=False)
    >>> list(result.estimate.index), result.n_instruments, result.n_obs
    (['L1.h', 'constant'], 5, 420)
    """
    _require_options(steps, transform, time_effects, gaps, system, lags)
    _require_specs(gmm)
    regressors, iv = ([names] if isinstance(names, str) else names for names in (regressors, iv))
    instruments = dict(gmm) or {outcome: GmmSpec()}
    asked = [outcome, *regressors, *iv, *instruments]
    columns = {name: _column(df, name) for name in asked}
    used = named(*(column for column, _ in columns.values()))
    table, sample = complete(df, used, keys=[unit, time], missing=missing)
    panel = _Panel.of(table, unit=unit, time=time, gaps=gaps)
    numbers = {column: table[column].to_numpy(dtype=float) for column in used}
    value = {name: panel.spread(numbers[column], lag) for name, (column, lag) in columns.items()}
    levels = _Levels.of(panel, value, outcome=outcome, lags=lags, regressors=regressors, iv=iv)
    levels = levels.with_effects(panel, time, bool(time_effects), constant=system, transform=transform)
    _require_length(levels, lags, transform)
    with BLAS.limit(limits=1):
        stacked = _Stacked.of(levels, value, instruments, system=system, transform=transform, effects=time_effects)
        _require_variation(stacked)
        _require_instruments(stacked)
        stacked, weight, notes = _independent(stacked)
        _require_instruments(stacked)
        _require_units(stacked, allow_many)
        first = _Fit.of(stacked.products, weight, stacked.terms)
        spread = first.moments.T @ first.moments
        weight, rank = _inverse(spread)
        second = _Fit.of(stacked.products, weight, stacked.terms)
        chosen = second if steps == 2 else first
        covariance = first.sandwich(spread)
        if steps == 2:
            covariance = second.corrected(first, covariance) if windmeijer else second.bread
        hansen = _overidentified(second.criterion, stacked.n_instruments - len(stacked.terms))
        own = {columns[name][0] for name in (*iv, *instruments)}
        notes += _about(stacked, hansen, rank, [name for name in regressors if columns[name][0] not in own])
        notes += tuple(
            f"lag {columns[name][1] + spec.lags[0]} of the outcome is correlated with the differenced error"
            for name, spec in instruments.items()
            if columns[name][0] == outcome and columns[name][1] + spec.lags[0] < 2
        )
        serial = _serial_correlation(levels, chosen, covariance, orders=(1, 2))
        extra = _level_test(stacked, spread, hansen)
    n_groups, n_obs = int(stacked.used.sum()), int(stacked.used_rows.sum())
    factor = (n_obs - 1) / (n_obs - len(stacked.terms)) * n_groups / (n_groups - 1) if small else 1.0
    index = pd.Index(stacked.terms, name="term")
    return DynamicPanelResult(
        sample=panel.account(sample, table, stacked.used, unit=unit, time=time),
        options=frozen_options(
            unit=unit,
            time=time,
            outcome=outcome,
            lags=lags,
            regressors=tuple(regressors),
            gmm=MappingProxyType(instruments),
            iv=tuple(iv),
            system=system,
            steps=steps,
            transform=transform,
            windmeijer=windmeijer,
            time_effects=time_effects,
            small=small,
            allow_many=allow_many,
            gaps=gaps,
            missing=missing,
        ),
        outcome=outcome,
        estimate=pd.Series(chosen.coefficients, index=index),
        covariance=pd.DataFrame(factor * covariance, index=index, columns=index),
        hansen=hansen,
        sargan=_overidentified(first.criterion / stacked.variance(first.coefficients), hansen.df),
        diff_hansen=extra,
        ar1=serial[0],
        ar2=serial[1],
        n_instruments=stacked.n_instruments,
        n_groups=n_groups,
        n_obs=n_obs,
        df_t=n_groups - 1 if small else np.inf,
        notes=notes,
        _levels=levels,
    )


def _require_options(
    steps: int, transform: str, time_effects: bool | str, gaps: str, system: bool, lags: object
) -> None:
    """Raise `DomainError` for options that do not exist or have no use."""
    require_choice("steps", steps, Literal[1, 2])
    require_choice("transform", transform, Transform)
    require_choice("time_effects", time_effects, TimeEffects)
    require_choice("gaps", gaps, Gaps)
    if not (isinstance(lags, WHOLE) and lags >= 1):
        raise DomainError(
            f"lags={lags!r} is no number of lags", remedy="give a whole number, 1 or more; without a lag use twfe"
        )
    if time_effects == "level" and not system:
        raise DomainError(
            'time_effects="level" needs the level equation', remedy='pass system=True or time_effects="both"'
        )


def _require_specs(gmm: object) -> None:
    """Raise `DomainError` unless each variable is mapped to a `GmmSpec`."""
    remedy = "map each variable to a GmmSpec, such as gmm={'y': GmmSpec(lags=(2, 4))}"
    if not isinstance(gmm, Mapping):
        raise DomainError(f"gmm={gmm!r} is no mapping", remedy=remedy)
    for name, spec in gmm.items():
        if not isinstance(spec, GmmSpec):
            raise DomainError(f"gmm[{name!r}]={spec!r} is no GmmSpec", remedy=remedy)


def _is_range(lags: object) -> bool:
    """Whether these are a first and a last lag, whole numbers in order; None for the last means all."""
    if not (isinstance(lags, Sequence) and len(lags) == 2):
        return False
    first, last = lags
    if not isinstance(first, WHOLE) or first < 0:
        return False
    return last is None or (isinstance(last, WHOLE) and bool(last >= first))


def _column(df: pd.DataFrame, name: str) -> tuple[str, int]:
    """The column that a name stands for, and its lag."""
    lagged = LAGGED.fullmatch(name)
    if name not in df.columns and lagged is not None and lagged[2] in df.columns:
        return lagged[2], int(lagged[1])
    require_columns(df, [name])
    return name, 0


@dataclass(frozen=True, slots=True)
class _Panel:
    """Units and periods of the rows, and their cell in the units x periods array."""

    units: pd.Index
    periods: list[object]
    cell: npt.NDArray[np.intp]

    @classmethod
    def of(cls, table: pd.DataFrame, *, unit: str, time: str, gaps: Gaps) -> _Panel:
        at_unit, units = pd.factorize(table[unit])
        at_time, periods = _period_positions(table[time], time)
        if len(periods) < 3:
            raise GroupSizeError(
                f"{len(periods)} periods, and GMM needs three", column=time, remedy="add periods, or use twfe"
            )
        panel = cls(units=pd.Index(units), periods=periods, cell=at_unit * len(periods) + at_time)
        if gaps == "raise":
            panel._require_no_gaps(unit, time)
        return panel

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.units), len(self.periods)

    def spread(self, values: Floats, lag: int = 0) -> Floats:
        """Values, lagged, as units x periods; NaN where there is none."""
        grid = np.full(self.shape, np.nan)
        grid.flat[self.cell] = values
        return _lagged(grid, lag)

    def account(self, sample: Sample, table: pd.DataFrame, used: Mask, *, unit: str, time: str) -> Sample:
        """The sample less the rows of units that are too short for the equation."""
        if used.all():
            return sample
        gone = ~used[self.cell // self.shape[1]]
        keys = tuple(table.loc[gone, [unit, time]].itertuples(index=False, name=None))
        reason = f"{unit!r} too short for a row with all its lags"
        return Sample(sample.rows_in, sample.rows_used - len(keys), (*sample.dropped, (reason, keys)))

    def _require_no_gaps(self, unit: str, time: str) -> None:
        there = np.zeros(self.shape, dtype=bool)
        there.flat[self.cell] = True
        begun = np.logical_or.accumulate(there, axis=1)
        goes_on = np.asarray(np.logical_or.accumulate(there[:, ::-1], axis=1))[:, ::-1]
        holes = np.argwhere(begun & goes_on & ~there)
        if len(holes):
            raise UnbalancedPanelError(
                f"({unit}, {time}) cells are missing inside their units' spans",
                n_rows=len(holes),
                keys=[(self.units[i], self.periods[t]) for i, t in holes],
                remedy='add the cells, or pass gaps="allow" to lose the differences across them',
            )


def _period_positions(times: pd.Series, name: str) -> tuple[npt.NDArray[np.intp], list[object]]:
    """Positions of the rows among equally spaced periods, and the periods; those that cannot be counted in order."""
    at, seen = pd.factorize(times, sort=True)
    counted = _period_numbers(pd.Index(list(seen)))
    if counted is None or len(seen) < 2:
        return at, list(seen)
    numbers, label = counted
    step = np.diff(np.sort(numbers)).min()
    place = (numbers - numbers.min()) / (step or np.nan)
    whole = np.rint(np.nan_to_num(place)).astype(np.intp)
    if not np.abs(place - whole).max() <= 1e-6:
        raise UnbalancedPanelError(
            "periods are not equally spaced", column=name, remedy="number the periods 1, 2, 3, ... in a column"
        )
    periods = [label(numbers.min() + step * t) for t in range(whole.max() + 1)]
    for at_seen, period in zip(whole, seen, strict=True):
        periods[at_seen] = period
    return whole[at], periods


def _period_numbers(periods: pd.Index) -> tuple[Floats, Callable[[float], object]] | None:
    """Distances of periods from some origin, and the period at a distance; None where they cannot be told."""
    if pd.api.types.infer_dtype(periods) == "date":
        periods = pd.DatetimeIndex(periods)
    if isinstance(periods, pd.DatetimeIndex):
        months = periods.tz_localize(None).to_period("M")
        if not months.is_unique or (len(set(periods.day)) > 1 and not periods.is_month_end.all()):
            return None
        periods = months
    if isinstance(periods, pd.PeriodIndex):
        freq = periods.freqstr
        return periods.asi8.astype(np.float64), lambda number: pd.Period(ordinal=round(number), freq=freq)
    if not (pd.api.types.is_numeric_dtype(periods) or pd.api.types.infer_dtype(periods) == "string"):
        return None
    numbers = np.asarray(pd.to_numeric(periods.to_numpy(), errors="coerce"), dtype=np.float64)
    if not np.isfinite(numbers).all():
        return None
    return numbers, lambda number: int(number) if float(number).is_integer() else float(number)


def _lagged(grid: Floats, lag: int) -> Floats:
    """The array lag periods later, NaN in front."""
    if lag == 0:
        return grid
    moved = np.full_like(grid, np.nan)
    moved[:, lag:] = grid[:, :-lag]
    return moved


@dataclass(frozen=True, slots=True)
class _Levels:
    """The level equation: units x periods, zeros where ``mask`` fails, from the first period with a row on.

    ``columns`` holds the right-hand side and, last, the outcome; ``iv`` the exogenous instruments. The last
    ``n_effects`` terms are dummies of periods, with the constant after them in system GMM.
    """

    first: int
    mask: Mask
    columns: Floats
    iv: Floats
    terms: tuple[str, ...]
    n_effects: int = 0

    @classmethod
    def of(
        cls,
        panel: _Panel,
        value: Mapping[str, Floats],
        *,
        outcome: str,
        lags: int,
        regressors: Sequence[str],
        iv: Sequence[str],
    ) -> _Levels:
        own = {f"L{lag}.{outcome}": _lagged(value[outcome], lag) for lag in range(1, lags + 1)}
        twice = [name for i, name in enumerate(regressors) if name in own or name in regressors[:i]]
        if twice:
            raise RankError("on the right-hand side twice", column=twice[0], remedy="name it once")
        right = own | {name: value[name] for name in regressors}
        columns = np.stack([*right.values(), value[outcome]], axis=2)
        exogenous = np.stack([value[name] for name in iv], axis=2) if iv else np.empty((*panel.shape, 0))
        mask: Mask = np.asarray(np.isfinite(columns).all(axis=2) & np.isfinite(exogenous).all(axis=2))
        first = int(mask.any(axis=0).argmax()) if mask.any() else 0
        keep = mask[:, first:, None]
        return cls(
            first=first,
            mask=mask[:, first:],
            columns=np.where(keep, columns[:, first:], 0.0),
            iv=np.where(keep, exogenous[:, first:], 0.0),
            terms=tuple(right),
        )

    def with_effects(self, panel: _Panel, time: str, effects: bool, *, constant: bool, transform: Transform) -> _Levels:
        """With dummies of the periods but the first, and the constant; without it, but the first of linked periods."""
        seen = np.flatnonzero(self.mask.any(axis=0))[1:] if constant else self._linked(transform)
        seen = seen if effects else seen[:0]
        dummies = np.zeros((*self.mask.shape, len(seen)))
        dummies[:, seen, np.arange(len(seen))] = self.mask[:, seen]
        ones = self.mask[:, :, None].astype(float)[:, :, : int(constant)]
        names = [f"{time}={panel.periods[self.first + t]}" for t in seen] + [CONSTANT] * constant
        columns = np.concatenate([self.columns[..., :-1], dummies, ones, self.columns[..., -1:]], axis=2)
        return _Levels(self.first, self.mask, columns, self.iv, (*self.terms, *names), len(seen))

    def _linked(self, transform: Transform) -> npt.NDArray[np.intp]:
        """Periods that transformed rows link to an earlier one: the neighbour, or any other of the unit."""
        there = self.mask.astype(float)
        links = there.T @ there
        if transform == "fd":
            links = np.triu(np.tril(links, 1), -1)
        _, group = csgraph.connected_components(links, directed=False)
        return np.setdiff1d(np.arange(len(links)), np.unique(group, return_index=True)[1])

    def pooled(self) -> tuple[Floats, Floats]:
        """Pooled least squares of the terms but the constant, and errors clustered by unit."""
        rows = self._rows()
        return _clustered(rows - rows.mean(axis=0), self._units(), rows)

    def within(self) -> tuple[Floats, Floats]:
        """Least squares less unit means, and errors clustered by unit."""
        rows, units = self._rows(), self._units()
        means = np.stack([np.bincount(units, column) for column in rows.T], axis=1)
        count = np.bincount(units)[:, None]
        return _clustered(rows - (means / np.maximum(count, 1))[units], units, rows)

    def _rows(self) -> Floats:
        kept = [k for k, term in enumerate(self.terms) if term != CONSTANT]
        return self.columns[self.mask][:, [*kept, -1]]

    def _units(self) -> npt.NDArray[np.intp]:
        return np.nonzero(self.mask)[0]


def _clustered(centred: Floats, units: npt.NDArray[np.intp], rows: Floats) -> tuple[Floats, Floats]:
    """Coefficients of the last column on the others and their errors; NaN for columns that are collinear."""
    size = np.linalg.norm(centred[:, :-1], axis=0)
    varies = size > np.sqrt(COLLINEAR) * np.linalg.norm(rows[:, :-1], axis=0)
    scaled = centred[:, :-1] / np.where(varies, size, 1)
    pivots = np.abs(np.diag(np.linalg.qr(scaled[:, varies], mode="r")))
    used = np.flatnonzero(varies)[pivots > np.sqrt(COLLINEAR)]
    bread = np.linalg.inv(scaled[:, used].T @ scaled[:, used])
    slope = bread @ scaled[:, used].T @ centred[:, -1]
    score = scaled[:, used] * (centred[:, -1] - scaled[:, used] @ slope)[:, None]
    sums = np.stack([np.bincount(units, column) for column in score.T], axis=1)
    n, k, n_groups = len(rows), len(used) + 1, len(np.unique(units))
    factor = n_groups / (n_groups - 1) * (n - 1) / (n - k)
    estimate, error = np.full(len(size), np.nan), np.full(len(size), np.nan)
    estimate[used] = slope / size[used]
    error[used] = np.sqrt(factor * np.diag(bread @ (sums.T @ sums) @ bread)) / size[used]
    return estimate, error


def _differences(grid: Floats, mask: Mask) -> Floats:
    """First differences, shape (units, periods - 1, columns); zero where a period is missing."""
    both = mask[:, 1:] & mask[:, :-1]
    result: Floats = (grid[:, 1:] - grid[:, :-1]) * both[:, :, None]
    return result


def _beyond_rounding(change: Floats, grid: Floats) -> Floats:
    """Changes of columns, units x periods x columns, zero in columns whose changes are rounding beside their levels."""
    size, level = (np.sqrt((array**2).sum(axis=(0, 1))) for array in (change, grid))
    result: Floats = np.where(size > np.sqrt(COLLINEAR) * level, change, 0.0)
    return result


@dataclass(frozen=True, slots=True)
class _Deviations:
    """The transformation of level rows and its transpose; row t of the result belongs to period t + 1."""

    mask: Mask
    transform: Transform

    @property
    def valid(self) -> Mask:
        """Transformed rows that exist, shape (units, periods - 1)."""
        if self.transform == "fd":
            return self.mask[:, 1:] & self.mask[:, :-1]
        return self.mask[:, :-1] & (self._later > 0)

    @property
    def _later(self) -> npt.NDArray[np.intp]:
        """Number of later rows of the unit."""
        return self.mask[:, ::-1].cumsum(axis=1)[:, -2::-1]

    @property
    def _scale(self) -> Floats:
        """Factor that keeps the variance of independent errors."""
        later = np.maximum(self._later, 1)
        scale: Floats = np.where(self.valid, np.sqrt(later / (later + 1)), 0.0)
        return scale

    def forward(self, grid: Floats) -> Floats:
        """Transformed columns, shape (units, periods - 1, columns); zero where only rounding varies within units."""
        if self.transform == "fd":
            return _beyond_rounding(_differences(grid, self.mask), grid)
        after = grid[:, ::-1].cumsum(axis=1)[:, -2::-1] / np.maximum(self._later, 1)[:, :, None]
        return _beyond_rounding(self._scale[:, :, None] * (grid[:, :-1] - after), grid)

    def transpose(self, rows: Floats) -> Floats:
        """What transformed rows weigh on the level rows, shape (units, periods, columns)."""
        out = np.zeros((*self.mask.shape, rows.shape[2]))
        if self.transform == "fd":
            out[:, 1:] = rows
            out[:, :-1] -= rows
            return out
        scaled = self._scale[:, :, None] * rows
        out[:, :-1] = scaled
        out[:, 1:] -= (scaled / np.maximum(self._later, 1)[:, :, None]).cumsum(axis=1)
        return out * self.mask[:, :, None]


@dataclass(frozen=True, slots=True)
class _Stacked:
    """Transformed rows, and level rows below them, of each unit.

    ``columns``: units x rows x (terms and outcome); ``z``: units x rows x instruments; ``level_gmm``: instruments that
    are lagged differences; ``products``: Z_i'X_i and Z_i'y_i, units x instruments x (terms + 1).
    """

    columns: Floats
    z: Floats
    level_gmm: Mask
    deviations: _Deviations
    terms: tuple[str, ...]
    used_rows: Mask
    products: Floats

    @classmethod
    def of(
        cls,
        levels: _Levels,
        value: Mapping[str, Floats],
        gmm: Mapping[str, GmmSpec],
        *,
        system: bool,
        transform: Transform,
        effects: TimeEffects,
    ) -> _Stacked:
        deviations = _Deviations(levels.mask, transform)
        columns = deviations.forward(levels.columns)
        dummies = levels.columns[:, :, len(levels.terms) - int(system) - levels.n_effects :][:, :, : levels.n_effects]
        own = np.concatenate([levels.iv, dummies], axis=2)
        own_z = deviations.forward(own)
        if effects == "level":
            own_z[:, :, levels.iv.shape[2] :] = 0.0
        n_rows = columns.shape[1]
        valid = deviations.valid
        if system:
            columns = np.concatenate([columns, levels.columns], axis=1)
            valid = np.concatenate([valid, levels.mask], axis=1)
            own_z = np.concatenate([own_z, own], axis=1)
        internal = _Instruments(levels.first, n_rows, valid)
        for name, spec in gmm.items():
            internal.add(value[name], spec, system=system)
        z = np.concatenate([internal.array(), own_z], axis=2)
        in_level = np.concatenate([internal.in_level(), np.zeros(own.shape[2], dtype=bool)])
        if system:
            constant = np.zeros((*valid.shape, 1))
            constant[:, n_rows:, 0] = levels.mask
            z = np.concatenate([z, constant], axis=2)
            in_level = np.append(in_level, False)
        used_rows = levels.mask if system else valid
        return cls(columns, z, in_level, deviations, levels.terms, used_rows, z.transpose(0, 2, 1) @ columns)

    @property
    def used(self) -> Mask:
        """Units with a row."""
        return np.asarray(self.used_rows.any(axis=1))

    @property
    def n_instruments(self) -> int:
        return int(self.z.shape[2])

    @property
    def n_rows(self) -> int:
        """Rows of both equations that exist."""
        return int(self.deviations.valid.sum()) + int(self.system) * int(self.deviations.mask.sum())

    @property
    def system(self) -> bool:
        return bool(self.z.shape[1] > self.deviations.mask.shape[1])

    def keep(self, chosen: Mask) -> _Stacked:
        """With some of the instruments."""
        return _Stacked(
            self.columns,
            self.z[:, :, chosen],
            self.level_gmm[chosen],
            self.deviations,
            self.terms,
            self.used_rows,
            self.products[:, chosen],
        )

    def gram(self) -> Floats:
        """Sum of Z_i'HZ_i, H = MM' with M the map from level rows to stacked rows."""
        n_rows = self.deviations.mask.shape[1] - 1
        back = self.deviations.transpose(self.z[:, :n_rows])
        if self.system:
            back += self.z[:, n_rows:]
        flat = back.reshape(-1, back.shape[2])
        return flat.T @ flat

    def variance(self, coefficients: Floats) -> float:
        """Variance of the errors in levels, from the transformed rows."""
        n_rows = self.deviations.mask.shape[1] - 1
        rows = self.columns[:, :n_rows]
        residual = rows[..., -1] - rows[..., :-1] @ coefficients
        doubling = 2 if self.deviations.transform == "fd" else 1
        return float((residual**2).sum()) / (doubling * int(self.deviations.valid.sum()))


class _Instruments:
    """Columns of lags and differences, filled one after the other; those without a value are left out."""

    def __init__(self, first: int, n_rows: int, valid: Mask) -> None:
        self._first, self._n_rows, self._valid = first, n_rows, valid
        self._columns: list[tuple[slice, Floats]] = []

    def add(self, grid: Floats, spec: GmmSpec, *, system: bool) -> None:
        """Add a variable: units x all periods, NaN where it is missing."""
        start, n_periods = self._first + 1, grid.shape[1]
        known = np.nan_to_num(grid)
        nearest, last = spec.lags
        furthest = n_periods - 1 if last is None else min(last, n_periods - 1)
        if spec.equations != "level":
            for lag in range(nearest, furthest + 1):
                self._fill(_window(known, start - lag, self._n_rows), 0, spec.collapse)
        if system and spec.equations != "difference":
            change = np.zeros_like(grid)
            change[:, 1:] = np.nan_to_num(grid[:, 1:] - grid[:, :-1])
            change = _beyond_rounding(change[:, :, None], known[:, :, None])[:, :, 0]
            window = _window(change, self._first - max(nearest - 1, 0), self._n_rows + 1)
            self._fill(window, self._n_rows, spec.collapse)

    def array(self) -> Floats:
        """Units x rows x columns."""
        z = np.zeros((*self._valid.shape, len(self._columns)))
        for k, (rows, values) in enumerate(self._columns):
            z[:, rows, k] = values
        return z

    def in_level(self) -> Mask:
        """Whether each column stands in the level equation."""
        return np.array([rows.start >= self._n_rows for rows, _ in self._columns], dtype=bool)

    def _fill(self, window: Floats, offset: int, collapse: bool) -> None:
        n = window.shape[1]
        values = window * self._valid[:, offset : offset + n]
        pieces = [slice(0, n)] if collapse else [slice(t, t + 1) for t in range(n)]
        for piece in pieces:
            if values[:, piece].any():
                self._columns.append((slice(offset + piece.start, offset + piece.stop), values[:, piece]))


def _window(grid: Floats, start: int, n: int) -> Floats:
    """Periods start to start + n - 1, zeros before the first and after the last."""
    out = np.zeros((len(grid), n))
    low, high = max(start, 0), min(start + n, grid.shape[1])
    if low < high:
        out[:, low - start : high - start] = grid[:, low:high]
    return out


@dataclass(frozen=True, slots=True)
class _Fit:
    """A step: coefficients, the inverse of X'ZWZ'X, how moments move coefficients, moments of each unit."""

    products: Floats
    weight: Floats
    coefficients: Floats
    bread: Floats
    pull: Floats
    moments: Floats

    @classmethod
    def of(cls, products: Floats, weight: Floats, terms: Sequence[str]) -> _Fit:
        total = products.sum(axis=0)
        half = total[:, :-1].T @ weight
        bread = _identified(half @ total[:, :-1], terms)
        pull = bread @ half
        coefficients = pull @ total[:, -1]
        moments = products[..., -1] - products[..., :-1] @ coefficients
        return cls(products, weight, coefficients, bread, pull, moments)

    @property
    def criterion(self) -> float:
        """Minimum of the quadratic form in the moments."""
        total = self.moments.sum(axis=0)
        return float(total @ self.weight @ total)

    def sandwich(self, spread: Floats) -> Floats:
        """Robust covariance under moments of this spread."""
        return self.pull @ spread @ self.pull.T

    def corrected(self, first: _Fit, covariance: Floats) -> Floats:
        """Windmeijer's (2005) covariance; ``first`` gave the weights, ``covariance`` is its robust one."""
        products = self.products[..., :-1]
        lever = self.weight @ self.moments.sum(axis=0)
        own = np.tensordot(first.moments @ lever, products, axes=1)
        shift = self.pull @ (own + first.moments.T @ np.einsum("imk,m->ik", products, lever))
        cross = shift @ self.bread
        corrected: Floats = self.bread + cross + cross.T + shift @ covariance @ shift.T
        return corrected


def _inverse(matrix: Floats) -> tuple[Floats, int]:
    """Inverse of a symmetric matrix, or pseudo-inverse of the scaled one where it is singular, and the rank."""
    size = np.sqrt(np.diag(matrix))
    scale = 1 / np.where(size > 0, size, 1)
    scaled = matrix * np.outer(scale, scale)
    factor, failed = linalg.lapack.dpotrf(scaled, lower=1)
    if not failed and (np.diag(factor) ** 2).min() > COLLINEAR:
        inverse, _ = linalg.lapack.dpotri(factor, lower=1)
        full = np.tril(inverse) + np.tril(inverse, -1).T
        return full * np.outer(scale, scale), len(matrix)
    values, vectors = np.linalg.eigh(scaled)
    kept = values > COLLINEAR * values[-1]
    pseudo = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return pseudo * np.outer(scale, scale), int(kept.sum())


def _identified(matrix: Floats, terms: Sequence[str]) -> Floats:
    """Inverse of X'ZWZ'X; `RankError` names the first term that the instruments do not tell from those before it."""
    size = np.sqrt(np.diag(matrix))
    scale = 1 / np.where(size > 0, size, 1)
    scaled = matrix * np.outer(scale, scale)
    factor, failed = linalg.lapack.dpotrf(scaled, lower=1)
    weak = np.flatnonzero(np.diag(factor)[: failed - 1 if failed else None] ** 2 < COLLINEAR)
    if failed or len(weak):
        at = int(weak[0]) if len(weak) else failed - 1
        raise RankError(
            "the instruments do not identify this coefficient beside those before it",
            column=terms[at],
            remedy="leave the term out, name it in iv, or give it lags in gmm",
        )
    inverse = np.linalg.inv(scaled)
    result: Floats = (inverse + inverse.T) / 2 * np.outer(scale, scale)
    return result


def _independent(stacked: _Stacked) -> tuple[_Stacked, Floats, tuple[str, ...]]:
    """The instruments less those that are combinations of others before them, one-step weights, and a note on it."""
    weight, rank = _inverse(stacked.gram())
    if rank == stacked.n_instruments:
        return stacked, weight, ()
    flat = stacked.z.reshape(-1, stacked.n_instruments)
    sizes = np.linalg.norm(flat, axis=0)
    pivots = np.abs(np.diag(np.linalg.qr(flat / np.where(sizes > 0, sizes, 1), mode="r")))
    needed = pivots > np.sqrt(COLLINEAR)
    if needed.all():
        return stacked, weight, ("the one-step weights are singular: a pseudo-inverse is used",)
    dropped = int((~needed).sum())
    stacked = stacked.keep(needed)
    note = f"{_counted(dropped, 'collinear instrument')} left out: {needed.sum()} of {len(needed)} are independent"
    return stacked, _inverse(stacked.gram())[0], (note,)


def _require_length(levels: _Levels, lags: int, transform: Transform) -> None:
    if not _Deviations(levels.mask, transform).valid.any():
        raise GroupSizeError(
            f"no unit has the {lags + 2} consecutive periods that a differenced row with its lags takes",
            remedy="add periods, or take fewer lags",
        )


def _require_variation(stacked: _Stacked) -> None:
    """Raise `RankError` for a term without a value in any row."""
    empty = ~stacked.columns[..., :-1].any(axis=(0, 1))
    if empty.any():
        raise RankError(
            "constant within units (time-invariant), so that it is zero in all rows",
            column=stacked.terms[int(empty.argmax())],
            remedy="leave the term out" + ("" if stacked.system else "; only the level equation of system GMM has it"),
        )


def _require_instruments(stacked: _Stacked) -> None:
    """Raise `RankError` for fewer instruments than coefficients, or more than rows."""
    count, n_terms, n_rows = stacked.n_instruments, len(stacked.terms), stacked.n_rows
    if count < n_terms:
        raise RankError(
            f"{_counted(count, 'instrument')} for {_counted(n_terms, 'coefficient')}",
            remedy="add lags in gmm, or name exogenous regressors in iv",
        )
    if count > n_rows:
        raise RankError(
            f"{_counted(count, 'instrument')} for {_counted(n_rows, 'stacked row')}",
            remedy="collapse them or take fewer lags",
        )


def _require_units(stacked: _Stacked, allow_many: bool) -> None:
    """Raise `RankError` for more instruments than units."""
    n_groups = int(stacked.used.sum())
    if stacked.n_instruments > n_groups and not allow_many:
        raise RankError(
            f"{_counted(stacked.n_instruments, 'instrument')} for {_counted(n_groups, 'unit')}: "
            "the two-step weights are singular",
            remedy="collapse them or take fewer lags; allow_many=True computes with a pseudo-inverse",
        )


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _about(stacked: _Stacked, hansen: OveridentificationTest, rank: int, without: Sequence[str]) -> tuple[str, ...]:
    """What the reader has to know about the instruments; ``without`` are regressors that have none."""
    count, n_groups = stacked.n_instruments, int(stacked.used.sum())
    notes = []
    if count > MANY * n_groups:
        notes.append(f"{count} instruments for {n_groups} units are many: estimates lean towards least squares")
    if count > MANY * n_groups and hansen.p_value > TOO_GOOD:
        notes.append(f"Hansen's p-value of {hansen.p_value:.3f} shows too many instruments rather than good ones")
    if rank < count:
        notes.append(f"the two-step weights have rank {rank} of {count}: a pseudo-inverse is used")
    if without:
        notes.append(f"no instrument is made of: {', '.join(without)}")
    return tuple(notes)


def _overidentified(statistic: float, df: int) -> OveridentificationTest:
    return OveridentificationTest(statistic, float(special.chdtrc(df, statistic)) if df > 0 else float("nan"), df)


def _level_test(stacked: _Stacked, spread: Floats, hansen: OveridentificationTest) -> OveridentificationTest:
    """Hansen's statistic less that without the lagged differences of the level equation."""
    df = int(stacked.level_gmm.sum())
    rest = ~stacked.level_gmm
    if not 0 < df <= stacked.n_instruments - len(stacked.terms):
        return OveridentificationTest(float("nan"), float("nan"), df)
    try:
        without = _Fit.of(stacked.products[:, rest], _inverse(spread[np.ix_(rest, rest)])[0], stacked.terms)
    except RankError:
        return OveridentificationTest(float("nan"), float("nan"), df)
    return _overidentified(hansen.statistic - without.criterion, df)


def _serial_correlation(
    levels: _Levels, fit: _Fit, covariance: Floats, *, orders: Sequence[int]
) -> list[SerialCorrelationTest]:
    """Arellano and Bond's tests on differenced residuals, whatever the transformation."""
    rows = _differences(levels.columns, levels.mask)
    residual = rows[..., -1] - rows[..., :-1] @ fit.coefficients
    tests = []
    for order in orders:
        before = np.zeros_like(residual)
        before[:, order:] = residual[:, :-order]
        products = (before * residual).sum(axis=1)
        pulled = np.tensordot(before, rows[..., :-1], axes=2)
        joint = fit.pull @ (fit.moments.T @ products)
        variance = products @ products - 2 * pulled @ joint + pulled @ covariance @ pulled
        statistic = float(products.sum() / np.sqrt(variance)) if variance > 0 else float("nan")
        tests.append(SerialCorrelationTest(statistic, 2 * float(special.ndtr(-abs(statistic)))))
    return tests
