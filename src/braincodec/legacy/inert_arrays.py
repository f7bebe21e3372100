"""Arrays of a restricted pickle: every declared size is checked against the bytes present before anything is made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from braincodec.legacy.inert import Draft, Guard, Rebuild, element_count

LARGEST_COPY = 16 * 2**20
"""Unaligned arrays up to this many bytes are copied into aligned memory; larger ones stay views of the file."""

LAST_CODE_POINT = 0x10FFFF
_TYPE_CODE = re.compile(r"[biufcSUO][0-9]{0,9}")


def plain_dtype(code: Any, guard: Guard) -> np.dtype[Any]:
    """Data type of numbers, booleans, text or objects; structured and foreign ones are refused.

    Parameters
    ----------
    code : str
        Such as ``"<f4"``, ``"b1"``, ``"U12"`` or ``"O"``.
    guard : Guard

    Examples
    --------
    >>> plain_dtype("<f4", Guard("weights.npy", 100))
    dtype('float32')
    """
    order, kind = (code[0], code[1:]) if isinstance(code, str) and code[:1] in ("<", ">", "|", "=") else ("", code)
    if not isinstance(kind, str) or not _TYPE_CODE.fullmatch(kind):
        raise guard.damaged(f"the data type {str(code)[:40]!r}; expected numbers, booleans, text or objects")
    return np.dtype("O") if kind[0] == "O" else np.dtype(order + kind)


def array_from_bytes(data: Any, dtype: np.dtype[Any], shape: Any, order: str, guard: Guard) -> np.ndarray[Any, Any]:
    """Read-only array over `data`, which must hold exactly the bytes that shape and type ask for."""
    count = element_count(shape, guard)
    raw = memoryview(data.encode("latin1") if isinstance(data, str) else data)  # Python 2 kept bytes as text
    if dtype.hasobject or count * dtype.itemsize != raw.nbytes or (count and not dtype.itemsize):
        raise guard.damaged(f"an array that declares {count * dtype.itemsize} bytes and holds {raw.nbytes}")
    guard.charge(raw.nbytes)
    if not count:
        return np.empty(shape, dtype)
    array = np.frombuffer(raw, dtype)
    if not array.flags.aligned and array.nbytes <= LARGEST_COPY:
        guard.charge(array.nbytes)
        array = array.copy()
    if dtype.kind == "U" and array.view(np.dtype("u4").newbyteorder(dtype.byteorder)).max() > LAST_CODE_POINT:
        raise guard.damaged("text with characters that do not exist")
    array = array.reshape(shape, order="F" if order == "F" else "C")
    array.flags.writeable = False
    return array


def object_array(items: list[Any], shape: tuple[int, ...], order: str) -> np.ndarray[Any, Any]:
    """Array of objects, each kept as it is."""
    array = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        array[position] = item
    return array.reshape(shape, order="F" if order == "F" else "C")


class DraftDtype(Draft):
    """A data type whose byte order may still come."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.dtype = dtype

    def set_state(self, state: Any, guard: Guard) -> None:
        """Byte order; sub-arrays, fields and metadata are refused."""
        if not isinstance(state, tuple) or not 5 <= len(state) <= 9 or state[1] not in ("<", ">", "|", "="):
            raise guard.damaged("a data type with an unknown state")
        if any(part is not None for part in (*state[2:5], *state[8:])):
            raise guard.damaged("a structured data type; expected numbers, booleans, text or objects")
        if state[1] in "<>":
            self.dtype = self.dtype.newbyteorder(state[1])

    def take_apart(self, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
        """A finished data type."""
        return (), lambda _: self.dtype


class DraftArray(Draft):
    """An array; empty of meaning until its shape, type and content are given."""

    def __init__(self) -> None:
        self._array: np.ndarray[Any, Any] | None = None
        self._objects: tuple[list[Any], tuple[int, ...], str] | None = None

    def set_state(self, state: Any, guard: Guard) -> None:
        """State as NumPy writes it: version, shape, type, whether in Fortran order, bytes or list of objects."""
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], DraftDtype):
            raise guard.damaged("an array with an unknown state")
        _, shape, draft, fortran, data = state
        self.fill(data, draft.dtype, shape, "F" if fortran else "C", guard)

    def fill(self, data: Any, dtype: np.dtype[Any], shape: Any, order: str, guard: Guard) -> None:
        """Content of the array, once."""
        if self._array is not None or self._objects is not None:
            raise guard.damaged("an array that is filled twice")
        if not dtype.hasobject:
            if not isinstance(data, (bytes, bytearray, memoryview, str)):
                raise guard.damaged(f"an array of numbers whose content is a {type(data).__name__}")
            self._array = array_from_bytes(data, dtype, shape, order, guard)
            return
        count = element_count(shape, guard)
        if type(data) is not list or len(data) != count:
            raise guard.damaged(f"an array that declares {count} objects and does not hold as many")
        guard.charge(8 * count)
        self._objects = (data, shape, order)

    def take_apart(self, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
        """The array itself, or its objects, which may be unfinished."""
        if self._array is not None:
            array = self._array
            return (), lambda _: array
        if self._objects is None:
            raise guard.damaged("an array without content")
        items, shape, order = self._objects
        return items, lambda finished: object_array(finished, shape, order)


def scalar(dtype: np.dtype[Any], data: Any, guard: Guard) -> Any:
    """One NumPy number or text."""
    if not isinstance(data, (bytes, memoryview, str)):
        raise guard.damaged(f"a number whose content is a {type(data).__name__}")
    if dtype.kind in "SU" and not dtype.itemsize and not len(data):
        return dtype.type()
    return array_from_bytes(data, dtype, (), "C", guard)[()]
