"""What audits of printed estimates share: the cells of their tables as published, and verdicts on words and stars."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from regiometrics.data.published import in_text, table
from regiometrics.report.audits.identities import stars
from regiometrics.report.audits.rounded import Check, Finding, Rounded

Place = tuple[int, int, str]  # table, column, term


class Cell(NamedTuple):
    """A cell of a table of estimates as printed: number, standard error or None, stars, and the row's label."""

    value: Decimal
    spread: Decimal | None
    stars: str
    label: str


@dataclass(frozen=True)
class PrintedEstimates:
    """The printed numbers of a paper of regressions; each paper adds its own tables.

    Attributes
    ----------
    cells : mapping (table, column, term) -> Cell
        Tables of estimates, with observations and test statistics among the terms.
    text : mapping item -> Decimal
        Numbers of the running text.
    stated_twice : mapping subject -> (str, str)
        Statements that the text makes twice.
    """

    cells: Mapping[Place, Cell]
    text: Mapping[str, Decimal]
    stated_twice: Mapping[str, tuple[str, str]]

    @property
    def years(self) -> int:
        """Years of the sample."""
        return int(self.text["last_year"] - self.text["first_year"]) + 1

    def coef(self, place: Place) -> Rounded:
        """A number of a table of estimates."""
        return Rounded.of(self.cells[place].value)

    def error(self, place: Place) -> Rounded:
        """The standard error below it."""
        spread = self.cells[place].spread
        assert spread is not None  # a coefficient
        return Rounded.of(spread)

    def estimates(self) -> dict[Place, tuple[Decimal, Decimal]]:
        """Coefficient and standard error by place."""
        return {place: (cell.value, cell.spread) for place, cell in self.cells.items() if cell.spread is not None}


def cells_of(paper: str, numbers: Iterable[int]) -> dict[Place, Cell]:
    """The cells of a paper's tables of estimates, less the rows that say yes or no to fixed effects.

    Examples
    --------
    >>> cells_of("p5", [3])[3, 6, "policy"].stars
    '***'
    """
    return {
        (number, int(row["column"]), row["term"]): Cell(
            row["value"], row["spread"], row["stars"] or "", row["label_zh"]
        )
        for number in numbers
        for row in table(paper, number).to_dict("records")
        if row["row_kind"] != "fixed_effect"
    }


def numbers_in_text(paper: str) -> dict[str, Decimal]:
    """The numbers of a paper's running text, by item.

    Examples
    --------
    >>> numbers_in_text("p2")["n_clusters"]
    Decimal('11')
    """
    return {row["item"]: row["value"] for row in in_text(paper).to_dict("records")}


def stars_of(paper: str, printed: PrintedEstimates) -> Iterator[Finding]:
    """Stars against coefficient and error, for each estimate of a paper."""
    for place, (value, spread) in printed.estimates().items():
        number, column, term = place
        check = stars(value, spread, printed.cells[place].stars)
        check = replace(check, expected=check.expected or "none", printed=check.printed or "none")
        item = f"Table {number}, column {column}, stars of {term}"
        yield Finding(f"{paper}.audit.t{number}.stars.c{column}.{term}", item, check)


def statement(expected: str, printed: str, holds: bool, meaning: str, holding: str = "") -> Check:
    """Words against words or numbers; ``meaning`` is said where they contradict, ``holding`` where they do not.

    Examples
    --------
    >>> statement("8 cities", "9 cities", False, "one city too many").verdict
    'inconsistent'
    """
    return Check(expected, printed, "consistent" if holds else "inconsistent", holding if holds else meaning)


def plausible(expected: str, printed: str, holds: bool, meaning: str) -> Check:
    """A relation that is plausible and no identity: broken, it proves nothing.

    Examples
    --------
    >>> plausible("a multiple of 10", "1347", False, "observations are missing").verdict
    'not determined'
    """
    return Check(expected, printed, "consistent" if holds else "not determined", meaning)
