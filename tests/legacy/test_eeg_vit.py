"""EEG models of NED and BERG, read from small folders in the true layout."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.folder import LocalFolder
from braincodec.legacy.eeg_vit import ThingsEegViT
from braincodec.legacy.metadata import published_metadata

from .layouts import (
    CHANNELS,
    EEG,
    METADATA,
    TIMES,
    WEIGHTS,
    edit,
    eeg_metadata,
    eeg_regressions,
    scaler_and_pca,
    write_eeg,
    write_eeg_berg,
)


def by_hand(scaler, pca_of, regressions, features):
    """The published arithmetic in float64: (images, repetitions, channels, times)."""
    scaled = (features - scaler["mean_"]) / scaler["scale_"].astype(float)
    outputs = []
    for name, readout in regressions.items():
        pca = pca_of(name)
        scores = (scaled - pca["mean_"]) @ pca["components_"].T.astype(float)
        used = scores[:, : readout["coef_"].shape[1]]
        outputs.append(used @ readout["coef_"].T.astype(float) + readout["intercept_"])
    return np.stack(outputs, 1).reshape(len(features), len(regressions), len(CHANNELS), len(TIMES))


def from_features(encoder, features):
    """The same from an encoder's folded weights, without running a network."""
    tensors = encoder._tensors
    blocks = np.split(features, 12, axis=1)
    reductions = [tensors[f"reduction.encoder.layers.encoder_layer_{number}"].double().numpy() for number in range(12)]
    scores = sum(block @ one.T for block, one in zip(blocks, reductions, strict=True))
    scores = torch.from_numpy(scores + tensors["reduction.bias"].double().numpy()).float()
    encoder._weight, encoder._bias = tensors["readout.weight"], tensors["readout.bias"]
    return encoder.readout(scores).numpy()


@pytest.fixture(scope="module")
def features():
    return np.random.default_rng(3).normal(size=(2, 12 * 50 * 768))


def close(found, expected):
    return np.abs(found - expected).max() <= 1e-4 * expected.std()


def test_three_files_give_the_published_arithmetic(tmp_path, features):
    encoder = ThingsEegViT(LocalFolder(write_eeg(tmp_path))).load(1)
    scaler, pca = scaler_and_pca(3)
    assert encoder.response_shape == (4, len(CHANNELS), len(TIMES))
    assert encoder._tensors["reduction.bias"].shape == (2,)  # the third component is not used
    assert close(from_features(encoder, features), by_hand(scaler, lambda _: pca, eeg_regressions(), features))


def test_one_file_for_each_subject_gives_the_same(tmp_path, features):
    old = ThingsEegViT(LocalFolder(write_eeg(tmp_path / "ned"))).load(1)
    new = ThingsEegViT(LocalFolder(write_eeg_berg(tmp_path / "berg"))).load(1)
    assert np.array_equal(from_features(new, features), from_features(old, features))


def test_a_pca_for_each_repetition_as_dicts(tmp_path, features):
    pcas = {f"rep-{number}": scaler_and_pca(3, seed=number)[1] for number in range(1, 5)}
    encoder = ThingsEegViT(LocalFolder(write_eeg_berg(tmp_path, pca=pcas))).load(1)
    expected = by_hand(scaler_and_pca(3)[0], pcas.__getitem__, eeg_regressions(), features)
    assert close(from_features(encoder, features), expected)


