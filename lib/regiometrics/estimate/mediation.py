"""How a treatment works: its indirect effect through a mediator, and its effect by the level of a moderator."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    RankError,
    SampleMismatchError,
    require_choice,
)
from regiometrics.estimate.fixed_effects import (
    ABSORBED,
    FEW_CLUSTERS,
    IDENTIFIED,
    FixedEffectsResult,
    Vcov,
    WithinRegression,
    cluster_factor,
    cluster_sums,
    estimation_sample,
    twfe,
)
from regiometrics.estimate.resampling import CHUNK, ResampleResult
from regiometrics.panel import Missing, Sample, TwoWayEffects, complete, keys_of, named, numeric, require_keys
from regiometrics.result import Estimate, frozen_options, readonly, t_inference

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.intp]
Seed = int | np.random.Generator
Effect = Literal["unit", "time"]
Interval = Literal["percentile", "bca"]
Verdict = Literal["no_indirect", "full", "partial", "suppression"]

IDENTITY = 1e-10  # gap between the total effect and the sum of its parts that rounding explains, as a share of them
BLOCK = 250  # draws whose cross-products are held at once
DRAWN = ["a", "b", "c", "c_prime", "indirect", "share", "rho", "spread_ratio"]


@dataclass(frozen=True, kw_only=True)
class MediationResult(Estimate):
    """A total effect and its two parts, direct and through a mediator, from three regressions on the same rows.

    Attributes
    ----------
    total : FixedEffectsResult
        Outcome on treatment; its coefficient is ``c``.
    first : FixedEffectsResult
        Mediator on treatment; its coefficient is ``a``.
    second : FixedEffectsResult
        Outcome on treatment and mediator; their coefficients are ``c_prime`` and ``b``.
    treatment, mediator : str
        Terms of the equations.
    draws : DataFrame
        One row per bootstrap draw: ``a, b, c, c_prime, indirect, share, rho, spread_ratio``.
    left_out : DataFrame
        The same numbers with each cluster left out.
    sample, options
        See `Estimate`.

    Raises
    ------
    SampleMismatchError
        The equations differ in their rows, or c is not c' + ab.
    """

    total: FixedEffectsResult
    first: FixedEffectsResult
    second: FixedEffectsResult
    treatment: str
    mediator: str
    draws: pd.DataFrame = field(repr=False)
    left_out: pd.DataFrame = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse equations that do not add up."""
        rows = [result.n_obs for result in (self.total, self.first, self.second)]
        gap = abs(self.c - self.c_prime - self.indirect)
        size = max(abs(self.c), abs(self.c_prime), abs(self.indirect), self.total.std_error[self.treatment])
        if len(set(rows)) > 1 or gap > IDENTITY * size + 1e-12:
            raise SampleMismatchError(
                f"the total effect {self.c:.6g} is not the sum of the direct {self.c_prime:.6g} and the indirect "
                f"{self.indirect:.6g}; the three equations have {rows[0]}, {rows[1]} and {rows[2]} rows",
                remedy="estimate all three on the same rows with the same controls and effects",
            )

    @property
    def a(self) -> float:
        """Effect of the treatment on the mediator, in units of the mediator."""
        return float(self.first.estimate[self.treatment])

    @property
    def b(self) -> float:
        """Slope of the outcome in the mediator, treatment held fixed."""
        return float(self.second.estimate[self.mediator])

    @property
    def c(self) -> float:
        """Total effect of the treatment, in units of the outcome."""
        return float(self.total.estimate[self.treatment])

    @property
    def c_prime(self) -> float:
        """Direct effect: what is left of the total with the mediator held fixed."""
        return float(self.second.estimate[self.treatment])

    @property
    def indirect(self) -> float:
        """Indirect effect, a times b."""
        return self.a * self.b

    @property
    def share(self) -> float:
        """Indirect over total effect; not a share proper where it is negative or above 1."""
        return self.indirect / self.c if self.c else float("nan")

    @property
    def rho(self) -> float:
        """Correlation of the errors of mediator and outcome at which no indirect effect would be left."""
        moved, outcome = self.first.residuals.to_numpy(), self.total.residuals.to_numpy()
        return float(moved @ outcome / np.sqrt((moved @ moved) * (outcome @ outcome)))

    @property
    def spread_ratio(self) -> float:
        """Spread of the outcome over that of the mediator, treatment, controls and effects taken out."""
        moved, outcome = self.first.residuals.to_numpy(), self.total.residuals.to_numpy()
        return float(np.sqrt((outcome @ outcome) / (moved @ moved)))

    @cached_property
    def interval(self) -> tuple[float, float]:
        """Bootstrap limits of the indirect effect."""
        row = self._resampled(["indirect"]).to_frame().iloc[0]
        return float(row["low"]), float(row["high"])

    @property
    def reading(self) -> Literal["mediation", "suppression"]:
        """What Wen and Ye ask first: mediation where the total effect is significant, suppression where it is not."""
        return "mediation" if self._significant(self.total, self.treatment) else "suppression"

    @property
    def verdict(self) -> Verdict:
        """Where the flow of Wen and Ye (2014) ends, at the significance level 1 - ``level``.

        "no_indirect"
            a or b is not significant and the bootstrap interval of ab holds zero.
        "full"
            There is an indirect effect and c' is not significant.
        "partial"
            c' is significant and has the sign of ab: ``share`` says how much goes through the mediator.
        "suppression"
            c' is significant and has the opposite sign: -ab/c' says how much of it the mediator hides.
        """
        steps = self.steps.set_index("tests")
        if not (steps.loc[["a", "b"], "significant"].all() or steps.loc["ab", "significant"]):
            return "no_indirect"
        if not steps.loc["c'", "significant"]:
            return "full"
        return "partial" if self.indirect * self.c_prime > 0 else "suppression"

    @property
    def steps(self) -> pd.DataFrame:
        """The tests of the flow, one per row.

        Columns ``step, tests, estimate, std_error, p_value, low, high, significant, reached``: c, a, b and c' by
        clustered t, ab by its bootstrap interval. ``reached`` says whether the flow comes to the test.
        """
        tested = [
            (1, "c", self.total, self.treatment),
            (2, "a", self.first, self.treatment),
            (2, "b", self.second, self.mediator),
            (4, "c'", self.second, self.treatment),
        ]
        columns = ["estimate", "std_error", "p_value", "low", "high"]
        rows = [
            {"step": step, "tests": name, **_row(result, term)[columns], "significant": self._significant(result, term)}
            for step, name, result, term in tested
        ]
        drawn = self._resampled(["indirect"]).to_frame().iloc[0][["estimate", "std_error", "low", "high"]]
        outside = not drawn["low"] <= 0 <= drawn["high"]
        rows.insert(3, {"step": 3, "tests": "ab", **drawn, "p_value": np.nan, "significant": outside})
        frame = pd.DataFrame(rows)[["step", "tests", *columns, "significant"]]
        both = bool(frame["significant"][[1, 2]].all())
        frame["reached"] = [True, True, True, not both, both or outside]
        return frame

    def to_frame(self) -> pd.DataFrame:
        """One row per effect and method: ``effect, method, estimate, std_error, low, high``.

        The effects a, b, c and c_prime by clustered t; indirect by bootstrap, by jackknife with Student's t, and by
        Sobel's normal approximation; share by bootstrap.
        """
        columns = ["estimate", "std_error", "low", "high"]
        rows = [
            {"effect": name, "method": "clustered t", **_row(result, term)[columns]}
            for name, result, term in (
                ("a", self.first, self.treatment),
                ("b", self.second, self.mediator),
                ("c", self.total, self.treatment),
                ("c_prime", self.second, self.treatment),
            )
        ]
        drawn = self._resampled(["indirect", "share"]).to_frame().set_index("name")[columns]
        left_out = self._resampled(["indirect"], method="jackknife").to_frame().iloc[0][columns]
        error = np.hypot(self.a * self.second.std_error[self.mediator], self.b * self.first.std_error[self.treatment])
        _, low, high = t_inference(np.array(self.indirect), error, level=self._level)
        sobel = {"estimate": self.indirect, "std_error": float(error), "low": float(low), "high": float(high)}
        method = f"{self.options['ci']} bootstrap"
        rows += [
            {"effect": "indirect", "method": method, **drawn.loc["indirect"]},
            {"effect": "indirect", "method": "jackknife", **left_out},
            {"effect": "indirect", "method": "Sobel", **sobel},
            {"effect": "share", "method": method, **drawn.loc["share"]},
        ]
        return pd.DataFrame(rows)

    def summary(self) -> str:
        """The base's text and the verdict."""
        return f"{super().summary()}\nverdict: {self.verdict} (c: {self.reading})"

    def sensitivity(self, rho: npt.ArrayLike | None = None) -> pd.DataFrame:
        r"""The indirect effect if something unseen moves mediator and outcome together.

        Parameters
        ----------
        rho : float or array-like, optional
            Correlations, between -1 and 1, of the error of the mediator with the error of the outcome given the
            mediator; by default -0.9, -0.8, ..., 0.9 and the one at which the indirect effect vanishes.

        Returns
        -------
        DataFrame
            ``rho, indirect, low, high``, the limits by the same bootstrap as `interval`.

        Raises
        ------
        DomainError
            A correlation outside (-1, 1).

        Notes
        -----
        :math:`a\frac{s_Y}{s_M}\Bigl(\tilde\rho-\rho\sqrt{\frac{1-\tilde\rho^2}{1-\rho^2}}\Bigr)`
        (Imai, Keele and Yamamoto 2010, theorem 4), where :math:`s_M, s_Y` are the spreads and :math:`\tilde\rho` the
        correlation of the residuals of the equations of mediator and outcome on treatment, controls and effects.
        At 0 it is ab; at :math:`\tilde\rho`, the field ``rho``, it is 0. Effects of units and periods are no part of
        the errors: what is fixed in a unit, or common to a period, confounds nothing.
        """
        at = np.sort(np.r_[np.arange(-9, 10) / 10, self.rho]) if rho is None else np.atleast_1d(np.asarray(rho, float))
        if not (np.abs(at) < 1).all():
            raise DomainError("a correlation lies between -1 and 1", keys=at[~(np.abs(at) < 1)])

        def indirect(numbers: pd.Series) -> pd.Series:
            left = np.sqrt(max(1 - numbers["rho"] ** 2, 0.0) / (1 - at**2))
            effect = numbers["a"] * numbers["spread_ratio"] * (numbers["rho"] - at * left)
            return pd.Series(effect, index=pd.Index(at, name="rho"))

        effects = self._resampled(["a", "rho", "spread_ratio"]).derive(indirect).to_frame()
        return effects[["rho", "estimate", "low", "high"]].rename(columns={"estimate": "indirect"})

    @property
    def _level(self) -> float:
        return cast("float", self.options["level"])

    def _significant(self, result: FixedEffectsResult, term: str) -> bool:
        return bool(_row(result, term)["p_value"] <= 1 - self._level)

    def _resampled(self, names: list[str], method: Literal["bootstrap", "jackknife"] = "bootstrap") -> ResampleResult:
        """Some numbers with their draws, or with each cluster left out."""
        left_out = self.left_out[names].to_numpy()
        return ResampleResult(
            sample=self.sample,
            options={"method": method, "interval": self.options["ci"], "level": self._level},
            estimate=pd.Series({name: getattr(self, name) for name in names}).rename_axis("name"),
            draws=self.draws[names].to_numpy() if method == "bootstrap" else left_out,
            left_out=left_out if self.options["ci"] == "bca" else None,
            strata=np.zeros(len(left_out), dtype=np.intp),
        )


