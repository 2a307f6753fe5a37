"""The reader's own files: a folder examined, and an edition of the whole book that stands on them.

An edition is made in a folder of its own from a copy of the checkout's sources. A chapter with own data gets the folder
in its cell of parameters and is executed again; all other pages are those that the checkout ships, and say so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import Any

import pandas as pd

from regiometrics import chapters
from regiometrics.data import schemas
from regiometrics.data.load import table_file
from regiometrics.data.template import GUIDE, kept_examples
from regiometrics.errors import DataProblems, MissingValueError, RegionError, UnbalancedPanelError
from regiometrics.panel import Missing

CHECKOUT = Path(__file__).parents[2]
"""Root of the checkout, where the library is installed from one."""

SOURCES = ("book", "data", "lib", "notebooks", "_config.yml", "_toc.yml", "requirements.lock")
"""What the build of the book reads."""

MARK = "edition.json"
"""File that marks a folder as an edition, which the next one may replace."""

SPANS_SHOWN = 20
"""Keys of offending rows that a report of a folder lists, years that follow each other being one."""

_WORDS = (
    "What else it shows stands on data of the book. Text and captions were written about those, so that what they say "
    "need not hold here. No number from own data is set against print."
)
_FAILED = "The page could not be computed on own data, so it stands on the data of the book. The error was:"
_SUBJECTS = {"source": "tables and figures", "cities": "one table, on the specialisation of cities,"}
_LEFT_OUT = {error.__name__ for error in (MissingValueError, UnbalancedPanelError)}
_FINISHED = Path("_build", "book.sha256")  # stands only while no build runs and the last one succeeded
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_RAISED = Path("_build", "raised.json")  # left by a build in which the code of pages raised
_KEPT = (Path("_build", "numbers.sha256"), Path("_build", ".jupyter_cache"))


@dataclass(frozen=True)
class Examination:
    """What was found in a folder.

    Attributes
    ----------
    chapter : str
        ``"p1"`` to ``"p5"``.
    folder : Path
        The folder.
    problems : DataFrame
        As `regiometrics.data.schemas.problems`; ``table`` is empty for what only shows when the tables are joined.
    rows : mapping of str to int
        Number of rows of each table that was read; empty where there are problems.
    notes : tuple of str
        What is left out or not used.
    """

    chapter: str
    folder: Path
    problems: pd.DataFrame
    rows: Mapping[str, int]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether the chapter can be loaded from the folder."""
        return self.problems.empty

    def report(self) -> str:
        """All findings as plain text."""
        head = f"{self.chapter}, {self.folder}: "
        if self.passed:
            read = ", ".join(f"{table} ({rows} rows)" for table, rows in self.rows.items())
            lines = [f"{head}all is well", f"read: {read}"]
        else:
            n = len(self.problems)
            lines = [f"{head}{n} problem{'' if n == 1 else 's'}"]
            for i, found in enumerate(self.problems.to_dict("records"), start=1):
                lines += ["", *_paragraph(i, found)]
            lines += [""] if self.notes else []
        return "\n".join([*lines, *(f"note: {_without_remedy(note)}" for note in self.notes)])


@dataclass(frozen=True)
class Built:
    """How the build of an edition ended.

    Attributes
    ----------
    code : int
        0, or what the build ended with. Warnings count, and with them alone the pages are there all the same.
    messages : str
        What it said on stderr, without colours.
    raised : mapping of str to str
        Error by chapter, or by page that is none, whose code raised.
    """

    code: int
    messages: str
    raised: Mapping[str, str]


