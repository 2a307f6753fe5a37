"""A simulation of p2 and a reader's own folder end in the same panel, made by the measures of the chapter."""

import numpy as np
import pandas as pd
import pytest

from regiometrics.chapters import CHAPTERS, SHIPPED_P2, growth_panel, load
from regiometrics.data.facts import eleven_clusters, producer_services
from regiometrics.data.files import data_file
from regiometrics.errors import DomainError, GroupSizeError, KeyColumnError, RegionError, UnbalancedPanelError
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.measure.efficiency import capital_stock
from regiometrics.simulate import p2

COLUMNS = ["city", "cluster", "central", "north", "core", "year", "population", "gdp_real", "so2", "capital"]
COLUMNS += ["hgdp", "ln_hgdp", "services", "manufacturing", "div", "ln_div", "disparity"]
COLUMNS += ["ln_fdi", "ln_gov", "ln_inv", "ln_edu", "trans", "ln_trans"]
SHIPPED_COLUMNS = ["city", "city_en", "city_zh", "cluster", "central", "north", "year"]
SHIPPED_COLUMNS += ["hgdp", "ln_hgdp", "div", "ln_div", "disparity"]
CLUSTERS = ["guanzhong_plain", "hohhot_baotou_ordos_yulin", "lanzhou_xining"]


@pytest.fixture(scope="module")
def simulated():
    return load("p2", "simulated", seed=5)


@pytest.fixture(scope="module")
def shipped():
    return load("p2")


@pytest.fixture(scope="module")
def few() -> dict[str, pd.DataFrame]:
    """Tables with three clusters, as a reader's own."""
    tables = p2.panel(seed=5).tables
    cities = tables["cities"][tables["cities"]["cluster"].isin(CLUSTERS)]
    kept = {p2.REFERENCE_CITY, *cities["city"]}
    return {name: table[table["city"].isin(kept)].reset_index(drop=True) for name, table in tables.items()}


@pytest.fixture
def folder(tmp_path, few):
    def write(**changed: pd.DataFrame):
        for name, table in {**few, **changed}.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


def test_the_chapter_names_its_tables_and_sources():
    chapter = CHAPTERS["p2"]
    assert chapter.sources == ("shipped", "simulated", "folder")
    assert chapter.tables == ("panel", *SHIPPED_P2)


def test_shipped_are_the_files_of_the_real_panel(shipped):
    assert (shipped.source, shipped.truth) == ("shipped", None)
    assert set(shipped.tables) == set(CHAPTERS["p2"].tables)
    folder = data_file("derived", "growth", "curve.csv").parent
    assert {path.name for path in folder.glob("*.csv")} == {path[-1] for path in SHIPPED_P2.values()}
    for name, path in SHIPPED_P2.items():
        rows = data_file(*path).read_text("utf-8").splitlines()
        assert len(shipped.tables[name]) == len(rows) - 1 and shipped.tables[name].attrs["source"] == "shipped"
    assert any(note.startswith("Haidong") for note in shipped.notes) and len(shipped.notes) == 2


def test_the_shipped_panel_joins_the_series_by_city_and_year(shipped):
    panel = shipped.tables["panel"]
    assert panel.columns.tolist() == SHIPPED_COLUMNS and len(panel) == 1560
    assert panel[["central", "north"]].dtypes.eq(bool).all() and panel["year"].dtype == int
    assert panel[["city", "year"]].apply(tuple, axis=1).is_monotonic_increasing
    missing = panel.isna().sum()
    assert missing[missing > 0].to_dict() == {"disparity": 240}
    assert panel["disparity"].isna().eq(panel["central"]).all()
    keyed = panel.rename(columns={"city": "adcode"}).set_index(["adcode", "year"])
    for table, column, name in [("efficiency", "global_crs_none", "hgdp"), ("division", "six", "div")]:
        series = shipped.tables[table].set_index(["adcode", "year"])[column]
        pd.testing.assert_series_equal(keyed[name], series.reindex(keyed.index), check_names=False)
    names = eleven_clusters().set_index("adcode")[["city", "city_zh", "cluster", "central", "north"]]
    own = panel.drop_duplicates("city").set_index("city")[["city_en", "city_zh", "cluster", "central", "north"]]
    assert own.to_numpy().tolist() == names.reindex(own.index).to_numpy().tolist()


