"""Files that try to run code, to read outside themselves, or to fill the memory; each must end in one clear error."""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

TEN_GB = 10 * 2**30


@dataclass(frozen=True)
class Hostile:
    """A file's name, its content given the canary that it would create, and what the error must say."""

    file: str
    content: Callable[[Path], bytes]
    says: str
    unsafe: bool = True


class Reduces:
    """An object that asks for `function(*arguments)` when it is unpickled in the ordinary way."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.answer = (function, arguments)

    def __reduce__(self) -> tuple[object, ...]:
        return self.answer


# --- pickles, instruction by instruction -----------------------------------------------------------------------------
def text(value: str) -> bytes:
    """Push text."""
    raw = value.encode()
    return b"X" + struct.pack("<I", len(raw)) + raw


def name(module: str, attribute: str) -> bytes:
    """Push what a name stands for."""
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: bytes) -> bytes:
    """Push the result of a call."""
    return function + b"(" + b"".join(arguments) + b"tR"


def pickled(*instructions: bytes) -> bytes:
    """A whole pickle."""
    return b"\x80\x04" + b"".join(instructions) + b"."


def instructions(value: object, protocol: int = 4) -> bytes:
    """What an ordinary pickle of `value` does, without its frame, memo and end."""
    plain = pickletools.optimize(pickle.dumps(value, protocol))
    return plain[2:-1] if plain[2:3] != b"\x95" else plain[11:-1]


def dtype(code: str = "f4") -> bytes:
    """Push a data type."""
    return call(name("numpy", "dtype"), text(code), b"\x89", b"\x88")


def array(state: bytes) -> bytes:
    """Push an array with the given state."""
    empty = call(
        name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), instructions((0,)), instructions(b"b")
    )
    return empty + state + b"b"


def array_state(shape: object, data: bytes, code: str = "f4") -> bytes:
    """Push an array's state."""
    return b"(" + b"K\x01" + instructions(shape) + dtype(code) + b"\x89" + data + b"t"


def shell(canary: Path) -> bytes:
    """Push the command that creates the canary."""
    return text(f"touch '{canary}'")


def runs(module: str, attribute: str) -> Callable[[Path], bytes]:
    """Content of a pickle that calls a name with a shell command."""
    return lambda canary: pickled(call(name(module, attribute), shell(canary)))


# --- files around them -----------------------------------------------------------------------------------------------
def npy(body: bytes, descr: str = "|O", shape: str = "()") -> bytes:
    """A .npy file."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def zipped(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    """A zip file."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    return file.getvalue()


def torch_zip(body: bytes, storages: dict[str, bytes] | None = None) -> bytes:
    """A torch checkpoint in the zip form."""
    members = {"weights/data.pkl": body, "weights/byteorder": b"little", "weights/version": b"3\n"}
    return zipped(members | {f"weights/data/{key}": data for key, data in (storages or {}).items()})


def storage(count: int, key: str = "0", kind: str = "FloatStorage") -> bytes:
    """Push a torch storage."""
    parts = text("storage") + name("torch", kind) + text(key) + text("cpu") + instructions(count)
    return b"(" + parts + b"tQ"


def tensor(count: int, offset: object, shape: object, strides: object, **storage_of: str) -> bytes:
    """Push a torch tensor."""
    rest = [instructions(part) for part in (offset, shape, strides, False)]
    function = name("torch._utils", "_rebuild_tensor_v2")
    return call(function, storage(count, **storage_of), *rest, call(name("collections", "OrderedDict")))


def torch_tensor(count: int, offset: object, shape: object, strides: object) -> Callable[[Path], bytes]:
    """Content of a checkpoint with one tensor over a storage of four numbers."""
    return lambda canary: torch_zip(pickled(tensor(count, offset, shape, strides)), {"0": bytes(16)})


def numpy_hiding_a_call(canary: Path) -> bytes:
    """An ordinary array of objects, one of which asks for a shell command."""
    file = io.BytesIO()
    np.save(
        file, np.array([1, {"coef_": Reduces(exec, f"open({str(canary)!r}, 'w')")}], dtype=object), allow_pickle=True
    )
    return file.getvalue()


