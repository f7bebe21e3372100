"""Responses in NIfTI files: a volume for each trial, in one 4-D file or in a series; voxels of a mask are the units."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.own.formats import Given
from braincodec.datasets.own.trials import KeptTrials, Trials
from braincodec.datasets.reading import BAD_CONTENT
from braincodec.datasets.trial_rows import Columns, TrialStore
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.extras import import_optional
from braincodec.responses import build_units

PURPOSE = "reading NIfTI files"
AFFINE_TOLERANCE = 1e-3  # millimetres


class VolumeTrials(TrialStore):
    """Voxels of volumes, read when used.

    Parameters
    ----------
    paths : list of Path
    counts : list of int
        Volumes in each file.
    voxels : array of int, shape (units,)
        Where the units are in a volume, in C order.
    """

    def __init__(self, paths: list[Path], counts: list[int], voxels: NDArray[np.int64]) -> None:
        self._paths, self._ends, self._voxels = paths, np.cumsum(counts), voxels
        self.shape, self.dtype = (int(self._ends[-1]), len(voxels)), np.dtype(np.float32)
        self.chunks = (min(max(counts), 64), max(len(voxels), 1))

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy; whole volumes are read."""
        begin, end, _ = rows.indices(self.shape[0])
        voxels, found, start = self._voxels[columns], [], 0
        for path, stop in zip(self._paths, self._ends.tolist(), strict=True):
            if begin < stop and end > start:
                data = read_volumes_of(path, slice(max(begin - start, 0), min(end, stop) - start))
                found.append(data.reshape(-1, data.shape[-1])[voxels].T)  # (trials, units)
            start = stop
        if not found:
            return np.empty((0, len(voxels)), self.dtype)
        return found[0] if len(found) == 1 else np.concatenate(found)


def read_volumes(paths: list[Path], given: Given) -> Trials:
    """Trials of one or several files, in the order given.

    Raises
    ------
    MissingExtraError
        When nibabel is not installed.
    DamagedFileError
        When a file is truncated or no NIfTI file.
    InputValueError
        When volumes, or volumes and mask, have different shapes or lie in different places.
    """
    headers = [_header(path) for path in paths]
    shape, affine, _ = headers[0]
    for path, (other, place, _) in zip(paths, headers, strict=True):
        if other != shape:
            raise InputValueError(
                f"volumes of different shapes: {paths[0].name} is {shown(shape)}, but {path.name} is {shown(other)}; "
                "all trials must lie in one space"
            )
        _check_affine(affine, place, paths[0], path)
    counts = [count for *_, count in headers]
    where = str(paths[0]) if len(paths) == 1 else f"{paths[0]} and {len(paths) - 1} further files"
    notes: tuple[str, ...] = ()
    if given.mask is None:
        first = read_volumes_of(paths[0], slice(0, 1))[..., 0]
        members = np.isfinite(first) & (first != 0)
        notes = (f"no mask was given: units are the {int(members.sum()):,} voxels that are not 0 in the first volume",)
        if not members.any():
            raise InputValueError(f"every voxel of the first volume of {paths[0]} is 0 or NaN; give mask=")
    else:
        members = read_mask(given.mask, shape, affine)
    indices = np.argwhere(members)  # in C order
    units = build_units(ijk=indices, affine=affine, volume_shape=shape)
    store = KeptTrials(VolumeTrials(paths, counts, np.flatnonzero(members)))
    return Trials(store, where, units=units, modality="fmri", notes=notes, paths=tuple(paths))


def read_mask(mask: Any, shape: tuple[int, ...] | None, affine: NDArray[np.float64] | None) -> NDArray[np.bool_]:
    """Which voxels are units.

    Parameters
    ----------
    mask : path or array
        Voxels other than 0 belong to it.
    shape : tuple of int, optional
        Of the volumes.
    affine : array (4, 4), optional

    Raises
    ------
    MissingFileError, DamagedFileError, InputValueError
    """
    values, place, name = read_atlas(mask, "mask")
    if shape is not None and values.shape != tuple(shape):
        raise InputValueError(f"{name} is {shown(values.shape)}, but the volumes are {shown(shape)}")
    if affine is not None and place is not None:
        _check_affine(affine, place, Path("the volumes"), Path(name))
    members = np.isfinite(values) & (values != 0)
    if not members.any():
        raise InputValueError(f"{name} has no voxel other than 0")
    return members


