"""How every figure looks: palette, typography, sizes, and the context that applies them.

The user's own matplotlib settings are untouched: `styled` applies ours while a figure is drawn or saved, and no
figure is registered with pyplot.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from braincodec.extras import import_optional

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

PURPOSE = "drawing figures"

# text and lines, dark on white: INK 14:1, MUTED 5.6:1 against white
INK, MUTED, AXIS, RULE = "#1B2631", "#5B6875", "#8C97A3", "#DDE2E8"
# what a colour means is the same in every figure
MODEL, OTHER, CEILING, FLOOR = "#0072B2", "#C4500C", "#DFE4EA", "#1B2631"
CEILING_EDGE = "#6F7B87"
# in the manner of Okabe and Ito: told apart with each common kind of colour blindness
CYCLE = (MODEL, OTHER, "#3FB89B", "#7B3B6E", "#E69F00", INK)
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
DENSITY_ENDS = ("#A9C6E3", "#4C8FC4", "#0B5590", "#08264A")

# inches; a full width is 900 pixels at 120 dots per inch
WIDTH, HALF_WIDTH = 7.5, 3.7
SIZE, SMALL, TINY = 9.0, 8.0, 7.0
# width of a letter, as a part of its size
LETTER = 0.6
FONTS = ("Arial", "Helvetica", "Liberation Sans", "Nimbus Sans")


def settings() -> dict[str, Any]:
    """The matplotlib settings that figures are drawn under."""
    return {
        "font.family": _families(),
        "font.size": SIZE,
        "text.color": INK,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.labelsize": SIZE,
        "axes.labelcolor": INK,
        "axes.edgecolor": AXIS,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "axes.grid": False,
        "axes.facecolor": "white",
        "figure.facecolor": "white",
        "savefig.facecolor": "auto",
        "savefig.bbox": None,
        "xtick.color": AXIS,
        "ytick.color": AXIS,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": SMALL,
        "ytick.labelsize": SMALL,
        "xtick.major.size": 3,
        "ytick.major.size": 3,
        "lines.linewidth": 1.8,
        "image.interpolation": "nearest",
        # text stays text, so that it can be searched, read aloud and edited
        "svg.fonttype": "none",
        "svg.hashsalt": "braincodec",
        "pdf.fonttype": 42,
    }


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Apply `settings` inside the block only.

    Raises
    ------
    MissingExtraError
        When matplotlib is not installed.
    """
    matplotlib = import_optional("matplotlib", PURPOSE)
    with matplotlib.rc_context(settings()):
        yield


def single(axes: Axes | None, size: tuple[float, float] = (HALF_WIDTH, HALF_WIDTH), *, fixed: bool = False) -> Axes:
    """The axes given, or those of a new figure of `size` inches that pyplot does not know of.

    `fixed` says that their aspect is, so that what stands beside them has to be fitted to it.
    """
    return axes if axes is not None else new_figure(size, "compressed" if fixed else "constrained").add_subplot()


def new_figure(size: tuple[float, float], layout: Literal["constrained", "compressed"] = "constrained") -> Figure:
    """An empty figure of `size` inches that needs no display and is not registered with pyplot."""
    figure: Figure = import_optional("matplotlib.figure", PURPOSE).Figure(figsize=size, layout=layout)
    return figure


def root_figure(axes: Axes) -> Figure:
    """The figure that `axes` stands in, also through subfigures."""
    figure: Any = axes.figure
    while figure.figure is not figure:
        figure = figure.figure
    return figure


def panels(
    axes: Axes,
    rows: int,
    columns: int,
    *,
    gap: tuple[float, float] = (0.35, 0.5),
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
    pairs: float = 0.0,
) -> list[Axes]:
    """A grid of axes inside the axes given, row by row; their own frame is taken off, their title stays.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    rows, columns : int
    gap : (float, float)
        Between columns and between rows, inches.
    widths, heights : sequence of float, optional
        Of columns and of rows, relative to each other.
    pairs : float
        Where rows belong together two by two: what lies between the pairs in addition, inches.
    """
    axes.set_axis_off()
    extent, dots = axes.get_window_extent(), root_figure(axes).dpi
    # gaps may take at most half
    across = min(gap[0] * dots / max(extent.width, 1), 0.5 / max(columns - 1, 1))
    between = [gap[1] + (pairs if row % 2 else 0.0) for row in range(rows - 1)]  # below each row but the last
    down = [inches * dots / max(extent.height, 1) for inches in between]
    down = [part * min(1.0, 0.5 / max(sum(down), 1e-6)) for part in down]
    width = _shares(widths, columns, 1 - across * (columns - 1))
    height = _shares(heights, rows, 1 - sum(down))
    return [
        axes.inset_axes(
            (
                sum(width[:column]) + across * column,
                1 - sum(height[: row + 1]) - sum(down[:row]),
                width[column],
                height[row],
            )
        )
        for row in range(rows)
        for column in range(columns)
    ]


def _shares(parts: Sequence[float] | None, amount: int, whole: float) -> list[float]:
    """`whole` divided in the ratio of `parts`, or evenly."""
    parts = parts or [1.0] * amount
    return [whole * part / sum(parts) for part in parts]


def title(axes: Axes, text: str, note: str = "") -> None:
    """Write a title at the left, and under it a quieter line that says what is shown: how many, whose."""
    axes.set_title(text, loc="left", pad=18 if note else 8)
    if note:
        axes.annotate(
            note, (0, 1), xytext=(0, 6), xycoords="axes fraction", textcoords="offset points", va="bottom",
            fontsize=SMALL, color=MUTED,
        )  # fmt: skip


