"""Two models side by side: each unit under both, and the difference by region."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Comparison, Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, interval, listed, number
from braincodec.viz.density import draw_density
from braincodec.viz.rows import region_title
from braincodec.viz.unit_values import metric_title, metric_values, unit_dataset

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

ROW_HEIGHT, MOST_ROWS = 0.30, 60
LEAST = 2.6  # inches
MOST_LETTERS = 22  # of a model's name beside axes


def plot_comparison(
    data: Scores | Comparison,
    other: Scores | None = None,
    *,
    metric: str | None = None,
    rois: str | Sequence[str] | None = None,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw the difference between two models by region with its interval, and every unit under both.

    Parameters
    ----------
    data : Scores or Comparison
        Differences are of these minus `other`. A `Comparison` has differences only, no units.
    other : Scores, optional
        Of the same stimuli; needed with `Scores`.
    metric : str, optional
        Default: the first that both have.
    rois : str or sequence of str, optional
        Default: all.
    subject : optional
        Default: all.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Intervals that do not touch zero are drawn in full colour, others hollow.

    Raises
    ------
    InputTypeError, InputValueError
        When the two cannot be compared, or have nothing in common.
    """
    comparison = _comparison(data, other)
    rows = _rows(comparison, metric, rois, subject)
    metric = str(rows["metric"].iloc[0])
    pairs = None
    if isinstance(data, Scores) and isinstance(other, Scores):
        pairs = _pairs(data, other, metric, subject)
    height = max(LEAST, 1.0 + ROW_HEIGHT * len(rows)) if pairs is None else max(3.3, 1.0 + ROW_HEIGHT * len(rows))
    with style.styled():
        root = style.single(axes, (style.WIDTH if pairs is not None else 4.6, height))
        words = ""
        if pairs is not None:
            left, right = layout.panels(root, 1, 2, gap=(1.25, 0.3), widths=(1.0, 0.95))
            words = _draw_pairs(left, pairs, comparison, metric)
        else:
            right = root
        _draw_differences(right, rows, comparison, metric_title(metric))
    differences = listed([_row_words(row, comparison.level, rows) for row in rows.itertuples()], MOST_ROWS)
    text = f"{metric_title(metric)} of {comparison.first} minus {comparison.second}: {differences}.{words}"
    describe(root, text)
    return style.root_figure(root)


def _comparison(data: Scores | Comparison, other: Scores | None) -> Comparison:
    if isinstance(data, Comparison):
        return data
    if not isinstance(data, Scores) or not isinstance(other, Scores):
        names = ", ".join(type(item).__name__ for item in (data, other))
        raise InputTypeError(f"a comparison takes two Scores, or one Comparison, not {names}")
    return data.compare(other)


def _rows(
    comparison: Comparison, metric: str | None, rois: str | Sequence[str] | None, subject: object
) -> pd.DataFrame:
    rows = comparison.table
    if not len(rows):
        raise InputValueError(f"{comparison.first} and {comparison.second} have no region and metric in common")
    chosen = {
        "metric": [metric or str(rows["metric"].iloc[0])],
        "subject": None if subject is None else [str(subject)],
        "roi": [rois] if isinstance(rois, str) else rois,
    }
    for column, wanted in chosen.items():
        for name in wanted or []:
            if name not in set(rows[column]):
                raise UnknownNameError(column, name, dict.fromkeys(rows[column]))
        rows = rows[rows[column].isin(list(wanted))] if wanted is not None else rows
    if len(rows) > MOST_ROWS:
        raise InputValueError(f"{len(rows)} differences do not fit one figure ({MOST_ROWS}); choose rois or a subject")
    # subjects of a region beside each other
    order = {roi: place for place, roi in enumerate(dict.fromkeys(rows["roi"]))}
    return rows.sort_values("roi", key=lambda names: names.map(order), kind="stable").reset_index(drop=True)


def _pairs(first: Scores, second: Scores, metric: str, subject: object) -> NDArray[np.float64] | None:
    """Values of each unit under both, shape (2, units); None where they are not of the same units."""
    try:
        both = [metric_values(unit_dataset(scores, subject), metric).values.ravel() for scores in (first, second)]
    except InputValueError:  # scores of images, or of a metric without units
        return None
    if both[0].shape != both[1].shape:
        return None
    known = np.isfinite(both[0]) & np.isfinite(both[1])
    return np.stack(both)[:, known].astype(float) if known.any() else None


