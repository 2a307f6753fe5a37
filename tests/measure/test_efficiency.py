import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from regiometrics.errors import (
    ConvergenceError,
    DomainError,
    GroupSizeError,
    InfeasibleError,
    KeyColumnError,
    MissingValueError,
    RegionError,
    UnbalancedPanelError,
)
from regiometrics.measure import frontier
from regiometrics.measure.efficiency import gml_index, sbm
from regiometrics.measure.frontier import Frontier

ROLES = {"inputs": ["labour", "capital"], "good": "gdp", "bad": "so2"}
COLUMNS = ["labour", "capital", "gdp", "so2"]
CITY = {"unit": "city", **ROLES}
PANEL = {"unit": "city", "time": "year", **ROLES}
ORIENTATIONS, RETURNS = ["none", "input", "output"], ["crs", "vrs"]


def panel(n=24, years=4, seed=0):
    rng = np.random.default_rng(seed)
    size, skill = np.exp(rng.normal(0, 0.8, n)), rng.normal(0, 0.25, n)
    rows = []
    for year in range(years):
        labour = 100 * size * np.exp(rng.normal(0, 0.05, n))
        capital = 2e3 * size * np.exp(0.1 * year + rng.normal(0, 0.3, n))
        gdp = 6 * labour**0.45 * capital**0.5 * np.exp(skill + rng.normal(0, 0.1, n))
        so2 = 50 * gdp**0.8 * np.exp(rng.normal(0, 0.5, n) - 0.05 * year)
        rows.append(
            pd.DataFrame({"labour": labour, "capital": capital, "gdp": gdp, "so2": so2}).assign(year=2008 + year)
        )
    df = pd.concat(rows)
    return df.assign(city=[f"c{i}" for i in range(n)] * years)[["city", "year", *COLUMNS]].reset_index(drop=True)


def cross_section(n=16, **options):
    return panel(n=n, years=1, **options).drop(columns="year")


def scores(df, **options):
    return sbm(df, **options).to_frame()["efficiency"].to_numpy()


TIGHT = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}  # 1e-7 is felt in scores near 0


def linear_program(df, row, reference, *, inputs, good, bad=(), orientation="none", returns="crs", beyond=False):
    """The score of one row against those at ``reference``, written as it stands in the textbook."""
    good, bad = [[c] if isinstance(c, str) else list(c) for c in (good, bad)]
    columns = [*inputs, *good, *bad]
    sign = np.array([1.0] * len(inputs) + [-1.0] * len(good) + [1.0] * len(bad))
    values = df[columns].to_numpy(dtype=float)
    scale = values.mean(axis=0)
    z, others = values[row] / scale, values[list(reference)] / scale
    k, n = len(columns), len(others)
    cost = np.array([-1 / len(inputs) / z[i] if c in inputs else 0.0 for i, c in enumerate(columns)])
    norm = np.array([0.0 if c in inputs else 1 / (k - len(inputs)) / z[i] for i, c in enumerate(columns)])
    cost, norm = cost * (orientation != "output"), norm * (orientation != "input")
    direction = -1.0 if beyond else 1.0
    c = np.r_[1.0, direction * cost, np.zeros(n)]
    balance = np.column_stack([sign * z, -direction * np.eye(k), -(sign * others).T])
    equal, level = [np.r_[1.0, direction * norm, np.zeros(n)]], [1.0]
    if returns == "vrs":
        equal.append(np.r_[1.0, np.zeros(k), -np.ones(n)])
        level.append(0.0)
    slacks = [(0, None if not beyond or cost[i] or norm[i] else 0) for i in range(k)]
    bounds = [(0, None), *slacks, *[(0, None)] * n]
    if beyond:
        found = linprog(c, -balance, np.zeros(k), np.array(equal), level, bounds, options=TIGHT)
    else:
        found = linprog(c, None, None, np.vstack([*equal, balance]), [*level, *np.zeros(k)], bounds, options=TIGHT)
    assert found.status == 0
    return found.fun


