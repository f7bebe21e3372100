"""A trained model's weights as the dictionaries that NED's and BERG's weight files hold."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.features.preprocessing import TORCHVISION_IMAGENET
from braincodec.legacy.reduction import FEATURES_A_LAYER, VIT_B_32, VIT_LAYERS
from braincodec.models.base import Encoder
from braincodec.models.fwrf import FwRFConfig
from braincodec.models.linear.encoder import REDUCTION

if TYPE_CHECKING:
    import torch

    from braincodec.models.fwrf import FwRF
    from braincodec.models.linear import LinearEncoder

READOUT = ("rf0", "rf1", "rf2", "w", "b")
BLOCKS = ("", *(f"{block}." for block in ("conv4a", "conv5a", "conv6a", "conv4b", "conv5b", "conv6b")))
OF_BLOCK = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
MOST_PARTS = 2  # lateral and ventral regions lie in two files
MOST_COMPONENTS = 250  # NED's code cuts the components there
# relative to the largest: a bias that no mean of the features explains better belongs to components that repeat others
BIAS_TOLERANCE = 1e-6


class NoNedFormError(InputValueError):
    """A model that NED's layout has no place for; says why."""


def trunk_names() -> list[str]:
    """Names in the trunk's state dictionary, in the order in which NED's network has them."""
    names = ["mu", *(f"pre.conv{number}.0.{kind}" for number in (1, 2) for kind in ("weight", "bias"))]
    for block in BLOCKS:
        own = "enc.conv3" if not block else f"enc.{block}conv1"
        names += [f"{own}.weight", f"{own}.bias", *(f"enc.{block}bn1.{kind}" for kind in OF_BLOCK)]
    return names


def fwrf_checkpoints(encoder: FwRF, subject: int) -> list[dict[str, Any]]:
    """Content of ``weights_sub-01_roi-V1.pt``, or of its two splits.

    Parameters
    ----------
    encoder : FwRF
        Its voxels in C order of the volume.
    subject : int
        The key of the readout.

    Raises
    ------
    NoNedFormError
        For another preprocessing, more than two networks, or what two files cannot keep apart.
    """
    import torch

    config: FwRFConfig = encoder.config
    if config.preprocessing != FwRFConfig.parse({}).preprocessing:
        raise NoNedFormError("NED's code resizes images to 227 x 227 pixels in one way, and this model wants another")
    if config.parts > MOST_PARTS:
        raise NoNedFormError(f"it consists of {config.parts} networks; NED's layout has at most {MOST_PARTS}")
    tensors = encoder.tensors()
    prefixes = [f"part-{number}." for number in range(1, config.parts + 1)]
    parts = [{n.removeprefix(one): t for n, t in tensors.items() if n.startswith(one)} for one in prefixes]
    if any(not torch.equal(part["mu"], parts[0]["mu"]) for part in parts):
        raise NoNedFormError("its networks subtract different mean images; NED's code gives both the second's")
    best = encoder.description.training.get("best_epoch")
    epoch = {"best_epoch": best} if isinstance(best, int) else {}
    return [_checkpoint(part, subject) | epoch for part in parts]


def _checkpoint(part: dict[str, torch.Tensor], subject: int) -> dict[str, Any]:
    import torch

    # copies: a view would be saved with all that it is a view of
    part = {name: tensor.detach().cpu().float().clone() for name, tensor in part.items()}
    # the network counts batches while it is trained; nothing reads the count afterwards
    trunk = OrderedDict((name, part.get(name, torch.tensor(0))) for name in trunk_names())
    readout = OrderedDict((name, part[name]) for name in READOUT)
    mean = part["mu"].numpy()
    return {"stim_mean": mean, "best_params": {"enc": trunk, "fwrfs": {subject: readout}}}


