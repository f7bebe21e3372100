"""Image embeddings predicted from responses against those of the stimuli: retrieval and identification."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.base import Recording
from braincodec.evaluation.decoding.embeddings import RetrievalTop1Embedding, TwoWayEmbedding, embedding_array
from braincodec.evaluation.decoding.similarity import correlation_matrix, cosine_similarity, rounding_of
from braincodec.evaluation.judging.null import competitors, identification_rates, mean_of_others, shuffled_means
from braincodec.evaluation.judging.opening import Given
from braincodec.evaluation.judging.pattern_rows import mean_row
from braincodec.evaluation.judging.predicting import accepts, mean_responses, of_subject
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import SubjectScores, better_floor
from braincodec.evaluation.metric import METRICS
from braincodec.evaluation.scores import ALL_UNITS
from braincodec.evaluation.statistics import bootstrap_mean, permutation_p_value

Floats = NDArray[np.float64]
EMBEDDING_METRICS = ("retrieval_top_1_embedding", "retrieval_top_5_embedding", "two_way_embedding")
NEEDED = ("predict_embeddings", "embed")
SHUFFLED, MEAN_IMAGE = "shuffled pairs", "mean training image"


def can_embed(given: Given) -> bool:
    """Whether a model says which embedding it predicts from a response, and which one an image has."""
    return given.is_model and all(callable(getattr(given.value, name, None)) for name in NEEDED)


def score_embeddings(
    names: Sequence[str],
    given: Given,
    recording: Recording,
    settings: Settings,
    options: dict[str, Any],
    weights: NDArray[Any],
    found: SubjectScores,
) -> None:
    """Add a row for each of `EMBEDDING_METRICS` that is among `names`.

    Parameters
    ----------
    names : sequence of str
    given : Given
        For which `can_embed`.
    recording : Recording
    settings : Settings
    options : dict
        For the model.
    weights : array, shape (draws, stimuli)
    found : SubjectScores
    """
    predicted, true = _embeddings(given, recording, settings, options)
    of_stimuli: dict[str, tuple[str, Floats]] = {}
    for name in names:
        metric = METRICS.get(name)()
        k = getattr(metric, "k", 0)
        if k >= len(true):
            found.skipped[name] = f"needs more than {k} stimuli, and there are {len(true)}"
            continue
        rates, chance = _rates(metric, predicted, true)
        own = np.diagonal(rates).copy()
        replicates = bootstrap_mean(own, weights)
        row: dict[str, Any] = {"roi": ALL_UNITS, "metric": name, "chance": chance}
        row |= mean_row(own, replicates, settings.level)
        # one embedding for all stimuli, whichever it is, finds as many of them as chance does
        row |= better_floor(metric.definition, {SHUFFLED: mean_of_others(rates), MEAN_IMAGE: chance})
        if settings.permutations and np.isfinite(row["value"]):
            null = shuffled_means(rates, settings.permutations, settings.seed)
            row["p_value"] = float(permutation_p_value(row["value"], null))
        found.add(row, replicates)
        of_stimuli[name] = ("stimulus", own)
    found.stimuli = found.stimuli.assign(of_stimuli).assign_coords(stimulus=np.asarray(found.ids, str))


def _embeddings(
    given: Given, recording: Recording, settings: Settings, options: dict[str, Any]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Predicted and true embeddings, (stimuli, dimension) each."""
    model, ids = of_subject(given.value, recording.subject), list(recording.split.ids(settings.part))
    more = {"rescale": settings.rescale} if settings.rescale else {}
    stimuli, responses = recording.stimuli[ids], mean_responses(recording, settings.part)
    predicted = model.predict_embeddings(responses, **_taken(model.predict_embeddings, options | more))
    true = model.embed(stimuli, **_taken(model.embed, options))
    return embedding_array("predict_embeddings", predicted, len(ids)), embedding_array("embed", true, len(ids))


def _taken(function: Any, options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if accepts(function, name)}


def _rates(
    metric: RetrievalTop1Embedding | TwoWayEmbedding, predicted: NDArray[np.float32], true: NDArray[np.float32]
) -> tuple[Floats, float]:
    """Score of prediction i if it belonged to stimulus j, shape (n, n), and the chance level."""
    tolerance = rounding_of(predicted, true)
    if isinstance(metric, TwoWayEmbedding):
        return identification_rates(correlation_matrix(predicted, true), tolerance=tolerance), 0.5
    similarity = cosine_similarity(predicted, true)
    reached = (competitors(similarity, tolerance) < metric.k).astype(np.float64)
    return np.where(np.isnan(similarity), np.nan, reached), metric.k / len(true)
