"""Make the book, or the chapters' notebooks: ``python book/make.py book`` and ``python book/make.py notebooks``.

A page's code runs in a fresh kernel in an empty folder, two pages at a time.
The execution cache knows the code cells of a page and nothing else: it goes whenever anything else that a number can
depend on has changed. Parsed pages are never kept: of a page that it does not read again, Sphinx repeats no warning and
shows the old numbers. Nothing is done only where sources and built pages are those of the last build that succeeded.
"""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import is_myst_markdown_notebook, myst_nb_reader_plugin
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from sphinx_external_toc.parsing import parse_toc_yaml

BUILD = Path("_build")
HTML = BUILD / "html"
NUMBERS_STAMP = BUILD / "numbers.sha256"  # what the execution cache was filled from
BOOK_STAMP = BUILD / "book.sha256"  # what the last successful build left
RAISED = BUILD / "raised.json"  # pages whose code raised in the last build, each with its error
OWN = Path("edition.json")  # stands in an edition, and names its chapters on own data
OWN_NOTEBOOKS = BUILD / "own"
WORKERS = 2


def make_book() -> None:
    """Execute the pages that changed and render all, every warning an error."""
    start = time.monotonic()
    if is_built():
        print(f"{HTML / 'index.html'} (up to date)")
        return
    before = fingerprint(book_sources())
    forget()
    fill_cache()
    write_own_notebooks()
    # the log of a failed build is its warnings, on stderr
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", ".", "-W", "-n", "--keep-going", "-q"]
    if code := subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode:
        sys.exit(code)
    if fingerprint(book_sources()) != before:
        sys.exit("Files changed during the build: run it again.")
    BOOK_STAMP.write_text(book_state())
    print(f"{HTML / 'index.html'} ({time.monotonic() - start:.0f} s)")


def make_notebooks() -> None:
    """Write each chapter's .ipynb: the cells of its .md, executed. A second run writes the same bytes."""
    for source, notebook, _ in execute({source: chapter(source) for source in sorted(Path("notebooks").glob("*.md"))}):
        del notebook.metadata["language_info"]  # names the patch release of Python
        nbformat.write(notebook, source.with_suffix(".ipynb"))


def chapter(source: Path) -> NotebookNode:
    """A chapter as a notebook without outputs; cell ids follow from the cells, where Jupyter would draw them."""
    notebook = jupytext.read(source)
    notebook.metadata = nbformat.from_dict({"kernelspec": notebook.metadata.kernelspec})
    notebook.nbformat_minor = 5
    seen: Counter[str] = Counter()
    for cell in notebook.cells:
        name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[name] += 1
        cell.id = f"{name}-{seen[name]}"
    return notebook


def pages() -> list[Path]:
    """The sources of the book's pages, in the order of the contents."""
    return [Path(f"{name}.md") for name in parse_toc_yaml("_toc.yml")]


def number_sources() -> list[Path]:
    """All files that a number on a page can depend on; some pages read the chapters' stored outputs."""
    return [*_files("lib", "data"), *Path("notebooks").rglob("*.ipynb"), Path("requirements.lock")]


def book_sources() -> list[Path]:
    """All files that the rendered book can depend on."""
    return [*_files("lib", "data", "notebooks", "book"), *map(Path, ("requirements.lock", "_config.yml", "_toc.yml"))]


@cache
def packages() -> list[str]:
    """Name and version of every package."""
    return sorted(f"{package.name} {package.version}" for package in distributions())


