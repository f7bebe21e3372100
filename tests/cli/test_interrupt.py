"""Ctrl-C in the middle: exit code 130, nothing under the final name, and the same command goes on."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from braincodec.responses import open_responses
from braincodec.store import open_store

from ..small_models import fwrf

MODEL = "fmri-test-fwrf"
IMAGES = 120
# saved more often than every two seconds, so that few images are enough
CODE = """
from braincodec.cli.app import main
from braincodec.responses import staging
staging.SECONDS_BETWEEN_SAVES = 0.1
main()
"""
PROGRAM = [sys.executable, "-c", CODE]
SECONDS_TO_START = 60


@pytest.fixture(scope="module")
def slow_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("store")
    fwrf(model=MODEL, roi="V1").save(folder / MODEL / "subject-01" / "roi-V1")
    return folder


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (IMAGES, 24, 24, 3), np.uint8))
    return path


def rows_saved(state: Path) -> int:
    try:
        return int(json.loads(state.read_text())["progress"]["rows"])
    except (OSError, ValueError):
        return 0


def start_and_interrupt(command: list[str], state: Path) -> subprocess.CompletedProcess[str]:
    """Send SIGINT as soon as some responses are saved."""
    process = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + SECONDS_TO_START
    while not rows_saved(state) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@pytest.mark.parametrize("suffix", [".zarr", pytest.param(".npz", marks=pytest.mark.slow)])
def test_interrupted_encode_goes_on_and_gives_the_same_numbers(run, slow_store, images, tmp_path, suffix):
    output = tmp_path / f"x{suffix}"
    command = ["encode", str(images), "-m", MODEL, "-s", str(slow_store), "-o", str(output), "--batch-size", "2"]
    stopped = start_and_interrupt(command, tmp_path / f".{output.name}.partial" / "state.json")
    assert stopped.returncode == 130, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert "goes on where it stopped" in stopped.stderr
    assert stopped.stdout == ""
    assert [path.name for path in tmp_path.iterdir()] == [f".{output.name}.partial"]
    resumed = run(*command)
    assert resumed.code == 0
    assert "an unfinished run was completed" in resumed.out
    assert [path.name for path in tmp_path.iterdir()] == [output.name]
    found = open_responses(output)
    assert found["stimulus"].values.tolist() == [str(number) for number in range(IMAGES)]
    whole = open_store(slow_store).encoder(MODEL, 1, "V1").encode(np.load(images), batch_size=2, progress=False)
    np.testing.assert_allclose(found.values, whole.values, rtol=1e-5, atol=1e-6)


@pytest.mark.slow
def test_other_settings_do_not_go_on_with_an_unfinished_file(run, slow_store, images, tmp_path):
    output = tmp_path / "x.zarr"
    command = ["encode", str(images), "-m", MODEL, "-s", str(slow_store), "-o", str(output), "--batch-size", "2"]
    start_and_interrupt(command, tmp_path / ".x.zarr.partial" / "state.json")
    outcome = run(*command, "--dtype", "bfloat16")
    assert outcome.code == 1
    assert "--overwrite" in outcome.err
    assert not output.exists()
