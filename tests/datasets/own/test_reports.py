"""`info` and `verify` say in words what was found, and what is missing in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

import braincodec as bc
from braincodec.datasets import load_dataset
from braincodec.stimuli import StimulusSet

from .studies import IMAGES, image_names, numbered, pixels


def test_info_says_what_was_found(study):
    (study / "images" / "spare.png").write_bytes((study / "images" / "picture_00.png").read_bytes())
    text = load_dataset("own", study, licence="CC0").info()
    assert "01: 12 stimuli, shown 1 to 2 times; 4 units (float32); 9 train, 3 test" in text
    assert "32 trials; columns stimulus, subject, session, split, run, category" in text
    assert "13 stimuli: image files in" in text
    assert "licence     CC0" in text
    assert "1 of 13 images are shown to nobody" in text


def test_nothing_is_wrong_with_a_good_study(study):
    assert load_dataset("own", study).verify(read_stimuli=True) == []


def test_missing_and_constant_values_are_reported_and_kept(study):
    values = numbered(16)
    values[:, 1] = np.nan
    values[:, 2] = 5
    values[4, 0] = np.nan  # of the only trial of its image: no other value
    values[0, 3] = np.nan  # the image was shown again
    values[7] = np.nan
    np.save(study / "responses" / "sub-01.npy", values)
    data = load_dataset("own", study)
    problems = data.verify()
    assert problems == [
        "subject 01: 1 of 4 units (1) are NaN in every trial: NaN in a model, too, and left out of summaries",
        "subject 01: 1 of 4 units (2) are without variance: no model can predict them, and their scores are NaN",
        "subject 01: 2 trials have NaN in 2 values of units that others have, the first of stimulus 'picture_00.png'; "
        "means over repetitions leave them out",
        "subject 01: 1 stimuli have no response at all, the first is 'picture_07.png'; take them out of the table",
    ]
    mean = data.subject("01", repetitions="mean").responses
    assert np.isnan(mean.values[:, 1]).all()
    np.testing.assert_allclose(mean.sel(stimulus="picture_00.png").values[3], 12.3)


def test_infinite_values_and_sensors_are_reported():
    values = np.random.default_rng(0).standard_normal((IMAGES, 2, 3))
    values[3, 1, 2] = np.inf
    values[:, 0, 1] = np.nan
    data = load_dataset(
        "own", images=StimulusSet.open(pixels(), ids=image_names()), responses=values, near_copies=False,
        layout="trial,channel,time", channels=["Oz", "Cz"], times=[0, 0.1, 0.2],
    )  # fmt: skip
    infinite, absent = data.verify()
    assert "1 responses are infinite" in infinite
    assert "1 of 6 pairs of channel and time (Oz at 0.1 s) are NaN in every trial" in absent
    assert "2 channels, 3 times" in data.info()


def test_subjects_that_cannot_be_opened_are_reported_once_each(study):
    np.save(study / "responses" / "sub-02.npy", numbered(3))
    data = load_dataset("own", study)
    assert len(data.verify()) == 1
    assert "02: cannot be opened: " in data.info()


def test_undecodable_images_are_reported(study):
    (study / "images" / "picture_03.png").write_bytes(b"\x89PNG broken")
    assert any("picture_03" in problem for problem in load_dataset("own", study).verify(read_stimuli=True))


def test_a_model_is_trained_and_judged_on_own_recordings():
    images = pixels(60, seed=1)
    brightness = images.mean((1, 2))  # (image, colour)
    rng = np.random.default_rng(0)
    values = brightness @ rng.standard_normal((3, 5)) + rng.standard_normal((60, 5))
    values[:, 4] = np.nan
    names = [f"s{n:02d}" for n in range(60)]
    data = load_dataset(
        "own", images=StimulusSet.open(images, ids=names), responses=values, title="mine", licence="CC0",
        table=pd.DataFrame({"stimulus": names}), fractions=(0.7, 0.0, 0.3),
    )  # fmt: skip
    recording = data.subject("1")
    predicted = recording.responses.fillna(0) + rng.standard_normal((60, 5)) * 5
    scores = bc.evaluate(predicted, recording, draws=10, permutations=10, leakage="off")
    assert scores.about["dataset"]["name"] == "mine"
    assert scores.about["dataset"]["licence"] == "CC0"
