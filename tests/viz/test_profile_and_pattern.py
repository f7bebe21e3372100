"""Profile and pattern correlation by region, side by side."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.scores import make_table
from braincodec.viz import plot_profile_and_pattern, text_alternative

from .drawn import panels, texts


def table(subjects=("1", "2"), regions=("all", "V1", "V2")):
    rows = []
    for place, subject in enumerate(subjects):
        for number, roi in enumerate(regions):
            for metric, offset in (("correlation", 0.0), ("pattern_correlation", 0.3)):
                value = 0.1 + 0.1 * number + 0.05 * place + offset
                summary = "median over units" if metric == "correlation" else "mean over stimuli"
                rows.append(
                    {"subject": subject, "roi": roi, "metric": metric, "summary": summary, "value": value,
                     "low": value - 0.02, "high": value + 0.03, "level": 0.95, "ceiling": 0.9, "floor": 0.01,
                     "floor_of": "shuffled pairs", "n_units": 10}
                )  # fmt: skip
    return make_table(rows)


def test_each_panel_has_a_point_for_each_region_and_subject(axes):
    figure = plot_profile_and_pattern(table(), axes=axes)
    assert figure is axes.figure
    left, right = panels(figure)
    for panel, offset in ((left, 0.0), (right, 0.3)):
        drawn = np.concatenate([np.asarray(c.get_offsets()) for c in panel.collections if len(c.get_offsets()) == 1])
        dots = drawn[drawn[:, 0] > 0]
        assert sorted(np.round(dots[:, 0] - offset, 2).tolist()) == [0.1, 0.15, 0.2, 0.25, 0.3, 0.35]
        highest = dots[np.argsort(dots[:, 1])[-2:], 0] - offset
        np.testing.assert_allclose(sorted(highest), [0.1, 0.15])  # the first region is at the top
    assert {"Profile correlation", "Pattern correlation", "subject 1", "subject 2"} <= set(texts(figure))
    assert [label.get_text() for label in left.get_yticklabels()] == ["V2", "V1", "all units"]


def test_words_have_every_number():
    words = text_alternative(plot_profile_and_pattern(table(("1",)), rois="V1"))
    assert "Profile correlation: V1 0.20, 95 % interval 0.18 to 0.23, floor 0.01, ceiling 0.90, 10 units" in words
    assert "Pattern correlation: V1 0.50" in words


def test_what_cannot_be_drawn_is_said():
    made = table()
    with pytest.raises(UnknownNameError, match="pattern_correlation"):
        plot_profile_and_pattern(made[made["metric"] == "correlation"])
    with pytest.raises(InputValueError, match="at most 40 regions"):
        plot_profile_and_pattern(table(("1",), [f"R{number}" for number in range(41)]))
