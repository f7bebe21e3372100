"""BOLD5000: regions in LEA's order, trials beside their pictures, ragged repetitions, wrong files named as such."""

from __future__ import annotations

import pickle
import shutil

import numpy as np
import pytest

from braincodec.datasets import Counts, load_dataset
from braincodec.datasets.bold5000.dataset import Bold5000
from braincodec.errors import (
    DamagedFileError,
    InputValueError,
    MissingFileError,
    UnknownNameError,
    UnsafeFileError,
)
from braincodec.simulate.layouts.bold5000 import BETAS, REGIONS, STIMULI, picture_names, write_bold5000

from ..legacy.hostile import Reduces
from .alignment import held_out_correlation

VOXELS = (5, 4, 3, 4, 2, 3, 3, 2, 2, 1)
LISTS = f"{STIMULI}/Stimuli_Presentation_Lists"
PICTURES = f"{STIMULI}/Scene_Stimuli/Presented_Stimuli"


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(Bold5000, "expected", {"CSI1": Counts(stimuli=24, units=sum(VOXELS), repetitions=4)})
    monkeypatch.setattr(Bold5000, "voxels", {"CSI4": sum(VOXELS)})
    monkeypatch.setattr(Bold5000, "sessions", {"CSI1": 3, "CSI4": 2})


def beta_file(folder, part="LHEarlyVis", subject="CSI1"):
    return folder / BETAS / f"{subject}_GLMbetas-TYPED-FITHRF-GLMDENOISE-RR_allses_{part}.npy"


def shown_in(folder, subject="CSI1"):
    """The picture of each trial, as the lists have it."""
    files = sorted((folder / LISTS / subject).glob("*/*.txt"))
    return [line.removeprefix("rep_") for file in files for line in file.read_text().split()]


@pytest.mark.parametrize("images", ["files", "img_dict"])
def test_responses_belong_to_their_pictures(tmp_path, images, monkeypatch):
    monkeypatch.setattr(Bold5000, "expected", {})
    folder = write_bold5000(tmp_path, pictures=130, repeated=25, images=images)
    data = load_dataset("bold5000", folder)
    for repetitions in ("each", "mean"):
        assert held_out_correlation(data.subject("CSI1", repetitions=repetitions)) > 0.8


def test_regions_and_hemispheres_are_in_the_published_order(tmp_path):
    folder = write_bold5000(tmp_path)
    recording = Bold5000(folder, preprocessing="none").subject("CSI1")
    units = recording.units
    assert units["roi"].values.tolist() == list(REGIONS)
    membership = units["roi_membership"].values
    assert membership.sum(axis=0).tolist() == [9, 7, 5, 5, 3]
    assert units["hemisphere"].values.tolist() == [
        side for pair in zip(VOXELS[::2], VOXELS[1::2], strict=True)
        for side, count in zip(("left", "right"), pair, strict=True) for _ in range(count)
    ]  # fmt: skip
    both = np.concatenate([np.load(beta_file(folder, f"{side}LOC")) for side in ("LH", "RH")], axis=1)
    trial = shown_in(folder).index("n01930112_11.JPEG")
    np.testing.assert_array_equal(
        recording.responses.sel(stimulus="n01930112_11.JPEG", repetition=1)[membership[:, 1]], both[trial]
    )


def test_test_pictures_are_the_repeated_ones_and_repetitions_are_ragged(tmp_path):
    recording = Bold5000(write_bold5000(tmp_path), preprocessing="none").subject("CSI1")
    names = picture_names(24)
    assert recording.split.test == tuple(names[:5])
    assert set(recording.split.train) == set(names[5:])
    measured = recording.part("test")[1]
    assert measured.shape == (5, 4, sum(VOXELS))
    assert np.isnan(measured.values).all(axis=2).sum(axis=1).tolist() == [0, 0, 0, 0, 1]
    assert measured["repetitions"].values.tolist() == [4, 4, 4, 4, 3]
    assert recording.part("train")[1].shape == (19, 1, sum(VOXELS))
    mean = Bold5000(tmp_path, preprocessing="none").subject("CSI1", repetitions="mean").part("test")[1]
    np.testing.assert_allclose(mean.values, np.nanmean(measured.values, axis=1))


def test_repetitions_are_in_the_order_in_which_they_were_seen(tmp_path):
    folder = write_bold5000(tmp_path)
    recording = Bold5000(folder, preprocessing="none").subject("CSI1")
    name, values = picture_names(24)[0], np.load(beta_file(folder))
    trials = [trial for trial, shown in enumerate(shown_in(folder)) if shown == name]
    np.testing.assert_array_equal(recording.responses.sel(stimulus=name)[:, : VOXELS[0]], values[trials])


