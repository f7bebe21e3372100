"""Training of one subject's autoencoder: what is learnt, from where, and a cut run that goes on exactly."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from braincodec.errors import InputTypeError, InputValueError, MissingFileError, UnsafeFileError
from braincodec.models.gradient_training import loop
from braincodec.models.lea.fmri_autoencoder import FMRIAutoencoderSettings, fit_autoencoder
from braincodec.models.lea.fmri_autoencoder.reconstruction import Reconstruction, dropping_voxels, hiding_runs
from braincodec.models.lea.fmri_autoencoder.start import first_network

from .low_rank_patterns import REGIONS, TINY, explained, principal_components, standardised, world
from .small_lea import autoencoder, numbers


def settings(**changed) -> FMRIAutoencoderSettings:
    return FMRIAutoencoderSettings.parse({**TINY, **changed})


def fit(count=60, **changed):
    keys = {"start", "subject", "workspace", "voxels"} & set(changed)
    own = {key: changed.pop(key) for key in keys}
    voxels = own.pop("voxels", REGIONS)
    train, validation = standardised(*world(count, 20, voxels=voxels))
    asked = FMRIAutoencoderSettings.parse({"batch_size": 16, **changed}) if "start" in own else settings(**changed)
    return fit_autoencoder(train, validation, voxels, asked, device="cpu", **own)


@pytest.mark.slow
def test_held_out_patterns_are_reconstructed_nearly_as_well_as_by_components_of_the_true_rank():
    train, validation, unseen = standardised(*world(200, 40, 100))
    asked = settings(epochs=12, learning_rate=0.006, width=32, heads=4, decoder_width=32)
    network = fit_autoencoder(train, validation, REGIONS, asked, device="cpu").network
    with torch.no_grad():
        ours = explained(unseen, network(torch.from_numpy(unseen)).numpy())
    best = explained(unseen, principal_components(train, unseen))
    assert best > 0.75
    assert ours > 0.8 * best, "the mean pattern explains nothing"


def test_the_epoch_with_the_least_error_on_validation_is_kept():
    trained = fit(epochs=4)
    errors = [entry["validation_error"] for entry in trained.curve]
    assert trained.best_epoch == 1 + int(np.argmin(errors))
    _, validation = standardised(*world(60, 20))
    with torch.no_grad():
        reconstructed = trained.network(torch.from_numpy(validation)).numpy()
    assert 1 - explained(validation, reconstructed) == pytest.approx(min(errors), rel=1e-4)
    assert not trained.network.training and trained.network.cls_token.device.type == "cpu"


def test_patience_ends_a_training_that_brings_nothing_better():
    rng = np.random.default_rng(0)
    train, validation = standardised(rng.normal(size=(30, 24)), rng.normal(size=(10, 24)))
    trained = fit_autoencoder(train, validation, REGIONS, settings(epochs=60, patience=2), device="cpu")
    assert len(trained.curve) == trained.best_epoch + 2 < 60


def test_a_run_that_was_cut_short_goes_on_to_the_very_same_weights(tmp_path, monkeypatch):
    asked = {"epochs": 4, "dropout": 0.1}
    whole = fit(**asked)
    monkeypatch.setattr(loop, "SECONDS_BETWEEN_SAVES", 0.0)
    step, taken = Reconstruction.step, []

    def cut_short(self, rows, generator, done):
        taken.append(len(rows))
        if len(taken) == 10:
            raise KeyboardInterrupt
        return step(self, rows, generator, done)

    with monkeypatch.context() as within:
        within.setattr(Reconstruction, "step", cut_short)
        with pytest.raises(KeyboardInterrupt):
            fit(workspace=tmp_path, **asked)
        done = len(taken)
        resumed = fit(workspace=tmp_path, **asked)
    assert len(taken) - done < 4 * 4, "it began anew"
    assert resumed.curve == whole.curve and resumed.best_epoch == whole.best_epoch
    assert same(resumed.network, whole.network)
    assert same(fit(workspace=tmp_path, **asked).network, whole.network)


def test_other_data_settings_or_start_do_not_go_on_from_a_workspace(tmp_path):
    fit(workspace=tmp_path, epochs=1)
    for changed in ({"count": 50}, {"seed": 1}, {"start": autoencoder(REGIONS)}, {"voxels": (8, 9, 7)}):
        fit(workspace=tmp_path, epochs=1, **changed)
    assert len(list(tmp_path.glob("fmri-autoencoder-*"))) == 5


def test_seeds_decide_and_the_global_generator_is_left_alone():
    torch.manual_seed(3)
    state = torch.get_rng_state()
    first = fit(epochs=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert same(first.network, fit(epochs=1).network)
    assert not same(first.network, fit(epochs=1, seed=1).network)


def test_training_goes_on_from_a_network_and_leaves_it_as_it_was():
    first = fit(epochs=6)
    before = {name: tensor.clone() for name, tensor in first.network.state_dict().items()}
    second = fit(epochs=2, start=first.network, learning_rate=1e-6)
    assert second.curve[0]["validation_error"] < first.curve[0]["validation_error"]
    assert all(torch.equal(tensor, before[name]) for name, tensor in first.network.state_dict().items())


def test_a_start_that_no_epoch_improves_is_kept():
    first = fit(epochs=12)
    second = fit(epochs=1, start=first.network, learning_rate=10.0)
    assert second.best_epoch == 0
    assert same(second.network, first.network)


def test_other_voxels_take_over_the_trunk_alone():
    start = autoencoder((30, 20), depth=1)
    network = fit(epochs=1, start=start, learning_rate=1e-9).network
    assert network.config.voxels == REGIONS and network.config.width == start.config.width
    ours, theirs = network.state_dict(), start.state_dict()
    torch.testing.assert_close(ours["blocks.0.mlp.fc1.weight"], theirs["blocks.0.mlp.fc1.weight"])
    assert ours["patch_embed.layers.0.1.weight"].shape != theirs["patch_embed.layers.0.1.weight"].shape


def test_a_published_checkpoint_is_a_start(tmp_path):
    network = autoencoder(REGIONS, heads=16, width=32, decoder_width=16)
    named = {f"module.transformer.{name}": tensor for name, tensor in network.state_dict().items()}
    torch.save({"model": named}, tmp_path / "checkpoint.pth")
    trained = fit(epochs=1, start=tmp_path / "checkpoint.pth", learning_rate=1e-9)
    assert trained.network.config == network.config
    patterns = numbers(4, sum(REGIONS))
    torch.testing.assert_close(trained.network(patterns), network(patterns), atol=1e-3, rtol=1e-3)


def test_a_start_of_other_sizes_is_refused_with_the_first_names_that_differ(tmp_path):
    with pytest.raises(InputValueError, match=r"\(width 16, not 32\); 'cls_token' has shape \(1, 1, 16\)"):
        fit(start=autoencoder(REGIONS), width=32)
    with pytest.raises(InputValueError, match=r"depth 2, not 3.*'blocks\.2\.norm1\.weight' .* is missing.*leave sizes"):
        fit(start=autoencoder(REGIONS), depth=3)
    with pytest.raises(InputValueError, match=r"\(heads 2, not 4\); leave sizes out"):
        fit(start=autoencoder(REGIONS), heads=4)
    with pytest.raises(MissingFileError):
        fit(start=tmp_path / "absent.pth")
    with pytest.raises(InputTypeError, match="an FMRIAutoencoder or a path"):
        fit(start=3)


def test_a_hostile_checkpoint_is_refused(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (eval, ("__import__('os').system('false')",))

    torch.save({"model": Hostile()}, tmp_path / "hostile.pth")
    with pytest.raises(UnsafeFileError):
        fit(start=tmp_path / "hostile.pth")


@pytest.mark.parametrize(
    "train, validation, says",
    [
        (
            np.zeros((5, 23)),
            np.ones((2, 24)),
            r"training patterns must have shape \(patterns, 24\), voxels of 3 regions",
        ),
        (np.ones((5, 24)), np.ones((2, 25)), r"validation patterns must have shape .*; got \(2, 25\)"),
        (np.ones((1, 24)), np.ones((2, 24)), "at least 2 training patterns are needed, got 1"),
        (np.ones((5, 24)), np.ones((0, 24)), "at least 1 validation patterns are needed, got 0"),
        (np.zeros((5, 24)), np.ones((2, 24)), "training patterns are zero everywhere"),
        (np.where(np.arange(24) == 7, np.nan, np.ones((5, 24))), np.ones((2, 24)), "1 of 24 voxels .* columns 7;"),
        (np.ones((5, 24)), np.full((2, 24), np.inf), r"24 of 24 voxels .* columns 0, 1, 2, 3, 4, \.\.\.;"),
    ],
)
def test_patterns_that_cannot_train_are_refused(train, validation, says):
    with pytest.raises(InputValueError, match=says):
        fit_autoencoder(train, validation, REGIONS, settings())


def test_patterns_that_are_no_numbers_are_refused():
    with pytest.raises(InputTypeError, match="must be numbers"):
        fit_autoencoder([["a"] * 24] * 3, np.ones((2, 24)), REGIONS, settings())


def test_constant_voxels_are_no_obstacle():
    train, validation = standardised(*world(30, 10))
    train[:, 3] = validation[:, 3] = 0
    trained = fit_autoencoder(train, validation, REGIONS, settings(epochs=2), device="cpu")
    assert np.isfinite(trained.curve[-1]["validation_error"])


@given(st.floats(0, 0.9), st.integers(0, 99))
@examples(max_examples=20, deadline=None)
def test_dropping_voxels_keeps_sums_on_average(share, seed):
    patterns = torch.ones(400, 24)
    shown = dropping_voxels(share)(patterns, autoencoder(REGIONS), torch.Generator().manual_seed(seed))
    dropped = shown == 0
    assert float(dropped.float().mean()) == pytest.approx(share, abs=0.03)
    torch.testing.assert_close(shown[~dropped], torch.full_like(shown[~dropped], 1 / (1 - share)))


def test_hidden_runs_are_those_that_the_masks_draw():
    network, patterns = autoencoder(REGIONS), numbers(3, 24)
    shown = hiding_runs(0.5, 4)(patterns, network, torch.Generator().manual_seed(1))
    hidden = shown == 0
    assert torch.equal(shown[~hidden], patterns[~hidden]) and 0.3 < float(hidden.float().mean()) < 0.7


def test_sizes_by_name_can_be_overridden_one_by_one():
    assert FMRIAutoencoderSettings(size="published").network([9]).depth == 24
    assert FMRIAutoencoderSettings(size="published", depth=2).network([9]).depth == 2
    assert FMRIAutoencoderSettings().network([9]).width == 128
    with pytest.raises(InputValueError, match="width 30 cannot be shared by 4 heads"):
        FMRIAutoencoderSettings(width=30).network([9])
    with pytest.raises(InputValueError, match="unknown key 'widht'"):
        FMRIAutoencoderSettings.parse({"widht": 3})


def test_a_step_of_the_published_width_changes_every_weight():
    config = FMRIAutoencoderSettings(size="published", depth=1, decoder_depth=1).network((30, 20))
    assert (config.width, config.decoder_width, config.tokens) == (1024, 512, 64)
    changed = step_of("published", depth=1, decoder_depth=1)
    assert changed > 0.99


@pytest.mark.slow
def test_a_step_of_the_published_size_changes_every_weight():
    assert step_of("published") > 0.99


def step_of(size: str, **sizes) -> float:
    """Share of the weights that an epoch of one batch changes."""
    rng = np.random.default_rng(0)
    train, validation = standardised(rng.normal(size=(4, 50)), rng.normal(size=(2, 50)))
    asked = FMRIAutoencoderSettings(size=size, epochs=1, batch_size=4, warmup=0.0, **sizes)
    torch.manual_seed(asked.seed)
    before = dict(first_network(train, (30, 20), asked, None, "").named_parameters())
    moved = fit_autoencoder(train, validation, (30, 20), asked, device="cpu")
    assert moved.best_epoch == 1 and np.isfinite(moved.curve[0]["validation_error"])
    return float(np.mean([not torch.equal(value, before[name]) for name, value in moved.network.named_parameters()]))


def same(one, other) -> bool:
    weights = other.state_dict()
    return all(torch.equal(tensor, weights[name]) for name, tensor in one.state_dict().items())


def test_new_embeddings_begin_at_the_components_of_their_region():
    (train,) = standardised(*world(80))
    torch.manual_seed(0)
    network = first_network(train, REGIONS, settings(), None, "")
    for number, region in enumerate(np.split(train, np.cumsum(REGIONS)[:-1], axis=1)):
        reading = network.patch_embed.layers[number][1].weight.detach().numpy()  # (width, voxels)
        writing = network.channel_mapper[number][0].weight.detach().numpy()  # (voxels, decoder width)
        assert np.square(region @ reading.T).mean() == pytest.approx(1, abs=0.05)
        covariance = region.T @ region / len(region)
        np.testing.assert_allclose(writing @ writing.T, 0.25 * covariance, atol=1e-4)


def test_a_region_of_constant_voxels_has_a_beginning():
    train = np.zeros((5, 24), np.float32)
    train[:, 10:] = np.random.default_rng(0).normal(size=(5, 14))
    network = first_network(train, REGIONS, settings(), None, "")
    assert all(torch.isfinite(weight).all() for weight in network.parameters())
