"""A folder of braincodec artefacts and generated responses."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braincodec.artefact import CHECKSUMS, CONFIG, FILES, read_artefact
from braincodec.errors import DamagedFileError, UnknownNameError
from braincodec.folder import LocalFolder
from braincodec.store.base import ModelEntry, Store
from braincodec.store.generated_sets import RESPONSES, ROI, STIMULI, GeneratedSets
from braincodec.store.response_sets import table_of
from braincodec.subjects import (
    Subject,
    plain_subject,
    sorted_subjects,
    subject_of_folder,
)

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

    from braincodec.models.base import Encoder
    from braincodec.models.description import ModelDescription
    from braincodec.stimuli import StimulusSet

__all__ = ["RESPONSES", "ROI", "STIMULI", "NativeStore"]


class NativeStore(Store):
    """Artefacts ``<model>/subject-01[/roi-V1]``, and generated responses.

    The latter lie in ``generated_responses/<model>/stimuli-<name>/subject-01[_roi-V1].zarr``; unfinished ones are not
    listed, and asking for them says how far they are.
    """

    @cached_property
    def _generated(self) -> GeneratedSets:
        return GeneratedSets(self.folder)

    @cached_property
    def _places(self) -> dict[str, dict[Subject, dict[str, str]]]:
        """Folder of each artefact by model, subject and region ("" for models of all units)."""
        places: dict[str, dict[Subject, dict[str, str]]] = {}
        for model in self.folder.names():
            for name in self.folder.names(model) if model != RESPONSES else []:
                subject = subject_of_folder(name)
                if subject is None:
                    continue
                own = f"{model}/{name}"
                below = self.folder.names(own)
                found = {"": own} if CONFIG in below else {}
                found |= {part.removeprefix(ROI): f"{own}/{part}" for part in below if part.startswith(ROI)}
                if found:
                    places.setdefault(model, {})[subject] = found
        return places

    @cached_property
    def _entries(self) -> list[ModelEntry]:
        return [self._entry(model, subjects) for model, subjects in sorted(self._places.items())]

    def entries(self) -> list[ModelEntry]:
        """See `Store.entries`."""
        return self._entries

    def _entry(self, model: str, subjects: dict[Subject, dict[str, str]]) -> ModelEntry:
        split = all("" not in found for found in subjects.values())
        of_first = subjects[sorted_subjects(subjects)[0]]
        first = self._config(next(iter(of_first.values())))
        about = first["description"]
        if split:
            rois = {subject: tuple(found) for subject, found in subjects.items()}
        else:
            configs = {subject: self._config(next(iter(found.values()))) for subject, found in subjects.items()}
            rois = {subject: tuple(config.get("rois", ())) for subject, config in configs.items()}
        return ModelEntry(
            id=model,
            modality=about["modality"],
            dataset=about["dataset"],
            kind=first["kind"],
            rois_of_subject=rois,
            one_model_a_roi=split,
            accuracy=self._accuracy(of_first),
            licence=about.get("licence", ""),
            citation=about.get("citation", ""),
            simulated=bool(about.get("simulated")),
            notes=about.get("notes", ""),
        )

    def _accuracy(self, found: dict[str, str]) -> float | None:
        """Of one subject: the median of its regions' medians."""
        # reading the settings of every region at an address would fetch them
        if len(found) > 1 and not isinstance(self.folder, LocalFolder):
            return None
        stated = [self._config(place)["description"].get("accuracy") for place in found.values()]
        known = [value for value in stated if value is not None]
        return statistics.median(known) if known else None

    def _config(self, place: str) -> dict[str, Any]:
        path = self.folder.local(f"{place}/{CONFIG}", "settings of an artefact")
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            config["description"]["modality"], config["description"]["dataset"], config["kind"]
        except (ValueError, KeyError, TypeError) as error:
            raise DamagedFileError(f"{path} is no artefact's config.json: {error}") from error
        return dict(config)

    def place(self, model: str, subject: Subject, roi: str | None = None) -> str:
        """Name of an artefact's folder below the store."""
        entry, subject = self.entry(model), plain_subject(subject)
        if subject not in entry.rois_of_subject:
            raise UnknownNameError("subject", subject, entry.subjects, where=f"of {model} in {self.address}")
        found = self._places[model][subject]
        key = roi if entry.one_model_a_roi and roi is not None else ""
        if key not in found:
            raise UnknownNameError("roi", roi, [name for name in found if name], where=f"of {model} subject {subject}")
        return found[key]

    def _load(self, entry: ModelEntry, subject: Subject, roi: str | None) -> Encoder:
        place = self.place(entry.id, subject, roi)
        return read_artefact(self._local_artefact(place)).encoder()

    def _local_artefact(self, place: str) -> Path:
        """An artefact's folder on this machine, with all of its files."""
        for name in (*FILES, CHECKSUMS):
            path = self.folder.local(f"{place}/{name}", "file of an artefact", "fetch or save the model again")
        return path.parent

    def _folders(self, models: Sequence[str] | None) -> dict[str, Path]:
        for model in models or ():
            self.entry(model)
        places = [
            place
            for model, subjects in sorted(self._places.items())
            for found in subjects.values()
            for place in found.values()
            if models is None or model in models
        ]
        return {place: self._local_artefact(place) for place in places}

    def metadata(self, model: str, subject: Subject = 1, roi: str | None = None) -> dict[str, Any]:
        """See `Store.metadata`."""
        from braincodec.legacy.metadata import published_metadata

        entry = self.entry(model)
        encoder = self._load(entry, subject, roi) if entry.one_model_a_roi else self._load(entry, subject, None)
        return published_metadata(encoder)

    def response_sets(self) -> pd.DataFrame:
        """See `Store.response_sets`."""
        return table_of(self._generated)

    def responses(self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None) -> xr.DataArray:
        """See `Store.responses`."""
        return self._generated.open(model, stimuli, subject, roi)

    def response_metadata(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> dict[str, Any]:
        """Metadata of generated responses in NED's keys, with the labels of their stimuli."""
        from braincodec.store.response_metadata import response_metadata

        return response_metadata(self, model, stimuli=stimuli, subject=subject, roi=roi)

    def response_description(
        self, model: str, *, stimuli: str, subject: Subject = 1, roi: str | None = None
    ) -> ModelDescription:
        """The model that made generated responses, as far as it is known."""
        from braincodec.store.response_metadata import made_by

        responses = self.responses(model, stimuli=stimuli, subject=subject, roi=roi)
        return made_by(self, responses, model, stimuli=stimuli, subject=subject, roi=roi)

    def stimulus_set(self, stimuli: str) -> StimulusSet:
        """The images behind generated responses, in the order of their rows, where it is recorded where they lie.

        Parameters
        ----------
        stimuli : str
            Name of the stimulus set.

        Returns
        -------
        StimulusSet
            Its ids are those of the responses.

        Raises
        ------
        UnknownNameError
            When no responses to these stimuli are in the store.
        MissingFileError
            When it is not recorded where the images lie, or they are not there.
        InputValueError
            When the images that are there are others than those of the responses.
        """
        from braincodec.store.recorded_stimuli import recorded_stimuli

        return recorded_stimuli(self, stimuli)
