"""Folders of NED, NEST and BERG opened as they are: models, subjects and regions."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest

from braincodec import JointEncoder, open_store
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError, MissingFileError, UnknownNameError
from braincodec.legacy.convert import convert_folder
from braincodec.store.legacy_store import LegacyStore

from ..legacy.layouts import (
    EEG,
    FSAVERAGE,
    FWRF,
    METADATA,
    WEIGHTS,
    fwrf_metadata,
    write_eeg,
    write_fsaverage,
    write_fwrf,
)
from ..small_models import images

MODEL, EEG_MODEL, SURFACE_MODEL = "fmri-nsd-fwrf", "eeg-things_eeg_2-vit_b_32", "fmri-nsd_fsaverage-vit_b_32"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Two subjects of fMRI, the second without lateral; whole cortex; nothing of EEG."""
    root = tmp_path_factory.mktemp("ned")
    write_fwrf(root, 1, "V1", (4,))
    write_fwrf(root, 1, "lateral", (3, 2))
    write_fwrf(root, 2, "V1", (3,))
    write_fsaverage(root)
    return root


@pytest.fixture
def store(root):
    return open_store(root)


@pytest.fixture
def copy(root, tmp_path):
    """The folder again, to be damaged."""
    return shutil.copytree(root, tmp_path / "copy")


def test_models_are_listed_with_subjects_regions_and_accuracy(store):
    assert isinstance(store, LegacyStore)
    table = store.models().set_index("id")
    assert table.index.tolist() == [MODEL, SURFACE_MODEL]
    assert table.subjects.tolist() == [[1, 2], [1]]
    assert table.rois[MODEL] == ["V1", "lateral"]
    assert table.rois[SURFACE_MODEL] == ["V1v", "hV4", "OWFA", "mTL-bodies"]  # those of this folder's metadata
    scores = [
        fwrf_metadata(count, 1)["encoding_models"]["encoding_accuracy"]["noise_normalized_encoding"] for count in (4, 5)
    ]
    # over regions, of the medians over units: the same from artefacts, which hold one median each
    assert table.accuracy[MODEL] == pytest.approx(np.median([np.median(score) for score in scores]) / 100)


def test_accuracy_stays_the_same_after_conversion(root, store, tmp_path):
    convert_folder(root, tmp_path / "artefacts", models=[MODEL])
    assert open_store(tmp_path / "artefacts").entry(MODEL).accuracy == pytest.approx(store.entry(MODEL).accuracy)


def test_several_regions_and_subjects_are_one_encoder(store):
    pictures = images(2)
    joint = store.encoder(MODEL, [1, 2], "V1")
    assert isinstance(joint, JointEncoder)
    responses = joint.encode(pictures, device="cpu")
    assert responses.subject.values.tolist() == [1] * 4 + [2] * 3
    alone = [store.encoder(MODEL, subject, "V1").encode(pictures, device="cpu").values for subject in (1, 2)]
    assert np.allclose(responses, np.concatenate(alone, 1), atol=1e-5)
    both = store.encoder(MODEL, 1, ["lateral", "V1"])
    assert both.units.model_roi.values.tolist() == ["lateral"] * 5 + ["V1"] * 4
    everything = store.encoder(MODEL, "all", "all")
    assert everything.response_shape == (12,)


def test_regions_of_the_cortex_are_united(store):
    assert store.encoder(SURFACE_MODEL, 1, ["V1v", "hV4"]).units.vertex.values.tolist() == [3, 4, 9, 20, 0, 1]
    assert store.encoder(SURFACE_MODEL).response_shape == (80,)


def test_region_under_its_other_spelling(store, tmp_path):
    assert store.encoder(SURFACE_MODEL, 1, "OVWFA").units.vertex.values.tolist() == [5]
    own = open_store(write_fwrf(tmp_path, roi="OVWFA"))
    assert own.encoder(MODEL, 1, "OWFA").response_shape == (4,)
    assert own.metadata(MODEL, 1, "OWFA").keys() == {"fmri", "encoding_models"}


