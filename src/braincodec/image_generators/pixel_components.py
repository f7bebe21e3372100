"""Principal components of pixels, predicted from the embedding by ridge regression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.image_generators.base import ImageGenerator
from braincodec.image_generators.images import ImageSize, read_images
from braincodec.image_generators.linear_map import LinearConfig, LinearMap
from braincodec.image_generators.request import Request

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from braincodec.stimuli import StimulusSet


class PixelComponentsConfig(LinearConfig):
    """Settings of `PixelComponents`; see also `LinearConfig`.

    Attributes
    ----------
    image_size : int or (int, int), optional
        Of what is fitted and given back; default: that of the images, which must all have one.
    """

    shown_as = "pixel components"

    image_size: ImageSize | None = None


class PixelComponents(ImageGenerator):
    """The image whose principal components ridge regression predicts: blurred, but nothing invented.

    Parameters
    ----------
    **settings
        Those of `PixelComponentsConfig`.
    """

    kind, config_class = "pixel_components", PixelComponentsConfig
    needs_one_size = True
    config: PixelComponentsConfig

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        pixels = read_images(images, self.config.image_size, progress=progress)  # (n, height, width, 3)
        self._map = LinearMap.fit(pixels.reshape(len(pixels), -1), embeddings, self.config, progress)
        self._size = (pixels.shape[1], pixels.shape[2])

    def tensors(self) -> dict[str, torch.Tensor]:
        """The map from embeddings to pixels, and the size (height, width)."""
        import torch

        _ = self.embedding
        return {**self._map.tensors(), "size": torch.tensor(self._size)}

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        self._map = LinearMap.from_tensors(tensors)
        self._size = height, width = tuple(tensors["size"].tolist()) if "size" in tensors else (0, 0)
        if 3 * height * width != len(self._map.mean):
            raise InputValueError(f"{len(self._map.mean)} pixel values make no image of {height} x {width}")
        return self._map.dimension

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        return self._map.images(request, self.config.temperature, self._render)

    def _render(self, pixels: torch.Tensor) -> torch.Tensor:  # (rows, height * width * 3)
        return pixels.round().clamp(0, 255).byte().view(-1, *self._size, 3)
