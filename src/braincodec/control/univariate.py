"""Which images drive or suppress regions: pure functions of the regions' mean responses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions, nearest_batch, random_batches
from braincodec.errors import InputValueError

Floats = NDArray[np.floating]


def contrast(responses: Floats, signs: Floats) -> Floats:
    """Score of each image: the mean over regions of its responses, those to suppress counted negative.

    Parameters
    ----------
    responses : array, shape (regions, images)
    signs : array, shape (regions,)
        1 for a region to drive, -1 for one to suppress.

    Returns
    -------
    array, shape (images,)

    Examples
    --------
    >>> contrast(np.array([[1.0, 3.0], [2.0, -1.0]]), np.array([1, -1]))
    array([-0.5,  2. ])
    """
    return np.asarray(signs, np.float64) @ np.asarray(responses, np.float64) / len(signs)


def meets_margin(responses: Floats, signs: Floats, baseline: Floats, margin: float) -> NDArray[np.bool_]:
    """Which images bring every region to its own side of the baseline, by at least `margin`.

    Parameters
    ----------
    responses : array, shape (regions, images)
    signs, baseline : array, shape (regions,)
    margin : float

    Returns
    -------
    array of bool, shape (images,)

    Examples
    --------
    >>> meets_margin(np.array([[1.0, 3.0], [2.0, -1.0]]), np.array([1, -1]), np.zeros(2), 0.5)
    array([False,  True])
    """
    beyond = np.asarray(signs)[:, None] * (responses - np.asarray(baseline)[:, None])
    return np.asarray((beyond >= margin).all(axis=0))


def choose_images(
    responses: Floats, signs: Floats, count: int, baseline: Floats, margin: float | None = 0.0
) -> Positions:
    """The images with the highest contrast.

    Parameters
    ----------
    responses : array, shape (regions, images)
    signs, baseline : array, shape (regions,)
        See `contrast`; responses to the baseline images.
    count : int
    margin : float, optional
        Only images that bring every region to its own side of the baseline by this much; None takes all.

    Returns
    -------
    array of int, shape (count,)
        Best first; of equal ones, the first.

    Raises
    ------
    InputValueError
        When there are fewer images, or fewer that meet the margin.

    Notes
    -----
    Source: Gifford, Jastrzebowska, Singer, Cichy 2024 (relational neural control).

    Examples
    --------
    >>> responses = np.array([[1.0, 3.0, 2.0], [2.0, -1.0, -3.0]])
    >>> choose_images(responses, np.array([1, -1]), 2, np.zeros(2))
    array([2, 1])
    """
    images = responses.shape[1]
    if not 1 <= count <= images:
        raise InputValueError(
            f"{count:,} images were asked for; there are {images:,}, so 1 to {images:,} can be chosen"
        )
    scores = contrast(responses, signs)
    allowed = np.arange(images)
    if margin is not None:
        allowed = np.flatnonzero(meets_margin(responses, signs, baseline, margin))
        if len(allowed) < count:
            raise InputValueError(
                f"only {len(allowed):,} of {images:,} images bring every region to its side of the baseline"
                f"{f' by {margin:g}' if margin else ''}; ask for fewer than {count:,} images, or rank all of them "
                "by their contrast alone with margin=None"
            )
    return allowed[np.argsort(-scores[allowed], kind="stable")[:count]]


def baseline_images(responses: Floats, size: int, batches: int = 10_000, seed: int = 0) -> Positions:
    """Of many random batches, the one whose mean responses are nearest to the mean of all batches.

    Parameters
    ----------
    responses : array, shape (regions, images)
    size : int
        Images in a batch.
    batches, seed : int

    Returns
    -------
    array of int, shape (size,)
        Sorted.

    Examples
    --------
    >>> responses = np.random.default_rng(1).normal(size=(2, 500))
    >>> bool(abs(responses[:, baseline_images(responses, 25)].mean(axis=1)).max() < 0.1)
    True
    """
    drawn = random_batches(batches, size, responses.shape[1], np.random.default_rng([seed, 1]))
    return np.sort(drawn[nearest_batch(responses, drawn)])


def best_mean(responses: Floats, signs: Floats, count: int, baseline: Floats, margin: float | None) -> float:
    """Mean contrast of the images that `choose_images` would take, or of as many of them as there are.

    Examples
    --------
    >>> best_mean(np.array([[1.0, 3.0, 2.0]]), np.array([1]), 2, np.zeros(1), None)
    2.5
    """
    scores = contrast(responses, signs)
    if margin is not None:
        scores = scores[meets_margin(responses, signs, baseline, margin)]
    if not len(scores):
        return float("nan")
    count = min(count, len(scores))
    return float(np.partition(scores, len(scores) - count)[-count:].mean())


def selection_null(
    responses: Floats,
    signs: Floats,
    count: int,
    baseline: Floats,
    margin: float | None = 0.0,
    permutations: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """How far choosing the best images gets by itself, where subjects do not agree on any.

    Each subject's images are shuffled, all regions alike; then subjects are averaged and the best images chosen again.

    Parameters
    ----------
    responses : array, shape (subjects, regions, images)
    signs, baseline : array, shape (regions,)
    count : int
    margin : float, optional
        As in `choose_images`.
    permutations, seed : int

    Returns
    -------
    array, shape (permutations,)
        Contrast of the chosen minus contrast of the baseline. Of a single subject, shuffled or not, it is the same.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(2, 1, 400))
    >>> null = selection_null(noise, np.array([1]), 20, np.zeros(1), permutations=50)
    >>> bool(null.min() > 1)
    True
    """
    rng = np.random.default_rng([seed, 2])
    level = float(np.asarray(signs) @ np.asarray(baseline)) / len(signs)
    subjects, _, images = responses.shape
    null = np.empty(permutations)
    for number in range(permutations):
        total = responses[0].astype(np.float64)  # only how subjects lie to each other matters
        for one in responses[1:]:
            total += one[:, rng.permutation(images)]
        null[number] = best_mean(total / subjects, signs, count, baseline, margin) - level
    return null
