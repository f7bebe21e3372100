"""Images of hardly any contrast, which no hash can tell apart: their pixels are compared."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from braincodec.stimuli.copies.matching import (
    LOW_CONTRAST,
    THUMBNAIL_CORRELATION,
    Side,
    Thumbnails,
)
from braincodec.stimuli.copies.perceptual_hash import LUMINANCE, Fingerprints, averaging

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet

# grey levels of 255 by which two thumbnails may differ anywhere, and two flat images on average
STEP = 2
# of pairs whose pixels are read again; only a set of many flat images has more
MOST_COMPARED = 10_000
IMAGES_KEPT = 32


class FlatPairs(NamedTuple):
    """Pairs with an image of low contrast that are nearly identical.

    Attributes
    ----------
    pairs : array of int, shape (pairs, 2)
        Rows of training and test images.
    notes : tuple of str
        Sentences for the report; none where every image has contrast.
    """

    pairs: NDArray[np.intp]
    notes: tuple[str, ...]


def compare_flat(images: StimulusSet, ids: tuple[Sequence[str], Sequence[str]], sides: tuple[Side, Side]) -> FlatPairs:
    """Find the pairs with an image of low contrast that are nearly identical, and say that there are such images.

    Parameters
    ----------
    images : StimulusSet
    ids : (training ids, test ids)
    sides : (Side, Side)
        With fingerprints.
    """
    train, test = (side.prints for side in sides)
    assert train is not None
    assert test is not None
    flat = [int(Thumbnails.of(prints.thumbnail).flat.sum()) for prints in (train, test)]
    if not any(flat):
        return FlatPairs(np.empty((0, 2), np.intp), ())

    @functools.lru_cache(maxsize=IMAGES_KEPT)
    def pixels(item: str) -> NDArray[np.uint8]:
        return images[item]

    compared, beyond, alike = 0, 0, []
    for row, column in flat_candidates(train, test):
        if compared == MOST_COMPARED:
            beyond += 1
            continue
        compared += 1
        if same_picture(pixels(ids[0][row]), pixels(ids[1][column])):
            alike.append((row, column))
    words = (
        f"{flat[0]} training and {flat[1]} test images have hardly any contrast at low resolution, so that hashes "
        f"cannot tell them apart; they were compared pixel by pixel ({compared:,} pairs)"
    )
    more = (f"{beyond:,} further pairs of such images were not compared",) if beyond else ()
    return FlatPairs(np.array(alike, np.intp).reshape(-1, 2), (words, *more))


def flat_candidates(train: Fingerprints, test: Fingerprints) -> Iterator[tuple[int, int]]:
    """Pairs with an image of low contrast whose thumbnails agree; identical images are left out.

    Yields
    ------
    train, test : int
        Rows, sorted by test image.
    """
    train_flat, test_flat = (Thumbnails.of(prints.thumbnail).flat for prints in (train, test))
    thumbnails = train.thumbnail.reshape(len(train.thumbnail), -1).astype(np.int16)
    for column, thumbnail in enumerate(test.thumbnail.reshape(len(test.thumbnail), -1).astype(np.int16)):
        rows = np.arange(len(train_flat)) if test_flat[column] else np.flatnonzero(train_flat)
        # a few pixels rule most images out
        rows = rows[(np.abs(thumbnails[rows, ::97] - thumbnail[::97]) <= STEP).all(1)]
        near = (np.abs(thumbnails[rows] - thumbnail) <= STEP).all(1)
        different = (train.digest[rows] != test.digest[column]).any(1)
        for row in rows[near & different]:
            yield int(row), column


def same_picture(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> bool:
    """Whether two images agree at full resolution, or at that of the smaller one.

    Images with contrast must correlate as thumbnails have to; two flat images may differ by two grey levels on average.

    Parameters
    ----------
    first, second : array of uint8, shape (height, width, 3)

    Examples
    --------
    >>> stripes = np.tile(np.array([0, 255], np.uint8), (8, 4))[:, :, None].repeat(3, 2)
    >>> same_picture(stripes, stripes), same_picture(stripes, 255 - stripes)
    (True, False)
    """
    height, width = (min(sizes) for sizes in zip(first.shape[:2], second.shape[:2], strict=True))
    patterns = []
    for image in (first, second):
        grey = image.astype(np.float32) @ LUMINANCE
        grey = averaging(image.shape[0], height) @ grey @ averaging(image.shape[1], width).T
        patterns.append(grey.astype(np.float64))
    deviations = [pattern.std() for pattern in patterns]
    if max(deviations) < LOW_CONTRAST:
        return float(np.abs(patterns[0] - patterns[1]).mean()) <= STEP
    if min(deviations) < LOW_CONTRAST:
        return False
    a, b = (pattern - pattern.mean() for pattern in patterns)
    return float((a * b).mean() / (deviations[0] * deviations[1])) >= THUMBNAIL_CORRELATION