def linear_programs(df, **options):
    return [linear_program(df, row, df.index, **options) for row in range(len(df))]


# Tone (2001), European Journal of Operational Research 130, 498-509, table 1
TONE = pd.DataFrame(
    {"unit": list("ABCDE"), "x1": [4, 6, 8, 8, 2], "x2": [3, 3, 1, 1, 4], "y1": [2, 2, 6, 6, 1], "y2": [3, 3, 2, 1, 4]}
)


@pytest.mark.filterwarnings("ignore:5 rows on a frontier of 4 measures:UserWarning")
def test_published_scores_of_five_units():
    result = sbm(TONE, unit="unit", inputs=["x1", "x2"], good=["y1", "y2"])
    frame = result.to_frame()
    assert frame.columns.tolist() == ["unit", "efficiency", *(f"slack_{c}" for c in ("x1", "x2", "y1", "y2"))]
    assert frame["efficiency"].tolist() == pytest.approx([0.798, 0.568, 1, 0.667, 1], abs=5e-4)
    assert set(result.peers["peer_unit"]) == {"C", "E"}
    assert result.targets.columns.tolist() == ["unit", "x1", "x2", "y1", "y2"]


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    "roles", [ROLES, {**ROLES, "bad": ()}, {**ROLES, "good": ["gdp", "capital"], "inputs": ["labour"]}]
)
def test_scores_equal_one_linear_program_per_unit(orientation, returns, roles):
    df = cross_section()
    options = {**roles, "orientation": orientation, "returns": returns}
    assert scores(df, unit="city", **options) == pytest.approx(linear_programs(df, **options), abs=1e-9)


REFERENCE = {
    "global": lambda year: range(2008, 2011),
    "contemporaneous": lambda year: [year],
    "sequential": lambda year: range(2008, year + 1),
    "window": lambda year: range(year - 1, year + 1),
}


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize(
    ("frontier", "orientation"), [*[(f, "none") for f in REFERENCE], ("global", "input"), ("global", "output")]
)
def test_rows_inefficient_in_their_own_year_change_no_score_of_a_longer_frontier(frontier, orientation, returns):
    df = panel(n=12, years=3, seed=1)
    options = {"orientation": orientation, "returns": returns}
    wanted = [
        linear_program(df, row, df.index[df["year"].isin(REFERENCE[frontier](year))], **ROLES, **options)
        for row, year in enumerate(df["year"])
    ]
    with pytest.MonkeyPatch.context() as patch:
        sizes = []
        patch.setattr(Frontier, "_model", lambda self, n, build=Frontier._model: sizes.append(n) or build(self, n))
        found = scores(df, **PANEL, **options, frontier=frontier, window=2)
    assert found == pytest.approx(np.array(wanted), abs=1e-9)
    assert frontier == "contemporaneous" or max(sizes[3:]) < len(df)  # the reference sets are cut


@pytest.mark.parametrize("returns", RETURNS)
def test_limits_of_the_window_are_own_year_and_all_years_so_far(returns):
    df = panel()
    one, all_years = (scores(df, **PANEL, returns=returns, frontier="window", window=w) for w in (1, 4))
    assert one == pytest.approx(scores(df, **PANEL, returns=returns, frontier="contemporaneous"), abs=1e-12)
    assert all_years == pytest.approx(scores(df, **PANEL, returns=returns, frontier="sequential"), abs=1e-12)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_longer_frontiers_score_no_higher(orientation):
    df = panel()
    ladder = [scores(df, **PANEL, orientation=orientation, frontier=f) for f in REFERENCE]
    pooled, own, sequential, window = ladder
    for longer, shorter in ((pooled, sequential), (sequential, window), (window, own)):
        assert (longer <= shorter + 1e-9).all()


def test_one_input_and_one_good_output_have_a_closed_form():
    df = cross_section()
    wanted = (df["gdp"] / df["labour"]) / (df["gdp"] / df["labour"]).max()
    assert scores(df, unit="city", inputs=["labour"], good="gdp") == pytest.approx(wanted, abs=1e-13)


