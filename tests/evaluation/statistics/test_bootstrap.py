from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from braincodec.errors import InputValueError
from braincodec.evaluation.statistics import (
    bca_interval_of_mean,
    bootstrap_mean,
    bootstrap_p_value,
    bootstrap_units,
    bootstrap_weights,
    medians_over_units,
    percentile_interval,
)


@settings(deadline=None)
@given(n=st.integers(1, 50), draws=st.integers(1, 20), seed=st.integers(0, 100))
def test_every_sample_has_as_many_stimuli_as_the_set(n, draws, seed):
    weights = bootstrap_weights(n, draws, seed)
    assert weights.shape == (draws, n)
    np.testing.assert_array_equal(weights.sum(axis=1), n)
    np.testing.assert_array_equal(weights, bootstrap_weights(n, draws, seed))


def test_weights_are_counts_of_a_multinomial():
    weights = bootstrap_weights(10, draws=50_000, seed=1)
    expected = scipy.stats.multinomial(10, np.full(10, 0.1)).cov()
    np.testing.assert_allclose(weights.mean(axis=0), 1, atol=0.02)
    np.testing.assert_allclose(np.cov(weights.T), expected, atol=0.02)


def test_weighted_mean_equals_resampling():
    values = np.random.default_rng(0).normal(size=(30, 2))
    weights = bootstrap_weights(30, draws=40)
    copies = [values[np.repeat(np.arange(30), row.astype(int))].mean(axis=0) for row in weights]
    np.testing.assert_allclose(bootstrap_mean(values, weights), copies, rtol=1e-12)
    np.testing.assert_allclose(bootstrap_mean(values[:, 0], weights), np.array(copies)[:, 0], rtol=1e-12)


def test_stimuli_without_a_score_are_left_out_and_infinite_ones_stay_infinite():
    weights = np.array([[1, 1, 1, 1], [2, 2, 0, 0], [0, 0, 2, 2], [0, 0, 4, 0]], np.float32)
    np.testing.assert_array_equal(bootstrap_mean([1, 3, np.nan, 5], weights), [3, 2, 5, np.nan])
    np.testing.assert_array_equal(bootstrap_mean([1, 3, np.inf, 5], weights), [np.inf, 2, np.inf, np.inf])
    with pytest.raises(InputValueError, match="3 stimuli and weights 4"):
        bootstrap_mean([1, 2, 3], weights)


@settings(deadline=None)
@given(level=st.floats(0.5, 0.99), seed=st.integers(0, 100))
def test_percentile_interval_equals_scipys(level, seed):
    values = np.random.default_rng(seed).normal(size=20)
    replicates = bootstrap_mean(values, bootstrap_weights(20, draws=300, seed=seed))
    result = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=0,
        bootstrap_result=_Drawn(replicates),
        method="percentile",
        confidence_level=level,
    )
    np.testing.assert_allclose(percentile_interval(replicates, level), result.confidence_interval, rtol=1e-9)


class _Drawn:
    """Replicates for scipy to make an interval of."""

    def __init__(self, replicates: np.ndarray) -> None:
        self.bootstrap_distribution = replicates


@pytest.mark.parametrize("seed", range(3))
def test_bca_interval_equals_scipys(seed):
    values = np.random.default_rng(seed).exponential(size=25)
    replicates = bootstrap_mean(values, bootstrap_weights(25, draws=2000, seed=seed))
    result = scipy.stats.bootstrap((values,), np.mean, n_resamples=0, bootstrap_result=_Drawn(replicates), method="BCa")
    ours = bca_interval_of_mean(values, draws=2000, seed=seed)
    np.testing.assert_allclose(ours, result.confidence_interval, rtol=1e-9)
    assert ours != pytest.approx(tuple(map(float, percentile_interval(replicates))), rel=1e-3)


