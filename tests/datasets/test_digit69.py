"""The digits stand upright, keep their published split, and a damaged file is said to be one."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

import numpy as np
import pytest
import scipy.io
import scipy.ndimage

from braincodec.datasets import load_dataset
from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError, UnsafeFileError

from .recordings import digit_variables


def test_images_are_upright_and_in_the_order_of_the_responses(digit_folder, small_digits):
    recording = small_digits(digit_folder).subject()
    variables = digit_variables()
    assert recording.stimuli["train-01"].shape == (28, 28, 3)
    for number in range(12):
        image = recording.stimuli[f"train-{number + 1:02d}"]
        # the mark stands to the right of the corner; read row by row it would stand below
        assert (image[0, 0, 0], image[0, 1, 0], image[1, 0, 0]) == (number, 200, 0)
    np.testing.assert_array_equal(recording.responses[12:], variables["fmriTest"])
    assert recording.responses["digit"].values.tolist() == [6] * 6 + [9] * 6 + [6] * 2 + [9] * 2


def test_split_is_the_published_one(digit_folder, small_digits):
    split = small_digits(digit_folder).subject("1").split
    assert split.train == tuple(f"train-{number:02d}" for number in range(1, 13))
    assert split.test == ("test-01", "test-02", "test-03", "test-04")


def test_file_may_be_named_itself_and_need_not_be_compressed(tmp_path, small_digits):
    path = tmp_path / "renamed.mat"
    scipy.io.savemat(path, digit_variables())
    assert small_digits(path).subject().responses.shape == (16, 7)


@pytest.mark.parametrize("folds", [2, 3, 8])
def test_cross_validation_tests_every_image_once_with_both_digits_in_every_fold(digit_folder, small_digits, folds):
    data = small_digits(digit_folder)
    recording = data.subject()
    splits = data.cross_validation(folds)
    tested = [name for split in splits for name in split.test]
    assert sorted(tested) == sorted(recording.stimuli.ids)
    digit = dict(zip(recording.stimuli.ids, recording.responses["digit"].values, strict=True))
    for split in splits:
        assert len(split) == 16
        count = Counter(int(digit[name]) for name in split.test)
        assert abs(count[6] - count[9]) <= 1
        assert abs(len(split.test) - 16 / folds) < 1
        recording.with_split(split)


def test_cross_validation_is_seeded_and_knows_its_limits(digit_folder, small_digits):
    data = small_digits(digit_folder)
    assert data.cross_validation(4, seed=3) == data.cross_validation(4, seed=3)
    assert data.cross_validation(4, seed=3) != data.cross_validation(4, seed=4)
    for folds in (1, 9):
        with pytest.raises(InputValueError, match=f"folds must be from 2 to 8, not {folds}"):
            data.cross_validation(folds)


def test_missing_file_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingFileError, match=r"digit69_28x28\.mat; .*github\.com/ChangdeDu/DGMM"):
        load_dataset("digit69", tmp_path)
    with pytest.raises(MissingFileError, match=r"elsewhere\.mat"):
        load_dataset("digit69", tmp_path / "elsewhere.mat")


def test_another_subject_is_unknown(digit_folder, small_digits):
    with pytest.raises(UnknownNameError, match="unknown subject '2' of digit69; available: 1"):
        small_digits(digit_folder).subject("2")


def save_changed(path, **changed):
    variables = digit_variables() | changed
    scipy.io.savemat(path, {name: value for name, value in variables.items() if value is not None})


def objects(count):
    cells = np.empty((count, 1), object)
    cells[:, 0] = "a"
    return cells


GOOD = digit_variables()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"fmriTest": None}, "no numbers called 'fmriTest'"),
        ({"fmriTrn": objects(12)}, "no numbers called 'fmriTrn'"),
        ({"stimTrn": GOOD["stimTrn"][:, 1:]}, r"'stimTrn' .* has shape \(12, 783\); expected \(any, 784\)"),
        ({"labelTrn": GOOD["labelTrn"][1:]}, "rows of Trn do not belong together"),
        ({"labelTest": GOOD["labelTest"] + 1}, "labels other than 1"),
        ({"stimTest": GOOD["stimTest"].astype(float) + 0.5}, "pixels other than whole numbers"),
        ({"stimTest": GOOD["stimTest"].astype(float) * 2}, "pixels other than whole numbers"),
        ({"fmriTest": np.full((4, 7), np.nan)}, "responses that are not finite"),
        ({"fmriTest": GOOD["fmriTest"][:, 1:]}, "different numbers of voxels"),
        ({name: GOOD[name][:, :6] for name in ("fmriTrn", "fmriTest")}, "6 units, expected 7"),
        ({name: GOOD[name][1:] for name in ("fmriTrn", "stimTrn", "labelTrn")}, "15 stimuli, expected 16"),
    ],
)
def test_wrong_content_is_one_clear_error(digit_folder, small_digits, changed, message):
    path = digit_folder / "digit69_28x28.mat"
    save_changed(path, **changed)
    with pytest.raises(DamagedFileError, match=message):
        small_digits(digit_folder).subject()


def test_a_file_cut_anywhere_or_of_another_kind_is_damaged(digit_folder, small_digits):
    path = digit_folder / "digit69_28x28.mat"
    whole = path.read_bytes()
    contents = [whole[:length] for length in (0, 60, 130, 500, len(whole) // 2, len(whole) - 1)]
    for content in (*contents, b"\x89HDF\r\n\x1a\n" + bytes(600), b"words" * 100):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match="digit69_28x28"):
            small_digits(digit_folder).subject()


def test_changed_bytes_are_damage_or_change_numbers_but_never_crash(digit_folder, small_digits):
    path = digit_folder / "digit69_28x28.mat"
    rng = np.random.default_rng(0)
    scipy.io.savemat(path, digit_variables())
    whole = np.frombuffer(path.read_bytes(), np.uint8)
    damaged = 0
    for _ in range(400):
        changed = whole.copy()
        # half of the changes in the first variable's head, where types and lengths are written
        where = rng.integers(128, 128 + (80 if rng.random() < 0.5 else len(whole) - 128), 2)
        changed[where] = rng.integers(0, 256, 2, np.uint8)
        path.write_bytes(changed.tobytes())
        try:
            small_digits(digit_folder).subject()
        except DamagedFileError:
            damaged += 1
    assert damaged > 20


def test_a_small_file_cannot_ask_for_a_large_memory(digit_folder, small_digits):
    path = digit_folder / "digit69_28x28.mat"
    head = path.read_bytes()[:128]
    bomb = zlib.compress(bytes(50_000_000))  # 49 kB
    path.write_bytes(head + struct.pack("<II", 15, len(bomb)) + bomb)
    with pytest.raises(UnsafeFileError, match="more than 20 times its size"):
        small_digits(digit_folder).subject()


def loop_height(image):
    """Pixels by which the background that ink encloses lies above the middle of the ink; NaN without any."""
    background, _ = scipy.ndimage.label(image < 100)
    enclosed = (background > 0) & (background != background[0, 0])
    if not enclosed.any():
        return np.nan
    return np.average(np.arange(28), weights=image.sum(1)) - np.nonzero(enclosed)[0].mean()


def test_real_digits_are_whole_and_upright(shared_data):
    data = load_dataset("digit69", shared_data / "digit69")
    assert data.verify(read_stimuli=True) == []
    recording = data.subject("1")
    assert recording.responses.shape == (100, 3092)
    assert (len(recording.split.train), len(recording.split.test)) == (90, 10)
    images = np.stack(list(recording.stimuli)).astype(float)[..., 0]
    digit = recording.responses["digit"].values
    # the loop of an upright nine lies above the middle of its ink, that of a six below; some are not closed
    above = np.array([loop_height(image) for image in images])
    closed = np.isfinite(above)
    assert closed.mean() > 0.7
    assert ((above > 0) == (digit == 9))[closed].all()
    assert [Counter(digit[np.isin(recording.stimuli.ids, s.test)].tolist()) for s in data.cross_validation()] == [
        Counter({6: 5, 9: 5})
    ] * 10
