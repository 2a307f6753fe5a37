"""Sweeps: run a chapter over a grid of parameters, by papermill on Dask processes or in warm processes.

A grid is checked as a whole before its first run. Every finished run is one file under the run's id, which is a hash of
all that the run may depend on, so that a sweep that was stopped goes on where it stood.
"""

from __future__ import annotations

import ast
import json
import logging
import math
import os
import tempfile
import tokenize
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from io import StringIO
from itertools import product
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

import pandas as pd

from regiometrics import in_process as in_process_engine
from regiometrics.data.files import data_folder, notebooks_folder
from regiometrics.errors import DataProblems, DomainError, RegionError
from regiometrics.report.record import Plain, collect

Kind = Literal["str", "int", "float", "bool", "list"]
KINDS: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool, "list": list}
RESERVED = ("shipped", "simulated", "stored")  # words that chapters take for a source, never for a folder
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_KEYS = ("chapter", "base", "grid", "specifications", "results")
_COLUMNS = ("run", "seconds", "error", "engine")
_SECONDS_FOR_A_SCHEDULER = 10
_SECONDS_FOR_A_WORKER = 60


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
        Unit or range in words.
    """

    name: str
    kind: Kind
    default: Any
    help: str


@dataclass(frozen=True, slots=True)
class Grid:
    """What a sweep runs.

    Attributes
    ----------
    chapter : str
        Name of a notebook, ``"p3"`` for short.
    base : mapping
        Parameters that every run has; those not named keep the chapter's default.
    grid : mapping of str to sequence
        Values of the parameters that vary; every combination is run.
    specifications : sequence of mapping
        Further runs, each by the parameters in which it differs from the base.
    results : sequence of str
        Recorded values that are wanted; empty: all.
    notebook : path, optional
        A notebook file in place of the chapter's.
    """

    chapter: str
    base: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    specifications: Sequence[Mapping[str, Any]] = ()
    results: Sequence[str] = ()
    notebook: Path | None = None


@dataclass(frozen=True, slots=True)
class _Notebook:
    """The code of a notebook without its outputs."""

    text: str
    cells: tuple[str, ...]
    tagged: int


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder of the reader's that a parameter names; ``files`` travel where the worker may not see its disk."""

    path: str
    digest: str
    files: Mapping[str, bytes] | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    """All that a worker needs for one run."""

    run: str
    notebook: _Notebook
    parameters: Mapping[str, Any]
    varied: tuple[str, ...]
    results: tuple[str, ...]
    folders: Mapping[str, str]
    sources: str
    data: str
    in_process: bool

    @property
    def engine(self) -> str:
        """Name of the engine in the table."""
        return "in-process" if self.in_process else "notebook"


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a worker hands back; ``executed`` is the text of the executed notebook, as far as it came."""

    results: Mapping[str, Plain]
    seconds: float
    error: str
    executed: str = ""


class GridProblems(DataProblems):
    """Several problems of one grid; each line has its own remedy."""

    def _message(self) -> str:
        return self.problem.strip()


class _OtherFiles(Exception):
    """What a run reads is not what its id stands for; the text says what."""


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
    notebook = _read_notebook(_notebook_file(chapter))
    source = notebook.cells[notebook.tagged]
    words = {
        token.start[0]: token.string.lstrip("# ").strip()
        for token in tokenize.generate_tokens(StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    return tuple(_parameter(node, words.get(node.end_lineno or 0, "")) for node in ast.parse(source).body)


def read_grid(path: str | Path) -> Grid:
    r"""A grid from its YAML file, its names and types checked against the chapter.

    Parameters
    ----------
    path : str or path
        A file with the key ``chapter`` and, as needed, ``base``, ``grid``, ``specifications``, ``results``; see `Grid`.

    Raises
    ------
    RegionError
        No such file, no plain YAML, an unknown or a repeated key, or anything that `specifications` refuses.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "grid.yml")
    ...     _ = path.write_text("chapter: p3\ngrid: {ddof: [0, 1]}\nresults: [log_t]\n", "utf-8")
    ...     read_grid(path).grid
    {'ddof': [0, 1]}
    """
    import yaml

    path = Path(path)
    try:
        text = path.read_text("utf-8")
        read, repeated = yaml.safe_load(text), _repeated_keys(text, path.name)
    except FileNotFoundError:
        raise RegionError(f"there is no grid {path}", remedy="name a YAML file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise RegionError(f"{path.name} cannot be read as YAML: {error}", remedy="write plain YAML in UTF-8") from None
    if not isinstance(read, dict) or not isinstance(read.get("chapter"), str):
        raise RegionError(f"{path.name} names no chapter", remedy="begin it with a line such as `chapter: p3`")
    problems = repeated + [
        DomainError(f"{path.name} has an unknown key {key!r}", remedy=_closest(str(key), _KEYS))
        for key in read
        if key not in _KEYS
    ]
    shapes: dict[str, tuple[type[Any], str]] = {
        "base": (dict, "a mapping of names to values"),
        "grid": (dict, "a mapping of names to lists"),
    }
    shapes |= {"specifications": (list, "a list of mappings"), "results": (list, "a list of names")}
    read = {key: value for key, value in read.items() if value is not None}
    for key, (kind, words) in shapes.items():
        if not isinstance(read.get(key, kind()), kind):
            problems.append(DomainError(f"{key} of {path.name} is {read[key]!r}", remedy=f"write {words}"))
    _raise(problems)
    grid = Grid(**{key: read[key] for key in _KEYS if key in read})
    _checked(grid)
    return grid


def specifications(grid: Grid) -> pd.DataFrame:
    """The runs of a grid: one row each, its id and the parameters that vary, lists as text.

    Parameters
    ----------
    grid : Grid
        Combinations of ``grid`` first, then ``specifications``; a run that comes twice is listed once.

    Raises
    ------
    RegionError
        All problems at once: unknown names with the closest known one, wrong types, folders that do not exist, wanted
        results that no cell records.

    Examples
    --------
    >>> specifications(Grid("p3", grid={"ddof": [0, 1], "level": [0.9, 0.95]}))[["ddof", "level"]].values.tolist()
    [[0.0, 0.9], [0.0, 0.95], [1.0, 0.9], [1.0, 0.95]]
    """
    tasks, _ = _tasks(grid, in_process=False)
    known = parameters(grid.notebook or grid.chapter)
    rows = [{"run": task.run} | dict(task.parameters) for task in tasks]
    table = _typed(rows, known)
    varied = tasks[0].varied
    return table[["run", *(p.name for p in known if p.name in varied)]]


def finished(grid: Grid, out: str | Path, *, in_process: bool = False) -> list[str]:
    """Ids of the runs of a grid that `run` would not run again for this folder.

    Parameters
    ----------
    grid : Grid
        From `read_grid`, or made here.
    out : str or path
        Folder of an earlier `run`; none is finished where it does not exist.
    in_process : bool
        As in `run`: without it a run is finished only with its executed notebook.

    Raises
    ------
    RegionError
        As in `specifications`.

    Examples
    --------
    >>> finished(Grid("p3", grid={"ddof": [0, 1]}), "no/such/folder")
    []
    """
    tasks, _ = _tasks(grid, in_process=in_process)
    return [task.run for task in tasks if _is_finished(Path(out), task)]


def run(
    grid: Grid,
    *,
    out: str | Path,
    workers: int = 2,
    scheduler: str | None = None,
    in_process: bool = False,
    progress: bool = True,
) -> pd.DataFrame:
    """Run a grid, keep every finished run in ``out``, and return the tidy table of all.

    A run is finished once ``<out>/<run>.json`` stands without an error; finished runs are not run again, so the same
    call after a stop, however hard, goes on. Where another parameter, another file of data or another version of the
    library is used, the id is another one.

    Parameters
    ----------
    grid : Grid
        From `read_grid`, or made here.
    out : str or path
        Folder for ``<run>.ipynb`` (executed notebooks), ``<run>.json``, ``results.parquet`` and ``results.csv``.
    workers : int
        Dask processes on this machine, each with one thread; 0 runs without Dask, here.
    scheduler : str, optional
        Address of a running Dask scheduler, ``"tcp://host:8786"``, whose workers have this library; no disk is shared.
    in_process : bool
        The same cells in warm processes without kernel: no executed notebooks, and only those statements run on which
        the wanted results may depend.
    progress : bool
        Show a progress bar.

    Returns
    -------
    DataFrame
        One row per run: ``run``, all parameters (lists as JSON text), the recorded results, ``seconds``, ``error``
        (empty where there is none; ``cell 3: ValueError: ...`` names the third code cell), ``engine``. Results of a
        failed run are missing. Numbers are float64, so that the types do not hang on which runs failed.

    Raises
    ------
    RegionError
        As in `specifications`, before the first run; a scheduler that cannot be reached; or files that a run reads
        changed meanwhile, or differ on a worker: the sweep stops, and what is finished is kept.

    Notes
    -----
    Scripts that call this with ``workers`` need ``if __name__ == "__main__":``, since processes are spawned.
    Ctrl-C stops the sweep, keeps what is finished and writes the table of it.
    """
    tasks, folders = _tasks(grid, in_process=in_process)
    if in_process:
        _plan(tasks[0])
    out = Path(out)
    _require_outside(out, folders)
    out.mkdir(parents=True, exist_ok=True)
    for leftover in out.glob(".sweep-*.part"):
        leftover.unlink(missing_ok=True)
    open_ = [task for task in tasks if not _is_finished(out, task)]
    try:
        for task, outcome in _bar(_outcomes(open_, folders, workers, scheduler), len(tasks), len(open_), progress):
            _store(out, task, outcome)
    except _OtherFiles as other:
        raise _stopped(str(other), tasks[0], folders) from None
    finally:
        table = _table(out, tasks, parameters(grid.notebook or grid.chapter))
        _write(out / "results.parquet", table.to_parquet(index=False))
        _write(out / "results.csv", table.to_csv(index=False).encode())
    return table


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


def _notebook_file(chapter: str | Path) -> Path:
    if isinstance(chapter, Path):
        if chapter.is_file():
            return chapter
        raise RegionError(f"there is no notebook {chapter}", remedy="name an .ipynb file")
    files = {path.stem: path for path in sorted(notebooks_folder().glob("*.ipynb"))}
    short = {name.split("_")[0]: path for name, path in files.items()}
    found = files.get(chapter) or short.get(chapter)
    if found is None:
        known = [*short, *files]
        raise RegionError(f"there is no chapter {chapter!r}", remedy=_closest(chapter, known))
    return found


def _read_notebook(path: Path) -> _Notebook:
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
    return _Notebook(json.dumps(read, ensure_ascii=False), tuple(cell["source"] for cell in code), tagged[0])


def _tasks(grid: Grid, *, in_process: bool) -> tuple[list[_Task], dict[str, _Folder]]:
    """The runs of a checked grid, each once, and the reader's folders by their paths."""
    notebook, known, settings = _checked(grid)
    by_name = {parameter.name: parameter for parameter in known}
    varied = tuple(n for n in by_name if len({json.dumps(setting[n]) for setting in settings}) > 1)
    folders: dict[str, _Folder] = {}
    tasks: dict[str, _Task] = {}
    sources, data = _sources_hash(), _folder_hash(str(data_folder()))
    for setting in settings:
        named = {n: str(setting[n]) for n, parameter in by_name.items() if _names_folder(parameter, setting[n])}
        for path in named.values():
            if path not in folders:
                folders[path] = _Folder(str(Path(path).resolve()), _hash_of_folder(Path(path)))
        read = [[name, folders[path].digest] for name, path in named.items()]
        parts = [notebook.cells, notebook.tagged, setting, sources, data, read]
        name = sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]
        results = tuple(dict.fromkeys(grid.results))
        tasks[name] = _Task(name, notebook, setting, varied, results, named, sources, data, in_process)
    return list(tasks.values()), folders