def test_test_trials_take_part_in_the_scaling_only_in_the_published_way(tmp_path):
    folder = write_bold5000(tmp_path)
    for path in (folder / BETAS).glob("*.npy"):
        values = np.load(path)
        values[[name in picture_names(24)[:5] for name in shown_in(folder)]] += 50
        np.save(path, values)
    raw, ours, published = (
        Bold5000(folder, preprocessing=how).subject("CSI1") for how in ("none", "training", "published")
    )
    train, test = raw.part("train")[1].values, raw.part("test")[1].values
    assert Bold5000(folder).preprocessing == "training"
    np.testing.assert_allclose(ours.part("test")[1].values, (test - train.mean()) / train.std())
    everything = np.concatenate([train.ravel(), test[np.isfinite(test)]])
    np.testing.assert_allclose(published.part("train")[1].values, (train - everything.mean()) / everything.std())
    np.testing.assert_allclose(published.part("test")[1].values, (test - everything.mean()) / everything.std())


def test_subject_who_stopped_early_has_fewer_pictures_and_repetitions(tmp_path):
    folder = write_bold5000(tmp_path, subjects=("CSI1", "CSI4"))
    data = Bold5000(folder)
    recording = data.subject("CSI4")
    shown = shown_in(folder, "CSI4")
    assert set(recording.responses["stimulus"].values) == set(shown)
    assert set(recording.split.test) == set(shown) & set(picture_names(24)[:5])
    assert data.verify() == []


def test_collections_are_told_from_the_names(tmp_path):
    responses = Bold5000(write_bold5000(tmp_path)).subject("CSI1").responses
    kinds = dict(zip(responses["stimulus"].values, responses["collection"].values, strict=True))
    assert [kinds[name] for name in picture_names(24)[:3]] == ["COCO", "ImageNet", "Scene"]


def test_validation_comes_out_of_training(tmp_path):
    folder = write_bold5000(tmp_path)
    split = Bold5000(folder, validation=4, seed=2).subject("CSI1").split
    assert (len(split.train), len(split.validation), len(split.test)) == (15, 4, 5)
    assert split == Bold5000(folder, validation=4, seed=2).subject("CSI1").split
    with pytest.raises(InputValueError, match="validation must be from 0 to 18"):
        Bold5000(folder, validation=19).subject("CSI1")


def test_runs_are_ordered_by_their_numbers(tmp_path):
    folder = write_bold5000(tmp_path, runs=11, sessions=1)
    before = Bold5000(folder).subject("CSI1").responses.values
    for path in (folder / LISTS / "CSI1").glob("*/*run0*.txt"):
        path.rename(path.with_name(path.name.replace("run0", "run")))  # run 2 is now after run 10 by its letters
    np.testing.assert_array_equal(Bold5000(folder).subject("CSI1").responses.values, before)


def test_pictures_in_one_file_are_those_in_files(tmp_path):
    files = Bold5000(write_bold5000(tmp_path / "a")).subject("CSI1").stimuli
    arrays = Bold5000(write_bold5000(tmp_path / "b", images="img_dict")).subject("CSI1").stimuli
    assert files.ids.tolist() == arrays.ids.tolist()
    name = picture_names(24)[7]
    assert np.abs(files[name].astype(int) - arrays[name]).mean() < 8  # the files are JPEGs
    again = pickle.loads(pickle.dumps(arrays))
    np.testing.assert_array_equal(again[name], arrays[name])
    assert again.fingerprint() == arrays.fingerprint()


def test_missing_session_is_named_before_anything_is_matched(tmp_path):
    folder = write_bold5000(tmp_path)
    shutil.rmtree(folder / LISTS / "CSI1" / "CSI1_sess02")
    with pytest.raises(DamagedFileError, match="lacks session 02 of 3"):
        Bold5000(folder).subject("CSI1")
    shutil.rmtree(folder / LISTS / "CSI1" / "CSI1_sess03")
    with pytest.raises(DamagedFileError, match="holds 38 trials, but the presentation lists of CSI1 13"):
        Bold5000(folder).subject("CSI1")
    assert any("lists of 1 sessions, expected 3" in problem for problem in Bold5000(folder).verify())


def test_missing_files_are_named(tmp_path):
    folder = write_bold5000(tmp_path)
    beta_file(folder, "RHPPA").unlink()
    with pytest.raises(MissingFileError, match=r"1 of 10 files of CSI1, the first not found: .*RHPPA"):
        Bold5000(folder).subject("CSI1")
    with pytest.raises(MissingFileError, match="responses of CSI4"):
        Bold5000(folder).subject("CSI4")
    assert "subject CSI4: absent" in Bold5000(folder).verify()
    with pytest.raises(UnknownNameError, match="unknown subject 'CSI9'"):
        Bold5000(folder).subject("CSI9")
    with pytest.raises(MissingFileError, match="bold5000-dataset"):
        Bold5000(tmp_path / "nothing")


