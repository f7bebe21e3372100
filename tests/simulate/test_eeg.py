"""Simulated EEG subjects."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec import simulate
from braincodec.errors import InputValueError

pytest.importorskip("mne")

from braincodec.simulate.eeg import NOISE, REPETITION_GAINS
from braincodec.simulate.eeg_sources import (
    CHANNELS,
    SOURCES,
    TIMES,
    background,
    background_mixing,
    time_course,
    topography,
)


def test_responses_have_repetition_channel_and_time(eeg):
    responses = eeg.responses(simulate.stimuli(3, size=64), repetitions=2)
    assert responses.dims == ("stimulus", "repetition", "channel", "time") == eeg.dims
    assert responses.shape == (3, 2, 63, 91)
    assert responses.attrs["simulated"] == 1
    assert responses.attrs["response_units"] == "microvolt"
    assert responses.time.values[[0, -1]] == pytest.approx([-0.1, 0.8])


def test_equal_seeds_are_bit_identical(eeg):
    again = simulate.eeg_subject(backbone="gabor:bank", calibration=24)
    assert again.encoder().identity() == eeg.encoder().identity()


def test_nothing_happens_before_the_stimulus(eeg):
    signal = eeg.encoder().encode(simulate.stimuli(3, size=64))
    assert np.abs(signal.sel(time=slice(-0.1, 0.0)).values).max() == 0
    assert np.abs(signal.values).max() > 1


def test_noise_has_the_known_deviation_everywhere(eeg):
    stimuli = simulate.stimuli(40, size=32)
    noise = eeg.responses(stimuli, repetitions=4) - eeg.encoder().encode(stimuli)
    assert float(noise.std()) == pytest.approx(NOISE, rel=0.03)
    np.testing.assert_allclose(noise.values.std((0, 1)).mean(1), NOISE, rtol=0.15)


def test_signal_over_calibration_stimuli_has_the_known_ncsnr(eeg):
    ids = simulate.split(30).train[:24]
    signal = eeg.encoder().encode(simulate.stimuli(30)[list(ids)])
    known = eeg.units.ncsnr.values
    np.testing.assert_allclose(signal.values[:, 0].std(0) / NOISE, known, atol=1e-3 * known.max())


def test_the_response_wanes_with_repetition(eeg):
    signal = eeg.encoder().encode(simulate.stimuli(4, size=64)).values
    for number, gain in enumerate(REPETITION_GAINS):
        np.testing.assert_allclose(signal[:, number], gain * signal[:, 0], rtol=1e-4, atol=1e-4)


def test_more_repetitions_than_there_are_is_refused(eeg):
    with pytest.raises(InputValueError, match="4 repetitions, not 5"):
        eeg.responses(simulate.stimuli(2, size=32), repetitions=5)


def test_early_sources_are_contralateral():
    left_field = topography(SOURCES["left field"])
    assert left_field[CHANNELS.index("O2")] > left_field[CHANNELS.index("O1")]


@pytest.mark.parametrize("name", SOURCES)
def test_sources_are_average_referenced_and_silent_at_onset(name):
    assert topography(SOURCES[name]).mean() == pytest.approx(0, abs=1e-12)
    assert not time_course(SOURCES[name])[TIMES <= 0].any()


def test_low_level_responses_come_before_category_responses():
    def latency(name: str) -> float:
        return float(TIMES[np.abs(time_course(SOURCES[name])).argmax()])

    assert latency("left field") < 0.12 < latency("face") < 0.2


def test_background_is_stationary_and_correlated_over_time_and_space():
    noise = background(np.random.default_rng(0), 400, background_mixing(0, 1))
    np.testing.assert_allclose(noise.std((0, 1)), 1, rtol=0.06)
    assert np.corrcoef(noise[:, 10, 20], noise[:, 10, 21])[0, 1] > 0.7
    assert np.abs(np.corrcoef(noise[:, :, 50].T))[~np.eye(63, dtype=bool)].max() > 0.4


def test_recording_fits_itself(eeg):
    recording = eeg.recording(10, repetitions=4)
    assert recording.responses.sizes["repetition"] == 4
    assert len(recording.split.train) == 8
