"""Reading tables: one file per table, in the format that the reader has, and the bundle that a chapter starts from.

Yearbook tables come with titles, footnotes, full-width digits and dates for years. What can be read in one way only is
read so and told in a note; anything else is left as it stands, for the schema to report.
"""

from __future__ import annotations

import csv
import datetime
import io
import re
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pyarrow import parquet

from regiometrics.errors import KeyColumnError, RegionError

READ = (".csv", ".parquet", ".xlsx", ".dta")
"""Formats that are read."""

NOT_READ = (".xls", ".xlsm", ".xlsb", ".ods", ".et", ".txt", ".tsv", ".sav", ".rds", ".json", ".zip", ".gz")
"""Formats in which tables are kept and that are not read."""

HEADER_WITHIN = 15
"""Lines among which the header is looked for."""

MISSING_MARKS = {*"-–—―…/.", "--", "---", "——", "———", "……", "...", "..", "···", "不详", "缺", "缺失", "暂缺", "空"}
MISSING_MARKS |= {"na", "n/a", "n.a.", "n.a", "#n/a", "nan", "null", "none"}
"""How yearbooks and programs mark a number that they do not have, in lower case."""

DASHES = {mark for mark in MISSING_MARKS if not mark.isascii() or mark.strip("-") == ""}
"""Marks that are no word either; "NA" may be one, as in the code of Namibia."""

NOTES_BELOW = re.compile(r"^\W*(注|备注|说明|资料来源|数据来源|来源|notes?\b|sources?\b)", re.IGNORECASE)
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}([, ]\d{3})+(\.\d*)?")
PERCENT = re.compile(r"[+-]?\d*\.?\d+\s*%")
NUMBER_LIKE = re.compile(r"[\d.,%年/:\s-]+")
YEAR = re.compile(r"((?:19|20|21)\d\d)\s*(?:年[末底度]?|[-/.]\d{1,2}[-/.]\d{1,2}(?:[ T]00:00(?::00(?:\.0+)?)?)?)")
CODE = re.compile(r"""=?["']?([^"']*)["']?""")
NARROW: dict[int, int | str | None] = {**{wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)}, 0x2212: "-"}
INVISIBLE: dict[int, int | str | None] = {
    **dict.fromkeys(map(ord, "\u00a0\u2002\u2003\u2009\u202f\u3000"), " "),
    0x200B: None,
    0xFEFF: None,
}
"""Spaces of other widths, and marks of no width."""

EPOCH = datetime.datetime(1899, 12, 30)
"""Day 0 of Excel's calendar, which counts days."""

Told = Counter[tuple[str, str]]
"""Number of cells by what was done to them and their column."""


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
        What the reader has to know about these tables, such as absent city-years, and how her files were read.
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
    """The file of a table in a folder, in capitals or not, or None where there is none.

    Raises
    ------
    RegionError
        The folder does not exist, holds the table in several files, or in a format that is not read.
    """
    if not Path(folder).is_dir():
        raise RegionError(f"there is no folder {folder}", remedy="correct the path")
    files = [path for path in sorted(Path(folder).iterdir()) if path.is_file()]
    found = [path for path in files if path.stem.strip().lower() == name.lower() and path.suffix.lower() in READ]
    if len(found) > 1:
        raise RegionError(
            f"table {name!r} stands in several files: {', '.join(path.name for path in found)}",
            remedy="keep one of them",
        )
    other = [path for path in files if path.name.lower().split(".")[0].strip() == name.lower()]
    other = [path for path in other if path.suffix.lower() in NOT_READ]
    if other and not found:
        raise RegionError(
            f"table {name!r} stands in {other[0].name}, a format that is not read",
            remedy=f"save it as {name}.xlsx or {name}.csv",
        )
    return found[0] if found else None


