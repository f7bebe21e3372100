"""The images behind generated responses of a braincodec store, where it is recorded where they lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import BraincodecError, InputValueError, MissingFileError, UnknownNameError
from braincodec.store.response_sets import chosen_sets

if TYPE_CHECKING:
    from braincodec.stimuli import StimulusSet
    from braincodec.store.native_store import NativeStore

RECORD = "stimuli.json"  # beside the groups of a stimulus set
SYNTHESES, PLAN = "synthesis", "plan.json"


def record_content(address: str) -> bytes:
    """Content of the file that says where a stimulus set lies.

    Examples
    --------
    >>> record_content("images/")
    b'{"format": 1, "address": "images/"}'
    """
    return json.dumps({"format": 1, "address": address}).encode()


def recorded_stimuli(store: NativeStore, stimuli: str) -> StimulusSet:
    """What `NativeStore.stimulus_set` gives, or raises."""
    known = list(dict.fromkeys(store.response_sets()["stimuli"]))
    if stimuli not in known:
        raise UnknownNameError("stimulus set", stimuli, known, where=f"in {store.address}")
    first = chosen_sets(store, stimuli=[stimuli])[0]
    responses = store.responses(first.model, stimuli=stimuli, subject=first.subject, roi=first.roi)
    ids = responses["stimulus"].values.astype(str)
    refused: BraincodecError | None = None
    for address in dict.fromkeys(_addresses(store, stimuli)):
        try:
            return _opened(address, stimuli, ids)
        except (MissingFileError, InputValueError) as error:
            refused = error
    if refused is not None:
        raise refused
    what = f"record of where the images of {stimuli} lie"
    place = store.folder.join(SYNTHESES)
    raise MissingFileError(place, what, "open them with braincodec.StimulusSet.open, and compare the ids")


def _addresses(store: NativeStore, stimuli: str) -> Iterator[str | tuple[str, ...]]:
    """Where plans of syntheses, and files beside the responses, say that the images lie."""
    from braincodec.store.response_metadata import set_folder

    names = [f"{SYNTHESES}/{job}/{PLAN}" for job in store.folder.names(SYNTHESES)]
    names += [f"{set_folder(model, stimuli)}/{RECORD}" for model in dict.fromkeys(store.response_sets()["model"])]
    for name in names:
        if not store.folder.is_file(name):
            continue
        try:
            content = json.loads(store.folder.local(name).read_text(encoding="utf-8"))
        except ValueError:
            continue  # whoever works on the synthesis is told
        address = content.get("stimuli_address" if name.endswith(PLAN) else "address")
        if address and (name.endswith(RECORD) or _stimuli_of(content) == stimuli):
            yield tuple(map(str, address)) if isinstance(address, list) else str(address)


def _stimuli_of(stored_plan: dict[str, Any]) -> str:
    """Name of the stimulus set that a synthesis answers to."""
    return str(stored_plan.get("plan", {}).get("request", {}).get("stimuli", ""))


def _opened(address: str | tuple[str, ...], stimuli: str, ids: np.ndarray) -> StimulusSet:
    """The images at an address: by their ids where these are theirs, by position where the ids count positions."""
    from braincodec.legacy.labels import published_ids
    from braincodec.stimuli import StimulusSet

    images = StimulusSet.open(address)
    if np.array_equal(images.ids, ids):
        return images
    if np.isin(ids, images.ids).all():
        return images[list(ids)]
    if len(images) == len(ids) and published_ids(stimuli, len(ids), {}) == ids.tolist():
        return StimulusSet.open(images, ids=ids)
    lost = next((name for name in ids.tolist() if name not in images.ids), None)
    what = f"image {lost!r} is not among them" if lost else "their names differ"
    where = address if isinstance(address, str) else f"{address[0]}, ..."
    raise InputValueError(f"{where} holds {len(images):,} images, the responses are to {len(ids):,}: {what}")
