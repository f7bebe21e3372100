"""A folder of NED, NEST or BERG as it was downloaded."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import UnknownNameError
from braincodec.folder import LocalFolder
from braincodec.legacy import generated
from braincodec.legacy.families import Family, families_in
from braincodec.store.base import ModelEntry, Store

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from braincodec.models.base import Encoder
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
                rois_of_subject=family.files.rois_of_subject,
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

    def _accuracy(self, family: Family) -> float | None:
        # reading the metadata of a folder elsewhere would fetch it
        if not isinstance(self.folder, LocalFolder):
            return None
        return family.accuracy()

    def _load(self, entry: ModelEntry, subject: int, roi: str | None) -> Encoder:
        return self.family(entry.id).load(subject, roi)

    def _explain_missing(self, entry: ModelEntry, subject: int, roi: str | None) -> None:
        family = self.family(entry.id)
        family.check(subject, roi)  # names that were never published
        known = entry.rois_of_subject.get(subject, ())
        if roi not in known or subject not in entry.rois_of_subject:
            # published, but not in this folder: loading names the missing file
            family.load(subject, roi or (family.published_rois[0] if family.one_model_a_roi else None))

    def metadata(self, model: str, subject: int = 1, roi: str | None = None) -> dict[str, Any]:
        """See `Store.metadata`."""
        return self.family(model).metadata(subject, roi)

    def response_sets(self) -> pd.DataFrame:
        """See `Store.response_sets`."""
        import pandas as pd

        rows = [
            {"model": file.model, "stimuli": file.imageset, "subject": file.subject, "roi": file.roi or ""}
            for family in self._response_families()
            for file in generated.response_files(self.folder, family)
        ]
        return pd.DataFrame(rows, columns=["model", "stimuli", "subject", "roi"])

    def _response_families(self) -> list[Family]:
        from braincodec.legacy.families import FAMILIES

        return [self.families.get(name) or FAMILIES.get(name)(self.folder) for name in FAMILIES]

    def _response_family(self, model: str) -> Family:
        families = {family.model: family for family in self._response_families()}
        if model not in families:
            raise UnknownNameError("model", model, families)
        return families[model]

    def responses(self, model: str, *, stimuli: str, subject: int = 1, roi: str | None = None) -> xr.DataArray:
        """See `Store.responses`."""
        family = self._response_family(model)
        family.check(subject, roi)
        file = generated.find_response_file(self.folder, family, stimuli, subject, roi)
        labels = generated.read_labels(self.folder, file)
        path = self.folder.local(file.name)
        opened, dataset = generated.open_h5(path)
        count = int(dataset.shape[0])
        opened.close()
        units = family.units_from(labels, subject, roi)
        attrs = {"model": model, "modality": family.modality, "stimuli": stimuli, "simulated": 0}
        return generated.open_responses(path, units, generated.stimulus_ids(stimuli, count, labels), attrs)

    def response_labels(self, model: str, *, stimuli: str, subject: int = 1, roi: str | None = None) -> dict[str, Any]:
        """The published metadata of generated responses, with the labels of their images."""
        family = self._response_family(model)
        return generated.read_labels(
            self.folder, generated.find_response_file(self.folder, family, stimuli, subject, roi)
        )

    def stimulus_set(self, stimuli: str) -> StimulusSet:
        """The images behind generated responses, in the order of their rows."""
        for family in self._response_families():
            for file in generated.response_files(self.folder, family):
                if file.imageset == stimuli:
                    opened, dataset = generated.open_h5(self.folder.local(file.name))
                    count = int(dataset.shape[0])
                    opened.close()
                    labels = generated.read_labels(self.folder, file)
                    return generated.open_imageset(self.folder, stimuli, generated.stimulus_ids(stimuli, count, labels))
        known = sorted(np.unique(self.response_sets()["stimuli"]).tolist())
        raise UnknownNameError("stimulus set", stimuli, known, where=f"in {self.address}")
