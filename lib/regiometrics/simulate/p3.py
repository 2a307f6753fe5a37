"""Employment of 138 cities with planted co-agglomeration, made by inverting equations (1) and (2) of Chen and Wang.

City values with the printed cluster means (table 1) and within-cluster Ginis (table 2) are split into two location
quotients, and these into employment by section: the chain from employment to the index returns the planted values.
Employment is not rounded to whole persons: rounding would move the index by up to 1e-4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.data.facts import MANUFACTURING, SECTIONS, clusters, producer_services
from regiometrics.data.load import Bundle
from regiometrics.data.published import in_text, table
from regiometrics.measure.inequality import coefficient_of_variation, dagum

Floats = npt.NDArray[np.float64]

REST_OF_COUNTRY = "990000"
"""Code of the row that completes the national totals; it belongs to no cluster."""

PERSISTENCE = 0.95  # of a city's rank from one year to the next
SHARE_MANUFACTURING, SHARE_SERVICES = 0.20, 0.10  # of the country; an index below 5 then always fits into its city
SAMPLE_SHARE = 0.7  # of the country's employment in the cities of the clusters
MEDIAN_SIZE, SIZE_SPREAD, GROWTH = 400_000, 0.6, 0.03  # persons, standard deviation of logs, per year


def panel(seed: int | np.random.Generator = 0, *, services: Sequence[str] | None = None) -> Bundle:
    r"""Own-data tables of p3 with planted truth.

    Parameters
    ----------
    seed : int or Generator
        The same seed gives the same tables.
    services : sequence of str, optional
        Sections that carry the planted quotient of producer services; the four of `producer_services` when left out.

    Returns
    -------
    Bundle
        ``tables``: ``employment`` (138 cities and `REST_OF_COUNTRY`, persons by section) and ``cities``.
        ``truth["cities"]``: ``time, group, unit, coagglomeration, lq_manufacturing, lq_producer_services``.
        ``truth["groups"]``: ``time, group, n, mean, gini, gini_sample, coefficient_of_variation,
        coefficient_of_variation_sample``; ``mean`` holds exactly, ``gini`` and ``coefficient_of_variation`` in the
        log-normal population, ``_sample`` among the n cities (the coefficient of variation with n - 1).
        ``truth["trends"]``: ``group, slope, log_slope`` of the population's coefficient of variation per year.
        ``calibration``: each target moment as published and as simulated.

    Notes
    -----
    Within a cluster and year the logs of the values are normal scores (variance 1) times
    :math:`\sigma = \sqrt 2\,\Phi^{-1}((1+G)/2)`, the spread of a log-normal distribution with Gini G.
    Which city takes which score follows an autoregression of 0.95, so ranks persist; the dispersion is the same for
    every seed.
    Table 2 decides the yearly dispersion. Its trends have the signs of table 5 once the columns of table 5 are read
    in the order of table 2 (``cluster_corrected``).

    Examples
    --------
    >>> bundle = panel(seed=1)
    >>> bundle.tables["employment"].shape, bundle.tables["cities"].shape
    ((2085, 21), (138, 5))
    """
    random_rank, random_quality, random_size = np.random.default_rng(seed).spawn(3)
    cities = clusters("p3")
    means = _by_cluster(1, "cluster", "coagglomeration_index")
    ginis = _by_cluster(2, "cluster", "gini")
    spread = pd.DataFrame(
        np.sqrt(2) * special.ndtri((1 + ginis.to_numpy()) / 2), index=ginis.index, columns=ginis.columns
    )

    scores = _autoregression(random_rank, len(cities), len(means))
    index = _city_values(scores, cities["cluster"], means, spread)
    loss = _quality_loss(random_quality, index)
    lead = random_quality.choice([-1.0, 1.0], size=(len(cities), 1))
    lq_manufacturing, lq_services = quotients(index, loss, lead)
    employment = _employment(
        random_size,
        cities["adcode"],
        means.index,
        lq_manufacturing,
        lq_services,
        tuple(services or producer_services()),
    )

    planted = pd.DataFrame(
        {
            "time": np.tile(means.index, len(cities)),
            "group": cities["cluster"].repeat(len(means)).to_numpy(),
            "unit": cities["adcode"].repeat(len(means)).to_numpy(),
            "coagglomeration": index.ravel(),
            "lq_manufacturing": lq_manufacturing.ravel(),
            "lq_producer_services": lq_services.ravel(),
        }
    )
    groups, trends = _truth(planted, ginis, spread)
    named = cities.rename(columns={"adcode": "city", "city": "name", "city_zh": "name_zh"})
    return Bundle(
        tables={"employment": employment, "cities": named[["city", "cluster", "cluster_zh", "name", "name_zh"]]},
        source="simulated",
        truth={"cities": planted, "groups": groups, "trends": trends},
        calibration=_calibration(planted, groups),
        notes=(f"SIMULATED DATA (seed {seed})",),
    )


def quotients(index: Floats, loss: Floats, lead: Floats) -> tuple[Floats, Floats]:
    r"""Location quotients of manufacturing and services that give a co-agglomeration index, equation (2) inverted.

    Parameters
    ----------
    index : array
        The index :math:`y`.
    loss : array
        Loss of quality :math:`v = |LQ_m - LQ_s|/(LQ_m + LQ_s)`, in [0, 1], with :math:`y > 1 - v`.
    lead : array
        1 where manufacturing has the larger quotient, -1 where services have it.

    Returns
    -------
    tuple of two arrays
        :math:`(y - 1 + v)(1 \pm v)/2`.

    Examples
    --------
    >>> quotients(np.array([2.5]), np.array([0.5]), np.array([-1.0]))
    (array([0.5]), array([1.5]))
    """
    depth = index - 1 + loss
    return depth * (1 + lead * loss) / 2, depth * (1 - lead * loss) / 2


def _by_cluster(number: int, cluster: str, value: str) -> pd.DataFrame:
    """A printed table of p3 as years x clusters, without the row of means and the overall column."""
    printed = table("p3", number).query(f"year != 'mean' and {cluster} != 'overall'")
    printed = printed.astype({"year": int, value: float})
    return printed.pivot(index="year", columns=cluster, values=value)


def _autoregression(rng: np.random.Generator, n_units: int, n_times: int) -> Floats:
    """Standard normal scores that persist, units x times."""
    draws = rng.standard_normal((n_units, n_times))
    for t in range(1, n_times):
        draws[:, t] = PERSISTENCE * draws[:, t - 1] + np.sqrt(1 - PERSISTENCE**2) * draws[:, t]
    return draws


def _city_values(scores: Floats, cluster: pd.Series, means: pd.DataFrame, spread: pd.DataFrame) -> Floats:
    """Log-normal values, units x times, with the given mean of each cluster and year, ordered as the scores."""
    values = np.empty_like(scores)
    for name in means:
        rows = (cluster == name).to_numpy()
        rank = scores[rows].argsort(axis=0).argsort(axis=0)
        normal = special.ndtri((rank + 0.5) / len(rank))
        draw = np.exp(normal / normal.std(axis=0) * spread[name].to_numpy())
        values[rows] = means[name].to_numpy() * draw / draw.mean(axis=0)
    return values


def _quality_loss(rng: np.random.Generator, index: Floats) -> Floats:
    """Persistent Beta(2, 4) draws, lifted where a low index needs a larger loss for a positive depth."""
    loss = special.betaincinv(2, 4, special.ndtr(_autoregression(rng, *index.shape)))
    least = np.clip(1.05 - index, 0, 1)
    return np.asarray(least + (1 - least) * loss)


def _employment(
    rng: np.random.Generator,
    codes: pd.Series,
    years: pd.Index,
    lq_manufacturing: Floats,
    lq_services: Floats,
    services: Sequence[str],
) -> pd.DataFrame:
    """Persons by city, year and section: quotient times national share times size; the other sections fill up."""
    growth = (1 + GROWTH) ** np.arange(len(years))
    size = MEDIAN_SIZE * np.exp(SIZE_SPREAD * rng.standard_normal((len(codes), 1))) * growth
    country = size.sum(axis=0) / SAMPLE_SHARE

    def with_rest(cities: Floats, total: Floats) -> Floats:
        return np.vstack([cities, total - cities.sum(axis=0)])

    manufacturing = with_rest(SHARE_MANUFACTURING * lq_manufacturing * size, SHARE_MANUFACTURING * country)
    producer = with_rest(SHARE_SERVICES * lq_services * size, SHARE_SERVICES * country)
    size = with_rest(size, country)

    others = [letter for letter in SECTIONS if letter not in {MANUFACTURING, *services}]
    frame = pd.DataFrame({"city": np.repeat([*codes, REST_OF_COUNTRY], len(years)), "year": np.tile(years, len(size))})
    for persons, letters in (
        (manufacturing, [MANUFACTURING]),
        (producer, list(services)),
        (size - manufacturing - producer, others),
    ):
        split = np.repeat(rng.dirichlet(np.full(len(letters), 10.0), len(size)), len(years), axis=0)
        frame[letters] = persons.reshape(-1, 1) * split
    return frame[["city", "year", *SECTIONS]]


def _truth(planted: pd.DataFrame, ginis: pd.DataFrame, spread: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Moments by cluster and year, of the log-normal population and as drawn, and the trends of the dispersion."""
    cv = np.sqrt(np.exp(spread**2) - 1)
    drawn = dagum(planted, value="coagglomeration", group="group", time="time", unit="unit", pairwise=False).groups
    drawn_cv = coefficient_of_variation(planted, value="coagglomeration", group="group", time="time", ddof=1)
    groups = drawn.merge(drawn_cv.drop(columns=["n", "mean"]), on=["time", "group"])
    groups = groups.rename(columns={name: f"{name}_sample" for name in ("gini", "coefficient_of_variation")})
    cell = pd.MultiIndex.from_frame(groups[["group", "time"]])
    for name, population in (("gini", ginis), ("coefficient_of_variation", cv)):
        groups[name] = population.unstack().reindex(cell).to_numpy()
    trends = pd.DataFrame({"group": cv.columns, "slope": _slopes(cv), "log_slope": _slopes(np.log(cv))})
    return groups, trends


