"""An empty folder for a reader's own tables: headers, two example rows each, and a page that explains the columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pandera.pandas as pa

from regiometrics.data.facts import SECTIONS
from regiometrics.data.load import read_table
from regiometrics.data.schemas import Table, check_table, tables_of
from regiometrics.errors import RegionError

GUIDE = "COLUMNS.md"
"""File of a template that explains the columns."""

_RANGES = {
    "negative": "0 or more",
    "below_zero": "0 or more",
    "not_positive": "above 0",
    "percent": "no percent",
    "coordinate": "inside China",
    "year": "1949 to 2100",
    "year_or_none": "1949 to 2100",
}

_INTRODUCTION = """\
# Your own tables for {chapter}

One file per table. The name of the file is the name of the table; it may be `.csv` (UTF-8, UTF-16 or GB 18030),
`.parquet`, `.xlsx` (one sheet) or `.dta`. Keep the names of the columns; their order is free, and columns that are not
listed here are not used. Codes are text: keep leading zeros. Best write plain numbers: thousands commas and, in
fractions, percent signs are read and told where they have one reading, and reported where they have several.
{sections}
The two rows in each file are examples from a simulation, no data: they show the form. **Delete them.** A chapter needs
many more rows: all its cities, provinces or counties, in all years. When the tables are filled in, look for problems,
and when none is left, execute the chapter on them:

    regiometrics check {chapter} FOLDER
    regiometrics run {chapter} --data FOLDER