def fitted(parameters):
    """A scikit-learn PCA with the given parameters."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    pca = decomposition.PCA(n_components=len(parameters["components_"]))
    pca.__dict__.update(parameters)
    return pca


def test_pickled_estimators_are_read_and_not_run(tmp_path, features):
    plain = {f"rep-{number}": scaler_and_pca(3, seed=number)[1] for number in range(1, 5)}
    objects = {name: fitted(parameters) for name, parameters in plain.items()}
    encoder = ThingsEegViT(LocalFolder(write_eeg_berg(tmp_path, pca=objects))).load(1)
    expected = by_hand(scaler_and_pca(3)[0], plain.__getitem__, eeg_regressions(), features)
    assert close(from_features(encoder, features), expected)


def test_one_pickled_pca_for_all_repetitions(tmp_path, features):
    _, plain = scaler_and_pca(3)
    encoder = ThingsEegViT(LocalFolder(write_eeg_berg(tmp_path, pca=fitted(plain)))).load(1)
    expected = by_hand(scaler_and_pca(3)[0], lambda _: plain, eeg_regressions(), features)
    assert close(from_features(encoder, features), expected)


def test_whitening_is_refused(tmp_path):
    _, plain = scaler_and_pca(3)
    family = ThingsEegViT(LocalFolder(write_eeg_berg(tmp_path, pca=plain | {"whiten": True})))
    with pytest.raises(DamagedFileError, match="whitening"):
        family.load(1)


@pytest.mark.parametrize("write", [write_eeg, write_eeg_berg])
def test_channels_times_and_scores_are_labelled(tmp_path, write):
    encoder = ThingsEegViT(LocalFolder(write(tmp_path))).load(1)
    assert encoder.units.channel.values.tolist() == CHANNELS
    assert np.allclose(encoder.units.time, TIMES)
    assert encoder.units["accuracy_correlation"].dims == ("channel", "time")
    assert encoder.units["accuracy_correlation_single_repetition"].dims == ("repetition", "channel", "time")
    assert encoder.description.training["train_img_files"] == ["a.jpg", "b.jpg"]
    accuracy = eeg_metadata(1)["encoding_models"]["encoding_accuracy"]["correlation_all_repetitions"]
    back = published_metadata(encoder)
    assert np.allclose(back["encoding_models"]["encoding_accuracy"]["correlation_all_repetitions"], accuracy)
    assert back["eeg"]["ch_names"] == CHANNELS


def test_subjects_of_both_forms_are_found(tmp_path):
    write_eeg(tmp_path, 2)
    write_eeg_berg(tmp_path, 7)
    assert ThingsEegViT(LocalFolder(tmp_path)).files.subjects == [2, 7]


@pytest.mark.parametrize("name", ["StandardScaler_param.npy", "pca_param.npy"])
def test_missing_shared_file_is_named(tmp_path, name):
    write_eeg(tmp_path)
    (tmp_path / EEG / WEIGHTS / name).unlink()
    with pytest.raises(MissingFileError, match=name):
        ThingsEegViT(LocalFolder(tmp_path)).load(1)


def test_eeg_needs_its_metadata_because_the_weights_do_not_tell_channels_from_times(tmp_path):
    write_eeg(tmp_path)
    (tmp_path / EEG / METADATA / "metadata_sub-01.npy").unlink()
    with pytest.raises(MissingFileError, match=r"metadata_sub-01\.npy"):
        ThingsEegViT(LocalFolder(tmp_path)).load(1)


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("weights_subject-01.npy", lambda content: content.pop("reg_param"), "'reg_param' is missing"),
        ("weights_subject-01.npy", lambda content: content["reg_param"]["rep-2"].pop("coef_"), "'coef_' is missing"),
        ("weights_subject-01.npy", lambda content: content["reg_param"].pop("rep-1"), "'rep-1'|'rep-4'"),
        ("weights_subject-01.npy", lambda content: content["scaler_param"].pop("mean_"), "'mean_' is missing"),
        ("weights_subject-01.npy", lambda content: content["scaler_param"].update(mean_=np.zeros(5)), "means"),
        (
            "weights_subject-01.npy",
            lambda content: content["scaler_param"].update(mean_=np.zeros(5), scale_=np.ones(5)),
            "for 5 features",
        ),
        ("weights_subject-01.npy", lambda content: content["pca_param"].update(components_=np.zeros((1, 5))), "shape"),
        ("weights_subject-01.npy", lambda content: content["pca_param"].pop("mean_"), "'mean_' is missing"),
        ("metadata_subject-01.npy", lambda content: content.pop("eeg"), "'eeg' is missing"),
        ("metadata_subject-01.npy", lambda content: content["eeg"].update(ch_names=["Oz"]), "length 1 on 'channel'"),
    ],
)
def test_incomplete_eeg_file_is_one_clear_error(tmp_path, name, change, says):
    write_eeg_berg(tmp_path)
    folder = METADATA if name.startswith("metadata") else WEIGHTS
    edit(tmp_path / EEG / folder / name, change)
    with pytest.raises(DamagedFileError, match=f"eeg-things_eeg_2-vit_b_32 subject 1.*({says})"):
        ThingsEegViT(LocalFolder(tmp_path)).load(1)
