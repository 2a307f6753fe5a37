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


# Each notebook changes what it records by a way that is easy to overlook; the wanted value is x, the varied one n.
ROUNDABOUT = {
    "alias": ["a = [1]\nb = a", "b.append(n)", "record(x=sum(a))"],
    "alias in a container": ["a = [1]\nd = {'a': a}", "d['a'].append(n)", "record(x=sum(a))"],
    "alias through an attribute": [
        "from types import SimpleNamespace as S\na = [1]\ns = S(a=a)",
        "s.a += [n]",
        "record(x=sum(a))",
    ],
    "mutating function": ["a = {}\ndef put(d):\n    d['k'] = n", "put(a)", "record(x=a['k'])"],
    "function that changes a global": ["a = []\ndef put():\n    a.append(n)", "put()", "record(x=len(a))"],
    "callback": ["a = []\ndef put(v):\n    a.append(v)\n    return v", "list(map(put, range(n)))", "record(x=len(a))"],
    "lambda that changes": ["a = []\nput = lambda v: a.append(v)", "put(n)", "record(x=len(a))"],
    "global statement": ["a = 1\ndef put():\n    global a\n    a = n", "put()", "record(x=a)"],
    "late global of a function": ["a = 1\ndef get():\n    return a", "a = 10 * n", "record(x=get())"],
    "function kept in a container": ["a = 1\nfs = {'f': lambda: a}", "a = 10 * n", "record(x=fs['f']())"],
    "name in a query": [
        "import pandas as pd\nt = pd.DataFrame({'v': [1, 5]})\nlow = n",
        "record(x=len(t.query('v > @low')))",
    ],
    "eval": ["a = n", "record(x=eval('a' + ' + 1'))"],
    "generator used up": ["a = (i for i in range(5))", "b = sum(a)", "record(x=sum(a))"],
    "generators in a tuple": ["a, b = (iter([i, n]) for i in range(2))", "c = next(b)", "record(x=next(b))"],
    "iterators in a tuple": ["a, b = map(iter, [[1, 2], [n, 5]])", "c = next(b)", "record(x=next(b))"],
    "one generator twice": ["a = b = (i for i in range(5))", "c = next(b)", "record(x=next(a))"],
    "namespace": [
        "from types import SimpleNamespace\na = []\ns = SimpleNamespace(a=a)",
        "s.a.append(n)",
        "record(x=len(a))",
    ],
    "iterator used up": ["a = iter([1, 2])", "b = list(a)", "record(x=len(list(a)))"],
    "random state": [
        "import numpy as np\nr = np.random.default_rng(0)",
        "b = r.normal(size=n)",
        "record(x=r.normal())",
    ],
    "random state of an array": [
        "import numpy as np\nr = np.random.default_rng(0)\na = np.arange(3)",
        "for i in range(n):\n    b = r.choice(a, i)",
        "a[0] = r.integers(9)",
        "record(x=a[0])",
    ],
    "random state of a function": [
        "import numpy as np\nr = np.random.default_rng(0)\ndef d():\n    return r.normal(size=n)",
        "d()",
        "record(x=r.normal())",
    ],
    "random state by two names": [
        "import numpy as np\nr = np.random.default_rng(0)\nq = r",
        "b = q.normal(size=n)",
        "record(x=r.normal())",
    ],
    "random state made again": [
        "import numpy as np\nr = np.random.default_rng(0)",
        "b = r.normal(size=n)\nr = np.random.default_rng(n)",
        "record(x=r.normal())",
    ],
    "random state in a condition": [
        "import numpy as np\nr = np.random.default_rng(0)",
        "if n > 1:\n    b = r.normal()",
        "record(x=r.normal())",
    ],
    "shuffled": [
        "import numpy as np\nr = np.random.default_rng(n)\na = np.arange(9)",
        "r.shuffle(a)",
        "record(x=a[0])",
    ],
    "random state passed": [
        "import numpy as np\nr = np.random.default_rng(0)\ndef d(r):\n    return r.random()",
        "d(r)",
        "record(x=r.random())",
    ],
    "global random state": [
        "import numpy as np\nnp.random.seed(n)",
        "b = np.random.normal()",
        "record(x=np.random.normal())",
    ],
    "array view": ["import numpy as np\na = np.zeros(3)\nb = a[1:]", "b[:] = n", "record(x=a.sum())"],
    "out argument": ["import numpy as np\na = np.zeros(3)", "np.add(a, n, out=a)", "record(x=a.sum())"],
    "in place": [
        "import pandas as pd\nt = pd.DataFrame({'v': [3, None]})",
        "t.fillna(n, inplace=True)",
        "record(x=t['v'].iloc[1])",
    ],
    "loop variable left over": ["for a in range(n):\n    pass", "record(x=a)"],
    "walrus": ["b = [(a := i) for i in range(n)]", "record(x=a)"],
    "deleted": ["a = 1", "del a", "try:\n    x = a\nexcept NameError:\n    x = n\nrecord(x=x)"],
    "file": ["from pathlib import Path\nPath('f').write_text(str(n))", "record(x=Path('f').read_text())"],
    "firm records in a folder": [
        "import os\nfrom pathlib import Path\nfrom regiometrics.simulate import firms",
        "where = 'records'\nos.makedirs(where, exist_ok=True)",
        "firms.census(where, n_rows=6000 + 500 * n)",
        "record(x=sum(f.stat().st_size for f in Path(where).rglob('*') if f.is_file()))",
    ],
    "environment": ["import os\nos.environ['V'] = str(n)", "record(x=os.environ['V'])"],
    "recorded twice": ["record(x=1)", "record(**{'x' if n > 2 else 'y': 2})"],
    "recorded by another name": ["keep = record", "record(x=1)", "keep(x=n)"],
    "shadowed built-in": ["a = [1]\ndef len(v):\n    v.append(n)\n    return 0", "len(a)", "record(x=sum(a))"],
    "class": [
        "class Kept:\n    v = 1\n    def get(self):\n        self.v += n\n        return self.v",
        "a = Kept()\na.get()",
        "record(x=a.v)",
    ],
    "unpacked": ["a, *b = [1, [2]]", "b[0].append(n)", "record(x=len(b[0]))"],
    "parameter changed": ["years.append(n)", "record(x=len(years))"],
    "mutable default": ["def f(v, seen=[]):\n    seen.append(v)\n    return seen", "f(n)", "record(x=len(f(1)))"],
    "checked by an assertion": ["assert n < 3, 'large'", "record(x=1)"],
    "checked by a function": ["def check(v):\n    if v > 2:\n        raise ValueError(v)", "check(n)", "record(x=1)"],
    "swapped": ["a, b = [1], [2, 3]", "a, b = b, a", "b.append(n)", "a, b = b, a", "record(x=len(a))"],
    "loop over a list of lists": ["a = [[], []]", "for v in a:\n    v.append(n)", "record(x=len(a[1]))"],
    "comprehension that changes": ["a = [[], []]", "[v.append(n) for v in a]", "record(x=len(a[1]))"],
    "partial": ["from functools import partial\na = []\nput = partial(list.append, a)", "put(n)", "record(x=len(a))"],
    "defaultdict": ["from collections import defaultdict\na = defaultdict(list)", "a[n]", "record(x=len(a))"],
    "queue": [
        "from queue import SimpleQueue\na = SimpleQueue()\na.put(1)\na.put(2)",
        "b = a.get()",
        "record(x=a.get())",
    ],
}


