"""Defects of a hurried hand: each is planted in a copy of the library, and the tests named must fail there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

INEQUALITY = "measure/inequality.py"
QUOTIENT = "measure/quotient.py"

# defect: module, the test that must catch it, the right text, the planted text
DEFECTS = {
    "n - 1 for n in the coefficient of variation": (
        INEQUALITY,
        "test_coefficient_of_variation_divides_by_n_or_n_minus_1",
        "grouped.std(ddof=ddof)",
        "grouped.std(ddof=1)",
    ),
    "within and between exchanged": (
        INEQUALITY,
        "test_parts_equal_hand_arithmetic",
        '{"within": within, "between_net": between',
        '{"within": between, "between_net": within',
    ),
    "n for n - 1 in the sorted Gini": (INEQUALITY, "test_parts_equal_hand_arithmetic", "balance -= w\n", "\n"),
    "population shares forgotten in the within part": (
        INEQUALITY,
        "test_parts_equal_hand_arithmetic",
        "within_cells.weight * within_cells.total / (whole.weight * whole.total)",
        "within_cells.total / whole.total",
    ),
    "pooled Gini without the groups' own differences": (
        INEQUALITY,
        "test_parts_and_pairs_equal_the_pairwise_definition",
        "sums[a, a] + 2 *",
        "2 *",
    ),
    "quotient turned upside down": (
        QUOTIENT,
        "test_quotient_by_hand_against_a_wider_nation",
        "(used[value] / in_unit) / (in_industry / everything)",
        "(in_industry / everything) / (used[value] / in_unit)",
    ),
    "depth forgotten in the index": (QUOTIENT, "test_index_by_hand", "else quality + both", "else quality"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_the_suite_catches(defect, root, tmp_path):
    module, test, right, wrong = DEFECTS[defect]
    shutil.copytree(root / "lib", tmp_path / "lib", ignore=shutil.ignore_patterns("__pycache__"))
    planted = tmp_path / "lib" / "regiometrics" / module
    source = planted.read_text()
    assert source.count(right) == 1, f"the line of this defect has moved: {right}"
    planted.write_text(source.replace(right, wrong))
    pytest_here = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist"]
    pytest_here.append(f"tests/{Path(module).parent}/test_{Path(module).name}::{test}")
    env = os.environ | {
        "PYTHONPATH": str(tmp_path / "lib"),
        "REGIOMETRICS_DATA": str(root / "data"),
        "HYPOTHESIS_PROFILE": "planted",
        "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path / "hypothesis"),
    }
    run = subprocess.run(pytest_here, cwd=root, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 1, run.stdout[-2000:]  # 1: tests ran and failed; anything else is a broken run
