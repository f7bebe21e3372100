"""A model in memory, and what is known of its responses without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.app.failures import told
from braincodec.app.regions import Regions
from braincodec.errors import MissingFileError
from braincodec.models.joint import JointEncoder
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.sources import EncodedSource
from braincodec.store.summary import SCALING

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.models.base import Encoder
    from braincodec.store import Store
    from braincodec.store.base import ModelEntry
    from braincodec.subjects import Subject

GREY = 128
WARM_UP_SIZE = 256
ACCURACIES = ("accuracy_noise_normalised", "accuracy_correlation")
NOISE_CEILING = "noise_ceiling"


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a model's responses; remains when the model has left the memory.

    Attributes
    ----------
    template : xarray.DataArray
        Dims (unit,) or (channel, time); the values mean nothing.
    regions : Regions
    scaling : str
        What the numbers mean, in words.
    missing : tuple of str
        Regions whose weights are not in the store.
    scores : dict of str to dict of str to float
        ``accuracy`` and ``noise_ceiling`` by region, where known.
    about_images : str
        What decoded images are, in a sentence; empty for models that do not decode.
    """

    template: xr.DataArray
    regions: Regions
    scaling: str
    missing: tuple[str, ...]
    scores: dict[str, dict[str, float]]
    about_images: str = ""

    def labelled(self, values: NDArray[np.float32]) -> xr.DataArray:
        """Values (values,) with the coordinates of the units; they are shared, not copied."""
        return self.template.copy(deep=False, data=values.reshape(self.template.shape))


class LoadedModel:
    """One subject's model, ready to run in one thread.

    Parameters
    ----------
    store : Store
    entry : ModelEntry
    subject : int or str
    device : str
    """

    def __init__(self, store: Store, entry: ModelEntry, subject: Subject, device: str = "auto") -> None:
        self.encoder, missing = open_encoder(store, entry, subject)
        self.device = device
        self.nbytes = sum(self.encoder.weight_bytes())
        # also loads the network, so that a missing one is noticed here
        first = self._encode([np.full((WARM_UP_SIZE, WARM_UP_SIZE, 3), GREY, np.uint8)])
        template = first.isel(stimulus=0, drop=True)
        regions = Regions.of(template)
        units = str(first.attrs.get("response_units", "unknown"))
        # the middle of all channels and samples, most of which hold no signal, says little
        scores = scores_of(self.encoder, regions) if regions.statistic == "mean" else {}
        scaling = SCALING.get(units, units)
        self.facts = Facts(template, regions, scaling, missing, scores, about_images(self.encoder))

    def compute(self, items: Sequence[Any]) -> list[Any]:
        """Responses (values,) to photographs; and what callables make of the encoder, or the error that they raise."""
        photographs = [number for number, item in enumerate(items) if not callable(item)]
        results: list[Any] = [None] * len(items)
        if photographs:
            responses = self._encode([items[number] for number in photographs]).values
            for number, row in zip(photographs, responses.reshape(len(photographs), -1), strict=True):
                results[number] = row.copy()
        for number, item in enumerate(items):
            if callable(item):
                try:
                    results[number] = item(self.encoder)
                except Exception as error:  # noqa: BLE001  told to whoever asked, and to nobody else
                    results[number] = told(error, self.encoder.description.model)
        return results

    def _encode(self, images: Sequence[NDArray[np.uint8]]) -> xr.DataArray:
        stimuli = StimulusSet(HeldImages(images))
        return averaged(self.encoder.encode(stimuli, device=self.device, progress=False))


def averaged(responses: xr.DataArray) -> xr.DataArray:
    """Repetitions averaged, where there are any."""
    return responses.mean("repetition", keep_attrs=True) if "repetition" in responses.dims else responses


class HeldImages(EncodedSource):
    """Images in memory that may differ in size.

    Parameters
    ----------
    images : sequence of array of uint8, shape (height, width, 3)
    """

    def __init__(self, images: Sequence[NDArray[np.uint8]]) -> None:
        self._images = list(images)
        self.count = len(self._images)

    def default_ids(self) -> NDArray[Any]:
        """Positions from 0, as text."""
        return np.arange(self.count).astype(str)

    def describe(self) -> str:
        """In words."""
        return "images in memory"

    def tokens(self, positions: NDArray[Any]) -> Iterator[bytes]:
        """The pixels."""
        for position in positions:
            yield np.ascontiguousarray(self._images[position]).tobytes()

    def read(self, position: int) -> NDArray[np.uint8]:
        """One image."""
        return self._images[position]


def open_encoder(store: Store, entry: ModelEntry, subject: Subject) -> tuple[Encoder, tuple[str, ...]]:
    """A subject's encoder for all regions that can be had, and the names of the others.

    Raises
    ------
    BraincodecError
        When there is none, or something else than a file is missing.
    """
    if not entry.one_model_a_roi:
        return store.encoder(entry.id, subject), ()
    members, missing, first = [], [], None
    for roi in entry.rois_of_subject[subject]:
        try:
            members.append(store.encoder(entry.id, subject, roi))
        except MissingFileError as error:
            missing.append(roi)
            first = first or error
    if not members and first is not None:
        raise first
    return (members[0] if len(members) == 1 else JointEncoder(members)), tuple(missing)


def scores_of(encoder: Encoder, regions: Regions) -> dict[str, dict[str, float]]:
    """Median accuracy and noise ceiling of each region, where the model's units have them."""
    found: dict[str, dict[str, float]] = {}
    accuracy = next((name for name in ACCURACIES if name in encoder.units), "")
    for title, name in (("accuracy", accuracy), ("noise_ceiling", NOISE_CEILING)):
        if name not in encoder.units:
            continue
        values = np.asarray(encoder.units[name].values, float).ravel()
        if values.size != regions.masks.shape[1]:
            continue
        for roi in regions.names:
            known = values[regions.mask(roi)]
            if np.isfinite(known).any():
                found.setdefault(roi, {})[title] = float(np.nanmedian(known))
    return found


def about_images(encoder: Any) -> str:
    """What decoded images are, in a sentence; empty of a model that does not decode."""
    if not hasattr(encoder, "decode"):
        return ""
    kind = getattr(getattr(encoder, "generator", None), "kind", "")
    if kind == "retrieval":
        return "Each image is the nearest of the model's training images, not a picture made from the pattern."
    if kind == "deformed_images":
        return "Training images, deformed until the responses that the model predicts of them are the pattern."
    return f"Images are made by the generator {kind or 'of the model'} from the embedding read from the pattern."
