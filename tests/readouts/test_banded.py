from __future__ import annotations

import warnings

import numpy as np
import pytest

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation import r2_determination
from braincodec.readouts import ReadoutWarning, banded_ridge_cv, dirichlet_draws, make_folds, ridge_cv
from braincodec.readouts import banded as banded_module

from . import plain_ridge as plain

ALPHAS = np.logspace(-1, 3, 6)


def spaces_and_responses(stimuli=120, features=(6, 9), units=12, seed=0):
    found = [plain.signal(stimuli, size, units, seed=seed + number) for number, size in enumerate(features)]
    share = np.linspace(0, 1, units, dtype=np.float32)
    responses = share * found[0][1] + (1 - share) * found[1][1]
    return {f"space {number}": one[0] for number, one in enumerate(found)}, responses


def textbook(spaces, responses, draws, alphas, folds, centre):
    """Best score of each draw and unit, shape (draws, units)."""
    found = []
    for draw in draws:
        scaled = np.concatenate(
            [np.sqrt(d) * np.float64(x) for d, x in zip(draw, spaces.values(), strict=True)], axis=1
        )
        found.append(plain.scores(scaled, responses, alphas, folds, centre).max(axis=0))
    return np.array(found)


@pytest.mark.parametrize("features", [(6, 9), (60, 90)])  # by features, by kernels
@pytest.mark.parametrize("alphas", [[2.0], ALPHAS])  # by factorisations, by eigenvectors
@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("count", [2, 5])  # more, and fewer, held-out stimuli than features
def test_scores_are_those_of_the_textbook(features, alphas, centre, count):
    spaces, responses = spaces_and_responses(features=features)
    responses = responses + (3 if centre else 0)
    folds = make_folds(120, count)
    draws = dirichlet_draws(6, 2)
    fit = banded_ridge_cv(spaces, responses, alphas, draws=draws, folds=folds, fit_intercept=centre, dtype="float64")
    expected = textbook(spaces, responses, draws, alphas, folds, centre)
    np.testing.assert_allclose(fit.scores, expected, rtol=1e-6)
    np.testing.assert_array_equal(fit.draw, expected.argmax(axis=0))
    np.testing.assert_allclose(fit.score, expected.max(axis=0), rtol=1e-8)
    whole = np.concatenate(list(spaces.values()), axis=1)
    sizes = [x.shape[1] for x in spaces.values()]
    means = (whole.mean(0, dtype=float), responses.mean(0, dtype=float)) if centre else (0, 0)
    for unit in range(12):
        scale = np.sqrt(np.repeat(draws[fit.draw[unit]], sizes))
        weights = plain.weights((whole - means[0]) * scale, responses - means[1], fit.alpha[unit])[:, unit] * scale
        np.testing.assert_allclose(fit.weights[:, unit], weights, atol=1e-8)
    partial = fit.partial_predictions(spaces)
    np.testing.assert_allclose(partial.sum(axis=0) + fit.intercept, fit.predict(spaces), atol=1e-10)
    np.testing.assert_allclose(whole @ fit.weights + fit.intercept, fit.predict(spaces), atol=1e-6)


def test_one_space_is_ridge_regression():
    features, responses = plain.signal(100, 12, 8)
    banded = banded_ridge_cv({"only": features}, responses, ALPHAS, draws=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadoutWarning)
        ridge = ridge_cv(features, responses, ALPHAS)
    np.testing.assert_array_equal(banded.alpha, ridge.alpha)
    np.testing.assert_allclose(banded.weights, ridge.weights, atol=1e-5)
    np.testing.assert_allclose(banded.score, ridge.score, rtol=1e-5)


def test_an_identity_of_draws_picks_the_space_that_made_the_unit():
    spaces, responses = spaces_and_responses()
    fit = banded_ridge_cv(spaces, responses, ALPHAS, draws=np.eye(2))
    assert fit.draw[0] == 1
    assert fit.draw[-1] == 0
    unused = fit.weights[fit.spaces["space 0"], 0]
    assert (unused == 0).all()


