"""System GMM against statspai, which wants an environment of its own (``make bench`` with one)."""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from regiometrics.data.files import data_file
from regiometrics.estimate.dynamic_panel import GmmSpec, dynamic_panel

PROBLEM = {"unit": "firm", "time": "year", "outcome": "n", "exogenous": ["w", "k"], "rounds": 20}
SCRIPT = Path(__file__).parent / "peers" / "time_gmm.py"


@pytest.fixture
def statspai(tmp_path):
    """What ``peers/time_gmm.py`` says of a problem, in the environment whose Python REGIOMETRICS_PEERS names."""
    python = os.environ.get("REGIOMETRICS_PEERS")
    if not python:
        pytest.skip("REGIOMETRICS_PEERS names no Python with peers/requirements.txt")

    def ask(problem, panel):
        question, table = tmp_path / "problem.json", tmp_path / "panel.csv"
        question.write_text(json.dumps(problem), "utf-8")
        panel.to_csv(table, index=False)
        command = [python, str(SCRIPT), str(question), str(table)]
        return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    return ask


@pytest.mark.benchmark(group="system GMM, EmplUK")
@pytest.mark.parametrize(("collapse", "count"), [(False, 38), (True, 11)], ids=["all lags", "collapsed"])
def test_peer_statspai(benchmark, versus, statspai, collapse, count):
    panel = pd.read_csv(data_file("reference", "empluk.csv"))
    options = {key: PROBLEM[key] for key in ("unit", "time", "outcome")}
    options |= {"regressors": ["w", "k"], "iv": ["w", "k"], "time_effects": False}
    options["gmm"] = {"n": GmmSpec(lags=(2, None), collapse=collapse)}
    peer = statspai(PROBLEM | {"collapse": collapse}, panel)
    benchmark.pedantic(dynamic_panel, (panel,), options, rounds=5, warmup_rounds=1)
    ours = versus(
        lambda: dynamic_panel(panel, **options),
        job="Two-step system GMM with corrected errors and tests",
        size=f"EmplUK, 140 firms x 9 years, {count} instruments",
        package="statspai",
        timed=(peer["version"], peer["seconds"]),
        rounds=20,
        at_least=1.0,
    )
    assert ours.n_instruments == peer["n_instruments"] == count
    np.testing.assert_allclose(ours.estimate, peer["estimates"], rtol=1e-7)
    np.testing.assert_allclose(ours.std_error, peer["errors"], rtol=1e-7)
    assert ours.hansen.statistic == pytest.approx(peer["hansen"], rel=1e-7)
