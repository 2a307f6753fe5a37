"""The plan of a run: which statements of a notebook have to run for some of its recorded values."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from regiometrics.errors import RegionError
from regiometrics.in_process.effects import effect_of, refuse_settings
from regiometrics.in_process.functions import keeps_acting, scope_with_effects
from regiometrics.in_process.names import bound, deferred, mentioned
from regiometrics.in_process.recording import recording
from regiometrics.in_process.renaming import gives_anew, read_first, single_names
from regiometrics.in_process.scope import Scope
from regiometrics.in_process.sharing import Shared, is_used_up, sharing


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement of a notebook, with what it may do.

    Attributes
    ----------
    cell : int
        Number of its code cell, from 1.
    binds, uses, changes : frozenset of str
        Names that it gives a value, names that it may read before, names whose objects it may change; each stands for
        one value (`renaming.single_names`).
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


@lru_cache(maxsize=8)
def _plan(cells: tuple[str, ...], tagged: int, results: tuple[str, ...], slicing: bool) -> Plan:
    trees = [_parsed(number, source) for number, source in enumerate(cells, start=1)]
    numbers = [number for number, tree in enumerate(trees, start=1) for _ in tree.body]
    nodes = [node for tree in trees for node in tree.body]
    codes, roots = _compiled(numbers, nodes), recording(nodes, results)
    nodes = single_names(nodes)
    scope = scope_with_effects(nodes)
    for number, node in zip(numbers, nodes, strict=True):
        refuse_settings(number, node, scope)
    statements = _statements(numbers, nodes, codes, scope)
    n_head = sum(len(tree.body) for tree in trees[: tagged + 1])
    kept = set(range(len(statements)))
    if slicing and not scope.by_text:
        kept = _slice(statements, roots, n_head)
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


def _statements(
    numbers: Sequence[int], nodes: Sequence[ast.stmt], codes: Sequence[CodeType], scope: Scope
) -> list[Statement]:
    """All top-level statements, with changes to one name carried to all that may share its object."""
    effects = [effect_of(node, scope) for node in nodes]
    shared, moving = _shared(nodes, scope)
    acting = shared.holding(name for node in nodes if keeps_acting(node, scope) for name in bound(node))
    acting -= scope.functions.keys()
    found = []
    for number, node, code, effect in zip(numbers, nodes, codes, effects, strict=True):
        named = mentioned(node)
        changes = shared.all_of(effect.changes | (named & (moving | acting))) | shared.holding(effect.own)
        found.append(
            Statement(
                cell=number,
                binds=frozenset(bound(node)),
                uses=frozenset(read_first(node)),
                changes=frozenset(changes),
                anew=gives_anew(node),
                deferred=frozenset(deferred(node)),
                always=effect.unknown or not named.isdisjoint(acting) or isinstance(node, ast.Import | ast.ImportFrom),
                code=code,
            )
        )
    return found


def _compiled(numbers: Sequence[int], nodes: Sequence[ast.stmt]) -> list[CodeType]:
    """Code of each statement; what ``from __future__`` asks for holds from there on, as in a notebook."""
    flags, codes = 0, []
    for number, node in zip(numbers, nodes, strict=True):
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            flags = annotations.compiler_flag
        module = ast.Module([node], type_ignores=[])
        codes.append(compile(module, f"<cell {number}>", "exec", flags=flags, dont_inherit=True))
    return codes


def _shared(nodes: Sequence[ast.stmt], scope: Scope) -> tuple[Shared, set[str]]:
    """Which names may stand for parts of one object, and the names of objects that change by being read."""
    own = [node for node in nodes if not isinstance(node, ast.Import | ast.ImportFrom)]
    shared = Shared([hold for node in own for hold in sharing(node, scope)], scope)
    used_up = set().union(*(bound(node) for node in own if is_used_up(node, scope)))
    return shared, shared.all_of(used_up)


def _slice(statements: Sequence[Statement], roots: set[int], n_head: int) -> set[int]:
    """Positions of the statements that the roots may depend on."""
    last = max(roots, default=-1)
    late = {name for s in statements[: last + 1] for name in s.deferred}
    kept: set[int] = set()
    waiting = roots | set(range(n_head)) | {i for i, s in enumerate(statements[: last + 1]) if s.always}
    while waiting:
        i = waiting.pop()
        kept.add(i)
        for name in statements[i].uses:
            # a function reads a name when it runs, so neither order nor a later value settles which statement gave it
            for j in reversed(range(last + 1 if name in late else i)):
                s = statements[j]
                if j not in kept and (name in s.binds or name in s.changes):
                    waiting.add(j)
                if s.anew and name in s.binds and name not in late:
                    break
    return kept
