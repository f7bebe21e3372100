"""The responses of one session, from each form in which they are published."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.nsd.files import image_shape, open_image, read_values, reading, squeezed
from braincodec.datasets.nsd.published import BETAS_PER_UNIT
from braincodec.errors import DamagedFileError, MissingFileError

HDF5_KEY = "betas"
WHAT = "responses of a session"
Positions = NDArray[np.int32]


class Session(Protocol):
    """Trials x units of one session."""

    trials: int
    scale: float
    """Factor from what is stored to percent of signal change."""

    def __getitem__(self, trials: slice) -> NDArray[Any]:
        """Some consecutive trials, shape (trials, units), as they are stored."""


class InMemory:
    """The chosen voxels of one session, as they are stored.

    Parameters
    ----------
    values : array, shape (trials, units)
    """

    def __init__(self, values: NDArray[Any]) -> None:
        self._values = values
        self.trials = len(values)
        self.scale = scale_of(values.dtype)

    def __getitem__(self, trials: slice) -> NDArray[Any]:
        return self._values[trials]


class Hemispheres:
    """The chosen vertices of both hemispheres of one session, read trial by trial.

    Parameters
    ----------
    files : sequence of Path
        Left, right.
    vertices : sequence of array of int
        Of each.
    """

    def __init__(self, files: tuple[Path, ...], vertices: tuple[NDArray[np.int32], ...]) -> None:
        self._files, self._vertices = files, vertices
        self._images = [open_image(path, WHAT) for path in files]
        counts = {image_shape(image)[-1] for image in self._images}
        if len(counts) != 1:
            raise DamagedFileError(f"{' and '.join(map(str, files))} hold different numbers of trials: {counts}")
        self.trials = int(counts.pop())
        self.scale = scale_of(self._images[0].get_data_dtype())

    def __getitem__(self, trials: slice) -> NDArray[Any]:
        blocks = []
        for path, image, vertices in zip(self._files, self._images, self._vertices, strict=True):
            with reading(path, WHAT):
                # in the file a trial is one run of vertices
                block = np.asarray(image.dataobj[..., trials])  # (vertices, 1, 1, trials)
            blocks.append(block.reshape(-1, block.shape[-1]).T[:, vertices])
        return np.concatenate(blocks, axis=1)


def scale_of(dtype: np.dtype[Any]) -> float:
    """Whole numbers are 300 to a percent; the surface files hold percent.

    Examples
    --------
    >>> scale_of(np.dtype("float32"))
    1.0
    """
    return 1 / BETAS_PER_UNIT if dtype.kind in "iu" else 1.0


def read_nifti(path: Path, ijk: Positions) -> InMemory:
    """Chosen voxels of a compressed series of volumes, which can only be read from its beginning.

    Parameters
    ----------
    path : Path
    ijk : array, shape (units, 3)
    """
    image = open_image(path, WHAT)
    *shape, trials = image_shape(image)
    stored, slope, intercept = image.get_data_dtype(), image.dataobj.slope, image.dataobj.inter
    whole = stored.kind in "iu" and (slope, intercept) == (1, 0)
    values = np.empty((trials, len(ijk)), stored.newbyteorder("=") if whole else np.float32)
    places = np.ravel_multi_index(tuple(ijk.T), tuple(shape), order="F")  # the first axis runs fastest in the file
    with reading(path, WHAT), gzip.open(path) as file:
        file.seek(int(image.dataobj.offset))
        for trial in range(trials):
            volume = np.frombuffer(file.read(math.prod(shape) * stored.itemsize), stored)[places]
            values[trial] = volume if whole else volume * slope + intercept
        if file.read(1):  # only at the end does gzip compare the checksum
            raise DamagedFileError(f"{path} cannot be read: it goes on after the {trials} volumes that it declares")
    return InMemory(values)


def read_hdf5(path: Path, ijk: Positions) -> InMemory:
    """Chosen voxels of an HDF5 file, in which all trials of a voxel lie together.

    The file was written by MATLAB as (i, j, k, trial), which is (trial, k, j, i) here.
    """
    import h5py

    i, j, k = ijk.T
    with reading(path, WHAT), h5py.File(path, "r") as file:
        stored = file[HDF5_KEY]
        values = np.empty((stored.shape[0], len(ijk)), np.int16 if stored.dtype == np.int16 else np.float32)
        for plane in np.unique(k):
            own = np.flatnonzero(k == plane)
            first_j, first_i = j[own].min(), i[own].min()
            block = stored[:, plane, first_j : j[own].max() + 1, first_i : i[own].max() + 1]  # (trial, j, i)
            values[:, own] = block[:, j[own] - first_j, i[own] - first_i]
    return InMemory(values)


def volume_trials(path: Path, shape: tuple[int, int, int]) -> int:
    """How many trials a file of volumes holds, from its header; see `surface_trials`."""
    if path.suffix == ".hdf5":
        found = _hdf5_shape(path)
        expected: tuple[int, ...] = shape[::-1]
        spatial, trials = found[1:], found[:1]
    else:
        found = image_shape(open_image(path, WHAT))
        spatial, trials, expected = found[:3], found[3:], shape
    if spatial != expected or len(trials) != 1 or not trials[0]:
        raise DamagedFileError(f"{path} has shape {found}; expected a series of volumes {shape}")
    return int(trials[0])


def surface_trials(path: Path, vertices: int) -> int:
    """How many trials a file of one hemisphere holds, from its header.

    Raises
    ------
    MissingFileError
    DamagedFileError
        When the file is shorter than it says, or of another shape.
    """
    found = image_shape(open_image(path, WHAT))
    if len(found) != 4 or found[0] != vertices or squeezed(found[:3]) != (vertices,):
        raise DamagedFileError(f"{path} has shape {found}; expected ({vertices}, 1, 1, trials)")
    return int(found[3])


def read_map(path: Path, what: str, shape: tuple[int, ...], hint: str = "") -> NDArray[np.float32]:
    """One number for each voxel or vertex, such as the ncsnr."""
    return read_values(path, what, shape, hint).astype(np.float32)


def _hdf5_shape(path: Path) -> tuple[int, ...]:
    import h5py

    if not path.is_file():
        raise MissingFileError(path, WHAT)
    with reading(path, WHAT), h5py.File(path, "r") as file:
        if HDF5_KEY not in file:
            raise DamagedFileError(f"{path} has no dataset {HDF5_KEY!r} (it holds {', '.join(file) or 'nothing'})")
        return tuple(file[HDF5_KEY].shape)