def torch_hiding_a_call(canary: Path) -> bytes:
    """An ordinary checkpoint, one entry of which asks for a shell command."""
    import torch

    file = io.BytesIO()
    torch.save({"bias": torch.zeros(3), "best_params": Reduces(exec, f"open({str(canary)!r}, 'w')")}, file)
    return file.getvalue()


def deep(opening: bytes, closing: bytes, levels: int = 20_000) -> Callable[[Path], bytes]:
    """Containers inside containers."""
    return lambda canary: pickled(opening * levels, b"]", closing * levels)


def doubled(canary: Path) -> bytes:
    """A tuple that holds itself twice, sixty times over, as a key: hashing it would not end."""
    return pickled(b"}", b")", b"2\x86" * 60, b"K\x01s")


def repeated_bytes(canary: Path) -> bytes:
    """One megabyte of text, encoded 1,000 times."""
    once = text("a" * 2**20) + b"q\x00" + b"0"
    again = call(name("_codecs", "encode"), b"h\x00", text("latin1"))
    return pickled(once, b"](", again * 1000, b"e")


def twice_named(canary: Path) -> bytes:
    """A checkpoint with two pickles of the same name, the second behind the first's back."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("weights/data.pkl", pickled(b"N"))
        archive.writestr("weights/data.pkl ", runs("os", "system")(canary))
    return file.getvalue().replace(b"weights/data.pkl ", b"weights/data.pkl\x00")


RECORD = b")\x81".join([name("sklearn.decomposition._pca", "PCA"), b""])
ORDERED = call(name("collections", "OrderedDict"))
GETATTR = name("builtins", "getattr")

HOSTILE: dict[str, Hostile] = {
    # calls
    "os.system": Hostile("weights.pt", lambda c: torch_zip(runs("os", "system")(c)), "asks to run 'os.system'"),
    "posix.system": Hostile("weights.npy", lambda c: npy(runs("posix", "system")(c)), "asks to run 'posix.system'"),
    "eval": Hostile("a.pkl", runs("builtins", "eval"), "asks to run 'builtins.eval'"),
    "eval of Python 2": Hostile("a.pkl", runs("__builtin__", "eval"), "asks to run '__builtin__.eval'"),
    "exec": Hostile("a.pkl", runs("builtins", "exec"), "asks to run 'builtins.exec'"),
    "open": Hostile("a.pkl", lambda c: pickled(call(name("io", "open"), text(str(c)), text("w"))), "'io.open'"),
    "getattr": Hostile("a.pkl", lambda c: pickled(call(GETATTR, name("os", "path"), text("x"))), "'builtins.getattr'"),
    "attrgetter": Hostile("a.pkl", runs("operator", "attrgetter"), "'operator.attrgetter'"),
    "import": Hostile("a.pkl", runs("importlib", "import_module"), "'importlib.import_module'"),
    "__import__": Hostile("a.pkl", runs("builtins", "__import__"), "'builtins.__import__'"),
    "subprocess": Hostile("a.pkl", runs("subprocess", "check_output"), "'subprocess.check_output'"),
    "partial": Hostile("a.pkl", runs("functools", "partial"), "'functools.partial'"),
    "copyreg": Hostile("a.pkl", runs("copyreg", "_reconstructor"), "'copyreg._reconstructor'"),
    "runpy": Hostile(
        "a.pkl", runs("numpy.testing._private.utils", "runstring"), "'numpy.testing._private.utils.runstring'"
    ),
    "torch.load inside": Hostile("w.pt", lambda c: torch_zip(runs("torch", "load")(c)), "'torch.load'"),
    "joblib": Hostile("a.pkl", runs("joblib.numpy_pickle", "NumpyArrayWrapper"), "NumpyArrayWrapper"),
    "dotted attribute": Hostile(
        "a.pkl", lambda c: pickled(text("numpy"), text("os.system"), b"\x93"), "'numpy.os.system'"
    ),
    "dotted class": Hostile(
        "a.pkl", lambda c: pickled(text("numpy"), text("ndarray.__class__"), b"\x93"), "'numpy.ndarray.__class__'"
    ),
    "instance by name": Hostile("a.pkl", lambda c: b"(" + shell(c) + b"ios\nsystem\n.", "'os.system'"),
    "instance of an object": Hostile(
        "a.pkl", lambda c: b"(" + name("numpy", "dtype") + shell(c) + b"o.", "'numpy.dtype'"
    ),
    "new object": Hostile("a.pkl", lambda c: pickled(name("numpy", "dtype"), b")\x81"), "'numpy.dtype'"),
    "new object with arguments": Hostile(
        "a.pkl", lambda c: pickled(name("sklearn.decomposition._pca", "PCA"), shell(c), b"\x85\x81"), "PCA"
    ),
    "new object with keywords": Hostile(
        "a.pkl", lambda c: pickled(name("sklearn.decomposition._pca", "PCA"), b")}\x92"), "PCA"
    ),
    "call of ndarray": Hostile("a.pkl", lambda c: pickled(call(name("numpy", "ndarray"), b")")), "'numpy.ndarray'"),
    "call of text": Hostile("a.pkl", lambda c: pickled(text("os.system"), shell(c), b"\x85R"), "asks to run 'a str'"),
    "encode to rot13": Hostile(
        "a.pkl", lambda c: pickled(call(name("_codecs", "encode"), text("a"), text("rot13"))), "_codecs.encode"
    ),
    "extension 1": Hostile("a.pkl", lambda c: pickled(b"\x82\x01"), "extension 1"),
    "extension 2": Hostile("a.pkl", lambda c: pickled(b"\x83\x01\x00"), "extension 1"),
    "extension 4": Hostile("a.pkl", lambda c: pickled(b"\x84\x01\x00\x00\x00"), "extension 1"),
    "persistent id": Hostile("a.npy", lambda c: npy(pickled(shell(c), b"Q")), "persistent id"),
    "persistent line": Hostile("w.pt", lambda c: torch_zip(b"Pstorage\n."), "persistent id"),
    "persistent id of no storage": Hostile("w.pt", lambda c: torch_zip(pickled(shell(c), b"Q")), "no torch storage"),
    "outside buffer": Hostile("a.pkl", lambda c: pickled(b"\x97"), "buffer outside"),
    # state
    "class in a record": Hostile("a.pkl", lambda c: pickled(RECORD, instructions({"__class__": 1}), b"b"), "__class__"),
    "setstate in a record": Hostile(
        "a.pkl", lambda c: pickled(RECORD, instructions({"__setstate__": 1}), b"b"), "__setstate__"
    ),
    "class in a dict": Hostile("a.pkl", lambda c: pickled(ORDERED, instructions({"__class__": 1}), b"b"), "__class__"),
    "state of a list": Hostile("a.pkl", lambda c: pickled(b"]", instructions({"append": 1}), b"b"), "state of a list"),
    "state of a name": Hostile("a.pkl", lambda c: pickled(name("numpy", "dtype"), b"}b"), "numpy.dtype.__setstate__"),
    "state of a tensor": Hostile(
        "w.pt", lambda c: torch_zip(pickled(tensor(4, 0, (4,), (1,)), b"}b"), {"0": bytes(16)}), "__setstate__"
    ),
    # hidden in real files
    "numpy hiding a call": Hostile("pca_param.npy", numpy_hiding_a_call, "asks to run 'builtins.exec'"),
    "torch hiding a call": Hostile("weights.pt", torch_hiding_a_call, ".exec'"),
    "npz hiding a call": Hostile("a.npz", lambda c: zipped({"a.npy": numpy_hiding_a_call(c)}), "'builtins.exec'"),
    # zip files
    "checkpoint inside a checkpoint": Hostile("w.pt", lambda c: torch_zip(torch_hiding_a_call(c)), "persistent id"),
    "zip inside a zip": Hostile(
        "a.npz", lambda c: zipped({"a.npy": zipped({"a.npy": b""})}), "not a .npy file", unsafe=False
    ),
    "zip of something else": Hostile(
        "w.pt", lambda c: zipped({"evil.zip": zipped({})}), "holds evil.zip", unsafe=False
    ),
    "two pickles": Hostile("w.pt", twice_named, "twice"),
    "two folders": Hostile(
        "w.pt", lambda c: zipped({"a/data.pkl": pickled(b"N"), "b/data.pkl": pickled(b"N")}), "several", unsafe=False
    ),
    "program": Hostile(
        "w.pt", lambda c: zipped({"a/data.pkl": pickled(b"N"), "a/constants.pkl": pickled(b"N")}), "TorchScript"
    ),
    "zip bomb": Hostile(
        "a.npz", lambda c: zipped({"a.npy": bytes(100 * 2**20)}, zipfile.ZIP_DEFLATED), "times its size"
    ),
    "no member": Hostile("w.pt", lambda c: zipped({}), "holds nothing", unsafe=False),
    # sizes
    "10 GB in a .npy header": Hostile(
        "a.npy", lambda c: npy(bytes(64), "<f4", f"({TEN_GB // 4},)"), f"declares {TEN_GB} bytes", unsafe=False
    ),
    "overflowing .npy header": Hostile(
        "a.npy", lambda c: npy(bytes(64), "<f4", f"({2**62}, 4, 1)"), f"declares {2**66} bytes", unsafe=False
    ),
    "many objects in a .npy header": Hostile(
        "a.npy", lambda c: npy(pickled(array(array_state((1,), b"](Ne", "O"))), shape=f"({TEN_GB},)"), "declared", False
    ),
    "negative shape": Hostile("a.npy", lambda c: npy(b"", "<f4", "(-1,)"), "header other", unsafe=False),
    "10 GB array": Hostile(
        "a.pkl",
        lambda c: pickled(array(array_state((TEN_GB,), instructions(bytes(4)), "u1"))),
        f"declares {TEN_GB} bytes",
        unsafe=False,
    ),
    "10 GB of empty text": Hostile(
        "a.pkl", lambda c: pickled(array(array_state((TEN_GB,), instructions(b""), "S0"))), "declares 0", unsafe=False
    ),
    "numbers as objects": Hostile(
        "a.pkl", lambda c: pickled(array(array_state((1,), instructions(bytes(8)), "O"))), "objects", unsafe=False
    ),
    "structured type": Hostile(
        "a.pkl", lambda c: pickled(dtype("V8"), instructions((3, "|", None, ("a",), {}, 8, 1, 16)), b"b"), "V8", False
    ),
    "10 GB of bytes": Hostile(
        "a.pkl", lambda c: pickled(b"\x8e" + struct.pack("<Q", TEN_GB) + b"abc"), "ends at byte", unsafe=False
    ),
    "10 GB frame": Hostile(
        "a.pkl", lambda c: pickled(b"\x95" + struct.pack("<Q", TEN_GB)), "longer than the file", unsafe=False
    ),
    "huge number": Hostile(
        "a.pkl", lambda c: pickled(b"\x8b" + struct.pack("<I", 10**6) + b"\x01" * 10**6), "number of"
    ),
    "huge decimal": Hostile("a.pkl", lambda c: b"L" + b"9" * 10**6 + b"L\n.", "digits"),
    "10 GB torch storage": Hostile("w.pt", torch_tensor(TEN_GB // 4, 0, (TEN_GB // 4,), (1,)), "storage of"),
    "10 GB torch tensor": Hostile("w.pt", torch_tensor(4, 0, (TEN_GB // 4,), (0,)), "declares a tensor"),
    "torch offset": Hostile("w.pt", torch_tensor(4, 1, (4,), (1,)), "element 4 of a torch storage of 4"),
    "torch strides": Hostile("w.pt", torch_tensor(4, 0, (2, 2), (3, 1)), "element 4 of a torch storage of 4"),
    "torch huge strides": Hostile("w.pt", torch_tensor(4, 0, (2,), (2**63,)), "of a torch storage of 4"),
    "torch negative offset": Hostile("w.pt", torch_tensor(4, -1, (1,), (1,)), "impossible strides or offset"),
    "torch negative stride": Hostile("w.pt", torch_tensor(4, 3, (4,), (-1,)), "whole numbers", unsafe=False),
    "torch missing stride": Hostile("w.pt", torch_tensor(4, 0, (2, 2), (1,)), "impossible strides or offset"),
    "torch key outside": Hostile(
        "w.pt",
        lambda c: torch_zip(pickled(tensor(4, 0, (4,), (1,), key="../version")), {"0": bytes(16)}),
        "storage of 4 elements and holds 0",
    ),
    "torch storage of two types": Hostile(
        "w.pt",
        lambda c: torch_zip(pickled(storage(4), storage(2, kind="DoubleStorage"), b"\x86"), {"0": bytes(16)}),
        "two types",
        unsafe=False,
    ),
    "encoded again and again": Hostile("a.pkl", repeated_bytes, "more memory"),
    "empty sets without end": Hostile("a.pkl", lambda c: pickled(b"\x8f" * 350_000, b"N"), "more memory"),
    "name of many lines": Hostile(
        "w.pt",
        lambda c: torch_zip(pickled(b"N")).replace(b"weights/data.pkl", b"weights\ndata\npkl", 1),
        "cannot be read",
        False,
    ),
    "hash without end": Hostile("a.pkl", doubled, "key of type tuple", unsafe=False),
    "deep lists": Hostile("a.pkl", deep(b"]", b"a"), "nested more than", unsafe=False),
    "deep tuples": Hostile("a.pkl", lambda c: pickled(b"N" + b"\x85" * 20_000), "nested more than", unsafe=False),
    "list in itself": Hostile("a.pkl", lambda c: pickled(b"]q\x00h\x00a"), "contains itself", unsafe=False),
    "array in itself": Hostile(
        "a.pkl",
        lambda c: pickled(array(b"q\x00" + array_state((1,), b"]h\x00a", "O"))),
        "contains itself",
        unsafe=False,
    ),
    # damage
    "empty": Hostile("weights.pt", lambda c: b"", "is empty", unsafe=False),
    "one byte": Hostile("weights.pt", lambda c: b"P", "begins with", unsafe=False),
    "text": Hostile("weights.pt", lambda c: b"<html>not found</html>", "begins with", unsafe=False),
    "HDF5": Hostile("weights.pt", lambda c: b"\x89HDF\r\n\x1a\n" + bytes(64), "it is an HDF5 file", unsafe=False),
    "truncated zip": Hostile("w.pt", lambda c: torch_zip(pickled(b"N"))[:-30], "directory", unsafe=False),
    "truncated .npy": Hostile("a.npy", lambda c: npy(bytes(8), "<f4", "(4,)"), "declares 16 bytes", unsafe=False),
    "number of six bytes": Hostile("a.npy", lambda c: npy(bytes(6), "<f6", "(1,)"), "not understood", unsafe=False),
    "truncated header": Hostile("a.npy", lambda c: npy(b"")[:20], "header", unsafe=False),
    "header that computes": Hostile("a.npy", lambda c: npy(b"", shape="(10**9,)"), "header", unsafe=False),
    "bytes after the end": Hostile("a.pkl", lambda c: pickled(b"N") + b"N.", "after its end", unsafe=False),
    "bare name": Hostile("a.pkl", lambda c: pickled(name("numpy", "dtype")), "bare name 'numpy.dtype'", unsafe=False),
    "bare storage": Hostile(
        "w.pt", lambda c: torch_zip(pickled(storage(4)), {"0": bytes(16)}), "outside a tensor", False
    ),
    "unfilled array": Hostile(
        "a.pkl",
        lambda c: pickled(call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), b")", b"N")),
        "without content",
        unsafe=False,
    ),
    "future protocol": Hostile("a.pkl", lambda c: b"\x80\x09N.", "protocol 9", unsafe=False),
    "impossible characters": Hostile(
        "a.npy", lambda c: npy(b"\xff\xff\xff\xff", "<U1", "(1,)"), "characters", unsafe=False
    ),
}
