"""Scripts written for NED run unchanged."""

from __future__ import annotations

import copy

import h5py
import numpy as np
import pytest

from braincodec import open_store
from braincodec.compat.stored_responses import StoredResponses
from braincodec.errors import InputTypeError, MissingFileError, UnknownNameError
from braincodec.legacy.convert import convert_folder
from braincodec.models.run import encode_batches
from ned.ned import NED

from ..legacy.layouts import fwrf_metadata, write_fwrf, write_responses

V1 = ("fmri", "nsd", "fwrf", 1, "V1")


@pytest.fixture(scope="module")
def ned(ned_root):
    return NED(ned_root)


@pytest.fixture(scope="module")
def expected(ned_root, pictures):
    return open_store(ned_root).encoder("fmri-nsd-fwrf", 1, "V1").encode(pictures, device="cpu").values


def test_constructor_takes_its_published_name(ned_root):
    assert NED(ned_dir=str(ned_root)).ned_dir == str(ned_root)
    assert "fmri" in NED(open_store(ned_root)).which_modalities()


def test_every_published_name_is_listed_whatever_files_are_here(ned):
    assert ned.which_modalities() == ["fmri", "eeg"]
    assert ned.which_train_datasets("fmri") == ["nsd"]
    assert ned.which_train_datasets(modality="eeg") == ["things_eeg_2"]
    assert ned.which_models("fmri", "nsd") == ["fwrf"]
    assert ned.which_models(modality="eeg", train_dataset="things_eeg_2") == ["vit_b_32"]
    assert ned.which_subjects("fmri", "nsd") == [*range(1, 9)]
    assert ned.which_subjects("eeg", "things_eeg_2") == [*range(1, 11)]
    assert len(ned.which_rois("nsd")) == 23
    assert ned.which_rois(train_dataset="nsd")[:5] == ["V1", "V2", "V3", "hV4", "EBA"]


def test_models_beyond_the_published_ones_are_listed_too(berg_root):
    ned = NED(berg_root)
    assert ned.which_train_datasets("fmri") == ["nsd", "nsd_fsaverage"]
    assert "V1v" in ned.which_rois("nsd_fsaverage")


def test_one_step_form_positional_and_by_keyword(ned, pictures, expected):
    responses, metadata = ned.encode(pictures, *V1)
    assert type(responses) is np.ndarray
    assert responses.dtype == np.float32
    assert np.array_equal(responses, expected)
    assert metadata["fmri"]["roi_mask_volume"].sum() == 4
    again = ned.encode(
        images=pictures,
        modality="fmri",
        train_dataset="nsd",
        model="fwrf",
        subject=1,
        roi="V1",
        return_metadata=False,
        device="cpu",
    )
    assert np.array_equal(again, expected)
    assert np.array_equal(ned.encode(pictures, *V1, False, "cpu"), expected)


def test_two_step_form_positional_and_by_keyword(ned, pictures, expected):
    model = ned.get_encoding_model("fmri", "nsd", "fwrf", 1, "V1", "cpu")
    assert model["args"]["roi"] == "V1"
    responses, metadata = ned.encode(model, pictures)
    assert np.array_equal(responses, expected)
    assert metadata.keys() == {"fmri", "encoding_models"}
    assert np.array_equal(ned.encode(model, pictures, False, "cpu"), expected)
    named = ned.encode(encoding_model=model, images=pictures, return_metadata=False, device="auto")
    assert np.array_equal(named, expected)


def test_argument_trained_of_one_version_is_understood_in_its_place(ned, pictures, expected):
    for model in (
        ned.get_encoding_model("fmri", "nsd", "fwrf", 1, "V1", True, "cpu"),
        ned.get_encoding_model("fmri", "nsd", "fwrf", 1, "V1", True),
        ned.get_encoding_model("fmri", "nsd", "fwrf", 1, roi="V1", trained=True, device="cpu"),
    ):
        assert np.array_equal(ned.encode(model, pictures, return_metadata=False), expected)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.uint16, np.int16, ">i4"])
def test_integers_of_any_width_are_right(ned, pictures, expected, dtype):
    assert np.array_equal(ned.encode(pictures.astype(dtype), *V1, False), expected)


def test_arrays_that_scripts_made_with_swapped_axes_are_right(ned, pictures, expected):
    swapped = np.swapaxes(np.swapaxes(np.ascontiguousarray(pictures.transpose(0, 2, 3, 1)), 1, 3), 2, 3)
    assert not swapped.flags.c_contiguous
    assert np.array_equal(ned.encode(swapped, *V1, False), expected)


