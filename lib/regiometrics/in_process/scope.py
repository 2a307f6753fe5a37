"""What the names of a notebook stand for wherever it mentions them: imports, functions, builtins, plain values."""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from regiometrics.in_process.fresh import fresh
from regiometrics.in_process.known import BY_TEXT, DRAWS, TRUSTED
from regiometrics.in_process.names import bound, chain, deferred, imported, rebound
from regiometrics.in_process.recording import hands_on_record


@dataclass(slots=True)
class Effect:
    """What a piece of code may do, gathered while it is walked.

    Attributes
    ----------
    changes : set of str
        Names whose objects it may change, or what these hold.
    own : set of str
        Names of fresh objects that it may change, while what they hold stays as it is.
    unknown : bool
        It may do more.
    """

    changes: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    unknown: bool = False

    @property
    def is_none(self) -> bool:
        """Whether nothing is changed."""
        return not (self.changes or self.own or self.unknown)

    def add(self, other: Effect) -> None:
        """Add what another piece of code may do."""
        self.changes |= other.changes
        self.own |= other.own
        self.unknown |= other.unknown


@dataclass(frozen=True, slots=True)
class Scope:
    """What names stand for in the whole notebook.

    Attributes
    ----------
    imports : mapping of str to str
        Dotted path of each imported name.
    functions : mapping of str to Effect
        Functions of the notebook, with what calling them may do.
    builtins, scalars, generators : frozenset of str
        Names of builtins, of numbers and texts, of random generators that no other name has.
    fresh : frozenset of str
        Names that are only ever given an object that is made on the spot.
    by_text : bool
        Names may be looked up, or values recorded, where the code does not show it.
    """

    imports: Mapping[str, str]
    functions: Mapping[str, Effect]
    builtins: frozenset[str]
    scalars: frozenset[str]
    generators: frozenset[str]
    fresh: frozenset[str]
    by_text: bool

    def sharing(self, names: Iterable[str]) -> set[str]:
        """Those names that may share an object with others."""
        packages = {name for name, path in self.imports.items() if path.split(".")[0] in TRUSTED}
        return set(names) - packages - self.builtins - self.scalars - self.generators

    def path(self, function: ast.AST) -> list[str]:
        """Dotted path of an imported function; empty of any other."""
        parts = chain(function)
        return [*self.imports[parts[0]].split("."), *parts[1:]] if parts and parts[0] in self.imports else []


def functions_of(nodes: Sequence[ast.stmt]) -> dict[str, list[ast.FunctionDef]]:
    """The functions that top-level statements define, by name."""
    defined: dict[str, list[ast.FunctionDef]] = {}
    for node in nodes:
        if isinstance(node, ast.FunctionDef):
            defined.setdefault(node.name, []).append(node)
    return defined


def scope_of(nodes: Sequence[ast.stmt]) -> Scope:
    """What names stand for in a notebook of these statements; its functions as if they did nothing.

    A name counts as one thing only if it stands for it everywhere, inside functions too.
    """
    defined, paths = functions_of(nodes), _paths(nodes)
    scalars, assigned = _assigned(nodes)
    inner = {name for node in nodes for name in rebound(node)}
    values = inner | assigned | scalars
    by_text = any(_looks_up_by_text(part) for node in nodes for part in ast.walk(node))
    single = {name: next(iter(p)) for name, p in paths.items() if len(p) == 1 and name not in values | defined.keys()}
    return Scope(
        imports=single,
        functions={
            name: Effect()
            for name, parts in defined.items()
            if name not in values | paths.keys() and not any(part.decorator_list for part in parts)
        },
        builtins=frozenset(dir(builtins)) - values - defined.keys() - paths.keys(),
        scalars=frozenset(scalars - inner - assigned - defined.keys() - paths.keys()),
        generators=_generators(nodes, single) - inner - defined.keys() - paths.keys(),
        fresh=fresh(nodes, single),
        by_text=by_text or any(hands_on_record(node) for node in nodes),
    )


def _paths(nodes: Sequence[ast.stmt]) -> dict[str, set[str]]:
    """Dotted paths of what each imported name stands for, at one place or another."""
    paths: dict[str, set[str]] = {}
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for name, path in imported(node):
                paths.setdefault(name, set()).add(path)
    return paths


def _assigned(nodes: Sequence[ast.stmt]) -> tuple[set[str], set[str]]:
    """Names that are given a number or a text as it is written, and names that are given anything else."""
    scalars: set[str] = set()
    other: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None and _is_scalar(node.value):
            scalars |= bound(node)
        elif not isinstance(node, ast.FunctionDef | ast.Import | ast.ImportFrom):
            other |= bound(node)
    return scalars, other


def _is_scalar(value: ast.expr) -> bool:
    """A number or a text, which nobody can change."""
    return isinstance(value.operand if isinstance(value, ast.UnaryOp) else value, ast.Constant)


def _generators(nodes: Sequence[ast.stmt], imports: Mapping[str, str]) -> frozenset[str]:
    """Names of random generators that are made at the top and do nothing but draw there, so that no other has them."""
    own: set[ast.AST] = set()
    made = set()
    for node in nodes:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and len(node.targets) == 1:
            first, *further = chain(node.value.func) or [""]
            if ".".join([imports.get(first, ""), *further]) == "numpy.random.default_rng":
                own.add(node.targets[0])
                made |= bound(node)
        for part in ast.walk(node):
            if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr in DRAWS:
                own.add(part.func.value)
    other = {part.id for node in nodes for part in ast.walk(node) if isinstance(part, ast.Name) and part not in own}
    return frozenset(made - other - {name for node in nodes for name in deferred(node)})


def _looks_up_by_text(part: ast.AST) -> bool:
    """Whether a piece of code takes the reading of names out of sight, or makes objects of a kind of its own."""
    if isinstance(part, ast.Yield | ast.YieldFrom | ast.Await | ast.ClassDef | ast.AsyncFunctionDef):
        return True
    if isinstance(part, ast.Attribute | ast.Subscript) and not isinstance(part.ctx, ast.Load):
        return _is_behind(part)
    if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "query":
        texts = [*part.args[:1], *(keyword.value for keyword in part.keywords if keyword.arg == "expr")]
        return any(not isinstance(text, ast.Constant | ast.JoinedStr) or _calls_in_text(text) for text in texts)
    if isinstance(part, ast.alias):
        return part.name == "*" or not BY_TEXT.isdisjoint(part.name.split("."))
    name = part.id if isinstance(part, ast.Name) else part.attr if isinstance(part, ast.Attribute) else ""
    return name in BY_TEXT


def _is_behind(place: ast.Attribute | ast.Subscript) -> bool:
    """Whether a value is put behind a table: into its buffer, or into an index that other tables share."""
    if isinstance(place, ast.Attribute):
        return place.attr in ("name", "names", "writeable")
    return isinstance(place.value, ast.Attribute) and place.value.attr in ("array", "values")


def _calls_in_text(text: ast.AST) -> bool:
    """Whether the text of a query calls a function, or has a name that is put together."""
    parts = (part.value for part in ast.walk(text) if isinstance(part, ast.Constant) and isinstance(part.value, str))
    return any(re.search(r"@\s*(\w+\s*\(|$)", part) for part in parts)
