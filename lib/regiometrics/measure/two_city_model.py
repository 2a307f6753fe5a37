r"""Two cities, two goods, two periods: the model of Song and Li, equations (1) to (8), solved and checked exactly.

City A is the centre, city B is not. Time of one unit a period makes H, producer services, or L, manufactures, and
utility is the sum over both periods of consumption of H times consumption of L. Without division of labour each city
makes what it consumes; with it A makes H alone and B makes L alone, and they trade at the price P of H in units of L.

Symbols, all positive, taxes not negative: :math:`\alpha` A's output of H per unit of time in period 1; :math:`\phi`
speed of technical progress; :math:`P` price, :math:`P_1, P_2` where it differs by period; :math:`d_1, d_2` and
:math:`D_1, D_2` units of a good that B and A must buy for one to arrive; :math:`T_A, T_B` taxes of period 1;
:math:`t_1` time that a city spends on H in period 1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import sympy as sp

from regiometrics.errors import DomainError, KeyColumnError, require_choice
from regiometrics.panel import require_columns

City = Literal["A", "B"]
Progress = Literal["printed", "carried_over"]
Pair = tuple[Any, Any]

ALPHA, PHI, PRICE, TIME = sp.symbols("alpha phi P t_1", positive=True)
PRICES: Pair = sp.symbols("P_1 P_2", positive=True)
COST_B: Pair = sp.symbols("d_1 d_2", positive=True)
COST_A: Pair = sp.symbols("D_1 D_2", positive=True)
TAX_A, TAX_B = sp.symbols("T_A T_B", nonnegative=True)
FRICTIONLESS = {**dict.fromkeys((*COST_B, *COST_A), 1), TAX_A: 0, TAX_B: 0}

FIRST_OUTPUT = {"A": ALPHA, "B": sp.Integer(1)}
"""Output of H per unit of time in period 1."""
SECOND_OUTPUT = {"A": ALPHA * PHI * (1 + TIME), "B": 1 + TIME}
"""The same in period 2, after time ``TIME`` spent on H in period 1."""

GAP = "□"
"""Stands where the machine-read text of the paper has lost a sign."""


@dataclass(frozen=True)
class Plan:
    """A city's optimum in exact expressions.

    Attributes
    ----------
    high, low : tuple of Expr
        Consumption of H and of L, by period.
    utility : Expr
        Sum over periods of the product of both.
    time : Expr
        Time spent on H in period 1; the optimum of a city on its own is interior where it lies between 0 and 1.
    hessian : Matrix
        Of utility in both consumptions of H at the optimum, L being what is left.
    """

    high: Pair
    low: Pair
    utility: Any
    time: Any
    hessian: Any = field(repr=False)

    @property
    def high_total(self) -> Any:
        """Consumption of H over both periods, which the premises of the propositions compare."""
        return sum(self.high)

    @property
    def concave(self) -> bool:
        """The second-order condition for all values of the symbols: the Hessian is negative definite."""
        return _negative_definite(self.hessian)


@cache
def autarky(city: City, technology: Any = None) -> Plan:
    r"""Optimum of a city that makes what it consumes: equations (1) to (3) for B, (4) and (5) for A.

    .. math:: \max_{C_1, C_2} C_1 \left(1 - \frac{C_1}{a}\right) + C_2 \left(1 - \frac{C_2}{F(C_1 / a)}\right)

    with a = 1, F = 1 + t1 in B and a = alpha, F = alpha phi (1 + t1) in A.

    Parameters
    ----------
    city : {"A", "B"}
    technology : Expr, optional
        Output of H per unit of time in period 2, linear in ``TIME``; the model's own by default.

    Returns
    -------
    Plan
        Of A interior for phi up to 4, where all time of period 1 goes into H.

    Notes
    -----
    The best C2 is half of F whatever C1 is. Put in, it leaves a concave quadratic in C1, so that the only stationary
    point is the global maximum.

    Examples
    --------
    >>> autarky("B").high, autarky("B").utility
    ((5/8, 13/16), 41/64)
    >>> autarky("A").time
    phi/8 + 1/2
    """
    require_choice("city", city, City)
    first = FIRST_OUTPUT[city]
    c1, c2 = sp.symbols("C_1 C_2", positive=True)
    second = (SECOND_OUTPUT[city] if technology is None else technology).subs(TIME, c1 / first)
    welfare = c1 * (1 - c1 / first) + c2 * (1 - c2 / second)
    best2 = _only(sp.solve(sp.diff(welfare, c2), c2))
    best1 = _only(sp.solve(sp.diff(sp.expand(welfare.subs(c2, best2)), c1), c1))
    best = ((c2, best2), (c1, best1))
    high = (sp.factor(best1), sp.factor(best2.subs(c1, best1)))
    low = (sp.together(sp.expand(1 - best1 / first)), sp.factor((1 - c2 / second).subs(best)))
    return Plan(
        high=high,
        low=low,
        utility=sp.factor(welfare.subs(best)),
        time=sp.expand(best1 / first),
        hessian=sp.ImmutableMatrix(sp.hessian(welfare, (c1, c2)).subs(best)),
    )


@cache
def trade(city: City, *, progress: Progress = "printed", one_price: bool = True) -> Plan:
    r"""Optimum of a city that makes one good and buys the other: equations (6) and (7) for B, (8) for A.

    B earns :math:`1 - T_B` and 1 and pays :math:`d_t P` for H; A earns :math:`P \alpha - T_A` and
    :math:`P Y_2` and pays :math:`D_t` for L. Nothing ties the periods together, so each is maximised by itself.

    Parameters
    ----------
    city : {"A", "B"}
    progress : {"printed", "carried_over"}
        A's output of H in period 2: alpha, as (8) has it, or 2 alpha phi, what the technology of (4) gives a city that
        spent all its time on H.
    one_price : bool
        The same price P in both periods, as in the paper, or P_1 and P_2.

    Returns
    -------
    Plan

    Examples
    --------
    >>> trade("B").high
    ((1 - T_B)/(2*P*d_1), 1/(2*P*d_2))
    >>> trade("A").utility.coeff(COST_A[1], -1)
    P*alpha**2/4
    """
    require_choice("city", city, City)
    require_choice("progress", progress, Progress)
    if city == "B":
        income: Pair = (1 - TAX_B, sp.Integer(1))
        spells = [_spend(m, d * p, sp.Integer(1)) for m, d, p in zip(income, COST_B, PRICES, strict=True)]
    else:
        income = (PRICES[0] * ALPHA - TAX_A, PRICES[1] * _second_supply(progress))
        spells = [_spend(m, p, d) for m, d, p in zip(income, COST_A, PRICES, strict=True)]
    if one_price:
        spells = [tuple(e.subs(dict.fromkeys(PRICES, PRICE)) for e in spell) for spell in spells]
    (h1, l1, curve1), (h2, l2, curve2) = spells
    return Plan(
        high=(h1, h2),
        low=(l1, l2),
        utility=h1 * l1 + h2 * l2,
        time=sp.Integer(city == "A"),
        hessian=sp.ImmutableMatrix([[curve1, 0], [0, curve2]]),
    )


@cache
def clearing_prices(progress: Progress = "printed", *, share_a: Any = 1, share_b: Any = 0) -> Pair:
    r"""Prices P_1 and P_2 at which the market of H clears in each period, with both cities specialised.

    The market of L then clears too. Costs of transport drop out, since a city spends half its income on each good.

    Parameters
    ----------
    progress : {"printed", "carried_over"}
        As for `trade`.
    share_a, share_b : number or Expr
        Share of each city's tax that buys H, the rest buying L. The paper says no more than that taxes are spent on
        infrastructure; by default each government buys its own city's product.

    Returns
    -------
    tuple of Expr

    Examples
    --------
    >>> clearing_prices()
    ((T_A - T_B + 1)/alpha, 1/alpha)
    >>> clearing_prices(share_a=0)[0], clearing_prices("carried_over")[1]
    ((-T_A - T_B + 1)/alpha, 1/(2*alpha*phi))
    """
    public = sp.sympify(share_a) * TAX_A + sp.sympify(share_b) * TAX_B
    excess = _excess_demand(progress, public)
    prices = [_only(sp.solve(sp.numer(sp.together(e)), p)) for e, p in zip(excess, PRICES, strict=True)]
    return prices[0], prices[1]


@cache
def implied_technology() -> Any:
    """The technology of A, linear in t1, that makes the printed C1H and U1 of (5) optimal; C2H is then a check.

    Examples
    --------
    >>> implied_technology()
    alpha*phi*(t_1 + 1)
    """
    level, slope = sp.symbols("k m", positive=True)
    plan, printed = autarky("A", level + slope * TIME), _printed()
    found = sp.solve(
        [plan.high[0] - printed["C1H"], plan.utility - printed["U1"]], [level, slope], dict=True, simplify=False
    )
    return sp.factor((level + slope * TIME).subs(_only(found)))


def technologies() -> pd.DataFrame:
    r"""Which technology of A in period 2 makes the printed optima of (5) optimal.

    The text of constraint (4) is damaged where the technology stands. Each candidate is put into the problem, which is
    solved anew.

    Returns
    -------
    DataFrame
        ``technology`` (LaTeX), ``C1H, C2H, U1`` and ``all``: True where the derived quantity equals the printed one.

    Examples
    --------
    >>> technologies().set_index("technology")["all"].tolist()
    [True, False, False]
    """
    candidates = [ALPHA * PHI * (1 + TIME), ALPHA * (1 + PHI * TIME), PHI * (1 + TIME)]
    rows = []
    for technology in candidates:
        plan = autarky("A", technology)
        derived = {"C1H": plan.high[0], "C2H": plan.high[1], "U1": plan.utility}
        rows.append(
            {"technology": sp.latex(technology)} | {name: _same(e, _printed()[name]) for name, e in derived.items()}
        )
    frame = pd.DataFrame(rows)
    return frame.assign(all=frame[["C1H", "C2H", "U1"]].all(axis=1))


def printed_formulas() -> pd.DataFrame:
    """The formulas that the paper prints in (3), (5), (7) and (8).

    Returns
    -------
    DataFrame
        One row per formula: ``equation``; ``quantity``; ``as_extracted``, the machine-read text with ``GAP`` where a
        sign must have been lost; ``formula``, a sympy expression with phi in those places.

    Examples
    --------
    >>> printed_formulas().set_index("quantity").loc["C1H", ["as_extracted", "formula"]].tolist()
    ['α/2 (1 + □/4)', alpha*(phi/4 + 1)/2]
    """
    texts = {
        ("3", "c1h"): "5/8",
        ("3", "c2h"): "13/16",
        ("3", "u1"): "41/64",
        ("5", "C1H"): f"α/2 (1 + {GAP}/4)",
        ("5", "C2H"): f"α{GAP}/2 (3/2 + {GAP}/8)",
        ("5", "U1"): f"α/4 (1 + 3{GAP}/2 + {GAP}²/16)",
        ("7", "c*1h"): "(1 − T_B)/(2 d1 P)",
        ("7", "c*2h"): "1/(2 d2 P)",
        ("7", "u2"): "(1 − T_B)²/(4 d1 P) + 1/(4 d2 P)",
        ("8", "C*1H"): "(P α − T_A)/(2 P)",
        ("8", "C*2H"): "α/2",
        ("8", "U2"): "(P α − T_A)²/(4 D1 P) + P² α²/(4 D2)",
    }
    rows = [(equation, quantity, text, _printed()[quantity]) for (equation, quantity), text in texts.items()]
    return pd.DataFrame(rows, columns=["equation", "quantity", "as_extracted", "formula"])


def check_printed(formulas: pd.DataFrame | None = None) -> pd.DataFrame:
    r"""Compare each printed formula with the optimum derived from the problem that the paper states.

    Parameters
    ----------
    formulas : DataFrame, optional
        ``equation, quantity, as_extracted, formula``; `printed_formulas` by default.

    Returns
    -------
    DataFrame
        ``equation, quantity, printed, derived, difference`` (LaTeX; the difference is printed minus derived, factored),
        ``lost_glyphs`` (number of signs restored in ``printed``) and ``verdict``: "right", "right up to lost glyphs",
        or "wrong" where the difference is not identically zero.

    Raises
    ------
    KeyColumnError
        A column is absent, or a quantity is not one of the model's.

    Examples
    --------
    >>> check_printed().query("verdict == 'wrong'")[["quantity", "difference"]].values.tolist()
    [['U2', '\\frac{P \\alpha^{2} \\left(P - 1\\right)}{4 D_{2}}']]
    """
    table = printed_formulas() if formulas is None else formulas
    require_columns(table, ["equation", "quantity", "as_extracted", "formula"])
    derived = _derived()
    unknown = [quantity for quantity in table["quantity"] if quantity not in derived]
    if unknown:
        raise KeyColumnError(
            "not a quantity of the model", column="quantity", keys=unknown, remedy=f"use {', '.join(derived)}"
        )
    rows = []
    columns = (table[name] for name in ("equation", "quantity", "as_extracted", "formula"))
    for equation, quantity, text, formula in zip(*columns, strict=True):
        difference = sp.factor(formula - derived[quantity])
        lost = str(text).count(GAP)
        right = "right up to lost glyphs" if lost else "right"
        rows.append(
            {
                "equation": equation,
                "quantity": quantity,
                "printed": sp.latex(formula),
                "derived": sp.latex(derived[quantity]),
                "difference": sp.latex(difference),
                "lost_glyphs": lost,
                "verdict": right if difference == 0 else "wrong",
            }
        )
    return pd.DataFrame(rows)


@cache
def _threshold_table() -> tuple[tuple[str, str, str, str, float, str], ...]:
    a, b = autarky("A"), autarky("B")
    ratio = a.high[1] / a.high[0] - b.high[1] / b.high[0]
    free = {city: trade(city).utility.subs(FRICTIONLESS) for city in ("A", "B")}
    least = _only(sp.solve(free["A"] - a.utility.subs(PHI, 1), PRICE))
    most = _only(sp.solve(free["B"] - b.utility, PRICE))
    over: Progress = "carried_over"
    more = trade("A").high_total.subs(TAX_A, 0) - a.high_total
    one = sp.cancel(trade("A", progress="carried_over").utility.subs(FRICTIONLESS).subs(PRICE, 1 / ALPHA))
    table = [
        ("interior", PHI, 1 - a.time, "A on its own makes both goods in period 1"),
        ("progress", PHI, SECOND_OUTPUT["A"].subs(TIME, a.time) - ALPHA, "A's technology on its own rises over time"),
        ("faster_growth", PHI, ratio, "C2H/C1H on its own exceeds c2h/c1h: A grows faster than B"),
        ("premise_a", PHI, more, "C*1H + C*2H > C1H + C2H at any price and cost, T_A = 0"),
        ("conclusion_a", PHI, _gain("A", "printed"), "U2 > U1 at clearing prices"),
        ("premise_a_carried_over", PHI, _premise("A", over), "C*1H + C*2H > C1H + C2H, progress carried over"),
        ("conclusion_a_carried_over", PHI, _gain("A", over), "U2 > U1 at clearing prices, progress carried over"),
        ("one_price_carried_over", PHI, one - a.utility, "U2 > U1 at P = 1/alpha throughout, progress carried over"),
        ("premise_b", ALPHA, _premise("B", "printed"), "c*1h + c*2h > c1h + c2h at clearing prices"),
        ("conclusion_b", ALPHA, _gain("B", "printed"), "u2 > u1 at clearing prices"),
        ("both_gain_at_some_price", ALPHA, most - least, "at phi = 1 some price, not clearing, lets both gain"),
    ]
    rows: list[tuple[str, str, str, str, float, str]] = []
    for name, symbol, gain, statement in table:
        value, holds = _crossing(gain, symbol)
        if symbol is PHI and name != "interior" and value > rows[0][4]:  # A's plan on its own is another there
            rows.append((name, str(symbol), "throughout", "", np.nan, statement))
        else:
            rows.append((name, str(symbol), holds, sp.latex(value), float(value), statement))
    return tuple(rows)


def thresholds() -> pd.DataFrame:
    r"""Values of phi and alpha at which a premise or a conclusion of the propositions turns.

    Costs of transport are 1 and taxes zero, U2 is the derived one, and the prices are those of `clearing_prices` unless
    the statement says otherwise.

    Returns
    -------
    DataFrame
        ``name, variable, holds`` ("below" or "above" the value, or "throughout" where it lies outside the range in
        which A makes both goods on its own), ``exact`` (LaTeX), ``value``, ``statement``.

    Examples
    --------
    >>> thresholds().set_index("name").loc[["premise_a", "conclusion_b"], ["holds", "exact"]].values.tolist()
    [['below', '-7 + \\sqrt{57}'], ['above', '\\frac{41}{32}']]
    """
    return pd.DataFrame(_threshold_table(), columns=["name", "variable", "holds", "exact", "value", "statement"])


def propositions(
    *,
    alpha: npt.ArrayLike,
    phi: npt.ArrayLike,
    price: npt.ArrayLike | Literal["clearing"] = "clearing",
    cost_a: Sequence[npt.ArrayLike] = (1.0, 1.0),
    cost_b: Sequence[npt.ArrayLike] = (1.0, 1.0),
    tax_a: npt.ArrayLike = 0.0,
    tax_b: npt.ArrayLike = 0.0,
    progress: Progress = "printed",
) -> pd.DataFrame:
    r"""Premises and conclusions of propositions 1 and 2 for numbers; arrays are broadcast against each other.

    Both premises ask for :math:`C^*_{1H} + C^*_{2H} > C_{1H} + C_{2H}`, both conclusions for :math:`U_2 > U_1`.
    Proposition 1 wants the same of B, proposition 2 the reverse.

    Parameters
    ----------
    alpha : array_like
        Positive.
    phi : array_like
        From 0 to 4, where A's optimum on its own is interior.
    price : array_like or "clearing"
        One price for both periods, or those of `clearing_prices`, period by period.
    cost_a, cost_b : pair of array_like
        D_1, D_2 and d_1, d_2, at least 1.
    tax_a, tax_b : array_like
        Not negative, and less than a city's income in period 1.
    progress : {"printed", "carried_over"}
        As for `trade`.

    Returns
    -------
    DataFrame
        One row per element, in the order of the flattened arrays: the values of the symbols; ``u1, U1, u2, U2``
        utilities of B and A without and with division; ``c_alone, C_alone, c_trade, C_trade`` consumption of H over
        both periods; ``excess_1, excess_2`` demand for H above supply by period, zero at clearing prices; ``premise_1,
        conclusion_1, premise_2, conclusion_2``.

    Raises
    ------
    DomainError
        A value outside its range.

    Examples
    --------
    >>> case = propositions(alpha=1.35, phi=0.5).iloc[0]  # B gains though it consumes less H
    >>> bool(case["premise_2"]), bool(case["conclusion_2"]), bool(case["u2"] > case["u1"])
    (True, False, True)
    """
    require_choice("progress", progress, Progress)
    values = _values(alpha, phi, price, cost_a, cost_b, tax_a, tax_b)
    clearing = "P" not in values
    arrays = tuple(values[str(symbol)] for symbol in _arguments(clearing))
    names, function = _numeric(progress, clearing)
    numbers = dict(zip(names, function(*arrays), strict=True))
    frame = pd.DataFrame(values | {name: np.broadcast_to(x, arrays[0].shape) for name, x in numbers.items()})
    more_a, gain_a = frame["C_trade"] > frame["C_alone"], frame["U2"] > frame["U1"]
    return frame.assign(
        premise_1=more_a & (frame["c_trade"] > frame["c_alone"]),
        conclusion_1=gain_a & (frame["u2"] > frame["u1"]),
        premise_2=more_a & (frame["c_trade"] < frame["c_alone"]),
        conclusion_2=gain_a & (frame["u2"] < frame["u1"]),
    )


def counterexamples(cases: pd.DataFrame) -> pd.DataFrame:
    """Cases in which a premise and its conclusion part company.

    Parameters
    ----------
    cases : DataFrame
        As `propositions` returns them; put those that are to be shown first at the top.

    Returns
    -------
    DataFrame
        Up to four rows: ``proposition``, ``failure`` ("premise without conclusion" or "conclusion without premise"),
        ``n`` cases of that kind, and the columns of the first of them.

    Examples
    --------
    >>> cases = propositions(alpha=2.0, phi=[0.5, 0.6, 1.0], cost_a=(1.2, 1.2))
    >>> counterexamples(cases)[["proposition", "failure", "phi"]].values.tolist()
    [[1, 'premise without conclusion', 0.5]]
    """
    rows = []
    for number in (1, 2):
        premise, conclusion = (cases[f"{word}_{number}"].astype(bool) for word in ("premise", "conclusion"))
        for failure, found in (
            ("premise without conclusion", premise & ~conclusion),
            ("conclusion without premise", conclusion & ~premise),
        ):
            if found.any():
                first = cases[found].iloc[0].to_dict()
                rows.append({"proposition": number, "failure": failure, "n": int(found.sum())} | first)
    return pd.DataFrame(rows, columns=["proposition", "failure", "n", *cases.columns])


def welfare(
    phi: npt.ArrayLike,
    *,
    alpha: float,
    price: float | Literal["clearing"] = "clearing",
    cost_a: tuple[float, float] = (1.0, 1.0),
    cost_b: tuple[float, float] = (1.0, 1.0),
    tax_a: float = 0.0,
    tax_b: float = 0.0,
) -> pd.DataFrame:
    """Utility of both cities without and with division of labour over the speed of technical progress.

    Parameters
    ----------
    phi : array_like, shape (n,)
        From 0 to 4.
    alpha, price, cost_a, cost_b, tax_a, tax_b
        As for `propositions`.

    Returns
    -------
    DataFrame
        ``phi``; utilities ``A_autarky, A_trade_printed`` (U2 of (8) as printed), ``A_trade_corrected`` (as derived),
        ``A_trade_carried_over, B_autarky, B_trade, B_trade_carried_over``; ``premise_1, conclusion_1, premise_2,
        conclusion_2`` with U2 as derived, and the same with the ending ``_carried_over``.

    Raises
    ------
    DomainError
        A value outside its range.

    Examples
    --------
    >>> welfare([0.5, 1.0], alpha=2.0)[["A_autarky", "A_trade_corrected", "A_trade_carried_over"]].round(3)
       A_autarky  A_trade_corrected  A_trade_carried_over
    0      0.883                1.0                   1.0
    1      1.281                1.0                   1.5
    """
    given: dict[str, Any] = {"cost_a": cost_a, "cost_b": cost_b, "tax_a": tax_a, "tax_b": tax_b}
    now, over = (
        propositions(alpha=alpha, phi=phi, price=price, progress=progress, **given)
        for progress in ("printed", "carried_over")
    )
    clearing = "P" not in now
    printed = _printed_u2(clearing)(*(now[str(symbol)].to_numpy() for symbol in _arguments(clearing)))
    flags = ["premise_1", "conclusion_1", "premise_2", "conclusion_2"]
    return pd.DataFrame(
        {
            "phi": now["phi"],
            "A_autarky": now["U1"],
            "A_trade_printed": printed,
            "A_trade_corrected": now["U2"],
            "A_trade_carried_over": over["U2"],
            "B_autarky": now["u1"],
            "B_trade": now["u2"],
            "B_trade_carried_over": over["u2"],
            **{flag: now[flag] for flag in flags},
            **{f"{flag}_carried_over": over[flag] for flag in flags},
        }
    )


def _printed() -> dict[str, Any]:
    """Right-hand sides as printed, phi put in where the text has lost it."""
    (d1, d2), (D1, D2) = COST_B, COST_A  # noqa: N806
    return {
        "c1h": sp.Rational(5, 8),
        "c2h": sp.Rational(13, 16),
        "u1": sp.Rational(41, 64),
        "C1H": ALPHA / 2 * (1 + PHI / 4),
        "C2H": ALPHA * PHI / 2 * (sp.Rational(3, 2) + PHI / 8),
        "U1": ALPHA / 4 * (1 + 3 * PHI / 2 + PHI**2 / 16),
        "c*1h": (1 - TAX_B) / (2 * d1 * PRICE),
        "c*2h": 1 / (2 * d2 * PRICE),
        "u2": (1 - TAX_B) ** 2 / (4 * d1 * PRICE) + 1 / (4 * d2 * PRICE),
        "C*1H": (PRICE * ALPHA - TAX_A) / (2 * PRICE),
        "C*2H": ALPHA / 2,
        "U2": (PRICE * ALPHA - TAX_A) ** 2 / (4 * D1 * PRICE) + PRICE**2 * ALPHA**2 / (4 * D2),
    }


def _derived() -> dict[str, Any]:
    a, b, trading_a, trading_b = autarky("A"), autarky("B"), trade("A"), trade("B")
    return {
        **dict(zip(("c1h", "c2h", "u1"), (*b.high, b.utility), strict=True)),
        **dict(zip(("C1H", "C2H", "U1"), (*a.high, a.utility), strict=True)),
        **dict(zip(("c*1h", "c*2h", "u2"), (*trading_b.high, trading_b.utility), strict=True)),
        **dict(zip(("C*1H", "C*2H", "U2"), (*trading_a.high, trading_a.utility), strict=True)),
    }


def _spend(income: Any, price_high: Any, price_low: Any) -> tuple[Any, Any, Any]:
    """Best H and L of one period's income, and the second derivative of utility."""
    high = sp.Symbol("H", positive=True)
    low = (income - price_high * high) / price_low
    best = _only(sp.solve(sp.diff(high * low, high), high))
    return best, sp.together(sp.expand(low.subs(high, best))), sp.cancel(sp.diff(high * low, high, 2))


