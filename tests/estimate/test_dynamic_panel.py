"""Dynamic panels: printed results on EmplUK, the plain definition unit by unit, identities, Monte Carlo, bad input."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from regiometrics.data.files import data_file
from regiometrics.errors import (
    DomainError,
    GroupSizeError,
    KeyColumnError,
    MissingValueError,
    RankError,
    UnbalancedPanelError,
)
from regiometrics.estimate import dynamic_panel as module
from regiometrics.estimate.dynamic_panel import DynamicPanelResult, GmmSpec, dynamic_panel
from regiometrics.estimate.fixed_effects import twfe

FIRMS = {"unit": "firm", "time": "year", "outcome": "n"}
CITIES = {"unit": "city", "time": "year", "outcome": "y"}
ENDOGENOUS = GmmSpec(lags=(2, None), collapse=False)
PREDETERMINED = GmmSpec(lags=(1, None), collapse=False)


@pytest.fixture(scope="module")
def empluk() -> pd.DataFrame:
    """The table with logs in single precision, as Stata holds them; in double, results differ in the seventh digit."""
    logs = ["n", "w", "k", "ys"]
    df = pd.read_csv(data_file("reference", "empluk.csv"), dtype=dict.fromkeys(logs, np.float32))
    return df.astype(dict.fromkeys(logs, float))


def simulated(
    seed: int | np.random.Generator, cities: int = 135, years: int = 10, rho: float = 0.235, beta: float = 0.158
) -> pd.DataFrame:
    """Stationary panel with unit and time effects; x is endogenous and correlated with the unit effects."""
    rng = np.random.default_rng(seed)
    burn = 30
    effect, shock = rng.normal(scale=0.3, size=cities), rng.normal(scale=0.2, size=(burn + years, cities))
    own = rng.normal(scale=0.3, size=(burn + years, cities))
    period = rng.normal(scale=0.1, size=burn + years)
    y, x = np.zeros((burn + years, cities)), np.zeros((burn + years, cities))
    for t in range(1, burn + years):
        x[t] = 0.6 * x[t - 1] + 0.3 * effect + 0.5 * shock[t] + own[t]
        y[t] = rho * y[t - 1] + beta * x[t] + effect + period[t] + shock[t]
    index = {"city": np.tile(np.arange(cities), years), "year": np.repeat(np.arange(2008, 2008 + years), cities)}
    return pd.DataFrame({**index, "y": y[burn:].ravel(), "x": x[burn:].ravel()})


def ragged(seed: int, cities: int = 25, years: int = 7, holes: bool = False) -> pd.DataFrame:
    """A small panel whose cities begin and end at different years, with a second regressor; rows shuffled."""
    rng = np.random.default_rng(seed)
    df = simulated(rng, cities, years, rho=0.5, beta=0.4)
    df["z"] = rng.normal(size=len(df)) + 0.5 * df["x"]
    df["y"] += 0.3 * df["z"]
    first, last = rng.integers(0, 3, size=cities), rng.integers(0, 3, size=cities)
    place = df["year"] - 2008
    keep = (place >= first[df["city"]]) & (place < years - last[df["city"]])
    if holes:
        keep &= rng.random(len(df)) > 0.08
    return df[keep].sample(frac=1, random_state=seed).set_axis([3] * int(keep.sum()))


def assert_printed(values: object, printed: str, *, units: float = 0.6) -> None:
    """Each value rounds to the printed one, or differs from it by some units of its last digit."""
    numbers = printed.split()
    assert len(np.atleast_1d(values)) == len(numbers)
    for value, text in zip(np.atleast_1d(values), numbers, strict=True):
        unit = float(Decimal(1).scaleb(int(Decimal(text).as_tuple().exponent)))
        assert abs(value - float(text)) < units * unit, (value, text)


# ---------------------------------------------------------------------------------------------------------------------
# printed results


def spec_c(df: pd.DataFrame, **options) -> DynamicPanelResult:
    """``xtabond2 n L.n w k, gmm(L.n) iv(w k) twostep robust``."""
    settings = {"regressors": ["w", "k"], "gmm": {"L1.n": PREDETERMINED}, "iv": ["w", "k"], "time_effects": False}
    return dynamic_panel(df, **FIRMS, **(settings | options))


def test_system_gmm_equals_xtabond2(empluk):
    """A run of Stata 18; the difference-in-Hansen test is statspai's 1.40."""
    result = spec_c(empluk)
    assert list(result.estimate.index) == ["L1.n", "w", "k", "constant"]
    assert_printed(result.estimate, ".646735 -.245691 .283419 1.229784")
    assert_printed(result.std_error, ".084255 .091227 .062642 .338518")
    assert (result.n_instruments, result.n_groups, result.n_obs) == (38, 140, 891)
    assert_printed(result.hansen[:2], "61.4664 .002679")
    assert_printed([result.ar1.statistic, result.ar2.statistic], "-2.22093 -.53892")
    assert result.hansen.df == result.sargan.df == 34
    assert_printed(result.sargan.statistic, "207.883")
    assert_printed(result.diff_hansen[:2], "5.3158 .6215")
    assert result.diff_hansen.df == 7
    assert result.notes == ()


def test_system_gmm_of_plm_has_no_constant_and_instruments_of_each_equation_apart():
    """What two-step ``pgmm`` of R's plm gives for the same equation, from logs in double.

    The moments are those of xtabond2 but for the constant, and for w and k, which are an instrument in each equation
    in place of one in both; this alone turns the sign of w.
    """
    df = pd.read_csv(data_file("reference", "empluk.csv"))
    levels = spec_c(df)._levels
    panel = module._Panel.of(df, unit="firm", time="year", gaps="raise")
    lagged = {"L1.n": panel.spread(df["n"].to_numpy(), 1)}
    stacked = module._Stacked.of(levels, lagged, {"L1.n": PREDETERMINED}, system=True, transform="fd", effects=False)
    internal, exogenous = stacked.z[:, :, :-3], stacked.z[:, :, -3:-1]
    in_level = (np.arange(stacked.z.shape[1]) >= levels.mask.shape[1] - 1)[:, None]
    z = np.concatenate([internal, exogenous * ~in_level, exogenous * in_level], axis=2)
    columns = np.delete(stacked.columns, stacked.terms.index("constant"), axis=2)
    terms = stacked.terms[:-1]
    apart = replace(stacked, z=z, columns=columns, terms=terms, products=z.transpose(0, 2, 1) @ columns)
    first = module._Fit.of(apart.products, np.linalg.pinv(apart.gram()), terms)
    second = module._Fit.of(apart.products, np.linalg.pinv(first.moments.T @ first.moments), terms)
    assert apart.n_instruments == 39
    assert_printed(second.coefficients, ".737963 .103172 .215976")
    assert_printed(second.criterion, "69.875")


