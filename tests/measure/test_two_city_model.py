import re
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq, minimize

from regiometrics.errors import DomainError, KeyColumnError
from regiometrics.measure import two_city_model as m

ALPHAS = [1.2, 2.0, 3.5]
PHIS = [0.3, 1.0, 2.7, 4.0]
QUANTITIES = ["c1h", "c2h", "u1", "C1H", "C2H", "U1", "c*1h", "c*2h", "u2", "C*1H", "C*2H", "U2"]
D = m.COST_A


def number(expression, **values):
    return float(expression.subs({s: values[str(s)] for s in expression.free_symbols}))


def value(name):
    return m.thresholds().set_index("name").loc[name, "value"]


def side(name):
    return m.thresholds().set_index("name").loc[name, "holds"]


# optima ---------------------------------------------------------------------------------------------------------------


def utility_alone(t1, t2, a, second):
    return a * t1 * (1 - t1) + second(t1) * t2 * (1 - t2)


@pytest.mark.parametrize(("alpha", "phi"), list(product(ALPHAS, PHIS)))
def test_no_use_of_time_beats_the_optimum_of_a_on_its_own(alpha, phi):
    plan = m.autarky("A")
    best = number(plan.utility, alpha=alpha, phi=phi)

    def utility(t1, t2):
        return utility_alone(t1, t2, alpha, lambda t: alpha * phi * (1 + t))

    grid = np.linspace(0, 1, 401)
    assert best >= utility(*np.meshgrid(grid, grid)).max() * (1 - 1e-14)  # rounding, where the grid holds the optimum
    found = minimize(lambda t: -utility(*t), [0.4, 0.4], bounds=[(0, 1), (0, 1)], tol=1e-12)
    assert best == pytest.approx(-found.fun, rel=1e-9)
    h1, h2 = alpha * found.x[0], alpha * phi * (1 + found.x[0]) * found.x[1]
    assert [number(h, alpha=alpha, phi=phi) for h in plan.high] == pytest.approx([h1, h2], rel=1e-4)
    assert [number(x, alpha=alpha, phi=phi) for x in plan.low] == pytest.approx(list(1 - found.x), abs=1e-4)


def test_b_is_a_with_alpha_and_phi_of_one():
    a, b = m.autarky("A"), m.autarky("B")
    one = {m.ALPHA: 1, m.PHI: 1}
    assert tuple(h.subs(one) for h in (*a.high, *a.low, a.utility)) == (*b.high, *b.low, b.utility)
    assert (*b.high, b.utility) == (sp.Rational(5, 8), sp.Rational(13, 16), sp.Rational(41, 64))


def test_beyond_four_the_stationary_point_leaves_the_day():
    time = m.autarky("A").time
    assert time.subs(m.PHI, 4) == 1 and time.subs(m.PHI, sp.Rational(41, 10)) > 1
    assert sp.diff(time, m.PHI).is_positive


@pytest.mark.parametrize("progress", ["printed", "carried_over"])
@pytest.mark.parametrize(("phi", "price", "tax"), [(0.5, 0.4, 0.0), (1.0, 0.9, 0.2), (2.5, 1.4, 0.35)])
def test_no_basket_in_the_budget_beats_the_optimum_under_division(progress, phi, price, tax):
    alpha, costs = 2.0, {"D_1": 1.2, "D_2": 1.5, "d_1": 1.1, "d_2": 1.3}
    values = {"alpha": alpha, "phi": phi, "P": price, "T_A": tax, "T_B": tax, **costs}
    grid = np.linspace(0, 1, 20001)
    supply = alpha if progress == "printed" else 2 * alpha * phi
    for city, income, high, low in [
        ("A", (price * alpha - tax, price * supply), (price, price), (costs["D_1"], costs["D_2"])),
        ("B", (1 - tax, 1.0), (costs["d_1"] * price, costs["d_2"] * price), (1.0, 1.0)),
    ]:
        plan = m.trade(city, progress=progress)
        best = sum(
            ((grid * y / p_h) * ((1 - grid) * y / p_l)).max() for y, p_h, p_l in zip(income, high, low, strict=True)
        )
        assert number(plan.utility, **values) == pytest.approx(best, rel=1e-12)
        for t in (0, 1):
            spent = high[t] * number(plan.high[t], **values) + low[t] * number(plan.low[t], **values)
            assert spent == pytest.approx(income[t])


