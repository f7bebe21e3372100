"""Maps of local luminance through a saturating contrast response, at several blurs: a backbone without weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features.backbone import Backbone
from braincodec.features.preprocessing import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

IMAGE_SIZE = 28
# standard deviations of the blurs, in image widths
BLURS = (0.036, 0.054, 0.081, 0.121)
# luminance that evokes half the largest response
SEMISATURATION = 0.1
REACH = 3  # of a kernel, in standard deviations


class SaturatedLuminance(nn.Module):
    """Blurred luminance L as L / (L + semisaturation): (batch, 1, h, w) in 0..1 to the same shape in 0..1.

    The contrast response of Naka and Rushton with exponent 1, applied after summation over space: what a small
    receptive field sees of a bright stroke, whether it is covered by it or touched.

    Parameters
    ----------
    blur : float
        Standard deviation in image widths.
    """

    def __init__(self, blur: float) -> None:
        super().__init__()
        self.blur = blur

    def forward(self, luminance: Tensor) -> Tensor:
        """Maps of the same size; beyond its edge the image goes on as it ends."""
        blurred = gaussian_blur(luminance, self.blur * luminance.shape[-1])
        return blurred / (blurred + SEMISATURATION)


class LuminanceMaps(nn.Module):
    """One map for each blur, of images (batch, 3, height, width) in 0..1."""

    def __init__(self) -> None:
        super().__init__()
        self.blurs = nn.ModuleList(SaturatedLuminance(blur) for blur in BLURS)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Maps (batch, 1, height, width), the sharpest first."""
        luminance = image.mean(1, keepdim=True)
        return [blur(luminance) for blur in self.blurs]


def gaussian_blur(images: Tensor, deviation: float) -> Tensor:
    """Images (batch, channels, height, width) blurred by a Gaussian; the edge is repeated beyond itself.

    Parameters
    ----------
    images : Tensor
    deviation : float
        In pixels.

    Examples
    --------
    >>> gaussian_blur(torch.ones(1, 1, 5, 5), 1.5).round(decimals=5).unique().tolist()
    [1.0]
    """
    reach = max(1, round(REACH * deviation))
    places = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    kernel = torch.exp(-(places**2) / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    channels = images.shape[1]
    padded = F.pad(images, [reach] * 4, mode="replicate")
    down = F.conv2d(padded, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), groups=channels)
    return F.conv2d(down, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), groups=channels)


def load(name: str, weights: str | None) -> Backbone:
    """The luminance maps, known as ``luminance:maps``.

    Parameters
    ----------
    name : str
        ``"maps"``.
    weights : str or None
        The maps are computed, so only None and ``"none"`` are accepted.

    Examples
    --------
    >>> load("maps", None).layers()[1:3]
    ['blurs.0', 'blurs.1']
    """
    if name != "maps":
        raise UnknownNameError("backbone", name, ["maps"], where="of scheme luminance")
    if weights not in (None, "none"):
        raise InputValueError(f"luminance:maps computes its maps; it takes no weights, got {weights!r}")
    return Backbone(
        "luminance:maps", LuminanceMaps(), Preprocessing(square_crop=True, resize=(IMAGE_SIZE,) * 2), "computed"
    )
