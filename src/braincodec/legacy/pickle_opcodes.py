"""Instructions that make numbers, text and containers, each a small function on the machine (protocols 0 to 5)."""

from __future__ import annotations

import codecs
import struct
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from braincodec.legacy.inert import check_key

if TYPE_CHECKING:
    from braincodec.legacy.restricted_pickle import PickleMachine

MOST_DIGITS = 1000
NEWEST_PROTOCOL = 5
LONGEST_COPIED = 256
"""Byte strings up to this length are copied out of the buffer; longer ones stay views."""

MARK = object()
STOP = ord(".")
Opcode = Callable[["PickleMachine"], None]
OPCODES: dict[int, Opcode] = {}


def opcode(code: bytes) -> Callable[[Opcode], Opcode]:
    """Enter the decorated function under its instruction byte."""

    def add(function: Opcode) -> Opcode:
        OPCODES[code[0]] = function
        return function

    return add


def _constant(code: bytes, value: Any) -> None:
    OPCODES[code[0]] = lambda machine: machine.push(value)


def _empty(code: bytes, make: Callable[[], Any]) -> None:
    size = sys.getsizeof(make())

    def push(machine: PickleMachine) -> None:
        machine.guard.charge(size)  # a file of a few bytes could ask for very many
        machine.push(make())

    OPCODES[code[0]] = push


def _whole(code: bytes, size: int, *, signed: bool = False) -> None:
    OPCODES[code[0]] = lambda machine: machine.push(machine.number(size, signed=signed))


def _text(code: bytes, size: int, encoding: str, errors: str, *, signed: bool = False) -> None:
    def read(machine: PickleMachine) -> None:
        raw = machine.take(machine.number(size, signed=signed))
        machine.guard.charge(len(raw))
        machine.push(str(raw, encoding, errors))

    OPCODES[code[0]] = read


def _bytes(code: bytes, size: int) -> None:
    def read(machine: PickleMachine) -> None:
        raw = machine.take(machine.number(size))
        machine.push(bytes(raw) if len(raw) <= LONGEST_COPIED else raw)

    OPCODES[code[0]] = read


def _long(code: bytes, size: int) -> None:
    def read(machine: PickleMachine) -> None:
        count = machine.number(size)
        if count > MOST_DIGITS:
            raise machine.guard.refuse(f"holds a number of {count} bytes")
        machine.push(int.from_bytes(machine.take(count), "little", signed=True))

    OPCODES[code[0]] = read


def _last(code: bytes, count: int) -> None:
    def read(machine: PickleMachine) -> None:
        machine.push(tuple(reversed([machine.pop() for _ in range(count)])))

    OPCODES[code[0]] = read


def _get(code: bytes, index: Callable[[PickleMachine], int]) -> None:
    OPCODES[code[0]] = lambda machine: machine.push(machine.memo[index(machine)])


def _put(code: bytes, index: Callable[[PickleMachine], int]) -> None:
    def store(machine: PickleMachine) -> None:
        value = machine.pop()
        machine.push(value)
        machine.memo[index(machine)] = value

    OPCODES[code[0]] = store


_constant(b"(", MARK)
_constant(b"N", None)
_constant(b"\x88", True)
_constant(b"\x89", False)
_constant(b")", ())
_empty(b"]", list)
_empty(b"}", dict)
_empty(b"\x8f", set)
_whole(b"K", 1)
_whole(b"M", 2)
_whole(b"J", 4, signed=True)
_long(b"\x8a", 1)
_long(b"\x8b", 4)
_text(b"X", 4, "utf-8", "surrogatepass")
_text(b"\x8c", 1, "utf-8", "surrogatepass")
_text(b"\x8d", 8, "utf-8", "surrogatepass")
_text(b"T", 4, "latin1", "strict", signed=True)  # Python 2 kept bytes as text
_text(b"U", 1, "latin1", "strict")
_bytes(b"B", 4)
_bytes(b"C", 1)
_bytes(b"\x8e", 8)
_bytes(b"\x96", 8)
_last(b"\x85", 1)
_last(b"\x86", 2)
_last(b"\x87", 3)
_get(b"g", lambda machine: int(machine.line()))
_get(b"h", lambda machine: machine.number(1))
_get(b"j", lambda machine: machine.number(4))
_put(b"p", lambda machine: int(machine.line()))
_put(b"q", lambda machine: machine.number(1))
_put(b"r", lambda machine: machine.number(4))
_put(b"\x94", lambda machine: len(machine.memo))