def test_blocks_of_units_change_nothing(monkeypatch):
    spaces, responses = spaces_and_responses(units=30)
    responses[:, 17] = np.nan
    responses[:, 3] = 1.0
    with pytest.warns(ReadoutWarning, match="1 of 30 units are NaN .* 1 of 30 units do not vary"):
        whole = banded_ridge_cv(spaces, responses, draws=8)
    monkeypatch.setattr(banded_module, "BLOCK_BYTES", 9 * 3300)
    asked = []

    def read(units):
        asked.append(units)
        return responses[:, units]

    with pytest.warns(ReadoutWarning, match="1 of 30"):
        parts = banded_ridge_cv(spaces, read, draws=8, units=30)
    assert len(asked) > 3
    np.testing.assert_array_equal(parts.draw, whole.draw)
    np.testing.assert_allclose(parts.weights, whole.weights, atol=1e-5)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=1e-4, atol=1e-6)
    assert np.isnan(parts.weights[:, 17]).all()
    assert parts.draw[17] == -1
    assert np.isnan(parts.space_weights[:, 17]).all()
    assert (np.abs(parts.weights[:, 3]) < 1e-12).all()


def test_parts_of_the_variance_add_up_and_go_to_their_makers():
    spaces, responses = spaces_and_responses(stimuli=300)
    train = {name: values[:200] for name, values in spaces.items()}
    test = {name: values[200:] for name, values in spaces.items()}
    fit = banded_ridge_cv(train, responses[:200], ALPHAS, draws=20)
    parts = fit.variance_partition(test, responses[200:])
    np.testing.assert_allclose(parts.sum("space"), r2_determination(fit.predict(test), responses[200:]), atol=1e-5)
    assert parts.sel(space="space 1")[0] > 0.2
    assert abs(parts.sel(space="space 0")[0]) < 0.05
    assert parts.sel(space="space 0")[-1] > 0.2


def test_the_seed_decides_draws_and_folds():
    spaces, responses = spaces_and_responses()
    fits = [banded_ridge_cv(spaces, responses, draws=5, seed=seed) for seed in (1, 1, 2)]
    np.testing.assert_array_equal(fits[0].scores, fits[1].scores)
    assert not np.array_equal(fits[0].draws, fits[2].draws)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": np.ones((3, 5))}, r"draws must have shape \(draws, 2\)"),
        ({"draws": -np.ones((3, 2))}, "at least 0"),
        ({"draws": np.zeros((3, 2))}, "not all 0"),
        ({"draws": 0}, "at least one draw"),
        ({"concentration": 0.0}, "concentration must be positive"),
        ({"folds": 500}, "folds is 500; expected 2 or more"),
        ({"alphas": [0.0]}, "alphas must be positive"),
        ({"weights_out": np.zeros((3, 3))}, r"they have shape \(15, 12\)"),
    ],
)
def test_impossible_options_are_refused(options, message):
    spaces, responses = spaces_and_responses()
    with pytest.raises(InputValueError, match=message):
        banded_ridge_cv(spaces, responses, **options)


def test_spaces_that_do_not_fit_are_refused():
    spaces, responses = spaces_and_responses()
    with pytest.raises(InputTypeError, match="must be a mapping of names"):
        banded_ridge_cv(list(spaces.values()), responses)
    with pytest.raises(InputValueError, match="there is no feature space"):
        banded_ridge_cv({}, responses)
    with pytest.raises(InputValueError, match=r"different numbers of stimuli: .*'space 1': 119"):
        banded_ridge_cv(spaces | {"space 1": spaces["space 1"][1:]}, responses)
    with pytest.raises(InputValueError, match="all 2 features 'flat' are constant"):
        banded_ridge_cv(spaces | {"flat": np.ones((120, 2))}, responses)
    fit = banded_ridge_cv(spaces, responses, draws=2)
    with pytest.raises(InputValueError, match="of the spaces space 0; expected space 0, space 1"):
        fit.predict({"space 0": spaces["space 0"]})
