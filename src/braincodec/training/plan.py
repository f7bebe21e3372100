"""What a training run would do: how many stimuli and units, how large the features are, how long they take."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.features import FeatureConfig, FeatureExtractor
from braincodec.training.checks import check_names
from braincodec.training.config import TrainConfig
from braincodec.training.data import (
    chosen_subjects,
    in_regions,
    judged_part,
    open_dataset,
    open_recording,
    pieces_of,
    regions_of_anybody,
)
from braincodec.training.run import resolve

if TYPE_CHECKING:
    import torch

    from braincodec.datasets import Recording, Split
    from braincodec.stimuli import StimulusSet

# images that the network is timed on, after one that is not counted
PROBED = 8
SINGLE, HALF = 4, 2
# what `feature_dtype: auto` of the models keeps in single precision
MOST_SINGLE_BYTES = 4 * 2**30


@dataclass(frozen=True)
class PlannedModel:
    """One model of a plan.

    Attributes
    ----------
    name : str
        Subject and regions.
    stimuli : dict of str to int
        By part of the split.
    outputs : int
        Units, or channels times times.
    judged_on : str
        Part of the split, or nothing.
    """

    name: str
    stimuli: dict[str, int]
    outputs: int
    judged_on: str


@dataclass(frozen=True)
class TrainPlan:
    """What a run would do.

    Attributes
    ----------
    config : TrainConfig
    models : list of PlannedModel
    features : int or None
        Of one stimulus, over all layers; None where the kind of model reads no pretrained network.
    feature_bytes : int
        Of the training stimuli of one subject, as they are kept while training.
    seconds : float or None
        That extracting them takes, by a probe.
    free_bytes : int
        On the disk where they would go.
    """

    config: TrainConfig
    models: list[PlannedModel]
    features: int | None = None
    feature_bytes: int = 0
    seconds: float | None = None
    free_bytes: int = 0
    problems: list[str] = field(default_factory=list)


def plan(
    config: str | Path | Mapping[str, Any] | TrainConfig, *, allow_import: bool = False, **overrides: Any
) -> TrainPlan:
    """What `train` would do with the same arguments; nothing is trained or written.

    Parameters
    ----------
    config, allow_import, **overrides
        As of `train`.

    Returns
    -------
    TrainPlan

    Examples
    --------
    >>> planned = plan({"dataset": {"name": "simulated", "options": {"n": 20, "backbone": "gabor:bank",
    ...                                                              "calibration": 8}},
    ...                 "model": {"kind": "linear", "backbone": "gabor:bank", "layers": "scales.*"}})
    >>> planned.models[0].stimuli["train"]
    16
    """
    resolved = resolve(config, overrides, allow_import=allow_import)
    check_names(resolved)
    dataset = open_dataset(resolved.dataset)
    models, first = [], None
    most = 0
    subjects = chosen_subjects(dataset, resolved.subject)
    of_others = regions_of_anybody(resolved, dataset, subjects)
    for subject in subjects:
        recording = open_recording(resolved, dataset, subject)
        most = max(most, len(recording.split.train))
        first = first or recording
        for piece in pieces_of(resolved, recording, of_others):
            own = in_regions(recording, piece.rois)
            models.append(
                PlannedModel(
                    str(piece), _counts(own.split), own.responses.isel(stimulus=0).size // _repetitions(own),
                    judged_part(resolved, own.split) or "",
                )
            )  # fmt: skip
    free = _free_bytes(resolved)
    if first is None or not (choices := feature_choices(resolved)):
        return TrainPlan(resolved, models, free_bytes=free)
    width, seconds = _probe(choices, first, resolved.device)
    stored = width * most * SINGLE
    stored = stored if stored <= MOST_SINGLE_BYTES else width * most * HALF
    problems = []
    if stored > free:
        problems.append(f"features need {stored / 1e9:.1f} GB, {free / 1e9:.1f} GB are free: choose another workspace")
    return TrainPlan(resolved, models, width, stored, seconds * most, free, problems)


def feature_choices(config: TrainConfig) -> list[Any]:
    """The features that the model reads; none for kinds that read no pretrained network."""
    recipe = config.untrained().recipe
    choices = list(getattr(recipe, "choices", ()))
    if not choices and getattr(recipe, "backbone", None):
        names = ("backbone", "layers", "channels_last", "preprocessing")
        known = {name: getattr(recipe, name) for name in names if hasattr(recipe, name)}
        choices = [FeatureConfig.parse({**known, "pooling": "none"})]
    return choices


def _probe(choices: list[Any], recording: Recording, device: str) -> tuple[int, float]:
    """Features of one stimulus, and seconds that each takes."""
    from braincodec.device import resolve_device
    from braincodec.features import get_backbone

    stimuli = recording.part("train")[0]
    count = min(PROBED, len(stimuli) - 1)
    width, seconds = 0, 0.0
    for choice in choices:
        backbone = get_backbone(choice.backbone)
        written = choice.for_backbone(backbone) if hasattr(choice, "for_backbone") else choice
        extractor = FeatureExtractor(written, backbone).prepare(resolve_device(device))
        width += sum(features[0].numel() for features in _run(extractor, stimuli[:1]).values())
        started = time.monotonic()
        _run(extractor, stimuli[1 : 1 + count])
        seconds += (time.monotonic() - started) / count
    return width, seconds


def _run(extractor: FeatureExtractor, stimuli: StimulusSet) -> dict[str, torch.Tensor]:
    (batch,) = stimuli.batches(len(stimuli), transform=extractor.preprocessing, prefetch=0)
    return extractor(batch.images)


def _counts(split: Split) -> dict[str, int]:
    return {part: len(split.ids(part)) for part in split.PARTS}


def _repetitions(recording: Recording) -> int:
    return int(recording.responses.sizes.get("repetition", 1))


def _free_bytes(config: TrainConfig) -> int:
    where = Path(config.workspace or config.output or ".").expanduser().resolve()
    existing = next(folder for folder in (where, *where.parents) if folder.exists())
    return shutil.disk_usage(existing).free
