"""The real panel of p2: how its sources are read, what is kept of them, and that the files still come out the same."""

from __future__ import annotations

import runpy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from regiometrics.data.facts import eleven_clusters
from regiometrics.data.files import data_file
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.measure.efficiency import sbm
from regiometrics.measure.hierarchy import disparity


@pytest.fixture(scope="module")
def script(root):
    folder = root / "data" / "derived"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # scripts of this folder import each other
        return SimpleNamespace(**runpy.run_path(str(folder / "make_balanced_growth.py")))


@pytest.fixture(scope="module")
def panel(script, sources):
    return script.panel(sources)


def growth(name: str) -> pd.DataFrame:
    return pd.read_csv(data_file("derived", "growth", name), dtype={"adcode": str})


def stacked_sheet() -> pd.DataFrame:
    rows = [
        ["capital stock (at 1997 price)", 2016, 2017, 2017],  # the last year is 2018, and so headed in the source
        ["Beijing ", 1, 2, 9],
        ["Tianjin", 3, "n.a.", 9],
        [None, None, None, None],
        ["gross investment", 2016, 2017, 2017],
        ["Beijing", 5, 6, 9],
    ]
    return pd.DataFrame(rows)


def test_a_block_ends_at_the_blank_row_and_keeps_the_first_of_two_equal_years(script):
    stock = script.block(stacked_sheet(), "capital stock")
    assert stock.index.tolist() == ["Beijing", "Tianjin"]
    assert stock.columns.tolist() == [2016, 2017]
    assert stock.loc["Beijing"].tolist() == [1, 2]
    assert np.isnan(stock.loc["Tianjin", 2017])
    assert script.block(stacked_sheet(), "gross").loc["Beijing", 2017] == 6


@pytest.mark.parametrize("header", ["emission", ""])
def test_a_header_that_stands_nowhere_or_twice_stops_the_script(script, header):
    with pytest.raises(SystemExit, match="one is expected"):
        script.block(stacked_sheet(), header)


def test_another_file_than_the_one_used_stops_the_script(script, tmp_path):
    for file, _ in script.FILES.values():
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"other")
    with pytest.raises(SystemExit, match="another file"):
        script.controls(tmp_path)


def emissions(script, **wrong: float) -> pd.DataFrame:
    """Five cities whose emissions halve every year, in ratios that never change."""
    years = range(2008, 2018)
    rows = [(city, year, 2.0 ** (k - year + 2008)) for k, city in enumerate("abcde") for year in years]
    table = pd.DataFrame(rows, columns=["adcode", "year", "so2"])
    for year, factor in wrong.items():
        table.loc[(table["adcode"] == "a") & (table["year"] == int(year[1:])), "so2"] *= factor
    return table


def test_a_common_fall_is_no_spike(script):
    assert not script.spikes(emissions(script)).any()


@pytest.mark.parametrize("factor", [1 / 50, 20])
def test_a_year_that_leaves_its_neighbours_is_a_spike_and_is_put_on_their_line(script, factor):
    table = emissions(script, y2013=factor)
    wrong = script.spikes(table)
    assert table.loc[wrong, ["adcode", "year"]].to_numpy().tolist() == [["a", 2013]]
    np.testing.assert_allclose(script.repaired(table, "so2", wrong), emissions(script)["so2"], rtol=1e-12)


def test_a_lasting_change_of_level_is_no_spike(script):
    later = {f"y{year}": 8.0 for year in range(2013, 2018)}
    assert not script.spikes(emissions(script, **later)).any()


def test_a_wrong_last_year_takes_the_value_before(script):
    table = pd.DataFrame({"adcode": "a", "year": [1, 2, 3], "x": [2.0, 4.0, 99.0]})
    assert script.repaired(table, "x", table["year"] == 3).tolist() == pytest.approx([2, 4, 4])


def test_names_find_one_member_each_with_or_without_the_word_for_city(script):
    cities = eleven_clusters()
    assert cities["city_zh"].is_unique
    assert script.coded(cities["city_zh"]).tolist() == cities["adcode"].tolist()
    assert script.coded(cities["city_zh"] + "市").tolist() == cities["adcode"].tolist()
    assert script.coded(pd.Series(["伊春"])).isna().all()  # not the member 宜春, whose pinyin is the same


