"""How responses are cut into chunks and shards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from braincodec.errors import UnknownNameError

LAYOUTS = ("default", "fast")

# a chunk is what a read costs at least: 128 stimuli x 512 units of float32 make both "a few stimuli, all units" and
# "all stimuli, a few units" tolerable
CHUNK_BYTES = 256 * 2**10
CHUNK_STIMULI = 128
# a shard is one file, and what is held in memory to write it
SHARD_BYTES = 32 * 2**20
SHARD_STIMULI = 16_384


def array_options(
    row_shape: tuple[int, ...],
    dtype: npt.DTypeLike,
    dims: Sequence[str],
    *,
    layout: Literal["default", "fast"] = "default",
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
    chunks = chunk_shape(row_shape, dtype.itemsize)
    shards: tuple[int, ...] | None = shard_shape(row_shape, dtype.itemsize)
    if block is not None:
        chunks = (math.gcd(chunks[0], block), *chunks[1:])
        shards = (block, *(-(-size // part) * part for size, part in zip(row_shape, chunks[1:], strict=True)))
    # of the fast codecs, the one that was both fastest and smallest on predicted responses
    compressors: Any = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle", typesize=dtype.itemsize)
    if layout == "fast":
        shards, compressors = None, None
    return {
        "dtype": dtype,
        "chunks": chunks,
        "shards": shards,
        "compressors": compressors,
        "fill_value": np.nan if dtype.kind == "f" else 0,
        "dimension_names": tuple(map(str, dims)),
        # a chunk that holds nothing but NaN is a result too: what is absent was never written
        "config": {"write_empty_chunks": True},
    }


def chunk_shape(row_shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Shape of a chunk of an array of stimuli x `row_shape`.

    Examples
    --------
    >>> chunk_shape((7600,), 4), chunk_shape((327_684,), 4), chunk_shape((4, 17, 100), 4)
    ((128, 512), (16, 4096), (128, 1, 5, 100))
    """
    row_bytes = max(math.prod(row_shape) * itemsize, 1)
    stimuli = max(min(CHUNK_STIMULI, _power_of_two_below(SHARD_BYTES / row_bytes)), 1)
    left = max(CHUNK_BYTES // (stimuli * itemsize), 1)
    inner: list[int] = []
    for size in reversed(row_shape):
        inner.insert(0, max(min(size, left), 1))
        left //= inner[0]
        left = max(left, 1)
    return (stimuli, *inner)


def shard_shape(row_shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Shape of a shard: whole chunks, all units, as many stimuli as fit `SHARD_BYTES`.

    Examples
    --------
    >>> shard_shape((7600,), 4), shard_shape((327_684,), 4)
    ((1024, 7680), (16, 331776))
    """
    chunk = chunk_shape(row_shape, itemsize)
    padded = tuple(math.ceil(size / part) * part for size, part in zip(row_shape, chunk[1:], strict=True))
    fitting = _power_of_two_below(SHARD_BYTES / max(math.prod(padded) * itemsize, 1))
    return (max(min(fitting, SHARD_STIMULI), chunk[0]), *padded)


def _power_of_two_below(number: float) -> int:
    return 1 << max(int(number).bit_length() - 1, 0)
