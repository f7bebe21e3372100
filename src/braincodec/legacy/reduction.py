"""Standardisation and PCA of a published model, folded into one affine map cut by layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.features import FeatureConfig
from braincodec.features.preprocessing import TORCHVISION_IMAGENET
from braincodec.legacy.inert import PickledRecord
from braincodec.models.linear.encoder import REDUCTION

if TYPE_CHECKING:
    import torch

VIT_B_32 = "torchvision:vit_b_32@IMAGENET1K_V1"
VIT_LAYERS = tuple(f"encoder.layers.encoder_layer_{number}" for number in range(12))
VIT_FEATURES = FeatureConfig(backbone=VIT_B_32, layers=VIT_LAYERS, preprocessing=TORCHVISION_IMAGENET)
FEATURES_A_LAYER = 50 * 768  # class token and 7 x 7 patches, 768 wide
CARD_NOTE = (
    "Images go through torchvision's own transform on a tensor (shorter side to 256, central 224 x 224), as in the "
    "published inference; the model was trained on images cropped to a square and resized to 224."
)


def parameters(fitted: dict[str, Any] | PickledRecord) -> dict[str, Any]:
    """Parameters by name of what scikit-learn fitted: files hold them as a dict, or the object itself.

    Examples
    --------
    >>> parameters(PickledRecord("sklearn.decomposition.PCA", {"whiten": False}))
    {'whiten': False}
    """
    return fitted.state if isinstance(fitted, PickledRecord) else fitted


def fold(
    scaler: dict[str, Any], components_of: Sequence[Any], layers: Sequence[str], components: int
) -> dict[str, torch.Tensor]:
    """Tensors ``reduction.<layer>`` and ``reduction.bias`` of a `LinearEncoder`.

    Components of x are ``((x - mean) / scale - pca_mean) @ components.T``; that is ``x @ W.T + b`` with
    ``W = components / scale`` and ``b = -(mean / scale + pca_mean) @ components.T``.

    Parameters
    ----------
    scaler : dict
        ``mean_`` and ``scale_`` of the standardisation, (features,).
    components_of : sequence of dict or PickledRecord
        One PCA for all repetitions, or one for each: ``components_`` (at least `components`, features), ``mean_``.
    layers : sequence of str
        In the order in which their features were concatenated, all of the same size.
    components : int
        How many the regression uses; the rest is dropped.

    Raises
    ------
    InputValueError
        When sizes disagree, or the PCA whitens.
    """
    import torch

    mean, scale = (np.asarray(scaler[key], np.float64) for key in ("mean_", "scale_"))
    if mean.shape != scale.shape or mean.ndim != 1:
        raise InputValueError(f"the standardisation has means {mean.shape} and scales {scale.shape}")
    features = len(scale)
    expected = FEATURES_A_LAYER * len(layers)
    if features != expected:
        raise InputValueError(f"the standardisation is for {features} features; {len(layers)} layers give {expected}")
    rows = components * len(components_of)
    width = features // len(layers)
    tensors = {f"{REDUCTION}{layer}": torch.empty(rows, width) for layer in layers}
    bias = np.zeros(rows)
    for number, pca in enumerate(components_of):
        state = parameters(pca)
        basis = state["components_"]
        if basis.shape[0] < components or basis.shape[1] != features:
            raise InputValueError(f"PCA has shape {basis.shape}, expected at least {components} x {features}")
        if state.get("whiten"):
            raise InputValueError("PCA with whitening is not part of the published models")
        offset = np.asarray(state["mean_"], np.float64) + mean / scale
        own = slice(number * components, (number + 1) * components)
        for place, layer in enumerate(layers):
            columns = slice(place * width, (place + 1) * width)
            block = np.asarray(basis[:components, columns], np.float64)  # one layer at a time bounds the memory
            bias[own] -= block @ offset[columns]
            tensors[f"{REDUCTION}{layer}"][own] = torch.from_numpy((block / scale[columns]).astype(np.float32))
    tensors[f"{REDUCTION}bias"] = torch.from_numpy(bias.astype(np.float32))
    return tensors
