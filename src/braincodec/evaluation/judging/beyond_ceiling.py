"""A sanity check of every test: held-out responses are not predicted better than their noise allows."""

from __future__ import annotations

from braincodec.evaluation.scores import Scores
from braincodec.evaluation.scores.table import number


def ceiling_warnings(scores: Scores) -> list[str]:
    """Where a score lies above its noise ceiling by more than its interval: no model can, so something is wrong.

    Examples
    --------
    >>> from braincodec.evaluation.scores import Scores, make_table
    >>> row = {"subject": "1", "roi": "V1", "metric": "correlation", "summary": "median over units", "value": 0.9,
    ...        "normalised": 1.5, "normalised_low": 1.2, "normalised_high": 1.8, "n_stimuli": 50, "n_units": 10}
    >>> ceiling_warnings(Scores(make_table([row])))[0][:60]
    'V1 of subject 1: correlation is 1.500 of its noise ceiling ('
    """
    table = scores.table
    beyond = table[table["metric"].isin(["correlation", "r2_correlation"]) & (table["normalised_low"] > 1)]
    beyond = beyond.drop_duplicates(["subject", "roi"])
    return [
        f"{row.roi} of subject {row.subject}: {row.metric} is {number(row.normalised)} of its noise ceiling "
        f"(interval {number(row.normalised_low)} to {number(row.normalised_high)}, {row.n_stimuli} stimuli). No model "
        "can predict better than the ceiling: look for test stimuli among those of training, or for a ceiling of "
        "other responses; of many regions, one may exceed it by chance"
        for row in beyond.itertuples()
    ]
