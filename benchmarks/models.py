"""Encoders of the published sizes with seeded random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from braincodec.features.preprocessing import TORCHVISION_IMAGENET
from braincodec.legacy.reduction import VIT_LAYERS, fold
from braincodec.models.fwrf import FwRF
from braincodec.models.fwrf.network import CHANNELS, MAP_SIDES
from braincodec.models.linear import LinearEncoder
from braincodec.responses import build_sensor_units, build_units

COMPONENTS_STORED, COMPONENTS_USED = 1000, 250
CHANNELS_EEG, TIMES, REPETITIONS = 63, 140, 4
FEATURES = 460_800
LUMINANCE = 28 * 28  # features of a map
ABOUT = {"model": "benchmark", "modality": "none", "dataset": "none", "response_units": "unknown"}


def fwrf_weights(voxels: int, seed: int = 0) -> dict[str, torch.Tensor]:
    """Published names, random values of a plausible size."""
    g = torch.Generator().manual_seed(seed)

    def conv(out: int, into: int, side: int) -> torch.Tensor:
        return torch.randn(out, into, side, side, generator=g) * (2 / (into * side * side)) ** 0.5

    weights = {
        "mu": torch.full((1, 3, 1, 1), 0.45),
        "pre.conv1.0.weight": conv(64, 3, 11),
        "pre.conv1.0.bias": torch.zeros(64),
        "pre.conv2.0.weight": conv(192, 64, 5),
        "pre.conv2.0.bias": torch.zeros(192),
        "enc.conv3.weight": conv(128, 192, 3),
        "enc.conv3.bias": torch.zeros(128),
    }
    norms = {"enc": 192}
    for name in ("conv4a", "conv4b", "conv5a", "conv5b", "conv6a", "conv6b"):
        width = 64 if name == "conv6b" else 128
        weights |= {f"enc.{name}.conv1.weight": conv(width, 128, 3), f"enc.{name}.conv1.bias": torch.zeros(width)}
        norms[f"enc.{name}"] = 128
    for name, width in norms.items():
        weights |= {
            f"{name}.bn1.running_mean": torch.rand(width, generator=g) * 0.2,
            f"{name}.bn1.running_var": torch.rand(width, generator=g) + 0.5,
            f"{name}.bn1.weight": torch.rand(width, generator=g) + 0.5,
            f"{name}.bn1.bias": torch.randn(width, generator=g) * 0.1,
        }
    for number, side in enumerate(MAP_SIDES):
        weights[f"rf{number}"] = torch.randn(voxels, side, side, generator=g) * 2
    weights["w"] = torch.randn(voxels, CHANNELS * len(MAP_SIDES), generator=g) * 0.05
    weights["b"] = torch.randn(voxels, generator=g)
    return weights


def fwrf(voxels: int, seed: int = 0) -> FwRF:
    """Our encoder with `fwrf_weights`."""
    tensors = {f"part-1.{name}": value for name, value in fwrf_weights(voxels, seed).items()}
    place = np.arange(voxels)
    units = build_units(ijk=np.stack([place // 2500, place // 50 % 50, place % 50], 1), volume_shape=(80, 50, 50))
    return FwRF.from_parts({}, tensors, units, ABOUT | {"roi": "V1"})


def eeg_parts(seed: int = 0) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, np.ndarray]]]:
    """Standardisation, PCA of 1,000 components and four regressions on the first 250 of them."""
    random = np.random.default_rng(seed)
    scaler = {
        "mean_": random.standard_normal(FEATURES, np.float32),
        "scale_": random.random(FEATURES, np.float32) + 0.5,
    }
    pca = {
        "components_": random.standard_normal((COMPONENTS_STORED, FEATURES), np.float32) / np.float32(FEATURES**0.5),
        "mean_": np.zeros(FEATURES, np.float32),
    }
    outputs = CHANNELS_EEG * TIMES
    readouts = [
        {
            "coef_": random.standard_normal((outputs, COMPONENTS_USED), np.float32) * np.float32(0.05),
            "intercept_": random.standard_normal(outputs, np.float32),
        }
        for _ in range(REPETITIONS)
    ]
    return scaler, pca, readouts


def eeg(parts: tuple[dict[str, Any], dict[str, Any], list[dict[str, np.ndarray]]]) -> LinearEncoder:
    """Our encoder made of `eeg_parts`, on a randomly initialised vit_b_32."""
    scaler, pca, readouts = parts
    tensors = fold(scaler, [pca], VIT_LAYERS, COMPONENTS_USED)
    tensors["readout.weight"] = torch.from_numpy(np.stack([one["coef_"] for one in readouts]))
    tensors["readout.bias"] = torch.from_numpy(np.stack([one["intercept_"] for one in readouts]))
    channels = [f"E{number}" for number in range(CHANNELS_EEG)]
    units = build_sensor_units(channels, np.linspace(-0.1, 0.8, TIMES), REPETITIONS)
    features = {
        "backbone": "torchvision:vit_b_32@none",
        "layers": VIT_LAYERS,
        "preprocessing": TORCHVISION_IMAGENET,
    }
    return LinearEncoder.from_parts({"features": features}, tensors, units, ABOUT)


def light(units: int = 1350, seed: int = 0) -> LinearEncoder:
    """A model that computes next to nothing, so that what surrounds it shows: two luminance maps, 16 components."""
    g = torch.Generator().manual_seed(seed)
    layers = ("blurs.0", "blurs.2")
    tensors = {f"reduction.{layer}": torch.randn(16, LUMINANCE, generator=g) / LUMINANCE**0.5 for layer in layers}
    tensors |= {
        "reduction.bias": torch.zeros(16),
        "readout.weight": torch.randn(1, units, 16, generator=g),
        "readout.bias": torch.randn(1, units, generator=g),
    }
    features = {"backbone": "luminance:maps", "layers": layers}
    return LinearEncoder.from_parts(
        {"features": features}, tensors, build_units(rois={"V1": np.ones(units, bool)}), ABOUT
    )