def test_members_less_those_left_out_are_as_many_as_the_paper_has():
    cities, kept = eleven_clusters(), growth("division.csv")
    assert len(cities) == 158
    assert kept["adcode"].nunique() == 156
    left_out = growth("flags.csv").query("flag == 'left out'")
    assert set(cities["adcode"]) - set(kept["adcode"]) == set(left_out["adcode"])
    assert kept.groupby("adcode")["year"].agg(["min", "max", "size"]).drop_duplicates().to_numpy().tolist() == [
        [2008, 2017, 10]
    ]


def test_no_row_of_a_source_is_kept():
    folder = data_file("derived", "growth", "efficiency.csv").parent
    assert {path.name for path in folder.iterdir()} == {
        *("efficiency.csv", "productivity.csv", "division.csv", "rank_size.csv"),
        *("centre_shares.csv", "moments.csv", "coverage.csv", "flags.csv", "substitutions.csv"),
        *("estimates.csv", "dynamics.csv", "mediation.csv", "curve.csv", "joint.csv"),
    }
    by_city = {name: growth(f"{name}.csv") for name in ("efficiency", "productivity", "division", "flags")}
    assert by_city["division"].columns.tolist() == [
        *("adcode", "city", "cluster", "year", "central", "north"),
        *("six", "five", "four", "alone", "repaired"),
    ]
    assert by_city["flags"].columns.tolist() == ["adcode", "year", "flag", "reason"]
    assert by_city["efficiency"].drop(columns=["adcode", "year"]).max().max() <= 1
    for name in ("rank_size", "centre_shares", "moments", "coverage", "estimates", "dynamics", "mediation", "curve"):
        assert not {"adcode", "city"} & set(growth(f"{name}.csv"))
    assert growth("centre_shares.csv").columns.tolist() == [
        *("cluster", "year", "share", "share_volume", "n_centres", "n_cities")
    ]
    given = growth("moments.csv").set_index("variable")[["min", "max"]].loc[["ln_fdi", "ln_gov", "ln_inv", "ln_edu"]]
    assert given.isna().all(axis=None)  # the extremes of a source's column are cells of it


def test_scores_are_ordered_as_their_frontiers_and_returns_are():
    scores = growth("efficiency.csv")
    names = [name for name in scores if name not in ("adcode", "year")]
    assert scores[names].gt(0).where(scores[names].notna(), other=True).all(axis=None)
    rounding = 1.01e-5
    for returns in ("crs", "vrs"):
        for orientation in ("none", "input", "output"):
            wide, own = (scores[f"{frontier}_{returns}_{orientation}"] for frontier in ("global", "contemporaneous"))
            past, window = (scores[f"{frontier}_{returns}_{orientation}"] for frontier in ("sequential", "window"))
            assert (wide <= past + rounding).all()
            assert (past <= window + rounding).all()
            assert (window <= own + rounding).all()
    for name in [name for name in names if "_crs_" in name]:
        assert (scores[name].dropna() <= scores[name.replace("_crs_", "_vrs_")].dropna() + rounding).all()


def test_the_productivity_index_is_the_change_of_the_global_score():
    index = growth("productivity.csv").merge(growth("efficiency.csv"), on=["adcode", "year"])
    change = index["global_crs_none"] / index.groupby("adcode")["global_crs_none"].shift()
    moved = index["gml"].notna()
    np.testing.assert_allclose(index.loc[moved, "gml"], change[moved], rtol=3e-4)  # five digits of scores from 0.08 on
    parts = index["efficiency_change"] * index["best_practice_change"]
    np.testing.assert_allclose(parts[moved], index.loc[moved, "gml"], rtol=2e-4)


