"""LPIPS over our AlexNet is the lpips package's with the same trunk, pair by pair and for all pairs."""

from __future__ import annotations

import contextlib
import io
import warnings

import numpy as np
import pytest
import torch

from braincodec.errors import InputValueError, MissingExtraError, MissingFileError
from braincodec.evaluation.decoding import lpips as module
from braincodec.evaluation.decoding import two_way_by_similarity
from braincodec.evaluation.decoding.lpips import LearnedPerceptualDistance, PerceptualDistance, TwoWayLPIPS

SLICES = {"slice1": range(2), "slice2": range(2, 5), "slice3": range(5, 8), "slice4": range(8, 10), "slice5": [10, 11]}


@pytest.fixture(scope="module")
def perceptual(torchvision) -> PerceptualDistance:
    pytest.importorskip("lpips")
    return PerceptualDistance("none-1", device="cpu")


@pytest.fixture(scope="module")
def reference(perceptual):
    """lpips.LPIPS with the trunk that `perceptual` has."""
    import lpips

    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    features = perceptual._features._backbone.module.features
    for name, numbers in SLICES.items():
        for number in numbers:
            getattr(network.net, name)[number - min(numbers)].load_state_dict(features[number].state_dict())
    return network


def noisy(images: np.ndarray, deviation: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, deviation, images.shape)
    return np.clip(images + noise, 0, 255).astype(np.uint8)


def by_package(network, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    pair = [torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1 for images in (prediction, truth)]
    with torch.no_grad():
        return network(*pair).flatten().numpy()


@pytest.mark.parametrize("deviation", [0, 10, 80])
def test_distances_are_those_of_the_package(perceptual, reference, crops, deviation):
    prediction = noisy(crops, deviation)
    expected = by_package(reference, prediction, crops)
    np.testing.assert_allclose(perceptual.distance(prediction, crops), expected, atol=1e-6)
    assert (expected > 0).all() == (deviation > 0)


def test_distances_are_those_of_torchmetrics(perceptual, reference, crops, monkeypatch):
    functional = pytest.importorskip("torchmetrics.functional.image.lpips")
    network = functional._LPIPS(pretrained=True, net="alex", pnet_rand=True)
    network.net.load_state_dict(reference.net.state_dict())
    pair = [torch.from_numpy(images).permute(0, 3, 1, 2) / 127.5 - 1 for images in (noisy(crops, 40), crops)]
    with torch.no_grad():
        expected = network(*pair).flatten().numpy()
    np.testing.assert_allclose(perceptual.distance(noisy(crops, 40), crops), expected, atol=1e-6)


@pytest.mark.parametrize("block", [1, 3 * 2**20, 2**28])
def test_distances_of_all_pairs_are_those_of_each(perceptual, crops, monkeypatch, block):
    monkeypatch.setattr(module, "BLOCK_BYTES", block)
    truth, prediction = crops[:6], noisy(crops[:6], 40)
    found = perceptual.pairwise(prediction, truth)
    for shift in range(6):
        expected = perceptual.distance(prediction, np.roll(truth, -shift, 0))
        np.testing.assert_allclose(found[np.arange(6), (np.arange(6) + shift) % 6], expected, atol=1e-5)


def test_metrics_take_published_weights_from_the_hub_folder_and_name_them(hub, reference, crops):
    prediction = noisy(crops, 40)
    metric = LearnedPerceptualDistance(device="cpu")
    assert "alexnet-owt-7be5be79.pth" in metric.weights
    assert "lpips v0.1" in metric.weights
    rest = LearnedPerceptualDistance(device="cpu").update(prediction[4:], crops[4:])
    found = metric.update(prediction[:4], crops[:4]).merge(rest).compute()
    # the hub folder was written with the same seed
    np.testing.assert_allclose(found, by_package(reference, prediction, crops), atol=1e-6)


def test_two_way_identification_by_lpips(perceptual, crops):
    prediction = noisy(crops, 40)
    metric = TwoWayLPIPS("truth", weights="none-1", device="cpu")
    rest = TwoWayLPIPS("truth", weights="none-1", device="cpu").update(prediction[4:], crops[4:])
    found = metric.update(prediction[:4], crops[:4]).merge(rest).compute()
    np.testing.assert_array_equal(found, two_way_by_similarity(-perceptual.pairwise(prediction, crops), "truth"))
    assert found.mean() > 0.9
    same = crops[:1].repeat(len(crops), 0)
    assert (TwoWayLPIPS("truth", weights="none-1", device="cpu").update(same, crops).compute() == 0).all()


def test_true_images_are_resized_to_the_prediction(perceptual, photographs):
    metric = LearnedPerceptualDistance(weights="none-1", device="cpu")
    metric.update(photographs[:2, ::2, ::2], photographs[:2])
    assert metric.size == (64, 64)


def test_what_cannot_be_compared_is_refused(perceptual, crops):
    with pytest.raises(InputValueError, match="28 x 28 pixels are too small"):
        perceptual.distance(crops[:, :28, :28], crops[:, :28, :28])
    smallest = crops[:2, :31, :31]
    assert np.isfinite(perceptual.distance(smallest, crops[2:4, :31, :31])).all()
    with pytest.raises(InputValueError, match="must be the same"):
        perceptual.distance(crops[:2], crops[:3])
    other = LearnedPerceptualDistance(weights="none-2", device="cpu")
    with pytest.raises(InputValueError, match="do not mix"):
        LearnedPerceptualDistance(weights="none-1", device="cpu").merge(other)


def test_absent_package_and_weights_are_named(torchvision, offline, monkeypatch):
    with pytest.raises(MissingFileError, match="alexnet"):
        LearnedPerceptualDistance()
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    with pytest.raises(MissingExtraError, match="lpips"):
        TwoWayLPIPS(weights="none")
