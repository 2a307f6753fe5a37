import subprocess
import sys

import pandas as pd
import pytest

from regiometrics.data.boundaries import ALBERS_CHINA, counties, outlines, prefectures
from regiometrics.data.files import data_file
from regiometrics.errors import DomainError


@pytest.fixture(scope="module")
def units():
    return prefectures()


def test_one_valid_polygon_row_per_code_sorted(units):
    assert units.columns.to_list() == ["adcode", "name_zh", "geometry"]
    assert len(units) == 375 and units["adcode"].is_unique and units["adcode"].is_monotonic_increasing
    assert units["adcode"].str.fullmatch(r"\d{6}").all()
    assert units.crs.to_epsg() == 4490
    assert units.is_valid.all() and set(units.geom_type) == {"Polygon", "MultiPolygon"}
    assert "境界线" not in set(units["name_zh"])


@pytest.mark.parametrize(
    ("province", "code", "name"),
    [
        ("11", "110000", "北京市"),
        ("12", "120000", "天津市"),
        ("31", "310000", "上海市"),
        ("50", "500000", "重庆市"),
        ("71", "710000", "台湾省"),
        ("81", "810000", "香港特别行政区"),
        ("82", "820000", "澳门特别行政区"),
    ],
)
def test_a_municipality_or_region_without_prefectures_is_one_unit(units, province, code, name):
    own = units[units["adcode"].str.startswith(province)]
    assert own[["adcode", "name_zh"]].to_numpy().tolist() == [[code, name]]


def test_a_point_in_shenzhen_lies_in_shenzhen(units):
    from shapely import Point

    assert units.loc[units.contains(Point(114.06, 22.54)), "adcode"].to_list() == ["440300"]


def test_every_city_of_the_coagglomeration_series_has_an_outline(units):
    cities = pd.read_csv(
        data_file("derived", "coagglomeration_138_cities_2004_2018.csv"), dtype={"adcode": str}
    ).drop_duplicates("adcode")
    joined = cities.merge(units, on="adcode", how="left")
    assert len(joined) == 138 and joined["geometry"].notna().all()
    # same place by code and by name: the file says 北京, the boundaries 北京市
    assert [n[:2] for n in joined["name_zh"]] == [n[:2] for n in joined["city_zh"]]


def test_units_abolished_before_2023_have_no_outline(units):
    assert not {"341400", "371200"} & set(units["adcode"])


def test_outlines_keep_area_and_neighbours_and_lose_points(units):
    full, light = units.to_crs(ALBERS_CHINA), outlines()
    assert light["adcode"].equals(units["adcode"]) and light.is_valid.all() and not light.is_empty.any()
    assert full.area.sum() / 1e12 == pytest.approx(9.5, abs=0.15)  # million km2
    assert light.area.sum() == pytest.approx(full.area.sum(), rel=1e-3)
    assert light.count_coordinates().sum() < full.count_coordinates().sum() / 4
    foshan, guangzhou = (light.set_index("adcode").loc[c, "geometry"] for c in ("440600", "440100"))
    assert foshan.intersection(guangzhou).area < 1e-6 and foshan.intersection(guangzhou).length > 1e4


@pytest.fixture(scope="module")
def county_units():
    return counties()


def test_one_valid_polygon_row_per_county_sorted(county_units):
    assert county_units.columns.to_list() == ["adcode", "name_zh", "prefecture", "geometry"]
    assert len(county_units) == 2891 and county_units["adcode"].is_unique
    assert county_units["adcode"].is_monotonic_increasing and county_units["adcode"].str.fullmatch(r"\d{6}").all()
    assert county_units.crs.to_epsg() == 4490
    assert county_units.is_valid.all() and set(county_units.geom_type) == {"Polygon", "MultiPolygon"}


def test_every_county_lies_in_its_prefecture_and_every_prefecture_has_one(county_units, units):
    assert set(county_units["prefecture"]) == set(units["adcode"])
    holders = units.set_index("adcode").geometry.reindex(county_units["prefecture"])
    inside = county_units.representative_point().within(holders, align=False)
    assert inside.all()


def test_outlines_of_counties_keep_area_and_lose_points(county_units):
    light = outlines(level="county")
    assert light["adcode"].equals(county_units["adcode"]) and light.is_valid.all() and not light.is_empty.any()
    assert light.area.sum() == pytest.approx(county_units.to_crs(ALBERS_CHINA).area.sum(), rel=1e-3)
    assert light.count_coordinates().sum() < county_units.count_coordinates().sum() / 4
    with pytest.raises(DomainError, match="choose one of 'prefecture', 'county'"):
        outlines(level="town")


def test_counties_directly_under_a_province_stand_for_themselves(county_units):
    direct = county_units[county_units["adcode"].str.fullmatch(r"(?:41|42|46|65)90\d\d")]
    assert len(direct) == 32 and direct["prefecture"].equals(direct["adcode"])
    others = county_units[county_units["prefecture"] == county_units["adcode"]].drop(direct.index)
    assert len(others) == 8 and others["prefecture"].isin(["441900", "442000", "820000"]).sum() == 3


def test_the_caller_may_change_the_frame(units):
    mine = prefectures()
    mine["name_zh"] = "x"
    mine.loc[len(mine)] = mine.loc[0]
    assert len(prefectures()) == 375 and prefectures()["name_zh"].iloc[0] == units["name_zh"].iloc[0]


def test_importing_the_module_does_not_import_geopandas():
    code = "import sys, regiometrics.data.boundaries; sys.exit('geopandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
