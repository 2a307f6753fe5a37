"""The chapters' notebooks: twins that agree, executed once from top to bottom, and rerunnable with other parameters."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import jupytext
import nbformat
import papermill
import pytest
from markdown_it import MarkdownIt
from nbformat import NotebookNode

FOLDER = Path(__file__).parents[2] / "notebooks"
SOURCES = sorted(FOLDER.glob("*.md"))
MAKE = "run `make notebooks`"
LINES_OF_A_CELL = 12


@pytest.fixture(scope="module", params=SOURCES, ids=lambda source: source.stem)
def source(request) -> Path:
    return request.param


@pytest.fixture(scope="module")
def notebook(source: Path) -> NotebookNode:
    path = source.with_suffix(".ipynb")
    assert path.is_file(), f"{path.name} is not made: {MAKE}"
    return nbformat.read(path, 4)


def cells(notebook: NotebookNode, kind: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == kind]


def test_every_notebook_has_its_source():
    assert SOURCES
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == {source.stem for source in SOURCES}


def test_twins_agree(source, notebook):
    def content(nb: NotebookNode) -> list[tuple[str, str, dict[str, object]]]:
        return [(cell.cell_type, cell.source, dict(cell.metadata)) for cell in nb.cells]

    assert content(jupytext.read(source)) == content(notebook), MAKE


def test_notebook_is_valid(notebook):
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec"}
    assert notebook.metadata.kernelspec.name == "python3"


def test_executed_once_from_top_to_bottom(notebook):
    code = cells(notebook, "code")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)), MAKE


def test_outputs_hold_no_error_and_no_warning(notebook):
    outputs = [output for cell in cells(notebook, "code") for output in cell.outputs]
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []


def test_no_output_is_silenced(notebook):
    """A semicolon silences in Jupyter alone, so the stored output would differ from the tested one."""
    assert [cell.source for cell in cells(notebook, "code") if cell.source.rstrip().endswith(";")] == []


def test_one_title(notebook):
    text = "\n\n".join(cell.source for cell in cells(notebook, "markdown"))
    titles = [token for token in MarkdownIt().parse(text) if token.type == "heading_open" and token.tag == "h1"]
    assert len(titles) == 1
    assert cells(notebook, "markdown")[0].source.startswith("# ")


def test_cells_are_short(notebook):
    def lines(cell: NotebookNode) -> int:
        return sum(bool(line.strip()) for line in cell.source.splitlines())

    assert [cell.source for cell in cells(notebook, "code") if lines(cell) > LINES_OF_A_CELL] == []


def test_figures_are_captioned_named_and_described(notebook):
    for cell in cells(notebook, "code"):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            settings = cell.metadata.get("mystnb", {})
            assert settings.get("figure", {}).get("name"), cell.source
            assert settings.get("figure", {}).get("caption"), cell.source
            assert settings.get("image", {}).get("alt"), cell.source


def test_parameters_are_what_papermill_reads(source, notebook):
    code = cells(notebook, "code")
    [place] = [i for i, cell in enumerate(code) if "parameters" in cell.metadata.get("tags", [])]
    for cell in code[:place]:
        assert all(isinstance(line, ast.Import | ast.ImportFrom) for line in ast.parse(cell.source).body), (
            "only imports may stand before the parameters: what is computed there would not follow them"
        )
    expected = {}
    for line in code[place].source.splitlines():
        [statement] = ast.parse(line).body
        assert isinstance(statement, ast.AnnAssign), f"one `name: type = literal  # words` a line: {line}"
        ast.literal_eval(statement.value)
        comment = line[statement.end_col_offset :].partition("#")[2].strip()
        assert comment, f"say in words what it is: {line}"
        expected[ast.unparse(statement.target)] = (
            ast.unparse(statement.annotation),
            ast.literal_eval(statement.value),
            comment,
        )
    read = papermill.inspect_notebook(source.with_suffix(".ipynb"))
    found = {name: (p["inferred_type_name"], ast.literal_eval(p["default"]), p["help"]) for name, p in read.items()}
    assert found == expected


# what may hold a decimal number in prose: code, formulas, roles, links, table rows, comments, options of directives
NOT_PROSE = re.compile(
    r"^(```+|:::+|~~~+)\{(?:code|math|list-table|csv-table|table|bibliography|figure|image)[^\n]*\n.*?^\1\s*$"
    r"|^```\w*\n.*?^```\s*$|\$\$.*?\$\$|\$[^$\n]+\$|`+[^`\n]+`+|\]\([^)]*\)|^\s*\|.*?$|^%.*?$|<!--.*?-->|^\s*:[\w-]+:.*?$",
    re.MULTILINE | re.DOTALL,
)


def decimals(text: str) -> list[str]:
    return re.findall(r"(?<![\w.])[-−]?\d+\.\d+(?![\w.])", NOT_PROSE.sub(" ", text))


def test_no_number_is_typed_in_prose(notebook):
    """A decimal number in a sentence is a result, computed or printed, and glued; a constant of a method is math."""
    assert [number for cell in cells(notebook, "markdown") for number in decimals(cell.source)] == []


@pytest.mark.parametrize(
    ("prose", "numbers"),
    [
        ("The Gini is 0.135, or -0.2 below.", ["0.135", "-0.2"]),
        ("The level is $0.05$, {glue:text}`g`, `0.3` and version 1.2.3 of [it](a0.1.html).", []),
        ("| a | 0.3 |\n:name: 0.2\n$$\n0.5\n$$\n", []),
        ("```{note}\nIt grew by 4.5 a year.\n```", ["4.5"]),
    ],
)
def test_decimals_in_prose_are_seen(prose, numbers):
    assert decimals(prose) == numbers
