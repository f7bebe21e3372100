"""Responses in HDF5 files: labelled ones as braincodec writes them, or a plain dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from braincodec.datasets.own.formats.arrays import chosen_array, from_array
from braincodec.datasets.own.formats.labelled import from_labelled
from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.trials import Trials
from braincodec.errors import DamagedFileError


class DatasetOnDisk:
    """A dataset of an HDF5 file, which is open only while it is read."""

    def __init__(self, path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.path, self.name, self.shape, self.dtype = path, name, shape, dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some rows."""
        import h5py

        try:
            with h5py.File(self.path, "r") as file:
                return np.asarray(file[self.name][rows])
        except (OSError, KeyError) as error:
            raise DamagedFileError(f"{self.path} cannot be read: {error}") from None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All of it, for layouts whose first dimension is not the trial."""
        return np.asarray(self[0 : self.shape[0]], dtype)


def read(path: Path, key: str | None, settings: OwnSettings) -> Trials:
    """Trials of a file; `key` names one of several datasets in it.

    Raises
    ------
    DamagedFileError, UnknownNameError, InputValueError
    """
    import h5py

    found: dict[str, DatasetOnDisk] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = DatasetOnDisk(path, name, item.shape, item.dtype)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(note)
    except OSError as error:
        raise DamagedFileError(f"{path} cannot be read as an HDF5 file: {error}") from None
    if key is None and {"responses", "stimulus"} <= set(found):
        from braincodec.responses import open_responses

        return from_labelled(open_responses(path), str(path), (path,))
    return from_array(chosen_array(found, key, str(path)), str(path), settings, (path,))