def _checked(grid: Grid) -> tuple[_Notebook, tuple[Parameter, ...], list[dict[str, Any]]]:
    """The notebook, its parameters and those of every run; raise all problems of the grid at once."""
    where = grid.notebook or grid.chapter
    known = parameters(where)
    notebook = _read_notebook(_notebook_file(where))
    by_name = {parameter.name: parameter for parameter in known}
    problems: list[RegionError] = [
        DomainError(f"parameter {name!r} has the name of a column of the table", remedy="rename it in the notebook")
        for name in by_name
        if name in _COLUMNS
    ]

    unknown: dict[str, str] = {}

    def checked(name: object, value: object, place: str) -> Any:
        if str(name) not in by_name:
            unknown.setdefault(str(name), place)
            return None
        try:
            return _plain_value(by_name[str(name)], value, place)
        except RegionError as problem:
            problems.append(problem)
            return None

    base = {name: checked(name, value, "base") for name, value in grid.base.items()}
    axes: dict[str, list[Any]] = {}
    for name, values in grid.grid.items():
        if isinstance(values, str) or not isinstance(values, Sequence) or not values:
            problems.append(DomainError(f"grid: {name} has {values!r} for values", remedy="write a list of values"))
        else:
            axes[name] = [checked(name, value, "grid") for value in values]
    further = []
    given: Sequence[Any] = grid.specifications
    for number, setting in enumerate(given, start=1):
        if isinstance(setting, Mapping):
            further.append({n: checked(n, value, f"specification {number}") for n, value in setting.items()})
        else:
            problems.append(DomainError(f"specification {number} is {setting!r}", remedy="write a mapping"))
    problems += [
        DomainError(f"{place} names {name!r}, which is no parameter of {grid.chapter}", remedy=_closest(name, by_name))
        for name, place in unknown.items()
    ]
    problems += _unrecorded(grid, notebook)
    _raise(problems)
    defaults = {parameter.name: parameter.default for parameter in known}
    combined = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    chosen = [*(combined if axes or not further else []), *further]
    return notebook, known, [defaults | base | setting for setting in chosen]


