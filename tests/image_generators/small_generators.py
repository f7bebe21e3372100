"""Each kind of generator, fitted to a few small images that their embeddings explain."""

from __future__ import annotations

import numpy as np
import torch

from braincodec.image_generators import IMAGE_GENERATORS, ImageGenerator
from braincodec.image_generators.latent_autoencoder import LatentAutoencoder
from braincodec.image_generators.maskgit import MaskGIT
from braincodec.image_generators.tiny_autoencoder import TinyAutoencoder
from braincodec.stimuli import StimulusSet

from ..models.lea.small_lea import token_generator, tokenizer

WIDTH = 10  # of the embedding
IMAGES = 24
KINDS = ("retrieval", "pixel_components", "latent_autoencoder", "maskgit")


def embeddings(count: int = IMAGES, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def images_of(rows: np.ndarray, side: int = 8) -> np.ndarray:
    """Images that depend on their embeddings linearly, but for rounding."""
    patterns = np.random.default_rng(9).normal(size=(WIDTH, side, side, 3))
    return (128 + 8 * np.tensordot(rows, patterns, 1)).clip(0, 255).round().astype(np.uint8)


def photographs(count: int = IMAGES, side: int = 8) -> StimulusSet:
    return StimulusSet.open(images_of(embeddings(count), side))


def tiny_weights(pool: bool = True, width: int = 8, channels: int = 4, seed: int = 0) -> dict[str, torch.Tensor]:
    """Seeded weights of an autoencoder of the TAESD family that halves height and width once."""
    generator = torch.Generator().manual_seed(seed)
    found: dict[str, torch.Tensor] = {}

    def conv(name: str, given: int, out: int, side: int = 3, bias: bool = True) -> None:
        found[f"{name}.weight"] = torch.randn(out, given, side, side, generator=generator) * (given * side**2) ** -0.5
        if bias:
            found[f"{name}.bias"] = torch.randn(out, generator=generator) * 0.1

    def block(name: str, pooled: bool) -> None:
        for place in (0, 2, 4):
            conv(f"{name}.conv.{place}", width, width)
        if pooled:
            conv(f"{name}.pool.0", width, 16, 1, bias=False)
            found[f"{name}.pool.1.weight"], found[f"{name}.pool.1.bias"] = torch.ones(16), torch.zeros(16)
            conv(f"{name}.pool.3", 16, width, 1, bias=False)

    conv("encoder.0", 3, width)
    block("encoder.1", False)
    conv("encoder.2", width, width, bias=False)
    block("encoder.3", pool)
    conv("encoder.4", width, channels)
    conv("decoder.1", channels, width)
    block("decoder.3", pool)
    conv("decoder.5", width, width, bias=False)
    block("decoder.6", False)
    conv("decoder.7", width, 3)
    return found


def fitted(kind: str, **settings) -> ImageGenerator:
    if kind == "maskgit":
        generator = MaskGIT.over(tokenizer(), token_generator(), embedding="mine", **settings)
    elif kind == "latent_autoencoder":
        generator = LatentAutoencoder.over(TinyAutoencoder.from_tensors(tiny_weights()), embedding="mine", **settings)
    else:
        generator = IMAGE_GENERATORS.get(kind)(embedding="mine", **settings)
    return generator.fit(photographs(), embeddings(), device="cpu", progress=False)