Both take `--missing drop`: empty cells and absent rows are then left out and listed, and are no problem.
"""


_SECTIONS = """
**Match sections by name, never by letter or by position.** The letters are those of GB/T 4754-2011. Older yearbooks,
and tables that keep their order, follow the edition of 2002: there transport is F, information G, wholesale and retail
H, and accommodation and catering I.
"""


def write_template(chapter: str, folder: str | Path, examples: Mapping[str, pd.DataFrame]) -> tuple[Path, ...]:
    """Write a CSV file with two example rows for each table of a chapter, and ``COLUMNS.md``, which explains them.

    Parameters
    ----------
    chapter : str
        ``"p1"`` to ``"p5"``.
    folder : path
        Where to write; it is made where it is not there.
    examples : mapping of str to DataFrame
        Tables to take the example rows from, such as simulated ones, each of two rows or more.

    Returns
    -------
    tuple of Path
        The files, ``COLUMNS.md`` last.

    Raises
    ------
    RegionError
        A file of a table, in any format, or ``COLUMNS.md`` is there already (nothing is written then), or the chapter
        has no schema.

    Examples
    --------
    >>> import tempfile
    >>> from regiometrics.simulate import p4
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in write_template("p4", folder, p4.panel(0).tables)]
    ['province_industry.csv', 'hightech.csv', 'regions.csv', 'intensity.csv', 'COLUMNS.md']
    """
    tables, home = tables_of(chapter), Path(folder)
    if home.exists() and not home.is_dir():
        raise RegionError(f"{home} is a file", remedy="name a folder")
    there = [path.name for table in tables for path in sorted(home.glob(f"{table.name}.*"))]
    there += [GUIDE] if (home / GUIDE).exists() else []
    if there:
        problem = f"{home} already holds {', '.join(there)}, and a template overwrites nothing"
        raise RegionError(problem, remedy="name another folder, or move these files away")
    home.mkdir(parents=True, exist_ok=True)
    texts = {f"{table.name}.csv": _csv(table, examples[table.name]) for table in tables}
    texts[GUIDE] = guide(chapter)
    for name, text in texts.items():
        # the byte-order mark tells spreadsheets that the file is in UTF-8
        with (home / name).open("x", encoding="utf-8" if name == GUIDE else "utf-8-sig", newline="\n") as file:
            file.write(text)
    return tuple(home / name for name in texts)


def example_rows(table: Table, df: pd.DataFrame) -> pd.DataFrame:
    """Two rows with every column of a table: the first without an empty cell, and the first of the others.

    Parameters
    ----------
    table : Table
        Whose columns are wanted.
    df : DataFrame
        Rows of this table; optional columns may be absent.

    Returns
    -------
    DataFrame
        Numbers of at most six significant digits, truth values as 0 and 1; an absent column is empty where it may be,
        else 1.
    """
    columns = table.schema.columns
    fullest = int(df.isna().sum(axis=1).argmin())
    rows = df.iloc[[fullest, 1 if fullest == 0 else 0]].reset_index(drop=True)
    absent = {name: None if column.nullable else 1 for name, column in columns.items() if name not in rows}
    rows = rows.assign(**absent)[list(columns)]
    return rows.assign(**{name: rows[name].map(_short, na_action="ignore").astype(object) for name in table.numbers})


def kept_examples(table: Table, folder: str | Path, df: pd.DataFrame) -> list[object]:
    """Keys of the example rows, made from ``df``, that still stand in a folder's table.

    Only tables by year are looked at: the example rows of the others, such as the cluster of a city, may well be true.
    """
    if "year" not in table.keys:
        return []
    read = read_table(folder, table.name, codes=table.codes, units=table.units(), words=table.words)
    own, _ = check_table(table, read)
    examples, _ = check_table(table, example_rows(table, df))
    common = [name for name in examples if name in own]
    kept = own.merge(examples[common], on=common).astype({"year": int})
    return [key if len(key) > 1 else key[0] for key in kept[table.keys].itertuples(index=False, name=None)]


def guide(chapter: str) -> str:
    """The text of ``COLUMNS.md``: key, columns, units and ranges of each table of a chapter."""
    introduction = _INTRODUCTION.format(chapter=chapter, sections=_SECTIONS if section_names(chapter) else "")
    return "\n".join([introduction, *(_section(table) for table in tables_of(chapter))])


def section_names(chapter: str) -> dict[str, tuple[str, str]]:
    """English and Chinese name of the sections of the economy that are columns of a chapter's tables, by letter.

    Examples
    --------
    >>> section_names("p3")["C"], section_names("p4")
    (('manufacturing', '制造业'), {})
    """
    columns = {name for table in tables_of(chapter) for name in table.numbers}
    return {letter: names for letter, names in SECTIONS.items() if letter in columns}


def _section(table: Table) -> str:
    title = table.schema.title or ""
    lines = [
        f"## {table.name} ({'required' if table.required else 'optional'})",
        "",
        f"{title[:1].upper()}{title[1:]}.",
        f"Key, which no two rows share: {', '.join(f'`{key}`' for key in table.keys)}.",
        "",
        "| Column | What it is | Unit or range | |",
        "|---|---|---|---|",
    ]
    for name, column in table.schema.columns.items():
        lines.append(f"| `{name}` | {column.title} | {_range(table, name, column)} | {_need(column)} |")
    return "\n".join([*lines, ""])


def _range(table: Table, name: str, column: pa.Column) -> str:
    """Unit and range of a column in words."""
    if name not in table.numbers:
        return "code, as text" if name in table.codes else "text"
    unit = "" if table.units()[name] == "year" else table.units()[name]
    ranges = [_RANGES[str(check.name)] for check in column.checks if check.name in _RANGES]
    return ", ".join(part for part in (unit, *ranges) if part)


def _need(column: pa.Column) -> str:
    if column.required:
        return "required, may be empty" if column.nullable else "required"
    return "optional, may be empty" if column.nullable else "optional, no empty cell"


def _csv(table: Table, df: pd.DataFrame) -> str:
    return str(example_rows(table, df).to_csv(index=False, lineterminator="\n"))


def _short(value: float) -> float | int:
    """A number of at most six significant digits."""
    short = float(f"{float(value):.6g}")
    return int(short) if short.is_integer() else short
