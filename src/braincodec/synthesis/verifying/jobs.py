"""Checking what a synthesis made against its plan, its records and the digests in them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping

from braincodec.errors import BraincodecError, DamagedFileError
from braincodec.synthesis.plan import Block, Plan
from braincodec.synthesis.storage.arrays import stored_metadata
from braincodec.synthesis.storage.completion import Completion, read_completion
from braincodec.synthesis.storage.in_threads import in_threads
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.records import BlockRecord, discard_blocks, parse_record, record_name, stored_records
from braincodec.synthesis.storage.shards import ARRAY
from braincodec.synthesis.storage.stored_plan import COMPLETE, PLAN, SYNTHESIS, job_folder, read_plan
from braincodec.synthesis.verifying.blocks import problems_of_block
from braincodec.synthesis.verifying.findings import JobFindings
from braincodec.synthesis.verifying.labels import check_finished, check_labels, check_unlisted
from braincodec.synthesis.verifying.verification import Problem

THREADS = 4


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
    laid_out = stored_metadata(place, plan)
    records = _check_records(place, plan, completion, laid_out, found)
    _check_blocks(place, plan, records, laid_out, found, contents, advance)
    check_labels(place, plan, found)
    if completion is not None:
        check_finished(place, plan, completion, records, found)
    elif any(block not in records for block in plan.blocks()):
        check_unlisted(place, plan, found)
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
    for name in found.files:
        if not name.endswith(f"/{COMPLETE}"):
            place.remove(name)
    return len(found.damaged)


def _check_records(
    place: Place, plan: Plan, completion: Completion | None, laid_out: Mapping[str, bytes], found: JobFindings
) -> dict[Block, BlockRecord]:
    records = {}
    for block, content in stored_records(place, plan):
        try:
            records[block] = parse_record(content, plan, block, laid_out)
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
    laid_out: Mapping[str, bytes],
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
            output.place: problems_of_block(
                place, plan, one, output, block, record, None if contents else sizes, laid_out.get(output.place)
            )
            for output in one.outputs
        }

    for block, by_output in in_threads(check, records.items(), THREADS):
        for name, problems in by_output.items():
            found.whole[name] = found.whole.get(name, 0) + (not problems)
            found.problems += problems
            if problems:
                found.damaged[block] = None
        advance(1)


def planned(place: Place, names: Iterable[str]) -> tuple[int, set[str]]:
    """How many blocks the readable plans of some syntheses have, and the places of their outputs."""
    total, places = 0, set()
    for job in names:
        with contextlib.suppress(BraincodecError):
            plan = read_plan(place, job)
            total += sum(-(-plan.request.count // one.block) for one in plan.passes)
            places |= {output.place for output in plan.outputs}
    return total, places
