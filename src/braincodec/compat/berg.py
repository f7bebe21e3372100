"""BERG, the Brain Encoding Response Generator's class, over any of our stores."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.compat.berg_selection import EEG_KEYS, SURFACE_KEYS, VOLUME_KEYS, check_rois, narrow
from braincodec.compat.checks import check_device, check_flag, check_images, check_name, check_subject
from braincodec.compat.models import KnownModel, Models
from braincodec.errors import InputTypeError
from braincodec.models.base import Encoder
from braincodec.stimuli import StimulusSet
from braincodec.store import Store
from braincodec.subjects import Subject

PUBLISHED = ("eeg-things_eeg_2-vit_b_32", "fmri-nsd-fwrf", "fmri-nsd_fsaverage-vit_b_32")
SHAPES = {
    EEG_KEYS: "array (images, repetitions, channels, times)",
    VOLUME_KEYS: "array (images, voxels)",
    SURFACE_KEYS: "tuple of (images, left vertices) and (images, right vertices); one array without vertices",
}
INPUT = "numpy integer array (images, 3, size, size), values 0..255"

BergResponses = np.ndarray | tuple[np.ndarray, np.ndarray]


class BergModel:
    """A loaded model with a selection of its outputs; made by `BERG.get_encoding_model`.

    Attributes
    ----------
    model_id : str
    subject : int
    selection : dict
    device : str
    """

    def __init__(
        self,
        models: Models,
        known: KnownModel,
        subject: Subject,
        selection: dict[str, Any],
        device: str,
    ) -> None:
        self._models = models
        self.model_id, self.subject, self.selection, self.device = known.id, subject, selection, device
        self._roi: str | None = None
        self._left: np.ndarray | None = None  # of surface models: which outputs belong to the left hemisphere
        self._encoder: Encoder | None = None  # without it, the selected regions have no vertex
        if _keys(known) == VOLUME_KEYS:
            rois = check_rois(selection.get("roi"), known.rois, known.id)
            self._roi = rois[0]
            self._encoder = models.encoder(known.id, subject, rois[0] if len(rois) == 1 else tuple(rois))
            return
        whole = models.encoder(known.id, subject, None)
        indices = narrow(whole.units, selection, known)
        kept = whole.units.isel(indices)
        if "hemisphere" in kept:
            self._left = kept["hemisphere"].values == "left"
        if all(kept.sizes[name] for name in whole.response_dims):
            self._encoder = whole.select(**indices) if indices else whole

    def __repr__(self) -> str:
        return f"BergModel({self.model_id!r}, subject={self.subject}, selection={sorted(self.selection)})"

    def generate_response(self, stimulus: np.ndarray, show_progress: bool = True) -> BergResponses:
        """Responses to images; see `BERG.encode`."""
        return self.run(check_images(stimulus, "stimulus"), check_flag("show_progress", show_progress))

    def run(self, stimuli: StimulusSet, show_progress: bool) -> BergResponses:
        """Responses to checked images; a bar is shown on terminals only."""
        if self._encoder is None:
            responses = np.zeros((len(stimuli), 0), np.float32)
        else:
            responses = self._encoder.encode(
                stimuli, device=self.device, progress=None if show_progress else False
            ).values
        if self._left is None:
            return responses
        return responses[:, self._left], responses[:, ~self._left]

    def get_metadata(self) -> dict[str, Any]:
        """Metadata of the whole model, keys as published; of the first region where several were selected."""
        encoder = None if self._roi is None else self._encoder
        return self._models.metadata(self.model_id, self.subject, self._roi, encoder)


class BERG:
    """BERG's interface.

    Parameters
    ----------
    berg_dir : str, Path or Store
        A folder of NED, NEST or BERG, or a braincodec store; of an address, ``open_store(address, anon=True)``.

    Examples
    --------
    >>> BERG("no/such/folder")
    Traceback (most recent call last):
    braincodec.errors.MissingFileError: store folder not found: no/such/folder; ...
    """

    def __init__(self, berg_dir: str | Path | Store) -> None:
        self.berg_dir = berg_dir
        self._models = Models(berg_dir, PUBLISHED)

    def __repr__(self) -> str:
        return f"BERG({self._models.store.address!r})"

    def list_models(self) -> list[str]:
        """Identifiers of the published models that can be run, and of all that lie in the folder."""
        return sorted(model.id for model in self._models.trained)

    def get_model_catalog(self, print_format: bool = False) -> dict[str, list[str]]:
        """Training data sets by modality.

        Parameters
        ----------
        print_format : bool
            Print them too.
        """
        catalog: dict[str, set[str]] = {}
        for model in self._models.trained:
            catalog.setdefault(model.modality, set()).add(model.dataset)
        found = {modality: sorted(datasets) for modality, datasets in catalog.items()}
        if check_flag("print_format", print_format):
            lines = [line for name, sets in sorted(found.items()) for line in (name, *(f"  {one}" for one in sets))]
            sys.stdout.write("\n".join(lines) + "\n")
        return found

    def describe(self, model_id: str) -> dict[str, Any]:
        """Print and return what a model needs and gives.

        Returns
        -------
        dict
            ``model_id, model_info, description, input, output, parameters, performance, example_usage``.
        """
        known = self._known(model_id)
        keys = _keys(known)
        here = {entry.id: entry for entry in self._models.store.entries()}.get(known.id)
        selection = " and ".join(repr(key) for key in keys)
        example = {VOLUME_KEYS: "{'roi': 'V1'}", EEG_KEYS: "{'channels': ['Oz']}", SURFACE_KEYS: "{'roi': 'V1v'}"}[keys]
        found = {
            "model_id": known.id,
            "model_info": {"modality": known.modality, "training_dataset": known.dataset},
            "description": here.notes if here else "published; no file of it is in this folder",
            "input": {"type": "numpy.ndarray", "description": INPUT},
            "output": {"type": "float32", "description": SHAPES[keys]},
            "parameters": {
                "subject": {"required": True, "valid_values": list(known.subjects)},
                "selection": {"required": keys == VOLUME_KEYS, "keys": list(keys), "roi": list(known.rois)},
                "device": {"required": False, "default": "auto"},
            },
            "performance": {"accuracy": here.accuracy if here else None},
            "example_usage": f"model = berg.get_encoding_model({known.id!r}, subject={known.subjects[0]!r}, "
            f"selection={example})\nresponses = berg.encode(model, images)",
        }
        lines = [
            known.id,
            f"  modality: {known.modality}, trained on {known.dataset}",
            f"  subject: {', '.join(map(str, known.subjects))}",
            f"  selection: {selection}" + (f"; roi: {', '.join(known.rois)}" if known.rois else ""),
            f"  stimulus: {INPUT}",
            f"  responses: {SHAPES[keys]}, float32",
            *(f"  {line}" for line in str(found["example_usage"]).splitlines()),
        ]
        sys.stdout.write("\n".join(lines) + "\n")
        return found

    def get_encoding_model(
        self,
        model_id: str,
        device: str = "auto",
        selection: dict[str, Any] | None = None,
        subject: Subject | None = None,
    ) -> BergModel:
        """Load one trained model, for all or some of its outputs.

        Parameters
        ----------
        model_id : str
            See `list_models`.
        device : str
            ``"auto"``, ``"cpu"``, ``"cuda"``.
        selection : dict, optional
            ``roi``: a name, or a list for the union of several regions (``fmri-nsd-fwrf`` needs it; its regions
            follow one another). ``channels``: list of names, in the order wanted. ``timepoints``: vector of 0 and 1,
            one for each time. ``lh_vertices``, ``rh_vertices``: vectors of 0 and 1 over the mesh of the hemisphere,
            163,842 long for fsaverage; they count only without ``roi``, and a hemisphere without one is whole.
        subject : int
            See `describe`.

        Raises
        ------
        InputTypeError, InputValueError
            For a wrong argument; names the valid choices.
        MissingFileError
            When a published subject or region has no file in the folder; says which and how to get it.
        """
        known = self._known(model_id)
        number = check_subject(subject, known.subjects, f"of {known.id}")
        check_device(device)
        if not isinstance(selection, dict | None):
            raise InputTypeError(f"'selection' must be a dict, got {type(selection).__name__}; keys: {_keys(known)}")
        chosen = dict(selection or {})
        for key in chosen:
            check_name("selection key", key, _keys(known), f"of {known.id}")
        return BergModel(self._models, known, number, chosen, device)

    def encode(
        self, model: BergModel, stimulus: np.ndarray, return_metadata: bool = False, show_progress: bool = True
    ) -> Any:
        """Responses to images.

        Parameters
        ----------
        model : BergModel
            From `get_encoding_model`.
        stimulus : numpy array of any integer dtype, shape (n, 3, size, size)
            Values 0..255.
        return_metadata : bool
        show_progress : bool
            On terminals.

        Returns
        -------
        array of float32, or a tuple of the left and the right hemisphere's
            (n, voxels), (n, repetitions, channels, times), or ((n, vertices), (n, vertices)). With `return_metadata`,
            a tuple of that and the model's metadata.
        """
        if not isinstance(model, BergModel):
            raise InputTypeError(f"'model' must be what get_encoding_model returned, got {type(model).__name__}")
        stimuli = check_images(stimulus, "stimulus")
        check_flag("show_progress", show_progress)
        # first, since a missing file should not cost the wait
        metadata = model.get_metadata() if check_flag("return_metadata", return_metadata) else None
        responses = model.run(stimuli, show_progress)
        return responses if metadata is None else (responses, metadata)

    def get_model_metadata(
        self, model_id: str, subject: Subject | None = None, roi: str | None = None
    ) -> dict[str, Any]:
        """Metadata of a model without loading it, keys as published.

        Parameters
        ----------
        model_id, subject
            As in `get_encoding_model`.
        roi : str
            Needed where each region has a model of its own.
        """
        known = self._known(model_id)
        number = check_subject(subject, known.subjects, f"of {known.id}")
        region = check_name("roi", roi, known.rois, f"of {known.id}") if known.one_model_a_roi else None
        return self._models.metadata(known.id, number, region)

    def _known(self, model_id: str) -> KnownModel:
        models = {model.id: model for model in self._models.trained}
        return models[check_name("model_id", model_id, sorted(models))]


def _keys(known: KnownModel) -> tuple[str, ...]:
    if known.modality == "eeg":
        return EEG_KEYS
    return VOLUME_KEYS if known.one_model_a_roi else SURFACE_KEYS
