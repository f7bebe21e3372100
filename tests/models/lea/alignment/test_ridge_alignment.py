"""Ridge between latent spaces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.model_selection import PredefinedSplit, cross_val_predict

from braincodec.errors import InputValueError
from braincodec.models.lea.alignment import LatentMap, fit_alignment, out_of_fold_predictions
from braincodec.readouts import make_folds

from .linear_worlds import world


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("shape", [(120, 8), (40, 90)])
def test_published_strength_is_scikit_learns(intercept, shape):
    source, target = world(*shape)
    found = fit_alignment(source, target, alphas=500.0, intercept=intercept)
    other = Ridge(alpha=500.0, fit_intercept=intercept).fit(source.astype(float), target.astype(float))
    np.testing.assert_allclose(found.weights, other.coef_.T, atol=1e-5)
    np.testing.assert_allclose(found.intercept, other.intercept_, atol=1e-5)
    np.testing.assert_allclose(found.predict(source), other.predict(source.astype(float)), atol=1e-5)
    assert set(found.alpha) == {500.0}


@pytest.mark.parametrize("intercept", [True, False])
@pytest.mark.parametrize("shape", [(60, 8), (30, 50)])
def test_out_of_fold_statistics_are_those_of_scikit_learns_cross_val_predict(intercept, shape):
    source, target = world(*shape)
    labels = np.arange(len(source)) % 4
    found = fit_alignment(source, target, alphas=[0.1, 10.0, 100.0], intercept=intercept, folds=labels)
    predicted = np.stack(
        [
            cross_val_predict(
                Ridge(alpha=float(alpha), fit_intercept=intercept),
                source.astype(float),
                target[:, dimension].astype(float),
                cv=PredefinedSplit(labels),
            )
            for dimension, alpha in enumerate(found.alpha)
        ],
        axis=1,
    )
    folds = make_folds(len(source), labels)
    ours = out_of_fold_predictions(source, target, found.alpha, folds, intercept=intercept)
    np.testing.assert_allclose(ours, predicted, atol=2e-6)
    np.testing.assert_allclose(found.out_of_fold.mean, predicted.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.out_of_fold.std, predicted.std(0), rtol=1e-5)
    np.testing.assert_allclose(found.target.std, target.std(0), rtol=1e-5)
    r2 = 1 - ((predicted - target) ** 2).sum(0) / ((target - target.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(found.r2, r2, atol=1e-5)


@given(
    stimuli=st.integers(20, 60),
    source=st.integers(1, 70),
    target=st.integers(1, 4),
    intercept=st.booleans(),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, deadline=None)
def test_any_shape_is_solved_as_the_normal_equations_say(stimuli, source, target, intercept, seed):
    sources, targets = world(stimuli, source, target, seed=seed)
    found = fit_alignment(sources, targets, alphas=3.0, intercept=intercept, seed=seed)
    x, y = sources.astype(float), targets.astype(float)
    if intercept:
        x, y = x - x.mean(0), y - y.mean(0)
    expected = np.linalg.solve(x.T @ x + 3 * np.eye(source), x.T @ y)
    np.testing.assert_allclose(found.weights, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_a_linear_world_is_recovered():
    source, target = world(400, 10, 6, noise=0.05)
    found = fit_alignment(source[:300], target[:300])
    error = ((found.predict(source[300:]) - target[300:]) ** 2).mean(0)
    assert (error < 0.02 * target.var(0)).all()
    assert (found.r2 > 0.97).all()


def test_strength_grows_with_noise():
    quiet, noisy = (fit_alignment(*world(80, 20, 6, noise=noise)).alpha for noise in (0.05, 5.0))
    assert np.median(noisy) > 10 * np.median(quiet)


def test_one_strength_for_all_dimensions_on_request():
    source, target = world(80, 20, 6, noise=2.0)
    assert len(set(fit_alignment(source, target, one_alpha=True).alpha)) == 1
    assert len(set(fit_alignment(source, target).alpha)) > 1


def test_repetitions_of_a_stimulus_stay_in_one_fold():
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 6)
    source = random.normal(size=(20, 60)).repeat(6, 0) + 0.01 * random.normal(size=(120, 60))
    target = random.normal(size=(20, 3)).repeat(6, 0)
    assert fit_alignment(source, target).r2.min() > 0.9
    assert fit_alignment(source, target, groups=groups).r2.max() < 0.3


def test_a_row_is_predicted_the_same_in_any_company():
    source, target = world(100, 30, 7)
    found = fit_alignment(source, target)
    together = found.predict(source)
    for rows in (slice(0, 1), slice(13, 14), slice(40, 83)):
        np.testing.assert_array_equal(found.predict(source[rows]), together[rows])


def test_large_common_parts_do_no_harm():
    source, target = world(200, 10, 4, noise=0.1)
    still, moved = fit_alignment(source, target), fit_alignment(source.astype(float) + 1e4, target.astype(float) + 1e4)
    np.testing.assert_allclose(moved.predict(source.astype(float) + 1e4) - 1e4, still.predict(source), atol=5e-3)


def test_dimensions_that_do_not_vary_are_predicted_as_they_are():
    source, target = world(60, 5, 3)
    source[:, 2], target[:, 1] = 4.0, 7.0
    found = fit_alignment(source, target)
    np.testing.assert_allclose(found.predict(source)[:, 1], 7.0, rtol=1e-6)
    np.testing.assert_allclose(found.scaling.apply(found.predict(source))[:, 1], 7.0, rtol=1e-6)
    assert np.isnan(found.r2[1])
    assert np.isfinite(found.r2[[0, 2]]).all()
    assert "5 to 3 dimensions" in repr(found)


def test_tensors_make_the_same_map_again_and_hold_nothing_else():
    source, target = world()
    found = fit_alignment(source, target)
    tensors = found.tensors()
    assert all(isinstance(tensor, torch.Tensor) and tensor.dtype == torch.float32 for tensor in tensors.values())
    again = LatentMap.from_tensors(tensors)
    np.testing.assert_array_equal(again.predict(source), found.predict(source))
    np.testing.assert_array_equal(again.scaling.apply(target), found.scaling.apply(target))
    del tensors["out_of_fold.std"]
    with pytest.raises(InputValueError, match=r"lack 'out_of_fold.std'"):
        LatentMap.from_tensors(tensors)
    with pytest.raises(InputValueError, match="'weights' has shape"):
        LatentMap.from_tensors(found.tensors() | {"weights": torch.zeros(3, 2)})


def test_impossible_input_is_refused():
    source, target = world()
    with pytest.raises(InputValueError, match="source has 120 rows and target 119"):
        fit_alignment(source, target[:-1])
    with pytest.raises(InputValueError, match="target latents have 1 values that are NaN or infinite"):
        fit_alignment(source, np.where(np.arange(target.size).reshape(target.shape) == 3, np.nan, target))
    with pytest.raises(InputValueError, match="same for all 120 stimuli"):
        fit_alignment(np.ones_like(source), target)
    with pytest.raises(InputValueError, match="must be positive"):
        fit_alignment(source, target, alphas=0.0)
    with pytest.raises(InputValueError, match="folds is 121"):
        fit_alignment(source, target, folds=121)
    with pytest.raises(InputValueError, match="hold each of 120 stimuli out once; stimulus 50 is held out 0 times"):
        fit_alignment(source, target, folds=[(np.arange(60, 120), np.arange(50))])
    with pytest.raises(InputValueError, match="latents have 7 dimensions; the map is from 8"):
        fit_alignment(source, target).predict(source[:, :7])
