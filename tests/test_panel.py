import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regiometrics.errors import DomainError, KeyColumnError, MissingValueError, UnbalancedPanelError
from regiometrics.panel import TwoWayEffects, complete, numeric, require_balanced, require_keys, wide

PANEL = pd.DataFrame({"city": ["a", "a", "b", "b"], "year": [1, 2, 1, 2], "y": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize(
    ("df", "message"),
    [
        (PANEL.drop(columns="year"), "'year' is not in the table"),
        (PANEL.assign(city=["a", None, "b", "b"]), "column 'city': a key may not be missing"),
        (PANEL.assign(year=1), r"key \(city, year\) must identify each row \(4 rows: a 1; b 1\)"),
    ],
)
def test_keys_must_exist_be_filled_and_identify(df, message):
    with pytest.raises(KeyColumnError, match=message):
        require_keys(df, ["city", "year"])


def test_numbers_written_as_text_are_read_and_words_are_refused():
    assert numeric(PANEL.assign(y=["1", " 2", "3e0", None]), "y", ["city"])[:3].tolist() == [1, 2, 3]
    with pytest.raises(DomainError, match=r"text where a number is needed \('2 persons'\) \(1 row: a 2\)"):
        numeric(PANEL.assign(y=["1", "2 persons", "3", "4"]), "y", ["city", "year"])


@given(st.lists(st.one_of(st.floats(-1e9, 1e9), st.sampled_from([np.nan, np.inf, -np.inf])), max_size=30))
def test_every_row_is_used_or_listed(values):
    df = pd.DataFrame({"city": np.arange(len(values)), "y": np.array(values, dtype=float)})
    used, sample = complete(df, ["y"], keys=["city"], missing="drop")
    gone = [key for _, keys in sample.dropped for key in keys]
    assert sample.rows_in == len(df)
    assert sample.rows_used == len(used) == len(df) - len(gone)
    assert sorted([*used["city"], *gone]) == list(df["city"])
    assert np.isfinite(used["y"]).all()
    if gone:
        with pytest.raises(MissingValueError, match=f"{len(gone)} row"):
            complete(df, ["y"], keys=["city"])
        assert sample.to_frame()["rows"].sum() == len(gone)


def test_a_mistyped_option_is_refused():
    with pytest.raises(DomainError, match="missing='drp' is not known.*'raise', 'drop'"):
        complete(PANEL, ["y"], keys=["city", "year"], missing="drp")


def test_missing_cells_of_a_panel_are_named():
    require_balanced(PANEL, unit="city", time="year")
    with pytest.raises(UnbalancedPanelError, match=r"1 row: b 1\)"):
        require_balanced(PANEL.drop(index=2), unit="city", time="year")


def test_wide_puts_units_in_rows_and_sorted_times_in_columns():
    matrix = wide(PANEL.iloc[::-1], unit="city", time="year", value="y")
    assert matrix.loc["b"].tolist() == [3, 4]
    assert list(matrix.columns) == [1, 2]


def test_an_absent_value_column_is_named():
    with pytest.raises(KeyColumnError, match="'light' is not in the table"):
        complete(PANEL, ["light"], keys=["city", "year"])


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=20, unique=True),
    st.booleans(),
    st.integers(0, 10**6),
)
def test_two_way_effects_are_the_residuals_of_dummies(cells, weighted, seed):
    df = pd.DataFrame(cells, columns=["city", "year"])
    rng = np.random.default_rng(seed)
    y, weights = rng.normal(size=(len(df), 2)), rng.uniform(0.5, 2, len(df)) if weighted else None
    effects = TwoWayEffects.of(df, unit="city", time="year", weights=weights)
    dummies = pd.get_dummies(df.astype(str)).to_numpy(dtype=float)
    root = np.sqrt(effects.weights)[:, None]
    beta = np.linalg.lstsq(root * dummies, root * y, rcond=None)[0]
    np.testing.assert_allclose(effects.demean(y), y - dummies @ beta, atol=1e-10)
    assert effects.rank == np.linalg.matrix_rank(dummies)


def test_the_effects_of_a_long_panel_leave_nothing_behind():
    rng = np.random.default_rng(0)
    df = pd.DataFrame([(city, year) for city in range(274) for year in range(20)], columns=["city", "year"])
    y = rng.normal(size=(274, 20))
    closed = y - y.mean(axis=1, keepdims=True) - y.mean(axis=0) + y.mean()
    found = TwoWayEffects.of(df, unit="city", time="year").demean(y.ravel())
    np.testing.assert_allclose(found, closed.ravel(), atol=1e-12)
