"""Blocks through processes of this machine, some of which are killed."""

from __future__ import annotations

import json
import os
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from braincodec.errors import FailedWorkError, InputValueError, OutputError, UnreachableError
from braincodec.synthesis.workers.cluster import open_cluster
from braincodec.synthesis.workers.engine import run_blocks
from braincodec.synthesis.workers.job import BLOCKS_AT_ONCE

NOTES: list[str] = []


@pytest.fixture(scope="module")
def cluster(importable_stand_in):
    with open_cluster("local", workers=2, on_note=NOTES.append) as opened:
        deadline = time.monotonic() + 30
        while len(opened.workers()) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        yield opened


def written(job):
    path = Path(job.output) / "written.txt"
    return path.read_text().split() if path.exists() else []


def begun(job):
    path = Path(job.output) / "begun.txt"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def names(job):
    return {f"{block.pass_number}-{block.number}" for block in job.plan.blocks()}


def test_every_block_is_computed_once_and_told_of_once(cluster, make_job):
    job = make_job(passes=3)
    told = []
    run_blocks(cluster, job, job.plan.blocks(), on_done=told.append)
    assert Counter(written(job)) == Counter(names(job))
    assert sorted((one.block.pass_number, one.block.number) for one in told) == sorted(
        (block.pass_number, block.number) for block in job.plan.blocks()
    )
    assert {one.process for one in told} == set(cluster.process_ids)


def test_only_pending_blocks_are_computed(cluster, make_job):
    job = make_job()
    pending = [block for block in job.plan.blocks() if block.number % 3 == 1]
    run_blocks(cluster, job, pending)
    assert set(written(job)) == {f"0-{block.number}" for block in pending}


def test_nothing_to_do_is_done_at_once(cluster, make_job):
    run_blocks(cluster, make_job(), [])


def test_a_slow_disk_holds_back_computing(cluster, make_job):
    job = make_job(count=48, writing_seconds=0.1)
    ahead = []

    def look(record):
        ahead.append(len(begun(job)) - len(written(job)))

    run_blocks(cluster, job, job.plan.blocks(), on_done=look)
    assert max(ahead) <= BLOCKS_AT_ONCE * 2


def test_one_block_is_read_or_written_while_another_computes(cluster, make_job):
    from stand_in import both_at_once

    job = make_job(seconds=0.1, writing_seconds=0.1)
    run_blocks(cluster, job, job.plan.blocks())
    assert both_at_once(Path(job.output)) >= 4


@pytest.mark.parametrize("kills", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_workers_are_replaced_and_their_blocks_computed_by_others(cluster, make_job, kills):
    job = make_job(count=80, seconds=0.1)
    victims = cluster.process_ids[:kills]
    NOTES.clear()

    told = []

    def done(record):
        told.append(record)
        if len(told) == 1:  # all of them are at work by now
            for victim in victims:
                os.kill(victim, signal.SIGKILL)

    run_blocks(cluster, job, job.plan.blocks(), on_done=done)
    assert {f"0-{one.block.number}" for one in told} == names(job) == set(written(job))
    assert len(told) == len(names(job))
    assert not set(victims) & set(cluster.process_ids)
    assert any("lost" in note for note in NOTES)


def test_a_block_whose_worker_is_lost_once_it_is_written_is_not_computed_again(cluster, make_job):
    job = make_job(kill_once_written=("0-3",))
    told = []
    run_blocks(cluster, job, job.plan.blocks(), on_done=told.append)
    assert sorted(record.block.number for record in told) == list(range(10))
    assert written(job).count("0-3") == 1


@pytest.mark.slow
def test_a_block_that_kills_its_worker_every_time_is_named_and_the_others_are_kept(cluster, make_job):
    job = make_job(kill_always=("0-2",), seconds=0.01)
    with pytest.raises(FailedWorkError, match=r"stimuli 8 to 11 \(positions 8 to 11\).*3 times.*of 10 blocks are kept"):
        run_blocks(cluster, job, job.plan.blocks())
    assert "0-2" not in written(job)
    assert sum(name == "0-2" for name, *_ in begun(job)) == 3


@pytest.mark.slow
def test_the_neighbour_of_a_deadly_block_is_not_taken_for_the_culprit(cluster, make_job):
    job = make_job(count=8, kill_always=("0-1",), seconds=0.05)
    told = []
    with pytest.raises(FailedWorkError, match="stimuli 4 to 7"):
        run_blocks(cluster, job, job.plan.blocks(), on_done=told.append)
    assert [one.block.number for one in told] == [0]


def test_a_full_disk_ends_the_run_with_its_own_error(cluster, make_job):
    job = make_job(fail={"0-1": OutputError("cannot write x: No space left on device (0.0 MB free on that disk)")})
    with pytest.raises(OutputError, match="No space left"):
        run_blocks(cluster, job, job.plan.blocks())
    time.sleep(0.3)
    assert len(begun(job)) < 10


def test_after_an_error_the_workers_take_the_next_job(cluster, make_job):
    with pytest.raises(InputValueError, match="another model"):
        run_blocks(cluster, job := make_job(fail={"0-0": InputValueError("another model")}), job.plan.blocks())
    job = make_job()
    (Path(job.output) / "written.txt").unlink(missing_ok=True)
    run_blocks(cluster, job, job.plan.blocks())
    assert set(written(job)) == names(job)


def test_what_may_pass_is_tried_again_and_reported_in_words_when_it_does_not(cluster, make_job):
    job = make_job(fail={"0-3": RuntimeError("odd")})
    with pytest.raises(FailedWorkError, match=r"stimuli 12 to 15.*3 times.*RuntimeError: odd"):
        run_blocks(cluster, job, job.plan.blocks())
    job = make_job(fail={"0-3": UnreachableError("s3://bucket does not answer")})
    with pytest.raises(UnreachableError, match="s3://bucket does not answer"):
        run_blocks(cluster, job, job.plan.blocks())


def test_a_block_for_which_memory_ran_out_is_tried_again_alone(cluster, make_job):
    error = InputValueError("memory ran out: use fewer workers")
    error.__cause__ = MemoryError()
    job = make_job(fail={"0-3": error})
    with pytest.raises(InputValueError, match="memory ran out: use fewer workers"):
        run_blocks(cluster, job, job.plan.blocks())
    assert sum(name == "0-3" for name, *_ in begun(job)) == 3


def test_workers_with_other_versions_are_left_out(cluster, make_job):
    job = make_job(versions={"braincodec": "0.0.1", "torch": "1.0"})
    with pytest.raises(InputValueError, match=r"no worker can do the work.*in place of 0\.0\.1.*in place of 1\.0"):
        run_blocks(cluster, job, job.plan.blocks())


def test_workers_that_do_not_see_the_output_are_left_out(cluster, make_job):
    job = make_job()
    (Path(job.output) / "plan").unlink()
    with pytest.raises(InputValueError, match="the output must lie where all workers can write"):
        run_blocks(cluster, job, job.plan.blocks())
    assert begun(job) == []


@pytest.mark.slow
def test_workers_that_cannot_be_started_say_why(make_job, monkeypatch):
    monkeypatch.setattr("braincodec.synthesis.workers.cluster.local.PRELOADED", ("a_module_of_nobody",))
    job = make_job()
    with (
        pytest.raises(UnreachableError, match=r"workers cannot be started on this machine.*a_module_of_nobody"),
        open_cluster("local", workers=1) as opened,
    ):
        run_blocks(opened, job, job.plan.blocks())
