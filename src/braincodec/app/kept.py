"""What is kept in memory as long as it fits: what was used longest ago goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Kept(Generic[Value]):
    """Values by key, within a number of bytes; safe to use from several threads.

    Parameters
    ----------
    most_bytes : int
    size_of : callable
        Bytes of a value.

    Examples
    --------
    >>> kept = Kept(5, len)
    >>> for key, value in {"a": "xx", "b": "xxx", "c": "x"}.items():
    ...     kept.put(key, value)
    >>> kept.get("a"), kept.get("b"), kept.nbytes
    (None, 'xxx', 4)
    """

    def __init__(self, most_bytes: int, size_of: Callable[[Value], int]) -> None:
        self.most_bytes = most_bytes
        self._size_of = size_of
        self._values: OrderedDict[Hashable, tuple[Value, int]] = OrderedDict()
        self._lock = threading.Lock()
        self.nbytes = 0

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: Hashable) -> Value | None:
        """The value, which counts as used now; None where it is not here (any more)."""
        with self._lock:
            if key not in self._values:
                return None
            self._values.move_to_end(key)
            return self._values[key][0]

    def put(self, key: Hashable, value: Value) -> None:
        """Keep a value; one that is larger than everything together may be is not kept."""
        size = self._size_of(value)
        with self._lock:
            self._drop(key)
            if size > self.most_bytes:
                return
            self._values[key] = (value, size)
            self.nbytes += size
            while self.nbytes > self.most_bytes:
                self._drop(next(iter(self._values)))

    def _drop(self, key: Hashable) -> None:
        if key in self._values:
            self.nbytes -= self._values.pop(key)[1]
