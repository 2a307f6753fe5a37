"""Audit of p1, enlargement of the Yangtze-delta cluster in 2010: tables 1 to 7 and what the text says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from regiometrics.data.facts import delta_cities, delta_counties
from regiometrics.data.published import in_text, table
from regiometrics.report.audits.identities import (
    counts,
    indirect,
    mixing_share,
    moments,
    sobel,
    stars,
    whole_numbers,
)
from regiometrics.report.audits.rounded import Check, Finding, Rounded, at_least, at_most, equal, within, worst

Place = tuple[str, str, str]  # panel, column, term; in table 3 the column is the group of units

OUTCOME, DID, MEDIATOR = "szong", "did", "mediator"
GROUPS = ("all", "incumbent", "new")
LOGS = ("ln_pergdp", "ln_density")
PANELS_OF_MEDIATORS = (("5a", "5b"), ("6a", "6b"))  # equation (7), equation (8)
TOTAL: Place = ("5a", "1", DID)
ENLARGED = 2010
CRITICAL = Decimal("1.96")
LEVELS = {"***": 1, "**": 5, "*": 10}  # in percent, as printed below table 3

# Cities that section 1 names as members or new members, by year.
NAMED_IN_SECTION_1 = {1992: 14, 1997: 1, 2003: 1, 2010: 6, 2013: 8}

# What the text says of signs and stars: "" not significant, "*" significant at any level.
SIGNIFICANCE: Mapping[Place, tuple[str, str]] = {
    ("3", "all", DID): ("positive", "*"),
    ("3", "incumbent", DID): ("positive", "*"),
    ("3", "new", DID): ("negative", ""),
    **{("5a", column, DID): ("positive", "*") for column in ("1", "2", "4", "5")},
    **{("5b", column, DID): ("positive", "*") for column in ("2", "3", "4", "5")},
    **{("5b", column, MEDIATOR): ("", "") for column in ("2", "3", "4", "5")},
    **{("6a", column, DID): ("positive", "*") for column in ("2", "3", "4", "5")},
    **{("6b", column, MEDIATOR): ("positive", "*") for column in ("3", "4")},
}
# Channels whose bootstrap interval leaves out zero, as section 5.2 says; the intervals are not printed.
SIGNIFICANT_CHANNELS = ("employee_growth", "firm_growth", "market_activity", "patent_success")
LARGEST_CHANNELS = ("employee_growth", "firm_growth", "science_expenditure")


class Cell(NamedTuple):
    """A cell of a table of estimates as printed: number, t value or None, and stars."""

    value: Decimal
    t: Decimal | None
    stars: str


@dataclass(frozen=True)
class PrintedTables:
    """The printed numbers of p1; replace one to see what the audit makes of it.

    Attributes
    ----------
    described : mapping variable -> column -> Decimal
        Table 1.
    balance : mapping (predictor, group) -> column -> Decimal
        Table 2, columns ``real`` and ``synthetic``.
    cells : mapping (panel, column, term) -> Cell
        Tables 3 to 6, with ``n_obs`` and ``r2`` among the terms.
    mediators : mapping mediator -> (panel, panel, column)
        Where equations (7) and (8) of a mediator stand.
    shares : mapping mediator -> column -> Decimal
        Table 7.
    text : mapping item -> Decimal
        Numbers of the running text.
    joined : mapping year -> mapping province -> int
        Cities by year of admission and province, from the list of members.
    units : mapping (group, type) -> int
        County units of 2010 by group (``incumbent``, ``new``, ``donor``) and type, from the list of units; the paper
        prints none.
    """

    described: Mapping[str, Mapping[str, Decimal]]
    balance: Mapping[tuple[str, str], Mapping[str, Decimal]]
    cells: Mapping[Place, Cell]
    mediators: Mapping[str, tuple[str, str, str]]
    shares: Mapping[str, Mapping[str, Decimal]]
    text: Mapping[str, Decimal]
    joined: Mapping[int, Mapping[str, int]]
    units: Mapping[tuple[str, str], int]

    @classmethod
    def read(cls) -> PrintedTables:
        """The tables of ``data/published``, the cities and the county units of ``data/facts``."""
        rows = [row for number in (4, 5, 6) for row in table("p1", number).to_dict("records")]
        cells = {
            (row["panel"] or row["table"], row["column"], row["term"].replace("MV_ct", MEDIATOR)): Cell(
                row["value"], row["spread"], row["stars"] or ""
            )
            for row in rows
        }
        for row in table("p1", 3).to_dict("records"):
            cells["3", row["group"], row["quantity"]] = Cell(row["value"], row["t_value"], row["stars"] or "")
        direct = dict(PANELS_OF_MEDIATORS)
        cities, units = delta_cities(), delta_counties()
        return cls(
            described={
                row["variable"]: {column: row[column] for column in ("n_obs", "mean", "std_dev", "min", "max")}
                for row in table("p1", 1).to_dict("records")
            },
            balance={
                (row["predictor"], row["group"]): {"real": row["real"], "synthetic": row["synthetic"]}
                for row in table("p1", 2).to_dict("records")
            },
            cells=cells,
            mediators={
                row["dependent"]: (row["panel"], direct[row["panel"]], row["column"])
                for row in rows
                if row["panel"] in direct and row["dependent"] != "soph"
            },
            shares={
                row["mediator"]: {
                    name: row[name] for name in ("total_effect_c", "indirect_effect_ab", "share_ab_over_c_percent")
                }
                for row in table("p1", 7).to_dict("records")
            },
            text={row["item"]: row["value"] for row in in_text("p1").to_dict("records")},
            joined={
                year: Counter(cities.loc[cities["joined"] == year, "province"])
                for year in sorted(set(cities["joined"].tolist()))
            },
            units=Counter(zip(units["group"], units["type"], strict=True)),
        )

    def said(self, item: str) -> int:
        """A whole number of the running text."""
        return int(self.text[item])

    @property
    def years(self) -> int:
        """Years of the sample."""
        return self.said("sample_last_year") - self.said("sample_first_year") + 1

    @property
    def years_before(self) -> int:
        """Years of the sample before the enlargement."""
        return self.said("pre_period_last_year") - self.said("sample_first_year") + 1

    @property
    def unit_years(self) -> int:
        """Units of the base sample times years."""
        return self.said("n_county_units") * self.years

    @property
    def treated(self) -> tuple[int, int]:
        """Incumbent and new units: the whole number nearest to the incumbents' share in table 2, and the rest."""
        n = self.said("n_treated_units")
        incumbent = round(n * self.mixing_share("ln_pergdp").value)
        return incumbent, n - incumbent

    def mixing_share(self, predictor: str, *, levels: bool = True) -> Rounded:
        """Incumbents' share of the treated in a row of table 2, its logarithms of means of levels or means of logs."""
        means = [Rounded.of(self.balance[predictor, group]["real"]) for group in GROUPS]
        return mixing_share(*(x.exp() if levels and predictor in LOGS else x for x in means))

    def number(self, place: Place) -> Rounded:
        """A number of tables 3 to 6."""
        return Rounded.of(self.cells[place].value)

    def t(self, place: Place) -> Rounded:
        """The t value below it."""
        t = self.cells[place].t
        assert t is not None  # an estimate
        return Rounded.of(t)

    def error(self, place: Place) -> Rounded:
        """The standard error that coefficient and t value imply."""
        return abs(self.number(place) / self.t(place))

    def n_obs(self, panel: str, column: str) -> Rounded:
        """The observations of a column, exact."""
        return Rounded.exact(self.cells[panel, column, "n_obs"].value)

    def coefficients(self, mediator: str) -> tuple[Place, Place, Place]:
        """Places of a, b and c'."""
        effect, direct, column = self.mediators[mediator]
        return (effect, column, DID), (direct, column, MEDIATOR), (direct, column, DID)


