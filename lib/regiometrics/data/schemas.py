"""What a chapter expects of the reader's own files: columns, units, plausible ranges, and all problems in one report.

Each table is a pandera schema. Columns of numbers declare their unit in ``metadata``; a value outside what the unit
allows is reported, never converted. pandera's findings become the library's errors, with the keys of the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.errors import SchemaError, SchemaErrors

from regiometrics.data.facts import HIGH_TECH, INTENSITIES, SECTIONS, manufacturing_sectors
from regiometrics.data.load import READ, read_table, table_file
from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    NoDonorsError,
    RegionError,
    UnbalancedPanelError,
    raise_problems,
)
from regiometrics.panel import Missing, keys_of, numeric, require_balanced, require_columns

FEWEST_PERSONS = 1_000
"""A city-year with fewer persons in all 19 sections hints at another unit: yearbooks print 10,000 persons (万人)."""

MOST_PERSONS = 100_000_000
"""No city employs more: a city-year above hints at a unit multiplied twice."""

ROUNDED = 1e-3
"""Distance from 1 that a rounded deflator may have in its base year."""

LETTERS = list(SECTIONS)

CODES = {"code", "hs6", "industry", "manufacturing"}
"""Checks of columns that hold codes."""

PROVINCE = r"(00|1[0345]|2[123]|3[2-7]|4[1-6]|5[1-4]|6[1-5]|71)0000"
"""Codes of provinces that are no city as well, as the municipalities, Hong Kong and Macau are, and of the country."""

COUNTY_TYPES = ("county", "county_city", "district")
COUNTY_GROUPS = ("incumbent", "new", "donor")
"""Counties of cities in the cluster before 2010, of cities that entered in 2010, and all others."""

LEAST = {"province_industry": ("output", 200), "hightech": ("revenue", 10)}
"""Value column of p4's tables, and 10^8 yuan that the largest province-year has: below, the unit is another one."""


@dataclass(frozen=True)
class Table:
    """A table of a chapter: its name, its pandera schema, and whether a folder must hold it.

    The key columns are ``schema.unique``; columns outside the schema are left alone and not used.
    """

    name: str
    schema: pa.DataFrameSchema
    required: bool = True

    @property
    def keys(self) -> list[str]:
        """The columns that identify a row."""
        return list(self.schema.unique or ())

    @property
    def numbers(self) -> list[str]:
        """The columns that hold numbers."""
        return [name for name, column in self.schema.columns.items() if "unit" in (column.metadata or {})]

    @property
    def needed(self) -> list[str]:
        """The columns in which no cell may be empty."""
        return [name for name, column in self.schema.columns.items() if not column.nullable]

    @property
    def codes(self) -> list[str]:
        """The columns that hold codes, which are read as text."""
        columns = self.schema.columns.items()
        return [name for name, column in columns if any(check.name in CODES for check in column.checks)]

    @property
    def words(self) -> list[str]:
        """The columns of names and classes."""
        return [name for name in self.schema.columns if name not in {*self.numbers, *self.codes}]

    def units(self) -> dict[str, str]:
        """Unit of measure by column."""
        return {name: cast(dict[str, str], self.schema.columns[name].metadata)["unit"] for name in self.numbers}


Rule = tuple[type[RegionError], str, str]
Found = list[tuple[str, RegionError]]

_RULES: Mapping[str, Rule] = {
    "code": (
        KeyColumnError,
        "no six-digit code of GB/T 2260",
        "write all six digits, such as 110000 for Beijing, not the name; leave rows of totals out",
    ),
    "place": (
        KeyColumnError,
        "the code of a province or of the country",
        "write the code of the place itself, such as 330100 for Hangzhou; leave rows of totals out",
    ),
    "hs6": (KeyColumnError, "no six-digit code of the Harmonised System", "keep leading zeros, as in 010121"),
    "industry": (KeyColumnError, "no code of GB/T 4754, two to four digits", "write the code, such as 1310"),
    "manufacturing": (
        KeyColumnError,
        "no two-digit industry of manufacturing, 13 to 43",
        "write the code of GB/T 4754-2011, such as 13",
    ),
    "intensity": (DomainError, "no class of factor intensity", f"write one of {', '.join(INTENSITIES)}"),
    "two_clusters": (KeyColumnError, "a province belongs to two clusters", "keep it in one of them"),
    "county_type": (DomainError, "no type of county", f"write one of {', '.join(COUNTY_TYPES)}"),
    "county_group": (DomainError, "no group of counties", f"write one of {', '.join(COUNTY_GROUPS)}"),
    "year": (DomainError, "no year between 1949 and 2100", "write the year of the observation, such as 2004"),
    "year_or_none": (
        DomainError,
        "no year between 1949 and 2100",
        "write a year such as 2010, and leave the cell empty where there is none",
    ),
    "finite": (MissingValueError, "missing or infinite values", "correct the cell"),
    "negative": (DomainError, "negative employment", "correct the cell; a section without employment is 0"),
    "below_zero": (DomainError, "negative values", "correct the cell"),
    "not_positive": (DomainError, "zero or negative values", "correct the cell"),
    "flag": (DomainError, "neither 0 nor 1", "write 1 for a city of this kind and 0 for the others"),
    "percent": (DomainError, "too large for a fraction, which hints at percent", "divide the column by 100"),
    "implausible": (DomainError, "implausible values, which hint at another unit", "give the column in {unit}"),
    "percent_index": (DomainError, "too large for an index that is 1 in 2008", "divide the column by 100"),
    **{
        f"{name}_of_2008": (
            DomainError,
            f"{name} is not 1 in 2008",
            "divide the deflator of each city by its value of 2008; chain yearly rates first",
        )
        for name in ("gdp_deflator", "investment_deflator")
    },
    "no_distance": (
        DomainError,
        "a city that is no centre is 0 km from its centre",
        "give the shortest road distance in km; 0 is for centres",
    ),
    "coordinate": (
        DomainError,
        "outside China (latitude 3 to 54, longitude 73 to 136)",
        "give decimal degrees, and see that lat and lon are not exchanged",
    ),
    "two_cities": (KeyColumnError, "a county belongs to two cities", "keep the city of one year for all years"),
    "nobody": (DomainError, "no employment in all 19 sections", "fill the row in or leave the city-year out"),
    "too_few": (
        DomainError,
        f"fewer than {FEWEST_PERSONS:,} persons in all 19 sections, which hints at another unit",
        "give persons: multiply a table in 10,000 persons (万人) by 10,000",
    ),
    "too_many": (
        DomainError,
        f"more than {MOST_PERSONS:,} persons in all 19 sections, which hints at another unit",
        "give persons: divide by what the table was multiplied with",
    ),
}


