"""Which layer of which network embeds images, and whether embeddings have unit length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.features import Backbone, FeatureConfig
from braincodec.features.layers import OUTPUT
from braincodec.features.pooling import Pooling
from braincodec.features.preprocessing import Preprocessing

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

PUBLISHED_EMBEDDING = "open_clip:xlm-roberta-large-ViT-H-14/frozen_laion5b_s13b_b90k"
# whose output is an embedding already, compared by its direction
CONTRASTIVE = "open_clip"
# where networks have their pooled final features: timm's, EfficientNet-lite's, torchvision's
POOLED = {
    "head_drop": "flatten",
    "global_pool": "flatten",
    "head.global_pool": "flatten",
    "_avg_pooling": "flatten",
    "avgpool": "flatten",
    "encoder.ln": "class_token",
}
MOST_LAYERS_NAMED = 12

UnitLength = bool | Literal["auto"]


class EmbeddingChoice(Config):
    """What embeds images.

    Attributes
    ----------
    backbone : str
        As `braincodec.get_backbone` names it.
    layers : tuple of str, optional
        Default: what the visual tower of a CLIP model returns; of other networks the pooled final features.
    pooling : {"flatten", "spatial_mean", "class_token"}, optional
        Of `layers`; default: what suits the default layer, else ``flatten``.
    image_size : int or (int, int), optional
        Bring images to this size in place of the network's own.
    preprocessing : Preprocessing, optional
        In place of the network's own.

    Examples
    --------
    >>> EmbeddingChoice(backbone="gabor:bank", layers="scales.*", pooling="spatial_mean").unit_length("auto")
    False
    """

    shown_as: ClassVar[str] = "image embedding"

    backbone: str
    layers: tuple[str, ...] | None = Field(None, min_length=1)
    pooling: Pooling | None = None
    image_size: int | tuple[int, int] | None = None
    preprocessing: Preprocessing | None = None

    @field_validator("layers", mode="before")
    @classmethod
    def _one_layer(cls, layers: Any) -> Any:
        return (layers,) if isinstance(layers, str) else layers

    def for_backbone(self, backbone: Backbone) -> FeatureConfig:
        """The same choice with layer, pooling and preprocessing written out.

        Raises
        ------
        InputValueError
            When the network has no layer that is known to be an embedding; others are named.
        """
        layers, pooling = self.layers, self.pooling
        if layers is None:
            layer, default = default_layer(backbone)
            layers, pooling = (layer,), pooling or default
        return FeatureConfig(
            backbone=self.backbone,
            layers=layers,
            pooling=pooling or "flatten",
            preprocessing=self._preprocessing(backbone),
        )

    def _preprocessing(self, backbone: Backbone) -> Preprocessing:
        found = self.preprocessing or backbone.preprocessing
        if found is None:
            raise InputValueError(f"backbone {backbone.name!r} has no preprocessing of its own; give one")
        if self.image_size is None:
            return found
        square = isinstance(self.image_size, int)
        size = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
        return Preprocessing.parse(found.model_dump() | {"square_crop": square, "resize": size, "center_crop": None})

    def unit_length(self, setting: UnitLength) -> bool:
        """Whether embeddings are brought to unit length; ``"auto"``: those of CLIP models are, as published."""
        return self.backbone.partition(":")[0] == CONTRASTIVE if setting == "auto" else setting


def default_layer(backbone: Backbone) -> tuple[str, Pooling]:
    """The layer that embeds images, and how its output is pooled.

    Raises
    ------
    InputValueError

    Examples
    --------
    >>> from braincodec.features import get_backbone
    >>> default_layer(get_backbone("efficientnet_lite:0@none"))
    ('_avg_pooling', 'flatten')
    """
    if backbone.name.partition(":")[0] == CONTRASTIVE:
        return OUTPUT, "flatten"
    names = backbone.layers()
    for layer, pooling in POOLED.items():
        if layer in names:
            return layer, pooling  # type: ignore[return-value]
    shown = ", ".join(names[-MOST_LAYERS_NAMED:])
    raise InputValueError(
        f"no layer of {backbone.name} is known to be an embedding of images: give embedding_layer, {OUTPUT!r} or one "
        f"of its {len(names)} layers, the last of which are {shown}"
    )


def scaled_to_unit_length(embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row divided by its length; a row of zeros stays.

    Examples
    --------
    >>> scaled_to_unit_length(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist()
    [[0.6000000238418579, 0.800000011920929], [0.0, 0.0]]
    """
    lengths = np.linalg.norm(embeddings.astype(np.float64), axis=1, keepdims=True)
    return (embeddings / np.where(lengths > 0, lengths, 1.0)).astype(np.float32)


def joined_layers(features: dict[str, torch.Tensor]) -> torch.Tensor:
    """Features of all layers, one after the other: shape (images, dimension), float32."""
    import torch

    return torch.cat([one.float() for one in features.values()], 1)