@pytest.mark.parametrize(
    ("subject", "roi", "file"),
    [
        (3, "V1", "weights_sub-03_roi-V1.pt"),
        (3, None, "weights_sub-03_roi-V1.pt"),
        ([1, 5], "V1", "weights_sub-05_roi-V1.pt"),
        (1, "PPA", "weights_sub-01_roi-PPA.pt"),
        (1, ["V1", "PPA"], "weights_sub-01_roi-PPA.pt"),
        (2, "lateral", "weights_sub-02_roi-lateral_split-1.pt"),
    ],
)
def test_published_but_absent_file_is_named_with_how_to_get_it(store, subject, roi, file):
    with pytest.raises(MissingFileError, match=f"{file}; copy it from the published data set"):
        store.encoder(MODEL, subject, roi)


@pytest.mark.parametrize(("subject", "number"), [(1, 1), ([4, 2], 4), ("all", 1)])
def test_published_model_without_any_file_is_missing_and_not_unknown(store, subject, number):
    with pytest.raises(MissingFileError, match=rf"LinearRegression_param_sub-0{number}\.npy"):
        store.encoder(EEG_MODEL, subject)
    with pytest.raises(MissingFileError, match=r"metadata_sub-01\.npy"):
        store.metadata(EEG_MODEL)


def test_file_that_arrives_after_opening_asks_for_opening_again(copy):
    store = open_store(copy)
    assert store.entry(MODEL).subjects == [1, 2]
    write_fwrf(copy, 3, "V1")
    with pytest.raises(MissingFileError, match="it is here now: open it again"):
        store.encoder(MODEL, 3, "V1")
    assert open_store(copy).encoder(MODEL, 3, "V1").response_shape == (4,)


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (("fmri-nsd-fwr", 1, "V1"), UnknownNameError, "did you mean 'fmri-nsd-fwrf'"),
        ((MODEL, 9, "V1"), UnknownNameError, "unknown subject 9"),
        ((MODEL, 1, "V9"), UnknownNameError, "unknown roi 'V9'"),
        ((MODEL, "one", "V1"), UnknownNameError, "unknown subject 'one'"),
        ((MODEL, 1.0, "V1"), InputTypeError, "a subject is a whole number"),
        ((MODEL, 1, 7), InputTypeError, "roi must be a name"),
        ((SURFACE_MODEL, 1, "PPA"), UnknownNameError, "available: V1v, hV4, OWFA, mTL-bodies"),
        ((SURFACE_MODEL, 1, "mTL-bodies"), InputValueError, "no unit was chosen"),
    ],
)
def test_wrong_names_are_refused_with_the_choices(store, arguments, error, says):
    with pytest.raises(error, match=says):
        store.encoder(*arguments)


def test_metadata_keep_their_keys(store):
    metadata = store.metadata(MODEL, 1, "V1")
    assert metadata.keys() == {"fmri", "encoding_models"}
    assert metadata["fmri"].keys() == {"ncsnr", "roi_mask_volume", "fmri_affine"}
    assert store.metadata(SURFACE_MODEL, 1, "V1v")["fmri"].keys() >= {"lh_fsaverage_rois", "rh_ncsnr"}
    with pytest.raises(InputTypeError, match="give roi"):
        store.metadata(MODEL, 1)


def test_damaged_metadata_do_not_hide_the_models(copy):
    os.truncate(copy / FWRF / METADATA / "metadata_sub-01_roi-V1.npy", 50)
    os.truncate(copy / FSAVERAGE / METADATA / "metadata_subject-01.npy", 50)
    store = open_store(copy)
    assert store.models().id.tolist() == [MODEL, SURFACE_MODEL]
    with pytest.raises(DamagedFileError, match="metadata_sub-01_roi-V1"):
        store.encoder(MODEL, 1, "V1")
    with pytest.raises(DamagedFileError, match="metadata_subject-01"):
        store.encoder(SURFACE_MODEL, 1, "V1v")


def test_eeg_model_takes_no_region(tmp_path):
    store = open_store(write_eeg(tmp_path))
    with pytest.raises(InputValueError, match="has no regions"):
        store.encoder(EEG_MODEL, 1, "V1")
    assert (tmp_path / EEG / WEIGHTS).is_dir()
