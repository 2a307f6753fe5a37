import pytest

from regiometrics.data.files import data_file, data_folder, notebooks_folder, sources_folder
from regiometrics.errors import RegionError


def test_the_checkout_is_found_without_any_setting(monkeypatch, root):
    monkeypatch.delenv("REGIOMETRICS_DATA", raising=False)
    assert data_folder() == root / "data"
    assert notebooks_folder() == root / "notebooks"


def test_the_variable_names_another_folder_and_a_wrong_one_is_refused(monkeypatch, tmp_path):
    (tmp_path / "facts").mkdir()
    (tmp_path / "facts" / "one.csv").write_text("a\n1\n")
    monkeypatch.setenv("REGIOMETRICS_DATA", str(tmp_path))
    assert data_file("facts", "one.csv").read_text() == "a\n1\n"
    with pytest.raises(RegionError, match="facts/two.csv is not in the data folder"):
        data_file("facts", "two.csv")
    monkeypatch.setenv("REGIOMETRICS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(RegionError, match="names no folder"):
        data_folder()


def test_sources_are_optional(monkeypatch, tmp_path):
    monkeypatch.delenv("REGIOMETRICS_SOURCES", raising=False)
    assert sources_folder() is None
    monkeypatch.setenv("REGIOMETRICS_SOURCES", str(tmp_path))
    assert sources_folder() == tmp_path
