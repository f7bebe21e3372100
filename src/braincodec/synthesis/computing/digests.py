"""Short hashes of what stimuli show, by which a later run notices that they changed."""

from __future__ import annotations

import hashlib
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from braincodec.stimuli import Batch, StimulusSet
    from braincodec.stimuli.batch import Transform

CHARACTERS = 16  # hexadecimal: 64 bits, so that of a million changed stimuli none is missed by chance
UNREADABLE = "-" * CHARACTERS
IMAGES_AT_ONCE = 16


def image_digest(image: NDArray[np.uint8]) -> str:
    """Hexadecimal digest of an image's size and pixels.

    SHA-256 is computed by the processor itself on most machines, and faster there than any other in `hashlib`.

    Parameters
    ----------
    image : array of uint8, shape (height, width, 3)

    Examples
    --------
    >>> image_digest(np.zeros((2, 2, 3), np.uint8))
    'ee3ebc515c182770'
    """
    digest = hashlib.sha256(f"{image.shape[0]},{image.shape[1]};".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.hexdigest()[:CHARACTERS]


def with_digests(transform: Transform, thread: Executor) -> Transform:
    """A transform for `StimulusSet.batches` that also gives the images' digests, last in the tuple.

    Parameters
    ----------
    transform : function
        Gives a tuple.
    thread : Executor
        Computes the digests meanwhile.
    """

    def both(images: NDArray[np.uint8]) -> tuple[Any, ...]:
        digests = thread.submit(_digests, images)
        parts = transform(images)
        return (*parts, digests.result())

    return both


def _digests(images: NDArray[np.uint8]) -> NDArray[np.str_]:
    return np.array([image_digest(image) for image in images])


def digests_of(stimuli: StimulusSet, begin: int = 0, end: int | None = None) -> list[str]:
    """Digest of each stimulus from `begin` to `end` (excluded); `UNREADABLE` where one cannot be read.

    Examples
    --------
    >>> from braincodec import StimulusSet
    >>> len(digests_of(StimulusSet.open(np.zeros((3, 4, 4, 3), np.uint8)), 1))
    2
    """
    chosen = stimuli[begin:end]
    found = [UNREADABLE] * len(chosen)
    for batch in chosen.batches(IMAGES_AT_ONCE, transform=lambda images: (_digests(images),), on_bad="skip"):
        put_digests(found, batch)
    return found


def put_digests(found: list[str], batch: Batch) -> None:
    """Enter the digests of a batch that was read by `with_digests`, at the batch's positions."""
    if batch.images is not None:
        for position, digest in zip(batch.positions.tolist(), batch.images[-1].tolist(), strict=True):
            found[position] = digest
