"""Predicted images against true ones: every metric that can be had here, with interval, floor and p."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.errors import InputValueError, MissingExtraError, MissingFileError, UnreachableError
from braincodec.evaluation.decoding.images import match_size
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.judging.image_scorers import BATCH, ImageScorer, image_scorer
from braincodec.evaluation.judging.null import derangements, mean_of_others, shuffled_means
from braincodec.evaluation.judging.pattern_rows import mean_of_known, mean_row
from braincodec.evaluation.judging.subject import SubjectScores, better_floor
from braincodec.evaluation.scores import ALL_UNITS
from braincodec.evaluation.statistics import bootstrap_mean, permutation_p_value
from braincodec.stimuli import StimulusSet

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]
SHUFFLED, MEAN_IMAGE = "shuffled pairs", "mean training image"
# random pairings whose scores are averaged for the floor, where not all of them can be looked at
SHUFFLES = 3
THUMBNAIL = 128  # pixels of the longer side
MOST_THUMBNAILS = 300
# why a metric is left out and not an error
ABSENT = (MissingExtraError, MissingFileError, UnreachableError)


@dataclass(frozen=True, eq=False)
class ImageTask:
    """Predicted and true images, and how they are judged.

    Attributes
    ----------
    prediction, truth : array of uint8, shape (n, height, width, 3)
    mean_image : array of uint8, shape (height, width, 3), or None
        Of the training images.
    weights : array, shape (draws, n)
    level : float
    permutations, seed : int
    """

    prediction: Images
    truth: Images
    mean_image: Images | None
    weights: NDArray[Any]
    level: float
    permutations: int
    seed: int


def score_images(
    names: Sequence[str], task: ImageTask, found: SubjectScores, advance: Callable[[int], None] = lambda _: None
) -> None:
    """Add a row for each metric to `found`; those whose weights or packages are absent are named there with the reason.

    Parameters
    ----------
    names : sequence of str
    task : ImageTask
    found : SubjectScores
    advance : callable
        Told how many metrics are done.
    """
    of_stimuli: dict[str, tuple[str, Floats]] = {}
    scorers = []  # kept until the end, because their networks are shared
    for name in names:
        try:
            scorer = image_scorer(name, task.prediction, task.truth)
        except ABSENT as error:
            found.skipped[name] = str(error)
        else:
            scorers.append(scorer)
            row, replicates, values, cautions = _score(scorer, task)
            found.notes += [caution for caution in cautions if caution not in found.notes]
            found.add({"roi": ALL_UNITS, "metric": name, **row}, replicates)
            if values is not None:
                of_stimuli[name] = ("stimulus", values)
            weights = getattr(scorer.metric, "weights", "")
            found.weights |= {name: weights} if isinstance(weights, str) and weights else {}
        advance(1)
    found.stimuli = xr.Dataset(of_stimuli, {"stimulus": np.asarray(found.ids, str)})
    found.images = thumbnails(found, task)


def _score(scorer: ImageScorer, task: ImageTask) -> tuple[dict[str, Any], Floats, Floats | None, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        values = scorer.score()
    # such as that images are few; what is NaN is seen in the scores themselves
    cautions = [str(item.message) for item in caught if not issubclass(item.category, UndefinedScoreWarning)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        definition = scorer.definition
        floors = {}
        if task.mean_image is not None:
            constant = np.broadcast_to(task.mean_image, task.truth.shape)
            floors[MEAN_IMAGE] = mean_of_known(np.atleast_1d(scorer.score_of(constant)))
        if definition.of == "set":  # shuffled pairs are the same set
            row = {"summary": "over all stimuli", "level": task.level, "value": float(values)}
            return row | better_floor(definition, floors), np.full(len(task.weights), np.nan), None, cautions
        rates = scorer.rates()
        floors[SHUFFLED] = mean_of_others(rates) if rates is not None else _shuffled(scorer, task)
    replicates = bootstrap_mean(values, task.weights)
    row = mean_row(values, replicates, task.level) | better_floor(definition, floors)
    row["chance"] = np.nan if definition.chance is None else definition.chance
    if rates is not None and task.permutations and definition.chance is not None:
        null = shuffled_means(rates, task.permutations, task.seed)
        side: Any = "less" if definition.better == "lower" else "greater"
        # by the same sums as the shuffled ones: ties with them are then ties
        row["p_value"] = float(permutation_p_value(mean_of_known(np.diagonal(rates)), null, side))
    return row, replicates, values, cautions


def _shuffled(scorer: ImageScorer, task: ImageTask) -> float:
    orders = derangements(len(task.truth), SHUFFLES, task.seed)
    return float(np.mean([mean_of_known(scorer.score_of(task.prediction[order])) for order in orders]))


def read_images(stimuli: StimulusSet, like: Images | None = None) -> Images:
    """All images of a set in memory, resized to the size of `like` where it is given.

    Raises
    ------
    InputValueError
        When images differ in size, or in proportions from `like`.
    """
    if like is None:
        images = [batch.images for batch in stimuli.batches(BATCH)]
    else:
        empty = np.empty((0, *like.shape[1:]), np.uint8)
        images = [
            empty,
            *(batch.images for batch in stimuli.batches(BATCH, transform=lambda part: _resized(part, like))),
        ]
    return np.ascontiguousarray(np.concatenate(images))


def _resized(images: Images, like: Images) -> Images:
    return match_size(np.empty((len(images), *like.shape[1:]), np.uint8), images)


def mean_image(stimuli: StimulusSet, like: Images, advance: Callable[[int], None] = lambda _: None) -> Images:
    """Mean of the training images at the size of `like`, uint8 (height, width, 3)."""
    total = np.zeros(like.shape[1:])
    for batch in stimuli.batches(BATCH, transform=lambda part: _resized(part, like)):
        total += batch.images.sum(axis=0, dtype=np.float64)
        advance(len(batch.ids))
    return np.rint(total / len(stimuli)).astype(np.uint8)


def predicted_images(given: StimulusSet, ids: Sequence[str]) -> StimulusSet:
    """Predicted images in the order of `ids`: found by id, by file name without its ending, or, unnamed, by place.

    Raises
    ------
    InputValueError
        When some are missing, naming how many and the first.
    """
    names = [str(item) for item in given.ids]
    if set(ids) <= set(names):
        return given[list(ids)]
    stems = {name.rpartition("/")[2].rpartition(".")[0] or name: name for name in names}
    wanted = [item.rpartition("/")[2].rpartition(".")[0] or item for item in ids]
    if len(stems) == len(names) and len(set(wanted)) == len(wanted) and set(wanted) <= set(stems):
        return given[[stems[item] for item in wanted]]
    if names == [str(place) for place in range(len(ids))]:
        return given
    if names == [str(place) for place in range(len(names))]:
        raise InputValueError(
            f"there are {len(names)} predicted images for {len(ids)} stimuli; unnamed ones go by place"
        )
    missing = [item for item in ids if item not in names]
    raise InputValueError(
        f"{len(missing)} of {len(ids)} stimuli have no predicted image, the first is {missing[0]!r}; there are "
        f"{len(names)} predicted images, such as {names[0] if names else 'none'!r}"
    )


def thumbnails(found: SubjectScores, task: ImageTask) -> dict[str, Any]:
    """Small copies of true and predicted images; of very many, a choice spread over the first metric's scores."""
    from PIL import Image

    count = len(task.truth)
    chosen = np.arange(count)
    if count > MOST_THUMBNAILS:
        first = next(iter(found.stimuli.data_vars.values()), None)
        order = np.argsort(first.values) if first is not None else chosen
        chosen = np.sort(order[np.linspace(0, count - 1, MOST_THUMBNAILS).astype(int)])
    height, width = task.truth.shape[1:3]
    scale = min(1.0, THUMBNAIL / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))

    def small(images: Images) -> Images:
        if scale == 1:
            return images[chosen]
        return np.stack(
            [np.asarray(Image.fromarray(images[place]).resize(size, Image.Resampling.BOX)) for place in chosen]
        )

    ids = np.asarray(found.ids, str)[chosen]
    return {"ids": ids, "truth": small(task.truth), "prediction": small(task.prediction)}