def test_the_lag_and_the_outcome_name_the_same_instruments(empluk):
    by_outcome = spec_c(empluk, gmm={"n": ENDOGENOUS})
    pd.testing.assert_frame_equal(by_outcome.to_frame(), spec_c(empluk).to_frame(), rtol=1e-9)


def test_difference_gmm_equals_arellano_and_bond(empluk):
    """Table 4, column b, two-step: R's plm, pydynpd and statspai, with Windmeijer's errors.

    Logs are in single precision here and in double there, which moves the sixth digit.
    """
    right = ["w", "L1.w", "k", "ys", "L1.ys"]
    options = {"lags": 2, "regressors": right, "gmm": {"n": ENDOGENOUS}, "iv": right, "system": False}
    result = dynamic_panel(empluk, **FIRMS, **options)
    estimate = [0.474151, -0.052968, -0.513205, 0.224640, 0.292723, 0.609775, -0.446373]
    error = [0.185399, 0.051749, 0.145565, 0.141950, 0.062627, 0.156263, 0.217303]
    assert result.estimate[:7].to_numpy() == pytest.approx(estimate, abs=2e-6)
    assert result.std_error[:7].to_numpy() == pytest.approx(error, abs=2e-6)
    assert result.hansen.statistic == pytest.approx(30.1125, abs=1e-3)
    assert_printed(result.hansen.p_value, ".2201")
    assert [result.ar1.statistic, result.ar2.statistic] == pytest.approx([-1.53845, -0.27968], abs=1e-4)
    assert (result.n_obs, result.n_instruments, result.hansen.df) == (611, 38, 25)
    assert list(result.estimate.index[7:]) == [f"year={year}" for year in range(1979, 1985)]


ALL_LAGS = ["w", "L1.w", "k", "L1.k", "L2.k", "ys", "L1.ys", "L2.ys"]


def column_a(df: pd.DataFrame, **options) -> DynamicPanelResult:
    """``xtabond2 n L(1/2).n L(0/1).w L(0/2).(k ys) yr*, gmm(L.n) iv(L(0/1).w L(0/2).(k ys) yr*) nolevel robust``."""
    settings = {"lags": 2, "regressors": ALL_LAGS, "gmm": {"L1.n": PREDETERMINED}, "iv": ALL_LAGS, "system": False}
    return dynamic_panel(df, **FIRMS, **(settings | options))


def test_one_step_difference_gmm_equals_roodman(empluk):
    """Roodman (2009, section 3.3), Arellano and Bond's column a1."""
    result = column_a(empluk, steps=1)
    estimate = ".6862261 -.0853582 -.6078208 .3926237 .3568456 -.0580012 -.0199475 .6085073 -.7111651 .1057969"
    error = ".1445943 .0560155 .1782055 .1679931 .0590203 .0731797 .0327126 .1725313 .2317163 .1412021"
    assert_printed(result.estimate[:10], estimate)
    assert_printed(result.std_error[:10], error)
    assert_printed([result.sargan.statistic, result.hansen.statistic, result.hansen.p_value], "67.59 31.38 .177")
    assert_printed([*result.ar1, *result.ar2], "-3.60 .000 -.52 .606")
    assert (result.n_instruments, result.hansen.df, result.n_obs) == (41, 25, 611)


def test_two_step_difference_gmm_and_its_uncorrected_errors(empluk):
    """Arellano and Bond's column a2: .629 (.090); Windmeijer's correction doubles the error."""
    corrected, plain = column_a(empluk), column_a(empluk, windmeijer=False)
    assert_printed(corrected.estimate.iloc[0], ".6287")
    assert_printed(plain.std_error.iloc[0], ".090")
    assert plain.std_error.iloc[0] == pytest.approx(0.0904542, abs=1e-6)
    assert corrected.std_error.iloc[0] == pytest.approx(0.1934135, abs=1e-6)
    assert plain.hansen == corrected.hansen
    assert plain.ar2 != corrected.ar2


def as_older_stata(result: DynamicPanelResult) -> pd.Series:
    """Errors times the small-sample factor of the versions that printed them, n/(n - K + 1) for (n - 1)/(n - K)."""
    n, k = result.n_obs, len(result.estimate)
    return result.std_error * np.sqrt(n / (n - k + 1) / ((n - 1) / (n - k)))


def test_120_instruments_with_small_equal_xtabond2(empluk):
    """``gmm(L.n w k) iv(yr1980-yr1984) robust twostep small``, printed in full on a forum of Stata users."""
    years = [f"yr{year}" for year in range(1980, 1985)]
    table = empluk.assign(**{f"yr{year}": empluk["year"] == year for year in range(1980, 1985)})
    result = dynamic_panel(
        table,
        **FIRMS,
        lags=2,
        regressors=[*ALL_LAGS, *years],
        gmm=dict.fromkeys(["L1.n", "w", "k"], PREDETERMINED),
        iv=years,
        time_effects=False,
        small=True,
    )
    estimate = ".9847708 -.0444599 -.5015799 .4045313 .3234514 -.1550519 -.1195921 .6120864 -.4190762 -.2492855 "
    estimate += ".0256293 .0157888 .0136977 .0078038 -.0194111 .6392791"
    error = ".0591053 .0532234 .2033974 .1670457 .0525199 .0667629 .041634 .2343692 .3208354 .2154591 "
    error += ".0170605 .0339909 .0330476 .0345048 .0331093 1.000564"
    assert_printed(result.estimate, estimate)
    assert_printed(as_older_stata(result), error)
    np.testing.assert_allclose(result.std_error, [float(x) for x in error.split()], rtol=2e-5)
    assert (result.n_instruments, result.n_obs, result.n_groups, result.df_t) == (120, 751, 140, 139)
    assert_printed(result.to_frame()[["low", "high"]].iloc[0], ".8679 1.1016")
    assert result.notes[0].startswith("120 instruments for 140 units")
    assert result.notes[1] == "no instrument is made of: ys, L1.ys, L2.ys"


