"""Encoders side by side over the same images: what they have in common is computed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.base import Encoder


def distinct_preprocessings(encoders: Sequence[Encoder]) -> tuple[Preprocessing, ...]:
    """In how many ways, and in which, images must be prepared for all of the encoders."""
    return tuple(dict.fromkeys(one for encoder in encoders for one in encoder.preprocessings))


def preprocess(
    preprocessings: Sequence[Preprocessing],
) -> Callable[[NDArray[np.uint8]], tuple[torch.Tensor, ...]]:
    """A transform for `StimulusSet.batches`: images in each of the preprocessings."""
    known = tuple(preprocessings)

    def transform(images: NDArray[np.uint8]) -> tuple[torch.Tensor, ...]:
        return tuple(one(images) for one in known)

    return transform


def predict_each(encoders: Sequence[Encoder], images: Mapping[Preprocessing, torch.Tensor]) -> list[torch.Tensor]:
    """Responses of each encoder, in order; what encoders of equal `shared_key` share is computed once, and then let go.

    Parameters
    ----------
    encoders : sequence of Encoder
        Prepared; of any kinds and shapes of response.
    images : mapping of Preprocessing to torch.Tensor
        The same images as each of the encoders' preprocessings gives them.

    Returns
    -------
    list of torch.Tensor, each (batch, *response_shape), float32
    """
    alike: dict[object, list[int]] = {}
    for number, encoder in enumerate(encoders):
        key = encoder.shared_key()
        alike.setdefault(number if key is None else (key, encoder.preprocessing), []).append(number)
    found: dict[int, torch.Tensor] = {}
    for numbers in alike.values():
        first = encoders[numbers[0]]
        if first.shared_key() is None:
            found[numbers[0]] = first.predict(*(images[one] for one in first.preprocessings))
            continue
        shared = first.shared(images[first.preprocessing])
        for number in numbers:
            found[number] = encoders[number].readout(shared)
        del shared  # before the next ones make theirs
    return [found[number] for number in range(len(encoders))]
