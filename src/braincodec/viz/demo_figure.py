"""The picture of the demo: photographs beside predicted cortex maps, and the predicted EEG of one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.viz import style
from braincodec.viz.alternative import describe, text_alternative
from braincodec.viz.cortex import plot_cortex
from braincodec.viz.eeg import plot_time_course
from braincodec.viz.topography import plot_topography
from braincodec.viz.vertices import roi_outlines

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure
    from numpy.typing import NDArray

COLUMNS = 4
LEFT = 0.012
# z-scored single-trial responses: beyond this the colours saturate
LIMIT = 2.5
CROP = (0.28, 1.0)
# the early visual response, the face response, and a later one; seconds
LATENCIES = (0.10, 0.17, 0.25)
# inches
WIDTH, CELL, HEADER, EEG_HEIGHT = 13.0, 1.52, 0.72, 2.75


def demo_figure(
    images: dict[str, NDArray[np.uint8]], fmri: xr.DataArray, eeg: xr.DataArray, eeg_stimulus: str | None = None
) -> Figure:
    """Show photographs with the responses that were predicted for them.

    Parameters
    ----------
    images : dict of str to array of uint8, shape (height, width, 3)
        Photographs by stimulus id.
    fmri : xarray.DataArray, dims (stimulus, unit)
        On fsaverage5.
    eeg : xarray.DataArray, dims (stimulus, repetition, channel, time)
    eeg_stimulus : str, optional
        Whose EEG to show; default: the first.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputValueError
        When there is no image, or an image lacks its response.
    """
    _check(images, fmri, eeg)
    rows = -(-len(images) // COLUMNS)
    with style.styled():
        figure = style.new_figure((WIDTH, HEADER + CELL * rows + EEG_HEIGHT), None)
        parts: Any = figure.subfigures(2, 1, height_ratios=[HEADER + CELL * rows, EEG_HEIGHT])
        top, bottom = parts
        describe(figure, "Responses that a simulated subject's model predicts.")
        _draw_maps(top, images, fmri, rows)
        _draw_key(bottom, fmri)
        stimulus = eeg_stimulus or next(iter(images))
        _draw_eeg(bottom, images[stimulus], eeg.sel(stimulus=stimulus).mean("repetition"), stimulus)
    return figure


def _check(images: dict[str, NDArray[np.uint8]], fmri: xr.DataArray, eeg: xr.DataArray) -> None:
    if not images:
        raise InputValueError("the demo's figure needs at least one image")
    for name, responses in (("fmri", fmri), ("eeg", eeg)):
        missing = set(images) - set(responses["stimulus"].values.astype(str))
        if missing:
            raise InputValueError(f"{name} has no response to {', '.join(sorted(missing))}")


def _draw_maps(figure: SubFigure, images: dict[str, NDArray[np.uint8]], fmri: xr.DataArray, rows: int) -> None:
    inch = 1 / (HEADER + CELL * rows)  # as a part of this figure's height
    title = "Predicted brain responses of a simulated subject"
    figure.text(LEFT, 1 - 0.12 * inch, title, fontsize=15, weight="bold", va="top")
    where = "Made-up visual areas on the inflated fsaverage5 cortex, both hemispheres seen from behind and below"
    figure.text(LEFT, 1 - 0.42 * inch, where, color=style.MUTED, va="top")
    grid = figure.add_gridspec(
        rows, 2 * COLUMNS, width_ratios=[1, 1.3] * COLUMNS, left=LEFT, right=0.995, top=1 - HEADER * inch,
        bottom=0.04 * inch, wspace=0.05, hspace=0.08,
    )  # fmt: skip
    outlines = roi_outlines(fmri)
    for number, (name, image) in enumerate(images.items()):
        row, column = divmod(number, COLUMNS)
        _show(figure.add_subplot(grid[row, 2 * column]), image)
        cortex = figure.add_subplot(grid[row, 2 * column + 1])
        plot_cortex(
            fmri.sel(stimulus=name), limits=(-LIMIT, LIMIT), outlines=outlines, labels=False, colour_bar=False,
            crop=CROP, axes=cortex,
        )  # fmt: skip
        describe(cortex, f"{name}: {text_alternative(cortex)}")
    scale = style.colour_scale(style.DIVERGING, (-LIMIT, LIMIT))
    place = (0.845, 1 - 0.42 * inch, 0.14, 0.09 * inch)
    bar = figure.colorbar(scale, cax=figure.add_axes(place), orientation="horizontal")
    bar.set_ticks([-LIMIT, 0, LIMIT])
    bar.outline.set_visible(False)
    bar.ax.set_title("Response (z-score)", loc="center", fontsize=9, fontweight="normal", pad=3)


def _draw_key(figure: SubFigure, fmri: xr.DataArray) -> None:
    figure.text(LEFT, 0.96, "Simulated areas", fontsize=11, weight="bold", va="top")
    axes = figure.add_axes((LEFT, 0.02, 0.215, 0.86))
    nothing = fmri.isel(stimulus=0) * np.nan
    plot_cortex(nothing.assign_attrs(fmri.attrs), labels=True, colour_bar=False, crop=CROP, axes=axes)
    describe(axes, "")


def _draw_eeg(figure: SubFigure, image: NDArray[np.uint8], response: xr.DataArray, name: str) -> None:
    title = "Predicted EEG of a simulated subject, mean of its repetitions"
    figure.text(0.26, 0.96, title, fontsize=11, weight="bold", va="top")
    _show(figure.add_axes((0.26, 0.27, 0.10, 0.48)), image)
    course = figure.add_axes((0.418, 0.19, 0.222, 0.63))
    plot_time_course(response, marks=LATENCIES, axes=course)
    describe(course, f"EEG for {name}. {text_alternative(course)}")
    at = [response.sel(time=latency, method="nearest") for latency in LATENCIES]
    top = float(np.abs(at).max())
    for number, (latency, values) in enumerate(zip(LATENCIES, at, strict=True)):
        axes = figure.add_axes((0.665 + 0.096 * number, 0.2, 0.094, 0.58))
        plot_topography(values, limits=(-top, top), colour_bar=False, axes=axes)
        axes.set_title(f"{latency * 1000:.0f} ms", loc="center", fontsize=10, fontweight="normal")
        describe(axes, f"At {latency * 1000:.0f} ms: {text_alternative(axes)}")
    bar = figure.colorbar(
        style.colour_scale(style.DIVERGING, (-top, top)), cax=figure.add_axes((0.960, 0.30, 0.008, 0.38))
    )
    bar.outline.set_visible(False)
    bar.ax.set_title("µV", loc="center", fontsize=9, fontweight="normal")


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    axes.imshow(image)
    axes.set_axis_off()
