from __future__ import annotations

import hypothesis.strategies as st
import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.statistics import permutation, permutation_correlations, permutation_p_value


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_p_is_uniform_under_the_null(dtype):
    rng = np.random.default_rng(0)
    prediction, response = rng.normal(size=(2, 60, 1500)).astype(dtype)
    p = permutation_correlations(prediction, response, permutations=199, seed=1).p_values
    # permutations are shared by units, which leaves each p uniform
    assert scipy.stats.kstest(p, "uniform").statistic < 0.06
    assert (p <= 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_p_of_the_median_is_uniform_under_the_null_for_dependent_units():
    rng = np.random.default_rng(1)
    p = []
    for seed in range(150):
        shared = rng.normal(size=(2, 40, 1))
        prediction, response = shared + rng.normal(size=(2, 40, 20))
        p.append(permutation_correlations(prediction, response, permutations=99, seed=seed).median_p_values[0])
    assert scipy.stats.kstest(p, "uniform").statistic < 0.12


def test_agrees_with_scipys_permutation_test():
    rng = np.random.default_rng(2)
    response = rng.normal(size=(25, 3))
    prediction = rng.normal(size=(25, 3)) + [0.0, 0.3, 0.6] * response
    p = permutation_correlations(prediction, response, permutations=4999).p_values
    for unit in range(3):
        test = scipy.stats.PermutationMethod(n_resamples=4999, rng=np.random.default_rng(3))
        expected = scipy.stats.pearsonr(prediction[:, unit], response[:, unit], alternative="greater", method=test)
        assert p[unit] == pytest.approx(expected.pvalue, abs=0.025)


def test_equals_plain_loops_over_the_same_permutations():
    rng = np.random.default_rng(4)
    response = rng.normal(size=(15, 6))
    prediction = rng.normal(size=(15, 6)) + 0.5 * response
    sets = np.array([[True] * 3 + [False] * 3, [False] * 2 + [True] * 4])
    test = permutation_correlations(prediction, response, permutations=50, seed=7, sets=sets)
    orders = np.random.default_rng(7)
    null = np.array([[np.corrcoef(prediction[order, u], response[:, u])[0, 1] for u in range(6)]
                     for order in (orders.permutation(15) for _ in range(50))])  # fmt: skip
    observed = np.array([np.corrcoef(prediction[:, u], response[:, u])[0, 1] for u in range(6)])
    np.testing.assert_allclose(test.p_values, (1 + (null >= observed).sum(axis=0)) / 51)
    medians = np.stack([np.median(null[:, members], axis=1) for members in sets], axis=1)
    np.testing.assert_allclose(test.null_medians, medians, rtol=1e-9)
    expected = [(1 + (medians[:, k] >= np.median(observed[sets[k]])).sum()) / 51 for k in range(2)]
    np.testing.assert_allclose(test.median_p_values, expected)


def test_blocks_and_tiles_give_the_same_numbers(monkeypatch):
    rng = np.random.default_rng(5)
    prediction, response = rng.normal(size=(2, 20, 30))
    whole = permutation_correlations(prediction, response, permutations=40)
    monkeypatch.setattr(permutation, "NULL_BYTES", 2000)
    monkeypatch.setattr(permutation, "CACHE_BYTES", 1000)
    blocks = permutation_correlations(prediction, response, permutations=40)
    np.testing.assert_array_equal(blocks.p_values, whole.p_values)
    np.testing.assert_allclose(blocks.null_medians, whole.null_medians, rtol=1e-9)


def test_undefined_units_are_nan_with_one_warning_and_in_no_median():
    rng = np.random.default_rng(6)
    prediction, response = rng.normal(size=(2, 20, 5))
    alone = permutation_correlations(prediction[:, 2:], response[:, 2:], permutations=30)
    response[:, 0] = np.nan
    prediction[:, 1] = 0.1
    with pytest.warns(UndefinedScoreWarning, match="NaN for 2 of 5 units") as record:
        test = permutation_correlations(prediction, response, permutations=30)
    assert len(record) == 1
    np.testing.assert_array_equal(np.isnan(test.p_values), [True, True, False, False, False])
    np.testing.assert_allclose(test.null_medians, alone.null_medians, rtol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_perfect_prediction_has_the_smallest_p(dtype):
    response = np.random.default_rng(7).normal(size=(30, 4)).astype(dtype)
    test = permutation_correlations(response * 1e3 + 5e5, response, permutations=99)
    np.testing.assert_allclose(test.p_values, 0.01)


def test_equal_correlations_count_as_equal_in_any_order_of_summation():
    """Two values: every permutation keeps or reverses the pairs, so half of them tie with what was observed."""
    prediction = np.array([[0.1], [0.7]] * 8)
    p = permutation_correlations(prediction, prediction[::-1] * 3, permutations=999, seed=1).p_values
    r = [
        np.corrcoef(prediction[np.random.default_rng(s).permutation(16), 0], prediction[::-1, 0])[0, 1]
        for s in range(999)
    ]
    assert p == pytest.approx(np.mean(np.array(r) >= -1 - 1e-9), abs=0.01)


@settings(deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=50), st.floats(-3, 3))
def test_p_counts_the_observed_score_itself(null, observed):
    values = np.array(null)
    assert permutation_p_value(observed, values) == (1 + (values >= observed).sum()) / (1 + len(null))
    assert permutation_p_value(observed, values, "less") == (1 + (values <= observed).sum()) / (1 + len(null))
    smaller = min(permutation_p_value(observed, values, side) for side in ("greater", "less"))
    assert permutation_p_value(observed, values, "two-sided") == pytest.approx(min(1, 2 * smaller))


def test_p_of_an_undefined_score_is_undefined_and_an_undefined_null_is_no_evidence():
    null = np.array([[0.0, 0.0], [np.nan, 0.0]])
    np.testing.assert_array_equal(permutation_p_value([1.0, np.nan], null), [2 / 3, np.nan])


def test_wrong_arguments_are_named():
    with pytest.raises(UnknownNameError, match="greater, less, two-sided"):
        permutation_p_value(0.0, [1.0], "larger")
    with pytest.raises(InputValueError, match=r"\(3, 2\).*\(3,\)"):
        permutation_p_value([0.0, 0.0, 0.0], np.zeros((3, 2)))
    with pytest.raises(InputValueError, match="permutations must be at least 1"):
        permutation_correlations(np.eye(3), np.eye(3), permutations=0)
    with pytest.raises(InputValueError, match=r"\(3, 3\).*\(3, 2\)"):
        permutation_correlations(np.eye(3), np.eye(3)[:, :2])
