import matplotlib as mpl

mpl.use("Agg", force=True)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

from regiometrics.data.files import data_file
from regiometrics.errors import DomainError, KeyColumnError
from regiometrics.report import figures as f

CLUSTER = {
    "310000": "yangtze_river_delta",
    "320000": "yangtze_river_delta",
    "330000": "yangtze_river_delta",
    "340000": "yangtze_river_delta",
    "110000": "beijing_tianjin_hebei",
    "120000": "beijing_tianjin_hebei",
    "130000": "beijing_tianjin_hebei",
}
CLASSES = {"13": "labour", "17": "labour", "31": "capital", "39": "technology", "40": "technology"}


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def words(ax):
    return [text.get_text() for text in ax.texts]


def legend(ax):
    return [text.get_text() for text in ax.figure.legends[0].get_texts()]


def assert_words_clear(panels):
    figure = panels[0].figure
    figure.draw_without_rendering()
    texts = [text for part in figure.legends for text in part.get_texts()]
    for ax in panels:
        texts += ax.texts
        for axis, (low, high) in ((ax.xaxis, sorted(ax.get_xlim())), (ax.yaxis, sorted(ax.get_ylim()))):
            shown = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=False)  # none where hidden
            texts += [text for at, text in shown if low <= at <= high and text.get_text()]
    boxes = [mpl.text.Text.get_window_extent(text) for text in texts]
    pairs = [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)]
    assert [(texts[i].get_text(), texts[j].get_text()) for i, j in pairs] == []
    assert all(box.x0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_provinces_keep_their_colour_by_code_and_by_name():
    assert f.PROVINCE_COLOURS["310000"] == f.PROVINCE_COLOURS["shanghai"]
    assert len(set(f.PROVINCE_COLOURS.values())) == len(CLUSTER) and set(CLUSTER) < set(f.PROVINCE_COLOURS)


# paths ----------------------------------------------------------------------------------------------------------------


def paths():
    rng = np.random.default_rng(1)
    level = dict(zip(CLUSTER, [0.55, 0.35, 0.42, 0.65, 0.8, 0.5, 0.75], strict=True))
    rows = [(code, y, CLUSTER[code], k + rng.normal(0, 0.01)) for code, k in level.items() for y in range(2005, 2015)]
    table = pd.DataFrame(rows, columns=["unit", "year", "group", "k"]).assign(printed=np.nan)
    table["low"], table["high"] = table["k"] - 0.04, table["k"] + 0.05
    last = table["year"] == 2014
    table.loc[last & (table["unit"] == "310000"), "printed"] = 0.577
    table.loc[last & (table["unit"] == "110000"), "printed"] = 0.893
    return table


COLUMNS = {"time": "year", "unit": "unit", "value": "k", "group": "group"}


def test_each_cluster_has_a_panel_with_a_line_per_province_from_zero():
    table = paths()
    panels = f.specialization_paths(table.sample(frac=1, random_state=np.random.default_rng(2)), **COLUMNS)
    assert {ax.get_title("left") for ax in panels} == {"Yangtze River Delta", "Beijing-Tianjin-Hebei"}
    drawn = {line.get_label(): line for ax in panels for line in ax.lines}
    for code, own in table.groupby("unit"):
        np.testing.assert_array_equal(drawn[code].get_ydata(), own["k"])
        assert drawn[code].get_color() == f.PROVINCE_COLOURS[code]
    assert panels[0].get_ylim() == panels[1].get_ylim() and panels[0].get_ylim()[0] == 0
    assert {word for ax in panels for word in words(ax)} == {
        "Shanghai", "Jiangsu", "Zhejiang", "Anhui", "Beijing", "Tianjin", "Hebei"
    }  # fmt: skip


def test_printed_numbers_are_crosses_and_bounds_dashed_lines():
    bounds = {"320000": (-np.inf, 0.5), "330000": (-np.inf, 0.5), "110000": (0.7, np.inf)}
    extra = {"printed": "printed", "low": "low", "high": "high", "bounds": bounds, "drawn": "fitted"}
    left, right = f.specialization_paths(paths(), **COLUMNS, **extra)
    crosses = [line for ax in (left, right) for line in ax.lines if line.get_marker() == "x"]
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in crosses] == [(2014, 0.577), (2014, 0.893)]
    assert "0.577" in words(left) and "0.893" in words(right)
    levels = [[line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"] for ax in (left, right)]
    assert levels == [[0.5], [0.7]]
    shown = ["fitted", "range", "printed", "printed: Jiangsu, Zhejiang below 0.5", "printed: Beijing above 0.7"]
    assert legend(left) == shown
    assert len(left.collections) == 4 and len(right.collections) == 3
    assert left.get_ylim()[1] > paths()["high"].max()
    assert_words_clear([left, right])


def test_a_gap_is_left_where_the_index_is_missing_and_the_last_known_point_is_named():
    table = paths().query("group == 'yangtze_river_delta'")
    table.loc[(table["unit"] == "310000") & (table["year"] >= 2013), "k"] = np.nan
    panels = f.specialization_paths(table, **COLUMNS)
    (name,) = [text for text in panels[0].texts if text.get_text() == "Shanghai"]
    assert name.xy[0] == 2012


def test_provinces_in_two_rows_of_a_year_are_refused():
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.specialization_paths(pd.concat([paths(), paths()]), **COLUMNS)


# pairs ----------------------------------------------------------------------------------------------------------------


def pairs():
    rows = []
    for year in (2005, 2014):
        for cluster in dict.fromkeys(CLUSTER.values()):
            own = [code for code, of in CLUSTER.items() if of == cluster]
            rows += [(year, cluster, a, b, 0.5 + 0.05 * len(rows)) for i, a in enumerate(own) for b in own[i + 1 :]]
    table = pd.DataFrame(rows, columns=["year", "group", "unit_a", "unit_b", "specialization"])
    return table.assign(printed=False, low=np.nan, high=np.nan)


def frames(ax):
    """Corners of the framed cells."""
    found = [patch for patch in ax.patches if isinstance(patch, Rectangle) and not patch.get_fill()]
    return [(round(patch.get_x() + 0.45), round(patch.get_y() + 0.43)) for patch in found]


def test_pairs_stand_in_a_triangle_for_each_cluster_and_year():
    grid = f.pair_matrix(pairs(), time="year")
    assert grid.shape == (2, 2)
    titles = [ax.get_title("left") for ax in grid.flat]
    assert titles[0] == "Yangtze River Delta, 2005" and titles[3] == "Beijing-Tianjin-Hebei, 2014"
    at = {text.get_position(): text.get_text() for text in grid[1, 0].texts}
    own = pairs().query("year == 2014 and group == 'yangtze_river_delta'")["specialization"]
    places = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    assert at == {place: f"{number:.3f}" for place, number in zip(places, own, strict=True)}
    assert [tick.get_text() for tick in grid[0, 1].get_yticklabels()] == ["Tianjin", "Hebei"]
    assert [tick.get_text() for tick in grid[0, 1].get_xticklabels()] == ["Beijing", "Tianjin"]
    assert_words_clear(list(grid.flat))


def test_printed_pairs_are_framed_and_unknown_ones_show_their_bounds():
    table = pairs()
    table.loc[0, "printed"] = True
    table.loc[1, ["specialization", "high"]] = [np.nan, 0.7]
    table.loc[2, ["specialization", "low", "high"]] = [np.nan, 0.412, 0.66]
    table.loc[6, ["specialization", "low"]] = [np.nan, 0.9]
    table.loc[7, ["specialization", "low", "high"]] = [0.6, 0.5, 0.7]
    grid = f.pair_matrix(table, time="year", printed="printed", low="low", high="high")
    assert frames(grid[0, 0]) == [(0, 1)] and frames(grid[0, 1]) == []
    assert words(grid[0, 0])[1:3] == ["below 0.7", "0.41 to 0.66"]
    assert words(grid[0, 1])[:2] == ["above 0.9", "0.600\n0.50 to 0.70"]
    fills = [to_hex(patch.get_facecolor()) for patch in grid[0, 0].patches if patch.get_fill()]
    assert fills[1] == fills[2] == "#f1f0ee" and "#f1f0ee" not in fills[3:]


def test_the_order_of_a_pair_does_not_matter():
    table = pairs().query("year == 2014 and group == 'beijing_tianjin_hebei'")
    turned = table.copy()
    turned.loc[turned.index[-1], ["unit_a", "unit_b"]] = ["130000", "120000"]
    first, second = (f.pair_matrix(each)[0, 0] for each in (table, turned))
    assert {t.get_position(): t.get_text() for t in first.texts} == {
        t.get_position(): t.get_text() for t in second.texts
    }


# advantages -----------------------------------------------------------------------------------------------------------


def advantages(seed=4):
    rng = np.random.default_rng(seed)
    rows = [(CLUSTER[code], code, industry, rng.lognormal(0, 0.6)) for code in CLUSTER for industry in CLASSES]
    table = pd.DataFrame(rows, columns=["group", "unit", "industry", "location_quotient"])
    table["advantage"] = table["location_quotient"] > 1
    number = table.groupby(["group", "industry"])["advantage"].transform("sum")
    return table.assign(sole=table["advantage"] & (number == 1))


def dots(ax):
    """Area and filling of each dot by place; places of rings."""
    rings, rest = ax.collections
    areas, fills = rest.get_sizes(), rest.get_facecolors()
    found = {tuple(at): (area, to_hex(fill)) for at, area, fill in zip(rest.get_offsets(), areas, fills, strict=True)}
    return found, {tuple(at) for at in rings.get_offsets()}


def places(ax, table):
    """Column and row of each unit and industry, by the tick labels."""
    names = [tick.get_text().lower() for tick in ax.get_yticklabels()]
    of_row = dict(zip(names, ax.get_yticks(), strict=True))
    of_column = dict(zip(table["unit"].unique(), ax.get_xticks(), strict=True))
    return [(of_column[row.unit], of_row[row.industry]) for row in table.itertuples()]


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_dots_are_filled_where_there_is_an_advantage_and_ringed_where_no_other_has_it(classes):
    table = advantages()
    ax = f.advantage_dots(table, group="group", classes=classes)
    found, rings = dots(ax)
    at = places(ax, table)
    assert len(found) == len(table)
    assert rings == {place for place, sole in zip(at, table["sole"], strict=True) if sole}
    for place, row in zip(at, table.itertuples(), strict=True):
        colour = f.PROVINCE_COLOURS[row.unit].lower() if row.advantage else "#ffffff"
        assert found[place] == (pytest.approx(30 * min(row.location_quotient, 4)), colour)
    numbers = [f"{q:.2f}" for q in table.loc[table["advantage"], "location_quotient"]]
    headings = [] if classes is None else ["Labour", "Capital", "Technology"]
    assert words(ax) == numbers + headings
    assert np.diff(ax.get_xticks()).max() == pytest.approx(1.4)  # between the clusters


def test_rows_follow_the_classes_and_within_them_the_first_province():
    table = advantages()
    ax = f.advantage_dots(table, classes=CLASSES)
    names = [tick.get_text() for tick in ax.get_yticklabels()]
    assert [CLASSES[name] for name in names] == list(CLASSES.values())
    assert np.diff(ax.get_yticks()).tolist() == pytest.approx([1, 2.3, 2.3, 1])
    first = table[table["unit"] == "310000"].set_index("industry")["advantage"].astype(int)
    alone = [tick.get_text() for tick in f.advantage_dots(table).get_yticklabels()]
    assert first[alone].is_monotonic_decreasing


def test_without_quotients_all_dots_have_one_size():
    ax = f.advantage_dots(advantages(), value=None)
    assert {area for area, _ in dots(ax)[0].values()} == {30} and words(ax) == []


def test_the_28_rows_of_seven_provinces_keep_clear_of_each_other():
    codes = [str(code) for code in range(13, 41)]
    some = pd.concat([advantages(seed).assign(industry=lambda x, i=seed: x["industry"] + f"/{i}") for seed in range(6)])
    kept = some["industry"].unique()[:28]
    table = some[some["industry"].isin(kept)].replace(dict(zip(kept, codes, strict=True)))
    labels = {"39": "computers, communication and electronics", "25": "petroleum processing and coking"}
    ax = f.advantage_dots(table, group="group", labels=labels)
    assert len(ax.get_yticks()) == 28
    assert_words_clear([ax])


def test_an_industry_without_a_class_is_named():
    with pytest.raises(KeyColumnError, match="40"):
        f.advantage_dots(advantages(), classes={k: v for k, v in CLASSES.items() if k != "40"})


# intensity ------------------------------------------------------------------------------------------------------------


SHOWN = ("310000", "320000", "340000", "110000", "130000")


def intensity():
    rng = np.random.default_rng(5)
    rows = []
    for code in SHOWN:
        for year in (2005, 2010, 2014):
            shares = rng.dirichlet([8, 5, 9])
            rows += [
                (CLUSTER[code], code, year, *of) for of in zip(("labour", "capital", "technology"), shares, strict=True)
            ]
    return pd.DataFrame(rows, columns=["group", "unit", "year", "class", "share"])


def test_each_province_has_a_panel_whose_areas_end_at_its_shares():
    table = intensity()
    panels = f.intensity_areas(table, time="year", unit="unit", group="group")
    assert [ax.get_title("left") for ax in panels] == ["Shanghai", "Jiangsu", "Anhui", "Beijing", "Hebei"]
    for ax, code in zip(panels, SHOWN, strict=True):
        own = table[table["unit"] == code].pivot(index="year", columns="class", values="share")
        own = own[list(f.INTENSITY_COLOURS)].cumsum(axis=1)
        tops = [patch.get_paths()[0].vertices for patch in ax.collections]
        for vertices, name in zip(tops, own, strict=True):
            for year, height in own[name].items():
                assert vertices[vertices[:, 0] == year, 1].max() == pytest.approx(height)
        assert ax.get_ylim() == (0, 1)
        last = table[(table["unit"] == code) & (table["year"] == 2014)].set_index("class")["share"]
        assert words(ax)[:3] == [f"{100 * last[name]:.0f}" for name in f.INTENSITY_COLOURS]
    named = [words(ax)[3:] for ax in panels]
    assert [bool(names) for names in named] == [False] * 2 + [True, False, True]
    assert named[2] == list(f.INTENSITY_COLOURS)
    assert_words_clear(list(panels))


def test_shares_that_leave_a_class_out_are_refused():
    table = intensity()
    with pytest.raises(DomainError, match="do not sum to one"):
        f.intensity_areas(table[table["class"] != "capital"], time="year", unit="unit")


# regions drawn alike --------------------------------------------------------------------------------------------------


def simulations():
    """The stored Monte Carlo with 28 industries, a row per dispersion, design and region."""
    stored = pd.read_csv(data_file("results", "specialization_size.csv"))
    own = stored.query("law == 'dirichlet' and industries == 28 and region not in ['mean', 'ratio']")
    table = own.groupby(["dispersion", "design", "region"], sort=False).mean(numeric_only=True).reset_index()
    return table.assign(printed=table["region"].map({"shanghai": 0.577, "beijing": 0.893}))


def marks(ax, marker):
    return [line.get_xdata()[0] for line in ax.lines if line.get_marker() == marker]


def test_each_region_has_a_dot_a_bar_and_the_approximation_against_both_references():
    table = simulations()
    left, right = f.index_by_regions(table)
    for ax, factor in ((left, 1.0), (right, 1 - table["share"])):
        np.testing.assert_allclose(marks(ax, "o"), factor * table["mean"])
        pair = table["dispersion"].map(table[table["design"] == "equal_2"].set_index("dispersion")["mean"])
        np.testing.assert_allclose(marks(ax, "|"), factor * table["approximation"] * pair)
        ends = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
        np.testing.assert_allclose(ends, np.column_stack([factor * table["p5"], factor * table["p95"]]))
    assert {x for x in marks(left, "x") if np.isfinite(x)} == {0.577, 0.893} and marks(right, "x") == []
    shown = [tick.get_text() for tick in left.get_yticklabels()]
    assert shown[:6] == [f"{n} equal regions" for n in (2, 3, 4, 5, 8)] + ["Shanghai, 12%"]
    assert legend(left) == ["low dispersion", "high dispersion", "approximation", "printed"]
    assert_words_clear([left, right])


def test_the_pair_to_compare_with_has_to_be_there():
    with pytest.raises(KeyColumnError, match="no design of two equal regions"):
        f.index_by_regions(simulations().query("design != 'equal_2'"))


def test_blocks_of_the_simulation_have_to_be_put_together_first():
    stored = pd.read_csv(data_file("results", "specialization_size.csv"))
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.index_by_regions(stored.query("law == 'dirichlet' and industries == 28 and region != 'mean'"))
