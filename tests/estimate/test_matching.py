"""Matching against the brute-force matcher, the two-by-two table, and difference-in-differences on matched rows."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoControlsError,
    RankError,
    SeparationError,
    TreatmentPathError,
)
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.matching import did_2x2, match, propensity, psm_did

TIE = 1e-12
ON = {"treat": "treated", "score": "p"}
MODEL = {"treat": "treated", "covariates": ["size", "income"]}
PANEL = {"unit": "city", "time": "year", "outcome": "y"}


def selected(n: int = 240, seed: int = 1) -> pd.DataFrame:
    """Cities whose treatment depends on size and income; the outcome adds two for the treated."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame({"city": range(n), "size": rng.normal(5, 2, n), "income": rng.lognormal(1, 0.5, n)})
    index = -4 + 0.4 * df["size"] + 0.3 * df["income"]
    df["treated"] = (rng.random(n) < 1 / (1 + np.exp(-index))).astype(int)
    df["y"] = df["size"] - 0.5 * df["income"] + 2 * df["treated"] + rng.normal(0, 0.3, n)
    return df.sample(frac=1, random_state=3)


def city_panel(seed: int = 1, n: int = 60, effect: float = -0.3) -> pd.DataFrame:
    """Cities over eight years, twelve of which adopt in three cohorts; large cities adopt and have other trends."""
    rng = np.random.default_rng(seed)
    df = pd.DataFrame(itertools.product(range(n), range(2003, 2011)), columns=["city", "year"])
    level = np.r_[rng.normal(0.5, 1, 12), rng.normal(0, 1, n - 12)]
    df["size"] = level[df["city"]] + rng.normal(0, 0.2, len(df))
    df["income"] = rng.normal(0, 1, n)[df["city"]] + rng.normal(0, 0.3, len(df))
    df["start"] = df["city"].map(dict(enumerate([2006] * 6 + [2007] * 4 + [2009] * 2)))
    df["treated"] = df["start"].notna().astype(int)
    drift = 0.1 * level[df["city"]] * (df["year"] - 2003)
    df["y"] = level[df["city"]] + drift + effect * (df["year"] >= df["start"]) + rng.normal(0, 0.1, len(df))
    return df.sample(frac=1, random_state=seed).reset_index(drop=True)


# ---------------------------------------------------------------------------------------------------------------------
# the propensity score


@pytest.mark.parametrize(("link", "model"), [("logit", sm.Logit), ("probit", sm.Probit)])
def test_score_is_the_maximum_likelihood_fit(link, model):
    df = selected()
    result = propensity(df, **MODEL, link=link)
    peer = model(df["treated"], sm.add_constant(df[["size", "income"]], prepend=False)).fit(disp=0, tol=1e-12)
    frame = result.to_frame().set_index("term")
    assert frame["estimate"].to_numpy() == pytest.approx(peer.params.to_numpy(), abs=1e-9)
    assert result.score.to_numpy() == pytest.approx(peer.predict().astype(float), abs=1e-10)
    assert result.pseudo_r2 == pytest.approx(peer.prsquared, abs=1e-10)
    share = df["treated"].mean()
    null = len(df) * (share * np.log(share) + (1 - share) * np.log(1 - share))  # the peer fits it with 1e-8 to spare
    assert result.lr == pytest.approx(2 * (peer.llf - null), abs=1e-10)
    assert result.lr_p_value == pytest.approx(stats.chi2.sf(result.lr, 2))
    # the probit's errors there are from the observed information
    assert frame["std_error"].to_numpy() == pytest.approx(peer.bse.to_numpy(), rel=1e-8 if link == "logit" else 0.1)
    assert result.score.index.equals(df.index)
    assert (result.n_treated, result.n_controls) == (df["treated"].sum(), (1 - df["treated"]).sum())


def test_score_on_a_dummy_is_the_share_of_treated():
    df = pd.DataFrame({"treated": [1, 0, 0, 0, 1, 1, 0], "coast": [0, 0, 0, 0, 1, 1, 1]})
    for link in ("logit", "probit"):
        score = propensity(df, treat="treated", covariates=["coast"], link=link).score
        assert score.to_numpy() == pytest.approx(np.where(df["coast"] == 1, 2 / 3, 1 / 4), abs=1e-12)


@settings(max_examples=15)
@given(st.floats(-5, 5), st.floats(0.001, 1000), st.floats(-1e4, 1e4))
def test_affine_rescaling_of_covariates_leaves_the_score(mix, scale, shift):
    df = selected(120)
    moved = df.assign(size=scale * df["size"] + shift, income=df["income"] + mix * df["size"])
    score = propensity(df, **MODEL).score
    assert propensity(moved, **MODEL).score.to_numpy() == pytest.approx(score.to_numpy(), abs=1e-8)


def test_rows_with_missing_covariates_are_refused_or_listed():
    df = selected()
    df.loc[df["city"].isin([3, 7]), "income"] = np.nan
    with pytest.raises(MissingValueError, match="'income'.*2 rows: .*Remedy"):
        propensity(df, **MODEL, keys=["city"])
    result = propensity(df, **MODEL, keys=["city"], missing="drop")
    assert result.sample.rows_used == len(result.score) == len(df) - 2
    assert set(result.sample.dropped[0][1]) == {3, 7}


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_perfect_prediction_names_the_covariates_it_needs(link):
    df = selected()
    chief = {"treat": "treated", "link": link}
    one = df.assign(status=df["treated"] * 2 + np.linspace(0, 0.5, len(df)))
    with pytest.raises(SeparationError, match="^column 'status': status predicts treatment perfectly"):
        propensity(one, covariates=["size", "status", "income"], **chief)
    rng = np.random.default_rng(2)
    part = rng.normal(0, 5, len(df))
    two = df.assign(part=part, rest=2 * df["treated"] + rng.random(len(df)) - part)
    with pytest.raises(SeparationError, match="part and rest predict treatment perfectly"):
        propensity(two, covariates=["part", "size", "rest"], **chief)
    # a dummy that holds among treated rows alone: quasi-separation
    port = np.zeros(len(df))
    port[np.flatnonzero(df["treated"])[:5]] = 1
    with pytest.raises(SeparationError, match="column 'port'.*leave a covariate out"):
        propensity(df.assign(port=port), covariates=["size", "port"], **chief)


