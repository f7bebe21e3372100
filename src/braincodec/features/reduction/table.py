"""Features of several layers as one wide table, of which blocks of columns or rows are read."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from braincodec.device import resolve_device
from braincodec.errors import InputTypeError, InputValueError
from braincodec.features.cache import FeatureCache
from braincodec.stimuli.prefetch import prefetch

if TYPE_CHECKING:
    import torch

# of float32, for all rows: one block is computed with while the next is read
BLOCK_BYTES = 320 * 2**20
READ_BYTES = 64 * 2**20
MOST_COLUMNS = 8192
SINGLE_LAYER = "features"


@dataclass
class Block:
    """Some columns of one layer.

    Parameters
    ----------
    layer : str
    begin : int
        First column within the layer.
    offset : int
        First column within all layers.
    values : torch.Tensor of float32, shape (rows, columns)
        May be overwritten.
    """

    layer: str
    begin: int
    offset: int
    values: torch.Tensor


class FeatureTable:
    """Chosen rows of the features of one or several layers, side by side, read block by block.

    Parameters
    ----------
    features : FeatureCache, mapping of str to array, or array
        Each array (stimuli, features): in memory, mapped, HDF5, Zarr or a lazy DataArray. One array alone is the
        layer ``"features"``.
    rows : array of int, mask or ids, optional
        Which stimuli; all when left out. Ids need a `FeatureCache`.

    Raises
    ------
    InputTypeError, InputValueError
        When arrays are not two-dimensional or differ in their number of stimuli, or rows do not exist.

    Examples
    --------
    >>> table = FeatureTable({"a": np.zeros((5, 3)), "b": np.zeros((5, 2))}, rows=[4, 1])
    >>> table.layers, table.rows.tolist(), table.columns
    ({'a': 3, 'b': 2}, [1, 4], 5)
    """

    def __init__(self, features: Any, rows: Any = None) -> None:
        self._arrays = _arrays(features)
        self.layers: dict[str, int] = {layer: int(array.shape[1]) for layer, array in self._arrays.items()}
        counts = {layer: int(array.shape[0]) for layer, array in self._arrays.items()}
        if len(set(counts.values())) != 1:
            raise InputValueError(f"layers differ in their number of stimuli: {counts}")
        self.stimuli = next(iter(counts.values()))
        self.order = _positions(features, rows, self.stimuli)
        # in the order of the file; `order` tells what was asked for
        self.rows = np.sort(self.order)
        self.columns = sum(self.layers.values())

    def column_blocks(self, device: torch.device) -> Generator[Block, None, None]:
        """All columns, layer by layer; the next block is read while the caller computes."""
        places = [
            (layer, begin, min(begin + width, count))
            for layer, count in self.layers.items()
            for width in [self._width(layer)]
            for begin in range(0, count, width)
        ]

        def read(check: Any) -> Iterator[Block]:
            offset = 0
            for layer, begin, end in places:
                check()
                yield Block(layer, begin, offset, self.read(layer, begin, end, device))
                offset += end - begin

        with contextlib.closing(cast("Generator[Block, None, None]", prefetch(read, 1))) as blocks:
            yield from blocks

    def row_blocks(self, device: torch.device) -> Generator[torch.Tensor, None, None]:
        """All rows, some at a time, layers side by side: (rows, columns) float32."""
        import torch

        step = max(READ_BYTES // (4 * self.columns), 1)

        def read(check: Any) -> Iterator[torch.Tensor]:
            for start, stop in self._spans(step):
                check()
                chosen = self.rows[start:stop]
                parts = [_stored(array, chosen, 0, self.layers[layer]) for layer, array in self._arrays.items()]
                yield torch.cat(parts, 1).to(device).float()

        with contextlib.closing(cast("Generator[torch.Tensor, None, None]", prefetch(read, 1))) as blocks:
            yield from blocks

    def read(self, layer: str, begin: int, end: int, device: torch.device) -> torch.Tensor:
        """Columns of one layer, (rows, end - begin) float32."""
        import torch

        array = self._arrays[layer]
        values = torch.empty(len(self.rows), end - begin)
        step = max(READ_BYTES // ((end - begin) * array.dtype.itemsize) // 128, 1) * 128  # whole chunks
        for start, stop in self._spans(step):
            values[start:stop] = _stored(array, self.rows[start:stop], begin, end)
        return values.to(device)

    def _spans(self, step: int) -> Iterator[tuple[int, int]]:
        """Places in `rows` of those that lie within each `step` stimuli."""
        for first in range(0, self.stimuli, step):
            start, stop = np.searchsorted(self.rows, [first, first + step])
            if stop > start:
                yield int(start), int(stop)

    def _width(self, layer: str) -> int:
        fitting = min(max(BLOCK_BYTES // (4 * max(len(self.rows), 1)), 1), MOST_COLUMNS)
        chunks = getattr(self._arrays[layer], "chunks", None)
        chunk = chunks[1] if chunks and isinstance(chunks[1], int) else 1
        return fitting // chunk * chunk or fitting


def device_with_doubles(name: str) -> torch.device:
    """The device meant by `name`; the CPU in place of Apple's ``mps``, which has no double precision.

    Examples
    --------
    >>> device_with_doubles("cpu").type
    'cpu'
    """
    device = resolve_device(name)
    return resolve_device("cpu") if device.type == "mps" else device


def _stored(array: Any, rows: np.ndarray, begin: int, end: int) -> torch.Tensor:
    """Values of ascending rows, half or single precision: the span around them is read at once."""
    import torch

    first, last = int(rows[0]), int(rows[-1]) + 1
    read = np.asarray(array[first:last, begin:end])
    if read.dtype not in (np.float16, np.float32):
        read = read.astype(np.float32)
    read = np.ascontiguousarray(read)
    values = torch.from_numpy(read if read.flags.writeable else read.copy())
    return values if last - first == len(rows) else values[torch.from_numpy(rows - first)]


def _arrays(features: Any) -> dict[str, Any]:
    if isinstance(features, FeatureCache):
        arrays: dict[str, Any] = dict(features.arrays)
    elif isinstance(features, Mapping):
        arrays = {str(layer): array for layer, array in features.items()}
    else:
        arrays = {SINGLE_LAYER: features}
    if not arrays:
        raise InputValueError("there are no layers to reduce")
    for layer, array in arrays.items():
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            raise InputTypeError(
                f"features are a FeatureCache, an array, or a mapping of layer names to arrays; "
                f"{layer!r} is a {type(array).__name__}"
            )
        if len(array.shape) != 2 or 0 in array.shape:
            raise InputValueError(
                f"layer {layer!r} has shape {tuple(array.shape)}, expected (stimuli, features), neither zero; "
                "extract with a pooling other than 'none', or reshape"
            )
        if np.dtype(_numpy_dtype(array)).kind not in "fiu":
            raise InputTypeError(f"layer {layer!r} has dtype {array.dtype}; features must be real numbers")
    return {layer: _in_numpy(array) for layer, array in arrays.items()}


def _numpy_dtype(array: Any) -> Any:
    return _in_numpy(array[:1]).dtype if type(array).__module__.startswith("torch") else array.dtype


def _in_numpy(array: Any) -> Any:
    return array.detach().cpu().numpy() if type(array).__module__.startswith("torch") else array


def _positions(features: Any, rows: Any, stimuli: int) -> np.ndarray:
    if rows is None:
        return np.arange(stimuli)
    chosen = np.asarray(rows)
    if chosen.dtype.kind in "UOT" and isinstance(features, FeatureCache):
        chosen = features.positions(chosen)
    if chosen.dtype == bool:
        if chosen.shape != (stimuli,):
            raise InputValueError(f"the mask of rows has shape {chosen.shape}, expected ({stimuli},)")
        chosen = np.flatnonzero(chosen)
    if chosen.ndim != 1 or (len(chosen) and chosen.dtype.kind not in "iu"):
        raise InputTypeError(f"rows are positions, a mask or (of a cache) ids; got {chosen.dtype} {chosen.shape}")
    chosen = chosen.astype(np.int64)
    outside = chosen[(chosen < 0) | (chosen >= stimuli)]
    if len(outside):
        raise InputValueError(f"row {outside[0]} does not exist; there are {stimuli:,} stimuli")
    if len(np.unique(chosen)) != len(chosen):
        raise InputValueError("a row is chosen more than once; each may occur once")
    if not len(chosen):
        raise InputValueError("no rows are chosen")
    return chosen
