"""A model's score under each split, its interval, and the gap to random splits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from braincodec.datasets import Recording, Split
from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.splits import compare_splits, distance_splits, random_splits
from braincodec.responses import build_responses, build_units
from braincodec.stimuli import StimulusSet

COUNT, UNITS = 240, 6


@pytest.fixture(scope="module")
def world():
    """Responses of which a part is shared by near-copies alone: a memory predicts it, a generalising model does not."""
    rng = np.random.default_rng(0)
    copies = np.repeat(np.arange(COUNT // 2), 2)
    features = (rng.standard_normal((COUNT // 2, 12)) @ rng.standard_normal((12, 30)))[copies]
    features += 0.02 * rng.standard_normal(features.shape)
    learnable = features @ rng.standard_normal((30, UNITS)) / 10
    private = rng.standard_normal((COUNT // 2, UNITS))[copies]
    responses = learnable + 2 * private + 0.5 * rng.standard_normal((COUNT, UNITS))
    ids = [f"s{number}" for number in range(COUNT)]
    units = build_units(ijk=np.stack([np.arange(UNITS)] * 3, axis=1))
    stimuli = StimulusSet.open(np.zeros((COUNT, 4, 4, 3), np.uint8), ids=ids)
    recording = Recording("test", "1", stimuli, build_responses(responses, ids, units), units, Split(train=ids))
    return recording, features, dict(zip(ids, features, strict=True))


@pytest.fixture(scope="module")
def schemes(world):
    recording, features, _ = world
    return {"random": random_splits(recording), "distance": distance_splits(recording, features)}


def remembering(features):
    """Predicts the response to the most alike training image."""

    def fit(training):
        known = np.stack([features[str(item)] for item in training.stimuli.ids])
        responses = training.responses.values

        def predict(stimuli):
            asked = np.stack([features[str(item)] for item in stimuli.ids])
            return responses[((asked[:, None] - known) ** 2).sum(-1).argmin(1)]

        return predict

    return fit


def linear(features):
    def fit(training):
        model = Ridge(1.0).fit([features[str(item)] for item in training.stimuli.ids], training.responses.values)
        return lambda stimuli: model.predict([features[str(item)] for item in stimuli.ids])

    return fit


def test_memory_loses_by_distance_and_a_linear_model_does_not(world, schemes):
    recording, _, features = world
    memory = compare_splits(remembering(features), recording, schemes, draws=200).table.set_index("scheme")
    assert memory.loc["random", "score"] > memory.loc["distance", "score"] + 0.2
    assert memory.loc["distance", "gap_high"] < 0
    model = compare_splits(linear(features), recording, schemes, draws=200).table.set_index("scheme")
    assert model.loc["distance", "gap_low"] < 0 < model.loc["distance", "gap_high"]
    assert abs(model.loc["distance", "gap"]) < 0.1


def test_scores_are_medians_of_correlations_over_the_test_part(world, schemes):
    recording, _, features = world
    found = compare_splits(linear(features), recording, schemes, draws=50)
    assert len(found.each) == 6
    for row, split in zip(found.each.itertuples(), [*schemes["random"], *schemes["distance"]], strict=True):
        model = Ridge(1.0).fit([features[i] for i in split.train], recording.with_split(split).part("train")[1].values)
        predicted = model.predict([features[i] for i in split.test])
        measured = recording.with_split(split).part("test")[1].values
        expected = np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(predicted.T, measured.T, strict=True)])
        assert row.score == pytest.approx(expected, abs=1e-9)
        assert row.low < row.score < row.high
        assert (row.n_train, row.n_test, row.n_units) == (len(split.train), len(split.test), UNITS)
    table = found.table.set_index("scheme")
    random = found.each[found.each["scheme"] == "random"]
    assert table.loc["random", "score"] == pytest.approx(random["score"].mean())
    assert table.loc["random", "lowest"] == random["score"].min()
    assert table.loc["random", "splits"] == 5
    assert np.isnan(table.loc["random", "gap"])
    assert table.loc["distance", "gap"] == pytest.approx(table.loc["distance", "score"] - table.loc["random", "score"])
    assert table.loc["random", "summary"] == "median over units"
    assert found.replicates.shape == (50, 2)
    assert "distance" in repr(found)


def test_nothing_of_the_test_part_is_shown_to_fit(world, schemes):
    recording, _, features = world
    seen = []

    def fit(training):
        assert training.split.test == ()
        ids = set(training.stimuli.ids.tolist())
        assert ids == set(training.responses["stimulus"].values.tolist())
        seen.append(ids)
        return lambda stimuli: np.stack([features[str(item)][:UNITS] for item in stimuli.ids])

    splits = random_splits(recording, validation=0.1)
    compare_splits(fit, recording, {"random": splits}, draws=0)
    for ids, split in zip(seen, splits, strict=True):
        assert ids == {*split.train, *split.validation}


def test_interval_covers_the_score_of_other_test_stimuli():
    """Of 60 recordings, about 95 % of the intervals hold the true correlation of a fixed predictor."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(60):
        signal = rng.standard_normal((100, 1))
        ids = [str(number) for number in range(100)]
        units = build_units(ijk=[[0, 0, 0]])
        responses = build_responses(signal + rng.standard_normal((100, 1)), ids, units)
        stimuli = StimulusSet.open(np.zeros((100, 2, 2, 3), np.uint8), ids=ids)
        recording = Recording("test", "1", stimuli, responses, units, Split(train=ids))
        known = dict(zip(ids, signal, strict=True))
        table = compare_splits(
            lambda training, known=known: lambda asked: np.stack([known[str(item)] for item in asked.ids]),
            recording,
            {"random": random_splits(recording, seeds=[0])},
            draws=200,
        ).table
        covered.append(table["low"][0] <= np.sqrt(0.5) <= table["high"][0])
    assert np.mean(covered) > 0.8


