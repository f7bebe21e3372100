"""Representational similarity of predicted and measured responses, region by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats
import xarray as xr
from numpy.typing import NDArray

from braincodec.evaluation.checks import tiles
from braincodec.evaluation.judging.choose import definition_of
from braincodec.evaluation.judging.patterns import PatternMatrices
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import better_floor
from braincodec.evaluation.judging.unit_scores import SHUFFLED, UnitTask
from braincodec.evaluation.statistics import percentile_interval, permutation_p_value

Floats = NDArray[np.float64]
RSA = "rsa"
# dissimilarities of more stimuli are not kept with the scores
MOST_STIMULI_KEPT = 300
# of weights of pairs that are at hand together
BLOCK_BYTES = 64 * 2**20


def rsa_row(
    region: str, matrices: PatternMatrices, task: UnitTask, settings: Settings
) -> tuple[dict[str, Any], Floats]:
    """The row of one region, and its replicates: dissimilarities are 1 - correlation, compared by Spearman's rho.

    Notes
    -----
    A bootstrap sample that holds two stimuli a and b times has their pair a * b times; pairs of a stimulus with itself
    are left out. Ranks are those of all pairs. Shuffling permutes the stimuli of the predicted dissimilarities.
    """
    row: dict[str, Any] = {"roi": region, "metric": RSA, "summary": "over all stimuli", "level": settings.level}
    row |= {"n_units": matrices.units, "chance": 0.0}
    predicted, measured = dissimilarities(matrices.predicted), dissimilarities(matrices.measured)
    known = np.isfinite(predicted) & np.isfinite(measured)
    draws = len(task.weights)
    if known.sum() < 3 or np.ptp(predicted[known]) == 0 or np.ptp(measured[known]) == 0:
        return row, np.full(draws, np.nan)
    first, second = (_standard_ranks(values, known) for values in (predicted, measured))
    row["value"] = float(first @ second)
    replicates = _replicates(first, second, known, task.weights)
    if draws:
        low, high = percentile_interval(replicates, settings.level)
        row |= {"low": float(low), "high": float(high)}
    if settings.permutations:
        null = _shuffled(first, second, len(matrices.cross), settings.permutations, settings.seed)
        row["p_value"] = float(permutation_p_value(row["value"], null))
        row |= better_floor(definition_of(RSA), {SHUFFLED: float(np.nanmean(null))})
    return row, replicates


def dissimilarities(correlations: Floats) -> Floats:
    """1 - correlation of every pair, in the order of `scipy.spatial.distance.pdist`.

    Examples
    --------
    >>> dissimilarities(np.array([[1.0, 0.2, 0.5], [0.2, 1.0, 0.0], [0.5, 0.0, 1.0]])).tolist()
    [0.8, 0.5, 1.0]
    """
    return np.asarray(1 - correlations[np.triu_indices(len(correlations), 1)])


def rdm_dataset(matrices: Mapping[str, PatternMatrices], ids: Sequence[str]) -> xr.Dataset:
    """Measured and predicted dissimilarities (roi, pair); empty for very many stimuli."""
    if not matrices or len(ids) > MOST_STIMULI_KEPT:
        return xr.Dataset()
    measured = np.stack([dissimilarities(item.measured) for item in matrices.values()])
    predicted = np.stack([dissimilarities(item.predicted) for item in matrices.values()])
    dims = ("roi", "pair")
    return xr.Dataset(
        {"measured": (dims, measured), "predicted": (dims, predicted)},
        {"roi": np.asarray(list(matrices), str), "stimulus": np.asarray(ids, str)},
    )


def _standard_ranks(values: Floats, known: NDArray[np.bool_]) -> Floats:
    """Ranks, centred and of length 1; 0 where not known."""
    ranks = np.zeros(len(values))
    ranks[known] = scipy.stats.rankdata(values[known])
    ranks[known] -= ranks[known].mean()
    return np.asarray(ranks / np.sqrt(ranks @ ranks))


def _replicates(first: Floats, second: Floats, known: NDArray[np.bool_], weights: NDArray[Any]) -> Floats:
    stimuli = weights.shape[1]
    rows, columns = np.triu_indices(stimuli, 1)
    moments = np.stack([known.astype(float), first, second, first**2, second**2, first * second], axis=1)
    moments[~known] = 0
    found = np.empty(len(weights))
    for draws in tiles(len(weights), bytes_each=8 * len(rows), tile_bytes=BLOCK_BYTES):
        pairs = weights[draws][:, rows].astype(np.float64) * weights[draws][:, columns]  # (draws, pairs)
        total, x, y, xx, yy, xy = (pairs @ moments).T
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance = xy / total - x * y / total**2
            found[draws] = covariance / np.sqrt((xx / total - (x / total) ** 2) * (yy / total - (y / total) ** 2))
    return found


def _shuffled(first: Floats, second: Floats, stimuli: int, permutations: int, seed: int) -> Floats:
    rows, columns = np.triu_indices(stimuli, 1)
    square = np.zeros((stimuli, stimuli))
    square[rows, columns] = square[columns, rows] = first
    rng = np.random.default_rng(seed)
    null = np.empty(permutations)
    for draw in range(permutations):
        order = rng.permutation(stimuli)
        null[draw] = square[order[rows], order[columns]] @ second
    return null
