from __future__ import annotations

import numpy as np
import pytest
import scipy.stats

from braincodec.errors import InputValueError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.encoding.weighted import weighted_correlation
from braincodec.evaluation.statistics import (
    bootstrap_weights,
    compare_predictions,
    false_discovery_rate,
    percentile_interval,
)


def _models(seed: int, stimuli: int, units: int, noise_a: float, noise_b: float):
    """Two predictions that share an error, so that their correlations with the response go up and down together."""
    rng = np.random.default_rng(seed)
    response = rng.normal(size=(stimuli, units))
    shared = response + rng.normal(size=(stimuli, units))
    return (*(shared + noise * rng.normal(size=(stimuli, units)) for noise in (noise_a, noise_b)), response)


def test_bootstrap_interval_of_a_correlation_covers_it_as_often_as_promised():
    rng = np.random.default_rng(0)
    response = rng.normal(size=(200, 1200))
    prediction = 0.6 * response + 0.8 * rng.normal(size=(200, 1200))
    low, high = percentile_interval(weighted_correlation(prediction, response, bootstrap_weights(200, 600, seed=1)))
    assert ((low < 0.6) & (high > 0.6)).mean() == pytest.approx(0.95, abs=0.025)


def test_equals_plain_loops_over_the_same_samples():
    a, b, response = _models(1, 30, 4, 1.0, 2.0)
    sets = np.array([[True, True, True, False]])
    comparison = compare_predictions(a, b, response, draws=50, seed=3, sets=sets)

    def difference(rows):
        return np.array(
            [np.corrcoef(a[rows, u], response[rows, u])[0, 1] - np.corrcoef(b[rows, u], response[rows, u])[0, 1]
             for u in range(4)]
        )  # fmt: skip

    samples = [np.repeat(np.arange(30), row.astype(int)) for row in bootstrap_weights(30, 50, seed=3)]
    replicates = np.array([difference(rows) for rows in samples])
    np.testing.assert_allclose(comparison.difference, difference(np.arange(30)), rtol=1e-9)
    np.testing.assert_allclose(comparison.low, np.quantile(replicates, 0.025, axis=0), rtol=1e-9)
    np.testing.assert_allclose(comparison.high, np.quantile(replicates, 0.975, axis=0), rtol=1e-9)
    np.testing.assert_allclose(comparison.median_difference, np.median(comparison.difference[:3]), rtol=1e-12)
    medians = np.median(replicates[:, :3], axis=1)
    np.testing.assert_allclose(comparison.median_low, np.quantile(medians, 0.025), rtol=1e-9)
    np.testing.assert_allclose(comparison.median_high, np.quantile(medians, 0.975), rtol=1e-9)
    np.testing.assert_allclose(comparison.q_values, false_discovery_rate(comparison.p_values))


def test_equally_good_models_differ_as_rarely_as_promised():
    a, b, response = _models(2, 200, 1000, 1.0, 1.0)
    comparison = compare_predictions(a, b, response, draws=400)
    assert (comparison.p_values < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert scipy.stats.kstest(comparison.p_values, "uniform").statistic < 0.06
    assert (comparison.q_values < 0.05).sum() <= 3
    assert comparison.median_low[0] < 0 < comparison.median_high[0]


def test_a_better_model_is_found_better():
    a, b, response = _models(3, 300, 50, 0.5, 1.5)
    comparison = compare_predictions(a, b, response, draws=300)
    assert (comparison.low > 0).mean() > 0.95
    assert comparison.median_low[0] > 0
    assert comparison.median_p_values[0] == pytest.approx(2 / 301)
    swapped = compare_predictions(b, a, response, draws=300)
    np.testing.assert_allclose(swapped.difference, -comparison.difference, rtol=1e-12)
    np.testing.assert_allclose(swapped.low, -comparison.high, rtol=1e-9)


def test_paired_interval_is_narrower_than_two_separate_ones():
    a, b, response = _models(4, 200, 30, 0.3, 0.4)
    paired = compare_predictions(a, b, response, draws=300)
    replicates = [
        weighted_correlation(model, response, bootstrap_weights(200, 300, seed)) for model, seed in ((a, 0), (b, 1))
    ]
    low, high = percentile_interval(replicates[0] - replicates[1])
    assert (paired.high - paired.low < 0.8 * (high - low)).all()


def test_undefined_units_are_nan_with_one_warning():
    a, b, response = _models(5, 40, 4, 1.0, 1.0)
    b[:, 1] = 0.1
    response[:, 2] = np.nan
    with pytest.warns(UndefinedScoreWarning, match="difference is NaN for 2 of 4 units") as record:
        comparison = compare_predictions(a, b, response, draws=20)
    assert len(record) == 1
    assert record[0].filename == __file__
    for values in (comparison.difference, comparison.low, comparison.p_values, comparison.q_values):
        np.testing.assert_array_equal(np.isnan(values), [False, True, True, False])
    assert np.isfinite(comparison.median_low).all()


def test_shapes_that_differ_are_named():
    with pytest.raises(InputValueError, match=r"prediction B has shape \(4, 3\) and response \(4, 2\)"):
        compare_predictions(np.zeros((4, 2)), np.zeros((4, 3)), np.zeros((4, 2)))
