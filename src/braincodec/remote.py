"""A folder at an fsspec address: listed there, its files fetched when asked for, checked, and kept in a cache."""

from __future__ import annotations

import contextlib
import hashlib
import json
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from braincodec.atomic import atomic_path, remove
from braincodec.errors import (
    BraincodecError,
    DamagedFileError,
    InputValueError,
    MissingExtraError,
    MissingFileError,
    UnreachableError,
)
from braincodec.extras import EXTRA_OF_PACKAGE
from braincodec.file_cache import cache_places, resumable_part, status_of
from braincodec.folder import Folder, FoundFile

CHUNK = 8 * 2**20
S3 = ("s3", "s3a")
PACKAGE_OF_SCHEME = {"s3": "s3fs", "s3a": "s3fs", "hf": "huggingface_hub"}
# what file systems call the mark that changes with a file's content, best first
VERSION_KEYS = (
    "ETag",
    "etag",
    "blob_id",
    "md5Hash",
    "content_md5",
    "mtime",
    "LastModified",
    "last_modified",
    "created",
)
# botocore would try for minutes to reach an address that is not there
S3_PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}


class RemoteFolder(Folder):
    """A folder at an fsspec address; fetched files are kept in a cache.

    A fetched file is checked by its size and, where the address gives one, its MD5. A cached file is used while its
    size, version and checksum at the address are what they were, and nobody has touched it here.

    Parameters
    ----------
    address : str
    cache : str or Path, optional
        Default: ``$BRAINCODEC_CACHE``, else ``~/.cache/braincodec``.
    **options
        Handed to the fsspec file system.
    """

    def __init__(self, address: str, *, cache: str | Path | None = None, **options: Any) -> None:
        self.address = address if address.endswith("://") else address.rstrip("/")
        self.options = options
        if scheme_of(address) in S3 and "config_kwargs" not in options:
            self.options = {**options, "config_kwargs": S3_PATIENCE}
        self._files, self._root = file_system(self.address, self.options)
        self.cache, self._notes = cache_places(self.address, options, cache)
        self._listed: dict[str, list[dict[str, Any]]] = {}
        # told how many bytes have come whenever some have
        self.on_bytes: Callable[[int], None] = lambda count: None
        # fsspec keeps one file system for all folders with the same options, with listings that may be old
        self._files.invalidate_cache()

    def names(self, folder: str = "") -> list[str]:
        """See `Folder.names`."""
        return sorted(name for entry in self._entries(folder) if (name := own_name(entry))[0] != ".")

    def is_file(self, name: str) -> bool:
        """See `Folder.is_file`."""
        return self._entry(name) is not None

    def local(self, name: str, what: str = "file", hint: str = "") -> Path:
        """See `Folder.local`."""
        entry = self._entry(name)
        if entry is None:
            raise MissingFileError(self.join(name), what, hint)
        target, note = self.cache / name, self._notes / f"{name}.json"
        if entry.get("size") is None or not _version(entry):
            with self._reading(name):
                entry = {**entry, **self._files.info(entry["name"])}
        stamp = {"size": entry.get("size"), "version": _version(entry)}
        with contextlib.suppress(OSError, ValueError, KeyError):
            known = json.loads(note.read_text())
            if known["stamp"] == stamp and known["cached"] == status_of(target):
                return target
        try:
            digest = self._fetch(name, entry, target)
        except BraincodecError:
            # the listing may be older than the file: look again when asked again
            self._listed.pop(posixpath.dirname(name), None)
            self._files.invalidate_cache()
            raise
        with atomic_path(note, overwrite=True) as temporary:
            temporary.write_text(json.dumps({"stamp": stamp, "cached": status_of(target), "sha256": digest}))
        return target

    def local_folder(self, name: str, what: str = "folder") -> Path:
        """See `Folder.local_folder`."""
        entries = self._entries(name)
        if not entries:
            raise MissingFileError(self.join(name), what)
        for entry in entries:
            own = posixpath.join(name, own_name(entry))
            if entry["type"] == "directory":
                self.local_folder(own, what)
            else:
                self.local(own, what)
        # files that are gone there would otherwise pass for parts of the folder
        expected = {own_name(entry) for entry in entries}
        for item in list((self.cache / name).iterdir()):
            if item.name not in expected:
                remove(item)
        return self.cache / name

    def lazy(self, name: str) -> tuple[str, dict[str, Any] | None]:
        """See `Folder.lazy`."""
        return self.join(name), self.options

    def walk(self, folder: str = "") -> Iterator[FoundFile]:
        """See `Folder.walk`."""
        for entry in sorted(self._entries(folder), key=own_name):
            own = posixpath.join(folder, own_name(entry))
            if own_name(entry)[0] == ".":
                continue
            if entry["type"] == "directory":
                yield from self.walk(own)
            else:
                if entry.get("size") is None:  # a web server's list of links does not say
                    with self._reading(own):
                        entry |= {"size": self._files.info(entry["name"]).get("size")}
                yield FoundFile(own, entry.get("size"))

    def has_checksum_of(self, name: str, path: Path) -> bool:
        """Whether the address states a checksum of the file, and it is that of `path`; nothing is fetched."""
        entry = self._entry(name) or {}
        large, tag = (entry.get("lfs") or {}).get("sha256"), str(entry.get("ETag", "")).strip('"')
        with path.open("rb") as file:
            if large is not None:
                return bool(hashlib.file_digest(file, "sha256").hexdigest() == large)
            return len(tag) == 32 and hashlib.file_digest(file, _md5).hexdigest() == tag

    def forget(self, name: str) -> None:
        """Drop a file from the cache, and what is known of its folder: it is asked for again."""
        remove(self.cache / name)
        self._listed.pop(posixpath.dirname(name), None)
        self._files.invalidate_cache()

    def _fetch(self, name: str, entry: dict[str, Any], target: Path) -> str:
        """Copy a file here, whole and checked or not at all; returns its SHA-256."""
        digest, md5, count = hashlib.sha256(), _md5(), 0
        stamp = json.dumps([entry.get("size"), _version(entry)]) if _version(entry) else None
        with resumable_part(target, self._notes / f"{name}.part", stamp) as part:
            with part.open("a+b") as copy:
                copy.seek(0)
                while block := copy.read(CHUNK):  # what an interrupted call has brought
                    digest.update(block)
                    md5.update(block)
                    count += len(block)
                for block in self._blocks(name, entry, count):
                    digest.update(block)
                    md5.update(block)
                    count += copy.write(block)
                    self.on_bytes(len(block))
            if entry.get("size") not in (None, count):
                raise DamagedFileError(
                    f"fetching {self.join(name)} gave {count:,} of {entry['size']:,} bytes; nothing was kept, try again"
                )
            tag = str(entry.get("ETag", "")).strip('"')
            # an S3 file uploaded in one part is tagged with its MD5, one of several parts has a dash in its tag
            large = (entry.get("lfs") or {}).get("sha256")  # of a large file on a model hub
            wrong = large not in (None, digest.hexdigest())
            if wrong or (len(tag) == 32 and tag != md5.hexdigest() and not self._encrypted(entry["name"])):
                raise DamagedFileError(
                    f"fetching {self.join(name)} gave other bytes than its checksum says; nothing was kept, try again"
                )
        return digest.hexdigest()

    def _blocks(self, name: str, entry: dict[str, Any], begin: int) -> Iterator[bytes]:
        if begin and begin == entry.get("size"):
            return
        with self._reading(name):
            source = self._files.open(entry["name"], "rb")
        with source:
            if begin:
                with self._reading(name):
                    source.seek(begin)
            while True:
                with self._reading(name):
                    block = source.read(CHUNK)
                if not block:
                    return
                yield block

    def _encrypted(self, path: str) -> bool:
        """Whether S3 keeps the file under a key of its owner's: its tag is no checksum then."""
        if not hasattr(self._files, "call_s3"):
            return False
        bucket, key, _ = self._files.split_path(path)
        with self._reading(path):
            head = self._files.call_s3("head_object", Bucket=bucket, Key=key)
        return "SSECustomerAlgorithm" in head or str(head.get("ServerSideEncryption", "")).startswith("aws:kms")

    def _entry(self, name: str) -> dict[str, Any] | None:
        folder, _, own = name.rpartition("/")
        for entry in self._entries(folder) if ".." not in folder.split("/") else []:
            if entry["type"] != "directory" and own_name(entry) == own:
                return entry
        return None

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        if folder not in self._listed:
            path = posixpath.join(self._root, folder) if folder else self._root
            found: list[dict[str, Any]] = []
            with contextlib.suppress(MissingFileError), self._reading(folder):
                found = self._files.ls(path, detail=True)
            own = path.rstrip("/")
            self._listed[folder] = [e for e in found if e["name"].rstrip("/") != own and _is_plain(own_name(e))]
        return self._listed[folder]

    @contextlib.contextmanager
    def _reading(self, name: str) -> Iterator[None]:
        """Turn whatever a file system raises into an error that names the address."""
        address = self.join(name) if name else self.address
        try:
            yield
        except BraincodecError:
            raise
        except FileNotFoundError as error:
            raise MissingFileError(address) from error
        except Exception as error:  # every file system brings its own kinds
            raise unreachable("read", address, error) from error


