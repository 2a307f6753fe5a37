"""Audit of p4, Li: upgrading and specialisation of manufacturing in two clusters, 2005-2014; its tables are all lost.

What survives is the text: 52 numbers, and sentences on who has an advantage where. `findings` sets them against each
other, `bounds` says what they leave of lost numbers, `tables_by_reading` what they leave of the lost tables 1 and 4;
`undone` and `pooled` are two readings of a sentence that the extraction has scrambled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import combinations

import pandas as pd

from regiometrics.data.facts import high_tech_industries, manufacturing_sectors
from regiometrics.data.published import in_text, rebuilt, statements
from regiometrics.errors import DomainError, InfeasibleError
from regiometrics.report.audits.identities import counts
from regiometrics.report.audits.printed import plausible, statement
from regiometrics.report.audits.reconstruction import (
    SEPARATOR,
    Index,
    Reference,
    reconstruct,
    specialization_bounds,
)
from regiometrics.report.audits.rounded import Check, Finding, Rounded, at_least, at_most, equal, within

DELTA, NORTH = "yangtze_river_delta", "beijing_tianjin_hebei"
PROVINCES = {DELTA: ("shanghai", "jiangsu", "zhejiang", "anhui"), NORTH: ("beijing", "tianjin", "hebei")}
NAMES = {province: province.capitalize() for cluster in PROVINCES.values() for province in cluster}
FIRST, LAST = 2005, 2014
CRISIS = 2008  # the paper dates no crisis
YEAR_SAID_BEFORE_CRISIS = 2009

SOLVED_TO = 1e-6  # the solver meets its constraints within 1e-7

INDICES: Mapping[str, Sequence[Index]] = {
    "relative_specialization_cap_jiangsu_zhejiang": (("jiangsu",), ("zhejiang",)),
    "relative_specialization_2014_shanghai": (("shanghai",),),
    "relative_specialization_2014_beijing": (("beijing",),),
    "pair_specialization_2014_beijing_hebei": (("beijing", "hebei"),),
    "pair_specialization_cap_shanghai_zhejiang": (("shanghai", "zhejiang"),),
    "pair_specialization_2014_shanghai_jiangsu": (("shanghai", "jiangsu"),),
}
# The list that Anhui shares with Zhejiang, the two names inside one of its names, and the list shared with Jiangsu.
OUTER, INSIDE, SHORT = "anhui_zhejiang", "anhui_zhejiang_inside", "anhui_jiangsu"
GROWTH_READINGS = {
    "compound_2005_2014": (LAST - FIRST, "compound rates of the nine years from 2005"),
    "compound_ten_years": (LAST - FIRST + 1, "compound rates of ten years"),
    "one_year": (1, "rates of 2014 over 2013"),
}


@dataclass(frozen=True)
class PrintedTables:
    """What p4 prints in its text; replace a part to see what the audit makes of it.

    Attributes
    ----------
    text : mapping item -> Rounded
        Its numbers.
    relation : mapping item -> str
        How the text binds them: ``gt``, ``lt``, ``about`` or empty.
    advantages, high_tech : DataFrame
        Statements on tables 4 and 1, see `data.published.statements`.
    rebuilt_advantages, rebuilt_high_tech : DataFrame
        The tables as rebuilt by hand, ones and zeros, sectors by provinces.
    classes : mapping grouping -> sector -> class
        Factor intensity of the 28 sectors under two groupings; the paper's own is lost.
    """

    text: Mapping[str, Rounded]
    relation: Mapping[str, str]
    advantages: pd.DataFrame
    high_tech: pd.DataFrame
    rebuilt_advantages: pd.DataFrame
    rebuilt_high_tech: pd.DataFrame
    classes: Mapping[str, Mapping[str, str]]

    @classmethod
    def read(cls) -> PrintedTables:
        """The files of ``data/published`` and the sectors of ``data/facts``."""
        numbers = in_text("p4").to_dict("records")
        sectors = manufacturing_sectors().query("in_p4")
        return cls(
            text={row["item"]: Rounded.of(row["value"]) for row in numbers},
            relation={row["item"]: row["relation"] for row in numbers},
            advantages=statements("p4", 4),
            high_tech=statements("p4", 1),
            rebuilt_advantages=_wide(rebuilt("p4", 4), "sector_code"),
            rebuilt_high_tech=_wide(rebuilt("p4", 1), "sector"),
            classes={x: dict(zip(sectors["industry"], sectors[f"intensity_{x}"], strict=True)) for x in ("a", "b")},
        )

    @property
    def sectors(self) -> tuple[str, ...]:
        """Codes of the 28 sectors of table 4."""
        return tuple(self.classes["a"])

    @property
    def industries(self) -> tuple[str, ...]:
        """Ids of the five high-tech industries of table 1."""
        return tuple(high_tech_industries()["industry"])

    @property
    def output(self) -> dict[str, Rounded]:
        """Output of the delta's provinces in 2014, 10^8 yuan."""
        return {province: self.text[f"output_2014_{province}"] for province in PROVINCES[DELTA]}

    def index_intervals(self, cluster: str) -> dict[Index, tuple[float, float]]:
        """Printed indices of 2014 as intervals: what rounds to them, or what a cap leaves."""
        found: dict[Index, tuple[float, float]] = {}
        for item, places in INDICES.items():
            number = self.text[item]
            capped = self.relation[item] == "lt"
            interval = (0.0, float(number.value)) if capped else (float(number.low), float(number.high))
            found |= {index: interval for index in places if index[0] in PROVINCES[cluster]}
        return found


