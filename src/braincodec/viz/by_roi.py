"""Accuracy by region and subject, with interval, floor and ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, distribution, interval, listed, number
from braincodec.viz.rows import normalised_rows, region_title, score_rows
from braincodec.viz.unit_values import metric_title

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from braincodec.evaluation.scores import Scores

# rows that can each have a name; with more, the best and the worst are named
MOST_ROWS, MOST_PANELS, NAMED_ENDS = 40, 40, 5
# rows that the text alternative gives one by one
MOST_SPELLED = 40
ROW_HEIGHT, TALLEST = 0.30, 9.0
NOTE_WIDTH = 6.9
COLUMNS = 6


def plot_accuracy_by_roi(
    data: Scores | pd.DataFrame,
    *,
    metric: str | None = None,
    normalised: bool = False,
    rois: str | Sequence[str] | None = None,
    subjects: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw the score of each region: bars with their interval, on a grey bar that ends at the noise ceiling.

    One subject gives a row a region. Several give a panel a region, with a bar a subject and their mean. More than
    40 regions give one sorted column of points, the best and worst of them named.

    Parameters
    ----------
    data : Scores or DataFrame
        The table of scores; of a DataFrame ``roi`` and ``value`` suffice.
    metric : str, optional
        Default: the first in the table.
    normalised : bool
        Draw the score in parts of its ceiling.
    rois : str or sequence of str, optional
        In the order to draw them; default: all.
    subjects : optional
        One or several; default: all.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        A short black line across a bar is the floor: what a trivial predictor reaches.

    Raises
    ------
    InputValueError
        When the table has no such rows, or no normalised scores.

    Examples
    --------
    >>> import pandas as pd
    >>> from braincodec.viz import text_alternative
    >>> table = pd.DataFrame({"roi": ["V1", "V2"], "value": [0.4, 0.3], "low": [0.3, 0.2], "high": [0.5, 0.4]})
    >>> print(text_alternative(plot_accuracy_by_roi(table)))
    Accuracy by region. V1: 0.40, 95 % interval 0.30 to 0.50; V2: 0.30, 95 % interval 0.20 to 0.40.
    """
    rows = score_rows(data, metric=metric, rois=rois, subjects=subjects)
    name = metric_title(str(rows["metric"].iloc[0]))
    if normalised:
        rows, name = normalised_rows(rows), f"{name} in parts of its ceiling"
    regions, people = list(dict.fromkeys(rows["roi"])), list(dict.fromkeys(rows["subject"]))
    with style.styled():
        if len(regions) > (MOST_ROWS if len(people) == 1 else MOST_PANELS):
            place = _draw_sorted(rows, name, axes)
        elif len(people) == 1:
            place = _draw_bars(rows, name, axes)
        else:
            place = _draw_panels(rows, name, regions, people, axes)
    describe(place, f"{name} by region. {_words(rows, people)}.")
    return style.root_figure(place)


def _draw_bars(rows: pd.DataFrame, name: str, axes: Axes | None) -> Axes:
    axes = style.single(axes, (style.WIDTH, 1.15 + ROW_HEIGHT * len(rows)))
    places = np.arange(len(rows))[::-1]
    low, high = _span(rows)
    axes.barh(places, rows["ceiling"], height=0.74, color=style.CEILING, zorder=1)
    axes.barh(places, rows["value"], height=0.44, color=style.MODEL, zorder=2)
    _intervals(axes, rows, places, horizontal=True)
    known = rows["floor"].notna().to_numpy()
    axes.vlines(rows["floor"][known], places[known] - 0.37, places[known] + 0.37, color=style.FLOOR, lw=1.4, zorder=3)
    axes.axvline(0, color=style.AXIS, linewidth=0.8, zorder=0)
    labels = [region_title(roi) for roi in rows["roi"]]
    axes.set(xlim=(low, high), ylim=(-0.6, len(rows) - 0.4), yticks=places, yticklabels=labels, xlabel=name)
    layout.vertical_grid(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0, labelsize=style.SIZE)
    _name_parts(axes, rows.iloc[0], places[0] + 0.42)
    for row, place in zip(rows.itertuples(), places, strict=True):
        units = f"{row.n_units:,} units" if row.n_units else ""
        text = axes.annotate(
            number(row.value), (1.015, place), xycoords=("axes fraction", "data"), va="center", fontsize=style.SIZE
        )
        axes.annotate(
            units, (1, 0.5), xytext=(9, 0), xycoords=text, textcoords="offset points", va="center",
            fontsize=style.TINY + 0.5, color=style.MUTED,
        )  # fmt: skip
    layout.title(axes, f"{name} by region", _note(rows))
    return axes


