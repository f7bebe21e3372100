"""What figures are drawn from, and what every figure promises."""

from __future__ import annotations

import numpy as np
import pytest

from ..evaluation.example_scores import decoding_scores, eeg_scores, fmri_scores


@pytest.fixture(autouse=True)
def leave_matplotlib_as_it_was():
    """No figure is left with pyplot, and no setting of the user's changes."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.close("all")
    before = {name: value for name, value in matplotlib.rcParams.items() if name != "backend"}
    yield
    after = {name: value for name, value in matplotlib.rcParams.items() if name != "backend"}
    assert after == before
    assert plt.get_fignums() == []


@pytest.fixture
def axes():
    """Axes of a figure of the user's."""
    from matplotlib.figure import Figure

    return Figure(figsize=(6, 4)).add_subplot()


@pytest.fixture(scope="session")
def fmri():
    return fmri_scores()


@pytest.fixture(scope="session")
def eeg():
    return eeg_scores()


@pytest.fixture(scope="session")
def decoded():
    return decoding_scores()


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
