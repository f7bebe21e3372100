"""Features of a pretrained network, an affine reduction, and a linear readout."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from pydantic import Field

from braincodec.config import Config
from braincodec.errors import InputValueError
from braincodec.features import FeatureConfig, FeatureExtractor
from braincodec.models.backboned import BACKBONE, BackboneEncoder
from braincodec.models.base import register_model
from braincodec.models.tensors import add_tensor, check_tensor_shapes
from braincodec.models.trainable import Parts

if TYPE_CHECKING:
    import torch

REDUCTION = "reduction."
SENSOR_DIMS = ("repetition", "channel", "time")


class LinearConfig(Config):
    """Settings of a linear encoder.

    Attributes
    ----------
    features : FeatureConfig
        Backbone, layers (in the order in which their features are concatenated), pooling, preprocessing.
    reductions : int
        Sets of components: one for all repetitions, or one for each.
    """

    features: FeatureConfig
    reductions: int = Field(1, ge=1)


@register_model("linear")
class LinearEncoder(BackboneEncoder):
    """Responses as a linear function of standardised, PCA-reduced features.

    Standardisation and PCA are kept as one affine map, cut into one block for each layer, so that a layer's
    features are projected as soon as they exist and the concatenated features never do.

    Notes
    -----
    Trained, it consists of the tensors ``reduction.<layer>`` (reductions * components, features of the layer) for each
    layer, ``reduction.bias`` (reductions * components,), ``readout.weight`` (repetitions, outputs, components),
    ``readout.bias`` (repetitions, outputs), and optionally ``backbone.*``, the network's own weights. Outputs are
    units, or channels x times in C order, one set for each repetition.
    """

    kind: ClassVar[str] = "linear"
    config_class = LinearConfig
    preferred_batch_size = 48

    def _adopt(self, parts: Parts) -> None:
        self._shared_key: str | None = None
        self._running: FeatureExtractor | None = None
        super()._adopt(parts)

    @property
    def response_dims(self) -> tuple[str, ...]:
        """``("unit",)``, or repetition, channel and time where the units have them."""
        return SENSOR_DIMS if "time" in self.units.sizes else ("unit",)

    def _check(self) -> None:
        reductions = self.config.reductions
        shapes: dict[str, tuple[int | None, ...]] = {f"{REDUCTION}{layer}": (None, None) for layer in self.layers}
        shapes |= {f"{REDUCTION}bias": (None,), "readout.weight": (None, None, None), "readout.bias": (None, None)}
        check_tensor_shapes(self._tensors, shapes)
        repetitions, outputs, components = self._tensors["readout.weight"].shape
        if reductions not in (1, repetitions):
            raise InputValueError(f"reductions must be 1 or {repetitions}, one for each repetition; got {reductions}")
        rows = {self._tensors[f"{REDUCTION}{name}"].shape[0] for name in (*self.layers, "bias")}
        if rows != {reductions * components}:
            raise InputValueError(
                f"the reduction gives {sorted(rows)} components, the readout takes {reductions} x {components}"
            )
        if tuple(self._tensors["readout.bias"].shape) != (repetitions, outputs):
            raise InputValueError("readout.weight and readout.bias are for different numbers of outputs")
        described = {str(name): size for name, size in self.units.sizes.items()}
        if self.response_dims == ("unit",):
            expected = (1, described.get("unit", 0))
        else:
            expected = (described.get("repetition", 0), described.get("channel", 0) * described["time"])
        if expected != (repetitions, outputs):
            raise InputValueError(
                f"the readout predicts {repetitions} x {outputs} values (repetitions x outputs), "
                f"the table of units describes {expected[0]} x {expected[1]}"
            )

    def _prepare(self, device: torch.device, dtype: torch.dtype) -> None:
        # the network and the reduction follow when `shared` is first called: of encoders that share it, one does
        self._running = None
        self._place = (device, dtype)
        self._weight = self._tensors["readout.weight"].to(device).float()
        self._bias = self._tensors["readout.bias"].to(device).float()

    def _prepare_shared(self) -> FeatureExtractor:
        device, dtype = self._place
        self._projection = {layer: self._tensors[f"{REDUCTION}{layer}"].to(device, dtype) for layer in self.layers}
        self._offset = self._tensors[f"{REDUCTION}bias"].to(device).float()
        return self._extractor_on(device, dtype)

    def shared(self, images: torch.Tensor) -> torch.Tensor:
        """Components (batch, reductions * components), float32."""
        if self._running is None:
            self._running = self._prepare_shared()
        scores = self._offset.repeat(images.shape[0], 1)

        def project(layer: str, features: torch.Tensor) -> None:
            projection = self._projection[layer]
            if features.shape[1:] != projection.shape[1:]:
                raise InputValueError(
                    f"layer {layer!r} gives features of shape {tuple(features.shape[1:])} for these images, "
                    f"the reduction was made for {tuple(projection.shape[1:])}"
                )
            scores.add_(features @ projection.T)

        self._running.stream(images, project)
        return scores

    def readout(self, shared: torch.Tensor) -> torch.Tensor:
        """Responses (batch, *response_shape) from components."""
        import torch

        repetitions, _, components = self._weight.shape
        if self.config.reductions == 1:
            weight = self._weight.flatten(0, 1)  # (repetitions * outputs, components)
            responses = torch.addmm(self._bias.flatten(), shared, weight.T)
        else:
            scores = shared.unflatten(1, (repetitions, components)).transpose(0, 1)  # (repetitions, batch, components)
            responses = torch.baddbmm(self._bias[:, None], scores, self._weight.transpose(1, 2)).transpose(0, 1)
        return responses.reshape(shared.shape[0], *self.response_shape)

    def shared_key(self) -> str:
        """Hash of backbone, layers, preprocessing and reduction."""
        if self._shared_key is None:
            digest = hashlib.sha256(self.config.hash().encode())
            for name, tensor in sorted(self._tensors.items()):
                if name.startswith((REDUCTION, BACKBONE)):
                    add_tensor(digest, name, tensor)
            if self._given is not None:
                digest.update(self._given.fingerprint().encode())
            self._shared_key = digest.hexdigest()
        return self._shared_key

    def bytes_per_image(self) -> int:
        """Pixels and activations of the backbone, the largest layer's features, and the response."""
        largest = max(self._tensors[f"{REDUCTION}{layer}"].shape[1] for layer in self.layers)
        return 8 * 2**20 + 4 * (4 * largest + int(np.prod(self.response_shape)))

    def select(self, **indices: Any) -> LinearEncoder:
        """See `Encoder.select`."""
        chosen = self.choose(indices)
        weight, bias = self._tensors["readout.weight"], self._tensors["readout.bias"]
        if self.response_dims == ("unit",):
            rows = chosen["unit"]
            weight, bias = weight[:, rows], bias[:, rows]
        else:
            grid = np.arange(weight.shape[1]).reshape(self.response_shape[1:])
            rows = grid[np.ix_(chosen["channel"], chosen["time"])].ravel()
            repetition = chosen["repetition"]
            weight, bias = weight[repetition][:, rows], bias[repetition][:, rows]
        tensors = self._tensors | {"readout.weight": weight.contiguous(), "readout.bias": bias.contiguous()}
        config = self.config
        if config.reductions > 1 and self.response_dims != ("unit",):
            tensors |= self._reductions_of(chosen["repetition"])
            config = config.model_copy(update={"reductions": len(chosen["repetition"])})
        units = self.units.isel(chosen)
        return self._with(config, tensors, units)

    def _reductions_of(self, repetitions: np.ndarray) -> dict[str, torch.Tensor]:
        names = [name for name in self._tensors if name.startswith(REDUCTION)]
        sets = {name: self._tensors[name].unflatten(0, (self.config.reductions, -1)) for name in names}
        return {name: tensor[repetitions].flatten(0, 1).contiguous() for name, tensor in sets.items()}
