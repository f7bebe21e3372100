"""Epochs of MNE (.fif): channels and times from the file, stimuli from its metadata or the names of its events."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.trials import KeptTrials, Trials
from braincodec.datasets.reading import BAD_CONTENT
from braincodec.datasets.trial_rows import Columns, TrialStore
from braincodec.errors import DamagedFileError, InputValueError
from braincodec.extras import import_optional

PURPOSE = "reading MNE epochs"
MICROVOLTS = 1e6  # in a volt
BAD_EPOCHS = (*BAD_CONTENT, NameError, AssertionError, struct.error)
"""What MNE raises on damaged files."""
KINDS = {"eeg": "eeg", "mag": "meg", "grad": "meg", "seeg": "ieeg", "ecog": "ieeg"}


class EpochTrials(TrialStore):
    """Epochs of a file, read when used; values of EEG in microvolts.

    Parameters
    ----------
    path : Path
    channels : list of str
    shape : (epochs, channels x times)
    scale : float
    """

    def __init__(self, path: Path, channels: list[str], shape: tuple[int, int], scale: float) -> None:
        self._path, self._channels, self._scale = path, channels, scale
        self.shape, self.chunks, self.dtype = shape, (min(64, shape[0]), shape[1]), np.dtype(np.float32)

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy."""
        try:
            chosen = _open(self._path)[rows]
            data = chosen.get_data(picks=self._channels, verbose="error")  # (epochs, channels, times)
        except BAD_EPOCHS as error:
            raise DamagedFileError(f"{self._path} cannot be read: {error}") from None
        values = (data * self._scale).astype(np.float32)
        return values.reshape(len(values), -1)[:, columns]


def read(path: Path, key: str | None, settings: OwnSettings) -> Trials:
    """Trials of an epochs file.

    Raises
    ------
    MissingExtraError
        When MNE is not installed.
    DamagedFileError
        When it cannot be read as epochs.
    InputValueError
        When it has no channel of brain activity, or of several kinds.
    """
    if key is not None:
        raise InputValueError(f"{path} holds epochs, so it takes no name of an array ({key!r})")
    epochs = _open(path)
    kinds = dict(zip(epochs.ch_names, epochs.get_channel_types(), strict=True))
    bad = set(epochs.info["bads"])
    channels = [name for name, kind in kinds.items() if kind in KINDS and name not in bad]
    found = {KINDS[kinds[name]] for name in channels}
    if len(found) != 1:
        held = ", ".join(sorted(set(kinds.values()))) or "none"
        raise InputValueError(
            f"{path} holds channels of the kinds {held}; expected one of {', '.join(set(KINDS.values()))}"
        )
    modality = found.pop()
    left_out = [name for name in kinds if name not in channels]
    notes = (f"{path.name}: channels {', '.join(left_out)} are bad or no brain activity: left out",) if left_out else ()
    shape = (len(epochs), len(channels) * len(epochs.times))
    return Trials(
        KeptTrials(EpochTrials(path, channels, shape, MICROVOLTS if modality == "eeg" else 1.0)),
        str(path),
        table=_shown(epochs),
        channels=tuple(channels),
        times=np.asarray(epochs.times, np.float64),
        modality=modality,
        response_units="microvolt" if modality == "eeg" else "original",
        notes=notes,
        paths=(path,),
    )


def _open(path: Path) -> Any:
    mne = import_optional("mne", PURPOSE)
    try:
        return mne.read_epochs(path, preload=False, verbose="error")
    except BAD_EPOCHS as error:
        raise DamagedFileError(f"{path} cannot be read as MNE epochs: {error}") from None


def _shown(epochs: Any) -> pd.DataFrame:
    """What each epoch shows: its metadata, or the name of its event."""
    if epochs.metadata is not None:
        return epochs.metadata.reset_index(drop=True)
    name_of = {code: name for name, code in epochs.event_id.items()}
    return pd.DataFrame({"stimulus": [str(name_of[code]) for code in epochs.events[:, 2]]})