def _raise(problems: Sequence[RegionError]) -> None:
    """Raise nothing, the only problem, or all of them in one report."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise GridProblems(problems, remedy="")


def _repeated_keys(text: str, name: str) -> list[RegionError]:
    """Keys that come twice in one mapping of a YAML text, of which loading would keep the last."""
    import yaml

    problems: list[RegionError] = []
    waiting, seen = [yaml.compose(text, Loader=yaml.SafeLoader)], set()
    while waiting:
        node = waiting.pop()
        if node in seen:  # an alias
            continue
        seen.add(node)
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            first = {key.value: key for key in reversed(keys)}
            problems += [
                DomainError(
                    f"line {key.start_mark.line + 1} of {name} repeats the key {key.value!r}", remedy="join them"
                )
                for key in keys
                if key is not first[key.value]
            ]
            waiting += [value for _, value in node.value]
    return problems


def _plain_value(parameter: Parameter, value: Any, place: str) -> Any:
    """The value as a literal of the parameter's kind; an int will do for a float."""
    kind = KINDS[parameter.kind]
    if kind is float and type(value) is int:
        value = float(value)
    wrong = type(value) is not kind
    if kind is list and isinstance(value, tuple):
        value, wrong = list(value), False
    each = value if isinstance(value, list) else [value]
    wrong |= any(type(item) not in (str, int, float, bool) for item in each)
    wrong |= any(isinstance(item, float) and not math.isfinite(item) for item in each)
    if wrong:
        words = {
            "str": "text, in quotes where it looks like a number, a date or yes and no",
            "float": "a finite number",
        }
        words |= {"int": "a whole number", "bool": "true or false", "list": "a list of numbers, texts or truth values"}
        raise DomainError(
            f"{place}: {parameter.name} = {value!r} is no {parameter.kind}", remedy=f"write {words[parameter.kind]}"
        )
    if _may_name_folder(parameter) and value not in (*RESERVED, parameter.default) and not Path(value).is_dir():
        raise RegionError(
            f"{place}: {parameter.name} = {value!r} is no folder", remedy=f"name one, or {parameter.help}"
        )
    return list(value) if kind is list else value