def read_table(
    folder: str | Path,
    name: str,
    *,
    codes: Sequence[str] = ("city",),
    units: Mapping[str, str] | None = None,
    words: Sequence[str] = (),
) -> pd.DataFrame:
    r"""One table of a folder, from ``name.csv``, ``.parquet``, ``.xlsx`` or ``.dta``.

    Parameters
    ----------
    folder : path
        The reader's folder.
    name : str
        Name of the table, which is the name of its file.
    codes : sequence of str
        Columns of codes; they are read as text, so that 110000, "110000" and 110000.0 are the same code.
    units : mapping of str to str, optional
        Unit by column of numbers; "year" and "fraction" say how dates and percent signs are read.
    words : sequence of str
        Columns of words.

    Returns
    -------
    DataFrame
        As in the file, with codes as text and a column ``year`` of whole numbers as int; ``attrs["notes"]`` says what
        was read otherwise than it stands. Cells that cannot be read for certain stay as they are.
        A CSV file may be in UTF-8, UTF-16 or GB 18030, with commas, semicolons or tabs. The header may follow title
        lines or span two lines; empty lines and notes below the table go.

    Raises
    ------
    RegionError
        No such file, two of them, or a file that cannot be read as one table.
    KeyColumnError
        A column of ``codes``, ``units`` or ``words`` stands twice.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "cities.csv").write_text("city,year\n110000,2004年", encoding="gb18030")
    ...     table = read_table(folder, "cities")
    >>> print(*table.loc[0], table.attrs["notes"][1])
    110000 2004 dates or '年' read as years in year (1 cell)
    """
    path = table_file(folder, name)
    if path is None:
        raise RegionError(
            f"table {name!r} is not in the folder {folder}",
            remedy=f"save it there as {', '.join(name + suffix for suffix in READ)}",
        )
    units = {"year": "year", **(units or {})}
    table, notes, commas = _cells(path, codes, units, words)
    _refuse_units(path, table, codes, units)
    told: Told = Counter()
    columns: dict[str, pd.Series] = {}
    for column, values in zip(map(str, table), (table[name] for name in table), strict=True):
        if column in codes:
            columns[column] = _as_codes(values, told)
        elif column in units:
            columns[column] = _as_numbers(values, units[column], commas, told)
        else:
            columns[column] = _as_words(values, told) if column in words else _as_found(values)
    read = pd.DataFrame(columns, index=table.index)
    if "year" in read:
        read["year"] = _as_int(read["year"])
    read.attrs["notes"] = (*notes, *_lines(told))
    return read


def _lines(told: Told) -> Iterator[str]:
    """One line per kind of change, with its columns and the number of cells."""
    for kind in dict.fromkeys(kind for kind, _ in told):
        columns = [column for other, column in told if other == kind]
        cells = sum(told[kind, column] for column in columns)
        if cells:
            yield f"{kind} in {', '.join(c for c in columns if told[kind, c])} ({cells} cell{'s' * (cells > 1)})"


# ------------------------------------------------------------------------------------------------------------- files


def _cells(
    path: Path, codes: Sequence[str], units: Mapping[str, str], words: Sequence[str]
) -> tuple[pd.DataFrame, list[str], bool]:
    """The cells below the header by column, notes, and whether a comma may separate thousands."""
    data = path.read_bytes()
    known = list(dict.fromkeys([*codes, *units, *words]))
    _refuse_other_content(path, data)
    try:
        match path.suffix.lower():
            case ".csv":
                text, notes = _text(data)
                plain = _plain(text, units, [*codes, *words])
                if plain is not None:
                    return plain, notes, True
                rows, separator = _lines_of(text, known)
                table, more = _below_header(path, rows, known)
                return table, [*notes, *more], separator != ";"
            case ".xlsx":
                rows, notes = _sheet(data, known)
                table, more = _below_header(path, rows, known)
                return table, [*notes, *more], True
            case ".parquet":
                parquet.read_table(io.BytesIO(data)).validate(full=True)  # damaged texts would fail where they are used
                table, notes = pd.read_parquet(io.BytesIO(data)), []
            case _:
                table, notes = _stata(data, words)
    except RegionError:
        raise
    except Exception as error:  # a damaged file raises whatever its reader meets: zip, XML, struct, index errors
        raise RegionError(
            f"{path.name} cannot be read: {str(error).strip() or type(error).__name__}",
            remedy="open it in the program that wrote it and save it again; a file of text is named .csv",
        ) from error
    if set(known) & set(table.index.names):
        table = table.reset_index()
    return table.set_axis(_names(path, [str(column) for column in table], known), axis=1), notes, True


