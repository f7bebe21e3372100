"""Archives unpacked safely: nothing outside the folder, no links, nothing larger than the disk."""

from __future__ import annotations

import shutil
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from braincodec.atomic import remove, replace, write_error
from braincodec.datasets.download import check_inside
from braincodec.errors import DamagedFileError, OutputError, UnsafeFileError

COPY_BYTES = 4 * 2**20  # at a time
BAD_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, EOFError, RuntimeError, NotImplementedError, ValueError)
"""What the standard library raises on damaged or encrypted archives."""


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    size: int


def unpack(archive: Path, folder: Path, staging: Path) -> list[str]:
    """Unpack a .zip or .tar archive (compressed or not) into a folder.

    Everything is checked, then written to `staging`, and moved into place only when all of it is there.

    Parameters
    ----------
    archive, folder : Path
    staging : Path
        On the same disk; made here and removed again.

    Returns
    -------
    list of str
        Names of the files and folders at the top of the archive.

    Raises
    ------
    UnsafeFileError
        When a member would lie outside the folder, or is a link or a device.
    DamagedFileError
        When it is no such archive, is encrypted or damaged.
    OutputError
        When the disk cannot hold it.

    Examples
    --------
    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp())
    >>> with zipfile.ZipFile(place / "a.zip", "w") as made:
    ...     made.writestr("images/1.txt", "one")
    >>> unpack(place / "a.zip", place / "data", place / "staging")
    ['images']
    """
    remove(staging)
    try:
        staging.mkdir(parents=True)
        with _opened(archive) as opened:
            members = list(_members(opened, archive))
            _check_room(members, staging)
            for member in members:
                _extract(opened, member, staging / member.name)
        top = sorted(path.name for path in staging.iterdir())
        folder.mkdir(parents=True, exist_ok=True)
        for name in top:
            replace(staging / name, folder / name)
    except (DamagedFileError, OutputError):
        raise
    except BAD_ARCHIVE as error:
        raise DamagedFileError(f"{archive} cannot be unpacked: {error}") from None
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        remove(staging)
    return top


def _opened(archive: Path) -> zipfile.ZipFile | tarfile.TarFile:
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive)
    if tarfile.is_tarfile(archive):
        return tarfile.open(archive)
    raise DamagedFileError(f"{archive} is neither a .zip nor a .tar archive, or it is truncated")


def _members(opened: zipfile.ZipFile | tarfile.TarFile, archive: Path) -> Iterator[Member]:
    """The files of an archive; folders are made as they are needed."""
    if isinstance(opened, zipfile.ZipFile):
        for info in opened.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            _check(info.filename, archive, plain=kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.flag_bits & 1:
                raise DamagedFileError(f"{archive} is encrypted; it cannot be unpacked without its password")
            if not info.is_dir():
                yield Member(info.filename, info.file_size)
        return
    for entry in opened.getmembers():
        _check(entry.name, archive, plain=entry.isreg() or entry.isdir())
        if entry.isreg():
            yield Member(entry.name, entry.size)


def _check(name: str, archive: Path, *, plain: bool) -> None:
    if not plain:
        raise UnsafeFileError(f"{archive} holds {name!r}, which is a link or a device; nothing was unpacked")
    try:
        check_inside(name)
    except UnsafeFileError as error:
        raise UnsafeFileError(f"{archive} holds {error}; nothing was unpacked") from None


def _check_room(members: list[Member], folder: Path) -> None:
    needed, free = sum(member.size for member in members), shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(f"unpacking takes {needed / 1e9:,.1f} GB, but {free / 1e9:,.1f} GB are free at {folder}")


def _extract(opened: zipfile.ZipFile | tarfile.TarFile, member: Member, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source: IO[bytes] | None
    source = opened.open(member.name) if isinstance(opened, zipfile.ZipFile) else opened.extractfile(member.name)
    assert source is not None
    written = 0
    with source, target.open("xb") as file:
        while block := source.read(COPY_BYTES):
            written += file.write(block)
            if written > member.size:  # more than was checked against the disk
                break
    if written != member.size:
        raise DamagedFileError(f"{member.name} has {written:,} bytes in the archive instead of {member.size:,}")