def _second_supply(progress: Progress) -> Any:
    """A's output of H in period 2 when it makes nothing else."""
    return ALPHA if progress == "printed" else SECOND_OUTPUT["A"].subs(TIME, 1)


def _excess_demand(progress: Progress, public: Any) -> Pair:
    """Demand for H less supply, by period, when governments spend ``public`` units of L on H in period 1."""
    a, b = (trade(city, progress=progress, one_price=False) for city in ("A", "B"))
    supply = (ALPHA, _second_supply(progress))
    bought = (public / PRICES[0], 0)
    first, second = (COST_B[t] * b.high[t] + a.high[t] + bought[t] - supply[t] for t in (0, 1))
    return first, second


def _at_clearing(expression: Any, progress: Progress) -> Any:
    return sp.cancel(expression.subs(dict(zip(PRICES, clearing_prices(progress), strict=True))))


def _premise(city: City, progress: Progress) -> Any:
    more = trade(city, progress=progress, one_price=False).high_total - autarky(city).high_total
    return _at_clearing(more, progress).subs(FRICTIONLESS)


def _gain(city: City, progress: Progress) -> Any:
    gain = trade(city, progress=progress, one_price=False).utility - autarky(city).utility
    return _at_clearing(gain, progress).subs(FRICTIONLESS)


