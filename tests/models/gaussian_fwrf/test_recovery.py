"""Receptive fields come back: those that made the responses are those that are found."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

import braincodec as bc
from braincodec.datasets import Recording
from braincodec.models.gaussian_fwrf import GaussianFwRF

PARTS = ("x", "y", "size")


def fields_of(units) -> np.ndarray:
    return np.stack([units[f"receptive_field_{part}"].values for part in PARTS], axis=1)


def recovery(found: np.ndarray, true: np.ndarray) -> tuple[float, float, float]:
    """Correlations of x and y across units, and the median relative error of the size."""
    x, y = (float(np.corrcoef(found[:, axis], true[:, axis])[0, 1]) for axis in (0, 1))
    return x, y, float(np.median(np.abs(found[:, 2] / true[:, 2] - 1)))


@pytest.mark.slow
def test_fields_of_a_small_subject_come_back(make_recording, true_fields):
    recording, true = make_recording(units=20, train=200, test=10, ncsnr=1.0), true_fields(20)
    model = GaussianFwRF(
        "gabor:bank",
        ["scales.2", "scales.3"],
        layer_choice="best",
        sizes=5,
        smallest_size=0.3,
        most_centres=7,
        alphas=(1e-3, 1e-1),
    ).fit(recording)
    x, y, size = recovery(fields_of(model.units), true)
    assert min(x, y) > 0.95
    assert size < 0.15


@pytest.mark.slow
def test_fields_of_the_simulated_subject_come_back():
    """With the network and layers that made the responses, as retinotopic mapping knows its own stimulus."""
    data = bc.load_dataset("simulated", n=1250)
    recording, maker = data.subject("1"), data.ground_truth("1")
    true = fields_of(maker.units)
    inside = (np.abs(true[:, :2]) < maker.config.visual_angle / 2).all(axis=1)
    units = np.flatnonzero((maker.units["ncsnr"].values >= 1) & inside)
    assert len(units) > 100
    chosen = dataclasses.replace(
        recording, responses=recording.responses.isel(unit=units), units=recording.units.isel(unit=units)
    )
    assert isinstance(chosen, Recording)
    assert len(chosen.split.ids("train")) == 1000
    model = GaussianFwRF(
        maker.config.features.backbone,
        maker.config.features.layers,
        nonlinearities=maker.config.nonlinearities,
        layer_choice="best",
    ).fit(chosen)
    x, y, size = recovery(fields_of(model.units), true[units])
    assert min(x, y) >= 0.95
    assert size <= 0.15
