"""Predicted images against true ones: every metric that can be had here, with interval, floor and p."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.base import Recording
from braincodec.errors import InputValueError, MissingExtraError, MissingFileError, UnreachableError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.judging.embeddings import (
    EMBEDDING_METRICS,
    MEAN_IMAGE,
    NEEDED,
    SHUFFLED,
    can_embed,
    score_embeddings,
)
from braincodec.evaluation.judging.image_scorers import ImageScorer, image_scorer
from braincodec.evaluation.judging.images import mean_image, read_images, samples_of
from braincodec.evaluation.judging.null import derangements, mean_of_others, shuffled_means
from braincodec.evaluation.judging.opening import Given
from braincodec.evaluation.judging.pattern_rows import mean_of_known, mean_row
from braincodec.evaluation.judging.predicting import decoded_images
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import SubjectScores, better_floor
from braincodec.evaluation.scores import ALL_UNITS
from braincodec.evaluation.statistics import bootstrap_mean, bootstrap_weights, permutation_p_value
from braincodec.progress import progress_bar

Floats = NDArray[np.float64]
Images = NDArray[np.uint8]
# random pairings whose scores are averaged for the floor, where not all of them can be looked at
SHUFFLES = 3
THUMBNAIL = 128  # pixels of the longer side
MOST_THUMBNAILS = 300
MOST_SAMPLES = 5  # whose thumbnails are kept
FEWEST_IMAGES = 2
# why a metric is left out and not an error
ABSENT = (MissingExtraError, MissingFileError, UnreachableError)


@dataclass(frozen=True, eq=False)
class DecodingTask:
    """One subject's predicted images and everything needed to judge them.

    Attributes
    ----------
    recording : Recording
    given : Given
    names : list of str
        Metrics.
    settings : Settings
    options : dict
        ``batch_size``, ``device`` and ``progress``, for a model.
    """

    recording: Recording
    given: Given
    names: list[str]
    settings: Settings
    options: dict[str, Any]


def score_decoding(task: DecodingTask) -> SubjectScores:
    """Judge one subject's decoded images, and the embeddings that they were made of where a model shows these.

    Raises
    ------
    InputTypeError, InputValueError
        When images and stimuli do not fit each other, or are too few.
    """
    recording, settings = task.recording, task.settings
    ids = recording.split.ids(settings.part)
    if len(ids) < FEWEST_IMAGES:
        raise InputValueError(f"subject {recording.subject} has {len(ids)} {settings.part} stimuli; needs at least 2")
    found = SubjectScores(recording.subject, ids, "decoding")
    count, draws = len(ids), settings.draws
    weights = bootstrap_weights(count, draws, settings.seed) if draws else np.empty((0, count), np.float32)
    of_images = [name for name in task.names if name not in EMBEDDING_METRICS]
    if of_images:
        _judge_images(of_images, task, weights, found)
    of_embeddings = [name for name in task.names if name in EMBEDDING_METRICS]
    if of_embeddings and can_embed(task.given):
        score_embeddings(of_embeddings, task.given, recording, settings, task.options, weights, found)
    elif settings.metrics is not None:
        asked = [name for name in of_embeddings if name in settings.metrics]
        found.skipped |= dict.fromkeys(asked, f"needs a model with {' and '.join(NEEDED)}")
    return found


def _judge_images(names: list[str], task: DecodingTask, weights: NDArray[Any], found: SubjectScores) -> None:
    recording, settings, show = task.recording, task.settings, task.options.get("progress")
    prediction = decoded_images(task.given, recording, settings, task.options)
    predictions = [read_images(images) for images in samples_of(prediction, found.ids, settings.samples)]
    first = predictions[0]
    truth = read_images(recording.stimuli[list(found.ids)], like=first)
    training = recording.split.train
    average = None
    if training:
        with progress_bar("mean training image", len(training), show=show) as advance:
            average = mean_image(recording.stimuli[list(training)], first, advance)
    found.notes.append(f"images were compared at {first.shape[1]} x {first.shape[2]} pixels (height x width)")
    if settings.samples > 1:
        found.notes.append(
            f"{settings.samples} images were decoded from each response; scores of images are means over them"
        )
    judged = ImageTask(predictions, truth, average, weights, settings.level, settings.permutations, settings.seed)
    with progress_bar("score images", len(names), show=show) as advance:
        score_images(names, judged, found, advance)


@dataclass(frozen=True, eq=False)
class ImageTask:
    """Predicted and true images, and how they are judged.

    Attributes
    ----------
    predictions : list of array of uint8, shape (n, height, width, 3)
        One of each sample.
    truth : array of uint8, of the same shape
    mean_image : array of uint8, shape (height, width, 3), or None
        Of the training images.
    weights : array, shape (draws, n)
    level : float
    permutations, seed : int
    """

    predictions: list[Images]
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
    kept = []  # until the end, because networks are shared
    for name in names:
        try:
            scorers = _scorers(name, task)
        except ABSENT as error:
            found.skipped[name] = str(error)
        else:
            scorer = scorers[0]
            kept.append(scorer)
            row, replicates, values, cautions = _score(scorers, task)
            found.notes += [caution for caution in cautions if caution not in found.notes]
            found.add({"roi": ALL_UNITS, "metric": name, **row}, replicates)
            if values is not None:
                of_stimuli[name] = ("stimulus", values)
            weights = getattr(scorer.metric, "weights", "")
            found.weights |= {name: weights} if isinstance(weights, str) and weights else {}
        advance(1)
    found.stimuli = xr.Dataset(of_stimuli, {"stimulus": np.asarray(found.ids, str)})
    found.images = thumbnails(found, task)


def _scorers(name: str, task: ImageTask) -> list[ImageScorer]:
    """One of each sample."""
    first = image_scorer(name, task.predictions[0], task.truth)
    return [first, *(image_scorer(name, prediction, task.truth, first) for prediction in task.predictions[1:])]


def _score(scorers: Sequence[ImageScorer], task: ImageTask) -> tuple[dict[str, Any], Floats, Floats | None, list[str]]:
    """A row, its replicates, the score of each stimulus, and warnings; what samples have each is averaged over them."""
    scorer = scorers[0]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        values = np.mean([of_sample.score() for of_sample in scorers], axis=0)
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
        rates = _mean_rates(scorers)
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


def _mean_rates(scorers: Sequence[ImageScorer]) -> Floats | None:
    """Score of prediction i if it belonged to stimulus j; None where a metric has no short cut to it."""
    total: Floats | None = None
    for scorer in scorers:
        rates = scorer.rates()
        if rates is None:
            return None
        total = rates if total is None else total + rates
    return None if total is None else total / len(scorers)


def _shuffled(scorer: ImageScorer, task: ImageTask) -> float:
    orders = derangements(len(task.truth), SHUFFLES, task.seed)
    return float(np.mean([mean_of_known(scorer.score_of(task.predictions[0][order])) for order in orders]))


def thumbnails(found: SubjectScores, task: ImageTask) -> dict[str, Any]:
    """Small copies of true and predicted images, of several samples the first ones.

    Of very many images a choice is kept, spread over the first metric's scores.
    """
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
    samples = [small(prediction) for prediction in task.predictions[:MOST_SAMPLES]]
    shown = {"ids": ids, "truth": small(task.truth), "prediction": samples[0]}
    return shown if len(samples) == 1 else shown | {"samples": np.stack(samples, axis=1)}
