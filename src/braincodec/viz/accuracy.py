"""Accuracy of single units: against their noise ceiling, and as a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from braincodec.errors import InputValueError
from braincodec.evaluation.scores import ALL_UNITS, Scores
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe, distribution, listed, number
from braincodec.viz.density import draw_density
from braincodec.viz.rows import region_title
from braincodec.viz.unit_values import NORMALISED, SIGNED, SQUARED, UnitValues, metric_title, unit_values

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

COLUMNS, MOST_PANELS = 5, 60
PANEL = style.WIDTH / COLUMNS
# accuracies far below zero would leave no room for the others
LOWEST = -0.25
BINS = (8, 50)
# of the view of a histogram, from the quartiles, in interquartile ranges
FENCE = 3.0


def plot_accuracy_against_ceiling(
    data: Scores | xr.DataArray | ArrayLike,
    noise_ceiling: ArrayLike | None = None,
    *,
    metric: str = SQUARED,
    rois: str | Sequence[str] | None = None,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw what a model explains of each unit against what could be explained, with the line of equality.

    Parameters
    ----------
    data : Scores, DataArray (unit,) or array (unit,)
    noise_ceiling : array (unit,), optional
        Explainable part of the variance; of scores, their own.
    metric : str
        Which score to draw. On the scale of correlations (``"correlation"``) the ceiling is the root of the noise
        ceiling; every other is compared with the noise ceiling itself.
    rois : "each", str or sequence of str, optional
        A panel for each region; default: all units in one panel.
    subject : optional
        Default: the units of all subjects.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure
        Colours say how many units lie in one place: the darker, the more.

    Raises
    ------
    InputValueError
        When there is no noise ceiling, no such region, or no unit with both numbers.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> figure = plot_accuracy_against_ceiling([0.1, 0.3, 0.5], [0.4, 0.5, 0.6])
    >>> print(text_alternative(figure)[:78])
    Accuracy against noise ceiling: 3 units, accuracy median 0.30, middle half 0.2
    """
    units = unit_values(data, metric, noise_ceiling=noise_ceiling, subject=subject)
    if units.ceiling is None:
        raise InputValueError("accuracy against noise ceiling needs the noise ceiling of each unit; there is none")
    ceiling = np.sqrt(units.ceiling.clip(0, None)) if metric == SIGNED else units.ceiling
    known = np.isfinite(units.values) & np.isfinite(ceiling)
    if not known.any():
        raise InputValueError("no unit has both an accuracy and a noise ceiling")
    names = _panel_names(units, rois)
    limits = _square_limits(units.values[known], ceiling[known])
    labels = ("Noise ceiling" + (" of a correlation" if metric == SIGNED else ""), units.title)
    title = "Accuracy against noise ceiling"
    with style.styled():
        key = "one dot a unit, darker where there are more; dashed: all there is to explain"
        places = _layout(axes, len(names), title, key, labels, square=True)
        words, shown = [], []
        for place, name in zip(places, names, strict=True):
            inside = units.region(name) & known
            beyond = int((units.values[inside] < limits[0]).sum())
            draw_density(place, ceiling[inside], units.values[inside].clip(limits[0]), limits)
            _identity(place, limits, labelled=len(places) == 1)
            shown.append(int(inside.sum()))
            words.append(_scatter_words(name, units, ceiling, inside, beyond))
        _name_panels(places, units, names, shown, title)
    return _described(axes, places, f"{title}: {listed(words)}.")


