"""Audit of p3, Chen and Wang: co-agglomeration in eight clusters, 2004-2018, its five tables and what the text says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import TypeVar

import pandas as pd

from regiometrics.data.facts import cluster_names, clusters
from regiometrics.data.published import in_text, table
from regiometrics.report.audits.identities import Direction, counts, gini_cv, match_headers, trend
from regiometrics.report.audits.rounded import Check, Finding, Rounded, at_least, at_most, equal, worst

Column = Mapping[str, Rounded]  # by year
Table = Mapping[str, Column]  # by column, in printed order
Pair = tuple[str, str]
Key = TypeVar("Key")

NAMES = {**dict(cluster_names("p3")[["cluster", "cluster_en"]].itertuples(index=False)), "overall": "all clusters"}
BTH, YRD, PRD, MIDDLE, CHENGDU, GUANZHONG, HARBIN, CENTRAL, OVERALL = NAMES
PARTS = ("within", "between_net", "transvariation")

# What the paper's section 4 says.
LEVEL_TRENDS: dict[str, Direction] = {YRD: "rises", PRD: "rises", MIDDLE: "falls", GUANZHONG: "falls"}
PLACES_IN_TABLE_2 = {
    "gini_2004": ("2004", OVERALL),
    "gini_2012": ("2012", OVERALL),
    "gini_2014": ("2014", OVERALL),
    "gini_2018": ("2018", OVERALL),
    "within_max_guanzhong": ("2013", GUANZHONG),
    "within_mean_guanzhong": ("mean", GUANZHONG),
    "within_mean_chengdu_chongqing": ("mean", CHENGDU),
    "within_mean_harbin_changchun": ("mean", HARBIN),
    "within_mean_bth": ("mean", BTH),
    "within_mean_yrd": ("mean", YRD),
    "within_mean_central_plains": ("mean", CENTRAL),
    "within_mean_middle_yangtze": ("mean", MIDDLE),
    "within_mean_prd": ("mean", PRD),
}
PHASES: tuple[tuple[str, str, Direction], ...] = (
    ("2004", "2012", "rises"),
    ("2012", "2014", "falls"),
    ("2014", "2018", "rises"),
)
WITHIN_ORDER = (GUANZHONG, CHENGDU, HARBIN, BTH, YRD, CENTRAL, MIDDLE, PRD)
WITHIN_TRENDS: dict[str, Direction] = {
    **dict.fromkeys((GUANZHONG, BTH, YRD, PRD), "rises"),
    **dict.fromkeys((MIDDLE, CHENGDU, HARBIN, CENTRAL), "falls"),
}
SHARES_IN_TEXT = {
    "between_net": "share_between_mean",
    "transvariation": "share_transvariation_mean",
    "within": "share_within_mean",
}
PAIRS_NAMED = ((YRD, PRD), (BTH, YRD), (BTH, GUANZHONG), (YRD, HARBIN), (YRD, GUANZHONG))
SIGMA_TRENDS: dict[str, Direction] = {
    **dict.fromkeys((CHENGDU, PRD, CENTRAL), "falls"),
    **dict.fromkeys((BTH, MIDDLE, YRD, HARBIN), "rises"),
}
# The shipped series contradicts these columns of table 1 (chapter p3), so a bound that uses one of them shows less.
CONTRADICTED_LEVELS = {YRD, CHENGDU}


@dataclass(frozen=True)
class PrintedTables:
    """The printed numbers of p3; replace one to see what the audit makes of it.

    Attributes
    ----------
    level, gini, sigma : mapping cluster -> year -> Rounded
        Tables 1, 2 and 5 as headed; 2 and 5 with ``overall`` as last column.
    mean_gini, mean_sigma : mapping cluster -> Rounded
        The rows of means of tables 2 and 5.
    pair_mean, pair_change : mapping (cluster, cluster) -> Rounded
        Table 3, left and right half in turns as printed.
    contribution, share : mapping part -> year -> Rounded
        Table 4.
    text : mapping item -> Rounded
        Numbers of the running text.
    cities : mapping cluster -> int
        Cities by cluster from the clusters' plans; the paper does not print them.
    """

    level: Table
    gini: Table
    mean_gini: Column
    pair_mean: Mapping[Pair, Rounded]
    pair_change: Mapping[Pair, Rounded]
    contribution: Table
    share: Table
    sigma: Table
    mean_sigma: Column
    text: Column
    cities: Mapping[str, int]

    @classmethod
    def read(cls) -> PrintedTables:
        """The tables of ``data/published`` and the members of ``data/facts``."""
        gini, mean_gini = _years_and_means(_columns(2, "cluster", "gini"))
        sigma, mean_sigma = _years_and_means(_columns(5, "cluster", "coefficient_of_variation"))
        pairs = [((row["cluster_a"], row["cluster_b"]), row) for row in table("p3", 3).to_dict("records")]
        return cls(
            level=_columns(1, "cluster", "coagglomeration_index"),
            gini=gini,
            mean_gini=mean_gini,
            pair_mean={pair: Rounded.of(row["mean_gini"]) for pair, row in pairs},
            pair_change={pair: Rounded.of(row["change_percent"]) for pair, row in pairs},
            contribution=_columns(4, "component", "contribution"),
            share=_columns(4, "component", "share_percent"),
            sigma=sigma,
            mean_sigma=mean_sigma,
            text={row["item"]: Rounded.of(row["value"]) for row in in_text("p3").to_dict("records")},
            cities={str(cluster): int(n) for cluster, n in clusters("p3")["cluster"].value_counts().items()},
        )

    @property
    def years(self) -> tuple[str, ...]:
        """The years, which all tables share."""
        return tuple(self.gini[OVERALL])

    @property
    def clusters(self) -> tuple[str, ...]:
        """The eight clusters in the order of table 2."""
        return tuple(c for c in self.gini if c != OVERALL)


def findings(printed: PrintedTables | None = None) -> list[Finding]:
    """All checks on p3, table by table; ``printed`` defaults to the tables as published."""
    p = PrintedTables.read() if printed is None else printed
    return [*_levels(p), *_within(p), *_between_pairs(p), *_decomposition(p), *_sigma(p)]


def match_sigma(p: PrintedTables) -> pd.DataFrame:
    """Table 5's columns assigned to table 2's; the Ginis, near a fixed share of their CVs, are raised to their mean."""
    sigma = _floats(p.sigma).drop(columns=OVERALL)
    gini = _floats(p.gini).drop(columns=OVERALL)
    return match_headers(sigma, gini * (sigma.to_numpy().mean() / gini.to_numpy().mean()))


def _levels(p: PrintedTables) -> Iterator[Finding]:
    """Table 1 against what the text says of each cluster."""
    yield from _trends("t1.trend", "Table 1", p.level, LEVEL_TRENDS)
    change = {c: abs(p.level[c][p.years[-1]] - p.level[c][p.years[0]]) for c in p.clusters}
    least = _lowest(change)
    shown = f"the smallest change of the eight is {change[least].value}, {NAMES[least]}"
    check = _statement(shown, f"{change[BTH].value}", least == BTH)
    yield _finding(f"t1.trend.{BTH}", f"Table 1, {NAMES[BTH]} hardly changes", check)
    ends = p.years[0], p.years[-1]
    for cluster in (CHENGDU, CENTRAL):
        low = _lowest(p.level[cluster])
        yield _finding(
            f"t1.shape.{cluster}",
            f"Table 1, {NAMES[cluster]} draws a V",
            _statement(f"lowest in {low}", "V", low not in ends),
        )
    top = _highest(p.level[HARBIN])
    low = _lowest({year: value for year, value in p.level[HARBIN].items() if year <= top})
    check = _statement(f"down to {low}, up to {top}, then down", "inverted N", ends[0] < low < top < ends[1])
    yield _finding(f"t1.shape.{HARBIN}", f"Table 1, {NAMES[HARBIN]} draws an inverted N", check)


def _within(p: PrintedTables) -> Iterator[Finding]:
    """Table 2: its row of means, the text's copies of its cells, turning points, order and directions."""
    for c in p.clusters:
        item = f"Table 2, mean of {NAMES[c]} against its 15 values"
        yield _finding(f"t2.mean.{c}", item, equal(_mean(p.gini[c].values()), p.mean_gini[c]))
    yield from _mean_of_g(p, "t2.mean.overall", "Table 2, mean of G", p.mean_gini[OVERALL], "p3.t2.mean.overall.gini")
    said = p.text["mean_overall_gini"]
    yield from _mean_of_g(p, "text.mean_overall_gini", "Text, mean of G", said, "p3.text.mean_overall_gini")
    for item, (year, c) in PLACES_IN_TABLE_2.items():
        cell = p.mean_gini[c] if year == "mean" else p.gini[c][year]
        yield _finding(f"text.{item}", f"Text against table 2, {NAMES[c]}, {year}", equal(cell, p.text[item]))
    g = p.gini[OVERALL]
    for name, where, said_year, year in (
        ("peak", "highest in 2012, where the text lets its rise end", "2012", _highest(g)),
        ("trough", "lowest in 2014", "2014", _lowest(g)),
    ):
        meaning = f"the printed {name} is {year}, and rounding keeps the order of numbers"
        shown, printed = (f"{g[y].value} in {y}" for y in (year, said_year))
        check = _statement(shown, printed, g[year].value == g[said_year].value, meaning)
        yield _finding(f"t2.{name}", f"Table 2, G is {where}", check)
    for first, last, says in PHASES:
        check = trend([g[year] for year in p.years if first <= year <= last], says)
        yield _finding(f"t2.phase.{first}_{last}", f"Table 2, G {says} from {first} to {last}", check)
    cells = {(c, year): p.gini[c][year] for c in p.clusters for year in p.years}
    top = _highest(cells)
    printed = f"{p.text['within_max_guanzhong'].value}, {NAMES[GUANZHONG]}"
    shown = f"{cells[top].value}, {NAMES[top[0]]}"
    yield _finding("t2.largest", "Table 2, largest of the 120 cells", _statement(shown, printed, shown == printed))
    order = tuple(sorted(p.clusters, key=lambda c: -p.mean_gini[c].value))
    check = _statement(_listed(order), _listed(WITHIN_ORDER), order == WITHIN_ORDER)
    yield _finding("t2.order_of_means", "Table 2, clusters from the largest mean to the smallest", check)
    yield from _trends("t2.trend", "Table 2", p.gini, WITHIN_TRENDS)


