"""Scores under splits that test generalisation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("matplotlib")

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.scores import Scores, make_table
from braincodec.evaluation.splits import SplitComparison
from braincodec.viz import plot_generalisation, text_alternative

from .drawn import panels, texts


@pytest.fixture
def comparison():
    table = pd.DataFrame(
        {
            "scheme": ["random", "distance", "cluster"], "splits": [5, 1, 5], "n_train": 80, "n_test": 20,
            "metric": "correlation", "summary": "median over units", "score": [0.5, 0.42, 0.31],
            "low": [0.45, 0.36, 0.2], "high": [0.55, 0.48, 0.4], "level": 0.95, "lowest": [0.47, 0.42, 0.1],
            "highest": [0.53, 0.42, 0.44], "gap": [np.nan, -0.08, -0.19], "gap_low": [np.nan, -0.11, -0.25],
            "gap_high": [np.nan, -0.05, -0.12],
        }
    )  # fmt: skip
    each = pd.DataFrame({"scheme": ["random"] * 2 + ["cluster"] * 3, "score": [0.47, 0.53, 0.1, 0.39, 0.44]})
    return SplitComparison(table, each, np.empty((0, 3)))


def scatters(figure) -> list[np.ndarray]:
    from matplotlib.collections import PathCollection

    return [
        np.asarray(item.get_offsets()) for item in panels(figure)[0].collections if isinstance(item, PathCollection)
    ]


def test_schemes_are_rows_with_score_interval_gap_and_single_splits(comparison, axes):
    figure = plot_generalisation(comparison, axes=axes)
    assert figure is axes.figure
    singles, scores = scatters(figure)
    np.testing.assert_allclose(scores[:, 0], [0.5, 0.42, 0.31])
    np.testing.assert_allclose(scores[:, 1], [2, 1, 0])
    np.testing.assert_allclose(singles, [[0.47, 2], [0.53, 2], [0.1, 0], [0.39, 0], [0.44, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["random", "distance", "cluster"]
    np.testing.assert_allclose(axes.collections[0].get_segments()[2][:, 0], [0.2, 0.4])
    assert axes.lines[0].get_xdata()[0] == 0.5
    assert "-0.19 (-0.25 to -0.12)" in texts(figure)


def test_text_alternative_says_score_gap_and_spread(comparison):
    words = text_alternative(plot_generalisation(comparison))
    assert (
        "cluster: 0.31, 95 % interval 0.20 to 0.40, 0.190 below random (gap: 95 % interval -0.250 to -0.120), "
        "5 splits from 0.10 to 0.44, tested on 20 stimuli"
    ) in words


def test_scores_that_hold_the_table_draw_it_also_after_storage(comparison, tmp_path):
    scores = Scores(make_table([]), generalisation=comparison.table, about={"name": "ridge"})
    expected = text_alternative(plot_generalisation(comparison.table))
    assert text_alternative(plot_generalisation(scores)) == expected
    scores.save(tmp_path / "scores")
    assert text_alternative(plot_generalisation(Scores.load(tmp_path / "scores"))) == expected
    singles, _ = scatters(plot_generalisation(scores))
    assert set(singles[:, 0].round(2)) == {0.47, 0.53, 0.42, 0.1, 0.44}


def test_without_random_splits_or_intervals_there_is_still_a_figure():
    figure = plot_generalisation(pd.DataFrame({"scheme": ["ood"], "score": [0.2]}))
    assert text_alternative(figure).endswith("ood: 0.20.")
    assert not panels(figure)[0].lines


def test_what_is_no_comparison_is_said(fmri):
    with pytest.raises(InputValueError, match="hold no comparison of splits"):
        plot_generalisation(fmri)
    with pytest.raises(InputValueError, match="columns scheme and score"):
        plot_generalisation(pd.DataFrame({"value": [1]}))
    with pytest.raises(InputTypeError, match="not a dict"):
        plot_generalisation({})
    with pytest.raises(InputValueError, match="1 to 20"):
        plot_generalisation(pd.DataFrame({"scheme": [], "score": []}))
