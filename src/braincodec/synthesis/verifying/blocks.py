"""Checking the files of a block against the digests and skipped stimuli in its record."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from braincodec.errors import DamagedFileError
from braincodec.synthesis.plan import Block, Output, Pass, Plan
from braincodec.synthesis.storage.place import Place
from braincodec.synthesis.storage.records import BlockRecord
from braincodec.synthesis.storage.shards import ARRAY, decode_block
from braincodec.synthesis.storage.stored_plan import FileFacts, file_facts
from braincodec.synthesis.verifying.verification import Problem


def problems_of_block(
    place: Place,
    plan: Plan,
    one: Pass,
    output: Output,
    block: Block,
    record: BlockRecord,
    sizes: Mapping[str, int | None] | None,
    metadata: bytes | None = None,
) -> list[Problem]:
    """What is wrong with one block of one output; `sizes` where files are not to be read, `metadata` of its array."""
    stated = {name: facts for name, facts in record.files.items() if name.startswith(f"{output.place}/")}
    rows = f"stimuli {block.begin:,} to {block.end - 1:,}"
    if sizes is not None:
        wrong = {name: _size_problem(sizes.get(name, -1), facts) for name, facts in stated.items()}
        return [Problem(name, f"{what} ({rows})") for name, what in wrong.items() if what]
    held = {name: place.read(name) for name in stated}
    problems = [Problem(name, f"{what} ({rows})") for name in stated if (what := differs(held[name], stated[name]))]
    if problems:
        return problems
    files = {name.removeprefix(f"{output.place}/"): content for name, content in held.items() if content is not None}
    try:
        values = decode_block(output, plan, one, block, files, metadata)
    except DamagedFileError as error:
        return [Problem(f"{output.place}/{ARRAY}", str(error))]
    holes = {block.begin + row for row in np.flatnonzero(np.isnan(values.reshape(len(block), -1)).all(axis=1))}
    skipped = {item.position for item in record.bad}
    for positions, what in (
        (sorted(holes - skipped), "hold no responses, and are not listed as skipped"),
        (sorted(skipped - holes), "are listed as skipped, and hold responses"),
    ):
        if positions:
            shown = ", ".join(map(str, positions[:5])) + ("..." if len(positions) > 5 else "")
            problems.append(Problem(f"{output.place}/{ARRAY}", f"{len(positions):,} stimuli ({shown}) {what}"))
    return problems


def differs(content: bytes | None, stated: FileFacts) -> str:
    """What is wrong with a file; empty where it is as stated."""
    if content is None:
        return "is missing"
    return _size_problem(len(content), stated) or ("" if file_facts(content) == stated else "differs from its checksum")


def _size_problem(size: int | None, stated: FileFacts) -> str:
    if size is None or size == stated.bytes:
        return ""
    return "is missing" if size < 0 else f"has {size:,} bytes in place of {stated.bytes:,}"
