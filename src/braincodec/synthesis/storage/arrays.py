"""The arrays of a synthesis: their groups, and blocks of values as the files that zarr's codecs make of them."""

from __future__ import annotations

import itertools
import json
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.responses.formats.layout import array_options
from braincodec.synthesis.plan import FORMAT, Block, Output, Pass, Plan
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.stored_plan import FileFacts, file_facts, job_folder, parsed_json, refuse_elsewhere

if TYPE_CHECKING:
    import xarray as xr
    import zarr

ROOT = "zarr.json"
ARRAY = "responses"
METADATA = f"{ARRAY}/{ROOT}"
GROUPS = "groups.json"


class Group(Config):
    """Labels of one output as they were written.

    Parameters
    ----------
    root : dict
        Metadata of the group, which get their final place when all blocks are there.
    files : dict of str to FileFacts
        Labels of the units and metadata of the arrays, by name below the group.
    """

    root: dict[str, Any]
    files: dict[str, FileFacts]


class Groups(Config):
    """Labels of all outputs, by place."""

    format: int = FORMAT
    groups: dict[str, Group]

    def stated_files(self) -> dict[str, FileFacts]:
        """What each file should be, by name below the store."""
        groups = self.groups.items()
        return {f"{folder}/{name}": facts for folder, group in groups for name, facts in group.files.items()}


def create_groups(place: Place, plan: Plan, templates: Mapping[str, xr.DataArray]) -> None:
    """Write labels and array metadata of every output; nothing where an earlier run did.

    A group's own ``zarr.json`` is not written, so that nothing lists or opens it before `finish_store`.

    Parameters
    ----------
    place : Place
    plan : Plan
    templates : mapping of str to DataArray
        By `Output.place`: responses to no stimuli, from `models.run.response_template`.

    Raises
    ------
    InputValueError
        When a template does not fit its output, or the arrays that are there were laid out by another version.
    OutputError, UnreachableError
        When the place cannot be written.
    """
    if resume_groups(place, plan):
        return
    groups = {}
    for one in plan.passes:
        for output in one.outputs:
            files = _group_files(output, plan, one, templates[output.place])
            root = json.loads(files.pop(ROOT))
            place.write_many({f"{output.place}/{name}": content for name, content in files.items()})
            groups[output.place] = Group(root=root, files={name: file_facts(files[name]) for name in files})
    content = Groups(groups=groups).model_dump_json()
    place.write(f"{job_folder(plan)}/{GROUPS}", content.encode())


def resume_groups(place: Place, plan: Plan, *, finished: bool = False) -> bool:
    """Whether an earlier run wrote all labels, so that this one can go on; clears what it left unfinished.

    Parameters
    ----------
    place : Place
    plan : Plan
    finished : bool
        Nothing may have to be written: arrays that another version laid out are let pass then. `refuse_other_layout`
        is for the caller that writes all the same.

    Raises
    ------
    InputValueError
        When the arrays that are there were laid out by another version.
    """
    sweep_unfinished(place, plan)
    return (finished or refuse_other_layout(place, plan)) and read_groups(place, plan) is not None


def sweep_unfinished(place: Place, plan: Plan) -> None:
    """Remove the files that killed workers were about to write; nobody may be writing."""
    for folder in {*(posixpath.dirname(output.place) for output in plan.outputs), job_folder(plan)}:
        place.sweep(folder)


def read_groups(place: Place, plan: Plan) -> Groups | None:
    """What `create_groups` wrote; None where it did not come to its end, or where some of it is missing or damaged."""
    content = place.read(f"{job_folder(plan)}/{GROUPS}")
    try:
        groups = parse_groups(content, plan)
    except DamagedFileError:
        return None
    stated = groups.stated_files()
    for facts, file in zip(stated.values(), place.read_many(stated), strict=True):
        if file is None or file_facts(file) != facts:
            return None
    return groups


def parse_groups(content: bytes | None, plan: Plan) -> Groups:
    """The labels that were written, from their file.

    Raises
    ------
    DamagedFileError
        When it is missing, cut short, edited, of another version or plan.
    """
    if content is None:
        raise DamagedFileError(f"{GROUPS} is missing")
    try:
        groups = Groups.parse(parsed_json(content, GROUPS))
    except DamagedFileError:
        raise
    except (InputValueError, InputTypeError) as error:
        raise DamagedFileError(f"{GROUPS} is damaged: {error}") from error
    if groups.format != FORMAT or set(groups.groups) != {output.place for output in plan.outputs}:
        raise DamagedFileError(f"{GROUPS} speaks of other responses than the plan")
    refuse_elsewhere(groups.stated_files(), GROUPS)
    return groups


def encode_block(output: Output, plan: Plan, pass_: Pass, block: Block, values: np.ndarray) -> dict[str, bytes]:
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
    files, array = _array_in_memory(output, plan, pass_)
    array[block.begin : block.end] = values
    return {name: files[name].to_bytes() for name in block_files(output, plan, pass_, block)}


