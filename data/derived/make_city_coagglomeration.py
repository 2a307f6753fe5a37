"""Rebuild ``city_coagglomeration_2003_2019.csv``: the co-agglomeration index of all cities of the yearbook, p5 (7)-(9).

The source is the workbook of ``make_coagglomeration.py``, which may not be shipped. What p5's equation (7) looks like
is lost in the text, and its producer services are not listed, so the series holds both forms for three rules.

    python data/derived/make_city_coagglomeration.py            # compare with the file in the repository
    python data/derived/make_city_coagglomeration.py FOLDER     # write the series there
"""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
from make_coagglomeration import WORKBOOK, read_workbook
from rebuild import rebuild

from regiometrics.data.facts import MANUFACTURING, SECTIONS, producer_services
from regiometrics.measure.quotient import coagglomeration, location_quotient

SERIES = "city_coagglomeration_2003_2019.csv"
YEARS = (2003, 2019)
RULES = {"four": "p3_recovered", "five": "p5_usual", "six": "p2"}
PROVINCE_ROW = "632500"  # the row Hainan repeats the sum of its cities
UNDEFINED = ["6405002018"]  # Zhongwei 2018 is recorded with neither manufacturing nor producer services


def index(employment: pd.DataFrame, services: tuple[str, ...]) -> pd.DataFrame:
    """Both forms of the index by city and year; the country is the sum of the cities."""
    industries = {
        "manufacturing": employment[MANUFACTURING],
        "services": employment[list(services)].sum(axis=1),
        "others": employment[[x for x in SECTIONS if x != MANUFACTURING and x not in services]].sum(axis=1),
    }
    keys = employment[["city", "year"]]
    long = pd.concat([keys.assign(industry=name, persons=persons) for name, persons in industries.items()])
    long["lq"] = location_quotient(long, unit="city", industry="industry", time="year", value="persons")
    lq = long.pivot(index=["city", "year"], columns="industry", values="lq")
    forms = ("quality", "quality_depth")
    return pd.DataFrame({form: coagglomeration(lq["manufacturing"], lq["services"], form=form) for form in forms})


def series(employment: pd.DataFrame) -> pd.DataFrame:
    """The series as in the repository."""
    named = employment["city"] + employment["year"].astype(str)
    cities = employment[(employment["city"] != PROVINCE_ROW) & ~named.isin(UNDEFINED)]
    columns = {rule: index(cities, producer_services(named)) for rule, named in RULES.items()}
    table = pd.concat(columns, axis=1)
    table.columns = [f"{form}_{rule}" for rule, form in table.columns]
    return table.reset_index().rename(columns={"city": "adcode"}).round(6)


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """The file of this script."""
    return {SERIES: series(read_workbook(sources.joinpath(*WORKBOOK), YEARS))}


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).parent))
