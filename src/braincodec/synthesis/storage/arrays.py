"""The arrays of a synthesis: their groups, with labels and metadata, and how earlier runs laid them out."""

from __future__ import annotations

import contextlib
import json
import posixpath
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from braincodec.config import Config
from braincodec.errors import DamagedFileError, InputTypeError, InputValueError
from braincodec.synthesis.plan import FORMAT, Output, Pass, Plan
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.shards import LAYOUT, METADATA, array_metadata, holds_whole_blocks, not_as_planned
from braincodec.synthesis.storage.stored_plan import FileFacts, file_facts, job_folder, parsed_json, refuse_elsewhere

if TYPE_CHECKING:
    import xarray as xr

ROOT = "zarr.json"
GROUPS = "groups.json"


class Group(Config):
    """Labels of one output as they were written.

    Parameters
    ----------
    root : dict
        Metadata of the group, which get their final place when all blocks are there.
    layout : dict
        How the array is cut and packed, should its metadata be lost; earlier versions did not note it.
    files : dict of str to FileFacts
        Labels of the units and metadata of the arrays, by name below the group.
    """

    root: dict[str, Any]
    layout: dict[str, Any] = Field(default_factory=dict)
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

    A group's own ``zarr.json`` is not written, so that nothing lists or opens it before `finish_store`. Arrays stay as
    they were laid out, because blocks of them may be there.

    Parameters
    ----------
    place : Place
    plan : Plan
    templates : mapping of str to DataArray
        By `Output.place`: responses to no stimuli, from `models.run.response_template`.

    Raises
    ------
    InputValueError
        When a template does not fit its output, or the arrays that are there were laid out in a way that cannot be
        gone on with.
    OutputError, UnreachableError
        When the place cannot be written.
    """
    if resume_groups(place, plan):
        return
    refuse_other_layout(place, plan)
    laid_out = stored_metadata(place, plan)
    groups = {}
    for one in plan.passes:
        for output in one.outputs:
            files = _group_files(output, plan, one, templates[output.place])
            files[METADATA] = _laid_out_as(laid_out.get(output.place), files[METADATA])
            root = json.loads(files.pop(ROOT))
            place.write_many({f"{output.place}/{name}": content for name, content in files.items()})
            own = {name: file_facts(content) for name, content in files.items()}
            groups[output.place] = Group(root=root, layout=_layout_of(files[METADATA]), files=own)
    content = Groups(groups=groups).model_dump_json()
    place.write(f"{job_folder(plan)}/{GROUPS}", content.encode())


def resume_groups(place: Place, plan: Plan) -> bool:
    """Whether an earlier run wrote all labels, so that this one can go on; clears what it left unfinished."""
    sweep_unfinished(place, plan)
    return read_groups(place, plan) is not None


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


def stored_metadata(place: Place, plan: Plan) -> dict[str, bytes]:
    """Metadata of the arrays as they were laid out, by place of the output.

    Those that are missing or damaged are put together from what was noted of their layout; where nothing was, they are
    left out, and nobody can tell what the files of their blocks hold.
    """
    try:
        groups = parse_groups(place.read(f"{job_folder(plan)}/{GROUPS}"), plan).groups
    except DamagedFileError:
        groups = {}
    outputs = [(one, output, f"{output.place}/{METADATA}") for one in plan.passes for output in one.outputs]
    found = {}
    for (one, output, _), content in zip(outputs, place.read_many([name for *_, name in outputs]), strict=True):
        group = groups.get(output.place)
        stated = None if group is None else group.files.get(METADATA)
        if content is None or (stated is not None and file_facts(content) != stated):
            planned = json.dumps(array_metadata(output, plan, one)).encode()
            content = _laid_out_as(json.dumps(group.layout).encode(), planned) if group and group.layout else None
        with contextlib.suppress(DamagedFileError):
            if content is not None and not not_as_planned(content, output, plan, one):
                found[output.place] = content
    return found


def refuse_other_layout(place: Place, plan: Plan) -> None:
    """Raise where an array that is there is another one than planned, or is not cut into whole blocks.

    Raises
    ------
    InputValueError
    """
    planned = [(one, output, f"{output.place}/{METADATA}") for one in plan.passes for output in one.outputs]
    for (one, output, _), content in zip(planned, place.read_many([name for *_, name in planned]), strict=True):
        with contextlib.suppress(DamagedFileError):  # is written again
            if content is None or (not not_as_planned(content, output, plan, one) and holds_whole_blocks(content, one)):
                continue
            raise InputValueError(
                f"{place.join(output.place)} was laid out in another way, by braincodec {plan.version}: go on with "
                "that version, or begin anew (--overwrite, overwrite=True)"
            )


def _layout_of(metadata: bytes) -> dict[str, Any]:
    return {key: value for key, value in json.loads(metadata).items() if key in LAYOUT}


def _laid_out_as(there: bytes | None, planned: bytes) -> bytes:
    """Planned metadata, with the layout of those that are there."""
    if there is None or _layout_of(there) == _layout_of(planned):
        return planned
    return json.dumps({**json.loads(planned), **_layout_of(there)}, indent=2).encode()
