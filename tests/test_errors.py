import pytest

from regiometrics.errors import DataProblems, DomainError, KeyColumnError, RegionError, raise_problems


def test_message_names_column_rows_keys_and_one_remedy():
    error = DomainError("negative values", column="C", n_rows=7, keys=range(7), remedy="correct the cells")
    assert str(error) == "column 'C': negative values (7 rows: 0; 1; 2; 3; 4; ...). Remedy: correct the cells."
    assert isinstance(error, RegionError)
    assert isinstance(error, ValueError)
    assert (error.column, error.n_rows, error.keys) == ("C", 7, tuple(range(7)))


def test_rows_are_counted_from_the_keys_when_not_given():
    error = KeyColumnError("duplicated", keys=[("Suzhou", 2017)])
    assert str(error) == "duplicated (1 row: Suzhou 2017)."


def test_one_problem_is_raised_as_itself_and_several_as_one_report():
    one, two = DomainError("first"), KeyColumnError("second")
    raise_problems([])
    with pytest.raises(DomainError, match="first"):
        raise_problems([one])
    with pytest.raises(DataProblems) as report:
        raise_problems([one, two])
    assert report.value.problems == (one, two)
    assert str(report.value) == (
        "2 problems found:\n  1. first.\n  2. second.\nRemedy: mend the files and load them again."
    )
