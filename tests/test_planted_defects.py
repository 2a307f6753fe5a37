"""Defects of a hurried hand: each is planted in the code of the library, and the test named must then fail."""

import inspect
import textwrap
from importlib.util import module_from_spec, spec_from_file_location

import numpy as np
import pandas as pd
import pytest

from regiometrics import chapters
from regiometrics.errors import RegionError
from regiometrics.estimate import (
    comparative_study,
    convergence,
    dynamic_panel,
    fixed_effects,
    inference,
    matching,
    maximum_entropy,
    mediation,
    modern_did,
    placebo,
    resampling,
    simplex,
    staggered,
    synthetic_control,
    synthetic_placebo,
)
from regiometrics.measure import (
    efficiency,
    frontier,
    hierarchy,
    inequality,
    quotient,
    sophistication,
    specialization,
    two_city_model,
)
from regiometrics.report.audits import identities, reconstruction
from regiometrics.report.audits import p1 as audit_of_p1
from regiometrics.report.audits import p4 as audit_of_p4
from regiometrics.simulate import p2 as simulation_of_p2


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


def on_printed_output(test):
    """On the part of the audit of p4 that is about output."""

    def run(tests, _):
        found = audit_of_p4._output(audit_of_p4.PrintedTables.read())
        getattr(tests, test)({f.id.removeprefix("p4.audit."): f.check for f in found})

    return run


def on_clusters(test, **arguments):
    """On two clusters of regions over three years."""
    return lambda tests, _: getattr(tests, test)(tests.panel.__wrapped__(), **arguments)


def on_a_simulation(tests, _):
    tests.test_the_simulated_panel_has_the_planted_path(chapters.load("p1", "simulated", seed=5))


def on_a_staggered_panel(tests, _):
    tests.test_design_codes_the_policy_and_leaves_the_table_alone(tests.panel_of(tests.STARTS))


def on_lights(tests, _):
    """Of two cities with two and three counties."""
    lights = pd.DataFrame({"county": list("abcde"), "year": 2012, "light": [1.0, 3, 2, 2, 5], "city": list("xxyyy")})
    tests.test_the_index_is_the_gini_coefficient_of_equation_3({"county_light": lights})


def on_uk_firms(test):
    return lambda tests, _: getattr(tests, test)(tests.empluk.__wrapped__())


def on_growth(test, **arguments):
    """On the simulated panel of p2, its chapter's columns where the test asks for them."""

    def run(tests, _):
        bundle = tests.panel(seed=0)
        getattr(tests, test)(bundle, tests.growth_panel(bundle.tables), **arguments)

    return run


def against_the_definition(case, transform="fd"):
    return without_fixtures("test_arrays_equal_the_definition", name=case, transform=transform, holes=False)


