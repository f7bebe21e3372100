"""Voxels of a volume as three slices."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from braincodec.app.predicting import VolumeSlices

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

# name of a slice, and the world axis across it; of the other two the later one goes up
SLICES = {"sagittal": 0, "coronal": 1, "axial": 2}
VOXEL = ("i", "j", "k")


def middle_slices(responses: xr.DataArray, shown: xr.DataArray) -> VolumeSlices | None:
    """Slices where most of the shown units lie.

    Parameters
    ----------
    responses : xarray.DataArray, dims (unit,)
        All units, for the colour scale and the frame.
    shown : xarray.DataArray, dims (unit,)
        Those that are drawn.

    Returns
    -------
    VolumeSlices or None
        None where units have no voxel.
    """
    if responses.dims != ("unit",) or not all(name in responses.coords for name in VOXEL) or not shown.size:
        return None
    axes, flips = _orientation(responses)
    frame = _indices(responses)
    low, high = frame.min(0), frame.max(0)
    volume = np.full(tuple(high - low + 1), np.nan, np.float32)
    places = _indices(shown) - low
    volume[tuple(places.T)] = shown.values
    world = np.transpose(volume, axes)  # (left to right, back to front, bottom to top), before flips
    world = world[tuple(slice(None, None, -1) if flip else slice(None) for flip in flips)]
    known = np.isfinite(shown.values)
    slices, positions = {}, {}
    for name, across in SLICES.items():
        axis = axes[across]
        values = places[known, axis] if known.any() else places[:, axis]
        voxel = int(np.bincount(values).argmax())
        index = volume.shape[axis] - 1 - voxel if flips[across] else voxel
        slices[name] = np.ascontiguousarray(np.take(world, index, across).T[::-1])
        positions[name] = voxel + int(low[axis])
    top = float(np.nanpercentile(np.abs(responses.values), 98)) if np.isfinite(responses.values).any() else 1.0
    return VolumeSlices(slices, positions, -(top or 1.0), top or 1.0)


def _indices(responses: xr.DataArray) -> NDArray[np.int64]:
    return np.stack([responses[name].values.astype(np.int64) for name in VOXEL], 1)


def _orientation(responses: xr.DataArray) -> tuple[list[int], list[bool]]:
    """Voxel axis along each world axis (x to the right, y to the front, z up), and whether it runs against it."""
    affine = responses.attrs.get("affine")
    if affine is None or np.size(affine) != 16:
        return [0, 1, 2], [False] * 3
    directions = np.asarray(affine, float).reshape(4, 4)[:3, :3]
    left = [0, 1, 2]
    axes, flips = [], []
    for row in range(3):
        axis = max(left, key=lambda column: abs(directions[row, column]))
        left.remove(axis)
        axes.append(axis)
        flips.append(bool(directions[row, axis] < 0))
    return axes, flips