_CONTENT = ((b"PK\x03\x04", ".xlsx"), (b"PAR1", ".parquet"), (b"<stata_dta", ".dta"))


def _refuse_other_content(path: Path, data: bytes) -> None:
    """Raise where the first bytes are those of another format than the name says."""
    remedy = f"save it as {path.stem}.xlsx or {path.stem}.csv"
    if data.startswith(b"\xd0\xcf\x11\xe0"):
        if "EncryptedPackage".encode("utf-16-le") in data:
            raise RegionError(f"{path.name} cannot be read: it is protected by a password", remedy="take it off")
        raise RegionError(f"{path.name} cannot be read: it is a workbook of the old format .xls", remedy=remedy)
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype|html|table|\?xml)", data, re.IGNORECASE):
        raise RegionError(f"{path.name} cannot be read: it is a web page or XML, whatever its name says", remedy=remedy)
    for start, suffix in _CONTENT:
        if data.startswith(start) and path.suffix.lower() != suffix:
            problem = f"{path.name} cannot be read: it is a file of the format {suffix}"
            raise RegionError(problem, remedy=f"name it {path.stem}{suffix}")


def _text(data: bytes) -> tuple[str, list[str]]:
    """Text of a CSV file, and a note on its encoding."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16"), []
    if b"\0" in data:
        raise ValueError("it holds bytes of no text")
    try:
        return data.decode("utf-8-sig"), []
    except UnicodeDecodeError:
        return data.decode("gb18030"), ["no UTF-8: read as GB 18030"]


def _plain(text: str, units: Mapping[str, str], texts: Sequence[str]) -> pd.DataFrame | None:
    """The table of a CSV file with nothing but numbers where they belong; None where more care is needed."""
    header = next(csv.reader(io.StringIO(text, newline=None)), [])
    numbers = [name for name in header if name in units]
    plain = all(name and name == _known(name, [*units, *texts]) for name in header) and len(set(header)) == len(header)
    if not (numbers and plain):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # lines that are too long
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            table = pd.read_csv(
                io.StringIO(text),
                dtype=dict.fromkeys(texts, str),
                index_col=False,
                keep_default_na=False,
                na_values=[""],
            )
    except (ValueError, Warning):
        return None
    certain = all(table[name].dtype.kind in "if" for name in numbers) and table[numbers].notna().any(axis=1).all()
    return table if certain else None


def _lines_of(text: str, known: Sequence[str]) -> tuple[list[list[object]], str]:
    """Lines of cells of a CSV file, and the separator under which its header has most known names."""
    start = text.splitlines(keepends=True)[:HEADER_WITHIN]
    found = {one: _best(list(csv.reader(start, delimiter=one)), known)[1] for one in ",;\t|"}
    separator = max(found, key=lambda one: found[one])
    lines = csv.reader(io.StringIO(text, newline=None), delimiter=separator, strict=True)
    rows: list[list[object]] = [list(row) for row in lines]
    if not any(map(_filled, rows)):
        raise ValueError("it is empty")
    return rows, separator


def _sheet(data: bytes, known: Sequence[str]) -> tuple[list[list[object]], list[str]]:
    """The rows of the only sheet that holds the table, and a note on the other sheets."""
    import openpyxl

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of styles and of validation rules, which hold no data
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        sheets = {}
        for sheet in book.worksheets:
            sheet.reset_dimensions()
            start = [list(row) for row in sheet.iter_rows(max_row=HEADER_WITHIN, values_only=True)]
            if any(not _is_blank(cell) for row in start for cell in row):
                sheets[sheet.title] = _best(start, known)[1]
        if not sheets:
            raise ValueError("it is empty")
        best = [title for title, found in sheets.items() if found == max(sheets.values())]
        if len(best) > 1 and max(sheets.values()):
            raise RegionError(
                f"the sheets {', '.join(map(repr, best))} have the same columns",
                remedy="put all rows into one sheet, or keep the sheet that is meant",
            )
        rows = [list(row) for row in book[best[0]].iter_rows(values_only=True)]
    others = [repr(title) for title in sheets if title != best[0]]
    return rows, [f"read from sheet {best[0]!r}; not read: {', '.join(others)}"] if others else []


def _stata(data: bytes, words: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """Numbers as they are stored, words by their labels."""
    table = pd.read_stata(io.BytesIO(data), convert_categoricals=False)
    labels = pd.read_stata(io.BytesIO(data)).select_dtypes("category")
    labelled = [column for column in words if column in labels]
    for column in labelled:
        table[column] = labels[column].astype("str")
    return table, [f"words of {', '.join(labelled)} are the value labels"] if labelled else []


# ------------------------------------------------------------------------------------------------------------ header


def _below_header(path: Path, rows: list[list[object]], known: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
    """The data of a sheet or a CSV file by column, without title, empty lines, repeated headers and notes below."""
    best, found = _best(rows[:HEADER_WITHIN], known)
    first, last = best, best
    if best and _is_header(rows[best - 1], known):
        first = best - 1
    if best + 1 < len(rows) and _is_header(rows[best + 1], known):
        last = best + 1
    lines = [rows[best], *rows[first:best], *rows[best + 1 : last + 1]]
    width = max(map(len, rows))
    header = [_name_of([line[at] for line in lines if at < len(line)], known) for at in range(width)]
    notes = [f"{last - first + 1} lines read as one header"] if last > first else []
    above = [_shown(cells[0]) for row in rows[:first] if (cells := _filled(row))]
    if above:
        notes.insert(0, f"left out above the header: {'; '.join(above)}")
    body = [(line, row) for line, row in enumerate(rows[last + 1 :], start=last + 2) if not all(map(_is_blank, row))]
    named = max(map(len, lines))
    long = [line for line, row in body if len(row) > named and _filled(row[named:])]
    if long and found:
        raise RegionError(
            f"{path.name}: lines with more cells than the header",
            n_rows=len(long),
            keys=[f"line {line}" for line in long],
            remedy="name every column; numbers with commas stand in quotes, or without the commas",
        )
    again = [line for line, row in body if row == rows[best]]
    below: list[str] = []
    while body and (text := _note_below(body[-1][1])):
        below.insert(0, text)
        body.pop()
    if below:
        notes.append(f"left out below the table: {'; '.join(below)}")
    if again:
        notes.append(f"header repeated in line {', '.join(map(str, again))}: left out")
    kept = [row + [None] * (width - len(row)) for line, row in body if line not in again]
    table = pd.DataFrame(kept, columns=range(width), dtype=object)
    used = [at for at in range(width) if header[at] or not table[at].map(_is_blank).all()]
    names = _names(path, [header[at] or f"column {at + 1}" for at in used], known)
    return table[used].set_axis(names, axis=1), notes


def _best(rows: Sequence[Sequence[object]], known: Sequence[str]) -> tuple[int, int]:
    """Position of the first row with most known names, and their number."""
    found = [len({name for cell in row if (name := _known(cell, known)) in known}) for row in rows]
    return (found.index(max(found)), max(found)) if found else (0, 0)


def _is_header(row: Sequence[object], known: Sequence[str]) -> bool:
    """Whether a row beside the header belongs to it: known names, and no number."""
    numbers = any(re.fullmatch(r"[\d.,]+", str(cell).strip()) for cell in _filled(row))
    return not numbers and _best([row], known)[1] > 0


def _known(cell: object, known: Sequence[str]) -> str:
    """The known name that a cell writes in other case, width or spacing; else its text."""
    text = _tidy(str(cell)).translate(NARROW).strip() if cell is not None else ""
    if text in known:
        return text
    plain = re.sub(r"[\s\-]+", "_", text).lower()
    same = [name for name in known if name.lower() == plain]
    return same[0] if len(same) == 1 else text


def _name_of(cells: Sequence[object], known: Sequence[str]) -> str:
    """Name of a column from the cells of its header lines, the best line first: the known one, else the first text."""
    names = [name for cell in cells if (name := _known(cell, known))]
    return next((name for name in names if name in known), names[0] if names else "")


def _names(path: Path, names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Distinct names of columns."""
    given = [_known(name, known) for name in names]
    twice = [name for name in dict.fromkeys(given) if given.count(name) > 1]
    if set(twice) & set(known):
        column = next(name for name in twice if name in known)
        raise KeyColumnError(f"the column stands twice in {path.name}", column=column, remedy="keep one of them")
    return [f"{name}, column {at}" if name in twice else name for at, name in enumerate(given, start=1)]


