"""The whole model with networks to train: the fMRI autoencoder, joint alignment, MaskGIT, published checkpoints."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

import braincodec as bc
from braincodec.datasets import Split
from braincodec.errors import InputValueError, MissingFileError, UnsafeFileError
from braincodec.features import Backbone, Preprocessing
from braincodec.image_generators import IMAGE_GENERATORS
from braincodec.legacy import read_legacy
from braincodec.models.lea.fmri_autoencoder import reconstruction
from braincodec.models.lea.latent_training import draw_held_out
from braincodec.models.lea.standardisation import LeakWarning, fit_standardisation, published_standardisation
from braincodec.responses import build_responses, build_units

from .small_lea import autoencoder, token_generator, tokenizer
from .small_recording import GABOR, patches, recording

SMALL = {
    "width": 16, "depth": 1, "heads": 2, "latent": 12, "decoder_width": 8, "decoder_depth": 1, "tokens_per_region": 2,
    "epochs": 4, "learning_rate": 3e-3,
}  # fmt: skip


def trained(data, **settings) -> bc.LEA:
    chosen = {"generator": "retrieval", "autoencoder": SMALL, **GABOR, **settings}
    return bc.LEA(**chosen).fit(data)


def weights(model: bc.LEA) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in model.tensors().items() if name.startswith("latent.")}


def same(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def data():
    return recording(validation=6)


@pytest.fixture(scope="module")
def lea(data):
    return trained(data)


def test_the_autoencoder_gives_both_directions_and_is_stored(lea, data, tmp_path):
    seen, fmri = data.part("test")
    again = bc.Encoder.load(lea.save(tmp_path / "lea"))
    for model in (lea, again):
        assert model.fmri_latents(fmri).shape == (8, 12)
        assert len(model.decode(fmri, n_samples=2)) == 16
    np.testing.assert_array_equal(again.encode(seen).values, lea.encode(seen).values)
    np.testing.assert_array_equal(again.predict_embeddings(fmri).values, lea.predict_embeddings(fmri).values)
    curve = again.description.training["curve"]
    assert [entry["epoch"] for entry in curve] == [1, 2, 3, 4]
    assert {"loss", "validation_loss"} <= set(curve[0])
    assert "Learning curve" in (tmp_path / "lea" / "README.md").read_text()


def test_cross_validation_of_latents_that_know_all_folds_is_called_too_good(lea, data):
    assert "too good" in lea.description.training["alignment"]["caution"]
    other = bc.LEA(generator="retrieval", fmri_latent="components", **GABOR).fit(data)
    assert "caution" not in other.description.training["alignment"]


def test_neither_direction_depends_on_the_batch_size(lea, data):
    seen, fmri = data.part("test")
    together, latents = lea.encode(seen).values, lea.fmri_latents(fmri).values
    for size in (1, 3):
        np.testing.assert_array_equal(lea.encode(seen, batch_size=size).values, together)
        np.testing.assert_array_equal(lea.fmri_latents(fmri[:size]).values, latents[:size])


def test_half_precision_is_nearly_the_same(lea, data):
    seen, fmri = data.part("test")
    for exact, half in (
        (lea.encode(seen).values, lea.encode(seen, dtype="bfloat16").values),
        (lea.fmri_latents(fmri).values, lea.fmri_latents(fmri, dtype="bfloat16").values),
    ):
        assert 0 < np.abs(exact - half).max() < 0.1 * exact.std() + 0.05 * np.abs(exact).max()


def test_one_network_at_a_time_gives_the_same_images(lea, data):
    _, fmri = data.part("test")
    wanted = np.stack(list(lea.decode(fmri)))
    np.testing.assert_array_equal(np.stack(list(lea.decode(fmri, one_network_at_a_time=True))), wanted)
    assert lea.latent_there is None
    np.testing.assert_array_equal(np.stack(list(lea.decode(fmri))), wanted)


def test_equal_seeds_give_equal_models(lea, data):
    assert same(weights(trained(data)), weights(lea))
    assert not same(weights(trained(data, seed=1)), weights(lea))


def test_an_interrupted_training_goes_on(lea, data, tmp_path, monkeypatch):
    step, done = reconstruction.Reconstruction.step, []

    def interrupted(self, *args, **kwargs):
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt
        return step(self, *args, **kwargs)

    model = bc.LEA(generator="retrieval", autoencoder=SMALL, **GABOR)
    with monkeypatch.context() as patched:
        patched.setattr(reconstruction.Reconstruction, "step", interrupted)
        with pytest.raises(KeyboardInterrupt):
            model.fit(data, workspace=tmp_path)
    assert not model.trained
    features = sorted(path.name for path in (tmp_path / "features").iterdir())
    model.fit(data, workspace=tmp_path)
    assert same(weights(model), weights(lea))
    assert sorted(path.name for path in (tmp_path / "features").iterdir()) == features


def test_without_validation_stimuli_some_training_stimuli_choose_the_epoch(data):
    split = Split(train=data.split.train, test=data.split.test)
    assert trained(data.with_split(split)).description.training["best_epoch"] >= 1


def test_what_is_held_out_are_whole_groups():
    groups = np.repeat(np.arange(20), 3)
    held_out = draw_held_out(groups, 0.1, seed=3)
    assert held_out.sum() == 6
    assert all(len(set(held_out[groups == one])) == 1 for one in range(20))
    with pytest.raises(InputValueError, match="2 groups of training stimuli cannot be divided"):
        draw_held_out(np.array([0, 0, 1]), 0.1, seed=0)


def test_joint_alignment_and_a_retrieval_head_are_learnt_and_stored(data, tmp_path):
    quick = {"epochs": 2, "weight_decays": [0.0]}
    lea = trained(
        data, fmri_latent="components", alignment="joint", joint=quick, retrieval="head", head=quick, **patches()
    )
    seen, fmri = data.part("test")
    assert lea.retrieval_head is not None
    assert {"joint", "head", "decoding", "encoding"} <= set(lea.description.training["alignment"])
    wanted = lea.retrieve(fmri, seen, k=3)
    again = bc.Encoder.load(lea.save(tmp_path / "lea"), backbone=patches()["image_embedding"])
    assert again.retrieve(fmri, seen, k=3).equals(wanted)


def test_settings_that_contradict_each_other_are_refused():
    with pytest.raises(InputValueError, match="pretrained belongs to fmri_latent 'autoencoder'"):
        bc.LEA(generator="retrieval", fmri_latent="voxels", pretrained="x.pth")
    with pytest.raises(InputValueError, match="finetune=False uses the autoencoder of pretrained as it is"):
        bc.LEA(generator="retrieval", finetune=False)
    with pytest.raises(InputValueError, match="decoding_intercept=False belongs to ridge"):
        bc.LEA(generator="retrieval", alignment="joint", decoding_intercept=False)
    with pytest.raises(InputValueError, match=r"unknown key 'autoencoder\.widht' \(did you mean 'width'"):
        bc.LEA(generator="retrieval", autoencoder={"widht": 3})


def test_one_seed_is_for_all_that_is_trained_unless_it_has_its_own():
    recipe = bc.LEA(generator="retrieval", seed=5, head={"seed": 2}).recipe
    assert (recipe.autoencoder.seed, recipe.joint.seed, recipe.head.seed) == (5, 5, 2)
    again = type(recipe).parse(recipe.model_dump(mode="json"))
    assert again == recipe


@pytest.fixture
def checkpoint(data, tmp_path):
    """A published checkpoint of this recording's regions."""
    network = autoencoder(voxels=(10, 10, 10), tokens_per_region=2, depth=1, decoder_depth=1)
    state = {f"module.transformer.{name}": tensor for name, tensor in network.state_dict().items()}
    path = tmp_path / "published.pth"
    torch.save({"model": state, "config": {"num_heads": 2}}, path)
    return path, network


