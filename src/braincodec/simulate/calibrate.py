"""The scale of a simulated model's signal, measured on simulated training stimuli."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import TYPE_CHECKING

import numpy as np

from braincodec.simulate.images import PARTS_OF_TEN, RenderedImages

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.base import Encoder

# fixed, because the size of a batch changes the last bits of a sum
BATCH_SIZE = 16


def calibration_batches(preprocessing: Preprocessing, n: int, seed: int) -> Iterator[torch.Tensor]:
    """The first `n` training images of `stimuli(seed=seed)`, preprocessed, in batches of 16."""
    positions = list(islice((i for i in count() if PARTS_OF_TEN[i % 10] == "train"), n))
    source = RenderedImages(positions[-1] + 1, seed)
    for begin in range(0, n, BATCH_SIZE):
        yield preprocessing(np.stack([source.read(i) for i in positions[begin : begin + BATCH_SIZE]]))


def calibration_outputs(
    encoder: Encoder, compute: Callable[[torch.Tensor], torch.Tensor], n: int, seed: int
) -> NDArray[np.float64]:
    """What `compute`, a part of `encoder`, gives for `n` simulated training stimuli, shape (n, ...)."""
    import torch

    with torch.inference_mode():
        encoder.prepare(torch.device("cpu"), torch.float32)
        batches = calibration_batches(encoder.preprocessing, n, seed)
        return np.concatenate([compute(images).numpy().astype(np.float64) for images in batches])
