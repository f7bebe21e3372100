"""A folder that is read: on this machine, or at an fsspec address whose files are fetched when asked for."""

from __future__ import annotations

import abc
import contextlib
import hashlib
import json
import os
import posixpath
from pathlib import Path
from typing import Any

from braincodec.atomic import atomic_path
from braincodec.errors import BraincodecError, DamagedFileError, InputValueError, MissingExtraError, MissingFileError
from braincodec.extras import EXTRA_OF_PACKAGE

CHUNK = 8 * 2**20


def open_folder(address: str | Path, **options: Any) -> Folder:
    """The folder at `address`.

    Parameters
    ----------
    address : str or Path
        A path, or an address that fsspec understands, such as ``"s3://bucket/folder"``.
    **options
        Handed to fsspec, such as ``anon=True``; ``cache=`` names the folder for fetched files.

    Raises
    ------
    MissingFileError
        When a local path is no folder.
    """
    text = os.fspath(address)
    if "://" in text and not text.startswith("file://"):
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


class RemoteFolder(Folder):
    """A folder at an fsspec address; fetched files are kept in a cache and checked by size and checksum.

    Parameters
    ----------
    address : str
    cache : str or Path, optional
        Default: ``$BRAINCODEC_CACHE``, else ``~/.cache/braincodec``.
    **options
        Handed to the fsspec file system.
    """

    def __init__(self, address: str, *, cache: str | Path | None = None, **options: Any) -> None:
        import fsspec

        self.address = address.rstrip("/")
        scheme = address.partition("://")[0]
        try:
            self._files, self._root = fsspec.url_to_fs(self.address, **options)
        except ImportError as error:
            package = "s3fs" if scheme == "s3" else scheme
            extra = EXTRA_OF_PACKAGE.get(package, "remote")
            raise MissingExtraError(package, extra, f"reading {scheme}:// addresses") from error
        except ValueError as error:
            raise InputValueError(f"cannot read {address}: {error}") from error
        place = hashlib.sha256(f"{self.address} {sorted(options.items())!r}".encode()).hexdigest()[:16]
        self.cache = cache_folder(cache) / place
        self._listed: dict[str, list[dict[str, Any]]] = {}

    def names(self, folder: str = "") -> list[str]:
        """See `Folder.names`."""
        return sorted(entry["name"].rstrip("/").rpartition("/")[2] for entry in self._entries(folder))

    def is_file(self, name: str) -> bool:
        """See `Folder.is_file`."""
        return self._entry(name) is not None

    def local(self, name: str, what: str = "file", hint: str = "") -> Path:
        """See `Folder.local`; a cached copy is used while size and version at the address are unchanged."""
        entry = self._entry(name)
        target = self.cache / name
        if entry is None:
            raise MissingFileError(self.join(name), what, hint)
        stamp = {"size": entry.get("size"), "version": str(entry.get("ETag") or entry.get("mtime") or "")}
        note = target.with_name(f".{target.name}.json")
        with contextlib.suppress(OSError, ValueError):
            known = json.loads(note.read_text())
            if known["stamp"] == stamp and target.stat().st_size == known["bytes"]:
                return target
        digest = self._fetch(entry, target)
        with atomic_path(note, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"stamp": stamp, "bytes": target.stat().st_size, "sha256": digest}))
        return target

    def local_folder(self, name: str, what: str = "folder") -> Path:
        """See `Folder.local_folder`."""
        entries = self._entries(name)
        if not entries:
            raise MissingFileError(self.join(name), what)
        for entry in entries:
            own = posixpath.join(name, entry["name"].rstrip("/").rpartition("/")[2])
            if entry["type"] == "directory":
                self.local_folder(own, what)
            else:
                self.local(own, what)
        return self.cache / name

    def _fetch(self, entry: dict[str, Any], target: Path) -> str:
        digest, md5, count = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        with atomic_path(target, overwrite=True) as temporary:
            try:
                with self._files.open(entry["name"], "rb") as source, temporary.open("wb") as copy:
                    while block := source.read(CHUNK):
                        digest.update(block)
                        md5.update(block)
                        count += copy.write(block)
            except BraincodecError:
                raise
            except (FileNotFoundError, PermissionError, ConnectionError, TimeoutError) as error:
                raise DamagedFileError(f"fetching {self.join(entry['name'])} failed: {error}; try again") from error
            if entry.get("size") not in (None, count):
                raise DamagedFileError(
                    f"fetching {entry['name']} gave {count:,} of {entry['size']:,} bytes; nothing was kept, try again"
                )
            tag = str(entry.get("ETag", "")).strip('"')
            # the tag of a file uploaded in one part is its MD5; a dash marks several parts
            if len(tag) == 32 and "-" not in tag and tag != md5.hexdigest():
                raise DamagedFileError(
                    f"fetching {entry['name']} gave other bytes than its checksum says; nothing was kept"
                )
        return digest.hexdigest()

    def _entry(self, name: str) -> dict[str, Any] | None:
        folder, _, own = name.rpartition("/")
        for entry in self._entries(folder):
            if entry["type"] != "directory" and entry["name"].rpartition("/")[2] == own:
                return entry
        return None

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        if folder not in self._listed:
            path = posixpath.join(self._root, folder) if folder else self._root
            try:
                found = self._files.ls(path, detail=True)
            except FileNotFoundError:
                found = []
            except (PermissionError, OSError) as error:
                raise InputValueError(f"cannot list {self.join(folder)}: {error}") from error
            own = path.rstrip("/")
            self._listed[folder] = [entry for entry in found if entry["name"].rstrip("/") != own]
        return self._listed[folder]


def cache_folder(path: str | Path | None = None) -> Path:
    """Where fetched files are kept: `path`, or ``$BRAINCODEC_CACHE``, or ``~/.cache/braincodec``."""
    return Path(path or os.environ.get("BRAINCODEC_CACHE") or "~/.cache/braincodec").expanduser()
