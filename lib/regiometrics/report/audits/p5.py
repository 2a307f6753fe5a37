"""Audit of p5, transfer demonstration zones and gaps inside cities, 2003-2022: tables 2 to 7 and what the text says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from regiometrics.data.facts import transfer_zones
from regiometrics.data.published import table
from regiometrics.report.audits.identities import (
    added_regressor,
    contrast,
    counts,
    indicator,
    intercept,
    moments,
)
from regiometrics.report.audits.printed import (
    Place,
    PrintedEstimates,
    cells_of,
    numbers_in_text,
    plausible,
    stars_of,
    statement,
)
from regiometrics.report.audits.rounded import Check, Finding, Rounded, at_least, at_most, equal

OUTCOME, POLICY = "indg", "policy"
BASELINE: Place = (3, 6, POLICY)
TABLES_OF_ESTIMATES = (3, 5, 6, 7)
CONTROLS = ("ln_trans", "ln_gdp", "saver", "edu", "country")  # in the order in which table 3 adds them
COLUMNS_OF_TABLE_3 = range(1, len(CONTROLS) + 2)
SPLITS = {
    "size": (1, 2, "city size"),
    "resource": (3, 4, "resource cities"),
    "cluster": (5, 6, "five clusters"),
    "old_base": (7, 8, "old revolutionary areas"),
}
MECHANISMS = {"innoap": (1, 2, "InnoAp"), "isa": (3, 4, "ISA"), "emp": (5, 6, "EMP")}  # columns of eqs (5) and (6)

# What the text says of signs and stars: "" not significant, "*" significant at any level, "***" at 1 %.
SIGNIFICANCE: Mapping[Place, tuple[str, str]] = {
    **{(3, column, POLICY): ("negative", "*") for column in COLUMNS_OF_TABLE_3},
    (5, 1, POLICY): ("negative", "***"),
    **{(5, column, POLICY): ("negative", "*") for column in (2, 5, 6, 7, 8)},
    (5, 4, "policy_x_pre1"): ("", ""),
    (6, 1, POLICY): ("negative", "***"),
    **{(6, column, POLICY): ("negative", "*") for column in (4, 5, 8)},
    **{(6, column, POLICY): ("", "") for column in (2, 3, 6, 7)},
    (7, 1, POLICY): ("positive", "*"),
    (7, 3, POLICY): ("positive", "***"),
    (7, 5, POLICY): ("positive", "*"),
    **{(7, column, f"{name}_x_policy"): ("negative", "*") for name, (_, column, _) in MECHANISMS.items()},
}
COPIES_IN_TEXT: Mapping[str, Place] = {
    "baseline_effect": BASELINE,
    "psm_did_effect": (5, 1, POLICY),
    "isa_effect": (7, 3, POLICY),
}
# Two statements each, of which section 3.2 makes the first pair and sections 2.2 and 2.3 the second.
STATED_TWICE = {
    "base_period": ("the period before the policy", "the first year of the sample"),
    "units_in_a_city": ("districts and counties (区县)", "boundaries of townships (乡镇)"),
}
GROUPS_IN_TEXT = 2  # of the Bacon decomposition, section 3.3.2
LEFT_OUT = ("Xiantao", "Qianjiang", "Tianmen", "Xiangxi", "Chongqing")  # named in section 2.2


@dataclass(frozen=True)
class PrintedTables(PrintedEstimates):
    """The printed numbers of p5; replace one to see what the audit makes of it.

    Attributes
    ----------
    described : mapping variable -> column -> Decimal
        Table 2.
    units : mapping variable -> str
        Units of table 1.
    cells : mapping (table, column, term) -> Cell
        Tables 3, 5, 6 and 7, with ``n_obs`` and ``r2`` among the terms.
    bacon : mapping comparison -> column -> Decimal
        Table 4, columns ``beta`` and ``weight``.
    bacon_labels : mapping comparison -> str
        Its row labels.
    cohorts : mapping year -> int
        Treated cities by year of approval, from the list of the zones; the paper prints neither.
    text, stated_twice
        See `PrintedEstimates`.
    """

    described: Mapping[str, Mapping[str, Decimal]]
    units: Mapping[str, str]
    bacon: Mapping[str, Mapping[str, Decimal]]
    bacon_labels: Mapping[str, str]
    cohorts: Mapping[int, int]

    @classmethod
    def read(cls) -> PrintedTables:
        """The tables of ``data/published`` and the zones of ``data/facts``."""
        bacon = table("p5", 4).to_dict("records")
        adoption = transfer_zones(treated_only=True)["adoption"].tolist()
        return cls(
            described={
                row["variable"]: {column: row[column] for column in ("n_obs", "mean", "std_dev", "min", "max")}
                for row in table("p5", 2).to_dict("records")
            },
            units={row["variable"]: row["unit_zh"] for row in table("p5", 1).to_dict("records")},
            cells=cells_of("p5", TABLES_OF_ESTIMATES),
            bacon={row["comparison"]: {"beta": row["beta"], "weight": row["weight"]} for row in bacon},
            bacon_labels={row["comparison"]: row["label_zh"] for row in bacon},
            text=numbers_in_text("p5"),
            stated_twice=STATED_TWICE,
            cohorts=dict(sorted(Counter(adoption).items())),
        )

    @property
    def cities(self) -> int:
        """Cities of the sample."""
        return int(self.text["n_cities"])

    @property
    def n(self) -> int:
        """Observations of table 2."""
        return int(self.described[OUTCOME]["n_obs"])

    @property
    def treated(self) -> Rounded:
        """Treated city-years, from the mean of Policy."""
        return self.n * self.mean(POLICY)

    def mean(self, variable: str) -> Rounded:
        """A mean of table 2."""
        return Rounded.of(self.described[variable]["mean"])

    def n_obs(self, number: int, column: int) -> Rounded:
        """The observations of a column, exact."""
        return Rounded.exact(self.cells[number, column, "n_obs"].value)

    def r2(self, number: int, column: int) -> Rounded:
        """R squared to the decimals that it is known to: a last digit that is 0 in all columns says nothing."""
        value = self.cells[number, column, "r2"].value
        return Rounded.of(value.quantize(Decimal("0.001")) if self.r2_ends_in_zero else value)

    @property
    def r2_ends_in_zero(self) -> bool:
        """Whether the fourth decimal of R squared is 0 throughout."""
        return all(x.value % Decimal("0.001") == 0 for (_, _, term), x in self.cells.items() if term == "r2")


def findings(printed: PrintedTables | None = None) -> list[Finding]:
    """All checks on p5, table by table; ``printed`` defaults to the tables as published."""
    p = PrintedTables.read() if printed is None else printed
    return [
        *_sample(p),
        *_description(p),
        *_baseline(p),
        *_which_error(p),
        *_bacon(p),
        *_robustness(p),
        *_splits(p),
        *_mechanisms(p),
        *_significance(p),
    ]


def treated_panel(cohorts: Mapping[int, int], *, cities: int, years: range) -> NDArray[np.float64]:
    """The policy dummy of a design, shape (cities, years): each cohort's cities from their year on, the rest never."""
    adoption = np.repeat(list(cohorts), list(cohorts.values()))
    paths = np.arange(years.start, years.stop) >= adoption[:, None]
    return np.vstack([paths, np.zeros((cities - len(adoption), len(years)))]).astype(float)


