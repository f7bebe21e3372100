"""The perceptual term: how far two images are apart in the features of a pretrained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from braincodec.errors import InputValueError
from braincodec.features import lpips
from braincodec.features.backbone import Backbone, converted
from braincodec.features.layers import resolve_layers, run_until
from braincodec.features.registry import get_backbone

if TYPE_CHECKING:
    from braincodec.features.preprocessing import Preprocessing

VGG = "torchvision:vgg16"
VGG_FILE = "vgg16-397923af.pth"  # as torchvision names what it downloads
OFFLINE = "efficientnet_lite:0"
# outputs of the last block before height and width are halved
EFFICIENTNET_LITE_LAYERS = ("_blocks.0", "_blocks.2", "_blocks.4", "_blocks.10")
LENGTH_EPSILON = 1e-20  # of a squared length; keeps the slope of the root finite where all features are zero


class PerceptualDistance(nn.Module):
    """Distance of two images in a network's features, each place's features scaled to unit length.

    With `heads` and VGG-16 this is LPIPS (Zhang et al. 2018). Without, each layer gives the squared distance of the
    two vectors of unit length, averaged over places and layers: LPIPS before its channels were weighted.

    Parameters
    ----------
    backbone : Backbone
    layers : sequence of str
    heads : sequence of torch.Tensor, optional
        Weights of each layer's channels, shape (1, channels, 1, 1); layers are then summed.
    preprocessing : Preprocessing, optional
        Of which the mean and standard deviation of pixels are used; images keep their size. Default: the backbone's.

    Examples
    --------
    >>> from braincodec.features.preprocessing import Preprocessing
    >>> edges = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU())
    >>> distance = PerceptualDistance(Backbone("edges", edges, Preprocessing()), ["1"])
    >>> image = torch.rand(1, 3, 8, 8)
    >>> float(distance(image, image))
    0.0
    """

    pixel_mean: torch.Tensor
    pixel_scale: torch.Tensor

    def __init__(
        self,
        backbone: Backbone,
        layers: Sequence[str],
        heads: Sequence[torch.Tensor] | None = None,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        chosen = preprocessing or backbone.preprocessing
        if chosen is None:
            raise InputValueError(f"backbone {backbone.name!r} says nothing of its pixels; choose another")
        self.description = f"{backbone.name} ({backbone.weights})"
        self.network = converted(backbone.module, torch.device("cpu"), torch.float32)
        self.layers = list(resolve_layers(self.network, layers).values())
        self.heads = None if heads is None else nn.ParameterList(nn.Parameter(h, requires_grad=False) for h in heads)
        # ((255 x) / divisor - mean) / std, as (x - mean') scale'
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (chosen.mean, chosen.std))
        self.register_buffer("pixel_mean", mean * chosen.divisor / 255)
        self.register_buffer("pixel_scale", 255 / (chosen.divisor * std))

    def forward(self, images: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
        """Distance of each pair of images (batch, 3, height, width) with values in 0..1, shape (batch,)."""
        with torch.no_grad():
            wanted = self._unit_features(truth)
        total = images.new_zeros(len(images), dtype=torch.float32)
        for number, (found, target) in enumerate(zip(self._unit_features(images), wanted, strict=True)):
            squares = (found - target).square()  # (batch, channels, rows, columns)
            if self.heads is not None:
                total = total + (squares * self.heads[number]).sum(1).mean((1, 2))
            else:
                total = total + squares.sum(1).mean((1, 2)) / len(wanted)
        return total

    def _unit_features(self, images: torch.Tensor) -> list[torch.Tensor]:
        found: dict[str, torch.Tensor] = {}

        def keep(name: str, features: torch.Tensor) -> None:
            features = features.to(torch.float32, copy=True)  # the network may go on to overwrite its own
            found[name] = features / (features.square().sum(1, keepdim=True) + LENGTH_EPSILON).sqrt()

        run_until(self.network, (images - self.pixel_mean) * self.pixel_scale, self.layers, keep)
        return [found[name] for name in self.layers]


def open_perceptual_distance(name: str, layers: Sequence[str] = ()) -> PerceptualDistance | None:
    """The distance that a setting names.

    Parameters
    ----------
    name : str
        ``"auto"``: LPIPS over VGG-16 where torchvision's weights have been downloaded, else the offline network.
        ``"none"``: no distance. Otherwise a backbone: ``"torchvision:vgg16"`` is LPIPS.
    layers : sequence of str
        Of other networks than VGG-16 and EfficientNet-lite.

    Raises
    ------
    UnknownNameError, MissingFileError, MissingExtraError
        As `get_backbone` does.
    InputValueError
        When layers are needed.

    Examples
    --------
    >>> open_perceptual_distance("none") is None
    True
    """
    if name == "none":
        return None
    if name == "auto":
        name = VGG if _vgg_is_here() else OFFLINE
    network, _, _ = name.partition("@")
    backbone = get_backbone(name)
    if network == VGG and not layers:
        return PerceptualDistance(backbone, lpips.LAYERS["vgg16"], lpips.read_heads("vgg16"), lpips.PREPROCESSING)
    if network.startswith("efficientnet_lite:") and not layers:
        layers = EFFICIENTNET_LITE_LAYERS
    if not layers:
        raise InputValueError(f"perceptual_layers is empty; name the layers of {name!r} to compare images in")
    return PerceptualDistance(backbone, layers)


def _vgg_is_here() -> bool:
    from torch import hub

    return (Path(hub.get_dir()) / "checkpoints" / VGG_FILE).is_file()
