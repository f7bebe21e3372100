"""Runs on a scheduler and workers that are commands of their own, all of which are killed."""

from __future__ import annotations

import contextlib
import random

import pytest

from ..engine.test_running_cluster import scheduler, worker
from .whole_run import Output, assert_same, started


@contextlib.contextmanager
def cluster():
    """A scheduler and two workers, each a process group; gives the address and the three."""
    with scheduler() as (address, first), worker(address) as second, worker(address) as third:
        yield address, first, [second, third]


@pytest.mark.slow
@pytest.mark.parametrize("seed", [6])
def test_what_a_lost_scheduler_lost_workers_and_a_killed_run_leave_is_gone_on_with(study, undisturbed, tmp_path, seed):
    chance, output, log = random.Random(seed), Output(str(tmp_path / "output")), tmp_path / "log"
    kept = {}

    def some_more():
        return output.count() + chance.randint(1, 4)

    def ended_well_or_not(run, words):
        nonlocal kept
        now = output.records()
        assert "Traceback" not in run.said, run.said
        assert not words or words in run.said.splitlines()[-1], run.said
        assert kept.items() <= now.items() and len(kept) < len(now) < study.blocks
        kept = now

    for loses_worker in (True, False, False):
        with (
            cluster() as (address, to_kill, workers),
            started(output, *study.request(), "--cluster", address, log=log) as run,
        ):
            assert run.wait_for_records(some_more()), run.said
            if loses_worker:
                chance.choice(workers).kill()
                assert run.wait_for_records(some_more()), run.said
            to_kill.kill()
            assert run.wait() == 1
            ended_well_or_not(run, "blocks are kept, and the same command goes on from there")

    with cluster() as (address, _, workers):
        with started(output, *study.request(), "--cluster", address, log=log) as run:
            assert run.wait_for_records(some_more()), run.said
            run.kill()
            ended_well_or_not(run, "")
        with started(output, "--resume", "--cluster", address, log=log) as run:  # by workers that were there before
            assert run.wait_for_records(some_more()), run.said
            chance.choice(workers).kill()
            assert run.wait() == 0, run.said
    assert kept.items() <= output.records().items()
    assert_same(output, undisturbed)
