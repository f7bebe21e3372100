"""`evaluate` of predicted responses: known truths, independent answers, regions, ceilings, floors, intervals."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from sklearn.metrics import r2_score

from braincodec.datasets import Recording, Split
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation import METRICS, Definition, Metric, bootstrap_weights, evaluate, register_metric
from braincodec.evaluation.quantities import QUANTITIES
from braincodec.responses import build_responses

from .recordings import TRAIN, recording

QUICK = {"draws": 60, "permutations": 60, "leakage": "off"}


def rows(scores):
    return scores.table.set_index(["roi", "metric"])


@pytest.fixture(scope="module")
def noisy():
    """A recording, predictions that know the signal in part, and their scores."""
    known, signal = recording(ncsnr=np.linspace(0.5, 1.5, 24))
    rng = np.random.default_rng(1)
    prediction = signal[TRAIN:] + 0.5 * rng.standard_normal(signal[TRAIN:].shape)
    return known, prediction, evaluate(prediction, known, **QUICK)


def target_of(known):
    return known.part("test")[1].values.mean(axis=1)


def test_unit_scores_agree_with_numpy_and_scikit_learn(noisy):
    known, prediction, scores = noisy
    target = target_of(known)
    r = [scipy.stats.pearsonr(prediction[:, unit], target[:, unit]).statistic for unit in range(24)]
    np.testing.assert_allclose(scores.units["correlation"], r, rtol=1e-5)
    np.testing.assert_allclose(scores.units["r2_correlation"], np.clip(r, 0, 1) ** 2, rtol=1e-5)
    expected = r2_score(target, prediction, multioutput="raw_values")
    np.testing.assert_allclose(scores.units["r2_determination"], expected, rtol=1e-4)
    ceiling = scores.units["noise_ceiling"].values
    np.testing.assert_allclose(scores.units["noise_normalised_accuracy"], np.clip(r, 0, 1) ** 2 / ceiling, rtol=1e-5)


def test_rows_are_medians_over_overlapping_regions(noisy):
    known, _, scores = noisy
    table, r = rows(scores), scores.units["correlation"].values
    membership = known.units.roi_membership.values
    for column, roi in enumerate(known.units.roi.values):
        row = table.loc[(roi, "correlation")]
        assert row.value == pytest.approx(np.median(r[membership[:, column]]))
        assert row.n_units == membership[:, column].sum()
        assert row.ceiling == pytest.approx(
            np.median(np.sqrt(scores.units.noise_ceiling.values[membership[:, column]]))
        )
    assert table.loc[("all", "correlation"), "n_units"] == 24
    assert list(dict.fromkeys(scores.table.roi)) == ["all", "V1", "V2", "early"]
    assert (scores.table.n_stimuli == 80).all()
    np.testing.assert_array_equal(scores.units.roi_membership, membership)


def test_interval_is_that_of_a_bootstrap_by_copies(noisy):
    known, prediction, scores = noisy
    target = target_of(known)
    medians = []
    for weights in bootstrap_weights(80, 60, 0):
        sample = np.repeat(np.arange(80), weights.astype(int))
        r = [np.corrcoef(prediction[sample, unit], target[sample, unit])[0, 1] for unit in range(24)]
        medians.append(np.median(r))
    row = rows(scores).loc[("all", "correlation")]
    np.testing.assert_allclose([row.low, row.high], np.quantile(medians, [0.025, 0.975]), rtol=1e-5)
    place = scores.table.index[(scores.table.roi == "all") & (scores.table.metric == "correlation")][0]
    np.testing.assert_allclose(scores.replicates.values[place], medians, rtol=1e-5)


def test_every_interval_is_the_percentiles_of_the_stored_replicates_as_the_definition_says(noisy):
    _, _, scores = noisy
    assert QUANTITIES["interval"].text.startswith("Percentile interval")
    stored = scores.replicates.values
    known = np.isfinite(stored).any(axis=1)
    assert known.sum() > 10
    expected = np.nanquantile(stored[known], [0.025, 0.975], axis=1)
    np.testing.assert_allclose(scores.table.loc[known, ["low", "high"]].to_numpy(float).T, expected, rtol=1e-6)


def test_pattern_scores_agree_with_the_functions_on_arrays(noisy):
    from braincodec.evaluation import pattern_correlation, pattern_identification, pattern_top_k, rsa

    known, prediction, scores = noisy
    target, table = target_of(known), rows(scores)
    inside = known.units.roi_membership.sel(roi="V2").values
    for metric, function in (
        ("pattern_correlation", pattern_correlation),
        ("pattern_two_way", pattern_identification),
        ("pattern_top_k", pattern_top_k),
    ):
        per_stimulus = function(prediction, target)
        np.testing.assert_allclose(scores.stimuli[metric], per_stimulus, atol=1e-6)
        assert table.loc[("all", metric), "value"] == pytest.approx(per_stimulus.mean(), abs=1e-6)
        expected = function(prediction[:, inside], target[:, inside]).mean()
        assert table.loc[("V2", metric), "value"] == pytest.approx(expected, abs=1e-6)
    assert table.loc[("all", "rsa"), "value"] == pytest.approx(rsa(prediction, target), abs=1e-6)
    measured = 1 - np.corrcoef(target)[np.triu_indices(80, 1)]
    np.testing.assert_allclose(scores.rdms["measured"].sel(roi="all"), measured, atol=1e-6)
    assert scores.rdms.sizes["pair"] == 80 * 79 // 2


def test_the_truth_reaches_its_ceiling_and_shuffled_predictions_the_floor():
    known, signal = recording(stimuli=230, units=40, ncsnr=0.7)
    truth = rows(evaluate(signal[TRAIN:], known, rois="all", **QUICK))
    for metric in ("correlation", "r2_correlation", "r2_determination", "noise_normalised_accuracy"):
        assert truth.loc[("all", metric), "normalised"] == pytest.approx(1, abs=0.03), metric
    for metric in ("pattern_correlation", "rsa"):
        assert truth.loc[("all", metric), "normalised"] == pytest.approx(1, abs=0.1), metric
    assert truth.loc[("all", "correlation"), "ceiling"] == pytest.approx(np.sqrt(0.49 / (0.49 + 1 / 4)), abs=0.03)
    assert truth.loc[("all", "correlation"), "p_value"] == pytest.approx(1 / 61)
    order = np.random.default_rng(0).permutation(200)
    lost = rows(evaluate(signal[TRAIN:][order], known, rois="all", **QUICK))
    for metric in ("correlation", "pattern_correlation", "pattern_two_way", "rsa"):
        row = lost.loc[("all", metric)]
        assert abs(row.value - row.floor) < 0.06, metric
        assert row.p_value > 0.01, metric


def test_interval_holds_the_score_of_other_stimuli():
    """The interval from 100 stimuli contains what 5,000 others give."""
    inside = 0
    for seed in range(10):
        known, signal = recording(stimuli=130, units=12, ncsnr=0.8, seed=seed)
        rng = np.random.default_rng(seed)
        prediction = signal[TRAIN:] + rng.standard_normal(signal[TRAIN:].shape)
        options = {"metrics": "correlation", "rois": "all", "leakage": "off"}
        row = rows(evaluate(prediction, known, draws=200, permutations=0, **options))
        expected = 0.8**2 / np.sqrt((0.8**2 + 1) * (0.8**2 + 1 / 4))
        inside += row.loc[("all", "correlation"), "low"] < expected < row.loc[("all", "correlation"), "high"]
    assert inside >= 8


def test_units_without_signal_are_left_out_of_the_normalised_score_and_counted():
    known, signal = recording(stimuli=230, units=20, ncsnr=np.repeat([0.0, 1.0], 10))
    given = np.repeat([0.0, 0.8], 10)
    table = rows(evaluate(signal[TRAIN:], known, noise_ceiling=given, metrics=["correlation", "noise*"], **QUICK))
    row = table.loc[("all", "noise_normalised_accuracy")]
    assert (row.n_units, row.n_excluded) == (10, 10)
    assert table.loc[("V1", "noise_normalised_accuracy"), "n_excluded"] == 10
    assert table.loc[("V2", "noise_normalised_accuracy"), "n_excluded"] == 0
    assert table.loc[("V2", "correlation"), "ceiling"] == pytest.approx(np.sqrt(0.8))


def test_floor_is_the_better_trivial_predictor():
    known, signal = recording(stimuli=150)
    shift = 3 * np.random.default_rng(0).standard_normal(24)  # mean responses that differ between units
    moved = Recording(
        "example",
        "1",
        known.stimuli,
        known.responses + shift,
        known.units,
        known.split,
    )
    table = rows(evaluate(signal[TRAIN:] + shift, moved, **QUICK))
    pattern = table.loc[("all", "pattern_correlation")]
    assert pattern.floor_of == "mean training response" and pattern.floor > 0.7
    mean = moved.part("train")[1].values.mean(axis=(0, 1))
    target = target_of(moved)
    expected = np.mean([np.corrcoef(mean, row)[0, 1] for row in target])
    assert pattern.floor == pytest.approx(expected, abs=1e-5)
    determination = table.loc[("all", "r2_determination")]
    assert determination.floor_of == "mean training response" and -0.2 < determination.floor < 0
    assert table.loc[("all", "correlation"), "floor_of"] == "shuffled pairs"
    assert table.loc[("all", "pattern_two_way"), "floor"] == pytest.approx(0.5, abs=0.01)


def test_p_and_q_of_units_tell_signal_from_none():
    known, signal = recording(stimuli=230, units=20, ncsnr=np.repeat([0.0, 1.0], 10))
    prediction = signal[TRAIN:] + np.random.default_rng(5).standard_normal(signal[TRAIN:].shape)
    units = evaluate(prediction, known, metrics="correlation", draws=0, permutations=199, leakage="off").units
    assert (units.p_value[10:] == 1 / 200).all() and (units.q_value[10:] <= 0.02).all()
    assert (units.q_value[:10] > 0.02).sum() >= 8
    assert (units.q_value >= units.p_value).all()


@pytest.mark.parametrize(
    ("asked", "method"),
    [("auto", "variance_components"), ("split_half", "split_half"), ("ncsnr", "ncsnr"), ("none", "none")],
)
def test_ceilings_from_several_sources(asked, method):
    known, signal = recording(stimuli=330, ncsnr=0.8)
    scores = evaluate(signal[TRAIN:], known, noise_ceiling=asked, metrics="correlation", **QUICK)
    assert scores.about["noise_ceiling"]["method"] == method
    expected = np.nan if asked == "none" else np.sqrt(0.64 / (0.64 + 0.25))
    assert rows(scores).loc[("all", "correlation"), "ceiling"] == pytest.approx(expected, abs=0.03, nan_ok=True)


def test_without_repetitions_the_stated_ceiling_is_used_and_else_said_to_be_unknown():
    known, signal = recording()
    averaged = known.responses.mean("repetition")
    stated = known.units.assign(noise_ceiling=("unit", np.full(24, 0.64)))
    with_ceiling = Recording("example", "1", known.stimuli, averaged, stated, known.split)
    scores = evaluate(signal[TRAIN:], with_ceiling, metrics="correlation", **QUICK)
    assert scores.about["noise_ceiling"]["method"] == "units"
    assert rows(scores).loc[("all", "correlation"), "ceiling"] == pytest.approx(0.8)
    nothing = Recording("example", "1", known.stimuli, averaged, known.units.drop_vars("ncsnr"), known.split)
    scores = evaluate(signal[TRAIN:], nothing, metrics="correlation", **QUICK)
    assert np.isnan(rows(scores).loc[("all", "correlation"), "ceiling"])
    assert "not known" in scores.about["noise_ceiling"]["words"]
    counted = Recording(
        "example",
        "1",
        known.stimuli,
        averaged.assign_coords(repetitions=("stimulus", np.full(110, 4))),
        known.units,
        known.split,
    )
    scores = evaluate(signal[TRAIN:], counted, metrics="correlation", **QUICK)
    assert scores.about["noise_ceiling"]["method"] == "ncsnr"
    assert rows(scores).loc[("all", "correlation"), "ceiling"] == pytest.approx(np.sqrt(0.8))


def test_ceilings_that_cannot_be_had_are_refused():
    known, signal = recording()
    averaged = Recording(
        "example", "1", known.stimuli, known.responses.mean("repetition"), known.units.drop_vars("ncsnr"), known.split
    )
    for asked, message in (("split_half", "two repetitions"), ("ncsnr", "ncsnr"), ("units", "noise_ceiling")):
        with pytest.raises(InputValueError, match=message):
            evaluate(signal[TRAIN:], averaged, noise_ceiling=asked, **QUICK)
    with pytest.raises(InputValueError, match="divided by 100"):
        evaluate(signal[TRAIN:], known, noise_ceiling=np.full(24, 60.0), **QUICK)
    with pytest.raises(InputValueError, match=r"\(3,\)"):
        evaluate(signal[TRAIN:], known, noise_ceiling=np.zeros(3), **QUICK)


def test_ragged_repetitions_are_averaged_over_those_that_exist():
    known, signal = recording(stimuli=230, repetitions=6, ragged=True)
    scores = evaluate(signal[TRAIN:], known, metrics="correlation", **QUICK)
    target = np.nanmean(known.part("test")[1].values, axis=1)
    expected = [np.corrcoef(signal[TRAIN:, unit], target[:, unit])[0, 1] for unit in range(24)]
    np.testing.assert_allclose(scores.units["correlation"], expected, rtol=1e-5)
    assert rows(scores).loc[("all", "correlation"), "normalised"] == pytest.approx(1, abs=0.03)


def test_regions_by_name_and_by_mask(noisy):
    known, prediction, scores = noisy
    chosen = rows(evaluate(prediction, known, metrics="correlation", rois=["V2", "all"], **QUICK))
    assert chosen.index.get_level_values(0).tolist() == ["V2", "all"]
    assert chosen.loc[("V2", "correlation"), "value"] == rows(scores).loc[("V2", "correlation"), "value"]
    mask = np.arange(24) < 3
    own = rows(evaluate(prediction, known, metrics="correlation", rois={"mine": mask}, **QUICK))
    assert own.loc[("mine", "correlation"), "value"] == pytest.approx(np.median(scores.units["correlation"][:3]))
    with pytest.raises(InputValueError, match="roi 'empty' has no units"):
        evaluate(prediction, known, rois={"mine": mask, "empty": ~(mask | ~mask)}, **QUICK)
    with pytest.raises(UnknownNameError, match="V1"):
        evaluate(prediction, known, rois=["V11"], **QUICK)
    with pytest.raises(InputValueError, match="boolean"):
        evaluate(prediction, known, rois={"mine": mask[:4]}, **QUICK)


def test_metrics_by_pattern_and_unknown_ones(noisy):
    known, prediction, _ = noisy
    scores = evaluate(prediction, known, metrics="r2_*", **QUICK)
    assert set(scores.table.metric) == {"r2_determination", "r2_correlation"}
    with pytest.raises(UnknownNameError, match="correlation"):
        evaluate(prediction, known, metrics="corelation", **QUICK)
    with pytest.raises(InputValueError, match="decoding"):
        evaluate(prediction, known, metrics=["correlation", "ssim"], **QUICK)
    scores = evaluate(prediction, known, metrics=["correlation", "variance_partition"], **QUICK)
    assert "feature space" in scores.about["skipped"]["variance_partition"]


def test_constant_predictions_are_undefined_and_said_to_be_so(noisy):
    known, prediction, _ = noisy
    prediction = prediction.copy()
    prediction[:, :2] = 7
    scores = evaluate(prediction, known, metrics="correlation", **QUICK)
    assert np.isnan(scores.units["correlation"][:2]).all()
    assert rows(scores).loc[("all", "correlation"), "n_units"] == 22
    assert any("2 of 24 units have no correlation" in note for note in scores.about["warnings"])


def test_without_draws_and_permutations_there_is_no_interval_and_no_p(noisy):
    known, prediction, _ = noisy
    scores = evaluate(prediction, known, draws=0, permutations=0, leakage="off")
    assert scores.table[["low", "high", "p_value", "normalised_low"]].isna().all(axis=None)
    assert scores.table.value.notna().all() and scores.table.floor.notna().sum() > 10
    assert scores.replicates.sizes["draw"] == 0


def test_equal_seeds_give_equal_scores_and_pair(noisy):
    known, prediction, _ = noisy
    options = {"metrics": ["correlation", "pattern_two_way"], **QUICK}
    scores, again = (evaluate(prediction, known, **options) for _ in range(2))
    assert again.table.equals(scores.table)
    worse = evaluate(prediction + 2 * np.random.default_rng(2).standard_normal(prediction.shape), known, **options)
    comparison = scores.compare(worse).table.set_index(["roi", "metric"])
    assert comparison.loc[("all", "correlation"), "low"] > 0
    with pytest.raises(InputValueError, match="same seed"):
        scores.compare(evaluate(prediction, known, seed=3, **options))


def test_transductive_rescaling_changes_r2_only_where_asked_and_is_named(noisy):
    known, prediction, scores = noisy
    wrong_scale = 5 * prediction + 3
    plain = rows(evaluate(wrong_scale, known, metrics="r2_determination", **QUICK))
    rescaled = evaluate(wrong_scale, known, metrics="r2_determination", rescale="transductive", **QUICK)
    assert plain.loc[("all", "r2_determination"), "value"] < -5
    trained = known.part("train")[1].values.mean(axis=1)
    standard = (wrong_scale - wrong_scale.mean(0)) / wrong_scale.std(0) * trained.std(0) + trained.mean(0)
    expected = r2_score(target_of(known), standard, multioutput="raw_values")
    np.testing.assert_allclose(rescaled.units["r2_determination"], expected, rtol=1e-4)
    assert rescaled.about["rescale"] == "transductive" and "rescaled" in repr(rescaled)
    assert scores.about["rescale"] is None


def test_other_parts_are_scored_when_asked_and_named(noisy):
    known, _, _ = noisy
    target = known.part("train")[1].values.mean(axis=1)
    scores = evaluate(target, known, part="train", metrics="correlation", draws=20, permutations=20)
    assert rows(scores).loc[("all", "correlation"), "value"] == pytest.approx(1)
    assert "train stimuli, not the test stimuli" in repr(scores)
    assert scores.about["leakage"]["passed"] is None
    with pytest.raises(InputValueError, match="no validation stimuli"):
        evaluate(target, known, part="validation")


def test_copies_of_training_images_are_found_by_default():
    known, signal = recording(stimuli=50)
    images = np.stack(list(known.stimuli))
    images[TRAIN] = images[0]
    from braincodec.stimuli import StimulusSet

    leaking = Recording(
        "example", "1", StimulusSet.open(images, ids=known.stimuli.ids), known.responses, known.units, known.split
    )
    scores = evaluate(signal[TRAIN:], leaking, metrics="correlation", draws=10, permutations=10)
    assert scores.about["leakage"]["passed"] is False
    assert scores.about["leakage"]["leaking"] == [known.split.test[0]]
    assert any("1 of 20 test images" in note for note in scores.about["warnings"])
    clean = evaluate(signal[TRAIN:], known, metrics="correlation", draws=10, permutations=10)
    assert clean.about["leakage"]["passed"] is True


# several subjects


def test_subjects_share_a_table_and_keep_their_own_numbers():
    pairs = [recording(subject=name, units=size) for name, size in (("1", 24), ("2", 18))]
    known, predictions = [pair[0] for pair in pairs], [pair[1][TRAIN:] for pair in pairs]
    both = evaluate(predictions, known, **QUICK)
    alone = evaluate(predictions[1], known[1], **QUICK)
    mine = both.table[both.table.subject == "2"].reset_index(drop=True)
    assert mine.equals(alone.table)
    assert both.units.sizes["unit"] == 42
    np.testing.assert_array_equal(both.units["subject"], ["1"] * 24 + ["2"] * 18)
    assert both.units.roi_membership.dtype == bool
    assert both.stimuli["pattern_correlation"].dims == ("stimulus", "subject")
    assert both.rdms["measured"].dims == ("subject", "roi", "pair")
    assert both.about["dataset"]["subjects"] == ["1", "2"] and both.about["split"]["test"] == 80
    np.testing.assert_array_equal(
        both.replicates.values[(both.table.subject == "2").to_numpy()], alone.replicates.values
    )


def test_subjects_with_other_regions_and_stimuli_are_put_side_by_side():
    first, signal = recording()
    second, other = recording(subject="2")
    units = second.units.isel(roi=[0]).assign_coords(roi=["V4"])
    ids = second.split.test[:40]
    second = Recording("example", "2", second.stimuli, second.responses, units, Split(second.split.train, test=ids))
    both = evaluate([signal[TRAIN:], other[TRAIN : TRAIN + 40]], [first, second], **QUICK)
    assert both.units.roi.values.tolist() == ["V1", "V2", "early", "V4"]
    assert not both.units.roi_membership.sel(roi="V4")[:24].any()
    assert both.stimuli.sizes["stimulus"] == 80
    assert int(both.stimuli["pattern_correlation"].sel(subject="2").notnull().sum()) == 40
    assert not both.rdms.data_vars


def test_lists_that_do_not_fit_are_refused():
    first, signal = recording()
    second, _ = recording(subject="2")
    with pytest.raises(InputValueError, match="2 recordings need a list"):
        evaluate(signal[TRAIN:], [first, second], **QUICK)
    with pytest.raises(InputValueError, match="for each recording: here 1 for 2"):
        evaluate([signal[TRAIN:]], [first, second], **QUICK)
    with pytest.raises(InputValueError, match="different names"):
        evaluate([signal[TRAIN:]] * 2, [first, first], **QUICK)


# metrics of third parties


class WorstError(Metric):
    definition = Definition(
        "worst_error", "Worst error", "encoding", "unit", "Largest difference.", (0, np.inf), None, "lower", "this test"
    )

    def __init__(self):
        self.worst = 0

    def update(self, prediction, truth):
        self.worst = np.maximum(self.worst, np.abs(prediction - truth).max(axis=0))
        return self

    def merge(self, other):
        self.worst = np.maximum(self.worst, other.worst)
        return self

    def compute(self):
        return self.worst


class PatternError(WorstError):
    definition = Definition(
        "pattern_error", "Error", "encoding", "stimulus", "Mean.", (0, np.inf), None, "lower", "this test"
    )

    def update(self, prediction, truth):
        self.worst = ((prediction - truth) ** 2).mean(axis=1)
        return self


class OverallError(WorstError):
    definition = Definition(
        "overall_error", "Error", "encoding", "set", "Mean.", (0, np.inf), None, "lower", "this test"
    )

    def update(self, prediction, truth):
        self.worst = ((prediction - truth) ** 2).mean()
        return self


def test_registered_metrics_of_third_parties_are_scored(noisy, monkeypatch):
    known, prediction, _ = noisy
    monkeypatch.setattr(METRICS, "_objects", dict(METRICS._objects))
    for metric in (WorstError, PatternError, OverallError):
        register_metric(metric.definition.name)(metric)
    target = target_of(known)
    scores = evaluate(prediction, known, metrics="*_error", **QUICK)
    table = rows(scores)
    worst = np.abs(prediction - target).max(axis=0)
    np.testing.assert_allclose(scores.units["worst_error"], worst, rtol=1e-5)
    row = table.loc[("all", "worst_error")]
    assert row.value == pytest.approx(np.median(worst)) and row.low <= row.high <= row.value + 1e-9
    assert row.floor > row.value  # lower is better, so the floor is the lower of two that are worse
    squares = (prediction - target) ** 2
    np.testing.assert_allclose(scores.stimuli["pattern_error"], squares.mean(1), rtol=1e-4)
    for metric in ("pattern_error", "overall_error"):
        row = table.loc[("all", metric)]
        assert row.value == pytest.approx(squares.mean(), rel=1e-4)
        assert row.low < row.value < row.high < row.floor
    assert row.floor_of == "mean training response"


def test_recording_with_a_unit_that_was_never_measured():
    known, signal = recording()
    values = known.responses.values.copy()
    values[:, :, 3] = np.nan
    options = {"metrics": ["correlation", "pattern_*", "rsa"], "rois": "all", **QUICK}
    hole = Recording(
        "example", "1", known.stimuli, build_responses(values, known.stimuli.ids, known.units), known.units, known.split
    )
    scores = evaluate(signal[TRAIN:], hole, **options)
    assert np.isnan(scores.units["correlation"][3]) and np.isfinite(scores.units["correlation"][4])
    table = rows(scores)
    assert table.loc[("all", "correlation"), "n_units"] == 23
    assert table.loc[("all", "pattern_correlation"), "n_units"] == 23
    assert np.isfinite(table.loc[("all", "rsa"), "value"])
