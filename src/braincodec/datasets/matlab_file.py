"""Arrays of numbers in MATLAB 5 files, read with every length checked: SciPy's reader can crash on damaged files."""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import DamagedFileError, UnsafeFileError

HEADER, TAG, ALIGNMENT = 128, 8, 8  # bytes
BYTE_ORDERS = {b"IM": "<", b"MI": ">"}
# kinds of element; the numbers are MATLAB's
MATRIX, COMPRESSED, FLAGS_KIND, DIMENSIONS_KIND = 14, 15, 6, 5
NAME_KINDS = (1, 2, 16)  # 8-bit characters and UTF-8
DTYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
NUMERIC_CLASSES = range(6, 16)  # double to 64-bit integers: no cells, structures, characters, objects, sparse arrays
COMPLEX = 0x800
MOST_EXPANSION = 20
"""Times its own size that a file may grow to when decompressed; recordings are noise and hardly shrink."""
ALLOWANCE = 2**20
"""Bytes that even a small file may grow to."""
PIECE = 2**20


class Element(NamedTuple):
    """One tagged piece of the file."""

    kind: int
    content: bytes | memoryview


def read_matlab_arrays(path: Path) -> dict[str, NDArray[np.generic]]:
    """All real arrays of numbers in a MATLAB 5 file, in the type that they are stored in; others are passed over.

    Parameters
    ----------
    path : Path

    Raises
    ------
    DamagedFileError
        When it is truncated or no such file; `UnsafeFileError` when it would grow far beyond its size.

    Notes
    -----
    Format: MathWorks, MAT-File Format (version 5). MATLAB stores numbers in the smallest type that holds them all.

    Examples
    --------
    >>> import scipy.io, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scipy.io.savemat(f"{folder}/a.mat", {"a": np.arange(6.0).reshape(2, 3), "name": "text"})
    ...     {name: array.tolist() for name, array in read_matlab_arrays(Path(folder, "a.mat")).items()}
    {'a': [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]}
    """
    content = path.read_bytes()
    order = BYTE_ORDERS.get(content[HEADER - 2 : HEADER])
    if order is None:
        raise DamagedFileError(f"{path} is no MATLAB 5 file")
    allowed = MOST_EXPANSION * len(content) + ALLOWANCE
    arrays: dict[str, NDArray[np.generic]] = {}
    for element in _elements(memoryview(content)[HEADER:], order, str(path)):
        if element.kind == COMPRESSED:
            plain = _decompress(element.content, allowed, str(path))
            allowed -= len(plain)
            element = next(_elements(memoryview(plain), order, str(path)), Element(0, b""))
        if element.kind == MATRIX:
            arrays |= _array(element, order, str(path))
    return arrays


def _elements(content: memoryview, order: str, where: str) -> Iterator[Element]:
    """Each element with its kind; raise where one goes on after the end."""
    start = 0
    while start < len(content):
        if start + TAG > len(content):
            raise DamagedFileError(f"{where} is truncated: it ends inside the head of a variable")
        kind, length = struct.unpack_from(f"{order}II", content, start)
        begin, end = start + TAG, len(content)
        if kind >> 16:  # up to four bytes of content stand in the tag itself
            kind, length, begin, end = kind & 0xFFFF, kind >> 16, start + TAG // 2, start + TAG
            start += TAG
        else:
            # compressed elements are not padded
            start = begin + (length if kind == COMPRESSED else -(-length // ALIGNMENT) * ALIGNMENT)
        if begin + length > end:
            raise DamagedFileError(f"{where} is truncated or damaged: a variable needs {length:,} bytes")
        yield Element(kind, content[begin : begin + length])


def _decompress(content: bytes | memoryview, allowed: int, where: str) -> bytes:
    decompressor, pieces, size = zlib.decompressobj(), [], 0
    rest: bytes | memoryview = content
    try:
        while rest and not decompressor.eof:
            pieces.append(decompressor.decompress(rest, PIECE))
            rest, size = decompressor.unconsumed_tail, size + len(pieces[-1])
            if size > allowed:
                raise UnsafeFileError(f"{where} would grow to more than {MOST_EXPANSION} times its size")
    except zlib.error as error:
        raise DamagedFileError(f"{where} cannot be decompressed: {error}") from None
    if not decompressor.eof:
        raise DamagedFileError(f"{where} is truncated: a compressed variable has no end")
    return b"".join(pieces)


def _array(matrix: Element, order: str, where: str) -> dict[str, NDArray[np.generic]]:
    """Name and values of one variable; empty when it is no real array of numbers."""
    parts = _elements(memoryview(matrix.content), order, where)
    flags, dimensions, name = (next(parts, Element(0, b"")) for _ in range(3))
    if flags.kind != FLAGS_KIND or len(flags.content) != 8:
        raise DamagedFileError(f"{where} is damaged: a variable without a class")
    class_and_flags = struct.unpack_from(f"{order}I", flags.content)[0]
    if class_and_flags & 0xFF not in NUMERIC_CLASSES or class_and_flags & COMPLEX:
        return {}
    if dimensions.kind != DIMENSIONS_KIND or name.kind not in NAME_KINDS or len(dimensions.content) % 4:
        raise DamagedFileError(f"{where} is damaged: a variable without dimensions or name")
    shape = np.frombuffer(dimensions.content, f"{order}i4").tolist()
    text = bytes(name.content).decode("utf-8", "replace")
    values = next(parts, Element(0, b""))
    dtype = np.dtype(f"{order}{DTYPES[values.kind]}") if values.kind in DTYPES else None
    if dtype is None or len(shape) < 2 or min(shape) < 0 or math.prod(shape) * dtype.itemsize != len(values.content):
        raise DamagedFileError(
            f"{where} is damaged: {text!r} declares the shape {tuple(shape)} but holds {len(values.content):,} bytes"
        )
    stored = np.frombuffer(values.content, dtype).reshape(shape, order="F")
    return {text: np.array(stored, dtype.newbyteorder("="), order="C")}