def _may_name_folder(parameter: Parameter) -> bool:
    return parameter.kind == "str" and "folder" in parameter.help


def _names_folder(parameter: Parameter, value: Any) -> bool:
    return _may_name_folder(parameter) and value not in (*RESERVED, parameter.default)


def _unrecorded(grid: Grid, notebook: _Notebook) -> list[RegionError]:
    """Wanted results that no cell can record, as far as the code tells."""
    try:
        names = set().union(*(in_process_engine.recorded(ast.parse(cell)) for cell in notebook.cells))
    except SyntaxError:  # magics: what is recorded shows when it has run
        return []
    return [
        DomainError(f"no cell of {grid.chapter} records {wanted!r}", remedy=_closest(str(wanted), sorted(names)))
        for wanted in dict.fromkeys(grid.results)
        if not any(fnmatchcase(str(wanted), name) for name in names)
    ]


def _closest(name: str, known: Iterable[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    return f"perhaps {close[0]!r} is meant" if close else f"choose one of {', '.join(known)}"


def _sources_hash() -> str:
    """Hash of the library's code."""
    package = Path(str(files("regiometrics")))
    return _hash_of(package, sorted(package.rglob("*.py")))


def _folder_hash(path: str) -> str:
    """Hash of the project's data; sweeps that are stored there are no input of a run."""
    folder = Path(path)
    stored = folder / "results" / "sweeps"
    files = (file for file in folder.rglob("*") if file.is_file() and "__pycache__" not in file.parts)
    return _hash_of(folder, sorted(file for file in files if stored not in file.parents))


def _hash_of_folder(folder: Path) -> str:
    return _hash_of(folder, sorted(file for file in folder.rglob("*") if file.is_file()))


def _hash_of(folder: Path, files: Iterable[Path]) -> str:
    stamps = ((file.relative_to(folder).as_posix(), file.stat()) for file in files)
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


def _require_outside(out: Path, folders: Mapping[str, _Folder]) -> None:
    """Runs written among the files that runs read would change the id of every run."""
    stored = data_folder().resolve() / "results" / "sweeps"
    read = [data_folder().resolve(), *(Path(folder.path) for folder in folders.values())]
    there = out.resolve()
    for folder in read:
        if there.is_relative_to(folder) and not there.is_relative_to(stored):
            raise RegionError(f"{out} lies in {folder}, which the runs read", remedy="name a folder outside it")


def _require_same_files(task: _Task, folders: Mapping[str, _Folder], places: Mapping[str, Path]) -> None:
    """Raise `_OtherFiles` unless the files here are those that the run's id stands for."""
    try:
        sources = {_sources_hash(), _LOADED} if task.in_process else {_sources_hash()}
        other = ["the library"] if sources != {task.sources} else []
        other += ["its data"] if _folder_hash(str(data_folder())) != task.data else []
        other += [path for path, place in places.items() if _hash_of_folder(place) != folders[path].digest]
    except FileNotFoundError as gone:  # between the listing and the reading of a folder
        raise _OtherFiles(str(gone.filename)) from None
    if other:
        raise _OtherFiles(" and ".join(other))


def _stopped(other: str, task: _Task, folders: Mapping[str, _Folder]) -> RegionError:
    """Why a sweep cannot go on: files changed here, or a worker has others."""
    try:
        _require_same_files(task, folders, {path: Path(folder.path) for path, folder in folders.items()})
    except _OtherFiles:
        return RegionError(
            f"the sweep stopped because {other} changed while it ran; finished runs are kept",
            remedy="restore the files to go on where it stood, or start again with the new ones in a new Python",
        )
    return RegionError(
        f"the sweep stopped because a worker has another version of {other}; finished runs are kept",
        remedy="install the version of this machine on every worker and restart them",
    )


def _outcomes(
    tasks: Sequence[_Task], folders: Mapping[str, _Folder], workers: int, scheduler: str | None
) -> Iterator[tuple[_Task, _Outcome]]:
    if not tasks:
        return
    if scheduler is None and workers == 0:
        for task in tasks:
            yield task, _one(task, {path: folders[path] for path in task.folders.values()})
        return
    with _client(workers, scheduler) as client:
        if scheduler is not None:
            folders = {path: _Folder(f.path, f.digest, _contents(Path(f.path))) for path, f in folders.items()}
        sent = {path: client.scatter(folder, broadcast=True) for path, folder in folders.items()}
        suspects = yield from _submitted(client, tasks, sent, None)
        # a run whose worker died may only have been queued behind the guilty one: each gets one more try, alone
        yield from _submitted(client, suspects, sent, 1)


def _submitted(
    client: Any, tasks: Sequence[_Task], folders: Mapping[str, Any], at_once: int | None
) -> Generator[tuple[_Task, _Outcome], None, list[_Task]]:
    """Run tasks on a cluster, no more at once than it has threads; return those whose worker died."""
    import distributed
    from distributed.scheduler import KilledWorker

    waiting = list(reversed(tasks))
    running: dict[Any, _Task] = {}
    died: list[_Task] = []
    done: Any = distributed.as_completed()  # type: ignore[no-untyped-call]

    def fill() -> None:
        room = at_once or max(1, sum(client.nthreads().values()))
        while waiting and len(running) < room:
            task = waiting.pop()
            own = {path: folders[path] for path in task.folders.values()}
            future = client.submit(_one, task, own, pure=False, retries=0)
            running[future] = task
            done.add(future)

    fill()
    while running:
        future = next(done)
        task = running.pop(future)
        error = future.exception() if future.status == "error" else None
        if isinstance(error, _OtherFiles):
            raise error
        fill()
        if error is None and future.status == "finished":
            yield task, future.result()
        elif isinstance(error, KilledWorker) and at_once is None:
            died.append(task)
        elif isinstance(error, KilledWorker):
            yield task, _Outcome({}, math.nan, "the worker process died while it ran this")
        else:
            yield task, _Outcome({}, math.nan, f"the worker failed: {type(error).__name__}: {error}")
    return died


@contextmanager
def _client(workers: int, scheduler: str | None) -> Iterator[Any]:
    """A Dask client: of the scheduler named, or of processes of this machine that end with it."""
    import dask
    import distributed

    start_client: Any = distributed.Client
    start_workers: Any = distributed.LocalCluster
    with ExitStack() as stack:
        if scheduler is None:
            own = {"distributed.scheduler.allowed-failures": 0}
            stack.enter_context(dask.config.set(own))
            options: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "processes": True}
            options["silence_logs"] = logging.ERROR  # a worker that closes slowly is no news; one that dies has its row
            options |= dict.fromkeys(("dashboard_address", "worker_dashboard_address"), "127.0.0.1:0")
            cluster = stack.enter_context(start_workers(**options))
            yield stack.enter_context(start_client(cluster))
            return
        try:
            client = stack.enter_context(start_client(scheduler, timeout=_SECONDS_FOR_A_SCHEDULER))
            client.wait_for_workers(1, timeout=_SECONDS_FOR_A_WORKER)
        except (OSError, TimeoutError, ValueError) as error:
            raise RegionError(
                f"no scheduler with workers at {scheduler}: {error}",
                remedy="start `dask scheduler` and `dask worker` and name the address that the scheduler prints",
            ) from None
        yield client


def _contents(folder: Path) -> dict[str, bytes]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files}