def test_a_published_checkpoint_is_used_as_it_is_or_trained_further(data, checkpoint):
    path, network = checkpoint
    as_it_is = trained(data, pretrained=path, finetune=False)
    assert as_it_is.config.voxels == (10, 10, 10)
    assert all(torch.equal(t, network.state_dict()[n.removeprefix("latent.")]) for n, t in weights(as_it_is).items())
    assert "curve" not in as_it_is.description.training
    further = trained(data, pretrained=path, autoencoder={"epochs": 1})
    assert further.config.autoencoder.width == network.config.width


def test_what_training_is_to_start_from_is_checked_first(data, checkpoint, tmp_path, monkeypatch):
    path, _ = checkpoint
    monkeypatch.setattr("braincodec.models.lea.fitting.embed_training_images", None)  # long work
    with pytest.raises(InputValueError, match="is no autoencoder of test/1, which has 2 regions of 15, 5 voxels"):
        trained(data, pretrained=path, finetune=False, regions=["V1", "V2"])
    with pytest.raises(InputValueError, match="other sizes than the settings"):
        trained(data, pretrained=path, autoencoder={"width": 32})
    with pytest.raises(MissingFileError):
        trained(data, pretrained=tmp_path / "nowhere.pth")
    torch.save({"model": {"x": np.add}}, tmp_path / "hostile.pth")
    with pytest.raises(UnsafeFileError):
        trained(data, pretrained=tmp_path / "hostile.pth")
    torch.save({"model": tokenizer().state_dict()}, tmp_path / "foreign.pth")
    with pytest.raises(InputValueError, match="is no checkpoint of an fMRI autoencoder"):
        trained(data, pretrained=tmp_path / "foreign.pth", finetune=False)


