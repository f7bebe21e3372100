"""Accuracy of units against their noise ceiling, and as a histogram."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import plot_accuracy_against_ceiling, plot_accuracy_histogram, text_alternative
from braincodec.viz.density import MOST_POINTS, point_density

from .drawn import panels, points, texts


def test_every_unit_with_both_numbers_is_a_point_at_its_place(fmri):
    figure = plot_accuracy_against_ceiling(fmri)
    (panel,) = panels(figure)
    drawn = points(panel)
    expected = np.stack([fmri.units.noise_ceiling.values, fmri.units.r2_correlation.values], 1)
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    assert "180 units of 2 subjects, 40 stimuli" in texts(figure)
    middle = np.median(fmri.units.r2_correlation)
    assert f"180 units, accuracy median {middle:.2f}" in text_alternative(figure)


def test_a_correlation_is_held_against_the_root_of_the_ceiling(fmri):
    (panel,) = panels(plot_accuracy_against_ceiling(fmri, metric="correlation", subject=1))
    drawn = points(panel)
    units = fmri.units.isel(unit=fmri.units.subject.values == "1")
    np.testing.assert_allclose(np.sort(drawn[:, 0]), np.sort(np.sqrt(units.noise_ceiling)))
    np.testing.assert_allclose(np.sort(drawn[:, 1]), np.sort(units.correlation))


def test_the_line_of_equality_runs_through_the_whole_square():
    (panel,) = panels(plot_accuracy_against_ceiling([0.1, 0.5], [0.4, 0.8]))
    (line,) = panel.lines
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert tuple(line.get_xdata()) == panel.get_xlim() == panel.get_ylim()
    assert panel.get_aspect() == 1


def test_dense_places_are_darker_and_drawn_last():
    rng = np.random.default_rng(0)
    values = np.concatenate([0.5 + 0.01 * rng.standard_normal(200), [0.1, 0.9]])
    (panel,) = panels(plot_accuracy_against_ceiling(values, values))
    (scatter,) = panel.collections
    density = scatter.get_array()
    assert (np.diff(density) >= 0).all()
    np.testing.assert_allclose(np.sort(scatter.get_offsets()[:2, 0]), [0.1, 0.9])


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.integers(0, 2**31))
def test_density_is_highest_inside_a_cluster(size, seed):
    rng = np.random.default_rng(seed)
    x = np.concatenate([np.full(size + 1, 0.5), rng.uniform(0, 0.2, 1)])
    density = point_density(x, x, (0, 1))
    assert density[0] > density[-1] > 0


def test_very_many_units_become_cells():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 1, MOST_POINTS + 1)
    (panel,) = panels(plot_accuracy_against_ceiling(values, values))
    (cells,) = panel.collections
    counts = np.expm1(np.asarray(cells.get_array().filled(0)))
    assert counts.sum() == pytest.approx(MOST_POINTS + 1)


def test_a_panel_for_each_region_with_its_units(fmri):
    figure = plot_accuracy_against_ceiling(fmri, rois="each", subject=1)
    grid = panels(figure)
    assert [panel.get_title(loc="left") for panel in grid] == ["V1", "V2", "early visual", "FFA"]
    assert [len(points(panel)) for panel in grid] == [30, 30, 60, 30]
    assert len({panel.get_xlim() for panel in grid}) == 1
    assert "V1: 30 units" in text_alternative(figure)


def test_two_panels_have_room_under_their_heading(fmri):
    figure = plot_accuracy_against_ceiling(fmri, rois=["V1", "FFA"])
    figure.canvas.draw()
    widths = [panel.get_window_extent().width / figure.dpi for panel in panels(figure)]
    assert min(widths) > 1  # inch


def test_units_without_a_number_are_left_out_and_counted():
    figure = plot_accuracy_against_ceiling([0.1, np.nan, 0.3], [0.4, 0.5, np.nan])
    assert len(points(panels(figure)[0])) == 1
    assert "1 unit, accuracy median 0.10" in text_alternative(figure)
    assert "2 units without one of both left out" in text_alternative(figure)


def test_units_far_below_zero_are_drawn_at_the_edge_and_counted():
    figure = plot_accuracy_against_ceiling([-40.0, 0.2, 0.3], [0.4, 0.5, 0.6], metric="r2_determination")
    (panel,) = panels(figure)
    assert panel.get_ylim()[0] > -1
    assert points(panel)[:, 1].min() >= panel.get_ylim()[0]
    assert "1 unit below the axis" in text_alternative(figure)


def test_axes_given_are_drawn_into(axes, fmri):
    assert plot_accuracy_against_ceiling(fmri, axes=axes) is axes.figure
    assert len(points(axes)) == 180
    assert "180 units" in text_alternative(axes)


def test_panels_go_into_axes_given(axes, fmri):
    assert plot_accuracy_histogram(fmri, rois="each", axes=axes) is axes.figure
    assert len(axes.child_axes) == 4
    assert "V1: 56 units" in text_alternative(axes)


def test_scatter_says_what_is_missing(fmri):
    with pytest.raises(InputValueError, match="needs the noise ceiling of each unit"):
        plot_accuracy_against_ceiling([0.1, 0.2])
    with pytest.raises(InputValueError, match=r"shape \(3,\), the values \(2,\)"):
        plot_accuracy_against_ceiling([0.1, 0.2], [0.1, 0.2, 0.3])
    with pytest.raises(InputValueError, match="no unit has both"):
        plot_accuracy_against_ceiling([np.nan, 0.2], [0.1, np.nan])
    with pytest.raises(UnknownNameError, match="roi 'V9'"):
        plot_accuracy_against_ceiling(fmri, rois=["V9"])
    with pytest.raises(UnknownNameError, match=r"metric 'corelation'.*did you mean 'correlation'"):
        plot_accuracy_against_ceiling(fmri, metric="corelation")
    with pytest.raises(UnknownNameError, match="subject '3'"):
        plot_accuracy_against_ceiling(fmri, subject=3)
    with pytest.raises(InputTypeError, match="real numbers"):
        plot_accuracy_against_ceiling(["a"], [0.1])
    with pytest.raises(InputValueError, match="at least one unit"):
        plot_accuracy_against_ceiling([], [])


def test_eeg_and_decoding_scores_have_no_single_units_to_draw(eeg, decoded):
    with pytest.raises(InputValueError, match=r"dims \('channel', 'time'\)"):
        plot_accuracy_against_ceiling(eeg, metric="correlation")
    with pytest.raises(InputValueError, match="no units"):
        plot_accuracy_histogram(decoded)


def test_histogram_counts_every_unit_and_marks_the_median():
    values = np.random.default_rng(0).normal(0.4, 0.1, 500)
    figure = plot_accuracy_histogram(values)
    (panel,) = panels(figure)
    inside = sum(bar.get_height() for bar in panel.patches)
    assert 495 <= inside <= 500
    assert panel.lines[0].get_xdata()[0] == pytest.approx(np.median(values))
    assert f"median {np.median(values):.2f}" in texts(figure)
    assert panel.get_ylabel() == "Units"


def test_histogram_leaves_wild_values_out_of_view_and_says_so(fmri):
    values = np.append(np.linspace(0.1, 0.9, 100), 1e6)
    figure = plot_accuracy_histogram(values)
    assert panels(figure)[0].get_xlim()[1] < 5
    assert "1 unit outside the view" in text_alternative(figure)


def test_histogram_of_scores_is_noise_normalised_with_the_ceiling_marked(fmri):
    figure = plot_accuracy_histogram(fmri)
    assert "ceiling" in texts(figure)
    assert "4 units without a score" in text_alternative(figure)


@pytest.mark.parametrize("values", [[0.4], [0.4, 0.4, 0.4], [0.4, np.nan]])
def test_one_unit_or_one_value_gives_a_histogram(values):
    figure = plot_accuracy_histogram(values)
    assert sum(bar.get_height() for bar in panels(figure)[0].patches) == np.isfinite(values).sum()
    assert "median 0.40" in text_alternative(figure)


def test_histogram_without_any_score_is_refused():
    with pytest.raises(InputValueError, match="no unit has a score"):
        plot_accuracy_histogram([np.nan, np.nan])


def test_too_many_panels_are_refused(fmri):
    with pytest.raises(InputValueError, match=r"1 to 60 panels, not 61.*rois="):
        plot_accuracy_histogram(fmri, rois=["V1"] * 61)


def test_labelled_array_brings_its_regions_and_ceiling(cortex_responses):
    one = cortex_responses.sel(stimulus="a")
    one = one.assign_coords(noise_ceiling=("unit", np.full(one.sizes["unit"], 0.5)))
    figure = plot_accuracy_against_ceiling(one / 10, rois=["V1", "FFA"])
    assert [len(points(panel)) for panel in panels(figure)] == [int(one.roi_V1.sum()), int(one.roi_FFA.sum())]
