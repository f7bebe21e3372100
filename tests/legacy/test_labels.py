"""Labels of image sets under NED's keys."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.io
from hypothesis import given
from hypothesis import strategies as st

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.legacy.labels import (
    ids_as_published,
    imageset_labels,
    labels_from_bytes,
    labels_to_bytes,
    published_ids,
    read_labels,
)
from braincodec.legacy.published_files import equal_content, write_dictionary

WORDS = st.text("abcdefghijklmnopqrstuvwxyzäß_- ", min_size=1, max_size=8).filter(str.strip)


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=20, unique=True))
def test_paths_of_things_give_labels_that_give_the_paths_back(parts):
    paths = [f"{concept}/{image}.jpg" for concept, image in parts]
    labels = imageset_labels("things", paths)
    assert labels.keys() == {"things_labels"}
    things = labels["things_labels"]
    assert published_ids("things", len(paths), labels) == paths
    assert [things["unique_id"][number] for number in things["image_concept_index"]] == [one for one, _ in parts]
    assert list(things["image_paths"]) == list(range(len(paths)))


@given(st.lists(WORDS, max_size=10, unique=True), st.sampled_from(["mine", "nsd", "things", "imagenet_val"]))
def test_ids_without_published_labels_are_kept_as_they_are(names, imageset):
    labels = imageset_labels(imageset, names)
    assert labels == ({"stimulus_labels": {"stimulus_ids": names}} if names else {})


@given(
    st.dictionaries(st.integers(0, 9), WORDS, max_size=5),
    st.lists(st.lists(st.integers(-5, 5), min_size=3, max_size=3), min_size=1, max_size=4),
)
def test_labels_survive_their_file(words, numbers):
    labels = {"a_labels": {"words": words, "numbers": np.asarray(numbers)}, "b_labels": {"names": ["x", "yy"]}}
    found = labels_from_bytes(labels_to_bytes(labels), "labels.npz")
    assert found["a_labels"]["words"] == words
    assert equal_content(found, labels)


def test_classes_of_imagenet_are_numbered_in_the_order_of_their_folders():
    folders = [f"n{number:08d}" for number in np.random.default_rng(0).permutation(1000)]
    paths = [f"val/{folder}/ILSVRC2012_val_{number:08d}.JPEG" for number, folder in enumerate(folders)]
    labels = imageset_labels("imagenet_val", paths)
    numbers = labels["imagenet_val_labels"]["label_number"]
    assert [f"n{number:08d}" for number in numbers] == folders
    assert labels["imagenet_val_labels"]["label_names"][7] == "n00000007"
    # the published labels do not name the files
    assert labels["stimulus_labels"]["stimulus_ids"] == paths
    assert "imagenet_val_labels" not in imageset_labels("imagenet_val", paths[:999])


def test_known_labels_come_before_derived_ones():
    known = {"things_labels": {"image_paths": ["bat/1.jpg", "bat/2.jpg"], "unique_id": {0: "a bat"}}}
    labels = imageset_labels("things", ["bat/1.jpg", "bat/2.jpg"], known)
    assert labels == known
    assert "stimulus_labels" in imageset_labels("things", ["bat/1.jpg"], known)
    assert "nsd_labels" not in imageset_labels("things", ["a"], {"nsd_labels": {"subjectim": [1]}})


def test_images_of_the_natural_scenes_dataset_get_their_names_only_as_a_whole():
    positions = np.arange(73_000).astype(str)
    assert ids_as_published("nsd", positions)[13] == "nsd-00013"
    for imageset, ids in (("mine", positions), ("nsd", positions[:-1]), ("nsd", positions[::-1])):
        assert ids_as_published(imageset, ids) is ids


def test_files_that_hold_labels_are_read(tmp_path):
    design = {"subjectim": np.ones((8, 5)), "masterordering": np.arange(1, 8.0)[None], "sharedix": np.ones((1, 2))}
    scipy.io.savemat(tmp_path / "nsd_expdesign.mat", design)
    found = read_labels(tmp_path / "nsd_expdesign.mat")["nsd_labels"]
    assert found["subjectim"].tolist() == np.zeros((8, 5), int).tolist()
    assert found["masterordering"].tolist() == [[0, 1, 2, 3, 4, 5, 6]]
    write_dictionary(tmp_path / "metadata.npy", {"fmri": {}, "imagenet_val_labels": {"label_number": [3]}})
    assert read_labels(tmp_path / "metadata.npy") == {"imagenet_val_labels": {"label_number": [3]}}


def test_files_without_labels_are_refused(tmp_path):
    with pytest.raises(MissingFileError, match=r"give nsd_expdesign\.mat"):
        read_labels(tmp_path / "absent.mat")
    write_dictionary(tmp_path / "metadata.npy", {"fmri": {}})
    with pytest.raises(InputValueError, match="holds no labels; expected one of nsd_labels"):
        read_labels(tmp_path / "metadata.npy")
    (tmp_path / "broken.mat").write_bytes(b"MATLAB")
    with pytest.raises(DamagedFileError):
        read_labels(tmp_path / "broken.mat")
    with pytest.raises(DamagedFileError, match=r"labels\.npz holds no labels"):
        labels_from_bytes(b"PK no", "labels.npz")
