"""n-way accuracy: exact against trials, scipy and enumeration; ties, labels and errors."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.decoding import n_way_top_k, n_way_top_k_simulated
from braincodec.evaluation.decoding.n_way import below_k_by_competitors


@pytest.mark.parametrize(("n", "k"), [(2, 1), (10, 1), (10, 3), (40, 5)])
def test_the_expectation_agrees_with_a_hundred_thousand_trials(n, k):
    random = np.random.default_rng(3)
    logits, classes = random.normal(size=(6, 40)), np.arange(6)
    logits[np.arange(6), classes] += np.linspace(-1, 3, 6)
    trials = 100_000
    exact = n_way_top_k(logits, classes, n, k)
    simulated = n_way_top_k_simulated(logits, classes, n, k, trials=trials, seed=1)
    standard_error = np.sqrt(exact * (1 - exact) / trials)
    # six stimuli: a deviation of three standard errors in any is a chance of 2 %
    assert (np.abs(simulated - exact) <= 3 * standard_error).all()
    assert (np.abs(simulated - exact) <= standard_error).sum() >= 3


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 7), st.data())
def test_the_expectation_is_the_mean_over_all_choices(classes, data):
    n = data.draw(st.integers(2, classes))
    k = data.draw(st.integers(1, n - 1))
    # few values, so that ties occur
    logits = np.array(data.draw(st.lists(st.integers(0, 3), min_size=classes, max_size=classes)))
    true = data.draw(st.integers(0, classes - 1))
    others = np.delete(logits, true)
    won = [sum(logit >= logits[true] for logit in drawn) < k for drawn in itertools.combinations(others, n - 1)]
    assert n_way_top_k(logits[None], [true], n, k)[0] == pytest.approx(np.mean(won), abs=1e-12)


@pytest.mark.parametrize(("population", "drawn", "k"), [(999, 49, 1), (999, 49, 5), (3000, 999, 10), (20, 20, 3)])
def test_the_distribution_is_scipys(population, drawn, k):
    expected = hypergeom.cdf(k - 1, population, np.arange(population + 1), drawn)
    np.testing.assert_allclose(below_k_by_competitors(population, drawn, k), expected, atol=1e-9)


def test_equal_logits_count_against_the_true_class():
    assert n_way_top_k(np.zeros((3, 10)), [0, 1, 2], n=5).tolist() == [0, 0, 0]
    assert n_way_top_k_simulated(np.zeros((3, 10)), [0, 1, 2], n=5, trials=20).tolist() == [0, 0, 0]


def test_random_logits_are_at_chance():
    random = np.random.default_rng(0)
    rates = n_way_top_k(random.normal(size=(2000, 100)), random.integers(0, 100, 2000), n=50, k=5)
    assert rates.mean() == pytest.approx(5 / 50, abs=4 * rates.std() / np.sqrt(2000))


def test_the_true_class_is_the_classifiers_own_or_the_label():
    random = np.random.default_rng(0)
    prediction, truth = random.normal(size=(2, 8, 12))
    np.testing.assert_array_equal(n_way_top_k(prediction, truth, 4, 2), n_way_top_k(prediction, truth.argmax(1), 4, 2))
    assert (n_way_top_k(truth, truth, 4, 1) == 1).all()


def test_the_seed_decides_the_trials():
    logits = np.random.default_rng(0).normal(size=(4, 20))
    first, again, other = (n_way_top_k_simulated(logits, [0] * 4, 5, trials=50, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_blocks_of_trials_do_not_change_their_number(monkeypatch):
    from braincodec.evaluation.decoding import n_way

    monkeypatch.setattr(n_way, "TRIAL_BLOCK_BYTES", 1)
    logits = np.array([[2.0, 1, 0], [0, 1, 2]])
    assert n_way_top_k_simulated(logits, [0, 0], 2, trials=11).tolist() == [1, 0]


def test_a_thousand_images_and_classes_take_less_than_a_tenth_of_a_second():
    random = np.random.default_rng(0)
    logits, classes = random.normal(size=(1000, 1000)), random.integers(0, 1000, 1000)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        n_way_top_k(logits, classes)
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.1


@pytest.mark.parametrize(
    ("logits", "truth", "n", "k", "error", "text"),
    [
        (np.zeros((2, 5)), [0, 1], 6, 1, InputValueError, "n is 6; expected a whole number from 2 to 5"),
        (np.zeros((2, 5)), [0, 1], 1, 1, InputValueError, "n is 1"),
        (np.zeros((2, 5)), [0, 1], 3, 3, InputValueError, "k is 3; expected a whole number from 1 to 2"),
        (np.zeros((2, 5)), [0, 1], 3.0, 1, InputValueError, "n is 3.0"),
        (np.zeros((2, 5)), [0, 5], 3, 1, InputValueError, "from 0 to 5; there are 5 classes"),
        (np.zeros((2, 5)), [0, 1, 2], 3, 1, InputValueError, "2 predicted images"),
        (np.zeros((2, 5)), [0.0, 1.0], 3, 1, InputTypeError, "float64"),
        (np.zeros((2, 5)), np.zeros((2, 6)), 3, 1, InputValueError, r"\(2, 6\)"),
        (np.zeros(5), [0], 3, 1, InputValueError, "stimuli, classes"),
        (np.full((2, 5), np.nan), [0, 1], 3, 1, InputValueError, "2 of 2 predicted"),
        (np.zeros((2, 5)), np.full((2, 5), np.nan), 3, 1, InputValueError, "2 of 2 true"),
    ],
)
def test_impossible_arguments_are_refused(logits, truth, n, k, error, text):
    for function in (n_way_top_k, n_way_top_k_simulated):
        with pytest.raises(error, match=text):
            function(logits, truth, n, k)
