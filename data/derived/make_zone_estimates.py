"""Rebuild the files of ``zones/``: estimates of p5 on real panels that may not be shipped.

The outcome is the Gini of light per head over the counties of a city, 2003-2020, of a doctoral thesis; GDP, registered
population and bank deposits come from compilations of the China City Statistical Yearbook. Rows of these files are not
kept, only what is estimated from them.

    python data/derived/make_zone_estimates.py            # compare with the files in the repository
    python data/derived/make_zone_estimates.py FOLDER     # write them there
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from regiometrics.data import facts
from regiometrics.data.boundaries import prefectures
from regiometrics.data.files import sources_folder
from regiometrics.estimate.matching import psm_did
from regiometrics.estimate.mediation import moderation
from regiometrics.estimate.modern_did import honest_bounds
from regiometrics.estimate.staggered import StaggeredDesign, pre_trend_test, winsorize
from regiometrics.result import EffectResult

FILES = {
    "lights": (
        "city_light_gini/City_Inequality_Data.dta",
        "57d16e4e392c911d8e8ff20a905375af1153fbb66da0a62fa4adc9c250f25627",
    ),
    "panel": (
        "city_panel_andyhsi/china_city_panel_real.csv",
        "ade1bb5c4b45fac426f47981321d52b405e6b43655059f550ec290a402b656c5",
    ),
    "deposits": (
        "city_controls_biechouwo/deposits_loans_2003_2023.xlsx",
        "2b6a01b7a2e7e30b71e650f7ca4a244a866be10165de025c15ba71d21035b1b3",
    ),
    "employment": (
        "city_employment_19sectors/300cities_employment_by_sector_2000_2022.xlsx",
        "c06656499f052c71dd3c284ffce1f3f3f9ccf5979f3692e72dda8efb0392630b",
    ),
}
YEARS = (2003, 2020)  # the paper's go to 2022
PAPER_YEARS = (2003, 2022)
LEFT_OUT = {"500000", "520500", "520600"}  # Chongqing, Bijie and Tongren, as in the paper
LARGE = 500  # 10,000 persons, as p5 divides cities by size
DRAWS, SEED, WINDOW = 1999, 5, (-6, 8)
KEYS = {"unit": "adcode", "time": "year", "outcome": "gini", "adoption": "adoption"}
MEASURES = {"cv": "COVW_light_pc", "theil": "GE_1W_light_pc", "gini_gdp": "GINIW_pred_GDP_pc"}
MODERN = ("callaway_santanna", "sun_abraham", "imputation", "dcdh", "synthetic_did")


def read(name: str, sources: Path) -> pd.DataFrame:
    """One of the source files, after its hash is checked."""
    file, digest = FILES[name]
    path = sources / file
    if hashlib.sha256(path.read_bytes()).hexdigest() != digest:
        raise SystemExit(f"{path.name} is another file than the estimates were made from")
    if path.suffix == ".dta":
        return pd.read_stata(path)
    return pd.read_csv(path, low_memory=False) if path.suffix == ".csv" else pd.read_excel(path)


def keyed(frame: pd.DataFrame, code: str, year: str, **columns: str) -> pd.DataFrame:
    """``adcode, year`` and the named columns as numbers."""
    kept = frame.dropna(subset=[code, year])
    keys = pd.DataFrame({"adcode": kept[code].astype(int).astype(str), "year": kept[year].astype(int)})
    return keys.assign(**{name: pd.to_numeric(kept[column]) for name, column in columns.items()})


def secondary_tertiary_share(employment: pd.DataFrame) -> pd.DataFrame:
    """One minus the share of section A in the sum of the 19 sections."""
    sections = [column for column in employment if column.endswith("业从业人员数(万人)") or "公共管理" in column]
    sections = [column for column in sections if not column.startswith(("第一", "第二", "第三"))]
    total = employment[sections].sum(axis=1, min_count=1)
    table = employment.assign(emp=1 - employment["农林牧渔业从业人员数(万人)"].fillna(0) / total.where(total > 0))
    return keyed(table, "行政区划代码", "年份", emp="emp")


def panel(sources: Path) -> pd.DataFrame:
    """All cities and years, with the policy's date, controls, groups and coordinates; absent values are missing."""
    lights = keyed(read("lights", sources), "city_id", "year", gini="GINIW_light_pc", **MEASURES)
    economy = keyed(read("panel", sources), "city_code", "year", gdp="gdp_100m", population="hukou_pop_10k")
    banks = read("deposits", sources).rename(columns=lambda name: name.split("(")[0])
    banks = keyed(banks, "城市代码", "年份", deposits="年末金融机构存款余额", output="地区生产总值")
    index = pd.read_csv(Path(__file__).with_name("city_coagglomeration_2003_2019.csv"), dtype={"adcode": str})
    table = lights
    for other in (economy, banks, index, secondary_tertiary_share(read("employment", sources))):
        table = table.merge(other, on=["adcode", "year"], how="left", validate="one_to_one")
    table = table[table["year"].between(*YEARS)].assign(
        ln_gdp=np.log(table["gdp"] * 10_000),
        saver=table["deposits"] / table["output"],
        large=table["population"].ge(LARGE).map({True: "large", False: "small or medium"}),
        municipality=table["adcode"].str.endswith("0000"),
    )
    zones = facts.transfer_zones(treated_only=True).set_index("adcode")["adoption"]
    table["adoption"] = table["adcode"].map(zones)
    groups = {"resource": facts.resource_cities(), "cluster": facts.five_clusters(), "old_base": facts.old_base_areas()}
    for name, cities in groups.items():
        inside = table["adcode"].isin(cities.loc[cities["candidate"], "adcode"])
        table[name] = inside.map({True: "inside", False: "outside"})
    points = prefectures().set_index("adcode").representative_point()
    return table.assign(lat=table["adcode"].map(points.y), lon=table["adcode"].map(points.x))


