"""What all families of published models share."""

from __future__ import annotations

import os
import pickle

import pytest

from braincodec.errors import DamagedFileError, UnknownNameError
from braincodec.folder import LocalFolder
from braincodec.legacy.eeg_vit import ThingsEegViT
from braincodec.legacy.families import families_in
from braincodec.legacy.fmri_fwrf import NsdFwRF

from .layouts import EEG, WEIGHTS, write_eeg, write_eeg_berg, write_fsaverage, write_fwrf


def test_only_families_with_weights_are_found(tmp_path):
    assert families_in(LocalFolder(write_eeg(tmp_path))).keys() == {"eeg-things_eeg_2-vit_b_32"}
    write_fsaverage(tmp_path)
    assert len(families_in(LocalFolder(tmp_path))) == 2


def test_subject_never_published_is_refused_with_the_choices(tmp_path):
    with pytest.raises(UnknownNameError, match=r"available: 1, 2, 3, 4, 5, 6, 7, 8$"):
        NsdFwRF(LocalFolder(write_fwrf(tmp_path))).load(9, "V1")
    with pytest.raises(UnknownNameError, match="unknown subject 11"):
        ThingsEegViT(LocalFolder(write_eeg(tmp_path))).load(11)


def test_hostile_weights_end_in_the_name_of_what_they_wanted_to_run(tmp_path):
    write_eeg_berg(tmp_path)
    marker = tmp_path / "marker"

    class Evil:
        def __reduce__(self):
            return os.system, (f"touch {marker}",)

    path = tmp_path / EEG / WEIGHTS / "weights_subject-01.npy"
    path.write_bytes(pickle.dumps({"scaler_param": Evil()}))
    with pytest.raises(DamagedFileError, match="system"):
        ThingsEegViT(LocalFolder(tmp_path)).load(1)
    assert not marker.exists()