# The same where the change happens out of sight: in a function that is handed on, by an argument, in a shared part.
OUT_OF_SIGHT = {
    "lambda as callback": ["a = []\nput = lambda v: a.append(v)", "list(map(put, range(n)))", "record(x=len(a))"],
    "lambda callback sorted key": [
        "a = []\nput = lambda v: a.append(v) or v",
        "b = sorted(range(n), key=put)",
        "record(x=len(a))",
    ],
    "bound method callback": ["a = []", "list(map(a.append, range(n)))", "record(x=len(a))"],
    "bound method named": ["a = []\nput = a.append", "list(map(put, range(n)))", "record(x=len(a))"],
    "series map bound method": [
        "import pandas as pd\na = []\ns = pd.Series([1, 2, 3])",
        "s.map(a.append)",
        "record(x=len(a))",
    ],
    "alias def callback": [
        "a = []\n\ndef put(v):\n    a.append(v)",
        "h = put",
        "list(map(h, range(n)))",
        "record(x=len(a))",
    ],
    "partial callback": [
        "from functools import partial\na = []\nput = partial(list.append, a)",
        "list(map(put, range(n)))",
        "record(x=len(a))",
    ],
    "decorated callback": [
        "from functools import cache\na = []\n\n@cache\ndef put(v):\n    a.append(v)",
        "list(map(put, range(n)))",
        "record(x=len(a))",
    ],
    "conditional def callback": [
        "a = []\nif n:\n\n    def put(v):\n        a.append(v)",
        "list(map(put, range(n)))",
        "record(x=len(a))",
    ],
    "decorator lambda": [
        "fs = []\nreg = lambda f: fs.append(f) or f",
        "@reg\ndef h():\n    return n",
        "record(x=len(fs))",
    ],
    "decorator bound": ["fs = []", "@fs.append\ndef h():\n    return n", "record(x=len(fs))"],
    "reduce iadd": [
        "import operator\nfrom functools import reduce\na = [1]",
        "reduce(operator.iadd, [[n]], a)",
        "record(x=sum(a))",
    ],
    "map shuffle": [
        "import random\na = list(range(9))",
        "random.seed(n)\nlist(map(random.shuffle, [a]))",
        "record(x=a[0])",
    ],
    "unbound list.append": ["a = [1]", "list.append(a, n)", "record(x=sum(a))"],
    "unbound DataFrame.insert": [
        "import pandas as pd\nt = pd.DataFrame({'v': [1, 2]})",
        "pd.DataFrame.insert(t, 0, 'k', n)",
        "record(x=int(t.to_numpy().sum()))",
    ],
    "positional out ufunc": ["import numpy as np\na = np.ones(2)", "np.add(a, n, a)", "record(x=float(a[0]))"],
    "positional out exp": ["import numpy as np\na = np.ones(2)", "np.exp(a, a)", "record(x=float(a[0]))"],
    "overwrite_a": [
        "import numpy as np\nfrom scipy import linalg\na = np.asfortranarray(np.array([[2.0, 1.0], [1.0, 3.0]]))",
        "b = linalg.inv(a, overwrite_a=True)",
        "record(x=float(a[0, 0]))",
    ],
    "overwrite_input": [
        "import numpy as np\na = np.array([5.0, 3.0, 9.0, 1.0, n])",
        "b = np.median(a, overwrite_input=True)",
        "record(x=float(a[0]))",
    ],
    "opts inplace": [
        "import pandas as pd\nt = pd.DataFrame({'v': [3, None]})\no = {'inplace': True}",
        "t.fillna(n, **o)",
        "record(x=float(t['v'].iloc[1]))",
    ],
    "to_numeric": [
        "import numpy as np\nimport pandas as pd\na = np.array([1.0, 2.0])",
        "b = pd.to_numeric(a)",
        "b[0] = n",
        "record(x=float(a[0]))",
    ],
    "Categorical.from_codes": [
        "import numpy as np\nimport pandas as pd\na = np.array([0, 0], dtype='int8')",
        "b = pd.Categorical.from_codes(a, ['p', 'q'])",
        "a[0] = n > 1",
        "record(x=str(b[0]))",
    ],
    "agg returns outer": [
        "import pandas as pd\na = [1]\ns = pd.Series([1, 2])",
        "t = s.agg(lambda v: a)",
        "t.append(n)",
        "record(x=sum(a))",
    ],
    "set_axis idx name": [
        "import pandas as pd\nt = pd.DataFrame({'v': [1, 2]})\ni = pd.Index([0, 1])",
        "u = t.set_axis(i)",
        "u.index.name = str(n)",
        "record(x=str(i.name))",
    ],
    "DataFrame index=": [
        "import pandas as pd\ni = pd.Index([0, 1])",
        "u = pd.DataFrame({'v': [1, 2]}, index=i)",
        "i.name = str(n)",
        "record(x=str(u.index.name))",
    ],
    "EA values view": [
        "import pandas as pd\nt = pd.DataFrame({'v': pd.array([1, 2])})",
        "u = t.rename(columns={'v': 'w'})",
        "u['w'].values[0] = n",
        "record(x=int(t['v'][0]))",
    ],
    "EA array view": [
        "import pandas as pd\nt = pd.DataFrame({'v': pd.array([1, 2])})",
        "u = t.reset_index()",
        "u['v'].array[0] = n",
        "record(x=int(t['v'][0]))",
    ],
    "np array view": [
        "import pandas as pd\nt = pd.DataFrame({'v': [1, 2]})",
        "u = t.reset_index()",
        "u['v'].array[0] = n",
        "record(x=int(t['v'][0]))",
    ],
    "categorical values": [
        "import pandas as pd\nt = pd.DataFrame({'v': pd.Categorical(['p', 'q'])})",
        "u = t.rename(columns={'v': 'w'})",
        "u['w'].values[0] = 'pq'[n > 1]",
        "record(x=str(t['v'][0]))",
    ],
    "datetime values": [
        "import pandas as pd\nt = pd.DataFrame({'v': pd.to_datetime(['2001', '2002'])})",
        "u = t.rename(columns={'v': 'w'})",
        "u['w'].array[0] = pd.Timestamp(2000 + n, 1, 1)",
        "record(x=str(t['v'][0]))",
    ],
    "query by name": [
        "import pandas as pd\nt = pd.DataFrame({'v': [1, 2, 3]})\nlow = 0\nq = 'v > @low'",
        "low = n",
        "record(x=len(t.query(q)))",
    ],
    "print file": [
        "from pathlib import Path\nf = open('q.txt', 'w')",
        "print(n, file=f)",
        "f.close()",
        "record(x=Path('q.txt').read_text())",
    ],
    "frame items": [
        "import pandas as pd\nt = pd.DataFrame({'v': [1, 2], 'w': [1, 2]})\np = t.items()",
        "b = list(p)",
        "record(x=len(list(p)))",
    ],
    "namespace iter": [
        "from types import SimpleNamespace as S\ns = S(i=iter([1, 2, n]))",
        "b = list(s.i)",
        "record(x=len(list(s.i)))",
    ],
    "dict iter kw": ["d = dict(i=iter([1, 2, n]))", "b = list(d['i'])", "record(x=len(list(d['i'])))"],
    "namespace method get": [
        "from types import SimpleNamespace as S\na = [1]\ns = S(get=lambda v: v.append(n))",
        "s.get(a)",
        "record(x=sum(a))",
    ],
    "path rename": [
        "from pathlib import Path\np = Path('f')\np.write_text(str(n))",
        "p.rename('g')",
        "record(x=Path('g').read_text())",
    ],
    "shadowed display": ["a = []\ndisplay = lambda v: a.append(v)", "display(n)", "record(x=len(a))"],
    "dir": ["a = n", "record(x='a' in dir())"],
    "env alias": ["import os\ne = os.environ", "e['V'] = str(n)", "record(x=os.environ['V'])"],
    "chained assign siblings": ["a = b = []\nc = [0]", "a.append(c)", "c.append(n)", "record(x=sum(b[0]))"],
    "tuple siblings": ["a, b = [[]] * 2\nc = [0]", "a.append(c)", "c.append(n)", "record(x=sum(b[0]))"],
    "for subscript target": [
        "e = [{}]\nd = e[0]\nc = [0]",
        "for d['k'] in [c]:\n    pass",
        "c.append(n)",
        "record(x=sum(e[0]['k']))",
    ],
    "rvs global": [
        "import numpy as np\nfrom scipy import stats\nnp.random.seed(n)",
        "b = stats.norm.rvs(size=n)",
        "record(x=float(stats.norm.rvs()))",
    ],
    "rvs RandomState": [
        "import numpy as np\nfrom scipy import stats\nr = np.random.RandomState(n)",
        "b = stats.norm.rvs(size=n, random_state=r)",
        "record(x=float(r.normal()))",
    ],
    "def default walrus": ["a = 1", "def f(p=(a := n)):\n    return p", "record(x=a)"],
    "chunks": [
        "import pandas as pd\npd.DataFrame({'v': [1, 2, 3, 4]}).to_csv('q.csv')\nc = pd.read_csv('q.csv', chunksize=1)",
        "b = [v for v in c]",
        "record(x=len(list(c)))",
    ],
    "ndenumerate": ["import numpy as np\ni = np.ndenumerate(np.ones(n + 1))", "b = list(i)", "record(x=len(list(i)))"],
    "__setitem__ map": ["d = {}", "list(map(d.__setitem__, range(n), range(n)))", "record(x=len(d))"],
    "__annotations__": ["q: int = 1", "record(x=len(__annotations__))"],
    "apply callback": [
        "import pandas as pd\na = []\nput = lambda v: a.append(v)\ns = pd.Series([1, 2, 3])",
        "u = s.apply(put)",
        "record(x=len(a))",
    ],
    "globals attr": ["a = n\nf = lambda: 0", "record(x=f.__globals__['a'])"],
    "module data": [
        "import string\nfrom regiometrics import report\nimport json\np = json.__all__\nq = json.__all__",
        "p.append('k')",
        "b = len(q)\np.pop()\nrecord(x=b)",
    ],
}


