"""Prepared networks give the backbone's own numbers, quicker, and leave the backbone alone."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from braincodec.features import Backbone, FeatureExtractor, Preprocessing, get_backbone
from braincodec.features.backbone import converted
from braincodec.features.fast_vit import PackedBlock, packed_transformer

BLOCKS = [f"encoder.layers.encoder_layer_{i}" for i in range(3)]


@pytest.fixture(scope="module")
def vit(torchvision):
    from torchvision.models import VisionTransformer

    torch.manual_seed(0)
    module = VisionTransformer(64, 16, num_layers=3, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=5)
    for parameter in module.parameters():  # biases and head start at zero, which would hide their loss
        nn.init.normal_(parameter, std=0.1) if parameter.dim() == 1 else None
    nn.init.normal_(module.heads.head.weight, std=0.1)
    return Backbone("small vit", module, Preprocessing(resize=(64, 64)))


def served(vit) -> None:
    if packed_transformer(vit.module, BLOCKS) is None:
        pytest.skip("oneDNN does not serve this processor")


def images(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def extractor(backbone, layers) -> FeatureExtractor:
    return FeatureExtractor({"backbone": backbone.name, "layers": layers, "pooling": "none"}, backbone)


def test_the_packed_transformer_is_used_and_equals_the_module(vit):
    served(vit)
    layers = [*BLOCKS, "conv_proj", "encoder.ln", "heads.head"]
    plain, prepared = extractor(vit, layers), extractor(vit, layers).prepare()
    assert any(isinstance(part, PackedBlock) for part in prepared._network.modules())
    for count in (1, 3):
        expected, found = plain(images(count)), prepared(images(count))
        for layer in layers:
            assert found[layer].shape == expected[layer].shape
            assert (found[layer] - expected[layer]).abs().max() <= 1e-5 * expected[layer].std(), layer


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_packed_numbers_do_not_depend_on_the_matrix_product_precision(vit, precision):
    served(vit)
    expected = extractor(vit, BLOCKS)(images())
    torch.set_float32_matmul_precision(precision)
    try:
        found = extractor(vit, BLOCKS).prepare()(images())
    finally:
        torch.set_float32_matmul_precision("highest")
    for layer in BLOCKS:
        assert (found[layer] - expected[layer]).abs().max() <= 1e-5 * expected[layer].std()


def test_layers_inside_a_block_fall_back_to_the_module(vit):
    layers = [f"{BLOCKS[1]}.mlp", f"{BLOCKS[0]}.ln_1"]
    assert packed_transformer(vit.module, layers) is None
    expected, found = extractor(vit, layers)(images()), extractor(vit, layers).prepare()(images())
    for layer in layers:
        torch.testing.assert_close(found[layer], expected[layer])


def test_anything_else_falls_back(vit, monkeypatch):
    assert packed_transformer(nn.Sequential(nn.Linear(2, 2)), ["0"]) is None
    assert packed_transformer(converted(vit.module, torch.device("cpu"), torch.float64), BLOCKS) is None
    assert packed_transformer(converted(vit.module, torch.device("meta"), torch.float32), BLOCKS) is None
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "NEON")
    assert packed_transformer(vit.module, BLOCKS) is None


def test_a_block_that_computes_something_else_falls_back(vit, monkeypatch):
    monkeypatch.setattr(PackedBlock, "forward", lambda self, tokens: tokens)
    assert packed_transformer(vit.module, BLOCKS) is None


def test_a_torch_without_the_operators_falls_back(vit, monkeypatch):
    def absent(self, block):
        raise AttributeError("no such operator")

    monkeypatch.setattr(PackedBlock, "__init__", absent)
    assert packed_transformer(vit.module, BLOCKS) is None


def test_preparing_leaves_the_backbone_alone(vit):
    before = vit.fingerprint()
    prepared = extractor(vit, BLOCKS)
    full = prepared.prepare("cpu", "float32")(images())
    assert prepared.prepare("cpu", "bfloat16")(images())[BLOCKS[0]].dtype == torch.bfloat16
    again = prepared.prepare("cpu", "float32")(images())
    assert vit.fingerprint() == before
    for layer in BLOCKS:
        assert torch.equal(full[layer], again[layer])


@pytest.mark.parametrize("layer", [BLOCKS[2], f"{BLOCKS[2]}.mlp"])
def test_reduced_precision_is_near(vit, layer):
    expected = extractor(vit, layer)(images())[layer]
    found = extractor(vit, layer).prepare("cpu", "bfloat16")(images())[layer].float()
    assert 0 < (found - expected).abs().max() < 0.1 * expected.std()


def test_conversion_shares_what_fits_and_lays_out_convolutions():
    module = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 4))
    twin = converted(module, torch.device("cpu"), torch.float32)
    assert twin[2].weight.data_ptr() == module[2].weight.data_ptr()
    assert twin[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert module[0].weight.is_contiguous()
    half = converted(module, torch.device("cpu"), torch.bfloat16)
    assert half[1].running_mean.dtype == torch.bfloat16
    assert half[1].num_batches_tracked.dtype == torch.int64


def test_a_prepared_convolutional_network_gives_the_same_features(torchvision):
    backbone = get_backbone("torchvision:resnet18@none")
    layers = ["conv1", "layer1.0", "layer3", "fc"]
    expected, found = extractor(backbone, layers)(images()), extractor(backbone, layers).prepare()(images())
    for layer in layers:
        assert (found[layer] - expected[layer]).abs().max() <= 3e-5 * expected[layer].std()
        assert torch.equal(found[layer].flatten(1), found[layer].contiguous().flatten(1))
