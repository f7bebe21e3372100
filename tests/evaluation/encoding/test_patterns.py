"""Pattern correlation and identification: each stimulus over units."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding import pattern_correlation as pattern_correlation_function
from braincodec.evaluation.encoding.identification import (
    PatternTopK,
    PatternTwoWay,
    pattern_identification,
    pattern_top_k,
)
from braincodec.evaluation.encoding.pattern_correlation import PatternCorrelation, pattern_correlation

CLASSES = [
    (PatternCorrelation, pattern_correlation),
    (PatternTwoWay, pattern_identification),
    (PatternTopK, pattern_top_k),
]


def noisy_pair(stimuli: int, units: int, seed: int = 0, noise: float = 3) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    response = random.normal(size=(stimuli, units))
    return response + noise * random.normal(size=(stimuli, units)), response


def likeness_of(prediction: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.corrcoef(prediction, response)[: len(prediction), len(prediction) :]


def test_pattern_correlation_agrees_with_scipy() -> None:
    prediction, response = noisy_pair(10, 40)
    expected = [pearsonr(*pair).statistic for pair in zip(prediction, response, strict=True)]
    np.testing.assert_allclose(pattern_correlation(prediction, response), expected, rtol=1e-12)


def test_pattern_metrics_agree_with_bdpy() -> None:
    evaluation = pytest.importorskip("bdpy.evals.metrics")
    prediction, response = noisy_pair(30, 40)
    expected = evaluation.pairwise_identification(prediction, response, metric="correlation")
    np.testing.assert_allclose(pattern_identification(prediction, response), np.ravel(expected))
    expected = np.ravel(evaluation.pattern_correlation(prediction, response))
    np.testing.assert_allclose(pattern_correlation(prediction, response), expected, rtol=1e-10)


@given(stimuli=st.integers(3, 20), units=st.integers(3, 30), seed=st.integers(0, 1000), k=st.integers(1, 2))
@settings(max_examples=40, deadline=None)
def test_identification_counts_the_others_that_are_less_alike(stimuli: int, units: int, seed: int, k: int) -> None:
    prediction, response = noisy_pair(stimuli, units, seed)
    likeness = likeness_of(prediction, response)
    own = np.diagonal(likeness)
    less = np.array([np.delete(likeness[row], row) < own[row] for row in range(stimuli)])
    np.testing.assert_allclose(pattern_identification(prediction, response), less.mean(1), rtol=1e-12)
    expected = np.argsort(np.argsort(-likeness, axis=1), axis=1).diagonal() < k
    np.testing.assert_array_equal(pattern_top_k(prediction, response, k), expected)


def test_identification_compares_measured_patterns_not_predictions() -> None:
    response = np.random.default_rng(0).normal(size=(3, 30))
    prediction = np.stack([response[0]] * 3)  # always the first
    np.testing.assert_allclose(pattern_identification(prediction, response)[0], 1)
    np.testing.assert_array_equal(pattern_top_k(prediction, response), [1, 0, 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_patterns_are_ties_and_ties_fail(dtype: type) -> None:
    response = np.random.default_rng(0).normal(size=(4, 30)).astype(dtype)
    response[1] = 3 * response[0] + 1
    np.testing.assert_allclose(pattern_identification(response, response), [2 / 3, 2 / 3, 1, 1])
    np.testing.assert_array_equal(pattern_top_k(response, response), [0, 0, 1, 1])


def test_guesses_are_identified_at_chance() -> None:
    random = np.random.default_rng(0)
    prediction, response = random.normal(size=(2, 300, 40))
    assert abs(pattern_identification(prediction, response).mean() - 0.5) < 0.03
    metric = PatternTopK(k=30).update(prediction, response)
    assert abs(metric.compute().mean() - metric.definition.chance) < 0.06


@given(st.lists(st.integers(0, 12), max_size=4), st.integers(0, 100))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize(("metric", "at_once"), CLASSES)
def test_any_batches_give_the_answer_of_one_call(metric: type, at_once: object, cuts: list[int], seed: int) -> None:
    prediction, response = noisy_pair(12, 20, seed)
    batches = zip(np.split(prediction, sorted(cuts)), np.split(response, sorted(cuts)), strict=True)
    workers = [pickle.loads(pickle.dumps(metric().update(*batch))) for batch in batches]
    merged = workers[0]
    for worker in workers[1:]:
        merged.merge(worker)
    np.testing.assert_allclose(merged.compute(), at_once(prediction, response), rtol=1e-12)


@pytest.mark.parametrize(("metric", "at_once"), CLASSES)
def test_missing_units_are_left_out(metric: type, at_once: object) -> None:
    prediction, response = noisy_pair(12, 20)
    expected = at_once(np.delete(prediction, [3, 7], 1), np.delete(response, [3, 7], 1))
    prediction[:, 3], response[:, 7] = np.nan, np.nan
    np.testing.assert_allclose(at_once(prediction, response), expected)
    in_batches = metric().update(prediction[:5], response[:5]).update(prediction[5:], response[5:])
    np.testing.assert_allclose(in_batches.compute(), expected)


@pytest.mark.parametrize("metric", [metric for metric, _ in CLASSES])
def test_a_unit_missing_in_one_batch_only_is_refused(metric: type) -> None:
    prediction, response = noisy_pair(12, 20)
    response[5:, 7] = np.nan
    with pytest.raises(InputValueError, match="1 units are NaN for some stimuli and not for others, the first is 7"):
        metric().update(prediction[:5], response[:5]).update(prediction[5:], response[5:])
    with pytest.raises(InputValueError, match="20 and 19 units"):
        metric().update(prediction, prediction).update(prediction[:, 1:], prediction[:, 1:])
    with pytest.raises(InputValueError, match="nothing to score"):
        metric().compute()


@pytest.mark.parametrize(("metric", "at_once"), CLASSES)
def test_a_pattern_without_variance_is_nan_with_one_warning(metric: type, at_once: object) -> None:
    prediction, response = noisy_pair(12, 20, noise=0.1)
    prediction[4] = 0.1
    with pytest.warns(UndefinedScoreWarning, match="NaN for 1 of 12 stimuli") as caught:
        found = at_once(prediction, response)
    assert len(caught) == 1
    np.testing.assert_array_equal(np.isnan(found), np.arange(12) == 4)
    with pytest.warns(UndefinedScoreWarning, match="NaN for 1 of 12 stimuli"):
        metric().update(prediction, response).compute()


def test_no_unit_left_has_no_pattern() -> None:
    prediction, response = noisy_pair(4, 3)
    with pytest.warns(UndefinedScoreWarning, match="4 of 4"):
        assert np.isnan(pattern_correlation(prediction, np.full_like(response, np.nan))).all()


def test_float32_patterns_with_a_large_mean_keep_their_digits() -> None:
    prediction, response = ((1e4 + values).astype(np.float32) for values in noisy_pair(700, 3000, noise=1))
    expected = [
        pearsonr(*pair).statistic for pair in zip(prediction.astype(float), response.astype(float), strict=True)
    ]
    np.testing.assert_allclose(pattern_correlation(prediction, response), expected, atol=2e-7)


def test_impossible_k_and_single_stimuli_are_refused() -> None:
    prediction, response = noisy_pair(4, 10)
    with pytest.raises(InputValueError, match="k"):
        pattern_top_k(prediction, response, k=4)
    with pytest.raises(InputValueError, match="k"):
        PatternTopK(k=0)
    with pytest.raises(InputValueError, match="at least 2"):
        pattern_identification(prediction[:1], response[:1])


def test_top_k_says_its_k_and_its_chance() -> None:
    prediction, response = noisy_pair(20, 10)
    metric = PatternTopK(k=5).update(prediction, response)
    metric.compute()
    assert "Top-5" in metric.definition.title
    assert metric.definition.chance == 0.25
    assert PatternTopK.definition.chance is None


def test_the_package_offers_the_function() -> None:
    assert pattern_correlation_function is pattern_correlation
