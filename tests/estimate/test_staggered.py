"""Staggered designs: checks, event study, Goodman-Bacon's identity, leads, other policies, splits, winsorising."""

from __future__ import annotations

from itertools import combinations

import diff_diff
import numpy as np
import pandas as pd
import pyfixest as pf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regiometrics.data.files import data_file
from regiometrics.errors import (
    DomainError,
    KeyColumnError,
    MissingValueError,
    NoControlsError,
    RankError,
    RegionError,
    TreatmentPathError,
    UnbalancedPanelError,
)
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.inference import conley, wild_cluster_bootstrap
from regiometrics.estimate.modern_did import modern_did
from regiometrics.estimate.placebo import placebo
from regiometrics.estimate.staggered import (
    BaconResult,
    StaggeredDesign,
    event_study,
    pre_adoption,
    pre_trend_test,
    split_test,
    winsorize,
)

KEYS = {"unit": "city", "time": "year", "outcome": "y", "adoption": "start"}
YEARS = np.arange(2003, 2013)
NEVER = np.nan
STARTS = [2006] * 4 + [2008] * 3 + [2009] * 2 + [NEVER] * 11
seeds = st.integers(0, 2**32 - 1)

# pyfixest 0.60 has not caught up with pandas 3.1
pytestmark = pytest.mark.filterwarnings("ignore:The inplace keyword in DataFrame:pandas.errors.Pandas4Warning")


def panel_of(starts: list[float], *, years: np.ndarray = YEARS, seed: int = 0, controls: int = 2) -> pd.DataFrame:
    """Cities with the given adoption years, autocorrelated outcomes and controls, rows in no order."""
    rng = np.random.default_rng(seed)
    city = np.repeat(np.arange(len(starts)), len(years))
    df = pd.DataFrame({"city": city, "year": np.tile(years, len(starts)), "start": np.repeat(starts, len(years))})
    policy = (df["year"] >= df["start"]).to_numpy(dtype=float)
    df["y"] = rng.normal(size=len(starts))[city] + rng.normal(size=len(df)).cumsum() / 5 - 0.5 * policy
    for j in range(controls):
        df[f"x{j + 1}"] = rng.normal(size=len(df)) + 0.5 * policy * rng.normal(size=len(starts))[city]
    return df.sample(frac=1, random_state=seed).set_axis([7] * len(df))


@pytest.fixture
def df() -> pd.DataFrame:
    return panel_of(STARTS)


@pytest.fixture
def design(df) -> StaggeredDesign:
    return StaggeredDesign(df, **KEYS, controls=["x1", "x2"])


def dummies(df: pd.DataFrame, *columns: str) -> np.ndarray:
    return np.column_stack([pd.get_dummies(df[c], dtype=float).to_numpy() for c in columns])