def timing_weight(cohorts: Mapping[int, int], *, cities: int, years: range) -> float:
    """Weight of comparisons between cohorts in the two-way estimate without controls.

    Goodman-Bacon (2021), equations (10b) and (10c): a pair of cohorts with n_k and n_l of n cities, treated in shares
    D_k > D_l of the years, has the weights n_k n_l (D_k - D_l)(1 - D_k)/(n^2 V) and n_k n_l D_l (D_k - D_l)/(n^2 V), V
    the variance of the two-way demeaned dummy; together n_k n_l (D_k - D_l)(1 - D_k + D_l)/(n^2 V).

    Examples
    --------
    >>> round(timing_weight({2: 1, 3: 1}, cities=2, years=range(1, 5)), 12)
    1.0
    """
    share = {year: (years.stop - year) / len(years) for year in sorted(cohorts)}
    pairs = sum(
        cohorts[k] * cohorts[j] * (share[k] - share[j]) * (1 - share[k] + share[j]) for k, j in combinations(share, 2)
    )
    variance = (_demeaned(treated_panel(cohorts, cities=cities, years=years)) ** 2).mean()
    return float(pairs / cities**2 / variance)


def _sample(p: PrintedTables) -> Iterator[Finding]:
    """Cities, years and zones, and what the text states twice."""
    check = counts([int(p.text["n_treated_cities"]), int(p.text["n_control_cities"])], p.cities)
    yield _finding("text.n_cities", "Text, treated and control cities make up the sample", check)
    check = counts(list(p.cohorts.values()), int(p.text["n_treated_cities"]))
    yield _finding("text.n_treated_cities", "Text, treated cities against the list of the zones", check)
    product = Rounded.exact(p.cities * p.years)
    for variable, row in p.described.items():
        check = equal(product, Rounded.exact(row["n_obs"]), "the panel is not balanced")
        yield _finding(f"t2.n_obs.{variable}", f"Table 2, {variable}: cities times years", check)
    check = equal(Rounded.exact(p.text["n_treated_cities"]), Rounded.exact(p.text["placebo_n_cities"]))
    yield _finding("text.placebo_n_cities", "Text, cities drawn in the placebo test against treated cities", check)
    for item, place in COPIES_IN_TEXT.items():
        check = equal(p.coef(place), p.text[item])
        yield _finding(f"text.{item}", f"Text against table {place[0]}, column {place[1]}, {place[2]}", check)
    least, said = int(p.text["n_treated_cities"]) + len(LEFT_OUT), int(p.text["n_zone_cities"])
    meaning = (
        f"the text names {len(LEFT_OUT)} places in zones that it leaves out ({', '.join(LEFT_OUT)}), and the zones of "
        f"2018 and 2020; which places the {said} count it does not say"
    )
    item = "Text, cities in zones: at least the treated ones and those named as left out"
    yield _finding("text.n_zone_cities", item, plausible(f"≥ {least}", f"{said}", said >= least, meaning))
    first, second = p.stated_twice["base_period"]
    check = statement(first, second, first == second, "two different base periods")
    yield _finding("text.base_period", "Section 3.2, base period of the event study", check)
    first, second = p.stated_twice["units_in_a_city"]
    check = plausible(first, second, first == second, "the text does not say how the two go together")
    yield _finding("text.units_in_a_city", "Sections 2.2 and 2.3, units over whose lights the Gini is taken", check)


