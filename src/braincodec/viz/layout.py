"""Where things stand in a figure: panels, titles, shared labels, names at the ends of lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from braincodec.viz.style import AXIS, INK, MUTED, RULE, SIZE, SMALL, TINY, root_figure

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# width of a letter, as a part of its size
LETTER = 0.6


def panels(
    axes: Axes,
    rows: int,
    columns: int,
    *,
    gap: tuple[float, float] = (0.35, 0.5),
    widths: Sequence[float] | None = None,
    heights: Sequence[float] | None = None,
    pairs: float = 0.0,
    together: int = 2,
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
        Where `together` rows belong to each other: what lies between such groups in addition, inches.
    together : int
    """
    axes.set_axis_off()
    extent, dots = axes.get_window_extent(), root_figure(axes).dpi
    # gaps may take at most half
    across = min(gap[0] * dots / max(extent.width, 1), 0.5 / max(columns - 1, 1))
    ends = (row % together == together - 1 for row in range(rows - 1))
    between = [gap[1] + (pairs if end else 0.0) for end in ends]  # below each row but the last
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
    ordered = sorted(labels)
    heights = [height for height, _, _ in ordered]
    line = 1.35 * size / max(points, 1) * (high - low)
    halves = [line * (1 + text.count("\n")) / 2 for _, text, _ in ordered]  # labels may have several lines
    for _ in range(10 * len(heights)):
        for lower in range(len(heights) - 1):
            overlap = halves[lower] + halves[lower + 1] - (heights[lower + 1] - heights[lower])
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