def _slopes(by_year: pd.DataFrame) -> Floats:
    """Least-squares slope of each column on the year."""
    return np.asarray(np.polyfit(by_year.index.to_numpy(dtype=float), by_year.to_numpy(), 1)[0])


def _calibration(planted: pd.DataFrame, groups: pd.DataFrame) -> pd.DataFrame:
    """Published against simulated: the moments aimed at (means over the years), and shares and trends that follow."""

    def drawn(value: str) -> pd.DataFrame:
        return groups.pivot(index="time", columns="group", values=value)

    printed_cv = _by_cluster(5, "cluster_corrected", "coefficient_of_variation")
    drawn_cv = drawn("coefficient_of_variation_sample")
    moments = {
        "mean": (_by_cluster(1, "cluster", "coagglomeration_index").mean(), drawn("mean").mean()),
        "gini": (_by_cluster(2, "cluster", "gini").mean(), drawn("gini_sample").mean()),
        "coefficient_of_variation": (printed_cv.mean(), drawn_cv.mean()),
        "slope": (
            pd.Series(_slopes(printed_cv), printed_cv.columns),
            pd.Series(_slopes(drawn_cv), drawn_cv.columns),
        ),
    }
    by_cluster = [
        pd.DataFrame({"moment": name, "published": printed, "simulated": simulated}).rename_axis("group").reset_index()
        for name, (printed, simulated) in moments.items()
    ]
    parts = dagum(planted, value="coagglomeration", group="group", time="time", pairwise=False).to_frame().mean()
    overall_gini = table("p3", 2).query("year != 'mean' and cluster == 'overall'")["gini"].astype(float).mean()
    shares = table("p3", 4).query("year != 'mean'").astype({"share_percent": float})
    share = shares.groupby("component")["share_percent"].mean() / 100
    text = in_text("p3").set_index("item")["value"].astype(float)
    overall = pd.DataFrame(
        [
            ("gini", overall_gini, parts["gini"]),
            ("share_within", share["within"], parts["share_within"]),
            ("share_between_net", share["between_net"], parts["share_between_net"]),
            ("share_overlap", share["transvariation"], parts["share_overlap"]),
            ("clusters", text["n_clusters"], planted["group"].nunique()),
            ("years", text["last_year"] - text["first_year"] + 1, planted["time"].nunique()),
        ],
        columns=["moment", "published", "simulated"],
    ).assign(group="overall")
    frame = pd.concat([*by_cluster, overall], ignore_index=True)[["moment", "group", "published", "simulated"]]
    return frame.assign(gap=frame["simulated"] / frame["published"] - 1)
