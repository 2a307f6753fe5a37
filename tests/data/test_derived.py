"""Series that the project computes: what is in them, and that their scripts still make them where the source is."""

from __future__ import annotations

import runpy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from regiometrics.data.files import data_file
from regiometrics.estimate.staggered import StaggeredDesign


def series(name: str) -> pd.DataFrame:
    return pd.read_csv(data_file("derived", name), dtype={"adcode": str})


@pytest.fixture(scope="module")
def zones_script(root):
    folder = root / "data" / "derived"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)  # scripts of this folder import each other
        return SimpleNamespace(**runpy.run_path(str(folder / "make_zone_estimates.py")))


@pytest.fixture(scope="module")
def zones_panel(zones_script, sources):
    """The panel of the zones; its workbooks, of which the reading takes longest, are read once."""
    table = zones_script.panel(sources)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(zones_script.make.__globals__, "panel", lambda _: table.copy())
        yield table


@pytest.mark.sources
@pytest.mark.parametrize(
    "name",
    [
        *("city_light_gini", "city_coagglomeration"),
        pytest.param("zone_estimates", marks=pytest.mark.slow),  # the next test makes the same tables
        pytest.param("delta_estimates", marks=pytest.mark.slow),  # two minutes; the test after that makes a part
    ],
)
def test_the_script_makes_the_same_bytes(name, root, sources):
    script = root / "data" / "derived" / f"make_{name}.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same bytes" in run.stdout


@pytest.mark.sources
def test_estimates_on_the_zones_come_out_the_same(zones_script, zones_panel, sources):
    made = zones_script.make(sources)
    assert set(made) == {path.name for path in data_file("derived", "zones", "estimates.csv").parent.glob("*.csv")}
    for name, table in made.items():
        text = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
        assert text == data_file("derived", "zones", name).read_bytes().decode("utf-8"), name


@pytest.mark.sources
@pytest.mark.parametrize(("outcome", "group"), [("coagglomeration", "new")])
def test_paths_and_cities_of_the_delta_and_the_estimates_of_one_aggregate_come_out_the_same(
    root, sources, outcome, group
):
    script = SimpleNamespace(**runpy.run_path(str(root / "data" / "derived" / "make_delta_estimates.py")))
    panel = script.panel(sources)
    members = script.treated(panel)
    pairs = [(name, of, members[of]) for name in script.OUTCOMES for of in members]
    estimates = [*script.main_estimates(panel, outcome, group, members[group])]
    estimates += script.variations(panel, outcome, group, members[group])
    made = {
        "paths.csv": pd.concat([script.path(panel, *pair) for pair in pairs]),
        "cities.csv": pd.concat([script.by_city(panel, name) for name in script.OUTCOMES]),
        "estimates.csv": pd.DataFrame(estimates),
    }
    for name, table in made.items():
        header, *rows = data_file("derived", "delta", name).read_text("utf-8").splitlines()
        if name == "estimates.csv":
            rows = [row for row in rows if row.startswith(f"{outcome},{group},")]
        text = table.to_csv(index=False, lineterminator="\n", float_format="%.8g")
        assert text.splitlines() == [header, *rows] and len(rows) > 10, name


def test_each_city_has_a_gini_of_its_counties_in_all_eight_years():
    lights = series("city_light_gini_2013_2020.csv")
    assert lights.groupby("adcode")["year"].agg(["min", "max", "size"]).drop_duplicates().to_numpy().tolist() == [
        [2013, 2020, 8]
    ]
    assert lights["gini"].between(0, 1 - 1 / lights["counties"]).all()
    assert lights["counties"].ge(2).all()
    assert {"110000", "310000", "500000"} < set(lights["adcode"])


def test_the_shorter_index_is_the_quality_part_of_the_longer_one():
    index = series("city_coagglomeration_2003_2019.csv")
    assert not index.duplicated(["adcode", "year"]).any()
    for rule in ("four", "five", "six"):
        quality, depth = index[f"quality_{rule}"], index[f"quality_depth_{rule}"] - index[f"quality_{rule}"]
        assert quality.between(0, 1).all()
        assert (depth > 0).all()