def test_blundell_bond_one_step_equals_roodman(empluk):
    """``gmm(L.(n w k)) iv(yr*, equation(level)) robust small``, Roodman (2009, section 3.4).

    The Sargan statistic printed there, 186.90, divided by level rows in place of differences, which a later version of
    xtabond2 mended.
    """
    result = dynamic_panel(
        empluk,
        **FIRMS,
        regressors=["w", "L1.w", "k", "L1.k"],
        gmm=dict.fromkeys(["L1.n", "L1.w", "L1.k"], PREDETERMINED),
        time_effects="level",
        steps=1,
        small=True,
    )
    assert_printed(result.estimate[:5], ".9356053 -.6309761 .4826203 .4839299 -.4243928")
    assert_printed(as_older_stata(result)[:5], ".026569 .1192834 .1383132 .0544281 .059088")
    assert (result.n_instruments, result.n_obs) == (113, 891)
    assert_printed([*result.hansen[:2], result.sargan.statistic * 891 / 751], "110.70 .218 186.90")
    assert_printed(result.diff_hansen[:2], "26.37 .193")
    assert_printed([*result.ar1, *result.ar2], "-5.46 .000 -.25 .804")
    assert (result.hansen.df, result.diff_hansen.df) == (100, 21)


def test_difference_gmm_with_90_instruments_equals_roodman(empluk):
    """``gmm(L.(n w k)) iv(L(0/2).ys yr*) nolevel robust small``, Roodman (2009, section 3.3)."""
    gmm = dict.fromkeys(["L1.n", "L1.w", "L1.k"], PREDETERMINED)
    result = column_a(empluk, gmm=gmm, iv=["ys", "L1.ys", "L2.ys"], steps=1, small=True)
    assert_printed(result.estimate[:5], ".8179867 -.1122756 -.6816685 .6557083 .3525689")
    assert_printed(as_older_stata(result)[:5], ".0859761 .0502366 .1425813 .202368 .1217997")
    assert_printed([result.sargan.statistic, result.hansen.statistic, result.hansen.p_value], "120.62 73.72 .487")
    assert_printed([result.ar1.statistic, *result.ar2], "-5.39 -.78 .436")
    assert (result.n_instruments, result.hansen.df) == (90, 74)


@pytest.mark.sources
@pytest.mark.filterwarnings("ignore:Unknown encoding:UserWarning")
def test_empluk_is_the_table_of_r(empluk, sources):
    rdata = pytest.importorskip("rdata")
    path = sources / "classic_gmm_EmplUK" / "EmplUK.rda"
    if not path.is_file():
        pytest.skip("classic_gmm_EmplUK/EmplUK.rda is not in REGIOMETRICS_SOURCES")
    there = rdata.read_rda(path)["EmplUK"].reset_index(drop=True)
    columns = ["firm", "year", "sector", "emp", "wage", "capital", "output"]
    assert (there[columns[:3]].to_numpy() == empluk[columns[:3]].to_numpy()).all()
    np.testing.assert_allclose(there[columns[3:]], empluk[columns[3:]], rtol=1e-7)
    logs = np.log(there[["emp", "wage", "capital", "output"]].to_numpy())
    np.testing.assert_allclose(logs, empluk[["n", "w", "k", "ys"]], atol=5e-7)


# ---------------------------------------------------------------------------------------------------------------------
# the plain definition


def transformation(periods: list[int], transform: str) -> dict[int, np.ndarray]:
    """Row of M by the period it belongs to, from the periods of a unit's level rows."""
    rows = {}
    for i, t in enumerate(periods):
        row, later = np.zeros(len(periods)), len(periods) - i - 1
        if transform == "fd" and t - 1 in periods:
            row[i], row[i - 1] = 1, -1
            rows[t] = row
        elif transform == "fod" and later:
            row[i], row[i + 1 :] = 1, -1 / later
            rows[t + 1] = row * np.sqrt(later / (later + 1))
    return rows


def by_definition(
    df: pd.DataFrame,
    regressors: list[str],
    gmm: dict[str, GmmSpec],
    iv: list[str],
    *,
    system: bool,
    transform: str,
    time_effects: bool | str,
) -> dict[str, object]:
    """Unit by unit and row by row: Z_i, H_i, both steps, Windmeijer's correction by numerical derivative, Hansen."""
    years = sorted(df["year"].unique())
    blocks, labels = [], {}
    for _, rows in df.groupby("city"):
        cells = rows.set_index("year").to_dict()

        def get(name, t, cells=cells):
            lag, column = (int(name[1]), name[3:]) if name.startswith("L") else (0, name)
            return cells[column].get(t - lag, np.nan)

        terms = ["L1.y", *regressors]
        level = [t for t in years if np.isfinite([get(name, t) for name in ["y", *terms, *iv]]).all()]
        if not level:
            continue
        change = transformation(level, transform)
        m = np.array(list(change.values()) + (list(np.eye(len(level))) if system else []))
        m = m.reshape(-1, len(level))
        where = [("d", t) for t in change] + ([("l", t) for t in level] if system else [])
        dummies = {f"year={s}": [float(t == s) for t in level] for s in years} if time_effects else {}
        plain = {name: [get(name, t) for t in level] for name in terms} | dummies
        if system:
            plain["constant"] = [1.0] * len(level)
        entries = {}
        for r, (equation, t) in enumerate(where):
            for name, spec in gmm.items():
                first, last = spec.lags
                for lag in range(first, 20 if last is None else last + 1):
                    if equation == "d" and spec.equations != "level":
                        entries[r, (name, lag, None if spec.collapse else t)] = get(name, t - lag)
                lag = max(first - 1, 0)
                if equation == "l" and spec.equations != "difference":
                    value = get(name, t - lag) - get(name, t - lag - 1)
                    entries[r, (name, "level", None if spec.collapse else t)] = value
            for name in [*iv, *dummies]:
                column = np.array([get(name, t) for t in level] if name in iv else dummies[name])
                if equation == "l" or name in iv or time_effects != "level":
                    entries[r, name] = m[r] @ column
            if equation == "l":
                entries[r, "constant"] = 1.0
        blocks.append((m, pd.DataFrame(plain), [get("y", t) for t in level], where, entries))
        labels |= {label: None for (_, label), value in entries.items() if np.isfinite(value) and value != 0}
    periods = sorted({t for *_, where, _ in blocks for eq, t in where if eq == ("l" if system else "d")})
    out = {f"year={s}" for s in years} - {f"year={s}" for s in (periods[1:] if system else periods)}
    place = {label: k for k, label in enumerate(label for label in labels if label not in out)}
    xs, ys, zs, ms = [], [], [], []
    for m, plain, y, _, entries in blocks:
        z = np.zeros((len(m), len(place)))
        for (r, label), value in entries.items():
            if label in place and np.isfinite(value):
                z[r, place[label]] = value
        xs.append(m @ plain.drop(columns=[c for c in plain if c in out]).to_numpy())
        ys.append(m @ y)
        zs.append(z)
        ms.append(m)
    names = [c for c in blocks[0][1] if c not in out]
    zx, zy = sum(z.T @ x for z, x in zip(zs, xs, strict=True)), sum(z.T @ y for z, y in zip(zs, ys, strict=True))

    def fit(weight):
        bread = np.linalg.inv(zx.T @ weight @ zx)
        return bread @ zx.T @ weight @ zy, bread

    def moments(beta):
        return np.array([z.T @ (y - x @ beta) for z, x, y in zip(zs, xs, ys, strict=True)])

    def second(beta):
        weight = np.linalg.inv(moments(beta).T @ moments(beta))
        return fit(weight)[0], weight

    first = np.linalg.inv(sum(z.T @ m @ m.T @ z for z, m in zip(zs, ms, strict=True)))
    one, bread = fit(first)
    spread = moments(one).T @ moments(one)
    one_v = bread @ zx.T @ first @ spread @ first @ zx @ bread
    two, weight = second(one)
    two_v = fit(weight)[1]
    step = 1e-5
    d = np.array([(second(one + h)[0] - second(one - h)[0]) / (2 * step) for h in step * np.eye(len(one))]).T
    total = moments(two).sum(axis=0)
    return {
        "terms": names,
        "one": one,
        "one_error": np.sqrt(np.diag(one_v)),
        "two": two,
        "two_error": np.sqrt(np.diag(two_v)),
        "windmeijer": np.sqrt(np.diag(two_v + d @ two_v + two_v @ d.T + d @ one_v @ d.T)),
        "hansen": total @ weight @ total,
        "n_instruments": len(place),
        "n_obs": sum(eq == ("l" if system else "d") for *_, where, _ in blocks for eq, _ in where),
    }


