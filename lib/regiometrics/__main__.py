"""The command line: ``regiometrics --help``."""

from __future__ import annotations

import ast
import json
import shutil
import sys
import tempfile
from collections.abc import Sequence
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from regiometrics.errors import RegionError

if TYPE_CHECKING:
    from regiometrics.sweep import Parameter

DONE, FINDINGS, BAD_USE = 0, 1, 2
VALUES_SHOWN = 12
FOLDERS = {"source": ("shipped", "simulated"), "cities": ("stored",)}
"""Parameters that may name a folder, and their other values."""

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="Rerun the chapters of the book with other parameters or your own data.\n\n"
    "CHAPTER is p1 to p5, or the name of its notebook, such as p3_coagglomeration. "
    "Exit codes: 0 done, 1 finished with failures or findings, 2 bad use.",
)


class _Missing(StrEnum):
    RAISE = "raise"
    DROP = "drop"


ChapterName = Annotated[str, typer.Argument(metavar="CHAPTER", help="p1 to p5.", show_default=False)]
MissingRule = Annotated[
    _Missing,
    typer.Option(help="Of empty cells and absent rows: an error, or left out and listed.", metavar="raise|drop"),
]


@app.command(epilog="Example: regiometrics run p3 -p first_year=2010 -p clusters=pearl_river_delta,guanzhong_plain")
def run(
    chapter: ChapterName,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter", "-p", metavar="NAME=VALUE", help="May be repeated; lists with commas between items."
        ),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Folder of your own tables, the parameter source.")
    ] = None,
    missing: Annotated[
        _Missing | None,
        typer.Option(help="Of your own tables, as in `check`; the parameter missing.", metavar="raise|drop"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Executed notebook; here, under its chapter's file name with _run, when left out."
        ),
    ] = None,
) -> None:
    """Execute one chapter and keep the executed notebook.

    Prints the seconds it took and the values that the chapter records. Parameters that are not named keep the value
    that the notebook gives them; its cell of parameters explains each.
    """
    from regiometrics import chapters, sweep
    from regiometrics.edition import chapter_id

    key = chapter_id(chapter)
    values = assignments(parameter or [], sweep.parameters(key))
    if missing is not None:
        if "missing" in values:
            raise RegionError("--missing and -p missing say it twice", remedy="leave one of them out")
        values["missing"] = missing.value
    if data is not None:
        if "source" in values:
            raise RegionError("--data and -p source name the data twice", remedy="leave one of them out")
        values["source"] = str(data)
    for name in FOLDERS.keys() & values.keys():
        if values[name] not in FOLDERS[name]:
            values[name] = str(_folder(Path(str(values[name]))))  # the notebook runs in another folder
    target = _notebook(out if out is not None else Path(f"{chapters.CHAPTERS[key].name}_run.ipynb"))
    grid = sweep.Grid(chapter=key, base=values, grid={})
    with tempfile.TemporaryDirectory() as work:
        row = sweep.run(grid, out=Path(work), workers=0, progress=False).iloc[0]
        notebook = Path(work, f"{row['run']}.ipynb")
        if notebook.is_file():  # a worker that died left none
            shutil.copyfile(notebook, target)
        kept = notebook.is_file()
    if row["error"]:
        typer.echo(f"{key} failed: {_said(row['error'])}", err=True)
        if kept:
            typer.echo(f"executed so far: {target}", err=True)
        raise typer.Exit(FINDINGS)
    typer.echo(f"{key}: {row['seconds']:.0f} s, {target}")
    _show_values(json.loads(target.read_text("utf-8")))


@app.command(
    "sweep", epilog="Example: regiometrics sweep notebooks/sweeps/p3_coagglomeration.yml --out p3_sweep --workers 2"
)
def run_sweep(
    grid: Annotated[Path, typer.Argument(metavar="GRID", help="YAML file of the grid.", show_default=False)],
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Where runs and table are kept.", show_default=False)],
    workers: Annotated[
        int, typer.Option(metavar="N", min=0, help="Processes on this machine; 0 runs all here, one after the other.")
    ] = 2,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler to use instead, such as tcp://host:8786.")
    ] = None,
    in_process: Annotated[
        bool, typer.Option("--in-process", help="Run the cells without notebooks: faster, and only the table is kept.")
    ] = False,
) -> None:
    """Execute a chapter once for each point of a grid.

    Runs that FOLDER already holds are kept, so the same command goes on after an interruption. Runs that failed are
    tried again. FOLDER/results.parquet and results.csv have one row per run.
    """
    from regiometrics import sweep

    wanted = sweep.read_grid(grid)
    n, kept = len(sweep.specifications(wanted)), len(sweep.finished(wanted, out, in_process=in_process))
    typer.echo(f"{wanted.chapter}: {n} runs, {n - kept} new, {kept} kept")
    table = sweep.run(wanted, out=out, workers=workers, scheduler=scheduler, in_process=in_process, progress=True)
    failed = table[table["error"] != ""]
    typer.echo(
        f"{len(table) - len(failed)} done, {len(failed)} failed: {out / 'results.parquet'}, {out / 'results.csv'}"
    )
    for run, error in failed[["run", "error"]].itertuples(index=False):
        typer.echo(f"{run}: {error}", err=True)
    raise typer.Exit(FINDINGS if len(failed) else DONE)


