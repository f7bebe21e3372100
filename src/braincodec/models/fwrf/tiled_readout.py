"""The readout with its gradients, a tile of units at a time, so that all pooled features never exist at once.

Pooled features of all units (units x images x 768) would be 4 GB for 10,000 units and 128 images, several times that
with what automatic differentiation keeps. Here the backward pass pools each tile anew, unless all tiles are small.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from braincodec.models.fwrf.network import CHANNELS, UNITS_A_TILE

# pooled features that are kept for the backward pass when they take no more than this; else they are pooled anew
KEPT_BYTES = 256 * 2**20


def squash(x: torch.Tensor) -> torch.Tensor:
    """``log(1 + x) * tanh(x)`` for x not negative, differentiable; only `x` is kept for the backward pass."""
    found: torch.Tensor = _Squash.apply(x)
    return found


def by_position(one: torch.Tensor) -> torch.Tensor:
    """A map as the readout takes it: (batch, 256, side, side) to (positions, batch, 256), squashed."""
    return squash(one.permute(2, 3, 0, 1).flatten(0, 1).contiguous())


def tiled_readout(
    features: Sequence[torch.Tensor],
    planes: Sequence[torch.Tensor],
    weight: torch.Tensor,
    bias: torch.Tensor,
    units_a_tile: int = UNITS_A_TILE,
) -> torch.Tensor:
    """Pool with each unit's planes, squash, weigh and add; differentiable in everything that is given.

    Parameters
    ----------
    features : sequence of torch.Tensor, each (positions, batch, 256)
        From `by_position`.
    planes : sequence of torch.Tensor, each (units, positions)
        Rows sum to one, of the features' dtype.
    weight : torch.Tensor, shape (units, maps, 256)
    bias : torch.Tensor, shape (units,)
    units_a_tile : int

    Returns
    -------
    torch.Tensor, shape (batch, units)
        Of the weight's dtype.

    Examples
    --------
    >>> features, planes = [torch.ones(4, 2, 256)], [torch.full((3, 4), 0.25)]
    >>> tiled_readout(features, planes, torch.ones(3, 1, 256), torch.zeros(3)).shape
    torch.Size([2, 3])
    """
    found: torch.Tensor = _TiledReadout.apply(units_a_tile, weight, bias, *features, *planes)
    return found


def _squashed_and_slope(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    logarithm, tangent = torch.log1p(x), torch.tanh(x)
    slope = tangent / (1 + x)
    slope.addcmul_(logarithm, 1 - tangent * tangent)
    return logarithm.mul_(tangent), slope


class _Squash(Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return torch.log1p(x).mul_(torch.tanh(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        (x,) = ctx.saved_tensors
        return _squashed_and_slope(x)[1].mul_(gradient)


class _TiledReadout(Function):
    @staticmethod
    def forward(ctx: Any, height: int, weight: torch.Tensor, bias: torch.Tensor, *given: torch.Tensor) -> torch.Tensor:
        maps = len(given) // 2
        features, planes = given[:maps], given[maps:]
        batch, units = features[0].shape[1], len(bias)
        needed = any(ctx.needs_input_grad)
        keep = needed and units * batch * CHANNELS * maps * features[0].element_size() <= KEPT_BYTES
        kept = []
        responses = bias.repeat(batch, 1)  # (batch, units)
        for tile in _tiles(units, height):
            for number in range(maps):
                pooled = _pool(planes[number][tile], features[number])  # (tile, batch, 256)
                if keep:
                    kept.append(pooled)
                values = pooled.to(weight.dtype)
                squashed = torch.log1p(values).mul_(torch.tanh(values))
                responses[:, tile] += torch.bmm(squashed, weight[tile, number, :, None])[:, :, 0].T
        if needed:
            ctx.save_for_backward(weight, *given)
            ctx.height, ctx.kept = height, kept
        return responses

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        weight, *given = ctx.saved_tensors
        maps = len(given) // 2
        features, planes = given[:maps], given[maps:]
        _, weight_wanted, bias_wanted, *wanted = ctx.needs_input_grad
        of_weight = torch.empty_like(weight) if weight_wanted else None
        of_given = [
            (torch.zeros_like(one) if place < maps else torch.empty_like(one)) if wish else None
            for place, (one, wish) in enumerate(zip(given, wanted, strict=True))
        ]
        kept = iter(ctx.kept)
        for tile in _tiles(len(weight), ctx.height):
            above = gradient[:, tile].T  # (tile, batch)
            for number in range(maps):
                feature, plane = features[number], planes[number][tile]
                pooled = next(kept) if ctx.kept else _pool(plane, feature)
                squashed, slope = _squashed_and_slope(pooled.to(weight.dtype))  # (tile, batch, 256)
                if of_weight is not None:
                    of_weight[tile, number] = torch.bmm(above[:, None, :], squashed)[:, 0]
                slope.mul_(above[:, :, None]).mul_(weight[tile, number, None, :])
                below = slope.to(feature.dtype).flatten(1)  # (tile, batch * 256)
                of_feature, of_plane = of_given[number], of_given[maps + number]
                if of_plane is not None:
                    torch.mm(below, feature.flatten(1).T, out=of_plane[tile])
                if of_feature is not None:
                    of_feature.view(len(feature), -1).addmm_(plane.T, below)
        return (None, of_weight, gradient.sum(0) if bias_wanted else None, *of_given)


def _pool(plane: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
    """(tile, positions) by (positions, batch, 256): (tile, batch, 256)."""
    return torch.mm(plane, feature.flatten(1)).unflatten(1, feature.shape[1:])


def _tiles(units: int, height: int) -> list[slice]:
    return [slice(begin, min(begin + height, units)) for begin in range(0, units, height)]
