"""Features of images: a backbone, named layers, pooling; all at once or layer by layer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, field_validator

from braincodec.config import Config
from braincodec.errors import InputTypeError, InputValueError
from braincodec.features.backbone import Backbone, converted
from braincodec.features.layers import resolve_layers, run_until
from braincodec.features.pooling import Pooling, count_prefix_tokens, pool
from braincodec.features.preprocessing import Preprocessing
from braincodec.features.registry import get_backbone

if TYPE_CHECKING:
    import torch


class FeatureConfig(Config):
    """Which features to take from which network.

    Parameters
    ----------
    backbone : str
        Name with its scheme, as `get_backbone` understands it: ``"torchvision:vit_b_32"``, ``"efficientnet_lite:0"``.
    layers : tuple of str
        Layer names or wild-cards (see `resolve_layers`); one string is accepted as one layer.
    pooling : {"flatten", "spatial_mean", "class_token", "none"}
    channels_last : bool
        The network's maps come as (batch, height, width, channel), as in Swin.
    preprocessing : Preprocessing, optional
        The backbone's own when left out.

    Examples
    --------
    >>> FeatureConfig(backbone="torchvision:vit_b_32", layers="encoder.layers.*", pooling="class_token").layers
    ('encoder.layers.*',)
    """

    backbone: str
    layers: tuple[str, ...] = Field(min_length=1)
    pooling: Pooling = "flatten"
    channels_last: bool = False
    preprocessing: Preprocessing | None = None

    @field_validator("layers", mode="before")
    @classmethod
    def _one_layer(cls, layers: Any) -> Any:
        return (layers,) if isinstance(layers, str) else layers


class FeatureExtractor:
    """Turns preprocessed images into features of named layers.

    Parameters
    ----------
    config : FeatureConfig or dict
    backbone : Backbone, optional
        The network, when it is at hand already; otherwise the one that `config` names is loaded.

    Attributes
    ----------
    config : FeatureConfig
        With wild-cards expanded and the preprocessing written out: what an artefact stores.
    preprocessing : Preprocessing
    layers : tuple of str
        In the order asked for.

    Examples
    --------
    >>> import torch
    >>> from torch import nn
    >>> from braincodec.features.backbone import Backbone, converted
    >>> backbone = Backbone("tiny", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), Preprocessing(resize=(8, 8)))
    >>> extractor = FeatureExtractor({"backbone": "tiny", "layers": "*", "pooling": "spatial_mean"}, backbone)
    >>> {name: tuple(features.shape) for name, features in extractor(torch.zeros(2, 3, 8, 8)).items()}
    {'0': (2, 4), '1': (2, 4)}
    """

    def __init__(self, config: FeatureConfig | dict[str, Any], backbone: Backbone | None = None) -> None:
        config = FeatureConfig.parse(config)
        self.backbone = backbone if backbone is not None else get_backbone(config.backbone)
        self._targets = resolve_layers(self.backbone.module, config.layers)
        self.preprocessing = self._choose_preprocessing(config)
        self.layers = tuple(self._targets)
        self.config = config.model_copy(update={"layers": self.layers, "preprocessing": self.preprocessing})
        self._prefix_tokens = count_prefix_tokens(self.backbone.module)
        self._network = self.backbone.module
        self._prepared_for: tuple[torch.device, torch.dtype] | None = None

    def _choose_preprocessing(self, config: FeatureConfig) -> Preprocessing:
        preprocessing = config.preprocessing or self.backbone.preprocessing
        if preprocessing is None:
            raise InputValueError(f"backbone {self.backbone.name!r} has no preprocessing of its own; give one")
        return preprocessing

    def prepare(self, device: str | torch.device = "cpu", dtype: str | torch.dtype = "float32") -> Self:
        """Lay the network out for a device and a floating-point type, once, before a run.

        The backbone itself stays as it is, so that it can be shared and prepared again in full precision. On a CPU
        convolutions are laid out channels last, and torchvision's vision transformers are run by `fast_vit`.
        """
        import torch

        from braincodec.features.fast_vit import packed_transformer

        dtype = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        wanted = (torch.device(device), dtype)
        if wanted != self._prepared_for:
            network = converted(self.backbone.module, *wanted)
            self._network = packed_transformer(network, self._targets.values()) or network
            self._prepared_for = wanted
        return self

    def __call__(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Features of every layer.

        Parameters
        ----------
        images : torch.Tensor of float, shape (batch, 3, height, width)
            As `preprocessing` gives them; moved to the network's device and dtype. Where they require gradients,
            features have them.

        Returns
        -------
        dict of str to torch.Tensor
            In the order asked for, on the network's device and in its dtype; shape (batch, feature) unless
            pooling is ``none``.
        """
        features: dict[str, torch.Tensor] = {}

        def keep(name: str, output: torch.Tensor) -> None:
            # the network may go on to overwrite its output in place
            features[name] = output.clone()

        self.stream(images, keep)
        return {name: features[name] for name in self.layers}

    def stream(self, images: torch.Tensor, consume: Callable[[str, torch.Tensor], None]) -> None:
        """Hand each layer's features to `consume` as they are produced, so that they never exist together.

        Parameters
        ----------
        images : torch.Tensor of float, shape (batch, 3, height, width)
        consume : callable
            Called with the layer's name and its features, in the order of execution. The features are valid
            during the call only.
        """
        import torch

        if images.dim() != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise InputTypeError(
                f"images must be floats of shape (batch, 3, height, width), as the preprocessing gives them; "
                f"got {images.dtype} {tuple(images.shape)}"
            )
        names: dict[str, list[str]] = {}
        for name, target in self._targets.items():
            names.setdefault(target, []).append(name)

        def hand_over(target: str, output: torch.Tensor) -> None:
            features = pool(
                output,
                self.config.pooling,
                prefix_tokens=self._prefix_tokens,
                channels_last=self.config.channels_last,
            )
            for name in names[target]:
                consume(name, features)

        example = next(self._network.parameters(), images)
        with torch.inference_mode(mode=not images.requires_grad):
            run_until(self._network, images.to(example.device, example.dtype), names, hand_over)

    def feature_shapes(self, image_size: tuple[int, int] | None = None) -> dict[str, tuple[int, ...]]:
        """Shape of one image's features for each layer, found by running one blank image.

        Parameters
        ----------
        image_size : (int, int), optional
            Height and width; needed only where the preprocessing does not fix them.
        """
        import torch

        size = image_size or self.preprocessing.output_size
        if size is None:
            raise InputValueError("the preprocessing does not fix the size of images; give image_size=(height, width)")
        try:
            found = self(torch.zeros(1, 3, *size))
        except RuntimeError as error:
            raise InputValueError(
                f"{self.backbone.name} takes no images of {size[0]} x {size[1]} pixels, which the preprocessing gives: "
                f"{str(error).splitlines()[0]}"
            ) from error
        return {name: tuple(features.shape[1:]) for name, features in found.items()}
