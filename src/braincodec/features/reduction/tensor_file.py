"""A safetensors file written a block of columns at a time, so that its tensors never exist whole."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

if TYPE_CHECKING:
    import torch


class TensorFile:
    """Write float32 tensors of known shapes in any order.

    Parameters
    ----------
    path : Path
        Where to write; use with `atomic_path`.
    shapes : mapping of str to tuple of int
    metadata : mapping of str to str

    Raises
    ------
    OSError
        When the disk has no room.

    Examples
    --------
    >>> import tempfile, torch
    >>> from safetensors.torch import load_file
    >>> path = Path(tempfile.mkdtemp()) / "a.safetensors"
    >>> with TensorFile(path, {"a": (2, 3)}, {}) as file:
    ...     file.write_columns("a", 1, torch.ones(2, 2))
    >>> load_file(path)["a"].tolist()
    [[0.0, 1.0, 1.0], [0.0, 1.0, 1.0]]
    """

    def __init__(self, path: Path, shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str]) -> None:
        self._shapes = dict(shapes)
        self._begin: dict[str, int] = {}
        header: dict[str, object] = {"__metadata__": dict(metadata)}
        end = 0
        for name, shape in self._shapes.items():
            begin, end = end, end + 4 * int(np.prod(shape))
            header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}
            self._begin[name] = begin
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)  # values lie at multiples of eight bytes
        self._data = 8 + len(text)
        size = self._data + end
        if shutil.disk_usage(path.parent).free < size:
            raise OSError(errno.ENOSPC, f"no space left for {size / 1e6:,.1f} MB")
        self._file = path.open("w+b")
        try:
            self._file.write(len(text).to_bytes(8, "little") + text)
            self._file.truncate(size)
            if hasattr(os, "posix_fallocate"):  # elsewhere a full disk is noticed when it is full
                os.posix_fallocate(self._file.fileno(), 0, size)
        except BaseException:
            self._file.close()
            raise

    def write(self, name: str, values: torch.Tensor) -> None:
        """Write a whole tensor."""
        self._write_at(self._begin[name], values)

    def write_columns(self, name: str, first: int, values: torch.Tensor) -> None:
        """Write the columns from `first` on of a matrix: (rows, columns)."""
        columns = self._shapes[name][1]
        for number, row in enumerate(values.float().cpu()):
            self._write_at(self._begin[name] + 4 * (number * columns + first), row)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _write_at(self, offset: int, values: torch.Tensor) -> None:
        content = np.ascontiguousarray(values.detach().float().cpu().numpy(), "<f4")
        self._file.seek(self._data + offset)
        self._file.write(content.tobytes())