def _description(p: PrintedTables) -> Iterator[Finding]:
    """Table 2: possible moments, the treated city-years, and units."""
    for variable, row in p.described.items():
        check = moments(row["mean"], row["std_dev"], row["min"], row["max"], ddof=1, n=int(row["n_obs"]))
        yield _finding(
            f"t2.moments.{variable}", f"Table 2, {variable}: deviation within what mean and range allow", check
        )
    policy = p.described[POLICY]
    check = indicator(policy["mean"], policy["std_dev"], p.n)
    yield _finding("t2.indicator", "Table 2, mean and deviation of Policy, a variable with the values 0 and 1", check)
    yield from _treated(p)
    gdp, highest = (p.described["ln_gdp"][column].exp() for column in ("mean", "max"))
    meaning = (
        f"in yuan the geometric mean city would produce {gdp / 10**6:.0f} million a year and the largest one "
        f"{highest / 10**6:.0f} million; in 10,000 yuan {gdp / 10**5:.0f} billion and {highest / 10**5:,.0f} billion"
    )
    item = "Table 2, mean of ln gdp, in the unit of table 1"
    yield _finding("t2.unit.ln_gdp", item, Check(f"{gdp:.3g}", p.units["ln_gdp"], "not determined", meaning))
    for variable in ("saver", "edu", "country"):
        mean, high = p.described[variable]["mean"], p.described[variable]["max"]
        meaning = f"in percent no city-year would exceed {high} %; the values are consistent with fractions of one"
        check = Check(f"{100 * mean:.2f} %, as a fraction", f"{mean} {p.units[variable]}", "not determined", meaning)
        yield _finding(f"t2.unit.{variable}", f"Table 2, mean of {variable}, in the unit of table 1", check)
    units = 1 / (1 - Rounded.of(p.described[OUTCOME]["max"]))
    meaning = (
        "a Gini of n values is at most 1 - 1/n, so a city with the largest one has at least so many units; the paper "
        "does not print units by city"
    )
    fewest = units.low.to_integral_value(ROUND_CEILING)
    check = Check(f"≥ {fewest} units", f"{p.described[OUTCOME]['max']}", "not determined", meaning)
    yield _finding("t2.units_in_a_city", "Table 2, largest INDG: units inside that city", check)