def _paragraph(number: int, found: Mapping[Hashable, Any]) -> Iterator[str]:
    where = [f"table {found['table']}" if found["table"] else "the tables together"]
    where += [f"column {found['column']}"] if found["column"] else []
    problem = str(found["problem"]).removesuffix(f" (table {found['table']!r})")
    yield f"{number}. {', '.join(where)}: {problem}"
    if found["rows"]:
        keys = list(_spans(found["keys"]))
        more = f"; and {len(keys) - SPANS_SHOWN} more" if len(keys) > SPANS_SHOWN else ""
        yield f"   rows: {found['rows']}" + (f" ({'; '.join(keys[:SPANS_SHOWN])}{more})" if keys else "")
    if found["remedy"]:
        remedy = (
            str(found["remedy"]).replace("pass missing=", "say missing=").replace("missing='drop'", "--missing drop")
        )
        yield f"   remedy: {remedy.rstrip('.')}"


def _spans(keys: Sequence[object]) -> Iterator[str]:
    """Keys as text, those of one place in years that follow each other as one."""
    first: list[object] = []
    last: object = None
    for key in keys:
        parts = list(key) if isinstance(key, tuple) else [key]
        follows = isinstance(last, int | float) and parts[:-1] == first[:-1] and parts[-1] == last + 1
        if first and not follows:
            yield _span(first, last)
        first, last = first if follows else parts, parts[-1]
    if first:
        yield _span(first, last)


def _span(first: Sequence[object], last: object) -> str:
    return " ".join(map(_plain, first)) + (f" to {_plain(last)}" if first[-1] != last else "")


def _without_remedy(note: str) -> str:
    """A note; where it is an error that was passed over, what it says of the rows that are left out."""
    problem, remedy, _ = note.partition(" Remedy: ")
    return f"left out: {problem}" if remedy else note


def _plain(part: object) -> str:
    """A part of a key; years are whole, though their column may not be."""
    return f"{part:.0f}" if isinstance(part, float) and part.is_integer() else str(part)


def chapter_id(name: str) -> str:
    """The id of a chapter that is named by its id or by its notebook.

    Raises
    ------
    RegionError
        No chapter has this name; the remedy holds the closest one.

    Examples
    --------
    >>> chapter_id("p3_coagglomeration"), chapter_id("p3")
    ('p3', 'p3')
    """
    names = {known: c.id for c in chapters.CHAPTERS.values() for known in (c.id, c.name)}
    if name not in names:
        ids = ", ".join(chapters.CHAPTERS)
        close = get_close_matches(name.lower(), names, n=1)
        remedy = f"did you mean {close[0]}? chapters: {ids}" if close else f"chapters: {ids}"
        raise RegionError(f"there is no chapter {name!r}", remedy=remedy)
    return names[name]


def examples(chapter: str) -> dict[str, pd.DataFrame]:
    """Simulated tables of a chapter, one for each that its folder may hold.

    Examples
    --------
    >>> list(examples("p3"))
    ['employment', 'national', 'cities']
    """
    simulated = dict(chapters.load(chapter, "simulated").tables)
    if "national" not in simulated and "employment" in simulated:
        simulated["national"] = simulated["employment"].groupby("year", as_index=False)[schemas.LETTERS].sum()
    return {table.name: simulated[table.name] for table in schemas.tables_of(chapter)}


def examine(chapter: str, folder: str | Path, *, missing: Missing = "raise") -> Examination:
    """All problems of a folder: of the tables, between them, and of the panel that the chapter makes of them.

    Parameters
    ----------
    chapter : str
        ``"p1"`` to ``"p5"``.
    folder : path
        One file per table, see `regiometrics.data.schemas`.
    missing : {"raise", "drop"}
        With ``"drop"`` missing values and absent rows are noted, and are no problem.

    Raises
    ------
    RegionError
        The folder does not exist, or the chapter is unknown.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     examine("p3", folder).problems["table"].tolist()
    ['employment', 'cities']
    """
    home = Path(folder)
    if not home.is_dir():
        raise RegionError(f"there is no folder {folder}", remedy="correct the path")
    further = list(_examples_left(chapter, home)) if (home / GUIDE).is_file() else []
    try:
        bundle = chapters.load(chapter, home, missing=missing)
    except DataProblems as error:
        loaded: list[tuple[str, RegionError]] = [("", each) for each in error.problems]
    except RegionError as error:
        loaded = [("", error)]
    else:
        rows = {table.name: len(bundle.tables[table.name]) for table in _present(chapter, home)}
        return Examination(chapter, home, _frame(further), rows, bundle.notes)
    problems = schemas.problems(chapter, home)
    notes = problems.attrs["notes"]
    if missing == "drop":
        problems = problems[~problems["error"].isin(_LEFT_OUT)]
    shown = [problems, _frame(further if len(problems) else [*loaded, *further])]
    return Examination(chapter, home, pd.concat(shown, ignore_index=True), {}, tuple(notes))


