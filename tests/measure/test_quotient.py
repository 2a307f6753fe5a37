import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regiometrics.errors import DomainError, KeyColumnError, MissingValueError
from regiometrics.measure.quotient import coagglomeration, division_index, location_quotient

KEYS = {"unit": "city", "industry": "sector", "value": "jobs"}


@st.composite
def employment(draw):
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    jobs = draw(st.lists(st.floats(1, 1e6), min_size=2 * n * m, max_size=2 * n * m))
    index = pd.MultiIndex.from_product([list("abcdef"[:n]), list("mnopq"[:m]), [2004, 2005]])
    return pd.Series(jobs, index=index.set_names(["city", "sector", "year"]), name="jobs").reset_index()


@given(employment(), st.floats(1e-3, 1e3))
def test_share_weighted_mean_is_one_and_the_unit_of_measure_does_not_matter(df, scale):
    lq = location_quotient(df, **KEYS, time="year")
    in_city = df.groupby(["city", "year"])["jobs"].transform("sum")
    in_nation = df.groupby("year")["jobs"].transform("sum")
    mean = (lq * in_city / in_nation).groupby([df["sector"], df["year"]]).sum()
    np.testing.assert_allclose(mean, 1, rtol=1e-9)
    np.testing.assert_allclose(
        location_quotient(df.assign(jobs=df["jobs"] * scale), **KEYS, time="year"), lq, rtol=1e-9
    )


@given(employment())
def test_rows_stand_on_the_index_of_the_table_and_periods_do_not_mix(df):
    shuffled = df.sample(frac=1, random_state=0)
    lq = location_quotient(df, **KEYS, time="year")
    np.testing.assert_allclose(location_quotient(shuffled, **KEYS, time="year").loc[df.index], lq, rtol=1e-12)
    first = df[df["year"] == 2004]
    np.testing.assert_allclose(location_quotient(first, **KEYS), lq[first.index], rtol=1e-12)


@given(employment())
def test_given_totals_equal_the_sum_of_the_table_when_they_are_that_sum(df):
    lq = location_quotient(df, **KEYS, time="year")
    totals = df.groupby(["year", "sector"])["jobs"].sum()
    np.testing.assert_allclose(location_quotient(df, **KEYS, time="year", totals=totals), lq, rtol=1e-12)
    doubled = totals * 2
    np.testing.assert_allclose(location_quotient(df, **KEYS, time="year", totals=doubled), lq, rtol=1e-12)


def test_quotient_by_hand_against_a_wider_nation():
    df = pd.DataFrame({"city": ["a", "a"], "sector": ["m", "s"], "jobs": [30, 10]})
    nation = pd.Series({"m": 500, "s": 500})
    assert location_quotient(df, **KEYS, totals=nation).tolist() == pytest.approx([1.5, 0.5])


