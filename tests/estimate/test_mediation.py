"""Moderation: both equations against the regressions they are, the effect along the moderator, bad input."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regiometrics.errors import DomainError, KeyColumnError, MissingValueError, RankError
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.mediation import moderation

KEYS = {"unit": "city", "time": "year"}
MODEL = {"outcome": "indg", "treatment": "policy", "moderator": "innoap", "controls": ["ln_gdp"], **KEYS}
TERMS = ["policy", "innoap", "policy x innoap", "ln_gdp"]


def panel(seed: int = 0, cities: int = 24, years: int = 8) -> pd.DataFrame:
    """A policy that lowers a gap the more, the higher the moderator; the policy moves the moderator too."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(itertools.product(range(cities), range(2003, 2003 + years)), columns=["city", "year"])
    df["policy"] = ((df["city"] % 3 == 0) & (df["year"] > 2005 + df["city"] % 4)).astype(int)
    df["ln_gdp"] = 16 + rng.normal(size=len(df))
    df["innoap"] = 4 + 0.7 * df["policy"] + rng.normal(size=cities)[df["city"]] + rng.normal(size=len(df))
    df["indg"] = 0.5 - 0.02 * df["policy"] * df["innoap"] + 0.01 * df["innoap"] + 0.02 * rng.normal(size=len(df))
    df["region"] = df["city"] // 2
    return df.sample(frac=1, random_state=2).set_axis([5] * len(df))


@pytest.mark.parametrize("center", [True, False])
def test_equations_are_the_two_regressions(center):
    df = panel()
    result = moderation(df, **MODEL, center=center)
    mean = df["innoap"].mean() if center else 0
    df["product"] = df["policy"] * (df["innoap"] - mean)
    first = twfe(df, outcome="innoap", regressors=["policy", "ln_gdp"], **KEYS)
    second = twfe(df, outcome="indg", regressors=["policy", "innoap", "product", "ln_gdp"], **KEYS)
    assert result.centre == pytest.approx(mean)
    frame = result.to_frame()
    assert frame["equation"].tolist() == [1, 1, 2, 2, 2, 2]
    assert frame["outcome"].tolist() == ["innoap"] * 2 + ["indg"] * 4
    assert frame["term"].tolist() == ["policy", "ln_gdp", *TERMS]
    for number, slow in ((1, first), (2, second)):
        part = frame.loc[frame["equation"] == number].reset_index(drop=True)
        pd.testing.assert_frame_equal(part.drop(columns=["equation", "outcome", "term"]), slow.to_frame().iloc[:, 1:])


def test_centring_moves_the_treatment_to_its_effect_at_the_mean_and_nothing_else():
    df = panel(1)
    centred, plain = (moderation(df, **MODEL, center=c) for c in (True, False))
    others = ["innoap", "policy x innoap", "ln_gdp"]
    np.testing.assert_allclose(centred.second.estimate[others], plain.second.estimate[others], rtol=1e-8)
    np.testing.assert_allclose(centred.second.std_error[others], plain.second.std_error[others], rtol=1e-8)
    row, mean = centred.second.to_frame().iloc[0], df["innoap"].mean()
    at_mean = plain.effect_at(mean).iloc[0]
    assert at_mean["moderator"] == mean
    for column, name in (("effect", "estimate"), ("std_error", "std_error"), ("low", "low"), ("high", "high")):
        assert at_mean[column] == pytest.approx(row[name], rel=1e-8)
    at_zero = centred.effect_at(0).iloc[0]
    assert at_zero["effect"] == pytest.approx(plain.second.estimate["policy"], rel=1e-8)
    assert at_zero["std_error"] == pytest.approx(plain.second.std_error["policy"], rel=1e-8)