def _mean_of_g(p: PrintedTables, name: str, item: str, printed: Rounded, number: str) -> Iterator[Finding]:
    """The mean of G from table 2's years and from table 4's parts; contradicted by both, which agree, it is wrong."""
    by_years = _mean(p.gini[OVERALL].values())
    by_parts = _total(_mean(p.contribution[part].values()) for part in PARTS)
    meaning = (
        f"printed {printed.value}, but the 15 yearly values of table 2 average {by_years.show(4)}, "
        f"and the parts in table 4, which sum to them year by year, {by_parts.show(4)}"
    )
    by_years_check, by_parts_check = equal(by_years, printed, meaning), equal(by_parts, printed, meaning)
    agree = worst(_sums(p).values()) != "inconsistent"
    proven = agree and by_years_check.verdict == by_parts_check.verdict == "inconsistent"
    yield _finding(name, f"{item} against the 15 values of table 2", by_years_check, *[number] * proven)
    yield _finding(f"{name}.by_parts", f"{item} against the parts in table 4", by_parts_check)


def _between_pairs(p: PrintedTables) -> Iterator[Finding]:
    """Table 3: the pairs that the text names, and bounds that a Gini between two clusters cannot fall below."""
    for name, said, item, pair in (
        ("largest", (PRD, GUANZHONG), "between_max", _highest(p.pair_mean)),
        ("smallest", (MIDDLE, HARBIN), "between_min", _lowest(p.pair_mean)),
    ):
        shown, printed = f"{_pair(pair)} {p.pair_mean[pair].value}", f"{_pair(said)} {p.text[item].value}"
        yield _finding(f"t3.{name}", f"Table 3, {name} mean", _statement(shown, printed, shown == printed))
    threshold = Rounded.exact(p.text["between_growth_threshold"].value)
    for pair in PAIRS_NAMED:
        item = f"Table 3, {_pair(pair)} grew by more than {threshold.value} %"
        yield _finding(f"t3.growth.{'.'.join(pair)}", item, at_least(p.pair_change[pair], threshold))
    others = {pair: change for pair, change in p.pair_change.items() if pair not in PAIRS_NAMED}
    pair = _highest(others)
    item = f"Table 3, largest change of a pair that the text does not name, {_pair(pair)}"
    yield _finding("t3.growth.others", item, at_most(others[pair], threshold))
    central = [change.value for pair, change in p.pair_change.items() if CENTRAL in pair]
    falls = sum(change < 0 for change in central)
    check = _statement(f"{falls} of {len(central)} changes are negative", "most", 2 * falls > len(central))
    yield _finding(f"t3.growth.{CENTRAL}", f"Table 3, {NAMES[CENTRAL]} comes nearer to most other clusters", check)
    pairs = list(p.pair_change)
    for above, below in zip(pairs, pairs[2:], strict=False):  # two halves side by side: the next row is two pairs on
        if p.pair_change[above].value == p.pair_change[below].value:
            meaning = (
                "equal numbers in neighbouring rows of a column; the printed numbers do not say whether both stand"
            )
            check = Check("", f"{p.pair_change[above].value} twice", "not determined", meaning)
            item = f"Table 3, change of {_pair(above)} and, in the next row, of {_pair(below)}"
            yield _finding(f"t3.repeated.{'.'.join(above)}", item, check)
    for pair in pairs:
        yield from _bounds(p, pair)


