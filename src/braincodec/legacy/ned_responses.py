"""Generated responses written as the files of NED's published layout: HDF5 beside a dictionary of metadata."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.atomic import atomic_path, remove, sync
from braincodec.errors import BraincodecError, OutputError
from braincodec.legacy.ned_response_files import DATASET, NedResponses
from braincodec.legacy.published_files import equal_content, write_dictionary
from braincodec.legacy.read import read_legacy
from braincodec.responses.formats import row_blocks

if TYPE_CHECKING:
    import h5py
    import xarray as xr

# two files are taken for the same when their metadata are, and these many rows at the begin, in the middle, at the end
ROWS_COMPARED = 32


def write_ned_responses(
    responses: xr.DataArray,
    files: Sequence[NedResponses],
    root: str | Path,
    labels: Mapping[str, Any],
    *,
    overwrite: bool = False,
    on_rows: Callable[[int], None] = lambda _: None,
) -> list[Path]:
    """Write responses below a folder in NED's layout, in one pass over them and in bounded memory.

    Every file appears whole or not at all, responses after their metadata. Equal files that are there are kept, so that
    an interrupted call goes on when it is called again.

    Parameters
    ----------
    responses : DataArray
        May be lazy.
    files : sequence of NedResponses
        From `ned_responses`.
    root : str or Path
    labels : mapping
        Of the stimuli, from `imageset_labels`.
    overwrite : bool
        Replace files with other content.
    on_rows : callable
        Called with the number of stimuli written.

    Returns
    -------
    list of Path
        The files that were written now.

    Raises
    ------
    OutputError
        When other responses lie there, or the disk is too small.
    """
    missing = []
    for file in files:  # all are looked at before the first is written
        path = Path(root) / file.name
        same = holds(responses, file, root, labels)
        if path.exists() and not same and not overwrite:
            raise OutputError(f"{path} holds other responses; choose another folder or ask to overwrite it")
        missing += [] if same else [file]
    if not missing:
        return []
    for file in missing:
        _remove_left_overs(Path(root) / file.name)
    with contextlib.ExitStack() as stack:
        paths = [stack.enter_context(atomic_path(Path(root) / file.name, overwrite=True)) for file in missing]
        _write_values(responses, missing, paths, on_rows)
        for file in missing:
            write_dictionary(Path(root) / file.metadata_name, file.metadata | dict(labels))
    return [Path(root) / file.name for file in missing]


def holds(responses: xr.DataArray, file: NedResponses, root: str | Path, labels: Mapping[str, Any]) -> bool:
    """Whether a finished file is there with the same metadata and, where it was looked at, the same values."""
    import h5py

    path, beside = Path(root) / file.name, Path(root) / file.metadata_name
    if not path.is_file() or not beside.is_file():
        return False
    try:
        if not equal_content(read_legacy(beside), file.metadata | dict(labels)):
            return False
        with h5py.File(path, "r") as opened:
            values = opened.get(DATASET)
            return (
                isinstance(values, h5py.Dataset) and values.shape == file.shape and _equal_rows(responses, file, values)
            )
    except (BraincodecError, OSError):  # a damaged file is another one
        return False


def _remove_left_overs(path: Path) -> None:
    """Temporary files of this name that a killed run left."""
    for old in path.parent.glob(f".{'[0-9a-f]' * 12}-{glob.escape(path.name)}"):
        remove(old)


def _equal_rows(responses: xr.DataArray, file: NedResponses, values: h5py.Dataset) -> bool:
    count = file.shape[0]
    for start in {0, max(count // 2 - ROWS_COMPARED, 0), max(count - ROWS_COMPARED, 0)}:
        rows = slice(start, start + ROWS_COMPARED)
        expected = _columns(responses[rows].values, file)
        if not np.array_equal(values[rows], expected, equal_nan=True):
            return False
    return True


def _write_values(
    responses: xr.DataArray, files: Sequence[NedResponses], paths: Sequence[Path], on_rows: Callable[[int], None]
) -> None:
    """All files in one pass, since one read of the responses serves every region."""
    import h5py

    from braincodec.responses.formats.hdf5 import reserve

    reserve(paths[0], sum(file.nbytes + 2**12 for file in files))
    try:
        with contextlib.ExitStack() as opened:
            datasets = []
            for path, file in zip(paths, files, strict=True):
                hdf5 = opened.enter_context(h5py.File(path, "w"))
                datasets.append(hdf5.create_dataset(DATASET, file.shape, np.float32))
            start = 0
            for block in row_blocks(responses):
                for dataset, file in zip(datasets, files, strict=True):
                    dataset[start : start + len(block)] = _columns(block, file)
                start += len(block)
                on_rows(len(block))
    except RuntimeError as error:
        # what h5py raises when a full disk shows itself only as the file is closed
        raise OSError(f"HDF5 could not finish the file: {error}") from error
    for path in paths:
        sync(path)


def _columns(block: np.ndarray, file: NedResponses) -> np.ndarray:
    return np.asarray(block if file.columns is None else block[:, file.columns], np.float32)