def _note_below(row: Sequence[object]) -> str:
    """Text of a line that holds a note and nothing else; empty for a line of data."""
    cells = _filled(row)
    return _shown(cells[0]) if len(cells) == 1 and NOTES_BELOW.match(str(cells[0]).strip()) else ""


def _is_blank(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not _tidy(cell))


def _filled(row: Sequence[object]) -> list[object]:
    return [cell for cell in row if not _is_blank(cell)]


def _shown(cell: object) -> str:
    text = _tidy(str(cell))
    return repr(text if len(text) <= 40 else f"{text[:40]}...")


def _tidy(text: str) -> str:
    return (text if text.isascii() else text.translate(INVISIBLE)).strip()


# ------------------------------------------------------------------------------------------------------------- cells


def _refuse_units(path: Path, table: pd.DataFrame, codes: Sequence[str], units: Mapping[str, str]) -> None:
    """Raise where the first line holds words in all columns of codes and numbers, as a line of units does."""
    numbers = [column for column in table if column in units and column != "year"]
    if not numbers or table.empty:
        return
    first = {column: cell for column in table if not pd.isna(cell := _text_of(table[column].iloc[0]))}
    words = [cell for column in numbers if (cell := first.get(column)) and cell.lower() not in MISSING_MARKS]
    cells = [first[column] for column in first if column in {*codes, *units}]
    if words and not any(NUMBER_LIKE.fullmatch(cell.translate(NARROW)) for cell in cells):
        raise RegionError(
            f"{path.name}: the first line below the header holds words ({words[0]!r}) in place of numbers",
            remedy="give every column in the unit of the template, then take the line of units out",
        )


