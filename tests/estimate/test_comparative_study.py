"""Arrays of a comparative case study: equal to pivots and means by group, whatever the order of rows."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from regiometrics.estimate.comparative_study import comparative_study

KEYS = {"unit": "county", "time": "year", "outcome": "y", "start": 2006}


def counties(units: list[object]) -> pd.DataFrame:
    """Years 2000 to 2008 with a whole number, a fraction and a truth value, the fraction missing in one late year."""
    rng = np.random.default_rng(7)
    df = pd.DataFrame(list(itertools.product(units, range(2000, 2009))), columns=["county", "year"])
    df["y"] = rng.normal(size=len(df))
    df["schools"] = rng.integers(1, 50, len(df))
    df["income"] = rng.normal(9, 2, len(df)).astype(float)
    df["port"] = rng.random(len(df)) < 0.5
    df.loc[df["year"] == 2008, "income"] = np.nan
    return df


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("units", [list("hbcdefga"), [11, 3, 5, 20, 2, 7, 9, 1]], ids=["text", "numbers"])
@pytest.mark.parametrize(
    "predictors",
    [(), ("income", "schools", "port"), {"schools": [2001], "income": [2000, 2004], "port": [2000, 2004]}],
    ids=["none", "all years", "own years"],
)
def test_arrays_equal_pivots_and_means_by_group(units, predictors, shuffled):
    df = counties(units)
    df = df.sample(frac=1, random_state=1) if shuffled else df
    treated, donors = [units[2], units[0]], [units[6], units[1], units[3], units[5]]
    study = comparative_study(
        df, **KEYS, treated=treated, donors=donors, fit_periods=[2001, 2003, 2005], predictors=predictors, lags=[2002]
    )
    wide = df.pivot(index="year", columns="county", values="y")
    assert study.times.equals(wide.index) and study.times.name == "year"
    assert (study.y == wide[treated].to_numpy()).all() and (study.y0 == wide[donors].to_numpy()).all()
    assert study.times[study.fitted].tolist() == [2001, 2003, 2005] and study.times[study.lags].tolist() == [2002]
    assert study.predictors == list(predictors) and study.z.shape == (len(predictors), 2)
    used = df[df["county"].isin([*treated, *donors])]
    for i, column in enumerate(predictors):
        years = predictors[column] if isinstance(predictors, dict) else [2001, 2003, 2005]
        part = used[used["year"].isin(years)]
        mean = part[column].astype(float).groupby(part["county"].to_numpy()).mean()
        assert study.z[i].tolist() == mean[treated].tolist() and study.z0[i].tolist() == mean[donors].tolist()
    others = df.loc[~df["county"].isin([*treated, *donors]), ["county", "year"]].itertuples(index=False, name=None)
    assert study.sample.dropped == (("neither treated nor donor", tuple(others)),)
    assert (study.sample.rows_in, study.sample.rows_used) == (72, 54)
