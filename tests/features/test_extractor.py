"""Features of named layers: the same whatever the batch, in order, all at once or layer by layer."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from braincodec.errors import InputTypeError, InputValueError, UnknownNameError
from braincodec.features import Backbone, FeatureConfig, FeatureExtractor, Preprocessing, get_backbone

LAYERS = ["layer2.*", "layer1.0", "conv1", "fc"]


@pytest.fixture(scope="module")
def resnet(torchvision):
    return get_backbone("torchvision:resnet18@none")


@pytest.fixture(scope="module")
def vit(torchvision):
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    module = VisionTransformer(64, 16, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=64)
    return Backbone("small vit", module, Preprocessing(resize=(64, 64)))


def images(count: int = 5, size: int = 64) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def extractor(backbone: Backbone, layers=LAYERS, pooling="spatial_mean") -> FeatureExtractor:
    return FeatureExtractor({"backbone": backbone.name, "layers": layers, "pooling": pooling}, backbone)


def test_features_come_in_the_order_asked_for(resnet):
    features = extractor(resnet)(images())
    assert {name: tuple(f.shape) for name, f in features.items()} == {
        "layer2.0": (5, 128),
        "layer2.1": (5, 128),
        "layer1.0": (5, 64),
        "conv1": (5, 64),
        "fc": (5, 1000),
    }
    assert list(features) == ["layer2.0", "layer2.1", "layer1.0", "conv1", "fc"]


def test_features_equal_those_of_torchvisions_own_extraction(torchvision, vit):
    from torchvision.models.feature_extraction import create_feature_extractor

    nodes = [f"encoder.layers.encoder_layer_{i}.add_1" for i in range(3)]
    expected = create_feature_extractor(vit.module, return_nodes=nodes)(images())
    features = extractor(vit, [*nodes[1:], nodes[0]], "none")(images())
    assert list(features) == [*nodes[1:], nodes[0]]
    for node in nodes:
        torch.testing.assert_close(features[node], expected[node], rtol=0, atol=1e-6)


def test_wild_cards_work_on_torchvisions_node_names(vit):
    names = extractor(vit, "encoder.layers.encoder_layer_*.add_1").layers
    assert names == tuple(f"encoder.layers.encoder_layer_{i}.add_1" for i in range(3))


@pytest.mark.parametrize("pooling", ["flatten", "spatial_mean", "class_token", "none"])
def test_pooling_of_a_transformer(vit, pooling):
    shapes = {"flatten": (17 * 32,), "spatial_mean": (32,), "class_token": (32,), "none": (17, 32)}
    config = extractor(vit, "encoder.layers.encoder_layer_1", pooling)
    assert config.feature_shapes() == {"encoder.layers.encoder_layer_1": shapes[pooling]}
    maps = extractor(vit, "encoder.layers.encoder_layer_1", "none")(images())["encoder.layers.encoder_layer_1"]
    expected = {
        "flatten": maps.flatten(1),
        "spatial_mean": maps[:, 1:].mean(1),
        "class_token": maps[:, 0],
        "none": maps,
    }
    torch.testing.assert_close(config(images())["encoder.layers.encoder_layer_1"], expected[pooling])


@pytest.mark.parametrize("batch_size", [1, 2, 4])
def test_any_batch_size_gives_the_same_features(resnet, vit, batch_size):
    for backbone, layers in ((resnet, LAYERS), (vit, "encoder.layers.*")):
        taken = extractor(backbone, layers)
        whole = taken(images())
        parts = [taken(part) for part in images().split(batch_size)]
        for name, expected in whole.items():
            joined = torch.cat([part[name] for part in parts])
            assert (joined - expected).abs().max() <= 1e-5 * expected.std()


def test_the_same_images_give_the_same_bits(resnet):
    taken = extractor(resnet)
    for a, b in zip(taken(images()).values(), taken(images()).values(), strict=True):
        assert torch.equal(a, b)


def test_streaming_hands_over_each_layer_as_it_is_made(resnet):
    taken = extractor(resnet, LAYERS, "flatten")
    streamed, order = {}, []

    def consume(name, features):
        order.append(name)
        streamed[name] = features.clone()

    taken.stream(images(), consume)
    assert order == ["conv1", "layer1.0", "layer2.0", "layer2.1", "fc"]
    for name, features in taken(images()).items():
        assert torch.equal(streamed[name], features)


def test_later_in_place_steps_do_not_reach_the_features(resnet):
    # batch norm is followed by an in-place ReLU
    assert (extractor(resnet, ["layer1.0.bn1", "fc"], "none")(images())["layer1.0.bn1"] < 0).any()


def test_one_layer_under_two_names_comes_twice(vit):
    names = ["encoder.layers.encoder_layer_1", "encoder.layers.encoder_layer_1.add_1"]
    features = extractor(vit, names)(images())
    assert list(features) == names
    assert torch.equal(*features.values())


def test_no_hook_stays_on_the_network(resnet):
    taken = extractor(resnet)
    taken(images())
    with pytest.raises(ZeroDivisionError):
        taken.stream(images(), lambda name, features: 1 / 0)
    assert not any(part._forward_hooks for part in resnet.module.modules())


def test_reduced_precision_is_prepared_and_undone(torchvision):
    taken = extractor(get_backbone("torchvision:resnet18@none"), "layer1.0", "spatial_mean")
    full = taken(images())["layer1.0"]
    reduced = taken.prepare("cpu", "bfloat16")(images())["layer1.0"]
    assert reduced.dtype == torch.bfloat16
    assert 0 < (reduced.float() - full).abs().max() < 0.1 * full.std()


def test_the_stored_settings_are_complete_and_give_the_same_extractor(vit):
    taken = extractor(vit, "encoder.layers.*")
    assert taken.config.layers == tuple(f"encoder.layers.encoder_layer_{i}" for i in range(3))
    assert taken.config.preprocessing == Preprocessing(resize=(64, 64))
    again = FeatureExtractor(FeatureConfig.model_validate_json(taken.config.model_dump_json()), vit)
    assert again.config == taken.config
    assert again.config.hash() == taken.config.hash()


def test_own_preprocessing_wins_over_the_backbones(resnet):
    config = {"backbone": "x", "layers": "fc", "preprocessing": {"resize": (32, 32)}}
    assert FeatureExtractor(config, resnet).preprocessing.output_size == (32, 32)


def test_from_pixels_to_features(vit):
    taken = extractor(vit, "encoder.ln", "class_token")
    pixels = np.random.default_rng(0).integers(0, 256, (2, 90, 70, 3), dtype=np.uint8)
    assert taken(taken.preprocessing(pixels))["encoder.ln"].shape == (2, 32)


@pytest.mark.parametrize(
    "wrong", [torch.zeros(3, 64, 64), torch.zeros(2, 64, 64, 3), torch.zeros(2, 3, 64, 64, dtype=torch.uint8)]
)
def test_wrong_images_are_refused(resnet, wrong):
    with pytest.raises(InputTypeError, match="batch, 3, height, width"):
        extractor(resnet)(wrong)


def test_unknown_layers_are_answered_with_near_names(resnet):
    with pytest.raises(UnknownNameError, match=r"did you mean 'layer2\.[01]"):
        extractor(resnet, "layer2.5")


def test_settings_are_checked():
    for wrong in ({"backbone": "x", "layers": []}, {"backbone": "x", "layers": "a", "poolin": "flatten"}):
        with pytest.raises(InputValueError, match="FeatureConfig"):
            FeatureConfig.parse(wrong)


def test_shapes_need_a_size_where_the_preprocessing_leaves_it_open(resnet):
    config = {"backbone": "x", "layers": "layer1.0", "pooling": "none", "preprocessing": {}}
    taken = FeatureExtractor(config, resnet)
    with pytest.raises(InputValueError, match="image_size"):
        taken.feature_shapes()
    assert taken.feature_shapes((32, 48)) == {"layer1.0": (64, 8, 12)}


def test_networks_without_parameters_work():
    backbone = Backbone("flat", nn.Sequential(nn.AvgPool2d(4)), Preprocessing())
    assert extractor(backbone, "0", "flatten")(images())["0"].shape == (5, 3 * 16 * 16)


def test_importing_the_package_leaves_torch_alone():
    code = "import sys, braincodec.features; sys.exit('torch' in sys.modules or 'torchvision' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_images_that_a_network_is_too_deep_for_are_refused_in_words():
    small = {"backbone": "gabor:bank", "layers": "scales.3", "preprocessing": {"resize": [32, 32]}}
    with pytest.raises(InputValueError, match="gabor:bank takes no images of 32 x 32 pixels, which the preprocessing"):
        FeatureExtractor(small).feature_shapes()