def test_bca_interval_of_degenerate_scores():
    assert np.isnan(bca_interval_of_mean([1.0, np.nan])).all()
    assert bca_interval_of_mean([2.0, 2.0, np.nan]) == (2.0, 2.0)


def test_intervals_leave_out_undefined_replicates():
    replicates = np.stack([np.arange(11.0), np.full(11, np.nan), np.r_[np.nan, np.arange(10.0)]], axis=1)
    low, high = percentile_interval(replicates, level=0.8)
    np.testing.assert_allclose(low, [1, np.nan, 0.9])
    np.testing.assert_allclose(high, [9, np.nan, 8.1])


def test_interval_of_infinite_replicates_reaches_infinity():
    low, high = percentile_interval(np.r_[np.arange(90.0), np.full(10, np.inf)])
    assert (low, high) == (2, np.inf)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_level_is_a_share(level):
    with pytest.raises(InputValueError, match="level"):
        percentile_interval([1.0, 2.0], level)


@pytest.mark.parametrize("shift", np.linspace(-3, 3, 25))
def test_bootstrap_p_is_below_five_percent_exactly_when_the_interval_excludes_zero(shift):
    replicates = np.random.default_rng(0).normal(size=999) + shift
    low, high = percentile_interval(replicates)
    p = bootstrap_p_value(replicates)
    assert p == min(1, 2 * (1 + min((replicates <= 0).sum(), (replicates >= 0).sum())) / 1000)
    assert (p < 0.05) == (low > 0 or high < 0)


def _replicate(values):
    return lambda weights, units: bootstrap_mean(values[:, units], weights)


def test_unit_bootstrap_is_the_same_in_bounded_memory():
    values = np.random.default_rng(0).normal(size=(40, 30)) + 0.2
    values[:, 4] = np.nan
    sets = np.random.default_rng(1).random((3, 30)) < 0.5
    weights = bootstrap_weights(40, draws=50)
    whole = bootstrap_units(_replicate(values), 30, weights, sets)
    tiled = bootstrap_units(_replicate(values), 30, weights, sets, replicate_bytes=4000)
    for name in ("low", "high", "p_values", "medians"):
        np.testing.assert_allclose(getattr(tiled, name), getattr(whole, name), rtol=1e-12)
    expected = np.nanmedian(np.where(sets[1], bootstrap_mean(values, weights), np.nan), axis=1)
    np.testing.assert_allclose(whole.medians[:, 1], expected, rtol=1e-12)
    assert np.isnan(whole.low[4]) and np.isnan(whole.p_values[4])


def test_no_more_replicates_are_kept_than_allowed():
    largest = 0

    def replicate(weights, units):
        nonlocal largest
        values = np.zeros((len(weights), units.stop - units.start))
        largest = max(largest, values.nbytes)
        return values

    bootstrap_units(replicate, 1000, bootstrap_weights(5, draws=100), replicate_bytes=80_000)
    assert 0 < largest <= 40_000


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000))
def test_medians_equal_numpys(seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(7, 9))
    values[rng.random((7, 9)) < 0.2] = np.nan
    values[:, 3] = np.nan
    sets = rng.random((2, 9)) < 0.7
    for index, members in enumerate(sets):
        for row in range(7):
            chosen = values[row, members & ~np.isnan(values[row])]
            expected = np.median(chosen) if chosen.size else np.nan
            np.testing.assert_allclose(medians_over_units(values, sets, tile_bytes=100)[row, index], expected)


@pytest.mark.parametrize(("n", "draws"), [(0, 10), (10, 0)])
def test_empty_bootstraps_are_refused(n, draws):
    with pytest.raises(InputValueError, match="at least one"):
        bootstrap_weights(n, draws)


def test_sets_must_be_of_the_units():
    with pytest.raises(InputValueError, match=r"\(2, 3\).*4 units"):
        bootstrap_units(_replicate(np.zeros((5, 4))), 4, bootstrap_weights(5, 2), np.ones((2, 3), bool))
