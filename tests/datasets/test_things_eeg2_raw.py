"""Raw THINGS-EEG2: prepared as the published pipelines do, step by step, and nothing fitted on the test by default."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

pytest.importorskip("mne")

from braincodec.datasets import Counts, load_dataset
from braincodec.datasets.things_eeg2 import PREPARATIONS, Preparation, ThingsEEG2
from braincodec.legacy.read import read_legacy
from braincodec.simulate.layouts.things_eeg2 import RAW_CHANNELS, write_things_eeg2

from . import published_eeg as published
from .alignment import held_out_correlation
from .eeg_files import PARTS, TEST, TRAIN, rewrite, session


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(ThingsEEG2, "expected", {"1": Counts(stimuli=TRAIN + TEST, repetitions=8)})


def sessions_as_published(folder, part, **options):
    """All four sessions through MNE: list of (data, pictures), times, channel names."""
    found = []
    for number in range(1, 5):
        data, picture, times, names = published.session_epochs(session(folder, number), PARTS[part], **options)
        found.append((data, picture))
    return found, times, names


def test_responses_belong_to_their_pictures(tmp_path, monkeypatch):
    monkeypatch.setattr(ThingsEEG2, "expected", {})
    folder = write_things_eeg2(tmp_path / "data", version="raw", concepts=10, per_concept=6, test=10, sessions=2)
    settings_ = {
        "sampling_rate": 50.0,
        "channels": ("Oz", "Pz", "Cz"),
        "start": -0.1,
        "end": 0.4,
        "noise_normalisation": "none",
    }
    data = load_dataset("things_eeg2", folder, preparation=settings_, cache=tmp_path / "cache")
    monkeypatch.setattr(ThingsEEG2, "sessions", 2)
    recording = data.subject("1")
    at_peak = recording.responses.sel(time=0.16, method="nearest")
    units = recording.units.sel(time=[float(at_peak["time"])])
    peak = dataclasses.replace(recording, responses=recording.responses.sel(time=units["time"].values), units=units)
    assert held_out_correlation(peak) > 0.8


def test_default_is_mne_step_by_step_with_noise_of_training_trials_alone(raw_eeg, tmp_path):
    recording = ThingsEEG2(raw_eeg, preparation={"sampling_rate": 40.0}, cache=tmp_path).subject("1")
    options = {"tmin": -0.1, "tmax": 0.8, "rate": 40}
    parts = {part: sessions_as_published(raw_eeg, part, **options) for part in PARTS}
    order = [RAW_CHANNELS.index(name) for name in recording.responses["channel"].values]
    np.testing.assert_allclose(recording.responses["time"].values, parts["train"][1])
    expected = {part: [] for part in PARTS}
    for number in range(4):
        cut = {
            part: published.sorted_by_picture(*parts[part][0][number], PARTS[part], published=False) for part in PARTS
        }
        covariance = published.mean_covariance(cut["train"][0])
        for part, (data, known) in cut.items():
            expected[part].append((published.whiten(data, covariance), known))
    for part in PARTS:
        together = published.merged(expected[part], published=False)[:, :, order]
        # whitening is symmetric, so the order of channels does not matter to it
        np.testing.assert_allclose(recording.part(part)[1].values, together, atol=2e-4)


def test_published_preprocessing_comes_out_in_its_own_order(raw_eeg, tmp_path):
    preparation = PREPARATIONS["gifford2022"].model_copy(update={"sampling_rate": 40.0})  # fewer covariances to compare
    recording = ThingsEEG2(raw_eeg, preparation=preparation, cache=tmp_path).subject("1")
    names = ["Pz", "P3", "O1", "Oz", "O2"]
    assert recording.responses["channel"].values.tolist() == names
    options = {"tmin": -0.2, "tmax": 0.8, "rate": 40, "channels": names}
    parts = {part: sessions_as_published(raw_eeg, part, **options)[0] for part in PARTS}
    expected = {part: [] for part in PARTS}
    for number in range(4):
        # the repetitions of a session are few here, so all are drawn, in the order of the seed
        cut = {part: published.sorted_by_picture(*parts[part][number], "training", published=True) for part in PARTS}
        covariance = np.mean([published.mean_covariance(data) for data, _ in cut.values()], axis=0)
        for part, (data, known) in cut.items():
            expected[part].append((published.whiten(data, covariance), known))
    for part in PARTS:
        np.testing.assert_allclose(recording.part(part)[1].values, published.merged(expected[part]), atol=2e-4)


@pytest.mark.parametrize("highpass", [2.0, pytest.param(0.03, marks=pytest.mark.slow)])  # 0.03 Hz is NED's own
def test_data_of_neds_model_come_out_as_ned_prepares_them(raw_eeg, tmp_path, highpass):
    assert PREPARATIONS["ned"].highpass == 0.03
    preparation = PREPARATIONS["ned"].model_copy(update={"highpass": highpass})
    recording = ThingsEEG2(raw_eeg, preparation=preparation, cache=tmp_path).subject("1")
    assert recording.responses.sizes["time"] == 140
    expected = {part: [] for part in PARTS}
    for number in range(1, 5):
        header = next((raw_eeg / "source_data" / "sub-01" / f"ses-{number:02d}").rglob("*.vhdr"))
        cut = {}
        for part, name in PARTS.items():
            data, picture, times, _ = published.session_epochs(
                session(raw_eeg, number), name, tmin=-0.1, tmax=0.6, rate=200, early_baseline=False,
                bands=(highpass, 100.0), header=header,
            )  # fmt: skip
            before = data[..., times <= 0]
            data = (data - before.mean(-1, keepdims=True)) / before.std(-1, keepdims=True)
            cut[part] = published.sorted_by_picture(data, picture, "training")
        flat = {part: data.reshape(-1, *data.shape[2:]) for part, (data, _) in cut.items()}
        both = np.concatenate([flat["test"], flat["train"]])
        for part, (data, known) in cut.items():
            expected[part].append(((data - both.mean(0)) / both.std(0), known))
    for part in PARTS:
        np.testing.assert_allclose(recording.part(part)[1].values, published.merged(expected[part]), atol=5e-4)


def test_nothing_is_fitted_on_the_test_by_default(eeg_copy, tmp_path):
    before = ThingsEEG2(eeg_copy, cache=tmp_path / "a").subject("1").part("train")[1].values
    published_before = ThingsEEG2(eeg_copy, preparation="gifford2022", cache=tmp_path / "a").subject("1")
    published_before = published_before.part("train")[1].values
    for number in range(1, 5):
        path = session(eeg_copy, number) / "raw_eeg_test.npy"
        data = np.array(read_legacy(path)["raw_eeg_data"])
        data[:-1] *= np.arange(1, len(data))[:, None]
        rewrite(path, raw_eeg_data=data)
    after = ThingsEEG2(eeg_copy, cache=tmp_path / "b").subject("1").part("train")[1].values
    np.testing.assert_array_equal(after, before)
    published_after = ThingsEEG2(eeg_copy, preparation="gifford2022", cache=tmp_path / "b").subject("1")
    assert np.abs(published_after.part("train")[1].values - published_before).max() > 0.1
    assert not Preparation().fits_on_test
    assert PREPARATIONS["gifford2022"].fits_on_test
    assert PREPARATIONS["ned"].fits_on_test


def test_preparation_travels_with_the_responses(raw_eeg, tmp_path):
    recording = ThingsEEG2(raw_eeg, preparation={"sampling_rate": 50.0}, cache=tmp_path).subject("1")
    assert '"sampling_rate": 50.0' in recording.responses.attrs["preparation"]
    assert recording.responses.attrs["response_units"] == "noise_normalised"


@pytest.mark.parametrize(
    ("settings", "scaling"),
    [
        ({"noise_normalisation": "none"}, "original"),
        ({"noise_normalisation": "none", "standardisation": "training"}, "zscored_within_session"),
        ({"standardisation": "training_and_test"}, "zscored_within_session"),
    ],
)
def test_responses_say_how_they_were_scaled(raw_eeg, tmp_path, settings, scaling):
    recording = ThingsEEG2(raw_eeg, preparation={"sampling_rate": 50.0, **settings}, cache=tmp_path).subject("1")
    assert recording.responses.attrs["response_units"] == scaling
