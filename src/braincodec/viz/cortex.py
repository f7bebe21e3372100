"""Maps of accuracy and responses on the cortex, inflated or unfolded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores
from braincodec.mesh import HEMISPHERES
from braincodec.viz import layout, style
from braincodec.viz.alternative import count, describe
from braincodec.viz.painting import outline_all, painted
from braincodec.viz.render import FLAT, OVERSAMPLING, RESOLUTION, raster
from braincodec.viz.unit_values import metric_title, unit_dataset
from braincodec.viz.vertices import Maps, Outlines, colour_limits, describe_map, roi_outlines, vertex_maps

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SURFACES = ("inflated", "flat")
# between hemispheres, as part of a hemisphere's width
GAP = 0.05
# of flat maps, which are larger: pixels per millimetre
FLAT_RESOLUTION = 1.25
MOST_LABELS = 12
# inches: of all views, of one view, between views, and of the colour bar with its label
WIDEST, TALLEST, PANEL_GAP, BAR = 6.2, 3.4, 0.12, 0.6


def plot_cortex(
    data: Scores | xr.DataArray | Maps,
    *,
    metric: str | None = None,
    subject: object = None,
    surface: Literal["inflated", "flat"] = "inflated",
    view: str | Sequence[str] = "occipital",
    scale: Literal["symmetric", "sequential"] | None = None,
    limits: tuple[float, float] | None = None,
    colour_map: str | None = None,
    colour_bar: bool = True,
    label: str | None = None,
    outlines: Outlines | bool = True,
    labels: bool | None = None,
    crop: tuple[float, float] = (0.0, 1.0),
    resolution: float | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw both hemispheres of fsaverage5 side by side.

    Parameters
    ----------
    data : Scores, DataArray (unit,) or dict of hemisphere to array (10242,) or (163842,)
        Units of the full fsaverage are drawn at the 10,242 vertices a hemisphere that fsaverage5 shares with it. NaN
        shows the bare cortex.
    metric, subject : optional
        Of scores; default: the correlation, of all subjects, where a vertex shows their mean.
    surface : {"inflated", "flat"}
    view : str or sequence of str
        Of the inflated surface: one of `braincodec.viz.render.VIEWS`, or several, one below the other.
    scale : {"symmetric", "sequential"}, optional
        Colours around zero, or from low to high; default: from zero up for scores, else around zero.
    limits : (float, float), optional
        Values of the first and last colour; default: the 98th percentile of the size, or the 1st and 99th.
    colour_map : str, optional
        Of matplotlib; the defaults are safe for colour-blind readers.
    colour_bar : bool
    label : str, optional
        Of the colour bar; default: the metric, or "response".
    outlines : dict or bool
        Regions to outline, as `roi_outlines` gives them; True: those of the data.
    labels : bool, optional
        Write the names of outlined regions; default: where there are at most twelve.
    crop : (float, float)
        Lower and upper end of what is shown, as parts of the picture's height.
    resolution : float, optional
        Pixels per millimetre of cortex.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    UnknownNameError
        For another surface or view.
    InputTypeError, InputValueError
        When the data are not on fsaverage5 or fsaverage.
    """
    if surface not in SURFACES:
        raise UnknownNameError("surface", surface, SURFACES)
    views = [FLAT] if surface == "flat" else [view] if isinstance(view, str) else list(view)
    if not views:
        raise InputValueError("a cortex map needs at least one view")
    maps = vertex_maps(data, metric, subject)
    regions = _regions(data, subject) if outlines is True else outlines or None
    scale = scale or ("sequential" if isinstance(data, Scores) else "symmetric")
    first, last = limits or _limits(maps, scale, isinstance(data, Scores))
    names = {roi for part in (regions or {}).values() for roi in part}
    fine = (resolution or (FLAT_RESOLUTION if surface == "flat" else RESOLUTION)) * OVERSAMPLING
    with style.styled():
        colours = style.colour_scale(
            colour_map or (style.DIVERGING if scale == "symmetric" else style.SEQUENTIAL), (first, last)
        )
        width, heights = _sizes(views, fine, crop)
        bar = BAR * colour_bar
        root = style.single(axes, (width, sum(heights) + PANEL_GAP * (len(views) - 1) + bar), fixed=True)
        places = [root] if len(views) == 1 else layout.panels(root, len(views), 1, gap=(0, PANEL_GAP), heights=heights)
        for place, name in zip(places, views, strict=True):
            named = len(names) <= MOST_LABELS if labels is None else labels
            _draw(place, maps, name, fine, colours.to_rgba, regions, named, crop)
        if colour_bar:
            text = label or (metric_title(metric or "correlation") if isinstance(data, Scores) else "response")
            inch = 1 / sum(heights)
            style.colour_bar(root, colours, text, (0.34, -0.22 * inch, 0.32, 0.08 * inch))
        describe(root, _words(data, maps, regions, subject))
    return style.root_figure(root)


def _sizes(views: Sequence[str], fine: float, crop: tuple[float, float]) -> tuple[float, list[float]]:
    """Width of a new figure and height of each view in it, inches; all views are on one scale."""
    shapes = [[raster(name, view, fine).shade.shape for name in HEMISPHERES] for view in views]
    widths = [sum(width for _, width in pair) * (1 + GAP / 2) for pair in shapes]
    heights = [max(height for height, _ in pair) * (crop[1] - crop[0]) for pair in shapes]
    inch = min(WIDEST / max(widths), TALLEST / max(heights))
    return max(widths) * inch, [height * inch for height in heights]


def _regions(data: Any, subject: object) -> Outlines | None:
    if isinstance(data, dict):
        return None
    source = unit_dataset(data, subject) if isinstance(data, Scores) else data
    found = roi_outlines(source)
    return found if any(found.values()) else None


def _limits(maps: Maps, scale: str, scores: bool) -> tuple[float, float]:
    low, high = colour_limits(maps, scale)
    # accuracies are read from zero
    return (min(low, 0.0), max(high, 0.01)) if scores and scale == "sequential" else (low, high)


def _draw(
    axes: Axes, maps: Maps, view: str, fine: float, colour: Any, regions: Outlines | None, named: bool,
    crop: tuple[float, float],
) -> None:  # fmt: skip
    left, bottom, top = 0.0, 0.0, 0.0
    for name in HEMISPHERES:
        picture = painted(name, view, fine, maps[name], colour)
        height, width = picture.shape[:2]
        axes.imshow(picture, extent=(left, left + width, 0, height), interpolation="antialiased", zorder=1)
        outline_all(axes, name, view, fine, (regions or {}).get(name, {}), named, left, (height, width))
        left += width * (1 + GAP)
        bottom, top = crop[0] * height, max(top, crop[1] * height)
    axes.set(xlim=(0, left - width * GAP), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()


def _words(data: Any, maps: Maps, regions: Outlines | None, subject: object) -> str:
    words = describe_map(maps, regions)
    if isinstance(data, Scores):
        units = unit_dataset(data, subject)
        subjects = len(np.unique(units["subject"].values)) if "subject" in units else 1
        words += f" {count(units.sizes['unit'], 'unit')}"
        words += f" of {subjects} subjects; a vertex shows their mean." if subjects > 1 else "."
    if getattr(data, "attrs", getattr(getattr(data, "units", None), "attrs", {})).get("space") == "fsaverage":
        words += " Of fsaverage, the vertices that fsaverage5 shares are drawn."
    return words
