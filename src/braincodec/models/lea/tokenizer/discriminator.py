"""The network that tells reconstructions from images, patch by patch: PatchGAN (Isola et al. 2017), as in VQGAN."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn

GROUPS = 8  # of each group norm
LEAST_ROWS = 3  # that the last convolutions need
MOST_LEVELS = 3
SLOPE = 0.2  # of the rectifiers below zero
SPREAD = 0.02  # standard deviation of weights at the start, as in VQGAN


def levels_for(side: int) -> int:
    """How often height and width can be halved for images whose shorter side has so many pixels; at most thrice.

    Examples
    --------
    >>> [levels_for(side) for side in (256, 24, 23, 8)]
    [3, 3, 2, 1]
    """
    return max([level for level in range(1, MOST_LEVELS + 1) if side // 2**level >= LEAST_ROWS], default=0)


class Discriminator(nn.Module):
    """A number for each overlapping patch of an image, large where the patch looks like one of an image.

    Norms are over groups of channels, where VQGAN has batch norm: images and reconstructions come in batches of their
    own, which may be as small as one.

    Parameters
    ----------
    levels : int
        Convolutions that halve height and width.
    width : int
        Channels of the first; doubled by each further one, up to eightfold. A multiple of 8.

    Examples
    --------
    >>> Discriminator(levels=2, width=8)(torch.zeros(1, 3, 16, 24)).shape
    torch.Size([1, 1, 2, 4])
    """

    def __init__(self, levels: int = MOST_LEVELS, width: int = 64) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(levels + 1)]
        self.first = nn.Conv2d(3, width, 4, stride=2, padding=1)
        self.blocks = nn.ModuleList(
            Block(given, out, stride=2 if number < levels else 1)
            for number, (given, out) in enumerate(pairwise(widths), start=1)
        )
        self.last = nn.Conv2d(widths[-1], 1, 4, padding=1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, SPREAD)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, images: torch.Tensor) -> torch.Tensor:  # (batch, 3, height, width), values in 0..1
        """Numbers of the patches, shape (batch, 1, rows, columns)."""
        x = (2 * images - 1).contiguous(memory_format=torch.channels_last)
        x = nn.functional.leaky_relu(self.first(x), SLOPE)  # (batch, width, height / 2, width / 2)
        for block in self.blocks:
            x = block(x)  # (batch, channels, ...), halved but for the last
        return self.last(x)  # (batch, 1, rows, columns)


class Block(nn.Module):
    """A convolution, a norm over groups of channels, a rectifier."""

    def __init__(self, given: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(given, width, 4, stride=stride, padding=1, bias=False)
        self.norm = nn.GroupNorm(GROUPS, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(batch, given, ...) to (batch, width, ...)."""
        return nn.functional.leaky_relu(self.norm(self.conv(x)), SLOPE)