def test_second_order_conditions_hold_everywhere():
    plans = [m.autarky(city) for city in "AB"]
    plans += [m.trade(city, progress=p) for city in "AB" for p in ("printed", "carried_over")]
    assert all(plan.concave for plan in plans)
    assert not m._negative_definite(sp.Matrix([[-1, 2], [2, -1]]))


def test_carried_over_output_is_that_of_a_city_that_learned_all_day():
    second = m.trade("A", progress="carried_over").high[1]
    assert sp.expand(second - m.ALPHA * m.PHI) == 0
    assert m.trade("A", progress="carried_over").high[0] == m.trade("A").high[0]


# printed formulas -----------------------------------------------------------------------------------------------------


def test_one_printed_formula_is_wrong_and_the_rest_right():
    checked = m.check_printed().set_index("quantity")
    assert list(checked.index) == QUANTITIES
    assert checked["equation"].tolist() == ["3"] * 3 + ["5"] * 3 + ["7"] * 3 + ["8"] * 3
    assert checked.index[checked["verdict"] == "wrong"].tolist() == ["U2"]
    assert checked.index[checked["verdict"] == "right up to lost glyphs"].tolist() == ["C1H", "C2H", "U1"]
    assert checked.loc[["C1H", "C2H", "U1"], "lost_glyphs"].tolist() == [1, 2, 2]
    assert (checked["difference"] == "0").sum() == 11


def test_the_slip_of_u2_is_one_p_in_the_second_period():
    printed, derived = m._printed()["U2"], m._derived()["U2"]
    assert sp.cancel(printed.coeff(D[1], -1) / derived.coeff(D[1], -1)) == m.PRICE
    assert not (sp.expand(printed - derived)).has(D[0], m.TAX_A)
    # without tax and at equal costs both periods of (8) are the same problem, which the printed terms deny
    calm = {m.TAX_A: 0, D[0]: 1, D[1]: 1}
    assert sp.expand(derived.coeff(D[1], -1) - derived.subs({m.TAX_A: 0}).coeff(D[0], -1)) == 0
    assert sp.expand(printed.subs(calm) - derived.subs(calm)) != 0


def changed(quantity, slip):
    table = m.printed_formulas()
    formulas = [slip(e) if q == quantity else e for q, e in zip(table["quantity"], table["formula"], strict=True)]
    return table.assign(formula=formulas)


def test_the_mended_formula_passes():
    mended = m.PRICE * m.ALPHA**2 / (4 * D[1])
    assert m.check_printed(changed("U2", lambda e: e - e.coeff(D[1], -1) / D[1] + mended))["verdict"].ne("wrong").all()


@pytest.mark.parametrize("quantity", QUANTITIES[:-1])
@pytest.mark.parametrize("slip", [lambda e: e * 2, lambda e: e + sp.Rational(1, 10**9), lambda e: e + m.TAX_A])
def test_a_mistyped_formula_is_found_and_alone(quantity, slip):
    table = changed(quantity, slip)
    checked = m.check_printed(table[table["quantity"].isin({"C*2H", "u2", quantity})]).set_index("quantity")["verdict"]
    assert checked.index[checked == "wrong"].tolist() == [quantity]


def test_an_unknown_quantity_is_refused():
    with pytest.raises(KeyColumnError, match=r"not a quantity of the model \(1 row: U3\)"):
        m.check_printed(m.printed_formulas().replace({"quantity": {"U2": "U3"}}))


def test_one_linear_technology_alone_makes_the_printed_optima_optimal():
    assert sp.expand(m.implied_technology() - m.SECOND_OUTPUT["A"]) == 0
    assert m.autarky("A", m.implied_technology()).high[1].equals(m._printed()["C2H"])
    assert m.technologies()[["C1H", "C2H", "U1"]].values.tolist() == [[True] * 3, [True, False, False], [False] * 3]