CASES = {
    "system": {"gmm": {"y": GmmSpec(), "x": GmmSpec()}, "iv": ["z"]},
    "system, level effects": {"gmm": {"y": GmmSpec(), "x": GmmSpec(lags=(1, 2))}, "iv": ["z"], "time_effects": "level"},
    "system, not collapsed": {
        "gmm": {"L1.y": GmmSpec(lags=(1, 2), collapse=False), "x": GmmSpec((0, 0))},
        "iv": ["z"],
        "time_effects": False,
    },
    "system, equations apart": {
        "gmm": {"y": GmmSpec((2, None), equations="difference"), "x": GmmSpec((2, 3)), "z": GmmSpec(equations="level")},
        "iv": ["z"],
    },
    "difference": {"gmm": {"y": GmmSpec((2, None)), "x": GmmSpec()}, "iv": ["z"], "system": False},
    "difference, lagged regressor": {
        "regressors": ["x", "L1.z"],
        "gmm": {"y": GmmSpec((2, None)), "x": GmmSpec()},
        "iv": ["L1.z"],
        "system": False,
        "time_effects": False,
    },
}


@pytest.mark.parametrize("transform", ["fd", "fod"])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("holes", [False, True], ids=["ragged", "with gaps"])
def test_arrays_equal_the_definition(name, transform, holes):
    case = {"regressors": ["x", "z"], "system": True, "time_effects": True} | CASES[name]
    df = ragged(len(name), cities=45, holes=holes)
    slow = by_definition(df, **case, transform=transform)
    options = {**CITIES, **case, "transform": transform, "gaps": "allow", "allow_many": True}
    two, one = dynamic_panel(df, **options), dynamic_panel(df, **options, steps=1)
    plain = dynamic_panel(df, **options, windmeijer=False)
    assert list(two.estimate.index) == slow["terms"]
    assert (two.n_instruments, two.n_obs) == (slow["n_instruments"], slow["n_obs"])
    np.testing.assert_allclose(one.estimate, slow["one"], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(one.std_error, slow["one_error"], rtol=1e-7)
    np.testing.assert_allclose(two.estimate, slow["two"], rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(plain.std_error, slow["two_error"], rtol=1e-7)
    np.testing.assert_allclose(two.std_error, slow["windmeijer"], rtol=1e-4)  # by numerical derivative
    assert two.hansen.statistic == one.hansen.statistic == pytest.approx(slow["hansen"], rel=1e-7)
    assert two.hansen.df == slow["n_instruments"] - len(slow["terms"])


# ---------------------------------------------------------------------------------------------------------------------
# identities

LAGS_ONLY = {"regressors": ["x"], "gmm": {"y": ENDOGENOUS, "x": ENDOGENOUS}, "time_effects": False}
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_just_identified_gmm_is_the_iv_estimator(seed):
    """One lag as the only instrument: Anderson and Hsiao's ratio, in one step and two, and nothing to test."""
    df = simulated(seed, cities=40, years=6)
    wide = df.pivot(index="city", columns="year", values="y").to_numpy()
    change = np.diff(wide, axis=1)
    ratio = (wide[:, :-2] * change[:, 1:]).sum() / (wide[:, :-2] * change[:, :-1]).sum()
    for steps in (1, 2):
        result = dynamic_panel(
            df, **CITIES, gmm={"y": GmmSpec(lags=(2, 2))}, system=False, steps=steps, time_effects=False
        )
        assert result.estimate["L1.y"] == pytest.approx(ratio, rel=1e-8)
        assert result.hansen.statistic == pytest.approx(0, abs=1e-8)
        assert result.hansen.df == 0
        assert np.isnan(result.hansen.p_value)


@pytest.mark.parametrize("system", [False, True], ids=["difference", "system"])
@pytest.mark.parametrize("effects", [False, "level"])
def test_orthogonal_deviations_equal_differences_on_balanced_data_with_all_lags(system, effects):
    """Both span the same moments if no lag is missing or collapsed and no instrument is transformed itself."""
    df = simulated(5, cities=120, years=6)
    options = {**CITIES, **LAGS_ONLY, "system": system, "time_effects": effects and system and "level"}
    fd, fod = (dynamic_panel(df, **options, transform=transform) for transform in ("fd", "fod"))
    pd.testing.assert_frame_equal(fd.to_frame(), fod.to_frame(), rtol=1e-6)
    assert fd.hansen.statistic == pytest.approx(fod.hansen.statistic, rel=1e-7)
    assert fd.ar2.statistic == pytest.approx(fod.ar2.statistic, rel=1e-7)
    fewer = dict.fromkeys(["y", "x"], GmmSpec(lags=(2, 3)))
    fd, fod = (dynamic_panel(df, **options | {"gmm": fewer}, transform=transform) for transform in ("fd", "fod"))
    assert abs(fd.estimate["x"] - fod.estimate["x"]) > 1e-4


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_order_and_names_of_units_do_not_matter(seed):
    df = ragged(seed % 1000, cities=40)
    options = {**CITIES, "regressors": ["x", "z"], "gmm": {"y": GmmSpec(), "x": GmmSpec()}, "iv": ["z"]}
    before = df.copy()
    names = np.random.default_rng(seed).permutation(40)
    moved = df.assign(city=[f"c{names[i]}" for i in df["city"]]).sample(frac=1, random_state=seed % 2**31)
    a, b = dynamic_panel(df, **options), dynamic_panel(moved, **options)
    pd.testing.assert_frame_equal(a.to_frame(), b.to_frame(), rtol=1e-6, atol=1e-8)
    assert a.hansen.statistic == pytest.approx(b.hansen.statistic, rel=1e-7)
    pd.testing.assert_frame_equal(df, before)


def test_units_of_measurement_do_not_matter():
    df = ragged(3, cities=60)
    options = {**CITIES, "regressors": ["x", "z"], "gmm": {"y": GmmSpec(), "x": GmmSpec()}, "iv": ["z"]}
    a = dynamic_panel(df, **options)
    b = dynamic_panel(df.assign(y=1e6 * df["y"], x=1e-4 * df["x"]), **options)
    assert b.estimate["L1.y"] == pytest.approx(a.estimate["L1.y"], rel=1e-7)
    assert b.estimate["x"] == pytest.approx(1e10 * a.estimate["x"], rel=1e-7)
    assert b.std_error["z"] == pytest.approx(1e6 * a.std_error["z"], rel=1e-6)
    for test in ("hansen", "sargan", "diff_hansen", "ar1", "ar2"):
        assert getattr(b, test).statistic == pytest.approx(getattr(a, test).statistic, rel=1e-6)


def test_time_effects_are_dummies_in_the_equation_and_among_the_instruments():
    df = simulated(8, cities=60, years=6)
    years = [f"d{year}" for year in range(2010, 2014)]
    by_hand = df.assign(**{f"d{year}": df["year"] == year for year in range(2010, 2014)})
    options = {**CITIES, "gmm": {"y": GmmSpec()}}
    for effects in (True, "both"):
        a = dynamic_panel(df, **options, time_effects=effects)
        b = dynamic_panel(by_hand, **options, time_effects=False, regressors=years, iv=years)
        np.testing.assert_allclose(a.estimate, b.estimate, rtol=1e-9)
        np.testing.assert_allclose(a.std_error, b.std_error, rtol=1e-9)


def test_time_effects_in_levels_alone_are_the_same_on_balanced_data():
    options = {**CITIES, "gmm": {"y": GmmSpec()}}
    for df, same in ((simulated(8, cities=60, years=6), True), (ragged(8, cities=60), False)):
        both, level = (dynamic_panel(df, **options, time_effects=effects) for effects in ("both", "level"))
        assert level.n_instruments == both.n_instruments
        assert (level.estimate["L1.y"] == pytest.approx(both.estimate["L1.y"], rel=1e-7)) == same
        assert (level.hansen.statistic == pytest.approx(both.hansen.statistic, rel=1e-7)) == same


def test_no_gmm_means_the_outcome_with_collapsed_lags_2_to_4():
    df = simulated(4)
    options = {**CITIES, "regressors": ["x"], "iv": ["x"]}
    a, b = dynamic_panel(df, **options), dynamic_panel(df, **options, gmm={"y": GmmSpec((2, 4), collapse=True)})
    pd.testing.assert_frame_equal(a.to_frame(), b.to_frame())
    assert a.options["gmm"] == {"y": GmmSpec()}


@pytest.mark.parametrize(("spec", "count"), [((2, None, False), 97), ((2, 3, False), 55), ((2, 4, True), 17)])
def test_instrument_counts_at_the_size_of_the_paper(spec, count):
    gmm = dict.fromkeys(["y", "x"], GmmSpec(spec[:2], collapse=spec[2]))
    result = dynamic_panel(simulated(1), **CITIES, regressors=["x"], gmm=gmm)
    assert result.n_instruments == count
    assert any("are many" in note for note in result.notes) == (count > 135 / 2)


def test_small_scales_the_covariance_and_takes_students_t():
    df = simulated(2, cities=50, years=6)
    plain, small = dynamic_panel(df, **CITIES), dynamic_panel(df, **CITIES, small=True)
    n, k = plain.n_obs, len(plain.estimate)
    np.testing.assert_allclose(small.covariance, plain.covariance * (n - 1) / (n - k) * 50 / 49, rtol=1e-12)
    row = small.to_frame().iloc[0]
    assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(row["statistic"]), 49))
    assert small.ar2 == plain.ar2
    assert plain.df_t == np.inf


