from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    RegionError,
    UnbalancedPanelError,
)
from regiometrics.measure.efficiency import capital_stock

KEYS = {"unit": "city", "time": "year", "investment": "investment"}
RATES = st.floats(0.01, 0.5)


def cities(growth=(0.1, 0.2), years=10):
    rows = [(f"c{i}", 2008 + t, 100.0 * (1 + g) ** t) for i, g in enumerate(growth) for t in range(years)]
    return pd.DataFrame(rows, columns=["city", "year", "investment"])


def capital(df, **options):
    frame = capital_stock(df, **KEYS, **options).to_frame()
    return frame.pivot(index="unit", columns="time", values="capital").to_numpy()


@settings(max_examples=15)
@given(RATES, RATES)
def test_a_steady_path_stays_steady_from_shans_first_stock(growth, delta):
    stock = capital(cities([growth]), delta=delta)[0]
    assert stock[1:] / stock[:-1] == pytest.approx(np.full(9, 1 + growth), rel=1e-9)


@settings(max_examples=15)
@given(RATES, RATES)
def test_the_two_growth_rules_differ_by_one_plus_g(growth, delta):
    shan, hall_jones = (capital(cities([growth]), delta=delta, base=b)[0, 0] for b in ("shan", "hall_jones"))
    assert shan / hall_jones == pytest.approx(1 + growth, rel=1e-12)


def test_stocks_follow_hand_arithmetic():
    df = pd.DataFrame({"city": "a", "year": [1, 2, 3], "investment": [10.0, 22.0, 24.2], "p": [1.0, 1.1, 1.21]})
    frame = capital_stock(df, **KEYS, deflator="p", base="zhang", delta=0.1).to_frame()
    assert frame.columns.tolist() == ["unit", "time", "investment", "capital"]
    assert frame["investment"].tolist() == pytest.approx([10, 20, 20])
    assert frame["capital"].tolist() == pytest.approx([100, 110, 119])


def test_a_given_stock_is_taken_as_it_is_and_read_in_the_first_period_only():
    df = cities().assign(stock=lambda d: np.where(d["year"] == 2008, 500.0, np.nan))
    found = capital(df, base="original_value", original_value="stock", delta=0.0)
    flow = df.pivot(index="city", columns="year", values="investment").to_numpy()
    assert found == pytest.approx(500 + np.cumsum(flow, axis=1) - flow[:, :1])


def test_without_depreciation_investment_adds_up_and_with_full_depreciation_nothing_is_kept():
    df = cities()
    flow = df.pivot(index="city", columns="year", values="investment").to_numpy()
    kept, gone = capital(df, delta=0.0), capital(df, delta=1.0)
    assert np.diff(kept, axis=1) == pytest.approx(flow[:, 1:])
    assert gone[:, 1:] == pytest.approx(flow[:, 1:])


def test_rates_by_unit_and_by_time():
    df = cities(growth=(0.1, 0.1))
    by_unit = capital(df, delta=pd.Series({"c1": 0.2, "c0": 0.1}))
    assert by_unit[0] == pytest.approx(capital(df, delta=0.1)[0]) and by_unit[1] == pytest.approx(
        capital(df, delta=0.2)[1]
    )
    rates = pd.Series(np.linspace(0.05, 0.14, 10), index=range(2008, 2018))
    by_time = capital(df, delta=rates)
    flow = df.pivot(index="city", columns="year", values="investment").to_numpy()
    assert by_time[:, 1:] == pytest.approx((1 - rates.to_numpy()[1:]) * by_time[:, :-1] + flow[:, 1:])