def findings(printed: PrintedTables | None = None) -> list[Finding]:
    """All checks on p1, table by table; ``printed`` defaults to the tables as published."""
    p = PrintedTables.read() if printed is None else printed
    return [
        *_cities(p),
        *_units(p),
        *_description(p),
        *_balance(p),
        *_mixture(p),
        *_synthetic_control(p),
        *_placebos(p),
        *_four_means(p),
        *_which_error(p),
        *_reallocation(p),
        *_samples(p),
        *_mediation(p),
        *_shares(p),
        *_stars_and_signs(p),
        *_significance(p),
    ]


def _cities(p: PrintedTables) -> Iterator[Finding]:
    """The history of the cluster: section 1 against its counts and against the list of cities."""
    members = dict(zip(p.joined, accumulate(sum(part.values()) for part in p.joined.values()), strict=True))
    for year, total in zip(NAMED_IN_SECTION_1, accumulate(NAMED_IN_SECTION_1.values()), strict=True):
        check = equal(Rounded.exact(members[year]), Rounded.exact(total))
        yield _finding(f"text.members.{year}", f"Section 1, members in {year} against the list of cities", check)
    parts = [p.said("n_incumbent_cities"), p.said("n_new_cities")]
    yield _finding(
        "text.n_cities_2010", "Text, incumbent and new cities of 2010", counts(parts, p.said("n_cities_2010"))
    )
    check = equal(Rounded.exact(members[ENLARGED]), Rounded.exact(p.said("n_cities_2010")))
    yield _finding("text.n_cities_2010.list", "Text, cities after 2010 against the list of cities", check)
    check = equal(Rounded.exact(NAMED_IN_SECTION_1[2013]), Rounded.exact(p.said("n_cities_2013")))
    yield _finding("text.n_cities_2013", "Sections 1 and 4.3, cities admitted in 2013", check)
    check = equal(Rounded.exact(members[max(members)]), Rounded.exact(p.said("n_cities_delta")))
    yield _finding("text.n_cities_delta", "Text, all cities against the list of cities", check)
    added, said = NAMED_IN_SECTION_1[1997], p.said("n_cities_1997_text")
    total = NAMED_IN_SECTION_1[1992] + added
    meaning = (
        f"section 1 has {total - added} cities in 1992 and {added} admitted in 1997; {total} is the number of members "
        "after that admission, and of the names in the bracket"
    )
    yield _finding(
        "text.n_cities_1997",
        "Section 4.3, cities added in 1997",
        _statement(f"{added}", f"{said}", added == said, meaning),
    )
    new = p.joined[ENLARGED]
    anhui = new.get("Anhui", 0)
    check = _statement("more than half", f"{anhui} of {sum(new.values())}", 2 * anhui > sum(new.values()), "")
    meaning = f"the six cities of section 1 lie in {', '.join(f'{k} ({n})' for k, n in sorted(new.items()))}"
    yield _finding("text.new_in_anhui", "Section 4.3, new members mostly in Anhui", replace(check, meaning=meaning))
    first = NAMED_IN_SECTION_1[1992]
    meaning = "the cities of 1982 are not named, and the members of 1992 need not be those"
    check = Check(f"{first} in 1992", f"{p.said('n_initial_cities')} at first", "not determined", meaning)
    yield _finding("text.n_initial_cities", "Sections 2 and 1, number of cities at the beginning", check)


