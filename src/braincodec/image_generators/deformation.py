"""Images bent, moved, turned, scaled and with thicker or thinner strokes, by numbers that are standard normal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from pydantic import Field

from braincodec.config import Config

if TYPE_CHECKING:
    from torch import Tensor

# turn, shear, scale across and down, shift across and down, stroke
GLOBAL = 7
ENLARGEMENT = 2  # of images before they are deformed, so that they stay sharp
STROKE_BLUR = 0.029  # image widths
# how fast a stroke of one unit grows into its surround, and shrinks from its edge
GROWTH, SHRINKAGE = 3.2, 1.9


class DeformationConfig(Config):
    """How far images may be deformed: standard deviations.

    Attributes
    ----------
    rotation : float
        Degrees.
    shear, scale : float
        Share of a length; scale is that of its logarithm, for width and height apart.
    shift : float
        Image widths, across and down.
    bend : float
        Image widths: of a smooth field of shifts, independent at `grid` x `grid` places and interpolated between.
    grid : int
    stroke : float
        By how much bright strokes become thicker or thinner, in no unit; 0 for photographs.
    """

    rotation: float = Field(8.0, ge=0)
    shear: float = Field(0.15, ge=0)
    scale: float = Field(0.1, ge=0)
    shift: float = Field(0.04, ge=0)
    bend: float = Field(0.04, ge=0)
    grid: int = Field(5, ge=2)
    stroke: float = Field(0.0, ge=0)

    @property
    def dimension(self) -> int:
        """How many numbers describe a deformation."""
        return GLOBAL + 2 * self.grid**2


def enlarged(images: Tensor) -> Tensor:
    """Images (n, channels, height, width) in 0..1, enlarged as `deform` takes them.

    Examples
    --------
    >>> enlarged(torch.zeros(1, 3, 4, 5)).shape
    torch.Size([1, 3, 8, 10])
    """
    larger = F.interpolate(images, scale_factor=ENLARGEMENT, mode="bicubic", align_corners=False)
    return larger.clamp(0, 1)


def deform(images: Tensor, parameters: Tensor, size: tuple[int, int], config: DeformationConfig) -> Tensor:
    """Images deformed.

    Parameters
    ----------
    images : Tensor, shape (n, channels, height, width)
        Values in 0..1, best `enlarged`.
    parameters : Tensor, shape (n, dimension)
        One deformation for each; zeros deform nothing, and standard normal numbers as much as `config` says.
    size : (int, int)
        Height and width of the result. Its pixels are points of the image, so that the same parameters give the same
        picture at any size.
    config : DeformationConfig

    Returns
    -------
    Tensor, shape (n, channels, *size)
        Values in 0..1, with gradients for `parameters`. What comes from beyond the edge is as the edge is.

    Examples
    --------
    >>> image = torch.rand(1, 3, 8, 8)
    >>> same = deform(image, torch.zeros(1, 57), (8, 8), DeformationConfig())
    >>> bool(torch.allclose(same, image, atol=1e-5))
    True
    """
    grid = F.affine_grid(_affine(parameters, config), [len(parameters), 1, *size], align_corners=False)
    if config.bend:
        places = parameters[:, GLOBAL:].reshape(-1, 2, config.grid, config.grid) * (2 * config.bend)
        field = F.interpolate(places, size=size, mode="bicubic", align_corners=True)  # (n, 2, height, width)
        grid = grid + field.permute(0, 2, 3, 1)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    if config.stroke:
        moved = _stroked(moved, (parameters[:, GLOBAL - 1] * config.stroke).view(-1, 1, 1, 1))
    return moved.clamp(0, 1)


def _affine(parameters: Tensor, config: DeformationConfig) -> Tensor:
    """From places of the result to places of the image, (n, 2, 3), in halves of the image."""
    turn = parameters[:, 0] * (config.rotation * math.pi / 180)
    shear = parameters[:, 1] * config.shear
    wide, high = torch.exp(parameters[:, 2:4] * config.scale).unbind(1)
    across, down = (parameters[:, 4:6] * (2 * config.shift)).unbind(1)
    first = torch.stack([turn.cos() * wide, (shear - turn.sin()) * high, across], 1)
    second = torch.stack([turn.sin() * wide, turn.cos() * high, down], 1)
    return torch.stack([first, second], 1)


def _stroked(images: Tensor, growth: Tensor) -> Tensor:
    """Bright parts grown into what is near them, or what is near the dark taken from them."""
    from braincodec.features.luminance import gaussian_blur

    near = gaussian_blur(images, STROKE_BLUR * images.shape[-1])
    grown = growth.clamp(min=0) * GROWTH * near * (1 - images)
    shrunk = growth.clamp(max=0) * SHRINKAGE * (1 - near) * images
    return images + grown + shrunk
