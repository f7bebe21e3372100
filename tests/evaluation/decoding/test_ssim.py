"""Both variants of structural similarity are scikit-image's, image by image; also between all pairs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from braincodec.errors import InputValueError, UnknownNameError
from braincodec.evaluation.decoding import images, pairwise, pairwise_mse, pairwise_snr, pairwise_ssim, ssim
from braincodec.evaluation.decoding.ssim import StructuralSimilarity, StructuralSimilarityUniform

WINDOWS = ("gaussian", "uniform7")


def reference(prediction: np.ndarray, truth: np.ndarray, window: str) -> list[float]:
    """scikit-image's structural similarity with the arguments that MindEye and LEA give it."""
    color, metrics = pytest.importorskip("skimage.color"), pytest.importorskip("skimage.metrics")
    scores = []
    for p, t in zip(prediction, truth, strict=True):
        if window == "gaussian":
            p, t = (color.rgb2gray(image) if image.ndim == 3 else image / 255 for image in (p, t))
            keywords = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1.0}
        else:
            keywords = {"channel_axis": -1 if p.ndim == 3 else None, "data_range": 255}
        scores.append(metrics.structural_similarity(p, t, **keywords))
    return scores


def noisy(truth: np.ndarray, deviation: float, seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, deviation, truth.shape)
    return np.clip(truth + noise, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("deviation", [0, 5, 80])
def test_ssim_of_photographs_is_scikit_images(photographs, window, deviation):
    prediction = noisy(photographs, deviation)
    found = ssim(prediction, photographs, window)
    np.testing.assert_allclose(found, reference(prediction, photographs, window), atol=1e-7)


@settings(deadline=None, max_examples=25)
@given(arrays(np.uint8, (2, 11, 14, 3)), arrays(np.uint8, (2, 11, 14, 3)))
def test_ssim_of_any_images_is_scikit_images(prediction, truth):
    for window in WINDOWS:
        found = ssim(prediction, truth, window)
        np.testing.assert_allclose(found, reference(prediction, truth, window), atol=1e-7)
        assert (np.abs(found) <= 1 + 1e-12).all()
        np.testing.assert_allclose(ssim(truth, prediction, window), found, atol=1e-12)


@pytest.mark.parametrize("window", WINDOWS)
def test_grey_images_are_those_with_equal_colours(photographs, window):
    grey, other = photographs[..., 1], noisy(photographs[..., 1], 20)
    found = ssim(other, grey, window)
    np.testing.assert_allclose(found, reference(other, grey, window), atol=1e-7)
    colour = [image[..., None].repeat(3, -1) for image in (other, grey)]
    np.testing.assert_allclose(ssim(*colour, window), found, atol=1e-9)


@pytest.mark.parametrize("window", WINDOWS)
def test_floats_of_a_stated_range_score_as_8_bit_images_do(photographs, window):
    prediction = noisy(photographs, 20)
    found = ssim(prediction / 255, photographs.astype(np.float64) / 255, window, data_range=1)
    np.testing.assert_allclose(found, ssim(prediction, photographs, window), atol=1e-12)


def test_a_window_never_reaches_another_image(photographs, monkeypatch):
    prediction = noisy(photographs, 20)
    alone = [ssim(p[None], t[None])[0] for p, t in zip(prediction, photographs, strict=True)]
    np.testing.assert_array_equal(ssim(prediction, photographs), alone)
    monkeypatch.setattr(images, "BLOCK_BYTES", 1)
    np.testing.assert_array_equal(ssim(prediction, photographs), alone)


def test_images_smaller_than_the_window_and_unknown_windows_are_refused():
    small = np.zeros((1, 10, 20, 3), np.uint8)
    with pytest.raises(InputValueError, match="10 x 20 pixels are smaller than the window of 11 x 11"):
        ssim(small, small)
    assert ssim(small, small, "uniform7") == 1
    with pytest.raises(UnknownNameError, match="gaussian"):
        ssim(small, small, "gauss")


@pytest.mark.parametrize(
    ("metric", "window"), [(StructuralSimilarity, "gaussian"), (StructuralSimilarityUniform, "uniform7")]
)
def test_metrics_are_the_functions(photographs, metric, window):
    prediction = noisy(photographs, 20)
    merged = metric().update(prediction[:2], photographs[:2]).merge(metric().update(prediction[2:], photographs[2:]))
    np.testing.assert_array_equal(merged.compute(), ssim(prediction, photographs, window))


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("tile", [3, 256])
def test_ssim_of_all_pairs_is_ssim_pair_by_pair(photographs, monkeypatch, window, tile):
    monkeypatch.setattr(pairwise, "TILE_IMAGES", tile)
    truth = photographs[:5, :40, :37]
    prediction = noisy(truth, 30)
    found = pairwise_ssim(prediction, truth, window)
    for shift in range(5):
        rolled = np.roll(truth, -shift, 0)
        expected = ssim(prediction, rolled, window)
        np.testing.assert_allclose(found[np.arange(5), (np.arange(5) + shift) % 5], expected, atol=1e-5)


@pytest.mark.parametrize("scale", ["8-bit", "floats", "mixed"])
def test_errors_of_all_pairs_are_those_of_each(photographs, scale):
    from braincodec.evaluation.decoding import mse, snr

    truth = photographs[:5, :32, :32]
    prediction = noisy(truth, 30)
    keywords = {} if scale == "8-bit" else {"data_range": 1}
    prediction = prediction if scale == "8-bit" else prediction / 255
    truth = truth / 255 if scale == "floats" else truth
    errors, ratios = pairwise_mse(prediction, truth, **keywords), pairwise_snr(prediction, truth, **keywords)
    for shift in range(5):
        rolled, columns = np.roll(truth, -shift, 0), (np.arange(5) + shift) % 5
        np.testing.assert_allclose(errors[np.arange(5), columns], mse(prediction, rolled, **keywords), atol=1e-12)
        np.testing.assert_allclose(ratios[np.arange(5), columns], snr(prediction, rolled, **keywords), atol=1e-6)
