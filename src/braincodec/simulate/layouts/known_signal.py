"""Pictures and responses to them that follow from what is in the pictures, so that what is read can be recognised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

QUADRANTS = 4
FEATURES = 3 * QUADRANTS


def coarse_pictures(count: int, size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Random coloured patches, each a quarter of a side wide.

    Examples
    --------
    >>> coarse_pictures(2, 8, np.random.default_rng(0)).shape
    (2, 8, 8, 3)
    """
    patches = rng.integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)
    rows = np.arange(size) * 4 // size
    return patches[:, rows][:, :, rows]


def picture_features(pictures: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean colour of each quadrant, -1 to 1, shape (pictures, 12).

    Examples
    --------
    >>> picture_features(np.full((1, 4, 4, 3), 255, np.uint8)).tolist() == [[1.0] * 12]
    True
    """
    half = pictures.shape[1] // 2
    quadrants = [pictures[:, rows, columns] for rows in _halves(half) for columns in _halves(half)]
    means = [quadrant.reshape(len(pictures), -1, 3).mean(axis=1) for quadrant in quadrants]
    return np.concatenate(means, axis=1) / 127.5 - 1  # (pictures, 12)


def linear_signal(
    pictures: NDArray[np.uint8], units: int, rng: np.random.Generator, deviation: float = 1.0
) -> NDArray[np.float64]:
    """Responses of units that weight the colours of the quadrants, shape (pictures, units).

    Parameters
    ----------
    pictures : array, shape (pictures, height, width, 3)
    units : int
    rng : Generator
        Of the weights.
    deviation : float
        About the standard deviation over pictures.
    """
    weights = rng.standard_normal((FEATURES, units))
    signal = picture_features(pictures) @ weights  # (pictures, units)
    return deviation * signal / max(float(signal.std()), 1e-12)


def _halves(half: int) -> tuple[slice, slice]:
    return slice(None, half), slice(half, None)
