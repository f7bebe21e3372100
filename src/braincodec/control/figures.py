"""Figures of a search for images: where the chosen ones lie among all, and what became of them in others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.rows import CONTRAST, MEAN, OVER_SUBJECTS
from braincodec.errors import InputValueError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, interval, listed, number
from braincodec.viz.density import draw_density

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.control.confirmed import Confirmation
    from braincodec.control.found_images import Search

CHOSEN, BASELINE = style.OTHER, style.INK
BINS = 40
ROW_HEIGHT, MOST_ROWS = 0.3, 40


def plot_search(search: Search, axes: Axes | None = None) -> Figure:
    """Draw all images by the mean responses of two regions, the chosen and the baseline images marked.

    Parameters
    ----------
    search : Search
        Of one region all responses are drawn as a histogram; of more than two, the mean of those to drive against the
        mean of those to suppress, or the first two.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
    """
    labels, values = _two_axes(search)
    words = f"{count(len(search.chosen), 'image')} of {len(search.ids):,} that {search.title}"
    whose = f"chosen on {count(len(search.subjects), 'subject')}"
    with style.styled():
        axes = style.single(axes, (4.3, 4.3) if len(values) > 1 else (4.6, 3.0))
        (_draw_plane if len(values) > 1 else _draw_histogram)(axes, search, labels, values)
        layout.title(axes, f"Images that {search.title}", f"{len(search.chosen)} of {len(search.ids):,}, {whose}")
        places = "; ".join(
            f"{name}: chosen {number(float(one[search.chosen].mean()))}, baseline "
            f"{number(float(one[search.baseline_positions].mean()))}"
            for name, one in zip(labels, values, strict=True)
        )
        describe(axes, f"{words}, {whose}, among all images by mean response. {places}.")
    return style.root_figure(axes)


def _two_axes(search: Search) -> tuple[list[str], list[NDArray[np.float64]]]:
    """What is drawn along one or two axes, and its name."""
    means = dict(zip(search.rois, search.responses.values.mean(axis=0), strict=True))
    if len(means) <= 2:
        return list(means), list(means.values())
    groups = [list(names) for names in (search.drive, search.suppress) if names]
    if len(groups) == 1:
        groups = [search.rois[:1], search.rois[1:]]
    values = [np.mean([means[name] for name in names], axis=0) for names in groups]
    return [", ".join(names) for names in groups], values


def _draw_plane(axes: Axes, search: Search, labels: list[str], values: list[NDArray[np.float64]]) -> None:
    x, y = values
    known = np.isfinite(x) & np.isfinite(y)
    low, high = float(min(x[known].min(), y[known].min())), float(max(x[known].max(), y[known].max()))
    limits = (low - 0.06 * (high - low), high + 0.06 * (high - low))
    draw_density(axes, x[known], y[known], limits)
    base = search.baseline_positions
    axes.scatter(x[base], y[base], s=20, facecolors="none", edgecolors=BASELINE, linewidths=0.9, zorder=3)
    axes.scatter(x[search.chosen], y[search.chosen], s=20, color=CHOSEN, linewidths=0.5, edgecolors="white", zorder=4)
    for draw, one in ((axes.axvline, x), (axes.axhline, y)):
        draw(float(one[base].mean()), color=style.RULE, linewidth=0.9, zorder=1)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.set(xlabel=_label(labels[0], search), ylabel=_label(labels[1], search))
    _name_marks(axes, x, y, search)


def _name_marks(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], search: Search) -> None:
    """Say what the marks are, in a corner that is free."""
    corner = (0.02 if x[search.chosen].mean() > x.mean() else 0.98, 0.02 if y[search.chosen].mean() > 0 else 0.98)
    step = 0.05 if corner[1] < 0.5 else -0.05
    for place, (text, colour) in enumerate((("filled: chosen", CHOSEN), ("circles: baseline", BASELINE))):
        axes.text(
            corner[0], corner[1] + place * step, text, transform=axes.transAxes, color=colour, fontsize=style.SMALL,
            ha="left" if corner[0] < 0.5 else "right", va="bottom" if step > 0 else "top",
        )  # fmt: skip


def _draw_histogram(axes: Axes, search: Search, labels: list[str], values: list[NDArray[np.float64]]) -> None:
    (x,) = values
    known = x[np.isfinite(x)]
    heights, _, _ = axes.hist(known, bins=min(BINS, max(8, len(known) // 8)), color=style.DENSITY_ENDS[0])
    top = float(np.max(heights))
    chosen, base = x[search.chosen], x[search.baseline_positions]
    axes.plot(chosen, np.full(len(chosen), -0.05 * top), "|", color=CHOSEN, markersize=8, markeredgewidth=1.4)
    axes.plot(base, np.full(len(base), -0.12 * top), "|", color=BASELINE, markersize=8, markeredgewidth=0.8)
    axes.set(xlabel=_label(labels[0], search), ylabel="Images", ylim=(-0.18 * top, None))
    layout.horizontal_grid(axes)
    side = ("left", 0.02) if chosen.mean() > known.mean() else ("right", 0.98)
    for place, (text, colour) in enumerate((("ticks: chosen", CHOSEN), ("lower ticks: baseline", BASELINE))):
        axes.text(
            side[1], 0.98 - 0.08 * place, text, transform=axes.transAxes, color=colour, fontsize=style.SMALL,
            ha=side[0], va="top",
        )  # fmt: skip


def _label(name: str, search: Search) -> str:
    return f"{name} (standard deviations)" if search.settings["scale"] == "zscored" else f"{name} (mean response)"


def plot_confirmation(confirmation: Confirmation, axes: Axes | None = None) -> Figure:
    """Draw chosen minus baseline images in each held-out subject: the contrast and each region, with intervals.

    Parameters
    ----------
    confirmation : Confirmation
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        With more subjects than one figure holds.
    """
    table = confirmation.effects
    rows = table[(table["over"] != OVER_SUBJECTS) | (table["subject"] == MEAN)]
    if (rows["over"] == OVER_SUBJECTS).any():  # of the mean, the interval over subjects
        rows = rows[(rows["subject"] != MEAN) | (rows["over"] == OVER_SUBJECTS)]
    names = list(dict.fromkeys(rows["response"]))
    subjects = list(dict.fromkeys(rows["subject"]))
    if len(subjects) * len(names) > MOST_ROWS * 3:
        raise InputValueError(f"{len(subjects)} subjects do not fit one figure; draw the table `effects` of some")
    with style.styled():
        root = style.single(axes, (style.WIDTH, max(2.1, 1.15 + ROW_HEIGHT * len(subjects))))
        panels = layout.panels(root, 1, len(names), gap=(0.3, 0.3))
        for place, (panel, name) in enumerate(zip(panels, names, strict=True)):
            own = rows[rows["response"] == name]
            _draw_rows(panel, own, subjects, labelled=place == 0)
            _mark_choice(panel, confirmation, name, len(subjects))
            layout.title(panel, "Contrast" if name == CONTRAST else name)
        heading = f"Held out: images that {confirmation.title}"
        layout.heading(root, heading, f"chosen minus {count(_images(table), 'baseline image')}", above=26)
        describe(root, _words(confirmation, rows, heading))
    return style.root_figure(root)


def _draw_rows(axes: Axes, rows: pd.DataFrame, subjects: list[str], *, labelled: bool) -> None:
    for row in rows.to_dict("records"):
        height = len(subjects) - 1 - subjects.index(row["subject"])
        mean = row["subject"] == MEAN
        colour = style.INK if mean else style.MODEL
        axes.plot([row["low"], row["high"]], [height, height], color=colour, linewidth=2.6 if mean else 1.6, zorder=2)
        axes.plot(row["effect"], height, "D" if mean else "o", color=colour, markersize=5.5, zorder=3)
        if np.isfinite(row["floor"]):
            axes.plot(row["floor"], height, "|", color=style.MUTED, markersize=10, zorder=2)
    axes.axvline(0, color=style.AXIS, linewidth=0.8, zorder=0)
    axes.set(ylim=(-0.7, len(subjects) - 0.3), yticks=range(len(subjects)))
    texts = [_subject(name) for name in reversed(subjects)]
    axes.set_yticklabels(texts if labelled else [""] * len(subjects))
    axes.margins(x=0.1)
    axes.locator_params(axis="x", nbins=4)
    layout.vertical_grid(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _mark_choice(axes: Axes, confirmation: Confirmation, name: str, rows: int) -> None:
    """How large the contrast was on the data that it was chosen on."""
    if name == CONTRAST:
        axes.axvline(confirmation.chosen_effect, color=style.OTHER, linewidth=1.2, linestyle=(0, (4, 3)), zorder=1)
        axes.set_xlabel("dashed: where chosen; tick: chance", fontsize=style.SMALL, color=style.MUTED)


def _subject(name: str) -> str:
    return name if name == MEAN or "," in name else f"subject {name}"


def _images(table: pd.DataFrame) -> int:
    return int(table["images"].iloc[0])


def _words(confirmation: Confirmation, rows: Any, heading: str) -> str:
    level = confirmation.settings["level"]
    texts = [
        f"{_subject(row['subject'])}, {row['response']}: {number(row['effect'])}"
        + (f" ({words})" if (words := interval(row["low"], row["high"], level)) else "")
        for row in rows.to_dict("records")
    ]
    return (
        f"{heading}, tested on {confirmation.manner}; effects above baseline. {listed(texts, MOST_ROWS)}. "
        f"Where they were chosen the contrast was {number(confirmation.chosen_effect)}."
    )
