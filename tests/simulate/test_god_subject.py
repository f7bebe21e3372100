"""A simulated subject in the files of Generic Object Decoding."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.datasets import load_dataset
from braincodec.errors import InputValueError
from braincodec.evaluation import check_leakage
from braincodec.simulate import subject, write_god_subject

QUICK = {"train": 10, "test": 4, "size": 32, "backbone": "gabor:bank", "calibration": 8}


@pytest.fixture(scope="module")
def recording(tmp_path_factory):
    return load_dataset("god", write_god_subject(tmp_path_factory.mktemp("god"), **QUICK)).subject("6")


def test_training_pictures_are_shown_once_and_test_pictures_several_times(recording):
    assert recording.responses["repetitions"].values.tolist() == [1] * 10 + [8] * 4
    assert check_leakage(recording).passed


def test_trials_are_those_of_their_pictures(recording):
    """Averages over the repetitions follow what the cortex answers to the very picture, and to no other."""
    pictures, trials = recording.part("test")
    person = subject(1, backbone="gabor:bank", calibration=8)
    signal = person.encoder().encode(pictures, progress=False).values  # (pictures, vertices)
    order = np.argsort(trials["column"].values)
    measured = trials.mean("repetition").values[:, order]
    alike = np.corrcoef(measured - measured.mean(0), signal - signal.mean(0))[:4, 4:]
    assert (alike.argmax(axis=1) == np.arange(4)).all() and np.diag(alike).min() > 0.6


def test_same_seed_same_files(tmp_path):
    first, again = (np.load(write_god_subject(tmp_path / name, **QUICK) / "sbj_6.npz") for name in "ab")
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_amounts_below_one_are_refused(tmp_path):
    with pytest.raises(InputValueError, match="at least 1, not 0, 4 and 8"):
        write_god_subject(tmp_path, **{**QUICK, "train": 0})
