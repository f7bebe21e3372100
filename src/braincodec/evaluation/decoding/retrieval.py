"""Retrieval: whether a prediction's own truth is among the k most similar of N."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding.n_way import below_k_by_competitors, check_count
from braincodec.evaluation.decoding.similarity import cosine_similarity, rounding_of
from braincodec.evaluation.definition import UndefinedScoreWarning

Direction = Literal["forward", "reverse"]
DIRECTIONS = ("forward", "reverse")


def retrieval_top_k(
    prediction: Any,
    truth: Any,
    k: int = 1,
    *,
    among: int | None = None,
    draws: int | None = 30,
    seed: int = 0,
    direction: Direction = "forward",
) -> NDArray[np.float64]:
    """How often each stimulus is among the `k` most similar of `among`, by cosine similarity.

    Parameters
    ----------
    prediction, truth : array, shape (stimuli, ...)
        Features, flattened here; row i of both belongs to stimulus i. Also a list of such arrays, one for each batch.
    k : int
    among : int, optional
        Candidates, the right one included; default: all stimuli.
    draws : int or None
        Where `among` is less than all stimuli, so many times the other candidates are drawn for each stimulus, and
        the answers averaged. None gives the exact expectation over all draws.
    seed : int
    direction : {"forward", "reverse"}
        ``forward`` looks up a truth with a prediction, ``reverse`` a prediction with a truth.

    Returns
    -------
    array of float64, shape (stimuli,)
        Chance is k / among. NaN, with one `UndefinedScoreWarning`, where a stimulus's own features are all zero.

    Raises
    ------
    InputValueError
        When `k`, `among` or `draws` are impossible, shapes differ, or a feature is NaN or infinite.

    Notes
    -----
    As MindEye (Scotti et al. 2023): top 1 among 300, mean of 30 draws, both directions. A candidate that is as
    similar as the right one counts against it. How many of the candidates that are at least as similar lie in a draw
    without replacement is drawn from the hypergeometric distribution, which is the same as drawing them one by one.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).normal(size=(20, 8))
    >>> retrieval_top_k(truth, truth).mean(), retrieval_top_k(-truth, truth, among=5).mean()
    (np.float64(1.0), np.float64(0.0))
    """
    if direction not in DIRECTIONS:
        raise UnknownNameError("direction", direction, DIRECTIONS)
    similarity = cosine_similarity(prediction, truth)
    count = len(similarity)
    if similarity.shape != (count, count) or count < 2:
        raise InputValueError(
            f"there are {count} predictions and {similarity.shape[1]} truths; expected as many of both, at least 2"
        )
    among = count if among is None else among
    check_count("among", among, 2, count)
    check_count("k", k, 1, among - 1)
    if draws is not None:
        check_count("draws", draws, 1)
    own = np.diagonal(similarity).copy()
    least = own - rounding_of(prediction, truth)
    # all that are not clearly less similar, undefined ones too, but the right one
    rivals = ~(similarity < (least[:, None] if direction == "forward" else least))
    better = rivals.sum(1 if direction == "forward" else 0) - 1
    if among == count:
        rate = (better < k).astype(np.float64)
    elif draws is None:
        rate = below_k_by_competitors(count - 1, among - 1, k)[better]
    else:
        random = np.random.default_rng(seed)
        rate = (random.hypergeometric(better, count - 1 - better, among - 1, (draws, count)) < k).mean(0)
    undefined = np.isnan(own)
    if undefined.any():
        rate[undefined] = np.nan
        warnings.warn(
            f"retrieval of {undefined.sum()} of {count} stimuli is NaN: all features of the prediction or the truth "
            "are zero",
            UndefinedScoreWarning,
            stacklevel=2,
        )
    return rate
