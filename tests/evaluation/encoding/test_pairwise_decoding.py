from __future__ import annotations

from itertools import combinations

import hypothesis.strategies as st
import numpy as np
import pytest
import sklearn.covariance
from hypothesis import given, settings
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.svm import SVC

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.encoding.pairwise_decoding import (
    CLASSIFIERS,
    pairwise_decoding,
    pairwise_decoding_by_pair,
    pairwise_decoding_by_stimulus,
    time_generalisation,
)
from braincodec.evaluation.encoding.pattern_classifiers import ledoit_wolf, linear_discriminants
from braincodec.evaluation.encoding.pseudo_repetitions import pseudo_repetitions

ONSET = 3


def _responses(seed: int, stimuli: int = 20, repetitions: int = 4, channels: int = 6, times: int = 6, signal=1.0):
    """A pattern of each stimulus that appears at time `ONSET` and turns into another one at the last time."""
    rng = np.random.default_rng(seed)
    course = np.zeros((2, times))
    course[0, ONSET:-1] = course[1, -1] = signal
    patterns = rng.normal(size=(stimuli, 1, channels, 2)) @ course
    return patterns + rng.normal(size=(stimuli, repetitions, channels, times))


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_a_planted_signal_is_decoded_from_its_onset_on(classifier):
    pairs = 40 if classifier == "svm" else None
    shares = np.mean([pairwise_decoding(_responses(seed), classifier, pairs=pairs) for seed in range(3)], axis=0)
    np.testing.assert_allclose(shares[:ONSET], 0.5, atol=0.06)
    assert (shares[ONSET:] > 0.8).all()


@pytest.mark.parametrize(
    "classifier", [pytest.param(one, marks=[pytest.mark.slow] * (one == "svm")) for one in CLASSIFIERS]
)
def test_generalisation_is_high_only_between_times_of_one_pattern(classifier):
    pairs = 40 if classifier == "svm" else None
    shares = np.mean([time_generalisation(_responses(seed), classifier, pairs=pairs) for seed in range(3)], axis=0)
    alike = np.zeros((6, 6), bool)
    alike[ONSET:-1, ONSET:-1] = alike[-1, -1] = True
    assert (shares[alike] > 0.8).all()
    np.testing.assert_allclose(shares[~alike], 0.5, atol=0.1)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_diagonal_of_generalisation_is_decoding(classifier):
    responses = _responses(1, stimuli=6, times=4)
    np.testing.assert_allclose(
        np.diagonal(time_generalisation(responses, classifier)), pairwise_decoding(responses, classifier), rtol=1e-12
    )


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_mean_of_stimuli_is_the_mean_of_pairs(classifier):
    responses = _responses(2, stimuli=6, times=3)
    by_stimulus = pairwise_decoding_by_stimulus(responses, classifier)
    assert by_stimulus.shape == (6, 3)
    np.testing.assert_allclose(by_stimulus.mean(axis=0), pairwise_decoding(responses, classifier), rtol=1e-12)


@pytest.mark.parametrize("classifier", CLASSIFIERS)
def test_mean_of_pairs_is_decoding_and_equal_stimuli_are_at_chance(classifier):
    responses = _responses(12, stimuli=6, times=3, signal=0.5)
    responses[1] = responses[0]  # a tie in every test
    by_pair = pairwise_decoding_by_pair(responses, classifier)
    assert by_pair.shape == (15, 3)
    np.testing.assert_allclose(by_pair.mean(axis=0), pairwise_decoding(responses, classifier), rtol=1e-12)
    np.testing.assert_allclose(by_pair[0], 0.5, atol=1e-12)


def test_each_pair_is_decoded_by_its_own_two_patterns():
    """Correlation with mean training patterns, in loops."""
    responses = _responses(13, stimuli=5, times=2, signal=0.5)
    expected = []
    for first, second in combinations(range(5), 2):
        right = []
        for fold in range(4):
            means = np.delete(responses, fold, axis=1)[[first, second]].mean(axis=1)
            for shown, other in ((0, 1), (1, 0)):
                pattern = responses[(first, second)[shown], fold]
                r = [[np.corrcoef(pattern[:, t], means[one, :, t])[0, 1] for t in range(2)] for one in (shown, other)]
                right.append(np.greater(*r))
        expected.append(np.mean(right, axis=0))
    np.testing.assert_allclose(pairwise_decoding_by_pair(responses, "correlation"), expected, rtol=1e-12)


