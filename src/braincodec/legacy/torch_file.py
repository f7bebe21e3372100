"""Torch checkpoints read without torch: the zip form of 1.6 and later, and the plain form before it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from braincodec.legacy.inert import Draft, Guard, Rebuild, element_count, finish
from braincodec.legacy.pickle_names import PLAIN_NAMES, Name
from braincodec.legacy.restricted_pickle import PickleMachine, read_pickle
from braincodec.legacy.zip_archive import ZipArchive

PLAIN_FORM_START = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""Magic number that opens a checkpoint written before torch 1.6, itself a pickle."""

PLAIN_FORM_VERSION = 1001
LARGEST_REPEATED = 2**20
"""Bytes that an expanded tensor, whose elements share memory, may have."""

STORAGE_TYPES = {
    "DoubleStorage": "f8",
    "FloatStorage": "f4",
    "HalfStorage": "f2",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "i8",
    "IntStorage": "i4",
    "ShortStorage": "i2",
    "CharStorage": "i1",
    "ByteStorage": "u1",
    "BoolStorage": "b1",
    "ComplexFloatStorage": "c8",
    "ComplexDoubleStorage": "c16",
}
_DTYPE_NAMES = (
    "float64 float32 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128 double float half long int"
)


@dataclass(eq=False)
class Storage(Draft):
    """A run of elements of one type that tensors view."""

    kind: str
    count: int
    data: memoryview | None = None

    @property
    def item_type(self) -> np.dtype[Any]:
        """Data type of one element as it lies in the file; brain floats as two plain bytes."""
        return np.dtype("u2" if self.kind == "bfloat16" else self.kind)

    def set_state(self, state: Any, guard: Guard) -> None:
        """Storages have no state."""
        raise guard.refuse_call("torch.storage.__setstate__")

    def take_apart(self, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
        """Not a value of its own."""
        raise guard.damaged("a torch storage outside a tensor")


class DraftTensor(Draft):
    """A tensor whose storage may still have to be read."""

    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.storage, self.offset, self.shape, self.strides = storage, offset, shape, strides

    def set_state(self, state: Any, guard: Guard) -> None:
        """Tensors have no state in the forms read here."""
        raise guard.refuse_call("torch.Tensor.__setstate__")

    def take_apart(self, guard: Guard) -> tuple[Sequence[Any], Rebuild]:
        """The array that views the storage."""
        array = self.view(guard)
        return (), lambda _: array

    def view(self, guard: Guard) -> np.ndarray[Any, Any]:
        """Read-only array of the storage, never reaching outside it."""
        item_type = self.storage.item_type
        if self.storage.data is None:
            raise guard.damaged("a tensor without its storage")
        count = math.prod(self.shape)
        if not count:
            return np.empty(self.shape, "f4" if self.storage.kind == "bfloat16" else item_type)
        last = self.offset + sum((n - 1) * stride for n, stride in zip(self.shape, self.strides, strict=True))
        size = count * item_type.itemsize
        if last >= self.storage.count:
            raise guard.refuse(f"asks for element {last} of a torch storage of {self.storage.count}")
        if size > max(len(self.storage.data), LARGEST_REPEATED):
            raise guard.refuse(f"declares a tensor of {size} bytes over a storage of {len(self.storage.data)}")
        guard.charge(size)
        array: np.ndarray[Any, Any] = np.ndarray(
            self.shape,
            item_type,
            buffer=self.storage.data,
            offset=self.offset * item_type.itemsize,
            strides=[stride * item_type.itemsize for stride in self.strides],
        )
        if self.storage.kind == "bfloat16":
            guard.charge(2 * size)
            array = (array.astype(np.uint32) << 16).view(np.float32)  # a brain float is the upper half of a float32
        array.flags.writeable = False
        return array


def _tensor(guard: Guard, storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> DraftTensor:
    if not isinstance(storage, Storage):
        raise guard.damaged("a tensor without a storage")
    element_count(shape, guard)
    element_count(strides, guard)
    if len(shape) != len(strides) or type(offset) is not int or offset < 0:
        raise guard.refuse("asks for a tensor with impossible strides or offset")
    return DraftTensor(storage, offset, shape, strides)


def _parameter(guard: Guard, tensor: Any, *_: Any) -> DraftTensor:
    if not isinstance(tensor, DraftTensor):
        raise guard.damaged("a parameter that is no tensor")
    return tensor


def _size(guard: Guard, dimensions: Any) -> tuple[int, ...]:
    if type(dimensions) in (list, tuple):
        element_count(tuple(dimensions), guard)
        return tuple(dimensions)
    raise guard.damaged("a torch size that is no tuple")


def _device(guard: Guard, kind: Any, index: Any = None) -> str:
    if type(kind) is not str or not (index is None or type(index) is int):
        raise guard.damaged("a torch device without a name")
    return kind if index is None else f"{kind}:{index}"


TORCH_NAMES: Mapping[tuple[str, str], Name] = {
    **PLAIN_NAMES,
    **{("torch", name): Name(f"torch.{name}", storage=kind) for name, kind in STORAGE_TYPES.items()},
    **{("torch", name): Name(f"torch.{name}", bare=f"torch.{name}") for name in _DTYPE_NAMES.split()},
    ("torch._utils", "_rebuild_tensor"): Name("torch._utils._rebuild_tensor", _tensor),
    ("torch._utils", "_rebuild_tensor_v2"): Name("torch._utils._rebuild_tensor_v2", _tensor),
    ("torch._utils", "_rebuild_parameter"): Name("torch._utils._rebuild_parameter", _parameter),
    ("torch", "Size"): Name("torch.Size", _size),
    ("torch", "device"): Name("torch.device", _device),
}
"""Names that a torch checkpoint of tensors, arrays and containers may use."""


def _storage_of(identity: Any, guard: Guard, longest: int) -> tuple[str, Storage]:
    """Key and storage that a persistent id names, its data not yet looked for."""
    if type(identity) is not tuple or len(identity) not in (5, 6) or identity[0] != "storage":
        raise guard.refuse("asks for an object outside itself that is no torch storage")
    _, kind, key, _, count = identity[:5]
    if type(kind) is not Name or not kind.storage or type(key) is not str or type(count) is not int or count < 0:
        raise guard.damaged("a torch storage without type, key or size")
    if identity[5:] not in ((), (None,)):
        raise guard.refuse("asks for a view of a torch storage in a form that torch no longer writes")
    storage = Storage(kind.storage, count)
    if count * storage.item_type.itemsize > longest:
        raise guard.refuse(f"declares a torch storage of {count} elements and holds {longest} bytes")
    return key, storage


def read_torch_archive(archive: ZipArchive) -> Any:
    """Value of a checkpoint in the zip form; tensors come back as read-only arrays.

    Parameters
    ----------
    archive : ZipArchive

    Raises
    ------
    UnsafeFileError, DamagedFileError
    """
    guard = archive.guard
    pickles = [name for name in archive.members if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise guard.damaged("a torch file with no or several pickles")
    folder = pickles[0].removesuffix("data.pkl")
    if f"{folder}constants.pkl" in archive.members:
        raise guard.refuse("is a TorchScript program, not a checkpoint")
    if f"{folder}byteorder" in archive.members and bytes(archive.read(f"{folder}byteorder")) != b"little":
        raise guard.damaged("a checkpoint in another byte order than little-endian")
    storages: dict[str, Storage] = {}

    def find_storage(identity: Any) -> Storage:
        member = archive.members.get(f"{folder}data/{identity[2]}" if _has_key(identity) else "")
        key, storage = _storage_of(identity, guard, member.file_size if member else 0)
        return _same_storage(storages, key, storage, guard, load=lambda: archive.read(f"{folder}data/{key}"))

    return read_pickle(archive.read(pickles[0]), guard, names=TORCH_NAMES, outside=find_storage)


def _has_key(identity: Any) -> bool:
    return type(identity) is tuple and len(identity) > 2 and type(identity[2]) is str


def _same_storage(
    storages: dict[str, Storage],
    key: str,
    storage: Storage,
    guard: Guard,
    load: Callable[[], memoryview] | None = None,
) -> Storage:
    """The storage already known under this key, or this one from now on."""
    known = storages.setdefault(key, storage)
    if (known.kind, known.count) != (storage.kind, storage.count):
        raise guard.damaged(f"the torch storage {key[:40]!r} with two types")
    if known is storage and load is not None:
        storage.data = load()
        if len(storage.data) != storage.count * storage.item_type.itemsize:
            raise guard.damaged(f"the torch storage {key[:40]!r} of another size than declared")
    return known


def read_plain_torch(buffer: memoryview, guard: Guard) -> Any:
    """Value of a checkpoint written before torch 1.6: four pickles, a list of keys, then the storages.

    Parameters
    ----------
    buffer : memoryview
        The whole file.
    guard : Guard

    Raises
    ------
    UnsafeFileError, DamagedFileError
    """
    storages: dict[str, Storage] = {}

    def find_storage(identity: Any) -> Storage:
        return _same_storage(storages, *_storage_of(identity, guard, len(buffer)), guard)

    parts = []
    position = 0
    for _ in range(5):  # magic number, version, machine, value, keys
        machine = PickleMachine(buffer, guard, TORCH_NAMES, find_storage, position)
        parts.append(machine.run())
        position = machine.position
    _, version, system, draft, keys = parts
    if version != PLAIN_FORM_VERSION or type(system) is not dict or system.get("little_endian") is not True:
        raise guard.damaged("an old torch checkpoint of an unknown version or byte order")
    if type(keys) is not list or sorted(map(str, keys)) != sorted(storages):
        raise guard.damaged("an old torch checkpoint whose storages are not those it uses")
    for key in keys:
        position = _read_plain_storage(buffer, position, storages[key], guard)
    return finish(draft, guard)


def _read_plain_storage(buffer: memoryview, position: int, storage: Storage, guard: Guard) -> int:
    """Find the storage's bytes; the position after them."""
    start = position + 8
    end = start + storage.count * storage.item_type.itemsize
    if int.from_bytes(buffer[position:start], "little") != storage.count or end > len(buffer):
        raise guard.damaged("an old torch checkpoint that ends inside a storage")
    storage.data = buffer[start:end]
    return end
