"""How well a perfect model could predict the patterns of a region: from random halves of the repetitions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.rsa_ceiling import random_half, rsa_repetition_ceiling
from braincodec.evaluation.judging.null import Floats
from braincodec.evaluation.judging.unit_blocks import UnitBlocks
from braincodec.evaluation.noise_ceiling.split_half import spearman_brown

DIVISIONS = 20
FEWEST_REPEATED = 3  # stimuli
# responses of one region in float64; larger ones would not stay in bounded memory
MOST_BYTES = 512 * 2**20
MOST_STIMULI = 300  # whose dissimilarities are compared so often


@dataclass(frozen=True)
class PatternCeilings:
    """What a model that knows the true patterns would score; NaN where that cannot be estimated.

    Attributes
    ----------
    pattern : float
        Correlation of patterns, mean over stimuli.
    rsa : float
        Rank correlation of dissimilarities.
    rsa_lower, rsa_upper : float
        Of one half of the repetitions with the other, and with all of them.
    rsa_half : float
        Of the predictions with the same halves: what may stand beside these two bounds.
    """

    pattern: float = np.nan
    rsa: float = np.nan
    rsa_lower: float = np.nan
    rsa_upper: float = np.nan
    rsa_half: float = np.nan


def pattern_ceilings(
    measured: UnitBlocks, prediction: UnitBlocks, members: NDArray[np.bool_], seed: int, *, with_rsa: bool
) -> PatternCeilings:
    """Estimate the ceilings of one region.

    Parameters
    ----------
    measured, prediction : UnitBlocks
    members : array of bool, shape (units,)
    seed : int
    with_rsa : bool

    Notes
    -----
    The similarity of two halves is stepped up to all repetitions by Spearman and Brown's formula for parts of any size,
    of which a perfect model reaches the square root. Stimuli may have unequal numbers of repetitions; where one is
    missing for some of the units only, nothing is estimated.
    """
    repetitions, units = measured.repetitions or 1, int(members.sum())
    if repetitions < 2 or not units or 8 * len(measured.rows) * repetitions * units > MOST_BYTES:
        return PatternCeilings()
    responses = np.empty((len(measured.rows), repetitions, units), np.float32)
    predicted = np.empty((len(measured.rows), units), np.float32)
    filled = 0
    for tile in measured.tiles(prediction):
        inside = np.flatnonzero(members[tile])
        if len(inside):
            place = slice(filled, filled + len(inside))
            responses[:, :, place] = measured.read(tile)[:, :, inside]
            predicted[:, place] = prediction.read_mean(tile)[:, inside]
            filled = place.stop
    missing = np.isnan(responses)
    known = ~missing.all(axis=(0, 1)) & np.isfinite(predicted).all(axis=0)
    present = np.asarray(~missing[:, :, known].all(axis=2))  # (stimuli, repetitions)
    counts = present.sum(axis=1)
    partly = (missing[:, :, known].any(axis=2) & present).any()
    if known.sum() < 2 or partly or (counts > 1).sum() < FEWEST_REPEATED:
        return PatternCeilings()
    responses, predicted = responses[:, :, known], predicted[:, known]
    pattern = perfect(_split_half(responses, present, seed), counts)
    if not with_rsa or len(measured.rows) > MOST_STIMULI:
        return PatternCeilings(pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        found = rsa_repetition_ceiling(responses, predicted, draws=DIVISIONS, seed=seed)
    return PatternCeilings(pattern, perfect(found.lower, counts), found.lower, found.upper, found.accuracy)


def perfect(half: float, counts: NDArray[np.int64]) -> float:
    """What a perfect model would score, from the similarity of two halves; NaN where that is not above 0.

    Parameters
    ----------
    half : float
    counts : array of int, shape (stimuli,)
        Repetitions of each stimulus; those with a single one are in no half.

    Examples
    --------
    >>> round(perfect(0.6, np.array([4, 4, 4])), 3)
    0.866
    """
    if not half > 0:
        return np.nan
    split = counts[counts > 1]
    larger, smaller, whole = ((1 / size).mean() for size in (split - split // 2, split // 2, counts[counts > 0]))
    return float(np.sqrt(spearman_brown(half, larger, smaller, whole)))


def _split_half(responses: NDArray[np.float32], present: NDArray[np.bool_], seed: int) -> float:
    """Correlation over units of both halves, averaged over stimuli and divisions."""
    counts = present.sum(axis=1)
    split = counts > 1
    present, counts = present[split], counts[split][:, None]
    values = np.where(present[:, :, None], responses[split], 0)  # float32; its sums are in float64
    total = values.sum(axis=1, dtype=np.float64)  # (stimuli, units)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(DIVISIONS):
        member, size = random_half(present, counts[:, 0], rng)
        half = np.einsum("sru,sr->su", values, member)
        found.append(_row_correlations(half / size[:, None], (total - half) / (counts - size[:, None])))
    known = np.concatenate(found)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else np.nan


def _row_correlations(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    a, b = (values - values.mean(axis=1, keepdims=True, dtype=np.float64) for values in (first, second))
    squares = np.einsum("su,su->s", a, a) * np.einsum("su,su->s", b, b)
    found: Floats = np.einsum("su,su->s", a, b) / np.sqrt(np.where(squares > 0, squares, np.nan))
    return found