def _units(p: PrintedTables) -> Iterator[Finding]:
    """Units and years: 99, 98 and 196, the periods, and the list of units."""
    treated, donors, total = (p.said(f"n_{name}_units") for name in ("treated", "control", "county"))
    check = counts([treated, donors], total)
    if check.verdict == "inconsistent":
        off = abs(treated + donors - total)
        meaning = f"one of the three is off by {off}; the printed numbers do not say which"
        check = replace(check, meaning=meaning)
    yield _finding("text.n_units", "Text, treated units and donors make up the sample", check)
    check = equal(1 / Rounded.exact(donors), p.text["placebo_mean_weight"])
    yield _finding("text.placebo_mean_weight", "Text, mean weight of the donors is one over their number", check)
    fewer = 1 / Rounded.exact(total - treated)
    check = _reading(equal(fewer, p.text["placebo_mean_weight"]), "so the mean weight goes with the other count")
    item = f"Text, mean weight if the donors were {total} less {treated}"
    yield _finding("text.placebo_mean_weight.other", item, check)
    for variable, row in p.described.items():
        check = equal(Rounded.exact(p.unit_years), Rounded.exact(row["n_obs"]), "the panel is not balanced")
        yield _finding(f"t1.n_obs.{variable}", f"Table 1, {variable}: units times years", check)
    before = Rounded.exact(p.said("pre_period_last_year"))
    check = equal(Rounded.exact(ENLARGED - 1), before)
    yield _finding("text.pre_period", "Text, last year before the enlargement", check)
    kept = p.said("sample_last_year") - p.said("robust_first_year") + 1
    check = equal(Rounded.exact(kept), Rounded.exact(p.said("robust_n_years")))
    yield _finding("text.robust_n_years", "Section 4.3, years kept without 2000-2005", check)
    incumbent, new = p.treated
    for group, number in {"new": new, "incumbent": incumbent, "donor": donors}.items():
        listed = _units_of(p, group)
        meaning = (
            f"{number} units in the paper; the list pools a city's districts and holds the divisions of "
            f"{ENLARGED}; the paper drops or merges units that changed, and does not say which"
        )
        if listed == number:
            meaning = "the numbers agree"
        check = _plausible(f"{listed}", f"{number}", listed == number, meaning)
        yield _finding(f"text.units.{group}", f"List of county units, {group}, against the paper", check)


def _description(p: PrintedTables) -> Iterator[Finding]:
    """Table 1: possible moments, and units."""
    for variable, row in p.described.items():
        check = moments(row["mean"], row["std_dev"], row["min"], row["max"], ddof=1, n=int(row["n_obs"]))
        wrong = []
        if check.verdict == "inconsistent" and "≤" in check.expected:
            tenth = row["std_dev"] / 10
            fits = moments(row["mean"], f"{tenth:f}", row["min"], row["max"], ddof=1, n=int(row["n_obs"]))
            meaning = (
                f"no variable with the printed mean and range has a deviation above {check.expected[2:].split()[0]}"
                + f"; {tenth:.3f} would be possible" * (fits.verdict == "consistent")
            )
            check = replace(check, meaning=meaning)
            wrong = [f"p1.t1.{variable}.std_dev"]
        item = f"Table 1, {variable}: deviation within what mean and range allow"
        yield _finding(f"t1.moments.{variable}", item, check, *wrong)
    for variable in ("urban", "infra", "gov", "finan", "human"):
        mean, high = (p.described[variable][column] for column in ("mean", "max"))
        meaning = f"in percent no unit would exceed {high} %; the values are consistent with fractions of one"
        check = Check(f"{100 * mean:.1f} %, as a fraction", f"{mean} %", "not determined", meaning)
        yield _finding(f"t1.unit.{variable}", f"Table 1, mean of {variable}, in the printed unit", check)
    income = p.described["ln_pergdp"]["mean"].exp()
    meaning = (
        f"in 10,000 yuan the geometric mean would be {income / 10**4:.2f} hundred million yuan a head; the values are "
        f"consistent with yuan, {income:,.0f} a head"
    )
    check = Check(f"{income:,.0f}", "10,000 yuan per person", "not determined", meaning)
    yield _finding("t1.unit.ln_pergdp", "Table 1, geometric mean of GDP per head, in the printed unit", check)
    low, mean, high = (p.described["ln_density"][column].exp() for column in ("min", "mean", "max"))
    meaning = (
        f"as printed no unit has more than {high:.0f} persons per km2; as km2 per 10,000 persons the mean is "
        f"{10**4 / mean:.0f} and the range {10**4 / high:.0f} to {10**4 / low:,.0f} persons per km2, and table 2 has "
        "the incumbents as the densest group"
    )
    check = Check(f"{mean:.1f}", "persons per km2", "not determined", meaning)
    yield _finding("t1.unit.ln_density", "Table 1, geometric mean of density, in the printed unit", check)


