"""Arrays from the files of public data sets: checked before they are used, and nothing in them is ever executed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from braincodec.datasets.matlab_file import read_matlab_arrays
from braincodec.errors import DamagedFileError, MissingFileError

NUMBERS = "fiub"  # kinds of dtype
BAD_CONTENT = (
    ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError, NotImplementedError, MemoryError,
    EOFError, OSError, SyntaxError, RecursionError,
)  # fmt: skip
"""What NumPy raises on damaged files."""


def read_npy(path: Path, what: str, dims: tuple[str, ...], hint: str = "") -> NDArray[np.generic]:
    """Read an array of numbers from a .npy file.

    Parameters
    ----------
    path : Path
    what : str
        What the file holds, for errors.
    dims : tuple of str
        Names of its dimensions, for their number and for errors.
    hint : str
        How to get the file.

    Returns
    -------
    array
        In memory, in the dtype of the file.

    Raises
    ------
    MissingFileError
    DamagedFileError
        When it is truncated, no .npy file, holds Python objects, or other dimensions.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/counts.npy", np.zeros((2, 3)))
    ...     read_npy(Path(folder, "counts.npy"), "spike counts", ("neuron", "image")).shape
    (2, 3)
    """
    return np.array(map_npy(path, what, dims, hint))


def map_npy(path: Path, what: str, dims: tuple[str, ...], hint: str = "") -> NDArray[np.generic]:
    """As `read_npy`, but the array stays in its file, and only what is used of it is read.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/betas.npy", np.zeros((2, 3)))
    ...     map_npy(Path(folder, "betas.npy"), "responses", ("trial", "voxel")).shape
    (2, 3)
    """
    if not path.is_file():
        raise MissingFileError(path, what, hint)
    try:
        # a header can ask for no more memory than the file fills
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except BAD_CONTENT as error:
        raise DamagedFileError(f"{what} in {path} cannot be read as a .npy file of numbers: {error}") from None
    if not isinstance(array, np.ndarray):
        array.close()
        raise DamagedFileError(f"{path} is an archive of arrays; expected a .npy file with {what}")
    if array.dtype.kind not in NUMBERS or array.ndim != len(dims) or 0 in array.shape:
        expected = f"({', '.join(dims)})"
        raise DamagedFileError(f"{path} holds {array.dtype} {array.shape}; expected numbers {expected}: {what}")
    return array


def read_matlab(
    path: Path, what: str, shapes: Mapping[str, tuple[int | None, ...]], hint: str = ""
) -> dict[str, NDArray[np.generic]]:
    """Read arrays of numbers from a MATLAB 5 file; other variables in it are not looked at.

    Parameters
    ----------
    path : Path
    what : str
        What the file holds, for errors.
    shapes : mapping of name to shape
        The variables to read; None stands for any length.
    hint : str
        How to get the file.

    Raises
    ------
    MissingFileError
    DamagedFileError
        When it is truncated, no such file, or lacks a variable or its shape; `UnsafeFileError` when it would grow
        far beyond its size.

    Examples
    --------
    >>> import scipy.io, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     scipy.io.savemat(f"{folder}/a.mat", {"fmri": np.zeros((2, 3))})
    ...     read_matlab(Path(folder, "a.mat"), "responses", {"fmri": (2, None)})["fmri"].shape
    (2, 3)
    """
    if not path.is_file():
        raise MissingFileError(path, what, hint)
    found = read_matlab_arrays(path)
    for name, shape in shapes.items():
        array = found.get(name)
        if array is None:
            held = ", ".join(found) or "none"
            raise DamagedFileError(f"{path} has no numbers called {name!r} (it holds {held}); expected {what}")
        fits = len(shape) == array.ndim and all(
            size in (None, length) for size, length in zip(shape, array.shape, strict=True)
        )
        if not fits:
            expected = ", ".join("any" if size is None else str(size) for size in shape)
            raise DamagedFileError(f"{name!r} in {path} has shape {array.shape}; expected ({expected}): {what}")
    return {name: found[name] for name in shapes}
