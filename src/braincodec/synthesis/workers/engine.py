"""Blocks to the workers of a cluster until all are durable; stimuli compared with what they were."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from braincodec.errors import InputValueError
from braincodec.synthesis.computing.digests import UNREADABLE
from braincodec.synthesis.workers.cluster.base import Cluster
from braincodec.synthesis.workers.dispatch import Dispatch
from braincodec.synthesis.workers.job import Job
from braincodec.synthesis.workers.waiting import Piece

if TYPE_CHECKING:
    from braincodec.synthesis.plan import Block
    from braincodec.synthesis.storage.records import BlockRecord

# stimuli whose contents one task compares
COMPARED_AT_ONCE = 256


def run_blocks(
    cluster: Cluster,
    job: Job,
    pending: Iterable[Block],
    *,
    finished: Mapping[Block, BlockRecord] | None = None,
    on_done: Callable[[BlockRecord], None] | None = None,
) -> None:
    """Compute and write blocks on the workers of a cluster; returns when all are durable.

    Parameters
    ----------
    cluster : Cluster
        From `open_cluster`.
    job : Job
        Whose plan lies at its output already, with the groups that it is to fill.
    pending : iterable of Block
    finished : mapping of Block to BlockRecord, optional
        What earlier runs did: a stimulus must show the same in all passes.
    on_done : callable, optional
        Called in this thread with the record of each block as it is finished.

    Raises
    ------
    BraincodecError
        The first that a worker met and that another try cannot mend: a full disk (`OutputError`), a stimulus that
        cannot be read where that ends the run, another model than planned.
    InputValueError
        When a stimulus changed while the run went on.
    UnreachableError
        When the scheduler is lost, or there were no workers for `cluster.patience` seconds.
    FailedWorkError
        When a block failed, or ended its worker, three times.

    Notes
    -----
    A worker has at most two blocks, and is given the next one when one of them is durable: what is computed is never
    far ahead of what is written. A block whose worker was lost is tried again alone, so that it is not taken for the
    culprit when its neighbour was.
    """
    from braincodec.synthesis.workers.worker import JobPlugin, work_on

    blocks = list(pending)
    every = sum(1 for _ in job.plan.blocks())
    kept = every - len(blocks)
    contents = _Contents(job)
    for block, record in (finished or {}).items():
        contents.enter(block, record)

    def done(piece: Piece, record: BlockRecord) -> None:
        nonlocal kept
        kept += 1
        (block,) = piece.arguments
        contents.enter(block, record)
        if on_done is not None:
            on_done(record)

    Dispatch(
        cluster,
        cluster.deploy(JobPlugin(job), job.name),
        work_on,
        [Piece((block.pass_number, block.number), (block,), group=block.pass_number) for block in blocks],
        describe=lambda piece: _block_in_words(job, piece.arguments[0]),
        on_done=done,
        state=lambda: f"{kept:,} of {every:,} blocks are kept, and the same command goes on from there",
    ).run()


@dataclass(frozen=True)
class ComparedStimuli:
    """What became of stimuli since their responses were computed.

    Parameters
    ----------
    changed : tuple of int
        Positions of those that show something else, or cannot be read any more.
    repaired : tuple of int
        Positions of those that could not be read then, and can now.
    """

    changed: tuple[int, ...] = ()
    repaired: tuple[int, ...] = ()


def check_stimuli(
    cluster: Cluster,
    job: Job,
    records: Mapping[Block, BlockRecord],
    *,
    on_done: Callable[[int], None] | None = None,
) -> ComparedStimuli:
    """Compare the contents of stimuli with the digests in the records of finished blocks.

    Parameters
    ----------
    cluster : Cluster
    job : Job
    records : mapping of Block to BlockRecord
    on_done : callable, optional
        Called with how many stimuli were compared since the last call; `stimuli_to_check` says how many in all.

    Raises
    ------
    UnreachableError, FailedWorkError
        As `run_blocks`.
    """
    from braincodec.synthesis.workers.worker import JobPlugin, look_at

    contents = _Contents(job)
    for block, record in records.items():
        contents.enter(block, record)
    changed: list[int] = []
    repaired: list[int] = []

    def compare(piece: Piece, digests: Sequence[str]) -> None:
        begin, end = piece.arguments
        for position, now in zip(range(begin, end), digests, strict=True):
            before = contents.at(position)
            if before == UNREADABLE != now:
                repaired.append(position)
            elif now != before:
                changed.append(position)
        if on_done is not None:
            on_done(end - begin)

    Dispatch(
        cluster,
        cluster.deploy(JobPlugin(job), job.name),
        look_at,
        [Piece(span, span) for span in _spans(records)],
        describe=lambda piece: f"reading {job.describe(*piece.arguments)}",
        on_done=compare,
        state=lambda: "nothing was changed",
    ).run()
    return ComparedStimuli(tuple(sorted(changed)), tuple(sorted(repaired)))


def stimuli_to_check(records: Iterable[Block]) -> int:
    """How many stimuli `check_stimuli` reads."""
    return sum(end - begin for begin, end in _spans(records))


def _spans(records: Iterable[Block]) -> list[tuple[int, int]]:
    """Pieces of the stimuli that any block holds, each stimulus once."""
    spans, reached = [], 0
    for begin, end in sorted({(block.begin, block.end) for block in records}):
        for first in range(max(begin, reached), end, COMPARED_AT_ONCE):
            spans.append((first, min(first + COMPARED_AT_ONCE, end)))
        reached = max(reached, end)
    return spans


def _block_in_words(job: Job, block: Block) -> str:
    return f"block {block.number} of {job.plan.passes[block.pass_number].name}, {job.describe(block.begin, block.end)},"


class _Contents:
    """What each stimulus showed in the blocks that are done."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._digests: Any = np.zeros(job.plan.request.count, f"S{len(UNREADABLE)}")

    def at(self, position: int) -> str:
        """Digest of a stimulus; `UNREADABLE` where no pass could read it."""
        return str(self._digests[position].decode())

    def enter(self, block: Block, record: BlockRecord) -> None:
        """Take in a block; a stimulus that another pass could not read may be readable in this one."""
        now = np.array(record.digests, self._digests.dtype)
        before = self._digests[block.begin : block.end]
        unreadable = UNREADABLE.encode()
        known = (before != b"") & (before != unreadable)
        differs = known & (now != unreadable) & (now != before)
        if differs.any():
            position = block.begin + int(differs.argmax())
            raise InputValueError(
                f"stimulus {self._job.stimuli.ids[position]} (position {position:,}) changed while the run went on: "
                "its passes saw different images; put the images back, or begin anew (--overwrite, overwrite=True)"
            )
        self._digests[block.begin : block.end] = np.where(known, before, now)
