"""Run the code of a notebook in this process, without a kernel, and no more of it than the wanted values hang on.

Two savings over a kernel: everything is imported already, and only a *slice* runs, the statements on which the wanted
recorded values may depend. The slice is on the safe side of doubt. A statement counts as changing a name unless
everything that it does to it is known to leave it alone (`_READING` methods, functions of numpy, scipy, pandas and this
library, functions of the notebook that themselves change nothing), and a change to a name counts as one to every name
that may share its object. A statement of unknown effect always runs, and so does one that may raise on purpose. A
notebook that looks names up by text (``eval``, ``globals``) runs whole. A statement left out cannot fail. Every run
starts from the top in a fresh namespace.
"""

from __future__ import annotations

import ast
import builtins
import io
import os
import re
import sys
import threading
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import escape
from pathlib import Path
from types import CodeType
from typing import Any

from regiometrics.errors import RegionError
from regiometrics.report.record import Plain, collect


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCALARS = _words(
    """
    abs all any bool chr divmod float format hash int isinstance len ord pow repr round str type
    """
)
_BUILTINS = _SCALARS | _words(
    """
    bytes callable complex dict enumerate filter frozenset list map max min print range reversed set slice sorted
    sum tuple zip ArithmeticError Exception KeyError RuntimeError TypeError ValueError
    """
)
_TRUSTED = _words(
    """
    IPython functools itertools math matplotlib numpy pandas regiometrics scipy statistics types
    """
)
_SETTINGS = _words(
    """
    option_context options reset_option rc rcParams rc_context set_option set_printoptions seterr seterrcall
    """
)
_WRITING = _words(
    """
    at copyto fill_diagonal fromregex memmap nditer place put put_along_axis putmask save savefig savetxt savez
    savez_compressed seed setbufsize shuffle style
    """
)
_DRAWING = _words("Generator PCG64 SeedSequence default_rng")
_DRAWS = _words(
    """
    beta binomial chisquare choice dirichlet exponential gamma integers lognormal multivariate_normal normal permutation
    poisson random standard_normal uniform
    """
)
_BY_TEXT = _words(
    """
    __builtins__ __import__ compile defaultdict delattr eval exec fignum_exists gca gcf gci get_fignums get_ipython
    globals importlib locals setattr vars
    """
)
_STORING = _words(
    """
    add append clear discard extend fill insert pop popitem remove reverse setdefault sort update
    """
)
_CONSUMING = [
    [name]
    for name in ["any", "all", "dict", "frozenset", "list", "max", "min", "print", "set", "sorted", "sum", "tuple"]
]
_ITERATING = _words("enumerate filter iter map reversed zip")
_READING = _words(
    """
    abs add_prefix add_suffix agg aggregate all any apply argmax argmin argsort assign astype between bfill casefold
    cat clip combine_first contains copy corr count cov cummax cummin cumprod cumsum derive describe diff difference
    div divide dot drop drop_duplicates droplevel dropna dt duplicated endswith eq equals exp explode extract ffill
    fillna filter first flatten floordiv format from_product from_tuples fromkeys ge get get_level_values groupby gt
    head idxmax idxmin index intersection inv_cdf isdigit isin isna isnull issubset issuperset item items iterrows
    itertuples join keys kurt kurtosis last le len ljust lower lstrip lt map mask match max mean median melt merge
    min mod mul multiply ne nlargest notna notnull nsmallest nth nunique pct_change pipe pivot pivot_table ppf prod
    product quantile query rank ravel reindex removeprefix removesuffix rename rename_axis repeat replace
    reset_index reshape rjust rolling round rstrip searchsorted select_dtypes sem set_axis set_index sf shift size
    skew sort_index sort_values split splitlines squeeze stack startswith std strftime strip sub subtract sum
    summary swapaxes swaplevel tail title to_dict to_frame to_list to_numpy to_series to_string tolist transform
    transpose union unique unstack upper value_counts values var where xs zfill
    """
)

_COPYING = _READING - _words(
    """
    cat copy difference dt filter flatten fromkeys get groupby intersection item items iterrows itertuples keys map
    pipe apply ravel reshape rolling squeeze swapaxes to_dict to_list to_numpy tolist transpose union values
    """
)

