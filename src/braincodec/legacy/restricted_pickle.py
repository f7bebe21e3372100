"""A pickle machine that can build values and can do nothing else: no import, no attribute, no call into other code.

It works on a buffer, which may be a mapped file: long byte strings stay views of it, so that arrays of a large file
cost no memory until they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from braincodec.legacy import pickle_calls  # noqa: F401  enters its instructions
from braincodec.legacy.inert import Guard, finish
from braincodec.legacy.pickle_names import PLAIN_NAMES, Name
from braincodec.legacy.pickle_opcodes import MARK, OPCODES, STOP

MOST_OPCODES = 10_000_000
"""Bounds time and memory; a list of a million names takes about two million."""


def read_pickle(
    buffer: memoryview,
    guard: Guard,
    *,
    names: Mapping[tuple[str, str], Name] = PLAIN_NAMES,
    outside: Callable[[Any], Any] | None = None,
) -> Any:
    r"""The value of a pickle that fills the buffer.

    Parameters
    ----------
    buffer : memoryview of bytes
    guard : Guard
        Name of the file, for messages, and its memory budget.
    names : mapping, optional
        ``(module, attribute)`` to what it stands for.
    outside : callable, optional
        Turns a persistent id (a torch storage) into a draft.

    Returns
    -------
    object
        Containers, numbers, text, read-only arrays and `PickledRecord`; byte arrays come back as bytes.

    Raises
    ------
    UnsafeFileError
        When the pickle asks for anything else, named in the message.
    DamagedFileError
        When it is truncated or makes no sense.

    Examples
    --------
    >>> read_pickle(memoryview(b"\x80\x02]q\x00(K\x01K\x02e."), Guard("numbers.pkl", 13))
    [1, 2]
    """
    machine = PickleMachine(buffer, guard, names, outside)
    draft = machine.run()
    if machine.position != len(buffer):
        raise guard.damaged(f"{len(buffer) - machine.position} bytes after its end")
    return finish(draft, guard)


class PickleMachine:
    """Stack, memo and position of one pickle being read."""

    def __init__(
        self,
        buffer: memoryview,
        guard: Guard,
        names: Mapping[tuple[str, str], Name],
        outside: Callable[[Any], Any] | None,
        position: int = 0,
    ) -> None:
        self.buffer, self.guard, self.position = buffer, guard, position
        self.names, self.outside = names, outside
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The unfinished value; `position` is then one past the pickle's end."""
        for _ in range(MOST_OPCODES):
            code = self.take(1)[0]
            if code == STOP:
                value = self.pop()
                if self.stack:
                    raise self.guard.damaged("values left over at its end")
                return value
            opcode = OPCODES.get(code)
            if opcode is None:
                raise self.guard.damaged(f"the unknown instruction {code:#04x} at byte {self.position - 1}")
            opcode(self)
        raise self.guard.refuse(f"holds more than {MOST_OPCODES} instructions")

    def take(self, count: int) -> memoryview:
        """The next `count` bytes."""
        end = self.position + count
        if count < 0 or end > len(self.buffer):
            raise self.guard.damaged(f"it ends at byte {len(self.buffer)}, before byte {end} that it asks for")
        taken = self.buffer[self.position : end]
        self.position = end
        return taken

    def number(self, size: int, *, signed: bool = False) -> int:
        """The next little-endian whole number."""
        return int.from_bytes(self.take(size), "little", signed=signed)

    def line(self) -> bytes:
        """The next line, without its end."""
        size = 64
        while True:
            piece = bytes(self.buffer[self.position : self.position + size])
            end = piece.find(b"\n")
            if end >= 0:
                self.position += end + 1
                return piece[:end]
            if len(piece) < size:
                raise self.guard.damaged("it ends inside a line")
            size *= 2

    def push(self, value: Any) -> None:
        """Put a value on the stack."""
        self.stack.append(value)

    def pop(self) -> Any:
        """Take the last value from the stack."""
        value = self.stack.pop()
        if value is MARK:
            raise self.guard.damaged("a missing value")
        return value

    def top(self, kind: type) -> Any:
        """The last value of the stack, which must be of the given kind."""
        if type(self.stack[-1]) is not kind:
            raise self.guard.damaged(f"items for a {kind.__name__} that is none")
        return self.stack[-1]

    def pop_to_mark(self) -> list[Any]:
        """Take everything since the last mark."""
        for start in range(len(self.stack) - 1, -1, -1):
            if self.stack[start] is MARK:
                items = self.stack[start + 1 :]
                del self.stack[start:]
                return items
        raise self.guard.damaged("a missing mark")

    def find(self, module: Any, attribute: Any) -> Name:
        """What a name stands for; a name outside the list is refused."""
        if type(module) is not str or type(attribute) is not str:
            raise self.guard.damaged("a name that is no text")
        name = self.names.get((module, attribute))
        if name is None:
            raise self.guard.refuse_call(f"{module}.{attribute}")
        return name
