"""Patterns in, images out."""

from __future__ import annotations

import io
import time

import numpy as np
import pytest

from braincodec.app.explorer import Explorer
from braincodec.app.trial_store import DECODER, trial_store
from braincodec.app.uploads import UploadError
from braincodec.errors import InputValueError
from braincodec.simulate.images import stimuli
from braincodec.store import open_store

PATIENCE = 60.0
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(trial):
    return open_store(trial[0])


@pytest.fixture(scope="module")
def explorer(store):
    with Explorer(store, gallery=stimuli(20), device="cpu") as made:
        yield made


@pytest.fixture(scope="module")
def patterns(explorer):
    return explorer.examples(DECODER)


def test_a_trial_store_is_made_once(store, trial):
    assert len(trial[1]) == 3
    assert trial_store(lambda line: pytest.fail(line), folder=store.address).as_posix() == store.address
    assert {entry.id for entry in store.entries()} >= {DECODER, "eeg-simulated-linear"}


def test_decoders_are_told_from_encoders(explorer):
    directions = {choice.id: choice.direction for choice in explorer.models}
    assert directions[DECODER] == "both"
    assert directions["eeg-simulated-linear"] == "encode"


def test_patterns_that_the_decoder_cannot_know_come_first(explorer, patterns):
    trained_on = ["this is no test" in example.about for example in patterns]
    assert trained_on == sorted(trained_on)
    assert not trained_on[0]
    assert "Simulated measurement" in patterns[0].about
    photograph = explorer.predict(patterns[0].pixels, "fmri-simulated-gaussian_fwrf").responses.values
    assert 0.1 < np.corrcoef(photograph, patterns[0].pattern)[0, 1] < 0.999  # noise is in it


def test_an_image_is_that_of_the_decoder(explorer, store, patterns):
    pattern = patterns[0].pattern
    decoded = explorer.decode(pattern, DECODER, samples=2, seed=3)
    wanted = store.encoder(DECODER).decode(pattern[None], n_samples=2, seed=3, device="cpu", progress=False)
    assert decoded.simulated
    assert "nearest of the model's training images" in decoded.about
    np.testing.assert_array_equal(decoded.images, np.stack(list(wanted)))


def test_a_file_gives_what_its_array_gives(explorer, patterns, tmp_path):
    pattern = patterns[1].pattern
    np.save(tmp_path / "pattern.npy", pattern[None])
    np.savetxt(tmp_path / "pattern.csv", pattern[None], delimiter=",", fmt="%.9g")
    images = [explorer.decode(source, DECODER).images for source in
              (pattern, tmp_path / "pattern.npy", tmp_path / "pattern.csv")]  # fmt: skip
    assert np.array_equal(images[0], images[1])
    assert np.array_equal(images[0], images[2])


def test_the_gallery_is_searched_once_it_is_embedded(explorer, store, patterns):
    pattern = patterns[0].pattern
    until = time.monotonic() + PATIENCE
    while not (decoded := explorer.decode(pattern, DECODER)).complete:
        assert time.monotonic() < until, decoded.gallery
        assert "have been read so far" in decoded.gallery or not decoded.gallery
        time.sleep(0.05)
    wanted = store.encoder(DECODER).retrieve(pattern[None], stimuli(20), k=8, device="cpu", progress=False)
    assert [one.id for one in decoded.nearest] == wanted["id"].values[0].tolist()
    np.testing.assert_allclose([one.similarity for one in decoded.nearest], wanted["similarity"].values[0], atol=1e-4)
    assert decoded.nearest[0].thumbnail.shape[2] == 3


@pytest.mark.parametrize("changes", [{"samples": 0}, {"samples": 9}, {"samples": 1.5}, {"seed": -1}, {"seed": 2**40}])
def test_impossible_numbers_are_refused(explorer, patterns, changes):
    with pytest.raises(InputValueError, match=next(iter(changes))):
        explorer.decode(patterns[0].pattern, DECODER, **changes)


def test_a_pattern_of_another_brain_is_refused(explorer, patterns):
    with pytest.raises(UploadError, match="one for each unit of the model"):
        explorer.decode(patterns[0].pattern[:-1], DECODER)
    file = io.BytesIO()
    np.save(file, np.full(len(patterns[0].pattern), np.nan))
    with pytest.raises(UploadError, match="NaN"):
        explorer.decode(file.getvalue(), DECODER)
