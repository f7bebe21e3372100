"""What is fetched of a data set: files with their sizes, and the record beside the data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from braincodec.datasets.download import Download
from braincodec.datasets.transfer import Facts
from braincodec.errors import DamagedFileError

RECORD = "fetched.json"  # beside the data: what was fetched, from where, with which checksum
State = Literal["here", "begun", "to fetch"]


@dataclass(frozen=True)
class FetchedFile:
    """One file, fetched or to be fetched.

    Attributes
    ----------
    download : Download
    size : int or None
        Bytes; None where the address does not say.
    have : int
        Bytes of it that are here.
    state : {"here", "begun", "to fetch"}
    sha256 : str
        Of the whole file; empty before it is here.
    facts : Facts or None
        What the address said, where it was asked.
    """

    download: Download
    size: int | None
    have: int
    state: State
    sha256: str = ""
    facts: Facts | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Fetched:
    """What `fetch` did, or would do.

    Attributes
    ----------
    name : str
    root : Path
    files : tuple of FetchedFile
    how_to_get : str
        Of the data set: it also says what cannot be fetched.
    """

    name: str
    root: Path
    files: tuple[FetchedFile, ...]
    how_to_get: str = ""

    @property
    def missing_bytes(self) -> int:
        """How many are still to come, as far as addresses say."""
        return sum((file.size or 0) - file.have for file in self.files if file.state != "here")

    @property
    def complete(self) -> bool:
        """Whether every file is here."""
        return all(file.state == "here" for file in self.files)

    def __str__(self) -> str:
        waiting = [file for file in self.files if file.state != "here"]
        unknown = sum(file.size is None for file in waiting)
        size = shown_size(self.missing_bytes) + (f" and {unknown} of unknown size" if unknown else "")
        first = f"{self.name}: {len(waiting)} of {len(self.files)} files to fetch into {self.root}, {size}"
        if not waiting:
            first = f"{self.name}: all {len(self.files)} files are in {self.root}"
        lines = [
            f"  {file.state:<9}{'?' if file.size is None else shown_size(file.size):>10}  {file.download.file}"
            for file in self.files
        ]
        return "\n".join([first, *lines, *([f"  also: {self.how_to_get}"] if self.how_to_get else [])])


def shown_size(count: int) -> str:
    """A number of bytes for people.

    Examples
    --------
    >>> shown_size(1_234_567)
    '1.2 MB'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= scale:
            return f"{count / scale:,.1f} {unit}"
    return f"{count} B"


def checksum_of(path: Path, kind: str = "sha256") -> str:
    """Checksum of a file as ``"sha256:..."`` or ``"md5:..."``."""
    import pooch

    return f"{kind}:{pooch.file_hash(str(path), alg=kind)}"


def read_record(root: Path) -> dict[str, dict[str, Any]]:
    """What was fetched into a folder: address, size, sha256 and date by file name; empty where there is no record."""
    try:
        files = json.loads((root / RECORD).read_text())["files"]
        return {str(name): dict(entry) for name, entry in files.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{root / RECORD} cannot be read: {error}; remove it to fetch anew") from None
