"""Images in one array of a `.npz` file."""

from __future__ import annotations

import contextlib
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from braincodec.errors import DamagedFileError, InputValueError, MissingFileError, UnknownNameError
from braincodec.stimuli.sources.base import ArraySource, consecutive_runs, file_token
from braincodec.stimuli.sources.npy import NpyFile, NpyHeader, read_header

LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, then lengths of the name and of the extra field
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, NotImplementedError, ValueError)


def open_npz(
    path: Path, key: str | None = None, layout: str = "auto", value_range: tuple[float, float] | None = None
) -> ArraySource:
    """Open one array of a `.npz` file.

    An uncompressed array is memory-mapped. A compressed one is read as a stream: cheap in order, slow when jumping.

    Parameters
    ----------
    path : Path
    key : str, optional
        Name of the array; needed when several could be images.
    layout, value_range
        As for `ArraySource`.
    """
    if not path.is_file():
        raise MissingFileError(path, "array of images")
    try:
        with zipfile.ZipFile(path) as archive:
            member = _choose(archive, path, key)
            name = f"array {member.filename.removesuffix('.npy')!r} of {path}"
            with archive.open(member) as stream:
                header = read_header(stream, name, member.file_size)  # type: ignore[arg-type]
            start = _data_start(path, member)
    except InputValueError:
        raise
    except ZIP_ERRORS as error:
        raise DamagedFileError(f"{path} is no readable .npz file: {error}") from None
    if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
        return NpyFile(path, layout, value_range, name=name, start=start, available=member.file_size)
    if header.fortran_order:
        raise InputValueError(
            f"{name} is compressed and stored in Fortran order, which cannot be read image by image; "
            "save it with numpy.ascontiguousarray, or uncompressed"
        )
    return CompressedArray(path, member.filename, header, name, layout, value_range)


def _choose(archive: zipfile.ZipFile, path: Path, key: str | None) -> zipfile.ZipInfo:
    members = {m.filename.removesuffix(".npy"): m for m in archive.infolist() if m.filename.endswith(".npy")}
    if key is not None:
        if key not in members:
            raise UnknownNameError("array", key, choices=members, where=f"in {path}")
        return members[key]
    if len(members) > 1:
        stacks = {}
        for name, member in members.items():
            # objects and damaged arrays are no images; they matter only when asked for by name
            with contextlib.suppress(DamagedFileError), archive.open(member) as stream:
                if len(read_header(stream, name, member.file_size).shape) == 4:  # type: ignore[arg-type]
                    stacks[name] = member
        if len(stacks) != 1:
            names = ", ".join(stacks or members)
            raise InputValueError(f"{path} holds several arrays; name one of them with dataset=: {names}")
        members = stacks
    if not members:
        raise DamagedFileError(f"{path} holds no array")
    return next(iter(members.values()))


def _data_start(path: Path, member: zipfile.ZipInfo) -> int:
    with path.open("rb") as file:
        file.seek(member.header_offset)
        beginning = file.read(LOCAL_HEADER.size)
    if len(beginning) < LOCAL_HEADER.size:
        raise DamagedFileError(f"{path} is truncated")
    _, name_length, extra_length = LOCAL_HEADER.unpack(beginning)
    return member.header_offset + LOCAL_HEADER.size + int(name_length) + int(extra_length)


class CompressedArray(ArraySource):
    """A compressed array of a `.npz` file, decompressed as a stream and never held whole."""

    def __init__(
        self,
        path: Path,
        member: str,
        header: NpyHeader,
        name: str,
        layout: str,
        value_range: tuple[float, float] | None,
    ) -> None:
        super().__init__(name, header.shape, header.dtype, layout, value_range)
        self.path, self._member, self._offset = path, member, header.data_start
        self._stream: IO[bytes] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_stream": None, "_lock": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.Lock())

    def stored(self, index: slice | np.ndarray) -> np.ndarray:
        """A copy of the images; the stream goes forward from where it is, or begins anew."""
        positions = np.arange(index.start, index.stop) if isinstance(index, slice) else np.asarray(index)
        order = np.argsort(positions, kind="stable")
        images = np.empty((len(positions), *self.shape[1:]), self.dtype)
        done = 0
        with self._lock:
            for run in consecutive_runs(positions[order]):
                length = run.stop - run.start
                self._read_into(images[done : done + length], run.start)
                done += length
        if (order[:-1] < order[1:]).all():
            return images
        restored = np.empty_like(images)
        restored[order] = images
        return restored

    def _read_into(self, block: np.ndarray, position: int) -> None:
        target = memoryview(block.reshape(-1).view(np.uint8).data)
        try:
            stream = self._open()
            start = self._offset + position * self.image_bytes
            if stream.tell() != start:  # a seek, even to where it is, would switch off the check sum
                stream.seek(start)
            filled = 0
            while filled < len(target):
                got = stream.readinto(target[filled:])  # type: ignore[attr-defined]
                if not got:
                    raise EOFError("the data end too early")
                filled += got
        except ZIP_ERRORS as error:
            self._stream = None
            raise DamagedFileError(f"{self.name} is damaged: {error}") from None

    def _open(self) -> IO[bytes]:
        # a forked process must not share the position in its parent's stream
        if self._stream is None or self._owner != os.getpid():
            self._stream = zipfile.ZipFile(self.path).open(self._member)  # noqa: SIM115  kept for the next block
            self._owner = os.getpid()
        return self._stream

    def tokens(self, positions: np.ndarray) -> Iterator[bytes]:
        """Size and time of the file, with the array's name, layout, range and positions."""
        yield file_token(self.path)
        yield f"{self._member},{self.layout},{self.value_range};".encode()
        yield np.asarray(positions, "<i8").tobytes()
