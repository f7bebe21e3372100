"""Raw THINGS-EEG2: prepared as the published pipelines do, step by step, and nothing fitted on the test by default."""

from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("mne")

from braincodec.datasets import Counts, load_dataset
from braincodec.datasets.things_eeg2 import PREPARATIONS, Preparation, ThingsEEG2, prepare
from braincodec.datasets.things_eeg2 import noise_normalisation as normalisation
from braincodec.datasets.things_eeg2.epochs import epoch_operator
from braincodec.datasets.things_eeg2.noise_normalisation import noise_covariance, standardise, whitening
from braincodec.datasets.things_eeg2.preparation import anterior_to_posterior, open_preparation
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
from braincodec.simulate.layouts.things_eeg2 import RAW_CHANNELS, write_things_eeg2

from ..legacy.hostile import Reduces
from . import published_eeg as published
from .alignment import held_out_correlation

TRAIN, TEST = 12, 3
PARTS = {"train": "training", "test": "test"}


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(ThingsEEG2, "expected", {"1": Counts(stimuli=TRAIN + TEST, repetitions=8)})


@pytest.fixture(scope="module")
def raw_folder(tmp_path_factory):
    return write_things_eeg2(tmp_path_factory.mktemp("raw"), version="raw", source_data=True)


@pytest.fixture
def changed(raw_folder, tmp_path):
    """A copy that may be changed."""
    return shutil.copytree(raw_folder, tmp_path / "changed")


def session(folder, number=1):
    return folder / "raw_data" / "sub-01" / f"ses-{number:02d}"


def rewrite(path, **changes):
    """Change entries of a raw file; None drops one."""
    held = {
        key: np.array(value) if isinstance(value, np.ndarray) else value for key, value in read_legacy(path).items()
    }
    held |= changes
    kept = {key: value for key, value in held.items() if value is not None}
    np.save(path, np.array(kept, dtype=object), allow_pickle=True)


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


def test_default_is_mne_step_by_step_with_noise_of_training_trials_alone(raw_folder, tmp_path):
    recording = ThingsEEG2(raw_folder, preparation={"sampling_rate": 40.0}, cache=tmp_path).subject("1")
    options = {"tmin": -0.1, "tmax": 0.8, "rate": 40}
    parts = {part: sessions_as_published(raw_folder, part, **options) for part in PARTS}
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


def test_published_preprocessing_comes_out_in_its_own_order(raw_folder, tmp_path):
    preparation = PREPARATIONS["gifford2022"].model_copy(update={"sampling_rate": 40.0})  # fewer covariances to compare
    recording = ThingsEEG2(raw_folder, preparation=preparation, cache=tmp_path).subject("1")
    names = ["Pz", "P3", "O1", "Oz", "O2"]
    assert recording.responses["channel"].values.tolist() == names
    options = {"tmin": -0.2, "tmax": 0.8, "rate": 40, "channels": names}
    parts = {part: sessions_as_published(raw_folder, part, **options)[0] for part in PARTS}
    expected = {part: [] for part in PARTS}
    for number in range(4):
        # the repetitions of a session are few here, so all are drawn, in the order of the seed
        cut = {part: published.sorted_by_picture(*parts[part][number], "training", published=True) for part in PARTS}
        covariance = np.mean([published.mean_covariance(data) for data, _ in cut.values()], axis=0)
        for part, (data, known) in cut.items():
            expected[part].append((published.whiten(data, covariance), known))
    for part in PARTS:
        np.testing.assert_allclose(recording.part(part)[1].values, published.merged(expected[part]), atol=2e-4)