def _one(task: _Task, folders: Mapping[str, _Folder]) -> _Outcome:
    """One run, on the worker, in a temporary folder; whatever goes wrong in its code comes back as its error."""
    start = perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        scratch = Path(name)
        places = {path: _placed(folders[path], scratch / name) for name, path in task.folders.items()}
        _require_same_files(task, folders, places)
        values = dict(task.parameters) | {name: str(places[path]) for name, path in task.folders.items()}
        engine = _by_plan if task.in_process else _by_papermill
        results, error, executed = engine(task, values, scratch)
        _require_same_files(task, folders, places)
    lacking = [wanted for wanted in task.results if wanted not in results]
    if not error and lacking:
        error = f"no cell recorded {', '.join(lacking)}"
    return _Outcome(results, perf_counter() - start, error, executed)


def _placed(folder: _Folder, there: Path) -> Path:
    """Where this worker reads a folder: its own place, or a copy of what travelled."""
    if folder.files is None:
        return Path(folder.path)
    for name, content in folder.files.items():
        path = there / Path(folder.path).name / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return there / Path(folder.path).name


def _by_papermill(task: _Task, values: Mapping[str, Any], scratch: Path) -> tuple[dict[str, Plain], str, str]:
    import nbformat
    from papermill import execute_notebook
    from papermill.exceptions import PapermillExecutionError

    target, error = scratch / "run.ipynb", ""
    read: Any = nbformat.reads
    with _one_thread():
        try:
            execute_notebook(
                read(task.notebook.text, as_version=4),
                str(target),
                parameters=dict(values),
                kernel_name="python3",
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                extra_arguments=["--log-level=ERROR"],
                resources={"metadata": {"path": str(scratch)}},
            )
        except PapermillExecutionError as failure:
            error = f"{failure.ename}: {failure.evalue}"
        except Exception as failure:  # a kernel that died, or that never started
            error = f"the kernel failed: {type(failure).__name__}: {failure}"
    text = target.read_text("utf-8") if target.is_file() else ""
    executed = json.loads(text) if text else {"cells": []}
    number = _failed_cell(executed)
    return collect(executed), f"cell {number}: {error}" if error and number else error, text


