"""Sweeps on Dask: processes of this machine, a scheduler on loopback, workers that die, and a sweep that is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from regiometrics.errors import RegionError
from regiometrics.sweep import Grid, cluster, engines, run
from regiometrics.sweep.identity import OtherFiles

PARAMETERS = """source: str = "shipped"  # shipped, or the path of a folder with your own tables
n: int = 0  # how many
wait: float = 0.0  # seconds"""
CODE = """import os, time
from pathlib import Path
time.sleep(wait)
if n == 13:
    os.kill(os.getpid(), 9)
if n == 7:
    raise RuntimeError("seven")
rows = len(Path(source, "a.csv").read_text()) if source != "shipped" else 0
record(square=n * n, rows=rows)"""


@pytest.fixture
def small(tmp_path):
    cells = ["from regiometrics.report.record import record", PARAMETERS, CODE]
    made = [nbformat.v4.new_code_cell(cell) for cell in cells]
    made[1]["metadata"]["tags"] = ["parameters"]
    path = tmp_path / "small.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=made), path)
    return path


@contextmanager
def scheduler_of(folder: Path, n_workers: int):
    """A scheduler and workers as processes of their own; yields the scheduler's address."""
    dask, address = [sys.executable, "-m", "dask"], folder / "scheduler.json"
    place = ["--scheduler-file", str(address)]
    commands = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", *place]]
    commands += [
        [*dask, "worker", "--nthreads", "1", "--no-dashboard", "--local-directory", str(folder), *place]
    ] * n_workers
    started = [subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) for command in commands]
    try:
        for _ in range(300):
            if address.is_file() and address.read_text("utf-8").strip().endswith("}"):
                break
            time.sleep(0.1)
        yield pd.read_json(address, typ="series")["address"]
    finally:
        for process in reversed(started):
            process.terminate()
        for process in reversed(started):
            process.wait(20)


def comparable(table: pd.DataFrame) -> pd.DataFrame:
    return table.drop(columns=["seconds", "engine"])


@pytest.fixture
def threads(monkeypatch):
    """Two workers of a Dask cluster inside this process, which nothing has to be imported for."""
    import distributed

    @contextmanager
    def client(workers, scheduler):
        options = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": "127.0.0.1:0"}
        with distributed.LocalCluster(**options) as local, distributed.Client(local) as made:
            yield made

    monkeypatch.setattr(cluster, "_client", client)


def test_a_run_whose_worker_died_gets_one_more_try_alone(small, tmp_path, monkeypatch, threads):
    from distributed.scheduler import KilledWorker

    by_plan, tried = engines._by_plan, []

    def dying(task, *further):
        n = task.parameters["n"]
        tried.append(n)
        if n == 13 or (n == 3 and tried.count(3) == 1):
            raise KilledWorker("one", SimpleNamespace(address="tcp://one"), 0)
        if n == 4:
            raise MemoryError("no memory")
        return by_plan(task, *further)

    monkeypatch.setattr(engines, "_by_plan", dying)
    table = run(Grid("s", grid={"n": [1, 13, 3, 4]}, notebook=small), out=tmp_path, in_process=True, progress=False)
    worker = "the worker process died while it ran this"
    assert table["error"].tolist() == ["", worker, "", "the worker failed: MemoryError: no memory"]
    assert sorted(tried) == [1, 3, 3, 4, 13, 13]


def test_a_worker_with_another_version_stops_the_sweep(small, tmp_path, monkeypatch, threads):
    def older(*given):
        raise OtherFiles("the library")

    monkeypatch.setattr(engines, "_by_plan", older)
    with pytest.raises(RegionError, match="a worker has another version of the library"):
        run(Grid("s", grid={"n": [1, 2, 3]}, notebook=small), out=tmp_path, in_process=True, progress=False)
    assert not list(tmp_path.glob("*.json")) and len(pd.read_parquet(tmp_path / "results.parquet")) == 0


def test_a_process_of_its_own_gives_the_table_and_is_quiet(small, tmp_path, capfd):
    grid = Grid("s", grid={"n": [1, 2]}, notebook=small)
    there = run(grid, out=tmp_path / "there", workers=1, in_process=True, progress=False)
    here = run(grid, out=tmp_path / "here", workers=0, in_process=True, progress=False)
    assert_frame_equal(comparable(here), comparable(there), check_exact=True)
    assert capfd.readouterr().err == ""