def test_separation_at_a_tie_is_found_and_an_overlap_of_one_row_is_none():
    x = np.arange(20.0)
    df = pd.DataFrame({"treated": (x >= 10).astype(int), "size": np.where(x == 10, 9, x)})
    with pytest.raises(SeparationError, match="size predicts"):
        propensity(df, treat="treated", covariates=["size"])
    overlapping = df.assign(size=np.where(x == 10, 8.5, x))
    assert propensity(overlapping, treat="treated", covariates=["size"]).score.between(0, 1).all()


def test_propensity_refuses_what_it_cannot_fit():
    df = selected()
    with pytest.raises(NoControlsError, match="all rows are treated"):
        propensity(df.assign(treated=1), **MODEL)
    with pytest.raises(NoControlsError, match="no rows are treated"):
        propensity(df.assign(treated=0), **MODEL)
    with pytest.raises(DomainError, match="'treated': must be 0 or 1"):
        propensity(df.assign(treated=2 * df["treated"]), **MODEL)
    with pytest.raises(RankError, match="'size': size is the same in all rows"):
        propensity(df.assign(size=3.7), **MODEL)
    with pytest.raises(RankError, match="double is a combination of the covariates before it"):
        propensity(
            df.assign(double=2 * df["size"] - df["income"]), treat="treated", covariates=["size", "income", "double"]
        )
    with pytest.raises(GroupSizeError, match="3 rows cannot carry 2 covariates"):
        propensity(df.sort_values("treated").iloc[[0, 1, -1]], **MODEL)
    with pytest.raises(KeyColumnError, match="must identify each row"):
        propensity(df.assign(city=1), **MODEL, keys=["city"])
    with pytest.raises(KeyColumnError, match="'ports'"):
        propensity(df, treat="treated", covariates=["ports"])
    with pytest.raises(DomainError, match="link='cauchit'"):
        propensity(df, **MODEL, link="cauchit")
    with pytest.raises(DomainError, match="no covariate"):
        propensity(df, treat="treated", covariates=[])


# ---------------------------------------------------------------------------------------------------------------------
# matching: the definition


def brute_shares(p: np.ndarray, treated: np.ndarray, on: np.ndarray, **options) -> np.ndarray:
    """Share of each control in the match of each treated row, (treated rows, rows), all pairs looked at."""
    shares = np.zeros((len(p), len(p)))
    controls = np.flatnonzero(~treated & on)
    method, k, caliper = options["method"], options.get("k", 1), options.get("caliper", np.inf)
    free = set(controls)
    rounds = range(k) if not options.get("replace", True) else range(1)
    for _ in rounds:
        for i in sorted(np.flatnonzero(treated & on), key=lambda i: (-p[i], i)):
            distance = np.abs(p[controls] - p[i])
            if method == "kernel":
                u2 = (distance / options["bandwidth"]) ** 2
                gaussian = options["kernel"] == "gaussian"
                mass = np.exp((u2.min() - u2) / 2) if gaussian else np.clip(1 - u2, 0, None)
                if mass.sum() > 1e-6:
                    shares[i, controls] = mass / mass.sum()
                continue
            if method == "radius":
                chosen = controls[distance <= caliper + TIE]
            elif not options.get("replace", True):
                left = sorted(free, key=lambda j: (abs(p[j] - p[i]), j))
                chosen = [j for j in left[:1] if abs(p[j] - p[i]) <= caliper]
                free -= set(chosen)
            elif options.get("ties", "average") == "first":
                order = sorted(range(len(controls)), key=lambda j: (round(distance[j] / TIE), controls[j]))[:k]
                chosen = controls[[j for j in order if distance[j] <= caliper + TIE]]
            else:
                reach = min(np.sort(distance)[min(k, len(controls)) - 1], caliper)
                chosen = controls[distance <= reach + TIE]
            shares[i, chosen] = 1
    if method != "kernel":
        shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1)
    return shares


def brute_support(p: np.ndarray, treated: np.ndarray) -> np.ndarray:
    other = np.where(treated, 0, 1)
    bounds = {g: (p[treated == g].min(), p[treated == g].max()) for g in (0, 1)}
    return np.array([bounds[g][0] <= value <= bounds[g][1] for value, g in zip(p, other, strict=True)])


METHODS = {
    "nearest": {"method": "nearest"},
    "nearest k=3": {"method": "nearest", "k": 3},
    "nearest k=2, caliper": {"method": "nearest", "k": 2, "caliper": 0.08},
    "nearest k=2, first": {"method": "nearest", "k": 2, "ties": "first"},
    "nearest, first, caliper": {"method": "nearest", "ties": "first", "caliper": 0.08},
    "without replacement": {"method": "nearest", "replace": False},
    "without replacement k=2, caliper": {"method": "nearest", "replace": False, "k": 2, "caliper": 0.11},
    "radius": {"method": "radius", "caliper": 0.11},
    "epanechnikov": {"method": "kernel", "kernel": "epanechnikov", "bandwidth": 0.0617},
    "narrow epanechnikov": {"method": "kernel", "kernel": "epanechnikov", "bandwidth": 0.0071},
    "gaussian": {"method": "kernel", "kernel": "gaussian", "bandwidth": 0.0617},
}
on_a_grid = st.integers(0, 32).map(lambda i: i / 32)  # ties are exact
anywhere = st.floats(0.001, 0.999)
rows_to_match = st.one_of(
    *(st.lists(st.tuples(scores, st.booleans()), min_size=2, max_size=60) for scores in (on_a_grid, anywhere))
).filter(lambda rows: len({t for _, t in rows}) == 2)


