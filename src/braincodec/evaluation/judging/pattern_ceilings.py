"""How well a perfect model could predict the patterns of a region: from random halves of the repetitions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.rsa_ceiling import rsa_repetition_ceiling
from braincodec.evaluation.judging.null import Floats
from braincodec.evaluation.judging.unit_blocks import UnitBlocks, mean_over_axis
from braincodec.evaluation.noise_ceiling.eeg import shared_halves

DIVISIONS = 20
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
    The similarity L of two halves is stepped up to all repetitions by Spearman and Brown's formula, 2 L / (1 + L), of
    which a perfect model reaches the square root. Where repetitions are missing nothing is estimated.
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
    known = np.isfinite(responses).all(axis=(0, 1)) & np.isfinite(predicted).all(axis=0)
    if known.sum() < 2:
        return PatternCeilings()
    responses, predicted = responses[:, :, known], predicted[:, known]
    pattern = perfect(_split_half(responses, seed))
    if not with_rsa or len(measured.rows) > MOST_STIMULI:
        return PatternCeilings(pattern)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        found = rsa_repetition_ceiling(responses, predicted, draws=DIVISIONS, seed=seed)
    return PatternCeilings(pattern, perfect(found.lower), found.lower, found.upper, found.accuracy)


def perfect(half: float) -> float:
    """What a perfect model would score, from the similarity of two halves; NaN where that is not above 0.

    Examples
    --------
    >>> round(perfect(0.6), 3)
    0.866
    """
    return float(np.sqrt(2 * half / (1 + half))) if half > 0 else np.nan


def _split_half(responses: NDArray[np.float32], seed: int) -> float:
    """Correlation over units of both halves, averaged over stimuli and divisions."""
    found = []
    for half in shared_halves(responses.shape[1], DIVISIONS, seed):
        first, second = mean_over_axis(responses[:, half]), mean_over_axis(responses[:, ~half])
        found.append(_row_correlations(first, second))
    known = np.concatenate(found)
    known = known[np.isfinite(known)]
    return float(known.mean()) if known.size else np.nan


def _row_correlations(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    a, b = (values - values.mean(axis=1, keepdims=True, dtype=np.float64) for values in (first, second))
    squares = np.einsum("su,su->s", a, a) * np.einsum("su,su->s", b, b)
    found: Floats = np.einsum("su,su->s", a, b) / np.sqrt(np.where(squares > 0, squares, np.nan))
    return found