@pytest.mark.parametrize("seed", range(5))
def test_score_against_one_reference_unit_lies_at_an_end_of_its_intensity(seed):
    peer, own = np.random.default_rng(seed).uniform([1, 1, 1], [2, 4, 2], (2, 3))  # input, good, bad
    peer = peer * [1.0, 2.0, 1.0] if peer[1] / peer[0] < own[1] / own[0] else peer
    low, high = own[1] / peer[1], min(own[0] / peer[0], own[2] / peer[2])
    if low > high:
        peer = np.array([0.5, 4.0, 0.5])
        low, high = own[1] / peer[1], min(own[0] / peer[0], own[2] / peer[2])
    ratios = [
        (e * peer[0] / own[0]) / (1 + ((e * peer[1] / own[1] - 1) + (1 - e * peer[2] / own[2])) / 2)
        for e in (low, high)
    ]
    oriented = np.array([1.0, -1.0, 1.0])
    found = Frontier((peer * oriented)[None], variable_returns=False).solve(
        (own * oriented)[None], np.array([[1.0, 0, 0]]), np.array([[0, 0.5, 0.5]]), keys=["o"]
    )
    assert found.score[0] == pytest.approx(min(ratios), abs=1e-12)


# ties are the hard case; values apart by what a solver takes for zero have scores that no tolerance of it decides
QUANTITY = st.one_of(st.integers(1, 4).map(float), st.floats(1e-2, 1e2).map(lambda value: round(value, 3)))
TABLES = st.lists(st.tuples(*[QUANTITY] * 4), min_size=12, max_size=25).map(
    lambda rows: pd.DataFrame(rows, columns=COLUMNS).assign(city=range(len(rows)))
)
OPTIONS = st.fixed_dictionaries({"orientation": st.sampled_from(ORIENTATIONS), "returns": st.sampled_from(RETURNS)})


@settings(max_examples=12, deadline=None)
@given(TABLES, OPTIONS)
def test_any_table_agrees_with_the_linear_programs(df, options):
    assert scores(df, **CITY, **options) == pytest.approx(linear_programs(df, **ROLES, **options), abs=1e-7)


@settings(max_examples=8, deadline=None)
@given(TABLES, OPTIONS)
def test_scores_lie_between_zero_and_one_and_one_means_no_slack(df, options):
    result = sbm(df, **CITY, **options)
    frame = result.to_frame()
    relative = (frame.filter(like="slack_").to_numpy() / df[COLUMNS].to_numpy())[
        :, {"none": slice(None), "input": slice(2), "output": slice(2, None)}[options["orientation"]]
    ]
    assert frame["efficiency"].between(0, 1 + 1e-12).all() and (frame["efficiency"] > 0).all()
    assert (relative >= 0).all()
    loss, total = 1 - frame["efficiency"], relative.sum(axis=1)  # no term weighs more than 1 or less than a half
    assert (loss <= total + 1e-12).all() and (loss >= relative.max(axis=1) / 2 / (1 + total) - 1e-12).all()


@settings(max_examples=8, deadline=None)
@given(TABLES, OPTIONS)
def test_peers_make_up_the_targets(df, options):
    result = sbm(df, **CITY, **options)
    parts = df.set_index("city").loc[result.peers["peer_unit"], COLUMNS].mul(result.peers["weight"].to_numpy(), axis=0)
    made = parts.groupby(result.peers["unit"].to_numpy()).sum()
    assert made.to_numpy() == pytest.approx(result.targets[COLUMNS].to_numpy(), rel=1e-7, abs=1e-7)
    if options["returns"] == "vrs":
        assert result.peers.groupby("unit")["weight"].sum().to_numpy() == pytest.approx(np.ones(len(df)), abs=1e-9)


