"""Firm records to county x industry x year: cleaning rules as named steps, in an embedded engine, out of memory.

The steps are those of Zhang, Shi and Zhong's section 3.3 (after Brandt et al. 2012 and Nie et al. 2012), in its order:
key variables, size, sectors, counties, output of 2004. Reading, keys and repeated records come before them.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Literal, get_args

import duckdb
import numpy as np
import pandas as pd

from regiometrics.errors import DomainError, KeyColumnError, RegionError
from regiometrics.panel import refuse, require_columns, require_keys
from regiometrics.result import frozen_options

KEYS = ("firm", "year", "county", "sector")
KEY_VARIABLES = ("total_assets", "fixed_assets", "intermediate_input", "value_added")
"""Missing or negative in any of them, and the record goes."""

VARIABLES = (
    *KEY_VARIABLES,
    *("gross_output", "sales", "stocks_opening", "stocks_closing", "employees", "paid_in_capital"),
)
COLUMNS = (*KEYS, *VARIABLES)

CLASSIFICATIONS: Mapping[int, int] = MappingProxyType({1994: 1984, 2002: 2003, 2011: 2012})
"""Editions of GB/T 4754 and the first year of which the records are coded in them."""

SURVEY_YEARS = range(1998, 2014)
OUTPUT_FROM_SALES = 2004
"""The year whose records hold no gross output."""

Action = Literal["keep", "replace", "merge", "remove"]

_AMOUNT = "DECIMAL(18, 3)"  # exact sums: the order of the records and the number of threads change no digit
_MISSING = ("", "NA", "NaN", "nan", ".")
_SEPARATOR = "\x1f"
_PATH = "path\x1f"  # a column that no file has
_BLOCK = 1 << 24
_EXAMPLES = 5
_ORDER = "(file * 10_000_000_000 + record)"
_RANGES = {4: (100, 9999), 6: (100_000, 999_999)}  # of codes by digits; a sector may have lost its leading 0


@dataclass(frozen=True)
class FirmPanel:
    """Firm records as county x industry x year, and the account of every record read.

    Attributes
    ----------
    county_industry : DataFrame
        ``county`` (six digits of 2010), ``industry`` (of the concordance), ``year``, ``output`` (10³ yuan),
        ``employment`` (persons), ``capital`` (10³ yuan), ``firms``; one row per cell with a firm, sorted.
    report : DataFrame
        One row per rule, in order: ``step, why, rows_in, rows_out, dropped, changed, examples``. Each ``rows_in`` is
        the ``rows_out`` above it. Examples name up to five dropped records by file, place in it, firm and year.
    dropped_by_year : DataFrame
        ``step, why, year, dropped``; the year is missing where the record has none. Shows a wave that a rule empties.
    unmatched_sectors, unmatched_counties : DataFrame
        Codes without an entry: ``classification, sector`` or ``county, year``; ``rows``, ``output`` (10³ yuan) and
        ``share``, their part of the output of all records that reach the step; the largest first.
    options : mapping
        Every argument after defaults, and the library's version.
    """

    county_industry: pd.DataFrame
    report: pd.DataFrame
    dropped_by_year: pd.DataFrame
    unmatched_sectors: pd.DataFrame
    unmatched_counties: pd.DataFrame
    options: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True)
class _Rule:
    """A line of the report: records that meet ``condition`` are dropped, or changed where ``drops`` is false."""

    step: str
    why: str
    condition: str
    column: str | None = None
    drops: bool = True


def clean_firms(
    source: str | Path | Sequence[str | Path],
    *,
    concordance: pd.DataFrame,
    recode: pd.DataFrame,
    columns: Mapping[str, str] | None = None,
    not_asked: Mapping[str, Sequence[int]] | None = None,
    years: range = SURVEY_YEARS,
    classifications: Mapping[int, int] = CLASSIFICATIONS,
    min_employees: int = 30,
    dropped_to: str | Path | None = None,
    memory_limit: str = "500MB",
    threads: int = 2,
    temporary: str | Path | None = None,
) -> FirmPanel:
    r"""Clean firm records by the paper's rules and add them up to county x industry x year.

    Parameters
    ----------
    source : path or sequence of paths
        A CSV or Parquet file, several, or a folder of them (yearly files, say). Columns: ``firm`` (text), ``year``,
        ``county`` (GB/T 2260, six digits, as recorded), ``sector`` (GB/T 4754, four digits, the edition of its year),
        ``total_assets, fixed_assets, intermediate_input, value_added, gross_output, sales, stocks_opening,
        stocks_closing, paid_in_capital`` (10³ yuan, read to the yuan), ``employees`` (persons). Other columns are left
        aside. A column that a file lacks is missing in all its records. CSV: commas, a header, one record a line, UTF-8
        or GB 18030; empty, ``NA``, ``NaN`` and ``.`` are missing.
    concordance : DataFrame
        ``classification`` (edition of GB/T 4754: 1994, 2002, 2011), ``sector`` (its code) and ``industry`` (the code
        that holds over all years); many to one. Codes that never changed need their row too. The tables of Brandt et
        al. (2012) may not be shipped: bring yours in these columns; `regiometrics.simulate.firms.census` makes
        one of the same structure.
    recode : DataFrame
        ``county`` (code as recorded), ``year`` (of the record; missing: in every year without a row of its own),
        ``county_2010`` and ``action``: "keep", "replace", "merge" or "remove" (``county_2010`` missing).
        Records of counties outside the table are dropped and listed.
    columns : mapping, optional
        Name in the files by name here, where they differ, such as ``{"firm": "法人代码"}``.
    not_asked : mapping, optional
        Key variable -> years whose questionnaire did not hold it, such as ``{"value_added": [2004, 2008]}``; missing
        is no reason to drop a record of these years. The survey as it circulates lacks value added from 2008 on.
    years : range
        Years a record may bear.
    classifications : mapping
        Edition -> first year of which the records are coded in it.
    min_employees : int
        Records with fewer employees, or with no number of them, are dropped.
    dropped_to : path, optional
        A ``.parquet`` or ``.csv`` file to write every dropped record to: ``step, why, file, record`` (its place in the
        file, or the number of a line that is no record), ``told`` (the cell or line at fault), ``firm, year, county,
        sector, output, employees, capital``.
    memory_limit, threads : str, int
        Bounds of the engine; what does not fit is kept on disk.
    temporary : path, optional
        Existing folder in which a temporary folder is made, and removed at the end.

    Returns
    -------
    FirmPanel
        The panel and the account. The order of records and their division into files change no number in it.

    Raises
    ------
    RegionError
        No file, or one that cannot be read at all. Broken records raise nothing; they are in the report.
    KeyColumnError
        A column absent from all files or from a table; a code that a table holds twice or that is no code.
    DomainError
        An action that contradicts its codes, or an option out of its range.

    Notes
    -----
    A repeated firm and year is kept once where all its columns agree; where they differ no record of them is kept, for
    none is known to be right. ``output`` is gross output; where it is missing in 2004, sales - opening stocks + closing
    stocks. ``capital`` is paid-in capital (the paper's 实用资本, read as 实收资本); missing or negative counts as 0
    and is reported, since the paper names it among no key variables.

    Examples
    --------
    >>> record = dict.fromkeys(VARIABLES, 100) | {"firm": "a", "year": 2005, "county": 320281, "sector": 1711}
    >>> concordance = pd.DataFrame({"classification": [2002], "sector": ["1711"], "industry": ["1711"]})
    >>> recode = pd.DataFrame({"county": ["320281"], "year": [None], "county_2010": ["320281"], "action": ["keep"]})
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "2005.parquet")
    ...     pd.DataFrame([record, record | {"firm": "b", "employees": 12}]).to_parquet(path)
    ...     panel = clean_firms(path, concordance=concordance, recode=recode)
    >>> panel.county_industry[["county", "output", "firms"]].values.tolist()
    [['320281', 100.0, 1]]
    >>> panel.report.query("dropped > 0")[["why", "rows_in", "rows_out"]].values.tolist()
    [['fewer than 30 employees', 2, 1]]
    """
    names = _names(columns or {})
    asked = _not_asked(not_asked or {})
    files = _files(source)
    editions = _editions(classifications, years)
    sectors = _sector_table(concordance, classifications)
    counties = _county_table(recode, years)
    rules = _rules(years, asked, min_employees)
    if dropped_to is not None and Path(dropped_to).suffix not in (".csv", ".parquet"):
        raise DomainError(f"dropped_to={str(dropped_to)!r} has no known format", remedy="end it in .parquet or .csv")
    with TemporaryDirectory(dir=temporary) as folder, _engine(folder, memory_limit, threads) as engine:
        engine.register("sectors", editions.merge(sectors))
        engine.register("counties", counties)
        refused = _read(engine, files, names, years, rules, Path(folder))
        _drop_doubles(engine, rules)
        tally = _tally(engine, rules)
        return FirmPanel(
            county_industry=_county_industry(engine),
            report=_report(rules, tally, refused, _examples(engine, tally)),
            dropped_by_year=_dropped_by_year(rules, tally, refused),
            unmatched_sectors=_unmatched(engine, rules, "sectors", ["sector", "year"])
            .merge(editions)
            .groupby(["classification", "sector"], as_index=False)[["rows", "output", "share"]]
            .sum()
            .sort_values(["output", "sector"], ascending=[False, True], ignore_index=True),
            unmatched_counties=_unmatched(engine, rules, "counties", ["county", "year"]),
            options=frozen_options(
                files=tuple(str(file) for file in files),
                columns=names,
                not_asked=asked,
                years=years,
                classifications=dict(classifications),
                min_employees=min_employees,
                dropped_to=_write_dropped(engine, rules, refused, dropped_to),
                memory_limit=memory_limit,
                threads=threads,
            ),
        )


def _rules(years: range, not_asked: Mapping[str, tuple[int, ...]], min_employees: int) -> list[_Rule]:
    """The rules in order, each a condition on a record with its codes; `_drop_doubles` judges the repeated ones."""
    rules = [
        _Rule("read", "line does not fit the header", "false"),
        _Rule("read", "text, or an impossible number, where a number is needed", "garbled IS NOT NULL"),
        _Rule("keys", f"no year of {years[0]}-{years[-1]}", "year IS NULL", "year"),
        _Rule("keys", "no firm", "firm IS NULL"),
        _Rule("keys", "no county code of six digits", "county IS NULL", "county"),
        _Rule("keys", "no sector code of four digits", "sector IS NULL", "sector"),
        _Rule("duplicates", "repeats a record of the same firm and year", "false"),
        _Rule("duplicates", "contradicts a record of the same firm and year", "false"),
    ]
    for name in KEY_VARIABLES:
        absent = f"{name} IS NULL"
        if name in not_asked:
            absent += f" AND year NOT IN ({', '.join(map(str, not_asked[name]))})"
        rules.append(_Rule("key_variables", f"{name} missing", absent))
        rules.append(_Rule("key_variables", f"{name} negative", f"{name} < 0", name))
    few, estimated = f"employees < {int(min_employees)}", "gross_output IS NULL AND output IS NOT NULL"
    return [
        *rules,
        _Rule("size", "no number of employees", "employees IS NULL"),
        _Rule("size", f"fewer than {min_employees} employees", few, "employees"),
        _Rule("sectors", "sector code not in the concordance", "industry IS NULL", "sector"),
        _Rule("sectors", "sector code replaced", "industry <> sector", drops=False),
        _Rule("counties", "county code not in the recode table", "action IS NULL", "county"),
        _Rule("counties", "county removed", "action = 'remove'", "county"),
        _Rule("counties", "county code replaced", "action = 'replace'", drops=False),
        _Rule("counties", "county merged into another", "action = 'merge'", drops=False),
        _Rule("output", "sales - opening stocks + closing stocks", estimated, drops=False),
        _Rule("output", "gross output missing", "output IS NULL"),
        _Rule("output", "gross output negative", "output < 0", "gross_output"),
        _Rule("capital", "paid-in capital missing, counted as 0", "paid_in_capital IS NULL", drops=False),
        _Rule("capital", "paid-in capital negative, counted as 0", "paid_in_capital < 0", drops=False),
    ]


def _place(rules: Sequence[_Rule], step: str) -> int:
    """Position of the first rule of a step."""
    return next(place for place, rule in enumerate(rules) if rule.step == step)


def _names(columns: Mapping[str, str]) -> dict[str, str]:
    """Name in the files of every column."""
    strange = [name for name in columns if name not in COLUMNS]
    if strange:
        raise KeyColumnError(
            f"columns= names {', '.join(map(repr, strange))}, which is no column of a firm record",
            remedy=f"choose among {', '.join(COLUMNS)}",
        )
    return {name: columns.get(name, name) for name in COLUMNS}


def _not_asked(years: Mapping[str, Sequence[int]]) -> dict[str, tuple[int, ...]]:
    strange = [name for name in years if name not in KEY_VARIABLES]
    if strange:
        raise DomainError(
            f"not_asked= names {', '.join(map(repr, strange))}", remedy=f"choose among {', '.join(KEY_VARIABLES)}"
        )
    return {name: tuple(int(year) for year in values) for name, values in years.items() if len(values)}


def _files(source: str | Path | Sequence[str | Path]) -> list[Path]:
    """The CSV and Parquet files, absolute; those of a folder in the order of their names."""
    given = [Path(source)] if isinstance(source, str | Path) else [Path(path) for path in source]
    files = [file for path in given for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    found = [file.resolve() for file in files if file.suffix.lower() in (".csv", ".parquet") and file.is_file()]
    lost = [path for path in given if not path.is_dir() and path.resolve() not in found]
    if lost or not found:
        raise RegionError(
            f"no CSV or Parquet file: {', '.join(map(str, lost or given))}", remedy="correct the path of the records"
        )
    if len(set(found)) < len(found):
        raise RegionError("a file is named twice", remedy="name each file once")
    return found


def _code(table: pd.DataFrame, column: str, digits: int) -> pd.Series:
    """A column of codes as integers."""
    numbers = pd.to_numeric(table[column], errors="coerce")
    strange = table[column].notna() & ~((numbers % 1 == 0) & numbers.between(*_RANGES[digits]))
    refuse(
        KeyColumnError,
        f"no code of {digits} digits",
        rows=strange,
        of=table,
        keys=[column],
        column=column,
        remedy=f"write {digits} digits, as text or as a number",
    )
    return numbers.astype("Int32")


def _sector_table(concordance: pd.DataFrame, classifications: Mapping[int, int]) -> pd.DataFrame:
    """The concordance with codes as integers."""
    require_keys(concordance, ["classification", "sector"], unique=False)
    require_keys(concordance, ["industry"], unique=False)
    table = pd.DataFrame(
        {
            "classification": pd.to_numeric(concordance["classification"], errors="coerce").astype("Int32"),
            "sector": _code(concordance, "sector", 4),
            "industry": _code(concordance, "industry", 4),
        }
    )
    refuse(
        DomainError,
        "no known edition of GB/T 4754",
        rows=~table["classification"].isin(list(classifications)),
        of=concordance,
        keys=["classification"],
        column="classification",
        remedy=f"write {', '.join(map(str, classifications))}, or pass classifications=",
    )
    require_keys(table, ["classification", "sector"])
    return table


def _editions(classifications: Mapping[int, int], years: range) -> pd.DataFrame:
    """The classification of each year."""
    starts = sorted((first, edition) for edition, first in classifications.items())
    if not years or years.step != 1 or not starts or starts[0][0] > years[0]:
        raise DomainError(
            "years must be a range without gaps whose first year has a classification",
            remedy="pass years= such as range(2000, 2014), and classifications= that begin before it",
        )
    used = [max(start for start in starts if start[0] <= year)[1] for year in years]
    return pd.DataFrame({"year": list(years), "classification": used})


def _county_table(recode: pd.DataFrame, years: range) -> pd.DataFrame:
    """The county of 2010, and the action, of each recorded code in each year."""
    require_keys(recode, ["county"], unique=False)
    require_columns(recode, ["year", "county_2010", "action"])
    table = pd.DataFrame(
        {
            "county": _code(recode, "county", 6),
            "year": pd.to_numeric(recode["year"], errors="coerce").astype("Int32"),
            "county_2010": _code(recode, "county_2010", 6),
            "action": recode["action"].astype("str"),
        }
    )
    keys = {"of": recode, "keys": ["county"]}
    refuse(
        DomainError,
        "no year",
        rows=table["year"].isna() & recode["year"].notna(),
        column="year",
        remedy="write a year, or leave it empty for every year",
        **keys,  # type: ignore[arg-type]
    )
    refuse(
        DomainError,
        "unknown action",
        rows=~table["action"].isin(get_args(Action)),
        column="action",
        remedy=f"choose among {', '.join(get_args(Action))}",
        **keys,  # type: ignore[arg-type]
    )
    new = table["county_2010"]
    removed, same = table["action"] == "remove", (new == table["county"]).fillna(False).astype(bool)
    refuse(
        DomainError,
        "the action contradicts the codes",
        rows=(removed != new.isna()) | ((table["action"] == "keep") & ~same) | ((table["action"] == "replace") & same),
        column="action",
        remedy="county_2010 is empty where a county is removed, equal to county where kept, another where replaced",
        **keys,  # type: ignore[arg-type]
    )
    twice = table.duplicated(["county", "year"], keep=False)
    refuse(
        KeyColumnError,
        "a code has two entries in a year",
        rows=twice,
        column="county",
        remedy="keep one row per county and year",
        **keys,  # type: ignore[arg-type]
    )
    undated = table[table["year"].isna()].drop(columns="year").merge(pd.DataFrame({"year": list(years)}), how="cross")
    dated = table[table["year"].isin(years)]
    whole = pd.concat([dated, undated[dated.columns]]).drop_duplicates(["county", "year"])
    return whole.astype({"year": "Int32"})


def _engine(folder: str, memory_limit: str, threads: int) -> duckdb.DuckDBPyConnection:
    """A database that keeps in the folder what exceeds its memory, and reads files and registered tables alone."""
    if threads < 1:
        raise DomainError(f"threads={threads} is not positive", remedy="pass 1 or more")
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory_limit,
        "threads": threads,
        "temp_directory": folder,
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "python_enable_replacements": False,
    }
    try:
        engine = duckdb.connect(config=config)
    except duckdb.Error as error:
        raise DomainError(f"the engine refuses its options: {error}", remedy='pass memory_limit="500MB"') from error
    with suppress(duckdb.InvalidInputException):  # in Jupyter without widgets there is no bar, and no switch for it
        engine.execute("SET enable_progress_bar = false")
    return engine


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(literal: str) -> str:
    return "'" + literal.replace("'", "''") + "'"


def _exact(path: Path) -> str:
    """A path in which the engine expands no wildcard."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))


