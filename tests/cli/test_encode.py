"""`braincodec encode`: formats, regions and subjects, and every kind of bad input."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from braincodec.responses import open_responses
from braincodec.store import open_store

MODEL = "fmri-test-mean_colour"


@pytest.fixture
def encode(run, small_store):
    def encode_images(images, *options):
        return run("encode", images, "--model", MODEL, "--store", small_store, *options)

    return encode_images


@pytest.mark.parametrize("suffix", [".zarr", ".nc", ".npy", ".npz", ".h5", ".nii.gz"])
def test_every_suffix_holds_what_python_computes(encode, small_store, pictures, tmp_path, suffix):
    output = tmp_path / f"v1{suffix}"
    outcome = encode(pictures, "--roi", "V1", "-o", output)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{output}: responses, 4 stimuli x 5 units, float32")
    expected = open_store(small_store).encoder(MODEL, subject=1, roi="V1").encode(pictures)
    np.testing.assert_allclose(open_responses(output).values, expected.values, rtol=1e-6)


def test_several_subjects_and_regions_lie_in_one_file(encode, small_store, pictures, tmp_path):
    outcome = encode(pictures, "--subject", "1,2", "--roi", "V1,V2", "-o", tmp_path / "all.zarr")
    assert outcome.code == 0
    found = open_responses(tmp_path / "all.zarr")
    assert found.shape == (4, 18)
    store = open_store(small_store)
    for subject in (1, 2):
        for roi in ("V1", "V2"):
            own = found.isel(unit=(found["subject"].values == subject) & (found["model_roi"].values == roi))
            alone = store.encoder(MODEL, subject, roi).encode(pictures)
            np.testing.assert_allclose(own.values, alone.values, rtol=1e-6)


def test_all_subjects_and_all_regions(encode, pictures, tmp_path):
    encode(pictures, "--subject", "all", "--roi", "all", "-o", tmp_path / "all.nc")
    assert open_responses(tmp_path / "all.nc").sizes["unit"] == 12 + 9


def test_images_may_be_named_one_by_one(run, small_store, pictures, tmp_path):
    first, second = pictures / "0001.png", pictures / "0000.png"
    output = tmp_path / "two.npz"
    assert run("encode", first, second, "-m", MODEL, "-s", small_store, "--roi", "V1", "-o", output).code == 0
    assert [str(name).rpartition("/")[2] for name in open_responses(output)["stimulus"].values] == [
        "0001.png",
        "0000.png",
    ]


def test_batch_size_does_not_change_numbers(encode, pictures, tmp_path):
    for size in ("1", "3", "auto"):
        assert encode(pictures, "--batch-size", size, "-o", tmp_path / f"{size}.npy").code == 0
    one, three, auto = (np.load(tmp_path / f"{size}.npy") for size in ("1", "3", "auto"))
    np.testing.assert_allclose(one, three, rtol=1e-6)
    np.testing.assert_allclose(one, auto, rtol=1e-6)


# wrong words


def test_misspelt_roi_offers_the_nearest(encode, pictures, tmp_path):
    outcome = encode(pictures, "--roi", "V1,FAA-1", "-o", tmp_path / "x.zarr")
    assert outcome.code == 1
    assert "unknown roi 'FAA-1'" in outcome.err
    assert "did you mean 'FFA-1'" in outcome.err
    assert not (tmp_path / "x.zarr").exists()


def test_region_that_this_subject_lacks_is_named(encode, pictures, tmp_path):
    outcome = encode(pictures, "--subject", "2", "--roi", "FFA-1", "-o", tmp_path / "x.zarr")
    assert outcome.code == 1
    assert "FFA-1" in outcome.err
    assert "subject 2" in outcome.err


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--subject", "9", "available: 1, 2"),
        ("--subject", "2-1", "--subject takes numbers"),
        ("--device", "tpu", "unknown device 'tpu'"),
        ("--dtype", "float8", "unknown dtype 'float8'"),
        ("--batch-size", "0", "batch_size must be"),
        ("--value-range", "0", "--value-range takes two numbers"),
        ("--output", "x.mat", "unknown output suffix '.mat'"),
    ],
)
def test_impossible_values_are_refused_in_words(encode, pictures, option, value, words):
    outcome = encode(pictures, option, value)
    assert outcome.code == 1
    assert words in outcome.err


def test_existing_output_is_refused_before_work_and_replaced_on_demand(encode, pictures, tmp_path):
    output = tmp_path / "x.npy"
    output.write_bytes(b"precious")
    refused = encode(pictures, "--model", "not even a model", "-o", output)
    assert refused.code == 1
    assert "--overwrite" in refused.err
    assert output.read_bytes() == b"precious"
    assert encode(pictures, "-o", output, "--overwrite").code == 0
    assert np.load(output).shape == (4, 12)


def test_two_subjects_do_not_fit_one_volume(encode, pictures, tmp_path):
    outcome = encode(pictures, "--subject", "1,2", "-o", tmp_path / "x.nii.gz")
    assert outcome.code == 1
    assert "subject" in outcome.err
    assert list(tmp_path.glob("*x.nii*")) == []


# wrong images


def test_int64_images_are_right_and_not_almost_zero(encode, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 10, 12, 3))
    np.save(tmp_path / "bytes.npy", pixels.astype(np.uint8))
    np.save(tmp_path / "long.npy", pixels.astype(np.int64))
    for name in ("bytes", "long"):
        assert encode(tmp_path / f"{name}.npy", "-o", tmp_path / f"{name}-out.npy").code == 0
    right, found = np.load(tmp_path / "bytes-out.npy"), np.load(tmp_path / "long-out.npy")
    assert np.abs(right).max() > 0.1
    np.testing.assert_array_equal(found, right)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.full((2, 8, 8, 3), 300, np.int64), "255"),
        (np.full((2, 8, 8, 3), -1, np.int32), "255"),
        (np.zeros((2, 8, 8, 3), np.float32), "--value-range 0,1"),
        (np.zeros((2, 8, 8, 3), np.complex64), "complex64"),
        (np.array([["a", "b"]]), "dtype|shape"),
        (np.zeros((2, 8, 8), np.uint8), "shape|grey|layout"),
        (np.zeros((0, 8, 8, 3), np.uint8), "empty|no image|0 images"),
    ],
)
def test_arrays_that_cannot_be_images_are_refused(encode, tmp_path, array, words):
    np.save(tmp_path / "images.npy", array)
    outcome = encode(tmp_path / "images.npy", "-o", tmp_path / "x.zarr")
    assert outcome.code == 1
    assert any(word in outcome.err for word in words.split("|")), outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy"]


def test_floats_with_a_range_equal_their_bytes(encode, tmp_path):
    pixels = np.random.default_rng(1).integers(0, 256, (3, 3, 9, 9), np.uint8)
    np.save(tmp_path / "bytes.npy", pixels)
    np.save(tmp_path / "floats.npy", pixels.astype(np.float64) / 255)
    assert encode(tmp_path / "bytes.npy", "-o", tmp_path / "a.npy", "--layout", "channels_first").code == 0
    assert encode(tmp_path / "floats.npy", "-o", tmp_path / "b.npy", "--value-range", "0,1").code == 0
    np.testing.assert_allclose(np.load(tmp_path / "b.npy"), np.load(tmp_path / "a.npy"), rtol=1e-6)


def test_nan_is_named_by_its_image_and_can_be_skipped(encode, tmp_path):
    pixels = np.random.default_rng(2).random((5, 8, 8, 3))
    pixels[3, 0, 0, 0] = np.nan
    np.save(tmp_path / "images.npy", pixels)
    refused = encode(tmp_path / "images.npy", "--value-range", "0,1", "-o", tmp_path / "x.zarr")
    assert refused.code == 1
    assert "'3' holds NaN" in refused.err
    skipped = encode(tmp_path / "images.npy", "--value-range", "0,1", "-o", tmp_path / "x.zarr", "--skip-bad")
    assert skipped.code == 0
    assert "skipped 1 of 5" in skipped.err
    assert open_responses(tmp_path / "x.zarr")["stimulus"].values.tolist() == ["0", "1", "2", "4"]


def test_grey_and_transparent_files_are_seen_as_colours(encode, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("L", (9, 9), 100).save(folder / "a-grey.png")
    Image.new("RGB", (9, 9), (100, 100, 100)).save(folder / "b-colour.png")
    Image.new("RGBA", (9, 9), (0, 0, 0, 0)).save(folder / "c-transparent.png")
    Image.new("RGB", (9, 9), (255, 255, 255)).save(folder / "d-white.png")
    assert encode(folder, "-o", tmp_path / "x.npy").code == 0
    grey, colour, transparent, white = np.load(tmp_path / "x.npy")
    np.testing.assert_array_equal(grey, colour)
    np.testing.assert_array_equal(transparent, white)


@pytest.fixture
def thousand(tmp_path):
    """A thousand small JPEGs, one of them cut short."""
    folder = tmp_path / "thousand"
    folder.mkdir()
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)).save(file, "JPEG")
    for number in range(1000):
        (folder / f"{number:04d}.jpg").write_bytes(file.getvalue())
    (folder / "0617.jpg").write_bytes(file.getvalue()[:200])
    return folder


def test_corrupt_jpeg_among_a_thousand_is_named(encode, thousand, tmp_path):
    outcome = encode(thousand, "-o", tmp_path / "x.zarr")
    assert outcome.code == 1
    assert "0617.jpg" in outcome.err
    assert "--skip-bad" in outcome.err
    assert not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize("suffix", [".zarr", ".nii.gz", ".npy"])
def test_corrupt_jpeg_is_skipped_and_reported_on_demand(encode, thousand, tmp_path, suffix):
    output = tmp_path / f"x{suffix}"
    outcome = encode(thousand, "-o", output, "--skip-bad")
    assert outcome.code == 0
    assert "skipped 1 of 1,000" in outcome.err
    assert ("0617.jpg" in outcome.err) or suffix == ".npy"
    assert "999 stimuli" in outcome.out
    assert open_responses(output).sizes["stimulus"] == 999


def test_empty_folder_and_missing_folder_are_refused(encode, tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "missing", "*.jpg"):
        outcome = encode(tmp_path / name, "-o", tmp_path / "x.zarr")
        assert outcome.code == 1
        assert str(tmp_path) in outcome.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty"]


# a full disk


@pytest.mark.parametrize("suffix", [".zarr", ".npy", ".nc", ".nii.gz"])
def test_full_disk_is_said_with_the_free_space_and_leaves_nothing(encode, pictures, small_disk, suffix):
    status = os.statvfs(small_disk)
    (small_disk / "ballast").write_bytes(b"\0" * (status.f_bavail * status.f_frsize - 8 * 1024))
    outcome = encode(pictures, "-o", small_disk / f"x{suffix}")
    assert outcome.code == 1
    assert "cannot write" in outcome.err
    assert "MB" in outcome.err
    assert [path.name for path in small_disk.iterdir()] == ["ballast"]


def test_progress_goes_to_stderr_and_the_result_to_stdout(encode, pictures, tmp_path):
    outcome = encode(pictures, "-o", tmp_path / "x.zarr", "--progress")
    assert "4/4" in outcome.err
    assert "4/4" not in outcome.out
    assert outcome.out.count("\n") == 1