def test_maskgit_draws_images_for_predicted_embeddings(data, tmp_path):
    networks = tokenizer(), token_generator(embedding=48)
    generator = IMAGE_GENERATORS.get("maskgit").over(*networks, sampling={"steps": 3})
    lea = bc.LEA(generator=generator, fmri_latent="components", **patches()).fit(data)
    _, fmri = data.part("test")
    images = np.stack(list(lea.decode(fmri[:3], n_samples=2, seed=4)))
    again = bc.Encoder.load(lea.save(tmp_path / "lea"), backbone=patches()["image_embedding"])
    np.testing.assert_array_equal(np.stack(list(again.decode(fmri[:3], n_samples=2, seed=4))), images)
    np.testing.assert_array_equal(np.stack(list(lea.decode(fmri[:3], n_samples=2, seed=4, batch_size=1))), images)
    np.testing.assert_array_equal(np.stack(list(lea.decode(fmri[:1], seed=4))), images[:1])
    second = lea.decode(fmri[1:2], n_samples=2, seed=4, stimuli=[1])
    np.testing.assert_array_equal(np.stack(list(second)), images[2:4])
    with pytest.raises(InputValueError, match="one number for each of 2 patterns, got 1"):
        lea.decode(fmri[:2], stimuli=[1])


def test_a_token_generator_is_trained_with_the_model_and_its_curve_kept(data, tmp_path):
    training = {"width": 16, "depth": 1, "heads": 2, "epochs": 1}
    generator = IMAGE_GENERATORS.get("maskgit").over(
        tokenizer(), token_generator_training=training, sampling={"steps": 2}, image_size=16
    )
    lea = bc.LEA(generator=generator, fmri_latent="components", **patches()).fit(data, workspace=tmp_path)
    assert not generator.trained
    assert len(lea.description.training["token_generator"]["curve"]) == 1
    assert lea.decode(data.part("test")[1][:1])[0].shape == (16, 16, 3)


def test_published_preprocessing_of_god_leaves_test_patterns_as_they_are(data):
    god = dataclasses.replace(data, dataset="god")
    lea = trained(god, fmri_latent="voxels", preprocessing="published")
    train = god.part("train")[1].values
    stored = lea.tensors()
    np.testing.assert_allclose(stored["standardisation.mean"], train.mean(), rtol=1e-4)
    np.testing.assert_allclose(stored["standardisation.deviation"], train.std(), rtol=1e-4)
    patterns = god.part("test")[1].mean("repetition").values
    np.testing.assert_allclose(np.sort(lea.fmri_latents(patterns).values, 1), np.sort(patterns, 1), rtol=1e-6)
    assert "test patterns were left as they are" in lea.description.training["preprocessing"]
    assert lea.encode(god.part("test")[0]).values.mean() == pytest.approx(train.mean(), rel=0.05)


def test_published_preprocessing_of_bold5000_needs_the_test_patterns_and_is_named(data):
    bold = dataclasses.replace(data, dataset="bold5000")
    lea = bc.LEA(generator="retrieval", fmri_latent="voxels", preprocessing="published", **GABOR)
    with pytest.raises(InputValueError, match="judged_patterns"):
        lea.fit(bold)
    judged = bold.part("test")[1].mean("repetition")
    with pytest.warns(LeakWarning, match="statistics of the test set enter"):
        lea.fit(bold, judged_patterns=judged)
    together = np.concatenate([bold.part("train")[1].values.ravel(), judged.values.ravel()])
    np.testing.assert_allclose(lea.tensors()["standardisation.given_mean"], together.mean(), rtol=1e-4)
    assert "statistics of the test set" in lea.description.training["preprocessing"]


