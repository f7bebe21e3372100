"""Two models side by side."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import plot_comparison, text_alternative

from ..evaluation.example_scores import decoding_scores, fmri_scores
from .drawn import panels, points, texts


@pytest.fixture(scope="module")
def worse():
    return fmri_scores("worse", quality=0.5)


def parts(figure) -> tuple:
    """The panel of units and the panel of differences."""
    grid = panels(figure)
    right = next(panel for panel in grid if panel.get_xlabel().startswith("Difference"))
    left = next((panel for panel in grid if panel is not right and panel.collections), None)
    return left, right


def test_every_unit_is_drawn_under_both_models(fmri, worse):
    left, _ = parts(plot_comparison(fmri, worse))
    expected = np.stack([worse.units.correlation.values, fmri.units.correlation.values], 1)
    drawn = points(left)
    np.testing.assert_allclose(drawn[np.lexsort(drawn.T)], expected[np.lexsort(expected.T)])
    assert (left.get_xlabel(), left.get_ylabel()) == ("worse", "ridge")


def test_differences_and_intervals_are_those_of_the_comparison(fmri, worse):
    figure = plot_comparison(fmri, worse, subject=1)
    _, right = parts(figure)
    rows = fmri.compare(worse).table.query("subject == '1' and metric == 'correlation'")
    dots = right.collections[-1]
    np.testing.assert_allclose(dots.get_offsets()[:, 0], rows.difference)
    ends = [segment[:, 0] for segment in right.collections[0].get_segments()]
    np.testing.assert_allclose(ends, rows[["low", "high"]])
    v1 = rows[rows.roi == "V1"].iloc[0]
    assert f"V1: {v1.difference:.3f}, 95 % interval {v1.low:.3f} to {v1.high:.3f}, p = " in text_alternative(figure)
    assert right.get_xlim()[0] == -right.get_xlim()[1]


def test_differences_not_clear_of_zero_are_hollow(fmri):
    comparison = fmri.compare(fmri_scores("same", quality=0.79))
    comparison.table.loc[0, ["low", "high"]] = -0.1, 0.1
    comparison.table.loc[2:, ["low", "high"]] = 0.01, 0.1
    _, right = parts(plot_comparison(comparison, subject=1, metric="correlation"))
    faces = right.collections[-1].get_facecolors()
    assert faces[0].tolist() == [1, 1, 1, 1]
    assert (faces[1:, :3] != 1).any(1).all()


def test_share_of_units_that_are_better_is_written(fmri, worse):
    figure = plot_comparison(fmri, worse)
    better = 100 * float((fmri.units.correlation.values > worse.units.correlation.values).mean())
    assert f"ridge better\n{better:.0f} % of units" in texts(figure)
    assert f"ridge is better for {better:.0f} % of 180 units" in text_alternative(figure)


def test_scores_without_units_have_differences_only(decoded):
    figure = plot_comparison(decoded, decoding_scores("noisy", noise=90))
    left, right = parts(figure)
    assert left is None
    assert len(right.collections[-1].get_offsets()) == 1


def test_axes_given_are_drawn_into(axes, fmri, worse):
    assert plot_comparison(fmri.compare(worse), rois="V1", axes=axes) is axes.figure
    assert [label.get_text() for label in axes.get_yticklabels()] == ["V1, subject 1", "V1, subject 2"]


def test_what_cannot_be_compared_is_said(fmri, worse, decoded):
    with pytest.raises(InputTypeError, match="two Scores, or one Comparison"):
        plot_comparison(fmri)
    with pytest.raises(InputValueError):
        plot_comparison(fmri, decoded)
    with pytest.raises(UnknownNameError, match="roi 'V9'"):
        plot_comparison(fmri, worse, rois=["V9"])
    with pytest.raises(UnknownNameError, match="metric 'ssim'"):
        plot_comparison(fmri, worse, metric="ssim")


def test_long_names_leave_room_for_what_is_drawn():
    long, other = "fmri-natural_scenes-fwrf-with-a-long-name", "fmri-natural_scenes-ridge-with-another"
    figure = plot_comparison(fmri_scores(long), fmri_scores(other, quality=0.5), subject=1)
    left, right = parts(figure)
    figure.canvas.draw()
    assert long[:10] in left.get_ylabel()
    assert other[:10] in right.get_title("left")
    assert long in text_alternative(figure)
    width = figure.bbox.width
    for panel in (left, right):
        box = panel.get_tightbbox()
        assert 0 <= box.x0 < box.x1 <= width
        assert panel.get_window_extent().width > 0.25 * width


def test_long_names_that_shorten_to_the_same_are_told_by_place():
    names = ["fmri-natural_scenes-a-ridge-regression", "fmri-natural_scenes-b-ridge-regression"]
    left, _ = parts(plot_comparison(fmri_scores(names[0]), fmri_scores(names[1], quality=0.5), subject=1))
    assert (left.get_xlabel(), left.get_ylabel()) == ("second model", "first model")
