"""Names that are only ever given an object that is made on the spot.

``rows.append(row)`` changes a list and leaves the row as it is. If the list was made for ``rows``, the change reaches
what was made to hold ``rows`` later, and nothing else.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence

from regiometrics.in_process.known import COPYING, PASSING
from regiometrics.in_process.names import bound_otherwise, chain

_NEW = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.BinOp)


def fresh(nodes: Sequence[ast.stmt], imports: Mapping[str, str]) -> frozenset[str]:
    r"""Names that are only ever given a list, dictionary, set or table that is made on the spot.

    Parameters
    ----------
    nodes : sequence of ast.stmt
        A notebook's statements.
    imports : mapping of str to str
        Dotted path of each imported name.

    Examples
    --------
    >>> cells = ast.parse("rows = []\nrows += [1]\nother = rows")
    >>> sorted(fresh(cells.body, {}))
    ['rows']
    """
    made: set[str] = set()
    other: set[str] = set()
    places: set[ast.AST] = set()
    for part in (part for node in nodes for part in ast.walk(node)):
        if isinstance(part, ast.AugAssign):  # it changes the object, or makes another
            places.add(part.target)
        elif isinstance(part, ast.Assign) and len(part.targets) == 1 and _is_new(part.value, imports):
            places.add(part.targets[0])
            made |= {part.targets[0].id} if isinstance(part.targets[0], ast.Name) else set()
        elif isinstance(part, ast.arg):
            other.add(part.arg)
        elif isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load) and part not in places:
            other.add(part.id)
    return frozenset(made - other.union(*(bound_otherwise(node) for node in nodes)))


def _is_new(value: ast.expr, imports: Mapping[str, str]) -> bool:
    """Whether an expression makes an object that nothing else holds; pandas and methods of its tables copy."""
    if isinstance(value, _NEW) or not isinstance(value, ast.Call):
        return isinstance(value, _NEW)
    first, *further = chain(value.func) or [""]
    if first in imports:
        path = [*imports[first].split("."), *further]
        return path[0] == "pandas" and PASSING.isdisjoint(path)
    return isinstance(value.func, ast.Attribute) and value.func.attr in COPYING | {"copy"}
