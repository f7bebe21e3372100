"""A run of the published inference before anything is computed: data, files, checkpoints, plan."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from braincodec.artefact import CONFIG, artefact_folders, read_config
from braincodec.datasets import Recording, load_dataset
from braincodec.errors import InputTypeError, InputValueError
from braincodec.models.lea.recipe import LEARecipe
from braincodec.models.lea.regions import Regions, disjoint_regions
from braincodec.published_lea.checkpoints import check_checkpoints
from braincodec.published_lea.plan import InferencePlan, plan_of
from braincodec.published_lea.recipe import MadeOf, made_of
from braincodec.published_lea.settings import InferenceSettings
from braincodec.training.data import chosen_subjects


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
    opened = load_dataset(settings.dataset, settings.root, preprocessing="none")
    (subject,) = chosen_subjects(opened, (settings.subject,))
    recording = opened.subject(subject)
    regions = disjoint_regions(recording.units)
    if settings.model is not None:
        _check_model(settings.model)
        return Prepared(settings, recording, regions, None, plan_of(settings, recording, regions, None, str(output)))
    made = made_of(settings, len(recording.split.train))
    check_checkpoints(made, recording, regions)
    _check_recipe(made)
    return Prepared(settings, recording, regions, made, plan_of(settings, recording, regions, made, str(output)))


def _check_recipe(made: MadeOf) -> None:
    """Refuse wrong settings before the plan is told; networks are read when they are needed."""
    LEARecipe.parse(made.recipe)


def _check_model(path: str) -> None:
    found = artefact_folders(path)
    if len(found) != 1:
        raise InputValueError(f"{path} holds {len(found)} trained models; name the folder of one")
    kind = read_config(found[0] / CONFIG).kind
    if kind != "lea":
        raise InputTypeError(f"{path} is a model of the kind {kind!r}, which does not decode; expected one of 'lea'")
