"""Rebuild ``city_coagglomeration_2003_2019.csv``: the co-agglomeration index of all cities of the yearbook, p5 (7)-(9).

The source is the workbook of ``make_coagglomeration.py``, which may not be shipped. What p5's equation (7) looks like
is lost in the text, and its producer services are not listed, so the series holds both forms for three rules.

    python data/derived/make_city_coagglomeration.py            # compare with the file in the repository
    python data/derived/make_city_coagglomeration.py FOLDER     # write the series there
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pandas as pd
from make_coagglomeration import WORKBOOK, read_workbook

from regiometrics.data.facts import MANUFACTURING, SECTIONS, producer_services
from regiometrics.data.files import sources_folder
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


def main() -> int:
    """Compare, or write to the folder that is named."""
    sources = sources_folder()
    if sources is None:
        raise SystemExit("set REGIOMETRICS_SOURCES to the folder that holds the workbook's folder")
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / SERIES
        series(read_workbook(sources.joinpath(*WORKBOOK), YEARS)).to_csv(made, index=False, lineterminator="\n")
        kept = Path(__file__).with_name(SERIES)
        same = kept.exists() and made.read_bytes() == kept.read_bytes()
    print("the same bytes as in the repository" if same else "differs from the file in the repository")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