def _bounds(p: PrintedTables, pair: Pair) -> Iterator[Finding]:
    """A printed mean against lower bounds of G_jh of equation (6), averaged over the years.

    With mu the means and G_jj the Ginis of two clusters, the mean absolute difference of their members is at least
    the difference of the means, and at least the mean of the two clusters' own mean differences:
    G_jh >= |mu_j - mu_h|/(mu_j + mu_h) and G_jh >= (mu_j G_jj + mu_h G_hh)/(mu_j + mu_h).
    """
    cells = [(p.level[pair[0]][y], p.level[pair[1]][y], p.gini[pair[0]][y], p.gini[pair[1]][y]) for y in p.years]
    by_means = _mean(abs(a - b) / (a + b) for a, b, _, _ in cells)
    by_ginis = _mean((a * g_a + b * g_b) / (a + b) for a, b, g_a, g_b in cells)
    contradicted = [c for c in pair if c in CONTRADICTED_LEVELS]
    columns = f"the {_listed(contradicted)} column" if contradicted else "no column"
    rests = f"rests on {columns} of table 1 that the shipped series contradicts"
    for name, source, bound in (("means", "means in table 1", by_means), ("ginis", "Ginis in table 2", by_ginis)):
        meaning = f"below what the clusters' {source} ask for, so it is no G_jh of equation (6); {rests}"
        check = at_least(p.pair_mean[pair], bound, meaning)
        yield _finding(f"t3.bound_{name}.{'.'.join(pair)}", f"Table 3, {_pair(pair)} against the {source}", check)


