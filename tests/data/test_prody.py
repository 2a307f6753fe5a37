"""PRODY and EXPY of 1998-2000 as shipped: what is in them, and that the script still makes them from the source."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file


@pytest.fixture
def products() -> pd.DataFrame:
    return pd.read_csv(data_file("derived", "prody_1998_2000.csv"), dtype={"sitc": str})


@pytest.fixture
def countries() -> pd.DataFrame:
    return pd.read_csv(data_file("derived", "expy_1998_2000.csv"), keep_default_na=False)


@pytest.mark.sources
def test_the_script_makes_the_same_bytes_and_names_whom_it_leaves_out(root, sources):
    script = root / "data" / "derived" / "make_prody.py"
    run = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert not run.stderr
    assert "the same bytes" in run.stdout
    share, _, codes = run.stdout.partition("): ")
    assert share.startswith("left out for want of GDP per head (1.67%")
    left_out = codes.splitlines()[0].split()
    assert len(left_out) == 226 - 186
    assert {"PRK", "SCG", "SYR"} < set(left_out)


def test_every_product_lies_between_the_poorest_and_the_richest_exporter(products, countries):
    assert len(products) == 785
    assert products["prody"].between(countries["gdp_per_head"].min(), countries["gdp_per_head"].max()).all()
    assert products["exporters"].between(1, len(countries)).all()
    assert products["effective_exporters"].between(1, products["exporters"]).all()


def test_products_are_keyed_by_four_digits_and_stand_under_the_titles_of_the_classification(products):
    assert products["sitc"].is_unique
    assert products["sitc"].str.fullmatch(r"\d{4}").all()
    assert products[["section", "division"]].notna().all(axis=None)
    for title, digits in (("section", 1), ("division", 2)):
        of_code = products.groupby(products["sitc"].str[:digits])[title]
        assert not (of_code.transform("first") != products[title]).any()
        assert of_code.first().is_unique
    coffee = products.set_index("sitc").loc["0711"]  # coffee, green and roasted
    assert coffee["division"].startswith("Coffee")
    assert coffee["prody"] < products["prody"].quantile(0.02)


def test_romania_counts_under_its_present_code_and_the_other_exporters_are_those_of_the_source(countries):
    assert len(countries) == 186
    assert countries["iso3"].is_unique
    assert countries["iso3"].str.fullmatch("[A-Z]{3}").all()
    assert "ROU" in set(countries["iso3"])
    assert not {"ROM", "WLD", "EUU", "SCG", "PRK"} & set(countries["iso3"])  # old codes, aggregates, no GDP per head


def test_expy_is_a_mean_of_prody_that_rises_with_income_less_than_one_for_one(products, countries):
    assert countries["expy"].between(products["prody"].min(), products["prody"].max()).all()
    logs = np.log(countries[["expy", "gdp_per_head"]])
    assert logs.corr().iloc[0, 1] == pytest.approx(0.76, abs=0.01)  # computed apart with the 185 codes of the source
    slope = np.polyfit(logs["gdp_per_head"], logs["expy"], 1)[0]
    assert 0 < slope < 0.3


def test_a_series_made_apart_agrees(products, countries):
    # 185 codes of the source, without Romania: median PRODY and EXPY of four countries, in dollars
    assert products["prody"].median() == pytest.approx(9081, rel=0.01)
    of = countries.set_index("iso3")["expy"]
    for code, dollars in {"CHN": 9418, "USA": 11778, "DEU": 12441, "ETH": 6245}.items():
        assert of[code] == pytest.approx(dollars, rel=0.01)
