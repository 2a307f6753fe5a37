"""Which values a piece of code may record, as far as it can be read off it."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fnmatch import fnmatchcase
from glob import escape

from regiometrics.in_process.names import chain, imported

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_OF_THE_LEDGER = ["ledger", "record"]  # another function of that name


def recorded(top: ast.AST) -> set[str]:
    """Names that code may record by ``record(name=...)``, ``*`` for what cannot be read off the code.

    Examples
    --------
    >>> sorted(recorded(ast.parse("record(n=3, **{f'mean_{k}': v for k, v in means.items()})")))
    ['mean_*', 'n']
    """
    patterns: set[str] = set()
    direct = set()
    for node in ast.walk(top):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record":
            direct.add(node.func)
            for keyword in node.keywords:
                patterns |= _keys(keyword.value) if keyword.arg is None else {keyword.arg}
            patterns |= {"*"} if node.args else set()
        elif (isinstance(node, ast.Name) and node.id == "record" and node not in direct) or (
            isinstance(node, ast.Attribute) and node.attr == "record" and chain(node) != _OF_THE_LEDGER
        ):
            patterns.add("*")
    return patterns


def recording(nodes: Sequence[ast.stmt], results: Sequence[str]) -> set[int]:
    """Positions of the statements that may record a wanted value; of all that may record where none is named."""
    patterns = [recorded(node) for node in nodes]
    return {
        i
        for i, found in enumerate(patterns)
        if any(not results or any(fnmatchcase(r, p) for r in results) for p in found)
    }


def hands_on_record(node: ast.stmt) -> bool:
    """Whether values may be recorded elsewhere than where ``record`` is called: by another name, or in a function."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any(name != "record" and path.endswith(".record.record") for name, path in imported(node))
    called = {part.func for part in ast.walk(node) if isinstance(part, ast.Call)}
    inside = {part for top in ast.walk(node) if isinstance(top, _DEFINITIONS) for part in ast.walk(top)}
    named = [part for part in ast.walk(node) if isinstance(part, ast.Name) and part.id == "record"]
    attributes = [part for part in ast.walk(node) if isinstance(part, ast.Attribute) and part.attr == "record"]
    return any(part not in called or part in inside for part in named) or any(
        chain(part) != _OF_THE_LEDGER for part in attributes
    )


def _keys(mapping: ast.expr) -> set[str]:
    """Patterns of the keys of a mapping that is written out."""
    keys: Sequence[ast.expr | None] = [None]
    if isinstance(mapping, ast.DictComp):
        keys = [mapping.key]
    elif isinstance(mapping, ast.Dict):
        keys = mapping.keys
    return {_pattern(key) for key in keys}


def _pattern(key: ast.expr | None) -> str:
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        return escape(key.value)
    if isinstance(key, ast.JoinedStr):
        return "".join(escape(str(p.value)) if isinstance(p, ast.Constant) else "*" for p in key.values)
    return "*"
