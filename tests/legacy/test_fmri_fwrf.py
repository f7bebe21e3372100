"""NED's fMRI models, read from small folders in the true layout."""

from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from braincodec.errors import DamagedFileError, InputTypeError, MissingFileError
from braincodec.folder import LocalFolder
from braincodec.legacy.fmri_fwrf import NsdFwRF
from braincodec.legacy.metadata import published_metadata

from ..small_models import images
from .layouts import FWRF, METADATA, WEIGHTS, edit, fwrf_checkpoint, fwrf_metadata, save_object, write_fwrf

IMAGES = images(2, 64)


def fwrf_family(root):
    return NsdFwRF(LocalFolder(root))


@pytest.mark.parametrize("mean", ["colour", "image"])
def test_mean_image_of_either_size_is_subtracted(tmp_path, mean):
    encoder = fwrf_family(write_fwrf(tmp_path, mean=mean)).load(1, "V1")
    assert encoder.tensors()["part-1.mu"].shape[2:] == ((1, 1) if mean == "colour" else (227, 227))
    checkpoint = torch.load(tmp_path / FWRF / WEIGHTS / "weights_sub-01_roi-V1.pt", weights_only=True)
    mu = checkpoint["best_params"]["enc"]["mu"]
    moved = {**encoder.tensors(), "part-1.mu": mu + 0.5}
    other = type(encoder).from_parts(encoder.config, moved, encoder.units, encoder.description)
    one, two = (model.encode(IMAGES, device="cpu").values for model in (encoder, other))
    assert np.abs(one - two).max() > 1e-3


def test_mean_image_of_the_state_dict_counts_not_the_one_beside_it(tmp_path):
    write_fwrf(tmp_path)
    before = fwrf_family(tmp_path).load(1, "V1").encode(IMAGES, device="cpu")
    path = tmp_path / FWRF / WEIGHTS / "weights_sub-01_roi-V1.pt"
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["stim_mean"] = checkpoint["stim_mean"] + 100
    torch.save(checkpoint, path)
    assert np.array_equal(fwrf_family(tmp_path).load(1, "V1").encode(IMAGES, device="cpu"), before)


def test_two_parts_follow_one_another(tmp_path):
    family = fwrf_family(write_fwrf(tmp_path, roi="lateral", units=(3, 2)))
    whole = family.load(1, "lateral")
    assert whole.response_shape == (5,)
    part = fwrf_checkpoint(2, seed=12)["best_params"]["fwrfs"][1]
    assert torch.equal(whole.tensors()["part-2.b"], part["b"])
    first = fwrf_checkpoint(3, seed=11)["best_params"]["fwrfs"][1]
    assert torch.equal(whole.tensors()["part-1.b"], first["b"])


def test_voxel_i_is_the_ith_true_of_the_mask_in_c_order(tmp_path):
    encoder = fwrf_family(write_fwrf(tmp_path, units=(6,))).load(1, "V1")
    metadata = fwrf_metadata(6, seed=1)
    responses = encoder.encode(IMAGES, device="cpu")
    volume = np.zeros(metadata["fmri"]["roi_mask_volume"].shape, np.float32)
    volume[metadata["fmri"]["roi_mask_volume"]] = responses.values[0]
    ijk = np.stack([responses[name].values for name in "ijk"], 1)
    assert np.array_equal(volume[tuple(ijk.T)], responses.values[0])
    assert np.allclose(responses.ncsnr, metadata["fmri"]["ncsnr"])
    assert responses.roi_V1.all()
    assert responses.attrs["response_units"] == "zscored_within_session"