def findings(printed: PrintedTables | None = None) -> list[Finding]:
    """All checks of p4, in the order of its sections.

    Examples
    --------
    >>> audit = {f.id: f.check for f in findings()}
    >>> audit["p4.audit.t4.undone"].expected, audit["p4.audit.t4.undone"].verdict
    ('1 table, the one rebuilt by hand', 'consistent')
    """
    p = PrintedTables.read() if printed is None else printed
    return [
        *_output(p),
        *_growth(p),
        *_crisis(p),
        *_high_tech(p),
        *_high_tech_growth(p),
        *_pattern_of_high_tech(p),
        *_technology(p),
        *_indices(p),
        *_pattern_of_sectors(p),
        *_two_patterns(p),
        *_isomorphism(p),
    ]


def bounds(printed: PrintedTables | None = None) -> pd.DataFrame:
    """What the printed numbers leave of lost ones, for 2014.

    Parameters
    ----------
    printed : PrintedTables, optional
        The text as published by default.

    Returns
    -------
    DataFrame
        ``quantity``, ``low``, ``high``, ``printed`` (as text, empty where lost), ``basis``. Indices of the delta use
        the printed outputs as weights and are the tightest that the printed indices give. The north's outputs are not
        printed: there the rest of a province may lie anywhere between the other two, and the bounds are outer ones.
        Class shares are means of 2013 and 2014 and are set beside indices of 2014 as if the two years were alike.

    Examples
    --------
    >>> found = bounds().set_index("quantity")
    >>> found.loc["K(jiangsu, zhejiang)", ["low", "high"]].round(3).tolist()
    [0.0, 0.623]
    """
    p = PrintedTables.read() if printed is None else printed
    shown = {f"K({', '.join(index)})": item for item, places in INDICES.items() for index in places}
    sign = {"lt": "< ", "gt": "> ", "about": "about ", "": ""}
    parts = []
    for cluster, basis in ((DELTA, "indices and outputs"), (NORTH, "indices, outputs unknown: outer bounds")):
        frame = specialization_bounds(
            PROVINCES[cluster], p.index_intervals(cluster), shares=_sizes(p) if cluster == DELTA else None
        )
        words = {name: f"{sign[p.relation[item]]}{p.text[item].value}" for name, item in shown.items()}
        frame["printed"] = frame["quantity"].map(words).fillna("")
        parts.append(frame[["quantity", "low", "high", "printed"]].assign(basis=basis))
    others = [
        (f"technology share, {cluster} without {NAMES[core]}", low, high, "", "class shares and K, 2013-14 as 2014")
        for cluster, core in ((DELTA, "shanghai"), (NORTH, "beijing"))
        for low, high in [_technology_of_rest(p, core)]
    ]
    pharmaceuticals = _pharmaceuticals(p)
    others += [
        (f"{NAMES[province]}'s share in the delta's pharmaceuticals", low, high, "", "tables 1 and 4 and totals")
        for province, (low, high) in pharmaceuticals.items()
    ]
    others += [
        (f"{NAMES[province]}'s share in the delta's high-tech revenue", 0.0, high, "", "tables 1 and 4 and totals")
        for province, high in _high_tech_caps(p, pharmaceuticals).items()
    ]
    parts.append(pd.DataFrame(others, columns=["quantity", "low", "high", "printed", "basis"]))
    return pd.concat(parts, ignore_index=True)


def undone(advantages: pd.DataFrame) -> pd.DataFrame:
    """The scrambled sentence on Anhui undone: the names inside another name go to the end of the list that lacks two.

    Examples
    --------
    >>> undone(statements("p4", 4)).set_index("id").loc["anhui_jiangsu", "sectors"]
    '20;31;35;38'
    """
    lists = dict(zip(advantages["id"], advantages["sectors"], strict=True))
    whole = SEPARATOR.join([lists[SHORT], lists[INSIDE]])
    said = advantages.assign(sectors=advantages["sectors"].mask(advantages["id"] == SHORT, whole))
    return said[said["id"] != INSIDE].reset_index(drop=True)