@app.command(epilog="Example: regiometrics template p3 own/p3")
def template(
    chapter: ChapterName,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Made where it is not there.", show_default=False)],
) -> None:
    """Write CSV files to fill in with your own data.

    Each table of the chapter has its headers and two example rows. COLUMNS.md, beside them, names key,
    columns and units. Sections of the economy are printed by letter and name. No file is ever overwritten.
    """
    from regiometrics.data.template import section_names, write_template
    from regiometrics.edition import chapter_id, examples

    key = chapter_id(chapter)
    for path in write_template(key, folder, examples(key)):
        typer.echo(path)
    sections = section_names(key)
    if sections:
        typer.echo("columns A to S, to be matched by name, since yearbooks have other letters and another order:")
    for letter, (english, chinese) in sections.items():
        typer.echo(f"  {letter}  {english} {chinese}")


@app.command(epilog="Example: regiometrics check p3 own/p3 --missing drop")
def check(
    chapter: ChapterName,
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="One file per table.", show_default=False)],
    missing: MissingRule = _Missing.RAISE,
) -> None:
    """Print all problems of a folder of your own data.

    Each is told by table, column, rows and keys, with a remedy. Ends with 1 where there is
    a problem, and with 0 where the chapter can be loaded from the folder. A method of the chapter
    may still need more years or cities than there are; it says so when the chapter is run.
    """
    from regiometrics.edition import chapter_id, examine

    found = examine(chapter_id(chapter), _folder(folder), missing=missing.value)
    typer.echo(found.report())
    raise typer.Exit(DONE if found.passed else FINDINGS)


@app.command(epilog="Example: regiometrics ledger --paper p3 --out p3_ledger.csv")
def ledger(
    paper: Annotated[str | None, typer.Option(metavar="CHAPTER", help="One paper alone, p1 to p5.")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV file, one row per printed number.")] = None,
) -> None:
    """Count the printed numbers of the papers by verdict."""
    from regiometrics.edition import chapter_id
    from regiometrics.report import ledger as verdicts

    frame = verdicts.collect()
    if paper is not None:
        frame = frame[frame["paper"] == chapter_id(paper)]
    counts = verdicts.counts(frame)
    for verdict, numbers in [*counts.itertuples(index=False), ("all", len(frame))]:
        typer.echo(f"{verdict:<16}{numbers:>6}")
    if out is not None:
        frame.to_csv(out, index=False, encoding="utf-8-sig", lineterminator="\n")
        typer.echo(out)


@app.command(epilog="Example: regiometrics edition --data own --out my_edition")
def edition(
    data: Annotated[
        Path, typer.Option(metavar="FOLDER", help="With a subfolder per chapter, p1 to p5.", show_default=False)
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", help="Where the edition is built; an earlier one is replaced.", show_default=False
        ),
    ],
    missing: MissingRule = _Missing.RAISE,
    keep_going: Annotated[
        bool,
        typer.Option("--keep-going", help="Leave chapters as shipped whose folder has problems, or whose code fails."),
    ] = False,
) -> None:
    """Build the whole book on your own data.

    It takes minutes, and a checkout of the book. Chapters with a subfolder that passes
    `check` are executed on it. All others stay as shipped, and say so at their
    top. The book is OUT/_build/html/index.html.
    """
    from regiometrics import edition as own_edition

    folders, others = own_edition.own_folders(data)
    for name in others:
        typer.echo(f"note: subfolder {name} is no chapter and is not used")
    found = [own_edition.examine(chapter, folder, missing=missing.value) for chapter, folder in folders.items()]
    for each in found:
        typer.echo(each.report())
    passed = {each.chapter: each.folder for each in found if each.passed}
    if not passed or (len(passed) < len(found) and not keep_going):
        remedy = "mend the files" if not passed else "mend the files, or build the others with --keep-going"
        typer.echo(f"nothing was built: {remedy}", err=True)
        raise typer.Exit(FINDINGS)
    built = own_edition.build_on(passed, out, missing=missing.value, keep_going=keep_going)
    for name, error in built.raised.items():
        typer.echo(f"{name} could not be computed: {_said(error)}", err=True)
    page = out / "_build" / "html" / "index.html"
    if not page.is_file():
        if not built.raised:
            typer.echo(built.messages, err=True)
        own = [name for name in built.raised if name in passed]
        remedy = f"; `regiometrics run {own[0]} --data FOLDER` keeps the notebook up to the error" if own else ""
        remedy += ", and --keep-going builds the others" if own and not keep_going and len(own) < len(passed) else ""
        typer.echo(f"no page was built{remedy}", err=True)
        raise typer.Exit(FINDINGS)
    if built.code:
        typer.echo(built.messages, err=True)
    done = ", ".join(name for name in passed if name not in built.raised)
    typer.echo(f"{page}, own data: {done}" + ("; built with warnings" if built.code else ""))
    raise typer.Exit(FINDINGS if built.code or built.raised or len(passed) < len(found) else DONE)


