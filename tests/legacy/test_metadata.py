"""Metadata of encoders of ours in the published keys."""

from __future__ import annotations

import numpy as np

from braincodec.legacy.metadata import published_metadata
from braincodec.responses import build_units

from ..small_models import AFFINE, eeg, fwrf, linear


def test_voxels_get_their_mask_affine_and_only_the_scores_that_exist():
    found = published_metadata(fwrf(4))
    mask = found["fmri"]["roi_mask_volume"]
    assert mask.sum() == 4
    assert np.flatnonzero(mask).tolist() == [0, 1, 2, 3]
    assert np.array_equal(found["fmri"]["fmri_affine"], AFFINE)
    assert found["encoding_models"]["encoding_accuracy"] == {}


def test_whatever_training_holds_comes_along():
    training = {"train_img_num": [3, 1], "files": ["a.jpg"], "epochs": 10, "note": "", "empty": []}
    splits = published_metadata(fwrf(4, training=training))["encoding_models"]["train_val_test_nsd_image_splits"]
    assert splits.pop("train_img_num").tolist() == [3, 1]
    assert splits == {"files": ["a.jpg"], "epochs": 10, "note": "", "empty": []}


def test_units_without_a_place_have_no_mask():
    encoder = linear(5)
    encoder.units = build_units(rois={"V4": np.ones(5, bool)})
    assert published_metadata(encoder)["fmri"] == {}


def test_channels_and_times():
    encoder = eeg()
    found = published_metadata(encoder)
    assert found["eeg"]["ch_names"] == encoder.units.channel.values.tolist()
    assert np.array_equal(found["eeg"]["times"], encoder.units.time.values)
    assert found.keys() == {"eeg", "encoding_models"}
