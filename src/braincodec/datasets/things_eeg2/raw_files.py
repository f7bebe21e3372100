"""Raw recordings of THINGS-EEG2: one session's training or test part, with a channel of triggers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.things_eeg2.preparation import PUBLISHED_SEED
from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.extras import import_optional
from braincodec.legacy.read import read_legacy

FILES = {"train": "raw_eeg_training.npy", "test": "raw_eeg_test.npy"}
PLACES = ("", "raw_data", "Raw_data", "Raw", "raw", "Raw_eeg")
DATA, TRIGGERS = "raw_eeg_data", "stim"
TARGET = 99999
"""Trigger of the pictures that the subject had to respond to; they are not analysed."""
MOST_REPETITIONS = {"train": 2, "test": 20}
"""Of a picture in one session, by design."""


@dataclass(frozen=True)
class RawRecording:
    """One part of one session, mapped from its file.

    Attributes
    ----------
    path : Path
    data : array, shape (channels, samples)
    channels : list of str
        Of EEG.
    rows : mapping of str to int
        Row of `data` of each channel, that of the triggers included.
    sampling_rate : float
    """

    path: Path
    data: NDArray[Any]
    channels: list[str]
    rows: dict[str, int]
    sampling_rate: float

    def channel(self, name: str) -> NDArray[np.float64]:
        """All samples of one channel, in memory."""
        return np.array(self.data[self.rows[name]], np.float64)


def session_folders(root: Path, subject: str) -> dict[int, Path]:
    """Folders of a subject's sessions, by number."""
    for place in PLACES:
        folder = root / place / f"sub-{int(subject):02d}"
        entries = folder.iterdir() if folder.is_dir() else ()
        found = {
            int(name[1]): path
            for path in entries
            if (name := re.fullmatch(r"ses-(\d+)", path.name)) and any((path / f).is_file() for f in FILES.values())
        }
        if found:
            return dict(sorted(found.items()))
    return {}


def raw_subjects(root: Path) -> list[str]:
    """Numbers of the subjects of whom there is a raw session."""
    numbers = {
        str(int(path.name[4:])) for place in PLACES for path in (root / place).glob("sub-*") if path.name[4:].isdigit()
    }
    return sorted((number for number in numbers if session_folders(root, number)), key=int)


def read_raw(path: Path, hint: str = "") -> RawRecording:
    """One part of one session.

    Raises
    ------
    MissingFileError, DamagedFileError
        `UnsafeFileError` when the file asks for code to be run.
    """
    if not path.is_file():
        raise MissingFileError(path, "raw EEG", hint)
    held = read_legacy(path)
    if not isinstance(held, dict):
        raise DamagedFileError(f"{path} holds a {type(held).__name__}; expected a dictionary with {DATA!r}")
    for key in (DATA, "ch_names", "ch_types", "sfreq"):
        if key not in held:
            raise DamagedFileError(f"{path} lacks {key!r}; it holds {', '.join(map(str, held))}")
    data, names, kinds = held[DATA], [str(n) for n in held["ch_names"]], [str(k) for k in held["ch_types"]]
    if not isinstance(data, np.ndarray) or data.dtype.kind not in "fi" or data.ndim != 2 or 0 in data.shape:
        raise DamagedFileError(
            f"{path}: {DATA!r} is {getattr(data, 'dtype', type(data).__name__)} {np.shape(data)}; "
            "expected numbers (channel, sample)"
        )
    if not len(names) == len(kinds) == len(data) or len(set(names)) < len(names):
        raise DamagedFileError(
            f"{path}: {len(set(names))} different names and {len(kinds)} types for {len(data)} channels"
        )
    if kinds.count(TRIGGERS) != 1:
        raise DamagedFileError(f"{path}: {kinds.count(TRIGGERS)} channels of type {TRIGGERS!r}; expected one")
    rows = {name: row for row, name in enumerate(names)}
    rows[TRIGGERS] = kinds.index(TRIGGERS)
    channels = [name for name, kind in zip(names, kinds, strict=True) if kind == "eeg"]
    rate = float(held["sfreq"])
    if not channels or not rate > 0:
        raise DamagedFileError(f"{path}: {len(channels)} channels of EEG at {rate} samples a second")
    return RawRecording(path, data, channels, rows, rate)


@dataclass(frozen=True)
class Trials:
    """Trials of one part of one session: by picture, then in the order of their repetitions.

    Attributes
    ----------
    onset : array of int, shape (trials,)
        Sample at which the picture came on.
    picture : array of int, shape (trials,)
        Number of the picture, from 1.
    """

    onset: NDArray[np.int64]
    picture: NDArray[np.int64]


def find_trials(
    raw: RawRecording,
    part: str,
    pictures: int,
    window: tuple[int, int],
    repetitions: Literal["recorded", "published"],
) -> Trials:
    """Trials whose whole epoch was recorded, targets left out.

    Parameters
    ----------
    raw : RawRecording
    part : {"train", "test"}
    pictures : int
        How many there are in that part.
    window : (int, int)
        First and last sample of the epoch, from onset.
    repetitions : {"recorded", "published"}
        See `Preparation`.

    Raises
    ------
    DamagedFileError
        When there are no triggers, or they name pictures that do not exist.
    """
    mne = import_optional("mne", "preparing raw EEG")
    info = mne.create_info([TRIGGERS], raw.sampling_rate, ["stim"])
    triggers = mne.io.RawArray(raw.channel(TRIGGERS)[None], info, verbose="error")
    # triggers last for one sample
    events = mne.find_events(triggers, stim_channel=TRIGGERS, shortest_event=1, verbose="error")
    events = events[events[:, 2] != TARGET]
    if not len(events):
        raise DamagedFileError(f"{raw.path} has no triggers in its channel {TRIGGERS!r}")
    if events[:, 2].max() > pictures:
        raise DamagedFileError(
            f"{raw.path}: a trigger names picture {events[:, 2].max():,}, but there are {pictures:,} in that part"
        )
    whole = (events[:, 0] + window[0] >= 0) & (events[:, 0] + window[1] < raw.data.shape[1])
    events = events[whole]
    chosen = [
        choose_repetitions(np.flatnonzero(events[:, 2] == picture), MOST_REPETITIONS[part], repetitions)
        for picture in np.unique(events[:, 2])
    ]
    order = np.concatenate([*chosen, np.empty(0, np.int64)]).astype(np.int64)
    return Trials(events[order, 0].astype(np.int64), events[order, 2].astype(np.int64))


def choose_repetitions(trials: NDArray[np.int64], most: int, how: str) -> NDArray[np.int64]:
    """The first `most`, or as many drawn with the published seed.

    Examples
    --------
    >>> choose_repetitions(np.array([4, 7, 9]), 2, "recorded").tolist()
    [4, 7]
    """
    if how == "recorded":
        return trials[:most]
    from sklearn.utils import shuffle

    drawn: NDArray[np.int64] = shuffle(trials, random_state=PUBLISHED_SEED, n_samples=min(most, len(trials)))
    return drawn
