"""The network of the fMRI autoencoder.

Each region of interest becomes a few tokens that see all of its voxels; a transformer gathers them in a class token,
and one linear layer makes the latent of it. The decoder sees the latent alone and answers with every voxel. Names of
the weights are those of LEA's published checkpoints (Qian et al. 2024, TMLR), so that these load as they are. Only
`patch_embed` and `channel_mapper` depend on a subject's voxels; the trunk does not.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Annotated, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import nn

from braincodec.config import Config
from braincodec.errors import InputValueError

ALL = slice(None)
FIRST = slice(0, 1)
LONGEST_PERIOD = 10_000.0  # of the sine positions, as in Vaswani et al. 2017
INITIAL_DEVIATION = 0.02  # of class token, mask token and convolutions, as published

Count = Annotated[int, Field(ge=1)]


class FMRIAutoencoderConfig(Config):
    """Sizes of the autoencoder; the defaults are the published ones.

    Attributes
    ----------
    voxels : tuple of int
        Voxels of each region of interest, in the order in which a pattern has them.
    tokens_per_region : int
        Tokens that each region becomes.
    width, depth : int
        Channels of a token, and transformer blocks, of the encoder.
    heads : int
        Attention heads, in encoder and decoder.
    latent : int
        Values of a latent.
    decoder_width, decoder_depth : int
    mlp_ratio : int
        Hidden channels of a block's MLP for each channel of a token.
    dropout : float
        In the blocks, while training.

    Examples
    --------
    >>> FMRIAutoencoderConfig.parse({"voxels": [40, 25], "width": 30, "heads": 4})
    Traceback (most recent call last):
    braincodec.errors.InputValueError: fMRI autoencoder: width 30 cannot be shared by 4 heads...
    """

    shown_as = "fMRI autoencoder"

    voxels: tuple[Count, ...] = Field(min_length=1)
    tokens_per_region: Count = 32
    width: Count = 1024
    depth: Count = 24
    heads: Count = 16
    latent: Count = 1024
    decoder_width: Count = 512
    decoder_depth: Count = 8
    mlp_ratio: Count = 1
    dropout: float = Field(0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, width in (("width", self.width), ("decoder_width", self.decoder_width)):
            if width % self.heads:
                raise ValueError(f"{name} {width} cannot be shared by {self.heads} heads equally")
            if width % 2:
                raise ValueError(f"{name} {width} must be even, for sines and cosines of positions")
        return self

    @property
    def tokens(self) -> int:
        """Tokens of all regions, the class token not counted."""
        return len(self.voxels) * self.tokens_per_region


class FMRIAutoencoder(nn.Module):
    """Patterns of any regions to latents, and latents back to every voxel.

    Weights start at random, from torch's global generator.

    Parameters
    ----------
    config : FMRIAutoencoderConfig

    Examples
    --------
    >>> small = {"width": 16, "depth": 1, "heads": 2, "latent": 12, "decoder_width": 8, "decoder_depth": 1}
    >>> network = FMRIAutoencoder(FMRIAutoencoderConfig(voxels=(40, 25), tokens_per_region=8, **small)).eval()
    >>> latents = network.encode(torch.zeros(3, 65))
    >>> latents.shape, network.decode(latents).shape
    (torch.Size([3, 12]), torch.Size([3, 65]))
    """

    pos_embed: torch.Tensor  # (1, 1 + tokens, width), fixed
    decoder_pos_embed: torch.Tensor  # (1, 1 + tokens, decoder width), fixed

    def __init__(self, config: FMRIAutoencoderConfig) -> None:
        super().__init__()
        width, decoder_width = config.width, config.decoder_width
        size = (config.heads, config.mlp_ratio, config.dropout)
        self.cls_token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.ModuleList(Block(width, *size) for _ in range(config.depth))
        self.norm = nn.LayerNorm(width)
        self.pred = nn.Linear(width, config.latent)

        self.decoder_embed = nn.Linear(config.latent, decoder_width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder_width))
        self.decoder_blocks = nn.ModuleList(Block(decoder_width, *size) for _ in range(config.decoder_depth))
        self.decoder_norm = nn.LayerNorm(decoder_width)
        self.decoder_pred = nn.Conv1d(config.tokens_per_region, 1, kernel_size=3, padding=1)
        self._add_regions(config)
        for token in (self.cls_token, self.mask_token):
            nn.init.normal_(token, std=INITIAL_DEVIATION)
        self.apply(_initialise)

    def _add_regions(self, config: FMRIAutoencoderConfig) -> None:
        """The parts that depend on a subject's voxels."""
        self.config = config
        self.patch_embed = RegionTokens(config.voxels, config.tokens_per_region, config.width)
        self.channel_mapper = nn.ModuleList(nn.Sequential(nn.Linear(config.decoder_width, n)) for n in config.voxels)
        self.register_buffer("pos_embed", sine_positions(config.tokens, config.width))
        self.register_buffer("decoder_pos_embed", sine_positions(config.tokens, config.decoder_width))

    def sharing_trunk(self, voxels: Sequence[int]) -> FMRIAutoencoder:
        """An autoencoder of other voxels over the very same trunk: training one trains the trunk of both.

        Parameters
        ----------
        voxels : sequence of int
            Voxels of each region of the other subject; regions may be more or fewer.

        Returns
        -------
        FMRIAutoencoder
            With new embeddings of its regions.
        """
        twin = copy.copy(self)
        for kind in ("_modules", "_parameters", "_buffers"):
            setattr(twin, kind, dict(getattr(self, kind)))
        twin._add_regions(FMRIAutoencoderConfig.parse({**self.config.model_dump(), "voxels": tuple(voxels)}))
        for own in (twin.patch_embed, twin.channel_mapper):
            own.apply(_initialise)
        return twin.to(self.cls_token.device, self.cls_token.dtype).train(self.training)

    def encode(self, patterns: torch.Tensor) -> torch.Tensor:  # (batch, voxels)
        """Latents of patterns, shape (batch, latent)."""
        self._check_voxels(patterns)
        x = self.patch_embed(patterns) + self.pos_embed[:, 1:]  # (batch, tokens, width)
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(x), -1, -1)  # (batch, 1, width)
        x = torch.cat([first, x], 1)  # (batch, 1 + tokens, width)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1](x, FIRST)  # (batch, 1, width): nothing else of the last block is read
        return self.pred(self.norm(x[:, 0]))  # (batch, latent)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:  # (batch, latent)
        """Every voxel of each latent, shape (batch, voxels)."""
        first = self.decoder_embed(latents)[:, None]  # (batch, 1, decoder width)
        others = self.mask_token.expand(len(latents), self.config.tokens, -1)  # (batch, tokens, decoder width)
        x = torch.cat([first, others], 1) + self.decoder_pos_embed
        for block in self.decoder_blocks[:-1]:
            x = block(x)
        x = self.decoder_blocks[-1](x, slice(1, None))  # (batch, tokens, decoder width)
        regions = self.decoder_norm(x).split(self.config.tokens_per_region, 1)
        voxels = [to_voxels(one) for to_voxels, one in zip(self.channel_mapper, regions, strict=True)]
        # each (batch, tokens of region, voxels of region); padded region by region
        return torch.cat([self.decoder_pred(one)[:, 0] for one in voxels], 1)  # (batch, voxels)

    def forward(self, patterns: torch.Tensor) -> torch.Tensor:
        """Patterns after encoding and decoding, shape (batch, voxels)."""
        return self.decode(self.encode(patterns))

    def _check_voxels(self, patterns: torch.Tensor) -> None:
        expected = sum(self.config.voxels)
        if patterns.ndim != 2 or patterns.shape[1] != expected:
            sizes = ", ".join(map(str, self.config.voxels))
            raise InputValueError(
                f"patterns must have shape (batch, {expected}), voxels of {len(self.config.voxels)} regions "
                f"({sizes}); got {tuple(patterns.shape)}"
            )