def pooled(advantages: pd.DataFrame, *, fixed: Sequence[str] = ()) -> pd.DataFrame:
    """The two lists of the scrambled sentence as one, of which Anhui shares each name with one of two provinces.

    Parameters
    ----------
    advantages : DataFrame
        Statements on table 4.
    fixed : sequence of str
        Ids of lists that stay as extracted besides.

    Examples
    --------
    >>> said = pooled(statements("p4", 4)).set_index("id")
    >>> said.loc["anhui_pooled", ["kind", "sectors"]].tolist()
    ['either', '19;20;21;29;31;32;35;38']
    """
    lists = advantages[advantages["id"].isin([OUTER, INSIDE, SHORT])]
    names = sorted(SEPARATOR.join(lists["sectors"]).split(SEPARATOR))
    pool = lists.iloc[[0]].assign(
        id="anhui_pooled", kind="either", other_province="jiangsu;zhejiang", sectors=SEPARATOR.join(names)
    )
    stays = ~advantages["id"].isin([OUTER, INSIDE, SHORT]) | advantages["id"].isin(fixed)
    return pd.concat([advantages[stays], pool], ignore_index=True)


def open_lists(said: pd.DataFrame) -> pd.DataFrame:
    """Statements with every list read as open: what is named holds, and more may.

    Examples
    --------
    >>> sorted(open_lists(statements("p4", 4))["kind"].unique())
    ['count', 'has', 'shared']
    """
    return said.assign(kind=said["kind"].replace({"only": "shared", "sole": "has"}))


def closed_lists(said: pd.DataFrame) -> pd.DataFrame:
    """Statements with every list of what two provinces share read as complete.

    Examples
    --------
    >>> sorted(closed_lists(statements("p4", 4))["kind"].unique())
    ['count', 'has', 'only', 'sole']
    """
    return said.assign(kind=said["kind"].replace({"shared": "only"}))


def tables_by_reading(printed: PrintedTables | None = None) -> pd.DataFrame:
    """How many tables agree with the text, by reading and by what the location quotient is taken against.

    Returns
    -------
    DataFrame
        ``table``, ``reading``, ``none``, ``national``, ``cluster``: agreeing tables by reference (see `reconstruct`),
        as integers of any size. Table 4 has the 28 sectors that the text names; the last reading of it adds those of
        manufacturing that it does not.

    Examples
    --------
    >>> found = tables_by_reading().set_index(["table", "reading"])["cluster"]
    >>> found[4, "as extracted"], found[4, "sentence undone"]
    (0, 1)
    """
    p = PrintedTables.read() if printed is None else printed
    said, whole = p.advantages, undone(p.advantages)
    delta, north = (p.high_tech[p.high_tech["cluster"] == cluster] for cluster in (DELTA, NORTH))
    any_two = north.assign(kind=north["kind"].replace({"only": "overlap"}))
    sectors = {
        "as extracted": said,
        "two lists pooled": pooled(said),
        "two lists pooled, Jiangsu's names stay": pooled(said, fixed=[SHORT]),
        "sentence undone": whole,
        "undone, lists open": open_lists(whole),
        "undone, lists open, no counts": _without(open_lists(whole), "count"),
        "undone, no counts": _without(whole, "count"),
        "undone, lists closed, no counts": _without(closed_lists(whole), "count"),
    }
    industries = {
        "delta": (delta, DELTA),
        "delta, without two provinces each": (_without(delta, "provinces"), DELTA),
        "north, one industry of Beijing and Hebei": (north, NORTH),
        "north, one industry of any two provinces": (any_two, NORTH),
    }
    readings = [(4, name, said, p.sectors, DELTA) for name, said in sectors.items()]
    all_sectors = tuple(manufacturing_sectors()["industry"])
    readings += [(4, f"sentence undone, {len(all_sectors)} sectors", whole, all_sectors, DELTA)]
    readings += [(1, name, said, p.industries, cluster) for name, (said, cluster) in industries.items()]
    references: tuple[Reference, ...] = ("none", "national", "cluster")
    found = [
        (table, name, *(reconstruct(said, rows, PROVINCES[cluster], reference=r).n_tables for r in references))
        for table, name, said, rows, cluster in readings
    ]
    return pd.DataFrame(found, columns=["table", "reading", *references]).astype(dict.fromkeys(references, object))


def _output(p: PrintedTables) -> Iterator[Finding]:
    """Section 1: output of 2014, its shares, and the order of growth."""
    whole = p.text["output_2014_yrd"]
    check = counts([int(x.value) for x in p.output.values()], int(whole.value))
    yield _finding("output.sum", "Output 2014, the four provinces sum to the delta", check)
    shares = {province: p.text[f"share_2014_{province}"] for province in p.output}
    for province, output in p.output.items():
        item = f"Output 2014, share of {NAMES[province]} in percent"
        yield _finding(f"output.share.{province}", item, equal(100 * output / whole, shares[province]))
    check = counts([share.value for share in shares.values()], 100)
    yield _finding("output.shares", "Output 2014, the shares sum to 100", check)
    growth = {province: p.text[f"growth_2005_2014_{province}"].value for province in p.output}
    first = sorted(growth, key=lambda province: -growth[province])[:2]
    check = statement(
        _listed(first), _listed(["anhui", "jiangsu"]), first == ["anhui", "jiangsu"], "others grow faster"
    )
    yield _finding("output.growth.order", "Growth since 2005, the two fastest provinces", check)
    for province, direction in (("shanghai", "falls"), ("zhejiang", "falls"), ("jiangsu", "rises"), ("anhui", "rises")):
        before, after = 100 * _output_2005(p)[province] / _total(_output_2005(p).values()), shares[province]
        moved = "rises" if after.low > before.high else "falls" if after.high < before.low else "open"
        shown = f"{before.show(1)} % in 2005, {after.value} % in 2014"
        check = plausible(shown, direction, moved == direction, "the rounding of the rates leaves the direction open")
        if {moved, direction} == {"rises", "falls"}:
            check = statement(shown, direction, False, "rates and shares point the other way")
        yield _finding(f"output.share_moves.{province}", f"Output share of {NAMES[province]} {direction}", check)