def mediation(
    df: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    mediator: str,
    controls: Sequence[str] = (),
    unit: str,
    time: str,
    effects: Sequence[Effect] = ("unit", "time"),
    cluster: str | None = None,
    n_boot: int = 1000,
    ci: Interval = "bca",
    level: float = 0.95,
    seed: Seed = 0,
    missing: Missing = "raise",
) -> MediationResult:
    r"""How much of a treatment's effect goes through a mediator, with clusters drawn whole.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time); the panel may have holes.
    outcome, treatment, mediator : str
        Y, D and M.
    controls : sequence of str
        Regressors of all three equations.
    unit, time : str
        Key columns.
    effects : sequence of {"unit", "time"}
        Effects of all three equations; empty for a constant alone.
    cluster : str, optional
        Column of the clusters, which hold whole units; by default the units.
    n_boot : int
        Number of bootstrap draws.
    ci : {"bca", "percentile"}
        Bias-corrected and accelerated limits (Efron 1987), the acceleration by leaving out each cluster, or
        quantiles of the draws.
    level : float
        Confidence level, and 1 less the significance level of the verdict.
    seed : int or Generator
        Every hundred draws come from a stream of their own, spawned from the seed.
    missing : {"raise", "drop"}
        What to do with missing values: "drop" leaves out of all equations every row that lacks a value in one.

    Returns
    -------
    MediationResult

    Raises
    ------
    SampleMismatchError
        Outcome and mediator lack values in different rows and ``missing="raise"``.
    KeyColumnError
        A column is absent, a key null or duplicated, or a unit lies in two clusters.
    MissingValueError
        NaN or infinity and ``missing="raise"``.
    DomainError
        Text in a number column, a column named twice, too few draws for the level, an option that does not exist.
    RankError
        A column that the effects absorb, collinear regressors (a mediator that follows from the treatment), or a draw
        without variation in treatment or mediator.
    GroupSizeError
        Fewer than ten clusters, or no degree of freedom left.

    Notes
    -----
    :math:`Y_{it}=cD_{it}+X_{it}'\theta+\mu_i+\lambda_t+\varepsilon_{it}`,
    :math:`M_{it}=aD_{it}+\dots` and :math:`Y_{it}=c'D_{it}+bM_{it}+\dots` (p1, equations 6 to 8). On the same rows
    :math:`c=c'+ab` holds exactly, and the result refuses to exist where it does not.

    A draw gives each cluster a count :math:`n_g`, and a cluster drawn twice enters as two. Unit means are taken out
    once, as units are drawn whole; the periods stand as explicit columns, whose coefficients every draw finds anew.
    The cross-products of all columns are summed within clusters once, so that a draw is :math:`\sum_g n_gS_g` and an
    elimination, for all draws together. The draws equal those of `regiometrics.estimate.resampling.bootstrap` with
    the three regressions, ``unit=cluster`` and the same seed.

    Sobel's error is :math:`\sqrt{a^2s_b^2+b^2s_a^2}` with clustered :math:`s`. b has no causal reading unless nothing
    unseen moves mediator and outcome: see `MediationResult.sensitivity`. The safe part is a.

    Several mediators are taken one at a time, each with its own c'. Taken jointly they need one more regression,
    outcome on treatment and all of them: with its slopes, :math:`c=c'+\sum_k a_kb_k` if all calls had the same rows.

    Examples
    --------
    >>> rng = np.random.default_rng(3)
    >>> df = pd.DataFrame({"county": np.repeat(range(30), 8), "year": list(range(8)) * 30})
    >>> df["did"] = ((df["county"] < 12) & (df["year"] > 4)).astype(float)
    >>> df["staff"] = 0.5 * df["did"] + 0.2 * rng.normal(size=240)
    >>> df["soph"] = 0.3 * df["did"] + 0.8 * df["staff"] + 0.1 * rng.normal(size=240)
    >>> result = mediation(df, outcome="soph", treatment="did", mediator="staff", unit="county", time="year")
    >>> result.verdict, bool(np.isclose(result.c, result.c_prime + result.indirect))
    ('partial', True)
    """
    for effect in effects:
        require_choice("effects", effect, Effect)
    require_choice("ci", ci, Interval)
    if not (0 < level < 1 and (n_boot + 1) * (1 - level) >= 2):
        raise DomainError(
            f"{n_boot} draws give no interval of level {level}",
            remedy=f"use n_boot={max(1000, int(2 / max(1 - level, 1e-6)))} and a level between 0 and 1",
        )
    used = [outcome, treatment, mediator, *controls]
    if len(set(used)) < len(used):
        raise DomainError(
            "outcome, treatment, mediator and controls must be different columns",
            keys=sorted({name for name in used if used.count(name) > 1}),
            remedy="name each once",
        )
    shared = _Shared.of(
        df,
        outcome=outcome,
        mediator=mediator,
        others=[treatment, *controls],
        unit=unit,
        time=time,
        effects=effects,
        cluster=cluster or unit,
        missing=missing,
    )
    total, first, second = (
        shared.regression(left, right, level)
        for left, right in (
            (outcome, [treatment, *controls]),
            (mediator, [treatment, *controls]),
            (outcome, [treatment, mediator, *controls]),
        )
    )
    products = shared.products(list(controls), [treatment, mediator, outcome])
    n_clusters = len(products)
    draws = _drawn(products, _cluster_counts(n_clusters, n_boot, seed), "in {} of {} bootstrap draws")
    left_out = _drawn(products, 1.0 - np.eye(n_clusters), "without one cluster, in {} of {} cases,")
    return MediationResult(
        sample=shared.sample,
        options=frozen_options(
            outcome=outcome,
            treatment=treatment,
            mediator=mediator,
            controls=tuple(controls),
            unit=unit,
            time=time,
            effects=tuple(effects),
            cluster=cluster,
            n_boot=n_boot,
            ci=ci,
            level=level,
            seed=seed,
            missing=missing,
        ),
        total=total,
        first=first,
        second=second,
        treatment=treatment,
        mediator=mediator,
        draws=draws,
        left_out=left_out,
    )


