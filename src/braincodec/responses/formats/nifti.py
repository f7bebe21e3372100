"""NIfTI: one volume for each stimulus, written one after another."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from braincodec.errors import DamagedFileError, InputValueError
from braincodec.extras import import_optional
from braincodec.responses.combine import volume_geometry
from braincodec.responses.coordinates import build_units, units_to_coordinates
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


def read(path: Path) -> xr.DataArray:
    """Responses of the voxels that are not NaN in the first volume; other volumes are read when they are used."""
    nibabel = import_optional("nibabel", "reading NIfTI files")
    # one open file: a compressed one would otherwise be read from its beginning for each volume
    image = nibabel.load(path, keep_file_open=True)
    if len(image.shape) not in (3, 4):
        raise DamagedFileError(f"{path} holds no volume or series of volumes: its shape is {image.shape}")
    rows = NiftiRows(image.dataobj)
    units = build_units(ijk=np.argwhere(rows.mask), affine=image.affine, volume_shape=image.shape[:3])
    ids = _stored_ids(image.header) or [str(number) for number in range(rows.shape[0])]
    values = xr.Variable(("stimulus", "unit"), indexing.LazilyIndexedArray(rows))
    return xr.DataArray(values, {"stimulus": ids, **units_to_coordinates(units)}, name="responses").assign_attrs(
        units.attrs
    )


class NiftiRows(BackendArray):
    """Volumes of a NIfTI file as rows (stimulus, unit), read one by one when they are indexed."""

    def __init__(self, volumes: Any) -> None:
        self._volumes = volumes
        self.mask = np.isfinite(self._volume(0))
        self.shape = (volumes.shape[3] if len(volumes.shape) == 4 else 1, int(self.mask.sum()))
        self.dtype = np.dtype(np.float32)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Rows and units that `key` asks for."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._rows)

    def _rows(self, key: tuple[Any, ...]) -> np.ndarray:
        numbers = np.arange(self.shape[0])[key[0]]
        rows = [self._volume(number)[self.mask][key[1]] for number in np.atleast_1d(numbers)]
        return np.stack(rows) if np.ndim(numbers) else rows[0]

    def _volume(self, number: int) -> np.ndarray:
        index = (..., int(number)) if len(self._volumes.shape) == 4 else (...,)
        return np.asarray(self._volumes[index], dtype=np.float32)


def _stored_ids(header: Any) -> list[str]:
    for extension in header.extensions:
        try:
            return [str(item) for item in json.loads(extension.get_content())["stimulus"]]
        except (ValueError, KeyError, TypeError):
            continue
    return []


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
