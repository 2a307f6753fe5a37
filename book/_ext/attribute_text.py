"""Leave the text of constants and properties as it is written.

Napoleon takes the words before a colon in its first line for a type: "One row per group: ``n``, ``mean``" would be torn
in two. An empty comment in front keeps that line whole.
"""

from __future__ import annotations

from sphinx.application import Sphinx


def keep_first_line(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Put an empty comment before the text of an attribute."""
    if what in {"attribute", "data", "property"}:
        lines[:0] = ["..", ""]


def setup(app: Sphinx) -> dict[str, bool]:
    """Act before Napoleon does."""
    app.connect("autodoc-process-docstring", keep_first_line, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
