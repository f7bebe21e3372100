"""Small simulated subjects, made once."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def fmri():
    pytest.importorskip("nilearn")
    pytest.importorskip("skimage")
    from braincodec import simulate

    return simulate.subject(backbone="gabor:bank", calibration=24)


@pytest.fixture(scope="session")
def eeg():
    pytest.importorskip("mne")
    pytest.importorskip("skimage")
    from braincodec import simulate

    return simulate.eeg_subject(backbone="gabor:bank", calibration=24)
