"""The Fréchet distance is the published formula's, merges exactly, and warns about few images."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from scipy.linalg import sqrtm

from braincodec.errors import InputValueError, MissingFileError
from braincodec.evaluation.decoding import frechet
from braincodec.evaluation.decoding.feature_networks import FeatureNetwork, NetworkFeatures
from braincodec.evaluation.decoding.frechet import FewImagesWarning, FrechetDistance

SMALL = FeatureNetwork("gabor:bank", ("scales.2",), "Gabor filters", "test", pooling="spatial_mean")


@pytest.fixture(autouse=True)
def need_torchmetrics(torchvision):
    pytest.importorskip("torchmetrics")


def small() -> FrechetDistance:
    return FrechetDistance(network=SMALL, device="cpu")


def images(count: int, seed: int, most: int = 256) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, most, (count, 24, 24, 3), np.uint8)


def by_formula(prediction: np.ndarray, truth: np.ndarray) -> float:
    """Heusel et al. 2017: |m1 - m2|^2 + trace(C1 + C2 - 2 (C1 C2)^(1/2))."""
    a, b = prediction.astype(np.float64), truth.astype(np.float64)
    covariances = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = sqrtm(covariances[0] @ covariances[1]).real
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root))


def test_the_distance_is_that_of_the_formula():
    prediction, truth = images(30, 0, 200), images(30, 1)
    metric = small().update(prediction, truth)
    with pytest.warns(FewImagesWarning, match="30 images with 10 features: below 2,048"):
        found = metric.compute()
    features = NetworkFeatures(SMALL, device="cpu")
    expected = by_formula(features(prediction), features(truth))
    assert found.shape == ()
    assert float(found) == pytest.approx(expected, rel=1e-6)
    assert metric.feature_dimension == 10
    assert expected > 0.001


def test_a_set_has_no_distance_to_itself():
    with pytest.warns(FewImagesWarning):
        assert abs(small().update(images(20, 0), images(20, 0)[::-1]).compute()) < 1e-7


def test_merging_workers_gives_what_one_would_have_given():
    prediction, truth = images(24, 0, 200), images(24, 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewImagesWarning)
        whole = small().update(prediction, truth).compute()
        first, second = small().update(prediction[:9], truth[:9]), small().update(prediction[9:], truth[9:])
        before = second.compute()
        assert small().merge(first).merge(second).merge(small()).compute() == pytest.approx(float(whole), rel=1e-9)
        assert second.compute() == before


def test_enough_images_give_no_warning(monkeypatch):
    monkeypatch.setattr(frechet, "FEWEST_IMAGES", 15)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        small().update(images(15, 0), images(15, 1)).compute()


def test_sets_too_small_for_a_covariance_are_refused():
    with pytest.raises(InputValueError, match="at least two images, there are 0"):
        small().compute()
    with pytest.raises(InputValueError, match="there are 1"):
        small().update(images(1, 0), images(1, 1)).compute()


def test_by_default_it_looks_through_inception(hub, crops):
    metric = FrechetDistance(device="cpu").update(crops[:2], crops[2:4])
    assert metric.feature_dimension == 2048
    assert "inception_v3_google-0cc3c7bd.pth" in metric.weights
    assert "2,048" in metric.definition.text


def test_absent_weights_are_named(offline):
    with pytest.raises(MissingFileError, match="inception_v3"):
        FrechetDistance()