def _persons(letter: str) -> pa.Column:
    english, chinese = SECTIONS[letter]
    checks = [pa.Check(np.isfinite, name="finite"), pa.Check(lambda values: values >= 0, name="negative")]
    return pa.Column(float, checks, title=f"{english} ({chinese})", metadata={"unit": "persons"})


def _year(title: str = "year of the observation", *, nullable: bool = False) -> pa.Column:
    name = "year_or_none" if nullable else "year"
    in_range = pa.Check(lambda years: years.between(1949, 2100) & (years % 1 == 0), name=name)
    return pa.Column(float, in_range, nullable=nullable, title=title, metadata={"unit": "year"})


def _province() -> pa.Column:
    return pa.Column(str, pa.Check.str_matches(r"^\d{6}$", name="code"), title="code of GB/T 2260, six digits")


def _code(title: str = "code of GB/T 2260, six digits") -> pa.Column:
    """A code of a city or county, which a province's is not."""
    six = pa.Check.str_matches(r"^\d{6}$", name="code")
    place = pa.Check(lambda codes: ~codes.str.fullmatch(PROVINCE), name="place")
    return pa.Column(str, [six, place], title=title)


def _number(title: str, unit: str, *checks: pa.Check, optional: bool = False) -> pa.Column:
    """A column of finite numbers; an optional one may be absent or have empty cells."""
    finite = pa.Check(np.isfinite, name="finite")
    return pa.Column(
        float, [finite, *checks], required=not optional, nullable=optional, title=title, metadata={"unit": unit}
    )


def _plausible(low: float, high: float, name: str = "implausible") -> pa.Check:
    """Inside the range; infinity, zero and negative values are left to the checks of their own."""
    return pa.Check(lambda values: values.between(low, high) | ~np.isfinite(values) | (values <= 0), name=name)


def _fraction(title: str, most: float = 1.5, *, optional: bool = False) -> pa.Column:
    return _number(title, "fraction", _NOT_NEGATIVE, _plausible(0, most, "percent"), optional=optional)


def _flag(title: str, *, required: bool = False) -> pa.Column:
    in_set = pa.Check(lambda values: values.isin([0, 1]) | ~np.isfinite(values), name="flag")
    return pa.Column(
        float,
        [pa.Check(np.isfinite, name="finite"), in_set],
        required=required,
        title=f"1 for {title}, 0 otherwise",
        metadata={"unit": "0 or 1"},
    )


_NOT_NEGATIVE = pa.Check(lambda values: values >= 0, name="below_zero")
_POSITIVE = pa.Check(lambda values: values > 0, name="not_positive")


def _all_sections(df: pd.DataFrame) -> pd.Series:
    """Persons in all sections; missing where one of them is missing, so that only complete rows are judged."""
    return df.reindex(columns=LETTERS).replace([np.inf, -np.inf], np.nan).sum(axis=1, min_count=len(LETTERS))


EMPLOYMENT = Table(
    "employment",
    pa.DataFrameSchema(
        {"city": _code(), "year": _year(), **{letter: _persons(letter) for letter in LETTERS}},
        checks=[
            pa.Check(lambda df: _all_sections(df) != 0, name="nobody"),
            pa.Check(lambda df: ~_all_sections(df).between(0, FEWEST_PERSONS, inclusive="neither"), name="too_few"),
            pa.Check(lambda df: ~(_all_sections(df) > MOST_PERSONS), name="too_many"),
        ],
        unique=["city", "year"],
        title="year-end employment by the sections A to S of GB/T 4754-2011, one row per city and year",
    ),
)
NATIONAL = Table(
    "national",
    pa.DataFrameSchema(
        {"year": _year(), **{letter: _persons(letter) for letter in LETTERS}},
        unique=["year"],
        title="the same sections for the whole country, one row per year; without it the sum of the cities",
    ),
    required=False,
)
CITIES = Table(
    "cities",
    pa.DataFrameSchema(
        {
            "city": _code(),
            "cluster": pa.Column(str, title="cluster that the city belongs to"),
            "cluster_zh": pa.Column(str, title="Chinese name of the cluster", required=False, nullable=True),
            "name": pa.Column(str, title="English name of the city", required=False, nullable=True),
            "name_zh": pa.Column(str, title="Chinese name of the city", required=False, nullable=True),
        },
        unique=["city"],
        title="the cities that are studied, one row per city; other cities of `employment` count to the country only",
    ),
)

COUNTY_LIGHT = Table(
    "county_light",
    pa.DataFrameSchema(
        {
            "county": _code(),
            "year": _year(),
            "light": _number(
                "mean night light of the county, inter-calibrated over the years", "digital number", _NOT_NEGATIVE
            ),
            "city": _code("city of the county, six digits"),
            "area": _number("area of the county", "km²", _POSITIVE, _plausible(0.1, 1e6), optional=True),
        },
        checks=pa.Check(lambda df: ~(df.groupby("county")["city"].transform("nunique") > 1), name="two_cities"),
        unique=["county", "year"],
        title="night light of the counties, one row per county and year; cities outside `city_year` stay out",
    ),
)
CITY_YEAR = Table(
    "city_year",
    pa.DataFrameSchema(
        {
            "city": _code(),
            "year": _year(),
            "passengers": _number("road passengers", "10,000 persons", _POSITIVE, _plausible(0, 1e6)),
            "gdp": _number("gross domestic product at current prices", "10,000 yuan", _POSITIVE, _plausible(1e5, 2e9)),
            "deposits_ratio": _fraction("savings deposits of households over GDP", most=15),
            "education_ratio": _fraction("education expenditure over GDP"),
            "urbanisation": _fraction("urban population over population"),
            "population": _number("year-end population", "10,000 persons", _POSITIVE, _plausible(5, 10_000)),
            "patents_per_head": _number(
                "applications for invention patents", "per 10,000 persons", _NOT_NEGATIVE, optional=True
            ),
            "isa": _number(
                "co-agglomeration of producer services and manufacturing", "index", _NOT_NEGATIVE, optional=True
            ),
            "emp": _fraction("employment in the secondary and tertiary sectors over all employment", optional=True),
        },
        unique=["city", "year"],
        title="controls and mechanism variables in levels, one row per city and year; the chapter takes the logs",
    ),
)
ZONE_CITIES = Table(
    "cities",
    pa.DataFrameSchema(
        {
            "city": _code(),
            "adoption_year": _year(
                "year of approval of the demonstration zone, empty where there is none", nullable=True
            ),
            "municipality": _flag("a municipality under the central government"),
            "resource_city": _flag("a resource-based city"),
            "cluster5": _flag("a city of the five large clusters"),
            "old_base": _flag("a city of the five old revolutionary base areas"),
            "lat": _number("latitude", "degrees", pa.Check.between(3, 54, name="coordinate"), optional=True),
            "lon": _number("longitude", "degrees", pa.Check.between(73, 136, name="coordinate"), optional=True),
            "name": pa.Column(str, title="name of the city", required=False, nullable=True),
        },
        unique=["city"],
        title="the cities that are studied, one row per city",
    ),
)
POLICIES = Table(
    "policies",
    pa.DataFrameSchema(
        {
            "city": _code(),
            "policy": pa.Column(str, title="name of another policy of the time"),
            "start_year": _year("first year of the policy in the city"),
        },
        unique=["city", "policy"],
        title="other regional policies, one row per city and policy",
    ),
    required=False,
)


