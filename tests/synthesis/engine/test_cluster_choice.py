"""What is refused before anything is started, and what Dask's log does meanwhile."""

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.synthesis.workers.cluster import check_cluster
from braincodec.synthesis.workers.cluster.local import default_workers
from braincodec.synthesis.workers.cluster.quiet import quiet_dask


@pytest.mark.parametrize("spec", ["locale", "", "http://host:1", "host:8786", None, 3])
def test_what_is_no_cluster_is_refused_with_the_choices(spec):
    with pytest.raises(UnknownNameError, match="local, slurm, tcp://host:port"):
        check_cluster(spec)


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_a_number_of_workers_is_a_whole_one(workers):
    with pytest.raises(InputValueError, match="at least 1"):
        check_cluster("local", workers=workers)


def test_workers_of_a_running_cluster_are_started_by_its_user():
    with pytest.raises(InputValueError, match="'dask worker tcp://host:1'"):
        check_cluster("tcp://host:1", workers=3)


@pytest.mark.parametrize("spec", ["local", "tcp://host:1"])
def test_options_are_for_slurm(spec):
    with pytest.raises(InputValueError, match=r"\(queue\) are for cluster='slurm'"):
        check_cluster(spec, options={"queue": "gpu"})


def test_workers_are_as_many_as_threads_and_memory_allow(monkeypatch):
    monkeypatch.setattr("dask.system.CPU_COUNT", 16)
    monkeypatch.setattr("braincodec.synthesis.workers.cluster.local.free_main_memory", lambda: 10 * 2**30)
    assert default_workers(threads=1) == 16
    assert default_workers(threads=3) == 5
    assert default_workers(threads=1, worker_bytes=2**30) == 8
    assert default_workers(threads=1, worker_bytes=2**40) == 1
    assert default_workers(threads=1, device="mps") == 1
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,3")
    assert default_workers(threads=4, device="cuda") == 2


def test_dask_is_silent_while_blocks_are_computed_and_heard_again_afterwards(capfd):
    import distributed  # noqa: F401

    names = ("distributed", "distributed.client", "distributed.worker", "tornado.application", "asyncio")
    before = [logging.getLogger(name).level for name in names]
    with quiet_dask():
        for name in names:
            logging.getLogger(name).critical("a traceback")
    assert [logging.getLogger(name).level for name in names] == before
    assert "a traceback" not in capfd.readouterr().err


def test_looking_at_the_choices_loads_no_dask():
    code = (
        "import sys; from braincodec.synthesis.workers.cluster import check_cluster; "
        "import braincodec.synthesis.workers.engine; "
        "check_cluster('local', workers=2); check_cluster('tcp://host:1'); "
        "print(sorted({'dask', 'distributed', 'torch'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