def test_published_preprocessing_is_of_two_data_sets(data):
    with pytest.raises(InputValueError, match="is known of god and bold5000, not of test"):
        trained(data, preprocessing="published")
    with pytest.raises(InputValueError, match="looks at training patterns only"):
        published_standardisation(np.eye(3, dtype=np.float32), "god", np.eye(3, dtype=np.float32))
    model = bc.LEA(generator="retrieval", fmri_latent="voxels", **GABOR)
    with pytest.raises(InputValueError, match="judged_patterns belong to preprocessing='published'"):
        model.fit(data, judged_patterns=np.zeros((2, 30)))


def test_standardisation_is_undone():
    patterns = np.random.default_rng(0).normal(3, 2, (50, 4)).astype(np.float32)
    patterns[:, 2] = 7.1
    found = fit_standardisation(patterns)
    np.testing.assert_allclose(found.training(patterns)[:, [0, 1, 3]].std(0), 1, rtol=1e-5)
    np.testing.assert_allclose(found.undo(found.given(patterns)), patterns, rtol=1e-5)


@pytest.mark.parametrize("name", ["units.order", "decoding.weights", "standardisation.mean", "latent.cls_token"])
def test_stored_parts_that_do_not_fit_are_refused(lea, name):
    tensors = lea.tensors()
    tensors[name] = tensors[name][:-1] if name != "latent.cls_token" else tensors[name][..., :-1]
    with pytest.raises(InputValueError):
        bc.LEA.from_parts(lea.config, tensors, lea.units, lea.description)


@pytest.fixture
def golden_parts(golden):
    """Published networks as files, and what the published code answers."""
    files = {name: golden / "lea" / f"{name}.pt" for name in ("fmri_autoencoder", "maskgit_transformer", "maskgit_vq")}
    answers = {key: np.array(value) for key, value in read_legacy(files["fmri_autoencoder"]).items() if key != "model"}
    return files, {key: answers[key][:, 0] for key in ("fmri", "latent", "reconstruction")}


def test_published_networks_put_together_give_the_published_answers(golden_parts):
    files, answers = golden_parts
    seen = recording(voxels=114, repetitions=1)
    sizes = np.cumsum([0, 40, 25, 31, 18])
    numbers = np.arange(114)
    rois = {f"R{n}": (numbers >= sizes[n]) & (numbers < sizes[n + 1]) for n in range(4)}
    units = build_units(scores={"column": numbers}, rois=rois)
    responses = build_responses(seen.responses.values, seen.responses["stimulus"].values, units)
    god = dataclasses.replace(seen, dataset="god", responses=responses, units=units)
    module = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 1024))
    lea = bc.LEA(
        Backbone("wide", module, Preprocessing(resize=(32, 32))),
        {
            "kind": "maskgit",
            "tokenizer_checkpoint": str(files["maskgit_vq"]),
            "token_generator_checkpoint": str(files["maskgit_transformer"]),
            "sampling": {"steps": 2},
        },
        embedding_layer="output",
        unit_length=True,
        pretrained=files["fmri_autoencoder"],
        finetune=False,
        alphas=500.0,
        decoding_intercept=False,
        preprocessing="published",
    ).fit(god)
    latents = lea.fmri_latents(answers["fmri"]).values
    assert np.abs(latents - answers["latent"]).max() <= 1e-4 * answers["latent"].std()
    lea.prepare(torch.device("cpu"), torch.float32)
    stored = lea.tensors()
    mean, deviation = stored["standardisation.mean"].numpy(), stored["standardisation.deviation"].numpy()
    with torch.inference_mode():
        patterns = (lea.responses_of(answers["latent"]).numpy() - mean) / deviation
    assert np.abs(patterns - answers["reconstruction"]).max() <= 1e-4 * answers["reconstruction"].std()
    lengths = np.linalg.norm(lea.predict_embeddings(answers["fmri"]).values, axis=1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-5)
    assert lea.decode(answers["fmri"][:1])[0].shape == (64, 64, 3)