def test_the_curve_without_controls_follows_from_the_kept_series():
    table = growth("division.csv").merge(growth("efficiency.csv"), on=["adcode", "year"])
    plain = {"centres": "rule", "division": "six", "cities": "all", "controls": "none", "effects": "city and year"}
    curve = growth("curve.csv")
    curve = curve[(curve[list(plain)] == pd.Series(plain)).all(axis=1)]
    keys = {"unit": "adcode", "time": "year"}
    for name in ("global_crs_none", "contemporaneous_vrs_input", "global_crs_none_paper"):
        table["ln_h"], table["ln_div"] = np.log(table[name]), np.log(table["six"])
        others = table[~table["central"]]
        gap = disparity(table, **keys, cluster="cluster", value=name, central="central").reindex(others.index)
        others = others.assign(gap=gap)
        samples = {"all": table, "central": table[table["central"]], "non-central": others, "gap": others}
        for column, rows in samples.items():
            fit = twfe(rows, outcome="gap" if column == "gap" else "ln_h", regressors=["ln_div"], **keys)
            kept = curve.query("efficiency == @name and column == @column").iloc[0]
            assert kept["estimate"] == pytest.approx(fit.estimate["ln_div"], rel=1e-4, abs=1e-6)
            assert kept["std_error"] == pytest.approx(fit.std_error["ln_div"], rel=1e-4)


def test_estimates_between_cities_follow_from_the_kept_series():
    table = growth("division.csv").merge(growth("efficiency.csv"), on=["adcode", "year"])
    estimates = growth("estimates.csv").query("exhibit == 'table 1' and controls == 'none' and effects == 'between'")
    for name in ("global_crs_none", "contemporaneous_crs_none"):
        logs = table[["adcode", "central"]].assign(ln_h=np.log(table[name]), ln_div=np.log(table["six"]))
        for column, rows in {"all": logs, "non-central": logs[~logs["central"]]}.items():
            means = rows.groupby("adcode")[["ln_h", "ln_div"]].mean()
            x, y = means["ln_div"] - means["ln_div"].mean(), means["ln_h"] - means["ln_h"].mean()
            slope, n = (x * y).sum() / (x * x).sum(), len(means)
            robust = np.sqrt(n / (n - 2) * (x**2 * (y - slope * x) ** 2).sum()) / (x * x).sum()
            kept = estimates[(estimates["efficiency"] == name) & (estimates["column"] == column)].iloc[0]
            assert (kept["n_obs"], kept["n_units"]) == (n, n)
            assert kept["estimate"] == pytest.approx(slope, rel=1e-4)
            assert kept["std_error"] == pytest.approx(robust, rel=1e-4)


def test_the_moments_are_those_of_the_kept_series():
    table = growth("division.csv").merge(growth("efficiency.csv"), on=["adcode", "year"])
    kept = growth("moments.csv").set_index(["column", "variable"])
    samples = {"all": table, "central": table[table["central"]], "non-central": table[~table["central"]]}
    for column, rows in samples.items():
        for variable, series in {"ln_hgdp": rows["global_crs_none"], "ln_div": rows["six"]}.items():
            expected = np.log(series).agg(["count", "mean", "std", "min", "max"])
            np.testing.assert_allclose(kept.loc[(column, variable)], expected, rtol=1e-4, atol=1e-9)


def test_shares_of_the_centres_are_sums_over_sums(script):
    rows = [("a", True, 6.0, 1.0), ("a", False, 2.0, 1.0), ("b", True, 1.0, 3.0), ("b", False, 3.0, 1.0)]
    table = pd.DataFrame(rows, columns=["cluster", "central", "gdp", "gdp_volume"]).assign(year=2008)
    shares = script.centre_shares(table).set_index("cluster")
    assert shares["share"].to_dict() == {"a": 0.75, "all": 7 / 12, "b": 0.25}
    assert shares["share_volume"].to_dict() == {"a": 0.5, "all": 4 / 6, "b": 0.75}
    kept = growth("centre_shares.csv")
    assert kept[["share", "share_volume"]].gt(0).all(axis=None) and kept[["share", "share_volume"]].lt(1).all(axis=None)
    assert kept.groupby("cluster").size().eq(10).all() and kept["cluster"].nunique() == 12
    assert kept.query("cluster == 'all'")[["n_centres", "n_cities"]].drop_duplicates().to_numpy().tolist() == [
        [24, 156]
    ]


