"""What is known of generated responses beside their values: who made them, NED's metadata, labels of the stimuli."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from braincodec.artefact import CONFIG
from braincodec.errors import UnknownNameError
from braincodec.legacy.labels import Labels, imageset_labels, labels_from_bytes
from braincodec.legacy.metadata import metadata_of
from braincodec.models.description import ModelDescription
from braincodec.responses.coordinates import coordinates_to_units
from braincodec.store.generated_sets import RESPONSES, ROI, STIMULI
from braincodec.store.response_description import description_name, read_description
from braincodec.subjects import Subject, subject_folder

if TYPE_CHECKING:
    import xarray as xr

    from braincodec.store.native_store import NativeStore

LABELS = "labels.npz"


def set_folder(model: str, stimuli: str) -> str:
    """Folder of a model's responses to a stimulus set, below the store.

    Examples
    --------
    >>> set_folder("fmri-nsd-fwrf", "things")
    'generated_responses/fmri-nsd-fwrf/stimuli-things'
    """
    return f"{RESPONSES}/{model}/{STIMULI}{stimuli}"


def group_name(subject: Subject, roi: str | None = None) -> str:
    """Name of one subject's group in that folder.

    Examples
    --------
    >>> group_name(1, "V1"), group_name("monkey A")
    ('subject-01_roi-V1.zarr', 'subject-monkey=20A.zarr')
    """
    return subject_folder(subject) + (f"_{ROI}{roi}" if roi else "") + ".zarr"


def response_metadata(
    store: NativeStore, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
) -> dict[str, Any]:
    """Metadata of generated responses in NED's keys, with the labels of their stimuli.

    Parameters
    ----------
    store : NativeStore
    model, stimuli, subject, roi
        As in `NativeStore.responses`.

    Returns
    -------
    dict
        ``fmri`` or ``eeg``, ``encoding_models``, and labels: see `braincodec.legacy.labels.imageset_labels`.

    Raises
    ------
    UnknownNameError, MissingFileError
        When there are no such responses.
    """
    responses = store.responses(model, stimuli=stimuli, subject=subject, roi=roi)
    about = made_by(store, responses, model, stimuli=stimuli, subject=subject, roi=roi)
    units = coordinates_to_units(responses)
    return metadata_of(units, about.training) | stimulus_labels(store, responses, model, stimuli)


def made_by(
    store: NativeStore, responses: xr.DataArray, model: str, *, stimuli: str, subject: Subject, roi: str | None = None
) -> ModelDescription:
    """The model that made generated responses.

    It is described beside them; else by the artefact in the same store; else only what their labels say is known.
    """
    place = set_folder(model, stimuli)
    for group in ([group_name(subject, roi)] if roi else []) + [group_name(subject)]:
        name = description_name(f"{place}/{group}")
        if store.folder.is_file(name):
            content = store.folder.local(name, "description of a model").read_bytes()
            return read_description(content, store.folder.join(name))
    try:
        entry = store.entry(model)
        own = store.place(model, subject, roi if entry.one_model_a_roi else None)
    except UnknownNameError:
        return _from_labels(responses, model, subject, roi)
    config = json.loads(store.folder.local(f"{own}/{CONFIG}", "settings of an artefact").read_text(encoding="utf-8"))
    return ModelDescription.parse(config["description"])


def stimulus_labels(store: NativeStore, responses: xr.DataArray, model: str, stimuli: str) -> Labels:
    """Labels of the stimuli: published ones that were kept beside the responses, or what their ids tell."""
    name = f"{set_folder(model, stimuli)}/{LABELS}"
    known: Labels = {}
    if store.folder.is_file(name):
        content = store.folder.local(name, "labels of stimuli").read_bytes()
        known = labels_from_bytes(content, store.folder.join(name))
    skipped = responses.attrs.get("skipped")
    return imageset_labels(stimuli, responses["stimulus"].values, known, skipped)


def _from_labels(responses: xr.DataArray, model: str, subject: Subject, roi: str | None) -> ModelDescription:
    """Identifiers are ``modality-dataset-name``."""
    modality = str(responses.attrs.get("modality") or model.partition("-")[0])
    rest = model.removeprefix(f"{modality}-")
    return ModelDescription(
        model=model,
        modality=modality,
        dataset=rest.partition("-")[0],
        subject=subject,
        roi=roi,
        response_units=responses.attrs.get("response_units", "unknown"),
        simulated=bool(responses.attrs.get("simulated", 0)),
    )
