"""A hemisphere as an image: colours over shaded cortex, and the outlines of regions."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.extras import import_optional
from braincodec.mesh import HemisphereName, fsaverage5
from braincodec.viz.render import OVERSAMPLING, raster

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

GYRUS, SULCUS = 0.86, 0.70
AMBIENT, DIRECTED = 0.62, 0.42
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


def painted(
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
    alone = _alone(hemisphere, values)
    if alone.any():
        # units scattered over the cortex, as of recordings with few vertices, are drawn as dots
        dots, share = seen.interpolate(np.where(alone, values, np.nan))
        shown, there = np.where(share > 0.5, dots, shown), there | (share > 0.5)
    picture[there, :3] = colour(shown[there])[:, :3]
    picture[..., :3] *= (AMBIENT + DIRECTED * seen.shade[..., None]).clip(0, 1) * picture[..., 3:]
    return _averaged(picture)


def outline_all(
    axes: Axes,
    hemisphere: HemisphereName,
    view: str,
    resolution: float,
    regions: dict[str, NDArray[np.bool_]],
    labels: bool,
    left: float,
    size: tuple[int, int],
) -> None:
    """Draw the borders of regions over a picture of `size` (height, width) that begins at `left`."""
    height, width = size
    x, y = left + np.arange(width) + 0.5, height - np.arange(height) - 0.5
    for roi, inside in regions.items():
        share = _membership(hemisphere, view, resolution, inside.tobytes())[:height, :width]
        _outline(axes, x, y, share, roi if labels else "")


@functools.lru_cache(maxsize=16)
def _bare(hemisphere: HemisphereName, view: str, resolution: float) -> NDArray[np.float64]:
    """Cortex without data: grey by sulcal depth, lit from beside the camera, (height, width, 4)."""
    seen = raster(hemisphere, view, resolution)
    depth = np.nan_to_num(seen.interpolate(fsaverage5(hemisphere).sulcal_depth)[0])
    grey = GYRUS + (SULCUS - GYRUS) * (np.tanh(4 * depth) + 1) / 2
    return np.concatenate([np.repeat(grey[..., None], 3, 2), seen.visible[..., None].astype(float)], 2)


def _alone(hemisphere: HemisphereName, values: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Vertices that have a value, but no triangle of which all corners have one."""
    known = np.isfinite(values)
    faces = fsaverage5(hemisphere).faces
    in_patch = np.zeros(len(known), bool)
    in_patch[faces[known[faces].all(1)]] = True
    return known & ~in_patch


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
