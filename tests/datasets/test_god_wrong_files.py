"""Generic Object Decoding: files that are damaged, hostile or do not fit together are named as such."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from braincodec.datasets import Counts
from braincodec.datasets.god.dataset import GenericObjectDecoding
from braincodec.errors import DamagedFileError, MissingFileError, UnsafeFileError
from braincodec.simulate.layouts.god import overlapping_masks, write_god

from ..legacy.hostile import Reduces
from .god_files import rewrite


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The data set as it would be with subjects of this size."""
    monkeypatch.setattr(GenericObjectDecoding, "expected", {"1": Counts(stimuli=23, units=54, repetitions=4)})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"arr_3": None}, "arr_3 is absent; expected whole numbers"),
        ({"arr_0": np.zeros((4, 60))}, "arr_3 names the pictures of 18 trials, but there are 4"),
        ({"arr_1": np.zeros((20, 59))}, "arr_0 has 60 voxels, arr_1 59"),
        ({"arr_2": np.zeros((4, 60))}, "arr_2 holds 4 averages, but there are 5 test images"),
        ({"arr_3": np.arange(1, 19)}, "arr_3 runs from 1 to 18, but there are 18 training images"),
        ({"arr_3": np.zeros(18)}, "arr_3 is float64"),
        ({"V1": np.zeros(59, bool)}, "the mask of V1 has shape"),
        ({"arr_0": np.ones((18, 60))}, "standard deviation 0.0; they cannot be rescaled"),
        ({"arr_3": np.r_[0, np.arange(17)]}, "22 stimuli, expected 23"),
    ],
)  # fmt: skip
def test_files_that_do_not_fit_together_are_named(tmp_path, change, says):
    folder = write_god(tmp_path)
    rewrite(folder / "sbj_1.npz", **change)
    with pytest.raises(DamagedFileError, match=says):
        GenericObjectDecoding(folder).subject("1")
    assert any(says[:15] in problem for problem in GenericObjectDecoding(folder).verify())


def test_masks_without_a_voxel_are_no_regions(tmp_path):
    folder = write_god(tmp_path)
    rewrite(folder / "sbj_1.npz", **dict.fromkeys(overlapping_masks(60, np.random.default_rng(0)), np.zeros(60, bool)))
    with pytest.raises(DamagedFileError, match="holds no mask of a region"):
        GenericObjectDecoding(folder).subject("1")


@pytest.mark.parametrize("file", ["sbj_1.npz", "images_256.npz", "Subject1.h5"])
def test_truncated_file_is_damaged(tmp_path, file):
    folder = write_god(tmp_path, form="bdpy" if file.endswith("h5") else "npz")
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match=file.replace(".", r"\.")):
        GenericObjectDecoding(folder).subject("1")


def test_file_that_asks_to_run_code_is_refused(tmp_path):
    folder, canary = write_god(tmp_path), tmp_path / "canary"
    hostile = np.array([Reduces(exec, f"open({str(canary)!r}, 'w')")], dtype=object)
    rewrite(folder / "sbj_1.npz", arr_3=hostile)
    with pytest.raises(UnsafeFileError, match="asks to run"):
        GenericObjectDecoding(folder).subject("1")
    assert not canary.exists()


def test_tables_of_labels_are_checked(tmp_path):
    folder = write_god(tmp_path)
    table = folder / "imagenet_testing_label.csv"
    rows = table.read_text().splitlines()
    table.write_text("\n".join(rows[:-1]))
    with pytest.raises(DamagedFileError, match=r"holds 5 images, but .* names 4"):
        GenericObjectDecoding(folder).subject("1")
    table.write_text("\n".join([*rows[:-1], "picture"]))
    with pytest.raises(DamagedFileError, match="row 5: 'picture' is no category and picture"):
        GenericObjectDecoding(folder).subject("1")
    table.write_text("\n".join([*rows[:-1], rows[0]]))
    with pytest.raises(DamagedFileError, match="more than once"):
        GenericObjectDecoding(folder).subject("1")
    training = (folder / "imagenet_training_label.csv").read_text().splitlines()[0].split(".")[0]
    table.write_text("\n".join([*rows[:-1], f"{training}.999999"]))
    with pytest.raises(DamagedFileError, match="both in training and in test"):
        GenericObjectDecoding(folder).subject("1")
    table.unlink()
    with pytest.raises(MissingFileError, match="names of pictures not found"):
        GenericObjectDecoding(folder).subject("1")


def test_classes_are_optional_but_not_nonsense(tmp_path):
    folder = write_god(tmp_path)
    (folder / "imagenet_class_index.json").write_text(json.dumps([1, 2]))
    with pytest.raises(DamagedFileError, match="does not list ImageNet's classes"):
        GenericObjectDecoding(folder).subject("1")
    (folder / "imagenet_class_index.json").unlink()
    assert set(GenericObjectDecoding(folder).subject("1").responses["imagenet_class"].values) == {-1}


@pytest.mark.parametrize(
    ("key", "says"),
    [("DataType", "has no 'DataType'"), ("VoxelData", "has no 'VoxelData'"), ("stimulus_id", "does not tell which")],
)
def test_bdpy_file_that_lacks_a_key_is_named(tmp_path, key, says):
    folder = write_god(tmp_path, form="bdpy")
    with h5py.File(folder / "Subject1.h5", "a") as file:
        keys = file["metadata/key"][:]
        keys[keys == key.encode()] = b"other"
        file["metadata/key"][:] = keys
    with pytest.raises(DamagedFileError, match=says):
        GenericObjectDecoding(folder).subject("1")


def test_bdpy_file_of_other_pictures_is_named(tmp_path):
    folder = write_god(tmp_path, form="bdpy_old")
    with h5py.File(folder / "Subject1.h5", "a") as file:
        file["dataSet"][0, 2] = 1440000.999999
    with pytest.raises(DamagedFileError, match="1 pictures of the train part are not among the 18 image files"):
        GenericObjectDecoding(folder).subject("1")


def test_other_hdf5_file_is_no_bdpy_file(tmp_path):
    folder = write_god(tmp_path, form="bdpy")
    with h5py.File(folder / "Subject1.h5", "w") as file:
        file["something"] = np.zeros(3)
    with pytest.raises(DamagedFileError, match="no dataset with metadata"):
        GenericObjectDecoding(folder).subject("1")
