"""A folder of NED, NEST or BERG as it was downloaded."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import BraincodecError, MissingFileError, UnknownNameError
from braincodec.folder import LocalFolder
from braincodec.legacy import generated
from braincodec.legacy.families import FAMILIES, OTHER_SPELLING, Family, families_in
from braincodec.legacy.metadata import training_of
from braincodec.store.base import ModelEntry, Store
from braincodec.store.response_sets import ResponseSet, table_of
from braincodec.subjects import ALL, Subject, plain_subject

if TYPE_CHECKING:
    import h5py
    import pandas as pd
    import xarray as xr

    from braincodec.models.base import Encoder
    from braincodec.models.description import ModelDescription
    from braincodec.stimuli import StimulusSet


class LegacyStore(Store):
    """The published models below a NED, NEST or BERG folder, run as they are."""

    @cached_property
    def families(self) -> dict[str, Family]:
        """Families with weights in the folder, by model."""
        return families_in(self.folder)

    @cached_property
    def _entries(self) -> list[ModelEntry]:
        return [
            ModelEntry(
                id=family.model,
                modality=family.modality,
                dataset=family.dataset,
                kind=family.kind,
                rois_of_subject=self._rois_of_subject(family),
                one_model_a_roi=family.one_model_a_roi,
                accuracy=self._accuracy(family),
                licence=family.licence,
                citation=family.citation,
            )
            for family in sorted(self.families.values(), key=lambda one: one.model)
        ]

    def entries(self) -> list[ModelEntry]:
        """See `Store.entries`."""
        return self._entries

    def family(self, model: str) -> Family:
        """The family of one model."""
        if model not in self.families:
            raise UnknownNameError("model", model, self.families, where=f"in {self.address}")
        return self.families[model]

    def _rois_of_subject(self, family: Family) -> dict[Subject, tuple[str, ...]]:
        found: dict[Subject, tuple[str, ...]] = dict(family.files.rois_of_subject.items())
        if isinstance(self.folder, LocalFolder):
            for subject in family.files.rois_of_subject:
                with contextlib.suppress(BraincodecError):  # asking for that model says what is wrong
                    found[subject] = family.rois_of(subject)
        return found

    def _accuracy(self, family: Family) -> float | None:
        # reading the metadata of a folder elsewhere would fetch it
        if not isinstance(self.folder, LocalFolder):
            return None
        return family.accuracy()

    def encoder(
        self,
        model: str,
        subject: Subject | Sequence[Subject] = 1,
        roi: str | Sequence[str] | None = None,
    ) -> Encoder:
        """See `Store.encoder`; of a published model without any file here, the error names the first one missing."""
        if model not in self.families and model in FAMILIES:
            self._name_missing(self._any_family(model), _first(subject), _first(roi))
        return super().encoder(model, subject, roi)

    def _name_missing(self, family: Family, subject: Any, roi: Any) -> None:
        """Raise for what is published and not here: loading names the file."""
        number = family.published_subjects[0] if subject in (None, ALL) else _number(subject)
        region = family.published_rois[0] if family.one_model_a_roi and roi in (None, ALL) else roi
        family.load(number, region)
        raise MissingFileError(
            self.folder.join(family.place), f"{family.model} when the store was opened", "it is here now: open it again"
        )

    def _rois(self, entry: ModelEntry, subject: Subject, roi: str | Sequence[str] | None) -> list[str] | None:
        if roi is None or not isinstance(roi, Iterable) or (isinstance(roi, str) and roi == ALL):
            return super()._rois(entry, subject, roi)
        known = self.family(entry.id).rois_of(_number(subject))
        spelled = [_spelled(name, known) for name in ([roi] if isinstance(roi, str) else roi)]
        return super()._rois(replace(entry, rois_of_subject={subject: known}), subject, spelled)

    def rois_of(self, model: str, subject: Subject = 1) -> tuple[str, ...]:
        """See `Store.rois_of`; at an address the subject's metadata are fetched for it."""
        (number,) = self._subjects(self.entry(model), [subject])
        return self.family(model).rois_of(_number(number))

    def _load(self, entry: ModelEntry, subject: Subject, roi: str | None) -> Encoder:
        return self.family(entry.id).load(_number(subject), roi)

    def _explain_missing(self, entry: ModelEntry, subject: Subject, roi: str | None) -> None:
        family = self.family(entry.id)
        family.check(_number(subject), roi)  # names that were never published
        self._name_missing(family, subject, roi)

    def metadata(self, model: str, subject: Subject = 1, roi: str | None = None) -> dict[str, Any]:
        """See `Store.metadata`."""
        family, number = self._any_family(model), _number(subject)
        try:
            return family.metadata(number, roi)
        except MissingFileError:
            if roi not in OTHER_SPELLING:
                raise
            with contextlib.suppress(MissingFileError):
                return family.metadata(number, OTHER_SPELLING[roi])
            raise

    def response_sets(self) -> pd.DataFrame:
        """See `Store.response_sets`."""
        return table_of(
            ResponseSet(file.model, file.imageset, file.subject, file.roi)
            for family in self._all_families()
            for file in generated.response_files(self.folder, family)
        )

    def _all_families(self) -> list[Family]:
        published = {name: FAMILIES.get(name) for name in FAMILIES if name not in self.families}
        known = [*self.families.values(), *(kind(self.folder) for kind in published.values())]
        return [*known, *generated.families_of_responses(self.folder, [family.model for family in known])]

    def _any_family(self, model: str) -> Family:
        """The family of a published model, whether or not its weights are here."""
        families = {family.model: family for family in self._all_families()}
        if model not in families:
            raise UnknownNameError("model", model, families, where=f"in {self.address}")
        return families[model]

    def _response_file(self, model: str, stimuli: str, subject: Subject, roi: str | None) -> generated.ResponseFile:
        family, number = self._any_family(model), _number(subject)
        family.need_roi(roi)
        own = roi if family.one_model_a_roi else None  # otherwise one file holds all regions
        found = generated.response_file(self.folder, family, stimuli, number, own)
        if found is None:
            family.check(number, roi)  # names that are not known
            generated.explain_missing(self.folder, family, stimuli, number, own)
        return found

    def responses(self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None) -> xr.DataArray:
        """See `Store.responses`."""
        family = self._any_family(model)
        file = self._response_file(model, stimuli, subject, roi)
        labels = generated.read_labels(self.folder, file)
        path = self.folder.local(file.name)
        opened, dataset = generated.open_h5(path)
        with opened:
            shape = dataset.shape
        units = self._units_of_responses(family, file, labels, shape)
        attrs = generated.attributes_of(model, family.modality, stimuli, family.response_units, labels)
        ids = generated.stimulus_ids(stimuli, shape[0], labels)
        responses = generated.open_responses(path, units, ids, attrs)
        return responses if roi is None or family.one_model_a_roi else responses.bc.select(roi=roi)

    def _units_of_responses(
        self, family: Family, file: generated.ResponseFile, labels: dict[str, Any], shape: tuple[int, ...]
    ) -> xr.Dataset:
        if not labels:
            try:
                labels = family.metadata(file.subject, file.roi)  # of the model that made them
            except MissingFileError:
                return generated.bare_units(shape, file.roi)
        if not generated.has_place(labels):
            return generated.bare_units(shape, file.roi)
        return family.units_from(labels, file.subject, file.roi)

    def response_dataset(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> h5py.Dataset:
        """Generated responses as they lie in their file, read where they are sliced; of all regions that it holds."""
        file = self._response_file(model, stimuli, subject, roi)
        return generated.open_h5(self.folder.local(file.name))[1]

    def response_metadata(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> dict[str, Any]:
        """The published metadata of generated responses, with the labels of their images.

        Raises
        ------
        MissingFileError
            When the responses or their metadata are not in the folder.
        """
        file = self._response_file(model, stimuli, subject, roi)
        return generated.read_labels(self.folder, file, required=True)

    def response_description(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> ModelDescription:
        """The model that made generated responses, as far as their metadata tell."""
        family, file = self._any_family(model), self._response_file(model, stimuli, subject, roi)
        metadata = generated.read_labels(self.folder, file)
        return family.description(file.subject, training_of(metadata), file.roi, metadata)

    def stimulus_set(self, stimuli: str) -> StimulusSet:
        """The images behind generated responses, in the order of their rows.

        Raises
        ------
        UnknownNameError
            When no responses to these stimuli are in the folder.
        MissingFileError
            When the images, or the labels that tell their order, are not in the folder.
        """
        files = [file for family in self._all_families() for file in generated.response_files(self.folder, family)]
        files = [file for file in files if file.imageset == stimuli]
        if not files:
            known = sorted(np.unique(self.response_sets()["stimuli"]).tolist())
            raise UnknownNameError("stimulus set", stimuli, known, where=f"in {self.address}")
        # any file's labels will do
        file = next((one for one in files if self.folder.is_file(one.metadata_name)), files[0])
        labels = generated.read_labels(self.folder, file, required=stimuli == "things")
        opened, dataset = generated.open_h5(self.folder.local(file.name))
        with opened:
            count = dataset.shape[0]
        return generated.open_imageset(self.folder, stimuli, generated.stimulus_ids(stimuli, count, labels))


def _number(subject: Subject) -> Any:
    """A published subject's number; a name is left as it is, to be named in the error about it."""
    return plain_subject(subject)


def _first(value: Any) -> Any:
    """The first of several subjects or regions."""
    return next(iter(value), None) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _spelled(name: str, known: Sequence[str]) -> str:
    """The region's name as this folder spells it."""
    if name in known or not isinstance(name, str):
        return name
    other = OTHER_SPELLING.get(name, name)
    return other if other in known else name