@settings(max_examples=8, deadline=None)
@given(TABLES, OPTIONS, st.tuples(*[st.floats(1e-5, 1e5)] * 4), st.randoms(use_true_random=False))
def test_units_of_measurement_and_order_of_rows_do_not_matter(df, options, factors, random):
    plain = scores(df, **CITY, **options)
    order = list(df.index)
    random.shuffle(order)
    other = df.assign(**{c: df[c] * f for c, f in zip(COLUMNS, factors, strict=True)}).loc[order]
    assert scores(other, **CITY, **options) == pytest.approx(plain[order], abs=1e-8)


def test_a_basis_whose_columns_depend_on_each_other_decides_nothing():
    """The last city has less labour than any other, if little, so that nothing stands above it."""
    rows = [(1.0, 1.0, 1.0, 1.0)] * 13 + [(1.0, 1.0, 1.0, 2.0)] + [(1.0, 1.0, 1.0, 1.0)] * 3
    rows += [(1, 1, 1, 12), (1, 1, 76, 1), (1, 1, 92, 1), (1, 3, 1, 1), (2, 8, 99, 1), (55, 1, 3, 9), (84, 1, 1, 1)]
    df = pd.DataFrame([*rows, (0.99999, 85, 1, 1)], columns=COLUMNS).assign(city=range(25))
    assert scores(df, **CITY, orientation="output", returns="vrs")[-1] == pytest.approx(1, abs=1e-7)


@settings(max_examples=8, deadline=None)
@given(TABLES, OPTIONS, st.tuples(*[QUANTITY] * 4))
def test_one_more_unit_raises_no_score(df, options, row):
    more = pd.concat([df, pd.DataFrame([row], columns=COLUMNS).assign(city=-1)], ignore_index=True)
    assert (scores(more, **CITY, **options)[:-1] <= scores(df, **CITY, **options) + 1e-8).all()


@settings(max_examples=8, deadline=None)
@given(TABLES)
def test_variable_returns_and_orientations_score_no_lower(df):
    score = {(o, r): scores(df, **CITY, orientation=o, returns=r) for o in ORIENTATIONS for r in RETURNS}
    for o in ORIENTATIONS:
        assert (score[o, "crs"] <= score[o, "vrs"] + 1e-8).all()
    for r in RETURNS:
        assert (score["none", r] <= np.minimum(score["input", r], score["output", r]) + 1e-8).all()


@settings(max_examples=8, deadline=None)
@given(TABLES)
def test_no_score_exceeds_the_radial_one(df):
    x, y = df[["labour", "capital"]].to_numpy(), df["gdp"].to_numpy()
    bounds = [(0, None)] * (len(df) + 1)
    radial = [
        linprog(
            np.r_[1.0, np.zeros(len(df))],
            np.vstack([np.column_stack([-x[o], x.T]), np.r_[0.0, -y]]),
            np.r_[0.0, 0.0, -y[o]],
            bounds=bounds,
            options=TIGHT,
        ).fun
        for o in range(len(df))
    ]
    assert (scores(df, unit="city", inputs=["labour", "capital"], good="gdp") <= np.array(radial) + 1e-7).all()


def test_targets_are_efficient():
    df = cross_section()
    target = sbm(df, **CITY).targets.rename(columns={"unit": "city"})
    target["city"] = "target " + target["city"]
    assert scores(pd.concat([df, target], ignore_index=True), **CITY)[len(df) :] == pytest.approx(1.0, abs=1e-9)


def test_a_bad_output_in_proportion_to_gdp_leaves_input_oriented_scores():
    df = cross_section().assign(so2=lambda d: d["gdp"])
    without = sbm(df, unit="city", inputs=ROLES["inputs"], good="gdp", orientation="input")
    with_bad = sbm(df, **CITY, orientation="input")
    assert with_bad.to_frame()["efficiency"].tolist() == pytest.approx(
        without.to_frame()["efficiency"].tolist(), abs=1e-9
    )


