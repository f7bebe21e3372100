"""One run of a synthesis, from its plan to the last file."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from braincodec.errors import InputValueError
from braincodec.progress import progress_bar
from braincodec.stimuli import BadStimulus
from braincodec.synthesis.arrays import create_groups, resume_groups
from braincodec.synthesis.at_hand import Workers, check_room
from braincodec.synthesis.cluster import Cluster, open_cluster
from braincodec.synthesis.completion import finish_store, skipped_stimuli
from braincodec.synthesis.engine import check_stimuli, run_blocks, stimuli_to_check
from braincodec.synthesis.job import Job, worker_bytes
from braincodec.synthesis.plan import Block, Plan
from braincodec.synthesis.preparing import Prepared, forecast_of
from braincodec.synthesis.records import BlockRecord, discard_blocks, finished_blocks
from braincodec.synthesis.request import where_models_are
from braincodec.synthesis.stored_plan import unfinish, write_plan

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
        for words in prepared.notes:
            said.warn(words)
        # of a synthesis that was begun, the plan is there, and its models are loaded where they are needed
        self.planned = None if self.earlier is not None else prepared.planned(progress=progress)
        self.plan = prepared.plan if self.planned is None else self.planned.plan
        models, models_options = where_models_are(prepared.store)
        self.job = Job(self.plan, prepared.stimuli, models, self.place.address, models_options, storage_options)

    def work(self) -> list[BadStimulus]:
        """Compute what is missing, and finish the store; gives the stimuli that could not be read."""
        forecast = forecast_of(self.prepared, self.plan, self.workers)
        self.said.show(str(dataclasses.replace(forecast, notes=())))  # these were told
        for words in check_room(forecast):
            self.said(words)
        with self.place.exclusive():
            self.prepared.refuse_if_changed()
            self.prepared.situation.make_room(self.place)
            labelled = self.earlier is not None and resume_groups(self.place, self.plan)
            records = finished_blocks(self.place, self.plan)
            missing = any(block not in records for block in self.plan.blocks())
            compare = bool(records) and self.prepared.stimuli_may_differ
            if self.earlier is not None and self.earlier.finished and labelled and not missing and not compare:
                self.said(f"{self.place.address} is complete already")
                return skipped_stimuli(records)
            if missing:
                unfinish(self.place, self.plan)
            if missing or compare:
                self._compute(records, compare=compare, labelled=labelled)
                records = finished_blocks(self.place, self.plan)
            elif not labelled:
                self._make_arrays()
            finish_store(self.place, self.plan, self.prepared.stimuli.ids, records)
        return skipped_stimuli(records)

    def _make_arrays(self) -> None:
        """Plan, labels and metadata."""
        if self.earlier is None:
            write_plan(self.place, self.plan, self.prepared.stimuli_address or None)
        planned = self.planned or self.prepared.planned(progress=self.progress)
        for name, content in planned.descriptions.items():
            self.place.write(name, content)
        create_groups(self.place, self.plan, planned.templates)

    def _compute(self, records: dict[Block, BlockRecord], *, compare: bool, labelled: bool) -> None:
        request = self.plan.request
        with open_cluster(
            self.workers.cluster,
            workers=self.workers.number,
            threads=request.threads,
            device=request.device,
            worker_bytes=worker_bytes(self.plan),
            options=self.workers.options,
            on_note=self.said,
        ) as cluster:
            if cluster.dashboard:
                self.said(f"dashboard: {cluster.dashboard}")
            if not labelled:  # while workers start
                self._make_arrays()
            self._run_blocks(cluster, self._unchanged(cluster, records) if compare else records)
            now = finished_blocks(self.place, self.plan)
            again = read_by_another_pass(self.plan, now)
            if again:
                self.said(f"some stimuli could be read by some passes only: {len(again):,} blocks are computed again")
                discard_blocks(self.place, self.plan, again)
                self._run_blocks(cluster, {block: record for block, record in now.items() if block not in again})

    def _run_blocks(self, cluster: Cluster, kept: dict[Block, BlockRecord]) -> None:
        pending = [block for block in self.plan.blocks() if block not in kept]
        total, done = self.plan.request.count * len(self.plan.passes), sum(map(len, kept))
        with progress_bar("synthesize", total, done=done, show=self.progress) as advance:
            run_blocks(cluster, self.job, pending, finished=kept, on_done=lambda one: advance(one.end - one.begin))

    def _unchanged(self, cluster: Cluster, records: dict[Block, BlockRecord]) -> dict[Block, BlockRecord]:
        """The finished blocks whose stimuli show what they did; those with repaired stimuli are forgotten."""
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
        repaired = set(found.repaired)
        again = [block for block, record in records.items() if repaired & {one.position for one in record.bad}]
        if again:
            self.said(f"{len(repaired):,} stimuli can be read now: their {len(again):,} blocks are computed again")
            discard_blocks(self.place, self.plan, again)
        return {block: record for block, record in records.items() if block not in again}


def read_by_another_pass(plan: Plan, records: Mapping[Block, BlockRecord]) -> set[Block]:
    """Blocks with a stimulus that they could not read and another pass could: a disk or network failed for a while."""
    bad: dict[int, set[Block]] = {}
    for block, record in records.items():
        for one in record.bad:
            bad.setdefault(one.position, set()).add(block)
    return {block for blocks in bad.values() if len(blocks) < len(plan.passes) for block in blocks}