def _read(
    engine: duckdb.DuckDBPyConnection,
    files: Sequence[Path],
    names: Mapping[str, str],
    years: range,
    rules: Sequence[_Rule],
    folder: Path,
) -> pd.DataFrame:
    """Fill the table ``records`` and return the lines that are no record: ``file, line, told``."""
    changes = "".join(f", change_{place} BOOLEAN" for place, rule in enumerate(rules) if not rule.drops)
    engine.execute(f"""
        CREATE TABLE records (
            file SMALLINT, record BIGINT, firm VARCHAR, year SMALLINT, county INTEGER, sector SMALLINT,
            county_2010 INTEGER, industry SMALLINT, output {_AMOUNT}, employees {_AMOUNT}, capital {_AMOUNT},
            content UBIGINT, gone TINYINT, told VARCHAR{changes}
        );
        CREATE TABLE files (file SMALLINT, name VARCHAR, path VARCHAR, lines BIGINT)
    """)
    batches: dict[_Scan, list[Path]] = {}
    for number, file in enumerate(files):
        try:
            if file.suffix.lower() == ".csv":
                scan, path, lines = _csv_scan(file, names, folder / f"{number}.csv")
            else:
                scan, path, lines = _parquet_scan(engine, file, names), file, None
        except (duckdb.Error, OSError) as error:
            raise RegionError(f"{file.name} cannot be read: {error}", remedy="open it and save it again") from error
        engine.execute("INSERT INTO files VALUES (?, ?, ?, ?)", [number, file.name, str(path), lines])
        batches.setdefault(scan, []).append(path)
    held = {column for scan in batches for column, _ in scan.cells}
    absent = [name for column, name in names.items() if column not in held]
    if absent:
        raise KeyColumnError(
            f"column {', '.join(map(repr, absent))} is in no file",
            remedy="rename it, or pass columns= with its name in the files",
        )
    for scan, paths in batches.items():
        try:
            engine.execute(_insert(scan, years=years, rules=rules), [[_exact(path) for path in paths]])
        except duckdb.Error as error:
            raise RegionError(f"a file cannot be read: {error}", remedy="open it and save it again") from error
    engine.execute("CREATE TABLE starts AS SELECT file, min(record) - 1 AS before FROM records GROUP BY file")
    return _refused(engine)


