"""What a reader of response files gives: trials unread, and what the file says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from braincodec.datasets.reading import NUMBERS
from braincodec.datasets.trial_rows import ArrayTrials, Columns, TrialStore
from braincodec.errors import InputTypeError, InputValueError
from braincodec.memory import free_main_memory

ROWS_AT_ONCE = 64
SHARE_KEPT = 4  # at most one in so many bytes of free memory


@dataclass(frozen=True, eq=False)
class Trials:
    """Responses of one file or series of files.

    Attributes
    ----------
    store : TrialStore
        (trials x repetitions, units) or (trials x repetitions, channels x times).
    where : str
        Name of the file or files, for messages.
    repetitions : int
        Consecutive rows of `store` that belong to one row of a table.
    units : Dataset or None
        What the file says of its units.
    table : DataFrame or None
        What it says of its trials, one row each (or one for each `repetitions` rows); columns as a table's.
    channels : tuple of str
    times : array, shape (times,), or None
    times_shown : array of int, shape (rows,), or None
        How many of the repetitions of each row there are, where the file says it.
    modality, response_units : str
        Empty where the file does not say.
    notes : tuple of str
        What was decided while reading, in words.
    paths : tuple of Path
    """

    store: TrialStore
    where: str
    repetitions: int = 1
    units: xr.Dataset | None = None
    table: pd.DataFrame | None = None
    channels: tuple[str, ...] = ()
    times: NDArray[np.float64] | None = None
    times_shown: NDArray[np.int64] | None = None
    modality: str = ""
    response_units: str = ""
    notes: tuple[str, ...] = ()
    paths: tuple[Path, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Rows of a table that it would need."""
        return self.store.shape[0] // self.repetitions


class BlockTrials(TrialStore):
    """Trials of an array with any dimensions after the first; arrays mapped from files are read as they are used.

    Parameters
    ----------
    array : array, shape (rows, [repetitions,] ...)
        A numpy array, a map of one, or anything that gives numpy arrays for ranges of rows.
    repetitions : int
        The length of the second dimension, where that is repetition.
    """

    def __init__(self, array: Any, repetitions: int = 1) -> None:
        self._array, self._repetitions = array, repetitions
        width = int(np.prod(array.shape[1:])) // repetitions
        self.shape = (array.shape[0] * repetitions, width)
        self.chunks = (min(ROWS_AT_ONCE, max(self.shape[0], 1)), max(width, 1))
        self.dtype = array.dtype.newbyteorder("=")

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A view where that is possible."""
        begin, end, _ = rows.indices(self.shape[0])
        first, last = begin // self._repetitions, -(-end // self._repetitions)
        block = np.asarray(self._array[first:last]).reshape(-1, self.shape[1])
        offset = first * self._repetitions
        return block[begin - offset : end - offset][:, columns]


class KeptTrials(TrialStore):
    """Trials of files that are slow to read in pieces: read once and kept, where memory has room for them.

    Parameters
    ----------
    trials : TrialStore
    """

    def __init__(self, trials: TrialStore) -> None:
        self._trials = trials
        self._kept: ArrayTrials | None = None
        self.shape, self.chunks, self.dtype = trials.shape, trials.chunks, trials.dtype

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """From memory, or from the files where it has no room."""
        if self._kept is None and self._fits():
            values = np.empty(self.shape, self.dtype)
            for begin in range(0, self.shape[0], ROWS_AT_ONCE):
                values[begin : begin + ROWS_AT_ONCE] = self._trials.read(
                    slice(begin, min(begin + ROWS_AT_ONCE, self.shape[0])), slice(0, self.shape[1])
                )
            self._kept = ArrayTrials(values)
        return (self._trials if self._kept is None else self._kept).read(rows, columns)

    def _fits(self) -> bool:
        return self.shape[0] * self.shape[1] * self.dtype.itemsize <= free_main_memory() // SHARE_KEPT

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_kept": None}  # another process reads for itself


def arranged(array: Any, layout: Sequence[str], where: str) -> tuple[Any, tuple[str, ...]]:
    """An array with its trials first, and the names of its dimensions.

    Parameters
    ----------
    array : array
    layout : sequence of str
        As in `OwnSettings`; empty to go by the number of dimensions: (trial, unit) or, with a repetition, none.
    where : str
        For messages.

    Raises
    ------
    InputTypeError
        When it does not hold real numbers.
    InputValueError
        When the dimensions do not fit the layout, or could be several.

    Examples
    --------
    >>> arranged(np.zeros((50, 640)), ("unit", "trial"), "counts.npy")[0].shape
    (640, 50)
    """
    if array.dtype.kind not in NUMBERS:
        hint = "; text is no response" if array.dtype.kind in "USO" else ""
        raise InputTypeError(f"{where} holds {array.dtype} {array.shape}; expected real numbers{hint}")
    if not layout:
        layout = _guessed_layout(array, where)
    if len(layout) != array.ndim:
        raise InputValueError(
            f"{where} has {array.ndim} dimensions, {array.shape}, but the layout {','.join(layout)!r} has {len(layout)}"
        )
    if 0 in array.shape:
        raise InputValueError(f"{where} is empty: its shape is {array.shape}")
    wanted = [name for name in ("trial", "repetition", "unit", "channel", "time") if name in layout]
    order = [layout.index(name) for name in wanted]
    if order != list(range(array.ndim)):
        array = np.asanyarray(array).transpose(order)
    return array, tuple(wanted)


def _guessed_layout(array: Any, where: str) -> tuple[str, ...]:
    if array.ndim == 2:
        return ("trial", "unit")
    if array.ndim == 4:
        return ("trial", "repetition", "channel", "time")
    if array.ndim == 3:
        raise InputValueError(
            f"{where} has 3 dimensions, {array.shape}, which can be several things; say "
            'layout="trial,repetition,unit" or layout="trial,channel,time" (in the order of the file)'
        )
    raise InputValueError(f"{where} has {array.ndim} dimensions, {array.shape}; expected (trial, unit)")
