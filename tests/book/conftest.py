"""What the tests of the book share: the script that makes it, its chapters, and the built pages."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The script that makes the book and the notebooks."""
    return program("make.py")


@pytest.fixture(scope="session")
def search() -> ModuleType:
    """The extension that indexes Chinese terms."""
    return program("_ext/zh_bigram.py")


def program(name: str) -> ModuleType:
    """A module of the folder ``book``, which is no package."""
    spec = importlib.util.spec_from_file_location(Path(name).stem, ROOT / "book" / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def html(make: ModuleType) -> Mapping[Path, BeautifulSoup]:
    """Every page of the built book; a book built from other files than today's is a failure, not a skip."""
    with contextlib.chdir(ROOT):
        if not make.is_built():
            pytest.fail("the book is not built, or files changed since: run `make book`")
    files = sorted((ROOT / make.HTML).rglob("*.html"))
    return {
        file: BeautifulSoup(file.read_text("utf-8"), "html.parser") for file in files if "_static" not in file.parts
    }