def plot_accuracy_histogram(
    data: Scores | xr.DataArray | ArrayLike,
    *,
    metric: str | None = None,
    rois: str | Sequence[str] | None = None,
    subject: object = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw how a score is distributed over units, with its median.

    Parameters
    ----------
    data : Scores, DataArray (unit,) or array (unit,)
    metric : str, optional
        Default: the noise-normalised accuracy, or the correlation where there is no noise ceiling.
    rois, subject, axes : optional
        As of `plot_accuracy_against_ceiling`.

    Returns
    -------
    matplotlib.figure.Figure
        Bars count units. Those further from the quartiles than three interquartile ranges lie outside the view.

    Raises
    ------
    InputValueError
        When there is no such metric or region, or no unit with a score.

    Examples
    --------
    >>> from braincodec.viz import text_alternative
    >>> print(text_alternative(plot_accuracy_histogram([0.1, 0.3, float("nan")])))
    Histogram of accuracy: all units: 2 units, median 0.20, middle half 0.15 to 0.25; 1 unit without a score.
    """
    if metric is None and isinstance(data, Scores):
        metric = NORMALISED if NORMALISED in data.units else SIGNED
    units = unit_values(data, metric, subject=subject)
    known = np.isfinite(units.values)
    if not known.any():
        raise InputValueError(f"no unit has a score to draw ({metric_title(metric or 'accuracy')})")
    names = _panel_names(units, rois)
    edges = _edges(units.values[known])
    title = f"{units.title} of units"
    with style.styled():
        ceiling = 1.0 if metric == NORMALISED else None
        key = "line: median" + ("; dashed: ceiling" if ceiling else "")
        places = _layout(axes, len(names), title, key, (units.title, "Units"), square=False)
        words, shown = [], []
        for place, name in zip(places, names, strict=True):
            member = units.region(name)
            values = units.values[member & known]
            _draw_histogram(place, values, edges, ceiling, labelled=len(places) == 1)
            shown.append(len(values))
            words.append(_histogram_words(name, values, int(member.sum()) - len(values), edges))
        _name_panels(places, units, names, shown, title)
        top = max(place.get_ylim()[1] for place in places)
        for place in places:
            place.set_ylim(0, top)
    return _described(axes, places, f"Histogram of {units.title[:1].lower()}{units.title[1:]}: {listed(words)}.")


def _name_panels(places: list[Axes], units: UnitValues, names: list[str], shown: list[int], title: str) -> None:
    if len(places) == 1:
        place = "" if names[0] == ALL_UNITS else f", {names[0]}"
        layout.title(places[0], title, units.amount(shown[0]) + place)
    else:
        layout.panel_titles(places, [region_title(name) for name in names], [f"n = {amount:,}" for amount in shown])


def _described(axes: Axes | None, places: list[Axes], text: str) -> Figure:
    figure = style.root_figure(places[0])
    describe(axes if axes is not None else figure, text)
    return figure


def _panel_names(units: UnitValues, rois: str | Sequence[str] | None) -> list[str]:
    names = units.chosen(rois)
    if not names or len(names) > MOST_PANELS:
        raise InputValueError(
            f"a figure has 1 to {MOST_PANELS} panels, not {len(names)}; choose regions with rois=[...]"
        )
    return names


def _layout(
    axes: Axes | None, amount: int, heading: str, key: str, labels: tuple[str, str], *, square: bool
) -> list[Axes]:
    """One panel, or a grid of them under a heading and a key; axis labels once, tick labels at the outer panels."""
    if amount == 1:
        place = style.single(axes, (style.HALF_WIDTH, style.HALF_WIDTH * (1.08 if square else 0.78)))
        place.set(xlabel=labels[0], ylabel=labels[1])
        return [place]
    columns = min(COLUMNS, amount)
    rows = -(-amount // columns)
    # wide enough for the line under the heading too
    width = max(PANEL * columns, layout.LETTER * style.SMALL * len(key) / 72) + 0.6
    root = style.single(axes, (width, PANEL * (1.15 if square else 0.95) * rows + 0.95))
    layout.heading(root, heading, key)
    layout.shared_labels(root, *labels)
    places = layout.panels(root, rows, columns, gap=(0.26, 0.36))
    for spare in places[amount:]:
        spare.remove()
    for position, place in enumerate(places[:amount]):
        place.tick_params(labelbottom=position + columns >= amount, labelleft=position % columns == 0)
    return places[:amount]


def _square_limits(values: NDArray[np.floating], ceiling: NDArray[np.floating]) -> tuple[float, float]:
    low = max(LOWEST, min(0.0, float(values.min()), float(ceiling.min())))
    high = max(float(values.max()), float(ceiling.max()), 0.1)
    pad = 0.03 * (high - low)
    return low - pad, high + pad


def _identity(axes: Axes, limits: tuple[float, float], *, labelled: bool) -> None:
    axes.plot(limits, limits, color=style.INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlim=limits, ylim=limits, aspect="equal")
    axes.locator_params(nbins=5 if labelled else 3)
    if labelled:
        place = limits[1] - 0.02 * (limits[1] - limits[0])
        axes.annotate(
            "all there is to explain", (place, place), xytext=(-2, 3), textcoords="offset points", rotation=45,
            rotation_mode="anchor", ha="right", fontsize=style.TINY, color=style.MUTED,
        )  # fmt: skip


def _scatter_words(
    name: str, units: UnitValues, ceiling: NDArray[np.floating], inside: NDArray[np.bool_], beyond: int
) -> str:
    member = units.region(name)
    place = "" if name == ALL_UNITS else f"{name}: "
    words = (
        f"{place}{count(int(inside.sum()), 'unit')}, accuracy {distribution(units.values[inside])}, "
        f"noise ceiling {distribution(ceiling[inside])}"
    )
    if inside.any():
        words += f", {100 * float((units.values[inside] > ceiling[inside]).mean()):.0f} % of units above their ceiling"
    missing = int(member.sum() - inside.sum())
    words += f", {count(missing, 'unit')} without one of both left out" if missing else ""
    return words + (f", {count(beyond, 'unit')} below the axis drawn at its edge" if beyond else "")


def _edges(values: NDArray[np.floating]) -> NDArray[np.floating]:
    low, first, third, high = np.percentile(values, [0, 25, 75, 100])
    # what lies further out, as accuracy over a ceiling of nearly zero does, would squeeze all else
    reach = FENCE * (third - first)
    low, high = max(low, first - reach), min(high, third + reach)
    if high - low < 1e-9:
        low, high = low - 0.05, high + 0.05
    shown = values[(values >= low) & (values <= high)]
    bins = len(np.histogram_bin_edges(shown, "fd", (low, high))) - 1 if len(shown) > 1 else BINS[0]
    return np.linspace(low, high, int(np.clip(bins, *BINS)) + 1)


def _draw_histogram(
    axes: Axes, values: NDArray[np.floating], edges: NDArray[np.floating], ceiling: float | None, *, labelled: bool
) -> None:
    axes.hist(values, bins=list(edges), color=style.MODEL, alpha=0.8, edgecolor="white", linewidth=0.4)
    layout.horizontal_grid(axes)
    axes.locator_params(axis="x", nbins=5)
    axes.locator_params(axis="y", integer=True, nbins=4)
    axes.set_xlim(edges[0], edges[-1])
    top = max(axes.get_ylim()[1], 1.0) * 1.12
    axes.set_ylim(0, top)
    if not len(values):
        axes.text(0.5, 0.5, "no units", transform=axes.transAxes, ha="center", color=style.MUTED)
        return
    middle, span = float(np.median(values)), edges[-1] - edges[0]
    axes.axvline(middle, color=style.INK, linewidth=1.1)
    # away from the ceiling's line, and inside the axes
    left = middle > edges[0] + (0.35 if ceiling is not None else 0.5) * span
    axes.annotate(
        f"median {number(middle)}" if labelled else number(middle), (middle, 1), xycoords=("data", "axes fraction"),
        xytext=(-4 if left else 4, -2), textcoords="offset points", va="top", ha="right" if left else "left",
        fontsize=style.SMALL,
    )  # fmt: skip
    if ceiling is not None and edges[0] < ceiling < edges[-1]:
        axes.axvline(ceiling, color=style.CEILING_EDGE, linewidth=0.9, linestyle=(0, (4, 3)))
        if not labelled:
            return
        left = ceiling > edges[0] + 0.75 * span
        axes.annotate(
            "ceiling", (ceiling, 0.88), xycoords=("data", "axes fraction"), xytext=(-4 if left else 4, 0), va="top",
            textcoords="offset points", fontsize=style.TINY, color=style.MUTED, ha="right" if left else "left",
        )  # fmt: skip


def _histogram_words(name: str, values: NDArray[np.floating], missing: int, edges: NDArray[np.floating]) -> str:
    place = "all units" if name == ALL_UNITS else name
    words = f"{place}: {count(len(values), 'unit')}, {distribution(values)}"
    beyond = int(((values < edges[0]) | (values > edges[-1])).sum())
    words += f"; {count(beyond, 'unit')} outside the view" if beyond else ""
    return words + (f"; {count(missing, 'unit')} without a score" if missing else "")
