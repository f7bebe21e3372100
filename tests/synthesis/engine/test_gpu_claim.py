"""One GPU to a worker process."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from braincodec.errors import InputValueError
from braincodec.synthesis import gpu

CLAIM = "import sys; from pathlib import Path; from braincodec.synthesis.gpu import claim; "


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """Two devices that know no computing; claims lie in a folder of the test's own."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=f"GPU-{number}", name="H")
    )
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(gpu, "_held", {})
    gpu.claimed_gpu.cache_clear()
    yield tmp_path
    gpu.claimed_gpu.cache_clear()


class Other:
    """Another process that has claims until it is killed."""

    def __init__(self, folder, *identifiers):
        code = CLAIM + "[claim(name, Path(sys.argv[1])) for name in sys.argv[2:]]; print('has', flush=True); input()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, folder, *identifiers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "has\n"

    def kill(self):
        self.process.kill()
        self.process.communicate()


def test_the_first_gpu_that_no_other_worker_has_is_taken_and_kept(two_gpus):
    other = Other(two_gpus, "GPU-0")
    assert gpu.claimed_gpu() == "cuda:1"
    other.kill()
    assert gpu.claimed_gpu() == "cuda:1"


def test_a_worker_too_many_is_told_to_start_fewer(two_gpus):
    other = Other(two_gpus, "GPU-0", "GPU-1")
    with pytest.raises(InputValueError, match=r"2 GPUs of .* are each taken by another worker: start one worker a GPU"):
        gpu.claimed_gpu()
    other.kill()
    assert gpu.claimed_gpu() == "cuda:0"


def test_a_machine_without_gpus_says_so(two_gpus, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(InputValueError, match="there is no GPU on"):
        gpu.claimed_gpu()
