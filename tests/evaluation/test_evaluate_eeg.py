"""`evaluate` of EEG: bounds and the accuracy beside them, curves over time, channels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from braincodec.datasets import Recording
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation import (
    UndefinedScoreWarning,
    eeg_accuracy,
    eeg_noise_ceiling,
    evaluate,
    pairwise_decoding,
    time_generalisation,
)
from braincodec.evaluation.judging.alignment import measured_blocks
from braincodec.responses import build_responses, build_sensor_units

from .recordings import eeg_recording

QUICK = {"draws": 40, "permutations": 40, "leakage": "off"}


@pytest.fixture(scope="module")
def truth():
    known, signal = eeg_recording()
    return known, signal[10:], evaluate(signal[10:], known, **QUICK)


def test_units_are_channels_at_times_with_bounds_of_the_same_target(truth):
    known, signal, scores = truth
    assert scores.units["correlation"].dims == ("channel", "time")
    responses = known.part("test")[1].values
    bounds = eeg_noise_ceiling(responses)
    np.testing.assert_allclose(scores.units["noise_ceiling_lower"], bounds.lower, rtol=1e-5)
    np.testing.assert_allclose(scores.units["noise_ceiling_upper"], bounds.upper, rtol=1e-5)
    with pytest.warns(UndefinedScoreWarning):  # before the signal begins
        expected = eeg_accuracy(signal, responses)
    np.testing.assert_allclose(scores.units["accuracy_half"], expected, rtol=1e-5)
    target = responses.mean(axis=1)
    expected = np.corrcoef(signal[:, 2, 4], target[:, 2, 4])[0, 1]
    assert float(scores.units["correlation"][2, 4]) == pytest.approx(expected, rel=1e-5)


def test_the_truth_lies_between_the_bounds_where_there_is_signal(truth):
    _, _, scores = truth
    later = scores.units.isel(time=slice(2, None)).median()
    assert later.noise_ceiling_lower < later.accuracy_half < later.noise_ceiling_upper
    assert np.isnan(scores.units["correlation"].isel(time=0)).all()  # the signal is 0 there
    row = scores.table.set_index("metric").loc["accuracy_half"]
    assert row.n_units == 20 and row.low < row.value < row.high
    assert abs(row.floor) < 0.15


def test_curves_are_those_of_the_functions_and_rise_with_the_signal(truth):
    known, signal, scores = truth
    responses = known.part("test")[1].values
    np.testing.assert_allclose(scores.curves["pairwise_decoding"], pairwise_decoding(responses))
    np.testing.assert_allclose(scores.curves["pairwise_decoding_predicted"], pairwise_decoding(responses, test=signal))
    np.testing.assert_allclose(scores.curves["time_generalisation"], time_generalisation(responses))
    curve = scores.curves["pairwise_decoding"].values
    assert curve[2:].min() > 0.75 and abs(curve[:2] - 0.5).max() < 0.1
    assert (scores.curves["pairwise_decoding_low"] <= curve).all()
    assert (curve <= scores.curves["pairwise_decoding_high"]).all()


def test_predicted_repetitions_are_averaged_and_that_is_said(truth):
    known, signal, scores = truth
    rng = np.random.default_rng(0)
    spread = rng.standard_normal((50, 4, 5, 6))
    repeated = signal[:, None] + spread - spread.mean(axis=1, keepdims=True)
    averaged = evaluate(repeated, known, **QUICK)
    np.testing.assert_allclose(averaged.units["correlation"][:, 2:], scores.units["correlation"][:, 2:], rtol=1e-5)
    assert any("4 repetitions were averaged" in note for note in averaged.about["warnings"])


def test_channels_and_times_are_matched_by_name_and_time(truth):
    known, signal, scores = truth
    units = build_sensor_units(["C9", "C4", "C2", "C0", "C1", "C3"], np.arange(-2, 8) / 100)
    values = np.random.default_rng(0).standard_normal((50, 6, 10))
    for place, channel in enumerate([4, 2, 0, 1, 3], start=1):
        values[:, place, 2:8] = signal[:, channel]
    order = np.random.default_rng(1).permutation(50)
    prediction = build_responses(values[order], np.array(known.split.test)[order], units)
    matched = evaluate(prediction, known, metrics="correlation", **QUICK)
    np.testing.assert_allclose(matched.units["correlation"], scores.units["correlation"])
    with pytest.raises(InputValueError, match="channels are not predicted, the first is 'C3'"):
        evaluate(prediction.isel(channel=slice(5)), known, **QUICK)
    with pytest.raises(InputValueError, match=r"times are not predicted, the first is 0\.03 s"):
        evaluate(prediction.isel(time=slice(5)), known, **QUICK)


def test_regions_of_channels(truth):
    known, signal, scores = truth
    table = evaluate(signal, known, metrics="correlation", rois={"front": ["C1", "C3"]}, **QUICK).table
    row = table.set_index(["roi", "metric"]).loc[("front", "correlation")]
    assert row.value == pytest.approx(float(np.nanmedian(scores.units["correlation"].values[[1, 3]])))
    with pytest.raises(UnknownNameError, match="C44"):
        evaluate(signal, known, rois={"front": ["C44"]}, **QUICK)


def test_one_repetition_leaves_bounds_and_curves_out_and_says_so(truth):
    known, signal, _ = truth
    units = build_sensor_units(known.units.channel.values, known.units.time.values)
    single = known.responses.isel(repetition=0, drop=True)
    once = Recording("example", "1", known.stimuli, single, units, known.split)
    scores = evaluate(signal, once, metrics="correlation", **QUICK)
    assert "noise_ceiling_lower" not in scores.units and not scores.curves.data_vars
    assert "two repetitions" in scores.about["skipped"]["pairwise_decoding"]
    assert scores.about["noise_ceiling"]["method"] == "none"


def test_subjects_of_eeg_lie_along_a_dimension_of_their_own(truth):
    known, signal, scores = truth
    other = Recording("example", "2", known.stimuli, known.responses, known.units, known.split)
    both = evaluate([signal, signal + np.random.default_rng(0).standard_normal(signal.shape)], [known, other], **QUICK)
    assert both.units["correlation"].dims == ("subject", "channel", "time")
    np.testing.assert_allclose(both.units["correlation"].sel(subject="1"), scores.units["correlation"])
    assert both.curves["pairwise_decoding"].dims == ("subject", "time")


def test_the_interval_beside_the_bounds_belongs_to_the_score():
    """Bootstrap samples that are the stimuli themselves give the score itself, though from fewer divisions."""
    from braincodec.evaluation.judging import half_accuracy

    responses = np.random.default_rng(0).standard_normal((12, 4, 5))
    signal = responses.mean(axis=1)
    accuracy = eeg_accuracy(signal, responses)
    task = SimpleNamespace(weights=np.ones((2, 12)), seed=0)
    np.testing.assert_allclose(half_accuracy._replicates(task, responses, signal, accuracy), [accuracy] * 2)


def test_an_axis_of_repetitions_with_one_each_gives_no_bounds():
    known, signal = eeg_recording()
    values = known.responses.values.copy()
    values[:, 1:] = np.nan
    single = Recording("example", "1", known.stimuli, known.responses.copy(data=values), known.units, known.split)
    scores = evaluate(signal[10:], single, metrics="correlation", **QUICK)
    assert scores.table.metric.tolist() == ["correlation"] and "accuracy_half" not in scores.units


class _Counting(BackendArray):
    """Responses in a file, of which every value that is read is counted."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.shape, self.dtype, self.read = values, values.shape, values.dtype, 0

    def __getitem__(self, key):
        def take(index):
            self.read += self.values[index].size
            return self.values[index]

        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, take)


