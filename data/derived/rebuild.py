"""What the scripts of this folder share: make tables from sources that may not ship, and compare or write them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from regiometrics.data.files import sources_folder


def rebuild(make: Callable[[Path], Mapping[str, pd.DataFrame]], kept: Path, *, digits: str | None = None) -> int:
    """Make the files, compare them with those in ``kept``, and write them to the folder named on the command line.

    Parameters
    ----------
    make : callable
        From the folder of sources to tables by name of their file.
    kept : Path
        Folder of the files in the repository.
    digits : str, optional
        Format of floats.

    Returns
    -------
    int
        Exit code: 0 where all files are the same to the last byte.
    """
    sources = sources_folder()
    if sources is None:
        raise SystemExit("set REGIOMETRICS_SOURCES to the folder that holds the sources' folders")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        same = True
        for name, table in make(sources).items():
            table.to_csv(folder / name, index=False, lineterminator="\n", float_format=digits)
            same &= (kept / name).exists() and (folder / name).read_bytes() == (kept / name).read_bytes()
    print("the same bytes as in the repository" if same else "differs from the repository")
    return 0 if same else 1
