"""Audit of p2, balanced growth of eleven national clusters, 2008-2017: tables 1 to 5 and what the text says.

The equations of the two-city model are not among its checks: they are algebra, and the audit is arithmetic.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from regiometrics.data.facts import cluster_names, eleven_clusters
from regiometrics.data.published import table
from regiometrics.report.audits.identities import contrast, counts, indirect, sobel
from regiometrics.report.audits.printed import (
    Place,
    PrintedEstimates,
    cells_of,
    numbers_in_text,
    plausible,
    stars_of,
    statement,
)
from regiometrics.report.audits.rounded import Check, Finding, Rounded, at_most, equal, within

TABLES_OF_ESTIMATES = (1, 2, 4, 5)
MEDIATION = 5
DIV, TRANS = "ln_div", "ln_trans"
CONTROLS = ("ln_fdi", "ln_gov", "ln_inv", "ln_edu")
ALL, CENTRAL, OTHER, GAP = 1, 2, 3, 4  # columns of table 1
GROUPS = {1: (CENTRAL, OTHER, GAP), 4: (1, 2, 3)}  # table -> columns of central cities, the others, and their gap
NON_CENTRAL = {2: (1, OTHER), 4: (4, 2)}  # table of equation (11) -> where its cities stand without a lag
DYNAMIC = {2: {"region": 1, "core": 2}, 4: {"region": 4, "core": 5}}  # table -> dummy -> column of equation (11)
AGAIN = {1: (1, CENTRAL), 2: (1, OTHER), 3: (1, GAP), 4: (2, 1), 5: (2, 2)}  # column of table 4 -> the one it repeats
TOTAL: Place = (5, 1, TRANS)
TO_MEDIATOR: Place = (5, 2, TRANS)
DIRECT: Place = (5, 3, TRANS)
FROM_MEDIATOR: Place = (5, 3, DIV)
SHARE: Place = (5, 3, "mediated_share_percent")
NAMES: Mapping[str, str] = dict(cluster_names("p2")[["cluster", "cluster_en"]].itertuples(index=False))
POLYCENTRIC, MONOCENTRIC = "polycentric", "monocentric"
YEARS = (2008, 2013, 2017)  # of table 3
WESTERN_THRESHOLD = Decimal(1)  # section 4.3
LEVEL_10 = Decimal("1.645")

# Sign and significance in the words of the text: "" any stars or none, "*" significant at any level.
SIGNIFICANCE: Mapping[Place, tuple[str, str]] = {
    (1, ALL, DIV): ("positive", "*"),
    **{(1, ALL, term): ("positive", "") for term in CONTROLS},
    (1, CENTRAL, DIV): ("positive", "*"),
    (1, OTHER, DIV): ("positive", "*"),
    (1, GAP, DIV): ("negative", "*"),
    (1, GAP, "ln_fdi"): ("negative", "*"),
    (1, GAP, "ln_edu"): ("positive", ""),
    (2, 1, "region"): ("negative", ""),
    (2, 2, "core"): ("positive", ""),
    TOTAL: ("positive", "*"),
    TO_MEDIATOR: ("positive", ""),
}
# Two statements each, the first of the section on method, the second of the section on results.
STATED_TWICE = {
    "gap": ("a difference of levels (section 3.2)", "a gap of growth rates (增速差距, tables 1 and 4)"),
    "gmm_equation": ("equation (11), which has the lag and the dummy", "equation (10) (section 4.2)"),
}
CONTROLS_IN_EQUATIONS = {1: True, 2: False, 3: True}  # (12) to (14), by column of table 5


class Members(NamedTuple):
    """A cluster in the list of the project: cities, centres by the stated rule, cities north of Qinling and Huai."""

    cities: int
    centres: int
    north: int


@dataclass(frozen=True)
class PrintedTables(PrintedEstimates):
    """The printed numbers of p2; replace one to see what the audit makes of it.

    Attributes
    ----------
    cells : mapping (table, column, term) -> Cell
        Tables 1, 2, 4 and 5, with observations and test statistics among the terms.
    controls : mapping column -> bool
        Whether table 5 says that a column has controls.
    q : mapping cluster -> year -> Decimal
        Table 3.
    structure : mapping cluster -> str
        Its last column, ``"monocentric"`` or ``"polycentric"``.
    members : mapping cluster -> Members
        From the list of clusters: cities, municipalities with provincial capitals and separately planned cities, and
        cities whose seat lies north of the Qinling and the Huai; the paper states both rules and lists no city.
    north : mapping cluster -> bool
        Whether table 3 puts a cluster in the north.
    text, stated_twice
        See `PrintedEstimates`.
    """

    controls: Mapping[int, bool]
    q: Mapping[str, Mapping[int, Decimal]]
    structure: Mapping[str, str]
    members: Mapping[str, Members]
    north: Mapping[str, bool]

    @classmethod
    def read(cls) -> PrintedTables:
        """The tables of ``data/published`` and the clusters of ``data/facts``."""
        mediation = table("p2", MEDIATION).to_dict("records")
        structure = table("p2", 3).to_dict("records")
        return cls(
            cells=cells_of("p2", TABLES_OF_ESTIMATES),
            controls={int(row["column"]): row["value"] == "yes" for row in mediation if row["term"] == "controls"},
            q={row["cluster"]: {year: row[f"q_{year}"] for year in YEARS} for row in structure},
            structure={row["cluster"]: row["structure"] for row in structure},
            text=numbers_in_text("p2"),
            stated_twice=STATED_TWICE,
            members={
                str(cluster): Members(len(part), int(part["central"].sum()), int(part["north_seat"].sum()))
                for cluster, part in eleven_clusters().groupby("cluster", sort=False)
            },
            north={row["cluster"]: row["region"] == "north" for row in structure},
        )

    @property
    def threshold(self) -> Decimal:
        """The q above which a cluster counts as monocentric."""
        return self.text["q_threshold"]

    def n_obs(self, number: int, column: int) -> int:
        """The observations of a column."""
        return int(self.cells[number, column, "n_obs"].value)


def findings(printed: PrintedTables | None = None) -> list[Finding]:
    """All checks on p2, table by table; ``printed`` defaults to the tables as published."""
    p = PrintedTables.read() if printed is None else printed
    return [
        *_sample(p),
        *_gap(p),
        *_baseline(p),
        *_dynamic(p),
        *_repeats(p),
        *_structure(p),
        *_centres(p),
        *_robustness(p),
        *_mediation(p),
        *_significance(p),
    ]


@cache
def largest_rise(removed: int, cities: int) -> float:
    r"""Largest factor by which q can rise when the second largest of n cities is removed several times.

    With the intercept fixed at the largest city, :math:`q=\sum_i g_i\ln R_i/\sum_i(\ln R_i)^2` is linear in the gaps
    :math:`g_i=\ln p_1-\ln p_i`, which do not fall in rank. Such gaps are sums of steps :math:`1\{i\ge k\}` with weights
    of at least zero, so the ratio of q after and before is largest at a single step; the ranks close up.

    Parameters
    ----------
    removed, cities : int
        Cities removed, and cities before; two have to be left.

    Examples
    --------
    >>> round(largest_rise(1, 3), 3), round(largest_rise(1, 30), 3)
    (2.216, 1.049)
    """
    log = np.log(np.arange(1, cities + 1))
    left = log[: cities - removed]
    before = np.cumsum(log[::-1])[::-1] / (log**2).sum()
    after = np.cumsum(left[::-1])[::-1] / (left**2).sum()
    return float((after[1:] / before[removed + 1 :]).max())


def fewest_centres(q: Rounded, threshold: Decimal, sizes: range) -> int:
    """Fewest centres by the printed rule in a cluster of one of the sizes: the largest city and those removed.

    Where two cities that are left do not reach the threshold, all but one.

    Examples
    --------
    >>> fewest_centres(Rounded.of("0.10"), Decimal("0.5"), range(3, 157))
    4
    """
    if q.high > threshold:
        return 1
    needed = float(threshold / q.high)
    for removed in range(1, sizes[-1] - 1):
        if max(largest_rise(removed, n) for n in sizes if n >= removed + 2) > needed:
            return 1 + removed
    return sizes[-1] - 1


def _sample(p: PrintedTables) -> Iterator[Finding]:
    """Cities, years, clusters, and observations that make up the sample."""
    pooled = p.n_obs(1, ALL)
    check = equal(Rounded.exact(pooled) / p.years, Rounded.exact(p.text["n_cities"]))
    yield _finding("text.n_cities", "Text and table 1, observations of all cities over years", check)
    check = equal(Rounded.exact(len(p.q)), Rounded.exact(p.text["n_clusters"]))
    yield _finding("text.n_clusters", "Text and table 3, clusters", check)
    check = counts([int(p.text["n_approved_plans"]), 1], int(p.text["n_clusters"]))
    item = "Text, approved plans and Beijing-Tianjin-Hebei make up the clusters"
    yield _finding("text.n_approved_plans", item, check)
    for number, (central, other, gap) in GROUPS.items():
        parts = p.n_obs(number, central), p.n_obs(number, other)
        check = counts(parts, pooled)
        item = f"Table {number}, central and non-central cities make up the observations of table 1, column 1"
        yield _finding(f"t{number}.n_obs", item, check)
        for column, part in zip((central, other), parts, strict=True):
            whole = part % p.years == 0
            meaning = f"{part // p.years} cities" if whole else "cities change groups, or observations are missing"
            check = plausible(f"a multiple of {p.years}", f"{part}", whole, meaning)
            yield _finding(f"t{number}.cities.c{column}", f"Table {number}, column {column}: whole cities", check)
        check = equal(Rounded.exact(parts[1]), Rounded.exact(p.n_obs(number, gap)))
        item = f"Table {number}, columns {other} and {gap}: one sample of non-central cities"
        yield _finding(f"t{number}.n_obs.c{gap}", item, check)


def _gap(p: PrintedTables) -> Iterator[Finding]:
    """The gap to the centres: what it is, and its logarithm."""
    first, second = p.stated_twice["gap"]
    check = statement(first, second, first == second, "the two are different variables")
    yield _finding("text.gap", "Text and tables, the gap between non-central and central cities", check)
    for number, (_, other, gap) in GROUPS.items():
        n, whole = p.n_obs(number, gap), p.n_obs(number, other)
        meaning = (
            f"a difference has a logarithm only where the centres are ahead, and {whole - n} of {whole:,} observations "
            "are missing; consistent with centres that are always ahead, and with another form of the gap such as a "
            "ratio"
        )
        check = Check(f"at most {whole:,}", f"{n:,}", "not determined", meaning)
        item = f"Table {number}, column {gap}: observations with a logarithm of the gap"
        yield _finding(f"t{number}.gap.c{gap}", item, check)


def _baseline(p: PrintedTables) -> Iterator[Finding]:
    """Table 1: the pooled estimate beside those of the two groups, and one odd error."""
    for term in (DIV, *CONTROLS):
        low, high = sorted((p.coef((1, column, term)) for column in (CENTRAL, OTHER)), key=lambda x: x.value)
        check = within(p.coef((1, ALL, term)), low, high)
        meaning = "outside the range of the two groups: unusual, but with several regressors no identity is broken"
        if term == DIV:
            meaning += "; the index has opposite directions in the two groups"
        item = f"Table 1, {term}: estimate for all cities between those for the two groups"
        yield _finding(f"t1.pooled.{term}", item, _open(check, meaning))
    a, b = (1, CENTRAL, DIV), (1, OTHER, DIV)
    check = contrast(p.coef(a), p.error(a), p.coef(b), p.error(b))
    yield _finding("t1.contrast", "Table 1, ln_div: do central and non-central cities differ?", check)
    place = (1, OTHER, "ln_fdi")
    others = [p.error(x).value for x in p.cells if x[2] == "ln_fdi" and x != place]
    odd = p.error(place)
    holds = odd.value <= 2 * max(others)
    meaning = (
        f"{odd.value / max(others):.1f} times the largest of the other {len(others)}; the stars agree with it as "
        "printed, and no printed number contradicts it"
    ) * (not holds)
    check = plausible(f"{min(others)} to {max(others)}", f"{odd.value}", holds, meaning)
    yield _finding("t1.error.ln_fdi", "Table 1, column 3: error of ln_fdi beside those in all other columns", check)


def _dynamic(p: PrintedTables) -> Iterator[Finding]:
    """Tables 2 and 4, equation (11): observations, tests, and what the dummies say."""
    first, second = p.stated_twice["gmm_equation"]
    check = statement(first, second, first == second, "table 2 has a row for the lag and one for the dummy")
    yield _finding("text.gmm_equation", "Text and table 2, the equation estimated by system GMM", check)
    missing = {}
    for number, columns in DYNAMIC.items():
        cities = p.n_obs(*NON_CENTRAL[number]) // p.years
        whole = cities * (p.years - 1)
        for dummy, column in columns.items():
            n = p.n_obs(number, column)
            missing[number, column] = whole - n
            meaning = (
                f"{whole - n} fewer than {cities} cities have in {p.years - 1} years, although the same variables are "
                "complete in the equations without a lag; the paper does not say which are left out"
            ) * (n != whole)
            check = plausible(f"{whole:,}", f"{n:,}", n == whole, meaning)
            item = f"Table {number}, column {column}: non-central cities times years with a lag"
            yield _finding(f"t{number}.n_obs.c{column}", item, check)
            yield _second_order(p, number, column)
            yield _level_shift(p, number, column, dummy)
        labels = sorted({p.cells[number, column, "sargan_p"].label for column in columns.values()})
        meaning = (
            "after two steps the statistic robust to unequal variances is that of Hansen; some software calls the "
            "two-step one Sargan's too, and the paper does not print lags or the number of instruments"
        )
        check = Check("Sargan or Hansen", ", ".join(labels), "not determined", meaning)
        yield _finding(f"t{number}.sargan", f"Table {number}, test of the instruments after two steps", check)
    same = len(set(missing.values())) == 1
    shown = ", ".join(f"{n}" for n in missing.values())
    meaning = "the samples of the two tables differ, what is missing has one size in all columns" * same
    check = plausible("one number", shown, same, meaning or "what is missing differs between columns")
    yield _finding("n_obs.missing", "Tables 2 and 4, observations missing in the four columns with a lag", check)


def _second_order(p: PrintedTables, number: int, column: int) -> Finding:
    """AR(2) is printed without saying whether it is a p value or a statistic."""
    value = p.cells[number, column, "ar2"].value
    holds = LEVEL_10 > value > Decimal("0.1")
    meaning = "no sign of second-order correlation at 10 %" if holds else "the two readings part, or both reject"
    check = plausible(f"a p value above 0.1 and a statistic below {LEVEL_10}", f"{value}", holds, meaning)
    item = f"Table {number}, column {column}: AR(2) read as a p value and as a statistic"
    return _finding(f"t{number}.ar2.c{column}", item, check)


def _level_shift(p: PrintedTables, number: int, column: int, dummy: str) -> Finding:
    """The text says that division of labour works more or less; the printed dummy shifts the level."""
    holds = (number, column, f"{dummy}_x_{DIV}") in p.cells
    meaning = (
        "equation (11) lets the dummy shift the level of hgdp; whether the division of labour works more in one group "
        "than in the other its coefficient does not say"
    ) * (not holds)
    shown = f"{p.cells[number, column, dummy].value} for {dummy}"
    check = plausible(f"a coefficient of {dummy} × div", shown, holds, meaning)
    item = f"Text and table {number}, column {column}: the effect of div differs by {dummy}"
    return _finding(f"t{number}.interaction.{dummy}", item, check)


def _repeats(p: PrintedTables) -> Iterator[Finding]:
    """Coefficients with their errors that stand in two places."""
    estimates = p.estimates()
    for number in TABLES_OF_ESTIMATES:
        rows: dict[str, dict[int, tuple[Decimal, Decimal]]] = {}
        for (where, column, term), pair in estimates.items():
            if where == number:
                rows.setdefault(term, {})[column] = pair
        same = [(a, b) for a, b in combinations(rows, 2) if rows[a] == rows[b]]
        shown = "; ".join(f"{a} and {b}" for a, b in same)
        numbers = sum(2 * len(rows[a]) for a, _ in same)
        meaning = (
            f"{numbers} printed numbers are the same in both rows; consistent with one row printed twice, and the "
            "numbers do not say which of the two it belongs to"
        ) * bool(same)
        check = plausible("none", shown or "none", not same, meaning)
        yield _finding(f"t{number}.rows", f"Table {number}, rows with the same numbers in all columns", check)
    often = Counter(estimates.values())
    places: dict[tuple[Decimal, Decimal], list[Place]] = {}
    for place, pair in estimates.items():
        if often[pair] > 1:
            places.setdefault(pair, []).append(place)
    apart = {pair: where for pair, where in places.items() if len({x[:2] for x in where}) > 1}
    shown = "; ".join(
        f"{pair[0]} ({pair[1]}) for " + " and ".join(f"{t} in table {n}, column {c}" for n, c, t in where)
        for pair, where in apart.items()
    )
    meaning = "consistent with a cell carried over, and with chance; the numbers do not say which" * bool(apart)
    check = plausible("none", shown or "none", not apart, meaning)
    yield _finding("repeats", "Coefficients printed with the same error in two columns", check)


def _structure(p: PrintedTables) -> Iterator[Finding]:
    """Table 3: the rule, and the classes that it makes."""
    for cluster, series in p.q.items():
        q = {year: Rounded.of(value) for year, value in series.items()}
        below = all(x.high < p.threshold for x in q.values())
        above = all(x.low > p.threshold for x in q.values())
        said = p.structure[cluster]
        ruled = POLYCENTRIC if below else MONOCENTRIC if above else "it depends on the year"
        shown = f"{said} at {', '.join(f'{value}' for value in series.values())}"
        check = statement(ruled, shown, said == ruled, f"the rule with the threshold {p.threshold} says otherwise")
        yield _finding(f"t3.rule.{cluster}", f"Table 3, {NAMES[cluster]}: q against the threshold in all years", check)
    yield from _thresholds(p)
    yield from _two_rules(p)


def _thresholds(p: PrintedTables) -> Iterator[Finding]:
    """Which thresholds give the printed classes."""
    classes = {
        kind: [value for cluster, series in p.q.items() for value in series.values() if p.structure[cluster] == kind]
        for kind in (POLYCENTRIC, MONOCENTRIC)
    }
    low, high = max(classes[POLYCENTRIC]), min(classes[MONOCENTRIC])
    check = statement(
        f"{low} to {high}",
        f"{p.threshold}",
        low < p.threshold < high,
        "the printed classes are not those of this threshold",
        "any threshold in between gives the printed classes",
    )
    yield _finding("text.q_threshold", "Table 3 and text, thresholds that give the printed classes", check)
    moved = [c for c, q in p.q.items() if p.structure[c] == MONOCENTRIC and max(q.values()) < WESTERN_THRESHOLD]
    stay = sum(kind == MONOCENTRIC for kind in p.structure.values()) - len(moved)
    meaning = (
        f"{', '.join(NAMES[c] for c in moved)} would be polycentric in all printed years"
        if moved
        else "no class would change"
    )
    check = Check(f"{stay}", f"{stay + len(moved)}", "not determined", meaning)
    item = f"Table 3, monocentric clusters at {WESTERN_THRESHOLD}, which section 4.3 calls usual elsewhere"
    yield _finding("t3.threshold", item, check)


def _two_rules(p: PrintedTables) -> Iterator[Finding]:
    """Classes by the number of centres in table 2, and by q in table 4."""
    by_count = {cluster: POLYCENTRIC if part.centres > 1 else MONOCENTRIC for cluster, part in p.members.items()}
    changed = [cluster for cluster, kind in p.structure.items() if by_count[cluster] != kind]
    meaning = f"{', '.join(NAMES[c] for c in changed)}; core has two meanings in tables 2 and 4" * bool(changed)
    check = plausible("none", f"{len(changed)} of {len(p.structure)}", not changed, meaning)
    item = "Table 3, clusters of another class than by their number of centres, from the list of clusters"
    yield _finding("t3.structure", item, check)
    astride = {
        cluster: part.cities - part.north if p.north[cluster] else part.north for cluster, part in p.members.items()
    }
    there = [f"{NAMES[cluster]} ({n})" for cluster, n in astride.items() if n]
    meaning = f"{', '.join(there)}: the text sorts cities by the side they lie on, table 3 whole clusters" * bool(there)
    check = plausible("none", f"{sum(astride.values())}", not there, meaning)
    item = (
        "Table 3 and text, cities on the other side of Qinling and Huai than their cluster, from the list of clusters"
    )
    yield _finding("t3.north", item, check)
    ours, again = (2, 2, "core"), (4, 5, "core")
    ratio = p.coef(again) / p.coef(ours)
    z = contrast(p.coef(ours), p.error(ours), p.coef(again), p.error(again)).printed
    meaning = (
        f"{ratio.value:.2f} times as large, {z} if the samples were independent, with {len(changed)} of "
        f"{len(p.structure)} clusters in the other class; the text sees no notable difference"
    )
    check = Check(f"{p.coef(ours).value}", f"{p.coef(again).value}", "not determined", meaning)
    yield _finding("t4.core", "Tables 2 and 4, core under the two rules", check)


def _centres(p: PrintedTables) -> Iterator[Finding]:
    """The number of central cities by each of the two rules."""
    printed, sample = p.n_obs(1, CENTRAL) // p.years, int(p.text["n_cities"])
    by_rule, listed = (sum(x) for x in zip(*((part.centres, part.cities) for part in p.members.values()), strict=True))
    meaning = (
        f"{by_rule} of the {listed} cities on the list, of which the sample leaves out {listed - sample}; the paper "
        "names neither its cities nor its centres"
    )
    check = plausible(f"{by_rule}", f"{printed}", by_rule == printed, meaning)
    yield _finding("t1.centres", "Table 1, central cities by the rule of section 3.2, from the list of clusters", check)
    printed = p.n_obs(4, 1) // p.years
    poly = sum(kind == POLYCENTRIC for kind in p.structure.values())
    least = len(p.structure) + poly
    check = statement(
        f"≥ {least}",
        f"{printed}",
        printed >= least,
        "a polycentric cluster has two centres or more",
        f"one in each of {len(p.structure) - poly} clusters, two or more in each of {poly}"
        + "; the number leaves none a third" * (printed == least),
    )
    yield _finding("t4.centres", "Tables 4 and 3, central cities by class", check)
    yield from _centres_by_q(p, printed)


def _centres_by_q(p: PrintedTables, printed: int) -> Iterator[Finding]:
    """Central cities that the printed q ask for, if the rule of section 4.3 is read as printed."""
    sample = int(p.text["n_cities"])
    dropped = sum(part.cities for part in p.members.values()) - sample
    sizes = {
        "any": ("whatever the size of a cluster", dict.fromkeys(p.q, range(3, sample + 1))),
        "listed": (
            "with the sizes of the list of clusters",
            {cluster: range(max(3, part.cities - dropped), part.cities + 1) for cluster, part in p.members.items()},
        ),
    }
    for name, (words, ranges) in sizes.items():
        fewest = {
            year: sum(fewest_centres(Rounded.of(q[year]), p.threshold, ranges[c]) for c, q in p.q.items())
            for year in YEARS
        }
        fits = printed >= min(fewest.values())
        meaning = (
            "read as printed: the intercept is the log population of the first city, ranks close up after a removal, "
            "and the largest city counts with those removed"
        )
        if not fits:
            meaning += "; so read the printed q ask for more centres, consistent with q or centres found in another way"
        shown = ", ".join(f"{n} in {year}" for year, n in fewest.items())
        check = plausible(f"at least {shown}", f"{printed}", fits, meaning)
        item = f"Tables 3 and 4, central cities that the rule of section 4.3 needs, {words}"
        yield _finding(f"t4.centres.{name}", item, check)


def _robustness(p: PrintedTables) -> Iterator[Finding]:
    """Table 4 against the columns that it repeats: signs and stars."""
    for column, (number, original) in AGAIN.items():
        pairs = {
            term: (p.cells[number, original, term], cell)
            for (where, place, term), cell in p.cells.items()
            if (where, place) == (4, column) and cell.spread is not None
        }
        signs = [term for term, (a, b) in pairs.items() if (a.value < 0) != (b.value < 0)]
        level = [term for term, (a, b) in pairs.items() if bool(a.stars) != bool(b.stars)]
        said = [f"sign: {', '.join(signs) or 'none'}", f"stars gained or lost: {', '.join(level) or 'none'}"]
        meaning = f"of {len(pairs)} coefficients; the text sees no notable difference and does not say what is one"
        check = plausible("no change", "; ".join(said), not signs and not level, meaning)
        item = f"Tables 4 and {number}, columns {column} and {original}: signs and stars"
        yield _finding(f"t4.same.c{column}", item, check)


def _mediation(p: PrintedTables) -> Iterator[Finding]:
    """Table 5: c = c' + ab, the share, and controls."""
    c, a, direct, b = (p.coef(place) for place in (TOTAL, TO_MEDIATOR, DIRECT, FROM_MEDIATOR))
    check = indirect(a.value, b.value, c.value, direct.value)
    if check.verdict == "inconsistent":
        meaning = (
            "the three equations do not share their sample and controls, or a number is not as estimated; table 5 "
            "prints no observations"
        )
        check = replace(check, meaning=meaning)
    yield _finding("t5.indirect", "Table 5, c = c' + ab", check)
    item = "Table 5, c = c' + ab with the two coefficients of column 3 in the other order"
    reading = _reading(indirect(a.value, direct.value, c.value, b.value))
    yield _finding("t5.indirect.exchanged", item, reading)
    check = at_most(direct, c, "with a positive ab the direct effect lies below the total one on one sample")
    if (a * b).low <= 0:
        check = replace(check, verdict="not determined", meaning="ab is not positive within rounding")
    yield _finding("t5.direct", "Table 5, direct effect against the total one", check)
    share = p.cells[SHARE].value
    others = {
        "ab/(ab + c')": a * b / (a * b + direct),
        "ab/c'": a * b / direct,
        "(c - c')/c": (c - direct) / c,
    }
    shown = ", ".join(f"{name} is {100 * x.value:.1f} %" for name, x in others.items())
    check = equal(100 * a * b / c, share, f"not the share of ab in c; {shown}")
    yield _finding("t5.share", "Table 5, share of ab in c, in percent", check)
    check = _reading(equal(100 * a * direct / c, share))
    if check.verdict in ("consistent", "rounding"):
        meaning = (
            f"{a.value} × {direct.value} / {c.value}: consistent with the direct effect taken for b, and with the two "
            "coefficients of column 3 in each other's row; the numbers do not decide, though the error of trans is "
            f"{p.error(DIRECT).value} there and {p.error(TOTAL).value} in column 1"
        )
        check = replace(check, meaning=meaning)
    yield _finding("t5.share.direct", "Table 5, share read as ac'/c, in percent", check)
    check = equal(p.coef(SHARE), p.text["mediated_share"])
    yield _finding("text.mediated_share", "Text and table 5, share of the indirect effect", check)
    t_a, t_b = (p.coef(x) / p.error(x) for x in (TO_MEDIATOR, FROM_MEDIATOR))
    z = sobel(t_a, t_b)
    check = Check(f"≥ {LEVEL_10}", f"{z.value:.2f}", "consistent" if z.low >= LEVEL_10 else "not determined")
    check = replace(check, meaning=f"z of ab is {z.show(2)}, the two estimates taken as independent")
    yield _finding("t5.sobel", "Table 5, indirect effect against its error, by Sobel at 10 %", check)
    for column, equation in CONTROLS_IN_EQUATIONS.items():
        said = p.controls.get(column, False)
        name = f"({11 + column})"
        check = statement(
            _yes(equation), _yes(said), said == equation, f"equation {name} and table 5 do not say the same"
        )
        yield _finding(f"t5.controls.c{column}", f"Table 5, column {column} and equation {name}: controls", check)


def _significance(p: PrintedTables) -> Iterator[Finding]:
    """Stars against coefficient and error, and the text's words against signs and stars."""
    yield from stars_of("p2", p)
    for place, (sign, level) in SIGNIFICANCE.items():
        number, column, term = place
        cell = p.cells[place]
        holds = (cell.value < 0) == (sign == "negative") and len(cell.stars) >= len(level)
        told = sign + ", significant" * bool(level)
        check = statement(told, f"{cell.value}{cell.stars}", holds, "the words of the text are not those of the table")
        item = f"Text against table {number}, column {column}: sign{' and stars' * bool(level)} of {term}"
        yield _finding(f"text.significance.t{number}.c{column}.{term}", item, check)


def _finding(name: str, item: str, check: Check) -> Finding:
    return Finding(f"p2.audit.{name}", item, check)


def _reading(check: Check) -> Check:
    """A reading that the numbers rule out is no fault of theirs."""
    return replace(check, verdict="not determined") if check.verdict == "inconsistent" else check


def _open(check: Check, meaning: str) -> Check:
    """A relation that is plausible and no identity: broken, it proves nothing."""
    return replace(check, verdict="not determined", meaning=meaning) if check.verdict == "inconsistent" else check


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
