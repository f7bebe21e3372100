"""Recordings of THINGS-EEG2 as the authors publish them preprocessed: one dictionary for each part."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.trial_rows import ArrayTrials
from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.legacy.read import read_legacy

FILES = {"train": "preprocessed_eeg_training.npy", "test": "preprocessed_eeg_test.npy"}
DATA = "preprocessed_eeg_data"
PLACES = ("", "Preprocessed", "preprocessed", "preprocessed_data", "Preprocessed_data", "Preprocessed_data_250Hz")


class PreprocessedPart(NamedTuple):
    """One part of a recording: (stimuli, repetitions, channels, times), mapped from its file."""

    path: Path
    data: NDArray[Any]
    channels: list[str]
    times: NDArray[np.float64]


class PreprocessedTrials(ArrayTrials):
    """Trials of one part, (stimuli x repetitions, channels x times); sent to another process as a path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        data = read_part(path).data
        super().__init__(data.reshape(data.shape[0] * data.shape[1], -1))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path,)


def preprocessed_folders(root: Path) -> dict[str, Path]:
    """Folder of each subject of whom there is a preprocessed part, by number."""
    for place in PLACES:
        found = {
            str(int(path.name[4:])): path
            for path in (root / place).glob("sub-*")
            if path.name[4:].isdigit() and any((path / name).is_file() for name in FILES.values())
        }
        if found:
            return found
    return {}


def read_part(path: Path, hint: str = "") -> PreprocessedPart:
    """One part of a recording: a pickled dictionary, in a .npy file or bare.

    Raises
    ------
    MissingFileError, DamagedFileError
        `UnsafeFileError` when the file asks for code to be run.
    """
    if not path.is_file():
        raise MissingFileError(path, "preprocessed EEG", hint)
    held = read_legacy(path)
    if not isinstance(held, dict):
        raise DamagedFileError(f"{path} holds a {type(held).__name__}; expected a dictionary with {DATA!r}")
    for key in (DATA, "ch_names", "times"):
        if key not in held:
            raise DamagedFileError(f"{path} lacks {key!r}; it holds {', '.join(map(str, held))}")
    data = held[DATA]
    if not isinstance(data, np.ndarray) or data.dtype.kind != "f" or data.ndim != 4 or 0 in data.shape:
        raise DamagedFileError(
            f"{path}: {DATA!r} is {getattr(data, 'dtype', type(data).__name__)} {np.shape(data)}; "
            "expected numbers (stimulus, repetition, channel, time)"
        )
    channels = [str(name) for name in held["ch_names"]]
    times = np.asarray(held["times"], np.float64)
    # some files list the trigger channel, of which there are no data
    channels = channels[:-1] if len(channels) == data.shape[2] + 1 and channels[-1] == "stim" else channels
    if len(channels) != data.shape[2] or times.shape != data.shape[3:]:
        raise DamagedFileError(
            f"{path}: {len(channels)} channel names and {times.size} times for data of shape {data.shape}"
        )
    return PreprocessedPart(path, data, channels, times)
