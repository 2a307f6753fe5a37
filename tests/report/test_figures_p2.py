from functools import cache

import matplotlib as mpl

mpl.use("Agg", force=True)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PolyCollection

from regiometrics.data.files import data_file
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


# ---------------------------------------------------------------------------------------------------------------------
# estimates of simulated dynamic panels


def simulations():
    """The stored Monte Carlo at the paper's estimates, a row per estimator and coefficient."""
    stored = pd.read_csv(data_file("results", "dynamic_panel_size.csv")).query("rho == 0.235")
    return stored.groupby(["estimator", "coefficient"], sort=False).mean(numeric_only=True).reset_index()


def bars(ax):
    """Bar ends by place from the top."""
    found = [line for line in ax.lines if line.get_marker() == "None" and line.get_linestyle() == "-"]
    return {line.get_ydata()[0]: tuple(line.get_xdata()) for line in found}


def test_each_coefficient_has_a_panel_with_a_bar_per_estimator():
    table = simulations()
    panels = f.gmm_estimates(table)
    assert [ax.get_xlabel() for ax in panels] == ["Estimate of ρ", "Estimate of β"]
    for ax, coefficient in zip(panels, ["rho", "beta"], strict=True):
        own = table[table["coefficient"] == coefficient].reset_index(drop=True)
        assert bars(ax) == {i: (row["low"], row["high"]) for i, row in own.iterrows()}
        dots = [line for line in ax.lines if line.get_marker() == "o"]
        np.testing.assert_array_equal([line.get_xdata()[0] for line in dots], own["median"])
        reached = own["truth"].between(own["low"], own["high"])
        assert [line.get_markerfacecolor() != "white" for line in dots] == reached.tolist()
        (truth,) = [line for line in ax.lines if line.get_linestyle() == "--"]
        assert list(truth.get_xdata()) == [own["truth"][0]] * 2
    names = [tick.get_text().replace("\n", ", ") for tick in panels[0].get_yticklabels()]
    assert names == list(table["estimator"].unique())
    counts = [text.get_text() for text in panels[-1].texts if text.get_text().isdigit()]
    assert counts == [f"{n:g}" for n in own["n_instruments"].dropna()]


def test_an_estimator_that_lacks_a_coefficient_keeps_its_line():
    table = simulations().query("not (estimator == 'within' and coefficient == 'rho')")
    left, right = f.gmm_estimates(table)
    assert len(bars(left)) == len(bars(right)) - 1
    assert set(bars(left)) < set(bars(right))


def test_words_of_the_estimates_keep_clear_of_each_other_and_inside_the_figure():
    panels = f.gmm_estimates(simulations())
    figure = panels[0].figure
    figure.canvas.draw()
    words = [text for ax in panels for text in ax.texts] + panels[0].get_yticklabels()
    boxes = [mpl.text.Text.get_window_extent(text) for text in words]
    assert [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)] == []
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_blocks_have_to_be_put_together_first():
    stored = pd.read_csv(data_file("results", "dynamic_panel_size.csv")).query("rho == 0.235")
    with pytest.raises(KeyColumnError, match="estimator"):
        f.gmm_estimates(stored)


def test_rank_size_methods_stand_in_the_row_of_their_cluster():
    table = pd.DataFrame(
        {
            "cluster": ["beibu_gulf", "lanzhou_xining"] * 2,
            "method": ["fixed", "fixed", "ols", "ols"],
            "q": [0.6, 0.5, 0.9, 0.5],
            "printed": [1.19, 0.17] * 2,
        }
    )
    ax = f.rank_size_methods(table, threshold=0.5)
    fixed, ols, crosses = (line for line in ax.lines if len(line.get_xdata()) == 2 and line.get_marker() != "None")
    assert list(fixed.get_xdata()) == [0.6, 0.5] and list(ols.get_xdata()) == [0.9, 0.5]
    assert list(crosses.get_xdata()) == [1.19, 0.17] and list(crosses.get_ydata()) == [0, 1]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Beibu Gulf", "Lanzhou-Xining"]
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.rank_size_methods(pd.concat([table, table]))


def test_a_specification_curve_draws_the_printed_estimate():
    table = pd.DataFrame({"estimate": [0.1, -0.2], "returns": ["CRS", "VRS"]})
    top, _ = f.specification_curve(table, choices=["returns"], printed=0.119)
    assert [text.get_text() for text in top.texts] == ["printed 0.119"]
    assert any(set(line.get_ydata()) == {0.119} for line in top.lines)
