"""Blocks of values as the files that zarr's codecs make of them, cut and packed as their array says it is."""

from __future__ import annotations

import functools
import itertools
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.responses.formats.layout import array_options
from braincodec.synthesis.plan import Block, Output, Pass, Plan
from braincodec.synthesis.storage.stored_plan import parsed_json

if TYPE_CHECKING:
    import zarr

ARRAY = "responses"
METADATA = f"{ARRAY}/zarr.json"
# how an array is cut and packed: the version that wrote it decided
LAYOUT = ("chunk_grid", "codecs")
# of one block of one array; damaged metadata must not keep a program busy for days
MOST_FILES = 100_000


def encode_block(
    output: Output, plan: Plan, pass_: Pass, block: Block, values: np.ndarray, metadata: bytes | None = None
) -> dict[str, bytes]:
    """The files that hold the responses to one block of stimuli; nothing is written.

    Parameters
    ----------
    output : Output
    plan : Plan
    pass_ : Pass
        The one that `output` belongs to.
    block : Block
    values : array, shape (len(block), *output.shape)
        In the stored dtype.
    metadata : bytes, optional
        Of the array as it was written: another version may have laid it out in another way. Default: this version's.

    Returns
    -------
    dict of str to bytes
        By name below the group. The same values give the same bytes.

    Raises
    ------
    InputTypeError, InputValueError
        For another dtype or shape.
    """
    expected = (len(block), *output.shape)
    if values.dtype != plan.request.stored_dtype:
        raise InputTypeError(f"{output.place} holds {plan.request.stored_dtype}, the values are {values.dtype}")
    if values.shape != expected:
        raise InputValueError(f"a block of {output.place} has shape {expected}, the values have {values.shape}")
    files, array = _array_in_memory(output, plan, pass_, metadata)
    array[block.begin : block.end] = values
    return {name: files[name].to_bytes() for name in block_files(output, plan, pass_, block, metadata)}


def decode_block(
    output: Output, plan: Plan, pass_: Pass, block: Block, files: Mapping[str, bytes], metadata: bytes | None = None
) -> np.ndarray:
    """The values in the files of a block, as `encode_block` took them.

    Parameters
    ----------
    output, plan, pass_, block, metadata
        As of `encode_block`.
    files : mapping of str to bytes
        By name below the group.

    Raises
    ------
    DamagedFileError
        When they cannot be decoded.
    """
    try:
        held, array = _array_in_memory(output, plan, pass_, metadata)
        held.update({name: _buffer(content) for name, content in files.items()})
        return np.asarray(array[block.begin : block.end])
    except Exception as error:  # codecs raise whatever they like for bytes that are not theirs
        raise DamagedFileError(
            f"stimuli {block.begin:,} to {block.end - 1:,} of {output.place} cannot be decoded: {error}"
        ) from error


def block_files(output: Output, plan: Plan, pass_: Pass, block: Block, metadata: bytes | None = None) -> list[str]:
    """Names below the group of the files that a block consists of, in order.

    A block is exactly one shard of each array, or whole chunks where the layout has no shards.
    """
    if metadata is not None:
        rows, *others = _shape_of_a_file(metadata)
    else:
        cut = _array_arguments(output, plan, pass_)
        rows, *others = cut["shards"] or cut["chunks"]
    parts = [range(-(-size // part)) for size, part in zip(output.shape, others, strict=True)]
    stimuli = range(block.begin // rows, -(-block.end // rows))
    return [f"{ARRAY}/c/{'/'.join(map(str, cell))}" for cell in itertools.product(stimuli, *parts)]


def array_metadata(output: Output, plan: Plan, pass_: Pass) -> dict[str, Any]:
    """Metadata of the array of one output as this version lays it out, without its attributes."""
    files, _ = _array_in_memory(output, plan, pass_)
    return {name: value for name, value in json.loads(files[METADATA].to_bytes()).items() if name != "attributes"}


def not_as_planned(metadata: bytes, output: Output, plan: Plan, pass_: Pass) -> str:
    """In what an array differs from its plan, in words; another version may cut and pack it in another way.

    Raises
    ------
    DamagedFileError
        When they are no metadata.
    """
    there, planned = parsed_json(metadata, METADATA), array_metadata(output, plan, pass_)
    shape = _shape_of_a_file(metadata)
    parts = [-(-size // part) for size, part in zip(output.shape, shape[1:], strict=False)]
    if len(shape) != 1 + len(output.shape) or math.prod(parts) > MOST_FILES:
        return f"it is cut into parts of {shape}"
    different = [key for key in planned if key not in LAYOUT and there.get(key) != planned[key]]
    return "; ".join(f"{key} is {there.get(key)}, planned is {planned[key]}" for key in different)


def holds_whole_blocks(metadata: bytes, pass_: Pass) -> bool:
    """Whether no file of the array belongs to two blocks, so that workers can write it."""
    return pass_.block % _shape_of_a_file(metadata)[0] == 0


@functools.lru_cache(maxsize=1024)
def _shape_of_a_file(metadata: bytes) -> tuple[int, ...]:
    """Stimuli, and numbers of each other dimension, that one file of an array holds."""
    try:
        shape = tuple(json.loads(metadata)["chunk_grid"]["configuration"]["chunk_shape"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError(f"how an array is cut cannot be read: {error}") from None
    if not shape or not all(type(size) is int and size > 0 for size in shape):
        raise DamagedFileError(f"an array cannot be cut into parts of {shape}")
    return shape


def _array_arguments(output: Output, plan: Plan, pass_: Pass) -> dict[str, Any]:
    request = plan.request
    dims = ("stimulus", *output.dims)
    return array_options(output.shape, request.stored_dtype, dims, layout=request.layout, block=pass_.block)


def _array_in_memory(
    output: Output, plan: Plan, pass_: Pass, metadata: bytes | None = None
) -> tuple[dict[str, Any], zarr.Array]:
    """An empty array of an output's shape and codecs, and the dictionary that holds its files."""
    import zarr
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    arguments = _array_arguments(output, plan, pass_)
    if metadata is not None:
        files[METADATA] = _buffer(metadata)
        array = zarr.open_array(MemoryStore(files), path=ARRAY, mode="r+")
        return files, array.with_config(arguments["config"])
    group = zarr.open_group(MemoryStore(files), mode="w", zarr_format=3)
    return files, group.create_array(ARRAY, shape=(plan.request.count, *output.shape), **arguments)


def _buffer(content: bytes) -> Any:
    from zarr.core.buffer import default_buffer_prototype

    return default_buffer_prototype().buffer.from_bytes(content)
