"""Short fingerprints of images that stay nearly the same when an image is recompressed, resized or brightened."""

from __future__ import annotations

import functools
import hashlib
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError

HASH_BITS = 64
REDUCED_SIDE = 32  # of the small picture that hashes are made from
FREQUENCIES = 8  # of each axis: 8 x 8 bits
DIFFERENCE_ROWS, DIFFERENCE_COLUMNS = 8, 9  # nine pixels in a row have eight differences
THUMBNAIL_SIDE = 16
DIGEST_BYTES = 16
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as in JPEG
BIT_VALUES = np.uint64(1) << np.arange(HASH_BITS, dtype=np.uint64)


class Fingerprints(NamedTuple):
    """What is kept of each image to find its copies: 808 bytes.

    Attributes
    ----------
    digest : array of uint8, shape (images, 16)
        Of the size and every pixel: equal for identical images only.
    frequencies, mirrored, differences : array of uint64, shape (images,)
        `perceptual_hash` of the image and of its mirror image, and `difference_hash`.
    thumbnail : array of uint8, shape (images, 16, 16, 3)
    """

    digest: NDArray[np.uint8]
    frequencies: NDArray[np.uint64]
    mirrored: NDArray[np.uint64]
    differences: NDArray[np.uint64]
    thumbnail: NDArray[np.uint8]

    def take(self, rows: slice | NDArray[np.intp]) -> Fingerprints:
        """Those of some images."""
        return Fingerprints(
            self.digest[rows],
            self.frequencies[rows],
            self.mirrored[rows],
            self.differences[rows],
            self.thumbnail[rows],
        )


