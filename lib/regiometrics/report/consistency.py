"""The audit of printed numbers by printed numbers: arithmetic, and the rounding of what is printed.

No data enter, but for four lists: the cities and county units of the delta, which p1 counts, the members of the eleven
clusters, whose centres p2 counts, the sectors of manufacturing, which p4 sorts by province, and the dates of the zones
in p5, whose dummy the printed tables describe.

``check`` runs the audit of a paper, ``misprints`` names the numbers that other printed numbers prove wrong.
The rules themselves work on any table: ``stars``, ``moments``, ``indicator``, ``gini_cv``, ``indirect``, ``sobel``,
``mixing_share``, ``intercept``, ``added_regressor``, ``contrast``, ``counts``, ``trend`` and ``match_headers``.
Of a table that is lost, ``reconstruct`` finds every table of zeros and ones that agrees with what the text says,
``falsify`` shows what each statement adds, and ``specialization_bounds`` how far printed indices bind lost ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pandas as pd

from regiometrics.data.files import data_folder
from regiometrics.errors import KeyColumnError
from regiometrics.panel import require_columns
from regiometrics.report.audits import p1, p2, p3, p4, p5
from regiometrics.report.audits.identities import (
    added_regressor,
    contrast,
    counts,
    gini_cv,
    indicator,
    indirect,
    intercept,
    match_headers,
    mixing_share,
    moments,
    sobel,
    stars,
    trend,
)
from regiometrics.report.audits.reconstruction import Reconstruction, falsify, reconstruct, specialization_bounds
from regiometrics.report.audits.rounded import VERDICTS, Check, Finding, Rounded

__all__ = [
    "AUDITS",
    "Check",
    "Reconstruction",
    "Rounded",
    "added_regressor",
    "check",
    "contrast",
    "counts",
    "falsify",
    "gini_cv",
    "indicator",
    "indirect",
    "intercept",
    "match_headers",
    "misprints",
    "mixing_share",
    "moments",
    "reconstruct",
    "sobel",
    "specialization_bounds",
    "stars",
    "summary",
    "trend",
]

AUDITS: Mapping[str, Callable[[], list[Finding]]] = {
    "p1": p1.findings,
    "p2": p2.findings,
    "p3": p3.findings,
    "p4": p4.findings,
    "p5": p5.findings,
}


def check(paper: str) -> pd.DataFrame:
    """The audit of one paper.

    Parameters
    ----------
    paper : str
        "p1", "p2", "p3", "p4" or "p5".

    Returns
    -------
    DataFrame
        One row per check: ``id``, ``item`` (what is compared), ``expected`` (what other printed numbers ask for, with
        the interval that their rounding leaves), ``printed``, ``verdict`` ("consistent", "rounding", "inconsistent" or
        "not determined"), ``meaning``.

    Raises
    ------
    KeyColumnError
        A paper without an audit.

    Examples
    --------
    >>> audit = check("p3").set_index("id")
    >>> audit.loc["p3.audit.t2.mean.overall", ["expected", "printed", "verdict"]].tolist()
    ['0.1179 (0.1174 to 0.1184)', '0.111', 'inconsistent']
    """
    rows = [
        (f.id, f.item, f.check.expected, f.check.printed, f.check.verdict, f.check.meaning) for f in _findings(paper)
    ]
    return pd.DataFrame(rows, columns=["id", "item", "expected", "printed", "verdict", "meaning"])


def misprints(paper: str) -> dict[str, str]:
    """Ids of the printed numbers that other printed numbers prove wrong, each with a sentence that says how.

    Examples
    --------
    >>> list(misprints("p3"))
    ['p3.t2.mean.overall.gini', 'p3.text.mean_overall_gini']
    >>> misprints("p5")
    {}
    """
    return {number: f.check.meaning for f in _findings(paper) for number in f.proven_wrong}


def summary(frame: pd.DataFrame) -> pd.DataFrame:
    """Number of checks by verdict, in the order consistent, rounding, inconsistent, not determined.

    Parameters
    ----------
    frame : DataFrame
        Result of `check`, or a part of it.

    Returns
    -------
    DataFrame
        Four rows: ``verdict``, ``checks``.

    Examples
    --------
    >>> summary(pd.DataFrame({"verdict": ["rounding", "consistent", "rounding"]}))["checks"].tolist()
    [1, 2, 0, 0]
    """
    require_columns(frame, ["verdict"])
    tally = frame["verdict"].value_counts()
    return pd.DataFrame({"verdict": list(VERDICTS), "checks": [int(tally.get(verdict, 0)) for verdict in VERDICTS]})


def _findings(paper: str) -> tuple[Finding, ...]:
    if paper not in AUDITS:
        raise KeyColumnError(f"no audit for {paper!r}", remedy=f"choose one of {', '.join(map(repr, AUDITS))}")
    return _found(AUDITS[paper], data_folder())


@cache
def _found(audit: Callable[[], list[Finding]], _folder: Path) -> tuple[Finding, ...]:
    """What an audit finds in a data folder; each comparison of the ledger asks again."""
    return tuple(audit())