def test_tests_that_have_nothing_to_test_are_nan():
    short = simulated(2, cities=50, years=4)
    result = dynamic_panel(short, **CITIES, gmm={"y": GmmSpec((2, 2))}, system=False, time_effects=False)
    assert np.isnan(result.ar2.statistic)
    assert np.isfinite(result.ar1.statistic)
    assert np.isnan(result.diff_hansen.p_value)


# ---------------------------------------------------------------------------------------------------------------------
# pooled and within estimates beside GMM


def test_bounds_are_least_squares_on_the_rows_of_the_level_equation():
    df = ragged(6, cities=40).sort_values(["city", "year"]).reset_index(drop=True)
    options = {"regressors": ["x", "z"], "gmm": {"y": GmmSpec(), "x": GmmSpec()}, "iv": ["z"]}
    result = dynamic_panel(df, **CITIES, **options)
    bounds = result.bounds().set_index("term")
    rows = df.assign(lag=df.groupby("city")["y"].shift()).dropna()
    assert len(rows) == result.n_obs
    within = twfe(rows, outcome="y", regressors=["lag", "x", "z"], unit="city", time="year")
    np.testing.assert_allclose(bounds["within"][:3], within.estimate, rtol=1e-9)
    np.testing.assert_allclose(bounds["within_error"][:3], within.std_error, rtol=1e-9)
    dummies = pd.get_dummies(rows["year"], drop_first=True, dtype=float)
    pooled = sm.OLS(rows["y"], sm.add_constant(pd.concat([rows[["lag", "x", "z"]], dummies], axis=1))).fit(
        cov_type="cluster", cov_kwds={"groups": rows["city"]}
    )
    np.testing.assert_allclose(bounds["ols"], pooled.params[1:], rtol=1e-9)
    np.testing.assert_allclose(bounds["ols_error"], pooled.bse[1:], rtol=1e-9)
    np.testing.assert_array_equal(bounds["gmm"], result.estimate.drop("constant"))
    assert "constant" not in bounds.index


