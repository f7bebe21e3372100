"""Scores of decoded images."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.definition import Definition
from braincodec.evaluation.metric import METRICS
from braincodec.viz import plot_decoding_scores, text_alternative

from .drawn import texts


def dots(figure) -> list[float]:
    """Where each score lies on its scale, from 0 at the left to 1 at the right, top row first."""
    from matplotlib.collections import PathCollection

    found = [item.get_offsets()[0] for item in figure.findobj(PathCollection)]
    return [float(x) for x, _ in sorted(found, key=lambda place: place[1])]


@pytest.fixture
def error_metric(monkeypatch):
    """A metric of which less is better."""

    class Error:
        definition = Definition(
            "made_up", "Made-up error", "decoding", "stimulus", "None.", (0, float("inf")), None, "lower", "none"
        )

    monkeypatch.setattr(type(METRICS), "names", lambda self, pattern="*": ["made_up"])
    monkeypatch.setattr(type(METRICS), "get", lambda self, name: Error)


def test_each_metric_is_a_row_with_its_number_interval_floor_and_chance(decoded):
    figure = plot_decoding_scores(decoded)
    rows = decoded.table
    np.testing.assert_allclose(dots(figure), rows.value)
    assert {f"{value:.2f}" for value in rows.value} <= set(texts(figure))
    assert "floor: mean training image" in texts(figure)
    assert "chance and floor: mean training image" in texts(figure)
    words = text_alternative(figure)
    assert f"{rows.value[0]:.2f}, 95 % interval {rows.low[0]:.2f} to {rows.high[0]:.2f}, floor 0.21" in words
    assert "chance 0.50" in words


def test_better_is_further_right_also_where_lower_is_better(error_metric):
    figure = plot_decoding_scores(pd.DataFrame({"metric": ["made_up"], "value": [10.0], "floor": [40.0]}))
    assert dots(figure)[0] > 0.5
    assert "Made-up error: 10.00, floor 40.00, lower is better" in text_alternative(figure)
    ends = [float(text) for text in texts(figure) if text.replace(".", "").isdigit() and text != "10.00"]
    assert ends[0] > ends[1] >= 0


def test_marks_at_different_places_are_named_apart():
    table = pd.DataFrame({"metric": ["m"], "value": [0.8], "floor": [0.2], "chance": [0.5]})
    assert {"floor", "chance"} <= set(texts(plot_decoding_scores(table)))


@pytest.mark.parametrize("value", [143.0, 0.0, np.nan, -3.0])
def test_a_number_alone_gives_a_row(value):
    figure = plot_decoding_scores(pd.DataFrame({"metric": ["m"], "value": [value]}))
    assert len(dots(figure)) == (0 if np.isnan(value) else 1)
    assert ("unknown" in text_alternative(figure)) == np.isnan(value)


def test_axes_order_and_missing_metrics(axes, decoded):
    assert plot_decoding_scores(decoded, metrics=["two_way_pixels", "pixel_correlation"], axes=axes) is axes.figure
    assert dots(axes.figure)[0] == pytest.approx(1.0)
    with pytest.raises(UnknownNameError, match="metric 'fid'"):
        plot_decoding_scores(decoded, metrics="fid")
    with pytest.raises(InputValueError, match="1 to 40"):
        plot_decoding_scores(decoded, metrics=[])


def test_of_both_directions_those_of_decoding_are_drawn(decoded):
    from ..evaluation.example_scores import both_scores

    assert text_alternative(plot_decoding_scores(both_scores())) == text_alternative(plot_decoding_scores(decoded))
