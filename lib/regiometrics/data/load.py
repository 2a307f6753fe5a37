"""Reading tables: one file per table, in the format that the reader has, and the bundle that a chapter starts from."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import pandas as pd

from regiometrics.errors import RegionError


@dataclass(frozen=True)
class Bundle:
    """The tables of a chapter and where they come from.

    Attributes
    ----------
    tables : mapping of str to DataFrame
        Each table carries ``attrs["source"]``.
    source : str
        ``"shipped"``, ``"simulated"`` or ``"user"``.
    truth : mapping of str to DataFrame, optional
        What was planted, where the tables are simulated.
    calibration : DataFrame, optional
        One row per target moment of a simulation: ``moment, group, published, simulated, gap`` (relative).
    notes : tuple of str
        What the reader has to know about these tables, such as absent city-years.
    """

    tables: Mapping[str, pd.DataFrame]
    source: str
    truth: Mapping[str, pd.DataFrame] | None = None
    calibration: pd.DataFrame | None = None
    notes: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for table in self.tables.values():
            table.attrs["source"] = self.source


def table_file(folder: str | Path, name: str) -> Path | None:
    """The file of a table in a folder, or None where there is none.

    Raises
    ------
    RegionError
        The folder does not exist, or holds the table in several formats.
    """
    if not Path(folder).is_dir():
        raise RegionError(f"there is no folder {folder}", remedy="correct the path")
    found = [path for suffix in _READERS if (path := Path(folder) / f"{name}{suffix}").is_file()]
    if len(found) > 1:
        raise RegionError(
            f"table {name!r} stands in several files: {', '.join(path.name for path in found)}",
            remedy="keep one of them",
        )
    return found[0] if found else None


def read_table(folder: str | Path, name: str, *, codes: Sequence[str] = ("city",)) -> pd.DataFrame:
    r"""One table of a folder, from ``name.csv``, ``.parquet``, ``.xlsx`` (first sheet) or ``.dta``.

    Parameters
    ----------
    folder : path
        The reader's folder.
    name : str
        Name of the table, which is the name of its file.
    codes : sequence of str
        Columns of codes; they are read as text, so that 110000, "110000" and 110000.0 are the same code.

    Returns
    -------
    DataFrame
        As in the file, with codes as text and a column ``year`` of whole numbers as int.
        A CSV file may be in UTF-8, with or without byte-order mark, or in GB 18030.

    Raises
    ------
    RegionError
        No such file, two of them, or a file that cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "cities.csv").write_text("city,cluster\n110000,capital", encoding="utf-8")
    ...     read_table(folder, "cities").iloc[0].tolist()
    ['110000', 'capital']
    """
    path = table_file(folder, name)
    if path is None:
        raise RegionError(
            f"table {name!r} is not in the folder {folder}",
            remedy=f"save it there as {', '.join(name + suffix for suffix in _READERS)}",
        )
    try:
        table = _READERS[path.suffix](path, dict.fromkeys(codes, str))
    except (ValueError, OSError, BadZipFile, struct.error) as error:
        raise RegionError(f"{path.name} cannot be read: {error}", remedy="open it and save it again") from error
    table = table.rename(columns=lambda column: str(column).strip())
    texts = {column: _as_code(table[column]) for column in codes if column in table}
    return table.assign(**texts, **({"year": _as_year(table["year"])} if "year" in table else {}))


def _read_csv(path: Path, types: Mapping[str, type[str]]) -> pd.DataFrame:
    try:
        return pd.read_csv(path, dtype=dict(types), encoding="utf-8-sig")
    except UnicodeDecodeError:
        return pd.read_csv(path, dtype=dict(types), encoding="gb18030")


_READERS: Mapping[str, Callable[[Path, Mapping[str, type[str]]], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".parquet": lambda path, types: pd.read_parquet(path),
    ".xlsx": lambda path, types: pd.read_excel(path, dtype=dict(types)),
    ".dta": lambda path, types: pd.read_stata(path, convert_categoricals=False),
}


def _as_code(values: pd.Series) -> pd.Series:
    return values.astype("str").str.strip().str.removesuffix(".0").replace("", None)


def _as_year(values: pd.Series) -> pd.Series:
    years = pd.to_numeric(values, errors="coerce")
    return years.astype(int) if (years % 1 == 0).all() else values
