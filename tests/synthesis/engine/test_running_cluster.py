"""Blocks through a scheduler and workers that are commands of their own, some of which come late or are killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import pytest

from braincodec.errors import FailedWorkError, UnreachableError
from braincodec.synthesis.workers.cluster import open_cluster
from braincodec.synthesis.workers.engine import run_blocks


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def command(*words):
    process = subprocess.Popen(
        [sys.executable, "-m", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def scheduler(dashboard=None):
    port = free_port()
    shown = ["--dashboard-address", dashboard] if dashboard else ["--no-dashboard"]
    with command("dask", "scheduler", "--host", "127.0.0.1", "--port", str(port), *shown) as process:
        yield f"tcp://127.0.0.1:{port}", process


@contextmanager
def worker(address, *, threads=2, nanny=False, memory_limit="auto"):
    options = ["--nthreads", str(threads), "--memory-limit", memory_limit, "--no-dashboard"]
    with command("dask", "worker", address, *options, "--nanny" if nanny else "--no-nanny") as process:
        yield process


@contextmanager
def connected(address, *, workers, until, **options):
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=1):
                break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with open_cluster(address, **options) as cluster:
        until(lambda: len(cluster.workers()) >= workers, 30)
        yield cluster


def written(job):
    return (Path(job.output) / "written.txt").read_text().split()


def names(job):
    return {f"{block.pass_number}-{block.number}" for block in job.plan.blocks()}


@pytest.fixture(scope="module")
def address(importable_stand_in):
    """A scheduler with one worker of a single thread."""
    with scheduler() as (found, _), worker(found, threads=1):
        yield found


@pytest.fixture
def cluster(address, until):
    with connected(address, workers=1, until=until, patience=1.0) as opened:
        yield opened


def test_blocks_are_computed_by_workers_that_were_there_before(cluster, make_job):
    job = make_job(passes=2)
    run_blocks(cluster, job, job.plan.blocks())
    assert Counter(written(job)) == Counter(names(job))


def test_a_worker_with_one_thread_reads_the_next_block_while_it_writes(cluster, make_job):
    from stand_in import both_at_once

    job = make_job(count=20, seconds=0.1, writing_seconds=0.1)
    run_blocks(cluster, job, job.plan.blocks())
    assert both_at_once(Path(job.output)) >= 2


def test_the_workers_go_on_after_a_run_and_hold_nothing_of_it(cluster, address, make_job, until):
    job = make_job()
    run_blocks(cluster, job, job.plan.blocks())
    with connected(address, workers=1, until=until) as other:
        name = f"braincodec-{job.name}@{cluster.client.id}"
        held = other.client.run(plugin_names)
        assert all(name in names for names in held.values())
        cluster.withdraw()
        assert not any(name in names for names in other.client.run(plugin_names).values())
        assert len(other.workers()) == 1


@pytest.mark.slow
def test_a_dashboard_is_told_of_where_there_is_one(cluster, until):
    assert cluster.dashboard is None
    pytest.importorskip("bokeh", reason="needs the extra 'scale'")
    port = free_port()
    with scheduler(f"127.0.0.1:{port}") as (address, _), connected(address, workers=0, until=until) as other:
        assert other.dashboard == f"http://127.0.0.1:{port}/status"


def plugin_names(dask_worker):
    return list(dask_worker.plugins)


@pytest.mark.slow
def test_a_worker_that_comes_late_takes_its_share(cluster, address, make_job):
    job = make_job(count=160, seconds=0.2)
    told = []
    with worker(address) as late:
        run_blocks(cluster, job, job.plan.blocks(), on_done=told.append)
        assert late.pid in {record.process for record in told}
    assert Counter(written(job)) == Counter(names(job))


@pytest.mark.slow
def test_blocks_of_a_worker_that_is_killed_are_computed_by_another(cluster, address, make_job, until):
    job = make_job(count=120, seconds=0.1)
    told = []
    with worker(address) as victim:
        until(lambda: len(cluster.workers()) == 2)
        timer = threading.Timer(0.5, victim.kill)
        timer.start()
        run_blocks(cluster, job, job.plan.blocks(), on_done=told.append)
        timer.join()
    assert {f"0-{record.block.number}" for record in told} == names(job)


def test_an_address_without_a_scheduler_says_how_to_start_one():
    with pytest.raises(UnreachableError, match=r"dask scheduler.*dask worker tcp://127\.0\.0\.1:"), open_cluster(
        f"tcp://127.0.0.1:{free_port()}", patience=1.0
    ):  # fmt: skip
        pass


@pytest.mark.slow
def test_no_workers_for_long_is_an_error_that_says_what_to_do(importable_stand_in, make_job, until):
    with (
        scheduler() as (address, _),
        connected(address, workers=0, until=until, patience=1.0) as cluster,
        pytest.raises(UnreachableError, match=r"no workers for 1 seconds.*dask worker tcp.*0 of 10 blocks are kept"),
    ):
        run_blocks(cluster, job := make_job(), job.plan.blocks())


@pytest.mark.slow
def test_losing_the_scheduler_says_what_is_kept(importable_stand_in, make_job, until, capfd):
    job = make_job(count=400, seconds=0.05)
    kept = []
    with (
        scheduler() as (address, process),
        worker(address),
        connected(address, workers=1, until=until) as cluster,
        pytest.raises(UnreachableError, match=r"scheduler.*is gone.*[5-9] of 100 blocks are kept"),
    ):

        def kill_after_five(record):
            kept.append(record)
            if len(kept) == 5:
                process.kill()

        run_blocks(cluster, job, job.plan.blocks(), on_done=kill_after_five)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.slow
def test_workers_whose_memory_dask_limits_are_neither_paused_nor_ended(importable_stand_in, make_job, until):
    job = make_job(hold_bytes=400 * 2**20, seconds=0.5, count=16)
    told = []
    with (
        scheduler() as (address, _),
        worker(address, nanny=True, memory_limit="300MB"),
        connected(address, workers=1, until=until) as cluster,
    ):
        run_blocks(cluster, job, job.plan.blocks(), on_done=told.append)
    assert len({record.process for record in told}) == 1


@pytest.mark.slow
def test_a_deadly_block_is_named_where_a_nanny_starts_its_worker_anew(importable_stand_in, make_job, until):
    job = make_job(kill_always=("0-4",))
    with (
        scheduler() as (address, _),
        worker(address, nanny=True),
        connected(address, workers=1, until=until) as cluster,
        pytest.raises(FailedWorkError, match="stimuli 16 to 19"),
    ):
        run_blocks(cluster, job, job.plan.blocks())


@pytest.mark.slow
def test_jobs_that_a_killed_run_left_on_the_workers_are_taken_away(importable_stand_in, make_job, until, tmp_path):
    script = tmp_path / "run.py"
    script.write_text(
        "import sys\n"
        "from pathlib import Path\n"
        "from stand_in import make_job\n"
        "from braincodec.synthesis.workers.cluster import open_cluster\n"
        "from braincodec.synthesis.workers.engine import run_blocks\n"
        "job = make_job(Path(sys.argv[2]), count=400, seconds=0.2)\n"
        "with open_cluster(sys.argv[1]) as cluster:\n"
        "    run_blocks(cluster, job, job.plan.blocks(), on_done=lambda record: print(record, flush=True))\n"
    )
    with scheduler() as (address, _), worker(address):
        with connected(address, workers=1, until=until) as cluster:
            run = subprocess.Popen([sys.executable, script, address, tmp_path / "killed"], stdout=subprocess.PIPE)
            assert run.stdout is not None and run.stdout.readline()
            run.kill()
            run.wait()
            run.stdout.close()
            until(lambda: len(cluster.client.run_on_scheduler(clients)) == 1)
            left = [name for names in cluster.client.run(plugin_names).values() for name in names]
            assert any(name.startswith("braincodec-") for name in left)
        with connected(address, workers=1, until=until) as cluster:
            left = [name for names in cluster.client.run(plugin_names).values() for name in names]
            assert not any(name.startswith("braincodec-") for name in left)
            run_blocks(cluster, job := make_job(), job.plan.blocks())


def clients(dask_scheduler):
    return [name for name in dask_scheduler.clients if name != "fire-and-forget"]
