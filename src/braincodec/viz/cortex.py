"""Maps of responses on the inflated cortex."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from braincodec.errors import InputValueError
from braincodec.extras import import_optional
from braincodec.mesh import HEMISPHERES, VERTICES, HemisphereName, fsaverage5
from braincodec.viz.render import OVERSAMPLING, RESOLUTION, raster

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

# both are readable with every common kind of colour blindness
DIVERGING, SEQUENTIAL = "RdBu_r", "viridis"
GYRUS, SULCUS = 0.86, 0.70
AMBIENT, DIRECTED = 0.62, 0.42
# between hemispheres, as part of a hemisphere's width
GAP = 0.05
# of the borders of regions, mm
SMOOTHING = 1.6
# regions of which less of the picture is seen are not outlined: slivers at the rim are clutter
LEAST_SEEN = 0.002


LABEL: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "fontsize": 6.5,
    "weight": "bold",
    "color": "#111111",
    "zorder": 3,
}


def vertex_values(responses: xr.DataArray) -> dict[HemisphereName, NDArray[np.floating]]:
    """Spread one response over the vertices of both hemispheres.

    Parameters
    ----------
    responses : xarray.DataArray, dims (unit,)
        With coordinates ``vertex`` and ``hemisphere``, and ``attrs["space"] == "fsaverage5"``.

    Returns
    -------
    dict of hemisphere to array of float64, shape (10242,)
        NaN where there is no unit; the mean where a vertex has several.

    Raises
    ------
    InputValueError
        For another space or other dims.
    """
    if responses.dims != ("unit",) or not {"vertex", "hemisphere"} <= set(responses.coords):
        raise InputValueError(
            f"a cortex map takes one value for each unit, with coordinates vertex and hemisphere, got {responses.dims}"
        )
    if responses.attrs.get("space") != "fsaverage5":
        raise InputValueError(f"a cortex map takes units on fsaverage5, got space {responses.attrs.get('space')!r}")
    values = {}
    for name in HEMISPHERES:
        here = responses["hemisphere"].values == name
        vertex = responses["vertex"].values[here]
        count = np.bincount(vertex, minlength=VERTICES)
        total = np.bincount(vertex, responses.values[here].astype(float), minlength=VERTICES)
        values[name] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    return values


def roi_outlines(responses: xr.DataArray | xr.Dataset) -> dict[HemisphereName, dict[str, NDArray[np.bool_]]]:
    """Which vertices belong to which region, from a response array or a table of units."""
    outlines: dict[HemisphereName, dict[str, NDArray[np.bool_]]] = {}
    members = {str(key)[4:]: responses[key].values for key in responses.coords if str(key).startswith("roi_")}
    if "roi_membership" in responses:
        table = responses["roi_membership"].transpose("unit", "roi").values
        members = {str(roi): table[:, column] for column, roi in enumerate(responses["roi"].values)}
    for name in HEMISPHERES:
        here = responses["hemisphere"].values == name
        outlines[name] = {}
        for roi, member in members.items():
            inside = np.zeros(VERTICES, bool)
            inside[responses["vertex"].values[here & member]] = True
            outlines[name][roi] = inside
    return outlines


def plot_cortex(
    values: dict[HemisphereName, NDArray[np.floating]] | xr.DataArray,
    axes: Axes | None = None,
    *,
    view: str = "occipital",
    scale: Literal["symmetric", "sequential"] = "symmetric",
    limits: tuple[float, float] | None = None,
    colour_map: str | None = None,
    outlines: dict[HemisphereName, dict[str, NDArray[np.bool_]]] | None = None,
    labels: bool = False,
    crop: tuple[float, float] = (0.0, 1.0),
    resolution: float = RESOLUTION,
) -> str:
    """Draw both hemispheres of the inflated fsaverage5 side by side.

    Parameters
    ----------
    values : dict of hemisphere to array (10242,), or DataArray (unit,)
        NaN shows the bare cortex.
    axes : matplotlib.axes.Axes, optional
        Default: a new figure.
    view : str
        One of `braincodec.viz.render.VIEWS`.
    scale : {"symmetric", "sequential"}
        Colours around zero, or from low to high.
    limits : (float, float), optional
        Values of the first and last colour; default: the 98th percentile of the size, or the range.
    colour_map : str, optional
        Of matplotlib; the defaults are safe for colour-blind readers.
    outlines : dict, optional
        Regions to outline, as `roi_outlines` gives them.
    labels : bool
        Write the names of outlined regions.
    crop : (float, float)
        Lower and upper end of what is shown, as parts of the picture's height.
    resolution : float
        Pixels per millimetre of cortex.

    Returns
    -------
    str
        The map in words, for readers who cannot see it.
    """
    pyplot = import_optional("matplotlib.pyplot", "plotting the cortex")
    maps = values if isinstance(values, dict) else vertex_values(values)
    low, high = limits or colour_limits(maps, scale)
    colours = pyplot.get_cmap(colour_map or (DIVERGING if scale == "symmetric" else SEQUENTIAL))
    axes = axes if axes is not None else pyplot.subplots()[1]
    fine = resolution * OVERSAMPLING
    left, bottom, top = 0.0, 0.0, 0.0
    for name in HEMISPHERES:
        picture = _painted(name, view, fine, maps[name], lambda shown: colours((shown - low) / (high - low)))
        height, width = picture.shape[:2]
        axes.imshow(picture, extent=(left, left + width, 0, height), interpolation="antialiased", zorder=1)
        _outline_all(axes, name, view, fine, (outlines or {}).get(name, {}), labels, left, (height, width))
        left += width * (1 + GAP)
        bottom, top = crop[0] * height, max(top, crop[1] * height)
    axes.set(xlim=(0, left - width * GAP), ylim=(bottom, top), aspect="equal")
    axes.set_axis_off()
    return describe_map(maps, outlines)


def colour_limits(maps: dict[HemisphereName, NDArray[np.floating]], scale: str) -> tuple[float, float]:
    """First and last value of the colour scale: the 98th percentile on either side of zero, or the range.

    Examples
    --------
    >>> colour_limits({"left": np.array([0.0, 1.0]), "right": np.array([3.0, np.nan])}, "sequential")
    (0.0, 3.0)
    """
    known = np.concatenate([values[np.isfinite(values)] for values in maps.values()])
    if not known.size:
        return (-1.0, 1.0) if scale == "symmetric" else (0.0, 1.0)
    if scale == "symmetric":
        top = float(np.percentile(np.abs(known), 98)) or 1.0
        return -top, top
    return float(known.min()), float(known.max()) if known.max() > known.min() else float(known.min()) + 1.0


def describe_map(
    maps: dict[HemisphereName, NDArray[np.floating]],
    outlines: dict[HemisphereName, dict[str, NDArray[np.bool_]]] | None = None,
) -> str:
    """A map in words: mean of each region and hemisphere, or of each hemisphere.

    Examples
    --------
    >>> describe_map({"left": np.array([1.0, 2.0]), "right": np.array([np.nan, 4.0])})
    'Cortex map: left hemisphere mean 1.50; right hemisphere mean 4.00.'
    """
    parts = []
    for name, values in maps.items():
        regions = {roi: values[inside] for roi, inside in (outlines or {}).get(name, {}).items()} or {"": values}
        means = [
            f"{roi} {np.nanmean(part):+.2f}" if roi else f"mean {np.nanmean(part):.2f}"
            for roi, part in regions.items()
            if np.isfinite(part).any()
        ]
        if means:
            parts.append(f"{name} hemisphere {', '.join(means)}")
    return f"Cortex map: {'; '.join(parts)}." if parts else "Cortex map without values."


@functools.lru_cache(maxsize=16)
def _bare(hemisphere: HemisphereName, view: str, resolution: float) -> NDArray[np.float64]:
    """Cortex without data: grey by sulcal depth, lit from beside the camera, (height, width, 4)."""
    seen = raster(hemisphere, view, resolution)
    depth = np.nan_to_num(seen.interpolate(fsaverage5(hemisphere).sulcal_depth)[0])
    grey = GYRUS + (SULCUS - GYRUS) * (np.tanh(4 * depth) + 1) / 2
    return np.concatenate([np.repeat(grey[..., None], 3, 2), seen.visible[..., None].astype(float)], 2)


def _painted(
    hemisphere: HemisphereName,
    view: str,
    resolution: float,
    values: NDArray[np.floating],
    colour: Callable[[NDArray[np.floating]], NDArray[np.floating]],
) -> NDArray[np.float32]:
    """Colours over shaded cortex, (height, width, 4), transparent where there is no brain."""
    seen = raster(hemisphere, view, resolution)
    picture = _bare(hemisphere, view, resolution).copy()
    shown, share = seen.interpolate(values)
    # the border of the data runs smoothly through triangles of which some corners have none
    there = (_smooth(share, resolution) > 0.5) & np.isfinite(shown)
    picture[there, :3] = colour(shown[there])[:, :3]
    picture[..., :3] *= (AMBIENT + DIRECTED * seen.shade[..., None]).clip(0, 1) * picture[..., 3:]
    return _averaged(picture)


def _smooth(share: NDArray[np.floating], resolution: float) -> NDArray[np.floating]:
    from scipy.ndimage import gaussian_filter

    return gaussian_filter(share.astype(np.float32), SMOOTHING * resolution, truncate=3)


def _averaged(picture: NDArray[np.float64]) -> NDArray[np.float32]:
    """Blocks of pixels to one: smooth edges. Colours come multiplied by alpha and leave divided by it."""
    step = OVERSAMPLING
    height, width = (size - size % step for size in picture.shape[:2])
    blocks = picture[:height, :width].reshape(height // step, step, width // step, step, 4).mean((1, 3))
    alpha = blocks[..., 3:]
    return np.concatenate([blocks[..., :3] / np.maximum(alpha, 1e-6), alpha], 2).clip(0, 1).astype(np.float32)


@functools.lru_cache(maxsize=64)
def _membership(hemisphere: HemisphereName, view: str, resolution: float, inside: bytes) -> NDArray[np.floating]:
    """How far each pixel is inside a region, 0 to 1, at the picture's own resolution."""
    vertices = np.frombuffer(inside, dtype=bool).astype(float)
    share = np.nan_to_num(raster(hemisphere, view, resolution).interpolate(vertices)[0])
    return _smooth(share, resolution)[::OVERSAMPLING, ::OVERSAMPLING]


