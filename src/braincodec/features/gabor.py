"""A bank of Gabor filters as a backbone: contrast energy by orientation and scale, and two colour contrasts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_SIZE = 128
SCALES = 4
ORIENTATIONS = 8
# wavelength and envelope of the filters in pixels of their own scale; each scale halves the image
WAVELENGTH, ENVELOPE, KERNEL = 5.0, 2.2, 13


class GaborScale(nn.Module):
    """Contrast energy at one scale: (batch, 3, h, w) to (batch, orientations + 2, h, w), nothing negative."""

    even: Tensor
    odd: Tensor
    to_opponents: Tensor

    def __init__(self) -> None:
        super().__init__()
        even, odd = gabor_pairs()
        self.register_buffer("even", even)
        self.register_buffer("odd", odd)
        # luminance, red against green, blue against yellow
        self.register_buffer("to_opponents", torch.tensor([[1, 1, 1], [1.5, -1.5, 0], [-0.75, -0.75, 1.5]]) / 3)

    def forward(self, image: Tensor) -> Tensor:
        """Energies: square root of the summed squares of a quadrature pair."""
        opponents = torch.einsum("oc,bchw->bohw", self.to_opponents, image)
        luminance = F.pad(opponents[:, :1], [KERNEL // 2] * 4, mode="reflect")
        even, odd = F.conv2d(luminance, self.even), F.conv2d(luminance, self.odd)  # (batch, orientations, h, w)
        return torch.cat([(even**2 + odd**2).sqrt(), opponents[:, 1:].abs()], 1)


class GaborBank(nn.Module):
    """Four scales, each on an image half as large as the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.scales = nn.ModuleList(GaborScale() for _ in range(SCALES))

    def forward(self, image: Tensor) -> list[Tensor]:
        """Energies of every scale for images (batch, 3, height, width) in 0..1."""
        energies = []
        for scale in self.scales:
            energies.append(scale(image))
            image = F.avg_pool2d(image, 2)
        return energies


def gabor_pairs() -> tuple[Tensor, Tensor]:
    """Even and odd Gabor filters (orientations, 1, kernel, kernel): zero mean, even ones of unit length."""
    axis = torch.arange(KERNEL) - KERNEL // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    envelope = torch.exp(-(x**2 + y**2) / (2 * ENVELOPE**2))
    even, odd = [], []
    for number in range(ORIENTATIONS):
        angle = math.pi * number / ORIENTATIONS
        phase = 2 * math.pi / WAVELENGTH * (math.cos(angle) * x + math.sin(angle) * y)
        cosine = envelope * torch.cos(phase)
        cosine -= envelope * cosine.sum() / envelope.sum()
        length = cosine.norm()
        even.append(cosine / length)
        odd.append(envelope * torch.sin(phase) / length)
    return torch.stack(even)[:, None], torch.stack(odd)[:, None]


def load(name: str, weights: str | None) -> Backbone:
    """The Gabor bank, known as ``gabor:bank``.

    Parameters
    ----------
    name : str
        ``"bank"``.
    weights : str or None
        The filters are computed, so only None and ``"none"`` are accepted.

    Examples
    --------
    >>> load("bank", None).layers()[1]
    'scales.0'
    """
    if name != "bank":
        raise UnknownNameError("backbone", name, ["bank"], where="of scheme gabor")
    if weights not in (None, "none"):
        raise InputValueError(f"gabor:bank computes its filters; it takes no weights, got {weights!r}")
    preprocessing = Preprocessing(square_crop=True, resize=(IMAGE_SIZE, IMAGE_SIZE))
    return Backbone("gabor:bank", GaborBank(), preprocessing, "computed")
