"""`.npy` (values alone) and `.npz` (values, ids and labels), written block by block, read without pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import numpy as np
import xarray as xr

from braincodec.responses.formats import Format, row_blocks
from braincodec.responses.formats.labels import VARIABLE, labels_to_members, responses_from_members


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
    """Read responses and labels; the values are read at once."""
    with np.load(path, allow_pickle=False) as archive:
        members = {name: archive[name] for name in archive.files}
    return responses_from_members(members, path)


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
