"""Responses in a Zarr group as a labelled array whose values stay unread: few requests, no label read twice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from braincodec.errors import DamagedFileError
from braincodec.responses.formats.labels import VARIABLE, labelled

if TYPE_CHECKING:
    import zarr

# labels are small: over a network what counts is how many are asked for at a time
LABELS_AT_A_TIME = 8


class ZarrValues(BackendArray):
    """What xarray needs to read pieces of an array of a Zarr group when they are used.

    Parameters
    ----------
    array : zarr.Array
    """

    def __init__(self, array: zarr.Array) -> None:
        self._array = array
        self.shape, self.dtype = array.shape, np.dtype(array.dtype)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        read = {indexing.VectorizedIndexer: self._points, indexing.OuterIndexer: self._table}.get(type(key), self._box)
        values = indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.VECTORIZED, read)
        return np.asarray(values)

    def _box(self, key: tuple[Any, ...]) -> Any:
        return self._array[key]

    def _table(self, key: tuple[Any, ...]) -> Any:
        key = tuple(as_slice(part) for part in key)
        return self._array.oindex[key] if any(isinstance(part, np.ndarray) for part in key) else self._box(key)

    def _points(self, key: tuple[Any, ...]) -> Any:
        return self._array.vindex[key]


def as_slice(positions: Any) -> Any:
    """Consecutive positions as a slice, which is read several times faster; anything else as it is.

    Examples
    --------
    >>> as_slice(np.array([3, 4, 5])), as_slice(np.array([3, 5]))
    (slice(3, 6, None), array([3, 5]))
    """
    if not isinstance(positions, np.ndarray) or positions.ndim != 1 or not len(positions) or positions[0] < 0:
        return positions
    if positions[-1] - positions[0] != len(positions) - 1 or not (np.diff(positions) == 1).all():
        return positions
    return slice(int(positions[0]), int(positions[-1]) + 1)


def open_zarr(address: str, storage_options: dict[str, Any] | None) -> xr.DataArray:
    """The responses in a Zarr group, labels read, values lazy.

    Raises
    ------
    DamagedFileError
        When the group holds no responses with stimulus ids.
    """
    import zarr

    with _threads():
        group = zarr.open_group(address, mode="r", storage_options=storage_options)
    arrays: dict[str, Any] = dict(group.arrays())
    if VARIABLE not in arrays:
        raise DamagedFileError(f"{address} holds no variable {VARIABLE!r} (it holds {', '.join(arrays) or 'nothing'})")
    values = arrays.pop(VARIABLE)
    # on this machine one after the other is faster
    with ThreadPoolExecutor(LABELS_AT_A_TIME if "://" in address else 1) as pool:
        labels = dict(zip(arrays, pool.map(_label, arrays.values()), strict=True))
    of_stimuli = {name: label for name, label in labels.items() if "stimulus" in label.dims}
    units = xr.Dataset({name: label for name, label in labels.items() if name not in of_stimuli})
    attrs = {name: value for name, value in values.attrs.items() if name != "coordinates"}
    # as xarray's own opening does: what is loaded whole stays in the array it was loaded through
    unread: Any = indexing.LazilyIndexedArray(ZarrValues(values))
    lazy = xr.Variable(_dims(values), indexing.MemoryCachedArray(indexing.CopyOnWriteArray(unread)), attrs)
    # booleans may be stored as numbers that say so
    return labelled(lazy, of_stimuli, xr.decode_cf(units, mask_and_scale=False), dict(group.attrs), address)


@contextlib.contextmanager
def _threads() -> Iterator[None]:
    """As many threads as processors for what Zarr reads in this process from now on, unless the user has set a number.

    By default there are four more, which only take turns: on two processors that costs a fifth of the time.
    """
    import zarr

    if zarr.config.get("threading.max_workers", None) is not None:
        yield
        return
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    # Zarr makes its threads once, at the first reading
    with zarr.config.set({"threading.max_workers": max(cores, 2)}):
        yield


def _label(array: zarr.Array) -> xr.Variable:
    return xr.Variable(_dims(array), np.asarray(array[...]), dict(array.attrs))


def _dims(array: zarr.Array) -> tuple[str, ...]:
    names = getattr(array.metadata, "dimension_names", None) or ()
    return tuple(str(name) for name in names)
