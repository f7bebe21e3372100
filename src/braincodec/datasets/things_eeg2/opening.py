"""The trials of one subject of THINGS-EEG2, whichever files they are in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.things_eeg2.current_source import source_header
from braincodec.datasets.things_eeg2.pictures import Pictures
from braincodec.datasets.things_eeg2.preparation import PUBLISHED_SEED, Preparation
from braincodec.datasets.things_eeg2.prepare import PARTS, Session, prepared_session
from braincodec.datasets.things_eeg2.preprocessed import FILES, PreprocessedTrials, read_part
from braincodec.datasets.things_eeg2.raw_files import FILES as RAW_FILES
from braincodec.datasets.things_eeg2.raw_files import find_trials, read_raw
from braincodec.datasets.trial_arrangement import Stacked, trial_table
from braincodec.datasets.trial_rows import TrialStore
from braincodec.errors import BraincodecError, DamagedFileError
from braincodec.responses.checks import ResponseUnits


@dataclass(frozen=True)
class Found:
    """Trials of one subject, unread.

    Attributes
    ----------
    trials : TrialStore
        (trials, channels x times).
    tables : mapping of {"train", "test"} to array of int, shape (pictures, repetitions)
        Trials of each picture; -1 where it has fewer.
    channels : list of str
    times : array, shape (times,)
    response_units, preparation : str
    """

    trials: TrialStore
    tables: dict[str, NDArray[np.int64]]
    channels: list[str]
    times: NDArray[np.float64]
    response_units: ResponseUnits
    preparation: str


def preprocessed_trials(folder: Path, pictures: Pictures, hint: str) -> Found:
    """From the two files that the authors publish for each subject.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    parts = {part: read_part(folder / file, hint) for part, file in FILES.items()}
    train, test = (parts[part] for part in PARTS)
    if (
        train.channels != test.channels
        or train.times.shape != test.times.shape
        or not np.allclose(train.times, test.times)
    ):
        raise DamagedFileError(f"{train.path} and {test.path} have different channels or times")
    tables, start = {}, 0
    for part, own in parts.items():
        count, repetitions = own.data.shape[:2]
        if count != len(pictures.ids[part]):
            raise DamagedFileError(
                f"{own.path} holds {count:,} stimuli, but {len(pictures.ids[part]):,} {part} pictures are listed"
            )
        tables[part] = start + np.arange(count * repetitions).reshape(count, repetitions)
        start += count * repetitions
    trials = Stacked(*(PreprocessedTrials(own.path) for own in parts.values()))
    return Found(trials, tables, train.channels, train.times, "noise_normalised", "as published")


@dataclass(frozen=True)
class RawOptions:
    """What raw sessions are prepared with.

    Attributes
    ----------
    root : Path
    preparation : Preparation
    folder : Path
        Where prepared sessions are kept.
    hint : str
    """

    root: Path
    preparation: Preparation
    folder: Path
    hint: str


def raw_trials(
    subject: str,
    sessions: Mapping[int, Path],
    pictures: Pictures,
    options: RawOptions,
    advance: Callable[[int], None] = lambda _: None,
) -> Found:
    """From raw sessions, which are prepared first.

    Raises
    ------
    MissingFileError, DamagedFileError, OutputError
    """
    preparation = options.preparation
    counts = {part: len(ids) for part, ids in pictures.ids.items()}
    prepared = []
    for number, folder in sessions.items():
        header = None
        if preparation.current_source_density:
            header = source_header(options.root, subject, number, options.hint)
        session = Session(folder, number, header)
        prepared.append(prepared_session(session, preparation, counts, options.folder, options.hint, advance))
    first = prepared[0]
    for number, other in zip(sessions, prepared, strict=True):
        if other.channels != first.channels or not np.array_equal(other.times, first.times):
            raise DamagedFileError(f"session {number} of subject {subject} has other channels or times than the first")
    tables, start = {}, 0
    for part in PARTS:
        shown = np.concatenate([own.picture[part] for own in prepared])
        tables[part] = picture_table(shown, counts[part], start, shuffled=preparation.repetitions == "published")
        start += len(shown)
    trials = Stacked(*(own.trials[part] for part in PARTS for own in prepared))
    settings = json.dumps(preparation.model_dump(mode="json"))
    return Found(trials, tables, first.channels, first.times, _scaling(preparation), settings)


def _scaling(preparation: Preparation) -> ResponseUnits:
    """What the last step that scales leaves the responses in."""
    if preparation.standardisation != "none":
        return "zscored_within_session"
    return "original" if preparation.noise_normalisation == "none" else "noise_normalised"


def picture_table(shown: NDArray[np.int64], pictures: int, start: int, *, shuffled: bool) -> NDArray[np.int64]:
    """Trials of each picture, a row each.

    Parameters
    ----------
    shown : array of int, shape (trials,)
        Number of the picture of each trial, from 1.
    pictures : int
    start : int
        Number of the first trial.
    shuffled : bool
        Repetitions in the order that the published code gives them, which mixes sessions.

    Examples
    --------
    >>> picture_table(np.array([3, 1, 3]), 3, 10, shuffled=False).tolist()
    [[11, -1], [-1, -1], [10, 12]]
    """
    names, table = trial_table([str(number) for number in shown])
    if shuffled:
        from sklearn.utils import shuffle

        table = table[:, shuffle(np.arange(table.shape[1]), random_state=PUBLISHED_SEED)]
        table = np.take_along_axis(table, np.argsort(table < 0, axis=1, kind="stable"), axis=1)  # absent ones last
    rows = np.full((pictures, table.shape[1]), -1, np.int64)
    rows[np.array(names, np.int64) - 1] = np.where(table < 0, -1, table + start)
    return rows


def raw_problems(
    sessions: Mapping[int, Path], expected: int, pictures: Pictures, preparation: Preparation, hint: str
) -> list[str]:
    """What is wrong with raw sessions, by their headers and triggers; nothing is prepared."""
    problems = [f"session {number} is absent" for number in range(1, expected + 1) if number not in sessions]
    seen: dict[str, set[int]] = {part: set() for part in PARTS}
    for folder in sessions.values():
        for part, file in RAW_FILES.items():
            try:
                raw = read_raw(folder / file, hint)
                window = (round(preparation.start * raw.sampling_rate), round(preparation.end * raw.sampling_rate))
                seen[part] |= set(find_trials(raw, part, len(pictures.ids[part]), window, "recorded").picture.tolist())
            except BraincodecError as error:
                problems.append(str(error))
    for part, numbers in seen.items():
        absent = len(pictures.ids[part]) - len(numbers)
        if absent:
            problems.append(f"{absent:,} of {len(pictures.ids[part]):,} {part} pictures have no trial")
    return problems