def test_paths_change_places_inside_their_group_alone(script):
    cities = growth("division.csv").drop_duplicates("adcode").reset_index(drop=True)
    for groups in script.SCHEMES.values():
        paths = script.donors(cities, groups)
        assert paths.shape == (script.PERMUTATIONS + 1, 156)
        assert (paths[0] == np.arange(156)).all()
        assert (np.sort(paths, axis=1) == np.arange(156)).all()
        for label in groups:
            kind = cities[label].to_numpy()
            assert (kind[paths] == kind).all()
        moved = (paths[1:] != np.arange(156)).mean(axis=0)
        alone = cities.groupby(groups)["adcode"].transform("size") == 1
        assert (moved[alone] == 0).all() and (moved[~alone] > 0.3).all()


@pytest.mark.parametrize("effects", ["city and year", "year"])
@pytest.mark.parametrize("controls", [[], ["x1", "x2"]])
def test_a_permuted_regression_is_the_regression_on_permuted_rows(script, effects, controls):
    rng = np.random.default_rng(4)
    rows = pd.DataFrame([(f"c{k:02}", year) for k in range(14) for year in range(6)], columns=["adcode", "year"])
    rows = rows.assign(**{name: rng.normal(size=len(rows)) for name in ("y", "x1", "x2")})
    moved = rng.normal(size=(len(rows), 3)) + rows["x1"].to_numpy()[:, None]
    seen = rng.random(len(rows)) > 0.2
    rows, moved = rows[seen], moved[seen]
    estimate, t = script.Design(rows, moved, controls, effects).fit(rows["y"].to_numpy())
    for k in range(3):
        fit = script.regression(rows.assign(ln_div=moved[:, k]), "y", ["ln_div", *controls], effects).iloc[0]
        assert estimate[k] == pytest.approx(fit["estimate"], rel=1e-9)
        assert t[k] == pytest.approx(fit["estimate"] / fit["std_error"], rel=1e-9)


def test_p_values_count_the_draws_towards_the_printed_sign(script):
    values = np.array([2.0, 1.0, 2.0, 3.0, -4.0])
    assert script.compared(values, 1)["p_value"] == pytest.approx(3 / 5)
    assert script.compared(values, -1)["p_value"] == pytest.approx(4 / 5)
    assert script.compared(np.array([0.0, 0.0, 0.0]), 1)["p_value"] == 1


def test_the_joint_test_observes_the_curve():
    curve, joint = growth("curve.csv"), growth("joint.csv")
    signs = {"all": 1, "central": 1, "non-central": 1, "gap": -1}
    assert len(joint) == len(signs) * 2 * 2 * 3
    assert joint["p_value"].mul(501).between(1 - 1e-4, 501).all()  # five digits of at least 1/501
    curve["t"] = curve["estimate"] / curve["std_error"]
    curve["significant"] = curve["column"].map(signs) * curve["t"] > stats.t.ppf(0.975, curve["n_units"] - 1)
    names = {"median estimate": ("estimate", "median"), "median t": ("t", "median")}
    names |= {"share significant": ("significant", "mean")}
    for (column, effects), rows in joint.groupby(["column", "effects"]):
        of_curve = curve[(curve["column"] == column) & (curve["effects"] == effects)]
        for row in rows.itertuples():
            series, how = names[row.statistic]
            assert row.n_specifications == len(of_curve) == 336
            assert row.observed == pytest.approx(of_curve[series].agg(how), rel=2e-4, abs=2e-6)


def test_every_choice_of_the_curve_is_there_once():
    curve = growth("curve.csv")
    choices = ["column", "efficiency", "centres", "division", "cities", "controls", "effects"]
    assert not curve.duplicated(choices).any()
    per_column = curve.groupby("column").size()
    assert per_column.min() == per_column.max() >= 200
    assert curve["std_error"].gt(0).all()


def test_the_removal_rule_finds_as_many_centres_as_its_exponent_says():
    sizes = growth("rank_size.csv")
    fixed = sizes[sizes["method"] == "fixed"]
    assert not sizes.duplicated(["cluster", "year", "population", "method"]).any()
    assert ((fixed["n_centres"] == 1) == (fixed["q"] > 0.5)).all()
    assert sizes.loc[sizes["method"] != "fixed", "n_centres"].isna().all()


