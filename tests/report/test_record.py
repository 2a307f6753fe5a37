from decimal import Decimal

import nbformat
import numpy as np
import pytest

from regiometrics.errors import DomainError
from regiometrics.report import record as module
from regiometrics.report.record import collect, record


@pytest.fixture
def shown(monkeypatch):
    """What the functions hand to the notebook, as outputs of a cell."""
    outputs = []

    def show(data, metadata):
        outputs.append(nbformat.v4.new_output("display_data", data=dict(data), metadata=dict(metadata)))

    monkeypatch.setattr(module, "show", show)
    return outputs


def written(outputs, path):
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_markdown_cell("# A chapter"), nbformat.v4.new_code_cell("record()", outputs=outputs)]
    )
    nbformat.validate(notebook)
    nbformat.write(notebook, path)
    return nbformat.read(path, 4)


def test_values_come_back_from_the_written_notebook(shown, tmp_path):
    record(
        gini=0.123456789, cities=np.int64(138), trend="rising", converges=np.True_, nothing=None, exact=Decimal("0.5")
    )
    assert collect(written(shown, tmp_path / "chapter.ipynb")) == {
        "gini": 0.123457,
        "cities": 138,
        "trend": "rising",
        "converges": True,
        "nothing": None,
        "exact": 0.5,
    }


def test_outputs_can_be_glued_into_prose(shown):
    """The shape that the glue of the book reads: a name, and text under the prefix that keeps it out of the page."""
    record(gini=0.1, trend="rising")
    first, second = shown
    assert first["metadata"]["scrapbook"] == {"name": "gini", "mime_prefix": "application/papermill.record/"}
    assert first["data"] == {"application/papermill.record/text/plain": "0.1"}
    assert second["data"] == {"application/papermill.record/text/plain": "'rising'"}


def test_the_last_digits_of_another_machine_do_not_show(shown):
    record(a=0.1 + 0.2, b=0.3)
    assert shown[0]["data"] == shown[1]["data"]


def test_draws_come_back_as_a_list(shown, tmp_path):
    record(draws=np.array([1 / 3, 2]), none=(), three=[1, 2, 3])
    kept = collect(written(shown, tmp_path / "chapter.ipynb"))
    assert kept == {"draws": [0.333333, 2.0], "none": [], "three": [1.0, 2.0, 3.0]}


@pytest.mark.parametrize("value", [np.nan, np.inf, np.array([1.0, np.nan]), np.eye(1), [1.0, "x"], {"a": 1}])
def test_what_is_no_finite_value_is_refused(shown, value):
    with pytest.raises(DomainError, match="share = .* cannot be recorded"):
        record(share=value)


def test_a_notebook_without_recorded_values_gives_none():
    plain = nbformat.v4.new_output("stream", text="0.1")
    cells = [nbformat.v4.new_markdown_cell("text"), nbformat.v4.new_code_cell("1", outputs=[plain])]
    assert collect(nbformat.v4.new_notebook(cells=cells)) == {}
