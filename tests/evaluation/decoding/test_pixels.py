"""Pixel scores agree with other implementations, do not wrap, and say when they are undefined."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr

from braincodec.errors import InputTypeError, InputValueError
from braincodec.evaluation.decoding import images, match_size, mse, pixel_correlation, psnr, snr
from braincodec.evaluation.decoding.pixels import (
    MeanSquaredError,
    PeakSignalToNoise,
    PixelCorrelation,
    SignalToNoise,
)
from braincodec.evaluation.definition import UndefinedScoreWarning

SCORES = (pixel_correlation, mse, psnr, snr)
METRICS = (PixelCorrelation, MeanSquaredError, PeakSignalToNoise, SignalToNoise)


def pairs(count: int = 5, size: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(0, 256, (count, size, size + 2, 3), np.uint8)
    return np.clip(truth + random.normal(0, 40, truth.shape), 0, 255).astype(np.uint8), truth


def test_pixel_correlation_is_scipys():
    prediction, truth = pairs()
    expected = [pearsonr(p.ravel(), t.ravel()).statistic for p, t in zip(prediction, truth, strict=True)]
    np.testing.assert_allclose(pixel_correlation(prediction, truth), expected, atol=1e-12)


def test_mse_and_psnr_are_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    prediction, truth = pairs()
    errors = [metrics.mean_squared_error(p / 255, t / 255) for p, t in zip(prediction, truth, strict=True)]
    np.testing.assert_allclose(mse(prediction, truth), errors, rtol=1e-12)
    ratios = [metrics.peak_signal_noise_ratio(t, p, data_range=255) for p, t in zip(prediction, truth, strict=True)]
    np.testing.assert_allclose(psnr(prediction, truth), ratios, rtol=1e-12)


def test_psnr_and_snr_are_torchmetrics(torchvision):
    import torch
    from torchmetrics.functional.audio import signal_noise_ratio
    from torchmetrics.functional.image import peak_signal_noise_ratio

    prediction, truth = pairs()
    for p, t, ratio, signal in zip(prediction, truth, psnr(prediction, truth), snr(prediction, truth), strict=True):
        p, t = torch.from_numpy(p).double(), torch.from_numpy(t).double()
        assert peak_signal_noise_ratio(p, t, data_range=255.0).item() == pytest.approx(ratio, rel=1e-6)
        assert signal_noise_ratio(p.flatten(), t.flatten()).item() == pytest.approx(signal, rel=1e-6)


@settings(deadline=None, max_examples=50)
@given(
    arrays(np.uint8, (2, 4, 5, 3)),
    arrays(np.uint8, (2, 4, 5, 3)),
    st.sampled_from([np.uint8, np.int16, np.float32, np.float64]),
)
def test_scores_do_not_depend_on_the_dtype_and_never_wrap(prediction, truth, dtype):
    data_range = 255 if np.dtype(dtype).kind == "f" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedScoreWarning)
        for score in SCORES:
            as_given = score(prediction.astype(dtype), truth.astype(dtype), data_range)
            np.testing.assert_allclose(as_given, score(prediction, truth), atol=1e-12)
    slow = [
        sum((int(a) - int(b)) ** 2 for a, b in zip(p.ravel(), t.ravel(), strict=True)) / 60 / 255**2
        for p, t in zip(prediction, truth, strict=True)
    ]
    np.testing.assert_allclose(mse(prediction, truth), slow, atol=1e-12)


def test_scores_do_not_depend_on_the_blocks_they_are_computed_in(monkeypatch):
    prediction, truth = pairs(7)
    whole = [score(prediction, truth) for score in SCORES]
    monkeypatch.setattr(images, "BLOCK_BYTES", 1)
    for score, expected in zip(SCORES, whole, strict=True):
        np.testing.assert_allclose(score(prediction, truth), expected, rtol=1e-13)


def test_a_large_offset_does_not_spoil_the_correlation():
    prediction, truth = pairs()
    expected = pixel_correlation(prediction, truth)
    found = pixel_correlation(0.9 + prediction * 1e-6, 0.9 + truth * 1e-6, data_range=1)
    np.testing.assert_allclose(found, expected, atol=1e-7)


@pytest.mark.parametrize("value", [0, 7, 0.1])
def test_correlation_with_a_constant_image_is_nan_with_one_warning(value):
    prediction, truth = pairs(3)
    prediction = prediction / 255
    prediction[1] = value
    with pytest.warns(UndefinedScoreWarning, match="1 of 3") as caught:
        found = pixel_correlation(prediction, truth / 255, data_range=1)
    assert np.isnan(found).tolist() == [False, True, False]
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_identical_images_have_no_noise_and_black_ones_no_signal():
    black, grey = np.zeros((1, 8, 8, 3), np.uint8), np.full((1, 8, 8, 3), 100, np.uint8)
    assert psnr(grey, grey) == snr(grey, grey) == np.inf
    assert snr(grey, black) == -np.inf
    with pytest.warns(UndefinedScoreWarning, match="1 of 1") as caught:
        assert np.isnan(snr(black, black))
    assert caught[0].filename == __file__


def test_predictions_may_leave_the_range_that_true_images_keep():
    truth = np.full((1, 8, 8), 0.5)
    assert mse(np.full((1, 8, 8), 1.5), truth, data_range=1) == 1
    with pytest.raises(InputValueError, match=r"true images have values from 1.5 to 1.5; expected 0 to 1"):
        mse(truth, np.full((1, 8, 8), 1.5), data_range=1)


@pytest.mark.parametrize(
    ("prediction", "truth", "data_range", "error", "text"),
    [
        (np.zeros((2, 8, 8, 3)), np.zeros((2, 8, 8, 3)), None, InputTypeError, "state the value of white"),
        (np.zeros((2, 8, 8, 3), bool), np.zeros((2, 8, 8, 3), bool), None, InputTypeError, "dtype bool"),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((3, 8, 8, 3), np.uint8), None, InputValueError, r"\(3, 8, 8, 3\)"),
        (np.zeros((2, 8, 8, 3), np.uint8), np.zeros((2, 9, 9, 3), np.uint8), None, InputValueError, "match_size"),
        (np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8, 3), np.uint8), None, InputValueError, r"images\[None\]"),
        (np.zeros((2, 3, 8, 8), np.uint8), np.zeros((2, 3, 8, 8), np.uint8), None, InputValueError, "expected"),
        (np.zeros((0, 8, 8, 3), np.uint8), np.zeros((0, 8, 8, 3), np.uint8), None, InputValueError, "shape"),
        (np.zeros((2, 8, 8), np.uint8), np.zeros((2, 8, 8), np.uint8), 1, InputValueError, "integer images"),
        (np.zeros((2, 8, 8)), np.zeros((2, 8, 8)), -1, InputValueError, "positive number"),
        (np.full((2, 8, 8), np.nan), np.zeros((2, 8, 8)), 1, InputValueError, "2 of 2 predicted images hold NaN"),
        (np.full((2, 8, 8), 300), np.zeros((2, 8, 8), np.uint8), None, InputValueError, "from 300 to 300"),
    ],
)
def test_what_cannot_be_compared_is_refused(prediction, truth, data_range, error, text):
    for score in SCORES:
        with pytest.raises(error, match=text):
            score(prediction, truth, data_range)


@pytest.mark.parametrize("metric", METRICS)
def test_metrics_accumulate_in_batches_and_merge_in_order(metric):
    prediction, truth = pairs(7)
    whole = metric().update(prediction, truth).compute()
    first = metric().update(prediction[:2], truth[:2]).update(prediction[2:3], truth[2:3])
    second = metric().update(prediction[3:], truth[3:])
    np.testing.assert_array_equal(first.merge(second).compute(), whole)
    np.testing.assert_array_equal(metric().merge(second).merge(metric()).compute(), whole[3:])
    assert first.size == (12, 14)
    assert metric.definition.of == "stimulus"
    with pytest.raises(InputValueError, match="nothing to score"):
        metric().compute()


def test_metrics_compare_at_the_size_of_the_prediction_and_hold_it():
    prediction = np.zeros((2, 8, 8, 3), np.uint8)
    truth = np.zeros((2, 32, 32, 3), np.uint8)
    metric = MeanSquaredError().update(prediction, truth)
    assert metric.size == (8, 8)
    with pytest.raises(InputValueError, match="16 x 16"):
        metric.update(np.zeros((2, 16, 16, 3), np.uint8), truth)
    with pytest.raises(InputTypeError, match="float64"):
        metric.update(prediction / 255, truth)
    with pytest.raises(InputTypeError, match="PixelCorrelation"):
        metric.merge(PixelCorrelation())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int16])
@pytest.mark.parametrize("shape", [(40, 60, 3), (40, 60)])
def test_resized_true_images_keep_dtype_and_means(dtype, shape):
    truth = np.random.default_rng(0).integers(0, 256, (3, *shape)).astype(dtype)
    prediction = np.zeros((3, 10, 15, *shape[2:]), dtype)
    found = match_size(prediction, truth)
    assert found.shape == prediction.shape
    assert found.dtype == dtype
    np.testing.assert_allclose(found.mean((1, 2)), truth.mean((1, 2)), atol=3)
    flat = match_size(prediction, np.full_like(truth, 77))
    assert (flat == 77).all()


def test_resizing_refuses_other_proportions_and_allows_rounded_ones():
    prediction = np.zeros((1, 227, 341, 3), np.uint8)
    assert match_size(prediction, np.zeros((1, 480, 720, 3), np.uint8)).shape == prediction.shape
    with pytest.raises(InputValueError, match="same proportions"):
        match_size(prediction, np.zeros((1, 480, 480, 3), np.uint8))
    assert match_size(prediction, prediction) is prediction
