"""Zip files from strangers: members are bounded before they are opened, and stored ones are viewed in place."""

from __future__ import annotations

import zipfile
import zlib
from collections import Counter
from pathlib import Path

from braincodec.legacy.inert import ALLOWANCE, Guard

MOST_EXPANSION = 100
"""Times its own size that a compressed archive may grow to, beyond the allowance."""

READ_SIZE = 2**20
_LOCAL_HEADER = 30
_ENCRYPTED = 0x1
_BAD_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, ValueError, OSError, KeyError)


class ZipArchive:
    """Members of a zip file as read-only buffers.

    Parameters
    ----------
    path : Path
    buffer : memoryview
        The whole file, mapped or in memory.
    where : str
        Name of the file for messages.
    """

    def __init__(self, path: Path, buffer: memoryview, where: str) -> None:
        self.guard = Guard(where, len(buffer))
        self._path, self._buffer = path, buffer
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()
        except _BAD_ZIP as error:
            raise self.guard.damaged(f"a zip file without a readable directory ({error})") from error
        self._check(members)
        self.members = {member.filename: member for member in members}
        self.guard = Guard(where, max(len(buffer), sum(member.file_size for member in members)))

    def _check(self, members: list[zipfile.ZipInfo]) -> None:
        twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
        if twice:
            raise self.guard.refuse(f"holds the member {twice[0][:100]!r} twice")
        size = len(self._buffer)
        if sum(member.file_size for member in members) > MOST_EXPANSION * size + ALLOWANCE:
            raise self.guard.refuse(f"declares members of more than {MOST_EXPANSION} times its size")
        end = 0
        for member in sorted(members, key=lambda m: m.header_offset):
            if member.header_offset < end:
                raise self.guard.refuse("holds members that overlap")
            end = member.header_offset + _LOCAL_HEADER + len(member.filename) + member.compress_size
            if end > size:
                raise self.guard.damaged(f"its member {member.filename[:100]!r} goes on after the end of the file")
            if member.flag_bits & _ENCRYPTED:
                raise self.guard.refuse("is encrypted")
            if member.compress_type == zipfile.ZIP_STORED and member.compress_size != member.file_size:
                raise self.guard.damaged(f"its member {member.filename[:100]!r} has two sizes")

    def read(self, name: str) -> memoryview:
        """Content of a member, its checksum verified; a view of the file where it is stored uncompressed."""
        member = self.members.get(name)
        if member is None:
            raise self.guard.damaged(f"it lacks {name[:100]!r}")
        stored = member.compress_type == zipfile.ZIP_STORED
        content = bytearray()
        try:
            with zipfile.ZipFile(self._path) as archive, archive.open(member) as stream:
                while piece := stream.read(READ_SIZE):
                    if not stored:
                        content += piece
        except _BAD_ZIP as error:
            raise self.guard.damaged(f"its member {name[:100]!r} cannot be read ({error})") from error
        return self._view(member) if stored else memoryview(content).toreadonly()

    def _view(self, member: zipfile.ZipInfo) -> memoryview:
        header = self._buffer[member.header_offset : member.header_offset + _LOCAL_HEADER]
        lengths = int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")
        start = member.header_offset + _LOCAL_HEADER + lengths
        view = self._buffer[start : start + member.file_size]
        if len(view) != member.file_size:
            raise self.guard.damaged(f"its member {member.filename[:100]!r} goes on after the end of the file")
        return view
