"""NumPy's .npy and .npz files read without NumPy's own unpickling."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from braincodec.legacy.inert import Guard, element_count
from braincodec.legacy.inert_arrays import array_from_bytes, plain_dtype
from braincodec.legacy.restricted_pickle import read_pickle
from braincodec.legacy.zip_archive import ZipArchive

NPY_START = b"\x93NUMPY"
LONGEST_HEADER = 10_000
# Python 2 ended long numbers with L
_HEADER = re.compile(
    r"\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(((?:\d{1,19}L?(?:, ?|(?=\))))*)\),? *\}\s*"
)


def read_npy(buffer: memoryview, guard: Guard) -> Any:
    """Array of a .npy file, viewed in place; a pickled single object comes back as itself.

    Parameters
    ----------
    buffer : memoryview
        The whole file.
    guard : Guard

    Raises
    ------
    UnsafeFileError, DamagedFileError
    """
    header, start = _read_header(buffer, guard)
    dtype = plain_dtype(header["descr"], guard)
    shape = header["shape"]
    count = element_count(shape, guard)
    body = buffer[start:]
    if not dtype.hasobject:
        return array_from_bytes(body, dtype, shape, "F" if header["fortran_order"] else "C", guard)
    value = read_pickle(body, guard)
    if not isinstance(value, np.ndarray) or value.dtype != object or value.size != count:
        raise guard.damaged("a .npy file of objects that does not hold the declared array")
    return value.reshape(shape)[()]


def _read_header(buffer: memoryview, guard: Guard) -> tuple[dict[str, Any], int]:
    """Declared type, order and shape, and where the data begin."""
    version = bytes(buffer[6:8])
    if bytes(buffer[:6]) != NPY_START or version not in (b"\x01\x00", b"\x02\x00", b"\x03\x00"):
        raise guard.damaged("not a .npy file of version 1, 2 or 3")
    start = 10 if version == b"\x01\x00" else 12
    end = start + int.from_bytes(buffer[8:start], "little")
    if end > len(buffer) or end - start > LONGEST_HEADER:
        raise guard.damaged("a .npy header that is longer than the file or than any real one")
    found = _HEADER.fullmatch(str(buffer[start:end], "latin1"))
    if found is None:
        raise guard.damaged("a .npy header other than one plain type, order and shape")
    descr, fortran, shape = found.groups()
    dimensions = tuple(int(n) for n in shape.replace("L", "").replace(",", " ").split())
    return {"descr": descr, "fortran_order": fortran == "True", "shape": dimensions}, end


def read_npz(archive: ZipArchive) -> dict[str, Any]:
    """Arrays of a .npz file by name.

    Parameters
    ----------
    archive : ZipArchive
    """
    return {name.removesuffix(".npy"): read_npy(archive.read(name), archive.guard) for name in archive.members}
