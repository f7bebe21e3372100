"""A run of the published inference before anything is computed: data, files, checkpoints, plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braincodec.artefact import CONFIG, Artefact, artefact_folders, read_artefact, read_config
from braincodec.datasets import Recording, load_dataset
from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.lea.recipe import LEARecipe
from braincodec.models.lea.regions import Regions, disjoint_regions
from braincodec.published_lea.checkpoints import check_checkpoints
from braincodec.published_lea.plan import InferencePlan, plan_of
from braincodec.published_lea.recipe import MadeOf, made_of
from braincodec.published_lea.settings import InferenceSettings
from braincodec.subjects import plain_subject
from braincodec.training.data import chosen_subjects

# how the data set is opened: models scale patterns themselves
DATA = {"preprocessing": "none"}


@dataclass(frozen=True)
class Prepared:
    """Data and settings of a run, checked.

    Attributes
    ----------
    settings : InferenceSettings
    recording : Recording
    regions : Regions
    made : MadeOf or None
        How the model is made; None where a trained one is given.
    plan : InferencePlan
    """

    settings: InferenceSettings
    recording: Recording
    regions: Regions
    made: MadeOf | None
    plan: InferencePlan


def prepare(settings: InferenceSettings, output: str | Path) -> Prepared:
    """Open the data, read files and checkpoints, and make the plan; nothing is computed or written.

    Raises
    ------
    BraincodecError
        When something is absent, damaged, or does not fit.
    """
    model = None if settings.model is None else _artefact(settings)
    options: dict[str, Any] = DATA if model is None else _options_of(model)
    opened = load_dataset(settings.dataset, settings.root, **options)
    (subject,) = chosen_subjects(opened, (settings.subject,))
    recording = opened.subject(subject)
    regions = disjoint_regions(recording.units)
    if model is not None:
        _check_subject(model, recording)
        return Prepared(settings, recording, regions, None, plan_of(settings, recording, regions, None, str(output)))
    made = made_of(settings, len(recording.split.train))
    check_checkpoints(made, recording, regions)
    _check_recipe(made)
    return Prepared(settings, recording, regions, made, plan_of(settings, recording, regions, made, str(output)))


def _check_recipe(made: MadeOf) -> None:
    """Refuse wrong settings before the plan is told; networks are read when they are needed."""
    LEARecipe.parse(made.recipe)


def _artefact(settings: InferenceSettings) -> Artefact:
    """The model that was given.

    Raises
    ------
    InputTypeError, InputValueError
        When it does not decode, or is of another data set.
    """
    path = str(settings.model)
    found = artefact_folders(path)
    if len(found) != 1:
        raise InputValueError(f"{path} holds {len(found)} trained models; name the folder of one")
    config = read_config(found[0] / CONFIG)
    if config.kind != "lea":
        raise InputTypeError(
            f"{path} is a model of the kind {config.kind!r}, which does not decode; expected one of 'lea'"
        )
    if config.description.dataset != settings.dataset:
        raise InputValueError(f"{path} was trained on {config.description.dataset}, not on {settings.dataset}")
    return read_artefact(found[0])


def _options_of(model: Artefact) -> dict[str, Any]:
    """How the data set was opened that the model was trained on: its patterns have that scale."""
    stated = model.config.description.training.get("dataset")
    if isinstance(stated, dict):
        return dict(stated.get("options") or {})
    return {"preprocessing": str(model.units.attrs.get("preprocessing", "none"))}


def _check_subject(model: Artefact, recording: Recording) -> None:
    whose, theirs = model.config.description.subject, model.units.sizes.get("unit")
    if str(plain_subject(whose)) != str(plain_subject(recording.subject)):
        raise InputValueError(
            f"{model.path} is the model of subject {whose}; subject {recording.subject} was asked for, whose voxels "
            "are others"
        )
    ours = recording.units.sizes["unit"]
    if theirs != ours:
        raise InputValueError(f"{model.path} has {theirs:,} voxels; {recording.dataset}, {whose}, has {ours:,}")
