"""What a reader must know about scores: the model, the data, the split, how ceilings and floors came about."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Any

from braincodec.datasets.base import Recording, Split
from braincodec.datasets.facts import fact_of, is_simulated
from braincodec.evaluation.judging.opening import Given
from braincodec.evaluation.judging.settings import Settings
from braincodec.evaluation.judging.subject import SubjectScores
from braincodec.responses.coordinates import package_version

FACTS = ("modality", "species", "licence", "citation")


def describe(
    givens: Sequence[Given],
    recordings: Sequence[Recording],
    subjects: Sequence[SubjectScores],
    settings: Settings,
    leakage: dict[str, Any],
    skipped: dict[str, str],
    directions: Collection[str],
) -> dict[str, Any]:
    """What `Scores.about` holds; every value can be stored as JSON. `directions` are those that were judged."""
    given = givens[0]
    notes = [note for subject in subjects for note in subject.notes]
    if settings.part != "test":
        notes.insert(0, f"scored on the {settings.part} stimuli, not on the test stimuli")
    if settings.rescale:
        notes.insert(0, "predictions were rescaled with the mean and deviation that they have over the judged stimuli")
    published = next((words for item in givens if (words := published_preprocessing(item.value))), "")
    if published:
        notes.insert(0, f"preprocessing='published': {published}")
    if leakage.get("passed") is False:
        notes.insert(0, str(leakage["summary"]))
    ceilings = {subject.ceiling["method"]: subject.ceiling for subject in subjects}
    return {
        "name": given.name,
        "direction": "both" if len(directions) > 1 else next(iter(directions)),
        "model": _models(givens),
        "dataset": _dataset(recordings),
        "split": _split(recordings, settings.part),
        "leakage": leakage,
        "settings": settings.model_dump(mode="json"),
        "noise_ceiling": {
            "method": ", ".join(ceilings),
            "words": "; ".join(dict.fromkeys(item["words"] for item in ceilings.values())),
        },
        "skipped": {**skipped, **{name: reason for subject in subjects for name, reason in subject.skipped.items()}},
        "weights": {name: weights for subject in subjects for name, weights in subject.weights.items()},
        "warnings": list(dict.fromkeys(notes)),
        "rescale": settings.rescale,
        "preprocessing": published or None,
        "samples": settings.samples,
        "braincodec_version": package_version(),
        "simulated": any(is_simulated(recording) for recording in recordings),
    }


def published_preprocessing(model: Any) -> str:
    """What a model says of published preprocessing that it was trained with; empty where it was not.

    Examples
    --------
    >>> published_preprocessing("predictions")
    ''
    """
    training = getattr(getattr(model, "description", None), "training", None) or {}
    if training.get("settings", {}).get("preprocessing") != "published":
        return ""
    return str(training.get("preprocessing") or "responses were scaled as in the published code")


def _models(givens: Sequence[Given]) -> dict[str, Any]:
    model: dict[str, Any] = dict(givens[0].model)
    if len({given.model["id"] for given in givens}) > 1:
        model["of_subjects"] = [given.model for given in givens]
    return model


def _dataset(recordings: Sequence[Recording]) -> dict[str, Any]:
    first = recordings[0]
    facts = {name: fact_of(first, name) for name in FACTS}
    names = list(dict.fromkeys(recording.dataset for recording in recordings))
    return {"name": ", ".join(names), "subjects": [recording.subject for recording in recordings], **facts}


def _split(recordings: Sequence[Recording], part: str) -> dict[str, Any]:
    """Counts of distinct stimuli over all subjects, each subject's own, and what its judged stimuli are, as a hash."""
    counts = {
        name: len({item for recording in recordings for item in recording.split.ids(name)}) for name in Split.PARTS
    }
    own = {
        recording.subject: {name: len(recording.split.ids(name)) for name in Split.PARTS} for recording in recordings
    }
    sums = {recording.subject: ids_sum(recording.split.ids(part)) for recording in recordings}
    return {"part": part, **counts, "of_subjects": own, "ids_sha256": sums}


def ids_sum(ids: Sequence[str]) -> str:
    """Hexadecimal SHA-256 of ids in their order.

    Examples
    --------
    >>> ids_sum(["a", "b"]) == ids_sum(["b", "a"])
    False
    """
    return hashlib.sha256("\0".join(ids).encode("utf-8", "surrogateescape")).hexdigest()