def log_gdp(sources: Path) -> pd.DataFrame:
    """Log of GDP in 10,000 yuan of the cities that have it in all of the paper's years, less those it leaves out."""
    economy = keyed(read("panel", sources), "city_code", "year", gdp="gdp_100m").dropna()
    economy = economy[economy["year"].between(*PAPER_YEARS) & ~economy["adcode"].isin(LEFT_OUT)]
    years = economy.groupby("adcode")["year"].transform("size")
    whole = economy[years == PAPER_YEARS[1] - PAPER_YEARS[0] + 1]
    return whole.assign(ln_gdp=np.log(whole["gdp"] * 10_000))


def paper_sample(table: pd.DataFrame, sources: Path) -> pd.DataFrame:
    """Cities with GDP in all of the paper's years, less those that the paper names as left out: 278 for its 274."""
    return table[table["adcode"].isin(log_gdp(sources)["adcode"])]


def moments(table: pd.DataFrame, sources: Path) -> pd.DataFrame:
    """Moments in the layout of the paper's table 2, of the variables that can be had."""
    columns = {"ln_gdp": log_gdp(sources)["ln_gdp"], "indg": table["gini"]}
    names = {"size": "n_obs", "mean": "mean", "std": "std_dev", "min": "min", "max": "max"}
    rows = {name: column.agg(list(names)).rename(names) for name, column in columns.items()}
    return pd.DataFrame(rows).T.rename_axis("variable").reset_index()


# ---------------------------------------------------------------------------------------------------------------------
# the estimates


def row(exhibit: str, specification: str, method: str, effect: EffectResult, **more: float) -> dict[str, object]:
    """One effect as a row of ``estimates.csv``."""
    numbers = {name: getattr(effect, name) for name in ("estimate", "std_error", "p_value", "low", "high")}
    return {
        "exhibit": exhibit,
        "specification": specification,
        "method": method,
        **numbers,
        "n_obs": effect.n_obs,
        "n_units": effect.n_units,
        **more,
    }


def fitted(
    exhibit: str, specification: str, method: str, design: StaggeredDesign, term: str = "policy"
) -> dict[str, object]:
    """One coefficient with its error clustered by city, and the robust one, as a row of ``estimates.csv``."""
    fit, robust = design.regression(), design.regression(vcov="robust")
    more = {"robust_error": robust.std_error[term], "r2": fit.r2}
    return row(exhibit, specification, method, fit.effect(term), **more)


