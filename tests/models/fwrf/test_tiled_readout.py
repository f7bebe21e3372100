"""The tiled readout against its formula and against numerical derivatives."""

from __future__ import annotations

import pytest
import torch

from braincodec.models.fwrf import tiled_readout as module
from braincodec.models.fwrf.tiled_readout import by_position, squash, tiled_readout

BATCH, UNITS, CHANNELS = 2, 5, 256


def given(sides=(2, 1), dtype=torch.float64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    features = [torch.rand(side * side, BATCH, CHANNELS, generator=rng, dtype=dtype) for side in sides]
    planes = [torch.rand(UNITS, side * side, generator=rng, dtype=dtype).softmax(1) for side in sides]
    weight = torch.randn(UNITS, len(sides), CHANNELS, generator=rng, dtype=dtype)
    return features, planes, weight, torch.randn(UNITS, generator=rng, dtype=dtype)


def plainly(features, planes, weight, bias):
    pooled = [torch.einsum("pbc,up->buc", feature, plane) for feature, plane in zip(features, planes, strict=True)]
    values = torch.stack(pooled, 2)  # (batch, units, maps, 256)
    return torch.einsum("bumc,umc->bu", torch.log(1 + values.abs()) * torch.tanh(values), weight) + bias


def leaves(features, planes, weight, bias):
    return [tensor.requires_grad_() for tensor in (*features, *planes, weight, bias)]


@pytest.mark.parametrize("kept_bytes", [0, 2**30], ids=["pooled anew", "kept"])
@pytest.mark.parametrize("height", [2, 5, 100])
def test_values_and_gradients_are_those_of_the_formula(height, kept_bytes, monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", kept_bytes)
    parts = given()
    inputs = leaves(*parts)
    above = torch.randn(BATCH, UNITS, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found, wanted = tiled_readout(*parts, units_a_tile=height), plainly(*parts)
    torch.testing.assert_close(found, wanted)
    for ours, theirs in zip(
        torch.autograd.grad(found, inputs, above), torch.autograd.grad(wanted, inputs, above), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_gradients_are_the_numerical_ones(monkeypatch):
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    features, planes, weight, bias = given(sides=(1,))
    inputs = [features[0][:, :1].clone(), planes[0][:3], weight[:3], bias[:3]]

    def readout(feature, plane, weight, bias):
        return tiled_readout([feature], [plane], weight, bias, 2)

    assert torch.autograd.gradcheck(readout, [one.detach().requires_grad_() for one in inputs], fast_mode=True)


def test_the_squash_and_the_maps_have_the_numerical_gradient():
    maps = torch.rand(2, 3, 2, 2, dtype=torch.float64).add_(0.01).requires_grad_()
    assert torch.autograd.gradcheck(squash, [maps])
    assert torch.autograd.gradcheck(by_position, [maps])
    assert by_position(maps).shape == (4, 2, 3)


def test_what_needs_no_gradient_gets_none():
    features, planes, weight, bias = given()
    features[0].requires_grad_()
    tiled_readout(features, planes, weight, bias).sum().backward()
    assert features[0].grad is not None
    assert all(one.grad is None for one in (features[1], *planes, weight, bias))
    with torch.no_grad():
        assert tiled_readout(features, planes, weight, bias).grad_fn is None
