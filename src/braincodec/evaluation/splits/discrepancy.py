"""Maximum mean discrepancy: whether two sets of images look like samples of one population."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.checks import tiles

Floats = NDArray[np.float64]
# the median over pairs among so many images
MOST_FOR_WIDTH = 1000
FOURIER_FEATURES = 512


def kernel_width(unit: NDArray[np.float32], seed: int = 0) -> float:
    """Squared width of the Gaussian kernel: the median squared distance between images.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    seed : int
        Draws 1,000 images, where there are more.

    Examples
    --------
    >>> kernel_width(np.eye(4, dtype=np.float32))
    2.0
    """
    chosen = np.random.default_rng(seed).permutation(len(unit))[:MOST_FOR_WIDTH]
    cosine = unit[chosen] @ unit[chosen].T
    squared = 2 - 2 * cosine[np.triu_indices(len(chosen), 1)].astype(np.float64)
    # all images alike: any width serves
    return float(np.median(squared)) or 1.0


def discrepancies(unit: NDArray[np.float32], tests: Sequence[NDArray[np.bool_]], width: float) -> Floats:
    """Squared maximum mean discrepancy between each test set and all other images, without bias.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    tests : sequence of array of bool, shape (images,)
        Each with at least two images inside and two outside.
    width : float
        Squared width of the kernel exp(-distance^2 / (2 width)).

    Returns
    -------
    array of float64, shape (tests,)
        Zero on average for random test sets, so it can be negative.

    Notes
    -----
    One pass over the kernel of all pairs for all test sets, in blocks.
    Source: Gretton et al. 2012, Journal of Machine Learning Research 13.

    Examples
    --------
    >>> unit = np.repeat(np.eye(2, dtype=np.float32), 4, axis=0)
    >>> apart, mixed = np.arange(8) < 4, np.arange(8) % 2 == 0
    >>> discrepancies(unit, [apart, mixed], 2.0).round(2).tolist()
    [0.79, -0.13]
    """
    inside = np.stack(tests, axis=1).astype(np.float32)  # (images, tests)
    both = np.concatenate([inside, 1 - inside], axis=1)
    number = inside.shape[1]
    sums = np.zeros((3, number))  # of the kernel within test sets, within the others, and across
    for rows in tiles(len(unit), bytes_each=8 * len(unit)):
        kernel = unit[rows] @ unit.T
        kernel -= 1
        kernel /= np.float32(width)
        np.exp(kernel, out=kernel)  # squared distance = 2 - 2 cosine
        seen = (kernel @ both).astype(np.float64)  # (rows, tests and others)
        mine, others = seen[:, :number], seen[:, number:]
        sums[0] += (inside[rows] * mine).sum(axis=0)
        sums[1] += ((1 - inside[rows]) * others).sum(axis=0)
        sums[2] += (inside[rows] * others).sum(axis=0)
    n = inside.sum(axis=0, dtype=np.float64)
    m = len(unit) - n
    found: Floats = (sums[0] - n) / (n * (n - 1)) + (sums[1] - m) / (m * (m - 1)) - 2 * sums[2] / (n * m)
    return found


def fourier_features(unit: NDArray[np.float32], width: float, seed: int = 0) -> NDArray[np.float32]:
    """Features whose products are about the kernel, shape (images, 512).

    Notes
    -----
    Source: Rahimi, Recht 2007, Random features for large-scale kernel machines.

    Examples
    --------
    >>> unit = np.eye(3, dtype=np.float32)
    >>> made = fourier_features(unit, 2.0)
    >>> bool(abs(made[0] @ made[1] - np.exp(-0.5)) < 0.15)
    True
    """
    rng = np.random.default_rng(seed)
    frequencies = (rng.standard_normal((unit.shape[1], FOURIER_FEATURES)) / np.sqrt(width)).astype(np.float32)
    phases = rng.uniform(0, 2 * np.pi, FOURIER_FEATURES).astype(np.float32)
    return np.cos(unit @ frequencies + phases) * np.float32(np.sqrt(2 / FOURIER_FEATURES))
