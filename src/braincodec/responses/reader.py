"""Reading response files back as labelled arrays."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from braincodec.errors import BraincodecError, DamagedFileError, MissingFileError, UnknownNameError
from braincodec.responses.formats.labels import responses_from, responses_from_values

READABLE = (".zarr", ".nc", ".h5", ".npy", ".npz", ".nii.gz", ".nii")


def open_responses(path: str | Path, *, storage_options: dict[str, Any] | None = None) -> xr.DataArray:
    """Open responses that `encode_to`, `ResponseWriter` or the accessor's exports wrote.

    Parameters
    ----------
    path : str or Path
        ``.zarr``, ``.nc`` and ``.h5`` are read lazily: only what is indexed and used is loaded. ``.npy`` is mapped
        into memory and has no labels but the stimulus number; ``.npz`` is loaded. A Zarr group may be an address
        such as ``s3://bucket/responses.zarr``. ``.nii.gz`` has voxel indices, the affine and stimulus ids, no regions.
    storage_options : dict, optional
        For an address: what fsspec needs to open it, such as ``{"anon": True}``.

    Returns
    -------
    DataArray

    Raises
    ------
    MissingFileError
        When there is no such file.
    DamagedFileError
        When it holds no responses, or cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.responses import build_responses
    >>> path = Path(tempfile.mkdtemp()) / "responses.zarr"
    >>> _ = build_responses([[1.0, 2.0]], ["a"]).bc.to_zarr(path)
    >>> open_responses(path).sel(stimulus="a").values.tolist()
    [1.0, 2.0]
    """
    address = str(path)
    remote = "://" in address
    if not remote and not Path(path).exists():
        raise MissingFileError(path, "responses")
    suffix = next((known for known in READABLE if address.rstrip("/").endswith(known)), "")
    if not suffix and (remote or (Path(path) / "zarr.json").exists()):
        suffix = ".zarr"
    if not suffix:
        raise UnknownNameError("suffix", Path(path).suffix, READABLE, where=f"of {path}")
    try:
        return _open(address, suffix, storage_options)
    except BraincodecError:
        raise
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile) as error:
        raise DamagedFileError(f"{path} cannot be read as responses: {error}") from error


def _open(address: str, suffix: str, storage_options: dict[str, Any] | None) -> xr.DataArray:
    if suffix == ".zarr":
        from braincodec.responses.formats.zarr_reading import open_zarr

        return open_zarr(address, storage_options)
    if suffix in (".nc", ".h5"):
        return responses_from(xr.open_dataset(address, engine="h5netcdf", phony_dims="sort"), address)
    if suffix == ".npz":
        from braincodec.responses.formats.numpy_files import read_npz

        return read_npz(Path(address))
    if suffix in (".nii", ".nii.gz"):
        from braincodec.responses.formats import nifti

        return nifti.read(Path(address))
    values = np.load(address, mmap_mode="r", allow_pickle=False)
    return responses_from_values(np.asarray(values))
