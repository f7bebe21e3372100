"""Representational similarity of predicted and measured responses, region by region."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats
import xarray as xr
from numpy.typing import NDArray

from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.rsa import compare_rdms
from braincodec.evaluation.encoding.rsa_statistics import rsa_bootstrap, rsa_permutation
from braincodec.evaluation.judging.choose import definition_of
from braincodec.evaluation.judging.pattern_ceilings import PatternCeilings
from braincodec.evaluation.judging.patterns import PatternMatrices
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import better_floor
from braincodec.evaluation.judging.unit_scores import SHUFFLED, SHUFFLES, UnitTask
from braincodec.evaluation.statistics import percentile_interval, permutation_p_value

Floats = NDArray[np.float64]
RSA = "rsa"
# dissimilarities of more stimuli are not kept with the scores
MOST_STIMULI_KEPT = 300
MOST_RANKED_ANEW = 200


def rsa_row(
    region: str, matrices: PatternMatrices, task: UnitTask, settings: Settings
) -> tuple[dict[str, Any], Floats]:
    """The row of one region, and its replicates.

    Dissimilarities are 1 - correlation over units, compared by Spearman's rank correlation. Of more than
    `MOST_RANKED_ANEW` stimuli ranks are taken once and not in every bootstrap sample.
    """
    row: dict[str, Any] = {"roi": region, "metric": RSA, "summary": "over all stimuli", "level": settings.level}
    row |= {"n_units": matrices.units, "chance": 0.0}
    predicted, measured = dissimilarities(matrices.predicted), dissimilarities(matrices.measured)
    replicates = np.full(len(task.weights), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)  # a NaN is seen in the table
        row["value"] = compare_rdms(predicted, measured)
        if np.isnan(row["value"]):
            return row, replicates
        if len(replicates):
            replicates = _replicates(predicted, measured, task.weights)
            low, high = percentile_interval(replicates, settings.level)
            row |= {"low": float(low), "high": float(high)}
        null = rsa_permutation(predicted, measured, settings.permutations or SHUFFLES, settings.seed)
        row |= better_floor(definition_of(RSA), {SHUFFLED: float(np.nanmean(null))})
        if settings.permutations:
            row["p_value"] = float(permutation_p_value(row["value"], null))
    return row, replicates


def _replicates(predicted: Floats, measured: Floats, weights: NDArray[Any]) -> Floats:
    if weights.shape[1] <= MOST_RANKED_ANEW:
        return rsa_bootstrap(predicted, measured, weights)
    known = np.isfinite(predicted) & np.isfinite(measured)
    ranked = [
        np.where(known, scipy.stats.rankdata(np.where(known, values, np.inf)), np.nan)
        for values in (predicted, measured)
    ]
    return rsa_bootstrap(ranked[0], ranked[1], weights, comparison="pearson")


def dissimilarities(correlations: Floats) -> Floats:
    """1 - correlation of every pair, in the order of `scipy.spatial.distance.pdist`.

    Examples
    --------
    >>> dissimilarities(np.array([[1.0, 0.2, 0.5], [0.2, 1.0, 0.0], [0.5, 0.0, 1.0]])).tolist()
    [0.8, 0.5, 1.0]
    """
    return np.asarray(1 - correlations[np.triu_indices(len(correlations), 1)])


def rdm_dataset(
    matrices: Mapping[str, PatternMatrices], ceilings: Mapping[str, PatternCeilings], ids: Sequence[str]
) -> xr.Dataset:
    """Measured and predicted dissimilarities (roi, pair), and how well the measured ones agree with themselves (roi).

    Empty for very many stimuli.
    """
    if not matrices or len(ids) > MOST_STIMULI_KEPT:
        return xr.Dataset()
    measured = np.stack([dissimilarities(item.measured) for item in matrices.values()])
    predicted = np.stack([dissimilarities(item.predicted) for item in matrices.values()])
    dims = ("roi", "pair")
    bounds = {
        f"noise_ceiling_{name}": ("roi", [getattr(ceilings[roi], f"rsa_{name}") for roi in matrices])
        for name in ("lower", "upper")
    }
    half = {"accuracy_half": ("roi", [ceilings[roi].rsa_half for roi in matrices])}
    return xr.Dataset(
        {"measured": (dims, measured), "predicted": (dims, predicted), **bounds, **half},
        {"roi": np.asarray(list(matrices), str), "stimulus": np.asarray(ids, str)},
    )
