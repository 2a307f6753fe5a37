"""A simulation of p4 and a reader's own folder end in the same tables; left out are whole industries and years."""

import pandas as pd
import pytest

from regiometrics.chapters import CHAPTERS, SHIPPED_P4, load
from regiometrics.data.facts import manufacturing_sectors
from regiometrics.data.files import data_file
from regiometrics.errors import DataProblems, DomainError, KeyColumnError, RegionError, UnbalancedPanelError

TABLES = ["province_industry", "hightech", "regions", "intensity"]
INDUSTRIES = ["13", "16", "25", "31", "40"]
PROVINCES = ["310000", "320000", "330000"]
YEARS = [2010, 2011, 2012, 2013]
KEYS = ["province", "industry", "year"]


@pytest.fixture
def few() -> dict[str, pd.DataFrame]:
    """Tables of one cluster, as a reader's own."""
    rows = pd.MultiIndex.from_product([PROVINCES, INDUSTRIES, YEARS], names=KEYS).to_frame(index=False)
    regions = pd.DataFrame({"province": PROVINCES, "cluster": "delta"})
    return {"province_industry": rows.assign(output=100.0 + rows.index), "regions": regions}


@pytest.fixture
def folder(tmp_path, few):
    def write(**changed: pd.DataFrame):
        for name, table in {**few, **changed}.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


def without(table: pd.DataFrame, *cells: tuple[str, str, int]) -> pd.DataFrame:
    return table[~pd.MultiIndex.from_frame(table[KEYS]).isin(cells)]


def test_the_chapter_names_its_tables_and_sources():
    chapter = CHAPTERS["p4"]
    assert chapter.sources == ("shipped", "simulated", "folder")
    assert chapter.tables == (*TABLES, *SHIPPED_P4)


def test_shipped_are_the_files():
    bundle = load("p4")
    assert (bundle.source, bundle.truth, list(bundle.tables)) == ("shipped", None, list(SHIPPED_P4))
    for name, path in SHIPPED_P4.items():
        rows = data_file(*path).read_text("utf-8").splitlines()
        assert len(bundle.tables[name]) == len(rows) - 1 and bundle.tables[name].attrs["source"] == "shipped"
    derived = data_file("derived", "specialization", "provinces.csv").parent
    kept = {path[-1] for path in SHIPPED_P4.values() if path[:-1] == ("derived", "specialization")}
    assert {path.name for path in derived.glob("*.csv")} == kept


def test_codes_of_the_shipped_tables_are_text():
    tables = load("p4").tables
    places = ["adcode", "city_a", "city_b", "province", "province_a", "province_b"]
    for name, table in tables.items():
        for column in set(places) & set(table):
            assert table[column].dropna().str.fullmatch(r"\d{6}").all(), (name, column)
    assert set(tables["fitted_structure"]["industry"]) == set(manufacturing_sectors().query("in_p4")["industry"])


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_simulated_tables_load_back_from_a_folder(tmp_path, suffix):
    simulated = load("p4", "simulated", seed=3)
    assert simulated.source == "simulated" and set(TABLES) <= set(simulated.tables) and simulated.truth
    for name in TABLES:
        table, path = simulated.tables[name], tmp_path / f"{name}.{suffix}"
        table.to_csv(path, index=False) if suffix == "csv" else table.to_parquet(path)
    own = load("p4", tmp_path)
    assert (own.source, own.notes, own.truth, list(own.tables)) == ("user", (), None, TABLES)
    for name in TABLES:
        pd.testing.assert_frame_equal(own.tables[name], simulated.tables[name], check_dtype=False, check_like=True)
        assert own.tables[name].attrs["source"] == "user"


