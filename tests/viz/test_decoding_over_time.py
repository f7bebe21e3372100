"""Pairwise decoding over time and across times."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import plot_pairwise_decoding, plot_time_generalisation, text_alternative

from ..evaluation.example_scores import eeg_scores
from .drawn import panels, texts

TIMES = np.array([-0.1, 0.0, 0.1, 0.2])


def curve(values) -> xr.DataArray:
    return xr.DataArray(values, dims="time", coords={"time": TIMES[: len(values)]})


def test_measured_and_predicted_are_lines_beside_chance(eeg, axes):
    figure = plot_pairwise_decoding(eeg, axes=axes)
    assert figure is axes.figure
    for name in ("pairwise_decoding", "pairwise_decoding_predicted"):
        assert any(np.array_equal(line.get_ydata(), eeg.curves[name]) for line in axes.lines)
    assert any(np.allclose(line.get_ydata(), 0.5) for line in axes.lines)
    assert {"measured responses", "predicted responses", "chance"} <= set(texts(figure))
    top = float(eeg.curves.pairwise_decoding.max())
    assert f"measured responses: highest at 160 ms with {top:.2f}" in text_alternative(figure)


def test_measured_alone_is_enough():
    figure = plot_pairwise_decoding(curve([0.5, 0.5, 0.9, np.nan]))
    assert "predicted responses" not in texts(figure)
    assert "highest at 100 ms with 0.90, mean 0.63" in text_alternative(figure)


def test_curves_of_a_mapping_keep_their_names():
    figure = plot_pairwise_decoding({"occipital": curve([0.5, 0.5, 0.9, 0.8]), "frontal": curve([0.5, 0.5, 0.6, 0.7])})
    assert {"occipital", "frontal", "chance"} <= set(texts(figure))
    assert "frontal: highest at 200 ms with 0.70" in text_alternative(figure)
    with pytest.raises(InputValueError, match="1 to 6 curves, not 0"):
        plot_pairwise_decoding({})


def test_intervals_are_bands_and_words():
    scores = eeg_scores()
    mean = scores.curves.pairwise_decoding
    scores.curves["pairwise_decoding_low"], scores.curves["pairwise_decoding_high"] = mean - 0.04, mean + 0.03
    figure = plot_pairwise_decoding(scores)
    (panel,) = panels(figure)
    (band,) = panel.collections
    outline = band.get_paths()[0].vertices
    assert outline[:, 1].max() == pytest.approx(float(mean.max()) + 0.03)
    top = float(mean.max())
    assert f"(interval {top - 0.04:.2f} to {top + 0.03:.2f})" in text_alternative(figure)


def test_matrix_of_predicted_responses_is_shown_when_asked(eeg):
    scores = eeg_scores()
    scores.curves["time_generalisation_predicted"] = scores.curves.time_generalisation * 0 + 0.6
    assert "predicted responses, chance 0.5: highest 0.60" in text_alternative(
        plot_time_generalisation(scores, predicted=True)
    )
    with pytest.raises(InputValueError, match="no time_generalisation_predicted"):
        plot_time_generalisation(eeg, predicted=True)


def test_chance_is_always_in_view():
    (panel,) = panels(plot_pairwise_decoding(curve([0.9, 0.91, 0.92, 0.93])))
    assert panel.get_ylim()[0] < 0.5 < panel.get_ylim()[1]


def test_subjects_are_averaged_or_chosen():
    both = xr.concat([curve([0.5, 0.6]), curve([0.7, 0.8])], xr.Variable("subject", ["1", "2"]))
    (panel,) = panels(plot_pairwise_decoding(both))
    np.testing.assert_allclose(panel.lines[0].get_ydata(), [0.6, 0.7])
    (panel,) = panels(plot_pairwise_decoding(both, subject=2))
    np.testing.assert_allclose(panel.lines[0].get_ydata(), [0.7, 0.8])
    with pytest.raises(UnknownNameError, match="subject '3'"):
        plot_pairwise_decoding(both, subject=3)


def test_training_time_runs_upwards_and_chance_is_the_middle_colour():
    matrix = np.full((4, 4), 0.5)
    matrix[2, 3] = 0.9  # trained at 100 ms, tested at 200 ms
    figure = plot_time_generalisation(
        xr.DataArray(matrix, dims=("train_time", "test_time"), coords={"train_time": TIMES, "test_time": TIMES})
    )
    panel = next(item for item in panels(figure) if item.get_ylabel() == "Trained at (ms)")
    (image,) = panel.images
    assert image.origin == "lower"
    assert image.get_extent() == pytest.approx([-150, 250, -150, 250])
    np.testing.assert_array_equal(image.get_array(), matrix)
    assert np.mean(image.get_clim()) == pytest.approx(0.5)
    assert "highest 0.90, trained at 100 ms and tested at 200 ms" in text_alternative(figure)


def test_matrix_may_come_the_other_way_round(eeg):
    matrix = eeg.curves.time_generalisation.copy()
    matrix[5, 9] = 0.99
    words = text_alternative(plot_time_generalisation(matrix.transpose("test_time", "train_time")))
    assert words == text_alternative(plot_time_generalisation(matrix))


def test_what_is_missing_is_said(fmri):
    with pytest.raises(InputValueError, match="no pairwise_decoding"):
        plot_pairwise_decoding(fmri)
    with pytest.raises(InputTypeError, match="DataArray"):
        plot_pairwise_decoding([0.5])
    with pytest.raises(InputValueError, match="dims"):
        plot_time_generalisation(curve([0.5]))
    nothing = xr.DataArray(
        np.full((2, 2), np.nan), dims=("train_time", "test_time"), coords={"train_time": [0, 1], "test_time": [0, 1]}
    )
    with pytest.raises(InputValueError, match="no known value"):
        plot_time_generalisation(nothing)
