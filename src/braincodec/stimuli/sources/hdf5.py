"""Images in a dataset of an HDF5 file, such as NSD's `imgBrick`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli.sources.base import ArraySource, consecutive_runs, file_token

if TYPE_CHECKING:
    import h5py

USUAL_DATASET = "imgBrick"


class Hdf5Dataset(ArraySource):
    """A dataset read block by block; the file is open only while a block is read.

    Parameters
    ----------
    path : Path
    dataset : str, optional
        Name inside the file; otherwise ``"imgBrick"``, or the only dataset that could hold images.
    layout, value_range
        As for `ArraySource`.
    """

    def __init__(
        self,
        path: Path,
        dataset: str | None = None,
        layout: str = "auto",
        value_range: tuple[float, float] | None = None,
    ) -> None:
        if not path.is_file():
            raise MissingFileError(path, "HDF5 file of images")
        self.path = path
        with self._open() as file:
            self.dataset = _choose(file, path, dataset)
            found = file[self.dataset]
            super().__init__(f"dataset {self.dataset!r} of {path}", found.shape, found.dtype, layout, value_range)

    def _open(self) -> h5py.File:
        import h5py

        try:
            return h5py.File(self.path, "r")
        except OSError as error:
            raise DamagedFileError(f"{self.path} is no readable HDF5 file: {error}") from None

    def stored(self, index: slice | np.ndarray) -> np.ndarray:
        """A copy of the images, read in runs of consecutive positions, which is what HDF5 does fast."""
        try:
            with self._open() as file:
                return _read(file[self.dataset], index)
        except (OSError, KeyError) as error:
            raise DamagedFileError(f"{self.name} cannot be read: {error}") from None

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Size and time of the file, with the dataset's name, layout, range and positions."""
        yield file_token(self.path)
        yield f"{self.dataset},{self.layout},{self.value_range};".encode()
        yield np.asarray(positions, "<i8").tobytes()


def _read(dataset: h5py.Dataset, index: slice | np.ndarray) -> np.ndarray:
    if isinstance(index, slice):
        return np.asarray(dataset[index])
    images = np.empty((len(index), *dataset.shape[1:]), dataset.dtype)
    order = np.argsort(index, kind="stable")
    done = 0
    for run in consecutive_runs(index[order]):
        length = run.stop - run.start
        images[order[done : done + length]] = dataset[run]
        done += length
    return images


def _choose(file: h5py.File, path: Path, dataset: str | None) -> str:
    import h5py

    shapes: dict[str, tuple[int, ...]] = {}

    def note(name: str, found: Any) -> None:
        if isinstance(found, h5py.Dataset):
            shapes[name] = found.shape or ()

    file.visititems(note)
    if dataset is not None:
        name = dataset.strip("/")
        if name not in shapes:
            raise UnknownNameError("dataset", dataset, choices=shapes, where=f"in {path}")
        return name
    stacks = [name for name, shape in shapes.items() if len(shape) == 4]
    if USUAL_DATASET in stacks:
        return USUAL_DATASET
    if len(stacks) == 1 or len(shapes) == 1:
        return (stacks or list(shapes))[0]
    names = ", ".join(stacks or shapes) or "none"
    raise InputValueError(f"{path} does not say which dataset holds the images; name it with dataset=: {names}")
