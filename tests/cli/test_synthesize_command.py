"""`braincodec synthesize` and what follows it: verify, list, show."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import braincodec as bc

from ..small_models import gabor_linear
from ..synthesis.small_run import here
from .conftest import write_pictures

__all__ = ["here"]
MODEL = "fmri-gabor"


@pytest.fixture(scope="module")
def gabor_store(tmp_path_factory):
    """Two subjects, whose network any process can load."""
    folder = tmp_path_factory.mktemp("models")
    for subject in (1, 2):
        gabor_linear(4 + subject, subject=subject, licence="CC0").save(folder / MODEL / f"subject-{subject:02d}")
    return folder


@pytest.fixture
def synthesize(run, gabor_store, pictures, tmp_path):
    def synthesize_pictures(*options):
        standard = ["--store", gabor_store, "-m", MODEL, "--stimuli", pictures, "-o", tmp_path / "out"]
        return run("synthesize", *standard, "--no-progress", *options)

    return synthesize_pictures


def test_a_dry_run_prints_a_page_and_writes_nothing(synthesize, tmp_path):
    outcome = synthesize("--dry-run", "--workers", "3", "--tile", "1", "--block", "1")
    assert outcome.code == 0 and not (tmp_path / "out").exists()
    assert outcome.out.startswith(f"models        {MODEL} in ")
    assert "with 3 workers on this machine" in outcome.out and "free, " in outcome.out


def test_a_dry_run_for_programs_is_json(synthesize):
    found = json.loads(synthesize("--dry-run", "--json").out)
    assert found["arrays"] == 2 and found["raw_bytes"] == 4 * (5 + 6) * 4 and found["seconds"] > 0
    assert found["plan"]["request"]["stimuli"] == "pictures"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-m", "fmri-x"], f"available: {MODEL}"),
        (["--rois", "V9"], "available: V1, FFA-1; or leave out what is missing (--skip-missing"),
        (["--subjects", "1-3"], "unknown subject 3"),
        (["--name", "a b"], "such as 'a-b'"),
        (["--tile", "4", "--block", "6"], "whole tiles"),
        (["--cluster", "slrum"], "did you mean 'slurm'"),
        (["--cluster-option", "queue=gpu"], "cluster='slurm'"),
        (["--storage-option", "key=a"], "for remote addresses"),
        (["--stored-dtype", "float8"], "float32, float16"),
        (["--on-bad", "skip"], "mark, raise"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(synthesize, tmp_path, options, words):
    outcome = synthesize(*options)
    assert outcome.code == 1 and words in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_arrays_whose_black_and_white_are_said_are_taken(synthesize, tmp_path):
    np.save(tmp_path / "a set.npy", np.linspace(0, 1, 3 * 8 * 8 * 3, dtype=np.float32).reshape(3, 8, 8, 3))
    images = ["--stimuli", tmp_path / "a set.npy"]
    assert "--value-range 0,1" in synthesize(*images, "--dry-run").err
    outcome = synthesize(*images, "--value-range", "0,1", "--dry-run")
    assert outcome.code == 0 and "a-set: 3 stimuli" in outcome.out


def test_a_store_or_an_earlier_run_is_needed(run, tmp_path):
    outcome = run("synthesize", "-m", "all", "--stimuli", tmp_path, "-o", tmp_path / "out")
    assert outcome.code == 1 and "no store given" in outcome.err
    outcome = run("synthesize", "-o", tmp_path / "out", "--resume")
    assert outcome.code == 1 and "nothing was begun there" in outcome.err


def test_from_images_to_a_verified_store(synthesize, run, here, gabor_store, pictures, tmp_path, monkeypatch):
    (pictures / "0002.png").write_bytes(b"no image")
    output = tmp_path / "my responses"
    small = ("--workers", "2", "--block", "2", "--tile", "2", "-o", output)
    outcome = synthesize(*small)
    assert outcome.code == 0, outcome.err
    assert "1 of 4 images cannot be read; their responses are NaN:\n  0002.png" in outcome.err
    assert outcome.out.startswith(f"{output}: responses of {MODEL} to 4 stimuli (pictures), 2 arrays")
    found = bc.open_store(output).responses(MODEL, stimuli="pictures", subject=2)
    good = [0, 1, 3]
    expected = bc.open_store(gabor_store).encoder(MODEL, 2).encode(pictures, progress=False, on_bad="skip")
    np.testing.assert_allclose(found.values[good], expected.values, rtol=1e-4, atol=1e-5)
    assert np.isnan(found.values[2]).all()
    assert run("verify", output).code == 0
    listed = run("responses", "list", "--store", output)
    assert MODEL in listed.out and "pictures" in listed.out
    shown = next(line for line in outcome.out.splitlines() if "responses show" in line)
    assert run(*shlex.split(shown)[1:]).code == 0
    # another store in the environment is not where the models of this one were
    monkeypatch.setenv("BRAINCODEC_STORE", "nowhere")
    again = run("synthesize", "-o", output, "--resume")
    assert again.code == 0 and "complete already" in again.err
    assert again.out.splitlines()[0].endswith("before compression; complete already")
    refused = synthesize(*small)
    assert refused.code == 1 and "--resume" in refused.err and "--overwrite" in refused.err


@pytest.mark.slow
def test_an_interrupt_from_the_keyboard_leaves_what_is_done(gabor_store, tmp_path):
    pictures = write_pictures(tmp_path / "many", 800)
    output = tmp_path / "out"
    command = [sys.executable, "-c", "from braincodec.cli.app import main; main()"]
    words = ["synthesize", "-s", gabor_store, "-m", MODEL, "--stimuli", pictures, "-o", output]
    arguments = [*map(str, words), "--workers", "2", "--tile", "8", "--block", "8", "--no-progress"]
    process = subprocess.Popen([*command, *arguments], stderr=subprocess.PIPE, text=True, env=dict(os.environ))
    deadline = time.monotonic() + 120
    while len(list(output.glob("synthesis/*/blocks/*/*.json"))) < 5 and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, written = process.communicate(timeout=60)
    assert process.returncode == 130 and "The same command goes on where it stopped" in written
    assert "Traceback" not in written
    kept = {path: path.stat().st_mtime_ns for path in output.glob("synthesis/*/blocks/*/*.json")}
    assert 5 <= len(kept) < 100
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True)
    assert "goes on, " in done.stderr
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert bc.verify(output, progress=False).ok