def require_published_features(encoder: LinearEncoder) -> None:
    """Raise `NoNedFormError` unless the features are those of the published linear models."""
    features = encoder.config.features
    same = features.backbone == VIT_B_32 and tuple(features.layers) == VIT_LAYERS and features.pooling == "flatten"
    if not same:
        raise NoNedFormError(
            f"it is a linear model over {features.backbone}; NED's are over all twelve layers of {VIT_B_32}, flattened"
        )
    if encoder.preprocessing != TORCHVISION_IMAGENET:
        raise NoNedFormError("NED's code prepares images with torchvision's transform, and this model wants another")
    if encoder.config.reductions != 1:
        raise NoNedFormError("it has components of its own for each repetition; NED's repetitions share theirs")
    tensors = Encoder.tensors(encoder)  # the model's own, without the network's
    widths = {tensors[f"{REDUCTION}{layer}"].shape[1] for layer in VIT_LAYERS}
    if widths != {FEATURES_A_LAYER}:
        raise NoNedFormError(f"its layers have {sorted(widths)} features, NED's {FEATURES_A_LAYER}")
    components = tensors["readout.weight"].shape[2]
    if components > MOST_COMPONENTS:
        raise NoNedFormError(f"its readout uses {components} components, NED's code at most {MOST_COMPONENTS}")


def reduction_parameters(encoder: LinearEncoder) -> tuple[dict[str, Any], dict[str, Any]]:
    """Content of ``StandardScaler_param.npy`` and ``pca_param.npy``.

    An encoder keeps standardisation and PCA as one affine map ``x @ W.T + b``. It is written as a standardisation that
    changes nothing, components ``W``, and the shortest mean ``m`` with ``-m @ W.T = b``.

    Raises
    ------
    NoNedFormError
        When components repeat one another in a way that no mean fits.
    """
    tensors = Encoder.tensors(encoder)
    components = np.concatenate([tensors[f"{REDUCTION}{layer}"].cpu().numpy() for layer in VIT_LAYERS], 1)
    count, features = components.shape
    bias = tensors[f"{REDUCTION}bias"].cpu().numpy().astype(np.float64)
    mean = _mean_behind(components, bias)
    samples = _training_count(encoder)
    scaler = {
        "scale_": np.ones(features, np.float32),
        "mean_": np.zeros(features, np.float32),
        "var_": np.ones(features, np.float32),
        "n_features_in_": features,
        "n_samples_seen_": samples,
    }
    unknown = np.full(count, np.nan)  # not kept in an artefact, and read by nobody
    pca = {
        "components_": components,
        "explained_variance_": unknown,
        "explained_variance_ratio_": unknown,
        "singular_values_": unknown,
        "mean_": mean,
        "n_components_": count,
        "n_samples_": samples,
        "noise_variance_": float("nan"),
        "n_features_in_": features,
    }
    return scaler, pca


def _mean_behind(components: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """The shortest mean, (features,), float64, whose components are minus `bias`."""
    blocks = [slice(start, start + FEATURES_A_LAYER) for start in range(0, components.shape[1], FEATURES_A_LAYER)]
    if not (np.isfinite(components).all() and np.isfinite(bias).all()):
        raise NoNedFormError("some of its components are not finite")
    gram = np.zeros((len(bias), len(bias)))
    for block in blocks:  # one layer at a time bounds the memory
        columns = components[:, block].astype(np.float64)
        gram += columns @ columns.T
    mean = np.zeros(components.shape[1])
    missing = bias.copy()
    for _ in range(2):  # the second pass corrects the first's rounding
        weights = np.linalg.lstsq(gram, -missing, rcond=None)[0]
        for block in blocks:
            mean[block] += weights @ components[:, block].astype(np.float64)
        missing = bias + sum(components[:, block].astype(np.float64) @ mean[block] for block in blocks)
    if np.abs(missing).max() > BIAS_TOLERANCE * np.abs(bias).max(initial=1e-300):
        raise NoNedFormError(
            "its components repeat one another, so that NED's standardisation and PCA cannot hold them"
        )
    return mean


def _training_count(encoder: LinearEncoder) -> int:
    """How many stimuli the reduction was fitted on; 0 where that is not known."""
    split = encoder.description.training.get("split")
    ids = split.get("train", ()) if isinstance(split, dict) else ()
    return len(ids) if isinstance(ids, list | tuple) else 0


def regression_parameters(encoder: LinearEncoder) -> list[dict[str, Any]]:
    """For each repetition what scikit-learn's ``LinearRegression`` holds: coefficients (outputs, components)."""
    tensors = Encoder.tensors(encoder)
    weight, bias = (tensors[f"readout.{name}"].cpu().numpy() for name in ("weight", "bias"))
    return [
        {"coef_": coefficients, "intercept_": intercept, "n_features_in_": coefficients.shape[1]}
        for coefficients, intercept in zip(weight, bias, strict=True)
    ]
