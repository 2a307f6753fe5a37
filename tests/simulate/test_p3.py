"""The simulation of p3 holds what it plants."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from regiometrics.data.facts import SECTIONS, clusters
from regiometrics.data.published import table
from regiometrics.estimate.convergence import sigma_convergence
from regiometrics.measure.inequality import gini
from regiometrics.measure.quotient import coagglomeration
from regiometrics.simulate.p3 import REST_OF_COUNTRY, panel, quotients

COLUMNS = ["coagglomeration", "lq_manufacturing", "lq_producer_services"]


@pytest.fixture(scope="module")
def bundle():
    return panel(seed=0)


def printed(number: int, value: str, cluster: str = "cluster") -> pd.Series:
    rows = table("p3", number).query(f"year != 'mean' and {cluster} != 'overall'")
    return rows.astype({"year": int, value: float}).set_index(["year", cluster])[value].rename_axis(["time", "group"])


@given(
    arrays.arrays(float, 5, elements=st.floats(0.5, 8)),
    arrays.arrays(float, 5, elements=st.floats(0.6, 0.99)),
    st.sampled_from([-1.0, 1.0]),
)
def test_quotients_invert_the_index(index, loss, lead):
    manufacturing, services = quotients(index, loss, np.array(lead))
    assert (manufacturing > 0).all() and (services > 0).all()
    assert ((manufacturing > services) == (lead > 0)).all()
    np.testing.assert_allclose(coagglomeration(manufacturing, services), index, rtol=1e-12)
    np.testing.assert_allclose(np.abs(manufacturing - services) / (manufacturing + services), loss, rtol=1e-9)


def test_planted_means_are_table_1_and_planted_ginis_table_2(bundle):
    groups = bundle.truth["groups"].set_index(["time", "group"])
    assert len(groups) == 120
    np.testing.assert_allclose(groups["mean"], printed(1, "coagglomeration_index").reindex(groups.index), rtol=1e-12)
    np.testing.assert_array_equal(groups["gini"], printed(2, "gini").reindex(groups.index))
    assert (groups["gini_sample"] / groups["gini"] - 1).abs().max() < 0.012
    assert groups.loc[2004, "n"].sum() == 138


def test_realised_moments_are_those_of_the_planted_values(bundle):
    groups = bundle.truth["groups"].set_index(["time", "group"])
    for cell, values in bundle.truth["cities"].groupby(["time", "group"])["coagglomeration"]:
        y = values.to_numpy()
        assert groups.loc[cell, "mean"] == pytest.approx(y.mean(), rel=1e-12)
        by_pairs = np.abs(y[:, None] - y).mean() / (2 * y.mean())
        assert groups.loc[cell, "gini_sample"] == pytest.approx(by_pairs, rel=1e-10)
        spread = y.std(ddof=1) / y.mean()
        assert groups.loc[cell, "coefficient_of_variation_sample"] == pytest.approx(spread, rel=1e-10)


def test_population_moments_are_those_of_a_log_normal(bundle):
    row = bundle.truth["groups"].query("time == 2010 and group == 'guanzhong_plain'").iloc[0]
    sigma = np.sqrt(np.log1p(row["coefficient_of_variation"] ** 2))
    draw = np.exp(sigma * np.random.default_rng(1).standard_normal(400_000))
    assert gini(draw) == pytest.approx(row["gini"], rel=0.01)


def test_sigma_trends_are_recovered_and_have_the_signs_of_the_corrected_table_5(bundle):
    cities = bundle.truth["cities"]
    result = sigma_convergence(cities, unit="unit", time="time", value="coagglomeration", group="group", ddof=1)
    trends = result.to_frame().merge(bundle.truth["trends"], on="group", suffixes=("", "_planted")).set_index("group")
    assert len(trends) == 8
    assert (trends["low"] < trends["slope_planted"]).all() and (trends["slope_planted"] < trends["high"]).all()
    by_year = printed(5, "coefficient_of_variation", "cluster_corrected").unstack()
    published = pd.Series(np.polyfit(by_year.index.to_numpy(float), by_year.to_numpy(), 1)[0], by_year.columns)
    assert (np.sign(trends["slope"]) == np.sign(published)).all()
    as_headed = printed(5, "coefficient_of_variation").unstack()
    headed = pd.Series(np.polyfit(as_headed.index.to_numpy(float), as_headed.to_numpy(), 1)[0], as_headed.columns)
    assert (np.sign(trends["slope"]) != np.sign(headed)).any()


def test_calibration_meets_its_tolerances(bundle):
    gap = bundle.calibration.set_index("moment")["gap"].abs()
    assert gap["mean"].max() < 1e-9
    assert gap["gini"].max() < 0.03 and gap["coefficient_of_variation"].max() < 0.10
    assert gap[["clusters", "years"]].eq(0).all()
    assert gap[["share_within", "share_between_net", "share_overlap"]].max() < 0.03
    slope = bundle.calibration.query("moment == 'slope'")
    assert (slope["published"] * slope["simulated"] > 0).all()


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1))
def test_employment_is_possible_for_every_seed(seed):
    employment = panel(seed).tables["employment"]
    persons = employment[list(SECTIONS)]
    assert (persons.to_numpy() > 0).all()
    assert persons.sum(axis=1).between(10_000, 1e8).all()
    assert not employment.duplicated(["city", "year"]).any() and len(employment) == 139 * 15


def test_tables_name_the_real_cities_and_one_rest(bundle):
    employment, cities = bundle.tables["employment"], bundle.tables["cities"]
    assert set(employment["city"]) - set(cities["city"]) == {REST_OF_COUNTRY}
    assert set(cities["city"]) == set(clusters()["adcode"])
    assert [table.attrs["source"] for table in (employment, cities)] == ["simulated"] * 2
    assert bundle.source == "simulated" and "SIMULATED DATA (seed 0)" in bundle.notes


def test_ranks_persist(bundle):
    wide = bundle.truth["cities"].pivot(index="unit", columns="time", values="coagglomeration")
    cluster = bundle.truth["cities"].drop_duplicates("unit").set_index("unit")["group"]
    ranks = wide.groupby(cluster).rank(pct=True)
    assert ranks[2004].corr(ranks[2005]) > 0.85 > ranks[2004].corr(ranks[2018])


def test_the_seed_decides():
    first, again, other = (panel(seed).truth["cities"] for seed in (3, 3, 4))
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first[COLUMNS], other[COLUMNS])
    generator = panel(np.random.default_rng(3)).truth["cities"]
    pd.testing.assert_frame_equal(first, generator)