def _failed_cell(executed: Mapping[str, Any]) -> int:
    """Number of the code cell that raised, as the notebook counts them before parameters are put in; 0 of none."""
    code = [cell for cell in executed["cells"] if cell["cell_type"] == "code"]
    own = [cell for cell in code if "injected-parameters" not in cell["metadata"].get("tags", [])]
    raised = (i for i, cell in enumerate(own, start=1) if any(o["output_type"] == "error" for o in cell["outputs"]))
    return next(raised, 0)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Kernels that are started inside use one thread for linear algebra."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _plan(task: _Task) -> in_process_engine.Plan:
    return in_process_engine.plan(task.notebook.cells, task.notebook.tagged, results=task.results)


def _by_plan(task: _Task, values: Mapping[str, Any], scratch: Path) -> tuple[dict[str, Plain], str, str]:
    results, error = in_process_engine.execute(_plan(task), values, folder=scratch)
    return results, error, ""


def _bar(
    outcomes: Iterator[tuple[_Task, _Outcome]], n: int, n_open: int, progress: bool
) -> Iterator[tuple[_Task, _Outcome]]:
    from tqdm import tqdm

    with tqdm(total=n, initial=n - n_open, unit="run", disable=not progress) as bar:
        failed = 0
        for task, outcome in outcomes:
            yield task, outcome
            failed += bool(outcome.error)
            bar.update()
            if failed:
                bar.set_postfix(failed=failed)


