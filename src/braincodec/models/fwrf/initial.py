"""Where training starts: random weights by a seed, AlexNet's first convolutions, or a trained model's weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from braincodec.errors import InputValueError, MissingFileError, UnknownNameError
from braincodec.features.weights import is_weight_file, read_state_dict
from braincodec.models.fwrf.network import FEATURES, MAP_SIDES, TRUNK_SHAPES

if TYPE_CHECKING:
    import torch

Weights = dict[str, "torch.Tensor"]

# AlexNet's names of the two convolutions of the pre-filter
ALEXNET = {"pre.conv1.0": "features.0", "pre.conv2.0": "features.3"}
ALEXNET_NETWORK = "torchvision:alexnet@IMAGENET1K_V1"
# as torchvision names the file today and as it did when the published models were trained: the same weights
ALEXNET_FILES = ("alexnet-owt-7be5be79.pth", "alexnet-owt-4df8aa71.pth")
READOUT_SCALE = 0.01


def random_trunk(generator: torch.Generator) -> Weights:
    """Weights of pre-filter and trunk as the published training draws them; batch norms change nothing yet.

    Parameters
    ----------
    generator : torch.Generator
        Of the CPU.
    """
    import torch

    weights: Weights = {}
    for name, shape in TRUNK_SHAPES.items():
        sizes = tuple(size or 1 for size in shape)
        if "bn1" in name:
            weights[name] = torch.ones(sizes) if name.endswith((".weight", ".running_var")) else torch.zeros(sizes)
        elif name.startswith("pre."):
            convolution = TRUNK_SHAPES[f"{name.rpartition('.')[0]}.weight"]
            # torch's own rule for a convolution
            bound = 1 / math.sqrt(math.prod(size or 1 for size in convolution[1:]))
            weights[name] = torch.empty(sizes).uniform_(-bound, bound, generator=generator)
        elif name.endswith(".bias"):
            weights[name] = torch.zeros(sizes)
        else:
            given, to = (sizes[place] * math.prod(sizes[2:]) for place in (1, 0))
            # Glorot's normal rule, with the gain of a ReLU
            deviation = math.sqrt(2) * math.sqrt(2 / (given + to))
            weights[name] = torch.empty(sizes).normal_(0, deviation, generator=generator)
    return weights


def random_readout(units: int, generator: torch.Generator) -> Weights:
    """Even pooling planes, and small random weights and biases."""
    import torch

    weights = {f"rf{number}": torch.ones(units, side, side) for number, side in enumerate(MAP_SIDES)}
    weights["w"] = torch.empty(units, FEATURES).normal_(0, READOUT_SCALE, generator=generator)
    weights["b"] = torch.empty(units).normal_(0, READOUT_SCALE, generator=generator)
    return weights


def prefilter_weights(prefilter: str) -> tuple[Weights, str]:
    """Weights of the first two convolutions, and where they come from; none where they stay random.

    Parameters
    ----------
    prefilter : str
        ``"auto"``, ``"alexnet"``, ``"random"``, or the path of a file with AlexNet's weights.

    Raises
    ------
    UnknownNameError
        For a word that is none of these.
    MissingFileError, DamagedFileError
        When AlexNet's weights are asked for and are not to be had, with how to get them.
    """
    if prefilter == "random":
        return {}, "random"
    if prefilter == "auto":
        found = downloaded_alexnet()
        return (_of_alexnet(read_state_dict(found), found), "AlexNet") if found else ({}, "random")
    if prefilter == "alexnet":
        return _published_alexnet(), "AlexNet"
    if not is_weight_file(prefilter):
        raise UnknownNameError("prefilter", prefilter, ("auto", "alexnet", "random", "path/to/alexnet.pth"))
    return _of_alexnet(read_state_dict(prefilter), prefilter), f"AlexNet, {Path(prefilter).name}"


def downloaded_alexnet() -> Path | None:
    """The file of AlexNet's weights in torch's own folder of downloads; None where there is none."""
    from torch import hub

    folder = Path(hub.get_dir()) / "checkpoints"
    return next((folder / name for name in ALEXNET_FILES if (folder / name).is_file()), None)


def _published_alexnet() -> Weights:
    found = downloaded_alexnet()
    if found:
        return _of_alexnet(read_state_dict(found), found)
    from braincodec.features import get_backbone

    try:
        network = get_backbone(ALEXNET_NETWORK)
    except MissingFileError as error:
        raise MissingFileError(
            error.path,
            "AlexNet's weights for the pre-filter",
            "with a network they are downloaded once; else give them as prefilter='path/to/alexnet.pth', "
            "or start at random with prefilter='random'",
        ) from error
    return _of_alexnet(network.module.state_dict(), ALEXNET_NETWORK)


def _of_alexnet(state: Weights, source: str | Path) -> Weights:
    weights = {}
    for own, name in ALEXNET.items():
        for part in ("weight", "bias"):
            tensor, expected = state.get(f"{name}.{part}"), TRUNK_SHAPES[f"{own}.{part}"]
            if tensor is None or tuple(tensor.shape) != expected:
                found = "lacks it" if tensor is None else f"has shape {tuple(tensor.shape)}"
                raise InputValueError(f"{source} are no weights of AlexNet: {name}.{part} of shape {expected}: {found}")
            weights[f"{own}.{part}"] = tensor.detach().float().clone()
    return weights


def trainable_names(*, prefilter: bool, trunk: bool) -> list[str]:
    """Names of the weights before the readout that move in training; the order is that of the optimiser."""
    chosen = [name for name in TRUNK_SHAPES if "running" not in name]
    return [name for name in chosen if (prefilter if name.startswith("pre.") else trunk)]