@dataclass(frozen=True)
class _Scan:
    """How to read files of one shape: the table function, its columns, and the cell of each column of a record."""

    function: str
    shape: tuple[tuple[str, str], ...]
    cells: tuple[tuple[str, str], ...]


def _parquet_scan(engine: duckdb.DuckDBPyConnection, file: Path, names: Mapping[str, str]) -> _Scan:
    described = engine.execute("DESCRIBE SELECT * FROM read_parquet(?, hive_partitioning = false)", [_exact(file)])
    types = {str(name): str(kind) for name, kind, *_ in described.fetchall()}
    cells = tuple((column, _cell(name, types[name])) for column, name in names.items() if name in types)
    return _Scan(f"read_parquet(?, hive_partitioning = false, filename = {_text(_PATH)})", tuple(types.items()), cells)


def _csv_scan(file: Path, names: Mapping[str, str], copy: Path) -> tuple[_Scan, Path, int]:
    """The scan, the file to read, and its lines.

    The engine itself reads no quotes: with them, a stray one loses every line up to the next without a word.
    """
    lines, plain, encoding = _survey(file)
    header = _header(file, encoding)
    if not plain:
        _unquote(file, copy, encoding)
    fields = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in header)
    function = (
        f"read_csv(?, auto_detect = false, header = true, delim = {_text(',' if plain else _SEPARATOR)}, quote = '', "
        f"escape = '', columns = {{{fields}}}, nullstr = [{', '.join(map(_text, _MISSING))}], "
        f"hive_partitioning = false, filename = {_text(_PATH)}, store_rejects = true, rejects_table = 'refused', "
        "rejects_scan = 'refused_in')"
    )
    cells = tuple((column, _name(name)) for column, name in names.items() if name in header)
    return _Scan(function, tuple((name, "VARCHAR") for name in header), cells), file if plain else copy, lines