def _growth(p: PrintedTables) -> Iterator[Finding]:
    """Whether yearly rates as the text describes them can join the outputs of 2005 and 2014.

    With the years before the crisis at their least, the years that the text gives no rate must grow at ``rest``: below
    the cap, so must they where growth before the crisis was higher.
    """
    whole = p.text["output_2014_yrd"] / _total(_output_2005(p).values())
    mean = 100 * (_root(whole, LAST - FIRST) - 1)
    shown = f"{mean.show(1)} % a year from 2005"
    growth = [p.text[f"growth_2005_2014_{province}"] for province in p.output]
    slowest, fastest = min(growth, key=lambda x: x.value), max(growth, key=lambda x: x.value)
    check = within(mean, slowest, fastest)
    yield _finding("growth.mean", "Growth of the delta that its provinces' rates imply", replace(check, printed=shown))
    cap, floor = p.text["growth_other_years_cap"], p.text["annual_growth_pre_crisis"].value
    for last_before in (2007, 2008):
        for as_in_2014 in (False, True):
            before = last_before - FIRST
            slow = 2 if as_in_2014 else 1
            left = LAST - FIRST - before - 1 - slow
            known = _power(_factor(floor), before)
            known = known * _factor(p.text["growth_2010"]) * _power(_factor(p.text["growth_2014"]), slow)
            rest = 100 * (_root(whole / known, left) - 1)
            meaning = "no such rates join the outputs of 2005 and 2014"
            check = at_most(rest, Rounded.exact(cap.value), meaning)
            check = replace(check, expected=f"below {cap.value}", printed=rest.show(1))
            name = f"growth.path.{last_before}{'.2009_as_2014' * as_in_2014}"
            item = f"Growth of the other {left} years if 2006-{last_before} grow at {floor} %"
            item += ", and 2009 like 2014" * as_in_2014
            yield _finding(name, item, check)


def _crisis(p: PrintedTables) -> Iterator[Finding]:
    """2014 grows like 2009, which the text, as extracted, puts before the crisis."""
    year = YEAR_SAID_BEFORE_CRISIS
    meaning = f"the crisis broke out in {CRISIS}, a date that the paper does not print; as extracted"
    check = statement(f"before {CRISIS}", f"before the crisis, {year}", year < CRISIS, meaning)
    yield _finding("crisis.words", f"Text, {year} as a year before the crisis", check)
    floor, slow = p.text["annual_growth_pre_crisis"].value, p.text["growth_2014"].value
    before = year - FIRST
    others = (floor * before - slow) / (before - 1)
    meaning = f"with {year} among the years before the crisis the other {before - 1} must average over {others:.1f} %"
    check = plausible(f"above {floor} %", f"{slow} %", slow > floor, meaning)
    yield _finding("crisis.growth", f"Growth of {year} against the years before the crisis", check)


def _high_tech(p: PrintedTables) -> Iterator[Finding]:
    """Section 2.1: high-tech industries in 2014."""
    text = p.text
    revenue, jiangsu = text["hightech_revenue_2014_yrd"], text["hightech_revenue_2014_jiangsu"]
    check = equal(100 * jiangsu / revenue, text["hightech_share_2014_jiangsu"])
    yield _finding("hightech.share.jiangsu", "High-tech revenue 2014, share of Jiangsu in percent", check)
    check = at_most(revenue, text["output_2014_yrd"])
    yield _finding("hightech.within_output", "High-tech revenue 2014 against the delta's output", check)
    check = at_most(jiangsu, text["output_2014_jiangsu"])
    yield _finding("hightech.within_output.jiangsu", "High-tech revenue 2014 against output, Jiangsu", check)
    check = at_most(text["hightech_profit_2014"], text["hightech_profit_tax_2014"])
    yield _finding("hightech.profit", "Profit against profit and taxes", check)
    taxes = _taxes(p)
    shown = f"{taxes.show(1)} % a year"
    check = Check("", shown, "not determined", "between profit and the sum no other number on taxes is printed")
    yield _finding("hightech.taxes", "Growth of taxes that the two rates imply, over one year", check)
    half = Rounded.exact(50)
    check = at_least(text["hightech_share_2014_electronics_telecom"], half)
    yield _finding("hightech.half", "Electronics and telecom is more than half of high-tech revenue", check)
    firms = text["hightech_employees_2014"] / text["hightech_firms_2014"]
    check = Check("", f"{firms.value:.0f} persons", "not determined", "plausible, nothing printed to hold it against")
    yield _finding("hightech.firm_size", "High-tech employees per firm", check)
    head = 100 * revenue / text["hightech_employees_2014"]  # from 10^8 yuan to million yuan
    shown = f"{head.value:.2f} million yuan"
    check = Check("", shown, "not determined", "plausible, nothing printed to hold it against")
    yield _finding("hightech.per_head", "High-tech revenue per employee", check)


