"""Tables for the page: printed over computed, verdicts by mark and colour, rounded frames.

Each function returns a `Table`, which shows itself as HTML in the book and as text in a terminal.
The HTML is the same in every run; its classes are styled by ``book/_static/tables.css`` and the ledger's rows are
filtered by ``book/_static/ledger.js``.
"""

from __future__ import annotations

import textwrap
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from html import escape
from numbers import Real
from types import MappingProxyType
from typing import Any
from unicodedata import east_asian_width

import numpy as np
import pandas as pd

from regiometrics.data.facts import cluster_names
from regiometrics.errors import KeyColumnError
from regiometrics.panel import require_columns, require_keys

MISSING = "–"
MOST_DECIMALS = 8  # that a paper prints
TEXT_ROWS = 60  # rows of a table in a terminal
TEXT_WIDTH = 36  # characters of a column of words in a terminal


@dataclass(frozen=True, slots=True)
class Mark:
    """How a verdict looks: a symbol and, in figures, a colour (``tables.css`` holds those of the page)."""

    symbol: str
    colour: str


VERDICT_MARKS: Mapping[str, Mark] = MappingProxyType(
    {
        "reproduced": Mark("✓", "#00695C"),
        "close": Mark("≈", "#66B2A6"),
        "relabelled": Mark("↔", "#3B75AF"),
        "misprint": Mark("!", "#E0A000"),
        "not reproduced": Mark("✗", "#B2182B"),
        "method only": Mark("○", "#9D8EC7"),
        "not attempted": Mark("·", "#BDBDBD"),
    }
)
"""Verdicts of the ledger, in its order."""

AUDIT_MARKS: Mapping[str, Mark] = MappingProxyType(
    {
        "consistent": VERDICT_MARKS["reproduced"],
        "rounding": VERDICT_MARKS["close"],
        "inconsistent": VERDICT_MARKS["not reproduced"],
        "not determined": VERDICT_MARKS["method only"],
    }
)
"""Verdicts of the audit, in its order."""

_MARKS = {**VERDICT_MARKS, **AUDIT_MARKS}
_HEADERS = {
    "between_net": "Net between",
    "change_percent": "Change, %",
    "coefficient_of_variation": "CV",
    "gini": "Gini",
    "gini_pooled": "Pooled Gini",
    "group_a": "Group",
    "group_b": "with",
    "id": "Number",
    "mean_gini": "Mean Gini",
    "n": "n",
    "n_obs": "n",
    "n_clusters": "Clusters",
    "n_times": "Periods",
    "n_units": "Units",
    "p_value": "p",
    "r2": "R²",
    "sd": "SD",
    "share_between_net": "Share net between",
    "share_percent": "Share, %",
    "std_error": "Std. error",
    "t": "t",
}


@lru_cache(maxsize=1)
def group_labels() -> Mapping[str, str]:
    """English names of the groups that figures and tables meet: the clusters, and all cities together.

    Examples
    --------
    >>> group_labels()["guanzhong_plain"], group_labels()["overall"]
    ('Guanzhong Plain', 'All cities')
    """
    names = pd.concat([cluster_names("p2"), cluster_names("p3")])
    return MappingProxyType({**dict(zip(names["cluster"], names["cluster_en"], strict=True)), "overall": "All cities"})


def readable(name: str) -> str:
    """A column's name as a table heading.

    Examples
    --------
    >>> readable("std_error"), readable("share_within")
    ('Std. error', 'Share within')
    """
    return _HEADERS.get(name, name[:1].upper() + name[1:].replace("_", " "))


