"""How sure the similarity of two dissimilarity matrices is, and what chance gives."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import as_floats, tiles
from braincodec.evaluation.encoding.rdm import ROUNDING, Floats
from braincodec.evaluation.encoding.rsa import Comparison, checked_rdms, comparison_function, ranks, stimuli_of


def rsa_bootstrap(
    first: ArrayLike, second: ArrayLike, weights: ArrayLike, comparison: Comparison = "spearman"
) -> Floats:
    """Replicates of the similarity of two dissimilarity matrices, over samples of stimuli.

    A stimulus that a sample holds twice would be compared with itself, at a dissimilarity of zero in both matrices,
    which makes them look alike. Such pairs are left out.

    Parameters
    ----------
    first, second : array_like, shape (pairs,)
    weights : array_like of whole numbers, shape (draws, stimuli)
        How often each stimulus is in each sample: from `bootstrap_weights`.
    comparison : str
        As in `compare_rdms`.

    Returns
    -------
    array of float64, shape (draws,)
        NaN for a sample in which nothing varies.

    Raises
    ------
    InputValueError
        When shapes do not fit.

    Notes
    -----
    Two stimuli that occur a and b times make a x b equal pairs, so samples are computed with weights and without
    copies; only "kendall_tau_a" repeats the values. Source: Nili et al. 2014; Schütt et al. 2023, eLife 12:e82566.

    Examples
    --------
    >>> a, b = np.random.default_rng(0).random((2, 10))
    >>> rsa_bootstrap(a, a + 0.1 * b, np.array([[1, 1, 1, 1, 1], [2, 0, 1, 1, 1]])).round(2).shape
    (2,)
    """
    comparison_function(comparison)
    a, b = checked_rdms(first, second)
    stimuli = stimuli_of(len(a))
    samples = as_floats("weights", weights, ("draws", "stimuli")).astype(np.float64)
    if samples.shape[1] != stimuli:
        raise InputValueError(f"weights are for {samples.shape[1]} stimuli, the matrices for {stimuli}")
    known = ~(np.isnan(a) | np.isnan(b))
    rows, columns = (index[known] for index in np.triu_indices(stimuli, 1))
    a, b = a[known], b[known]
    replicates = np.empty(len(samples))
    if comparison == "kendall_tau_a":
        compare = comparison_function(comparison)
        for draw, weight in enumerate(samples):
            times = (weight[rows] * weight[columns]).astype(np.int64)
            replicates[draw] = compare(np.repeat(a, times), np.repeat(b, times)) if times.sum() > 2 else np.nan
        return replicates
    centred = comparison != "cosine"
    if centred:  # weights move the mean a little only: no variance is lost to rounding
        a, b = a - a.mean(), b - b.mean()
    ranked = [_WeightedRanks(values) for values in (a, b)] if comparison == "spearman" else None
    for draws in tiles(len(samples), bytes_each=16 * len(a)):
        pair_weights = samples[draws][:, rows] * samples[draws][:, columns]  # (draws, pairs)
        if ranked is None:
            replicates[draws] = _weighted(a, b, pair_weights, centred)
            continue
        for draw, weight in enumerate(pair_weights):
            first_ranks, second_ranks = (ranks_of.given(weight) for ranks_of in ranked)
            replicates[draws.start + draw] = _weighted(first_ranks, second_ranks, weight[None], centred)[0]
    return replicates


class _WeightedRanks:
    """Mean ranks of values that occur several times: sorted once, for any number of weights."""

    def __init__(self, values: Floats) -> None:
        self._order = np.argsort(values, kind="stable")
        ordered = values[self._order]
        self._starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        self._sizes = np.diff(np.append(self._starts, len(ordered)))

    def given(self, weights: Floats) -> Floats:
        """Ranks around their mean, shape (values,)."""
        tied = np.add.reduceat(weights[self._order], self._starts)
        middle = np.cumsum(tied) - tied / 2
        middle -= middle[-1] / 2
        found = np.empty(len(weights))
        found[self._order] = np.repeat(middle, self._sizes)
        return found


def _weighted(a: Floats, b: Floats, weights: Floats, centred: bool) -> Floats:
    """Weighted correlation (or cosine) for each row of weights, shape (draws,)."""
    moments = weights @ np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=1)  # (draws, 6)
    total, sum_a, sum_b, square_a, square_b, product = moments.T
    with np.errstate(invalid="ignore", divide="ignore"):
        if centred:
            whole = (square_a, square_b)
            square_a, square_b = square_a - sum_a**2 / total, square_b - sum_b**2 / total
            product = product - sum_a * sum_b / total
            for left, before in zip((square_a, square_b), whole, strict=True):
                left[left <= ROUNDING * before] = 0
        found: Floats = product / np.sqrt(square_a * square_b)
    found[~np.isfinite(found)] = np.nan
    return np.clip(found, -1, 1)


def rsa_permutation(
    first: ArrayLike,
    second: ArrayLike,
    permutations: int = 1000,
    seed: int = 0,
    comparison: Comparison = "spearman",
) -> Floats:
    """What chance gives: similarities after shuffling the stimuli of one matrix.

    Parameters
    ----------
    first, second : array_like, shape (pairs,)
        Rows and columns of `first` are shuffled together, because the pairs of one stimulus belong together.
    permutations : int
    seed : int
    comparison : str
        As in `compare_rdms`.

    Returns
    -------
    array of float64, shape (permutations,)
        For `permutation_p_value`.

    Raises
    ------
    InputValueError
        When shapes do not fit or `permutations` is below 1.

    Notes
    -----
    Source: Kriegeskorte, Mur, Bandettini 2008 (the test of Mantel 1967).

    Examples
    --------
    >>> a, b = np.random.default_rng(0).random((2, 45))
    >>> abs(rsa_permutation(a, b, 200).mean()) < 0.1
    np.True_
    """
    compare = comparison_function(comparison)
    a, b = checked_rdms(first, second)
    if permutations < 1:
        raise InputValueError(f"permutations must be at least 1, got {permutations}")
    if comparison == "spearman" and not np.isnan(a).any() and not np.isnan(b).any():
        # shuffling does not change the ranks, only where they are
        a, b, compare = ranks(a), ranks(b), comparison_function("pearson")
    from scipy.spatial.distance import squareform

    square = squareform(a, checks=False)
    upper = np.triu_indices(len(square), 1)
    rng = np.random.default_rng(seed)
    null = np.empty(permutations)
    for number in range(permutations):
        order = rng.permutation(len(square))
        shuffled = square[order[upper[0]], order[upper[1]]]
        known = ~(np.isnan(shuffled) | np.isnan(b))
        null[number] = compare(shuffled[known], b[known]) if known.sum() > 2 else np.nan
    return null
