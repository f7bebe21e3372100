"""How cached features are cut into chunks and shards."""

from __future__ import annotations

import math

# a chunk is what a read costs at least: 128 stimuli x 4,096 features of float16, so that "some stimuli, all features"
# and "all stimuli, some features" both read at the speed of memory copies
CHUNK_BYTES = 2**20
CHUNK_STIMULI = 128
# a shard of each layer is one file; together they are what waits in memory until it can be written
WAITING_BYTES = 128 * 2**20
MOST_SHARD_STIMULI = 4096


def shard_stimuli(row_bytes: int, count: int) -> int:
    """How many stimuli go into one file, from the bytes of one stimulus over all layers: a power of two.

    Examples
    --------
    >>> shard_stimuli(460_800 * 2, 16_540), shard_stimuli(768 * 2, 16_540), shard_stimuli(768 * 2, 10)
    (128, 4096, 16)
    """
    fitting = _power_of_two_below(WAITING_BYTES / max(row_bytes, 1))
    needed = 1 << max(count - 1, 0).bit_length()
    return max(1, min(fitting, MOST_SHARD_STIMULI, needed))


def chunk_shape(row_shape: tuple[int, ...], itemsize: int, shard: int) -> tuple[int, ...]:
    """Shape of a chunk of an array of stimuli x `row_shape`; chunks of equal width, so that little is padded.

    Examples
    --------
    >>> chunk_shape((38_400,), 2, 128), chunk_shape((64, 56, 56), 4, 16), chunk_shape((10,), 4, 4096)
    ((128, 3840), (16, 5, 56, 56), (128, 10))
    """
    stimuli = min(CHUNK_STIMULI, shard)
    left = max(CHUNK_BYTES // (stimuli * itemsize), 1)
    inner: list[int] = []
    for size in reversed(row_shape):
        parts = math.ceil(size / max(min(size, left), 1))
        inner.insert(0, math.ceil(size / max(parts, 1)))
        left = max(left // max(inner[0], 1), 1)
    return (stimuli, *(max(size, 1) for size in inner))


def shard_shape(row_shape: tuple[int, ...], chunk: tuple[int, ...], shard: int) -> tuple[int, ...]:
    """Shape of a shard: `shard` stimuli, all features, in whole chunks.

    Examples
    --------
    >>> shard_shape((38_400,), (128, 3840), 256)
    (256, 38400)
    """
    return (shard, *(math.ceil(size / part) * part for size, part in zip(row_shape, chunk[1:], strict=True)))


def _power_of_two_below(number: float) -> int:
    return 1 << max(int(number).bit_length() - 1, 0)
