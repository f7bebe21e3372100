"""Responses (stimulus, [repetition,] channel, time) over trials in files, read when they are used."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from braincodec.datasets.trial_rows import StimulusRows, as_columns
from braincodec.responses import build_responses


class SensorRows(BackendArray):
    """Rows of trials whose units are channels, each at all times.

    Parameters
    ----------
    rows : StimulusRows
        (stimulus, [repetition,] channel x time).
    channels, times : int
    """

    def __init__(self, rows: StimulusRows, channels: int, times: int) -> None:
        self._rows, self._times = rows, times
        self.dtype = rows.dtype
        self.shape = (*rows.shape[:-1], channels, times)

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Values that `key` asks for."""
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        places = [np.arange(size)[part] for size, part in zip(self.shape, key, strict=True)]
        *leading, channels, times = (np.atleast_1d(place) for place in places)
        columns = as_columns((channels[:, None] * self._times + times).ravel())
        outer = indexing.OuterIndexer((*leading, columns))
        values = np.asarray(self._rows[outer]).reshape(*map(len, leading), len(channels), len(times))
        # a number instead of a range takes its axis away
        return values[tuple(0 if place.ndim == 0 else slice(None) for place in places)]


def lazy_sensor_responses(rows: StimulusRows, ids: Iterable[object], units: xr.Dataset) -> xr.DataArray:
    """Label responses of sensors without reading them; as `build_responses`.

    Parameters
    ----------
    rows : StimulusRows
    ids : iterable of str
    units : Dataset
        From `build_sensor_units`.

    Examples
    --------
    >>> from braincodec.datasets.trial_rows import ArrayTrials
    >>> from braincodec.responses import build_sensor_units
    >>> trials = StimulusRows(ArrayTrials(np.arange(6.0)[None]), np.array([[0]]), average=True)
    >>> lazy_sensor_responses(trials, ["a"], build_sensor_units(["O1", "Oz"], [0, 0.1, 0.2])).sel(channel="Oz").values
    array([[3., 4., 5.]])
    """
    sensors = SensorRows(rows, units.sizes["channel"], units.sizes["time"])
    nothing = np.broadcast_to(np.zeros((), sensors.dtype), sensors.shape)  # of the right shape, in no memory
    labelled = build_responses(nothing, ids, units)
    variable = xr.Variable(labelled.dims, indexing.LazilyIndexedArray(sensors), labelled.attrs)
    return xr.DataArray(variable, labelled.coords, name=labelled.name)
