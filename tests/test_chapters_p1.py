"""Every source of p1 that has industries and trade ends in the same panel, and its outcome is the planted path."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.chapters import CHAPTERS, LOGGED, MEDIATORS, SHIPPED_P1, enlargement_panel, load
from regiometrics.data.files import data_file
from regiometrics.errors import DomainError, KeyColumnError, MissingValueError, RegionError, UnbalancedPanelError
from regiometrics.measure.sophistication import decompose_sophistication
from regiometrics.simulate import p1

KEYS = ["county", "city", "province", "type", "group", "second_wave", "year"]
OUTCOMES = ["soph", "soph_employment", "soph_capital"]
PREDICTORS = ["ln_pergdp", "urban", "infra", "gov", "finan", "human", "ln_density"]
MEDIATED = [LOGGED.get(name, name) for name in MEDIATORS]


@pytest.fixture(scope="module")
def simulated():
    return load("p1", "simulated", seed=5)


@pytest.fixture(scope="module")
def few() -> dict[str, pd.DataFrame]:
    """Tables with every sixth county, as a reader's own."""
    tables = p1.panel(seed=5).tables
    counties = tables["counties"].iloc[::6]
    kept = {
        name: table[table["county"].isin(counties["county"])] if "county" in table else table
        for name, table in tables.items()
    }
    return {name: table.reset_index(drop=True) for name, table in kept.items()}


@pytest.fixture
def folder(tmp_path, few):
    def write(**changed: pd.DataFrame):
        for name, table in {**few, **changed}.items():
            table.to_parquet(tmp_path / f"{name}.parquet")
        return tmp_path

    return write


def test_the_chapter_names_its_tables_and_sources():
    chapter = CHAPTERS["p1"]
    assert chapter.sources == ("shipped", "simulated", "folder")
    assert set(chapter.tables) == {"panel", "complexity", *SHIPPED_P1}


def test_the_simulated_panel_has_the_planted_path(simulated):
    table = simulated.tables["panel"]
    assert table.columns.tolist() == [*KEYS, *OUTCOMES, *PREDICTORS, *MEDIATED, "did"]
    assert (simulated.source, table.attrs["source"]) == ("simulated", "simulated")
    assert simulated.notes[0] == "SIMULATED DATA (seed 5)"
    merged = table.merge(simulated.truth["cells"], on=["county", "year"], suffixes=("", "_planted"))
    assert len(merged) == len(table) == 197 * 14
    np.testing.assert_allclose(merged["soph"], merged["soph_planted"], rtol=0, atol=1e-10)
    for name in ("did", "group", "type", "second_wave"):
        assert merged[name].eq(merged[f"{name}_planted"]).all()
    assert table["second_wave"].dtype == bool and table["did"].sum() == 99 * 4 and not table.isna().any(axis=None)
    assert table[["county", "year"]].apply(tuple, axis=1).is_monotonic_increasing


def test_the_complexity_is_the_planted_one(simulated):
    complexity = simulated.tables["complexity"]
    assert complexity.columns.tolist() == ["industry", "complexity"]
    planted = simulated.truth["complexity"]
    pd.testing.assert_frame_equal(complexity, planted, rtol=1e-12)
    share = simulated.tables["county_industry"].query("year == 2009 and county == '320581'")
    mean = np.average(share["industry"].map(complexity.set_index("industry")["complexity"]), weights=share["output"])
    cell = simulated.tables["panel"].query("year == 2009 and county == '320581'")
    assert cell["soph"].item() == pytest.approx(mean, abs=1e-12)


def test_predictors_and_mediators_are_levels_or_their_logs(simulated):
    table = simulated.tables["panel"].set_index(["county", "year"])
    levels = simulated.tables["county_year"].set_index(["county", "year"]).reindex(table.index)
    np.testing.assert_allclose(np.exp(table["ln_pergdp"]), levels["pergdp"], rtol=1e-12)
    np.testing.assert_allclose(1e4 / np.exp(table["ln_density"]), levels["density"], rtol=1e-12)
    for name, level in {"urban": "urban", "infra": "infra", "gov": "gov", "finan": "finance", "human": "human"}.items():
        np.testing.assert_array_equal(table[name], levels[level])
    assert table["ln_density"].mean() == pytest.approx(3.135, abs=0.001)  # as printed: km² per 10,000 persons
    given = simulated.tables["mediators"].set_index(["county", "year"]).reindex(table.index)
    for name in MEDIATORS:
        expected = np.log(given[name]) if name in LOGGED else given[name]
        np.testing.assert_array_equal(table[LOGGED.get(name, name)], expected)


def test_the_change_of_sophistication_can_be_decomposed_from_the_tables(simulated):
    complexity = simulated.tables["complexity"].set_index("industry")["complexity"]
    parts = decompose_sophistication(
        simulated.tables["county_industry"],
        unit="county",
        time="year",
        industry="industry",
        value="output",
        complexity=complexity,
    )
    change = simulated.tables["panel"].set_index(["county", "year"])["soph"].groupby("county").diff().dropna()
    assert len(parts) == len(change) == 197 * 13


