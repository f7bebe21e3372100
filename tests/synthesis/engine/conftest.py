"""Jobs without models, whose class the worker processes can import too."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="session", autouse=True)
def importable_stand_in():
    """Let this process and the workers that it starts import `stand_in`."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(HERE)
    patch.setattr(
        "braincodec.synthesis.workers.cluster.local.PRELOADED", ("braincodec.synthesis.workers.worker",)
    )  # quick starts
    patch.setenv("PYTHONPATH", os.pathsep.join([HERE, *filter(None, [os.environ.get("PYTHONPATH")])]))
    yield
    patch.undo()


@pytest.fixture
def make_job(importable_stand_in, tmp_path):
    """`stand_in.make_job` in a fresh folder."""
    from stand_in import make_job

    return lambda **options: make_job(tmp_path / "output", **options)


@pytest.fixture
def until():
    """Wait for something to become true."""

    def wait(condition, seconds=20.0):
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.02)

    return wait


@pytest.fixture
def alive():
    """Whether a process runs."""

    def runs(number):
        try:
            return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    return runs