def fingerprint(files: Iterable[Path]) -> str:
    """Hash of the names and contents of files, of the Python that runs and of its packages."""
    digest = hashlib.sha256("\n".join([platform.python_version(), *packages()]).encode())
    for file in sorted(files):
        digest.update(f"{file.as_posix()} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def book_state() -> str:
    """`fingerprint` of the sources and of the built pages."""
    return fingerprint([*book_sources(), *_files(str(HTML))])


def is_built() -> bool:
    """Whether the built pages are whole and made from the sources as they are now."""
    return BOOK_STAMP.is_file() and BOOK_STAMP.read_text() == book_state()


def forget() -> None:
    """Remove what may not be used again: all when a number may have changed, else the parsed and rendered pages."""
    numbers = fingerprint(number_sources())
    if not NUMBERS_STAMP.is_file() or NUMBERS_STAMP.read_text() != numbers:
        shutil.rmtree(BUILD, ignore_errors=True)
    BOOK_STAMP.unlink(missing_ok=True)
    for folder in (HTML, BUILD / ".doctrees"):
        shutil.rmtree(folder, ignore_errors=True)
    RAISED.unlink(missing_ok=True)
    BUILD.mkdir(exist_ok=True)
    NUMBERS_STAMP.write_text(numbers)


def fill_cache() -> None:
    """Execute the pages that the cache does not hold."""
    cache = get_cache(_settings()["cache"])
    executable = [page for page in pages() if is_myst_markdown_notebook(page.read_text("utf-8"))]
    for page in executable:
        cache.add_nb_to_project(str(page), read_data={"type": "plugin", "name": "myst_nb_md"})
    wanted = {str(page.absolute()): page for page in executable}
    stale = [wanted[record.uri] for record in cache.list_unexecuted(filter_uris=list(wanted))]
    stale.sort(key=lambda page: page.parts[0] != "notebooks")  # chapters take longest, so they start first
    for page, notebook, seconds in execute({page: myst_nb_reader_plugin(str(page)) for page in stale}):
        bundle = CacheBundleIn(notebook, str(page.absolute()), data={"execution_seconds": seconds})
        cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)


def write_own_notebooks() -> None:
    """Write the executed notebooks of an edition's chapters on own data, which those pages offer for download."""
    cache = get_cache(_settings()["cache"])
    for name in json.loads(OWN.read_text("utf-8")) if OWN.is_file() else ():
        page = Path("notebooks", f"{name}.md")
        notebook, kept = chapter(page), cache.match_cache_notebook(myst_nb_reader_plugin(str(page)))
        code = (cell for cell in notebook.cells if cell.cell_type == "code")
        for cell, executed in zip(code, cache.get_cache_bundle(kept.pk).nb.cells, strict=True):
            cell.outputs, cell.execution_count = executed.outputs, executed.execution_count
        OWN_NOTEBOOKS.mkdir(exist_ok=True)
        nbformat.write(notebook, OWN_NOTEBOOKS / f"{name}.ipynb")


def execute(notebooks: Mapping[Path, NotebookNode]) -> Iterator[tuple[Path, NotebookNode, float]]:
    """Execute notebooks and yield each with its seconds as it ends; if any failed, exit after the last one."""
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        running = {pool.submit(_execute, notebook): source for source, notebook in notebooks.items()}
        for done in as_completed(running):
            source = running[done]
            if error := done.exception():
                print(f"executing {source}: {error}", file=sys.stderr)
                of_cell = isinstance(error, CellExecutionError)
                name, words = (error.ename, error.evalue) if of_cell else (type(error).__name__, error)
                failed[source.as_posix()] = f"{name}: {words}"
            else:
                print(f"executed {source} ({done.result():.0f} s)", flush=True)
                yield source, notebooks[source], done.result()
    if failed:
        BUILD.mkdir(exist_ok=True)
        RAISED.write_text(json.dumps(failed), "utf-8")
        sys.exit(f"Failed: {', '.join(failed)}")


def _execute(notebook: NotebookNode) -> float:
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=_settings()["timeout"],
            kernel_name="python3",
            record_timing=False,
            extra_arguments=["--log-level=ERROR"],
            resources={"metadata": {"path": folder}},
        ).execute()
    return time.monotonic() - start


def _settings() -> dict[str, Any]:
    return yaml.safe_load(Path("_config.yml").read_text("utf-8"))["execute"]


def _files(*folders: str) -> list[Path]:
    found = (path for folder in folders for path in Path(folder).rglob("*"))
    return [path for path in found if path.is_file() and not {"__pycache__", ".ipynb_checkpoints"} & set(path.parts)]


MAKERS: dict[str, Callable[[], None]] = {"book": make_book, "notebooks": make_notebooks}

if __name__ == "__main__":
    MAKERS[sys.argv[1]]()
