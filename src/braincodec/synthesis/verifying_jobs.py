"""Checking what a synthesis made against its plan, its records and the digests in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from braincodec.errors import BraincodecError, DamagedFileError
from braincodec.synthesis.arrays import (
    ARRAY,
    GROUPS,
    METADATA,
    ROOT,
    array_metadata,
    parse_groups,
)
from braincodec.synthesis.completion import Completion, read_completion
from braincodec.synthesis.in_threads import in_threads
from braincodec.synthesis.place import Place
from braincodec.synthesis.plan import Block, Output, Pass, Plan
from braincodec.synthesis.records import BlockRecord, discard_blocks, parse_record, record_name, stored_records
from braincodec.synthesis.stored_plan import (
    COMPLETE,
    PLAN,
    SYNTHESIS,
    FileFacts,
    ids_hash,
    job_folder,
    parsed_json,
    read_plan,
)
from braincodec.synthesis.verification import DAMAGED, UNFINISHED, WHOLE, Checked, Problem
from braincodec.synthesis.verifying_blocks import differs, problems_of_block

THREADS = 4


@dataclass
class JobFindings:
    """What is wrong with one synthesis, and what it consists of.

    Parameters
    ----------
    plan : Plan or None
        None where it cannot be read.
    problems : list of Problem
    damaged : dict of Block to None
        Blocks that were recorded, and are not what their record says.
    files : list of str
        Damaged files beside those of blocks: labels, ids, metadata.
    whole : dict of str to int
        Whole blocks of each output, by place.
    """

    plan: Plan | None
    problems: list[Problem] = field(default_factory=list)
    damaged: dict[Block, None] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    whole: dict[str, int] = field(default_factory=dict)
    finished: bool = False

    def add(self, place: str, what: str) -> None:
        """Note a problem."""
        self.problems.append(Problem(place, what))

    def checked(self, sizes: Mapping[str, int | None]) -> list[Checked]:
        """One row for each output."""
        rows = []
        for one in self.plan.passes if self.plan else ():
            planned = -(-self.plan.request.count // one.block) if self.plan else 0
            for output in one.outputs:
                whole = self.whole.get(output.place, 0)
                wrong = any(problem.place.startswith(f"{output.place}/") for problem in self.problems)
                if self.finished:
                    state = WHOLE if whole == planned and not wrong else DAMAGED
                else:
                    state = DAMAGED if wrong else UNFINISHED
                rows.append(
                    Checked(
                        "responses",
                        output.place,
                        state,
                        output.model,
                        str(output.subject),
                        output.roi or "",
                        self.plan.request.stimuli if self.plan else "",
                        whole,
                        planned,
                        sum(size or 0 for name, size in sizes.items() if name.startswith(f"{output.place}/")),
                    )
                )
        return rows


def check_job(place: Place, job: str, *, contents: bool, advance: Callable[[int], None]) -> JobFindings:
    """Compare what a synthesis made with what it says of itself.

    Parameters
    ----------
    place : Place
    job : str
        From `jobs`.
    contents : bool
        Read every file; otherwise only their sizes are compared.
    advance : callable
        Told of each block.
    """
    try:
        plan = read_plan(place, job)
    except BraincodecError as error:
        found = JobFindings(None)
        found.add(f"{SYNTHESIS}/{job}/{PLAN}", str(error))
        return found
    found = JobFindings(plan)
    completion = None
    try:
        completion = read_completion(place, plan)
    except DamagedFileError as error:
        found.add(f"{job_folder(plan)}/{COMPLETE}", str(error))
        found.files.append(f"{job_folder(plan)}/{COMPLETE}")
    found.finished = completion is not None
    records = _check_records(place, plan, completion, found)
    _check_blocks(place, plan, records, found, contents, advance)
    _check_labels(place, plan, found)
    if completion is not None:
        _check_finished(place, plan, completion, records, found)
    else:
        for output in plan.outputs:
            if place.read(f"{output.place}/{ROOT}") is not None and not found.files:
                found.add(f"{output.place}/{ROOT}", "is there although the synthesis is unfinished")
                found.files.append(f"{output.place}/{ROOT}")
    return found


def discard_damaged(place: Place, found: JobFindings) -> int:
    """Remove the records of damaged blocks and damaged labels, so that a resumed run makes them again.

    Returns
    -------
    int
        How many blocks that are.
    """
    if found.plan is None or not (found.damaged or found.files):
        return 0
    discard_blocks(place, found.plan, found.damaged)
    labels = [name for name in found.files if not name.endswith(f"/{COMPLETE}")]
    for name in labels:
        place.remove(name)
    if labels:
        place.remove(f"{job_folder(found.plan)}/{GROUPS}")
    return len(found.damaged)


def _check_records(
    place: Place, plan: Plan, completion: Completion | None, found: JobFindings
) -> dict[Block, BlockRecord]:
    records = {}
    for block, content in stored_records(place, plan):
        try:
            records[block] = parse_record(content, plan, block)
        except DamagedFileError as error:
            found.damaged[block] = None
            found.add(record_name(plan, block), str(error))
    missing = [block for block in plan.blocks() if block not in records and block not in found.damaged]
    if completion is not None:
        for block in missing:
            found.damaged[block] = None
            found.add(record_name(plan, block), f"there is no record of stimuli {block.begin:,} to {block.end - 1:,}")
    elif missing or not found.files:
        total = len(records) + len(missing) + len(found.damaged)
        words = f"unfinished: {len(records):,} of {total:,} blocks are recorded" if missing else "unfinished"
        found.add(job_folder(plan), f"{words}; --resume goes on")
    return records


def _check_blocks(
    place: Place,
    plan: Plan,
    records: Mapping[Block, BlockRecord],
    found: JobFindings,
    contents: bool,
    advance: Callable[[int], None],
) -> None:
    sizes: dict[str, int | None] = {}
    if not contents:
        sizes = {file.name: file.size for output in plan.outputs for file in place.walk(f"{output.place}/{ARRAY}")}

    def check(item: tuple[Block, BlockRecord]) -> tuple[Block, dict[str, list[Problem]]]:
        block, record = item
        one = plan.passes[block.pass_number]
        return block, {
            output.place: problems_of_block(place, plan, one, output, block, record, sizes if not contents else None)
            for output in one.outputs
        }

    for block, by_output in in_threads(check, records.items(), THREADS):
        for name, problems in by_output.items():
            found.whole[name] = found.whole.get(name, 0) + (not problems)
            found.problems += problems
            if problems:
                found.damaged[block] = None
        advance(1)


def _check_labels(place: Place, plan: Plan, found: JobFindings) -> None:
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
    """Shape, dtype and codecs of an array against the plan, whatever the digests say."""
    name = f"{output.place}/{METADATA}"
    content = place.read(name)
    if content is None or name in found.files:
        return
    try:
        there = parsed_json(content, name)
    except DamagedFileError as error:
        found.add(name, str(error))
        found.files.append(name)
        return
    planned = array_metadata(output, plan, one)
    different = [key for key in planned if there.get(key) != planned[key]]
    if different:
        words = "; ".join(f"{key} is {there.get(key)}, planned is {planned[key]}" for key in different)
        found.add(name, words)
        found.files.append(name)


def _check_finished(
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


def planned(place: Place, names: Iterable[str]) -> tuple[int, set[str]]:
    """How many blocks the readable plans of some syntheses have, and the places of their outputs."""
    total, places = 0, set()
    for job in names:
        with contextlib.suppress(BraincodecError):
            plan = read_plan(place, job)
            total += sum(-(-plan.request.count // one.block) for one in plan.passes)
            places |= {output.place for output in plan.outputs}
    return total, places
