"""Two-way identification: the published rule, its anchors, ties and undefined cases, against loops and bdpy."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding import (
    correlation_matrix,
    pairwise_mse,
    pairwise_ssim,
    similarity,
    ssim,
    two_way_by_similarity,
    two_way_identification,
)
from braincodec.evaluation.decoding.two_way_images import (
    TwoWayMeanSquaredError,
    TwoWayPixels,
    TwoWaySignalToNoise,
    TwoWayStructuralSimilarity,
)
from braincodec.evaluation.definition import UndefinedScoreWarning

IMAGE_METRICS = (TwoWayPixels, TwoWayMeanSquaredError, TwoWaySignalToNoise, TwoWayStructuralSimilarity)


def related(stimuli: int, features: int, noise: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.normal(size=(stimuli, features))
    return truth + noise * random.normal(size=truth.shape), truth


def by_loops(prediction: np.ndarray, truth: np.ndarray, anchor: str) -> list[float]:
    """The published rule, one comparison at a time."""
    count, rates = len(prediction), []
    for i in range(count):
        own = np.corrcoef(prediction[i].ravel(), truth[i].ravel())[0, 1]
        won = 0
        for j in range(count):
            other = (prediction[i], truth[j]) if anchor == "prediction" else (prediction[j], truth[i])
            won += np.corrcoef(other[0].ravel(), other[1].ravel())[0, 1] < own if i != j else 0
        rates.append(won / (count - 1))
    return rates


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 12), st.integers(3, 40), st.integers(0, 1000), st.sampled_from(["prediction", "truth"]))
def test_identification_is_the_published_rule(stimuli, features, seed, anchor):
    prediction, truth = related(stimuli, features, 2.0, seed)
    np.testing.assert_array_equal(
        two_way_identification(prediction, truth, anchor), by_loops(prediction, truth, anchor)
    )


def test_identification_is_bdpys():
    metrics = pytest.importorskip("bdpy.evals.metrics")
    prediction, truth = related(60, 50, 3.0)
    expected = metrics.pairwise_identification(prediction, truth)
    assert 0.6 < expected.mean() < 0.95
    np.testing.assert_array_equal(two_way_identification(prediction, truth), expected)


def test_float32_in_tiles_and_batches_gives_what_float64_gives(monkeypatch):
    prediction, truth = related(40, 3000, 6.0)
    exact = correlation_matrix(prediction, truth)
    np.testing.assert_allclose(exact, np.corrcoef(prediction, truth)[:40, 40:], atol=1e-13)
    monkeypatch.setattr(similarity, "TILE_FEATURES", 700)
    monkeypatch.setattr(similarity, "SMALL_PRODUCT", 0)
    shifted = [(values + 1000).astype(np.float32).reshape(40, 30, 100) for values in (prediction, truth)]
    batches = [[values[:7], values[7:]] for values in shifted]
    found = correlation_matrix(*batches)
    np.testing.assert_allclose(found, np.corrcoef(*(v.reshape(40, -1) for v in shifted))[:40, 40:], atol=1e-6)
    np.testing.assert_allclose(found, exact, atol=1e-4)
    np.testing.assert_array_equal(two_way_identification(*batches), two_way_identification(*shifted))


def test_whole_numbers_are_accepted_and_do_not_wrap():
    random = np.random.default_rng(0)
    prediction, truth = random.integers(0, 256, (2, 10, 500), np.uint8)
    expected = np.corrcoef(prediction.astype(float), truth.astype(float))[:10, 10:]
    np.testing.assert_allclose(correlation_matrix(prediction, truth), expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8])
def test_one_answer_for_every_stimulus_never_counts_as_identified(dtype):
    truth = (np.random.default_rng(0).random((30, 700)) * 255).astype(dtype)
    same = truth[:1].repeat(30, 0)
    assert (two_way_identification(same, truth, anchor="truth") == 0).all()
    assert two_way_identification(same, truth, anchor="prediction").mean() == pytest.approx(0.5)


def test_ties_fail_and_the_match_itself_is_not_counted():
    matrix = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [np.inf, 0.0, np.inf]])
    assert two_way_by_similarity(matrix).tolist() == [0.5, 1, 0.5]
    assert two_way_by_similarity(matrix, "truth").tolist() == [0.5, 0.5, 1]
    assert two_way_by_similarity([[1.0, 0.9], [0.0, 1.0]], tolerance=0.2).tolist() == [0, 1]


def test_chance_is_one_half():
    random = np.random.default_rng(0)
    rates = two_way_identification(random.normal(size=(300, 20)), random.normal(size=(300, 20)))
    assert rates.mean() == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_stimuli_without_variance_are_nan_with_one_warning_and_beat_nobody(dtype):
    prediction, truth = (values.astype(dtype) for values in related(6, 900, 0.1))
    prediction[2] = 0.1
    with pytest.warns(UndefinedScoreWarning, match="1 of 6") as caught:
        rates = two_way_identification(prediction, truth)
    assert np.isnan(rates[2])
    assert (np.delete(rates, 2) == 1).all()
    assert len(caught) == 1
    with pytest.warns(UndefinedScoreWarning, match="1 of 6"):
        rates = two_way_identification(prediction, truth, "truth")
    np.testing.assert_allclose(np.delete(rates, 2), 0.8)


@pytest.mark.parametrize(
    ("prediction", "truth", "text"),
    [
        (np.zeros((3, 4)), np.zeros((3, 5)), "4 features, truths 5"),
        (np.ones((3, 4)), np.ones((2, 4)), "as many predictions as truths"),
        (np.ones((1, 4)), np.ones((1, 4)), "at least 2"),
        (np.ones(4), np.ones(4), r"expected \(stimuli, features\)"),
        (np.full((3, 4), np.nan), np.ones((3, 4)), "predicted features of 3 of 3"),
        (np.ones((3, 4)), np.diag([1, 1, np.inf, 1])[:3], "true features of 1 of 3 stimuli .* the first is 2"),
        (np.zeros((0, 4)), np.zeros((0, 4)), "nothing"),
        (np.array([["a", "b"]] * 2), np.ones((2, 2)), "expected numbers"),
        ([np.ones((2, 3)), np.ones((2, 4))], np.ones((4, 3)), "different shapes"),
    ],
)
def test_what_cannot_be_compared_is_refused(prediction, truth, text):
    with warnings.catch_warnings(), pytest.raises(InputValueError, match=text):
        warnings.simplefilter("ignore")
        two_way_identification(prediction, truth)


def test_unknown_anchors_are_answered_with_the_known_ones():
    with pytest.raises(UnknownNameError, match="prediction, truth"):
        two_way_by_similarity(np.eye(3), "image")
    with pytest.raises(UnknownNameError, match="prediction, truth"):
        TwoWayPixels(anchor="image")


@pytest.mark.parametrize("metric", IMAGE_METRICS)
def test_degraded_photographs_are_identified_and_shuffled_ones_are_not(photographs, metric):
    truth = photographs[:, ::2, ::2]
    random = np.random.default_rng(1)
    prediction = np.clip(truth + random.normal(0, 60, truth.shape), 0, 255).astype(np.uint8)
    assert metric().update(prediction, truth).compute().mean() > 0.9
    orders = [random.permutation(len(truth)) for _ in range(5)]
    rates = [metric().update(prediction[order], truth).compute().mean() for order in orders]
    # ten photographs: the standard deviation of the mean of five shuffles is about 0.06
    assert np.mean(rates) == pytest.approx(0.5, abs=0.2)
    assert metric.definition.chance == 0.5


@pytest.mark.parametrize("metric", IMAGE_METRICS)
def test_metrics_accumulate_in_batches_merge_and_keep_copies(photographs, metric):
    truth = photographs[:, ::4, ::4]
    prediction = np.roll(truth, 3, axis=2)
    whole = metric("truth").update(prediction, truth).compute()
    buffer = prediction[:4].copy()
    first = metric("truth").update(buffer, truth[:4])
    buffer[:] = 0
    rest = metric("truth").update(prediction[4:5], truth[4:5]).update(prediction[5:], truth[5:])
    np.testing.assert_array_equal(first.merge(rest).compute(), whole)


def test_similarities_of_images_are_compared_as_their_functions_say(photographs):
    truth = photographs[:6, ::4, ::4]
    prediction = np.random.default_rng(0).integers(0, 256, truth.shape, np.uint8) // 2 + truth // 2
    expected = [
        np.mean([ssim(prediction[i][None], truth[j][None]) < ssim(prediction[i][None], truth[i][None]) for j in others])
        for i, others in ((i, [j for j in range(6) if j != i]) for i in range(6))
    ]
    np.testing.assert_allclose(TwoWayStructuralSimilarity().update(prediction, truth).compute(), expected)
    errors = pairwise_mse(prediction, truth)
    found = TwoWayMeanSquaredError().update(prediction, truth).compute()
    np.testing.assert_array_equal(found, two_way_by_similarity(-errors))


def test_two_way_ssim_takes_either_window_and_says_which(photographs):
    truth = photographs[:, ::4, ::4]
    prediction = np.roll(truth, 2, axis=1)
    metric = TwoWayStructuralSimilarity(window="uniform7")
    assert "flat 7 x 7 window" in metric.definition.text
    assert "Gaussian window" in TwoWayStructuralSimilarity().definition.text
    expected = two_way_by_similarity(pairwise_ssim(prediction, truth, "uniform7"), tolerance=1e-6)
    np.testing.assert_array_equal(metric.update(prediction, truth).compute(), expected)
    with pytest.raises(InputValueError, match="do not mix"):
        metric.merge(TwoWayStructuralSimilarity())
    with pytest.raises(UnknownNameError, match="gaussian, uniform7"):
        TwoWayStructuralSimilarity(window="flat")


def test_ties_are_seen_when_one_side_is_float32():
    """Over two features all correlations are 1 or -1, whatever the precision of either side."""
    rng = np.random.default_rng(0)
    prediction = rng.normal(size=(80, 2))
    truth = (prediction + rng.normal(size=(80, 2))).astype(np.float32)
    expected = two_way_identification(prediction.astype(np.float32), truth)
    np.testing.assert_array_equal(two_way_identification(prediction, truth), expected)
    assert expected.mean() < 0.4