def least_squares(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(x, y, rcond=1e-12)[0]


# ---------------------------------------------------------------------------------------------------------------------
# the design


def test_design_codes_the_policy_and_leaves_the_table_alone(df):
    before = df.copy(deep=True)
    design = StaggeredDesign(df, **KEYS, controls=["x1"])
    pd.testing.assert_frame_equal(df, before)
    panel = design.panel
    assert (design.policy == (panel["year"] >= panel["start"])).all()
    assert design.n_treated == 9
    assert design.cohorts.values.tolist() == [[2006, 4, 28], [2008, 3, 15], [2009, 2, 8]]
    assert (design.sample.rows_in, design.sample.rows_used, design.notes) == (200, 200, ())


def test_design_from_a_policy_column_dates_adoption(df, design):
    table = df.drop(columns="start").assign(zone=(df["year"] >= df["start"]).astype(int))
    other = StaggeredDesign.from_policy(table, unit="city", time="year", outcome="y", policy="zone")
    pd.testing.assert_frame_equal(other.cohorts, design.cohorts)
    assert (other.policy == design.policy).all()


@pytest.mark.parametrize("dtype", ["Int64", "float64", "object"])
def test_adoption_may_be_any_kind_of_number(df, design, dtype):
    other = StaggeredDesign(df.assign(start=df["start"].astype("Int64").astype(dtype)), **KEYS)
    pd.testing.assert_frame_equal(other.cohorts, design.cohorts)
    pd.testing.assert_series_equal(other.event_time, design.event_time)


def test_event_time_counts_periods_since_adoption(design):
    panel, since = design.panel, design.event_time
    treated = panel["start"].notna()
    assert (since[treated] == (panel["year"] - panel["start"])[treated]).all()
    assert since[~treated].isna().all()
    assert ((since >= 0) == (design.policy == 1)).all()


def test_missing_values_are_refused_or_listed(df):
    holes = df.assign(y=df["y"].where((df["city"] != 3) | (df["year"] != 2005)))
    with pytest.raises(MissingValueError, match="3 2005"):
        StaggeredDesign(holes, **KEYS)
    design = StaggeredDesign(holes, **KEYS, missing="drop")
    assert design.sample.dropped == (("missing 'y'", ((3, 2005),)),)
    effect = design.twfe()
    assert (effect.sample.rows_in, effect.sample.rows_used, effect.n_obs) == (200, 199, 199)
    assert effect.sample.dropped == design.sample.dropped


def test_units_treated_throughout_are_refused_left_out_or_kept():
    df = panel_of([2001, 2003, *STARTS])
    with pytest.raises(TreatmentPathError, match="all of its periods.*20 rows: 0; 1"):
        StaggeredDesign(df.sort_values("city"), **KEYS)
    dropped = StaggeredDesign(df, **KEYS, always_treated="drop")
    assert dropped.sample.rows_used == 200
    assert dropped.sample.dropped[0][0] == "treated in all of its periods"
    assert {key[0] for key in dropped.sample.dropped[0][1]} == {0, 1}
    assert dropped.cohorts["units"].tolist() == [4, 3, 2]
    kept = StaggeredDesign(df, **KEYS, always_treated="keep")
    assert kept.cohorts["adoption"].tolist() == [2001, 2003, 2006, 2008, 2009]
    assert any("2 units are treated in all" in note for note in kept.notes)
    assert kept.event_study(window=(-2, 3)).path["n_units"].tolist() == [9, 9, 10, 10, 11, 11]


def test_a_unit_that_enters_treated_counts_as_treated_throughout(df):
    with pytest.raises(TreatmentPathError, match="all of its periods"):
        StaggeredDesign(df[(df["city"] != 0) | (df["year"] >= 2006)], **KEYS)


def test_notes_say_what_the_design_lacks():
    everyone = StaggeredDesign(panel_of([2006] * 3 + [2008] * 2 + [2010]), **KEYS)
    assert "every unit is treated in the end" in everyone.notes[0]
    assert "cohorts of one unit" in everyone.notes[1]
    assert everyone.notes[1].endswith("2010")
    late = StaggeredDesign(panel_of([2006] * 3 + [2013, 2020] + [NEVER] * 3), **KEYS)
    assert late.notes == ("2 units adopt after their last period and count as not treated",)
    assert late.n_treated == 3
    assert late.twfe().notes[-1] == late.notes[0]
    assert late.event_study().notes[-1] == late.notes[0]
    assert late.bacon().notes == late.notes


@settings(max_examples=15, deadline=None)
@given(starts=st.lists(st.sampled_from([2003, 2004.5, 2006, 2008, 2012, 2030, NEVER]), min_size=3, max_size=12))
def test_notes_count_what_the_rows_show(starts):
    df = panel_of([*starts, 2007, NEVER])
    for always in ("keep", "drop"):
        design = StaggeredDesign(df, **KEYS, always_treated=always)
        by_unit = design.panel.groupby("city").agg(
            low=("policy", "min"), high=("policy", "max"), start=("start", "max")
        )
        kept, late = (by_unit["low"] == 1).sum(), (by_unit["start"].notna() & (by_unit["high"] == 0)).sum()
        cohorts = design.cohorts
        alone = cohorts.loc[cohorts["units"] == 1, "adoption"].tolist()
        peer = []
        if kept:
            peer.append(f"{kept} units are treated in all of their periods and serve as comparison")
        if late:
            peer.append(f"{late} units adopt after their last period and count as not treated")
        if alone:
            dates = ", ".join(map(str, alone))
            peer.append(f"cohorts of one unit, whose own effect has no usable standard error: {dates}")
        assert list(design.notes) == peer


BAD = {
    "two dates in a unit": (lambda d: d.assign(start=d["start"].where(d["year"] > 2004)), TreatmentPathError, "same"),
    "nobody treated": (lambda d: d.assign(start=NEVER), TreatmentPathError, "no unit is treated"),
    "0 for never": (lambda d: d.assign(start=d["start"].fillna(0)), TreatmentPathError, "not 0, for units never"),
    "all at once": (lambda d: d.assign(start=2006), NoControlsError, "never seen in the same period"),
    "doubled rows": (lambda d: pd.concat([d, d]), KeyColumnError, "identify"),
    "null unit": (lambda d: d.assign(city=d["city"].where(d["city"] > 0)), KeyColumnError, "missing"),
    "no dates": (lambda d: d.drop(columns="start"), KeyColumnError, "'start' is not in the table"),
    "text in y": (lambda d: d.assign(y="low"), DomainError, "text"),
    "text dates": (lambda d: d.assign(start="in spring"), DomainError, "text"),
    "text years": (lambda d: d.assign(year=d["year"].map(lambda t: f"year {t}")), DomainError, "text"),
    "infinite y": (lambda d: d.assign(y=np.inf), MissingValueError, "infinite"),
    "another policy": (lambda d: d.assign(policy=1.0), DomainError, "contradicts the adoption dates in 'start'"),
}


@pytest.mark.parametrize("case", BAD)
def test_design_refuses(df, case):
    spoil, error, message = BAD[case]
    with pytest.raises(error, match=message):
        StaggeredDesign(spoil(df), **KEYS)


BAD_POLICY = {
    "switches off": (lambda d: d["year"].between(2006, 2008) & (d["city"] < 3), TreatmentPathError, "switches off"),
    "half": (lambda d: 0.5 * (d["year"] > 2006), DomainError, "0 or 1"),
    "missing": (lambda d: d["start"], MissingValueError, "missing"),
    "throughout": (lambda d: d["city"] < 2, TreatmentPathError, "all of its periods"),
    "nobody": (lambda d: d["city"] < 0, TreatmentPathError, "no unit"),
    "everybody": (lambda d: d["year"] > 2005, NoControlsError, "same period"),
}


@pytest.mark.parametrize("case", BAD_POLICY)
def test_design_from_a_policy_column_refuses(df, case):
    spoil, error, message = BAD_POLICY[case]
    columns = {"unit": "city", "time": "year", "outcome": "y", "policy": "zone"}
    with pytest.raises(error, match=message):
        StaggeredDesign.from_policy(df.assign(zone=spoil(df)).drop(columns="start"), **columns)


def test_design_does_not_overwrite_a_column(df):
    columns = {"unit": "city", "time": "year", "outcome": "y", "policy": "x1"}
    with pytest.raises(KeyColumnError, match="already has a column 'adoption'"):
        StaggeredDesign.from_policy(df.assign(adoption=1), **columns)


def test_unknown_options_are_refused(df, design):
    for call in (
        lambda: StaggeredDesign(df, **KEYS, always_treated="omit"),
        lambda: StaggeredDesign(df, **KEYS, missing="omit"),
        lambda: winsorize(df, ["y"], scope="year"),
        lambda: winsorize(df, ["y"], quantile="type7"),
        lambda: design.event_study(estimator="regression"),
    ):
        with pytest.raises(DomainError, match="choose one of"):
            call()


# ---------------------------------------------------------------------------------------------------------------------
# regressions on the design


def test_methods_are_the_free_functions_on_the_design(df, design):
    table = df.assign(policy=(df["year"] >= df["start"]).astype(float), lat=df["city"] * 1.0, lon=100.0)
    design = StaggeredDesign(table, **KEYS, controls=["x1", "x2"])
    model = {"unit": "city", "time": "year", "outcome": "y", "regressors": ["policy", "x1", "x2"]}
    pd.testing.assert_frame_equal(design.regression().to_frame(), twfe(table, **model).to_frame())
    assert design.twfe(vcov="iid").std_error == twfe(table, **model, vcov="iid").effect("policy").std_error
    wild = wild_cluster_bootstrap(table, **model, term="policy", n_boot=99)
    pd.testing.assert_frame_equal(design.wild_bootstrap(n_boot=99).to_frame(), wild.to_frame())
    space = conley(table, **model, lat="lat", lon="lon", cutoff_km=300).effect("policy")
    pd.testing.assert_frame_equal(design.conley("lat", "lon", cutoff_km=300).to_frame(), space.to_frame())
    chance = placebo(table, **KEYS, controls=["x1", "x2"], n=30)
    assert (design.placebo(n=30).draws == chance.draws).all()


def test_clusters_of_the_design_are_used(df):
    table = df.assign(province=df["city"] // 2)
    assert StaggeredDesign(table, **KEYS, cluster="province").twfe().n_clusters == 10
    assert StaggeredDesign(table, **KEYS).twfe().n_clusters == 20
    assert StaggeredDesign(table, **KEYS, cluster="province").twfe(vcov="iid").n_clusters == 0
    few = StaggeredDesign(table.assign(province=df["city"] // 7), **KEYS, cluster="province")
    for notes in (few.twfe().notes, few.event_study().notes):
        assert "3 clusters are few" in notes[0]


def test_constant_effect_without_noise_is_recovered_by_all():
    df = panel_of(STARTS, controls=1)
    exact = df.assign(
        y=df["city"] ** 1.5 + np.sqrt(df["year"] - 2000) + 2 * df["x1"] - 0.25 * (df["year"] >= df["start"])
    )
    design = StaggeredDesign(exact, **KEYS, controls=["x1"])
    assert design.twfe().estimate == pytest.approx(-0.25, abs=1e-10)
    assert design.bacon().to_frame()["estimate"].to_numpy() != pytest.approx(-0.25)  # pairs carry the control's effect
    assert design.anticipation().path["estimate"].to_numpy() == pytest.approx(0, abs=1e-10)
    path = design.event_study(window=(-3, 3)).path.set_index("period")["estimate"]
    assert path.loc[:-1].to_numpy() == pytest.approx(0, abs=1e-10)
    assert path.loc[0:].to_numpy() == pytest.approx(-0.25, abs=1e-10)
    without = StaggeredDesign(exact.assign(y=exact["y"] - 2 * exact["x1"]), **KEYS)
    assert without.bacon().to_frame()["estimate"].to_numpy() == pytest.approx(-0.25, abs=1e-10)


# ---------------------------------------------------------------------------------------------------------------------
# event study


def test_event_study_is_the_regression_on_leads_and_lags(design):
    study = design.event_study(window=(-4, 3))
    panel = design.panel
    since = (panel["year"] - panel["start"]).clip(-4, 3)
    periods = [-4, -3, -2, 0, 1, 2, 3]
    x = np.column_stack(
        [*((since == k).astype(float) for k in periods), panel[["x1", "x2"]], dummies(panel, "city", "year")]
    )
    slow = least_squares(panel["y"].to_numpy(), x)[:7]
    path = study.path.set_index("period")
    assert path["estimate"].loc[periods].to_numpy() == pytest.approx(slow, abs=1e-10)
    assert study.estimate == pytest.approx(slow[3:].mean(), abs=1e-10)
    assert path.index.tolist() == list(range(-4, 4))
    base = path.loc[-1]
    assert base["is_base"]
    assert base["estimate"] == 0
    assert base[["std_error", "p_value", "low", "high"]].isna().all()
    assert path["is_base"].sum() == 1
    assert study.notes[:2] == ("period -4 pools earlier periods", "period 3 pools later periods")
    assert design.event_study(window=(-6, 6)).notes == ()


def test_errors_of_the_event_study_agree_with_pyfixest(design):
    study = design.event_study(window=(-3, 2))
    since = design.event_time.clip(-3, 2)
    terms = {k: f"period_{k + 3}" for k in (-3, -2, 0, 1, 2)}
    table = design.panel.assign(**{term: (since == k).astype(float) for k, term in terms.items()})
    fit = pf.feols(f"y ~ {' + '.join(terms.values())} + x1 + x2 | city + year", table, vcov={"CRV1": "city"})
    path = study.path.set_index("period").loc[list(terms)]
    assert path["std_error"].to_numpy() == pytest.approx(fit.se()[list(terms.values())].to_numpy(), rel=1e-8)
    assert path["p_value"].to_numpy() == pytest.approx(fit.pvalue()[list(terms.values())].to_numpy(), rel=1e-6)
    mean_of_lags = np.array([0, 0, 1, 1, 1, 0, 0]) / 3
    assert study.std_error == pytest.approx(np.sqrt(mean_of_lags @ fit._vcov @ mean_of_lags), rel=1e-8)
    wald = fit.wald_test(R=np.eye(7)[:2], distribution="chi2")
    test = pre_trend_test(study)
    assert test.periods == (-3, -2)
    assert test.statistic == pytest.approx(float(wald["statistic"]) / 2, rel=1e-7)
    assert test.df == (2, 19)
    assert test.p_value == pytest.approx(stats.f.sf(float(wald["statistic"]) / 2, 2, 19), rel=1e-6)


def test_pre_trend_test_of_one_lead_is_its_t_test(design):
    study = design.event_study(window=(-2, 3))
    test = pre_trend_test(study)
    assert test.p_value == pytest.approx(study.path.set_index("period").loc[-2, "p_value"], rel=1e-9)
    assert pre_trend_test(design.event_study(window=(-4, 2)), periods=[-3]).periods == (-3,)


def test_pre_trend_test_refuses(design):
    with pytest.raises(DomainError, match="no lead besides the base"):
        pre_trend_test(design.event_study(window=(-1, 2)))
    with pytest.raises(DomainError, match="leads -9 were not estimated"):
        pre_trend_test(design.event_study(), periods=[-9])
    few = StaggeredDesign(panel_of([2007, 2007, NEVER], controls=0), **KEYS)
    with pytest.raises(RankError, match="too few clusters"):
        pre_trend_test(few.event_study(window=(-4, 3)))


@settings(max_examples=10)
@given(seed=seeds, origin=st.integers(-3000, 3000), step=st.sampled_from([0.25, 1, 5]))
def test_event_study_does_not_depend_on_how_time_is_labelled(seed, origin, step):
    df = panel_of(STARTS, seed=seed)
    other = df.assign(year=origin + step * (df["year"] - 2003), start=origin + step * (df["start"] - 2003))
    one, two = (StaggeredDesign(d, **KEYS, controls=["x1"]).event_study(window=(-3, 3)).path for d in (df, other))
    pd.testing.assert_frame_equal(one, two, rtol=1e-9, atol=1e-11)


def test_periods_that_no_treated_unit_reaches_are_listed():
    design = StaggeredDesign(panel_of([2005] * 3 + [2006] * 3 + [NEVER] * 6), **KEYS)
    study = design.event_study(window=(-5, 9))
    path = study.path.set_index("period")
    assert study.notes == ("no treated unit is seen in period -5, -4, 8, 9",)
    assert path["n_units"].tolist() == [0, 0, 3, 6, 6, 6, 6, 6, 6, 6, 6, 6, 3, 0, 0]
    assert path.loc[[-5, -4, 8, 9], "estimate"].isna().all()
    assert path.drop([-5, -4, 8, 9])["estimate"].notna().all()


def test_event_study_refuses(design):
    for window, base in (((-5, 5), -6), ((-5, 5), 0), ((-5, -1), -1), ((1, 5), 2)):
        with pytest.raises(DomainError, match="do not fit together"):
            design.event_study(window=window, base=base)
    with pytest.raises(DomainError, match="no treated unit is seen in the base period -9"):
        design.event_study(window=(-9, 5), base=-9)
    everyone = StaggeredDesign(panel_of([2006] * 3 + [2008] * 3, controls=0), **KEYS)
    with pytest.raises(RankError):
        everyone.event_study(window=(-9, 9))
    assert np.isfinite(everyone.event_study(window=(-2, 2)).estimate)


# ---------------------------------------------------------------------------------------------------------------------
# Goodman-Bacon's decomposition

TYPES = {
    "plain": {"never treated", "earlier vs later", "later vs earlier", "always treated"},
    "controls": {"never treated", "always treated", "timing groups", "always vs never", "within"},
}


@settings(max_examples=20)
@given(
    seed=seeds,
    starts=st.lists(st.sampled_from([2001, 2004, 2006, 2007, 2012, NEVER]), min_size=4, max_size=14),
    n_controls=st.integers(0, 3),
)
def test_weighted_comparisons_add_up_to_the_two_way_coefficient(seed, starts, n_controls):
    df = panel_of([2005, 2005, 2008, NEVER, *starts], seed=seed, controls=n_controls)
    names = [f"x{j + 1}" for j in range(n_controls)]
    design = StaggeredDesign(df, **KEYS, controls=names, always_treated="keep")
    result = design.bacon()
    frame = result.to_frame()
    assert set(frame["type"]) <= TYPES["controls" if names else "plain"]
    assert frame["weight"].sum() == pytest.approx(1, abs=1e-12)
    assert (frame["weight"] > 0).all()
    assert frame["weight"] @ frame["estimate"] == pytest.approx(design.twfe().estimate, abs=1e-12)
    kinds = result.by_type()
    assert kinds["weight"] @ kinds["estimate"] == pytest.approx(result.estimate, abs=1e-12)
    assert design.bacon(controls=False).estimate == pytest.approx(
        StaggeredDesign(df, **KEYS, always_treated="keep").twfe().estimate, abs=1e-12
    )


def test_comparisons_are_two_by_two_regressions():
    starts = [2001, 2001, *STARTS]
    df = panel_of(starts)
    frame = StaggeredDesign(df, **KEYS, always_treated="keep").bacon().to_frame()
    assert len(frame) == 3 + 2 * 3 + 3  # never, pairs of the three cohorts twice, always
    assert set(frame["type"]) == TYPES["plain"]
    for row in frame.itertuples():
        treated = df["start"] == row.treated
        if row.type == "never treated":
            subset = df[treated | df["start"].isna()]
        elif row.type == "always treated":
            subset = df[treated | (df["start"] <= 2003)]
            assert row.control == 2003
        elif row.type == "earlier vs later":
            assert row.treated < row.control
            subset = df[(treated | (df["start"] == row.control)) & (df["year"] < row.control)]
        else:
            assert row.treated > row.control
            subset = df[(treated | (df["start"] == row.control)) & (df["year"] >= row.control)]
        x = np.column_stack(
            [(subset["year"] >= row.treated) & (subset["start"] == row.treated), dummies(subset, "city", "year")]
        )
        assert row.estimate == pytest.approx(least_squares(subset["y"].to_numpy(), x)[0], abs=1e-10)


def test_decomposition_agrees_with_diff_diff():
    df = panel_of(STARTS, controls=0)
    frame = StaggeredDesign(df, **KEYS).bacon().to_frame()
    peer = diff_diff.BaconDecomposition(weights="exact").fit(
        df.assign(first=df["start"].fillna(0).astype(int)).reset_index(drop=True),
        outcome="y", unit="city", time="year", first_treat="first",
    )  # fmt: skip
    names = {
        "treated_vs_never": "never treated",
        "earlier_vs_later": "earlier vs later",
        "later_vs_earlier": "later vs earlier",
    }
    theirs = pd.DataFrame(
        [(names[c.comparison_type], c.treated_group, c.control_group, c.weight, c.estimate) for c in peer.comparisons],
        columns=frame.columns,
    )
    theirs["control"] = theirs["control"].where(theirs["type"] != "never treated")
    order = ["type", "treated", "control"]
    ours, theirs = (
        d.astype({"treated": float, "control": float}).sort_values(order).reset_index(drop=True)
        for d in (frame, theirs)
    )
    pd.testing.assert_frame_equal(ours, theirs, check_dtype=False, rtol=0, atol=1e-10)


def dyads_with_controls(df: pd.DataFrame, controls: list[str]) -> list[tuple[float, float]]:
    """Unscaled weight and estimate of each pair of cohorts by the regressions on pairs of the R package bacondecomp."""
    effects = dummies(df, "city", "year")

    def predicted(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return x @ least_squares(y, x)

    policy = (df["year"] >= df["start"]).to_numpy(dtype=float)
    p = predicted(policy, np.column_stack([df[controls], effects]))
    cells = df.assign(policy=policy, p=p, cohort=df["start"].fillna(9999))
    grouped = cells.groupby(["cohort", "year"])
    for column in [*controls, "p"]:
        cells[f"g_{column}"] = grouped[column].transform("mean")
    found = []
    for pair in combinations(sorted(cells["cohort"].unique()), 2):
        d = cells[cells["cohort"].isin(pair)]
        w = dummies(d, "city", "year")
        left = {c: d[c] - predicted(d[c].to_numpy(), w) for c in ["policy", "g_p", *(f"g_{c}" for c in controls)]}
        x = np.column_stack([left[f"g_{c}"] for c in controls])
        pgj = predicted(left["policy"].to_numpy(), x)
        spread = np.var(left["policy"])
        r2 = np.var(pgj) / spread
        dp = pgj - left["g_p"].to_numpy()
        y = d["y"].to_numpy()
        b_policy = least_squares(y, np.column_stack([d["policy"], d[[f"g_{c}" for c in controls]], w]))[0]
        b_dp = least_squares(y, np.column_stack([dp, w]))[0]
        own = (1 - r2) * spread
        found.append((len(d) ** 2 * (own + np.var(dp)), (own * b_policy + np.var(dp) * b_dp) / (own + np.var(dp))))
    return found


def test_pairs_with_controls_agree_with_the_regressions_of_bacondecomp(df, design):
    frame = design.bacon().to_frame()
    pairs = frame[frame["type"] != "within"]
    assert pairs["type"].tolist() == ["timing groups"] * 2 + ["never treated", "timing groups"] + ["never treated"] * 2
    weight, estimate = np.array(dyads_with_controls(df, ["x1", "x2"])).T
    between = pairs["weight"].sum()
    assert pairs["weight"].to_numpy() / between == pytest.approx(weight / weight.sum(), abs=1e-10)
    assert pairs["estimate"].to_numpy() == pytest.approx(estimate, abs=1e-9)


def test_controls_unrelated_to_policy_and_outcome_change_nothing(df):
    fit = twfe(
        df.assign(policy=df["year"] >= df["start"]), unit="city", time="year", outcome="x1", regressors=["policy", "y"]
    )
    design = StaggeredDesign(df.reset_index(drop=True).assign(x=fit.residuals.to_numpy()), **KEYS, controls=["x"])
    merged = {
        "earlier vs later": "timing groups",
        "later vs earlier": "timing groups",
        "never treated": "never treated",
    }
    plain = design.bacon(controls=False).to_frame()
    plain = plain.assign(type=plain["type"].map(merged), product=plain["weight"] * plain["estimate"])
    plain = plain.groupby("type")[["weight", "product"]].sum()
    kinds = design.bacon().by_type().set_index("type")
    assert set(kinds.index) == {"timing groups", "never treated"}
    assert kinds["weight"].to_dict() == pytest.approx(plain["weight"].to_dict(), abs=1e-10)
    assert (kinds["weight"] * kinds["estimate"]).to_dict() == pytest.approx(plain["product"].to_dict(), abs=1e-10)


def test_bias_under_growing_effects_is_the_one_that_the_decomposition_predicts():
    df = panel_of(STARTS, controls=0)
    since = df["year"] - df["start"]
    effect = (0.3 * (since + 1) * (1 + (df["start"] == 2008))).where(since >= 0, 0.0)
    design = StaggeredDesign(df.assign(y=3 * df["city"] + np.cos(df["year"]) + effect), **KEYS)
    att = {(g, t): 0.3 * (t - g + 1) * (1 + (g == 2008)) for g in (2006, 2008, 2009) for t in range(g, 2013)}

    def mean(g: float, years: range) -> float:
        return float(np.mean([att[g, t] for t in years]))

    predicted = 0.0
    for row in design.bacon().to_frame().itertuples():
        end = 2013
        if row.type == "earlier vs later":
            end = row.control
        true = mean(row.treated, range(row.treated, end))
        if row.type == "later vs earlier":  # the earlier cohort's effect keeps growing and is taken off
            true -= mean(row.control, range(row.treated, 2013)) - mean(row.control, range(row.control, row.treated))
        assert row.estimate == pytest.approx(true, abs=1e-10)
        predicted += row.weight * true
    fitted = design.twfe().estimate
    assert fitted == pytest.approx(predicted, abs=1e-10)
    assert fitted < effect[since >= 0].mean() - 0.1  # the bias is there


def test_castle_doctrine_reference_values():
    # Bacon weights and estimates of l_homicide on post: Stata's and R's bacondecomp on the table of `causaldata`
    castle = pd.read_csv(data_file("reference", "castle.csv"))
    columns = {"unit": "sid", "time": "year", "outcome": "l_homicide"}
    design = StaggeredDesign(castle, **columns, adoption="effyear")
    kinds = design.bacon().by_type().set_index("type")
    order = ["never treated", "earlier vs later", "later vs earlier"]
    assert kinds["weight"].loc[order].to_numpy() == pytest.approx([0.898809, 0.077079, 0.024112], abs=1e-6)
    assert kinds["estimate"].loc[order].to_numpy() == pytest.approx([0.078438, -0.028577, 0.045635], abs=1e-6)
    assert design.twfe().estimate == pytest.approx(0.0693984, abs=1e-7)
    other = StaggeredDesign.from_policy(castle.drop(columns="effyear"), **columns, policy="post")
    pd.testing.assert_frame_equal(other.bacon().to_frame(), design.bacon().to_frame())


def test_minimum_wage_reference_value():
    # the two-way coefficient on the table of R's `did`, as diff-diff and pyfixest find it
    counties = pd.read_csv(data_file("reference", "mpdta.csv"))
    design = StaggeredDesign(counties, unit="countyreal", time="year", outcome="lemp", adoption="first_treat")
    assert design.bacon().estimate == pytest.approx(-0.036549, abs=1e-6)
    assert design.cohorts["units"].tolist() == [20, 40, 131]


def test_within_row_needs_controls_that_differ_inside_cohorts(df):
    common = df.assign(x=np.where(df["start"].isna(), 0.0, df["year"] - 2003) ** 2)
    kinds = StaggeredDesign(common, **KEYS, controls=["x"]).bacon().by_type()["type"].tolist()
    assert "within" not in kinds
    assert "timing groups" in kinds


def test_decomposition_refuses(df, design):
    with pytest.raises(UnbalancedPanelError, match="every"):
        StaggeredDesign(df[(df["city"] != 2) | (df["year"] != 2005)], **KEYS).bacon()
    with pytest.raises(RankError, match="fixed"):
        StaggeredDesign(df.assign(fixed=df["city"] ** 2.0), **KEYS, controls=["fixed"]).bacon()
    with pytest.raises(RankError):
        StaggeredDesign(df.assign(copy=(df["year"] >= df["start"]) * 2.0), **KEYS, controls=["copy"]).bacon()
    result = design.bacon()
    fields = {k: getattr(result, k) for k in ("sample", "options", "estimate", "scale")}
    with pytest.raises(RegionError, match="does not add up"):
        BaconResult(**fields, components=result.components.assign(weight=result.components["weight"] * 1.1))
    with pytest.raises(RegionError, match="does not add up"):
        BaconResult(**fields, components=result.components.assign(estimate=result.components["estimate"] + 0.1))


# ---------------------------------------------------------------------------------------------------------------------
# anticipation and other policies


def test_lead_dummy_marks_the_treated_cities_alone(design):
    marked = design.panel[pre_adoption(design) == 1]
    assert sorted(marked["city"]) == list(range(9))
    assert (marked["year"] == marked["start"] - 1).all()


@given(seed=seeds, k=st.integers(1, 8))
def test_policy_times_lead_is_zero_everywhere(seed, k):
    rng = np.random.default_rng(seed)
    design = StaggeredDesign(panel_of([2006, *rng.choice([2004, 2010, 2012, NEVER], 8)], seed=seed), **KEYS)
    assert (design.policy * pre_adoption(design, k)).abs().max() == 0


def test_anticipation_is_the_regression_with_leads(design):
    result = design.anticipation(periods=2)
    panel = design.panel
    since = panel["year"] - panel["start"]
    x = np.column_stack([since >= 0, since == -2, since == -1, panel[["x1", "x2"]], dummies(panel, "city", "year")])
    slow = least_squares(panel["y"].to_numpy(), x.astype(float))[:3]
    assert result.estimate == pytest.approx(slow[0], abs=1e-10)
    assert result.path["estimate"].to_numpy() == pytest.approx(slow[1:], abs=1e-10)
    assert result.path["period"].tolist() == [-2, -1]
    assert result.path["n_units"].tolist() == [9, 9]
    assert (result.path["std_error"] > 0).all()
    assert not result.path["is_base"].any()


def test_planted_anticipation_is_found():
    df = panel_of(STARTS, controls=0)
    lead = df["year"] == df["start"] - 1
    design = StaggeredDesign(
        df.assign(y=df["city"] + df["year"] ** 0.5 - (df["year"] >= df["start"]) - 0.4 * lead), **KEYS
    )
    assert design.anticipation().path["estimate"].item() == pytest.approx(-0.4, abs=1e-9)
    assert design.anticipation().estimate == pytest.approx(-1, abs=1e-9)
    assert design.twfe().estimate > -1


def test_anticipation_refuses(design):
    with pytest.raises(DomainError, match="no treated unit is seen in period -8, -7"):
        design.anticipation(periods=8)
    with pytest.raises(DomainError, match="leaves no lead"):
        design.anticipation(periods=0)


@pytest.fixture
def policies() -> pd.DataFrame:
    belt = pd.DataFrame({"city": [1, 4, 12, 13, 99], "policy": "belt", "start": 2008})
    rise = pd.DataFrame({"city": [6, 14, 15], "policy": "rise", "start": [2005, 2009, 2020]})
    return pd.concat([belt, rise])


def test_other_policies_join_the_controls(df, policies):
    on = {
        name: sum(((df["city"] == c) & (df["year"] >= s)) * 1.0 for c, s in zip(p["city"], p["start"], strict=True))
        for name, p in policies.groupby("policy")
    }
    y = (
        df["city"]
        + df["year"] ** 0.5
        - (df["year"] >= df["start"])
        + 0.08 * on["belt"]
        - 0.01 * on["rise"]
        + 2 * df["x1"]
    )
    holes = df.assign(y=y.where((df["city"] != 3) | (df["year"] != 2005)))
    design = StaggeredDesign(holes, **KEYS, controls=["x1"], missing="drop")
    wider = design.with_policies(policies)
    assert wider.controls == ("x1", "belt", "rise")
    found = wider.regression().estimate
    assert found.to_dict() == pytest.approx({"policy": -1, "x1": 2, "belt": 0.08, "rise": -0.01}, abs=1e-9)
    assert design.controls == ("x1",)
    assert "belt" not in design.panel
    assert wider.sample == design.sample
    assert wider.twfe().sample.rows_in == 200


def test_names_of_other_policies_may_stand_in_other_columns(design, policies):
    renamed = policies.rename(columns={"policy": "name", "start": "start_year"})
    other = design.with_policies(renamed, policy="name", start="start_year")
    pd.testing.assert_frame_equal(other.panel, design.with_policies(policies).panel)


BAD_POLICIES = {
    "absent column": (lambda p: p.drop(columns="policy"), KeyColumnError, "not in the table"),
    "doubled": (lambda p: pd.concat([p, p]), KeyColumnError, "identify"),
    "name taken": (lambda p: p.assign(policy=p["policy"].replace("belt", "x1")), KeyColumnError, "x1 is named"),
    "reaches nobody": (lambda p: p.assign(city=p["city"] + 200), KeyColumnError, "'belt' reaches no row"),
    "starts too late": (lambda p: p.assign(start=2050), KeyColumnError, "'belt' reaches no row"),
    "no start": (lambda p: p.assign(start=np.nan), MissingValueError, "missing"),
}


@pytest.mark.parametrize("case", BAD_POLICIES)
def test_other_policies_are_refused(design, policies, case):
    spoil, error, message = BAD_POLICIES[case]
    with pytest.raises(error, match=message):
        design.with_policies(spoil(policies))


# ---------------------------------------------------------------------------------------------------------------------
# two groups


@pytest.fixture
def split_panel() -> pd.DataFrame:
    """Cities of two kinds; some large ones were small before, one of them in a single year."""
    df = panel_of([2006] * 6 + [2008] * 6 + [NEVER] * 18, seed=4)
    large = df["city"] % 3 == 0
    size = large & ((df["city"] % 6 == 0) | (df["year"] > 2007))
    size |= (df["city"] == 25) & (df["year"] == 2012)
    return df.assign(kind=np.where(large, "large", "small"), size=np.where(size, "large", "small"))


def test_split_equals_separate_regressions(split_panel):
    design = StaggeredDesign(split_panel, **KEYS, controls=["x1", "x2"])
    result = design.split("kind")
    for row in result.groups.itertuples():
        part = StaggeredDesign(split_panel[split_panel["kind"] == row.group], **KEYS, controls=["x1", "x2"])
        assert row.estimate == pytest.approx(part.twfe().estimate, abs=1e-12)
        assert row.std_error == pytest.approx(part.twfe().std_error, rel=0.06)  # another small-sample factor
        assert (row.n_obs, row.n_units, row.n_treated) == (len(part.panel), part.twfe().n_units, part.n_treated)
    small, large = result.groups.set_index("group")["estimate"].loc[["small", "large"]]
    assert result.difference == pytest.approx(small - large, abs=1e-12)
    # each city is in one group, so the two estimates are independent
    assert result.std_error == pytest.approx(np.hypot(*result.groups["std_error"]), rel=1e-9)
    frame = result.to_frame()
    assert frame["group"].tolist() == ["large", "small", "difference"]
    assert frame["estimate"].iloc[-1] == result.difference
    assert frame["statistic"].iloc[-1] == pytest.approx(result.difference / result.std_error)


@pytest.mark.parametrize("by", ["kind", "size"])
def test_split_agrees_with_one_interacted_regression_in_pyfixest(split_panel, by):
    result = split_test(StaggeredDesign(split_panel, **KEYS, controls=["x1"]), by)
    table = split_panel.reset_index(drop=True).assign(
        policy=split_panel["year"].to_numpy() >= split_panel["start"].to_numpy()
    )
    first = (table[by] == "large").astype(float)
    # the slope of `policy` alone is the first group's, that of `change` the difference
    table = table.assign(
        change=table["policy"] * (1 - first), x_change=table["x1"] * (1 - first), policy=table["policy"] * 1.0
    )
    table["unit"], table["time"] = table.groupby(["city", by]).ngroup(), table.groupby(["year", by]).ngroup()
    table = table[table.groupby("unit")["y"].transform("size") > 1]
    fit = pf.feols(
        "y ~ policy + change + x1 + x_change | unit + time",
        table,
        vcov={"CRV1": "city"},
        demeaner=pf.MapDemeaner(fixef_tol=1e-12),
    )
    assert result.difference == pytest.approx(fit.coef()["change"], abs=1e-9)
    assert result.std_error == pytest.approx(fit.se()["change"], rel=1e-7)
    assert result.p_value == pytest.approx(fit.pvalue()["change"], rel=1e-6)
    assert result.groups["estimate"].iloc[0] == pytest.approx(fit.coef()["policy"], abs=1e-9)
    assert result.groups["std_error"].iloc[0] == pytest.approx(fit.se()["policy"], rel=1e-7)


def test_units_that_change_group_are_noted_and_single_rows_listed(split_panel):
    design = StaggeredDesign(split_panel, **KEYS)
    result = design.split("size")
    assert result.notes[0] == "6 units change group and count as a unit in each"
    assert result.sample.dropped == (("alone in its unit or period of the group", ((25, 2012),)),)
    assert result.sample.rows_used == result.groups["n_obs"].sum() == 299
    fixed = design.split("size", base_year=2005)
    assert not any("change group" in note for note in fixed.notes)
    assert fixed.sample.rows_used == 300
    assert fixed.groups["n_units"].tolist() == [5, 25]
    at_end = design.split("kind", base_year=2012)
    pd.testing.assert_frame_equal(at_end.to_frame(), design.split("kind").to_frame())


def test_units_not_seen_in_the_base_year_are_listed(split_panel):
    part = split_panel[(split_panel["city"] != 7) | (split_panel["year"] > 2004)]
    result = StaggeredDesign(part, **KEYS).split("kind", base_year=2004)
    (reason, keys), *_ = result.sample.dropped
    assert reason == "unit not seen in 2004"
    assert {city for city, _ in keys} == {7}
    assert len(keys) == 8


def test_planted_difference_is_found(split_panel):
    effect = np.where(split_panel["kind"] == "large", -0.1, -0.4) * (split_panel["year"] >= split_panel["start"])
    trend = np.where(split_panel["kind"] == "large", 1.0, -2.0) * (split_panel["year"] - 2003) ** 1.3
    design = StaggeredDesign(split_panel.assign(y=split_panel["city"] + trend + effect), **KEYS)
    assert design.split("kind").difference == pytest.approx(-0.3, abs=1e-9)


def test_split_refuses(split_panel):
    untreated = split_panel["kind"].where(split_panel["start"].isna(), "small")
    table = split_panel.assign(
        three=split_panel["city"] % 3, gap=split_panel["kind"].where(split_panel["city"] > 0), one=1
    )
    design = StaggeredDesign(table.assign(untreated=untreated), **KEYS)
    for by, error, message in (
        ("three", DomainError, r"3 groups \(0, 1, 2\)"),
        ("one", DomainError, "1 groups"),
        ("gap", MissingValueError, "missing"),
        ("town", KeyColumnError, "not in the table"),
        ("untreated", TreatmentPathError, "no unit of group 'large' is treated"),
    ):
        with pytest.raises(error, match=message):
            design.split(by)


# ---------------------------------------------------------------------------------------------------------------------
# winsorising

numbers = st.lists(st.floats(-1e6, 1e6, width=32), min_size=3, max_size=60)


@given(values=numbers, low=st.floats(0, 0.4), high=st.floats(0, 0.4))
def test_winsorised_values_lie_within_the_quantiles(values, low, high):
    df = pd.DataFrame({"y": values})
    y = np.sort(values)
    n = len(y)
    result = winsorize(df, ["y"], limits=(low, high))["y"]
    inside = (np.array(values) >= result.min()) & (np.array(values) <= result.max())
    assert (result[inside] == df["y"][inside]).all()
    assert (y < result.min()).sum() <= n * low + 1e-6
    assert (y > result.max()).sum() <= n * high + 1e-6
    if abs(n * low - round(n * low)) > 1e-6 and abs(n * high - round(n * high)) > 1e-6:
        pd.testing.assert_frame_equal(winsorize(result.to_frame(), ["y"], limits=(low, high)), result.to_frame())


@given(values=numbers, p=st.sampled_from([0.0, 0.01, 0.07, 0.1, 0.25, 0.35]))
def test_bounds_of_type_2_are_the_averaged_inverse_of_the_distribution(values, p):
    result = winsorize(pd.DataFrame({"y": values}), ["y"], limits=(p, p))["y"]
    rank, y = len(values) * round(100 * p), np.sort(values)  # in hundredths, to know jumps exactly
    low = y[rank // 100] if rank % 100 else (y[max(rank // 100 - 1, 0)] + y[rank // 100]) / 2
    high = y[-1 - rank // 100] if rank % 100 else (y[-1 - max(rank // 100 - 1, 0)] + y[-1 - rank // 100]) / 2
    assert result.min() == min(low, high) or len(set(values)) == 1 or result.min() == pytest.approx(low)
    assert result.min() == pytest.approx(low, abs=1e-9)
    assert result.max() == pytest.approx(high, abs=1e-9)


def test_winsorising_by_hand():
    df = pd.DataFrame({"y": np.r_[np.arange(1.0, 101), 1e6]}).iloc[::-1]
    kept = df.copy(deep=True)
    result = winsorize(df, ["y"])["y"]
    assert (result.min(), result.max()) == (2, 100)  # 101 x 0.01 = 1.01: the second value from either end
    assert (winsorize(df[df["y"] <= 100], ["y"])["y"].min()) == 1.5  # 100 x 0.01 = 1: the mean of the first two
    assert winsorize(df, ["y"], quantile="linear")["y"].min() == pytest.approx(np.quantile(df["y"], 0.01))
    assert winsorize(df, ["y"], limits=(0, 0))["y"].equals(df["y"])
    pd.testing.assert_frame_equal(df, kept)


def test_winsorising_by_period_is_winsorising_each_period(df):
    result = winsorize(df, ["y", "x1"], limits=(0.1, 0.05), scope="by_time", time="year")
    for _, rows in df.reset_index(drop=True).groupby("year"):
        alone = winsorize(rows, ["y", "x1"], limits=(0.1, 0.05))
        assert np.array_equal(result[["y", "x1"]].to_numpy()[rows.index], alone[["y", "x1"]].to_numpy())
    assert result["x2"].equals(df["x2"])


def test_winsorising_refuses(df):
    for error, message, options in (
        (DomainError, "leave no value", {"limits": (0.5, 0.5)}),
        (DomainError, "leave no value", {"limits": (-0.1, 0.1)}),
        (DomainError, "do not fit together", {"scope": "by_time"}),
        (DomainError, "do not fit together", {"time": "year"}),
        (KeyColumnError, "not in the table", {"columns": ["z"]}),
        (MissingValueError, "missing", {"columns": ["start"]}),
    ):
        with pytest.raises(error, match=message):
            winsorize(df, **{"columns": ["y"], **options})


# ---------------------------------------------------------------------------------------------------------------------
# beside the modern estimators


def test_one_cohort_without_controls_the_estimators_agree():
    design = StaggeredDesign(panel_of([2007] * 6 + [NEVER] * 10, controls=0), **KEYS)
    imputed, two_way = design.modern("imputation"), design.twfe()
    assert two_way.estimate == pytest.approx(imputed.estimate, abs=1e-9)
    path = design.event_study(window=(-4, 5)).path.set_index("period")["estimate"]
    sun = design.event_study(window=(-4, 5), estimator="sun_abraham").path.set_index("period")["estimate"]
    common = [k for k in path.index.intersection(sun.index) if sun.notna()[k]]
    assert len(common) >= 9
    assert path[common].to_numpy() == pytest.approx(sun[common].to_numpy(), abs=1e-9)


def test_modern_estimators_recover_growing_effects_where_two_way_regression_does_not():
    df = panel_of(STARTS, controls=0)
    since = df["year"] - df["start"]
    effect = (0.3 * (since + 1) * (1 + (df["start"] == 2008))).where(since >= 0, 0.0)
    noise = np.random.default_rng(1).normal(0, 1e-6, len(df))
    design = StaggeredDesign(df.assign(y=3 * df["city"] + np.cos(df["year"]) + effect + noise), **KEYS)
    true = effect[since >= 0].mean()
    for estimator in ("imputation", "callaway_santanna", "sun_abraham", "dcdh"):
        assert design.modern(estimator).estimate == pytest.approx(true, abs=1e-5)
    assert abs(design.twfe().estimate - true) > 0.1


def test_modern_estimators_are_called_on_the_design(design):
    ours = design.event_study(window=(-3, 3), estimator="callaway_santanna")
    theirs = modern_did(
        design.panel, **KEYS, controls=["x1", "x2"], estimator="callaway_santanna", window=(-3, 3), base=-1
    )
    pd.testing.assert_frame_equal(ours.path, theirs.path)
    assert ours.estimate == theirs.estimate


def test_bounds_start_from_the_event_study(design):
    assert design.honest(window=(-3, 3)) is not None


def test_summaries_show_the_numbers(design):
    assert "TWFE" in design.twfe().summary()
    assert "never treated" in design.bacon().summary()
    assert (
        "difference"
        in StaggeredDesign(design.panel.assign(even=design.panel["city"] % 2), **KEYS).split("even").summary()
    )
    assert event_study(design).options["window"] == (-5, 5)


def test_a_placebo_keeps_the_units_that_the_design_keeps():
    rng = np.random.default_rng(0)
    df = pd.DataFrame([(city, year) for city in range(20) for year in range(2013, 2021)], columns=["city", "year"])
    df["start"] = df["city"].map({0: 2013, 1: 2013, 2: 2015, 3: 2016})
    df["y"] = rng.normal(size=len(df))
    design = StaggeredDesign(df, unit="city", time="year", outcome="y", adoption="start", always_treated="keep")
    assert design.placebo(n=9).observed == pytest.approx(design.twfe().estimate, abs=1e-12)


# ---------------------------------------------------------------------------------------------------------------------
# inference


def test_mean_effect_of_the_event_study_has_the_t_distribution_of_its_clusters(design):
    study = design.event_study(window=(-3, 2), level=0.9)
    assert study.n_clusters == 20
    assert study.p_value == pytest.approx(2 * stats.t.sf(abs(study.estimate) / study.std_error, 19), rel=1e-10)
    reach = stats.t.ppf(0.95, 19) * study.std_error
    assert (study.low, study.high) == pytest.approx((study.estimate - reach, study.estimate + reach), rel=1e-10)