LOCK = threading.Lock()
"""Held while a notebook runs in this process: it owns the working folder, the standard streams and ``display``."""


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement of a notebook, with what it may do.

    Attributes
    ----------
    cell : int
        Number of its code cell, from 1.
    binds, uses, changes : frozenset of str
        Names that it gives a value, names that it mentions, names whose objects it may change.
    anew : bool
        It gives the names that it binds a value whatever they stood for before.
    deferred : frozenset of str
        Names that functions in it mention: their values are read when the function runs.
    always : bool
        It always runs: an import, an effect that is not known, or an error that may be raised on purpose.
    code : code
        Compiled.
    """

    cell: int
    binds: frozenset[str]
    uses: frozenset[str]
    changes: frozenset[str]
    anew: bool
    deferred: frozenset[str]
    always: bool
    code: CodeType


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs: the statements up to and with the cell of parameters, and the chosen ones after it."""

    head: tuple[Statement, ...]
    rest: tuple[Statement, ...]
    n_statements: int

    @property
    def n_run(self) -> int:
        """Number of statements that a run needs."""
        return len(self.head) + len(self.rest)


@dataclass(slots=True)
class _Effect:
    """What a piece of code may do, gathered while it is walked."""

    changes: set[str] = field(default_factory=set)
    unknown: bool = False


@dataclass(frozen=True, slots=True)
class _Scope:
    """What names stand for in the whole notebook."""

    imports: Mapping[str, str]
    functions: Mapping[str, _Effect]
    builtins: frozenset[str]
    scalars: frozenset[str]
    generators: frozenset[str]
    by_text: bool

    def sharing(self, names: Iterable[str]) -> set[str]:
        """Those names that may share an object with others."""
        return set(names) - self.imports.keys() - self.builtins - self.scalars - self.generators

    def path(self, function: ast.AST) -> list[str]:
        """Dotted path of an imported function; empty of any other."""
        chain = _chain(function)
        return [*self.imports[chain[0]].split("."), *chain[1:]] if chain and chain[0] in self.imports else []


def plan(cells: Sequence[str], tagged: int, *, results: Sequence[str] = (), slicing: bool = True) -> Plan:
    r"""What has to run of a notebook for some of its recorded values.

    Parameters
    ----------
    cells : sequence of str
        Source of its code cells.
    tagged : int
        Position of the cell tagged ``parameters`` among them, from 0.
    results : sequence of str
        Recorded values that are wanted; empty: all.
    slicing : bool
        False runs every statement.

    Raises
    ------
    RegionError
        A cell is not plain Python (a magic), or it changes settings of the whole process, which would leak from one
        run into the next.

    Examples
    --------
    >>> cells = ["n = 1", "big = list(range(10**6))", "x = n + 1\nrecord(x=x)"]
    >>> needed = plan(["from regiometrics.report.record import record", *cells], 1, results=["x"])
    >>> needed.n_run, needed.n_statements
    (4, 5)
    """
    return _plan(tuple(cells), tagged, tuple(results), slicing)


def execute(needed: Plan, parameters: Mapping[str, Any], *, folder: Path) -> tuple[dict[str, Plain], str]:
    """Run a plan with some parameters and return the recorded values and the error, empty where there is none.

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
    >>> cells = ["from regiometrics.report.record import record", "n = 1", "record(double=2 * n)"]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     execute(plan(cells, 1), {"n": 4}, folder=Path(folder))
    ({'double': 8}, '')
    """
    shown: list[dict[str, Any]] = []
    with LOCK, _own_process(folder, shown) as names:
        error = _run(needed.head, names)
        names |= deepcopy(dict(parameters))
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
    import IPython.display
    from threadpoolctl import threadpool_limits

    def display(*_objects: object, metadata: Mapping[str, Any] | None = None, **_options: object) -> None:
        shown.append({"metadata": dict(metadata or {})})

    environment, backend, shows = dict(os.environ), os.environ.get("MPLBACKEND"), IPython.display.display
    pyplot = sys.modules.get("matplotlib.pyplot")
    before = set(pyplot.get_fignums()) if pyplot else set()
    if pyplot is None and backend is None:
        os.environ["MPLBACKEND"] = "Agg"
    with ExitStack() as stack:
        for context in (chdir(folder), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO())):
            stack.enter_context(context)
        stack.enter_context(threadpool_limits(1))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("default", Warning)  # as in a fresh kernel
        IPython.display.display = display
        try:
            yield {"__name__": "__main__", "__builtins__": builtins, "display": display}
        finally:
            IPython.display.display = shows
            os.environ.clear()
            os.environ.update(environment)
            if pyplot := sys.modules.get("matplotlib.pyplot"):
                for number in set(pyplot.get_fignums()) - before:
                    pyplot.close(number)


