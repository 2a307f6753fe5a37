"""Values that an executed notebook keeps: for prose (glue), for sweeps and for the ledger page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from regiometrics.errors import DomainError

KEY = "regiometrics"
_PREFIX = "application/papermill.record/"

Plain = bool | int | float | str | list[float] | None


def record(**values: object) -> None:
    """Keep values in the executed notebook, usable in prose as ``{glue:text}`` and read back by `collect`.

    A float is kept to six significant digits, so that the last bits of another machine do not show as a change.

    Parameters
    ----------
    **values
        Numbers, text, truth values, None, or sequences of numbers such as the draws of a test, each under the name it
        is to be called by, unique in its notebook.

    Raises
    ------
    DomainError
        A value that is none of these, or a number that is not finite.

    Examples
    --------
    >>> record(gini_2004=0.11401234)
    {'application/papermill.record/text/plain': '0.114012'}
    """
    for name, value in values.items():
        kept = _plain(name, value)
        metadata = {"scrapbook": {"name": name, "mime_prefix": _PREFIX}, KEY: {name: kept}}
        show({f"{_PREFIX}text/plain": repr(kept)}, metadata)


def collect(notebook: Mapping[str, Any]) -> dict[str, Plain]:
    """The values that `record` left in an executed notebook, by name; of a name used twice the later one.

    Parameters
    ----------
    notebook : mapping
        A notebook as `nbformat.read` or `json.load` returns it.

    Examples
    --------
    >>> output = {"metadata": {"regiometrics": {"gini_2004": 0.114012}}}
    >>> collect({"cells": [{"cell_type": "code", "outputs": [output]}]})
    {'gini_2004': 0.114012}
    """
    return {name: value for kept in kept_under(KEY, notebook) for name, value in kept.items()}


def kept_under(key: str, notebook: Mapping[str, Any]) -> Iterator[Any]:
    """What the outputs of a notebook keep in their metadata under ``key``, in the order of the cells."""
    for cell in notebook["cells"]:
        for output in cell.get("outputs", []):
            if key in output.get("metadata", {}):
                yield output["metadata"][key]


def show(data: Mapping[str, str], metadata: Mapping[str, object]) -> None:
    """Display a bundle of representations whose metadata carry the payload."""
    from IPython.display import display  # the library is used without notebooks too

    display(dict(data), raw=True, metadata=dict(metadata))  # type: ignore[no-untyped-call]


def _plain(name: str, value: object) -> Plain:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real | Decimal) and np.isfinite(float(value)):
        return _rounded(value)
    if isinstance(value, Sequence | np.ndarray) and all(isinstance(part, Real) for part in value):
        numbers = [_rounded(part) for part in value]
        if np.isfinite(numbers).all():
            return numbers
    raise DomainError(
        f"{name} = {value!r} cannot be recorded",
        remedy="record finite numbers, sequences of them, text, truth values or None, one name each",
    )


def _rounded(value: Real | Decimal) -> float:
    return float(f"{float(value):.6g}")
