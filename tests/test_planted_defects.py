"""Defects of a hurried hand: each is planted in the code of the library, and the test named must then fail."""

import inspect
import textwrap
from importlib.util import module_from_spec, spec_from_file_location

import pandas as pd
import pytest

from regiometrics import chapters
from regiometrics.errors import RegionError
from regiometrics.estimate import (
    comparative_study,
    convergence,
    fixed_effects,
    inference,
    matching,
    mediation,
    modern_did,
    placebo,
    resampling,
    simplex,
    staggered,
    synthetic_control,
    synthetic_placebo,
)
from regiometrics.measure import inequality, quotient, sophistication
from regiometrics.report.audits import identities
from regiometrics.report.audits import p1 as audit_of_p1


def load(path):
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_hand(tests, _):
    for groups, expected in tests.HAND:
        tests.test_parts_equal_hand_arithmetic(groups, expected)


def by_definition(tests, definition):
    groups = pd.DataFrame({"g": [0, 0, 0, 1, 1], "y": [1.0, 2, 6, 3, 8]})
    tests.test_parts_and_pairs_equal_the_pairwise_definition.hypothesis.inner_test(definition, groups)


def named(test):
    return lambda tests, _: getattr(tests, test)()


def on(test, *data):
    """A property on one example, without the search for others."""
    return lambda tests, _: getattr(tests, test).hypothesis.inner_test(*data)


def without_fixtures(test, **arguments):
    return lambda tests, _: getattr(tests, test)(**arguments)


def on_printed_numbers(test):
    return lambda tests, _: getattr(tests, test)(tests.checks(audit_of_p1.PrintedTables.read()))


def on_a_simulation(tests, _):
    tests.test_the_simulated_panel_has_the_planted_path(chapters.load("p1", "simulated", seed=5))


def on_a_staggered_panel(tests, _):
    tests.test_design_codes_the_policy_and_leaves_the_table_alone(tests.panel_of(tests.STARTS))


def on_lights(tests, _):
    """Of two cities with two and three counties."""
    lights = pd.DataFrame({"county": list("abcde"), "year": 2012, "light": [1.0, 3, 2, 2, 5], "city": list("xxyyy")})
    tests.test_the_index_is_the_gini_coefficient_of_equation_3({"county_light": lights})


