"""Several networks or sizes of images in one encoder, several recordings, repetitions."""

from __future__ import annotations

import numpy as np
import pytest

import braincodec as bc
from braincodec.models import JointEncoder
from braincodec.models.linear.gather import galleries
from braincodec.models.training_data import training_data
from braincodec.readouts import least_squares, ridge_cv

from ...small_models import linear, tiny_backbone
from .tiny_recordings import LAYERS, STIMULI, features, pictures, sensors, training, voxels

pytestmark = pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")


def two_sizes(backbone, **settings):
    choices = [{"backbone": backbone, "layers": LAYERS}, {"backbone": backbone, "layers": "first", "image_size": 18}]
    return bc.LinearEncoder(features=choices, **settings)


def columns_of_two_sizes(shown, backbone):
    at_12, at_18 = features(shown, backbone), features(shown, backbone, 18)
    return np.concatenate([*at_12.values(), at_18["first"]], 1)


@pytest.mark.parametrize("units", [3, 60])
def test_two_sizes_of_images_in_one_encoder(units, tmp_path):
    recording, backbone = voxels(units), tiny_backbone()
    shown, responses = training(recording)
    columns = columns_of_two_sizes(shown, backbone)
    model = two_sizes(backbone).fit(recording, device="cpu")
    expected = ridge_cv(columns, responses, device="cpu").predict(columns)
    np.testing.assert_allclose(model.encode(shown, device="cpu"), expected, atol=1e-4)
    assert len(model.preprocessings) == 2 and model.shared_key() is None
    model.save(tmp_path / "model")
    loaded = bc.LinearEncoder.load(tmp_path / "model", backbone=(backbone, backbone))
    np.testing.assert_array_equal(loaded.encode(shown, device="cpu"), model.encode(shown, device="cpu"))
    names = [name for name in loaded.tensors() if name.startswith("backbone.")]
    assert names and all(name.startswith("backbone.0.") for name in names)  # the network is stored once


def test_two_networks_and_an_encoder_of_one_run_jointly():
    recording = voxels(4)
    one, other = tiny_backbone(), tiny_backbone(seed=1)
    other.name = "other"
    choices = [{"backbone": one, "layers": LAYERS}, {"backbone": other, "layers": "first", "image_size": 18}]
    model = bc.LinearEncoder(features=choices, readout="kernel_sum").fit(recording, device="cpu")
    plain = linear(3)
    new = recording.part("test")[0]
    joint = JointEncoder([plain, model]).encode(new, device="cpu").values
    apart = [member.encode(new, device="cpu").values for member in (plain, model)]
    np.testing.assert_allclose(joint, np.concatenate(apart, 1), atol=1e-6)
    half = model.select(unit=[2, 0])
    np.testing.assert_allclose(half.encode(new, device="cpu"), apart[1][:, [0, 2]], atol=1e-5)


def test_subjects_with_the_same_stimuli_share_features_and_are_told_apart(tmp_path):
    backbone = tiny_backbone()
    recordings = [voxels(40, subject="1"), voxels(50, subject="7", noise=2.0)]
    model = bc.LinearEncoder(backbone, LAYERS).fit(recordings, workspace=tmp_path, device="cpu")
    assert len(list((tmp_path / "features").glob("*.zarr"))) == 1
    assert model.units["subject"].values.tolist() == [1] * 40 + [7] * 50
    for recording in recordings:
        shown, responses = training(recording)
        columns = np.concatenate(list(features(shown, backbone).values()), 1)
        expected = ridge_cv(columns, responses, device="cpu").predict(columns)
        found = model.of_subject(recording.subject).encode(shown, device="cpu")
        np.testing.assert_allclose(found, expected, atol=1e-4)
    assert model.description.subject == "2 subjects"
    assert set(model.description.training["split"]) == {"1", "7"}


