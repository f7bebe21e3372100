"""What NED and NEST have in common: names, models, metadata, generated responses."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.compat.checks import check_device, check_flag, check_images, check_name, check_subject
from braincodec.compat.models import KnownModel, Models
from braincodec.compat.stored_responses import StoredResponses
from braincodec.errors import InputTypeError, InputValueError
from braincodec.legacy.generated import IMAGES
from braincodec.store import Store
from braincodec.store.legacy_store import LegacyStore
from braincodec.subjects import Subject, sorted_subjects

if TYPE_CHECKING:
    from braincodec.models.base import Encoder
    from braincodec.stimuli import StimulusSet

PUBLISHED = ("fmri-nsd-fwrf", "eeg-things_eeg_2-vit_b_32")
MODEL_ARGUMENTS = ("modality", "train_dataset", "model", "subject", "roi")

Encoded = np.ndarray | tuple[np.ndarray, dict[str, Any]]


class EncodingModel(dict[str, Any]):
    """What `get_encoding_model` returns and `encode` takes: a dict with ``"args"``, and the loaded encoder.

    Attributes
    ----------
    encoder : Encoder
    device : str
        Where it runs unless `encode` names another.
    """

    def __init__(self, encoder: Encoder, device: str, args: dict[str, Any]) -> None:
        super().__init__(args=args)
        self.encoder = encoder
        self.device = device


class PublishedInterface:
    """What NED and NEST have in common.

    Parameters
    ----------
    address : str, Path or Store
        A folder of NED, NEST or BERG, or a braincodec store.
    """

    def __init__(self, address: str | Path | Store) -> None:
        self._models = Models(address, PUBLISHED)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._models.store.address!r})"

    def which_modalities(self) -> list[str]:
        """Modalities that were published or lie in the folder."""
        return list(dict.fromkeys(model.modality for model in self._models.known))

    def which_train_datasets(self, modality: str) -> list[str]:
        """Data sets that models of `modality` were trained on."""
        check_name("modality", modality, self.which_modalities())
        return list(dict.fromkeys(model.dataset for model in self._models.known if model.modality == modality))

    def which_models(self, modality: str, train_dataset: str) -> list[str]:
        """Kinds of models trained on `train_dataset`."""
        return [model.name for model in self._trained_on(modality, train_dataset)]

    def which_subjects(self, modality: str, train_dataset: str) -> list[Subject]:
        """Subjects of `train_dataset` that models were published for, whether or not their files are here."""
        return sorted_subjects(
            {subject for model in self._trained_on(modality, train_dataset) for subject in model.subjects}
        )

    def which_rois(self, train_dataset: str) -> list[str]:
        """Regions that fMRI models trained on `train_dataset` were published for."""
        models = self._trained_on("fmri", train_dataset)
        return list(dict.fromkeys(roi for model in models for roi in model.rois))

    def get_encoding_model(
        self,
        modality: str,
        train_dataset: str,
        model: str,
        subject: Subject,
        roi: str | None = None,
        device: str = "auto",
        trained: bool | str = True,
    ) -> EncodingModel:
        """Load one trained model; see `encode` for how it is used.

        Parameters
        ----------
        modality : str
            ``"fmri"`` or ``"eeg"``; see `which_modalities`.
        train_dataset : str
            See `which_train_datasets`.
        model : str
            See `which_models`.
        subject : int
            See `which_subjects`.
        roi : str, optional
            Region, needed where each region has a model of its own; ignored for EEG. See `which_rois`.
        device : str
            ``"auto"``, ``"cpu"``, ``"cuda"``.
        trained : bool
            True; one version of NED had this argument, before `device`, and that order is understood too.

        Returns
        -------
        EncodingModel

        Raises
        ------
        InputTypeError, UnknownNameError
            For a wrong argument; names the valid choices.
        MissingFileError
            When the file of a published subject or region is not in the folder; says which and how to get it.
        """
        if isinstance(device, bool | np.bool_):
            device, trained = (trained if isinstance(trained, str) else "auto"), bool(device)
        known, subject, roi = self._check_model(modality, train_dataset, model, subject, roi)
        if not check_flag("trained", trained):
            raise InputValueError(
                "trained=False: models over an untrained network were not published; use trained=True"
            )
        check_device(device)
        args = {
            "modality": modality,
            "train_dataset": train_dataset,
            "model": model,
            "subject": subject,
            "roi": roi,
            "trained": True,
        }
        return EncodingModel(self._models.encoder(known.id, subject, roi), device, args)

    def get_metadata(
        self, modality: str, train_dataset: str, model: str, subject: Subject, roi: str | None = None
    ) -> dict[str, Any]:
        """Metadata of a trained model, keys as published: ``fmri`` or ``eeg``, and ``encoding_models``.

        Parameters and errors are those of `get_encoding_model`.
        """
        known, subject, roi = self._check_model(modality, train_dataset, model, subject, roi)
        return self._models.metadata(known.id, subject, roi)

    def encode_with(
        self,
        encoding_model: EncodingModel,
        images: np.ndarray,
        return_metadata: bool = True,
        device: str = "auto",
    ) -> Encoded:
        """The two-step form of `NED.encode`."""
        if not isinstance(encoding_model, EncodingModel):
            kind = type(encoding_model).__name__
            raise InputTypeError(f"'encoding_model' must be what get_encoding_model returned, got {kind}")
        stimuli = check_images(images)
        check_flag("return_metadata", return_metadata)
        check_device(device)
        return self.run(encoding_model, stimuli, return_metadata, device)

    def run(self, model: EncodingModel, stimuli: StimulusSet, return_metadata: bool, device: str) -> Encoded:
        """Metadata first, since a missing file should not cost the wait; then the responses."""
        args = model["args"]
        metadata: dict[str, Any] = {}
        if return_metadata:
            known, subject, roi = self._check_model(*(args[name] for name in MODEL_ARGUMENTS))
            metadata = self._models.metadata(known.id, subject, roi, model.encoder)
        place = model.device if device == "auto" else device
        responses = model.encoder.encode(stimuli, device=place).values
        return (responses, metadata) if return_metadata else responses

    def load_insilico_neural_responses(
        self,
        modality: str,
        train_dataset: str,
        model: str,
        imageset: str,
        subject: Subject,
        roi: str | None = None,
        return_metadata: bool = True,
    ) -> Any:
        """Responses generated before, read where they are sliced.

        Parameters
        ----------
        modality, train_dataset, model, subject, roi
            As in `get_encoding_model`.
        imageset : str
            ``"nsd"`` (73,000 images), ``"imagenet_val"`` (50,000) or ``"things"`` (26,107).
        return_metadata : bool

        Returns
        -------
        h5py.Dataset or StoredResponses, shape (images, voxels) or (images, repetitions, channels, times)
            The latter from a braincodec store. With `return_metadata`, a tuple of it and a dict, which holds the
            images' labels too.

        Raises
        ------
        InputTypeError, UnknownNameError
            For a wrong argument; names the valid choices.
        MissingFileError
            When the file is not in the folder; says which and how to get it.
        """
        choices = self._models.with_responses
        known, subject, roi = self._check_model(modality, train_dataset, model, subject, roi, choices)
        store = self._models.store
        if isinstance(store, LegacyStore) or not isinstance(imageset, str):
            table = store.response_sets()
            here = table[table["model"] == known.id]["stimuli"]
            check_name("imageset", imageset, dict.fromkeys([*IMAGES, *here]))
        check_flag("return_metadata", return_metadata)
        if isinstance(store, LegacyStore) and (roi is None or known.one_model_a_roi):
            responses: Any = store.response_dataset(known.id, stimuli=imageset, subject=subject, roi=roi)
        else:
            responses = StoredResponses(store.responses(known.id, stimuli=imageset, subject=subject, roi=roi))
        if not return_metadata:
            return responses
        metadata = store.response_metadata(known.id, stimuli=imageset, subject=subject, roi=roi)
        return responses, copy.deepcopy(metadata)  # what is read from files may not be changed

    def _trained_on(
        self, modality: str, train_dataset: str, choices: list[KnownModel] | None = None
    ) -> list[KnownModel]:
        known = self._models.known if choices is None else choices
        check_name("modality", modality, dict.fromkeys(one.modality for one in known))
        datasets = dict.fromkeys(one.dataset for one in known if one.modality == modality)
        check_name("train_dataset", train_dataset, datasets, f"for modality {modality!r}")
        return [one for one in known if (one.modality, one.dataset) == (modality, train_dataset)]

    def _check_model(
        self,
        modality: str,
        train_dataset: str,
        model: str,
        subject: Subject,
        roi: str | None,
        choices: list[KnownModel] | None = None,
    ) -> tuple[KnownModel, Subject, str | None]:
        models = {one.name: one for one in self._trained_on(modality, train_dataset, choices)}
        check_name("model", model, models, f"for {modality} trained on {train_dataset}")
        known = models[model]
        number = check_subject(subject, known.subjects, f"of {known.id}")
        if modality == "eeg" or (roi is None and not known.one_model_a_roi):
            return known, number, None
        return known, number, check_name("roi", roi, known.rois, f"of {known.id}")
