"""What an image autoencoder promises, and how one is opened from its files."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError

DIFFUSERS_WEIGHTS = "diffusion_pytorch_model.safetensors"


class Autoencoder(nn.Module, ABC):
    """Images to latents and back.

    Attributes
    ----------
    patch : int
        Side of the square of pixels that one place of the latents stands for.
    settings : dict
        What is needed beside the weights to build the network anew, as plain values; empty where weights tell it.
    """

    patch: int
    settings: dict[str, Any]

    @abstractmethod
    def encode(self, images: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, height, width), values in 0..1, to latents (batch, channels, rows, columns)."""

    @abstractmethod
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (batch, channels, rows, columns) to images (batch, 3, height, width), values in 0..1 or near."""

    @abstractmethod
    def decoder_tensors(self) -> dict[str, torch.Tensor]:
        """The weights that decoding needs, by name."""


def open_autoencoder(paths: Sequence[str | Path]) -> Autoencoder:
    """The autoencoder that files hold.

    Parameters
    ----------
    paths : sequence of str or Path
        Encoder and decoder of the TAESD family (``taesd_encoder.pth``, ``taesd_decoder.pth``), or one file with both
        (diffusers' ``AutoencoderTiny``); ``.safetensors`` or torch files, of which nothing is run. Or a folder as
        diffusers saves an ``AutoencoderTiny`` or ``AutoencoderKL``: ``config.json`` and a ``.safetensors`` file.

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
        When a file is absent, corrupt or asks for code to be run.
    InputValueError
        When the files are no autoencoder that is known here.
    """
    from braincodec.image_generators.tiny_autoencoder import TinyAutoencoder

    if not 1 <= len(paths) <= 2:
        raise InputValueError(f"an autoencoder lies in one file or two (encoder, decoder), got {len(paths)} paths")
    if len(paths) == 1 and Path(paths[0]).expanduser().is_dir():
        from braincodec.image_generators.kl_autoencoder import KLAutoencoder

        folder = Path(paths[0]).expanduser()
        settings = read_settings(folder)
        if settings.get("_class_name") == "AutoencoderTiny":
            return TinyAutoencoder.from_tensors(read_weights(folder / DIFFUSERS_WEIGHTS), str(folder))
        return KLAutoencoder.from_parts(settings, read_weights(folder / DIFFUSERS_WEIGHTS), str(folder))
    if len(paths) == 1:
        return TinyAutoencoder.from_tensors(read_weights(paths[0]), str(paths[0]))
    encoder, decoder = (read_weights(path) for path in paths)
    tensors = {
        f"{half}.{name.removeprefix(f'{half}.')}": tensor
        for half, weights in (("encoder", encoder), ("decoder", decoder))
        for name, tensor in weights.items()
    }
    return TinyAutoencoder.from_tensors(tensors, f"{paths[0]} and {paths[1]}")


def stored_autoencoder(settings: dict[str, Any], tensors: Mapping[str, torch.Tensor]) -> Autoencoder:
    """The autoencoder that its `settings` and `decoder_tensors` make up; it only decodes.

    Raises
    ------
    InputValueError
    """
    from braincodec.image_generators.kl_autoencoder import KLAutoencoder
    from braincodec.image_generators.tiny_autoencoder import TinyAutoencoder

    if settings:
        return KLAutoencoder.from_parts(settings, tensors, "the stored autoencoder")
    return TinyAutoencoder.from_tensors(tensors, "the stored autoencoder")


def read_settings(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a network that diffusers saved.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    path = folder / "config.json"
    if not path.is_file():
        raise MissingFileError(path, "settings of an autoencoder", "expected a folder that diffusers saved")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(f"{path} is not valid JSON: {error}") from None
    if not isinstance(settings, dict):
        raise DamagedFileError(f"{path} holds no settings")
    return settings


def read_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Tensors by name, as float32, from a ``.safetensors`` or torch file; nothing in it is run.

    Raises
    ------
    MissingFileError, DamagedFileError, UnsafeFileError
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from braincodec.legacy.tensors import tensor
    from braincodec.models.lea.checkpoints import read_checkpoint

    path = Path(path).expanduser()
    if not path.is_file():
        raise MissingFileError(path, "weights of an autoencoder")
    found: Mapping[str, Any]
    if path.suffix == ".safetensors":
        try:
            found = load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise DamagedFileError(f"{path} cannot be read as tensors: {error}") from error
    else:
        found = read_checkpoint(path).tensors
    return {name: tensor(value) for name, value in found.items()}
