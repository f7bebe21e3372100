"""Generic Object Decoding: regions as LEA makes them, trials beside their pictures, wrong files named as such."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from braincodec.datasets import Counts, load_dataset
from braincodec.datasets.god.dataset import GenericObjectDecoding
from braincodec.datasets.god.trial_order import picture_of_each_trial
from braincodec.errors import (
    DamagedFileError,
    InputValueError,
    MissingFileError,
    UnknownNameError,
)
from braincodec.simulate.layouts.god import overlapping_masks, write_god

from .alignment import held_out_correlation
from .god_files import arrays_of, rewrite

FORMS = ("npz", "bdpy", "bdpy_old")
SIZES = {"categories": 6, "per_category": 3, "test": 5, "repetitions": 4}
STIMULI = 23


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(GenericObjectDecoding, "expected", {"1": Counts(stimuli=STIMULI, units=54, repetitions=4)})


@pytest.mark.parametrize("form", FORMS)
def test_responses_belong_to_their_pictures(tmp_path, form, monkeypatch):
    monkeypatch.setattr(GenericObjectDecoding, "expected", {})
    folder = write_god(
        tmp_path, form=form, categories=40, test=20, repetitions=6, voxels=140, trial_order="random", seed=3
    )
    data = load_dataset("god", folder)
    for repetitions in ("each", "mean"):
        assert held_out_correlation(data.subject("1", repetitions=repetitions)) > 0.8


@pytest.mark.parametrize("form", FORMS)
def test_parts_have_the_repetitions_of_their_stimuli_and_no_nan(tmp_path, form):
    recording = GenericObjectDecoding(write_god(tmp_path, form=form)).subject("1")
    assert recording.responses.shape == (STIMULI, 4, 54)
    assert {part: recording.part(part)[1].shape for part in ("train", "test")} == {
        "train": (18, 1, 54),
        "test": (5, 4, 54),
    }
    for part in ("train", "test"):
        assert np.isfinite(recording.part(part)[1].values).all()
    assert recording.responses["repetitions"].values.tolist() == [1] * 18 + [4] * 5


def test_regions_are_disjoint_in_the_order_of_the_file_and_empty_ones_are_dropped(tmp_path):
    recording = GenericObjectDecoding(write_god(tmp_path)).subject("1")
    units, arrays = recording.units, arrays_of(tmp_path)
    names = units["roi"].values.tolist()
    assert names == ["V1", "V2", "V3", "V4", "LOC", "FFA", "PPA", "HVC"]  # LVC and VC are nothing but the others
    membership = units["roi_membership"].values
    assert (membership.sum(axis=1) == 1).all()
    taken = np.zeros(60, bool)
    for name in names:
        columns = units["column"].values[membership[:, names.index(name)]]
        expected = np.flatnonzero(arrays[name] & ~taken) if name != "HVC" else np.flatnonzero(
            arrays["HVC"] & ~np.any([arrays[other] for other in names[:-1]], axis=0)
        )  # fmt: skip
        assert columns.tolist() == expected.tolist()
        taken |= arrays[name]
    # region after region, as the models expect their inputs
    assert (np.diff(membership.argmax(axis=1)) >= 0).all()


def test_overlapping_regions_are_those_of_the_file(tmp_path):
    folder = write_god(tmp_path)
    units = GenericObjectDecoding(folder, rois="overlapping").subject("1").units
    arrays, names = arrays_of(folder), units["roi"].values.tolist()
    assert names == list(overlapping_masks(60, np.random.default_rng(0)))
    for column, name in enumerate(names):
        np.testing.assert_array_equal(units["roi_membership"].values[:, column], arrays[name][units["column"].values])


def test_averages_are_the_published_ones_and_those_of_the_trials(tmp_path):
    data = GenericObjectDecoding(write_god(tmp_path, trial_order="by_picture"), preprocessing="none")
    mean, each = data.subject("1", repetitions="mean"), data.subject("1")
    columns = mean.units["column"].values
    np.testing.assert_array_equal(mean.part("test")[1].values, arrays_of(tmp_path)["arr_2"][:, columns])
    np.testing.assert_allclose(each.part("test")[1].values.mean(axis=1), mean.part("test")[1].values)
    assert mean.responses["repetitions"].values.tolist() == each.responses["repetitions"].values.tolist()


def test_scaling_by_training_values_and_the_published_one_which_leaves_the_test_alone(tmp_path):
    folder = write_god(tmp_path)
    raw, ours, published = (
        GenericObjectDecoding(folder, preprocessing=how).subject("1") for how in ("none", "training", "published")
    )
    training = raw.part("train")[1].values
    mean, deviation = training.mean(), training.std()
    for part in ("train", "test"):
        np.testing.assert_allclose(ours.part(part)[1].values, (raw.part(part)[1].values - mean) / deviation)
    np.testing.assert_array_equal(published.part("train")[1].values, ours.part("train")[1].values)
    np.testing.assert_array_equal(published.part("test")[1].values, raw.part("test")[1].values)
    assert published.responses.attrs["preprocessing"] == "published"
    assert GenericObjectDecoding(folder).preprocessing == "training"


def test_labels_and_split(tmp_path):
    data = GenericObjectDecoding(write_god(tmp_path), validation=2, seed=1)
    responses, split = data.subject("1").responses, data.subject("1").split
    assert (len(split.train), len(split.validation), len(split.test)) == (12, 6, 5)
    category = dict(zip(responses["stimulus"].values, responses["category"].values, strict=True))
    parts = [{category[item] for item in split.ids(part)} for part in split.PARTS]
    assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])
    assert responses["category_name"].values[-2:].tolist() == ["thing_9", ""]
    assert responses["imagenet_class"].values[-2:].tolist() == [9, -1]
    assert "zero-shot" in data.info()


def test_pictures_are_read_one_at_a_time_and_from_folders_too(tmp_path):
    from PIL import Image

    folder = write_god(tmp_path)
    recording = GenericObjectDecoding(folder).subject("1")
    with np.load(folder / "images_256.npz") as file:
        pictures = {"training": file["train_images"], "test": file["test_images"]}
    ids = recording.stimuli.ids.tolist()
    np.testing.assert_array_equal(recording.stimuli[ids[20]], pictures["test"][2])
    mixed = np.stack(list(recording.stimuli[[19, 3, 22, 0]]))
    np.testing.assert_array_equal(mixed, np.concatenate([pictures["training"], pictures["test"]])[[19, 3, 22, 0]])
    for part, own in pictures.items():
        (folder / "images" / part).mkdir(parents=True)
        names = ids[:18] if part == "training" else ids[18:]
        for name, picture in zip(names, own, strict=True):
            Image.fromarray(picture).save(folder / "images" / part / f"{name}.png")
    (folder / "images_256.npz").unlink()
    again = GenericObjectDecoding(folder).subject("1")
    np.testing.assert_array_equal(again.stimuli[ids[20]], pictures["test"][2])


def test_bdpy_itself_reads_the_same_from_the_file(tmp_path):
    bdpy = pytest.importorskip("bdpy")
    folder = write_god(tmp_path, form="bdpy")
    recording = GenericObjectDecoding(folder, preprocessing="none").subject("1")
    data = bdpy.BData(str(folder / "Subject1.h5"))
    for roi in ("V1", "PPA"):
        values, where = data.select(f"ROI_{roi}"), data.select("DataType").ravel() == 1
        own = GenericObjectDecoding(folder, preprocessing="none", rois="overlapping").subject("1").part("train")[1]
        member = own[f"roi_{roi}"].values
        order = np.argsort(own["column"].values[member])
        np.testing.assert_array_equal(own.values[:, 0, member][:, order], values[where])
    labels = data.get_labels("stimulus_id")
    kinds = data.select("DataType").ravel()
    assert recording.part("train")[0].ids.tolist() == [
        name for name, kind in zip(labels, kinds, strict=True) if kind == 1
    ]


def test_files_that_bdpy_wrote_are_read(tmp_path):
    bdpy = pytest.importorskip("bdpy")
    folder = write_god(tmp_path, form="bdpy_old")
    before = GenericObjectDecoding(folder).subject("1").responses.values
    old = bdpy.BData(str(folder / "Subject1.h5"))
    (folder / "Subject1.h5").unlink()
    new = bdpy.BData()
    for key in ("DataType", "Label", "VoxelData"):
        new.add(old.select(key), key)
    for key in [key for key in old.metadata.key if key.startswith(("ROI_", "voxel_"))]:
        new.add_metadata(key, old.get_metadata(key, where="VoxelData"), where="VoxelData")
    new.save(str(folder / "Subject1.h5"))
    with h5py.File(folder / "Subject1.h5") as file:
        assert "dataset" in file  # the new form
    np.testing.assert_array_equal(GenericObjectDecoding(folder).subject("1").responses.values, before)


@pytest.mark.parametrize("order", ["by_picture", "by_run", "random"])
def test_trials_find_their_pictures_from_the_averages_alone(order):
    rng = np.random.default_rng(0)
    shown = {
        "by_picture": np.repeat(np.arange(4), 5),
        "by_run": np.tile(np.arange(4), 5),
        "random": rng.permutation(np.repeat(np.arange(4), 5)),
    }[order]
    trials = (100 + rng.standard_normal((20, 60))).astype(np.float32)
    averages = np.stack([trials[shown == picture].mean(axis=0) for picture in range(4)])
    assert picture_of_each_trial(trials, averages).tolist() == shown.tolist()


def test_trials_without_an_order_that_gives_the_averages_are_not_guessed(tmp_path):
    folder = write_god(tmp_path, trial_order="random")
    rewrite(folder / "sbj_1.npz", arr_2=arrays_of(folder)["arr_2"] + 0.5 * np.random.default_rng(0).random((5, 60)))
    data = GenericObjectDecoding(folder)
    with pytest.raises(DamagedFileError, match=r"no order of the 20 test trials.*repetitions='mean'"):
        data.subject("1")
    assert data.subject("1", repetitions="mean").part("test")[1].shape == (5, 54)


def test_absent_subjects_and_unknown_options(tmp_path, monkeypatch):
    folder = write_god(tmp_path)
    monkeypatch.setattr(GenericObjectDecoding, "expected", {"1": Counts(1), "2": Counts(1)})
    data = GenericObjectDecoding(folder)
    assert data.subjects() == ["1"]
    assert "subject 2: absent" in data.verify()
    with pytest.raises(MissingFileError, match="file of subject 2 of god"):
        data.subject("2")
    with pytest.raises(UnknownNameError, match="unknown subject '7'"):
        data.subject("7")
    with pytest.raises(UnknownNameError, match="preprocessing"):
        GenericObjectDecoding(folder, preprocessing="zscore")
    with pytest.raises(UnknownNameError, match="did you mean 'each'"):
        data.subject("1", repetitions="eahc")
    with pytest.raises(InputValueError, match="validation"):
        GenericObjectDecoding(folder, validation=-1)
    with pytest.raises(MissingFileError, match="mind-vis"):
        GenericObjectDecoding(tmp_path / "nothing")
    with pytest.raises(MissingFileError, match="Subject1"):
        GenericObjectDecoding(folder, form="bdpy")


def test_published_place_inside_the_folder_is_found(tmp_path):
    write_god(tmp_path / "Kamitani" / "npz")
    assert GenericObjectDecoding(tmp_path).verify(read_stimuli=True) == []


def test_sizes_and_terms_are_told(tmp_path):
    text = GenericObjectDecoding(write_god(tmp_path)).info()
    assert "54 units, 23 stimuli, up to 4 repetitions" in text
    assert "figshare.com" in text
    assert "ImageNet's terms" in text
