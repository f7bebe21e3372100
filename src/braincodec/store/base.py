"""What every store offers, whatever its folder looks like."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.errors import InputTypeError, InputValueError, MissingFileError, UnknownNameError
from braincodec.models.base import Encoder
from braincodec.models.joint import JointEncoder
from braincodec.subjects import ALL, Subject, plain_subject, sorted_subjects

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.folder import Folder
    from braincodec.models.description import ModelDescription
    from braincodec.stimuli import StimulusSet
    from braincodec.transfer import Transfer


@dataclass(frozen=True)
class ModelEntry:
    """One model of a store.

    Attributes
    ----------
    id : str
        ``modality-dataset-model``.
    rois_of_subject : dict of int or str to tuple of str
        Regions of each subject, by number or name; empty tuples where regions do not apply.
    one_model_a_roi : bool
        Whether each region has weights of its own (all regions together are then many models).
    accuracy : float or None
        Median noise-normalised accuracy (else correlation) over the first subject's units; where each region has a
        model of its own, the median of the regions' medians. None where it would have to be fetched or is not known.
    """

    id: str
    modality: str
    dataset: str
    kind: str
    rois_of_subject: dict[Subject, tuple[str, ...]]
    one_model_a_roi: bool = False
    accuracy: float | None = None
    licence: str = ""
    citation: str = ""
    simulated: bool = False
    notes: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def subjects(self) -> list[Subject]:
        """Subjects, sorted: numbers first, then names."""
        return sorted_subjects(self.rois_of_subject)

    @property
    def rois(self) -> list[str]:
        """Regions of any subject, in the order first found."""
        return list(dict.fromkeys(roi for rois in self.rois_of_subject.values() for roi in rois))


class Store(abc.ABC):
    """Trained models and generated responses below one folder or address.

    Parameters
    ----------
    folder : Folder
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    @property
    def address(self) -> str:
        """Path or address of the store."""
        return self.folder.address

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r}, models={[entry.id for entry in self.entries()]})"

    # what a kind of folder provides

    @abc.abstractmethod
    def entries(self) -> list[ModelEntry]:
        """The models, sorted by id."""

    @abc.abstractmethod
    def _load(self, entry: ModelEntry, subject: Subject, roi: str | None) -> Encoder:
        """One encoder; `roi` is given exactly where each region has weights of its own."""

    @abc.abstractmethod
    def metadata(self, model: str, subject: Subject = 1, roi: str | None = None) -> dict[str, Any]:
        """What is known of one trained model, in NED's published keys."""

    @abc.abstractmethod
    def response_sets(self) -> pd.DataFrame:
        """Table of the generated responses: model, stimuli, subject, roi."""

    @abc.abstractmethod
    def responses(self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None) -> xr.DataArray:
        """Generated responses to a stimulus set, read lazily."""

    @abc.abstractmethod
    def response_metadata(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> dict[str, Any]:
        """What is known of generated responses, in NED's published keys, with the labels of their stimuli."""

    @abc.abstractmethod
    def response_description(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> ModelDescription:
        """The model that made generated responses, as far as it is known."""

    @abc.abstractmethod
    def stimulus_set(self, stimuli: str) -> StimulusSet:
        """The images behind generated responses, in the order of their rows."""

    def stimulus_titles(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> NDArray[np.str_]:
        """A title for each image behind generated responses, in the order of their rows.

        Its class for ImageNet, its concept for THINGS, its number for the Natural Scenes Dataset; otherwise, and
        where the labels are not in the store, its id without folder and suffix.
        """
        from braincodec.store.stimulus_titles import titles_of

        ids = self.responses(model, stimuli=stimuli, subject=subject, roi=roi)["stimulus"].values
        try:
            labels = self.response_metadata(model, stimuli=stimuli, subject=subject, roi=roi)
        except MissingFileError:
            labels = {}
        return titles_of(stimuli, ids, labels)

    def push(
        self,
        address: str | Path,
        *,
        models: Sequence[str] | None = None,
        private: bool | None = None,
        message: str | None = None,
        overwrite: bool = False,
        progress: bool | None = None,
        dry_run: bool = False,
        **options: Any,
    ) -> Transfer:
        """Copy the store's models to another place, which is a store then.

        Parameters
        ----------
        address : str or Path
            ``hf://user/name``, ``s3://bucket/folder`` or whatever fsspec writes to, or a path.
        models : sequence of str, optional
            Only these. Generated responses are not pushed.
        private, message, overwrite, progress, dry_run, **options
            See `braincodec.transfer.push_artefacts`.

        Returns
        -------
        Transfer
            What was copied, and what lay there before.

        Raises
        ------
        InputValueError
            For a folder of NED, NEST or BERG, which holds no artefacts; `convert` makes them.
        UnknownNameError, DamagedFileError, OutputError, UnreachableError
            When a model is not here or not whole; and see `braincodec.transfer.push_artefacts`.
        """
        from braincodec.transfer import push_artefacts

        return push_artefacts(
            self._folders(models),
            address,
            source=self.address,
            private=private,
            message=message,
            overwrite=overwrite,
            progress=progress,
            dry_run=dry_run,
            **options,
        )

    def _folders(self, models: Sequence[str] | None) -> dict[str, Path]:
        """Folder on this machine of each artefact, by its place in the store."""
        raise InputValueError(f"{self.address} holds published files, not artefacts: 'braincodec convert' makes them")

    # what every store can do

    def models(self) -> pd.DataFrame:
        """Table of the models: id, modality, dataset, kind, subjects, rois, accuracy, licence."""
        import pandas as pd

        rows = [
            {
                "id": entry.id,
                "modality": entry.modality,
                "dataset": entry.dataset,
                "kind": entry.kind,
                "subjects": entry.subjects,
                "rois": entry.rois,
                "accuracy": entry.accuracy,
                "licence": entry.licence,
            }
            for entry in self.entries()
        ]
        columns = ["id", "modality", "dataset", "kind", "subjects", "rois", "accuracy", "licence"]
        return pd.DataFrame(rows, columns=columns)

    def entry(self, model: str) -> ModelEntry:
        """The entry of one model.

        Raises
        ------
        UnknownNameError
            With the models that are here.
        """
        entries = {entry.id: entry for entry in self.entries()}
        if model not in entries:
            raise UnknownNameError("model", model, entries, where=f"in {self.address}")
        return entries[model]

    def rois_of(self, model: str, subject: Subject = 1) -> tuple[str, ...]:
        """Regions that one subject's model knows; none where regions do not apply.

        Raises
        ------
        UnknownNameError
            With the models that are here, or the model's subjects.
        """
        entry = self.entry(model)
        (number,) = self._subjects(entry, [subject])
        return entry.rois_of_subject[number]

    def encoder(
        self,
        model: str,
        subject: Subject | Sequence[Subject] = 1,
        roi: str | Sequence[str] | None = None,
    ) -> Encoder:
        """An encoder for one or several subjects and regions.

        Parameters
        ----------
        model : str
            Identifier, such as ``"fmri-nsd-fwrf"``.
        subject : int or str, or a sequence of them
            Number or name; ``"all"`` takes every subject.
        roi : str or sequence of str, optional
            One region, the union of several, ``"all"``; default: all of the model's units.

        Returns
        -------
        Encoder
            A `JointEncoder` where several trained models are needed; its units carry ``subject`` and ``model_roi``.

        Raises
        ------
        UnknownNameError
            With the valid names nearest to what was asked.
        MissingFileError
            When weights are not in the store; says which file.
        """
        entry = self.entry(model)
        members = []
        for number in self._subjects(entry, subject):
            rois = self._rois(entry, number, roi)
            if entry.one_model_a_roi:
                members += [self._load(entry, number, name) for name in rois or entry.rois_of_subject[number]]
            else:
                encoder = self._load(entry, number, None)
                members.append(encoder if rois is None else select_rois(encoder, rois))
        return members[0] if len(members) == 1 else JointEncoder(members)

    def _subjects(self, entry: ModelEntry, subject: Subject | Iterable[Subject]) -> list[Subject]:
        if isinstance(subject, str) and subject == ALL:
            return entry.subjects
        asked = [subject] if isinstance(subject, str) or not isinstance(subject, Iterable) else list(subject)
        if not asked:
            raise InputTypeError(
                "a subject is a whole number or a name; give one, a list of them or 'all', not an empty list"
            )
        plain = list(dict.fromkeys(map(plain_subject, asked)))
        for one in plain:
            if one not in entry.rois_of_subject:
                self._explain_missing(entry, one, None)
        return plain

    def _rois(self, entry: ModelEntry, subject: Subject, roi: str | Sequence[str] | None) -> list[str] | None:
        if roi is None or (isinstance(roi, str) and roi == ALL):
            return None
        names = [roi] if isinstance(roi, str) else list(roi) if isinstance(roi, Iterable) else []
        if not names or not all(isinstance(name, str) for name in names):
            raise InputTypeError(f"roi must be a name, a list of names or 'all', got {roi!r}")
        known = entry.rois_of_subject[subject]
        if not known:
            raise InputValueError(f"{entry.id} has no regions; leave roi out")
        for name in names:
            if name not in known:
                self._explain_missing(entry, subject, name)
        return list(dict.fromkeys(names))

    def _explain_missing(self, entry: ModelEntry, subject: Subject, roi: str | None) -> None:
        if roi is None:
            raise UnknownNameError("subject", subject, entry.subjects, where=f"of {entry.id} in {self.address}")
        known = entry.rois_of_subject[subject]
        raise UnknownNameError("roi", roi, known, where=f"of {entry.id} subject {subject}")


def select_rois(encoder: Encoder, rois: Sequence[str]) -> Encoder:
    """The same encoder for the units of some regions only; the others are not computed where the kind allows it.

    Raises
    ------
    UnknownNameError
        When the encoder's units do not know a region.
    """
    known = encoder.units["roi"].values.astype(str).tolist() if "roi" in encoder.units.coords else []
    for name in rois:
        if name not in known:
            raise UnknownNameError("roi", name, known, where=f"of {encoder.description.model}")
    wanted = encoder.units["roi_membership"].sel(roi=list(rois)).any("roi").values
    return encoder.select(unit=wanted)
