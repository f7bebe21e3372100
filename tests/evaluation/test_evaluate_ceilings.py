"""`evaluate` where referees look: which units a ceiling is of, ties, repetitions that are not there, pairs."""

from __future__ import annotations

import numpy as np
import pytest

from braincodec.datasets import Recording
from braincodec.errors import InputValueError
from braincodec.evaluation import UndefinedScoreWarning, evaluate, pattern_identification, pattern_top_k

from .recordings import TRAIN, recording

QUICK = {"draws": 40, "permutations": 40, "leakage": "off", "rois": "all"}


def rows(scores):
    return scores.table.set_index(["roi", "metric"])


def with_values(known, values):
    """The same recording with other responses."""
    return Recording("example", "1", known.stimuli, known.responses.copy(data=values), known.units, known.split)


def test_the_ceiling_is_of_the_units_that_the_value_is_of():
    """Units without signal pull the median score down, so they count in the median ceiling too."""
    known, signal = recording(stimuli=230, units=20, ncsnr=np.repeat([0.0, 1.0], 10))
    given = np.repeat([0.0, 0.8], 10)
    table = rows(
        evaluate(signal[TRAIN:] + 1e-3 * signal[:-TRAIN], known, noise_ceiling=given, **QUICK | {"rois": None})
    )
    assert table.loc[("all", "r2_determination"), "n_units"] == 20
    assert table.loc[("all", "r2_determination"), "ceiling"] == pytest.approx(0.4)
    assert table.loc[("all", "noise_normalised_accuracy"), "ceiling"] == 1
    assert table.loc[("V2", "correlation"), "ceiling"] == pytest.approx(np.sqrt(0.8))


def test_p_counts_pairings_that_are_the_observed_one_again():
    """With 4 stimuli one of 24 pairings is the observed one; float32 sums of it must count as ties."""
    for seed in range(8):
        known, _ = recording(stimuli=TRAIN + 4, units=1, seed=seed)
        prediction = np.random.default_rng(seed).standard_normal((4, 1))
        options = QUICK | {"metrics": "correlation", "draws": 0, "permutations": 200}
        scores = evaluate(prediction, known, **options)
        assert scores.table["p_value"].item() == scores.units["p_value"].item() > 0.02


def test_ties_of_patterns_fail_in_the_table_too():
    """Over two units every correlation is 1 or -1: nearly all are ties."""
    known, signal = recording(units=2)
    scores = evaluate(signal[TRAIN:], known, metrics="pattern*", **QUICK)
    target = known.part("test")[1].values.mean(axis=1)
    for metric, function in (("pattern_two_way", pattern_identification), ("pattern_top_k", pattern_top_k)):
        expected = function(signal[TRAIN:], target).mean()
        assert scores.value(metric, roi="all") == pytest.approx(expected), metric
    assert scores.value("pattern_two_way", roi="all") < 0.6


@pytest.mark.parametrize("repetitions", [3, 6])
def test_patterns_have_ceilings_where_repetitions_are_missing(repetitions):
    known, signal = recording(stimuli=130, units=60, repetitions=repetitions, ncsnr=0.7, ragged=True)
    table = rows(evaluate(signal[TRAIN:], known, metrics=["pattern_correlation", "rsa"], **QUICK))
    assert table.loc[("all", "pattern_correlation"), "normalised"] == pytest.approx(1, abs=0.03)
    assert table.loc[("all", "rsa"), "normalised"] == pytest.approx(1, abs=0.1)


def test_patterns_have_no_ceiling_where_repetitions_are_missing_for_some_units():
    known, signal = recording()
    values = known.responses.values.copy()
    values[40, 2:, 3] = np.nan
    partly = with_values(known, values)
    table = rows(evaluate(signal[TRAIN:], partly, metrics=["pattern_correlation", "rsa"], **QUICK))
    assert table.loc["all", "ceiling"].isna().all()  # the values are of all units


def test_an_axis_of_repetitions_with_one_each_is_no_repetition():
    known, signal = recording()
    values = known.responses.values.copy()
    values[TRAIN:, 1:] = np.nan
    single = with_values(known, values)
    scores = evaluate(signal[TRAIN:], single, **QUICK)
    assert scores.about["noise_ceiling"]["method"] == "ncsnr"
    assert rows(scores).loc[("all", "correlation"), "ceiling"] == pytest.approx(np.sqrt(0.5))  # of one repetition
    with pytest.raises(InputValueError, match="1 repetitions of 80 test stimuli"):
        evaluate(signal[TRAIN:], single, noise_ceiling="split_half", **QUICK)


def test_units_that_were_not_repeated_have_no_ceiling_beside_those_that_were(monkeypatch):
    monkeypatch.setattr("braincodec.evaluation.judging.unit_blocks.BLOCK_BYTES", 1)  # a unit a tile
    known, signal = recording(units=4)
    values = known.responses.values.copy()
    values[:, :, 0], values[:, 1:, 1] = np.nan, np.nan
    partly = with_values(known, values)
    scores = evaluate(signal[TRAIN:], partly, metrics="noise*", **QUICK)
    np.testing.assert_array_equal(np.isnan(scores.units["noise_ceiling"]), [True, True, False, False])


def test_similarity_has_a_floor_without_permutations():
    known, signal = recording()
    row = rows(evaluate(signal[TRAIN:], known, metrics="rsa", **QUICK | {"permutations": 0})).loc[("all", "rsa")]
    assert abs(row.floor) < 0.1 and row.floor_of == "shuffled pairs" and np.isnan(row.p_value)


def test_scores_by_other_ceilings_are_not_compared():
    known, signal = recording()
    first, second = (
        evaluate(signal[TRAIN:], known, metrics="noise*", noise_ceiling=way, **QUICK) for way in ("auto", "split_half")
    )
    with pytest.raises(InputValueError, match="same noise_ceiling"):
        first.compare(second)


def test_differences_between_other_units_are_pointed_out():
    known, signal = recording()
    partly = signal[TRAIN:].copy()
    partly[:, :3] = 0
    first, second = (evaluate(item, known, metrics="correlation", **QUICK) for item in (signal[TRAIN:], partly))
    with pytest.warns(UndefinedScoreWarning, match="1 differences .* the first is correlation in all of subject 1"):
        first.compare(second)


def test_the_number_of_stimuli_is_of_those_that_have_a_score():
    known, signal = recording()
    flat = signal[TRAIN:].copy()
    flat[:5] = 1.0
    scores = evaluate(flat, known, metrics=["correlation", "pattern_two_way"], **QUICK)
    table = rows(scores)
    assert table.loc[("all", "pattern_two_way"), "n_stimuli"] == 75
    assert np.isnan(scores.stimuli["pattern_two_way"]).sum() == 5
    assert table.loc[("all", "correlation"), "n_stimuli"] == 80