def test_pairs_that_were_not_drawn_are_unknown():
    responses = _responses(14, stimuli=5, times=2)
    drawn, every = (pairwise_decoding_by_pair(responses, "svm", pairs=pairs) for pairs in (3, None))
    known = np.isfinite(drawn)
    assert known.all(axis=1).sum() == 3 and np.isfinite(every).all()
    np.testing.assert_array_equal(drawn[known], every[known])


def test_support_vector_machines_equal_the_published_loop():
    """Leave one repetition out, fit each pair at each time, predict the two left out."""
    responses = _responses(3, stimuli=5, times=4, signal=0.5)
    expected = np.zeros(4)
    for first, second in combinations(range(5), 2):
        for time, left_out in np.ndindex(4, 4):
            train = np.delete(responses[[first, second], :, :, time], left_out, axis=1).reshape(6, -1)
            machine = SVC(kernel="linear").fit(train, [0, 0, 0, 1, 1, 1])
            predicted = machine.predict(responses[[first, second], left_out, :, time])
            expected[time] += (predicted == [0, 1]).mean() / 40
    np.testing.assert_allclose(pairwise_decoding(responses, "svm"), expected, rtol=1e-12)


def test_correlation_equals_loops_with_numpys_correlation():
    responses = _responses(4, stimuli=7, times=2, signal=0.5)
    correct = np.zeros((7, 2))
    for time, fold in np.ndindex(2, 4):
        means = np.delete(responses[..., time], fold, axis=1).mean(axis=1)
        r = np.corrcoef(responses[:, fold, :, time], means)[:7, 7:]
        correct[:, time] += (r < np.diag(r)[:, None]).sum(axis=1) / 24
    np.testing.assert_allclose(pairwise_decoding_by_stimulus(responses, "correlation"), correct, rtol=1e-6)


def test_discriminant_analysis_equals_scikit_learns():
    responses = _responses(5, stimuli=8, repetitions=5, times=1, signal=0.7)[..., 0]

    class PooledCovariance:
        """scikit-learn asks for one covariance a class; this gives each that of the noise of all."""

        def fit(self, _):
            noise = (responses[:, :4] - responses[:, :4].mean(axis=1, keepdims=True)).reshape(-1, 6)
            self.covariance_ = sklearn.covariance.ledoit_wolf(noise, assume_centered=True)[0]
            return self

    reference = LinearDiscriminantAnalysis(solver="lsqr", covariance_estimator=PooledCovariance())
    reference.fit(responses[:, :4].reshape(-1, 6), np.repeat(np.arange(8), 4))
    scores = reference.decision_function(responses[:, 4])
    expected = (scores < np.diag(scores)[:, None]).sum(axis=1) / 7
    fitted = linear_discriminants(responses[:, :4])
    np.testing.assert_allclose(fitted.share_identified(responses[:, 4]), expected, rtol=1e-6)
    ours = fitted.prepare(responses[:, 4]) @ fitted.weights.T - fitted.offsets
    np.testing.assert_allclose(ours - ours[:, :1], scores - scores[:, :1], rtol=1e-6, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), samples=st.integers(2, 60), channels=st.integers(1, 8))
def test_shrunk_covariance_equals_scikit_learns(seed, samples, channels):
    noise = np.random.default_rng(seed).normal(size=(samples, channels)) * np.arange(1, channels + 1)
    expected = sklearn.covariance.ledoit_wolf(noise, assume_centered=True)[0]
    np.testing.assert_allclose(ledoit_wolf(noise), expected, rtol=1e-6, atol=1e-8 * expected.max())


@pytest.mark.parametrize("classifier", ["lda", "svm", "correlation"])
def test_predictions_are_tested_by_what_was_trained_on_all_repetitions(classifier):
    rng = np.random.default_rng(6)
    pattern = rng.normal(size=(8, 5, 2))
    responses = pattern[:, None] + rng.normal(size=(8, 6, 5, 2)) / 3
    good = pairwise_decoding(responses, classifier, test=pattern)
    np.testing.assert_allclose(good, 1)
    shuffled = pairwise_decoding(responses, classifier, test=pattern[[1, 2, 3, 4, 5, 6, 7, 0]])
    assert (shuffled < 0.75).all()
    assert time_generalisation(responses, classifier, test=pattern).shape == (2, 2)


