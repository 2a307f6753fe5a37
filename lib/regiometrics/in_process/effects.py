"""What running a statement may change, and which statements are refused because they would outlive a run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

import numpy as np

from regiometrics.errors import RegionError
from regiometrics.in_process.known import (
    BUILTINS,
    DRAWING,
    FILLING,
    PARTS,
    READING,
    SETTINGS,
    STORING,
    TRUSTED,
    WRITING,
)
from regiometrics.in_process.names import chain, mentioned
from regiometrics.in_process.scope import Effect, Scope


def effect_of(node: ast.AST, scope: Scope, *, inside: bool = False) -> Effect:
    """What running a statement may change, and whether more is unknown; ``inside`` is for one of a function's body."""
    effect = Effect()
    if isinstance(node, ast.Import | ast.ImportFrom):
        return effect
    # a definition runs nothing but its defaults; what its body does happens where it is named
    if any(isinstance(part, ast.FunctionDef) and part.decorator_list for part in ast.walk(node)):
        effect.unknown = True
        effect.changes |= mentioned(node)
    parts: Iterable[ast.AST] = ast.walk(node)
    if isinstance(node, ast.FunctionDef) and not inside:
        outer = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        parts = (part for top in outer for part in ast.walk(top))
    for part in parts:
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in scope.functions:
            effect.add(scope.functions[part.id])
        elif isinstance(part, ast.Raise | ast.Assert):
            effect.unknown = True
        elif isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
            _add_change(part.value, scope, effect)
            effect.unknown |= bool(scope.path(part))
        elif isinstance(part, ast.AugAssign):
            _add_change(part.target, scope, effect)
        elif isinstance(part, ast.With | ast.AsyncWith):
            effect.changes |= {name for item in part.items for name in mentioned(item.context_expr)}
        elif isinstance(part, ast.Call):
            _add_call(part, scope, effect)
    effect.changes = scope.sharing(effect.changes)
    return effect


def _add_change(whole: ast.expr, scope: Scope, effect: Effect) -> None:
    """Add to an effect that an object is changed, by a value that is put into it for example."""
    if name := fresh_name(whole, scope):
        effect.own.add(name)
    else:
        effect.changes |= mentioned(whole)


def fresh_name(whole: ast.expr, scope: Scope) -> str:
    """The name of a fresh object, where an expression names one, or a part of a table as in ``table.loc``."""
    if isinstance(whole, ast.Attribute) and whole.attr in PARTS:
        whole = whole.value
    return whole.id if isinstance(whole, ast.Name) and whole.id in scope.fresh else ""


def _add_call(call: ast.Call, scope: Scope, effect: Effect) -> None:
    """Add to an effect what a call may change."""
    values = [*call.args, *(keyword.value for keyword in call.keywords)]
    given = {name for value in values for name in mentioned(value)}
    whole = mentioned(call)
    if any(_is_changing(keyword) for keyword in call.keywords) or _has_place_for_result(call, scope):
        effect.changes |= whole
    if any(_is_handed_on(value, scope) for value in values):
        effect.unknown = True
        effect.changes |= whole
    if path := scope.path(call.func):
        if not is_trusted(path):
            effect.unknown = True
            effect.changes |= whole
        elif path[-1] in FILLING:
            effect.changes |= given
            effect.unknown |= not scope.sharing(given)  # the folder goes by its text, which is no object to follow
    elif isinstance(call.func, ast.Name):
        name = call.func.id
        if name in scope.functions:
            if scope.functions[name].changes:
                effect.changes |= given
        elif name not in BUILTINS & scope.builtins and name != "display":
            effect.unknown = True
            effect.changes |= whole
    elif isinstance(call.func, ast.Attribute) and scope.generators.issuperset(chain(call.func.value) or [""]):
        pass  # that it moves on follows from its mention
    elif isinstance(call.func, ast.Attribute) and call.func.attr in STORING and not _is_of_class(call.func, scope):
        _add_change(call.func.value, scope, effect)
    elif not (isinstance(call.func, ast.Attribute) and call.func.attr in READING and _shows_options(call)):
        effect.unknown = True
        effect.changes |= whole


def _is_changing(option: ast.keyword) -> bool:
    """Whether an option may ask a function to change what it is given."""
    if option.arg == "copy":
        return not (isinstance(option.value, ast.Constant) and option.value.value is True)
    return option.arg in ("inplace", "out", "file") or (option.arg or "").startswith("overwrite")


def _shows_options(call: ast.Call) -> bool:
    """Whether no option is hidden in a mapping; of these methods the options are columns, or none changes anything."""
    free = isinstance(call.func, ast.Attribute) and call.func.attr in ("agg", "assign", "merge", "pipe", "rename")
    return free or all(keyword.arg for keyword in call.keywords)


def _has_place_for_result(call: ast.Call, scope: Scope) -> bool:
    """Whether a function of numpy has one more argument than it needs, the array for its result."""
    path = scope.path(call.func)
    function = getattr(np, path[1], None) if len(path) == 2 and path[0] == "numpy" else None
    return isinstance(function, np.ufunc) and len(call.args) > function.nin


def _is_handed_on(value: ast.expr, scope: Scope) -> bool:
    """Whether a value is a method that changes its object, or a function that is not known, to be called elsewhere."""
    if isinstance(value, ast.Attribute) and (value.attr in STORING or value.attr.startswith("__")):
        return True
    path = scope.path(value) if isinstance(value, ast.Name | ast.Attribute) else []
    return bool(path) and not is_trusted(path)


def _is_of_class(method: ast.Attribute, scope: Scope) -> bool:
    """``list.append``: a method of a builtin class, which changes its first argument."""
    return not scope.builtins.isdisjoint(chain(method)[:1])


def is_trusted(path: Sequence[str]) -> bool:
    """Whether a function is known to leave its arguments and the process alone."""
    of_class = any(part[:1].isupper() or part == "ndarray" for part in path[1:-1])
    if of_class and path[0] in ("numpy", "pandas") and path[-1] not in READING:
        return False  # a method, which may change its first argument
    if path[0] not in TRUSTED or not SETTINGS.isdisjoint(path) or not WRITING.isdisjoint(path):
        return False
    if path[0] == "numpy" and "random" in path:
        return path[-1] in DRAWING
    return not path[-1].startswith(("write", "save", "to_parquet", "to_csv", "register", "set_"))


def refuse_settings(number: int, node: ast.stmt, scope: Scope) -> None:
    """Refuse what outlives a run in a process that is used again: settings, and imported objects that are changed."""
    for part in ast.walk(node):
        path = scope.path(part) if isinstance(part, ast.Attribute | ast.Subscript) else []
        if not path or path[0] in ("os", "matplotlib"):  # the process's own are put back; figures record nothing
            continue
        stored = isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load)
        set_ = path[0] in ("numpy", "pandas") and not SETTINGS.isdisjoint(path)
        if stored or set_ or (path[0] == "regiometrics" and path[-1] in STORING):
            raise RegionError(
                f"code cell {number} changes {'.'.join(path)}, which would leak into the runs after it",
                remedy="run this notebook by the notebook engine",
            )