@pytest.mark.parametrize("name", METHODS)
@settings(max_examples=20)
@given(rows=rows_to_match, support=st.sampled_from(["minmax", "none"]))
def test_matching_equals_the_brute_force_matcher(name, rows, support):
    options = METHODS[name]
    df = pd.DataFrame(rows, columns=["p", "treated"])
    p, treated = df["p"].to_numpy(), df["treated"].to_numpy(dtype=bool)
    # scores that differ by less than a distance can show are a tie for the definition, and none for the matcher
    assume(np.diff(np.unique(p)).min(initial=1) > 1e-12)
    on = brute_support(p, treated) if support == "minmax" else np.ones(len(p), dtype=bool)
    if not (on & treated).any() or not (on & ~treated).any():
        with pytest.raises(NoControlsError, match="no common support"):
            match(df, **ON, support=support, **options)
        return
    shares = brute_shares(p, treated, on, **options)
    matched = shares.sum(axis=1) > 0
    if not matched.any():
        with pytest.raises(NoControlsError, match="no treated row has a control in reach"):
            match(df, **ON, support=support, **options)
        return
    result = match(df, **ON, support=support, **options)
    np.testing.assert_allclose(result.weights, np.where(treated, matched, shares.sum(axis=0)), rtol=0, atol=1e-9)
    assert (result.off_support == ~on).all()
    if options["method"] != "kernel":
        pairs = result.pairs
        found = np.zeros_like(shares)
        np.add.at(found, (pairs["treated_row"], pairs["control_row"]), pairs["weight"])
        np.testing.assert_allclose(found, shares, rtol=0, atol=1e-12)
        assert pairs["distance"].to_numpy() == pytest.approx(
            np.abs(p[pairs["treated_row"]] - p[pairs["control_row"]]), abs=0
        )


@pytest.mark.parametrize("name", METHODS)
def test_matching_three_hundred_rows_equals_the_brute_force_matcher(name):
    df = selected(300)
    df["p"] = propensity(df, **MODEL).score
    p, treated = df["p"].to_numpy(), df["treated"].to_numpy(dtype=bool)
    shares = brute_shares(p, treated, brute_support(p, treated), **METHODS[name])
    result = match(df, **ON, **METHODS[name])
    expected = np.where(treated, shares.sum(axis=1) > 0, shares.sum(axis=0))
    np.testing.assert_allclose(result.weights, expected, rtol=0, atol=1e-11)


def test_a_narrow_bandwidth_far_from_the_origin_loses_no_digits():
    rng = np.random.default_rng(4)
    df = pd.DataFrame({"p": 1000 + rng.random(400), "treated": rng.random(400) < 0.3})
    options = {"method": "kernel", "kernel": "epanechnikov", "bandwidth": 0.003}
    p, treated = df["p"].to_numpy(), df["treated"].to_numpy()
    shares = brute_shares(p, treated, brute_support(p, treated), **options)
    np.testing.assert_allclose(match(df, **ON, **options).weights[~treated], shares.sum(axis=0)[~treated], atol=1e-9)


# ---------------------------------------------------------------------------------------------------------------------
# matching: properties


@pytest.mark.parametrize("name", METHODS)
def test_every_row_is_accounted_for(name):
    df = selected()
    df["p"] = propensity(df, **MODEL).score
    before = df.copy()
    result = match(df, **ON, **METHODS[name], keys=["city"])
    weights, treated = result.weights, df["treated"] == 1
    assert weights[~treated].sum() == pytest.approx(weights[treated].sum(), abs=1e-9)
    assert set(weights[treated]) <= {0.0, 1.0}
    listed = [city for _, cities in result.sample.dropped for city in cities]
    assert sorted(listed) == sorted(df.loc[weights == 0, "city"])
    assert result.sample.rows_used == (weights > 0).sum() and result.sample.rows_in == len(df)
    sizes = result.to_frame().set_index("group")
    assert sizes.loc["treated", "matched"] == weights[treated].sum()
    assert sizes.loc["control", "rows"] == (~treated).sum()
    pd.testing.assert_frame_equal(df, before)
    if METHODS[name].get("replace") is False:
        assert result.pairs["control_row"].is_unique


@pytest.mark.parametrize("name", ["nearest", "radius", "epanechnikov", "gaussian"])
def test_duplicating_all_rows_leaves_the_effect(name):
    df = selected()
    df["p"] = propensity(df, **MODEL).score
    twice = pd.concat([df, df], ignore_index=True)
    assert propensity(twice, **MODEL).score[: len(df)].to_numpy() == pytest.approx(df["p"].to_numpy(), abs=1e-9)
    once, double = (match(d, **ON, **METHODS[name]).att("y").estimate for d in (df, twice))
    assert double == pytest.approx(once, abs=1e-9)


@pytest.mark.parametrize("kernel", ["epanechnikov", "gaussian"])
def test_a_huge_bandwidth_compares_plain_means(kernel):
    df = selected()
    df["p"] = propensity(df, **MODEL).score
    result = match(df, **ON, method="kernel", kernel=kernel, bandwidth=1e6, support="none")
    mean = df.groupby("treated")["y"].mean()
    assert result.att("y").estimate == pytest.approx(mean[1] - mean[0], abs=1e-9)


@pytest.mark.parametrize("options", [{}, {"replace": False}, {"ties": "first"}, {"method": "radius", "caliper": 1e-9}])
def test_twins_give_the_exact_effect_and_perfect_balance(options):
    df = selected().query("treated == 1")
    twins = pd.concat([df, df.assign(treated=0, y=df["y"] - 1.7)], ignore_index=True)
    twins["p"] = twins["size"] + twins["income"] / 7
    result = match(twins, **ON, **options)
    assert result.att("y").estimate == pytest.approx(1.7, abs=1e-12)
    assert (result.weights == 1).all()
    matched = result.balance(["size", "income"]).query("sample == 'matched'")
    assert matched["bias"].abs().max() < 1e-9 and (matched["variance_ratio"] - 1).abs().max() < 1e-12
    summary = result.balance_summary(["size", "income"]).set_index("sample").loc["matched"]
    assert summary[["pseudo_r2", "lr", "mean_bias"]].abs().max() < 1e-9


