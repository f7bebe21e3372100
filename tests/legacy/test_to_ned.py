"""Models written in NED's layout and read back."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from braincodec import JointEncoder, open_store
from braincodec.compat import BERG
from braincodec.errors import InputValueError
from braincodec.features.preprocessing import Preprocessing
from braincodec.folder import LocalFolder
from braincodec.legacy.eeg_vit import ThingsEegViT
from braincodec.legacy.fmri_fwrf import NsdFwRF
from braincodec.legacy.fsaverage_vit import NsdFsaverageViT
from braincodec.legacy.ned_weights import NoNedFormError, trunk_names
from braincodec.legacy.read import read_legacy
from braincodec.legacy.to_ned import ned_files, write_ned
from braincodec.models import ModelDescription
from braincodec.models.fwrf import FwRF
from braincodec.responses import build_units
from ned.ned import NED

from ..small_models import AFFINE, VOLUME_SHAPE, eeg, fwrf, gabor_linear, images, linear
from .layouts import EEG, FSAVERAGE, FWRF, METADATA, WEIGHTS, write_eeg, write_fsaverage, write_fwrf

IMAGES = np.ascontiguousarray(images(3).transpose(0, 3, 1, 2))


def same_models(one, other):
    """Equal weights, bit by bit, and the same units."""
    assert one._tensors.keys() == other._tensors.keys()
    for name, tensor in one._tensors.items():
        assert torch.equal(tensor, other._tensors[name]), name
    for name in one.units.variables:
        found, expected = other.units[name].values, one.units[name].values
        if expected.dtype.kind == "f":
            np.testing.assert_allclose(found, expected, rtol=1e-6)
        else:
            np.testing.assert_array_equal(found, expected)


def shape_of(value):
    """Types, keys, shapes and dtypes of a dictionary, without its numbers."""
    if isinstance(value, dict):
        return {key: shape_of(one) for key, one in value.items()}
    return (value.dtype, value.shape) if isinstance(value, np.ndarray) else type(value)


# --- NED's fwRF ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("roi", ["V1", "lateral"])
def test_published_fwrf_model_comes_back_bit_by_bit(golden, tmp_path, roi):
    source = LocalFolder(golden / "neural_encoding_dataset")
    encoder = NsdFwRF(source).load(1, roi)
    files = write_ned(encoder, tmp_path)
    assert [file.relative_to(tmp_path) for file in files if not source.is_file(str(file.relative_to(tmp_path)))] == []
    same_models(encoder, NsdFwRF(LocalFolder(tmp_path)).load(1, roi))
    for file in files:
        ours, theirs = read_legacy(file), read_legacy(golden / "neural_encoding_dataset" / file.relative_to(tmp_path))
        theirs.pop("best_epoch", None)
        assert shape_of(ours) | {"fmri": None} == shape_of(theirs) | {"fmri": None}
        if "fmri" in theirs:
            assert ours["fmri"].keys() == theirs["fmri"].keys()
            assert np.array_equal(ours["fmri"]["roi_mask_volume"], theirs["fmri"]["roi_mask_volume"])
            for name, scores in theirs["encoding_models"]["encoding_accuracy"].items():  # in percent
                np.testing.assert_allclose(ours["encoding_models"]["encoding_accuracy"][name], scores, rtol=1e-6)


def test_published_loading_takes_the_checkpoint_strictly(golden, tmp_path):
    """As the published code does: numpy mean image, and state dictionaries with every name of its networks."""
    name = "weights_sub-01_roi-V1.pt"
    source = golden / "neural_encoding_dataset"
    encoder = NsdFwRF(LocalFolder(source)).load(1, "V1")
    write_ned(encoder, tmp_path)
    ours, theirs = (torch.load(root / FWRF / WEIGHTS / name, weights_only=False) for root in (tmp_path, source))
    assert isinstance(ours["stim_mean"], np.ndarray)
    enc, published = ours["best_params"]["enc"], theirs["best_params"]["enc"]
    assert list(enc) == list(published) == trunk_names()
    assert all(enc[key].dtype == value.dtype and torch.equal(enc[key], value) for key, value in published.items())
    readout = theirs["best_params"]["fwrfs"][1]
    assert list(ours["best_params"]["fwrfs"][1]) == list(readout)
    assert all(torch.equal(ours["best_params"]["fwrfs"][1][key], value) for key, value in readout.items())


def test_facade_reads_a_trained_model_back_with_equal_predictions(tmp_path):
    scores = {"accuracy_r2": np.linspace(0.1, 0.4, 5), "noise_ceiling": np.full(5, 0.5)}
    training = {"split": {"train": ["nsd-00001", "nsd-00007"], "validation": [], "test": ["nsd-00002"]}, "curve": [{}]}
    encoder = fwrf(5, model="fmri-nsd-fwrf", dataset="nsd", subject=3, roi="V1", training=training)
    encoder.units = encoder.units.assign({name: ("unit", values) for name, values in scores.items()})
    write_ned(encoder, tmp_path)
    ned = NED(tmp_path)
    responses, metadata = ned.encode(IMAGES, "fmri", "nsd", "fwrf", 3, "V1", device="cpu")
    np.testing.assert_array_equal(responses, encoder.encode(IMAGES, device="cpu").values)
    accuracy = metadata["encoding_models"]["encoding_accuracy"]
    np.testing.assert_allclose(accuracy["r2"], 100 * scores["accuracy_r2"])
    np.testing.assert_allclose(accuracy["noise_ceiling"], 50)
    splits = metadata["encoding_models"]["train_val_test_nsd_image_splits"]
    assert {name: ids.tolist() for name, ids in splits.items()} == {"train_img_num": [1, 7], "test_img_num": [2]}
    assert metadata.keys() == {"fmri", "encoding_models"}


def test_model_of_several_regions_becomes_a_file_for_each(tmp_path):
    rois = {"V1": np.array([1, 1, 1, 0, 0], bool), "V2": np.array([0, 0, 1, 1, 1], bool), "V3": np.zeros(5, bool)}
    encoder = fwrf(5, rois=rois, dataset="nsd")
    write_ned(encoder, tmp_path)
    store = open_store(tmp_path)
    assert store.models().rois.tolist() == [["V1", "V2"]]
    whole = encoder.encode(IMAGES, device="cpu").values
    for name in ("V1", "V2"):
        found = store.encoder("fmri-nsd-fwrf", 1, name).encode(IMAGES, device="cpu").values
        np.testing.assert_allclose(found, whole[:, rois[name]], rtol=1e-5, atol=1e-6)


def test_voxels_are_written_in_the_volumes_order(tmp_path):
    encoder = fwrf(4, dataset="nsd", roi="V1")
    shuffled = np.array([2, 0, 3, 1])
    tensors = {
        name: tensor[shuffled]
        if name.split(".")[-1] in ("rf0", "rf1", "rf2", "w", "b") and tensor.shape[0] == 4
        else tensor
        for name, tensor in encoder.tensors().items()
    }
    mixed = FwRF.from_parts(encoder.config, tensors, encoder.units.isel(unit=shuffled), encoder.description)
    write_ned(mixed, tmp_path)
    same_models(encoder.select(unit=slice(None)), NsdFwRF(LocalFolder(tmp_path)).load(1, "V1"))


def test_voxels_without_a_place_run_without_metadata(tmp_path):
    encoder = fwrf(4, dataset="nsd", roi="V1")
    encoder.units = build_units(rois={"V1": np.ones(4, bool)})
    assert [path.suffix for path in write_ned(encoder, tmp_path)] == [".pt"]
    found = NED(tmp_path).encode(IMAGES, "fmri", "nsd", "fwrf", 1, "V1", return_metadata=False, device="cpu")
    np.testing.assert_array_equal(found, encoder.encode(IMAGES, device="cpu").values)


def test_own_data_set_is_read_back_under_its_name_and_stays_simulated(tmp_path):
    about = {"licence": "CC0-1.0", "citation": "Nobody 2025", "simulated": True, "notes": "Made up."}
    encoder = fwrf(4, dataset="simulated", model="fmri-simulated-fwrf", subject="02", roi="V1", **about)
    write_ned(encoder, tmp_path)
    write_fwrf(tmp_path)
    store = open_store(tmp_path)
    assert store.models().id.tolist() == ["fmri-nsd-fwrf", "fmri-simulated-fwrf"]
    found = store.encoder("fmri-simulated-fwrf", 2, "V1").description
    assert {name: getattr(found, name) for name in about} == about
    assert found.response_units == "zscored_within_session"
    responses = NED(tmp_path).encode(IMAGES, "fmri", "simulated", "fwrf", 2, "V1", device="cpu")[0]
    np.testing.assert_array_equal(responses, encoder.encode(IMAGES, device="cpu").values)


# --- models over vit_b_32 --------------------------------------------------------------------------------------------
def test_eeg_model_comes_back_bit_by_bit_in_neds_three_files(tmp_path):
    encoder = ThingsEegViT(LocalFolder(write_eeg(tmp_path / "published"))).load(1)
    write_ned(encoder, tmp_path / "ours")
    same_models(encoder, ThingsEegViT(LocalFolder(tmp_path / "ours")).load(1))
    for name in ("StandardScaler_param", "pca_param", "LinearRegression_param_sub-01"):
        path = f"{EEG}/{WEIGHTS}/{name}.npy"
        ours, theirs = read_legacy(tmp_path / "ours" / path), read_legacy(tmp_path / "published" / path)
        assert theirs.keys() <= ours.keys()
    path = f"{EEG}/{METADATA}/metadata_sub-01.npy"
    ours, theirs = read_legacy(tmp_path / "ours" / path), read_legacy(tmp_path / "published" / path)
    assert ours["eeg"]["ch_names"] == theirs["eeg"]["ch_names"]
    assert ours["encoding_models"].keys() == theirs["encoding_models"].keys()
    for name, scores in theirs["encoding_models"]["encoding_accuracy"].items():
        np.testing.assert_allclose(ours["encoding_models"]["encoding_accuracy"][name], scores, rtol=1e-6)


def test_published_arithmetic_on_the_written_files_gives_the_same(tmp_path):
    """Standardise, PCA and regress with scikit-learn, as the published code does, on what was written."""
    decomposition = pytest.importorskip("sklearn.decomposition")
    from sklearn.preprocessing import StandardScaler

    encoder = ThingsEegViT(LocalFolder(write_eeg(tmp_path / "published"))).load(1)
    write_ned(encoder, tmp_path)
    scaler, pca = StandardScaler(), decomposition.PCA()
    for fitted, name in ((scaler, "StandardScaler_param"), (pca, "pca_param")):
        for key, value in read_legacy(tmp_path / EEG / WEIGHTS / f"{name}.npy").items():
            setattr(fitted, key, value)
    features = np.random.default_rng(0).normal(size=(2, 12 * 50 * 768)).astype(np.float32)
    found = pca.transform(scaler.transform(features))
    layers = np.split(features.astype(np.float64), 12, 1)
    expected = encoder._tensors["reduction.bias"].double().numpy() + sum(
        block @ encoder._tensors[f"reduction.encoder.layers.encoder_layer_{number}"].double().numpy().T
        for number, block in enumerate(layers)
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.std())


def test_subjects_share_the_files_of_one_reduction_and_another_is_refused(tmp_path):
    for subject in (1, 2):
        encoder = ThingsEegViT(LocalFolder(write_eeg(tmp_path / f"published-{subject}", subject))).load(subject)
        write_ned(encoder, tmp_path / "ours")
    family = ThingsEegViT(LocalFolder(tmp_path / "ours"))
    assert family.files.subjects == [1, 2]
    same_models(encoder, family.load(2))
    other = dict(encoder._tensors) | {"reduction.bias": encoder._tensors["reduction.bias"] + 1}
    other = type(encoder).from_parts(encoder.config, other, encoder.units, encoder.description)
    with pytest.raises(NoNedFormError, match="for all subjects"):
        write_ned(other, tmp_path / "ours", overwrite=True)
    same_models(encoder, family.load(2))


def test_surface_model_comes_back_bit_by_bit_in_bergs_file(tmp_path):
    encoder = NsdFsaverageViT(LocalFolder(write_fsaverage(tmp_path / "published"))).load(1)
    write_ned(encoder, tmp_path / "ours")
    same_models(encoder, NsdFsaverageViT(LocalFolder(tmp_path / "ours")).load(1))
    for place in (WEIGHTS, METADATA):
        (path,) = (tmp_path / "published" / FSAVERAGE / place).iterdir()
        ours = read_legacy(tmp_path / "ours" / path.relative_to(tmp_path / "published"))
        assert ours.keys() == read_legacy(path).keys()
    model = "fmri-nsd_fsaverage-vit_b_32"
    ours, theirs = (BERG(tmp_path / name).get_model_metadata(model, 1) for name in ("ours", "published"))
    for part in ("fmri", "encoding_models"):
        assert ours[part].keys() == theirs[part].keys()
        np.testing.assert_allclose(ours["encoding_models"]["lh_r2"], theirs["encoding_models"]["lh_r2"])  # fractions


@pytest.mark.slow
def test_published_eeg_model_predicts_the_published_answers_after_the_round(golden, vit_hub, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(vit_hub))
    encoder = ThingsEegViT(LocalFolder(golden / "neural_encoding_dataset")).load(1)
    write_ned(encoder, tmp_path)
    array = np.load(golden / "images.npz")["images_227"]
    responses, _ = NED(tmp_path).encode(array, "eeg", "things_eeg_2", "vit_b_32", 1, device="cpu")
    expected = np.load(golden / "expected_eeg.npz")["eeg_227"]
    assert np.abs(responses - expected).max() <= 1e-4 * expected.std()
    np.testing.assert_array_equal(responses, encoder.encode(array, device="cpu").values)


# --- what has no form ------------------------------------------------------------------------------------------------
def changed(encoder, **about):
    description = ModelDescription.parse(encoder.description.model_dump() | about)
    return type(encoder).from_parts(encoder.config, encoder.tensors(), encoder.units, description)


def other_preprocessing():
    encoder = fwrf(3, dataset="nsd", roi="V1")
    config = encoder.config.model_copy(
        update={"preprocessing": Preprocessing(resize=(227, 227), interpolation="bicubic")}
    )
    return FwRF.from_parts(config, encoder.tensors(), encoder.units, encoder.description)


def two_means():
    return fwrf(3, parts=2, dataset="nsd", roi="lateral")  # whose networks have mean images of their own


def twice():
    encoder = fwrf(3, dataset="nsd", roi="V1")
    encoder.units = build_units(
        ijk=[[0, 0, 1], [0, 0, 1], [0, 0, 2]], rois={"V1": [True] * 3}, affine=AFFINE, volume_shape=VOLUME_SHAPE
    )
    return encoder


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (gabor_linear, "linear model over gabor:bank"),
        (linear, "linear model over tiny"),
        (eeg, "linear model over tiny"),
        (lambda: fwrf(3, subject="monkey-A", roi="V1"), "numbers its subjects.*'monkey-A'"),
        (lambda: fwrf(3, dataset="a/b", roi="V1"), "'a/b' is no name"),
        (lambda: fwrf(3, roi="V1/V2"), "'V1/V2' is no name"),
        (lambda: fwrf(3, roi="V1", modality="spikes"), "of fmri, this one is of spikes"),
        (lambda: fwrf(2, parts=3, roi="V1"), "3 networks"),
        (two_means, "different mean images"),
        (twice, "occurs twice"),
        (other_preprocessing, "resizes images to 227"),
    ],
)
def test_what_has_no_form_is_refused_with_the_reason(make, reason, tmp_path):
    with pytest.raises(NoNedFormError, match=reason):
        write_ned(make(), tmp_path / "ned")
    assert not (tmp_path / "ned").exists()


def test_another_kind_of_model_is_refused():
    with pytest.raises(NoNedFormError, match="no joint models"):
        ned_files(JointEncoder([fwrf(2), fwrf(2)]))


def test_components_that_repeat_one_another_with_other_offsets_are_refused(tmp_path):
    encoder = ThingsEegViT(LocalFolder(write_eeg(tmp_path))).load(1)
    tensors = {n: t[[0, 0]] if n.startswith("reduction.enc") else t for n, t in encoder._tensors.items()}
    doubled = type(encoder).from_parts(encoder.config, tensors, encoder.units, encoder.description)
    with pytest.raises(NoNedFormError, match="repeat one another"):
        write_ned(doubled, tmp_path / "ned")


def test_full_disk_leaves_no_half_file(small_disk):
    with pytest.raises(OSError, match="MB free"):
        write_ned(fwrf(300, dataset="nsd", roi="V1"), small_disk / "ned")
    assert not list(small_disk.rglob("*.pt"))
    shutil.rmtree(small_disk / "ned", ignore_errors=True)


def test_another_models_files_are_replaced_only_on_request(tmp_path):
    one, other = (fwrf(3, dataset="nsd", roi="V1", seed=seed) for seed in (1, 2))
    first = write_ned(one, tmp_path)
    times = [path.stat().st_mtime_ns for path in first]
    assert [path.stat().st_mtime_ns for path in write_ned(one, tmp_path)] == times  # equal files are kept
    first[-1].unlink()
    with pytest.raises(InputValueError, match="holds another model's"):
        write_ned(other, tmp_path)
    assert not first[-1].exists()
    write_ned(one, tmp_path)  # goes on
    same_models(one, NsdFwRF(LocalFolder(tmp_path)).load(1, "V1"))
    write_ned(other, tmp_path, overwrite=True)
    same_models(other, NsdFwRF(LocalFolder(tmp_path)).load(1, "V1"))


def test_components_that_are_not_finite_are_refused(tmp_path):
    encoder = ThingsEegViT(LocalFolder(write_eeg(tmp_path))).load(1)
    tensors = dict(encoder._tensors) | {"reduction.bias": encoder._tensors["reduction.bias"] * float("nan")}
    broken = type(encoder).from_parts(encoder.config, tensors, encoder.units, encoder.description)
    with pytest.raises(NoNedFormError, match="not finite"):
        write_ned(broken, tmp_path / "ned")
