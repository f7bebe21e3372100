from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from braincodec.errors import InputValueError
from braincodec.readouts import ReadoutWarning, least_squares
from braincodec.readouts import targets as targets_module

from . import plain_ridge as plain


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(1, 12), st.integers(1, 5), st.booleans(), st.integers(0, 99))
def test_answers_are_those_of_scikit_learn(stimuli, features, units, centre, seed):
    x, y = plain.signal(stimuli, features, units, seed=seed, offset=2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadoutWarning)
        fit = least_squares(np.float64(x), y, fit_intercept=centre, dtype="float64")
    expected = LinearRegression(fit_intercept=centre).fit(np.float64(x), np.float64(y))
    np.testing.assert_allclose(fit.predict(np.float64(x)), expected.predict(np.float64(x)).reshape(y.shape), atol=1e-6)
    if stimuli > features + 1:
        np.testing.assert_allclose(fit.weights.T, expected.coef_.reshape(units, -1), atol=1e-6, rtol=1e-6)


def test_components_of_falling_variance_are_fitted_in_float32_as_in_float64():
    features, responses = plain.signal(800, 300, 20, noise=1.0)
    components = PCA(100, svd_solver="full").fit_transform(features * np.logspace(2, -1, 300)).astype(np.float32)
    fit = least_squares(components, responses)
    expected = LinearRegression().fit(np.float64(components), np.float64(responses))
    assert fit.rank == 100
    assert np.abs(fit.weights.T - expected.coef_).max() <= 1e-5 * np.abs(expected.coef_).max()


def test_features_that_depend_on_each_other_are_told_and_share():
    features, responses = plain.signal(50, 4, 3)
    with pytest.warns(ReadoutWarning, match="only 4 of 8 features are linearly independent"):
        fit = least_squares(np.concatenate([features, features], axis=1), responses)
    alone = least_squares(features, responses)
    np.testing.assert_allclose(fit.weights, np.concatenate([alone.weights, alone.weights]) / 2, atol=1e-5)


def test_units_without_data_or_variance(monkeypatch):
    monkeypatch.setattr(targets_module, "BLOCK_BYTES", 8 * 50 * 2)
    features, responses = plain.signal(50, 4, 5)
    responses[:, 1], responses[:, 4] = np.nan, 3.0
    with pytest.warns(ReadoutWarning, match="1 of 5 units are NaN .*; 1 of 5 units do not vary"):
        fit = least_squares(features, responses)
    assert np.isnan(fit.predict(features)).all(axis=0).tolist() == [False, True, False, False, False]
    np.testing.assert_array_equal(fit.weights[:, 4], 0)
    assert fit.intercept[4] == 3


def test_impossible_input_is_refused():
    features, responses = plain.signal(50, 4, 5)
    with pytest.raises(InputValueError, match="features have 50 stimuli and responses 49"):
        least_squares(features, responses[1:])
    with pytest.raises(InputValueError, match="all 4 features are constant"):
        least_squares(np.ones((50, 4)), responses)
