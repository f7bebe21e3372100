"""Images through a trained LEA where all of them are needed together: their embeddings, and transductive scaling."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from braincodec.models.run import encode_batches, response_template
from braincodec.progress import progress_bar
from braincodec.stimuli import StimulusSet

if TYPE_CHECKING:
    import torch
    import xarray as xr
    from numpy.typing import NDArray

    from braincodec.features.preprocessing import Preprocessing
    from braincodec.models.lea.aligned import AlignedEncoder


class Embedded(NamedTuple):
    """Embeddings of images.

    Parameters
    ----------
    embeddings : array of float32, shape (images, dimension)
    ids : list of str
    skipped : dict of str to str
        Images that could not be read, and why.
    """

    embeddings: NDArray[np.float32]
    ids: list[str]
    skipped: dict[str, str]


class Embedder:
    """The first half of a model, in the form in which `encode_batches` takes an encoder.

    Parameters
    ----------
    model : LEA
    """

    def __init__(self, model: AlignedEncoder) -> None:
        self.model = model
        self.response_shape = (model.dimension,)
        self.preferred_batch_size = model.preferred_batch_size

    @property
    def preprocessings(self) -> tuple[Preprocessing, ...]:
        """See `Encoder.preprocessings`."""
        return self.model.preprocessings

    def bytes_per_image(self) -> int:
        """See `Encoder.bytes_per_image`."""
        return self.model.bytes_per_image()

    def prepare(self, device: torch.device, dtype: torch.dtype) -> Self:
        """See `Encoder.prepare`."""
        self.model.prepare(device, dtype)
        return self

    def predict(self, images: torch.Tensor) -> torch.Tensor:
        """Embeddings (batch, dimension)."""
        return self.model.shared(images)


def embed(model: AlignedEncoder, stimuli: Any, *, progress: bool | None, **options: Any) -> Embedded:
    """Embeddings of images, held in memory; see `LEA.embed`."""
    stimuli = StimulusSet.open(stimuli)
    blocks = [np.empty((0, model.dimension), np.float32)]
    ids: list[str] = []
    skipped: dict[str, str] = {}
    embedder: Any = Embedder(model)
    with (
        progress_bar("embed images", len(stimuli), show=progress) as advance,
        contextlib.closing(encode_batches(embedder, stimuli, **options)) as batches,
    ):
        for batch, block in batches:
            blocks.append(block)
            ids += [str(name) for name in batch.ids]
            skipped |= {item.id: item.reason for item in batch.bad}
            advance(len(block) + len(batch.bad))
    return Embedded(np.concatenate(blocks), ids, skipped)


def encode_transductively(
    model: AlignedEncoder, stimuli: Any, *, progress: bool | None, **options: Any
) -> xr.DataArray:
    """Responses to images whose predicted latents are scaled by their own mean and deviation; see `LEA.encode`."""
    import torch

    found = embed(model, stimuli, progress=progress, **options)
    latents = model.encoding_map.predict(found.embeddings)  # (images, latent)
    scaled = model.encoding_map.scaling.apply(latents, "transductive")
    with torch.inference_mode():
        values = model.responses_of(scaled).numpy()
    responses = response_template(model, values, found.ids)
    if found.skipped:
        responses.attrs["skipped"] = json.dumps(found.skipped)
    return responses
