"""BERG's whole-cortex models, read from a small folder in the true layout."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.errors import DamagedFileError, UnknownNameError
from braincodec.folder import LocalFolder
from braincodec.legacy.fsaverage_vit import NsdFsaverageViT
from braincodec.legacy.metadata import published_metadata

from .layouts import (
    FSAVERAGE,
    METADATA,
    REGIONS,
    VERTICES,
    WEIGHTS,
    edit,
    fsaverage_metadata,
    regression,
    write_fsaverage,
)


def test_vertices_of_the_left_hemisphere_come_first(tmp_path):
    encoder = NsdFsaverageViT(LocalFolder(write_fsaverage(tmp_path))).load(1)
    units = encoder.units
    assert units.hemisphere.values.tolist() == ["left"] * VERTICES + ["right"] * VERTICES
    assert units.vertex.values.tolist() == [*range(VERTICES)] * 2
    stored = encoder._tensors
    assert np.array_equal(stored["readout.bias"][0, VERTICES:], regression(VERTICES, seed=1)["intercept_"])
    member = units.roi_membership.sel(roi="V1v").values
    assert np.flatnonzero(member).tolist() == [3, 4, 9, VERTICES, VERTICES + 1]


def test_selection_of_a_region_keeps_its_vertices_of_both_hemispheres(tmp_path):
    family = NsdFsaverageViT(LocalFolder(write_fsaverage(tmp_path)))
    encoder = family.load(1, "V1v")
    assert encoder.units.vertex.values.tolist() == [3, 4, 9, 0, 1]
    assert family.load(1, "hV4").units.hemisphere.values.tolist() == ["left", "left"]


@pytest.mark.parametrize("newer", [False, True])
def test_scores_of_vertices_under_both_names(tmp_path, newer):
    encoder = NsdFsaverageViT(LocalFolder(write_fsaverage(tmp_path, newer=newer))).load(1)
    models = fsaverage_metadata()["encoding_models"]
    expected = np.concatenate([models["lh_explained_variance"], models["rh_explained_variance"]])
    assert np.allclose(encoder.units["accuracy_noise_normalised"], expected)
    assert encoder.description.training["train_img_num"] == list(range(9))
    back = published_metadata(encoder)
    assert np.allclose(back["encoding_models"]["rh_r2"], models["rh_r2"])
    assert back["fmri"]["lh_fsaverage_rois"]["hV4"].tolist() == [9, 20]


def test_regions_are_those_of_the_metadata(tmp_path):
    family = NsdFsaverageViT(LocalFolder(write_fsaverage(tmp_path)))
    assert family.rois_of(1) == tuple(REGIONS["lh"])
    with pytest.raises(UnknownNameError, match="unknown roi 'PPA' of fmri-nsd_fsaverage-vit_b_32 subject 1"):
        family.load(1, "PPA")


@pytest.mark.parametrize(
    ("folder", "change", "says"),
    [
        (WEIGHTS, lambda content: content.pop("rh_reg_param"), "'rh_reg_param' is missing"),
        (WEIGHTS, lambda content: content["lh_reg_param"].update(regression(3)), "describes 1 x 80"),
        (METADATA, lambda content: content["fmri"].pop("rh_ncsnr"), "'rh_ncsnr' is missing"),
        (METADATA, lambda content: content["fmri"]["lh_fsaverage_rois"].update(V1v=np.array([99])), "out of bounds"),
        (METADATA, lambda content: content["encoding_models"].update(lh_r2=np.ones(3)), "length|size|shape"),
    ],
)
def test_incomplete_surface_file_is_one_clear_error(tmp_path, folder, change, says):
    write_fsaverage(tmp_path)
    name = "weights_subject-01.npy" if folder == WEIGHTS else "metadata_subject-01.npy"
    edit(tmp_path / FSAVERAGE / folder / name, change)
    with pytest.raises(DamagedFileError, match=f"fmri-nsd_fsaverage-vit_b_32 subject 1.*({says})"):
        NsdFsaverageViT(LocalFolder(tmp_path)).load(1)
