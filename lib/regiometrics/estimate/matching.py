"""Matching on the propensity score, difference-in-differences on matched rows, and the two-by-two table."""

from __future__ import annotations

import warnings
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypedDict, Unpack, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special

from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    NoControlsError,
    RankError,
    SeparationError,
    require_choice,
)
from regiometrics.estimate.fixed_effects import FixedEffectsResult, Vcov, twfe
from regiometrics.estimate.staggered import ADOPTION, POLICY, StaggeredDesign
from regiometrics.panel import Missing, Sample, complete, keys_of, named, refuse, require_columns
from regiometrics.result import EffectResult, Estimate, frozen_options, t_inference

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Positions = npt.NDArray[np.intp]
Link = Literal["logit", "probit"]
Method = Literal["nearest", "kernel", "radius"]
Kernel = Literal["epanechnikov", "gaussian"]
Support = Literal["minmax", "none"]
Ties = Literal["average", "first"]
MatchWhen = Literal["pre_mean", "base_year", "pooled", "by_year"]
CellErrors = Literal["cluster", "iid"]

LEVEL = 0.95  # of all intervals here
COLLINEAR = 1e-9  # share of a covariate's spread that the covariates before it must leave
CERTAIN = 1e-6  # fitted probabilities this close to 0 or 1 call for a test of separation
STEPS = 50  # of iteratively reweighted least squares; a likelihood with a maximum needs about ten
TIE = 1e-12  # gap, relative to the largest score, below which two distances count as equal
KERNEL_EDGE = 1e-6  # kernel mass, relative to K(0), below which a treated row has no control within the bandwidth
BLOCK = 4_000_000  # pairs held at a time where all pairs are needed
UNMATCHED = ("off support", "no control in reach", "not used", "no row to match on", "year left out")
EVER, STATUS, WEIGHT = "ever treated", "matching status", "matching weight"  # columns of the matched panel
CELLS = ["pre_control", "pre_treated", "pre_difference", "post_control", "post_treated", "post_difference", "did"]
CONTRASTS = np.array(  # of the means (pre control, pre treated, post control, post treated)
    [[1, 0, 0, 0], [0, 1, 0, 0], [-1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0, 0, -1, 1], [1, -1, -1, 1]], dtype=float
)


# ---------------------------------------------------------------------------------------------------------------------
# the propensity score


@dataclass(frozen=True, kw_only=True)
class PropensityResult(Estimate):
    """The probability of treatment given covariates, by maximum likelihood.

    Attributes
    ----------
    score : Series
        Fitted probability of treatment of each used row; its index is that of the rows.
    coefficients : DataFrame
        See `to_frame`.
    n_treated, n_controls : int
        Used rows of either group.
    log_likelihood, log_likelihood_null : float
        Of the model and of the share of treated alone.
    sample, options
        See `Estimate`.
    """

    score: pd.Series
    coefficients: pd.DataFrame = field(repr=False)
    n_treated: int
    n_controls: int
    log_likelihood: float
    log_likelihood_null: float

    @property
    def pseudo_r2(self) -> float:
        """McFadden's R-squared, 1 - lnL / lnL0."""
        return 1 - self.log_likelihood / self.log_likelihood_null

    @property
    def lr(self) -> float:
        """Likelihood-ratio statistic of all covariates, chi-squared with one degree of freedom each."""
        return 2 * (self.log_likelihood - self.log_likelihood_null)

    @property
    def lr_p_value(self) -> float:
        """Of `lr`."""
        return float(special.chdtrc(len(self.coefficients) - 1, self.lr))

    def to_frame(self) -> pd.DataFrame:
        """One row per coefficient, the constant last: ``term, estimate, std_error, statistic, p_value, low, high``."""
        return self.coefficients.copy()


def propensity(
    df: pd.DataFrame,
    *,
    treat: str,
    covariates: Sequence[str],
    link: Link = "logit",
    missing: Missing = "raise",
    keys: Sequence[str] = (),
) -> PropensityResult:
    """Fit the probability of treatment by logit or probit.

    Parameters
    ----------
    df : DataFrame
        One row per unit (or unit and period).
    treat : str
        Column of 0 and 1.
    covariates : sequence of str
        Columns of numbers; categories go in as dummies.
    link : {"logit", "probit"}
        Standard errors are from the expected information; for the logit that is the observed one too.
    missing : {"raise", "drop"}
        Rows with missing values: refuse or list in ``sample``.
    keys : sequence of str
        Key columns by which messages name rows; they must identify each row.

    Returns
    -------
    PropensityResult

    Raises
    ------
    SeparationError
        The covariates predict treatment perfectly, for all rows or for some of them, so that no maximum exists; the
        message names a smallest set of covariates that does it.
    NoControlsError
        All rows are treated, or none.
    RankError
        A covariate is constant or a combination of those before it.
    GroupSizeError
        No more rows than coefficients.
    DomainError
        ``treat`` holds something other than 0 and 1, or there is no covariate.
    KeyColumnError, MissingValueError
        See `regiometrics.panel.complete`.

    Notes
    -----
    Separation is decided by the linear programme of Konis (2007): it exists if some combination of the covariates is
    nowhere negative among the treated, nowhere positive among the controls, and not zero everywhere.

    Examples
    --------
    >>> df = pd.DataFrame({"treated": [0, 0, 0, 1, 0, 1, 1, 1], "size": [1.0, 2, 3, 4, 5, 6, 7, 8]})
    >>> propensity(df, treat="treated", covariates=["size"]).score.round(2).tolist()
    [0.01, 0.04, 0.13, 0.34, 0.66, 0.87, 0.96, 0.99]
    """
    names = list(dict.fromkeys(covariates))
    _require_model(link, names)
    require_columns(df, [*keys, treat, *names])
    used, sample = complete(df, [treat, *names], keys=list(keys), missing=missing)
    treated = _treated(used, treat, keys)
    fit = _propensity_fit(treated, used[names].to_numpy(dtype=float), names, link)
    p_value, low, high = t_inference(fit.estimate, fit.std_error, level=LEVEL)
    return PropensityResult(
        sample=sample,
        options=frozen_options(
            treat=treat, covariates=tuple(names), link=link, missing=missing, keys=tuple(keys), level=LEVEL
        ),
        score=pd.Series(fit.score, index=used.index, name="score"),
        coefficients=pd.DataFrame(
            {
                "term": [*names, "constant"],
                "estimate": fit.estimate,
                "std_error": fit.std_error,
                "statistic": fit.estimate / fit.std_error,
                "p_value": p_value,
                "low": low,
                "high": high,
            }
        ),
        n_treated=int(treated.sum()),
        n_controls=int((~treated).sum()),
        log_likelihood=fit.log_likelihood,
        log_likelihood_null=fit.log_likelihood_null,
    )


def _require_model(link: Link, covariates: Sequence[str]) -> None:
    require_choice("link", link, Link)
    if not covariates:
        raise DomainError("no covariate", remedy="name at least one column in covariates")


@dataclass(frozen=True, slots=True)
class _PropensityFit:
    """Coefficients with the constant last, and what follows from them for each row."""

    estimate: Floats
    std_error: Floats
    score: Floats
    index: Floats
    log_likelihood: float
    log_likelihood_null: float


