"""Series that the project computes: what is in them, and that their scripts still make them where the source is."""

from __future__ import annotations

import runpy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file


def series(name: str) -> pd.DataFrame:
    return pd.read_csv(data_file("derived", name), dtype={"adcode": str})


@pytest.mark.sources
@pytest.mark.parametrize(
    "name",
    [
        *("city_light_gini", "city_coagglomeration", "zone_estimates"),
        pytest.param("delta_estimates", marks=pytest.mark.slow),  # two minutes; the next test makes a part
    ],
)
def test_the_script_makes_the_same_bytes(name, root, sources):
    script = root / "data" / "derived" / f"make_{name}.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "the same bytes" in run.stdout


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
    assert set(tables) == {"estimates", "paths", "placebo", "bacon", "bounds", "curve", "moments"}
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
