"""Responses read some units at a time: what lies in a file is never in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from braincodec.evaluation.checks import tiles

# of all arrays that one tile of units needs at a time
BLOCK_BYTES = 128 * 2**20
# float64 copies of prediction and response, and what is made of them
COPIES = 6
REPLICATE_COPIES = 3  # of bootstrap samples and of shuffled pairings
# a file's own chunks are kept whole unless that would take so much more memory
MOST_CHUNK_GROWTH = 4


@dataclass(frozen=True, eq=False)
class UnitBlocks:
    """Responses (stimuli, [repetitions,] units), where a channel at a time is a unit too.

    Parameters
    ----------
    array : DataArray
        Dims (stimulus, [repetition,] unit) or (stimulus, [repetition,] channel, time); may be lazy.
    rows : array of int, shape (stimuli,)
        Which stimuli, in which order.
    columns : array of int, shape (units,), or (array, array) for channel and time, optional
        Which units, in which order; None is all of them as they are.
    """

    array: xr.DataArray
    rows: NDArray[np.int64]
    columns: tuple[NDArray[np.int64], ...] | None = None

    @property
    def unit_dims(self) -> tuple[str, ...]:
        """``("unit",)`` or ``("channel", "time")``."""
        return ("channel", "time") if "channel" in self.array.dims else ("unit",)

    @property
    def unit_shape(self) -> tuple[int, ...]:
        """How many units, or channels and times."""
        if self.columns is not None:
            return tuple(len(chosen) for chosen in self.columns)
        return tuple(self.array.sizes[dim] for dim in self.unit_dims)

    @property
    def units(self) -> int:
        """How many units there are, each channel at each time being one."""
        return int(np.prod(self.unit_shape))

    @property
    def repetitions(self) -> int | None:
        """How many repetitions the axis has; None where there is no such axis."""
        return self.array.sizes.get("repetition")

    def read(self, units: slice) -> NDArray[Any]:
        """Values of some units, shape (stimuli, [repetitions,] units)."""
        leading = ("stimulus", *(("repetition",) if self.repetitions is not None else ()))
        if len(self.unit_dims) == 1:
            chosen: dict[str, Any] = {"unit": units if self.columns is None else self.columns[0][units]}
            part = self.array.isel(stimulus=self.rows, **chosen)
            return np.asarray(part.transpose(*leading, "unit").values)
        times = self.unit_shape[1]
        channels = slice(units.start // times, -(-units.stop // times))
        chosen = {"channel": channels} if self.columns is None else {"channel": self.columns[0][channels]}
        part = self.array.isel(stimulus=self.rows, **chosen)
        if self.columns is not None:
            part = part.isel(time=self.columns[1])
        values = np.asarray(part.transpose(*leading, "channel", "time").values)
        values = values.reshape(*values.shape[:-2], -1)  # channels and times become one axis
        begin = channels.start * times
        return values[..., units.start - begin : units.stop - begin]

    def read_mean(self, units: slice) -> NDArray[np.floating]:
        """Mean over the repetitions that exist, shape (stimuli, units); NaN where a stimulus has none."""
        return mean_over_axis(self.read(units)) if self.repetitions is not None else as_float(self.read(units))

    @property
    def repeated(self) -> bool:
        """Whether some stimulus has two repetitions; an axis of repetitions may hold one each, and NaN."""
        return (self.repetitions or 1) > 1 and any(any_repeated(self.read(tile)) for tile in self.tiles())

    def tiles(self, *others: UnitBlocks | None, replicates: int = 0) -> Iterator[slice]:
        """Cut the units so that a tile of these and of the other responses, and its replicates, fits the memory."""
        rows = sum(len(item.rows) * (item.repetitions or 1) for item in (self, *others) if item is not None)
        each = 8 * (COPIES * max(1, rows) + REPLICATE_COPIES * replicates)
        chunk = int(self.array.encoding.get("preferred_chunks", {}).get("unit", 1))
        fitting = max(1, BLOCK_BYTES // each)
        if chunk > 1 and chunk <= MOST_CHUNK_GROWTH * fitting:
            fitting = max(1, fitting // chunk) * chunk
        return tiles(self.units, bytes_each=1, tile_bytes=fitting)


def any_repeated(values: NDArray[Any]) -> bool:
    """Whether some stimulus has two repetitions of some unit, shape (stimuli, repetitions, units).

    Examples
    --------
    >>> any_repeated(np.array([[[1.0], [np.nan]], [[2.0], [np.nan]]]))
    False
    """
    return values.ndim == 3 and bool(((~np.isnan(values)).sum(axis=1) > 1).any())


def mean_over_axis(values: NDArray[Any]) -> NDArray[np.floating]:
    """Mean over axis 1 of what is not NaN; NaN where all is.

    Examples
    --------
    >>> mean_over_axis(np.array([[[1.0], [3.0]], [[4.0], [np.nan]]])).ravel().tolist()
    [2.0, 4.0]
    """
    if values.shape[1] == 1:
        return as_float(values[:, 0])
    values = as_float(values)
    present = ~np.isnan(values)
    total = np.where(present, values, 0).sum(axis=1, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.floating] = total / present.sum(axis=1)
    return mean


def as_float(values: NDArray[Any]) -> NDArray[np.floating]:
    """The same values as float32 or float64."""
    if values.dtype in (np.float32, np.float64):
        return values
    return values.astype(np.float32 if values.dtype == np.float16 else np.float64)