def test_matching_removes_selection_on_covariates():
    df = selected(2000, seed=5)
    score = propensity(df, **MODEL).score
    naive = df.groupby("treated")["y"].mean().diff().iloc[-1]
    assert abs(naive - 2) > 0.4
    for options in ({"k": 4}, {"method": "kernel", "bandwidth": 0.02}, {"method": "radius", "caliper": 0.02}):
        assert match(df, treat="treated", score=score, **options).att("y").estimate == pytest.approx(2, abs=0.25)


def test_ties_are_averaged_or_broken_by_the_order_of_rows():
    df = pd.DataFrame({"treated": [1, 0, 0, 0, 0], "p": [0.5, 0.7, 0.3, 0.7, 0.3], "y": [10.0, 1, 2, 3, 4]})
    average = match(df, **ON, support="none")
    assert average.weights.tolist() == [1, 0.25, 0.25, 0.25, 0.25]
    first = match(df, **ON, support="none", ties="first", k=2)
    assert first.pairs["control_row"].tolist() == [1, 2]
    # equal but for rounding
    near = df.assign(p=[0.1 + 0.2, 0.4, 0.2, 0.3 + 1e-1, 0.5])
    assert match(near, **ON, support="none").weights.tolist() == [1, *[pytest.approx(1 / 3)] * 3, 0]


def test_a_caliper_counts_itself_in_and_leaves_out_what_is_beyond():
    df = pd.DataFrame({"treated": [1, 1, 0], "p": [0.3, 0.9, 0.4]})
    for options in ({}, {"method": "radius"}, {"ties": "first"}, {"replace": False}):
        result = match(df, **ON, support="none", caliper=0.1, **options)
        assert result.weights.tolist() == [1, 0, 1]
        assert result.status.tolist() == ["matched", "no control in reach", "matched"]
        assert result.sample.dropped == (("treated: no control in reach", (1,)),)


def test_common_support_leaves_out_either_group():
    df = pd.DataFrame({"treated": [1, 1, 1, 0, 0, 0], "p": [0.3, 0.5, 0.9, 0.1, 0.4, 0.6]})
    result = match(df, **ON)
    assert result.off_support.tolist() == [False, False, True, True, False, False]
    assert result.sample.dropped[0] == ("treated: off support", (2,))
    with pytest.raises(NoControlsError, match=r"scores of the treated lie in \[0.6, 0.8\], of the controls in \[0.1"):
        match(pd.DataFrame({"treated": [1, 1, 0, 0], "p": [0.6, 0.8, 0.1, 0.3]}), **ON)


def test_standard_error_of_abadie_and_imbens_by_definition():
    df = selected(150)
    df["p"] = propensity(df, **MODEL).score
    p, y, treated = (df[c].to_numpy() for c in ("p", "y", "treated"))
    treated = treated == 1
    for options in ({"k": 3}, {"method": "radius", "caliper": 0.05}, {"replace": False}):
        result = match(df, **ON, **options)
        on = ~result.off_support.to_numpy()
        shares = brute_shares(p, treated, on, **{"method": "nearest", **options})
        rows = shares.sum(axis=1) > 0
        gaps = y[rows] - shares[rows] @ y
        variance = ((gaps - gaps.mean()) ** 2).sum()
        controls = np.flatnonzero(~treated & on)
        for j in controls:
            other = controls[controls != j]
            twin = other[np.argmin(np.abs(p[other] - p[j]))]
            k_j = shares[:, j]
            variance += (k_j.sum() ** 2 - (k_j**2).sum()) * (y[j] - y[twin]) ** 2 / 2
        effect = result.att("y")
        assert effect.estimate == pytest.approx(gaps.mean(), abs=1e-12)
        assert effect.std_error == pytest.approx(np.sqrt(variance) / rows.sum(), rel=1e-9)
        assert effect.p_value == pytest.approx(2 * stats.norm.sf(abs(effect.estimate / effect.std_error)))
    paired = stats.sem(gaps, ddof=0)  # without replacement, one to one
    assert effect.std_error == pytest.approx(paired, rel=1e-12)
    kernel = match(df, **ON, method="kernel").att("y")
    assert np.isnan(kernel.std_error) and "kernel" in kernel.notes[0]


def test_balance_table_by_its_definitions():
    df = selected()
    score = propensity(df, **MODEL).score
    result = match(df, treat="treated", score=score, replace=False)
    table = result.balance(["size", "income"]).set_index(["covariate", "sample"])
    treated, used = df["treated"] == 1, result.weights > 0
    x1, x0 = df.loc[treated, "size"], df.loc[~treated, "size"]
    before, after = table.loc[("size", "unmatched")], table.loc[("size", "matched")]
    spread = np.sqrt((x1.var() + x0.var()) / 2)
    test = stats.ttest_ind(x1, x0)
    assert before[["mean_treated", "mean_control"]].tolist() == pytest.approx([x1.mean(), x0.mean()])
    assert before["bias"] == pytest.approx(100 * (x1.mean() - x0.mean()) / spread)
    assert before[["t", "p_value"]].tolist() == pytest.approx([test.statistic, test.pvalue])
    assert before["variance_ratio"] == pytest.approx(x1.var() / x0.var())
    m1, m0 = df.loc[treated & used, "size"], df.loc[~treated & used, "size"]  # all weights are 1
    matched = stats.ttest_ind(m1, m0)
    assert after["bias"] == pytest.approx(100 * (m1.mean() - m0.mean()) / spread)
    assert after[["t", "p_value"]].tolist() == pytest.approx([matched.statistic, matched.pvalue])
    assert after["reduction"] == pytest.approx(100 * (1 - abs(after["bias"]) / abs(before["bias"])))
    assert after["variance_ratio"] == pytest.approx(m1.var() / m0.var())


