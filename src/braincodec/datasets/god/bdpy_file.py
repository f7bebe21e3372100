"""Recordings in the form of bdpy's BData: HDF5 with a table of samples, and rows that say what each column is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.god.files import GodFile
from braincodec.datasets.god.labels import stimulus_name
from braincodec.datasets.trial_arrangement import ChosenUnits
from braincodec.datasets.trial_rows import Hdf5Trials, TrialStore
from braincodec.errors import DamagedFileError

TABLES = ("dataset", "dataSet")
DESCRIPTIONS = ("metadata", "metaData")
VOXELS, KIND = "VoxelData", "DataType"
NAMES = ("stimulus_name", "image_id", "stimulus_id", "Label")
"""Columns that may tell the picture, the plainest first."""
TRAIN_KIND, TEST_KIND = 1, 2  # 3 is imagery, which nobody saw
REGION = "ROI_"
COORDINATES = ("voxel_x", "voxel_y", "voxel_z")  # millimetres
READ_ERRORS = (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError, UnicodeDecodeError)


class Rows(Hdf5Trials):
    """Some samples of the table, in the order of the file."""

    def __init__(self, path: Path, dataset: str, rows: NDArray[np.int64]) -> None:
        super().__init__(path, dataset)
        self._rows = rows
        self.shape = (len(rows), self.shape[1])

    def read(self, rows: slice, columns: Any) -> NDArray[Any]:
        """Read from the first to the last of them at once, since parts of an experiment lie together."""
        wanted = self._rows[rows]
        if not len(wanted):
            return super().read(slice(0, 0), columns)
        block = super().read(slice(int(wanted[0]), int(wanted[-1]) + 1), columns)
        return block[wanted - wanted[0]]


class BDataFile:
    """The table of a BData file and what its columns are; samples stay in the file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DamagedFileError
        When it is no HDF5 file, or none of this form.

    Notes
    -----
    New files hold ``dataset``, ``metadata`` and ``vmap``, older ones ``dataSet`` and ``metaData``. A row of the
    metadata is 1 for the columns that its key names and NaN for the others. ``vmap/<key>/<number>`` gives the text that
    a number in a column stands for.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with h5py.File(path, "r") as file:
                self.table = next(name for name in TABLES if name in file)
                self.shape = file[self.table].shape
                described = file[next(name for name in DESCRIPTIONS if name in file)]
                self.keys = [_text(key) for key in described["key"][:].tolist()]
                self._values = np.asarray(described["value"], np.float64)
                self._words = {
                    key: {float(number): _text(word[()]) for number, word in words.items()}
                    for key, words in file.get("vmap", {}).items()
                }
        except StopIteration:
            raise DamagedFileError(f"{path} holds no dataset with metadata, as files of bdpy do") from None
        except READ_ERRORS as error:
            raise DamagedFileError(f"{path} cannot be read as a file of bdpy: {error}") from None
        if len(self.shape) != 2 or self._values.shape != (len(self.keys), self.shape[1]):
            raise DamagedFileError(
                f"{path}: {len(self.keys)} keys and metadata of shape {self._values.shape} do not describe a table of "
                f"shape {self.shape}"
            )

    def columns(self, key: str) -> NDArray[np.int64]:
        """Columns that a key names."""
        return np.flatnonzero(self.metadata(key) == 1)

    def metadata(self, key: str) -> NDArray[np.float64]:
        """What a key says of each column."""
        if key not in self.keys:
            raise DamagedFileError(f"{self.path} has no {key!r}; it has {', '.join(self.keys)}")
        row: NDArray[np.float64] = self._values[self.keys.index(key)]
        return row

    def numbers(self, key: str) -> NDArray[np.float64]:
        """The one column that a key names, shape (samples,)."""
        columns = self.columns(key)
        if len(columns) != 1:
            raise DamagedFileError(f"{self.path}: {key!r} names {len(columns)} columns; expected one")
        try:
            with h5py.File(self.path, "r") as file:
                return np.asarray(file[self.table][:, int(columns[0])], np.float64)
        except READ_ERRORS as error:
            raise DamagedFileError(f"{self.path} cannot be read: {error}") from None

    def stimuli(self, rows: NDArray[np.int64]) -> list[str]:
        """Names of the pictures of some samples.

        Raises
        ------
        DamagedFileError
            When no column tells them.
        """
        known = [key for key in NAMES if key in self.keys]
        problem = f"it has none of {', '.join(NAMES)}"
        for key in known:
            words = self._words.get(key, {})
            try:
                return [_name(number, words) for number in self.numbers(key)[rows]]
            except ValueError as error:
                problem = f"{key!r}: {error}"
        raise DamagedFileError(f"{self.path} does not tell which picture each sample shows: {problem}")


def read_bdpy_file(path: Path, names: dict[str, list[str]]) -> GodFile:
    """One subject from ``Subject1.h5``.

    Parameters
    ----------
    path : Path
    names : mapping of {"train", "test"} to list of str
        Known pictures.

    Raises
    ------
    DamagedFileError
    """
    file = BDataFile(path)
    voxels = file.columns(VOXELS)
    if not len(voxels):
        raise DamagedFileError(f"{path} holds no {VOXELS}")
    kinds = file.numbers(KIND)
    rows = {"train": np.flatnonzero(kinds == TRAIN_KIND), "test": np.flatnonzero(kinds == TEST_KIND)}
    shown = {part: file.stimuli(own) for part, own in rows.items()}
    for part, own in shown.items():
        _refuse_unknown(path, part, own, names[part])
    masks = {key.removeprefix(REGION): file.metadata(key)[voxels] == 1 for key in file.keys if key.startswith(REGION)}
    if not any(mask.any() for mask in masks.values()):
        raise DamagedFileError(f"{path} holds no region ({REGION}...); it has {', '.join(file.keys)}")
    trials: dict[str, TrialStore] = {
        part: ChosenUnits(Rows(path, file.table, own), voxels) for part, own in rows.items()
    }
    coordinates = {key: file.metadata(key)[voxels] for key in COORDINATES if key in file.keys}
    return GodFile(path, trials["train"], trials["test"], shown["train"], shown["test"], None, masks, coordinates)


def _refuse_unknown(path: Path, part: str, shown: Sequence[str], known: Sequence[str]) -> None:
    if not shown:
        raise DamagedFileError(f"{path} holds no samples of the {part} part ({KIND})")
    unknown = sorted(set(shown) - set(known))
    if unknown:
        raise DamagedFileError(
            f"{path}: {len(unknown)} pictures of the {part} part are not among the {len(known)} image files, "
            f"the first is {unknown[0]!r}"
        )


def _name(number: float, words: dict[float, str]) -> str:
    word = words.get(number)
    return stimulus_name(f"{number:.6f}") if word is None else word.partition(".")[0]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)
