"""Run the code of a notebook in this process, without a kernel, and no more of it than the wanted values hang on.

Two savings over a kernel, beside what the library itself keeps from run to run: everything is imported already, and
only a *slice* runs, the statements on which the wanted recorded values may depend. The slice is on the safe side of
doubt. A statement counts as changing a name unless everything that it does to it is known to leave it alone (methods
that only read, functions of numpy, scipy, pandas and this library, functions of the notebook that themselves change
nothing), and a change to a name counts as one to every name that may share its object. Where the name was only ever
given an object made on the spot, what was put into that object stays as it is. A statement of unknown effect always
runs, and so does one that may raise on purpose. A notebook that looks names up by text (``eval``, ``globals``) runs
whole. A statement left out cannot fail. Not followed are objects in the cells of a table, and what is read off a
figure. Every run starts from the top in a fresh namespace.
"""

# From the bottom up: `known` lists functions by what they do, `names` reads the names in code, `recording` what it
# records; `renaming` gives each value a name of its own, `fresh` finds objects that are made on the spot; `scope` says
# what names stand for, `effects` and `functions` what code may change, `sharing` which names may be one object;
# `slicing` chooses the statements and `running` runs them.

from __future__ import annotations

from regiometrics.in_process.recording import recorded
from regiometrics.in_process.running import LOCK, execute
from regiometrics.in_process.slicing import Plan, Statement, plan

__all__ = ["LOCK", "Plan", "Statement", "execute", "plan", "recorded"]
