"""The three networks at sizes that run in milliseconds, with weights large enough to matter."""

from __future__ import annotations

import torch
from torch import nn

from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoder, FMRIAutoencoderConfig
from braincodec.models.lea.token_generator import TokenGenerator, TokenGeneratorConfig
from braincodec.models.lea.tokenizer import Tokenizer, TokenizerConfig


def randomised(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network with seeded weights, biases and norms included, in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            scale = weight[0].numel() ** -0.5 if weight.ndim > 1 else 0.3
            weight.copy_(torch.randn(weight.shape, generator=generator) * scale)
    return network.eval()


def autoencoder(voxels=(9, 5, 7), **sizes) -> FMRIAutoencoder:
    small = {"tokens_per_region": 4, "width": 16, "depth": 2, "heads": 2, "latent": 12, "decoder_width": 8}
    config = FMRIAutoencoderConfig.parse({"voxels": voxels, **small, "decoder_depth": 2, **sizes})
    return randomised(FMRIAutoencoder(config))


def tokenizer(**sizes) -> Tokenizer:
    small = {"base_width": 32, "multipliers": (1, 2), "blocks": 1, "middle_blocks": 1}
    return randomised(Tokenizer(TokenizerConfig.parse({**small, "code_width": 8, "codebook_size": 24, **sizes})))


def token_generator(**sizes) -> TokenGenerator:
    small = {"codebook_size": 24, "tokens": 16, "embedding": 10, "width": 32, "depth": 2, "heads": 4}
    return randomised(TokenGenerator(TokenGeneratorConfig.parse({**small, **sizes})))


def numbers(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))
