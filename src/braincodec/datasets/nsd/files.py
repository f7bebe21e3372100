"""Reading NSD's image files: what a file declares is compared with what is expected before it is read."""

from __future__ import annotations

import contextlib
import gzip
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import BraincodecError, DamagedFileError, MissingFileError
from braincodec.extras import import_optional

READING = "reading NSD"
GZIP_COUNTS_TO = 2**32
WHOLE_LABEL_BYTES = 2**31
"""More than any volume or surface of labels takes."""


@contextlib.contextmanager
def reading(path: Path, what: str) -> Iterator[None]:
    """Turn what the libraries raise on bad files into one error that names the file."""
    nibabel = import_optional("nibabel", READING)
    bad = (
        OSError, EOFError, ValueError, KeyError, TypeError, IndexError, OverflowError, MemoryError, struct.error,
        zlib.error, nibabel.filebasedimages.ImageFileError, nibabel.spatialimages.HeaderDataError,
    )  # fmt: skip
    try:
        yield
    except BraincodecError:
        raise
    except bad as error:
        raise DamagedFileError(f"{what} in {path} cannot be read (truncated or damaged): {error}") from None


def open_image(path: Path, what: str, hint: str = "") -> Any:
    """A NIfTI, MGH or MGZ file, of which only the header is read, and whose length fits what the header declares.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    if not path.is_file():
        raise MissingFileError(path, what, hint)
    nibabel = import_optional("nibabel", READING)
    with reading(path, what):
        image = nibabel.load(path)
        surface = path.suffix in (".mgh", ".mgz")
        whole = int(image.dataobj.offset) + math.prod(image_shape(image)) * image.get_data_dtype().itemsize
        held = _content_bytes(path)
        # a gzip file ends in the length of its content, counted up to 4 GiB; MGH files may go on after the values
        if held < whole if surface else held != whole % GZIP_COUNTS_TO:
            raise DamagedFileError(f"{what} in {path} is truncated: {whole:,} bytes are declared, {held:,} are there")
    return image


def read_values(path: Path, what: str, shape: tuple[int, ...] | None = None, hint: str = "") -> NDArray[Any]:
    """All values of a small file: labels, or one map.

    Parameters
    ----------
    path : Path
    what : str
    shape : tuple of int, optional
        What the axes that are longer than 1 must be.
    hint : str

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    image = open_image(path, what, hint)
    found = image_shape(image)
    if math.prod(found) * 8 > WHOLE_LABEL_BYTES:
        raise DamagedFileError(f"{what} in {path} has shape {found}, larger than any such file")
    if shape is not None and squeezed(found) != squeezed(shape):
        raise DamagedFileError(f"{what} in {path} has shape {found}; expected {shape}")
    with reading(path, what):
        return np.asarray(image.dataobj).reshape(found if shape is None else shape)


def read_labels(path: Path, what: str, shape: tuple[int, ...] | None = None, hint: str = "") -> NDArray[np.int32]:
    """Labels of voxels or vertices.

    Raises
    ------
    MissingFileError, DamagedFileError
        Also for values that are not whole numbers.
    """
    values = read_values(path, what, shape, hint)
    if not np.isfinite(values).all() or (values != np.floor(values)).any() or np.abs(values).max(initial=0) > 1e6:
        raise DamagedFileError(f"{what} in {path} holds other than whole numbers")
    return values.astype(np.int32)


def image_shape(image: Any) -> tuple[int, ...]:
    """Shape of an opened image, as plain numbers."""
    return tuple(int(size) for size in image.shape)


def squeezed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without the axes of length 1, which MGH files put between vertices and trials."""
    return tuple(size for size in shape if size != 1)


def _content_bytes(path: Path) -> int:
    """Length of a file, or of what a compressed file says that it holds."""
    size = path.stat().st_size
    if path.suffix not in (".gz", ".mgz"):
        return size
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b" or size < 18:
            raise gzip.BadGzipFile("no gzip file")
        file.seek(-4, 2)
        return int.from_bytes(file.read(4), "little")