def _balance(p: PrintedTables) -> Iterator[Finding]:
    """Table 2: means and weighted means lie within the range of table 1; how large the gaps are."""
    for (predictor, group), row in p.balance.items():
        low, high = (Rounded.of(p.described[predictor][end]) for end in ("min", "max"))
        for column, value in row.items():
            what = "mean of units" if column == "real" else "weighted mean of donors"
            same = [
                other
                for (other, where), cells in p.balance.items()
                if where == group and other != predictor and cells[column] == value
            ]
            meaning = f"a {what} lies within the range of table 1, {low.value} to {high.value}"
            if same:
                meaning += f"; the row of {', '.join(same)} prints {value} in the same column"
            check = within(value, low, high, meaning)
            item = f"Table 2, {predictor}, {group}, {column}: within the range of table 1"
            wrong = [f"p1.t2.{predictor}.{group}.{column}"] if check.verdict == "inconsistent" else []
            yield _finding(f"t2.range.{predictor}.{group}.{column}", item, check, *wrong)
    yield _human_without_maximum(p)
    for group in GROUPS:
        gaps = {
            predictor: abs(row["real"] - row["synthetic"]) / p.described[predictor]["std_dev"]
            for (predictor, where), row in p.balance.items()
            if where == group
        }
        predictor = max(gaps, key=gaps.__getitem__)
        row = p.balance[predictor, group]
        meaning = (
            "the text says small; how small it does not say, and whether the donors reach the treated value is not "
            "printed" + "; in a logarithm one is a factor of 2.7" * (predictor in LOGS)
        )
        shown = f"{predictor}: {row['real']} against {row['synthetic']}, {gaps[predictor]:.1f} deviations of table 1"
        check = Check(shown, "small differences", "not determined", meaning)
        yield _finding(f"t2.fit.{group}", f"Table 2, {group}: largest gap of actual and synthetic values", check)


def _human_without_maximum(p: PrintedTables) -> Finding:
    """Table 1's deviation alone forbids the synthetic value: one donor would have to average as much over the years.

    k observations with mean m contribute at least k (m - mean)^2 to the sum of squares.
    """
    row, value = p.described["human"], p.balance["human", "all"]["synthetic"]
    mean = Rounded.of(row["mean"])
    largest = mean + Rounded.of(row["std_dev"]) * (Decimal(int(row["n_obs"]) - 1) / p.years_before).sqrt()
    check = at_most(value, largest)
    if check.verdict == "inconsistent":
        meaning = (
            f"a donor would have to average {value} or more over {p.years_before} years, which the printed deviation "
            "does not allow, whatever the maximum"
        )
        check = replace(check, meaning=meaning)
    return _finding("t2.deviation.human", "Tables 2 and 1, human, all, synthetic: without use of the maximum", check)


def _mixture(p: PrintedTables) -> Iterator[Finding]:
    """Table 2: the treated are incumbents and new units in one proportion."""
    predictors = list(dict.fromkeys(predictor for predictor, _ in p.balance))
    shares = {predictor: p.mixing_share(predictor) for predictor in predictors}
    joint = Rounded(
        shares["ln_pergdp"].value, max(x.low for x in shares.values()), min(x.high for x in shares.values())
    )
    holds = joint.low <= joint.high
    shown = f"{joint.low:.4f} to {joint.high:.4f}"
    n, (incumbent, new) = p.said("n_treated_units"), p.treated
    meaning = "the seven rows, logarithms taken after averaging, do not share one proportion of incumbents"
    check = _statement(shown if holds else "none", f"{len(shares)} rows", holds, meaning)
    yield _finding("t2.mixture", "Table 2, share of incumbents that all rows allow", check)
    for predictor, share in shares.items():
        mixed = _mixed(p, predictor)
        item = f"Table 2, {predictor}: all treated units from {incumbent} incumbent and {new} new ones"
        yield _finding(f"t2.mixture.{predictor}", item, equal(mixed, p.balance[predictor, "all"]["real"]))
        if predictor in LOGS:
            raw = p.mixing_share(predictor, levels=False)
            apart = raw.low > min(x.high for x in shares.values()) or raw.high < max(x.low for x in shares.values())
            meaning = (
                "not the share of the other rows, which are consistent with the logarithm of a mean" if apart else ""
            )
            check = Check(share.show(3), raw.show(3), "not determined" if apart else "consistent", meaning)
            item = f"Table 2, {predictor}: share of incumbents if logarithms were averaged"
            yield _finding(f"t2.mixture.logs.{predictor}", item, check)
    fits = {total: whole_numbers(total * joint) if holds else [] for total in range(n - 2, n + 3)}
    meaning = "; ".join(f"{total}: {', '.join(map(str, ways)) or 'none'}" for total, ways in fits.items())
    check = _statement(
        f"{n}: {incumbent} and {new}",
        f"{n}",
        fits[n] == [incumbent],
        f"incumbent units by number of treated units: {meaning}",
        f"incumbent units by number of treated units: {meaning}",
    )
    yield _finding("t2.units", "Table 2 and text, whole numbers of incumbent and new units", check)


