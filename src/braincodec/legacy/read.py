"""One safe reader for the files of published models, whatever their name says."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

from braincodec.errors import BraincodecError, DamagedFileError, MissingFileError
from braincodec.legacy.inert import Guard
from braincodec.legacy.numpy_file import NPY_START, read_npy, read_npz
from braincodec.legacy.restricted_pickle import read_pickle
from braincodec.legacy.torch_file import PLAIN_FORM_START, read_plain_torch, read_torch_archive
from braincodec.legacy.zip_archive import ZipArchive

_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06")
_OTHER_STARTS = {b"\x89HDF": "an HDF5 file", b"\x1f\x8b": "a gzip file", b"\x28\xb5\x2f\xfd": "a zstd file"}
BAD_CONTENT = (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError, MemoryError, struct.error)
"""What building a value of damaged content may raise."""

_PICKLE_STARTS = b"\x80(])}cilNIJKLMFGSUTVX"


def read_legacy(path: str | Path, *, map_storage: bool = True) -> Any:
    """Value of a torch checkpoint, .npy, .npz or pickle file, without running anything that it asks for.

    The kind is found from the content. Old and new torch checkpoints, NumPy files with pickled objects and plain
    pickles of protocol 0 to 5 are understood.

    Parameters
    ----------
    path : str or Path
    map_storage : bool, optional
        Map the file: long arrays are views of it and cost memory only where they are looked at. The file must then stay
        as it is while the arrays are in use. Otherwise the file is read into memory once.

    Returns
    -------
    object
        Dicts (ordered ones too), lists, tuples, sets, numbers, text, bytes, None, `PickledRecord` for the few known
        classes, and NumPy arrays for arrays and tensors with their data type kept; brain floats come back as float32,
        exactly. Arrays are read-only, and those over 16 MiB that lie unaligned in the file stay so:
        ``numpy.array(a)`` makes a writable, aligned copy. A .npy file that holds one object gives that object.

    Raises
    ------
    MissingFileError
        When there is no such file.
    UnsafeFileError
        When the file asks for code to be run, or for more memory than it can fill; the message names what.
    DamagedFileError
        When it is empty, truncated, corrupt or of another format.

    Examples
    --------
    >>> import tempfile, numpy
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     numpy.save(f"{folder}/pca_param.npy", {"n_components": 250})
    ...     read_legacy(f"{folder}/pca_param.npy")
    {'n_components': 250}
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(path)
    buffer = _open_buffer(path, map_storage)
    guard = Guard(str(path), len(buffer))
    try:
        return _read_by_content(path, buffer, guard)
    except BraincodecError:
        raise
    except BAD_CONTENT as error:
        raise guard.damaged(f"{type(error).__name__}: {error}") from error


def _read_by_content(path: Path, buffer: memoryview, guard: Guard) -> Any:
    start = bytes(buffer[:16])
    if start.startswith(_ZIP_STARTS):
        return _read_zip(ZipArchive(path, buffer, guard.where))
    if start.startswith(NPY_START):
        return read_npy(buffer, guard)
    if start.startswith(PLAIN_FORM_START):
        return read_plain_torch(buffer, guard)
    for magic, kind in _OTHER_STARTS.items():
        if start.startswith(magic):
            raise guard.damaged(f"it is {kind}; expected a torch, .npy, .npz or pickle file")
    if start[0] not in _PICKLE_STARTS:
        raise guard.damaged(f"it begins with {start!r}; expected a torch, .npy, .npz or pickle file")
    return read_pickle(buffer, guard)


def _open_buffer(path: Path, map_storage: bool) -> memoryview:
    """The whole file as a read-only buffer."""
    if not map_storage:
        content = path.read_bytes()
        if not content:
            raise DamagedFileError(f"{path} is empty")
        return memoryview(content)
    with path.open("rb") as file:
        if not path.stat().st_size:
            raise DamagedFileError(f"{path} is empty")
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _read_zip(archive: ZipArchive) -> Any:
    """A torch checkpoint or a .npz file, by its members."""
    if any(name.endswith("/data.pkl") for name in archive.members):
        return read_torch_archive(archive)
    if archive.members and all(name.endswith(".npy") for name in archive.members):
        return read_npz(archive)
    held = ", ".join(list(archive.members)[:3])[:200] or "nothing"
    raise archive.guard.damaged(f"a zip file that holds {held}; expected a torch or .npz file")
