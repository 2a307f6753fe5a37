"""Cluster bootstrap of an indirect effect against refits by pyfixest, in one run (``make bench``)."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pyfixest as pf
import pytest

from regiometrics.estimate.mediation import MediationResult, mediation
from regiometrics.estimate.resampling import bootstrap

COUNTIES, YEARS, DRAWS, REFITS = 196, 14, 1000, 10
CONTROLS = ["ln_pergdp", "urban", "infra", "gov", "finan", "human", "ln_density"]
MODEL = {"outcome": "soph", "treatment": "did", "mediator": "staff", "unit": "county", "time": "year"}
GROUP = "indirect effect, 196 counties, 14 years, seven controls"


@pytest.fixture(scope="module")
def counties() -> pd.DataFrame:
    rng = np.random.default_rng(6)
    df = pd.DataFrame(itertools.product(range(COUNTIES), range(2000, 2000 + YEARS)), columns=["county", "year"])
    df["did"] = ((df["county"] < 99) & (df["year"] >= 2010)).astype(float)
    for control in CONTROLS:
        df[control] = rng.normal(size=COUNTIES)[df["county"]] + rng.normal(size=len(df))
    df["staff"] = 0.228 * df["did"] + 0.1 * df["urban"] + 0.3 * rng.normal(size=len(df))
    df["soph"] = 0.19 * df["did"] + 0.18 * df["staff"] + 0.1 * df["gov"] + 0.3 * rng.normal(size=len(df))
    return df


def thousand_draws(df: pd.DataFrame) -> MediationResult:
    """Everything: three regressions with clustered errors, draws, jackknife, BCa limits."""
    result = mediation(df, **MODEL, controls=CONTROLS, n_boot=DRAWS)
    assert result.interval[0] < result.indirect < result.interval[1]
    return result


def refit(df: pd.DataFrame) -> pd.Series:
    """Pyfixest, the two regressions that ab needs; "none" spares it the count of the effects."""
    x = " + ".join(CONTROLS)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The inplace keyword", category=pd.errors.Pandas4Warning)
        first, second = (
            pf.feols(f"{equation} + {x} | county + year", df, vcov="iid", ssc=pf.ssc(k_fixef="none"))
            for equation in ("staff ~ did", "soph ~ did + staff")
        )
    return pd.Series({"a": first.coef()["did"], "b": second.coef()["staff"]})


@pytest.mark.benchmark(group=GROUP)
def test_thousand_draws(benchmark, counties):
    result = benchmark(thousand_draws, counties)
    assert len(result.draws) == DRAWS


@pytest.mark.benchmark(group=GROUP)
def test_peer_pyfixest_ten_draws(benchmark, versus, counties):
    """Ten refits; the thousand take a hundred times as long."""
    slow = benchmark.pedantic(bootstrap, (counties, refit), {"unit": "county", "n_boot": REFITS}, rounds=3)
    ours = versus(
        lambda: thousand_draws(counties),
        job=f"Cluster bootstrap of an indirect effect, {DRAWS} draws",
        size=f"{COUNTIES} counties, {YEARS} years, {len(CONTROLS)} controls",
        package="pyfixest",
        way="refits",
        scale=DRAWS / REFITS,
        at_least=200,
    )
    np.testing.assert_allclose(ours.draws[["a", "b"]].iloc[:REFITS], slow.draws, rtol=0, atol=1e-9)
