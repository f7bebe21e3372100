"""Writing to an fsspec address, such as a bucket."""

from __future__ import annotations

import contextlib
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from braincodec.errors import BraincodecError, UnreachableError
from braincodec.folder import FoundFile
from braincodec.remote import S3, S3_PATIENCE, file_system, own_name, scheme_of, unreachable
from braincodec.synthesis.storage.in_threads import in_threads
from braincodec.synthesis.storage.place import Place, plain_name, removable

# that are under way at once
REQUESTS = 8


class RemotePlace(Place):
    """A folder at an fsspec address: a file is one request, after which it is there, or none of it is."""

    def __init__(self, address: str, **options: Any) -> None:
        self.address = address if address.endswith("://") else address.rstrip("/")
        if scheme_of(address) in S3 and "config_kwargs" not in options:
            options = {**options, "config_kwargs": S3_PATIENCE}
        self.options = options
        # s3fs would ask for the size of each file before it reads it, to fetch parts of large ones at once
        one_request = {"max_concurrency": 1} if scheme_of(address) in S3 else {}
        self._files, self._root = file_system(self.address, {**one_request, **options})

    def read(self, name: str) -> bytes | None:
        """See `Place.read`."""
        with self._reaching("read", name):
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except (FileNotFoundError, IsADirectoryError):
                return None

    def write(self, name: str, content: bytes) -> None:
        """See `Place.write`."""
        path = self._path(name)
        with self._reaching("write", name):
            try:
                self._files.pipe_file(path, content)
            except FileNotFoundError:
                if scheme_of(self.address) in S3:  # has no folders: the bucket is not there
                    raise
                self._files.makedirs(posixpath.dirname(path), exist_ok=True)
                self._files.pipe_file(path, content)

    def read_many(self, names: Iterable[str]) -> Iterator[bytes | None]:
        """See `Place.read_many`."""
        yield from in_threads(self.read, names, REQUESTS)

    def write_many(self, files: Mapping[str, bytes]) -> None:
        """See `Place.write_many`."""
        for _ in in_threads(lambda name: self.write(name, files[name]), files, REQUESTS):
            pass

    def names(self, folder: str = "") -> list[str]:
        """See `Place.names`."""
        return sorted(own_name(entry) for entry in self._entries(folder))

    def walk(self, folder: str = "") -> Iterator[FoundFile]:
        """See `Place.walk`."""
        path = self._path(folder)
        with self._reaching("read", folder):
            self._files.invalidate_cache()
            # one request for a thousand files, where a folder at a time would be one for each
            found: dict[str, dict[str, Any]] = self._files.find(path, detail=True)
        below = f"{path.strip('/')}/"
        entries = [(name.strip("/"), entry) for name, entry in found.items()]
        names = [(name.removeprefix(below), entry) for name, entry in entries if name.startswith(below)]
        for name, entry in sorted(names, key=lambda item: item[0].split("/")):
            if not any(part.startswith(".") for part in name.split("/")):
                yield FoundFile(posixpath.join(folder, name), entry.get("size"))

    def remove(self, name: str) -> None:
        """See `Place.remove`."""
        with self._reaching("write", name), contextlib.suppress(FileNotFoundError):
            self._files.invalidate_cache()
            self._files.rm(self._path(removable(name)), recursive=True)

    def sweep(self, folder: str) -> None:
        """See `Place.sweep`; a request that was cut short leaves nothing."""

    def refuse_unwritable(self) -> None:
        """See `Place.refuse_unwritable`."""
        if scheme_of(self.address) not in S3:  # other systems make the folders that they lack
            return
        bucket = self._root.partition("/")[0]
        with self._reaching("write", ""), contextlib.suppress(PermissionError):  # may be asked for its files alone
            try:
                self._files.call_s3("head_bucket", Bucket=bucket)
            except FileNotFoundError:
                raise UnreachableError(f"cannot write {self.address}: there is no bucket {bucket!r}") from None

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, plain_name(name)) if name else self._root

    def _entries(self, folder: str) -> list[dict[str, Any]]:
        path = self._path(folder)
        with self._reaching("read", folder):
            self._files.invalidate_cache()  # others write here too
            try:
                found = self._files.ls(path, detail=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        own = path.strip("/")
        return [e for e in found if e["name"].strip("/") != own and not own_name(e).startswith(".")]

    @contextlib.contextmanager
    def _reaching(self, verb: str, name: str) -> Iterator[None]:
        """Turn whatever a file system raises into an error that names the address."""
        try:
            yield
        except BraincodecError:
            raise
        except Exception as error:  # every file system brings its own kinds
            raise unreachable(verb, self.join(name), error) from error