@pytest.mark.sources
def test_the_files_made_without_a_regression_come_out_the_same(script, panel):
    """All but the estimates, whose files take two minutes more; the efficiency by three of its sixty scores."""
    cities = script.sample(panel)
    made = {
        "division.csv": script.division(cities),
        "productivity.csv": script.productivity(cities),
        "rank_size.csv": script.size_distribution(cities),
        "centre_shares.csv": script.centre_shares(cities),
        "coverage.csv": script.coverage(panel),
        "flags.csv": script.flags(panel),
        "substitutions.csv": script.SUBSTITUTIONS,
    }
    for name, table in made.items():
        text = table.to_csv(index=False, lineterminator="\n", float_format=script.DIGITS)
        assert text.encode() == data_file("derived", "growth", name).read_bytes(), name
    inputs = {"inputs": ["population", "capital"], "good": "gdp", "bad": "so2"}
    kept = growth("efficiency.csv")
    for frontier, returns in [("global", "crs"), ("contemporaneous", "crs"), ("global", "vrs")]:
        found = sbm(cities, unit="adcode", time="year", **inputs, frontier=frontier, returns=returns).to_frame()
        both = kept.merge(found, left_on=["adcode", "year"], right_on=["unit", "time"], validate="one_to_one")
        np.testing.assert_allclose(both[f"{frontier}_{returns}_none"], both["efficiency"], rtol=1e-4)


@pytest.mark.slow
@pytest.mark.sources
def test_the_script_makes_the_same_bytes(root, sources):
    script = root / "data" / "derived" / "make_balanced_growth.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same bytes" in run.stdout


@pytest.mark.sources
def test_the_sources_agree_with_published_figures(panel):
    """Statistical yearbooks: GDP of 2010 as first published, residents of the census, the register, total emissions."""
    of = panel.set_index(["city", "year"])
    cpi = 1.2135  # national, 1997 = 1: the product of the published yearly rates
    for city, gdp, residents, registered, total in [
        ("Beijing", 14113.6, 1961, 1257.80, 115_050),
        ("Shanghai", 17166.0, 2302, 1412.32, 358_100),
        ("Chongqing", 7925.6, 2885, 3303.45, 719_404),
    ]:
        row = of.loc[(city, 2010)]
        assert row["gdp"] * cpi == pytest.approx(gdp, rel=0.005)
        assert row["population"] == pytest.approx(residents, rel=0.001)
        assert row["registered"] == pytest.approx(registered, rel=1e-5)
        assert row["so2_total"] == pytest.approx(total, rel=0.01)


@pytest.mark.sources
def test_both_files_accumulate_capital_by_one_rule(script, panel):
    """What is left of last year's stock after this year's investment at constant prices is 1 - 10.96% of it."""
    rows = panel.sort_values(["adcode", "year"])
    before = rows.groupby("adcode")["capital"].shift()
    left = (rows["capital"] - rows["investment"] / rows["investment_price"]) / before
    later = rows["year"] > script.FIRST_YEAR
    off = rows[later & (left - (1 - 0.1096)).abs().gt(1e-6)]
    assert left[later].notna().all()
    assert list(zip(off["city"], off["year"], strict=True)) == [("Chongqing", 2017)]
    np.testing.assert_allclose(left[later], 1 - 0.1096, atol=0.003)  # by a quarter of a percent there


@pytest.mark.sources
def test_the_sample_is_what_has_ten_years_of_employment(script, panel):
    window = panel[panel["year"].between(*script.YEARS)]
    full = window.groupby("adcode")["manufacturing"].count() == 10
    assert set(full[~full].index) == set(script.LEFT_OUT)
    cities = script.sample(panel)
    needed = ["gdp", "gdp_volume", "population", "registered", "capital", "so2", "services_six", "gov", "inv", "edu"]
    assert len(cities) == 1560
    assert cities[needed].gt(0).all(axis=None)
    assert set(cities.loc[cities["fdi"].isna(), "adcode"]) == set(
        growth("coverage.csv").set_index("variable").loc["fdi", "missing"].replace(";", "").split()[::2]
    ) - set(script.LEFT_OUT)
