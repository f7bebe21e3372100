"""Autoencoders of the TAESD family: their files, their arithmetic, real weights, and the generator over them."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnsafeFileError
from braincodec.image_generators.autoencoder import open_autoencoder
from braincodec.image_generators.latent_autoencoder import LatentAutoencoder, as_pixels, encode_images
from braincodec.image_generators.tiny_autoencoder import TinyAutoencoder

from .small_generators import embeddings, fitted, photographs, tiny_weights

CPU = torch.device("cpu")


def block(weights, name, x):
    """One block as the published description words it."""
    if f"{name}.pool.0.weight" in weights:
        pooled = F.conv2d(x, weights[f"{name}.pool.0.weight"])
        pooled = F.relu(F.group_norm(pooled, 4, weights[f"{name}.pool.1.weight"], weights[f"{name}.pool.1.bias"]))
        x = x + F.conv2d(pooled, weights[f"{name}.pool.3.weight"])
    hidden = x
    for place in (0, 2, 4):
        hidden = hidden if place == 0 else F.relu(hidden)
        hidden = F.conv2d(
            hidden, weights[f"{name}.conv.{place}.weight"], weights[f"{name}.conv.{place}.bias"], padding=1
        )
    return F.relu(hidden + x)


def convolve(weights, name, x, stride=1):
    return F.conv2d(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"), stride=stride, padding=1)


@pytest.mark.parametrize("pool", [False, True])
def test_the_network_computes_what_the_description_says(pool):
    weights = tiny_weights(pool)
    network = TinyAutoencoder.from_tensors(weights)
    images = torch.rand(2, 3, 8, 6, generator=torch.Generator().manual_seed(1))
    x = block(weights, "encoder.1", convolve(weights, "encoder.0", images))
    x = block(weights, "encoder.3", convolve(weights, "encoder.2", x, stride=2))
    latents = convolve(weights, "encoder.4", x)
    torch.testing.assert_close(network.encode(images), latents)
    x = F.relu(convolve(weights, "decoder.1", 3 * torch.tanh(latents / 3)))
    x = F.interpolate(block(weights, "decoder.3", x), scale_factor=2)
    x = block(weights, "decoder.6", convolve(weights, "decoder.5", x))
    torch.testing.assert_close(network.decode(latents), convolve(weights, "decoder.7", x))
    assert network.patch == 2


def diffusers_names(weights):
    """As `AutoencoderTiny` names them: within `layers`, the decoder without its first."""
    named = {}
    for name, value in weights.items():
        half, number, rest = name.split(".", 2)
        named[f"{half}.layers.{int(number) - (half == 'decoder')}.{rest}"] = value
    return named


def test_files_of_two_halves_of_torch_and_of_diffusers_hold_the_same_network(tmp_path):
    weights = tiny_weights()
    halves = {
        h: {n.removeprefix(f"{h}."): w for n, w in weights.items() if n.startswith(h)} for h in ("encoder", "decoder")
    }
    for half, tensors in halves.items():
        torch.save(tensors, tmp_path / f"{half}.pth")
        save_file(tensors, tmp_path / f"{half}.safetensors")
    save_file(diffusers_names(weights), tmp_path / "diffusion_pytorch_model.safetensors")
    latents = torch.rand(1, 4, 3, 3)
    expected = TinyAutoencoder.from_tensors(weights).decode(latents)
    for names in (["encoder.pth", "decoder.pth"], ["encoder.safetensors", "decoder.safetensors"],
                  ["diffusion_pytorch_model.safetensors"]):  # fmt: skip
        network = open_autoencoder([tmp_path / name for name in names])
        torch.testing.assert_close(network.decode(latents), expected, rtol=0, atol=0)


def test_other_weights_are_refused_by_the_names_that_differ():
    weights = tiny_weights()
    weights["decoder.7.extra"] = torch.zeros(1)
    with pytest.raises(
        InputValueError, match=r"no autoencoder of the TAESD family; first that differ: 'decoder.7.extra'"
    ):
        TinyAutoencoder.from_tensors(weights)
    with pytest.raises(InputValueError, match=r"no autoencoder of the TAESD family: 'fc.weight'"):
        TinyAutoencoder.from_tensors({"fc.weight": torch.zeros(2, 2)})


class Hostile:
    def __reduce__(self):
        return print, ("run",)


def test_files_that_are_absent_corrupt_or_hostile_are_refused(tmp_path):
    with pytest.raises(InputValueError, match="name the files"):
        LatentAutoencoder()
    with pytest.raises(MissingFileError, match=r"absent\.pth"):
        LatentAutoencoder(autoencoder=(str(tmp_path / "absent.pth"),))
    (tmp_path / "broken.safetensors").write_bytes(b"not tensors")
    with pytest.raises(DamagedFileError, match="broken"):
        open_autoencoder([tmp_path / "broken.safetensors"])
    (tmp_path / "hostile.pth").write_bytes(pickle.dumps({"0.weight": Hostile()}))
    with pytest.raises(UnsafeFileError):
        open_autoencoder([tmp_path / "hostile.pth"])


def test_the_stored_settings_name_files_without_folders(tmp_path):
    save_file(tiny_weights(), tmp_path / "tiny.safetensors")
    generator = LatentAutoencoder(autoencoder=(str(tmp_path / "tiny.safetensors"),))
    assert generator.config.autoencoder == ("tiny.safetensors",)
    assert generator.fit(photographs(), embeddings()).trained


def test_latents_that_embeddings_explain_are_decoded_into_what_the_autoencoder_makes_of_them():
    generator = fitted("latent_autoencoder", components=256, alphas=(1e-3,))
    rows = embeddings()
    pixels = torch.from_numpy(np.stack([*photographs()]))
    best = as_pixels(generator._autoencoder.decode(encode_images(generator._autoencoder, pixels, CPU))).numpy()
    images = generator.generate(rows, device="cpu")[:, 0].astype(float)
    floor = np.square(best - best.mean(0)).mean()
    assert np.square(images - best).mean() < 0.3 * floor


def test_images_that_do_not_divide_into_patches_and_a_stored_generator_without_encoder_cannot_be_fitted():
    generator = fitted("latent_autoencoder")
    with pytest.raises(InputValueError, match="7 x 7 pixels do not divide into the autoencoder's patches of 2"):
        generator.fit(photographs(side=7), embeddings())
    trained = fitted("latent_autoencoder")
    stored = LatentAutoencoder.from_parts(trained.config.model_dump(), trained.tensors())
    with pytest.raises(InputValueError, match="stored without its encoder"):
        stored.fit(photographs(), embeddings())


def test_half_precision_gives_nearly_the_same_images():
    generator = fitted("latent_autoencoder")
    full, half = (generator.generate(embeddings(3), dtype=dtype, device="cpu") for dtype in ("float32", "bfloat16"))
    assert np.abs(full.astype(int) - half.astype(int)).mean() < 3


def test_real_weights_reconstruct_photographs(shared_data):
    data = pytest.importorskip("skimage.data")
    from braincodec.features.preprocessing import Preprocessing

    files = [shared_data / "taef2" / f"taef2_{half}.pth" for half in ("encoder", "decoder")]
    network = open_autoencoder(files)
    assert network.patch == 8
    crop = Preprocessing(square_crop=True, resize=(256, 256), interpolation="bicubic", divisor=1.0)
    photos = [crop(getattr(data, name)()[None]) for name in ("astronaut", "chelsea")]
    pixels = torch.cat(photos).byte().movedim(1, -1)
    latents = encode_images(network, pixels, CPU)
    assert latents.shape == (2, 32, 32, 32)
    with torch.inference_mode():
        error = as_pixels(network.decode(latents)).double() - pixels.double()
    quality = 10 * torch.log10(255**2 / error.square().mean((1, 2, 3)))
    assert quality.min() > 29  # dB; 29.6 is what is known of it on other photographs
