"""What the timings against peers leave behind: rows of ``data/results/benchmarks.csv``, which the book shows."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
import pytest

collect_ignore = ["peers"]  # scripts for other environments

RESULTS = Path(__file__).parents[2] / "data" / "results" / "benchmarks.csv"
KEYS = ["job", "size", "package", "way"]
MEASURED = ["version", "seconds", "peer_seconds", "ratio", "least_ratio", "scale"]
MACHINE = ["cores", "python", "numpy", "date"]
ROWS = pytest.StashKey[list[dict[str, Any]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--store-timings", action="store_true", help=f"write timings against peers to {RESULTS.name}")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[ROWS] = []


def pytest_sessionfinish(session: pytest.Session) -> None:
    rows = session.config.stash.get(ROWS, [])
    if rows and session.config.getoption("--store-timings", default=False):
        stored = pd.read_csv(RESULTS, dtype=str, keep_default_na=False) if RESULTS.is_file() else None
        merged(stored, rows).to_csv(RESULTS, index=False, lineterminator="\n")


def merged(stored: pd.DataFrame | None, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """The stored rows with those of this run in place of the same jobs, sorted; numbers as text."""
    new = pd.DataFrame([{name: _text(value) for name, value in row.items()} for row in rows])
    return pd.concat([stored, new]).drop_duplicates(KEYS, keep="last").sort_values(KEYS, ignore_index=True)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return "" if value is None else str(value)


def least_seconds(function: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The shortest time of several calls, and what the last one returned."""
    times, result = [], None
    for _ in range(rounds):
        start = perf_counter()
        result = function()
        times.append(perf_counter() - start)
    return min(times), result


@pytest.fixture
def versus(benchmark, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Time our way after ``benchmark`` has timed a peer's, keep the row and hold the ratio to its least value.

    Rows of a test that fails, for its ratio or for its numbers, are not kept.
    """
    rows: list[dict[str, Any]] = []
    failed = request.session.testsfailed

    def compare(
        ours: Callable[[], Any],
        *,
        job: str,
        size: str,
        package: str,
        way: str = "",
        timed: tuple[str, float] | None = None,
        scale: float = 1.0,
        at_least: float | None = None,
        rounds: int = 5,
    ) -> Any:
        """Return what ``ours`` returns.

        ``package`` is the peer, ``way`` how it is used where its name says too little, ``scale`` how many times the
        piece of the peer's work that was timed makes the whole. ``timed``, version and seconds, is of a peer in another
        environment, whose time ``benchmark`` does not have.
        """
        seconds, result = least_seconds(ours, rounds)
        its_version, piece = timed or (version(package), benchmark.stats.stats.min)
        theirs = piece * scale
        ratio = theirs / seconds
        keys = dict(zip(KEYS, (job, size, package, way), strict=True))
        measured = dict(zip(MEASURED, (its_version, seconds, theirs, ratio, at_least, scale), strict=True))
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        machine = zip(MACHINE, (os.cpu_count(), platform.python_version(), version("numpy"), today), strict=True)
        rows.append(keys | measured | dict(machine))
        benchmark.extra_info["times faster"] = round(ratio, 2)
        if at_least is not None:
            assert ratio > at_least, f"{job}: {ratio:.3g} times as fast as {package}, not {at_least:g}"
        return result

    yield compare
    if request.session.testsfailed == failed:
        request.config.stash[ROWS].extend(rows)


@pytest.fixture
def mlsynth(tmp_path: Path) -> Callable[[dict[str, Any], pd.DataFrame], dict[str, Any]]:
    """What ``peers/time_mlsynth.py`` says of a problem, in the environment whose Python REGIOMETRICS_PEERS names."""
    python = os.environ.get("REGIOMETRICS_PEERS")
    if not python:
        pytest.skip("REGIOMETRICS_PEERS names no Python with peers/requirements.txt")

    def ask(problem: dict[str, Any], panel: pd.DataFrame) -> dict[str, Any]:
        question, table = tmp_path / "problem.json", tmp_path / "panel.csv"
        question.write_text(json.dumps(problem), "utf-8")
        panel.to_csv(table, index=False)
        command = [python, str(Path(__file__).parent / "peers" / "time_mlsynth.py"), str(question), str(table)]
        answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
        return answer

    return ask
