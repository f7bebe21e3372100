"""EEG pictures."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("mne")
pytest.importorskip("matplotlib")

import matplotlib.pyplot as plt

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.viz.eeg import plot_time_course, plot_topography


def test_time_course_draws_all_channels_and_tells_the_peaks(eeg_responses):
    axes = plt.figure().add_subplot()
    words = plot_time_course(eeg_responses.sel(stimulus="a").mean("repetition"), axes, channels=("Oz", "PO8"))
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Oz", "PO8"]
    assert len(axes.lines) == 6 + 2 + 2
    assert "PO8 peaks at 170 ms with -5.0 µV" in words


def test_time_course_refuses_other_dims_and_channels(eeg_responses):
    with pytest.raises(InputValueError, match="channel, time"):
        plot_time_course(eeg_responses.sel(stimulus="a"))
    with pytest.raises(UnknownNameError, match="PO8"):
        plot_time_course(eeg_responses[0].mean("repetition"), channels=("PO9",))


def test_topography_is_symmetric_around_zero_by_default():
    values = np.array([1.0, -3.0, 0.0, 0.5, 0.2])
    image = plot_topography(values, ["Oz", "PO8", "Cz", "Fz", "T7"], plt.figure().add_subplot())
    assert image.get_clim() == (-3, 3)
    assert float(np.nanmin(image.get_array())) < -1.5


def test_topography_refuses_unknown_channels():
    with pytest.raises(UnknownNameError, match="10-10"):
        plot_topography(np.zeros(2), ["Oz", "XY"])