def _refused(engine: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Lines that do not fit their header; every other line is a record, or the files were not read whole."""
    if _count(engine, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'refused'"):
        engine.execute("""
            CREATE TABLE lost AS
            SELECT file, line, first(csv_line) AS told
            FROM refused JOIN refused_in USING (scan_id, file_id) JOIN files ON path = file_path
            GROUP BY file, line, line_byte_position
        """)
    else:
        engine.execute("CREATE TABLE lost (file SMALLINT, line BIGINT, told VARCHAR)")
    wrong = engine.execute("""
        SELECT name, lines, coalesce(read, 0), coalesce(refused, 0) FROM files
        LEFT JOIN (SELECT file, count(*) AS read FROM records GROUP BY file) USING (file)
        LEFT JOIN (SELECT file, count(*) AS refused FROM lost GROUP BY file) USING (file)
        WHERE lines <> coalesce(read, 0) + coalesce(refused, 0)
    """).fetchone()
    if wrong:
        name, lines, read, refused = wrong
        raise RegionError(
            f"{name} has {lines} lines below its header, of which {read} were read and {refused} refused",
            remedy="save it as Parquet",
        )
    table = engine.execute("SELECT name AS file, line, told FROM lost JOIN files USING (file) ORDER BY file, line").df()
    return table.assign(told=table["told"].str.replace(_SEPARATOR, ",", regex=False))


def _cell(name: str, kind: str) -> str:
    """A Parquet cell as number or text, a NaN as missing."""
    cell = _name(name)
    if kind in ("FLOAT", "DOUBLE"):
        return f"(CASE WHEN isnan({cell}) THEN NULL ELSE {cell} END)"
    numeric = kind.startswith(("DECIMAL", "HUGEINT")) or kind.lstrip("U") in (
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
    )
    if numeric:
        return cell
    return f"(CASE WHEN {cell}::VARCHAR IN ({', '.join(map(_text, _MISSING))}) THEN NULL ELSE {cell}::VARCHAR END)"


def _blocks(file: Path) -> Iterator[bytes]:
    """Whole lines, some megabytes at a time."""
    with file.open("rb") as stream:
        while block := stream.read(_BLOCK) + stream.readline():
            yield block


def _survey(file: Path) -> tuple[int, bool, str]:
    """Lines below the header that are not blank, whether the file holds no quotes and is UTF-8, and its encoding."""
    lines, quotes, encoding = -1, False, "utf-8-sig"
    for block in _blocks(file):
        lines += block.count(b"\n") + (not block.endswith(b"\n"))
        if block.startswith((b"\n", b"\r\n")) or b"\n\n" in block or b"\n\r\n" in block:
            lines -= len(_BLANK.findall(block))
        quotes = quotes or b'"' in block
        if encoding == "utf-8-sig" and not block.isascii():
            try:
                block.decode()
            except UnicodeDecodeError:
                encoding = "gb18030"
    return lines, not quotes and encoding == "utf-8-sig", encoding


def _header(file: Path, encoding: str) -> list[str]:
    with file.open(encoding=encoding, errors="replace", newline="") as stream:
        header = [name.strip() for name in next(csv.reader([stream.readline()]), [])]
    if not any(header):
        raise RegionError(f"{file.name} has no header", remedy="write the names of the columns in its first line")
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise KeyColumnError(f"{file.name} names {', '.join(map(repr, twice))} twice", remedy="rename one of them")
    return header


_BLANK = re.compile(rb"^\r?\n", re.MULTILINE)
_QUOTED = re.compile(r'(?<![^,\n])"([^",\n]*)"(?=[,\n]|\Z)')
_STILL_QUOTED = re.compile(r'[^\n]*"[^\n]*')


def _unquote(file: Path, to: Path, encoding: str) -> None:
    """Write the file in UTF-8 without quotes, line for line, with a separator that occurs in no text."""
    with to.open("w", encoding="utf-8", newline="") as out:
        for block in _blocks(file):
            text = block.decode(encoding, errors="replace").replace(_SEPARATOR, " ")
            text = text.replace("\r\n", "\n")
            text, end = _QUOTED.sub(r"\1", text), 0
            for line in _STILL_QUOTED.finditer(text):
                out.write(text[end : line.start()].replace(",", _SEPARATOR))
                out.write(_split(line.group()))
                end = line.end()
            out.write(text[end:].replace(",", _SEPARATOR))


def _split(line: str) -> str:
    """A line with quotes; where they do not close it stays as it is, and so does not fit the header."""
    try:
        return _SEPARATOR.join(next(csv.reader([line], strict=True)))
    except csv.Error:
        return line


def _insert(scan: _Scan, *, years: range, rules: Sequence[_Rule]) -> str:
    """The statement that appends the files' records with their codes, and the rule that drops each.

    A cell is kept as it stands beside its number, so that what could not be understood can be told.
    """
    cells = dict(scan.cells)
    given = ", ".join(f"{cells.get(name, 'NULL')} AS {name}_cell" for name in COLUMNS)
    amounts = ", ".join(f"TRY_CAST({name}_cell AS {_AMOUNT}) AS {name}" for name in VARIABLES)
    spans = {"year": (years[0], years[-1]), "county": _RANGES[6], "sector": _RANGES[4]}
    codes = ", ".join(
        f"CASE WHEN {name}_number BETWEEN {low} AND {high} AND {name}_number % 1 = 0 THEN {name}_number::INTEGER END"
        f" AS {name}"
        for name, (low, high) in spans.items()
    )
    numbers = ", ".join(f"TRY_CAST({name}_cell AS {_AMOUNT}) AS {name}_number" for name in spans)
    odd = " OR ".join(f"({name} IS NULL AND {name}_cell IS NOT NULL)" for name in VARIABLES)
    garbled = " ".join(
        f"WHEN {name} IS NULL AND trim({name}_cell::VARCHAR) <> '' THEN {_tell(name)}" for name in VARIABLES
    )
    drops = " ".join(f"WHEN {rule.condition} THEN {place}" for place, rule in enumerate(rules) if rule.drops)
    tells = " ".join(f"WHEN {place} THEN {_tell(rule.column)}" for place, rule in enumerate(rules) if rule.column)
    changes = ", ".join(f"coalesce({rule.condition}, false)" for rule in rules if not rule.drops)
    return f"""
        INSERT INTO records
        WITH cells AS (SELECT row_number() OVER () AS record, {_name(_PATH)} AS path, {given} FROM {scan.function}),
        numbers AS (
            SELECT *, {amounts}, {numbers}, trim(firm_cell::VARCHAR) AS name FROM cells
        ),
        typed AS (
            SELECT *, {codes}, nullif(CASE WHEN suffix(name, '.0') THEN left(name, -2) ELSE name END, '') AS firm,
                CASE WHEN {odd} THEN CASE {garbled} END END AS garbled
            FROM numbers
        ),
        coded AS (
            SELECT typed.*, file, industry, county_2010, action, CASE
                WHEN gross_output IS NOT NULL THEN gross_output
                WHEN year = {OUTPUT_FROM_SALES} THEN TRY_CAST(sales - stocks_opening + stocks_closing AS {_AMOUNT})
            END AS output
            FROM typed JOIN files USING (path)
            LEFT JOIN sectors USING (year, sector) LEFT JOIN counties USING (county, year)
        ),
        judged AS (SELECT *, CASE {drops} END AS gone FROM coded)
        SELECT file, record, firm, year, county, sector, county_2010, industry, output, employees,
            greatest(coalesce(paid_in_capital, 0), 0), hash({", ".join(COLUMNS[2:])}), gone,
            CASE WHEN gone IS NOT NULL THEN CASE gone WHEN 1 THEN garbled {tells} END END, {changes}
        FROM judged
    """


def _tell(column: str) -> str:
    return f"'{column}=' || {column}_cell::VARCHAR"


def _drop_doubles(engine: duckdb.DuckDBPyConnection, rules: Sequence[_Rule]) -> None:
    """Make the view ``judged``: the records, the repeated and contradicting ones among those with all keys gone too."""
    repeats = _place(rules, "duplicates")
    keyed = f"coalesce(gone, {len(rules)}) > {repeats}"
    engine.execute(f"""
        CREATE TABLE twice AS
        SELECT firm, year FROM records WHERE {keyed} GROUP BY firm, year HAVING count(*) > 1;
        CREATE TABLE doubles AS
        SELECT records.rowid AS id, firm, year, {_ORDER} AS position, content
        FROM records JOIN twice USING (firm, year) WHERE {keyed};
        CREATE TABLE verdicts AS
        WITH groups AS (
            SELECT firm, year, min(position) AS first, count(DISTINCT content) > 1 AS differ FROM doubles GROUP BY ALL
        )
        SELECT id, {repeats} + differ::INTEGER AS place
        FROM doubles JOIN groups USING (firm, year) WHERE differ OR position > first;
        CREATE VIEW judged AS
        SELECT records.* REPLACE (coalesce(place, gone) AS gone, CASE WHEN place IS NULL THEN told END AS told)
        FROM records LEFT JOIN verdicts ON records.rowid = id
    """)


def _tally(engine: duckdb.DuckDBPyConnection, rules: Sequence[_Rule]) -> pd.DataFrame:
    """Records by the rule that dropped them and year: ``gone, year, rows, first`` and those changed on the way."""
    changed = "".join(
        f", count(*) FILTER (change_{at} AND coalesce(gone, {len(rules)}) > {at}) AS change_{at}"
        for at, rule in enumerate(rules)
        if not rule.drops
    )
    return engine.execute(f"""
        SELECT coalesce(gone, {len(rules)})::INTEGER AS gone, year, count(*) AS rows,
            CASE WHEN gone IS NOT NULL THEN min({_ORDER}, {_EXAMPLES}) END AS first{changed}
        FROM judged GROUP BY gone, year ORDER BY judged.gone NULLS LAST, year NULLS LAST
    """).df()


def _county_industry(engine: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    return engine.execute("""
        SELECT county_2010::VARCHAR AS county, lpad(industry::VARCHAR, 4, '0') AS industry, year,
            output::DOUBLE AS output, employment::DOUBLE AS employment, capital::DOUBLE AS capital, firms
        FROM (
            SELECT county_2010, industry, year::BIGINT AS year, sum(output) AS output, sum(employees) AS employment,
                sum(capital) AS capital, count(*) AS firms
            FROM judged WHERE gone IS NULL GROUP BY ALL
        )
        ORDER BY county_2010, industry, year
    """).df()


def _report(
    rules: Sequence[_Rule], tally: pd.DataFrame, refused: pd.DataFrame, examples: Mapping[int, list[str]]
) -> pd.DataFrame:
    """Rows in and out of every rule, and examples of what it dropped."""
    dropped = tally.groupby("gone")["rows"].sum().to_dict() | {0: len(refused)}
    lines = [f"{line.file}: line {line.line:.0f}" for line in refused.head(_EXAMPLES).itertuples()]
    rows_in = len(refused) + int(tally["rows"].sum())
    rows = []
    for place, rule in enumerate(rules):
        rows_out = rows_in - int(dropped.get(place, 0))
        changed = 0 if rule.drops else int(tally[f"change_{place}"].sum())
        shown = examples.get(place, []) if place else lines
        rows.append((rule.step, rule.why, rows_in, rows_out, rows_in - rows_out, changed, shown))
        rows_in = rows_out
    return pd.DataFrame(rows, columns=["step", "why", "rows_in", "rows_out", "dropped", "changed", "examples"])


def _examples(engine: duckdb.DuckDBPyConnection, tally: pd.DataFrame) -> dict[int, list[str]]:
    """The first records that each rule drops, as text."""
    firsts = tally.dropna(subset="first").groupby("gone")["first"].agg(lambda ids: sorted(np.concatenate(list(ids))))
    ids = [int(id) for first in firsts for id in first[:_EXAMPLES]]
    rows = engine.execute(
        "SELECT gone, name, record - before, firm, year, told "
        "FROM judged JOIN files USING (file) JOIN starts USING (file) "
        f"WHERE {_ORDER} IN (SELECT unnest(?::BIGINT[])) ORDER BY file, record",
        [ids],
    ).fetchall()
    found: dict[int, list[str]] = {}
    for gone, name, record, *cells in rows:
        known = ", ".join(str(cell) for cell in cells if cell is not None)
        found.setdefault(gone, []).append(f"{name}: record {record}" + (f" ({known})" if known else ""))
    return found


def _dropped_by_year(rules: Sequence[_Rule], tally: pd.DataFrame, refused: pd.DataFrame) -> pd.DataFrame:
    gone = tally.loc[tally["gone"] < len(rules), ["gone", "year", "rows"]]
    if len(refused):
        gone = pd.concat([pd.DataFrame({"gone": [0], "year": [None], "rows": [len(refused)]}), gone])
    step, why = ([getattr(rules[place], part) for place in gone["gone"]] for part in ("step", "why"))
    year = gone["year"].astype("Int64").array
    return pd.DataFrame({"step": step, "why": why, "year": year, "dropped": gone["rows"].to_numpy()})


def _unmatched(
    engine: duckdb.DuckDBPyConnection, rules: Sequence[_Rule], step: str, codes: Sequence[str]
) -> pd.DataFrame:
    """Codes that the table of a step does not hold, with their part of the output that reaches it."""
    place = _place(rules, step)
    keys = ", ".join(codes)
    table = engine.execute(f"""
        WITH reach AS (SELECT * FROM judged WHERE coalesce(gone, {len(rules)}) >= {place})
        SELECT {keys}, count(*) AS rows, coalesce(sum(reach.output), 0)::DOUBLE AS output,
            coalesce(sum(reach.output)::DOUBLE / nullif((SELECT sum(output) FROM reach), 0), 0) AS share
        FROM reach WHERE gone = {place} GROUP BY {keys} ORDER BY sum(reach.output) DESC, {keys}
    """).df()
    digits = {"county": 6, "sector": 4}
    texts = {name: table[name].astype("str").str.zfill(digits[name]) for name in codes if name in digits}
    return table.assign(**texts)


def _write_dropped(
    engine: duckdb.DuckDBPyConnection, rules: Sequence[_Rule], refused: pd.DataFrame, path: str | Path | None
) -> str | None:
    """Write every dropped record with the rule that drops it."""
    if path is None:
        return None
    engine.register("refused_lines", refused)
    engine.register(
        "rules", pd.DataFrame({"step": [r.step for r in rules], "why": [r.why for r in rules]}).reset_index()
    )
    engine.execute(f"""
        COPY (
            SELECT step, why, name AS file, record - before AS record, told, firm, year, county, sector, output,
                employees, capital
            FROM judged JOIN files USING (file) JOIN starts USING (file) JOIN rules ON index = gone
            UNION ALL BY NAME
            SELECT step, why, file, line::BIGINT AS record, told FROM refused_lines, rules WHERE index = 0
        ) TO {_text(str(Path(path).resolve()))} (FORMAT {Path(path).suffix[1:]})
    """)
    return str(path)


def _count(engine: duckdb.DuckDBPyConnection, query: str) -> int:
    row = engine.execute(query).fetchone()
    return int(row[0]) if row else 0