def _pattern(name: str, pattern: str, title: str) -> pa.Column:
    return pa.Column(str, pa.Check.str_matches(pattern, name=name), title=title)


def _word(name: str, words: tuple[str, ...], title: str) -> pa.Column:
    in_set = pa.Check(lambda values: values.isin(words), name=name)
    return pa.Column(str, in_set, title=f"{title}: {', '.join(words)}")


def _stock(title: str, unit: str) -> pa.Column:
    """A column that may be absent, and has no empty cell where it is there."""
    finite = pa.Check(np.isfinite, name="finite")
    return pa.Column(float, [finite, _NOT_NEGATIVE], required=False, title=title, metadata={"unit": unit})


_HS6 = _pattern("hs6", r"^\d{6}$", "product of the Harmonised System, six digits")
_INDUSTRY = _pattern("industry", r"^\d{2,4}$", "industry of GB/T 4754, two to four digits, one level throughout")
_COUNTRY = pa.Column(str, title="exporting country, any code")

TRADE = Table(
    "trade",
    pa.DataFrameSchema(
        {"country": _COUNTRY, "hs6": _HS6, "exports": _number("exports in the base year", "US dollars", _NOT_NEGATIVE)},
        unique=["country", "hs6"],
        title="exports of one year (1997 in the paper), one row per country and product; all products of a country",
    ),
)
COUNTRIES = Table(
    "countries",
    pa.DataFrameSchema(
        {
            "country": _COUNTRY,
            "gdp_per_head": _number(
                "GDP per head in the same year", "thousand US dollars", _POSITIVE, _plausible(0.05, 250)
            ),
        },
        unique=["country"],
        title="income of the exporting countries, one row per country",
    ),
)
CONCORDANCE = Table(
    "concordance",
    pa.DataFrameSchema(
        {
            "hs6": _HS6,
            "industry": _INDUSTRY,
            "weight": _stock("weight of the product in its industry; without the column the mean is simple", "weight"),
        },
        unique=["hs6", "industry"],
        title="industry of each product; products without an industry count in the exports of their country only",
    ),
)
COUNTY_INDUSTRY = Table(
    "county_industry",
    pa.DataFrameSchema(
        {
            "county": _code(),
            "industry": _INDUSTRY,
            "year": _year(),
            "output": _number("gross output", "1,000 yuan", _NOT_NEGATIVE),
            "employment": _stock("persons employed", "persons"),
            "capital": _stock("paid-in capital", "1,000 yuan"),
        },
        unique=["county", "industry", "year"],
        title="manufacturing by county, industry and year; an industry without output may be left out",
    ),
)
COUNTIES = Table(
    "counties",
    pa.DataFrameSchema(
        {
            "county": _code(),
            "city": _code("city of the county, six digits"),
            "province": pa.Column(str, title="province"),
            "type": _word("county_type", COUNTY_TYPES, "type of the county"),
            "group": _word("county_group", COUNTY_GROUPS, "cluster membership of its city"),
            "second_wave": _flag("a county of the eight cities that entered in 2013"),
            "name": pa.Column(str, title="name of the county", required=False, nullable=True),
            "name_zh": pa.Column(str, title="Chinese name of the county", required=False, nullable=True),
            "city_name": pa.Column(str, title="name of the city", required=False, nullable=True),
        },
        unique=["county"],
        title="the counties that are studied, one row per county; the districts of a city are one unit",
    ),
)
COUNTY_YEAR = Table(
    "county_year",
    pa.DataFrameSchema(
        {
            "county": _code(),
            "year": _year(),
            "pergdp": _number("GDP per head", "yuan per person", _POSITIVE, _plausible(100, 1e6)),
            "urban": _fraction("urban population over population"),
            "infra": _fraction("level of infrastructure", most=15),
            "gov": _fraction("government expenditure over GDP"),
            "finance": _fraction("loans over GDP", most=15),
            "human": _fraction("pupils and students over population"),
            "density": _number("population density", "persons per km²", _POSITIVE, _plausible(0.05, 5e4)),
        },
        unique=["county", "year"],
        title="controls in levels, one row per county and year; the chapter takes the logs",
    ),
)
MEDIATORS = Table(
    "mediators",
    pa.DataFrameSchema(
        {
            "county": _code(),
            "year": _year(),
            "staff_growth": _number("growth of the number of employees", "rate", optional=True),
            "firm_growth": _number("growth of the number of firms", "rate", optional=True),
            "participation": _fraction("employees of units over population", optional=True),
            "retail_per_head": _number(
                "real retail sales of consumer goods per head",
                "yuan per person",
                _POSITIVE,
                _plausible(10, 1e6),
                optional=True,
            ),
            "tax_burden": _number("firms' income tax over their profit", "fraction", optional=True),
            "subsidy": _fraction("subsidies over gross output", optional=True),
            "science_spending": _number("public expenditure on science", "10,000 yuan", _POSITIVE, optional=True),
            "patent_growth": _number("growth of patent applications", "rate", optional=True),
            "patent_grant_rate": _fraction("patents granted over patents applied for", optional=True),
        },
        unique=["county", "year"],
        title="mediators, one row per county and year; empty cells shorten the sample of that mediator",
    ),
    required=False,
)


def _level(title: str, unit: str, low: float, high: float) -> pa.Column:
    """A positive column, since the chapter takes its log."""
    return _number(title, unit, _POSITIVE, _plausible(low, high))


def _deflator(title: str) -> pa.Column:
    return _number(title, "index, 2008 = 1", _POSITIVE, _plausible(0.1, 10, "percent_index"))


def _one_in_2008(deflator: str) -> pa.Check:
    def one(df: pd.DataFrame) -> pd.Series:
        values = df.reindex(columns=[deflator])[deflator]
        return df["year"].ne(2008) | ~values.between(0, 10, inclusive="neither") | ((values - 1).abs() < ROUNDED)

    return pa.Check(one, name=f"{deflator}_of_2008")


