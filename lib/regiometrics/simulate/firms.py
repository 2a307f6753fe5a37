"""A firm census with planted defects: yearly files whose county x industry x year truth after cleaning is known.

No record, code or total is taken from the real survey. What is like it: one file a year, sector codes in the edition
of their year, county codes that change, a year without gross output, and the ways in which records go wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv, parquet

from regiometrics.data.firms import CLASSIFICATIONS, COLUMNS, KEY_VARIABLES, OUTPUT_FROM_SALES
from regiometrics.errors import DomainError, require_choice

Ints = npt.NDArray[np.int64]
Format = Literal["parquet", "csv"]

YEARS = range(2000, 2014)

BROKEN = ("read", "line does not fit the header")
COPY = ("duplicates", "repeats a record of the same firm and year")
CONTRADICTION = ("duplicates", "contradicts a record of the same firm and year")
OUTPUT_MISSING, OUTPUT_NEGATIVE = ("output", "gross output missing"), ("output", "gross output negative")
NO_CAPITAL, LESS_CAPITAL = ((("capital", f"paid-in capital {what}, counted as 0")) for what in ("missing", "negative"))
RECODED = {
    "sector": ("sectors", "sector code replaced"),
    "estimate": ("output", "sales - opening stocks + closing stocks"),
}
RECODED |= {"replace": ("counties", "county code replaced"), "merge": ("counties", "county merged into another")}

DEFECTS = (
    BROKEN,
    ("read", "text, or an impossible number, where a number is needed"),
    ("keys", "no year of 1998-2013"),
    ("keys", "no firm"),
    ("keys", "no county code of six digits"),
    ("keys", "no sector code of four digits"),
    COPY,
    CONTRADICTION,
    *(("key_variables", f"{name} {what}") for name in KEY_VARIABLES for what in ("missing", "negative")),
    ("size", "no number of employees"),
    ("size", "fewer than 30 employees"),
    ("sectors", "sector code not in the concordance"),
    ("counties", "county code not in the recode table"),
    ("counties", "county removed"),
    OUTPUT_MISSING,
    OUTPUT_NEGATIVE,
    NO_CAPITAL,
    LESS_CAPITAL,
)
"""Step and reason of every planted defect, in the order of the cleaning; the last two cost no record."""

_SOUND = len(DEFECTS)
_FIRST_SECTOR, _SECTOR_STEP = 610, 20
_VARIANTS = {1994: (0, 1, 2), 2002: (0, 5), 2011: (10, 0)}  # codes of an industry, from its own, by edition
_UNKNOWN_SECTOR = 19
_OWN, _RENAMED, _MERGED, _REUSED = 320_100, 330_100, 340_100, 350_100  # first county codes of each fate
_REMOVED, _UNKNOWN_COUNTY = 360_100, 999_999
_RENAMED_IN, _REUSED_FROM = 2003, 2005
_MOST_COUNTIES, _MOST_INDUSTRIES = 1000, 460


@dataclass(frozen=True)
class Census:
    """A census on disk and what is true of it.

    Attributes
    ----------
    folder : Path
        Holds one file a year.
    n_rows : int
        Records written, broken and repeated ones among them.
    concordance, recode : DataFrame
        The tables that `regiometrics.data.firms.clean_firms` asks for.
    county_industry : DataFrame
        The panel after cleaning, in the columns and the order of the cleaned one.
    planted : DataFrame
        ``step, why, records``: how many records each rule has to drop or to change.
    """

    folder: Path
    n_rows: int
    concordance: pd.DataFrame
    recode: pd.DataFrame
    county_industry: pd.DataFrame
    planted: pd.DataFrame


def census(
    folder: str | Path,
    *,
    n_rows: int = 20_000,
    seed: int | np.random.Generator = 0,
    format: Format = "parquet",
    years: Sequence[int] = YEARS,
    n_counties: int = 196,
    n_industries: int = 150,
    defect_share: float = 0.002,
) -> Census:
    """Write yearly files of firm records with every defect that the cleaning knows, and return the truth.

    Parameters
    ----------
    folder : path
        An existing folder; ``2000.parquet`` and so on are written into it.
    n_rows : int
        Records in all files together.
    seed : int or Generator
        Draws the records; each year has a stream of its own.
    format : {"parquet", "csv"}
        Format of the files. A line that does not fit its header occurs in CSV alone.
    years : sequence of int
        Years between 1998 and 2013, a file each.
    n_counties, n_industries : int
        Counties of 2010 and industries that hold over all years.
    defect_share : float
        Each kind of defect befalls this share of a year's records, plus its place in `DEFECTS`, so that no two kinds
        are equally frequent and one cannot stand for another.

    Returns
    -------
    Census

    Raises
    ------
    DomainError
        Too few records for the defects, or more counties or industries than there are codes.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     made = census(folder, n_rows=3000, years=[2003, 2004])
    ...     sorted(path.name for path in made.folder.iterdir())
    ['2003.parquet', '2004.parquet']
    >>> made.planted.query("step == 'size'")["records"].tolist()
    [38, 40]
    """
    require_choice("format", format, Format)
    if not 2 <= n_counties <= _MOST_COUNTIES or not 1 <= n_industries <= _MOST_INDUSTRIES:
        raise DomainError(
            f"{n_counties} counties and {n_industries} industries cannot be coded",
            remedy=f"choose 2 to {_MOST_COUNTIES} counties and 1 to {_MOST_INDUSTRIES} industries",
        )
    streams = np.random.default_rng(seed).spawn(len(years) + 1)
    sizes = [len(part) for part in np.array_split(np.arange(n_rows), len(years))]
    firms = int(1.2 * max(sizes))
    county, industry = (streams[-1].integers(0, n, firms) for n in (n_counties, n_industries))
    counts = pd.Series(0, index=pd.MultiIndex.from_tuples([*DEFECTS, *RECODED.values()], names=["step", "why"]))
    cells = []
    for rng, year, size in zip(streams[:-1], years, sizes, strict=True):
        made = _Year(year, rng, size, county, industry, n_counties, defect_share, broken=format == "csv")
        made.write(Path(folder), format)
        counts += made.counts().reindex(counts.index, fill_value=0)
        cells.append(made.cells())
    return Census(
        folder=Path(folder),
        n_rows=n_rows,
        concordance=_concordance(n_industries),
        recode=_recode(n_counties),
        county_industry=_labelled(pd.concat(cells, ignore_index=True)),
        planted=counts.rename("records").reset_index(),
    )


def _concordance(n_industries: int) -> pd.DataFrame:
    own = _FIRST_SECTOR + _SECTOR_STEP * np.arange(n_industries)
    rows = [(edition, code + by, code) for edition, steps in _VARIANTS.items() for by in steps for code in own]
    table = pd.DataFrame(rows, columns=["classification", "sector", "industry"])
    return table.assign(**{name: table[name].astype("str").str.zfill(4) for name in ("sector", "industry")})


def _recode(n_counties: int) -> pd.DataFrame:
    """Every recorded code: own and merged ones, renamed ones, and codes that change hands between neighbours."""
    rows: list[tuple[int, int | None, int | None, str]] = [(_REMOVED, None, None, "remove")]
    for at in range(n_counties):
        neighbour = (at + 1) % n_counties
        rows.append((_OWN + at, None, _OWN + at, "keep"))
        rows.append((_RENAMED + at, None, _OWN + at, "replace"))
        rows.append((_MERGED + at, None, _OWN + at, "merge"))
        rows.append((_REUSED + at, None, _OWN + neighbour, "replace"))
        rows += [(_REUSED + at, year, _OWN + at, "replace") for year in range(1998, _REUSED_FROM)]
    table = pd.DataFrame(rows, columns=["county", "year", "county_2010", "action"])
    new = table["county_2010"].astype("Int64").astype("string")
    return table.assign(county=table["county"].astype("str"), county_2010=new, year=table["year"].astype("Int64"))


def _labelled(cells: pd.DataFrame) -> pd.DataFrame:
    county, industry = _OWN + cells["county"], _FIRST_SECTOR + _SECTOR_STEP * cells["industry"]
    table = cells.assign(county=county.astype("str"), industry=industry.astype("str").str.zfill(4))
    return table.sort_values(["county", "industry", "year"], ignore_index=True)


class _Year:
    """The records of one year: sound numbers first, then each defect on records of its own."""

    def __init__(
        self,
        year: int,
        rng: np.random.Generator,
        size: int,
        county: Ints,
        industry: Ints,
        n_counties: int,
        defect_share: float,
        *,
        broken: bool,
    ) -> None:
        self.year = year
        self.firm = rng.permutation(len(county))[:size]
        self.kind: Ints = np.full(size, _SOUND)
        self._place(rng, defect_share, broken)
        self.county, self.industry = county[self.firm], industry[self.firm]
        self._draw_codes(rng, n_counties)
        self._draw_numbers(rng)
        self._repeat()

    def _place(self, rng: np.random.Generator, share: float, broken: bool) -> None:
        """Choose the records of each defect; a copied or contradicted record lies before its repetition."""
        size = len(self.kind)
        number = [max(1, round(share * size)) + place for place in range(len(DEFECTS))]
        number[0] *= broken
        pairs = number[DEFECTS.index(COPY)] + number[DEFECTS.index(CONTRADICTION)]
        if sum(number) + pairs > size:
            raise DomainError(
                f"{size} records a year do not hold {sum(number) + pairs} defective ones",
                remedy="raise n_rows, or lower defect_share",
            )
        order = rng.permutation(size)
        kinds = np.repeat(np.arange(len(DEFECTS)), number)
        self.kind[order[: len(kinds)]] = kinds
        self.original = order[len(kinds) : len(kinds) + pairs]

    def _is(self, defect: tuple[str, str]) -> npt.NDArray[np.bool_]:
        found: npt.NDArray[np.bool_] = self.kind == DEFECTS.index(defect)
        return found

    def _draw_codes(self, rng: np.random.Generator, n_counties: int) -> None:
        """Sector codes in the year's edition; county codes as the year knew them."""
        edition = max((first, edition) for edition, first in CLASSIFICATIONS.items() if first <= self.year)[1]
        own = _FIRST_SECTOR + _SECTOR_STEP * self.industry
        self.sector = own + rng.choice(_VARIANTS[edition], len(own))
        fate = self.county % 4
        early, reused_early = self.year < _RENAMED_IN, self.year < _REUSED_FROM
        holder = self.county if reused_early else (self.county - 1) % n_counties
        self.recorded = np.select(
            [(fate == 1) & early, (fate == 2) & (rng.random(len(fate)) < 0.4), fate == 3],
            [_RENAMED + self.county, _MERGED + self.county, _REUSED + holder],
            _OWN + self.county,
        )

    def _draw_numbers(self, rng: np.random.Generator) -> None:
        """Amounts in 10³ yuan and employees, all sound."""
        size = len(self.kind)
        output = np.rint(np.exp(rng.normal(9.9, 1.1, size))).astype(np.int64) + 10
        self.employees = 30 + np.rint(np.exp(rng.normal(4.2, 1.0, size))).astype(np.int64)
        opening, closing = (rng.integers(0, 1 + output // 5) for _ in range(2))
        self.output = output
        self.amounts: dict[str, Ints] = {
            "total_assets": output + rng.integers(0, output),
            "fixed_assets": output // 3,
            "intermediate_input": output * 7 // 10,
            "value_added": output * 27 // 100,
            "sales": output + opening - closing,
            "stocks_opening": opening,
            "stocks_closing": closing,
            "paid_in_capital": 1 + output // 4,
        }

    def _repeat(self) -> None:
        """Overwrite the copies and contradictions by their originals; a contradiction has other sales."""
        again = np.concatenate([np.flatnonzero(self._is(COPY)), np.flatnonzero(self._is(CONTRADICTION))])
        for values in (self.firm, self.county, self.industry, self.sector, self.recorded, self.output, self.employees):
            values[again] = values[self.original]
        for values in self.amounts.values():
            values[again] = values[self.original]
        self.amounts["sales"][self._is(CONTRADICTION)] += 1
        self.kind[self.original[self._is(COPY).sum() :]] = DEFECTS.index(CONTRADICTION)

    def counts(self) -> pd.Series:
        """Records by rule: dropped by a defect, or changed by a step that they reach."""
        number = np.bincount(self.kind, minlength=_SOUND + 1)
        past = {
            step: self.kind >= next(place for place, defect in enumerate(DEFECTS) if defect[0] == step)
            for step in ("sectors", "counties", "output")
        }
        matched = past["sectors"] & ~self._is(("sectors", "sector code not in the concordance"))
        listed = past["output"]  # what leaves at the counties has no code there
        own = _FIRST_SECTOR + _SECTOR_STEP * self.industry
        series = self.recorded // 10_000 * 10_000 + 100
        estimated = past["output"] & ~self._is(OUTPUT_MISSING) if self.year == OUTPUT_FROM_SALES else np.array([False])
        changed = {
            "sector": (matched & (self.sector != own)).sum(),
            "replace": (listed & np.isin(series, [_RENAMED, _REUSED])).sum(),
            "merge": (listed & (series == _MERGED)).sum(),
            "estimate": estimated.sum(),
        }
        found = dict(zip(DEFECTS, number, strict=False)) | {RECODED[name]: total for name, total in changed.items()}
        return pd.Series(found).rename_axis(["step", "why"])

    def cells(self) -> pd.DataFrame:
        """The year's counties and industries after cleaning, by position."""
        capital = np.where(self._is(NO_CAPITAL) | self._is(LESS_CAPITAL), 0, self.amounts["paid_in_capital"])
        kept = (self.kind == _SOUND) | self._is(NO_CAPITAL) | self._is(LESS_CAPITAL)
        n = int(self.industry.max()) + 1
        at, place = np.unique((self.county * n + self.industry)[kept], return_inverse=True)
        totals = {
            name: np.bincount(place, values[kept].astype(float), len(at))
            for name, values in {"output": self.output, "employment": self.employees, "capital": capital}.items()
        }
        firms = np.bincount(place, minlength=len(at))
        return pd.DataFrame({"county": at // n, "industry": at % n, "year": self.year, **totals, "firms": firms})

    def write(self, folder: Path, format: Format) -> None:
        """The file of the year."""
        path, table = folder / f"{self.year}.{format}", self._table()
        sound = table.filter(pa.array(~self._is(BROKEN)))
        if format == "parquet":
            parquet.write_table(sound, path)
            return
        with path.open("wb") as stream:
            csv.write_csv(sound, stream, csv.WriteOptions(quoting_style="none", quoting_header="none"))
            for number, firm in enumerate(table["firm"].filter(pa.array(self._is(BROKEN))).to_pylist()):
                fields = [firm, str(self.year), *["1"] * (len(COLUMNS) - 1 if number % 2 else 5)]
                stream.write((",".join(fields) + "\n").encode())

    def _table(self) -> pa.Table:
        """The records with their defects; total assets are text, as a column with stray text is."""
        kinds = {defect: self._is(defect) for defect in DEFECTS}

        def without(values: Ints, step: str, why: str) -> pa.Array:
            return pa.array(values, mask=kinds[step, why])

        self.recorded[kinds["counties", "county code not in the recode table"]] = _UNKNOWN_COUNTY
        self.recorded[kinds["counties", "county removed"]] = _REMOVED
        unknown = kinds["sectors", "sector code not in the concordance"]
        self.sector[unknown] = _FIRST_SECTOR + _SECTOR_STEP * self.industry[unknown] + _UNKNOWN_SECTOR
        self.employees[kinds["size", "fewer than 30 employees"]] = 29
        for name in KEY_VARIABLES:
            self.amounts[name][kinds["key_variables", f"{name} negative"]] = -1
        self.amounts["paid_in_capital"][kinds[LESS_CAPITAL]] = -1
        fewer = kinds[OUTPUT_NEGATIVE]
        self.amounts["sales"][fewer] = self.amounts["stocks_opening"][fewer] - self.amounts["stocks_closing"][fewer] - 1
        year = np.full(len(self.kind), self.year)
        year[kinds["keys", "no year of 1998-2013"]] = self.year % 100
        columns = {name: pa.array(values) for name, values in self.amounts.items()}
        columns |= {name: without(self.amounts[name], "key_variables", f"{name} missing") for name in KEY_VARIABLES}
        text = kinds["read", "text, or an impossible number, where a number is needed"]
        columns["total_assets"] = pc.if_else(pa.array(text), "12O0", columns["total_assets"].cast(pa.string()))
        columns["paid_in_capital"] = without(self.amounts["paid_in_capital"], *NO_CAPITAL)
        unasked = self.year == OUTPUT_FROM_SALES
        columns["gross_output"] = pa.array(np.where(fewer, -1, self.output), mask=kinds[OUTPUT_MISSING] | unasked)
        if unasked:
            columns["sales"] = without(self.amounts["sales"], *OUTPUT_MISSING)
        columns["employees"] = without(self.employees, "size", "no number of employees")
        columns["firm"] = without(100_000_000 + self.firm, "keys", "no firm").cast(pa.string())
        columns["year"] = pa.array(year)
        columns["county"] = without(self.recorded, "keys", "no county code of six digits")
        columns["sector"] = without(self.sector, "keys", "no sector code of four digits")
        return pa.table({name: columns[name] for name in COLUMNS})
