"""Places that models are pushed to: folders here, and addresses that fsspec can write to."""

from __future__ import annotations

import abc
import contextlib
import json
import os
import posixpath
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from braincodec.artefact import CHECKSUMS
from braincodec.atomic import atomic_path
from braincodec.errors import BraincodecError, InputTypeError, InputValueError, MissingFileError, OutputError
from braincodec.progress import Advance
from braincodec.remote import S3, S3_PATIENCE, file_system, scheme_of, unreachable

# which files of an unfinished push are whole; hidden, so that no listing shows it
UNFINISHED = ".unfinished-push.json"
READ_ONLY = ("http", "https", "github", "zip", "tar")
LOCAL = ("", "file", "local")


@dataclass(frozen=True)
class Package:
    """One artefact on this machine, to be pushed.

    Attributes
    ----------
    place : str
        Its folder below the address; empty for the address itself.
    folder : Path
    sums : dict of str to str
        SHA-256 of each file, as in its ``checksums.json``.
    """

    place: str
    folder: Path
    sums: dict[str, str]

    def size(self, name: str) -> int:
        """Bytes of one file."""
        return (self.folder / name).stat().st_size

    def name(self, file: str) -> str:
        """A file's name below the address."""
        return posixpath.join(self.place, file)


class Destination(abc.ABC):
    """A place that artefacts are written to."""

    address: str

    @abc.abstractmethod
    def checksums(self, package: Package) -> dict[str, str] | None:
        """The sums of the artefact that lies there: None where no whole one does."""

    @abc.abstractmethod
    def whole(self, package: Package) -> set[str]:
        """Which of the package's files lie there already with the same content."""

    @abc.abstractmethod
    def prepare(self, private: bool | None) -> None:
        """Check what can be checked before anything is written, and make the place."""

    @abc.abstractmethod
    def put(self, package: Package, names: list[str], message: str, advance: Advance) -> None:
        """Write these files of the package, and last its ``checksums.json``."""


def open_destination(address: str | Path, **options: Any) -> Destination:
    """Where `address` says.

    Raises
    ------
    InputTypeError, InputValueError
        For what is no address, or one that can only be read.
    MissingExtraError
        When what writes to such addresses is not installed.
    """
    if not isinstance(address, str | os.PathLike):
        raise InputTypeError(f"models are pushed to a path or address, got {type(address).__name__}")
    text = os.fspath(address)
    scheme = scheme_of(text) if "://" in text else ""
    if scheme == "hf":
        from braincodec.transfer.hub import HubDestination

        return HubDestination(text, **options)
    if scheme in READ_ONLY:
        raise InputValueError(f"{text} can be read, not written to; push to a folder, s3://..., or hf://user/name")
    if scheme in LOCAL:
        if options:
            raise InputValueError(f"options {sorted(options)} are for remote addresses; {text} is a path")
        return FileDestination(str(Path(text.removeprefix(f"{scheme}://")).expanduser()))
    return FileDestination(text, **options)


class FileDestination(Destination):
    """A folder of a file system: on this machine, in a bucket, or wherever fsspec writes to."""

    def __init__(self, address: str, **options: Any) -> None:
        self.address = address.rstrip("/") if not address.endswith("://") else address
        self.local = "://" not in address
        if scheme_of(address) in S3 and "config_kwargs" not in options:
            options = {**options, "config_kwargs": S3_PATIENCE}
        self._files, self._root = file_system(self.address, options)
        self._files.invalidate_cache()  # fsspec keeps listings, which may be old, for all with the same options

    def checksums(self, package: Package) -> dict[str, str] | None:
        """See `Destination.checksums`."""
        return self._json(package.name(CHECKSUMS))

    def whole(self, package: Package) -> set[str]:
        """See `Destination.whole`."""
        noted = self.checksums(package) or self._json(package.name(UNFINISHED)) or {}
        equal = {name for name, value in package.sums.items() if noted.get(name) == value}
        return {name for name in equal if self._size(package.name(name)) == package.size(name)}

    def prepare(self, private: bool | None) -> None:
        """See `Destination.prepare`."""
        if private is not None:
            raise InputValueError(f"private= is for model hubs; who may read {self.address} is decided there")

    def put(self, package: Package, names: list[str], message: str, advance: Advance) -> None:
        """See `Destination.put`; `message` is for places that keep a history."""
        done = {name: package.sums[name] for name in self.whole(package)}
        self._remove(package.name(CHECKSUMS))  # from now on, and until the end, nobody takes it for whole
        for name in names:
            self._write(package.folder / name, package.name(name), advance)
            done[name] = package.sums[name]
            self._write_bytes(package.name(UNFINISHED), json.dumps(done).encode())
        self._write_bytes(package.name(CHECKSUMS), (package.folder / CHECKSUMS).read_bytes())
        self._remove(package.name(UNFINISHED))

    def _path(self, name: str) -> str:
        return posixpath.join(self._root, name)

    @contextlib.contextmanager
    def _reaching(self, verb: str, name: str) -> Iterator[None]:
        address = posixpath.join(self.address, name)
        try:
            yield
        except BraincodecError:
            raise
        except FileNotFoundError as error:
            raise MissingFileError(address) from error
        except Exception as error:  # every file system brings its own kinds
            raise unreachable(verb, address, error) from error

    def _json(self, name: str) -> dict[str, str] | None:
        try:
            with self._reaching("read", name):
                content = json.loads(self._files.cat_file(self._path(name)))
        except MissingFileError:
            return None
        except ValueError as error:
            raise OutputError(f"{posixpath.join(self.address, name)} is damaged: remove it first") from error
        return content if isinstance(content, dict) else None

    def _size(self, name: str) -> int | None:
        try:
            with self._reaching("read", name):
                size = self._files.info(self._path(name)).get("size")
                return None if size is None else int(size)
        except MissingFileError:
            return None

    def _write(self, source: Path, name: str, advance: Advance) -> None:
        if self.local:
            with atomic_path(self._path(name), overwrite=True) as temporary:
                shutil.copyfile(source, temporary)
            advance(source.stat().st_size)
            return
        with self._reaching("write", name):
            self._files.makedirs(posixpath.dirname(self._path(name)), exist_ok=True)
            self._files.put_file(str(source), self._path(name), callback=_callback(advance))
            self._files.invalidate_cache()
        size, found = source.stat().st_size, self._size(name)
        if found != size:
            raise OutputError(f"writing {posixpath.join(self.address, name)} left {found} of {size} bytes; push again")

    def _write_bytes(self, name: str, content: bytes) -> None:
        if self.local:
            with atomic_path(self._path(name), overwrite=True) as temporary:
                temporary.write_bytes(content)
            return
        with self._reaching("write", name):
            self._files.pipe_file(self._path(name), content)

    def _remove(self, name: str) -> None:
        with contextlib.suppress(MissingFileError), self._reaching("write", name):
            self._files.rm_file(self._path(name))
            self._files.invalidate_cache()


def _callback(advance: Callable[[int], None]) -> Any:
    """What fsspec tells of its progress, as bytes since the last time."""
    from fsspec.callbacks import Callback

    class Advancing(Callback):
        def relative_update(self, inc: int = 1) -> None:
            advance(inc)

    return Advancing()
