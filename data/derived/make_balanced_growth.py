"""Rebuild the files of ``growth/``: efficiency and division of labour of p2's 156 cities, and estimates on them.

GDP, population, capital and sulphur dioxide come from the data of a study of genuine progress in 287 prefectures and
31 provinces, employment from the workbook of ``make_coagglomeration.py``, controls from compilations of the China City
Statistical Yearbook. Rows of these files are not kept, only what is computed from them.

    python data/derived/make_balanced_growth.py            # compare with the files in the repository
    python data/derived/make_balanced_growth.py FOLDER     # write them there
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from make_coagglomeration import WORKBOOK, read_workbook
from rebuild import rebuild
from scipy import stats
from statsmodels.regression.linear_model import RegressionResultsWrapper

from regiometrics.data.boundaries import prefectures as prefectures_map
from regiometrics.data.facts import SECTIONS, eleven_clusters, producer_services, secondary_sector
from regiometrics.estimate.dynamic_panel import GmmSpec, dynamic_panel
from regiometrics.estimate.fixed_effects import twfe
from regiometrics.estimate.inference import great_circle_km
from regiometrics.estimate.mediation import mediation
from regiometrics.measure.efficiency import capital_stock, gml_index, sbm
from regiometrics.measure.hierarchy import centre_count, disparity, rank_size
from regiometrics.measure.quotient import division_index

FILES = {
    "prefectures": (
        "prefecture_panel_wd/prefectures_2006_2018.xlsx",
        "2fcafea5edd2262280030b8f9ec61c380edde215048b1fba473632b1d422e032",
    ),
    "provinces": (
        "prefecture_panel_wd/provinces_1985_2018.xlsx",
        "b03967531e561dc995aea6e91ab12f599a828e3c9701e652a37318a14bfde7fc",
    ),
    "panel": (
        "city_panel_andyhsi/china_city_panel_real.csv",
        "ade1bb5c4b45fac426f47981321d52b405e6b43655059f550ec290a402b656c5",
    ),
    "sulphur": (
        "city_so2_2004_2012/cities_1999_2018.xlsx",
        "d53082f0d1fbfa2873fbc9123f58b1830ea1c2ce535290ee630e44afc2354905",
    ),
    "foreign_capital": (
        "city_controls_biechouwo/fdi_1996_2023.xlsx",
        "4553e487472d2b7325ceef28ad4091ef1ad16b5ad77267719c839b4b95d0f0f8",
    ),
    "volumes": (
        "city_controls_biechouwo/gdp_deflator_2000_2023.xlsx",
        "ee24805bcd08b95ec96b7a17349682a4dc258fe785aa0192726e830473cbbce2",
    ),
    "exchange_rate": (
        "city_controls_biechouwo/usd_cny_2007_2023.xlsx",
        "970548cb8b713671db47a6134f129eac9ab42e8295a5ec1d05063917d0d39c52",
    ),
}
YEARS = (2008, 2017)
FIRST_YEAR = 2006  # of the investment behind the capital stock
KEYS = ["adcode", "year"]
MUNICIPALITIES = {"Beijing": "110000", "Tianjin": "120000", "Shanghai": "310000", "Chongqing": "500000"}
BLOCKS = {
    "gdp": ("GDP", "hundred million CNY"),  # the provinces' is at current prices
    "population": ("population-total", "10k person"),
    "investment": ("capital growth", "gross fixed capital formation"),
    "capital": ("capital growth", "capital stock"),
    "so2": ("cost of air pollution", "emission of sulfur dioxide"),
    "edu": ("pub. exps. on education-local", "hundred million CNY"),
}
"""Sheet and first words of the header over each block of rows."""
PRICES = {
    "cpi": ("price indexes", "price index (CPI"),
    "investment_price": ("price indexes", "fixed-asset investmen"),
}
EMISSIONS = "工业二氧化硫排放量_全市_吨"
NEVER_INDUSTRIAL = (2011,)  # the yearbook of that year prints what industry produced, before cleaning
SPIKE = 4  # times the city's running median, of emissions relative to the year's median
MISMATCH = 0.05  # of the printed total of employment

SERVICES = {"six": "p2", "five": "p5_usual", "four": "p3_recovered"}
LEFT_OUT = {
    "630200": "Haidong: a prefecture until 2013, not in the yearbook before",
    "341300": "Suzhou (Anhui): no employment by section in 2017",
}
"""Members without ten years of data. The 158 members less these are as many as the paper's 156 cities."""

SUBSTITUTIONS = pd.DataFrame(
    [
        ("gdp", "GDP at 1997 prices is nominal GDP over the national consumer price index", "all"),
        ("gdp_volume", "GDP at 2008 prices by the index of the city's own volume, as the paper deflates", "all"),
        ("population", "residents at the year's end; the paper's is probably the registered population", "all"),
        ("registered", "population by household register", "all"),
        (
            "investment",
            "capital formation of the province, shared out by fixed-asset investment",
            "prefectures",
        ),
        ("capital", "perpetual inventory at 1997 prices, 10.96% a year, national price of investment", "all"),
        ("so2", "industrial sulphur dioxide", "prefectures"),
        ("so2", "total emissions times the last known industrial share", "municipalities"),
        ("edu", "local public expenditure on education instead of students, of which no source is at hand", "all"),
        ("inv", "fixed-asset investment of 2017 is imputed by the source", "all"),
        ("fdi", "foreign capital used, at the year's mean exchange rate", "all"),
    ],
    columns=["variable", "what", "where"],
)
"""What stands for a variable of the paper where the source has another."""