def test_region_that_a_subject_lacks_is_no_error_when_the_voxels_are_all_there(tmp_path, monkeypatch):
    folder = write_bold5000(tmp_path)
    beta_file(folder, "RHRSC").unlink()
    monkeypatch.setattr(Bold5000, "expected", {"CSI1": Counts(stimuli=24, units=sum(VOXELS[:-1]), repetitions=4)})
    assert Bold5000(folder).subject("CSI1").units["roi_membership"].values.sum(axis=0).tolist() == [9, 7, 5, 5, 2]


def test_wrong_counts_are_named(tmp_path, monkeypatch):
    folder = write_bold5000(tmp_path)
    np.save(beta_file(folder), np.load(beta_file(folder))[:-1])
    with pytest.raises(DamagedFileError, match=r"LHEarlyVis\.npy holds 37 trials"):
        Bold5000(folder).subject("CSI1")
    folder = write_bold5000(tmp_path / "other")
    np.save(beta_file(folder), np.load(beta_file(folder))[:, 1:])
    with pytest.raises(DamagedFileError, match="28 voxels, expected 29"):
        Bold5000(folder).subject("CSI1")


def test_truncated_and_hostile_files_are_refused(tmp_path):
    folder = write_bold5000(tmp_path, images="img_dict")
    canary = tmp_path / "canary"
    hostile = {"a": Reduces(exec, f"open({str(canary)!r}, 'w')")}
    pictures = folder / PICTURES / "img_dict.npy"
    content = pictures.read_bytes()
    np.save(pictures, np.array(hostile, dtype=object), allow_pickle=True)
    with pytest.raises(UnsafeFileError, match="asks to run"):
        Bold5000(folder).subject("CSI1")
    pictures.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match="img_dict"):
        Bold5000(folder).subject("CSI1")
    pictures.write_bytes(content)
    content = beta_file(folder).read_bytes()
    beta_file(folder).write_bytes(content[:-8])
    with pytest.raises(DamagedFileError, match=r"LHEarlyVis.npy cannot be read"):
        Bold5000(folder).subject("CSI1")
    np.save(beta_file(folder), np.array([hostile], dtype=object), allow_pickle=True)
    with pytest.raises(DamagedFileError, match=r"LHEarlyVis.npy cannot be read"):
        Bold5000(folder).subject("CSI1")
    assert not canary.exists()


def test_missing_pictures_are_counted(tmp_path):
    folder = write_bold5000(tmp_path)
    next((folder / PICTURES / "COCO").iterdir()).unlink()
    with pytest.raises(MissingFileError, match="1 of 24 pictures, the first not found"):
        Bold5000(folder).subject("CSI1")
    shutil.rmtree(folder / PICTURES)
    with pytest.raises(MissingFileError, match="pictures of BOLD5000 not found"):
        Bold5000(folder).subject("CSI1")
    np_dict = write_bold5000(tmp_path / "b", images="img_dict")
    lists = next((np_dict / LISTS / "CSI1").glob("*/*.txt"))
    lines = lists.read_text().split()
    lists.write_text("\n".join(["other.jpg", *lines[1:]]))
    with pytest.raises(DamagedFileError, match=r"lacks 1 of 2[45] pictures, the first is 'other.jpg'"):
        Bold5000(np_dict).subject("CSI1")


def test_pictures_of_one_name_in_two_folders_are_refused(tmp_path):
    folder = write_bold5000(tmp_path)
    picture = next((folder / PICTURES / "COCO").iterdir())
    shutil.copy(picture, folder / PICTURES / "Scene" / picture.name)
    with pytest.raises(DamagedFileError, match="names of pictures must be unique"):
        Bold5000(folder).subject("CSI1")


def test_lists_without_a_repeated_picture_are_refused(tmp_path):
    folder = write_bold5000(tmp_path)
    listed = folder / STIMULI / "Scene_Stimuli" / "repeated_stimuli_113_list.txt"
    listed.write_text("other.jpg\n")
    with pytest.raises(DamagedFileError, match=r"none of the pictures in .* was shown"):
        Bold5000(folder).subject("CSI1")
    listed.write_text("\n")
    with pytest.raises(DamagedFileError, match="is empty; expected the names of stimuli"):
        Bold5000(folder).subject("CSI1")
    with pytest.raises(UnknownNameError, match="did you mean 'published'"):
        Bold5000(folder, preprocessing="publishd")


def test_terms_and_places_are_told(tmp_path):
    text = Bold5000(write_bold5000(tmp_path)).info()
    assert "CSI1: 29 units, 24 stimuli, up to 4 repetitions" in text
    assert "113 repeated pictures test" in text
    assert Bold5000(tmp_path).verify(read_stimuli=True)[-1] == "subject CSI4: absent"