def test_the_lag_lies_between_within_and_pooled(empluk):
    """Simulated cities, and EmplUK without further regressors: within .73 to .76, pooled 1.0."""
    lag = dynamic_panel(simulated(1), **CITIES, regressors=["x"], gmm={"y": GmmSpec(), "x": GmmSpec()}).bounds()
    assert lag["between"].iloc[0]
    assert lag["within"].iloc[0] < 0.235 < lag["ols"].iloc[0]
    outside = column_a(empluk).bounds().iloc[0]
    assert not outside["between"]
    assert outside["gmm"] < outside["within"]


def test_what_is_constant_within_units_has_no_within_estimate():
    df = simulated(1)
    df["region"] = df["city"] % 2
    bounds = dynamic_panel(df, **CITIES, regressors=["region"], iv=["region"]).bounds().set_index("term")
    assert np.isnan(bounds.loc["region", "within"])
    assert np.isfinite(bounds.loc["region", "ols"])
    assert not bounds.loc["region", "between"]


# ---------------------------------------------------------------------------------------------------------------------
# notes, sample, bad input


def test_collinear_instruments_are_left_out_and_named_by_number():
    df = simulated(1, cities=50).assign(twice=lambda d: 2 * d["x"])
    options = {**CITIES, "regressors": ["x"]}
    clean = dynamic_panel(df, **options, iv=["x"])
    result = dynamic_panel(df, **options, iv=["x", "twice"])
    assert result.notes == ("1 collinear instrument left out: 14 of 15 are independent",)
    assert result.n_instruments == clean.n_instruments == 14
    pd.testing.assert_frame_equal(result.to_frame(), clean.to_frame(), rtol=1e-8)


def test_more_instruments_than_units_need_allow_many():
    df = simulated(1, cities=30)
    options = {**CITIES, "regressors": ["x"], "gmm": {"y": ENDOGENOUS, "x": ENDOGENOUS}}
    with pytest.raises(RankError, match=r"97 instruments for 30 units.*allow_many=True"):
        dynamic_panel(df, **options)
    result = dynamic_panel(df, **options, allow_many=True)
    assert any("rank 30 of 97" in note for note in result.notes)
    assert any("Hansen's p-value of 1.000" in note for note in result.notes)
    assert np.isfinite(result.to_frame()["std_error"]).all()


def test_notes_name_regressors_without_instruments_and_invalid_lags_of_the_outcome():
    df = simulated(1, cities=60)
    good = {"y": GmmSpec(), "x": GmmSpec()}
    assert dynamic_panel(df, **CITIES, regressors=["x", "L1.x"], gmm=good).notes == ()
    without = dynamic_panel(df, **CITIES, regressors=["x"], gmm={"y": GmmSpec()})
    assert without.notes == ("no instrument is made of: x",)
    invalid = dynamic_panel(df, **CITIES, regressors=["x"], gmm=good | {"y": GmmSpec(lags=(1, 3))})
    assert invalid.notes == ("lag 1 of the outcome is correlated with the differenced error",)


def test_units_that_are_too_short_are_listed():
    df = simulated(1, cities=50)
    short = df[(df["city"] != 7) | (df["year"] < 2010)]
    result = dynamic_panel(short, **CITIES, system=False)
    assert result.n_groups == 49
    assert result.sample.rows_used == result.sample.rows_in - 2
    assert result.sample.dropped == (("'city' too short for a row with all its lags", ((7, 2008), (7, 2009))),)
    assert dynamic_panel(short, **CITIES).n_groups == 50


def test_ends_are_no_gaps_and_gaps_need_leave():
    df = simulated(1, cities=50)
    ends = df[~((df["city"] == 3) & (df["year"].isin([2008, 2017])))]
    assert dynamic_panel(ends, **CITIES).n_obs == 448
    holed = df[~((df["city"] == 3) & (df["year"] == 2012))]
    with pytest.raises(UnbalancedPanelError, match=r"1 row: 3 2012.*gaps=\"allow\""):
        dynamic_panel(holed, **CITIES)
    assert dynamic_panel(holed, **CITIES, gaps="allow").n_obs == 448
    with pytest.raises(UnbalancedPanelError, match="50 rows"):
        dynamic_panel(df[df["year"] != 2012], **CITIES)
    missing = df.assign(y=df["y"].mask((df["city"] == 3) & (df["year"] == 2012)))
    dropped = dynamic_panel(missing, **CITIES, gaps="allow", missing="drop")
    assert dropped.sample.dropped == (("missing 'y'", ((3, 2012),)),)


def test_periods_may_be_every_second_year_or_words():
    df = simulated(1, cities=50)
    base = dynamic_panel(df, **CITIES).to_frame()
    second = dynamic_panel(df.assign(year=2 * df["year"]), **CITIES).to_frame()
    words = dynamic_panel(df.assign(year=df["year"].map("p{}".format)), **CITIES).to_frame()
    pd.testing.assert_frame_equal(base.drop(columns="term"), second.drop(columns="term"))
    pd.testing.assert_frame_equal(base.drop(columns="term"), words.drop(columns="term"))
    assert words["term"].iloc[1] == "year=p2010"
    with pytest.raises(UnbalancedPanelError, match="not equally spaced"):
        dynamic_panel(df.assign(year=df["year"].replace({2017: 2017.5})), **CITIES)


