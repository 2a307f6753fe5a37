"""Rules that printed numbers must obey whatever the data: identities, bounds, contrasts, trends, column headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
from scipy import special

from regiometrics.errors import DomainError, GroupSizeError
from regiometrics.report.audits.rounded import Check, Printed, Rounded, Verdict, at_most, equal

Direction = Literal["rises", "falls"]

STARS = ("", "*", "**", "***")
STAR_LEVELS = (0.10, 0.05, 0.01)


def stars(
    coef: Printed | None,
    spread: Printed,
    printed: str,
    *,
    spread_kind: Literal["std_error", "t_value"] = "std_error",
    df: int | None = None,
) -> Check:
    """Stars that a coefficient and its printed spread earn: one at 10 %, two at 5 %, three at 1 %, two-sided.

    Parameters
    ----------
    coef : printed number, or None beside a t value
        The coefficient.
    spread : printed number
        Its standard error, or its t value.
    printed : str
        The stars as printed.
    spread_kind : {"std_error", "t_value"}
        What ``spread`` is.
    df : int, optional
        Degrees of freedom of Student's t; the normal distribution when left out.

    Returns
    -------
    Check
        "not determined" where the standard error is zero up to rounding.

    Raises
    ------
    DomainError
        Stars other than the four, an unknown ``spread_kind``, no coefficient beside a standard error, or a number
        without its printed decimals.

    Examples
    --------
    >>> check = stars("0.194", "0.090", "***")
    >>> check.expected, check.verdict, check.meaning
    ('**', 'inconsistent', '|t| is 2.156 (2.138 to 2.173)')
    """
    if printed not in STARS or spread_kind not in ("std_error", "t_value") or (coef is None and spread_kind[0] == "s"):
        raise DomainError(
            f"stars {printed!r} with coefficient {coef!r} and spread_kind {spread_kind!r} cannot be judged",
            remedy="pass '', '*', '**' or '***', and either a coefficient with its standard error or a t value",
        )
    t = Rounded.of(spread)
    if spread_kind == "std_error" and coef is not None:
        if t.low <= 0:
            return Check("", printed, "not determined", "the standard error is zero up to rounding")
        t = Rounded.of(coef) / t
    t = abs(t)
    freedom = np.inf if df is None else df
    critical = [Decimal(float(-special.stdtrit(freedom, level / 2))) for level in STAR_LEVELS]
    earned, fewest, most = (sum(x >= c for c in critical) for x in (t.value, t.low, t.high))
    count = len(printed)
    verdict: Verdict = "consistent" if count == earned else "rounding" if fewest <= count <= most else "inconsistent"
    return Check(STARS[earned], printed, verdict, f"|t| is {t.show(3)}")


def moments(
    mean: Printed, sd: Printed, minimum: Printed, maximum: Printed, *, ddof: int = 0, n: int | None = None
) -> Check:
    r"""Whether a standard deviation fits its mean and range: :math:`s^2 \le (M-\bar y)(\bar y-m)`.

    Parameters
    ----------
    mean, sd, minimum, maximum : printed numbers
        A row of a table of descriptive statistics.
    ddof : {0, 1}
        1 where the deviation divides by n - 1; the bound on its square is then n/(n - 1) times as high.
    n : int, optional
        Observations; needed with ``ddof=1``.

    Raises
    ------
    DomainError
        ``ddof=1`` without ``n``.
    GroupSizeError
        ``n`` below 2.

    Notes
    -----
    Bhatia and Davis (2000); equality where all observations sit at the two ends.

    Examples
    --------
    >>> check = moments("12.607", "20.170", "4.543", "20.245")
    >>> check.expected, check.verdict
    ('≤ 7.8481 (7.8471 to 7.8491)', 'inconsistent')
    """
    low, mu, high = Rounded.of(minimum), Rounded.of(mean), Rounded.of(maximum)
    if (mu - low).high < 0 or (high - mu).high < 0:
        return Check(
            f"mean between {minimum} and {maximum}", f"{mean}", "inconsistent", "the mean lies outside the range"
        )
    if ddof == 1 and n is None:
        raise DomainError("the bound for a sample deviation depends on n", remedy="pass n, or ddof=0")
    bound = ((high - mu) * (mu - low) / _share_of_variance(ddof, n)).sqrt()
    return at_most(sd, bound, "no observations within the printed range have this mean and this standard deviation")


def indicator(mean: Printed, sd: Printed, n: int) -> Check:
    r"""Whether mean and standard deviation of a 0/1 variable agree: :math:`s^2 = \bar d(1-\bar d)\,n/(n-1)`.

    Parameters
    ----------
    mean, sd : printed numbers
        Of a variable with the values 0 and 1; the deviation divides by n - 1.
    n : int
        Observations.

    Raises
    ------
    GroupSizeError
        ``n`` below 2.

    Examples
    --------
    >>> check = indicator("0.25", "0.50", n=4)
    >>> check.expected, check.verdict
    ('0.500 (0.493 to 0.507)', 'consistent')
    """
    d = Rounded.of(mean)
    meaning = "no variable with the values 0 and 1 has this mean and this standard deviation"
    return equal((d * (1 - d) / _share_of_variance(1, n)).sqrt(), sd, meaning)


def gini_cv(gini: Printed, cv: Printed, *, ddof: int = 0, n: int | None = None) -> Check:
    r"""Whether a Gini coefficient and a coefficient of variation can share a distribution: :math:`G \le CV/\sqrt3`.

    Parameters
    ----------
    gini, cv : printed numbers
        Of the same values with equal weights, the Gini coefficient as mean difference over all :math:`n^2` pairs.
    ddof : {0, 1}
        1 where the coefficient of variation divides by n - 1.
    n : int, optional
        Number of values; makes the bound sharp.

    Raises
    ------
    GroupSizeError
        ``n`` below 2.

    Notes
    -----
    Glasser (1962): for any distribution with a positive mean and a finite variance, negative values included, with
    equality for the uniform distribution. For n values :math:`G=\sum_i(2i-n-1)(y_{(i)}-\mu)/(n^2\mu)`, and
    Cauchy-Schwarz with :math:`\sum_i(2i-n-1)^2=n(n^2-1)/3` gives the sharp bound :math:`G \le CV\sqrt{(n^2-1)/(3n^2)}`,
    attained by equal steps. The CV of the population is that of the sample times :math:`\sqrt{(n-1)/n}`; without ``n``
    this factor is replaced by 1, which keeps the bound true and makes it a little wide.

    Examples
    --------
    >>> gini_cv("0.073", "0.130").verdict
    'consistent'
    >>> gini_cv("0.073", "0.096").expected
    '≤ 0.0554 (0.0551 to 0.0557)'
    """
    square = Decimal(1) / 3
    if n is not None:
        square *= _share_of_variance(ddof, n) * (n * n - 1) / (n * n)
    bound = Rounded.of(cv) * square.sqrt()
    return at_most(gini, bound, "no distribution with this coefficient of variation has so large a Gini coefficient")


def indirect(a: Printed, b: Printed, c: Printed, c_prime: Printed) -> Check:
    """Whether a total effect is the direct plus the indirect one: c = c' + ab.

    Holds exactly for least squares with the same controls on the same observations, a the effect on the mediator,
    b the mediator's effect on the outcome.

    Examples
    --------
    >>> check = indirect(a="0.5", b="0.4", c="0.9", c_prime="0.7")
    >>> check.expected, check.verdict
    ('0.90 (0.81 to 1.00)', 'consistent')
    """
    meaning = "the three equations do not share their sample and controls, or a coefficient is not as estimated"
    return equal(Rounded.of(c_prime) + Rounded.of(a) * Rounded.of(b), c, meaning)


def sobel(t_a: Printed | Rounded, t_b: Printed | Rounded) -> Rounded:
    r"""First-order z of an indirect effect ab from two t values: :math:`t_a t_b/\sqrt{t_a^2+t_b^2}`, without its sign.

    The delta method (Sobel 1982), the two estimates taken to be independent; z is below the smaller of the two t
    values. A bootstrap interval need not agree with it, since the product of two normal estimates is not normal.

    Raises
    ------
    DomainError
        A t value that is zero up to rounding.

    Examples
    --------
    >>> sobel("4.75", "1.13").show(2)
    '1.10 (1.09 to 1.10)'
    """
    a, b = abs(Rounded.of(t_a)), abs(Rounded.of(t_b))
    return 1 / (1 / (a * a) + 1 / (b * b)).sqrt()


def mixing_share(whole: Printed | Rounded, first: Printed | Rounded, second: Printed | Rounded) -> Rounded:
    r"""Share of the first of two groups in a whole, from their means: :math:`(\bar y-\bar y_2)/(\bar y_1-\bar y_2)`.

    Monotone in each mean, so the ends of its interval lie at corners of the box that rounding leaves: it is exact.

    Raises
    ------
    DomainError
        The means of the two groups may be equal.

    Examples
    --------
    >>> mixing_share("0.281", "0.259", "0.326").show(3)
    '0.672 (0.657 to 0.687)'
    """
    y, a, b = (Rounded.of(x) for x in (whole, first, second))
    if (a - b).low <= 0 <= (a - b).high:
        raise DomainError(f"the means {a.value} and {b.value} may be equal", remedy="such a share is not determined")
    corners = [(v - y2) / (y1 - y2) for v, y1, y2 in product(*((x.low, x.high) for x in (y, a, b)))]
    return Rounded((y.value - b.value) / (a.value - b.value), min(corners), max(corners))


def whole_numbers(interval: Rounded) -> list[int]:
    """Whole numbers in an interval.

    Examples
    --------
    >>> whole_numbers(99 * Rounded.of("0.677"))
    [67]
    """
    low, high = interval.low.to_integral_value(ROUND_CEILING), interval.high.to_integral_value(ROUND_FLOOR)
    return list(range(int(low), int(high) + 1))


def intercept(
    mean: Printed | Rounded, slopes: Iterable[tuple[Printed | Rounded, Printed | Rounded]], printed: Printed
) -> Check:
    r"""Whether a constant is the one of least squares: :math:`a = \bar y - \sum_k b_k \bar x_k`.

    Holds for least squares with a constant, and for the constant that a regression with absorbed effects reports
    when it adds the overall means back to the demeaned variables.

    Parameters
    ----------
    mean : printed number
        Of the outcome, over the observations of the regression.
    slopes : iterable of (coefficient, mean)
        The other regressors.
    printed : printed number
        The constant.

    Examples
    --------
    >>> check = intercept("0.5431", [("-0.0373", "0.0604")], "0.545")
    >>> check.expected, check.verdict
    ('0.5454 (0.5453 to 0.5454)', 'consistent')
    """
    explained = sum((Rounded.of(b) * Rounded.of(x) for b, x in slopes), Rounded.exact(0))
    meaning = (
        "the constant, the coefficients and the means do not stem from one least-squares fit with added-back means"
    )
    return equal(Rounded.of(mean) - explained, printed, meaning)


def added_regressor(
    r2_without: Printed | Rounded,
    r2_with: Printed | Rounded,
    coef: Printed | Rounded,
    std_error: Printed | Rounded,
    *,
    df: int,
) -> Check:
    r"""Whether a standard error is the classical one: :math:`t^2 = df\,(R_1^2-R_0^2)/(1-R_1^2)` for an added regressor.

    An identity for the error under independent disturbances of equal variance; an error robust to unequal variances
    or to dependence need not obey it.

    Parameters
    ----------
    r2_without, r2_with : printed numbers
        R squared, not adjusted, of two regressions on the same observations, the second with one regressor more.
    coef, std_error : printed numbers
        Of the added regressor.
    df : int
        Residual degrees of freedom of the second regression, absorbed effects counted.

    Returns
    -------
    Check
        ``expected`` and ``printed`` are the absolute t value; "not determined" where the error or 1 - R squared is
        zero up to rounding.

    Examples
    --------
    >>> check = added_regressor("0.8900", "0.8920", "-0.0531", "0.0214", df=5183)
    >>> check.expected, check.printed, check.verdict
    ('9.80 (9.55 to 10.04)', '2.48', 'inconsistent')
    """
    without, full, b, se = (Rounded.of(x) for x in (r2_without, r2_with, coef, std_error))
    if se.low <= 0 or full.high >= 1:
        return Check("", f"{b.value} ({se.value})", "not determined", "a divisor is zero up to rounding")
    t = abs(b / se)
    classical = (df * (full - without) / (1 - full)).sqrt()
    check = equal(classical, t, "not the error of independent disturbances of equal variance")
    return Check(classical.show(2), f"{t.value:.2f}", check.verdict, check.meaning)


def contrast(a: Printed | Rounded, se_a: Printed | Rounded, b: Printed | Rounded, se_b: Printed | Rounded) -> Check:
    r"""Whether two estimates from separate samples differ: :math:`z=(a-b)/\sqrt{s_a^2+s_b^2}` at 5 %, two-sided.

    That one estimate carries stars and the other none does not say that they differ (Gelman and Stern 2006).

    Parameters
    ----------
    a, se_a, b, se_b : printed numbers
        The estimates and their standard errors; the two are taken to be independent.

    Returns
    -------
    Check
        "consistent" with a difference where z is beyond the critical value, "rounding" where it may be,
        "not determined" otherwise: no sign of a difference is no sign of equality.

    Examples
    --------
    >>> check = contrast("-0.0289", "0.0081", "-0.0050", "0.0106")
    >>> check.printed, check.verdict
    ('|z| = 1.79', 'not determined')
    """
    first, second = Rounded.of(se_a), Rounded.of(se_b)
    difference, error = Rounded.of(a) - Rounded.of(b), (first * first + second * second).sqrt()
    if first.low <= 0 or second.low <= 0:
        meaning = "a standard error is zero up to rounding"
        return Check("", f"difference {difference.value:+}", "not determined", meaning)
    z = abs(difference / error)
    critical = Decimal(float(-special.ndtri(0.025)))
    verdict: Verdict = "consistent" if z.value >= critical else "rounding" if z.high >= critical else "not determined"
    shown = f"the difference is {difference.value:+} with error {error.value:.4f}, |z| is {z.show(2)}"
    open_ = "; the printed errors leave open whether the two differ" * (verdict == "not determined")
    return Check(f"|z| ≥ {critical:.2f}", f"|z| = {z.value:.2f}", verdict, shown + open_)


def counts(parts: Iterable[Printed], total: Printed) -> Check:
    """Whether parts sum to their total; integers are counts and exact, numbers with decimals carry their rounding.

    Examples
    --------
    >>> counts([99, 98], 196)
    Check(expected='197', printed='196', verdict='inconsistent', meaning='the parts do not sum to the total')
    >>> counts(["0.014", "0.069", "0.041"], "0.123").verdict
    'rounding'
    """
    whole, *rest = (Rounded.exact(x) if _is_integer(x) else Rounded.of(x) for x in (total, *parts))
    return equal(sum(rest, Rounded.exact(0)), whole, "the parts do not sum to the total")


def trend(values: Sequence[Printed | Rounded], says: Direction) -> Check:
    """A sentence on the direction of an evenly spaced series against its ends and its least-squares slope.

    Returns
    -------
    Check
        "consistent" where both go the way of the sentence, "inconsistent" where both go the other way,
        "not determined" where they part or rounding leaves one of them open.

    Examples
    --------
    >>> check = trend(["0.095", "0.120", "0.060", "0.109"], says="falls")
    >>> check.expected, check.verdict
    ('end to end +0.0140, slope -0.0018', 'not determined')
    """
    series = [Rounded.of(value) for value in values]
    if len(series) < 2:
        raise GroupSizeError("a trend needs two values", n_rows=len(series), remedy="pass the whole series")
    change, slope = series[-1] - series[0], ols_slope(series)
    ways = {"rises" if x.low > 0 else "falls" if x.high < 0 else "flat" for x in (change, slope)}
    verdict: Verdict = "not determined"
    if len(ways) == 1 and "flat" not in ways:
        verdict = "consistent" if says in ways else "inconsistent"
    meaning = {
        "not determined": "the ends and the slope of the printed series point different ways, or neither way",
        "inconsistent": "both the ends and the slope of the printed series point the other way",
    }
    shown = f"end to end {change.value:+.4f}, slope {slope.value:+.4f}"
    return Check(shown, says, verdict, meaning.get(verdict, ""))


def ols_slope(series: Sequence[Rounded]) -> Rounded:
    """Least-squares slope on 0, 1, 2, ...; each value enters once, so the interval is exact."""
    steps = [Decimal(2 * i - len(series) + 1) / 2 for i in range(len(series))]
    return sum((t * y for t, y in zip(steps, series, strict=True)), Rounded.exact(0)) / sum(t * t for t in steps)


def match_headers(
    printed: pd.DataFrame, reference: pd.DataFrame, *, by: Literal["level", "correlation"] = "level"
) -> pd.DataFrame:
    """Which reference column each printed column follows, whatever its header says.

    Parameters
    ----------
    printed : DataFrame, shape (T, k)
        Columns under the headers as printed.
    reference : DataFrame, shape (T, m), m >= k
        Columns whose headers are trusted, with the same index in any order.
    by : {"level", "correlation"}
        Distance of two columns: mean absolute difference, or one minus their correlation.

    Returns
    -------
    DataFrame
        A row per printed column: ``column``, ``assigned`` (no reference column twice, smallest sum of distances),
        ``distance`` to the assigned column, ``distance_as_headed`` (missing where the reference has no such header).

    Raises
    ------
    DomainError
        Rows or columns that do not fit, missing values, or a constant column where a correlation is asked for.

    Examples
    --------
    >>> reference = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [5.0, 4.0, 6.0]})
    >>> match_headers(reference.rename(columns={"a": "b", "b": "a"}), reference)
      column assigned  distance  distance_as_headed
    0      b        a       0.0                 3.0
    1      a        b       0.0                 3.0
    """
    from scipy.optimize import linear_sum_assignment  # long to import, and needed here alone

    if set(printed.index) != set(reference.index) or len(printed.columns) > len(reference.columns):
        raise DomainError(
            "the two tables do not have the same rows, or the reference has too few columns",
            remedy="give both tables the same index and the reference a column for each printed one",
        )
    x = printed.to_numpy(dtype=float).T
    y = reference.loc[printed.index].to_numpy(dtype=float).T
    if by == "correlation":
        if (np.ptp(x, axis=1) == 0).any() or (np.ptp(y, axis=1) == 0).any():
            raise DomainError("a constant column has no correlation", remedy="use by='level'")
        distance = 1 - np.corrcoef(x, y)[: len(x), len(x) :]
    else:
        distance = np.abs(x[:, None] - y).mean(axis=2)
    if not np.isfinite(distance).all():
        raise DomainError("missing or infinite values", remedy="compare the rows that both tables have")
    rows, columns = linear_sum_assignment(distance)
    as_headed = pd.DataFrame(distance, index=printed.columns, columns=reference.columns)
    return pd.DataFrame(
        {
            "column": printed.columns[rows],
            "assigned": reference.columns[columns],
            "distance": distance[rows, columns],
            "distance_as_headed": [as_headed.get(c, pd.Series(dtype=float)).get(c, np.nan) for c in printed.columns],
        }
    )


def _share_of_variance(ddof: int, n: int | None) -> Decimal:
    """Variance of the population over the one that divides by n - ddof."""
    if n is None:
        return Decimal(1)
    if n < 2:
        raise GroupSizeError("a spread needs two values", n_rows=n, remedy="leave groups of one out")
    return Decimal(n - ddof) / n


def _is_integer(number: Printed) -> bool:
    return Rounded.exact(number).value.as_tuple().exponent == 0
