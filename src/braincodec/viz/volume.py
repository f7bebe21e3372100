"""Values of voxels on slices through the volume."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores
from braincodec.extras import import_optional
from braincodec.responses.combine import volume_geometry
from braincodec.viz import style
from braincodec.viz.alternative import count, describe, distribution, number
from braincodec.viz.unit_values import metric_title, metric_values, unit_dataset
from braincodec.viz.vertices import colour_limits

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

DIRECTIONS = ("x", "y", "z")
MOST_SLICES = 12
# around the voxels, in voxels, and around a slice, as a part of it
MARGIN, ROOM = 1, 0.09
# inches: of one slice, and of the colour bar with its label
WIDEST_SLICE, BAR = 2.2, 0.7
PURPOSE = "plotting slices"


def plot_volume(
    data: Scores | xr.DataArray,
    *,
    metric: str | None = None,
    subject: object = None,
    direction: Literal["x", "y", "z"] = "z",
    slices: int = 5,
    background: Any = None,
    scale: Literal["symmetric", "sequential"] | None = None,
    limits: tuple[float, float] | None = None,
    colour_map: str | None = None,
    label: str | None = None,
    axes: Axes | None = None,
) -> Figure:
    """Draw values of voxels on slices spread over the region they cover.

    Parameters
    ----------
    data : Scores or DataArray (unit,)
        Units with ``i``, ``j`` and ``k``, and the attributes ``affine`` and ``volume_shape``.
    metric : str, optional
        Of scores; default: the correlation.
    subject : optional
        Of scores; default: the first, because each subject has a volume of its own.
    direction : {"x", "y", "z"}
        Across the slices.
    slices : int
        How many, at most twelve.
    background : image, optional
        The subject's anatomy: a NIfTI image or its path; default: white.
    scale, limits, colour_map, label : optional
        As of `plot_cortex`.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputTypeError, InputValueError
        When units are no voxels of one subject's known volume, or none has a value.
    """
    if direction not in DIRECTIONS:
        raise UnknownNameError("direction", direction, DIRECTIONS)
    if not 1 <= slices <= MOST_SLICES:
        raise InputValueError(f"a figure has 1 to {MOST_SLICES} slices, not {slices}")
    values = _voxels(data, metric, subject)
    plotting = import_optional("nilearn.plotting", PURPOSE)
    image, world, threshold = _image(values, cropped=background is None)
    scale = scale or ("sequential" if isinstance(data, Scores) else "symmetric")
    low, high = limits or colour_limits({"left": values.values.astype(float)}, scale)
    if limits is None and scale == "sequential" and isinstance(data, Scores):
        low, high = min(low, 0.0), max(high, 0.01)
    title = label or (metric_title(metric or "correlation") if isinstance(data, Scores) else "response")
    cuts = _cuts(world[:, DIRECTIONS.index(direction)], slices)
    with style.styled():
        across, up = (float(np.ptp(world[:, axis])) + 1 for axis in _plane(direction))
        width = min(style.WIDTH / len(cuts), WIDEST_SLICE)
        given = axes
        axes = style.single(axes, (width * len(cuts), width * min(up / across, 2) + BAR))
        colours = style.colour_scale(
            colour_map or (style.DIVERGING if scale == "symmetric" else style.SEQUENTIAL), (low, high)
        )
        anatomy = str(background) if isinstance(background, Path) else background
        display = plotting.plot_img(
            image, display_mode=direction, cut_coords=cuts, axes=axes, figure=style.root_figure(axes),
            cmap=colours.cmap, vmin=low, vmax=high, threshold=threshold, colorbar=False, annotate=False,
            black_bg=False, draw_cross=False, bg_img=anatomy, resampling_interpolation="nearest",
        )  # fmt: skip
        _frame(display, direction)
        if background is not None:  # it reaches further than the voxels do
            across, up = _extent(display)
            if given is None:
                style.root_figure(axes).set_size_inches(width * len(cuts), width * min(up / across, 2) + BAR)
        inch = 1 / (width * min(up / across, 2))
        style.colour_bar(axes, colours, title, (0.36, -0.2 * inch, 0.28, 0.08 * inch))
        known = np.isfinite(values.values)
        places = ", ".join(number(cut, 0) for cut in cuts)
        describe(
            axes,
            f"{title} of {count(int(known.sum()), 'voxel')}{_whose(values)} on {count(len(cuts), 'slice')} "
            f"at {direction} = {places} mm: {distribution(values.values)}.",
        )
    return style.root_figure(axes)


def _voxels(data: Any, metric: str | None, subject: object) -> xr.DataArray:
    if isinstance(data, Scores):
        subjects = list(dict.fromkeys(data.table["subject"]))
        units = unit_dataset(data, subjects[0] if subject is None and len(subjects) > 1 else subject)
        coordinates = {name: units[name] for name in ("i", "j", "k", "subject") if name in units}
        values = metric_values(units, metric or "correlation").assign_coords(coordinates).assign_attrs(units.attrs)
    elif isinstance(data, xr.DataArray):
        values = data
    else:
        raise InputTypeError(f"slices take Scores or a DataArray of units, not {type(data).__name__}")
    if values.dims != ("unit",) or not {"i", "j", "k"} <= set(values.coords):
        raise InputValueError(f"slices take one value for each unit, with coordinates i, j and k, got {values.dims}")
    if not np.isfinite(values.values).any():
        raise InputValueError("no voxel has a value to draw")
    return values


def _whose(values: xr.DataArray) -> str:
    return f" of subject {values['subject'].values[0]}" if "subject" in values.coords else ""


def _image(values: xr.DataArray, *, cropped: bool) -> tuple[Any, NDArray[np.floating], float]:
    """A NIfTI image, positions (voxels, 3) in millimetres, and the size below which there is no voxel.

    nilearn draws NaN as zero, so zero stands for "no voxel", and voxels that are zero are moved off it.
    """
    nibabel = import_optional("nibabel", PURPOSE)
    affine, shape = volume_geometry(values)
    known = np.isfinite(values.values)
    array = values.values[known].astype(np.float32)
    ijk = np.stack([values[name].values for name in "ijk"], axis=1)[known]
    threshold = 1e-5 * (float(np.abs(array).max()) or 1.0)
    volume = np.zeros(shape, dtype=np.float32)
    volume[tuple(ijk.T)] = np.where(np.abs(array) < 2 * threshold, 2 * threshold, array)
    world = ijk @ affine[:3, :3].T + affine[:3, 3]
    if cropped:  # nothing around the voxels would be seen
        first = np.maximum(ijk.min(0) - MARGIN, 0)
        last = np.minimum(ijk.max(0) + MARGIN + 1, shape)
        volume = volume[tuple(slice(*ends) for ends in zip(first, last, strict=True))]
        affine = affine @ np.block([[np.eye(3), first[:, None]], [np.zeros((1, 3)), np.ones((1, 1))]])
    return nibabel.Nifti1Image(volume, affine), world, threshold


def _frame(display: Any, direction: str) -> None:
    """Say over each slice where it lies, and leave room around it."""
    for cut, slice_ in display.axes.items():
        for limits, move in ((slice_.ax.get_xlim(), slice_.ax.set_xlim), (slice_.ax.get_ylim(), slice_.ax.set_ylim)):
            room = ROOM * (limits[1] - limits[0])
            move(limits[0] - room, limits[1] + room)
        slice_.ax.text(
            0.5, 1.02, f"{direction} = {cut:.0f} mm", transform=slice_.ax.transAxes, ha="center", va="bottom",
            fontsize=style.SMALL,
        )  # fmt: skip
    if direction != "x":
        first = next(iter(display.axes.values())).ax
        for share, side in ((0.0, "L"), (1.0, "R")):
            first.text(
                share, 0.5, side, transform=first.transAxes, va="center", ha="center", fontsize=style.SMALL,
                color=style.MUTED,
            )  # fmt: skip


def _extent(display: Any) -> tuple[float, float]:
    """Millimetres across and up that a slice shows."""
    first = next(iter(display.axes.values())).ax
    return float(np.ptp(first.get_xlim())), float(np.ptp(first.get_ylim()))


def _plane(direction: str) -> tuple[int, int]:
    """The axes of space that run across and up in a slice."""
    across, up = (axis for axis in range(3) if axis != DIRECTIONS.index(direction))
    return across, up


def _cuts(positions: NDArray[np.floating], amount: int) -> list[float]:
    """Positions of slices that split the voxels into parts of equal number."""
    found = np.quantile(positions, (np.arange(amount) + 0.5) / amount, method="nearest")
    return [float(cut) for cut in np.unique(found)]