def _decomposition(p: PrintedTables) -> Iterator[Finding]:
    """Table 4: sums, shares and their means, and what tables 1 and 2 with the members make of two of its parts."""
    for year, check in _sums(p).items():
        yield _finding(f"t4.sum.{year}", f"Tables 4 and 2, {year}: the parts sum to G", check)
    for year in p.years:
        for part in PARTS:
            share = 100 * p.contribution[part][year] / p.gini[OVERALL][year]
            item = f"Tables 4 and 2, {year}: share of {part} is its contribution over G"
            yield _finding(f"t4.share.{year}.{part}", item, equal(share, p.share[part][year]))
        check = counts([p.share[part][year].value for part in PARTS], 100)
        yield _finding(f"t4.shares.{year}", f"Table 4, {year}: the shares sum to 100", check)
    for part, item in SHARES_IN_TEXT.items():
        check = equal(_mean(p.share[part].values()), p.text[item])
        yield _finding(f"text.{item}", f"Text against table 4, mean share of {part}", check)
    first = sum(_highest({part: p.share[part][year] for part in PARTS}) == "between_net" for year in p.years)
    check = _statement(f"{first} of {len(p.years)} years", "all years", first == len(p.years))
    yield _finding("t4.largest_share", "Table 4, between_net has the largest share in every year", check)
    for year in p.years:
        for part, value in _parts_from_means(p, year).items():
            printed = p.contribution[part][year]
            gap = 100 * (value.value / printed.value - 1)
            meaning = f"{gap:+.1f} % from the printed part: tables 1 and 4 as printed do not agree"
            item = f"Tables 4, 1 and 2, {year}: {part} from the clusters' means, Ginis and plans' numbers of cities"
            yield _finding(f"t4.recomputed.{year}.{part}", item, equal(value, printed, meaning))