BOUNDARIES = pd.DataFrame(
    [
        ("340100", 2011, "Hefei takes in Chaohu and Lujiang"),
        ("340200", 2011, "Wuhu takes in Wuwei and Shenxiang of Chaohu"),
        ("340500", 2011, "Ma'anshan takes in Hanshan and He of Chaohu"),
        ("340700", 2016, "Tongling takes in Zongyang of Anqing"),
        ("340800", 2016, "Anqing gives Zongyang to Tongling"),
        ("510100", 2016, "Chengdu takes in Jianyang of Ziyang"),
        ("512000", 2016, "Ziyang gives Jianyang to Chengdu"),
        ("610100", 2017, "Xi'an administers the Xixian area of Xianyang"),
        ("610400", 2017, "Xianyang leaves the Xixian area to Xi'an"),
    ],
    columns=["adcode", "year", "reason"],
)
"""Changes of whole counties between cities inside the window; the panels follow the boundaries of each year."""

BASES = ("shan", "hall_jones", "zhang")  # first stocks of 2006; the source's own comes from longer series
COVERED = (
    *("gdp", "gdp_volume", "population", "registered", "investment", "capital", "so2"),
    *("services_six", "manufacturing", "fdi", "gov", "inv", "edu"),
)
FRONTIERS = ("global", "contemporaneous", "sequential", "window")
DATA = {
    "registered": {"labour": "registered"},
    "volume": {"good": "gdp_volume"},
    "paper": {"labour": "registered", "good": "gdp_volume"},
    "emissions": {"bad": "so2_total"},
    "repaired": {"bad": "so2_repaired"},
    **{base.replace("_", "-"): {"capital": f"capital_{base}"} for base in BASES},
}
"""Other columns for labour, GDP, emissions and capital; ``paper`` is nearest to what its text says."""
DIVISIONS = {
    **{rule: (f"services_{rule}", "manufacturing") for rule in SERVICES},
    "alone": ("services_six", "manufacturing_alone"),
    "repaired": ("services_six_repaired", "manufacturing_repaired"),
}
"""Columns of services and manufacturing behind each division index."""
METHODS = ("fixed", "ols", "gabaix_ibragimov", "meijers_burger")
PLANNED = {"330200", "440300"}  # Ningbo and Shenzhen, planned separately without being capitals
CONTROLS = ("fdi", "gov", "inv", "edu")
CONTROL_SETS = {
    "none": [],
    "fdi, gov, inv": ["ln_fdi", "ln_gov", "ln_inv"],
    "fdi, gov, inv, edu": ["ln_fdi", "ln_gov", "ln_inv", "ln_edu"],
}
DIGITS = "%.5g"
DRAWS, SEED = 999, 2
CURVE_CONTROLS = ("none", "fdi, gov, inv")
EFFECTS = ("city and year", "year")
PRINTED_SIGN = {"all": 1, "central": 1, "non-central": 1, "gap": -1}
"""Of ln div in the columns of table 1."""
PERMUTATIONS = 500
SCHEMES = {"within the cluster": ["cluster", "central"], "across clusters": ["central"]}
"""Among which cities the paths of ln div are permuted; central ones never change places with others."""
TIE = 1e-10  # relative gap below which two values of a statistic count as equal
MAIN = ("global_crs_none", "global_vrs_none", "contemporaneous_crs_none", "global_crs_none_paper")
SAMPLES: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "all": lambda table: table,
    "prefectures": lambda table: table[~table["adcode"].isin(MUNICIPALITIES.values())],
    "boundaries kept": lambda table: table[~table["adcode"].isin(BOUNDARIES["adcode"])],
    "doubted cells left out": lambda table: table[~(table["so2_spike"] | table["employment_off"])],
    "2008-2012": lambda table: table[table["year"] <= 2012],
    "2013-2017": lambda table: table[table["year"] >= 2013],
}
EXHIBITS = {"table 1": "rule", "table 4": "rank-size"}
MODERATORS = {
    "division": [],
    "region": ["region"],
    "core": ["core"],
    "region x ln div": ["region", "region_ln_div"],
    "core x ln div": ["core", "core_ln_div"],
}
"""Terms of equation (11), as printed and with the interaction that its reading needs."""


def checked(name: str, sources: Path) -> Path:
    """One of the source files, after its hash is checked."""
    file, digest = FILES[name]
    path = sources / file
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise SystemExit(f"{path.name} is another file than the series were made from")
    return path


def block(sheet: pd.DataFrame, header: str) -> pd.DataFrame:
    """Rows under a header cell that starts with ``header``, by name, a column for each year.

    The sheets stack several tables, each under its own row of years; a table ends at the next blank name. The last
    year of the provinces' tables stands twice in the header, and the first of the two is the one meant.
    """
    first = sheet[0].astype(str).str.strip()
    starts = np.flatnonzero(first.str.startswith(header))
    if len(starts) != 1:
        raise SystemExit(f"{len(starts)} blocks start with {header!r}, one is expected")
    start = starts[0]
    years = pd.to_numeric(sheet.loc[start].iloc[1:], errors="coerce").dropna()
    years = years[years.between(1985, 2018)].drop_duplicates().astype(int)
    blank = np.flatnonzero(sheet.loc[start + 1 :, 0].isna())
    stop = start + 1 + blank[0] if len(blank) else len(sheet)
    rows = sheet.loc[start + 1 : stop - 1, years.index].apply(pd.to_numeric, errors="coerce")
    return rows.set_axis(years.tolist(), axis=1).set_axis(sheet.loc[start + 1 : stop - 1, 0].str.strip(), axis=0)


def blocks(path: Path, wanted: dict[str, tuple[str, str]]) -> dict[str, pd.DataFrame]:
    """The named blocks of a workbook."""
    sheets = pd.read_excel(path, sheet_name=sorted({sheet for sheet, _ in wanted.values()}), header=None)
    return {variable: block(sheets[sheet], header) for variable, (sheet, header) in wanted.items()}


