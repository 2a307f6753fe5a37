from functools import cache

import matplotlib as mpl

mpl.use("Agg", force=True)

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.collections import PolyCollection

from regiometrics.errors import KeyColumnError
from regiometrics.measure import two_city_model
from regiometrics.report import figures as f


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@cache
def frame(alpha=2.0):
    return two_city_model.welfare(np.linspace(0, 4, 801), alpha=alpha)


def shades(ax):
    """Ranges of phi by colour."""
    found = {}
    for patch in ax.collections:
        if isinstance(patch, PolyCollection):
            colour = mpl.colors.to_hex(patch.get_facecolor()[0]).upper()
            found[colour] = [(p.vertices[:, 0].min(), p.vertices[:, 0].max()) for p in patch.get_paths()]
    return found


def test_each_panel_draws_its_curves_and_marks_its_thresholds():
    table, marks = frame(), two_city_model.thresholds().set_index("name")["value"]
    left, right = f.welfare_over_progress(table, two_city_model.thresholds())
    near = table[table["phi"] <= 1]
    for ax, columns, shown, names in (
        (left, ["A_autarky", "A_trade_printed", "A_trade_corrected"], near, ["premise_a", "conclusion_a"]),
        (right, ["A_autarky", "A_trade_carried_over"], table, ["premise_a_carried_over"]),
    ):
        curves = [line for line in ax.lines if len(line.get_xdata()) == len(shown)]
        for line, column in zip(curves, columns, strict=True):
            np.testing.assert_array_equal(line.get_ydata(), shown[column])
        upright = [line.get_xdata()[0] for line in ax.lines if list(line.get_ydata()) == [0, 1]]
        np.testing.assert_allclose(upright, marks[names])
    assert [t.get_text() for t in left.texts][:2] == ["0.550", "0.649"] and right.texts[0].get_text() == "2"
    assert any("0.633" in t.get_text() for t in left.texts)


def test_the_ground_is_shaded_where_proposition_1_holds():
    left, right = f.welfare_over_progress(frame(), two_city_model.thresholds())
    both, alone = f._HOLDS["premise and conclusion hold"], f._HOLDS["conclusion alone"]
    step = 4 / 800
    assert np.allclose(shades(left)[both], [(0, 0.550)], atol=step)
    assert np.allclose(shades(left)[alone], [(0.550, 0.649)], atol=2 * step)
    assert np.allclose(shades(right)[both][0], (0.21875, 2), atol=2 * step)
    assert shades(right)[alone][-1][1] == 4
    words = [t.get_text() for t in left.figure.legends[0].get_texts()]
    assert words == ["premise and conclusion hold", "conclusion alone"]


def test_the_premise_alone_has_its_own_shade():
    costly = two_city_model.welfare(np.linspace(0, 4, 401), alpha=2.0, cost_a=(1.2, 1.2))
    left, _ = f.welfare_over_progress(costly, two_city_model.thresholds())
    assert f._HOLDS["premise alone"] in shades(left)


@pytest.mark.parametrize("alpha", [1.35, 2.0, 3.0])
def test_words_keep_clear_of_each_other_and_inside_the_figure(alpha):
    panels = f.welfare_over_progress(frame(alpha), two_city_model.thresholds())
    figure = panels[0].figure
    figure.canvas.draw()
    boxes = [mpl.text.Text.get_window_extent(text) for ax in panels for text in ax.texts]
    boxes += [text.get_window_extent() for text in figure.legends[0].get_texts()]
    assert [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)] == []
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_the_order_of_rows_does_not_matter():
    table = frame()
    shuffled = table.sample(frac=1, random_state=np.random.default_rng(1))
    a, b = (f.welfare_over_progress(x, two_city_model.thresholds())[1].lines[0].get_ydata() for x in (table, shuffled))
    np.testing.assert_array_equal(a, b)


def test_a_missing_column_is_named():
    with pytest.raises(KeyColumnError, match="A_trade_printed"):
        f.welfare_over_progress(frame().drop(columns="A_trade_printed"), two_city_model.thresholds())
