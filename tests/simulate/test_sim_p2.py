"""The simulation of p2 holds what it plants."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regiometrics.chapters import growth_panel
from regiometrics.data.published import table
from regiometrics.errors import DomainError
from regiometrics.estimate.dynamic_panel import GmmSpec, dynamic_panel
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.mediation import mediation
from regiometrics.measure.efficiency import capital_stock, gml_index, sbm
from regiometrics.measure.hierarchy import rank_size
from regiometrics.simulate.p2 import CONTROLS, REFERENCE_CITY, YEARS, panel

REGRESSORS = ["ln_div", *CONTROLS]
INPUTS = {"inputs": ["population", "capital"], "good": "gdp_real", "bad": "so2"}
KEYS = {"unit": "city", "time": "year"}


@pytest.fixture(scope="module")
def bundle():
    return panel(seed=0)


@pytest.fixture(scope="module")
def chapter(bundle):
    return growth_panel(bundle.tables)


def planted(bundle, outcome: str, group: str) -> pd.Series:
    rows = bundle.truth["coefficients"].query("outcome == @outcome and group == @group")
    return rows.set_index("term")["coefficient"]


def printed(number: int, column: str) -> pd.Series:
    rows = table("p2", number).query("column_label == @column and row_kind == 'coefficient'")
    return rows.set_index("term")["value"].astype(float)


def others(rows: pd.DataFrame) -> pd.DataFrame:
    """Non-central cities with the dummies as numbers."""
    return rows[~rows["central"]].assign(region=lambda df: df["north"] * 1.0, core=lambda df: df["core"] * 1.0)


def distance(fit, truth: pd.Series) -> pd.Series:
    """Distance from the truth in standard errors, of the terms that the truth names."""
    frame = fit.to_frame().set_index("term")
    terms = [term for term in frame.index if term in truth.index]
    return ((frame["estimate"] - truth) / frame["std_error"]).abs()[terms]


def without_programs(bundle) -> pd.DataFrame:
    """Columns of the chapter's panel with the planted efficiency, which saves its linear programs."""
    rows = bundle.tables["city_year"].merge(bundle.truth["cells"].drop(columns="central"), on=["city", "year"])
    rows = rows.merge(bundle.tables["cities"], on="city")
    columns = {"ln_fdi": "fdi", "ln_gov": "spending", "ln_inv": "investment", "ln_edu": "students"}
    centres = rows.groupby(["cluster", "year"])["central"].transform("sum")
    return rows.assign(core=centres > 1, **{name: np.log(rows[column]) for name, column in columns.items()})


def with_measures(tables) -> pd.DataFrame:
    levels = tables["city_year"]
    stock = capital_stock(levels, **KEYS, investment="investment", deflator="investment_deflator").to_frame()
    return levels.assign(capital=stock["capital"], gdp_real=levels["gdp"] / levels["gdp_deflator"])