def _frame(errors: Sequence[tuple[str, RegionError]]) -> pd.DataFrame:
    """Errors and their tables in the form of `regiometrics.data.schemas.problems`."""
    rows = [
        (table, e.column or "", e.n_rows or 0, e.keys, e.problem, e.remedy, type(e).__name__) for table, e in errors
    ]
    return pd.DataFrame(rows, columns=["table", "column", "rows", "keys", "problem", "remedy", "error"])


def _present(chapter: str, folder: Path) -> Iterator[schemas.Table]:
    """The tables of a chapter that stand in a folder."""
    return (table for table in schemas.tables_of(chapter) if table_file(folder, table.name) is not None)


def _examples_left(chapter: str, folder: Path) -> Iterator[tuple[str, RegionError]]:
    """An error for each table in which rows of the template are left."""
    simulated = examples(chapter)
    for table in schemas.tables_of(chapter):
        keys: list[object] = []
        with suppress(RegionError):  # what cannot be read is reported already
            keys = kept_examples(table, folder, simulated[table.name])
        if keys:
            problem, remedy = "the example rows of the template are still there", "delete them"
            yield table.name, RegionError(problem, keys=keys, remedy=remedy)


def own_folders(data: str | Path) -> tuple[dict[str, Path], tuple[str, ...]]:
    """The subfolder of each chapter in the reader's folder, and the names of the others.

    Raises
    ------
    RegionError
        No such folder, no subfolder named after a chapter, or two for one chapter.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as data:
    ...     Path(data, "p3_coagglomeration").mkdir()
    ...     list(own_folders(data)[0])
    ['p3']
    """
    if not Path(data).is_dir():
        raise RegionError(f"there is no folder {data}", remedy="correct the path")
    found: dict[str, Path] = {}
    others = []
    for path in sorted(Path(data).resolve().iterdir()):
        if not path.is_dir() or path.name.startswith("."):
            continue
        try:
            chapter = chapter_id(path.name)
        except RegionError:
            others.append(path.name)
            continue
        if chapter in found:
            problem = f"{chapter} has two folders, {found[chapter].name} and {path.name}"
            raise RegionError(problem, remedy="keep one of them")
        found[chapter] = path
    if not found:
        raise RegionError(f"{data} has no subfolder of a chapter", remedy="name subfolders p1 to p5, one per chapter")
    return found, tuple(others)