@dataclass(frozen=True, slots=True)
class _Shared:
    """What the three equations share: rows, effects, clusters, and the columns as they are and less effects."""

    table: pd.DataFrame
    sample: Sample
    unit: str
    time: str
    by_unit: bool
    effects: TwoWayEffects
    codes: Codes
    used: list[str]
    columns: Floats  # columns x rows, as `within`
    within: Floats
    n_units: int
    n_periods: int

    @classmethod
    def of(
        cls,
        df: pd.DataFrame,
        *,
        outcome: str,
        mediator: str,
        others: list[str],
        unit: str,
        time: str,
        effects: Sequence[Effect],
        cluster: str,
        missing: Missing,
    ) -> _Shared:
        used = [outcome, mediator, *others]
        require_keys(df, [unit, time])
        if missing == "raise":
            _require_one_sample(df, outcome, mediator, others, [unit, time])
        if {"unit", "time"} <= set(effects):
            table, sample = estimation_sample(df, used, unit=unit, time=time, clusters=[cluster], missing=missing)
        else:
            table, sample = complete(df, used, keys=named(unit, time, cluster), missing=missing, unique=False)
        codes = _whole_clusters(table, unit, cluster)
        keys = {key: table[key] if name in effects else 0 for key, name in ((unit, "unit"), (time, "time"))}
        absorbed = TwoWayEffects.of(pd.DataFrame(keys, index=table.index), unit=unit, time=time)
        columns = table[used].astype(float)
        centred = columns - columns.mean()
        within = absorbed.demean(centred.to_numpy())
        left, spread, size = (np.linalg.norm(part, axis=0) for part in (within, centred, columns))
        flat = ~(left > ABSORBED * spread + 1e-13 * size)
        if flat.any():
            raise RankError(
                "no variation is left after the effects",
                column=used[int(flat.argmax())],
                remedy="leave it out: what is constant within units or within periods is held fixed already",
            )
        return cls(
            table, sample, unit, time, "unit" in effects, absorbed, codes, used, np.ascontiguousarray(columns.T),
            np.ascontiguousarray(within.T), table[unit].nunique(), table[time].nunique(),
        )  # fmt: skip

    def rows_of(self, names: Sequence[str]) -> list[int]:
        """Where these columns stand."""
        return [self.used.index(name) for name in names]

    def regression(self, outcome: str, regressors: list[str], level: float) -> FixedEffectsResult:
        """Least squares with clustered errors, as `twfe` has them."""
        (left,), right = self.rows_of([outcome]), self.rows_of(regressors)
        y, x = self.within[left], self.within[right].T
        scale = np.linalg.norm(x, axis=0)
        q, r = np.linalg.qr(x / scale)
        unneeded = np.abs(np.diag(r)) < ABSORBED
        if unneeded.any():
            raise RankError(
                "collinear with the regressors before it, effects included",
                column=regressors[int(unneeded.argmax())],
                remedy="leave one of them out; a mediator that follows from the treatment mediates nothing",
            )
        free = len(y) - self.effects.rank - len(regressors)
        if free <= 0:
            raise GroupSizeError(
                f"{len(y)} rows for {self.effects.rank} effects and {len(regressors)} regressors leave no degree of "
                "freedom",
                remedy="add units or periods, or leave controls out",
            )
        inverse = np.linalg.inv(r) / scale[:, None]
        fit = WithinRegression(
            table=self.table,
            sample=self.sample,
            effects=self.effects,
            outcome=outcome,
            regressors=tuple(regressors),
            y=y,
            x=x,
            y_mean=self.columns[left].mean(),
            x_mean=self.columns[right].mean(axis=1),
            total=len(y) * self.columns[left].var(),
            coefficients=inverse @ (q.T @ y),
            bread=inverse @ inverse.T,
            df_residual=free,
        )
        sums = cluster_sums(fit.influence, self.codes)
        result = fit.result(
            cluster_factor(fit, [self.codes]) * sums.T @ sums,
            df_t=min(len(sums) - 1, free),
            level=level,
            options=frozen_options(outcome=outcome, regressors=tuple(regressors), unit=self.unit, time=self.time),
            n_clusters=len(sums),
        )
        return replace(result, n_units=self.n_units, n_periods=self.n_periods)

    def products(self, controls: list[str], last: list[str]) -> Floats:
        """Cross-products of each cluster, (clusters, p, p): periods, controls, and the three last columns.

        The controls enter as an orthonormal basis of theirs, so that elimination loses no digits on them.
        """
        period = np.eye(len(self.effects.times))[self.effects.time]
        if self.by_unit:
            units = self.effects.unit
            period -= (cluster_sums(period, units) / np.bincount(units)[:, None])[units]
        basis = np.linalg.qr(self.within[self.rows_of(controls)].T)[0]
        columns = np.column_stack([period, basis, self.within[self.rows_of(last)].T])
        order = np.argsort(self.codes, kind="stable")
        parts = np.split(columns[order], np.cumsum(np.bincount(self.codes))[:-1])
        return np.array([part.T @ part for part in parts])


