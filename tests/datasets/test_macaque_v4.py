"""Sessions of macaque V4 are read as they were published, and whatever is wrong is said."""

from __future__ import annotations

import pickle
import shutil
import zipfile

import numpy as np
import pytest

from braincodec.datasets import load_dataset
from braincodec.datasets.macaque_v4 import MacaqueV4
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError

SESSION = "210325"


def test_images_belong_to_their_columns_and_neurons_are_units(v4_folder, small_v4):
    recording = small_v4(v4_folder).subject("210224")
    averaged = np.load(v4_folder / "responses" / "responses_210224.npy")
    assert recording.responses.dims == ("stimulus", "unit")
    for column, name in enumerate(recording.responses["stimulus"].values):
        # brightness of the image is ten times its number
        assert round(recording.stimuli[str(name)].mean() / 10) == column + 1
        np.testing.assert_array_equal(recording.responses[column], averaged[:, column])
    assert recording.units["neuron"].values.tolist() == [1, 2, 3]
    assert recording.responses["roi_V4"].values.all()
    assert recording.responses.attrs["animal"] == "PE"


def test_raw_counts_give_repetitions_with_nan_where_one_is_missing(v4_folder, small_v4):
    responses = small_v4(v4_folder).subject(SESSION).responses
    raw = np.load(v4_folder / "responses_raw" / f"responses_{SESSION}.npy")
    assert responses.dims == ("stimulus", "repetition", "unit")
    np.testing.assert_array_equal(responses.values, raw.transpose(1, 2, 0))
    assert np.isnan(responses.values).all(2).sum() == 4  # four of twelve images lack their last repetition


def test_split_is_seeded_leaves_nothing_out_and_is_a_fifth_for_testing(v4_folder, small_v4):
    splits = [small_v4(v4_folder, seed=seed).subject(SESSION).split for seed in (0, 0, 1)]
    assert splits[0] == splits[1]
    assert splits[0] != splits[2]
    assert (len(splits[0].train), len(splits[0].validation), len(splits[0].test)) == (10, 0, 2)


def test_near_copies_stay_on_one_side_of_the_split(v4_folder, small_v4, monkeypatch):
    monkeypatch.setattr(small_v4, "near_copies", {SESSION: ((1, 9), (2, 12), (3, 500))})
    sides = []
    for seed in range(20):
        test = small_v4(v4_folder, seed=seed).subject(SESSION).split.test
        assert ("image0001.jpg" in test) == ("image0009.jpg" in test)
        assert ("image0002.jpg" in test) == ("image0012.jpg" in test)
        sides.append("image0009.jpg" in test)
    assert 0 < sum(sides) < 20
    groups = small_v4(v4_folder).subject(SESSION).responses["group"]
    assert groups.sel(stimulus="image0009.jpg") == groups.sel(stimulus="image0001.jpg")
    assert len(set(groups.values)) == 10


@pytest.mark.parametrize("folds", [2, 5, 10])
def test_cross_validation_tests_every_image_once_together_with_its_copies(v4_folder, small_v4, monkeypatch, folds):
    monkeypatch.setattr(small_v4, "near_copies", {SESSION: ((1, 9), (2, 12))})
    data = small_v4(v4_folder)
    splits = data.cross_validation(SESSION, folds, seed=1)
    assert splits == data.cross_validation(SESSION, folds, seed=1)
    assert splits != data.cross_validation(SESSION, folds, seed=2)
    assert sorted(name for split in splits for name in split.test) == data.subject(SESSION).stimuli.ids.tolist()
    for split in splits:
        assert len(split) == 12
        assert len({"image0001.jpg", "image0009.jpg"} & set(split.test)) != 1
        assert len({"image0002.jpg", "image0012.jpg"} & set(split.test)) != 1
    with pytest.raises(InputValueError, match="folds must be from 2 to 10, not 11"):
        data.cross_validation(SESSION, 11)


@pytest.mark.parametrize("session", sorted(MacaqueV4.expected))
def test_split_of_real_sessions_does_not_leak(shared_data, session):
    from braincodec.evaluation.splits import check_leakage

    recording = load_dataset("macaque_v4", shared_data / "macaque_v4", seed=1).subject(session)
    assert check_leakage(recording, progress=False).summary().startswith("None of")
    assert 0.18 < len(recording.split.test) / len(recording.split) < 0.22


def test_declared_near_copies_are_what_the_check_finds(shared_data):
    from braincodec.evaluation.splits import check_leakage

    for session, pairs in MacaqueV4.near_copies.items():
        stimuli = load_dataset("macaque_v4", shared_data / "macaque_v4").subject(session).stimuli
        first = [f"image{number:04d}.jpg" for number, _ in pairs]
        others = [str(name) for name in stimuli.ids if name not in first]
        found = check_leakage(stimuli, {"train": others, "test": first}, progress=False)
        assert dict(zip(found.pairs["test"], found.pairs["train"], strict=True)) == {
            f"image{a:04d}.jpg": f"image{b:04d}.jpg" for a, b in pairs
        }


def test_the_published_name_of_the_folder_of_averages_is_known(v4_folder, small_v4):
    (v4_folder / "responses").rename(v4_folder / "responses_repeat_averaged")
    assert small_v4(v4_folder).verify(read_stimuli=True) == []


def test_a_session_may_be_written_as_a_number(v4_folder, small_v4):
    assert small_v4(v4_folder).subject(int(SESSION)).subject == SESSION