def format_number(x: Any, digits: int | None = None) -> str:
    """A number as it is to be read.

    Parameters
    ----------
    x : number or None
    digits : int, optional
        Decimals. Without it a `Decimal` keeps its own, a whole number has none and a float shows four significant
        digits. A missing number is a dash.

    Examples
    --------
    >>> format_number(0.07249, 3), format_number(Decimal("0.140")), format_number(12345), format_number(np.nan)
    ('0.072', '0.140', '12,345', '–')
    """
    if x is None or pd.isna(x):
        return MISSING
    comma = "," if abs(x) >= 10_000 else ""  # a year has none
    if digits is not None:
        return f"{x if round(x, digits) else 0:{comma}.{digits}f}"  # never -0
    if isinstance(x, Decimal):
        return f"{x:{comma}f}"
    if isinstance(x, int | np.integer):
        return f"{x:{comma}d}"
    return f"{float(x):{comma}.4g}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its lines, a verdict where it has one, and what a pointer resting on it reads."""

    lines: tuple[str, ...]
    verdict: str = ""
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Table:
    """A table ready to be read.

    Attributes
    ----------
    header : tuple of str
    rows : tuple of tuples of Cell
    kind : str
        ``side``, ``plain``, ``ledger`` or ``audit``; names the CSS class.
    caption : str
        What is shown and on which source it stands; also the name that a screen reader says.
    legend : str
        A sentence under the table.
    tally : mapping
        Verdict -> number of rows or cells, shown with the marks.
    row_data : tuple of mappings
        ``data-`` attributes of each row, for the filter of the ledger.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    kind: str
    caption: str = ""
    legend: str = ""
    tally: Mapping[str, int] = field(default_factory=dict)
    row_data: tuple[Mapping[str, str], ...] = ()

    def _repr_html_(self) -> str:
        kinds = [' class="rm-number"' if right else "" for right in self._numeric()]
        heads = [f'<th scope="col"{kind}>{escape(head)}</th>' for head, kind in zip(self.header, kinds, strict=True)]
        data = self.row_data or ({},) * len(self.rows)
        body = "\n".join(_html_row(row, kinds, attributes) for row, attributes in zip(self.rows, data, strict=True))
        caption = f"<caption>{escape(self.caption)}</caption>" if self.caption else ""
        box = f'role="region" tabindex="0" aria-label="{escape(self.caption or "table", quote=True)}"'
        return (
            f'<div class="rm-output"><div class="rm-box rm-{self.kind}" {box}>\n<table class="rm-table">{caption}\n'
            f"<thead><tr>{''.join(heads)}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>{self._html_legend()}</div>"
        )

    def _numeric(self) -> list[bool]:
        """Whether a column holds numbers, which stand to the right."""
        return [any(row[i].numeric for row in self.rows) for i in range(len(self.header))]

    def _html_legend(self) -> str:
        marks = [f"<span>{_html_mark(verdict)} {verdict} {n:,}</span>" for verdict, n in self.tally.items()]
        parts = ([f"<span>{escape(self.legend)}</span>"] if self.legend else []) + marks
        return f'\n<p class="rm-legend">{" ".join(parts)}</p>' if parts else ""

    def __repr__(self) -> str:
        shown = self.rows[:TEXT_ROWS]
        header = [_wrapped(head, 12 if self.kind == "side" else TEXT_WIDTH) for head in self.header]
        cells = [[_text_lines(cell) for cell in row] for row in shown]
        widths = [
            max(_width(line) for block in column for line in block) for column in zip(header, *cells, strict=True)
        ]
        right = self._numeric()
        lines = [self.caption] if self.caption else []
        lines += [*_text_row(header, widths, right), "  ".join("-" * width for width in widths)]
        for row in cells:
            lines += _text_row(row, widths, right)
        if len(self.rows) > TEXT_ROWS:
            lines.append(f"... {len(self.rows) - TEXT_ROWS:,} more rows")
        tally = [f"{_MARKS[verdict].symbol} {verdict} {n:,}" for verdict, n in self.tally.items()]
        lines += ["  ".join(filter(None, [self.legend, *tally]))] if self.legend or tally else []
        return "\n".join(line.rstrip() for line in lines)


def side_by_side(
    printed: pd.DataFrame,
    computed: pd.DataFrame,
    *,
    rows: str | Sequence[str],
    columns: str | Sequence[str],
    labels: Mapping[str, str] | None = None,
    caption: str = "",
) -> Table:
    """The paper's table with the computed number under each printed one, and its verdict.

    Parameters
    ----------
    printed : DataFrame
        The printed numbers with their ids and keys, as `regiometrics.data.published.numbers` returns them.
    computed : DataFrame
        Their ledger, as `regiometrics.report.ledger.compare` returns it: ``id, printed, computed, verdict, reason``.
    rows, columns : str or sequence of str
        Key columns of ``printed`` that run down and across, in order of appearance; several are joined.
    labels : mapping, optional
        Words for keys; `group_labels` by default.
    caption : str
        What is shown and on which source it stands.

    Raises
    ------
    KeyColumnError
        A column is absent, an id stands twice or is unknown to the ledger, or two numbers fall into one cell.

    Notes
    -----
    The computed number is rounded to the decimals of the printed one above it.

    Examples
    --------
    >>> from regiometrics.data import published
    >>> from regiometrics.report.ledger import compare
    >>> gini = pd.DataFrame({"year": ["2004"], "cluster": ["pearl_river_delta"], "gini": [0.0511]})
    >>> table = side_by_side(
    ...     published.numbers("p3", 2), compare("p3", 2, gini, basis="real"), rows="year", columns="cluster"
    ... )
    >>> table.header[:3]
    ('Year', 'Beijing-Tianjin-Hebei', 'Yangtze River Delta')
    """
    down, across = _names(rows), _names(columns)
    require_columns(printed, [*down, *across])
    require_keys(printed, ["id"])
    require_keys(computed, ["id"])
    require_columns(computed, ["printed", "computed", "verdict"])
    judged = printed[["id", *down, *across]].merge(computed, on="id", how="left", validate="one_to_one")
    if (unknown := judged["verdict"].isna()).any():
        raise KeyColumnError(
            "printed numbers without a row in the ledger",
            column="id",
            keys=judged.loc[unknown, "id"],
            remedy="compare the same table, or select its numbers first",
        )
    words = group_labels() if labels is None else labels
    judged["down"], judged["across"] = _joined(judged, down, words), _joined(judged, across, words)
    require_keys(judged, ["down", "across"])
    cells = {(row["down"], row["across"]): _pair_cell(row) for row in judged.to_dict("records")}
    across_names = judged["across"].drop_duplicates()
    body = tuple(
        (Cell((name,)), *(cells.get((name, other), Cell(("",))) for other in across_names))
        for name in judged["down"].drop_duplicates()
    )
    header = (", ".join(map(readable, down)), *across_names)
    return Table(header, body, "side", caption, "Printed above, computed below.", _tally(judged["verdict"]))


def plain(
    frame: pd.DataFrame,
    *,
    digits: int | Mapping[str, int] = 3,
    headers: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
    caption: str = "",
) -> Table:
    """A tidy frame, rounded and with headings in words.

    Parameters
    ----------
    frame : DataFrame
        Its columns are shown in their order; the index is not.
    digits : int or mapping
        Decimals of float columns: one number for all, or by column, where the others keep four significant digits.
        Whole numbers, and Decimals, stay as they are.
    headers : mapping, optional
        Column -> heading, where `readable` does not say it well.
    labels : mapping, optional
        Words for values; `group_labels` by default. A column ``verdict`` shows its mark.
    caption : str
        What is shown and on which source it stands.

    Examples
    --------
    >>> plain(pd.DataFrame({"group": ["overall"], "n": [138], "slope": [-0.00061], "p_value": [0.4]}), digits=4)
    Group         n    Slope       p
    ----------  ---  -------  ------
    All cities  138  -0.0006  0.4000
    """
    words = group_labels() if labels is None else labels
    titles = {} if headers is None else headers
    columns = [
        _column(frame[name], digits if isinstance(digits, int) else digits.get(str(name)), words) for name in frame
    ]
    return Table(
        tuple(titles.get(str(name), readable(str(name))) for name in frame),
        tuple(zip(*columns, strict=True)),
        "plain",
        caption,
    )


def regression_table(
    coefficients: pd.DataFrame,
    *,
    model: str = "model",
    statistics: Sequence[str] = ("n_obs", "r2"),
    digits: int = 4,
    labels: Mapping[str, str] | None = None,
    caption: str = "",
) -> Table:
    """Several regressions side by side: a row per term, a column per model, errors in brackets under estimates.

    Parameters
    ----------
    coefficients : DataFrame
        One row per model and term: ``term, estimate, std_error``, the column ``model`` names, and the statistics.
    model : str
        Column that names the regression; the order of appearance is the order of the columns.
    statistics : sequence of str
        Columns that are the same within a model and stand in rows of their own below; those that are absent are not
        shown.
    digits : int
        Decimals.
    labels : mapping, optional
        Words for terms and models.
    caption : str
        What is shown and on which source it stands.

    Raises
    ------
    KeyColumnError
        A column is absent, or a model has a term twice.

    Examples
    --------
    >>> rows = pd.DataFrame({"model": ["(1)", "(2)"], "term": "policy", "estimate": [-0.0373, -0.0253]})
    >>> regression_table(rows.assign(std_error=[0.0064, 0.0065], n_obs=5480)).header
    ('Term', '(1)', '(2)')
    """
    require_columns(coefficients, ["estimate", "std_error"])
    require_keys(coefficients, [model, "term"])
    words = {} if labels is None else labels
    names = list(coefficients[model].drop_duplicates())
    at = coefficients.set_index([model, "term"])
    rows = []
    for term in coefficients["term"].drop_duplicates():
        cells = [
            _coefficient_cell(at.loc[(name, term)], digits) if (name, term) in at.index else Cell(("",))
            for name in names
        ]
        rows.append((Cell((words.get(str(term), str(term)),)), *cells))
    one = coefficients.drop_duplicates(model).set_index(model)
    for statistic in [name for name in statistics if name in one]:
        decimals = None if pd.api.types.is_integer_dtype(one[statistic]) else digits
        numbers = [Cell((format_number(one.loc[name, statistic], decimals),), numeric=True) for name in names]
        rows.append((Cell((readable(statistic),)), *numbers))
    header = ("Term", *(words.get(str(name), str(name)) for name in names))
    return Table(header, tuple(rows), "plain", caption, "Standard errors in brackets.")


def ledger_table(frame: pd.DataFrame, *, caption: str = "Ledger of printed and computed numbers") -> Table:
    """A ledger, one row per printed number, that the reader can filter by paper, verdict and words, and save.

    The table is whole without a script; ``ledger.js`` puts the controls above it.

    Parameters
    ----------
    frame : DataFrame
        Result of `regiometrics.report.ledger.compare` or ``collect``.
    caption : str

    Examples
    --------
    >>> from regiometrics.report.ledger import compare
    >>> table = ledger_table(compare("p4", "text", None, basis="none", reason="the tables are pictures"))
    >>> len(table.rows), table.row_data[0]
    (52, {'paper': 'p4', 'verdict': 'not attempted'})
    """
    require_columns(frame, ["id", "printed", "computed", "gap", "tolerance", "verdict", "reason"])
    records = frame.to_dict("records")
    rows = tuple(
        (
            Cell((str(row["id"]),)),
            Cell((str(row["verdict"]),), str(row["verdict"])),
            Cell((_as_printed(row["printed"]),), numeric=True),
            Cell((format_number(row["computed"], _decimals(row["printed"]) + 1),), numeric=True),
            Cell((_signed(row["gap"], _decimals(row["printed"]) + 1),), numeric=True),
            Cell((format_number(row["tolerance"]),), numeric=True),
            Cell((_text(row["reason"]),)),
        )
        for row in records
    )
    header = ("Number", "Verdict", "Printed", "Computed", "Gap", "Tolerance", "Reason")
    data = tuple({"paper": str(row["id"]).split(".")[0], "verdict": str(row["verdict"])} for row in records)
    return Table(header, rows, "ledger", caption, tally=_tally(frame["verdict"]), row_data=data)


def audit_table(frame: pd.DataFrame, *, caption: str = "Audit of the printed numbers") -> Table:
    """The audit of a paper: what other printed numbers ask for, what is printed, and what the two together mean.

    Parameters
    ----------
    frame : DataFrame
        Result of `regiometrics.report.consistency.check`, or a part of it.
    caption : str

    Examples
    --------
    >>> from regiometrics.report.consistency import check
    >>> audit_table(check("p3").head(1)).header
    ('Check', 'Expected', 'Printed', 'Verdict', 'Meaning')
    """
    require_columns(frame, ["id", "item", "expected", "printed", "verdict", "meaning"])
    rows = tuple(
        (
            Cell((str(row["item"]),), hint=str(row["id"])),
            Cell((_text(row["expected"]),)),
            Cell((_text(row["printed"]),)),
            Cell((str(row["verdict"]),), str(row["verdict"])),
            Cell((_text(row["meaning"]),)),
        )
        for row in frame.to_dict("records")
    )
    header = ("Check", "Expected", "Printed", "Verdict", "Meaning")
    return Table(header, rows, "audit", caption, tally=_tally(frame["verdict"]))


def _names(keys: str | Sequence[str]) -> list[str]:
    return [keys] if isinstance(keys, str) else list(keys)


def _joined(frame: pd.DataFrame, keys: Sequence[str], words: Mapping[str, str]) -> list[str]:
    """Each row's keys in words, joined by a dash."""
    return [
        " – ".join(words.get(key, readable(key)) for key in map(_text, row))
        for row in frame[list(keys)].itertuples(index=False)
    ]