def errors(exhibit: str, specification: str, design: StaggeredDesign) -> Iterator[dict[str, object]]:
    """The two-way coefficient with each kind of standard error, and by bootstrap, chance and distance."""
    for vcov in ("iid", "robust", "cluster"):
        fit = design.regression(vcov=vcov)
        constant = {"constant": fit.constant["estimate"], "constant_error": fit.constant["std_error"]}
        yield row(exhibit, specification, vcov, fit.effect("policy"), r2=fit.r2, **constant)
    wild = design.wild_bootstrap(n_boot=DRAWS, seed=SEED)
    point = design.twfe()
    yield {**row(exhibit, specification, "wild", point), "p_value": wild.p_value}
    for statistic in ("beta", "t"):
        chance = design.placebo(n=DRAWS, statistic=statistic, seed=SEED)
        yield {**row(exhibit, specification, f"chance on {statistic}", point), "p_value": chance.p_value}
    near = design.conley("lat", "lon", cutoff_km=300, lags=5)
    yield row(exhibit, specification, "Conley, 300 km, 5 years", near)


def robustness(table: pd.DataFrame, design: StaggeredDesign) -> Iterator[dict[str, object]]:
    """Table 5 on real data, column by column; the controls are those at hand."""
    spec = "ln_gdp"
    options = {"covariates": ["ln_gdp", "population"], "controls": ["ln_gdp"], "method": "kernel", "weighted": False}
    matched = psm_did(table, **KEYS, **options, match_when="by_year")
    yield row("table 5", spec, "1", matched)
    cut = winsorize(table, ["gini", "ln_gdp"])
    yield fitted("table 5", spec, "2", StaggeredDesign(cut, **KEYS, controls=["ln_gdp"]))
    yield fitted("table 5", spec, "3", StaggeredDesign(table[~table["municipality"]], **KEYS, controls=["ln_gdp"]))
    ahead = design.anticipation()
    yield row("table 5", spec, "4", ahead)
    yield {
        **row("table 5", spec, "4: pre1", ahead),
        **ahead.path.iloc[0][["estimate", "std_error", "p_value", "low", "high"]],
    }
    cities = table["adcode"].drop_duplicates()
    for column, other in enumerate(facts.regional_policies().itertuples(), start=5):
        inside = cities[cities.str.startswith(other.prefixes)]
        dummies = pd.DataFrame({"adcode": inside, "policy": other.policy, "start": other.start})
        wider = design.with_policies(dummies)
        yield fitted("table 5", spec, f"{column}", wider)
        yield fitted("table 5", spec, f"{column}: {other.policy}", wider, other.policy)


def heterogeneity(design: StaggeredDesign) -> Iterator[dict[str, object]]:
    """Table 6 on real data: each group, and the test of their difference."""
    for by in ("large", "resource", "cluster", "old_base"):
        split = design.split(by).to_frame()
        for group in split.to_dict("records"):
            label = f"{by}: {group['group']}"
            numbers = {
                name: group[name] for name in ("estimate", "std_error", "p_value", "low", "high", "n_obs", "n_units")
            }
            yield {"exhibit": "table 6", "specification": "ln_gdp", "method": label, **numbers}


