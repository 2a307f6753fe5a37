"""Where the files are: ``REGIOMETRICS_DATA``, the copy in the installed package, or the checkout, in this order."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from regiometrics.errors import RegionError

_PACKAGE = Path(str(files("regiometrics")))
_CHECKOUT = _PACKAGE.parents[1]


def data_folder() -> Path:
    """The folder that holds ``published/``, ``facts/``, ``derived/``, ``reference/`` and ``results/``."""
    return _first_folder(os.environ.get("REGIOMETRICS_DATA"), _PACKAGE / "_data", _CHECKOUT / "data")


def notebooks_folder() -> Path:
    """The folder of the executed chapters (``.ipynb``)."""
    return _first_folder(None, _PACKAGE / "_notebooks", _CHECKOUT / "notebooks")


def sources_folder() -> Path | None:
    """The folder of files that may not be shipped (``REGIOMETRICS_SOURCES``), or None where it is absent."""
    named = os.environ.get("REGIOMETRICS_SOURCES")
    return Path(named) if named and Path(named).is_dir() else None


def data_file(*parts: str) -> Path:
    """Path of one file of the project's data.

    Examples
    --------
    >>> data_file("facts", "clusters_p3_eight.csv").name
    'clusters_p3_eight.csv'
    """
    path = data_folder().joinpath(*parts)
    if not path.is_file():
        raise RegionError(
            f"{'/'.join(parts)} is not in the data folder {data_folder()}",
            remedy="unset REGIOMETRICS_DATA, or point it to a complete copy of data/",
        )
    return path


def _first_folder(named: str | None, packaged: Path, checkout: Path) -> Path:
    if named is not None:
        if not Path(named).is_dir():
            raise RegionError(f"REGIOMETRICS_DATA names no folder: {named}", remedy="correct it or unset it")
        return Path(named)
    return packaged if packaged.is_dir() else checkout