def read_atlas(source: Any, what: str) -> tuple[NDArray[Any], NDArray[np.float64] | None, str]:
    """Values of a volume of labels, its affine where it has one, and its name.

    Parameters
    ----------
    source : path or array
    what : str
        For messages.
    """
    if not isinstance(source, str | Path):
        return np.asarray(source), None, f"the {what}"
    path = Path(source)
    if path.suffix == ".npy":
        from braincodec.datasets.own.formats.arrays import load_npy

        if not path.is_file():
            raise MissingFileError(path, what)
        return np.asarray(load_npy(path)), None, str(path)
    shape, affine, _ = _header(path, what)
    return read_volumes_of(path, slice(0, 1))[..., 0].reshape(shape), affine, str(path)


def read_volumes_of(path: Path, rows: slice) -> NDArray[np.float32]:
    """Some volumes of a file, shape (x, y, z, volumes)."""
    nibabel = import_optional("nibabel", PURPOSE)
    try:
        data = nibabel.load(path).dataobj
        chosen = data[..., rows] if len(data.shape) == 4 else np.asarray(data)[..., None]
        return np.asarray(chosen, np.float32)
    except (*BAD_CONTENT, nibabel.filebasedimages.ImageFileError, zlib.error) as error:
        raise DamagedFileError(f"{path} cannot be read: {error}; it may be truncated") from None


def shown(shape: Sequence[int]) -> str:
    """A shape as people write it.

    Examples
    --------
    >>> shown((81, 104, 83))
    '81 x 104 x 83'
    """
    return " x ".join(map(str, shape))


def _header(path: Path, what: str = "responses") -> tuple[tuple[int, ...], NDArray[np.float64], int]:
    """Shape of a volume, affine, and number of volumes; a file that is too short for them is refused."""
    nibabel = import_optional("nibabel", PURPOSE)
    if not path.is_file():
        raise MissingFileError(path, what)
    try:
        image = nibabel.load(path)
        shape, data = image.shape, image.dataobj
        needed = data.offset + int(np.prod(shape)) * data.dtype.itemsize
    except (*BAD_CONTENT, nibabel.filebasedimages.ImageFileError, zlib.error) as error:
        raise DamagedFileError(f"{path} cannot be read as a NIfTI file: {error}") from None
    if len(shape) == 5 and shape[3] == 1:  # as SPM and others store a series
        raise DamagedFileError(f"{path} has five dimensions, {shown(shape)}; expected (x, y, z) or (x, y, z, trials)")
    if len(shape) not in (3, 4) or 0 in shape:
        raise DamagedFileError(f"{path} is {shown(shape)}; expected a volume (x, y, z) or a series (x, y, z, trials)")
    if data.dtype.kind not in "fiu":
        raise InputValueError(f"{path} holds {data.dtype}; expected real numbers")
    if path.suffix == ".nii" and path.stat().st_size < needed:
        raise DamagedFileError(f"{path} is truncated: {path.stat().st_size:,} bytes of {needed:,}")
    return tuple(shape[:3]), np.asarray(image.affine, np.float64), shape[3] if len(shape) == 4 else 1


def _check_affine(first: NDArray[np.float64], second: NDArray[np.float64], one: Path, other: Path) -> None:
    if not np.allclose(first, second, atol=AFFINE_TOLERANCE):
        raise InputValueError(
            f"{one.name} and {other.name} have one shape but lie in different places (their affines differ by up to "
            f"{np.abs(first - second).max():.3g} mm); bring them into one space"
        )