@pytest.mark.parametrize("returns", RETURNS)
@pytest.mark.parametrize("bad", ["so2", ()])
def test_super_efficiency_equals_a_linear_program_without_the_unit(returns, bad):
    df = cross_section(n=24, seed=3)
    roles = {**ROLES, "bad": bad}
    plain = scores(df, unit="city", **roles, returns=returns)
    result = sbm(df, unit="city", **roles, returns=returns, super_efficiency=True)
    found = result.to_frame()["efficiency"].to_numpy()
    best = plain > 1 - 1e-9
    assert best.sum() >= 2
    wanted = [
        linear_program(df, row, df.index.delete(row), **roles, returns=returns, beyond=True)
        for row in np.flatnonzero(best)
    ]
    assert found[best] == pytest.approx(np.array(wanted), abs=1e-9)
    assert found[~best] == pytest.approx(plain[~best], abs=1e-12)
    assert len(set(found[best].round(9))) == best.sum() and (found[best] > 1).all()
    assert (result.scores.loc[best].filter(like="slack_") <= 0).all(axis=None)
    assert result.notes == (f"{best.sum()} efficient rows scored against the others",)


@pytest.mark.parametrize(("orientation", "bad"), [("input", ()), ("output", "so2")])
def test_oriented_super_efficiency_lets_only_the_scored_measures_get_worse(orientation, bad):
    df = cross_section(n=24, seed=3)
    roles = {**ROLES, "bad": bad, "orientation": orientation}
    plain = scores(df, unit="city", **roles)
    found = sbm(df, unit="city", **roles, super_efficiency=True).scores
    best = np.flatnonzero(plain > 1 - 1e-9)
    wanted = [linear_program(df, row, df.index.delete(row), **roles, beyond=True) for row in best]
    assert found["efficiency"].to_numpy()[best] == pytest.approx(np.array(wanted), abs=1e-9)
    fixed = ["gdp"] if orientation == "input" else ["labour", "capital"]
    assert (found.loc[best, [f"slack_{c}" for c in fixed]] == 0).all(axis=None)


def test_an_input_oriented_reserve_may_not_exist_where_no_mixture_is_as_clean():
    df = cross_section()
    df.loc[4, "so2"] = df["so2"].min() / 1e3
    with pytest.raises(InfeasibleError, match=r"no optimum \(1 row: c4\).*orientation='none' or 'output'"):
        sbm(df, **CITY, orientation="input", super_efficiency=True)


def test_super_efficiency_with_a_bad_output_is_capped_by_doing_nothing():
    df = cross_section()
    df.loc[0, COLUMNS] = [1e-3, 1e-3, 1e6, 1e-3]
    assert scores(df, **CITY, super_efficiency=True)[0] == pytest.approx(2.0, abs=1e-9)


def test_super_efficiency_of_a_panel_compares_with_all_other_rows():
    df = panel(n=13)
    found = scores(df, **PANEL, super_efficiency=True)
    best = np.flatnonzero(found > 1 + 1e-9)
    wanted = [linear_program(df, row, df.index.delete(row), **ROLES, beyond=True) for row in best]
    assert found[best] == pytest.approx(np.array(wanted), abs=1e-9)


def test_zero_bad_outputs_leave_term_and_count_out():
    df = cross_section()
    df.loc[[2, 5], "so2"] = 0.0
    wanted = [
        linear_program(df, row, df.index, **ROLES) if so2 else zero_term_program(df, row)
        for row, so2 in enumerate(df["so2"])
    ]
    result = sbm(df, **CITY, zero_bad="drop_term")
    assert result.to_frame()["efficiency"].tolist() == pytest.approx(wanted, abs=1e-9)
    assert result.notes == ("2 terms of bad outputs that are zero are left out of the denominator",)


def zero_term_program(df, row):
    """A unit without bad output can have only peers without, and is scored on the rest."""
    clean = df.index[df["so2"] == 0]
    return linear_program(df, row, clean, inputs=ROLES["inputs"], good="gdp")