def _mixed(p: PrintedTables, predictor: str) -> Rounded:
    """The mean of all treated units from those of the two groups, on the printed scale."""
    means = [Rounded.of(p.balance[predictor, group]["real"]) for group in GROUPS[1:]]
    if predictor in LOGS:
        means = [x.exp() for x in means]
    mixed = _average(list(zip(means, p.treated, strict=True)))
    return mixed.ln() if predictor in LOGS else mixed


def _synthetic_control(p: PrintedTables) -> Iterator[Finding]:
    """Effects of the synthetic controls, of which the figures are not printed as numbers."""
    effect = {group: Rounded.of(p.text[f"scm_effect_{group}"]) for group in GROUPS}
    incumbent, new = p.treated
    low, high = sorted((effect["incumbent"], effect["new"]), key=lambda x: x.value)
    check = within(effect["all"], low, high)
    yield _finding("text.scm.between", "Text, effect on all units between those on the groups", _open(check, ""))
    check = equal(_average([(effect["incumbent"], incumbent), (effect["new"], new)]), effect["all"])
    meaning = (
        f"the actual means of {incumbent} and {new} units add up, three separate synthetic ones need not: they "
        "differ by what is missing"
    )
    yield _finding("text.scm.additive", "Text, effect on all units from those on the groups", _open(check, meaning))
    check = at_least(effect["new"], effect["incumbent"])
    yield _finding("text.scm.order", "Text, the effect on new units is the larger one", check)
    county, district = (
        {group: Rounded.of(p.text[f"scm_effect_{group}_{kind}"]) for group in GROUPS[1:]}
        for kind in ("county", "district")
    )
    check = at_least(district["incumbent"], county["incumbent"])
    yield _finding("text.scm.districts.incumbent", "Section 4.4, incumbents: the effect on districts is largest", check)
    check = at_least(district["new"], county["new"])
    meaning = "the section says it of all cities together, and of the new units that counties gain most"
    item = "Section 4.4, new units: the effect on districts is largest"
    yield _finding("text.scm.districts.new", item, _open(check, meaning))
    city = Rounded.of(p.text["scm_effect_new_county_level_city"])
    check = at_least(county["new"], max(city, district["new"], key=lambda x: x.value))
    yield _finding("text.scm.counties.new", "Section 4.4, new units: counties gain most", check)
    types = {"county": county["new"], "county_city": city, "district": district["new"]}
    check = equal(_average([(x, p.units["new", kind]) for kind, x in types.items()]), effect["new"])
    sizes = ", ".join(f"{p.units['new', kind]} {kind.replace('_', ' ')}" for kind in types)
    meaning = f"weighted by the listed units ({sizes}); separate fits need not add up"
    yield _finding(
        "text.scm.types.new", "Text, effect on new units from those on its three types", _open(check, meaning)
    )


def _placebos(p: PrintedTables) -> Iterator[Finding]:
    """What so many placebos can show."""
    for group in GROUPS:
        n = p.said(f"placebo_n_{group}")
        p_value = 1 / Rounded.exact(n + 1)
        reaches = p_value.value <= Decimal("0.05")
        meaning = (
            f"one over {n + 1}, if the treated path ranks first"
            + ("" if reaches else ": no ranking is significant at 5 %")
            + "; the paper prints no p value"
        )
        check = Check(f"p ≥ {p_value.value:.4f}", f"{n} placebos", "not determined", meaning)
        yield _finding(f"text.placebo.{group}", f"Text, {group}: smallest p value that its placebos allow", check)
    donors = p.said("n_control_units")
    meaning = (
        "with the treated mean inside the donors' hull the weights are not unique, and how many are positive is a "
        "matter of the algorithm; at a corner solution few are"
    )
    check = Check("not unique", f"{donors} of {donors} positive", "not determined", meaning)
    yield _finding("text.placebo.weights", "Text, donors with a positive weight", check)


def _four_means(p: PrintedTables) -> Iterator[Finding]:
    """Table 3: its differences, and how they go with the synthetic controls."""
    low, high = (Rounded.of(p.described[OUTCOME][end]) for end in ("min", "max"))
    means = [p.number(place) for place, cell in p.cells.items() if place[0] == "3" and cell.t is None]
    ends = [within(choose(means, key=lambda x: x.value), low, high) for choose in (min, max)]
    shown = Check(ends[0].expected, " to ".join(x.printed for x in ends), worst(ends))
    yield _finding("t3.range", f"Tables 3 and 1, {len(means)} means within the range of the outcome", shown)
    for group in GROUPS:
        for period in ("pre", "post"):
            control, treated, difference = (
                ("3", group, f"{period}_{what}") for what in ("control", "treated", "difference")
            )
            check = equal(p.number(treated) - p.number(control), p.cells[difference].value)
            yield _finding(
                f"t3.difference.{group}.{period}", f"Table 3, {group}, {period}: treated less controls", check
            )
        before, after, did = (("3", group, what) for what in ("pre_difference", "post_difference", DID))
        check = equal(p.number(after) - p.number(before), p.cells[did].value)
        yield _finding(f"t3.did.{group}", f"Table 3, {group}: difference of the differences", check)
        effect = Rounded.of(p.text[f"scm_effect_{group}"])
        distance = abs(effect - p.number(did)) / p.error(did)
        meaning = (
            f"{distance.value:.1f} printed standard errors apart"
            + ", with opposite signs" * (effect.value * p.cells[did].value < 0)
            + "; two methods on two samples, and the paper reports both"
        )
        check = _plausible(f"{effect.value}", f"{p.cells[did].value}", distance.value < 2, meaning)
        yield _finding(
            f"t3.scm.{group}", f"Text and table 3, {group}: synthetic control and matched differences", check
        )
    for period in ("pre", "post"):
        share = mixing_share(*(p.number(("3", group, f"{period}_treated")) for group in GROUPS))
        incumbent, new = p.treated
        meaning = (
            f"{incumbent} of {incumbent + new} before matching; the matched samples are not printed, and those of the "
            "groups need not make up that of all units"
        )
        check = Check(f"{incumbent / (incumbent + new):.3f}", share.show(3), "not determined", meaning)
        yield _finding(f"t3.mixture.{period}", f"Table 3, {period}: share of incumbents in the treated mean", check)


