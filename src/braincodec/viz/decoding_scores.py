"""Scores of decoded images: every metric on its own scale, with interval, floor and chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.scores import Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, interval, listed, number
from braincodec.viz.rows import score_rows
from braincodec.viz.unit_values import metric_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, MOST_ROWS = 0.52, 40
# a scale with two ends is drawn whole where the numbers take up this part of it
MUCH = 0.2


def plot_decoding_scores(
    data: Scores | pd.DataFrame,
    *,
    metrics: str | Sequence[str] | None = None,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw each metric as a row on a scale of its own: the score, its interval, the floor and chance.

    Parameters
    ----------
    data : Scores or DataFrame
        The table of scores; of scores of both directions those of decoding.
    metrics : str or sequence of str, optional
        In the order to draw them; default: all.
    subject : optional
        Default: the first.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Every scale runs from worse at the left to better at the right.

    Raises
    ------
    InputValueError
        When the table has no such rows, or more than one figure holds.

    Examples
    --------
    >>> import pandas as pd
    >>> from braincodec.viz import text_alternative
    >>> table = pd.DataFrame({"metric": ["two way"], "value": [0.8], "low": [0.7], "high": [0.9], "chance": [0.5]})
    >>> print(text_alternative(plot_decoding_scores(table)))
    Decoding scores. Two way: 0.80, 95 % interval 0.70 to 0.90, chance 0.50.
    """
    rows = _rows(data, metrics, subject)
    with style.styled():
        root = style.single(axes, (style.WIDTH, 0.75 + ROW_HEIGHT * len(rows)))
        root.set_axis_off()
        root.set(xlim=(0, 1), ylim=(len(rows) - 0.35, -0.65))
        words = []
        for place, row in enumerate(rows.itertuples()):
            low, high, lower_is_better = _scale(row)
            _draw_row(root, place, row, (low, high) if not lower_is_better else (high, low), first=place == 0)
            words.append(_row_words(row, lower_is_better))
        layout.title(root, "Decoding scores", _note(rows))
        describe(root, f"Decoding scores. {listed(words, MOST_ROWS)}.")
    return style.root_figure(root)


def _rows(data: Scores | pd.DataFrame, metrics: str | Sequence[str] | None, subject: object) -> pd.DataFrame:
    import pandas as pd

    if isinstance(data, Scores) and len(data.directions) > 1:
        data = data.of_direction("decoding")
    table = data.table if isinstance(data, Scores) else data
    wanted = [metrics] if isinstance(metrics, str) else metrics
    known = list(dict.fromkeys(table["metric"])) if "metric" in table else [None]
    parts = []
    for metric in known if wanted is None else wanted:
        rows = score_rows(data, metric=metric, subjects=subject)
        parts.append(rows[rows["subject"] == rows["subject"].iloc[0]])
    if not 0 < len(parts) <= MOST_ROWS:
        raise InputValueError(f"a figure has 1 to {MOST_ROWS} decoding scores, not {len(parts)}; choose metrics=[...]")
    return pd.concat(parts, ignore_index=True)


def _scale(row: Any) -> tuple[float, float, bool]:
    """Both ends of a metric's scale, and whether lower is better."""
    definition: Any = getattr(METRICS.get(row.metric), "definition", None) if row.metric in METRICS.names() else None
    values = np.array([row.value, row.low, row.high, row.floor, row.chance])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    lowest, highest = definition.range if definition is not None else (-np.inf, np.inf)
    if low >= 0 and high <= 1 and (definition is None or highest <= 1):
        ends = (0.0, 1.0)
    elif lowest <= low and high <= highest and high - low > MUCH * (highest - lowest):
        ends = (float(lowest), float(highest))
    else:  # a scale without ends, or one of which only a corner is used
        pad = 0.25 * (high - low) or 0.1 * abs(high) or 0.5
        ends = (low - pad, high + pad)
        if lowest <= low:
            ends = (max(float(lowest), ends[0]), ends[1])
    return *ends, definition is not None and definition.better == "lower"


