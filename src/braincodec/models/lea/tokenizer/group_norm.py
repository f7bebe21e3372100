"""Group norm that is as exact in channels-last memory as in the usual order.

There torch adds up all pixels of a group one after the other, which costs float32 two digits on maps of 256 x 256; the
convolutions around it are quicker in that order. Here sums of rows are taken first and added up in float64.
"""

from __future__ import annotations

import torch
from torch import nn

LEAST_PIXELS = 64 * 64  # of smaller maps torch's own sums are exact enough
STRIP_VALUES = 2**18  # of a strip of rows, so that its squares stay in the processor's cache


class GroupNorm(nn.GroupNorm):
    """`torch.nn.GroupNorm`; exact in channels-last memory too, on the CPU, in float32 and without gradients.

    Examples
    --------
    >>> maps = torch.randn(1, 8, 96, 96, generator=torch.Generator().manual_seed(0)) + 3
    >>> with torch.inference_mode():
    ...     found = GroupNorm(2, 8)(maps.contiguous(memory_format=torch.channels_last))
    >>> torch.allclose(found, nn.GroupNorm(2, 8)(maps), atol=2e-6)
    True
    """

    def forward(self, maps: torch.Tensor) -> torch.Tensor:  # (batch, channels, height, width)
        """Maps of which each group of channels has mean zero and variance one, then scaled and shifted."""
        batch, channels, height, width = maps.shape
        if (
            maps.device.type != "cpu"
            or maps.dtype != torch.float32
            or torch.is_grad_enabled()
            or height * width < LEAST_PIXELS
            or not maps.is_contiguous(memory_format=torch.channels_last)
        ):
            return super().forward(maps)
        sums, squares = _sums(maps.movedim(1, -1))  # each (batch, channels)
        grouped = (batch, self.num_groups, channels // self.num_groups)
        count = height * width * grouped[-1]
        mean = sums.view(grouped).sum(-1, keepdim=True) / count  # (batch, groups, 1)
        variance = squares.view(grouped).sum(-1, keepdim=True) / count - mean.square()
        scale = (variance + self.eps).rsqrt() * self.weight.view(
            grouped[1:]
        ).double()  # (batch, groups, channels of it)
        shift = self.bias.view(grouped[1:]).double() - mean * scale
        shape = (batch, channels, 1, 1)
        return torch.addcmul(shift.float().view(shape), maps, scale.float().view(shape))


def _sums(maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # (batch, height, width, channels), contiguous
    """Sums of each channel and of its squares, (batch, channels), float64."""
    batch, height, width, channels = maps.shape
    rows = max(1, STRIP_VALUES // (batch * width * channels))
    sums = squares = maps.new_zeros(batch, channels, dtype=torch.float64)
    for begin in range(0, height, rows):
        strip = maps[:, begin : begin + rows]
        sums = sums + strip.sum(2).sum(1, dtype=torch.float64)
        squares = squares + strip.square().sum(2).sum(1, dtype=torch.float64)
    return sums, squares