# two countries with exports of three products; one county whose third industry enters as its first leaves
TRADE = (
    pd.DataFrame({"m": [0, 0, 0, 1, 1, 1], "k": [0, 1, 2] * 2, "usd": [6.0, 2, 2, 100, 500, 400]}),
    pd.Series([3.0, 30]),
)
OUTPUT = (
    pd.DataFrame({"county": 0, "year": [0, 0, 0, 1, 1, 1], "gb": [0, 1, 2] * 2, "x": [3.0, 1, 0, 0, 4, 2]}),
    pd.Series([2.0, 5, 9]),
)
# two counties that stay, and one that enters
COUNTIES = pd.DataFrame(
    {"county": [0, 1, 0, 1, 2], "year": [0, 0, 1, 1, 1], "x": [1.0, 2, 3, 2, 4], "group": 0}
).assign(soph=[4.0, 2, 5, 3, 6])
INEQUALITY, QUOTIENT, CONVERGENCE, SOPHISTICATION = (
    "measure/test_inequality.py",
    "measure/test_quotient.py",
    "estimate/test_convergence.py",
    "measure/test_sophistication.py",
)
SIMPLEX, SYNTHETIC_CONTROL, MEDIATION = (
    "estimate/test_simplex.py",
    "estimate/test_synthetic_control.py",
    "estimate/test_mediation.py",
)
FIXED_EFFECTS, INFERENCE, STAGGERED, PLACEBO, MATCHING, MODERN_DID = (
    "estimate/test_fixed_effects.py",
    "estimate/test_inference.py",
    "estimate/test_staggered.py",
    "estimate/test_placebo.py",
    "estimate/test_matching.py",
    "estimate/test_modern_did.py",
)
CHAPTER, IDENTITIES = "test_chapters_p5.py", "report/audits/test_identities.py"
CHAPTER_P1, AUDIT_P1 = "test_chapters_p1.py", "report/audits/test_audit_p1.py"
# defect: the function, the right text, the planted text, the file of tests, the test that must catch it
DEFECTS = {
    "n - 1 for n in the coefficient of variation": (
        *(inequality.coefficient_of_variation, "grouped.std(ddof=ddof)", "grouped.std(ddof=1)"),
        *(INEQUALITY, named("test_coefficient_of_variation_divides_by_n_or_n_minus_1")),
    ),
    "within and between exchanged": (
        *(
            inequality._decomposition,
            '"within": within, "between_net": between',
            '"within": between, "between_net": within',
        ),
        *(INEQUALITY, by_hand),
    ),
    "a unit's own rank forgotten in the sorted Gini": (
        *(inequality._CellSums.of, "balance -= w\n", "\n"),
        *(INEQUALITY, by_hand),
    ),
    "population shares forgotten in the within part": (
        *(inequality._Split.parts, "(groups.weight * groups.total) @", "groups.weight.sum() * groups.total @"),
        *(INEQUALITY, by_hand),
    ),
    "pooled Gini without the groups' own differences": (
        *(inequality._pair_table, "sums[a, a] + 2 *", "2 *"),
        *(INEQUALITY, by_definition),
    ),
    "quotient turned upside down": (
        *(
            quotient.location_quotient,
            "(used[value] / in_unit) / (in_industry",
            "(in_unit / used[value]) / (in_industry",
        ),
        *(QUOTIENT, named("test_quotient_by_hand_against_a_wider_nation")),
    ),
    "depth forgotten in the index": (
        *(quotient.coagglomeration, "else quality + both", "else quality"),
        *(QUOTIENT, named("test_index_by_hand")),
    ),
    "decimal for natural logarithm of the dispersion": (
        *(convergence._trend, "np.log(sigma)", "np.log10(sigma)"),
        *(CONVERGENCE, named("test_exponential_decay_of_dispersion_is_a_straight_line_in_logs")),
    ),
    "wrong log in the log t regression": (
        *(convergence._transition_panel, "np.log(periods + 1.0)", "np.log10(periods + 1.0)"),
        *(CONVERGENCE, on("test_log_t_equals_the_definition", 0, 0.3)),
    ),
    "number of clusters forgotten in the small-sample factor": (
        *(fixed_effects.cluster_factor, "n_clusters / (n_clusters - 1) * (n - 1)", "(n - 1)"),
        *(FIXED_EFFECTS, named("test_clustered_error_by_hand")),
    ),
    "wild bootstrap around the estimate, the null not imposed": (
        *(
            inference._WildDraws.p_value,
            "np.abs(self.statistics(null))",
            "np.abs([*self.statistics(null)[:1], *self.statistics(self.shift[0, 0])[1:]])",
        ),
        *(INFERENCE, named("test_draws_are_symmetric_in_the_signs_of_all_clusters")),
    ),
    "first treated period counted as untreated": (
        *(staggered.StaggeredDesign.__post_init__, "policy = time >= adoption", "policy = time > adoption"),
        *(STAGGERED, on_a_staggered_panel),
    ),
    "controls forgotten in the denominator of the placebo": (
        *(
            placebo._Engine.estimates,
            'sums[:, 0] - np.einsum("bp,bp->b", slope, slope)',
            "sums[:, 0] - (slope[:, : n_starts - 2] ** 2).sum(axis=1)",
        ),
        *(PLACEBO, named("test_regression_by_dummies")),
    ),
    "neighbours at the same distance lost to rounding": (
        *(matching._links, "[:, k - 1] + tie", "[:, k - 1]"),
        *(MATCHING, named("test_ties_are_averaged_or_broken_by_the_order_of_rows")),
    ),
    "cohorts for treated unit-periods in the mean effect": (
        *(
            modern_did._synthetic_averages,
            "size * (gap - (gap @ spread)[:, None])\n        counts[at] += size",
            "gap - (gap @ spread)[:, None]\n        counts[at] += 1",
        ),
        *(MODERN_DID, named("test_synthetic_did_averages_its_cohorts_by_treated_city_years")),
    ),
    "n - 1 for n in the Gini coefficient of lights": (
        *(
            chapters.light_gini_panel,
            "groups.rename(columns=",
            'groups.eval("gini = gini * n / (n - 1)").rename(columns=',
        ),
        *(CHAPTER, on_lights),
    ),
    "errors for their squares in the contrast of two estimates": (
        *(identities.contrast, "(first * first + second * second).sqrt()", "first + second"),
        *(IDENTITIES, named("test_contrast_verdicts")),
    ),
    "exports for shares as the weights of PRODY": (
        *(
            sophistication.prody,
            "= _export_shares(trade, country, product, exports)",
            "= _export_shares(trade, country, product, exports); share = used[exports].to_numpy()",
        ),
        *(SOPHISTICATION, on("test_prody_is_its_definition_and_lies_between_the_incomes", TRADE)),
    ),
    "weights of PRODY that do not add up to one": (
        *(sophistication.prody, "len(products)) / mass,", "len(products)),"),
        *(SOPHISTICATION, on("test_prody_is_its_definition_and_lies_between_the_incomes", TRADE)),
    ),
    "products weighed where an industry is their simple mean": (
        *(
            sophistication.industry_sophistication,
            "np.ones(len(mapped)) if weight",
            'values.set_index(product)["exports"].reindex(mapped[product]).to_numpy() if weight',
        ),
        *(SOPHISTICATION, named("test_industry_values_are_simple_means_or_weighted_ones_when_asked")),
    ),
    "decomposition centred on the new level": (
        *(sophistication.decompose_sophistication, "(level + _before(level)) / 2", "level"),
        *(SOPHISTICATION, on("test_parts_add_up_to_the_change_and_are_their_definition", "centred", OUTPUT)),
    ),
    "new for old output under the second printed term": (
        *(sophistication.decompose_sophistication, "kept * (1 + growth) - was", "kept - was / (1 + growth)"),
        *(SOPHISTICATION, named("test_doubling_all_prices_by_hand")),
    ),
    "counties that enter held against all": (
        *(sophistication.decompose_between_units, "level - of_stay[flow.cell]", "level - aggregate[flow.cell]"),
        *(SOPHISTICATION, on("test_between_counties_proper_adds_up_and_is_its_definition", COUNTIES)),
    ),
    "first treated year in the fit": (
        *(comparative_study.comparative_study, "y.index >= start", "y.index > start"),
        *(SYNTHETIC_CONTROL, named("test_weights_lie_on_the_simplex_and_the_paths_add_up")),
    ),
    "predictors averaged over the treated years too": (
        *(comparative_study.comparative_study, "predictors, y.index[fitted].tolist()", "predictors, y.index.tolist()"),
        *(SYNTHETIC_CONTROL, named("test_the_balance_shows_predictors_in_their_own_units")),
    ),
    "n - 1 for n in the scale of the predictors": (
        *(synthetic_control.Design.distances, "everyone.std(axis=0)", "everyone.std(axis=0, ddof=1)"),
        *(SYNTHETIC_CONTROL, named("test_the_distance_from_the_hull_by_hand")),
    ),
    "predictors scaled by the donors alone": (
        *(synthetic_control.Design.distances, "= everyone.std(axis=0)", "= pool.features.std(axis=0)"),
        *(SYNTHETIC_CONTROL, named("test_a_donor_twice_leaves_the_synthetic_predictors_unchanged_at_equal_v")),
    ),
    "loss over all years": (
        *(
            synthetic_control.Design.distances,
            "(pool.paths - target.paths)[:, self.fitted]",
            "pool.paths - target.paths",
        ),
        *(SYNTHETIC_CONTROL, named("test_weights_lie_on_the_simplex_and_the_paths_add_up")),
    ),
    "means over all years taken out": (
        *(synthetic_control.synthetic_control, "y[study.fitted].mean(axis=0)", "y.mean(axis=0)"),
        *(SYNTHETIC_CONTROL, named("test_a_level_of_the_treated_unit_alone_does_not_matter_after_demeaning")),
    ),
    "squares of the predictor weights": (
        *(simplex.donor_weights, "predictors * np.sqrt(v)", "predictors * v"),
        *(SIMPLEX, named("test_the_search_is_no_worse_than_300_random_predictor_weights")),
    ),
    "treated units in a group of donors": (
        *(
            synthetic_placebo.placebo_fits,
            "design.donors.taken(member).mean()",
            "design.donors.taken(member).with_row(design.treated).mean()",
        ),
        *(SYNTHETIC_CONTROL, named("test_an_aggregate_is_compared_with_means_of_donors")),
    ),
    "placebos that may repeat themselves": (
        *(synthetic_placebo.placebo_fits, "design.donors.without(member)", "design.donors"),
        *(SYNTHETIC_CONTROL, named("test_an_aggregate_is_compared_with_means_of_donors")),
    ),
    "first treated year in the error before the treatment": (
        *(
            synthetic_placebo._statistics,
            "gaps[:, design.fitted], gaps",
            "gaps[:, [*design.fitted, design.fitted[-1] + 1]], gaps",
        ),
        *(SYNTHETIC_CONTROL, named("test_a_placebo_in_space_is_the_fit_of_that_donor_on_the_others")),
    ),
    "p-value without the treated unit among the placebos": (
        *(
            synthetic_placebo.PlaceboResult.p_value,
            "(1 + extreme.sum()) / (1 + len(drawn))",
            "extreme.sum() / len(drawn)",
        ),
        *(SYNTHETIC_CONTROL, named("test_a_placebo_in_space_is_the_fit_of_that_donor_on_the_others")),
    ),
    "placebo effects that count on one side alone": (
        *(
            synthetic_placebo.PlaceboResult.p_value,
            'np.abs(self._table["statistic"].to_numpy()[1:])',
            'self._table["statistic"].to_numpy()[1:]',
        ),
        *(SYNTHETIC_CONTROL, named("test_placebo_effects_of_either_sign_and_ties_count")),
    ),
    "ties that do not count": (
        *(synthetic_placebo.PlaceboResult.p_value, "drawn >= (1 - TIE)", "drawn > (1 + TIE)"),
        *(SYNTHETIC_CONTROL, named("test_placebo_effects_of_either_sign_and_ties_count")),
    ),
    "error of placebos over years that are not fitted": (
        *(synthetic_placebo._statistics, "gaps[:, design.fitted], gaps", "gaps[:, ~design.post], gaps"),
        *(SYNTHETIC_CONTROL, named("test_fit_periods_restrict_the_loss_and_the_error_of_placebos")),
    ),
    "treated years in a placebo in time": (
        *(
            synthetic_control.SyntheticControlResult.placebo_in_time,
            "self._data[self._data[time] < self.start]",
            "self._data",
        ),
        *(SYNTHETIC_CONTROL, named("test_a_placebo_in_time_sees_no_treated_period")),
    ),
    "slope of the mediator without the treatment": (
        *(
            mediation.mediation,
            "    products = shared.products(",
            "    alone = shared.regression(outcome, [mediator, *controls], level).estimate\n"
            "    second.estimate[mediator] = alone[mediator]\n"
            "    products = shared.products(",
        ),
        *(MEDIATION, without_fixtures("test_equations_are_the_three_regressions", cluster=None, holes=0)),
    ),
    "slope of the mediator in draws without the treatment": (
        *(mediation._paths, "mm, my, yy = mm - a * dm, my - a * dy, yy", "mm, my, yy = mm, my, yy"),
        *(MEDIATION, named("test_draws_do_not_lose_digits_on_controls_that_hardly_differ")),
    ),
    "rows drawn for clusters": (
        *(
            mediation._Shared.products,
            "np.split(columns[order], np.cumsum(np.bincount(self.codes))[:-1])",
            "np.split(columns[order], len(order))",
        ),
        *(MEDIATION, named("test_draws_do_not_lose_digits_on_controls_that_hardly_differ")),
    ),
    "acceleration of the bootstrap interval with the wrong sign": (
        *(resampling._bca_tails, "(1 - acceleration * shifted)", "(1 + acceleration * shifted)"),
        *(MEDIATION, named("test_intervals_by_hand")),
    ),
    "errors of a and b exchanged in the product's error": (
        *(
            mediation.MediationResult.to_frame,
            "np.hypot(self.a * self.second.std_error[self.mediator], self.b *",
            "np.hypot(self.b * self.second.std_error[self.mediator], self.a *",
        ),
        *(MEDIATION, named("test_intervals_by_hand")),
    ),
    "enlargement a year late": (
        *(chapters.enlargement_panel, 'rows["year"] >= ENLARGEMENT', 'rows["year"] > ENLARGEMENT'),
        *(CHAPTER_P1, on_a_simulation),
    ),
    "mean of the groups without their sizes": (
        *(
            audit_of_p1._average,
            "_total(n * x for x, n in groups) / sum(n for _, n in groups)",
            "_total(x for x, _ in groups) / len(groups)",
        ),
        *(AUDIT_P1, on_printed_numbers("test_what_is_inconsistent")),
    ),
}


def plain(function):
    """Without the dress of a property or class method."""
    return getattr(function, "fget", getattr(function, "__func__", function))


@pytest.fixture
def plant():
    planted = []

    def replace(function, right, wrong):
        function = plain(function)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(right) == 1, f"the line of this defect has moved: {right}"
        scope = dict(vars(inspect.getmodule(function)))
        exec(compile(f"from __future__ import annotations\n{source.replace(right, wrong)}", "<planted>", "exec"), scope)
        planted.append((function, function.__code__))
        function.__code__ = plain(scope[function.__name__]).__code__

    yield replace
    for function, code in planted:
        function.__code__ = code


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_suite_catches(defect, plant, definition, root):
    function, right, wrong, file, test = DEFECTS[defect]
    test(load(root / "tests" / file), definition)
    plant(function, right, wrong)
    tests = load(root / "tests" / file)  # without what the tests keep of the right code
    with pytest.raises((AssertionError, RegionError)):
        test(tests, definition)