def assignments(texts: Sequence[str], known: Sequence[Parameter]) -> dict[str, object]:
    """Values of parameters from ``name=value``, each a literal of the parameter's kind.

    Raises
    ------
    RegionError
        No ``=``, a name that is not known or is given twice, or a value of another kind.
    """
    by_name = {parameter.name: parameter for parameter in known}
    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        name = name.strip()
        if not equals:
            raise RegionError(f"-p {text!r} has no '='", remedy="write -p name=value")
        if name not in by_name:
            close = get_close_matches(name, by_name, n=1)
            remedy = f"did you mean {close[0]}? parameters: " if close else "parameters: "
            raise RegionError(f"there is no parameter {name!r}", remedy=remedy + ", ".join(by_name))
        if name in values:
            raise RegionError(f"parameter {name!r} is given twice", remedy="keep one of the two")
        values[name] = _literal(by_name[name], value.strip())
    return values


def _literal(parameter: Parameter, text: str) -> object:
    """The value that a text stands for; nothing in it is ever run."""
    try:
        match parameter.kind:
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "bool":
                return {"true": True, "false": False}[text.lower()]
            case "list":
                return _items(parameter, text)
            case _:
                return text
    except (ValueError, KeyError, SyntaxError) as error:
        problem = f"parameter {parameter.name!r} is of kind {parameter.kind}, and {text!r} is not"
        shown = {"int": "a whole number", "float": "a number", "bool": "true or false", "list": "a,b or ['a', 'b']"}[
            parameter.kind
        ]
        raise RegionError(problem, remedy=f"write it as {shown}") from error


def _items(parameter: Parameter, text: str) -> list[object]:
    """A list, as Python writes it or with commas; items without quotes are of the kind of those in the default."""
    if text.startswith("["):
        items = ast.literal_eval(text)
        if not isinstance(items, list):
            raise ValueError(text)
        return items
    kind = type(parameter.default[0]) if parameter.default else str
    return [kind(item.strip()) for item in text.split(",") if item.strip()]


def _said(error: str) -> str:
    """An error of the library in the words of the command line."""
    return error.replace("pass missing=", "say missing=").replace("missing='drop'", "--missing drop")


def _folder(path: Path) -> Path:
    """The full path of a folder that is there."""
    if not path.is_dir():
        raise RegionError(f"there is no folder {path}", remedy="correct the path")
    return path.resolve()


def _notebook(path: Path) -> Path:
    if path.suffix != ".ipynb":
        raise RegionError(f"{path} is no name of a notebook", remedy="end it in .ipynb")
    if not path.parent.is_dir():
        raise RegionError(f"there is no folder {path.parent}", remedy="make it first, or correct the path")
    return path


def _show_values(notebook: dict[str, Any]) -> None:
    """The verdict, and the first of the other values that a chapter records."""
    from regiometrics.report.record import collect

    values = collect(notebook)
    verdict = values.pop("verdict", None)
    if verdict:
        typer.echo(f"verdict: {verdict}")
    for name in list(values)[:VALUES_SHOWN]:
        typer.echo(f"{name:<32} {values[name]}")
    if len(values) > VALUES_SHOWN:
        typer.echo(f"and {len(values) - VALUES_SHOWN} more values in the notebook")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command; what is wrong with the input goes to stderr, and ends with 2."""
    try:
        app(arguments, prog_name="regiometrics")
    except (RegionError, OSError) as error:
        typer.echo(f"error: {error}".rstrip(), err=True)
    sys.exit(BAD_USE)


if __name__ == "__main__":
    main()
