"""The papers' printed numbers: exact decimals as printed, nothing corrected, each number with an id.

An id names the paper, the table or its panel, the column, the row's keys in the order of the file, and last the value
column: ``p3.t2.2004.guanzhong_plain.gini``, ``p5.t3.c6.policy.spread``; a statement of the running text is
``p4.text.output_2014_yrd``. A printed number is a cell with a value, a standard error or t value, a sample size or a
fit statistic; stars and yes/no rows are none.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import pandas as pd

from regiometrics.data.files import data_file, data_folder
from regiometrics.errors import KeyColumnError

TEXT = "text"
KEYS = (
    *("column", "variable", "predictor", "group", "quantity", "mediator", "term", "year"),
    *("cluster", "cluster_a", "cluster_b", "component", "comparison", "item"),
)
VALUES = (
    *("value", "spread", "t_value", "n_obs", "mean", "std_dev", "min", "max", "real", "synthetic", "beta", "weight"),
    *("total_effect_c", "indirect_effect_ab", "share_ab_over_c_percent", "q_2008", "q_2013", "q_2017"),
    *("coagglomeration_index", "gini", "mean_gini", "change_percent", "contribution", "share_percent"),
    "coefficient_of_variation",
)
COUNTED = (
    *("cities", "clusters", "county units", "firms", "persons", "placebo units", "plans", "provinces", "replications"),
    *("year", "years", "zones"),
)
_FOLDERS = {
    "p1": "p1_enlargement",
    "p2": "p2_balanced_growth",
    "p3": "p3_coagglomeration",
    "p4": "p4_specialization",
    "p5": "p5_transfer_zones",
}
_NUMERALS = "一二三四五六七八九十"


def papers() -> tuple[str, ...]:
    """Ids of the five papers.

    Examples
    --------
    >>> papers()
    ('p1', 'p2', 'p3', 'p4', 'p5')
    """
    return tuple(_FOLDERS)


def tables(paper: str) -> tuple[str, ...]:
    """Names of a paper's printed tables; all four of p4 are pictures, so it has none (see `rebuilt`).

    Examples
    --------
    >>> tables("p2"), tables("p4")
    (('1', '2', '3', '4', '5'), ())
    """
    return tuple(path.name.split("_")[1] for path in _files(paper, "table_*.csv"))


def table(paper: str, number: int | str) -> pd.DataFrame:
    """One printed table, or one panel of it, with the ids of its numbers.

    Parameters
    ----------
    paper : str
        ``"p1"``, ``"p2"``, ``"p3"`` or ``"p5"``.
    number : int or str
        Table number, or a panel such as ``"5a"``.

    Returns
    -------
    DataFrame
        The columns of the file. Keys and labels are text, years too, since the row of means has the year ``"mean"``.
        A value column holds `Decimal` with the decimals as printed, None where nothing is printed, and the word of a
        yes/no row. A column ``v_id`` goes with each value column ``v``, empty where there is no number.

    Raises
    ------
    KeyColumnError
        No such paper, table or panel.

    Examples
    --------
    >>> first = table("p3", 2).iloc[0]
    >>> first["gini"], first["gini_id"]
    (Decimal('0.072'), 'p3.t2.2004.beijing_tianjin_hebei.gini')
    """
    return _with_numbers(paper, _as_printed(paper, number))


def in_text(paper: str) -> pd.DataFrame:
    """The numbers stated in the running text of a paper.

    Returns
    -------
    DataFrame
        ``item, label_zh, section, value, unit, gist_en, also_in_table, relation, value_id``. ``value`` is a `Decimal`,
        for a fraction or a numeral in words too. ``relation`` says how the text binds the number: ``gt`` (more than),
        ``lt`` (less than), ``about``, or empty for equal.

    Examples
    --------
    >>> statements = in_text("p3").set_index("item")
    >>> statements.loc["n_clusters", "value"], statements.loc["between_growth_threshold", "relation"]
    (Decimal('8'), 'gt')
    """
    return _with_numbers(paper, _as_printed(paper, TEXT)).drop(columns="table")


def rebuilt(paper: str, number: int) -> pd.DataFrame:
    """A table whose picture is lost, rebuilt from the wording of the text: zeros and ones, no printed numbers.

    Examples
    --------
    >>> int(rebuilt("p4", 4)["lq_above_one"].sum())
    44
    """
    found = _files(paper, f"reconstructed_table_{number}_*.csv")
    if not found:
        raise KeyColumnError(
            f"{paper} has no rebuilt table {number}", remedy="ask for table 1 or 4 of p4, no other is rebuilt"
        )
    return pd.read_csv(found[0], dtype=str, keep_default_na=False).astype({"lq_above_one": int})


def statements(paper: str, number: int) -> pd.DataFrame:
    """What the running text says of a lost table, one claim a row: the input of `report.consistency.reconstruct`.

    Returns
    -------
    DataFrame
        All text: ``id``; ``cluster``; ``kind`` of the claim; ``province``, ``other_province``, ``sectors`` (joined by
        semicolons) and ``count`` as the kind needs them, else empty; ``evidence``, ``scrambled`` where the extracted
        text has mixed two lines and the claim stands as extracted; ``gist_en``.

    Examples
    --------
    >>> statements("p4", 4).set_index("id").loc["jiangsu_shanghai", ["kind", "sectors"]].tolist()
    ['only', '37;39']
    """
    found = _files(paper, f"statements_table_{number}.csv")
    if not found:
        raise KeyColumnError(
            f"{paper} has no statements on a table {number}", remedy="ask for table 1 or 4 of p4, no other is rebuilt"
        )
    return pd.read_csv(found[0], dtype=str, keep_default_na=False)


def numbers(paper: str | None = None, number: int | str | None = None) -> pd.DataFrame:
    """One row per printed number.

    Parameters
    ----------
    paper : str, optional
        One paper; all five by default.
    number : int or str, optional
        One table or panel, or ``"text"`` for the statements; all of them by default.

    Returns
    -------
    DataFrame
        ``id, paper, table, panel``, the key columns (empty where a table lacks one), ``value_column``, ``text`` (as
        printed), ``printed`` (Decimal), ``kind`` and ``relation``. Kinds: ``decimal``; ``integer`` (a rounded
        measurement); ``count`` (of things, or a year); ``fraction``; ``words`` (a numeral in words); ``bound`` (a
        number with a relation).

    Examples
    --------
    >>> len(numbers()), len(numbers("p3")), len(numbers("p1", "5a"))
    (1365, 577, 20)
    """
    rows = [
        row
        for name in (papers() if paper is None else (paper,))
        for part in ((*tables(name), TEXT) if number is None else (number,))
        for row in _numbers(name, _as_printed(name, part))
    ]
    columns = ["id", "paper", "table", "panel", *KEYS, "value_column", "text", "printed", "kind", "relation"]
    return pd.DataFrame(rows, columns=columns)


def _as_printed(paper: str, number: int | str) -> pd.DataFrame:
    if number == TEXT:
        path = data_file("published", _folder(paper), "in_text.csv")
        return pd.read_csv(path, dtype=str, keep_default_na=False).assign(table=TEXT)
    whole = re.sub(r"\D+$", "", str(number))
    for path in _files(paper, f"table_{whole}_*.csv"):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        if whole != str(number):
            frame = frame[frame["panel"] == number] if "panel" in frame else frame.iloc[:0]
        if len(frame):
            return frame.reset_index(drop=True)
    raise KeyColumnError(
        f"{paper} has no printed table {number}",
        remedy=f"ask for one of: {', '.join(tables(paper)) or 'none is printed'}; a panel is named like '5a'",
    )


def _with_numbers(paper: str, frame: pd.DataFrame) -> pd.DataFrame:
    rows = frame.to_dict("records")
    for column in [c for c in VALUES if c in frame]:
        printed = [(row, _decimal(row[column])) for row in rows]
        shown = [row[column] or None if number is None else number for row, number in printed]
        frame[column] = pd.Series(shown, dtype=object)
        frame[f"{column}_id"] = ["" if number is None else _id(paper, row, column) for row, number in printed]
    return frame


def _numbers(paper: str, frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    for row in frame.to_dict("records"):
        for column in [c for c in VALUES if c in row]:
            printed = _decimal(row[column])
            if printed is not None:
                yield {
                    "id": _id(paper, row, column),
                    "paper": paper,
                    **{key: row.get(key, "") for key in ("table", "panel", *KEYS, "relation")},
                    "value_column": column,
                    "text": row[column],
                    "printed": printed,
                    "kind": _kind(row, column),
                }


def _id(paper: str, row: Mapping[Hashable, str], column: str) -> str:
    keys = [f"c{text}" if key == "column" else text for key, text in row.items() if key in KEYS]
    if row["table"] == TEXT:
        return ".".join([paper, TEXT, *keys])
    return ".".join([paper, f"t{row.get('panel') or row['table']}", *keys, column])


def _decimal(text: str) -> Decimal | None:
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return Decimal(text)
    if fraction := re.fullmatch(r"(\d+)/(\d+)", text):
        return Decimal(fraction[1]) / Decimal(fraction[2])
    if numeral := re.fullmatch(rf"([{_NUMERALS}])大?", text):
        return Decimal(_NUMERALS.index(numeral[1]) + 1)
    return None


def _kind(row: Mapping[Hashable, str], column: str) -> str:
    text = row[column]
    if row.get("relation"):
        return "bound"
    if "/" in text:
        return "fraction"
    if not text.isascii():
        return "words"
    if "." in text:
        return "decimal"
    counts = "n_obs" in (column, row.get("term")) or row.get("unit") in COUNTED
    return "count" if counts else "integer"


def _folder(paper: str) -> str:
    if paper not in _FOLDERS:
        raise KeyColumnError(f"there is no paper {paper!r}", remedy=f"papers are {', '.join(_FOLDERS)}")
    return _FOLDERS[paper]


def _files(paper: str, pattern: str) -> list[Path]:
    return sorted((data_folder() / "published" / _folder(paper)).glob(pattern))