@pytest.mark.parametrize("equation", ["static", "dynamic", "mediated"])
def test_the_chain_returns_efficiency_division_and_capital(equation):
    bundle = panel(seed=3, equation=equation, population_noise=0.2)
    merged = growth_panel(bundle.tables).merge(bundle.truth["cells"], on=["city", "year"], suffixes=("", "_planted"))
    assert len(merged) == 1560
    for name in ("hgdp", "ln_hgdp", "div", "ln_div"):
        np.testing.assert_allclose(merged[name], merged[f"{name}_planted"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(merged["capital"], merged["capital_planted"], rtol=1e-12)
    assert merged["central"].eq(merged["central_planted"]).all()


def test_efficiency_is_the_closed_form_of_one_reference(bundle):
    """The score is (a1 + a2)/(2 + c) in the ratios to the reference city's last year."""
    rows = with_measures(bundle.tables)
    reference = rows[(rows["city"] == REFERENCE_CITY) & (rows["year"] == YEARS[-1])].iloc[0]
    a1, a2 = (rows["gdp_real"] / rows[x] * reference[x] / reference["gdp_real"] for x in INPUTS["inputs"])
    c = 1 - rows["gdp_real"] / rows["so2"] * reference["so2"] / reference["gdp_real"]
    assert a1.max() <= 1 + 1e-12 and a2.max() <= 1 + 1e-12 and c.between(-1e-12, 1).all()
    result = sbm(rows, **KEYS, **INPUTS)
    np.testing.assert_allclose(result.to_frame()["efficiency"], (a1 + a2) / (2 + c), rtol=0, atol=1e-9)
    assert set(result.peers["peer_unit"]) == {REFERENCE_CITY}
    score = result.to_frame().query("unit == @REFERENCE_CITY")["efficiency"]
    np.testing.assert_allclose(score, np.linspace(0.8, 1, 10), atol=1e-9)


def test_own_year_frontiers_are_inside_the_common_one(bundle, chapter):
    own = growth_panel(bundle.tables, frontier="contemporaneous")["hgdp"]
    assert (own >= chapter["hgdp"] - 1e-9).all() and own.max() == pytest.approx(1) and (own > chapter["hgdp"]).any()


def test_productivity_is_the_ratio_of_the_planted_efficiencies(bundle):
    index = gml_index(with_measures(bundle.tables), **KEYS, **INPUTS).to_frame()
    cells = bundle.truth["cells"].sort_values(["city", "year"])
    ratio = cells["hgdp"] / cells.groupby("city")["hgdp"].shift()
    merged = index.merge(cells.assign(ratio=ratio), left_on=["unit", "time"], right_on=["city", "year"]).dropna(
        subset=["ratio", "gml"]
    )
    assert len(merged) == 1404
    np.testing.assert_allclose(merged["gml"], merged["ratio"], rtol=1e-8)


@settings(max_examples=4)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["static", "dynamic", "mediated"]))
def test_every_seed_stays_in_range_and_meets_its_calibration(seed, equation):
    bundle = panel(seed, equation=equation)
    cells = bundle.truth["cells"]
    assert cells["hgdp"].between(0.05, 0.98).all() and (cells["ln_div"] >= 0.02 - 1e-12).all()
    assert bundle.calibration["gap"].abs().max() < 1e-9
    persons = bundle.tables["employment"].set_index(["city", "year"])
    assert (persons > 0).all(axis=None) and (bundle.tables["city_year"].drop(columns="city") > 0).all(axis=None)


def test_the_design_has_the_printed_counts(bundle, chapter):
    assert len(chapter) == 1560 and chapter["central"].sum() == 210 and chapter["disparity"].notna().sum() == 1350
    assert chapter["cluster"].nunique() == 11 and chapter["city"].nunique() == 156
    counts = bundle.calibration.set_index(["moment", "group"])["simulated"]
    assert counts["count"].to_dict() == {"n_cities": 156, "n_clusters": 11}
    assert counts["n_obs"].tolist() == [1560, 210, 1350]
    assert bundle.tables["cities"].groupby("cluster")["central"].sum().between(1, 4).all()
    assert chapter.groupby("cluster")["north"].nunique().eq(1).all()


def test_populations_follow_the_power_law_of_table_3(bundle):
    rows = bundle.tables["city_year"].merge(bundle.tables["cities"], on="city")
    for method in ("fixed", "ols"):
        found = rank_size(rows, unit="city", cluster="cluster", population="population", time="year", method=method)
        merged = found.to_frame().merge(
            bundle.truth["rank_size"],
            left_on=["cluster", "time"],
            right_on=["cluster", "year"],
            suffixes=("", "_planted"),
        )
        assert len(merged) == 110
        np.testing.assert_allclose(merged["q"], merged["q_planted"], rtol=0, atol=1e-12)
    at = bundle.truth["rank_size"].set_index(["cluster", "year"])["q"]
    assert at["guanzhong_plain", 2017] == 1.41 and at["central_plains", 2013] == 0.11
    assert at["chengdu_chongqing", 2015] == pytest.approx(0.72 + 0.14 / 2)


def test_noise_moves_the_populations_off_the_law():
    gap = panel(seed=0, population_noise=0.3).calibration.set_index("moment")["gap"]
    assert gap[["count", "n_obs"]].eq(0).all() and gap["q_2008"].abs().max() > 0.05


