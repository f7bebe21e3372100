"""Latent diffusion conditioned on an image embedding alone: the decoder of unCLIP, as in Kandinsky 2.2.

The networks and the noise schedule are diffusers'; no text model is needed, and `transformers` neither.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import torch
from numpy.typing import NDArray

from braincodec.errors import InputValueError, NotTrainedError
from braincodec.image_generators.latent_diffusion import (
    SCHEDULER,
    UNET,
    LatentDiffusion,
    LatentDiffusionConfig,
)

if TYPE_CHECKING:
    import numpy as np

    from braincodec.stimuli import StimulusSet

MOVQ = "movq"
HINT = "'hf download kandinsky-community/kandinsky-2-2-decoder --local-dir DIR' fetches one"


class DiffusionConfig(LatentDiffusionConfig):
    """Settings of `Diffusion`; see `LatentDiffusionConfig`.

    ``pipeline`` has ``unet``, ``movq`` and ``scheduler``, such as a copy of
    ``kandinsky-community/kandinsky-2-2-decoder``.
    """

    shown_as = "diffusion"


class Diffusion(LatentDiffusion):
    """Images of a pretrained diffusion model that is conditioned on an image embedding.

    The empty embedding that guidance leads away from is zero until `fit` makes it the mean of the embeddings given;
    nothing else is learned. Embeddings must be those that the model was trained with, neither centred nor scaled.

    Parameters
    ----------
    **settings
        Those of `DiffusionConfig`; the folder is read at once.
    """

    kind, config_class = "diffusion", DiffusionConfig
    classes: ClassVar[dict[str, str]] = {UNET: "UNet2DConditionModel", MOVQ: "VQModel"}
    decoder = MOVQ
    config: DiffusionConfig
    _empty: torch.Tensor

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.config.pipeline is not None:
            networks = self._opened(Path(self.config.pipeline).expanduser(), HINT)
            self.config = self.config.model_copy(update={"pipeline": Path(self.config.pipeline).name})
            self._take(networks)

    @classmethod
    def over(cls, unet: Any, movq: Any, scheduler: Any, **settings: Any) -> Self:
        """A generator over diffusers' objects in memory.

        Raises
        ------
        InputValueError
            When the network is not conditioned on an image embedding, or cannot make images of the size set.
        """
        generator = cls(**settings)
        generator._take({UNET: unet, MOVQ: movq, SCHEDULER: scheduler})
        return generator

    def _check(self, networks: dict[str, Any]) -> int:
        unet = networks[UNET].config
        if (unet.encoder_hid_dim_type, unet.addition_embed_type) != ("image_proj", "image"):
            raise InputValueError(
                "diffusion: the network is not conditioned on an image embedding alone "
                f"(encoder_hid_dim_type {unet.encoder_hid_dim_type!r}, expected 'image_proj')"
            )
        self._empty = torch.zeros(unet.encoder_hid_dim)
        return int(unet.encoder_hid_dim)

    def _fit(
        self,
        images: StimulusSet,
        embeddings: NDArray[np.float32],
        *,
        workspace: Path | None,
        device: torch.device,
        progress: bool | None,
    ) -> None:
        if not self.config.networks:
            raise NotTrainedError("diffusion has no networks; give pipeline, a folder as diffusers saves it")
        self._dimension = expected = len(self._empty)
        if embeddings.shape[1] != expected:
            raise InputValueError(
                f"the diffusion model reads embeddings of {expected} values, got {embeddings.shape[1]}; "
                "choose the image embedding that it was trained with"
            )
        self._empty = torch.from_numpy(embeddings.mean(0, dtype=float)).float()

    def tensors(self) -> dict[str, torch.Tensor]:
        """Weights of both networks, and the empty embedding."""
        _ = self.embedding
        return {**self._weights(), "empty": self._empty}

    def _load(self, tensors: dict[str, torch.Tensor]) -> int:
        self._take(self._built(tensors))
        if tuple(tensors.get("empty", torch.zeros(0)).shape) != self._empty.shape:
            raise InputValueError(f"diffusion: the empty embedding is not stored with {len(self._empty)} values")
        self._empty = tensors["empty"]
        return len(self._empty)

    def _conditions(self, embeddings: torch.Tensor, guided: bool) -> dict[str, Any]:
        if guided:
            embeddings = torch.cat([self._empty.to(embeddings).expand_as(embeddings), embeddings])
        return {"encoder_hidden_states": None, "added_cond_kwargs": {"image_embeds": embeddings}}

    def _decode(self, decoder: Any, latents: torch.Tensor) -> torch.Tensor:
        return decoder.decode(latents, force_not_quantize=True, return_dict=False)[0]