def _crossing(gain: Any, symbol: Any) -> tuple[Any, str]:
    """The positive root of a gain, free of the other symbols, and the side on which the gain is positive."""
    root = sp.radsimp(_only(sp.solve(sp.numer(sp.together(gain)), symbol)))
    before = gain.subs(symbol, root / 2).subs({ALPHA: 1, PHI: 1})
    return root, "below" if float(before) > 0 else "above"


def _only(found: Sequence[Any]) -> Any:
    (one,) = found
    return one


def _same(a: Any, b: Any) -> bool:
    return bool(sp.factor(a - b) == 0)


def _negative_definite(hessian: Any) -> bool:
    first, both = sp.factor(hessian[0, 0]), sp.factor(hessian.det())
    return bool(first.is_negative and both.is_positive)


def _arguments(clearing: bool) -> tuple[Any, ...]:
    return (ALPHA, PHI, *COST_A, *COST_B, TAX_A, TAX_B, *(() if clearing else (PRICE,)))


@cache
def _numeric(progress: Progress, clearing: bool) -> tuple[tuple[str, ...], Callable[..., Any]]:
    a, b = (trade(city, progress=progress, one_price=False) for city in ("A", "B"))
    excess = _excess_demand(progress, TAX_A)
    alone = {city: autarky(city) for city in ("A", "B")}
    expressions = {
        "u1": alone["B"].utility,
        "U1": alone["A"].utility,
        "u2": b.utility,
        "U2": a.utility,
        "c_alone": alone["B"].high_total,
        "C_alone": alone["A"].high_total,
        "c_trade": b.high_total,
        "C_trade": a.high_total,
        "excess_1": excess[0],
        "excess_2": excess[1],
    }
    prices = clearing_prices(progress) if clearing else (PRICE, PRICE)
    at = [sp.cancel(e.subs(dict(zip(PRICES, prices, strict=True)))) for e in expressions.values()]
    return tuple(expressions), sp.lambdify(_arguments(clearing), at, "numpy")