def _taxes(p: PrintedTables) -> Rounded:
    profit, both = p.text["hightech_profit_2014"], p.text["hightech_profit_tax_2014"]
    before = both / _factor(p.text["hightech_profit_tax_growth"]) - profit / _factor(p.text["hightech_profit_growth"])
    return 100 * ((both - profit) / before - 1)


def _high_tech_growth(p: PrintedTables) -> Iterator[Finding]:
    """Rates by industry and by province against the total rate, and what they imply for shares that are not printed."""
    total = p.text["hightech_growth_yrd"]
    industries = {name: p.text[f"hightech_growth_{name}"] for name in p.industries}
    provinces = {name: p.text[f"hightech_growth_{name}"] for name in PROVINCES[DELTA]}
    for label, rates, order in (
        ("industries", industries, (("aerospace", "medical_instruments"), "computers_office")),
        ("provinces", provinces, (("anhui",), "shanghai")),
    ):
        ordered = sorted(rates, key=lambda name: -rates[name].value)
        fast, slow = order
        said = f"{', '.join(fast)} first, {slow} last"
        seen = f"{', '.join(ordered[: len(fast)])} first, {ordered[-1]} last"
        check = statement(seen, said, seen == said, "the printed rates stand in another order")
        yield _finding(f"hightech.order.{label}", f"High-tech growth, fastest and slowest {label}", check)
        check = within(total, rates[ordered[-1]], rates[ordered[0]], "no weights make this mean")
        yield _finding(f"hightech.total.{label}", f"High-tech growth of the delta lies between its {label}", check)
    for name, (years, words) in GROWTH_READINGS.items():
        try:
            shares = _missing_shares(p, years)
        except DomainError:  # the two rates are too close to tell the industries apart
            shares = {}
        shown = ", ".join(f"{industry} {share.show(1)}" for industry, share in shares.items())
        meaning = "under this reading the shares are not both positive, or not determined"
        holds = bool(shares) and all(x.value > 0 for x in shares.values())
        check = plausible("both positive", shown or "open", holds, meaning)
        yield _finding(f"hightech.industries.{name}", f"High-tech shares 2014 in percent, {words}", check)
        ranges = _missing_provinces(p, years)
        shown = ", ".join(f"{NAMES[x]} {low:.0f} to {high:.0f}" for x, (low, high) in ranges.items())
        meaning = "under this reading no split agrees, so the rates are of another kind"
        check = plausible("a split in parts that are not negative", shown or "none", bool(ranges), meaning)
        yield _finding(f"hightech.provinces.{name}", f"High-tech revenue 2014 of three provinces, {words}", check)


def _missing_shares(p: PrintedTables, years: int) -> dict[str, Rounded]:
    """Shares of the two industries that are not printed: with the others they sum to 100 in both years."""
    known = {name: item for name in p.industries if (item := f"hightech_share_2014_{name}") in p.text}
    first, second = (name for name in p.industries if name not in known)
    deflated = {
        name: _power(_factor(p.text["hightech_growth_yrd"]) / _factor(p.text[f"hightech_growth_{name}"]), years)
        for name in p.industries
    }
    now = 100 - _total(p.text[item] for item in known.values())
    then = 100 - _total(p.text[item] * deflated[name] for name, item in known.items())
    share = (now * deflated[second] - then) / (deflated[second] - deflated[first])
    return {first: share, second: now - share}


def _missing_provinces(p: PrintedTables, years: int) -> dict[str, tuple[Decimal, Decimal]]:
    """Ranges of the three revenues that are not printed: with Jiangsu's they sum to the total in both years.

    Two equations for three numbers that are not negative leave a segment, at whose ends one of them is zero.
    """
    others = [province for province in PROVINCES[DELTA] if province != "jiangsu"]
    weight = {x: 1 / _power(_factor(p.text[f"hightech_growth_{x}"]), years).value for x in PROVINCES[DELTA]}
    total, jiangsu = p.text["hightech_revenue_2014_yrd"].value, p.text["hightech_revenue_2014_jiangsu"].value
    now = total - jiangsu
    then = total / _power(_factor(p.text["hightech_growth_yrd"]), years).value - jiangsu * weight["jiangsu"]
    ends = []
    for first, second in combinations(others, 2):
        revenue = (then - now * weight[second]) / (weight[first] - weight[second])
        ends.append({**dict.fromkeys(others, Decimal(0)), first: revenue, second: now - revenue})
    possible = [end for end in ends if min(end.values()) >= 0]
    return {x: (min(end[x] for end in possible), max(end[x] for end in possible)) for x in others if possible}