def mechanisms(table: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Table 7 on real data: the employment share, and the interactions of equation (6)."""
    for moderator, label in (("quality_depth_five", "isa"), ("quality_five", "isa, quality alone"), ("emp", "emp")):
        options = {"unit": "adcode", "time": "year", "controls": ["ln_gdp"], "missing": "drop"}
        policy = table.assign(policy=(table["year"] >= table["adoption"]).astype(float))
        model = moderation(policy, outcome="gini", treatment="policy", moderator=moderator, **options)
        yield row("table 7", "ln_gdp", f"{label}: policy on it", model.first.effect("policy"), r2=model.first.r2)
        for term in model.second.estimate.index[:3]:
            yield row("table 7", "ln_gdp", f"{label}: {term}", model.second.effect(term), r2=model.second.r2)


def curve(table: pd.DataFrame, all_cities: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The two-way coefficient under every combination of measure, cities, years and control, errors clustered by city.

    Each measure is divided by its mean, so that the estimates compare: they are shares of the mean.
    """
    samples = {"paper-like": table, "all": all_cities}
    years = {"2003-2020": (2003, 2020), "2003-2016": (2003, 2016), "2006-2020": (2006, 2020)}
    names = {
        "gini": "Gini of light",
        "cv": "CV of light",
        "theil": "Theil of light",
        "gini_gdp": "Gini of predicted GDP",
    }
    for (cities, sample), (span, window), measure, control in product(
        samples.items(), years.items(), names, ("none", "ln_gdp")
    ):
        used = [measure, "ln_gdp"] if control == "ln_gdp" else [measure]
        rows = sample[sample["year"].between(*window)].dropna(subset=used)
        rows = rows.groupby("adcode").filter(lambda city, span=window: len(city) == span[1] - span[0] + 1)
        options = {**KEYS, "outcome": measure, "controls": used[1:]}
        effect = StaggeredDesign(rows.assign(**{measure: rows[measure] / rows[measure].mean()}), **options).twfe()
        choice = {"measure": names[measure], "cities": cities, "years": span, "control": control}
        yield {**choice, **{name: getattr(effect, name) for name in ("estimate", "low", "high", "n_units")}}


def estimates(table: pd.DataFrame, all_cities: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The files of ``zones/`` by name."""
    plain = StaggeredDesign(table, **KEYS)
    design = StaggeredDesign(table, **KEYS, controls=["ln_gdp"])
    two = StaggeredDesign(table, **KEYS, controls=["ln_gdp", "saver"], missing="drop")
    every = StaggeredDesign(all_cities.groupby("adcode").filter(lambda city: city["gini"].notna().all()), **KEYS)
    rows = [*errors("table 3", "none", plain), *errors("table 3", "ln_gdp", design)]
    rows += [
        fitted("table 3", "ln_gdp, saver", "cluster", two),
        fitted("table 3", "none, 331 cities", "cluster", every),
    ]
    rows += [*robustness(table, design), *heterogeneity(design), *mechanisms(table)]

    study = plain.event_study(window=WINDOW)
    test = pre_trend_test(study)
    rows.append(
        {
            **row("figure 1", "none", "joint test before adoption", study),
            "statistic": test.statistic,
            "p_value": test.p_value,
        }
    )
    studies = {"TWFE": study}
    for name in MODERN:
        effect = plain.modern(name, window=WINDOW)
        rows.append(row("modern", "none", effect.estimator, effect))
        if not effect.path.empty:
            studies[effect.estimator] = effect
    paths = pd.concat([study.path.assign(estimator=name) for name, study in studies.items()], ignore_index=True)
    draws = {s: plain.placebo(n=DRAWS, statistic=s, seed=SEED).draws for s in ("beta", "t")}
    random_start = plain.placebo(n=DRAWS, statistic="beta", scheme="random_start", seed=SEED)
    bacon = pd.concat(
        [
            d.bacon(controls=c).to_frame().assign(specification=s)
            for d, c, s in ((plain, False, "none"), (design, True, "ln_gdp"))
        ]
    )
    bounds = [
        honest_bounds(study, restriction=r).to_frame().assign(restriction=r)
        for r in ("smoothness", "relative_magnitude")
    ]
    return {
        "estimates": pd.DataFrame(rows),
        "paths": paths,
        "placebo": pd.DataFrame({**draws, "beta, random start": random_start.draws}),
        "bacon": bacon,
        "bounds": pd.concat(bounds),
        "curve": pd.DataFrame(curve(table, all_cities)),
    }


def main() -> int:
    """Compare, or write to the folder that is named."""
    sources = sources_folder()
    if sources is None:
        raise SystemExit("set REGIOMETRICS_SOURCES to the folder that holds the sources' folders")
    everywhere = panel(sources)
    sample = paper_sample(everywhere, sources)
    made = {**estimates(sample, everywhere), "moments": moments(sample, sources)}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(sys.argv[1] if len(sys.argv) > 1 else scratch)
        folder.mkdir(parents=True, exist_ok=True)
        same = True
        for name, table in made.items():
            file = folder / f"{name}.csv"
            table.to_csv(file, index=False, lineterminator="\n", float_format="%.6g")
            kept = Path(__file__).parent / "zones" / file.name
            same &= kept.exists() and file.read_bytes() == kept.read_bytes()
    print("the same bytes as in the repository" if same else "differs from the files in the repository")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