def _parts_from_means(p: PrintedTables, year: str) -> dict[str, Rounded]:
    """G_w = sum_j p_j^2 mu_j G_jj / mu and G_nb = sum_{j<h} p_j p_h |mu_j - mu_h| / mu, p_j = n_j/n."""
    share = {c: Rounded.exact(n) / sum(p.cities.values()) for c, n in p.cities.items()}
    mu = {c: p.level[c][year] for c in share}
    within = _total(share[c] * share[c] * mu[c] * p.gini[c][year] for c in mu)
    between = _total(share[a] * share[b] * abs(mu[a] - mu[b]) for a, b in combinations(mu, 2))
    overall = _total(share[c] * mu[c] for c in mu)
    return {"within": within / overall, "between_net": between / overall}


def _sigma(p: PrintedTables) -> Iterator[Finding]:
    """Table 5: means, the bound that table 2 sets, whose header each column obeys, and the text on trends."""
    for c, column in p.sigma.items():
        item = f"Table 5, mean of the column headed {NAMES[c]} against its 15 values"
        yield _finding(f"t5.mean.{c}", item, equal(_mean(column.values()), p.mean_sigma[c]))
    yield from _gini_against_sigma(p, p.sigma, "as_headed")
    yield from _gini_against_sigma(p, dict(zip(p.gini, p.sigma.values(), strict=True)), "by_position")
    matched = match_sigma(p)
    yield from _headers(p, matched)
    header = dict(zip(matched["column"], matched["assigned"], strict=True))
    order = tuple(header[c] for c in p.sigma if c != OVERALL)
    check = _statement(_listed(order), _listed(p.clusters), order == p.clusters)
    yield _finding("t5.header.order", "Table 5, clusters that its columns follow, against table 2's order", check)
    overall = list(p.sigma[OVERALL].values())
    check = trend(overall, "rises")
    meaning = f"{check.expected} a year; {(overall[-1] - overall[-2]).value:+} of it in the last year"
    check = Check(check.expected, check.printed, check.verdict, meaning)
    yield _finding("t5.trend.overall", "Table 5, the overall sigma rises a little, no convergence", check)
    yield from _trends("t5.trend.as_headed", "Table 5 as headed", p.sigma, SIGMA_TRENDS)
    followed = {header[c]: column for c, column in p.sigma.items() if c != OVERALL}
    yield from _trends("t5.trend.as_matched", "Table 5 as matched to table 2", followed, SIGMA_TRENDS)