def _pattern_of_high_tech(p: PrintedTables) -> Iterator[Finding]:
    """Table 1, rebuilt from section 2.1."""
    said = p.high_tech[p.high_tech["cluster"] == DELTA]
    found = reconstruct(said, p.industries, PROVINCES[DELTA], reference="cluster")
    by_hand = p.rebuilt_high_tech.loc[list(p.industries), list(PROVINCES[DELTA])]
    yield _finding("t1.delta", "Table 1, tables of the delta that agree with the text", _the_one(found.tables, by_hand))
    for industry, provinces in by_hand.sum(axis=1).items():
        check = counts([int(provinces)], 2)
        yield _finding(
            f"t1.provinces.{industry}", f"Table 1, provinces of the delta with an advantage, {industry}", check
        )
    north = p.high_tech[p.high_tech["cluster"] == NORTH]
    left = reconstruct(north, p.industries, PROVINCES[NORTH], reference="cluster")
    meaning = "the text names the shared industry and no other of the north: the rest of the table is lost"
    shown = f"{left.n_tables} tables agree"
    verdict = statement("1", shown, left.n_tables > 0, "the statements contradict each other", meaning)
    check = verdict if left.n_tables < 2 else replace(verdict, verdict="not determined")
    yield _finding("t1.north", "Table 1, tables of the north that agree with the text", check)


def _technology(p: PrintedTables) -> Iterator[Finding]:
    """Section 2.2: shares of technology-intensive industries, and the two ways to read them."""
    text = p.text
    shares = {x: text[f"tech_intensive_share_{x}_2013_2014"] for x in ("beijing", "shanghai")}
    check = at_least(shares["beijing"], shares["shanghai"])
    yield _finding("technology.level", "Technology share of Beijing above Shanghai's", check)
    check = at_least(text["tech_intensive_gain_beijing"], text["tech_intensive_gain_shanghai"])
    yield _finding("technology.gain", "Technology share of Beijing gains more than Shanghai's", check)
    of_output = shares["shanghai"] * text["output_2014_shanghai"]
    high_tech = _missing_provinces(p, LAST - FIRST).get("shanghai")
    if high_tech is not None:
        least, most = (Rounded.exact(end) for end in high_tech)
        meaning = "more high-tech revenue than technology-intensive output"
        check = replace(at_least(of_output, least, meaning), expected=f"≥ {least.value:.0f} to {most.value:.0f}")
        check = replace(check, printed=f"{of_output.show(0)} = {shares['shanghai'].value} of output")
        item = "Shanghai's technology-intensive output against its high-tech revenue, share in its own output"
        yield _finding("technology.of_province", item, check)
    # Literally the share is one of the region: then all that is technology-intensive elsewhere is the complement.
    most_elsewhere = text["output_2014_shanghai"] * (1 / shares["shanghai"] - 1)
    check = at_most(text["hightech_revenue_2014_jiangsu"], most_elsewhere)
    meaning = (
        "excluded, even if all output of Shanghai were technology-intensive, where high-tech revenue counts as "
        "technology-intensive output: the share is then one in the province's own output"
    )
    item = "Jiangsu's high-tech revenue against what 0.586 leaves outside Shanghai, share in the region's class"
    yield _finding("technology.of_region", item, _reading(check, meaning))


def _indices(p: PrintedTables) -> Iterator[Finding]:
    """Section 3.1: indices against each other, through the bounds that the others set."""
    text = p.text
    pair = text["pair_specialization_2014_beijing_hebei"]
    check = within(pair, Rounded.exact(0), Rounded.exact(2), "a sum of absolute differences of shares is at most two")
    yield _finding("index.range", "Index of Beijing and Hebei 2014 within 0 and 2", check)
    meaning = "half the sum is at most one: the printed index is the whole sum"
    check = _reading(at_most(pair, Rounded.exact(1)), meaning)
    yield _finding("index.halved", "Index of Beijing and Hebei 2014 as half the sum of absolute differences", check)
    check = at_least(pair, Rounded.exact(text["pair_specialization_floor_beijing_hebei"].value))
    yield _finding("index.floor", "Index of Beijing and Hebei 2014 above its floor", check)
    check = at_most(
        text["relative_specialization_2014_shanghai"],
        text["relative_specialization_2014_beijing"],
        "the order is reversed",
    )
    yield _finding("index.order", "Shanghai less specialised than Beijing 2014", check)
    for cluster in PROVINCES:
        for index in p.index_intervals(cluster):
            item = f"K({', '.join(index)}) against what the other indices leave"
            yield _finding(f"index.bounds.{'.'.join(index)}", item, _against_the_others(p, cluster, index))


