"""What calling the functions of a notebook may change outside them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace

from regiometrics.in_process.effects import effect_of
from regiometrics.in_process.known import STORING
from regiometrics.in_process.names import bound
from regiometrics.in_process.scope import Effect, Scope, functions_of, scope_of
from regiometrics.in_process.sharing import Shared, sharing_inside


def scope_with_effects(nodes: Sequence[ast.stmt]) -> Scope:
    """What names stand for in a notebook, and what its functions may do, by way of those that they call too."""
    scope, defined = scope_of(nodes), functions_of(nodes)
    while True:
        functions = {name: _effect_of_any(defined[name], scope) for name in scope.functions}
        if functions == scope.functions:
            return scope
        scope = replace(scope, functions=functions)


def _effect_of_any(parts: Sequence[ast.FunctionDef], scope: Scope) -> Effect:
    """What calling a function may change, whichever of its definitions holds."""
    whole = Effect()
    for part in parts:
        whole.add(_effect_of_body(part, scope))
    return whole


def _effect_of_body(function: ast.FunctionDef, scope: Scope) -> Effect:
    """What calling a function may change besides variables of its own that hold nothing from outside."""
    whole = Effect()
    for node in function.body:
        whole.add(effect_of(node, scope, inside=True))
    outer = {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    shared = Shared(sharing_inside(function, scope), scope)
    own = set().union(*(bound(node) for node in function.body)) - outer
    whole.changes = shared.all_of(whole.changes | outer) - own
    whole.own -= own
    return whole


def keeps_acting(node: ast.stmt, scope: Scope) -> bool:
    """Whether a statement may keep a function that changes something when it is called, by a name or in an object."""
    called = {part.func for part in ast.walk(node) if isinstance(part, ast.Call)}
    return any(_is_acting(part, node, scope) for part in ast.walk(node) if part not in called)


def _is_acting(part: ast.AST, within: ast.stmt, scope: Scope) -> bool:
    match part:
        case ast.Lambda(body=body):
            return not effect_of(body, scope).is_none
        case ast.FunctionDef(name=name, body=body) if part is not within or name not in scope.functions:
            return any(not effect_of(each, scope, inside=True).is_none for each in body)
        case ast.Name(id=name, ctx=ast.Load()) if name in scope.functions and not isinstance(within, ast.FunctionDef):
            return not scope.functions[name].is_none
        case ast.Attribute(attr=name, ctx=ast.Load()):
            return name in STORING
    return False