def _which_error(p: PrintedTables) -> Iterator[Finding]:
    """Table 3: which errors its t values agree with.

    The error of the difference in differences is the root of the sum of the squares of the two errors if the years
    before and after are taken as independent samples; with observations of one variance and units of one number in
    each year the errors of the two differences stand as the roots of the numbers of years.
    """
    before, after = p.years_before, p.years - p.years_before
    for group in GROUPS:
        first, second, did = (("3", group, what) for what in ("pre_difference", "post_difference", DID))
        a, b = p.error(first), p.error(second)
        check = equal(abs(p.number(did)) / (a * a + b * b).sqrt(), abs(p.t(did)))
        meaning = "consistent with years taken as independent; errors clustered by unit need not add up so"
        item = f"Table 3, {group}: |t| if the error is the root of the sum of squares"
        agrees = check.verdict != "inconsistent"
        yield _finding(f"t3.error.{group}", item, replace(check, meaning=meaning) if agrees else _reading(check))
        expected, ratio = (Decimal(before) / after).sqrt(), b / a
        check = equal(Rounded.exact(expected), ratio)
        meaning = f"root of {before}/{after}: plausible for independent observations, no identity"
        shown = _plausible(f"{expected:.3f}", ratio.show(3), check.verdict != "inconsistent", meaning)
        yield _finding(f"t3.error.ratio.{group}", f"Table 3, {group}: error after over error before", shown)


def _reallocation(p: PrintedTables) -> Iterator[Finding]:
    """Table 4: the parts of the change, what the first one holds, and the sample."""
    inter, intra, turnover = (("4", column, "delta_did") for column in ("1", "2", "3"))
    both = p.number(inter) + p.number(intra)
    total = both + p.number(turnover)
    meaning = (
        "least squares adds up over the parts of the change, so this is the coefficient of the change itself, which "
        "the paper does not print for this sample; table 5 has another equation and sample"
    )
    check = Check(total.show(3), f"{p.cells[TOTAL].value}", "not determined", meaning)
    yield _finding("t4.sum", "Table 4, sum of the three coefficients, beside the total effect of table 5", check)
    share = 100 * p.number(turnover) / total
    meaning = (
        f"the first two coefficients cancel to {both.value:+f}, and entry and exit hold {share.value:.0f} % of the "
        "sum; equation (5) makes the first part minus the growth of output times the level, which holds no other county"
    )
    check = Check(both.show(3), "mainly between counties", "not determined", meaning)
    yield _finding("t4.cancel", "Table 4, sum of the parts between and within counties", check)
    growth = -100 * p.number(inter) / Rounded.of(p.described[OUTCOME]["mean"])
    meaning = (
        "the first part is minus growth times level, so at the mean level of table 1 the recorded output of treated "
        "counties grew by so much less in the one year in which the differenced dummy is one; industries that enter or "
        "leave are left out"
    )
    check = Check(f"{growth.show(0)} points", f"{p.cells[inter].value}", "not determined", meaning)
    yield _finding("t4.growth", "Table 4, growth of output that the first coefficient implies", check)
    n = p.said("n_county_units") * (p.years - 1)
    for column in ("1", "2", "3"):
        used = p.n_obs("4", column)
        check = at_most(used, Rounded.exact(n))
        if check.verdict == "consistent":
            meaning = f"{n - used.value:,} differences are missing; which ones the paper does not say"
            check = replace(check, meaning=meaning)
        item = f"Table 4, column {column}: no more observations than units times differenced years"
        yield _finding(f"t4.n_obs.c{column}", item, check)


