"""Accuracy by region and subject."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.scores import Scores, make_table
from braincodec.viz import plot_accuracy_by_roi, save_figure, text_alternative

from .drawn import bars, panels, points, texts


def segments(axes) -> list[np.ndarray]:
    from matplotlib.collections import LineCollection

    return [
        segment for lines in axes.collections if isinstance(lines, LineCollection) for segment in lines.get_segments()
    ]


def test_one_subject_gives_a_bar_a_region_on_a_bar_to_the_ceiling(fmri):
    figure = plot_accuracy_by_roi(fmri, subjects=1)
    (panel,) = panels(figure)
    rows = fmri.table[(fmri.table.subject == "1") & (fmri.table.metric == "correlation")]
    widths = [width for _, width, _ in bars(panel)]
    np.testing.assert_allclose(widths, [*rows.ceiling, *rows.value])
    assert [label.get_text() for label in panel.get_yticklabels()] == ["all units", "V1", "V2", "early visual", "FFA"]
    assert panel.get_ylim()[1] > panel.get_ylim()[0]
    assert {"noise ceiling", "floor (shuffled pairs)", "0.64"} <= set(texts(figure))
    assert any("90 units" in text for text in texts(figure))


def test_intervals_and_floors_are_drawn_where_they_are(fmri):
    (panel,) = panels(plot_accuracy_by_roi(fmri, subjects=1, rois="V1"))
    row = fmri.table[(fmri.table.subject == "1") & (fmri.table.roi == "V1")].iloc[0]
    ends = [sorted(segment[:, 0]) for segment in segments(panel)]
    assert any(np.allclose(pair, [row.low, row.high]) for pair in ends)
    assert any(np.allclose(pair, [row.floor, row.floor]) for pair in ends)


def test_text_alternative_says_the_numbers(fmri):
    row = fmri.table[(fmri.table.subject == "2") & (fmri.table.roi == "FFA")].iloc[0]
    words = text_alternative(plot_accuracy_by_roi(fmri, subjects="2"))
    assert (
        f"FFA: {row.value:.2f}, 95 % interval {row.low:.2f} to {row.high:.2f}, floor {row.floor:.2f}, "
        f"ceiling {row.ceiling:.2f}, 30 units"
    ) in words


def test_several_subjects_give_a_panel_a_region_with_their_mean(fmri):
    figure = plot_accuracy_by_roi(fmri)
    grid = panels(figure)
    assert [panel.get_title(loc="left") for panel in grid] == ["all units", "V1", "V2", "early visual", "FFA"]
    values = fmri.table[(fmri.table.roi == "V1") & (fmri.table.metric == "correlation")].value
    heights = [bar.get_height() for bar in grid[1].patches]
    np.testing.assert_allclose(heights[2:], values)
    assert grid[1].lines[0].get_ydata()[0] == pytest.approx(values.mean())
    assert len({panel.get_ylim() for panel in grid}) == 1
    assert "V1, subject 2:" in text_alternative(figure)


def test_regions_come_in_the_order_asked_for(fmri):
    (panel,) = panels(plot_accuracy_by_roi(fmri, subjects=1, rois=["FFA", "V1"]))
    places = {label.get_text(): place for label, place in zip(panel.get_yticklabels(), panel.get_yticks(), strict=True)}
    assert places["FFA"] > places["V1"]


def test_normalised_scores_have_their_own_interval_and_a_ceiling_of_one(fmri):
    figure = plot_accuracy_by_roi(fmri, metric="correlation", normalised=True, subjects=1, rois="V1")
    row = fmri.table[(fmri.table.subject == "1") & (fmri.table.roi == "V1")].iloc[0]
    np.testing.assert_allclose([width for _, width, _ in bars(panels(figure)[0])], [1, row.normalised])
    assert f"{row.normalised_low:.2f} to {row.normalised_high:.2f}" in text_alternative(figure)


def many(regions: int, subjects: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [
        {"roi": f"region {place}", "subject": str(subject), "value": rng.uniform(0.1, 0.8)}
        for subject in range(subjects)
        for place in range(regions)
    ]
    return pd.DataFrame(rows).assign(low=lambda t: t.value - 0.1, high=lambda t: t.value + 0.1)


def test_three_hundred_regions_are_sorted_and_only_the_ends_named():
    table = many(300)
    figure = plot_accuracy_by_roi(table)
    (panel,) = panels(figure)
    drawn = points(panel)
    drawn = drawn[drawn[:, 0] > 0][-300:]
    np.testing.assert_allclose(drawn[drawn[:, 1].argsort(), 0], np.sort(table.value))
    named = [text for text in texts(figure) if text.startswith("region ")]
    assert len(named) == 10
    best, worst = table.sort_values("value", ascending=False).roi.iloc[[0, -1]]
    assert any(text.startswith(f"{best} ") for text in named)
    assert any(text.startswith(f"{worst} ") for text in named)
    words = text_alternative(figure)
    assert "300 regions, median" in words
    assert f"best {best}" in words
    assert len(words) < 600
    assert figure.get_size_inches()[1] <= 9


def test_eight_subjects_and_many_regions_fit_a_page():
    figure = plot_accuracy_by_roi(many(23, 8))
    assert len(panels(figure)) == 23
    assert figure.get_size_inches()[0] <= 7.5
    words = text_alternative(figure)
    assert words.count("mean of 8 subjects") == 23


@pytest.mark.parametrize(
    "table", [{"value": [0.4]}, {"value": [0.4, np.nan], "roi": ["V1", "V2"]}, {"value": [np.nan]}]
)
def test_missing_ceilings_intervals_and_values_still_give_a_figure(table):
    figure = plot_accuracy_by_roi(pd.DataFrame(table))
    words = text_alternative(figure)
    assert "ceiling" not in words
    assert ("unknown" in words) == any(np.isnan(table["value"]))
    assert "noise ceiling" not in texts(figure)


def test_negative_scores_are_inside_the_axes():
    (panel,) = panels(plot_accuracy_by_roi(pd.DataFrame({"value": [-0.3, 0.2], "roi": ["V1", "V2"]})))
    assert panel.get_xlim()[0] < -0.3


def test_axes_given_are_drawn_into(axes, fmri):
    assert plot_accuracy_by_roi(fmri, subjects=1, axes=axes) is axes.figure
    assert len(bars(axes)) == 10


def test_what_is_not_there_is_named(fmri):
    with pytest.raises(UnknownNameError, match=r"roi 'V9'.*available: all, V1"):
        plot_accuracy_by_roi(fmri, rois="V9")
    with pytest.raises(UnknownNameError, match="subject '7'"):
        plot_accuracy_by_roi(fmri, subjects=7)
    with pytest.raises(UnknownNameError, match="metric 'r3'"):
        plot_accuracy_by_roi(fmri, metric="r3")
    with pytest.raises(InputValueError, match="no normalised values"):
        plot_accuracy_by_roi(pd.DataFrame({"value": [0.4]}), normalised=True)
    with pytest.raises(InputTypeError, match="DataFrame"):
        plot_accuracy_by_roi([0.4])
    with pytest.raises(InputValueError, match="needs the column value"):
        plot_accuracy_by_roi(pd.DataFrame({"roi": ["V1"]}))
    with pytest.raises(InputValueError, match="empty"):
        plot_accuracy_by_roi(fmri.table.iloc[:0])


def test_few_regions_of_several_subjects_have_room_beside_what_is_said_of_them(fmri, tmp_path):
    chosen = fmri.table[fmri.table["roi"].isin(["V1", "V2"])]
    assert chosen["subject"].nunique() > 1
    figure = plot_accuracy_by_roi(Scores(make_table(chosen.to_dict("records"))))
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns where axes collapse
        save_figure(tmp_path / "x.png", figure)
