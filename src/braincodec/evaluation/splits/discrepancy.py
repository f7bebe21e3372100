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
    return Population(unit, width, tests).of_first


class Population:
    """All images, of which test sets are judged one by one after one pass over the kernel of all pairs.

    Parameters
    ----------
    unit : array of float32, shape (images, features)
        Each of length one.
    width : float
        Squared width of the kernel.
    first : sequence of array of bool, shape (images,)
        Test sets to judge in that pass.

    Attributes
    ----------
    of_first : array of float64, shape (tests,)
        See `discrepancies`.

    Notes
    -----
    The kernel summed over pairs outside a test set, and across, follow from its sums over all partners of each image
    and from its sum within the test set: so a further test set costs only the pairs within it.

    Examples
    --------
    >>> population = Population(np.repeat(np.eye(2, dtype=np.float32), 4, axis=0), 2.0)
    >>> round(population.discrepancy(np.arange(8) < 4), 2)
    0.79
    """

    def __init__(self, unit: NDArray[np.float32], width: float, first: Sequence[NDArray[np.bool_]] = ()) -> None:
        self._unit, self._width = unit, width
        inside = np.stack([np.ones(len(unit), bool), *first], axis=1).astype(np.float32)  # (images, 1 + tests)
        sums = self._summed(unit, inside)
        self._of_image = sums[:, 0]
        within = np.einsum("it,it->t", inside[:, 1:], sums[:, 1:])
        self.of_first: Floats = np.array(
            [self._judged(test, float(value)) for test, value in zip(first, within, strict=True)]
        )

    def discrepancy(self, test: NDArray[np.bool_]) -> float:
        """Squared maximum mean discrepancy between a test set (images,) and all other images, without bias."""
        some = self._unit[test]
        return self._judged(test, float(self._summed(some, np.ones((len(some), 1), np.float32)).sum()))

    def _judged(self, test: NDArray[np.bool_], within: float) -> float:
        n, all_of_test = int(test.sum()), float(self._of_image[test].sum())
        m = len(test) - n
        across, outside = all_of_test - within, float(self._of_image.sum()) - 2 * all_of_test + within
        return (within - n) / (n * (n - 1)) + (outside - m) / (m * (m - 1)) - 2 * across / (n * m)

    def _summed(self, unit: NDArray[np.float32], weights: NDArray[np.float32]) -> Floats:
        """Kernel of all pairs times `weights` (images, columns), from the half of it above the diagonal."""
        found = np.zeros(weights.shape)
        for rows in tiles(len(unit), bytes_each=8 * len(unit)):
            kernel = unit[rows] @ unit[rows.start :].T
            kernel -= 1
            kernel /= np.float32(self._width)
            np.exp(kernel, out=kernel)  # squared distance = 2 - 2 cosine
            found[rows] += kernel @ weights[rows.start :]
            below = kernel[:, rows.stop - rows.start :]
            found[rows.stop :] += below.T @ weights[rows]
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