def test_data_of_neds_model_come_out_as_ned_prepares_them(raw_folder, tmp_path):
    preparation = PREPARATIONS["ned"].model_copy(update={"highpass": 2.0})  # a filter of 0.03 Hz takes a minute to make
    recording = ThingsEEG2(raw_folder, preparation=preparation, cache=tmp_path).subject("1")
    assert recording.responses.sizes["time"] == 140
    expected = {part: [] for part in PARTS}
    for number in range(1, 5):
        header = next((raw_folder / "source_data" / "sub-01" / f"ses-{number:02d}").rglob("*.vhdr"))
        cut = {}
        for part, name in PARTS.items():
            data, picture, times, _ = published.session_epochs(
                session(raw_folder, number), name, tmin=-0.1, tmax=0.6, rate=200, early_baseline=False,
                bands=(2.0, 100.0), header=header,
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


def test_nothing_is_fitted_on_the_test_by_default(changed, tmp_path):
    before = ThingsEEG2(changed, cache=tmp_path / "a").subject("1").part("train")[1].values
    published_before = ThingsEEG2(changed, preparation="gifford2022", cache=tmp_path / "a").subject("1")
    published_before = published_before.part("train")[1].values
    for number in range(1, 5):
        path = session(changed, number) / "raw_eeg_test.npy"
        data = np.array(read_legacy(path)["raw_eeg_data"])
        data[:-1] *= np.arange(1, len(data))[:, None]
        rewrite(path, raw_eeg_data=data)
    after = ThingsEEG2(changed, cache=tmp_path / "b").subject("1").part("train")[1].values
    np.testing.assert_array_equal(after, before)
    published_after = ThingsEEG2(changed, preparation="gifford2022", cache=tmp_path / "b").subject("1")
    assert np.abs(published_after.part("train")[1].values - published_before).max() > 0.1
    assert not Preparation().fits_on_test
    assert PREPARATIONS["gifford2022"].fits_on_test
    assert PREPARATIONS["ned"].fits_on_test


@pytest.mark.parametrize(("rate", "recorded"), [(100.0, 1000.0), (250.0, 1000.0), (90.0, 500.0), (200.0, 200.0)])
def test_one_matrix_does_what_mne_does_to_an_epoch(rate, recorded):
    import mne

    operator = epoch_operator(Preparation(sampling_rate=rate, start=-0.2, end=0.5), recorded)
    rng = np.random.default_rng(0)
    samples = rng.standard_normal((3, 2, operator.matrix.shape[0])).cumsum(axis=-1)
    epochs = mne.EpochsArray(
        samples, mne.create_info(2, recorded, "eeg"), tmin=-0.2, baseline=(None, 0), verbose="error"
    )
    if rate < recorded:
        epochs.resample(rate, verbose="error")
    np.testing.assert_allclose(samples @ operator.matrix, epochs.get_data(copy=True), atol=1e-10)
    np.testing.assert_allclose(operator.times, epochs.times)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 10**6), st.lists(st.integers(1, 5), min_size=1, max_size=6), st.sampled_from(["time", "repetitions"])
)
def test_covariance_of_many_pictures_is_the_mean_of_scikit_learns(seed, repetitions, over):
    rng = np.random.default_rng(seed)
    data = rng.standard_normal((sum(repetitions), 4, 7)) * np.array([1, 5, 0.1, 2])[:, None]
    data[:, 1] += data[:, 0]
    picture = np.repeat(np.arange(len(repetitions)), repetitions)
    kept = [number for number, count in enumerate(repetitions) if over == "repetitions" or count > 1]
    if not kept:
        with pytest.raises(DamagedFileError, match="no picture was repeated"):
            noise_covariance(data, picture, over)
        return
    expected = np.mean([published.mean_covariance(data[picture == number][None], over) for number in kept], axis=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalisation, "BLOCK_BYTES", 2000)
        np.testing.assert_allclose(noise_covariance(data, picture, over), expected, rtol=1e-9, atol=1e-12)


def test_whitened_noise_has_the_identity_as_covariance():
    rng = np.random.default_rng(0)
    mixing = rng.standard_normal((5, 5))
    covariance = mixing @ mixing.T
    matrix = whitening(covariance)
    np.testing.assert_allclose(matrix @ covariance @ matrix, np.eye(5), atol=1e-10)
    with pytest.raises(DamagedFileError, match="constant or sums of each other"):
        whitening(np.ones((2, 2)))


def test_standardisation_is_of_what_it_is_fitted_on():
    rng = np.random.default_rng(0)
    train, test = (rng.standard_normal((6, 2, 3)) * 4 + 7 for _ in range(2))
    expected = (test - train.mean(0)) / train.std(0)
    standardise([train, test], [train])
    np.testing.assert_allclose(test, expected)
    np.testing.assert_allclose(train.std(0), 1)
    constant = np.full((3, 1, 1), 5.0)
    standardise([constant], [constant])
    assert (constant == 0).all()