def coded(names: pd.Series) -> pd.Series:
    """Six-digit codes of the members by their Chinese name, with or without 市; missing for other cities."""
    return names.str.strip().str.removesuffix("市").map(eleven_clusters().set_index("city_zh")["adcode"])


def prefectures(sources: Path) -> pd.DataFrame:
    """``adcode, year`` and the blocks for the members that are prefectures, from FIRST_YEAR on.

    The blocks name cities by pinyin alone, which repeats (Fuzhou, Suzhou, Taizhou, Yichun), so rows are matched with
    the list of prefectures by place, and the list with the members by Chinese name, which no two cities share.
    """
    path = checked("prefectures", sources)
    listed = pd.read_excel(path, sheet_name="list of prefectures included")
    keys = pd.Index(coded(listed["地级市"]), name="adcode")
    tables = {}
    for variable, table in blocks(path, BLOCKS).items():
        if table.index.tolist() != listed["Prefecture"].str.strip().tolist():
            raise SystemExit(f"the block of {variable} does not follow the list of prefectures")
        tables[variable] = table.set_axis(keys, axis=0)[keys.notna()]
    return long(tables)


def municipalities(sources: Path) -> pd.DataFrame:
    """The same for the four municipalities, whose GDP is put at 1997 prices as that of the prefectures is."""
    tables = {
        variable: table.loc[list(MUNICIPALITIES)].set_axis(pd.Index(MUNICIPALITIES.values(), name="adcode"), axis=0)
        for variable, table in blocks(checked("provinces", sources), BLOCKS | PRICES).items()
    }
    table = long(tables)
    table["gdp"] /= table.pop("cpi")
    share = industrial_share(table, sources)
    return table.assign(so2_total=table["so2"], so2=table["so2"] * share)


def industrial_share(totals: pd.DataFrame, sources: Path) -> pd.Series:
    """Industrial in total emissions by row of ``totals``: that of the last year with a share that is possible."""
    rows = pd.read_excel(checked("sulphur", sources))
    industrial = pd.Series(rows[EMISSIONS].to_numpy(), pd.MultiIndex.from_arrays([coded(rows["城市"]), rows["年份"]]))
    keys = pd.MultiIndex.from_frame(totals[KEYS])
    share = pd.Series(industrial[industrial.index.isin(keys)].reindex(keys).to_numpy() / totals["so2"], totals.index)
    possible = share.where(share.le(1) & ~totals["year"].isin(NEVER_INDUSTRIAL))
    return possible.groupby(totals["adcode"]).transform(lambda s: s.ffill().bfill())