def test_balance_takes_weights_as_frequencies():
    df = selected()
    df["p"] = propensity(df, **MODEL).score
    result = match(df, **ON, ties="first")
    times = result.weights.to_numpy(dtype=int)
    rows = df.iloc[np.repeat(np.arange(len(df)), times)]
    groups = [rows.loc[rows["treated"] == g, "income"] for g in (1, 0)]
    after = result.balance(["income"]).iloc[1]
    test = stats.ttest_ind(*groups)
    assert after[["t", "p_value"]].tolist() == pytest.approx([test.statistic, test.pvalue])
    summary = result.balance_summary(["size", "income"]).set_index("sample")
    for sample, table in (("unmatched", df), ("matched", rows)):
        fit = propensity(table.reset_index(drop=True), **MODEL, link="probit")
        index = pd.Series(stats.norm.ppf(fit.score)).groupby(table["treated"].to_numpy()).agg(["mean", "var"])
        b = 100 * abs(np.diff(index["mean"])[0]) / np.sqrt(index["var"].mean())
        expected = [fit.pseudo_r2, fit.lr, fit.lr_p_value, b, index["var"][1] / index["var"][0]]
        columns = ["pseudo_r2", "lr", "p_value", "rubin_b", "rubin_r"]
        assert summary.loc[sample, columns].tolist() == pytest.approx(expected, rel=1e-7)


def test_match_refuses_what_it_cannot_do():
    df = selected()
    df["p"] = propensity(df, **MODEL).score
    for bad in ({"caliper": 0.0}, {"caliper": -0.1}, {"bandwidth": 0.0}, {"k": 0}):
        with pytest.raises(DomainError, match=f"{next(iter(bad))}=.*is not positive"):
            match(df, **ON, **bad)
    with pytest.raises(DomainError, match="radius matching needs a caliper"):
        match(df, **ON, method="radius")
    with pytest.raises(DomainError, match="method='mahalanobis'"):
        match(df, **ON, method="mahalanobis")
    with pytest.raises(NoControlsError, match="all rows are treated"):
        match(df.assign(treated=1), **ON)
    with pytest.raises(MissingValueError, match="'p'"):
        match(df.assign(p=df["p"].where(df["p"] > 0.2)), **ON)
    with pytest.raises(KeyColumnError, match="239 rows that are not those of the table"):
        match(df, treat="treated", score=df["p"].iloc[1:])
    with pytest.raises(KeyColumnError, match="must identify each row"):
        match(df.assign(city=1), **ON, keys=["city"])
    with pytest.raises(KeyColumnError, match="'propensity' is not in the table"):
        match(df, treat="treated", score="propensity")
    for ask in (lambda m: m.att("gdp"), lambda m: m.balance(["size", "gdp"])):
        with pytest.raises(KeyColumnError, match="'gdp' is not in the table"):
            ask(match(df, **ON))
    with pytest.raises(NoControlsError, match="widen the caliper"):
        match(pd.DataFrame({"treated": [1, 0], "p": [0.4, 0.6]}), **ON, support="none", caliper=0.1)
    with pytest.raises(MissingValueError, match="'y'"):
        match(df.assign(y=np.nan), **ON).att("y")


# ---------------------------------------------------------------------------------------------------------------------
# reference values

COVARIATES = ["age", "educ", "black", "hispan", "married", "nodegree", "re74", "re75"]


@pytest.fixture(scope="module")
def lalonde(sources) -> pd.DataFrame:
    path = sources / "classic_psm_lalonde" / "lalonde.csv"
    if not path.is_file():
        pytest.skip("classic_psm_lalonde/lalonde.csv is not in REGIOMETRICS_SOURCES")
    df = pd.read_csv(path)
    return df.assign(black=df["race"] == "black", hispan=df["race"] == "hispan")


@pytest.mark.sources
def test_lalonde_one_to_one_without_replacement(lalonde):
    """Effect: greedy match by hand and statspai 1.40. Means and variance ratios: the vignette of R's MatchIt."""
    score = propensity(lalonde, treat="treat", covariates=COVARIATES).score
    result = match(lalonde, treat="treat", score=score, replace=False, support="none")
    assert result.att("re78").estimate == pytest.approx(894.3675, abs=1e-3)
    table = result.balance(COVARIATES).query("sample == 'matched'").set_index("covariate")
    means = [25.3027, 10.6054, 0.4703, 0.2162, 0.2108, 0.6378, 2342.1076, 1614.7451]
    assert table["mean_control"].tolist() == pytest.approx(means, abs=6e-5)
    ratios = table.loc[["age", "educ", "re74", "re75"], "variance_ratio"]
    assert ratios.tolist() == pytest.approx([0.4568, 0.5721, 1.3289, 1.4956], abs=6e-5)


@pytest.mark.sources
@pytest.mark.parametrize("name", METHODS)
def test_lalonde_equals_the_brute_force_matcher(lalonde, name):
    df = lalonde.assign(p=propensity(lalonde, treat="treat", covariates=COVARIATES).score)
    p, treated = df["p"].to_numpy(), df["treat"].to_numpy() == 1
    shares = brute_shares(p, treated, brute_support(p, treated), **METHODS[name])
    weights = match(df, treat="treat", score="p", **METHODS[name]).weights
    np.testing.assert_allclose(weights[~treated], shares.sum(axis=0)[~treated], rtol=0, atol=1e-10)


# ---------------------------------------------------------------------------------------------------------------------
# the two-by-two table

TWO = {"outcome": "y", "treat": "treated", "post": "post"}


@pytest.fixture
def two_by_two() -> pd.DataFrame:
    df = city_panel()
    df["post"] = (df["year"] >= 2006).astype(int)
    df["w"] = np.random.default_rng(6).random(60)[df["city"]]
    return df.drop(index=[5, 17, 40])


