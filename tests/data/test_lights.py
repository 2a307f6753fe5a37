"""The table of county lights against its two pictures, and what can be counted in it."""

import runpy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.boundaries import counties
from regiometrics.data.files import data_file
from regiometrics.measure.inequality import dagum

LIGHTS = ["light_1994", "light_2012"]


@pytest.fixture(scope="module")
def shipped_lights() -> pd.DataFrame:
    return pd.read_csv(data_file("derived", "lights", "county_lights.csv"), dtype={"adcode": str, "prefecture": str})


@pytest.fixture(scope="module")
def script(root) -> SimpleNamespace:
    for package in ("rasterio", "exactextract"):
        pytest.importorskip(package, reason="the extra `lights` is not installed")
    return SimpleNamespace(**runpy.run_path(str(root / "data" / "derived" / "lights" / "make_county_lights.py")))


def test_the_table_is_rebuilt_from_the_pictures(script, shipped_lights):
    made = script.table(counties())
    keys = ["adcode", "name_zh", "prefecture"]
    pd.testing.assert_frame_equal(made[keys], shipped_lights[keys])
    # one unit of the last printed digit: another build of the projection may round it the other way
    np.testing.assert_allclose(made["area_km2"], shipped_lights["area_km2"], rtol=0, atol=0.1001)
    np.testing.assert_allclose(made[LIGHTS], shipped_lights[LIGHTS], rtol=0, atol=1.001e-4)


def test_a_pixel_counts_with_the_part_that_lies_inside(script):
    import rasterio
    from geopandas import GeoDataFrame
    from shapely import box

    with rasterio.open(script.HERE / script.PICTURES["light_2012"]) as picture:
        index, (west, _, _, north), (size, _) = (
            script.index_of("light_2012", picture.read()),
            picture.bounds,
            picture.res,
        )
    row, column = 130, 240
    x, y = west + column * size, north - (row + 1) * size
    place = box(x + size / 2, y, x + 2 * size, y + size)  # half of one pixel and all of the next
    unit = GeoDataFrame({"adcode": ["1"], "name_zh": [""], "prefecture": ["1"]}, geometry=[place], crs=4490)
    left, right = index[row, [column, column + 1]].astype(float)
    made = script.table(unit)
    assert left != right and made["light_2012"].iloc[0] == pytest.approx((left / 2 + right) / 1.5, abs=5e-5)
    km_by_km = 111.32**2 * np.cos(np.radians(place.centroid.y)) * 1.5 * size**2
    assert made["area_km2"].iloc[0] == pytest.approx(km_by_km, rel=0.005)


def test_the_index_leaves_out_moonlit_land(script):
    moonlit_lamp_black = np.array([[30, 200, 0], [40, 190, 0], [60, 100, 0]], dtype=np.uint8)[:, None, :]
    assert script.index_of("light_2012", moonlit_lamp_black).tolist() == [[0.0, 140.0, 0.0]]
    assert script.index_of("light_1994", moonlit_lamp_black)[0] == pytest.approx([130 / 3, 490 / 3, 0])


def test_every_county_has_an_index_on_the_scale(shipped_lights):
    assert len(shipped_lights) == 2891 and shipped_lights["adcode"].is_unique
    assert shipped_lights[LIGHTS].notna().to_numpy().all()
    assert shipped_lights[LIGHTS].min().tolist() == [0, 0] and shipped_lights[LIGHTS].max().max() < 255
    assert (shipped_lights[LIGHTS] == 0).sum().tolist() == [70, 67]
    assert shipped_lights["area_km2"].min() > 0
    assert shipped_lights["area_km2"].sum() == pytest.approx(9.5e6, rel=0.01)


def test_the_brightest_and_the_darkest_prefectures_are_where_they_should_be(shipped_lights):
    light = shipped_lights[LIGHTS].mul(shipped_lights["area_km2"], axis=0).groupby(shipped_lights["prefecture"]).sum()
    mean = light.div(shipped_lights.groupby("prefecture")["area_km2"].sum(), axis=0)
    dongguan, shenzhen, hong_kong, shanghai = "441900", "440300", "810000", "310000"
    ali, naqu, guoluo = "542500", "540600", "632600"
    for year in LIGHTS:
        rank = mean[year].rank(ascending=False)
        assert rank[[dongguan, shenzhen, hong_kong, shanghai]].max() <= 10
        assert rank[[ali, naqu, guoluo]].min() > 360
    assert mean.index[mean["light_2012"] == 0].tolist() == [ali] and mean.index[mean["light_1994"] == 0] == [guoluo]


@pytest.mark.parametrize(("light", "mean"), [("light_1994", 0.433), ("light_2012", 0.346)])
def test_ginis_inside_prefectures(shipped_lights, light, mean):
    by_prefecture = shipped_lights.groupby("prefecture")[light]
    several = by_prefecture.transform("size") > 1
    assert shipped_lights[several]["prefecture"].nunique() == 335
    ginis = dagum(
        shipped_lights[several & (by_prefecture.transform("sum") > 0)], value=light, group="prefecture", pairwise=False
    ).groups["gini"]
    assert len(ginis) == 334 and ginis.mean() == pytest.approx(mean, abs=5e-4)
    assert ginis.between(0, 1).all()
