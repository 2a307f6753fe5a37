"""A chapter's notebook as a sweep sees it: its code, and the parameters that its tagged cell declares."""

from __future__ import annotations

import ast
import json
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from typing import Any, Literal

from regiometrics.data.files import notebooks_folder
from regiometrics.errors import RegionError

Kind = Literal["str", "int", "float", "bool", "list"]
KINDS: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "list": list}
RESERVED = ("shipped", "simulated", "stored")  # words that chapters take for a source, never for a folder


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a chapter.

    Attributes
    ----------
    name : str
        As in the tagged cell.
    kind : {"str", "int", "float", "bool", "list"}
        Its annotation.
    default : str, int, float, bool or list
        The paper's value.
    help : str
        Unit or range in words; of a text that may name a folder of the reader's, the word *folder* among them.
    """

    name: str
    kind: Kind
    default: Any
    help: str


@dataclass(frozen=True, slots=True)
class Notebook:
    """The code of a notebook without its outputs.

    Attributes
    ----------
    text : str
        The whole file, its outputs taken out.
    cells : tuple of str
        Source of the code cells.
    tagged : int
        Position of the cell tagged ``parameters`` among them.
    """

    text: str
    cells: tuple[str, ...]
    tagged: int

    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters, in the order of the tagged cell."""
        source = self.cells[self.tagged]
        words = {
            token.start[0]: token.string.lstrip("# ").strip()
            for token in tokenize.generate_tokens(StringIO(source).readline)
            if token.type == tokenize.COMMENT
        }
        return tuple(_parameter(node, words.get(node.end_lineno or 0, "")) for node in ast.parse(source).body)


def parameters(chapter: str | Path) -> tuple[Parameter, ...]:
    """The parameters of a chapter, in the order of its tagged cell.

    Parameters
    ----------
    chapter : str or path
        Name of a chapter, ``"p3"`` for short, or a notebook file.

    Raises
    ------
    RegionError
        No such notebook, no cell tagged ``parameters``, or a line of it that is no annotated literal.

    Examples
    --------
    >>> [(p.name, p.kind, p.default) for p in parameters("p3") if p.name in ("ddof", "level")]
    [('ddof', 'int', 1), ('level', 'float', 0.95)]
    """
    return read_notebook(chapter).parameters()


def read_notebook(chapter: str | Path) -> Notebook:
    """The notebook of a chapter, or of a file."""
    path = _notebook_file(chapter)
    try:
        read = json.loads(path.read_text("utf-8"))
        cells = read["cells"]
        for cell in cells:
            cell["source"] = "".join(cell["source"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RegionError(f"{path.name} is no notebook: {error}", remedy="name an .ipynb file") from None
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    for cell in code:
        cell["outputs"], cell["execution_count"] = [], None
    tagged = [i for i, cell in enumerate(code) if "parameters" in cell.get("metadata", {}).get("tags", [])]
    if not tagged:
        raise RegionError(f"{path.name} has no cell tagged parameters", remedy="tag the cell that holds them")
    return Notebook(json.dumps(read, ensure_ascii=False), tuple(cell["source"] for cell in code), tagged[0])


def names_folder(parameter: Parameter, value: object) -> bool:
    """Whether a value of a parameter is the path of a folder of the reader's."""
    return parameter.kind == "str" and "folder" in parameter.help and value not in (*RESERVED, parameter.default)


def closest(name: str, known: Iterable[str]) -> str:
    """The remedy for a name that is not known."""
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"perhaps {close[0]!r} is meant" if close else f"choose one of {', '.join(known)}"


def _notebook_file(chapter: str | Path) -> Path:
    if isinstance(chapter, Path):
        if chapter.is_file():
            return chapter
        raise RegionError(f"there is no notebook {chapter}", remedy="name an .ipynb file")
    files = {path.stem: path for path in sorted(notebooks_folder().glob("*.ipynb"))}
    short = {name.split("_")[0]: path for name, path in files.items()}
    found = files.get(chapter) or short.get(chapter)
    if found is None:
        raise RegionError(f"there is no chapter {chapter!r}", remedy=f"chapters: {', '.join(short)}")
    return found


def _parameter(node: ast.stmt, words: str) -> Parameter:
    try:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.value is None:
            raise ValueError
        kind = ast.unparse(node.annotation).split("[")[0]
        if kind not in KINDS:
            raise ValueError
        return Parameter(node.target.id, kind, ast.literal_eval(node.value), words)  # type: ignore[arg-type]
    except ValueError:
        raise RegionError(
            f"line {node.lineno} of the cell tagged parameters is no parameter: {ast.unparse(node)}",
            remedy=f"write `name: type = literal  # words`, with a type of {', '.join(KINDS)}",
        ) from None
