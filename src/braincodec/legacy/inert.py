"""What a restricted pickle may build: plain values, arrays and inert records, checked against a memory budget."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from braincodec.errors import DamagedFileError, UnsafeFileError

MOST_LEVELS = 100
"""Containers inside containers; published files have about six."""

ALLOWANCE = 64 * 2**20
"""Bytes a small file may ask for beyond a few times its own size."""

LONGEST_NAME = 120
LONGEST_REASON = 300
PLAIN_TYPES = frozenset({type(None), bool, int, float, complex, str, bytes})
KEY_TYPES = (type(None), bool, int, float, str, bytes, np.integer, np.floating, np.bool_)
LARGEST_KEY = 2**64

Rebuild = Callable[[list[Any]], Any]


@dataclass(frozen=True)
class PickledRecord:
    """The attributes of an object whose class was not imported and whose code was not run.

    Parameters
    ----------
    class_name : str
        Such as ``"sklearn.decomposition.PCA"``.
    state : dict
        Attribute names to values.

    Examples
    --------
    >>> PickledRecord("sklearn.decomposition.PCA", {"whiten": False}).state["whiten"]
    False
    """

    class_name: str
    state: dict[str, Any]


class Guard:
    """Name of the file being read, for messages, and the memory it may still ask for.

    Parameters
    ----------
    where : str
    size : int
        Bytes of the file's content.
    """

    def __init__(self, where: str, size: int) -> None:
        self.where = where
        self._left = 4 * size + ALLOWANCE

    def charge(self, count: int) -> None:
        """Count `count` bytes, allocated or viewed, and refuse a file that asks for too many."""
        self._left -= count
        if self._left < 0:
            raise UnsafeFileError(f"{self.where} asks for more memory than a file of its size can fill; refused")

    def refuse_call(self, name: str) -> UnsafeFileError:
        """The error for a name that may not be called."""
        return UnsafeFileError(f"{self.where} asks to run {name[:LONGEST_NAME]!r}; refused")

    def refuse(self, what: str) -> UnsafeFileError:
        """The error for another request that only a hostile file makes."""
        return UnsafeFileError(f"{self.where} {_printable(what)}; refused")

    def damaged(self, what: str) -> DamagedFileError:
        """The error for content that no writer of these formats makes."""
        return DamagedFileError(f"{self.where} is damaged or not in the expected format: {_printable(what)}")


def _printable(text: str) -> str:
    """One short line, since parts of messages come from the file."""
    return "".join(character if character.isprintable() else "?" for character in text[:LONGEST_REASON])


class Draft(ABC):
    """A value under construction; a pickle can set its state and nothing else."""

    @abstractmethod
    def set_state(self, state: Any, guard: Guard) -> None:
        """Answer to the pickle's request to set the state."""

    @abstractmethod
    def take_apart(self, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
        """Unfinished parts, and the function that makes the finished value of the finished parts."""


class DraftRecord(Draft):
    """Becomes a `PickledRecord`."""

    def __init__(self, class_name: str) -> None:
        self.class_name = class_name
        self.state: dict[str, Any] = {}

    def set_state(self, state: Any, guard: Guard) -> None:
        """Attributes from a dict; any other state is kept whole under ``"state"``."""
        check_attributes(state if isinstance(state, dict) else {}, self.class_name, guard)
        self.state = dict(state) if isinstance(state, dict) else {"state": state}

    def take_apart(self, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
        """Values of the attributes."""
        names = list(self.state)
        return list(self.state.values()), lambda values: PickledRecord(
            self.class_name, dict(zip(names, values, strict=True))
        )


def check_attributes(state: dict[Any, Any], owner: str, guard: Guard) -> None:
    """Refuse attribute names that Python gives a meaning, such as ``__class__``."""
    for name in state:
        if not isinstance(name, str) or not name.isidentifier():
            raise guard.damaged(f"an attribute of {owner} that is no name")
        if name.startswith("__") or name.endswith("__"):
            raise guard.refuse_call(f"{owner}.{name}")


def check_key(key: Any, guard: Guard) -> Any:
    """A dict key or set element; only plain ones, since hashing nested tuples can take for ever."""
    if not isinstance(key, KEY_TYPES):
        raise guard.damaged(f"a key of type {type(key).__name__}")
    if type(key) is int and abs(key) >= LARGEST_KEY:
        raise guard.damaged("an integer key of more than 64 bits")
    return key


def element_count(shape: Any, guard: Guard) -> int:
    """Number of elements of a declared shape, exact however large."""
    if not isinstance(shape, tuple) or len(shape) > 32 or not all(type(n) is int and n >= 0 for n in shape):
        raise guard.damaged("an array whose shape is not a tuple of whole numbers")
    return math.prod(shape)


class _Finisher:
    """Copies the unfinished value into the finished one, each shared part once, without following cycles."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._done: dict[int, tuple[Any, int]] = {}
        self._begun: set[int] = set()

    def finish(self, value: Any, level: int = 0) -> tuple[Any, int]:
        """The finished value and how many levels of containers it holds."""
        if type(value) in PLAIN_TYPES or isinstance(value, np.generic):
            return value, 0
        key = id(value)
        if key in self._done:
            return self._done[key]
        if key in self._begun:
            raise self._guard.damaged("a value that contains itself")
        self._begun.add(key)
        parts, rebuild = take_apart(value, self._guard)
        finished = []
        height = 0
        for part in parts:
            item, below = self.finish(part, level + 1) if level < MOST_LEVELS else (None, MOST_LEVELS)
            finished.append(item)
            height = max(height, below + 1)
        if height > MOST_LEVELS:
            raise self._guard.damaged(f"containers nested more than {MOST_LEVELS} deep")
        self._done[key] = rebuild(finished), height
        return self._done[key]


def take_apart(value: Any, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
    """Parts of a container or draft, and how to put the finished parts together."""
    if isinstance(value, Draft):
        return value.take_apart(guard)
    kind = type(value)
    if kind in (list, tuple):
        return value, kind
    if kind is dict:
        return list(value.values()), lambda parts: dict(zip(value, parts, strict=True))
    if kind in (set, frozenset):
        return (), lambda _: value
    if kind is slice:
        return (value.start, value.stop, value.step), lambda parts: slice(*parts)
    if kind is memoryview:
        guard.charge(value.nbytes)
        return (), lambda _: bytes(value)
    raise guard.damaged(f"a {kind.__name__} that belongs to no value")


def finish(value: Any, guard: Guard) -> Any:
    """The finished value: containers, numbers, text, arrays and records only.

    Parameters
    ----------
    value : object
        What the pickle left: containers that may hold drafts.
    guard : Guard

    Raises
    ------
    DamagedFileError
        When it holds itself, is nested too deep, or a part of it was never completed.
    """
    return _Finisher(guard).finish(value)[0]
