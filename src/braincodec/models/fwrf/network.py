"""The network of feature-weighted receptive fields: its weights by name, and its maps, as pure functions."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    Normalise = Callable[[str, torch.Tensor], torch.Tensor]

IMAGE_SIZE = 227
CHANNELS = 256  # of each of the three maps
MAP_SIDES = (27, 25, 13)
FEATURES = CHANNELS * len(MAP_SIDES)
TRUNK_WIDTH = 64  # channels of each trunk block that the readout sees
PER_UNIT = ("rf0", "rf1", "rf2", "w", "b")
BATCH_NORM_EPSILON = 1e-5
BLOCKS = ("conv4a", "conv4b", "conv5a", "conv5b", "conv6a", "conv6b")
# units whose pooled features exist at one time: keeps them in the processor's cache
UNITS_A_TILE = 256


def _trunk_shapes() -> dict[str, tuple[int | None, ...]]:
    """Shape of every weight of the trunk, by its published name."""
    convolutions = {"pre.conv1.0": (64, 3, 11), "pre.conv2.0": (192, 64, 5), "enc.conv3": (128, 192, 3)}
    convolutions |= {f"enc.{block}.conv1": (TRUNK_WIDTH if block == BLOCKS[-1] else 128, 128, 3) for block in BLOCKS}
    norms = {"enc": 192, **{f"enc.{block}": 128 for block in BLOCKS}}
    shapes: dict[str, tuple[int | None, ...]] = {}
    for name, (to, given, side) in convolutions.items():
        shapes |= {f"{name}.weight": (to, given, side, side), f"{name}.bias": (to,)}
    for name, width in norms.items():
        shapes |= {f"{name}.bn1.{key}": (width,) for key in ("running_mean", "running_var", "weight", "bias")}
    return shapes


TRUNK_SHAPES = _trunk_shapes()


def feature_maps(
    weights: dict[str, torch.Tensor], image: torch.Tensor, normalise: Normalise | None = None
) -> list[torch.Tensor]:
    """The three maps that feed the readout, none of them negative (each ends in a ReLU).

    Parameters
    ----------
    weights : dict
        Published names: ``mu``, ``pre.*``, ``enc.*``.
    image : torch.Tensor, shape (batch, 3, 227, 227)
        Values in 0..1.
    normalise : callable, optional
        What stands before each convolution of the trunk: ``normalise(prefix, x)``. Default: batch norm by the running
        statistics, as a trained network has it.

    Returns
    -------
    list of torch.Tensor
        (batch, 256, 27, 27), (batch, 256, 25, 25), (batch, 256, 13, 13).
    """
    import torch
    import torch.nn.functional as F

    normalise = normalise or partial(by_running_statistics, weights)
    x = (image - weights["mu"]).contiguous(memory_format=torch.channels_last)
    conv1, conv2 = (f"pre.conv{n}.0" for n in (1, 2))
    x = F.conv2d(x, weights[f"{conv1}.weight"], weights[f"{conv1}.bias"], stride=4, padding=2).relu_()
    c1 = F.max_pool2d(x, 3, stride=2)  # (batch, 64, 27, 27)
    c2 = F.conv2d(c1, weights[f"{conv2}.weight"], weights[f"{conv2}.bias"], padding=2).relu_()  # (batch, 192, 27, 27)
    c3 = normalise("enc", c2)
    c3 = F.conv2d(c3, weights["enc.conv3.weight"], weights["enc.conv3.bias"]).relu_()  # (batch, 128, 25, 25)
    c4a = _block(weights, "conv4a", c3, normalise)  # (batch, 128, 25, 25)
    c4b = _block(weights, "conv4b", c4a, normalise)  # (batch, 128, 25, 25)
    c5a = _block(weights, "conv5a", F.max_pool2d(c4b, 3, stride=2, padding=1), normalise)  # (batch, 128, 13, 13)
    c5b = _block(weights, "conv5b", c5a, normalise)  # (batch, 128, 13, 13)
    c6a = _block(weights, "conv6a", c5b, normalise)  # (batch, 128, 13, 13)
    c6b = _block(weights, "conv6b", c6a, normalise)  # (batch, 64, 13, 13)
    seen = slice(TRUNK_WIDTH)
    return [
        torch.cat([c1, c2], 1),
        torch.cat([c3, c4a[:, seen], c4b[:, seen]], 1),
        torch.cat([c5a[:, seen], c5b[:, seen], c6a[:, seen], c6b], 1),
    ]


def _block(weights: dict[str, torch.Tensor], name: str, x: torch.Tensor, normalise: Normalise) -> torch.Tensor:
    import torch.nn.functional as F

    prefix = f"enc.{name}"
    x = normalise(prefix, x)
    return F.conv2d(x, weights[f"{prefix}.conv1.weight"], weights[f"{prefix}.conv1.bias"], padding=1).relu_()


def by_running_statistics(weights: dict[str, torch.Tensor], prefix: str, x: torch.Tensor) -> torch.Tensor:
    """Batch norm as a trained network has it."""
    import torch.nn.functional as F

    mean, variance, scale, shift = (
        weights[f"{prefix}.bn1.{name}"] for name in ("running_mean", "running_var", "weight", "bias")
    )
    return F.batch_norm(x, mean, variance, scale, shift, eps=BATCH_NORM_EPSILON)


def squashed_by_position(maps: list[torch.Tensor]) -> torch.Tensor:
    """The maps as the readout takes them: squashed, position after position, one map after another.

    Parameters
    ----------
    maps : list of torch.Tensor, each (batch, 256, side, side)
        Not negative.

    Returns
    -------
    torch.Tensor, shape (positions of all maps, batch, 256)
        Of the maps' dtype.
    """
    import torch

    batch = maps[0].shape[0]
    found = maps[0].new_empty(sum(one.shape[2] * one.shape[3] for one in maps), batch, CHANNELS)
    begin = 0
    for one in maps:
        by_position = one.permute(2, 3, 0, 1).flatten(0, 1)  # (positions, batch, 256)
        own = found[begin : begin + len(by_position)].copy_(by_position)
        squash_(own, torch.empty_like(own))
        begin += len(by_position)
    return found


def pooled_readout(
    features: torch.Tensor,
    pooling: list[torch.Tensor],
    weight: torch.Tensor,
    bias: torch.Tensor,
    units_a_tile: int = UNITS_A_TILE,
) -> torch.Tensor:
    """Pool with each unit's planes, squash, weigh and add, without ever holding all pooled features.

    Parameters
    ----------
    features : torch.Tensor, shape (positions of all maps, batch, 256)
        From `squashed_by_position`.
    pooling : list of torch.Tensor, each (units, side * side)
        Rows sum to one.
    weight : torch.Tensor, shape (units, 3, 1, 256)
    bias : torch.Tensor, shape (units,)
    units_a_tile : int

    Returns
    -------
    torch.Tensor, shape (batch, units), float32
    """
    import torch

    batch, units = features.shape[1], len(bias)
    of_maps = features.flatten(1).split([plane.shape[1] for plane in pooling])  # (positions, batch * 256) each
    responses = bias.float().repeat(batch, 1)  # (batch, units)
    height = min(units_a_tile, units)
    pooled = torch.empty(height, batch, CHANNELS, dtype=features.dtype, device=bias.device)
    scratch = torch.empty(height, batch, CHANNELS, device=bias.device)
    for begin in range(0, units, height):
        tile = slice(begin, min(begin + height, units))
        rows = slice(tile.stop - begin)
        for number, (plane, feature) in enumerate(zip(pooling, of_maps, strict=True)):
            torch.mm(plane[tile], feature, out=pooled[rows].flatten(1))
            values = squash_(pooled[rows].float(), scratch[rows])  # (tile, batch, 256)
            responses[:, tile] += values.mul_(weight[tile, number]).sum(2).T
    return responses


def squash_(x: torch.Tensor, scratch: torch.Tensor) -> torch.Tensor:
    """``log(1 + x) * tanh(x)`` in place, for x not negative; `scratch` has the same shape.

    Written with a sigmoid, which is five times faster than tanh and as exact at the scale of the result.
    """
    import torch

    torch.mul(x, 2, out=scratch).sigmoid_().mul_(2).sub_(1)
    return x.log1p_().mul_(scratch)
