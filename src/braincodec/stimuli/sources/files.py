"""Image files in folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from braincodec.errors import DamagedFileError
from braincodec.stimuli.decode import decode_image, image_header
from braincodec.stimuli.sources.base import EncodedSource, file_token


class ImageFiles(EncodedSource):
    """Image files under one folder.

    Parameters
    ----------
    root : Path
        Absolute.
    names : list of str
        Paths of the files relative to `root`, with forward slashes; they are the ids.
    """

    def __init__(self, root: Path, names: list[str]) -> None:
        self.root = root
        self.names = np.array(names, dtype=np.str_)
        self.count = len(names)

    def default_ids(self) -> np.ndarray:
        """Paths relative to the folder, with forward slashes."""
        return self.names

    def path(self, position: int) -> Path:
        """Where an image lies."""
        return self.root / str(self.names[position])

    def read(self, position: int) -> np.ndarray:
        """Decode one file."""
        path = self.path(position)
        try:
            with path.open("rb") as file:
                return decode_image(file, str(path))
        except OSError as error:
            raise DamagedFileError(f"{path}: cannot be read ({error.strerror or error})") from None

    def describe(self) -> str:
        """The folder, and the size of the first image."""
        path = self.path(0)
        try:
            with path.open("rb") as file:
                height, width = image_header(file, str(path))
        except (OSError, DamagedFileError):
            return f"image files in {self.root}"
        return f"image files in {self.root}, the first {height} x {width} pixels (height x width)"

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Name, size and time of each file."""
        root = os.fspath(self.root)
        for position in positions:
            name = str(self.names[position])
            yield name.encode("utf-8", "surrogateescape") + b"\0" + file_token(Path(root, name))