def panel_titles(axes: Sequence[Axes], texts: Sequence[str], notes: Sequence[str] = ()) -> None:
    """Name small panels at their left; at their right, quieter, how many, where all of them have room for both."""
    notes = list(notes) or [""] * len(axes)
    fits = all(
        LETTER * (SIZE * 1.15 * len(text) + TINY * (len(note) + 1))
        < panel.get_window_extent().width / root_figure(panel).dpi * 72  # points
        for panel, text, note in zip(axes, texts, notes, strict=True)
    )
    for panel, text, note in zip(axes, texts, notes, strict=True):
        panel.set_title(text, loc="left", pad=4, fontsize=SIZE)
        if note and fits:
            panel.set_title(note, loc="right", pad=4, fontsize=TINY, color=MUTED, fontweight="normal")


def tick_text(value: float) -> str:
    """A number at the end of a scale, in few characters.

    Examples
    --------
    >>> tick_text(0.6283), tick_text(4500.0), tick_text(-2.5)
    ('0.63', '4,500', '-2.5')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


def heading(axes: Axes, text: str, note: str = "", *, above: float = 20) -> None:
    """Write a title over a grid of panels, `above` points over what holds them, and a quieter line under it."""
    rows = [(note, SMALL, MUTED, "normal", above), (text, 10, INK, "bold", above + (15 if note else 0))]
    for words, size, colour, weight, offset in rows:
        if words:
            axes.annotate(
                words, (0, 1), xytext=(0, offset), xycoords="axes fraction", textcoords="offset points", va="bottom",
                fontsize=size, color=colour, fontweight=weight,
            )  # fmt: skip


def shared_labels(axes: Axes, across: str, up: str, *, below: float = 20, beside: float = 30) -> None:
    """Name the axes of a whole grid of panels once, `below` and `beside` points away from what holds them."""
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "fontsize": SIZE}
    if across:
        axes.annotate(across, (0.5, 0), xytext=(0, -below), ha="center", va="top", **place)
    if up:
        axes.annotate(up, (0, 0.5), xytext=(-beside, 0), ha="right", va="center", rotation=90, **place)


def horizontal_grid(axes: Axes) -> None:
    """Faint rules at the vertical axis' ticks, and no line for that axis."""
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def vertical_grid(axes: Axes) -> None:
    """Faint rules at the horizontal axis' ticks, and no line for that axis."""
    axes.grid(axis="x", color=RULE, linewidth=0.7)
    axes.spines["bottom"].set_visible(False)
    axes.tick_params(axis="x", length=0)


def end_labels(axes: Axes, labels: Sequence[tuple[float, str, str]], *, size: float = SMALL) -> None:
    """Write names beside the right end of lines, in their colours, pushed apart where they would overlap.

    Parameters
    ----------
    labels : sequence of (float, str, str)
        Height at which the line ends, text and colour.
    """
    low, high = axes.get_ylim()
    points = axes.get_window_extent().height / root_figure(axes).dpi * 72
    apart = 1.35 * size / max(points, 1) * (high - low)
    ordered = sorted(labels)
    heights = [height for height, _, _ in ordered]
    for _ in range(10 * len(heights)):
        for lower in range(len(heights) - 1):
            overlap = apart - (heights[lower + 1] - heights[lower])
            if overlap > 0:
                heights[lower] -= overlap / 2
                heights[lower + 1] += overlap / 2
    for height, (_, text, colour) in zip(heights, ordered, strict=True):
        axes.annotate(
            text, (1, height), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
            va="center", color=colour, fontsize=size,
        )  # fmt: skip


def time_axis(axes: Axes, times: Sequence[float] | NDArray[np.floating]) -> None:
    """Milliseconds from stimulus onset along the bottom, with a line at the onset; `times` in milliseconds."""
    axes.set(xlim=(times[0], times[-1]), xlabel="Time from stimulus onset (ms)")
    axes.axvline(0, color=AXIS, linewidth=0.8, zorder=0)


def colour_bar(
    axes: Axes, colours: Any, label: str, place: tuple[float, float, float, float], *, horizontal: bool = True
) -> Any:
    """A thin colour scale inside or beside `axes`, at `place` (left, bottom, width, height) in parts of them.

    Its first, middle and last colour are numbered.
    """
    where = axes.inset_axes(place)
    bar: Any = axes.figure.colorbar(colours, cax=where, orientation="horizontal" if horizontal else "vertical")
    bar.outline.set_visible(False)
    low, high = bar.vmin, bar.vmax
    ticks = [low, (low + high) / 2, high]
    bar.set_ticks(ticks, labels=[tick_text(tick) for tick in ticks])
    where.tick_params(length=2, labelsize=TINY + 0.5, pad=2)
    if horizontal:
        where.set_xlabel(label, fontsize=SMALL, labelpad=2)
    else:
        where.set_ylabel(label, fontsize=SMALL, labelpad=4)
    return bar


@functools.cache
def density_colours() -> Colormap:
    """Blues from light to dark, for how many points lie in one place."""
    colours = import_optional("matplotlib.colors", PURPOSE)
    scale: Colormap = colours.LinearSegmentedColormap.from_list("density", list(DENSITY_ENDS))
    return scale


def colour_scale(name: str, limits: tuple[float, float]) -> Any:
    """Numbers to colours (matplotlib's ScalarMappable), by the name of a colour map and its first and last value."""
    norm = import_optional("matplotlib.colors", PURPOSE).Normalize(*limits)
    return import_optional("matplotlib.cm", PURPOSE).ScalarMappable(norm, name)


@functools.cache
def _families() -> list[str]:
    # a name that is not installed would warn at every text; the generic name at the end is for readers of SVG files
    manager = import_optional("matplotlib.font_manager", PURPOSE)
    installed = {font.name for font in manager.fontManager.ttflist}
    return [*[name for name in FONTS if name in installed][:1], "sans-serif"]
