"""The names in a piece of code: those that it mentions, those that it binds, and those that imports stand for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

AT_NAME = re.compile(r"@\s*([^\W\d]\w*)")
"""A name in the text of a query."""

_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def chain(node: ast.AST) -> list[str]:
    """``["np", "linalg", "inv"]`` of ``np.linalg.inv``; a subscript counts as its object; empty of anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Subscript):
        return chain(node.value)
    if isinstance(node, ast.Attribute) and (before := chain(node.value)):
        return [*before, node.attr]
    return []


def mentioned(node: ast.AST) -> set[str]:
    """Every name in a piece of code, those of ``query("x > @name")`` included."""
    names = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            names |= set(AT_NAME.findall(part.value))
    return names


def deferred(node: ast.stmt) -> set[str]:
    """Names that are looked up later than the statement runs: in functions and in lazy sequences."""
    later = (ast.FunctionDef, ast.Lambda, ast.GeneratorExp)
    return {name for part in ast.walk(node) if isinstance(part, later) for name in mentioned(part)}


def bound(node: ast.AST) -> set[str]:
    """Names that a top-level statement binds in the notebook."""
    if isinstance(node, ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None)]
        outside = defaults if isinstance(node, ast.Lambda) else [*defaults, *node.decorator_list]
        names = set() if isinstance(node, ast.Lambda) else {node.name}
        return names.union(*(bound(part) for part in outside))
    if isinstance(node, _COMPREHENSIONS):
        return {
            part.target.id
            for part in ast.walk(node)
            if isinstance(part, ast.NamedExpr) and isinstance(part.target, ast.Name)
        }
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.split(".")[0] for alias in node.names}
    names = {node.id} if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) else set()
    names |= {node.name} if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name else set()
    names |= {node.rest} if isinstance(node, ast.MatchMapping) and node.rest else set()
    return names.union(*(bound(child) for child in ast.iter_child_nodes(node)))


def bound_otherwise(node: ast.AST) -> set[str]:
    """Names that are bound in another way than as plain targets, or for another scope."""
    names: set[str] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Global | ast.Nonlocal):
            names |= set(part.names)
        elif isinstance(part, ast.Import | ast.ImportFrom | ast.NamedExpr | ast.ClassDef):
            names |= bound(part)
        elif isinstance(part, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and part.name:
            names.add(part.name)
        elif isinstance(part, ast.MatchMapping) and part.rest:
            names.add(part.rest)
    return names


def rebound(top: ast.stmt) -> set[str]:
    """Names that stand for something else inside a statement: arguments, variables and functions of its own scopes."""
    names = set()
    for part in ast.walk(top):
        if isinstance(part, ast.arg):
            names.add(part.arg)
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load) and part.id not in bound(top):
            names.add(part.id)
        elif part is not top and isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(part.name)
        elif part is not top and isinstance(part, ast.Import | ast.ImportFrom):
            names |= {name for name, _ in imported(part)}
        elif isinstance(part, ast.Global):
            names |= set(part.names)
    return names


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with the dotted path of what it stands for."""
    for alias in node.names:
        first = alias.name.split(".")[0]
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        else:
            yield alias.asname or first, alias.name if alias.asname else first
