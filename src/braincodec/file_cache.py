"""Where files fetched from addresses are kept, and what was fetched before."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from braincodec.atomic import exclusive_lock, remove, replace, write_error
from braincodec.errors import BraincodecError, DamagedFileError, MissingFileError, OutputError, UnreachableError
from braincodec.folder import LocalFolder


def cache_folder(path: str | Path | None = None) -> Path:
    """Where fetched files are kept: `path`, or ``$BRAINCODEC_CACHE``, or ``~/.cache/braincodec``."""
    return Path(path or os.environ.get("BRAINCODEC_CACHE") or "~/.cache/braincodec").expanduser()


def cache_places(address: str, options: dict[str, Any], cache: str | Path | None) -> tuple[Path, Path]:
    """Where the files fetched from an address are kept, and the notes on each."""
    place = hashlib.sha256(f"{address} {sorted(options.items())!r}".encode()).hexdigest()[:16]
    return cache_folder(cache) / place / "files", cache_folder(cache) / place / "notes"


def status_of(path: Path) -> list[int]:
    """Size and time of last change: other ones mean that somebody touched the file."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


@contextlib.contextmanager
def resumable_part(target: Path, part: Path, stamp: str | None) -> Iterator[Path]:
    """The file that is being fetched, which becomes `target` when the block ends well.

    What came is kept when the connection breaks or the process is killed, and given again where the stamp is the same;
    it is removed when it is found damaged, or the disk is full.

    Parameters
    ----------
    target, part : Path
        The whole file, and the name that its beginning has meanwhile.
    stamp : str or None
        What tells one version of the file from another; None where nothing does, and then nothing is kept.
    """
    lock = None
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        note = part.with_name(f"{part.name}.stamp")
        try:
            lock = exclusive_lock(part.with_name(f"{part.name}.lock"))
        except OutputError:  # another process is fetching the same file
            stamp = None
        if stamp is None:
            part = part.with_name(f"{part.name}-{uuid.uuid4().hex[:12]}")
        elif not note.is_file() or note.read_text() != stamp:
            remove(part)
            note.write_text(stamp)
        yield part
        replace(part, target)
        if lock is not None:
            remove(note)
    except UnreachableError:
        if stamp is None:
            remove(part)
        raise
    except BraincodecError:
        remove(part)
        raise
    except OSError as error:
        remove(part)
        raise write_error(target, error) from error
    finally:
        if lock is not None:
            lock.close()


class CachedFolder(LocalFolder):
    """What was fetched before from an address, without asking the address: for working offline.

    Parameters are those of `RemoteFolder`; the same options find what was fetched with them.

    Raises
    ------
    MissingFileError
        When nothing was.
    """

    def __init__(self, address: str, *, cache: str | Path | None = None, **options: Any) -> None:
        address = address if address.endswith("://") else address.rstrip("/")
        files, self._notes = cache_places(address, options, cache)
        if not files.is_dir():
            raise MissingFileError(address, "offline copy", "fetch it once while online")
        super().__init__(files)
        self.address = address

    def local(self, name: str, what: str = "file", hint: str = "") -> Path:
        """See `Folder.local`; a file that was changed here since it was fetched is refused."""
        path = self._path / name
        if not path.is_file():
            raise MissingFileError(self.join(name), f"offline copy of the {what}", "fetch it once while online")
        try:
            known = json.loads((self._notes / f"{name}.json").read_text())["cached"]
        except (OSError, ValueError, KeyError) as error:
            raise DamagedFileError(f"{path} has no note of where it came from: fetch it again while online") from error
        if known != status_of(path):
            raise DamagedFileError(f"{path} was changed since it was fetched: fetch it again while online")
        return path
