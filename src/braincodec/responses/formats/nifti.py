"""NIfTI: one volume for each stimulus, written one after another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
import xarray as xr

from braincodec.errors import InputValueError
from braincodec.extras import import_optional
from braincodec.responses.combine import volume_geometry
from braincodec.responses.formats import Format, check_layout, row_blocks

PURPOSE = "writing NIfTI files"
# dimensions of NIfTI-1 are 16-bit; NIfTI-2 takes more
LARGEST_NIFTI_1_DIMENSION = 32_767
# responses are close to noise, which higher levels hardly make smaller
COMPRESSION_LEVEL = 1


def check(template: xr.DataArray) -> None:
    """Raise unless the responses are voxels of one subject's known volume, without repetitions."""
    import_optional("nibabel", PURPOSE)
    check_layout(template)
    volume_geometry(template)
    if template.dims != ("stimulus", "unit"):
        dims = ", ".join(map(str, template.dims))
        raise InputValueError(f"a NIfTI file needs responses (stimulus, unit), not ({dims}): average repetitions first")


def write(path: Path, responses: xr.DataArray, fill: float = np.nan) -> None:
    """Write one 3-D volume, or a 4-D series with one volume for each stimulus.

    Parameters
    ----------
    path : Path
        Ends in ``.nii`` or ``.nii.gz``.
    responses : DataArray, dimensions (stimulus, unit)
    fill : float
        Value of voxels that are no unit.
    """
    check(responses)
    affine, shape = volume_geometry(responses)
    i, j, k = (responses[name].values for name in "ijk")
    volume = np.full(shape, fill, dtype=np.float32)
    with path.open("wb") as raw:
        file: IO[bytes] = raw if path.suffix == ".nii" else gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0)  # type: ignore[assignment]
        _header(responses, affine, shape).write_to(file)
        for block in row_blocks(responses):
            for row in block:
                volume[i, j, k] = row
                file.write(volume.tobytes(order="F"))
        if file is not raw:
            file.close()


def _header(responses: xr.DataArray, affine: np.ndarray, shape: tuple[int, int, int]) -> Any:
    nibabel = import_optional("nibabel", PURPOSE)
    count = responses.sizes["stimulus"]
    full_shape = shape if count == 1 else (*shape, count)
    small = max(full_shape) <= LARGEST_NIFTI_1_DIMENSION
    header = nibabel.Nifti1Header() if small else nibabel.Nifti2Header()
    header.set_data_dtype(np.float32)
    header.set_data_shape(full_shape)
    header.set_sform(affine, code="scanner")
    header.set_qform(affine, code="scanner", strip_shears=True)
    header.set_xyzt_units("mm")
    header["descrip"] = f"braincodec {responses.attrs.get('response_units', '')}".strip()[:79].encode()
    ids = {"stimulus": responses["stimulus"].values.tolist()}
    header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", json.dumps(ids).encode()))
    return header


FORMAT = Format(write, check, compressed=True)
