"""Responses that stay in their file: trials are gathered into stimuli when they are used."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from braincodec.errors import DamagedFileError
from braincodec.responses import build_responses
from braincodec.stimuli.sources.base import consecutive_runs

BLOCK_BYTES = 32 * 2**20
"""Of trials that are in memory at a time, beside what was asked for."""
ARRAY_CHUNK = 64  # trials read together from files without chunks

Columns = slice | NDArray[np.integer]


class TrialStore(ABC):
    """Trials x units in a file, read as blocks.

    Attributes
    ----------
    shape : (int, int)
    chunks : (int, int)
        What a read costs at least.
    dtype : dtype
    """

    shape: tuple[int, int]
    chunks: tuple[int, int]
    dtype: np.dtype[Any]

    @abstractmethod
    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """Some consecutive trials of some units."""


class ArrayTrials(TrialStore):
    """Trials in an array, which may be mapped from a file."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._array = array
        self.shape = (array.shape[0], array.shape[1])
        self.chunks, self.dtype = (min(ARRAY_CHUNK, self.shape[0]), self.shape[1]), array.dtype.newbyteorder("=")

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A view where that is possible."""
        return np.asarray(self._array[rows][:, columns])


class NpyTrials(ArrayTrials):
    """Trials in a checked .npy file of numbers, mapped; sent to another process as its path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(np.load(path, mmap_mode="r", allow_pickle=False))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path,)


class Hdf5Trials(TrialStore):
    """Trials in a dataset of an HDF5 file, which is open only while it is read."""

    def __init__(self, path: Path, dataset: str) -> None:
        import h5py

        self._path, self._dataset = path, dataset
        with h5py.File(path, "r") as file:
            found = file[dataset]
            self.shape, self.dtype = (found.shape[0], found.shape[1]), found.dtype.newbyteorder("=")
            self.chunks = found.chunks or (min(ARRAY_CHUNK, self.shape[0]), self.shape[1])

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy; scattered columns are taken from the range that holds them, which HDF5 reads faster."""
        import h5py

        span = columns if isinstance(columns, slice) else slice(int(columns.min()), int(columns.max()) + 1)
        try:
            with h5py.File(self._path, "r") as file:
                block = np.asarray(file[self._dataset][rows, span])
        except (OSError, KeyError) as error:
            raise DamagedFileError(f"{self._path} cannot be read: {error}") from None
        return block if isinstance(columns, slice) else block[:, columns - span.start]


class ZarrTrials(TrialStore):
    """Trials that a `ResponseWriter` wrote to a Zarr group."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self.shape, self.dtype = self._array.shape, self._array.dtype
            self.chunks = self._array.chunks
        except (OSError, ValueError, KeyError) as error:
            raise DamagedFileError(f"{path} cannot be read as prepared trials: {error}; remove it") from None

    @functools.cached_property
    def _array(self) -> Any:
        import zarr

        return zarr.open_group(self._path, mode="r")["responses"]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self._path,)

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy."""
        return np.asarray(self._array.oindex[rows, columns])


class SideBySide(TrialStore):
    """The same trials of further units, such as those of the other hemisphere."""

    def __init__(self, *parts: TrialStore) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.shape[1] for part in parts])
        self.shape = (parts[0].shape[0], int(self._ends[-1]))
        self.chunks = (max(part.chunks[0] for part in parts), max(part.chunks[1] for part in parts))
        self.dtype = np.result_type(*(part.dtype for part in parts))

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """Columns in the order asked for."""
        chosen = np.arange(self.shape[1])[columns]
        values = np.empty((len(range(self.shape[0])[rows]), len(chosen)), self.dtype)
        for part, end in zip(self._parts, self._ends, strict=True):
            own = np.flatnonzero((chosen >= end - part.shape[1]) & (chosen < end))
            if len(own):
                values[:, own] = part.read(rows, as_columns(chosen[own] - (end - part.shape[1])))
        return values


class Stacked(TrialStore):
    """Further trials of the same units."""

    def __init__(self, *parts: TrialStore) -> None:
        self._parts = parts
        self._ends = np.cumsum([part.shape[0] for part in parts])
        self.shape = (int(self._ends[-1]), parts[0].shape[1])
        self.chunks, self.dtype = parts[0].chunks, np.result_type(*(part.dtype for part in parts))

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy where rows of several parts are asked for."""
        start, stop, _ = rows.indices(self.shape[0])
        found = []
        for part, end in zip(self._parts, self._ends.tolist(), strict=True):
            begin = end - part.shape[0]
            if start < end and stop > begin:
                found.append(part.read(slice(max(start - begin, 0), min(stop, end) - begin), columns))
        return found[0] if len(found) == 1 else np.concatenate(found)


class ChosenUnits(TrialStore):
    """Some units of another store, in another order."""

    def __init__(self, store: TrialStore, columns: NDArray[np.integer]) -> None:
        self._store, self._columns = store, columns
        self.shape, self.chunks, self.dtype = (store.shape[0], len(columns)), store.chunks, store.dtype

    def read(self, rows: slice, columns: Columns) -> NDArray[Any]:
        """A copy."""
        return self._store.read(rows, as_columns(self._columns[columns]))


