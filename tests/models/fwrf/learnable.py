"""Recordings with a signal that the network can learn: brightness and colour of quarters of an image."""

from __future__ import annotations

import numpy as np

from braincodec.datasets import Recording, Split
from braincodec.models.fwrf.recipe import FwRFRecipe
from braincodec.models.fwrf.rows import Rows
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

QUARTERS = [(slice(None, 2), slice(None, 2)), (slice(None, 2), slice(2, None)), (slice(2, None), slice(None, 2))]


def pictures(count: int, size: int = 64, seed: int = 0) -> np.ndarray:
    """Patches of colour, uint8 (count, size, size, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((1, size // 4, size // 4, 1), np.uint8)))


def signal(images: np.ndarray, units: int) -> np.ndarray:
    """Mean of one colour in one quarter, standardised, (images, units)."""
    step = images.shape[1] // 4
    coarse = images[:, ::step, ::step].astype(float)  # (images, 4, 4, 3)
    values = [coarse[:, *QUARTERS[unit % 3]].mean((1, 2))[:, unit // 3 % 3] for unit in range(units)]
    found = np.stack(values, 1)
    return (found - found.mean(0)) / found.std(0)


def recording(
    *, train: int = 8, validation: int = 3, test: int = 0, units: int = 3, repetitions: int = 1, noise: float = 0.3,
    seed: int = 0, subject: str = "1",
) -> Recording:  # fmt: skip
    """A recording of voxels, the first half of them in V1, the others in V2."""
    count = train + validation + test
    images = pictures(count, seed=seed)
    clean = signal(images, units)[:, None]  # (stimuli, 1, units)
    draws = np.random.default_rng([seed, 1]).standard_normal((count, repetitions, units))
    values = (clean + noise * draws).astype(np.float32)
    ids = [f"s{number}" for number in range(count)]
    in_v1 = np.arange(units) < (units + 1) // 2
    voxels = build_units(ijk=np.arange(3 * units).reshape(units, 3), rois={"V1": in_v1, "V2": ~in_v1})
    split = Split(ids[:train], ids[train : train + validation], ids[train + validation :])
    stimuli = StimulusSet.open(images, ids=ids)
    responses = build_responses(values if repetitions > 1 else values[:, 0], ids, voxels)
    return Recording("example", subject, stimuli, responses, voxels, split)


def rows(count: int, units: int, *, size: int = 67, seed: int = 0, noise: float = 0.2) -> Rows:
    """Examples in memory, of images that are smaller and so quicker than the network's own."""
    images = pictures(count, 68, seed)[:, :size, :size].transpose(0, 3, 1, 2)
    values = signal(pictures(count, 68, seed), units)
    values = values + noise * np.random.default_rng([seed, 2]).standard_normal(values.shape)
    known = np.ones(units, bool)
    responses = values.astype(np.float32)
    return Rows(np.ascontiguousarray(images), responses, np.arange(count), known, known, f"{seed} {count} {units}")


def recipe(**changes: object) -> FwRFRecipe:
    """Settings for few examples: gentle, quick."""
    return FwRFRecipe.parse(
        {"epochs": 2, "batch_size": 8, "dropout": 0.1, "sparsity": 0.01, "alternating": False} | changes
    )