@opcode(b"\x80")
def _protocol(machine: PickleMachine) -> None:
    version = machine.number(1)
    if version > NEWEST_PROTOCOL:
        raise machine.guard.damaged(f"pickle protocol {version}; the newest known one is {NEWEST_PROTOCOL}")


@opcode(b"\x95")
def _frame(machine: PickleMachine) -> None:
    if machine.number(8) > len(machine.buffer) - machine.position:
        raise machine.guard.damaged("a part that is longer than the file")


@opcode(b"0")
def _pop(machine: PickleMachine) -> None:
    machine.stack.pop()


@opcode(b"1")
def _pop_mark(machine: PickleMachine) -> None:
    machine.pop_to_mark()


@opcode(b"2")
def _duplicate(machine: PickleMachine) -> None:
    value = machine.pop()
    machine.push(value)
    machine.push(value)


@opcode(b"I")
def _integer_line(machine: PickleMachine) -> None:
    line = machine.line()
    machine.push({b"00": False, b"01": True}.get(line) if line in (b"00", b"01") else _decimal(machine, line))


@opcode(b"L")
def _long_line(machine: PickleMachine) -> None:
    machine.push(_decimal(machine, machine.line().rstrip(b"L")))


def _decimal(machine: PickleMachine, line: bytes) -> int:
    if len(line) > MOST_DIGITS:
        raise machine.guard.refuse(f"holds a number of {len(line)} digits")
    return int(line)


@opcode(b"F")
def _float_line(machine: PickleMachine) -> None:
    machine.push(float(machine.line()))


@opcode(b"G")
def _float(machine: PickleMachine) -> None:
    machine.push(struct.unpack(">d", machine.take(8))[0])


@opcode(b"S")
def _string_line(machine: PickleMachine) -> None:
    line = machine.line().strip()
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"'):
        raise machine.guard.damaged("text without quotation marks")
    machine.guard.charge(len(line))
    machine.push(str(codecs.escape_decode(line[1:-1])[0], "latin1"))


@opcode(b"V")
def _unicode_line(machine: PickleMachine) -> None:
    line = machine.line()
    machine.guard.charge(len(line))
    machine.push(str(line, "raw-unicode-escape"))


@opcode(b"t")
def _tuple(machine: PickleMachine) -> None:
    machine.push(tuple(machine.pop_to_mark()))


@opcode(b"l")
def _list(machine: PickleMachine) -> None:
    machine.push(machine.pop_to_mark())


@opcode(b"d")
def _dict(machine: PickleMachine) -> None:
    items = machine.pop_to_mark()
    machine.push({})
    _set_items(machine, items)


@opcode(b"\x91")
def _frozenset(machine: PickleMachine) -> None:
    machine.push(frozenset(check_key(item, machine.guard) for item in machine.pop_to_mark()))


@opcode(b"a")
def _append(machine: PickleMachine) -> None:
    item = machine.pop()
    machine.top(list).append(item)


@opcode(b"e")
def _append_many(machine: PickleMachine) -> None:
    items = machine.pop_to_mark()
    machine.top(list).extend(items)


@opcode(b"s")
def _set_item(machine: PickleMachine) -> None:
    value, key = machine.pop(), machine.pop()
    _set_items(machine, [key, value])


@opcode(b"u")
def _set_many(machine: PickleMachine) -> None:
    _set_items(machine, machine.pop_to_mark())


def _set_items(machine: PickleMachine, items: list[Any]) -> None:
    if len(items) % 2:
        raise machine.guard.damaged("a key without a value")
    target = machine.top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        target[check_key(key, machine.guard)] = value


@opcode(b"\x90")
def _add_many(machine: PickleMachine) -> None:
    items = machine.pop_to_mark()
    machine.top(set).update(check_key(item, machine.guard) for item in items)
