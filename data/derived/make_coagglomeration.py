"""Rebuild ``coagglomeration_138_cities_2004_2018.csv`` from the yearbook's employment by section.

The source may not be shipped. It is a workbook of the China City Statistical Yearbook 2005-2019 (中国城市统计年鉴):
year-end employment in urban units of 300 cities by 19 sections, whole city (全市), in 10,000 persons.
Its sheet of raw numbers becomes an own-data folder of chapter p3, and `regiometrics.chapters.load` computes the series.

    python data/derived/make_coagglomeration.py            # compare with the file in the repository
    python data/derived/make_coagglomeration.py FOLDER     # write the own-data folder and the series there
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import pandas as pd

from regiometrics.chapters import load
from regiometrics.data.facts import SECTIONS, clusters
from regiometrics.data.files import data_file, sources_folder

WORKBOOK = ("city_employment_19sectors", "300cities_employment_by_sector_2000_2022.xlsx")
SHA256 = "c06656499f052c71dd3c284ffce1f3f3f9ccf5979f3692e72dda8efb0392630b"
SHEET = (
    "原始数据（有缺失）"  # the other sheet interpolates sections and totals independently, so their ratios mean nothing
)
SERIES = "coagglomeration_138_cities_2004_2018.csv"
YEARS = (2004, 2018)
PERSONS = 10_000  # per unit of the workbook
MISMATCH = 0.05  # of the printed total

CODE, YEAR, TOTAL = "行政区划代码", "年份", "年末单位从业人员数(万人)"
COLUMNS = {
    "农林牧渔业": "A",
    "采掘业": "B",
    "制造业": "C",
    "电力煤气及水生产供应业": "D",
    "建筑业": "E",
    "批发零售贸易业": "F",
    "交通仓储邮电业": "G",
    "住宿餐饮业": "H",
    "信息传输、计算机服务和软件业": "I",
    "金融业": "J",
    "房地产业": "K",
    "租赁和商业服务业": "L",
    "科研、技术服务和地质勘查业": "M",
    "水利、环境和公共设施管理业": "N",
    "居民服务和其他服务业": "O",
    "教育业": "P",
    "卫生、社会保险和社会福利业": "Q",
    "文化、体育和娱乐业": "R",
    "公共管理和社会组织": "S",
}


def read_workbook(path: Path, years: tuple[int, int] = YEARS) -> pd.DataFrame:
    """Persons by city, year and section, with the printed total.

    A section left blank in a row that has others is 0. City-years without any employment by section are left out.
    Persons are whole: the workbook has at most three decimals.
    """
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256:
        raise SystemExit(f"{path.name} is another file than the series was made from (sha256 {digest})")
    raw = pd.read_excel(path, sheet_name=SHEET)
    named = raw.rename(columns={f"{name}从业人员数(万人)": letter for name, letter in COLUMNS.items()})
    rows = named[named[YEAR].between(*years) & (named[list(SECTIONS)].sum(axis=1) > 0)]
    persons = (rows[[*SECTIONS, TOTAL]] * PERSONS).round()
    keys = pd.DataFrame({"city": rows[CODE].astype(int).astype("str"), "year": rows[YEAR].astype(int)})
    table = keys.join(persons[list(SECTIONS)].fillna(0)).join(persons[TOTAL].rename("printed_total"))
    return table.sort_values(["city", "year"], ignore_index=True)


def write_folder(employment: pd.DataFrame, folder: Path) -> None:
    """The own-data folder of p3: ``employment.csv`` and ``cities.csv``."""
    members = clusters("p3").rename(columns={"adcode": "city", "city": "name", "city_zh": "name_zh"})
    members[["city", "cluster", "cluster_zh", "name", "name_zh"]].to_csv(folder / "cities.csv", index=False)
    employment.drop(columns="printed_total").to_csv(folder / "employment.csv", index=False)


def series(employment: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """The series as in the repository, computed through the own-data folder."""
    write_folder(employment, folder)
    table = load("p3", folder, missing="drop").tables["coagglomeration"].drop(columns="city")
    total = employment[list(SECTIONS)].sum(axis=1)
    off = (total - employment["printed_total"]).abs() > MISMATCH * employment["printed_total"]
    mismatch = employment[["city", "year"]].assign(total_mismatch=off.astype(int)).rename(columns={"city": "adcode"})
    table = table.merge(mismatch, on=["adcode", "year"])
    columns = ["cluster", "cluster_zh", "city_zh", "adcode", *table.columns[4:]]
    return table[columns].sort_values(["cluster", "adcode", "year"], ignore_index=True).round(6)


def main() -> int:
    """Compare, or write to the folder that is named."""
    sources = sources_folder()
    if sources is None:
        raise SystemExit("set REGIOMETRICS_SOURCES to the folder that holds the workbook's folder")
    employment = read_workbook(sources.joinpath(*WORKBOOK))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        made = folder / SERIES
        series(employment, folder).to_csv(made, index=False, lineterminator="\n")
        same = made.read_bytes() == data_file("derived", SERIES).read_bytes()
    print("the same bytes as in the repository" if same else "differs from the file in the repository")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
