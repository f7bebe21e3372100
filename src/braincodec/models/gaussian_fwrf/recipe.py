"""How Gaussian receptive fields are found and fitted: which maps, which grid, which strengths."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from braincodec.config import Config
from braincodec.features.preprocessing import Preprocessing
from braincodec.models.gaussian_fwrf.windows import Nonlinearity
from braincodec.readouts.alphas import check_alphas

LayerChoice = Literal["concatenate", "best"]
FeatureDtype = Literal["auto", "float32", "float16"]
# in units of the number of stimuli, for features of variance one
ALPHAS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 1e1, 1e2)


class GaussianFwRFRecipe(Config):
    """Settings by which a `GaussianFwRF` is trained; its page explains them."""

    shown_as: ClassVar[str] = "GaussianFwRF"

    backbone: str
    layers: tuple[str, ...] = Field(min_length=1)
    visual_angle: float | None = Field(None, gt=0, allow_inf_nan=False)
    layer_choice: LayerChoice = "concatenate"
    nonlinearities: Nonlinearity | tuple[Nonlinearity, ...] = "none"
    sizes: int = Field(7, ge=1)
    smallest_size: float | None = Field(None, gt=0, allow_inf_nan=False)
    largest_size: float | None = Field(None, gt=0, allow_inf_nan=False)
    spacing: float = Field(1.5, gt=0, allow_inf_nan=False)
    most_centres: int = Field(9, ge=1)
    extent: float | None = Field(None, gt=0, allow_inf_nan=False)
    refinements: int = Field(2, ge=0)
    alphas: tuple[float, ...] = ALPHAS
    folds: int = Field(5, ge=2)
    standardise: bool = True
    seed: int = Field(0, ge=0)
    channels_last: bool = False
    preprocessing: Preprocessing | None = None
    feature_dtype: FeatureDtype = "auto"

    @field_validator("layers", mode="before")
    @classmethod
    def _one_alone(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("nonlinearities", mode="before")
    @classmethod
    def _a_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @field_validator("alphas", mode="before")
    @classmethod
    def _positive(cls, alphas: Any) -> Any:
        return tuple(check_alphas(alphas).tolist())

    @model_validator(mode="after")
    def _sizes_rise(self) -> Self:
        if self.smallest_size is not None and self.largest_size is not None:
            if self.smallest_size > self.largest_size:
                raise ValueError(f"smallest_size {self.smallest_size:g} is above largest_size {self.largest_size:g}")
            if self.sizes > 1 and self.smallest_size == self.largest_size:
                raise ValueError(f"smallest_size and largest_size are equal, so sizes must be 1, not {self.sizes}")
        return self
