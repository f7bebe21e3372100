"""Plain, unoptimised forms of the published encoders: the formulas, one batch at a time.

They stand for the published code in the benchmarks, and tests hold them against its answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

BATCH = 100  # images that the published code computes together


def squash(x: torch.Tensor) -> torch.Tensor:
    """The networks' non-linearity."""
    return torch.log(1 + torch.abs(x)) * torch.tanh(x)


def fwrf(weights: Mapping[str, torch.Tensor], images: np.ndarray) -> np.ndarray:
    """Responses of the NSD feature-weighted receptive-field network to uint8 images (n, 3, 227, 227)."""
    out = []
    with torch.no_grad():
        for begin in range(0, len(images), BATCH):
            batch = torch.from_numpy(images[begin : begin + BATCH].astype(np.float32) / 255)
            out.append(_fwrf_readout(weights, _fwrf_maps(weights, batch)).numpy())
    return np.concatenate(out)


def _norm(w: Mapping[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    return F.batch_norm(x, *(w[f"{name}.bn1.{key}"] for key in ("running_mean", "running_var", "weight", "bias")))


def _block(w: Mapping[str, torch.Tensor], name: str, x: torch.Tensor) -> torch.Tensor:
    x = _norm(w, f"enc.{name}", x)
    return F.relu(F.conv2d(x, w[f"enc.{name}.conv1.weight"], w[f"enc.{name}.conv1.bias"], padding=1))


def _fwrf_maps(w: Mapping[str, torch.Tensor], x: torch.Tensor) -> list[torch.Tensor]:
    x = x - w["mu"]
    x = F.relu(F.conv2d(x, w["pre.conv1.0.weight"], w["pre.conv1.0.bias"], stride=4, padding=2))
    c1 = F.max_pool2d(x, 3, 2)
    c2 = F.relu(F.conv2d(c1, w["pre.conv2.0.weight"], w["pre.conv2.0.bias"], padding=2))
    c3 = F.relu(F.conv2d(_norm(w, "enc", c2), w["enc.conv3.weight"], w["enc.conv3.bias"]))
    c4a = _block(w, "conv4a", c3)
    c4b = _block(w, "conv4b", c4a)
    c5a = _block(w, "conv5a", F.max_pool2d(c4b, 3, 2, 1))
    c5b = _block(w, "conv5b", c5a)
    c6a = _block(w, "conv6a", c5b)
    c6b = _block(w, "conv6b", c6a)
    return [
        torch.cat([c1, c2], 1),
        torch.cat([c3, c4a[:, :64], c4b[:, :64]], 1),
        torch.cat([c5a[:, :64], c5b[:, :64], c6a[:, :64], c6b], 1),
    ]


def _fwrf_readout(w: Mapping[str, torch.Tensor], maps: list[torch.Tensor]) -> torch.Tensor:
    pooled = []
    for number, one in enumerate(maps):
        planes = torch.softmax(w[f"rf{number}"].flatten(1), 1)
        pooled.append(torch.tensordot(planes, squash(one).flatten(2), dims=[[1], [2]]))  # (voxels, batch, channels)
    features = squash(torch.cat(pooled, 2))  # (voxels, batch, 768)
    return torch.bmm(features, w["w"].unsqueeze(2)).squeeze(2).T + w["b"]


def eeg(
    network: torch.nn.Module, scaler: Mapping[str, Any], pca: Mapping[str, Any], readouts: list[Any], images: np.ndarray
) -> np.ndarray:
    """Responses (n, repetitions, outputs) of the vit_b_32 EEG model to preprocessed images (n, 3, 224, 224)."""
    out = []
    for begin in range(0, len(images), BATCH):
        features = vit_features(network, torch.from_numpy(images[begin : begin + BATCH]))
        scores = ((features - scaler["mean_"]) / scaler["scale_"] - pca["mean_"]) @ pca["components_"].T
        used = scores[:, : readouts[0]["coef_"].shape[1]]
        out.append(np.stack([used @ one["coef_"].T + one["intercept_"] for one in readouts], 1).astype(np.float32))
    return np.concatenate(out)


def vit_features(network: torch.nn.Module, images: torch.Tensor) -> np.ndarray:
    """Outputs of the twelve blocks of torchvision's vit_b_32, flattened and concatenated: (n, 460800)."""
    found: list[torch.Tensor] = []
    hooks = [
        block.register_forward_hook(lambda _module, _inputs, output: found.append(output.flatten(1)))
        for block in network.encoder.layers
    ]
    try:
        with torch.no_grad():
            network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.hstack(found).numpy()
