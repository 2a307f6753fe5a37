"""How a treatment works: its effect on a moderator, and its effect on the outcome by the moderator's level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from regiometrics.estimate.fixed_effects import FixedEffectsResult, Vcov, estimation_sample, twfe
from regiometrics.panel import Missing, named
from regiometrics.result import Estimate, frozen_options, t_inference


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
