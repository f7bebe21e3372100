from __future__ import annotations

import warnings

import numpy as np
import pytest

from braincodec.errors import InputValueError
from braincodec.readouts import ReadoutWarning, best_space_cv, make_folds, ridge_cv

from . import plain_ridge as plain

ALPHAS = np.logspace(-1, 4, 9)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadoutWarning)
        yield


def layers_and_responses(units=10):
    early, first = plain.signal(150, 8, units, seed=1, noise=0.5)
    late, second = plain.signal(150, 200, units, seed=2, noise=0.5)
    return {"early": early, "late": late}, np.where(np.arange(units) % 2 == 0, first, second)


def test_each_unit_gets_its_best_space_with_that_spaces_own_fit():
    layers, responses = layers_and_responses()
    folds = make_folds(150, 5)
    fit = best_space_cv(layers, responses, ALPHAS, folds=folds)
    each = {name: ridge_cv(values, responses, ALPHAS, folds=folds) for name, values in layers.items()}
    expected = np.stack([one.score for one in each.values()])
    np.testing.assert_allclose(fit.scores, expected, rtol=1e-6)
    np.testing.assert_array_equal(fit.space, expected.argmax(axis=0))
    assert fit.counts()["early"] >= 5  # the late layer has more features than can be learnt well
    predicted = fit.predict(layers)
    for unit, number in enumerate(fit.space):
        name = fit.names[number]
        assert fit.alpha[unit] == each[name].alpha[unit]
        column = list(fit.units_of[name]).index(unit)
        np.testing.assert_allclose(fit.weights[name][:, column], each[name].weights[:, unit], atol=5e-6)
        np.testing.assert_allclose(predicted[:, unit], each[name].predict(layers[name])[:, unit], atol=1e-5)


def test_a_unit_without_data_has_no_space():
    layers, responses = layers_and_responses()
    responses[:, 4] = np.nan
    fit = best_space_cv(layers, responses, ALPHAS)
    assert fit.space[4] == -1
    assert np.isnan([fit.alpha[4], fit.score[4], fit.intercept[4], fit.predict(layers)[0, 4]]).all()
    assert sum(fit.counts().values()) == 9


def test_only_spaces_in_use_are_needed_to_predict():
    layers, responses = layers_and_responses()
    fit = best_space_cv(layers | {"noise": np.random.default_rng(0).normal(size=(150, 3))}, responses, ALPHAS)
    assert fit.counts()["noise"] == 0
    assert fit.weights["noise"].shape == (3, 0)
    assert np.isfinite(fit.predict(layers)).all()
    used = next(name for name in layers if fit.counts()[name])
    with pytest.raises(InputValueError, match=f"features of {used}.* are missing; given are noise"):
        fit.predict({"noise": np.zeros((2, 3))})


def test_a_constant_layer_is_named():
    layers, responses = layers_and_responses()
    with pytest.raises(InputValueError, match="all 4 features 'dead' are constant"):
        best_space_cv(layers | {"dead": np.zeros((150, 4))}, responses)