def test_global_index_is_efficiency_change_times_best_practice_change_and_chains():
    df = panel()
    frame = gml_index(df.sample(frac=1, random_state=0), **PANEL).to_frame()
    assert frame.columns.tolist() == ["unit", "time", "gml", "efficiency_change", "best_practice_change", "cumulative"]
    later = frame[frame["time"] > 2008]
    parts = later["efficiency_change"] * later["best_practice_change"]
    assert later["gml"].tolist() == pytest.approx(parts.tolist(), rel=1e-12)
    assert (frame.loc[frame["time"] == 2008, "cumulative"] == 1).all()
    assert frame.loc[frame["time"] == 2008, "gml"].isna().all()
    pooled = df.assign(level=scores(df, **PANEL)).set_index(["city", "year"])["level"]
    two_years = pooled.xs(2010, level="year") / pooled.xs(2008, level="year")
    chained = later[later["time"] <= 2010].groupby("unit")["gml"].prod()
    assert chained[two_years.index].tolist() == pytest.approx(two_years.tolist(), rel=1e-12)
    own = df.assign(level=scores(df, **PANEL, frontier="contemporaneous")).set_index(["city", "year"])["level"]
    change = (own.xs(2009, level="year") / own.xs(2008, level="year"))[later["unit"].unique()]
    assert later.loc[later["time"] == 2009, "efficiency_change"].tolist() == pytest.approx(change.tolist(), rel=1e-12)


def test_unchanged_units_and_a_common_gain_show_in_the_parts_they_belong_to():
    df = panel(years=1)
    twice = pd.concat([df, df.assign(year=2009, gdp=df["gdp"] * 1.1, so2=df["so2"] * 1.1)], ignore_index=True)
    frame = gml_index(twice, **PANEL).to_frame().dropna()
    assert frame["efficiency_change"].to_numpy() == pytest.approx(np.ones(len(df)), abs=1e-9)
    assert (frame["best_practice_change"] > 1).all()


def test_tables_are_left_as_they_are_and_rows_keep_their_order():
    df = panel().sample(frac=1, random_state=0)
    before = df.copy()
    result = sbm(df, **PANEL)
    pd.testing.assert_frame_equal(df, before)
    assert result.to_frame()[["unit", "time"]].to_numpy().tolist() == df[["city", "year"]].to_numpy().tolist()
    assert result.peers.columns.tolist() == ["unit", "time", "peer_unit", "peer_time", "weight"]
    assert result.targets.columns.tolist() == ["unit", "time", *COLUMNS]
    assert (result.sample.rows_in, result.sample.rows_used) == (len(df), len(df))


def test_an_unbalanced_panel_is_scored():
    df = panel().drop(index=[3, 40])
    assert len(sbm(df, **PANEL).to_frame()) == len(df)


def test_identical_units_have_identical_scores():
    df = pd.concat([cross_section(), cross_section().assign(city="twin")]).reset_index(drop=True)
    df["city"] = df["city"] + df.index.astype(str)
    found = scores(df, **CITY)
    assert found[: len(df) // 2] == pytest.approx(found[len(df) // 2 :], abs=1e-12)


def test_scores_that_are_not_the_ratio_of_their_slacks_are_refused():
    result = sbm(cross_section(), **CITY)
    with pytest.raises(RegionError, match="not the ratio of its slacks"):
        replace(result, scores=result.scores.assign(efficiency=result.scores["efficiency"] + 1e-3))


def test_an_index_that_is_not_the_product_of_its_parts_is_refused():
    result = gml_index(panel(), **PANEL)
    with pytest.raises(RegionError, match="product of its parts"):
        replace(result, indices=result.indices.assign(gml=result.indices["gml"] * 1.01))


def test_a_basis_that_is_not_optimal_is_refused():
    df = cross_section()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Frontier, "_optimal_basis", lambda *_: np.arange(4))  # all slacks: no peer
        patch.setattr(frontier, "PIVOTS", 0)
        with pytest.raises(ConvergenceError, match="no basis that is optimal .*: c0"):
            sbm(df, **CITY)