@pytest.mark.parametrize("central", [True, False])
def test_the_static_equation_is_recovered(bundle, chapter, central):
    """Every coefficient within 3 errors, the division index within its interval."""
    truth = planted(bundle, "ln_hgdp", "central" if central else "non_central")
    column = printed(1, "central_cities" if central else "non_central_cities")
    assert truth[REGRESSORS].tolist() == column[REGRESSORS].tolist()
    fit = twfe(chapter[chapter["central"] == central], outcome="ln_hgdp", regressors=REGRESSORS, **KEYS)
    apart = distance(fit, truth)
    assert apart.index.tolist() == REGRESSORS and apart.max() < 3
    row = fit.to_frame().set_index("term").loc["ln_div"]
    assert row["low"] < truth["ln_div"] < row["high"]
    assert row["low"] > 0


def test_disparity_has_the_other_sign(bundle, chapter):
    truth = planted(bundle, "disparity", "non_central")
    np.testing.assert_array_equal(truth, -planted(bundle, "ln_hgdp", "non_central")[truth.index])
    fit = twfe(others(chapter), outcome="disparity", regressors=REGRESSORS, **KEYS)
    assert distance(fit, truth).max() < 3 and fit.to_frame()["high"].iloc[0] < 0


def test_transport_moves_the_division_of_labour(bundle, chapter):
    fit = twfe(others(chapter), outcome="ln_div", regressors=["ln_trans"], **KEYS)
    truth = planted(bundle, "ln_div", "non_central")
    assert truth.to_dict() == {"ln_trans": 0.379} and distance(fit, truth).max() < 3


def test_without_city_effects_the_coefficients_are_biased(bundle, chapter):
    """The city effect goes with the regressors."""
    rows = others(chapter)
    x = rows[REGRESSORS].assign(one=1.0).to_numpy()
    pooled = np.linalg.lstsq(x, rows["ln_hgdp"].to_numpy(), rcond=None)[0][:-1]
    within = twfe(rows, outcome="ln_hgdp", regressors=REGRESSORS, **KEYS).to_frame().set_index("term")
    truth = planted(bundle, "ln_hgdp", "non_central")[REGRESSORS]
    assert (np.abs(pooled - truth) / within["std_error"]).max() > 5


def test_the_mediated_equation_is_recovered():
    bundle = panel(seed=0, equation="mediated")
    rows = others(growth_panel(bundle.tables))
    found = mediation(
        rows, outcome="ln_hgdp", treatment="ln_trans", mediator="ln_div", controls=list(CONTROLS), **KEYS, n_boot=200
    )
    truth = planted(bundle, "ln_hgdp", "non_central")
    assert truth[["ln_div", "ln_trans"]].tolist() == [0.291, 0.218]
    frame = found.to_frame().drop_duplicates("effect").set_index("effect")
    for effect, value in {"a": 0.379, "b": 0.291, "c_prime": 0.218, "indirect": 0.379 * 0.291}.items():
        assert frame.loc[effect, "low"] < value < frame.loc[effect, "high"], effect


@pytest.fixture(scope="module")
def dynamic_fits():
    """Planted coefficients, and system GMM on the panels of a few seeds."""
    fits = []
    for seed in range(8):
        bundle = panel(seed, equation="dynamic")
        rows = others(without_programs(bundle))
        gmm = {"ln_hgdp": GmmSpec(lags=(2, 4))} | {name: GmmSpec(lags=(1, 2)) for name in REGRESSORS}
        dummies = ["region", "core"]
        fit = dynamic_panel(
            rows, outcome="ln_hgdp", regressors=[*REGRESSORS, *dummies], gmm=gmm, iv=dummies, time_effects=True, **KEYS
        )
        fits.append((rows, fit))
    return planted(bundle, "ln_hgdp", "non_central"), fits


