"""Image files in a zip; nothing is extracted."""

from __future__ import annotations

import io
import os
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnsafeFileError
from braincodec.stimuli.checks import MOST_STIMULI
from braincodec.stimuli.decode import IMAGE_SUFFIXES, decode_image, image_header, is_image_name
from braincodec.stimuli.sources.base import EncodedSource, file_token

MOST_FILE_BYTES = 2**30  # of one image file; larger than any photograph
SYSTEM_FOLDER = "__MACOSX"  # what macOS adds to archives beside the images
READ_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


class ZipOfImages(EncodedSource):
    """The images of a zip, in the order of their names, which are the ids.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise MissingFileError(path, "zip of images")
        self.path = path
        self._reset()
        members = [member for member in self._open().infolist() if _is_visible_image(member.filename)]
        if not members:
            raise InputValueError(f"{path} holds no image; looked for names ending in {', '.join(IMAGE_SUFFIXES)}")
        if len(members) > MOST_STIMULI:
            raise UnsafeFileError(f"{path} declares {len(members):,} images; at most {MOST_STIMULI:,} are read")
        counts = Counter(member.filename for member in members)
        name, times = counts.most_common(1)[0]
        if times > 1:
            raise DamagedFileError(f"{path} holds {times} files of the name {name!r}; ids must be unique")
        self.names = np.array(sorted(counts), dtype=np.str_)
        self.count = len(self.names)

    def _reset(self) -> None:
        self._archive: zipfile.ZipFile | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "names": self.names, "count": self.count}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def _open(self) -> zipfile.ZipFile:
        with self._lock:
            # a forked process must not share the position in its parent's file
            if self._archive is None or self._owner != os.getpid():
                try:
                    self._archive = zipfile.ZipFile(self.path)
                except READ_ERRORS as error:
                    raise DamagedFileError(f"{self.path} is no readable zip: {error}") from None
                self._owner = os.getpid()
            return self._archive

    def default_ids(self) -> np.ndarray:
        """Names inside the zip."""
        return self.names

    def read(self, position: int) -> np.ndarray:
        """Decode one file of the zip."""
        file, name = self._file(position)
        return decode_image(file, name)

    def _file(self, position: int) -> tuple[io.BytesIO, str]:
        member = str(self.names[position])
        name = f"{self.path}, {member}"
        archive = self._open()
        try:
            size = archive.getinfo(member).file_size
            if size > MOST_FILE_BYTES:
                raise UnsafeFileError(f"{name} declares {size:,} bytes; at most {MOST_FILE_BYTES:,} are read")
            with archive.open(member) as stream:
                return io.BytesIO(stream.read(size)), name
        except UnsafeFileError:
            raise
        except (*READ_ERRORS, KeyError) as error:
            raise DamagedFileError(f"{name}: cannot be read ({error})") from None

    def describe(self) -> str:
        """The file, and the size of the first image."""
        try:
            height, width = image_header(*self._file(0))
        except DamagedFileError:
            return f"images in {self.path}"
        return f"images in {self.path}, the first {height} x {width} pixels (height x width)"

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Size and time of the zip, with the names chosen."""
        yield file_token(self.path)
        for position in positions:
            yield str(self.names[position]).encode("utf-8", "surrogateescape") + b"\0"


def _is_visible_image(name: str) -> bool:
    folder, _, base = name.rpartition("/")
    return is_image_name(base) and not base.startswith(".") and SYSTEM_FOLDER not in folder.split("/")
