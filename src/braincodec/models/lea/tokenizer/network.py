"""The network of the image tokenizer: MaskGIT's VQ model (Chang et al. 2022), with LEA's names of its weights.

A convolutional encoder gives each patch of an image a vector, the nearest entry of a codebook stands for it, and a
convolutional decoder makes an image of the entries. Decoding from ids alone never runs the encoder.
"""

from __future__ import annotations

from typing import Annotated, NamedTuple, Self

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import nn

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.models.lea.tokenizer.group_norm import GroupNorm

GROUPS = 32  # of each group norm, as published

Count = Annotated[int, Field(ge=1)]


class TokenizerConfig(Config):
    """Sizes of the tokenizer; the defaults are the published ones, for images of 256 x 256 and 16 x 16 tokens.

    Attributes
    ----------
    base_width : int
        Channels of the first convolution.
    multipliers : tuple of int
        Channels of each level as multiples of `base_width`; each level but the first halves height and width.
    blocks, middle_blocks : int
        Residual blocks of each level, and between encoder and decoder on either side.
    code_width, codebook_size : int
        Values of a codebook entry, and entries.
    groups : int
        Of each group norm. The mean of a group is lost, so a narrow network needs fewer to keep an image's brightness.

    Examples
    --------
    >>> TokenizerConfig.parse({"base_width": 40})
    Traceback (most recent call last):
    braincodec.errors.InputValueError: tokenizer: base_width 40 is no multiple of 32...
    """

    shown_as = "tokenizer"

    base_width: Count = 128
    multipliers: tuple[Count, ...] = Field((1, 1, 2, 2, 4), min_length=1)
    blocks: Count = 2
    middle_blocks: int = Field(2, ge=0)
    code_width: Count = 256
    codebook_size: int = Field(1024, ge=2)
    groups: Count = GROUPS

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.base_width % self.groups:
            raise ValueError(
                f"base_width {self.base_width} is no multiple of {self.groups}, the groups of the group norm"
            )
        return self

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each level."""
        return tuple(self.base_width * multiplier for multiplier in self.multipliers)

    @property
    def patch(self) -> int:
        """Side of the patch that a token stands for, in pixels."""
        return 2 ** (len(self.multipliers) - 1)


class Tokenized(NamedTuple):
    """What the tokenizer makes of images on the way to their reconstruction.

    Parameters
    ----------
    images : torch.Tensor, shape (batch, 3, height, width)
        Reconstructions, not clipped.
    latents, quantised : torch.Tensor, shape (batch, code width, rows, columns)
        The encoder's output, and the codebook entries nearest to it.
    ids : torch.Tensor of int64, shape (batch, rows, columns)
    """

    images: torch.Tensor
    latents: torch.Tensor
    quantised: torch.Tensor
    ids: torch.Tensor


class Tokenizer(nn.Module):
    """Images to a grid of codebook entries and back.

    Parameters
    ----------
    config : TokenizerConfig

    Examples
    --------
    >>> network = Tokenizer(
    ...     TokenizerConfig(
    ...         base_width=32, multipliers=(1, 2), blocks=1, middle_blocks=0, code_width=4, codebook_size=8
    ...     )
    ... )
    >>> ids = network.quantise(network.encode(torch.zeros(1, 3, 6, 8)))
    >>> ids.shape, network.decode_ids(ids).shape
    (torch.Size([1, 3, 4]), torch.Size([1, 3, 6, 8]))
    """

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.decoder = Decoder(config)
        self.quantizer = Codebook(config.codebook_size, config.code_width)
        self.to_channels_last()

    @property
    def codebook(self) -> torch.Tensor:
        """The entries, shape (codebook size, code width)."""
        return self.quantizer.embedding.weight

    def to_channels_last(self) -> Self:
        """Lay the weights out as the convolutions want them; needed anew where weights were put in as they were."""
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def encode(self, images: torch.Tensor) -> torch.Tensor:  # (batch, 3, height, width), values in 0..1
        """One vector for each patch, shape (batch, code width, rows, columns)."""
        patch = self.config.patch
        if images.ndim != 4 or images.shape[1] != 3 or images.shape[2] % patch or images.shape[3] % patch:
            raise InputValueError(
                f"images must have shape (batch, 3, height, width) with sides that are multiples of {patch}, "
                f"got {tuple(images.shape)}"
            )
        return self.encoder(images.contiguous(memory_format=torch.channels_last))

    def quantise(self, latents: torch.Tensor) -> torch.Tensor:  # (batch, code width, rows, columns)
        """Numbers of the nearest codebook entries, shape (batch, rows, columns), int64; in float32 at any precision."""
        with torch.autocast(latents.device.type, enabled=False):
            entries = self.codebook.float()
            vectors = latents.movedim(1, -1).float()  # (batch, rows, columns, code width)
            # of the squared distance, without the part that all entries share
            distances = entries.square().sum(1) - 2 * vectors @ entries.T  # (batch, rows, columns, codebook size)
            return distances.argmin(-1)

    def look_up(self, ids: torch.Tensor) -> torch.Tensor:  # (batch, rows, columns)
        """The codebook entries of ids, shape (batch, code width, rows, columns), in channels-last memory."""
        return F.embedding(ids, self.codebook).movedim(-1, 1)

    def decode(self, quantised: torch.Tensor) -> torch.Tensor:  # (batch, code width, rows, columns)
        """Images of codebook entries, shape (batch, 3, height, width); values in 0..1 but for a few beyond."""
        return self.decoder(quantised.contiguous(memory_format=torch.channels_last))

    def decode_ids(self, ids: torch.Tensor) -> torch.Tensor:
        """Images of ids (batch, rows, columns), shape (batch, 3, height, width)."""
        return self.decode(self.look_up(ids))

    def forward(self, images: torch.Tensor) -> Tokenized:
        """Reconstruct images; gradients pass the quantisation as if it were not there."""
        latents = self.encode(images)
        ids = self.quantise(latents)
        quantised = self.look_up(ids)
        straight_through = latents + (quantised - latents).detach()
        return Tokenized(self.decode(straight_through), latents, quantised, ids)


class Codebook(nn.Module):
    """The entries that vectors are rounded to."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width)
        nn.init.uniform_(self.embedding.weight, -1 / size, 1 / size)


