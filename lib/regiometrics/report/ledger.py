"""The ledger: every printed number beside the computed one, with a verdict that code decides."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from regiometrics.data import published
from regiometrics.data.files import data_file, notebooks_folder
from regiometrics.errors import DomainError, KeyColumnError, RegionError
from regiometrics.panel import keys_of, numeric, require_columns, require_keys
from regiometrics.report import consistency
from regiometrics.report.record import kept_under, show

Basis = Literal["real", "printed", "simulated", "none"]
VERDICTS = ("reproduced", "close", "relabelled", "misprint", "not reproduced", "method only", "not attempted")
COLUMNS = ("id", "printed", "computed", "gap", "tolerance", "verdict", "reason", "basis")
KEY = "regiometrics_ledger"
_EXACT = ("count", "fraction", "words")
_PAIR = ["cluster_a", "cluster_b"]
OWN_RUN = "your run"
"""Reason of a number that a chapter does not compare, since its data or parameters are the reader's."""

_BASES = {"real": "real data", "printed": "printed numbers", "simulated": "simulated data", "none": "no data"}
_WORDS = {
    "reproduced": "reproduced to the last printed digit",
    "close": "within a stated tolerance",
    "relabelled": "right under another header",
    "misprint": "proved wrong by other printed numbers",
    "not reproduced": "not reproduced",
    "method only": "tested in method only",
    "not attempted": "not attempted",
}


def compare(
    paper: str,
    table: int | str,
    computed: pd.DataFrame | None,
    *,
    on: Mapping[str, str] | Sequence[str] | None = None,
    basis: Basis,
    reason: str | None = None,
) -> pd.DataFrame:
    """Judge each printed number of a table by the computed one.

    Parameters
    ----------
    paper : str
        ``"p1"`` to ``"p5"``.
    table : int or str
        Table, panel such as ``"5a"``, or ``"text"`` for the statements (see `compare_text`).
    computed : DataFrame or None
        Tidy: the table's key columns and one or more of its value columns; further columns are not looked at.
        Keys match as text (2004 is ``"2004"``), a pair of clusters in either order; a missing value means not computed.
        An optional column ``relabelled`` names the header under which a row's numbers are right; empty: their own.
        None where nothing is computed (basis simulated or none); not looked at under basis none.
    on : mapping or sequence of str, optional
        Key column of the table -> column of ``computed`` where names differ, such as ``{"year": "time"}``.
    basis : {"real", "printed", "simulated", "none"}
        What the computed numbers stand on.
    reason : str, optional
        Why numbers are tested in method only, or not attempted; needed for basis none.

    Returns
    -------
    DataFrame
        One row per printed number: ``id, printed, computed, gap, tolerance, verdict, reason, basis``. ``gap`` is
        computed minus printed; ``tolerance`` is missing where none is stated. A simulated number is never shown
        beside a printed one.

    Raises
    ------
    KeyColumnError
        No such table; a key column or all value columns absent; a key null, twice, or not in the table.
    DomainError
        Text or infinity for a number; an unknown basis.
    RegionError
        Basis none without a reason; real or printed without numbers.

    Notes
    -----
    ``reproduced``: `reproduces` holds. ``close``: within the tolerance that ``tolerances.csv`` states for the id.
    ``relabelled``: either of the two, where ``computed`` names another header. ``misprint``: neither, and other
    printed numbers prove the printed one wrong (`consistency.misprints`). ``not reproduced``: the rest, with what
    ``notes.csv`` knows about it. ``method only``: the basis is simulated. ``not attempted``: nothing was computed.

    Examples
    --------
    >>> computed = pd.DataFrame({"time": 2004, "group": ["pearl_river_delta", "overall"], "gini": [0.0511, 0.1131]})
    >>> ledger = compare("p3", 2, computed, on={"year": "time", "cluster": "group"}, basis="real")
    >>> len(ledger), ledger.loc[ledger["computed"].notna(), "verdict"].tolist()
    (144, ['reproduced', 'close'])
    """
    printed = published.numbers(paper, table)
    _require_basis(basis, computed, reason)
    if computed is not None and basis != "none":
        frame = _matched(printed, computed, on)
    else:
        frame = printed.assign(computed=np.nan)
    tolerances, notes = _rules("tolerances.csv"), _rules("notes.csv")
    judged = basis in ("real", "printed") and paper in consistency.AUDITS
    proved = consistency.misprints(paper) if judged else {}
    rows = []
    for number in frame.to_dict("records"):
        limit, why = _rule_for(number["id"], tolerances) or ("", "")
        shown, gap = np.nan, np.nan
        if pd.isna(number["computed"]) and not (basis == "simulated" and computed is None):
            verdict, said = "not attempted", reason or "no number was computed for it"
        elif basis == "simulated":
            verdict, said = "method only", reason or "the data cannot be had; the method is tested on simulated data"
        else:
            shown, gap = number["computed"], float(_gap(number))
            verdict, said = _judge(number, limit, why, proved)
            if verdict == "not reproduced":
                said = "; ".join([said, *_rule_for(number["id"], notes)])
        bound = float(limit) if limit else np.nan
        rows.append((number["id"], number["printed"], shown, gap, bound, verdict, said, basis))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def compare_text(
    paper: str, computed: Mapping[str, float] | None, *, basis: Basis, reason: str | None = None
) -> pd.DataFrame:
    """Judge the statements of the running text by computed numbers, given by item.

    Examples
    --------
    >>> ledger = compare_text("p2", {"model_u1": 41 / 64, "share_land": 24.2}, basis="printed")
    >>> ledger.loc[ledger["computed"].notna(), ["id", "verdict"]].to_numpy().tolist()
    [['p2.text.share_land', 'reproduced'], ['p2.text.model_u1', 'reproduced']]
    """
    frame = None if computed is None else pd.DataFrame({"item": list(computed), "value": list(computed.values())})
    return compare(paper, published.TEXT, frame, basis=basis, reason=reason)


