"""Noise ceiling from variance components: how much of the variance of mean responses is not noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.checks import TILE_BYTES
from braincodec.evaluation.noise_ceiling.bias import without_bias
from braincodec.evaluation.noise_ceiling.repetitions import RepeatedTile, over_units

Floats = NDArray[np.float64]


def noise_ceiling_variance_components(responses: Any, clip: bool = True, tile_bytes: int = TILE_BYTES) -> Floats:
    """Explainable part of the variance of the mean over repetitions, by analysis of variance.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, units) or (stimuli, repetitions, channels, times)
        NaN where a repetition is missing: stimuli may have unequal numbers of repetitions, and these may differ
        between units. In memory, or lazily opened (HDF5, Zarr, xarray): a tile of units is read at a time.
    clip : bool
        Set negative estimates to 0. The unclipped estimate is the unbiased one: use it before averaging.
    tile_bytes : int
        Size of a tile in float64.

    Returns
    -------
    array, shape (units,) or (channels, times)
        On the scale of a squared correlation, 1 for responses without noise. NaN, with one warning, for units without
        a repeated stimulus or without variance.

    Raises
    ------
    InputTypeError, InputValueError
        When shape or values cannot be repeated responses, or no stimulus was repeated.

    See Also
    --------
    noise_ceiling_split_half : the same quantity from correlations of halves.

    Notes
    -----
    With y = signal + noise, the variance over stimuli of the mean of n_i repetitions has the expectation
    ``S + t N``, where S and N are the variances of signal and noise, and t = mean(1/n_i). N is the pooled variance
    within stimuli (stimuli seen once tell nothing about it, but count in t). So ``NC = 1 - t N / V``, with V the plain
    variance of the means: as every stimulus counts once in the target, it counts once here, also when repetitions are
    ragged, and no mean number of repetitions is needed. The ratio is freed of its bias by the factor (d - 2) / d
    with Satterthwaite's degrees of freedom d of V; d = stimuli - 1 for equal numbers of repetitions, where the
    estimate is exactly unbiased for normal data.

    Source: Searle, Casella, McCulloch 1992, Variance Components (analysis of unweighted means); for neural data
    Sahani, Linden 2003; Schoppe et al. 2016.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.normal(size=(500, 1, 1)) + rng.normal(size=(500, 4, 1))  # ceiling 1 / (1 + 1/4) = 0.8
    >>> noise_ceiling_variance_components(responses).round(2)
    array([0.81])
    """
    estimate = over_units(responses, _tile, "noise ceiling", tile_bytes=tile_bytes)[0]
    return np.clip(estimate, 0, 1) if clip else estimate


def noise_variance(tile: RepeatedTile) -> Floats:
    """Pooled variance within stimuli, shape (units,); NaN where no stimulus was repeated."""
    means = tile.means()
    exists = np.arange(tile.values.shape[1])[:, None] < tile.counts[:, None]  # (stimuli, repetitions, units)
    squares = np.square(tile.values - means[:, None], where=exists, out=np.zeros_like(tile.values)).sum(axis=(0, 1))
    degrees = np.maximum(tile.counts - 1, 0).sum(axis=0)
    variance: Floats = np.where(degrees > 0, squares / degrees, np.nan)
    return variance


def variance_of_means(tile: RepeatedTile) -> Floats:
    """Variance over stimuli of the mean over repetitions, shape (units,)."""
    present = tile.counts > 0
    stimuli = present.sum(axis=0)
    means = tile.means()
    deviations = np.where(present, means - means.sum(axis=0) / stimuli, 0)
    variance: Floats = (deviations**2).sum(axis=0) / (stimuli - 1)
    return variance


def _tile(tile: RepeatedTile, _: slice) -> Floats:
    present = tile.counts > 0
    share = np.where(present, 1 / np.maximum(tile.counts, 1), 0).sum(axis=0) / present.sum(axis=0)  # t
    variance = variance_of_means(tile)
    estimate = 1 - share * noise_variance(tile) / np.where(variance > 0, variance, np.nan)
    return without_bias(estimate, tile.counts)[None]
