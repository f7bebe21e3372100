"""Find image files: folders, patterns, and lists of both."""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError
from braincodec.stimuli.decode import IMAGE_SUFFIXES, image_header, is_image_name

SUFFIXES_SHOWN = ", ".join(IMAGE_SUFFIXES)


def find_images(entries: Sequence[str | os.PathLike[str]]) -> tuple[Path, list[str]]:
    """Find the image files that paths, folders and patterns stand for.

    Folders are searched with their sub-folders and sorted by relative path; patterns likewise. Hidden files and files
    without the suffix of an image are passed over, unless they are named one by one.

    Parameters
    ----------
    entries : list of path
        In the order wanted.

    Returns
    -------
    root : Path
        Folder that contains all of them.
    names : list of str
        Paths relative to `root`, with forward slashes.

    Raises
    ------
    MissingFileError
        For a path that does not exist or a pattern that matches nothing.
    InputValueError
        For a folder without images, or an image that is listed twice.
    """
    parts = [_expand(Path(entry).expanduser()) for entry in entries]
    root = os.path.commonpath([folder for folder, _ in parts])
    names = []
    for folder, found in parts:
        prefix = Path(os.path.relpath(folder, root)).as_posix()
        names += found if prefix == "." else [f"{prefix}/{name}" for name in found]
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise InputValueError(f"{Path(root, name)} is listed {times} times; each stimulus may occur once in a set")
    return Path(root), names


def _expand(path: Path) -> tuple[str, list[str]]:
    """The folder of one entry, and the names of its images relative to it."""
    text = os.path.abspath(path)  # noqa: PTH100  pathlib would follow symbolic links
    if path.is_dir():
        names = images_in_folder(text)
        if not names:
            raise InputValueError(f"no image in the folder {path}; looked for files ending in {SUFFIXES_SHOWN}")
        return text, names
    if path.is_file():
        if not is_image_name(path.name):
            _require_image(path)
        return os.path.dirname(text), [path.name]  # noqa: PTH120
    if glob.has_magic(str(path)):
        return _expand_pattern(text)
    raise MissingFileError(path, "image or folder")


def images_in_folder(folder: str) -> list[str]:
    """Relative paths of the image files of a folder and its sub-folders, sorted; linked folders are followed once."""
    found: list[str] = []
    visited = set()
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        place = os.path.join(folder, prefix)  # noqa: PTH118  pathlib is ten times slower in long listings
        status = os.stat(place)  # noqa: PTH116
        if (status.st_dev, status.st_ino) in visited:
            continue
        visited.add((status.st_dev, status.st_ino))
        with os.scandir(place) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if is_image_name(entry.name) and entry.is_file():
                    found.append(prefix + entry.name)
                elif entry.is_dir():
                    waiting.append(f"{prefix}{entry.name}/")
    return sorted(found)


def _expand_pattern(pattern: str) -> tuple[str, list[str]]:
    folder = os.path.dirname(pattern)  # noqa: PTH120
    while not os.path.isdir(folder):  # noqa: PTH112
        folder = os.path.dirname(folder)  # noqa: PTH120
    matched = glob.glob(os.path.relpath(pattern, folder), root_dir=folder, recursive=True)  # noqa: PTH207
    if not matched:
        raise MissingFileError(pattern, "images matching the pattern")
    names = [Path(name).as_posix() for name in matched if is_image_name(name) and Path(folder, name).is_file()]
    if not names:
        raise InputValueError(
            f"none of the {len(matched)} paths that match {pattern} is an image; looked for {SUFFIXES_SHOWN}"
        )
    return folder, sorted(set(names))


def _require_image(path: Path) -> None:
    try:
        with path.open("rb") as file:
            image_header(file, str(path))
    except DamagedFileError:
        raise InputValueError(
            f"{path} is no image; expected image files, a folder, .npy, .npz, .h5, .hdf5 or .zip"
        ) from None