def test_batch_of_one_keeps_its_axis(ned, pictures, expected):
    one = ned.encode(pictures[:1], *V1, False)
    assert one.shape == (1, 4)
    assert np.abs(one - expected[:1]).max() <= 1e-5 * expected.std()
    assert ned.encode(pictures[:1], "fmri", "nsd", "fwrf", 1, "lateral", False).shape == (1, 5)


def test_images_are_not_transformed_all_at_once(ned_root, pictures, monkeypatch):
    sizes = []

    def watched(*args, **kwargs):
        for batch, block in encode_batches(*args, **kwargs):
            sizes.append(len(block))
            yield batch, block

    monkeypatch.setattr("braincodec.models.run.encode_batches", watched)
    NED(ned_root).encode(np.tile(pictures, (8, 1, 1, 1)), *V1, False)
    assert sum(sizes) == 40
    assert max(sizes) <= 16


def test_numpy_integers_are_subjects(ned, pictures):
    assert ned.encode(pictures, "fmri", "nsd", "fwrf", np.int64(2), "V1", False).shape == (5, 3)


def test_metadata_are_the_published_ones_and_may_be_changed(ned):
    metadata = ned.get_metadata(*V1)
    published = fwrf_metadata(4, seed=1)
    assert np.array_equal(metadata["fmri"]["roi_mask_volume"], published["fmri"]["roi_mask_volume"])
    assert np.array_equal(metadata["fmri"]["ncsnr"], published["fmri"]["ncsnr"])
    scores = metadata["encoding_models"]["encoding_accuracy"]
    assert scores.keys() == published["encoding_models"]["encoding_accuracy"].keys()
    metadata["fmri"]["ncsnr"][:] = -1
    assert (
        ned.get_metadata(modality="fmri", train_dataset="nsd", model="fwrf", subject=1, roi="V1")["fmri"]["ncsnr"] > 0
    ).all()


def test_repeated_calls_read_the_weights_once(ned_root, pictures, monkeypatch):
    reads = []
    ned = NED(ned_root)
    load = type(ned._models.store)._load
    monkeypatch.setattr(
        type(ned._models.store), "_load", lambda self, *args: reads.append(args[1:]) or load(self, *args)
    )
    for _ in range(3):
        ned.encode(pictures[:1], *V1, False)
        ned.encode(pictures[:1], "fmri", "nsd", "fwrf", 2, "V1", False)
    assert reads == [(1, "V1"), (2, "V1")]
    ned.encode(pictures[:1], "fmri", "nsd", "fwrf", 1, "lateral", False)
    assert len(ned._models._encoders) == 2  # bounded: the one not used for longest is let go
    ned.encode(pictures[:1], *V1, False)
    assert reads[2:] == [(1, "lateral"), (1, "V1")]


def test_encoding_model_can_be_copied(ned, pictures, expected):
    model = copy.copy(ned.get_encoding_model(*V1))
    assert np.array_equal(ned.encode(model, pictures, False), expected)


def test_generated_responses_are_an_h5py_dataset(ned):
    responses, metadata = ned.load_synthetic_neural_responses("fmri", "nsd", "fwrf", "things", 1, "V1")
    assert isinstance(responses, h5py.Dataset)
    assert responses.shape == (7, 4)
    assert len(responses) == 7
    assert responses[2:4, 1].shape == (2,)
    assert {"fmri", "encoding_models", "things_labels"} <= metadata.keys()
    metadata["fmri"]["ncsnr"][0] = 5
    alone = ned.load_insilico_neural_responses(
        modality="fmri",
        train_dataset="nsd",
        model="fwrf",
        imageset="things",
        subject=1,
        roi="V1",
        return_metadata=False,
    )
    assert np.array_equal(alone[:], responses[:])


def test_absent_files_are_named_with_how_to_get_them(ned, pictures, tmp_path):
    with pytest.raises(MissingFileError, match=r"weights_sub-03_roi-V1\.pt; copy it from the published data set"):
        ned.encode(pictures, "fmri", "nsd", "fwrf", 3, "V1")
    with pytest.raises(MissingFileError, match=r"weights_sub-01_roi-PPA\.pt"):
        ned.get_encoding_model("fmri", "nsd", "fwrf", 1, "PPA")
    with pytest.raises(MissingFileError, match=r"LinearRegression_param_sub-04\.npy"):
        ned.get_encoding_model("eeg", "things_eeg_2", "vit_b_32", 4)
    with pytest.raises(MissingFileError, match=r"metadata_sub-08_roi-V1\.npy"):
        ned.get_metadata("fmri", "nsd", "fwrf", 8, "V1")
    with pytest.raises(MissingFileError, match=r"imageset-nsd/synthetic_neural_responses_sub-01_roi-V1\.h5"):
        ned.load_synthetic_neural_responses("fmri", "nsd", "fwrf", "nsd", 1, "V1")
    write_responses(tmp_path, metadata=False)
    with pytest.raises(MissingFileError, match=r"synthetic_neural_responses_metadata_sub-01_roi-V1\.npy"):
        NED(tmp_path).load_synthetic_neural_responses("fmri", "nsd", "fwrf", "things", 1, "V1")


