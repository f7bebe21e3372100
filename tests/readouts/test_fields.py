from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr
from sklearn.linear_model import Ridge

from braincodec.errors import InputTypeError, InputValueError
from braincodec.readouts import ReadoutWarning, field_ridge_cv, field_windows, make_folds, ridge_cv
from braincodec.readouts.field_prior import MapLayer
from braincodec.readouts.left_out import KernelRidge, rows_left_out

ALPHAS = np.logspace(-2, 3, 8)


def maps_of(stimuli, seed=0, **sizes):
    random = np.random.default_rng(seed)
    sizes = sizes or {"early": (3, 8, 8), "late": (5, 4, 4)}
    return {name: random.normal(2, 3, (stimuli, *size)).astype(np.float32) for name, size in sizes.items()}


def places(size):
    along = (np.arange(size) + 0.5) / size - 0.5
    y, x = np.meshgrid(-along, along, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1)


def prior(size, window, smoothness):
    """The covariance written out: window, smoothness."""
    at = places(size)
    root = np.exp(-((at - window[:2]) ** 2).sum(1) / (4 * window[2] ** 2))
    return np.outer(root, root) * np.exp(-((at[:, None] - at) ** 2).sum(-1) / (2 * smoothness**2))


def seen(maps, centre, deviation):
    """Mean of each layer's first channel through a Gaussian window, z-scored and summed."""
    total = 0
    for values in maps.values():
        weight = np.exp(-((places(values.shape[-1]) - centre) ** 2).sum(1) / (2 * deviation**2))
        one = values[:, 0].reshape(len(values), -1) @ weight
        total = total + (one - one.mean()) / one.std()
    return total


@pytest.mark.parametrize("window", [(0.1, -0.2, 0.2), (0.0, 0.0, np.inf)])
@pytest.mark.parametrize("smoothness", [0.1, 0.3, np.inf])
def test_kernel_is_that_of_the_covariance_written_out(window, smoothness):
    maps = maps_of(30, conv=(4, 6, 6))["conv"]
    layer = MapLayer("conv", maps, smoothness, "cpu")
    centred = (maps - maps.mean(0)).reshape(30, 4, 36).astype(float)
    expected = np.einsum("icp,pq,jcq->ij", centred, prior(6, np.array(window), smoothness), centred)
    expected /= (centred**2).sum() / 30
    found = layer.kernel(np.array(window)).numpy()
    assert np.abs(found - expected).max() < 0.02 * np.abs(expected).max()  # finer detail than the prior allows is cut


def test_one_window_is_a_gaussian_process_with_that_kernel():
    maps, new = maps_of(60), maps_of(20, seed=1)
    random = np.random.default_rng(2)
    responses = np.stack([seen(maps, (0.1, 0.1), 0.2), seen(maps, (-0.2, 0.1), 0.1)], 1) + random.normal(size=(60, 2))
    window, alpha = np.array([0.1, 0.0, 0.3]), 5.0
    fit = field_ridge_cv(maps, responses, [alpha], windows=[window], smoothness=0.4)
    inputs = [[], []]
    for name, values in maps.items():
        size = values.shape[-1]
        covariance = np.linalg.eigh(prior(size, window, 0.4))
        root = covariance[1] * np.sqrt(np.clip(covariance[0], 0, None))
        scale = np.sqrt(((values - values.mean(0)) ** 2).sum() / 60)
        for side, some in zip(inputs, (values, new[name]), strict=True):
            side.append(((some - values.mean(0)).reshape(len(some), -1, size**2) @ root).reshape(len(some), -1) / scale)
    train, test = (np.concatenate(side, 1) for side in inputs)
    scale = np.sqrt((train**2).sum() / 60)
    process = Ridge(alpha=alpha).fit(train / scale, responses - responses.mean(0))
    expected = process.predict(test / scale) + responses.mean(0)
    np.testing.assert_allclose(fit.predict(new), expected, atol=0.02 * responses.std())


def test_left_out_residuals_are_those_of_fits_without_the_fold():
    random = np.random.default_rng(0)
    features, responses = random.normal(size=(40, 60)), random.normal(size=(40, 3)) + 5
    centred = torch.as_tensor(features - features.mean(0))
    folds = make_folds(40, 4, groups=np.repeat(np.arange(20), 2))
    rows = rows_left_out(folds, 40)
    found = KernelRidge(centred @ centred.T).left_out(torch.as_tensor(responses - responses.mean(0)), rows, 7.0)
    for fold in folds:
        one = Ridge(alpha=7.0).fit(features[fold.train], responses[fold.train])
        expected = responses[fold.validation] - one.predict(features[fold.validation])
        np.testing.assert_allclose(found[fold.validation], expected, atol=1e-9)