@lru_cache(maxsize=8)
def _plan(cells: tuple[str, ...], tagged: int, results: tuple[str, ...], slicing: bool) -> Plan:
    trees = [_parsed(number, source) for number, source in enumerate(cells, start=1)]
    statements, by_text = _statements(trees)
    n_head = sum(len(tree.body) for tree in trees[: tagged + 1])
    kept = set(range(len(statements)))
    if slicing and not by_text:
        kept = _slice(statements, _recording(trees, results), n_head)
    rest = tuple(statements[i] for i in sorted(kept) if i >= n_head)
    return Plan(tuple(statements[:n_head]), rest, len(statements))


def _parsed(number: int, source: str) -> ast.Module:
    try:
        return ast.parse(source, filename=f"<cell {number}>")
    except SyntaxError as error:
        raise RegionError(
            f"code cell {number} is not plain Python: {error.msg}, line {error.lineno}",
            remedy="run this notebook by the notebook engine, or take magics out of it",
        ) from None


def _statements(trees: Sequence[ast.Module]) -> tuple[list[Statement], bool]:
    """All top-level statements, changes closed over names that may share an object; whether names go by text."""
    nodes = [(number, node) for number, tree in enumerate(trees, start=1) for node in tree.body]
    scope = _scope([node for _, node in nodes])
    flags = 0
    effects, found = [], []
    for number, node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            flags = annotations.compiler_flag
        _refuse_settings(number, node, scope)
        effects.append(_effect(node, scope))
        module = ast.Module([node], type_ignores=[])
        code = compile(module, f"<cell {number}>", "exec", flags=flags, dont_inherit=True)
        found.append((number, _bound(node), _mentioned(node), code))
    shared = _Shared()
    used_up: set[str] = set()
    for (_, node), effect, (_, binds, _, _) in zip(nodes, effects, found, strict=True):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            shared.join(scope.sharing(_sharing(node, scope, effect)))
            if binds and _is_used_up(node, scope):
                used_up |= binds
    closed = []
    for (_, node), effect, (number, binds, uses, code) in zip(nodes, effects, found, strict=True):
        changes = shared.all_of(effect.changes | (uses & shared.all_of(used_up)))
        anew = isinstance(node, ast.Assign | ast.Import | ast.ImportFrom | ast.FunctionDef)
        anew |= isinstance(node, ast.AnnAssign) and node.value is not None
        sets = (frozenset(binds), frozenset(uses), frozenset(changes))
        always = effect.unknown or isinstance(node, ast.Import | ast.ImportFrom)
        closed.append(Statement(number, *sets, anew, frozenset(_deferred(node)), always, code))
    return closed, scope.by_text


def _slice(statements: Sequence[Statement], roots: set[int], n_head: int) -> set[int]:
    """Positions of the statements that the roots may depend on."""
    last = max(roots, default=-1)
    deferred = {name for s in statements[: last + 1] for name in s.deferred}
    kept: set[int] = set()
    waiting = roots | set(range(n_head)) | {i for i, s in enumerate(statements[: last + 1]) if s.always}
    while waiting:
        i = waiting.pop()
        kept.add(i)
        for name in statements[i].uses:
            # a function reads a name when it runs, so neither order nor a later value settles which statement gave it
            for j in reversed(range(last + 1 if name in deferred else i)):
                s = statements[j]
                if j not in kept and (name in s.binds or name in s.changes):
                    waiting.add(j)
                if s.anew and name in s.binds and name not in deferred:
                    break
    return kept


def _recording(trees: Sequence[ast.Module], results: Sequence[str]) -> set[int]:
    """Positions of the statements that may record a wanted value."""
    nodes = [node for tree in trees for node in tree.body]
    patterns = [recorded(node) for node in nodes]
    return {
        i
        for i, found in enumerate(patterns)
        if any(not results or any(fnmatchcase(r, p) for r in results) for p in found)
    }


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
            isinstance(node, ast.Attribute) and node.attr == "record" and _chain(node) != ["ledger", "record"]
        ):
            patterns.add("*")
    return patterns


