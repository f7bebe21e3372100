"""What the published interfaces share: the models they know, encoders kept between calls, metadata as published."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from braincodec.folder import LocalFolder
from braincodec.legacy.families import FAMILIES, Family
from braincodec.legacy.metadata import published_metadata
from braincodec.models.backboned import BackboneEncoder
from braincodec.models.base import Encoder
from braincodec.store import ModelEntry, Store, open_store
from braincodec.store.legacy_store import LegacyStore
from braincodec.subjects import Subject, sorted_subjects

# an EEG encoder holds half a gigabyte, so only scripts that alternate between two models are spared the reading
ENCODERS_KEPT = 2


@dataclass(frozen=True)
class KnownModel:
    """A model that was published or that lies in the store.

    Attributes
    ----------
    id : str
        ``modality-dataset-name``.
    subjects, rois : tuple
        All that were published, whether or not their files are here, and all that are here.
    one_model_a_roi : bool
        Whether a region must be chosen.
    """

    id: str
    modality: str
    dataset: str
    name: str
    subjects: tuple[Subject, ...]
    rois: tuple[str, ...]
    one_model_a_roi: bool


class Models:
    """The models of one store, and those that were published and could lie there.

    Parameters
    ----------
    address : str, Path or Store
    published : sequence of str
        Identifiers of published models that count as known even where their files are absent.
    """

    def __init__(self, address: str | Path | Store, published: Sequence[str]) -> None:
        self.store = address if isinstance(address, Store) else open_store(address)
        self._encoders: OrderedDict[tuple[Any, ...], Encoder] = OrderedDict()
        entries = {entry.id: entry for entry in self.store.entries()}
        known = [_known(name, entries.pop(name, None)) for name in published]
        self.trained = known + [_known(name, entry) for name, entry in entries.items()]

    @property
    def known(self) -> list[KnownModel]:
        """Published models and those that lie in the store, by weights or by responses generated in advance.

        The latter are left out where finding them takes requests to a folder elsewhere; `with_responses` has them.
        """
        slow = isinstance(self.store, LegacyStore) and not isinstance(self.store.folder, LocalFolder)
        return self.trained if slow else self.with_responses

    @cached_property
    def with_responses(self) -> list[KnownModel]:
        """All models, also those of which only generated responses are here."""
        from braincodec.compat.response_models import with_responses

        return with_responses(self.store, self.trained)

    def encoder(self, model: str, subject: Subject, roi: str | tuple[str, ...] | None) -> Encoder:
        """The encoder, read when it is not among the last ones asked for."""
        key = (model, subject, roi)
        if key not in self._encoders:
            while len(self._encoders) >= ENCODERS_KEPT:
                self._encoders.popitem(last=False)  # before the next is read, so that the peak stays low
            encoder = self.store.encoder(model, subject, list(roi) if isinstance(roi, tuple) else roi)
            if isinstance(encoder, BackboneEncoder):
                _ = encoder.extractor  # loads the network now, once for all selections made of this encoder
            self._encoders[key] = encoder
        self._encoders.move_to_end(key)
        return self._encoders[key]

    def metadata(self, model: str, subject: Subject, roi: str | None, encoder: Encoder | None = None) -> dict[str, Any]:
        """Metadata with the published keys; a copy that may be changed.

        Parameters
        ----------
        model, subject, roi
        encoder : Encoder, optional
            Loaded already; of an artefact, the metadata are then taken from it.
        """
        if encoder is not None and not isinstance(self.store, LegacyStore):
            return copy.deepcopy(published_metadata(encoder))
        return copy.deepcopy(self.store.metadata(model, subject, roi))


def _known(name: str, entry: ModelEntry | None) -> KnownModel:
    family: type[Family] | None = FAMILIES.get(name) if name in FAMILIES else None
    about = entry or family
    assert about is not None, "a model is published, or in the store"
    modality, dataset = about.modality, about.dataset
    subjects = {*(family.published_subjects if family else ()), *(entry.subjects if entry else ())}
    rois = dict.fromkeys([*(family.published_rois if family else ()), *(entry.rois if entry else ())])
    return KnownModel(
        id=name,
        modality=modality,
        dataset=dataset,
        name=name.removeprefix(f"{modality}-{dataset}-"),
        subjects=tuple(sorted_subjects(subjects)),
        rois=tuple(rois),
        one_model_a_roi=about.one_model_a_roi,
    )