class Encoder(nn.Module):
    """(batch, 3, height, width) to (batch, code width, height / patch, width / patch)."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        widths = config.widths
        self.conv_in = nn.Conv2d(3, config.base_width, 3, padding=1, bias=False)
        self.down = nn.ModuleList(
            Level(given, width, config.blocks, config.groups)
            for given, width in zip((config.base_width, *widths), widths, strict=False)
        )
        self.mid = nn.ModuleList(
            ResidualBlock(widths[-1], widths[-1], config.groups) for _ in range(config.middle_blocks)
        )
        self.norm_out = GroupNorm(config.groups, widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], config.code_width, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images to vectors."""
        x = self.conv_in(x)  # (batch, base width, height, width)
        for number, level in enumerate(self.down):
            if number:
                x = F.avg_pool2d(x, 2)  # height and width halved
            x = level(x)  # (batch, width of level, ...)
        for block in self.mid:
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))  # (batch, code width, rows, columns)


class Decoder(nn.Module):
    """(batch, code width, rows, columns) to (batch, 3, rows * patch, columns * patch)."""

    def __init__(self, config: TokenizerConfig) -> None:
        super().__init__()
        widths = config.widths[::-1]
        self.conv_in = nn.Conv2d(config.code_width, widths[0], 3, padding=1)
        self.mid = nn.ModuleList(
            ResidualBlock(widths[0], widths[0], config.groups) for _ in range(config.middle_blocks)
        )
        self.up = nn.ModuleList(
            Level(given, width, config.blocks, config.groups, enlarge=number < len(widths) - 1)
            for number, (given, width) in enumerate(zip((widths[0], *widths), widths, strict=False))
        )
        self.norm_out = GroupNorm(config.groups, widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Vectors to images."""
        x = self.conv_in(x)  # (batch, width of last level, rows, columns)
        for block in self.mid:
            x = block(x)
        for level in self.up:
            x = level(x)  # (batch, width of level, ...), height and width doubled but for the last
        return self.conv_out(F.silu(self.norm_out(x), inplace=True))  # (batch, 3, height, width)


class Level(nn.Module):
    """Residual blocks at one size; the decoder's then enlarge.

    Parameters
    ----------
    given, width : int
        Channels that come in, and that go out.
    blocks, groups : int
    enlarge : bool
        Whether height and width double at the end.
    """

    def __init__(self, given: int, width: int, blocks: int, groups: int, enlarge: bool = False) -> None:
        super().__init__()
        self.block = nn.ModuleList(ResidualBlock(width if number else given, width, groups) for number in range(blocks))
        self.upsample = Enlarge(width) if enlarge else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, given, ...) to (batch, width, ...)."""
        for block in self.block:
            x = block(x)
        return x if self.upsample is None else self.upsample(x)


class Enlarge(nn.Module):
    """Twice the height and width: nearest neighbours, then a convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, channels, height, width) to (batch, channels, 2 height, 2 width)."""
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class ResidualBlock(nn.Module):
    """Two convolutions, each after group norm and swish, added to the block's input.

    Where the width changes, a 1x1 convolution of the block's own result stands for its input: so MaskGIT's code has it,
    and so the published weights were trained.
    """

    def __init__(self, given: int, width: int, groups: int = GROUPS) -> None:
        super().__init__()
        self.norm1 = GroupNorm(groups, given)
        self.conv1 = nn.Conv2d(given, width, 3, padding=1, bias=False)
        self.norm2 = GroupNorm(groups, width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.nin_shortcut = nn.Conv2d(width, width, 1, bias=False) if given != width else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, given, ...) to (batch, width, ...)."""
        h = self.conv1(F.silu(self.norm1(x), inplace=True))  # (batch, width, ...)
        h = self.conv2(F.silu(self.norm2(h), inplace=True))
        return h + (x if self.nin_shortcut is None else self.nin_shortcut(h))
