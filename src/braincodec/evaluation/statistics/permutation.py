"""Permutation test of correlations: how well shuffled pairs of prediction and response score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.checks import check_finite, check_pair, tiles, warn_undefined
from braincodec.evaluation.statistics.unit_bootstrap import check_sets, medians_over_units

Floats = NDArray[np.float64]
Alternative = Literal["greater", "less", "two-sided"]
ALTERNATIVES = ("greater", "less", "two-sided")
# prediction and response of a tile of units stay in the processor's cache while permutations pass over them
CACHE_BYTES = 2 * 2**20
NULL_BYTES = 64 * 2**20


@dataclass(frozen=True)
class PermutationTest:
    """Correlations of shuffled pairs, and where the observed ones stand among them.

    Parameters
    ----------
    p_values : array, shape (units,)
        One-sided: how often shuffled pairs correlate at least as well. NaN where the correlation is undefined.
    null_medians : array, shape (permutations, sets)
        Median over the units of each set, for shuffled pairs: its mean is the floor of that score.
    median_p_values : array, shape (sets,)
        P of the observed median over the units of each set.
    """

    p_values: Floats
    null_medians: Floats
    median_p_values: Floats


def permutation_correlations(
    prediction: ArrayLike,
    response: ArrayLike,
    permutations: int = 1000,
    seed: int = 0,
    sets: NDArray[np.bool_] | None = None,
) -> PermutationTest:
    """Test each unit's correlation, and medians over units, against shuffled pairs of stimuli.

    Parameters
    ----------
    prediction, response : array_like, shape (stimuli, units)
    permutations : int
        One permutation shuffles the stimuli of all units alike, so that units stay as dependent as they are.
    seed : int
    sets : array of bool, shape (sets, units), optional
        Units over which medians are taken, such as regions. Default: one set of all units.

    Returns
    -------
    PermutationTest

    Raises
    ------
    InputTypeError, InputValueError
        When shapes differ, values are not finite, or there are no permutations.

    Notes
    -----
    p = (1 + count) / (1 + permutations), which is never 0 (Phipson, Smyth 2010).

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> response = rng.normal(size=(100, 2))
    >>> prediction = response + rng.normal(size=(100, 2))
    >>> prediction[:, 1] = rng.normal(size=100)
    >>> test = permutation_correlations(prediction, response, permutations=99)
    >>> test.p_values.round(2), test.null_medians.shape
    (array([0.01, 0.09]), (99, 1))
    """
    predicted, measured = check_pair(prediction, response)
    undefined = check_finite("prediction", predicted) | check_finite("response", measured)
    if permutations < 1:
        raise InputValueError(f"permutations must be at least 1, got {permutations}")
    stimuli, units = predicted.shape
    sets = check_sets(sets, units)
    rng = np.random.default_rng(seed)
    orders = np.stack([np.arange(stimuli), *(rng.permutation(stimuli) for _ in range(permutations))])
    rounding = rounding_of_correlations(predicted.dtype)
    # row 0 keeps the pairs, so the observed correlations are computed by the same sums as the shuffled ones
    observed, counts = np.full(units, np.nan), np.zeros(units, np.int64)
    medians = np.empty((permutations + 1, len(sets)))
    for block in tiles(permutations + 1, predicted.dtype.itemsize * units, NULL_BYTES):
        null = reordered_correlations(predicted, measured, orders[block], predicted.dtype)  # (orders, units)
        if block.start == 0:
            observed = null[0].astype(np.float64)
            observed[undefined] = np.nan
        counts += (null >= observed - rounding).sum(axis=0)
        null[:, undefined] = np.nan
        medians[block] = medians_over_units(null, sets)
    p_values = np.where(np.isnan(observed), np.nan, counts / (1 + permutations))
    warn_undefined("permutation p", np.isnan(p_values), "prediction or response does not vary")
    return PermutationTest(p_values, medians[1:], permutation_p_value(medians[0] - rounding, medians[1:]))


def rounding_of_correlations(dtype: Any) -> float:
    """By how much equal correlations may differ, because they are summed in another order.

    Examples
    --------
    >>> rounding_of_correlations(np.float32) < 1e-6
    True
    """
    return float(8 * np.finfo(dtype).eps)


def reordered_correlations(
    prediction: NDArray[Any], response: NDArray[Any], orders: NDArray[np.int64], dtype: Any
) -> NDArray[Any]:
    """Correlations of reordered predictions with responses.

    Parameters
    ----------
    prediction, response : array, shape (stimuli, units)
    orders : array of int, shape (orders, stimuli)
    dtype : float32 or float64
        In which products are summed, after centring in float64.

    Returns
    -------
    array of this dtype, shape (orders, units)
        NaN where one does not vary.

    Examples
    --------
    >>> values = np.array([[1.0], [2.0], [4.0]])
    >>> reordered_correlations(values, values, np.array([[0, 1, 2]]), np.float64).round(6)
    array([[1.]])
    """
    stimuli, units = prediction.shape
    result = np.empty((len(orders), units), dtype)
    for part in tiles(units, 2 * np.dtype(dtype).itemsize * stimuli, CACHE_BYTES):
        first, second = (_standardised(values[:, part], dtype) for values in (prediction, response))
        for row, order in enumerate(orders):
            np.einsum("iu,iu->u", first[order], second, out=result[row, part])
    return result


def _standardised(values: NDArray[Any], dtype: Any) -> NDArray[Any]:
    """Centred, of length 1 over stimuli; NaN where nothing varies."""
    centred = values.astype(np.float64)
    centred -= centred[0].copy()  # exactly zero where a unit is constant
    centred -= centred.mean(axis=0)
    length = np.sqrt(np.einsum("iu,iu->u", centred, centred))
    centred /= np.where(length > 0, length, np.nan)
    return centred.astype(dtype)


def permutation_p_value(observed: ArrayLike, null: ArrayLike, alternative: Alternative = "greater") -> Floats:
    """P of observed scores among those of permutations.

    Parameters
    ----------
    observed : array_like, shape (...)
    null : array_like, shape (permutations, ...)
    alternative : {"greater", "less", "two-sided"}
        Which scores speak against chance. Two-sided: twice the smaller p of both sides, not above 1.

    Returns
    -------
    array, shape (...)
        NaN where the observed score is NaN. NaN permutations count as no evidence: as high as the observed score.

    Raises
    ------
    UnknownNameError
        For another alternative.
    InputValueError
        When shapes do not fit or there are no permutations.

    Notes
    -----
    p = (1 + count) / (1 + permutations) (Phipson, Smyth 2010).

    Examples
    --------
    >>> permutation_p_value([5.0, 1.5], [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    array([0.25, 0.5 ])
    """
    if alternative not in ALTERNATIVES:
        raise UnknownNameError("alternative", alternative, ALTERNATIVES)
    scores, shuffled = np.asarray(observed, np.float64), np.asarray(null, np.float64)
    if shuffled.ndim != scores.ndim + 1 or shuffled.shape[1:] != scores.shape or not len(shuffled):
        raise InputValueError(f"null has shape {shuffled.shape}; for scores of shape {scores.shape} it must be "
                              f"(permutations, *{scores.shape})")  # fmt: skip
    missing = np.isnan(shuffled)
    above = 1 + ((shuffled >= scores) | missing).sum(axis=0)
    below = 1 + ((shuffled <= scores) | missing).sum(axis=0)
    count = {"greater": above, "less": below, "two-sided": 2 * np.minimum(above, below)}[alternative]
    p: Floats = np.where(np.isnan(scores), np.nan, np.minimum(count / (1 + len(shuffled)), 1))
    return p
