"""A simulated data set says what its ceilings are, and they are."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.datasets import load_dataset
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.simulate.eeg import NOISE

pytest.importorskip("nilearn")
pytest.importorskip("skimage")
SMALL = {"backbone": "gabor:bank", "calibration": 24}


TINY = {"n": 10, "repetitions": 1, "backbone": "gabor:bank", "calibration": 8}


@pytest.fixture(scope="module")
def fmri():
    return load_dataset("simulated", n=80, repetitions=2, subjects=2, **SMALL)


@pytest.fixture(scope="module")
def recording(fmri):
    return fmri.subject("1")


def test_recordings_have_what_was_asked_for(recording):
    assert (recording.dataset, recording.subject) == ("simulated", "1")
    assert recording.responses.dims == ("stimulus", "repetition", "unit")
    assert recording.responses.shape[:2] == (80, 2)
    assert [len(recording.split.ids(part)) for part in ("train", "validation", "test")] == [64, 8, 8]
    assert recording.responses.attrs["simulated"] == 1


def test_recordings_are_reproducible_and_subjects_differ():
    data = load_dataset("simulated", subjects=2, **TINY)
    again = load_dataset("simulated", **TINY).subject("1")
    np.testing.assert_array_equal(again.responses, data.subject("1").responses)
    assert not np.allclose(again.responses, data.subject("2").responses)


def test_known_ceiling_is_the_share_of_variance_that_the_truth_explains(fmri, recording):
    truth = fmri.ground_truth("1").encode(recording.stimuli, progress=False).values
    explained = np.array(
        [np.corrcoef(a, b)[0, 1] ** 2 for a, b in zip(truth.T, recording.responses.mean("repetition").T, strict=True)]
    )
    ceiling = recording.units["noise_ceiling"].values
    np.testing.assert_array_equal(ceiling, recording.responses["noise_ceiling"])
    assert abs(np.mean(explained - ceiling)) < 0.03
    assert np.corrcoef(explained, ceiling)[0, 1] > 0.9
    ncsnr = recording.units["ncsnr"].values
    np.testing.assert_allclose(ceiling, ncsnr**2 / (ncsnr**2 + 1 / 2), rtol=1e-6)


def test_known_eeg_ceiling_follows_the_number_of_repetitions():
    pytest.importorskip("mne")
    scale = []
    for repetitions in (1, 4):
        data = load_dataset("simulated", modality="eeg", n=40, repetitions=repetitions, **SMALL)
        recording = data.subject("1")
        assert data.modality == "eeg"
        assert recording.responses.dims == ("stimulus", "repetition", "channel", "time")
        signal = data.ground_truth("1").encode(recording.stimuli, progress=False)
        signal = signal.isel(repetition=slice(repetitions)).mean("repetition").values
        noise = (recording.responses.mean("repetition").values - signal).var()
        assert noise == pytest.approx(NOISE**2 / repetitions, rel=0.1)
        ceiling = recording.units["noise_ceiling"].values
        high = ceiling > np.quantile(ceiling, 0.9)
        scale.append(np.median((signal.var(0) / noise)[high] / (ceiling / (1 - ceiling))[high]))
    # few stimuli and few calibration stimuli leave the scale of the signal uncertain, but alike for both
    assert scale[0] == pytest.approx(1, abs=0.4)
    assert scale[1] == pytest.approx(scale[0], rel=0.1)


def test_wrong_options_are_named(fmri):
    with pytest.raises(UnknownNameError, match=r"unknown modality 'meg'.*fmri, eeg"):
        load_dataset("simulated", modality="meg")
    with pytest.raises(InputTypeError, match=r"n must be a whole number, not '200'"):
        load_dataset("simulated", n="200")
    with pytest.raises(InputTypeError, match=r"n must be a whole number, not 20\.5"):
        load_dataset("simulated", n=20.5)
    with pytest.raises(InputValueError, match="n must be at least 10, not 3"):
        load_dataset("simulated", n=3)
    with pytest.raises(UnknownNameError, match="unknown subject '3' of the simulated data set; available: 1, 2"):
        fmri.subject("3")
    with pytest.raises(InputValueError, match="gives 4 repetitions, not 5"):
        load_dataset("simulated", modality="eeg", n=10, repetitions=5, **SMALL).subject("1")