@pytest.mark.parametrize("weights", [None, "w"])
@pytest.mark.parametrize("vcov", ["cluster", "iid"])
def test_the_double_difference_is_the_interaction_of_least_squares(two_by_two, weights, vcov):
    df = two_by_two
    clusters = {"cluster": "city"} if vcov == "cluster" else {}
    result = did_2x2(df, **TWO, weights=weights, vcov=vcov, **clusters)
    x = np.column_stack([np.ones(len(df)), df["treated"], df["post"], df["treated"] * df["post"]])
    errors = {"cov_type": "cluster", "cov_kwds": {"groups": df["city"]}, "use_t": True} if clusters else {}
    peer = sm.WLS(df["y"], x, weights=1 if weights is None else df[weights]).fit(**errors)
    cells = result.to_frame().set_index("quantity")
    for contrast, quantity in (
        ([1, 0, 0, 0], "pre_control"),
        ([1, 1, 0, 0], "pre_treated"),
        ([0, 1, 0, 0], "pre_difference"),
        ([1, 0, 1, 0], "post_control"),
        ([1, 1, 1, 1], "post_treated"),
        ([0, 1, 0, 1], "post_difference"),
        ([0, 0, 0, 1], "did"),
    ):
        test = peer.t_test(contrast)
        low, high = test.conf_int()[0]
        expected = [test.effect[0], test.sd.item(), test.tvalue.item(), test.pvalue.item(), low, high]
        found = cells.loc[quantity, ["estimate", "std_error", "statistic", "p_value", "low", "high"]]
        assert found.tolist() == pytest.approx(expected, rel=1e-9), quantity
    assert result.effect.estimate == cells.loc["did", "estimate"]
    mean = (
        df.assign(w=1 if weights is None else df["w"])
        .groupby(["post", "treated"])
        .apply(lambda d: np.average(d["y"], weights=d["w"]))
    )
    assert result.effect.estimate == pytest.approx(mean[1, 1] - mean[1, 0] - mean[0, 1] + mean[0, 0], abs=1e-12)


def test_iid_errors_add_up_as_the_printed_table_does(two_by_two):
    """Of p1 table 3: the variance of the double difference is that of the two differences together."""
    cells = did_2x2(two_by_two, **TWO, vcov="iid").to_frame().set_index("quantity")
    error, n = cells["std_error"], cells["n_obs"]
    assert error["did"] ** 2 == pytest.approx(error["pre_difference"] ** 2 + error["post_difference"] ** 2, rel=1e-12)
    four = ["pre_control", "pre_treated", "post_control", "post_treated"]
    s = error["pre_control"] * np.sqrt(n["pre_control"])
    assert error["did"] == pytest.approx(s * np.sqrt((1 / n[four]).sum()), rel=1e-12)
    assert n["did"] == len(two_by_two) == n[four].sum()


def test_scaling_weights_changes_nothing_and_zero_weights_are_listed(two_by_two):
    df = two_by_two.assign(w=two_by_two["w"].where(two_by_two["city"] != 20, 0), w7=lambda d: 7 * d["w"])
    once, scaled = (did_2x2(df, **TWO, weights=w, cluster="city").to_frame() for w in ("w", "w7"))
    pd.testing.assert_frame_equal(once, scaled)
    result = did_2x2(df, **TWO, weights="w", cluster="city")
    assert result.sample.dropped[0][0] == "weight 'w' is zero" and set(result.sample.dropped[0][1]) == {20}
    without = did_2x2(df[df["city"] != 20], **TWO, weights="w", cluster="city").to_frame()
    pd.testing.assert_frame_equal(once, without)
    twice = did_2x2(pd.concat([df, df]), **TWO, weights="w", cluster="city").to_frame()
    assert twice["estimate"].to_numpy() == pytest.approx(once["estimate"].to_numpy(), abs=1e-12)


def test_the_table_refuses_what_it_cannot_fill(two_by_two):
    df = two_by_two
    with pytest.raises(DomainError, match="clustered errors need a cluster column"):
        did_2x2(df, **TWO)
    with pytest.raises(DomainError, match="no use for cluster"):
        did_2x2(df, **TWO, vcov="iid", cluster="city")
    with pytest.raises(NoControlsError, match="all rows are treated"):
        did_2x2(df[df["treated"] == 1], **TWO, cluster="city")
    with pytest.raises(GroupSizeError, match="no row in pre_control, pre_treated"):
        did_2x2(df[df["post"] == 1], **TWO, cluster="city")
    with pytest.raises(GroupSizeError, match="two clusters"):
        did_2x2(df.assign(city=1), **TWO, cluster="city")
    with pytest.raises(DomainError, match="'post': must be 0 or 1"):
        did_2x2(df.assign(post=df["year"]), **TWO, cluster="city")
    with pytest.raises(DomainError, match="weights may not be negative"):
        did_2x2(df.assign(w=-1.0), **TWO, weights="w", cluster="city")
    with pytest.raises(KeyColumnError, match="'post' is not in the table"):
        did_2x2(df.drop(columns="post"), **TWO, cluster="city")
    with pytest.raises(MissingValueError, match="'y'"):
        did_2x2(df.assign(y=df["y"].where(df["city"] != 3)), **TWO, cluster="city")
    dropped = did_2x2(df.assign(y=df["y"].where(df["city"] != 3)), **TWO, cluster="city", missing="drop")
    assert dropped.sample.rows_in - dropped.sample.rows_used == (df["city"] == 3).sum()


# ---------------------------------------------------------------------------------------------------------------------
# difference-in-differences on matched rows

MATCHED = {**PANEL, "covariates": ["size", "income"]}
WAYS = ["pre_mean", "base_year", "pooled", "by_year"]


def by_hand(df: pd.DataFrame, when: str, **options) -> pd.DataFrame:
    """The matched rows with their weights, one table at a time."""
    first = df["start"].min()
    if when == "pre_mean":
        tables = [df[df["year"] < first].groupby("city")[["treated", "size", "income"]].mean().reset_index()]
    elif when == "base_year":
        tables = [df[df["year"] == first - 1]]
    else:
        tables = [df] if when == "pooled" else [rows for _, rows in df.groupby("year")]
    keys = ["city"] if when in ("pre_mean", "base_year") else ["city", "year"]
    weights = []
    for table in tables:
        result = match(table, treat="treated", score=propensity(table, **MODEL).score, **options)
        weights.append(table[keys].assign(w=result.weights))
    return df.merge(pd.concat(weights), on=keys).query("w > 0").assign(policy=lambda d: (d["year"] >= d["start"]) * 1.0)