def first_judged(*ledgers: pd.DataFrame) -> pd.DataFrame:
    """One row per printed number: that of the first ledger in which it was attempted.

    For a table whose numbers stand on several grounds: real data for some, other printed numbers or a simulation for
    the rest. A number that no ledger attempted keeps its row in the first one.

    Parameters
    ----------
    *ledgers : DataFrame
        Of the same printed numbers, as `compare` returns them, the preferred one first.

    Raises
    ------
    KeyColumnError
        An id stands twice in a ledger, or the ledgers do not hold the same numbers.

    Examples
    --------
    >>> some = compare_text("p2", {"model_u1": 41 / 64}, basis="printed")
    >>> rest = compare_text("p2", None, basis="simulated")
    >>> first_judged(some, rest)["verdict"].value_counts().to_dict()
    {'method only': 12, 'reproduced': 1}
    """
    for ledger in ledgers:
        require_keys(ledger, ["id"])
        if set(ledger["id"]) != set(ledgers[0]["id"]):
            raise KeyColumnError("the ledgers hold different numbers", remedy="compare the same table in each")
    stacked = pd.concat(ledgers, ignore_index=True)
    attempted = stacked[stacked["verdict"] != "not attempted"]
    first = pd.concat([attempted, stacked]).drop_duplicates("id").set_index("id")
    return first.loc[ledgers[0]["id"]].reset_index()[list(COLUMNS)]


def reproduces(printed: Decimal, computed: float, *, kind: str = "decimal", relation: str = "") -> bool:
    """Whether a computed number is the printed one, as far as print can tell.

    Compared in decimals, the computed number taken to 12 significant digits.

    Parameters
    ----------
    printed : Decimal
        With the decimals as printed: 0.140 is known to half a thousandth.
    computed : float
    kind : str
        As in `published.numbers`. A count, a fraction or a numeral in words must be met exactly; any other number
        within half a unit of its last printed digit, ties included.
    relation : {"", "gt", "lt", "about"}
        A bound: the computed number must lie above or below the printed one, or within a whole unit of its last digit.

    Examples
    --------
    >>> reproduces(Decimal("0.140"), 0.1395), reproduces(Decimal("0.140"), 0.1394)
    (True, False)
    >>> reproduces(Decimal(30), 35.4, relation="gt"), reproduces(Decimal(156), 156.2, kind="count")
    (True, False)
    """
    gap = _exact(computed) - printed
    if relation in ("gt", "lt"):
        return gap > 0 if relation == "gt" else gap < 0
    unit = Decimal(1).scaleb(int(printed.as_tuple().exponent))
    return abs(gap) <= (0 if kind in _EXACT else unit if relation == "about" else unit / 2)


def counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Number of ledger rows by verdict, all seven in fixed order: ``verdict, numbers``.

    Examples
    --------
    >>> counts(compare("p4", "text", None, basis="none", reason="no data")).query("numbers > 0").to_numpy().tolist()
    [['not attempted', 52]]
    """
    return pd.DataFrame(list(_tally(frame).items()), columns=["verdict", "numbers"])


def verdict_box(frame: pd.DataFrame) -> str:
    """The headline of a ledger in data editors' words, as one sentence of plain text.

    The grade goes by the share of numbers that differ, that is, are neither reproduced nor close nor relabelled: full
    reproduction (every number to the last digit), the same with minor issues (at most a quarter differ), partial
    reproduction (at most half), not able to reproduce most or all. A ledger with the reason `OWN_RUN` gets no grade:
    it says that it is the reader's run, and counts what is judged without it, such as one printed number by another.

    Examples
    --------
    >>> print(verdict_box(compare("p4", "text", None, basis="none", reason="the tables are pictures")))
    Not able to reproduce most or all: of 52 printed numbers (no data), 52 (100.0%) are not attempted.
    >>> print(verdict_box(compare("p4", "text", None, basis="none", reason=OWN_RUN)))
    Your run: no printed number is compared.
    """
    require_columns(frame, ["verdict", "basis"])
    if not len(frame):
        raise DomainError("an empty ledger has no verdict", remedy="compare at least one table first")
    if "reason" in frame and frame["reason"].eq(OWN_RUN).any():
        judged = frame[frame["verdict"] != "not attempted"]
        if judged.empty:
            return "Your run: no printed number is compared."
        apart = f"{len(judged):,} of {len(frame):,} are judged without it ({_bases(judged)})"
        return f"Your run: no printed number is compared with it; {apart}, of which {_verdicts(judged)}."
    tally, n = _tally(frame), len(frame)
    differ = n - tally["reproduced"] - tally["close"] - tally["relabelled"]
    if tally["reproduced"] == n:
        grade = "Full reproduction"
    elif 4 * differ <= n:
        grade = "Full reproduction with minor issues"
    elif 2 * differ <= n:
        grade = "Partial reproduction"
    else:
        grade = "Not able to reproduce most or all"
    return f"{grade}: of {n:,} printed numbers ({_bases(frame)}), {_verdicts(frame)}."


def _bases(frame: pd.DataFrame) -> str:
    """What the numbers of a ledger stand on, with the count of each where there are several."""
    rows = {basis: int((frame["basis"] == basis).sum()) for basis in _BASES}
    named = [f"{_BASES[basis]} {k}" if k < len(frame) else _BASES[basis] for basis, k in rows.items() if k]
    return ", ".join(named)


def _verdicts(frame: pd.DataFrame) -> str:
    """The verdicts of a ledger as a list in words."""
    n = len(frame)
    tally = _tally(frame)
    parts = [f"{k:,} ({k / n:.1%}) {'is' if k == 1 else 'are'} {_WORDS[verdict]}" for verdict, k in tally.items() if k]
    return " and ".join(filter(None, [", ".join(parts[:-1]), parts[-1]]))


def record(frame: pd.DataFrame, name: str) -> None:
    """Keep a ledger in the executed notebook, for `collect`; shown are its counts and a digest.

    The digest covers ids, verdicts and computed numbers to six significant digits, so that a comparison of the visible
    outputs notices a change in any of them.

    Parameters
    ----------
    frame : DataFrame
        Result of `compare` or several of them, one row per printed number.
    name : str
        What the line shown calls it, such as ``"p3, table 2"``.

    Raises
    ------
    KeyColumnError
        A column is absent, or a number stands in the ledger twice.
    """
    require_columns(frame, COLUMNS)
    require_keys(frame, ["id"])
    rows = [{column: _storable(row[column]) for column in COLUMNS} for row in frame.to_dict("records")]
    tally = ", ".join(f"{number} {verdict}" for verdict, number in _tally(frame).items() if number)
    seen = "\n".join(f"{row['id']} {row['verdict']} {row['computed']}" for row in rows)
    digest = sha256(seen.encode()).hexdigest()[:12]
    line = f"{name}: {len(rows)} printed numbers, {tally} [digest {digest}]"
    show({"text/plain": line}, {KEY: {"name": name, "rows": rows}})


def collect(folder: Path | str | None = None) -> pd.DataFrame:
    """The ledger of all five papers, read from the outputs of the executed notebooks.

    Parameters
    ----------
    folder : path, optional
        Folder of ``.ipynb`` files; the project's chapters by default.

    Returns
    -------
    DataFrame
        One row per printed number of all papers: the columns of `compare`, and ``paper`` and ``table`` after ``id``.
        What no notebook recorded is ``not attempted``.

    Raises
    ------
    KeyColumnError
        A number is recorded twice, or its id is unknown.
    RegionError
        A notebook recorded another printed number than the data hold.
    """
    everything = published.numbers()
    everything["table"] = everything["panel"].where(everything["panel"] != "", everything["table"])
    notebooks = sorted((notebooks_folder() if folder is None else Path(folder)).glob("*.ipynb"))
    rows = [
        row
        for path in notebooks
        for ledger in kept_under(KEY, json.loads(path.read_text(encoding="utf-8")))
        for row in ledger["rows"]
    ]
    recorded = pd.DataFrame(rows, columns=list(COLUMNS))
    require_keys(recorded, ["id"])
    unknown = ~recorded["id"].isin(everything["id"])
    if unknown.any():
        raise KeyColumnError(
            "no printed number has this id",
            column="id",
            keys=recorded.loc[unknown, "id"],
            remedy="execute the notebooks again",
        )
    frame = everything[["id", "paper", "table", "printed"]].merge(
        recorded.rename(columns={"printed": "recorded"}), on="id", how="left", validate="one_to_one"
    )
    stale = frame["recorded"].notna() & (frame["recorded"] != frame["printed"].map(str))
    if stale.any():
        raise RegionError(
            "a notebook recorded another printed number than the data hold",
            keys=frame.loc[stale, "id"],
            remedy="execute the notebooks again",
        )
    absent = frame["verdict"].isna()
    begun = frame["paper"].isin(frame.loc[~absent, "paper"])
    frame.loc[absent, ["verdict", "basis"]] = ["not attempted", "none"]
    frame.loc[absent & begun, "reason"] = "the chapter does not take it up"
    frame.loc[absent & ~begun, "reason"] = "no executed chapter of this paper"
    floats = ["computed", "gap", "tolerance"]
    return frame.astype(dict.fromkeys(floats, float))[["id", "paper", "table", *COLUMNS[1:]]]


def _tally(frame: pd.DataFrame) -> dict[str, int]:
    require_columns(frame, ["verdict"])
    return {verdict: int((frame["verdict"] == verdict).sum()) for verdict in VERDICTS}


def _require_basis(basis: str, computed: pd.DataFrame | None, reason: str | None) -> None:
    if basis not in _BASES:
        raise DomainError(f"unknown basis {basis!r}", remedy=f"choose one of {', '.join(map(repr, _BASES))}")
    if basis == "none" and not reason:
        raise RegionError("basis 'none' needs a reason why nothing is compared", remedy="pass reason='...'")
    if computed is None and basis in ("real", "printed"):
        raise RegionError(
            f"basis {basis!r} needs computed numbers", remedy="pass them, or basis='none' with the reason"
        )


def _matched(
    printed: pd.DataFrame, computed: pd.DataFrame, on: Mapping[str, str] | Sequence[str] | None
) -> pd.DataFrame:
    """The printed numbers with the columns ``computed`` and ``relabelled``."""
    computed = computed.reset_index(drop=True)
    keys = [key for key in ("panel", *published.KEYS) if printed[key].drop_duplicates().size > 1]
    given = dict(on) if isinstance(on, Mapping) else {key: key for key in on or ()}
    if unknown := set(given) - set(keys):
        raise KeyColumnError(f"{sorted(unknown)} are no keys of the table", remedy=f"its keys are {', '.join(keys)}")
    names = {key: given.get(key, key) for key in keys}
    values = [column for column in printed["value_column"].unique() if column in computed]
    if not values:
        raise KeyColumnError(
            "no value column of the table is in the computed frame",
            remedy=f"name the numbers {', '.join(printed['value_column'].unique())}",
        )
    require_columns(computed, names.values())
    texts = {key: computed[name].astype(object).map(_key_text, na_action="ignore") for key, name in names.items()}
    frame, cells = _pair_sorted(pd.DataFrame(texts)), _pair_sorted(printed)[[*keys, "value_column"]]
    require_keys(frame, keys)
    _require_known(frame, cells, keys)
    for column in values:
        frame[column] = numeric(computed, column, list(names.values()))
        if (infinite := np.isinf(frame[column])).any():
            raise DomainError("infinite value", column=column, keys=keys_of(frame, infinite, keys))
    frame["relabelled"] = computed["relabelled"].astype(object).fillna("") if "relabelled" in computed else ""
    long = frame.melt([*keys, "relabelled"], values, var_name="value_column", value_name="computed")
    long = long[long["computed"].notna()]
    _require_known(long, cells, [*keys, "value_column"])
    found = cells.merge(long, how="left", on=[*keys, "value_column"], validate="one_to_one")
    return printed.assign(computed=found["computed"], relabelled=found["relabelled"].fillna(""))


def _require_known(frame: pd.DataFrame, cells: pd.DataFrame, keys: list[str]) -> None:
    extra = frame[keys].merge(cells[keys].drop_duplicates(), how="left", indicator=True)["_merge"] == "left_only"
    if extra.any():
        raise KeyColumnError(
            "computed rows without a printed number",
            keys=keys_of(frame, extra, keys),
            remedy="leave them out, or correct their keys to those of the table",
        )


def _pair_sorted(frame: pd.DataFrame) -> pd.DataFrame:
    """A pair of clusters has no order."""
    if not set(_PAIR) <= set(frame.columns):
        return frame
    pairs = [sorted(pair, key=str) for pair in frame[_PAIR].itertuples(index=False)]
    return frame.assign(**{name: [pair[i] for pair in pairs] for i, name in enumerate(_PAIR)})


def _key_text(key: object) -> str:
    return str(int(key)) if isinstance(key, float | np.floating) and float(key).is_integer() else str(key)


def _judge(number: Mapping[Any, Any], limit: str, why: str, proved: Mapping[str, str]) -> tuple[str, str]:
    gap, header = abs(_gap(number)), number["relabelled"]
    exact = reproduces(number["printed"], number["computed"], kind=number["kind"], relation=number["relation"])
    if exact:
        return ("relabelled", f"right under the header {header}, to the last digit") if header else ("reproduced", "")
    if limit and gap <= Decimal(limit):
        return ("relabelled", f"right under the header {header} within {limit}: {why}") if header else ("close", why)
    if number["id"] in proved:
        return "misprint", proved[number["id"]]
    if number["relation"] in ("gt", "lt"):
        allowed = f"the text says {'more' if number['relation'] == 'gt' else 'less'} than {number['text']}"
    elif limit:
        allowed = f"the tolerance is {limit}"
    else:
        allowed = "it must be met exactly" if number["kind"] in _EXACT else "no tolerance is stated"
    under = f"under the header {header} " if header else ""
    return "not reproduced", f"{under}off by {gap:.4g}; {allowed}"


def _gap(number: Mapping[Any, Any]) -> Decimal:
    return _exact(number["computed"]) - Decimal(number["printed"])


def _exact(value: float) -> Decimal:
    return Decimal(f"{float(value):.12g}")


def _rules(name: str) -> list[tuple[str, ...]]:
    rules = pd.read_csv(data_file("published", name), dtype=str, keep_default_na=False)
    return list(rules.itertuples(index=False, name=None))


def _rule_for(number: str, rules: list[tuple[str, ...]]) -> tuple[str, ...]:
    """What the first rule whose pattern fits says; nothing where none fits."""
    return next((rule[1:] for rule in rules if fnmatchcase(number, rule[0])), ())


def _storable(value: object) -> str | float | None:
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return str(value)
