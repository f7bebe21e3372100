"""netCDF-4 (`.nc`), which is HDF5 (`.h5`): dataset `responses` with its labels beside it, written block by block."""

from __future__ import annotations

import errno
import math
import os
import shutil
from pathlib import Path

import numpy as np
import xarray as xr

from braincodec.responses.formats import Format, row_blocks
from braincodec.responses.formats.labels import VARIABLE, coordinate_names, labels_of
from braincodec.responses.formats.layout import chunk_shape


def write(path: Path, responses: xr.DataArray) -> None:
    """Write responses and labels to a netCDF-4 / HDF5 file.

    Chunked and not compressed: responses are close to noise, and compressing them costs more time than it saves space.
    """
    reserve(path, _size_of(responses))
    try:
        _write(path, responses)
    except RuntimeError as error:
        # what h5py raises when a full disk shows itself only as the file is closed
        raise OSError(f"HDF5 could not finish the file: {error}") from error


def reserve(path: Path, size: int) -> None:
    """Raise `OSError` now when the disk cannot hold `size` bytes: HDF5 may crash the process if it fills up later."""
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, max(size, 1))
            elif shutil.disk_usage(path.parent).free < size:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    finally:
        path.unlink(missing_ok=True)


def _size_of(responses: xr.DataArray) -> int:
    """Bytes of the file, a little more than needed: chunks at the edges are stored whole."""
    chunks = _chunks_of(responses)
    stored = math.prod(-(-size // chunk) * chunk for size, chunk in zip(responses.shape, chunks, strict=True))
    labels = sum(coordinate.nbytes for coordinate in responses.coords.values())
    return stored * responses.dtype.itemsize + 2 * labels + 2**16


def _chunks_of(responses: xr.DataArray) -> tuple[int, ...]:
    chunks = chunk_shape(responses.shape[1:], responses.dtype.itemsize)
    # HDF5 does not allow a chunk larger than a dimension of fixed size
    return tuple(min(chunk, max(size, 1)) for chunk, size in zip(chunks, responses.shape, strict=True))


def _write(path: Path, responses: xr.DataArray) -> None:
    import h5netcdf

    labels = labels_of(responses)
    labels.to_netcdf(path, engine="h5netcdf")
    with h5netcdf.File(path, "a") as file:
        for dim, size in zip(responses.dims, responses.shape, strict=True):
            if dim not in file.dimensions:
                file.dimensions[str(dim)] = size
        empty = 0 in responses.shape
        variable = file.create_variable(
            VARIABLE, tuple(map(str, responses.dims)), responses.dtype, chunks=None if empty else _chunks_of(responses)
        )
        variable.attrs["coordinates"] = np.bytes_(coordinate_names(labels, responses.dims))
        start = 0
        for block in row_blocks(responses):
            variable[start : start + len(block)] = block
            start += len(block)


FORMAT = Format(write)