class RegionTokens(nn.Module):
    """Tokens of each region: a convolution over neighbouring voxels, then a linear map of all of them.

    Parameters
    ----------
    voxels : sequence of int
    tokens, width : int
        Tokens of a region, and channels of each.
    """

    def __init__(self, voxels: Sequence[int], tokens: int, width: int) -> None:
        super().__init__()
        self.voxels = list(voxels)
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Conv1d(1, tokens, kernel_size=3, padding=1), nn.Linear(count, width)) for count in voxels
        )

    def forward(self, patterns: torch.Tensor) -> torch.Tensor:
        """Shape (batch, voxels) to (batch, regions * tokens of a region, width)."""
        regions = patterns[:, None].split(self.voxels, -1)  # each (batch, 1, voxels of region)
        return torch.cat([layer(one) for layer, one in zip(self.layers, regions, strict=True)], 1)


class Block(nn.Module):
    """One pre-norm transformer block.

    Parameters
    ----------
    width, heads, mlp_ratio : int
    dropout : float
    """

    def __init__(self, width: int, heads: int, mlp_ratio: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads, dropout)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MLP(width, mlp_ratio * width, dropout)

    def forward(self, x: torch.Tensor, rows: slice = ALL) -> torch.Tensor:
        """The tokens at `rows` after the block, which sees all tokens."""
        x = x[:, rows] + self.attn(self.norm1(x), rows)  # (batch, rows, width)
        return x + self.mlp(self.norm2(x))


