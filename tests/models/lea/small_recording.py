"""A recording of a few voxels that see coarse images, for tests of the whole model."""

from __future__ import annotations

import numpy as np
from torch import nn

from braincodec.datasets import Recording, Split
from braincodec.features import Backbone, Preprocessing
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

GABOR = {"image_embedding": "gabor:bank", "embedding_layer": "scales.*", "embedding_pooling": "spatial_mean"}
PIXELS = {"kind": "pixel_components", "image_size": 16}
PATCHES = 4  # a side


def patches() -> dict[str, object]:
    """Mean colour of each patch as embedding: what the voxels see."""
    module = nn.Sequential(nn.AdaptiveAvgPool2d(PATCHES), nn.Flatten())
    return {"image_embedding": Backbone("patches", module, Preprocessing(resize=(32, 32))), "embedding_layer": "output"}


def recording(
    count: int = 48, voxels: int = 30, repetitions: int = 2, *, validation: int = 0, noise: float = 0.3, seed: int = 0
) -> Recording:
    """Voxels weigh the colours of 4 x 4 patches; two regions overlap, a few voxels are in none."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, PATCHES, PATCHES, 3), dtype=np.uint8)
    images = np.kron(coarse, np.ones((1, 8, 8, 1), np.uint8))
    seen = coarse.reshape(count, -1).astype(float)
    signal = (seen - seen.mean(0)) @ rng.normal(size=(seen.shape[1], voxels)) / 400
    values = signal[:, None] + noise * rng.normal(size=(count, repetitions, voxels))
    numbers = np.arange(voxels)
    rois = {"V2": (numbers % 3 == 0), "V1": (numbers % 2 == 0)}
    ijk = np.stack(np.unravel_index(numbers, (5, 6, 7)), 1)
    units = build_units(ijk=ijk, rois=rois, modality="fmri", volume_shape=(5, 6, 7))
    ids = [f"image-{number:02d}" for number in range(count)]
    responses = build_responses(values.astype(np.float32) + 3, ids, units)
    end = count - 8 - validation
    split = Split(train=ids[:end], validation=ids[end : end + validation], test=ids[-8:])
    return Recording("test", "1", StimulusSet.open(images, ids=ids), responses, units, split)