def _text(value: Any) -> str:
    return "" if value is None or pd.isna(value) else str(value)


def _tally(verdicts: pd.Series) -> dict[str, int]:
    """Rows by verdict, in the fixed order, those that occur."""
    counted = verdicts.value_counts()
    return {verdict: int(counted[verdict]) for verdict in _MARKS if verdict in counted}


def _decimals(printed: object) -> int:
    """Decimals of a printed number; 3 where it is none, or a fraction such as 1/22 that has no end."""
    exponent = printed.as_tuple().exponent if isinstance(printed, Decimal) else -3
    decimals = -int(exponent)
    return 3 if decimals > MOST_DECIMALS else max(0, decimals)


def _as_printed(value: Any) -> str:
    return value if isinstance(value, str) else format_number(value, _decimals(value))


def _signed(gap: float, digits: int) -> str:
    return format_number(gap, digits) if pd.isna(gap) or gap <= 0 else f"+{format_number(gap, digits)}"


def _pair_cell(row: Mapping[Hashable, Any]) -> Cell:
    lines = (_as_printed(row["printed"]), format_number(row["computed"], _decimals(row["printed"])))
    verdict, reason = str(row["verdict"]), _text(row.get("reason"))
    return Cell(lines, verdict, numeric=True, hint=f"{verdict}: {reason}" if reason else verdict)


