"""Patterns in, images out."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.app.gallery import Pictures, Source
from braincodec.app.predicting import Neighbour
from braincodec.errors import BraincodecError, InputValueError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.app.catalogue import ModelChoice
    from braincodec.models.base import Encoder
    from braincodec.stimuli import StimulusSet

MOST_SAMPLES = 8
LARGEST_SEED = 2**31 - 1
MOST_RETRIEVED_FROM = 1000  # images of a gallery that are embedded
EMBEDDED_AT_ONCE = 8  # visitors wait for no more
NEAREST = 8


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images decoded from one pattern.

    Attributes
    ----------
    images : array of uint8, shape (samples, height, width, 3)
    nearest : list of Neighbour
        Images of the gallery that the pattern speaks of most; `similarity` is the cosine of embeddings, the mean of
        training taken out. Empty where there is no gallery, or not yet.
    simulated : bool
    about : str
        What the images are, in a sentence.
    gallery : str
        What `nearest` was chosen from, in words.
    complete : bool
        False while the gallery is still being read: `nearest` is empty then, and another call has it later.
    """

    images: NDArray[np.uint8]
    nearest: list[Neighbour]
    simulated: bool
    about: str
    gallery: str = ""
    complete: bool = True


def check_request(choice: ModelChoice, samples: Any, seed: Any) -> tuple[int, int]:
    """Whole numbers, where a model can do what is asked.

    Raises
    ------
    InputValueError
    """
    if choice.direction == "encode":
        raise InputValueError(f"{choice.id} predicts responses and cannot decode; choose a model that does both")
    for what, value, least, most in (("samples", samples, 1, MOST_SAMPLES), ("seed", seed, 0, LARGEST_SEED)):
        whole = isinstance(value, (int, np.integer, float)) and not isinstance(value, bool) and value == value // 1
        if not whole or not least <= value <= most:
            raise InputValueError(f"{what} must be a whole number from {least} to {most:,}, got {value!r}")
    return int(samples), int(seed)


class DecodingGallery:
    """Embeddings of a gallery, made by a decoder.

    Parameters
    ----------
    source : Source
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.stimuli: StimulusSet = source.stimuli[:MOST_RETRIEVED_FROM]
        self.pictures = Pictures(self.stimuli)
        self._parts: list[xr.DataArray] = []
        self._embedded = 0
        self._embeddings: xr.DataArray | None = None

    @property
    def text(self) -> str:
        """What the images are, in words."""
        first = f"the first {len(self.stimuli):,} of " if len(self.stimuli) < len(self.source.stimuli) else ""
        so_far = "" if self.ready else f"; {self._embedded:,} of {len(self.stimuli):,} have been read so far"
        return f"{first}{self.source.text}{so_far}"

    def steps(self, encoder: Any, device: str) -> Iterator[None]:
        """Embed the images, some in each step; run by the model's thread, as everything else here."""
        while self._embedded < len(self.stimuli):
            some = self.stimuli[self._embedded : self._embedded + EMBEDDED_AT_ONCE]
            self._parts.append(encoder.embed(some, device=device, progress=False, on_bad="skip"))
            self._embedded += len(some)
            yield

    @property
    def ready(self) -> bool:
        """Whether all images have been embedded."""
        return self._embedded >= len(self.stimuli)

    def nearest(self, encoder: Any, pattern: NDArray[np.float32], device: str) -> list[tuple[str, float]]:
        """Ids and cosines of the images that a pattern speaks of most; none until all are embedded."""
        if not self.ready:
            return []
        if self._embeddings is None:
            import xarray as xr

            self._embeddings = xr.concat(self._parts, "stimulus")
            self._parts = []
        found = encoder.retrieve(pattern[None], self._embeddings, k=NEAREST, device=device, progress=False)
        return [
            (str(name), float(cosine))
            for name, cosine in zip(found["id"].values[0], found["similarity"].values[0], strict=True)
        ]


def decoding_work(
    pattern: NDArray[np.float32], samples: int, seed: int, device: str, gallery: Callable[[], DecodingGallery | None]
) -> tuple[str, Callable[[Encoder], tuple[NDArray[np.uint8], list[tuple[str, float]]]]]:
    """A name for decoding a pattern, equal for equal requests, and what a model's thread is to do."""

    def work(encoder: Any) -> tuple[NDArray[np.uint8], list[tuple[str, float]]]:
        decoded = encoder.decode(pattern[None], n_samples=samples, seed=seed, device=device, progress=False)
        images = np.stack([np.asarray(image) for image in decoded])
        found: list[tuple[str, float]] = []
        place = gallery()
        if place is not None:
            try:
                found = place.nearest(encoder, pattern, device)
            except BraincodecError:  # a gallery that cannot be read does not spoil the images
                found = []
        return images, found

    digest = hashlib.sha256(np.ascontiguousarray(pattern).data).hexdigest()
    return f"decode {digest} {samples} {seed}", work
