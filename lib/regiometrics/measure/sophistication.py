"""Product complexity from trade, sophistication of what a place makes, and where its change comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    UnbalancedPanelError,
    require_choice,
)
from regiometrics.panel import complete, named, numeric, refuse, require_keys

Method = Literal["centred", "printed"]


def prody(trade: pd.DataFrame, *, country: str, product: str, exports: str, gdp_per_head: pd.Series) -> pd.DataFrame:
    r"""PRODY of each product: GDP per head of its exporters, equation (3) of Deng, Pan and Li.

    .. math:: PRODY_k = \sum_m \omega_{mk} Y_m, \qquad \omega_{mk} = \frac{x_{mk}/X_m}{\sum_m x_{mk}/X_m}

    The weight is the revealed comparative advantage of country m in product k, scaled to sum to one over countries
    (Hausmann, Hwang and Rodrik 2007, Journal of Economic Growth 12).

    Parameters
    ----------
    trade : DataFrame
        One row per country and product; all products of a country, since :math:`X_m` is their sum.
    country, product, exports : str
        Key columns and the column of exports, in one currency per country.
    gdp_per_head : Series
        GDP per head by country, positive; PRODY has its unit. Further countries are not used.

    Returns
    -------
    DataFrame
        One row per product, sorted: the product column, ``prody``, ``exports`` (world total), ``exporters`` (countries
        with positive exports) and ``effective_exporters``, the inverse sum of squared weights: 1 where one country
        sets the value, the number of exporters where all weigh the same.

    Raises
    ------
    KeyColumnError
        A column is absent, (country, product) does not identify each row, or ``gdp_per_head`` holds a country twice.
    MissingValueError
        A missing value, or no GDP per head for an exporter.
    DomainError
        Negative exports, a country without exports, a product that nobody exports, GDP per head not positive.

    Examples
    --------
    >>> trade = pd.DataFrame({"m": ["a", "a", "b"], "k": ["x", "y", "y"], "usd": [50.0, 50.0, 8.0]})
    >>> income = pd.Series({"a": 30.0, "b": 3.0})
    >>> prody(trade, country="m", product="k", exports="usd", gdp_per_head=income)["prody"].tolist()
    [30.0, 12.0]
    """
    used, share, (m, countries), (k, products) = _export_shares(trade, country, product, exports)
    income = _looked_up(gdp_per_head, countries, name="gdp_per_head", what="GDP per head of an exporter")
    if (income <= 0).any():
        raise DomainError(
            "GDP per head must be positive",
            column="gdp_per_head",
            keys=countries[income <= 0],
            remedy="correct these countries",
        )
    mass = np.bincount(k, share, len(products))
    _refuse_zero(mass, k, used, "product that nobody exports", column=exports, keys=[product])
    value = used[exports].to_numpy()
    return pd.DataFrame(
        {
            product: products,
            "prody": np.bincount(k, share * income[m], len(products)) / mass,
            "exports": np.bincount(k, value, len(products)),
            "exporters": np.bincount(k, value > 0, len(products)).astype(int),
            "effective_exporters": mass**2 / np.bincount(k, share**2, len(products)),
        }
    )


def expy(trade: pd.DataFrame, *, country: str, product: str, exports: str, prody: pd.Series) -> pd.DataFrame:
    r"""EXPY of each country, :math:`\sum_k (x_{mk}/X_m) PRODY_k`: how sophisticated its exports are.

    Parameters
    ----------
    trade : DataFrame
        As for `prody`.
    country, product, exports : str
        Key columns and the column of exports.
    prody : Series
        PRODY by product.

    Returns
    -------
    DataFrame
        One row per country, sorted: the country column and ``expy``, in the unit of ``prody``.

    Raises
    ------
    KeyColumnError
        A column is absent, keys do not identify each row, or a product has no PRODY.
    MissingValueError
        A missing value.
    DomainError
        Negative exports, or a country without exports.

    Examples
    --------
    >>> trade = pd.DataFrame({"m": ["a", "a", "b"], "k": ["x", "y", "y"], "usd": [50.0, 50.0, 8.0]})
    >>> expy(trade, country="m", product="k", exports="usd", prody=pd.Series({"x": 30.0, "y": 12.0}))["expy"].tolist()
    [21.0, 12.0]
    """
    used, share, (m, countries), (k, products) = _export_shares(trade, country, product, exports)
    value = _complexity(prody, used[exports], (k, products), name="prody")
    return pd.DataFrame({country: countries, "expy": np.bincount(m, share * value, len(countries))})


def industry_sophistication(
    prody: pd.DataFrame, concordance: pd.DataFrame, *, product: str, industry: str, weight: str | None = None
) -> pd.Series:
    """Complexity of each industry: the mean of PRODY over the products mapped to it, footnote 1 of Deng, Pan and Li.

    Parameters
    ----------
    prody : DataFrame
        As returned by `prody`.
    concordance : DataFrame
        One row per product and industry; a product may belong to several industries.
    product, industry : str
        Key columns of the concordance; ``product`` is one of ``prody`` too.
    weight : str, optional
        Column of the concordance with weights, for a weighted mean; left out, the mean is simple, as in the paper.

    Returns
    -------
    Series
        ``complexity`` by industry, in the unit of PRODY.

    Raises
    ------
    KeyColumnError
        A column is absent, keys are not unique, a product has no industry (the message gives the share of trade that
        would be lost), or a product of the concordance has no PRODY.
    MissingValueError
        A missing value.
    DomainError
        A negative weight, or an industry whose weights are all zero.

    Examples
    --------
    >>> values = pd.DataFrame({"hs6": ["1", "2", "3"], "prody": [2.0, 4.0, 9.0], "exports": [5.0, 1.0, 1.0]})
    >>> codes = pd.DataFrame({"hs6": ["1", "2", "3"], "gb": ["13", "13", "40"]})
    >>> industry_sophistication(values, codes, product="hs6", industry="gb").to_dict()
    {'13': 3.0, '40': 9.0}
    """
    values, _ = complete(prody, ["prody", "exports"], keys=[product])
    require_keys(concordance, [product, industry])
    mapped = concordance if weight is None else _non_negative(concordance, weight, [product, industry])
    homeless = ~values[product].isin(mapped[product]).to_numpy()
    if homeless.any():
        lost = values["exports"].to_numpy()[homeless].sum() / values["exports"].sum()
        refuse(
            KeyColumnError,
            f"product without an industry in the concordance, {lost:.3g} of all trade",
            rows=homeless,
            of=values,
            keys=[product],
            column=product,
            remedy="add these products to the concordance, or take them out of prody",
        )
    refuse(
        KeyColumnError,
        "product of the concordance without PRODY",
        rows=~mapped[product].isin(values[product]).to_numpy(),
        of=mapped,
        keys=[product],
        column=product,
        remedy="keep the rows of the concordance whose product is traded",
    )
    of_product = values.set_index(product)["prody"].reindex(mapped[product]).to_numpy()
    i, industries = pd.factorize(mapped[industry], sort=True)
    mass = np.ones(len(mapped)) if weight is None else mapped[weight].to_numpy()
    total = np.bincount(i, mass, len(industries))
    _refuse_zero(total, i, mapped, "industry whose weights are all zero", column=str(weight), keys=[industry])
    mean = np.bincount(i, mass * of_product, len(industries)) / total
    return pd.Series(mean, index=pd.Index(industries, name=industry), name="complexity")


def sophistication(
    df: pd.DataFrame, *, unit: str, time: str, industry: str, value: str, complexity: pd.Series
) -> pd.DataFrame:
    r"""Sophistication of what a place makes, :math:`\sum_i s_{ict} P_i`, equation (4) of Deng, Pan and Li.

    Parameters
    ----------
    df : DataFrame
        One row per unit, period and industry; an industry that is absent may be left out or be zero.
    unit, time, industry, value : str
        Key columns and the column of output, employment or capital that the shares :math:`s_{ict}` are of.
    complexity : Series
        :math:`P_i` by industry, held fixed over time.

    Returns
    -------
    DataFrame
        One row per unit and period, sorted: both key columns and ``sophistication``, in the unit of ``complexity``.

    Raises
    ------
    KeyColumnError
        A column is absent, keys are not unique, or an industry has no complexity (the message gives its share).
    MissingValueError
        A missing value.
    DomainError
        Negative values, or a unit and period whose values are all zero.

    Examples
    --------
    >>> df = pd.DataFrame({"county": "k", "year": 2010, "gb": ["13", "40"], "output": [30.0, 10.0]})
    >>> keys = {"unit": "county", "time": "year", "industry": "gb", "value": "output"}
    >>> sophistication(df, **keys, complexity=pd.Series({"13": 3.0, "40": 9.0}))["sophistication"].tolist()
    [4.5]
    """
    output = _Output.of(df, unit=unit, time=time, industry=industry, value=value, complexity=complexity)
    cells = np.flatnonzero(output.total > 0)
    return output.flow.labelled(cells, owner=unit, time=time).assign(sophistication=output.level[cells])


def decompose_sophistication(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    industry: str,
    value: str,
    complexity: pd.Series,
    method: Method = "centred",
) -> pd.DataFrame:
    r"""The change of sophistication from one period to the next, split by what the industries of a place did.

    With shares s, levels S, survivors (industries present in both periods), entrants and leavers, ``"centred"`` is

    .. math:: \Delta S = \sum_{surv}(P_i - \bar S)\Delta s_i + \sum_{ent}(P_i - \bar S)s_{it}
              - \sum_{leav}(P_i - \bar S)s_{i,t-1},

    :math:`\bar S` the mean of both levels; it does not depend on the price level. ``"printed"`` is equation (5) of
    Deng, Pan and Li, with X output and :math:`X_t` its total,

    .. math:: \sum_{surv} P_i X_{it}\Bigl(\frac{1}{X_t} - \frac{1}{X_{t-1}}\Bigr)
              + \sum_{surv} P_i \frac{X_{it} - X_{i,t-1}}{X_{t-1}}
              + \Bigl[\sum_{ent} P_i s_{it} - \sum_{leav} P_i s_{i,t-1}\Bigr].

    Its first term is :math:`-g\sum_{surv} P_i s_{it}` with g the growth of :math:`X`: inflation moves it, and no other
    county enters it. Both are exact.

    Parameters
    ----------
    df, unit, time, industry, value, complexity
        As for `sophistication`.
    method : {"centred", "printed"}
        Which of the two.

    Returns
    -------
    DataFrame
        One row per unit and period that has the preceding period of the table, sorted: both key columns, ``change``
        and its parts, then ``growth`` g of total output and ``survivors`` :math:`\sum_{surv} P_i s_{it}`.
        The parts are ``continuing, entry, exit`` when centred; ``between_counties, within_county, entry_exit`` in the
        words of the paper when printed.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError
        As `sophistication`; DomainError also for an unknown method.
    UnbalancedPanelError
        A unit is absent between two periods in which it is present.
    GroupSizeError
        No unit has two neighbouring periods.

    Examples
    --------
    >>> df = pd.DataFrame({"county": "k", "year": [1, 1, 2, 2], "gb": ["13", "40"] * 2, "output": [3.0, 1, 2, 2]})
    >>> keys = {"unit": "county", "time": "year", "industry": "gb", "value": "output"}
    >>> parts = decompose_sophistication(df, **keys, complexity=pd.Series({"13": 3.0, "40": 9.0}))
    >>> parts[["change", "continuing", "entry", "exit"]].to_numpy().tolist()
    [[1.5, 1.5, 0.0, 0.0]]
    """
    require_choice("method", method, Method)
    output = _Output.of(df, unit=unit, time=time, industry=industry, value=value, complexity=complexity)
    flow, share, level, total = output.flow, output.share, output.level, output.total
    steps = flow.steps(owner=unit, time=time)
    p = output.complexity
    kept = flow.summed(p * share, flow.stayer)
    parts: dict[str, np.ndarray]
    with np.errstate(divide="ignore", invalid="ignore"):  # cells without a preceding period are not returned
        growth = total / _before(total) - 1
        if method == "centred":
            centre = (level + _before(level)) / 2
            distance, distance_left = p - centre[flow.cell], p - flow.next_of(centre)
            moved = distance[flow.stayer] * (share[flow.stayer] - share[flow.stayer - 1])
            parts = {
                "continuing": flow.added(moved, flow.cell[flow.stayer]),
                "entry": flow.summed(distance * share, flow.entrant),
                "exit": flow.added(-(distance_left * share)[flow.leaver], flow.cell[flow.leaver] + 1),
            }
        else:
            was = flow.added((p * share)[flow.stayer - 1], flow.cell[flow.stayer])
            gone = flow.added((p * share)[flow.leaver], flow.cell[flow.leaver] + 1)
            parts = {
                "between_counties": -growth * kept,
                "within_county": kept * (1 + growth) - was,
                "entry_exit": flow.summed(p * share, flow.entrant) - gone,
            }
    columns = {"change": level - _before(level), **parts, "growth": growth, "survivors": kept}
    return flow.labelled(steps, owner=unit, time=time).assign(**{name: part[steps] for name, part in columns.items()})


def decompose_between_units(
    df: pd.DataFrame, *, unit: str, time: str, value: str, sophistication: str, group: str | None = None
) -> pd.DataFrame:
    r"""The change of an aggregate's sophistication, split into change within its units and shifts between them.

    The aggregate is :math:`S_t = \sum_c \omega_{ct} Soph_{ct}`, :math:`\omega` the share in output. Units present in
    both periods enter by Griliches and Regev (1995, Journal of Econometrics 65), with shares among themselves and bars
    for the mean of both periods,

    .. math:: \sum_c \bar\omega_c \Delta Soph_c + \sum_c \Delta\omega_c (\overline{Soph}_c - \bar S),

    entrants and leavers by Melitz and Polanec (2015, RAND Journal of Economics 46): their share in output times the
    distance of their aggregate to that of the units that stay, in their own period. The four parts add up exactly.

    Parameters
    ----------
    df : DataFrame
        One row per unit and period.
    unit, time, value, sophistication : str
        Key columns, the column of positive output and that of each unit's sophistication.
    group : str, optional
        Column of the aggregates; left out, all units are one.

    Returns
    -------
    DataFrame
        One row per (group and) period but the first, sorted: ``group`` and time columns, ``change, within, between,
        entry, exit``.

    Raises
    ------
    KeyColumnError
        A column is absent, or (unit, time) does not identify each row.
    MissingValueError
        A missing value.
    DomainError
        Output that is not positive.
    UnbalancedPanelError
        A group is absent between two periods in which it is present.
    GroupSizeError
        No neighbouring periods, or none of a group's units stays.

    Examples
    --------
    >>> df = pd.DataFrame({"county": ["a", "b"] * 2, "year": [1, 1, 2, 2], "x": [1.0, 1, 3, 1], "soph": [4.0, 2, 4, 2]})
    >>> parts = decompose_between_units(df, unit="county", time="year", value="x", sophistication="soph")
    >>> parts[["change", "within", "between"]].to_numpy().tolist()
    [[0.5, 0.0, 0.5]]
    """
    used, _ = complete(df, [value, sophistication], keys=[unit, time])
    refuse(
        DomainError,
        "output must be positive",
        rows=used[value] <= 0,
        of=used,
        keys=[unit, time],
        column=value,
        remedy="correct these cells or leave them out: a unit without output has no sophistication",
    )
    if group is not None:
        require_keys(df, [group], unique=False)
    owner = "aggregate" if group is None else group
    label = pd.Series("all", index=used.index) if group is None else df[group]
    flow = _Flow.of(label, used[unit], used[time])
    steps = flow.steps(owner=owner, time=time)
    x, level = used[value].to_numpy()[flow.order], used[sophistication].to_numpy()[flow.order]
    now, then = flow.stayer, flow.stayer - 1
    at = flow.cell[now]
    total, aggregate = flow.added(x, flow.cell), flow.added(x * level, flow.cell)
    stay, stayed = flow.added(x[now], at), flow.added(x[then], at)
    alone = steps[stay[steps] == 0]
    if len(alone):
        raise GroupSizeError(
            "no unit is present in this and the preceding period",
            column=unit,
            keys=list(flow.labelled(alone, owner=owner, time=time)[named(group, time)].itertuples(index=False)),
            remedy="use wider groups or other periods: entry and exit are measured against the units that stay",
        )
    with np.errstate(divide="ignore", invalid="ignore"):  # cells without a preceding period are not returned
        aggregate = aggregate / total
        of_stay, of_stayed = flow.added(x[now] * level[now], at) / stay, flow.added(x[then] * level[then], at) / stayed
        weight, weight_then = x[now] / stay[at], x[then] / stayed[at]
        middle = ((of_stay + of_stayed) / 2)[at]
        share = x / total[flow.cell]
        columns = {
            "change": aggregate - _before(aggregate),
            "within": flow.added((weight + weight_then) / 2 * (level[now] - level[then]), at),
            "between": flow.added((weight - weight_then) * ((level[now] + level[then]) / 2 - middle), at),
            "entry": flow.summed(share * (level - of_stay[flow.cell]), flow.entrant),
            "exit": flow.added((share * (flow.next_of(of_stayed) - level))[flow.leaver], flow.cell[flow.leaver] + 1),
        }
    table = flow.labelled(steps, owner=owner, time=time)[named(group, time)]
    return table.assign(**{name: part[steps] for name, part in columns.items()})


@dataclass(frozen=True, slots=True)
class _Flow:
    """Members of owners over periods (industries of counties, counties of groups), matched with the period before.

    Active rows stand in ``order``: by owner, member and time, so that a member's preceding row is the row above.
    ``cell`` numbers (owner, time) pairs, owner by owner, and ``cell_of_row`` those of all rows as they came;
    ``present`` tells the cells with an active row. ``stayer``, ``entrant`` and ``leaver`` are positions in ``order``,
    a leaver being the last row before its owner's next period.
    """

    owners: pd.Index
    times: pd.Index
    order: np.ndarray
    cell: np.ndarray
    cell_of_row: np.ndarray
    present: np.ndarray
    stayer: np.ndarray
    entrant: np.ndarray
    leaver: np.ndarray

    @classmethod
    def of(cls, owner: pd.Series, member: pd.Series, time: pd.Series, *, active: np.ndarray | None = None) -> _Flow:
        at_owner, owners = pd.factorize(owner, sort=True)
        at_time, times = pd.factorize(time, sort=True)
        at_member, members = pd.factorize(member)
        n = len(times)
        cell_of_row = at_owner * n + at_time
        key = (at_owner * len(members) + at_member) * n + at_time
        order = np.argsort(key, kind="stable")
        order = order if active is None else order[active[order]]
        key, at_time, cell = key[order], at_time[order], cell_of_row[order]
        present = np.bincount(cell, minlength=len(owners) * n) > 0
        followed = np.zeros(len(key), dtype=bool)
        followed[:-1] = (np.diff(key) == 1) & (at_time[1:] > 0)
        follows = np.roll(followed, 1)
        stepped = (at_time > 0) & present[cell - 1]
        steps_on = (at_time < n - 1) & np.append(present, False)[cell + 1]
        stayer, entrant = np.flatnonzero(follows), np.flatnonzero(stepped & ~follows)
        leaver = np.flatnonzero(steps_on & ~followed)
        return cls(pd.Index(owners), pd.Index(times), order, cell, cell_of_row, present, stayer, entrant, leaver)

    def added(self, values: np.ndarray, cells: np.ndarray) -> np.ndarray:
        """Sums by cell."""
        return np.asarray(np.bincount(cells, values, len(self.present)), dtype=float)

    def summed(self, values: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Sums of the values in these rows by their cell."""
        return self.added(values[rows], self.cell[rows])

    def next_of(self, cells: np.ndarray) -> np.ndarray:
        """Value of each row's next cell; of use only where the owner has a next period."""
        following: np.ndarray = np.append(cells, np.nan)[self.cell + 1]
        return following

    def steps(self, *, owner: str, time: str) -> np.ndarray:
        """Cells that have the preceding period."""
        present = self.present.reshape(len(self.owners), len(self.times))
        since, until = np.maximum.accumulate(present, axis=1), np.maximum.accumulate(present[:, ::-1], axis=1)[:, ::-1]
        holes = np.flatnonzero(since & until & ~present)
        if len(holes):
            raise UnbalancedPanelError(
                f"{owner} absent between two periods in which it is present",
                n_rows=len(holes),
                keys=list(self.labelled(holes, owner=owner, time=time).itertuples(index=False, name=None)),
                remedy="add these cells, or leave the later or the earlier part out",
            )
        steps = np.flatnonzero(present & np.roll(present, 1, axis=1) & (np.arange(len(self.times)) > 0))
        if not len(steps):
            raise GroupSizeError("a change needs two neighbouring periods", column=time, remedy="add a period")
        return steps

    def labelled(self, cells: np.ndarray, *, owner: str, time: str) -> pd.DataFrame:
        """Owner and time of the cells."""
        at_owner, at_time = np.divmod(cells, len(self.times))
        return pd.DataFrame({owner: self.owners[at_owner], time: self.times[at_time]})