def test_correlated_noise_is_seen_through_by_discriminant_analysis_only():
    """The signal lies in a channel beside a noise that all channels share."""
    rng = np.random.default_rng(7)
    pattern = np.zeros((40, 1, 6, 1))
    pattern[:, :, :2] = 0.5 * rng.normal(size=(40, 1, 2, 1))
    responses = pattern + 0.3 * rng.normal(size=(40, 8, 6, 1)) + 5 * rng.normal(size=(40, 8, 1, 1))
    responses[:, :, 1] -= responses[:, :, 0] * 2
    assert pairwise_decoding(responses, "lda")[0] > pairwise_decoding(responses, "correlation")[0] + 0.15


@pytest.mark.parametrize("classifier", ["lda", "correlation"])
def test_equal_patterns_are_at_chance(classifier):
    same = np.broadcast_to(np.random.default_rng(0).normal(size=(1, 1, 4, 1)), (5, 3, 4, 1))
    np.testing.assert_allclose(pairwise_decoding(same, classifier), 0.5)
    np.testing.assert_allclose(pairwise_decoding(np.ones((5, 3, 4, 1)), classifier), 0.5)


def test_ragged_repetitions_are_grouped_by_what_exists():
    responses = _responses(8, repetitions=6, signal=2.0)
    responses[::2, 4:] = np.nan
    assert pseudo_repetitions(responses).shape == (20, 4, 6, 6)
    assert (pairwise_decoding(responses)[ONSET:] > 0.9).all()


def test_groups_of_repetitions_keep_the_mean_and_use_each_once():
    responses = _responses(9, stimuli=3, repetitions=12)
    groups = pseudo_repetitions(responses, folds=4, seed=1)
    np.testing.assert_allclose(groups.mean(axis=1), responses.mean(axis=1), rtol=1e-9)
    assert pseudo_repetitions(responses).shape[1] == 10
    np.testing.assert_array_equal(pseudo_repetitions(responses, folds=12), responses)
    assert (pseudo_repetitions(responses, folds=4, seed=2) != groups).any()


def test_seed_decides_the_drawn_pairs():
    responses = _responses(10, stimuli=8, times=2)
    drawn = pairwise_decoding_by_stimulus(responses, "svm", pairs=2, seed=0)
    assert np.isnan(drawn[:, 0]).sum() >= 4  # two pairs hold at most four stimuli
    np.testing.assert_array_equal(drawn, pairwise_decoding_by_stimulus(responses, "svm", pairs=2, seed=0))


def test_lazy_responses_are_read(tmp_path):
    import h5py

    responses = _responses(11, stimuli=5)
    with h5py.File(tmp_path / "eeg.h5", "w") as file:
        np.testing.assert_array_equal(
            pairwise_decoding(file.create_dataset("eeg", data=responses)), pairwise_decoding(responses)
        )


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"classifier": "knn"}, UnknownNameError, "lda, correlation, svm"),
        ({"folds": 5}, InputValueError, "4 repetitions.*5 folds"),
        ({"folds": 1}, InputValueError, "at least two folds"),
        ({"pairs": 3}, InputValueError, "only the classifier 'svm'"),
        ({"classifier": "svm", "pairs": 0}, InputValueError, "at least one"),
        ({"classifier": "svm", "pairs": 11}, InputValueError, "5 stimuli have 10 pairs"),
        ({"test": np.zeros((5, 6, 5))}, InputValueError, r"\(5, 6, 5\).*\(5, 6, 6\)"),
        ({"test": np.full((5, 6, 6), np.nan)}, InputValueError, "NaN"),
    ],
)
def test_wrong_arguments_are_named(arguments, error, message):
    for decode in (pairwise_decoding, pairwise_decoding_by_pair):
        with pytest.raises(error, match=message):
            decode(_responses(0, stimuli=5), **arguments)


@pytest.mark.parametrize(
    ("responses", "error", "message"),
    [
        (np.zeros((5, 4, 6)), InputValueError, r"not \(5, 4, 6\)"),
        (np.zeros((1, 4, 6, 2)), InputValueError, "1 stimuli"),
        (np.full((5, 4, 6, 2), "a"), InputTypeError, "real numbers"),
        (
            np.where(np.arange(6)[:, None] == 1, np.nan, np.zeros((5, 4, 6, 2))),
            InputValueError,
            "stimulus 0, repetition 0",
        ),
    ],
)
def test_what_cannot_be_eeg_responses_is_refused(responses, error, message):
    with pytest.raises(error, match=message):
        pairwise_decoding(responses)
