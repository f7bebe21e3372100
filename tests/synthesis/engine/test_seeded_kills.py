"""Whole runs whose processes are killed at random points: nothing is lost, nothing finished is computed again."""

from __future__ import annotations

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from types import SimpleNamespace

import psutil
import pytest

import braincodec as bc
from braincodec.synthesis.place import open_place

from ..object_store import bucket, s3_server
from .test_running_cluster import scheduler, worker

__all__ = ["bucket", "s3_server"]

KILLS = 20
SETTINGS = {"tile": 4, "block": 8, "progress": False, "name": "images"}
RUN = f"""
import sys
from braincodec.synthesis.run import synthesize
store, stimuli, output, cluster = sys.argv[1:5]
workers = 2 if cluster == "local" else None
print("begun", flush=True)
synthesize(store, "all", stimuli=stimuli, output=output, cluster=cluster, workers=workers, **{SETTINGS!r})
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Models and images."""
    from PIL import Image

    from braincodec.simulate.demo_store import write_demo_store

    from ...small_models import images

    folder = tmp_path_factory.mktemp("study")
    write_demo_store(folder / "models", backbone="gabor:bank", calibration=16)
    (folder / "images").mkdir()
    for number, pixels in enumerate(images(200, 48)):
        Image.fromarray(pixels).save(folder / "images" / f"{number:03d}.png")
    (folder / "images" / "031.png").write_bytes(b"damaged")
    return folder


@pytest.fixture(scope="module")
def undisturbed(study):
    """The responses of a run that nothing happened to."""
    from braincodec.synthesis.run import synthesize

    output = study / "undisturbed"
    synthesize(study / "models", "all", stimuli=study / "images", output=output, workers=1, **SETTINGS)
    return snapshot(output)


def snapshot(output):
    """Every file of the responses, by content; timestamps lie elsewhere."""
    files = (path for path in (output / "generated_responses").rglob("*") if path.is_file())
    return {str(path.relative_to(output)): path.read_bytes() for path in files}


def records(output):
    """When each record was written."""
    return {path: path.stat().st_mtime_ns for path in output.glob("synthesis/*/blocks/*/*.json")}


def start(study, output, cluster="local"):
    return subprocess.Popen(
        [sys.executable, "-c", RUN, study / "models", study / "images", output, cluster],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_progress(run, output, before):
    """Until the run has finished a block more, or ended."""
    deadline = time.monotonic() + 60
    while run.poll() is None and len(records(output)) <= before:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def kill_one_worker(run, chance):
    """Kill a worker of a run; gives whether there was one."""
    try:
        workers = psutil.Process(run.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return False
    if not workers:
        return False
    os.kill(chance.choice(workers).pid, signal.SIGKILL)
    return True


@pytest.mark.slow
def test_bits_are_those_of_an_undisturbed_run_after_kills_at_random_points(study, undisturbed, tmp_path):
    chance = random.Random(20)
    kills, outputs, interrupted = 0, 0, 0
    while kills < KILLS:
        output, kept = tmp_path / f"output-{outputs}", {}
        outputs += 1
        finished = False
        while not finished:
            run = start(study, output)
            while run.poll() is None:
                wait_for_progress(run, output, len(kept))
                time.sleep(chance.uniform(0, 0.3))
                if run.poll() is not None or kills == KILLS:
                    break
                if chance.random() < 0.5:
                    kills += kill_one_worker(run, chance)
                else:
                    run.kill()
                    kills, interrupted = kills + 1, interrupted + 1
                    run.wait()
                here = records(output)
                assert kept.items() <= here.items(), "finished blocks were computed again"
                kept = here
            _, err = run.communicate(timeout=120)
            finished = run.returncode == 0
            assert finished or run.returncode == -signal.SIGKILL, err
        assert kept.items() <= records(output).items()
        assert snapshot(output) == undisturbed
        assert bc.verify(output).ok
    assert interrupted >= 5


@pytest.mark.slow
def test_a_run_whose_scheduler_was_killed_goes_on_with_another_one(study, undisturbed, tmp_path):
    output = tmp_path / "output"
    with scheduler() as (address, process), worker(address):
        run = start(study, output, address)
        wait_for_progress(run, output, 3)
        process.kill()
        _, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert "is gone" in err.splitlines()[-1] and "blocks are kept" in err.splitlines()[-1]
    kept = records(output)
    with scheduler() as (address, _), worker(address), worker(address):
        run = start(study, output, address)
        _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert kept.items() <= records(output).items()
    assert snapshot(output) == undisturbed


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [40], indirect=True)
def test_a_disk_that_fills_up_ends_the_run_and_with_more_room_it_goes_on(study, undisturbed, small_disk):
    output, filler = small_disk / "output", small_disk / "filler"
    run = start(study, output)
    wait_for_progress(run, output, 3)
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(2**16))
    _, err = run.communicate(timeout=60)
    assert run.returncode == 1
    assert re.search(r"OutputError: cannot write .*No space left on device", err.splitlines()[-1]), err
    kept = records(output)
    filler.unlink()
    run = start(study, output)
    _, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert kept.items() <= records(output).items()
    assert snapshot(output) == undisturbed


@pytest.mark.slow
def test_workers_write_to_an_object_store_and_survive_a_kill_there_too(study, undisturbed, bucket):
    from braincodec.synthesis.run import synthesize

    chance = random.Random(0)
    done = threading.Event()

    def kill_one():
        deadline = time.monotonic() + 60
        while not done.wait(0.1) and time.monotonic() < deadline:
            if len(list(open_place(bucket.address, bucket.options).walk("synthesis"))) > 5:
                assert kill_one_worker(SimpleNamespace(pid=os.getpid()), chance)
                return

    killer = threading.Thread(target=kill_one)
    killer.start()
    options = {"output": bucket.address, "storage_options": bucket.options, "workers": 2, **SETTINGS}
    synthesize(study / "models", "all", stimuli=study / "images", **options)
    done.set()
    killer.join()
    place = open_place(bucket.address, bucket.options)
    written = {file.name: place.read(file.name) for file in place.walk("generated_responses")}
    assert written == undisturbed
    assert bc.verify(bucket.address, storage_options=bucket.options).ok