def _against_the_others(p: PrintedTables, cluster: str, index: Index) -> Check:
    others = p.index_intervals(cluster)
    low, high = others.pop(index)
    printed = f"{low:.4g} to {high:.4g}"
    meaning = "no table of shares has these indices"
    try:
        left = specialization_bounds(PROVINCES[cluster], others, shares=_sizes(p) if cluster == DELTA else None)
    except InfeasibleError:
        return statement("the others exclude each other", printed, False, meaning)
    left = left[left["quantity"] == f"K({', '.join(index)})"]
    least, most = float(left["low"].iloc[0]), float(left["high"].iloc[0])
    shown = f"{least:.3f} to {most:.3f}"
    if most - least > 2 - SOLVED_TO:
        return Check(
            shown, printed, "not determined", "the others leave it open, for no output of the north is printed"
        )
    return statement(shown, printed, bool(least <= high + SOLVED_TO and low <= most + SOLVED_TO), meaning)


def _pattern_of_sectors(p: PrintedTables) -> Iterator[Finding]:
    """Table 4, rebuilt from section 3.2."""
    provinces = PROVINCES[DELTA]
    extracted = reconstruct(p.advantages, p.sectors, provinces, reference="cluster")
    meaning = (
        f"as extracted, {', '.join(extracted.conflict)} exclude each other: two lines of one sentence have been mixed, "
        "which says nothing about the printed page"
    )
    shown = f"{extracted.n_tables} tables agree"
    check = plausible("at least one", shown, extracted.n_tables > 0, meaning)
    yield _finding("t4.extracted", "Table 4, tables that agree with the text as extracted", check)
    whole = undone(p.advantages)
    found = reconstruct(whole, p.sectors, provinces, reference="cluster")
    by_hand = p.rebuilt_advantages.loc[list(p.sectors), list(provinces)]
    check = _the_one(found.tables, by_hand)
    yield _finding("t4.undone", "Table 4, tables that agree with the text, the scrambled sentence undone", check)
    free = reconstruct(open_lists(whole), p.sectors, provinces)
    check = _the_one(free.tables, by_hand)
    yield _finding("t4.lists_open", "Table 4, tables that agree if all lists are open and the counts exact", check)
    said = p.advantages[p.advantages["kind"] == "count"]
    for first, second, number in zip(said["province"], said["other_province"], said["count"], strict=True):
        check = counts([int((by_hand[first] * by_hand[second]).sum())], int(number))
        item = f"Table 4 rebuilt, sectors that {NAMES[first]} and {NAMES[second]} share"
        yield _finding(f"t4.shared.{first}.{second}", item, check)
    named = int((by_hand.sum(axis=1) > 0).sum())
    meaning = "against the region a location quotient is above one somewhere"
    check = statement(f"{named} of {len(by_hand)}", "all", named == len(by_hand), meaning)
    yield _finding("t4.every_sector", "Table 4 rebuilt, sectors that are an advantage of some province", check)
    for grouping, classes in p.classes.items():
        own = [sector for sector in p.sectors if by_hand.loc[sector, "anhui"]]
        labour = sum(classes[sector] == "labour" for sector in own)
        meaning = "half or less under this grouping; the paper's own list of classes is lost"
        check = plausible(f"{labour} of {len(own)}", "mainly labour-intensive", 2 * labour > len(own), meaning)
        yield _finding(
            f"t4.labour.{grouping}", f"Table 4 rebuilt, labour-intensive sectors of Anhui, {grouping}", check
        )


def _two_patterns(p: PrintedTables) -> Iterator[Finding]:
    """Pharmaceuticals: an advantage of Jiangsu alone within manufacturing, not of Jiangsu within high-tech."""
    pharmaceuticals = _pharmaceuticals(p)
    low, high = pharmaceuticals["jiangsu"]
    meaning = "no share in pharmaceuticals is above the one in output and below the one in high-tech revenue"
    check = statement("low below high", f"{low:.4f} to {high:.4f}", low < high, meaning)
    item = "Tables 1 and 4, Jiangsu's share in the delta's pharmaceuticals that both patterns leave"
    yield _finding("patterns.pharmaceuticals.jiangsu", item, check)
    ranges = _missing_provinces(p, LAST - FIRST)
    revenue = p.text["hightech_revenue_2014_yrd"].value
    for province, cap in _high_tech_caps(p, pharmaceuticals).items():
        if province in ranges:
            ends = [float(end / revenue) for end in ranges[province]]
            shown = f"{ends[0]:.4f} to {ends[1]:.4f}"
            meaning = "table 1 and table 4 leave less than the growth rates ask for"
            check = statement(f"below {cap:.4f}", shown, ends[0] < cap, meaning)
            item = f"Tables 1 and 4, {NAMES[province]}'s share in high-tech revenue below its share in output"
            yield _finding(f"patterns.hightech.{province}", item, check)


