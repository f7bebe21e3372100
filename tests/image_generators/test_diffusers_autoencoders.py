"""Autoencoders as diffusers saves them."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest
import torch

from braincodec.errors import DamagedFileError, InputValueError, MissingExtraError, MissingFileError
from braincodec.image_generators.autoencoder import open_autoencoder
from braincodec.image_generators.diffusers_models import import_diffusers
from braincodec.image_generators.latent_autoencoder import LatentAutoencoder

from .small_generators import embeddings, photographs, tiny_weights

SMALL_KL = {
    "block_out_channels": (8, 16),
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "latent_channels": 4,
    "norm_num_groups": 4,
    "layers_per_block": 1,
}
IMAGES = torch.rand(2, 3, 8, 12, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def diffusers():
    try:
        return import_diffusers(what="this test")
    except MissingExtraError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def kl(diffusers, tmp_path_factory):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = diffusers.AutoencoderKL(**SMALL_KL).eval()
    folder = tmp_path_factory.mktemp("kl")
    network.save_pretrained(folder)
    return network, folder


def test_a_saved_tiny_autoencoder_gives_what_diffusers_computes(diffusers, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = diffusers.AutoencoderTiny(
            encoder_block_out_channels=(8, 8), decoder_block_out_channels=(8, 8),
            num_encoder_blocks=(1, 2), num_decoder_blocks=(2, 1),
        ).eval()  # fmt: skip
    network.save_pretrained(tmp_path)
    ours = open_autoencoder([tmp_path])
    with torch.inference_mode():
        latents = network.encode(2 * IMAGES - 1).latents
        torch.testing.assert_close(ours.encode(IMAGES), latents)
        torch.testing.assert_close(ours.decode(latents), (network.decode(latents).sample + 1) / 2)
    assert ours.patch == 2


def test_a_saved_kl_autoencoder_gives_what_diffusers_computes(kl):
    network, folder = kl
    ours = open_autoencoder([folder])
    with torch.inference_mode():
        latents = network.encode(2 * IMAGES - 1).latent_dist.mode()
        torch.testing.assert_close(ours.encode(IMAGES), latents)
        torch.testing.assert_close(ours.decode(latents), (network.decode(latents).sample + 1) / 2)
    assert ours.patch == 2


def test_a_generator_over_a_kl_autoencoder_is_stored_with_its_decoder_alone(kl):
    generator = LatentAutoencoder(autoencoder=(str(kl[1]),)).fit(photographs(), embeddings(), device="cpu")
    config = json.loads(generator.config.model_dump_json())
    tensors = generator.tensors()
    assert not any(".encoder." in name for name in tensors)
    again = LatentAutoencoder.from_parts(config, tensors)
    new = embeddings(3, seed=1)
    np.testing.assert_array_equal(again.generate(new, device="cpu"), generator.generate(new, device="cpu"))
    with pytest.raises(InputValueError, match="stored without its encoder"):
        again.fit(photographs(), embeddings())


def test_folders_that_hold_something_else_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"config\.json"):
        open_autoencoder([tmp_path])
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DamagedFileError, match="not valid JSON"):
        open_autoencoder([tmp_path])
    from safetensors.torch import save_file

    save_file(tiny_weights(), tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text('{"_class_name": "UNet2DModel"}')
    with pytest.raises(InputValueError, match="holds 'UNet2DModel'; expected 'AutoencoderTiny' or 'AutoencoderKL'"):
        open_autoencoder([tmp_path])


def test_weights_that_do_not_fit_their_settings_are_named(kl, tmp_path):
    from safetensors.torch import save_file

    network, folder = kl
    weights = dict(network.state_dict())
    weights["decoder.conv_in.bias"] = torch.zeros(5)
    save_file(weights, tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text((folder / "config.json").read_text())
    with pytest.raises(InputValueError, match=r"do not fit their settings, first decoder\.conv_in\.bias"):
        open_autoencoder([tmp_path])


def test_without_diffusers_the_message_says_what_to_install(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file(tiny_weights(), tmp_path / "diffusion_pytorch_model.safetensors")
    (tmp_path / "config.json").write_text('{"_class_name": "AutoencoderKL"}')
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    monkeypatch.delitem(sys.modules, "diffusers", raising=False)
    with pytest.raises(MissingExtraError, match=r"pip install 'braincodec\[vision\]'"):
        open_autoencoder([tmp_path])