@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("when", WAYS)
def test_matched_regression_by_hand(when, weighted):
    df = city_panel()
    options = {"method": "kernel", "bandwidth": 0.1}
    result = psm_did(
        df, **MATCHED, adoption="start", controls=["income"], match_when=when, weighted=weighted, **options
    )
    rows = by_hand(df, when, **options)
    peer = twfe(
        rows,
        outcome="y",
        regressors=["policy", "income"],
        unit="city",
        time="year",
        weights="w" if weighted else None,
    ).effect("policy")
    assert (result.estimate, result.std_error, result.p_value) == pytest.approx(
        (peer.estimate, peer.std_error, peer.p_value), rel=1e-9
    )
    assert (result.n_obs, result.n_units, result.n_clusters) == (peer.n_obs, peer.n_units, peer.n_clusters)
    assert result.uses_post_treatment == (when in ("pooled", "by_year"))
    assert any("treated periods" in note for note in result.notes) == result.uses_post_treatment
    sizes = result.match_sizes.set_index("time")
    matched = rows.groupby(["year", "treated"]).size().unstack()
    assert (sizes["treated_matched"] == matched[1]).all() and (sizes["controls_matched"] == matched[0]).all()
    assert (sizes["treated"] == 12).all() and (sizes["controls"] == 48).all() and (sizes["skipped"] == "").all()
    gone = [key for _, keys in result.sample.dropped for key in keys]
    assert len(gone) == len(set(gone)) == len(df) - result.n_obs
    merged = result.weights.merge(rows[["city", "year", "w"]], on=["city", "year"], validate="one_to_one")
    assert len(merged) == len(result.weights) == len(rows)
    assert merged["weight"].to_numpy() == pytest.approx(merged["w"].to_numpy(), abs=1e-9)
    assert ("time" in result.balance) == (when == "by_year")
    assert result.regression.estimate["policy"] == result.estimate


def test_a_wide_kernel_without_weights_keeps_the_rows_on_common_support():
    df = city_panel()
    result = psm_did(
        df, **MATCHED, adoption="start", match_when="by_year", method="kernel", bandwidth=1.5, weighted=False
    )
    on = []
    for _, rows in df.groupby("year"):
        p = propensity(rows, **MODEL).score.to_numpy()
        on.append(rows[brute_support(p, rows["treated"].to_numpy() == 1)])
    kept = pd.concat(on)
    assert len(kept) < len(df) - 50
    merged = result.weights.merge(kept, on=["city", "year"], how="outer", indicator=True)
    assert (merged["_merge"] == "both").all()
    kept = kept.assign(policy=(kept["year"] >= kept["start"]) * 1.0)
    peer = twfe(kept, outcome="y", regressors=["policy"], unit="city", time="year").effect("policy")
    assert (result.estimate, result.std_error) == pytest.approx((peer.estimate, peer.std_error), rel=1e-10)


@pytest.mark.parametrize("link", ["logit", "probit"])
def test_by_year_each_year_has_the_score_the_match_and_the_balance_of_its_own(link):
    df = city_panel()
    options = {"method": "kernel", "bandwidth": 0.2}
    result = psm_did(df, **MATCHED, adoption="start", match_when="by_year", link=link, **options)
    weights, balance = [], []
    for year, rows in df.groupby("year"):
        score = propensity(rows, **MODEL, link=link).score
        one = match(rows, treat="treated", score=score, keys=["city", "year"], **options)
        weights.append(one.weights[one.weights > 0])
        balance.append(one.balance(["size", "income"]).assign(time=year))
    weight = pd.concat(weights).sort_index()
    peer = df.loc[weight.index, ["city", "year"]].assign(weight=weight).reset_index(drop=True)
    pd.testing.assert_frame_equal(result.weights, peer, check_exact=True)
    peer = pd.concat(balance, ignore_index=True)[list(result.balance)]
    pd.testing.assert_frame_equal(result.balance, peer, check_exact=True)


def test_an_option_of_the_match_is_refused_whatever_is_matched():
    for options in ({"method": "radius"}, {"bandwidth": 0}, {"ties": "last"}):
        with pytest.raises(DomainError):
            psm_did(city_panel(), **MATCHED, adoption="start", match_when="by_year", **options)
    with pytest.raises(DomainError, match="no covariate"):
        psm_did(city_panel(), **MATCHED | {"covariates": []}, adoption="start", match_when="by_year")


@pytest.mark.parametrize("when", ["pre_mean", "base_year"])
def test_one_start_weighted_by_match_is_the_weighted_two_by_two(when):
    df = city_panel().assign(start=lambda d: d["start"].where(d["start"].isna(), 2007))
    df["post"] = (df["year"] >= 2007).astype(int)
    result = psm_did(df, **MATCHED, treat="treated", start=2007, match_when=when, k=3)
    rows = df.merge(result.weights, on=["city", "year"])
    table = did_2x2(rows, **TWO, weights="weight", cluster="city")
    assert result.estimate == pytest.approx(table.effect.estimate, abs=1e-10)
    same = psm_did(df, **MATCHED, adoption="start", match_when=when, k=3)
    assert (same.estimate, same.std_error) == pytest.approx((result.estimate, result.std_error), rel=1e-12)


@pytest.mark.parametrize("when", WAYS)
def test_a_huge_bandwidth_is_plain_difference_in_differences(when):
    df = city_panel().assign(start=lambda d: d["start"].where(d["start"].isna(), 2007))
    result = psm_did(
        df, **MATCHED, treat="treated", start=2007, match_when=when, method="kernel", bandwidth=1e6, support="none"
    )
    df["post"] = (df["year"] >= 2007).astype(int)
    assert result.estimate == pytest.approx(did_2x2(df, **TWO, cluster="city").effect.estimate, abs=1e-9)
    assert result.n_obs == len(df) and result.sample.dropped == ()


@pytest.mark.parametrize("when", WAYS)
def test_twin_cities_give_the_exact_effect(when):
    df = city_panel(effect=0).query("treated == 1").assign(start=2007)
    shared = {"size": df["size"], "income": df["income"]}  # neither is moved by treatment
    treated = df.assign(y=df["y"] - 0.3 * (df["year"] >= 2007))
    twins = df.assign(city=df["city"] + 100, treated=0, start=np.nan, **shared)
    jitter = np.random.default_rng(1).normal(0, 1e-9, len(twins))  # without it nothing at all predicts treatment
    both = pd.concat([treated, twins.assign(size=twins["size"] + jitter)], ignore_index=True)
    result = psm_did(both, **MATCHED, adoption="start", match_when=when, method="radius", caliper=1, support="none")
    assert result.estimate == pytest.approx(-0.3, abs=1e-9)