def long(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """One row for each city and year from FIRST_YEAR on."""
    years = range(FIRST_YEAR, YEARS[1] + 1)
    columns = {name: table[[*years]].T.unstack() for name, table in tables.items()}
    return pd.DataFrame(columns).rename_axis(KEYS).reset_index()


def employment(sources: Path) -> pd.DataFrame:
    """``adcode, year``, persons in manufacturing and services by rule, and whether a row contradicts itself."""
    rows = read_workbook(sources.joinpath(*WORKBOOK), YEARS)
    total = rows[list(SECTIONS)].sum(axis=1)
    services = {f"services_{rule}": rows[list(producer_services(of))].sum(axis=1) for rule, of in SERVICES.items()}
    return pd.DataFrame(
        {
            "adcode": rows["city"],
            "year": rows["year"],
            **services,
            "manufacturing": rows[list(secondary_sector())].sum(axis=1),
            "manufacturing_alone": rows["C"],
            "transport": rows["G"],
            "employment_off": (total / rows["printed_total"] - 1).abs().gt(MISMATCH),
        }
    )


def controls(sources: Path) -> pd.DataFrame:
    """``adcode, year``, registered population, GDP at 2008 prices, and fdi, gov and inv in 10^8 yuan."""
    economy = pd.read_csv(checked("panel", sources), low_memory=False).dropna(subset=["city_code"])
    names = {"registered": "hukou_pop_10k", "gov": "fiscal_expenditure_100m", "inv": "fai_100m"}
    table = pd.DataFrame({"adcode": economy["city_code"].astype(int).astype(str), "year": economy["year"].astype(int)})
    table = table.assign(**{name: economy[column] for name, column in names.items()})
    rate = pd.read_excel(checked("exchange_rate", sources)).set_index("年份")["1美元兑人民币（元）"]
    capital = pd.read_excel(checked("foreign_capital", sources))
    yuan = capital["外商直接投资"] / 100 * capital["year"].map(rate)
    fdi = pd.DataFrame({"adcode": coded(capital["地级市"]), "year": capital["year"].astype(int), "fdi": yuan})
    for other in (fdi.dropna(subset=["adcode"]), volume(sources)):
        table = table.merge(other, on=KEYS, how="outer", validate="one_to_one")
    return table


def volume(sources: Path) -> pd.DataFrame:
    """``adcode, year, gdp_volume``: GDP at 2008 prices, 10^8 yuan, by the city's own index of volume."""
    rows = pd.read_excel(checked("volumes", sources), sheet_name="Sheet1").dropna(subset=["年份"])
    table = pd.DataFrame({"adcode": coded(rows["城市"]), "year": rows["年份"].astype(int)})
    base = rows[rows["年份"] == YEARS[0]].set_axis(table.loc[rows["年份"] == YEARS[0], "adcode"], axis=0)
    base = (base["名义GDP"] / base["实际GDP"])[lambda s: s.index.notna()]
    return table.assign(gdp_volume=rows["实际GDP"] * table["adcode"].map(base)).dropna(subset=["adcode"])


def panel(sources: Path) -> pd.DataFrame:
    """All members in 2006-2017 with all variables and flags; what a source does not have is missing."""
    table = pd.concat([prefectures(sources), municipalities(sources)], ignore_index=True)
    table["so2_total"] = table["so2_total"].fillna(table["so2"])
    table["investment_price"] = table.groupby("year")["investment_price"].transform("first")  # one for all provinces
    for other in (employment(sources), controls(sources)):
        table = table.merge(other, on=KEYS, how="left", validate="one_to_one")
    table = eleven_clusters().merge(table, on="adcode", how="left", validate="one_to_many")
    table["employment_off"] = table["employment_off"].eq(True)
    for name in ("services_six", "manufacturing"):
        table[f"{name}_repaired"] = repaired(table, name, table["employment_off"] | table[name].isna())
    table["so2_spike"] = spikes(table)
    table["so2_repaired"] = repaired(table, "so2", table["so2_spike"])
    return table.sort_values(["adcode", "year"], ignore_index=True)


def spikes(table: pd.DataFrame) -> pd.Series:
    """Emissions that leave the city's running median of five years by more than SPIKE, after the year's median."""
    logs = np.log(table["so2"])
    own = logs - logs.groupby(table["year"]).transform("median")
    by_city = own.groupby(table["adcode"])
    middle = by_city.transform(lambda s: s.rolling(5, center=True, min_periods=3).median())
    return (own - middle).abs() > np.log(SPIKE)


def repaired(table: pd.DataFrame, column: str, wrong: pd.Series) -> pd.Series:
    """The column with wrong values replaced by the line in logs between their neighbours, or the nearest at an end."""
    logs = np.log(table[column]).mask(wrong)
    return np.exp(logs.groupby(table["adcode"]).transform(lambda s: s.interpolate(limit_direction="both")))


def sample(table: pd.DataFrame) -> pd.DataFrame:
    """The 156 cities in the paper's ten years, with the stocks of capital under other first stocks."""
    cities = table[~table["adcode"].isin(LEFT_OUT)]
    for base in BASES:
        stock = partial(capital_stock, unit="adcode", time="year", investment="investment", deflator="investment_price")
        capital = stock(cities, base=base).to_frame().set_index(["unit", "time"])["capital"]
        cities = cities.merge(capital.rename(f"capital_{base}"), left_on=KEYS, right_index=True)
    return cities[cities["year"].between(*YEARS)].sort_values(KEYS, ignore_index=True)


def coverage(table: pd.DataFrame) -> pd.DataFrame:
    """``variable, complete, missing``: members with a positive value in all ten years, and who lacks how many."""
    window = table[table["year"].between(*YEARS)]
    has = window[list(COVERED)].gt(0).groupby(window["adcode"]).sum()
    years = YEARS[1] - YEARS[0] + 1
    lacking = {name: [f"{code} {years - n}" for code, n in has[name].items() if n < years] for name in COVERED}
    complete = has.eq(years).sum()
    rows = [{"variable": name, "complete": complete[name], "missing": "; ".join(lacking[name])} for name in COVERED]
    return pd.DataFrame(rows)


def flags(table: pd.DataFrame) -> pd.DataFrame:
    """``adcode, year, flag, reason`` of cells that are doubted, cities left out, and boundaries that moved."""
    window = table[table["year"].between(*YEARS)]
    spike, off = (window.loc[window[name], KEYS] for name in ("so2_spike", "employment_off"))
    return pd.concat(
        [
            pd.DataFrame({"adcode": [*LEFT_OUT], "flag": "left out", "reason": [*LEFT_OUT.values()]}),
            spike.assign(flag="so2", reason=f"more than {SPIKE} times off the city's running median"),
            off.assign(flag="employment", reason="the sections do not add up to the printed total"),
            BOUNDARIES[BOUNDARIES["adcode"].isin(window["adcode"])].assign(flag="boundary"),
        ]
    ).astype({"year": "Int64"})[["adcode", "year", "flag", "reason"]]


def scores(table: pd.DataFrame) -> pd.DataFrame:
    """Efficiency by city and year, a column for each choice; the first three words of a name are the program's."""
    columns = {}
    for frontier, returns, orientation in product(FRONTIERS, ("crs", "vrs"), ("none", "input", "output")):
        columns[f"{frontier}_{returns}_{orientation}"] = score(table, frontier, returns, orientation)
    for (name, change), frontier, returns in product(DATA.items(), ("global", "contemporaneous"), ("crs", "vrs")):
        columns[f"{frontier}_{returns}_none_{name}"] = score(table, frontier, returns, "none", **change)
    inner = table[~table["adcode"].isin(MUNICIPALITIES.values())]
    for frontier, returns in product(("global", "contemporaneous"), ("crs", "vrs")):
        columns[f"{frontier}_{returns}_none_prefectures"] = score(inner, frontier, returns, "none")
    return table[KEYS].join(pd.DataFrame(columns).round(5))


def score(table: pd.DataFrame, frontier: str, returns: str, orientation: str, **change: str) -> pd.Series:
    """Efficiency of one program, on the rows' index."""
    of = {"labour": "population", "capital": "capital", "good": "gdp", "bad": "so2"} | change
    inputs = [of["labour"], of["capital"]]
    how = {"frontier": frontier, "returns": returns, "orientation": orientation}
    result = sbm(table, unit="adcode", time="year", inputs=inputs, good=of["good"], bad=of["bad"], **how)
    levels = result.to_frame().set_index(["unit", "time"])["efficiency"]
    return pd.Series(levels.reindex(pd.MultiIndex.from_frame(table[KEYS])).to_numpy(), table.index)


def productivity(table: pd.DataFrame) -> pd.DataFrame:
    """The global index of green productivity and its parts by city and year."""
    inputs = ["population", "capital"]
    index = gml_index(table, unit="adcode", time="year", inputs=inputs, good="gdp", bad="so2").to_frame()
    return index.rename(columns={"unit": "adcode", "time": "year"}).sort_values(KEYS, ignore_index=True)


def kept(number: float) -> float:
    """The number as the files hold it, so that a reader of the files finds the same estimates."""
    return float(DIGITS % number)


def division(table: pd.DataFrame) -> pd.DataFrame:
    """The division index by city and year under each rule for the two kinds of employment, 24 central cities."""
    keys = {"unit": "adcode", "time": "year", "cluster": "cluster", "central": "central"}
    columns = {
        name: division_index(table, services=services, manufacturing=manufacturing, **keys).map(kept)
        for name, (services, manufacturing) in DIVISIONS.items()
    }
    return table[["adcode", "city", "cluster", "year", "central", "north"]].assign(**columns)


def size_distribution(table: pd.DataFrame) -> pd.DataFrame:
    """Rank-size exponent and number of centres of each cluster and year, by population and method."""
    keys = {"unit": "adcode", "cluster": "cluster", "time": "year"}
    tables = []
    for population, method in product(("registered", "population"), METHODS):
        of = {"population": population, "method": method}
        rows = rank_size(table, **keys, **of).to_frame()[["cluster", "time", "n", "q"]]
        if method == "fixed":
            counts = centre_count(table, **keys, **of).to_frame()[["cluster", "time", "n_centres"]]
            rows = rows.merge(counts, on=["cluster", "time"])
        named = "registered" if population == "registered" else "resident"
        tables.append(rows.assign(population=named, method=method).rename(columns={"time": "year"}))
    return pd.concat(tables)[["cluster", "year", "population", "method", "n", "q", "n_centres"]]


def centre_sets(table: pd.DataFrame) -> dict[str, set[str]]:
    """Central cities by the paper's rule, without the planned ones, one by cluster, and by the removal rule of 2008."""
    first = table[table["year"] == YEARS[0]].sort_values("registered", ascending=False)
    place = first.groupby("cluster").cumcount()
    counts = centre_count(first, unit="adcode", cluster="cluster", population="registered").to_frame()
    wanted = first["cluster"].map(counts.set_index("cluster")["n_centres"])
    rule = set(table.loc[table["central"], "adcode"])
    return {
        "rule": rule,
        "no planned": rule - PLANNED,
        "first": set(first.loc[place == 0, "adcode"]),
        "rank-size": set(first.loc[place < wanted, "adcode"]),
    }


def variables(
    table: pd.DataFrame, efficiency: str, index: str = "six", centres: set[str] | None = None
) -> pd.DataFrame:
    """What the regressions use: logs of efficiency, division and controls, and the gap to the centres in two forms.

    A city that changes sides has the reciprocal of its division index.
    """
    rows = table.dropna(subset=[efficiency]).assign(hgdp=lambda t: t[efficiency])
    is_centre = rows["adcode"].isin(centres) if centres else rows["central"]
    turned = np.where(is_centre == rows["central"], 1, -1)
    several = rows["adcode"].where(is_centre).groupby(rows["cluster"]).transform("nunique") > 1
    rows = rows.assign(region=rows["north"].astype(float), core=several.astype(float))
    rows = rows.assign(is_centre=is_centre, ln_hgdp=np.log(rows["hgdp"]), ln_div=turned * np.log(rows[f"div_{index}"]))
    keys = {"unit": "adcode", "time": "year", "cluster": "cluster", "value": "hgdp", "central": "is_centre"}
    difference = disparity(rows, **keys, form="difference").reindex(rows.index)
    rows["region_ln_div"], rows["core_ln_div"] = (rows[name] * rows["ln_div"] for name in ("region", "core"))
    return rows.assign(
        gap=disparity(rows, **keys).reindex(rows.index),
        ln_difference=np.log(difference.where(difference > 0)),
        **{f"ln_{name}": np.log(rows[name]) for name in CONTROLS},
    )


def columns_of(rows: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The regressions of table 1: name, outcome and rows. The fifth takes the log that the paper's (10) writes."""
    others = rows[~rows["is_centre"]]
    yield "all", "ln_hgdp", rows
    yield "central", "ln_hgdp", rows[rows["is_centre"]]
    yield "non-central", "ln_hgdp", others
    yield "gap", "gap", others
    yield "gap, log of the difference", "ln_difference", others.dropna(subset=["ln_difference"])


def regression(rows: pd.DataFrame, outcome: str, regressors: Sequence[str], effects: str) -> pd.DataFrame:
    """``term, estimate, std_error`` (clustered by city), ``n_obs, n_units`` of one regression."""
    used = rows.dropna(subset=[outcome, *regressors])
    if effects == "city and year":
        fit = twfe(used, outcome=outcome, regressors=regressors, unit="adcode", time="year")
        numbers = {"estimate": fit.estimate.to_numpy(), "std_error": fit.std_error.to_numpy()}
        return pd.DataFrame({"term": [*regressors], **numbers, "n_obs": fit.n_obs, "n_units": fit.n_units})
    fit = pooled(used, outcome, regressors, effects)
    if effects == "year":
        fit = fit.get_robustcov_results("cluster", groups=pd.factorize(used["adcode"])[0])
    else:
        fit = fit.get_robustcov_results("HC1")
    numbers = {"estimate": fit.params[: len(regressors)], "std_error": fit.bse[: len(regressors)]}
    counts = {"n_obs": int(fit.nobs), "n_units": used["adcode"].nunique()}
    return pd.DataFrame({"term": [*regressors], **numbers, **counts})


def pooled(used: pd.DataFrame, outcome: str, regressors: Sequence[str], effects: str) -> RegressionResultsWrapper:
    """Least squares with year effects alone, or on the means of cities."""
    if effects == "between":
        used = used.groupby("adcode")[[outcome, *regressors]].mean().assign(year=0)  # one constant
    dummies = pd.get_dummies(used["year"]).to_numpy(dtype=float)
    return sm.OLS(used[outcome].to_numpy(), np.column_stack([used[list(regressors)], dummies])).fit()


def plain_errors(rows: pd.DataFrame, outcome: str, regressors: Sequence[str], effects: str) -> pd.DataFrame:
    """``iid_error`` and R2 of the same regression, rows independent of each other."""
    used = rows.dropna(subset=[outcome, *regressors])
    if effects == "city and year":
        fit = twfe(used, outcome=outcome, regressors=regressors, unit="adcode", time="year", vcov="iid")
        return pd.DataFrame({"iid_error": fit.std_error.to_numpy(), "r2": fit.r2, "r2_within": fit.r2_within})
    fit = pooled(used, outcome, regressors, effects)
    return pd.DataFrame({"iid_error": fit.bse[: len(regressors)], "r2": fit.rsquared})


def specifications(names: Sequence[str], sets: dict[str, set[str]]) -> Iterator[dict[str, str]]:
    """Choices of the specification curve: scores, centres, and one by one the index, the sample and the years."""
    for efficiency in names:
        programs_only = len(efficiency.split("_")) == 3
        for centres in sets if programs_only else ["rule"]:
            yield {"efficiency": efficiency, "centres": centres, "division": "six", "cities": "all"}
    for efficiency in MAIN:
        for index in [name for name in DIVISIONS if name != "six"]:
            yield {"efficiency": efficiency, "centres": "rule", "division": index, "cities": "all"}
        for cities in [name for name in SAMPLES if name != "all"]:
            yield {"efficiency": efficiency, "centres": "rule", "division": "six", "cities": cities}


def curve(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The coefficient of ln div in every specification, with and without controls, with and without city effects."""
    sets, parts = centre_sets(table), []
    for choice in specifications(names, sets):
        rows = variables(table, choice["efficiency"], choice["division"], sets[choice["centres"]])
        rows = SAMPLES[choice["cities"]](rows)
        for (column, outcome, used), controls, effects in product(columns_of(rows), CURVE_CONTROLS, EFFECTS):
            fit = regression(used, outcome, ["ln_div", *CONTROL_SETS[controls]], effects).iloc[[0]]
            parts.append(fit.assign(column=column, **choice, controls=controls, effects=effects))
    order = ["column", "efficiency", "centres", "division", "cities", "controls", "effects"]
    return pd.concat(parts)[[*order, "estimate", "std_error", "n_obs", "n_units"]]


def donors(cities: pd.DataFrame, groups: Sequence[str]) -> npt.NDArray[np.intp]:
    """Whose path of ln div each city has, (permutations + 1, cities); the first row leaves all as they are."""
    stream = np.random.default_rng(SEED)
    paths = np.tile(np.arange(len(cities)), (PERMUTATIONS + 1, 1))
    for members in cities.groupby(list(groups)).indices.values():
        paths[1:, members] = members[stream.random((PERMUTATIONS, len(members))).argsort(axis=1)]
    return paths


class Design:
    """What one set of rows, controls and effects leaves of ln div, as it is and permuted, a column each."""

    def __init__(self, rows: pd.DataFrame, ln_div: npt.NDArray[np.float64], controls: list[str], effects: str) -> None:
        absorbed = ["adcode", "year"] if effects == "city and year" else ["year"]
        dummies = [pd.get_dummies(rows[key], drop_first=i > 0, dtype=float) for i, key in enumerate(absorbed)]
        self.basis = np.linalg.qr(np.column_stack([*dummies, rows[controls]]))[0]
        self.left = ln_div - self.basis @ (self.basis.T @ ln_div)
        cities = rows["adcode"].to_numpy()
        self.first = np.flatnonzero(np.r_[True, cities[1:] != cities[:-1]])
        self.own = np.add.reduceat(self.left**2, self.first)
        n, n_cities, n_terms = len(rows), len(self.first), 1 + len(controls) + rows["year"].nunique()
        self.factor = n_cities / (n_cities - 1) * (n - 1) / (n - n_terms)
        self.critical = stats.t.ppf(0.975, n_cities - 1)

    def fit(self, outcome: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """The coefficient of ln div and its t, clustered by city, under each permutation."""
        left = outcome - self.basis @ (self.basis.T @ outcome)
        cross, square = np.add.reduceat(self.left * left[:, None], self.first), self.own.sum(axis=0)
        estimate = cross.sum(axis=0) / square
        score = cross - estimate * self.own
        return estimate, estimate * square / np.sqrt(self.factor * (score**2).sum(axis=0))


def outcomes_by_design(
    table: pd.DataFrame, names: Sequence[str]
) -> dict[tuple[object, ...], tuple[pd.DataFrame, list[npt.NDArray[np.float64]]]]:
    """Specifications of the curve by what they share: rows and regressors, and the list of their outcomes.

    A key holds the column of table 1, effects, controls, the division index, and the rows. Rows that are the only one
    of their city are left out under city effects.
    """
    sets = centre_sets(table)
    shared: dict[tuple[object, ...], tuple[pd.DataFrame, list[npt.NDArray[np.float64]]]] = {}
    for choice in specifications(names, sets):
        rows = variables(table, choice["efficiency"], choice["division"], sets[choice["centres"]])
        for (column, outcome, used), controls, effects in product(
            columns_of(SAMPLES[choice["cities"]](rows)), CURVE_CONTROLS, EFFECTS
        ):
            if column not in PRINTED_SIGN:
                continue
            used = used.dropna(subset=CONTROL_SETS[controls])
            if effects == "city and year":
                used = used[used.groupby("adcode")["year"].transform("size") > 1]
            key = (column, effects, controls, choice["centres"], choice["division"], used.index.to_numpy().tobytes())
            kept = ["adcode", "year", "central", "is_centre", *CONTROL_SETS[controls]]
            shared.setdefault(key, (used[kept], []))[1].append(used[outcome].to_numpy())
    return shared


def joint(table: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Whether the specifications of the curve taken together differ from what permuted divisions of labour give.

    After Simonsohn, Simmons and Nelson (2020, Nature Human Behaviour 4, 1208-1214): whole paths of ln div change places
    among cities of the same kind, in all specifications at once. The p-value is one-sided, towards the printed sign.
    """
    years = table["year"].nunique()
    cities = table.iloc[::years]
    shared, parts = outcomes_by_design(table, names), []
    for scheme, groups in SCHEMES.items():
        paths = donors(cities, groups)
        moved = {
            index: np.log(table[f"div_{index}"].to_numpy()).reshape(-1, years)[paths].reshape(len(paths), -1).T
            for index in DIVISIONS
        }
        found: dict[tuple[str, str], list[list[npt.NDArray[np.float64]]]] = {}
        for (column, effects, controls, _, index, _), (rows, outcomes) in shared.items():
            turned = np.where(rows["is_centre"] == rows["central"], 1.0, -1.0)[:, None]
            design = Design(rows, turned * moved[index][rows.index], CONTROL_SETS[controls], effects)
            of = found.setdefault((column, effects), [[], [], []])
            for outcome in outcomes:
                estimate, t = design.fit(outcome)
                of[0].append(estimate)
                of[1].append(t)
                of[2].append(PRINTED_SIGN[column] * t > design.critical)
        for (column, effects), (estimates, ts, significant) in found.items():
            statistics = {
                "median estimate": np.median(estimates, axis=0),
                "median t": np.median(ts, axis=0),
                "share significant": np.mean(significant, axis=0),
            }
            for statistic, values in statistics.items():
                sign = 1 if statistic == "share significant" else PRINTED_SIGN[column]
                parts.append(
                    {"column": column, "effects": effects, "permuted": scheme, "statistic": statistic}
                    | compared(values, sign)
                    | {"n_specifications": len(estimates), "n_draws": PERMUTATIONS}
                )
    return pd.DataFrame(parts)


def compared(values: npt.NDArray[np.float64], sign: int) -> dict[str, float]:
    """The first value beside the others, with the share of those that lie as far towards ``sign``."""
    observed, draws = values[0], values[1:]
    low, middle, high = np.quantile(draws, [0.025, 0.5, 0.975])
    reached = sign * draws >= sign * observed - TIE * abs(observed)
    p_value = (1 + reached.sum()) / (1 + len(draws))
    return {"observed": observed, "p_value": p_value, "draws_median": middle, "draws_low": low, "draws_high": high}


def centre_shares(table: pd.DataFrame) -> pd.DataFrame:
    """Figure 1: share of the central cities in the GDP of their cluster and of all, at current and at 2008 prices."""
    by_cluster = pd.concat([table, table.assign(cluster="all")]).groupby(["cluster", "year"])
    central = table[table["central"]]
    of_centres = pd.concat([central, central.assign(cluster="all")]).groupby(["cluster", "year"])
    shares = {
        name: of_centres[column].sum() / by_cluster[column].sum()
        for name, column in {"share": "gdp", "share_volume": "gdp_volume"}.items()
    }
    return pd.DataFrame(shares | {"n_centres": of_centres.size(), "n_cities": by_cluster.size()}).reset_index()


def moments(table: pd.DataFrame) -> pd.DataFrame:
    """Moments of the variables of table 1 by kind of city; no extremes of controls, which are values of a source."""
    rows, parts = variables(table, MAIN[0]), []
    made, given = ["ln_hgdp", "ln_div", "gap"], [f"ln_{name}" for name in CONTROLS]
    for column, _, used in [*columns_of(rows)][:3]:
        names = [name for name in (*made, *given) if column == "non-central" or name != "gap"]
        of = used[names].agg(["count", "mean", "std", "min", "max"]).T
        of.loc[of.index.isin(given), ["min", "max"]] = np.nan
        parts.append(of.rename_axis("variable").reset_index().assign(column=column).astype({"count": int}))
    named = pd.concat(parts).replace({"variable": {"gap": "disparity"}})
    return ordered(named.rename(columns={"count": "n_obs", "std": "std_dev"}), ["column", "variable"])


def tables(table: pd.DataFrame) -> pd.DataFrame:
    """Tables 1 and 4 with all terms, on the main scores; ``between`` regresses means of cities on each other."""
    sets, parts = centre_sets(table), []
    choices = product(EXHIBITS.items(), MAIN, CONTROL_SETS.items(), (*EFFECTS, "between"))
    for (exhibit, centres), efficiency, (controls, terms), effects in choices:
        for column, outcome, used in columns_of(variables(table, efficiency, centres=sets[centres])):
            of = (used, outcome, ["ln_div", *terms], effects)
            labels = {"exhibit": exhibit, "column": column, "efficiency": efficiency, "controls": controls}
            parts.append(regression(*of).join(plain_errors(*of)).assign(**labels, effects=effects))
    return ordered(pd.concat(parts), ["exhibit", "column", "efficiency", "controls", "effects", "term"])


def ordered(table: pd.DataFrame, first: Sequence[str]) -> pd.DataFrame:
    """The same table with these columns first."""
    return table[[*first, *[name for name in table if name not in first]]]


def heterogeneity(table: pd.DataFrame) -> pd.DataFrame:
    """Table 2, all cities, and the last columns of table 4, non-central cities: equation (11) by GMM."""
    sets, parts = centre_sets(table), []
    choices = product(EXHIBITS.items(), MAIN, CONTROL_SETS.items(), MODERATORS.items(), (True, False))
    for (exhibit, centres), efficiency, (controls, terms), (column, extra), system in choices:
        if not system and column in ("region", "core"):
            continue  # constants of a city leave no difference
        rows = variables(table, efficiency, centres=sets[centres])
        rows = rows if exhibit == "table 1" else rows[~rows["is_centre"]]
        moves = extra if system else [name for name in extra if name.endswith("ln_div")]
        labels = {"exhibit": "table 2" if exhibit == "table 1" else exhibit, "column": column}
        labels |= {"efficiency": efficiency, "controls": controls, "method": "system" if system else "difference"}
        parts.append(dynamics(rows, terms, moves, system=system).assign(**labels))
    return ordered(pd.concat(parts), ["exhibit", "column", "efficiency", "controls", "method", "term"])


def dynamics(rows: pd.DataFrame, controls: Sequence[str], extra: Sequence[str], *, system: bool) -> pd.DataFrame:
    """Equation (11) by two-step GMM with collapsed instruments, lags 2 and 3 (system) or from 2 on (difference).

    The within and the pooled estimate stand beside each coefficient: that of the lag should lie between them.
    """
    endogenous = ["ln_div", *[name for name in extra if name.endswith("ln_div")]]
    exogenous = [*controls, *[name for name in extra if not name.endswith("ln_div")]]
    result = dynamic_panel(
        rows,
        unit="adcode",
        time="year",
        outcome="ln_hgdp",
        regressors=[*endogenous, *exogenous],
        gmm=dict.fromkeys(["ln_hgdp", *endogenous], GmmSpec(lags=(2, 3 if system else None))),
        system=system,
        iv=exogenous,
        gaps="allow",
        missing="drop",
    )
    frame = result.to_frame()[["term", "estimate", "std_error"]]
    estimates = frame[frame["term"].isin(["L1.ln_hgdp", *endogenous, *exogenous])]  # without the years
    around = result.bounds()[["term", "within", "ols"]]
    tests = {"hansen": result.hansen, "ar1": result.ar1, "ar2": result.ar2}
    return (
        estimates.merge(around, on="term", how="left")
        .assign(**{f"{name}_p": test.p_value for name, test in tests.items()})
        .assign(n_obs=result.n_obs, n_units=result.n_groups, n_instruments=result.n_instruments)
    )


def mechanism(table: pd.DataFrame) -> pd.DataFrame:
    """Table 5: whether transport acts through division, as the paths a, b, c, c' and ab with their errors.

    No source of freight is at hand: employment in transport, storage and post stands for it, times the distance to the
    nearest centre of the cluster, which city effects absorb from the log of the product.
    """
    distance, parts = distance_to_centre(table), []
    for efficiency, (controls, terms), effects in product(MAIN, CONTROL_SETS.items(), EFFECTS):
        rows = variables(table, efficiency)
        others = rows[~rows["is_centre"]]
        others = others.assign(ln_trans=np.log(others["adcode"].map(distance) * others["transport"]))
        result = mediation(
            others,
            outcome="ln_hgdp",
            treatment="ln_trans",
            mediator="ln_div",
            controls=terms,
            unit="adcode",
            time="year",
            effects=("unit", "time") if effects == EFFECTS[0] else ("time",),
            n_boot=DRAWS,
            seed=SEED,
            missing="drop",
        )
        frame = result.to_frame().rename(columns={"effect": "term", "method": "interval"})
        labels = {"efficiency": efficiency, "controls": controls, "effects": effects}
        parts.append(frame.assign(**labels, n_obs=result.total.n_obs, n_units=result.total.n_units))
    return ordered(pd.concat(parts), ["efficiency", "controls", "effects", "term", "interval"])


def distance_to_centre(table: pd.DataFrame) -> pd.Series:
    """Kilometres from a city to the nearest centre of its cluster."""
    cities = table.drop_duplicates("adcode").set_index("adcode")
    points = prefectures_map().set_index("adcode").representative_point().reindex(cities.index)
    distance = great_circle_km(points.y.to_numpy(), points.x.to_numpy())
    cluster, central = cities["cluster"].to_numpy(), cities["central"].to_numpy()
    reached = (cluster[:, None] == cluster) & central
    return pd.Series(np.where(reached, distance, np.inf).min(axis=1), cities.index)


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """The files of this script."""
    everything = panel(sources)
    cities = sample(everything)
    efficiency, indices = scores(cities), division(cities)
    renamed = indices[[*KEYS, *DIVISIONS]].rename(columns={name: f"div_{name}" for name in DIVISIONS})
    table = cities.merge(efficiency, on=KEYS).merge(renamed, on=KEYS)
    names = [name for name in efficiency if name not in KEYS]
    return {
        "efficiency.csv": efficiency,
        "productivity.csv": productivity(cities),
        "division.csv": indices,
        "rank_size.csv": size_distribution(cities),
        "centre_shares.csv": centre_shares(cities),
        "moments.csv": moments(table),
        "coverage.csv": coverage(everything),
        "flags.csv": flags(everything),
        "substitutions.csv": SUBSTITUTIONS,
        "estimates.csv": tables(table),
        "dynamics.csv": heterogeneity(table),
        "mediation.csv": mechanism(table),
        "curve.csv": curve(table, names),
        "joint.csv": joint(table, names),
    }


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).with_name("growth"), digits=DIGITS))
