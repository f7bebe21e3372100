"""Slices through the volume."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

pytest.importorskip("nilearn")
pytest.importorskip("matplotlib")

from matplotlib.image import AxesImage
from matplotlib.text import Text

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores, make_table
from braincodec.responses import build_responses, build_units
from braincodec.responses.combine import concatenate_units
from braincodec.viz import plot_volume, text_alternative

from .drawn import texts

SHAPE = (12, 14, 10)
AFFINE = np.array([[2.0, 0, 0, -10], [0, 2, 0, -20], [0, 0, 3, -6], [0, 0, 0, 1]])


def units(**options):
    ijk = np.stack(np.meshgrid(range(2, 8), range(3, 10), range(1, 8), indexing="ij"), -1).reshape(-1, 3)
    return build_units(ijk=ijk, affine=AFFINE, volume_shape=SHAPE, **options)


@pytest.fixture
def heights():
    """The value of each voxel is its k."""
    described = units()
    return build_responses(described.k.values[None].astype(float), ["a"], described)[0]


def slices(figure) -> list[np.ndarray]:
    return [image.get_array() for image in figure.findobj(AxesImage) if image.get_array().ndim == 2]


def test_slices_lie_where_they_say_and_show_the_voxels_there(heights):
    figure = plot_volume(heights, slices=3)
    named = [text for text in texts(figure) if text.startswith("z = ")]
    assert named == ["z = 0 mm", "z = 6 mm", "z = 12 mm"]  # k 2, 4 and 6 of 1 to 7
    for shown, k in zip(slices(figure)[:3], (2, 4, 6), strict=True):
        known = np.ma.masked_invalid(shown).compressed()
        np.testing.assert_allclose(known[known > 0.01], k, atol=1e-3)
    assert "294 voxels on 3 slices at z = 0, 6, 12 mm: median 4.00" in text_alternative(figure)


def test_voxels_that_are_zero_are_drawn_and_absent_ones_are_not(heights):
    zero = heights.copy(data=np.zeros(heights.size))
    zero[0] = 1.0
    (shown,) = slices(plot_volume(zero, slices=1, limits=(-1, 1)))[:1]
    assert np.ma.masked_invalid(shown).count() > 30
    few = heights.where(heights.k == 4)
    (shown,) = slices(plot_volume(few, slices=1))[:1]
    assert np.ma.masked_invalid(shown).count() > 0


def test_nothing_warns_when_values_are_missing(heights):
    heights[5] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = plot_volume(heights)
    assert "293 voxels" in text_alternative(figure)


def test_axes_and_background_may_be_given(axes, heights, tmp_path):
    nibabel = pytest.importorskip("nibabel")
    path = tmp_path / "t1.nii.gz"
    nibabel.save(nibabel.Nifti1Image(np.ones(SHAPE, np.float32), AFFINE), path)
    assert plot_volume(heights, direction="x", slices=2, background=path, axes=axes) is axes.figure
    assert sum(text.startswith("x = ") for text in texts(axes.figure)) == 2


def test_scores_of_voxels_show_their_metric():
    described = units(subject=1)
    described["correlation"] = ("unit", np.linspace(0, 0.8, described.sizes["unit"]))
    row = {"subject": "1", "roi": "all", "metric": "correlation", "summary": "median over units", "value": 0.4}
    figure = plot_volume(Scores(make_table([row]), units=described))
    assert "0" in texts(figure)  # the scale begins at zero
    assert "median 0.40" in text_alternative(figure)


def test_of_several_subjects_the_first_is_drawn_unless_one_is_chosen():
    described = concatenate_units([units(subject=1), units(subject=2)])
    described["correlation"] = ("unit", np.repeat([0.2, 0.6], described.sizes["unit"] // 2))
    row = {"roi": "all", "metric": "correlation", "summary": "median over units", "value": 0.4}
    scores = Scores(make_table([{"subject": "1"} | row, {"subject": "2"} | row]), units=described)
    assert "294 voxels of subject 1 on 5 slices" in text_alternative(plot_volume(scores))
    assert "subject 2" in text_alternative(plot_volume(scores, subject=2))
    assert "median 0.60" in text_alternative(plot_volume(scores, subject=2))


def test_what_cannot_be_drawn_is_said(heights, fmri):
    with pytest.raises(InputValueError, match="coordinates i, j and k"):
        plot_volume(fmri)
    with pytest.raises(InputTypeError, match="not ndarray"):
        plot_volume(np.zeros(3))
    with pytest.raises(UnknownNameError, match="direction 'w'"):
        plot_volume(heights, direction="w")
    with pytest.raises(InputValueError, match="1 to 12 slices"):
        plot_volume(heights, slices=13)
    with pytest.raises(InputValueError, match="no voxel has a value"):
        plot_volume(heights * np.nan)
    with pytest.raises(InputValueError, match="affine"):
        plot_volume(heights.assign_attrs({"affine": None}).drop_attrs())


def test_a_background_that_reaches_further_gets_its_room_above_the_colour_bar(heights):
    nibabel = pytest.importorskip("nibabel")
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    affine[:3, 3] = (-40, -100, -40)
    anatomy = nibabel.Nifti1Image(np.ones((20, 50, 20), np.float32), affine)
    bare, figure = plot_volume(heights, slices=2), plot_volume(heights, slices=2, background=anatomy)
    assert figure.get_size_inches()[1] > bare.get_size_inches()[1]
    figure.canvas.draw()
    label = next(text for text in figure.findobj(Text) if text.get_text() == "response").get_window_extent()
    drawn = [image.axes.get_window_extent() for image in figure.findobj(AxesImage) if image.get_array().ndim == 2]
    assert drawn and all(label.y1 < slice_.y0 for slice_ in drawn)
