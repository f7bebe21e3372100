"""Rows of the table about patterns: correlation, identification, and representational similarity, region by region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.judging.choose import definition_of
from braincodec.evaluation.judging.null import competitors, identification_rates, mean_of_others, shuffled_means
from braincodec.evaluation.judging.patterns import PatternMatrices
from braincodec.evaluation.judging.subject import better_floor
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.statistics import bootstrap_mean, percentile_interval, permutation_p_value

Floats = NDArray[np.float64]
PATTERN_CORRELATION, TWO_WAY, TOP_K = "pattern_correlation", "pattern_two_way", "pattern_top_k"
PATTERN_METRICS = (PATTERN_CORRELATION, TWO_WAY, TOP_K)
SHUFFLED, MEAN_RESPONSE = "shuffled pairs", "mean training response"
# correlations that differ by no more are ties: sums in float64 whose common part was taken away
ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class PatternScore:
    """A score of every prediction with every stimulus that it might belong to.

    Attributes
    ----------
    rates : array, shape (stimuli, stimuli)
        Score of prediction i if it belonged to stimulus j; the diagonal is the score.
    trivial : array, shape (stimuli,)
        Score of the mean training response as the prediction of each stimulus.
    chance : float
    """

    rates: Floats
    trivial: Floats
    chance: float


def pattern_score(name: str, matrices: PatternMatrices) -> PatternScore:
    """One of `PATTERN_METRICS` from correlations of patterns.

    Examples
    --------
    >>> same = np.eye(4) + 0.1
    >>> found = pattern_score("pattern_two_way", PatternMatrices(same, same, same, np.zeros(4), 10))
    >>> np.diagonal(found.rates).tolist(), found.chance
    ([1.0, 1.0, 1.0, 1.0], 0.5)
    """
    cross, trivial = matrices.cross, matrices.trivial[None]  # the same prediction for every stimulus: one row
    if name == PATTERN_CORRELATION:
        return PatternScore(cross, matrices.trivial, 0.0)
    if name == TWO_WAY:
        rates, floor = (identification_rates(item, tolerance=ROUNDING) for item in (cross, trivial))
        return PatternScore(rates, floor[0], 0.5)
    k = int(getattr(METRICS.get(TOP_K)(), "k", 1))
    rates, floor = (top_k_rates(item, k) for item in (cross, trivial))
    return PatternScore(rates, floor[0], min(1.0, k / len(cross)))


def pattern_rows(
    names: Sequence[str],
    region: str,
    matrices: PatternMatrices,
    weights: NDArray[Any],
    *,
    level: float,
    permutations: int,
    seed: int,
) -> list[tuple[dict[str, Any], Floats, Floats]]:
    """Rows of one region.

    Parameters
    ----------
    names : sequence of str
        Of `PATTERN_METRICS`.
    region : str
    matrices : PatternMatrices
    weights : array, shape (draws, stimuli)
    level : float
    permutations, seed : int

    Returns
    -------
    list of (row, replicates (draws,), scores (stimuli,))
    """
    rows = []
    for name in names:
        score = pattern_score(name, matrices)
        own = np.diagonal(score.rates).copy()
        replicates = bootstrap_mean(own, weights)
        row: dict[str, Any] = {"roi": region, "metric": name, "n_units": matrices.units, "chance": score.chance}
        row |= mean_row(own, replicates, level)
        floors = {SHUFFLED: mean_of_others(score.rates), MEAN_RESPONSE: mean_of_known(score.trivial)}
        row |= better_floor(definition_of(name), floors)
        if permutations and np.isfinite(row["value"]):
            null = shuffled_means(score.rates, permutations, seed)
            row["p_value"] = float(permutation_p_value(row["value"], null))
        rows.append((row, replicates, own))
    return rows


def mean_row(values: Floats, replicates: Floats, level: float) -> dict[str, Any]:
    """Summary, value, how many have one, and interval of scores of stimuli."""
    scored = int((~np.isnan(values)).sum())
    row = {"summary": "mean over stimuli", "value": mean_of_known(values), "n_stimuli": scored, "level": level}
    if replicates.size and not np.isnan(replicates).all():
        low, high = percentile_interval(replicates, level)
        row |= {"low": float(low), "high": float(high)}
    return row


def mean_of_known(values: Floats) -> float:
    """Mean of what is not NaN; NaN where nothing is known.

    Examples
    --------
    >>> mean_of_known(np.array([1.0, np.nan]))
    1.0
    """
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan


def top_k_rates(similarity: Floats, k: int) -> Floats:
    """Whether each prediction is among the `k` nearest of every stimulus that it might belong to; ties fail.

    Examples
    --------
    >>> top_k_rates(np.array([[3.0, 1.0, 2.0]]), 2).tolist()
    [[1.0, 0.0, 1.0]]
    """
    return np.where(np.isnan(similarity), np.nan, (competitors(similarity, ROUNDING) < k).astype(np.float64))
