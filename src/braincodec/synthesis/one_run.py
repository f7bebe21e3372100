"""One run of a synthesis, from its plan to the last file."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.stimuli import BadStimulus
from braincodec.synthesis.computing.digests import UNREADABLE, digests_of
from braincodec.synthesis.plan import Block, Plan
from braincodec.synthesis.planning.at_hand import Workers, check_room
from braincodec.synthesis.planning.preparing import Prepared, forecast_of
from braincodec.synthesis.planning.request import where_models_are
from braincodec.synthesis.storage.arrays import create_groups, read_groups, refuse_other_layout, resume_groups
from braincodec.synthesis.storage.completion import finish_store, skipped_stimuli
from braincodec.synthesis.storage.records import BlockRecord, discard_blocks, finished_blocks
from braincodec.synthesis.storage.stored_plan import write_plan
from braincodec.synthesis.workers.cluster import Cluster, open_cluster
from braincodec.synthesis.workers.engine import COMPARED_AT_ONCE, check_stimuli, run_blocks, stimuli_to_check
from braincodec.synthesis.workers.job import Job, worker_bytes

MOST_CHANGED_SHOWN = 5


class Notes:
    """Remarks: told as they come, and kept for the result."""

    def __init__(self, on_note: Callable[[str], None] | None) -> None:
        self._on_note = on_note
        self.kept: list[str] = []

    def __call__(self, words: str) -> None:
        """Tell and keep."""
        self.kept.append(words)
        self.show(words)

    def show(self, words: str) -> None:
        """Tell, and do not keep."""
        if self._on_note is not None:
            self._on_note(words)

    def warn(self, words: str) -> None:
        """Tell even somebody who asked for no remarks."""
        self(words)
        if self._on_note is None:
            warnings.warn(words, stacklevel=5)


class Run:
    """One run of a synthesis, from the plan to the last file."""

    def __init__(
        self,
        prepared: Prepared,
        workers: Workers,
        said: Notes,
        storage_options: Mapping[str, Any],
        progress: bool | None,
    ) -> None:
        self.prepared, self.workers, self.said = prepared, workers, said
        self.place, self.earlier, self.progress = prepared.place, prepared.earlier, progress
        self.was_complete = False  # before this run, which then did nothing
        for words in prepared.notes:
            said.warn(words)
        # of a synthesis that was begun, the plan is there, and its models are loaded where they are needed
        self.planned = None if self.earlier is not None else prepared.planned(progress=progress)
        self.plan = prepared.plan if self.planned is None else self.planned.plan
        models, models_options = where_models_are(prepared.store)
        self.job = Job(self.plan, prepared.stimuli, models, self.place.address, models_options, storage_options)

    def work(self) -> list[BadStimulus]:
        """Compute what is missing, and finish the store; gives the stimuli that could not be read."""
        finished = self.earlier is not None and self.earlier.finished
        records = self._of_complete_store() if finished else None
        if records is None:
            records = self._complete_store()
        return skipped_stimuli(records)

    def _of_complete_store(self) -> dict[Block, BlockRecord] | None:
        """The records of a store that lacks nothing, where it is one; others need not be kept out to say so."""
        records = finished_blocks(self.place, self.plan)
        missing = any(block not in records for block in self.plan.blocks())
        if missing or self._readable_again(records) or read_groups(self.place, self.plan) is None:
            return None
        if self.prepared.stimuli_may_differ:
            with self._cluster(_pieces_to_compare(records)) as cluster:
                self._refuse_changed(cluster, records)
        self.was_complete = True
        self.said(f"{self.place.address} is complete already")
        return records

    def _complete_store(self) -> dict[Block, BlockRecord]:
        self.workers.check_memory(self.plan)
        if self.earlier is None:
            self._tell({})
        with self.place.exclusive():
            self.prepared.refuse_if_changed()
            self.prepared.situation.make_room(self.place)
            labelled = self.earlier is not None and resume_groups(self.place, self.plan)
            found = finished_blocks(self.place, self.plan)
            if self.earlier is not None:
                self._tell(found)
            kept = self._without_readable_again(found)
            missing = any(block not in kept for block in self.plan.blocks())
            if missing:
                refuse_other_layout(self.place, self.plan)
            compare = bool(found) and self.prepared.stimuli_may_differ
            if missing or compare:
                records = self._compute(found, kept, compare=compare, labelled=labelled)
            else:
                records = kept
                if not labelled:
                    self._make_arrays()
            finish_store(self.place, self.plan, self.prepared.stimuli.ids, records)
        return records

    def _tell(self, records: dict[Block, BlockRecord]) -> None:
        """Say what will be done, and what it takes, in view of what was done before."""
        forecast = forecast_of(self.prepared, self.plan, self.workers, records)
        self.said.show(str(dataclasses.replace(forecast, notes=())))  # these were told
        for words in check_room(forecast):
            self.said(words)

    def _make_arrays(self) -> None:
        """Plan, labels and metadata."""
        if self.earlier is None:
            write_plan(self.place, self.plan, self.prepared.stimuli_address)
        planned = self.planned or self.prepared.planned(progress=self.progress)
        for name, content in planned.descriptions.items():
            self.place.write(name, content)
        create_groups(self.place, self.plan, planned.templates)

    def _cluster(self, pieces: int) -> AbstractContextManager[Cluster]:
        """The workers, no more of them than there are pieces of work."""
        request = self.plan.request
        return open_cluster(
            self.workers.cluster,
            workers=self.workers.to_start(self.plan, pieces),
            threads=request.threads,
            device=request.device,
            worker_bytes=worker_bytes(self.plan),
            options=self.workers.options,
            on_note=self.said,
        )

    def _compute(
        self, found: dict[Block, BlockRecord], kept: dict[Block, BlockRecord], *, compare: bool, labelled: bool
    ) -> dict[Block, BlockRecord]:
        """Compute the blocks that are not kept, unless stimuli of those that were found have changed."""
        pending = [block for block in self.plan.blocks() if block not in kept]
        with self._cluster(max(len(pending), _pieces_to_compare(found) if compare else 0)) as cluster:
            if cluster.dashboard:
                self.said(f"dashboard: {cluster.dashboard}")
            if not labelled:  # while workers start
                self._make_arrays()
            if compare:
                self._refuse_changed(cluster, found)
            if not pending:
                return kept
            forgotten = set(found) - set(kept)
            if forgotten or (self.earlier is not None and self.earlier.finished):
                discard_blocks(self.place, self.plan, forgotten)  # from here on nothing is listed until the end
            records = self._run_blocks(cluster, kept)
            again = read_by_another_pass(self.plan, records)
            if again:
                self.said(f"some stimuli could be read by some passes only: {len(again):,} blocks are computed again")
                discard_blocks(self.place, self.plan, again)
                kept = {block: record for block, record in records.items() if block not in again}
                records = self._run_blocks(cluster, kept)
            return records

    def _run_blocks(self, cluster: Cluster, kept: dict[Block, BlockRecord]) -> dict[Block, BlockRecord]:
        """Compute the blocks that are not kept; gives the records of all, in order."""
        pending = [block for block in self.plan.blocks() if block not in kept]
        total, done = self.plan.request.count * len(self.plan.passes), sum(map(len, kept))
        numbers = {one.name: number for number, one in enumerate(self.plan.passes)}
        records = dict(kept)
        with progress_bar("synthesize", total, done=done, show=self.progress) as advance:

            def enter(record: BlockRecord) -> None:
                records[self.plan.block(numbers[record.pass_name], record.number)] = record
                advance(record.end - record.begin)

            run_blocks(cluster, self.job, pending, finished=kept, on_done=enter)
        return {block: records[block] for block in self.plan.blocks()}

    def _refuse_changed(self, cluster: Cluster, records: dict[Block, BlockRecord]) -> None:
        """Raise where a stimulus shows something else than in a finished block."""
        self.said("the files of the stimuli are not as they were when this synthesis was begun: contents are compared")
        with progress_bar("compare stimuli", stimuli_to_check(records), show=self.progress) as advance:
            found = check_stimuli(cluster, self.job, records, on_done=advance)
        if found.changed:
            names = [str(self.prepared.stimuli.ids[position]) for position in found.changed[:MOST_CHANGED_SHOWN]]
            more = f" and {len(found.changed) - len(names):,} more" if len(found.changed) > len(names) else ""
            raise InputValueError(
                f"stimuli changed since {self.place.address} was begun: {', '.join(names)}{more}; put the images back, "
                "or begin anew (--overwrite, overwrite=True)"
            )

    def _without_readable_again(self, records: dict[Block, BlockRecord]) -> dict[Block, BlockRecord]:
        """The finished blocks but those with a marked stimulus that can be read now."""
        readable = self._readable_again(records)
        again = {block for block, record in records.items() if readable & {one.position for one in record.bad}}
        if again:
            self.said(f"{len(readable):,} stimuli can be read now: their {len(again):,} blocks are computed again")
        return {block: record for block, record in records.items() if block not in again}

    def _readable_again(self, records: dict[Block, BlockRecord]) -> set[int]:
        """Positions of marked stimuli that can be read now; their files need not have changed.

        A disk or network may have failed for a while.
        """
        marked = sorted({one.position for record in records.values() for one in record.bad})
        now = digests_of(self.prepared.stimuli[marked]) if marked else []
        return {position for position, digest in zip(marked, now, strict=True) if digest != UNREADABLE}


def _pieces_to_compare(records: Mapping[Block, BlockRecord]) -> int:
    return -(-stimuli_to_check(records) // COMPARED_AT_ONCE)


def read_by_another_pass(plan: Plan, records: Mapping[Block, BlockRecord]) -> set[Block]:
    """Blocks with a stimulus that they could not read and another pass could: a disk or network failed for a while."""
    bad: dict[int, set[Block]] = {}
    for block, record in records.items():
        for one in record.bad:
            bad.setdefault(one.position, set()).add(block)
    return {block for blocks in bad.values() if len(blocks) < len(plan.passes) for block in blocks}