def test_channels_are_put_from_front_to_back_and_left_to_right():
    shuffled = list(np.random.default_rng(0).permutation(
        ["Fp1", "Fp2", "AF7", "AFz", "F5", "F2", "FT9", "FT7", "FCz", "FC2", "FT10", "T7", "Cz", "T8", "TP9", "CPz",
         "TP10", "P7", "Pz", "P8", "PO7", "POz", "O1", "Oz", "O2"]
    ))  # fmt: skip
    assert anterior_to_posterior(shuffled) == [
        "Fp1", "Fp2", "AF7", "AFz", "F5", "F2", "FT9", "FT7", "FCz", "FC2", "FT10", "T7", "Cz", "T8", "TP9", "CPz",
        "TP10", "P7", "Pz", "P8", "PO7", "POz", "O1", "Oz", "O2",
    ]  # fmt: skip


def test_prepared_sessions_are_kept_until_files_or_settings_change(changed, tmp_path, monkeypatch):
    made = []
    original = prepare._prepare
    monkeypatch.setattr(
        prepare, "_prepare", lambda session, *rest: (made.append(session.number), original(session, *rest))
    )
    first = ThingsEEG2(changed, cache=tmp_path).subject("1").responses.values
    again = ThingsEEG2(changed, cache=tmp_path).subject("1").responses.values
    assert made == [1, 2, 3, 4]
    np.testing.assert_array_equal(again, first)
    data = np.array(read_legacy(session(changed, 3) / "raw_eeg_training.npy")["raw_eeg_data"])
    rewrite(session(changed, 3) / "raw_eeg_training.npy", raw_eeg_data=data[:, :-1])
    ThingsEEG2(changed, cache=tmp_path).subject("1")
    assert made[4:] == [3]
    ThingsEEG2(changed, cache=tmp_path, preparation={"sampling_rate": 50.0}).subject("1")
    assert made[5:] == [1, 2, 3, 4]


def test_interrupted_preparation_leaves_nothing_half_written_and_goes_on(changed, tmp_path, monkeypatch):
    original = prepare._normalise

    def interrupted(epochs, trials, preparation, where):
        if where.endswith("ses-03"):
            raise KeyboardInterrupt
        original(epochs, trials, preparation, where)

    monkeypatch.setattr(prepare, "_normalise", interrupted)
    with pytest.raises(KeyboardInterrupt):
        ThingsEEG2(changed, cache=tmp_path).subject("1")
    kept = [path.name[:6] for path in (tmp_path / "things_eeg2" / "sub-01").iterdir()]
    assert sorted(kept) == ["ses-01", "ses-02"]
    monkeypatch.setattr(prepare, "_normalise", original)
    assert ThingsEEG2(changed, cache=tmp_path).subject("1").responses.shape[0] == TRAIN + TEST


@pytest.mark.parametrize("small_disk", [1], indirect=True)
def test_full_disk_is_said_and_the_sessions_that_fitted_are_kept(raw_folder, small_disk):
    with pytest.raises(OutputError, match="MB free"):
        ThingsEEG2(raw_folder, cache=small_disk, preparation={"sampling_rate": 1000.0}).subject("1")
    assert [path.name[:6] for path in (small_disk / "things_eeg2" / "sub-01").iterdir()] == ["ses-01"]


def test_damaged_cache_is_named(changed, tmp_path):
    data = ThingsEEG2(changed, cache=tmp_path)
    data.subject("1")
    kept = next((tmp_path / "things_eeg2" / "sub-01").glob("ses-02*"))
    np.save(kept / "train_pictures.npy", np.arange(3))
    with pytest.raises(DamagedFileError, match=r"ses-02.* prepared trials of the train part; remove it"):
        data.subject("1")
    (kept / "session.json").write_text("{}")
    with pytest.raises(DamagedFileError, match="remove it to prepare it again"):
        data.subject("1")


def test_fewer_sessions_have_fewer_pictures_and_repetitions(raw_folder, tmp_path):
    data = ThingsEEG2(raw_folder, cache=tmp_path)
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


def test_missing_session_is_named_by_reading_and_by_checking(changed, tmp_path):
    shutil.rmtree(session(changed, 2))
    data = ThingsEEG2(changed, cache=tmp_path)
    with pytest.raises(MissingFileError, match="session 2 of subject 1"):
        data.subject("1")
    problems = data.verify()
    assert "subject 1: session 2 is absent" in problems
    shutil.rmtree(session(changed, 4))
    assert "subject 1: 6 of 12 train pictures have no trial" in data.verify()