def _text_of(cell: object) -> str | None:
    """A cell as text, whole numbers without decimals; None where it is blank."""
    if isinstance(cell, str):
        return _tidy(cell) or None
    if cell is None or cell is pd.NA or cell is pd.NaT or cell != cell:
        return None
    return str(int(cell)) if isinstance(cell, float) and cell.is_integer() else str(cell)


def _as_codes(values: pd.Series, told: Told) -> pd.Series:
    """Codes as text without quotes and separators; twelve digits of statistics that end in zeros are the six."""
    text = _texts(values).str.removesuffix(".0")
    changed = {code: plain for code in text.dropna().unique() if (plain := _code(code)) != code}
    odd = text.isin(list(changed))
    told["codes freed of quotes, separators, full-width digits or trailing zeros", str(values.name)] += int(odd.sum())
    return text.mask(odd, text.map(changed).astype("str")) if changed else text


def _code(code: str) -> str:
    if code.isascii() and code.isdigit() and len(code) < 12:
        return code
    plain = re.sub(r"(?<=\d)[ ,](?=\d)", "", code.translate(NARROW))
    match = CODE.fullmatch(plain)
    plain = match[1].strip() if match else plain
    return plain[:6] if re.fullmatch(r"\d{6}0{6}", plain) else plain


def _as_words(values: pd.Series, told: Told) -> pd.Series:
    words = _texts(values)
    dashes = words.isin(DASHES)
    told["dashes and the like read as missing", str(values.name)] += int(dashes.sum())
    return words.mask(dashes, None)


def _texts(values: pd.Series) -> pd.Series:
    if isinstance(values.dtype, pd.StringDtype):
        at, distinct = pd.factorize(values)
        return pd.Series(pd.array([*map(_text_of, distinct), None], dtype="str")[at], values.index, name=values.name)
    return pd.Series([_text_of(cell) for cell in values], values.index, dtype="str", name=values.name)


def _as_found(values: pd.Series) -> pd.Series:
    """A column that nobody asked for: numbers where all cells are numbers."""
    if values.dtype != object:
        return values
    values = values.mask(values.map(_text_of).isna(), None)
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers if numbers.notna().eq(values.notna()).all() else values