@settings(max_examples=10)
@given(value=st.floats(-10, 20), vcov=st.sampled_from(["iid", "robust", "cluster"]))
def test_effect_at_a_value_is_the_treatment_of_a_regression_centred_there(value, vcov):
    df = panel(2)
    df["product"] = df["policy"] * (df["innoap"] - value)
    slow = twfe(df, outcome="indg", regressors=["policy", "innoap", "product", "ln_gdp"], **KEYS, vcov=vcov, level=0.9)
    row = slow.to_frame().iloc[0]
    at = moderation(df, **MODEL, vcov=vcov, level=0.9).effect_at([value, 1]).iloc[0]
    for column, name in (("effect", "estimate"), ("std_error", "std_error"), ("low", "low"), ("high", "high")):
        assert at[column] == pytest.approx(row[name], rel=1e-6, abs=1e-12)


def test_planted_moderation_is_found():
    found = [moderation(panel(seed), **MODEL) for seed in range(20)]
    slopes = np.array([r.second.estimate["policy x innoap"] for r in found])
    errors = np.array([r.second.std_error["policy x innoap"] for r in found])
    assert slopes.mean() == pytest.approx(-0.02, abs=4 * slopes.std(ddof=1) / 20**0.5)
    reach = stats.t.ppf(0.975, 23)
    assert (np.abs(slopes + 0.02) < reach * errors).mean() >= 0.8
    moved = np.array([r.first.estimate["policy"] for r in found])
    assert moved.mean() == pytest.approx(0.7, abs=4 * moved.std(ddof=1) / 20**0.5)


def test_effect_at_shrinks_towards_the_middle_and_grows_outwards():
    at = moderation(panel(3), **MODEL).effect_at(np.linspace(-20, 30, 51))
    widths = (at["high"] - at["low"]).to_numpy()
    lowest = widths.argmin()
    assert (np.diff(widths[: lowest + 1]) < 0).all()
    assert (np.diff(widths[lowest:]) > 0).all()
    assert list(at.columns) == ["moderator", "effect", "std_error", "low", "high"]


def test_both_equations_stand_on_the_same_rows():
    """A city without outcome is lost to the first equation too, and the mean is that of the rows left."""
    df = panel(4)
    df["indg"] = df["indg"].where((df["city"] != 3) | (df["year"] == 2003))
    df = pd.concat([df, df.iloc[:1].assign(city=77)])
    with pytest.raises(MissingValueError, match="'indg'"):
        moderation(df, **MODEL)
    before = df.copy()
    result = moderation(df, **MODEL, missing="drop")
    pd.testing.assert_frame_equal(df, before)
    assert result.first.n_obs == result.second.n_obs == 23 * 8
    assert result.sample == result.first.sample == result.second.sample
    reasons = {reason: len(keys) for reason, keys in result.sample.dropped}
    assert reasons == {"missing 'indg'": 7, "only row of its 'city'": 2}
    assert result.centre == pytest.approx(df.loc[~df["city"].isin([3, 77]), "innoap"].mean())


def test_clusters_reach_both_equations():
    result = moderation(panel(5), **MODEL, cluster="region")
    assert (result.first.n_clusters, result.second.n_clusters) == (12, 12)
    assert result.options["cluster"] == ("region",)
    assert "policy x innoap" in result.summary()


@pytest.mark.parametrize(
    ("columns", "options", "error", "message"),
    [
        ({"policy": 1}, {}, RankError, "'policy'.*no variation"),
        ({"innoap": lambda d: d["city"] * 1.0}, {}, RankError, "'innoap'.*no variation"),
        ({"innoap": lambda d: 3.0 * d["policy"]}, {}, RankError, "'innoap'.*collinear"),
        ({"innoap": lambda d: d["innoap"] * (1 - d["policy"])}, {}, RankError, "'policy x innoap'.*collinear"),
        (
            {"innoap": lambda d: d["innoap"] * (1 - d["policy"])},
            {"center": False},
            RankError,
            "'policy x innoap'.*no var",
        ),
        ({}, {"moderator": "isa"}, KeyColumnError, "'isa' is not in the table"),
        ({}, {"vcov": "hc2"}, DomainError, "choose one of"),
    ],
)
def test_moderation_refuses(columns, options, error, message):
    with pytest.raises(error, match=message):
        moderation(panel(6).assign(**columns), **{**MODEL, **options})
