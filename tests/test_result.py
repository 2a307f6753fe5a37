from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pandas as pd
import pytest

from regiometrics.panel import Sample
from regiometrics.result import EffectResult, Estimate, coefficient_frame, frozen_options, readonly, t_inference


@dataclass(frozen=True, kw_only=True)
class Mean(Estimate):
    value: float

    def to_frame(self):
        return pd.DataFrame({"term": ["mean"], "estimate": [self.value]})


def test_a_result_is_frozen_and_carries_sample_and_options():
    result = Mean(sample=Sample(3, 2, (("missing 'y'", ("a",)),)), options=frozen_options(ddof=1), value=1.23456)
    assert result.options["ddof"] == 1
    assert "version" in result.options
    assert "2 rows used, 1 dropped" in result.summary()
    assert "1.235" in result.summary()
    with pytest.raises(FrozenInstanceError):
        result.value = 2.0
    with pytest.raises(TypeError):
        result.options["ddof"] = 0


def test_readonly_arrays_are_copies_that_cannot_be_written():
    values = np.ones(2)
    frozen = readonly(values)
    values[0] = 5
    assert frozen[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        frozen[0] = 2


def test_an_effect_is_one_row_whatever_the_estimator():
    numbers = {"estimate": -0.02, "std_error": 0.01, "p_value": 0.05, "low": -0.04, "high": 0.0, "level": 0.95}
    counts = {"n_obs": 40, "n_units": 10, "n_clusters": 10}
    effect = EffectResult(sample=Sample(40, 40), options=frozen_options(), estimator="TWFE", **numbers, **counts)
    frame = effect.to_frame()
    assert len(frame) == 1
    assert frame.loc[0, "statistic"] == -2.0
    assert effect.path.empty
    no_error = EffectResult(
        sample=Sample(40, 40), options=frozen_options(), estimator="TWFE", **{**numbers, "std_error": np.nan}, **counts
    )
    assert np.isnan(no_error.to_frame().loc[0, "statistic"])


def test_intervals_of_student_are_wider_than_those_of_the_normal_and_no_error_gives_no_interval():
    p, low, high = t_inference(np.array([1.0, 1.0]), np.array([0.5, 0.0]))
    wide_p, wide_low, wide_high = t_inference(np.array([1.0]), np.array([0.5]), df=5)
    assert high[0] - low[0] == pytest.approx(2 * 1.959963985 * 0.5)
    assert wide_p[0] > p[0] and wide_low[0] < low[0] and wide_high[0] > high[0]
    assert np.isnan([p[1], low[1], high[1]]).all()


def test_each_coefficient_has_a_row_with_its_t_statistic_and_limits():
    terms = pd.Index(["policy", "fixed"], name="term")
    frame = coefficient_frame(pd.Series([1.5, 2.0], terms), pd.Series([0.5, 0.0], terms), df=10, level=0.9)
    assert frame.columns.tolist() == ["term", "estimate", "std_error", "statistic", "p_value", "low", "high"]
    assert frame["term"].tolist() == ["policy", "fixed"] and frame["std_error"].tolist() == [0.5, 0.0]
    assert frame.loc[0, "statistic"] == 3.0
    p, low, high = t_inference(np.array([1.5]), np.array([0.5]), df=10, level=0.9)
    assert frame.loc[0, ["p_value", "low", "high"]].tolist() == [p[0], low[0], high[0]]
    assert frame.loc[1, ["statistic", "p_value", "low", "high"]].isna().all()