def perceptual_hash(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits: which of the lowest spatial frequencies are stronger than their median.

    The image is averaged down to 32 x 32 grey pixels; of its discrete cosine transform the 8 x 8 lowest frequencies are
    compared with their median. The mean is left out (its bit is 0), so brightness and contrast hardly matter. An
    image without contrast has no such structure: its bits are noise.

    Parameters
    ----------
    images : array of uint8, shape (images, height, width, 3)

    Returns
    -------
    array of uint64, shape (images,)
        The number of bits that differ says how unlike two images are: `hamming_distances`.

    Raises
    ------
    InputTypeError, InputValueError
        For another dtype or shape.

    Notes
    -----
    Source: the hash known as pHash (Zauner 2010, "Implementation and benchmarking of perceptual image hash functions").

    Examples
    --------
    >>> image = np.random.default_rng(0).integers(0, 255, (1, 8, 8, 3), dtype=np.uint8).repeat(6, 1).repeat(6, 2)
    >>> brighter = (image * 0.7 + 60).astype(np.uint8)
    >>> int(hamming_distances(perceptual_hash(image), perceptual_hash(brighter))[0, 0]) <= 2
    True
    """
    return _frequency_bits(_grey(reduced(images)))


def difference_hash(images: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """64 bits: which of 8 x 9 grey pixels are darker than their right neighbour.

    Parameters
    ----------
    images : array of uint8, shape (images, height, width, 3)

    Returns
    -------
    array of uint64, shape (images,)

    Raises
    ------
    InputTypeError, InputValueError
        For another dtype or shape.

    Notes
    -----
    Source: the hash known as dHash (Krawetz 2013).

    Examples
    --------
    >>> ramp = np.linspace(0, 255, 90).astype(np.uint8)[None, None, :, None].repeat(80, 1).repeat(3, 3)
    >>> int(difference_hash(ramp)[0]).bit_count()
    64
    """
    return _difference_bits(_grey(reduced(images)))


def fingerprints(images: NDArray[np.uint8]) -> Fingerprints:
    """Everything that is kept of images to find their copies, in one pass over the pixels.

    Parameters
    ----------
    images : array of uint8, shape (images, height, width, 3)

    Raises
    ------
    InputTypeError, InputValueError
        For another dtype or shape.

    Examples
    --------
    >>> made = fingerprints(np.zeros((2, 20, 30, 3), np.uint8))
    >>> made.thumbnail.shape, bool((made.digest[0] == made.digest[1]).all())
    ((2, 16, 16, 3), True)
    """
    small = reduced(images)
    grey = _grey(small)
    step = REDUCED_SIDE // THUMBNAIL_SIDE
    blocks = small.reshape(len(small), THUMBNAIL_SIDE, step, THUMBNAIL_SIDE, step, 3)
    return Fingerprints(
        digests(images),
        _frequency_bits(grey),
        _frequency_bits(grey[:, :, ::-1]),
        _difference_bits(grey),
        np.rint(blocks.mean((2, 4))).astype(np.uint8),  # (images, 16, 16, 3)
    )


def digests(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """16 bytes of BLAKE2 of size and pixels: equal for identical images only, whatever files they came from.

    Parameters
    ----------
    images : array of uint8, shape (images, height, width, 3)

    Returns
    -------
    array of uint8, shape (images, 16)

    Examples
    --------
    >>> square, wide = np.zeros((1, 4, 4, 3), np.uint8), np.zeros((1, 2, 8, 3), np.uint8)
    >>> bool((digests(square) == digests(wide)).all())
    False
    """
    found = np.empty((len(images), DIGEST_BYTES), np.uint8)
    for row, image in enumerate(images):
        digest = hashlib.blake2b(str(image.shape).encode(), digest_size=DIGEST_BYTES)
        digest.update(np.ascontiguousarray(image).data)
        found[row] = np.frombuffer(digest.digest(), np.uint8)
    return found


def reduced(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Images averaged down (or repeated up) to 32 x 32 pixels, whatever their shape.

    Parameters
    ----------
    images : array of uint8, shape (images, height, width, 3)

    Returns
    -------
    array of float32, shape (images, 32, 32, 3)

    Examples
    --------
    >>> reduced(np.full((1, 50, 70, 3), 7, np.uint8)).round(3).max()
    np.float32(7.0)
    """
    images = np.asarray(images)
    if images.dtype != np.uint8:
        raise InputTypeError(f"images must be uint8, got {images.dtype}; a StimulusSet converts other types")
    if images.ndim != 4 or images.shape[-1] != 3 or 0 in images.shape[1:]:
        raise InputValueError(f"images must have the shape (images, height, width, 3), got {images.shape}")
    height, width = images.shape[1:3]
    down, across = averaging(height, REDUCED_SIDE), averaging(width, REDUCED_SIDE)
    small = np.empty((len(images), REDUCED_SIDE, REDUCED_SIDE, 3), np.float32)
    for image, target in zip(images, small, strict=True):
        rows = down @ image.reshape(height, width * 3).astype(np.float32)  # (32, width x 3)
        np.matmul(across, rows.reshape(REDUCED_SIDE, width, 3), out=target)
    return small


@functools.lru_cache(maxsize=64)
def averaging(length: int, parts: int) -> NDArray[np.float32]:
    """Weights that average `length` pixels within each of `parts` equal parts, shape (parts, length).

    Examples
    --------
    >>> averaging(3, 2).round(2).tolist()
    [[0.67..., 0.33..., 0.0], [0.0, 0.33..., 0.67...]]
    """
    edges = np.arange(parts + 1) * (length / parts)
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights = np.clip(covered, 0, None) * (parts / length)
    weights = weights.astype(np.float32)
    weights.flags.writeable = False  # shared by everybody who asks for the same sizes
    return weights


def hamming_distances(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Number of bits that differ, for each pair of hashes.

    Parameters
    ----------
    first, second : array of uint64, shape (n,) and (m,)

    Returns
    -------
    array of uint8, shape (n, m)

    Examples
    --------
    >>> hamming_distances(np.array([0, 7], np.uint64), np.array([1], np.uint64)).tolist()
    [[1], [2]]
    """
    return np.bitwise_count(np.bitwise_xor.outer(first, second))


def _grey(images: NDArray[np.float32]) -> NDArray[np.float32]:
    return images @ LUMINANCE  # (images, 32, 32)


@functools.cache
def _cosines() -> NDArray[np.float32]:
    """The lowest frequencies of the orthonormal discrete cosine transform (type 2), shape (8, 32)."""
    places = (2 * np.arange(REDUCED_SIDE) + 1) * np.pi / (2 * REDUCED_SIDE)
    basis = np.cos(np.arange(FREQUENCIES)[:, None] * places) * np.sqrt(2 / REDUCED_SIDE)
    basis[0] /= np.sqrt(2)
    return basis.astype(np.float32)


def _frequency_bits(grey: NDArray[np.float32]) -> NDArray[np.uint64]:
    cosines = _cosines()
    strengths = (cosines @ grey @ cosines.T).reshape(len(grey), HASH_BITS)
    bits = strengths > np.median(strengths[:, 1:], axis=1, keepdims=True)
    bits[:, 0] = False  # the mean
    return bits @ BIT_VALUES


def _difference_bits(grey: NDArray[np.float32]) -> NDArray[np.uint64]:
    small = averaging(REDUCED_SIDE, DIFFERENCE_ROWS) @ grey @ averaging(REDUCED_SIDE, DIFFERENCE_COLUMNS).T
    bits = np.diff(small, axis=2) > 0  # (images, 8, 8)
    return bits.reshape(len(bits), HASH_BITS) @ BIT_VALUES
