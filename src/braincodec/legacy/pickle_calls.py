"""Instructions that name, call or set the state of something: answered by inert builders, or refused by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braincodec.legacy.inert import Draft, DraftRecord, check_attributes
from braincodec.legacy.pickle_names import Name
from braincodec.legacy.pickle_opcodes import OPCODES, opcode

if TYPE_CHECKING:
    from braincodec.legacy.restricted_pickle import PickleMachine


@opcode(b"c")
def _global(machine: PickleMachine) -> None:
    module = str(machine.line(), "utf-8")
    machine.push(machine.find(module, str(machine.line(), "utf-8")))


@opcode(b"\x93")
def _stack_global(machine: PickleMachine) -> None:
    attribute, module = machine.pop(), machine.pop()
    machine.push(machine.find(module, attribute))


@opcode(b"R")
def _call(machine: PickleMachine) -> None:
    arguments, name = machine.pop(), machine.pop()
    if type(name) is not Name or name.call is None:
        raise machine.guard.refuse_call(name.text if type(name) is Name else f"a {type(name).__name__}")
    if type(arguments) is not tuple:
        raise machine.guard.damaged(f"a call of {name.text} without arguments")
    machine.push(name.call(machine.guard, *arguments))


@opcode(b"\x81")
def _instance(machine: PickleMachine) -> None:
    arguments, name = machine.pop(), machine.pop()
    if type(name) is not Name or not name.makes_record or arguments != ():
        raise machine.guard.refuse_call(name.text if type(name) is Name else f"a {type(name).__name__}")
    machine.push(DraftRecord(name.text))


@opcode(b"b")
def _build(machine: PickleMachine) -> None:
    state = machine.pop()
    target = machine.stack[-1]
    if isinstance(target, Draft):
        target.set_state(state, machine.guard)
    elif type(target) is dict and type(state) is dict:
        check_attributes(state, "collections.OrderedDict", machine.guard)  # torch keeps version numbers there
    else:
        raise machine.guard.refuse(f"asks to set the state of a {type(target).__name__}")


@opcode(b"Q")
def _outside(machine: PickleMachine) -> None:
    identity = machine.pop()
    if machine.outside is None:
        raise machine.guard.refuse("asks for an object outside itself (a persistent id)")
    machine.push(machine.outside(identity))


@opcode(b"P")
def _outside_line(machine: PickleMachine) -> None:
    raise machine.guard.refuse("asks for an object outside itself (a persistent id)")


@opcode(b"i")
def _old_instance(machine: PickleMachine) -> None:
    module = str(machine.line(), "utf-8")
    raise machine.guard.refuse_call(f"{module}.{str(machine.line(), 'utf-8')}")


@opcode(b"o")
def _old_object(machine: PickleMachine) -> None:
    items = machine.pop_to_mark()
    raise machine.guard.refuse_call(items[0].text if items and type(items[0]) is Name else "an object without a class")


@opcode(b"\x92")
def _instance_with_keywords(machine: PickleMachine) -> None:
    name = machine.stack[-3]
    raise machine.guard.refuse_call(name.text if type(name) is Name else f"a {type(name).__name__}")


def _extension(code: bytes, size: int) -> None:
    def refuse(machine: PickleMachine) -> None:
        raise machine.guard.refuse_call(f"registered extension {machine.number(size)}")

    OPCODES[code[0]] = refuse


_extension(b"\x82", 1)
_extension(b"\x83", 2)
_extension(b"\x84", 4)


@opcode(b"\x97")
def _next_buffer(machine: PickleMachine) -> None:
    raise machine.guard.refuse("asks for a buffer outside itself")


@opcode(b"\x98")
def _read_only_buffer(machine: PickleMachine) -> None:
    """Buffers are read-only here in any case."""