def test_subjects_with_stimuli_of_their_own_are_fitted_on_theirs(tmp_path):
    backbone = tiny_backbone()
    recordings = [voxels(40, subject="a"), voxels(30, subject="b", seed=5, train=20)]
    model = bc.LinearEncoder(backbone, LAYERS).fit(recordings, workspace=tmp_path, device="cpu")
    assert model.config.projection == "joint"
    for recording in recordings:
        shown, responses = training(recording)
        columns = np.concatenate(list(features(shown, backbone).values()), 1)
        expected = ridge_cv(columns, responses, device="cpu").predict(columns)
        found = model.of_subject(recording.subject).encode(shown, device="cpu")
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_components_of_several_subjects_are_found_on_all_their_training_stimuli():
    decomposition = pytest.importorskip("sklearn.decomposition")
    from sklearn.preprocessing import StandardScaler

    recordings = [voxels(4, subject="a"), voxels(3, subject="b", seed=5, train=20)]
    model = bc.LinearEncoder(tiny_backbone(), LAYERS, components=5).fit(recordings, device="cpu")
    trained = [training(recording) for recording in recordings]
    columns = [np.concatenate(list(features(shown).values()), 1).astype(np.float64) for shown, _ in trained]
    scaler = StandardScaler().fit(np.concatenate(columns))
    reduction = decomposition.PCA(5, svd_solver="full").fit(scaler.transform(np.concatenate(columns)))
    for recording, own, (shown, responses) in zip(recordings, columns, trained, strict=True):
        scores = reduction.transform(scaler.transform(own))
        expected = ridge_cv(scores, responses, device="cpu").predict(scores)
        found = model.of_subject(recording.subject).encode(shown, device="cpu")
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_what_recordings_of_one_stimulus_set_share_is_extracted_once():
    names = [f"image-{number}" for number in range(len(pictures()))]
    one, two = voxels(2, subject="1"), voxels(2, subject="2")
    two = two.with_split(bc.Split(train=names[10:STIMULI], test=names[STIMULI:]))
    [gallery] = galleries(training_data([one, two]))
    assert gallery.stimuli.ids.tolist() == names[:STIMULI]
    assert gallery.rows[1].tolist() == list(range(10, STIMULI))


def test_repetitions_of_units_are_averaged():
    recording = voxels(4, repetitions=3)
    shown, responses = training(recording)
    columns = np.concatenate(list(features(shown).values()), 1)
    model = bc.LinearEncoder(tiny_backbone(), LAYERS).fit(recording, device="cpu")
    expected = ridge_cv(columns, responses, device="cpu").predict(columns)
    np.testing.assert_allclose(model.encode(shown, device="cpu"), expected, atol=1e-4)
    assert "repetition" not in model.units.dims


@pytest.mark.parametrize("components", [None, 6])
def test_sensors_are_fitted_on_the_mean_or_repetition_by_repetition(components):
    recording = sensors()
    shown, _ = training(recording)
    averaged = bc.LinearEncoder(tiny_backbone(), LAYERS, components=components).fit(recording, device="cpu")
    assert averaged.response_shape == (1, 2, 4)
    assert averaged.units["alpha"].dims == ("repetition", "channel", "time")
    settings = {"repetitions": "separate", "components": components}
    model = bc.LinearEncoder(tiny_backbone(), LAYERS, **settings).fit(recording, device="cpu")
    found = model.encode(shown, device="cpu")
    assert found.dims == ("stimulus", "repetition", "channel", "time") and found.shape == (STIMULI, 3, 2, 4)
    if components is None:
        columns = np.concatenate(list(features(shown).values()), 1)
        for repetition in range(3):
            measured = recording.part("train")[1].values[:, repetition].reshape(STIMULI, -1)
            expected = ridge_cv(columns, measured, device="cpu").predict(columns).reshape(STIMULI, 2, 4)
            np.testing.assert_allclose(found[:, repetition], expected, atol=2e-4)
        chosen = model.select(repetition=[2, 0], channel=[1], time=[3, 1]).encode(shown, device="cpu").values
        np.testing.assert_allclose(chosen, found.values[np.ix_(range(STIMULI), [2, 0], [1], [3, 1])], atol=1e-5)


def test_published_way_of_eeg_is_least_squares_on_components_of_each_repetition():
    decomposition = pytest.importorskip("sklearn.decomposition")
    from sklearn.preprocessing import StandardScaler

    recording = sensors()
    shown, _ = training(recording)
    columns = np.concatenate(list(features(shown).values()), 1).astype(np.float64)
    scores = decomposition.PCA(6, svd_solver="full").fit_transform(StandardScaler().fit_transform(columns))
    settings = {"readout": "least_squares", "components": 6, "repetitions": "separate"}
    model = bc.LinearEncoder(tiny_backbone(), LAYERS, **settings).fit(recording, device="cpu")
    found = model.encode(shown, device="cpu").values
    for repetition in range(3):
        measured = recording.part("train")[1].values[:, repetition].reshape(STIMULI, -1)
        expected = least_squares(scores, measured).predict(scores).reshape(STIMULI, 2, 4)
        np.testing.assert_allclose(found[:, repetition], expected, atol=2e-3)
    assert model.tensors()["readout.weight"].shape == (3, 8, 6) and "alpha" not in model.units
