"""`.npy` (values alone) and `.npz` (values, ids and labels), written block by block, read without pickle."""

from __future__ import annotations

import os
import struct
import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import xarray as xr

from braincodec.errors import DamagedFileError
from braincodec.responses.formats import Format, row_blocks
from braincodec.responses.formats.labels import VARIABLE, labels_to_members, responses_from_members

# the fixed part of a member's header in a zip file; the lengths of name and extra field come last
LOCAL_HEADER = struct.Struct("<4s5H3L2H")


def write_npy(path: Path, responses: xr.DataArray) -> None:
    """Write the values alone."""
    with path.open("wb") as file:
        _write_values(file, responses)


def write_npz(path: Path, responses: xr.DataArray) -> None:
    """Write values and labels, one uncompressed member each."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in labels_to_members(responses).items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, array, allow_pickle=False)
        with archive.open(f"{VARIABLE}.npy", "w", force_zip64=True) as file:
            _write_values(file, responses)


def read_npz(path: Path) -> xr.DataArray:
    """Read labels; the values are mapped into memory, as they are stored uncompressed."""
    with np.load(path, allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files if name != VARIABLE}
    with zipfile.ZipFile(path) as archive:
        if f"{VARIABLE}.npy" in archive.namelist():
            members[VARIABLE] = _mapped(path, archive.getinfo(f"{VARIABLE}.npy"))
    return responses_from_members(members, path)


def _mapped(path: Path, member: zipfile.ZipInfo) -> np.ndarray:
    if member.compress_type != zipfile.ZIP_STORED:
        raise DamagedFileError(f"{path} was compressed by another program; save it with braincodec again")
    with path.open("rb") as file:
        file.seek(member.header_offset)
        header = file.read(LOCAL_HEADER.size)
        *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
        file.seek(name_length + extra_length, os.SEEK_CUR)
        if np.lib.format.read_magic(file) != (1, 0):
            raise DamagedFileError(
                f"{path}: the responses inside are in a version of .npy that braincodec never writes"
            )
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject or fortran_order:
            raise DamagedFileError(f"{path}: the responses inside are not plain numbers in C order")
        if not np.prod(shape):
            return np.empty(shape, dtype)
        return np.asarray(np.memmap(path, dtype, "r", file.tell(), shape))


def _write_values(file: IO[bytes], responses: xr.DataArray) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(responses.dtype),
        "fortran_order": False,
        "shape": responses.shape,
    }
    np.lib.format.write_array_header_1_0(file, header)
    for block in row_blocks(responses):
        file.write(block.data)


NPY = Format(write_npy)
NPZ = Format(write_npz)