GROWTH = Table(
    "city_year",
    pa.DataFrameSchema(
        {
            "city": _code(),
            "year": _year(),
            "population": _level("year-end population", "10,000 persons", 5, 10_000),
            "gdp": _level("gross domestic product at current prices", "10^8 yuan", 5, 1e5),
            "gdp_deflator": _deflator("price index of GDP"),
            "investment": _level("investment in fixed assets at current prices", "10^8 yuan", 1, 5e4),
            "investment_deflator": _deflator("price index of investment"),
            "so2": _level("sulphur dioxide emitted by industry", "t", 10, 2e6),
            "fdi": _level("foreign capital used", "10,000 US dollars", 1, 1e7),
            "students": _level("students of colleges and universities", "persons", 100, 5e6),
            "spending": _level("budget expenditure of the local government", "10,000 yuan", 1e4, 2e8),
            "freight": _level("freight", "10,000 t", 10, 1e6),
        },
        checks=[_one_in_2008("gdp_deflator"), _one_in_2008("investment_deflator")],
        unique=["city", "year"],
        title="inputs, outputs and controls, one row per city and year; cities outside `cities` count to the frontier",
    ),
)
CLUSTER_CITIES = Table(
    "cities",
    pa.DataFrameSchema(
        {
            "city": _code(),
            "cluster": pa.Column(str, title="cluster that the city belongs to"),
            "central": _flag("a centre of its cluster", required=True),
            "north": _flag("a city north of the Qinling and the Huai", required=True),
            "distance_to_centre": _number(
                "shortest road distance to a centre of the cluster, 0 for centres",
                "km",
                _NOT_NEGATIVE,
                _plausible(1, 3000),
            ),
            "cluster_zh": pa.Column(str, title="Chinese name of the cluster", required=False, nullable=True),
            "name": pa.Column(str, title="English name of the city", required=False, nullable=True),
            "name_zh": pa.Column(str, title="Chinese name of the city", required=False, nullable=True),
        },
        checks=pa.Check(
            lambda df: ~((df.get("central", 1) == 0) & (df.get("distance_to_centre", 1) == 0)), name="no_distance"
        ),
        unique=["city"],
        title="the cities that are studied, one row per city",
    ),
)

_MANUFACTURING = _pattern(
    "manufacturing", r"^(1[3-9]|[23]\d|4[0-3])$", "industry of GB/T 4754-2011, two digits, 13 to 43"
)


def _of_industry(title: str) -> pa.Column:
    return _number(title, "10^8 yuan", _NOT_NEGATIVE, _plausible(0, 1e5))


PROVINCE_INDUSTRY = Table(
    "province_industry",
    pa.DataFrameSchema(
        {
            "province": _province(),
            "industry": _MANUFACTURING,
            "year": _year(),
            "output": _of_industry("gross output at current prices"),
        },
        unique=["province", "industry", "year"],
        title="manufacturing by province, industry and year; 0 where a province has none of an industry",
    ),
)
HIGHTECH = Table(
    "hightech",
    pa.DataFrameSchema(
        {
            "province": _province(),
            "industry": pa.Column(str, title=f"high-tech industry, such as {', '.join(HIGH_TECH)}"),
            "year": _year(),
            "revenue": _of_industry("revenue of the main business"),
        },
        unique=["province", "industry", "year"],
        title="high-tech industries by province and year; clusters without any row are left out",
    ),
    required=False,
)
REGIONS = Table(
    "regions",
    pa.DataFrameSchema(
        {
            "province": _province(),
            "cluster": pa.Column(str, title="cluster that the province belongs to"),
            "name": pa.Column(str, title="English name of the province", required=False, nullable=True),
            "name_zh": pa.Column(str, title="Chinese name of the province", required=False, nullable=True),
        },
        checks=pa.Check(
            lambda df: (
                ~(df.reindex(columns=["province", "cluster"]).groupby("province")["cluster"].transform("nunique") > 1)
            ),
            name="two_clusters",
        ),
        unique=["province"],
        title="the provinces that are studied, one row per province",
    ),
)
INTENSITY = Table(
    "intensity",
    pa.DataFrameSchema(
        {"industry": _MANUFACTURING, "class": _word("intensity", INTENSITIES, "factor that the industry uses most")},
        unique=["industry"],
        title="class of each industry; without it `intensity_a` of `regiometrics.data.facts.manufacturing_sectors`",
    ),
    required=False,
)

SCHEMAS: Mapping[str, tuple[Table, ...]] = MappingProxyType(
    {
        "p1": (TRADE, COUNTRIES, CONCORDANCE, COUNTY_INDUSTRY, COUNTIES, COUNTY_YEAR, MEDIATORS),
        "p2": (GROWTH, EMPLOYMENT, CLUSTER_CITIES),
        "p3": (EMPLOYMENT, NATIONAL, CITIES),
        "p4": (PROVINCE_INDUSTRY, HIGHTECH, REGIONS, INTENSITY),
        "p5": (COUNTY_LIGHT, CITY_YEAR, ZONE_CITIES, POLICIES),
    }
)
"""Tables of a chapter's own-data folder."""


def tables_of(chapter: str) -> tuple[Table, ...]:
    """The tables that a chapter reads from a folder.

    Examples
    --------
    >>> [table.name for table in tables_of("p3")]
    ['employment', 'national', 'cities']
    """
    if chapter not in SCHEMAS:
        raise RegionError(f"chapter {chapter!r} has no schema yet", remedy=f"choose one of {', '.join(SCHEMAS)}")
    return SCHEMAS[chapter]


