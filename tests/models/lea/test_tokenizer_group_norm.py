"""Group norm in channels-last memory: torch's answer, but more exact; torch's own where gradients are wanted."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from braincodec.models.lea.tokenizer import group_norm
from braincodec.models.lea.tokenizer.group_norm import GroupNorm

from .small_lea import numbers, randomised


def exact(norm: nn.GroupNorm, maps: torch.Tensor) -> torch.Tensor:
    weights = (norm.weight.double(), norm.bias.double())
    return nn.functional.group_norm(maps.double(), norm.num_groups, *weights, norm.eps)


@given(st.integers(1, 3), st.sampled_from([1, 2, 4]), st.integers(64, 80), st.integers(64, 70), st.floats(-9, 9))
@settings(max_examples=15, deadline=None)
@torch.inference_mode()
def test_answers_are_torchs_to_the_last_digits(batch, groups, height, width, mean):
    norm = randomised(GroupNorm(groups, 8))
    maps = numbers(batch, 8, height, width) * torch.arange(1, 9)[:, None, None] + mean
    found = norm(maps.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), exact(norm, maps), atol=5e-6, rtol=1e-5)


@torch.inference_mode()
def test_large_maps_are_more_exact_than_torchs():
    norm, maps = randomised(GroupNorm(4, 16)), numbers(1, 16, 256, 256) + 1
    last = maps.contiguous(memory_format=torch.channels_last)
    expected = exact(norm, maps)
    ours, theirs = ((one.double() - expected).abs().max() for one in (norm(last), nn.GroupNorm.forward(norm, last)))
    assert ours < 2e-6
    assert ours < theirs / 3


@pytest.mark.parametrize("change", ["gradients", "bfloat16", "usual order", "small"])
def test_elsewhere_it_is_torchs(change, monkeypatch):
    monkeypatch.setattr(group_norm, "_sums", lambda maps: pytest.fail("not its own sums"))
    side = 8 if change == "small" else 64
    norm, maps = randomised(GroupNorm(2, 4)), numbers(1, 4, side, side)
    if change != "usual order":
        maps = maps.contiguous(memory_format=torch.channels_last)
    if change == "bfloat16":
        norm, maps = norm.bfloat16(), maps.bfloat16()
    with torch.set_grad_enabled(change == "gradients"):
        assert torch.equal(norm(maps), nn.GroupNorm.forward(norm, maps))
