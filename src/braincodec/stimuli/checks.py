"""What an array of images must be: its layout, its dtype, its range of values."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import DTypeLike

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError, UnsafeFileError

CHANNELS_FIRST, CHANNELS_LAST, GREY = "channels_first", "channels_last", "grey"
LAYOUTS = ("auto", CHANNELS_FIRST, CHANNELS_LAST, GREY)
# axis that holds the channels in a stack of images; grey stacks have none
CHANNEL_AXIS = {CHANNELS_FIRST: 1, CHANNELS_LAST: 3}

MOST_PIXELS = 178_956_970  # of one image; Pillow's own limit against decompression bombs
MOST_STIMULI = 20_000_000  # of one set; ids beyond that no longer fit comfortably in memory
BLOCK_BYTES = 32 * 2**20  # stored bytes converted at a time, so that temporaries stay small
ROUNDING = 1e-3  # share of the value range by which floats may overshoot, as resampling leaves them


class NotFiniteError(InputValueError):
    """An image holds NaN or infinity."""


def resolve_layout(shape: tuple[int, ...], layout: str, name: str) -> str:
    """Find where the channels of a stack of images are.

    Parameters
    ----------
    shape : tuple of int
        Shape of the stack, first axis the stimuli.
    layout : {"auto", "channels_first", "channels_last", "grey"}
        ``"auto"`` decides between (n, 3, height, width) and (n, height, width, 3). Grey stacks must be stated, because
        their shape alone does not tell them from a mistake: ``"grey"`` is (n, height, width); with ``"channels_first"``
        or ``"channels_last"`` the channel axis may have length 1.
    name : str
        What the array is called in errors.

    Returns
    -------
    str
        One of ``"channels_first"``, ``"channels_last"``, ``"grey"``.

    Raises
    ------
    InputValueError
        For a shape that is no stack of images, or one that could be read both ways.

    Examples
    --------
    >>> resolve_layout((10, 3, 64, 48), "auto", "images")
    'channels_first'
    >>> resolve_layout((10, 64, 48, 3), "auto", "images")
    'channels_last'
    """
    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, choices=LAYOUTS)
    shape = tuple(int(length) for length in shape)
    found = _detect_layout(shape, name) if layout == "auto" else _stated_layout(shape, layout, name)
    _check_extent(shape, found, name)
    return found


def _detect_layout(shape: tuple[int, ...], name: str) -> str:
    wanted = "expected (n, 3, height, width) or (n, height, width, 3)"
    if len(shape) == 3 and 3 in (shape[0], shape[2]):
        raise InputValueError(f"{name} has shape {shape}; {wanted}; for one image add an axis: array[None]")
    if len(shape) != 4:
        grey = "; for grey images (n, height, width) state layout='grey'" if len(shape) == 3 else ""
        raise InputValueError(f"{name} has shape {shape}; {wanted}{grey}")
    first, last = shape[1] == 3, shape[3] == 3
    if first and last:
        raise InputValueError(
            f"{name} has shape {shape}, which could be channels first or last; "
            "state layout='channels_first' or layout='channels_last'"
        )
    if first or last:
        return CHANNELS_FIRST if first else CHANNELS_LAST
    if 4 in (shape[1], shape[3]):
        raise InputValueError(f"{name} has shape {shape}, which has four channels; {wanted}; drop or blend the alpha")
    if 1 in (shape[1], shape[3]):
        raise InputValueError(
            f"{name} has shape {shape}; {wanted}; for grey images with one channel state the layout: "
            "'channels_first' or 'channels_last'"
        )
    raise InputValueError(f"{name} has shape {shape}, in which no channel axis has length 3; {wanted}")


def _stated_layout(shape: tuple[int, ...], layout: str, name: str) -> str:
    if layout == GREY:
        if len(shape) != 3:
            raise InputValueError(f"{name} has shape {shape}; layout 'grey' expects (n, height, width)")
        return layout
    wanted = "(n, 3, height, width)" if layout == CHANNELS_FIRST else "(n, height, width, 3)"
    if len(shape) != 4 or shape[CHANNEL_AXIS[layout]] not in (1, 3):
        raise InputValueError(f"{name} has shape {shape}; layout {layout!r} expects {wanted}, or 1 in place of the 3")
    return layout


def _check_extent(shape: tuple[int, ...], layout: str, name: str) -> None:
    height, width = image_size(shape, layout)
    if 0 in shape:
        raise InputValueError(f"{name} has shape {shape}: it holds no image")
    if height * width > MOST_PIXELS:
        raise UnsafeFileError(f"{name} declares images of {height} x {width} pixels; at most {MOST_PIXELS:,} are read")
    if shape[0] > MOST_STIMULI:
        raise UnsafeFileError(f"{name} declares {shape[0]:,} images; at most {MOST_STIMULI:,} are read")


def image_size(shape: tuple[int, ...], layout: str) -> tuple[int, int]:
    """Height and width of the images of a stack.

    Examples
    --------
    >>> image_size((10, 3, 64, 48), "channels_first")
    (64, 48)
    """
    return (shape[2], shape[3]) if layout == CHANNELS_FIRST else (shape[1], shape[2])


def channels_last(stack: np.ndarray, layout: str) -> np.ndarray:
    """View a stack as (n, height, width, channels); nothing is copied.

    Examples
    --------
    >>> channels_last(np.zeros((10, 3, 64, 48)), "channels_first").shape
    (10, 64, 48, 3)
    """
    if layout == GREY:
        return stack[..., None]
    return np.moveaxis(stack, 1, 3) if layout == CHANNELS_FIRST else stack


def check_dtype(dtype: DTypeLike, value_range: tuple[float, float] | None, name: str) -> tuple[float, float]:
    """Decide which values mean black and white.

    Parameters
    ----------
    dtype : dtype
        Of the stored images.
    value_range : (float, float), optional
        Values of black and white. Integers are 0..255 when nothing is said; floats must be stated, because 0..1,
        -1..1 and 0..255 are all common.
    name : str
        What the array is called in errors.

    Returns
    -------
    (float, float)

    Raises
    ------
    InputTypeError
        For a dtype that is no number, or floats without a range.
    InputValueError
        For a range that is none.

    Examples
    --------
    >>> check_dtype("int64", None, "images")
    (0.0, 255.0)
    """
    dtype = np.dtype(dtype)
    if dtype.kind not in "uif":
        raise InputTypeError(f"{name} has dtype {dtype}; expected uint8, another integer within 0..255, or floats")
    if value_range is None:
        if dtype.kind == "f":
            raise InputTypeError(
                f"{name} has dtype {dtype}: state the values of black and white, "
                "such as value_range=(0, 1), (-1, 1) or (0, 255)"
            )
        return 0.0, 255.0
    try:
        low, high = (float(value) for value in value_range)
    except (TypeError, ValueError):
        raise InputValueError(f"value_range is {value_range!r}; expected two numbers such as (0, 1)") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputValueError(f"value_range is {value_range!r}; expected two finite numbers, black below white")
    return low, high


def to_uint8(stack: np.ndarray, value_range: tuple[float, float], ids: np.ndarray) -> np.ndarray:
    """Convert a stack of images to uint8, black 0 and white 255.

    Parameters
    ----------
    stack : array, shape (n, height, width, channels)
        uint8 over the range 0..255 is given back as it is.
    value_range : (float, float)
        Values of black and white.
    ids : array of str, shape (n,)
        Names of the images, for errors.

    Returns
    -------
    array of uint8, shape (n, height, width, channels)

    Raises
    ------
    InputValueError
        When a value lies outside the range; the message names the first such image.
    NotFiniteError
        When an image holds NaN or infinity.

    Examples
    --------
    >>> to_uint8(np.full((1, 1, 1, 3), 0.5), (0.0, 1.0), np.array(["a"])).ravel().tolist()
    [128, 128, 128]
    """
    if _needs_no_conversion(stack.dtype, value_range):
        return stack
    converted = np.empty_like(stack, dtype=np.uint8, subok=False)
    for rows in _row_blocks(stack):
        _check_values(stack[rows], value_range, ids[rows])
        converted[rows] = _scale(stack[rows], value_range)
    return converted


def check_values(stack: np.ndarray, value_range: tuple[float, float], ids: np.ndarray) -> None:
    """Raise what `to_uint8` would raise for this stack, without converting it."""
    if _needs_no_conversion(stack.dtype, value_range):
        return
    for rows in _row_blocks(stack):
        _check_values(stack[rows], value_range, ids[rows])


def _needs_no_conversion(dtype: np.dtype, value_range: tuple[float, float]) -> bool:
    return dtype == np.uint8 and value_range == (0.0, 255.0)


def _row_blocks(stack: np.ndarray) -> list[slice]:
    rows = max(1, BLOCK_BYTES // max(1, stack[:1].size * stack.itemsize))
    return [slice(start, start + rows) for start in range(0, len(stack), rows)]


def _check_values(stack: np.ndarray, value_range: tuple[float, float], ids: np.ndarray) -> None:
    low, high = value_range
    lowest, highest = stack.min(), stack.max()
    slack = ROUNDING * (high - low) if stack.dtype.kind == "f" else 0.0
    # Python numbers: a small dtype would overflow beside the limits
    if lowest.item() >= low - slack and highest.item() <= high + slack:
        return
    for image, name in zip(stack, ids, strict=True):
        if stack.dtype.kind == "f" and not np.isfinite(image).all():
            raise NotFiniteError(f"stimulus {str(name)!r} holds NaN or infinity")
        lowest, highest = image.min().item(), image.max().item()
        if lowest < low - slack or highest > high + slack:
            raise InputValueError(
                f"stimulus {str(name)!r} has {stack.dtype} values from {lowest:g} to {highest:g}; "
                f"expected {low:g} to {high:g}; scale the images, or state value_range=(black, white)"
            )


def _scale(stack: np.ndarray, value_range: tuple[float, float]) -> np.ndarray:
    if value_range == (0.0, 255.0) and stack.dtype.kind != "f":
        return stack.astype(np.uint8)
    low, high = value_range
    precise = stack.dtype.itemsize > 4 or (stack.dtype.kind != "f" and stack.dtype.itemsize == 4)
    scaled: np.ndarray = stack.astype(np.float64 if precise else np.float32)
    np.subtract(scaled, low, out=scaled)
    np.multiply(scaled, 255.0 / (high - low), out=scaled)
    return np.clip(np.rint(scaled, out=scaled), 0, 255, out=scaled).astype(np.uint8)
