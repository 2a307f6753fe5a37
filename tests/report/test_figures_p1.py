from types import SimpleNamespace

import matplotlib as mpl

mpl.use("Agg", force=True)

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from regiometrics.data import facts
from regiometrics.data.boundaries import counties
from regiometrics.errors import DomainError, KeyColumnError, MissingValueError
from regiometrics.report import figures as f

YEARS = np.arange(2000, 2014)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def fit(effect):
    synthetic = pd.Series(10 + 0.1 * (YEARS - 2000) ** 1.2, index=YEARS)
    return SimpleNamespace(actual=synthetic + effect * (YEARS >= 2010), synthetic=synthetic, start=2010)


def words(ax):
    return [text.get_text() for text in ax.texts]


def overlapping(texts, figure):
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in texts]
    return [(i, j) for i, a in enumerate(boxes) for j, b in enumerate(boxes[:i]) if a.overlaps(b)]


# synthetic controls ---------------------------------------------------------------------------------------------------


def test_paths_show_both_series_the_start_and_the_mean_gap():
    results = {"incumbent": fit(0.31), "new": fit(-0.54)}
    panels = f.synthetic_paths(results, titles={"incumbent": "Incumbents", "new": "New"}, ylabel="Sophistication")
    assert [ax.get_title("left") for ax in panels] == ["Incumbents", "New"]
    for ax, result, gap in zip(panels, results.values(), ["+0.310", "−0.540"], strict=True):
        drawn = {line.get_label(): line for line in ax.lines}
        np.testing.assert_array_equal(drawn["actual"].get_ydata(), result.actual)
        np.testing.assert_array_equal(drawn["synthetic"].get_ydata(), result.synthetic)
        assert words(ax)[0] == f"mean gap {gap}"
        assert [line.get_xdata()[0] for line in ax.lines if line.get_label().startswith("_")] == [2009.5]
    assert words(panels[0])[1:] == [] and words(panels[1])[1:] == ["actual", "synthetic"]
    assert panels[0].get_ylim() == panels[1].get_ylim() and panels[0].get_ylabel() == "Sophistication"


def test_the_gap_is_taken_by_year_whatever_the_order_of_the_synthetic_path():
    result = fit(0.31)
    turned = SimpleNamespace(actual=result.actual, synthetic=result.synthetic[::-1], start=2010)
    [ax] = f.synthetic_paths({"all": turned})
    assert words(ax)[0] == "mean gap +0.310"


def test_paths_without_a_treated_year_are_refused():
    early = fit(0.0)
    early.start = 2020
    with pytest.raises(DomainError, match="no time from 2020 on"):
        f.synthetic_paths({"all": early})


def test_placebo_gaps_lie_grey_under_the_gap_of_the_treated():
    gaps = pd.DataFrame(np.random.default_rng(0).normal(size=(14, 30)), index=YEARS)
    observed = pd.Series(np.linspace(0, 3, 14), index=YEARS)
    ax = f.placebo_gaps(observed, gaps, start=2010, label="22 cities")
    placebos, own = ax.lines[:30], ax.lines[30]
    np.testing.assert_array_equal([line.get_ydata() for line in placebos], gaps.T)
    np.testing.assert_array_equal(own.get_ydata(), observed)
    assert {line.get_color() for line in placebos}.isdisjoint({own.get_color()})
    assert all(line.get_zorder() < own.get_zorder() for line in placebos)
    assert words(ax) == ["22 cities", "30 placebos"] and overlapping(ax.texts, ax.figure) == []
    with pytest.raises(KeyColumnError, match=r"other times .* 2013"):
        f.placebo_gaps(observed, gaps.drop(index=2013), start=2010)


