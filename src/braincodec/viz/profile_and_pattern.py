"""How well responses are predicted over stimuli and over units, region by region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, interval, listed, number
from braincodec.viz.rows import region_title, score_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from braincodec.evaluation.scores import Scores

PANELS = {
    "correlation": ("Profile correlation", "over stimuli, median of units"),
    "pattern_correlation": ("Pattern correlation", "over units, mean of stimuli"),
}
MOST_REGIONS, ROW_HEIGHT = 40, 0.32


def plot_profile_and_pattern(
    data: Scores | pd.DataFrame,
    *,
    rois: str | Sequence[str] | None = None,
    subjects: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw profile and pattern correlation of each region side by side, a point a subject with its interval.

    Parameters
    ----------
    data : Scores or DataFrame
        With ``correlation`` and ``pattern_correlation``.
    rois : str or sequence of str, optional
        In the order to draw them; default: all.
    subjects : optional
        One or several; default: all.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Grey bars end at the noise ceiling, their mean over subjects; black lines are floors.

    Raises
    ------
    InputValueError
        When one of the two was not scored, or regions are too many.

    Examples
    --------
    >>> import pandas as pd
    >>> from braincodec.viz import text_alternative
    >>> table = pd.DataFrame({"metric": ["correlation", "pattern_correlation"], "value": [0.3, 0.5]})
    >>> print(text_alternative(plot_profile_and_pattern(table)))
    Profile and pattern correlation by region. Profile correlation: all units 0.30. Pattern correlation: all units 0.50.
    """
    parts = [score_rows(data, metric=metric, rois=rois, subjects=subjects) for metric in PANELS]
    regions = list(dict.fromkeys(roi for part in parts for roi in part["roi"]))
    people = list(dict.fromkeys(person for part in parts for person in part["subject"]))
    if len(regions) > MOST_REGIONS:
        raise InputValueError(f"a figure has at most {MOST_REGIONS} regions, not {len(regions)}; choose rois=[...]")
    with style.styled():
        root = style.single(axes, (style.WIDTH, 1.35 + ROW_HEIGHT * len(regions)))
        panels = layout.panels(root, 1, 2, gap=(0.35, 0.3))
        words = []
        for panel, part, (title, note) in zip(panels, parts, PANELS.values(), strict=True):
            _draw(panel, part, regions, people)
            layout.title(panel, title, note)
            panel.set_xlabel(f"Correlation{_key(part)}")
            words.append(f"{title}: {listed([_row_words(row, people) for row in part.itertuples()], MOST_REGIONS)}")
        panels[1].tick_params(labelleft=False)
        if len(people) > 1:
            _name_people(panels[1], people)
        describe(root, f"Profile and pattern correlation by region. {'. '.join(words)}.")
    return style.root_figure(root)


def _draw(axes: Axes, rows: pd.DataFrame, regions: list[str], people: list[str]) -> None:
    height = len(regions) - 1
    axes.axvline(0, color=style.AXIS, linewidth=0.8, zorder=0)
    for place, region in enumerate(regions):
        part = rows[rows["roi"] == region]
        centre = height - place
        if part["ceiling"].notna().any():
            axes.barh(centre, part["ceiling"].mean(), height=0.8, color=style.CEILING, zorder=1)
        if part["floor"].notna().any():
            axes.vlines(part["floor"].mean(), centre - 0.4, centre + 0.4, color=style.FLOOR, lw=1.3, zorder=2)
        for row in part.itertuples():
            position = people.index(row.subject)
            shifted = centre + 0.6 * (0.5 - (position + 0.5) / len(people))
            colour = style.CYCLE[position % len(style.CYCLE)]
            if np.isfinite(row.low) and np.isfinite(row.high):
                axes.hlines(shifted, row.low, row.high, color=colour, lw=1.5, zorder=3)
            axes.scatter([row.value], [shifted], s=24, color=colour, edgecolors="white", linewidths=0.6, zorder=4)
    names = [region_title(region) for region in reversed(regions)]
    axes.set(ylim=(-0.6, height + 0.6), yticks=range(len(regions)), yticklabels=names)
    axes.set_xlim(*_span(rows))
    layout.vertical_grid(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=style.SIZE)
    axes.locator_params(axis="x", nbins=5)


def _key(rows: pd.DataFrame) -> str:
    """What grey bars and black lines are, where there are any."""
    known = [
        text
        for name, text in (("ceiling", "grey: noise ceiling"), ("floor", "black: floor"))
        if rows[name].notna().any()
    ]
    return f" ({', '.join(known)})" if known else ""


def _span(rows: pd.DataFrame) -> tuple[float, float]:
    values = rows[["value", "low", "high", "floor", "ceiling"]].to_numpy()
    values = values[np.isfinite(values)]
    low, high = (min(0.0, values.min()), max(0.0, values.max())) if values.size else (0.0, 1.0)
    pad = 0.04 * (high - low or 1.0)
    return low - (pad if low < 0 else 0), high + pad


def _name_people(axes: Axes, people: list[str]) -> None:
    """Names of subjects in their colours, to the right of the figure, from the top."""
    for position, person in enumerate(people):
        axes.annotate(
            f"subject {person}", (1, 1), xytext=(8, -4 - 12 * position), xycoords="axes fraction",
            textcoords="offset points", va="top", fontsize=style.SMALL,
            color=style.CYCLE[position % len(style.CYCLE)],
        )  # fmt: skip


def _row_words(row: Any, people: list[str]) -> str:
    who = f", subject {row.subject}" if len(people) > 1 else ""
    parts = [number(row.value), interval(row.low, row.high, row.level)]
    parts.append(f"floor {number(row.floor)}" if np.isfinite(row.floor) else "")
    parts.append(f"ceiling {number(row.ceiling)}" if np.isfinite(row.ceiling) else "")
    parts.append(count(row.n_units, "unit") if row.n_units else "")
    return f"{region_title(row.roi)}{who} {', '.join(filter(None, parts))}"
