"""The folder that one's own data set lies in: which of its files is what."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from braincodec.datasets.own.formats import READERS
from braincodec.errors import InputValueError, MissingFileError

TABLE_SUFFIXES = (".csv", ".tsv")
VOLUME_SUFFIXES = (".nii.gz", ".nii", ".npy")
NAMES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "table": (("trials",), TABLE_SUFFIXES),
    "images": (("images", "stimuli", "pictures"), ("", ".zip", ".h5", ".hdf5", ".npy", ".npz")),
    "responses": (("responses", "betas"), ("", *READERS)),
    "units": (("units",), TABLE_SUFFIXES),
    "mask": (("mask",), VOLUME_SUFFIXES),
    "rois": (("rois",), ("", *VOLUME_SUFFIXES)),
}
"""Names and suffixes of each part; an empty suffix is a folder."""


def find_layout(root: Path) -> dict[str, Any]:
    """The parts of a data set that lie in a folder under their usual names.

    Raises
    ------
    MissingFileError
        When there is no such folder.
    InputValueError
        When a part is there twice.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> (folder / "pictures").mkdir()
    >>> find_layout(folder)["images"].name
    'pictures'
    """
    if not root.is_dir():
        raise MissingFileError(root, "folder of the data set", "give a folder, or images= and responses=")
    found: dict[str, Any] = {}
    for part, (names, suffixes) in NAMES.items():
        paths = [
            path
            for name in names
            for suffix in suffixes
            if (path := root / f"{name}{suffix}").exists() and path.is_dir() == (suffix in ("", ".zarr"))
        ]
        if len(paths) > 1:
            held = ", ".join(path.name for path in paths)
            raise InputValueError(f"{root} holds {held}; say which to use: {part}=...")
        if paths:
            found[part] = paths[0]
    return found


def require(found: dict[str, Any], part: str, root: Path | None) -> None:
    """Raise, with what is there and what was looked for, when a part is absent."""
    if found.get(part) is not None:
        return
    names, suffixes = NAMES[part]
    looked = ", ".join(f"{name}/" if not suffix else f"{name}{suffix}" for name in names for suffix in suffixes[:4])
    if root is None:
        raise InputValueError(f"the data set 'own' needs {part}=..., or a folder that holds {looked}, ...")
    held = ", ".join(sorted(path.name for path in root.iterdir() if not path.name.startswith("."))[:10]) or "nothing"
    raise MissingFileError(root, part, f"it holds {held}; expected {looked}, ..., or give {part}=")