def test_own_data_end_in_the_same_panel(folder, few, simulated):
    bundle = load("p1", folder())
    own, whole = bundle.tables["panel"], simulated.tables["panel"]
    assert (bundle.source, own.attrs["source"], bundle.truth, bundle.notes) == ("user", "user", None, ())
    expected = whole[whole["county"].isin(few["counties"]["county"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected)
    assert set(bundle.tables) == {*few, "panel", "complexity"}


def test_counties_outside_the_table_of_counties_stay_out(folder, few):
    kept = few["counties"].iloc[:5]
    table = load("p1", folder(counties=kept)).tables["panel"]
    assert set(table["county"]) == set(kept["county"]) and len(table) == 5 * 14


def test_optional_tables_and_columns_may_be_absent(tmp_path, few):
    tables = {name: table for name, table in few.items() if name != "mediators"}
    tables["county_industry"] = few["county_industry"].drop(columns="capital")
    tables["counties"] = few["counties"][["county", "city", "province", "type", "group"]]
    for name, table in tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
    columns = [name for name in [*KEYS, *OUTCOMES, *PREDICTORS, "did"] if name not in ("soph_capital", "second_wave")]
    assert load("p1", tmp_path).tables["panel"].columns.tolist() == columns


def test_an_empty_cell_of_a_mediator_stays_empty(folder, few):
    gaps = few["mediators"].assign(
        retail_per_head=few["mediators"]["retail_per_head"].where(few["mediators"].index > 2)
    )
    table = load("p1", folder(mediators=gaps)).tables["panel"]
    assert table["ln_retail_per_head"].isna().sum() == 3 and table["soph"].notna().all()


def test_weights_of_the_concordance_count(folder, few):
    weight = np.random.default_rng(0).uniform(0.5, 2, len(few["concordance"]))
    plain, weighed = (
        load("p1", folder(concordance=few["concordance"].assign(**extra))).tables["complexity"]["complexity"]
        for extra in ({}, {"weight": weight})
    )
    assert 0 < np.abs(plain - weighed).max() < 3


def test_products_without_an_industry_count_in_the_totals_and_are_noted(folder, few):
    rows = few["concordance"]
    several = rows.groupby("industry")["hs6"].transform("size") > 1
    gone = rows[several].iloc[[0]]
    bundle = load("p1", folder(concordance=rows.drop(gone.index)))
    trade = few["trade"]
    share = trade.loc[trade["hs6"].isin(gone["hs6"]), "exports"].sum() / trade["exports"].sum()
    assert bundle.notes == (f"1 products without an industry, {share:.1%} of all exports",)
    whole = load("p1", folder()).tables["complexity"]["complexity"]
    changed = np.abs(whole - bundle.tables["complexity"]["complexity"]) > 1e-9
    assert changed.sum() == 1


def test_shipped_are_the_published_example_and_prody():
    bundle = load("p1")
    assert (bundle.source, bundle.truth, set(bundle.tables)) == ("shipped", None, set(SHIPPED_P1))
    for name, path in SHIPPED_P1.items():
        rows = data_file(*path).read_text("utf-8").splitlines()
        assert len(bundle.tables[name]) == len(rows) - 1 and bundle.tables[name].attrs["source"] == "shipped"
    assert {"state", "year", "cigsale"} <= set(bundle.tables["prop99"])
    assert bundle.tables["prody"]["sitc"].str.fullmatch(r"\w{4}").all()


@pytest.mark.parametrize(
    ("change", "error", "problem"),
    [
        (lambda made: made.assign(output=made["output"].where(made.index != 3)), MissingValueError, "missing"),
        (lambda made: made.assign(output=-made["output"]), DomainError, "negative"),
        (lambda made: pd.concat([made, made.iloc[[0]]]), KeyColumnError, "must identify each row"),
        (lambda made: made.replace({"industry": {made["industry"].iloc[0]: "0000"}}), KeyColumnError, "complexity"),
    ],
)
def test_industries_without_a_sophistication(few, simulated, change, error, problem):
    complexity = simulated.tables["complexity"].set_index("industry")["complexity"]
    with pytest.raises(error, match=problem):
        enlargement_panel(change(few["county_industry"]), few["county_year"], few["counties"], complexity=complexity)


def test_an_absent_county_year_is_an_error_or_a_note(folder, few):
    first = few["county_year"].iloc[0]
    place = folder(county_year=few["county_year"].iloc[1:])
    with pytest.raises(UnbalancedPanelError, match=f"{first['county']} 2000"):
        load("p1", place)
    bundle = load("p1", place, missing="drop")
    assert len(bundle.tables["panel"]) == len(few["county_year"]) - 1
    assert any(f"{first['county']} 2000" in note for note in bundle.notes)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"clusters": "yangtze_river_delta"}, "p1 has no option clusters"),
        ({"services": "p3_usual", "members": "plans"}, "p1 has no option services, members"),
        ({"source": "nowhere"}, "neither 'shipped' nor 'simulated' nor a folder"),
    ],
)
def test_options_that_the_chapter_does_not_have(options, answer):
    with pytest.raises(RegionError, match=answer):
        load("p1", **options)


def test_the_tables_that_go_in_are_not_changed(few, simulated):
    before = {name: table.copy(deep=True) for name, table in few.items()}
    complexity = simulated.tables["complexity"].set_index("industry")["complexity"]
    tables = (few[name] for name in ("county_industry", "county_year", "counties"))
    enlargement_panel(*tables, complexity=complexity, mediators=few["mediators"])
    for name, table in few.items():
        pd.testing.assert_frame_equal(table, before[name])
