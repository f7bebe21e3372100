"""Removing the bias that comes from dividing by an estimated variance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def effective_degrees_of_freedom(noise_ceiling: Floats, counts: NDArray[np.int64]) -> Floats:
    """Degrees of freedom of the variance of stimulus means, which have unequal variances when repetitions are ragged.

    Parameters
    ----------
    noise_ceiling : array, shape (..., units)
        A first estimate; clipped to 0..1 here.
    counts : array of int, shape (stimuli, units) or (stimuli, 1)
        Repetitions of each stimulus; stimuli with none do not count.

    Returns
    -------
    array, shape (..., units)
        Number of stimuli less one where all have equally many repetitions, and less otherwise.

    Notes
    -----
    Satterthwaite 1946: the sample variance of S independent values with variances v_i is a quadratic form with
    expectation tr(AD) and variance 2 tr(ADAD), A = (I - J/S)/(S - 1), D = diag(v); a scaled chi-square with the same
    moments has tr(AD)^2 / tr(ADAD) degrees of freedom. Here v_i is proportional to NC + (1 - NC) (1/n_i) / mean(1/n).
    """
    present = counts > 0
    stimuli = present.sum(axis=0)
    inverse = np.where(present, 1 / np.maximum(counts, 1), 0.0)  # (stimuli, units)
    mean = inverse.sum(axis=0) / stimuli
    spread = (inverse**2).sum(axis=0) / stimuli / mean**2 - 1  # squared coefficient of variation of 1/n
    noise = 1 - np.clip(noise_ceiling, 0, 1)
    squares = stimuli * (1 + noise**2 * spread)
    degrees: Floats = (stimuli - 1) ** 2 / (squares * (1 - 2 / stimuli) + 1)
    return degrees


def without_bias(noise_ceiling: Floats, counts: NDArray[np.int64]) -> Floats:
    """One minus a ratio of variances, without the bias of the ratio.

    Parameters
    ----------
    noise_ceiling : array, shape (..., units)
        ``1 - noise variance / variance of stimulus means``.
    counts : array of int, shape (stimuli, units) or (stimuli, 1)

    Notes
    -----
    A sample variance V with d degrees of freedom has E[1/V] = d / (d - 2) / E[V] for normal data, and means are
    independent of the scatter within stimuli, so the ratio is too large by d / (d - 2), as a variance ratio F is.
    """
    degrees = effective_degrees_of_freedom(noise_ceiling, counts)
    factor = np.where(degrees > 2, (degrees - 2) / degrees, np.nan)
    corrected: Floats = 1 - (1 - noise_ceiling) * factor
    return corrected