def _samples(p: PrintedTables) -> Iterator[Finding]:
    """Tables 5 and 6: observations, and R squared."""
    whole = p.n_obs("5a", "1")
    meaning = f"more observations than the {p.unit_years:,} of table 1; the paper does not explain the sample"
    for panel in ("5a", "6a"):
        for column in [column for where, column, term in p.cells if where == panel and term == "n_obs"]:
            check = at_most(p.n_obs(panel, column), Rounded.exact(p.unit_years), meaning)
            item = f"Table {panel}, column {column}: no more observations than units times years"
            yield _finding(f"t{panel}.n_obs.c{column}", item, check)
    for name, (effect, direct, column) in p.mediators.items():
        n = p.n_obs(effect, column)
        check = equal(n, p.n_obs(direct, column), "equations (7) and (8) do not share their sample")
        yield _finding(
            f"t{direct}.n_obs.c{column}", f"Table {direct}, {name}: equations (7) and (8) on one sample", check
        )
        check = _plausible(
            f"{whole.value:,}", f"{n.value:,}", n == whole, f"{whole.value - n.value:,} fewer than equation (6)"
        )
        item = f"Table {direct}, {name}: equations (6) and (8) on one sample"
        yield _finding(f"t{direct}.sample.c{column}", item, check)
        least, r2 = p.number(("5a", "1", "r2")), p.number((direct, column, "r2"))
        check = at_least(r2, least)
        meaning = (
            f"lower although a regressor is added, with {whole.value - n.value:,} observations fewer; on one sample it "
            "could only rise"
        )
        item = f"Tables {direct} and 5a, {name}: R squared with the mediator against that without"
        yield _finding(f"t{direct}.r2.c{column}", item, _open(check, meaning))


def _mediation(p: PrintedTables) -> Iterator[Finding]:
    """Tables 5 to 7: c = c' + ab, and the total effect in its three places."""
    check = equal(Rounded.of(p.text["mediation_total_effect"]), p.cells[TOTAL].value)
    yield _finding("text.mediation_total_effect", "Text and table 5a, total effect", check)
    for name in p.mediators:
        a, b, direct = p.coefficients(name)
        check = indirect(*(f"{p.cells[place].value}" for place in (a, b, TOTAL, direct)))
        missing = p.n_obs("5a", "1").value - p.n_obs(direct[0], direct[1]).value
        said = f"equation (8) has {missing:,} observations fewer than equation (6)"
        if check.verdict == "inconsistent":
            said += "; on one sample with the same controls the two sides are equal"
        item = f"Tables {a[0]} and {direct[0]}, {name}: c = c' + ab"
        yield _finding(f"t{direct[0]}.indirect.{name}", item, replace(check, meaning=said))


def _shares(p: PrintedTables) -> Iterator[Finding]:
    """Table 7: ab against a times b and against c - c', shares, and what the bootstrap is said to find."""
    c = p.number(TOTAL)
    for name, row in p.shares.items():
        check = equal(c, row["total_effect_c"])
        yield _finding(f"t7.total.{name}", f"Tables 7 and 5a, {name}: total effect", check)
        a, b, direct = p.coefficients(name)
        product = p.number(a) * p.number(b)
        sign = "the product has the other sign; " if product.value < 0 else ""
        ratio = 100 * product.value / c.value
        meaning = f"{sign}with a = {p.cells[a].value} and b = {p.cells[b].value} the share would be {ratio:.1f} %"
        check = equal(product, row["indirect_effect_ab"], meaning)
        yield _finding(f"t7.product.{name}", f"Tables 7, {a[0]} and {direct[0]}, {name}: ab is a times b", check)
        check = _reading(equal(c - p.number(direct), row["indirect_effect_ab"]), "the printed ab is not c - c' either")
        rest = c.value - p.cells[direct].value
        if check.verdict == "not determined" and abs(rest - row["indirect_effect_ab"]) <= Decimal("0.002"):
            check = replace(check, meaning="close to c - c', and not equal")
        yield _finding(f"t7.rest.{name}", f"Tables 7, 5a and {direct[0]}, {name}: ab read as c - c'", check)
        share = row["share_ab_over_c_percent"]
        check = equal(100 * Rounded.of(row["indirect_effect_ab"]) / Rounded.of(row["total_effect_c"]), share)
        yield _finding(f"t7.share.{name}", f"Table 7, {name}: share of ab in c, in percent", check)
    summed = _total(Rounded.of(row["share_ab_over_c_percent"]) for row in p.shares.values())
    meaning = "channels that overlap may sum to more than the whole, and with them no share is a part of it"
    check = _plausible("≤ 100 %", f"{summed.value:.2f} %", summed.low <= 100, meaning)
    yield _finding("t7.shares", "Table 7, sum of the shares", check)
    order = sorted(p.shares, key=lambda name: p.shares[name]["indirect_effect_ab"], reverse=True)
    first = order[: len(LARGEST_CHANNELS)]
    shown = ", ".join(first)
    check = _statement(
        shown, ", ".join(LARGEST_CHANNELS), set(first) == set(LARGEST_CHANNELS), "the order is another one"
    )
    yield _finding("t7.order", "Text and table 7, the largest channels", check)
    for name in SIGNIFICANT_CHANNELS:
        a, b, _ = p.coefficients(name)
        z = sobel(p.t(a), p.t(b))
        meaning = (
            f"first-order z from the printed t of a ({p.cells[a].t}) and of b ({p.cells[b].t}); the intervals are not "
            "printed, and a bootstrap interval may differ from this one"
        )
        item = f"Text and tables {a[0]} and {b[0]}, {name}: the interval of ab leaves out zero"
        yield _finding(
            f"t7.bootstrap.{name}", item, _plausible("|z| ≥ 1.96", f"|z| = {z.value:.2f}", z.high >= CRITICAL, meaning)
        )


