"""Shuffled pairs of predictions and stimuli: what chance and a trivial predictor reach."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.statistics.permutation import reordered_correlations, rounding_of_correlations

Floats = NDArray[np.float64]
# correlations summed in float32 that differ by no more are equal
ROUNDING = rounding_of_correlations(np.float32)


def shuffled_correlations(
    prediction: NDArray[Any], target: NDArray[Any], permutations: int, seed: int
) -> tuple[NDArray[np.float32], Floats]:
    """Correlations of each unit when stimuli are shuffled, and where the observed one stands among them.

    Unlike `braincodec.evaluation.permutation_correlations`, which takes medians at once and needs all units for that,
    this gives the correlations themselves, of some units. Equal seeds give equal permutations for all units.

    Parameters
    ----------
    prediction, target : array, shape (stimuli, units)
    permutations, seed : int

    Returns
    -------
    null : array of float32, shape (permutations, units)
    p_value : array, shape (units,)
        (1 + count) / (1 + permutations); NaN where the correlation is not defined.

    Examples
    --------
    >>> target = np.random.default_rng(0).normal(size=(50, 1))
    >>> null, p_value = shuffled_correlations(target, target, 99, seed=0)
    >>> null.shape, p_value.tolist()
    ((99, 1), [0.01])
    """
    stimuli = len(prediction)
    rng = np.random.default_rng(seed)
    # the first keeps the pairs, so that the observed correlation is the same sum as the shuffled ones
    orders = [np.arange(stimuli), *(rng.permutation(stimuli) for _ in range(permutations))]
    found = reordered_correlations(prediction, target, np.stack(orders), np.float32)
    with np.errstate(invalid="ignore"):
        reached = (found >= found[0] - ROUNDING).sum(axis=0)
    return found[1:], np.where(np.isnan(found[0]), np.nan, reached / (1 + permutations))


def shuffled_means(rates: Floats, permutations: int, seed: int) -> Floats:
    """Mean score when each prediction is taken to belong to a random stimulus, shape (permutations,).

    Parameters
    ----------
    rates : array, shape (stimuli, stimuli)
        Score of prediction i if it belonged to stimulus j. NaN are left out.
    permutations, seed : int

    Examples
    --------
    >>> shuffled_means(np.eye(3), 2, seed=0).round(2)
    array([0.  , 0.33])
    """
    rng = np.random.default_rng(seed)
    rows = np.arange(len(rates))
    means = np.empty(permutations)
    for draw in range(permutations):
        chosen = rates[rows, rng.permutation(len(rates))]
        known = chosen[~np.isnan(chosen)]
        means[draw] = known.mean() if known.size else np.nan
    return means


def mean_of_others(rates: Floats) -> float:
    """Mean over all pairs that do not belong together: the expected score of shuffled pairs.

    Examples
    --------
    >>> round(mean_of_others(np.array([[1.0, 0.2], [0.4, 1.0]])), 3)
    0.3
    """
    others = rates[~np.eye(len(rates), dtype=bool)]
    known = others[~np.isnan(others)]
    return float(known.mean()) if known.size else np.nan


def identification_rates(similarity: Floats, anchor: str = "prediction", tolerance: float = 0.0) -> Floats:
    """Two-way identification of every prediction, whichever stimulus it is taken to belong to.

    Parameters
    ----------
    similarity : array, shape (predictions, truths)
    anchor : {"prediction", "truth"}
    tolerance : float
        Similarities that differ by no more are ties, and ties fail.

    Returns
    -------
    array, shape (predictions, truths)
        The diagonal is what `braincodec.evaluation.two_way_by_similarity` gives. NaN where the similarity is.

    Examples
    --------
    >>> identification_rates(np.array([[3.0, 1.0, 2.0], [0.0, 2.0, 1.0], [5.0, 1.0, 4.0]])).diagonal().tolist()
    [1.0, 1.0, 0.5]
    """
    matrix = similarity if anchor == "prediction" else similarity.T
    rates = np.full(matrix.shape, np.nan)
    for row, values in enumerate(matrix):
        known = ~np.isnan(values)
        below = np.searchsorted(np.sort(values[known]), values[known] - tolerance, side="left")
        rates[row, known] = below / (len(values) - 1)
    return rates if anchor == "prediction" else rates.T


def competitors(similarity: Floats, tolerance: float = 0.0) -> NDArray[np.int64]:
    """How many others of a row are at least as high, for every entry; what is not known counts as high.

    Examples
    --------
    >>> competitors(np.array([[3.0, 1.0, 3.0]])).tolist()
    [[1, 2, 1]]
    """
    found = np.empty(similarity.shape, np.int64)
    for row, values in enumerate(similarity):
        ordered = np.sort(values)  # NaN last
        lower = np.searchsorted(ordered, values - tolerance, side="left")
        found[row] = np.where(np.isnan(values), len(values) - 1, len(values) - lower - 1)
    return found


def derangements(count: int, repeats: int, seed: int) -> NDArray[np.int64]:
    """Random orders in which nothing keeps its place, shape (repeats, count).

    Examples
    --------
    >>> bool((derangements(5, 100, 0) == np.arange(5)).any())
    False
    """
    rng = np.random.default_rng(seed)
    orders = np.empty((repeats, count), np.int64)
    for row in orders:
        circle = rng.permutation(count)
        row[circle] = np.roll(circle, 1)  # each takes the place of the next one in a random circle
    return orders
