from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge, RidgeCV
from sklearn.model_selection import GridSearchCV, ShuffleSplit

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.readouts import ReadoutWarning, make_folds, ridge_cv

from . import plain_ridge as plain

ALPHAS = np.logspace(-2, 4, 13)


def quiet(*args, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ReadoutWarning)
        return ridge_cv(*args, **options)


@pytest.mark.parametrize("shape", [(60, 10), (60, 55), (40, 100), (200, 20)])
@pytest.mark.parametrize("centre", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_scores_and_weights_are_those_of_the_textbook(shape, centre, dtype):
    features, responses = plain.signal(*shape, units=7, offset=3.0 if centre else 0.0)
    folds = make_folds(len(features), 4)
    fit = quiet(features, responses, ALPHAS, folds=folds, fit_intercept=centre, dtype=dtype)
    expected = plain.scores(features, responses, ALPHAS, folds, centre)
    tolerance = 2e-5 if dtype == "float32" else 1e-9
    np.testing.assert_allclose(fit.scores, expected, rtol=tolerance, atol=tolerance)
    assert fit.weights.dtype == dtype
    means = (features.mean(0, dtype=float), responses.mean(0, dtype=float)) if centre else (0, 0)
    for unit, alpha in enumerate(fit.alpha):
        weights = plain.weights(features - means[0], responses - means[1], alpha)[:, unit]
        np.testing.assert_allclose(fit.weights[:, unit], weights, atol=tolerance * np.abs(weights).max())


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 40), st.integers(1, 50), st.integers(1, 6), st.integers(2, 4), st.booleans(), st.integers(0, 99))
def test_any_shape_gives_the_best_of_the_textbooks_scores(stimuli, features, units, count, centre, seed):
    x, y = plain.signal(stimuli, features, units, seed=seed)
    folds = make_folds(stimuli, count, seed=seed)
    fit = quiet(x, y, ALPHAS, folds=folds, fit_intercept=centre, dtype="float64")
    expected = plain.scores(x, y, ALPHAS, folds, centre)
    np.testing.assert_allclose(fit.scores, expected, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(fit.score, expected.max(axis=0), rtol=1e-6, atol=1e-8)


def test_each_unit_chooses_for_itself_as_scikit_learn_would():
    features, responses = plain.signal(90, 20, 6, noise=2.0)
    folds = [(fold.train, fold.validation) for fold in make_folds(90, 5)]
    fit = quiet(features, responses, ALPHAS, folds=folds)
    for unit in range(6):
        search = GridSearchCV(Ridge(), {"alpha": ALPHAS}, scoring="neg_mean_squared_error", cv=folds)
        search.fit(np.float64(features), responses[:, unit])
        assert fit.alpha[unit] == search.best_params_["alpha"]
        np.testing.assert_allclose(fit.score[unit], search.best_score_, rtol=1e-5)
        np.testing.assert_allclose(fit.weights[:, unit], search.best_estimator_.coef_, atol=1e-5)
        np.testing.assert_allclose(fit.intercept[unit], search.best_estimator_.intercept_, atol=1e-5)


def test_leaving_one_out_is_scikit_learns_generalised_cross_validation():
    features, responses = plain.signal(25, 6, 3)
    fit = quiet(features, responses, ALPHAS, folds=25, fit_intercept=False, dtype="float64")
    for unit in range(3):
        other = RidgeCV(ALPHAS, fit_intercept=False, store_cv_results=True).fit(
            np.float64(features), responses[:, unit]
        )
        np.testing.assert_allclose(fit.scores[:, unit], -other.cv_results_.mean(axis=0), rtol=1e-8)
        assert fit.alpha[unit] == other.alpha_


def test_overlapping_folds_that_leave_stimuli_out_are_scored_right():
    features, responses = plain.signal(50, 8, 4)
    folds = make_folds(50, ShuffleSplit(6, test_size=0.2, train_size=0.5, random_state=0))
    fit = quiet(features, responses, ALPHAS, folds=folds, dtype="float64")
    np.testing.assert_allclose(fit.scores, plain.scores(features, responses, ALPHAS, folds), rtol=1e-9)


@pytest.mark.parametrize("shape", [(60, 12), (30, 80)])
def test_kernel_and_primal_form_agree(shape):
    features, responses = plain.signal(*shape, units=5, offset=2.0)
    primal, kernel = (quiet(features, responses, ALPHAS, form=form) for form in ("primal", "kernel"))
    np.testing.assert_allclose(primal.scores, kernel.scores, rtol=1e-4)
    np.testing.assert_array_equal(primal.alpha, kernel.alpha)
    np.testing.assert_allclose(primal.weights, kernel.weights, atol=1e-5 * np.abs(primal.weights).max())
    np.testing.assert_allclose(primal.intercept, kernel.intercept, atol=1e-4)


def test_one_alpha_for_all_is_that_of_the_best_mean_score():
    features, responses = plain.signal(80, 15, 9, noise=2.0)
    folds = make_folds(80, 5)
    fit = quiet(features, responses, ALPHAS, folds=folds, one_alpha=True)
    expected = plain.scores(features, responses, ALPHAS, folds)
    best = expected.mean(axis=1).argmax()
    assert set(fit.alpha) == {ALPHAS[best]}
    np.testing.assert_allclose(fit.score, expected[best], rtol=1e-4)
    assert len(set(quiet(features, responses, ALPHAS, folds=folds).alpha)) > 1


def test_large_means_do_no_harm_in_float32():
    features, responses = plain.signal(100, 10, 4, noise=0.1)
    moved = quiet(np.float64(features) + 1e4, np.float64(responses) + 1e5, ALPHAS)
    still = quiet(features, responses, ALPHAS)
    np.testing.assert_allclose(moved.weights, still.weights, atol=1e-4)
    np.testing.assert_allclose(moved.scores, still.scores, rtol=1e-3, atol=1e-5)


def test_weak_directions_keep_their_accuracy_in_float32():
    random = np.random.default_rng(0)
    rotation = np.linalg.qr(random.normal(size=(20, 20)))[0]
    strength = np.logspace(0, -4, 20)
    features = random.normal(size=(500, 20)) * strength @ rotation
    responses = (features @ rotation.T / strength) @ random.normal(size=(20, 3))
    fit = quiet(features, responses, [1e-9, 1.0], fit_intercept=False)
    expected = plain.weights(features, responses, 1e-9)
    assert np.abs(fit.weights - expected).max() <= 1e-4 * np.abs(expected).max()


def test_prediction_and_cross_validated_r2():
    features, responses = plain.signal(300, 10, 4, noise=1.0, offset=1.0)
    fit = quiet(features[:200], responses[:200], ALPHAS)
    predicted = fit.predict(features[200:])
    r2 = 1 - ((predicted - responses[200:]) ** 2).mean(0) / responses[200:].var(0)
    assert predicted.shape == (100, 4)
    np.testing.assert_allclose(r2, fit.r2, atol=0.15)
    with pytest.raises(InputValueError, match="features have 9 columns; the readout was fitted on 10"):
        fit.predict(features[:, :9])


def test_shuffled_pairs_predict_nothing():
    features, responses = plain.signal(400, 10, 30, noise=0.5)
    fit = quiet(features, np.random.default_rng(1).permutation(responses), np.logspace(-2, 8, 11))
    assert np.median(fit.r2) < 0.01
    assert quiet(features, responses, ALPHAS).r2.min() > 0.5


def test_default_strengths_suit_features_of_any_scale():
    features, responses = plain.signal(200, 20, 5)
    for scale in (1e-4, 1.0, 1e4):
        fit = ridge_cv(features * scale, responses)
        assert not fit.at_smallest_alpha.any()
        np.testing.assert_allclose(fit.score, quiet(features, responses, ALPHAS).score, rtol=0.05)


def test_units_at_the_edges_of_the_grid_are_reported():
    features, responses = plain.signal(100, 5, 20, noise=0.01)
    responses[:, 10:] = np.random.default_rng(3).normal(size=(100, 10))
    with pytest.warns(ReadoutWarning, match="1. of 20 units chose the smallest strength, 10"):
        fit = ridge_cv(features, responses, [10.0, 100.0, 1e6])
    assert fit.at_smallest_alpha[:10].all()
    assert not (fit.at_smallest_alpha & fit.at_largest_alpha).any()
    assert fit.at_largest_alpha[10:].mean() > 0.5
    assert "3 strengths from 10 to 1e+06, 1" in fit.summary()


def test_a_unit_without_data_stays_nan_and_leaves_the_others_alone():
    features, responses = plain.signal(60, 8, 5)
    whole = quiet(features, responses, ALPHAS)
    responses[:, 2] = np.nan
    with pytest.warns(ReadoutWarning, match="1 of 5 units are NaN for every stimulus and stay NaN"):
        fit = ridge_cv(features, responses, ALPHAS)
    assert fit.missing.tolist() == [False, False, True, False, False]
    for values in (fit.alpha, fit.score, fit.intercept, fit.weights[0], fit.r2, fit.predict(features)[0]):
        assert np.isnan(values).tolist() == fit.missing.tolist()
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(fit.alpha[others], whole.alpha[others])
    np.testing.assert_allclose(fit.weights[:, others], whole.weights[:, others], rtol=1e-5, atol=1e-6)
    assert "1 without data" in fit.summary()


@pytest.mark.parametrize("one_alpha", [True, False])
def test_a_unit_that_does_not_vary_is_predicted_as_it_is(one_alpha):
    features, responses = plain.signal(60, 8, 3)
    responses[:, 1] = 0.1
    with pytest.warns(ReadoutWarning, match="1 of 3 units do not vary"):
        fit = ridge_cv(features, responses, ALPHAS, one_alpha=one_alpha)
    assert (fit.weights[:, 1] == 0).all()
    np.testing.assert_allclose(fit.predict(features)[:, 1], 0.1, rtol=1e-6)
    assert np.isnan(fit.r2[1])
    assert fit.constant.tolist() == [False, True, False]
    assert not fit.at_largest_alpha[1]


def test_constant_and_repeated_features_are_harmless():
    features, responses = plain.signal(60, 8, 3)
    fit = quiet(features, responses, ALPHAS)
    more = np.concatenate([features, np.full((60, 1), 7, np.float32), np.zeros((60, 1), np.float32)], axis=1)
    padded = quiet(more, responses, ALPHAS)
    np.testing.assert_allclose(padded.scores, fit.scores, rtol=1e-5)
    np.testing.assert_allclose(padded.weights, np.pad(fit.weights, ((0, 2), (0, 0))), atol=1e-5)
    twice = quiet(np.concatenate([features, features], axis=1), responses, 2 * ALPHAS)
    folds = make_folds(60, 5)
    expected = plain.scores(np.concatenate([features, features], axis=1), responses, 2 * ALPHAS, folds)
    np.testing.assert_allclose(twice.scores, expected, rtol=1e-4)


def test_features_that_vary_only_where_they_are_held_out_are_harmless():
    features, responses = plain.signal(60, 4, 3)
    folds = make_folds(60, 5)
    features[:, 3] = 0
    features[folds[0].validation, 3] = 1
    fit = quiet(features, responses, ALPHAS, folds=folds)
    np.testing.assert_allclose(fit.scores, plain.scores(features, responses, ALPHAS, folds), rtol=1e-4)


def test_whole_numbers_and_half_floats_are_features_and_responses():
    features, responses = plain.signal(50, 5, 2)
    rough = quiet(features.astype(np.float16), responses.astype(np.float16), ALPHAS)
    np.testing.assert_allclose(rough.weights, quiet(features, responses, ALPHAS).weights, atol=0.05)
    counts = np.random.default_rng(0).poisson(3, size=(50, 2))
    assert np.isfinite(quiet((features * 10).astype(int), counts, ALPHAS).weights).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: (x[:1], y[:1]), "at least 2 stimuli"),
        (lambda x, y: (x[:4], y[:4]), "folds is 5; expected 2 or more, and at most the number of stimuli: 4"),
        (lambda x, y: (x[:-1], y), "features have 29 stimuli and responses 30"),
        (lambda x, y: (x, y[:, 0]), r"responses must have shape \(stimuli, units\), not \(30,\)"),
        (lambda x, y: (x[0], y), "features must have shape"),
        (lambda x, y: (x[:, :0], y), "features must have shape"),
        (lambda x, y: (x, y[:, :0]), "responses have no unit"),
        (lambda x, y: (np.ones_like(x), y), "all 6 features are constant over the 30 stimuli"),
        (
            lambda x, y: (np.where(x == x[3, 2], np.nan, x), y),
            "1 values that are NaN or infinite.* stimulus 3, feature 2",
        ),
        (lambda x, y: (x, np.where(y == y[4, 1], np.inf, y)), "1 units have responses .* at stimulus 4, unit 1"),
        (lambda x, y: (x, np.where(y == y[4, 1], np.nan, y)), "1 units have responses .* at stimulus 4, unit 1"),
    ],
)
def test_impossible_input_is_refused_in_words(change, message):
    with pytest.raises(InputValueError, match=message):
        ridge_cv(*change(*plain.signal(30, 6, 3)), ALPHAS)