def test_the_index_of_four_sections_agrees_with_the_series_of_p3_up_to_the_base_of_the_country():
    index = series("city_coagglomeration_2003_2019.csv")
    p3 = series("coagglomeration_138_cities_2004_2018.csv")
    both = index.merge(p3, on=["adcode", "year"])
    assert len(both) == len(p3)
    # Hainan counts once here and twice there, which moves the quotients by under a hundredth.
    assert (both["quality_depth_four"] - both["coagglomeration"]).abs().max() < 0.02


def test_estimates_are_kept_without_rows_of_their_sources():
    folder = data_file("derived", "zones", "estimates.csv").parent
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    assert set(tables) == {"estimates", "paths", "placebo", "bacon", "bounds", "curve", "joint", "moments"}
    assert not any({"adcode", "city", "city_id", "year"} & set(table) for table in tables.values())


def test_one_coefficient_stands_under_every_kind_of_error():
    estimates = pd.read_csv(data_file("derived", "zones", "estimates.csv"))
    of_policy = estimates.query("exhibit == 'table 3' and term == 'policy'")
    for _, rows in of_policy.groupby("specification"):
        assert np.ptp(rows["estimate"]) == 0
    plain = estimates.query("exhibit == 'table 3' and specification == 'none'").set_index("method")
    assert plain.loc["cluster", "std_error"] > 2 * plain.loc["robust", "std_error"]
    bacon = pd.read_csv(data_file("derived", "zones", "bacon.csv"))
    clustered = of_policy.query("method == 'cluster'").set_index("specification")["estimate"]
    for name, rows in bacon.groupby("specification"):
        assert rows["weight"].sum() == pytest.approx(1, abs=1e-5)
        assert rows["weight"] @ rows["estimate"] == pytest.approx(clustered[name], abs=1e-6)


def test_the_joint_test_observes_the_curve():
    folder = data_file("derived", "zones", "curve.csv").parent
    curve, joint = (pd.read_csv(folder / f"{name}.csv") for name in ("curve", "joint"))
    half_width = (curve["high"] - curve["low"]) / 2
    t = curve["estimate"] * stats.t.ppf(0.975, curve["n_units"] - 1) / half_width
    observed = {
        "median estimate": curve["estimate"].median(),
        "median t": t.median(),
        "share negative": (curve["estimate"] < 0).mean(),
        "share significant": (curve["high"] < 0).mean(),
    }
    assert set(joint["permuted"]) == {"all cities", "paper-like cities"}
    assert all(rows.tolist() == list(observed) for _, rows in joint.groupby("permuted")["statistic"])
    assert joint["observed"].to_numpy() == pytest.approx(joint["statistic"].map(observed).to_numpy(), rel=2e-5)
    assert (joint["n_specifications"] == len(curve)).all()
    counts = joint["p_value"] * (1 + joint["n_draws"])
    assert counts.between(1 - 1e-2, 1 + joint["n_draws"]).all()
    assert (counts - counts.round()).abs().max() < 1e-2  # six digits of a share of 2000
    assert (joint["draws_low"] <= joint["draws_median"]).all() and (joint["draws_median"] <= joint["draws_high"]).all()
    inside = joint["observed"].between(joint["draws_low"], joint["draws_high"])
    assert (joint.loc[inside, "p_value"] > 0.02).all()


@pytest.mark.parametrize("controls", [[], ["x"]])
def test_a_refitted_adoption_is_the_regression_under_that_adoption(zones_script, controls):
    rng = np.random.default_rng(6)
    cities, years = [f"c{k:02}" for k in range(12)], range(2006, 2013)
    rows = pd.DataFrame([(city, year) for city in cities for year in years], columns=["adcode", "year"])
    rows = rows.assign(y=rng.normal(size=len(rows)), x=rng.normal(size=len(rows)) + rows["year"] % 3)
    start = np.r_[2007.0, 2009, 2009, 2012, 2020, [np.inf] * 9]  # of two cities more than these rows have
    adoption = pd.DataFrame({k: rng.permutation(start) for k in range(4)}, [*cities, "d00", "d01"])
    shuffled = rows.sample(frac=1, random_state=1)
    estimate, t = zones_script.refitted(shuffled, "y", controls, adoption)
    for k in adoption:
        dated = rows.assign(start=rows["adcode"].map(adoption[k]).replace(np.inf, np.nan))
        design = StaggeredDesign(dated, unit="adcode", time="year", outcome="y", adoption="start", controls=controls)
        effect = design.twfe()
        assert estimate[k] == pytest.approx(effect.estimate, rel=1e-9)
        assert t[k] == pytest.approx(effect.estimate / effect.std_error, rel=1e-9)


