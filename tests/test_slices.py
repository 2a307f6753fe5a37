"""A run in process leaves statements out; whatever they are, the wanted values are those of all statements."""

import ast
import importlib
import pkgutil

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from regiometrics import estimate, in_process, measure
from regiometrics.in_process import known
from regiometrics.in_process.renaming import read_first

RECORD = "from regiometrics.report.record import record"
START = "import contextlib\na = [0]\nb = [[1]]\nc = [a, b]\nd = []\nw = {'k': d}\nh = iter([])\ng = lambda: a"
NO_FUNCTION = "def f(p):\n    return p"

# Statements over lists of lists that share their parts in every way; {x}, {y} and {z} are names.
STATEMENTS = [
    "{x} = [n]",
    "{x} = {y}",
    "{x} = [{y}, {z}]",
    "{x} = {y} + {z}",
    "{x} = {y} or {z}",
    "{x} = {y} if n > 1 else {z}",
    "{x} = {y}.copy()",
    "{x} = list({y})",
    "{x} = {y}[-1:]",
    "{x} = {y}[-1] if {y} and isinstance({y}[-1], list) else [2]",
    "{x} = [v for v in {y}]",
    "{x} = [u for v in [{y}, {z}] for u in v]",
    "{x} = [len({y}), len({z})]",
    "{x}, {y} = {y}, {z}",
    "{x} += {y}",
    "{x}.append(n)",
    "{x}.append({y})",
    "{x}[:1] = {y}",
    "({x} := {y}).append(1)",
    "[v.append(n) for v in {x} if isinstance(v, list)]",
    "for v in {x}:\n    if isinstance(v, list):\n        v.append(n)",
    "for {x} in [{y}, {z}]:\n    {x}.append(1)",
    "for i in range(n):\n    {x} = [i]\n    {x}.append({y})",
    "for i in range(2):\n    {y}.append({x})\n    {x} = [i, {z}]",
    "if n > 2:\n    {x} = [{y}]",
    "if n > 2:\n    {x}.append({y})\nelse:\n    {x} = {y}",
    "if {x}:\n    {y} = {x}",
    "with contextlib.nullcontext({y}) as {x}:\n    {x}.append(4)",
    "try:\n    {x} = {y}\n    {x}.append(1)\nexcept ValueError as e:\n    {x} = [1]",
    "def f(p):\n    t = [p]\n    t.append({y})\n    return t",
    "def f(p):\n    p.append(n)\n    return p",
    "def f(p):\n    {x}.append(p)\n    return [p]",
    "def f(p):\n    t = {y}\n    t.append(len(p))\n    return p",
    "def f(p):\n    t = list({y})\n    t.append(p)\n    return t",
    "def f(p, q={z}):\n    q.append(3)\n    return q",
    "{x} = f({y})",
    "f({x})",
    "{x}.append(f({y}))",
    "{x}.extend(map(f, [{y}]))",
    "g = lambda: {x}",
    "{x} = g()",
    "w = {{'k': {y}}}",
    "w['k'] = {y}",
    "w['k'].append(n)",
    "w |= {{'k': {y} + {z}}}",
    "{x} = w['k']",
    "for k, v in w.items():\n    {x} = v",
    "h = (u for u in {y})",
    "{x} = list(h)",
]

_name = st.sampled_from("abcd")
_statement = st.builds(lambda s, x, y, z: s.format(x=x, y=y, z=z), st.sampled_from(STATEMENTS), _name, _name, _name)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@example(code=["c = a", "d = b", "for i in range(2):\n    c.append(d)\n    d = [i, a]", "b.extend(map(f, [a]))"], n=1)
@example(code=["(a := b).append(1)", "b += a", "b = [n]"], n=1)
@given(code=st.lists(_statement, min_size=3, max_size=12), n=st.integers(1, 3))
def test_any_notebook_gives_the_values_of_all_its_statements(tmp_path_factory, code, n):
    cells = [RECORD, "n = 0", START, NO_FUNCTION, *code, "record(x=repr(a))", "record(y=repr([b, c, d, w]))"]
    folder = tmp_path_factory.getbasetemp()
    whole, error = in_process.execute(in_process.plan(cells, 1, slicing=False), {"n": n}, folder=folder)
    assume(not error)
    for name, value in whole.items():
        needed = in_process.plan(cells, 1, results=[name])
        assert in_process.execute(needed, {"n": n}, folder=folder)[0].get(name) == value


