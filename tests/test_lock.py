"""The lock file: pinned and hashed, of no registry in particular, and in step with pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
LOCK = (ROOT / "requirements.lock").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PINS = [Requirement(line.split("\\")[0]) for line in LOCK.splitlines() if re.match(r"\w", line)]


def declared() -> list[Requirement]:
    groups = PROJECT["dependency-groups"]
    extras = PROJECT["project"].get("optional-dependencies", {})
    listed = [PROJECT["project"]["dependencies"], *extras.values(), *groups.values()]
    return [Requirement(entry) for entries in listed for entry in entries if isinstance(entry, str)]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("word", ["://", "-index", "-links", " @ "])
def test_no_registry_is_named(word):
    assert word not in LOCK


def test_every_package_is_pinned_and_hashed():
    assert all([spec.operator for spec in pin.specifier] == ["=="] for pin in PINS)
    entries = re.split(r"^(?=\w)", LOCK, flags=re.MULTILINE)[1:]
    assert len(entries) == len(PINS)
    assert all("--hash=sha256:" in entry for entry in entries)


@pytest.mark.parametrize("wanted", declared(), ids=str)
def test_lock_meets_pyproject(wanted):
    pinned = [spec.version for pin in PINS if normal(pin.name) == normal(wanted.name) for spec in pin.specifier]
    assert pinned, "run `make lock`"
    assert all(wanted.specifier.contains(version, prereleases=True) for version in pinned), "run `make lock`"


@pytest.mark.parametrize("name", ["uv.lock", "pylock.toml"])
def test_locks_that_name_a_registry_are_not_kept(name):
    assert name in (ROOT / ".gitignore").read_text().split()


@pytest.mark.parametrize("wanted", declared(), ids=lambda wanted: wanted.name)
def test_each_dependency_has_its_reason(wanted):
    reasons = (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## Dependencies")[2]
    assert re.search(rf"(?<![\w-]){re.escape(wanted.name)}(?![\w-])", reasons), "give its reason in CONTRIBUTING.md"
