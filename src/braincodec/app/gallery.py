"""Images that a photograph is compared with: where their responses come from, and their small pictures."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.app.kept import Kept
from braincodec.app.loaded import averaged
from braincodec.app.uploads import reduced
from braincodec.errors import BraincodecError
from braincodec.file_cache import cache_folder
from braincodec.memory import tiles

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.app.catalogue import ModelChoice
    from braincodec.app.loaded import LoadedModel
    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store
    from braincodec.subjects import Subject

SIMULATED_IMAGES = 240
STEP = 4  # images encoded at a time, so that visitors do not wait for long
THUMBNAIL = 160  # pixels
THUMBNAIL_BYTES = 64 * 2**20
BLOCK_BYTES = 64 * 2**20  # of responses read at a time, in double precision


@dataclass(frozen=True, eq=False)
class Source:
    """Images, and their responses where these are there already.

    Attributes
    ----------
    text : str
        What they are, such as "240 images of the folder holiday".
    stimuli : StimulusSet
    arrays : list of xarray.DataArray
        Read lazily, side by side along the units; empty where the images are yet to be encoded.
    """

    text: str
    stimuli: StimulusSet
    arrays: list[xr.DataArray] = field(default_factory=list)


def find_source(
    store: Store, choice: ModelChoice, subject: Subject, rois: Sequence[str], given: StimulusSet | None
) -> Source:
    """What the responses of a subject's model are compared with.

    Parameters
    ----------
    store : Store
    choice : ModelChoice
    subject : int or str
    rois : sequence of str
        Regions that have a model each, in the order of their units; empty where one model has all units.
    given : StimulusSet, optional
        A gallery: its responses are taken from the store where they are there.

    Returns
    -------
    Source
        Generated responses of the store whose images are at hand (those to most images); else the given gallery; else
        the images of the simulated data set.
    """
    stored = _stored(store, choice, subject, rois, given)
    if stored is not None:
        return stored
    if given is not None:
        # where they lie on this machine is nothing to visitors
        return Source(f"{len(given):,} images of the gallery", given)
    from braincodec.simulate.images import stimuli

    images = stimuli(SIMULATED_IMAGES)
    return Source(f"{len(images)} made-up images and crops of photographs (those of the simulated data set)", images)


def _stored(
    store: Store, choice: ModelChoice, subject: Subject, rois: Sequence[str], given: StimulusSet | None
) -> Source | None:
    best: Source | None = None
    for name, arrays in _generated(store, choice, subject, rois):
        try:
            images = store.stimulus_set(name)
        except BraincodecError:
            continue  # not at hand
        if given is not None and not np.array_equal(images.ids, given.ids):
            continue
        if best is None or len(images) > len(best.stimuli):
            text = f"{len(images):,} images of {name}, from the responses in the store"
            best = Source(text, images, arrays)
    return best


def _generated(
    store: Store, choice: ModelChoice, subject: Subject, rois: Sequence[str]
) -> Iterator[tuple[str, list[xr.DataArray]]]:
    """Names of stimulus sets that a subject's model has answered whole, and the answers."""
    try:
        rows = [row for row in store.response_sets().to_dict("records") if row["model"] == choice.id]
    except BraincodecError:
        return
    here: dict[str, set[str]] = {}
    for row in rows:
        if str(row["subject"]) == str(subject):
            here.setdefault(row["stimuli"], set()).add(row["roi"])
    for name, parts in here.items():
        wanted: list[str | None] = [None] if "" in parts else list(rois)
        if not wanted or (None not in wanted and not set(rois) <= parts):
            continue
        try:
            yield name, [store.responses(choice.id, stimuli=name, subject=subject, roi=roi) for roi in wanted]
        except BraincodecError:
            continue


def blocks(arrays: Sequence[xr.DataArray]) -> Iterator[tuple[int, NDArray[np.floating]]]:
    """Position and responses (images, values) of some consecutive images after others, repetitions averaged."""
    count = arrays[0].sizes["stimulus"]
    bytes_each = 8 * sum(int(np.prod(array.shape[1:])) for array in arrays)
    for rows in tiles(count, bytes_each, BLOCK_BYTES):
        parts = [averaged(array.isel(stimulus=rows)).values for array in arrays]
        yield rows.start, np.concatenate([part.reshape(len(part), -1) for part in parts], axis=1)


def encode_gallery(model: LoadedModel, stimuli: StimulusSet, path: Path) -> Iterator[int]:
    """Encode images into a file, a few at a time, and go on where an earlier call ended; yields how many are done.

    Images that cannot be read are left out.
    """
    from braincodec.models.run import encode_batches, response_template
    from braincodec.responses.writer import ResponseWriter

    encoder = model.encoder
    template = response_template(encoder, np.empty((0, *encoder.response_shape), np.float32), [])
    plan = {"model": encoder.identity(), "stimuli": stimuli.fingerprint()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with ResponseWriter(path, template, plan=plan, expected_stimuli=len(stimuli)) as writer:
        options: dict[str, Any] = {"device": model.device, "batch_size": STEP, "on_bad": "skip"}
        with closing(encode_batches(encoder, stimuli, start=writer.next_position, **options)) as batches:
            for batch, block in batches:
                writer.write(block, batch.ids, batch.next_position, bad=batch.bad)
                yield batch.next_position
        writer.commit()


def gallery_file(model: LoadedModel, stimuli: StimulusSet) -> Path:
    """Where the responses of a model to a gallery are kept: another model or other images have another file."""
    digest = hashlib.sha256(f"{model.encoder.identity()} {stimuli.fingerprint()}".encode()).hexdigest()
    return cache_folder() / "explorer" / f"{digest[:24]}.zarr"


class Pictures:
    """Small pictures of a gallery's images, and the digests of the images.

    Parameters
    ----------
    stimuli : StimulusSet
    """

    def __init__(self, stimuli: StimulusSet) -> None:
        self.stimuli = stimuli
        self._kept: Kept[tuple[str, NDArray[np.uint8]]] = Kept(THUMBNAIL_BYTES, lambda pair: pair[1].nbytes + 200)
        self._reading = threading.Semaphore(2)

    def of(self, name: str) -> tuple[str, NDArray[np.uint8]] | None:
        """Digest of an image as a visitor would send it, and its small picture; None where it cannot be read."""
        found = self._kept.get(name)
        if found is None:
            try:
                with self._reading:
                    pixels = self.stimuli[name]
            except BraincodecError:
                return None
            found = (digest_of(reduced(pixels)), thumbnail(pixels))
            self._kept.put(name, found)
        return found


def thumbnail(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The central square, at most `THUMBNAIL` pixels a side."""
    from PIL import Image

    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = Image.fromarray(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
    square.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return np.asarray(square)


def digest_of(pixels: NDArray[np.uint8]) -> str:
    """Hexadecimal SHA-256 of an image's size and pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()
