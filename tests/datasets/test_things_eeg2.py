"""Preprocessed THINGS-EEG2: both pickled forms, lazily, beside their pictures; wrong files named as such."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import xarray as xr

from braincodec.datasets import Counts, load_dataset
from braincodec.datasets.things_eeg2 import ThingsEEG2
from braincodec.datasets.things_eeg2.preprocessed import PreprocessedTrials
from braincodec.errors import (
    DamagedFileError,
    InputValueError,
    MissingFileError,
    UnknownNameError,
    UnsafeFileError,
)
from braincodec.legacy.read import read_legacy
from braincodec.simulate.layouts.things_eeg2 import write_things_eeg2

from ..legacy.hostile import Reduces
from .alignment import held_out_correlation

TRAIN, TEST = 12, 3


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(ThingsEEG2, "expected", {"1": Counts(stimuli=TRAIN + TEST, repetitions=8)})


def part_file(folder, part="training"):
    return folder / "Preprocessed" / "sub-01" / f"preprocessed_eeg_{part}.npy"


def rewrite(path, **changes):
    """Change entries of a dictionary in a .npy file; None drops one."""
    held = read_legacy(path, map_storage=False) | changes
    kept = {key: value for key, value in held.items() if value is not None}
    np.save(path, np.array(kept, dtype=object), allow_pickle=True)


@pytest.mark.parametrize("bare_pickle", [False, True])
def test_responses_belong_to_their_pictures(tmp_path, monkeypatch, bare_pickle):
    monkeypatch.setattr(ThingsEEG2, "expected", {})
    folder = write_things_eeg2(tmp_path, concepts=20, per_concept=5, test=15, bare_pickle=bare_pickle)
    recording = load_dataset("things_eeg2", folder).subject("1", repetitions="mean")
    assert held_out_correlation(recording) > 0.3  # many times have no signal
    peak = recording.part("test")[1].mean("channel").std("stimulus")
    assert float(peak["time"][int(np.argmax(peak.values))]) == pytest.approx(-0.05, abs=0.03)


@pytest.mark.parametrize("bare_pickle", [False, True])
def test_parts_have_their_own_repetitions(tmp_path, bare_pickle):
    folder = write_things_eeg2(tmp_path, bare_pickle=bare_pickle)
    recording = ThingsEEG2(folder).subject("1")
    stored = {part: read_legacy(part_file(folder, part)) for part in ("training", "test")}
    assert recording.responses.shape == (TRAIN + TEST, 8, 4, 20)
    train, test = (recording.part(part)[1] for part in ("train", "test"))
    np.testing.assert_array_equal(train.values, stored["training"]["preprocessed_eeg_data"])
    np.testing.assert_array_equal(test.values, stored["test"]["preprocessed_eeg_data"])
    assert train["repetitions"].values.tolist() == [4] * TRAIN
    assert train["channel"].values.tolist() == ["Pz", "O1", "Oz", "O2"]
    np.testing.assert_array_equal(train["time"].values, stored["training"]["times"])
    assert train.attrs["response_units"] == "noise_normalised"


@pytest.mark.parametrize(
    "chosen",
    [
        {"channel": 2},
        {"time": [3, 1], "channel": [2, 0]},
        {"stimulus": [14, 0, 3], "repetition": slice(2, 6), "time": slice(5, 9)},
        {"stimulus": 5, "repetition": 1, "channel": 3, "time": 19},
    ],
)
def test_any_selection_reads_what_the_whole_would_hold(tmp_path, chosen):
    responses = ThingsEEG2(write_things_eeg2(tmp_path)).subject("1").responses
    whole = xr.DataArray(responses.values, responses.coords, responses.dims, name="responses")
    xr.testing.assert_identical(responses.isel(chosen).drop_attrs(), whole.isel(chosen))


def test_responses_stay_in_their_files_until_used(tmp_path, monkeypatch):
    read = []
    original = PreprocessedTrials.read
    monkeypatch.setattr(PreprocessedTrials, "read", lambda self, *key: (read.append(key), original(self, *key))[1])
    recording = ThingsEEG2(write_things_eeg2(tmp_path)).subject("1")
    test = recording.part("test")[1]
    assert not read
    assert test.isel(stimulus=0).values.shape == (8, 4, 20)
    assert read


def test_means_are_over_the_repetitions_that_there_are(tmp_path):
    data = ThingsEEG2(write_things_eeg2(tmp_path))
    each, mean = data.subject("1"), data.subject("1", repetitions="mean")
    assert mean.responses.dims == ("stimulus", "channel", "time")
    for part in ("train", "test"):
        np.testing.assert_allclose(mean.part(part)[1].values, each.part(part)[1].values.mean(axis=1))
    assert mean.responses["repetitions"].values.tolist() == [4] * TRAIN + [8] * TEST


def test_trials_travel_to_other_processes_as_paths(tmp_path):
    trials = PreprocessedTrials(part_file(write_things_eeg2(tmp_path)))
    content = pickle.dumps(trials)
    assert len(content) < 1000
    everything = (slice(0, 5), slice(0, 80))
    np.testing.assert_array_equal(pickle.loads(content).read(*everything), trials.read(*everything))


def test_split_is_the_published_one_and_zero_shot(tmp_path):
    folder = write_things_eeg2(tmp_path)
    recording = ThingsEEG2(folder, validation=1, seed=3).subject("1")
    split = recording.split
    assert [len(split.ids(part)) for part in split.PARTS] == [9, 3, 3]
    concept = dict(zip(recording.responses["stimulus"].values, recording.responses["concept"].values, strict=True))
    assert len({concept[item] for item in split.validation}) == 1
    assert split.test == tuple(recording.responses["stimulus"].values[TRAIN:])
    assert split.train[0] in ("aardvark_01b", "abacus_01b")
    assert "zero-shot" in ThingsEEG2(folder).info()


def test_concept_in_both_parts_is_refused(tmp_path):
    folder = write_things_eeg2(tmp_path)
    listed = folder / "image_set" / "image_metadata.npy"
    held = read_legacy(listed)
    test = folder / "image_set" / "test_images"
    (test / held["test_img_concepts"][0]).rename(test / "00009_aardvark")
    rewrite(listed, test_img_concepts=["00009_aardvark", *held["test_img_concepts"][1:]])
    with pytest.raises(DamagedFileError, match="both in training and in test, the first is 'aardvark'"):
        ThingsEEG2(folder).subject("1")


@pytest.mark.parametrize(
    ("part", "changes", "says"),
    [
        ("training", {"ch_names": None}, "lacks 'ch_names'"),
        ("training", {"ch_names": ["Pz"]}, "1 channel names and 20 times"),
        ("test", {"times": np.zeros(4)}, "4 channel names and 4 times"),
        ("test", {"times": np.arange(20.0)}, "different channels or times"),
        ("training", {"preprocessed_eeg_data": np.zeros((3, 4, 4))}, "expected numbers"),
        ("training", {"preprocessed_eeg_data": np.zeros((3, 4, 4, 20))}, "3 stimuli, but 12 train pictures are listed"),
        ("test", {"preprocessed_eeg_data": np.zeros((3, 7, 4, 20))}, "7 repetitions, expected 8"),
    ],
)
def test_files_that_do_not_fit_together_are_named(tmp_path, part, changes, says):
    folder = write_things_eeg2(tmp_path)
    rewrite(part_file(folder, part), **changes)
    with pytest.raises(DamagedFileError, match=says):
        ThingsEEG2(folder).subject("1")
    assert any(says[:10] in problem for problem in ThingsEEG2(folder).verify())


def test_trigger_channel_in_the_names_is_passed_over(tmp_path):
    folder = write_things_eeg2(tmp_path)
    for part in ("training", "test"):
        rewrite(part_file(folder, part), ch_names=["Pz", "O1", "Oz", "O2", "stim"])
    assert ThingsEEG2(folder).subject("1").responses["channel"].values.tolist() == ["Pz", "O1", "Oz", "O2"]


@pytest.mark.parametrize("bare_pickle", [False, True])
def test_truncated_and_hostile_files_are_refused(tmp_path, bare_pickle):
    folder, canary = write_things_eeg2(tmp_path, bare_pickle=bare_pickle), tmp_path / "canary"
    path = part_file(folder)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match="preprocessed_eeg_training"):
        ThingsEEG2(folder).subject("1")
    hostile = {"preprocessed_eeg_data": Reduces(exec, f"open({str(canary)!r}, 'w')")}
    if bare_pickle:
        path.write_bytes(pickle.dumps(hostile))
    else:
        np.save(path, np.array(hostile, dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match="asks to run"):
        ThingsEEG2(folder).subject("1")
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(DamagedFileError, match="holds a list"):
        ThingsEEG2(folder).subject("1")
    assert not canary.exists()


@pytest.mark.parametrize("name", ["../../elsewhere", "/etc", "..", "", "a\\b"])
def test_names_of_pictures_cannot_lead_out_of_their_folder(tmp_path, name):
    folder = write_things_eeg2(tmp_path)
    listed = folder / "image_set" / "image_metadata.npy"
    rewrite(listed, train_img_concepts=[name, *read_legacy(listed)["train_img_concepts"][1:]])
    with pytest.raises(DamagedFileError, match="is no name of a file or folder"):
        ThingsEEG2(folder).subject("1")


def test_lists_of_pictures_are_checked(tmp_path):
    folder = write_things_eeg2(tmp_path)
    listed = folder / "image_set" / "image_metadata.npy"
    held = read_legacy(listed)
    for changes, error, says in (
        ({"test_img_files": None}, DamagedFileError, "lacks 'test_img_files'"),
        ({"test_img_files": []}, DamagedFileError, "is empty"),
        ({"test_img_files": held["test_img_files"][:2]}, DamagedFileError, "lists 2 test files of 3 concepts"),
        ({"train_img_files": held["train_img_files"][:1] * 12}, MissingFileError, "9 of 12 pictures, the first"),
    ):
        rewrite(listed, **held | changes)
        with pytest.raises(error, match=says):
            ThingsEEG2(folder).subject("1")
    rewrite(listed, **held)
    picture = folder / "image_set" / "training_images" / held["train_img_concepts"][4] / held["train_img_files"][4]
    picture.unlink()
    with pytest.raises(MissingFileError, match="1 of 12 pictures, the first of which is not found"):
        ThingsEEG2(folder).subject("1")
    listed.unlink()
    with pytest.raises(MissingFileError, match="list of the pictures of THINGS-EEG2"):
        ThingsEEG2(folder).subject("1")


def test_absent_subjects_and_options_that_do_not_fit(tmp_path, monkeypatch):
    folder = write_things_eeg2(tmp_path)
    monkeypatch.setattr(ThingsEEG2, "expected", ThingsEEG2.expected | {"2": Counts(1)})
    data = ThingsEEG2(folder)
    assert data.version == "preprocessed"
    assert data.verify(read_stimuli=True) == ["subject 2: absent"]
    with pytest.raises(MissingFileError, match="preprocessed recording of subject 2"):
        data.subject("2")
    with pytest.raises(UnknownNameError, match="unknown subject '11'"):
        data.subject("11")
    with pytest.raises(UnknownNameError, match="did you mean 'mean'"):
        data.subject("1", repetitions="maen")
    with pytest.raises(InputValueError, match="do not tell sessions apart"):
        data.subject("1", sessions=[1])
    with pytest.raises(InputValueError, match="preparation is of raw files"):
        ThingsEEG2(folder, version="preprocessed", preparation="ned")
    with pytest.raises(MissingFileError, match="raw recordings of things_eeg2"):
        ThingsEEG2(folder, preparation="ned")
    with pytest.raises(MissingFileError, match=r"osf\.io"):
        ThingsEEG2(tmp_path / "nothing")
    with pytest.raises(InputValueError, match="validation"):
        ThingsEEG2(folder, validation=-1)


def test_terms_and_sizes_are_told(tmp_path):
    text = ThingsEEG2(write_things_eeg2(tmp_path)).info()
    assert "1: 15 stimuli, up to 8 repetitions" in text
    assert "about 1.1 GB a subject" in text
    assert "THINGS, for research" in text