@pytest.mark.parametrize("newer", [False, True])
def test_scores_are_shares_of_variance_and_come_back_as_published(tmp_path, newer):
    family = fwrf_family(write_fwrf(tmp_path, newer=newer))
    encoder = family.load(1, "V1")
    models = fwrf_metadata(4, 1, newer)["encoding_models"]
    scores = models if newer else models["encoding_accuracy"]
    normalised = scores["explained_variance" if newer else "noise_normalized_encoding"]
    assert np.allclose(encoder.units["accuracy_noise_normalised"], normalised / 100)
    assert encoder.description.training["test_img_num"] == list(range(5))
    assert family.accuracy() == pytest.approx(np.median(normalised) / 100)
    back = published_metadata(encoder)
    assert np.allclose(back["encoding_models"]["encoding_accuracy"]["noise_normalized_encoding"], normalised)
    assert np.allclose(back["encoding_models"]["encoding_accuracy"]["r2"], scores["r2"])
    own = fwrf_metadata(4, 1)["fmri"]
    assert np.array_equal(back["fmri"]["roi_mask_volume"], own["roi_mask_volume"])
    assert np.allclose(back["fmri"]["fmri_affine"], own["fmri_affine"])


def test_shares_of_variance_stay_as_they_are(tmp_path):
    write_fwrf(tmp_path)

    def as_fractions(metadata):
        accuracy = metadata["encoding_models"]["encoding_accuracy"]
        for name in accuracy:
            accuracy[name] = accuracy[name] / 100

    edit(tmp_path / FWRF / METADATA / "metadata_sub-01_roi-V1.npy", as_fractions)
    encoder = fwrf_family(tmp_path).load(1, "V1")
    r2 = fwrf_metadata(4, 1)["encoding_models"]["encoding_accuracy"]["r2"] / 100
    assert np.allclose(encoder.units["accuracy_r2"], r2)
    assert np.allclose(published_metadata(encoder)["encoding_models"]["encoding_accuracy"]["r2"], r2)


def test_weights_without_metadata_run_and_know_only_their_region(tmp_path):
    encoder = fwrf_family(write_fwrf(tmp_path, metadata=False)).load(1, "V1")
    assert set(encoder.units.variables) == {"roi", "roi_membership"}
    assert encoder.encode(IMAGES, device="cpu").shape == (2, 4)


def test_files_named_subject_are_found_too(tmp_path):
    family = fwrf_family(write_fwrf(tmp_path, label="subject"))
    assert family.files.rois_of_subject == {1: ("V1",)}
    assert "i" in family.load(1, "V1").units


def test_regions_are_listed_in_the_published_order(tmp_path):
    for roi in ("ventral", "extra", "EBA", "V1"):
        write_fwrf(tmp_path, roi=roi, metadata=False)
    (tmp_path / FWRF / WEIGHTS / "notes.txt").touch()
    assert fwrf_family(tmp_path).files.rois_of_subject == {1: ("V1", "EBA", "ventral", "extra")}


def test_missing_second_part_is_named(tmp_path):
    write_fwrf(tmp_path, roi="ventral", units=(2, 2))
    (tmp_path / FWRF / WEIGHTS / "weights_sub-01_roi-ventral_split-2.pt").unlink()
    with pytest.raises(MissingFileError, match=r"weights_sub-01_roi-ventral_split-2\.pt; copy it"):
        fwrf_family(tmp_path).load(1, "ventral")


def test_both_parts_are_asked_for_where_neither_is_here(tmp_path):
    with pytest.raises(MissingFileError, match="weights_sub-03_roi-lateral_split-1"):
        fwrf_family(write_fwrf(tmp_path)).load(3, "lateral")


def test_region_of_a_model_for_each_must_be_given(tmp_path):
    family = fwrf_family(write_fwrf(tmp_path))
    with pytest.raises(InputTypeError, match="give roi, one of V1"):
        family.load(1)
    with pytest.raises(InputTypeError, match="give roi, one of V1"):
        family.metadata(1)


def drop_bias(checkpoint):
    del checkpoint["best_params"]["fwrfs"][1]["b"]


def drop_subject(checkpoint):
    checkpoint["best_params"]["fwrfs"] = {2: {}}