def _coefficient_cell(row: pd.Series, digits: int) -> Cell:
    error = format_number(row["std_error"], digits)
    return Cell((format_number(row["estimate"], digits), f"({error})"), numeric=True)


def _column(values: pd.Series, digits: int | None, words: Mapping[str, str]) -> list[Cell]:
    if values.name == "verdict":
        return [Cell((_text(value),), value if value in _MARKS else "") for value in values]
    whole = pd.api.types.is_integer_dtype(values)
    decimals = None if whole or not pd.api.types.is_float_dtype(values) else digits
    return [_plain_cell(value, decimals, words) for value in values]


def _plain_cell(value: Any, digits: int | None, words: Mapping[str, str]) -> Cell:
    if isinstance(value, bool | np.bool_):
        return Cell(("yes" if value else "no",))
    if pd.isna(value):
        return Cell((MISSING,))
    if isinstance(value, Real | Decimal):
        return Cell((format_number(value, digits),), numeric=True)
    return Cell((words.get(str(value), str(value)),))


def _css(verdict: str) -> str:
    return f"rm-{verdict.replace(' ', '-')}"


def _html_mark(verdict: str, *, alone: bool = False) -> str:
    """The symbol; said by a screen reader where no word stands beside it."""
    said = f'role="img" aria-label="{verdict}"' if alone else 'aria-hidden="true"'
    return f'<span class="rm-mark {_css(verdict)}" {said}>{_MARKS[verdict].symbol}</span>'


