"""Agreement with himalaya, the field's own implementation of these regressions."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from braincodec.readouts import banded_ridge_cv, dirichlet_draws, make_folds, ridge_cv

from . import plain_ridge as plain

himalaya = pytest.importorskip("himalaya")
backend = pytest.importorskip("himalaya.backend")
ALPHAS = np.logspace(-1, 5, 20)


@pytest.fixture(autouse=True)
def torch_backend():
    before = backend.get_backend().name
    backend.set_backend("torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    backend.set_backend(before)


def agree(alpha, weights, score, scores, other) -> None:
    best = np.sort(scores, axis=0)
    clear = best[-1] - best[-2] > 1e-5
    theirs = other.best_alphas_.numpy()
    same = np.isclose(theirs, alpha, rtol=1e-4)
    assert clear.mean() > 0.9
    assert same[clear].all()
    np.testing.assert_allclose(score, other.cv_scores_.numpy(), atol=5e-6)
    difference = np.abs(other.coef_.numpy() - weights)[:, same].max()
    assert difference <= 1e-5 * np.abs(weights).max()


@pytest.mark.parametrize("shape", [(1000, 100), (300, 250), (200, 400)])
@pytest.mark.parametrize("centre", [True, False])
def test_ridge_chooses_and_weighs_as_himalaya(shape, centre):
    from himalaya.ridge import RidgeCV

    features, responses = plain.signal(*shape, units=200, offset=1.0 if centre else 0.0)
    folds = [(fold.train, fold.validation) for fold in make_folds(shape[0], 5)]
    fit = ridge_cv(features, responses, ALPHAS, folds=folds, fit_intercept=centre)
    other = RidgeCV(alphas=ALPHAS, cv=folds, fit_intercept=centre).fit(features, responses)
    agree(fit.alpha, fit.weights, fit.score, fit.scores, other)
    if centre:
        np.testing.assert_allclose(fit.intercept, other.intercept_.numpy(), atol=1e-3)


def test_ridge_agrees_with_himalayas_kernel_ridge():
    from himalaya.kernel_ridge import KernelRidgeCV

    features, responses = plain.signal(200, 500, 100)
    folds = [(fold.train, fold.validation) for fold in make_folds(200, 4)]
    fit = ridge_cv(features, responses, ALPHAS, folds=folds, fit_intercept=False)
    other = KernelRidgeCV(alphas=ALPHAS, kernel="linear", cv=folds).fit(features, responses)
    same = np.isclose(other.best_alphas_.numpy(), fit.alpha, rtol=1e-4)
    assert same.mean() > 0.95
    weights = features.T @ other.dual_coef_.numpy()
    assert np.abs(weights - fit.weights)[:, same].max() <= 1e-5 * np.abs(weights).max()


@pytest.mark.parametrize("concentration", [(0.1, 1.0), 1.0, (np.inf, 0.5)])
def test_draws_are_himalayas(concentration):
    from himalaya.kernel_ridge import generate_dirichlet_samples

    expected = generate_dirichlet_samples(9, 3, np.atleast_1d(concentration), random_state=4).numpy()
    expected[0] = 1 / 3
    np.testing.assert_array_equal(dirichlet_draws(9, 3, concentration, seed=4), expected)


@pytest.mark.parametrize("features", [20, 80])
@pytest.mark.parametrize("alphas", [[1.0], [0.3, 30.0], np.logspace(-2, 3, 8)])
@pytest.mark.parametrize("centre", [True, False])
def test_banded_ridge_finds_what_himalayas_random_search_finds(features, alphas, centre):
    from himalaya.ridge import GroupRidgeCV

    first, responses = plain.signal(150, features, 40, seed=1)
    second, others = plain.signal(150, features, 40, seed=2)
    third, _ = plain.signal(150, features, 40, seed=3)
    responses = responses + others * np.linspace(0, 1, 40, dtype=np.float32)
    spaces = {"a": first, "b": second, "c": third}
    fit = banded_ridge_cv(spaces, responses, alphas, draws=15, shuffle=False, fit_intercept=centre)
    other = GroupRidgeCV(
        groups="input",
        random_state=0,
        fit_intercept=centre,
        solver_params={"n_iter": 15, "alphas": np.asarray(alphas, np.float32), "progress_bar": False, "warn": False},
    ).fit(list(spaces.values()), responses)
    np.testing.assert_allclose(fit.scores, other.cv_scores_.numpy(), rtol=1e-4)
    ours, theirs = np.log(fit.space_weights / fit.alpha), other.deltas_.numpy()
    same = np.isclose(ours, theirs, atol=1e-3).all(axis=0)
    assert same.mean() >= 0.95
    difference = np.abs(fit.weights - other.coef_.numpy())[:, same].max()
    assert difference <= 2e-5 * np.abs(fit.weights).max()


def test_parts_of_the_variance_are_himalayas():
    from himalaya.scoring import r2_score_split

    first, responses = plain.signal(300, 10, 6, seed=1)
    second, others = plain.signal(300, 10, 6, seed=2)
    responses = responses + others
    train = {"a": first[:200], "b": second[:200]}
    test = {"a": first[200:], "b": second[200:]}
    truth = responses[200:] - responses[200:].mean(axis=0)
    fit = banded_ridge_cv(train, responses[:200], draws=10, fit_intercept=False)
    parts = fit.partial_predictions(test)
    found = fit.variance_partition(test, truth)
    centred = parts - parts.mean(axis=1, keepdims=True)
    expected = r2_score_split(truth, np.float32(centred)).numpy()
    bias = parts.sum(axis=0).mean(axis=0) ** 2 / truth.var(axis=0) / 2  # which himalaya's split leaves out
    np.testing.assert_allclose(found, expected - bias, atol=1e-4)
    assert found.dims == ("space", "unit")


@pytest.mark.slow
def test_ridge_agrees_with_himalaya_at_a_real_size():
    from himalaya.ridge import RidgeCV

    features, responses = plain.signal(3000, 600, 600)
    folds = [(fold.train, fold.validation) for fold in make_folds(3000, 5)]
    fit = ridge_cv(features, responses, ALPHAS, folds=folds, fit_intercept=False)
    other = RidgeCV(alphas=ALPHAS, cv=folds).fit(features, responses)
    agree(fit.alpha, fit.weights, fit.score, fit.scores, other)
