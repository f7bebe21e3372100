"""Predicted patterns against measured ones."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.responses import build_responses, build_units
from braincodec.viz import plot_response_patterns, text_alternative

from .drawn import points, texts


@pytest.fixture(scope="module")
def patterns():
    """Measured responses of three repetitions, and predictions of falling quality."""
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(6, 3, 40))
    noise = rng.normal(size=(6, 40)) * np.linspace(0, 3, 6)[:, None]
    return measured.mean(1) + noise, measured


def labelled(patterns):
    predicted, measured = patterns
    place = np.arange(40)
    units = build_units(ijk=np.stack([place] * 3, 1), rois={"V1": place < 10, "V2": place >= 10})
    ids = [f"image-{number}" for number in range(6)]
    return build_responses(predicted, ids, units), build_responses(measured, ids, units)


def of_stimuli(figure):
    """Panels with points, in the order in which they were made."""
    from matplotlib.axes import Axes

    return [panel for panel in figure.findobj(Axes) if panel.collections]


def test_panels_hold_every_unit_measured_across_predicted_up(patterns, axes):
    predicted, measured = patterns
    figure = plot_response_patterns(predicted, measured, stimuli=[2], axes=axes)
    assert figure is axes.figure
    (panel,) = of_stimuli(figure)
    expected = np.stack([measured[2].mean(0), predicted[2]], 1)
    drawn = points(panel)
    np.testing.assert_allclose(drawn[np.argsort(drawn[:, 0])], expected[np.argsort(expected[:, 0])])
    r = np.corrcoef(expected.T)[0, 1]
    assert f"r = {r:.2f}" in texts(figure)
    assert f"2: {r:.2f}" in text_alternative(figure)


def test_stimuli_run_from_the_best_to_the_worst_predicted(patterns):
    predicted, measured = patterns
    r = [np.corrcoef(a, b)[0, 1] for a, b in zip(predicted, measured.mean(1), strict=True)]
    order = np.argsort(r)[::-1]
    words = text_alternative(plot_response_patterns(predicted, measured, shown=3))
    named = [part.split(":")[0] for part in words.split("units: ")[1].split("; ")]
    assert named == [str(order[0]), str(order[2]), str(order[5])]


def test_labelled_patterns_are_matched_by_id_and_cut_to_a_region(patterns):
    predicted, measured = labelled(patterns)
    straight = plot_response_patterns(predicted, measured, roi="V1", stimuli=["image-3"])
    turned = plot_response_patterns(predicted[::-1], measured, roi="V1", stimuli=["image-3"])
    assert text_alternative(straight) == text_alternative(turned)
    assert "of 10 units in V1" in text_alternative(straight)
    assert len(points(of_stimuli(straight)[0])) == 10


def test_seen_images_stand_in_the_panels(patterns):
    predicted, measured = patterns
    images = np.random.default_rng(0).integers(0, 256, (6, 8, 8, 3), np.uint8)
    figure = plot_response_patterns(predicted, measured, images=images, stimuli=[4])
    shown = [image for panel in of_stimuli(figure)[0].child_axes for image in panel.images]
    np.testing.assert_array_equal(shown[0].get_array(), images[4])


def test_what_cannot_be_drawn_is_said(patterns):
    predicted, measured = patterns
    named, also = labelled(patterns)
    for given, error, words in (
        ((predicted[:, :3], measured), InputValueError, "both must be"),
        ((named, measured), InputTypeError, "two DataArrays"),
        ((named[:2], also), InputValueError, "4 of 6 measured stimuli have no prediction"),
    ):
        with pytest.raises(error, match=words):
            plot_response_patterns(*given)
    with pytest.raises(UnknownNameError, match="V9"):
        plot_response_patterns(named, also, roi="V9")
    with pytest.raises(UnknownNameError, match="image-9"):
        plot_response_patterns(named, also, stimuli=["image-9"])
    with pytest.raises(InputTypeError, match="no regions"):
        plot_response_patterns(predicted, measured, roi="V1")
    with pytest.raises(InputValueError, match="1 to 24"):
        plot_response_patterns(predicted, measured, shown=0)
    with pytest.raises(InputValueError, match="one for each of 6"):
        plot_response_patterns(predicted, measured, images=np.zeros((2, 8, 8, 3), np.uint8))