def test_a_seed_makes_the_simulation():
    first, again, other = (load("p4", "simulated", seed=seed).tables["province_industry"] for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_a_folder_without_classes_has_those_of_the_facts(folder, few):
    tables = load("p4", folder()).tables
    assert list(tables) == ["province_industry", "regions", "intensity"]
    classes, known = tables["intensity"].set_index("industry")["class"], manufacturing_sectors().set_index("industry")
    assert classes.to_dict() == known["intensity_a"].dropna().to_dict() and len(classes) == 28
    pd.testing.assert_frame_equal(tables["province_industry"], few["province_industry"], check_dtype=False)


def test_own_classes_replace_those_of_the_facts(folder):
    own = pd.DataFrame({"industry": INDUSTRIES, "class": "labour"})
    pd.testing.assert_frame_equal(load("p4", folder(intensity=own)).tables["intensity"], own, check_dtype=False)


@pytest.mark.parametrize(
    ("cells", "industries", "years"),
    [
        ([("310000", "16", 2011)], ["13", "25", "31", "40"], YEARS),
        ([("310000", "16", 2011), ("320000", "16", 2013)], ["13", "25", "31", "40"], YEARS),
        ([("310000", "16", 2011), ("320000", "31", 2013)], ["13", "25", "40"], YEARS),
        ([("310000", industry, 2011) for industry in INDUSTRIES], INDUSTRIES, [2010, 2012, 2013]),
        ([("310000", "16", 2011), ("310000", "31", 2011)], INDUSTRIES, [2010, 2012, 2013]),
    ],
)
def test_an_absent_cell_takes_its_industry_or_its_year_with_it(folder, few, cells, industries, years):
    place = folder(province_industry=without(few["province_industry"], *cells))
    with pytest.raises(UnbalancedPanelError, match="a province has no row of an industry") as caught:
        load("p4", place)
    assert set(caught.value.keys) == set(cells)
    bundle = load("p4", place, missing="drop")
    kept = few["province_industry"].query("industry in @industries and year in @years").reset_index(drop=True)
    pd.testing.assert_frame_equal(bundle.tables["province_industry"], kept, check_dtype=False)
    gone = [f"industry {i}" for i in INDUSTRIES if i not in industries] + [f"year {y}" for y in YEARS if y not in years]
    _, note = bundle.notes
    assert note == f"left out of 'province_industry', so that each year has the same industries: {', '.join(gone)}"


def test_a_missing_value_takes_its_industry_with_it(folder, few):
    made = few["province_industry"]
    hole = made.assign(output=made["output"].where(made.index != 0))
    bundle = load("p4", folder(province_industry=hole), missing="drop")
    assert sorted(bundle.tables["province_industry"]["industry"].unique()) == ["16", "25", "31", "40"]
    assert bundle.notes[-1].endswith("industry 13") and len(bundle.notes) == 2


def test_the_high_tech_table_is_completed_on_its_own(folder, few):
    sold = (
        few["province_industry"].rename(columns={"output": "revenue"}).assign(industry=lambda df: "h" + df["industry"])
    )
    bundle = load("p4", folder(hightech=without(sold, ("310000", "h25", 2010))), missing="drop")
    assert list(bundle.tables) == ["province_industry", "hightech", "regions", "intensity"]
    assert len(bundle.tables["province_industry"]) == len(few["province_industry"])
    assert sorted(bundle.tables["hightech"]["industry"].unique()) == ["h13", "h16", "h31", "h40"]
    assert "'hightech'" in bundle.notes[-1]


def test_a_province_whose_cluster_is_missing_is_left_out_and_noted(folder, few):
    bundle = load("p4", folder(regions=few["regions"].assign(cluster=["delta", "delta", None])), missing="drop")
    assert set(bundle.tables["province_industry"]["province"]) == {"310000", "320000"}
    assert bundle.notes[-1] == "left out of 'province_industry', for `regions` has no cluster of them: 330000"


def test_nothing_is_left_out_of_complete_tables(folder, few):
    bundle = load("p4", folder(), missing="drop")
    assert bundle.notes == ()
    pd.testing.assert_frame_equal(bundle.tables["province_industry"], few["province_industry"], check_dtype=False)


def test_provinces_that_share_no_year_leave_nothing(folder, few):
    made = few["province_industry"]
    apart = made[made["province"].map(dict(zip(PROVINCES, YEARS, strict=False))) == made["year"]]
    with pytest.raises(UnbalancedPanelError, match="no industry and no year is there in all provinces"):
        load("p4", folder(province_industry=apart.assign(output=9e3)), missing="drop")


def test_breaks_and_bad_values_are_errors_whatever_is_missing(folder, few):
    made = few["province_industry"]
    with pytest.raises(KeyColumnError, match="industries without a row in some of the years"):
        load("p4", folder(province_industry=made[(made["industry"] != "16") | (made["year"] > 2011)]), missing="drop")
    with pytest.raises(DomainError, match="negative values"):
        load("p4", folder(province_industry=made.assign(output=-made["output"])), missing="drop")


def test_all_problems_of_a_folder_come_at_once(folder, few):
    bad = few["province_industry"].assign(output=lambda df: df["output"].where(df.index != 0, -1.0))
    place = folder(province_industry=without(bad, ("320000", "40", 2010)), regions=few["regions"].iloc[:2])
    with pytest.raises(DataProblems) as caught:
        load("p4", place)
    assert {type(problem) for problem in caught.value.problems} == {DomainError, KeyColumnError, UnbalancedPanelError}


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"clusters": "yangtze_river_delta"}, "p4 has no option clusters.*belongs to p3"),
        ({"division": "four"}, "p4 has no option division.*belongs to p2"),
        ({"source": "nowhere"}, "neither 'shipped' nor 'simulated' nor a folder"),
    ],
)
def test_options_that_the_chapter_does_not_have(options, answer):
    with pytest.raises(RegionError, match=answer):
        load("p4", **options)