# What is wanted is x; each second list holds the cells that a run for it leaves out.
LEFT_OUT = {
    "a word used for two things": (["rows = [n]", "x = sum(rows)"], ["rows = []", "rows.append(5)", "y = rows"]),
    "a loop's own variables": (["x = n"], ["for name in 'ab':\n    row = {'k': name}\n    row |= {'v': n}"]),
    "a variable of a comprehension": (["x = [row + n for row in (1, 2)]"], ["row = 7"]),
    "a variable of a function": (["def f(v):\n    row = v + n\n    return row", "x = f(1)"], ["row = 7"]),
    "a list that others are put into": (["a = [n]", "x = sum(a)"], ["rows = [a]", "rows.append(3)", "rows[0:1] = []"]),
    "what holds the list": (["a = [n]", "x = sum(a)"], ["rows = [a]", "more = {'rows': rows}", "more['k'] = 2"]),
    "columns of a table of its own": (
        ["import pandas as pd", "t = pd.DataFrame({'v': [n, 2]})", "x = t['v'].sum()"],
        ["s = t.assign(u=1)", "s['w'] = s['u'] + n", "s.loc[0, 'w'] = 9"],
    ),
    "files in a temporary folder": (
        ["import tempfile", "x = n"],
        ["with tempfile.TemporaryDirectory() as folder:\n    y = len(folder)"],
    ),
    "a figure": (
        ["import matplotlib.pyplot as plt", "x = n"],
        ["_, axes = plt.subplots(1, 2)", "for ax in axes:\n    ax.set_title(str(x))"],
    ),
    "a function with a list of its own": (
        ["def f(v):\n    rows = []\n    rows.append(v)\n    return len(rows)", "a = [n]", "x = sum(a)"],
        ["y = f(a)"],
    ),
}


@pytest.mark.parametrize(("needed", "unneeded"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_the_value_does_not_need_is_left_out(needed, unneeded, tmp_path):
    cells = [RECORD, "n = 2", *needed, *unneeded, "record(x=x)"]
    plan = in_process.plan(cells, 1, results=["x"])
    assert {statement.cell for statement in plan.rest}.isdisjoint(range(3 + len(needed), 3 + len(needed + unneeded)))
    whole = in_process.execute(in_process.plan(cells, 1, slicing=False), {"n": 4}, folder=tmp_path)
    assert in_process.execute(plan, {"n": 4}, folder=tmp_path) == whole


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ("for row in rows:\n    k = row\n    print(k, m)", {"rows", "print", "m"}),
        ("if c:\n    k = 1\nelse:\n    k = 2\nprint(k)", {"c", "print"}),
        ("if c:\n    k = 1\nprint(k)", {"c", "k", "print"}),
        ("k, t[i] = k, 1", {"k", "t", "i"}),
        ("k += 1", {"k"}),
        ("with f(k) as k:\n    print(k)", {"f", "k", "print"}),
    ],
)
def test_names_that_are_read_before_they_are_bound(code, names):
    block = ast.If(ast.Constant(True), ast.parse(code).body, [])
    assert read_first(block) == names


def test_methods_taken_for_estimates_are_methods_of_frozen_results():
    """A class that can change, with a method of such a name, would make a run leave out what changes it."""

    found = set()
    for package in (estimate, measure):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            for value in vars(importlib.import_module(module.name)).values():
                methods = known.ESTIMATING & vars(value).keys() if isinstance(value, type) else set()
                assert not methods or value.__dataclass_params__.frozen, f"{value} has {methods} and can change"
                found |= methods
    assert found == known.ESTIMATING