def _name_parts(axes: Axes, row: pd.Series, height: float) -> None:
    """Say above the first bar what its grey end and its black line are."""
    named = []
    if np.isfinite(row["ceiling"]):
        named.append((row["ceiling"], "noise ceiling"))
    if np.isfinite(row["floor"]):
        named.append((row["floor"], "floor" + (f" ({row['floor_of']})" if row["floor_of"] else "")))
    low, high = axes.get_xlim()
    for value, text in named:
        share = (value - low) / (high - low)
        axes.annotate(
            text, (value, height), xytext=(0, 2), textcoords="offset points", va="bottom", annotation_clip=False,
            ha="left" if share < 0.35 else "right" if share > 0.8 else "center", fontsize=style.TINY + 0.5,
            color=style.MUTED,
        )  # fmt: skip
    top = axes.get_ylim()[1]
    axes.set_ylim(axes.get_ylim()[0], top + (0.45 if named else 0))


def _draw_panels(rows: pd.DataFrame, name: str, regions: list[str], people: list[str], axes: Axes | None) -> Axes:
    columns = min(COLUMNS, len(regions))
    lines = -(-len(regions) // columns)
    # wide enough for the line under the title
    width = min(style.WIDTH, max(NOTE_WIDTH, 0.7 + columns * max(1.2, 0.2 * len(people))))
    axes = style.single(axes, (width, 1.35 * lines + 0.95))
    note = "grey: noise ceiling; black line: floor; " if rows["ceiling"].notna().any() else "black line: floor; "
    note = note if rows["floor"].notna().any() else note.replace("black line: floor; ", "")
    layout.heading(axes, f"{name} by region and subject", f"{note}dashed: mean of subjects; {_note(rows)}")
    layout.shared_labels(axes, "Subject", name)
    panels = layout.panels(axes, lines, columns, gap=(0.14, 0.36))
    low, high = _span(rows)
    for spare in panels[len(regions) :]:
        spare.remove()
    panels, parts = panels[: len(regions)], [rows[rows["roi"] == roi] for roi in regions]
    for position, (panel, part) in enumerate(zip(panels, parts, strict=True)):
        _draw_panel(panel, part, people)
        panel.set_ylim(low, high)
        panel.tick_params(labelleft=position % columns == 0, labelbottom=position + columns >= len(regions))
    layout.panel_titles(panels, [region_title(roi) for roi in regions], [_amount(part) for part in parts])
    return axes


def _draw_panel(axes: Axes, rows: pd.DataFrame, people: list[str]) -> None:
    places = np.array([people.index(subject) for subject in rows["subject"]])
    axes.bar(places, rows["ceiling"], width=0.84, color=style.CEILING, zorder=1)
    axes.bar(places, rows["value"], width=0.52, color=style.MODEL, zorder=2)
    _intervals(axes, rows, places, horizontal=False)
    known = rows["floor"].notna().to_numpy()
    axes.hlines(rows["floor"][known], places[known] - 0.42, places[known] + 0.42, color=style.FLOOR, lw=1.2, zorder=3)
    if rows["value"].notna().any():
        axes.axhline(rows["value"].mean(), color=style.INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=2)
    axes.set(xlim=(-0.7, len(people) - 0.3), xticks=range(len(people)), xticklabels=people)
    axes.tick_params(axis="x", length=0)
    axes.locator_params(axis="y", nbins=4)
    layout.horizontal_grid(axes)


def _amount(rows: pd.DataFrame) -> str:
    fewest, most = int(rows["n_units"].min()), int(rows["n_units"].max())
    return "" if not most else f"n = {fewest:,}" if fewest == most else f"n = {fewest:,} to {most:,}"


def _draw_sorted(rows: pd.DataFrame, name: str, axes: Axes | None) -> Axes:
    """One line a region, best at the top, one point a subject; only both ends have names."""
    mean = rows.groupby("roi")["value"].mean()
    order = mean.sort_values(na_position="first").index.tolist()
    axes = style.single(axes, (style.WIDTH, min(TALLEST, 1.2 + 0.07 * len(order))))
    places = rows["roi"].map({roi: place for place, roi in enumerate(order)}).to_numpy()
    _intervals(axes, rows, places, horizontal=True, colour="#C3CBD4", layer=1)
    axes.scatter(rows["ceiling"], places, s=6, marker="|", color=style.CEILING_EDGE, linewidths=0.8, zorder=2)
    axes.scatter(rows["value"], places, s=7, color=style.MODEL, linewidths=0, zorder=3)
    ends = [*range(NAMED_ENDS), *range(len(order) - NAMED_ENDS, len(order))]
    apart = max(1.0, len(order) / 60)
    for end in ends:
        # names need more room than rows have
        inward = end if end < NAMED_ENDS else len(order) - 1 - end
        height = inward * 2.2 * apart if end < NAMED_ENDS else len(order) - 1 - inward * 2.2 * apart
        axes.annotate(
            f"{region_title(order[end])}  {number(mean[order[end]])}", (1.02, height),
            xycoords=("axes fraction", "data"), va="center", fontsize=style.SMALL,
        )  # fmt: skip
    layout.vertical_grid(axes)
    axes.axvline(0, color=style.AXIS, linewidth=0.8, zorder=0)
    axes.spines["left"].set_visible(False)
    axes.set(yticks=[], ylim=(-1.5, len(order) + 0.5), xlabel=name)
    key = "points: regions, sorted; the five best and worst named" + (
        "; tick: noise ceiling" if rows["ceiling"].notna().any() else ""
    )
    layout.title(axes, f"{name} of {len(order)} regions", f"{key}; {_note(rows)}")
    return axes


def _intervals(
    axes: Axes,
    rows: pd.DataFrame,
    places: NDArray[np.integer],
    *,
    horizontal: bool,
    colour: str = style.INK,
    layer: int = 4,
) -> None:
    known = (rows["low"].notna() & rows["high"].notna()).to_numpy()
    draw = axes.hlines if horizontal else axes.vlines
    if known.any():
        draw(places[known], rows["low"][known], rows["high"][known], color=colour, lw=1.1, zorder=layer)


def _span(rows: pd.DataFrame) -> tuple[float, float]:
    values = rows[["value", "low", "high", "floor", "ceiling"]].to_numpy()
    values = values[np.isfinite(values)]
    low, high = (min(0.0, values.min()), max(0.0, values.max())) if values.size else (0.0, 1.0)
    pad = 0.04 * (high - low or 1.0)
    return low - (pad if low < 0 else 0), high + pad


def _note(rows: pd.DataFrame) -> str:
    people = [subject for subject in dict.fromkeys(rows["subject"]) if subject]
    parts = [f"subject {people[0]}"] if len(people) == 1 else [f"{len(people)} subjects"] if people else []
    if rows["n_stimuli"].any():
        parts.append(count(int(rows["n_stimuli"].max()), "stimulus"))
    if (rows["low"].notna() & rows["high"].notna()).any():
        level = rows["level"].dropna()
        parts.append(f"thin lines: {100 * (level.iloc[0] if len(level) else 0.95):g} % interval")
    return ", ".join(parts)


def _words(rows: pd.DataFrame, people: list[str]) -> str:
    """Each row, or where there are many each region over subjects, or both ends and the whole distribution."""
    regions = list(dict.fromkeys(rows["roi"]))
    if len(rows) <= MOST_SPELLED:
        return listed([_row_words(row, len(people)) for row in rows.itertuples()], MOST_SPELLED)
    if len(regions) <= MOST_PANELS:
        groups = [(roi, rows[rows["roi"] == roi]) for roi in regions]
        return listed([_region_words(str(roi), part) for roi, part in groups], MOST_PANELS)
    mean = rows.groupby("roi")["value"].mean().sort_values(ascending=False)
    ends = [
        ", ".join(f"{region_title(str(roi))} {number(value)}" for roi, value in part.items())
        for part in (mean.head(NAMED_ENDS), mean.tail(NAMED_ENDS))
    ]
    return f"{len(regions)} regions, {distribution(mean)}; best {ends[0]}; worst {ends[1]}"


def _region_words(roi: str, rows: pd.DataFrame) -> str:
    values, ceiling = rows["value"].dropna(), rows["ceiling"].dropna()
    words = f"{region_title(roi)}: mean of {count(len(values), 'subject')} {number(values.mean())}"
    if len(values):
        words += f", {number(values.min())} to {number(values.max())}"
    words += f", floor {number(rows['floor'].mean())}" if rows["floor"].notna().any() else ""
    return words + (f", ceiling {number(ceiling.mean())}" if len(ceiling) else "")


def _row_words(row: Any, people: int) -> str:
    subject = f", subject {row.subject}" if people > 1 else ""
    parts = [number(row.value)]
    parts.append(interval(row.low, row.high, row.level))
    parts.append(f"floor {number(row.floor)}" if np.isfinite(row.floor) else "")
    parts.append(f"ceiling {number(row.ceiling)}" if np.isfinite(row.ceiling) else "")
    parts.append(count(row.n_units, "unit") if row.n_units else "")
    return f"{region_title(row.roi)}{subject}: {', '.join(filter(None, parts))}"
