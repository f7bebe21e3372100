"""THINGS-EEG2, small: preprocessed dictionaries, raw sessions with triggers, and the image set."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.extras import import_optional
from braincodec.simulate.layouts.known_signal import coarse_pictures, linear_signal

RAW_CHANNELS = ("Pz", "P3", "O1", "Oz", "O2", "Fp1", "Cz", "T7", "C4")
PREPROCESSED_CHANNELS = ("Pz", "O1", "Oz", "O2")
RATE = 1000  # samples a second
TARGET = 99999
SPACING, LEAD = 200, 400  # samples between pictures, and before the first
PEAK, WIDTH = 0.15, 0.05  # seconds, of the response to a picture
VOLT = 1e-6
NAMES = ("aardvark", "abacus", "anchor", "apple", "axe", "bagel", "balloon", "banjo", "basket", "bear", "bell", "belt")


def write_things_eeg2(
    folder: str | Path,
    *,
    subjects: int = 1,
    version: Literal["preprocessed", "raw"] = "preprocessed",
    concepts: int = 4,
    per_concept: int = 3,
    test: int = 3,
    train_repetitions: int = 4,
    test_repetitions: int = 8,
    sessions: int = 4,
    times: int = 20,
    bare_pickle: bool = False,
    source_data: bool = False,
    size: int = 16,
    seed: int = 0,
) -> Path:
    """Write the layout of THINGS-EEG2.

    Parameters
    ----------
    folder : path
    subjects : int
    version : {"preprocessed", "raw"}
    concepts, per_concept, test : int
        Training pictures are `concepts` x `per_concept`; each test picture is of a concept of its own.
    train_repetitions, test_repetitions : int
        Of each picture. In raw data a session holds half of the training pictures, half of whose repetitions, and a
        fourth of the test repetitions of all test pictures.
    sessions : int
        Of raw data; each training picture is shown in two of them.
    times : int
        Of preprocessed epochs.
    bare_pickle : bool
        Whether the preprocessed files are pickles, as some published ones are.
    source_data : bool
        Whether raw sessions come with the header that tells where the electrodes were; needs MNE.
    size : int
        Of the pictures, pixels.
    seed : int

    Returns
    -------
    Path
        `folder`.

    Examples
    --------
    >>> import tempfile
    >>> sorted(path.name for path in write_things_eeg2(tempfile.mkdtemp()).iterdir())
    ['Preprocessed', 'image_set']
    """
    if min(subjects, concepts, per_concept, test, sessions) < 1 or sessions % 2 or train_repetitions % 2:
        raise InputValueError("counts must be positive, sessions and repetitions of training even")
    folder = Path(folder)
    pictures = _write_pictures(folder / "image_set", concepts, per_concept, test, size, np.random.default_rng(seed))
    channels = RAW_CHANNELS if version == "raw" else PREPROCESSED_CHANNELS
    for subject in range(1, subjects + 1):
        rng = np.random.default_rng([seed, subject])
        both = np.concatenate([pictures["train"], pictures["test"]])
        signal = linear_signal(both, len(channels), rng)
        amplitude = {"train": signal[: len(pictures["train"])], "test": signal[len(pictures["train"]) :]}
        repetitions = {"train": train_repetitions, "test": test_repetitions}
        if version == "preprocessed":
            place = folder / "Preprocessed" / f"sub-{subject:02d}"
            _write_preprocessed(place, amplitude, repetitions, times, rng, bare=bare_pickle)
        else:
            _write_raw(folder, subject, amplitude, repetitions, sessions, rng, source_data=source_data)
    return folder


def response_shape(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Course of the response to a picture: a bump after onset, 0 to 1."""
    bump: NDArray[np.float64] = np.exp(-(((times - PEAK) / WIDTH) ** 2) / 2)
    return bump


