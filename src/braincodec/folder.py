"""A folder that is read: on this machine, or at an fsspec address whose files are fetched when asked for."""

from __future__ import annotations

import abc
import os
import posixpath
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from braincodec.errors import InputTypeError, InputValueError, MissingFileError

OFFLINE_VARIABLE = "BRAINCODEC_OFFLINE"


class FoundFile(NamedTuple):
    """A file below a folder: its name there, and its size in bytes where that is known."""

    name: str
    size: int | None


def open_folder(address: str | Path, **options: Any) -> Folder:
    """The folder at `address`.

    Parameters
    ----------
    address : str or Path
        A path, or an address that fsspec understands, such as ``"s3://bucket/folder"``.
    **options
        Handed to fsspec, such as ``anon=True``; ``cache=`` names the folder for fetched files, and ``offline=True``
        takes only what is in it (default: what the environment variable ``BRAINCODEC_OFFLINE`` says).

    Raises
    ------
    MissingFileError
        When a local path is no folder; offline, when nothing of the address was fetched before.
    UnreachableError
        When the address does not answer, or refuses.
    """
    if not isinstance(address, str | os.PathLike):
        raise InputTypeError(f"a store is opened by its path or address, got {type(address).__name__}")
    text = os.fspath(address)
    offline = options.pop("offline", None)
    if "://" in text and not text.startswith("file://"):
        from braincodec.file_cache import CachedFolder
        from braincodec.remote import RemoteFolder

        if os.environ.get(OFFLINE_VARIABLE, "").lower() in ("1", "true", "yes") if offline is None else offline:
            return CachedFolder(text, **options)
        return RemoteFolder(text, **options)
    if options:
        raise InputValueError(f"options {sorted(options)} are for remote addresses; {text} is a path")
    return LocalFolder(text.removeprefix("file://"))


class Folder(abc.ABC):
    """Read access to the files below one place; names are relative, with forward slashes."""

    address: str

    @abc.abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Sorted names of what lies directly in `folder`; empty when there is no such folder."""

    @abc.abstractmethod
    def is_file(self, name: str) -> bool:
        """Whether the file exists."""

    @abc.abstractmethod
    def local(self, name: str, what: str = "file", hint: str = "") -> Path:
        """Path of the file `name` on this machine, fetched and checked first where it lies elsewhere.

        Raises
        ------
        MissingFileError
            With `what` and `hint` when there is no such file.
        """

    @abc.abstractmethod
    def local_folder(self, name: str, what: str = "folder") -> Path:
        """Path of the folder `name` on this machine, with all files in it."""

    @abc.abstractmethod
    def lazy(self, name: str) -> tuple[str, dict[str, Any] | None]:
        """Path or address of a folder that a library reads piece by piece, and the options fsspec needs for it."""

    @abc.abstractmethod
    def walk(self, folder: str = "") -> Iterator[FoundFile]:
        """Every file below `folder`, sorted within each folder; hidden ones are left out."""

    def join(self, *parts: str) -> str:
        """The full address of a name, for messages."""
        return posixpath.join(self.address, *parts)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"


class LocalFolder(Folder):
    """A folder on this machine."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path).expanduser()
        self.address = str(self._path)
        if not self._path.is_dir():
            raise MissingFileError(path, "store folder", "give a NED, NEST or BERG folder or a braincodec store")

    def names(self, folder: str = "") -> list[str]:
        """See `Folder.names`."""
        path = self._path / folder
        return sorted(item.name for item in path.iterdir() if item.name[0] != ".") if path.is_dir() else []

    def is_file(self, name: str) -> bool:
        """See `Folder.is_file`."""
        return (self._path / name).is_file()

    def local(self, name: str, what: str = "file", hint: str = "") -> Path:
        """See `Folder.local`."""
        if not self.is_file(name):
            raise MissingFileError(self._path / name, what, hint)
        return self._path / name

    def local_folder(self, name: str, what: str = "folder") -> Path:
        """See `Folder.local_folder`."""
        if not (self._path / name).is_dir():
            raise MissingFileError(self._path / name, what)
        return self._path / name

    def lazy(self, name: str) -> tuple[str, dict[str, Any] | None]:
        """See `Folder.lazy`."""
        return str(self._path / name), None

    def walk(self, folder: str = "") -> Iterator[FoundFile]:
        """See `Folder.walk`."""
        for name in self.names(folder):
            own = posixpath.join(folder, name)
            if (self._path / own).is_dir():
                yield from self.walk(own)
            else:
                yield FoundFile(own, (self._path / own).stat().st_size)