def test_sessions_beyond_the_declared_ones_are_listed_and_read(v4_folder, small_v4):
    shutil.copy(v4_folder / "images" / "images_210224.zip", v4_folder / "images" / "images_190923.zip")
    shutil.copy(v4_folder / "responses" / "responses_210224.npy", v4_folder / "responses" / "responses_190923.npy")
    data = small_v4(v4_folder)
    assert data.subjects() == ["190923", "210224", SESSION]
    assert data.subject("190923").responses.shape == (12, 3)


def test_a_folder_without_sessions_says_how_to_get_them(tmp_path):
    with pytest.raises(MissingFileError, match=r"sessions of macaque_v4.*github\.com/cowleygroup"):
        load_dataset("macaque_v4", tmp_path)


def test_absent_declared_and_unknown_sessions_differ(v4_folder, small_v4):
    (v4_folder / "images" / "images_210224.zip").unlink()
    data = small_v4(v4_folder)
    with pytest.raises(MissingFileError, match=r"images of session 210224 not found.*images_210224\.zip"):
        data.subject("210224")
    with pytest.raises(UnknownNameError, match=r"unknown session '210326'.*210325"):
        data.subject("210326")


def test_absent_responses_are_named(v4_folder, small_v4):
    (v4_folder / "responses" / "responses_210224.npy").unlink()
    with pytest.raises(MissingFileError, match="averaged responses of session 210224"):
        small_v4(v4_folder).subject("210224")


def truncate(path):
    path.write_bytes(path.read_bytes()[:-8])


def save_objects(path):
    np.save(path, np.array([{"a": 1}, None], object), allow_pickle=True)


class Trap:
    def __reduce__(self):
        return (np.save, ("trap-was-sprung.npy", np.zeros(1)))


def save_pickle(path):
    path.write_bytes(pickle.dumps(Trap()))


def save_archive(path):
    with path.open("wb") as file:
        np.savez(file, a=np.zeros((3, 12)))


@pytest.mark.parametrize(
    "spoil",
    [
        truncate,
        save_objects,
        save_pickle,
        save_archive,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not an array at all"),
        lambda path: np.save(path, np.zeros(12)),
        lambda path: np.save(path, np.zeros((3, 0))),
        lambda path: np.save(path, np.zeros((3, 11))),
        lambda path: np.save(path, np.full((3, 12), np.nan)),
        lambda path: np.save(path, np.full((3, 12), -1.0)),
        lambda path: np.save(path, np.full((3, 12), "a")),
        lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': "
                                      b"(900000, 900000)}".ljust(128)),
    ],
)  # fmt: skip
def test_damaged_averages_are_one_clear_error_and_run_nothing(v4_folder, small_v4, spoil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    spoil(v4_folder / "responses" / "responses_210224.npy")
    with pytest.raises(DamagedFileError, match=r"responses_210224\.npy"):
        small_v4(v4_folder).subject("210224")
    assert not (tmp_path / "trap-was-sprung.npy").exists()


def test_truncated_zip_is_a_damaged_file(v4_folder, small_v4):
    truncate(v4_folder / "images" / "images_210224.zip")
    with pytest.raises(DamagedFileError, match=r"images_210224\.zip"):
        small_v4(v4_folder).subject("210224")


def test_raw_counts_that_do_not_average_to_the_averaged_file_are_refused(v4_folder, small_v4):
    path = v4_folder / "responses_raw" / f"responses_{SESSION}.npy"
    raw = np.load(path)
    np.save(path, raw[:, ::-1])
    with pytest.raises(DamagedFileError, match=r"mean over repetitions .* differs"):
        small_v4(v4_folder).subject(SESSION)
    raw[:, 5] = np.nan
    np.save(path, raw)
    with pytest.raises(DamagedFileError, match="without a single repetition"):
        small_v4(v4_folder).subject(SESSION)
    np.save(path, raw[:, 1:])
    with pytest.raises(DamagedFileError, match="3 neurons and 11 images"):
        small_v4(v4_folder).subject(SESSION)


def test_verify_names_each_problem_and_goes_on(v4_folder, small_v4):
    assert small_v4(v4_folder).verify(read_stimuli=True) == []
    np.save(v4_folder / "responses" / "responses_210224.npy", np.zeros((2, 12)))  # a neuron less than declared
    path = v4_folder / "images" / f"images_{SESSION}.zip"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["image0003.jpg"] = b"no image"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    small_v4.expected["210621"] = small_v4.expected["210224"]
    problems = small_v4(v4_folder).verify(read_stimuli=True)
    assert len(problems) == 3
    assert problems[0] == "subject 210621: absent"
    assert problems[1].startswith("subject 210224: macaque_v4, subject 210224: 2 units, expected 3 (in ")
    assert problems[2].startswith(f"subject {SESSION}: stimulus image0003.jpg: ")


def test_info_tells_what_there_is_and_how_to_get_it(v4_folder, small_v4):
    text = small_v4(v4_folder).info()
    expected = ("GPL-3.0", "210325: 3 units, 12 stimuli, up to 4 repetitions", "github.com/cowleygroup", "Cowley")
    for part in (*expected, "macaque", "MB in 5 files"):
        assert part in text


def test_real_sessions_are_whole_and_as_declared(shared_data):
    data = load_dataset("macaque_v4", shared_data / "macaque_v4")
    assert set(data.subjects()) == set(MacaqueV4.expected)
    assert data.verify(read_stimuli=True) == []
    recording = data.subject(SESSION)
    assert recording.stimuli[0].shape == (112, 112, 3)
    mean = np.nanmean(recording.responses.values, axis=1)
    averaged = np.load(shared_data / "macaque_v4" / "responses" / f"responses_{SESSION}.npy")
    np.testing.assert_allclose(mean, averaged.T, atol=1e-12)
    shown = np.isfinite(recording.responses.values).all(2).sum(1)
    assert (shown.min(), shown.max()) == (6, 10)
