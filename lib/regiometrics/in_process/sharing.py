"""Which names may stand for parts of one object, and which objects change by being read."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from regiometrics.in_process.effects import is_trusted
from regiometrics.in_process.known import CONSUMING, COPYING, DRAWING, ITERATING, SCALARS, TRUSTED
from regiometrics.in_process.names import bound, chain, mentioned
from regiometrics.in_process.scope import Effect, Scope


class Shared:
    """Sets of names that may stand for parts of one object."""

    def __init__(self) -> None:
        self._of: dict[str, set[str]] = {}

    def join(self, names: Iterable[str]) -> None:
        """Names that from now on may share."""
        whole = set(names).union(*(self._of.get(name, set()) for name in names))
        for name in whole:
            self._of[name] = whole

    def all_of(self, names: Iterable[str]) -> set[str]:
        """The names and all that may share with them."""
        return {name for given in names for name in (given, *self._of.get(given, ()))}


def sharing(node: ast.stmt, scope: Scope, effect: Effect) -> set[str]:
    """Names that may stand for parts of one object after a statement; all of them where it is not plain."""
    simple = isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) and not effect.changes and not effect.unknown
    if not simple or any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return mentioned(node) | bound(node)
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return bound(node) | _parts_of(node.value, scope)
    return set()


def _parts_of(value: ast.expr, scope: Scope) -> set[str]:
    """Names whose objects the value of an expression may hold; methods of tables return tables of their own."""
    match value:
        case ast.Constant() | ast.JoinedStr() | ast.Compare():
            return set()
        case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return _parts_of(inner, scope)
        case ast.IfExp(body=first, orelse=second) | ast.BinOp(left=first, right=second):
            return _parts_of(first, scope) | _parts_of(second, scope)
        case ast.Call(func=ast.Attribute(attr=name)) if not scope.path(value.func) and name in COPYING:
            return set()
        case ast.Call(func=ast.Name(id=name)) if name in SCALARS & scope.builtins:
            return set()
        case ast.Call() if (path := scope.path(value.func)) and is_trusted(path):
            given = [*value.args, *(keyword.value for keyword in value.keywords)]
            return set() if path[0] == "pandas" else set().union(*(_parts_of(each, scope) for each in given))
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.BoolOp(values=parts):
            return set().union(*(_parts_of(part, scope) for part in parts))
        case ast.Dict(values=parts):
            return set().union(*(_parts_of(part, scope) for part in parts))
    return mentioned(value)


def is_used_up(node: ast.stmt, scope: Scope) -> bool:
    """Whether mere reading may change what a statement binds: iterators, random generators, objects not known here."""
    consumed: set[ast.AST] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            consumed.add(part.func)
            if scope.path(part.func) or not CONSUMING.isdisjoint(chain(part.func)[:1]):
                consumed |= {*part.args, *(keyword.value for keyword in part.keywords)}
        elif isinstance(part, ast.For | ast.comprehension):
            consumed.add(part.iter)
        elif isinstance(part, ast.Starred) or (
            isinstance(part, ast.Assign) and all(isinstance(target, ast.Tuple | ast.List) for target in part.targets)
        ):
            consumed.add(part.value)
    return any(part not in consumed and _is_moving(part, scope) for part in ast.walk(node))


def _is_moving(part: ast.AST, scope: Scope) -> bool:
    if isinstance(part, ast.GeneratorExp) or (isinstance(part, ast.Name) and part.id in ITERATING):
        return True
    if not isinstance(part, ast.Call):
        return False
    if path := scope.path(part.func):
        return path[0] == "itertools" or path[0] not in TRUSTED or (path[0] == "numpy" and path[-1] in DRAWING)
    if isinstance(part.func, ast.Attribute):
        return part.func.attr in ("iterrows", "itertuples")
    return isinstance(part.func, ast.Name) and part.func.id in ITERATING