def test_the_base_rule_matters_by_what_is_left_of_the_first_stock():
    result = capital_stock(cities(), **KEYS)
    table = result.sensitivity.set_index(["base", "time"])
    assert table.columns.tolist() == ["capital", "ratio", "surviving", "share_of_base"]
    assert set(result.sensitivity["base"]) == {"shan", "hall_jones", "zhang"}
    assert table.loc["shan", "surviving"].tolist() == pytest.approx([(1 - 0.1096) ** k for k in range(10)], rel=1e-12)
    assert (table.loc["shan", "ratio"] == 1).all()
    own = result.to_frame().groupby("time")["capital"].sum()
    assert table.loc["shan", "capital"].tolist() == pytest.approx(own.tolist())
    other = capital_stock(cities(), **KEYS, base="zhang").to_frame().groupby("time")["capital"].sum()
    assert table.loc["zhang", "capital"].tolist() == pytest.approx(other.tolist())
    gap = table.loc["zhang", "capital"] - table.loc["shan", "capital"]
    assert gap.tolist() == pytest.approx((gap.iloc[0] * table.loc["shan", "surviving"]).tolist())
    base = table.loc["shan", "share_of_base"] * table.loc["shan", "capital"]
    assert base.tolist() == pytest.approx((base.iloc[0] * table.loc["shan", "surviving"]).tolist())


def test_a_rule_that_does_not_apply_is_shown_as_missing():
    result = capital_stock(cities(years=4), **KEYS, base="zhang")
    assert result.sensitivity.groupby("base")["capital"].count().to_dict() == {"hall_jones": 0, "shan": 0, "zhang": 4}


def test_tables_are_left_as_they_are_and_rows_keep_their_order():
    df = cities().sample(frac=1, random_state=0)
    before = df.copy()
    frame = capital_stock(df, **KEYS).to_frame()
    pd.testing.assert_frame_equal(df, before)
    assert frame[["unit", "time"]].to_numpy().tolist() == df[["city", "year"]].to_numpy().tolist()
    assert frame["investment"].tolist() == df["investment"].tolist()


def test_a_negative_stock_is_refused():
    result = capital_stock(cities(), **KEYS)
    with pytest.raises(RegionError, match="may not be negative"):
        replace(result, stocks=result.stocks.assign(capital=-1.0))


def with_cell(column, value):
    df = cities().assign(p=1.0, stock=1.0)
    df.loc[0, column] = value
    return df


@pytest.mark.parametrize(
    ("error", "message", "df", "options"),
    [
        (MissingValueError, "'p'.*c0 2008", with_cell("p", np.nan), {"deflator": "p"}),
        (DomainError, "price index must be positive.*c0 2008", with_cell("p", 0.0), {"deflator": "p"}),
        (DomainError, "investment may not be negative.*c0 2008", with_cell("investment", -1.0), {}),
        (DomainError, "no positive first stock.*c0", with_cell("investment", 0.0), {}),
        (DomainError, "no positive first stock.*c0", with_cell("investment", 0.0), {"base": "zhang"}),
        (DomainError, r"no positive first stock.*c0\).*delta plus", cities(growth=(-0.2, 0.1)), {"delta": 0.1}),
        (GroupSizeError, "growth over 5 years needs 6 periods, not 5", cities(years=5), {}),
        (DomainError, "growth_years=0", cities(), {"growth_years": 0}),
        (DomainError, r"delta must lie in \[0, 1\]", cities(), {"delta": 10.96}),
        (DomainError, r"delta must lie in \[0, 1\]", cities(), {"delta": pd.Series({"c0": np.nan, "c1": 0.1})}),
        (KeyColumnError, "index of delta", cities(), {"delta": pd.Series({"c0": 0.1})}),
        (DomainError, "base='goldsmith' is not known", cities(), {"base": "goldsmith"}),
        (DomainError, "do not go together", cities(), {"base": "original_value"}),
        (DomainError, "do not go together", with_cell("stock", 1.0), {"original_value": "stock"}),
        (
            DomainError,
            "first stock must be positive.*c0 2008",
            with_cell("stock", 0.0),
            {"base": "original_value", "original_value": "stock"},
        ),
        (UnbalancedPanelError, "c0 2011", cities().drop(index=3), {}),
        (DomainError, "left out before these.*2012", cities().query("year != 2011"), {}),
        (GroupSizeError, "no row", cities().iloc[:0], {}),
    ],
)
def test_bad_input_is_refused(error, message, df, options):
    with pytest.raises(error, match=message):
        capital_stock(df, **KEYS, **options)
