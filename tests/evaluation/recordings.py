"""Small recordings with known signal and noise."""

from __future__ import annotations

import numpy as np

from braincodec.datasets import Recording, Split
from braincodec.responses import build_responses, build_sensor_units, build_units
from braincodec.stimuli import StimulusSet

TRAIN = 30


def pictures(count: int, seed: int = 0, size: int = 16) -> np.ndarray:
    """Coarse random pictures, no two alike."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.kron(coarse, np.ones((1, size // 8, size // 8, 1), np.uint8))


def ids_of(count: int) -> list[str]:
    return [f"image-{number:03d}" for number in range(count)]


def recording(
    stimuli: int = 110,
    units: int = 24,
    repetitions: int = 4,
    ncsnr: np.ndarray | float = 1.0,
    subject: str = "1",
    seed: int = 0,
    ragged: bool = False,
) -> tuple[Recording, np.ndarray]:
    """A recording of voxels with overlapping regions, and its noise-free signal (stimuli, units)."""
    rng = np.random.default_rng([seed, int(subject)])
    ids = ids_of(stimuli)
    signal = rng.standard_normal((stimuli, units)) * ncsnr
    values = signal[:, None] + rng.standard_normal((stimuli, repetitions, units))
    if ragged:
        for row in range(stimuli):
            values[row, rng.integers(2, repetitions + 1) :] = np.nan
    place = np.arange(units)
    described = build_units(
        ijk=np.stack([place, place % 3, place % 5], 1),
        rois={"V1": place < units // 2, "V2": place >= units // 2, "early": place % 2 == 0},
        scores={"ncsnr": np.broadcast_to(np.asarray(ncsnr, np.float32), (units,)).copy()},
    )
    responses = build_responses(values.astype(np.float32), ids, described)
    images = StimulusSet.open(pictures(stimuli, seed), ids=ids)
    split = Split(train=ids[:TRAIN], test=ids[TRAIN:])
    return Recording("example", subject, images, responses, described, split), signal


def eeg_recording(
    stimuli: int = 60, channels: int = 5, times: int = 6, repetitions: int = 6
) -> tuple[Recording, np.ndarray]:
    """EEG whose stimuli differ from the third time on, and the noise-free signal (stimuli, channels, times)."""
    rng = np.random.default_rng(3)
    ids = ids_of(stimuli)
    signal = rng.standard_normal((stimuli, channels, times)) * (np.arange(times) >= 2)
    values = signal[:, None] + rng.standard_normal((stimuli, repetitions, channels, times))
    units = build_sensor_units([f"C{number}" for number in range(channels)], np.arange(times) / 100, repetitions)
    responses = build_responses(values.astype(np.float32), ids, units)
    images = StimulusSet.open(pictures(stimuli), ids=ids)
    return Recording("example", "1", images, responses, units, Split(train=ids[:10], test=ids[10:])), signal
