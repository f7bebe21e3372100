"""Generated responses written in NED's layout, and NED's brought into a store of ours."""

from __future__ import annotations

import shutil

import h5py
import numpy as np
import pytest

from braincodec import open_store
from braincodec.errors import DamagedFileError, InputValueError, OutputError, UnknownNameError
from braincodec.legacy.published_files import equal_content
from braincodec.legacy.read import read_legacy
from braincodec.models.description import ModelDescription
from braincodec.responses import build_responses, build_sensor_units, build_units
from braincodec.responses.formats import write_responses
from braincodec.store.response_description import description_content
from braincodec.store.responses_from_ned import responses_from_ned
from braincodec.store.responses_to_ned import responses_to_ned
from ned.ned import NED

from ..legacy.layouts import THINGS, write_images
from ..legacy.layouts import write_responses as write_published
from ..small_models import AFFINE, VOLUME_SHAPE

FWRF = "synthetic_neural_responses/modality-fmri/train_dataset-nsd/model-fwrf/imageset-{}"
COUNT = 9


def values_of(root, name):
    """A file as the published code opens it."""
    with h5py.File(root / f"{name}.h5", "r") as file:
        assert list(file) == ["synthetic_neural_responses"]
        found = file["synthetic_neural_responses"]
        assert found.chunks is None
        assert found.dtype == np.float32
        return found[:]


def metadata_of(root, name):
    """Metadata as the published code opens them."""
    return np.load(root / f"{name}.npy", allow_pickle=True).item()


def add_responses(store, responses, about, stimuli="mine", roi=None):
    """Responses of ours, as a synthesis leaves them."""
    place = store / f"generated_responses/{about.model}/stimuli-{stimuli}"
    place.mkdir(parents=True, exist_ok=True)
    name = f"subject-{about.subject:02d}" + (f"_roi-{roi}" if roi else "")
    write_responses(responses, place / f"{name}.zarr")
    (place / f"{name}.json").write_bytes(description_content(about))
    return store


def voxels(count=6, ids=None, order=None, **attrs):
    """Responses of voxels in two overlapping regions, (COUNT, count)."""
    ijk = np.argwhere(np.ones(VOLUME_SHAPE, bool))[10 : 10 + count][np.arange(count) if order is None else order]
    rois = {"V1": np.arange(count) < count - 2, "early": np.arange(count) >= 1, "PPA": np.zeros(count, bool)}
    scores = {"ncsnr": np.linspace(0.1, 0.9, count, dtype=np.float32)}
    units = build_units(ijk=ijk, rois=rois, scores=scores, affine=AFFINE, volume_shape=VOLUME_SHAPE)
    values = np.random.default_rng(0).normal(size=(COUNT, count)).astype(np.float32)
    return build_responses(values, ids or [f"{n}.png" for n in range(COUNT)], units, modality="fmri", **attrs)


def describe(model="fmri-mine-linear", dataset="mine", modality="fmri", **more):
    more = {"response_units": "zscored_within_session", "subject": 3} | more
    return ModelDescription(model=model, modality=modality, dataset=dataset, **more)


@pytest.fixture
def ned_folder(golden):
    return golden / "neural_encoding_dataset"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        (FWRF.format("things"), "sub-01_roi-V1"),
        (FWRF.format("things"), "sub-01_roi-lateral"),
        ("synthetic_neural_responses/modality-eeg/train_dataset-things_eeg_2/model-vit_b_32/imageset-nsd", "sub-01"),
    ],
)
def test_published_responses_come_back_unchanged_from_a_store_of_ours(ned_folder, tmp_path, place, name):
    done = responses_from_ned(ned_folder, tmp_path / "store")
    assert [one.outcome for one in done] == ["written"] * 3
    assert [one.outcome for one in responses_to_ned(tmp_path / "store", tmp_path / "back")] == ["written"] * 3
    there, back = ned_folder / place, tmp_path / "back" / place
    file = f"synthetic_neural_responses_{name}"
    assert np.array_equal(values_of(back, file), values_of(there, file))
    published = metadata_of(there, f"synthetic_neural_responses_metadata_{name}")
    found = metadata_of(back, f"synthetic_neural_responses_metadata_{name}")
    assert found.keys() == published.keys()
    for key, labels in published.items():
        if key.endswith("_labels"):
            assert equal_content(found[key], labels)
    assert_close(found, published)


