"""Which picture each test trial shows, where the file does not say it: found from the published averages."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERANCE = 1e-3
"""Of the largest average: rounding of single precision, but no wrong trial among thirty-five."""
RELATIVE_RIDGE = 1e-12


def picture_of_each_trial(trials: NDArray[np.floating], averages: NDArray[np.floating]) -> NDArray[np.int64] | None:
    """The picture that each trial shows, so that the means over trials are the averages; None where none is found.

    Parameters
    ----------
    trials : array, shape (trials, units)
    averages : array, shape (pictures, units)
        Every picture was shown equally often.

    Returns
    -------
    array of int, shape (trials,), or None

    Notes
    -----
    Tried in turn: all trials of a picture together; all pictures in each run; and any order at all. The last needs at
    least as many units as trials: the averages are then weighted sums of trials with one solution, in which the weight
    of a trial is ``1 / repetitions`` for its picture and 0 for the others.

    Examples
    --------
    >>> trials = np.random.default_rng(0).standard_normal((6, 8))
    >>> picture_of_each_trial(trials, np.stack([trials[[0, 3, 4]].mean(0), trials[[1, 2, 5]].mean(0)])).tolist()
    [0, 1, 1, 0, 0, 1]
    """
    pictures, count = len(averages), len(trials)
    if not pictures or count % pictures:
        return None
    repetitions = count // pictures
    for guess in (np.repeat(np.arange(pictures), repetitions), np.tile(np.arange(pictures), repetitions)):
        if _explains(guess, trials, averages):
            return guess
    solved = _solve(np.asarray(trials, np.float64), np.asarray(averages, np.float64))
    if solved is not None and (np.bincount(solved, minlength=pictures) == repetitions).all():
        return solved if _explains(solved, trials, averages) else None
    return None


def _explains(picture: NDArray[np.int64], trials: NDArray[np.floating], averages: NDArray[np.floating]) -> bool:
    sums = np.zeros(averages.shape)
    for row, own in zip(picture, trials, strict=True):
        sums[row] += own
    means = sums * (len(averages) / len(trials))
    return bool(np.abs(means - averages).max() <= TOLERANCE * np.abs(averages).max())


def _solve(trials: NDArray[np.float64], averages: NDArray[np.float64]) -> NDArray[np.int64] | None:
    count, units = trials.shape
    if units < count or not (np.isfinite(trials).all() and np.isfinite(averages).all()):
        return None
    centre = trials.mean(axis=0)  # weights add up to one, so whatever all trials share may be taken away
    trials, averages = trials - centre, averages - centre
    gram = trials @ trials.T
    gram[np.diag_indices(count)] += RELATIVE_RIDGE * np.trace(gram) / count  # keeps the solution of equal trials finite
    try:
        weights = np.linalg.solve(gram, trials @ averages.T)  # (trial, picture)
    except np.linalg.LinAlgError:
        return None
    found: NDArray[np.int64] = weights.argmax(axis=1)
    return found