@cache
def _printed_u2(clearing: bool) -> Callable[..., Any]:
    """U2 as printed, each term at the price of its period."""
    terms = _printed()["U2"].as_independent(COST_A[1], as_Add=True)
    prices = clearing_prices() if clearing else (PRICE, PRICE)
    total = sum(term.subs(PRICE, price) for term, price in zip(terms, prices, strict=True))
    function: Callable[..., Any] = sp.lambdify(_arguments(clearing), total, "numpy")
    return function


def _values(
    alpha: npt.ArrayLike,
    phi: npt.ArrayLike,
    price: npt.ArrayLike | Literal["clearing"],
    cost_a: Sequence[npt.ArrayLike],
    cost_b: Sequence[npt.ArrayLike],
    tax_a: npt.ArrayLike,
    tax_b: npt.ArrayLike,
) -> dict[str, npt.NDArray[np.float64]]:
    """Values of the symbols by name, flat and of one length, refused where they leave their range."""
    clearing = isinstance(price, str)
    if clearing and price != "clearing":
        raise DomainError(f"price={price!r} is not known", remedy='pass a number or "clearing"')
    raw = (alpha, phi, *cost_a, *cost_b, tax_a, tax_b, *(() if clearing else (price,)))
    names = [str(symbol) for symbol in _arguments(clearing)]
    arrays = np.broadcast_arrays(*(np.asarray(x, dtype=float) for x in raw))
    values = {name: array.ravel() for name, array in zip(names, arrays, strict=True)}
    for name, x in values.items():
        low, high = {"alpha": (0, np.inf), "phi": (0, 4), "P": (0, np.inf), "T_A": (0, np.inf), "T_B": (0, 1)}.get(
            name, (1, np.inf)
        )
        _refuse_outside(name, x, (x >= low) & (x <= high) & np.isfinite(x), f"must lie in [{low}, {high}]")
    for name in {"alpha", "P"} & set(values):
        _refuse_outside(name, values[name], values[name] > 0, "must be positive")
    _refuse_outside("T_B", values["T_B"], values["T_B"] < 1, "must leave B an income")
    if not clearing:
        short = values["T_A"] < values["P"] * values["alpha"]
        _refuse_outside("T_A", values["T_A"], short, "must leave A an income")
    return values


def _refuse_outside(name: str, x: npt.NDArray[np.float64], fits: npt.NDArray[np.bool_], rule: str) -> None:
    if not fits.all():
        raise DomainError(f"{name} {rule}", column=name, keys=x[~fits], remedy="pass values in this range")
