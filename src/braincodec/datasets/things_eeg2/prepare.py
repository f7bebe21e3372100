"""Raw sessions prepared one at a time, and kept on disk until their files or the preparation change."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.atomic import atomic_path
from braincodec.datasets.reading import map_npy
from braincodec.datasets.things_eeg2.current_source import current_source_matrix, electrode_positions
from braincodec.datasets.things_eeg2.epochs import EpochOperator, cut_epochs, epoch_operator, zscore_by_baseline
from braincodec.datasets.things_eeg2.noise_normalisation import (
    mix_channels,
    noise_covariance,
    standardise,
    trial_blocks,
    whitening,
)
from braincodec.datasets.things_eeg2.preparation import FittedOn, Preparation
from braincodec.datasets.things_eeg2.raw_files import FILES, RawRecording, Trials, find_trials, read_raw
from braincodec.datasets.trial_rows import NpyTrials
from braincodec.errors import DamagedFileError, OutputError
from braincodec.stimuli.sources.base import file_token

FORM = 1  # of what is kept; a change makes old files count as absent
FACTS = "session.json"
PARTS = ("train", "test")


@dataclass(frozen=True)
class Session:
    """One raw session, not yet prepared.

    Attributes
    ----------
    folder : Path
        Holds both parts.
    number : int
    header : Path, optional
        Of the source data, where current source density needs it.
    """

    folder: Path
    number: int
    header: Path | None = None

    def file(self, part: str) -> Path:
        """The raw file of one part."""
        return self.folder / FILES[part]


@dataclass(frozen=True)
class PreparedSession:
    """One session on disk, ready to be read.

    Attributes
    ----------
    channels : list of str
    times : array, shape (times,)
    trials : mapping of {"train", "test"} to NpyTrials
        (trials, channels x times), float32.
    picture : mapping of {"train", "test"} to array of int, shape (trials,)
        Numbers from 1.
    """

    channels: list[str]
    times: NDArray[np.float64]
    trials: dict[str, NpyTrials]
    picture: dict[str, NDArray[np.int64]]


def prepared_session(
    session: Session,
    preparation: Preparation,
    pictures: dict[str, int],
    folder: Path,
    hint: str,
    advance: Callable[[int], None] = lambda _: None,
) -> PreparedSession:
    """One session from `folder`, prepared and written there first unless it is there already.

    Parameters
    ----------
    session : Session
    preparation : Preparation
    pictures : mapping of {"train", "test"} to int
        How many there are.
    folder : Path
    hint : str
        How to get the raw files.
    advance : callable
        Called with 1 for each channel of each part.

    Raises
    ------
    MissingFileError, DamagedFileError
        For raw files.
    OutputError
        When the disk is full, or `folder` cannot be written.
    """
    raw = {part: read_raw(session.file(part), hint) for part in PARTS}
    channels = _channels(raw, preparation)
    target = folder / f"ses-{session.number:02d}-{_name(session, preparation)}"
    if not (target / FACTS).is_file():
        try:
            with atomic_path(target) as temporary:
                temporary.mkdir()
                _prepare(session, raw, channels, preparation, pictures, temporary, advance)
        except OutputError:
            if not (target / FACTS).is_file():  # otherwise another process was quicker
                raise
    else:
        advance(len(PARTS) * len(channels))
    return _open(target)


def _channels(raw: dict[str, RawRecording], preparation: Preparation) -> list[str]:
    chosen = {part: preparation.chosen_channels(own.channels) for part, own in raw.items()}
    if chosen["train"] != chosen["test"] or raw["train"].sampling_rate != raw["test"].sampling_rate:
        raise DamagedFileError(
            f"{raw['train'].path} and {raw['test'].path} have different channels or sampling rates: "
            f"{len(chosen['train'])} and {len(chosen['test'])} chosen channels, "
            f"{raw['train'].sampling_rate:g} and {raw['test'].sampling_rate:g} Hz"
        )
    if not chosen["train"]:
        raise DamagedFileError(f"{raw['train'].path} has no channel of the {preparation.channels} ones")
    return chosen["train"]


def _name(session: Session, preparation: Preparation) -> str:
    """Changes with the preparation and with size or time of the raw files."""
    digest = hashlib.sha256(f"{FORM};{preparation.hash()};".encode())
    for path in (session.file("train"), session.file("test"), session.header):
        digest.update(b"-" if path is None else str(path.absolute()).encode() + b"\0" + file_token(path))
    return digest.hexdigest()[:16]


def _prepare(
    session: Session,
    raw: dict[str, RawRecording],
    channels: list[str],
    preparation: Preparation,
    pictures: dict[str, int],
    folder: Path,
    advance: Callable[[int], None],
) -> None:
    operator = epoch_operator(preparation, raw["train"].sampling_rate)
    mixing = None
    if session.header is not None and preparation.current_source_density:
        mixing = current_source_matrix(channels, electrode_positions(session.header), str(session.header))
    trials: dict[str, Trials] = {}
    epochs: dict[str, NDArray[np.float32]] = {}
    for part in PARTS:
        own = find_trials(raw[part], part, pictures[part], operator.window, preparation.repetitions)
        if not len(own.onset):
            raise DamagedFileError(f"{raw[part].path} holds no whole epoch")
        shape = (len(own.onset), len(channels), len(operator.times))
        trials[part], epochs[part] = own, _allocate(folder / f"{part}.npy", shape)
        cut_epochs(raw[part], channels, own.onset, operator, preparation, epochs[part], advance)
        _after_cutting(epochs[part], mixing, operator, preparation)
    _normalise(epochs, trials, preparation, str(session.folder))
    for part in PARTS:
        if not all(np.isfinite(epochs[part][rows]).all() for rows in trial_blocks(epochs[part])):
            raise DamagedFileError(f"{raw[part].path}: epochs are not finite once prepared; a channel may be constant")
        epochs[part].flush()  # type: ignore[attr-defined]
        np.save(folder / f"{part}_pictures.npy", trials[part].picture)
    facts = {"channels": channels, "times": operator.times.tolist(), "preparation": preparation.model_dump(mode="json")}
    (folder / FACTS).write_text(json.dumps(facts, indent=2))


def _allocate(path: Path, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """A file of float32, (trials, channels x times) for its readers, seen as (trials, channels, times).

    Its room is taken at once: writing to the map of a file would end the process when the disk is full.
    """
    flat = np.lib.format.open_memmap(path, "w+", np.float32, (shape[0], shape[1] * shape[2]))
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return flat.reshape(shape)


def _after_cutting(
    epochs: NDArray[np.float32], mixing: NDArray[np.float64] | None, operator: EpochOperator, preparation: Preparation
) -> None:
    if mixing is not None:
        mix_channels(epochs, mixing)
    if preparation.baseline == "zscore":
        for rows in trial_blocks(epochs):
            epochs[rows] = zscore_by_baseline(np.asarray(epochs[rows], np.float64), operator.times)


def _normalise(
    epochs: dict[str, NDArray[np.float32]], trials: dict[str, Trials], preparation: Preparation, where: str
) -> None:
    if preparation.noise_normalisation != "none":
        try:
            covariances = [
                noise_covariance(epochs[part], trials[part].picture, preparation.covariance_over)
                for part in _fitted_on(preparation.noise_normalisation)
            ]
            matrix = whitening(np.mean(covariances, axis=0))
        except DamagedFileError as error:
            raise DamagedFileError(f"{where}: {error}") from None
        for part in PARTS:
            mix_channels(epochs[part], matrix)
    if preparation.standardisation != "none":
        standardise(list(epochs.values()), [epochs[part] for part in _fitted_on(preparation.standardisation)])


def _fitted_on(choice: FittedOn) -> tuple[str, ...]:
    return PARTS if choice == "training_and_test" else PARTS[:1]


def _open(folder: Path) -> PreparedSession:
    try:
        facts = json.loads((folder / FACTS).read_text())
        channels, times = [str(name) for name in facts["channels"]], np.asarray(facts["times"], np.float64)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedFileError(f"{folder} holds no prepared session: {error}; remove it to prepare it again") from None
    trials, picture = {}, {}
    for part in PARTS:
        values = map_npy(folder / f"{part}.npy", "prepared trials", ("trial", "channel x time"))
        numbers = map_npy(folder / f"{part}_pictures.npy", "numbers of pictures", ("trial",))
        if values.shape != (len(numbers), len(channels) * len(times)):
            raise DamagedFileError(f"{folder} holds {values.shape} prepared trials of the {part} part; remove it")
        trials[part], picture[part] = NpyTrials(folder / f"{part}.npy"), np.array(numbers, np.int64)
    return PreparedSession(channels, times, trials, picture)
