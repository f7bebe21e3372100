"""Generated responses of NED, NEST and BERG folders, and the images behind them."""

from __future__ import annotations

import os
import shutil

import h5py
import numpy as np
import pytest

from braincodec import open_store
from braincodec.errors import DamagedFileError, InputTypeError, MissingFileError, UnknownNameError

from ..legacy.layouts import (
    CHANNELS,
    THINGS,
    TIMES,
    fwrf_metadata,
    save_object,
    write_fwrf,
    write_images,
    write_responses,
)

MODEL, EEG_MODEL = "fmri-nsd-fwrf", "eeg-things_eeg_2-vit_b_32"
PLACES = ["synthetic_neural_responses", "pregenerated_insilico_neural_responses"]
RESPONSES = "modality-fmri/train_dataset-nsd/model-fwrf/imageset-things"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Responses to THINGS, their images, and the model that made them."""
    root = write_fwrf(tmp_path_factory.mktemp("ned"))
    write_responses(root)
    write_images(root, "things")
    return root


@pytest.fixture
def store(root):
    return open_store(root)


@pytest.fixture
def copy(root, tmp_path):
    """The folder again, to be damaged."""
    return shutil.copytree(root, tmp_path / "copy")


@pytest.mark.parametrize("oldest", [False, True])
@pytest.mark.parametrize("place", PLACES)
def test_generated_responses_under_every_published_name(tmp_path, place, oldest):
    values = write_responses(tmp_path, place=place, oldest=oldest)
    store = open_store(tmp_path)
    assert store.response_sets().values.tolist() == [[MODEL, "things", 1, "V1"]]
    responses = store.responses(MODEL, stimuli="things", roi="V1")
    assert responses.dims == ("stimulus", "unit")
    assert np.array_equal(responses, values)
    mask = fwrf_metadata(4, 1)["fmri"]["roi_mask_volume"]
    assert np.array_equal(np.stack([responses[axis].values for axis in "ijk"], 1), np.argwhere(mask))
    assert "things_labels" in store.response_metadata(MODEL, stimuli="things", roi="V1")


def test_responses_are_read_where_they_are_looked_at(store):
    responses = store.responses(MODEL, stimuli="things", roi="V1")
    assert not responses.variable._in_memory
    assert responses[2:4].values.shape == (2, 4)
    dataset = store.response_dataset(MODEL, stimuli="things", roi="V1")
    assert isinstance(dataset, h5py.Dataset)
    assert dataset[2:4].shape == (2, 4)


def test_eeg_responses_have_four_dimensions(tmp_path):
    values = write_responses(tmp_path, "nsd", roi=None, shape=(5, 4, len(CHANNELS), len(TIMES)))
    responses = open_store(tmp_path).responses(EEG_MODEL, stimuli="nsd")
    assert responses.dims == ("stimulus", "repetition", "channel", "time")
    assert np.array_equal(responses, values)
    assert responses.channel.values.tolist() == CHANNELS
    assert responses.stimulus.values.tolist() == [f"nsd-0000{number}" for number in range(5)]


@pytest.mark.parametrize("imageset", ["things", "nsd", "imagenet_val"])
def test_row_i_of_the_responses_belongs_to_image_i(tmp_path, imageset):
    write_responses(tmp_path, imageset)
    pictures = write_images(tmp_path, imageset)
    store = open_store(tmp_path)
    responses, stimuli = store.responses(MODEL, stimuli=imageset, roi="V1"), store.stimulus_set(imageset)
    assert responses.stimulus.values.tolist() == stimuli.ids.tolist()
    for number in range(7):
        # JPEG rounds, and colours lie 30 apart
        assert np.abs(stimuli[number].astype(int) - pictures[number]).max() < 8


def test_paths_of_things_are_the_ids_however_the_labels_hold_them(tmp_path):
    write_responses(tmp_path)
    store = open_store(tmp_path)
    assert store.responses(MODEL, stimuli="things", roi="V1").stimulus.values.tolist() == THINGS
    place = tmp_path / PLACES[0] / RESPONSES / "synthetic_neural_responses_metadata_sub-01_roi-V1.npy"
    content = np.load(place, allow_pickle=True).item()
    for paths in (np.array(THINGS), THINGS, dict(reversed(list(enumerate(THINGS))))):
        content["things_labels"]["image_paths"] = paths
        save_object(place, content)
        assert store.responses(MODEL, stimuli="things", roi="V1").stimulus.values.tolist() == THINGS


def test_images_are_called_what_their_labels_say(tmp_path):
    for imageset in ("things", "nsd", "imagenet_val"):
        write_responses(tmp_path, imageset)
    store = open_store(tmp_path)

    def titles(imageset):
        return store.stimulus_titles(MODEL, stimuli=imageset, roi="V1").tolist()

    assert titles("things") == [name.split("/")[1] for name in THINGS]
    assert titles("nsd") == [f"nsd-0000{number}" for number in range(7)]
    assert titles("imagenet_val")[3] == "imagenet_val-00003"  # numbers of classes without their names
    place = tmp_path / PLACES[0] / RESPONSES.replace("things", "imagenet_val")
    place /= "synthetic_neural_responses_metadata_sub-01_roi-V1.npy"
    content = np.load(place, allow_pickle=True).item()
    names = ["tench, Tinca tinca", "goldfish", "great white shark, white shark"]
    for held in (names, dict(enumerate(names))):
        content["imagenet_val_labels"] = {"label_number": np.array([2, 0, 1, 1, 0, 2, 0]), "label_names": held}
        save_object(place, content)
        assert titles("imagenet_val")[:3] == ["great white shark", "tench", "goldfish"]
    content["imagenet_val_labels"]["label_number"][6] = 3  # of no known name
    save_object(place, content)
    assert titles("imagenet_val")[:2] == ["imagenet_val-00000", "imagenet_val-00001"]
    place.unlink()
    assert titles("imagenet_val")[6] == "imagenet_val-00006"


def test_responses_without_metadata_use_those_of_the_model(tmp_path):
    write_responses(tmp_path, metadata=False)
    bare = open_store(tmp_path).responses(MODEL, stimuli="things", roi="V1")
    assert "i" not in bare.coords
    assert bare.roi_V1.all()
    write_fwrf(tmp_path)
    assert "i" in open_store(tmp_path).responses(MODEL, stimuli="things", roi="V1").coords
    with pytest.raises(MissingFileError, match=r"synthetic_neural_responses_metadata_sub-01_roi-V1\.npy"):
        open_store(tmp_path).response_metadata(MODEL, stimuli="things", roi="V1")
    with pytest.raises(MissingFileError, match="metadata of generated responses"):
        open_store(tmp_path).stimulus_set("things")  # nothing tells which image a row belongs to


@pytest.mark.parametrize(
    ("stimuli", "subject", "roi", "file"),
    [
        ("things", 2, "V1", "things/synthetic_neural_responses_sub-02_roi-V1.h5"),
        ("things", 1, "V2", "things/synthetic_neural_responses_sub-01_roi-V2.h5"),
        ("nsd", 1, "V1", "imageset-nsd/synthetic_neural_responses_sub-01_roi-V1.h5"),
    ],
)
def test_absent_responses_are_named(store, stimuli, subject, roi, file):
    with pytest.raises(MissingFileError, match=f"{file}; copy it"):
        store.responses(MODEL, stimuli=stimuli, subject=subject, roi=roi)


def test_absent_responses_are_looked_for_where_the_folder_has_others(tmp_path):
    write_responses(tmp_path, place=PLACES[1])
    with pytest.raises(MissingFileError, match=f"{PLACES[1]}/modality-fmri"):
        open_store(tmp_path).responses(MODEL, stimuli="things", subject=4, roi="V1")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"stimuli": "coco", "roi": "V1"}, UnknownNameError),
        ({"stimuli": "things", "roi": "V9"}, UnknownNameError),
        ({"stimuli": "things", "roi": "V1", "subject": 9}, UnknownNameError),
        ({"stimuli": "things"}, InputTypeError),
    ],
)
def test_wrong_names_of_responses_are_refused(store, options, error):
    with pytest.raises(error):
        store.responses(MODEL, **options)


def test_unknown_image_set_is_refused_with_those_here(store):
    with pytest.raises(UnknownNameError, match="available: things"):
        store.stimulus_set("nsd")


@pytest.mark.parametrize("size", [0, 100])
def test_truncated_responses_are_named(copy, size):
    os.truncate(copy / PLACES[0] / RESPONSES / "synthetic_neural_responses_sub-01_roi-V1.h5", size)
    with pytest.raises(DamagedFileError, match="sub-01_roi-V1"):
        open_store(copy).responses(MODEL, stimuli="things", roi="V1")


def test_responses_that_do_not_fit_their_metadata_are_refused(copy):
    place = copy / PLACES[0] / RESPONSES
    with h5py.File(place / "synthetic_neural_responses_sub-01_roi-V1.h5", "w") as file:
        file["synthetic_neural_responses"] = np.zeros((7, 3), np.float32)
    with pytest.raises(DamagedFileError, match=r"shape \(7, 3\), expected \(7, 4\)"):
        open_store(copy).responses(MODEL, stimuli="things", roi="V1")
    with h5py.File(place / "synthetic_neural_responses_sub-01_roi-V1.h5", "w") as file:
        file["synthetic_neural_responses"] = np.zeros((6, 4), np.float32)
    with pytest.raises(DamagedFileError, match="name 7 images, the responses have 6 rows"):
        open_store(copy).responses(MODEL, stimuli="things", roi="V1")


def test_labels_that_are_incomplete_are_refused(copy):
    save_object(
        copy / PLACES[0] / RESPONSES / "synthetic_neural_responses_metadata_sub-01_roi-V1.npy",
        fwrf_metadata(4) | {"things_labels": {}},
    )
    with pytest.raises(DamagedFileError, match=r"labels of things.*'image_paths' is missing"):
        open_store(copy).stimulus_set("things")


def test_missing_images_say_where_they_belong(tmp_path):
    write_responses(tmp_path, "nsd")
    with pytest.raises(MissingFileError, match=r"imagesets/imageset-nsd/nsd_stimuli\.hdf5"):
        open_store(tmp_path).stimulus_set("nsd")
    write_responses(tmp_path, "things")
    with pytest.raises(MissingFileError, match="imagesets/imageset-things"):
        open_store(tmp_path).stimulus_set("things")
    write_images(tmp_path, "things")
    lost = tmp_path / "synthetic_neural_responses/imagesets/imageset-things" / THINGS[3]
    lost.unlink()
    with pytest.raises(MissingFileError, match=lost.name):
        open_store(tmp_path).stimulus_set("things")


@pytest.mark.parametrize("imageset", ["nsd", "things", "imagenet_val"])
def test_images_are_found_beside_responses_of_either_name(tmp_path, imageset):
    count = 7
    write_responses(tmp_path, imageset)
    images = write_images(tmp_path, imageset, count)
    (tmp_path / PLACES[0]).rename(tmp_path / PLACES[1])
    stimuli = open_store(tmp_path).stimulus_set(imageset)
    assert len(stimuli) == count
    np.testing.assert_allclose(stimuli[3].astype(int), images[3], atol=2)  # THINGS are JPEG files


def test_things_images_are_found_in_their_database_folder(tmp_path):
    write_responses(tmp_path, "things")
    images = write_images(tmp_path, "things")
    place = tmp_path / PLACES[0] / "imagesets/imageset-things"
    place.rename(tmp_path / "all")
    place.mkdir()
    (tmp_path / "all").rename(place / "images")
    found = open_store(tmp_path).stimulus_set("things")[5]
    np.testing.assert_allclose(found.astype(int), images[5], atol=2)


def test_folder_of_responses_alone_is_a_store(tmp_path):
    write_responses(tmp_path)
    store = open_store(tmp_path)
    assert store.models().empty
    assert len(store.response_sets()) == 1
