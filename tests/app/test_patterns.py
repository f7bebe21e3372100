"""Patterns that strangers send to be decoded."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.app.patterns import read_pattern
from braincodec.app.uploads import UploadError

VALUES = np.array([1.5, -2.0, 3.25, 0.0], np.float32)


def npy(array, **options) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


@pytest.mark.parametrize("shape", [(4,), (1, 4), (4, 1)])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f2", "<i4"])
def test_numpy_files_of_one_pattern_are_read(shape, dtype):
    wanted = VALUES.astype(dtype)
    assert np.array_equal(read_pattern(npy(wanted.reshape(shape)), 4), wanted.astype(np.float32))


@pytest.mark.parametrize(
    "text",
    [
        "1.5,-2,3.25,0",
        "1.5;-2;3.25;0\n",
        "1.5\t-2\t3.25\t0",
        "1.5 -2 3.25 0",
        "1.5\n-2\n3.25\n0\n\n",
        "voxel 1,voxel 2,voxel 3,voxel 4\n1.5, -2, 3.25, 0",
        "response\r\n1.5\r\n-2\r\n3.25\r\n0\r\n",
        "\ufeff1.5,-2,3.25e0,0",
    ],
)
def test_tables_of_one_pattern_are_read(text):
    assert np.array_equal(read_pattern(text.encode(), 4), VALUES)


def test_an_array_is_taken_as_it_is():
    assert np.array_equal(read_pattern(VALUES, 4), VALUES)


class Evil:
    ran = False

    def __reduce__(self):
        return (setattr, (Evil, "ran", True))


def test_pickles_are_never_run():
    array = np.array([Evil()] * 4, dtype=object)
    with pytest.raises(UploadError, match="never loaded"):
        read_pattern(npy(array, allow_pickle=True), 4)
    with pytest.raises(UploadError):
        read_pattern(pickle.dumps(Evil()), 4)
    assert not Evil.ran


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(np.zeros(5)), "shape 5; expected one pattern of 4 numbers"),
        (npy(np.zeros((2, 4))), "shape 2 x 4"),
        (npy(np.zeros((2, 2))), "shape 2 x 2"),
        (npy(np.float32(3)), "a single number"),
        (npy(np.zeros(4, complex)), "complex numbers"),
        (npy(np.array(list("abcd"))), "text"),
        (npy(np.zeros(4, bool)), "true and false"),
        (npy(np.array([1, np.nan, 3, np.inf])), "2 of 4 values .* the first is number 2"),
        (npy(np.array([1, 1e300, 3, 4])), "too large"),
        (npy(VALUES)[:-3], "declares 16 bytes"),
        (b"\x93NUMPY\x01\x00garbage", "damaged"),
        (b"1,2,three,4\n5,6,seven,8", "neither"),
        (b"1,2,3,4\n1,2", "differ in length"),
        (b"names only", "neither"),
        (b"\x89PNG\r\n\x1a\n\0\0", "neither"),
        (b"", "empty"),
    ],
)
def test_what_is_wrong_is_said(content, says):
    with pytest.raises(UploadError, match=says):
        read_pattern(content, 4)


def test_a_header_that_declares_what_is_not_there_is_refused():
    content = npy(np.zeros(4)).replace(b"(4,)", b"(4,4444444444)", 1)
    with pytest.raises(UploadError):
        read_pattern(content, 4)


def test_units_that_the_model_does_not_look_at_may_be_nan():
    values = VALUES.copy()
    values[1] = np.nan
    free = np.array([False, True, False, False])
    assert np.isnan(read_pattern(npy(values), 4, free)[1])
    with pytest.raises(UploadError, match="NaN"):
        read_pattern(npy(values), 4, ~free)


@settings(max_examples=150, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=200).map(str.encode),
        st.binary(max_size=80).map(lambda b: b"\x93NUMPY" + b),
    )
)
def test_any_bytes_are_a_pattern_or_a_sentence(content):
    try:
        values = read_pattern(content, 3)
    except UploadError as error:
        assert str(error)
    else:
        assert values.shape == (3,)
        assert np.isfinite(values).all()