@pytest.mark.parametrize("code", [*ROUNDABOUT.values(), *OUT_OF_SIGHT.values()], ids=[*ROUNDABOUT, *OUT_OF_SIGHT])
def test_slices_change_no_value(code, tmp_path):
    """Against all statements, for several values of the parameter in turn."""
    cells = [RECORD, "n = 0\nyears = [1]", *code, "record(z=n)"]
    needed = in_process.plan(cells, 1, results=["x"])
    whole = in_process.plan(cells, 1, slicing=False)
    for folder in ("whole", "sliced"):
        (tmp_path / folder).mkdir()
    for n in (3, 1, 2, 3):
        wanted, error = in_process.execute(whole, {"n": n, "years": [1]}, folder=tmp_path / "whole")
        got = in_process.execute(needed, {"n": n, "years": [1]}, folder=tmp_path / "sliced")
        assert (got[0].get("x"), got[1]) == (wanted.get("x"), error)


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


def test_parameters_with_one_object_are_changed_one_by_one(tmp_path):
    cells = [RECORD, "a = []\nb = []", "a.append(2)", "record(x=len(b))"]
    same = [1]
    needed = in_process.plan(cells, 1, results=["x"])
    assert in_process.execute(needed, {"a": same, "b": same}, folder=tmp_path) == ({"x": 1}, "")
    assert same == [1]


def test_a_result_may_be_called_like_a_name_in_a_query(tmp_path):
    cells = [RECORD, "n = 0", "k = 1", "k = n", "record(**{'x@k': k})"]
    needed = in_process.plan(cells, 1, results=["x@k"])
    assert in_process.execute(needed, {"n": 5}, folder=tmp_path) == ({"x@k": 5}, "")
