"""Everything that the explorer page asks for, from any number of threads."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.app.catalogue import ModelChoice, model_choices
from braincodec.app.predicting import Prediction, RoiBar
from braincodec.errors import UnknownNameError

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.models.base import Encoder
    from braincodec.stimuli import StimulusSet
    from braincodec.store import Store
    from braincodec.subjects import Subject


@dataclass(frozen=True, eq=False)
class Neighbour:
    """An image of the gallery that the brain answers alike.

    Attributes
    ----------
    id : str
    similarity : float
        Pearson correlation of the responses over the units of the region.
    thumbnail : array of uint8, shape (height, width, 3), or None
        None where the image cannot be read any more.
    """

    id: str
    similarity: float
    thumbnail: NDArray[np.uint8] | None


@dataclass(frozen=True, eq=False)
class Decoded:
    """Images decoded from one pattern.

    Attributes
    ----------
    images : array of uint8, shape (samples, height, width, 3)
    nearest : list of Neighbour
        Images of the gallery that the pattern speaks of most: cosine of embeddings. Empty where there is no gallery.
    simulated : bool
    about : str
        What the images are, in a sentence.
    """

    images: NDArray[np.uint8]
    nearest: list[Neighbour]
    simulated: bool
    about: str


@dataclass(frozen=True, eq=False)
class Example:
    """Something to try.

    Attributes
    ----------
    name : str
    title : str
    pixels : array of uint8, shape (height, width, 3)
        The photograph; for a pattern, what the subject saw.
    licence : str
    pattern : array of float32, shape (units,), or None
        For decoders.
    model : str
        Decoder that a pattern belongs to.
    subject : int or str
    """

    name: str
    title: str
    pixels: NDArray[np.uint8]
    licence: str
    pattern: NDArray[np.float32] | None = None
    model: str = ""
    subject: Subject = 1


class Explorer:
    """Models of a store, ready to answer many people at once.

    Parameters
    ----------
    store : Store
    gallery : StimulusSet, optional
        Images to compare with and to search; default: those behind the store's generated responses where they are at
        hand, else those of the simulated data set.
    device : str
    most_waiting : int
        Requests that may wait; more are refused with `TooBusyError`.

    Attributes
    ----------
    models : list of ModelChoice

    Raises
    ------
    InputValueError
        When the store has no models.
    """

    def __init__(
        self,
        store: Store,
        *,
        gallery: StimulusSet | None = None,
        device: str = "auto",
        most_waiting: int = 100,
    ) -> None:
        self.store = store
        self.models: list[ModelChoice] = model_choices(store)
        self._device = device
        self._gallery = gallery
        self._lock = threading.Lock()
        self._encoders: dict[tuple[str, str], Encoder] = {}

    def __enter__(self) -> Explorer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop all threads; whoever waits is told."""

    def model(self, name: str) -> ModelChoice:
        """The facts about one model.

        Raises
        ------
        UnknownNameError
        """
        for choice in self.models:
            if choice.id == name:
                return choice
        raise UnknownNameError("model", name, [choice.id for choice in self.models])

    def predict(
        self,
        pixels: NDArray[np.uint8],
        model: str,
        subject: Subject = 1,
        *,
        cancelled: Callable[[], bool] | None = None,
    ) -> Prediction:
        """Responses of one subject to one photograph.

        Parameters
        ----------
        pixels : array of uint8, shape (height, width, 3)
            As `read_upload` gives them; the encoder crops and resizes as it was trained.
        model : str
        subject : int or str
        cancelled : callable, optional
            Asked while waiting; True gives up the place in the queue.

        Returns
        -------
        Prediction

        Raises
        ------
        TooBusyError
            When too many wait already.
        BraincodecError
            Whatever else goes wrong, in one sentence.
        """
        choice = self.model(model)
        with self._lock:
            key = (model, str(subject))
            if key not in self._encoders:
                self._encoders[key] = self.store.encoder(model, subject)
            responses = self._encoders[key].encode(pixels[None], device=self._device, progress=False)
        one = responses.isel(stimulus=0, drop=True)
        one = one.mean("repetition", keep_attrs=True) if "repetition" in one.dims else one
        return Prediction(
            model=model,
            subject=subject,
            modality=choice.modality,
            simulated=choice.simulated,
            image_digest=digest_of(pixels),
            responses=one,
            roi_bars=_bars(one),
        )

    def neighbours(self, prediction: Prediction, roi: str | None = None, count: int = 8) -> list[Neighbour]:
        """Images of the gallery that the brain answers most alike, the photograph itself left out.

        Parameters
        ----------
        prediction : Prediction
        roi : str, optional
            Compare over its units only; default: all.
        count : int

        Returns
        -------
        list of Neighbour
            The most similar first; empty while the gallery is being encoded (`Prediction.reference` says how far).
        """
        return []

    def decode(
        self, pattern: NDArray[Any] | bytes | str | Path, model: str, subject: Subject = 1, *, samples: int = 1,
        seed: int = 0,
    ) -> Decoded:  # fmt: skip
        """Images of what was seen.

        Parameters
        ----------
        pattern : array of shape (units,), or a .npy or .csv file
        model : str
            One whose direction is ``"both"`` or ``"decode"``.
        subject : int or str
        samples : int
            At most 8.
        seed : int
        """
        raise NotImplementedError

    def examples(self) -> list[Example]:
        """Photographs to try, and patterns for decoders."""
        from braincodec.simulate import photograph_licences, square_photographs

        licences = {row["name"]: f"{row['licence']}, {row['author']}" for row in photograph_licences()}
        return [
            Example(name, name.replace("_", " "), pixels, licences[name])
            for name, pixels in square_photographs().items()
        ]


def digest_of(pixels: NDArray[np.uint8]) -> str:
    """Hexadecimal SHA-256 of an image's size and pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def _bars(one: xr.DataArray) -> list[RoiBar]:
    if one.dims != ("unit",):
        return []
    membership = one.bc.roi_membership
    return [
        RoiBar(str(roi), float(one.values[inside].mean()), int(inside.sum()))
        for roi, inside in zip(membership["roi"].values, membership.values.T, strict=True)
    ]