def against_the_programs(orientation="none", returns="crs"):
    """On two inputs, one good and one bad output."""

    def run(tests, _):
        tests.test_scores_equal_one_linear_program_per_unit(orientation, returns, tests.ROLES)

    return run


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
EFFICIENCY, CAPITAL, HIERARCHY, TWO_CITIES, DYNAMIC_PANEL, GROWTH = (
    "measure/test_efficiency.py",
    "measure/test_capital.py",
    "measure/test_hierarchy.py",
    "measure/test_two_city_model.py",
    "estimate/test_dynamic_panel.py",
    "simulate/test_sim_p2.py",
)
CHAPTER, IDENTITIES = "test_chapters_p5.py", "report/audits/test_identities.py"
CHAPTER_P1, AUDIT_P1 = "test_chapters_p1.py", "report/audits/test_audit_p1.py"
SPECIALIZATION, MAXIMUM_ENTROPY, RECONSTRUCTION, AUDIT_P4 = (
    "measure/test_specialization.py",
    "estimate/test_maximum_entropy.py",
    "report/audits/test_reconstruction.py",
    "report/audits/test_audit_p4.py",
)
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
        *(comparative_study.comparative_study, "times >= start", "times > start"),
        *(SYNTHETIC_CONTROL, named("test_weights_lie_on_the_simplex_and_the_paths_add_up")),
    ),
    "predictors averaged over the treated years too": (
        *(comparative_study.comparative_study, "predictors, times[fitted].tolist()", "predictors, times.tolist()"),
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
    "inputs less one in the mean over inputs": (
        *(efficiency._Measures.weights, "saving[:, :m] = 1 / m", "saving[:, :m] = 1 / (m - 1)"),
        *(EFFICIENCY, against_the_programs()),
    ),
    "good outputs alone in the count of the denominator": (
        *(efficiency._Measures.weights, "counted / counted.sum(", "counted / counted[:, : len(self.good)].sum("),
        *(EFFICIENCY, against_the_programs()),
    ),
    "more of the bad output taken for better": (
        *(efficiency._Measures.signs, "[1.0, -1.0, 1.0]", "[1.0, -1.0, -1.0]"),
        *(EFFICIENCY, against_the_programs()),
    ),
    "intensities that need not sum to one under variable returns": (
        *(frontier.Frontier._homogeneous, "np.ones(len(measures))", "np.zeros(len(measures))"),
        *(EFFICIENCY, against_the_programs(returns="vrs")),
    ),
    "an optimal basis without a look at its reduced costs": (
        *(frontier.Frontier._at_basis, "optimal = (worth <= 0).all(axis=1)", "optimal = np.ones(len(at), dtype=bool)"),
        *(EFFICIENCY, against_the_programs(returns="vrs")),
    ),
    "a global frontier of the rows efficient in another year": (
        *(
            efficiency._Programs.solve,
            "own.score >= 1 - EFFICIENT",
            "np.roll(own.score, int((self.period == 0).sum())) >= 1 - EFFICIENT",
        ),
        *(
            EFFICIENCY,
            without_fixtures(
                "test_rows_inefficient_in_their_own_year_change_no_score_of_a_longer_frontier",
                frontier="global",
                orientation="none",
                returns="crs",
            ),
        ),
    ),
    "a window that begins a year early": (
        *(efficiency._references, "(lag < window)", "(lag <= window)"),
        *(EFFICIENCY, without_fixtures("test_limits_of_the_window_are_own_year_and_all_years_so_far", returns="crs")),
    ),
    "super-efficiency against the unit itself": (
        *(efficiency._Programs.exceed, "reference[reference != row]", "reference[reference >= 0]"),
        *(
            EFFICIENCY,
            without_fixtures(
                "test_super_efficiency_equals_a_linear_program_without_the_unit", returns="crs", bad="so2"
            ),
        ),
    ),
    "reserves of measures that are not in the score": (
        *(
            efficiency._Programs.exceed,
            "(self.saving[row] > 0) | (self.growth[row] > 0)",
            "np.ones(len(self.saving[row]), dtype=bool)",
        ),
        *(
            EFFICIENCY,
            without_fixtures(
                "test_oriented_super_efficiency_lets_only_the_scored_measures_get_worse", orientation="input", bad=()
            ),
        ),
    ),
    "reserves counted as slacks": (
        *(
            frontier.Frontier.__init__,
            "np.where(reserve, -np.inf, 0.0), 0.0",
            "0.0, np.where(reserve, np.inf, 0.0)",
        ),
        *(
            EFFICIENCY,
            without_fixtures(
                "test_super_efficiency_equals_a_linear_program_without_the_unit", returns="crs", bad="so2"
            ),
        ),
    ),
    "efficiency change and best-practice change exchanged": (
        *(
            efficiency.gml_index,
            "own=own.score, gap=pooled.score / own.score",
            "own=pooled.score / own.score, gap=own.score",
        ),
        *(EFFICIENCY, named("test_global_index_is_efficiency_change_times_best_practice_change_and_chains")),
    ),
    "new investment depreciated": (
        *(efficiency._accumulate, "* stock[:, t - 1] + flow[:, t]", "* (stock[:, t - 1] + flow[:, t])"),
        *(CAPITAL, named("test_stocks_follow_hand_arithmetic")),
    ),
    "a first stock from the investment of its own year": (
        *(
            efficiency._first_stocks,
            "np.where(flow[:, 1] > 0, flow[:, 1], np.nan)",
            "np.where(flow[:, 0] > 0, flow[:, 0], np.nan)",
        ),
        *(CAPITAL, on("test_a_steady_path_stays_steady_from_shans_first_stock", 0.1, 0.1)),
    ),
    "growth over one year more than it is": (
        *(efficiency._first_stocks, "** (1 / years)", "** (1 / (years + 1))"),
        *(CAPITAL, on("test_a_steady_path_stays_steady_from_shans_first_stock", 0.1, 0.1)),
    ),
    "investment times its prices": (
        *(efficiency.capital_stock, "used[investment] / prices", "used[investment] * prices"),
        *(CAPITAL, named("test_stocks_follow_hand_arithmetic")),
    ),
    "the directions of centres and others exchanged": (
        *(quotient.division_index, "ratio.where(is_centre, 1 / ratio)", "(1 / ratio).where(is_centre, ratio)"),
        *(QUOTIENT, named("test_division_by_hand_and_a_city_alone_is_its_cluster")),
    ),
    "a cluster without the city itself": (
        *(quotient.division_index, '.transform("sum")', '.transform("sum") - used[[services, manufacturing]]'),
        *(QUOTIENT, named("test_division_by_hand_and_a_city_alone_is_its_cluster")),
    ),
    "own value over that of the centres": (
        *(hierarchy.disparity, "centre / used[value] if", "used[value] / centre if"),
        *(
            HIERARCHY,
            without_fixtures(
                "test_distance_to_the_mean_of_the_centres_and_none_for_centres",
                form="log_ratio",
                expected=np.log([3.5, 2.5, 1.25]),
            ),
        ),
    ),
    "centres averaged with the others": (
        *(hierarchy.disparity, "used[value].where(is_centre)", "used[value]"),
        *(
            HIERARCHY,
            without_fixtures(
                "test_distance_to_the_mean_of_the_centres_and_none_for_centres",
                form="difference",
                expected=[0.5, 0.6, 0.2],
            ),
        ),
    ),
    "ranks for their logarithms": (
        *(hierarchy._fixed, "np.log(np.arange(1, len(log_size) + 1))", "np.arange(len(log_size))"),
        *(HIERARCHY, without_fixtures("test_exact_power_law_returns_its_exponent_and_intercept", method="fixed", q=1)),
    ),
    "ranks that are not moved by one half": (
        *(hierarchy._inverse_regression, " - 0.5)", ")"),
        *(
            HIERARCHY,
            without_fixtures("test_exact_power_law_returns_its_exponent_and_intercept", method="gabaix_ibragimov", q=1),
        ),
    ),
    "a cluster at the threshold with one centre": (
        *(hierarchy.centre_count, '["q"] > threshold', '["q"] >= threshold'),
        *(HIERARCHY, named("test_exponent_exactly_at_the_threshold_counts_as_polycentric")),
    ),
    "the largest city removed": (
        *(hierarchy._path, "slice(1, 1 + m)", "slice(0, m)"),
        *(HIERARCHY, named("test_path_names_the_cities_that_go_and_ends_with_largest_and_smallest")),
    ),
    "printed formulas compared at the price of one": (
        *(
            two_city_model.check_printed,
            "sp.factor(formula - derived[quantity])",
            "sp.factor((formula - derived[quantity]).subs(PRICE, 1))",
        ),
        *(TWO_CITIES, named("test_one_printed_formula_is_wrong_and_the_rest_right")),
    ),
    "a slip of the paper mended in silence": (
        *(two_city_model._printed, "PRICE**2 * ALPHA**2", "PRICE * ALPHA**2"),
        *(TWO_CITIES, named("test_one_printed_formula_is_wrong_and_the_rest_right")),
    ),
    "differenced errors taken for independent": (
        *(
            dynamic_panel._Stacked.gram,
            "flat = back.reshape(",
            "flat = np.hstack([2**0.5 * self.z[:, :n_rows], self.z[:, n_rows:]]).reshape(",
        ),
        *(DYNAMIC_PANEL, against_the_definition("difference")),
    ),
    "differences and levels taken for independent": (
        *(
            dynamic_panel._Stacked.gram,
            "back += self.z[:, n_rows:]",
            "back = np.hstack([back, self.z[:, n_rows:]])",
        ),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "Windmeijer's term with the other sign": (
        *(dynamic_panel._Fit.corrected, "self.bread + cross + cross.T", "self.bread - cross - cross.T"),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "Windmeijer's term left out": (
        *(dynamic_panel._Fit.corrected, "self.bread + cross + cross.T", "self.bread"),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "half of the derivative of the weights": (
        *(
            dynamic_panel._Fit.corrected,
            "own + first.moments.T @ np.einsum('imk,m->ik', products, lever)".replace("'", '"'),
            "own",
        ),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "differences of the level equation one period early": (
        *(dynamic_panel._Instruments.add, "max(nearest - 1, 0)", "nearest"),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "the furthest lag left out": (
        *(dynamic_panel._Instruments.add, "range(nearest, furthest + 1)", "range(nearest, furthest)"),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "lags of the differenced equation counted from the period before": (
        *(dynamic_panel._Instruments.add, "start - lag,", "start - lag - 1,"),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "collapsed instruments averaged over periods": (
        *(
            dynamic_panel._Instruments._fill,
            "piece.stop), values[:, piece])",
            "piece.stop), values[:, piece].mean(axis=1, keepdims=True))",
        ),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "time dummies as they are among the instruments of differences": (
        *(
            dynamic_panel._Stacked.of,
            "own_z = deviations.forward(own)",
            "own_z = np.concatenate([deviations.forward(levels.iv), dummies[:, 1:]], axis=2)",
        ),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "orthogonal deviations without their scale": (
        *(dynamic_panel._Deviations._scale, "np.sqrt(later / (later + 1))", "1.0"),
        *(DYNAMIC_PANEL, against_the_definition("system", "fod")),
    ),
    "Hansen's statistic under the one-step weights": (
        *(dynamic_panel.dynamic_panel, "_overidentified(second.criterion", "_overidentified(first.criterion"),
        *(DYNAMIC_PANEL, against_the_definition("system")),
    ),
    "Sargan's variance over n - K": (
        *(
            dynamic_panel._Stacked.variance,
            "int(self.deviations.valid.sum())",
            "(int(self.deviations.valid.sum()) - len(coefficients))",
        ),
        *(DYNAMIC_PANEL, on_uk_firms("test_system_gmm_equals_xtabond2")),
    ),
    "serial correlation without the covariance of coefficients and residuals": (
        *(dynamic_panel._serial_correlation, "products @ products - 2 * pulled @ joint", "products @ products"),
        *(DYNAMIC_PANEL, on_uk_firms("test_system_gmm_equals_xtabond2")),
    ),
    "planted coefficients in another order": (
        *(
            simulation_of_p2._by_city,
            "planted.reindex(columns=terms)",
            "planted.reindex(columns=sorted(terms)).set_axis(terms, axis=1)",
        ),
        *(GROWTH, on_growth("test_the_static_equation_is_recovered", central=False)),
    ),
    "the coefficients of centres planted in the others": (
        *(simulation_of_p2._by_city, '"central", "non_central")', '"non_central", "central")'),
        *(GROWTH, on_growth("test_the_static_equation_is_recovered", central=False)),
    ),
    "disparity planted with the sign of efficiency": (
        *(simulation_of_p2._coefficients, "term, -value)", "term, value)"),
        *(GROWTH, on_growth("test_disparity_has_the_other_sign")),
    ),
    "employment that divides all cities as centres": (
        *(simulation_of_p2._employment, "np.where(central, ln_div, -ln_div)", "ln_div"),
        *(GROWTH, without_fixtures("test_the_chain_returns_efficiency_division_and_capital", equation="static")),
    ),
    "half of Krugman's index": (
        *(specialization.relative_specialization, "scale * gap}", "scale * gap / 2}"),
        *(SPECIALIZATION, on_clusters("test_relative_index_is_its_definition_by_loops", reference="rest")),
    ),
    "the cluster for its rest": (
        *(specialization._Grid.reference, '_others(own) if kind == "rest" else', ""),
        *(SPECIALIZATION, on_clusters("test_relative_index_is_its_definition_by_loops", reference="rest")),
    ),
    "absolute value of the sum of the gaps": (
        *(
            specialization.relative_specialization,
            "np.abs(grid.shares - _shares(grid.reference(reference))).sum(axis=2)",
            "np.abs((grid.shares - _shares(grid.reference(reference))).sum(axis=2))",
        ),
        *(SPECIALIZATION, on_clusters("test_relative_index_is_its_definition_by_loops", reference="rest")),
    ),
    "the widest gap for the sum of the gaps of a pair": (
        *(specialization.interregional_specialization, '"cityblock"', '"chebyshev"'),
        *(SPECIALIZATION, on_clusters("test_pair_index_is_its_definition_by_loops")),
    ),
    "shares of the regions in an industry in the quotient": (
        *(
            specialization.advantage_sectors,
            "grid.shares[t, i, k] / _shares(base)",
            "_shares(grid.output.swapaxes(1, 2))[t, k, i] / _shares(base)",
        ),
        *(SPECIALIZATION, on_clusters("test_advantages_are_counted_within_the_cluster_by_loops")),
    ),
    "regions with an advantage counted over all clusters": (
        *(specialization.advantage_sectors, "(t, grid.cluster[i], k)", "(t, 0 * i, k)"),
        *(SPECIALIZATION, on_clusters("test_advantages_are_counted_within_the_cluster_by_loops")),
    ),
    "share of the sums of a period": (
        *(
            specialization.intensity_shares,
            "shares[span].mean(axis=0)",
            "_shares(grid.output[span].sum(axis=0)) @ belongs",
        ),
        *(SPECIALIZATION, on_clusters("test_share_of_a_period_is_the_mean_of_its_years")),
    ),
    "sectors in common read as at least so many": (
        *(
            reconstruction._Count.following,
            "if not state_after & self.guards:",
            "state_after = state | mark if state_after & self.guards else state_after\n        if True:",
        ),
        *(
            RECONSTRUCTION,
            on("test_count_is_that_of_all_tables_tried_one_by_one", [("count", "a", "b", "", "1")], "none"),
        ),
    ),
    "provinces of a sector read as at least so many": (
        *(reconstruction._Claim.allows, "pattern.bit_count() == self.count", "pattern.bit_count() >= self.count"),
        *(
            RECONSTRUCTION,
            on("test_count_is_that_of_all_tables_tried_one_by_one", [("provinces", "", "", "x", "1")], "none"),
        ),
    ),
    "a sector that no province of its own reference has": (
        *(reconstruction._count, 'not (reference == "cluster" and pattern in (0, everywhere))', "True"),
        *(
            RECONSTRUCTION,
            on("test_count_is_that_of_all_tables_tried_one_by_one", [("has", "a", "", "x", "")], "cluster"),
        ),
    ),
    "a rest whose weights do not add up to one": (
        *(reconstruction._weights, "others / others.sum(axis=1, keepdims=True)", "others / size.sum()"),
        *(RECONSTRUCTION, named("test_the_ceiling_of_an_index_is_the_weighted_mean_of_its_pairs")),
    ),
    "multipliers of inequalities with the other sign": (
        *(maximum_entropy.nearest_table, "- a.T @ y - g.T @ z", "- a.T @ y + g.T @ z"),
        *(MAXIMUM_ENTROPY, named("test_bounds_by_hand")),
    ),
    "a cap taken for a floor": (
        *(maximum_entropy.nearest_table, "-constraints.rows[above]", "constraints.rows[above]"),
        *(MAXIMUM_ENTROPY, named("test_bounds_by_hand")),
    ),
    "the most even table for the one nearest to the prior": (
        *(maximum_entropy.nearest_table, "np.log(x / p)", "np.log(x)"),
        *(
            MAXIMUM_ENTROPY,
            without_fixtures("test_margins_alone_give_the_table_of_iterative_proportional_fitting", repeated=False),
        ),
    ),
    "a corrector that may go round in circles": (
        *(maximum_entropy.nearest_table, "if step < PATIENCE:", "if step < max_iter:"),
        *(MAXIMUM_ENTROPY, on("test_a_table_that_meets_the_first_order_conditions_is_returned", 4)),
    ),
    "printed shares taken for exact": (
        *(
            audit_of_p4._output,
            "equal(100 * output / whole, shares[province])",
            "equal(100 * output / whole, Rounded.exact(shares[province].value))",
        ),
        *(AUDIT_P4, on_printed_output("test_output_adds_up")),
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
        chapters._simulated.cache_clear()

    yield replace
    for function, code in planted:
        function.__code__ = code
    chapters._simulated.cache_clear()


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_suite_catches(defect, plant, definition, root):
    function, right, wrong, file, test = DEFECTS[defect]
    test(load(root / "tests" / file), definition)
    plant(function, right, wrong)
    tests = load(root / "tests" / file)  # without what the tests keep of the right code
    with pytest.raises((AssertionError, RegionError)):
        test(tests, definition)