def assert_close(found, expected, path=""):
    """Equal keys all the way down; scores up to the float32 that our stores keep them in."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), path
        for key, value in expected.items():
            assert_close(found[key], value, f"{path}/{key}")
        return
    one, other = np.asarray(found), np.asarray(expected)
    assert one.shape == other.shape, path
    if other.dtype.kind == "f":
        np.testing.assert_allclose(one, other, rtol=2e-7, err_msg=path)
    else:
        assert np.array_equal(one, other), path


def test_golden_responses_read_the_same_in_every_place(ned_folder, tmp_path):
    responses_from_ned(ned_folder, tmp_path / "store")
    responses_to_ned(tmp_path / "store", tmp_path / "back")
    which = {"stimuli": "things", "subject": 1, "roi": "lateral"}
    published, ours, back = (
        open_store(place).responses("fmri-nsd-fwrf", **which)
        for place in (ned_folder, tmp_path / "store", tmp_path / "back")
    )
    for found in (ours, back):
        assert np.array_equal(found.values, published.values)
        assert found["stimulus"].values.tolist() == published["stimulus"].values.tolist()
        assert all(np.array_equal(found[axis], published[axis]) for axis in "ijk")
        assert found.attrs["response_units"] == "zscored_within_session"


@pytest.mark.parametrize("imageset", ["things", "nsd"])
def test_published_interface_answers_the_same_over_both_kinds_of_store(ned_folder, tmp_path, imageset):
    responses_from_ned(ned_folder, tmp_path / "store")
    arguments = ("fmri", "nsd", "fwrf", "things", 1, "V1") if imageset == "things" else (
        "eeg", "things_eeg_2", "vit_b_32", "nsd", 1
    )  # fmt: skip
    published, metadata = NED(ned_folder).load_synthetic_neural_responses(*arguments)
    ours, ours_metadata = NED(tmp_path / "store").load_synthetic_neural_responses(*arguments)
    assert ours.shape == published.shape
    assert ours.dtype == published.dtype
    assert np.array_equal(ours[2:5], published[2:5])
    assert np.array_equal(ours[()], published[()])
    assert_close(ours_metadata, metadata)
    alone = NED(tmp_path / "store").load_insilico_neural_responses(*arguments, return_metadata=False)
    assert np.array_equal(alone[:], published[:])


def test_whole_model_becomes_a_file_for_each_region_in_the_order_of_the_volume(tmp_path):
    responses = voxels(order=[5, 0, 3, 1, 4, 2])
    add_responses(tmp_path / "store", responses, describe(training={"train_img_num": [3, 4]}))
    (done,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert len(done.files) == 2  # no voxel lies in PPA
    place = tmp_path / "ned/synthetic_neural_responses/modality-fmri/train_dataset-mine/model-linear/imageset-mine"
    for roi in ("V1", "early"):
        found = values_of(place, f"synthetic_neural_responses_sub-03_roi-{roi}")
        metadata = metadata_of(place, f"synthetic_neural_responses_metadata_sub-03_roi-{roi}")
        volume = np.full(VOLUME_SHAPE, np.nan, np.float32)
        volume[metadata["fmri"]["roi_mask_volume"]] = found[4]
        own = responses.bc.select(roi=roi)
        assert np.array_equal(volume[own["i"], own["j"], own["k"]], own.values[4])
        assert np.isfinite(volume).sum() == own.sizes["unit"]
        assert metadata["encoding_models"]["train_val_test_nsd_image_splits"]["train_img_num"].tolist() == [3, 4]


def test_own_model_and_stimuli_read_back_with_their_ids_and_units(tmp_path):
    add_responses(tmp_path / "store", voxels(skipped='{"4.png": "truncated"}'), describe(simulated=True))
    responses_to_ned(tmp_path / "store", tmp_path / "ned")
    there, here = open_store(tmp_path / "ned"), open_store(tmp_path / "store")
    assert there.response_sets().values.tolist() == [
        ["fmri-mine-linear", "mine", 3, "V1"],
        ["fmri-mine-linear", "mine", 3, "early"],
    ]
    for roi in ("V1", "early"):
        which = {"stimuli": "mine", "subject": 3, "roi": roi}
        found, expected = there.responses("fmri-mine-linear", **which), here.responses("fmri-mine-linear", **which)
        assert np.array_equal(found.values, expected.values)
        assert found["stimulus"].values.tolist() == [f"{n}.png" for n in range(COUNT)]
        assert np.allclose(found["ncsnr"], expected["ncsnr"])
        assert found.attrs["simulated"] == 1
        assert found.attrs["response_units"] == "zscored_within_session"
        assert found.attrs["skipped"] == '{"4.png": "truncated"}'


def test_published_interface_reads_models_that_have_responses_only(tmp_path):
    add_responses(tmp_path / "store", voxels(), describe())
    responses_to_ned(tmp_path / "store", tmp_path / "ned")
    for place in ("store", "ned"):
        ned = NED(tmp_path / place)
        assert "mine" in ned.which_train_datasets("fmri")
        found, metadata = ned.load_synthetic_neural_responses("fmri", "mine", "linear", "mine", 3, "early")
        assert found.shape == (COUNT, 5)
        assert metadata["stimulus_labels"]["stimulus_ids"] == [f"{n}.png" for n in range(COUNT)]
        assert metadata["fmri"]["roi_mask_volume"].sum() == 5


def test_labels_of_things_follow_from_the_paths(tmp_path):
    ids = ["bat/bat_01.jpg", "bat/bat_02.jpg", "cat/cat_01.jpg", *(f"dog/dog_{n:02d}.jpg" for n in range(6))]
    about = describe("fmri-nsd-fwrf", "nsd", roi="V1", subject=1)
    add_responses(tmp_path / "store", voxels(ids=ids), about, "things", "V1")
    responses_to_ned(tmp_path / "store", tmp_path / "ned")
    labels = metadata_of(tmp_path / "ned" / FWRF.format("things"), "synthetic_neural_responses_metadata_sub-01_roi-V1")
    assert labels["things_labels"]["image_concept_index"].tolist() == [0, 0, 1, *[2] * 6]
    assert labels["things_labels"]["unique_id"] == {0: "bat", 1: "cat", 2: "dog"}
    assert "stimulus_labels" not in labels
    found = open_store(tmp_path / "ned").responses("fmri-nsd-fwrf", stimuli="things", subject=1, roi="V1")
    assert found["stimulus"].values.tolist() == ids


def test_design_of_the_experiment_gives_labels_counted_from_zero(tmp_path):
    import scipy.io

    design = {"subjectim": np.arange(1, 9)[:, None] + np.zeros((1, 1)), "masterordering": np.arange(1, 6.0)[None]}
    scipy.io.savemat(tmp_path / "nsd_expdesign.mat", design)
    ids = [f"nsd-{n:05d}" for n in range(COUNT)]
    about = describe("fmri-nsd-fwrf", "nsd", roi="V1", subject=1)
    add_responses(tmp_path / "store", voxels(ids=ids), about, "nsd", "V1")
    responses_to_ned(tmp_path / "store", tmp_path / "ned", labels=tmp_path / "nsd_expdesign.mat")
    found = metadata_of(tmp_path / "ned" / FWRF.format("nsd"), "synthetic_neural_responses_metadata_sub-01_roi-V1")
    assert found["nsd_labels"]["subjectim"].ravel().tolist() == list(range(8))
    assert found["nsd_labels"]["masterordering"].tolist() == [[0, 1, 2, 3, 4]]
    assert "stimulus_labels" not in found


def test_half_precision_becomes_the_single_precision_that_scripts_expect(tmp_path):
    responses = voxels()
    half = responses.copy(data=responses.values.astype(np.float16)).assign_attrs(float16_largest_error=0.001)
    add_responses(tmp_path / "store", half, describe())
    responses_to_ned(tmp_path / "store", tmp_path / "ned", rois=["early"])
    which = ("fmri", "mine", "linear", "mine", 3, "early")
    for place in ("store", "ned"):
        found = NED(tmp_path / place).load_synthetic_neural_responses(*which, return_metadata=False)
        assert found.dtype == np.float32
        assert found[:].dtype == np.float32
        assert np.array_equal(found[:], half.bc.select(roi="early").values.astype(np.float32))
        opened = open_store(tmp_path / place).responses("fmri-mine-linear", stimuli="mine", subject=3, roi="early")
        assert opened.attrs["float16_largest_error"] == 0.001


def test_second_call_keeps_finished_files_and_replaces_damaged_and_missing_ones(tmp_path):
    add_responses(tmp_path / "store", voxels(), describe())
    (first,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    times = [path.stat().st_mtime_ns for path in first.files]
    (again,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert again.outcome == "kept"
    assert [path.stat().st_mtime_ns for path in first.files] == times
    first.files[1].unlink()
    (third,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert (third.outcome, third.nbytes) == ("written", COUNT * 5 * 4)
    assert first.files[0].stat().st_mtime_ns == times[0]
    assert not list((tmp_path / "ned").rglob(".*"))


def test_what_a_killed_export_left_behind_goes_when_it_is_started_again(tmp_path):
    add_responses(tmp_path / "store", voxels(), describe())
    (first,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    path = first.files[0]
    path.rename(path.with_name(f".0123456789ab-{path.name}"))
    assert open_store(tmp_path / "ned").response_sets()["roi"].tolist() == ["early"]
    responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert path.is_file()
    assert not list((tmp_path / "ned").rglob(".*"))


def test_other_responses_are_replaced_only_when_told(tmp_path):
    add_responses(tmp_path / "one", voxels(), describe())
    other = voxels()
    add_responses(tmp_path / "two", other.copy(data=other.values + 1), describe())
    responses_to_ned(tmp_path / "one", tmp_path / "ned")
    with pytest.raises(OutputError, match="holds other responses"):
        responses_to_ned(tmp_path / "two", tmp_path / "ned")
    (done,) = responses_to_ned(tmp_path / "two", tmp_path / "ned", overwrite=True)
    with h5py.File(done.files[0]) as file:
        assert np.array_equal(file["synthetic_neural_responses"][:], other.values[:, :4] + 1)


def test_full_disk_leaves_nothing_under_a_final_name(tmp_path, small_disk):
    units = build_units(rois={"V1": np.ones(2000, bool)})
    values = np.zeros((1000, 2000), np.float32)
    add_responses(tmp_path / "store", build_responses(values, map(str, range(1000)), units), describe())
    with pytest.raises(OutputError, match=r"sub-03_roi-V1\.h5"):
        responses_to_ned(tmp_path / "store", small_disk / "ned")
    assert not [path for path in (small_disk).rglob("*") if path.is_file()]


def test_memory_does_not_grow_with_the_number_of_stimuli(tmp_path, monkeypatch):
    import braincodec.responses.formats as formats

    monkeypatch.setattr(formats, "BLOCK_BYTES", 4096)
    largest = []
    create = h5py.Group.create_dataset

    class Watched:
        def __init__(self, dataset):
            self.dataset = dataset

        def __setitem__(self, rows, block):
            largest.append(block.nbytes)
            self.dataset[rows] = block

    monkeypatch.setattr(h5py.Group, "create_dataset", lambda *args, **more: Watched(create(*args, **more)))
    units = build_units(rois={"V1": np.ones(16, bool)})
    responses = build_responses(np.ones((5000, 16), np.float32), map(str, range(5000)), units)
    add_responses(tmp_path / "store", responses, describe())
    responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert sum(largest) == responses.nbytes
    assert max(largest) < responses.nbytes / 4


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"subject": "monkey"}, "NED numbers its subjects"),
        ({"model": "linear"}, "names a folder after fmri-mine-"),
        ({"modality": "spikes", "model": "spikes-mine-linear"}, "are of fmri, these are of spikes"),
    ],
)
def test_responses_without_a_place_in_the_layout_are_skipped_with_the_reason(tmp_path, changes, reason):
    about = describe(**changes)
    place = tmp_path / "store/generated_responses" / about.model / "stimuli-mine"
    place.mkdir(parents=True)
    name = "subject-03" if about.subject == 3 else f"subject-{about.subject}"
    write_responses(voxels(), place / f"{name}.zarr")
    (place / f"{name}.json").write_bytes(description_content(about))
    (done,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert done.outcome == "skipped"
    assert reason in done.reason
    assert not (tmp_path / "ned").exists()


def test_eeg_of_another_number_of_repetitions_is_skipped(tmp_path):
    units = build_sensor_units(["Oz", "O1"], [0.0, 0.1, 0.2], repetitions=2)
    responses = build_responses(np.zeros((3, 2, 2, 3), np.float32), "abc", units)
    add_responses(tmp_path / "store", responses, describe("eeg-mine-linear", modality="eeg"))
    (done,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert "4 repetitions, these have 2" in done.reason


def test_every_vertex_of_both_hemispheres_reads_back_with_its_regions(tmp_path):
    sides = np.repeat(["left", "right"], 4)
    rois = {"V1v": np.arange(8) % 4 < 2}
    units = build_units(vertex=np.tile(np.arange(4), 2), hemisphere=sides, rois=rois, space="fsaverage")
    values = np.random.default_rng(1).normal(size=(3, 8)).astype(np.float32)
    about = describe("fmri-nsd_fsaverage-vit_b_32", "nsd_fsaverage", subject=1)
    add_responses(tmp_path / "store", build_responses(values, "abc", units), about)
    responses_to_ned(tmp_path / "store", tmp_path / "ned")
    found = open_store(tmp_path / "ned").responses(about.model, stimuli="mine", subject=1, roi="V1v")
    assert np.array_equal(found.values, values[:, rois["V1v"]])
    assert found["stimulus"].values.tolist() == ["a", "b", "c"]
    for place in ("store", "ned"):
        arguments = ("fmri", "nsd_fsaverage", "vit_b_32", "mine", 1)
        ned = NED(tmp_path / place)
        whole, metadata = ned.load_synthetic_neural_responses(*arguments)
        assert np.array_equal(whole[:], values)
        assert metadata["fmri"]["lh_fsaverage_rois"]["V1v"].tolist() == [0, 1]
        part = ned.load_synthetic_neural_responses(*arguments, "V1v", return_metadata=False)
        assert np.array_equal(part[:], values[:, rois["V1v"]])


def test_wrong_names_are_answered_before_anything_is_written(tmp_path):
    add_responses(tmp_path / "store", voxels(), describe())
    for options, name in (
        ({"models": ["fmri-mine-linaer"]}, "did you mean 'fmri-mine-linear'"),
        ({"stimuli": ["nsd"]}, "available: mine"),
        ({"subjects": [1]}, "available: 3"),
        ({"rois": ["V2"]}, "available: V1, early"),
    ):
        with pytest.raises(UnknownNameError, match=name):
            responses_to_ned(tmp_path / "store", tmp_path / "ned", **options)
    with pytest.raises(InputValueError, match="braincodec store already"):
        responses_from_ned(tmp_path / "store", tmp_path / "other")
    assert not (tmp_path / "ned").exists()


def test_folder_of_ned_is_not_written_in_neds_layout_again(tmp_path):
    write_published(tmp_path / "ned")
    with pytest.raises(InputValueError, match="NED's layout already"):
        responses_to_ned(tmp_path / "ned", tmp_path / "other")


def test_responses_brought_from_ned_are_kept_by_a_second_call(tmp_path):
    write_published(tmp_path / "ned")
    responses_from_ned(tmp_path / "ned", tmp_path / "store")
    (again,) = responses_from_ned(tmp_path / "ned", tmp_path / "store")
    assert again.outcome == "kept"
    (written,) = responses_from_ned(tmp_path / "ned", tmp_path / "store", overwrite=True)
    assert written.outcome == "written"


def test_damaged_published_responses_fail_alone(tmp_path):
    write_published(tmp_path / "ned")
    write_published(tmp_path / "ned", roi="V2")
    (tmp_path / "ned" / FWRF.format("things") / "synthetic_neural_responses_sub-01_roi-V1.h5").write_bytes(b"no")
    done = responses_from_ned(tmp_path / "ned", tmp_path / "store")
    assert [one.outcome for one in done] == ["failed", "written"]
    assert "no readable HDF5 file" in done[0].reason
    assert open_store(tmp_path / "store").response_sets()["roi"].tolist() == ["V2"]


@pytest.mark.parametrize("imageset", ["things", "nsd", "imagenet_val"])
def test_images_behind_responses_are_found_from_a_store_of_ours(tmp_path, imageset):

    write_published(tmp_path / "ned", imageset)
    pictures = write_images(tmp_path / "ned", imageset)
    responses_from_ned(tmp_path / "ned", tmp_path / "store")
    store = open_store(tmp_path / "store")
    stimuli = store.stimulus_set(imageset)
    responses = store.responses("fmri-nsd-fwrf", stimuli=imageset, subject=1, roi="V1")
    assert stimuli.ids.tolist() == responses["stimulus"].values.tolist()
    for number in range(7):
        assert np.abs(stimuli[number].astype(int) - pictures[number]).max() < 8  # JPEG rounds


def test_images_that_are_gone_or_others_are_refused(tmp_path):
    from braincodec.errors import MissingFileError

    write_published(tmp_path / "ned")
    write_images(tmp_path / "ned", "things")
    responses_from_ned(tmp_path / "ned", tmp_path / "store")
    images = tmp_path / "ned/synthetic_neural_responses/imagesets/imageset-things"
    (images / THINGS[2]).rename(images / "other.jpg")
    store = open_store(tmp_path / "store")
    with pytest.raises(InputValueError, match=f"image {THINGS[2]!r} is not among them"):
        store.stimulus_set("things")
    shutil.rmtree(images)
    with pytest.raises(MissingFileError, match="imageset-things"):
        store.stimulus_set("things")
    with pytest.raises(UnknownNameError, match="available: things"):
        store.stimulus_set("nsd")


def test_description_of_another_version_is_refused(tmp_path):
    add_responses(tmp_path / "store", voxels(), describe())
    beside = tmp_path / "store/generated_responses/fmri-mine-linear/stimuli-mine/subject-03.json"
    beside.write_text('{"format": 99, "model": {}}')
    (done,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert done.outcome == "failed"
    assert "has format 99" in done.reason
    with pytest.raises(DamagedFileError, match="has format 99"):
        NED(tmp_path / "store").load_synthetic_neural_responses("fmri", "mine", "linear", "mine", 3)
    # which breaks nothing else
    assert NED(tmp_path / "store").which_subjects("fmri", "nsd") == list(range(1, 9))


def test_written_metadata_ask_for_no_code_when_read(tmp_path):
    add_responses(tmp_path / "store", voxels(), describe())
    (done,) = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    name = done.files[0].name.replace("responses_", "responses_metadata_").replace(".h5", ".npy")
    assert read_legacy(done.files[0].with_name(name)).keys() >= {"fmri", "encoding_models", "stimulus_labels"}
