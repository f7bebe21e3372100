"""Responses to draw."""

from __future__ import annotations

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def close_figures():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="session")
def cortex_responses():
    """One response for each of two stimuli: eccentricity, and its negative."""
    pytest.importorskip("nilearn")
    from braincodec.responses import build_responses
    from braincodec.simulate import simulated_units

    units = simulated_units()
    values = units.eccentricity.values
    return build_responses(np.stack([values, -values]), ["a", "b"], units)


@pytest.fixture(scope="session")
def eeg_responses():
    """A positive deflection at Oz and a larger negative one at PO8, for two stimuli."""
    from braincodec.responses import build_responses
    from braincodec.responses.coordinates import build_sensor_units

    channels, times = ["Oz", "PO8", "Cz", "Fz", "T7", "T8"], np.arange(-10, 81) / 100
    bump = np.exp(-((times - 0.17) ** 2) / 0.001)
    values = np.zeros((2, 4, len(channels), len(times)), np.float32)
    values[:, :, 0], values[:, :, 1] = 2 * bump, -5 * bump
    return build_responses(values, ["a", "b"], build_sensor_units(channels, times, 4))