def test_bad_input():
    df = simulated(1, cities=40, years=6)
    with pytest.raises(GroupSizeError, match="2 periods"):
        dynamic_panel(df[df["year"] < 2010], **CITIES)
    with pytest.raises(GroupSizeError, match="6 consecutive periods"):
        dynamic_panel(df[df["year"] < 2013], **CITIES, lags=4)
    with pytest.raises(RankError, match="4 instruments for 5 coefficients"):
        fewer = {"gmm": {"y": GmmSpec((2, 5))}, "system": False, "time_effects": False}
        dynamic_panel(df, **CITIES, lags=3, regressors=["x", "L1.x"], **fewer)
    with pytest.raises(RankError, match=r"column 'twice'.*do not identify"):
        dynamic_panel(df.assign(twice=2 * df["x"]), **CITIES, regressors=["x", "twice"], iv=["x", "L1.x"])
    with pytest.raises(RankError, match="twice"):
        dynamic_panel(df, **CITIES, regressors=["x", "x"], iv=["x"])
    with pytest.raises(KeyColumnError, match="'L1.absent'"):
        dynamic_panel(df, **CITIES, regressors=["L1.absent"])
    with pytest.raises(KeyColumnError, match="identify each row"):
        dynamic_panel(pd.concat([df, df.iloc[:1]]), **CITIES)
    with pytest.raises(MissingValueError):
        dynamic_panel(df.assign(y=df["y"].where(df.index != 3)), **CITIES)
    with pytest.raises(DomainError, match="equations"):
        GmmSpec(equations="levels")
    for wrong in ({"steps": 3}, {"transform": "within"}, {"gaps": "fill"}, {"time_effects": "year"}):
        with pytest.raises(DomainError):
            dynamic_panel(df, **CITIES, **wrong)
    with pytest.raises(DomainError, match="level equation"):
        dynamic_panel(df, **CITIES, system=False, time_effects="level")


@pytest.mark.parametrize("lags", [0, -1, 2.0, 1.5, "2", None, (1, 2)])
def test_a_number_of_lags_is_whole_and_positive(lags):
    with pytest.raises(DomainError, match=r"no number of lags\. Remedy: give a whole number, 1 or more") as caught:
        dynamic_panel(simulated(1, cities=40, years=6), **CITIES, lags=lags)
    assert f"lags={lags!r}" in str(caught.value)


@pytest.mark.parametrize("lags", [(3, 2), (-1, 2), (2.0, 4), (2, 4.0), (None, 4), (2,), (2, 3, 4), 2, None, "24"])
def test_lags_of_instruments_are_a_range_of_whole_numbers(lags):
    with pytest.raises(DomainError, match=r"no range\. Remedy: write \(first, last\), whole numbers") as caught:
        GmmSpec(lags=lags)
    assert f"lags={lags!r}" in str(caught.value)


@pytest.mark.parametrize(
    ("gmm", "shown"),
    [
        ({"y": (2, 4)}, "gmm['y']=(2, 4) is no GmmSpec"),
        ({"y": GmmSpec(), "x": 2}, "gmm['x']=2 is no GmmSpec"),
        ((2, 4), "gmm=(2, 4) is no mapping"),
        (GmmSpec(), "GmmSpec(lags=(2, 4), collapse=True, equations='both') is no mapping"),
    ],
)
def test_instruments_are_given_as_specifications(gmm, shown):
    with pytest.raises(DomainError, match="Remedy: map each variable to a GmmSpec") as caught:
        dynamic_panel(simulated(1, cities=40, years=6), **CITIES, gmm=gmm)
    assert shown in str(caught.value)


def test_whole_numbers_of_numpy_are_lags():
    df = simulated(1, cities=40, years=6)
    first, last = np.int64(2), np.int32(3)
    found = dynamic_panel(df, **CITIES, lags=np.int64(1), gmm={"y": GmmSpec(lags=(first, last))})
    pd.testing.assert_frame_equal(
        found.to_frame(), dynamic_panel(df, **CITIES, gmm={"y": GmmSpec(lags=(2, 3))}).to_frame()
    )


@pytest.mark.parametrize("transform", ["fd", "fod"])
@pytest.mark.parametrize("column", ["region", "computed"])
def test_difference_gmm_refuses_what_is_constant_within_units(transform, column):
    """Exactly, or but for the rounding of the arithmetic that made the column."""
    df = simulated(3, cities=120, years=8).assign(region=lambda d: d["city"] % 3 * 0.1 + 0.7)
    df["computed"] = np.log(np.exp(df["region"] + df["x"]) / np.exp(df["x"]))
    assert 0 < df.groupby("city")["computed"].agg(np.ptp).max() < 1e-14
    for iv in (["x", column], ["x"]):
        with pytest.raises(RankError, match=rf"'{column}': constant within units.*leave the term out; only the level"):
            dynamic_panel(df, **CITIES, regressors=["x", column], iv=iv, system=False, transform=transform)
    system = dynamic_panel(df, **CITIES, regressors=["x", column], iv=["x", column], transform=transform)
    assert 0 < system.std_error[column] < 10
    with pytest.raises(RankError, match=r"leave the term out\.$"):
        dynamic_panel(df.assign(zero=0), **CITIES, regressors=["zero"], iv=["zero"])


def test_rounding_within_units_makes_no_instrument():
    df = simulated(3, cities=120, years=8).assign(region=lambda d: d["city"] % 3 * 0.1 + 0.7)
    df["computed"] = np.log(np.exp(df["region"] + df["x"]) / np.exp(df["x"]))
    level = GmmSpec(equations="level")
    without = dynamic_panel(df, **CITIES)
    result = dynamic_panel(df, **CITIES, gmm={"y": GmmSpec(), "computed": level})
    assert result.n_instruments == without.n_instruments
    pd.testing.assert_frame_equal(result.to_frame(), without.to_frame())


def test_small_changes_beside_large_levels_still_count():
    df = simulated(3, cities=120, years=8)
    options = {**CITIES, "regressors": ["x"], "iv": ["x"], "system": False, "transform": "fod"}
    moved = dynamic_panel(df.assign(x=df["x"] + 1e4), **options)
    assert moved.estimate["x"] == pytest.approx(dynamic_panel(df, **options).estimate["x"], rel=1e-6)


def test_more_instruments_than_rows_or_none_at_all():
    df = simulated(1, cities=3, years=8)
    every = {"regressors": ["x"], "time_effects": False, "gmm": {"y": ENDOGENOUS, "x": GmmSpec((0, None), False)}}
    for allow_many in (False, True):
        with pytest.raises(RankError, match=r"68 instruments for 39 stacked rows.*collapse"):
            dynamic_panel(df, **CITIES, **every, allow_many=allow_many)
    for nothing in (GmmSpec((20, 20)), GmmSpec(equations="level")):
        with pytest.raises(RankError, match=r"0 instruments for 1 coefficient\. Remedy: add lags"):
            dynamic_panel(df, **CITIES, gmm={"y": nothing}, system=False, time_effects=False)


def test_a_high_p_value_of_hansen_is_noted_only_where_instruments_are_many():
    """Under a correct specification one p-value in ten lies above .9."""
    seeds = np.random.default_rng(21).spawn(40)
    results = [dynamic_panel(simulated(rng, 120, 6), **CITIES, time_effects=False) for rng in seeds]
    assert any(result.hansen.p_value > 0.9 for result in results)
    assert all(result.notes == () for result in results)