def test_matching_takes_out_a_trend_that_goes_with_size():
    df = city_panel(seed=3, n=300)
    policy = df.assign(policy=(df["year"] >= df["start"]) * 1.0)
    plain = twfe(policy, outcome="y", regressors=["policy"], unit="city", time="year").effect("policy")
    matched = psm_did(df, **MATCHED, adoption="start", k=5)
    assert abs(matched.estimate + 0.3) < abs(plain.estimate + 0.3)
    assert matched.low < -0.3 < matched.high


def test_a_year_without_controls_in_reach_is_left_out_and_listed():
    df = city_panel()
    # in 2008 the score says all but everything
    df["size"] += np.where((df["year"] == 2008) & (df["treated"] == 1), 2.2, 0)
    options = {"match_when": "by_year", "method": "radius", "caliper": 0.01}
    sizes = psm_did(df, **MATCHED, adoption="start", **options).match_sizes.set_index("time")
    assert (sizes["treated_matched"] > 0).sum() > 5
    narrow = psm_did(df, **MATCHED, adoption="start", **options | {"caliper": 2e-3})
    sizes = narrow.match_sizes.set_index("time")
    left_out = sizes.index[sizes["skipped"] != ""]
    assert 2008 in left_out and len(left_out) < 8
    assert (sizes.loc[left_out, ["treated_matched", "controls_matched"]] == 0).all(axis=None)
    assert "year 2008 left out: no treated row has a control in reach" in narrow.notes
    years = {year for reason, keys in narrow.sample.dropped if "year left out" in reason for _, year in keys}
    assert years == set(left_out)


def test_a_base_year_after_adoption_is_flagged():
    df = city_panel()
    late = psm_did(df, **MATCHED, adoption="start", match_when="base_year", base_year=2008)
    early = psm_did(df, **MATCHED, adoption="start", match_when="base_year", base_year=2004)
    assert late.uses_post_treatment and not early.uses_post_treatment


def test_cities_without_rows_before_treatment_are_listed():
    df = city_panel()
    df = df[(df["city"] != 30) | (df["year"] >= 2007)]
    result = psm_did(df, **MATCHED, adoption="start")
    reasons = dict(result.sample.dropped)
    assert {city for city, _ in reasons["control: no row to match on"]} == {30}
    assert result.match_sizes["controls"].tolist() == [47] * 4 + [48] * 4


def test_missing_values_are_refused_or_listed():
    df = city_panel()
    df.loc[(df["city"] == 5) & (df["year"] == 2004), "size"] = np.nan
    with pytest.raises(MissingValueError, match="'size'.*5 2004"):
        psm_did(df, **MATCHED, adoption="start")
    result = psm_did(df, **MATCHED, adoption="start", missing="drop")
    assert result.sample.dropped[0] == ("missing 'size'", ((5, 2004),))
    assert result.sample.rows_in == len(df) and result.n_obs == result.sample.rows_used


def test_matched_regression_refuses_what_it_cannot_do():
    df = city_panel()
    with pytest.raises(DomainError, match="described twice, or not wholly"):
        psm_did(df, **MATCHED)
    with pytest.raises(DomainError, match="pass adoption=, or treat= and start="):
        psm_did(df, **MATCHED, treat="treated")
    with pytest.raises(DomainError, match="no use for base_year"):
        psm_did(df, **MATCHED, adoption="start", base_year=2004)
    with pytest.raises(DomainError, match="no row has year 1999"):
        psm_did(df, **MATCHED, adoption="start", match_when="base_year", base_year=1999)
    with pytest.raises(TreatmentPathError, match="nothing before adoption"):
        psm_did(df.assign(start=df["start"] - 3), **MATCHED, adoption="start")
    with pytest.raises(TreatmentPathError, match="same in all rows of a unit"):
        psm_did(df.assign(start=df["start"].where(df["year"] != 2004, 2008)), **MATCHED, adoption="start")
    with pytest.raises(NoControlsError, match="all rows are treated"):
        psm_did(df.dropna(subset="start"), **MATCHED, adoption="start")
    with pytest.raises(KeyColumnError, match="must identify each row"):
        psm_did(pd.concat([df, df]), **MATCHED, adoption="start")
    with pytest.raises(KeyColumnError, match="'start' is not in the table"):
        psm_did(df.drop(columns="start"), **MATCHED, adoption="start")
    with pytest.raises(DomainError, match="match_when='never'"):
        psm_did(df, **MATCHED, adoption="start", match_when="never")
    with pytest.raises(DomainError, match="caliper=0 is not positive"):
        psm_did(df, **MATCHED, adoption="start", caliper=0)
    one_year = df.assign(size=df["size"].where(df["year"] != 2005, 3.0))
    with pytest.raises(RankError, match="in 2005: size is the same in all rows"):
        psm_did(one_year, **MATCHED, adoption="start", match_when="by_year")
    known = df.assign(size=df["size"].where(df["year"] != 2005, df["treated"] * 2 + df["size"] / 100))
    with pytest.raises(SeparationError, match="in 2005: size predicts treatment perfectly"):
        psm_did(known, **MATCHED, adoption="start", match_when="by_year")
    with pytest.raises(NoControlsError, match="no year can be matched"):
        psm_did(df, **MATCHED, adoption="start", match_when="by_year", method="radius", caliper=1e-300)


@pytest.mark.slow
def test_clustered_intervals_cover_the_planted_effect():
    hits = []
    for seed in range(150):
        df = city_panel(seed=1000 + seed, n=200)
        result = psm_did(df, **MATCHED, adoption="start", method="kernel", controls=["income"])
        hits.append(result.low < -0.3 < result.high)
    assert np.mean(hits) >= 0.92