def test_the_shipped_panel_gives_the_shipped_estimates(shipped):
    panel = shipped.tables["panel"]
    others = panel[~panel["central"]]
    estimates = shipped.tables["estimates"].query(
        "exhibit == 'table 1' and efficiency == 'global_crs_none' and controls == 'none' and effects == 'city and year'"
    )
    for column, rows, outcome in [("all", panel, "ln_hgdp"), ("gap", others, "disparity")]:
        fit = twfe(rows, outcome=outcome, regressors=["ln_div"], unit="city", time="year")
        kept = estimates.set_index("column").loc[column]
        assert kept["estimate"] == pytest.approx(fit.estimate["ln_div"], rel=1e-4)
        assert kept["std_error"] == pytest.approx(fit.std_error["ln_div"], rel=1e-4)


def test_other_columns_of_the_shipped_series(shipped):
    other = load("p2", efficiency="contemporaneous_vrs_input", division="four").tables["panel"]
    usual = shipped.tables["panel"]
    keys = other.rename(columns={"city": "adcode"})[["adcode", "year"]]
    scores, division = (keys.merge(shipped.tables[name], on=["adcode", "year"]) for name in ("efficiency", "division"))
    assert other["hgdp"].tolist() == scores["contemporaneous_vrs_input"].tolist()
    assert other["div"].tolist() == division["four"].tolist()
    assert not np.allclose(other["ln_div"], usual["ln_div"])
    assert not np.allclose(other["disparity"].dropna(), usual["disparity"].dropna())


def test_cities_without_a_score_are_left_out_and_named():
    bundle = load("p2", efficiency="global_vrs_none_prefectures")
    assert len(bundle.tables["panel"]) == 1520
    assert bundle.notes[-1] == "no score global_vrs_none_prefectures for Beijing, Tianjin, Shanghai, Chongqing"