def _html_row(row: Sequence[Cell], kinds: Sequence[str], data: Mapping[str, str]) -> str:
    attributes = "".join(f' data-{key}="{escape(value, quote=True)}"' for key, value in data.items())
    first = f'<th scope="row"{kinds[0]}{_html_hint(row[0])}>{_breakable(row[0].lines[0])}</th>'
    cells = map(_html_cell, row[1:], kinds[1:])
    return f"<tr{attributes}>{first}{''.join(cells)}</tr>"


def _html_cell(cell: Cell, kind: str) -> str:
    lines = [escape(line) for line in cell.lines]
    if len(lines) == 2 and not cell.verdict:
        return f'<td{kind}{_html_hint(cell)}>{lines[0]}<br><span class="rm-error">{lines[1]}</span></td>'
    if len(lines) == 2:
        inside = f'<span class="rm-printed">{lines[0]}</span><br>{lines[1]}{_html_mark(cell.verdict, alone=True)}'
        return f"<td{kind}{_html_hint(cell)}>{inside}</td>"
    if cell.verdict:
        return f'<td data-value="{escape(cell.verdict, quote=True)}">{_html_mark(cell.verdict)} {lines[0]}</td>'
    return f"<td{kind}{_html_hint(cell)}>{lines[0]}</td>"


def _html_hint(cell: Cell) -> str:
    return f' title="{escape(cell.hint, quote=True)}"' if cell.hint else ""


def _breakable(name: str) -> str:
    """An id may break after a full stop or an underscore."""
    return escape(name) if " " in name else escape(name).replace(".", ".<wbr>").replace("_", "_<wbr>")


def _text_lines(cell: Cell) -> list[str]:
    if len(cell.lines) == 2 and not cell.verdict:
        return list(cell.lines)
    if len(cell.lines) == 2:
        return [f"{cell.lines[0]}  ", f"{cell.lines[1]} {_MARKS[cell.verdict].symbol}"]
    mark = f"{_MARKS[cell.verdict].symbol} " if cell.verdict else ""
    return _wrapped(mark + cell.lines[0], TEXT_WIDTH)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, break_long_words=False) or [""]


def _width(text: str) -> int:
    """Columns that a text takes in a terminal, where a Chinese character takes two."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _padded(text: str, width: int, to_right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if to_right else text + blank


def _text_row(blocks: Sequence[Sequence[str]], widths: Sequence[int], right: Sequence[bool]) -> list[str]:
    """The lines of one row, each cell padded to its column."""
    height = max(map(len, blocks))
    return [
        "  ".join(
            _padded(block[i] if i < len(block) else "", width, to_right)
            for block, width, to_right in zip(blocks, widths, right, strict=True)
        )
        for i in range(height)
    ]