@dataclass(frozen=True, slots=True)
class _Output:
    """Industries with positive output of units over periods: shares and complexity by row, total and level by cell."""

    flow: _Flow
    share: np.ndarray
    complexity: np.ndarray
    total: np.ndarray
    level: np.ndarray

    @classmethod
    def of(cls, df: pd.DataFrame, *, unit: str, time: str, industry: str, value: str, complexity: pd.Series) -> _Output:
        used = _non_negative(df, value, [unit, time, industry])
        every = used[value].to_numpy()
        flow = _Flow.of(used[unit], used[industry], used[time], active=every > 0)
        _refuse_zero(flow.present, flow.cell_of_row, used, "no output in any industry", column=value, keys=[unit, time])
        at, industries = pd.factorize(used[industry])
        p = _complexity(complexity, used[value], (at, pd.Index(industries, name=industry)), name="complexity")
        output, p = every[flow.order], p[flow.order]
        total = flow.added(output, flow.cell)
        share = output / total[flow.cell]
        return cls(flow, share, p, total, flow.added(p * share, flow.cell))


def _before(cells: np.ndarray) -> np.ndarray:
    """The value of the cell before; of use only where the owner has the preceding period."""
    return np.roll(cells, 1)


def _non_negative(df: pd.DataFrame, value: str, keys: list[str], *, unique: bool = True) -> pd.DataFrame:
    used, _ = complete(df, [value], keys=keys, unique=unique)
    remedy = "correct these cells: exports, output and weights cannot be negative"
    refuse(DomainError, "negative values", rows=used[value] < 0, of=used, keys=keys, column=value, remedy=remedy)
    return used