def test_adoptions_change_places_among_their_cities_alone(zones_script):
    every = pd.DataFrame([(f"c{k}", year) for k in range(9) for year in (2003, 2004)], columns=["adcode", "year"])
    every["adoption"] = every["adcode"].map({"c0": 2010, "c1": 2010, "c2": 2014})
    sample = every[every["adcode"].isin([f"c{k}" for k in range(6)])]
    for among, drawn in zones_script.adoptions(sample, every).items():
        true = every.groupby("adcode")["adoption"].first().fillna(np.inf)
        assert drawn.shape == (9, 1 + zones_script.DRAWS)
        assert (drawn[0] == true).all()
        assert (np.sort(drawn, axis=0) == np.sort(true)[:, None]).all()
        share = np.isfinite(drawn.iloc[:, 1:]).mean(axis=1)
        inside = share.index.isin(sample["adcode"])
        assert share[inside].to_numpy() == pytest.approx(3 / 9 if among == "all cities" else 3 / 6, abs=0.05)
        assert share[~inside].to_numpy() == pytest.approx(3 / 9 if among == "all cities" else 0, abs=0.05)


@pytest.mark.sources
def test_the_true_adoption_gives_the_curve(zones_script, zones_panel, sources):
    everywhere = zones_panel
    sample = zones_script.paper_sample(everywhere, sources)
    curve = pd.read_csv(data_file("derived", "zones", "curve.csv"))
    true = zones_script.adoptions(sample, everywhere)["all cities"][[0]]
    chosen = [*zones_script.specifications(sample, everywhere)]
    assert [choice for choice, *_ in chosen] == curve[[*chosen[0][0]]].to_dict("records")
    found = [zones_script.refitted(rows, outcome, controls, true) for _, rows, outcome, controls in chosen]
    estimate, t = np.array(found)[..., 0].T
    half_width = estimate / t * stats.t.ppf(0.975, curve["n_units"] - 1)
    assert estimate == pytest.approx(curve["estimate"].to_numpy(), abs=1e-6)
    assert estimate - half_width == pytest.approx(curve["low"].to_numpy(), abs=1e-6)
    assert estimate + half_width == pytest.approx(curve["high"].to_numpy(), abs=1e-6)


def test_estimates_on_the_delta_hold_means_of_groups_and_no_row_of_a_city():
    folder = data_file("derived", "delta", "estimates.csv").parent
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    assert set(tables) == {"estimates", "paths", "cities"}
    assert tables["cities"].columns.tolist() == ["outcome", "city", "att"]
    assert tables["cities"].groupby("outcome").size().unique().tolist() == [22]
    paths = tables["paths"]
    assert not paths.duplicated(["outcome", "group", "year"]).any()
    assert (paths["actual"] - paths["synthetic"] - paths["effect"]).abs().max() < 1e-6
    assert paths.loc[paths["year"] < 2010, ["low", "high"]].isna().all(axis=None)


def test_the_mean_of_the_path_on_the_delta_is_the_estimate_beside_it():
    estimates = pd.read_csv(data_file("derived", "delta", "estimates.csv"))
    paths = pd.read_csv(data_file("derived", "delta", "paths.csv")).query("year >= 2010")
    demeaned = estimates.query("method == 'synthetic control, demeaned' and specification == 'main'")
    means = paths.groupby(["outcome", "group"])["effect"].mean()
    found = demeaned.set_index(["outcome", "group"])["estimate"]
    assert len(found) == 12
    assert (means - found).abs().max() < 1e-6
    assert estimates["p_value"].dropna().between(0, 1).all()
