"""What the tests of own data share: a folder of tables, one cell of it changed, and the problem that must follow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest

from regiometrics.data.schemas import problems
from regiometrics.errors import RegionError

WithCell = Callable[[pd.DataFrame, int, str, object], pd.DataFrame]
Folder = Callable[..., Path]
BadCell = tuple[str, str, object, type[RegionError], str]  # table, column, value, error, words of the problem
BAD_ROW = 1


@pytest.fixture(scope="session", autouse=True)
def siblings(root: Path) -> Iterator[None]:
    """Scripts of a folder of ``data`` import each other, as they do when they are run."""
    with pytest.MonkeyPatch.context() as patch:
        for folder in ("derived", "results"):
            patch.syspath_prepend(root / "data" / folder)
        yield


@pytest.fixture
def folder(tmp_path: Path, tables: dict[str, pd.DataFrame]) -> Folder:
    """Writes the tables of the test file, changed, as CSV; None leaves a table out."""

    def write(**changed: pd.DataFrame | None) -> Path:
        for name, table in {**tables, **changed}.items():
            if table is None:
                (tmp_path / f"{name}.csv").unlink(missing_ok=True)
            else:
                table.to_csv(tmp_path / f"{name}.csv", index=False)
        return tmp_path

    return write


@pytest.fixture(scope="session")
def with_cell() -> WithCell:
    """Copies a table with one cell changed."""

    def change(table: pd.DataFrame, row: int, column: str, value: object) -> pd.DataFrame:
        changed = table.astype({column: object})
        changed.loc[row, column] = value
        return changed

    return change


@pytest.fixture
def reported(folder: Folder, tables: dict[str, pd.DataFrame], with_cell: WithCell) -> Callable[..., pd.DataFrame]:
    """Spoils cells of one row, expects each to be reported once with its error, and returns all problems found."""

    def spoil(paper: str, cells: Sequence[BadCell]) -> pd.DataFrame:
        changed = dict(tables)
        for table, column, value, _, _ in cells:
            changed[table] = with_cell(changed[table], BAD_ROW, column, value)
        found = problems(paper, folder(**changed))
        for table, column, _, error, problem in cells:
            of_cell = found[
                (found["table"] == table) & (found["column"] == column) & found["problem"].str.contains(problem)
            ]
            assert of_cell["error"].tolist() == [error.__name__], (table, column)
            assert of_cell["rows"].tolist() == [1] and of_cell["remedy"].iloc[0], (table, column)
        return found

    return spoil
