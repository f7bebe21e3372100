"""What splits are made of: ids, features and labels of stimuli, from whatever holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.base import Recording
from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.splits.embedding import (
    Features,
    directions,
    given_features,
    image_features,
    names_a_backbone,
)
from braincodec.responses.checks import check_stimulus_ids
from braincodec.stimuli import StimulusSet

Stimuli = Recording | StimulusSet | Iterable[object]


def ids_of(stimuli: Stimuli) -> list[str]:
    """Ids of the stimuli that have responses, of all images, or as given; each once."""
    if isinstance(stimuli, str):
        raise InputTypeError(f"stimuli must be a recording, a stimulus set or ids, not the string {stimuli!r}")
    if isinstance(stimuli, Recording):
        return [str(item) for item in stimuli.responses["stimulus"].values]
    found = stimuli.ids if isinstance(stimuli, StimulusSet) else stimuli
    return [str(item) for item in check_stimulus_ids(found)]


def features_of(
    stimuli: Stimuli, features: Features, ids: Sequence[str], progress: bool | None
) -> tuple[NDArray[np.floating[Any]], str]:
    """Features of the stimuli in the order of `ids`, and what they are called."""
    if not names_a_backbone(features):
        return given_features(features, ids, ids), "given by the caller"
    images = stimuli.stimuli if isinstance(stimuli, Recording) else stimuli
    if not isinstance(images, StimulusSet):
        raise InputValueError("features of ids alone cannot be computed; give features, a stimulus set or a recording")
    return image_features(images[list(ids)], features, progress=progress), str(features)


def directions_of(
    stimuli: Stimuli, features: Features, ids: Sequence[str], progress: bool | None
) -> tuple[NDArray[np.float32], str]:
    """Features minus their mean, of length one, and what they are called."""
    values, named = features_of(stimuli, features, ids, progress)
    return directions(values, values.mean(axis=0, dtype=np.float64)), named


def labels_of(labels: Sequence[object] | Mapping[str, object], ids: Sequence[str], what: str) -> NDArray[Any]:
    """One label for each stimulus, in the order of `ids`; `what` names them in errors."""
    if isinstance(labels, Mapping):
        absent = [item for item in ids if item not in labels]
        if absent:
            raise InputValueError(f"{len(absent)} stimuli have no entry in {what}, the first is {absent[0]!r}")
        return np.array([labels[item] for item in ids])
    if len(labels) != len(ids):
        raise InputValueError(f"{what} has {len(labels)} entries for {len(ids)} stimuli")
    return np.asarray(labels)
