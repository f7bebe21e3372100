"""Published checkpoints give the published code's answers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from braincodec.legacy import read_legacy
from braincodec.models.lea.checkpoints import load_fmri_autoencoder, load_token_generator, load_tokenizer

TOLERANCE = 1e-4  # of the standard deviation of what is expected

LOADERS = {
    "fmri_autoencoder": load_fmri_autoencoder,
    "maskgit_vq": load_tokenizer,
    "maskgit_transformer": load_token_generator,
}


@pytest.fixture(scope="module")
def published(golden):
    def open_file(name):
        path = Path(golden) / "lea" / f"{name}.pt"
        answers = {
            key: torch.from_numpy(np.array(value))
            for key, value in read_legacy(path).items()
            if isinstance(value, np.ndarray)
        }
        return LOADERS[name](path), answers

    return open_file


def assert_agrees(found, expected):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= TOLERANCE * expected.std()


@torch.inference_mode()
def test_autoencoder_gives_the_published_latents_and_reconstructions(published):
    network, answers = published("fmri_autoencoder")
    patterns, latents, reconstruction = (answers[key][:, 0] for key in ("fmri", "latent", "reconstruction"))
    assert_agrees(network.encode(patterns), latents)
    assert_agrees(network.decode(latents), reconstruction)
    assert_agrees(network(patterns), reconstruction)


@torch.inference_mode()
def test_tokenizer_gives_the_published_indices_exactly_and_the_published_images(published):
    network, answers = published("maskgit_vq")
    tokenized = network(answers["image"])
    assert torch.equal(tokenized.ids, answers["indices"])
    assert_agrees(tokenized.quantised, answers["quantized"])
    assert_agrees(tokenized.images, answers["reconstruction"])
    assert_agrees(network.decode(answers["quantized"]), answers["reconstruction"])
    assert_agrees(network.decode_ids(answers["token_ids"]), answers["decoded"])


@torch.inference_mode()
def test_token_generator_gives_the_published_logits(published):
    network, answers = published("maskgit_transformer")
    logits = network(answers["tokens"], answers["embedding"])
    assert_agrees(logits, answers["logits"])
    assert (answers["tokens"] == network.config.mask_id).any(), "the golden tokens have masked ones among them"
    places = torch.stack([torch.randperm(256)[:90] for _ in range(len(logits))])
    some = network.logits_at(answers["tokens"], answers["embedding"], places)
    assert_agrees(some, answers["logits"].gather(1, places[..., None].expand_as(some)))


@pytest.mark.parametrize("name", LOADERS)
def test_sizes_are_those_of_the_published_settings(published, golden, name):
    network, _ = published(name)
    content = read_legacy(Path(golden) / "lea" / f"{name}.pt")
    config, settings = network.config, content["config"]
    if name == "fmri_autoencoder":
        found = (config.voxels, config.tokens_per_region, config.width, config.decoder_width, config.heads)
        keys = ("roi_patch", "patch_size", "embed_dim", "decoder_embed_dim", "num_heads")
        assert found == tuple(tuple(v) if isinstance(v := settings[key], list) else v for key in keys)
        assert (config.depth, config.decoder_depth) == (settings["encoder_depth"], settings["decoder_depth"])
    elif name == "maskgit_vq":
        assert config.multipliers == tuple(settings["ch_mult"])
        assert (config.base_width, config.blocks, config.middle_blocks) == (
            settings["ch_base"],
            settings["num_res_blocks"],
            settings["num_res_mids"],
        )
        assert (config.codebook_size, config.code_width) == (settings["num_codebook"], settings["dim_codebook"])
    else:
        assert config.mask_id == content["mask_token_id"]
        assert (config.codebook_size, config.depth) == (settings["num_codebook"], settings["decoder_depth"])
        assert config.tokens == (settings["resolution"] // settings["patch_size"]) ** 2


@pytest.mark.parametrize("name", LOADERS)
def test_weights_keep_the_published_names_and_values(published, golden, name):
    network, _ = published(name)
    content = read_legacy(Path(golden) / "lea" / f"{name}.pt")["model"]
    expected = {key.removeprefix("module.transformer."): value for key, value in content.items()}
    found = network.state_dict()
    assert set(found) == set(expected)
    assert all(np.array_equal(found[key].numpy(), value) for key, value in expected.items())


def test_positions_that_are_made_are_the_published_ones(published):
    from braincodec.models.lea.fmri_autoencoder.network import sine_positions

    network, _ = published("fmri_autoencoder")
    for published_ones in (network.pos_embed, network.decoder_pos_embed):
        made = sine_positions(published_ones.shape[1] - 1, published_ones.shape[2])
        torch.testing.assert_close(made, published_ones, atol=2e-6, rtol=0)
