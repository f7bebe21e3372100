"""One GPU to a worker process."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import pytest

from braincodec.errors import InputValueError
from braincodec.synthesis.workers import gpu

CLAIM = "import sys; from pathlib import Path; from braincodec.synthesis.workers.gpu import lock_device; "


@pytest.fixture
def two_gpus(tmp_path, monkeypatch):
    """Two devices that know no computing; claims lie in a folder of the test's own."""
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=f"GPU-{number}", name="H")
    )
    monkeypatch.setattr(gpu, "_own_folder", lambda: tmp_path)
    monkeypatch.setattr(gpu, "_claim", gpu._Claim())
    return tmp_path


class Other:
    """Another process that has claims until it is killed."""

    def __init__(self, folder, *identifiers):
        take = "locks = [lock_device(name, Path(sys.argv[1])) for name in sys.argv[2:]]; "
        code = f"{CLAIM}{take}print('has', flush=True); input()"
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, folder, *identifiers], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None and self.process.stdout.readline() == "has\n"

    def kill(self):
        self.process.kill()
        self.process.communicate()


def test_the_first_gpu_that_no_other_worker_has_is_taken_and_kept(two_gpus):
    other = Other(two_gpus, "GPU-0")
    assert gpu.claim("job") == "cuda:1"
    other.kill()
    assert gpu.claim("job") == "cuda:1"


def test_a_worker_too_many_is_told_to_start_fewer(two_gpus):
    other = Other(two_gpus, "GPU-0", "GPU-1")
    with pytest.raises(InputValueError, match=r"other workers have all GPUs of .* \(2\): start one worker a GPU"):
        gpu.claim("job")
    other.kill()
    assert gpu.claim("job") == "cuda:0"


def test_a_machine_without_gpus_says_so(two_gpus, monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    with pytest.raises(InputValueError, match="there is no GPU on"):
        gpu.claim("job")


def test_a_gpu_is_given_back_when_the_last_job_of_a_worker_is_over(two_gpus):
    assert gpu.claim("one") == gpu.claim("two") == "cuda:0"
    gpu.release("one")
    assert gpu.lock_device("GPU-0", two_gpus) is None
    gpu.release("two")
    assert gpu.lock_device("GPU-0", two_gpus) is not None


def test_locks_lie_in_a_folder_that_nobody_else_can_prepare(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    folder = gpu._own_folder()
    assert folder.stat().st_mode & 0o077 == 0
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputValueError, match="belongs to somebody else"):
        gpu._own_folder()
