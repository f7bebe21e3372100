"""What LPIPS (Zhang et al. 2018) adds to a network: its layers, the range of its pixels, the weights of channels."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.errors import MissingExtraError, MissingFileError, UnknownNameError
from braincodec.features.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch

# of images in -1..1, as the lpips package subtracts and divides them
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
# (2 x / 255 - 1 - shift) / scale, no resizing
PREPROCESSING = Preprocessing.parse({"mean": [(1 + s) / 2 for s in SHIFT], "std": [s / 2 for s in SCALE]})
LAYERS = {
    "alexnet": ("features.1", "features.4", "features.7", "features.9", "features.11"),
    "vgg16": ("features.3", "features.8", "features.15", "features.22", "features.29"),
}
"""Layers of torchvision's networks: the rectified outputs before each pooling, and so on."""

HEADS = {"alexnet": "alex", "vgg16": "vgg"}  # names of the files of version 0.1
EPSILON = 1e-10  # added to the length that features are divided by


def read_heads(network: str) -> list[torch.Tensor]:
    """Weights of the linear heads, one for each layer, shape (1, channels, 1, 1), none negative.

    The package lpips is not imported, only its file is read.

    Parameters
    ----------
    network : {"alexnet", "vgg16"}

    Raises
    ------
    UnknownNameError
        For another network, which has no heads.
    MissingExtraError, MissingFileError
        When the package is absent, or its file.
    """
    import torch

    if network not in HEADS:
        raise UnknownNameError("network of LPIPS", network, HEADS)
    found = importlib.util.find_spec("lpips")
    if found is None or not found.submodule_search_locations:
        raise MissingExtraError("lpips", "vision", "LPIPS")
    path = Path(found.submodule_search_locations[0]) / "weights" / "v0.1" / f"{HEADS[network]}.pth"
    if not path.is_file():
        raise MissingFileError(path, "linear heads of LPIPS", "it comes with the package lpips; install that again")
    state = torch.load(path, map_location="cpu", weights_only=True)
    return [state[f"lin{number}.model.1.weight"] for number in range(len(LAYERS[network]))]
