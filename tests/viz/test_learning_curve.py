"""Loss and validation correlation over epochs."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError
from braincodec.viz import plot_learning_curve, text_alternative

from ..small_models import fwrf
from .drawn import panels, points, texts


def curve(scores=(0.1, 0.4, 0.3), **more):
    return [
        {"epoch": n, "loss": 2.0 / n, "validation_loss": 3.0 / n, "validation_correlation": score} | more
        for n, score in enumerate(scores, 1)
    ]


def test_both_panels_draw_every_epoch_and_the_best_is_marked(axes):
    figure = plot_learning_curve(curve(), axes=axes)
    assert figure is axes.figure
    left, right = panels(figure)
    np.testing.assert_allclose(left.lines[0].get_xydata(), [[1, 0.1], [2, 0.4], [3, 0.3]])
    np.testing.assert_allclose(points(left), [[2, 0.4]])
    np.testing.assert_allclose([line.get_ydata() for line in right.lines], [[2, 1, 2 / 3], [3, 1.5, 1]])


def test_networks_of_regions_are_named_lines():
    entries = curve(roi="V1") + curve((0.2, 0.1), roi="V2")
    figure = plot_learning_curve(entries)
    left = panels(figure)[0]
    assert [len(line.get_xdata()) for line in left.lines] == [3, 2]
    assert {"V1", "V2"} <= set(texts(figure))
    assert "V2: validation correlation from 0.20 to 0.10, the best 0.20 in epoch 1" in text_alternative(figure)


def test_a_model_shows_its_own_curve_and_one_epoch_is_enough():
    model = fwrf(2, training={"curve": curve((0.25,))})
    assert "over 1 epoch. Validation correlation from 0.25 to 0.25" in text_alternative(plot_learning_curve(model))


def test_what_has_no_curve_says_so():
    with pytest.raises(InputValueError, match="no learning curve"):
        plot_learning_curve(fwrf(2))
    with pytest.raises(InputValueError, match="lacks validation_correlation"):
        plot_learning_curve([{"epoch": 1, "loss": 0.1}])
    with pytest.raises(InputValueError, match="no epoch"):
        plot_learning_curve([])
    with pytest.raises(InputTypeError):
        plot_learning_curve("curve")
    with pytest.raises(InputValueError, match="do not fit"):
        plot_learning_curve([entry for n in range(9) for entry in curve(roi=str(n))])
