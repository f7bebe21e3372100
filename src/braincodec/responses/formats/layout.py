"""How responses are cut into chunks and shards."""

from __future__ import annotations

import math

# a chunk is what a read costs at least: 128 stimuli x 512 units of float32 make both "a few stimuli, all units" and
# "all stimuli, a few units" tolerable
CHUNK_BYTES = 256 * 2**10
CHUNK_STIMULI = 128
# a shard is one file, and what is held in memory to write it
SHARD_BYTES = 32 * 2**20
SHARD_STIMULI = 16_384


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
