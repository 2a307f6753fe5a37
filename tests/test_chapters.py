"""Every source of p3 ends in the same table, and the own-data route returns what the project ships."""

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from regiometrics.chapters import CHAPTERS, coagglomeration_series, load
from regiometrics.data.facts import SECTIONS, clusters
from regiometrics.data.files import data_file
from regiometrics.data.schemas import read_tables
from regiometrics.errors import DomainError, GroupSizeError, RegionError, UnbalancedPanelError
from regiometrics.simulate import p3

COLUMNS = ["cluster", "cluster_zh", "city", "city_zh", "adcode", "year"]
VALUES = ["lq_manufacturing", "lq_producer_services", "coagglomeration"]


@pytest.fixture(scope="module")
def simulated():
    return p3.panel(seed=5)


@pytest.fixture
def folder(tmp_path, simulated):
    """The simulated tables as a reader's own files."""

    def write(**changed: pd.DataFrame):
        for name, table in {**simulated.tables, **changed}.items():
            table.to_parquet(tmp_path / f"{name}.parquet")
        return tmp_path

    return write


def test_five_chapters():
    assert list(CHAPTERS) == ["p1", "p2", "p3", "p4", "p5"]
    for chapter in CHAPTERS.values():
        assert chapter.name.startswith(chapter.id) and len(chapter.authors) == len(chapter.authors_zh)
        assert data_file("published", chapter.name, "in_text.csv").is_file()


def test_the_shipped_table_is_the_file():
    bundle = load("p3")
    table = bundle.tables["coagglomeration"]
    assert table.columns.tolist() == [*COLUMNS, *VALUES, "total_mismatch"]
    assert (bundle.source, table.attrs["source"], bundle.truth) == ("shipped", "shipped", None)
    file = pd.read_csv(
        data_file("derived", "coagglomeration_138_cities_2004_2018.csv"), dtype={"adcode": str, "total_mismatch": bool}
    )
    order = ["cluster", "adcode", "year"]
    pd.testing.assert_frame_equal(table.sort_values(order, ignore_index=True)[file.columns], file, check_dtype=False)
    assert bundle.notes == ("no value for Suzhou (Anhui) (宿州) in 2017",)


def test_the_city_names_identify_the_cities():
    table = load("p3").tables["coagglomeration"]
    assert not table.duplicated(["city", "year"]).any()
    assert table.groupby("city")["adcode"].nunique().eq(1).all()


def test_another_membership_lists_the_city_that_has_no_series():
    bundle = load("p3", members="plans")
    assert bundle.notes[0] == "no value for Hengshui (衡水) in any year"
    sizes = bundle.tables["coagglomeration"].query("year == 2010").groupby("cluster", sort=False).size()
    assert sizes.tolist() == [12, 26, 9, 28, 16, 11, 10, 29]


def test_every_source_ends_in_the_same_columns(folder):
    tables = [load("p3", source).tables["coagglomeration"] for source in ("shipped", "simulated", folder())]
    assert all(table.columns.tolist()[:9] == [*COLUMNS, *VALUES] for table in tables)
    assert [table.attrs["source"] for table in tables] == ["shipped", "simulated", "user"]
    for table in tables:
        assert table["cluster"].unique().tolist() == clusters()["cluster"].unique().tolist()
        assert not table.duplicated(["adcode", "year"]).any()


@pytest.mark.parametrize("seed", [0, 11])
def test_the_chain_returns_the_planted_index(seed):
    bundle = load("p3", "simulated", seed=seed)
    merged = bundle.tables["coagglomeration"].merge(
        bundle.truth["cities"], left_on=["adcode", "year"], right_on=["unit", "time"], suffixes=("", "_planted")
    )
    assert len(merged) == 138 * 15
    for value in VALUES:
        np.testing.assert_allclose(merged[value], merged[f"{value}_planted"], rtol=0, atol=1e-9)


def test_services_of_the_simulation_carry_the_planted_quotient():
    bundle = load("p3", "simulated", services="p3_usual")
    merged = bundle.tables["coagglomeration"].merge(
        bundle.truth["cities"], left_on=["adcode", "year"], right_on=["unit", "time"], suffixes=("", "_planted")
    )
    np.testing.assert_allclose(merged["coagglomeration"], merged["coagglomeration_planted"], rtol=0, atol=1e-9)


