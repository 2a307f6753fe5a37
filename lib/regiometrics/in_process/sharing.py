"""Which names may stand for parts of one object, and which objects change by being read."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from regiometrics.in_process.effects import effect_of, fresh_name, is_trusted
from regiometrics.in_process.known import (
    BUILTINS,
    CONSUMING,
    COPYING,
    DRAWING,
    DRAWS,
    ITERATING,
    PASSING,
    READING,
    SCALARS,
    STORING,
    TRUSTED,
)
from regiometrics.in_process.names import bound, mentioned
from regiometrics.in_process.scope import Scope


@dataclass(frozen=True, slots=True)
class Hold:
    """Names whose objects may hold those of other names, or be them.

    ``inside`` says that the others were put into an object that is there, and that may go by more names.
    """

    holding: set[str]
    held: set[str]
    inside: bool = False


class Shared:
    """Which names may stand for parts of one object, by all that any statement lets one hold of another."""

    def __init__(self, holds: Iterable[Hold], scope: Scope) -> None:
        self._of: dict[str, set[str]] = {}
        self._held: dict[str, set[str]] = {}
        self._holding: dict[str, set[str]] = {}
        holds = [Hold(scope.sharing(h.holding), scope.sharing(h.held), h.inside) for h in holds]
        for hold in holds:
            names = hold.holding | hold.held
            whole = names.union(*(self._of.get(name, set()) for name in names))
            self._of |= dict.fromkeys(whole, whole)
            alike = hold.holding if len(hold.holding) > 1 else set()  # they may stand for one object that has no name
            self._add(hold.holding, hold.held | alike)
        growing = True
        while growing:
            growing = any([self._add(_reached(h.holding, self._held), h.held) for h in holds if h.inside])

    def _add(self, holding: set[str], held: set[str]) -> bool:
        """Whether that was new."""
        new = any(not held <= self._held.get(name, set()) for name in holding)
        for name in holding if new else ():
            self._held.setdefault(name, set()).update(held)
        for name in held if new else ():
            self._holding.setdefault(name, set()).update(holding)
        return new

    def all_of(self, names: Iterable[str]) -> set[str]:
        """The names and all that may share with them."""
        return {name for given in names for name in (given, *self._of.get(given, ()))}

    def holding(self, names: Iterable[str]) -> set[str]:
        """The names and all that may hold their objects, or be them."""
        return _reached(names, self._holding)


def _reached(names: Iterable[str], by: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = set(names)
    while waiting:
        found |= waiting
        waiting = set().union(*(by.get(name, set()) for name in waiting)) - found
    return found


def sharing(node: ast.stmt, scope: Scope) -> list[Hold]:
    """Which names may hold what others stand for after a statement; each all others where it is not plain."""
    match node:
        case ast.For():
            return [_entered(node.target, node.iter, scope), *_sharing_in([*node.body, *node.orelse], scope)]
        case ast.If():
            return [_evaluated(node.test, scope), *_sharing_in([*node.body, *node.orelse], scope)]
        case ast.With():
            entered = [_entered(item.optional_vars, item.context_expr, scope) for item in node.items]
            return entered + _sharing_in(node.body, scope)
        case ast.FunctionDef(name=name) if name in scope.functions and scope.functions[name].is_none:
            return sharing_inside(node, scope)
        case ast.Assign(value=value) | ast.AugAssign(value=value) | ast.AnnAssign(value=ast.expr() as value):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if _is_plain(value, scope) and not any(isinstance(p, ast.Call) for t in targets for p in ast.walk(t)):
                names = set().union(*(mentioned(target) for target in targets))
                inside = isinstance(node, ast.AugAssign) or not all(isinstance(t, ast.Name) for t in targets)
                return [Hold(names, _parts_of(value, scope), inside and not all(_is_fresh(t, scope) for t in targets))]
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=whole, attr=name)) as call) if name in STORING:
            if all(_is_plain(part, scope) for part in (whole, *_given(call))):
                held = set().union(*(_parts_of(given, scope) for given in _given(call)))
                return [Hold(mentioned(whole), held, not fresh_name(whole, scope))]
        case ast.Expr(value=value):
            return [_evaluated(value, scope)]
        case ast.Pass() | ast.Break() | ast.Continue() | ast.Return():
            return []
    return [_whole(node)]


def sharing_inside(function: ast.FunctionDef, scope: Scope) -> list[Hold]:
    """The same for what stands in a function; what it returns goes by its name."""
    given = function.args
    found = []
    if defaults := [*given.defaults, *(default for default in given.kw_defaults if default is not None)]:
        held = set().union(*(_parts_of(default, scope) for default in defaults))
        found.append(Hold({part.arg for part in ast.walk(given) if isinstance(part, ast.arg)}, held))
    for part in ast.walk(function):
        if isinstance(part, ast.Return) and part.value is not None:
            found += [_evaluated(part.value, scope), Hold({function.name}, _parts_of(part.value, scope))]
    return found + _sharing_in(function.body, scope)


def _sharing_in(body: Iterable[ast.stmt], scope: Scope) -> list[Hold]:
    return [hold for node in body for hold in sharing(node, scope)]


def _is_fresh(target: ast.expr, scope: Scope) -> bool:
    """Whether an assignment puts its value into a fresh object."""
    whole = target.value if isinstance(target, ast.Attribute | ast.Subscript) else target
    return bool(fresh_name(whole, scope))


def _whole(node: ast.AST) -> Hold:
    """Every name in a piece of code may hold every other."""
    names = mentioned(node) | bound(node)
    return Hold(names, names, inside=True)


def _entered(target: ast.expr | None, value: ast.expr, scope: Scope) -> Hold:
    """A loop's or a block's variable stands for a part of what it runs over."""
    if not _is_plain(value, scope):
        return _whole(ast.Tuple([value, *([target] if target else [])]))
    names = mentioned(target) if target else set()
    return Hold(names, _parts_of(value, scope), inside=not isinstance(target, ast.Name))


def _evaluated(value: ast.expr, scope: Scope) -> Hold:
    return Hold(set(), set()) if _is_plain(value, scope) else _whole(value)


def _is_plain(value: ast.expr, scope: Scope) -> bool:
    """Whether evaluating an expression changes no object and binds no name."""
    return effect_of(value, scope).is_none and not any(isinstance(part, ast.NamedExpr) for part in ast.walk(value))


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


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
        case ast.Call(func=ast.Name(id=name)) if name in scope.functions:
            return {name}.union(*(_parts_of(given, scope) for given in _given(value)))
        case ast.Call() if (path := scope.path(value.func)) and is_trusted(path):
            if path[0] == "pandas" and PASSING.isdisjoint(path):
                return set()
            return set().union(*(_parts_of(given, scope) for given in _given(value)))
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.BoolOp(values=parts):
            return set().union(*(_parts_of(part, scope) for part in parts))
        case ast.Dict(values=parts):
            return set().union(*(_parts_of(part, scope) for part in parts))
        case ast.ListComp(elt=each) | ast.SetComp(elt=each) | ast.DictComp(value=each):
            held = _parts_of(each, scope)
            for clause in reversed(value.generators):
                if not held.isdisjoint(mentioned(clause.target)):
                    held |= _parts_of(clause.iter, scope)
            return held
    return mentioned(value)


def is_used_up(node: ast.stmt, scope: Scope) -> bool:
    """Whether mere reading may change what a statement binds: iterators, random generators, objects not known here."""
    consumed: set[ast.AST] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            consumed |= {part.func, *_consumed(part, scope)}
        elif isinstance(part, ast.For | ast.comprehension):
            consumed.add(part.iter)
        elif isinstance(part, ast.Starred) or (
            isinstance(part, ast.Assign) and all(isinstance(target, ast.Tuple | ast.List) for target in part.targets)
        ):
            consumed.add(part.value)
    return any(part not in consumed and _is_moving(part, scope) for part in ast.walk(node))


def _consumed(call: ast.Call, scope: Scope) -> list[ast.expr]:
    """Arguments of which nothing is left to move on when a call is done, or which move on with its value alone."""
    if path := scope.path(call.func):
        return [] if path[0] in ("functools", "types") else _given(call)
    if isinstance(call.func, ast.Name) and call.func.id in scope.builtins:
        if call.func.id in CONSUMING:
            return call.args[:1]
        if call.func.id in ITERATING:
            return [value for value in call.args if isinstance(value, ast.Call)]
    return []


def _is_moving(part: ast.AST, scope: Scope) -> bool:
    if isinstance(part, ast.GeneratorExp) or (isinstance(part, ast.Name) and part.id in ITERATING):
        return True
    if not isinstance(part, ast.Call):
        return False
    if path := scope.path(part.func):
        in_pieces = any(keyword.arg in ("chunksize", "iterator") for keyword in part.keywords)
        drawn = path[0] == "numpy" and ("random" in path or path[-1] in DRAWING | {"ndenumerate", "ndindex"})
        return path[0] == "itertools" or path[0] not in TRUSTED or drawn or in_pieces
    if isinstance(part.func, ast.Attribute):
        name = part.func.attr
        return name in ("items", "iterrows", "itertuples") or name not in READING | STORING | DRAWS
    known = scope.functions.keys() | (BUILTINS - ITERATING) & scope.builtins | {"display"}
    return not isinstance(part.func, ast.Name) or part.func.id not in known