def _treated(p: PrintedTables) -> Iterator[Finding]:
    """The number of treated city-years, and the cohorts that give it."""
    low, high = p.treated.low.to_integral_value(ROUND_CEILING), p.treated.high.to_integral_value(ROUND_FLOOR)
    whole = [f"{x}" for x in range(int(low), int(high) + 1)]
    meaning = f"whole numbers in {p.treated.show(2)}: {', '.join(whole) or 'none'}"
    item = "Table 2, mean of Policy times observations is a whole number of treated city-years"
    shown = whole[0] if len(whole) == 1 else "one whole number"
    yield _finding("t2.treated", item, statement(shown, f"{p.treated.value:.2f}", len(whole) == 1, meaning, meaning))
    by_cohorts = int(_panel(p).sum())
    mean = p.described[POLICY]["mean"]
    check = equal(Rounded.exact(by_cohorts) / p.n, mean)
    lengths = [_years(p).stop - year for year in p.cohorts]
    ways = _ways(sum(p.cohorts.values()), by_cohorts, lengths)
    sizes = ", ".join(f"{size} in {year}" for year, size in p.cohorts.items())
    meaning = f"treated from {sizes}: {by_cohorts} city-years, as {ways:,} divisions over these years give"
    item = "Table 2, mean of Policy from the years in which the zones were approved"
    yield _finding("t2.cohorts", item, replace(check, meaning=meaning))


def _baseline(p: PrintedTables) -> Iterator[Finding]:
    """Table 3: constants, samples, R squared, and the size of the effect in words."""
    for column in COLUMNS_OF_TABLE_3:
        terms = (POLICY, *CONTROLS[: column - 1])
        slopes = [(p.cells[3, column, term].value, p.described[term]["mean"]) for term in terms]
        check = intercept(p.described[OUTCOME]["mean"], slopes, p.cells[3, column, "constant"].value)
        yield _finding(f"t3.constant.c{column}", f"Tables 3 and 2, column {column}: constant from the means", check)
        check = equal(Rounded.exact(p.n), p.n_obs(3, column), "the columns do not share table 2's sample")
        yield _finding(f"t3.n_obs.c{column}", f"Tables 3 and 2, column {column}: one sample", check)
    for fewer, more in pairwise(COLUMNS_OF_TABLE_3):
        check = at_least(p.r2(3, more), p.r2(3, fewer), "a regressor more cannot lower R squared on one sample")
        yield _finding(f"t3.r2.c{more}", f"Table 3, R squared of column {more} against column {fewer}", check)
    r2 = [x.value for (_, _, term), x in p.cells.items() if term == "r2"]
    zeros = sum(x % Decimal("0.001") == 0 for x in r2)
    meaning = "with 0 in every fourth decimal three are taken as known, which widens the intervals"
    check = Check(f"about {len(r2) / 10:.0f} of {len(r2)}", f"{zeros}", "not determined", meaning)
    if not p.r2_ends_in_zero:
        check = replace(check, verdict="consistent", meaning="four decimals are taken as known")
    yield _finding("r2.decimals", "Tables 3, 5, 6 and 7, values of R squared that end in 0", check)
    effect, headline = abs(p.coef(BASELINE)), p.text["headline_effect_percent"]
    meaning = (
        "in percent of the mean the effect is larger: the number of the text is the coefficient times 100, in points "
        "of an index from 0 to 100"
    )
    check = equal(100 * effect / p.mean(OUTCOME), headline, meaning)
    yield _finding("t3.headline.percent", "Text, effect in percent of the mean of INDG", check)
    check = equal(100 * effect, headline)
    yield _finding("t3.headline.points", "Text, effect in hundredths of the index", check)
    yield _little_change(p, "t3.change", (3, 1, POLICY), BASELINE, "Table 3, Policy from column 1 to column 6")


def _little_change(p: PrintedTables, name: str, first: Place, last: Place, item: str) -> Finding:
    """The text's "changes little", read as a change below one printed standard error."""
    change = abs(p.coef(last) - p.coef(first))
    check = at_most(change, p.error(last))
    percent = 100 * (abs(p.coef(last)) / abs(p.coef(first)) - 1)
    meaning = (
        f"a change of {percent.value:+.1f} % and {change.value / p.error(last).value:.1f} standard errors, where the "
        "text says little; little is read as less than one printed standard error"
    )
    return _finding(name, f"{item}: changes little", replace(check, meaning=meaning))


