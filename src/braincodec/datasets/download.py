"""A file of a data set that anybody may download: where it is, what it is called here, what is known of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath

from braincodec.errors import InputValueError, UnsafeFileError

DIGITS_OF = {"sha256": 64, "md5": 32}  # hexadecimal
CHECKSUM = re.compile(r"(sha256|md5):([0-9a-f]+)")


@dataclass(frozen=True)
class Download:
    """One file to fetch.

    Parameters
    ----------
    address : str
        ``https://...``; ``doi:10.5281/zenodo.1234/name`` for a file of a repository that pooch knows (Zenodo, figshare,
        Dataverse); or anything that fsspec opens, such as ``s3://bucket/name``.
    file : str
        Its path below the folder of the data set, with forward slashes.
    size : int, optional
        Bytes, where that is known.
    checksum : str, optional
        ``"sha256:..."`` or ``"md5:..."``, as its publishers state it.
    unpack_to : str, optional
        For a ``.zip`` or ``.tar`` archive: the folder, below that of the data set, which its content goes to; the
        archive is then not kept.
    subject : str, optional
        Whom it belongs to; None for what all subjects need.

    Raises
    ------
    InputValueError
        When a path leads out of the folder, or a checksum is none.

    Examples
    --------
    >>> Download("https://example.org/a.npy", "responses/a.npy", size=1200).subject is None
    True
    >>> Download("https://example.org/a.npy", "../a.npy")
    Traceback (most recent call last):
    braincodec.errors.UnsafeFileError: '../a.npy' leads out of the folder that it belongs in
    """

    address: str
    file: str
    size: int | None = None
    checksum: str | None = None
    unpack_to: str | None = None
    subject: str | None = None

    def __post_init__(self) -> None:
        check_inside(self.file)
        check_inside(self.unpack_to or ".")
        if not re.match(r"[a-z][a-z0-9+.-]*:", self.address):
            raise InputValueError(f"{self.address!r} is no address; expected https://..., doi:... or s3://...")
        found = CHECKSUM.fullmatch(self.checksum or "")
        if self.checksum is not None and (found is None or len(found[2]) != DIGITS_OF[found[1]]):
            raise InputValueError(
                f"checksum {self.checksum!r} of {self.file}: expected sha256: and 64, or md5: and 32, lower-case "
                "hexadecimal digits"
            )
        if self.size is not None and self.size < 0:
            raise InputValueError(f"size of {self.file} must not be negative, but it is {self.size}")


def check_inside(name: str) -> None:
    """Raise `UnsafeFileError` when a relative path leads out of its folder, on any system.

    Examples
    --------
    >>> check_inside("images/a.png")
    """
    windows, posix = PureWindowsPath(name), PurePosixPath(name)
    outside = posix.is_absolute() or windows.is_absolute() or bool(windows.drive or windows.root)
    if not name or outside or "\0" in name or ".." in (*posix.parts, *windows.parts):
        raise UnsafeFileError(f"{name!r} leads out of the folder that it belongs in")
