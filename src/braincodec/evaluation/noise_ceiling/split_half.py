"""Noise ceiling from split halves, stepped up to all repetitions by the Spearman-Brown formula."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.evaluation.checks import TILE_BYTES
from braincodec.evaluation.noise_ceiling.bias import without_bias
from braincodec.evaluation.noise_ceiling.halves import RandomSplits
from braincodec.evaluation.noise_ceiling.repetitions import RepeatedTile, over_units, repeated_shape

Floats = NDArray[np.float64]


def spearman_brown(
    correlation: ArrayLike, first_share: ArrayLike, second_share: ArrayLike, share: ArrayLike
) -> NDArray[Any]:
    """Reliability of a mean over repetitions from the correlation of means over two separate parts of them.

    Parameters
    ----------
    correlation : array_like
        Of the two parts, over stimuli.
    first_share, second_share : array_like
        Mean over stimuli of 1 / repetitions, in each part.
    share : array_like
        Mean over stimuli of 1 / repetitions, in the mean whose reliability is asked for.

    Returns
    -------
    array
        The part of its variance that is signal.

    Notes
    -----
    Part means have the variances S + a N and S + b N with shares a and b, and the covariance S, so
    ``r^-2 = (1 + a x)(1 + b x)`` for x = N / S. Solving for x and inserting it into 1 / (1 + t x) gives
    ``2ab r / (2ab r + t (sqrt((a - b)^2 r^2 + 4ab) - (a + b) r))``, which for a = b = 2t is the Spearman-Brown
    formula 2r / (1 + r), and for parts of unequal size that of Horst 1951 (Educational and Psychological Measurement
    11). It is smooth through r = 0, so that unclipped estimates of units without signal scatter around 0.

    Examples
    --------
    >>> spearman_brown(0.5, 1 / 2, 1 / 2, 1 / 4).round(4)  # halves of four repetitions: 2 * 0.5 / (1 + 0.5)
    np.float64(0.6667)
    >>> spearman_brown(0.5, 1 / 3, 1 / 2, 1 / 5).round(4)  # three and two of five repetitions
    np.float64(0.6735)
    """
    r, a, b, t = (np.asarray(value, np.float64) for value in (correlation, first_share, second_share, share))
    signal = 2 * a * b * r
    noise = np.sqrt((a - b) ** 2 * r**2 + 4 * a * b) - (a + b) * r
    reliability: NDArray[Any] = signal / (signal + t * noise)
    return reliability


def noise_ceiling_split_half(
    responses: Any, draws: int = 100, seed: int = 0, clip: bool = True, tile_bytes: int = TILE_BYTES
) -> Floats:
    """Explainable part of the variance of the mean over repetitions, from random halves.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, units) or (stimuli, repetitions, channels, times)
        NaN where a repetition is missing: stimuli may have unequal numbers of repetitions, odd or even, and these
        may differ between units. In memory, or lazily opened (HDF5, Zarr, xarray): a tile of units is read at a time.
    draws : int
        How many times repetitions are split, anew for each stimulus.
    seed : int
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
    noise_ceiling_variance_components : the same quantity without draws; faster.

    Notes
    -----
    In each draw the halves of all stimuli with two or more repetitions are correlated, and the correlation is stepped
    up to the mean over all repetitions with `spearman_brown`, which takes halves of unequal size and stimuli with
    unequal numbers of repetitions. Of an odd number, chance decides for each stimulus which half is larger. The mean
    over draws is freed of the bias of a variance ratio, as in `noise_ceiling_variance_components`: for equal halves,
    the estimate of one draw is one minus the ratio of the variances of (first - second) / 2 and (first + second) / 2,
    which are independent. Stimuli seen once tell nothing about noise, but count in the mean of 1 / repetitions that
    the estimate is stepped up to, because they are part of the target. Draws in which a half does not vary are
    left out.

    Source: Spearman 1910; Brown 1910; Horst 1951.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.normal(size=(500, 1, 1)) + rng.normal(size=(500, 4, 1))  # ceiling 1 / (1 + 1/4) = 0.8
    >>> noise_ceiling_split_half(responses).round(2)
    array([0.81])
    """
    responses = responses if hasattr(responses, "shape") else np.asarray(responses)
    stimuli, repetitions = repeated_shape(responses)[:2]
    splits = RandomSplits(stimuli, repetitions, draws, seed)

    def of_tile(tile: RepeatedTile, _: slice) -> Floats:
        estimate = np.full((1, tile.counts.shape[1]), np.nan)
        for units, counts in tile.by_pattern():
            if (counts > 1).sum() > 1:
                estimate[0, units] = _same_counts(tile, units, counts, splits, tile_bytes)
        return estimate

    estimate = over_units(responses, of_tile, "noise ceiling", tile_bytes=tile_bytes)[0]
    return np.clip(estimate, 0, 1) if clip else estimate


def _same_counts(
    tile: RepeatedTile, units: NDArray[np.int64], counts: NDArray[np.int64], splits: RandomSplits, tile_bytes: int
) -> Floats:
    repeated = counts[counts > 1]
    repeated_share, share = (1 / repeated).mean(), (1 / counts[counts > 0]).mean()
    total, defined = np.zeros(len(units)), np.zeros(len(units), np.int64)
    for r, first_share, second_share in splits.correlations(tile, units, counts, tile_bytes):
        stepped_up = spearman_brown(r, first_share, second_share, repeated_share)  # (draws, units)
        # sparse responses may leave a half without any variance: such a draw says nothing
        total += np.nansum(stepped_up, axis=0)
        defined += (~np.isnan(stepped_up)).sum(axis=0)
    ceiling = without_bias(total / defined, repeated[:, None])
    # from the repeated stimuli's target to that of all stimuli
    adjusted: Floats = ceiling / (ceiling + share / repeated_share * (1 - ceiling))
    return adjusted
