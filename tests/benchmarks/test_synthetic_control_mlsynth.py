"""A fit of Proposition 99 against mlsynth, which wants an environment of its own (``make bench`` with one)."""

import pandas as pd
import pytest

from regiometrics.data.files import data_file
from regiometrics.estimate.synthetic_control import synthetic_control

MEANS = {"lnincome": (1980, 1988), "beer": (1984, 1988), "age15to24": (1980, 1988), "retprice": (1980, 1988)}
LAGS = (1975, 1980, 1988)
KEYS = {"unit": "state", "time": "year", "outcome": "cigsale", "treated": "California", "start": 1989}


@pytest.mark.benchmark(group="synthetic control, Proposition 99, seven predictors")
def test_peer_mlsynth(benchmark, versus, mlsynth):
    panel = pd.read_csv(data_file("reference", "prop99.csv"))
    lags = {f"cigsale_{year}": (year, year) for year in LAGS}
    peer = mlsynth({**KEYS, "predictors": MEANS | lags}, panel.assign(**dict.fromkeys(lags, panel["cigsale"])))
    predictors = {name: range(first, last + 1) for name, (first, last) in MEANS.items()}
    benchmark.pedantic(synthetic_control, (panel,), {**KEYS, "predictors": predictors, "lags": LAGS}, rounds=1)
    ours = versus(
        lambda: synthetic_control(panel, **KEYS, predictors=predictors, lags=LAGS),
        job="Synthetic control with a search for V",
        size=f"Proposition 99, {panel['state'].nunique() - 1} donors, {len(MEANS) + len(LAGS)} predictors",
        package="mlsynth",
        timed=(peer["version"], peer["seconds"]),
        rounds=3,
    )
    assert ours.loss <= 1.005 * peer["loss"]
    weights = pd.Series(peer["weights"])
    assert (ours.weights.reindex(weights.index) - weights).abs().max() < 0.01
