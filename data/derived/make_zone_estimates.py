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
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from make_balanced_growth import compared
from make_coagglomeration import WORKBOOK, read_workbook
from rebuild import rebuild
from scipy import stats

from regiometrics.data import facts
from regiometrics.data.boundaries import prefectures
from regiometrics.estimate.fixed_effects import FixedEffectsResult
from regiometrics.estimate.matching import psm_did
from regiometrics.estimate.mediation import moderation
from regiometrics.estimate.modern_did import honest_bounds
from regiometrics.estimate.placebo import draw_adoptions
from regiometrics.estimate.staggered import StaggeredDesign, pre_trend_test, winsorize
from regiometrics.result import EffectResult

Floats = npt.NDArray[np.float64]

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
}
YEARS = (2003, 2020)  # the paper's go to 2022
PAPER_YEARS = (2003, 2022)
LEFT_OUT = {"500000", "520500", "520600"}  # Chongqing, Bijie and Tongren, as in the paper
LARGE = 500  # 10,000 persons, as p5 divides cities by size
DRAWS, SEED, WINDOW = 1999, 5, (-6, 8)
SIGN = -1  # of the policy in print
FIRST_YEARS = (-6, 4)  # leads and lags behind the bounds, whose effect is the mean of years 0 to 4
DEPARTURES = {"smoothness": (0, 0.001, 0.002, 0.005), "relative_magnitude": (0, 0.25, 0.5, 1)}
KEYS = {"unit": "adcode", "time": "year", "outcome": "gini", "adoption": "adoption"}
MEASURES = {"cv": "COVW_light_pc", "theil": "GE_1W_light_pc", "gini_gdp": "GINIW_pred_GDP_pc"}
OTHER_POLICIES = {"5": "policy1_central_china", "6": "policy2_jjj", "7": "policy3_yangtze_belt", "8": "policy4_gba"}
"""Columns of table 5 and the terms printed there, in the order of the facts."""
GROUPS = {
    "size": ["small or medium", "large"],
    "resource": ["inside", "outside"],
    "cluster": ["inside", "outside"],
    "old_base": ["inside", "outside"],
}
"""Splits of table 6 in the order of its columns."""
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


def secondary_tertiary_share(path: Path) -> pd.DataFrame:
    """One minus the share of section A in the sum of the 19 sections."""
    employment = read_workbook(path, YEARS)
    share = 1 - employment["A"] / employment[list(facts.SECTIONS)].sum(axis=1)
    return employment[["city", "year"]].rename(columns={"city": "adcode"}).assign(emp=share)


