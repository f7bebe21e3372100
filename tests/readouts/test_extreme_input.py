"""Input at the edges: of the range of float32, of what folds may be, of what memory holds."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneOut, ShuffleSplit

from braincodec.errors import InputTypeError, InputValueError
from braincodec.readouts import (
    ReadoutWarning,
    banded_ridge_cv,
    best_space_cv,
    least_squares,
    make_folds,
    predict,
    ridge_cv,
)
from braincodec.readouts import banded as banded_module
from braincodec.readouts import results as results_module
from braincodec.readouts.problem import CPU_WEIGHT_BYTES, prepare
from braincodec.readouts.workers import Workers

from . import plain_ridge as plain

ALPHAS = np.logspace(-1, 3, 7)


@pytest.fixture(autouse=True)
def quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ReadoutWarning)
        yield


@pytest.mark.parametrize("shape", [(60, 8), (60, 20), (40, 90)])  # few and many held out beside the components, kernel
@pytest.mark.parametrize(
    "folds",
    [ShuffleSplit(2, random_state=0), ShuffleSplit(12, random_state=0), LeaveOneOut(), "unsorted"],
    ids=["two random", "twelve random", "one out", "unsorted"],
)
def test_folds_may_overlap_and_come_in_any_order(shape, folds):
    features, responses = plain.signal(*shape, units=6, offset=1.0)
    if isinstance(folds, str):
        order = np.random.default_rng(0).permutation(shape[0])
        folds = [(order[12:], order[:12]), (order[:-15], order[-15:])]
    splits = make_folds(shape[0], folds)
    expected = plain.scores(features, responses, ALPHAS, splits)
    np.testing.assert_allclose(ridge_cv(features, responses, ALPHAS, folds=splits).scores, expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(100, 10), (60, 150)])
@pytest.mark.parametrize("offset", [1e3, 1e6])
def test_large_means_of_features_do_no_harm(shape, offset):
    features, responses = plain.signal(*shape, units=4)
    moved = features + np.float32(offset)
    fit = ridge_cv(moved, responses, ALPHAS)
    exact = np.float64(moved) - moved.mean(axis=0, dtype=np.float64)
    for unit in range(4):
        expected = plain.weights(exact, responses - responses.mean(axis=0), fit.alpha[unit])[:, unit]
        assert np.abs(fit.weights[:, unit] - expected).max() <= 1e-5 * np.abs(expected).max()
        predicted = exact @ expected + responses[:, unit].mean()
        np.testing.assert_allclose(fit.predict(moved)[:, unit], predicted, atol=1e-4)


@pytest.mark.parametrize("size", [1e-30, 1e-13, 1e20])
def test_the_unit_of_measurement_of_responses_changes_nothing(size):
    features, responses = plain.signal(80, 10, 5)
    responses = np.float64(responses)
    fit, scaled = ridge_cv(features, responses, ALPHAS), ridge_cv(features, size * responses, ALPHAS)
    np.testing.assert_array_equal(scaled.alpha, fit.alpha)
    np.testing.assert_allclose(scaled.scores, size**2 * fit.scores, rtol=1e-4)
    np.testing.assert_allclose(scaled.r2, fit.r2, atol=1e-4)
    np.testing.assert_allclose(scaled.predict(features), size * fit.predict(features), rtol=1e-3, atol=1e-5 * size)
    linear = least_squares(features, size * responses)
    np.testing.assert_allclose(linear.weights, size * least_squares(features, responses).weights, rtol=1e-3)


def test_small_responses_of_banded_ridge_are_fitted_like_large_ones():
    features, responses = plain.signal(80, 10, 5)
    spaces = {"a": features[:, :4], "b": features[:, 4:]}
    fit, scaled = (banded_ridge_cv(spaces, size * np.float64(responses), ALPHAS, draws=5) for size in (1, 1e-25))
    np.testing.assert_array_equal(scaled.draw, fit.draw)
    np.testing.assert_allclose(scaled.weights, 1e-25 * fit.weights, rtol=1e-3, atol=1e-30)
    np.testing.assert_allclose(scaled.score, 1e-50 * fit.score, rtol=1e-4)


def test_features_beyond_float32_are_refused_in_words():
    features, responses = plain.signal(60, 8, 3)
    huge = np.float64(features) * 1e25
    with pytest.raises(InputValueError, match=r"divide all of them by their typical size, or compute with dtype='floa"):
        ridge_cv(huge, responses, ALPHAS * 1e50)
    fit = ridge_cv(huge, responses, ALPHAS * 1e50, dtype="float64")
    np.testing.assert_allclose(fit.score, ridge_cv(features, responses, ALPHAS).score, rtol=1e-4)


def test_strengths_that_rounding_drowns_are_told():
    features, responses = plain.signal(60, 8, 3)
    features[:, 0] *= 1e7
    with pytest.warns(ReadoutWarning, match="strengths below .* are lost in the rounding of the largest features"):
        ridge_cv(features, responses, [1e-6, 1.0])


@pytest.mark.parametrize("value", [0.1, 1e-5, 1000.1])
@pytest.mark.parametrize("shape", [(31, 4), (31, 60)])
def test_constant_features_are_known_though_their_mean_is_rounded(value, shape):
    features, responses = np.full(shape, value), np.random.default_rng(0).normal(size=(31, 2))
    for run in (ridge_cv, least_squares):
        with pytest.raises(InputValueError, match=f"all {shape[1]} features are constant over the 31 stimuli"):
            run(features, responses)


def test_features_may_be_read_only_and_in_any_order():
    features, responses = plain.signal(30, 80, 4)
    expected = ridge_cv(features, responses, ALPHAS).weights
    features.flags.writeable = False
    backwards = np.ascontiguousarray(features[::-1, ::-1])[::-1, ::-1]
    for given in (features, backwards, np.asfortranarray(features), features.astype(">f4")):
        np.testing.assert_allclose(ridge_cv(given, responses, ALPHAS).weights, expected, atol=1e-6)


def test_groups_without_a_name_are_refused():
    for groups in (np.array([None, "a"] * 15, object), np.where(np.arange(30) < 3, np.nan, np.arange(30))):
        with pytest.raises(InputValueError, match="groups has no entry for some stimuli"):
            make_folds(30, 3, groups=groups)


def test_weights_of_a_tile_are_bounded_however_many_features_there_are():
    features, _ = plain.signal(20, 300_000, 1)
    options = {"centre": True, "form": "auto", "device": torch.device("cpu"), "dtype": torch.float32}
    with Workers(torch.device("cpu")) as workers:
        problem = prepare(features, make_folds(20, 4), ALPHAS, workers=workers, **options)
    assert 16 <= problem.tile <= CPU_WEIGHT_BYTES // (4 * 300_000)


def test_stored_weights_are_read_a_block_of_units_at_a_time(tmp_path, monkeypatch):
    features, responses = plain.signal(60, 9, 20)
    fit = ridge_cv(features, responses, ALPHAS)
    stored = zarr.create_array(str(tmp_path / "weights.zarr"), data=fit.weights)
    expected = fit.predict(features)
    monkeypatch.setattr(results_module, "WEIGHT_BYTES", 8 * 9 * 6)
    np.testing.assert_allclose(predict(features, stored, fit.intercept), expected, rtol=1e-5, atol=1e-6)


def test_places_for_weights_that_cannot_hold_them_are_refused():
    features, responses = plain.signal(30, 4, 3)
    with pytest.raises(InputTypeError, match="holds floats, not int64"):
        ridge_cv(features, responses, ALPHAS, weights_out=np.zeros((4, 3), np.int64))
    with pytest.raises(InputTypeError, match="something array-like, not list"):
        ridge_cv(features, responses, ALPHAS, weights_out=[[0.0] * 3] * 4)
    with pytest.raises(InputValueError, match=r"units must say how many there are; got 1\.5"):
        ridge_cv(features, lambda units: responses[:, units], ALPHAS, units=1.5)


@pytest.mark.parametrize("stimuli", [60, 25])  # by features, by kernels
def test_banded_ridge_with_strengths_below_rounding_still_answers(stimuli):
    features, responses = plain.signal(stimuli, 15, 4, noise=0.1)
    large = np.float64(features) * 1e8
    fit = banded_ridge_cv({"a": large, "again": large}, responses, 1.0, draws=[[0.5, 0.5]], folds=3)
    expected = LinearRegression().fit(np.float64(features), responses).predict(np.float64(features))
    np.testing.assert_allclose(fit.predict({"a": large, "again": large}), expected, atol=1e-3)
    assert np.isfinite(fit.score).all()


def test_banded_weights_are_made_a_block_of_units_at_a_time(monkeypatch):
    features, responses = plain.signal(40, 120, 13)
    spaces = {"a": features[:, :50], "b": features[:, 50:]}
    whole = banded_ridge_cv(spaces, responses, ALPHAS, draws=5)
    monkeypatch.setattr(banded_module, "WEIGHT_BYTES", 2 * 120 * 4 * 5)
    parts = banded_ridge_cv(spaces, responses, ALPHAS, draws=5)
    np.testing.assert_allclose(parts.weights, whole.weights, atol=1e-6)
    np.testing.assert_allclose(parts.intercept, whole.intercept, atol=1e-5)


@pytest.mark.parametrize("draws", [2.5, "many", True])
def test_numbers_of_draws_that_are_none_are_refused(draws):
    features, responses = plain.signal(30, 4, 3)
    with pytest.raises(InputTypeError, match="draws must be a whole number, or an array"):
        banded_ridge_cv({"a": features}, responses, draws=draws)


def test_least_squares_of_features_of_any_size_is_scikit_learns():
    features, responses = plain.signal(80, 12, 3)
    wild = (features * 10.0 ** np.linspace(-5, 5, 12)).astype(np.float32)
    fit = least_squares(wild, responses)
    assert fit.rank == 12
    expected = LinearRegression().fit(features, responses)
    np.testing.assert_allclose(fit.predict(wild), expected.predict(features), atol=1e-4)
    with pytest.raises(InputValueError, match="an intercept needs at least 2 stimuli, not 1"):
        least_squares(features[:1], responses[:1])


def test_fits_are_shown_in_one_line():
    features, responses = plain.signal(30, 6, 4)
    responses[:, 2] = np.nan
    spaces = {"a": features[:, :2], "b": features[:, 2:]}
    assert repr(least_squares(features, responses)) == "<LeastSquaresFit: 4 units, 6 features, 1 without data>"
    assert repr(ridge_cv(features, responses, ALPHAS)).startswith(
        "<RidgeFit: 4 units, 6 features, 1 without data, 7 st"
    )
    assert repr(banded_ridge_cv(spaces, responses, draws=3)) == "<BandedRidgeFit: 4 units on a (2), b (4), 3 draws>"
    assert repr(best_space_cv(spaces, responses)).startswith("<BestSpaceFit: 4 units, ")


def test_responses_whose_dimensions_have_names_may_come_in_any_order():
    features, responses = plain.signal(20, 4, 20)
    expected = ridge_cv(features, responses, ALPHAS).weights
    turned = xr.DataArray(responses.T, dims=("unit", "stimulus"))
    np.testing.assert_array_equal(ridge_cv(features, turned, ALPHAS).weights, expected)


def test_tensors_that_know_their_gradient_are_features_and_responses():
    features, responses = plain.signal(30, 4, 3)
    given = [torch.tensor(values, requires_grad=True) for values in (features, responses)]
    np.testing.assert_array_equal(ridge_cv(*given, ALPHAS).weights, ridge_cv(features, responses, ALPHAS).weights)


def test_more_folds_than_memory_holds_are_refused_before_any_is_solved(monkeypatch):
    features, responses = plain.signal(60, 40, 3)
    monkeypatch.setattr("braincodec.readouts.problem.free_memory", lambda device: 200_000)
    monkeypatch.setattr("braincodec.readouts.problem.solve_fold", lambda *_, **__: pytest.fail("work began"))
    with pytest.raises(InputValueError, match=r"60 folds of 40 components need .* GB are free; take fewer folds"):
        ridge_cv(features, responses, ALPHAS, folds=LeaveOneOut())