# prices ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("progress", ["printed", "carried_over"])
@pytest.mark.parametrize(("share_a", "share_b"), [(1, 0), (0, 0), (1, 1), (0.5, 0.25)])
def test_both_markets_clear_in_both_periods(progress, share_a, share_b):
    values = {"alpha": 1.7, "phi": 1.4, "T_A": 0.2, "T_B": 0.3, "D_1": 1.2, "D_2": 1.1, "d_1": 1.4, "d_2": 1.3}
    prices = m.clearing_prices(progress, share_a=share_a, share_b=share_b)
    values |= {f"P_{t + 1}": number(price, **values) for t, price in enumerate(prices)}
    a, b = (m.trade(city, progress=progress, one_price=False) for city in "AB")
    taxes = np.array([[0.2, 0.3], [0, 0]])
    for t, supply in enumerate((1.7, 1.7 if progress == "printed" else 2 * 1.7 * 1.4)):
        public_high = taxes[t] @ [share_a, share_b]
        high = number(a.high[t], **values) + values[f"d_{t + 1}"] * number(b.high[t], **values)
        low = values[f"D_{t + 1}"] * number(a.low[t], **values) + number(b.low[t], **values)
        assert high + public_high / values[f"P_{t + 1}"] == pytest.approx(supply)
        assert low + taxes[t].sum() - public_high == pytest.approx(1)


def test_one_price_clears_both_periods_only_in_special_cases():
    share_a, share_b = sp.symbols("s_A s_B")
    first, second = m.clearing_prices(share_a=share_a, share_b=share_b)
    gap = sp.expand((first - second) * m.ALPHA)
    assert gap == sp.expand((2 * share_a - 1) * m.TAX_A + (2 * share_b - 1) * m.TAX_B)
    assert gap.subs({share_a: 1, share_b: 0}) == m.TAX_A - m.TAX_B
    assert gap.subs({share_a: 0, share_b: 0}) == -m.TAX_A - m.TAX_B
    first, second = (price.subs(m.FRICTIONLESS) for price in m.clearing_prices("carried_over"))
    assert sp.solve(first - second, m.PHI) == [sp.Rational(1, 2)]


def test_at_clearing_prices_without_costs_both_cities_end_alike():
    for progress in ("printed", "carried_over"):
        case = m.propositions(alpha=[1.3, 2.0], phi=[0.4, 3.0], progress=progress)
        np.testing.assert_allclose(case["u2"], case["U2"], rtol=1e-14)
        np.testing.assert_array_equal(case[["excess_1", "excess_2"]], 0)


# thresholds -----------------------------------------------------------------------------------------------------------


def case(alpha, phi, **more):
    return m.propositions(alpha=alpha, phi=phi, **more).iloc[0]


def growth_gap(phi):
    a = m.autarky("A")
    return number(a.high[1], alpha=2, phi=phi) / number(a.high[0], alpha=2, phi=phi) - (13 / 16) / (5 / 8)


CURVES = {
    "interior": lambda x: 1 - number(m.autarky("A").time, phi=x),
    "progress": lambda x: x * (1 + 0.5 + x / 8) - 1,
    "faster_growth": growth_gap,
    "premise_a": lambda x: (c := case(2, x))["C_trade"] - c["C_alone"],
    "conclusion_a": lambda x: (c := case(2, x))["U2"] - c["U1"],
    "premise_a_carried_over": lambda x: (c := case(2, x, progress="carried_over"))["C_trade"] - c["C_alone"],
    "one_price_carried_over": lambda x: (c := case(2, x, progress="carried_over", price=0.5))["U2"] - c["U1"],
    "premise_b": lambda x: (c := case(x, 1))["c_trade"] - c["c_alone"],
    "conclusion_b": lambda x: (c := case(x, 1))["u2"] - c["u1"],
}
BRACKETS = {"interior": (3, 5), "premise_a_carried_over": (0.5, 3.5)}


@pytest.mark.parametrize("name", CURVES)
def test_a_threshold_is_where_the_numbers_turn(name):
    low, high = BRACKETS.get(name, (0.2, 3.0))
    root = brentq(CURVES[name], low, high, xtol=1e-13)
    assert value(name) == pytest.approx(root, rel=1e-10)
    assert side(name) == ("below" if CURVES[name](low) > 0 else "above")


