"""How a linear encoder is trained: which features, how they are reduced, which readout."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self, get_args

from pydantic import Field, field_validator, model_validator

from braincodec.config import Config
from braincodec.errors import InputValueError, UnknownNameError
from braincodec.features import Backbone, FeatureConfig
from braincodec.features.pooling import Pooling
from braincodec.features.preprocessing import Preprocessing
from braincodec.readouts.alphas import check_alphas
from braincodec.readouts.field_prior import check_windows

ReadoutName = Literal["ridge", "least_squares", "banded", "best_layer", "kernel_sum", "fields"]
Repetitions = Literal["average", "separate"]
FeatureDtype = Literal["auto", "float32", "float16"]
# every layer is a feature space of its own
OF_SPACES = ("banded", "best_layer", "kernel_sum")
# features up to this size are kept in single precision
MOST_SINGLE_BYTES = 4 * 2**30

ImageSize = int | tuple[int, int]


class FeatureChoice(FeatureConfig):
    """Layers of one network, at one size of the images.

    Parameters
    ----------
    backbone, layers, pooling, channels_last, preprocessing
        See `FeatureConfig`.
    image_size : int or (int, int), optional
        Bring images to this size (of the central square, for a whole number) and leave the rest of the network's own
        preprocessing as it is.

    Examples
    --------
    >>> FeatureChoice(backbone="gabor:bank", layers="scales.*", image_size=64).image_size
    64
    """

    shown_as: ClassVar[str] = "features"

    image_size: ImageSize | None = None

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if self.pooling == "none":
            raise ValueError(
                "pooling 'none' keeps maps; a linear readout takes 'flatten', 'spatial_mean', 'class_token'"
            )
        if self.image_size is not None and self.preprocessing is not None:
            raise ValueError("image_size changes the network's own preprocessing; give that or preprocessing, not both")
        return self

    def for_backbone(self, backbone: Backbone) -> FeatureConfig:
        """The same choice with its preprocessing written out."""
        chosen = FeatureConfig(**self.model_dump(exclude={"image_size", "preprocessing"}))
        preprocessing = self.preprocessing or backbone.preprocessing
        if self.image_size is not None:
            if preprocessing is None:
                raise InputValueError(f"backbone {backbone.name!r} has no preprocessing of its own; give preprocessing")
            square = isinstance(self.image_size, int)
            size = (self.image_size,) * 2 if isinstance(self.image_size, int) else self.image_size
            changes = {"square_crop": square, "resize": size, "center_crop": None}
            preprocessing = Preprocessing.parse(preprocessing.model_dump() | changes)
        return chosen.model_copy(update={"preprocessing": preprocessing})


class LinearRecipe(Config):
    """Settings by which a `LinearEncoder` is trained; its page explains them."""

    shown_as: ClassVar[str] = "LinearEncoder"

    backbone: str | None = None
    layers: tuple[str, ...] | None = Field(None, min_length=1)
    readout: ReadoutName = "ridge"
    pooling: Pooling = "flatten"
    channels_last: bool = False
    image_size: ImageSize | None = None
    preprocessing: Preprocessing | None = None
    features: tuple[FeatureChoice, ...] | None = Field(None, min_length=1)
    components: int | None = Field(None, ge=1)
    standardise: bool | None = None
    alphas: tuple[float, ...] | None = None
    one_alpha: bool = False
    folds: int = Field(5, ge=2)
    draws: int = Field(100, ge=1)
    smoothness: float = Field(0.15, gt=0)
    windows: tuple[tuple[float, float, float], ...] | None = None
    seed: int = Field(0, ge=0)
    repetitions: Repetitions = "average"
    feature_dtype: FeatureDtype = "auto"

    @field_validator("readout", mode="before")
    @classmethod
    def _known_readout(cls, name: Any) -> Any:
        if name not in get_args(ReadoutName):
            raise UnknownNameError("readout", str(name), get_args(ReadoutName))
        return name

    @field_validator("layers", "features", mode="before")
    @classmethod
    def _one_alone(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str | dict | FeatureConfig) else value

    @field_validator("alphas", mode="before")
    @classmethod
    def _positive(cls, alphas: Any) -> Any:
        return None if alphas is None else tuple(check_alphas(alphas).tolist())

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.backbone is None) == (self.features is None):
            raise ValueError("give a backbone and its layers, or features: a list of such choices")
        alone = ("layers", "image_size", "preprocessing")
        if self.features is not None and any(getattr(self, name) is not None for name in alone):
            raise ValueError(f"{', '.join(alone)} belong into each of features")
        if self.features is None:
            if self.layers is None:
                raise ValueError(f"layers of {self.backbone} must be named; get_backbone({self.backbone!r}).layers()")
            _ = self.choices
        if self.readout == "fields":
            self._check_fields()
        if self.readout == "least_squares" and self.alphas is not None:
            raise ValueError("least_squares has no strengths; alphas belong to the other readouts")
        if self.one_alpha and self.readout not in ("ridge", "kernel_sum"):
            raise ValueError(f"one_alpha belongs to ridge and kernel_sum, not {self.readout}")
        return self

    def _check_fields(self) -> None:
        if self.components is not None or self.standardise:
            raise ValueError("fields are read from maps as they are: components and standardise belong elsewhere")
        if any(one.pooling != "flatten" for one in self.choices):
            raise ValueError("fields are read from whole maps: pooling must be 'flatten'")
        if self.windows is not None:
            check_windows(self.windows)

    @property
    def choices(self) -> tuple[FeatureChoice, ...]:
        """What features come from, one entry a network and size."""
        if self.features is not None:
            return self.features
        names = ("backbone", "layers", "pooling", "channels_last", "image_size", "preprocessing")
        return (FeatureChoice(**{name: getattr(self, name) for name in names}),)

    @property
    def standardised(self) -> bool:
        """Whether features are divided by their standard deviations: by default before components are found."""
        return self.components is not None if self.standardise is None else self.standardise


def named_networks(settings: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Backbone]]:
    """Settings with the names of networks in place of those that are at hand, and these by name."""
    networks: dict[str, Backbone] = {}

    def named(choice: Any) -> Any:
        backbone = choice.get("backbone") if isinstance(choice, dict) else None
        if not isinstance(backbone, Backbone):
            return choice
        if networks.setdefault(backbone.name, backbone) is not backbone:
            raise InputValueError(f"two networks are called {backbone.name!r}")
        return choice | {"backbone": backbone.name}

    settings = named(settings)
    features = settings.get("features")
    if isinstance(features, dict):
        features = [features]
    if isinstance(features, list | tuple):
        settings = settings | {"features": [named(choice) for choice in features]}
    return settings, networks
