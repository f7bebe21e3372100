"""What a run leaves behind when it is interrupted or killed: nothing that runs, and no traceback of Dask."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from braincodec.synthesis.workers.cluster import open_cluster
from braincodec.synthesis.workers.engine import run_blocks

SCRIPT = """
import sys
from pathlib import Path
from stand_in import make_job
from braincodec.synthesis.workers.cluster import open_cluster
from braincodec.synthesis.workers.engine import run_blocks

job = make_job(Path(sys.argv[1]), count=4000, seconds=0.2)
try:
    with open_cluster("local", workers=2) as cluster:
        def tell(record):
            print(*cluster.process_ids, flush=True)
        run_blocks(cluster, job, job.plan.blocks(), on_done=tell)
except KeyboardInterrupt:
    sys.exit(130)
"""


@pytest.fixture
def run(importable_stand_in, tmp_path):
    """A script without a ``__main__`` guard, which computes on two workers; and the numbers of their processes."""
    script = tmp_path / "analysis.py"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, script, tmp_path / "output"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first, process.stderr.read()
        yield process, [int(number) for number in first.split()]
        process.kill()


def test_an_interrupt_ends_the_workers_at_once_and_quietly(run, until, alive):
    process, workers = run
    assert len(workers) == 2
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == ""
    until(lambda: not any(map(alive, workers)), 2)


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_workers_end_with_a_run_that_is_killed(run, until, alive, how):
    process, workers = run
    process.send_signal(how)
    process.wait(timeout=20)
    until(lambda: not any(map(alive, workers)), 5)


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_reaches_the_run_alone(run):
    process, workers = run
    assert os.getpgid(process.pid) not in {os.getpgid(number) for number in workers}


def test_nothing_is_left_after_a_run_that_went_well(importable_stand_in, alive, make_job):
    with open_cluster("local", workers=1) as cluster:
        run_blocks(cluster, job := make_job(count=8), job.plan.blocks())
        workers = cluster.process_ids
        (folder,) = cluster.client.run(scratch_folder).values()
        assert Path(folder).exists()
    assert not any(map(alive, workers))
    assert not Path(folder).exists()


def scratch_folder(dask_worker):
    return dask_worker.local_directory