def decode_block(
    output: Output, plan: Plan, pass_: Pass, block: Block, files: Mapping[str, bytes], metadata: bytes | None = None
) -> np.ndarray:
    """The values in the files of a block, as `encode_block` took them.

    Parameters
    ----------
    output, plan, pass_, block
        As of `encode_block`.
    files : mapping of str to bytes
        By name below the group.
    metadata : bytes, optional
        Of the array as it was written: another version may have laid it out in another way. Default: this version's.

    Raises
    ------
    DamagedFileError
        When they cannot be decoded.
    """
    import zarr
    from zarr.core.buffer import default_buffer_prototype

    of_bytes = default_buffer_prototype().buffer.from_bytes
    held, array = _array_in_memory(output, plan, pass_)
    held.update({name: of_bytes(content) for name, content in files.items()})
    try:
        if metadata is not None:
            held[METADATA] = of_bytes(metadata)
            array = zarr.open_array(array.store, path=ARRAY, mode="r")
        return np.asarray(array[block.begin : block.end])
    except Exception as error:  # codecs raise whatever they like for bytes that are not theirs
        raise DamagedFileError(
            f"stimuli {block.begin:,} to {block.end - 1:,} of {output.place} cannot be decoded: {error}"
        ) from error


def block_files(output: Output, plan: Plan, pass_: Pass, block: Block) -> list[str]:
    """Names below the group of the files that a block consists of, in order.

    A block is exactly one shard of each array, or whole chunks where the layout has no shards.
    """
    cut = _array_arguments(output, plan, pass_)
    rows, *others = cut["shards"] or cut["chunks"]
    parts = [range(-(-size // part)) for size, part in zip(output.shape, others, strict=True)]
    stimuli = range(block.begin // rows, -(-block.end // rows))
    return [f"{ARRAY}/c/{'/'.join(map(str, cell))}" for cell in itertools.product(stimuli, *parts)]


def array_metadata(output: Output, plan: Plan, pass_: Pass) -> dict[str, Any]:
    """Metadata of the array of one output, without its attributes."""
    files, _ = _array_in_memory(output, plan, pass_)
    return {name: value for name, value in json.loads(files[METADATA].to_bytes()).items() if name != "attributes"}


def _array_arguments(output: Output, plan: Plan, pass_: Pass) -> dict[str, Any]:
    request = plan.request
    dims = ("stimulus", *output.dims)
    return array_options(output.shape, request.stored_dtype, dims, layout=request.layout, block=pass_.block)


def _array_in_memory(output: Output, plan: Plan, pass_: Pass) -> tuple[dict[str, Any], zarr.Array]:
    """An empty array of an output's shape and codecs, and the dictionary that holds its files."""
    import zarr
    from zarr.storage import MemoryStore

    files: dict[str, Any] = {}
    group = zarr.open_group(MemoryStore(files), mode="w", zarr_format=3)
    shape = (plan.request.count, *output.shape)
    return files, group.create_array(ARRAY, shape=shape, **_array_arguments(output, plan, pass_))


def _group_files(output: Output, plan: Plan, pass_: Pass, template: xr.DataArray) -> dict[str, bytes]:
    from zarr.storage import MemoryStore

    from braincodec.responses.formats.zarr_store import create

    if template.shape[1:] != output.shape or template.dims[1:] != output.dims:
        raise InputValueError(
            f"{output.place} is planned as {dict(zip(output.dims, output.shape, strict=True))}, its labels are for "
            f"{dict(zip(template.dims[1:], template.shape[1:], strict=True))}"
        )
    files: dict[str, Any] = {}
    request, template = plan.request, template.astype(plan.request.stored_dtype)
    create(MemoryStore(files), template, length=request.count, layout=request.layout, block=pass_.block)
    return {name: content.to_bytes() for name, content in files.items()}


def refuse_other_layout(place: Place, plan: Plan) -> bool:
    """Whether all arrays have metadata; raises where they are not what this version would write.

    Raises
    ------
    InputValueError
    """
    planned = {f"{output.place}/{METADATA}": (one, output) for one in plan.passes for output in one.outputs}
    absent = False
    for (one, output), content in zip(planned.values(), place.read_many(planned), strict=True):
        if content is None:
            absent = True
            continue
        try:
            there = parsed_json(content, f"{output.place}/{METADATA}")
        except DamagedFileError:  # is written again
            absent = True
            continue
        there.pop("attributes", None)
        if there != array_metadata(output, plan, one):
            raise InputValueError(
                f"{place.join(output.place)} was laid out in another way, by braincodec {plan.version}: go on with "
                "that version, or begin anew (--overwrite, overwrite=True)"
            )
    return not absent
