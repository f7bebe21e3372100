"""Settings of a trained linear encoder, and the names and shapes of its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal, Self

from pydantic import Field, model_validator

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.features import FeatureConfig
from braincodec.models.tensors import check_tensor_shapes

if TYPE_CHECKING:
    import torch

REDUCTION = "reduction."
BIAS = f"{REDUCTION}bias"
WEIGHT, INTERCEPT = "readout.weight", "readout.bias"

Projection = Literal["joint", "by_layer", "outputs"]


class LinearConfig(Config):
    """Settings of a linear encoder.

    Attributes
    ----------
    features : FeatureConfig or tuple of FeatureConfig
        Backbone, layers (in the order in which their features are concatenated), pooling, preprocessing; several where
        the encoder reads several networks, or one network at several sizes of the images.
    reductions : int
        Sets of components: one for all repetitions, or one for each.
    projection : {"joint", "by_layer", "outputs"}
        What features are projected to: components of all layers together, components of each layer by itself (one
        layer's after another's), or the outputs themselves, without components.
    """

    features: FeatureConfig | tuple[FeatureConfig, ...]
    reductions: int = Field(default=1, ge=1)
    projection: Projection = "joint"

    @model_validator(mode="after")
    def _one_reduction(self) -> Self:
        if self.projection != "joint" and self.reductions != 1:
            raise ValueError("only joint components come in several sets")
        if isinstance(self.features, tuple) and not self.features:
            raise ValueError("features are missing")
        return self

    @property
    def feature_sets(self) -> tuple[FeatureConfig, ...]:
        """`features`, always as several."""
        return self.features if isinstance(self.features, tuple) else (self.features,)

    @property
    def keys(self) -> list[dict[str, str]]:
        """For each of `features`, what its layers are called in the names of tensors."""
        return layer_keys(self.feature_sets)


def layer_keys(features: tuple[FeatureConfig, ...]) -> list[dict[str, str]]:
    """Names of layers, told apart by the number of their `FeatureConfig` where there are several.

    Examples
    --------
    >>> one = FeatureConfig(backbone="gabor:bank", layers="scales.0")
    >>> layer_keys((one,)), layer_keys((one, one))
    ([{'scales.0': 'scales.0'}], [{'scales.0': '0.scales.0'}, {'scales.0': '1.scales.0'}])
    """
    if len(features) == 1:
        return [{layer: layer for layer in features[0].layers}]
    return [{layer: f"{number}.{layer}" for layer in one.layers} for number, one in enumerate(features)]


def check_tensors(config: LinearConfig, tensors: Mapping[str, torch.Tensor], repetitions: int, outputs: int) -> None:
    """Refuse tensors that do not make up an encoder of so many repetitions and outputs.

    Raises
    ------
    InputValueError
        When one is missing, or shapes disagree.
    """
    names = [key for keys in config.keys for key in keys.values()]
    shapes: dict[str, tuple[int | None, ...]] = {f"{REDUCTION}{name}": (None, None) for name in names}
    shapes |= {BIAS: (None,)}
    if config.projection != "outputs":
        shapes |= {WEIGHT: (None, None, None), INTERCEPT: (None, None)}
    check_tensor_shapes(tensors, shapes)
    rows = [tensors[f"{REDUCTION}{name}"].shape[0] for name in names]
    given = tensors[BIAS].shape[0]
    if {given} != ({sum(rows)} if config.projection == "by_layer" else {*rows, given}):
        raise InputValueError(f"the reduction's layers have {rows} rows and its bias {given}, which do not fit")
    described = f"the table of units describes {repetitions} x {outputs}"
    if config.projection == "outputs":
        if given != repetitions * outputs:
            raise InputValueError(f"the reduction predicts {given} values, {described} (repetitions x outputs)")
        return
    of_weight, of_outputs, components = tensors[WEIGHT].shape
    if config.reductions not in (1, of_weight):
        raise InputValueError(f"reductions must be 1 or {of_weight}, one for each repetition; got {config.reductions}")
    if given != config.reductions * components:
        raise InputValueError(
            f"the reduction gives {given} components, the readout takes {config.reductions} x {components}"
        )
    if tuple(tensors[INTERCEPT].shape) != (of_weight, of_outputs):
        raise InputValueError("readout.weight and readout.bias are for different numbers of outputs")
    if (of_weight, of_outputs) != (repetitions, outputs):
        raise InputValueError(
            f"the readout predicts {of_weight} x {of_outputs} values (repetitions x outputs), {described}"
        )
