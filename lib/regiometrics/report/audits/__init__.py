"""The audits: a module a paper, on the rules that printed numbers must obey; `report.consistency` runs them.

A paper's audit is as long as the paper, and the rules serve all five: so each has a module of its own here, and
imports run one way, from `rounded` over `identities` and the papers to `report.consistency`.
"""
