"""The images of a gallery whose embeddings are nearest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputValueError
from braincodec.image_generators.base import GeneratorConfig, ImageGenerator
from braincodec.image_generators.images import ImageSize, read_images
from braincodec.image_generators.request import Request
from braincodec.models.lea.tiles import in_tiles

if TYPE_CHECKING:
    from pathlib import Path

    import torch

    from braincodec.stimuli import StimulusSet

ROWS_AT_ONCE = 64


class RetrievalConfig(GeneratorConfig):
    """Settings of `Retrieval`.

    Attributes
    ----------
    similarity : {"cosine", "correlation", "euclidean"}
        Of embeddings; the last is the negative distance.
    image_size : int or (int, int), optional
        Of what is given back; default: that of the gallery's images, which must all have one.
    """

    shown_as = "retrieval"

    similarity: Literal["cosine", "correlation", "euclidean"] = "cosine"
    image_size: ImageSize | None = None


class Retrieval(ImageGenerator):
    """The gallery's image whose embedding is nearest; sample k is the k-th nearest.

    The seed changes nothing. Of equally near images the earlier one comes first.

    Parameters
    ----------
    **settings
        Those of `RetrievalConfig`.
    """

    kind, config_class = "retrieval", RetrievalConfig
    needs_one_size = True
    config: RetrievalConfig

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        import torch

        self._images = torch.from_numpy(read_images(images, self.config.image_size, progress=progress))
        self._embeddings = torch.from_numpy(embeddings.copy())

    def tensors(self) -> dict[str, torch.Tensor]:
        """The gallery: images (n, height, width, 3) of uint8, and their embeddings (n, dimension)."""
        _ = self.embedding
        return {"images": self._images, "embeddings": self._embeddings}

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        import torch

        from braincodec.models.tensors import check_tensor_shapes

        check_tensor_shapes(tensors, {"images": (None, None, None, 3), "embeddings": (None, None)})
        self._images, self._embeddings = tensors["images"], tensors["embeddings"].float()
        if len(self._images) != len(self._embeddings) or self._images.dtype != torch.uint8:
            raise InputValueError("a gallery is stored as uint8 images and as many embeddings")
        return self._embeddings.shape[1]

    def _generate(self, request: Request) -> NDArray[np.uint8]:
        if request.n_samples > len(self._images):
            raise InputValueError(
                f"a gallery of {len(self._images)} images gives at most as many samples, got n_samples "
                f"{request.n_samples}"
            )
        gallery = self._prepared(self._embeddings)

        def nearest(rows: torch.Tensor) -> torch.Tensor:  # (tile, dimension)
            return self._similarities(self._prepared(rows), gallery).argsort(dim=1, descending=True, stable=True)

        order = in_tiles(nearest, request.embeddings, tile=ROWS_AT_ONCE)[:, : request.n_samples].numpy()
        request.advance(order.size)
        return self._images.numpy()[order]

    def _prepared(self, rows: torch.Tensor) -> torch.Tensor:
        rows = rows.double()
        if self.config.similarity == "euclidean":
            return rows
        if self.config.similarity == "correlation":
            rows = rows - rows.mean(1, keepdim=True)
        return rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-30)  # one without variance is equally far from all

    def _similarities(self, rows: torch.Tensor, gallery: torch.Tensor) -> torch.Tensor:
        """Shape (rows, gallery)."""
        import torch

        if self.config.similarity == "euclidean":
            return -torch.cdist(rows, gallery, compute_mode="donot_use_mm_for_euclid_dist")
        return rows @ gallery.T