def _shown_names(comparison: Comparison) -> tuple[str, str]:
    """Names of both models, with the middle of long ones left out; told by place where that makes them alike."""
    names = [
        name if len(name) <= MOST_LETTERS else f"{name[: MOST_LETTERS // 2]}…{name[-MOST_LETTERS // 2 + 1 :]}"
        for name in (comparison.first, comparison.second)
    ]
    return (names[0], names[1]) if names[0] != names[1] else ("first model", "second model")


def _draw_pairs(axes: Axes, pairs: NDArray[np.float64], comparison: Comparison, metric: str) -> str:
    low, high = min(float(pairs.min()), 0.0), float(pairs.max())
    pad = 0.04 * (high - low or 1.0)
    limits = (low - pad, high + pad)
    draw_density(axes, pairs[1], pairs[0], limits)
    axes.plot(limits, limits, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    better = float((pairs[0] > pairs[1]).mean())
    first, second = _shown_names(comparison)
    axes.set(xlim=limits, ylim=limits, aspect="equal", xlabel=second, ylabel=first)
    axes.set_anchor("NW")
    axes.locator_params(nbins=5)
    for share, name, place, sides in (
        (better, first, (0.04, 0.97), ("left", "top")),
        (float((pairs[1] > pairs[0]).mean()), second, (0.98, 0.03), ("right", "bottom")),
    ):
        axes.text(
            *place, f"{name} better\n{100 * share:.0f} % of units", transform=axes.transAxes, ha=sides[0], va=sides[1],
            fontsize=style.TINY + 0.5, color=style.MUTED, linespacing=1.3,
        )  # fmt: skip
    layout.title(axes, f"{metric_title(metric)} of each unit", count(pairs.shape[1], "unit"))
    return f" {comparison.first} is better for {100 * better:.0f} % of {count(pairs.shape[1], 'unit')}."


def _draw_differences(axes: Axes, rows: pd.DataFrame, comparison: Comparison, name: str) -> None:
    places = np.arange(len(rows))[::-1]
    away = (rows["low"] > 0) | (rows["high"] < 0)
    axes.axvline(0, color=style.INK, linewidth=0.9)
    axes.hlines(places, rows["low"], rows["high"], color=style.MODEL, lw=1.5)
    faces = [style.MODEL if clear else "white" for clear in away]
    axes.scatter(rows["difference"], places, s=26, color=faces, edgecolors=style.MODEL, linewidths=1.3, zorder=3)
    several = rows["subject"].nunique() > 1
    labels = [region_title(row.roi) + (f", subject {row.subject}" if several else "") for row in rows.itertuples()]
    axes.set(yticks=places, yticklabels=labels, ylim=(-0.6, len(rows) - 0.4), xlabel=f"Difference in {_lower(name)}")
    edge = np.nanmax(np.abs(rows[["difference", "low", "high"]].to_numpy()), initial=0.0)
    edge = 1.12 * edge if np.isfinite(edge) and edge > 0 else 1.0
    axes.set_xlim(-edge, edge)
    axes.locator_params(axis="x", nbins=5)
    layout.vertical_grid(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=style.SMALL + 0.5)
    level = f", {100 * comparison.level:g} % intervals" if np.isfinite(comparison.level) else ""
    first, second = _shown_names(comparison)
    layout.title(
        axes, f"{first}{' ' if len(first + second) <= MOST_LETTERS else chr(10)}minus {second}",
        f"{count(int(rows['n'].max()), 'stimulus')}{level}; hollow: not clear of zero",
    )  # fmt: skip


def _row_words(row: Any, level: float, rows: pd.DataFrame) -> str:
    subject = f", subject {row.subject}" if rows["subject"].nunique() > 1 else ""
    parts = [number(row.difference, 3), interval(row.low, row.high, level, 3)]
    parts.append(f"p = {number(row.p_value, 3)}" if np.isfinite(row.p_value) else "")
    return f"{region_title(row.roi)}{subject}: {', '.join(filter(None, parts))}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]