def _propensity_fit(
    treated: Flags, x: Floats, names: Sequence[str], link: Link, weights: Floats | None = None
) -> _PropensityFit:
    """Maximum likelihood on standardised covariates; ``weights`` are frequencies."""
    from statsmodels.genmod import families  # long to import, and needed here alone
    from statsmodels.genmod.generalized_linear_model import GLM
    from statsmodels.tools.sm_exceptions import PerfectSeparationWarning

    mean, spread = _location_and_spread(x, names)
    design = np.column_stack([(x - mean) / spread, np.ones(len(x))])
    _require_rank(design, names)
    mass = np.ones(len(x)) if weights is None else weights
    family = families.Binomial(families.links.Logit() if link == "logit" else families.links.Probit())
    with warnings.catch_warnings(), np.errstate(over="ignore"):  # on separated rows alone; these are refused below
        warnings.simplefilter("ignore", PerfectSeparationWarning)
        model = GLM(treated.astype(float), design, family=family, freq_weights=mass)
        fit = model.fit(maxiter=STEPS, tol=1e-10, tol_criterion="params")
    score = np.asarray(fit.fittedvalues)
    if not fit.converged or min(score.min(), 1 - score.max()) < CERTAIN:
        _refuse_separation(treated, design, names)
        if not fit.converged:
            raise DomainError(
                f"the likelihood of treatment has no maximum that {STEPS} steps reach",
                remedy="use fewer covariates, or logarithms of those with a long tail",
            )
    back = np.vstack([np.diag(1 / spread), -(mean / spread)])
    back = np.column_stack([back, np.r_[np.zeros(len(names)), 1.0]])
    share = float(mass @ treated / mass.sum())
    return _PropensityFit(
        estimate=back @ fit.params,
        std_error=np.sqrt(np.diag(back @ fit.cov_params() @ back.T)),
        score=score,
        index=design @ fit.params,
        log_likelihood=float(mass @ np.log(np.where(treated, score, 1 - score))),
        log_likelihood_null=float(mass @ np.log(np.where(treated, share, 1 - share))),
    )


def _flag(df: pd.DataFrame, column: str, keys: Sequence[str]) -> Flags:
    values = df[column].to_numpy(dtype=float)
    refuse(
        DomainError,
        "must be 0 or 1",
        rows=~np.isin(values, (0, 1)),
        of=df,
        keys=keys,
        column=column,
        remedy="code the rows meant 1 and all others 0",
    )
    flags: Flags = values == 1
    return flags


def _treated(df: pd.DataFrame, treat: str, keys: Sequence[str]) -> Flags:
    treated = _flag(df, treat, keys)
    if treated.all() or not treated.any():
        raise NoControlsError(
            f"{'all' if len(treated) and treated.all() else 'no'} rows are treated",
            column=treat,
            n_rows=len(df),
            remedy="add rows of the other group",
        )
    return treated


def _location_and_spread(x: Floats, names: Sequence[str]) -> tuple[Floats, Floats]:
    if len(x) <= len(names) + 1:
        raise GroupSizeError(
            f"{len(x)} rows cannot carry {len(names)} covariates and a constant", remedy="use fewer covariates"
        )
    mean, spread = x.mean(axis=0), x.std(axis=0)
    constant = [name for name, m, s in zip(names, mean, spread, strict=True) if not s > 1e-12 * abs(m)]
    if constant:
        raise RankError(
            f"{', '.join(constant)} is the same in all rows",
            column=constant[0],
            remedy="leave it out of the covariates",
        )
    return mean, spread


def _require_rank(design: Floats, names: Sequence[str]) -> None:
    own = np.abs(np.diag(np.linalg.qr(design[:, :-1], mode="r"))) / np.sqrt(len(design))
    collinear = [name for name, left in zip(names, own, strict=True) if left < COLLINEAR]
    if collinear:
        raise RankError(
            f"{', '.join(collinear)} is a combination of the covariates before it",
            column=collinear[0],
            remedy="leave it out of the covariates",
        )


def _refuse_separation(treated: Flags, design: Floats, names: Sequence[str]) -> None:
    """Raise `SeparationError` naming covariates of which none can be spared for the separation."""
    if not _separates(treated, design):
        return
    kept = list(range(len(names)))
    for j in range(len(names)):
        fewer = [i for i in kept if i != j]
        if _separates(treated, design[:, [*fewer, -1]]):
            kept = fewer
    culprits = [names[i] for i in kept]
    raise SeparationError(
        f"{' and '.join(culprits)} predict{'s' if len(culprits) == 1 else ''} treatment perfectly",
        column=culprits[0],
        n_rows=len(design),
        remedy="leave a covariate out, join its categories, or keep to rows where both groups occur",
    )


def _separates(treated: Flags, design: Floats) -> bool:
    """Whether a combination of the columns is nowhere on the wrong side and somewhere on the right one."""
    from scipy.optimize import linprog  # long to import, and needed here alone

    sided = design * np.where(treated, 1.0, -1.0)[:, None]
    answer = linprog(-sided.sum(axis=0), A_ub=-sided, b_ub=np.zeros(len(sided)), bounds=(-1, 1), method="highs")
    return bool((sided @ answer.x).max() > 1e-5)  # the solver meets constraints to 1e-7


# ---------------------------------------------------------------------------------------------------------------------
# matching


@dataclass(frozen=True, slots=True)
class _Links:
    """Which controls each treated row is matched to: ``controls[first[i]:last[i]]``, in equal parts."""

    treated: Positions
    controls: Positions
    first: Positions
    last: Positions

    @property
    def size(self) -> Positions:
        return self.last - self.first

    def shares(self, n_rows: int, power: int = 1) -> Floats:
        """For each row of the table, the sum over treated rows of its share in the match, raised to ``power``."""
        some = self.size > 0
        step = np.zeros(len(self.controls) + 1, dtype=np.longdouble)
        cover = np.zeros(len(self.controls) + 1, dtype=np.intp)
        share = 1 / self.size[some].astype(np.longdouble) ** power
        for at, sign in ((self.first[some], 1), (self.last[some], -1)):
            np.add.at(step, at, sign * share)
            np.add.at(cover, at, sign)
        sums = np.where(cover.cumsum() > 0, step.cumsum(), 0)[:-1].astype(float)
        return np.asarray(np.bincount(self.controls, weights=sums, minlength=n_rows), dtype=float)

    def means(self, values: Floats) -> Floats:
        """Mean over the controls of each treated row; NaN without any."""
        total = np.r_[0, values[self.controls].astype(np.longdouble).cumsum()]
        with np.errstate(invalid="ignore"):
            means: Floats = ((total[self.last] - total[self.first]) / self.size).astype(float)
        return means

    def pairs(self) -> tuple[Positions, Positions, Floats]:
        """Treated row, control row and weight of each pair."""
        size = self.size
        nth = np.arange(size.sum()) - np.repeat(size.cumsum() - size, size)
        control = self.controls[np.repeat(self.first, size) + nth]
        return np.repeat(self.treated, size), control, 1 / np.repeat(size, size)


