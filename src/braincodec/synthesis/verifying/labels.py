"""Checking labels, metadata and stimulus ids of a synthesis against the digests that were noted of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from braincodec.errors import BraincodecError, DamagedFileError
from braincodec.synthesis.plan import Block, Output, Pass, Plan
from braincodec.synthesis.storage.arrays import GROUPS, ROOT, parse_groups
from braincodec.synthesis.storage.completion import Completion
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.records import BlockRecord, record_name
from braincodec.synthesis.storage.shards import ARRAY, METADATA, not_as_planned
from braincodec.synthesis.storage.stored_plan import COMPLETE, FileFacts, ids_hash, job_folder
from braincodec.synthesis.verifying.blocks import differs
from braincodec.synthesis.verifying.findings import JobFindings


def check_labels(place: Place, plan: Plan, found: JobFindings) -> None:
    """Labels of units, and metadata of arrays, against the digests that were noted when they were written."""
    name = f"{job_folder(plan)}/{GROUPS}"
    content = place.read(name)
    if content is None and not (found.finished or found.whole):
        return  # the run stopped before it had written them
    try:
        groups = parse_groups(content, plan)
    except DamagedFileError as error:
        found.add(name, str(error))
        found.files.append(name)
    else:
        _compare(place, groups.stated_files(), found)
    for one in plan.passes:
        for output in one.outputs:
            _check_metadata(place, plan, one, output, found)


def _check_metadata(place: Place, plan: Plan, one: Pass, output: Output, found: JobFindings) -> None:
    """Shape and dtype of an array against the plan, whatever the digests say; another version may cut it otherwise."""
    name = f"{output.place}/{METADATA}"
    content = place.read(name)
    if content is None or name in found.files:
        return
    try:
        words = not_as_planned(content, output, plan, one)
    except DamagedFileError as error:
        words = str(error)
    if words:
        found.add(name, words)
        found.files.append(name)


def check_finished(
    place: Place,
    plan: Plan,
    completion: Completion,
    records: Mapping[Block, BlockRecord],
    found: JobFindings,
) -> None:
    """Everything that the end of a synthesis wrote."""
    of_blocks: dict[str, FileFacts] = {}
    for block, record in records.items():
        of_blocks |= record.files
        if any(completion.files.get(name) != facts for name, facts in record.files.items()):
            found.damaged[block] = None
            found.add(record_name(plan, block), f"states other digests than {COMPLETE}")
    known = {f"{output.place}/{ARRAY}/c/" for output in plan.outputs}
    others = {
        name: facts
        for name, facts in completion.files.items()
        if name not in of_blocks and not any(name.startswith(folder) for folder in known)
    }
    _compare(place, {name: facts for name, facts in others.items() if name not in found.files}, found)
    for output in plan.outputs:
        for name in (f"{output.place}/{ROOT}", f"{output.place}/stimulus/{ROOT}"):
            if name not in completion.files:
                found.add(name, f"is not among the files of {COMPLETE}")
                found.files.append(name)
        if not any(name.startswith(f"{output.place}/") for name in found.files):
            _check_ids(place, plan, completion, output, found)


def check_unlisted(place: Place, plan: Plan, found: JobFindings) -> None:
    """Nothing may make arrays with holes pass for whole ones."""
    for output in plan.outputs:
        name = f"{output.place}/{ROOT}"
        if place.read(name) is not None:
            found.add(name, "is there although blocks are missing")
            found.files.append(name)


def _check_ids(place: Place, plan: Plan, completion: Completion, output: Output, found: JobFindings) -> None:
    from braincodec.responses import open_responses

    try:
        responses: Any = open_responses(place.join(output.place), storage_options=_options(place))
        ids = responses["stimulus"].values.astype(str)
    except BraincodecError as error:
        found.add(f"{output.place}/{ROOT}", str(error))
        found.files.append(f"{output.place}/{ROOT}")
        return
    hashed = ids_hash(ids)
    if len(ids) != plan.request.count:
        what = f"{len(ids):,} ids for {plan.request.count:,} stimuli"
    elif len(np.unique(ids)) != len(ids):
        what = "an id occurs twice"
    elif hashed != completion.ids or plan.request.ids not in ("", hashed):
        what = "other stimulus ids than the plan was made for"
    else:
        return
    found.add(f"{output.place}/stimulus", what)
    found.files.append(f"{output.place}/stimulus")


def _compare(place: Place, stated: Mapping[str, FileFacts], found: JobFindings) -> None:
    """Note the files that are missing or other than stated."""
    for (name, facts), content in zip(stated.items(), place.read_many(stated), strict=True):
        what = differs(content, facts)
        if what:
            found.add(name, what)
            found.files.append(name)


def _options(place: Place) -> dict[str, Any] | None:
    return None if place.options is None else dict(place.options)
