"""The autoencoder of latent diffusion (Rombach et al. 2022), as diffusers' AutoencoderKL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch

from braincodec.errors import InputValueError
from braincodec.image_generators.autoencoder import Autoencoder
from braincodec.image_generators.diffusers_models import import_diffusers

CLASS = "AutoencoderKL"
OF_DECODER = ("decoder.", "post_quant_conv.")


class KLAutoencoder(Autoencoder):
    """Images to the means of their latents, and back.

    Parameters
    ----------
    network : diffusers.AutoencoderKL
    can_encode : bool
        Whether its encoder has weights.
    """

    def __init__(self, network: Any, can_encode: bool = True) -> None:
        super().__init__()
        self.network, self.can_encode = network, can_encode
        self.patch = 2 ** (len(network.config.block_out_channels) - 1)
        plain = {name: value for name, value in dict(network.config).items() if not name.startswith("_")}
        self.settings = {"_class_name": CLASS, **plain}

    @classmethod
    def from_parts(cls, settings: Mapping[str, Any], tensors: Mapping[str, torch.Tensor], source: str) -> Self:
        """The network of diffusers' `settings` and its weights; the encoder's may be left out.

        Parameters
        ----------
        settings : mapping
            With ``_class_name``.
        tensors : mapping of str to torch.Tensor
        source : str
            For messages.

        Raises
        ------
        MissingExtraError
        InputValueError
            When it is another network.
        """
        if settings.get("_class_name") != CLASS:
            raise InputValueError(
                f"{source} holds {settings.get('_class_name')!r}; expected 'AutoencoderTiny' or '{CLASS}'"
            )
        kind = getattr(import_diffusers(what="an AutoencoderKL"), CLASS)
        try:
            with torch.device("meta"):
                network = kind.from_config({name: v for name, v in settings.items() if not name.startswith("_")})
        except (TypeError, ValueError, KeyError) as error:
            raise InputValueError(f"{source}: settings of no {CLASS}: {error}") from error
        shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
        found = {name: tuple(value.shape) for name, value in tensors.items()}
        if not any(name.startswith("encoder.") for name in found):
            for part in ("encoder", "quant_conv"):
                setattr(network, part, None)
            shapes = {name: shape for name, shape in shapes.items() if name.startswith(OF_DECODER)}
        if found != shapes:
            differing = [name for name in {**shapes, **found} if shapes.get(name) != found.get(name)]
            raise InputValueError(f"{source}: weights do not fit their settings, first {', '.join(differing[:3])}")
        network.load_state_dict({name: value.float() for name, value in tensors.items()}, assign=True)
        return cls(network.requires_grad_(False).eval(), can_encode=network.encoder is not None)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, height, width), values in 0..1, to latents (batch, channels, rows, columns)."""
        if not self.can_encode:
            raise InputValueError("this autoencoder was stored without its encoder; open it anew to fit")
        return self.network.encode(2 * images - 1).latent_dist.mode()

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (batch, channels, rows, columns) to images (batch, 3, height, width)."""
        return (self.network.decode(latents).sample + 1) / 2

    def decoder_tensors(self) -> dict[str, torch.Tensor]:
        """Weights of the decoder."""
        return {name: value for name, value in self.network.state_dict().items() if name.startswith(OF_DECODER)}
