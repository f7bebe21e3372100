"""Images in a `.npy` file, or in an array stored uncompressed inside another file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.lib import format as npy_format

from braincodec.errors import DamagedFileError, MissingFileError, UnsafeFileError
from braincodec.stimuli.sources.base import ArraySource, file_token


@dataclass(frozen=True)
class NpyHeader:
    """What stands before the data of a `.npy` file; `data_start` is where they begin."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran_order: bool
    data_start: int

    @property
    def data_bytes(self) -> int:
        """Bytes that the data take."""
        count = self.dtype.itemsize
        for length in self.shape:
            count *= length
        return count


def read_header(file: BinaryIO, name: str, end: int) -> NpyHeader:
    """Read and check the header of a `.npy` stream.

    Parameters
    ----------
    file : binary file
        At the beginning of the `.npy` data.
    name : str
        What it is called in errors.
    end : int
        Position in `file` where the data must end at the latest; a header that declares more is refused.

    Raises
    ------
    DamagedFileError
        When this is no `.npy` data, or is truncated.
    UnsafeFileError
        When the array holds Python objects, which only pickle could build.
    """
    try:
        version = npy_format.read_magic(file)
        read = {(1, 0): npy_format.read_array_header_1_0, (2, 0): npy_format.read_array_header_2_0}.get(version)
        if read is None:
            raise ValueError(f"version {version} of the format is not supported")
        shape, fortran_order, dtype = read(file)
    except (ValueError, OSError, EOFError) as error:
        raise DamagedFileError(f"{name} is no readable .npy array: {error}") from None
    if dtype.hasobject:
        raise UnsafeFileError(f"{name} holds Python objects; reading them would run code, so it was refused")
    header = NpyHeader(shape, dtype, fortran_order, file.tell())
    if min(shape, default=0) < 0 or header.data_start + header.data_bytes > end:
        raise DamagedFileError(
            f"{name} is truncated: it declares {header.data_bytes:,} bytes of shape {shape}, "
            f"but {max(0, end - header.data_start):,} are there"
        )
    return header


class NpyFile(ArraySource):
    """A memory-mapped array in a file.

    The map is opened for each block and closed with it: memory stays bounded by the block, and nothing is left open.

    Parameters
    ----------
    path : Path
    layout, value_range
        As for `ArraySource`.
    name : str, optional
        What the array is called; the path otherwise.
    start, available : int, optional
        Where the `.npy` data begin in the file and how many bytes they have; the whole file otherwise.
    """

    def __init__(
        self,
        path: Path,
        layout: str = "auto",
        value_range: tuple[float, float] | None = None,
        *,
        name: str = "",
        start: int = 0,
        available: int | None = None,
    ) -> None:
        if not path.is_file():
            raise MissingFileError(path, "array of images")
        name = name or str(path)
        with path.open("rb") as file:
            end = path.stat().st_size
            file.seek(start)
            header = read_header(file, name, end if available is None else min(end, start + available))
        super().__init__(name, header.shape, header.dtype, layout, value_range)
        self.path = path
        self._offset = header.data_start
        self._order = "F" if header.fortran_order else "C"

    def stored(self, index: slice | np.ndarray) -> np.ndarray:
        """A copy of the images, made here so that the disk is read in the decoding thread."""
        try:
            mapped = np.memmap(self.path, self.dtype, "r", self._offset, self.shape, self._order)  # type: ignore[call-overload]
        except (OSError, ValueError) as error:
            raise DamagedFileError(f"{self.name} cannot be read any more: {error}") from None
        return np.array(mapped[index], subok=False)

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Size and time of the file, with layout, range and positions."""
        yield file_token(self.path)
        yield f"{self._offset},{self.layout},{self.value_range};".encode()
        yield np.asarray(positions, "<i8").tobytes()