def prepare(
    own: Mapping[str, Path], out: str | Path, *, checkout: str | Path = CHECKOUT, missing: Missing = "raise"
) -> tuple[Path, ...]:
    """Copy the sources of the book, with the reader's folders as parameters and a mark at the top of each chapter.

    Parameters
    ----------
    own : mapping of str to Path
        Folder of each chapter that has one.
    out : path
        Folder of the edition: absent, empty, or an earlier edition, which is replaced.
    checkout : path
        Where the sources are, the library's own checkout by default; nothing is written there.
    missing : {"raise", "drop"}
        Goes into the cell of parameters beside the folder.

    Returns
    -------
    tuple of Path
        The chapters' files in ``out``.

    Raises
    ------
    RegionError
        There is no checkout, ``out`` holds other files or what is read, or a chapter has no cell of parameters.
    """
    source, target = Path(checkout).resolve(), Path(out).resolve()
    if not (source / "book" / "make.py").is_file():
        problem = "an edition is built from a checkout of the book, and this is an installed package"
        raise RegionError(problem, remedy="run it in a clone, after `make setup`")
    _make_room(target, [source, *own.values()])
    (target / MARK).write_text("{}\n", "utf-8")
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for name in SOURCES:
        if (source / name).is_dir():
            shutil.copytree(source / name, target / name, ignore=ignore)
        else:
            shutil.copy2(source / name, target / name)
    if (source / _FINISHED).is_file():
        (target / "_build").mkdir()
        for path in _KEPT:
            copy = shutil.copytree if (source / path).is_dir() else shutil.copy2
            copy(source / path, target / path)
    config = target / "_config.yml"
    # what a cell says on stderr about the reader's own data is shown, and stops nothing
    config.write_text(config.read_text("utf-8").replace("stderr_output: error", "stderr_output: show"), "utf-8")
    return _write_pages(own, source, target, missing, {})


def _write_pages(
    own: Mapping[str, Path], source: Path, target: Path, missing: Missing, failed: Mapping[str, str]
) -> tuple[Path, ...]:
    """Write the chapters, the first page and the mark of an edition; failed chapters, with their errors, as shipped."""
    pages, marked = [], {}
    for chapter in chapters.CHAPTERS.values():
        page = Path("notebooks", f"{chapter.name}.md")
        text, folders = (source / page).read_text("utf-8"), _folders_of(chapter.id, own, failed)
        if folders:
            values = {name: str(folder) for name, folder in folders.items()} | {"missing": missing}
            text = _with_parameters(text, values, " ".join(map(_state, folders.values())))
            text = text.replace(f"<{chapter.name}.ipynb>", f"<../_build/own/{chapter.name}.ipynb>")
            marked[chapter.name] = [folder.name for folder in folders.values()]
            stands = [f"{_SUBJECTS[name]} on the folder `{folder.name}`" for name, folder in folders.items()]
            mark = _admonition("Your edition: own data", f"This page computes {' and '.join(stands)}. {_WORDS}", "tip")
        elif chapter.id in failed:
            mark = _admonition("As shipped", f"{_FAILED}\n\n{_quoted(failed[chapter.id])}", "warning")
        else:
            mark = _admonition("As shipped", "This edition has no own data for this chapter.", "note")
        (target / page).write_text(_below_title(text, mark), "utf-8")
        pages.append(target / page)
    parts = {id_: "" if id_ in own else " in part" for id_ in chapters.CHAPTERS if _folders_of(id_, own, failed)}
    words = f"Own data: {', '.join(id_ + part for id_, part in parts.items())}. "
    words += f"Own data that could not be computed: {', '.join(failed)}. " if failed else ""
    words += "All other pages, the ledger included, are as shipped."
    start = Path("book", "start.md")
    text = (source / start).read_text("utf-8")
    (target / start).write_text(_below_title(text, _admonition("Your edition", words, "tip")), "utf-8")
    (target / MARK).write_text(json.dumps(marked) + "\n", "utf-8")
    return tuple(pages)


def build_on(
    own: Mapping[str, Path],
    out: str | Path,
    *,
    checkout: str | Path = CHECKOUT,
    missing: Missing = "raise",
    keep_going: bool = False,
) -> Built:
    """Prepare and build an edition; chapters that cannot be computed on own data are left as shipped, if told so.

    Parameters
    ----------
    own, out, checkout, missing
        As of `prepare`.
    keep_going : bool
        Build again with the chapters as shipped whose code raised, as long as another one has own data. Without it
        nothing is built then.

    Returns
    -------
    Built
        With the errors of all builds; no code of a page raised in the last one where its ``code`` is 0.
    """
    prepare(own, out, checkout=checkout, missing=missing)
    failed: dict[str, str] = {}
    while True:
        built = build(out)
        own_pages = {chapter for chapter in chapters.CHAPTERS if _folders_of(chapter, own, failed)}
        raised = {chapter: error for chapter, error in built.raised.items() if chapter in own_pages}
        again = keep_going and raised and not set(own) <= {*failed, *raised}
        if not again:
            return replace(built, raised=failed | dict(built.raised))
        failed |= raised
        _write_pages(own, Path(checkout).resolve(), Path(out).resolve(), missing, failed)


