"""Two-way identification: whether a prediction is closer to its own truth than to another one."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding.similarity import correlation_matrix, rounding_of
from braincodec.evaluation.definition import UndefinedScoreWarning

Anchor = Literal["prediction", "truth"]
ANCHORS = ("prediction", "truth")


def two_way_identification(prediction: Any, truth: Any, anchor: Anchor = "prediction") -> NDArray[np.float64]:
    """How often each prediction is identified among pairs, by correlation of features.

    Parameters
    ----------
    prediction, truth : array, shape (stimuli, ...)
        Features, flattened here; row i of both belongs to stimulus i. Also a list of such arrays, one for each batch.
    anchor : {"prediction", "truth"}
        ``prediction``: the share of other true features that correlate less with a prediction than its own truth
        does. ``truth``: the share of other predictions that correlate less with the truth.

    Returns
    -------
    array of float64, shape (stimuli,)
        Chance is 0.5. NaN, with one `UndefinedScoreWarning`, where a stimulus's own features have no variance;
        another stimulus without variance counts as not beaten.

    Raises
    ------
    InputValueError
        When the shapes differ, there are fewer than two stimuli, or a feature is NaN or infinite.

    Notes
    -----
    As MindEye (Scotti et al. 2023) and Brain-Diffuser (Ozcelik and VanRullen 2023): ties fail, and the count is
    divided by n - 1. Correlations that differ by rounding alone are ties. Features are standardised a tile at a time
    and multiplied in float32 (float64 where they are), sums over tiles are in float64.

    Examples
    --------
    >>> import numpy as np
    >>> truth = np.random.default_rng(0).normal(size=(5, 100))
    >>> two_way_identification(truth, truth), two_way_identification(truth[::-1], truth).mean() < 0.5
    (array([1., 1., 1., 1., 1.]), np.True_)
    """
    similarity = correlation_matrix(prediction, truth)
    return two_way_by_similarity(similarity, anchor, tolerance=rounding_of(prediction, truth))


def two_way_by_similarity(
    similarity: Any, anchor: Anchor = "prediction", *, tolerance: float = 0.0
) -> NDArray[np.float64]:
    """How often each prediction is identified among pairs, by any similarity.

    Parameters
    ----------
    similarity : array, shape (predictions, truths)
        Higher is more similar (negate distances); the matching pairs are on the diagonal.
    anchor : {"prediction", "truth"}
        ``prediction`` compares within rows, ``truth`` within columns.
    tolerance : float
        Similarities that differ by no more are ties, and ties fail.

    Returns
    -------
    array of float64, shape (n,)
        NaN, with one `UndefinedScoreWarning`, where the similarity of a matching pair is NaN.

    Raises
    ------
    InputValueError
        When the matrix is not square or has fewer than two rows.

    Examples
    --------
    >>> two_way_by_similarity([[3, 1, 3], [0, 2, 1], [5, 1, 4]])
    array([0.5, 1. , 0.5])
    >>> two_way_by_similarity([[3, 1, 3], [0, 2, 1], [5, 1, 4]], anchor="truth")
    array([0.5, 1. , 1. ])
    """
    if anchor not in ANCHORS:
        raise UnknownNameError("anchor", anchor, ANCHORS)
    similarity = np.asarray(similarity)
    if similarity.ndim != 2 or similarity.shape[0] != similarity.shape[1] or len(similarity) < 2:
        raise InputValueError(
            f"similarities have the shape {similarity.shape}; expected as many predictions as truths, at least 2"
        )
    own = np.diagonal(similarity).astype(np.float64)
    # a matching pair does not beat itself; comparisons with NaN are lost. Infinite similarities may be equal
    with np.errstate(invalid="ignore"):
        if anchor == "prediction":
            beaten = (similarity < own[:, None] - tolerance).sum(1)
        else:
            beaten = (similarity < own - tolerance).sum(0)
    rate = beaten / (len(similarity) - 1)
    undefined = np.isnan(own)
    if undefined.any():
        rate[undefined] = np.nan
        warnings.warn(
            f"two-way identification of {undefined.sum()} of {len(own)} stimuli is NaN: "
            "the similarity of prediction and truth is undefined",
            UndefinedScoreWarning,
            stacklevel=2,
        )
    return rate
