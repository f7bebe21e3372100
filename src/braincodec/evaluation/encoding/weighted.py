"""Scores of units under weights of stimuli: many bootstrap samples by matrix products, without a copy of the data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import check_finite, check_pair, tiles, warn_undefined

# arrays (draws, units) at hand at a time, so how much memory a tile of units takes
ARRAYS_A_TILE = 8
ROUNDING = 16  # at least so many units of rounding are lost in a difference of sums
Doubles = NDArray[np.float64]
Scored = tuple[Doubles, NDArray[np.bool_]]  # scores, and where they are defined


def weighted_correlation(prediction: ArrayLike, response: ArrayLike, weights: ArrayLike) -> Doubles:
    """Correlation over stimuli of each unit, once for each set of weights.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
    weights : array_like, shape (draws, stimuli)
        How much each stimulus counts, not negative. With how often each was drawn, as `bootstrap_weights` gives, a row
        of the answer is the correlation over that bootstrap sample.

    Returns
    -------
    array of float64, shape (draws, units)
        In -1 to 1. NaN, with one `UndefinedScoreWarning`, where prediction or response does not vary over the stimuli
        that count, or is NaN for every stimulus.

    Raises
    ------
    InputTypeError, InputValueError
        When shapes do not fit, weights are negative, not finite or all 0, or values are NaN or infinite for some
        stimuli only.

    Notes
    -----
    Weighted moments of values centred by their unweighted mean are products of the weights with five arrays; they are
    computed in float64 for a tile of units at a time, so memory beyond arguments and answer stays near 100 MB.

    Examples
    --------
    >>> weighted_correlation([[1.0], [2.0], [3.0], [9.0]], [[1.0], [2.0], [3.0], [0.0]], [[1, 1, 1, 0], [0, 1, 0, 3]])
    array([[ 1.],
           [-1.]])
    """
    return _in_tiles("weighted correlation", _correlation, prediction, response, weights)


def weighted_r2_determination(prediction: ArrayLike, response: ArrayLike, weights: ArrayLike) -> Doubles:
    """Coefficient of determination of each unit, once for each set of weights.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
    weights : array_like, shape (draws, stimuli)
        How much each stimulus counts, not negative.

    Returns
    -------
    array of float64, shape (draws, units)
        1 - SSE / SST, with SST about the weighted mean of the response. NaN, with one `UndefinedScoreWarning`, where
        the response does not vary over the stimuli that count, or is missing.

    Raises
    ------
    InputTypeError, InputValueError
        As `weighted_correlation`.

    Examples
    --------
    >>> weighted_r2_determination([[1.0], [2.0], [4.0]], [[1.0], [2.0], [3.0]], [[1, 1, 0], [1, 1, 1]])
    array([[1. ],
           [0.5]])
    """
    return _in_tiles("weighted r2_determination", _determination, prediction, response, weights)


def _in_tiles(
    what: str,
    score: Callable[[Doubles, Doubles, Doubles], Scored],
    prediction: ArrayLike,
    response: ArrayLike,
    weights: ArrayLike,
) -> Doubles:
    prediction, response = check_pair(prediction, response)
    shares = _check_weights(weights, len(prediction))
    for name, values in (("prediction", prediction), ("response", response)):
        check_finite(name, values)
    draws, units = len(shares), prediction.shape[1]
    found = np.empty((draws, units))
    undefined = np.zeros(found.shape, bool)
    for cut in tiles(units, bytes_each=8 * ARRAYS_A_TILE * max(shares.shape)):
        predicted, measured = (values[:, cut].astype(np.float64) for values in (prediction, response))
        with np.errstate(divide="ignore", invalid="ignore"):
            scores, defined = score(predicted, measured, shares)
        scores[~defined] = np.nan
        found[:, cut], undefined[:, cut] = scores, ~defined
    reason = "the values do not vary over the stimuli that count, or are missing"
    warn_undefined(what, undefined, reason, of="draws of units", stacklevel=4)
    return found


def _check_weights(weights: ArrayLike, stimuli: int) -> Doubles:
    """Weights whose rows add up to 1."""
    given = np.asarray(weights)
    if given.dtype.kind not in "biuf" or given.ndim != 2 or given.shape[1] != stimuli:
        raise InputValueError(
            f"weights have shape {given.shape} and dtype {given.dtype}; expected numbers (draws, {stimuli}), "
            "one for each stimulus"
        )
    given = given.astype(np.float64)
    total = given.sum(axis=1, keepdims=True)
    wrong = ~((given >= 0).all(axis=1) & (total[:, 0] > 0) & np.isfinite(total[:, 0]))
    if wrong.any():
        raise InputValueError(
            f"weights of {wrong.sum()} draws, the first is draw {np.argmax(wrong)}, are negative, not finite or all 0"
        )
    given /= total
    return given


def _correlation(prediction: Doubles, response: Doubles, shares: Doubles) -> Scored:
    x, y = prediction - prediction.mean(axis=0), response - response.mean(axis=0)
    moments = shares @ np.hstack([x, y, x * x, y * y, x * y])  # (draws, 5 units)
    mean_x, mean_y, square_x, square_y, product = np.split(moments, 5, axis=1)
    variance_x, x_varies = _variance(square_x, mean_x, len(x))
    variance_y, y_varies = _variance(square_y, mean_y, len(y))
    product -= mean_x * mean_y
    product /= np.sqrt(variance_x)
    product /= np.sqrt(variance_y)
    return np.clip(product, -1, 1, out=product), x_varies & y_varies


def _determination(prediction: Doubles, response: Doubles, shares: Doubles) -> Scored:
    y = response - response.mean(axis=0)
    moments = shares @ np.hstack([y, y * y, (prediction - response) ** 2])  # (draws, 3 units)
    mean, square, error = np.split(moments, 3, axis=1)
    variance, varies = _variance(square, mean, len(y))
    return 1 - error / variance, varies


def _variance(square: Doubles, mean: Doubles, stimuli: int) -> tuple[Doubles, NDArray[np.bool_]]:
    """Weighted variance, and where it is more than what rounding leaves of a constant."""
    variance = square - mean * mean
    return variance, variance > max(ROUNDING, stimuli) * np.finfo(np.float64).eps * square