def _isomorphism(p: PrintedTables) -> Iterator[Finding]:
    """Section 3.2 finds complementarity above competition, section 4.1 serious isomorphism."""
    provinces = p.rebuilt_advantages[list(PROVINCES[DELTA])].sum(axis=1)
    alone, shared = int((provinces == 1).sum()), int((provinces > 1).sum())
    meaning = "more sectors are shared than not, but the paper does not say how complementarity is weighed"
    check = plausible(
        f"{alone} sectors of one province, {shared} of several", "complementarity", alone > shared, meaning
    )
    yield _finding("text.complementarity", "Section 3.2, complementarity above competition in table 4", check)
    meaning = "the two sentences are in tension; neither names a measure, so no number decides between them"
    said = ("good complementarity (3.2)", "serious isomorphism (4.1)")
    yield _finding("text.isomorphism", "Sections 3.2 and 4.1, the delta today", Check(*said, "not determined", meaning))


def _technology_of_rest(p: PrintedTables, core: str) -> tuple[float, float]:
    """The core's share less half its index, and the share itself: the text calls it the largest of the cluster."""
    share, index = p.text[f"tech_intensive_share_{core}_2013_2014"], p.text[f"relative_specialization_2014_{core}"]
    return max(0.0, float(share.low - index.high / 2)), float(share.high)


def _pharmaceuticals(p: PrintedTables) -> dict[str, tuple[float, float]]:
    """Shares in the delta's pharmaceuticals, against those in output (table 4) and in high-tech revenue (table 1)."""
    sectors = manufacturing_sectors()
    sector = dict(zip(sectors["sector"], sectors["industry"], strict=True))["pharmaceuticals"]
    in_output = {province: size / sum(_sizes(p).values()) for province, size in _sizes(p).items()}
    in_high_tech = {"jiangsu": _jiangsu_in_high_tech(p)}
    found = {}
    for province, share in in_output.items():
        low, high = 0.0, 1.0
        for table, row, of in (
            (p.rebuilt_advantages, sector, share),
            (p.rebuilt_high_tech, "pharmaceuticals", in_high_tech.get(province)),
        ):
            if of is not None:
                low, high = (max(low, of), high) if table.loc[row, province] else (low, min(high, of))
        found[province] = (low, high)
    return found


def _high_tech_caps(p: PrintedTables, pharmaceuticals: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Shares in high-tech revenue: below the share in pharmaceuticals where those are an advantage within high-tech."""
    advantage = p.rebuilt_high_tech.loc["pharmaceuticals"]
    return {x: high for x, (_, high) in pharmaceuticals.items() if advantage[x] and high < 1}


def _jiangsu_in_high_tech(p: PrintedTables) -> float:
    return float(p.text["hightech_revenue_2014_jiangsu"].value / p.text["hightech_revenue_2014_yrd"].value)


def _sizes(p: PrintedTables) -> dict[str, float]:
    return {province: float(output.value) for province, output in p.output.items()}


def _output_2005(p: PrintedTables) -> dict[str, Rounded]:
    years = LAST - FIRST
    return {x: output / _power(_factor(p.text[f"growth_2005_2014_{x}"]), years) for x, output in p.output.items()}


def _the_one(tables: Sequence[pd.DataFrame], by_hand: pd.DataFrame) -> Check:
    """Whether exactly one table agrees and is the one rebuilt by hand."""
    same = len(tables) == 1 and tables[0].to_numpy().tolist() == by_hand.to_numpy().tolist()
    shown = f"{int(by_hand.to_numpy().sum())} ones in {len(by_hand)} rows"
    expected = "1 table, the one rebuilt by hand" if same else f"{len(tables) or 'no or many'} tables"
    return statement(expected, shown, same, "the text does not leave the rebuilt table alone")


def _reading(check: Check, meaning: str) -> Check:
    """A reading that the numbers rule out is no fault of theirs."""
    return replace(check, verdict="not determined", meaning=meaning) if check.verdict == "inconsistent" else check


def _finding(name: str, item: str, check: Check) -> Finding:
    return Finding(f"p4.audit.{name}", item, check)


def _wide(frame: pd.DataFrame, sector: str) -> pd.DataFrame:
    """Sectors by provinces; missing where the text says nothing."""
    return frame.pivot(index=sector, columns="province", values="lq_above_one")


def _without(said: pd.DataFrame, kind: str) -> pd.DataFrame:
    return said[said["kind"] != kind]


def _factor(percent: Rounded | Decimal) -> Rounded:
    return 1 + (percent if isinstance(percent, Rounded) else Rounded.exact(percent)) / 100


def _power(x: Rounded, n: int) -> Rounded:
    return Rounded(x.value**n, x.low**n, x.high**n)


def _root(x: Rounded, n: int) -> Rounded:
    return (x.ln() / n).exp()


def _total(values: Iterable[Rounded]) -> Rounded:
    return sum(values, Rounded.exact(0))


def _listed(provinces: Iterable[str]) -> str:
    return ", ".join(NAMES[province] for province in provinces)
