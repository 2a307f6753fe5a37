"""What a run's id stands for: code and parameters, the library, its data and the reader's folders, each as a hash."""

from __future__ import annotations

import json
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import distributions, requires
from importlib.resources import files
from pathlib import Path
from typing import Any

from regiometrics.data.files import data_folder
from regiometrics.sweep.notebook import Notebook


class OtherFiles(Exception):
    """What a run reads is not what its id stands for; the text says what."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """Hashes of the files that the runs of a sweep may read: the library, its data, the reader's folders by path."""

    sources: str
    data: str
    folders: Mapping[str, str]


def inputs(places: Mapping[str, Path]) -> Inputs:
    """The hashes as the files are now; ``places`` are the reader's folders by their paths."""
    return Inputs(_sources_hash(), _data_hash(), {path: _folder_hash(place) for path, place in places.items()})


def run_id(notebook: Notebook, setting: Mapping[str, Any], read: Inputs, folders: Mapping[str, str]) -> str:
    """Hash of all that a run may depend on; ``folders`` are the reader's, by the parameters that name them."""
    named = [[name, read.folders[path]] for name, path in folders.items()]
    parts = [notebook.cells, notebook.tagged, setting, read.sources, read.data, named, _software()]
    return sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@cache
def _software() -> list[str]:
    """Versions of Python and of the packages that the library asks for."""
    asked = {re.split(r"[^\w.-]", line, maxsplit=1)[0].lower() for line in requires("regiometrics") or []}
    found = sorted(f"{p.name} {p.version}" for p in distributions() if p.name.lower() in asked)
    return [platform.python_version(), *found]


def require_same(read: Inputs, places: Mapping[str, Path], *, in_memory: bool) -> None:
    """Raise `OtherFiles` unless the files here are those that ids stand for.

    Parameters
    ----------
    read : Inputs
        Hashes that are in the ids.
    places : mapping of str to path
        Where this machine has the reader's folders.
    in_memory : bool
        The library is run as this process has it in memory.
    """
    try:
        sources = {_sources_hash(), _LOADED} if in_memory else {_sources_hash()}
        other = ["the library"] if sources != {read.sources} else []
        other += ["its data"] if _data_hash() != read.data else []
        other += [path for path, place in places.items() if _folder_hash(place) != read.folders[path]]
    except FileNotFoundError as gone:  # between the listing and the reading of a folder
        raise OtherFiles(str(gone.filename)) from None
    if other:
        raise OtherFiles(" and ".join(other))


def stored_sweeps() -> Path:
    """Where the project keeps sweeps among its data; they are no input of a run."""
    return data_folder() / "results" / "sweeps"


def _sources_hash() -> str:
    """Hash of the library's code."""
    package = Path(str(files("regiometrics")))
    return _hash_of(package, package.rglob("*.py"))


def _data_hash() -> str:
    """Hash of the project's data."""
    stored = stored_sweeps()
    found = (file for file in data_folder().rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return _hash_of(data_folder(), (file for file in found if stored not in file.parents))


def _folder_hash(folder: Path) -> str:
    return _hash_of(folder, (file for file in folder.rglob("*") if file.is_file()))


def _hash_of(folder: Path, files: Iterable[Path]) -> str:
    stamps = ((file.relative_to(folder).as_posix(), file.stat()) for file in sorted(files))
    return _hash_of_stamped(folder, tuple((name, stamp.st_size, stamp.st_mtime_ns) for name, stamp in stamps))


@lru_cache(maxsize=32)
def _hash_of_stamped(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Hash of names and contents, read again when a size or a time of change is another one."""
    digest = sha256()
    for name, _, _ in stamps:
        digest.update(json.dumps(name).encode())
        digest.update(sha256((folder / name).read_bytes()).digest())
    return digest.hexdigest()


_LOADED = _sources_hash()  # of the code that this process has in memory