def test_the_country_is_the_sum_of_the_cities_unless_given(folder, simulated):
    employment = simulated.tables["employment"]
    whole = load("p3", folder()).tables["coagglomeration"]
    national = employment.groupby("year", as_index=False)[list(SECTIONS)].sum()
    cities_only = employment[employment["city"] != p3.REST_OF_COUNTRY]
    given = load("p3", folder(employment=cities_only, national=national)).tables["coagglomeration"]
    pd.testing.assert_frame_equal(given, whole)


def test_quotients_do_not_depend_on_the_clusters_that_are_kept():
    whole = load("p3", "simulated").tables["coagglomeration"]
    kept = load("p3", "simulated", clusters="guanzhong_plain").tables["coagglomeration"]
    expected = whole[whole["cluster"] == "guanzhong_plain"].reset_index(drop=True)
    pd.testing.assert_frame_equal(kept, expected)
    assert kept.attrs["source"] == "simulated"


def test_names_fall_back_to_the_known_ones_and_to_the_code(folder, simulated):
    cities = simulated.tables["cities"][["city", "cluster"]].replace({"cluster": {"central_plains": "plains"}})
    cities = pd.concat([cities, pd.DataFrame({"city": [p3.REST_OF_COUNTRY], "cluster": ["rest"]})])
    table = load("p3", folder(cities=cities)).tables["coagglomeration"].drop_duplicates("adcode").set_index("adcode")
    assert table.loc["110000", ["city", "city_zh", "cluster_zh"]].tolist() == ["Beijing", "北京", "京津冀"]
    assert table.loc["410100", ["city", "cluster", "cluster_zh"]].tolist() == ["Zhengzhou", "plains", ""]
    assert table.loc[p3.REST_OF_COUNTRY, ["city", "city_zh"]].tolist() == [p3.REST_OF_COUNTRY, ""]


def test_an_absent_city_year_is_an_error_or_a_note(folder, simulated):
    place = folder(employment=simulated.tables["employment"].iloc[1:])
    with pytest.raises(UnbalancedPanelError, match="110000 2004"):
        load("p3", place)
    bundle = load("p3", place, missing="drop")
    assert len(bundle.tables["coagglomeration"]) == 138 * 15 - 1
    assert any("110000 2004" in note for note in bundle.notes)


def test_one_empty_industry_is_fine_and_two_are_not(folder, simulated):
    employment = simulated.tables["employment"].copy()
    employment.loc[0, "C"] = 0
    row = load("p3", folder(employment=employment)).tables["coagglomeration"].iloc[0]
    assert row["lq_manufacturing"] == 0 and row["coagglomeration"] == pytest.approx(row["lq_producer_services"])
    employment.loc[0, ["I", "J", "L", "M"]] = 0
    with pytest.raises(DomainError, match="neither manufacturing nor producer services") as caught:
        load("p3", folder(employment=employment))
    assert caught.value.keys == (("110000", 2004),)


def test_a_city_outside_the_clusters_may_have_neither(folder, simulated):
    employment = simulated.tables["employment"].copy()
    employment.loc[employment["city"] == p3.REST_OF_COUNTRY, ["C", "I", "J", "L", "M"]] = 0
    assert len(load("p3", folder(employment=employment)).tables["coagglomeration"]) == 138 * 15


