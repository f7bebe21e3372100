"""The models behind the page: opened when asked for, each with a gallery that its responses are compared with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from braincodec.app.decoding import DecodingGallery
from braincodec.app.gallery import Source, find_source
from braincodec.app.loaded import Facts, LoadedModel
from braincodec.app.model_room import Key, ModelRoom
from braincodec.app.reference import Reference
from braincodec.errors import BraincodecError

if TYPE_CHECKING:
    from braincodec.app.catalogue import ModelChoice
    from braincodec.app.queueing import Batcher, Line
    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store
    from braincodec.subjects import Subject

OPEN = "open"  # name of the request that only loads a model


class Serving:
    """Models by key, and what is known of them once they have been open.

    Parameters
    ----------
    store : Store
    choices : dict of str to ModelChoice
    gallery : StimulusSet or None
    device : str
    line : Line
    most_model_bytes, most_gallery_bytes : int

    Attributes
    ----------
    facts : dict
        Of each model that has been open.
    references : dict
        Of the same.
    decoding_galleries : dict
        Of decoders whose gallery has been looked for.
    """

    def __init__(
        self,
        store: Store,
        choices: dict[str, ModelChoice],
        *,
        gallery: StimulusSet | None,
        device: str,
        line: Line,
        most_model_bytes: int,
        most_gallery_bytes: int,
    ) -> None:
        self.store, self.choices, self.device, self.line = store, choices, device, line
        self.facts: dict[Key, Facts] = {}
        self.references: dict[Key, Reference] = {}
        self.decoding_galleries: dict[Key, DecodingGallery] = {}
        self._gallery, self._most_gallery_bytes = gallery, most_gallery_bytes
        self._lock = threading.Lock()
        self._room = ModelRoom(self._load, line=line, most_bytes=most_model_bytes, when_loaded=self._when_loaded)

    def ask(self, key: Key, name: str, item: Any, cancelled: Callable[[], bool] | None = None) -> Any:
        """What a model makes of a photograph or a callable; equal names share one result.

        Raises
        ------
        TooBusyError, CancelledError, BraincodecError
        """
        return self._room.submit(key, name, item).result(cancelled)

    def open(self, key: Key) -> None:
        """Begin to load a model; returns at once."""
        self._room.submit(key, OPEN, _nothing)

    def facts_of(self, key: Key, cancelled: Callable[[], bool] | None = None) -> Facts:
        """What is known of a model, which is loaded where it has never been."""
        if key not in self.facts:
            self.ask(key, OPEN, _nothing, cancelled)
        return self.facts[key]

    def close(self) -> None:
        """End all threads; whoever waits is told."""
        self._room.close()

    def _subject(self, key: Key) -> Subject:
        return next(one for one in self.choices[key[0]].subjects if str(one) == key[1])

    def _load(self, key: Key) -> LoadedModel:
        """In the model's thread."""
        choice = self.choices[key[0]]
        try:
            model = LoadedModel(self.store, self.store.entry(choice.id), self._subject(key), self.device)
        except BraincodecError as error:
            self.choices[choice.id] = replace(choice, problem=str(error))
            raise
        if choice.problem:
            self.choices[choice.id] = replace(choice, problem="")  # it was mended meanwhile
        return model

    def _when_loaded(self, key: Key, model: LoadedModel, batcher: Batcher[Any, Any]) -> None:
        """In the model's thread, before its first request."""
        with self._lock:
            self.facts[key] = model.facts
            if key not in self.references:
                self.references[key] = Reference(model.facts.regions, self._room_for_galleries)
        batcher.add_background(self._make_ready(key, model))

    def _make_ready(self, key: Key, model: LoadedModel) -> Iterator[None]:
        yield from self.references[key].steps(model, lambda: self._source(key, model))
        gallery = self.decoding_galleries.get(key)
        if gallery is not None:
            yield from gallery.steps(model.encoder, self.device)

    def _source(self, key: Key, model: LoadedModel) -> Source:
        choice, subject = self.choices[key[0]], self._subject(key)
        entry = self.store.entry(choice.id)
        rois = [roi for roi in entry.rois_of_subject[subject] if roi not in model.facts.missing]
        source = find_source(self.store, choice, subject, rois if entry.one_model_a_roi else (), self._gallery)
        if choice.direction != "encode":
            self.decoding_galleries[key] = DecodingGallery(source)
        return source

    def _room_for_galleries(self) -> int:
        held = sum(reference.nbytes for reference in list(self.references.values()))
        return max(0, self._most_gallery_bytes - held)


def _nothing(encoder: object) -> None:
    """What a model is asked for that is only to be loaded."""
