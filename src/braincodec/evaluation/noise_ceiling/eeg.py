"""Noise ceiling of EEG responses from random halves of the repetitions, and the accuracy to show beside it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import TILE_BYTES, check_finite
from braincodec.evaluation.noise_ceiling.halves import Halves, RandomSplits, correlations
from braincodec.evaluation.noise_ceiling.repetitions import RepeatedTile, over_units, repeated_shape

Floats = NDArray[np.float64]
LOWER, UPPER, ACCURACY = range(3)


@dataclass(frozen=True)
class EEGNoiseCeiling:
    """Bounds of the correlation that a perfect model would reach with the mean of half of the repetitions.

    Parameters
    ----------
    lower : array, shape (channels, times)
        Mean correlation of the two halves. Pessimistic: one half is a noisy model of the other.
    upper : array, shape (channels, times)
        Mean correlation of a half with the mean of all repetitions. Optimistic: the half is part of that mean.
    draws, seed : int
        How the halves were drawn.
    """

    lower: Floats
    upper: Floats
    draws: int
    seed: int

    labels: ClassVar[dict[str, str]] = {
        "lower": "noise ceiling, lower bound (one half of the repetitions with the other)",
        "upper": "noise ceiling, upper bound (optimistic: the mean of all repetitions contains the half itself)",
    }


def eeg_noise_ceiling(responses: Any, draws: int = 100, seed: int = 0, tile_bytes: int = TILE_BYTES) -> EEGNoiseCeiling:
    """Lower and upper bound of accuracy, for each channel and time point.

    Repetitions are split at random into halves `draws` times. Show `eeg_accuracy` of the same draws and seed beside
    the bounds, never the correlation with the mean of all repetitions: accuracy and bounds then have one target.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, channels, times) or (stimuli, repetitions, units)
        NaN where a repetition is missing. In memory, or lazily opened: a tile of channels is read at a time.
    draws : int
    seed : int
    tile_bytes : int
        Size of a tile in float64.

    Returns
    -------
    EEGNoiseCeiling
        Correlations, not squared. NaN, with one warning, where nothing varies.

    Raises
    ------
    InputTypeError, InputValueError
        When shape or values cannot be repeated responses, or no stimulus was repeated.

    Notes
    -----
    With no repetition missing, one draw splits the repetitions of all stimuli alike, as the published code of the
    Neural Encoding Dataset does; of an odd number, the half that is the target is the larger. All correlations of a
    unit then follow from one matrix, the products over stimuli of every repetition with every other. Where
    repetitions are missing, each stimulus is split by itself, and those with a single repetition are left out.

    Source: Gifford et al. 2022 (A large and rich EEG dataset for modeling human visual object recognition).

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.normal(size=(200, 1, 1, 1)) + rng.normal(size=(200, 8, 1, 1))
    >>> ceiling = eeg_noise_ceiling(responses)
    >>> ceiling.lower.round(2), ceiling.upper.round(2)  # a perfect model reaches 1 / sqrt(1 + 1/4) = 0.89
    (array([[0.78]]), array([[0.94]]))
    """
    responses = responses if hasattr(responses, "shape") else np.asarray(responses)
    means = _mean_correlations(responses, None, draws, seed, tile_bytes, "noise ceiling")
    return EEGNoiseCeiling(means[LOWER], means[UPPER], draws, seed)


def eeg_accuracy(
    prediction: ArrayLike, responses: Any, draws: int = 100, seed: int = 0, tile_bytes: int = TILE_BYTES
) -> Floats:
    """Mean correlation of predictions with the half of the repetitions that `eeg_noise_ceiling` uses as its target.

    Parameters
    ----------
    prediction : array, shape (stimuli, channels, times) or (stimuli, units)
    responses : array, shape (stimuli, repetitions, channels, times) or (stimuli, repetitions, units)
        As in `eeg_noise_ceiling`.
    draws, seed : int
        As in `eeg_noise_ceiling`; equal values give the same halves.
    tile_bytes : int
        Size of a tile in float64.

    Returns
    -------
    array, shape (channels, times) or (units,)
        NaN, with one warning, where prediction or response does not vary.

    Raises
    ------
    InputTypeError, InputValueError
        As `eeg_noise_ceiling`; also when the shapes do not fit or predictions are not finite.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> signal = rng.normal(size=(200, 1, 1))
    >>> eeg_accuracy(signal, signal[:, None] + rng.normal(size=(200, 8, 1, 1))).round(2)
    array([[0.89]])
    """
    responses = responses if hasattr(responses, "shape") else np.asarray(responses)
    predicted = np.asarray(prediction)
    shape = repeated_shape(responses)
    if predicted.shape != (shape[0], *shape[2:]):
        raise InputValueError(
            f"prediction has shape {predicted.shape} and responses {shape}; "
            f"for these responses a prediction must have shape {(shape[0], *shape[2:])}"
        )
    check_finite("prediction", predicted)
    return _mean_correlations(responses, predicted, draws, seed, tile_bytes, "accuracy")[ACCURACY]


def _mean_correlations(
    responses: Any, prediction: NDArray[Any] | None, draws: int, seed: int, tile_bytes: int, what: str
) -> Floats:
    stimuli, repetitions = repeated_shape(responses)[:2]
    shared = shared_halves(repetitions, draws, seed)
    splits = RandomSplits(stimuli, repetitions, draws, seed, larger_first=True)
    rows = 2 if prediction is None else 3

    def of_tile(tile: RepeatedTile, part: slice) -> Floats:
        means = np.full((rows, tile.counts.shape[1]), np.nan)
        predicted = None
        if prediction is not None:
            predicted = np.asarray(prediction[:, part], np.float64).reshape(stimuli, -1)
            predicted = predicted - predicted[0]  # exactly zero where it is constant
        for units, counts in tile.by_pattern():
            chosen = None if predicted is None else predicted[:, units]
            if (counts == repetitions).all():
                means[:, units] = _alike(tile.values[:, :, units], chosen, shared) / draws
            elif (counts > 1).sum() > 1:
                halves = splits.halves(tile, units, counts, tile_bytes)
                everything = tile.means()[:, units]
                means[:, units] = _by_stimulus(everything, chosen, counts > 1, halves) / draws
        return means

    return over_units(responses, of_tile, what, rows=rows, tile_bytes=tile_bytes, stacklevel=5)


def shared_halves(repetitions: int, draws: int, seed: int) -> NDArray[np.bool_]:
    """Random first halves of a number of repetitions; of an odd number, the first half is the larger.

    Returns
    -------
    array of bool, shape (draws, repetitions)

    Examples
    --------
    >>> shared_halves(5, draws=2, seed=0).sum(axis=1)
    array([3, 3])
    """
    if draws < 1:
        raise InputValueError(f"draws must be at least 1, got {draws}")
    ranks = np.argsort(np.random.default_rng(seed).random((draws, repetitions)), axis=1)
    first: NDArray[np.bool_] = ranks < (repetitions + 1) // 2
    return first


def _alike(values: Floats, prediction: Floats | None, halves: NDArray[np.bool_]) -> Floats:
    """Sums over draws of correlations, from the products over stimuli of all repetitions with each other."""
    size, repetitions = halves[0].sum(), halves.shape[1]
    weights = halves / size  # (draws, repetitions)
    centred = np.ascontiguousarray((values - values.mean(axis=0)).transpose(2, 1, 0))  # (units, repetitions, stimuli)
    products = centred @ centred.transpose(0, 2, 1)  # (units, repetitions, repetitions)
    with_half = weights @ products  # (units, draws, repetitions)
    half = np.einsum("udr,dr->ud", with_half, weights)
    half_and_all = with_half.mean(axis=2)
    everything = products.mean(axis=(1, 2))[:, None]
    # the mean of all is made of both halves, which gives the other half's products
    share = size / repetitions
    half_and_other = (half_and_all - share * half) / (1 - share)
    other = (everything - 2 * share * half_and_all + share**2 * half) / (1 - share) ** 2
    sums = [_ratio(half_and_other, half, other), _ratio(half_and_all, half, everything)]
    if prediction is not None:
        predicted = (prediction - prediction.mean(axis=0)).T[:, :, None]  # (units, stimuli, 1)
        with_prediction = (centred @ predicted)[:, :, 0] @ weights.T  # (units, draws)
        sums.append(_ratio(with_prediction, half, (predicted**2).sum(axis=(1, 2))[:, None]))
    return np.stack([r.sum(axis=1) for r in sums])


def _ratio(products: Floats, first: Floats, second: Floats) -> Floats:
    squares = first * second
    result: Floats = products / np.sqrt(np.where(squares > 0, squares, np.nan))
    return result


def _by_stimulus(
    everything: Floats, prediction: Floats | None, repeated: NDArray[np.bool_], splits: Iterable[Halves]
) -> Floats:
    """Sums over draws of correlations, each stimulus split by itself."""
    targets = [everything[repeated]] + ([] if prediction is None else [prediction[repeated]])
    sums = np.zeros((1 + len(targets), everything.shape[1]))
    for halves in splits:
        others = [halves.second, *(np.broadcast_to(target[:, None], halves.first.shape) for target in targets)]
        for row, other in enumerate(others):
            sums[row] += correlations(halves.first, other).sum(axis=0)
    return sums
