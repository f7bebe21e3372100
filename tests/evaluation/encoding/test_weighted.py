"""Scores under weights are the scores of resampled copies."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr
from sklearn.metrics import r2_score

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.correlation import correlation
from braincodec.evaluation.encoding.r2 import r2_determination
from braincodec.evaluation.encoding.weighted import weighted_correlation, weighted_r2_determination

BOTH = [(weighted_correlation, correlation), (weighted_r2_determination, r2_determination)]
Score = Callable[..., np.ndarray]


def noisy_pair(stimuli: int, units: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    response = random.normal(size=(stimuli, units))
    return 0.7 * response + random.normal(size=(stimuli, units)), response


def drawn_weights(stimuli: int, draws: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(stimuli, np.full(stimuli, 1 / stimuli), draws)


@pytest.mark.parametrize(("weighted", "plain"), BOTH)
@given(stimuli=st.integers(8, 40), units=st.integers(1, 6), seed=st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_counts_as_weights_are_resampled_copies(
    weighted: Score, plain: Score, stimuli: int, units: int, seed: int
) -> None:
    prediction, response = noisy_pair(stimuli, units, seed)
    weights = drawn_weights(stimuli, 5, seed)
    copies = [np.repeat(np.arange(stimuli), counts) for counts in weights]
    expected = [plain(prediction[rows], response[rows]) for rows in copies]
    np.testing.assert_allclose(weighted(prediction, response, weights), expected, rtol=1e-10, atol=1e-12)


def test_a_weighted_sample_agrees_with_scipy_and_scikit_learn() -> None:
    prediction, response = noisy_pair(30, 1)
    weights = drawn_weights(30, 1)
    rows = np.repeat(np.arange(30), weights[0])
    expected = pearsonr(prediction[rows, 0], response[rows, 0]).statistic
    np.testing.assert_allclose(weighted_correlation(prediction, response, weights), [[expected]])
    expected = r2_score(response[:, 0], prediction[:, 0], sample_weight=weights[0])
    np.testing.assert_allclose(weighted_r2_determination(prediction, response, weights), [[expected]])


@pytest.mark.parametrize(("weighted", "plain"), BOTH)
def test_equal_weights_of_any_size_are_no_weights(weighted: Score, plain: Score) -> None:
    prediction, response = noisy_pair(30, 4)
    found = weighted(prediction, response, np.full((2, 30), [[0.37], [12]]))
    np.testing.assert_allclose(found, np.stack([plain(prediction, response)] * 2), rtol=1e-12)


@pytest.mark.parametrize(("offset", "deviation"), [(1e4, 1e-2), (1e6, 0.5), (0, 1e-20)])
def test_float32_with_a_large_mean_is_as_exact_as_its_digits(offset: float, deviation: float) -> None:
    pair = [(offset + deviation * values).astype(np.float32) for values in noisy_pair(100, 5)]
    weights = drawn_weights(100, 3)
    expected = [
        correlation(*(np.repeat(values.astype(np.longdouble), counts, axis=0).astype(np.float64) for values in pair))
        for counts in weights
    ]
    np.testing.assert_allclose(weighted_correlation(*pair, weights), expected, atol=1e-9)


@pytest.mark.parametrize(("weighted", "plain"), BOTH)
def test_a_sample_without_variance_is_nan_with_one_warning(weighted: Score, plain: Score) -> None:
    random = np.random.default_rng(0)
    response = np.where(random.random((40, 3)) < 0.1, random.integers(1, 4, (40, 3)), 0.0)
    response[0] = 1  # spikes are rare: some samples hold none
    prediction = random.normal(size=response.shape)
    quiet = (response[:, 1] == 0).astype(float)
    with pytest.warns(UndefinedScoreWarning, match="NaN for") as caught:
        found = weighted(prediction, response, np.stack([quiet, np.ones(40)]))
    assert len(caught) == 1
    assert np.isnan(found[0, 1])
    np.testing.assert_allclose(found[1], plain(prediction, response))


@pytest.mark.parametrize(("weighted", "plain"), BOTH)
def test_missing_units_are_nan_and_the_others_untouched(weighted: Score, plain: Score) -> None:
    prediction, response = noisy_pair(30, 4)
    weights = drawn_weights(30, 6)
    expected = weighted(prediction, response, weights)
    response[:, 2] = np.nan
    with pytest.warns(UndefinedScoreWarning, match="NaN for 6 of 24"):
        found = weighted(prediction, response, weights)
    assert np.isnan(found[:, 2]).all()
    np.testing.assert_allclose(np.delete(found, 2, 1), np.delete(expected, 2, 1), rtol=1e-10)


def test_impossible_arguments_are_refused() -> None:
    prediction, response = noisy_pair(30, 4)
    weights = np.ones((3, 30))
    with pytest.raises(InputValueError, match=r"shape \(3, 29\).*expected numbers \(draws, 30\)"):
        weighted_correlation(prediction, response, weights[:, 1:])
    weights[1, 5] = -1
    weights[2] = 0
    with pytest.raises(InputValueError, match="weights of 2 draws, the first is draw 1"):
        weighted_correlation(prediction, response, weights)
    response[3, 2] = np.nan
    with pytest.raises(InputValueError, match="stimulus 3, unit 2"):
        weighted_correlation(prediction, response, np.ones((1, 30)))


def test_memory_beyond_the_answer_does_not_grow_with_units() -> None:
    prediction, response = (values.astype(np.float32) for values in noisy_pair(50, 20_000))
    weights = drawn_weights(50, 400)
    tracemalloc.start()
    found = weighted_correlation(prediction, response, weights)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # the answer and where it is undefined: 64 + 8 MB; resampled copies would be 2 x 1,600 MB
    assert peak - found.nbytes * 9 / 8 < 80e6
