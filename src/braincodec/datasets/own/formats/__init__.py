"""Readers of response files, one file a kind; each gives `Trials`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import xarray as xr

from braincodec.datasets.own.settings import OwnSettings
from braincodec.datasets.own.trials import Trials
from braincodec.errors import InputTypeError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli.opening import as_array

KEY_SEPARATOR = "::"  # betas.npz::run1
READERS = {
    ".npy": "arrays",
    ".npz": "arrays",
    ".mat": "arrays",
    ".h5": "hdf5",
    ".hdf5": "hdf5",
    ".nc": "labelled",
    ".zarr": "labelled",
    ".csv": "tables",
    ".tsv": "tables",
    ".nii": "volumes",
    ".nii.gz": "volumes",
    ".fif": "epochs",
    ".fif.gz": "epochs",
}


@dataclass(frozen=True)
class Given:
    """What a reader needs beside the file.

    Attributes
    ----------
    settings : OwnSettings
    mask : path or array, optional
        Of volumes: which voxels are units.
    """

    settings: OwnSettings
    mask: Any = None


def suffix_of(path: Path) -> str:
    """The suffix that says how a file is read; empty for others.

    Examples
    --------
    >>> suffix_of(Path("sub-01_betas.nii.gz"))
    '.nii.gz'
    """
    name = path.name.lower()
    found = [suffix for suffix in READERS if name.endswith(suffix)]
    return max(found, key=len, default="")


def read_trials(source: Any, given: Given) -> Trials:
    """Trials of a file, a list of files, an array or a labelled array.

    Parameters
    ----------
    source : path, list of paths, array, DataFrame or DataArray
        ``"betas.npz::run1"`` names an array inside a file.
    given : Given

    Raises
    ------
    MissingFileError, DamagedFileError, InputTypeError, InputValueError
        Naming the file and what was expected.
    """
    if isinstance(source, xr.DataArray):
        from braincodec.datasets.own.formats.labelled import from_labelled

        return from_labelled(source, "the responses")
    if isinstance(source, str | Path):
        return _read_paths([source], given)
    if isinstance(source, list | tuple) and source and all(isinstance(item, str | Path) for item in source):
        return _read_paths(source, given)
    if isinstance(source, pd.DataFrame):
        from braincodec.datasets.own.formats.tables import from_frame

        return from_frame(source, "the table of responses", given.settings)
    if hasattr(source, "shape") and hasattr(source, "dtype"):
        from braincodec.datasets.own.formats.arrays import from_array

        return from_array(as_array(source), "the array of responses", given.settings)
    raise InputTypeError(
        "responses must be a file, a pattern, a list of files, an array, a DataFrame or a DataArray, "
        f"not {type(source).__name__}"
    )


def _read_paths(sources: Sequence[str | Path], given: Given) -> Trials:
    paths, keys = zip(*(split_key(source) for source in sources), strict=True)
    for path in paths:
        if not path.exists():
            raise MissingFileError(path, "responses")
        if not suffix_of(path):
            raise UnknownNameError("suffix", path.suffix, READERS, where=f"of the responses {path}")
    kinds = {READERS[suffix_of(path)] for path in paths}
    if len(kinds) > 1:
        names = ", ".join(path.name for path in paths[:4])
        raise InputValueError(f"responses of one subject must be of one kind, not {names}")
    kind = kinds.pop()
    if kind == "volumes":
        from braincodec.datasets.own.formats.volumes import read_volumes

        return read_volumes(list(paths), given)
    read: Callable[..., Trials] = import_module(f"braincodec.datasets.own.formats.{kind}").read
    if len(paths) == 1:
        return read(paths[0], keys[0], given.settings)
    from braincodec.datasets.own.joining import joined

    series = {"of_series": True} if kind == "arrays" else {}  # an array of one dimension is then a trial
    return joined([read(path, key, given.settings, **series) for path, key in zip(paths, keys, strict=True)])


def split_key(source: str | Path) -> tuple[Path, str | None]:
    """A path, and the name of an array inside the file where one is given.

    Examples
    --------
    >>> split_key("betas.npz::run1")
    (PosixPath('betas.npz'), 'run1')
    """
    text = str(source)
    file, separator, key = text.rpartition(KEY_SEPARATOR)
    if separator and not Path(text).exists():
        return Path(file).expanduser(), key
    return Path(text).expanduser(), None
