"""Decoded images beside the originals."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.viz import plot_reconstructions, text_alternative

from .drawn import panels, texts


def plain(amount: int, offset: int = 0) -> np.ndarray:
    """Images of one grey each, which tells them apart."""
    return np.stack([np.full((8, 8, 3), number + offset, np.uint8) for number in range(amount)])


def pairs(figure) -> list[tuple[int, int]]:
    """Grey of the seen and of the decoded image, from left to right and block by block."""
    figure.draw_without_rendering()
    found = [
        (
            round(panel.get_window_extent().y0),
            round(panel.get_window_extent().x0),
            int(panel.images[0].get_array()[0, 0, 0]),
        )
        for panel in panels(figure)
        if panel.images
    ]
    rows = sorted({row for row, _, _ in found}, reverse=True)
    lines = [[grey for _, _, grey in sorted(item for item in found if item[0] == row)] for row in rows]
    return [pair for top, bottom in zip(lines[::2], lines[1::2], strict=True) for pair in zip(top, bottom, strict=True)]


def test_pairs_are_sorted_from_best_to_worst_with_the_score_printed():
    figure = plot_reconstructions(plain(4), plain(4, 100), [0.2, 0.9, -0.1, 0.5])
    assert pairs(figure) == [(1, 101), (3, 103), (0, 100), (2, 102)]
    assert [text for text in texts(figure) if text.replace(".", "").replace("-", "").isdigit()] == [
        "0.90", "0.50", "0.20", "-0.10",
    ]  # fmt: skip
    assert {"seen", "decoded"} <= set(texts(figure))
    assert text_alternative(figure).endswith("scores 0.90, 0.50, 0.20, -0.10.")


def test_lower_is_better_turns_the_order():
    figure = plot_reconstructions(plain(3), plain(3, 100), [5.0, 1.0, 3.0], lower_is_better=True)
    assert [seen for seen, _ in pairs(figure)] == [1, 2, 0]
    assert "lower is better" in text_alternative(figure)


def test_definition_of_the_metric_says_what_is_better(decoded):
    from braincodec.evaluation.metric import METRICS

    if "mse" not in METRICS.names():
        pytest.skip("this build has no mean squared error")
    figure = plot_reconstructions(plain(3), plain(3, 100), [5.0, 1.0, 3.0], metric="mse")
    assert [seen for seen, _ in pairs(figure)] == [1, 2, 0]


def test_images_without_a_score_come_last():
    figure = plot_reconstructions(plain(3), plain(3, 100), [np.nan, 0.1, 0.5])
    assert [seen for seen, _ in pairs(figure)] == [2, 1, 0]
    assert "no score" in texts(figure)


def test_of_many_those_shown_run_from_the_best_to_the_worst():
    figure = plot_reconstructions(plain(100), plain(100, 100), np.arange(100), shown=5)
    seen = [first for first, _ in pairs(figure)]
    assert seen[0] == 99
    assert seen[-1] == 0
    assert len(seen) == 5
    assert "5 of 100 stimuli, evenly spaced from best to worst" in texts(figure)


def test_scores_below_the_images_are_told_with_chance_where_there_is_one():
    arrays = plain(3), plain(3, 100), [0.9, 0.1, 0.5]
    told = texts(plot_reconstructions(*arrays, metric="two_way_pixels"))
    assert "3 stimuli, from best to worst; below each its score, chance 0.50" in told
    assert "3 stimuli, from best to worst" in texts(plot_reconstructions(*arrays, metric="pixel_correlation"))


def test_without_scores_the_order_stays():
    figure = plot_reconstructions(plain(8), plain(8, 100))
    assert [seen for seen, _ in pairs(figure)] == list(range(8))
    assert text_alternative(figure) == "Seen and decoded images: 8 of 8 stimuli."


def test_scores_match_images_by_id(decoded):
    figure = plot_reconstructions(decoded, shown=3)
    values = np.sort(decoded.stimuli.pixel_correlation.values)[::-1]
    assert f"{values[0]:.2f}" in text_alternative(figure)
    assert f"{values[-1]:.2f}." in text_alternative(figure)
    best = int(decoded.stimuli.pixel_correlation.values.argmax())
    first = next(panel for panel in panels(figure) if panel.images)
    np.testing.assert_array_equal(first.images[0].get_array(), decoded.images["truth"][best])


def test_one_grey_image_into_axes_given(axes):
    image = np.zeros((1, 6, 9), np.uint8)
    assert plot_reconstructions(image, image, [0.5], axes=axes) is axes.figure
    assert sum(bool(child.images) for child in axes.child_axes) == 2


@pytest.mark.parametrize(("which", "expected"), [("best", [9, 8, 7]), ("median", [6, 5, 4]), ("worst", [2, 1, 0])])
def test_those_at_one_place_are_shown_on_request(which, expected):
    figure = plot_reconstructions(plain(10), plain(10, 100), np.arange(10), which=which, shown=3)
    assert [seen for seen, _ in pairs(figure)] == expected
    assert which.replace("median", "around the median") in text_alternative(figure)


def test_of_those_without_a_score_none_is_the_worst():
    figure = plot_reconstructions(plain(4), plain(4, 100), [0.5, np.nan, 0.1, 0.2], which="worst", shown=2)
    assert [seen for seen, _ in pairs(figure)] == [3, 2]


def test_samples_stand_below_what_was_seen():
    samples = np.stack([plain(3, 100), plain(3, 200)], 1)
    figure = plot_reconstructions(plain(3), samples, [0.3, 0.2, 0.1], samples=2)
    figure.draw_without_rendering()
    found = sorted(
        (
            round(panel.get_window_extent().x0),
            -round(panel.get_window_extent().y0),
            int(panel.images[0].get_array()[0, 0, 0]),
        )
        for panel in panels(figure)
        if panel.images
    )
    assert [grey for *_, grey in found] == [0, 100, 200, 1, 101, 201, 2, 102, 202]
    assert [seen for seen, _ in pairs(plot_reconstructions(plain(3), samples))] == [0, 1, 2]  # one, unless asked


def test_images_of_several_subjects_have_their_own_scores():
    from ..evaluation.example_scores import both_scores

    made = both_scores()
    figure = plot_reconstructions(made, shown=2, metric="pixel_correlation")
    values = np.sort(made.of_direction("decoding").stimuli["pixel_correlation"].sel(subject="1").dropna("stimulus"))
    assert text_alternative(figure).endswith(f"{values[-1]:.2f}, {values[0]:.2f}.")


def test_what_cannot_be_drawn_is_said(decoded, fmri):
    with pytest.raises(InputValueError, match="no decoded images"):
        plot_reconstructions(fmri)
    with pytest.raises(UnknownNameError, match="metric of single stimuli 'ssim'"):
        plot_reconstructions(decoded, metric="ssim")
    with pytest.raises(InputTypeError, match="two arrays"):
        plot_reconstructions(plain(2))
    with pytest.raises(InputTypeError, match="uint8, not float64"):
        plot_reconstructions(plain(2), plain(2) / 255)
    with pytest.raises(InputValueError, match="those decoded"):
        plot_reconstructions(plain(2), plain(3))
    with pytest.raises(InputValueError, match=r"2 images, but scores of shape \(3,\)"):
        plot_reconstructions(plain(2), plain(2), [1, 2, 3])
    with pytest.raises(InputValueError, match="1 to 60"):
        plot_reconstructions(plain(2), plain(2), shown=0)
    with pytest.raises(InputValueError, match="1 to 8 samples"):
        plot_reconstructions(plain(2), plain(2), samples=0)
    with pytest.raises(UnknownNameError, match="which 'middle'"):
        plot_reconstructions(plain(2), plain(2), which="middle")
    with pytest.raises(InputValueError, match="height, width, 3"):
        plot_reconstructions(np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8))