@dataclass(frozen=True, kw_only=True)
class MatchResult(Estimate):
    """Treated rows and the controls that stand for them.

    Attributes
    ----------
    weights : Series
        Aligned with the table: 1 for treated rows that are matched, the sum of its shares for a control, 0 otherwise.
        The weights of the controls add up to the number of matched treated rows.
    status : Series
        Aligned with the table: ``"matched"``, ``"off support"``, ``"no control in reach"`` (of treated rows),
        ``"not used"`` (of controls).
    score : Series
        What was matched on.
    treated : Series of bool
        Aligned with the table.
    table : DataFrame
        The rows as they were passed.
    links : object
        The matches in compact form, None for a kernel; read them from ``pairs``.
    sample, options
        See `Estimate`; every row without weight is listed in ``sample.dropped``.
    """

    weights: pd.Series
    status: pd.Series = field(repr=False)
    score: pd.Series = field(repr=False)
    treated: pd.Series = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    links: _Links | None = field(repr=False)

    @property
    def off_support(self) -> pd.Series:
        """Whether a row lies off the common support, aligned with the table."""
        return self.status == "off support"

    @property
    def pairs(self) -> pd.DataFrame:
        """One row per pair: ``treated_row, control_row`` (positions in the table), ``distance, weight``.

        Empty for a kernel, which ties each treated row to all controls within the bandwidth.
        """
        if self.links is None:
            return pd.DataFrame({"treated_row": [], "control_row": [], "distance": [], "weight": []})
        treated, control, weight = self.links.pairs()
        p = self.score.to_numpy()
        return pd.DataFrame(
            {
                "treated_row": treated,
                "control_row": control,
                "distance": np.abs(p[treated] - p[control]),
                "weight": weight,
            }
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per group: ``group, rows, on_support, matched, weight``."""
        groups = self.treated.map({True: "treated", False: "control"}).rename("group")
        counts = pd.DataFrame(
            {"on_support": ~self.off_support, "matched": self.status == "matched", "weight": self.weights}
        ).groupby(groups.to_numpy())
        frame = counts.sum().reindex(["treated", "control"])
        frame.insert(0, "rows", counts.size())
        return frame.rename_axis("group").reset_index()

    def balance(self, covariates: Sequence[str]) -> pd.DataFrame:
        """How alike the groups are before and after, in the layout of Stata's ``pstest``.

        Parameters
        ----------
        covariates : sequence of str
            Columns of the table.

        Returns
        -------
        DataFrame
            Two rows per covariate, ``sample`` being ``"unmatched"`` and ``"matched"``: ``covariate, sample,
            mean_treated, mean_control``; ``bias``, 100 times the difference of means over the root of the mean of the
            two variances before matching; ``reduction`` of its size in percent; ``t, p_value`` of equal means, which
            take the weights as frequencies; ``variance_ratio``, treated over controls.
        """
        columns, x = self._covariates(covariates)
        return pd.DataFrame(_balance(columns, x, self.treated.to_numpy(), self.weights.to_numpy()))

    def balance_summary(self, covariates: Sequence[str], *, link: Link = "probit") -> pd.DataFrame:
        """What the covariates together still say about treatment, before and after, as below Stata's ``pstest``.

        Parameters
        ----------
        covariates : sequence of str
            Columns of the table.
        link : {"probit", "logit"}
            Of the model of treatment, which is fitted anew to the matched rows with their weights as frequencies.

        Returns
        -------
        DataFrame
            One row per sample: ``sample, pseudo_r2, lr, p_value`` of that model; ``mean_bias, median_bias`` of the
            sizes of the biases in `balance`; ``rubin_b``, the standardised difference of its linear index in percent,
            and ``rubin_r``, the ratio of the index's variances (Rubin 2001 asks for B below 25 and R within 0.5 and 2).

        Raises
        ------
        SeparationError
            The covariates predict treatment perfectly among the matched rows.
        """
        require_choice("link", link, Link)
        columns, x = self._covariates(covariates)
        weights, treated, table = self.weights.to_numpy(), self.treated.to_numpy(), self.balance(columns)
        rows: list[dict[str, object]] = []
        for sample, w in (("unmatched", np.ones(len(x))), ("matched", weights)):
            kept = w > 0
            fit = _propensity_fit(treated[kept], x[kept], columns, link, w[kept])
            (m1, v1, _), (m0, v0, _) = (_moments(fit.index[g], w[kept][g]) for g in (treated[kept], ~treated[kept]))
            lr = 2 * (fit.log_likelihood - fit.log_likelihood_null)
            sizes = table.loc[table["sample"] == sample, "bias"].abs()
            rows.append(
                {
                    "sample": sample,
                    "pseudo_r2": 1 - fit.log_likelihood / fit.log_likelihood_null,
                    "lr": lr,
                    "p_value": special.chdtrc(len(columns), lr),
                    "mean_bias": sizes.mean(),
                    "median_bias": sizes.median(),
                    "rubin_b": 100 * abs(m1 - m0) / np.sqrt((v1 + v0) / 2),
                    "rubin_r": v1 / v0,
                }
            )
        return pd.DataFrame(rows)

    def att(self, outcome: str) -> EffectResult:
        r"""Mean effect on the matched treated rows, for a cross-section.

        Parameters
        ----------
        outcome : str
            Column of the table, complete on the common support.

        Returns
        -------
        EffectResult
            With the standard error of Abadie and Imbens (2006) for the score as given, against the normal
            distribution; a kernel gives none.

        Raises
        ------
        KeyColumnError, MissingValueError, DomainError
            The outcome is absent, missing on the common support, or no number.

        Notes
        -----
        With :math:`w_{ij}` the share of control j in the match of treated row i and :math:`K_j=\sum_iw_{ij}`,

        .. math:: \hat\tau = \frac1{n_1}\sum_i(y_i-\hat y_i), \qquad
            \hat V = \frac1{n_1^2}\Bigl[\sum_i(y_i-\hat y_i-\hat\tau)^2
            + \sum_j\bigl(K_j^2-\textstyle\sum_iw_{ij}^2\bigr)\hat\sigma_j^2\Bigr],

        :math:`\hat\sigma_j^2` being half the squared difference of outcomes between control j and the control nearest
        to it. That the score is estimated is left out of account; Abadie and Imbens (2016) add a term of either sign.
        """
        require_columns(self.table, [outcome])
        on = ~self.off_support.to_numpy()
        values, _ = complete(self.table[on], [outcome], keys=list(cast("tuple[str, ...]", self.options["keys"])))
        y = np.full(len(on), np.nan)
        y[on] = values[outcome].to_numpy(dtype=float)
        w, treated = self.weights.to_numpy(), self.treated.to_numpy()
        matched, used = treated & (w > 0), ~treated & (w > 0)
        n = int(matched.sum())
        estimate = float(y[matched].mean() - w[used] @ y[used] / w[used].sum())
        error = np.nan if self.links is None else self._abadie_imbens(y, estimate)
        p_value, low, high = t_inference(np.array(estimate), np.array(error), level=LEVEL)
        method = self.options["method"]
        return EffectResult(
            sample=self.sample,
            options=frozen_options(**self.options, outcome=outcome),
            estimator=f"matching ({method})",
            estimate=estimate,
            std_error=float(error),
            p_value=float(p_value),
            low=float(low),
            high=float(high),
            level=LEVEL,
            n_obs=n + int(used.sum()),
            n_units=n + int(used.sum()),
            n_clusters=n + int(used.sum()),
            notes=(
                "no standard error for a kernel"
                if self.links is None
                else "standard error of Abadie and Imbens (2006), the score taken as known",
            ),
        )

    def _abadie_imbens(self, y: Floats, estimate: float) -> float:
        links = cast("_Links", self.links)
        gap = y[links.treated] - links.means(np.nan_to_num(y)) - estimate
        gap = gap[links.size > 0]
        repeated = links.shares(len(y)) ** 2 - links.shares(len(y), power=2)
        controls = np.flatnonzero(~self.treated.to_numpy() & ~self.off_support.to_numpy())
        if len(controls) < 2:
            return np.nan
        controls = controls[np.argsort(self.score.to_numpy()[controls], kind="stable")]
        step = np.diff(self.score.to_numpy()[controls])
        up = np.r_[step, np.inf] < np.r_[np.inf, step]
        nearest = controls[np.arange(len(controls)) + np.where(up, 1, -1)]
        variance = (y[controls] - y[nearest]) ** 2 / 2
        return float(np.sqrt(gap @ gap + repeated[controls] @ variance) / len(gap))

    def _covariates(self, covariates: Sequence[str]) -> tuple[list[str], Floats]:
        columns = list(dict.fromkeys(covariates))
        require_columns(self.table, columns)
        values, _ = complete(self.table, columns, keys=list(cast("tuple[str, ...]", self.options["keys"])))
        return columns, values[columns].to_numpy(dtype=float)


def match(
    df: pd.DataFrame,
    *,
    treat: str,
    score: str | pd.Series,
    method: Method = "nearest",
    k: int = 1,
    replace: bool = True,
    caliper: float | None = None,
    kernel: Kernel = "epanechnikov",
    bandwidth: float = 0.06,
    support: Support = "minmax",
    ties: Ties = "average",
    keys: Sequence[str] = (),
) -> MatchResult:
    r"""Match treated rows with controls of a like score.

    Parameters
    ----------
    df : DataFrame
        One row per unit (or unit and period).
    treat : str
        Column of 0 and 1.
    score : str or Series
        Column of ``df``, or a Series with the index of ``df`` such as `propensity` gives.
    method : {"nearest", "kernel", "radius"}
        The k nearest controls; all controls, weighted by a kernel of the distance; all controls within the caliper.
    k : int
        Number of nearest controls.
    replace : bool
        Whether a control may serve several treated rows. Without replacement treated rows choose greedily, the highest
        score first, in k rounds; of two controls as near the earlier row is taken.
    caliper : float, optional
        Largest distance of a match, itself included, in units of the score; radius matching needs it.
    kernel : {"epanechnikov", "gaussian"}
        :math:`K(u)=1-u^2` inside the unit interval, or :math:`\exp(-u^2/2)`.
    bandwidth : float
        Distance at which u is 1.
    support : {"minmax", "none"}
        Leave out treated rows beyond the lowest and highest score of the controls, and controls beyond those of the
        treated.
    ties : {"average", "first"}
        Controls as near as the k-th: take all and average, or the earlier rows.
    keys : sequence of str
        Key columns by which ``sample`` and messages name rows; they must identify each row.

    Returns
    -------
    MatchResult

    Raises
    ------
    NoControlsError
        All rows are treated or none, the common support is empty, or no treated row has a control in reach.
    DomainError
        ``caliper``, ``bandwidth`` or ``k`` is not positive, the radius has no caliper, or ``treat`` is not 0 or 1.
    KeyColumnError, MissingValueError
        A column is absent, a key repeated, the score missing or not aligned with ``df``.

    Notes
    -----
    A matched treated row has weight 1 and hands the same weight on to its controls, control j getting

    .. math:: w_j = \sum_i \frac{K((p_i-p_j)/h)}{\sum_{j'}K((p_i-p_{j'})/h)} .

    Nearest neighbours and the radius are runs of the sorted controls. The sums of the Epanechnikov kernel are
    differences of running sums of 1, p and p squared over the window, so that no pair is ever formed; the Gaussian
    kernel forms all pairs, in blocks.

    Examples
    --------
    >>> df = pd.DataFrame({"treated": [1, 1, 0, 0, 0], "p": [0.50, 0.61, 0.52, 0.60, 0.65], "y": [5.0, 7, 3, 4, 6]})
    >>> result = match(df, treat="treated", score="p", support="none")
    >>> result.weights.tolist(), result.att("y").estimate
    ([1.0, 1.0, 1.0, 1.0, 0.0], 2.5)
    """
    table = df.copy(deep=False)
    p_column = score if isinstance(score, str) else "score"
    require_columns(df, named(*keys, treat, score if isinstance(score, str) else None))
    rows = df if isinstance(score, str) else _with_score(df, score, keys, treat)
    used, _ = complete(rows, [treat, p_column], keys=list(keys))
    treated, p = _treated(used, treat, keys), used[p_column].to_numpy(dtype=float)
    weights, status, links = _weigh(
        used,
        p,
        treated,
        method=method,
        k=k,
        replace=replace,
        caliper=caliper,
        kernel=kernel,
        bandwidth=bandwidth,
        support=support,
        ties=ties,
        keys=keys,
    )
    return MatchResult(
        sample=_sample_of(used, status, treated, keys),
        options=frozen_options(
            treat=treat,
            score=p_column,
            method=method,
            k=k,
            replace=replace,
            caliper=caliper,
            kernel=kernel,
            bandwidth=bandwidth,
            support=support,
            ties=ties,
            keys=tuple(keys),
        ),
        weights=pd.Series(weights, index=df.index, name="weight"),
        status=pd.Series(status, index=df.index, name="status"),
        score=pd.Series(p, index=df.index, name="score"),
        treated=pd.Series(treated, index=df.index, name="treated"),
        table=table,
        links=links,
    )


def _weigh(
    rows: pd.DataFrame,
    p: Floats,
    treated: Flags,
    *,
    method: Method,
    k: int,
    replace: bool,
    caliper: float | None,
    kernel: Kernel,
    bandwidth: float,
    support: Support,
    ties: Ties,
    keys: Sequence[str],
) -> tuple[Floats, npt.NDArray[np.str_], _Links | None]:
    """Weight and status of each row, and the links; ``rows`` and ``keys`` name rows in messages alone."""
    for option, value, choices in (
        ("method", method, Method),
        ("kernel", kernel, Kernel),
        ("support", support, Support),
        ("ties", ties, Ties),
    ):
        require_choice(option, value, choices)
    _require_positive(k=k, bandwidth=bandwidth, caliper=caliper)
    if method == "radius" and caliper is None:
        raise DomainError("radius matching needs a caliper", remedy="pass caliper=, such as 0.05")
    on = _on_support(p, treated) if support == "minmax" else np.ones(len(p), dtype=bool)
    of_treated, of_controls = np.flatnonzero(treated & on), np.flatnonzero(~treated & on)
    links: _Links | None = None
    weights = np.zeros(len(p))
    if method == "kernel":
        found, weights[of_controls] = _kernel_weights(p[of_treated], p[of_controls], kernel, bandwidth)
        weights[of_treated[found]] = 1
    else:
        links = _links(p, of_treated, of_controls, None if method == "radius" else k, replace, caliper, ties)
        weights = links.shares(len(p))
        weights[links.treated[links.size > 0]] = 1
    if not weights.any():
        raise NoControlsError(
            "no treated row has a control in reach",
            n_rows=len(of_treated),
            keys=keys_of(rows, treated & on, keys),
            remedy="widen the caliper or the bandwidth",
        )
    status = np.select(
        [~on, weights > 0, treated], ["off support", "matched", "no control in reach"], default="not used"
    )
    return weights, status, links


def _require_positive(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not value > 0:
            raise DomainError(f"{name}={value!r} is not positive", remedy="pass a positive number")


def _with_score(df: pd.DataFrame, score: pd.Series, keys: Sequence[str], treat: str) -> pd.DataFrame:
    if not score.index.equals(df.index):
        raise KeyColumnError(
            f"the score has {len(score)} rows that are not those of the table ({len(df)} rows)",
            remedy="pass the rows that have a score, df.loc[score.index]",
        )
    return df[named(*keys, treat)].assign(score=score.to_numpy())


def _on_support(p: Floats, treated: Flags) -> Flags:
    (low1, high1), (low0, high0) = ((p[g].min(), p[g].max()) for g in (treated, ~treated))
    on: Flags = np.where(treated, (p >= low0) & (p <= high0), (p >= low1) & (p <= high1))
    if not (on & treated).any() or not (on & ~treated).any():
        raise NoControlsError(
            f"no common support: scores of the treated lie in [{low1:.4g}, {high1:.4g}], "
            f"of the controls in [{low0:.4g}, {high0:.4g}]",
            n_rows=len(p),
            remedy="use fewer covariates, or compare other rows",
        )
    return on


def _sample_of(df: pd.DataFrame, status: npt.NDArray[np.str_], treated: Flags, keys: Sequence[str]) -> Sample:
    """Rows without weight by group and status."""
    dropped = []
    for group, members in (("treated", treated), ("control", ~treated)):
        for reason in UNMATCHED:
            gone = members & (status == reason)
            if gone.any():
                dropped.append((f"{group}: {reason}", tuple(keys_of(df, gone, keys))))
    return Sample(len(df), int((status == "matched").sum()), tuple(dropped))


def _links(
    p: Floats,
    treated: Positions,
    controls: Positions,
    k: int | None,
    replace: bool,
    caliper: float | None,
    ties: Ties,
) -> _Links:
    """The k nearest controls of each treated row, or with k None all controls within the caliper."""
    tie = TIE * np.abs(p).max()
    limit = np.inf if caliper is None else caliper + tie
    if k is None or (replace and ties == "average"):
        order = controls[np.argsort(p[controls], kind="stable")]
        reach = np.full(len(treated), limit)
        if k is not None:
            _, distance = _either_side(p[treated], p[controls], k)
            reach = np.minimum(np.sort(distance, axis=1)[:, k - 1] + tie, limit)
        first = np.searchsorted(p[order], p[treated] - reach, side="left")
        return _Links(treated, order, first, np.searchsorted(p[order], p[treated] + reach, side="right"))
    if replace:
        row, distance = _either_side(p[treated], p[controls], k)
        choice = np.lexsort((row, np.round(distance / max(tie, np.finfo(float).tiny))))[:, :k]
        row, distance = np.take_along_axis(row, choice, 1), np.take_along_axis(distance, choice, 1)
        near = np.isfinite(distance) & (distance <= limit)
        chosen, size = row[near], near.sum(axis=1)
    else:
        picks = _greedy(p[treated], p[controls], k, limit)
        chosen, size = np.array([c for pick in picks for c in pick], dtype=np.intp), np.array([*map(len, picks)])
    return _Links(treated, controls[chosen], size.cumsum() - size, size.cumsum())


def _either_side(p: Floats, of: Floats, k: int) -> tuple[Positions, Floats]:
    """The k nearest controls at or above each treated score and the k below it: rows and distances, (treated, 2k).

    Of equal scores the earlier rows come first; where a side has fewer than k, the distance is infinite.
    """
    rows, distances = [], []
    for sign, side in ((1, "left"), (-1, "right")):
        order = np.argsort(sign * of, kind="stable")
        at = np.searchsorted(sign * of[order], sign * p, side=cast("Literal['left', 'right']", side))
        near = at[:, None] + np.arange(k)
        row = order[np.minimum(near, len(of) - 1)]
        rows.append(row)
        distances.append(np.where(near < len(of), np.abs(of[row] - p[:, None]), np.inf))
    return np.hstack(rows), np.hstack(distances)


def _greedy(p: Floats, of: Floats, k: int, limit: float) -> list[list[int]]:
    """Controls of each treated row, each control once: k rounds, in each the treated by descending score."""
    free = sorted(zip(of.tolist(), range(len(of)), strict=True))
    picks: list[list[int]] = [[] for _ in p]
    for _ in range(k):
        for i in np.argsort(-p, kind="stable"):
            at = bisect_left(free, (p[i], -1))
            below = bisect_left(free, (free[at - 1][0], -1)) if at > 0 else at
            near = min((abs(free[j][0] - p[i]), free[j][1], j) for j in {at, below} if j < len(free)) if free else None
            if near is not None and near[0] <= limit:
                picks[i].append(near[1])
                del free[near[2]]
    return picks


def _kernel_weights(p: Floats, of: Floats, kernel: Kernel, bandwidth: float) -> tuple[Flags, Floats]:
    """Which treated rows have controls within the bandwidth, and the weights of the controls."""
    if kernel == "gaussian":
        weights = np.zeros(len(of))
        for block in np.array_split(p, max(1, len(p) * len(of) // BLOCK)):
            u = ((block[:, None] - of) / bandwidth) ** 2 / 2
            mass = np.exp(u.min(axis=1, keepdims=True) - u)  # shifted: far from all controls K alone would vanish
            weights += (mass / mass.sum(axis=1, keepdims=True)).sum(axis=0)
        return np.ones(len(p), dtype=bool), weights
    low = of.min()  # scores in bandwidths
    u, v = (p - low) / bandwidth, (of - low) / bandwidth
    mass = _epanechnikov_sums(u, v, np.ones(len(v)))
    found = mass > KERNEL_EDGE
    return found, _epanechnikov_sums(v, u[found], 1 / mass[found])


def _epanechnikov_sums(at: Floats, of: Floats, mass: Floats) -> Floats:
    """Sum of mass times 1 - u squared over the points within 1 of each place.

    Places are taken relative to the integer below them, so that the running sums cancel without loss.
    """
    order = np.argsort(of, kind="stable")
    of, mass = of[order], mass[order].astype(np.longdouble)
    local = of - np.floor(of)
    running = np.zeros((len(of) + 1, 3), dtype=np.longdouble)
    np.cumsum(np.column_stack([mass, mass * local, mass * local**2]), axis=0, out=running[1:])
    first, last = np.searchsorted(of, at - 1, side="right"), np.searchsorted(of, at + 1, side="left")
    total = np.zeros(len(at), dtype=np.longdouble)
    for step in (-1, 0, 1):
        origin = np.floor(at) + step
        start, stop = (np.clip(np.searchsorted(of, edge), first, last) for edge in (origin, origin + 1))
        m0, m1, m2 = (running[stop] - running[start]).T
        d = at - origin
        total += m0 * (1 - d * d) + 2 * d * m1 - m2
    return np.where(last > first, np.maximum(total, 0), 0).astype(float)


def _balance(
    columns: Sequence[str], x: Floats, treated: Flags, weights: Floats
) -> dict[str, Sequence[object] | Floats]:
    """The columns of `MatchResult.balance`."""
    parts: list[list[Floats]] = []
    before = np.full(len(columns), np.nan)
    for w in (np.ones(len(x)), weights):
        (m1, v1, n1), (m0, v0, n0) = (_moments(x[g], w[g]) for g in (treated, ~treated))
        with np.errstate(divide="ignore", invalid="ignore"):  # of a single row, and of what does not vary
            pooled = (v1 * (n1 - 1) + v0 * (n0 - 1)) / (n1 + n0 - 2)
            t, ratio = (m1 - m0) / np.sqrt(pooled * (1 / n1 + 1 / n0)), v1 / v0
        if not parts:
            spread = np.sqrt((v1 + v0) / 2)
        bias = 100 * (m1 - m0) / spread
        reduction = 100 * (1 - np.abs(bias) / np.where(before == 0, np.nan, np.abs(before)))
        parts.append([m1, m0, bias, reduction, t, 2 * special.stdtr(n1 + n0 - 2, -np.abs(t)), ratio])
        before = bias
    names = ("mean_treated", "mean_control", "bias", "reduction", "t", "p_value", "variance_ratio")
    table = np.array(parts).transpose(1, 2, 0).reshape(len(names), -1)  # by covariate, in it by sample
    return {
        "covariate": [column for column in columns for _ in parts],
        "sample": ["unmatched", "matched"] * len(columns),
        **dict(zip(names, table, strict=True)),
    }


def _moments(values: Floats, weights: Floats) -> tuple[Floats, Floats, np.float64]:
    """Mean and variance of each column, and the sum of weights, the weights being frequencies."""
    total = weights.sum()
    mean = weights @ values / total
    variance = weights @ (values - mean) ** 2 / (total - 1 if total > 1 else np.nan)
    return mean, variance, total


# ---------------------------------------------------------------------------------------------------------------------
# difference-in-differences on matched rows


class MatchOptions(TypedDict, total=False):
    """Options of `match` that `psm_did` hands on."""

    method: Method
    k: int
    replace: bool
    caliper: float | None
    kernel: Kernel
    bandwidth: float
    support: Support
    ties: Ties


@dataclass(frozen=True, kw_only=True)
class PsmDidResult(EffectResult):
    """A two-way difference-in-differences on matched rows.

    Attributes
    ----------
    match_sizes : DataFrame
        Rows of the panel by period: ``time, treated, treated_matched, controls, controls_matched, skipped``, the last
        saying why a year was left out.
    balance : DataFrame
        `MatchResult.balance` of the rows that were matched; by year it has a column ``time``.
    uses_post_treatment : bool
        Whether covariates of treated periods went into the match, which then conditions on what treatment may have
        moved.
    regression : FixedEffectsResult
        The regression on the matched rows, with its controls.
    weights : DataFrame
        The matched rows: unit, time, ``weight``.
    """

    match_sizes: pd.DataFrame = field(repr=False)
    balance: pd.DataFrame = field(repr=False)
    uses_post_treatment: bool
    regression: FixedEffectsResult = field(repr=False)


def psm_did(
    df: pd.DataFrame,
    *,
    unit: str,
    time: str,
    outcome: str,
    covariates: Sequence[str],
    adoption: str | None = None,
    treat: str | None = None,
    start: float | None = None,
    controls: Sequence[str] = (),
    match_when: MatchWhen = "pre_mean",
    base_year: float | None = None,
    weighted: bool = True,
    link: Link = "logit",
    vcov: Vcov = "cluster",
    missing: Missing = "raise",
    **options: Unpack[MatchOptions],
) -> PsmDidResult:
    r"""Match treated units with others, then regress on policy, controls, unit and time effects.

    Parameters
    ----------
    df : DataFrame
        Long table, one row per (unit, time).
    unit, time, outcome : str
        Columns of the unit, the period (a number) and the outcome.
    covariates : sequence of str
        What the propensity score is made of.
    adoption : str, optional
        Column of the first treated period of each unit, missing for units never treated.
    treat, start : str and number, optional
        Instead of ``adoption``: a 0/1 column of units treated at some time, and the first period of treatment.
    controls : sequence of str
        Further regressors.
    match_when : {"pre_mean", "base_year", "pooled", "by_year"}
        Match units on their means before the first adoption, or on one year; or match rows, treated being all rows of
        units that are ever treated: all at once, or each calendar year by itself (Heyman, Sjöholm and Tingvall 2007;
        Böckerman and Ilmakunnas 2009). By year, a city's controls change from year to year and the matched rows are
        no panel of fixed units.
    base_year : number, optional
        Of ``match_when="base_year"``; by default the last period before the first adoption.
    weighted : bool
        Whether the regression weights the matched rows, or takes all of them alike. Without weights, a kernel with a
        bandwidth above 1 keeps every row on the common support and does nothing else.
    link : {"logit", "probit"}
        See `propensity`.
    vcov : str
        Of `regiometrics.estimate.fixed_effects.twfe`; clusters are the units. The matched rows and their weights are
        taken as given.
    missing : {"raise", "drop"}
        What to do with missing values.
    **options
        Options of `match`.

    Returns
    -------
    PsmDidResult
        The coefficient of the policy, in units of the outcome.

    Raises
    ------
    TreatmentPathError
        No unit is treated; and see `regiometrics.estimate.staggered.StaggeredDesign`.
    NoControlsError
        All units are treated, no common support, no control in reach; by year, in every year. A year in which this
        holds is left out, and listed.
    SeparationError, RankError, GroupSizeError
        See `propensity`; by year the message names the year.
    DomainError
        Both or neither of ``adoption`` and ``treat`` with ``start``, a base year without rows, or see `match`.
    KeyColumnError, MissingValueError
        See `regiometrics.panel.complete`.

    Notes
    -----
    The bootstrap is not offered: it fails for a fixed number of nearest neighbours (Abadie and Imbens 2008).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> df = pd.DataFrame([(c, t) for c in range(40) for t in range(2003, 2009)], columns=["city", "year"])
    >>> df["start"] = df["city"].map(dict.fromkeys(range(8), 2006))
    >>> df["size"] = np.r_[rng.normal(1, 1, 8), rng.normal(0, 1, 32)][df["city"]] + rng.normal(0, 0.1, len(df))
    >>> df["y"] = df["size"] + 0.5 * (df["year"] >= df["start"])
    >>> result = psm_did(df, unit="city", time="year", outcome="y", adoption="start", covariates=["size"],
    ...                  controls=["size"], method="kernel")
    >>> round(result.estimate, 6), result.uses_post_treatment
    (0.5, False)
    """
    require_choice("match_when", match_when, MatchWhen)
    if base_year is not None and match_when != "base_year":
        raise DomainError(f"match_when={match_when!r} has no use for base_year", remedy="leave base_year out")
    names, others = list(dict.fromkeys(covariates)), list(dict.fromkeys(controls))
    design, sample = _design(
        df, names, others, unit, time, outcome, adoption=adoption, treat=treat, start=start, missing=missing
    )
    panel = design.panel.assign(**{EVER: design.policy.groupby(design.panel[unit]).transform("max")})
    tables, by = _to_match(panel, names, unit, time, match_when, base_year)
    settings = {**cast("dict[str, Any]", match.__kwdefaults__), **options, "keys": tuple(by)}
    matches, skipped = _match_each(tables, names, link, settings)
    found = pd.concat([tables[t][by] for t in matches]).assign(
        **{
            STATUS: np.concatenate([m.status for m in matches.values()]),
            WEIGHT: np.concatenate([m.weights for m in matches.values()]),
        }
    )
    panel = panel.merge(found, on=by, how="left", validate="many_to_one")
    panel[STATUS] = panel[STATUS].fillna("year left out" if skipped else "no row to match on")
    kept = panel[WEIGHT] > 0
    fit = twfe(
        panel[kept],
        outcome=outcome,
        regressors=[POLICY, *others],
        unit=unit,
        time=time,
        vcov=vcov,
        weights=WEIGHT if weighted else None,
        level=LEVEL,
    )
    effect = fit.effect(POLICY)
    unmatched = _sample_of(panel, panel[STATUS].to_numpy(dtype=str), panel[EVER].to_numpy() == 1, [unit, time])
    parts = [m.balance for m in matches.values()]
    balance = pd.DataFrame({name: np.concatenate([part[name] for part in parts]) for name in parts[0]})
    if match_when == "by_year":
        balance.insert(0, "time", np.repeat(list(matches), 2 * len(names)))
    uses_post_treatment = any(bool((tables[t][POLICY] > 0).any()) for t in matches)
    return PsmDidResult(
        **{f.name: getattr(effect, f.name) for f in fields(EffectResult)}
        | {
            "sample": Sample(len(df), effect.n_obs, (*sample.dropped, *unmatched.dropped, *effect.sample.dropped)),
            "options": frozen_options(
                unit=unit,
                time=time,
                outcome=outcome,
                covariates=tuple(names),
                adoption=adoption,
                treat=treat,
                start=start,
                controls=tuple(others),
                match_when=match_when,
                base_year=base_year,
                weighted=weighted,
                link=link,
                vcov=vcov,
                missing=missing,
                level=LEVEL,
                match=frozen_options(treat=EVER, score="score", **settings),
            ),
            "estimator": "PSM-DID",
            "weights": panel.loc[kept, [unit, time, WEIGHT]].rename(columns={WEIGHT: "weight"}).reset_index(drop=True),
            "notes": (
                *effect.notes,
                *design.notes,
                *(f"{time} {t} left out: {problem}" for t, problem in skipped.items()),
                *(["covariates of treated periods went into the match"] if uses_post_treatment else []),
            ),
        },
        match_sizes=_match_sizes(panel, time, skipped),
        balance=balance,
        uses_post_treatment=uses_post_treatment,
        regression=fit,
    )


def _design(
    df: pd.DataFrame,
    covariates: Sequence[str],
    controls: Sequence[str],
    unit: str,
    time: str,
    outcome: str,
    *,
    adoption: str | None,
    treat: str | None,
    start: float | None,
    missing: Missing,
) -> tuple[StaggeredDesign, Sample]:
    """The staggered design of the complete rows, and the account of the incomplete ones."""
    if (adoption is None) == (treat is None) or (treat is None) != (start is None):
        raise DomainError(
            "treatment is described twice, or not wholly",
            remedy="pass adoption=, or treat= and start=",
        )
    values = named(outcome, *covariates, *controls, treat)
    require_columns(df, named(unit, time, *values, adoption))
    rows = df.reset_index(drop=True)
    used, sample = complete(rows, values, keys=[unit, time], missing=missing)
    rows = rows.loc[used.index].assign(**{c: used[c] for c in values})
    if treat is not None:
        adoption = ADOPTION
        rows[ADOPTION] = np.where(_treated(rows, treat, [unit, time]), cast("float", start), np.nan)
    design = StaggeredDesign(
        rows, unit=unit, time=time, outcome=outcome, adoption=cast("str", adoption), controls=controls
    )
    return design, sample


def _to_match(
    panel: pd.DataFrame, covariates: Sequence[str], unit: str, time: str, match_when: MatchWhen, base_year: float | None
) -> tuple[dict[object, pd.DataFrame], list[str]]:
    """The tables that are matched one by one, and the key columns of their rows."""
    if match_when == "pooled":
        return {None: panel}, [unit, time]
    if match_when == "by_year":
        return dict(iter(panel[named(unit, time, EVER, POLICY, *covariates)].groupby(time))), [unit, time]
    before = panel[panel[time] < panel.loc[panel[POLICY] == 1, time].min()]
    if match_when == "pre_mean":
        return {None: before.groupby(unit, sort=False)[[EVER, POLICY, *covariates]].mean().reset_index()}, [unit]
    year = before[time].max() if base_year is None else base_year
    if not (panel[time] == year).any():
        raise DomainError(f"no row has {time} {year}", column=time, remedy="name a period of the panel as base_year")
    return {None: panel[panel[time] == year]}, [unit]


@dataclass(frozen=True, slots=True)
class _Matched:
    """What is kept of the match of one table: weight and status of its rows, and the columns of its balance."""

    weights: Floats
    status: npt.NDArray[np.str_]
    balance: Mapping[str, Sequence[object] | Floats]


def _match_each(
    tables: Mapping[object, pd.DataFrame], covariates: Sequence[str], link: Link, settings: Mapping[str, Any]
) -> tuple[dict[object, _Matched], dict[object, str]]:
    """The match of each table as `propensity` and `match` find it, and why those without controls have none.

    The rows are complete and their keys unique, so that nothing of it is checked again.
    """
    _require_model(link, covariates)
    matches: dict[object, _Matched] = {}
    skipped: dict[object, str] = {}
    for t, table in tables.items():
        try:
            treated, x = _treated(table, EVER, settings["keys"]), table[list(covariates)].to_numpy(dtype=float)
            score = _propensity_fit(treated, x, covariates, link).score
            weights, status, _ = _weigh(table, score, treated, **settings)
            matches[t] = _Matched(weights, status, _balance(covariates, x, treated, weights))
        except NoControlsError as error:
            if len(tables) == 1:
                raise
            skipped[t] = error.problem
        except (SeparationError, RankError, GroupSizeError) as error:
            if len(tables) == 1:
                raise
            raise type(error)(f"in {t}: {error.problem}", column=error.column, keys=[t], remedy=error.remedy) from error
    if not matches:
        raise NoControlsError(
            f"no year can be matched; the first says: {next(iter(skipped.values()))}",
            n_rows=sum(map(len, tables.values())),
            keys=skipped,
            remedy="use fewer covariates, or match units instead of rows",
        )
    return matches, skipped


def _match_sizes(panel: pd.DataFrame, time: str, skipped: Mapping[object, str]) -> pd.DataFrame:
    treated, matched = panel[EVER] == 1, panel[WEIGHT] > 0
    flags = {
        "treated": treated,
        "treated_matched": treated & matched,
        "controls": ~treated,
        "controls_matched": ~treated & matched,
    }
    sizes = pd.DataFrame(flags).groupby(panel[time].to_numpy()).sum().rename_axis("time").reset_index()
    return sizes.assign(skipped=[skipped.get(t, "") for t in sizes["time"]])


# ---------------------------------------------------------------------------------------------------------------------
# the two-by-two table


@dataclass(frozen=True, kw_only=True)
class Did2x2Result(Estimate):
    """Means of two groups before and after, and their differences.

    Attributes
    ----------
    cells : DataFrame
        See `to_frame`.
    effect : EffectResult
        The double difference.
    sample, options
        See `Estimate`.
    """

    cells: pd.DataFrame = field(repr=False)
    effect: EffectResult

    def to_frame(self) -> pd.DataFrame:
        """One row per number: ``quantity, estimate, std_error, statistic, p_value, low, high, n_obs``.

        Quantities, in the order in which Stata's ``diff`` prints them: ``pre_control, pre_treated, pre_difference,
        post_control, post_treated, post_difference, did``.
        """
        return self.cells.copy()


def did_2x2(
    df: pd.DataFrame,
    *,
    outcome: str,
    treat: str,
    post: str,
    weights: str | None = None,
    vcov: CellErrors = "cluster",
    cluster: str | None = None,
    missing: Missing = "raise",
) -> Did2x2Result:
    r"""Compare two groups before and after, by weighted means.

    Parameters
    ----------
    df : DataFrame
        Long table.
    outcome : str
        Outcome.
    treat, post : str
        Columns of 0 and 1: the treated group, the periods of treatment.
    weights : str, optional
        Analytic weights, such as those of a match; rows of weight zero are left out and listed.
    vcov : {"cluster", "iid"}
        Standard errors of the regression of the outcome on the four cells: CRV1 with the factor
        G/(G - 1) (n - 1)/(n - 4), or of independent errors of one variance, as Stata's ``diff`` prints.
    cluster : str, optional
        Column of the clusters, usually the unit.
    missing : {"raise", "drop"}
        What to do with missing values.

    Returns
    -------
    Did2x2Result

    Raises
    ------
    NoControlsError
        All rows are treated, or none.
    GroupSizeError
        A cell is empty, no degree of freedom is left, or a single cluster.
    DomainError
        ``treat`` or ``post`` is not 0 or 1, a weight is negative, no cluster column for clustered errors.
    KeyColumnError, MissingValueError
        See `regiometrics.panel.complete`.

    Notes
    -----
    The double difference is the interaction's coefficient in the regression of the outcome on treat, post and their
    product. With independent errors and without weights its standard error is :math:`s\sqrt{\sum 1/n_{cell}}`.

    Examples
    --------
    >>> df = pd.DataFrame({"city": list("aabbccdd"), "treated": [0, 0, 0, 0, 1, 1, 1, 1], "post": [0, 1] * 4,
    ...                    "y": [1.0, 2, 3, 4, 2, 6, 4, 7]})
    >>> table = did_2x2(df, outcome="y", treat="treated", post="post", cluster="city")
    >>> table.to_frame()["estimate"].tolist()
    [2.0, 3.0, 1.0, 3.0, 6.5, 3.5, 2.5]
    """
    require_choice("vcov", vcov, CellErrors)
    if (cluster is None) == (vcov == "cluster"):
        raise DomainError(
            "clustered errors need a cluster column" if cluster is None else f"vcov={vcov!r} has no use for cluster",
            remedy="pass cluster=, usually the column of the unit, or vcov='iid'",
        )
    keys = named(cluster)
    require_columns(df, named(outcome, treat, post, weights, cluster))
    used, sample = complete(df, named(outcome, treat, post, weights), keys=keys, missing=missing, unique=False)
    mass = np.ones(len(used)) if weights is None else used[weights].to_numpy(dtype=float)
    if weights is not None:
        refuse(
            DomainError,
            "weights may not be negative",
            rows=mass < 0,
            of=used,
            keys=keys,
            column=weights,
            remedy="correct them",
        )
    if (mass == 0).any():
        gone = (f"weight {weights!r} is zero", tuple(keys_of(used, mass == 0, keys)))
        used, mass = used[mass > 0], mass[mass > 0]
        sample = Sample(sample.rows_in, len(used), (*sample.dropped, gone))
    cell = 2 * _flag(used, post, keys) + _treated(used, treat, keys)
    n_cell, y, n = np.bincount(cell, minlength=4), used[outcome].to_numpy(dtype=float), len(used)
    if (n_cell == 0).any() or n <= 4:
        names = [name for name, size in zip(np.array(CELLS)[[0, 1, 3, 4]], n_cell, strict=True) if size == 0]
        raise GroupSizeError(
            f"no row in {', '.join(names)}" if names else "four rows for four means leave no degree of freedom",
            remedy=f"check {treat!r} and {post!r}, or add rows",
        )
    total = np.bincount(cell, mass)
    means = np.bincount(cell, mass * y) / total
    residual = y - means[cell]
    if cluster is None:
        covariance = np.diag(mass @ residual**2 / (n - 4) / total)
        df_t, n_clusters = n - 4, 0
    else:
        codes, labels = pd.factorize(used[cluster])
        n_clusters = len(labels)
        if n_clusters < 2:
            raise GroupSizeError("clustered errors need two clusters", column=cluster, remedy="pass vcov='iid'")
        scores = np.zeros((n_clusters, 4))
        np.add.at(scores, (codes, cell), mass * residual / total[cell])
        covariance = n_clusters / (n_clusters - 1) * (n - 1) / (n - 4) * scores.T @ scores
        df_t = n_clusters - 1
    estimate, error = CONTRASTS @ means, np.sqrt(np.diag(CONTRASTS @ covariance @ CONTRASTS.T))
    p_value, low, high = t_inference(estimate, error, df=df_t, level=LEVEL)
    cells = pd.DataFrame(
        {
            "quantity": CELLS,
            "estimate": estimate,
            "std_error": error,
            "statistic": estimate / np.where(error > 0, error, np.nan),
            "p_value": p_value,
            "low": low,
            "high": high,
            "n_obs": np.abs(CONTRASTS).astype(int) @ n_cell,
        }
    )
    options = frozen_options(
        outcome=outcome,
        treat=treat,
        post=post,
        weights=weights,
        vcov=vcov,
        cluster=cluster,
        missing=missing,
        level=LEVEL,
    )
    did = cells.iloc[-1]
    return Did2x2Result(
        sample=sample,
        options=options,
        cells=cells,
        effect=EffectResult(
            sample=sample,
            options=options,
            estimator="2x2 DID",
            estimate=float(did["estimate"]),
            std_error=float(did["std_error"]),
            p_value=float(did["p_value"]),
            low=float(did["low"]),
            high=float(did["high"]),
            level=LEVEL,
            n_obs=n,
            n_units=n_clusters or n,
            n_clusters=n_clusters,
        ),
    )