def _require_one_sample(df: pd.DataFrame, outcome: str, mediator: str, others: list[str], keys: list[str]) -> None:
    """Raise `SampleMismatchError` where the equations of outcome and mediator would stand on different rows."""
    known = {column: np.isfinite(numeric(df, column, keys)) for column in (outcome, mediator, *others)}
    shared = np.all([known[column] for column in others], axis=0)
    differ = (known[outcome] != known[mediator]) & shared
    if differ.any():
        rows = [int((known[column] & shared).sum()) for column in (outcome, mediator)]
        both = int((known[outcome] & known[mediator] & shared).sum())
        raise SampleMismatchError(
            f"{outcome!r} and {mediator!r} lack values in different rows: equation 6 would have {rows[0]} rows, "
            f"equation 7 {rows[1]} and equation 8 {both}, so that c = c' + ab would fail",
            n_rows=int(differ.sum()),
            keys=keys_of(df, differ, keys),
            remedy="fill them in, or pass missing='drop' to estimate all three on the rows that have both",
        )


def _whole_clusters(table: pd.DataFrame, unit: str, cluster: str) -> Codes:
    """Cluster of each row, numbered as they first appear; at least ten, and no unit in two."""
    codes, labels = pd.factorize(table[cluster])
    homes = pd.Series(codes, index=table.index).groupby(table[unit].to_numpy()).nunique()
    if homes.gt(1).any():
        raise KeyColumnError(
            "must be the same in all rows of a unit, as clusters are drawn whole",
            column=cluster,
            keys=homes.index[homes.gt(1)],
            remedy="assign each unit to one cluster",
        )
    if len(labels) < FEW_CLUSTERS:
        raise GroupSizeError(
            f"a bootstrap of clusters needs {FEW_CLUSTERS} of them, there are {len(labels)}",
            column=cluster,
            remedy="choose finer clusters",
        )
    return np.asarray(codes, dtype=np.intp)


