"""Raw sessions of THINGS-EEG2: kept once prepared, missing or damaged ones named, settings checked."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

pytest.importorskip("mne")

from braincodec.datasets import Counts
from braincodec.datasets.things_eeg2 import ThingsEEG2, prepare
from braincodec.datasets.things_eeg2.preparation import open_preparation
from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingFileError,
    OutputError,
    UnknownNameError,
    UnsafeFileError,
)
from braincodec.legacy.read import read_legacy

from ..legacy.hostile import Reduces
from .eeg_files import PARTS, TEST, TRAIN, rewrite, session


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(ThingsEEG2, "expected", {"1": Counts(stimuli=TRAIN + TEST, repetitions=8)})


def test_prepared_sessions_are_kept_until_files_or_settings_change(eeg_copy, tmp_path, monkeypatch):
    made = []
    original = prepare._prepare
    monkeypatch.setattr(
        prepare, "_prepare", lambda session, *rest: (made.append(session.number), original(session, *rest))
    )
    first = ThingsEEG2(eeg_copy, cache=tmp_path).subject("1").responses.values
    again = ThingsEEG2(eeg_copy, cache=tmp_path).subject("1").responses.values
    assert made == [1, 2, 3, 4]
    np.testing.assert_array_equal(again, first)
    data = np.array(read_legacy(session(eeg_copy, 3) / "raw_eeg_training.npy")["raw_eeg_data"])
    rewrite(session(eeg_copy, 3) / "raw_eeg_training.npy", raw_eeg_data=data[:, :-1])
    ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    assert made[4:] == [3]
    ThingsEEG2(eeg_copy, cache=tmp_path, preparation={"sampling_rate": 50.0}).subject("1")
    assert made[5:] == [1, 2, 3, 4]


def test_interrupted_preparation_leaves_nothing_half_written_and_goes_on(eeg_copy, tmp_path, monkeypatch):
    original = prepare._normalise

    def interrupted(epochs, trials, preparation, where):
        if where.endswith("ses-03"):
            raise KeyboardInterrupt
        original(epochs, trials, preparation, where)

    monkeypatch.setattr(prepare, "_normalise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    kept = [path.name[:6] for path in (tmp_path / "things_eeg2" / "sub-01").iterdir()]
    assert sorted(kept) == ["ses-01", "ses-02"]
    monkeypatch.setattr(prepare, "_normalise", original)
    assert ThingsEEG2(eeg_copy, cache=tmp_path).subject("1").responses.shape[0] == TRAIN + TEST


@pytest.mark.parametrize("small_disk", [1], indirect=True)
def test_full_disk_is_said_and_the_sessions_that_fitted_are_kept(raw_eeg, small_disk):
    with pytest.raises(OutputError, match="MB free"):
        ThingsEEG2(raw_eeg, cache=small_disk, preparation={"sampling_rate": 1000.0}).subject("1")
    assert [path.name[:6] for path in (small_disk / "things_eeg2" / "sub-01").iterdir()] == ["ses-01"]


def test_damaged_cache_is_named(eeg_copy, tmp_path):
    data = ThingsEEG2(eeg_copy, cache=tmp_path)
    data.subject("1")
    kept = next((tmp_path / "things_eeg2" / "sub-01").glob("ses-02*"))
    np.save(kept / "train_pictures.npy", np.arange(3))
    with pytest.raises(DamagedFileError, match=r"ses-02.* prepared trials of the train part; remove it"):
        data.subject("1")
    (kept / "session.json").write_text("{}")
    with pytest.raises(DamagedFileError, match="remove it to prepare it again"):
        data.subject("1")


def test_fewer_sessions_have_fewer_pictures_and_repetitions(raw_eeg, tmp_path):
    data = ThingsEEG2(raw_eeg, cache=tmp_path)
    whole, one = data.subject("1"), data.subject("1", sessions=[2])
    assert one.responses.sizes["stimulus"] == TRAIN // 2 + TEST
    assert one.part("test")[1].sizes["repetition"] == 2
    np.testing.assert_array_equal(
        one.responses.sel(stimulus=one.split.test[0], repetition=1),
        whole.responses.sel(stimulus=one.split.test[0], repetition=3),
    )
    with pytest.raises(MissingFileError, match=r"session 7 of subject 1 \(there are 1, 2, 3, 4; sessions= reads fewer"):
        data.subject("1", sessions=[7])
    with pytest.raises(MissingFileError, match="session to read"):
        data.subject("1", sessions=[])


def test_missing_session_is_named_by_reading_and_by_checking(eeg_copy, tmp_path):
    shutil.rmtree(session(eeg_copy, 2))
    data = ThingsEEG2(eeg_copy, cache=tmp_path)
    with pytest.raises(MissingFileError, match="session 2 of subject 1"):
        data.subject("1")
    problems = data.verify()
    assert "subject 1: session 2 is absent" in problems
    shutil.rmtree(session(eeg_copy, 4))
    assert "subject 1: 6 of 12 train pictures have no trial" in data.verify()


def test_trial_that_was_not_recorded_whole_is_a_missing_repetition(eeg_copy, tmp_path):
    path = session(eeg_copy, 1) / "raw_eeg_test.npy"
    data = np.array(read_legacy(path)["raw_eeg_data"])
    last = np.flatnonzero(data[-1])[-1]
    number = int(data[-1, last])
    rewrite(path, raw_eeg_data=data[:, : last + 100])
    recording = ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    times_shown = recording.part("test")[1]["repetitions"].values
    # the pictures before it lasted as long as the epoch, so more than one may be cut
    assert times_shown[number - 1] < 8
    measured = recording.part("test")[1].values
    assert (np.isfinite(measured).all(axis=(2, 3)).sum(axis=1) == times_shown).all()


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"sfreq": None}, "lacks 'sfreq'"),
        ({"ch_names": ["Pz", "stim"]}, "2 different names and 10 types for 10 channels"),
        ({"ch_types": ["eeg"] * 10}, "0 channels of type 'stim'; expected one"),
        ({"raw_eeg_data": np.zeros(7)}, "expected numbers"),
        ({"raw_eeg_data": np.zeros((10, 5000))}, "has no triggers"),
        ({"sfreq": 0}, "at 0.0 samples a second"),
        ({"sfreq": 500}, "different channels or sampling rates"),
    ],
)  # fmt: skip
def test_raw_files_that_make_no_sense_are_named(eeg_copy, tmp_path, changes, says):
    rewrite(session(eeg_copy) / "raw_eeg_training.npy", **changes)
    with pytest.raises(DamagedFileError, match=says):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    if "sampling" not in says:
        assert any(says[:12] in problem for problem in ThingsEEG2(eeg_copy, cache=tmp_path).verify())


def test_trigger_of_a_picture_that_does_not_exist_is_named(eeg_copy, tmp_path):
    path = session(eeg_copy) / "raw_eeg_training.npy"
    data = np.array(read_legacy(path)["raw_eeg_data"])
    data[-1, 400] = 999
    rewrite(path, raw_eeg_data=data)
    with pytest.raises(DamagedFileError, match="a trigger names picture 999, but there are 12"):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")


def test_dead_channel_cannot_be_normalised(eeg_copy, tmp_path):
    for part in PARTS.values():
        path = session(eeg_copy) / f"raw_eeg_{part}.npy"
        data = np.array(read_legacy(path)["raw_eeg_data"])
        data[2] = 0
        rewrite(path, raw_eeg_data=data)
    with pytest.raises(DamagedFileError, match="ses-01: channels are constant"):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    with pytest.raises(DamagedFileError, match="a channel may be constant"):
        ThingsEEG2(eeg_copy, cache=tmp_path, preparation={"noise_normalisation": "none", "baseline": "zscore"}).subject(
            "1"
        )


def test_truncated_and_hostile_files_are_refused(eeg_copy, tmp_path):
    path, canary = session(eeg_copy) / "raw_eeg_test.npy", tmp_path / "canary"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match="raw_eeg_test"):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    hostile = {"raw_eeg_data": Reduces(exec, f"open({str(canary)!r}, 'w')")}
    np.save(path, np.array(hostile, dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match="asks to run"):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    path.unlink()
    with pytest.raises(MissingFileError, match="raw EEG not found"):
        ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    assert not canary.exists()


def test_positions_of_electrodes_are_needed_for_current_source_density_alone(eeg_copy, tmp_path):
    shutil.rmtree(eeg_copy / "source_data" / "sub-01" / "ses-02")
    header = next((eeg_copy / "source_data" / "sub-01" / "ses-01").rglob("*.vhdr"))
    assert ThingsEEG2(eeg_copy, cache=tmp_path).subject("1")
    data = ThingsEEG2(
        eeg_copy, cache=tmp_path, preparation={"current_source_density": True, "noise_normalisation": "none"}
    )
    with pytest.raises(MissingFileError, match="source data, which current source density needs"):
        data.subject("1")
    text = header.read_text(encoding="utf-8")
    header.write_text(text.partition("[Coordinates]")[0], encoding="utf-8")
    with pytest.raises(DamagedFileError, match=r"no positions of electrodes|does not say where Pz"):
        data.subject("1", sessions=[1])
    header.write_text("nothing")
    with pytest.raises(DamagedFileError, match="cannot be read as a recording of BrainVision"):
        data.subject("1", sessions=[1])


def test_settings_are_checked(raw_eeg, tmp_path):
    with pytest.raises(InputValueError, match=r"unknown key 'sampling_rat' \(did you mean 'sampling_rate'"):
        open_preparation({"sampling_rat": 3})
    with pytest.raises(UnknownNameError, match="did you mean 'gifford2022'"):
        ThingsEEG2(raw_eeg, preparation="giford2022")
    with pytest.raises(InputTypeError, match="not list"):
        open_preparation([1])
    for wrong, says in (
        ({"start": 0.5, "end": 0.1}, "begins at 0.5 s and ends at 0.1 s"),
        ({"start": 0.0}, "a baseline needs time before onset"),
        ({"current_source_density": True, "channels": ("Oz",)}, "needs all channels"),
        ({"current_source_density": True}, "noise_normalisation must be 'none'"),
        ({"highpass": 50.0, "lowpass": 1.0}, "must be below lowpass"),
    ):
        with pytest.raises(InputValueError, match=says):
            open_preparation(wrong)
    with pytest.raises(InputValueError, match="sampling_rate is 2000 Hz, but the recording has 1000 Hz"):
        ThingsEEG2(raw_eeg, preparation={"sampling_rate": 2000.0}, cache=tmp_path).subject("1")
    with pytest.raises(UnknownNameError, match="unknown channel 'O9'"):
        ThingsEEG2(raw_eeg, preparation={"channels": ("O9",)}, cache=tmp_path).subject("1")
