"""How similar a model's dissimilarities could be to measured ones, given the noise in them."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from braincodec.errors import InputValueError
from braincodec.evaluation.checks import as_floats, check_finite, warn_undefined
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.rdm import Distance, Floats, present_repetitions, rdm
from braincodec.evaluation.encoding.rsa import (
    Comparison,
    check_distance,
    checked_rdms,
    compare_rdms,
    comparison_function,
    ranks,
    stimuli_of,
)


@dataclass(frozen=True)
class RsaNoiseCeiling:
    """How well the measured dissimilarities agree among themselves.

    Parameters
    ----------
    lower, upper : float
        Bounds of what a model that knows the true dissimilarities would score. The upper one is optimistic: it
        contains the very data it is compared with.
    accuracy : float
        The score of predictions against the same targets; NaN where none were given.
    over : str
        What the bounds were averaged over.

    Examples
    --------
    >>> RsaNoiseCeiling(0.4, 0.5, float("nan"), "subjects").lower
    0.4
    """

    lower: float
    upper: float
    accuracy: float
    over: str


def rsa_noise_ceiling(
    rdms: ArrayLike, comparison: Comparison = "spearman", prediction: ArrayLike | None = None
) -> RsaNoiseCeiling:
    """Noise ceiling over subjects: each subject's matrix against the mean of the others', and of all.

    Parameters
    ----------
    rdms : array_like, shape (subjects, pairs)
        Of one region, for the same stimuli. Pairs that are NaN for any subject are left out.
    comparison : str
        As in `compare_rdms`.
    prediction : array_like, shape (pairs,), optional
        A model's matrix; `accuracy` is then its mean similarity to the subjects'.

    Returns
    -------
    RsaNoiseCeiling

    Raises
    ------
    InputValueError
        With fewer than two subjects, or shapes that do not fit.

    Notes
    -----
    Before averaging, each matrix is brought to the form in which the comparison sees it: ranks for "spearman" and (as
    an approximation) "kendall_tau_a", zero mean and unit variance for "pearson", unit length for "cosine".
    Source: Nili et al. 2014, PLoS Computational Biology 10:e1003553.

    Examples
    --------
    >>> rsa_noise_ceiling([[1.0, 2.0, 3.0], [1.0, 2.0, 4.0], [1.0, 2.5, 3.0]]).upper
    1.0
    """
    compare = comparison_function(comparison)
    values = as_floats("rdms", rdms, ("subjects", "pairs")).astype(np.float64)
    stimuli_of(values.shape[1])
    if len(values) < 2:
        raise InputValueError(f"a noise ceiling over subjects needs at least two, got rdms of shape {values.shape}")
    known = np.isfinite(values).all(axis=0)
    model = None
    if prediction is not None:
        model = checked_rdms(prediction, values[0])[0]
        known &= np.isfinite(model)
    normal = _normalised(values[:, known], comparison)
    total = normal.sum(axis=0)
    lower = [compare(mine, total - mine) for mine in normal]
    upper = [compare(mine, total) for mine in normal]
    accuracy = np.nan if model is None else np.mean([compare(mine, model[known]) for mine in values[:, known]])
    found = RsaNoiseCeiling(float(np.mean(lower)), float(np.mean(upper)), float(accuracy), "subjects")
    _warn(found)
    return found


def _normalised(values: Floats, comparison: str) -> Floats:
    if comparison in ("spearman", "kendall_tau_a"):
        return np.stack([ranks(row) for row in values])
    if comparison == "pearson":
        values = values - values.mean(axis=1, keepdims=True)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.full_like(values, np.nan), where=length > 0)


def rsa_repetition_ceiling(
    responses: ArrayLike,
    prediction: ArrayLike | None = None,
    *,
    distance: Distance = "correlation",
    comparison: Comparison = "spearman",
    draws: int = 100,
    seed: int = 0,
) -> RsaNoiseCeiling:
    """Noise ceiling of one subject over random halves of the repetitions of each stimulus.

    Lower: the matrix of one half against that of the other. Upper: the matrix of all repetitions against that of a
    half, which it contains. The accuracy that may stand beside them is of the predictions against the same half.

    Parameters
    ----------
    responses : array_like, shape (stimuli, repetitions, units)
        NaN where a repetition is missing. Stimuli with a single repetition are left out.
    prediction : array_like, shape (stimuli, units), optional
    distance, comparison : str
        As in `rsa`.
    draws : int
        Halves are drawn so often, for each stimulus anew, and bounds averaged.
    seed : int

    Returns
    -------
    RsaNoiseCeiling

    Raises
    ------
    InputTypeError, InputValueError, UnknownNameError
        As `rsa`; also when fewer than three stimuli were repeated or a repetition is missing for some units only.

    Notes
    -----
    The scheme that NED uses for EEG responses, on dissimilarity matrices.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> responses = rng.standard_normal((12, 1, 30)) + 0.5 * rng.standard_normal((12, 6, 30))
    >>> ceiling = rsa_repetition_ceiling(responses, draws=10)
    >>> 0.5 < ceiling.lower < ceiling.upper < 1
    True
    """
    check_distance(distance)
    comparison_function(comparison)
    values = as_floats("responses", responses, ("stimuli", "repetitions", "units"))
    values = values[:, :, ~np.isnan(values).all(axis=(0, 1))]
    present = present_repetitions(values)
    counts = present.sum(axis=1)
    chosen = counts > 1
    if chosen.sum() < 3 or draws < 1:
        raise InputValueError(
            f"halves need at least three repeated stimuli and one draw, got {int(chosen.sum())} and {draws}"
        )
    predicted = None
    if prediction is not None:
        patterns = as_floats("prediction", prediction)
        if len(patterns) != len(values):
            raise InputValueError(f"prediction has shape {patterns.shape}; responses have {len(values)} stimuli")
        absent = check_finite("prediction", patterns)
        predicted = rdm(patterns[chosen][:, ~absent], distance)
    present, counts = present[chosen], counts[chosen]
    filled = np.where(present[:, :, None], values[chosen], 0).astype(np.float64)
    total = filled.sum(axis=1)
    whole = rdm(total / counts[:, None], distance)
    rng = np.random.default_rng(seed)
    scores = np.full((draws, 3), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)  # one for all draws follows
        for row in scores:
            member, size = random_half(present, counts, rng)
            half = np.einsum("sru,sr->su", filled, member)
            first = rdm(half / size[:, None], distance)
            second = rdm((total - half) / (counts - size)[:, None], distance)
            row[0] = compare_rdms(first, second, comparison)
            row[1] = compare_rdms(whole, first, comparison)
            row[2] = np.nan if predicted is None else compare_rdms(predicted, first, comparison)
    lower, upper, accuracy = scores.mean(axis=0)
    found = RsaNoiseCeiling(float(lower), float(upper), float(accuracy), f"{draws} halves of the repetitions")
    _warn(found)
    return found


def random_half(
    present: NDArray[np.bool_], counts: NDArray[np.int64], rng: np.random.Generator
) -> tuple[Floats, NDArray[np.int64]]:
    """Half of the existing repetitions of each stimulus: membership (stimuli, repetitions) and how many they are.

    Examples
    --------
    >>> random_half(np.ones((1, 4), bool), np.array([4]), np.random.default_rng(0))[0].sum()
    np.float64(2.0)
    """
    keys = np.where(present, rng.random(present.shape), 2)
    order = np.argsort(np.argsort(keys, axis=1), axis=1)
    # of odd numbers chance decides which half is larger
    size = (counts + rng.integers(0, 2, len(counts))) // 2
    return (order < size[:, None]).astype(np.float64), size


def _warn(found: RsaNoiseCeiling) -> None:
    undefined = np.isnan([found.lower, found.upper])
    warn_undefined("noise ceiling of similarity", undefined, "dissimilarities do not vary", of="bounds", stacklevel=4)
