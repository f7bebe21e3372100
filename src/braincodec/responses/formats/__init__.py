"""File formats that responses can be written to, one module each, chosen by the file's suffix.

Third parties add a `Format` through the entry-point group ``braincodec.response_formats``, whose names are suffixes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from braincodec.atomic import atomic_path
from braincodec.errors import InputValueError, OutputError, UnknownNameError
from braincodec.registry import Registry
from braincodec.responses.formats.layout import chunk_shape

# how much of the responses is held in memory while they are copied
BLOCK_BYTES = 16 * 2**20

FORMATS = Registry(
    "output suffix",
    "braincodec.response_formats",
    built_in={
        ".zarr": "braincodec.responses.formats.zarr_store:FORMAT",
        ".nc": "braincodec.responses.formats.hdf5:FORMAT",
        ".h5": "braincodec.responses.formats.hdf5:FORMAT",
        ".npy": "braincodec.responses.formats.numpy_files:NPY",
        ".npz": "braincodec.responses.formats.numpy_files:NPZ",
        ".nii.gz": "braincodec.responses.formats.nifti:FORMAT",
    },
)


def suffix_of(path: str | Path) -> str:
    """The suffix of `path` that names a format.

    Examples
    --------
    >>> suffix_of("subject.01/v1.nii.gz")
    '.nii.gz'
    """
    name = Path(path).name
    for suffix in sorted(FORMATS.names(), key=len, reverse=True):
        if name.endswith(suffix) and name != suffix:
            return suffix
    raise UnknownNameError("output suffix", "".join(Path(path).suffixes[-1:]), FORMATS.names(), where=f"of {name!r}")


def row_blocks(responses: xr.DataArray) -> Iterator[np.ndarray]:
    """The values in order, some stimuli at a time: whole chunks, and no more than about `BLOCK_BYTES`."""
    multiple = chunk_shape(responses.shape[1:], responses.dtype.itemsize)[0]
    count = max(BLOCK_BYTES // max(row_bytes(responses), 1) // multiple, 1) * multiple
    for start in range(0, responses.sizes["stimulus"], count):
        yield np.ascontiguousarray(responses[start : start + count].values)


def row_bytes(responses: xr.DataArray) -> int:
    """Bytes of the responses to one stimulus."""
    return int(np.prod(responses.shape[1:], dtype=np.int64)) * responses.dtype.itemsize


def check_layout(responses: xr.DataArray) -> None:
    """Raise unless `stimulus` is the first dimension and has ids."""
    if not responses.dims or responses.dims[0] != "stimulus" or "stimulus" not in responses.coords:
        dims = ", ".join(map(str, responses.dims))
        raise InputValueError(f"responses need `stimulus` as first dimension, with ids; these have ({dims})")


@dataclass(frozen=True)
class Format:
    """One way of writing responses.

    Parameters
    ----------
    write : callable (path, responses)
        Writes in bounded memory.
    check : callable (template)
        Raises when responses with these labels cannot be written so, before any work is done.
    compressed : bool
        The file may be much smaller than the values, so that free space cannot be checked beforehand.
    """

    write: Callable[[Path, xr.DataArray], None]
    check: Callable[[xr.DataArray], None] = check_layout
    compressed: bool = False


def format_of(path: str | Path) -> Format:
    """The format that the suffix of `path` names."""
    chosen = FORMATS.get(suffix_of(path))
    assert isinstance(chosen, Format)
    return chosen


def write_responses(responses: xr.DataArray, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write responses in the format that the suffix names: whole or not at all, in bounded memory.

    Parameters
    ----------
    responses : DataArray
        May be lazy.
    path : str or Path
        ``.zarr``, ``.nc``, ``.h5``, ``.npy`` (values alone), ``.npz`` or ``.nii.gz``.
    overwrite : bool
        Replace what is there.

    Returns
    -------
    Path

    Raises
    ------
    UnknownNameError
        When the suffix names no format.
    OutputError
        When the file exists, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from braincodec.responses import build_responses, open_responses
    >>> path = Path(tempfile.mkdtemp()) / "responses.npz"
    >>> _ = write_responses(build_responses([[1.0, 2.0]], ["a"]), path)
    >>> open_responses(path).values.tolist()
    [[1.0, 2.0]]
    """
    chosen = format_of(path)
    chosen.check(responses)
    with atomic_path(path, overwrite=overwrite) as temporary:
        require_space(chosen, responses, temporary.parent, Path(path))
        chosen.write(temporary, responses)
    return Path(path)


def require_space(chosen: Format, responses: xr.DataArray, folder: Path, target: Path) -> None:
    """Raise before writing when the values cannot fit on the disk of `folder`."""
    free = shutil.disk_usage(folder).free
    if not chosen.compressed and free < responses.nbytes:
        raise OutputError(
            f"cannot write {target}: it needs {responses.nbytes / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free"
        )
