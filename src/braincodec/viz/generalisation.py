"""Scores of one model under splits that ask for more and more generalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.scores import Scores
from braincodec.evaluation.splits import SplitComparison
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, interval, listed, number
from braincodec.viz.unit_values import metric_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

BASELINE = "random"
ROW_HEIGHT, MOST_ROWS = 0.42, 20
OPTIONAL = ("low", "high", "level", "lowest", "highest", "gap", "gap_low", "gap_high", "splits", "n_train", "n_test")


def plot_generalisation(data: Scores | SplitComparison | pd.DataFrame, *, axes: Axes | None = None) -> Figure:
    """Draw the score under each scheme of splits, and its gap to the score under random splits.

    Parameters
    ----------
    data : Scores, SplitComparison or DataFrame
        What `compare_splits` found, or scores that hold it; of a DataFrame ``scheme`` and ``score`` suffice. A
        `SplitComparison` knows the score of every single split, which are drawn as small circles; of a table the
        lowest and the highest are.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When there is no such table.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> table = pd.DataFrame({"scheme": ["random", "cluster"], "score": [0.5, 0.38], "gap": [float("nan"), -0.12]})
    >>> print(text_alternative(plot_generalisation(table)))
    Score under splits that test generalisation. random: 0.50; cluster: 0.38, 0.120 below random.
    """
    rows, each = _tables(data)
    metrics = [str(metric) for metric in rows["metric"].dropna().unique()] if "metric" in rows else []
    name = metric_title(metrics[0]) if len(metrics) == 1 else "Score"
    places = np.arange(len(rows))[::-1]
    with style.styled():
        axes = style.single(axes, (style.WIDTH, 1.2 + ROW_HEIGHT * len(rows)))
        _draw_random(axes, rows)
        axes.hlines(places, rows["low"], rows["high"], color=style.MODEL, lw=2, zorder=2)
        _draw_single_splits(axes, rows, each, places)
        axes.scatter(rows["score"], places, s=40, color=style.MODEL, edgecolors="white", linewidths=0.8, zorder=4)
        axes.set(yticks=places, yticklabels=rows["scheme"], ylim=(-0.6, len(rows) - 0.4), xlabel=name)
        layout.vertical_grid(axes)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0, labelsize=style.SIZE)
        for row, place in zip(rows.itertuples(), places, strict=True):
            _write(axes, row, place)
        layout.title(axes, f"{name} under splits that test generalisation", _note(rows))
        words = listed([_row_words(row) for row in rows.itertuples()], MOST_ROWS)
        describe(axes, f"{name} under splits that test generalisation. {words}.")
    return style.root_figure(axes)


def _tables(data: Any) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """The row of each scheme, and of each split where these are known."""
    each = data.each if isinstance(data, SplitComparison) else None
    table = data.table if isinstance(data, SplitComparison) else data
    if isinstance(data, Scores):
        if data.generalisation is None:
            raise InputValueError(f"the scores of {data.name} hold no comparison of splits")
        table = data.generalisation
    if not isinstance(table, pd.DataFrame):
        raise InputTypeError(f"this figure draws Scores, a SplitComparison or its table, not a {type(data).__name__}")
    if not {"scheme", "score"} <= set(table.columns):
        raise InputValueError(
            f"a comparison of splits has the columns scheme and score, not {', '.join(table.columns)}"
        )
    if not 0 < len(table) <= MOST_ROWS:
        raise InputValueError(f"a figure has 1 to {MOST_ROWS} schemes of splits, not {len(table)}")
    absent = {name: np.nan for name in OPTIONAL if name not in table.columns}
    rows = table.assign(**absent).reset_index(drop=True)
    # what was stored as JSON has None for what is not known
    return rows.astype(dict.fromkeys(("score", *OPTIONAL), float)), each


def _draw_random(axes: Axes, rows: pd.DataFrame) -> None:
    usual = rows.loc[rows["scheme"] == BASELINE, "score"].dropna()
    if len(usual):
        axes.axvline(float(usual.iloc[0]), color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)


def _draw_single_splits(axes: Axes, rows: pd.DataFrame, each: pd.DataFrame | None, places: NDArray[np.integer]) -> None:
    heights = dict(zip(rows["scheme"], places, strict=True))
    if each is not None:
        scores, height = each["score"], each["scheme"].map(heights)
    else:
        scores = pd.concat([rows["lowest"], rows["highest"]])
        height = pd.concat([rows["scheme"].map(heights)] * 2)
    axes.scatter(scores, height, s=16, facecolors="white", edgecolors=style.CEILING_EDGE, linewidths=0.8, zorder=3)


def _write(axes: Axes, row: Any, place: int) -> None:
    """Score and gap at the right of a row."""
    text = axes.annotate(
        number(row.score), (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=style.SIZE,
        fontweight="bold",
    )  # fmt: skip
    gap = f"{row.gap:+.2f}" if np.isfinite(row.gap) else ""
    if gap and np.isfinite(row.gap_low) and np.isfinite(row.gap_high):
        gap += f" ({row.gap_low:+.2f} to {row.gap_high:+.2f})"
    axes.annotate(
        gap, (1, 0.5), xytext=(9, 0), xycoords=text, textcoords="offset points", va="center", fontsize=style.SMALL,
        color=style.MUTED,
    )  # fmt: skip


def _note(rows: pd.DataFrame) -> str:
    parts = ["circles: single splits"] if rows["lowest"].notna().any() else []
    if rows["low"].notna().any():
        level = rows["level"].dropna()
        parts.append(f"lines: {100 * (level.iloc[0] if len(level) else 0.95):g} % interval")
    if (rows["scheme"] == BASELINE).any():
        parts.append("dashed: random splits")
        parts += ["right: score and gap to random"] if rows["gap"].notna().any() else []
    return ", ".join(parts)


def _row_words(row: Any) -> str:
    parts = [number(row.score), interval(row.low, row.high, row.level)]
    if np.isfinite(row.gap):
        between = interval(row.gap_low, row.gap_high, row.level, 3)
        way = "below" if row.gap < 0 else "above"
        parts.append(f"{number(abs(row.gap), 3)} {way} {BASELINE}" + (f" (gap: {between})" if between else ""))
    if np.isfinite(row.lowest) and np.isfinite(row.highest) and row.splits > 1:
        parts.append(f"{count(int(row.splits), 'split')} from {number(row.lowest)} to {number(row.highest)}")
    if np.isfinite(row.n_test):
        parts.append(f"tested on {count(int(row.n_test), 'stimulus')}")
    return f"{row.scheme}: {', '.join(filter(None, parts))}"
