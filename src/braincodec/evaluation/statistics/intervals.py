"""Intervals and p values from bootstrap replicates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.statistics.bootstrap import bootstrap_mean, bootstrap_weights

Floats = NDArray[np.float64]
FEWEST_VALUES = 2


def percentile_interval(replicates: ArrayLike, level: float = 0.95) -> tuple[Floats, Floats]:
    """Percentile interval of bootstrap replicates.

    Parameters
    ----------
    replicates : array_like, shape (draws, ...)
        NaN replicates, such as the correlation of a sample in which nothing varied, are left out.
    level : float
        Coverage, between 0 and 1.

    Returns
    -------
    low, high : array, shape (...)
        NaN where all replicates are NaN.

    Raises
    ------
    InputValueError
        When `level` is not between 0 and 1.

    Notes
    -----
    Source: Efron, Tibshirani 1993, chapter 13.

    Examples
    --------
    >>> low, high = percentile_interval(np.arange(101.0), level=0.9)
    >>> print(low.round(6), high.round(6))
    5.0 95.0
    """
    return _quantiles(replicates, _tails(level))


def _tails(level: float) -> list[float]:
    if not 0 < level < 1:
        raise InputValueError(f"level must be between 0 and 1, got {level}")
    return [(1 - level) / 2, (1 + level) / 2]


def _quantiles(replicates: ArrayLike, at: list[float]) -> tuple[Floats, Floats]:
    values = np.asarray(replicates)
    # between infinite replicates nothing can be interpolated
    method: Any = "inverted_cdf" if np.isinf(values).any() else "linear"
    found: Floats = np.asarray(np.quantile(values, at, axis=0, method=method), np.float64)
    missing = np.isnan(values)
    partly = missing.any(axis=0) & ~missing.all(axis=0)
    if partly.any():  # the slow way, only where it is needed
        found[:, partly] = np.nanquantile(values[:, partly], at, axis=0, method=method)
    return found[0], found[1]


def bca_interval_of_mean(
    values: ArrayLike, draws: int = 1000, seed: int = 0, level: float = 0.95
) -> tuple[float, float]:
    """Bias-corrected and accelerated interval of a mean over stimuli.

    Better than `percentile_interval` where scores are skewed and stimuli few.

    Parameters
    ----------
    values : array_like, shape (stimuli,)
        NaN where a stimulus has no score.
    draws, seed : int
        As in `bootstrap_weights`.
    level : float

    Returns
    -------
    low, high : float
        NaN with fewer than two scores. Both are the mean where all scores are equal.

    Raises
    ------
    InputValueError
        When `level` is not between 0 and 1, or `draws` is below 1.

    Notes
    -----
    Source: Efron 1987. The acceleration of a mean is its skewness over 6 sqrt(n).

    Examples
    --------
    >>> low, high = bca_interval_of_mean(np.random.default_rng(0).normal(size=400))
    >>> round(low, 2), round(high, 2)
    (-0.13, 0.07)
    """
    tails = _tails(level)
    scores = np.asarray(values, np.float64)
    scores = scores[~np.isnan(scores)]
    if scores.size < FEWEST_VALUES:
        return math.nan, math.nan
    mean = scores.mean()
    deviations = scores - mean
    squares = (deviations**2).sum()
    if not squares > 0:
        return float(mean), float(mean)
    replicates = bootstrap_mean(scores, bootstrap_weights(scores.size, draws, seed))
    acceleration = (deviations**3).sum() / (6 * squares**1.5)
    below = ((replicates < mean).sum() + (replicates == mean).sum() / 2) / draws
    bias = scipy.special.ndtri(np.clip(below, 1 / (2 * draws), 1 - 1 / (2 * draws)))
    shifted = bias + scipy.special.ndtri(tails)
    low, high = _quantiles(replicates, list(scipy.special.ndtr(bias + shifted / (1 - acceleration * shifted))))
    return float(low), float(high)


def bootstrap_p_value(replicates: ArrayLike) -> Floats:
    """Two-sided p that a bootstrapped score, such as a difference, is zero.

    Parameters
    ----------
    replicates : array_like, shape (draws, ...)
        NaN replicates are left out.

    Returns
    -------
    array, shape (...)
        Twice the share of replicates on the smaller side of zero, counting the observed score as one more:
        2 (1 + count) / (1 + draws), not above 1. NaN where all replicates are NaN.

    Notes
    -----
    The p that belongs to `percentile_interval`: it is below 1 - level when the interval excludes zero.
    Source: Efron, Tibshirani 1993, section 15.4 (achieved significance level by inverting the interval).

    Examples
    --------
    >>> bootstrap_p_value([[0.5, -1.0], [0.2, 1.0], [0.1, 2.0]])
    array([0.5, 1. ])
    """
    values = np.asarray(replicates)
    smaller = np.minimum((values <= 0).sum(axis=0), (values >= 0).sum(axis=0))
    draws = (~np.isnan(values)).sum(axis=0)
    p: Floats = np.where(draws > 0, np.minimum(2 * (1 + smaller) / (1 + draws), 1), np.nan)
    return p
