"""MaskGIT trained by `fit`: it follows its embedding, goes on when interrupted, and holds one network at a time."""

from __future__ import annotations

import json
import weakref

import numpy as np
import pytest
import torch

from braincodec.errors import InputValueError, NotTrainedError
from braincodec.evaluation.decoding import two_way_identification
from braincodec.image_generators import maskgit_training, sampling
from braincodec.image_generators.maskgit import MaskGIT
from braincodec.models.gradient_training import loop
from braincodec.models.lea.token_generator import TokenGeneratorSettings
from braincodec.models.lea.token_generator.training import TokenGeneratorTask
from braincodec.models.lea.tokenizer.images import TrainingImages
from braincodec.models.lea.tokenizer.settings import TokenizerSettings
from braincodec.stimuli import StimulusSet

from ..models.lea.small_lea import token_generator, tokenizer
from .small_generators import WIDTH, embeddings, photographs

TOKENIZER = {
    "base_width": 32, "groups": 8, "multipliers": (1, 1, 2), "blocks": 1, "middle_blocks": 0, "code_width": 8,
    "codebook_size": 16, "perceptual": "none", "adversarial": 0.0, "epochs": 12, "learning_rate": 1e-3,
}  # fmt: skip
GENERATOR = {
    "width": 64, "depth": 2, "heads": 4, "batch_size": 16, "epochs": 25, "learning_rate": 3e-3, "dropout": 0.0,
}  # fmt: skip
QUICK = {"tokenizer_training": TOKENIZER | {"epochs": 1}, "token_generator_training": GENERATOR | {"epochs": 2}}
COLOURS = np.array([[220, 40, 40], [40, 200, 60], [50, 60, 220], [230, 220, 60]])


def world(count: int, seed: int):
    """Images of four squares; the signs of two values of the embedding say which colour each has."""
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (count, 8))
    vectors = (2 * bits - 1 + 0.1 * rng.normal(size=bits.shape)).astype(np.float32)
    squares = COLOURS[2 * bits[:, ::2] + bits[:, 1::2]].reshape(count, 2, 2, 3)
    images = np.kron(squares, np.ones((1, 4, 4, 1))) + 8 * rng.normal(size=(count, 8, 8, 3))
    return images.clip(0, 255).astype(np.uint8), vectors


def fitted(count=24, workspace=None, **settings) -> MaskGIT:
    images, vectors = world(count, seed=0)
    generator = MaskGIT(**(QUICK | settings))
    return generator.fit(StimulusSet.open(images), vectors, workspace=workspace, device="cpu", progress=False)


def same(one: MaskGIT, other: MaskGIT) -> bool:
    theirs = other.tensors()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in one.tensors().items())


@pytest.fixture(scope="module")
def trained() -> MaskGIT:
    return fitted()


@pytest.mark.slow
def test_images_of_new_embeddings_are_told_apart_far_above_chance():
    trained = fitted(200, tokenizer_training=TOKENIZER, token_generator_training=GENERATOR)
    truth, vectors = world(40, seed=5)
    made = trained.generate(vectors, device="cpu")[:, 0]
    rates = two_way_identification(made.reshape(40, -1).astype(float), truth.reshape(40, -1).astype(float))
    assert rates.mean() > 0.75, "chance is one in two"
    untrained = fitted(24).generate(vectors, device="cpu")[:, 0]
    floor = two_way_identification(untrained.reshape(40, -1).astype(float), truth.reshape(40, -1).astype(float))
    assert rates.mean() > floor.mean() + 0.15


def test_stored_parts_make_the_same_images_and_say_how_they_were_trained(trained):
    config = json.loads(trained.config.model_dump_json())
    again = MaskGIT.from_parts(config, {name: value.clone() for name, value in trained.tensors().items()})
    vectors = world(3, seed=6)[1]
    np.testing.assert_array_equal(again.generate(vectors, device="cpu"), trained.generate(vectors, device="cpu"))
    assert again.config == trained.config
    assert again.config.token_generator_training == TokenGeneratorSettings.parse(QUICK["token_generator_training"])
    assert again.config.rows == 2


def test_the_history_has_the_curve_of_each_network(trained):
    assert set(trained.history) == {"tokenizer", "token_generator"}
    for part, epochs in (("tokenizer", 1), ("token_generator", 2)):
        history = trained.history[part]
        assert len(history["curve"]) == epochs and 1 <= history["best_epoch"] <= epochs
    assert MaskGIT.over(tokenizer(), token_generator()).fit(photographs(), embeddings()).history == {}


