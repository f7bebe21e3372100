"""Ids and positions: what may name the stimuli of a set, and which of them are chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from braincodec.errors import InputTypeError, InputValueError


def as_names(ids: Sequence[object] | np.ndarray) -> np.ndarray:
    """Ids as an array of text.

    Examples
    --------
    >>> as_names([3, "b"]).tolist()
    ['3', 'b']
    """
    if isinstance(ids, str):
        raise InputTypeError(f"ids is the text {ids!r}; expected one id for each stimulus")
    if isinstance(ids, np.ndarray) and ids.dtype.kind == "U":
        return ids
    return np.array([str(name) for name in ids], dtype=np.str_)


def checked_ids(ids: Sequence[object] | np.ndarray, count: int) -> np.ndarray:
    """Ids as text, one for each of `count` stimuli, all different.

    Raises
    ------
    InputValueError
        When their number is wrong or one occurs twice.
    """
    names = as_names(ids)
    if names.ndim != 1 or len(names) != count:
        raise InputValueError(f"{len(names)} ids were given for {count} stimuli")
    repeated = first_repeated(names)
    if repeated is not None:
        raise InputValueError(f"the id {str(repeated)!r} occurs more than once; ids must be unique")
    return names


def first_repeated(values: np.ndarray) -> Any:
    """A value that occurs more than once, or None.

    Examples
    --------
    >>> int(first_repeated(np.array([4, 2, 4])))
    4
    """
    found, counts = np.unique(values, return_counts=True)
    return found[counts > 1][0] if (counts > 1).any() else None


def chosen_positions(chosen: np.ndarray, count: int, position_of: Callable[[str], int]) -> np.ndarray:
    """Positions that an index array stands for.

    Parameters
    ----------
    chosen : array
        Positions (negative ones from the end), a boolean mask, or ids.
    count : int
        Stimuli in the set.
    position_of : function
        Position of an id.

    Returns
    -------
    array of int64

    Examples
    --------
    >>> chosen_positions(np.array([True, False, True]), 3, int).tolist()
    [0, 2]
    """
    if chosen.ndim != 1:
        raise InputValueError(f"positions, masks and ids must have one axis, not shape {chosen.shape}")
    if chosen.dtype.kind == "b":
        if len(chosen) != count:
            raise InputValueError(f"the mask has {len(chosen)} values for {count} stimuli")
        return np.flatnonzero(chosen)
    if chosen.size == 0:
        return np.empty(0, np.int64)
    if chosen.dtype.kind in "ui":
        return within(chosen, count)
    if all(isinstance(name, str) for name in chosen):
        return np.array([position_of(str(name)) for name in chosen])
    raise InputTypeError(f"cannot choose stimuli by values of dtype {chosen.dtype}; expected integers, bool or str")


def within(positions: np.ndarray, count: int) -> np.ndarray:
    """Positions counted from 0; `IndexError` for those outside a set of `count` stimuli.

    Examples
    --------
    >>> within(np.array([0, -1]), 10).tolist()
    [0, 9]
    """
    outside = (positions < -count) | (positions >= count)
    if outside.any():
        # IndexError, because Python's own protocols rely on it
        raise IndexError(f"position {positions[outside][0]} is outside a set of {count} stimuli")
    positions = positions.astype(np.int64)
    return np.where(positions < 0, positions + count, positions)


def check_whole_number(name: str, value: object, least: int) -> None:
    """Raise unless `value` is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise InputTypeError(f"{name} is {value!r}; expected a whole number")
    if value < least:
        raise InputValueError(f"{name} is {value}; expected {least} or more")