def read_tables(
    chapter: str, folder: str | Path, *, missing: Missing = "raise"
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """The checked tables of a chapter's folder.

    Parameters
    ----------
    chapter : str
        ``"p1"`` to ``"p5"``.
    folder : path
        One file per table, see `regiometrics.data.load.read_table`.
    missing : {"raise", "drop"}
        ``"drop"`` goes on without absent city-years (in p4 cells of province, industry and year) and without rows that
        hold missing values, and says so in the notes.

    Returns
    -------
    tables : dict of str to DataFrame
        The columns of the schemas alone, with codes as text, the year of the row as int and numbers as float.
    notes : tuple of str
        What was read otherwise than it stands in the files, and what was not read; with ``missing="drop"`` also one
        line per kind of row that is not there.

    Raises
    ------
    RegionError
        The problem, or `DataProblems` with all of them, see `problems`.
    """
    tables, found, notes = _examine(chapter, folder)
    tolerated = (MissingValueError, UnbalancedPanelError) if missing == "drop" else ()
    raise_problems([error for _, error in found if not isinstance(error, tolerated)])
    for table in tables_of(chapter):
        if table.name in tables:
            read = tables[table.name].replace([np.inf, -np.inf], np.nan)
            read = read.dropna(subset=[name for name in table.needed if name in read])
            tables[table.name] = read.astype({"year": int} if "year" in read else {}).reset_index(drop=True)
    return tables, (*notes, *(str(error) for _, error in found))


def problems(chapter: str, folder: str | Path) -> pd.DataFrame:
    """Every problem of a chapter's folder, one row each.

    Returns
    -------
    DataFrame
        ``table, column, rows, keys, problem, remedy, error``: how many rows offend, their keys, the class of the error.
        No row means that `read_tables` will accept the folder. ``attrs["notes"]`` has the notes of the reading.

    Raises
    ------
    RegionError
        The folder does not exist, or the chapter has no schema.
    """
    _, found, notes = _examine(chapter, folder)
    rows = [(table, e.column or "", e.n_rows or 0, e.keys, e.problem, e.remedy, type(e).__name__) for table, e in found]
    report = pd.DataFrame(rows, columns=["table", "column", "rows", "keys", "problem", "remedy", "error"])
    report.attrs["notes"] = tuple(notes)
    return report


def _examine(chapter: str, folder: str | Path) -> tuple[dict[str, pd.DataFrame], Found, list[str]]:
    """The tables that can be read, all problems, and notes on the reading."""
    tables: dict[str, pd.DataFrame] = {}
    found: Found = []
    notes = _unread_files(chapter, folder)
    for table in tables_of(chapter):
        try:
            if not table.required and table_file(folder, table.name) is None:
                continue
            read = read_table(folder, table.name, codes=table.codes, units=table.units(), words=table.words)
            notes += [f"table {table.name!r}: {note}" for note in (*read.attrs["notes"], *_unread_columns(table, read))]
            _require_keys(table, read)
        except RegionError as error:
            found.append((table.name, _of_table(table.name, error)))
            continue
        tables[table.name], errors = check_table(table, read)
        found += [(table.name, _of_table(table.name, error)) for error in errors]
    found += [(name, _of_table(name, error)) for name, error in _ACROSS[chapter](tables)]
    return tables, found, notes


def _require_keys(table: Table, read: pd.DataFrame) -> None:
    """Raise `KeyColumnError` with all columns that are needed where a key column is absent."""
    try:
        require_columns(read, table.keys)
    except KeyColumnError as error:
        needed = [name for name, column in table.schema.columns.items() if column.required]
        raise KeyColumnError(
            error.problem, remedy=f"name the columns {', '.join(needed)}; {error.remedy.split(';')[0]}"
        ) from None


def _unread_files(chapter: str, folder: str | Path) -> list[str]:
    """A note on tables that stand beside those of the chapter and bear no name of a table."""
    if not Path(folder).is_dir():
        raise RegionError(f"there is no folder {folder}", remedy="correct the path")
    names = {table.name for tables in SCHEMAS.values() for table in tables}
    files = [path for path in sorted(Path(folder).iterdir()) if path.suffix.lower() in READ]
    unread = [path.name for path in files if path.stem.strip().lower() not in names and path.name[0] not in ".~"]
    known = ", ".join(table.name for table in tables_of(chapter))
    return [f"files that are no table of {chapter} and were not read: {', '.join(unread)} ({known})"] if unread else []


def _unread_columns(table: Table, read: pd.DataFrame) -> list[str]:
    """Notes on columns that are left alone and nearly bear the name of one that is absent."""
    absent = [name for name in table.schema.columns if name not in read]
    others = [str(name) for name in read if name not in table.schema.columns]
    like = {other: get_close_matches(other.lower(), absent, n=1, cutoff=0.75) for other in others}
    return [f"column {other!r} was not read; {names[0]!r} is absent" for other, names in like.items() if names]


def _of_table(name: str, error: RegionError) -> RegionError:
    """The same error, with the name of the table in its text."""
    return type(error)(
        f"{error.problem} (table {name!r})",
        column=error.column,
        n_rows=error.n_rows,
        keys=error.keys,
        remedy=error.remedy,
    )


def check_table(table: Table, df: pd.DataFrame) -> tuple[pd.DataFrame, list[RegionError]]:
    """The columns that a table's schema names, typed, and the problems of this table alone.

    Parameters
    ----------
    table : Table
        What is expected.
    df : DataFrame
        With the key columns of the table; it is not changed.

    Returns
    -------
    df : DataFrame
        Numbers as float, text that is no number as NaN.
    problems : list of RegionError
        One per column and kind.

    Examples
    --------
    >>> cities = pd.DataFrame({"city": ["110000", "120000"], "cluster": ["capital", None]})
    >>> for problem in check_table(CITIES, cities)[1]:
    ...     print(problem.column, problem.problem, problem.keys, sep="; ")
    cluster; missing values; ('120000',)
    """
    typed = df[[column for column in table.schema.columns if column in df]].reset_index(drop=True)
    if typed.empty:
        return typed, [KeyColumnError("the table has no rows", remedy="check the file")]
    errors: list[RegionError] = []
    try:
        require_columns(df, [name for name, column in table.schema.columns.items() if column.required])
    except KeyColumnError as error:
        errors.append(error)
    as_given = typed.copy()
    for column in typed:
        if column not in table.numbers:
            typed[column] = typed[column].astype("str")
            continue
        try:
            typed[column] = numeric(as_given, column, table.keys)
        except DomainError as error:
            errors.append(error)
            typed[column] = pd.to_numeric(typed[column], errors="coerce").astype(float)
    words = typed.isna() & as_given.notna()
    try:
        table.schema.validate(typed, lazy=True)
    except SchemaErrors as lazy:
        row_keys = _row_keys(typed, table.keys)
        translated = (_translate(table, row_keys, words, e) for e in lazy.schema_errors)
        errors += [error for error in translated if error is not None]
    return typed, errors


def _reason(error: SchemaError) -> str:
    return error.reason_code.name if error.reason_code is not None else ""


def _translate(table: Table, row_keys: Sequence[object], words: pd.DataFrame, error: SchemaError) -> RegionError | None:
    """A finding of pandera as one of our errors; None where another error already says it."""
    column = error.schema.name if isinstance(error.schema, pa.Column) else None
    match _reason(error):
        case "DUPLICATES":
            rule: Rule = (
                KeyColumnError,
                f"key ({', '.join(table.keys)}) must identify each row",
                "keep one row per key or add the rows up",
            )
        case "SERIES_CONTAINS_NULLS" if column in table.keys:
            rule = (KeyColumnError, "a key may not be missing", "fill it in or leave the row out")
        case "SERIES_CONTAINS_NULLS":
            remedy = "fill the cells in; an empty cell is not a zero; missing='drop' leaves the rows out"
            rule = (MissingValueError, "missing values", remedy)
        case "DATAFRAME_CHECK":
            rule = _RULES[error.check.name]
        case _:
            return None
    rows = sorted(set(error.failure_cases["index"]))
    if column is not None:
        rows = [row for row in rows if not words.loc[row, column]]
    keys = dict.fromkeys(row_keys[row] for row in rows)
    make, problem, remedy = rule
    remedy = remedy.format(unit=table.units().get(column or "", ""))
    return make(problem, column=column, n_rows=len(rows), keys=keys, remedy=remedy) if rows else None


def _row_keys(df: pd.DataFrame, keys: Sequence[str]) -> list[object]:
    """Key of each row, years as int; where it is missing, the number of the row, counted from 1 below the header."""
    columns = [[int(v) if isinstance(v, float) and v % 1 == 0 else v for v in df[key]] for key in keys]
    gaps = df[list(keys)].isna().any(axis=1)
    rows = enumerate(zip(gaps, zip(*columns, strict=True), strict=True), start=1)
    return [f"row {row}" if gap else key if len(key) > 1 else key[0] for row, (gap, key) in rows]


def _across_p3(tables: Mapping[str, pd.DataFrame]) -> Found:
    """Problems between the tables: cities without employment, absent city-years, the country below its cities."""
    if "employment" not in tables:
        return []
    found: Found = []
    employment = _with_keys(tables["employment"]).drop_duplicates(["city", "year"])
    if "cities" in tables:
        cities = tables["cities"]["city"].dropna()
        unknown = cities[~cities.isin(employment["city"])]
        if len(unknown):
            error: RegionError = KeyColumnError(
                "cities without any row of employment",
                column="city",
                keys=unknown,
                remedy="add their rows to `employment`, or leave them out here",
            )
            found.append(("cities", error))
    try:
        require_balanced(employment, unit="city", time="year")
    except UnbalancedPanelError as absent:
        remedy = "add the rows, or pass missing='drop' to go on without these city-years"
        found.append(("employment", UnbalancedPanelError(absent.problem, keys=absent.keys, remedy=remedy)))
    if "national" in tables:
        national = tables["national"].dropna(subset=["year"]).drop_duplicates("year").set_index("year")
        years = sorted(set(employment["year"]) - set(national.index))
        if years:
            error = KeyColumnError(
                "years of `employment` without a national row",
                column="year",
                keys=years,
                remedy="add the rows, or leave the table out: the country is then the sum of its cities",
            )
            found.append(("national", error))
        in_cities = _all_sections(employment).groupby(employment["year"]).sum()
        small = _all_sections(national).reindex(in_cities.index) < 0.5 * in_cities
        if small.any():
            error = DomainError(
                "the country employs less than half of what its cities do, which hints at another unit",
                keys=in_cities.index[small],
                remedy="give both tables in persons",
            )
            found.append(("national", error))
    return found


def _with_keys(df: pd.DataFrame, place: str = "city") -> pd.DataFrame:
    """The rows whose place and year can be read."""
    return df.dropna(subset=[place]).query("1949 <= year <= 2100").astype({"year": int})


def _across_p1(tables: Mapping[str, pd.DataFrame]) -> Found:
    """Problems between the tables: trade without incomes, industries without complexity, counties without rows."""
    found: Found = []
    if "trade" in tables and "exports" in tables["trade"]:
        found += _across_trade(tables["trade"], tables)
    if {"concordance", "county_industry"} <= set(tables):
        industries = tables["county_industry"]["industry"]
        remedy = "map a traded product to each of them, or leave their rows out"
        found += _unknown("county_industry", "industry", industries, tables["concordance"]["industry"], remedy)
    if "counties" not in tables:
        return found
    counties = tables["counties"]["county"].dropna().drop_duplicates()
    cells: dict[str, pd.DataFrame] = {}
    for name in ("county_year", "county_industry"):
        if name in tables:
            present = _with_keys(tables[name], "county")[["county", "year"]].drop_duplicates()
            cells[name] = present[present["county"].isin(counties)]
            remedy = f"add their rows to `{name}`, or leave them out here"
            problem = f"counties without any row of `{name}`"
            found += _unknown("counties", "county", counties, present["county"], remedy, problem)
    if "county_year" in cells:
        found += _absent_county_years(cells["county_year"], cells.get("county_industry"))
    if "output" in tables.get("county_industry", ()):
        made = _with_keys(tables["county_industry"], "county")
        total = made.groupby(["county", "year"])["output"].sum(min_count=1)
        if (total == 0).any():
            problem = "county-years without output: their sophistication is not defined"
            remedy = "fill the rows in or leave the county-years out"
            error = DomainError(problem, column="output", keys=total.index[total == 0], remedy=remedy)
            found.append(("county_industry", error))
    return found


def _across_trade(trade: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Found:
    """Exporters without income or without exports, mapped products that nobody exports."""
    found: Found = []
    if "countries" in tables:
        remedy = "add their GDP per head to `countries`, or leave their exports out"
        found += _unknown("trade", "country", trade["country"], tables["countries"]["country"], remedy)
    for column, problem in (("country", "a country without exports"), ("hs6", "a product that nobody exports")):
        total = trade.groupby(column)["exports"].sum(min_count=1)
        if (total == 0).any():
            remedy = "fill its exports in or leave its rows out"
            found.append(("trade", DomainError(problem, column=column, keys=total.index[total == 0], remedy=remedy)))
    if "concordance" in tables:
        remedy = "leave these rows of the concordance out"
        found += _unknown("concordance", "hs6", tables["concordance"]["hs6"], trade["hs6"], remedy)
    return found


def _unknown(name: str, column: str, values: pd.Series, known: pd.Series, remedy: str, problem: str = "") -> Found:
    """Values of a key column that the other table does not have."""
    unknown = values[~values.isin(known)].dropna().drop_duplicates()
    if unknown.empty:
        return []
    owners = {"industry": "concordance", "country": "countries", "hs6": "trade"}
    problem = problem or f"values that `{owners[column]}` does not have"
    return [(name, KeyColumnError(problem, column=column, keys=unknown, remedy=remedy))]


def _absent_county_years(studied: pd.DataFrame, made: pd.DataFrame | None) -> Found:
    """County-years that `county_year` lacks, and county-years of counties with industries that have none."""
    found: Found = []
    remedy = "add the rows, or pass missing='drop' to go on without these county-years"
    try:
        require_balanced(studied, unit="county", time="year")
    except UnbalancedPanelError as absent:
        found.append(("county_year", UnbalancedPanelError(absent.problem, keys=absent.keys, remedy=remedy)))
    if made is not None:
        wanted = pd.MultiIndex.from_frame(studied[studied["county"].isin(made["county"])])
        idle = wanted.difference(pd.MultiIndex.from_frame(made), sort=False)
        if len(idle):
            problem = "county-years without any industry"
            found.append(("county_industry", UnbalancedPanelError(problem, keys=idle, remedy=remedy)))
    return found


def _across_p2(tables: Mapping[str, pd.DataFrame]) -> Found:
    """Problems between the tables: cities without rows, absent city-years, clusters without a centre or without others.

    Cities that are not studied stay in `city_year`, for they count to the frontier; they need no employment.
    """
    cells = {
        name: _with_keys(tables[name])[["city", "year"]].drop_duplicates()
        for name in ("city_year", "employment")
        if {"city", "year"} <= set(tables.get(name, ()))
    }
    found: Found = []
    if "cities" in tables:
        cities = tables["cities"].dropna(subset=["city"]).drop_duplicates("city")
        found = [error for name, present in cells.items() for error in _without_rows(cities["city"], name, present)]
        if {"cluster", "central"} <= set(cities):
            found += _without_centre_or_others(cities)
        if len(cells) == 2:
            studied = cells["city_year"][cells["city_year"]["city"].isin(cities["city"])]
            found += _unemployed(studied, cells["employment"])
    if "city_year" in cells:
        try:
            require_balanced(cells["city_year"], unit="city", time="year")
        except UnbalancedPanelError as absent:
            remedy = "add the rows, or pass missing='drop' to go on without these city-years"
            found.append(("city_year", UnbalancedPanelError(absent.problem, keys=absent.keys, remedy=remedy)))
    return found


def _without_centre_or_others(cities: pd.DataFrame) -> Found:
    """Clusters whose division of labour or disparity is not defined."""
    known = cities.dropna(subset=["cluster"])
    central = known["central"].eq(1).groupby(known["cluster"])
    rules: tuple[tuple[type[RegionError], pd.Series, str, str], ...] = (
        (NoDonorsError, ~central.any(), "a cluster without a centre", "write 1 in `central` for its centres"),
        (
            GroupSizeError,
            central.all(),
            "all cities of a cluster are centres",
            "add its other cities, or leave the cluster out: no city has a distance to a centre",
        ),
    )
    return [
        ("cities", error(problem, column="central", keys=bad.index[bad], remedy=remedy))
        for error, bad, problem, remedy in rules
        if bad.any()
    ]


def _unemployed(studied: pd.DataFrame, employed: pd.DataFrame) -> Found:
    """City-years that are studied and have no employment, of cities that have some."""
    wanted = pd.MultiIndex.from_frame(studied[studied["city"].isin(employed["city"])])
    absent = wanted.difference(pd.MultiIndex.from_frame(employed), sort=False)
    if absent.empty:
        return []
    remedy = "add the rows, or pass missing='drop' to go on without these city-years"
    return [("employment", UnbalancedPanelError("city-years without employment", keys=absent, remedy=remedy))]


def _across_p4(tables: Mapping[str, pd.DataFrame]) -> Found:
    """Problems between the tables: provinces, industries and years that one has and another has not, and units."""
    found: Found = []
    for name, (value, least) in LEAST.items():
        if name in tables:
            rows = _with_keys(tables[name], "province").dropna(subset=["industry"])
            found += _industries_by_year(name, rows)
            if value in rows:
                found += _of_no_size(name, rows, value, least)
    if "province_industry" in tables:
        found += _without_class(tables["province_industry"]["industry"], tables.get("intensity"))
    if "regions" in tables:
        found += _provinces_and_regions(
            tables["regions"].dropna(subset=["province"]).drop_duplicates("province"), tables
        )
    return found


def _industries_by_year(name: str, rows: pd.DataFrame) -> Found:
    """Years in the codes of 2002, industries that some years lack altogether, and other cells that are absent.

    Shares of different sets of industries are not comparable; so only the last of the three can be left out.
    """
    found: Found = []
    by_year = rows.groupby("year")["industry"].agg(set)
    old = by_year.map(lambda there: {"37", "39"} <= there and "38" not in there).astype(bool)
    if old.any():
        problem = "no industry 38 between 37 and 39, as in GB/T 4754-2002, whose codes from 29 on mean other industries"
        remedy = "recode these years to the edition of 2011: merge rubber and plastics, and transport equipment "
        remedy += "(36 and 37) in all years; or restrict the years"
        found.append((name, KeyColumnError(problem, column="industry", keys=by_year.index[old], remedy=remedy)))
    rows = rows[~rows["year"].isin(by_year.index[old])]
    years, industries = rows["year"].unique(), rows["industry"].unique()
    count = rows.groupby("industry", sort=False)["year"].nunique()
    passing = count.index[count < len(years)]
    if len(passing):
        problem = "industries without a row in some of the years: indices over such a break are not comparable"
        remedy = "write 0 where nobody has the industry, or restrict the years"
        if name == "province_industry":
            remedy = f"merge rubber and plastics, and transport equipment, where the edition changes; {remedy}"
        found.append((name, KeyColumnError(problem, column="industry", keys=passing, remedy=remedy)))
    lasting = [industry for industry in industries if industry not in passing]
    keys = ["province", "industry", "year"]
    wanted = pd.MultiIndex.from_product([rows["province"].unique(), lasting, years], names=keys)
    absent = wanted.difference(pd.MultiIndex.from_frame(rows[keys]), sort=False)
    if len(absent):
        problem = "a province has no row of an industry in some year"
        remedy = "write 0 where the province has none of the industry, or pass missing='drop' to leave out whole "
        remedy += "industries or years"
        found.append((name, UnbalancedPanelError(problem, keys=absent, remedy=remedy)))
    return found


def _of_no_size(name: str, rows: pd.DataFrame, value: str, least: float) -> Found:
    """Province-years whose shares are not defined, and a table that is too small for its unit."""
    cells = rows.groupby(["province", "year"], sort=False)[value]
    total = cells.sum()[cells.count() == cells.size()]
    if (total == 0).any():
        problem = "nothing in any industry: the shares of the province are not defined"
        remedy = "fill the rows in, or leave the province or the year out"
        return [(name, DomainError(problem, column=value, keys=total.index[total == 0], remedy=remedy))]
    if 0 < total.max() < least:
        problem = f"no province-year has {least} x 10^8 yuan, which hints at another unit"
        return [(name, DomainError(problem, column=value, keys=total.index, remedy="give the column in 10^8 yuan"))]
    return []


def _without_class(industries: pd.Series, intensity: pd.DataFrame | None) -> Found:
    known = manufacturing_sectors().dropna(subset=["intensity_a"]) if intensity is None else intensity
    lacking = industries[~industries.isin(known["industry"])].dropna().drop_duplicates()
    if lacking.empty:
        return []
    remedy = "leave them out, or give the table `intensity`" if intensity is None else "add them to `intensity`"
    error = KeyColumnError(
        "industries without a class of factor intensity", column="industry", keys=lacking, remedy=remedy
    )
    return [("province_industry", error)]


def _provinces_and_regions(regions: pd.DataFrame, tables: Mapping[str, pd.DataFrame]) -> Found:
    """Provinces without a region, regions without rows, and clusters of one province."""
    found: Found = []
    studied = {name: tables[name]["province"].dropna().drop_duplicates() for name in LEAST if name in tables}
    for name, provinces in studied.items():
        unknown = provinces[~provinces.isin(regions["province"])]
        if len(unknown):
            remedy = "add them to `regions`, or leave their rows out"
            error: RegionError = KeyColumnError(
                "provinces that `regions` does not have", column="province", keys=unknown, remedy=remedy
            )
            found.append((name, error))
        needed = regions
        if name == "hightech" and "cluster" in regions:
            with_rows = regions.loc[regions["province"].isin(provinces), "cluster"]
            needed = regions[regions["cluster"].isin(with_rows)]
        lacking = needed.loc[~needed["province"].isin(provinces), "province"]
        if len(lacking):
            remedy = f"add their rows to `{name}`, or leave them out here"
            problem = f"provinces without any row of `{name}`"
            found.append(("regions", KeyColumnError(problem, column="province", keys=lacking, remedy=remedy)))
    if "cluster" in regions:
        size = regions.groupby("cluster")["province"].size()
        if (size == 1).any():
            remedy = "add the other provinces of the cluster, or leave it out"
            problem = "a cluster of one province, which has nothing to be compared with"
            found.append(
                ("regions", GroupSizeError(problem, column="cluster", keys=size.index[size == 1], remedy=remedy))
            )
    return found


def _across_p5(tables: Mapping[str, pd.DataFrame]) -> Found:
    """Problems between the tables: cities without rows, absent city-years, adoption outside the years."""
    if "cities" not in tables:
        return []
    cities = tables["cities"].dropna(subset=["city"]).drop_duplicates("city")
    cells = {
        name: _with_keys(tables[name])[["city", "year"]].drop_duplicates()
        for name in ("city_year", "county_light")
        if {"city", "year"} <= set(tables.get(name, ()))
    }
    found = [error for name, present in cells.items() for error in _without_rows(cities["city"], name, present)]
    if "policies" in tables:
        found += _unlisted(tables["policies"]["city"].dropna(), cities["city"])
    if "city_year" in cells:
        studied = cells["city_year"][cells["city_year"]["city"].isin(cities["city"])]
        found += _absent_cells(studied, cells.get("county_light"))
        if "adoption_year" in cities and len(studied):
            found += _adoption_outside(cities.set_index("city")["adoption_year"], studied["year"])
    if {"county", "city", "year", "light"} <= set(tables.get("county_light", ())):
        lights = tables["county_light"]
        found += _without_gini(lights[lights["city"].isin(cities["city"])])
    return found


def _without_gini(lights: pd.DataFrame) -> Found:
    """City-years of one county, or without light, where the outcome of p5 is not defined."""
    light = pd.to_numeric(lights["light"], errors="coerce")
    cells = lights.assign(light=light).groupby(["city", "year"], as_index=False)
    table = cells.agg(counties=("county", "nunique"), light=("light", "max"))
    keys = ["city", "year"]
    rules: tuple[tuple[type[RegionError], pd.Series, str, str], ...] = (
        (GroupSizeError, table["counties"] == 1, "a single county, so its Gini coefficient is not defined", "county"),
        (DomainError, table["light"] == 0, "no light in any county, so its Gini coefficient is not defined", "light"),
    )
    return [
        (
            "county_light",
            error(problem, column=column, keys=keys_of(table, bad, keys), remedy="leave these cities out of `cities`"),
        )
        for error, bad, problem, column in rules
        if bad.any()
    ]


def _without_rows(cities: pd.Series, name: str, present: pd.DataFrame) -> Found:
    lacking = cities[~cities.isin(present["city"])]
    if lacking.empty:
        return []
    remedy = f"add their rows to `{name}`, or leave them out here"
    return [
        ("cities", KeyColumnError(f"cities without any row of `{name}`", column="city", keys=lacking, remedy=remedy))
    ]


def _unlisted(codes: pd.Series, cities: pd.Series) -> Found:
    unknown = codes[~codes.isin(cities)].drop_duplicates()
    if unknown.empty:
        return []
    remedy = "correct the code or leave the row out"
    return [("policies", KeyColumnError("cities outside `cities`", column="city", keys=unknown, remedy=remedy))]


def _absent_cells(studied: pd.DataFrame, lit: pd.DataFrame | None) -> Found:
    """City-years that `city_year` lacks, and city-years of cities with lights that have none."""
    found: Found = []
    remedy = "add the rows, or pass missing='drop' to go on without these city-years"
    try:
        require_balanced(studied, unit="city", time="year")
    except UnbalancedPanelError as absent:
        found.append(("city_year", UnbalancedPanelError(absent.problem, keys=absent.keys, remedy=remedy)))
    if lit is not None:
        wanted = pd.MultiIndex.from_frame(studied[studied["city"].isin(lit["city"])])
        dark = wanted.difference(pd.MultiIndex.from_frame(lit), sort=False)
        if len(dark):
            problem = "city-years without the light of any county"
            found.append(("county_light", UnbalancedPanelError(problem, keys=dark, remedy=remedy)))
    return found


def _adoption_outside(adoption: pd.Series, years: pd.Series) -> Found:
    first, last = years.min(), years.max()
    outside = adoption[adoption.between(1949, 2100) & ~adoption.between(first, last)]
    if outside.empty:
        return []
    error = DomainError(
        f"adoption outside the years of `city_year`, {first} to {last}",
        column="adoption_year",
        keys=outside.index,
        remedy="leave the cell empty where there is no adoption in these years",
    )
    return [("cities", error)]


_ACROSS: Mapping[str, Callable[[Mapping[str, pd.DataFrame]], Found]] = {
    "p1": _across_p1,
    "p2": _across_p2,
    "p3": _across_p3,
    "p4": _across_p4,
    "p5": _across_p5,
}