def _refuse_zero(
    total: np.ndarray, at: np.ndarray, of: pd.DataFrame, problem: str, *, column: str, keys: list[str]
) -> None:
    """Refuse the rows whose total, by code ``at``, is zero."""
    if (total <= 0).any():
        remedy = "leave these out: shares are not defined there"
        refuse(DomainError, problem, rows=total[at] <= 0, of=of, keys=keys, column=column, remedy=remedy)


def _looked_up(values: pd.Series, wanted: pd.Index, *, name: str, what: str) -> np.ndarray:
    """The finite value of each wanted label, as floats."""
    if not values.index.is_unique:
        twice = values.index[values.index.duplicated()].unique()
        raise KeyColumnError(f"{name} holds a label twice", column=name, keys=twice, remedy="keep one value per label")
    numbers = pd.Series(numeric(values.to_frame(name), name, []), index=values.index)
    found = numbers.reindex(wanted).to_numpy()
    bad = ~np.isfinite(found)
    if bad.any():
        remedy = f"add them to {name}, indexed by these labels, or leave their rows out"
        raise MissingValueError(f"{what} is missing", column=name, keys=wanted[bad], remedy=remedy)
    return found


def _complexity(values: pd.Series, of: pd.Series, industry: tuple[np.ndarray, pd.Index], *, name: str) -> np.ndarray:
    """Complexity of each row, whose industry is given as code and labels; ``of`` is what the shares are of."""
    at, labels = industry
    unknown = ~labels.isin(values.index)
    if unknown.any():
        lost = of.to_numpy()[unknown[at]].sum() / of.sum()
        raise KeyColumnError(
            f"no {name} for {unknown.sum()} of {len(labels)} labels, {lost:.3g} of all {of.name!r}",
            column=str(labels.name),
            keys=labels[unknown],
            remedy=f"add them to {name}, or leave their rows out",
        )
    of_row: np.ndarray = _looked_up(values, labels, name=name, what=name)[at]
    return of_row


def _export_shares(
    trade: pd.DataFrame, country: str, product: str, exports: str
) -> tuple[pd.DataFrame, np.ndarray, tuple[np.ndarray, pd.Index], tuple[np.ndarray, pd.Index]]:
    """The rows, their shares in the country's exports, and code and labels of countries and products."""
    used = _non_negative(trade, exports, [country, product], unique=False)
    m, countries = pd.factorize(used[country], sort=True)
    k, products = pd.factorize(used[product], sort=True)
    if (np.bincount(m * len(products) + k) > 1).any():
        require_keys(used, [country, product])
    value = used[exports].to_numpy()
    total = np.bincount(m, value, len(countries))
    _refuse_zero(total, m, used, "country without exports", column=exports, keys=[country])
    return used, value / total[m], (m, pd.Index(countries, name=country)), (k, pd.Index(products, name=product))
