import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError, UnsafeFileError
from braincodec.stimuli.checks import (
    NotFiniteError,
    channels_last,
    check_dtype,
    image_size,
    resolve_layout,
    to_uint8,
)

LENGTH = st.integers(1, 40).filter(lambda length: length != 3)


def names(count):
    return np.array([f"image-{i}" for i in range(count)])


@given(n=st.integers(1, 10), height=LENGTH, width=LENGTH)
def test_the_axis_of_length_three_is_the_channels(n, height, width):
    assert resolve_layout((n, 3, height, width), "auto", "x") == "channels_first"
    assert resolve_layout((n, height, width, 3), "auto", "x") == "channels_last"


@given(n=st.integers(1, 10), height=st.integers(1, 40))
def test_two_axes_of_length_three_ask_for_the_layout(n, height):
    with pytest.raises(InputValueError, match="state layout="):
        resolve_layout((n, 3, height, 3), "auto", "x")
    assert resolve_layout((n, 3, height, 3), "channels_first", "x") == "channels_first"
    assert resolve_layout((n, 3, height, 3), "channels_last", "x") == "channels_last"


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=4, max_dims=4, max_side=5)))
def test_channels_last_is_a_view_with_every_pixel_in_its_place(stack):
    first = np.moveaxis(stack, 3, 1)
    view = channels_last(first, "channels_first")
    np.testing.assert_array_equal(view, stack)
    assert np.shares_memory(view, stack)
    assert image_size(first.shape, "channels_first") == stack.shape[1:3]


@pytest.mark.parametrize(
    ("shape", "layout", "message"),
    [
        ((10,), "auto", r"shape \(10,\)"),
        ((10, 10), "auto", r"\(n, 3, height, width\)"),
        ((3, 3, 3), "auto", "add an axis"),
        ((20, 30, 3), "auto", "add an axis"),
        ((5, 20, 30), "auto", "layout='grey'"),
        ((5, 20, 30, 4), "auto", "four channels"),
        ((5, 4, 20, 30), "auto", "four channels"),
        ((5, 20, 30, 1), "auto", "state the layout"),
        ((5, 20, 30, 7), "auto", "no channel axis"),
        ((5, 20, 30, 3), "channels_first", "expects"),
        ((5, 20, 30), "channels_last", "expects"),
        ((5, 20, 30, 3), "grey", "grey"),
        ((0, 20, 30, 3), "auto", "no image"),
        ((5, 0, 30, 3), "auto", "no image"),
    ],
)
def test_shapes_that_are_no_images_are_explained(shape, layout, message):
    with pytest.raises(InputValueError, match=message):
        resolve_layout(shape, layout, "the array")


def test_a_misspelt_layout_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean 'channels_last'"):
        resolve_layout((5, 20, 30, 3), "chanels_last", "x")


@pytest.mark.parametrize("shape", [(1, 10**6, 10**6, 3), (10**9, 2, 2, 3)])
def test_huge_declared_sizes_are_refused(shape):
    with pytest.raises(UnsafeFileError, match="declares"):
        resolve_layout(shape, "auto", "x")


@pytest.mark.parametrize("dtype", ["bool", "complex64", "object", "U3", "M8[s]", [("a", "u1")]])
def test_dtypes_that_are_no_numbers_are_refused(dtype):
    with pytest.raises(InputTypeError, match="dtype"):
        check_dtype(np.dtype(dtype), None, "x")


@pytest.mark.parametrize("value_range", [(1, 0), (0, np.inf), (0,), "ab", 3, (np.nan, 1)])
def test_a_range_that_is_none_is_refused(value_range):
    with pytest.raises(InputValueError, match="value_range"):
        check_dtype("float32", value_range, "x")


def test_floats_need_a_stated_range():
    with pytest.raises(InputTypeError, match="value_range"):
        check_dtype("float32", None, "x")


@given(
    stack=hnp.arrays(np.uint8, (3, 2, 4, 3)),
    dtype=st.sampled_from(["u1", "i2", "u2", "i4", "u4", "i8", "u8", ">i8", ">u2", "f4", "f8", "f2"]),
)
def test_the_same_numbers_in_any_dtype_give_the_same_image(stack, dtype):
    converted = to_uint8(stack.astype(dtype), (0.0, 255.0), names(3))
    assert converted.dtype == np.uint8
    np.testing.assert_array_equal(converted, stack)


@given(
    stack=hnp.arrays(np.uint8, (2, 3, 2, 3)),
    value_range=st.sampled_from([(0.0, 1.0), (-1.0, 1.0), (0.0, 255.0), (-3.5, 12.25)]),
    dtype=st.sampled_from(["f4", "f8", ">f4"]),
)
def test_floats_map_black_and_white_of_their_range_to_0_and_255(stack, value_range, dtype):
    low, high = value_range
    floats = (stack / 255.0 * (high - low) + low).astype(dtype)
    np.testing.assert_array_equal(to_uint8(floats, value_range, names(2)), stack)


def test_uint8_is_given_back_without_a_copy():
    stack = np.zeros((2, 4, 4, 3), np.uint8)
    assert to_uint8(stack, (0.0, 255.0), names(2)) is stack


@settings(max_examples=50)
@given(
    row=st.integers(0, 4),
    value=st.sampled_from([-1, 256, 1000, -(2**31), 2**31 - 1]),
    dtype=st.sampled_from(["i4", "i8", "f8"]),
)
def test_a_value_outside_the_range_names_the_stimulus(row, value, dtype):
    stack = np.full((5, 2, 2, 3), 100, dtype)
    stack[row, 1, 0, 2] = value
    with pytest.raises(InputValueError, match=f"'image-{row}'.*expected 0 to 255"):
        to_uint8(stack, (0.0, 255.0), names(5))


@given(row=st.integers(0, 4), value=st.sampled_from([np.nan, np.inf, -np.inf]))
def test_nan_and_infinity_name_the_stimulus(row, value):
    stack = np.zeros((5, 2, 2, 3), np.float32)
    stack[row, 0, 0, 0] = value
    with pytest.raises(NotFiniteError, match=f"'image-{row}'"):
        to_uint8(stack, (0.0, 1.0), names(5))


def test_rounding_beyond_the_range_is_clipped_and_not_wrapped():
    stack = np.array([1.0005, -0.0005, 1.0], np.float32).reshape(1, 1, 1, 3)
    assert to_uint8(stack, (0.0, 1.0), names(1)).ravel().tolist() == [255, 0, 255]


def test_sixteen_bit_integers_can_state_their_range():
    stack = np.array([0, 32896, 65535], np.uint16).reshape(1, 1, 1, 3)
    assert to_uint8(stack, (0.0, 65535.0), names(1)).ravel().tolist() == [0, 128, 255]


def test_blocks_of_conversion_leave_no_seam(monkeypatch):
    monkeypatch.setattr("braincodec.stimuli.checks.BLOCK_BYTES", 100)
    stack = np.random.default_rng(0).integers(0, 256, (7, 3, 2, 3))
    np.testing.assert_array_equal(to_uint8(stack, (0.0, 255.0), names(7)), stack)
