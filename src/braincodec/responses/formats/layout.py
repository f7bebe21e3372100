"""How responses are cut into chunks and shards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from braincodec.errors import UnknownNameError

Layout = Literal["default", "fast"]
LAYOUTS = get_args(Layout)
# Zarr: every chunk that is read costs about 0.2 ms beside its bytes, a shard as much again, and a stimulus costs the
# chunks of all its neighbours; these make ten scattered stimuli about as dear as a hundred units of all stimuli
ZARR_CHUNK_BYTES = {"default": 800 * 2**10, "fast": 2 * 2**20}
ZARR_ROWS_BYTES = 8 * 2**20
LEAST_STIMULI, MOST_STIMULI = 16, 1024

# HDF5: a chunk is what a read costs at least: 128 stimuli x 512 units of float32 make both "a few stimuli, all units"
# and "all stimuli, a few units" tolerable
CHUNK_BYTES = 256 * 2**10
CHUNK_STIMULI = 128
# Zarr: a shard is one file, and what is held in memory to write it
SHARD_BYTES = 32 * 2**20
SHARD_STIMULI = 16_384


def array_options(
    row_shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    dims: Sequence[str],
    *,
    layout: Layout = "default",
    block: int | None = None,
) -> dict[str, Any]:
    """How an array of responses is stored: keyword arguments of `zarr.create_array`, all but its shape.

    Parameters
    ----------
    row_shape : tuple of int
        Of the response to one stimulus.
    dtype : dtype
        Of the stored values.
    dims : sequence of str
        Names of all dimensions, ``"stimulus"`` first.
    layout : {"default", "fast"}
        Compressed chunks, many in a shard (one file); or plain chunks, not compressed, a file each.
    block : int, optional
        Stimuli that are written at once. A shard is then exactly these stimuli x everything else; chunks of "fast"
        divide it. Default: as many as a shard of about 32 MB holds.

    Raises
    ------
    UnknownNameError
        When there is no such layout.

    Examples
    --------
    >>> options = array_options((1350,), "float32", ("stimulus", "unit"), block=1024)
    >>> options["shards"][0], options["dimension_names"]
    (1024, ('stimulus', 'unit'))
    """
    from zarr.codecs import BloscCodec

    if layout not in LAYOUTS:
        raise UnknownNameError("layout", layout, LAYOUTS)
    dtype = np.dtype(dtype)
    shards = shard_shape(row_shape, dtype.itemsize, block)
    # of predicted float32 responses this leaves 96 %, and unpacks three times as fast as with bits in place of bytes
    # shuffled, which leaves 86 %; nothing makes float16 much smaller, and here it costs nothing to find out
    codec = BloscCodec(cname="lz4", clevel=5, shuffle="shuffle", typesize=dtype.itemsize)
    return {
        "dtype": dtype,
        "chunks": zarr_chunk_shape(row_shape, dtype.itemsize, shards[0], layout),
        "shards": shards if layout == "default" else None,
        "compressors": codec if layout == "default" else None,
        "fill_value": np.nan if dtype.kind == "f" else 0,
        "dimension_names": tuple(map(str, dims)),
        # a chunk that holds nothing but NaN is a result too: what is absent was never written
        "config": {"write_empty_chunks": True},
    }


def chunk_shape(row_shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Shape of a chunk of stimuli x `row_shape` in an HDF5 file.

    Examples
    --------
    >>> chunk_shape((7600,), 4), chunk_shape((327_684,), 4), chunk_shape((4, 17, 100), 4)
    ((128, 512), (16, 4096), (128, 1, 5, 100))
    """
    stimuli = min(CHUNK_STIMULI, _stimuli_in(SHARD_BYTES, row_shape, itemsize))
    left = max(CHUNK_BYTES // (stimuli * itemsize), 1)
    inner: list[int] = []
    for size in reversed(row_shape):
        inner.insert(0, max(min(size, left), 1))
        left //= inner[0]
        left = max(left, 1)
    return (stimuli, *inner)


def shard_shape(row_shape: tuple[int, ...], itemsize: int, block: int | None = None) -> tuple[int, ...]:
    """Shape of a shard of a Zarr array: whole chunks, all units, `block` stimuli or as many as fit `SHARD_BYTES`.

    Examples
    --------
    >>> shard_shape((7600,), 4), shard_shape((327_684,), 4), shard_shape((1350,), 4, 512)
    ((1024, 7600), (16, 327704), (512, 1352))
    """
    if block is None:
        block = min(_stimuli_in(SHARD_BYTES, row_shape, itemsize), SHARD_STIMULI)
    chunk = zarr_chunk_shape(row_shape, itemsize, block)
    return (block, *(max(-(-size // part), 1) * part for size, part in zip(row_shape, chunk[1:], strict=True)))


def zarr_chunk_shape(
    row_shape: tuple[int, ...], itemsize: int, block: int, layout: Layout = "default"
) -> tuple[int, ...]:
    """Shape of a chunk of a Zarr array that is written `block` stimuli at a time.

    Examples
    --------
    >>> zarr_chunk_shape((1350,), 4, 1024), zarr_chunk_shape((1350,), 4, 1000), zarr_chunk_shape((4, 17, 100), 4, 256)
    ((1024, 193), (1000, 193), (256, 1, 6, 100))
    """
    least = min(_stimuli_in(SHARD_BYTES, row_shape, itemsize), LEAST_STIMULI)
    wanted = min(max(_stimuli_in(ZARR_ROWS_BYTES, row_shape, itemsize), least), MOST_STIMULI, block)
    stimuli = next(count for count in range(wanted, 0, -1) if block % count == 0)
    left = max(ZARR_CHUNK_BYTES[layout] // (stimuli * itemsize), 1)
    inner: list[int] = []
    for size in reversed(row_shape):
        parts = -(-size // left)
        # equal parts, so that the last one is hardly padded
        inner.insert(0, max(-(-size // max(parts, 1)), 1))
        left = max(left // inner[0], 1)
    return (stimuli, *inner)


def _stimuli_in(size: int, row_shape: tuple[int, ...], itemsize: int) -> int:
    """How many stimuli fit `size` bytes: a power of two."""
    return _power_of_two_below(size / max(math.prod(row_shape) * itemsize, 1))


def _power_of_two_below(number: float) -> int:
    return 1 << max(int(number).bit_length() - 1, 0)
