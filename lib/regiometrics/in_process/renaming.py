"""Every value that a name stands for gets a name of its own, so that a word used twice joins nothing in the analysis.

A notebook calls many things ``name``, ``rows`` or ``found``. `single_names` tells them apart: a variable of a function
or of a comprehension, a variable that a statement needs for itself alone, and each new value of a variable. Only the
analysis sees these names; what runs is the code as it is written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from regiometrics.in_process.names import AT_NAME, bound, bound_otherwise, deferred, mentioned

_MARK = "\u01c3"
"""Stands between a name and its number: a letter for Python, and in nobody's names."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def single_names(nodes: Sequence[ast.stmt]) -> list[ast.stmt]:
    r"""Copies of a notebook's top-level statements in which a name stands for one value, wherever that is plain.

    Examples
    --------
    >>> cells = ast.parse("x = 1\ny = [x for x in (2, 3)]\nx = x + 1\nz = x")
    >>> for node in single_names(cells.body):
    ...     print(ast.unparse(node).replace(_MARK, "."))
    x = 1
    y = [x.1 for x.1 in (2, 3)]
    x.2 = x + 1
    z = x.2
    """
    numbers = _counted()
    own = [_Locals(numbers).visit(deepcopy(node)) for node in nodes]
    return _versions(own, numbers)


def read_first(node: ast.stmt) -> set[str]:
    """Names that a statement may read before it has bound them itself."""
    return _read_first([node], set())


def _counted() -> Iterator[int]:
    number = 0
    while True:
        number += 1
        yield number


class _Renamed(ast.NodeTransformer):
    """Names by another name, those of ``query("x > @name")`` included."""

    def __init__(self, loaded: Mapping[str, str], stored: Mapping[str, str]) -> None:
        self.loaded, self.stored = loaded, stored

    def visit_Name(self, node: ast.Name) -> ast.Name:
        node.id = (self.loaded if isinstance(node.ctx, ast.Load) else self.stored).get(node.id, node.id)
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.Constant:
        if isinstance(node.value, str):
            node.value = AT_NAME.sub(lambda found: f"@{self.loaded.get(found[1], found[1])}", node.value)
        return node


class _Locals(_Renamed):
    """Variables of functions, lambdas and comprehensions by names of their own."""

    def __init__(self, numbers: Iterator[int]) -> None:
        super().__init__({}, {})
        self.numbers = numbers

    def visit(self, node: ast.AST) -> Any:
        if isinstance(node, _FUNCTIONS):
            return self._function(node)
        if isinstance(node, _COMPREHENSIONS):
            return self._comprehension(node)
        return super().visit(node)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> ast.AST:
        given = node.args
        arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        arguments += [rest for rest in (given.vararg, given.kwarg) if rest is not None]
        given.defaults = [self.visit(default) for default in given.defaults]
        given.kw_defaults = [default and self.visit(default) for default in given.kw_defaults]
        body = [node.body] if isinstance(node, ast.Lambda) else node.body
        if not isinstance(node, ast.Lambda):
            node.decorator_list = [self.visit(decorator) for decorator in node.decorator_list]
            node.name = self.stored.get(node.name, node.name)
        inside = self._inside({part.arg for part in arguments} | _variables(body))
        for part in arguments:
            part.arg = inside.loaded.get(part.arg, part.arg)
        done = [inside.visit(part) for part in body]
        node.body = done[0] if isinstance(node, ast.Lambda) else done
        return node

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        outermost = self.visit(node.generators[0].iter)
        names = {part.id for each in node.generators for part in ast.walk(each.target) if isinstance(part, ast.Name)}
        node.generators[0].iter = ast.Constant(None)
        inside = self._inside(names)
        inside.generic_visit(node)
        node.generators[0].iter = outermost
        return node

    def _inside(self, names: Iterable[str]) -> _Locals:
        """The same for what stands inside a scope with these variables."""
        scope = _Locals(self.numbers)
        number = next(self.numbers)
        scope.loaded = scope.stored = {**self.loaded, **{name: f"{name}{_MARK}{number}" for name in names}}
        return scope


def _variables(body: Iterable[ast.AST]) -> set[str]:
    """Variables that the body of a function binds as plain names."""
    body = list(body)
    names = set().union(*(bound(part) for part in body))
    return names - set().union(*(bound_otherwise(part) for part in body))


def _versions(nodes: Sequence[ast.stmt], numbers: Iterator[int]) -> list[ast.stmt]:
    """Names of the notebook, each new value by a name of its own.

    Not those that a function reads when it runs, and not those that an import or a definition binds.
    """
    fixed = set().union(*(deferred(node) | bound_otherwise(node) for node in nodes))
    fixed |= {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    current: dict[str, str] = {}
    found = []
    for node, later in zip(nodes, _read_later(nodes), strict=True):
        names = bound(node) - fixed
        if not gives_anew(node):
            names -= read_first(node) | later
        new = {name: f"{name}{_MARK}{next(numbers)}" if name in current else name for name in sorted(names)}
        loaded = dict(current)
        if gives_anew(node):
            current |= new
        else:
            loaded |= new
            current |= {name: name for name in bound(node) - current.keys()}
        found.append(_Renamed(loaded, loaded | new if gives_anew(node) else loaded).visit(node))
    return found


def gives_anew(node: ast.stmt) -> bool:
    """Whether a statement gives the names that it binds a value whatever they stood for before."""
    if any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return False  # it may be on a branch that is not taken
    if isinstance(node, ast.AnnAssign):
        return node.value is not None
    return isinstance(node, ast.Assign | ast.Import | ast.ImportFrom | ast.FunctionDef)


def _read_later(nodes: Sequence[ast.stmt]) -> list[set[str]]:
    """For each statement the names whose value after it may be read by one that follows."""
    later: set[str] = set()
    found = []
    for node in reversed(nodes):
        found.append(set(later))
        later = read_first(node) | (later - bound(node) if gives_anew(node) else later)
    return found[::-1]


def _read_first(body: Iterable[ast.stmt], bound_before: set[str]) -> set[str]:
    """Names that statements in a row may read before they bind them; ``bound_before`` grows with what they bind."""
    names: set[str] = set()
    for node in body:
        inside = set(bound_before)
        if isinstance(node, ast.For):
            names |= mentioned(node.iter) - inside
            inside |= bound(node.target)
            names |= _read_in(node.target) - inside
            names |= _read_first(node.body, inside) | _read_first(node.orelse, set(bound_before))
        elif isinstance(node, ast.If):
            names |= mentioned(node.test) - inside
            other = set(bound_before)
            names |= _read_first(node.body, inside) | _read_first(node.orelse, other)
            bound_before |= inside & other
        elif isinstance(node, ast.With):
            for item in node.items:
                names |= mentioned(item.context_expr) - inside
                inside |= bound(item)
            names |= _read_first(node.body, inside)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= mentioned(node.value).union(*(_read_in(target) for target in targets)) - inside
            bound_before |= bound(node)
        else:
            names |= mentioned(node) - inside
    return names


def _read_in(target: ast.AST) -> set[str]:
    """Names that are read to find the place of an assignment."""
    return {part.id for part in ast.walk(target) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)}
