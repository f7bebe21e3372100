"""A disk that fills up and a process that is killed: nothing half-written, and what is kept can be resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import xarray as xr

from braincodec.errors import OutputError
from braincodec.responses import ResponseWriter, build_responses, open_responses

PLAN = {"model": "test"}
MEGABYTE = 2**20


@pytest.fixture
def whole():
    """2 MB that do not compress."""
    values = np.random.default_rng(0).standard_normal((512, 1024)).astype(np.float32)
    return build_responses(values, range(512))


def fill(folder, free):
    """Leave `free` bytes on the disk of `folder`."""
    status = os.statvfs(folder)
    (folder / "ballast").write_bytes(b"\0" * (status.f_bavail * status.f_frsize - free))


def write_all(path, whole, *, step=32):
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        for start in range(writer.next_position, whole.sizes["stimulus"], step):
            writer.write(whole.values[start : start + step], whole.stimulus.values[start : start + step], start + step)
        return writer.commit()


def test_disk_full_while_writing_keeps_what_can_be_resumed(small_disk, whole, monkeypatch):
    monkeypatch.setattr("braincodec.responses.formats.layout.SHARD_BYTES", 128 * 1024 * 4)
    fill(small_disk, 1 * MEGABYTE)
    path = small_disk / "out.zarr"
    with pytest.raises(OutputError, match=rf"cannot write {path}: No space left on device \(.* MB free"):
        write_all(path, whole)
    assert {p.name for p in small_disk.iterdir()} == {"ballast", ".out.zarr.partial"}
    (small_disk / "ballast").unlink()
    with ResponseWriter(path, whole[:0], plan=PLAN) as writer:
        assert 0 < writer.rows < 512
    xr.testing.assert_identical(write_all(path, whole).load(), whole)
    assert [p.name for p in small_disk.iterdir()] == ["out.zarr"]


def test_disk_full_from_the_beginning_leaves_nothing(small_disk, whole):
    fill(small_disk, 8192)
    with pytest.raises(OutputError, match="No space left"):
        write_all(small_disk / "out.zarr", whole)
    assert [p.name for p in small_disk.iterdir()] == ["ballast"]


@pytest.mark.parametrize("suffix", [".nc", ".npy", ".npz", ".h5"])
def test_disk_full_while_converting_keeps_the_responses(small_disk, whole, suffix):
    half = whole[:240]
    fill(small_disk, int(2.2 * MEGABYTE))
    path = small_disk / f"out{suffix}"
    with ResponseWriter(path, half[:0], plan=PLAN) as writer:
        writer.write(half.values, half.stimulus.values, 240)
        with pytest.raises(OutputError, match="cannot write"):
            fill_rest = small_disk / "more"
            fill_rest.write_bytes(b"\0" * 700_000)
            writer.commit()
    assert not path.exists()
    assert not list((small_disk / f".out{suffix}.partial").glob("final*"))
    (small_disk / "ballast").unlink()
    fill_rest.unlink()
    with ResponseWriter(path, half[:0], plan=PLAN) as writer:
        assert writer.rows == 240
        assert np.array_equal(writer.commit(), half)


# h5py complains once more when the file that it could not finish is collected
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("suffix", [".nc", ".npy", ".npz", ".zarr"])
def test_disk_full_while_exporting_leaves_nothing(small_disk, whole, suffix, monkeypatch):
    fill(small_disk, MEGABYTE)
    monkeypatch.setattr("braincodec.responses.formats.require_space", lambda *_: None)
    with pytest.raises(OutputError, match="cannot write"):
        whole.bc.save(small_disk / f"out{suffix}")
    assert [p.name for p in small_disk.iterdir()] == ["ballast"]


def test_file_that_cannot_fit_is_refused_before_it_is_written(small_disk, whole):
    fill(small_disk, MEGABYTE)
    with pytest.raises(OutputError, match=r"it needs 2\.1 MB, 1\.0 MB are free"):
        whole.bc.to_netcdf(small_disk / "out.nc")


def test_failing_disk_is_reported_with_what_is_kept(tmp_path, whole, monkeypatch):
    with (
        pytest.raises(OutputError, match="64 stimuli are kept"),
        ResponseWriter(tmp_path / "o.zarr", whole[:0], plan=PLAN) as writer,
    ):
        writer.write(whole.values[:64], whole.stimulus.values[:64], 64)
        writer._staging.save()

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(writer._staging, "_write_at", full)
        writer.write(whole.values[64:70], whole.stimulus.values[64:70], 70)
    monkeypatch.undo()
    assert np.array_equal(write_all(tmp_path / "o.zarr", whole), whole)


SLOW_WRITER = """
    import sys, time
    import numpy as np
    from braincodec.responses import ResponseWriter, build_responses
    import braincodec.responses.staging as staging, braincodec.responses.formats.layout as layout
    staging.SECONDS_BETWEEN_SAVES, layout.SHARD_BYTES = 0.01, 128 * 50 * 4
    values = np.random.default_rng(0).standard_normal((1000, 50)).astype(np.float32)
    with ResponseWriter(sys.argv[1], build_responses(values[:0], []), plan={"model": "test"}) as writer:
        for start in range(writer.next_position, 1000, 10):
            writer.write(values[start : start + 10], range(start, start + 10), start + 10)
            print(start, flush=True)
            time.sleep(float(sys.argv[2]))
        writer.commit()
"""


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_killed_process_goes_on_to_the_same_bytes(tmp_path, signal_number):
    code = textwrap.dedent(SLOW_WRITER)
    broken, straight = tmp_path / "broken" / "out.zarr", tmp_path / "straight" / "out.zarr"
    process = subprocess.Popen(
        [sys.executable, "-c", code, broken, "0.005"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) >= 300:
            break
    process.send_signal(signal_number)
    process.communicate()
    assert process.returncode != 0
    assert [p.name for p in broken.parent.iterdir()] == [".out.zarr.partial"]
    resumed = subprocess.run([sys.executable, "-c", code, broken, "0"], capture_output=True, text=True, check=True)
    first = int(resumed.stdout.split()[0])
    assert 200 <= first <= 400, "the run went on near where it was killed"
    subprocess.run([sys.executable, "-c", code, straight, "0"], capture_output=True, check=True)
    files = sorted(p.relative_to(straight) for p in straight.rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(broken) for p in broken.rglob("*") if p.is_file())
    assert all((straight / file).read_bytes() == (broken / file).read_bytes() for file in files)
    values = np.random.default_rng(0).standard_normal((1000, 50)).astype(np.float32)
    assert np.array_equal(open_responses(broken), values)


@pytest.mark.slow
def test_writing_is_much_faster_than_any_model_and_memory_stays_bounded(tmp_path):
    code = """
        import resource, sys, time
        import numpy as np
        from braincodec.responses import ResponseWriter, build_responses
        values = np.random.default_rng(0).standard_normal((512, 7600)).astype(np.float32)
        template, count = build_responses(values[:0], []), int(sys.argv[2])
        before = time.process_time()
        with ResponseWriter(sys.argv[1], template, plan={}) as writer:
            for start in range(0, count, 512):
                writer.write(values, range(start, start + 512), start + 512)
            writer.commit()
        seconds = time.process_time() - before
        print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    """
    peaks = []
    for count in (4096, 16384):
        path = tmp_path / f"{count}.zarr"
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), path, str(count)], capture_output=True, text=True, check=True
        )
        seconds, peak = map(float, done.stdout.split())
        peaks.append(peak)
        assert count * 7600 * 4 / 1e6 / seconds > 100, f"processor time, {time.perf_counter() - began:.1f} s in all"
    assert peaks[1] < peaks[0] + 100
