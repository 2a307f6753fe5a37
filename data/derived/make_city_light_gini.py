"""Rebuild ``city_light_gini_2013_2020.csv``: the Gini of county lights inside each city, equation (3) of p5.

The source may not be shipped. It is a table of mean VIIRS radiance of 2,877 counties, 2013-2020, made from open rasters
for a doctoral thesis. Only the Ginis that are computed from it here are kept.

    python data/derived/make_city_light_gini.py            # compare with the file in the repository
    python data/derived/make_city_light_gini.py FOLDER     # write the series there
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pandas as pd
from rebuild import rebuild

from regiometrics.measure.inequality import gini

LIGHTS = ("city_light_gini", "viirs_2013_2020.dta")
SHA256 = "4e125008f73a89c291126e31e778409f1fabea0e570fef8af971df2ec21a1214"
SERIES = "city_light_gini_2013_2020.csv"
MUNICIPALITIES = ("11", "12", "31", "50")
OUTSIDE = ("71", "81", "82", "99")  # Taiwan, Macao, Hong Kong, and a code of no province
DIRECT = "90"  # counties under a province directly belong to no city


def city_of(county: pd.Series) -> pd.Series:
    """Code of the city of each county: its first four digits, the first two in a municipality."""
    municipal = county.str[:2].isin(MUNICIPALITIES)
    return (county.str[:4] + "00").where(~municipal, county.str[:2] + "0000")


def county_lights(path: Path) -> pd.DataFrame:
    """``city, county, year, light`` of all counties that belong to a city."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path.name} is another file than the series was made from (sha256 {digest})")
    raw = pd.read_stata(path)
    county = raw["county_id"].astype(int).astype(str)
    table = pd.DataFrame({"city": city_of(county), "county": county, "year": raw["year"].astype(int)})
    table["light"] = raw["viirs_mean_masked"].astype(float)
    return table[~county.str[:2].isin(OUTSIDE) & (county.str[2:4] != DIRECT)]


def series(lights: pd.DataFrame) -> pd.DataFrame:
    """The series as in the repository; a city of one county has no Gini and is left out."""
    groups = lights.groupby(["city", "year"])["light"]
    table = pd.DataFrame({"counties": groups.size(), "gini": groups.agg(gini)}).query("counties > 1")
    return table.reset_index().rename(columns={"city": "adcode"}).round({"gini": 6})


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """The file of this script."""
    return {SERIES: series(county_lights(sources.joinpath(*LIGHTS)))}


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).parent))
