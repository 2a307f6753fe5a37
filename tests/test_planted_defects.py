"""Defects of a hurried hand: each is planted in the code of the library, and the test named must then fail."""

import inspect
import textwrap
from importlib.util import module_from_spec, spec_from_file_location

import pandas as pd
import pytest

from regiometrics import chapters
from regiometrics.errors import RegionError
from regiometrics.estimate import convergence, fixed_effects, inference, matching, modern_did, placebo, staggered
from regiometrics.measure import inequality, quotient
from regiometrics.report.audits import identities


def load(path):
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def by_hand(tests, _):
    for groups, expected in tests.HAND:
        tests.test_parts_equal_hand_arithmetic(groups, expected)


def by_definition(tests, definition):
    tests.test_parts_and_pairs_equal_the_pairwise_definition(definition=definition)


def named(test):
    return lambda tests, _: getattr(tests, test)()


def on_a_staggered_panel(tests, _):
    tests.test_design_codes_the_policy_and_leaves_the_table_alone(tests.panel_of(tests.STARTS))


def on_lights(tests, _):
    """Of two cities with two and three counties."""
    lights = pd.DataFrame({"county": list("abcde"), "year": 2012, "light": [1.0, 3, 2, 2, 5], "city": list("xxyyy")})
    tests.test_the_index_is_the_gini_coefficient_of_equation_3({"county_light": lights})


INEQUALITY, QUOTIENT, CONVERGENCE = (
    "measure/test_inequality.py",
    "measure/test_quotient.py",
    "estimate/test_convergence.py",
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
        *(CONVERGENCE, named("test_log_t_equals_the_definition")),
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
}


@pytest.fixture
def plant():
    planted = []

    def replace(function, right, wrong):
        function = getattr(function, "__func__", function)
        source = textwrap.dedent(inspect.getsource(function))
        assert source.count(right) == 1, f"the line of this defect has moved: {right}"
        scope = dict(vars(inspect.getmodule(function)))
        exec(compile(f"from __future__ import annotations\n{source.replace(right, wrong)}", "<planted>", "exec"), scope)
        changed = scope[function.__name__]
        planted.append((function, function.__code__))
        function.__code__ = getattr(changed, "__func__", changed).__code__

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