def test_missing_metadata_are_reported_before_anything_is_computed(tmp_path, pictures, monkeypatch):
    ned = NED(write_fwrf(tmp_path, metadata=False))
    assert ned.encode(pictures, *V1, False).shape == (5, 4)
    monkeypatch.setattr("braincodec.models.run.encode", None)
    with pytest.raises(MissingFileError, match=r"metadata_sub-01_roi-V1\.npy"):
        ned.encode(pictures, *V1)


@pytest.fixture(scope="module")
def converted(ned_root, pictures, tmp_path_factory):
    """The same models as artefacts, and responses of ours."""
    target = tmp_path_factory.mktemp("store")
    convert_folder(ned_root, target)
    place = target / "generated_responses/fmri-nsd-fwrf/stimuli-mine/subject-01_roi-V1.zarr"
    open_store(target).encoder("fmri-nsd-fwrf", 1, "V1").encode_to(place, pictures, device="cpu")
    return NED(target)


def test_converted_folder_serves_the_same_scripts(converted, pictures, expected):
    assert converted.which_subjects("fmri", "nsd") == [*range(1, 9)]
    responses, metadata = converted.encode(pictures, *V1)
    assert np.array_equal(responses, expected)
    assert converted.encode(converted.get_encoding_model(*V1), pictures, False).shape == (5, 4)
    published = fwrf_metadata(4, seed=1)
    for found in (metadata, converted.get_metadata(*V1)):
        assert np.array_equal(found["fmri"]["roi_mask_volume"], published["fmri"]["roi_mask_volume"])
        assert np.allclose(found["fmri"]["ncsnr"], published["fmri"]["ncsnr"])
        for name, values in published["encoding_models"]["encoding_accuracy"].items():
            assert np.allclose(found["encoding_models"]["encoding_accuracy"][name], values), name
        splits = found["encoding_models"]["train_val_test_nsd_image_splits"]
        assert splits["val_img_num"].tolist() == [0, 1, 2, 3]
    with pytest.raises(UnknownNameError, match="unknown subject 5"):
        converted.encode(pictures, "fmri", "nsd", "fwrf", 5, "V1")


def test_responses_of_a_converted_store_are_sliced_lazily(converted, expected):
    responses, metadata = converted.load_insilico_neural_responses("fmri", "nsd", "fwrf", "mine", 1, "V1")
    assert isinstance(responses, StoredResponses)
    assert (responses.shape, responses.ndim, responses.size, len(responses)) == ((5, 4), 2, 20, 5)
    assert responses.dtype == np.float32
    assert not responses._responses.variable._in_memory
    assert np.array_equal(responses[:], expected)
    assert np.array_equal(responses[1:3, [0, 2]], expected[1:3][:, [0, 2]])
    assert np.array_equal(responses[-1], expected[-1])
    assert responses[0, 0] == expected[0, 0]
    assert np.array_equal(np.asarray(responses), expected)
    assert np.asarray(responses, float).dtype == np.float64
    assert "fmri" in metadata


def test_whole_cortex_model_needs_no_region(vit, berg_root, pictures):
    ned = NED(berg_root)
    whole = ned.encode(pictures[:2], "fmri", "nsd_fsaverage", "vit_b_32", 1, return_metadata=False)
    assert whole.shape == (2, 80)
    part = ned.encode(pictures[:2], "fmri", "nsd_fsaverage", "vit_b_32", 1, "V1v", False)
    assert np.allclose(part, whole[:, [3, 4, 9, 40, 41]], atol=1e-4)


def test_eeg_has_four_repetitions_and_ignores_a_region(vit, berg_root, pictures):
    ned = NED(berg_root)
    responses, metadata = ned.encode(pictures[:1], "eeg", "things_eeg_2", "vit_b_32", 1, "V1")
    assert responses.shape == (1, 4, 3, 5)
    assert metadata["eeg"]["ch_names"] == ["Pz", "Oz", "O1"]


def test_what_is_no_encoding_model_is_refused(ned, pictures):
    with pytest.raises(InputTypeError, match="must be what get_encoding_model returned, got dict"):
        ned.encode({"args": {}}, pictures)
