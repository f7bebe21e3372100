"""Patterns that visitors send to be decoded: read without running anything, and checked."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.app.uploads import UploadError, content_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"\x93NUMPY"
LONGEST_HEADER = 4096
MOST_VALUES = 4_000_000


def read_pattern(
    source: str | Path | bytes | NDArray[Any], expected: int, free: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """One pattern of responses.

    Parameters
    ----------
    source : path, bytes or array
        A ``.npy`` file, a table of numbers separated by commas, semicolons, tabs or spaces (one row or one column, with
        or without names above it), or an array. What a file is, is judged by its content.
    expected : int
        How many units the model has.
    free : array of bool, shape (expected,), optional
        Units that may be NaN, because the model does not look at them.

    Returns
    -------
    array of float32, shape (expected,)

    Raises
    ------
    UploadError
        Says what was expected.
    """
    wanted = f"expected one pattern of {expected:,} numbers, one for each unit of the model"
    if isinstance(source, np.ndarray):
        values: NDArray[Any] = source
    else:
        content = content_of(source, "pattern")
        values = _npy(content, wanted) if content.startswith(MAGIC) else _table(content, wanted)
    if values.dtype.kind not in "fiu":
        raise UploadError(f"the pattern holds {_kind(values.dtype)} and not real numbers; {wanted}")
    if values.size != expected or max(values.shape, default=0) != expected:
        raise UploadError(f"the pattern has the shape {_shape(values)}; {wanted}")
    flat = values.reshape(-1).astype(np.float64)
    bad = ~np.isfinite(flat) | (np.abs(flat) > np.finfo(np.float32).max)
    if free is not None:
        bad &= ~free
    if bad.any():
        raise UploadError(
            f"{int(bad.sum()):,} of {expected:,} values of the pattern are NaN, infinite or too large, the first is "
            f"number {int(np.flatnonzero(bad)[0]) + 1:,}; {wanted}"
        )
    return flat.astype(np.float32)


def _npy(content: bytes, wanted: str) -> NDArray[Any]:
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file, max_header_size=LONGEST_HEADER)
        if dtype.hasobject:
            raise UploadError(f"the .npy file holds Python objects, which are never loaded; {wanted}")
        needed = int(np.prod(shape, dtype=object)) * dtype.itemsize
        left = len(content) - file.tell()
        if needed != left:
            raise UploadError(f"the .npy file declares {needed:,} bytes of numbers and holds {left:,}; {wanted}")
        file.seek(0)
        return np.asarray(np.load(file, allow_pickle=False, max_header_size=LONGEST_HEADER))
    except UploadError:
        raise
    except Exception:  # noqa: BLE001  a header can be wrong in any way
        raise UploadError(f"the .npy file is damaged; {wanted}") from None


def _table(content: bytes, wanted: str) -> NDArray[np.float64]:
    hint = f"this is neither a .npy file nor a table of numbers; {wanted}"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UploadError(hint) from None
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines or "\0" in text:
        raise UploadError(hint)
    if not _is_numbers(lines[0]):
        lines = lines[1:]  # names
    rows = [_cells(line) for line in lines]
    if sum(map(len, rows)) > MOST_VALUES or not rows or len({len(row) for row in rows}) > 1:
        raise UploadError(hint if not rows else f"the rows of the table differ in length; {wanted}")
    try:
        return np.array([[float(cell) for cell in row] for row in rows])
    except ValueError:
        raise UploadError(hint) from None


def _cells(line: str) -> list[str]:
    return re.split(r"\s*[,;\t]\s*|\s+", line.strip().rstrip(",;"))


def _is_numbers(line: str) -> bool:
    try:
        return all(float(cell) is not None for cell in _cells(line))
    except ValueError:
        return False


def _kind(dtype: np.dtype[Any]) -> str:
    return {"U": "text", "S": "text", "b": "true and false", "c": "complex numbers"}.get(dtype.kind, str(dtype))


def _shape(values: NDArray[Any]) -> str:
    return " x ".join(f"{size:,}" for size in values.shape) or "a single number"
