"""The image tokenizer against its formulas, and decoding without its encoder."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.lea.tokenizer import TokenizerConfig
from braincodec.models.lea.tokenizer.network import ResidualBlock

from .small_lea import numbers, randomised, tokenizer


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 4), st.integers(0, 2))
@settings(max_examples=12, deadline=None)
def test_sides_may_be_any_multiple_of_the_patch(levels, rows, columns, middle):
    network = tokenizer(multipliers=(1,) * levels, middle_blocks=middle)
    patch = network.config.patch
    images = numbers(2, 3, rows * patch, columns * patch)
    tokenized = network(images)
    assert tokenized.images.shape == images.shape and tokenized.ids.shape == (2, rows, columns)
    assert tokenized.latents.shape == tokenized.quantised.shape == (2, 8, rows, columns)


def test_ids_are_the_nearest_entries_in_double_precision():
    network = tokenizer()
    latents = numbers(2, 8, 5, 3)
    distances = torch.cdist(latents.double().movedim(1, -1).reshape(-1, 8), network.codebook.double())
    assert torch.equal(network.quantise(latents).flatten(), distances.argmin(1))


def test_entries_are_their_own_ids():
    network = tokenizer()
    ids = torch.arange(24).view(2, 3, 4)
    assert torch.equal(network.quantise(network.look_up(ids)), ids)


def test_ids_are_the_same_under_autocast():
    network, latents = tokenizer(), numbers(2, 8, 16, 16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network.quantise(latents)
    assert torch.equal(mixed, network.quantise(latents))


def test_decoding_ids_does_not_run_the_encoder(monkeypatch):
    network = tokenizer()
    expected = network.decode(network.look_up(torch.zeros(1, 2, 2, dtype=torch.int64)))

    def refuse(*_):
        raise AssertionError("the encoder ran")

    monkeypatch.setattr(network.encoder, "forward", refuse)
    assert torch.equal(network.decode_ids(torch.zeros(1, 2, 2, dtype=torch.int64)), expected)


def test_where_the_width_changes_the_shortcut_sees_the_blocks_own_result():
    block = randomised(ResidualBlock(32, 64)).double()
    x = numbers(2, 32, 4, 4).double()

    def convolve(name, h, padding):
        return F.conv2d(h, getattr(block, name).weight, padding=padding)

    def norm(name, h):
        groups = h.reshape(2, 32, -1)
        centred = (groups - groups.mean(2, keepdim=True)) / (groups.var(2, correction=0, keepdim=True) + 1e-5).sqrt()
        weight, bias = (getattr(getattr(block, name), key)[:, None, None] for key in ("weight", "bias"))
        h = centred.view_as(h) * weight + bias
        return h * torch.sigmoid(h)

    h = convolve("conv2", norm("norm2", convolve("conv1", norm("norm1", x), 1)), 1)
    torch.testing.assert_close(block(x), h + convolve("nin_shortcut", h, 0))


def test_gradients_pass_the_quantisation_unchanged():
    network = tokenizer()
    tokenized = network(numbers(2, 3, 8, 8))
    tokenized.latents.retain_grad()
    tokenized.images.square().mean().backward()
    direct = tokenized.quantised.detach().requires_grad_()
    network.decode(direct).square().mean().backward()
    torch.testing.assert_close(tokenized.latents.grad, direct.grad, atol=1e-6, rtol=1e-4)
    assert all(weight.grad is not None for weight in network.encoder.parameters())


def test_quantised_vectors_carry_gradients_to_the_codebook():
    network = tokenizer()
    tokenized = network(numbers(1, 3, 8, 8))
    (tokenized.quantised - tokenized.latents.detach()).square().mean().backward()
    assert network.codebook.grad.abs().sum(1).nonzero()[:, 0].tolist() == tokenized.ids.unique().tolist()


def test_convolutions_work_in_channels_last_memory():
    network, seen = tokenizer(), []
    for module in network.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.register_forward_hook(
                lambda _, given, out: seen.extend(
                    x.is_contiguous(memory_format=torch.channels_last) for x in (*given, out)
                )
            )
    network(numbers(2, 3, 8, 8))
    assert len(seen) > 20 and all(seen)


@torch.inference_mode()
def test_bfloat16_images_are_close():
    ids = torch.randint(24, (2, 4, 4), generator=torch.Generator().manual_seed(0))
    exact = tokenizer().decode_ids(ids)
    rough = tokenizer().bfloat16().decode_ids(ids)
    assert rough.dtype == torch.bfloat16 and (rough.float() - exact).abs().max() < 0.1 * exact.std()


def test_images_that_do_not_divide_into_patches_are_refused():
    for shape in ((1, 3, 8, 9), (1, 4, 8, 8), (3, 8, 8)):
        with pytest.raises(InputValueError, match="multiples of 2"):
            tokenizer().encode(numbers(*shape))


@pytest.mark.parametrize(
    "values, says",
    [
        ({"base_width": 48}, "no multiple of 32"),
        ({"multipliers": ()}, "multipliers"),
        ({"multipliers": (1, 0)}, "multipliers.1"),
        ({"codebook_size": 1}, "codebook_size"),
        ({"middle_blocks": -1}, "middle_blocks"),
        ({"num_codebook": 1024}, "unknown key 'num_codebook'"),
    ],
)
def test_impossible_settings_are_refused(values, says):
    with pytest.raises(InputValueError, match=says):
        TokenizerConfig.parse(values)


def test_published_sizes_are_the_default():
    config = TokenizerConfig.parse({})
    assert (config.patch, config.widths, config.codebook_size) == (16, (128, 128, 256, 256, 512), 1024)