def test_trial_that_was_not_recorded_whole_is_a_missing_repetition(changed, tmp_path):
    path = session(changed, 1) / "raw_eeg_test.npy"
    data = np.array(read_legacy(path)["raw_eeg_data"])
    last = np.flatnonzero(data[-1])[-1]
    number = int(data[-1, last])
    rewrite(path, raw_eeg_data=data[:, : last + 100])
    recording = ThingsEEG2(changed, cache=tmp_path).subject("1")
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
def test_raw_files_that_make_no_sense_are_named(changed, tmp_path, changes, says):
    rewrite(session(changed) / "raw_eeg_training.npy", **changes)
    with pytest.raises(DamagedFileError, match=says):
        ThingsEEG2(changed, cache=tmp_path).subject("1")
    if "sampling" not in says:
        assert any(says[:12] in problem for problem in ThingsEEG2(changed, cache=tmp_path).verify())


def test_trigger_of_a_picture_that_does_not_exist_is_named(changed, tmp_path):
    path = session(changed) / "raw_eeg_training.npy"
    data = np.array(read_legacy(path)["raw_eeg_data"])
    data[-1, 400] = 999
    rewrite(path, raw_eeg_data=data)
    with pytest.raises(DamagedFileError, match="a trigger names picture 999, but there are 12"):
        ThingsEEG2(changed, cache=tmp_path).subject("1")


def test_dead_channel_cannot_be_normalised(changed, tmp_path):
    for part in PARTS.values():
        path = session(changed) / f"raw_eeg_{part}.npy"
        data = np.array(read_legacy(path)["raw_eeg_data"])
        data[2] = 0
        rewrite(path, raw_eeg_data=data)
    with pytest.raises(DamagedFileError, match="ses-01: channels are constant"):
        ThingsEEG2(changed, cache=tmp_path).subject("1")
    with pytest.raises(DamagedFileError, match="a channel may be constant"):
        ThingsEEG2(changed, cache=tmp_path, preparation={"noise_normalisation": "none", "baseline": "zscore"}).subject(
            "1"
        )


def test_truncated_and_hostile_files_are_refused(changed, tmp_path):
    path, canary = session(changed) / "raw_eeg_test.npy", tmp_path / "canary"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match="raw_eeg_test"):
        ThingsEEG2(changed, cache=tmp_path).subject("1")
    hostile = {"raw_eeg_data": Reduces(exec, f"open({str(canary)!r}, 'w')")}
    np.save(path, np.array(hostile, dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match="asks to run"):
        ThingsEEG2(changed, cache=tmp_path).subject("1")
    path.unlink()
    with pytest.raises(MissingFileError, match="raw EEG not found"):
        ThingsEEG2(changed, cache=tmp_path).subject("1")
    assert not canary.exists()


def test_positions_of_electrodes_are_needed_for_current_source_density_alone(changed, tmp_path):
    shutil.rmtree(changed / "source_data" / "sub-01" / "ses-02")
    header = next((changed / "source_data" / "sub-01" / "ses-01").rglob("*.vhdr"))
    assert ThingsEEG2(changed, cache=tmp_path).subject("1")
    data = ThingsEEG2(
        changed, cache=tmp_path, preparation={"current_source_density": True, "noise_normalisation": "none"}
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


def test_settings_are_checked(raw_folder, tmp_path):
    with pytest.raises(InputValueError, match=r"unknown key 'sampling_rat' \(did you mean 'sampling_rate'"):
        open_preparation({"sampling_rat": 3})
    with pytest.raises(UnknownNameError, match="did you mean 'gifford2022'"):
        ThingsEEG2(raw_folder, preparation="giford2022")
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
        ThingsEEG2(raw_folder, preparation={"sampling_rate": 2000.0}, cache=tmp_path).subject("1")
    with pytest.raises(UnknownNameError, match="unknown channel 'O9'"):
        ThingsEEG2(raw_folder, preparation={"channels": ("O9",)}, cache=tmp_path).subject("1")


def test_preparation_travels_with_the_responses(raw_folder, tmp_path):
    recording = ThingsEEG2(raw_folder, preparation={"sampling_rate": 50.0}, cache=tmp_path).subject("1")
    assert '"sampling_rate": 50.0' in recording.responses.attrs["preparation"]
    assert recording.responses.attrs["response_units"] == "noise_normalised"
