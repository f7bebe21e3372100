"""Names a pickle may use, each standing for one of our own inert builders; the real callables are never looked up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from braincodec.legacy.inert import Draft, DraftRecord, Guard, Rebuild, check_key
from braincodec.legacy.inert_arrays import DraftArray, DraftDtype, plain_dtype, scalar

Builder = Callable[..., Any]


@dataclass(frozen=True, eq=False)
class Name(Draft):
    """A name found in a pickle.

    Parameters
    ----------
    text : str
        Module and attribute, for messages and records.
    call : callable, optional
        ``call(guard, *arguments)`` makes what a call of this name stands for; without it, no call is allowed.
    makes_record : bool
        Whether instances may also be made without arguments, as classes are pickled.
    storage : str
        Data type that a torch storage class holds.
    bare : str, optional
        Text that the name itself stands for in a finished value.
    """

    text: str
    call: Builder | None = None
    makes_record: bool = False
    storage: str = ""
    bare: str | None = None

    def set_state(self, state: Any, guard: Guard) -> None:
        """Names have no state."""
        raise guard.refuse_call(f"{self.text}.__setstate__")

    def take_apart(self, guard: Guard) -> tuple[tuple[()], Rebuild]:
        """Text for the few names that are values; others have no place in a finished value."""
        if self.bare is None:
            raise guard.damaged(f"the bare name {self.text!r}")
        return (), lambda _: self.bare


def _array(guard: Guard, kind: Any, *_: Any) -> DraftArray:
    if not isinstance(kind, Name) or kind not in _ARRAY_CLASSES:
        raise guard.damaged("an array of an unknown class")
    return DraftArray()


def _array_of_buffer(guard: Guard, data: Any, dtype: Any, shape: Any, order: Any) -> DraftArray:
    if not isinstance(dtype, DraftDtype) or dtype.dtype.hasobject:
        raise guard.damaged("an array of an unknown data type")
    array = DraftArray()
    array.fill(data, dtype.dtype, shape, order, guard)
    return array


def _dtype(guard: Guard, code: Any, *_: Any) -> DraftDtype:
    return DraftDtype(plain_dtype(code, guard))


def _scalar(guard: Guard, dtype: Any, data: Any = b"") -> Any:
    if not isinstance(dtype, DraftDtype):
        raise guard.damaged("a number of an unknown data type")
    return scalar(dtype.dtype, data, guard)


def _encode(guard: Guard, text: Any, encoding: Any) -> bytes:
    """Bytes, which pickles of protocol 2 hold as text."""
    if type(text) is not str or encoding not in ("latin1", "latin-1"):
        raise guard.refuse_call(f"_codecs.encode to {encoding!r}")
    guard.charge(len(text))
    return text.encode("latin1")


def _bytes(guard: Guard, *arguments: Any) -> Any:
    """Content of a bytes or bytearray object, as it is."""
    if arguments and not isinstance(arguments[0], (bytes, memoryview, str)):
        raise guard.damaged("bytes that are made of something else")
    if arguments and isinstance(arguments[0], str):
        return _encode(guard, arguments[0], "latin1")
    return arguments[0] if arguments else b""


def _elements(guard: Guard, arguments: tuple[Any, ...]) -> list[Any]:
    if not arguments:
        return []
    if len(arguments) > 1 or type(arguments[0]) not in (list, tuple):
        raise guard.damaged("a set or dict that is made of something else")
    guard.charge(64 * len(arguments[0]))
    return list(arguments[0])


def _set(guard: Guard, *arguments: Any) -> set[Any]:
    return {check_key(element, guard) for element in _elements(guard, arguments)}


def _frozenset(guard: Guard, *arguments: Any) -> frozenset[Any]:
    return frozenset(_set(guard, *arguments))


def _ordered_dict(guard: Guard, *arguments: Any) -> dict[Any, Any]:
    pairs = _elements(guard, arguments)
    if not all(type(pair) in (list, tuple) and len(pair) == 2 for pair in pairs):
        raise guard.damaged("a dict that is not made of pairs")
    return {check_key(key, guard): value for key, value in pairs}


def _complex(guard: Guard, real: Any, imaginary: Any) -> complex:
    if type(real) is not float or type(imaginary) is not float:
        raise guard.damaged("a complex number that is not made of two numbers")
    return complex(real, imaginary)


def _slice(guard: Guard, *arguments: Any) -> slice:
    if not 1 <= len(arguments) <= 3:
        raise guard.damaged("a slice without bounds")
    return slice(*arguments)


def record_maker(text: str) -> Builder:
    """Builder of inert records; what they were made of is dropped, their state follows."""

    def make(guard: Guard, *_: Any) -> DraftRecord:
        return DraftRecord(text)

    return make


def _records(label: str, *addresses: tuple[str, str]) -> dict[tuple[str, str], Name]:
    return {address: Name(label, record_maker(label), makes_record=True) for address in addresses}


def _everywhere(modules: tuple[str, ...], name: str, call: Builder) -> dict[tuple[str, str], Name]:
    return {(module, name): Name(f"{module}.{name}", call) for module in modules}


_BUILTINS = ("builtins", "__builtin__")
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_NDARRAY = Name("numpy.ndarray")
_MEMMAP = Name("numpy.memmap")
_ARRAY_CLASSES = (_NDARRAY, _MEMMAP)

PLAIN_NAMES: Mapping[tuple[str, str], Name] = {
    **_everywhere(_MULTIARRAY, "_reconstruct", _array),
    **_everywhere(_MULTIARRAY, "scalar", _scalar),
    **_everywhere(_NUMERIC, "_frombuffer", _array_of_buffer),
    **_everywhere(("numpy",), "dtype", _dtype),
    **_everywhere(("_codecs",), "encode", _encode),
    **_everywhere(_BUILTINS, "bytes", _bytes),
    **_everywhere(_BUILTINS, "bytearray", _bytes),
    **_everywhere(_BUILTINS, "set", _set),
    **_everywhere(_BUILTINS, "frozenset", _frozenset),
    **_everywhere(_BUILTINS, "complex", _complex),
    **_everywhere(_BUILTINS, "slice", _slice),
    **_everywhere(("collections",), "OrderedDict", _ordered_dict),
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "memmap"): _MEMMAP,
    ("numpy.core.memmap", "memmap"): _MEMMAP,
    ("numpy._core.memmap", "memmap"): _MEMMAP,
    **_records("argparse.Namespace", ("argparse", "Namespace")),
    **_records(
        "sklearn.decomposition.PCA", ("sklearn.decomposition._pca", "PCA"), ("sklearn.decomposition.pca", "PCA")
    ),
    **_records(
        "sklearn.preprocessing.StandardScaler",
        ("sklearn.preprocessing._data", "StandardScaler"),
        ("sklearn.preprocessing.data", "StandardScaler"),
    ),
    **_records(
        "sklearn.linear_model.LinearRegression",
        ("sklearn.linear_model._base", "LinearRegression"),
        ("sklearn.linear_model.base", "LinearRegression"),
    ),
    # random states that an estimator may carry
    **_records("numpy.random.RandomState", ("numpy.random._pickle", "__randomstate_ctor")),
    **_records("numpy.random.MT19937", ("numpy.random._pickle", "__bit_generator_ctor")),
    ("numpy.random._mt19937", "MT19937"): Name("numpy.random.MT19937"),
}
"""Names that any pickle of arrays, containers and the estimators of published encoding models may use."""