def test_each_placebo_is_one_dot_and_ties_count_against_the_treated():
    placebos = pd.Series([0.5, 1.0, 1.0, 2.0, 4.0, 4.0])
    ax = f.rmspe_ratios(4.0, placebos, label="new")
    dots, mark = ax.lines
    places = np.column_stack([dots.get_xdata(), dots.get_ydata()])
    assert len(np.unique(places, axis=0)) == len(placebos)
    assert abs(places[:, 0] - placebos).max() <= (4.0 - 0.5) / 44  # half a bin, and the bin is never left
    assert mark.get_ydata() == [2] and words(ax) == ["new, 3 of 7"]
    with pytest.raises(DomainError, match="missing or infinite"):
        f.rmspe_ratios(4.0, pd.Series([1.0, np.inf]))


def test_weights_stand_beside_each_other_and_the_rest_is_summed():
    fits = {
        "published": pd.Series({"Utah": 0.5, "Nevada": 0.3, "Montana": 0.2}),
        "own": pd.Series({"Nevada": 0.25, "Utah": 0.45, "Ohio": 0.27, "Iowa": 0.03}),
    }
    panels = f.donor_weights(fits, top=3)
    assert [tick.get_text() for tick in panels[0].get_yticklabels()] == ["Utah", "Nevada", "Ohio", "2 others"]
    widths = [[bar.get_width() for bar in ax.patches] for ax in panels]
    assert widths[0] == pytest.approx([0.5, 0.3, 0.0, 0.2]) and widths[1] == pytest.approx([0.45, 0.25, 0.27, 0.03])
    assert words(panels[0]) == ["0.500", "0.300", "0", "0.200"]
    all_named = f.donor_weights(fits, top=8, labels={"Utah": "UT"})
    assert [tick.get_text() for tick in all_named[0].get_yticklabels()] == ["UT", "Nevada", "Montana", "Ohio", "Iowa"]


def test_bars_of_a_decomposition_touch_and_end_in_the_sums_of_rises_and_falls():
    frame = pd.DataFrame({"year": [2005, 2006], "w": [0.5, 0.2], "b": [-0.2, 0.1], "e": [-0.1, 0.3]})
    ax = f.decomposition_bars(frame, by="year", parts={"w": "within", "b": "between", "e": "entry"})
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    first, second = np.sort(spans[::2], axis=1), np.sort(spans[1::2], axis=1)
    assert first == pytest.approx(np.array([[0, 0.5], [-0.2, 0], [-0.3, -0.2]]))
    assert second == pytest.approx(np.array([[0, 0.2], [0.2, 0.3], [0.3, 0.6]]))
    assert ax.lines[-1].get_xdata() == pytest.approx([0.2, 0.6]) and words(ax) == ["+0.200", "+0.600"]
    assert [text.get_text() for text in ax.figure.legends[0].get_texts()] == ["within", "between", "entry", "change"]
    with pytest.raises(MissingValueError, match="2006"):
        parts = {"w": "within"}
        f.decomposition_bars(frame.assign(w=[0.5, np.nan]), by="year", parts=parts)


def test_six_paths_stand_in_two_rows_that_share_their_scale_by_row():
    years = pd.Index([2008, 2009, 2010])
    fits = {
        str(k): SimpleNamespace(
            actual=pd.Series([k, k, k + 1.0], years), synthetic=pd.Series([k] * 3, years), start=2010
        )
        for k in range(5)
    }
    panels = f.synthetic_paths(fits)
    assert len(panels) == 5
    tops = [round(ax.get_position().y1, 3) for ax in panels]
    assert len(set(tops[:3])) == 1 and len(set(tops[3:])) == 1 and tops[0] > tops[3]
    assert panels[0].get_ylim() == panels[2].get_ylim() != panels[3].get_ylim()


def test_the_sensitivity_curve_needs_its_band():
    frame = pd.DataFrame({"rho": [0.0, 0.5], "indirect": [0.04, -0.1], "low": [0.01, -0.2], "high": [0.07, 0.0]})
    ax = f.sensitivity_curve(frame)
    [band] = ax.collections
    assert band.get_datalim(ax.transData).y0 == pytest.approx(-0.2)
    with pytest.raises(KeyColumnError, match="high"):
        f.sensitivity_curve(frame.drop(columns="high"))


