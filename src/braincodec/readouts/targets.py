"""Responses read a block of units at a time, from an array, from something stored, or from a function."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError

BLOCK_BYTES = 64 * 2**20
Responses = Any  # anything of shape (stimuli, units) that can be sliced, or a function of a slice of units


class Sink(Protocol):
    """Where weights go, such as a memory map or a Zarr array: shape (features, units)."""

    shape: tuple[int, ...]

    def __setitem__(self, key: Any, value: Any) -> None: ...


@dataclass(frozen=True, eq=False)
class Targets:
    """What a readout is fitted to.

    Parameters
    ----------
    stimuli, units : int
    read : callable
        ``read(slice)`` gives an array of shape (stimuli, units of the slice).
    """

    stimuli: int
    units: int
    read: Callable[[slice], Any]

    def blocks(self, multiple: int = 1) -> Iterator[slice]:
        """Cut the units so that a block takes a few tens of megabytes, in whole tiles of `multiple` units."""
        size = max(1, BLOCK_BYTES // (8 * max(1, self.stimuli)) // multiple) * multiple
        for begin in range(0, self.units, size):
            yield slice(begin, min(self.units, begin + size))

    def block(self, units: slice) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """Read some units.

        Returns
        -------
        responses : array of float32 or float64, shape (stimuli, units of the slice)
        missing : array of bool, shape (units of the slice,)
            Units that are NaN for every stimulus.

        Raises
        ------
        InputTypeError, InputValueError
            When what was read has another shape, is not real, or has NaN for some stimuli only.
        """
        values = _as_array(self.read(units))
        expected = (self.stimuli, units.stop - units.start)
        if values.shape != expected:
            raise InputValueError(
                f"responses of units {units.start} to {units.stop - 1} have shape {values.shape}; expected {expected}"
            )
        if values.dtype.kind not in "biuf":
            raise InputTypeError(f"responses must hold real numbers, not {values.dtype}")
        if values.dtype not in (np.float32, np.float64):
            values = values.astype(np.float32 if values.dtype == np.float16 else np.float64)
        if _all_finite(values):
            return values, np.zeros(values.shape[1], bool)
        finite = np.isfinite(values)
        missing = np.isnan(values).all(axis=0)
        stray = ~finite.all(axis=0) & ~missing
        if stray.any():
            unit = int(stray.argmax())
            raise InputValueError(
                f"{stray.sum()} units have responses that are NaN or infinite for some stimuli, the first at stimulus "
                f"{finite[:, unit].argmin()}, unit {units.start + unit}; leave the unit or the stimulus out, or make "
                "all responses of the unit NaN, and it is not predicted"
            )
        return values, missing


def open_targets(responses: Responses, stimuli: int, units: int | None = None) -> Targets:
    """Look at responses without reading them.

    Parameters
    ----------
    responses : array_like, or callable
        Shape (stimuli, units): an array, a tensor, or something stored (memory map, HDF5, Zarr, lazy DataArray); or
        ``responses(slice)``, which gives the units of a slice.
    stimuli : int
        As many as there are rows of features.
    units : int, optional
        How many units a function can give.

    Raises
    ------
    InputTypeError, InputValueError
        When the numbers of stimuli disagree, or the number of units of a function is not known.

    Examples
    --------
    >>> open_targets(np.zeros((10, 3)), stimuli=10).units
    3
    """
    if callable(responses) and not hasattr(responses, "shape"):
        if isinstance(units, bool) or not isinstance(units, Integral) or units < 1:
            raise InputValueError(f"responses are a function, so units must say how many there are; got {units!r}")
        return Targets(stimuli, int(units), responses)
    if not hasattr(responses, "shape"):
        responses = np.asarray(responses)
    if "stimulus" in getattr(responses, "dims", ()):  # a DataArray says which dimension is which
        responses = responses.transpose("stimulus", ...)
    shape = tuple(responses.shape)
    if len(shape) != 2:
        raise InputValueError(f"responses must have shape (stimuli, units), not {shape}")
    if shape[0] != stimuli:
        raise InputValueError(f"features have {stimuli} stimuli and responses {shape[0]}; both must have the same")
    if not shape[1]:
        raise InputValueError("responses have no unit")
    if units not in (None, shape[1]):
        raise InputValueError(f"units is {units}, and responses have {shape[1]}")
    return Targets(stimuli, shape[1], lambda cut: responses[:, cut])


def as_features(name: str, features: Any) -> NDArray[Any]:
    """Features as an array of floats, shape (stimuli, features); refused when something is missing.

    Examples
    --------
    >>> as_features("features", [[1, 2], [3, 4]]).dtype
    dtype('float64')
    """
    array = _as_array(features)
    if array.dtype.kind not in "biuf":
        raise InputTypeError(f"{name} must hold real numbers, not {array.dtype}")
    if array.ndim != 2 or not all(array.shape):
        raise InputValueError(
            f"{name} must have shape (stimuli, features), with at least one of each; not {array.shape}"
        )
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype == np.float16 else np.float64)
    if not _all_finite(array):
        wrong = np.argwhere(~np.isfinite(array))
        if len(wrong):
            raise InputValueError(
                f"{name} have {len(wrong)} values that are NaN or infinite, the first at stimulus {wrong[0][0]}, "
                f"feature {wrong[0][1]}"
            )
    return array


def check_sink(sink: Sink | None, features: int, units: int) -> None:
    """Refuse a place for weights that has another shape than they have, or holds no floats.

    Examples
    --------
    >>> check_sink(np.zeros((4, 2)), features=4, units=2)
    """
    if sink is None:
        return
    if not hasattr(sink, "shape") or not hasattr(sink, "__setitem__"):
        raise InputTypeError(f"weights go into something array-like, not {type(sink).__name__}")
    dtype = np.dtype(getattr(sink, "dtype", np.float32))
    if dtype.kind != "f":
        raise InputTypeError(f"weights go into something that holds floats, not {dtype}")
    if tuple(sink.shape) != (features, units):
        raise InputValueError(
            f"weights go into something of shape {tuple(sink.shape)}; they have shape ({features}, {units}), "
            "(features, units)"
        )


def _as_array(values: Any) -> NDArray[Any]:
    # a tensor may lie on a GPU, and know its gradient
    return np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)


def _all_finite(values: NDArray[Any]) -> bool:
    # one sum is quicker than looking at each value; an overflow only costs the closer look
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(np.add.reduce(values, axis=None)))
