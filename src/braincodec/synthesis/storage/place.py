"""Where a store is written: a folder of this machine or an fsspec address; files appear whole, and are durable."""

from __future__ import annotations

import abc
import contextlib
import errno
import os
import posixpath
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from braincodec.atomic import exclusive_lock, nearest_existing, remove, write_error
from braincodec.errors import InputTypeError, InputValueError, OutputError
from braincodec.folder import FoundFile
from braincodec.remote import scheme_of, unreachable

READ_ONLY = ("http", "https", "github", "zip", "tar", "hf")
LOCAL = ("", "file", "local")
LOCK = ".lock"
# what systems and network disks say that cannot open or sync a folder
CANNOT_SYNC = (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EPERM, errno.EISDIR)
# files that a killed process left unfinished; hidden, so that no listing shows them
UNFINISHED = ".unfinished-"


def open_place(address: str | Path, storage_options: Mapping[str, Any] | None = None) -> Place:
    """The place at `address`; a folder of this machine need not exist.

    Parameters
    ----------
    address : str or Path
        A path, or an address that fsspec writes to, such as ``"s3://bucket/folder"``.
    storage_options : mapping, optional
        For addresses: handed to fsspec.

    Raises
    ------
    InputTypeError, InputValueError
        For what is no address, can only be read, or is a file.
    MissingExtraError
        When what writes to such addresses is not installed.

    Examples
    --------
    >>> import tempfile
    >>> place = open_place(tempfile.mkdtemp())
    >>> place.write("notes/first.txt", b"whole")
    >>> place.read("notes/first.txt"), place.read("notes/second.txt"), place.names("notes")
    (b'whole', None, ['first.txt'])
    """
    if not isinstance(address, str | os.PathLike):
        raise InputTypeError(f"responses are written to a path or address, got {type(address).__name__}")
    text = os.fspath(address)
    scheme = scheme_of(text) if "://" in text else ""
    if scheme in READ_ONLY:
        raise InputValueError(f"{text} can be read, not written to in parts; give a folder, s3://... or the like")
    if scheme not in LOCAL:
        from braincodec.synthesis.storage.remote_place import RemotePlace

        return RemotePlace(text, **(storage_options or {}))
    if storage_options:
        raise InputValueError(f"options {sorted(storage_options)} are for remote addresses; {text} is a path")
    return LocalPlace(text.removeprefix(f"{scheme}://"))