def _store(out: Path, task: _Task, outcome: _Outcome) -> None:
    """Keep a run: the notebook first, so that the json stands for both."""
    if outcome.executed:
        _write(out / f"{task.run}.ipynb", outcome.executed.encode())
    kept = {
        "run": task.run,
        "parameters": dict(task.parameters),
        "results": dict(outcome.results),
        "whole": not task.in_process or not task.results,
        "seconds": None if math.isnan(outcome.seconds) else round(outcome.seconds, 3),
        "error": outcome.error,
        "engine": task.engine,
    }
    _write(out / f"{task.run}.json", json.dumps(kept, ensure_ascii=False, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    """Write a file so that it is there whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".sweep-", suffix=".part", delete=False) as part:
        part.write(content)
        part.flush()
        os.fsync(part.fileno())
    Path(part.name).chmod(0o644)
    Path(part.name).replace(path)


def _kept(out: Path, task: _Task) -> dict[str, Any] | None:
    """What is kept of a run; None where nothing readable is."""
    try:
        kept = json.loads((out / f"{task.run}.json").read_text("utf-8"))
        return kept if isinstance(kept, dict) and kept["run"] == task.run else None
    except (OSError, ValueError, KeyError):
        return None


def _is_finished(out: Path, task: _Task) -> bool:
    kept = _kept(out, task)
    if kept is None or kept["error"] or not set(task.results) <= kept["results"].keys():
        return False
    if not task.results and not kept["whole"]:
        return False
    return task.in_process or (out / f"{task.run}.ipynb").is_file()


def _table(out: Path, tasks: Sequence[_Task], known: Sequence[Parameter]) -> pd.DataFrame:
    kept = [found for task in tasks if (found := _kept(out, task)) is not None]
    wanted = tasks[0].results or sorted({name for found in kept for name in found["results"]})
    rows = []
    for found in kept:
        results = {} if found["error"] else found["results"]
        row = {"run": found["run"]} | found["parameters"] | {_column(name, known): results.get(name) for name in wanted}
        rows.append(row | {name: found[name] for name in ("seconds", "error", "engine")})
    columns = ["run", *(p.name for p in known), *(_column(name, known) for name in wanted), *_COLUMNS[1:]]
    return _typed(rows, known).reindex(columns=columns)


def _column(result: str, known: Sequence[Parameter]) -> str:
    """Column of a recorded value; one that has the name of another column is set apart."""
    taken = {parameter.name for parameter in known} | set(_COLUMNS)
    return f"{result}_recorded" if result in taken else result


def _typed(rows: Sequence[Mapping[str, Any]], known: Sequence[Parameter]) -> pd.DataFrame:
    """Rows as a table whose types follow from the parameters and from what kind of values a result has."""
    types = {"str": "str", "int": "int64", "float": "float64", "bool": "bool", "list": "str"}
    kinds = {parameter.name: parameter.kind for parameter in known}
    columns: dict[str, pd.Series[Any]] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if name in kinds:
            texts = [json.dumps(v, ensure_ascii=False) for v in values] if kinds[name] == "list" else values
            columns[name] = pd.Series(texts, dtype=types[kinds[name]])
        elif name in ("run", "error", "engine") or any(isinstance(value, str) for value in values):
            columns[name] = pd.Series([None if v is None else str(v) for v in values], dtype="str")
        else:
            columns[name] = pd.Series(values, dtype="float64")
    return pd.DataFrame(columns)