# the delta ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def units():
    return facts.delta_counties()


@pytest.fixture(scope="module")
def entry():
    return facts.delta_cities().set_index("adcode")["joined"]


def test_every_polygon_of_the_delta_shows_one_unit_or_none(units):
    polygons = f.delta_polygons(units)
    delta = counties()[lambda shapes: shapes["prefecture"].isin(units["city"])]
    assert polygons["adcode"].tolist() == delta["adcode"].tolist()
    singles = polygons[polygons["matched"].isin(["code", "name"])]
    assert not singles["unit"].duplicated().any() and (singles["type"] != "district").all()
    rest = polygons.set_index("matched")["type"]
    assert rest["districts"].eq("district").all() and rest["none"].isna().all()


def test_units_and_polygons_that_find_no_partner_are_those_that_were_merged_split_or_renamed(units):
    polygons = f.delta_polygons(units)
    absent = units.loc[~units["name_zh"].isin(polygons["unit"]), "name_zh"]
    assert absent.tolist() == ["绍兴县", "芜湖县", "铜陵县"]
    none = polygons.loc[polygons["matched"] == "none", "name_zh"]
    assert none.tolist() == ["龙港市", "庐江县", "巢湖市", "无为市", "含山县", "和县"]


def test_a_county_that_changed_its_city_keeps_that_of_2010(units):
    moved = f.delta_polygons(units).set_index("name_zh").loc[["寿县", "枞阳县"]]
    assert moved["prefecture"].tolist() == ["340400", "340700"]
    assert moved["city"].tolist() == ["341500", "340800"]


def test_the_map_has_the_colour_of_entry_and_the_marks_of_type(units, entry):
    ax = f.delta_map(units, entry, names={"340100": "Hefei", "310000": "Shanghai"})
    filled, hatched, rims = ax.collections
    shown = f.delta_polygons(units).dropna(subset="type").drop_duplicates(["unit", "city"])
    years = shown["city"].map(entry).replace(2019, 2018)
    colours = [to_rgba(f.ENTRY_COLOURS[year]) for year in years]
    assert sorted(map(tuple, filled.get_facecolor())) == sorted(colours)
    assert len(hatched.get_paths()) == 6
    assert len(rims.get_paths()) == (units["type"] == "district").sum()
    assert len(ax.lines[0].get_xdata()) == (units["type"] == "county_city").sum()
    keys = [text.get_text() for text in ax.get_legend().get_texts()]
    assert keys[:6] == ["1992", "1997", "2003", "2010", "2013", "2018-2019"] and keys[-1] == "in no unit of the list"
    assert words(ax)[:2] == ["Hefei", "Shanghai"] and overlapping(ax.texts, ax.figure) == []
    assert words(ax)[-1].endswith("own: Shaoxing (county), Wuhu (county), Tongling (county)")


def test_the_map_refuses_what_it_cannot_place(units, entry):
    with pytest.raises(KeyColumnError, match=r"without a year of entry.* 340100"):
        f.delta_map(units, entry.drop("340100"))
    with pytest.raises(DomainError, match=r"before 1992.* 310000"):
        f.delta_map(units, entry.replace(1992, 92))
    with pytest.raises(KeyColumnError, match=r"not on the map.* 440300"):
        f.delta_map(units, entry, names={"440300": "Shenzhen"})
    with pytest.raises(DomainError, match="unknown types of units .*上海市辖区"):
        f.delta_polygons(units.assign(type="banner"))
    with pytest.raises(KeyColumnError, match=r"cities without an outline.* 341400"):
        f.delta_polygons(units.assign(city="341400"))
    with pytest.raises(KeyColumnError, match="must identify each row"):
        f.delta_polygons(pd.concat([units, units.tail(1)]))