class Place(abc.ABC):
    """A folder that several processes write to; names are relative, with forward slashes."""

    address: str
    local: Path | None = None  # the folder, where it is one of this machine
    options: Mapping[str, Any] | None = None  # what fsspec needs to open the address

    @abc.abstractmethod
    def read(self, name: str) -> bytes | None:
        """Content of a file; None where there is none."""

    @abc.abstractmethod
    def write(self, name: str, content: bytes) -> None:
        """Write a file, replacing one that is there: whole or not at all, and durable on return.

        Raises
        ------
        OutputError
            When the disk is full or refuses.
        UnreachableError
            When the address does.
        """

    @abc.abstractmethod
    def names(self, folder: str = "") -> list[str]:
        """Sorted names of what lies directly in `folder`; empty when there is no such folder."""

    @abc.abstractmethod
    def walk(self, folder: str = "") -> Iterator[FoundFile]:
        """Every file below `folder`, sorted within each folder; hidden ones are left out."""

    @abc.abstractmethod
    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all that is in it; nothing where it is absent."""

    @abc.abstractmethod
    def sweep(self, folder: str) -> None:
        """Remove what killed processes left unfinished below `folder`."""

    @abc.abstractmethod
    def refuse_unwritable(self) -> None:
        """Raise `OutputError` or `UnreachableError` where nothing can be written, as far as that shows without it."""

    def exclusive(self) -> contextlib.AbstractContextManager[None]:
        """Keep other runs out while the block lasts; at an address nothing can.

        Raises
        ------
        OutputError
            When another process writes here.
        """
        return contextlib.nullcontext()

    def read_many(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """Contents of files in order, some of them read at once."""
        return map(self.read, names)

    def write_many(self, files: Mapping[str, bytes]) -> None:
        """Write files; all are durable on return."""
        for name, content in files.items():
            self.write(name, content)

    def join(self, name: str) -> str:
        """The full address of a name, for messages."""
        return posixpath.join(self.address, name)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.address!r})"


class LocalPlace(Place):
    """A folder of this machine, or of a file system that several machines share."""

    def __init__(self, path: str | Path) -> None:
        folder = Path(path).expanduser().absolute()
        existing = nearest_existing(folder)
        if not existing.is_dir():
            raise InputValueError(f"{existing} is a file; give the folder of a store")
        self.local, self._folder = folder, folder
        self.address = str(folder)

    def read(self, name: str) -> bytes | None:
        """See `Place.read`."""
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise unreachable("read", self.join(name), error) from error

    def write(self, name: str, content: bytes) -> None:
        """See `Place.write`."""
        self.write_many({name: content})

    def write_many(self, files: Mapping[str, bytes]) -> None:
        """See `Place.write_many`; a folder is synced once for all files in it."""
        changed: dict[Path, None] = {}
        target = self._folder
        try:
            for name, content in files.items():
                target = self._path(name)
                changed |= dict.fromkeys(self._put(target, content))
            for folder in changed:
                _sync_folder(folder)
        except OSError as error:
            raise write_error(target, error) from error

    def _put(self, target: Path, content: bytes) -> list[Path]:
        """Write a file and give it its name; returns the folders in which names changed."""
        made = self._make_folder(target.parent)
        # a name of its own: two workers may write the same block when one was thought lost
        temporary = target.with_name(f"{UNFINISHED}{uuid.uuid4().hex[:12]}")
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
        # another worker may have made the folder, and not yet synced the one above it
        return [target.parent, target.parent.parent, *made]

    def names(self, folder: str = "") -> list[str]:
        """See `Place.names`."""
        try:
            return sorted(name for name in os.listdir(self._path(folder)) if not name.startswith("."))  # noqa: PTH208
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise unreachable("read", self.join(folder), error) from error

    def walk(self, folder: str = "") -> Iterator[FoundFile]:
        """See `Place.walk`."""
        for name in self.names(folder):
            own = posixpath.join(folder, name)
            path = self._path(own)
            if path.is_dir():
                yield from self.walk(own)
            else:
                with contextlib.suppress(FileNotFoundError):  # gone since it was listed
                    yield FoundFile(own, path.stat().st_size)

    def remove(self, name: str) -> None:
        """See `Place.remove`."""
        path = self._path(removable(name))
        if not os.path.lexists(path):
            return
        try:
            remove(path)
            _sync_folder(path.parent)
        except OSError as error:
            raise write_error(path, error) from error
        if os.path.lexists(path):
            raise OutputError(f"cannot remove {path}: files in it are in use, or may not be removed")

    def sweep(self, folder: str) -> None:
        """See `Place.sweep`."""
        for path in self._path(folder).rglob(f"{UNFINISHED}*"):
            with contextlib.suppress(OSError):  # a worker that is still alive was quicker
                path.unlink()

    def refuse_unwritable(self) -> None:
        """See `Place.refuse_unwritable`."""
        existing = nearest_existing(self._folder)
        if not os.access(existing, os.W_OK | os.X_OK):
            raise OutputError(f"cannot write {self._folder}: {existing} may only be read")

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """See `Place.exclusive`."""
        try:
            self._make_folder(self._folder)
            lock = exclusive_lock(self._folder / LOCK)
        except OutputError:
            raise
        except OSError as error:
            raise write_error(self._folder / LOCK, error) from error
        try:
            yield
        finally:
            lock.close()

    def _path(self, name: str) -> Path:
        return self._folder / plain_name(name)

    def _make_folder(self, folder: Path) -> list[Path]:
        """Make a folder and those above it; returns in which folders there is something new."""
        absent = [one for one in (folder, *folder.parents) if not one.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        return [one.parent for one in absent]


def plain_name(name: str) -> str:
    """`name` where it stays below the place.

    Raises
    ------
    InputValueError
        For a name that leads elsewhere.

    Examples
    --------
    >>> plain_name("../elsewhere")
    Traceback (most recent call last):
    braincodec.errors.InputValueError: '../elsewhere' is no name of a file below a store
    """
    if name and (name.startswith("/") or {"", ".", ".."} & set(name.split("/")) or set(name) & set("\\\0")):
        raise InputValueError(f"{name!r} is no name of a file below a store")
    return name


def removable(name: str) -> str:
    """`name` unless it is empty, which stands for the whole place."""
    if not name:
        raise InputValueError("a whole store is not removed")
    return name


def _sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can."""
    try:
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise
