"""Retrieval against a plain loop and scikit-learn; draws average to the exact expectation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity as sklearn_cosine_similarity

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding import cosine_similarity, retrieval_top_k
from braincodec.evaluation.definition import UndefinedScoreWarning


def related(stimuli: int = 40, features: int = 10, noise: float = 2.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.normal(size=(stimuli, features))
    return truth + noise * random.normal(size=truth.shape), truth


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 15), st.integers(0, 1000), st.data())
def test_top_k_of_all_is_a_sorted_list(stimuli, seed, data):
    k = data.draw(st.integers(1, stimuli - 1))
    prediction, truth = related(stimuli, 6, 2.0, seed)
    similarity = sklearn_cosine_similarity(prediction, truth)
    np.testing.assert_allclose(cosine_similarity(prediction, truth), similarity, atol=1e-12)
    forward = [i in np.argsort(-similarity[i])[:k] for i in range(stimuli)]
    reverse = [i in np.argsort(-similarity[:, i])[:k] for i in range(stimuli)]
    assert retrieval_top_k(prediction, truth, k).tolist() == forward
    assert retrieval_top_k(prediction, truth, k, direction="reverse").tolist() == reverse


@pytest.mark.parametrize("direction", ["forward", "reverse"])
@pytest.mark.parametrize("k", [1, 4])
def test_draws_average_to_what_drawing_candidates_one_by_one_gives(direction, k):
    prediction, truth = related()
    similarity = sklearn_cosine_similarity(prediction, truth)
    similarity = similarity if direction == "forward" else similarity.T
    random, trials = np.random.default_rng(1), 4000
    plain = np.zeros(40)
    for i in range(40):
        others = np.delete(similarity[i], i)
        drawn = random.permuted(np.tile(others, (trials, 1)), axis=1)[:, :9]
        plain[i] = ((drawn >= similarity[i, i]).sum(1) < k).sum()
    plain /= trials
    exact = retrieval_top_k(prediction, truth, k, among=10, draws=None, direction=direction)
    standard_error = np.sqrt(exact * (1 - exact) / trials)
    assert (np.abs(plain - exact) <= 4 * standard_error + 1e-12).all()
    drawn = retrieval_top_k(prediction, truth, k, among=10, draws=trials, seed=2, direction=direction)
    assert (np.abs(drawn - exact) <= 4 * standard_error + 1e-12).all()
    assert 0.2 < exact.mean() < 0.95


def test_the_seed_decides_the_draws():
    prediction, truth = related()
    first, again, other = (retrieval_top_k(prediction, truth, among=10, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert set((first * 30).round(9) % 1) == {0.0}


def test_unrelated_features_are_retrieved_at_chance():
    random = np.random.default_rng(0)
    rates = retrieval_top_k(random.normal(size=(400, 30)), random.normal(size=(400, 30)), k=2, among=20)
    assert rates.mean() == pytest.approx(2 / 20, abs=0.03)


def test_candidates_as_similar_as_the_right_one_count_against_it():
    truth = np.random.default_rng(0).normal(size=(10, 5))
    same = truth[:1].repeat(10, 0)
    assert (retrieval_top_k(same, truth, direction="reverse") == 0).all()
    assert retrieval_top_k(same, truth).sum() == 1


def test_features_that_are_all_zero_give_nan_with_one_warning():
    prediction, truth = related(10)
    prediction[3] = 0
    with pytest.warns(UndefinedScoreWarning, match="1 of 10") as caught:
        rates = retrieval_top_k(prediction, truth, 2, among=5)
    assert np.isnan(rates).tolist() == [i == 3 for i in range(10)]
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("keywords", "text"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 5, "among": 5}, "k is 5; expected a whole number from 1 to 4"),
        ({"among": 41}, "among is 41; expected a whole number from 2 to 40"),
        ({"among": 5, "draws": 0}, "draws is 0"),
    ],
)
def test_impossible_arguments_are_refused(keywords, text):
    with pytest.raises(InputValueError, match=text):
        retrieval_top_k(*related(), **keywords)


def test_features_that_do_not_fit_are_refused():
    prediction, truth = related()
    with pytest.raises(InputValueError, match="10 features, truths 9"):
        retrieval_top_k(prediction, truth[:, :9])
    with pytest.raises(InputValueError, match="40 predictions and 39 truths"):
        retrieval_top_k(prediction, truth[:39])
    with pytest.raises(InputValueError, match="true features of 40 of 40"):
        retrieval_top_k(prediction, truth * np.nan)
    with pytest.raises(UnknownNameError, match="forward, reverse"):
        retrieval_top_k(prediction, truth, direction="backward")