@pytest.mark.parametrize("source", ["shipped", "simulated"])
@pytest.mark.parametrize("wanted", ["pearl", ["guanzhong_plain", "pearl"]])
def test_an_unknown_cluster_is_answered_with_the_known_ones(source, wanted):
    with pytest.raises(GroupSizeError, match=r"pearl\).*choose among beijing_tianjin_hebei, yangtze") as caught:
        load("p3", source, clusters=wanted)
    assert caught.value.keys == ("pearl",)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"chapter": "p9"}, "chapters: p1, p2, p3, p4, p5"),
        ({"chapter": "p5", "source": "simulated", "seed": [1]}, "write a whole number"),
        ({"source": "nowhere"}, "neither 'shipped' nor 'simulated' nor a folder"),
        ({"services": "all"}, "p3_recovered"),
        ({"services": ["J", "Z"]}, "no section of services: 'Z'"),
        ({"services": ["C"]}, "no section of services: 'C'"),
        ({"services": []}, "none given"),
        ({"services": "p3_usual"}, "the shipped series stands on"),
        ({"members": "all"}, "plans_disjoint"),
        ({"members": "plans", "source": "simulated"}, "option of the shipped series"),
        ({"clusters": []}, "no cluster is named"),
        ({"efficiency": "global_vrs_none"}, "p3 has no option efficiency.*belongs to p2"),
    ],
)
def test_options_that_a_source_does_not_have(options, answer):
    with pytest.raises(RegionError, match=answer):
        load(**{"chapter": "p3", **options})


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_simulation_that_was_changed_is_whole_when_it_is_loaded_again(chapter):
    first = load(chapter, "simulated", seed=3)
    before = {name: table.copy() for name, table in first.tables.items()}
    for table in first.tables.values():
        table.insert(0, "added", 1)
        table.attrs.clear()
    again = load(chapter, "simulated", seed=3)
    for name, table in again.tables.items():
        assert_frame_equal(table, before[name])
        assert table.attrs == {"source": "simulated"}


def test_the_tables_that_go_in_are_not_changed(simulated):
    employment, cities = (simulated.tables[name].copy(deep=True) for name in ("employment", "cities"))
    before = employment.copy(deep=True), cities.copy(deep=True)
    coagglomeration_series(employment, cities, services=["J"])
    pd.testing.assert_frame_equal(employment, before[0])
    pd.testing.assert_frame_equal(cities, before[1])


@pytest.fixture(scope="module")
def script(root) -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "derived" / "make_coagglomeration.py")))


@pytest.fixture(scope="module")
def yearbook(sources, script) -> pd.DataFrame:
    path = sources.joinpath(*script.WORKBOOK)
    if not path.is_file():
        pytest.skip(f"{'/'.join(script.WORKBOOK)} is not in REGIOMETRICS_SOURCES")
    return script.read_workbook(path)


@pytest.mark.sources
def test_the_yearbook_as_own_data_returns_the_shipped_series(yearbook, script, tmp_path):
    script.write_folder(yearbook, tmp_path)
    own = load("p3", tmp_path, missing="drop").tables["coagglomeration"]
    shipped = load("p3").tables["coagglomeration"]
    pd.testing.assert_frame_equal(own[COLUMNS], shipped[COLUMNS])
    assert len(own) == 2069
    assert (own[VALUES] - shipped[VALUES]).abs().to_numpy().max() <= 0.5e-6 * (1 + 1e-6)


@pytest.mark.sources
def test_the_series_is_rebuilt_byte_for_byte(yearbook, script, tmp_path):
    script.series(yearbook, tmp_path).to_csv(tmp_path / script.SERIES, index=False, lineterminator="\n")
    assert (tmp_path / script.SERIES).read_bytes() == data_file("derived", script.SERIES).read_bytes()


@pytest.mark.sources
def test_the_yearbook_lacks_city_years_and_says_so(yearbook, script, tmp_path):
    script.write_folder(yearbook, tmp_path)
    with pytest.raises(UnbalancedPanelError) as caught:
        load("p3", tmp_path)
    assert ("341300", 2017) in caught.value.keys
    tables, notes = read_tables("p3", tmp_path, missing="drop")
    assert len(tables["employment"]) == len(yearbook) and len(notes) == 1


@pytest.mark.sources
def test_the_yearbook_in_its_own_unit_is_recognised(yearbook, script, tmp_path):
    script.write_folder(yearbook, tmp_path)
    in_ten_thousands = yearbook.assign(**(yearbook[list(SECTIONS)] / script.PERSONS))
    in_ten_thousands.to_csv(tmp_path / "employment.csv", index=False)
    with pytest.raises(DomainError, match="10,000 persons") as caught:
        load("p3", tmp_path, missing="drop")
    assert caught.value.n_rows == len(yearbook)


def test_another_workbook_is_refused(script, tmp_path):
    (tmp_path / "other.xlsx").write_bytes(b"other")
    with pytest.raises(SystemExit, match="another file"):
        script.read_workbook(tmp_path / "other.xlsx")
