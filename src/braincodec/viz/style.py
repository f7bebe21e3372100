"""How every figure looks: palette, typography, sizes, and the context that applies them.

The user's own matplotlib settings are untouched: `styled` applies ours while a figure is drawn or saved, and no
figure is registered with pyplot.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from braincodec.extras import import_optional

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

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


def new_figure(
    size: tuple[float, float], layout: Literal["constrained", "compressed"] | None = "constrained"
) -> Figure:
    """An empty figure of `size` inches that needs no display, shows itself in a notebook, and is unknown to pyplot."""
    import_optional("matplotlib.figure", PURPOSE)
    from braincodec.viz.notebook import ShownFigure

    return ShownFigure(figsize=size, layout=layout)


def root_figure(axes: Axes) -> Figure:
    """The figure that `axes` stands in, also through subfigures."""
    figure: Any = axes.figure
    while figure.figure is not figure:
        figure = figure.figure
    return figure


def tick_text(value: float) -> str:
    """A number at the end of a scale, in few characters.

    Examples
    --------
    >>> tick_text(0.6283), tick_text(4500.0), tick_text(-2.5)
    ('0.63', '4,500', '-2.5')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.2g}"


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
