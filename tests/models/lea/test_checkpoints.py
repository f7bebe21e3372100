"""Checkpoints in the forms that training leaves them, and files that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnsafeFileError
from braincodec.models.lea.checkpoints import load_fmri_autoencoder, load_token_generator, load_tokenizer

from .small_lea import autoencoder, numbers, randomised, token_generator, tokenizer


@pytest.fixture(autouse=True)
def no_pickle(monkeypatch):
    """Nothing here may go through torch's own loading."""

    def refuse(*_, **__):
        raise AssertionError("torch.load was called")

    monkeypatch.setattr(torch, "load", refuse)


def save(path: Path, content) -> Path:
    torch.save(content, path)
    return path


def prefixed(network, prefix):
    """A state dict as a wrapped module writes it, with torch's own notes attached."""
    wrapper = torch.nn.Module()
    inner = wrapper
    *outer, last = prefix.split(".")
    for name in outer:
        inner.add_module(name, torch.nn.Module())
        inner = getattr(inner, name)
    inner.add_module(last, network)
    return wrapper.state_dict()


NETWORKS = {
    "autoencoder": (autoencoder, lambda path: load_fmri_autoencoder(path, heads=2)),
    "tokenizer": (tokenizer, load_tokenizer),
    "token generator": (token_generator, lambda path: load_token_generator(path, heads=4)),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("prefix", ["module.{part}", "module", "{part}", "module.module.{part}"])
def test_wrappers_of_training_are_taken_off(tmp_path, name, prefix):
    make, load = NETWORKS[name]
    network = make()
    prefix = prefix.format(part="vqgan" if name == "tokenizer" else "transformer")
    optimiser = torch.optim.Adam(network.parameters())
    path = save(
        tmp_path / "checkpoint.pth",
        {"model": prefixed(network, prefix), "opt": optimiser.state_dict(), "cur_epoch": 3, "cur_iter": 100},
    )
    loaded = load(path)
    assert loaded.config == network.config and not loaded.training
    state = loaded.state_dict()
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("holder", [None, "g_model", "state_dict"])
def test_a_state_dict_alone_or_under_another_key_is_found(tmp_path, holder):
    network = tokenizer()
    state = network.state_dict()
    loaded = load_tokenizer(save(tmp_path / "vq.pth", state if holder is None else {holder: state}))
    ids = torch.randint(24, (1, 4, 4))
    torch.testing.assert_close(loaded.decode_ids(ids), network.decode_ids(ids))


def test_a_file_with_generator_and_tokenizer_serves_both(tmp_path):
    generator, images = token_generator(), tokenizer()
    both = {**prefixed(generator, "module.transformer"), **prefixed(images, "module.vqgan")}
    path = save(tmp_path / "both.pth", {"model": both})
    assert load_token_generator(path, heads=4).config == generator.config
    assert load_tokenizer(path).config == images.config


@pytest.mark.parametrize(
    "sizes",
    [
        {"voxels": (3,)},
        {"voxels": (1, 2), "depth": 1, "decoder_depth": 1},
        {"voxels": tuple(range(2, 14)), "tokens_per_region": 1, "mlp_ratio": 3, "latent": 5},
        {"decoder_depth": 12, "width": 24, "decoder_width": 16},
    ],
)
def test_sizes_of_an_autoencoder_come_from_its_tensors(tmp_path, sizes):
    network = autoencoder(**sizes)
    loaded = load_fmri_autoencoder(save(tmp_path / "a.pt", {"model": network.state_dict()}), heads=2)
    assert loaded.config == network.config
    patterns = numbers(2, sum(network.config.voxels))
    assert torch.equal(loaded(patterns), network(patterns))


@pytest.mark.parametrize(
    "sizes",
    [{"multipliers": (1,), "middle_blocks": 0}, {"multipliers": (2, 1, 3), "blocks": 2}, {"codebook_size": 2}],
)
def test_sizes_of_a_tokenizer_come_from_its_tensors(tmp_path, sizes):
    network = tokenizer(**sizes)
    assert load_tokenizer(save(tmp_path / "t.pt", {"model": network.state_dict()})).config == network.config


def test_half_precision_weights_become_float32(tmp_path):
    network = token_generator().half()
    loaded = load_token_generator(save(tmp_path / "half.pt", {"model": network.state_dict()}), heads=4)
    assert {weight.dtype for weight in loaded.parameters()} == {torch.float32}


def test_loaded_networks_can_be_trained_further(tmp_path):
    loaded = load_fmri_autoencoder(save(tmp_path / "a.pt", {"model": autoencoder().state_dict()}), heads=2)
    loaded(numbers(2, 21)).square().mean().backward()
    assert all(weight.grad is not None for weight in loaded.parameters())


def test_convolutions_of_a_loaded_tokenizer_are_channels_last(tmp_path):
    loaded = load_tokenizer(save(tmp_path / "t.pt", {"model": tokenizer().state_dict()}))
    assert loaded.decoder.conv_in.weight.is_contiguous(memory_format=torch.channels_last)


def test_another_architecture_is_named_with_the_first_names_that_differ(tmp_path):
    path = save(tmp_path / "vq.pt", {"model": tokenizer().state_dict()})
    with pytest.raises(InputValueError) as raised:
        load_fmri_autoencoder(path)
    text = str(raised.value)
    assert "vq.pt is no checkpoint of an fMRI autoencoder (it looks like an image tokenizer)" in text
    assert "'cls_token' (1, 1, 1024) is missing" in text
    assert "'encoder.conv_in.weight' (32, 3, 3, 3) is not part of it" in text


def test_a_tensor_of_another_shape_a_missing_and_a_foreign_one_are_named(tmp_path):
    state = autoencoder().state_dict()
    state["blocks.1.norm1.bias"] = torch.zeros(17)
    del state["decoder_norm.weight"]
    state["class_head.weight"] = torch.zeros(2, 3)
    with pytest.raises(InputValueError) as raised:
        load_fmri_autoencoder(save(tmp_path / "odd.pt", {"model": state}), heads=2)
    text = str(raised.value)
    assert "'blocks.1.norm1.bias' has shape (17,) (expected (16,))" in text
    assert "'decoder_norm.weight' (8,) is missing" in text
    assert "'class_head.weight' (2, 3) is not part of it" in text
    assert "more" not in text


def test_heads_that_cannot_be_told_are_asked_for(tmp_path):
    path = save(tmp_path / "a.pt", {"model": autoencoder(width=24, decoder_width=24).state_dict()})
    with pytest.raises(InputValueError, match=r"24 cannot be shared by 16 heads.*give heads="):
        load_fmri_autoencoder(path)
    with pytest.raises(InputValueError, match="24 cannot be shared by 5 heads"):
        load_fmri_autoencoder(path, heads=5)


def test_names_with_huge_numbers_do_not_make_huge_networks(tmp_path):
    state = token_generator().state_dict()
    state["decoder.999999999.norm1.weight"] = torch.zeros(32)
    with pytest.raises(InputValueError, match=r"'decoder.2.self_attn.key.weight' \(32, 32\) is missing"):
        load_token_generator(save(tmp_path / "huge.pt", {"model": state}), heads=4)


class Hostile:
    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize("load", [load_fmri_autoencoder, load_tokenizer, load_token_generator])
def test_a_hostile_pickle_is_refused_unrun(tmp_path, load):
    canary = tmp_path / "was-run"
    path = save(tmp_path / "hostile.pth", {"model": autoencoder().state_dict(), "extra": Hostile(canary)})
    with pytest.raises(UnsafeFileError):
        load(path)
    assert not canary.exists()


def test_files_without_weights_are_named(tmp_path):
    with pytest.raises(MissingFileError):
        load_tokenizer(tmp_path / "absent.pth")
    with pytest.raises(DamagedFileError, match="no weights under 'model'; it has: epoch, loss"):
        load_tokenizer(save(tmp_path / "log.pth", {"epoch": 3, "loss": [1.0]}))
    with pytest.raises(DamagedFileError, match="holds list"):
        load_tokenizer(save(tmp_path / "list.pth", [1, 2]))
    whole = save(tmp_path / "whole.pth", {"model": randomised(tokenizer()).state_dict()})
    whole.write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(DamagedFileError):
        load_tokenizer(whole)