def test_equal_seeds_give_equal_generators_and_a_cut_run_goes_on_exactly(tmp_path, monkeypatch):
    whole = fitted()
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    step, steps = TokenGeneratorTask.step, []

    def cut_short(self, rows, generator, done):
        steps.append(len(rows))
        if len(steps) == 3:
            raise KeyboardInterrupt
        return step(self, rows, generator, done)

    with monkeypatch.context() as within:
        within.setattr(TokenGeneratorTask, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            fitted(workspace=tmp_path)
        resumed = fitted(workspace=tmp_path)
    assert len(steps) == 3 + 2, "two epochs of two steps: the third is done again, then the fourth"
    assert same(resumed, whole)
    assert same(fitted(workspace=tmp_path), whole)


def test_a_token_generator_is_trained_over_a_given_tokenizer(tmp_path):
    images, vectors = world(24, seed=0)
    given_one = tokenizer(multipliers=(1, 1, 2))
    path = tmp_path / "vq.pt"
    torch.save({"model": {f"module.{name}": value for name, value in given_one.state_dict().items()}}, path)
    settings = {"token_generator_training": QUICK["token_generator_training"]}
    stimuli = StimulusSet.open(images)
    read = MaskGIT(tokenizer_checkpoint=str(path), **settings).fit(stimuli, vectors, device="cpu")
    over = MaskGIT.over(given_one, **settings).fit(stimuli, vectors, device="cpu")
    assert same(read, over)
    weights = read.tensors()
    assert all(torch.equal(weights[f"tokenizer.{name}"], value) for name, value in given_one.state_dict().items())
    assert read.config.tokenizer_checkpoint == "vq.pt" and set(read.history) == {"token_generator"}
    assert read.config.token_generator.codebook_size == 24


def test_images_that_are_not_square_and_are_brought_to_one_size():
    wide = StimulusSet.open(np.random.default_rng(0).integers(0, 255, (24, 20, 30, 3), np.uint8))
    generator = MaskGIT(image_size=(8, 12), **QUICK).fit(wide, world(24, 0)[1], device="cpu")
    assert generator.generate(world(1, 1)[1], device="cpu").shape == (1, 1, 8, 12, 3)
    with pytest.raises(InputValueError, match="20 x 30 pixels do not divide"):
        MaskGIT(**QUICK).fit(wide, world(24, 0)[1], device="cpu")


def test_tokens_of_images_are_those_that_the_tokenizer_gives():
    network, images = tokenizer(), TrainingImages(photographs())
    found = maskgit_training.tokens_of(network, images, torch.device("cpu"))
    with torch.inference_mode():
        pixels = images.pixels(np.arange(len(images))).float() / 255
        assert np.array_equal(found, network.quantise(network.encode(pixels)).numpy())


def test_without_any_settings_both_networks_are_trained_at_the_reduced_size(monkeypatch):
    assert maskgit_training.REDUCED["tokenizer_training"].size == "small"
    assert maskgit_training.REDUCED["token_generator_training"].size == "small"
    parts = {"tokenizer_training": TokenizerSettings, "token_generator_training": TokenGeneratorSettings}
    monkeypatch.setattr(maskgit_training, "REDUCED", {name: kind.parse(QUICK[name]) for name, kind in parts.items()})
    images, vectors = world(20, seed=0)
    generator = MaskGIT().fit(StimulusSet.open(images), vectors, device="cpu")
    assert generator.config.tokenizer_training == parts["tokenizer_training"].parse(QUICK["tokenizer_training"])
    assert generator.generate(vectors[:1], device="cpu").shape == (1, 1, 8, 8, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer_checkpoint": "a.pt"} | QUICK, "tokenizer_checkpoint and tokenizer_training exclude each other"),
        (
            {"token_generator_checkpoint": "a.pt", "token_generator_training": GENERATOR},
            "token_generator_checkpoint and token_generator_training exclude each other",
        ),
        ({"token_generator_checkpoint": "a.pt", "tokenizer_training": TOKENIZER}, "tokens of its own tokenizer"),
        ({"tokenizer_training": TOKENIZER}, "token_generator_training is missing"),
        ({"image_size": 32, **QUICK, "tokenizer_training": TOKENIZER | {"image_size": 16}}, "32 .* 16, differ"),
        ({"token_generator_training": {"epoch": 3}}, "unknown key 'token_generator_training.epoch'"),
    ],
)
def test_settings_that_exclude_each_other_are_refused_when_the_generator_is_made(settings, message):
    with pytest.raises(InputValueError, match=message):
        MaskGIT(**settings)


def test_a_network_that_is_missing_is_named():
    with pytest.raises(NotTrainedError, match="has no tokenizer; give tokenizer_checkpoint or tokenizer_training"):
        MaskGIT(token_generator_training=GENERATOR).fit(photographs(), embeddings())
    with pytest.raises(NotTrainedError, match="has no token generator; give token_generator_training"):
        MaskGIT.over(tokenizer()).fit(photographs(), embeddings())
    with pytest.raises(NotTrainedError, match="not trained"):
        MaskGIT.over(tokenizer()).generate(embeddings(1))


def test_one_network_at_a_time_when_asked_and_no_encoder_at_any_time(monkeypatch):
    generator = MaskGIT.over(tokenizer(), token_generator())
    placed, alive, names = sampling.placed, [], []

    def watched(network, device, dtype):
        names.append({name.split(".")[0] for name, _ in network.named_parameters()})
        alive.append(sum(one() is not None for one in copies))
        made = placed(network, device, dtype)
        copies.append(weakref.ref(made))
        return made

    copies: list[weakref.ref] = []
    monkeypatch.setattr(sampling, "placed", watched)
    rows = np.zeros((2, WIDTH))
    asked = generator.generate(rows, dtype="bfloat16", device="cpu", one_network_at_a_time=True)
    assert alive == [0, 0], "none is there when another is placed"
    assert not any(one() is not None for one in copies)
    kept = generator.generate(rows, dtype="bfloat16", device="cpu")
    assert alive == [0, 0, 0, 1]
    np.testing.assert_array_equal(generator.generate(rows, dtype="bfloat16", device="cpu"), kept)
    assert len(alive) == 4, "copies serve again"
    np.testing.assert_array_equal(asked, kept)
    assert all("encoder" not in one for one in names)
