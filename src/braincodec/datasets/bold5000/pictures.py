"""The pictures of BOLD5000: image files in folders, or MinD-Vis' one file of arrays by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from braincodec.errors import DamagedFileError, MissingFileError
from braincodec.legacy.read import read_legacy
from braincodec.stimuli import StimulusSet
from braincodec.stimuli.listing import images_in_folder
from braincodec.stimuli.sources import ImageFiles
from braincodec.stimuli.sources.base import EncodedSource, file_token

FOLDER = "Scene_Stimuli/Presented_Stimuli"
ARRAYS = "img_dict.npy"
Pictures = Literal["auto", "files", "img_dict"]


class NamedArrays(EncodedSource):
    """Pictures in a dictionary of arrays that was pickled into a .npy file; read by the restricted reader, mapped.

    Parameters
    ----------
    path : Path
    names : sequence of str
        Those wanted, in this order.
    """

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names, self.count = path, list(names), len(names)
        self._arrays: dict[str, Any] | None = None
        missing = [name for name in self.names if name not in self._held()]
        if missing:
            raise DamagedFileError(f"{path} lacks {len(missing)} of {self.count} pictures, the first is {missing[0]!r}")

    def default_ids(self) -> np.ndarray:
        """The names."""
        return np.array(self.names, str)

    def describe(self) -> str:
        """The file."""
        return f"arrays in {self.path}"

    def read(self, position: int) -> np.ndarray:
        """One picture."""
        name = self.names[position]
        image = np.asarray(self._held()[name])
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
            raise DamagedFileError(
                f"{name!r} in {self.path} is {image.dtype} {image.shape}; expected uint8 (height, width, 3)"
            )
        return image

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Size and time of the file, and the names."""
        yield file_token(self.path)
        for position in positions:
            yield self.names[position].encode() + b"\0"

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": None}

    def _held(self) -> dict[str, Any]:
        if self._arrays is None:
            held = read_legacy(self.path)
            if not isinstance(held, dict):
                raise DamagedFileError(f"{self.path} holds a {type(held).__name__}; expected pictures by name")
            self._arrays = held
        return self._arrays


def open_pictures(stimuli: Path, names: Sequence[str], form: Pictures, hint: str) -> StimulusSet:
    """Pictures by their file names, each once.

    Parameters
    ----------
    stimuli : Path
        The folder ``BOLD5000_Stimuli``.
    names : sequence of str
    form : {"auto", "files", "img_dict"}
        "auto" prefers image files, which have their original size.
    hint : str
        How to get them.

    Raises
    ------
    MissingFileError, DamagedFileError
    """
    folder = (stimuli / FOLDER).absolute()
    if form in ("auto", "files") and folder.is_dir():
        place: dict[str, str] = {}
        for path in images_in_folder(str(folder)):
            other = place.setdefault(Path(path).name, path)
            if other != path:
                raise DamagedFileError(f"{folder} holds {other} and {path}; names of pictures must be unique")
        missing = [name for name in names if name not in place]
        if not missing:
            return StimulusSet(ImageFiles(folder, [place[name] for name in names]), list(names))
        if form == "files" or not (folder / ARRAYS).is_file():
            raise MissingFileError(folder / missing[0], f"{len(missing):,} of {len(names):,} pictures, the first", hint)
    if not (folder / ARRAYS).is_file():
        raise MissingFileError(folder / ARRAYS, "pictures of BOLD5000", hint)
    return StimulusSet(NamedArrays(folder / ARRAYS, names), list(names))