def _gini_against_sigma(p: PrintedTables, sigma: Table, how: str) -> Iterator[Finding]:
    broken = 0
    for c in p.clusters:
        checks = [gini_cv(p.gini[c][year].value, sigma[c][year].value) for year in p.years]
        years = sum(check.verdict == "inconsistent" for check in checks)
        meaning = "more than any distribution allows: the two columns do not belong to one cluster" * (years > 0)
        item = f"Tables 2 and 5 {how.replace('_', ' ')}, {NAMES[c]}: years with a Gini above CV/sqrt(3)"
        yield _finding(f"t5.gini_cv.{how}.{c}", item, Check("0", f"{years}", worst(checks), meaning))
        broken += years
    item = f"Tables 2 and 5 {how.replace('_', ' ')}, 120 cells: those with a Gini above CV/sqrt(3)"
    check = _statement("0", f"{broken}", broken == 0, "the headers of tables 2 and 5 conflict")
    yield _finding(f"t5.gini_cv.{how}", item, check)


def _headers(p: PrintedTables, matched: pd.DataFrame) -> Iterator[Finding]:
    sigma, gini = _floats(p.sigma), _floats(p.gini)
    for column, assigned, near, far in matched.itertuples(index=False, name=None):
        meaning = (
            f"follows table 2's {NAMES[assigned]}: correlation {sigma[column].corr(gini[assigned]):.2f}, "
            f"mean distance {near:.3f}; as headed {sigma[column].corr(gini[column]):.2f} and {far:.3f}"
        )
        check = Check(NAMES[assigned], NAMES[column], "consistent" if assigned == column else "inconsistent", meaning)
        yield _finding(f"t5.header.{column}", f"Table 5, column headed {NAMES[column]}, against table 2", check)


def _sums(p: PrintedTables) -> dict[str, Check]:
    g = p.gini[OVERALL]
    return {y: counts([p.contribution[part][y].value for part in PARTS], g[y].value) for y in p.years}


def _trends(name: str, where: str, columns: Table, said: Mapping[str, Direction]) -> Iterator[Finding]:
    for c, says in said.items():
        yield _finding(f"{name}.{c}", f"{where}, {NAMES[c]} {says}", trend(list(columns[c].values()), says))


def _finding(name: str, item: str, check: Check, *proven_wrong: str) -> Finding:
    return Finding(f"p3.audit.{name}", item, check, proven_wrong)


def _statement(expected: str, printed: str, holds: bool, meaning: str = "") -> Check:
    return Check(expected, printed, "consistent" if holds else "inconsistent", "" if holds else meaning)


def _columns(number: int, column: str, value: str) -> Table:
    cells: dict[str, dict[str, Rounded]] = {}
    for row in table("p3", number).to_dict("records"):
        cells.setdefault(row[column], {})[row["year"]] = Rounded.of(row[value])
    return cells


def _years_and_means(columns: Table) -> tuple[Table, Column]:
    years = {c: {year: x for year, x in column.items() if year != "mean"} for c, column in columns.items()}
    return years, {c: column["mean"] for c, column in columns.items()}


def _floats(columns: Table) -> pd.DataFrame:
    return pd.DataFrame({c: {year: float(x.value) for year, x in column.items()} for c, column in columns.items()})


def _total(values: Iterable[Rounded]) -> Rounded:
    return sum(values, Rounded.exact(0))


def _mean(values: Iterable[Rounded]) -> Rounded:
    numbers = list(values)
    return _total(numbers) / len(numbers)


def _highest(cells: Mapping[Key, Rounded]) -> Key:
    return max(cells, key=lambda key: cells[key].value)


def _lowest(cells: Mapping[Key, Rounded]) -> Key:
    return min(cells, key=lambda key: cells[key].value)


def _pair(pair: Pair) -> str:
    return f"{NAMES[pair[0]]} and {NAMES[pair[1]]}"


def _listed(clusters: Iterable[str]) -> str:
    return ", ".join(NAMES[c] for c in clusters)
