"""What must not be in the repository, and which way imports point."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "lib" / "regiometrics"
KEPT_HIDDEN = {".ci", ".gitignore"}
MODULES = sorted(PACKAGE.rglob("*.py"))
PROGRAMS = sorted(
    [*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "book").rglob("*.py"), *(ROOT / "data").rglob("*.py")]
)

# lowest first; a module imports from its own floor and from those below
FLOORS = (
    {"errors", "panel", "result"},
    {"data"},
    {"measure"},
    {"estimate"},
    {"simulate", "report", "chapters"},
    {"in_process", "sweep", "edition", "__main__"},
)
AT_HOME = {
    "matplotlib": {"report"},
    "papermill": {"sweep"},
    "dask": {"sweep"},
    "typer": {"__main__"},
    "distributed": {"sweep"},
    "diff_diff": {"estimate"},
    "duckdb": {"data"},
    "numba": {"estimate"},
    "highspy": {"measure"},
    "sympy": {"measure"},
    "rasterio": set(),  # the raster toolchain is for the script that makes the county table alone
    "exactextract": set(),
}
ADAPTER = PACKAGE / "estimate" / "modern_did.py"


def texts() -> Iterator[tuple[Path, str]]:
    for folder in sorted(ROOT.iterdir()):
        if folder.name in {"_build", "dist"} or (folder.name.startswith(".") and folder.name not in KEPT_HIDDEN):
            continue
        for path in [folder] if folder.is_file() else sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                try:
                    yield path.relative_to(ROOT), path.read_text("utf-8")
                except UnicodeDecodeError:
                    continue


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?<![\w.~/:<-])/(?:home|root|Users|mnt|media|srv|tmp|work)/[\w.-]+",
        r"\b[A-Z]:\\\\?[A-Za-z]",
        r"-{2}(?:extra-)?index-url[ =]|-{2}find-links[ =]|https?://\S+/simple\b",
    ],
    ids=["path of a machine", "path of a Windows machine", "package registry"],
)
def test_no_file_names_a(pattern):
    found = [f"{path}: {match.group()}" for path, text in texts() for match in re.finditer(pattern, text)]
    assert found == []


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_program_leaves_the_interpreter_alone(path):
    """No edit of the import path, no generator that all share, no filter that hides every warning."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call):
            call = ast.unparse(node.func)
            assert not call.startswith("sys.path."), call
            assert call not in {"np.random.seed", "numpy.random.seed", "random.seed"}, call
            if call.endswith(("filterwarnings", "simplefilter")) and len(node.args) == 1 and not node.keywords:
                named = re.fullmatch(r"'\w+:.+'", ast.unparse(node.args[0]))  # pytest's form, action:message:category
                assert named, call


def floor(name: str) -> int | None:
    """The floor of ``regiometrics.<name>``; None for the package itself."""
    return next((i for i, names in enumerate(FLOORS) if name in names), None)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    assert floor(own) is not None, f"{own} has no floor"
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the module in full"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for parts in (name.split(".") for name in names):
            if parts[0] == "regiometrics":
                assert floor(parts[1]) is not None and floor(parts[1]) <= floor(own), f"{own} imports {'.'.join(parts)}"
            assert own in AT_HOME.get(parts[0], {own}), f"{own} imports {parts[0]}"
            assert parts[0] != "diff_diff" or path == ADAPTER, f"{own} imports diff_diff beside its adapter"