class Attention(nn.Module):
    """Multi-head self-attention; queries for some rows only where the others are not read."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, rows: slice) -> torch.Tensor:  # (batch, tokens, width)
        """What the tokens at `rows` gather, shape (batch, rows, width)."""
        width = x.shape[-1]
        weight, bias = self.qkv.weight, self.qkv.bias
        query = F.linear(x[:, rows], weight[:width], bias[:width])  # (batch, rows, width)
        key, value = F.linear(x, weight[width:], bias[width:]).chunk(2, -1)  # each (batch, tokens, width)
        query, key, value = (self._by_head(part) for part in (query, key, value))
        gathered = F.scaled_dot_product_attention(query, key, value, dropout_p=self.dropout if self.training else 0.0)
        return F.dropout(self.proj(gathered.transpose(1, 2).flatten(2)), self.dropout, self.training)

    def _by_head(self, x: torch.Tensor) -> torch.Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # (batch, head, tokens, width of head)


class MLP(nn.Module):
    """Two linear layers with the exact GELU between."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)
        self.dropout = dropout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Shape kept."""
        x = F.dropout(F.gelu(self.fc1(x)), self.dropout, self.training)  # (batch, tokens, hidden)
        return F.dropout(self.fc2(x), self.dropout, self.training)


def sine_positions(tokens: int, width: int) -> torch.Tensor:
    """Fixed positions: zeros for the class token, then sines and cosines of each token's number.

    Returns
    -------
    torch.Tensor, shape (1, 1 + tokens, width), float32

    Examples
    --------
    >>> sine_positions(1, 4)
    tensor([[[0., 0., 0., 0.],
             [0., 0., 1., 1.]]])
    """
    frequencies = LONGEST_PERIOD ** -(torch.arange(width // 2, dtype=torch.float64) / (width // 2))
    angles = torch.arange(tokens, dtype=torch.float64)[:, None] * frequencies  # (tokens, width / 2)
    positions = torch.cat([angles.sin(), angles.cos()], 1).float()  # (tokens, width)
    return F.pad(positions, (0, 0, 1, 0))[None]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.xavier_uniform_(module.weight)
    elif isinstance(module, nn.Conv1d):
        nn.init.normal_(module.weight, std=INITIAL_DEVIATION)
    if isinstance(module, nn.Linear | nn.Conv1d) and module.bias is not None:
        nn.init.zeros_(module.bias)