def narrow_trunk(checkpoint):
    checkpoint["best_params"]["enc"]["enc.conv3.weight"] = torch.zeros(4, 4, 3, 3)


def shorten_readout(checkpoint):
    checkpoint["best_params"]["fwrfs"][1]["w"] = torch.zeros(3, 768)


@pytest.mark.parametrize(
    ("change", "says"),
    [(drop_bias, "'b' is missing"), (drop_subject, "1 is missing"), (narrow_trunk, "enc.conv3"), (shorten_readout, "")],
)
def test_incomplete_or_misshapen_checkpoint_is_one_clear_error(tmp_path, change, says):
    write_fwrf(tmp_path)
    path = tmp_path / FWRF / WEIGHTS / "weights_sub-01_roi-V1.pt"
    checkpoint = torch.load(path, weights_only=True)
    change(checkpoint)
    torch.save(checkpoint, path)
    with pytest.raises(DamagedFileError, match=f"weights of fmri-nsd-fwrf subject 1, roi V1.*{says}"):
        fwrf_family(tmp_path).load(1, "V1")


def test_checkpoint_that_is_no_dict_is_one_clear_error(tmp_path):
    write_fwrf(tmp_path)
    torch.save([1, 2], tmp_path / FWRF / WEIGHTS / "weights_sub-01_roi-V1.pt")
    with pytest.raises(DamagedFileError, match=r"weights_sub-01_roi-V1\.pt"):
        fwrf_family(tmp_path).load(1, "V1")


def test_metadata_for_another_number_of_voxels_are_refused(tmp_path):
    write_fwrf(tmp_path)
    save_object(tmp_path / FWRF / METADATA / "metadata_sub-01_roi-V1.npy", fwrf_metadata(9))
    with pytest.raises(DamagedFileError, match="mask 9 voxels, the weights predict 4"):
        fwrf_family(tmp_path).load(1, "V1")


@pytest.mark.parametrize("key", ["roi_mask_volume", "fmri_affine"])
def test_metadata_without_a_needed_part_are_named(tmp_path, key):
    write_fwrf(tmp_path)
    edit(tmp_path / FWRF / METADATA / "metadata_sub-01_roi-V1.npy", lambda metadata: metadata["fmri"].pop(key))
    family = fwrf_family(tmp_path)
    with pytest.raises(DamagedFileError, match=f"metadata of fmri-nsd-fwrf subject 1, roi V1.*'{key}' is missing"):
        family.load(1, "V1")
    assert family.accuracy() is None  # so that a listing still shows the model


def test_scores_for_another_number_of_voxels_are_refused(tmp_path):
    write_fwrf(tmp_path)
    edit(
        tmp_path / FWRF / METADATA / "metadata_sub-01_roi-V1.npy",
        lambda metadata: metadata["fmri"].update(ncsnr=np.ones(3)),
    )
    with pytest.raises(DamagedFileError, match="metadata of fmri-nsd-fwrf subject 1, roi V1"):
        fwrf_family(tmp_path).load(1, "V1")


@pytest.mark.parametrize("size", [0, 1000])
@pytest.mark.parametrize("name", [f"{WEIGHTS}/weights_sub-01_roi-V1.pt", f"{METADATA}/metadata_sub-01_roi-V1.npy"])
def test_truncated_file_is_named(tmp_path, name, size):
    write_fwrf(tmp_path)
    os.truncate(tmp_path / FWRF / name, size)
    with pytest.raises(DamagedFileError, match=os.path.basename(name)):  # noqa: PTH119
        fwrf_family(tmp_path).load(1, "V1")


def test_metadata_that_are_no_dict_are_refused(tmp_path):
    write_fwrf(tmp_path)
    save_object(tmp_path / FWRF / METADATA / "metadata_sub-01_roi-V1.npy", np.arange(3))
    with pytest.raises(DamagedFileError, match="hold no dictionary"):
        fwrf_family(tmp_path).metadata(1, "V1")
