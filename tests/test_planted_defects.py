"""Defects of a hurried hand: each is planted in the code of the library, and the test named must then fail."""

import inspect
import textwrap
from importlib.util import module_from_spec, spec_from_file_location

import pytest

from regiometrics.errors import RegionError
from regiometrics.estimate import convergence
from regiometrics.measure import inequality, quotient


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


INEQUALITY, QUOTIENT, CONVERGENCE = (
    "measure/test_inequality.py",
    "measure/test_quotient.py",
    "estimate/test_convergence.py",
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
        *(CONVERGENCE, named("test_log_t_equals_the_definition")),
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
    tests = load(root / "tests" / file)
    test(tests, definition)
    plant(function, right, wrong)
    with pytest.raises((AssertionError, RegionError)):
        test(tests, definition)