def test_thresholds_in_closed_form():
    assert value("premise_a") == pytest.approx(np.sqrt(57) - 7)
    assert value("progress") == pytest.approx(np.sqrt(44) - 6)
    assert value("conclusion_a") == pytest.approx(np.sqrt(160) - 12)
    assert m.thresholds()["name"].is_unique and set(CURVES) < set(m.thresholds()["name"])


def test_a_price_for_both_exists_from_the_threshold_of_alpha_on():
    prices = np.linspace(0.3, 1.5, 200001)

    def both(alpha):
        found = m.propositions(alpha=alpha, phi=1.0, price=prices)
        return found[found["conclusion_1"]]

    edge = value("both_gain_at_some_price")
    assert both(0.999 * edge).empty
    found = both(1.001 * edge)
    # nor is such a price feasible: A offers more H than B wants
    assert len(found) and (found["excess_1"] < 0).all() and not found["premise_1"].any()


def test_what_a_keeps_of_h_never_exceeds_alpha_and_knows_no_cost():
    kept = m.trade("A").high_total
    assert sp.expand(kept - m.ALPHA) == -m.TAX_A / (2 * m.PRICE)
    assert not kept.has(*D)


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 5), st.floats(0, 4), st.floats(1, 3), st.floats(1, 3), st.floats(0, 0.9))
def test_at_clearing_prices_a_gains_at_most_up_to_the_threshold(alpha, phi, cost1, cost2, tax):
    found = case(alpha, phi, cost_a=(cost1, cost2), tax_a=tax, tax_b=tax)
    assert found["U2"] <= alpha / 2 * (1 + 1e-12)
    assert not (found["U2"] > found["U1"] and phi > value("conclusion_a") + 1e-9)
    assert not (found["C_trade"] > found["C_alone"] and phi > value("premise_a") + 1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_with_progress_carried_over_a_gains_at_every_speed(alpha):
    found = m.propositions(alpha=alpha, phi=np.linspace(0.001, 4, 500), progress="carried_over")
    assert (found["U2"] > found["U1"]).all()
    np.testing.assert_allclose(found["U2"] / found["U1"] - 1, (8 - found["phi"]) * found["phi"] / (
        found["phi"] ** 2 + 24 * found["phi"] + 16
    ), rtol=1e-10)  # fmt: skip


# propositions ---------------------------------------------------------------------------------------------------------


def grid(**fixed):
    axes = {"alpha": [1.1, 1.35, 1.5, 2.0], "phi": [0.1, 0.3, 0.5, 0.6, 1.0, 3.0], "D": [1.0, 1.25], "T": [0.0, 0.4]}
    alpha, phi, cost, tax = map(np.array, zip(*product(*(fixed.get(k, v) for k, v in axes.items())), strict=True))
    return {"alpha": alpha, "phi": phi, "cost_a": (cost, cost), "tax_b": tax}


@pytest.mark.parametrize("progress", ["printed", "carried_over"])
def test_neither_premise_is_needed_or_enough(progress):
    found = m.counterexamples(m.propositions(**grid(), progress=progress))
    kinds = set(zip(found["proposition"], found["failure"], strict=True))
    assert {(1, "premise without conclusion"), (1, "conclusion without premise")} <= kinds
    assert (2, "premise without conclusion") in kinds
    for _, row in found.iterrows():  # each shown by the numbers themselves
        n = row["proposition"]
        more_b = row["c_trade"] > row["c_alone"] if n == 1 else row["c_trade"] < row["c_alone"]
        gain_b = row["u2"] > row["u1"] if n == 1 else row["u2"] < row["u1"]
        premise = more_b and row["C_trade"] > row["C_alone"]
        conclusion = gain_b and row["U2"] > row["U1"]
        assert (premise, conclusion) == ((True, False) if row["failure"].startswith("premise") else (False, True))


def test_without_costs_and_taxes_the_first_premise_is_enough_but_not_needed():
    found = m.counterexamples(m.propositions(**grid(D=[1.0], T=[0.0])))
    assert found.query("proposition == 1")["failure"].tolist() == ["conclusion without premise"]


def test_no_disagreement_leaves_an_empty_table():
    found = m.counterexamples(m.propositions(alpha=2.0, phi=[0.3, 1.0]))
    assert found.empty and {"proposition", "failure", "n", "U2"} <= set(found.columns)


@settings(max_examples=25, deadline=None)
@given(st.floats(0.5, 4), st.floats(0, 4), st.floats(0.3, 2), st.floats(1, 2), st.floats(0, 0.1))
def test_numbers_equal_the_expressions(alpha, phi, price, cost, tax):
    values = {"alpha": alpha, "phi": phi, "P": price, "D_1": cost, "D_2": 1.0, "d_1": 1.0, "d_2": cost}
    values |= {"T_A": tax, "T_B": tax}
    found = case(alpha, phi, price=price, cost_a=(cost, 1), cost_b=(1, cost), tax_a=tax, tax_b=tax)
    expected = [number(e, **values) for e in (m.trade("B").utility, m.trade("A").utility, m.autarky("A").utility)]
    assert found[["u2", "U2", "U1"]].tolist() == pytest.approx(expected, rel=1e-11)


def test_arrays_are_broadcast_and_rows_are_the_cases_by_themselves():
    table = m.propositions(alpha=np.array([[1.3], [2.0]]), phi=[0.2, 0.6, 1.0], tax_b=0.1)
    assert len(table) == 6
    for _, row in table.iterrows():
        pd.testing.assert_series_equal(row, case(row["alpha"], row["phi"], tax_b=0.1), check_names=False)


def test_welfare_holds_u2_as_printed_and_as_derived():
    frame = m.welfare([0.0, 0.5, 4.0], alpha=2.0, price=0.8, cost_a=(1.1, 1.2), tax_a=0.1)
    first = (0.8 * 2 - 0.1) ** 2 / (4 * 1.1 * 0.8)
    np.testing.assert_allclose(frame["A_trade_printed"], first + 0.8**2 * 4 / (4 * 1.2))
    np.testing.assert_allclose(frame["A_trade_corrected"], first + 0.8 * 4 / (4 * 1.2))
    np.testing.assert_allclose(frame["A_trade_carried_over"], first + 0.8 * 4 * frame["phi"] ** 2 / 1.2)
    same = m.welfare([0.5, 1.0], alpha=2.0, price=1.0)
    np.testing.assert_allclose(same["A_trade_printed"], same["A_trade_corrected"])


def test_welfare_is_finite_without_any_progress():
    assert np.isfinite(m.welfare([0.0], alpha=2.0).to_numpy(dtype=float)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"phi": [1.0, 4.5]}, r"column 'phi': phi must lie in \[0, 4\] \(1 row: 4.5\)"),
        ({"phi": np.nan}, r"column 'phi'"),
        ({"alpha": 0.0}, r"column 'alpha': alpha must be positive"),
        ({"cost_a": (0.9, 1.0)}, r"column 'D_1': D_1 must lie in \[1, inf\]"),
        ({"cost_b": (1.0, 0.5)}, r"column 'd_2'"),
        ({"tax_b": 1.0}, r"column 'T_B': T_B must leave B an income"),
        ({"price": 0.5, "tax_a": 1.0}, r"column 'T_A': T_A must leave A an income"),
        ({"price": -1.0}, r"column 'P'"),
        ({"price": "fair"}, r"price='fair' is not known"),
        ({"progress": "both"}, r"progress='both' is not known"),
    ],
)
def test_values_out_of_range_are_refused(arguments, message):
    with pytest.raises(DomainError, match=message):
        m.propositions(**({"alpha": 2.0, "phi": 1.0} | arguments))


def test_an_unknown_city_is_refused():
    for plan in (m.autarky, m.trade):
        with pytest.raises(DomainError, match="city='C' is not known"):
            plan("C")


def test_no_other_module_loads_sympy_or_this_one_on_import():
    library = Path(m.__file__).parents[1]
    loads = re.compile(r"^(?:import|from) .*\b(?:sympy|two_city_model)\b", re.MULTILINE)
    found = [path.name for path in library.rglob("*.py") if loads.search(path.read_text("utf-8"))]
    assert found == ["two_city_model.py"]