def unreachable(verb: str, address: str, error: Exception) -> UnreachableError:
    """What a file system raised, as an error that names the address and what helps."""
    hint = "; give credentials, or anon=True for a public bucket"
    if isinstance(error, PermissionError):
        return UnreachableError(f"no permission to {verb} {address}: {error}{hint}")
    reason = str(error) or type(error).__name__
    return UnreachableError(f"cannot {verb} {address}: {reason}{hint if 'redential' in reason else ''}")


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)


def own_name(entry: dict[str, Any]) -> str:
    """Last part of the name of a listed file or folder."""
    return str(entry["name"]).rstrip("/").rpartition("/")[2]


def scheme_of(address: str) -> str:
    """What comes before ``://``."""
    return address.partition("://")[0]


def file_system(address: str, options: dict[str, Any]) -> tuple[Any, str]:
    """The fsspec file system of an address, and the path in it.

    Raises
    ------
    MissingExtraError, InputValueError
        When what reads such addresses is not installed, or the options are not its own.
    """
    import fsspec

    scheme = scheme_of(address)
    try:
        return fsspec.url_to_fs(address, **options)
    except ImportError as error:
        package = PACKAGE_OF_SCHEME.get(scheme, scheme)
        if package in EXTRA_OF_PACKAGE:
            raise MissingExtraError(package, EXTRA_OF_PACKAGE[package], f"reading {scheme}:// addresses") from error
        raise InputValueError(f"cannot read {address}: {error}") from error  # fsspec says what to install
    except (ValueError, TypeError) as error:
        raise InputValueError(f"cannot read {address}: {error}") from error


def _is_plain(name: str) -> bool:
    # a bucket may hold any key: one with such a part would be written outside the cache
    return name not in ("", ".", "..") and not set(name) & set("\\?\0")


def _version(entry: dict[str, Any]) -> str:
    return next((str(entry[key]) for key in VERSION_KEYS if entry.get(key)), "")
