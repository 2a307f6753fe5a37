"""What ``versus`` keeps: one row a comparison, of tests that pass, beside the rows of jobs that did not run."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

BENCH = """
import time

def compare(benchmark, versus, job, **options):
    benchmark.pedantic(time.sleep, (0.002,), rounds=2)
    return versus(lambda: 7, job=job, size="small", package="numpy", **options)

def test_row(benchmark, versus):
    assert compare(benchmark, versus, "row", scale=10.0, at_least=2.0, way="loop") == 7

def test_too_slow(benchmark, versus):
    compare(benchmark, versus, "too slow", at_least=1e12)

def test_other_numbers(benchmark, versus):
    assert compare(benchmark, versus, "other numbers") == 8

def test_elsewhere(benchmark, versus):
    benchmark.pedantic(int)
    versus(lambda: time.sleep(0.01), job="elsewhere", size="small", package="peer", timed=("1.0", 5.0))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "data" / "results").mkdir(parents=True)
    (tmp_path / "tests" / "benchmarks").mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "conftest.py", tmp_path / "tests" / "benchmarks")
    (tmp_path / "tests" / "benchmarks" / "test_bench.py").write_text(BENCH)
    return tmp_path


def bench(folder, *options):
    plugins = ["-p", "pytest_benchmark.plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugins, "--benchmark-only", "tests/benchmarks", *options]
    outside = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}  # of this run
    alone = outside | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(command, cwd=folder, env=alone, capture_output=True, text=True).stdout


def test_rows_of_passed_tests_are_kept_and_those_of_other_jobs_stay(folder):
    file = folder / "data" / "results" / "benchmarks.csv"
    assert "1 passed" in bench(folder, "-k", "row") and not file.exists()  # nothing is written unasked

    first = bench(folder, "--store-timings")
    assert "2 failed, 2 passed" in first and "too slow: " in first
    rows = pd.read_csv(file, dtype={"version": str}).set_index("job")
    assert rows.index.tolist() == ["elsewhere", "row"]
    assert rows.loc["row", ["way", "scale", "least_ratio"]].tolist() == ["loop", 10, 2]
    assert rows.loc["row", "peer_seconds"] >= 0.02
    assert rows.loc["row", "ratio"] == pytest.approx(rows.loc["row", "peer_seconds"] / rows.loc["row", "seconds"], 0.02)
    assert rows.loc["elsewhere", ["package", "version", "peer_seconds"]].tolist() == ["peer", "1.0", 5]
    assert rows.loc["elsewhere", "ratio"] == pytest.approx(5 / rows.loc["elsewhere", "seconds"], rel=0.02)
    assert rows["least_ratio"].isna().tolist() == [True, False]

    before = file.read_text().splitlines()
    file.write_text("\n".join([*before, before[2].replace(",loop,", ",other loop,")]).replace(",10,", ",11,") + "\n")
    bench(folder, "--store-timings", "-k", "row")
    after = file.read_text().splitlines()
    assert len(after) == 4 and after[1] == before[1]
    assert ",loop," in after[2] and ",10," in after[2] and ",other loop," in after[3] and ",11," in after[3]
