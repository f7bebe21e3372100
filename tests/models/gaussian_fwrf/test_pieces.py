"""Grid, windows and regressions of the search, each against the plain way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from braincodec.errors import InputValueError
from braincodec.models.gaussian_fwrf import GaussianFwRFRecipe, gaussian_windows
from braincodec.models.gaussian_fwrf.grid import FieldGrid, make_grid
from braincodec.models.gaussian_fwrf.solve import FieldRidge, kernel_losses, scale_features
from braincodec.models.gaussian_fwrf.windows import window_slopes
from braincodec.readouts import make_folds, ridge_cv

PLACE = st.floats(-4, 4)


@settings(deadline=None, max_examples=30)
@given(x=PLACE, y=PLACE, size=st.floats(0.3, 3))
def test_slopes_of_a_window_are_its_differences(x, y, size):
    field = torch.tensor([[x, y, size]], dtype=torch.float64)
    found, step = window_slopes(field, 9, 12, 8.0)[0], 1e-5
    moves = torch.tensor([[size, 0, 0], [0, size, 0], [0, 0, size]], dtype=torch.float64) * step
    for number, move in enumerate(moves):
        higher, lower = (gaussian_windows(field + sign * move, 9, 12, 8.0)[0] for sign in (1, -1))
        torch.testing.assert_close(found[1 + number], (higher - lower) / (2 * step), atol=1e-7, rtol=1e-4)


@settings(deadline=None, max_examples=25)
@given(size=st.floats(0.1, 4), extent=st.floats(0.5, 10), spacing=st.floats(0.3, 3), most=st.integers(2, 12))
def test_centres_fill_the_extent_no_further_apart_than_asked_where_there_may_be_enough(size, extent, spacing, most):
    centres = FieldGrid((size,), extent, spacing, most).centres(size)
    np.testing.assert_allclose([centres[0], centres[-1]], [-extent / 2, extent / 2])
    assert len(centres) <= most
    assert len(centres) == most or np.diff(centres).max() <= spacing * size * (1 + 1e-5)


def test_small_fields_far_apart_may_be_left_out_but_never_all():
    grid = make_grid(GaussianFwRFRecipe(backbone="b", layers="l"), 8.4)
    assert sorted(set(grid.fields(2.5)[:, 2])) == sorted(grid.sizes[2:])
    assert len(FieldGrid((0.1,), 8.0, 1.0, 3).fields(2.5)) == 9


def test_fields_are_brought_back_to_the_grid():
    clipped = FieldGrid((0.5, 2.0), 8.0, 1.0, 9).clip(np.array([[9.0, -9.0, 0.1], [1.0, 2.0, 5.0]]))
    assert clipped.tolist() == [[4.0, -4.0, 0.5], [1.0, 2.0, 2.0]]


def test_sizes_that_would_fall_are_refused():
    recipe = GaussianFwRFRecipe(backbone="b", layers="l", largest_size=0.1)
    with pytest.raises(InputValueError, match=r"sizes would fall from 0\.21 to 0\.1 degrees"):
        make_grid(recipe, 8.4)


def problem(stimuli: int, channels: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((stimuli, channels)) * rng.uniform(0.2, 3, channels) + 5
    responses = features @ rng.standard_normal((channels, 3)) + 3 * rng.standard_normal((stimuli, 3)) + 7
    return torch.as_tensor(features), torch.as_tensor(responses)


@settings(deadline=None, max_examples=8)
@given(shape=st.sampled_from([(40, 5), (30, 50), (20, 20)]), seed=st.integers(0, 99), exact=st.booleans())
def test_weights_of_all_stimuli_and_of_each_fold_are_ridge_regression(shape, seed, exact):
    features, responses = problem(*shape, seed)
    scaled = scale_features(features, standardise=True)
    values, strengths = scaled.values, torch.tensor([1.0, 10.0, 10.0], dtype=torch.float64)
    ridge, folds = FieldRidge(values, exact=exact), make_folds(shape[0], 4, seed=seed)
    held_out = ridge.held_out(responses, strengths, folds)
    tolerance = 1e-6 if exact else 1e-4
    for unit, strength in enumerate(strengths.tolist()):
        own = responses[:, [unit]].numpy()
        whole = ridge_cv(values.double().numpy(), own, [strength], dtype="float64")
        weights, intercept = ridge.fit(responses, strengths)
        np.testing.assert_allclose(weights[:, unit], whole.weights[:, 0], atol=tolerance * np.abs(whole.weights).max())
        np.testing.assert_allclose(intercept[unit], whole.intercept[0], atol=1e-5)
        loss = 0.0
        for number, fold in enumerate(folds):
            part = ridge_cv(values[fold.train].double().numpy(), own[fold.train], [strength], dtype="float64")
            size = np.abs(part.weights).max()
            np.testing.assert_allclose(held_out.weights[number, :, unit], part.weights[:, 0], atol=tolerance * size)
            errors = own[fold.validation] - part.predict(values[fold.validation].double().numpy())
            loss += float((errors**2).mean()) / len(folds)
        np.testing.assert_allclose(held_out.loss[unit], loss, rtol=10 * tolerance)


@pytest.mark.filterwarnings("ignore::braincodec.readouts.ReadoutWarning")
@settings(deadline=None, max_examples=10)
@given(seed=st.integers(0, 99))
def test_losses_through_the_kernel_are_those_of_the_readouts(seed):
    features, responses = problem(30, 45, seed)
    values = scale_features(features, standardise=True).values
    centred = (responses - responses.mean(0)).float()
    strengths, folds = torch.tensor([0.3, 3.0, 30.0]), make_folds(30, 5, seed=seed)
    expected = -ridge_cv(values.numpy(), centred.numpy(), strengths.numpy(), folds=5, seed=seed).scores
    np.testing.assert_allclose(kernel_losses(values, centred, strengths, folds), expected, rtol=1e-4)


def test_channels_that_do_not_vary_get_no_weight_and_total_scaling_keeps_proportions():
    features = torch.tensor([[1.0, 5.0, 10.0], [3.0, 5.0, 30.0], [5.0, 5.0, 50.0]])
    together = scale_features(features, standardise=False)
    assert together.scale[1] == 0
    assert not scale_features(features[:, 1:2], standardise=True).vary
    torch.testing.assert_close(together.values[:, 2], 10 * together.values[:, 0])
    torch.testing.assert_close(together.values.square().mean(0).sum(), torch.tensor(2.0))


def test_features_in_double_precision_are_not_written_to():
    features = torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    scale_features(features, standardise=True)
    assert features.tolist() == [[1.0], [3.0]]