def _draw_row(axes: Axes, place: int, row: Any, ends: tuple[float, float], *, first: bool) -> None:
    def at(value: float) -> float:
        return (value - ends[0]) / (ends[1] - ends[0])

    axes.hlines(place, 0, 1, color=style.CEILING, lw=5, zorder=1, capstyle="round", clip_on=False)
    for end, side in ((0, "left"), (1, "right")):
        axes.annotate(
            style.tick_text(ends[end]), (end, place), xytext=(0, 6), textcoords="offset points", ha=side, va="bottom",
            fontsize=style.TINY, color=style.MUTED,
        )  # fmt: skip
    for value, line in ((row.floor, "solid"), (row.chance, (0, (2, 1.5)))):
        if np.isfinite(value):
            axes.vlines(at(value), place - 0.17, place + 0.17, color=style.INK, lw=1.3, linestyle=line, zorder=2)
    _name_marks(axes, place, row, at)
    if np.isfinite(row.low) and np.isfinite(row.high):
        axes.hlines(place, at(row.low), at(row.high), color=style.MODEL, lw=2, zorder=3)
    if np.isfinite(row.value):
        axes.scatter(
            [at(row.value)],
            [place],
            s=42,
            color=style.MODEL,
            edgecolors="white",
            linewidths=0.8,
            zorder=4,
            clip_on=False,
        )
    axes.annotate(
        metric_title(row.metric), (0, place), xytext=(-12, 0), textcoords="offset points", ha="right", va="center",
        fontsize=style.SIZE,
    )  # fmt: skip
    text = axes.annotate(
        number(row.value), (1, place), xytext=(12, 0), textcoords="offset points", va="center", fontsize=style.SIZE,
        fontweight="bold",
    )  # fmt: skip
    if np.isfinite(row.low) and np.isfinite(row.high):
        axes.annotate(
            f"{number(row.low)} to {number(row.high)}", (1, 0.5), xytext=(6, 0), xycoords=text,
            textcoords="offset points", va="center", fontsize=style.SMALL, color=style.MUTED,
        )  # fmt: skip


def _name_marks(axes: Axes, place: int, row: Any, at: Any) -> None:
    """Write what the lines across a row are; one text where they are at the same place."""
    marks = {"floor" + (f": {row.floor_of}" if row.floor_of else ""): row.floor, "chance": row.chance}
    marks = {text: value for text, value in marks.items() if np.isfinite(value)}
    if len(marks) == 2 and abs(at(row.floor) - at(row.chance)) < 0.02:
        marks = {" and ".join(reversed(marks)): row.floor}
    # of two, the left one's text ends at its line, the right one's begins there
    ordered = sorted(marks.items(), key=lambda item: at(item[1]))
    for position, (text, value) in enumerate(ordered):
        share = at(value)
        side = (
            "left" if share < 0.12 or (position == len(ordered) - 1 and share < 0.7 and len(ordered) > 1) else "right"
        )
        side = "center" if len(ordered) == 1 and 0.2 < share < 0.8 else side
        axes.annotate(
            text, (share, place), xytext=(0, -8), textcoords="offset points", ha=side, va="top",
            fontsize=style.TINY, color=style.MUTED,
        )  # fmt: skip


def _note(rows: pd.DataFrame) -> str:
    parts = [f"subject {subject}" for subject in dict.fromkeys(rows["subject"]) if subject]
    if rows["n_stimuli"].any():
        parts.append(count(int(rows["n_stimuli"].max()), "stimulus"))
    parts.append("better is further right")
    if rows["low"].notna().any():
        level = rows["level"].dropna()
        parts.append(f"thin lines: {100 * (level.iloc[0] if len(level) else 0.95):g} % interval")
    return ", ".join(parts)


def _row_words(row: Any, lower_is_better: bool) -> str:
    parts = [number(row.value), interval(row.low, row.high, row.level)]
    parts.append(f"floor {number(row.floor)}" if np.isfinite(row.floor) else "")
    parts[-1] += f" ({row.floor_of})" if parts[-1] and row.floor_of else ""
    parts.append(f"chance {number(row.chance)}" if np.isfinite(row.chance) else "")
    parts.append(count(row.n_stimuli, "stimulus") if row.n_stimuli else "")
    parts.append("lower is better" if lower_is_better else "")
    return f"{metric_title(row.metric)}: {', '.join(filter(None, parts))}"
