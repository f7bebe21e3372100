"""Vertices of fsaverage to voxels: the volume that the surface lies in."""

from __future__ import annotations

import functools

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.mesh import HEMISPHERES, VERTICES, HemisphereName, fsaverage5
from braincodec.responses.checks import ROI_PREFIX
from braincodec.responses.coordinates import build_units, units_to_coordinates

SPACES = ("fsaverage5", "fsaverage")
# millimetres; smaller voxels leave holes between vertices, which lie three to four apart
VOXEL_SIZE, SMALLEST, LARGEST = 3.0, 1.0, 20.0
# whose values belong to the whole array, and stay
KEPT_ATTRS = ("response_units", "modality", "model", "simulated", "braincodec_version")


def to_volume(responses: xr.DataArray, voxel_size: float = VOXEL_SIZE) -> xr.DataArray:
    """Responses of voxels from responses of vertices: the mean of the vertices that lie in a voxel.

    Parameters
    ----------
    responses : DataArray, last dimension `unit`
        Of one subject, on fsaverage5 or fsaverage; of the latter those vertices count that fsaverage5 has too. Units
        that are voxels already come back as they are.
    voxel_size : float
        Edge of a voxel in millimetres, 1 to 20.

    Returns
    -------
    DataArray
        The same stimuli; units have `i`, `j`, `k`, and lie in a region when at least half of their vertices do. The
        attributes `affine` and `volume_shape` say where: in the space of fsaverage (MNI305), the same volume for
        every selection of vertices. What belongs to a vertex alone, such as a receptive field or a score, is left out.

    Raises
    ------
    InputValueError
        When units are neither voxels nor vertices of fsaverage, belong to several subjects, or the size is out of
        range.

    Examples
    --------
    >>> from braincodec.responses import build_responses, build_units
    >>> units = build_units(vertex=[0, 0], hemisphere=["left", "right"], space="fsaverage5")
    >>> volume = to_volume(build_responses([[1.0, 2.0]], ["a"], units))
    >>> volume.values.tolist(), volume.attrs["volume_shape"]
    ([[1.0, 2.0]], [49, 61, 45])
    """
    if all(name in responses.coords for name in "ijk"):
        return responses
    _check(responses, voxel_size)
    vertices, sides = responses["vertex"].values, responses["hemisphere"].values
    kept = np.flatnonzero(vertices < VERTICES)
    affine, shape = _grid(float(voxel_size))
    place = np.empty((len(kept), 3))
    for side in HEMISPHERES:
        here = sides[kept] == side
        place[here] = _middle(side)[vertices[kept][here]]
    indices = np.floor((place - affine[:3, 3]) / voxel_size + 0.5).astype(np.int64)
    flat = np.ravel_multi_index(tuple(indices.T), shape)
    voxels, first, member = np.unique(flat, return_index=True, return_inverse=True)
    units = build_units(
        ijk=np.stack(np.unravel_index(voxels, shape), axis=1),
        hemisphere=sides[kept][first],
        rois={
            str(name).removeprefix(ROI_PREFIX): _means(flags.values[kept].astype(float), member) >= 0.5
            for name, flags in responses.coords.items()
            if str(name).startswith(ROI_PREFIX)
        },
        subject=responses["subject"].values[kept][first] if "subject" in responses.coords else None,
        affine=affine,
        volume_shape=shape,
        **{name: responses.attrs[name] for name in KEPT_ATTRS if name in responses.attrs},
    )
    others = {name: array for name, array in responses.coords.items() if "unit" not in array.dims}
    values = _means(responses.values[..., kept], member).astype(responses.dtype)
    return xr.DataArray(
        values, dims=responses.dims, coords=others | units_to_coordinates(units), attrs=units.attrs, name=responses.name
    )


def _check(responses: xr.DataArray, voxel_size: float) -> None:
    space = responses.attrs.get("space")
    if not {"vertex", "hemisphere"} <= set(responses.coords) or space not in SPACES:
        raise InputValueError(
            f"a volume needs voxels, or vertices of {' or '.join(SPACES)}; "
            f"these units lie in {space or 'an unknown space'}"
        )
    if responses.dims[-1] != "unit" or not (responses["vertex"].values < VERTICES).any():
        raise InputValueError("a volume needs `unit` as the last dimension, and at least one vertex of fsaverage5")
    if "subject" in responses.coords and len(np.unique(responses["subject"].values)) > 1:
        raise InputValueError("a volume holds one subject: select(subject=...) first")
    if not SMALLEST <= voxel_size <= LARGEST:
        raise InputValueError(f"voxel_size must be {SMALLEST:g} to {LARGEST:g} millimetres, not {voxel_size!r}")


def _means(values: NDArray, member: NDArray[np.integer]) -> NDArray[np.floating]:
    """Mean over the last axis of the columns of each group, in double precision."""
    order = np.argsort(member, kind="stable")
    starts = np.flatnonzero(np.diff(member[order], prepend=-1))
    counts = np.diff([*starts, len(order)])
    return np.add.reduceat(values[..., order].astype(np.float64), starts, axis=-1) / counts


@functools.cache
def _middle(hemisphere: HemisphereName) -> NDArray[np.float64]:
    """Halfway between white matter and pial surface, in millimetres."""
    mesh = fsaverage5(hemisphere)
    return (mesh.white + mesh.pial) / 2


def _grid(voxel_size: float) -> tuple[NDArray[np.float64], tuple[int, int, int]]:
    """Affine and shape of the volume around the whole cortex, with a voxel to spare; voxel centres at multiples."""
    cortex = np.concatenate([_middle(side) for side in HEMISPHERES])
    low = np.floor(cortex.min(0) / voxel_size) - 1
    high = np.ceil(cortex.max(0) / voxel_size) + 1
    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    affine[:3, 3] = low * voxel_size
    x, y, z = (high - low + 1).astype(int).tolist()
    return affine, (x, y, z)