def _cluster_counts(n_clusters: int, n_boot: int, seed: Seed) -> Floats:
    """How often each cluster stands in each draw, (draws, clusters), from the streams of `resampling.bootstrap`."""
    streams = np.random.default_rng(seed).spawn(-(-n_boot // CHUNK))
    picks = np.concatenate([stream.integers(n_clusters, size=(CHUNK, n_clusters)) for stream in streams])[:n_boot]
    flat = picks + n_clusters * np.arange(n_boot)[:, None]
    return np.bincount(flat.ravel(), minlength=flat.size).reshape(flat.shape).astype(float)


def _drawn(products: Floats, counts: Floats, where: str) -> pd.DataFrame:
    """The numbers of `DRAWN` for each row of counts (draws, clusters)."""
    size = products.shape[1]
    flat = products.reshape(len(products), -1)
    blocks = [
        _paths((flat.T @ block.T).reshape(size, size, -1))
        for block in np.array_split(counts, max(1, len(counts) // BLOCK))
    ]
    values = np.hstack(blocks)
    lost = ~np.isfinite(values[: DRAWN.index("share")]).all(axis=0)
    if lost.any():
        raise RankError(
            f"{where.format(int(lost.sum()), len(counts))} treatment or mediator does not vary once the others are "
            "held fixed",
            remedy="so few clusters with such variation carry no bootstrap: choose finer clusters, or fewer controls",
        )
    return pd.DataFrame(readonly(values.T), columns=DRAWN, copy=False)


def _paths(products: Floats) -> Floats:
    """The numbers of `DRAWN`, (8, draws), from cross-products (p, p, draws) whose last columns are D, M and Y."""
    size = len(products)
    spread = products[range(size), range(size)].copy()
    for j in range(size - 3):  # take each column out of those after it; one that earlier ones span takes out nothing
        row = products[j, j + 1 :]
        used = products[j, j] > IDENTIFIED * spread[j]
        step = np.divide(row, products[j, j], out=np.zeros_like(row), where=used)
        products[j + 1 :, j + 1 :] -= row[:, None] * step[None]
    (dd, dm, dy), (_, mm, my), (_, _, yy) = products[-3:, -3:]
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw that identifies no effect is refused by the caller
        dd = np.where(dd > IDENTIFIED * spread[-3], dd, np.nan)
        a, c = dm / dd, dy / dd
        mm, my, yy = mm - a * dm, my - a * dy, yy - c * dy
        mm = np.where(mm > IDENTIFIED * spread[-2], mm, np.nan)
        b = my / mm
        return np.array([a, b, c, c - a * b, a * b, a * b / c, my / np.sqrt(mm * yy), np.sqrt(yy / mm)])


def _row(result: FixedEffectsResult, term: str) -> pd.Series:
    frame = result.to_frame()
    return frame.iloc[list(frame["term"]).index(term)]


@dataclass(frozen=True, kw_only=True)
class ModerationResult(Estimate):
    """Two regressions with the same rows, controls and effects.

    Attributes
    ----------
    first : FixedEffectsResult
        Moderator on treatment.
    second : FixedEffectsResult
        Outcome on treatment, moderator and their product.
    treatment, moderator, interaction : str
        Terms of ``second``.
    centre : float
        What was subtracted from the moderator: its mean, or 0. The coefficient of the treatment in ``second`` is the
        effect where the moderator has this value.
    sample, options
        See `Estimate`.
    """

    first: FixedEffectsResult
    second: FixedEffectsResult
    treatment: str
    moderator: str
    interaction: str
    centre: float

    def to_frame(self) -> pd.DataFrame:
        """One row per equation and term.

        Columns ``equation`` (1 or 2), ``outcome, term, estimate, std_error, statistic, p_value, low, high``.
        """
        parts = []
        for number, result in enumerate((self.first, self.second), start=1):
            frame = result.to_frame()
            frame.insert(0, "equation", number)
            frame.insert(1, "outcome", result.outcome)
            parts.append(frame)
        return pd.concat(parts, ignore_index=True)

    def effect_at(self, values: npt.ArrayLike) -> pd.DataFrame:
        """Effect of the treatment on the outcome where the moderator has these values.

        Parameters
        ----------
        values : float or array-like
            Values of the moderator, in its own units.

        Returns
        -------
        DataFrame
            ``moderator, effect, std_error, low, high``.
        """
        level = np.atleast_1d(np.asarray(values, dtype=float))
        terms = [self.treatment, self.interaction]
        at = np.column_stack([np.ones_like(level), level - self.centre])
        effect = at @ self.second.estimate[terms].to_numpy()
        error = np.sqrt(np.einsum("vi,ij,vj->v", at, self.second.covariance.loc[terms, terms].to_numpy(), at))
        _, low, high = t_inference(effect, error, df=self.second.df_t, level=self.second.level)
        return pd.DataFrame({"moderator": level, "effect": effect, "std_error": error, "low": low, "high": high})


def moderation(
    df: pd.DataFrame,
    *,
    outcome: str,
    treatment: str,
    moderator: str,
    controls: Sequence[str] = (),
    unit: str,
    time: str,
    center: bool = True,
    vcov: Vcov = "cluster",
    cluster: str | Sequence[str] | None = None,
    level: float = 0.95,
    missing: Missing = "raise",
) -> ModerationResult:
    r"""Whether a treatment moves a moderator, and whether its effect on the outcome depends on the moderator.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    outcome, treatment, moderator : str
        Y, D and M.
    controls : sequence of str
        Regressors of both equations.
    unit, time : str
        Key columns; both equations have their effects.
    center : bool
        Subtract the mean of the moderator, so that the coefficient of the treatment is its effect at that mean.
        Without, it is the effect where the moderator is 0, which may lie outside the data.
    vcov, cluster, level, missing
        As in `regiometrics.estimate.fixed_effects.twfe`.

    Returns
    -------
    ModerationResult
        The product is called ``"<treatment> x <moderator>"``.

    Raises
    ------
    KeyColumnError, MissingValueError, DomainError, RankError, GroupSizeError
        As in `twfe`; `RankError` too where treatment or moderator is constant or one follows from the other.

    Notes
    -----
    :math:`M_{it}=aD_{it}+X_{it}'\gamma+\mu_i+\lambda_t+\varepsilon_{it}` and
    :math:`Y_{it}=\beta D_{it}+\delta M_{it}+\theta D_{it}(M_{it}-m)+X_{it}'\gamma+\mu_i+\lambda_t+\varepsilon_{it}`
    (p5, equations 5 and 6, with m = 0).
    Centring moves :math:`\beta` to :math:`\beta+\theta m` and nothing else.
    A moderator that the treatment moves is itself an outcome: :math:`\theta` then compares treated units that
    responded differently, which is no evidence of a mechanism by itself.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> df = pd.DataFrame({"city": np.repeat(range(20), 6), "year": list(range(6)) * 20})
    >>> df["policy"] = ((df["city"] < 8) & (df["year"] > 3)).astype(float)
    >>> df["patents"] = 3 + rng.normal(size=120)
    >>> df["y"] = df["policy"] * (1 + 0.5 * df["patents"])
    >>> result = moderation(df, outcome="y", treatment="policy", moderator="patents", unit="city", time="year")
    >>> result.effect_at([0, 2])["effect"].round(6).tolist()
    [1.0, 2.0]
    """
    given = (cluster,) if isinstance(cluster, str) else tuple(cluster or ())
    table, sample = estimation_sample(
        df, named(outcome, treatment, moderator, *controls), unit=unit, time=time, clusters=given, missing=missing
    )
    centre = float(table[moderator].mean()) if center else 0.0
    interaction = f"{treatment} x {moderator}"
    table = table.assign(**{interaction: table[treatment] * (table[moderator] - centre)})

    def equation(left: str, right: list[str]) -> FixedEffectsResult:
        result = twfe(
            table, outcome=left, regressors=right, unit=unit, time=time, vcov=vcov, cluster=cluster, level=level
        )
        return replace(result, sample=sample)

    return ModerationResult(
        sample=sample,
        options=frozen_options(
            outcome=outcome,
            treatment=treatment,
            moderator=moderator,
            controls=tuple(controls),
            unit=unit,
            time=time,
            center=center,
            vcov=vcov,
            cluster=given or None,
            level=level,
            missing=missing,
        ),
        first=equation(moderator, [treatment, *controls]),
        second=equation(outcome, [treatment, moderator, interaction, *controls]),
        treatment=treatment,
        moderator=moderator,
        interaction=interaction,
        centre=centre,
    )