def _hands_on_record(node: ast.stmt) -> bool:
    """Whether values may be recorded elsewhere than where ``record`` is called: by another name, or in a function."""
    if isinstance(node, ast.Import | ast.ImportFrom):
        return any(name != "record" and path.endswith(".record.record") for name, path in _imported(node))
    called = {part.func for part in ast.walk(node) if isinstance(part, ast.Call)}
    inside = {part for top in ast.walk(node) if isinstance(top, _DEFINITIONS) for part in ast.walk(top)}
    named = [part for part in ast.walk(node) if isinstance(part, ast.Name) and part.id == "record"]
    attributes = [part for part in ast.walk(node) if isinstance(part, ast.Attribute) and part.attr == "record"]
    return any(part not in called or part in inside for part in named) or any(
        _chain(part) != ["ledger", "record"] for part in attributes
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


def _scope(nodes: Sequence[ast.stmt]) -> _Scope:
    defined: dict[str, list[ast.FunctionDef]] = {}
    imported: dict[str, set[str]] = {}
    assigned: list[str] = []
    scalars: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            defined.setdefault(node.name, []).append(node)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            for name, path in _imported(node):
                imported.setdefault(name, set()).add(path)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_scalar(node.value):
            scalars |= _bound(node)
        else:
            assigned += _bound(node)
    inner = {name for node in nodes for name in _rebound(node)}
    anew = inner | set(assigned)
    taken = anew | scalars
    functions = {
        name: _Effect()
        for name, parts in defined.items()
        if name not in taken | set(imported) and not any(part.decorator_list for part in parts)
    }
    paths = {name: next(iter(p)) for name, p in imported.items() if len(p) == 1 and name not in taken | set(defined)}
    plain = frozenset(dir(builtins)) - taken - set(defined) - set(imported)
    by_text = any(_looks_up_by_text(part) for node in nodes for part in ast.walk(node))
    by_text |= any(_hands_on_record(node) for node in nodes)
    alone = frozenset(scalars - anew - set(defined) - set(imported))
    drawn = _generators(nodes, paths) - inner - set(defined) - set(imported)
    while True:
        scope = _Scope(paths, functions, plain, alone, drawn, by_text)
        again = {name: _joined(_body_effect(part, scope) for part in defined[name]) for name in functions}
        if again == functions:
            return scope
        functions = again


def _generators(nodes: Sequence[ast.stmt], imports: Mapping[str, str]) -> frozenset[str]:
    """Names of random generators that are made at the top and do nothing but draw there, so that no other has them."""
    own: set[ast.AST] = set()
    made = set()
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1:
            first, *further = _chain(node.value.func) or [""]
            if ".".join([imports.get(first, ""), *further]) == "numpy.random.default_rng":
                own.add(node.targets[0])
                made |= _bound(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in _DRAWS:
                own.add(part.func.value)
    other = {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name) and part not in own}
    return frozenset(made - other - {name for node in nodes for name in _deferred(node)})


def _imported(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, with the dotted path of what it stands for."""
    for alias in node.names:
        first = alias.name.split(".")[0]
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        else:
            yield alias.asname or first, alias.name if alias.asname else first


def _rebound(top: ast.stmt) -> set[str]:
    """Names that stand for something else inside a statement: arguments, variables and functions of its own scopes."""
    names = set()
    for part in ast.walk(top):
        if isinstance(part, ast.arg):
            names.add(part.arg)
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load) and part.id not in _bound(top):
            names.add(part.id)
        elif part is not top and isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(part.name)
        elif part is not top and isinstance(part, ast.Import | ast.ImportFrom):
            names |= {name for name, _ in _imported(part)}
        elif isinstance(part, ast.Global):
            names |= set(part.names)
    return names


def _is_scalar(value: ast.expr) -> bool:
    """A number or a text, which nobody can change."""
    return isinstance(value.operand if isinstance(value, ast.UnaryOp) else value, ast.Constant)


def _looks_up_by_text(part: ast.AST) -> bool:
    """Whether a piece of code takes the reading of names out of sight, or makes objects of a kind of its own."""
    if isinstance(part, ast.Yield | ast.YieldFrom | ast.Await | ast.ClassDef | ast.AsyncFunctionDef):
        return True
    if isinstance(part, ast.alias):
        return part.name == "*" or not _BY_TEXT.isdisjoint(part.name.split("."))
    name = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
    return name in _BY_TEXT


def _joined(effects: Iterable[_Effect]) -> _Effect:
    whole = _Effect()
    for effect in effects:
        whole.changes |= effect.changes
        whole.unknown |= effect.unknown
    return whole


def _body_effect(function: ast.FunctionDef, scope: _Scope) -> _Effect:
    whole = _joined(_effect(node, scope, inside=True) for node in function.body)
    whole.changes |= {name for node in ast.walk(function) if isinstance(node, ast.Global) for name in node.names}
    return whole


def _effect(node: ast.AST, scope: _Scope, *, inside: bool = False) -> _Effect:
    """What running a statement may change, and whether more is unknown."""
    effect = _Effect()
    if isinstance(node, ast.Import | ast.ImportFrom):
        return _Effect()
    # a definition runs nothing but its defaults; what its body does happens where it is named
    parts: Iterable[ast.AST] = ast.walk(node)
    if isinstance(node, ast.FunctionDef) and not inside:
        outer = [*node.decorator_list, *node.args.defaults, *(d for d in node.args.kw_defaults if d is not None)]
        parts = (part for top in outer for part in ast.walk(top))
    for part in parts:
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load) and part.id in scope.functions:
            called = scope.functions[part.id]
            effect.changes |= called.changes
            effect.unknown |= called.unknown
        elif isinstance(part, ast.Raise | ast.Assert):
            effect.unknown = True
        elif isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
            effect.changes |= _mentioned(part.value)
            effect.unknown |= bool(scope.path(part))
        elif isinstance(part, ast.AugAssign):
            effect.changes |= _mentioned(part.target)
        elif isinstance(part, ast.With | ast.AsyncWith):
            effect.changes |= {name for item in part.items for name in _mentioned(item.context_expr)}
        elif isinstance(part, ast.Call):
            _call(part, scope, effect)
    effect.changes = scope.sharing(effect.changes)
    return effect


def _sharing(node: ast.stmt, scope: _Scope, effect: _Effect) -> set[str]:
    """Names that may stand for parts of one object after a statement; all of them where it is not plain."""
    simple = isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr) and not effect.changes and not effect.unknown
    if not simple or any(isinstance(part, ast.NamedExpr) for part in ast.walk(node)):
        return _mentioned(node) | _bound(node)
    if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
        return _bound(node) | _parts_of(node.value, scope)
    return set()


def _parts_of(value: ast.expr, scope: _Scope) -> set[str]:
    """Names whose objects the value of an expression may hold; methods of tables return tables of their own."""
    match value:
        case ast.Constant() | ast.JoinedStr() | ast.Compare():
            return set()
        case ast.Attribute(value=inner) | ast.Subscript(value=inner) | ast.Starred(value=inner):
            return _parts_of(inner, scope)
        case ast.IfExp(body=first, orelse=second) | ast.BinOp(left=first, right=second):
            return _parts_of(first, scope) | _parts_of(second, scope)
        case ast.Call(func=ast.Attribute(attr=name)) if not scope.path(value.func) and name in _COPYING:
            return set()
        case ast.Call(func=ast.Name(id=name)) if name in _SCALARS & scope.builtins:
            return set()
        case ast.Call() if (path := scope.path(value.func)) and _is_trusted(path):
            given = [*value.args, *(keyword.value for keyword in value.keywords)]
            return set() if path[0] == "pandas" else set().union(*(_parts_of(each, scope) for each in given))
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts) | ast.BoolOp(values=parts):
            return set().union(*(_parts_of(part, scope) for part in parts))
        case ast.Dict(values=parts):
            return set().union(*(_parts_of(part, scope) for part in parts))
    return _mentioned(value)


def _call(call: ast.Call, scope: _Scope, effect: _Effect) -> None:
    given = {name for value in (*call.args, *(k.value for k in call.keywords)) for name in _mentioned(value)}
    whole = _mentioned(call)
    if any(keyword.arg in ("inplace", "out", "copy") for keyword in call.keywords):
        effect.changes |= whole
    if path := scope.path(call.func):
        if not _is_trusted(path):
            effect.unknown = True
            effect.changes |= whole
    elif isinstance(call.func, ast.Name):
        name = call.func.id
        if name in scope.functions:
            if scope.functions[name].changes:
                effect.changes |= given
        elif name not in _BUILTINS & scope.builtins and name != "display":
            effect.unknown = True
            effect.changes |= whole
    elif isinstance(call.func, ast.Attribute) and scope.generators.issuperset(_chain(call.func.value) or [""]):
        pass  # that it moves on follows from its mention
    elif isinstance(call.func, ast.Attribute) and call.func.attr in _STORING:
        effect.changes |= whole
    elif not (isinstance(call.func, ast.Attribute) and call.func.attr in _READING):
        effect.unknown = True
        effect.changes |= whole


def _is_trusted(path: Sequence[str]) -> bool:
    """Whether a function is known to leave its arguments and the process alone."""
    if path[0] not in _TRUSTED or not _SETTINGS.isdisjoint(path) or not _WRITING.isdisjoint(path):
        return False
    if path[0] == "numpy" and "random" in path:
        return path[-1] in _DRAWING
    return not path[-1].startswith(("write", "save", "to_parquet", "to_csv", "register", "set_"))


def _refuse_settings(number: int, node: ast.stmt, scope: _Scope) -> None:
    """Refuse what outlives a run in a process that is used again: settings, and imported objects that are changed."""
    for part in ast.walk(node):
        path = scope.path(part) if isinstance(part, ast.Attribute | ast.Subscript) else []
        if not path or path[0] in ("os", "matplotlib"):  # the process's own are put back; figures record nothing
            continue
        stored = isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load)
        set_ = path[0] in ("numpy", "pandas") and not _SETTINGS.isdisjoint(path)
        if stored or set_ or (path[0] == "regiometrics" and path[-1] in _STORING):
            raise RegionError(
                f"code cell {number} changes {'.'.join(path)}, which would leak into the runs after it",
                remedy="run this notebook by the notebook engine",
            )


def _chain(node: ast.AST) -> list[str]:
    """``["np", "linalg", "inv"]`` of ``np.linalg.inv``; a subscript counts as its object; empty of anything else."""
    if isinstance(node, ast.Name):
        return [node.id]
    if isinstance(node, ast.Subscript):
        return _chain(node.value)
    if isinstance(node, ast.Attribute) and (before := _chain(node.value)):
        return [*before, node.attr]
    return []


def _mentioned(node: ast.AST) -> set[str]:
    """Every name in a piece of code, those of ``query("x > @name")`` included."""
    names = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            names.add(part.id)
        elif isinstance(part, ast.Constant) and isinstance(part.value, str):
            names |= set(re.findall(r"@\s*([^\W\d]\w*)", part.value))
    return names


def _deferred(node: ast.stmt) -> set[str]:
    """Names that are looked up later than the statement runs: in functions and in lazy sequences."""
    later = (ast.FunctionDef, ast.Lambda, ast.GeneratorExp)
    return {name for part in ast.walk(node) if isinstance(part, later) for name in _mentioned(part)}


def _bound(node: ast.AST) -> set[str]:
    """Names that a top-level statement binds in the notebook."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Lambda):
        return set()
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
    return names.union(*(_bound(child) for child in ast.iter_child_nodes(node)))


def _is_used_up(node: ast.stmt, scope: _Scope) -> bool:
    """Whether mere reading may change what a statement binds: iterators, random generators, objects not known here."""
    consumed: set[ast.AST] = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            consumed.add(part.func)
            if scope.path(part.func) or _chain(part.func)[:1] in _CONSUMING:
                consumed |= {*part.args, *(keyword.value for keyword in part.keywords)}
        elif isinstance(part, ast.For | ast.comprehension):
            consumed.add(part.iter)
        elif isinstance(part, ast.Starred) or (
            isinstance(part, ast.Assign) and all(isinstance(target, ast.Tuple | ast.List) for target in part.targets)
        ):
            consumed.add(part.value)
    return any(part not in consumed and _is_moving(part, scope) for part in ast.walk(node))


def _is_moving(part: ast.AST, scope: _Scope) -> bool:
    if isinstance(part, ast.GeneratorExp) or (isinstance(part, ast.Name) and part.id in _ITERATING):
        return True
    if not isinstance(part, ast.Call):
        return False
    if path := scope.path(part.func):
        return path[0] == "itertools" or path[0] not in _TRUSTED or (path[0] == "numpy" and path[-1] in _DRAWING)
    if isinstance(part.func, ast.Attribute):
        return part.func.attr in ("iterrows", "itertuples")
    return isinstance(part.func, ast.Name) and part.func.id in _ITERATING


class _Shared:
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