def _which_error(p: PrintedTables) -> Iterator[Finding]:
    """Table 3: which standard error its numbers agree with; the paper does not say which it is.

    With b the coefficient of Policy, d its mean, n observations and residual variance s^2, the constant is ybar - b d.
    Under independent disturbances of equal variance Policy has the error s / sqrt(S), S the sum of squares of the
    two-way demeaned dummy, and the constant sqrt(s^2/n + d^2 se(b)^2). Within a city, and within a year, residuals sum
    to zero: clustered by either, or by groups of whole cities, the constant has the error d se(b). Robust to unequal
    variances alone, its error lies between the difference and the sum of s/sqrt(n) and d se(b).
    R squared is taken as not adjusted; taken as adjusted, it moves the error of Policy under equal variance by 3 %.
    """
    place, constant = (3, 1, POLICY), (3, 1, "constant")
    policy, printed = p.error(place), p.error(constant)
    s, variation = _residual_sd(p, 1), _variation(p)
    own, through_policy = s / Decimal(p.n).sqrt(), p.mean(POLICY) * policy
    item = "Table 3 (1) read as clustered by city, groups of cities or year: error of the constant"
    yield _finding("t3.error.clustered.constant", item, _reading(equal(through_policy, printed)))
    equal_variance = "read as independent with equal variance"
    check = equal((own * own + through_policy * through_policy).sqrt(), printed)
    yield _finding(
        "t3.error.classical.constant", f"Table 3 (1) {equal_variance}: error of the constant", _reading(check)
    )
    item = f"Table 3 (1) {equal_variance}: error of Policy, with the cohorts of the zones"
    yield _finding("t3.error.classical.policy.c1", item, _reading(equal(s / variation.sqrt(), policy)))
    cities = Rounded.exact(p.text["n_treated_cities"])
    most = p.treated * (1 - p.treated / (cities * p.years))
    item = f"Table 3 (1) {equal_variance}: least error of Policy, whatever the years of treatment"
    yield _finding("t3.error.classical.any_design", item, _reading(at_least(policy, s / most.sqrt())))
    for column in COLUMNS_OF_TABLE_3[1:]:
        item = f"Table 3 ({column}) {equal_variance}: least error of Policy, with the cohorts of the zones"
        check = at_least(p.error((3, column, POLICY)), _residual_sd(p, column) / variation.sqrt())
        yield _finding(f"t3.error.classical.policy.c{column}", item, _reading(check))
    for column, term in enumerate(CONTROLS, start=2):
        r2 = p.r2(3, column - 1), p.r2(3, column)
        check = added_regressor(*r2, p.coef((3, column, term)), p.error((3, column, term)), df=_df(p, column))
        item = f"Table 3 ({column}) {equal_variance}: |t| of {term} from the rise of R squared"
        yield _finding(f"t3.error.classical.{term}", item, _reading(check))
    low, high = abs(own - through_policy).low, (own + through_policy).high
    check = statement(f"{low:.5f} to {high:.5f}", f"{printed.value}", printed.low <= high and printed.high >= low, "")
    item = "Table 3 (1) read as independent with unequal variances: error of the constant"
    yield _finding("t3.error.robust.constant", item, _reading(check))
    yield from _odd_error(p)


def _reading(check: Check) -> Check:
    """A reading that the numbers rule out is no fault of theirs: the paper does not say which error it prints."""
    if check.verdict != "inconsistent":
        return check
    meaning = (
        "no rounding makes this reading fit, so the printed errors are of another kind; the paper does not say which"
    )
    return replace(check, verdict="not determined", meaning=meaning)


