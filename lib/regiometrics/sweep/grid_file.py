"""Grids as YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from regiometrics.errors import DomainError, RegionError
from regiometrics.sweep.grid import Grid, checked, raise_all
from regiometrics.sweep.notebook import closest

_SHAPES: dict[str, tuple[type[Any], str]] = {
    "chapter": (str, "the name of a chapter"),
    "base": (dict, "a mapping of names to values"),
    "grid": (dict, "a mapping of names to lists"),
    "specifications": (list, "a list of mappings"),
    "results": (list, "a list of names"),
    "labels": (dict, "a mapping of names to words and values"),
}


def read_grid(path: str | Path) -> Grid:
    r"""A grid from its YAML file, its names and types checked against the chapter.

    Parameters
    ----------
    path : str or path
        A file with the key ``chapter`` and, as needed, ``base``, ``grid``, ``specifications``, ``results`` and
        ``labels``; see `Grid`.

    Raises
    ------
    RegionError
        No such file, no plain YAML, an unknown or a repeated key, or anything that `specifications` refuses.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "grid.yml")
    ...     _ = path.write_text("chapter: p3\ngrid: {ddof: [0, 1]}\nresults: [log_t]\n", "utf-8")
    ...     read_grid(path).grid
    {'ddof': [0, 1]}
    """
    path = Path(path)
    read, problems = _read(path)
    problems += [
        DomainError(f"{path.name} has an unknown key {key!r}", remedy=closest(str(key), _SHAPES))
        for key in read
        if key not in _SHAPES
    ]
    given = {key: read[key] for key in _SHAPES if read.get(key) is not None}
    problems += [
        DomainError(f"{key} of {path.name} is {value!r}", remedy=f"write {words}")
        for key, value in given.items()
        for kind, words in [_SHAPES[key]]
        if not isinstance(value, kind)
    ]
    raise_all(problems)
    grid = Grid(**given)
    checked(grid)
    return grid


def _read(path: Path) -> tuple[dict[Any, Any], list[RegionError]]:
    """What the file says, by its keys, and the keys that it repeats."""
    import yaml

    try:
        text = path.read_text("utf-8")
        read, repeated = yaml.safe_load(text), _repeated_keys(text, path.name)
    except FileNotFoundError:
        raise RegionError(f"there is no grid {path}", remedy="name a YAML file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RegionError(f"{path.name} cannot be read as YAML: {error}", remedy="write plain YAML in UTF-8") from None
    if not isinstance(read, dict) or not isinstance(read.get("chapter"), str):
        raise RegionError(f"{path.name} names no chapter", remedy="begin it with a line such as `chapter: p3`")
    return read, repeated


def _repeated_keys(text: str, name: str) -> list[RegionError]:
    """Keys that come twice in one mapping of a YAML text, of which loading would keep the last."""
    import yaml

    problems: list[RegionError] = []
    waiting, seen = [yaml.compose(text, Loader=yaml.SafeLoader)], set()
    while waiting:
        node = waiting.pop()
        if node in seen:  # an alias
            continue
        seen.add(node)
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            first = {key.value: key for key in reversed(keys)}
            problems += [
                DomainError(
                    f"line {key.start_mark.line + 1} of {name} repeats the key {key.value!r}", remedy="join them"
                )
                for key in keys
                if key is not first[key.value]
            ]
            waiting += [value for _, value in node.value]
    return problems