def _write_pictures(
    folder: Path, concepts: int, per_concept: int, test: int, size: int, rng: np.random.Generator
) -> dict[str, NDArray[np.uint8]]:
    from PIL import Image

    pictures = {
        "train": coarse_pictures(concepts * per_concept, size, rng),
        "test": coarse_pictures(test, size, rng),
    }
    named = [
        NAMES[number % len(NAMES)] + (str(number // len(NAMES)) if number >= len(NAMES) else "")
        for number in range(concepts + test)
    ]
    concept_of = {"train": list(np.repeat(named[:concepts], per_concept)), "test": named[concepts:]}
    metadata: dict[str, list[str]] = {}
    for part, shown in pictures.items():
        top = folder / ("training_images" if part == "train" else "test_images")
        number_of = {concept: number for number, concept in enumerate(dict.fromkeys(concept_of[part]), start=1)}
        folders = [f"{number_of[concept]:05d}_{concept}" for concept in concept_of[part]]
        files = [f"{concept}_{place % per_concept + 1:02d}b.png" for place, concept in enumerate(concept_of[part])]
        for picture, concept, file in zip(shown, folders, files, strict=True):
            (top / concept).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(top / concept / file)
        metadata |= {f"{part}_img_concepts": folders, f"{part}_img_files": files}
    np.save(folder / "image_metadata.npy", np.array(metadata, dtype=object), allow_pickle=True)
    return pictures


def _write_preprocessed(
    folder: Path,
    amplitude: dict[str, NDArray[np.float64]],
    repetitions: dict[str, int],
    times: int,
    rng: np.random.Generator,
    *,
    bare: bool,
) -> None:
    folder.mkdir(parents=True)
    seconds = -0.2 + np.arange(times) / 100
    for part, file in (("train", "preprocessed_eeg_training.npy"), ("test", "preprocessed_eeg_test.npy")):
        course = amplitude[part][:, None, :, None] * response_shape(seconds + 0.2)  # (picture, 1, channel, time)
        shape = (len(course), repetitions[part], *course.shape[2:])
        data = course + rng.standard_normal(shape)
        held = {"preprocessed_eeg_data": data, "ch_names": list(PREPROCESSED_CHANNELS), "times": seconds}
        _save(folder / file, held, bare=bare)


def _write_raw(
    folder: Path,
    subject: int,
    amplitude: dict[str, NDArray[np.float64]],
    repetitions: dict[str, int],
    sessions: int,
    rng: np.random.Generator,
    *,
    source_data: bool,
) -> None:
    numbers = {part: np.arange(1, len(own) + 1) for part, own in amplitude.items()}
    mixing = rng.standard_normal((len(RAW_CHANNELS), len(RAW_CHANNELS)))  # noise is correlated over channels
    for session in range(1, sessions + 1):
        place = folder / "raw_data" / f"sub-{subject:02d}" / f"ses-{session:02d}"
        place.mkdir(parents=True)
        halves = np.array_split(numbers["train"], 2)  # sessions take turns
        shown = {
            "train": np.repeat(halves[(session - 1) % 2], repetitions["train"] // 2),
            "test": np.repeat(numbers["test"], max(repetitions["test"] // sessions, 1)),
        }
        for part, file in (("train", "raw_eeg_training.npy"), ("test", "raw_eeg_test.npy")):
            order = np.insert(rng.permutation(shown[part]), 1, TARGET)
            data = _continuous(order, amplitude[part], mixing, rng)
            held = {
                "raw_eeg_data": data,
                "ch_names": [*RAW_CHANNELS, "stim"],
                "ch_types": ["eeg"] * len(RAW_CHANNELS) + ["stim"],
                "sfreq": RATE,
                "highpass": 0.01,
                "lowpass": 100,
            }
            _save(place / file, held, bare=False)
        if source_data:
            _write_header(folder, subject, session)


def _continuous(
    order: NDArray[np.int64], amplitude: NDArray[np.float64], mixing: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """(channels and triggers, samples), volts; the potentials drift, as they do."""
    samples = 2 * LEAD + SPACING * len(order) + RATE
    data = np.zeros((len(RAW_CHANNELS) + 1, samples))
    noise = np.cumsum(rng.standard_normal((len(RAW_CHANNELS), samples)), axis=1) * 0.02
    data[:-1] = mixing @ (noise + 0.3 * rng.standard_normal(noise.shape)) + 20.0
    course = response_shape(np.arange(RATE) / RATE)
    for place, number in enumerate(order):
        onset = LEAD + SPACING * place
        data[-1, onset] = number
        if number != TARGET:
            data[:-1, onset : onset + RATE] += 3 * amplitude[number - 1][:, None] * course
    data[:-1] *= VOLT
    return data


def _write_header(folder: Path, subject: int, session: int) -> None:
    """A recording of BrainVision without content, whose header tells where the electrodes were."""
    montage = import_optional("mne", "positions of electrodes").channels.make_standard_montage("biosemi64")
    positions = montage.get_positions()["ch_pos"]
    name = f"sub-{subject:02d}_ses-{session:02d}_task-test_eeg"
    place = folder / "source_data" / f"sub-{subject:02d}" / f"ses-{session:02d}" / "eeg"
    place.mkdir(parents=True)
    lines = [
        "Brain Vision Data Exchange Header File Version 1.0", "", "[Common Infos]", f"DataFile={name}.eeg",
        f"MarkerFile={name}.vmrk", "DataFormat=BINARY", "DataOrientation=MULTIPLEXED",
        f"NumberOfChannels={len(RAW_CHANNELS)}", f"SamplingInterval={1_000_000 // RATE}", "", "[Binary Infos]",
        "BinaryFormat=IEEE_FLOAT_32", "", "[Channel Infos]",
        *(f"Ch{number}={channel},,1,µV" for number, channel in enumerate(RAW_CHANNELS, start=1)), "", "[Coordinates]",
        *(f"Ch{number}={_spherical(positions[channel])}" for number, channel in enumerate(RAW_CHANNELS, start=1)), "",
    ]  # fmt: skip
    (place / f"{name}.vhdr").write_text("\n".join(lines), encoding="utf-8")
    markers = [
        "Brain Vision Data Exchange Marker File, Version 1.0",
        "",
        "[Common Infos]",
        f"DataFile={name}.eeg",
        "",
        "[Marker Infos]",
        "",
    ]
    (place / f"{name}.vmrk").write_text("\n".join(markers), encoding="utf-8")
    (place / f"{name}.eeg").write_bytes(bytes(4 * 10 * len(RAW_CHANNELS)))


def _spherical(position: Sequence[float]) -> str:
    """Radius, inclination and azimuth as BrainVision writes them, degrees."""
    x, y, z = position
    radius = float(np.sqrt(x * x + y * y + z * z))
    return f"1,{np.degrees(np.arccos(z / radius)):.4f},{np.degrees(np.arctan2(y, x)):.4f}"


def _save(path: Path, held: dict[str, Any], *, bare: bool) -> None:
    if bare:
        path.write_bytes(pickle.dumps(held, protocol=4))
    else:
        np.save(path, np.array(held, dtype=object), allow_pickle=True)
