"""A killed fit goes on from the features that it had, and gives what an uninterrupted one gives."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import braincodec as bc
from braincodec.features.gabor import GaborBank

from .tiny_recordings import voxels

pytestmark = pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
SETTINGS = {"backbone": "gabor:bank", "layers": "scales.[12]", "image_size": 64, "components": 5}
BATCH = 5

KILLED = """
    import os, signal, sys
    import numpy as np
    import braincodec as bc
    from braincodec.features.cache import growing
    from braincodec.features.gabor import GaborBank
    from braincodec.responses import build_responses, build_units

    growing.SECONDS_BETWEEN_SAVES = 0.0
    passes, forward = [], GaborBank.forward

    def counted(self, images):
        passes.append(len(images))
        if sum(size == 5 for size in passes) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return forward(self, images)

    GaborBank.forward = counted
    known = np.load(sys.argv[1])
    ids, units = known["ids"].tolist(), build_units(ijk=np.zeros((4, 3), int))
    stimuli = bc.StimulusSet.open(known["images"], ids=ids)
    split = bc.Split(train=ids[:30], test=ids[30:])
    recording = bc.Recording("example", "1", stimuli, build_responses(known["values"], ids, units), units, split)
    settings = {"backbone": "gabor:bank", "layers": "scales.[12]", "image_size": 64, "components": 5}
    bc.LinearEncoder(**settings).fit(recording, workspace=sys.argv[2], device="cpu", batch_size=5)
"""


@pytest.fixture
def passes(monkeypatch):
    """Sizes of the batches that the network sees."""
    sizes, forward = [], GaborBank.forward

    def counted(self, images):
        sizes.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(GaborBank, "forward", counted)
    return sizes


@pytest.mark.slow
def test_a_killed_fit_goes_on_to_the_same_model(tmp_path, passes):
    recording = voxels(4)
    shown = np.stack(list(recording.stimuli))
    np.savez(tmp_path / "known.npz", images=shown, ids=recording.stimuli.ids, values=recording.responses.values)
    script = [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "known.npz"), str(tmp_path / "cut")]
    killed = subprocess.run(script, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stderr
    again = bc.LinearEncoder(**SETTINGS).fit(recording, workspace=tmp_path / "cut", device="cpu", batch_size=BATCH)
    assert passes.count(BATCH) == 6 - 3  # the first three batches are there
    whole = bc.LinearEncoder(**SETTINGS).fit(recording, workspace=tmp_path / "whole", device="cpu", batch_size=BATCH)
    assert again.identity() == whole.identity()


def test_another_model_starts_from_features_and_components_that_are_there(tmp_path, passes):
    recording = voxels(4)
    first = bc.LinearEncoder(**SETTINGS).fit(recording, workspace=tmp_path, device="cpu", batch_size=BATCH)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "reductions").iterdir()}
    passes.clear()
    other = bc.LinearEncoder(**SETTINGS, readout="least_squares").fit(recording, workspace=tmp_path, device="cpu")
    assert max(passes) == 1  # blank images, for the shapes
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "reductions").iterdir()} == written
    for name in first.tensors():
        if name.startswith("reduction."):
            np.testing.assert_array_equal(first.tensors()[name], other.tensors()[name])


def test_without_a_workspace_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bc.LinearEncoder(**SETTINGS).fit(voxels(4), device="cpu")
    assert not list(tmp_path.iterdir())


def test_features_are_kept_in_half_precision_where_asked_for_or_where_they_are_large(tmp_path, monkeypatch):
    from braincodec.features import FeatureCache

    recording = voxels(4)
    exact = bc.LinearEncoder(**SETTINGS).fit(recording, workspace=tmp_path / "single", device="cpu")
    monkeypatch.setattr("braincodec.models.linear.gather.MOST_SINGLE_BYTES", 1000)
    half = bc.LinearEncoder(**SETTINGS).fit(recording, workspace=tmp_path / "half", device="cpu")
    for name in ("single", "half"):
        [cache] = (tmp_path / name / "features").glob("*.zarr")
        assert FeatureCache(cache).dtype == {"single": np.float32, "half": np.float16}[name]
    new = recording.part("test")[0]
    found, expected = (model.encode(new, device="cpu").values for model in (half, exact))
    np.testing.assert_allclose(found, expected, atol=0.02 * expected.std())
