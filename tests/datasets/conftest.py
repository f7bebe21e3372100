"""Folders that hold small files in the true layout of public data sets."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from braincodec.datasets import Counts
from braincodec.datasets.digit69 import Digit69
from braincodec.datasets.macaque_v4 import MacaqueV4
from braincodec.simulate.layouts.things_eeg2 import write_things_eeg2

from .recordings import IMAGES, NEURONS, REPETITIONS, SESSION, VOXELS, digit_variables, ragged_counts, write_zip


@pytest.fixture
def v4_folder(tmp_path: Path) -> Path:
    """One session with raw repetitions, one with averages alone."""
    for name in ("images", "responses", "responses_raw"):
        (tmp_path / name).mkdir()
    for session in (SESSION, "210224"):
        write_zip(tmp_path / "images" / f"images_{session}.zip")
        np.save(tmp_path / "responses" / f"responses_{session}.npy", np.nanmean(ragged_counts(), axis=2))
    np.save(tmp_path / "responses_raw" / f"responses_{SESSION}.npy", ragged_counts())
    return tmp_path


@pytest.fixture
def small_v4(monkeypatch: pytest.MonkeyPatch) -> type[MacaqueV4]:
    """The data set as it would be with sessions of this size."""
    expected = {
        "210224": Counts(units=NEURONS, stimuli=IMAGES),
        SESSION: Counts(units=NEURONS, stimuli=IMAGES, repetitions=REPETITIONS),
    }
    monkeypatch.setattr(MacaqueV4, "expected", expected)
    return MacaqueV4


@pytest.fixture
def digit_folder(tmp_path: Path) -> Path:
    scipy.io.savemat(tmp_path / "digit69_28x28.mat", digit_variables(), do_compression=True)
    return tmp_path


@pytest.fixture
def small_digits(monkeypatch: pytest.MonkeyPatch) -> type[Digit69]:
    monkeypatch.setattr(Digit69, "expected", {"1": Counts(units=VOXELS, stimuli=16)})
    return Digit69


@pytest.fixture(scope="session")
def raw_eeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four raw sessions of THINGS-EEG2, with their source data; only read."""
    return write_things_eeg2(tmp_path_factory.mktemp("raw_eeg"), version="raw", source_data=True)


@pytest.fixture
def eeg_copy(raw_eeg: Path, tmp_path: Path) -> Path:
    """A copy of `raw_eeg` that may be changed."""
    return Path(shutil.copytree(raw_eeg, tmp_path / "changed"))
