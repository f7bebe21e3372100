"""Layers are found by name and wild-card, and read while the network runs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.features.layers import layer_names, resolve_layers, run_until
from braincodec.features.pooling import count_prefix_tokens, pool


class Tower(nn.Module):
    """Three blocks, then an in-place step, and a head that counts how often it ran."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3)])
        self.relu = nn.ReLU(inplace=True)
        self.head = nn.Linear(4, 2)
        self.unused = nn.Linear(4, 4)
        self.head_runs = 0

    def forward(self, x):
        for block in self.blocks:
            x = self.relu(block(x))
        self.head_runs += 1
        return self.head(x)


def test_wild_cards_stay_within_one_part_of_the_name():
    assert list(resolve_layers(Tower(), ["blocks.*"])) == ["blocks.0", "blocks.1", "blocks.2"]
    assert list(resolve_layers(Tower(), ["blocks.[02].1"])) == ["blocks.0.1", "blocks.2.1"]


def test_layers_come_in_the_order_asked_for_and_once():
    assert list(resolve_layers(Tower(), ["head", "blocks.2", "blocks.*"])) == [
        "head",
        "blocks.2",
        "blocks.0",
        "blocks.1",
    ]


@pytest.mark.parametrize("name", ["blocks.7", "blocs.0", "blocks.*.weight", ""])
def test_unknown_layers_are_answered_with_the_known(name):
    with pytest.raises(UnknownNameError, match=r"available: blocks, relu, head, unused, blocks\.0, blocks\.1"):
        resolve_layers(Tower(), [name])


def test_near_names_are_offered():
    with pytest.raises(UnknownNameError, match="did you mean 'head'"):
        resolve_layers(Tower(), ["heed"])


def test_the_network_stops_after_the_last_layer():
    tower, seen = Tower(), []
    run_until(tower, torch.zeros(1, 4), ["blocks.1", "blocks.0"], lambda name, _: seen.append(name))
    assert seen == ["blocks.0", "blocks.1"]
    assert tower.head_runs == 0


def test_outputs_are_handed_over_before_anything_overwrites_them():
    tower = Tower()
    outputs = {}
    run_until(
        tower, torch.randn(5, 4), ["blocks.0", "head"], lambda name, output: outputs.update({name: output.clone()})
    )
    assert (outputs["blocks.0"] < 0).any()


def hook_count(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


def test_no_hook_stays_whatever_happens():
    tower = Tower()

    def fail(name, output):
        raise OSError("disk full")

    run_until(tower, torch.zeros(1, 4), ["blocks.0"], lambda name, output: None)
    assert hook_count(tower) == 0
    with pytest.raises(OSError, match="disk full"):
        run_until(tower, torch.zeros(1, 4), ["blocks.0"], fail)
    assert hook_count(tower) == 0


def test_a_layer_that_never_runs_is_an_error():
    with pytest.raises(InputValueError, match="unused"):
        run_until(Tower(), torch.zeros(1, 4), ["unused"], lambda name, output: None)


def test_a_module_used_twice_counts_with_its_first_output():
    tower, seen = Tower(), []
    run_until(tower, torch.ones(1, 4), ["relu", "head"], lambda name, output: seen.append(name))
    assert seen == ["relu", "head"]


def test_the_first_of_several_outputs_is_taken_and_others_than_tensors_refused():
    class Two(nn.Module):
        def forward(self, x):
            return x, None

    class Words(nn.Module):
        def forward(self, x):
            return "words"

    shapes = []
    run_until(nn.Sequential(Two()), torch.zeros(1, 4), ["0"], lambda name, output: shapes.append(tuple(output.shape)))
    assert shapes == [(1, 4)]
    with pytest.raises(InputTypeError, match="returns str"):
        run_until(nn.Sequential(Words()), torch.zeros(1, 4), ["0"], lambda name, output: None)


def test_layer_names_are_those_of_named_modules():
    assert layer_names(Tower())[:3] == ["blocks", "blocks.0", "blocks.0.0"]


MAPS, TOKENS, VECTORS = torch.randn(2, 6, 3, 5), torch.randn(2, 10, 6), torch.randn(2, 6)


@pytest.mark.parametrize(
    ("output", "pooling", "expected"),
    [
        (MAPS, "flatten", MAPS.reshape(2, 90)),
        (MAPS, "spatial_mean", MAPS.mean((2, 3))),
        (MAPS, "none", MAPS),
        (TOKENS, "flatten", TOKENS.reshape(2, 60)),
        (TOKENS, "spatial_mean", TOKENS[:, 2:].mean(1)),
        (TOKENS, "class_token", TOKENS[:, 0]),
        (VECTORS, "flatten", VECTORS),
        (VECTORS, "spatial_mean", VECTORS),
    ],
)
def test_pooling(output, pooling, expected):
    torch.testing.assert_close(pool(output, pooling, prefix_tokens=2), expected)


def test_channels_last_maps_are_pooled_like_their_channels_first_form():
    last = MAPS.permute(0, 2, 3, 1).contiguous()
    for pooling in ("flatten", "spatial_mean", "none"):
        torch.testing.assert_close(pool(last, pooling, channels_last=True), pool(MAPS, pooling))


@pytest.mark.parametrize(("output", "tokens"), [(MAPS, 1), (TOKENS, 0), (VECTORS, 1)])
def test_a_class_token_that_does_not_exist_is_an_error(output, tokens):
    with pytest.raises(InputValueError, match="class token"):
        pool(output, "class_token", prefix_tokens=tokens)


def test_prefix_tokens_are_counted():
    module = nn.Module()
    module.class_token = nn.Parameter(torch.zeros(1, 1, 3))
    assert count_prefix_tokens(module) == 1
    assert count_prefix_tokens(nn.Conv2d(3, 3, 3)) == 0