def test_repetitions_that_no_training_stimulus_has_are_not_read():
    known, signal = eeg_recording()
    shown = np.where(np.arange(60) < 10, 2, 6)  # as in THINGS-EEG2, where 4 stand beside 80
    values = np.where((np.arange(6) < shown[:, None])[..., None, None], known.responses.values, np.float32(np.nan))
    stored = _Counting(values)
    padded = known.responses.copy(data=values).assign_coords(repetitions=("stimulus", shown))
    lazy = xr.DataArray(indexing.LazilyIndexedArray(stored), padded.coords, padded.dims)
    options = QUICK | {"metrics": ["r2_determination"], "noise_ceiling": "none"}
    score_of = {}
    for name, responses in {"padded": lazy, "whole": padded.drop_vars("repetitions")}.items():
        recording = Recording("example", "1", known.stimuli, responses, known.units, known.split)
        score_of[name] = evaluate(signal[10:], recording, **options).units["r2_determination"]
    np.testing.assert_array_equal(score_of["padded"], score_of["whole"])
    recording = Recording("example", "1", known.stimuli, lazy, known.units, known.split)
    blocks = measured_blocks(recording.responses, recording.split.train)
    stored.read = 0
    blocks.read_mean(slice(0, blocks.units))
    assert stored.read <= 10 * 2 * 30  # stimuli x repetitions x channels and times
    assert measured_blocks(recording.responses, recording.split.test).repetitions == 6