def test_one_name_may_stand_without_a_list():
    df = simulated(1, cities=50).rename(columns={"x": "ln_x"})
    one = dynamic_panel(df, **CITIES, regressors="ln_x", iv="ln_x")
    pd.testing.assert_frame_equal(
        one.to_frame(), dynamic_panel(df, **CITIES, regressors=["ln_x"], iv=["ln_x"]).to_frame()
    )
    assert one.options["regressors"] == one.options["iv"] == ("ln_x",)


AS_LABELS = {
    "integers": (lambda year: year, "2012"),
    "text": (lambda year: year.astype(str), "2012"),
    "categories": (lambda year: year.astype("category"), "2012"),
    "text that sorts otherwise": (lambda year: (year - 2005).astype(str), "7"),
    "periods": (lambda year: pd.PeriodIndex(year.astype(str), freq="Y"), "2012"),
    "quarters": (lambda year: pd.PeriodIndex(year.astype(str) + "Q4", freq="Q"), "2012Q4"),
    "first days": (lambda year: pd.to_datetime(year.astype(str)), "2012-01"),
    "last days": (lambda year: pd.to_datetime(year.astype(str) + "-02") + pd.offsets.MonthEnd(0), "2012-02"),
    "dates": (lambda year: pd.to_datetime(year.astype(str) + "-12-31").dt.date, "2012-12"),
}


@pytest.mark.parametrize("kind", AS_LABELS)
def test_a_year_that_no_unit_has_is_a_gap_whatever_the_type_of_the_years(kind):
    labels, shown = AS_LABELS[kind]
    df = simulated(1, cities=50)
    typed = df.assign(year=labels(df["year"]))
    values = dynamic_panel(df, **CITIES).to_frame().drop(columns="term")
    pd.testing.assert_frame_equal(dynamic_panel(typed, **CITIES).to_frame().drop(columns="term"), values)
    holed, plain = typed[df["year"] != 2012], df[df["year"] != 2012]
    with pytest.raises(UnbalancedPanelError, match=rf"50 rows: 0 {shown}; 1 {shown};"):
        dynamic_panel(holed, **CITIES)
    values = dynamic_panel(plain, **CITIES, gaps="allow").to_frame().drop(columns="term")
    allowed = dynamic_panel(holed, **CITIES, gaps="allow").to_frame().drop(columns="term")
    pd.testing.assert_frame_equal(allowed, values)


def test_dates_on_no_common_day_count_in_order():
    df = simulated(1, cities=50)
    days = pd.to_datetime(df["year"].astype(str)) + pd.to_timedelta(7 * (df["year"] - 2008), unit="D")
    values = dynamic_panel(df, **CITIES).to_frame().drop(columns="term")
    pd.testing.assert_frame_equal(dynamic_panel(df.assign(year=days), **CITIES).to_frame().drop(columns="term"), values)


@pytest.mark.parametrize("absent", [[2012], [2010, 2013, 2016]])
def test_orthogonal_deviations_bridge_gaps_with_an_effect_of_each_period(absent):
    """All periods that have level rows but the first; rows next to each other are not needed."""
    df = simulated(1, cities=80)
    df = df[~df["year"].isin(absent)]
    here = set(df["year"])
    years = [year for year in sorted(here) if year - 1 in here][1:]
    options = {**CITIES, "system": False, "transform": "fod", "gaps": "allow"}
    result = dynamic_panel(df, **options)
    assert list(result.estimate.index) == ["L1.y", *(f"year={year}" for year in years)]
    by_hand = df.assign(**{f"d{year}": df["year"] == year for year in years})
    names = [f"d{year}" for year in years]
    hand = dynamic_panel(by_hand, **options, time_effects=False, regressors=names, iv=names)
    np.testing.assert_allclose(result.estimate, hand.estimate, rtol=1e-9)
    assert np.isnan(result.ar1.statistic) == (len(absent) == 3)


# ---------------------------------------------------------------------------------------------------------------------
# Monte Carlo

ENDOGENOUS_X = {"regressors": ["x"], "gmm": {"y": GmmSpec(), "x": GmmSpec()}}


@pytest.mark.slow
def test_collapsed_system_gmm_recovers_planted_coefficients_with_correct_tests():
    """400 panels of the paper's size: bias, size of Windmeijer's t test, of Hansen's and of AR(2)."""
    rows = []
    for rng in np.random.default_rng(11).spawn(400):
        r = dynamic_panel(simulated(rng), **CITIES, **ENDOGENOUS_X)
        rows.append([*r.estimate[:2], *r.std_error[:2], r.hansen.p_value, r.ar1.p_value, r.ar2.p_value])
    rho, beta, rho_error, beta_error, hansen, ar1, ar2 = np.array(rows).T
    for draws, truth, error in ((rho, 0.235, rho_error), (beta, 0.158, beta_error)):
        assert abs(draws.mean() - truth) < 0.02
        assert 0.025 < np.mean(np.abs(draws - truth) > 1.96 * error) < 0.10
    assert stats.kstest(hansen, "uniform").pvalue > 0.01
    assert 0.02 < np.mean(ar2 < 0.05) < 0.09
    assert np.mean(ar1 < 0.05) > 0.95


@pytest.mark.slow
def test_many_instruments_bias_estimates_and_silence_hansen():
    many, few = [], []
    for rng in np.random.default_rng(12).spawn(100):
        df = simulated(rng)
        full = {"regressors": ["x"], "gmm": {"y": ENDOGENOUS, "x": ENDOGENOUS}}
        for options, rows in ((full, many), (ENDOGENOUS_X, few)):
            result = dynamic_panel(df, **CITIES, **options)
            rows.append([result.estimate["x"], result.hansen.p_value])
    many, few = np.array(many), np.array(few)
    assert many[:, 0].mean() - 0.158 > 3 * abs(few[:, 0].mean() - 0.158)
    assert np.mean(many[:, 1] < 0.05) < 0.02


@pytest.mark.slow
def test_system_beats_difference_when_the_outcome_is_persistent():
    spread = {}
    for system in (True, False):
        draws = [
            dynamic_panel(simulated(rng, rho=0.9, beta=0.0), **CITIES, system=system).estimate["L1.y"]
            for rng in np.random.default_rng(13).spawn(100)
        ]
        spread[system] = np.std(draws)
    assert spread[True] < 0.6 * spread[False]
