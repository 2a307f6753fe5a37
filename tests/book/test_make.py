"""The Makefile's own recipe on a book of one page: no number survives a change below it, no failure turns green."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAD = """---
file_format: mystnb
kernelspec: {display_name: Python 3, language: python, name: python3}
---

# Growth
"""
CELL = """
```{{code-cell}} ipython3
{code}
```
"""
NUMBER = """import os
from myst_nb import glue
from growth import rate
assert os.environ["OMP_NUM_THREADS"] == "1" and not os.environ["REGIOMETRICS_SOURCES"]
glue("rate", rate(), display=False)"""


class Book:
    """A book of one page and a library of one function, made by the project's Makefile, script and settings."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.makefile, self.folder = root / "Makefile", folder
        shutil.copytree(root / "book", folder / "book", ignore=shutil.ignore_patterns("*.md", "*.bib", "__pycache__"))
        shutil.copy(root / "_config.yml", folder)
        for name in ("lib", "data", "notebooks"):
            (folder / name).mkdir()
        for name in ("requirements.lock", "book/references.bib"):
            (folder / name).touch()
        (folder / "_toc.yml").write_text("format: jb-book\nroot: notebooks/growth\n")
        self.library(0.025)
        self.page("The rate is {glue:text}`rate`.", NUMBER)

    def library(self, rate: float) -> None:
        """Let the library's only function return another number."""
        (self.folder / "lib" / "growth.py").write_text(f"def rate():\n    return {rate}\n")

    def page(self, prose: str, *cells: str) -> None:
        """Write the page."""
        text = HEAD + prose + "\n" + "".join(CELL.format(code=code) for code in cells)
        (self.folder / "notebooks" / "growth.md").write_text(text)

    def make(self) -> subprocess.CompletedProcess[str]:
        """``make book``, outside the checkout."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
        command = ["make", "-f", self.makefile, f"BIN={Path(sys.executable).parent}", "STAMP=", "book"]
        environment |= {"PYTHONPATH": str(self.folder / "lib")}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def shown(self) -> str:
        """The rate that stands on the built page."""
        text = re.sub("<[^>]*>", "", (self.folder / "_build/html/notebooks/growth.html").read_text())
        return re.search(r"The rate is (\S+)\.\s", text).group(1)


@pytest.fixture
def book(root: Path, tmp_path: Path) -> Book:
    return Book(root, tmp_path)


def test_page_follows_library_and_is_executed_only_then(book):
    first = book.make()
    assert first.returncode == 0, first.stderr
    assert "executed notebooks/growth.md" in first.stdout
    assert book.shown() == "0.025"
    assert "up to date" in book.make().stdout
    book.page("Another sentence. The rate is {glue:text}`rate`.", NUMBER)
    second = book.make()
    assert second.returncode == 0
    assert "executed" not in second.stdout
    assert book.shown() == "0.025"
    book.library(0.075)
    third = book.make()
    assert third.returncode == 0
    assert book.shown() == "0.075"


def test_failing_cell_fails_every_time(book):
    book.page("Text.", "1 / 0")
    for _ in range(2):
        result = book.make()
        assert result.returncode != 0
        assert "ZeroDivisionError" in result.stderr


def test_page_may_not_read_its_folder(book):
    (book.folder / "notebooks" / "own.csv").touch()
    book.page("Text.", 'open("own.csv")')
    result = book.make()
    assert result.returncode != 0
    assert "FileNotFoundError" in result.stderr


def test_warnings_fail_every_time(book):
    book.page("See {func}`growth.absent`.", 'import sys; print("Glyph missing", file=sys.stderr)')
    for _ in range(2):
        result = book.make()
        assert result.returncode != 0
        assert "growth.absent" in result.stderr
        assert "stderr" in result.stderr


@pytest.mark.parametrize(
    ("changed", "numbers"),
    [
        ("lib/growth.py", True),
        ("data/new.csv", True),
        ("notebooks/growth.ipynb", True),
        ("requirements.lock", True),
        ("notebooks/growth.md", False),
        ("book/_static/custom.css", False),
        ("_config.yml", False),
        ("_toc.yml", False),
        ("_build/html/index.html", False),
    ],
)
def test_change_is_noticed(book, make, monkeypatch, changed, numbers):
    monkeypatch.chdir(book.folder)
    make.HTML.mkdir(parents=True)
    assert not make.is_built()
    make.BOOK_STAMP.write_text(make.book_state())
    assert make.is_built()
    before = make.fingerprint(make.number_sources())
    (book.folder / changed).write_text("changed")
    assert not make.is_built()
    assert (make.fingerprint(make.number_sources()) != before) is numbers