def test_the_dynamic_equation_is_recovered(dynamic_fits):
    """Lag and division index: 12 of 16 intervals at least, mean within 3 errors of the mean; all others within 4."""
    truth, fits = dynamic_fits
    assert (truth["L1.ln_hgdp"], truth["ln_div"], truth["region"], truth["core"]) == (0.235, 0.158, -0.127, 0.085)
    frames = [fit.to_frame().set_index("term") for _, fit in fits]
    covered = 0
    for term in ("L1.ln_hgdp", "ln_div"):
        estimates = np.array([frame.loc[term, "estimate"] for frame in frames])
        assert abs(estimates.mean() - truth[term]) < 3 * estimates.std(ddof=1) / np.sqrt(len(estimates))
        covered += sum(frame.loc[term, "low"] < truth[term] < frame.loc[term, "high"] for frame in frames)
    assert covered >= 12
    assert max(distance(fit, truth).max() for _, fit in fits) < 4


def test_the_lag_lies_between_within_and_pooled(dynamic_fits):
    _, fits = dynamic_fits
    for rows, fit in fits:
        lagged = rows.assign(lag=rows.groupby("city")["ln_hgdp"].shift()).dropna(subset="lag")
        terms = ["lag", *REGRESSORS]
        within = twfe(lagged, outcome="ln_hgdp", regressors=terms, **KEYS).to_frame()["estimate"].iloc[0]
        x = np.column_stack([lagged[terms], pd.get_dummies(lagged["year"], dtype=float)])
        pooled = np.linalg.lstsq(x, lagged["ln_hgdp"].to_numpy(), rcond=None)[0][0]
        assert within < 0.235 < pooled and within < fit.to_frame()["estimate"].iloc[0] < pooled


def test_the_specification_tests_accept_the_dynamic_equation(dynamic_fits):
    _, fits = dynamic_fits
    assert sum(fit.hansen.p_value < 0.05 for _, fit in fits) <= 2
    assert sum(fit.ar2.p_value < 0.05 for _, fit in fits) <= 2
    assert all(fit.ar1.p_value < 0.01 for _, fit in fits)


@pytest.mark.parametrize("equation", ["static", "dynamic"])
def test_the_interaction_is_recovered(equation):
    bundle = panel(seed=0, equation=equation, interaction=-0.2)
    truth = planted(bundle, "ln_hgdp", "non_central")
    assert truth["region_x_ln_div"] == -0.2
    if equation == "static":
        rows = others(growth_panel(bundle.tables)).assign(region_x_ln_div=lambda df: df["region"] * df["ln_div"])
        fit = twfe(rows, outcome="ln_hgdp", regressors=[*REGRESSORS, "region_x_ln_div"], **KEYS)
        assert distance(fit, truth).max() < 3 and fit.to_frame()["high"].iloc[-1] < 0


def test_efficiency_does_not_depend_on_the_interaction_in_the_south(bundle):
    with_, without = (made.truth["cells"] for made in (panel(seed=0, interaction=-0.1), bundle))
    south = ~bundle.tables["cities"].set_index("city")["north"]
    change = (with_["ln_hgdp"] - without["ln_hgdp"])[with_["city"].map(south)]
    varying = change.groupby(with_["city"]).agg(lambda values: values.max() - values.min())
    assert varying.max() < 1e-9


def test_seeds(bundle):
    first, same, other = panel(seed=1), panel(seed=1), bundle
    for name, rows in first.tables.items():
        pd.testing.assert_frame_equal(rows, same.tables[name])
    assert not first.tables["city_year"]["gdp"].equals(other.tables["city_year"]["gdp"])
    assert first.notes[0] == "SIMULATED DATA (seed 1)" and first.source == "simulated"
    generator = panel(np.random.default_rng(1))
    pd.testing.assert_frame_equal(first.tables["city_year"], generator.tables["city_year"])


def test_division_and_employment_do_not_depend_on_the_equation(bundle):
    static, dynamic = bundle, panel(seed=0, equation="dynamic")
    pd.testing.assert_frame_equal(static.tables["employment"], dynamic.tables["employment"])
    pd.testing.assert_series_equal(static.truth["cells"]["capital"], dynamic.truth["cells"]["capital"])


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"equation": "level"}, "equation"),
        ({"interaction": 0.7}, "interaction=0.7 leaves no room"),
        ({"interaction": np.nan}, "leaves no room"),
        ({"population_noise": -0.1}, "population_noise=-0.1"),
    ],
)
def test_options_that_cannot_be_planted(options, answer):
    with pytest.raises(DomainError, match=answer):
        panel(seed=0, **options)
