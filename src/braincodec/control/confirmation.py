"""How sure an effect of chosen images is: intervals, chance, and never the data that the choice was made on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.control.batches import Positions, random_batches
from braincodec.control.univariate import choose_images, contrast, meets_margin
from braincodec.errors import InputValueError

Floats = NDArray[np.floating]

LARGEST_CORRELATION = 1 - 1e-7  # whose Fisher transformation is finite


@dataclass(frozen=True)
class Effect:
    """A difference between chosen and baseline images, and how sure it is.

    Parameters
    ----------
    value : float
        Chosen minus baseline.
    low, high : float
        Interval of `value`; NaN where there is none.
    p : float
        How often chance does as well; NaN where nothing was tested.
    floor : float
        What chance gives on average.
    images, subjects, units : int
        How many images were chosen, in how many subjects the effect was measured, and their units.
    level : float
        Coverage of the interval.
    """

    value: float
    low: float
    high: float
    p: float
    floor: float
    images: int
    subjects: int
    units: int
    level: float = 0.95

    def to_dict(self) -> dict[str, Any]:
        """As a dictionary."""
        return asdict(self)


def batch_means(values: Floats, batch: Positions) -> NDArray[np.float64]:
    """Mean of each quantity over the images of a batch that have a value; shape (quantities,)."""
    with np.errstate(invalid="ignore"):
        chosen = values[:, batch].astype(np.float64)
        known = np.isfinite(chosen)
        found: NDArray[np.float64] = np.where(known, chosen, 0).sum(axis=1) / known.sum(axis=1)
    return found


def bootstrap_difference(
    values: Floats, chosen: Positions, baseline: Positions, draws: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Replicates of chosen minus baseline, over samples of the images of both.

    Parameters
    ----------
    values : array, shape (quantities, images)
        Samples are the same for all quantities; NaN images are left out.
    chosen, baseline : array of int
    draws, seed : int

    Returns
    -------
    array, shape (draws, quantities)

    Examples
    --------
    >>> values = np.arange(10.0)[None]
    >>> replicates = bootstrap_difference(values, np.arange(7, 10), np.arange(3), 200)
    >>> replicates.shape, bool((replicates > 0).all())
    ((200, 1), True)
    """
    from braincodec.evaluation.statistics import bootstrap_mean, bootstrap_weights

    sides = []
    for number, batch in enumerate((chosen, baseline)):
        weights = bootstrap_weights(len(batch), draws, seed + number)
        sides.append(np.asarray(bootstrap_mean(values[:, batch].T, weights)))
    return sides[0] - sides[1]


def random_batch_null(values: Floats, size: int, permutations: int = 1000, seed: int = 0) -> NDArray[np.float64]:
    """Means of random batches of as many images as were chosen.

    Parameters
    ----------
    values : array, shape (quantities, images)
        NaN images are not drawn.
    size : int
    permutations, seed : int

    Returns
    -------
    array, shape (permutations, quantities)

    Examples
    --------
    >>> random_batch_null(np.ones((2, 30)), 5, 20).shape
    (20, 2)
    """
    known = values[:, np.isfinite(values).all(axis=0)]
    drawn = random_batches(permutations, size, known.shape[1], np.random.default_rng([seed, 5]))
    return np.stack([one[drawn].mean(axis=1) for one in known.astype(np.float64)], axis=1)


def interval_over_subjects(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """Student's t interval of a mean over subjects; NaN with fewer than two.

    Examples
    --------
    >>> low, high = interval_over_subjects(np.array([1.0, 2.0, 3.0]))
    >>> round(low, 2), round(high, 2)
    (-0.48, 4.48)
    """
    from scipy.stats import t

    if len(values) < 2:
        return float("nan"), float("nan")
    half = t.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values))
    return float(np.mean(values) - half), float(np.mean(values) + half)


def correlation_interval_over_subjects(values: Floats, level: float = 0.95) -> tuple[float, float]:
    """The same for correlations: Student's t after Fisher's transformation, so that it stays in -1 to 1.

    Examples
    --------
    >>> low, high = correlation_interval_over_subjects(np.array([0.8, 0.9]))
    >>> round(low, 2), round(high, 2)
    (-0.8, 1.0)
    """
    bounded = np.clip(values, -LARGEST_CORRELATION, LARGEST_CORRELATION)
    low, high = np.tanh(interval_over_subjects(np.arctanh(bounded), level))
    return float(low), float(high)


def leave_one_out_choices(
    responses: Floats, signs: Floats, count: int, baselines: Floats, margin: float | None
) -> list[Positions]:
    """For each subject, the images that the others would choose.

    Parameters
    ----------
    responses : array, shape (subjects, regions, images)
    signs : array, shape (regions,)
    count : int
    baselines : array, shape (subjects, regions)
        Responses of the others to the baseline images.
    margin : float, optional

    Returns
    -------
    list of array of int, shape (count,)

    Raises
    ------
    InputValueError
        With fewer than two subjects, or too few images.
    """
    if len(responses) < 2:
        raise InputValueError("leaving one subject out needs at least two")
    return [
        choose_images(others_mean(responses, place), signs, count, baselines[place], margin)
        for place in range(len(responses))
    ]


def others_mean(responses: Floats, place: int) -> NDArray[np.float64]:
    """Mean over all subjects but one, shape (regions, images)."""
    found: NDArray[np.float64] = np.delete(responses, place, axis=0).mean(axis=0, dtype=np.float64)
    return found


def leave_one_out_null(
    responses: Floats,
    signs: Floats,
    count: int,
    baselines: Floats,
    margin: float | None = 0.0,
    permutations: int = 1000,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Mean held-out contrast where subjects have nothing in common.

    The images of each subject are shuffled, all regions alike; then everything is done again: each subject's images
    are chosen by the others, and looked at in that subject. The folds depend on each other, and so do these.

    Parameters
    ----------
    responses : array, shape (subjects, regions, images)
    signs, count, baselines, margin
        As in `leave_one_out_choices`.
    permutations, seed : int

    Returns
    -------
    array, shape (permutations,)
        Mean over subjects of the contrast of the chosen images, minus that of all images.
    """
    rng = np.random.default_rng([seed, 6])
    subjects, _, images = responses.shape
    null = np.empty(permutations)
    for number in range(permutations):
        shuffled = np.stack([one[:, rng.permutation(images)] for one in responses])
        total = shuffled.sum(axis=0, dtype=np.float64)
        effects = []
        for own, baseline in zip(shuffled, baselines, strict=True):
            others = (total - own) / (subjects - 1)
            scores = contrast(others, signs)
            if margin is not None:
                scores = np.where(meets_margin(others, signs, baseline, margin), scores, -np.inf)
            chosen = np.argpartition(-scores, count - 1)[:count]
            own_scores = contrast(own, signs)
            effects.append(own_scores[chosen].mean() - own_scores.mean())
        null[number] = np.mean(effects)
    return null
