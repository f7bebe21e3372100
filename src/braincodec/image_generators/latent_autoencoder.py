"""Latents of an image autoencoder, predicted from the embedding by ridge regression, and decoded."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import torch
from numpy.typing import NDArray
from pydantic import Field

from braincodec.device import fast_matmul
from braincodec.errors import InputValueError
from braincodec.image_generators.autoencoder import Autoencoder, open_autoencoder, stored_autoencoder
from braincodec.image_generators.base import ImageGenerator
from braincodec.image_generators.images import ImageSize, read_images
from braincodec.image_generators.linear_map import EMBEDDINGS_AT_ONCE, LinearConfig, LinearMap
from braincodec.image_generators.request import Request
from braincodec.image_generators.sampling import placed
from braincodec.models.lea.tiles import in_tiles, tile_for
from braincodec.progress import progress_bar

if TYPE_CHECKING:
    import numpy as np

    from braincodec.stimuli import StimulusSet

LARGEST = 255.0  # value of a pixel


class LatentAutoencoderConfig(LinearConfig):
    """Settings of `LatentAutoencoder`; see also `LinearConfig`.

    Attributes
    ----------
    autoencoder : tuple of str
        Its files; see `open_autoencoder`. Of a stored generator, their names.
    image_size : int or (int, int), optional
        Of what is encoded and given back, multiples of the autoencoder's patch; default: that of the images.
    network : dict
        Of a stored generator, the autoencoder's own settings where its weights do not tell them.
    """

    shown_as = "latent autoencoder"

    autoencoder: tuple[str, ...] = Field((), max_length=2)
    image_size: ImageSize | None = None
    network: dict[str, Any] = Field(default_factory=dict)


class LatentAutoencoder(ImageGenerator):
    """The image whose latents ridge regression predicts.

    Parameters
    ----------
    **settings
        Those of `LatentAutoencoderConfig`; the files are read at once.
    """

    kind, config_class = "latent_autoencoder", LatentAutoencoderConfig
    needs_one_size = True
    config: LatentAutoencoderConfig
    _autoencoder: Autoencoder

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if not self.config.autoencoder:
            raise InputValueError(
                "latent autoencoder: name the files of an image autoencoder, such as "
                "autoencoder=('taesd_encoder.safetensors', 'taesd_decoder.safetensors')"
            )
        self._autoencoder = open_autoencoder(self.config.autoencoder)
        names = tuple(Path(path).name for path in self.config.autoencoder)
        self.config = self.config.model_copy(update={"autoencoder": names, "network": self._autoencoder.settings})

    @classmethod
    def over(cls, autoencoder: Autoencoder, **settings: Any) -> Self:
        """An untrained generator over a network in memory."""
        generator = object.__new__(cls)
        generator.config = cls.config_class.parse({**settings, "network": autoencoder.settings})
        generator._autoencoder = autoencoder
        return generator

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        pixels = read_images(images, self.config.image_size, progress=progress)
        height, width = pixels.shape[1:3]
        patch = self._autoencoder.patch
        if height % patch or width % patch:
            raise InputValueError(
                f"images of {height} x {width} pixels do not divide into the autoencoder's patches of {patch}; "
                f"set image_size to multiples of {patch}"
            )
        with progress_bar("encode images", len(pixels), show=progress) as advance:
            latents = encode_images(self._autoencoder, torch.from_numpy(pixels), device, advance)
        self._shape = (latents.shape[1], latents.shape[2], latents.shape[3])
        self._map = LinearMap.fit(latents.flatten(1).numpy(), embeddings, self.config, progress)

    def tensors(self) -> dict[str, torch.Tensor]:
        """The map from embeddings to latents, the latents' shape, and the weights that decode them."""
        _ = self.embedding
        return {
            **self._map.tensors(),
            "shape": torch.tensor(self._shape),
            **{f"autoencoder.{name}": value for name, value in self._autoencoder.decoder_tensors().items()},
        }

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        prefix = "autoencoder."
        weights = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        self._map = LinearMap.from_tensors(tensors)
        self._autoencoder = stored_autoencoder(self.config.network, weights)
        self._shape = channels, rows, columns = tuple(tensors.get("shape", torch.zeros(3)).int().tolist())
        if channels * rows * columns != len(self._map.mean):
            raise InputValueError(f"{len(self._map.mean)} values make no latents of shape {self._shape}")
        return self._map.dimension

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        network = placed(self._autoencoder, request.device, request.dtype)
        tile = min(tile_for(request.device), EMBEDDINGS_AT_ONCE)  # what comes in rows of so many is not filled up

        def render(vectors: torch.Tensor) -> torch.Tensor:  # (rows, channels * rows * columns)
            latents = vectors.view(-1, *self._shape).to(request.device, request.dtype)
            return as_pixels(in_tiles(network.decode, latents, tile=tile))

        with torch.inference_mode(), fast_matmul(request.device):
            return self._map.images(request, self.config.temperature, render)


def encode_images(
    autoencoder: Autoencoder, images: torch.Tensor, device: torch.device, on_tile: Any = None
) -> torch.Tensor:
    """Latents of uint8 images (n, height, width, 3), shape (n, channels, rows, columns), float32 on the CPU."""
    network = placed(autoencoder, device, torch.float32)
    encode = partial(_encode, network, device)
    with torch.inference_mode(), fast_matmul(device):
        return in_tiles(encode, images, on_tile=on_tile).clone()


def _encode(network: Autoencoder, device: torch.device, images: torch.Tensor) -> torch.Tensor:
    return network.encode(images.to(device).movedim(-1, 1).float() / LARGEST).cpu()


def as_pixels(images: torch.Tensor) -> torch.Tensor:
    """Images (n, 3, height, width) with values 0..1 as (n, height, width, 3) of uint8 on the CPU; clipped.

    Examples
    --------
    >>> as_pixels(torch.tensor([-1.0, 0.5, 2.0]).view(1, 3, 1, 1)).tolist()
    [[[[0, 128, 255]]]]
    """
    return (images.float() * LARGEST).round().clamp(0, LARGEST).byte().movedim(1, -1).contiguous().cpu()