BASE = pd.DataFrame({"city": ["a", "a", "b", "b"], "sector": ["m", "s", "m", "s"], "jobs": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize(
    ("df", "totals", "error", "message"),
    [
        (BASE.assign(jobs=[1, 2, -3, 4]), None, DomainError, "negative values.*b m"),
        (BASE.assign(jobs=[0, 0, 3, 4]), None, DomainError, "no employment in any industry.*a"),
        (BASE.assign(jobs=[0, 2, 0, 4]), None, DomainError, "national total of an industry is zero.*m"),
        (BASE.assign(jobs=[1, np.nan, 3, 4]), None, MissingValueError, "a s"),
        (BASE.assign(jobs=["1", "n.a.", "3", "4"]), None, DomainError, "text where a number"),
        (BASE.assign(sector=["m", "m", "m", "s"]), None, KeyColumnError, "identify each row"),
        (BASE, pd.Series({"m": 10}), KeyColumnError, "no national total.*s"),
        (BASE, pd.Series({"m": 3.9, "s": 60}), DomainError, "together exceed the national total.*m"),
    ],
)
def test_bad_employment_is_named(df, totals, error, message):
    with pytest.raises(error, match=message):
        location_quotient(df, **KEYS, totals=totals)


@given(st.floats(0, 50), st.floats(0.001, 50))
def test_index_is_symmetric_and_its_quality_is_a_share(a, b):
    x, y = np.array([a]), np.array([b])
    for form in ("quality", "quality_depth"):
        assert coagglomeration(x, y, form=form)[0] == pytest.approx(coagglomeration(y, x, form=form)[0], rel=1e-12)
    quality = coagglomeration(x, y, form="quality")[0]
    assert 0 <= quality <= 1
    assert coagglomeration(x, y)[0] - quality == pytest.approx(a + b, abs=1e-9)


def test_index_by_hand():
    one = np.array([1.0])
    assert coagglomeration(one, one)[0] == 3
    assert coagglomeration(one, one, form="quality")[0] == 1
    assert coagglomeration(one, np.zeros(1), form="quality")[0] == 0


def test_shipped_index_follows_from_the_shipped_quotients(shipped):
    index = coagglomeration(shipped["lq_manufacturing"], shipped["lq_producer_services"])
    # the file holds six decimals of each
    np.testing.assert_allclose(index, shipped["coagglomeration"], atol=4e-6)


def test_bad_quotients_are_named():
    with pytest.raises(DomainError, match="form='depth' is not known"):
        coagglomeration(np.array([1.0]), np.array([1.0]), form="depth")
    with pytest.raises(DomainError, match="both location quotients are zero"):
        coagglomeration(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
    with pytest.raises(DomainError, match="negative"):
        coagglomeration(np.array([-1.0]), np.array([2.0]))
    with pytest.raises(MissingValueError):
        coagglomeration(np.array([np.nan]), np.array([2.0]))
    with pytest.raises(KeyColumnError, match="different indices"):
        coagglomeration(pd.Series([1.0]), pd.Series([1.0], index=[7]))


# division of labour ---------------------------------------------------------------------------------------------------

DIVISION = {
    "unit": "city",
    "time": "year",
    "cluster": "cluster",
    "services": "s",
    "manufacturing": "m",
    "central": "centre",
}


@st.composite
def divided_clusters(draw):
    n = draw(st.integers(1, 8))
    jobs = draw(st.lists(st.floats(1, 1e6), min_size=4 * n, max_size=4 * n))
    flags = draw(st.lists(st.booleans(), min_size=2 * n, max_size=2 * n))
    clusters = draw(st.lists(st.sampled_from("xyz"), min_size=n, max_size=n))
    df = pd.DataFrame({"city": [f"c{i}" for i in range(n)] * 2, "year": np.repeat([2008, 2009], n)})
    return df.assign(cluster=clusters * 2, s=jobs[: 2 * n], m=jobs[2 * n :], centre=flags)


@given(divided_clusters())
def test_central_index_weighted_by_manufacturing_is_one_over_the_cities_of_a_cluster(df):
    index = division_index(df.assign(centre=True), **DIVISION)
    of_cluster = df.groupby(["cluster", "year"])["m"]
    mean = (index * df["m"] / of_cluster.transform("sum")).groupby([df["cluster"], df["year"]]).sum()
    np.testing.assert_allclose(mean, 1, rtol=1e-12)


@given(divided_clusters())
def test_the_two_directions_are_reciprocal_and_each_city_has_its_own(df):
    central = division_index(df.assign(centre=1), **DIVISION)
    others = division_index(df.assign(centre=0), **DIVISION)
    np.testing.assert_allclose(central * others, 1, rtol=1e-12)
    exchanged = division_index(df.assign(centre=True), **{**DIVISION, "services": "m", "manufacturing": "s"})
    np.testing.assert_allclose(others, exchanged, rtol=1e-12)
    pd.testing.assert_series_equal(
        division_index(df, **DIVISION), central.where(df["centre"], others), check_exact=True
    )


@given(divided_clusters(), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_units_of_measure_and_other_periods_do_not_matter(df, scale, other_scale):
    index = division_index(df, **DIVISION)
    scaled = df.assign(s=df["s"] * scale, m=df["m"] * other_scale)
    np.testing.assert_allclose(division_index(scaled, **DIVISION), index, rtol=1e-9)
    year = df[df["year"] == 2009].sample(frac=1, random_state=0)
    np.testing.assert_allclose(division_index(year, **DIVISION), index[year.index], rtol=1e-12)


def test_division_by_hand_and_a_city_alone_is_its_cluster():
    df = pd.DataFrame({"city": list("abc"), "year": 2008, "cluster": list("xxy"), "s": [6, 2, 5], "m": [2, 6, 9]})
    assert division_index(df.assign(centre=[1, 0, 0]), **DIVISION).tolist() == pytest.approx([3, 3, 1], rel=1e-15)


DIVIDED = pd.DataFrame(
    {"city": list("ab"), "year": 2008, "cluster": "x", "s": [6.0, 2.0], "m": [2.0, 6.0], "centre": [True, False]}
)


@pytest.mark.parametrize(
    ("df", "error", "message"),
    [
        (DIVIDED.assign(s=[6, 0]), DomainError, "column 's': employment must be positive.*b 2008"),
        (DIVIDED.assign(m=[-1, 6]), DomainError, "column 'm': employment must be positive.*a 2008"),
        (DIVIDED.assign(m=[np.nan, 6]), MissingValueError, "a 2008"),
        (DIVIDED.assign(centre=["yes", "no"]), DomainError, "text where a number"),
        (DIVIDED.assign(centre=[0.5, 0]), DomainError, "neither 0 nor 1.*a 2008"),
        (DIVIDED.assign(city="a"), KeyColumnError, "identify each row"),
        (DIVIDED.assign(cluster=[None, "x"]), KeyColumnError, "a key may not be missing"),
    ],
)
def test_bad_divisions_are_named(df, error, message):
    with pytest.raises(error, match=message):
        division_index(df, **DIVISION)
