"""MaskGIT behind the interface: checkpoints, tokens and images."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from braincodec.errors import InputValueError, MissingFileError
from braincodec.image_generators.maskgit import MaskGIT
from braincodec.models.lea.token_generator import sample_tokens

from ..models.lea.small_lea import token_generator, tokenizer
from .small_generators import WIDTH, embeddings, photographs


def save(network, path):
    torch.save({"model": {f"module.{name}": value for name, value in network.state_dict().items()}}, path)
    return str(path)


def test_images_are_the_decoded_tokens_of_the_sampler():
    tokens = sample_tokens(token_generator(), torch.from_numpy(embeddings(3)), n_samples=2, seed=5)
    with torch.inference_mode():
        decoded = tokenizer().decode_ids(tokens.view(6, 4, 4))
    images = MaskGIT.over(tokenizer(), token_generator()).generate(embeddings(3), n_samples=2, seed=5, device="cpu")
    expected = (decoded.clamp(0, 1) * 255).movedim(1, -1).view(3, 2, 8, 8, 3).numpy()
    assert np.abs(images - expected).max() <= 0.51


def test_published_checkpoints_are_read_when_the_generator_is_made(tmp_path):
    generator = MaskGIT(
        tokenizer_checkpoint=save(tokenizer(), tmp_path / "vq.pt"),
        token_generator_checkpoint=save(token_generator(heads=16, width=32), tmp_path / "transformer.pt"),
        sampling={"steps": 3},
    )
    assert generator.embedding.dimension == WIDTH
    assert (generator.config.tokenizer_checkpoint, generator.config.token_generator_checkpoint) == (
        "vq.pt", "transformer.pt",
    )  # fmt: skip
    assert generator.fit(photographs(), embeddings()).generate(embeddings(1), device="cpu").shape == (1, 1, 8, 8, 3)


def test_checkpoints_that_are_absent_or_incomplete_are_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"absent\.pt"):
        MaskGIT(token_generator_checkpoint=str(tmp_path / "absent.pt"))
    with pytest.raises(InputValueError, match="token_generator_checkpoint is missing"):
        MaskGIT(tokenizer_checkpoint=str(tmp_path / "vq.pt"))


def test_networks_that_were_not_trained_together_are_refused():
    with pytest.raises(InputValueError, match="codebook has 24 entries, the token generator draws from 30"):
        MaskGIT.over(tokenizer(), token_generator(codebook_size=30))
    with pytest.raises(InputValueError, match="12 tokens make no grid"):
        MaskGIT.over(tokenizer(), token_generator(tokens=12))
    wide = MaskGIT.over(tokenizer(), token_generator(tokens=12), rows=3)
    assert wide.generate(embeddings(1), device="cpu").shape == (1, 1, 6, 8, 3)


def test_fitting_compares_the_width_of_embeddings_and_keeps_the_networks():
    generator = MaskGIT.over(tokenizer(), token_generator())
    with pytest.raises(InputValueError, match="reads embeddings of 10 values, got 4"):
        generator.fit(photographs(), embeddings()[:, :4])
    assert generator.generate(embeddings(1), device="cpu").shape == (1, 1, 8, 8, 3)


def test_brain_floats_serve_both_networks_and_leave_them_as_they_were():
    generator = MaskGIT.over(tokenizer(), token_generator())
    before = generator.generate(embeddings(2), device="cpu")
    assert generator.generate(embeddings(2), dtype="bfloat16", device="cpu").shape == before.shape
    np.testing.assert_array_equal(generator.generate(embeddings(2), device="cpu"), before)


def test_checkpoints_of_the_published_code_make_images(golden):
    names = {"tokenizer_checkpoint": "maskgit_vq", "token_generator_checkpoint": "maskgit_transformer"}
    files = {part: str(golden / "lea" / f"{name}.pt") for part, name in names.items()}
    generator = MaskGIT(**files, sampling={"steps": 3})
    rows = np.random.default_rng(0).normal(size=(2, generator.embedding.dimension))
    images = generator.generate(rows, n_samples=2, device="cpu")
    side = generator.config.rows * generator.config.tokenizer.patch
    assert images.shape == (2, 2, side, side, 3)
    np.testing.assert_array_equal(generator.generate(rows[1:], stimuli=[1], device="cpu")[0, 0], images[1, 0])