def _outline_all(
    axes: Axes,
    hemisphere: HemisphereName,
    view: str,
    resolution: float,
    regions: dict[str, NDArray[np.bool_]],
    labels: bool,
    left: float,
    size: tuple[int, int],
) -> None:
    height, width = size
    x, y = left + np.arange(width) + 0.5, height - np.arange(height) - 0.5
    for roi, inside in regions.items():
        share = _membership(hemisphere, view, resolution, inside.tobytes())[:height, :width]
        _outline(axes, x, y, share, roi if labels else "")


def _outline(
    axes: Axes, x: NDArray[np.floating], y: NDArray[np.floating], share: NDArray[np.floating], label: str
) -> None:
    if (share > 0.5).mean() < LEAST_SEEN:
        return
    axes.contour(x, y, share, levels=[0.5], colors="#222222", linewidths=0.9 if label else 0.6, zorder=2)
    if label:
        row, column = _middle(share > 0.5)
        effects = import_optional("matplotlib.patheffects", "plotting the cortex")
        halo = [effects.withStroke(linewidth=1.6, foreground="white")]
        axes.text(x[column], y[row], label, path_effects=halo, **LABEL)


def _middle(inside: NDArray[np.bool_]) -> tuple[int, int]:
    """Row and column deepest inside the largest piece of a region."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter, label

    pieces, _ = label(inside)
    largest = pieces == 1 + np.argmax(np.bincount(pieces.ravel())[1:])
    depth = gaussian_filter(distance_transform_edt(largest), 2)
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    return int(row), int(column)