def test_repetitions_are_averaged_and_encoders_are_asked_by_id(world):
    recording, _, features = world
    values = recording.responses.values
    repeated = np.stack([values - 1, values + 1], axis=1)
    units = recording.units
    ids = recording.responses["stimulus"].values
    responses = build_responses(repeated, ids, units)
    twice = Recording("test", "1", recording.stimuli, responses, units, Split(train=ids.tolist()))

    class Encoder:
        def encode(self, stimuli):
            asked = stimuli.ids[::-1]  # labelled, so that order does not matter
            return build_responses(np.stack([features[str(item)][:UNITS] for item in asked]), asked, units)

    splits = {"random": random_splits(recording, seeds=[0])}
    single = compare_splits(lambda training: Encoder(), recording, splits, draws=0)
    double = compare_splits(lambda training: Encoder(), twice, splits, draws=0)
    assert double.table["score"][0] == pytest.approx(single.table["score"][0], abs=1e-9)


def test_other_metrics_have_their_own_summary(world):
    recording, _, features = world
    splits = {"random": random_splits(recording, seeds=[0, 1])}
    by_stimulus = compare_splits(linear(features), recording, splits, metric="pattern_correlation", draws=50).table
    assert by_stimulus["summary"][0] == "mean over stimuli"
    assert by_stimulus["low"][0] < by_stimulus["score"][0] < by_stimulus["high"][0]
    whole = compare_splits(linear(features), recording, splits, metric="rsa", draws=50).table
    assert whole["summary"][0] == "over all stimuli"
    assert np.isnan(whole["low"][0])
    determination = compare_splits(linear(features), recording, splits, metric="r2_determination", draws=50).table
    assert determination["low"][0] < determination["score"][0]


def test_what_cannot_be_compared_is_refused_before_anything_is_fitted(world):
    recording, _, _ = world

    def never(_training):
        raise AssertionError("fitted")

    good = {"random": random_splits(recording, seeds=[0])}
    with pytest.raises(InputValueError, match="no splits to compare"):
        compare_splits(never, recording, {})
    with pytest.raises(InputValueError, match="scheme 'random' has no splits"):
        compare_splits(never, recording, {"random": []})
    with pytest.raises(InputValueError, match="no stimuli to train or to test on"):
        compare_splits(never, recording, {"mine": [Split(train=["s1"])]})
    with pytest.raises(InputValueError, match="1 test stimuli of the split have no response"):
        compare_splits(never, recording, good | {"mine": [Split(train=["s1"], test=["x"])]})
    with pytest.raises(UnknownNameError, match="did you mean 'correlation'"):
        compare_splits(never, recording, good, metric="corelation")
    with pytest.raises(InputValueError, match="is of decoded images"):
        compare_splits(never, recording, good, metric="mse")
    with pytest.raises(InputTypeError, match="an encoder or a function of stimuli, not ndarray"):
        compare_splits(lambda training: np.zeros(3), recording, good)
    with pytest.raises(InputValueError, match=r"predictions have shape \(48, 2\); the test part has 48 stimuli and 6"):
        compare_splits(lambda training: lambda stimuli: np.zeros((len(stimuli), 2)), recording, good)


def test_splits_without_the_name_of_their_scheme_are_refused(world):
    with pytest.raises(InputTypeError, match=r"mapping of scheme to splits, such as .'random': .*, not Splits"):
        compare_splits(lambda training: None, world[0], random_splits(world[0]))