def _as_numbers(values: pd.Series, unit: str, commas: bool, told: Told) -> pd.Series:
    """Numbers as float; a column in which a cell is none for certain keeps such cells as text."""
    if not pd.api.types.is_numeric_dtype(values):
        cells = values.astype(object)
        plain = pd.to_numeric(cells, errors="coerce").notna()
        numbers = cells.where(plain).astype(float)
        text = _texts(cells[~plain]).dropna()
        if len(text):
            numbers = _with_read(numbers, text, unit, commas, told)
        values = numbers
    return _from_days(values, told) if unit == "year" and values.dtype != object else values


_LOGICAL = "TRUE and FALSE read as 1 and 0"
"""The one step that is not told, since all programs of tables read these words so."""


def _with_read(numbers: pd.Series, text: pd.Series, unit: str, commas: bool, told: Told) -> pd.Series:
    """The numbers, completed by what can be read for certain from cells of text, and by the text of the others."""
    steps: list[tuple[str, Callable[[pd.Series], pd.Series]]] = [
        ("full-width characters read as usual ones", _narrow),
        ("dashes and the like read as missing", _without_marks),
        (_LOGICAL, _from_logical),
    ]
    steps += [("thousands separators left out", _ungrouped)] if commas else []
    steps += [("percent signs read as hundredths", _from_percent)] if unit == "fraction" else []
    steps += [("dates or '年' read as years", _from_dates)] if unit == "year" else []
    after, changed = text, {}
    for kind, step in steps:
        before, after = after, step(after)
        changed[kind] = before != after
    plain = pd.to_numeric(after, errors="coerce").notna()
    read, known = after.where(plain).astype(float), plain | (after == "")
    changed.pop(_LOGICAL)
    for kind, cells in changed.items():
        told[kind, str(numbers.name)] += int((cells & known).sum())
    if known.all():
        return read.combine_first(numbers)
    return read.astype(object).where(known, text).combine_first(numbers.astype(object))


def _narrow(cells: pd.Series) -> pd.Series:
    return cells.map(lambda cell: cell.translate(NARROW))


def _without_marks(cells: pd.Series) -> pd.Series:
    return cells.mask(cells.str.lower().isin(MISSING_MARKS), "")


def _from_logical(cells: pd.Series) -> pd.Series:
    """0 and 1 where no other text stands in the column."""
    lower = cells.str.lower()
    return lower.map({"true": "1", "false": "0"}) if lower.isin(["true", "false"]).all() else cells


def _ungrouped(cells: pd.Series) -> pd.Series:
    """Without commas or spaces between groups of three digits, unless another comma of the column parts none."""
    grouped = cells.map(lambda cell: THOUSANDS.fullmatch(cell) is not None)
    if cells[~grouped].str.fullmatch(r"[\d.]*,[\d.,]*").any():
        return cells
    return cells.where(~grouped, cells.str.replace(r"[ ,]", "", regex=True))


def _from_percent(cells: pd.Series) -> pd.Series:
    percent = cells.map(lambda cell: PERCENT.fullmatch(cell) is not None)
    return cells.mask(percent, cells.str.rstrip(" %") + "e-2")


def _from_dates(cells: pd.Series) -> pd.Series:
    return cells.map(lambda cell: match[1] if (match := YEAR.fullmatch(cell)) else cell)


def _from_days(values: pd.Series, told: Told) -> pd.Series:
    """Years where every number of a column is the day of a 1 January in Excel's calendar."""
    given = values.dropna()
    if given.empty or not given.between(17_899, 73_415).all() or (given % 1 != 0).any():
        return values
    days = pd.to_datetime(given, unit="D", origin=EPOCH)
    if not (days.dt.month.eq(1) & days.dt.day.eq(1)).all():
        return values
    told["days of Excel's calendar read as years", str(values.name)] += len(given)
    return days.dt.year.reindex(values.index).astype(float)


def _as_int(years: pd.Series) -> pd.Series:
    whole = years.dtype != object and (years % 1 == 0).all() and years.abs().lt(1e9).all()
    return years.astype(int) if whole else years
