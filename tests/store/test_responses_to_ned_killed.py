"""An export to NED's layout that is killed leaves nothing half-written under a final name, and can be started again."""

from __future__ import annotations

import random
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest

from braincodec.responses import build_responses, build_units
from braincodec.store.responses_to_ned import responses_to_ned

from .test_responses_to_ned import add_responses, describe

ROWS, UNITS = 4000, 60
# says when it begins to write, and writes slowly
PROGRAM = """
import sys, time
import braincodec.responses.formats as formats
from braincodec.legacy import ned_responses
from braincodec.store.responses_to_ned import responses_to_ned
formats.BLOCK_BYTES = 2**14
columns = ned_responses._columns
def slowly(block, file):
    time.sleep(0.015)
    return columns(block, file)
ned_responses._columns = slowly
responses_to_ned(sys.argv[1], sys.argv[2], on_start=lambda _: print("begun", flush=True))
"""


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_killed_export_is_completed_by_the_next_one(tmp_path, seed):
    values = np.random.default_rng(seed).normal(size=(ROWS, UNITS)).astype(np.float32)
    for roi in ("V1", "V2"):
        responses = build_responses(values, map(str, range(ROWS)), build_units(rois={roi: np.ones(UNITS, bool)}))
        add_responses(tmp_path / "store", responses, describe(roi=roi), roi=roi)
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, tmp_path / "store", tmp_path / "ned"], stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    assert running.stdout.readline() == "begun\n"
    time.sleep(random.Random(seed).uniform(0.05, 0.9))
    running.kill()
    running.wait()
    running.stdout.close()
    for path in (tmp_path / "ned").rglob("synthetic*.h5"):  # whatever has its final name is whole
        with h5py.File(path) as file:
            assert np.array_equal(file["synthetic_neural_responses"], values)
    done = responses_to_ned(tmp_path / "store", tmp_path / "ned")
    assert {one.outcome for one in done} <= {"written", "kept"}
    for one in done:
        with h5py.File(one.files[0]) as file:
            assert np.array_equal(file["synthetic_neural_responses"], values)
    assert not list((tmp_path / "ned").rglob(".*.h5"))
