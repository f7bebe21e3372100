"""Bootstrap over stimuli by weights: how far a score would move with other stimuli."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError

Floats = NDArray[np.float64]


def bootstrap_weights(n: int, draws: int = 1000, seed: int = 0) -> NDArray[np.float32]:
    """How often each stimulus occurs in each bootstrap sample of `n` stimuli.

    Scores computed with weights need no copies of the data, and scores of two models with equal `n`, `draws` and
    `seed` are paired: their samples are the same.

    Parameters
    ----------
    n : int
        Number of stimuli.
    draws : int
        Number of samples.
    seed : int

    Returns
    -------
    array of float32, shape (draws, n)
        Counts of a multinomial; every row sums to `n`.

    Raises
    ------
    InputValueError
        When `n` or `draws` is below 1.

    Notes
    -----
    Source: Efron, Tibshirani 1993, An Introduction to the Bootstrap.

    Examples
    --------
    >>> bootstrap_weights(4, draws=2, seed=0)
    array([[0., 1., 2., 1.],
           [3., 1., 0., 0.]], dtype=float32)
    """
    if n < 1 or draws < 1:
        raise InputValueError(f"a bootstrap needs at least one stimulus and one draw, got n={n} and draws={draws}")
    rng = np.random.default_rng(seed)
    weights = np.empty((draws, n), np.float32)
    for row in weights:
        row[:] = np.bincount(rng.integers(n, size=n), minlength=n)
    return weights


def bootstrap_mean(values: ArrayLike, weights: NDArray[Any]) -> Floats:
    """Replicates of a mean over stimuli.

    Parameters
    ----------
    values : array_like, shape (stimuli,) or (stimuli, k)
        NaN where a stimulus has no score: it is left out of every sample. An infinite score, such as the
        signal-to-noise ratio of a perfect image, makes the mean of each sample that has it infinite.
    weights : array, shape (draws, stimuli)
        From `bootstrap_weights`.

    Returns
    -------
    array, shape (draws,) or (draws, k)
        NaN for a sample without any scored stimulus.

    Raises
    ------
    InputValueError
        When the numbers of stimuli differ.

    Examples
    --------
    >>> bootstrap_mean([1.0, 2.0, 6.0], np.array([[1, 1, 1], [3, 0, 0], [0, 0, 3]]))
    array([3., 1., 6.])
    """
    scores = np.asarray(values, np.float64)
    if scores.shape[0] != weights.shape[1]:
        raise InputValueError(f"values have {scores.shape[0]} stimuli and weights {weights.shape[1]}")
    exists = ~np.isnan(scores)
    sums = weights @ np.where(np.isfinite(scores), scores, 0)
    if np.isinf(scores).any():  # only in the samples that drew them; zero times infinity is not a number
        with np.errstate(invalid="ignore"):
            for infinity in (np.inf, -np.inf):
                sums = sums + np.where(weights @ (scores == infinity).astype(np.float64) > 0, infinity, 0)
    with np.errstate(invalid="ignore"):
        replicates: Floats = sums / (weights @ exists.astype(np.float64))
    return replicates