def _stars_and_signs(p: PrintedTables) -> Iterator[Finding]:
    """Stars against t values, and t values against the signs of their coefficients."""
    for place, cell in p.cells.items():
        if cell.t is None:
            continue
        panel, column, term = place
        where = f"Table {panel}, {f'column {column}' if column.isdigit() else column}"
        name = f"c{column}.{term}" if column.isdigit() else f"{column}.{term}"
        check = stars(None, f"{cell.t}", cell.stars, spread_kind="t_value")
        check = replace(check, expected=check.expected or "none", printed=check.printed or "none")
        yield _finding(f"t{panel}.stars.{name}", f"{where}, stars of {term}", check)
    for panel in dict.fromkeys(panel for panel, _, _ in p.cells):
        cells = {place: cell for place, cell in p.cells.items() if place[0] == panel and cell.t is not None}
        odd = [place for place, cell in cells.items() if cell.t is not None and (cell.value < 0) != (cell.t < 0)]
        sure = [place for place in odd if panel == "3" and _sign_is_sure(p, place)]
        said = [f"{p.cells[place].value} ({p.cells[place].t}) in {', '.join(place[1:])}" for place in odd]
        meaning = "a t value has the sign of its coefficient"
        if sure:
            meaning += ", which the two numbers from which the difference is taken give too"
        check = _statement("none", "; ".join(said) or "none", not odd, meaning)
        item = f"Table {panel}, t values with another sign than their coefficient, of {len(cells)}"
        wrong = [f"p1.t3.{group}.{quantity}.t_value" for _, group, quantity in sure]
        yield _finding(f"t{panel}.sign", item, check, *wrong)


def _sign_is_sure(p: PrintedTables, place: Place) -> bool:
    """Whether the numbers from which a difference of table 3 is taken give its sign too."""
    _, group, quantity = place
    if quantity == DID:
        terms = ("post_difference", "pre_difference")
    else:
        period = quantity.removesuffix("_difference")
        terms = (f"{period}_treated", f"{period}_control")
    first, second = (p.number(("3", group, term)) for term in terms)
    return equal(first - second, p.cells[place].value).verdict != "inconsistent"


def _significance(p: PrintedTables) -> Iterator[Finding]:
    """The text's words against signs and stars."""
    for place, (sign, level) in SIGNIFICANCE.items():
        cell = p.cells[place]
        holds = bool(cell.stars) == bool(level) and (not sign or (cell.value < 0) == (sign == "negative"))
        told = ", ".join(filter(None, [sign, "significant" if level else "not significant"]))
        panel, column, term = place
        where = f"column {column}" if column.isdigit() else column
        item = f"Text against table {panel}, {where}: sign and stars of {term}"
        percent = LEVELS.get(cell.stars)
        meaning = f"the table stars it at {percent} %" if percent else "the table has no star"
        check = _statement(told, f"{cell.value}{cell.stars}", holds, meaning)
        yield _finding(f"text.significance.t{panel}.{column}.{term}", item, check)
    named, starred = p.said("psm_incumbent_sig_level_text"), LEVELS.get(p.cells["3", "incumbent", DID].stars)
    meaning = "the text names another level than the stars"
    if starred and starred < named:
        meaning += f"; what is significant at {starred} % is so at {named} % too"
    check = _plausible(f"{starred} %", f"{named} %", starred == named, meaning * (starred != named))
    yield _finding("text.psm_incumbent_sig_level", "Text and table 3, level of the incumbents' effect", check)
    place = ("5a", "3", DID)
    cell = p.cells[place]
    meaning = "of the two variables that stand for the mobility of factors one is not significant, with a negative sign"
    holds = cell.value > 0 and bool(cell.stars)
    check = _plausible("positive, significant", f"{cell.value}{cell.stars}", holds, meaning * (not holds))
    yield _finding("text.mobility", "Text and table 5a, column 3: the enlargement promotes mobility of factors", check)


def _units_of(p: PrintedTables, group: str) -> int:
    return sum(n for (where, _), n in p.units.items() if where == group)


def _average(groups: Sequence[tuple[Rounded, int]]) -> Rounded:
    """The mean of groups, weighted by numbers of units."""
    return _total(n * x for x, n in groups) / sum(n for _, n in groups)


def _reading(check: Check, meaning: str = "the paper does not say which error it prints") -> Check:
    """A reading that the numbers rule out is no fault of theirs."""
    return replace(check, verdict="not determined", meaning=meaning) if check.verdict == "inconsistent" else check


def _open(check: Check, meaning: str) -> Check:
    """A relation that is plausible and no identity: broken, it proves nothing."""
    return replace(check, verdict="not determined", meaning=meaning) if check.verdict == "inconsistent" else check


def _finding(name: str, item: str, check: Check, *proven_wrong: str) -> Finding:
    return Finding(f"p1.audit.{name}", item, check, proven_wrong)


def _statement(expected: str, printed: str, holds: bool, meaning: str, holding: str = "") -> Check:
    return Check(expected, printed, "consistent" if holds else "inconsistent", holding if holds else meaning)


def _plausible(expected: str, printed: str, holds: bool, meaning: str) -> Check:
    return Check(expected, printed, "consistent" if holds else "not determined", meaning)


def _total(values: Iterable[Rounded]) -> Rounded:
    return sum(values, Rounded.exact(0))