def panel(sources: Path) -> pd.DataFrame:
    """All cities and years, with the policy's date, controls, groups and coordinates; absent values are missing."""
    lights = keyed(read("lights", sources), "city_id", "year", gini="GINIW_light_pc", **MEASURES)
    economy = keyed(read("panel", sources), "city_code", "year", gdp="gdp_100m", population="hukou_pop_10k")
    banks = read("deposits", sources).rename(columns=lambda name: name.split("(")[0])
    banks = keyed(banks, "城市代码", "年份", deposits="年末金融机构存款余额", output="地区生产总值")
    index = pd.read_csv(Path(__file__).with_name("city_coagglomeration_2003_2019.csv"), dtype={"adcode": str})
    table = lights
    for other in (economy, banks, index, secondary_tertiary_share(sources.joinpath(*WORKBOOK))):
        table = table.merge(other, on=["adcode", "year"], how="left", validate="one_to_one")
    table = table[table["year"].between(*YEARS)].assign(
        ln_gdp=np.log(table["gdp"] * 10_000),
        saver=table["deposits"] / table["output"],
        size=table["population"].ge(LARGE).map({True: "large", False: "small or medium"}),
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
    columns = {"ln_gdp": log_gdp(sources)["ln_gdp"], "indg": table["gini"], "emp": table["emp"].dropna()}
    names = {"size": "n_obs", "mean": "mean", "std": "std_dev", "min": "min", "max": "max"}
    rows = {name: column.agg(list(names)).rename(names) for name, column in columns.items()}
    return pd.DataFrame(rows).T.rename_axis("variable").reset_index()


# ---------------------------------------------------------------------------------------------------------------------
# the estimates


def row(exhibit: str, specification: str, method: str, effect: EffectResult, **more: object) -> dict[str, object]:
    """One effect as a row of ``estimates.csv``; ``column`` and ``term`` name its printed counterpart, if it has one."""
    names = ("estimate", "std_error", "p_value", "low", "high", "n_obs", "n_units")
    numbers = {name: getattr(effect, name) for name in names}
    return {"exhibit": exhibit, "specification": specification, "method": method, "term": "policy", **numbers, **more}


def fitted(
    exhibit: str,
    method: str,
    fits: tuple[FixedEffectsResult, FixedEffectsResult],
    name: str = "policy",
    *,
    specification: str = "ln_gdp",
    **more: object,
) -> dict[str, object]:
    """One coefficient with its error clustered by city, and the robust one beside it."""
    clustered, robust = fits
    kept = {"robust_error": robust.std_error[name], "r2": clustered.r2, **more}
    return row(exhibit, specification, method, clustered.effect(name), **kept)


def both(design: StaggeredDesign) -> tuple[FixedEffectsResult, FixedEffectsResult]:
    """The regression with clustered and with robust errors."""
    return design.regression(), design.regression(vcov="robust")


def errors(specification: str, design: StaggeredDesign) -> Iterator[dict[str, object]]:
    """The two-way coefficient with each kind of standard error, and by bootstrap, chance and distance."""
    exhibit, point = "table 3", design.twfe()
    for vcov in ("iid", "robust"):
        yield row(exhibit, specification, vcov, design.twfe(vcov=vcov))
    column = {"column": "1"} if specification == "none" else {}
    clustered, robust = both(design)
    yield fitted(exhibit, "cluster", (clustered, robust), specification=specification, **column)
    if column:
        constant = {"estimate": clustered.constant["estimate"], "std_error": clustered.constant["std_error"]}
        kept = {"term": "constant", "robust_error": robust.constant["std_error"], **column}
        yield {"exhibit": exhibit, "specification": specification, "method": "cluster: constant", **constant, **kept}
    wild = design.wild_bootstrap(n_boot=DRAWS, seed=SEED)
    yield row(exhibit, specification, "wild", point, p_value=wild.p_value)
    for statistic in ("beta", "t"):
        chance = design.placebo(n=DRAWS, statistic=statistic, seed=SEED)
        yield row(exhibit, specification, f"chance on {statistic}", point, p_value=chance.p_value)
    yield row(exhibit, specification, "Conley, 300 km, 5 years", design.conley("lat", "lon", cutoff_km=300, lags=5))


def robustness(table: pd.DataFrame, design: StaggeredDesign) -> Iterator[dict[str, object]]:
    """Table 5 on real data, column by column; the controls are those at hand."""
    exhibit, design_of = "table 5", {**KEYS, "controls": ["ln_gdp"]}
    options = {"covariates": ["ln_gdp", "population"], "controls": ["ln_gdp"], "method": "kernel", "weighted": False}
    matched = psm_did(table, **KEYS, **options, match_when="by_year")
    yield row(exhibit, "ln_gdp", "matched by year", matched, column="1")
    cut = StaggeredDesign(winsorize(table, ["gini", "ln_gdp"]), **design_of)
    yield fitted(exhibit, "winsorised", both(cut), column="2")
    yield fitted(
        exhibit, "no municipalities", both(StaggeredDesign(table[~table["municipality"]], **design_of)), column="3"
    )
    ahead = design.anticipation()
    yield row(exhibit, "ln_gdp", "anticipation", ahead, column="4")
    lead = ahead.path.iloc[0][["estimate", "std_error", "p_value", "low", "high"]]
    yield row(exhibit, "ln_gdp", "anticipation: pre1", ahead, column="4", term="policy_x_pre1", **lead)
    cities = table["adcode"].drop_duplicates()
    for (column, term), other in zip(OTHER_POLICIES.items(), facts.regional_policies().itertuples(), strict=True):
        inside = cities[cities.str.startswith(other.prefixes)]
        fits = both(
            design.with_policies(pd.DataFrame({"adcode": inside, "policy": other.policy, "start": other.start}))
        )
        yield fitted(exhibit, other.policy, fits, column=column)
        yield fitted(exhibit, f"{other.policy}: its dummy", fits, other.policy, column=column, term=term)


def heterogeneity(table: pd.DataFrame, design: StaggeredDesign) -> Iterator[dict[str, object]]:
    """Table 6 on real data: each group, and the test of their difference."""
    exhibit = "table 6"
    for k, (by, groups) in enumerate(GROUPS.items()):
        for column, group in enumerate(groups, start=2 * k + 1):
            half = table[table[by] == group]
            fits = both(StaggeredDesign(half, **KEYS, controls=["ln_gdp"], always_treated="keep"))
            yield fitted(exhibit, f"{by}: {group}", fits, column=str(column))
        gap = design.split(by).to_frame().iloc[-1]
        numbers = gap[["estimate", "std_error", "p_value", "low", "high"]]
        sign = 1 if groups == sorted(groups) else -1  # the second group less the first, in the order of print
        turned = {"estimate": sign * gap["estimate"], "low": min(sign * gap[["low", "high"]])}
        turned["high"] = max(sign * gap[["low", "high"]])
        yield {"exhibit": exhibit, "specification": "ln_gdp", "method": f"{by}: difference", **numbers, **turned}


def mechanisms(table: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Table 7 on real data: equation (5), and the products of equation (6)."""
    policy = table.assign(policy=(table["year"] >= table["adoption"]).astype(float))
    options = {"unit": "adcode", "time": "year", "controls": ["ln_gdp"], "missing": "drop", "center": False}
    for moderator, name, at in (("quality_depth_five", "isa", 3), ("quality_five", "", 0), ("emp", "emp", 5)):
        of = {"outcome": "gini", "treatment": "policy", "moderator": moderator, **options}
        models = [moderation(policy, **of, vcov=vcov) for vcov in ("cluster", "robust")]
        first, second = (tuple(getattr(model, part) for model in models) for part in ("first", "second"))
        own = {"column": str(at)} if name else {}
        yield fitted("table 7", f"{moderator}: on the policy", first, **own)
        terms = {"policy": "policy", moderator: name, f"policy x {moderator}": f"{name}_x_policy"}
        for term, printed in terms.items():
            own = {"column": str(at + 1), "term": printed} if name else {"term": ""}
            yield fitted("table 7", f"Gini on {term}" + f", {moderator}" * (term == "policy"), second, term, **own)


def specifications(
    table: pd.DataFrame, all_cities: pd.DataFrame
) -> Iterator[tuple[dict[str, str], pd.DataFrame, str, list[str]]]:
    """Every combination of measure, cities, years and control: its names, balanced rows, outcome and controls.

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
        choice = {"measure": names[measure], "cities": cities, "years": span, "control": control}
        yield choice, rows.assign(**{measure: rows[measure] / rows[measure].mean()}), measure, used[1:]


def curve(table: pd.DataFrame, all_cities: pd.DataFrame) -> Iterator[dict[str, object]]:
    """The two-way coefficient under every specification, errors clustered by city."""
    for choice, rows, measure, controls in specifications(table, all_cities):
        effect = StaggeredDesign(rows, **{**KEYS, "outcome": measure, "controls": controls}).twfe()
        yield {**choice, **{name: getattr(effect, name) for name in ("estimate", "low", "high", "n_units")}}


def adoptions(table: pd.DataFrame, all_cities: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Years of adoption, a row per city, as they are (column 0) and permuted, by among which cities; infinite: never.

    All that adopt are in the paper-like sample. Permuted among all cities, some dates leave it; permuted inside it,
    each specification keeps its number of treated cities.
    """
    first, last = YEARS
    true = all_cities.groupby("adcode")["adoption"].first()
    never = last - first + 1
    starts = (true - first).fillna(never).astype(int)
    inside = true.index.isin(table["adcode"])
    options = {"n_periods": never, "n": DRAWS, "seed": SEED}
    drawn = {
        "all cities": draw_adoptions(starts, **options),
        "paper-like cities": draw_adoptions(starts, scheme="within_strata", strata=inside, **options),
    }
    return {
        among: pd.DataFrame(np.vstack([starts, draws]).T, true.index).add(first).astype(float).replace(last + 1, np.inf)
        for among, draws in drawn.items()
    }


def off_effects(cells: Floats) -> Floats:
    """Cells (cities, years, variables) of a balanced panel off the effects of cities and years."""
    by_city, by_year = cells.mean(axis=1, keepdims=True), cells.mean(axis=0, keepdims=True)
    return np.asarray(cells - by_city - by_year + by_city.mean(axis=0, keepdims=True))


def from_each(cells: Floats) -> Floats:
    """Sums along axis 1 from each position to the end, and the empty sum after it."""
    sums = cells[:, ::-1].cumsum(axis=1)[:, ::-1]
    return np.concatenate([sums, np.zeros_like(sums[:, :1])], axis=1)


def refitted(rows: pd.DataFrame, outcome: str, controls: list[str], adoption: pd.DataFrame) -> tuple[Floats, Floats]:
    """The two-way coefficient and its t, clustered by city, of a balanced panel under each column of adoption years.

    The policy off effects is 1 from adoption on, less the city's share of treated years, less the deviation ``f`` of
    the year's share of treated cities from its mean. Its products with columns off effects are sums over the treated
    years less those with ``f``, so that no policy need be written out.
    """
    table = rows.pivot(index="adcode", columns="year", values=[outcome, *controls])
    n_cities, n_years = len(table), rows["year"].nunique()
    left = off_effects(table.to_numpy(dtype=float).reshape(n_cities, -1, n_years).swapaxes(1, 2))
    z = np.linalg.qr(left[..., 1:].reshape(n_cities * n_years, -1))[0].reshape(n_cities, n_years, -1)
    y = left[..., 0] - z @ np.einsum("ctk,ct->k", z, left[..., 0])

    years, cities = np.sort(rows["year"].unique()), np.arange(n_cities)
    starts = np.searchsorted(years, adoption.loc[table.index].to_numpy().T)
    share = np.stack([(starts <= t).mean(axis=1) for t in range(n_years)], axis=1)
    f = share - share.mean(axis=1, keepdims=True)
    treated = n_years - starts
    of_y = from_each(y)[cities, starts] - f @ y.T
    of_z = from_each(z)[cities, starts] - np.einsum("dt,ctk->dck", f, z)
    own = treated - treated**2 / n_years - 2 * np.take_along_axis(from_each(f), starts, axis=1)
    own += (f**2).sum(axis=1, keepdims=True)

    slope = of_z.sum(axis=1)
    cross = of_y - slope @ np.einsum("ctk,ct->kc", z, y)
    own += np.einsum("dk,dl,ctk,ctl->dc", slope, slope, z, z, optimize=True) - 2 * np.einsum("dk,dck->dc", slope, of_z)
    square = own.sum(axis=1)
    estimate = cross.sum(axis=1) / square
    score = cross - estimate[:, None] * own
    n, n_terms = n_cities * n_years, 1 + len(controls) + n_years
    factor = n_cities / (n_cities - 1) * (n - 1) / (n - n_terms)
    return estimate, estimate * square / np.sqrt(factor * (score**2).sum(axis=1))


def joint(table: pd.DataFrame, all_cities: pd.DataFrame) -> Iterator[dict[str, object]]:
    """Whether the specifications of the curve taken together differ from what permuted adoptions give.

    After Simonsohn, Simmons and Nelson (2020, Nature Human Behaviour 4, 1208-1214): the years of adoption change places
    among cities, in all specifications at once. The p-value is one-sided, towards a fall of inequality.
    """
    chosen = [*specifications(table, all_cities)]
    for among, adoption in adoptions(table, all_cities).items():
        fits = [refitted(rows, outcome, controls, adoption) for _, rows, outcome, controls in chosen]
        estimates, ts = (np.stack(part) for part in zip(*fits, strict=True))
        n_cities = np.array([rows["adcode"].nunique() for _, rows, _, _ in chosen])
        critical = stats.t.ppf(0.975, n_cities - 1)[:, None]
        statistics = {
            "median estimate": (np.median(estimates, axis=0), SIGN),
            "median t": (np.median(ts, axis=0), SIGN),
            "share negative": (np.mean(SIGN * estimates > 0, axis=0), 1),
            "share significant": (np.mean(SIGN * ts > critical, axis=0), 1),
        }
        counts = {"n_specifications": len(chosen), "n_draws": DRAWS}
        for statistic, (values, sign) in statistics.items():
            yield {"permuted": among, "statistic": statistic, **compared(values, sign), **counts}


def estimates(table: pd.DataFrame, all_cities: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The files of ``zones/`` by name."""
    plain = StaggeredDesign(table, **KEYS)
    design = StaggeredDesign(table, **KEYS, controls=["ln_gdp"])
    two = StaggeredDesign(table, **KEYS, controls=["ln_gdp", "saver"], missing="drop")
    every = StaggeredDesign(all_cities.groupby("adcode").filter(lambda city: city["gini"].notna().all()), **KEYS)
    rows = [*errors("none", plain), *errors("ln_gdp", design)]
    for specification, other in (("ln_gdp, saver", two), ("none, 331 cities", every)):
        rows.append(fitted("table 3", "cluster", both(other), specification=specification))
    rows += [*robustness(table, design), *heterogeneity(table, design), *mechanisms(table)]

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
    first_years = plain.modern("callaway_santanna", window=FIRST_YEARS)
    bounds = [
        honest_bounds(first_years, restriction=restriction, m=m).to_frame().assign(restriction=restriction)
        for restriction, m in DEPARTURES.items()
    ]
    return {
        "estimates": pd.DataFrame(rows),
        "paths": paths,
        "placebo": pd.DataFrame({**draws, "beta, random start": random_start.draws}),
        "bacon": bacon,
        "bounds": pd.concat(bounds),
        "curve": pd.DataFrame(curve(table, all_cities)),
        "joint": pd.DataFrame(joint(table, all_cities)),
    }


def make(sources: Path) -> dict[str, pd.DataFrame]:
    """The files of ``zones/``."""
    everywhere = panel(sources)
    sample = paper_sample(everywhere, sources)
    tables = {**estimates(sample, everywhere), "moments": moments(sample, sources)}
    return {f"{name}.csv": table for name, table in tables.items()}


if __name__ == "__main__":
    sys.exit(rebuild(make, Path(__file__).with_name("zones"), digits="%.6g"))