def test_the_simulated_panel_has_the_planted_values(simulated):
    table = simulated.tables["panel"]
    assert table.columns.tolist() == COLUMNS
    assert (simulated.source, table.attrs["source"]) == ("simulated", "simulated")
    assert simulated.notes[0] == "SIMULATED DATA (seed 5)"
    assert set(simulated.tables) == {"city_year", "employment", "cities", "panel"}
    merged = table.merge(simulated.truth["cells"], on=["city", "year"], suffixes=("", "_planted"))
    assert len(merged) == len(table) == 1560
    for name in ("hgdp", "div"):
        np.testing.assert_allclose(merged[name], merged[f"{name}_planted"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(merged["capital"], merged["capital_planted"], rtol=1e-12)
    assert table[["central", "north", "core"]].dtypes.eq(bool).all() and table["year"].dtype == int
    assert table[["city", "year"]].apply(tuple, axis=1).is_monotonic_increasing
    missing = table.isna().sum()
    assert missing[missing > 0].to_dict() == {"disparity": 210, "trans": 210, "ln_trans": 210}


def test_the_panel_holds_the_tables_and_their_logs(simulated):
    table = simulated.tables["panel"].set_index(["city", "year"])
    levels, jobs = (
        simulated.tables[name].set_index(["city", "year"]).reindex(table.index) for name in ("city_year", "employment")
    )
    cities = simulated.tables["cities"].set_index("city").reindex(table.index.get_level_values("city"))
    controls = {"ln_fdi": "fdi", "ln_gov": "spending", "ln_inv": "investment", "ln_edu": "students"}
    for name, column in {**controls, "ln_hgdp": None, "ln_div": None, "ln_trans": None}.items():
        level = levels[column] if column else table[name.removeprefix("ln_")]
        np.testing.assert_allclose(table[name], np.log(level), rtol=1e-12)
    np.testing.assert_allclose(table["gdp_real"], levels["gdp"] / levels["gdp_deflator"], rtol=1e-12)
    np.testing.assert_allclose(table["services"], jobs[list("GIJKLM")].sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(table["manufacturing"], jobs[list("BCD")].sum(axis=1), rtol=1e-12)
    assert producer_services("p2") == tuple("GIJKLM")
    distance = cities["distance_to_centre"].to_numpy()
    outside = ~table["central"].to_numpy()
    np.testing.assert_allclose(table["trans"][outside], (distance * levels["freight"])[outside], rtol=1e-12)
    assert table["trans"][~outside].isna().all() and (distance[~outside] == 0).all()


def test_disparity_is_the_distance_to_the_mean_of_the_centres(simulated):
    table = simulated.tables["panel"].query("cluster == 'yangtze_river_delta' and year == 2012")
    centres = table.loc[table["central"], "hgdp"].mean()
    other = table[~table["central"]]
    np.testing.assert_allclose(other["disparity"], np.log(centres / other["hgdp"]), rtol=1e-12)
    assert table["central"].sum() == 4


def test_core_counts_the_centres_or_follows_the_populations(simulated):
    table = simulated.tables["panel"]
    by_centres = table.groupby("cluster")["core"].first()
    given = simulated.tables["cities"].groupby("cluster")["central"].sum() > 1
    assert by_centres.to_dict() == given.to_dict() and table.groupby("cluster")["core"].nunique().eq(1).all()
    by_size = growth_panel(simulated.tables, core="rank_size")
    polycentric = by_size[by_size["core"]]["cluster"].unique()
    assert set(polycentric) == {
        "beijing_tianjin_hebei",
        "hohhot_baotou_ordos_yulin",
        "lanzhou_xining",
        "harbin_changchun",
        "central_plains",
        "middle_yangtze",
    }
    pd.testing.assert_frame_equal(by_size.drop(columns="core"), table.drop(columns="core"), check_flags=False)


def test_a_folder_of_the_same_tables_gives_the_same_panel(tmp_path, simulated):
    for name in ("city_year", "employment", "cities"):
        simulated.tables[name].to_csv(tmp_path / f"{name}.csv", index=False)
    own = load("p2", tmp_path)
    table = own.tables["panel"]
    assert (own.source, table.attrs["source"], own.truth, own.notes) == ("user", "user", None, ())
    pd.testing.assert_frame_equal(table, simulated.tables["panel"], rtol=1e-9, check_dtype=False)


def test_cities_outside_the_clusters_count_to_the_frontier(folder, few):
    whole = load("p2", folder()).tables["panel"]
    assert p2.REFERENCE_CITY not in set(whole["city"]) and whole["hgdp"].max() < 1
    levels = few["city_year"][few["city_year"]["city"] != p2.REFERENCE_CITY]
    alone = load("p2", folder(city_year=levels)).tables["panel"]
    assert (alone["hgdp"] >= whole["hgdp"] - 1e-9).all() and alone["hgdp"].max() == pytest.approx(1)
    np.testing.assert_allclose(alone["div"], whole["div"], rtol=1e-12)


def test_division_needs_all_cities_of_a_cluster_and_no_others(folder, few, simulated):
    own = load("p2", folder()).tables["panel"]
    whole = simulated.tables["panel"]
    expected = whole[whole["cluster"].isin(CLUSTERS)].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected, rtol=1e-9, check_dtype=False)


@pytest.mark.parametrize("base", ["hall_jones", "zhang"])
def test_the_base_rule_moves_capital_and_efficiency(few, base):
    levels = few["city_year"]
    stock = capital_stock(
        levels, unit="city", time="year", investment="investment", deflator="investment_deflator", base=base
    ).to_frame()
    expected = levels[["city", "year"]].assign(expected=stock["capital"].to_numpy())
    changed, usual = growth_panel(few, base=base), growth_panel(few)
    merged = changed.merge(expected, on=["city", "year"])
    np.testing.assert_allclose(merged["capital"], merged["expected"], rtol=1e-12)
    gap = (changed["capital"] / usual["capital"] - 1).abs().groupby(usual["year"]).mean()
    assert gap[2008] > gap[2017] > 0 and not np.allclose(changed["hgdp"], usual["hgdp"])


def test_options_of_the_frontier(few):
    usual = growth_panel(few)["hgdp"]
    assert (growth_panel(few, returns="vrs")["hgdp"] >= usual - 1e-9).all()
    for option in ({"frontier": "contemporaneous"}, {"orientation": "input"}):
        other = growth_panel(few, **option)["hgdp"]
        assert (other >= usual - 1e-9).all() and not np.allclose(other, usual)


def test_an_absent_city_year_is_an_error(folder, few):
    levels = few["city_year"]
    place = folder(city_year=levels[(levels["city"] != "610300") | (levels["year"] != 2012)])
    with pytest.raises(UnbalancedPanelError, match="610300 2012"):
        load("p2", place)


def test_city_years_without_employment_can_be_left_out(folder, few):
    jobs = few["employment"]
    bundle = load("p2", folder(employment=jobs[(jobs["city"] != "610300") | (jobs["year"] != 2012)]), missing="drop")
    assert len(bundle.tables["panel"]) == 10 * few["cities"]["city"].nunique() - 1
    assert any("610300 2012" in note for note in bundle.notes)


def test_employment_without_manufacturing_is_refused(folder, few):
    jobs = few["employment"].copy()
    jobs.loc[(jobs["city"] == "610300") & (jobs["year"] == 2012), ["B", "C", "D"]] = 0
    with pytest.raises(DomainError, match="employment must be positive") as caught:
        load("p2", folder(employment=jobs))
    assert caught.value.keys == (("610300", 2012),)


def test_too_few_years_for_the_first_capital_stock(folder, few):
    place = folder(city_year=few["city_year"].query("year < 2013"), employment=few["employment"].query("year < 2013"))
    with pytest.raises(GroupSizeError):
        load("p2", place)


@pytest.mark.parametrize(
    ("options", "answer"),
    [
        ({"efficiency": "vrs"}, "shipped efficiency has no column 'vrs'.*choose among global_crs_none, "),
        ({"efficiency": "year"}, "shipped efficiency has no column 'year'"),
        ({"division": "seven"}, "shipped division has no column 'seven'.*six, five, four, alone, repaired"),
        ({"source": "simulated", "division": "five"}, "options of the shipped series.*growth_panel"),
        ({"source": "nowhere"}, "neither 'shipped' nor 'simulated' nor a folder"),
        ({"clusters": "guanzhong_plain"}, "p2 has no option clusters"),
        ({"services": "p3_usual"}, "p2 has no option services"),
    ],
)
def test_options_that_the_chapter_does_not_have(options, answer):
    with pytest.raises(RegionError, match=answer):
        load("p2", **options)


def test_an_unknown_core_is_refused(few):
    with pytest.raises(DomainError, match="core"):
        growth_panel(few, core="given")


def test_a_table_that_is_not_there(few):
    with pytest.raises(KeyColumnError, match="'so2' is not in the table"):
        growth_panel({**few, "city_year": few["city_year"].drop(columns="so2")})


def test_the_tables_that_go_in_are_not_changed(few):
    before = {name: table.copy(deep=True) for name, table in few.items()}
    growth_panel(few)
    for name, table in few.items():
        pd.testing.assert_frame_equal(table, before[name])


def test_a_city_without_every_year_of_inputs_is_left_out_whole_where_that_is_asked_for(folder, few):
    levels = few["city_year"]
    gap = (levels["city"] == "610300") & (levels["year"] == 2012)
    place = folder(city_year=levels[~gap])
    with pytest.raises(UnbalancedPanelError, match="610300 2012"):
        load("p2", place)
    bundle = load("p2", place, missing="drop")
    assert "610300" not in set(bundle.tables["panel"]["city"])
    assert len(bundle.tables["panel"]) == 10 * (few["cities"]["city"].nunique() - 1)
    assert any("left out for want of a year in 'city_year'" in note and "610300" in note for note in bundle.notes)
