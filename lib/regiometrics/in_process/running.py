"""Run a plan in this process, and put back afterwards what belongs to the process."""

from __future__ import annotations

import builtins
import io
import os
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from pathlib import Path
from typing import Any

from regiometrics.in_process.slicing import Plan, Statement
from regiometrics.report.record import Plain, collect

LOCK = threading.Lock()
"""Held while a notebook runs in this process: it owns the working folder, the standard streams and ``display``."""


def execute(needed: Plan, parameters: Mapping[str, Any], *, folder: Path) -> tuple[dict[str, Plain], str]:
    """Run a plan with some parameters and return the recorded values and the error, empty where there is none.

    One plan runs at a time in a process: meanwhile ``regiometrics.in_process.LOCK`` is held, since a run owns the
    working folder, the standard streams and ``display``.

    Parameters
    ----------
    needed : Plan
        Of `plan`.
    parameters : mapping
        All parameters of the notebook.
    folder : path
        Working folder of the run.

    Examples
    --------
    >>> import tempfile
    >>> from regiometrics.in_process import plan
    >>> cells = ["from regiometrics.report.record import record", "n = 1", "record(double=2 * n)"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     execute(plan(cells, 1), {"n": 4}, folder=Path(folder))
    ({'double': 8}, '')
    """
    shown: list[dict[str, Any]] = []
    with LOCK, _own_process(folder, shown) as names:
        error = _run(needed.head, names)
        names |= {name: deepcopy(value) for name, value in parameters.items()}  # no two share an object
        error = error or _run(needed.rest, names)
    return collect({"cells": [{"outputs": shown}]}), error


def _run(statements: Iterable[Statement], names: dict[str, Any]) -> str:
    """Execute statements; the error of the first that raises, with the number of its cell."""
    for statement in statements:
        try:
            exec(statement.code, names)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return f"cell {statement.cell}: {type(error).__name__}: {error}"
    return ""


@contextmanager
def _own_process(folder: Path, shown: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """A fresh namespace, with display caught and what belongs to the process put back afterwards."""
    from threadpoolctl import threadpool_limits

    with ExitStack() as stack:
        for context in (_environment(), chdir(folder), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())):
            stack.enter_context(context)
        stack.enter_context(threadpool_limits(1))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default", Warning)  # as in a fresh kernel
        stack.enter_context(_figures())
        display = stack.enter_context(_display(shown))
        yield {"__name__": "__main__", "__builtins__": builtins, "display": display}


@contextmanager
def _display(shown: list[dict[str, Any]]) -> Iterator[Any]:
    """A ``display`` that shows nothing and keeps the metadata, in the place of IPython's."""
    import IPython.display

    def display(*_objects: object, metadata: Mapping[str, Any] | None = None, **_options: object) -> None:
        shown.append({"metadata": dict(metadata or {})})

    before = IPython.display.display
    IPython.display.display = display
    try:
        yield display
    finally:
        IPython.display.display = before


@contextmanager
def _environment() -> Iterator[None]:
    """Variables of the environment as they were; figures need no screen."""
    before = dict(os.environ)
    if "matplotlib.pyplot" not in sys.modules:
        os.environ.setdefault("MPLBACKEND", "Agg")
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _figures() -> Iterator[None]:
    """Figures that a notebook left open are closed."""
    before = _open_figures()
    try:
        yield
    finally:
        for number in _open_figures() - before:
            sys.modules["matplotlib.pyplot"].close(number)


def _open_figures() -> set[int]:
    pyplot = sys.modules.get("matplotlib.pyplot")
    return set(pyplot.get_fignums()) if pyplot else set()