def test_infinite_smoothness_is_a_ridge_on_maps_seen_through_the_window():
    maps = maps_of(80, conv=(6, 7, 7))
    responses = np.random.default_rng(0).normal(size=(80, 3))
    fit = field_ridge_cv(maps, responses, ALPHAS, windows=[(0.1, 0.2, 0.15)], smoothness=np.inf)
    root = np.exp(-((places(7) - (0.1, 0.2)) ** 2).sum(1) / (4 * 0.15**2))
    pooled = maps["conv"].reshape(80, 6, 49) @ root
    pooled -= pooled.mean(0)
    pooled /= np.sqrt((pooled**2).sum() / 80)
    expected = ridge_cv(pooled, responses, ALPHAS)
    np.testing.assert_array_equal(fit.alpha, expected.alpha)
    np.testing.assert_allclose(fit.score, expected.score, rtol=1e-4)
    np.testing.assert_allclose(fit.predict(maps), expected.predict(pooled), atol=1e-3)


def test_windows_of_simulated_units_come_back_and_predict_new_stimuli():
    maps, new = maps_of(300), maps_of(200, seed=1)
    centres = np.array([(-0.3, 0.3), (0.3, 0.3), (0.0, -0.3), (0.3, -0.15)])
    signal = np.stack([seen(maps, centre, 0.12) for centre in centres], 1)
    responses = signal + 0.5 * np.random.default_rng(3).normal(size=signal.shape)
    fit = field_ridge_cv(maps, responses, progress=False)
    assert np.abs(fit.windows[fit.window, :2] - centres).max() <= 0.151
    whole = field_ridge_cv(maps, responses, windows=field_windows()[:1])
    for unit, centre in enumerate(centres):
        truth = seen(new, centre, 0.12)
        found = pearsonr(fit.predict(new)[:, unit], truth).statistic
        assert found > max(0.9, pearsonr(whole.predict(new)[:, unit], truth).statistic)
    assert fit.scores.shape == (35, 4)
    np.testing.assert_array_equal(fit.score, fit.scores.max(0))


def test_prediction_is_the_mean_of_the_best_windows():
    maps, new = maps_of(100), maps_of(30, seed=1)
    windows = [(0.2, 0.2, 0.2), (-0.2, 0.2, 0.2), (0.0, -0.2, 0.3), (0.0, 0.0, np.inf)]
    responses = np.random.default_rng(0).normal(size=(100, 6)) + seen(maps, (0.1, 0.1), 0.2)[:, None]
    fit = field_ridge_cv(maps, responses, ALPHAS, windows=windows, average=2)
    alone = [field_ridge_cv(maps, responses, ALPHAS, windows=[window]) for window in windows]
    scores = np.stack([one.score for one in alone])
    np.testing.assert_allclose(fit.scores, scores, rtol=1e-9)
    np.testing.assert_array_equal(fit.averaged, np.argsort(-scores, axis=0)[:2])
    np.testing.assert_array_equal(fit.window, fit.averaged[0])
    np.testing.assert_array_equal(fit.alpha, [alone[best].alpha[unit] for unit, best in enumerate(fit.window)])
    predicted = np.stack([one.predict(new) for one in alone])
    expected = np.take_along_axis(predicted, fit.averaged[:, None], axis=0).mean(0)
    np.testing.assert_allclose(fit.predict(new), expected, atol=1e-5)
    few = field_ridge_cv(maps, responses, ALPHAS, windows=windows[:1], average=3)
    np.testing.assert_allclose(few.predict(new), predicted[0], atol=1e-6)


def test_responses_without_signal_are_not_predicted():
    maps, new = maps_of(150), maps_of(300, seed=1)
    random = np.random.default_rng(0)
    fit = field_ridge_cv(maps, random.normal(size=(150, 20)))
    predicted, truth = fit.predict(new), random.normal(size=(300, 20))
    found = [pearsonr(*pair).statistic for pair in zip(predicted.T, truth.T, strict=True) if np.ptp(pair[0]) > 0]
    assert abs(np.nanmean(found)) < 0.05


