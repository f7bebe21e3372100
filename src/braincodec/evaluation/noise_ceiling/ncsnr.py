"""The noise ceiling signal-to-noise ratio of the Natural Scenes Dataset, and the ceiling that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.checks import TILE_BYTES
from braincodec.evaluation.noise_ceiling.repetitions import RepeatedTile, over_units
from braincodec.evaluation.noise_ceiling.variance_components import noise_variance

Floats = NDArray[np.float64]


def noise_ceiling_from_ncsnr(ncsnr: ArrayLike, counts: Mapping[int, int] | ArrayLike) -> Floats:
    """Explainable part of the variance of the mean over repetitions, from a signal-to-noise ratio.

    ``NC = ncsnr^2 / (ncsnr^2 + t)`` with t the mean of 1 / repetitions over test stimuli, which for stimuli seen one,
    two and three times is ``(n1 + n2/2 + n3/3) / (n1 + n2 + n3)``.

    Parameters
    ----------
    ncsnr : array_like
        Standard deviation of the signal over that of the noise of one repetition, for each unit.
    counts : mapping of int to int, or array_like of int
        ``{1: n1, 2: n2, 3: n3}``, the number of test stimuli seen once, twice, three times; or the number of
        repetitions of each stimulus; or one number when all are alike.

    Returns
    -------
    array, the shape of `ncsnr`
        0..1 (not percent); 1 where `ncsnr` is infinite, NaN where it is NaN, as for vertices without data.

    Raises
    ------
    InputTypeError, InputValueError
        When `ncsnr` is negative, or `counts` are no positive integers.

    Notes
    -----
    Source: Allen et al. 2022 (Natural Scenes Dataset), Methods, "Noise ceiling estimation"; there in percent.

    Examples
    --------
    >>> noise_ceiling_from_ncsnr([0.0, 1.0], {3: 515}).round(3)
    array([0.  , 0.75])
    >>> noise_ceiling_from_ncsnr([1.0], {1: 100, 2: 100}).round(3)
    array([0.571])
    """
    ratio = np.asarray(ncsnr, dtype=np.float64)
    if (ratio < 0).any():
        raise InputValueError(f"ncsnr must not be negative; the smallest is {np.nanmin(ratio)}")
    share = mean_inverse_count(counts)
    with np.errstate(divide="ignore", over="ignore"):
        ceiling: Floats = np.asarray(1 / (1 + share / ratio**2))  # no signal gives 1 / infinity
    return ceiling


def mean_inverse_count(counts: Mapping[int, int] | ArrayLike) -> float:
    """Mean over stimuli of 1 / repetitions: the part of the noise variance that averaging leaves.

    Parameters
    ----------
    counts : mapping of int to int, or array_like of int
        As in `noise_ceiling_from_ncsnr`.

    Raises
    ------
    InputTypeError, InputValueError
        When `counts` are no positive integers.

    Examples
    --------
    >>> mean_inverse_count({1: 1, 2: 1})
    0.75
    """
    if isinstance(counts, Mapping):
        repetitions, stimuli = np.array(list(counts), ndmin=1), np.array(list(counts.values()), ndmin=1)
    else:
        repetitions = np.atleast_1d(np.asarray(counts)).ravel()
        stimuli = np.ones(repetitions.size, np.int64)
    if not repetitions.size:
        raise InputValueError("counts are empty; a noise ceiling needs at least one test stimulus")
    if repetitions.dtype.kind not in "iu" or stimuli.dtype.kind not in "iu":
        raise InputTypeError(f"counts must be integers, not {repetitions.dtype} and {stimuli.dtype}")
    if repetitions.min() < 1 or stimuli.min() < 0 or not stimuli.any():
        raise InputValueError(
            f"every stimulus needs a repetition, and numbers of stimuli are not negative; got {counts!r}"
        )
    return float((stimuli / repetitions).sum() / stimuli.sum())


def ncsnr(responses: Any, total_variance: float | None = None, tile_bytes: int = TILE_BYTES) -> Floats:
    """Standard deviation of the signal over that of the noise of one repetition.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, units) or (stimuli, repetitions, channels, times)
        NaN where a repetition is missing. In memory, or lazily opened: a tile of units is read at a time.
    total_variance : float, optional
        Variance over all repetitions of all stimuli where it is known by construction: 1 for responses that were
        standardised within sessions, as the published maps of the Natural Scenes Dataset assume. Default: estimated.
    tile_bytes : int
        Size of a tile in float64.

    Returns
    -------
    array, shape (units,) or (channels, times)
        0 where the variance is no larger than that of noise; infinite for responses without noise; NaN, with one
        warning, for units without a repeated stimulus or without variance.

    Raises
    ------
    InputTypeError, InputValueError
        When shape or values cannot be repeated responses, or no stimulus was repeated.

    Notes
    -----
    As in Allen et al. 2022: the noise variance is that over repetitions, pooled over stimuli (stimuli seen once tell
    nothing), and the signal variance is what remains of the total variance, not below zero. The paper takes the
    total variance as 1. Where it is estimated here, the sum of squares of all N values has the expectation
    ``S (N - sum n_i^2 / N) + E (N - 1)``, and solving for the signal variance S gives exactly the estimate of the
    one-way analysis of variance, (mean square between - mean square within) / n0 with
    ``n0 = (N - sum n_i^2 / N) / (stimuli - 1)`` (Searle, Casella, McCulloch 1992), unbiased for ragged repetitions.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.normal(size=(500, 1, 1)) + 2 * rng.normal(size=(500, 4, 1))
    >>> ncsnr(responses).round(1)
    array([0.5])
    """
    if total_variance is not None and not total_variance > 0:
        raise InputValueError(f"total_variance must be positive, got {total_variance}")

    def of_tile(tile: RepeatedTile, _: slice) -> Floats:
        noise = noise_variance(tile)
        signal = _signal_variance(tile, noise) if total_variance is None else total_variance - noise
        return np.sqrt(np.maximum(signal, 0) / noise)[None]

    return over_units(responses, of_tile, "ncsnr", tile_bytes=tile_bytes)[0]


def _signal_variance(tile: RepeatedTile, noise: Floats) -> Floats:
    exists = np.arange(tile.values.shape[1])[:, None] < tile.counts[:, None]  # (stimuli, repetitions, units)
    total = tile.counts.sum(axis=0)
    grand_mean = tile.values.sum(axis=(0, 1)) / total
    squares = np.square(tile.values - grand_mean, where=exists, out=np.zeros_like(tile.values)).sum(axis=(0, 1))
    signal: Floats = (squares - (total - 1) * noise) / (total - (tile.counts**2).sum(axis=0) / total)
    return signal
