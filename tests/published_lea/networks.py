"""Checkpoints as LEA publishes them, small: names with the prefixes of wrappers, settings beside the weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.token_generator import TokenGenerator, TokenGeneratorConfig
from braincodec.models.lea.tokenizer import Tokenizer, TokenizerConfig

HEADS = 4
CODEBOOK, TOKENS = 64, 64  # 8 x 8 patches of 4 pixels


def autoencoder(folder: Path, voxels: Sequence[int]) -> Path:
    sizes = {"tokens_per_region": 4, "width": 32, "depth": 2, "heads": HEADS, "decoder_width": 16, "decoder_depth": 1}
    network = FMRIAutoencoder(FMRIAutoencoderConfig.parse({"voxels": tuple(voxels), **sizes, "latent": 24}))
    return _save(folder / "fmri_autoencoder.pth", {"transformer": network})


def token_generator(folder: Path, embedding: int, *, with_tokenizer: bool = False) -> Path:
    sizes = {"codebook_size": CODEBOOK, "tokens": TOKENS, "embedding": embedding, "width": 32, "depth": 2}
    parts: dict[str, nn.Module] = {"transformer": TokenGenerator(TokenGeneratorConfig.parse({**sizes, "heads": HEADS}))}
    if with_tokenizer:
        parts["vqgan"] = _tokenizer()
    return _save(folder / "maskgit.pth", parts)


def tokenizer(folder: Path) -> Path:
    return _save(folder / "vq.pth", {"": _tokenizer()})


def _tokenizer() -> Tokenizer:
    sizes: dict[str, Any] = {"base_width": 32, "multipliers": (1, 1, 2), "blocks": 1, "middle_blocks": 1}
    return Tokenizer(TokenizerConfig.parse({**sizes, "code_width": 16, "codebook_size": CODEBOOK}))


def _save(path: Path, parts: dict[str, nn.Module]) -> Path:
    state = {
        f"module.{part}.{name}" if part else name: tensor
        for part, network in parts.items()
        for name, tensor in network.state_dict().items()
    }
    torch.save({"model": state, "config": {"num_heads": HEADS}, "cur_iter": 10}, path)
    return path
