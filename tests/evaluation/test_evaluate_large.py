"""`evaluate` of a whole cortex, lazily opened, in bounded memory; and of a simulated subject's true encoder."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

VERTICES, TEST, TRAINING = 327_684, 300, 20

SCRIPT = """
import json, sys
from pathlib import Path

import numpy as np

from braincodec.datasets import Recording, Split
from braincodec.evaluation import evaluate
from braincodec.responses import build_units, empty_responses, open_responses
from braincodec.responses.writer import ResponseWriter
from braincodec.stimuli import StimulusSet

folder, step, vertices, test, training = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:])
ids = [f"image-{number}" for number in range(training + test)]
half = vertices // 2
units = build_units(
    vertex=np.tile(np.arange(half), 2), hemisphere=np.repeat(["left", "right"], half), space="fsaverage",
    rois={"V1": np.arange(vertices) % 7 == 0},
)
if step == "write":
    for name, first, seed in (("measured", 0, 1), ("predicted", training, 2)):
        template = empty_responses(units)
        with ResponseWriter(folder / f"{name}.zarr", template, plan={}, expected_stimuli=len(ids) - first) as writer:
            for start in range(first, len(ids), 20):
                rows = ids[start : start + 20]
                signal = np.random.default_rng([0, start]).standard_normal((len(rows), vertices), dtype=np.float32)
                noise = np.random.default_rng([seed, start]).standard_normal(signal.shape, dtype=np.float32)
                writer.write(signal + noise, rows, start - first + len(rows), bad=[])
            writer.commit()
else:
    images = StimulusSet.open(np.zeros((len(ids), 4, 4, 3), np.uint8), ids=ids)
    measured, predicted = (open_responses(folder / f"{name}.zarr") for name in ("measured", "predicted"))
    recording = Recording("cortex", "1", images, measured, units, Split(train=ids[:training], test=ids[training:]))
    options = {"metrics": ["correlation", "r2_determination"], "leakage": "off"}
    scores = evaluate(predicted, recording, draws=200, permutations=20, **options)
    row = scores.table.iloc[0]
    # of this process alone: getrusage remembers the size of the parent that started it
    status = Path("/proc/self/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    print(json.dumps({"peak": peak * 1024, "value": row.value, "low": row.low, "high": row.high}))
"""


@pytest.mark.slow
def test_whole_cortex_is_scored_in_less_than_a_gigabyte(tmp_path):
    """Predictions and responses are 0.8 GB, replicates of both scores 0.5 GB more."""
    if not Path("/proc/self/status").exists():
        pytest.skip("a process's own peak memory is read from /proc, which this system lacks")

    def run(step):
        arguments = [str(tmp_path), step, *map(str, (VERTICES, TEST, TRAINING))]
        return subprocess.run(
            [sys.executable, "-c", SCRIPT, *arguments], check=True, capture_output=True, text=True
        ).stdout

    run("write")
    found = json.loads(run("evaluate"))
    assert found["peak"] < 1e9
    assert found["value"] == pytest.approx(0.5, abs=0.005)
    assert found["low"] < found["value"] + 0.005 and found["high"] > found["value"] - 0.005


@pytest.mark.slow
def test_the_true_encoder_of_a_simulated_subject_reaches_the_ceiling():
    pytest.importorskip("nilearn")
    pytest.importorskip("skimage")
    from braincodec import simulate
    from braincodec.evaluation import evaluate

    subject = simulate.subject(backbone="gabor:bank", calibration=24)
    options = {"part": "train", "draws": 100, "permutations": 20, "metrics": ["correlation", "noise*"]}
    scores = evaluate(subject.encoder(), subject.recording(n=150), leakage="off", **options)
    rows = scores.table.set_index(["roi", "metric"])
    for roi in ("all", "V1", "V2", "V3", "hV4"):
        assert rows.loc[(roi, "correlation"), "normalised"] == pytest.approx(1, abs=0.02), roi
        row = rows.loc[(roi, "noise_normalised_accuracy")]
        assert row.low < 1 < row.high, roi
    assert scores.about["simulated"] and scores.about["model"]["id"] == "fmri-simulated-gaussian_fwrf"