def test_units_without_data_and_without_variance():
    maps = maps_of(60)
    responses = np.random.default_rng(0).normal(size=(60, 4))
    responses[:, 1], responses[:, 2] = np.nan, 7
    with pytest.warns(ReadoutWarning) as warned:
        fit = field_ridge_cv(maps, responses, ALPHAS)
    assert len(warned) == 1
    assert fit.missing.tolist() == [False, True, False, False]
    assert fit.constant.tolist() == [False, False, True, False]
    assert fit.window[1] == -1
    predicted = fit.predict(maps)
    assert np.isnan(predicted[:, 1]).all()
    np.testing.assert_allclose(predicted[:, 2], 7, atol=1e-5)
    assert np.isfinite(predicted[:, [0, 2, 3]]).all()


def test_groups_stay_on_one_side_and_nothing_of_a_fold_leaks():
    maps = {name: np.repeat(values, 2, axis=0) for name, values in maps_of(40).items()}
    responses = np.repeat(np.random.default_rng(0).normal(size=(40, 5)), 2, axis=0)
    groups = np.repeat(np.arange(40), 2)
    together = field_ridge_cv(maps, responses, ALPHAS, groups=groups)
    apart = field_ridge_cv(maps, responses, ALPHAS, folds=make_folds(80, 5))
    assert (together.score < apart.score).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"maps": {"pooled": np.ones((20, 4))}}, "no receptive field"),
        ({"maps": {}}, "at least one layer"),
        ({"maps": {"a": np.ones((20, 1, 2, 2)), "b": np.ones((19, 1, 2, 2))}}, "different numbers"),
        ({"maps": {"a": np.full((20, 1, 2, 2), np.nan)}}, "NaN"),
        ({"maps": {"a": np.ones((20, 1, 2, 2))}}, "constant"),
        ({"windows": [(0, 0, 0)]}, "positive sizes"),
        ({"windows": [(0, 0)]}, "x, y and size"),
        ({"smoothness": 0}, "smoothness"),
        ({"average": 0}, "average must be at least 1 window"),
        ({"smoothness": np.nan}, "smoothness"),
        ({"folds": 40}, "folds"),
        ({"folds": [(np.arange(5), np.arange(5, 10))]}, "either side"),
    ],
)
def test_what_makes_no_sense_is_refused(change, message):
    settings = {"maps": maps_of(20), "responses": np.ones((20, 2))} | change
    with pytest.raises((InputTypeError, InputValueError), match=message):
        field_ridge_cv(**settings)


def test_maps_of_another_shape_are_refused():
    maps = maps_of(30)
    fit = field_ridge_cv(maps, np.random.default_rng(0).normal(size=(30, 2)), ALPHAS)
    with pytest.raises(InputValueError, match="fitted on"):
        fit.predict({"early": maps["early"]})


def test_residuals_are_those_of_the_same_windows_fitted_without_the_fold():
    maps = maps_of(40, conv=(2, 6, 6))
    random = np.random.default_rng(1)
    responses = seen(maps, np.array([0.1, 0.2]), 0.2)[:, None] + random.normal(size=(40, 3))
    windows = field_windows([(2, 0.2, 0.3)])
    folds = make_folds(40, 4, seed=0)
    fit = field_ridge_cv(maps, responses, ALPHAS, windows=windows, average=2, folds=folds, residuals=True)
    layer = MapLayer("conv", maps["conv"], 0.15, "cpu")
    expected = np.zeros_like(responses)
    for unit in range(3):
        for number in fit.averaged[:, unit]:
            kernel = layer.kernel(windows[number])
            best = min(ALPHAS, key=lambda alpha: left_out_error(kernel, responses[:, unit], folds, alpha))
            expected[:, unit] += left_out(kernel, responses[:, unit], folds, best) / 2
    np.testing.assert_allclose(fit.residuals, expected, atol=1e-4)
    assert field_ridge_cv(maps, responses, ALPHAS, windows=windows, folds=folds).residuals is None


def left_out(kernel, response, folds, alpha):
    """Residuals of kernel ridge, fitted anew for each fold."""
    kernel = kernel.numpy() / float(kernel.trace()) * len(kernel)
    found = np.empty_like(response)
    for fold in folds:
        inside, outside = fold.train, fold.validation
        centre = np.eye(len(inside)) - 1 / len(inside)
        gram = centre @ kernel[np.ix_(inside, inside)] @ centre
        cross = (kernel[np.ix_(outside, inside)] - kernel[np.ix_(inside, inside)].mean(0)) @ centre
        mean = response[inside].mean()
        dual = np.linalg.solve(gram + alpha * np.eye(len(inside)), response[inside] - mean)
        found[outside] = response[outside] - mean - cross @ dual
    return found


def left_out_error(kernel, response, folds, alpha):
    errors = left_out(kernel, response, folds, alpha)
    return np.mean([np.mean(errors[fold.validation] ** 2) for fold in folds])