def build(out: str | Path) -> Built:
    """Build a prepared edition as the checkout builds the book."""
    environment = {name: value for name, value in os.environ.items() if name != "REGIOMETRICS_DATA"}
    environment |= {
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        "REGIOMETRICS_SOURCES": "",
    }
    command = [sys.executable, str(Path("book", "make.py")), "book"]
    done = subprocess.run(command, cwd=out, env=environment, stderr=subprocess.PIPE, text=True, check=False)
    raised = Path(out, _RAISED)
    errors: dict[str, str] = json.loads(raised.read_text("utf-8")) if done.returncode and raised.is_file() else {}
    ids = {f"notebooks/{chapter.name}.md": chapter.id for chapter in chapters.CHAPTERS.values()}
    return Built(
        done.returncode,
        _COLOURS.sub("", done.stderr),
        {ids.get(page, page): _COLOURS.sub("", error) for page, error in errors.items()},
    )


def _folders_of(chapter: str, own: Mapping[str, Path], failed: Mapping[str, str]) -> dict[str, Path]:
    """The reader's folders that a chapter reads, by parameter."""
    if chapter in failed:
        return {}
    folders = {"source": own[chapter]} if chapter in own else {}
    if chapter == "p4" and "p3" in own and "p3" not in failed:
        folders["cities"] = own["p3"]
    return folders


def _make_room(target: Path, read: Sequence[Path]) -> None:
    """An empty folder; what an earlier edition left goes."""
    clash = next((path for path in read if path == target or path.is_relative_to(target)), None)
    if clash is not None:
        raise RegionError(f"the edition would replace {clash}, which it reads", remedy="name another folder")
    if target.is_dir() and any(target.iterdir()):
        if not (target / MARK).is_file():
            problem = f"{target} holds files, and is no earlier edition"
            raise RegionError(problem, remedy="name a folder that is not there yet")
        for name in (*SOURCES, "_build"):
            path = target / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    target.mkdir(parents=True, exist_ok=True)


def _with_parameters(text: str, values: Mapping[str, str], state: str) -> str:
    """The page with other values in its cell of parameters, and the state of the data, so that it is executed again."""
    cell = re.search(r"^:tags: \[parameters\]\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    if cell is None:
        raise RegionError("a chapter has no cell of parameters", remedy="restore the notebook")
    lines = cell.group(1)
    for name, value in values.items():
        line = f"{name}: str = {value!r}  # of this edition".replace("\\", r"\\")
        lines, n = re.subn(rf"^{name}: str = .*$", line, lines, flags=re.MULTILINE)
        if n != 1:
            raise RegionError(f"the cell of parameters has no line {name!r}", remedy="restore the notebook")
    lines = lines.rstrip("\n") + f"\n# own tables, sha256 {state}\n"
    return text[: cell.start(1)] + lines + text[cell.end(1) :]


def _state(folder: Path) -> str:
    """Hash of a folder's files, so that nothing computed from earlier ones is used again."""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()} {sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()[:16]


def _admonition(title: str, words: str, kind: str) -> str:
    return f"```{{admonition}} {title}\n:class: {kind}\n{words}\n```"


def _quoted(error: str) -> str:
    """The text of an error as lines of code, which no mark in it can end."""
    return "\n".join(f"    {line}" for line in error.replace("`", "'").splitlines())


def _below_title(text: str, block: str) -> str:
    """The page with a block after its first heading."""
    return re.sub(r"^# .*\n", lambda title: f"{title.group()}\n{block}\n", text, count=1, flags=re.MULTILINE)