def _odd_error(p: PrintedTables) -> Iterator[Finding]:
    """The error of ln trans, which one column prints apart from the others."""
    errors = {column: p.error((3, column, "ln_trans")).value for column in COLUMNS_OF_TABLE_3[1:]}
    usual = sorted(errors.values())[len(errors) // 2]
    apart = [f"{error} in column {column}" for column, error in errors.items() if error != usual]
    meaning = "one printed error stands apart; the printed numbers do not say whether it stands" * (len(apart) > 0)
    check = plausible(f"{usual}", ", ".join(apart) or f"{usual}", not apart, meaning)
    yield _finding("t3.error.ln_trans", "Table 3, error of ln trans in the five columns that have it", check)


def _bacon(p: PrintedTables) -> Iterator[Finding]:
    """Table 4: weights, products, labels, and the weight of timing in the recovered design."""
    weight = {name: Rounded.of(row["weight"]) for name, row in p.bacon.items()}
    product = {name: weight[name] * Rounded.of(row["beta"]) for name, row in p.bacon.items()}
    check = counts([row["weight"] for row in p.bacon.values()], 1)
    yield _finding("t4.weights", "Table 4, the weights sum to 1", check)
    meaning = "the weighted sum of the parts is not the estimate"
    check = equal(_total(product.values()), p.cells[BASELINE].value, meaning)
    yield _finding("t4.sum", "Tables 4 and 3, the weighted sum is Policy of column 6", check)
    timing, never, within = "timing_groups", "never_vs_timing", "within"
    check = equal(100 * weight[timing], p.text["bacon_timing_share"])
    yield _finding("text.bacon_timing_share", "Text against table 4, weight of comparisons between cohorts", check)
    meaning = "the text leaves one printed row out"
    check = statement(f"{len(p.bacon)} rows", f"{GROUPS_IN_TEXT} groups", len(p.bacon) == GROUPS_IN_TEXT, meaning)
    yield _finding("t4.groups", "Table 4, groups into which the text says the estimate is divided", check)
    check = at_least(weight[never], Rounded.exact("0.5"))
    yield _finding("t4.mostly_never", "Table 4, most of the weight is on never-treated cities", check)
    ends = sorted(p.bacon[name]["beta"] for name in (timing, never))
    beta, label = p.bacon[within]["beta"], p.bacon_labels[within]
    meaning = (
        f"no average of the other two rows, which print {ends[0]} and {ends[1]}; consistent with the term within "
        "cohorts of a decomposition with controls, which the printed label does not name"
    )
    check = plausible(f"{ends[0]} to {ends[1]}", f"{beta}", ends[0] <= beta <= ends[1], meaning)
    yield _finding("t4.label", f"Table 4, the row labelled {label} (between the two)", check)
    offset = 100 * abs(product[within]) / abs(product[never])
    meaning = (
        f"the row has {100 * weight[within].value:.2f} % of the weight and the product {product[within].value:+.4f}, "
        f"against {product[never].value:+.4f} of never-treated cities; the text does not mention it"
    )
    check = Check(f"{offset.show(1)} %", "not mentioned", "not determined", meaning)
    yield _finding("t4.offset", f"Table 4, share of the never-treated part that the row {label} offsets", check)
    between = (product[timing] + product[never]) / (weight[timing] + weight[never])
    without = p.cells[3, 1, POLICY].value
    meaning = "close to the estimate without controls; with controls the two need not be equal"
    check = Check(between.show(5), f"{without}", "not determined", meaning)
    yield _finding(
        "t4.between", "Tables 4 and 3, first two rows rescaled to weight 1, beside Policy of column 1", check
    )
    expected = timing_weight(p.cohorts, cities=p.cities, years=_years(p))
    share = weight[timing] / (weight[timing] + weight[never])
    meaning = (
        f"the printed weight is {share.value:.4f} of the first two rows; controls change weights, so this is "
        "consistent with the cohorts of the zones and no proof of them"
    )
    check = Check(f"{expected:.4f}", f"{p.bacon[timing]['weight']}", "not determined", meaning)
    yield _finding(
        "t4.timing", "Table 4, weight between cohorts, from the cohorts of the zones without controls", check
    )


def _robustness(p: PrintedTables) -> Iterator[Finding]:
    """Table 5: samples, anticipation, and the column without municipalities."""
    dropped = p.n - p.n_obs(5, 1)
    meaning = "the text says a few; how many are few it does not say"
    shown = f"{dropped.value:,} ({100 * dropped.value / p.n:.1f} %)"
    check = Check(shown, "a few", "not determined", meaning)
    yield _finding("t5.matched", "Table 5, observations that matching drops in column 1", check)
    dropped = p.n - p.n_obs(5, 3)
    cities = dropped.value / p.years
    whole = cities == int(cities) and cities > 0
    check = statement("whole cities", f"{dropped.value} / {p.years} = {cities:.4g}", whole, "no whole city")
    if check.verdict == "consistent":
        check = replace(check, meaning=f"{cities:.0f} municipalities; Chongqing's zone is left out by section 2.2")
    yield _finding("t5.municipalities", "Table 5, observations without the municipalities, column 3", check)
    for column in (2, 4, 5, 6, 7, 8):
        check = equal(Rounded.exact(p.n), p.n_obs(5, column))
        yield _finding(f"t5.n_obs.c{column}", f"Tables 5 and 2, column {column}: one sample", check)
    item = "Tables 5 and 3, Policy without the municipalities"
    yield _little_change(p, "t5.change.c3", BASELINE, (5, 3, POLICY), item)
    yield from _anticipation(p)


def _anticipation(p: PrintedTables) -> Iterator[Finding]:
    """Policy x pre1 as written, and Treat x pre1 by the formula of the omitted variable: b = b_4 + gamma delta."""
    before = {year - 1: cities for year, cities in p.cohorts.items()}
    eve = treated_panel(before, cities=p.cities, years=_years(p)) - _panel(p)
    place = (5, 4, "policy_x_pre1")
    marked = int((_panel(p) * eve).sum())
    meaning = (
        f"Policy is 0 in the year before it begins, so the product is 0 throughout and has no coefficient; Treat in "
        f"place of Policy marks {int(eve.sum())} city-years"
    )
    cell = p.cells[place]
    check = statement(f"{marked} city-years marked", f"{cell.value} ({cell.spread})", marked > 0, meaning)
    yield _finding("t5.anticipation.policy", "Table 5, column 4: Policy × pre1 taken literally", check)
    demeaned = _demeaned(_panel(p))
    slope = Rounded.exact(Decimal(float((demeaned * eve).sum() / (demeaned**2).sum())))
    check = equal(p.coef((5, 4, POLICY)) + slope * p.coef(place), p.cells[BASELINE].value)
    meaning = (
        f"the slope of Treat × pre1 on Policy is {slope.value:.3f} in the cohorts of the zones, controls left aside: "
        "plausible, no identity"
    )
    verdict = check.verdict if check.verdict != "inconsistent" else "not determined"
    item = "Tables 5 and 3, Policy of column 6 from column 4 of table 5, with Treat × pre1"
    yield _finding("t5.anticipation.treat", item, replace(check, verdict=verdict, meaning=meaning))


def _splits(p: PrintedTables) -> Iterator[Finding]:
    """Table 6: samples that sum up, whole cities, differences between groups, and the pooled estimate between them."""
    for name, (first, second, label) in SPLITS.items():
        parts = p.n_obs(6, first), p.n_obs(6, second)
        missing = p.n - _total(parts).value
        check = counts([int(x.value) for x in parts], p.n)
        if check.verdict == "inconsistent":
            meaning = (
                f"{missing} observations in neither column; consistent with city-years that drop out as their city's "
                "only one in a group, and with missing population"
            )
            check = replace(check, meaning=meaning)
        yield _finding(f"t6.n_obs.{name}", f"Table 6, {label}: observations of the two groups", check)
        for column, part in zip((first, second), parts, strict=True):
            cities = part.value / p.years
            whole = cities == int(cities)
            meaning = f"{cities:.0f} cities" if whole else "cities change groups, or observations are missing"
            check = plausible(f"a multiple of {p.years}", f"{part.value}", whole, meaning)
            yield _finding(f"t6.cities.c{column}", f"Table 6, column {column}, {label}: whole cities", check)
        a, b = ((6, column, POLICY) for column in (first, second))
        check = contrast(p.coef(a), p.error(a), p.coef(b), p.error(b))
        check = replace(
            check, meaning=f"{check.meaning}; the text compares stars, the two samples taken as independent"
        )
        yield _finding(f"t6.contrast.{name}", f"Table 6, {label}: do the two effects differ?", check)
        check = _pooled(p, first, second)
        yield _finding(f"t6.pooled.{name}", f"Tables 6 and 3, {label}: pooled effect", check)


def _pooled(p: PrintedTables, first: int, second: int) -> Check:
    """The pooled estimate within one standard error of the groups' mean, weighted by their precision."""
    groups = [(6, column, POLICY) for column in (first, second)]
    precision = [1 / (p.error(place) * p.error(place)) for place in groups]
    mean = _total(w * p.coef(place) for w, place in zip(precision, groups, strict=True)) / _total(precision)
    distance = abs(mean.value - p.coef(BASELINE).value) / p.error(BASELINE).value
    meaning = f"{distance:.1f} standard errors from the groups' mean weighted by precision: plausible, no identity"
    return plausible(f"{mean.value:.4f}", f"{p.coef(BASELINE).value}", distance < 1, meaning)


def _mechanisms(p: PrintedTables) -> Iterator[Finding]:
    """Table 7: samples, a label, where the interaction model returns the baseline, and the sign of each channel."""
    for column in range(1, 2 * len(MECHANISMS) + 1):
        check = equal(Rounded.exact(p.n), p.n_obs(7, column))
        yield _finding(f"t7.n_obs.c{column}", f"Tables 7 and 2, column {column}: one sample", check)
    for name, (effect, outcome, label) in MECHANISMS.items():
        a, c = p.coef((7, effect, POLICY)), p.coef((7, outcome, POLICY))
        b, d = p.coef((7, outcome, name)), p.coef((7, outcome, f"{name}_x_policy"))
        said = p.cells[7, outcome, f"{name}_x_policy"].label.split("（")[0]
        meaning = "the row carries the name of the outcome; equation (6) and the other two rows have Policy"
        check = statement(f"{label}×Policy", said, said == f"{label}×Policy", meaning)
        yield _finding(f"t7.label.{name}", f"Table 7, column {outcome}: name of the interaction", check)
        level = (p.coef(BASELINE) - c) / d
        meaning = (
            f"the effect is {c.value:+f} {d.value:+f} × {label}; what {label} is on average the paper does not print"
        )
        if name == "emp":
            meaning += f"; it is a share, and at a share of one the effect is {(c + d).value:.4f}"
        item = f"Tables 7 and 3, {label} at which the effect of column {outcome} is the baseline"
        yield _finding(f"t7.level.{name}", item, Check(level.show(3), "no mean", "not determined", meaning))
        channel = a * (b + d)
        share = 100 * channel.value / p.coef(BASELINE).value
        moderation = "the text infers the channel from the interaction alone, which is moderation"
        check = statement(
            f"{channel.value:+.4f}",
            "narrows the gap",
            channel.high < 0,
            f"with the printed slope {(b + d).value:+.4f} of INDG in {label} under the policy, mediation widens the "
            f"gap; {moderation}",
            f"{share:.0f} % of the baseline; {moderation}",
        )
        if channel.low <= 0 <= channel.high:
            check = replace(check, verdict="not determined", meaning="the sign is open within rounding")
        item = f"Table 7, columns {effect} and {outcome}: effect through {label}, a(b + d), sign of the point estimate"
        yield _finding(f"t7.channel.{name}", item, check)
    low, others = p.r2(7, MECHANISMS["emp"][0]), [p.r2(7, MECHANISMS[name][0]) for name in ("innoap", "isa")]
    meaning = "low for a share with effects of city and year; the paper prints no moments of EMP"
    shown = f"{min(x.value for x in others)} and more in columns 1 and 3"
    check = Check(shown, f"{low.value}", "not determined", meaning)
    yield _finding("t7.r2.emp", "Table 7, R squared of EMP", check)


def _significance(p: PrintedTables) -> Iterator[Finding]:
    """Stars against coefficient and error, and the text's words against stars."""
    yield from stars_of("p5", p)
    for place, (sign, level) in SIGNIFICANCE.items():
        cell = p.cells[place]
        if level == "":
            holds = cell.stars == ""
        else:
            holds = (cell.value < 0) == (sign == "negative") and len(cell.stars) >= len(level)
        told = f"{sign}, significant{' at 1 %' * (level == '***')}" if level else "not significant"
        number, column, term = place
        item = f"Text against table {number}, column {column}: sign and stars of {term}"
        check = statement(told, f"{cell.value}{cell.stars}", holds, "the words of the text are not those of the table")
        yield _finding(f"text.significance.t{number}.c{column}.{term}", item, check)


def _df(p: PrintedTables, column: int) -> int:
    """Residual degrees of freedom in table 3: column k has k regressors beside the effects of city and year."""
    return p.n - p.cities - (p.years - 1) - column


def _residual_sd(p: PrintedTables, column: int) -> Rounded:
    """Residual deviation in table 3, from R squared and the deviation of the outcome."""
    sd = Rounded.of(p.described[OUTCOME]["std_dev"])
    return ((1 - p.r2(3, column)) * Decimal(p.n - 1) / _df(p, column)).sqrt() * sd


def _variation(p: PrintedTables) -> Rounded:
    """Sum of squares of the two-way demeaned policy dummy."""
    return Rounded.exact(Decimal(float((_demeaned(_panel(p)) ** 2).sum())))


def _panel(p: PrintedTables) -> NDArray[np.float64]:
    return treated_panel(p.cohorts, cities=p.cities, years=_years(p))


def _years(p: PrintedTables) -> range:
    return range(int(p.text["first_year"]), int(p.text["last_year"]) + 1)


def _demeaned(panel: NDArray[np.float64]) -> NDArray[np.float64]:
    """A balanced panel less its city and year means."""
    centred: NDArray[np.float64] = panel - panel.mean(axis=1, keepdims=True) - panel.mean(axis=0) + panel.mean()
    return centred


def _ways(cities: int, total: int, lengths: Iterable[int]) -> int:
    """Divisions of cities over cohorts, treated for so many years each, with so many treated city-years in all."""
    ways = {(0, 0): 1}
    for length in lengths:
        longer: dict[tuple[int, int], int] = {}
        for (used, years), count in ways.items():
            for size in range(cities - used + 1):
                key = used + size, years + size * length
                longer[key] = longer.get(key, 0) + count
        ways = longer
    return ways.get((cities, total), 0)


def _finding(name: str, item: str, check: Check) -> Finding:
    return Finding(f"p5.audit.{name}", item, check)


def _total(values: Iterable[Rounded]) -> Rounded:
    return sum(values, Rounded.exact(0))