@pytest.mark.slow
def test_a_worker_that_dies_costs_its_own_run_alone(small, tmp_path):
    grid = Grid("s", grid={"n": [1, 13, 7, 5]}, notebook=small)
    table = run(grid, out=tmp_path / "out", in_process=True, progress=False)
    died = "the worker process died while it ran this"
    assert table["error"].tolist() == ["", died, "cell 3: RuntimeError: seven", ""]
    assert table["square"].dropna().tolist() == [1, 25]


def test_an_absent_scheduler_is_named(small, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster, "_SECONDS_FOR_A_SCHEDULER", 1)
    with pytest.raises(RegionError, match="no scheduler with workers at tcp://127.0.0.1:1"):
        run(Grid("s", notebook=small), out=tmp_path / "out", scheduler="tcp://127.0.0.1:1", progress=False)


@pytest.mark.slow
def test_a_scheduler_gives_the_table_of_this_machine(small, tmp_path):
    own = tmp_path / "own"
    own.mkdir()
    (own / "a.csv").write_text("abc", "utf-8")
    grid = Grid("s", {"source": str(own)}, {"n": list(range(8))}, notebook=small)
    here = run(grid, out=tmp_path / "here", progress=False)
    warm = run(grid, out=tmp_path / "warm", in_process=True, progress=False)
    with scheduler_of(tmp_path, 2) as address:
        there = run(grid, out=tmp_path / "there", scheduler=address, progress=False)
        warm_there = run(grid, out=tmp_path / "warm_there", scheduler=address, in_process=True, progress=False)
    assert set(here["rows"].dropna()) == {3}
    for other in (warm, there, warm_there):
        assert_frame_equal(comparable(here), comparable(other), check_exact=True)


SCRIPT = """import sys
from pathlib import Path
from regiometrics.sweep import Grid, run
if __name__ == "__main__":
    notebook, out, workers, engine, n_runs = sys.argv[1:]
    grid = Grid("s", {"wait": 0.1}, {"n": list(range(14, 14 + int(n_runs)))}, notebook=Path(notebook))
    run(grid, out=out, workers=int(workers), in_process=engine == "warm", progress=False)
"""


def killed_at_random(small, tmp_path, *, times: int, workers: int, engine: str, span: float, n_runs: int) -> None:
    """Kill a sweep again and again, up to ``span`` seconds after it started or kept a run; then let it finish.

    What is kept then equals what a sweep gives that nobody disturbed.
    """
    script, out, moments = tmp_path / "sweep.py", tmp_path / "out", random.Random(8)
    script.write_text(SCRIPT, "utf-8")
    command = [sys.executable, str(script), str(small), str(out), str(workers), engine, str(n_runs)]
    finished: dict[Path, bytes] = {}
    for kill in range(times):
        wanted = min(n_runs, len(finished) + 1) if kill % 2 == 0 else 0
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, start_new_session=True)
        while process.poll() is None and len(list(out.glob("*.json"))) < wanted:
            time.sleep(0.02)
        time.sleep(moments.uniform(0.0, span))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        now = {path: path.read_bytes() for path in out.glob("*.json")}
        assert all(now.get(path) == content for path, content in finished.items()), "a finished run was lost or changed"
        assert all(json.loads(content)["error"] == "" for content in now.values())
        finished = now
    assert 0 < len(finished) < n_runs
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 0
    undisturbed = tmp_path / "undisturbed"
    grid = Grid("s", {"wait": 0.1}, {"n": list(range(14, 14 + n_runs))}, notebook=small)
    run(grid, out=undisturbed, workers=workers, in_process=engine == "warm", progress=False)
    tables = [pd.read_parquet(folder / "results.parquet") for folder in (out, undisturbed)]
    assert_frame_equal(*(table.drop(columns="seconds") for table in tables), check_exact=True)
    assert len(tables[0]) == n_runs and (tables[0]["error"] == "").all()
    assert all((out / path.name).read_bytes() == content for path, content in finished.items())
    assert list(out.glob(".*")) == []


def test_a_killed_sweep_goes_on_where_it_stood(small, tmp_path):
    killed_at_random(small, tmp_path, times=1, workers=0, engine="warm", span=0.3, n_runs=8)


@pytest.mark.slow
def test_ten_kills_lose_and_corrupt_nothing(small, tmp_path):
    killed_at_random(small, tmp_path, times=10, workers=2, engine="warm", span=0.4, n_runs=40)


@pytest.mark.slow
def test_ten_kills_of_notebook_runs_lose_and_corrupt_nothing(small, tmp_path):
    killed_at_random(small, tmp_path, times=10, workers=2, engine="notebook", span=3.0, n_runs=24)
