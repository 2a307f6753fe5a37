"""Rebuild ``prody_1998_2000.csv`` and ``expy_1998_2000.csv``: PRODY and EXPY, equation (3) of p1.

The source is the demonstration data of the R package economiccomplexity (Apache License 2.0): trade of 226 countries
and territories in 785 products of SITC revision 2, 1998-2000, and GDP per head. Only what is computed from it is kept.

    python data/derived/make_prody.py            # compare with the files in the repository
    python data/derived/make_prody.py FOLDER     # write the series there
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import pandas as pd
import rdata
from rdata.conversion import DEFAULT_CLASS_MAP, dataframe_constructor
from rebuild import rebuild

from regiometrics.measure.sophistication import expy, prody

FOLDER = "trade_economiccomplexity"
SHA256 = {
    "world_trade_avg_1998_to_2000": "7625257afd5ea2ffebc5b0bccb82ebce2e9647926458333da656ff2a95442a3d",
    "world_gdp_avg_1998_to_2000": "25ebeb10c9530b0da4d79d361491427d1803da6b4e0af208d9e8e429d91189ee",
}
TRADE, INCOME = SHA256
PRODY, EXPY = "prody_1998_2000.csv", "expy_1998_2000.csv"
KEYS = {"country": "iso3", "product": "sitc", "exports": "value"}
RENAMED = {"ROM": "ROU"}  # Romania's code until 2002 in the trade table, its present code in the table of GDP

# SITC revision 2, United Nations (1975), titles shortened
SECTIONS = {
    "0": "Food and live animals",
    "1": "Beverages and tobacco",
    "2": "Crude materials, inedible, except fuels",
    "3": "Mineral fuels, lubricants and related materials",
    "4": "Animal and vegetable oils, fats and waxes",
    "5": "Chemicals and related products",
    "6": "Manufactured goods classified chiefly by material",
    "7": "Machinery and transport equipment",
    "8": "Miscellaneous manufactured articles",
    "9": "Commodities and transactions not classified elsewhere",
}
DIVISIONS = {
    "00": "Live animals chiefly for food",
    "01": "Meat and meat preparations",
    "02": "Dairy products and birds' eggs",
    "03": "Fish, crustaceans and molluscs",
    "04": "Cereals and cereal preparations",
    "05": "Vegetables and fruit",
    "06": "Sugar, sugar preparations and honey",
    "07": "Coffee, tea, cocoa and spices",
    "08": "Feeding stuff for animals",
    "09": "Miscellaneous edible products",
    "11": "Beverages",
    "12": "Tobacco and tobacco manufactures",
    "21": "Hides, skins and furskins, raw",
    "22": "Oil seeds and oleaginous fruit",
    "23": "Crude rubber",
    "24": "Cork and wood",
    "25": "Pulp and waste paper",
    "26": "Textile fibres and their wastes",
    "27": "Crude fertilizers and crude minerals",
    "28": "Metalliferous ores and metal scrap",
    "29": "Crude animal and vegetable materials",
    "32": "Coal, coke and briquettes",
    "33": "Petroleum and petroleum products",
    "34": "Gas, natural and manufactured",
    "35": "Electric current",
    "41": "Animal oils and fats",
    "42": "Fixed vegetable oils and fats",
    "43": "Processed animal and vegetable oils, fats and waxes",
    "51": "Organic chemicals",
    "52": "Inorganic chemicals",
    "53": "Dyeing, tanning and colouring materials",
    "54": "Medicinal and pharmaceutical products",
    "55": "Essential oils, perfume and cleansing preparations",
    "56": "Fertilizers, manufactured",
    "57": "Explosives and pyrotechnic products",
    "58": "Artificial resins and plastic materials",
    "59": "Chemical materials and products n.e.s.",
    "61": "Leather, leather manufactures and dressed furskins",
    "62": "Rubber manufactures",
    "63": "Cork and wood manufactures",
    "64": "Paper, paperboard and articles thereof",
    "65": "Textile yarn, fabrics and made-up articles",
    "66": "Non-metallic mineral manufactures",
    "67": "Iron and steel",
    "68": "Non-ferrous metals",
    "69": "Manufactures of metal",
    "71": "Power generating machinery",
    "72": "Machinery specialized for particular industries",
    "73": "Metalworking machinery",
    "74": "General industrial machinery",
    "75": "Office and data processing machines",
    "76": "Telecommunications and sound apparatus",
    "77": "Electrical machinery and parts",
    "78": "Road vehicles",
    "79": "Other transport equipment",
    "81": "Sanitary, plumbing, heating and lighting fixtures",
    "82": "Furniture",
    "83": "Travel goods and handbags",
    "84": "Apparel and clothing accessories",
    "85": "Footwear",
    "87": "Professional, scientific and controlling instruments",
    "88": "Photographic and optical goods, watches and clocks",
    "89": "Miscellaneous manufactured articles n.e.s.",
    "91": "Postal packages not classified by kind",
    "93": "Special transactions not classified by kind",
    "94": "Live animals n.e.s.",
    "95": "Armoured fighting vehicles, war firearms and ammunition",
    "96": "Coin other than gold, not legal tender",
    "97": "Gold, non-monetary",
}


def table(sources: Path, name: str) -> pd.DataFrame:
    """One table of the package, with upper-case country codes."""
    path = sources / FOLDER / f"{name}.rda"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != SHA256[name]:
        raise SystemExit(f"{path.name} is another file than the series was made from (sha256 {digest})")
    tibble = {"tbl_df": dataframe_constructor, "tbl": dataframe_constructor}
    rows = rdata.read_rda(path, constructor_dict={**DEFAULT_CLASS_MAP, **tibble})[name]
    codes = rows["country"].astype(str).str.upper().replace(RENAMED)
    return rows.drop(columns="country").assign(iso3=codes, value=rows["value"].astype(float))


def described(products: pd.Series) -> pd.DataFrame:
    """Code, section and division of each product."""
    code = products.astype(str)
    names = {"section": code.str[0].map(SECTIONS), "division": code.str[:2].map(DIVISIONS)}
    return pd.DataFrame({"sitc": code, **names})


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """Both files; exporters without GDP per head are left out, and so are areas with GDP that do not export."""
    income = table(sources, INCOME).set_index("iso3")["value"]
    every = table(sources, TRADE).rename(columns={"product": "sitc"})
    known = every["iso3"].isin(income.index)
    left_out = every.loc[~known, "value"].sum() / every["value"].sum()
    print(f"left out for want of GDP per head ({left_out:.2%}):", *sorted(every.loc[~known, "iso3"].unique()))
    trade = every[known]
    products = prody(trade, **KEYS, gdp_per_head=income)
    countries = expy(trade, **KEYS, prody=products.set_index("sitc")["prody"])
    countries = countries.assign(gdp_per_head=countries["iso3"].map(income).astype(int))
    countries["products"] = countries["iso3"].map(trade.groupby("iso3").size())
    columns = ["prody", "exporters", "effective_exporters"]
    return {
        PRODY: described(products["sitc"]).join(products[columns]).round({"prody": 2, "effective_exporters": 2}),
        EXPY: countries[["iso3", "gdp_per_head", "expy", "products"]].round({"expy": 2}),
    }


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).parent))
