"""Small models with random weights, and images for them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

from braincodec.features import Preprocessing
from braincodec.features.backbone import Backbone
from braincodec.models import ModelDescription
from braincodec.models.fwrf import FwRF
from braincodec.models.fwrf.network import BLOCKS, IMAGE_SIZE, MAP_SIDES
from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_sensor_units, build_units

AFFINE = np.array([[-1.8, 0, 0, 70], [0, 1.8, 0, -90], [0, 0, 1.8, -50], [0, 0, 0, 1]])
VOLUME_SHAPE = (9, 8, 7)
GABOR_CHANNELS = 10
TINY_SIZE = 12


def images(count: int = 3, size: int = 64, seed: int = 0) -> np.ndarray:
    """Smooth random images, uint8 (count, size, size, 3)."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return np.ascontiguousarray(np.kron(coarse, np.ones((1, size // 8, size // 8, 1), np.uint8)))


def voxel_units(count: int, rois: dict[str, np.ndarray] | None = None, first: int = 0, **more: Any):
    """Voxels that follow one another in C order from the one numbered `first`."""
    ijk = np.stack(np.unravel_index(np.arange(first, first + count), VOLUME_SHAPE), 1)
    scores = {"ncsnr": np.linspace(0.1, 0.9, count, dtype=np.float32)}
    attrs = {"affine": AFFINE, "volume_shape": VOLUME_SHAPE} | more
    return build_units(ijk=ijk, rois=rois or {"V1": np.ones(count, bool)}, scores=scores, **attrs)


def describe(**changes: Any) -> ModelDescription:
    """A description of a model of subject 1."""
    known = {"model": "fmri-test", "modality": "fmri", "dataset": "test", "response_units": "zscored_within_session"}
    return ModelDescription.parse(known | changes)


def fwrf_weights(units: int, mean: str = "colour", seed: int = 0) -> dict[str, torch.Tensor]:
    """Random weights of one network, in a range that keeps activations alive."""
    rng = torch.Generator().manual_seed(seed)

    def normal(*shape: int, scale: float = 1.0) -> torch.Tensor:
        return scale * torch.randn(*shape, generator=rng)

    def convolution(name: str, to: int, given: int, side: int) -> dict[str, torch.Tensor]:
        scale = (2 / (given * side * side)) ** 0.5
        return {f"{name}.weight": normal(to, given, side, side, scale=scale), f"{name}.bias": normal(to, scale=0.1)}

    def norm(name: str, width: int) -> dict[str, torch.Tensor]:
        return {
            f"{name}.bn1.weight": 1 + normal(width, scale=0.1),
            f"{name}.bn1.bias": normal(width, scale=0.1),
            f"{name}.bn1.running_mean": normal(width, scale=0.1),
            f"{name}.bn1.running_var": 1 + normal(width, scale=0.1).abs(),
        }

    weights = convolution("pre.conv1.0", 64, 3, 11) | convolution("pre.conv2.0", 192, 64, 5)
    weights |= norm("enc", 192) | convolution("enc.conv3", 128, 192, 3)
    for block in BLOCKS:
        weights |= norm(f"enc.{block}", 128)
        weights |= convolution(f"enc.{block}.conv1", 64 if block == BLOCKS[-1] else 128, 128, 3)
    side = IMAGE_SIZE if mean == "image" else 1
    weights["mu"] = torch.rand(1, 3, side, side, generator=rng)
    weights |= {f"rf{number}": normal(units, side, side, scale=2) for number, side in enumerate(MAP_SIDES)}
    return weights | {"w": normal(units, 768, scale=0.1), "b": normal(units)}


def fwrf(units: int = 5, *, parts: int = 1, mean: str = "colour", seed: int = 0, rois=None, first=0, **about: Any):
    """A FwRF of `units` units in each part."""
    tensors = {
        f"part-{part}.{name}": tensor
        for part in range(1, parts + 1)
        for name, tensor in fwrf_weights(units, mean, seed + part).items()
    }
    return FwRF.from_parts({"parts": parts}, tensors, voxel_units(units * parts, rois, first), describe(**about))


class Tiny(nn.Module):
    """Two convolutions and a linear layer; counts the forward passes of all its copies together."""

    passes = 0

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.second = nn.Conv2d(4, 2, 3, stride=2)
        self.last = nn.Linear(50, 6)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, 12, 12) to (batch, 6)."""
        Tiny.passes += 1
        x = self.second(torch.relu(self.first(image)))  # (batch, 2, 4, 4)
        return self.last(torch.nn.functional.pad(torch.relu(x).flatten(1), (0, 18)))


def tiny_backbone(seed: int = 0) -> Backbone:
    """The network `Tiny`, under a name that nothing can be loaded by."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Tiny()
    return Backbone("tiny", module, Preprocessing(resize=(TINY_SIZE, TINY_SIZE)))


LAYERS = {"first": 400, "last": 6}  # and their features


def linear_weights(layers: dict[str, int], repetitions: int, outputs: int, components: int = 3, reductions: int = 1):
    """Random reduction and readout."""
    rng = torch.Generator().manual_seed(repetitions + outputs)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng)

    rows = reductions * components
    weights = {f"reduction.{layer}": normal(rows, width) / width**0.5 for layer, width in layers.items()}
    return weights | {
        "reduction.bias": normal(rows),
        "readout.weight": normal(repetitions, outputs, components),
        "readout.bias": normal(repetitions, outputs),
    }


def linear(units: int = 7, *, backbone: Backbone | None = None, first: int = 0, **about: Any) -> LinearEncoder:
    """Voxels from two layers of `Tiny`."""
    features = {"backbone": "tiny", "layers": tuple(LAYERS), "preprocessing": Preprocessing(resize=(12, 12))}
    tensors = linear_weights(LAYERS, 1, units)
    rois = {"V1": np.arange(units) < 4, "V2": np.arange(units) >= 3}
    return LinearEncoder.from_parts(
        {"features": features}, tensors, voxel_units(units, rois, first), describe(**about), backbone or tiny_backbone()
    )


def eeg(*, reductions: int = 1, backbone: Backbone | None = None, **about: Any) -> LinearEncoder:
    """Four repetitions, three channels, five times from two layers of `Tiny`."""
    features = {"backbone": "tiny", "layers": tuple(LAYERS), "preprocessing": Preprocessing(resize=(12, 12))}
    tensors = linear_weights(LAYERS, 4, 15, reductions=reductions)
    units = build_sensor_units(["Oz", "O1", "Pz"], np.linspace(-0.1, 0.3, 5), repetitions=4)
    about = {"model": "eeg-test", "modality": "eeg", "response_units": "microvolt"} | about
    config = {"features": features, "reductions": reductions}
    return LinearEncoder.from_parts(config, tensors, units, describe(**about), backbone or tiny_backbone())


def gabor_linear(units: int = 4, **about: Any) -> LinearEncoder:
    """Voxels from the Gabor bank, whose name an artefact may give."""
    layers = {"scales.0": GABOR_CHANNELS, "scales.2": GABOR_CHANNELS}
    features = {"backbone": "gabor:bank", "layers": tuple(layers), "pooling": "spatial_mean"}
    rois = {"V1": np.arange(units) % 2 == 0, "FFA-1": np.arange(units) > 1}
    return LinearEncoder.from_parts(
        {"features": features}, linear_weights(layers, 1, units), voxel_units(units, rois), describe(**about)
    )
