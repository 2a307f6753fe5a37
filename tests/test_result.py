from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pandas as pd
import pytest

from regiometrics.panel import Sample
from regiometrics.result import Estimate, frozen_options, readonly


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
