"""Repeated responses: read a tile of units at a time, with missing repetitions moved out of the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.checks import TILE_BYTES, tiles, warn_undefined

Floats = NDArray[np.float64]
# fewer stimuli leave the expectation of a variance's inverse undefined
FEWEST_STIMULI = 4


@dataclass(frozen=True)
class RepeatedTile:
    """Repeated responses of some units, those that exist before those that are missing.

    Parameters
    ----------
    values : array, shape (stimuli, repetitions, units)
        Zero where a repetition is missing. Shifted by a constant for each unit: only differences have a meaning.
    counts : array of int, shape (stimuli, units)
        How many repetitions exist.
    """

    values: Floats
    counts: NDArray[np.int64]

    def means(self) -> Floats:
        """Mean over repetitions, shape (stimuli, units); zero where there is none."""
        means: Floats = self.values.sum(axis=1) / np.maximum(self.counts, 1)
        return means

    def by_pattern(self) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Units that miss the same repetitions: their positions, and their counts (stimuli,)."""
        if (self.counts == self.counts[:, :1]).all():
            yield np.arange(self.counts.shape[1]), self.counts[:, 0]
            return
        patterns, inverse = np.unique(self.counts, axis=1, return_inverse=True)
        for index, counts in enumerate(patterns.T):
            yield np.flatnonzero(inverse.ravel() == index), counts


def repeated_tile(values: NDArray[Any], begin: int = 0) -> RepeatedTile:
    """Repeated responses with missing repetitions moved last.

    Parameters
    ----------
    values : array, shape (stimuli, repetitions, units)
        NaN where a repetition is missing.
    begin : int
        Number of the first unit, for messages.

    Raises
    ------
    InputTypeError
        When the values are not real numbers.
    InputValueError
        When some are infinite.

    Examples
    --------
    >>> import numpy as np
    >>> repeated_tile(np.array([[[np.nan], [5.0], [7.0]]])).counts
    array([[2]])
    """
    if values.dtype.kind not in "biuf":
        raise InputTypeError(f"responses must hold real numbers, not {values.dtype}")
    values = values.astype(np.float64)
    if np.isinf(values).any():
        first = np.argwhere(np.isinf(values))[0]
        raise InputValueError(
            f"responses have {np.isinf(values).sum()} infinite values in units {begin} to "
            f"{begin + values.shape[2] - 1}, the first at stimulus {first[0]}, repetition {first[1]}, "
            f"unit {begin + first[2]}"
        )
    present = ~np.isnan(values)
    counts = present.sum(axis=1)
    if not (present == (np.arange(values.shape[1])[:, None] < counts[:, None])).all():
        order = np.argsort(~present, axis=1, kind="stable")
        values, present = np.take_along_axis(values, order, axis=1), np.take_along_axis(present, order, axis=1)
    # the first value of each unit, so that a constant unit is exactly zero
    first_stimulus = np.argmax(counts > 0, axis=0)
    values = values - values[first_stimulus, 0, np.arange(values.shape[2])]
    return RepeatedTile(np.where(present, values, 0.0), counts)


def repeated_shape(responses: Any) -> tuple[int, ...]:
    """Shape of repeated responses, checked.

    Raises
    ------
    InputValueError
        When it is not (stimuli, repetitions, ...units), or there are no two repetitions or too few stimuli.
    """
    shape = tuple(int(size) for size in responses.shape)
    if len(shape) < 3:
        raise InputValueError(
            f"responses must have shape (stimuli, repetitions, units) or (stimuli, repetitions, channels, times), "
            f"not {shape}"
        )
    if shape[1] < 2:
        raise InputValueError(
            f"responses of shape {shape} have {shape[1]} repetitions; a noise ceiling needs at least two"
        )
    if shape[0] < FEWEST_STIMULI:
        raise InputValueError(f"responses have {shape[0]} stimuli; a noise ceiling needs at least {FEWEST_STIMULI}")
    return shape


def over_units(
    responses: Any,
    function: Callable[[RepeatedTile, slice], Floats],
    what: str,
    rows: int = 1,
    tile_bytes: int = TILE_BYTES,
    stacklevel: int = 4,
) -> Floats:
    """Compute something for each unit, a tile of units at a time.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, ...units)
        In memory, or anything with `shape` that reads what is sliced: HDF5, Zarr, xarray.
    function : callable
        Gets a tile and the slice of the third dimension that it covers; gives an array (rows, units of the tile).
    what : str
        The score, for the warning about units for which it is NaN.
    rows : int
        How many values a unit has.
    tile_bytes : int
        Size of a tile in float64.
    stacklevel : int
        As in `warnings.warn`; 4 names the caller of the function that calls this one.

    Returns
    -------
    array, shape (rows, ...units)

    Raises
    ------
    InputTypeError, InputValueError
        As `repeated_shape` and `repeated_tile`; also when no stimulus was repeated, for any unit.
    """
    responses = responses if hasattr(responses, "shape") else np.asarray(responses)
    shape = repeated_shape(responses)
    each = int(np.prod(shape[3:]))
    result = np.full((rows, *shape[2:]), np.nan)
    some_data = some_repeated = False
    for part in tiles(shape[2], 8 * shape[0] * shape[1] * each, tile_bytes):
        values = np.asarray(responses[:, :, part]).reshape(shape[0], shape[1], -1)
        tile = repeated_tile(values, part.start * each)
        some_data |= bool(tile.counts.any())
        some_repeated |= bool((tile.counts > 1).any())
        with np.errstate(divide="ignore", invalid="ignore"):
            result[:, part] = function(tile, part).reshape(rows, part.stop - part.start, *shape[3:])
    if some_data and not some_repeated:
        raise InputValueError("no stimulus was repeated, so noise cannot be told from signal")
    warn_undefined(what, np.isnan(result).any(axis=0), "no repeated stimulus, or no variance", stacklevel=stacklevel)
    return result


def mean_over_repetitions(responses: Any, tile_bytes: int = TILE_BYTES) -> Floats:
    """Mean over the repetitions that exist: the target that predictions are scored against.

    Parameters
    ----------
    responses : array, shape (stimuli, repetitions, ...units)
        NaN where a repetition is missing. In memory, or lazily opened.
    tile_bytes : int
        Size of what is read at a time, in float64.

    Returns
    -------
    array of float64, shape (stimuli, ...units)
        NaN where a stimulus has no repetition.

    Raises
    ------
    InputValueError
        When there is no axis of repetitions, or a value is infinite.

    Examples
    --------
    >>> import numpy as np
    >>> mean_over_repetitions(np.array([[[1.0], [3.0]], [[4.0], [np.nan]]]))
    array([[2.],
           [4.]])
    """
    responses = responses if hasattr(responses, "shape") else np.asarray(responses)
    shape = tuple(responses.shape)
    if len(shape) < 3:
        raise InputValueError(f"responses must have shape (stimuli, repetitions, units), not {shape}")
    mean = np.empty((shape[0], *shape[2:]))
    for part in tiles(shape[2], 8 * int(np.prod(shape[:2])) * int(np.prod(shape[3:])), tile_bytes):
        values = np.asarray(responses[:, :, part], dtype=np.float64)
        if np.isinf(values).any():
            raise InputValueError(f"responses have {np.isinf(values).sum()} infinite values from unit {part.start} on")
        present = ~np.isnan(values)
        with np.errstate(invalid="ignore"):
            mean[:, part] = np.where(present, values, 0).sum(axis=1) / present.sum(axis=1)
    return mean