def test_wrong_kinds_are_refused():
    features, responses = plain.signal(30, 6, 3)
    with pytest.raises(InputTypeError, match="features must hold real numbers"):
        ridge_cv(features.astype(complex), responses)
    with pytest.raises(InputTypeError, match="responses must hold real numbers"):
        ridge_cv(features, responses.astype(str))
    with pytest.raises(UnknownNameError, match="unknown form of ridge regression 'dual'"):
        ridge_cv(features, responses, form="dual")
    with pytest.raises(UnknownNameError, match="available: float32, float64"):
        ridge_cv(features, responses, dtype="bfloat16")
    with pytest.raises(UnknownNameError, match="unknown device"):
        ridge_cv(features, responses, device="abacus")


def test_folds_whose_training_features_do_not_vary_predict_the_mean():
    features, responses = plain.signal(40, 3, 2)
    features[:30] = 1.0
    folds = [(np.arange(30), np.arange(30, 40)), (np.arange(10, 40), np.arange(10))]
    fit = quiet(features, responses, ALPHAS, folds=folds)
    np.testing.assert_allclose(fit.scores, plain.scores(features, responses, ALPHAS, make_folds(40, folds)), rtol=1e-4)


def test_one_stimulus_to_fit_on_is_refused_only_with_an_intercept():
    with pytest.raises(InputValueError, match="fold 0 is fitted on 1 stimulus; with an intercept at least 2"):
        ridge_cv([[1.0], [2.0]], [[2.0], [4.0]], ALPHAS, folds=2)
    fit = quiet([[1.0], [2.0]], [[2.0], [4.0]], [1.0], folds=2, fit_intercept=False, dtype="float64", shuffle=False)
    # fitted on the second, 8 / 5 predicts 2; fitted on the first, 2 * 2 / 2 predicts 4
    np.testing.assert_allclose(fit.score, [-((2 - 8 / 5) ** 2 + (4 - 2) ** 2) / 2])
    np.testing.assert_allclose(fit.weights, [[10 / 6]])