class StimulusRows(BackendArray):
    """Responses (stimulus, [repetition,] unit) over trials in a file.

    Parameters
    ----------
    trials : TrialStore
    trial_of : array of int, shape (stimuli, repetitions)
        Rows of `trials`; -1 where a stimulus was seen less often.
    average : bool
        Over repetitions; otherwise they are kept, and absent ones are NaN.
    absent : array of bool, shape (units,), optional
        Units that lack data: they get `fill` throughout.
    fill : float, optional
        None leaves what the file holds but turns NaN to 0.

    Examples
    --------
    >>> trials = ArrayTrials(np.array([[1.0], [2.0], [5.0]], "float32"))
    >>> lazy_responses(StimulusRows(trials, np.array([[1, -1], [0, 2]]), average=True), ["a", "b"]).values.ravel()
    array([2., 3.], dtype=float32)
    """

    def __init__(
        self,
        trials: TrialStore,
        trial_of: NDArray[np.int64],
        *,
        average: bool,
        absent: NDArray[np.bool_] | None = None,
        fill: float | None = np.nan,
    ) -> None:
        self._trials, self._trial_of, self._average = trials, trial_of, average
        self._absent, self._fill = absent, fill
        self.dtype = np.result_type(trials.dtype, np.float32)
        kept = () if average else (trial_of.shape[1],)
        self.shape = (trial_of.shape[0], *kept, trials.shape[1])

    @property
    def chunks(self) -> tuple[int, int]:
        """Of the trials in the file."""
        return self._trials.chunks

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Values that `key` asks for."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        places = [np.arange(size)[part] for size, part in zip(self.shape, key, strict=True)]
        table = self._trial_of[np.atleast_1d(places[0])]
        if not self._average:
            table = table[:, np.atleast_1d(places[1])]
        units = np.atleast_1d(places[-1])
        values = self._gather(table, as_columns(units), len(units))
        if self._absent is not None:
            if self._fill is None:
                values[np.isnan(values) & self._absent[units]] = 0
            else:
                values[..., self._absent[units]] = self._fill
        # a number instead of a range takes its axis away
        return values[tuple(0 if place.ndim == 0 else slice(None) for place in places)]

    def _gather(self, table: NDArray[np.int64], columns: Columns, width: int) -> NDArray[Any]:
        """Values (stimuli, [repetitions,] units) of a table of trials."""
        exists = table >= 0
        shape = (len(table), width) if self._average else (*table.shape, width)
        values = np.full(shape, 0 if self._average else np.nan, self.dtype)
        most = max(BLOCK_BYTES // max(width * self.dtype.itemsize, 1), 1)
        for rows in _blocks(np.unique(table[exists]), self.chunks[0], most):
            block = self._trials.read(rows, columns)
            inside = exists & (table >= rows.start) & (table < rows.stop)
            for repetition in np.flatnonzero(inside.any(axis=0)):
                chosen = np.flatnonzero(inside[:, repetition])
                found = block[table[chosen, repetition] - rows.start]
                if self._average:
                    values[chosen] += found
                else:
                    values[chosen, repetition] = found
        if self._average:
            with np.errstate(invalid="ignore"):  # a stimulus that was never seen is NaN
                values /= exists.sum(axis=1, dtype=self.dtype)[:, None]
        return values


def lazy_responses(rows: StimulusRows, ids: Iterable[object], units: xr.Dataset | None = None) -> xr.DataArray:
    """Label responses without reading them; as `build_responses`.

    Parameters
    ----------
    rows : StimulusRows
    ids : iterable of str
    units : Dataset, optional
    """
    nothing = np.broadcast_to(np.zeros((), rows.dtype), rows.shape)  # of the right shape, in no memory
    labelled = build_responses(nothing, ids, units)
    variable = xr.Variable(labelled.dims, indexing.LazilyIndexedArray(rows), labelled.attrs)
    variable.encoding["preferred_chunks"] = {"unit": rows.chunks[1]}
    return xr.DataArray(variable, labelled.coords, name=labelled.name)


def as_columns(places: NDArray[np.integer]) -> Columns:
    """A slice where places are consecutive, which is read fastest.

    Examples
    --------
    >>> as_columns(np.array([3, 4, 5]))
    slice(3, 6, None)
    """
    if len(places) and (np.diff(places) == 1).all():
        return slice(int(places[0]), int(places[-1]) + 1)
    return places if len(places) else slice(0, 0)


def _blocks(needed: NDArray[np.int64], chunk: int, most: int) -> Iterator[slice]:
    """Ranges of rows that hold all `needed` ones, along chunks and of about `most` rows."""
    at_once = max(most // chunk, 1)
    for run in consecutive_runs(np.unique(needed // chunk)):
        for first in range(run.start, run.stop, at_once):
            begin, end = first * chunk, min(first + at_once, run.stop) * chunk
            own = needed[np.searchsorted(needed, begin) : np.searchsorted(needed, end)]
            yield slice(int(own[0]), int(own[-1]) + 1)