def test_the_library_finds_the_optimum_where_the_solver_gives_up():
    df = cross_section()
    expected = scores(df, **CITY, returns="vrs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Frontier, "_optimal_basis", lambda *_: np.empty(0, dtype=int))
        assert scores(df, **CITY, returns="vrs") == pytest.approx(expected, abs=1e-12)


def test_few_units_for_the_measures_warn():
    with pytest.warns(UserWarning, match="11 rows on a frontier of 4 measures"):
        sbm(cross_section(n=11), **CITY)
    with pytest.warns(UserWarning, match="11 rows on a frontier of 4 measures"):
        gml_index(panel(n=11), **PANEL)


@pytest.mark.parametrize("value", [0.0, -1.0])
@pytest.mark.parametrize("column", ["labour", "gdp"])
def test_inputs_and_good_outputs_must_be_positive(column, value):
    df = panel()
    df.loc[7, column] = value
    with pytest.raises(
        DomainError, match=rf"column '{column}': inputs and outputs must be positive \(1 row: c7 2008\)"
    ):
        sbm(df, **PANEL)


def test_a_bad_output_of_zero_is_refused_with_the_option_named():
    df = panel()
    df.loc[7, "so2"] = 0.0
    with pytest.raises(DomainError, match=r"'so2'.*c7 2008.*zero_bad='drop_term'"):
        sbm(df, **PANEL)
    df.loc[7, "so2"] = -1.0
    with pytest.raises(DomainError, match=r"may not be negative \(1 row: c7 2008\)"):
        sbm(df, **PANEL, zero_bad="drop_term")


def test_missing_values_are_refused():
    df = panel()
    df.loc[7, "so2"] = np.nan
    with pytest.raises(MissingValueError, match=r"'so2'.*c7 2008"):
        sbm(df, **PANEL)


@pytest.mark.parametrize(
    ("error", "message", "options"),
    [
        (KeyColumnError, "'gas' is not in the table", {"bad": "gas"}),
        (KeyColumnError, "named twice: gdp", {"bad": "gdp"}),
        (DomainError, "needs an input and a good output", {"inputs": []}),
        (DomainError, "orientation='both' is not known", {"orientation": "both"}),
        (DomainError, "returns='drs' is not known", {"returns": "drs"}),
        (DomainError, "frontier='pooled' is not known", {"frontier": "pooled"}),
        (DomainError, "zero_bad='drop' is not known", {"zero_bad": "drop"}),
        (DomainError, "window=0 holds no period", {"frontier": "window", "window": 0}),
    ],
)
def test_options_that_make_no_sense_are_refused(error, message, options):
    with pytest.raises(error, match=message):
        sbm(panel(), **PANEL | options)


def test_frontiers_over_time_need_a_time():
    with pytest.raises(DomainError, match="frontier='sequential' needs periods"):
        sbm(cross_section(), **CITY, frontier="sequential")


def test_duplicate_keys_and_empty_tables_are_refused():
    with pytest.raises(KeyColumnError, match="must identify each row"):
        sbm(panel(), **CITY)
    with pytest.raises(GroupSizeError, match="no row"):
        sbm(panel().iloc[:0], **PANEL)


def test_a_program_without_an_optimum_names_unit_and_time():
    df = panel(n=12, years=2)
    df.loc[5, "gdp"] = 10 * df["gdp"].max()  # no mixture of the others produces as much
    with pytest.raises(InfeasibleError, match=r"no optimum \(1 row: c5 2008\).*returns='crs'"):
        sbm(df, **PANEL, returns="vrs", orientation="input", super_efficiency=True)


@pytest.mark.filterwarnings("ignore:1 rows on a frontier:UserWarning")
def test_super_efficiency_needs_another_row():
    with pytest.raises(GroupSizeError, match="another row"):
        sbm(panel(n=1, years=1), **PANEL, super_efficiency=True)


def test_the_index_needs_every_cell():
    with pytest.raises(UnbalancedPanelError, match="c3 2008"):
        gml_index(panel().drop(index=3), **PANEL)


@pytest.fixture(scope="module")
def greenhouse_gases():
    """Hours worked, capital, value added and greenhouse gases of 28 OECD countries, 2010-2015."""
    package = importlib.util.find_spec("pystoned")
    if package is None or package.origin is None:
        pytest.skip("pystoned, whose data these are, is not installed")
    table = pd.read_csv(Path(package.origin).parent / "data" / "abatementCost.csv")
    table.columns = table.columns.str.strip()
    return table


OECD = {"inputs": ["HRSN", "CPNK"], "good": "VALK", "bad": "GHG"}


@pytest.mark.parametrize("returns", RETURNS)
def test_greenhouse_gases_of_the_oecd_agree_with_the_linear_programs(greenhouse_gases, returns):
    df = greenhouse_gases
    assert df.shape == (168, 6)
    found = scores(df, unit="Country", time="Year", **OECD, returns=returns, frontier="contemporaneous")
    wanted = [
        linear_program(df, row, df.index[df["Year"] == year], **OECD, returns=returns)
        for row, year in enumerate(df["Year"])
    ]
    assert found == pytest.approx(np.array(wanted), abs=1e-9)


# mean, number of efficient rows and Germany in 2010, from scipy's programs and (2010, own year) from deapack 2.0.1
OECD_SCORES = [
    ("contemporaneous", "crs", 0.601289, 34, 0.549356),
    ("contemporaneous", "vrs", 0.720257, 64, 0.914165),
    ("global", "crs", 0.573604, 9, 0.545036),
    ("global", "vrs", 0.689949, 22, 0.823651),
]


@pytest.mark.parametrize(("frontier", "returns", "mean", "efficient", "germany"), OECD_SCORES)
def test_greenhouse_gas_efficiency_of_the_oecd(greenhouse_gases, frontier, returns, mean, efficient, germany):
    result = sbm(greenhouse_gases, unit="Country", time="Year", **OECD, returns=returns, frontier=frontier)
    frame = result.to_frame()
    assert frame["efficiency"].mean() == pytest.approx(mean, abs=1e-6)
    assert (frame["efficiency"] > 1 - 1e-9).sum() == efficient
    assert frame.query("unit == 'DEU' and time == 2010")["efficiency"].item() == pytest.approx(germany, abs=1e-6)


def test_greenhouse_gas_index_chains(greenhouse_gases):
    frame = gml_index(greenhouse_gases, unit="Country", time="Year", **OECD).to_frame()
    last = frame[frame["time"] == 2015].set_index("unit")["cumulative"]
    chained = frame.groupby("unit")["gml"].prod()
    assert last.tolist() == pytest.approx(chained.tolist(), rel=1e-10)


@pytest.mark.parametrize("returns", RETURNS)
def test_near_ties_below_the_solvers_tolerance_are_pivoted_away(returns):
    """HiGHS ends at a level of -3e-9, which it counts as zero and the certificate does not."""
    rows = [(1.0, 1.0, 1.0, 1.0)] * 10
    rows += [(1.0, 19.0, 2.0, 1.0), (1.0, 2.00001, 1.0, 0.5), (1.0, 2.0, 51.0, 62.25), (1.0, 2.0, 1.0, 62.0)]
    df = pd.DataFrame(rows, columns=COLUMNS).assign(city=range(14))
    found = scores(df, **CITY, orientation="output", returns=returns)
    expected = linear_program(df, 13, df.index, **ROLES, orientation="output", returns=returns)
    assert found[13] == pytest.approx(expected, abs=1e-9)


def test_a_measure_may_not_have_the_name_of_a_key_of_the_result():
    with pytest.raises(KeyColumnError, match="a measure is called 'time', as a key of the result"):
        sbm(cross_section().rename(columns={"labour": "time"}), unit="city", inputs=["time"], good="gdp")
