"""Pairs of images that are the same picture: by pixels, by hash, by features; blocks of all pairs at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.memory import tiles
from braincodec.stimuli.copies.perceptual_hash import LUMINANCE, THUMBNAIL_SIDE, Fingerprints, hamming_distances

# in this order of strength; a pair counts under the first that fits
KINDS = ("same stimulus", "identical", "near-identical", "mirrored", "similar features")
SAME, IDENTICAL, NEAR, MIRRORED, SIMILAR = range(1, len(KINDS) + 1)

# Bits of 64 in which the hashes of two versions of a photograph may differ, and the least correlation of their
# thumbnails. Of the 7.4 million pairs among 3,840 pictures shown to macaques (Cowley et al. 2023) these let through 18:
# two identical, sixteen of one scene with another object in it. At ten bits two pairs were wrongly called mirrored.
FREQUENCY_BITS, DIFFERENCE_BITS, MIRRORED_BITS = 10, 8, 8
THUMBNAIL_CORRELATION = 0.9
# grey levels of 255: below this standard deviation a thumbnail is noise and rounding
LOW_CONTRAST = 2.0
# a picture whose colours differ less than this from grey (mean over pixels, in levels) has none
COLOURLESS = 2.0
PIXELS = THUMBNAIL_SIDE**2
BYTES_PER_PAIR = 48  # of all temporary arrays over a block
MOST_LISTED = 10  # pairs of one test image


@dataclass
class Thumbnails:
    """Thumbnails as patterns whose products are correlations.

    Attributes
    ----------
    colour, grey : array of float32, shape (images, 768) and (images, 256)
        Each channel minus its mean, all of length one.
    flat, colourless : array of bool, shape (images,)
    """

    colour: NDArray[np.float32]
    grey: NDArray[np.float32]
    flat: NDArray[np.bool_]
    colourless: NDArray[np.bool_]

    @classmethod
    def of(cls, thumbnails: NDArray[np.uint8]) -> Thumbnails:
        """Patterns of thumbnails of shape (images, 16, 16, 3)."""
        pixels = thumbnails.reshape(len(thumbnails), PIXELS, 3).astype(np.float32)
        grey = pixels @ LUMINANCE  # (images, 256)
        colourless = np.abs(pixels - grey[:, :, None]).mean((1, 2)) < COLOURLESS
        pixels -= pixels.mean(1, keepdims=True)
        deviation = np.sqrt(np.square(pixels).mean((1, 2)))
        grey -= grey.mean(1, keepdims=True)
        return cls(
            _of_length_one(pixels.reshape(len(pixels), -1)), _of_length_one(grey), deviation < LOW_CONTRAST, colourless
        )

    def correlations(self, others: Thumbnails) -> NDArray[np.float32]:
        """Correlation for each pair, of luminance where either has no colour; shape (images, others)."""
        without_colour = self.colourless[:, None] | others.colourless
        return np.where(without_colour, self.grey @ others.grey.T, self.colour @ others.colour.T)


def _of_length_one(patterns: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.linalg.norm(patterns, axis=1, keepdims=True)
    return np.divide(patterns, length, out=np.zeros_like(patterns), where=length > 0)


@dataclass
class Side:
    """What is known of the images of one side of a split.

    Attributes
    ----------
    stimulus, pixels : array of int, shape (images,)
        Equal numbers mark the same stimulus and identical pixels.
    prints : Fingerprints or None
    directions : array of float32, shape (images, features), or None
        Of length one.
    """

    stimulus: NDArray[np.intp]
    pixels: NDArray[np.intp]
    prints: Fingerprints | None = None
    directions: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.stimulus)

    def take(self, rows: slice | NDArray[np.intp]) -> Side:
        """Some of the images."""
        return Side(
            self.stimulus[rows],
            self.pixels[rows],
            None if self.prints is None else self.prints.take(rows),
            None if self.directions is None else self.directions[rows],
        )


@dataclass
class Found:
    """Pairs that are alike: counted all, listed the nearest of each test image.

    Attributes
    ----------
    counts : array of int, shape (kinds + 1,)
        How many pairs are of each kind; of kind 0 there is nothing to say.
    leaking : array of bool, shape (test images,)
    train, test, kind : array of int, shape (pairs,)
    distance : array of float32, shape (pairs,)
        Bits for hashes, one minus cosine similarity for features, else 0.
    """

    counts: NDArray[np.int64]
    leaking: NDArray[np.bool_]
    train: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    test: NDArray[np.intp] = field(default_factory=lambda: np.empty(0, np.intp))
    kind: NDArray[np.uint8] = field(default_factory=lambda: np.empty(0, np.uint8))
    distance: NDArray[np.float32] = field(default_factory=lambda: np.empty(0, np.float32))

    def add(self, train: Any, test: Any, kind: Any, distance: Any) -> None:
        """Count pairs and keep the `MOST_LISTED` nearest of each test image."""
        self.counts += np.bincount(kind, minlength=len(self.counts))
        self.leaking[test] = True
        columns = [
            np.concatenate([mine, theirs])
            for mine, theirs in zip(
                (self.train, self.test, self.kind, self.distance), (train, test, kind, distance), strict=True
            )
        ]
        order = np.lexsort((columns[0], columns[3], columns[2], columns[1]))
        tests = columns[1][order]
        first = np.searchsorted(tests, tests)  # where each test image begins
        order = order[np.arange(len(order)) - first < MOST_LISTED]
        self.train, self.test, self.kind, self.distance = (column[order] for column in columns)


def find_pairs(
    train: Side,
    test: Side,
    bits: tuple[int, int],
    similarity: float,
    confirmed: NDArray[np.intp] | None = None,
) -> Found:
    """All pairs of a training and a test image that are alike.

    Parameters
    ----------
    train, test : Side
    bits : (int, int)
        Most bits that may differ in `perceptual_hash` and `difference_hash`.
    similarity : float
        Least cosine similarity of features.
    confirmed : array of int, shape (pairs, 2), optional
        Rows of training and test images that are known to be nearly identical.

    Notes
    -----
    Blocks of training images against all test images: memory stays near 100 MB for 73,000 by 1,000.
    """
    found = Found(np.zeros(len(KINDS) + 1, np.int64), np.zeros(len(test), bool))
    test_patterns = None if test.prints is None else (Thumbnails.of(test.prints.thumbnail), mirror_patterns(test))
    for rows in tiles(len(train), bytes_each=BYTES_PER_PAIR * max(1, len(test))):
        part = train.take(rows)
        kind = np.zeros((len(part), len(test)), np.uint8)
        distance = np.zeros(kind.shape, np.float32)
        if part.directions is not None and test.directions is not None:
            cosine = part.directions @ test.directions.T
            _mark(kind, distance, cosine >= similarity, SIMILAR, 1 - cosine)
        if part.prints is not None and test.prints is not None and test_patterns is not None:
            _mark_hashes(kind, distance, part.prints, test.prints, test_patterns, bits)
        if confirmed is not None:
            here = confirmed[(confirmed[:, 0] >= rows.start) & (confirmed[:, 0] < rows.stop)]
            kind[here[:, 0] - rows.start, here[:, 1]] = NEAR
            distance[here[:, 0] - rows.start, here[:, 1]] = 0
        _mark(kind, distance, part.pixels[:, None] == test.pixels, IDENTICAL, 0)
        _mark(kind, distance, part.stimulus[:, None] == test.stimulus, SAME, 0)
        where = np.nonzero(kind)
        found.add(where[0] + rows.start, where[1], kind[where], distance[where])
    return found


def mirror_patterns(side: Side) -> Thumbnails:
    """Patterns of the mirror images."""
    assert side.prints is not None
    return Thumbnails.of(side.prints.thumbnail[:, :, ::-1])


def _mark_hashes(
    kind: NDArray[np.uint8],
    distance: NDArray[np.float32],
    train: Fingerprints,
    test: Fingerprints,
    test_patterns: tuple[Thumbnails, Thumbnails],
    bits: tuple[int, int],
) -> None:
    patterns, (upright, mirrored) = Thumbnails.of(train.thumbnail), test_patterns
    structured = ~(patterns.flat[:, None] | upright.flat)  # the hash of a flat image is noise
    frequency = hamming_distances(train.frequencies, test.mirrored)
    alike = (frequency <= min(bits[0], MIRRORED_BITS)) & structured
    if alike.any():
        alike &= patterns.correlations(mirrored) >= THUMBNAIL_CORRELATION
        _mark(kind, distance, alike, MIRRORED, frequency)
    frequency = hamming_distances(train.frequencies, test.frequencies)
    difference = hamming_distances(train.differences, test.differences)
    alike = ((frequency <= bits[0]) | (difference <= bits[1])) & structured
    if alike.any():
        alike &= patterns.correlations(upright) >= THUMBNAIL_CORRELATION
        _mark(kind, distance, alike, NEAR, np.minimum(frequency, difference))


def _mark(
    kind: NDArray[np.uint8], distance: NDArray[np.float32], where: NDArray[np.bool_], code: int, how: Any
) -> None:
    np.copyto(kind, np.uint8(code), where=where)
    np.copyto(distance, how, where=where, casting="same_kind" if isinstance(how, np.ndarray) else "unsafe")
