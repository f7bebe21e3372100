"""What a source of images promises."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from braincodec.stimuli.checks import channels_last, check_dtype, image_size, resolve_layout, to_uint8


class Source(ABC):
    """Images in a fixed order, read by their position; safe to use from several threads, and picklable."""

    count: int

    @abstractmethod
    def default_ids(self) -> np.ndarray:
        """Ids of all images, shape (count,), unique."""

    @abstractmethod
    def describe(self) -> str:
        """Where the images lie, in a few words."""

    @abstractmethod
    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Bytes that change when the images at `positions` change."""


class EncodedSource(Source):
    """Images stored one by one in encoded form; decoding them is work worth spreading over threads."""

    @abstractmethod
    def read(self, position: int) -> np.ndarray:
        """Decode one image: uint8, shape (height, width, 3); `DamagedFileError` when that fails."""


class ArraySource(Source):
    """Images of one size stored as one array, read as blocks.

    Parameters
    ----------
    name : str
        What the array is called in errors.
    shape : tuple of int
    dtype : dtype
    layout : {"auto", "channels_first", "channels_last", "grey"}
    value_range : (float, float), optional
    """

    def __init__(
        self, name: str, shape: tuple[int, ...], dtype: DTypeLike, layout: str, value_range: tuple[float, float] | None
    ) -> None:
        self.name = name
        self.dtype = np.dtype(dtype)
        self.value_range = check_dtype(self.dtype, value_range, name)
        self.layout = resolve_layout(shape, layout, name)
        self.shape = tuple(int(length) for length in shape)
        self.count = self.shape[0]
        self.image_size = image_size(self.shape, self.layout)

    @abstractmethod
    def stored(self, index: slice | np.ndarray) -> np.ndarray:
        """Images at consecutive (slice) or any positions as they are stored; a view where that costs nothing."""

    def read(self, positions: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Images at `positions`: uint8, shape (n, height, width, 3).

        Raises
        ------
        InputValueError
            When a value lies outside the range.
        NotFiniteError
            When an image holds NaN or infinity.
        DamagedFileError
            When the file cannot be read any more.
        """
        stack = channels_last(self.stored(as_index(positions)), self.layout)  # (n, height, width, 3 or 1)
        images = to_uint8(stack, self.value_range, ids)
        return np.repeat(images, 3, axis=3) if images.shape[3] == 1 else images

    @property
    def image_bytes(self) -> int:
        """Bytes of one image as it is stored."""
        return int(np.prod(self.shape[1:])) * self.dtype.itemsize

    def default_ids(self) -> np.ndarray:
        """Positions from 0, as text."""
        return np.arange(self.count).astype(f"<U{len(str(self.count))}")

    def describe(self) -> str:
        """Where the images lie, their size and dtype."""
        height, width = self.image_size
        layout = self.layout.replace("_", " ")
        return f"{self.name}, {height} x {width} pixels (height x width), {self.dtype}, {layout}"


def as_index(positions: np.ndarray) -> slice | np.ndarray:
    """A slice where positions are consecutive, which is read fastest; else the positions.

    Examples
    --------
    >>> as_index(np.array([4, 5, 6]))
    slice(4, 7, None)
    """
    if len(positions) == 0:
        return slice(0, 0)
    first, last = int(positions[0]), int(positions[-1])
    if last - first == len(positions) - 1 and (np.diff(positions) == 1).all():
        return slice(first, last + 1)
    return positions


def consecutive_runs(positions: np.ndarray) -> Iterator[slice]:
    """Split into slices of consecutive positions, in order.

    Examples
    --------
    >>> list(consecutive_runs(np.array([1, 2, 7])))
    [slice(1, 3, None), slice(7, 8, None)]
    """
    breaks = np.flatnonzero(np.diff(positions) != 1) + 1
    for run in np.split(np.asarray(positions), breaks):
        if len(run):
            yield slice(int(run[0]), int(run[-1]) + 1)


def file_token(path: Path) -> bytes:
    """Size and time of last change of a file; empty when it is gone."""
    try:
        status = path.stat()
    except OSError:
        return b""
    return f"{status.st_size},{status.st_mtime_ns};".encode()
